"""Pictures of lesson 2.3: every graph is drawn without overlap, with its numbers, and redraws fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import backpropagation as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")


class Node:
    """The smallest engine that a picture accepts."""

    def __init__(self, value, op="", *parents):
        self.value, self.op, self.parents, self.grad = value, op, parents, 0.0

    def __add__(self, other):
        return Node(self.value + other.value, "+", (self, 1.0), (other, 1.0))

    def __mul__(self, other):
        return Node(self.value * other.value, "×", (self, other.value), (other, self.value))

    def tanh(self):
        return Node(np.tanh(self.value), "tanh", (self, 1 - np.tanh(self.value) ** 2))

    def backward(self):
        self.grad = 1.0
        for node in reversed(pictures.nodes_of(self)):
            for parent, slope in node.parents:
                parent.grad += slope * node.grad


EXPRESSIONS = {
    "a·b + c": lambda a, b, c: a * b + c,
    "tanh(a·b + c)": lambda a, b, c: (a * b + c).tanh(),
    "a·a + a": lambda a, b, c: a * a + a,
    "shared": lambda a, b, c: (a * b) * ((a * b).tanh() + b.tanh() + c.tanh()),  # as many nodes as the lesson has
    "everything": lambda a, b, c: (a * b + c).tanh() * (a + b * c) + c * c + a,
}

ENGINE = EXPRESSIONS, Node, Node.backward


def ends():
    return {name: f(Node(1.0, "a"), Node(-2.0, "b"), Node(0.5, "c")) for name, f in EXPRESSIONS.items()}


def texts(ax):
    return [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_nodes_come_after_their_parents_and_once(name):
    order = pictures.nodes_of(ends()[name])
    assert len({id(node) for node in order}) == len(order)
    for i, node in enumerate(order):
        assert all(any(parent is earlier for earlier in order[:i]) for parent, _ in node.parents)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_arrows_go_right_and_boxes_do_not_overlap(name):
    end = ends()[name]
    place, order = pictures.layout(end), pictures.nodes_of(end)
    for node in order:
        assert all(place[id(parent)][0] < place[id(node)][0] for parent, _ in node.parents)
    for i, one in enumerate(order):
        for other in order[:i]:
            across, down = np.abs(place[id(one)] - place[id(other)])
            assert across > 2 * pictures.WIDTH or down > 2 * pictures.HEIGHT


def test_a_single_node_can_be_drawn():
    figure, sentence = pictures.draw_graph(Node(3.0, "a"))
    assert "a = 3 with gradient 0" in sentence
    plt.close(figure)


def test_every_box_holds_value_and_gradient_and_every_arrow_its_slope():
    a, b = Node(2.0, "a"), Node(-1.5, "b")
    end = a * b + a
    end.backward()
    figure, sentence = pictures.draw_graph(end, "title")
    found = texts(figure.axes[0])
    assert {"a", "b", "×", "+", "−1.5", "−3", "−1", "−0.5", "2"} <= set(found)
    assert "a = 2 with gradient −0.5" in sentence and "b = −1.5 with gradient 2" in sentence
    assert figure.axes[0].get_title(loc="left") == "title"


def test_two_uses_by_one_node_are_two_arrows():
    a = Node(3.0, "a")
    figure, _ = pictures.draw_graph(a * a)
    arrows = [text for text in figure.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 2 and len({str(arrow.arrow_patch.get_connectionstyle().rad) for arrow in arrows}) == 2


def test_the_bars_are_the_gradients_of_the_inputs():
    figure, sentence = pictures.draw_expression(ENGINE, "a·b + c", a=2.0, b=-3.0, c=1.0)
    assert [bar.get_height() for bar in figure.axes[1].patches] == [-3.0, 2.0, 1.0]
    assert "Gradients of the inputs: a −3, b 2, c 1." in sentence and len(sentence) >= plot.MIN_ALT
    assert figure.axes[1].get_title(loc="left") == "a moves it most"


def test_a_flat_expression_says_so():
    figure, sentence = pictures.draw_expression(ENGINE, "tanh(a·b + c)", a=30.0, b=30.0, c=0.0)
    assert figure.axes[1].get_title(loc="left") == "nothing moves it" and sentence.endswith("a 0, b 0, c 0.")


@pytest.mark.parametrize(("value", "text"), [(-1.5, "−1.5"), (2.0, "2"), (-0.0001, "0"), (0.78645, "0.786")])
def test_short_numbers(value, text):
    assert pictures.short(value) == text


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_expression,
        ENGINE,
        expression=list(EXPRESSIONS),
        a=(-3.0, 3.0, 0.25, 1.0),
        b=(-3.0, 3.0, 0.25, -2.0),
        c=(-3.0, 3.0, 0.25, 0.5),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("a", 2.0, "a −2, b 2, c 1"),
        ("b", 3.0, "a 3, b 2, c 1"),
        ("c", -1.0, "a·b + c = 5"),
        ("expression", "a·a + a", "a 5, b 0, c 0"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


def test_the_example_holds_the_numbers_of_the_pencil():
    figure, sentence = pictures.draw_example()
    assert "a = 2 with gradient 1" in sentence and "b = −1.5 with gradient −4" in sentence
    end = (Node(2.0) * Node(-1.5) + Node(2.0)) * (Node(2.0) * Node(-1.5) + Node(2.0))
    assert f"result {pictures.short(end.value)} on the right" in sentence


def test_training_is_drawn_with_its_differences():
    steps = np.linspace(2.0, 0.1, 80)
    _, sentence = pictures.draw_three_curves(steps, {"PyTorch": steps, "Keras": steps + 1e-6})
    assert "1e-06" in sentence
    _, sentence = pictures.draw_differences({"none": [steps], "a": [steps + 0.5], "b": [steps - 0.25]})
    assert "none 0.63, a 1.13, b 0.38" in sentence
    _, sentence = pictures.draw_costs([(9, 38, 79), (144, 593, 2344)])
    assert "4 times as many" in sentence
    assert len(pictures.draw_digits(np.zeros((3, 8, 8)), [0, 1, 2])[0].axes) >= 3
