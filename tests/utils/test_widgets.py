"""Explorers redraw fast and never die; the digit pad hands the classifier what MNIST looks like."""

import ipywidgets as w
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from explorers import perceptron
from utils import data, plot, widgets
from utils.widgets import drawing

RNG = np.random.default_rng(0)
X = RNG.standard_normal((100, 2))
Y = (X @ [1.0, 2.0] > 0.3).astype(int)
PATH = [(np.zeros(2), 0.0, None), (np.array([1.0, 0.5]), 0.2, 4), (np.array([0.9, 2.0]), -0.3, 7)]
PICTURES = {
    "boundary": lambda: perceptron.draw_boundary(X, Y, w1=1.0, w2=0.5, b=0.2),
    "update": lambda: perceptron.draw_update(X, Y, PATH, update=2),
    "neuron": perceptron.draw_neuron,
}


pytestmark = pytest.mark.usefixtures("style")


# --- explore ------------------------------------------------------------------------------------


def line(x, slope=1.0, dashed=False, colour="red"):
    fig, ax = plt.subplots(figsize=(2, 1.5))
    if slope < 0:
        raise ValueError("the slope is <b>negative</b>")
    if slope > 3:
        ax.set_title("$\\frac{1}$")  # not a formula: fails when it is saved
    ax.plot(x, slope * x, "--" if dashed else "-", color=colour)
    return fig, f"A {colour} line of slope {slope:g} < 9."


def explorer():
    controls = {"slope": (-2.0, 4.0, 0.5, 1.0), "dashed": False, "colour": ["red", "blue"]}
    return widgets.explore(line, np.arange(3.0), **controls)


def test_the_picture_and_its_sentence_follow_every_control():
    box = explorer()
    seen = [bytes(box.picture.value)]
    assert seen[0].startswith(b"\x89PNG") and "A red line of slope 1 &lt; 9." in box.sentence.value
    assert box.picture.alt == "A red line of slope 1 < 9."
    for name, value in {"slope": 3.0, "dashed": True, "colour": "blue"}.items():
        box.inputs[name].value = value
        assert bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
    assert "A blue line of slope 3" in box.sentence.value and 'role="status"' in box.sentence.value
    assert box.picture.alt == "A blue line of slope 3 < 9."
    assert not plt.get_fignums()


def test_the_explorer_shows_what_the_static_picture_shows():
    figure, sentence = line(np.arange(3.0))
    assert bytes(explorer().picture.value) == widgets.png(figure)
    assert sentence == "A red line of slope 1 < 9."


def test_an_exception_becomes_an_alert_and_the_explorer_goes_on():
    box = explorer()
    before = bytes(box.picture.value)
    box.inputs["slope"].value = -1.0
    assert 'role="alert"' in box.sentence.value and "ValueError: the slope is &lt;b&gt;" in box.sentence.value
    assert box.picture.value == before and box.picture.alt == "A red line of slope 1 < 9."
    assert not plt.get_fignums()
    box.inputs["slope"].value = 2.0
    assert 'role="alert"' not in box.sentence.value and box.picture.value != before


def test_a_figure_that_cannot_be_saved_is_closed_and_others_stay_open():
    mine = plt.figure()
    box = explorer()
    box.inputs["slope"].value = 4.0
    assert 'role="alert"' in box.sentence.value and plt.get_fignums() == [mine.number]


def test_every_control_is_labelled_and_redraws_on_release():
    box = widgets.explore(
        lambda **values: line(np.arange(3.0)), learning_rate=(0.1, 1.0, 0.1, 0.5), n=(1, 9, 1, 3), on=True, k=["a"]
    )
    kinds = [w.FloatSlider, w.IntSlider, w.Checkbox, w.ToggleButtons]
    assert [type(i) for i in box.inputs.values()] == kinds
    assert [i.description for i in box.inputs.values()] == ["learning rate", "n", "on", "k"]
    sliders = [i for i in box.inputs.values() if hasattr(i, "continuous_update")]
    assert len(sliders) == 2 and not any(s.continuous_update for s in sliders)
    assert (box.inputs["n"].min, box.inputs["n"].max, box.inputs["n"].step, box.inputs["n"].value) == (1, 9, 1, 3)
    assert all(i in box.children[0].children for i in box.inputs.values())


