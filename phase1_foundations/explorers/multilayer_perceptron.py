"""Pictures and explorers of lesson 1.3: a layer of neurons, what it does to XOR, and the boundaries networks draw."""

import warnings

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

ACTIVATIONS = {"none": "identity", "ReLU": "relu", "tanh": "tanh"}  # the lesson's names and scikit-learn's


def draw_network(ax=None):
    """Diagram of the 2-2-1 network that the lesson computes by hand, with all its numbers -> (Figure, sentence)."""
    ax = ax or plt.subplots(figsize=(8.0, 3.6))[1]
    ax.set(xlim=(-0.7, 9.4), ylim=(-2.3, 3.0))
    ax.axis("off")
    inputs, hidden, output = [(0, 1.1), (0, -1.1)], [(3.6, 1.1), (3.6, -1.1)], (7.4, 0)
    labels = [(0, 0, "1", 0.5), (0, 1, "−2", 0.2), (1, 0, "1", 0.2), (1, 1, "1", 0.5)]
    for i, j, weight, part in labels:
        _arrow(ax, inputs[i], hidden[j], weight, part)
    for start, weight in zip(hidden, ("0.5", "3"), strict=True):
        _arrow(ax, start, output, weight, 0.5)
    for place, text in zip(inputs, ("$x_1$\n2", "$x_2$\n1"), strict=True):
        _circle(ax, place, text, plot.SOFT(0))
    for place, text, z in zip(hidden, ("$a_1$\n3", "$a_2$\n0"), ("z = 3,  b = 0", "z = −2,  b = 1"), strict=True):
        _circle(ax, place, text, plot.SOFT(1))
        ax.text(place[0], place[1] + 0.95 * np.sign(place[1]), z, ha="center", va="center", fontsize=11)
    _circle(ax, output, "$z$\n0.5", plot.SOFT(2))
    ax.text(output[0], 0.95, "b = −1", ha="center", va="center", fontsize=11)
    for x, name in ((0, "inputs"), (3.6, "hidden layer, ReLU"), (7.4, "output: a logit")):
        ax.text(x, 2.8, name, ha="center", va="center", fontsize=11, weight="bold")
    sentence = (
        "Diagram of a 2-2-1 network. Inputs 2 and 1 reach two hidden neurons with weights 1, 1 and bias 0, and with "
        "weights -2, 1 and bias 1: sums 3 and -2, after the ReLU 3 and 0. Weights 0.5 and 3 and bias -1 make z = 0.5."
    )
    return ax.figure, sentence


def _circle(ax, place, text, colour):
    box = {"boxstyle": "circle,pad=0.35", "fc": colour, "ec": "black", "lw": 1.5}
    ax.text(*place, text, ha="center", va="center", fontsize=12, bbox=box, zorder=3)


def _arrow(ax, start, end, weight, part):
    start, end = np.array(start), np.array(end)
    ax.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 1.5, "shrinkA": 24, "shrinkB": 24})
    box = {"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none"}
    place = start + (0.22 + 0.5 * part) * (end - start)
    ax.text(*place, weight, ha="center", va="center", fontsize=12, color=plot.RED, bbox=box)


def draw_spaces(x, y, hidden, w2, b2, axes=None):
    """The same points as inputs and as activations of two hidden neurons, with the last neuron's line there.

    x, hidden: (N, 2); y: (N,) classes; the last neuron's line is hidden·w2 + b2 = 0 -> (Figure, sentence).
    """
    axes = axes if axes is not None else plt.subplots(1, 2, figsize=(7.6, 3.3))[1]
    plot.points(x, y, axes[0], labels=("off", "on"))
    axes[0].set(xlabel="$x_1$", ylabel="$x_2$", title="Inputs: no line works")
    plot.points(hidden, y, axes[1], labels=("off", "on"))
    a1 = np.array([-0.5, 2.5])
    axes[1].plot(a1, -(w2[0] * a1 + b2) / w2[1], color="black", linewidth=1.8)
    axes[1].set(xlabel="$a_1$", ylabel="$a_2$", title="Hidden layer: one line is enough")
    axes[0].set(xlim=(-0.5, 1.5), ylim=(-0.4, 1.4), xticks=(0, 1), yticks=(0, 1))
    axes[1].set(xlim=(-0.6, 2.5), ylim=(-0.5, 1.5), xticks=(0, 1, 2), yticks=(0, 1))
    for ax, places in zip(axes, (x, hidden), strict=True):
        _name_places(ax, places, x, y)
    axes[0].legend(fontsize=9, loc="center")
    right = int(((hidden @ w2 + b2 > 0) == y).sum())
    sentence = (
        "Left: the four corners of the unit square, on at (0, 1) and (1, 0). Right: the same points as activations; "
        f"the two on-points share one place, and a line has {right} of {len(y)} points on the right side."
    )
    return axes[0].figure, sentence


