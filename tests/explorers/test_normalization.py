"""Pictures of lesson 2.6: the cells that they colour and the statistics that they show are the right ones."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import normalization as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")
BATCH_SIZES = [2, 4, 8, 32, 128]


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("shift", [-4.0, 0.0, 4.0])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(batch_size, shift):
    for momentum, steps in ((0.01, 5), (0.5, 300)):
        figure, sentence = pictures.draw_statistics(batch_size, momentum, steps, shift)
        assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
        plt.close(figure)


def test_running_statistics_forget_the_start_by_the_formula():
    for momentum in (0.01, 0.1, 0.5):
        path = pictures.run_statistics(100_000, momentum, 10)  # such a batch knows the truth
        left = (1 - momentum) ** np.arange(11)
        assert np.allclose(path[:, 0], pictures.MEAN * (1 - left), atol=0.05)
        assert np.allclose(path[:, 1], left + pictures.DEVIATION**2 * (1 - left), atol=0.1)


def test_the_running_variance_is_unbiased_even_for_batches_of_two():
    ends = np.mean([pictures.run_statistics(2, 0.1, 200, seed)[-1] for seed in range(300)], axis=0)
    assert np.allclose(ends, [pictures.MEAN, pictures.DEVIATION**2], rtol=0.1)


def test_batches_of_two_leave_only_signs():
    own = pictures.normalised(batch_size=2)[1]
    assert np.mean(np.abs(np.abs(own) - 1) < 1e-2) > 0.98
    assert "-1 and +1" in pictures.draw_statistics(batch_size=2)[1]


def test_only_running_statistics_notice_a_shift():
    options = {"batch_size": 32, "momentum": 0.1, "steps": 300}
    before, after = pictures.normalised(**options, shift=0.0), pictures.normalised(**options, shift=4.0)
    assert abs(after[0].mean() - before[0].mean() - 2) < 0.2 and np.allclose(after[1], before[1], atol=1e-3)


def test_the_title_says_whether_the_statistics_have_arrived():
    titles = [pictures.draw_statistics(32, m, 40)[0].axes[0].get_title(loc="left") for m in (0.01, 0.2)]
    assert titles == ["Statistics: not (yet) right", "Statistics: arrived"]


def test_blocks_colour_the_visible_cells_of_the_mask():
    mask = np.zeros((3, 2, 2, 2), bool)
    assert not pictures._faces(mask.reshape(3, 2, 4))[1].any()
    mask[:, 0] = True  # batch norm: the whole front, a row of the top, a column of the side
    corners, filled = pictures._faces(mask.reshape(3, 2, 4))
    assert corners.shape == (3 * 4 + 3 * 2 + 2 * 4, 4, 2) and filled.sum() == 12 + 3 + 4
    figure = pictures.draw_blocks({"batch": mask, "none": ~mask})
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["batch: 12 cells", "none: 12 cells"]


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_statistics,
        batch_size=[8, 2, 4, 32, 128],
        momentum=(0.01, 0.5, 0.01, 0.05),
        steps=(5, 300, 5, 40),
        shift=(-4.0, 4.0, 0.5, 0.0),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("batch_size", 2, "batches of 2"),
        ("momentum", 0.3, "weight 0.3"),
        ("steps", 200, "over 200 steps"),
        ("shift", 4.0, "shifted by 4"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


def test_the_picture_of_the_rates_says_which_ones_work():
    rates, low, high = np.array([0.01, 0.1, 1.0]), [0.5, 0.5, np.inf], [2.0, 0.5, 0.5]
    ends = {"plain": np.repeat(np.array(low)[:, None], 3, 1), "batch norm": np.repeat(np.array(high)[:, None], 3, 1)}
    _, sentence = pictures.draw_rates(rates, ends)
    assert "plain below 1.2 from 0.01 to 0.1" in sentence and "batch norm below 1.2 from 0.1 to 1" in sentence


def test_a_refused_batch_size_is_left_out_of_the_picture():
    values = {name: np.full((4, 3), 0.6) for name in ("batch norm", "layer norm", "group norm")}
    values["batch norm"][0] = np.nan
    figure, sentence = pictures.draw_batch_sizes((1, 2, 4, 32), values)
    assert len(figure.axes[0].containers) == 3 and len(sentence) > 30
