"""Pictures of lesson 1.4: values and slopes belong together, what is shaded is flat, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import activation_functions as pictures
from utils import plot, widgets

PICTURES = {
    "activation": pictures.draw_activation,
    "GELU": lambda: pictures.draw_activation("GELU", z=-1.0),
    "softmax": pictures.draw_softmax,
    "gallery": pictures.draw_gallery,
}


pytestmark = pytest.mark.usefixtures("style")


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(name):
    figure, sentence = PICTURES[name]()
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


@pytest.mark.parametrize("name", pictures.FUNCTIONS)
@pytest.mark.parametrize("alpha", [0.0, 0.2, 1.0, 1.5])
def test_every_slope_is_the_derivative_of_its_value(name, alpha):
    value, slope = pictures.FUNCTIONS[name]
    h = 1e-6
    numeric = (value(pictures.Z + h, alpha) - value(pictures.Z - h, alpha)) / (2 * h)
    assert np.allclose(slope(pictures.Z, alpha), numeric, atol=1e-7)


def test_known_values():
    at = np.array([0.0])
    values = {
        name: (value(at, 1.0)[0], slope(at + 1e-12, 1.0)[0]) for name, (value, slope) in pictures.FUNCTIONS.items()
    }
    assert values["sigmoid"] == (0.5, 0.25) and np.allclose(values["tanh"], (0, 1))
    assert np.allclose(values["GELU"], (0, 0.5)) and np.allclose(values["SiLU"], (0, 0.5)) and values["ReLU"] == (0, 1)


@pytest.mark.parametrize("name", pictures.FUNCTIONS)
def test_exactly_the_flat_part_is_shaded(name):
    figure, sentence = pictures.draw_activation(name, z=1.0, alpha=0.01, threshold=0.05)
    flat = np.abs(pictures.FUNCTIONS[name][1](pictures.Z, 0.01)) < 0.05
    for ax in figure.axes:
        spans = [patch.get_extents().transformed(ax.transData.inverted()) for patch in ax.patches]
        inside = np.zeros(len(flat), bool)
        for span in spans:
            inside |= np.abs(pictures.Z - (span.x0 + span.x1) / 2) <= span.width / 2 + 1e-6
        assert np.array_equal(inside, flat)
    assert f"on {flat.mean():.0%} of the range" in sentence


@pytest.mark.parametrize(
    ("name", "z", "state"), [("sigmoid", 5, "saturated"), ("sigmoid", 0, "not"), ("ReLU", -1, "sat")]
)
def test_the_point_and_its_state_are_said(name, z, state):
    figure, sentence = pictures.draw_activation(name, z=z)
    value, slope = (float(f(np.array([float(z)]), 0.1)[0]) for f in pictures.FUNCTIONS[name])
    assert f"value {value:.3f} and slope {slope:.3f}: {state}" in sentence
    dots = [next(line for line in ax.lines if line.get_marker() == "o") for ax in figure.axes]
    assert np.allclose([dot.get_ydata()[0] for dot in dots], (value, slope))


def test_alpha_and_threshold_react():
    sentences = {pictures.draw_activation("leaky ReLU", -2.0, alpha, 0.05)[1] for alpha in (0.0, 0.1, 0.3)}
    assert len(sentences) == 3
    assert "not saturated" in pictures.draw_activation("leaky ReLU", -2.0, 0.1, 0.05)[1]
    assert ": saturated" in pictures.draw_activation("leaky ReLU", -2.0, 0.1, 0.2)[1]
    assert pictures.draw_activation("tanh", 1.0, 0.1)[1] == pictures.draw_activation("tanh", 1.0, 0.9)[1]


def test_softmax_is_sharper_when_cold_and_blind_to_a_shift():
    heights = [
        [bar.get_height() for bar in pictures.draw_softmax(temperature=t)[0].axes[0].patches] for t in (0.25, 1, 4)
    ]
    assert np.allclose(np.sum(heights, axis=1), 1)
    assert heights[0][0] > heights[1][0] > heights[2][0] > 1 / 3
    shifted = [bar.get_height() for bar in pictures.draw_softmax(shift=1000.0)[0].axes[0].patches]
    assert np.allclose(shifted, heights[1])


def test_the_explorer_follows_its_controls():
    box = widgets.explore(pictures.draw_activation, name=list(pictures.FUNCTIONS), z=(-6.0, 6.0, 0.25, 2.0))
    before = box.sentence.value
    box.inputs["name"].value = "ReLU"
    assert "ReLU at z = 2 has value 2.000" in box.sentence.value != before and 'role="status"' in box.sentence.value
