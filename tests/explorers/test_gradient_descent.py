"""Pictures of lesson 2.1: the walks that they show obey the bounds, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import gradient_descent as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")


def excess(path, condition):
    return (np.array([1 / condition, 1.0]) * path**2).sum(1) / 2


@pytest.mark.parametrize("condition", [1.0, 10.0, 100.0])
@pytest.mark.parametrize("batch_size", pictures.BATCH_SIZES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(condition, batch_size):
    for lr in (0.05, 1.0, 2.0, 2.1):
        figure, sentence = pictures.draw_descent(condition, lr, batch_size)
        assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
        plt.close(figure)


def test_the_centres_have_their_mean_at_the_minimum():
    assert np.allclose(pictures.CENTRES.mean(0), 0) and pictures.CENTRES.shape == (pictures.N, 2)


@pytest.mark.parametrize("condition", [2.0, 10.0])
def test_the_bound_is_two_over_the_largest_curvature(condition):
    below = excess(pictures.descend(condition, 1.99, steps=400), condition)
    above = excess(pictures.descend(condition, 2.01, steps=400), condition)
    assert below[-1] < below[0] / 100 and above[-1] > above[0] * 100
    titles = [pictures.draw_descent(condition, lr)[0].axes[1].get_title(loc="left") for lr in (2.0, 2.05)]
    assert titles == ["On the edge: never arrives", "Diverges"]


def test_the_best_rate_contracts_by_the_formula():
    for condition in (3.0, 10.0, 30.0):
        path = pictures.descend(condition, 2 / (1 + 1 / condition), steps=20)
        ratio = np.linalg.norm(path[1:], axis=1) / np.linalg.norm(path[:-1], axis=1)
        assert np.allclose(ratio, (condition - 1) / (condition + 1))


def test_smaller_batches_have_a_higher_floor_and_a_smaller_rate_lowers_it():
    floor = lambda lr, size: excess(pictures.descend(3.0, lr, size, steps=2000), 3.0)[400:].mean()
    floors = [floor(0.2, size) for size in pictures.BATCH_SIZES]
    assert floors[0] < 1e-12 and floors[1] < floors[2] < floors[3]
    assert floor(0.05, "1") < floors[3] / 2


def test_walk_follows_the_gradient():
    path = pictures.walk(lambda w: np.array([1.0, 10.0]) * w, [10.0, 1.0], 0.1, 2)
    assert np.allclose(path, [[10, 1], [9, 0], [8.1, 0]])


def test_the_drawn_curve_is_that_of_the_path():
    figure, sentence = pictures.draw_descent(10.0, 0.5, "4")
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[1].lines}
    assert np.allclose(lines["this walk"], excess(pictures.descend(10.0, 0.5, "4"), 10.0))
    exact = excess(pictures.descend(10.0, 0.5), 10.0)
    assert np.allclose(lines["exact gradient"], np.maximum(exact, 1e-12)) and "batches of 4" in sentence


def test_saddle_draws_both_paths():
    ax = plt.subplots()[1]
    pictures.draw_saddle(ax, 0.7, {"a": np.zeros((3, 2)), "b": np.ones((4, 2))})
    assert {"a", "b"} <= {line.get_label() for line in ax.lines}


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_descent,
        condition=(1.0, 100.0, 1.0, 10.0),
        lr=(0.05, 2.1, 0.05, 1.0),
        batch_size=list(pictures.BATCH_SIZES),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("condition", 50.0, "condition number 50"),
        ("lr", 2.1, "Diverges"),
        ("batch_size", "4", "batches of 4"),
        ("lr", 0.5, "trembles on its floor"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
