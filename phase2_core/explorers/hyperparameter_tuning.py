"""Pictures and explorers of lesson 2.9: a landscape of 400 trained networks, and searches on it."""

import functools
import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from utils import data, plot

LRS, L2S = np.logspace(-3, 1, 25), np.logspace(-5, 0, 16)
SPACES = {"whole": (1e-3, 10.0), "around the best rate": (0.1, 1.0), "rates too low": (1e-3, 0.02)}


@dataclass(frozen=True)
class Parts:
    """Digits as rows: x (N, 65) in 0..1 with a 1 at the end, y (N,).

    300 to train with, 200 to validate, the rest to test.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def split(digits, seed=0):
    """All digits of the data set in a random order, cut into 300, 200 and the rest -> Parts."""
    x, y = np.concatenate([digits.x_train, digits.x_test]), np.concatenate([digits.y_train, digits.y_test])
    x = np.column_stack([x.reshape(len(x), 64) / 16, np.ones(len(x))])
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = x[order], y[order].astype(np.int64)
    return Parts(x[:300], y[:300], x[300:500], y[300:500], x[500:], y[500:])


@dataclass(frozen=True)
class Landscape:
    """Validation accuracy `truth` (25, 16) for learning rates `lrs` (25,) and L2 strengths `l2s` (16,)."""

    lrs: np.ndarray
    l2s: np.ndarray
    truth: np.ndarray

    def score(self, lr, l2):
        """Accuracy at the lattice point nearest to (lr, l2) on logarithmic scales, arrays (n,) -> (n,)."""
        row = np.abs(np.log(np.divide.outer(lr, self.lrs))).argmin(-1)
        column = np.abs(np.log(np.divide.outer(l2, self.l2s))).argmin(-1)
        return self.truth[row, column]


@functools.cache
def landscape():
    """Train 400 small networks of the lesson, one for each pair of LRS and L2S -> Landscape; about 3 s."""
    parts = split(data.load("digits"))
    lr, l2 = (m.ravel() for m in np.meshgrid(LRS, L2S, indexing="ij"))
    with np.errstate(all="ignore"):  # rates that are too high overflow
        right = train_all(lr, l2, parts.x_train, parts.y_train, parts.x_valid, parts.y_valid, every_epoch=False)
    return Landscape(LRS, L2S, right[-1].mean(-1).reshape(25, 16))


def train_all(lrs, l2s, x, y, x_valid, y_valid, steps=300, hidden=32, seed=0, every_epoch=True):
    """Train one network 64-hidden-10 for each pair (lr, l2), (C,) each -> right or wrong (epochs, C, M) of bool.

    x (300, 65), x_valid (M, 65); batches of 30, plain SGD, the same first weights and order for all.
    """
    rng, n_pairs, right = np.random.default_rng(seed), len(lrs), []
    W1 = np.repeat(rng.standard_normal((1, 65, hidden)) * np.sqrt(2 / 65), n_pairs, axis=0)  # (C, 65, hidden)
    W2 = np.repeat(rng.standard_normal((1, hidden, 10)) * np.sqrt(2 / hidden), n_pairs, axis=0)  # (C, hidden, 10)
    lr, l2, onehot = lrs[:, None, None], l2s[:, None, None], np.eye(10)[y]
    for step in range(steps):
        if step % 10 == 0:
            order = rng.permutation(len(x)).reshape(10, -1)
        x_batch, y_batch = x[order[step % 10]], onehot[order[step % 10]]  # (30, 65), (30, 10)
        a = np.maximum(x_batch @ W1, 0)  # (C, 30, hidden)
        z = a @ W2  # (C, 30, 10)
        p = np.exp(z - z.max(-1, keepdims=True))
        delta = (p / p.sum(-1, keepdims=True) - y_batch) / len(x_batch)  # (C, 30, 10)
        back = delta @ W2.transpose(0, 2, 1) * (a > 0)  # (C, 30, hidden)
        W2 = W2 - lr * (a.transpose(0, 2, 1) @ delta + l2 * W2)
        W1 = W1 - lr * (x_batch.T @ back + l2 * W1)
        if (every_epoch and step % 10 == 9) or step == steps - 1:
            right.append((np.maximum(x_valid @ W1, 0) @ W2).argmax(-1) == y_valid)  # (C, M)
    return np.array(right)


def draw_random(n, rng, low=(1e-3, 1e-5), high=(10.0, 1.0)):
    """n random pairs, uniform on logarithmic scales -> lr (n,), l2 (n,)."""
    exponents = rng.uniform(np.log10(low), np.log10(high), (n, 2))
    return tuple((10**exponents).T)


def draw_grid(k, rng, low=(1e-3, 1e-5), high=(10.0, 1.0)):
    """A grid of k × k pairs, evenly spaced on logarithmic scales, at a random place -> lr (k²,), l2 (k²,)."""
    first, length = np.log10(low), np.log10(high) - np.log10(low)
    lr, l2 = 10 ** (first + length * (np.arange(k)[:, None] + rng.random(2)) / k).T  # (k,) each
    return np.repeat(lr, k), np.tile(l2, k)


def draw_landscape(ax, found):
    """Validation accuracy over both dials -> Axes; bright is good."""
    mesh = ax.pcolormesh(found.lrs, found.l2s, found.truth.T, cmap="cividis", vmin=0, vmax=1, shading="nearest")
    ax.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="L2 strength")
    ax.figure.colorbar(mesh, ax=ax, label="validation accuracy")
    ax.grid(False)
    return ax


def draw_process(ax, lrs, truth, x, y, mean, std, ei):
    """Gaussian process after some trials -> Axes. truth, mean, std, ei (M,) at lrs (M,); trials x, y (N,)."""
    ax.fill_between(lrs, mean - 2 * std, mean + 2 * std, color="#cfe3f3", label="mean ± 2 deviations")
    ax.plot(lrs, mean, color=plot.BLUE, linestyle="-", linewidth=1.5)
    ax.plot(lrs, truth, color=plot.BLACK, linestyle=":", linewidth=1.3, label="truth")
    ax.plot(x, y, "o", color=plot.RED, markersize=7, label="trials")
    ax.fill_between(lrs, -0.35, -0.35 + 0.25 * ei / max(ei.max(), 1e-9), color=plot.ORANGE, label="EI (scaled)")
    ax.axvline(lrs[np.argmax(ei)], color=plot.ORANGE, linestyle="--", linewidth=1.2)
    ax.set(xscale="log", xlabel="learning rate", ylim=(-0.38, 1.3), yticks=(0, 0.5, 1))
    return ax


def draw_parallel(ax, trials, bounds):
    """Parallel coordinates -> Axes. trials: list of (settings, score); bounds: {name: (low, high)}, log if low > 0."""
    names = list(bounds)
    scores = np.array([score for _, score in trials])
    colours = plt.get_cmap("cividis")((scores - scores.min()) / max(np.ptp(scores), 1e-9))
    for i in np.argsort(scores):
        heights = []
        for name in names:
            low, high = bounds[name]
            scale = np.log if low > 0 else lambda v: v
            heights.append((scale(trials[i][0][name]) - scale(low)) / (scale(high) - scale(low)))
        ax.plot([*heights, scores[i]], color=colours[i], linestyle="-", linewidth=1.8, marker="o", markersize=3)
    ax.set(ylim=(-0.12, 1.1), yticks=[], xticks=range(len(names) + 1), xticklabels=[*names, "accuracy"])
    for k, name in enumerate([*names, "accuracy"]):
        low, high = bounds.get(name, (0, 1))
        for height, value, place in ((-0.04, low, "top"), (1.03, high, "bottom")):
            ax.text(k, height, f"{value:g}", ha="center", va=place, fontsize=8)
        ax.axvline(k, color="grey", linewidth=0.8, linestyle="-")
    ax.grid(False)
    return ax


def _bayesian(points, values, n_trials, rng, n_initial=4):
    """One search by a Gaussian process and expected improvement over lattice points (M, 2) -> trials' values."""
    distance = ((points[:, None] - points) ** 2).sum(-1) / (2 * 0.15**2)
    kernel = np.exp(-distance)  # (M, M)
    tried = list(rng.permutation(len(points))[:n_initial])
    while len(tried) < n_trials:
        y = values[tried]
        spread = y.std() + 1e-3
        inner = kernel[np.ix_(tried, tried)] + 1e-3 * np.eye(len(tried))
        cross = kernel[:, tried]
        solved = np.linalg.solve(inner, np.column_stack([(y - y.mean()) / spread, cross.T]))
        mean = y.mean() + spread * cross @ solved[:, 0]
        std = spread * np.sqrt(np.maximum(1 - (cross * solved[:, 1:].T).sum(1), 1e-9))
        z = (mean - y.max()) / std
        bell = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        gain = std * (z / (1 + np.exp(-1.702 * z)) + bell)  # the logistic curve stands in for Φ: a fast sketch
        gain[tried] = -1
        tried.append(int(gain.argmax()))
    return values[tried]


