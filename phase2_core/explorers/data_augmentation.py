"""Pictures and explorer of lesson 2.8: one photograph and one digit under each augmentation, and rows of pictures."""

import functools

import matplotlib.pyplot as plt
import numpy as np

from utils import data, plot

OPERATIONS = (
    "rotate", "flip left-right", "flip up-down", "shift", "zoom", "crop", "brightness", "contrast", "cutout", "mixup",
    "CutMix", "RandAugment",
)  # fmt: skip
DRAWS = 6


@functools.cache
def photographs(size=96):
    """A cat and a cup of coffee (both CC0) as squares -> two arrays (size, size, 3), float32 in 0..1."""
    return tuple(
        _square(data.photo(name)[:, left : left + 300], size) for name, left in (("chelsea", 95), ("coffee", 150))
    )


def _square(photo, size):
    """The top left square of a photograph, made smaller by means over blocks: (H, W, 3) uint8 -> (size, size, 3)."""
    side = min(photo.shape[:2])
    edges = np.linspace(0, side, size + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(photo[:side, :side].astype("float32"), edges[:-1], 0), edges[:-1], 1)
    area = np.diff(edges)[:, None] * np.diff(edges)[None, :]
    return (sums / area[..., None] / 255).astype("float32")


def warp(x, degrees=0.0, zoom=1.0, down=0.0, right=0.0):
    """Turn (counter-clockwise), enlarge and move one picture: x (H, W, C) -> (H, W, C); outside is 0.

    Each pixel of the result asks which place of the picture it comes from, and mixes the four pixels around it.
    """
    h, w = x.shape[:2]
    rows, columns = np.mgrid[:h, :w] - np.array([(h - 1) / 2 + down, (w - 1) / 2 + right])[:, None, None]
    c, s = np.cos(np.deg2rad(degrees)) / zoom, np.sin(np.deg2rad(degrees)) / zoom
    from_row, from_column = s * columns + c * rows + (h - 1) / 2, c * columns - s * rows + (w - 1) / 2
    top, left = np.floor(from_row).astype(int), np.floor(from_column).astype(int)
    below, beside = (from_row - top)[..., None], (from_column - left)[..., None]
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    at = lambda i, j: padded[np.clip(i + 1, 0, h + 1), np.clip(j + 1, 0, w + 1)]
    upper = (1 - beside) * at(top, left) + beside * at(top, left + 1)
    lower = (1 - beside) * at(top + 1, left) + beside * at(top + 1, left + 1)
    return (1 - below) * upper + below * lower


def augment(x, other, operation, strength, rng):
    """One random draw of an operation: x, other (H, W, C) in 0..1 -> picture (H, W, C), share of `x` in the label.

    strength: 0 does nothing (flips: are never drawn), 1 is far too much.
    """
    h, w = x.shape[:2]
    between = lambda: rng.uniform(-strength, strength)
    if operation == "rotate":
        return warp(x, degrees=180 * between()), 1.0
    if operation in ("flip left-right", "flip up-down"):
        axis = 1 if operation == "flip left-right" else 0
        return (np.flip(x, axis) if rng.random() < strength else x), 1.0
    if operation == "shift":
        return warp(x, down=round(h * 0.5 * between()), right=round(w * 0.5 * between())), 1.0
    if operation == "zoom":
        return warp(x, zoom=float(np.exp(between()))), 1.0
    if operation == "crop":
        side = max(round(h * (1 - 0.7 * strength)), 2)
        top, left = rng.integers(0, h - side + 1), rng.integers(0, w - side + 1)
        centre = (h - 1) / 2 - top - (side - 1) / 2, (w - 1) / 2 - left - (side - 1) / 2
        return warp(x, zoom=h / side, down=centre[0] * h / side, right=centre[1] * h / side), 1.0
    if operation == "brightness":
        return np.clip(x + between(), 0, 1), 1.0
    if operation == "contrast":
        return np.clip((x - x.mean()) * np.exp(2 * between()) + x.mean(), 0, 1), 1.0
    if operation == "RandAugment":
        for name in rng.choice(("rotate", "shift", "zoom", "brightness", "contrast", "cutout"), 2):
            x = augment(x, other, name, strength / 2, rng)[0]
        return x, 1.0
    return _mixed(x, other, operation, strength, rng)