def _name_places(ax, places, x, y):
    """Write the inputs x beside the places where they are drawn: left of the off-points, right of the on-points."""
    for place in np.unique(places, axis=0):
        here = (places == place).all(1)
        on = y[here][0] == 1
        names = "\n".join(f"({a:g}, {b:g})" for a, b in x[here])
        look = {"textcoords": "offset points", "fontsize": 9, "va": "center", "ha": "left" if on else "right"}
        ax.annotate(names, place, (9 if on else -9, 0), **look)


def small_network(x, y, hidden, seed=0, activation="ReLU", max_iter=200):
    """A small network trained by scikit-learn's `MLPClassifier` with L-BFGS: seconds become milliseconds.

    x: (N, D), y: (N,) classes; hidden: neurons in each hidden layer, such as (8, 8).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        hidden, activation=ACTIVATIONS[activation], solver="lbfgs", random_state=seed, max_iter=max_iter
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # many good networks are still improving when they stop
        return network.fit(x, y)


def train_networks(x, y, widths, depths, activations=tuple(ACTIVATIONS), seed=0):
    """One trained network for every combination -> dict (width, depth, activation) -> network."""
    return {
        (width, depth, activation): small_network(x, y, (width,) * depth, seed, activation, max_iter=150)
        for width in widths
        for depth in depths
        for activation in activations
    }


def draw_contest(x, folded, scores):
    """A folded line, and the accuracy of one, two and three hidden layers after two budgets -> (Figure, sentence).

    x, folded: (M,) the curve on the left; scores: (name, rounds) -> (3, S) accuracies, a row for each depth.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), width_ratios=(1, 1.4))
    left.plot(x, folded, color=plot.BLUE, linewidth=1.4)
    left.set(title="4 layers of 2: 16 pieces", xlabel="x", ylabel="output")
    names = list(dict.fromkeys(name for name, _ in scores))
    told = []
    for (name, rounds), table in scores.items():
        i = names.index(name)
        first = rounds == min(budget for other, budget in scores if other == name)
        look = {"color": plot.COLOURS[i], "marker": plot.MARKERS[i]}
        right.plot((1, 2, 3), table.mean(1), ":" if first else "-", label=f"{name} parameters, {rounds} rounds", **look)
        places = np.repeat((1, 2, 3), table.shape[1]) + (-0.05 if first else 0.05)
        right.scatter(places, table.ravel(), s=12, alpha=0.5, **look)
        told.append(f"{name} parameters after {rounds} rounds " + ", ".join(f"{m:.2f}" for m in table.mean(1)))
    right.set(
        title="Learnt: budget and luck decide", xlabel="hidden layers", ylabel="accuracy, new data", xticks=(1, 2, 3)
    )
    right.legend(fontsize=8, loc="lower left")
    means = "; ".join(told)
    return figure, f"Left: a saw with 16 straight pieces. Right: mean accuracy with one, two and three layers: {means}."


def draw_regions(x, y, x_test, y_test, networks, width=8, depth=1, activation="ReLU", ax=None):
    """The regions of one of the trained networks -> (Figure, sentence).

    x, x_test: (N, 2) points; y, y_test: (N,) classes; networks: what `train_networks` returned.
    """
    ax = ax or plt.figure(figsize=(4.8, 4.3), layout="none").add_axes((0.17, 0.13, 0.79, 0.78))  # fixed: draws faster
    network = networks[width, depth, activation]
    plot.decision_regions(network.predict, x, y, ax, 100, [f"arm {k + 1}" for k in range(len(network.classes_))])
    ax.set_aspect("equal")
    n = sum(array.size for array in network.coefs_ + network.intercepts_)
    train, test = ((network.predict(a) == b).mean() for a, b in ((x, y), (x_test, y_test)))
    ax.set(xlabel="$x_1$", ylabel="$x_2$", title=f"{n} parameters: {test:.2f} of new points right")
    ax.legend(fontsize=9, loc="lower right", frameon=True)
    layers = f"{depth} hidden layer{'s' if depth > 1 else ''} of {width} neuron{'s' if width > 1 else ''}"
    bend = "without activation" if activation == "none" else f"with {activation}"
    answers = f"{train:.2f} of the training points and {test:.2f} of the new points are right"
    return ax.figure, f"{layers} {bend}, {n} parameters: {answers}."
