"""Pictures and explorer of lesson 2.12: one lookup, shares by width, where a decoder looks, accuracy by length."""

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


# --- the idea -------------------------------------------------------------------------------------
def draw_lookup(q, keys, values):
    """One query meets every key; powers of 2 make the shares -> (Figure, alt text).

    q (d,), keys (n, d), values (n, m). Boxes from left to right: query, keys, scores, shares, values, answer.
    """
    scores = keys @ q
    shares = 2.0**scores / (2.0**scores).sum()
    fig, ax = plt.subplots(figsize=(8.4, 2.7), layout="none")
    fig.subplots_adjust(0.01, 0.02, 0.99, 0.88)
    rows = np.arange(len(keys))[::-1]
    middle = rows.mean()
    for x, title in ((0, "query"), (2.2, "keys"), (4, "scores"), (5.7, "shares"), (7.6, "values"), (9.7, "answer")):
        ax.text(x, len(keys) - 0.35, title, ha="center", fontsize=11, weight="bold")
    _box(ax, 0, middle, q, plot.RED)
    for row, key, score, share, value in zip(rows, keys, scores, shares, values, strict=True):
        arrow = {"arrowstyle": "-", "linewidth": 1, "color": "0.6"}
        ax.annotate("", (1.5, row), (0.65, middle), arrowprops=arrow)
        _box(ax, 2.2, row, key, plot.BLUE)
        ax.text(4, row, f"{score:g}", ha="center", va="center", fontsize=11)
        ax.barh(row, share, 0.45, left=5.2, color=plot.BLUE)
        ax.text(5.26 + share, row, f"{share:.0%}", va="center", fontsize=10)
        _box(ax, 7.6, row, value, plot.GREEN)
        line = {"arrowstyle": "-", "linewidth": 6 * share, "color": plot.GREEN, "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (9.0, middle), (8.3, row), arrowprops=line)
    _box(ax, 9.7, middle, shares @ values, plot.GREEN)
    ax.set(xlim=(-0.7, 10.4), ylim=(-0.5, len(keys)))
    ax.axis("off")
    listed = ", ".join(f"{share:.0%}" for share in shares)
    return fig, (
        f"One query meets {len(keys)} keys. Its scores, {', '.join(f'{s:g}' for s in scores)}, become shares of "
        f"{listed}; the answer is the mixture of the values in these shares, {_numbers(shares @ values)}."
    )


def _numbers(x):
    return " ".join(f"{number:.3g}" for number in x)


def _box(ax, x, y, numbers, colour):
    style = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": colour}
    ax.text(x, y, _numbers(numbers), ha="center", va="center", fontsize=10, bbox=style)


def draw_root(widths, plain, scaled):
    """Largest share and its slope against the width -> (Figure, alt text).

    plain, scaled: (n, 2), largest share and slope without and with the root.
    """
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.1))
    for ax, column, label, scale in zip(
        axes, (0, 1), ("largest of ten shares", "its slope"), ("linear", "log"), strict=True
    ):
        for i, (name, rows) in enumerate((("without the root", plain), ("with the root", scaled))):
            style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
            ax.plot(widths, np.maximum(rows[:, column], 1e-12), **style, label=name)
        ax.set(xscale="log", yscale=scale, title=label, xlabel="width d")
    axes[0].set(ylim=(0, 1.05), ylabel="share")
    axes[1].legend(fontsize=9)
    fig.suptitle("Without the root one place takes all, and its slope vanishes", x=0.01, ha="left", fontsize=12)
    return fig, (
        f"Against the width from {widths[0]} to {widths[-1]}: without the root the largest share rises from "
        f"{plain[0, 0]:.2f} to {plain[-1, 0]:.2f} and its slope falls to {plain[-1, 1]:.0e}; with the root both stay "
        f"level (largest share {scaled[-1, 0]:.2f}, slope {scaled[-1, 1]:.2f})."
    )


# --- the phone books ------------------------------------------------------------------------------
LETTERS = np.array(list("abcdefghijkl"))


def lookups(model, books):
    """What a phone-book network of the lesson compares in one book of each length.

    books: {length: (names, digits, questions, ...), each (1, length)} ->
    {"8 entries": (questions, entries, queries (m, d), keys (m, d)), ...} for `draw_alignment`.
    """
    import torch

    found = {}
    for m, (names, digits, questions, *_) in books.items():
        with torch.no_grad():
            keys, last = model.encoder(model.name(torch.tensor(names)) + model.digit(torch.tensor(digits)))
            states, _ = model.decoder(model.name(torch.tensor(questions)), last)
            queries = model.query(states)
        entries = [f"{LETTERS[i]}{digit}" for i, digit in zip(names[0], digits[0], strict=True)]
        found[f"{m} entries"] = LETTERS[questions[0]], entries, queries[0].numpy(), keys[0].numpy()
    return found


