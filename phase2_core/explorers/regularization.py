"""Pictures and explorers of lesson 2.5: penalties on one weight, and a boundary under weight decay and dropout."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

HIDDEN, STEPS, LR = 32, 600, 0.03


def moons(n=60, wrong=9, seed=0):
    """Two noisy half circles -> x (n, 2), y (n,) in 0, 1 and the rows whose label was turned round (wrong,)."""
    from sklearn.datasets import make_moons

    x, y = make_moons(n, noise=0.25, random_state=seed)
    rows = np.random.default_rng(seed).permutation(n)[:wrong]
    y[rows] = 1 - y[rows]
    return x.astype("float32"), y.astype("float32"), rows


def train_boundary(x, y, weight_decay=0.0, dropout=0.0, seed=0, steps=STEPS):
    """Train a network 2-32-32-1 (ReLU) with AdamW in NumPy -> list of three matrices, biases in their last rows.

    x (N, 2), y (N,) in 0, 1. All examples in every step. dropout: probability after each hidden layer, inverted.
    """
    rng, n = np.random.default_rng(seed), len(x)
    shapes = [(3, HIDDEN), (HIDDEN + 1, HIDDEN), (HIDDEN + 1, 1)]
    flat = np.concatenate([(rng.standard_normal(s) * np.sqrt(2 / s[0])).ravel() for s in shapes]).astype("float32")
    weights, slopes, grad = _views(flat, shapes), None, np.zeros_like(flat)
    slopes = _views(grad, shapes)
    first, second = np.zeros_like(flat), np.zeros_like(flat)  # Adam's moments
    masks = (rng.random((24, 2, n, HIDDEN)) >= dropout).astype("float32") / (1 - dropout)
    for step in range(1, steps + 1):
        _backward(weights, slopes, x, y, masks[rng.integers(24)] if dropout else None)
        first += 0.1 * (grad - first)
        second += 0.01 * (grad * grad - second)
        rate = LR * np.sqrt(1 - 0.99**step) / (1 - 0.9**step)
        flat *= 1 - LR * weight_decay
        flat -= rate * first / (np.sqrt(second) + 1e-8)
    return weights


def _views(flat, shapes):
    ends = np.cumsum([a * b for a, b in shapes])
    return [flat[end - a * b : end].reshape(a, b) for (a, b), end in zip(shapes, ends, strict=True)]


def _backward(weights, slopes, x, y, mask):
    """Gradient of the mean cross-entropy into `slopes`; mask (2, N, HIDDEN) or None."""
    ones = np.ones((len(x), 1), "float32")
    inputs = [np.hstack([x, ones])]
    for layer in range(2):
        a = np.maximum(inputs[-1] @ weights[layer], 0)
        inputs.append(np.hstack([a if mask is None else a * mask[layer], ones]))
    logits = (inputs[2] @ weights[2])[:, 0]
    delta = ((0.5 * (1 + np.tanh(logits / 2)) - y) / len(x))[:, None]
    for layer in (2, 1, 0):
        slopes[layer][:] = inputs[layer].T @ delta
        if layer:
            delta = (delta @ weights[layer][:-1].T) * (inputs[layer][:, :-1] > 0)
            delta = delta if mask is None else delta * mask[layer - 1]


def logits_of(weights, x):
    """Logits of the trained network, without dropout: x (N, 2) -> (N,)."""
    for layer, matrix in enumerate(weights):
        x = np.hstack([x, np.ones((len(x), 1), "float32")]) @ matrix
        x = np.maximum(x, 0) if layer < 2 else x
    return x[:, 0]


def draw_boundary(weight_decay=0.0, dropout=0.0, wrong_labels=9, ax=None):
    """The boundary that a network learns from 60 points, some with wrong labels -> (Figure, sentence).

    weight_decay: of AdamW; dropout: probability; wrong_labels: how many of the 60 labels are turned round.
    """
    x, y, rows = moons(wrong=wrong_labels)
    weights = train_boundary(x, y, weight_decay, dropout)
    x_test, y_test, _ = moons(2000, wrong=0, seed=99)
    train = np.mean((logits_of(weights, x) > 0) == (y > 0.5))
    test = np.mean((logits_of(weights, x_test) > 0) == (y_test > 0.5))
    size = np.sqrt(sum((w[:-1] ** 2).sum() for w in weights))
    ax = _one() if ax is None else ax
    grid = np.stack(np.meshgrid(np.linspace(-2, 3, 70), np.linspace(-1.5, 2, 56)), -1).astype("float32")
    z = np.clip(logits_of(weights, grid.reshape(-1, 2)).reshape(56, 70), -6, 6)
    ax.contourf(*grid.transpose(2, 0, 1), z, levels=[-6, 0, 6], colors=["#cfe3f3", "#fde3c8"])
    ax.contour(*grid.transpose(2, 0, 1), z, levels=[0], colors=plot.BLACK, linewidths=1.4)
    for value, colour, marker in ((0, plot.BLUE, "o"), (1, plot.ORANGE, "s")):
        ax.plot(*x[y == value].T, marker=marker, color=colour, linestyle="none", markersize=5)
    ax.plot(*x[rows].T, marker="o", color=plot.RED, markerfacecolor="none", markersize=11, linestyle="none")
    ax.set(xlim=(-2, 3), ylim=(-1.5, 2), xlabel="$x_1$", ylabel="$x_2$")
    ax.set_title(f"decay {weight_decay:g}, dropout {dropout:g}: train {train:.2f}, new {test:.2f}", fontsize=10)
    return ax.figure, (
        f"The boundary of a network trained on 60 points, {wrong_labels} of them with the wrong label (circled), with "
        f"weight decay {weight_decay:g} and dropout {dropout:g}: accuracy "
        f"{train:.2f} on the training points, {test:.2f} "
        f"on 2,000 new points; length of all weights {size:.1f}."
    )


def _one():
    """One axis with fixed margins: computing the layout would double the time of a redraw."""
    figure, ax = plt.subplots(figsize=(5.6, 3.9), layout="none")
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.13, top=0.92)
    return ax


def draw_penalties(a=1.0, strength=0.5, axes=None):
    """Where ½(w - a)² plus a penalty is smallest, for L1 and L2, and that minimum against a -> Axes (2,)."""
    axes = plt.subplots(1, 2, figsize=(8.8, 3.4))[1] if axes is None else axes
    w, style = (
        np.linspace(-1, 2, 301),
        {"no penalty": (plot.BLACK, ":"), "L2": (plot.BLUE, "-"), "L1": (plot.RED, "--")},
    )
    penalty = {"no penalty": 0 * w, "L2": strength * w**2 / 2, "L1": strength * np.abs(w)}
    for name, (colour, line) in style.items():
        height = (w - a) ** 2 / 2 + penalty[name]
        axes[0].plot(w, height, color=colour, linestyle=line, label=name)
        axes[0].plot(w[height.argmin()], height.min(), "o", color=colour)
    goal = np.linspace(-2, 2, 201)
    shrunk = {"no penalty": goal, "L2": goal / (1 + strength)}
    shrunk["L1"] = np.sign(goal) * np.maximum(np.abs(goal) - strength, 0)
    for name, (colour, line) in style.items():
        axes[1].plot(goal, shrunk[name], color=colour, linestyle=line, label=name)
    axes[0].set(xlabel="weight w", ylabel="loss with penalty", title=f"Penalties pull the minimum from {a:g} to 0")
    axes[1].set(
        xlabel="best weight without a penalty, a", ylabel="best weight with it", title="L2 shrinks, L1 cuts off"
    )
    axes[1].legend(fontsize=9)
    return axes


def draw_overfitting(history_torch, history_keras):
    """Losses, and shares of labels given back, against the epoch -> (Figure, sentence).

    history_torch: table with "train loss", "valid loss", "train", "valid" and "mistakes" (share of the wrong labels
    given back); history_keras: "val_loss" and "val_accuracy".
    """
    epochs, figure = np.arange(1, len(history_torch) + 1), plt.figure(figsize=(9, 3.5))
    left, right = figure.subplots(1, 2)
    left.plot(epochs, history_torch["train loss"], color=plot.BLUE, linestyle="-", label="training")
    left.plot(epochs, history_torch["valid loss"], color=plot.RED, linestyle="--", label="validation")
    right.plot(epochs, history_torch["train"], color=plot.BLUE, linestyle="-", label="training labels")
    right.plot(epochs, history_torch["valid"], color=plot.RED, linestyle="--", label="validation labels")
    right.plot(epochs, history_torch["mistakes"], color=plot.BLACK, linestyle=":", linewidth=2.4, label="wrong labels")
    for ax, key in ((left, "val_loss"), (right, "val_accuracy")):
        ax.plot(epochs[::3], history_keras[key][::3], "s", color=plot.RED, markersize=5, label="validation (Keras)")
        ax.set(xlabel="epoch")
    best = int(np.argmin(history_torch["valid loss"]))
    for ax in (left, right):
        ax.axvline(best + 1, color=plot.BLACK, linewidth=1, linestyle="-.")
    left.set(ylabel="loss", title=f"Validation loss turns in epoch {best + 1}")
    right.set(ylabel="share given back", title="The mistakes are learnt afterwards", ylim=(0, 1.03))
    left.legend(fontsize=9, loc="lower left")
    right.legend(fontsize=9, loc="lower right")
    learnt = np.asarray(history_torch["mistakes"])
    return figure, (
        "Left: training loss falls to nearly 0, validation loss falls, turns and rises; the markers of Keras lie on "
        f"the line of PyTorch. Right: the share of wrong labels that the network gives back is {learnt[best]:.2f} in "
        f"epoch {best + 1}, where the validation loss turns, and {learnt[-1]:.2f} in the end; meanwhile validation "
        "accuracy sinks."
    )


def draw_gains(tables):
    """Gain in test accuracy with its spread, clean and wrong labels -> (Figure, sentence). tables: {share: table}."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.1), sharey=True)
    for ax, table in zip(axes, tables.values(), strict=True):
        rows = np.arange(len(table))[::-1]
        ax.errorbar(table["gain"], rows, xerr=table["±"], fmt="o", color=plot.BLUE, capsize=4)
        ax.axvline(0, color=plot.BLACK, linewidth=1, linestyle=":")
        ax.set(xlabel="gain in test accuracy (points)", xlim=(-6, 12), yticks=rows, yticklabels=table.index)
    axes[0].set_title("Clean labels: no gain")
    axes[1].set_title("20 % wrong labels: several points")
    return figure, (
        "Gain in test accuracy of four remedies with their spread. With clean labels all lie near 0, with wrong labels "
        "dropout and early stopping gain most, the penalties less."
    )


def draw_weights(weights, edge=0.25):
    """Histograms of the weights of a layer, logarithmic -> (Figure, sentence). weights: {name: (N,)}."""
    figure, ax = plt.subplots(figsize=(7.6, 3.3))
    for i, (name, w) in enumerate(weights.items()):
        label = f"{name}: {np.mean(np.abs(w) < 1e-3):.0%} below 0.001"
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "linewidth": 1.8}
        height, ends = np.histogram(w, np.linspace(-edge, edge, 201))
        ax.plot((ends[1:] + ends[:-1]) / 2, np.maximum(height, 0.5), label=label, **style)
    ax.set(xlabel="weight of the first layer", ylabel="how many", yscale="log", ylim=(0.8, None))
    ax.set_title("Weight decay shrinks all weights, L1 empties most")
    ax.legend(fontsize=9)
    return figure, (
        "Histograms of 50,176 weights, logarithmic: broad without a penalty, with steps at -0.036 and 0.036; narrower "
        "and with a spike in the middle with weight decay; with L1 a sharp spike at 0 with long thin tails."
    )