def race(found, n_trials=16, space="whole", seed=0):
    """Best accuracy after each trial, mean of many searches -> {"random": (n,), "Bayesian": (n,), "grid": number}."""
    low, high = SPACES[space]
    rows = np.flatnonzero((found.lrs >= low * 0.999) & (found.lrs <= high * 1.001))
    r, c = (m.ravel() for m in np.meshgrid(rows, np.arange(len(found.l2s)), indexing="ij"))
    values, rng = found.truth[r, c], np.random.default_rng(seed)
    points = np.column_stack([(r - rows[0]) / max(np.ptp(rows), 1), c / (len(found.l2s) - 1)])
    draws = rng.random((400, len(values))).argsort(1)[:, :n_trials]
    random = np.maximum.accumulate(values[draws], axis=1).mean(0)
    searches = [np.maximum.accumulate(_bayesian(points, values, n_trials, rng)) for _ in range(6)]
    side = math.isqrt(n_trials)
    lattice = lambda n: np.linspace(0, n - 1, side).round().astype(int)
    grid = found.truth[np.ix_(rows[lattice(len(rows))], lattice(len(found.l2s)))].max()
    return {"random": random, "Bayesian": np.mean(searches, axis=0), "grid": grid}


def draw_race(found, n_trials=16, space="whole", axes=None):
    """Random, Bayesian and grid search on the landscape -> (Figure, sentence).

    n_trials: a square number; space: a key of SPACES, the range of learning rates.
    """
    axes = _pair() if axes is None else axes
    result, (low, high) = race(found, n_trials, space), SPACES[space]
    trials = np.arange(1, n_trials + 1)
    half = 1 / 12, 1 / 6  # half a cell, in decades
    edges = (-3 - half[0], 1 + half[0], -5 - half[1], half[1])
    axes[0].imshow(found.truth.T, cmap="cividis", vmin=0, vmax=1, origin="lower", extent=edges, aspect="auto")
    axes[0].axvspan(np.log10(low), np.log10(high), fill=False, edgecolor=plot.RED, linewidth=2.5)
    axes[0].set_xticks([-3, -2, -1, 0, 1], ["0.001", "0.01", "0.1", "1", "10"])  # drawn faster than logarithmic axes
    axes[0].set_yticks([-5, -3, -1], ["0.00001", "0.001", "0.1"])
    axes[0].set(xlabel="learning rate", ylabel="L2 strength")
    axes[0].set_title("Red frame: the space searched", fontsize=11)
    axes[0].grid(False)
    axes[1].plot(trials, result["random"], color=plot.BLUE, linestyle="--", label="random")
    axes[1].plot(trials, result["Bayesian"], color=plot.RED, linestyle="-", label="Bayesian")
    axes[1].plot(n_trials, result["grid"], "s", color=plot.BLACK, markersize=8, label="grid")
    axes[1].axhline(found.truth.max(), color="grey", linestyle=":", linewidth=1.2, label="best of all 400")
    axes[1].set(xlabel="trials", ylabel="best accuracy so far", ylim=(0.1, 1.0), xlim=(0.5, n_trials + 0.7))
    axes[1].set_xticks(range(1, n_trials + 1, max(1, n_trials // 8)))
    axes[1].legend(fontsize=9, loc="lower right")
    ends = {"random": result["random"][-1], "Bayesian": result["Bayesian"][-1], "grid": result["grid"]}
    axes[1].set_title(", ".join(f"{name} {value:.2f}" for name, value in ends.items()), fontsize=11)
    return axes[0].figure, (
        "Left, the landscape with the space searched, learning rates from "
        f"{low:g} to {high:g}. Right, the best accuracy "
        f"after each of {n_trials} trials, mean of 400 random and six Bayesian searches: random ends at "
        f"{ends['random']:.2f}, Bayesian at "
        f"{ends['Bayesian']:.2f}, one grid at {ends['grid']:.2f}; the best "
        f"of all 400 networks has {found.truth.max():.2f}."
    )


def _pair():
    """Two axes with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, 2, figsize=(8.8, 3.4), layout="none")
    figure.subplots_adjust(left=0.11, right=0.985, bottom=0.15, top=0.91, wspace=0.25)
    return axes