def draw_losses(runs):
    """Loss against steps, means of 10 steps, of 50 for the rival -> (Figure, alt text).

    runs: {label: (steps,)}: PyTorch, Keras, rival.
    """
    fig, ax = plt.subplots(figsize=(7, 3.2))
    styles = ((plot.RED, "-", 10), (plot.BLUE, "--", 10), (plot.BLACK, ":", 50))
    for (label, losses), (colour, line, window) in zip(runs.items(), styles, strict=True):
        smooth = np.convolve(losses, np.ones(window) / window, "valid")
        ax.plot(np.arange(len(smooth)) + window, smooth, color=colour, linestyle=line, label=label)
    ax.set(title="Looking back is learnt in a fraction of the steps", xlabel="step", xscale="log", ylim=(0, None))
    ax.set_ylabel("loss (moving mean)")
    ax.legend(fontsize=9)
    ends = "; ".join(
        f"{label}: {np.mean(losses[-20:]):.2f} after {len(losses):,} steps" for label, losses in runs.items()
    )
    return fig, f"Loss against steps on a logarithmic axis. At the end {ends}."


def draw_alignment(lookups, which, temperature=1.0, score="scaled dot", ax=None):
    """Heat map of attention weights -> (Figure, sentence).

    lookups: {name: (words of the rows, words of the columns, queries (Tq, d), keys (Tk, d))}; which: one of the names.
    """
    rows, columns, q, k = lookups[which]
    weights = attention_weights(q, k, score, temperature)
    ax = _one() if ax is None else ax
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), share in np.ndenumerate(weights):
        if share >= 0.1:
            ax.text(j, i, f"{share:.1f}", ha="center", va="center", fontsize=8, color="w" if share > 0.6 else "k")
    ax.set_xticks(range(len(columns)), columns, fontsize=9)
    ax.set_yticks(range(len(rows)), rows, fontsize=9)
    ax.set_title(f"{which}: where it looks ({score}, temperature {temperature:g})", fontsize=11)
    ax.grid(False)
    places = float(np.exp(-(weights * np.log(np.maximum(weights, 1e-30))).sum(-1)).mean())
    best = [f"{row} at {columns[j]}" for row, j in zip(rows, weights.argmax(-1), strict=True)]
    return ax.figure, (
        f"Attention weights for {which} with score {score} at temperature {temperature:g}: largest weight "
        f"{weights.max():.2f}, on average {places:.1f} of {len(columns)} places in use. "
        f"Most looked at: {', '.join(best)}."
    )


def _one():
    """One axis with fixed margins: computing the layout would double the time of a redraw."""
    figure, ax = plt.subplots(figsize=(7, 4), layout="none")
    figure.subplots_adjust(left=0.13, right=0.99, bottom=0.08, top=0.91)
    return ax


def draw_lengths(lengths, accuracy, chance, trained):
    """Accuracy against the length of the book -> (Figure, alt text).

    accuracy: {label: (seeds, lengths)}, drawn as mean with the range over seeds; chance (lengths,): a digit of the
    book at random; trained: first and last length seen in training.
    """
    fig, ax = plt.subplots(figsize=(6.8, 3.3))
    ax.axvspan(*trained, color="0.9", zorder=0)
    ax.text(sum(trained) / 2, 0.03, "training", ha="center", fontsize=9)
    for i, (label, values) in enumerate(accuracy.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.plot(lengths, np.mean(values, 0), **style, label=label)
        ax.fill_between(lengths, np.min(values, 0), np.max(values, 0), color=plot.COLOURS[i], alpha=0.25)
    ax.plot(lengths, chance, color="0.4", linestyle=":", label="any digit of the book")
    ax.set(xlabel="entries in the book", ylabel="accuracy", ylim=(0, 1.05))
    ax.set_title("Attention does not mind books three times as long as in training")
    ax.legend(fontsize=9, loc=(0.6, 0.58))
    ends = "; ".join(
        f"{label} {np.mean(values, 0)[0]:.2f} with {lengths[0]}, {np.mean(values, 0)[-1]:.2f} with {lengths[-1]}"
        for label, values in accuracy.items()
    )
    return (
        fig,
        f"Accuracy against the number of entries, means of three seeds: {ends}; chance ends at {chance[-1]:.2f}.",
    )


def draw_rates(rates, right):
    """Share of right lookups against the learning rate -> (Figure, alt text). right: {label: (seeds, rates)}."""
    fig, ax = plt.subplots(figsize=(6, 2.9))
    for i, (label, values) in enumerate(right.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.plot(rates, np.mean(values, 0), **style, label=label)
    ax.set(xscale="log", xlabel="learning rate", ylabel="right lookups", ylim=(0, 1.05))
    ax.set_title("None of four learning rates repairs a missing root")
    ax.legend(fontsize=9)
    best = "; ".join(f"{label} at best {np.mean(values, 0).max():.2f}" for label, values in right.items())
    return fig, f"Share of right lookups after training against the learning rate, means of three seeds: {best}."


# --- numbers in two languages ---------------------------------------------------------------------
def draw_two_lengths(english, french):
    """How many tokens a number has in two languages -> (Figure, alt text). Both: lists of lists of tokens."""
    table = np.zeros((max(map(len, english)) + 1, max(map(len, french)) + 1))
    for a, b in zip(english, french, strict=True):
        table[len(a), len(b)] += 1
    fig, ax = plt.subplots(figsize=(6, 3.2))
    ax.imshow(np.sqrt(table), cmap="Blues", origin="lower", aspect="auto")
    ax.set(xlim=(0.5, None), ylim=(0.5, None), xlabel="tokens in French", ylabel="tokens in English")
    ax.set_title("Neither language is the other word for word")
    ax.grid(False)
    several = int((table.astype(bool).sum(1) > 1).sum())
    return fig, (
        "How many numbers have how many tokens in English and in French: "
        f"for {several} English lengths several French ones occur."
    )
