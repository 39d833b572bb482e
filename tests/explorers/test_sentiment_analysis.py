"""Pictures of project 2: the words, numbers and intervals in them are right, and a redraw is fast."""

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import sentiment_analysis as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")

WEIGHTS = {"good": 2.0, "dull": -3.0, "not": -1.0}
LONG = "It's a good film , not a dull one , and " * 6


def explain(tokens):
    parts = [WEIGHTS.get(token, 0.0) for token in tokens]
    return sum(parts), parts


def texts(figure):
    return [item.get_text() for item in figure.axes[0].texts]


@pytest.mark.parametrize("sentence", ["A good film.", "Dull!", LONG, "good " * 60, "x" * 300])
def test_every_word_is_drawn_inside_the_page_and_the_sentence_serves_as_alt_text(sentence):
    figure, words = pictures.draw_sentence(explain, sentence)
    assert len(words) >= plot.MIN_ALT and words.endswith(".")
    figure.canvas.draw()
    boxes = [item.get_window_extent() for item in figure.axes[0].texts]
    assert min(box.x0 for box in boxes) >= 0 and max(box.x1 for box in boxes) <= figure.bbox.width
    assert min(box.y0 for box in boxes) >= 0 and max(box.y1 for box in boxes) <= figure.bbox.height


def test_words_do_not_overlap():
    figure, _ = pictures.draw_sentence(explain, LONG)
    figure.canvas.draw()
    boxes = [item.get_window_extent() for item in figure.axes[0].texts if not item.get_text().startswith(("+", "-"))]
    for one, other in zip(boxes, boxes[1:], strict=False):
        assert one.x1 <= other.x0 + 1 or other.y1 <= one.y0 + 1


def test_probability_verdict_and_parts_are_those_of_the_model():
    figure, words = pictures.draw_sentence(explain, "A good film")
    assert "kind" in words and f"{1 / (1 + np.exp(-2)):.2f}" in words and "good +2.0" in words
    assert {"good", "+2.0"} <= set(texts(figure)) and "+0.0" not in texts(figure)
    _, words = pictures.draw_sentence(explain, "not good, dull")
    assert "harsh" in words and "dull -3.0" in words


def test_no_word_and_wrong_contributions():
    figure, words = pictures.draw_sentence(explain, "  ")
    assert "type a sentence" in words and texts(figure) == ["Type a sentence."]
    with pytest.raises(ValueError, match="as many contributions"):
        pictures.draw_sentence(lambda tokens: (0.0, [1.0]), "two words")


def test_sigmoid_does_not_overflow():
    assert np.allclose(pictures.sigmoid([-1e6, 0, 1e6]), [0, 0.5, 1])


def test_comparison_draws_every_row_at_its_value():
    rows = [
        ("majority", "linear", 0.5, 0.48, 0.52),
        ("GRU", "PyTorch", 0.86, 0.84, 0.87),
        ("GRU", "Keras", 0.85, 0.83, 0.86),
    ]
    figure, words = pictures.draw_comparison(rows, 0.83, "A title")
    ax = figure.axes[0]
    drawn = sorted(container[0].get_xdata()[0] for container in ax.containers)
    assert np.allclose(drawn, [0.5, 0.85, 0.86]) and "0.860" in words and "0.830" in words
    assert {line.get_text() for line in ax.get_legend().get_texts()} == {
        "linear",
        "PyTorch",
        "Keras",
        "chosen linear model",
    }


def test_reliability_counts_and_shares():
    said, true, count = pictures.reliability([0.1, 0.2, 0.9, 1.0], [0, 1, 1, 1], bins=2)
    assert np.allclose(said, [0.15, 0.95]) and np.allclose(true, [0.5, 1]) and count.tolist() == [2, 2]
    figure, words = pictures.draw_reliability({"a": [0.1, 0.2, 0.9, 1.0]}, [0, 1, 1, 1], bins=2)
    assert isinstance(figure, plt.Figure) and "a 0.35" in words


def test_the_box_for_the_learners_own_sentence_follows_the_text():
    box = widgets.explore(
        pictures.draw_sentence, explain, sentence=ipywidgets.Text("A good film.", continuous_update=False)
    )
    before = bytes(box.picture.value)
    box.inputs["sentence"].value = "A dull film."
    assert "harsh" in box.sentence.value and bytes(box.picture.value) != before
    box.inputs["sentence"].value = ""
    assert "no word yet" in box.sentence.value
