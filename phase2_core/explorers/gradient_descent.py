"""Pictures and explorers of lesson 2.1: walks on a bowl, step size against condition number, noise of mini-batches."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

N = 64  # examples of the explorer's data set
EVERYTHING = "all 64"
BATCH_SIZES = {EVERYTHING: N, "16": 16, "4": 4, "1": 1}
START = np.array([-8.0, 2.0])


def _centres(seed=3):
    """The minimum of each example's own bowl (N, 2); their mean, the minimum of the loss, is the origin."""
    centres = np.random.default_rng(seed).standard_normal((N, 2)) * (1.2, 0.6)
    return centres - centres.mean(0)


CENTRES = _centres()


def walk(gradient, start, lr, steps):
    """Gradient descent -> path (steps + 1, D). gradient: function (D,) -> (D,)."""
    path = [np.asarray(start, float)]
    for _ in range(steps):
        path.append(path[-1] - lr * gradient(path[-1]))
    return np.array(path)


def draw_walk(ax, hessian, path, title="", label="path"):
    """Level lines of the bowl ½ wᵀHw and a path on it -> Axes. hessian (2, 2), path (T, 2)."""
    _levels(ax, hessian)
    inside = np.clip(path, -1e3, 1e3)
    ax.plot(*inside.T, color=plot.RED, linestyle="-", linewidth=1.4, marker="o", markersize=3.5, label=label)
    ax.plot(0, 0, marker="*", color=plot.BLACK, markersize=11, linestyle="none", zorder=5)
    ax.set(xlim=(-11, 11), ylim=(-4, 4), xlabel="$w_1$", title=title)
    ax.title.set_fontsize(11)
    return ax


def _levels(ax, hessian):
    w1, w2 = np.meshgrid(np.linspace(-11, 11, 89), np.linspace(-4, 4, 65))
    height = (hessian[0, 0] * w1**2 + 2 * hessian[0, 1] * w1 * w2 + hessian[1, 1] * w2**2) / 2
    ax.contour(w1, w2, height, levels=height.max() * np.linspace(0.04, 1, 9) ** 2, colors="grey", linewidths=0.8)


def descend(condition=10.0, lr=1.0, batch_size=EVERYTHING, steps=64, seed=0):
    """Mini-batch descent on the explorer's bowl, reshuffled every epoch -> path (steps + 1, 2).

    The curvatures are 1 and 1 / condition. Example n pulls towards CENTRES[n]; batch_size is a key of BATCH_SIZES.
    """
    rng, size = np.random.default_rng(seed), BATCH_SIZES[batch_size]
    curvature, path = np.array([1 / condition, 1.0]), [START]
    while len(path) <= steps:
        order = rng.permutation(N)
        for first in range(0, N, size):
            pull = CENTRES[order[first : first + size]].mean(0)  # (2,): 0 for the whole data set
            path.append(path[-1] - lr * curvature * (path[-1] - pull))
    return np.array(path[: steps + 1])


def draw_descent(condition=10.0, lr=1.0, batch_size=EVERYTHING, axes=None):
    """The path on the bowl, and the excess loss step by step -> (Figure, sentence).

    condition: ratio of the two curvatures, the larger is 1; lr: step size; batch_size: a key of BATCH_SIZES.
    """
    axes = _pair() if axes is None else axes
    path, curvature = descend(condition, lr, batch_size), np.array([1 / condition, 1.0])
    excess = np.minimum((curvature * path**2).sum(1) / 2, 1e30)  # (steps + 1,) above the minimum
    draw_walk(axes[0], np.diag(curvature), path, f"κ = {condition:g}, η = {lr:g}, batch: {batch_size}")
    axes[0].plot(*CENTRES.T, linestyle="none", marker=".", markersize=3, color=plot.BLUE, zorder=1)
    axes[0].set_ylabel("$w_2$")
    factor = np.abs(1 - lr * curvature).max()  # of the slower direction, in each exact step
    steps = np.arange(len(excess))
    axes[1].semilogy(steps, np.maximum(excess, 1e-12), color=plot.RED, linestyle="-", label="this walk")
    exact = (curvature * START**2 * (1 - lr * curvature) ** (2 * steps[:, None])).sum(1) / 2
    axes[1].semilogy(
        steps, np.clip(exact, 1e-12, 1e30), color=plot.BLACK, linestyle="--", linewidth=1.2, label="exact gradient"
    )
    axes[1].set(xlabel="step", ylabel="loss above the minimum", ylim=(1e-9, 1e4), xlim=(0, len(excess) - 1))
    axes[1].legend(fontsize=9, loc="upper right")
    verdict = _verdict(factor, batch_size)
    axes[1].set_title(verdict, fontsize=11)
    return axes[0].figure, (
        f"Left, a walk on a bowl with condition number {condition:g}, learning rate {lr:g}, batches of {batch_size}; "
        f"the small dots are the minima of single examples. Right, its loss above the minimum: {excess[0]:.3g} at the "
        f"start, {np.median(excess[-16:]):.2g} at the end. {verdict}: an exact step multiplies the error by "
        f"{factor:.3f} in the slower direction."
    )


def _verdict(factor, batch_size):
    if factor > 1 + 1e-9:
        return "Diverges"
    if factor > 1 - 1e-9:
        return "On the edge: never arrives"
    if batch_size != EVERYTHING:
        return "Falls, then trembles on its floor"
    return "Crawls" if factor > 0.95 else "Converges"


def _pair():
    """Two axes with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.3), layout="none", width_ratios=(1.35, 1))
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.16, top=0.9, wspace=0.25)
    return axes


def draw_saddle(ax, r, paths):
    """Level lines of 1 - r² + (w1 w2 - r)² with a saddle at the origin, and paths -> Axes. paths: {label: (T, 2)}."""
    w1, w2 = np.meshgrid(np.linspace(-1.6, 1.6, 81), np.linspace(-1.6, 1.6, 81))
    ax.contour(w1, w2, (w1 * w2 - r) ** 2, levels=np.linspace(0.2, 2.2, 11) ** 2, colors="grey", linewidths=0.8)
    for (label, path), colour, line, marker in zip(paths.items(), (plot.BLUE, plot.RED), "-:", "os", strict=True):
        ax.plot(*path.T, color=colour, linestyle=line, linewidth=2, label=label)
        ax.plot(*path[-1], color=colour, marker=marker, markersize=8, linestyle="none")
    ax.plot(0, 0, marker="x", color=plot.BLACK, markersize=8, linestyle="none")
    ax.set(xlabel="$w_1$", ylabel="$w_2$", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
    ax.legend(fontsize=9, loc="upper left", frameon=True, framealpha=1)
    return ax
