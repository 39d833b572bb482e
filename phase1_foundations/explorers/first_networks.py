"""Pictures and explorers of lesson 1.8: the training loop as a circle, learning rate against batch size."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

STATIONS = (  # name, what flows out of it: the order of the loop
    ("batch", "x, y"),
    ("model", "logits"),
    ("loss", "one number"),
    ("gradient", "∇L"),
    ("optimizer", "new weights"),
)


def draw_workflow():
    """Diagram of the workflow: data in, the loop of five stations, evaluation and a file out -> (Figure, sentence)."""
    figure = plt.figure(figsize=(8.4, 3.3), layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, 16.8), ylim=(0, 6.6))
    ax.axis("off")
    angles = np.pi / 2 + np.pi / 5 * np.array([1, -1, -3, -5, -7])  # clockwise, from the top left
    places = np.stack([8.0 + 3.1 * np.cos(angles), 3.1 + 2.3 * np.sin(angles)], axis=1)  # (5, 2)
    for i, (name, flow) in enumerate(STATIONS):
        _arrow(ax, places[i], places[(i + 1) % 5], "" if i == 4 else flow)
        _box(ax, places[i], name, plot.SOFT(1))
    ax.text(*(places[[4, 0]].mean(0) + (-0.25, 0)), "new weights,\nnext batch", ha="right", va="center", fontsize=9)
    outside = {"data": (1.6, places[0, 1]), "evaluate": (14.3, places[1, 1]), "save, load": (14.3, places[2, 1])}
    for name, place in outside.items():
        _box(ax, place, name, plot.SOFT(0))
    _arrow(ax, outside["data"], places[0], "shuffled, cut")
    _arrow(ax, places[1], outside["evaluate"], "held-out data")
    _arrow(ax, outside["evaluate"], outside["save, load"], "good enough")
    ax.text(8.0, 3.0, "once for each batch", ha="center", va="center", fontsize=11, style="italic")
    sentence = (
        "Diagram of the workflow. Data, shuffled and cut, become batches; a circle leads from batch to model, loss, "
        "gradient, optimizer and back with new weights; the model is evaluated on held-out data, saved and loaded."
    )
    return figure, sentence


def _box(ax, place, text, colour):
    box = {"boxstyle": "round,pad=0.4", "fc": colour, "ec": "black", "lw": 1.4}
    ax.text(*place, text, ha="center", va="center", fontsize=11, bbox=box, zorder=3)


def _arrow(ax, start, end, text):
    start, end = np.array(start), np.array(end)
    look = {"arrowstyle": "->", "lw": 1.5, "shrinkA": 32, "shrinkB": 32}
    ax.annotate("", end, start, arrowprops=look)
    flat = abs(end[1] - start[1]) < 0.1
    middle = (start + end) / 2 + ((0, 0.28) if flat else (0.2, -0.25 * (end[0] < start[0])))
    side = "center" if flat else "right" if end[1] > start[1] else "left"
    ax.text(*middle, text, ha=side, va="center", fontsize=9)


def draw_runs(runs, lr=0.1, batch_size=100, axes=None):
    """One of the trained runs beside its neighbours: its loss, and its place in the table of accuracies.

    runs: dict (lr, batch_size) -> (examples seen (S,), training loss (S,), accuracy on held-out data), all with the
    same number of examples -> (Figure, sentence).
    """
    if axes is None:
        figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.4), width_ratios=(1.25, 1), layout="none")
        figure.subplots_adjust(left=0.08, right=0.98, bottom=0.16, top=0.9, wspace=0.3)
    rates, sizes = sorted({key[0] for key in runs}), sorted({key[1] for key in runs})
    seen, loss, accuracy = runs[lr, batch_size]
    _curves(axes[0], runs, (lr, batch_size))
    table = np.array([[runs[rate, size][2] for size in sizes] for rate in rates])  # (rates, sizes)
    _table(axes[1], table, rates, sizes, (rates.index(lr), sizes.index(batch_size)))
    n_steps = round(seen[-1] / batch_size)
    first, last = (f"{value:.2f}" if np.isfinite(value) else "beyond all bounds" for value in (loss[0], loss[-1]))
    sentence = (
        f"Learning rate {lr:g}, batches of {batch_size}: {n_steps} steps through {seen[-1]:,} examples, loss "
        f"{first} at the start and {last} at the end, accuracy {accuracy:.2f} on held-out pictures."
    )
    return axes[0].figure, sentence


def _curves(ax, runs, chosen):
    rates = sorted({lr for lr, _ in runs})
    here = rates.index(chosen[0])
    for step, colour, style in ((-1, plot.ORANGE, "--"), (1, plot.GREEN, "-.")):  # the neighbours, same batches
        if 0 <= here + step < len(rates):
            seen, loss, _ = runs[rates[here + step], chosen[1]]
            ax.plot(seen, loss, style, color=colour, linewidth=1.3, zorder=1, label=f"rate {rates[here + step]:g}")
    seen, loss, _ = runs[chosen]
    look = {"color": plot.BLUE, "linewidth": 2.2, "ms": 4 if len(seen) < 40 else 0, "zorder": 3}
    ax.plot(seen, loss, "-o", label=f"rate {chosen[0]:g}", **look)
    ax.legend(fontsize=9, loc="upper right")
    ax.axhline(np.log(10), color=plot.BLACK, linestyle=":", linewidth=1.2)
    ax.text(seen[-1], np.log(10) + 0.06, "guessing: ln 10", ha="right", fontsize=9)
    ax.set(ylim=(0, 4), xlabel="examples seen", ylabel="training loss")
    ax.set_title(f"rate {chosen[0]:g}, batches of {chosen[1]}")


def _table(ax, table, rates, sizes, chosen):
    ax.imshow(table, cmap="Blues", vmin=0.0, vmax=1.1, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        weight = "bold" if (row, column) == chosen else "normal"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", weight=weight, color="w" if value > 0.7 else "k")
    frame = plt.Rectangle((chosen[1] - 0.5, chosen[0] - 0.5), 1, 1, fill=False, ec=plot.ORANGE, lw=3)
    ax.add_patch(frame)
    ax.set_xticks(range(len(sizes)), sizes)
    ax.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates])
    ax.set(xlabel="batch size", ylabel="learning rate", title="accuracy on held-out pictures")
    ax.grid(False)
