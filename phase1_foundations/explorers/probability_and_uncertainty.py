"""Pictures and explorers of lesson 1.6: a test among 1,000 people, the cost of a code, calibration."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

PEOPLE = 1000
GRID = np.stack(np.meshgrid(np.arange(50), np.arange(20)), -1).transpose(1, 0, 2).reshape(-1, 2)  # column by column


def draw_bayes(prior=0.01, sensitivity=0.9, specificity=0.9, ax=None):
    """1,000 people before and after a test, each as a mark -> (Figure, sentence)."""
    ax = ax or _single((7.4, 4.0), left=0.02, right=0.98, bottom=0.22, top=0.90)
    counts = natural_frequencies(prior, sensitivity, specificity)
    looks = {
        "ill, positive": {"marker": "s", "color": plot.BLACK, "s": 30},
        "ill, negative": {"marker": "s", "facecolors": "none", "edgecolors": plot.BLACK, "s": 30},
        "healthy, positive": {"marker": "o", "color": plot.ORANGE, "s": 28},
        "healthy, negative": {"marker": ".", "color": "silver", "s": 12},
    }
    start = 0
    for (name, look), count in zip(looks.items(), counts, strict=True):
        ax.scatter(*GRID[start : start + count].T, label=f"{name}: {count}", **look)
        start += count
    ax.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.01), fontsize=10, markerscale=1.4)
    ax.set(xlim=(-1, 50), ylim=(-1, 20), xticks=(), yticks=())
    for spine in ax.spines.values():
        spine.set_visible(False)
    after = posterior(prior, sensitivity, specificity)
    found, alarms = counts[0], counts[2]
    ax.set_title(f"of 1,000 about {found + alarms} test positive, about {found} of them ill: posterior {after:.1%}")
    sentence = (
        f"Of 1,000 people {counts[0] + counts[1]} are ill; the test is positive for {found} of them and for {alarms} "
        f"healthy ones. After a positive test the probability of the illness is {after:.1%}, before it was {prior:.1%}."
    )
    return ax.figure, sentence


def natural_frequencies(prior, sensitivity, specificity):
    """Whole people among 1,000: ill and positive, ill and negative, healthy and positive, healthy and negative."""
    ill = round(PEOPLE * prior)
    found, alarms = round(ill * sensitivity), round((PEOPLE - ill) * (1 - specificity))
    return found, ill - found, alarms, PEOPLE - ill - alarms


def posterior(prior, sensitivity, specificity):
    """Probability of the illness after a positive test; 0 if no test is ever positive."""
    joint, alarms = prior * sensitivity, (1 - prior) * (1 - specificity)
    return joint / (joint + alarms) if joint + alarms else 0.0


def draw_code(p, q, names, ax=None):
    """Boxes as wide as p, as high as the code length -log2 q -> (Figure, sentence); the area is the cross-entropy."""
    ax = ax or _single((4.2, 3.2), left=0.14, right=0.97, bottom=0.16, top=0.88)
    p, lengths = np.asarray(p), -np.log2(q)
    left = np.cumsum(p) - p
    for i, name in enumerate(names):
        colour = plot.COLOURS[i % len(plot.COLOURS)]
        ax.bar(left[i], lengths[i], p[i], align="edge", color=colour, edgecolor="white", alpha=0.75)
        ax.text(left[i] + p[i] / 2, lengths[i] + 0.06, name, ha="center", va="bottom", fontsize=11)
    cost = float(p @ lengths)
    ax.set(xlim=(0, 1), ylim=(0, 3.7), xlabel="probability (width)", ylabel="bits (height)")
    ax.set_title(f"area {cost:.3f} bits a message", fontsize=11)
    boxes = ", ".join(f"{name} {w:g} wide and {h:g} high" for name, w, h in zip(names, p, lengths, strict=True))
    return ax.figure, f"Boxes, {boxes}: their area is {cost:.3f} bits a message."


def bins(probs, y, n_bins=10):
    """Sort predictions by confidence -> share of the examples, mean confidence, share right, each (n_bins,).

    probs (N, K), y (N,) classes. Confidence is the largest probability; bins are equally wide; an empty one has
    share 0 and the values 0.
    """
    confidence, right = probs.max(axis=1), probs.argmax(axis=1) == y  # (N,) each
    which = np.minimum((confidence * n_bins).astype(int), n_bins - 1)  # (N,)
    counts = np.bincount(which, minlength=n_bins)
    sums = [np.bincount(which, weights, n_bins) for weights in (confidence, right)]
    return counts / len(y), *(total / np.maximum(counts, 1) for total in sums)


def draw_calibration(logits, y, n_bins=10, temperature=1.0, ax=None):
    """Reliability diagram of softmax(logits / temperature) -> (Figure, sentence). logits (N, K), y (N,) classes.

    A point is a bin: where its mean confidence and its share of right answers are; its size is its share of examples.
    """
    ax = ax or _single((4.8, 4.4), left=0.14, right=0.97, bottom=0.13, top=0.89)
    z = logits.astype(float) / temperature
    probs = np.exp(z - z.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    share, confidence, right = bins(probs, y, n_bins)
    error = float(share @ np.abs(right - confidence))
    used = share > 0
    ax.plot((0, 1), (0, 1), color="grey", linestyle="--", linewidth=1.2)
    ax.vlines(confidence[used], right[used], confidence[used], color=plot.ORANGE, linewidth=3)
    ax.scatter(
        confidence[used], right[used], s=20 + 450 * share[used], color=plot.BLUE, alpha=0.8, zorder=3, clip_on=False
    )
    ax.set(xlim=(0, 1.03), ylim=(0, 1.03), aspect="equal", xlabel="mean confidence", ylabel="share right")
    ax.set_title(f"τ = {temperature:.2f}, {n_bins} bins: ECE {error:.3f}", fontsize=11)
    below, mean = float(share @ (confidence > right)), float(share @ confidence)
    sentence = (
        f"Reliability diagram at temperature {temperature:.2f} with {n_bins} bins: mean confidence {mean:.3f}, right "
        f"{share @ right:.3f}, expected calibration error {error:.3f}; {below:.0%} of the examples lie in bins that "
        "are too sure of themselves, below the diagonal."
    )
    return ax.figure, sentence


def draw_strange(won):
    """How often a digit gets more doubt than a garment, one line a contender -> (Figure, sentence).

    won: name -> (R,) shares of pairs, one for each of R trained networks.
    """
    ax = _single((7.4, 3.4), left=0.28, right=0.97, bottom=0.17, top=0.88)
    rows = sorted(won.items(), key=lambda item: item[1].mean())
    for i, (name, shares) in enumerate(rows):
        colour, marker = (plot.BLUE, "o") if "τ" in name else (plot.ORANGE, "s")
        ax.plot(shares, np.full(len(shares), i), marker, color=colour, ms=6, alpha=0.8)
        ax.vlines(shares.mean(), i - 0.3, i + 0.3, color="black", linewidth=1.5)
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.set_xlabel("share of pairs in which the digit gets more doubt (0.5 is blind)")
    ax.set_title("One fitted number (circles) beats thirty passes", fontsize=12)
    ax.grid(axis="x", alpha=0.3)
    means = ", ".join(f"{name} {shares.mean():.2f}" for name, shares in reversed(rows))
    return ax.figure, f"Each network's share of pairs as a point, with the mean as a bar, best first: {means}."


def _single(size, **margins):
    """Axes alone in a figure with fixed margins: computing the layout would double the time of a redraw."""
    figure, ax = plt.subplots(figsize=size, layout="none")
    figure.subplots_adjust(**margins)
    return ax