def _mixed(x, other, operation, strength, rng):
    """cutout, CutMix and mixup: what takes something away from the picture."""
    h, w = x.shape[:2]
    if operation == "mixup":
        share = 1 - strength * rng.random()
        return share * x + (1 - share) * other, share
    if operation not in ("cutout", "CutMix"):
        raise ValueError(f"operation {operation!r} is none of {', '.join(OPERATIONS)}")
    side = np.sqrt(strength * rng.random())
    row, column, tall, wide = rng.integers(h), rng.integers(w), round(h * side), round(w * side)
    top, bottom = np.clip([row - tall // 2, row - tall // 2 + tall], 0, h)
    left, right = np.clip([column - wide // 2, column - wide // 2 + wide], 0, w)
    out = x.copy()
    out[top:bottom, left:right] = other[top:bottom, left:right] if operation == "CutMix" else 0
    return out, 1 - (bottom - top) * (right - left) / (h * w) if operation == "CutMix" else 1.0


@functools.cache
def reader():
    """A linear classifier of 4,000 upright digits, by least squares -> weights (785, 10), biases in the last row."""
    digits = data.load("mnist")
    x = np.hstack([digits.x_train.reshape(-1, 784) / np.float32(255), np.ones((len(digits.x_train), 1), "float32")])
    return np.linalg.solve(
        x.T @ x + 10 * np.eye(785, dtype="float32"), x.T @ np.eye(10, dtype="float32")[digits.y_train]
    )


@functools.cache
def test_digit(k):
    """The first test digit k that the reader reads rightly -> (28, 28, 1) in 0..1."""
    digits = data.load("mnist")
    for x in digits.x_test[digits.y_test == k].reshape(-1, 28, 28, 1).astype("float32") / 255:
        if read(x[None])[0] == k:
            return x
    raise ValueError(f"digit = {k!r} must be 0 to 9")


def read(x):
    """The classes that the linear reader sees: x (N, 28, 28, 1) -> (N,)."""
    return (np.hstack([x.reshape(len(x), 784), np.ones((len(x), 1), "float32")]) @ reader()).argmax(1)


def draw_gallery(operation="rotate", strength=0.3, seed=0, digit=6, axes=None):
    """A photograph and a digit with six draws of an operation each, and what a classifier reads -> (Figure, sentence).

    strength: 0 to 1; seed: of the draws; digit: 0 to 9. mixup and CutMix take a cup of coffee and the next digit.
    """
    rng = np.random.default_rng(seed)
    cat, cup = photographs()
    x, other = test_digit(int(digit)), test_digit((int(digit) + 1) % 10)
    draws = [augment(cat, cup, operation, strength, rng)[0] for _ in range(DRAWS)]
    pairs = [augment(x, other, operation, strength, rng) for _ in range(DRAWS)]
    seen = read(np.stack([x] + [p for p, _ in pairs]).astype("float32"))
    axes = _two() if axes is None else axes
    for ax, row in zip(axes, ([cat, *draws], [x, *(p for p, _ in pairs)]), strict=True):
        side = len(row[0])
        gap = np.ones((side, max(side // 24, 1), row[0].shape[2]), "float32")
        strip = np.concatenate([part for picture in row for part in (picture, gap)][:-1], axis=1)
        ax.imshow(np.clip(strip if strip.shape[2] == 3 else strip[..., 0], 0, 1), interpolation="nearest")
        ax.set(xticks=(np.arange(DRAWS + 1) * (side + gap.shape[1]) + side / 2), yticks=[])
        ax.tick_params(length=0)
        ax.grid(False)
        for spine in ax.spines.values():
            spine.set_visible(False)
    labels = [""] * (DRAWS + 1)
    if operation in ("mixup", "CutMix"):
        labels = [""] + [f"\n{share:.0%} {digit}" for _, share in pairs]
    axes[0].set_xticklabels(["original"] + [f"draw {i}" for i in range(1, DRAWS + 1)], fontsize=9)
    axes[1].set_xticklabels([f"read: {k}{text}" for k, text in zip(seen, labels, strict=True)], fontsize=9)
    right = int(np.sum(seen[1:] == digit))
    axes[0].set_title(f"{operation}, strength {strength:g}: {right} of {DRAWS} still read as {digit}", fontsize=11)
    return axes[0].figure, (
        f"Above a photograph of a cat, below a handwritten {digit}: the original and {DRAWS} draws of {operation} with "
        f"strength {strength:g}, seed {seed}. A classifier of upright digits reads the draws as "
        f"{', '.join(map(str, seen[1:]))}: {right} of {DRAWS} as {digit}."
    )


def _two():
    """Two rows with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(2, 1, figsize=(8.4, 3.1), layout="none")
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.14, top=0.91, hspace=0.22)
    return axes


def draw_rows(rows, columns, title, size=0.95):
    """Rows of pictures -> Figure. rows: {label: list of (H, W, 3) in 0..1, None for a gap}; columns: their headings."""
    n = len(columns)
    fig, axes = plt.subplots(len(rows), n, figsize=(size * n + 0.9, size * 1.06 * len(rows) + 0.55), squeeze=False)
    for line, (label, pictures) in zip(axes, rows.items(), strict=True):
        for ax, picture in zip(line, pictures, strict=True):
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            for spine in ax.spines.values():
                spine.set_visible(False)
            if picture is not None:
                picture = np.clip(np.asarray(picture, "float32"), 0, 1)
                ax.imshow(picture[..., 0] if picture.shape[-1] == 1 else picture, vmin=0, vmax=1)
        line[0].set_ylabel(label, fontsize=10)
    for ax, name in zip(axes[0], columns, strict=True):
        ax.set_title(name, fontsize=7.5 if len(name) > 9 else 9, loc="center")
    fig.suptitle(title, x=0.01, ha="left", fontsize=12)
    return fig


def draw_gains(tables, title, xlim):
    """Gain in test accuracy of each remedy with its spread, one panel a table -> Axes (panels,).

    tables: {panel title: DataFrame with columns gain and ±, one row a remedy}.
    """
    axes = plt.subplots(1, len(tables), figsize=(9.4, 4.0), sharey=True, squeeze=False)[1][0]
    for ax, (name, table) in zip(axes, tables.items(), strict=True):
        rows = np.arange(len(table))[::-1]
        for i, (gain, spread) in enumerate(zip(table["gain"], table["±"], strict=True)):
            sure = abs(gain) > spread
            colour = plot.BLACK if not sure else plot.BLUE if gain > 0 else plot.RED
            marker = "o" if not sure else "^" if gain > 0 else "v"
            ax.errorbar(gain, rows[i], xerr=spread, fmt=marker, color=colour, capsize=3, linestyle="none")
        ax.axvline(0, color=plot.BLACK, linewidth=1, linestyle=":")
        ax.set(xlabel="gain in test accuracy (points)", yticks=rows, yticklabels=table.index, xlim=xlim, title=name)
    axes[0].figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return axes


def draw_gain_by_steps(marks, gains):
    """Gain by augmentation against the number of steps -> (Figure, sentence).

    marks (M,): numbers of steps; gains: {number of digits: gain in points (draws, M)}, one line each.
    """
    fig, ax = plt.subplots(figsize=(7, 3.5))
    ends, marks = [], np.asarray(marks)
    for i, (n, gain) in enumerate(gains.items()):
        style = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i]}
        ax.plot(marks, gain.mean(0), linestyle=plot.LINES[i], label=f"{n:,} digits", **style)
        spread = np.repeat(marks[None] * 1.03 ** (2 * i - 1), len(gain), axis=0)  # beside one another
        ax.plot(spread.ravel(), gain.ravel(), linestyle="none", markersize=4, alpha=0.55, **style)
        ends.append(f"{n:,} digits from {gain[:, 0].mean():.1f} to {gain[:, -1].mean():.1f}")
    ax.axhline(0, color=plot.BLACK, linewidth=1, linestyle=":")
    ax.set(xscale="log", xlabel="training steps", ylabel="gain in test accuracy (points)")
    ax.set_xticks(marks, [f"{mark:,}" for mark in marks])
    ax.minorticks_off()
    ax.set_title("Augmentation wants longer training")
    ax.legend(fontsize=9, loc="lower right")
    return fig, (
        f"Gain in test accuracy by augmentation against the number of training steps, {marks[0]:,} to {marks[-1]:,}, "
        f"logarithmic; means over {len(gain)} draws and the draws themselves. In points: {'; '.join(ends)}."
    )
