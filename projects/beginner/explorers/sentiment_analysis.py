"""Pictures of project 2: a sentence with its words coloured, accuracies with intervals, a reliability diagram."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb

from utils import plot, text

KIND, HARSH = plot.SKY, plot.ORANGE  # colours of words that speak for and against; the number says it as well
COLUMNS = 62  # characters a line; the letters have equal widths
STYLES = {"linear": (plot.BLACK, "D"), "PyTorch": (plot.RED, "o"), "Keras": (plot.BLUE, "s")}


def sigmoid(log_odds):
    """Log-odds -> probability, without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(log_odds, float)))


def lines_of(tokens, columns=COLUMNS):
    """Place tokens in lines of at most `columns` characters: list of (line, column), with two blanks between."""
    places, line, column = [], 0, 0
    for token in tokens:
        width = max(len(token), 5)  # room for the number below
        if column and column + width > columns:
            line, column = line + 1, 0
        places.append((line, column))
        column += width + 1
    return places


def draw_sentence(explain, sentence):
    """The sentence with each word coloured by what it adds -> (Figure, sentence for the screen reader).

    explain: function of a list of tokens -> (log-odds of a kind sentence, contributions (T,)).
    """
    tokens = [token[: COLUMNS - 2] for token in text.words(sentence)]
    if not tokens:
        figure, ax = _page(1)
        ax.text(0.5, 0, "Type a sentence.", fontsize=11)
        return figure, "There is no word yet: type a sentence about a film."
    log_odds, parts = explain(text.words(sentence))
    parts, prob = np.asarray(parts, float), float(sigmoid(log_odds))
    if parts.shape != (len(tokens),):
        raise ValueError(f"{len(tokens)} tokens need as many contributions, got shape {parts.shape}")
    places = lines_of(tokens)
    figure, ax = _page(places[-1][0] + 1)
    largest = max(float(np.abs(parts).max()), 1e-9)
    for token, part, (line, column) in zip(tokens, parts, places, strict=True):
        colour = np.array(to_rgb(KIND if part > 0 else HARSH))
        shade = tuple(1 - (1 - colour) * min(1.0, abs(part) / largest))  # white for no contribution
        ax.text(column, -line, token, family="monospace", fontsize=10, bbox={"facecolor": shade, "lw": 0, "pad": 1.5})
        if abs(part) >= 0.2 * largest:
            ax.text(column, -line - 0.42, f"{part:+.1f}", family="monospace", fontsize=7.5)
    verdict = "kind" if prob >= 0.5 else "harsh"
    ax.set_title(f"probability of a kind sentence {prob:.2f}: {verdict}", fontsize=11)
    order = np.argsort(-np.abs(parts))[:3]
    words = ", ".join(f"{tokens[i]} {parts[i]:+.1f}" for i in order)
    return figure, f"The model calls this sentence {verdict}: probability of kind {prob:.2f}. Largest parts: {words}."


def _page(lines):
    """A page of text lines with fixed margins: computing the layout would double the time of a redraw."""
    height = 0.55 + 0.42 * lines
    figure, ax = plt.subplots(figsize=(7, height), layout="none")
    figure.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=1 - 0.34 / height)
    ax.set(xlim=(-0.5, COLUMNS + 1), ylim=(-lines + 0.35, 0.75))
    ax.axis("off")
    return figure, ax


def draw_comparison(rows, best_linear, title):
    """Accuracies with 95 % intervals as points on lines -> (Figure, sentence).

    rows: list of (label, kind, accuracy, low, high), kind a key of STYLES; best_linear: drawn as a vertical line.
    """
    figure, ax = plt.subplots(figsize=(8, 0.6 + 0.27 * len(rows)))
    ax.axvline(best_linear, color="0.5", linestyle=":", label="chosen linear model")
    seen = set()
    for place, (_, kind, value, low, high) in enumerate(rows):
        colour, marker = STYLES[kind]
        label = None if kind in seen else kind
        seen.add(kind)
        bars = [[value - low], [high - value]]
        ax.errorbar(value, -place, xerr=bars, color=colour, marker=marker, ms=6, lw=1.5, linestyle="none", label=label)
    ax.set_yticks([-i for i in range(len(rows))], [row[0] for row in rows], fontsize=9)
    ax.set(xlabel="accuracy on the test sentences, with 95 % interval", title=title)
    ax.legend(fontsize=9, loc="lower left")
    best = max(rows, key=lambda row: row[2])
    return figure, (
        f"Accuracies of {len(rows)} models with their 95 % intervals. The chosen linear model has {best_linear:.3f}; "
        f"the best of all is {best[0]} ({best[1]}) with {best[2]:.3f}, interval {best[3]:.3f} to {best[4]:.3f}."
    )


def reliability(probs, y, bins=10):
    """Mean probability, share of ones and number of examples of the bins that have any: three arrays."""
    probs, y = np.asarray(probs, float), np.asarray(y)
    where = np.minimum((probs * bins).astype(int), bins - 1)
    filled = [k for k in range(bins) if (where == k).any()]
    return tuple(
        np.array([f(where == k) for k in filled])
        for f in (lambda m: probs[m].mean(), lambda m: y[m].mean(), lambda m: m.sum())
    )


def draw_reliability(answers, y, bins=10, title="How often right, by how sure"):
    """Share of kind sentences against the stated probability -> (Figure, sentence). answers: {label: probs (N,)}."""
    figure, ax = plt.subplots(figsize=(5.6, 4.2))
    ax.plot([0, 1], [0, 1], color="0.6", linestyle=":", label="perfectly calibrated")
    worst = {}
    for i, (label, probs) in enumerate(answers.items()):
        said, true, _ = reliability(probs, y, bins)
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.plot(said, true, **style, label=label, ms=5, lw=1.6)
        worst[label] = np.abs(said - true).max()
    ax.set(xlabel="stated probability of a kind sentence", ylabel="share that is kind", title=title)
    ax.legend(fontsize=9, loc="upper left")
    gaps = ", ".join(f"{label} {gap:.2f}" for label, gap in worst.items())
    return figure, f"Reliability diagram with {bins} bins: the largest gap between stated and true share is {gaps}."