@pytest.mark.parametrize(
    "options, kind, order",
    [
        (["red", "blue"], w.ToggleButtons, ["red", "blue"]),
        ([16, 9, 25, 36], w.ToggleButtons, [9, 16, 25, 36]),
        (list("abcdefghijklm"), w.SelectionSlider, list("abcdefghijklm")),
        (["around the best rate", "whole", "rates that are too low"], w.SelectionSlider, None),
    ],
)
def test_a_list_becomes_buttons_or_a_slider_and_starts_at_its_first_entry(options, kind, order):
    widget = widgets.control("a choice", options)
    assert type(widget) is kind and widget.value == options[0] and list(widget.options) == (order or options)
    assert widget.description == widget.tooltip == "a choice"


def test_a_widget_of_ones_own_and_a_wrong_control():
    own = w.Text("red", description="colour")
    assert widgets.explore(line, np.arange(3.0), colour=own).inputs["colour"] is own and own.tooltip == "colour"
    for spec in ("red", (0, 1), 3, None, []):
        with pytest.raises(
            ValueError, match="control 'slope' is a .min, max, step, start., a list, a bool or a widget"
        ):
            widgets.explore(line, np.arange(3.0), slope=spec)


# --- pictures of lesson 1.1 -----------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(name):
    figure, sentence = PICTURES[name]()
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


def test_boundary_counts_and_rings_the_mistakes():
    x, y = np.array([[1.0, 0], [2, 0], [-1, 0], [-2, 1]]), np.array([1, 0, 0, 1])
    figure, sentence = perceptron.draw_boundary(x, y, w1=1.0, w2=0.0, b=0.0)
    assert "leaves 2 of 4 points on the wrong side" in sentence
    [ax] = figure.axes
    rings = ax.collections[-1].get_offsets()
    assert sorted(map(tuple, rings)) == [(-2, 1), (2, 0)]
    [boundary] = ax.lines
    assert np.allclose(boundary.get_xdata(), 0)  # w·x + b = 0 is the vertical axis


def test_boundary_line_satisfies_its_equation():
    figure, _ = perceptron.draw_boundary(X, Y, w1=0.7, w2=-1.3, b=0.4)
    ends = np.stack(figure.axes[0].lines[0].get_data())
    assert np.allclose([0.7, -1.3] @ ends + 0.4, 0, atol=1e-9)


def test_a_neuron_with_no_weights_has_no_line():
    figure, sentence = perceptron.draw_boundary(X, Y, w1=0.0, w2=0.0, b=1.0)
    assert len(figure.axes[0].lines) == 0 and f"leaves {(Y == 0).sum()} of 100" in sentence


def test_update_stars_the_example_that_caused_it():
    figure, sentence = perceptron.draw_update(X, Y, PATH, update=1)
    star = figure.axes[0].collections[-1].get_offsets()
    assert np.allclose(star, X[4]) and sentence.startswith("After update 1: With w = (1.00, 0.50) and b = 0.20")
    start, sentence = perceptron.draw_update(X, Y, PATH, update=0)
    assert "caused" not in sentence and len(start.axes[0].collections) == len(figure.axes[0].collections) - 1


# --- the digit pad ------------------------------------------------------------------------------


def digits(n=200):
    return data.load("mnist").x_train[:n, ..., 0]


