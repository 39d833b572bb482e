"""Pictures of lesson 2.8: the operations do what their names say, labels go by area, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from explorers import data_augmentation as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")


@pytest.mark.parametrize("operation", pictures.OPERATIONS)
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(operation, strength):
    figure, sentence = pictures.draw_gallery(operation, strength, 3, 8)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


@pytest.mark.parametrize("operation", pictures.OPERATIONS)
def test_strength_0_changes_nothing(operation):
    x, other = pictures.photographs()
    out, share = pictures.augment(x, other, operation, 0.0, np.random.default_rng(0))
    assert np.allclose(out, x, atol=1e-5) and share == 1


@pytest.mark.parametrize("degrees", [20, -75])
def test_rotation_is_that_of_scipy(degrees):
    x = pictures.photographs()[0][:80]
    wanted = ndimage.rotate(x, degrees, reshape=False, order=1, mode="grid-constant")
    assert np.allclose(pictures.warp(x, degrees), wanted, atol=1e-5)


def test_shifts_move_down_and_right():
    x = pictures.photographs()[0]
    moved = pictures.warp(x, down=7, right=-4)
    assert np.allclose(moved[7:, :-4], x[:-7, 4:], atol=1e-6) and not moved[:7].any() and not moved[:, -4:].any()


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_the_label_of_mixtures_is_the_share_of_the_picture(strength):
    x, other = np.ones((20, 30, 1)), np.zeros((20, 30, 1))
    for seed in range(30):
        for operation in ("CutMix", "mixup"):
            out, share = pictures.augment(x, other, operation, strength, np.random.default_rng(seed))
            assert np.isclose(out.mean(), share)
        cut, label = pictures.augment(x, other, "cutout", strength, np.random.default_rng(seed))
        assert cut.mean() >= 1 - strength - 0.1 and label == 1


def test_a_crop_is_a_window_of_the_picture():
    x = pictures.photographs()[0]
    out, _ = pictures.augment(x, x, "crop", 1.0, np.random.default_rng(0))
    assert out.shape == x.shape and out.min() > 0  # a window inside, enlarged: no border comes in


def test_unknown_operations_and_digits_are_refused():
    x = pictures.photographs()[0]
    with pytest.raises(ValueError, match="is none of"):
        pictures.augment(x, x, "twist", 0.5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="0 to 9"):
        pictures.test_digit(12)


def test_the_reader_reads_upright_digits():
    assert [pictures.read(pictures.test_digit(k)[None])[0] for k in range(10)] == list(range(10))


def test_rows_and_gains_are_drawn():
    cat, cup = pictures.photographs()
    figure = pictures.draw_rows({"a": [cat, cup], "b": [cup[..., :1], None]}, ["one", "two"], "title")
    assert [ax.get_title(loc="center") for ax in figure.axes[:2]] == ["one", "two"]
    table = pd.DataFrame({"gain": [3.0, 0.2, -4.0], "±": [1.0, 1.0, 1.0]}, index=["good", "nothing", "bad"])
    axes = pictures.draw_gains({"clean": table, "noisy": table}, "title", (-6, 6))
    markers = [bars.lines[0].get_marker() for bars in axes[0].containers]
    assert markers == ["^", "o", "v"] and len(axes) == 2


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_gallery,
        operation=list(pictures.OPERATIONS),
        strength=(0.0, 1.0, 0.1, 0.5),
        seed=(0, 20, 1, 0),
        digit=(0, 9, 1, 6),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("operation", "CutMix", "6 draws of CutMix"),
        ("strength", 0.9, "strength 0.9"),
        ("seed", 4, "seed 4"),
        ("digit", 3, "handwritten 3"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


def test_the_gain_by_steps_says_where_each_line_begins_and_ends():
    gains = {500: np.array([[-3.0, 2.0, 6.0], [-5.0, 3.0, 7.0]]), 2000: np.array([[-4.0, 0.0, 2.0], [-4.0, 1.0, 3.0]])}
    figure, sentence = pictures.draw_gain_by_steps((100, 300, 1000), gains)
    assert "500 digits from -4.0 to 6.5; 2,000 digits from -4.0 to 2.5" in sentence and len(figure.axes) == 1
