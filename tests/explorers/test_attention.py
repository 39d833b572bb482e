"""Pictures of lesson 2.12: the weights behind them are right, every control acts, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import special

from explorers import attention as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")

RNG = np.random.default_rng(0)
LOOKUPS = {
    n: ([f"f{i}" for i in range(tq)], [f"e{j}" for j in range(tk)], RNG.normal(size=(tq, 9)), RNG.normal(size=(tk, 9)))
    for n, tq, tk in ((90, 6, 2), (9999, 12, 9))
}


@pytest.mark.parametrize("number", LOOKUPS)
@pytest.mark.parametrize("temperature", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("score", pictures.SCORES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(number, temperature, score):
    figure, sentence = pictures.draw_alignment(LOOKUPS, number, temperature, score)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
    assert f"{number}" in sentence and score in sentence
    plt.close(figure)


def test_weights_are_the_softmax_of_the_scores():
    _, _, q, k = LOOKUPS[90]
    lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(k, axis=1)
    for score, right in (("dot", q @ k.T), ("scaled dot", q @ k.T / 3), ("cosine", q @ k.T / lengths)):
        assert np.allclose(pictures.attention_weights(q, k, score), special.softmax(right, -1))
        assert np.allclose(pictures.attention_weights(q, k, score, 2.5), special.softmax(right / 2.5, -1))
    assert np.allclose(pictures.attention_weights(q, k, "dot", 3), pictures.attention_weights(q, k, "scaled dot"))


def test_huge_scores_do_not_overflow_and_temperature_has_its_limits():
    _, _, q, k = LOOKUPS[9999]
    weights = pictures.attention_weights(1e4 * q, k, "dot")
    assert np.isfinite(weights).all() and np.allclose(weights.sum(-1), 1)
    assert np.allclose(pictures.attention_weights(q, k, temperature=1e6), 1 / len(k), atol=1e-3)
    assert pictures.attention_weights(q, k, temperature=1e-3).max(-1).min() > 0.99


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="positive"):
        pictures.attention_weights(np.ones((2, 3)), np.ones((4, 3)), temperature=0)
    with pytest.raises(ValueError, match="agree"):
        pictures.attention_weights(np.ones((2, 3)), np.ones((4, 2)))


def test_accuracy_against_length_is_drawn():
    ax = pictures.draw_lengths(plt.subplots()[1], [2, 8], {"a": [1.0, 0.9], "b": [0.5, 0.2]}, (2, 8))
    assert {line.get_label() for line in ax.lines} == {"a", "b"}


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_alignment,
        LOOKUPS,
        number=list(LOOKUPS),
        temperature=(0.1, 10.0, 0.1, 1.0),
        score=list(pictures.SCORES),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("number", 9999, "for 9999"),
        ("temperature", 5.0, "temperature 5"),
        ("score", "dot", "score dot"),
        ("score", "cosine", "score cosine"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
