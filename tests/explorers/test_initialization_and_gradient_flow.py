"""Pictures of lesson 2.4: the sizes that they show obey the formula, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import initialization_and_gradient_flow as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).standard_normal((64, 784))


@pytest.mark.parametrize("activation", pictures.ACTIVATIONS)
@pytest.mark.parametrize("scale", [0.2, 1.0, 1.4, 4.0])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(x, activation, scale):
    for n_layers in (5, 50):
        figure, sentence = pictures.draw_flow(x, scale, n_layers, activation)
        assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
        plt.close(figure)


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.4, 2.0])
def test_the_growth_per_layer_is_that_of_the_formula(x, scale):
    for activation, gain in (("ReLU", 0.5**0.5), ("none", 1.0)):
        forward, backward = pictures.flow(x, scale, 50, activation)
        assert np.isclose(pictures.factor(forward), scale * gain, rtol=0.06)
        assert np.isclose(pictures.factor(backward[::-1]), scale * gain, rtol=0.06)


def test_the_gradient_is_the_derivative_of_the_last_activation(x):
    few, n_layers, step = x[:2], 3, 1e-6
    first, others, top = pictures._draws(few.shape[1], len(few))
    f, _ = pictures.ACTIVATIONS["tanh"]

    def end(z1):
        a = f(z1)
        for w in others[: n_layers - 1]:
            a = f(a @ w * (1.2 / pictures.WIDTH**0.5))
        return (a * top).sum()

    z1 = few @ first * (1.2 / len(first) ** 0.5)
    numeric = np.zeros_like(z1)
    for i in np.ndindex(z1.shape):
        up, down = z1.copy(), z1.copy()
        up[i] += step
        down[i] -= step
        numeric[i] = (end(up) - end(down)) / (2 * step)
    forward, backward = pictures.flow(few, 1.2, n_layers, "tanh")
    assert np.isclose(backward[0], np.sqrt((numeric**2).mean()), rtol=1e-5)
    assert np.isclose(forward[0], np.sqrt((z1**2).mean()))


def test_the_titles_name_what_happens(x):
    titles = lambda *values: [ax.get_title(loc="left") for ax in pictures.draw_flow(x, *values)[0].axes]
    assert all("vanishes" in t for t in titles(1.0, 30, "ReLU"))
    assert all("keeps its size" in t for t in titles(1.4, 30, "ReLU"))
    assert all("explodes" in t for t in titles(2.0, 30, "ReLU"))
    signal, gradient = titles(4.0, 30, "tanh")
    assert "keeps its size" in signal and "explodes" in gradient
    signal, gradient = titles(1.0, 30, "sigmoid")
    assert "keeps its size" in signal and "vanishes" in gradient


def test_a_signal_of_zero_is_gone():
    _, sentence = pictures.draw_flow(np.zeros((4, 10)), 1.0, 10, "ReLU")
    assert "the signal is gone" in sentence


def test_the_drawn_lines_are_the_sizes(x):
    figure, _ = pictures.draw_flow(x, 1.4, 20, "tanh")
    for ax, sizes in zip(figure.axes, pictures.flow(x, 1.4, 20, "tanh"), strict=True):
        assert np.allclose(ax.lines[0].get_ydata(), sizes) and len(ax.lines[0].get_xdata()) == 20


def test_the_explorer_follows_every_control(x):
    box = widgets.explore(
        pictures.draw_flow,
        x,
        scale=(0.2, 4.0, 0.1, 1.0),
        n_layers=(5, 50, 1, 30),
        activation=list(pictures.ACTIVATIONS),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("scale", 2.0, "the signal explodes"),
        ("n_layers", 10, "10 layers"),
        ("activation", "sigmoid", "activation sigmoid"),
        ("scale", 0.2, "the gradient vanishes"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
