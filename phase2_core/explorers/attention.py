"""Pictures and explorer of lesson 2.12: where a decoder looks, by score and temperature; accuracy against length."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

SCORES = {
    "scaled dot": lambda q, k: q @ k.T / np.sqrt(q.shape[-1]),
    "dot": lambda q, k: q @ k.T,
    "cosine": lambda q, k: _unit(q) @ _unit(k).T,
}


def _unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def attention_weights(q, k, score="scaled dot", temperature=1.0):
    """Shares of the places: q (Tq, d), k (Tk, d) -> (Tq, Tk), rows add up to 1.

    score: a key of SCORES. Raises ValueError if the temperature is not positive or q and k differ in width.
    """
    q, k = np.asarray(q, float), np.asarray(k, float)
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, got {temperature}")
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"queries have {q.shape[-1]} numbers and keys {k.shape[-1]}: they must agree")
    scores = SCORES[score](q, k) / temperature
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def draw_alignment(lookups, number, temperature=1.0, score="scaled dot", ax=None):
    """Heat map of attention weights -> (Figure, sentence).

    lookups: {number: (words said, words read, queries (Tq, d), keys (Tk, d))}.
    """
    said, read, q, k = lookups[number]
    weights = attention_weights(q, k, score, temperature)
    ax = _one() if ax is None else ax
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(weights):
        if share >= 0.1:
            ax.text(j, i, f"{share:.1f}", ha="center", va="center", fontsize=8, color="w" if share > 0.6 else "k")
    ax.set_xticks(range(len(read)), read, fontsize=9)
    ax.set_yticks(range(len(said)), said, fontsize=9)
    ax.set_title(f"{number}: where it looks ({score}, temperature {temperature:g})", fontsize=11)
    ax.grid(False)
    places = float(np.exp(-(weights * np.log(np.maximum(weights, 1e-30))).sum(-1)).mean())
    best = [f"{word} at {read[j]}" for word, j in zip(said, weights.argmax(-1), strict=True)]
    return ax.figure, (
        f"Attention weights for {number} with score {score} at temperature {temperature:g}: largest weight "
        f"{weights.max():.2f}, on average {places:.1f} of {len(read)} places in use. Most looked at: {', '.join(best)}."
    )


def _one():
    """One axis with fixed margins: computing the layout would double the time of a redraw."""
    figure, ax = plt.subplots(figsize=(7, 4), layout="none")
    figure.subplots_adjust(left=0.13, right=0.99, bottom=0.08, top=0.91)
    return ax


def draw_lengths(ax, lengths, accuracy, trained):
    """Accuracy against length -> Axes. accuracy: {label: (len(lengths),)}; trained: first and last length seen."""
    ax.axvspan(*trained, color="0.9", zorder=0)
    ax.text(sum(trained) / 2, 0.03, "training", ha="center", fontsize=9)
    for i, (label, values) in enumerate(accuracy.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.plot(lengths, values, **style, label=label)
    ax.set(xlabel="entries in the book", ylabel="accuracy", ylim=(0, 1.05))
    ax.legend(fontsize=9, loc="center right")
    return ax
