"""Pictures and explorer of lesson 2.2: walks of six optimisers in a valley, on Rosenbrock's function, on a saddle."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

STEPS = 120
EPS = 1e-8


def _plain(theta, g, state, lr, beta):
    return theta - lr * g


def _momentum(theta, g, state, lr, beta):
    state["v"] = beta * state.get("v", 0) + g
    return theta - lr * state["v"]


def _nesterov(theta, g, state, lr, beta):
    state["v"] = beta * state.get("v", 0) + g
    return theta - lr * (g + beta * state["v"])


def _adagrad(theta, g, state, lr, beta):
    state["s"] = state.get("s", 0) + g**2
    return theta - lr * g / (np.sqrt(state["s"]) + EPS)


def _rmsprop(theta, g, state, lr, beta, rho=0.99):
    state["s"] = rho * state.get("s", 0) + (1 - rho) * g**2
    return theta - lr * g / (np.sqrt(state["s"]) + EPS)


def _adam(theta, g, state, lr, beta, beta2=0.999):
    t = state["t"] = state.get("t", 0) + 1
    state["m"] = beta * state.get("m", 0) + (1 - beta) * g
    state["s"] = beta2 * state.get("s", 0) + (1 - beta2) * g**2
    return theta - lr * state["m"] / (1 - beta**t) / (np.sqrt(state["s"] / (1 - beta2**t)) + EPS)


RULES = {
    "plain": _plain,
    "momentum": _momentum,
    "Nesterov": _nesterov,
    "AdaGrad": _adagrad,
    "RMSProp": _rmsprop,
    "Adam": _adam,
}
USES_BETA = ("momentum", "Nesterov", "Adam")


def _valley(condition):
    curvature = np.array([1 / condition, 1.0])
    return lambda w: (curvature * w**2).sum(-1) / 2, lambda w: curvature * w


def _rosenbrock(w):
    return (1 - w[..., 0]) ** 2 + 100 * (w[..., 1] - w[..., 0] ** 2) ** 2


def _rosenbrock_gradient(w):
    x, y = w
    return np.array([2 * (x - 1) - 400 * x * (y - x**2), 200 * (y - x**2)])


def _saddle(w):
    return w[..., 0] ** 2 / 2 - w[..., 1] ** 2 / 2 + w[..., 1] ** 4 / 4 + 0.25


def _saddle_gradient(w):
    return np.array([w[0], w[1] ** 3 - w[1]])


START = {"valley": (-9.0, 2.5), "Rosenbrock": (-1.2, 1.0), "saddle": (-1.6, 0.01)}
GOAL = {"valley": [(0, 0)], "Rosenbrock": [(1, 1)], "saddle": [(0, -1), (0, 1)]}
BOX = {"valley": (-10, 10, -4, 4), "Rosenbrock": (-1.7, 1.8, -0.7, 2.4), "saddle": (-1.9, 1.9, -1.5, 1.5)}
SURFACES = tuple(START)


def surface_of(name, condition=30.0):
    """Height (..., 2) -> (...) and gradient (2,) -> (2,) of a surface by its name."""
    if name == "valley":
        return _valley(condition)
    return {"Rosenbrock": (_rosenbrock, _rosenbrock_gradient), "saddle": (_saddle, _saddle_gradient)}[name]


def walk(rule, gradient, start, lr, beta=0.9, steps=STEPS):
    """Path of a rule (a key of RULES) -> (steps + 1, D); it is cut off at 1e6, where it has diverged."""
    theta, state, path = np.asarray(start, float), {}, [np.asarray(start, float)]
    for _ in range(steps):
        theta = np.clip(RULES[rule](theta, gradient(theta), state, lr, beta), -1e6, 1e6)
        path.append(theta)
    return np.array(path)


def draw_path(ax, name, paths, condition=30.0, title=""):
    """Level lines of a surface and paths on it -> Axes. paths: {label: (T, 2)}."""
    left, right, low, high = BOX[name]
    w = np.stack(np.meshgrid(np.linspace(left, right, 61), np.linspace(low, high, 49)), -1)  # (49, 61, 2)
    height = surface_of(name, condition)[0](w)
    root = np.sqrt(height - height.min())  # more lines near the bottom
    levels = np.linspace(0.03, 0.95, 9) * root.max()
    ax.contour(w[..., 0], w[..., 1], root, levels=levels, colors="grey", linewidths=0.7)
    looks = zip((plot.RED, plot.BLACK), ("-", "--"), "os", strict=True)
    for (label, path), (colour, line, marker) in zip(paths.items(), looks, strict=False):
        inside = np.clip(path, -1e3, 1e3)
        ax.plot(*inside.T, color=colour, linestyle=line, linewidth=1.3, marker=marker, markersize=2.6, label=label)
    ax.plot(*np.transpose(GOAL[name]), marker="*", color=plot.BLUE, markersize=12, linestyle="none", zorder=5)
    ax.set(xlim=(left, right), ylim=(low, high), xlabel="$w_1$", title=title)
    ax.locator_params(nbins=5)  # few labels: they take most of the time of a redraw
    ax.title.set_fontsize(11)
    return ax


def draw_race(best):
    """The best path of each rule on Rosenbrock's function -> (Figure, sentence).

    best: {rule: (learning rate, path (T, 2), height that is left over)} of six rules.
    """
    fig, axes = plt.subplots(2, 3, figsize=(10, 5.4), sharex=True, sharey=True)
    for ax, (rule, (lr, path, left)) in zip(axes.flat, best.items(), strict=True):
        draw_path(ax, "Rosenbrock", {rule: path}, title=f"{rule}, η = {lr:.2g}: at {left:.0e}")
    for ax in axes[:, 0]:
        ax.set_ylabel("$w_2$")
    fig.suptitle("Rosenbrock: four of six arrive, each at a rate of its own", x=0.01, ha="left", fontsize=12)
    heights = ", ".join(f"{rule} {left:.0e}" for rule, (_, _, left) in best.items())
    return fig, (
        "Six panels with the level lines of a banana-shaped valley and the best path of one rule in each, from the "
        f"left to the star at (1, 1); the height that is left over: {heights}."
    )


def draw_optimizer(surface="valley", rule="momentum", condition=30.0, lr=0.3, beta=0.9, axes=None):
    """The path of a rule on a surface and its height step by step, beside plain descent -> (Figure, sentence).

    surface: a name of SURFACES; rule: a key of RULES; condition: of the valley, whose larger curvature is 1; lr: step
    size; beta: decay of the velocity (momentum, Nesterov) or of Adam's first moment, without effect on the others.
    """
    axes = _pair() if axes is None else axes
    height, gradient = surface_of(surface, condition)
    names = dict.fromkeys((rule, "plain"))
    paths = {name: walk(name, gradient, START[surface], lr, beta) for name in names}
    place = f"valley, κ = {condition:g}" if surface == "valley" else surface
    settings = f"η = {lr:g}" + (f", β = {beta:g}" if rule in USES_BETA else "")
    draw_path(axes[0], surface, {rule: paths[rule]}, condition, f"{rule}: {place}, {settings}")
    axes[0].set_ylabel("$w_2$")
    heights = {name: np.clip(height(path), 1e-12, 1e12) for name, path in paths.items()}
    for name, colour, line in zip(names, (plot.RED, plot.BLACK), ("-", "--"), strict=False):
        label = name if name == rule else "plain descent, same η"
        width = 1.8 if name == rule else 1.2
        axes[1].semilogy(heights[name], color=colour, linestyle=line, linewidth=width, label=label)
    axes[1].set(xlabel="step", ylabel="height above the minimum", ylim=(1e-9, 1e5), xlim=(0, STEPS))
    axes[1].set(xticks=range(0, STEPS + 1, 40), yticks=[1e-8, 1e-4, 1.0, 1e4])
    axes[1].minorticks_off()
    axes[1].legend(fontsize=9, loc="upper right")
    words = verdict(heights[rule])
    axes[1].set_title(words, fontsize=11)
    return axes[0].figure, (
        f"Left, {STEPS} steps of {rule} on the surface {place} with {settings}; stars mark the minima. Right, the "
        f"height above the minimum: {heights[rule][0]:.3g} at the start; at the end {heights[rule][-1]:.2g} for "
        f"{rule}, {heights['plain'][-1]:.2g} for plain descent with the same rate. {words}."
    )


def verdict(heights):
    """A walk in a few words, from its heights (T,)."""
    if not np.isfinite(heights).all() or heights[-1] > 10 * heights[0]:
        return "Diverges"
    if heights[-1] < 1e-4 * heights[0]:
        return "Arrives"
    late = heights[-40:]
    if late.max() > 3 * late.min() and np.sum(np.diff(late) > 0) > 12:
        return "Swings about the minimum"
    return "On its way" if heights[-1] < 0.1 * heights[0] else "Hardly moves"


def _pair():
    """Two axes with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.4), layout="none", width_ratios=(1.35, 1))
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.16, top=0.9, wspace=0.25)
    return axes
