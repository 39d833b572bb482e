"""Pictures and explorer of lesson 2.6: what each norm averages over, and batch against running statistics."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PolyCollection

from utils import plot

MEAN, DEVIATION = 3.0, 2.0  # of the explorer's unit in training
N_SHOWN = 4096  # values in use
RIGHT, DEEP, UP = np.array([1.0, 0.0]), np.array([0.5, 0.32]), np.array([0.0, 1.0])  # oblique projection


def draw_blocks(masks):
    """Blocks of cells, those that share a mean coloured -> Figure. masks: {title: bool (B, C, H, W)}.

    Examples run to the right, channels into the depth, pixels upwards; only the outside of a block is seen.
    """
    figure, axes = plt.subplots(1, len(masks), figsize=(2.5 * len(masks), 2.7))
    for i, (ax, (title, mask)) in enumerate(zip(np.ravel(axes), masks.items(), strict=True)):
        mask = mask.reshape(*mask.shape[:2], -1)  # (B, C, H W)
        corners, filled = _faces(mask)
        faces = np.where(filled, plot.COLOURS[i], "#f2f2f2")
        ax.add_collection(PolyCollection(corners, facecolors=faces, edgecolors="#444444", linewidths=0.7))
        n_examples, n_channels, n_pixels = mask.shape
        depth = n_channels * DEEP
        ax.text(n_examples / 2, -0.25, "$B$", ha="center", va="top")
        ax.text(-0.2, n_pixels / 2, "$H, W$", ha="right", va="center")
        ax.text(*(n_examples + depth[0] / 2 + 0.15, depth[1] / 2 - 0.15), "$C$", ha="left", va="top")
        ax.set(xlim=(-1.5, n_examples + depth[0] + 0.3), ylim=(-1, n_pixels + depth[1] + 0.2), aspect="equal")
        ax.set_title(f"{title}: {int(mask.sum())} cells", fontsize=11)
        ax.axis("off")
    figure.suptitle("Each norm takes its mean over other cells", x=0.01, ha="left", fontsize=12)
    return figure


def _faces(mask):
    """Outer faces of a block: corners (n, 4, 2) and whether each belongs to a marked cell (n,)."""
    n_examples, n_channels, n_pixels = mask.shape
    corners, filled = [], []

    def add(origin, along, across, marked):
        corners.append([origin, origin + along, origin + along + across, origin + across])
        filled.append(bool(marked))

    for b in range(n_examples):
        for p in range(n_pixels):
            add(b * RIGHT + p * UP, RIGHT, UP, mask[b, 0, p])  # front: the first channel
        for c in range(n_channels):
            add(b * RIGHT + c * DEEP + n_pixels * UP, RIGHT, DEEP, mask[b, c, -1])  # top: the last pixel
    for c in range(n_channels):
        for p in range(n_pixels):
            add(n_examples * RIGHT + c * DEEP + p * UP, DEEP, UP, mask[-1, c, p])  # side: the last example
    return np.array(corners), np.array(filled)


def run_statistics(batch_size=8, momentum=0.05, steps=40, seed=0):
    """Running mean and (unbiased) running variance of a unit after each step -> (steps + 1, 2), from 0 and 1.

    momentum: weight of the new value, as in PyTorch.
    """
    z = np.random.default_rng(seed).normal(MEAN, DEVIATION, (steps, batch_size))
    found, path = np.stack([z.mean(1), z.var(1, ddof=1)], axis=1), [np.array([0.0, 1.0])]
    for new in found:
        path.append((1 - momentum) * path[-1] + momentum * new)
    return np.array(path)


def normalised(batch_size=8, momentum=0.05, steps=40, shift=0.0, seed=0):
    """Values in use, mean MEAN + shift, normalised with (running, batch) statistics -> two arrays (N_SHOWN,)."""
    mean, variance = run_statistics(batch_size, momentum, steps, seed)[-1]
    z = np.random.default_rng(seed + 1).normal(MEAN + shift, DEVIATION, (N_SHOWN // batch_size, batch_size))
    own = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, keepdims=True) + 1e-5)
    return ((z - mean) / np.sqrt(variance + 1e-5)).ravel(), own.ravel()


def draw_statistics(batch_size=8, momentum=0.05, steps=40, shift=0.0):
    """Running statistics step by step, and values in use normalised in both modes -> (Figure, sentence).

    batch_size; momentum: weight of the new value; steps: of training; shift: added to the values in use.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.5), layout="none", width_ratios=(1, 1.15))
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.155, top=0.9, wspace=0.2)
    path = run_statistics(batch_size, momentum, steps)
    spread = np.sqrt(path[:, 1])
    for values, goal, colour, line, name in (
        (path[:, 0], MEAN, plot.RED, "-", "running mean"),
        (spread, DEVIATION, plot.BLUE, "--", "running deviation"),
    ):
        left.plot(values, color=colour, linestyle=line, label=name)
        left.axhline(goal, color=colour, linestyle=":", linewidth=1.2)
    left.set(xlabel="step", ylabel="value", ylim=(-0.3, 5.2), xlim=(0, steps))
    arrived = abs(path[-1, 0] - MEAN) < 0.5 and abs(spread[-1] - DEVIATION) < 0.5
    left.set_title("Statistics: arrived" if arrived else "Statistics: not (yet) right", fontsize=11)
    left.legend(fontsize=9, loc="upper left", ncols=2)
    in_use, own = normalised(batch_size, momentum, steps, shift)
    bins = np.linspace(-4, 6, 81)
    style = {"histtype": "step", "density": True, "linewidth": 2}
    right.hist(np.clip(in_use, -4, 6), bins, color=plot.RED, linestyle="-", label="eval: running statistics", **style)
    right.hist(own, bins, color=plot.BLUE, linestyle="--", label="train: own batch", **style)
    right.set(xlabel="value after the norm", ylabel="density", xlim=(-4, 6), ylim=(0, 1.05))
    right.legend(fontsize=9, loc="upper right")
    right.set_title(f"In eval mode {in_use.mean():.1f} ± {in_use.std():.1f}, in train mode 0.0 ± 1.0", fontsize=11)
    return figure, (
        f"Left, the running mean and deviation of a unit over {steps} steps with batches of {batch_size} and weight "
        f"{momentum:g} for the new value: they end at {path[-1, 0]:.2f} and {spread[-1]:.2f}, the truth (dotted) is "
        f"{MEAN:g} and {DEVIATION:g}. Right, values in use, shifted by {shift:g}: normalised with the running "
        f"statistics their mean is {in_use.mean():.2f} and their deviation {in_use.std():.2f}; normalised within "
        f"their own batches {'only the two values -1 and +1 are left' if batch_size == 2 else 'they have mean 0'}."
    )


