"""Pictures and explorers of lesson 1.7: losses and their gradients, and a line that an outlier pulls."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

REGRESSION = {"MSE": (plot.ORANGE, "--"), "MAE": (plot.GREEN, ":"), "Huber": (plot.BLUE, "-")}
CLASSIFICATION = {
    "cross-entropy": (plot.BLUE, "-"),
    "hinge": (plot.BLACK, ":"),
    "focal": (plot.GREEN, "--"),
    "squared error of p": (plot.ORANGE, "-."),
}


def regression_losses(e, delta=0.5):
    """Losses of errors e of any shape -> {name: (loss, gradient)}."""
    size = np.abs(e)
    huber = np.where(size <= delta, e**2 / 2, delta * (size - delta / 2))
    return {"MSE": (e**2, 2 * e), "MAE": (size, np.sign(e)), "Huber": (huber, np.clip(e, -delta, delta))}


def classification_losses(z, gamma=2.0):
    """Losses of logits z of any shape if the truth is 1 -> {name: (loss, gradient)}."""
    log_p = -np.logaddexp(0, -z)
    p = np.exp(log_p)
    return {
        "cross-entropy": (-log_p, p - 1),
        "hinge": (np.maximum(0, 1 - z), np.where(z < 1, -1.0, 0.0)),
        "focal": (-((1 - p) ** gamma) * log_p, (1 - p) ** gamma * (gamma * p * log_p + p - 1)),
        "squared error of p": ((1 - p) ** 2, -2 * p * (1 - p) ** 2),
    }


def draw_regression(delta=0.5):
    """MSE, MAE and Huber over the error, and their gradients -> (Figure, sentence)."""
    figure, (left, right) = _panels((8.2, 3.2), 2)
    e = np.linspace(-3, 3, 301)
    _curves(left, right, e, regression_losses(e, delta), REGRESSION)
    left.set(ylim=(-0.1, 5), xlabel="error ŷ − y", ylabel="loss", title="Far away: square or line")
    right.set(ylim=(-3, 3), xlabel="error ŷ − y", ylabel="gradient", title="The pull: growing or bounded")
    left.legend(fontsize=9, loc="upper center")
    sentence = (
        "Left: over the error, MSE is a parabola, MAE a V, Huber a parabola that becomes a line where the error "
        f"exceeds {delta:g}. Right: the gradient of MSE grows without bound, that of MAE is -1 or 1, Huber's grows up "
        f"to {delta:g}."
    )
    return figure, sentence


def draw_classification(gamma=2.0):
    """Losses of a logit whose truth is 1, and their gradients -> (Figure, sentence)."""
    figure, (left, right) = _panels((8.2, 3.2), 2)
    z = np.linspace(-5, 5, 301)
    _curves(left, right, z, classification_losses(z, gamma), CLASSIFICATION)
    left.set(ylim=(-0.1, 5), xlabel="logit z, truth 1", ylabel="loss", title="Surely wrong costs most, or 1")
    right.set(
        ylim=(-1.6, 0.1), xlabel="logit z, truth 1", ylabel="gradient", title="Surely wrong: the square hardly pulls"
    )
    left.legend(fontsize=9, loc="upper right")
    sentence = (
        "Left: over the logit of a true class, cross-entropy and hinge fall in a line on the left, focal loss with "
        f"gamma {gamma:g} lies below cross-entropy, the squared error of p is at most 1. Right: the gradient of the "
        "squared error goes to 0 where the answer is surely wrong; those of the others do not. Hinge's is 0 from a "
        "logit of 1."
    )
    return figure, sentence


def fit_lines(x, y, delta=0.5):
    """The line with the smallest mean MSE, MAE and Huber loss: x (N,), y (N,) -> {name: (slope, intercept)}.

    A line of least absolute error can be drawn through two of the points, so all pairs are tried.
    """
    A = np.stack([x, np.ones_like(x)], axis=1).astype(float)  # (N, 2)
    square = np.linalg.lstsq(A, y, rcond=None)[0]
    i, j = np.array([pair for pair in combinations(range(len(x)), 2) if x[pair[0]] != x[pair[1]]]).T
    slopes = (y[i] - y[j]) / (x[i] - x[j])  # (pairs,)
    lines = np.stack([slopes, y[i] - slopes * x[i]])  # (2, pairs)
    absolute = lines[:, np.abs(A @ lines - y[:, None]).sum(axis=0).argmin()]
    line = square
    for _ in range(100):  # each point weighs min(1, delta / its distance), then least squares, and again
        weights = np.minimum(1, delta / np.maximum(np.abs(A @ line - y), 1e-12))  # (N,)
        line = np.linalg.solve((A.T * weights) @ A, (A.T * weights) @ y)
    return {"MSE": square, "MAE": absolute, "Huber": line}


def draw_ranking(z_torch, z_keras, truth, weights):
    """ROC and precision-recall curves of three losses -> (Figure, sentence).

    z_torch, z_keras: (R, N, 3) logits of R runs for plain, weighted and focal loss; truth (N,) bool; weights (N,).
    """
    figure, (left, right) = _panels((8.6, 3.5), 2)
    looks = (("plain", plot.BLUE, "-"), ("weighted", plot.ORANGE, "--"), ("focal", plot.GREEN, ":"))
    halves = {}
    for k, (name, colour, style) in enumerate(looks):
        at_half = []
        for i, z in enumerate(np.concatenate([z_torch, z_keras])[..., k]):
            order = np.argsort(-z)
            hits, mass = truth[order], weights[order]
            recall, alarms = (np.cumsum(mass * part) / mass[part].sum() for part in (hits, ~hits))
            precision = np.cumsum(mass * hits) / np.cumsum(mass)
            look = {"color": colour, "linestyle": style, "lw": 1, "alpha": 0.8, "label": name if i == 0 else None}
            left.plot(alarms, recall, **look)
            right.plot(recall[5:], precision[5:], **look)
            at_half.append(precision[np.searchsorted(recall, 0.5)])
        halves[name] = np.mean(at_half)
    left.set(title="From afar they rank alike", xlabel="share of the others called shirt", ylabel="recall")
    right.set(title="Among the surest calls they do not", xlabel="recall", ylabel="precision", ylim=(0, 0.6))
    right.axhline(1 / 51, color="black", lw=1)
    right.legend(fontsize=9, title="six runs each", title_fontsize=8)
    told = ", ".join(f"{name} {value:.2f}" for name, value in halves.items())
    return figure, (
        "Left: recall over false alarms, three bundles of curves that nearly coincide. Right: precision over recall; "
        f"the mean precision where half of the shirts are found is {told}; the black line is the share of shirts."
    )


def draw_outlier(x, y, price=None, delta=0.5):
    """Lines of least MSE, MAE and Huber loss when the last house gets another price -> (Figure, sentence).

    x (N,) and y (N,); beside it the loss of this house under each line, and its pull on the line.
    """
    x, y = np.array(x, float), np.array(y, float)
    y[-1] = y[-1] if price is None else price
    lines = fit_lines(x, y, delta)
    figure, (left, middle, right) = _panels((9.6, 3.2), 3)
    left.plot(x[:-1], y[:-1], "o", color="grey", ms=5)
    left.plot(x[-1], y[-1], "*", color=plot.RED, ms=15, zorder=3)
    ends = np.array([x.min() - 0.1, x.max() + 0.1])
    for name, (slope, intercept) in lines.items():
        colour, style = REGRESSION[name]
        left.plot(ends, slope * ends + intercept, color=colour, linestyle=style, label=f"{name}: slope {slope:.2f}")
    top = max(8.4, y.max() + 0.4)
    left.set(ylim=(0, top), xlabel="1,000 square feet", ylabel="100,000 dollars")
    left.legend(fontsize=8, loc="upper left", borderaxespad=0.1)
    own = {name: slope * x[-1] + intercept - y[-1] for name, (slope, intercept) in lines.items()}
    reach = max(3.0, 1.1 * max(abs(e) for e in own.values()))
    e = np.linspace(-reach, reach, 201)
    _curves(middle, right, e, regression_losses(e, delta), REGRESSION)
    for name, error in own.items():
        loss, gradient = regression_losses(np.array(error), delta)[name]
        shown, pull = min(loss, 8), np.clip(gradient, -6, 6)
        edges = "^" if shown < loss else "o", "o" if pull == gradient else "v" if pull < 0 else "^"
        for ax, value, marker in zip((middle, right), (shown, pull), edges, strict=True):  # a triangle: further out
            ax.plot(error, value, marker, color=REGRESSION[name][0], markeredgecolor="k", ms=8, zorder=4, clip_on=False)
    middle.set(ylim=(0, 8), xlabel="error ŷ − y", title=f"loss, δ = {delta:g}")
    right.set(ylim=(-6, 6), xlabel="error ŷ − y", title="gradient: its pull")
    left.set_title(f"★ costs {y[-1]:.1f}: MSE follows most" if abs(own["MAE"]) > 1 else f"★ costs {y[-1]:.1f}")
    slopes = ", ".join(f"{name} {slope:.2f}" for name, (slope, _) in lines.items())
    pulls = ", ".join(f"{n} {regression_losses(np.array(error), delta)[n][1]:+.2f}" for n, error in own.items())
    sentence = (
        f"The marked house costs {y[-1]:.1f}; slopes of the best lines: {slopes}. Its errors under them: "
        + ", ".join(f"{name} {error:+.2f}" for name, error in own.items())
        + f"; the gradients of its loss, with delta {delta:g}: {pulls}."
    )
    return figure, sentence


def _curves(left, right, at, losses, styles):
    for name, (loss, gradient) in losses.items():
        look = dict(zip(("color", "linestyle"), styles[name], strict=True))
        left.plot(at, loss, label=name, **look)
        right.plot(at, gradient, label=name, **look)


def _panels(size, n):
    """Axes in a row with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, n, figsize=size, layout="none")
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.17, top=0.89, wspace=0.26)
    return figure, axes