def test_a_drawing_reaches_the_classifier_and_its_answer_the_learner():
    got = []
    pad = drawing.DigitPad(lambda image: got.append(image) or np.array([0.02, 0.9] + [0.01] * 8))
    assert pad.answer == "Draw a digit."
    image = digits(1)[0]
    pad.set_state({"pixels": memoryview(image.tobytes())})  # as the browser sends it
    assert got[0].shape == (28, 28) and got[0].dtype == np.float32 and np.array_equal(got[0], drawing.centred(image))
    first, second, third = pad.answer.splitlines()
    assert first.split()[:2] == ["1", "90.0%"] and first.count("█") == 18 and second.split()[0] == "0"
    pad.set_state({"pixels": memoryview(bytes(784))})
    assert pad.answer == "Draw a digit." and len(got) == 1


def test_a_classifier_that_fails_leaves_the_pad_usable():
    def broken(image):
        raise RuntimeError("no weights")

    pad = drawing.DigitPad(broken)
    pad.pixels = digits(1)[0].tobytes()
    assert pad.answer == "The classifier failed: RuntimeError: no weights"
    pad.classify = lambda image: np.eye(10)[4]
    pad.pixels = digits(2)[1].tobytes()
    assert pad.answer.startswith("4  100.0%")


def test_faint_traces_are_no_drawing():
    pad = drawing.DigitPad(lambda image: np.eye(10)[4])
    pad.pixels = bytes([20] * 784)
    assert pad.answer == "Draw a digit."
    with pytest.raises(ValueError, match="no ink: draw something first"):
        drawing.centred(np.zeros((28, 28), np.uint8))


def test_the_pad_can_be_used_by_keyboard_and_screen_reader():
    for word in ('"aria-label"', "tabIndex = 0", "ArrowLeft", '"role", "status"', "pointercancel"):
        assert word in drawing._JAVASCRIPT


def moved(image, size=None, place=(0, 0)):
    """The digit cut out, brought to another size and put to another place."""
    ink = np.argwhere(image > drawing.INK)
    (top, left), (bottom, right) = ink.min(0), ink.max(0) + 1
    digit = Image.fromarray(image[top:bottom, left:right])
    if size:
        scale = size / max(digit.size)
        digit = digit.resize([max(1, round(side * scale)) for side in digit.size], Image.Resampling.BICUBIC)
    canvas = np.zeros((28, 28), np.uint8)
    row, column = (min(p, 28 - n) for p, n in zip(place, (digit.height, digit.width), strict=True))
    canvas[row : row + digit.height, column : column + digit.width] = np.asarray(digit)
    return canvas


@pytest.mark.parametrize(("size", "place"), [(None, (0, 8)), (12, (3, 14)), (28, (0, 0)), (16, (12, 0))])
def test_centred_has_ink_of_20_by_20_around_the_centre_of_mass(size, place):
    for image in digits(60):
        result = drawing.centred(moved(image, size, place))
        ink = np.argwhere(result > 0)
        assert 19 <= (ink.max(0) - ink.min(0) + 1).max() <= 20
        assert np.abs(np.array(ndimage.center_of_mass(result)) - 14).max() <= 0.5 + 1e-6  # pixel 14, as in MNIST
        assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= 1


def test_mnist_itself_is_centred_like_that():
    middles = np.array([ndimage.center_of_mass(image.astype(float)) for image in digits(500)])
    assert np.abs(middles.mean(0) - 14).max() < 0.05 and np.abs(middles - 14).max() < 0.6


@pytest.mark.parametrize(("size", "place", "closeness"), [(None, (0, 8), 0.999), (28, (0, 0), 0.95), (14, (9, 2), 0.9)])
def test_centred_gives_back_a_digit_that_was_moved_and_scaled(size, place, closeness):
    images = digits(100)
    pairs = [(drawing.centred(moved(image, size, place)).ravel(), image.ravel() / 255) for image in images]
    similar = [np.corrcoef(back, original)[0, 1] for back, original in pairs]
    assert np.mean(similar) > closeness and min(similar) > closeness - 0.25
    untouched = [np.corrcoef(moved(image, size, place).ravel(), image.ravel())[0, 1] for image in images]
    assert np.mean(untouched) < 0.6