def draw_rates(rates, ends):
    """Loss after training against the learning rate -> (Figure, sentence). ends: {name: (rates, seeds)}."""
    figure, ax = plt.subplots(figsize=(6.8, 3.2))
    for (name, end), colour, style in zip(ends.items(), plot.COLOURS, ("s--", "o-"), strict=False):
        shown = np.minimum(end, 3.2)
        ax.semilogx(rates, shown.mean(1), style, color=colour, label=name)
        ax.semilogx(np.repeat(rates, shown.shape[1]), shown.ravel(), ".", color=colour, markersize=4)
    ax.axhline(1.2, color=plot.BLACK, linewidth=1, linestyle=":")
    ax.set(xlabel="learning rate", ylabel="loss after 80 steps", ylim=(0, 3.3))
    ax.set_title("Batch norm bears rates thirty times as large, and needs larger ones")
    ax.legend(fontsize=9, loc="lower left")
    words = [
        f"{name} below 1.2 from {rates[end.mean(1) < 1.2].min():.2g} to {rates[end.mean(1) < 1.2].max():.2g}"
        for name, end in ends.items()
    ]
    return figure, (
        f"Loss after 80 steps against the learning rate, means of three starts: {words[0]}, {words[1]}. "
        "At the small rates the plain network is ahead. Losses above 3.2 are drawn at 3.2."
    )


def draw_batch_sizes(sizes, accuracy):
    """Test accuracy of each norm against the batch size -> (Figure, sentence). accuracy: {name: (sizes, seeds)}."""
    figure, ax = plt.subplots(figsize=(6.8, 3.1))
    for i, ((name, values), marker) in enumerate(zip(accuracy.items(), "os^", strict=True)):
        at = np.arange(len(sizes)) + 0.06 * (i - 1)
        spread = values.std(1, ddof=1)
        ax.errorbar(at, values.mean(1), spread, marker=marker, color=plot.COLOURS[i], capsize=3, label=name)
    ax.text(-0.15, 0.24, "batch of 1:\nbatch norm\nis refused", fontsize=9)
    ax.set(title="Batch norm needs company", xlabel="batch size", ylabel="test accuracy", ylim=(0.2, 0.9))
    ax.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    ax.legend(fontsize=9, loc="lower right")
    return figure, (
        "Test accuracy after 200 steps against batch size 1, 2, 4 and 32, mean and spread of three starts: batch norm "
        "is refused at 1, far behind layer and group norm at 2, level with them at 32."
    )
