"""Pictures of lesson 2.5: the network that they train is a right one, the remedies act, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from explorers import regularization as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")


@pytest.mark.parametrize("dropout", [0.0, 0.8])
@pytest.mark.parametrize("weight_decay", [0.0, 5.0])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(weight_decay, dropout):
    figure, sentence = pictures.draw_boundary(weight_decay, dropout, 0)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_gradient_of_the_network_is_the_numeric_one(dropout):
    rng = np.random.default_rng(0)
    x, y, _ = pictures.moons(12, 2)
    shapes = [(3, pictures.HIDDEN), (pictures.HIDDEN + 1, pictures.HIDDEN), (pictures.HIDDEN + 1, 1)]
    weights = [rng.standard_normal(s) * 0.5 for s in shapes]
    slopes = [np.zeros(s) for s in shapes]
    mask = (rng.random((2, 12, pictures.HIDDEN)) >= dropout) / (1 - dropout) if dropout else None
    pictures._backward(weights, slopes, x, y, mask)

    def loss():
        a = x
        for layer, matrix in enumerate(weights):
            a = np.hstack([a, np.ones((12, 1))]) @ matrix
            if layer < 2:
                a = np.maximum(a, 0) * (1 if mask is None else mask[layer])
        return np.mean(np.logaddexp(0, a[:, 0]) - y * a[:, 0])

    for layer, at in ((0, (1, 3)), (1, (4, 7)), (1, (pictures.HIDDEN, 2)), (2, (5, 0))):
        keep = weights[layer][at]
        ends = []
        for step in (1e-5, -1e-5):
            weights[layer][at] = keep + step
            ends.append(loss())
        weights[layer][at] = keep
        assert np.isclose((ends[0] - ends[1]) / 2e-5, slopes[layer][at], atol=1e-6)


def test_both_remedies_keep_the_network_from_learning_wrong_labels_by_heart():
    x, y, rows = pictures.moons()
    right = lambda **options: np.mean(
        (pictures.logits_of(pictures.train_boundary(x, y, **options), x) > 0) == (y > 0.5)
    )
    plain, decayed, dropped = right(), right(weight_decay=2.0), right(dropout=0.5)
    assert plain > 0.95 and decayed < plain - 0.04 and dropped < plain - 0.04 and len(rows) == 9


def test_weight_decay_shortens_the_weights():
    x, y, _ = pictures.moons()
    length = [sum((w**2).sum() for w in pictures.train_boundary(x, y, decay)) for decay in (0.0, 0.5, 2.0)]
    assert length[0] > length[1] > length[2]


def test_penalties_have_their_minima_at_the_formulas():
    axes = pictures.draw_penalties(1.0, 0.5)
    lows = [line.get_xdata()[0] for line in axes[0].lines if len(line.get_xdata()) == 1]
    assert np.allclose(lows, [1, 1 / 1.5, 0.5], atol=0.01)


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_boundary,
        weight_decay=(0.0, 5.0, 0.25, 0.0),
        dropout=(0.0, 0.8, 0.1, 0.0),
        wrong_labels=(0, 15, 1, 9),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("weight_decay", 2.0, "weight decay 2"),
        ("dropout", 0.5, "dropout 0.5"),
        ("wrong_labels", 0, "60 points, 0 of them"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


def test_the_picture_of_overfitting_says_how_many_mistakes_are_learnt_where_the_loss_turns():
    loss = [2.0, 1.5, 1.0, 1.2, 1.6, 2.0]
    history = pd.DataFrame(dict.fromkeys(("train loss", "valid loss", "train", "valid"), loss))
    history["mistakes"] = [0, 0, 0.13, 0.4, 0.6, 0.9]
    _, sentence = pictures.draw_overfitting(history, {"val_loss": np.array(loss), "val_accuracy": np.array(loss)})
    assert "0.13 in epoch 3" in sentence and "0.90 in the end" in sentence


def test_gains_and_weights_are_drawn_with_a_sentence():
    table = pd.DataFrame({"gain": [0.0, 3.0], "±": [0.0, 1.0]}, index=["plain", "dropout"])
    weights = {"plain": np.linspace(-0.1, 0.1, 101), "L1": np.zeros(101)}
    for figure, sentence in (pictures.draw_gains({0.0: table, 0.2: table}), pictures.draw_weights(weights)):
        assert isinstance(figure, plt.Figure) and len(sentence) >= plot.MIN_ALT
