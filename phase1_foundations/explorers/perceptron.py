"""Pictures and explorers of lesson 1.1: one neuron as a line in the plane, and how Rosenblatt's rule moves it."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot


def draw_boundary(x, y, w1=1.0, w2=1.0, b=0.0, names=("$x_1$", "$x_2$"), classes=("class 0", "class 1"), ax=None):
    """Points, the line w·x + b = 0, the arrow w and the mistakes -> (Figure, sentence).

    x: (N, 2) features; y: (N,) classes 0 and 1; the neuron answers 1 on the side that the arrow points to.
    A small cross marks the origin, which the line runs through when b is 0.
    """
    ax = ax or plt.subplots(figsize=_size(x))[1]
    weights, y = np.array([w1, w2], float), np.asarray(y)
    answers = (x @ weights + b > 0).astype(int)
    mistakes = int((answers != y).sum())
    _two_sides(ax, x, weights, b)
    plot.points(x, y, ax, classes)
    ax.set_aspect("equal")  # w stands at a right angle on the line
    _line_and_arrow(ax, weights, b)
    wrong = x[answers != y]
    ax.scatter(*wrong.T, s=150, facecolors="none", edgecolors="black", linewidths=1.4)
    ax.set(xlabel=names[0], ylabel=names[1], title=f"{mistakes} of {len(y)} on the wrong side")
    ax.legend(fontsize=9, loc="lower right", frameon=True)
    line = f"With w = ({w1:.2f}, {w2:.2f}) and b = {b:.2f} the line"
    return ax.figure, f"{line} leaves {mistakes} of {len(y)} points on the wrong side."


def draw_patience(passes, curves, ax=None):
    """Accuracy on new data after some epochs of training, for each rule -> (Figure, sentence).

    passes: (P,) numbers of epochs; curves: name -> (R, up to P) accuracies of R splits.
    """
    ax = ax or plt.subplots(figsize=(6.4, 3.4))[1]
    for i, (name, right) in enumerate(curves.items()):
        mean, spread = right.mean(0), right.std(0, ddof=1)
        look = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i], "linestyle": plot.LINES[i]}
        at = passes[: len(mean)]
        ax.plot(at, mean, label=name, **look)
        ax.fill_between(at, mean - spread, mean + spread, color=plot.COLOURS[i], alpha=0.15)
    ax.set_xscale("log")
    ax.set_xticks(passes, [f"{n:,}" for n in passes])
    ax.minorticks_off()
    ax.set(xlabel="epochs", ylabel="accuracy, new biopsies", title="Better is a matter of the stopping time")
    ax.legend(fontsize=9, loc="lower left")
    told = "; ".join(
        f"{name} " + ", ".join(f"{m:.3f} after {n}" for n, m in zip(passes, right.mean(0), strict=False))
        for name, right in curves.items()
    )
    return ax.figure, f"Accuracy on new biopsies over epochs, means with the spread over the splits: {told}."


def _view(x):
    """Lower left and upper right corner of a view that holds all points and the origin."""
    low, high = np.minimum(x.min(0), 0), np.maximum(x.max(0), 0)
    pad = 0.08 * (high - low)
    return low - pad, high + pad


def _size(x):
    """Figure size in inches for which equal axes leave little empty."""
    low, high = _view(x)
    width, height = high - low
    return 6.2, float(np.clip(5.4 * height / width + 0.9, 2.4, 4.4))


def _two_sides(ax, x, w, b):
    """Colour both sides of the line."""
    (x0, y0), (x1, y1) = _view(x)
    corners = np.array([[[x0, y0], [x1, y0]], [[x0, y1], [x1, y1]]])  # (2, 2, 2); z is linear, so four are enough
    sides = {"levels": (-1e9, 1e-9, 1e9), "colors": (plot.SOFT(0), plot.SOFT(1))}
    ax.contourf(corners[..., 0], corners[..., 1], corners @ w + b, **sides)
    ax.scatter(0, 0, s=60, marker="+", color="black", linewidths=1)
    ax.set(xlim=(x0, x1), ylim=(y0, y1))


def _line_and_arrow(ax, w, b):
    """The boundary as a black line inside the axes, and w as an arrow from the middle of its visible part."""
    if not w.any():
        return
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    foot = centre - (w @ centre + b) / (w @ w) * w  # the point of the line nearest to the middle
    along = np.array([-w[1], w[0]]) / np.linalg.norm(w)
    reach = 2 * np.hypot(x1 - x0, y1 - y0)
    ax.plot(*np.stack([foot - reach * along, foot + reach * along]).T, color="black", linestyle="-", linewidth=1.8)
    unit = w / np.linalg.norm(w)
    tip = foot + 0.2 * (y1 - y0) * unit
    arrow = {"arrowstyle": "-|>", "lw": 2, "fc": "black", "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", tip, foot, arrowprops=arrow, annotation_clip=True)  # no arrow where the line is out of view
    name = {"ha": "center", "va": "center", "fontsize": 12, "weight": "bold", "clip_on": True}
    ax.text(*(tip + 0.06 * (y1 - y0) * unit), "w", **name)


def draw_update(x, y, path, update=0, names=("$x_1$", "$x_2$"), classes=("class 0", "class 1"), ax=None):
    """The boundary after a number of updates -> (Figure, sentence).

    path: list of (w (2,), b, i) after each update, i the example that caused it; path[0] is the start.
    """
    weights, b, example = path[update]
    figure, sentence = draw_boundary(x, y, *weights, b, names, classes, ax)
    ax = figure.axes[0] if ax is None else ax
    if example is not None:
        ax.scatter(*x[example], s=260, marker="*", color=plot.YELLOW, edgecolors="black", zorder=5)
    ax.set_title(f"update {update}: {ax.get_title(loc='left').split(' on ')[0]} wrong")
    cause = f" The star is the flower that caused update {update}." if example is not None else ""
    return figure, f"After update {update}: {sentence}{cause}"


def draw_neuron(ax=None):
    """Diagram of a neuron: inputs, weights, sum, step -> (Figure, sentence)."""
    ax = ax or plt.subplots(figsize=(7.0, 2.9))[1]
    ax.set(xlim=(-0.6, 7.4), ylim=(-1.9, 1.9))
    ax.axis("off")
    circle = {"boxstyle": "circle,pad=0.35", "fc": "white", "ec": "black", "lw": 1.5}
    for y, name, weight in ((1.4, "$x_1$", "$w_1$"), (0.0, "$x_2$", "$w_2$"), (-1.4, "$1$", "$b$")):
        ax.annotate("", (2.55, 0.25 * y), (0.35, y), arrowprops={"arrowstyle": "->", "lw": 1.5})
        ax.text(0, y, name, ha="center", va="center", fontsize=13, bbox=circle | {"fc": plot.SOFT(0)})
        ax.text(1.45, 0.66 * y + 0.2, weight, ha="center", fontsize=13, color=plot.RED)
    ax.text(3, 0, "Σ", ha="center", va="center", fontsize=18, bbox=circle)
    ax.annotate("", (4.75, 0), (3.5, 0), arrowprops={"arrowstyle": "->", "lw": 1.5})
    ax.text(4.1, 0.2, "$z$", ha="center", fontsize=13)
    ax.text(
        5.2, 0, "step", ha="center", va="center", fontsize=12, bbox={"boxstyle": "square,pad=0.6", "fc": plot.SOFT(1)}
    )
    ax.annotate("", (7.0, 0), (5.75, 0), arrowprops={"arrowstyle": "->", "lw": 1.5})
    ax.text(7.15, 0, r"$\hat y$", va="center", fontsize=14)
    sentence = (
        "Diagram of a neuron: the inputs x1 and x2 and the constant 1 are multiplied by w1, w2 and b, added to z, "
        "and a step turns z into the answer 0 or 1."
    )
    return ax.figure, sentence
