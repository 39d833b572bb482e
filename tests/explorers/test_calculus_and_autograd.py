"""Pictures of lesson 1.5: the numbers that they show are those of the calculus, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import calculus_and_autograd as pictures
from utils import plot, widgets

ANGLES = np.radians(np.arange(-180, 180, 1.0))
VALUES = {"w1": 0.5, "x1": 2, "w2": -2, "x2": 1, "b": 1, "u1": 1, "u2": -2, "z": 0, "p": 0.5, "loss": np.log(2)}
GRADIENTS = dict(zip(VALUES, (-1, -0.25, -0.5, 1, -0.5, -0.5, -0.5, -0.5, -2, 1), strict=True))
IMAGE = np.arange(64.0).reshape(8, 8)


def ascent():
    slopes = 3 * np.cos(ANGLES) + 4 * np.sin(ANGLES)
    bowl = lambda x1, x2: 1.5 * x1**2 + 4 * x2
    return pictures.draw_ascent(bowl, np.array([1.0, 0.0]), np.array([3.0, 4.0]), slopes, ANGLES)


PICTURES = {
    "derivative": pictures.draw_derivative,
    "central": lambda: pictures.draw_derivative("sigmoid x", 0.5, -6.0, pictures.CENTRAL),
    "kink": lambda: pictures.draw_derivative("|x|", 0.0),
    "ascent": ascent,
    "graph": lambda: pictures.draw_graph(VALUES, GRADIENTS),
    "pixels": lambda: pictures.draw_pixels(IMAGE, IMAGE - 30),
}


pytestmark = pytest.mark.usefixtures("style")


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(name):
    figure, sentence = PICTURES[name]()
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


@pytest.mark.parametrize("name", pictures.FUNCTIONS)
def test_the_derivatives_are_those_of_the_functions(name):
    f, derivative = pictures.FUNCTIONS[name]
    for x in (-1.75, -0.5, 0.25, 2.0):
        assert np.isclose(derivative(x), pictures.slope(f, x, 1e-5, pictures.CENTRAL), rtol=1e-7)


def test_forward_and_central_differences_of_a_square():
    square = lambda x: x**2
    assert np.isclose(pictures.slope(square, 3.0, 0.5), 6.5)  # 2x + h
    assert np.isclose(pictures.slope(square, 3.0, 0.5, pictures.CENTRAL), 6.0)  # exact for a parabola


def test_the_secant_runs_through_both_points_and_the_tangent_has_the_slope():
    for method, first in ((pictures.FORWARD, 1.0), (pictures.CENTRAL, 0.0)):
        figure, sentence = pictures.draw_derivative("x³", 1.0, 0.0, method)
        lines = {line.get_label(): np.stack(line.get_data()) for line in figure.axes[0].lines}
        x, y = lines["secant"]
        assert np.allclose(np.interp([first, 2.0], x, y), [first**3, 8.0])
        assert np.allclose(np.diff(lines["tangent"][1]) / np.diff(lines["tangent"][0]), 3.0)
        wanted = 8 - 1 if method == pictures.FORWARD else 8 / 2
        assert f"is {wanted:.4f}, the slope of the tangent 3.0000" in sentence


def test_the_dot_lies_on_the_valley_of_its_method():
    figure, _ = pictures.draw_derivative("exp x", 0.0, -3.0, pictures.FORWARD)
    dot = next(line for line in figure.axes[1].lines if line.get_marker() == "o")
    h, error = (float(v[0]) for v in dot.get_data())
    assert np.isclose(h, 1e-3) and np.isclose(error, abs((np.exp(1e-3) - 1) / 1e-3 - 1))
    valley = next(line for line in figure.axes[1].lines if line.get_label() == pictures.FORWARD)
    assert np.isclose(np.interp(np.log(h), np.log(valley.get_xdata()), valley.get_ydata()), error, rtol=1e-3)


def test_a_step_below_the_precision_gives_a_horizontal_secant():
    figure, _ = pictures.draw_derivative("sin x", 1.0, -16.0)
    assert figure.axes[0].get_title(loc="left").endswith("secant 0.0000")


def test_at_the_kink_there_is_a_slope_but_no_tangent_and_no_error():
    for method, wanted in ((pictures.FORWARD, "1.0000"), (pictures.CENTRAL, "0.0000")):
        figure, sentence = pictures.draw_derivative("|x|", 0.0, -2.0, method)
        assert figure.axes[0].get_title(loc="left") == f"slope: no tangent, secant {wanted}" and "no error" in sentence
        assert "tangent" not in [line.get_label() for line in figure.axes[0].lines]


def test_ascent_names_the_steepest_direction():
    figure, sentence = ascent()
    assert figure.axes[1].get_title(loc="left") == "Steepest at 53°: slope 5.00" and "its top, 5.00" in sentence


def test_the_graph_shows_every_value_and_every_gradient():
    figure, sentence = pictures.draw_graph(VALUES, GRADIENTS)
    words = texts(figure.axes[0])
    for shown in ("$u_1$ = 1", "$u_2$ = −2", "$z$ = 0", "$p$ = 0.5", "$L$ = 0.693", "−0.25", "−2"):
        assert shown in words
    assert words.count("−0.5") == 5 and "w1 −1, x1 −0.25, w2 −0.5, x2 1, b −0.5" in sentence


def test_pixels_marks_the_largest_and_the_smallest_gradients():
    figure, sentence = pictures.draw_pixels(IMAGE, IMAGE - 30, marks=2)
    places = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in figure.axes[1].texts}
    assert places == {(7, 7): "+", (7, 6): "+", (0, 0): "−", (0, 1): "−"}
    assert "most in row 7, column 7 and lowers it most in row 0, column 0." in sentence


def test_the_explorer_follows_every_control():
    controls = {"x": (-2.0, 2.0, 0.25, 1.0), "exponent": (-16.0, 0.0, 0.5, -0.5)}
    methods = [pictures.FORWARD, pictures.CENTRAL]
    box = widgets.explore(pictures.draw_derivative, function=list(pictures.FUNCTIONS), method=methods, **controls)
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("function", "exp x", "forward difference of exp x at x = 1 with h = 3e-01"),
        ("x", -0.5, "at x = -0.5"),
        ("exponent", -4.0, "with h = 1e-04"),
        ("method", pictures.CENTRAL, "central difference"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
