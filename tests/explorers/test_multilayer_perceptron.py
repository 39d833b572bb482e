"""Pictures of lesson 1.3: fast enough for an explorer, and they show what the networks answer."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import multilayer_perceptron as pictures
from utils import data, plot, widgets

X, Y = data.toy.spirals(200, noise=0.1, seed=0)
X_NEW, Y_NEW = data.toy.spirals(300, noise=0.1, seed=1)
CORNERS, XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
HIDDEN = np.array([[0.0, 0], [1, 0], [1, 0], [2, 1]])


@pytest.fixture(scope="module")
def networks():
    return pictures.train_networks(X, Y, (1, 16), (1, 3))


pytestmark = pytest.mark.usefixtures("style")


def regions(networks, **values):
    return pictures.draw_regions(X, Y, X_NEW, Y_NEW, networks, **values)


def test_every_picture_has_a_sentence_that_serves_as_alt_text(networks):
    drawn = [pictures.draw_network(), pictures.draw_spaces(CORNERS, XOR, HIDDEN, np.array([1.0, -2.0]), -0.5)]
    scores = {("spirals", 60): np.array([[0.8, 0.9]] * 3), ("spirals", 240): np.array([[0.9, 1.0]] * 3)}
    drawn.append(pictures.draw_contest(np.linspace(0, 1, 5), np.linspace(0, 1, 5), scores))
    for figure, sentence in [*drawn, regions(networks, width=16)]:
        assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


def test_the_diagram_holds_the_numbers_of_the_forward_pass():
    [ax] = pictures.draw_network()[0].axes
    words = [text.get_text() for text in ax.texts]
    w1, b1 = np.array([[1.0, -2.0], [1.0, 1.0]]), np.array([0.0, 1.0])
    z1 = np.array([2.0, 1.0]) @ w1 + b1
    a1 = np.maximum(z1, 0)
    assert "z = 3,  b = 0" in words and "z = −2,  b = 1" in words and z1.tolist() == [3, -2]
    assert {f"$a_{i + 1}$\n{a:g}" for i, a in enumerate(a1)} <= set(words)
    assert f"$z$\n{a1 @ [0.5, 3.0] - 1:g}" in words


def test_the_line_in_the_hidden_space_satisfies_its_equation():
    w2 = np.array([1.0, -2.0])
    figure, sentence = pictures.draw_spaces(CORNERS, XOR, HIDDEN, w2, -0.5)
    line = np.stack(figure.axes[1].lines[0].get_data())
    assert np.allclose(w2 @ line - 0.5, 0) and "4 of 4 points on the right side" in sentence
    assert "3 of 4 points" in pictures.draw_spaces(CORNERS, XOR, HIDDEN, np.array([1.0, -0.1]), -0.5)[1]


def test_points_that_meet_in_the_hidden_space_share_one_label():
    figure, _ = pictures.draw_spaces(CORNERS, XOR, HIDDEN, np.array([1.0, -2.0]), -0.5)
    left, right = ([text.get_text() for text in ax.texts] for ax in figure.axes)
    assert len(left) == 4 and sorted(right) == ["(0, 0)", "(0, 1)\n(1, 0)", "(1, 1)"]


def test_the_sentence_and_the_title_are_what_the_network_says(networks):
    network = networks[16, 1, "ReLU"]
    figure, sentence = regions(networks, width=16)
    n = 2 * 16 + 16 + 16 * 3 + 3
    new = (network.predict(X_NEW) == Y_NEW).mean()
    assert figure.axes[0].get_title(loc="left") == f"{n} parameters: {new:.2f} of new points right"
    assert (
        sentence.startswith(f"1 hidden layer of 16 neurons with ReLU, {n} parameters: ") and f"{new:.2f} of" in sentence
    )


def test_regions_are_those_of_the_network(networks):
    figure, _ = regions(networks, width=16, depth=3, activation="tanh")
    image = figure.axes[0].images[0]
    x0, x1, y0, y1 = image.get_extent()
    shown, n = np.asarray(image.get_array()), image.get_array().shape[0]
    corner = networks[16, 3, "tanh"].predict([[x0, y0], [x1, y0], [x0, y1], [x1, y1]])
    assert corner.tolist() == [shown[0, 0], shown[0, n - 1], shown[n - 1, 0], shown[n - 1, n - 1]]


def test_the_explorer_follows_width_depth_and_activation(networks):
    controls = {"width": [16, 1], "depth": [1, 3], "activation": ["ReLU", "none", "tanh"]}
    box = widgets.explore(pictures.draw_regions, X, Y, X_NEW, Y_NEW, networks, **controls)
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("depth", 3, "3 hidden layers of 16 neurons with ReLU"),
        ("activation", "none", "3 hidden layers of 16 neurons without activation"),
        ("width", 1, "3 hidden layers of 1 neuron without activation"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


def test_without_an_activation_depth_changes_nothing_that_matters(networks):
    one, three = networks[16, 1, "none"], networks[16, 3, "none"]
    assert (one.predict(X_NEW) == three.predict(X_NEW)).mean() > 0.97
    assert one.score(X_NEW, Y_NEW) < 0.65 < 0.9 < networks[16, 1, "tanh"].score(X_NEW, Y_NEW)


def test_a_small_network_is_the_same_for_the_same_seed():
    first, again, other = (pictures.small_network(CORNERS, XOR, (4,), seed) for seed in (0, 0, 1))
    assert np.array_equal(first.coefs_[0], again.coefs_[0]) and not np.array_equal(first.coefs_[0], other.coefs_[0])
