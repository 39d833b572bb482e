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
    for n, tq, tk in (("90", 6, 2), ("9999", 12, 9))
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
    _, _, q, k = LOOKUPS["90"]
    lengths = np.linalg.norm(q, axis=1)[:, None] * np.linalg.norm(k, axis=1)
    for score, right in (("dot", q @ k.T), ("scaled dot", q @ k.T / 3), ("cosine", q @ k.T / lengths)):
        assert np.allclose(pictures.attention_weights(q, k, score), special.softmax(right, -1))
        assert np.allclose(pictures.attention_weights(q, k, score, 2.5), special.softmax(right / 2.5, -1))
    assert np.allclose(pictures.attention_weights(q, k, "dot", 3), pictures.attention_weights(q, k, "scaled dot"))


def test_huge_scores_do_not_overflow_and_temperature_has_its_limits():
    _, _, q, k = LOOKUPS["9999"]
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
    accuracy = {"a": np.array([[1.0, 0.9], [1.0, 0.7]]), "b": np.array([[0.5, 0.2], [0.5, 0.2]])}
    figure, sentence = pictures.draw_lengths([2, 8], accuracy, np.array([0.5, 0.1]), (2, 8))
    assert {"a", "b", "any digit of the book"} <= {line.get_label() for line in figure.axes[0].lines}
    assert "a 1.00 with 2, 0.80 with 8" in sentence and "chance ends at 0.10" in sentence


def test_one_lookup_shows_its_shares_and_its_answer():
    q, k = np.array([1.0, 0, 2]), np.array([[2.0, 5, 0], [1, -3, 0], [0, 4, 0]])
    figure, sentence = pictures.draw_lookup(q, k, np.array([[7.0, 0], [0, 7], [7, 7]]))
    assert "57%, 29%, 14%" in sentence and sentence.endswith("5 3.")
    assert "5 3" in {text.get_text() for text in figure.axes[0].texts}


def test_what_was_measured_stands_in_the_sentences():
    steps = np.linspace(2.0, 0.5, 80)
    _, sentence = pictures.draw_losses({"x": steps, "y": steps, "z": steps})
    assert "x: 0.68 after 80 steps" in sentence
    plain, scaled = np.array([[0.5, 0.25], [1.0, 0.0]]), np.array([[0.3, 0.2], [0.3, 0.2]])
    assert "0.50 to 1.00" in pictures.draw_root([4, 64], plain, scaled)[1]
    assert "b at best 0.20" in pictures.draw_rates([0.1, 1], {"a": [[1, 0.5]], "b": [[0.1, 0.2]]})[1]
    words = [["a"], ["a", "b"], ["a", "b"]]
    assert "for 1 English lengths several" in pictures.draw_two_lengths(words, [["x"], ["x"], ["x", "y"]])[1]


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_alignment,
        LOOKUPS,
        which=list(LOOKUPS),
        temperature=(0.1, 10.0, 0.1, 1.0),
        score=list(pictures.SCORES),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("which", "9999", "for 9999"),
        ("temperature", 5.0, "temperature 5"),
        ("score", "dot", "score dot"),
        ("score", "cosine", "score cosine"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


def test_lookups_are_those_of_the_network():
    torch = pytest.importorskip("torch")
    parts = {"name": torch.nn.Embedding(12, 4), "digit": torch.nn.Embedding(10, 4), "query": torch.nn.Identity()}
    parts |= {part: torch.nn.GRU(4, 4, batch_first=True) for part in ("encoder", "decoder")}
    model = torch.nn.ModuleDict(parts)
    for part, module in parts.items():
        setattr(model, part, module)
    book = tuple(np.array([row]) for row in ((1, 0), (7, 2), (0, 1)))
    rows, columns, q, k = pictures.lookups(model, {2: book})["2 entries"]
    assert list(rows) == ["a", "b"] and columns == ["b7", "a2"] and q.shape == k.shape == (2, 4)
