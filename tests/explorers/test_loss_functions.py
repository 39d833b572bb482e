"""Pictures of lesson 1.7: losses, gradients, lines that an outlier pulls; they draw what they say and redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import loss_functions as pictures
from utils import plot, widgets

RNG = np.random.default_rng(0)
X = np.array([0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.7, 2.4, 2.0])
Y = 1.2 * X + 0.2 * RNG.standard_normal(12)
PICTURES = {
    "regression": pictures.draw_regression,
    "classification": pictures.draw_classification,
    "outlier": lambda: pictures.draw_outlier(X, Y, 8.0),
    "ranking": lambda: pictures.draw_ranking(
        RNG.standard_normal((2, 60, 3)), RNG.standard_normal((2, 60, 3)), np.arange(60) % 3 == 0, np.ones(60)
    ),
}


pytestmark = pytest.mark.usefixtures("style")


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(name):
    figure, sentence = PICTURES[name]()
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


@pytest.mark.parametrize("name", ("regression", "classification"))
@pytest.mark.parametrize("parameter", (0.5, 2.0))
def test_gradients_are_the_slopes_of_the_losses(name, parameter):
    losses = getattr(pictures, f"{name}_losses")
    at = RNG.uniform(-4, 4, 200)
    up, down = losses(at + 1e-6, parameter), losses(at - 1e-6, parameter)
    for loss, (_, gradient) in losses(at, parameter).items():
        assert np.allclose((up[loss][0] - down[loss][0]) / 2e-6, gradient, atol=1e-4), loss


def test_known_values():
    losses = pictures.regression_losses(np.array([-3.0, 0.5, 1.0]), delta=1.0)
    assert np.allclose(losses["Huber"][0], [2.5, 0.125, 0.5]) and np.allclose(losses["MSE"][0], [9, 0.25, 1])
    p = 3 / 4
    losses = pictures.classification_losses(np.log(3.0), gamma=2.0)
    assert np.isclose(losses["cross-entropy"][0], -np.log(p)) and np.isclose(losses["hinge"][0], 0)
    assert np.isclose(losses["focal"][0], -np.log(p) / 16) and np.isclose(losses["squared error of p"][0], 1 / 16)


@pytest.mark.parametrize("price", (0.0, 3.0, 8.0, 12.0))
@pytest.mark.parametrize("delta", (0.05, 0.5, 10.0))
def test_no_other_line_is_better(price, delta):
    y = np.append(Y[:-1], price)
    for name, (slope, intercept) in pictures.fit_lines(X, y, delta).items():

        def loss(a, b, name=name):
            return pictures.regression_losses(a * X + b - y, delta)[name][0].mean()

        best = loss(slope, intercept)
        for da, db in 0.05 * RNG.standard_normal((200, 2)):
            assert loss(slope + da, intercept + db) >= best - 1e-4, name


def test_an_outlier_moves_mse_only():
    near, far = (pictures.fit_lines(X, np.append(Y[:-1], price)) for price in (5.0, 12.0))
    assert np.allclose(near["MAE"], far["MAE"]) and np.allclose(near["Huber"], far["Huber"], atol=1e-3)
    assert np.abs(far["MSE"] - near["MSE"]).max() > 0.3


def test_a_large_delta_gives_the_line_of_mse_and_inputs_stay():
    x, y = X.copy(), Y.copy()
    lines = pictures.fit_lines(x, y, delta=100.0)
    assert np.allclose(lines["MSE"], lines["Huber"])
    pictures.draw_outlier(x, y, price=9.0)
    assert np.array_equal(x, X) and np.array_equal(y, Y)


def test_the_explorer_follows_its_controls():
    box = widgets.explore(pictures.draw_outlier, X, Y, price=(0.0, 12.0, 0.25, 8.0), delta=(0.05, 10.0, 0.05, 0.5))
    assert "costs 8.0" in box.sentence.value and "with delta 0.5" in box.sentence.value
    before = box.picture.value
    box.inputs["price"].value = 2.0
    assert "costs 2.0" in box.sentence.value and box.picture.value != before
    before = box.picture.value
    box.inputs["delta"].value = 2.0
    assert "with delta 2" in box.sentence.value and box.picture.value != before
