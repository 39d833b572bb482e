"""Pictures and explorers of lesson 2.4: the size of the signal and of the gradient in every layer of a deep network."""

import functools

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

WIDTH = 128
DEEPEST = 50


def _sigmoid(z):
    return 1 / (1 + np.exp(-np.clip(z, -60, 60)))


ACTIVATIONS = {  # name: (function, its slope)
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (_sigmoid, lambda z: _sigmoid(z) * (1 - _sigmoid(z))),
    "none": (lambda z: z, np.ones_like),
}


@functools.lru_cache(maxsize=4)
def _draws(n_inputs, batch):
    """Standard normal first matrix (D, 128), the others (49, 128, 128), and a gradient for the top (B, 128)."""
    rng = np.random.default_rng(0)
    shapes = (n_inputs, WIDTH), (DEEPEST - 1, WIDTH, WIDTH), (batch, WIDTH)
    return [rng.standard_normal(shape) for shape in shapes]


def flow(x, scale=1.0, n_layers=30, activation="ReLU"):
    """Sizes (roots of the mean square) of the sums and of their gradients -> two arrays (n_layers,).

    x (B, D). Weights have the standard deviation scale / sqrt(fan-in); a gradient of size 1 arrives at the last
    activation. n_layers is at most 50; activation: a key of ACTIVATIONS.
    """
    f, slope = ACTIVATIONS[activation]
    first, others, gradient = _draws(x.shape[1], len(x))
    a, sums = np.asarray(x, float), []
    for layer in range(n_layers):
        w = first if layer == 0 else others[layer - 1]
        sums.append(a @ w * (scale / len(w) ** 0.5))  # (B, 128)
        a = f(sums[-1])
    gradients = []
    for layer in range(n_layers - 1, -1, -1):
        gradient = gradient * slope(sums[layer])  # (B, 128): through the activation
        gradients.append(gradient)
        gradient = gradient @ others[layer - 1].T * (scale / WIDTH**0.5)  # unused after the first layer
    return tuple(np.array([np.sqrt((z**2).mean()) for z in arrays]) for arrays in (sums, gradients[::-1]))


def factor(sizes):
    """Growth per layer over the deeper half of the layers; NaN if a size has become 0."""
    half = len(sizes) // 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((sizes[-1] / sizes[half]) ** (1 / max(1, len(sizes) - 1 - half)))


def draw_flow(x, scale=1.0, n_layers=30, activation="ReLU", axes=None):
    """Size of the sums and of the gradients, layer by layer -> (Figure, sentence). Arguments as for `flow`."""
    axes = _pair() if axes is None else axes
    forward, backward = flow(x, scale, n_layers, activation)
    layers = np.arange(1, n_layers + 1)
    verdicts = []
    for ax, sizes, colour, marker, name in (
        (axes[0], forward, plot.BLUE, "o", "Signal"),
        (axes[1], backward[::-1], plot.RED, "s", "Gradient"),
    ):
        growth = factor(sizes)
        verdicts.append((name, growth, _verdict(growth, sizes)))
        shown = sizes if name == "Signal" else sizes[::-1]
        ax.semilogy(layers, np.clip(shown, 1e-30, 1e30), color=colour, linestyle="-", marker=marker, markersize=4)
        ax.axhline(1, color=plot.BLACK, linestyle=":", linewidth=1)
        _decades(ax, shown)
        ax.set(xlabel="layer", xlim=(0, n_layers + 1))
        ax.set_title(f"{name} {verdicts[-1][2]}: × {growth:.2f} per layer", fontsize=11)
    axes[0].set_ylabel("size of the sums, forwards →")
    axes[1].set_ylabel("size of the gradient, ← backwards")
    (_, forwards, first), (_, backwards, second) = verdicts
    return axes[0].figure, (
        f"{n_layers} layers with activation {activation}, weights of standard deviation {scale:g}/√128. Left, the "
        f"signal {first}: size {forward[0]:.2g} in layer 1, {forward[-1]:.2g} in layer {n_layers}, in the deeper half "
        f"a factor {forwards:.3f} per layer. Right, the gradient {second} on its way back: {backward[-1]:.2g} in layer "
        f"{n_layers}, {backward[0]:.2g} in layer 1, a factor {backwards:.3f} per layer."
    )


def _decades(ax, sizes):
    """Limits around the sizes and at most seven ticks, plain ones: small ones and powers would double a redraw."""
    low = np.floor(np.log10(np.clip(sizes.min(), 1e-30, 0.01)))
    high = np.ceil(np.log10(np.clip(sizes.max(), 100, 1e30)))
    step = int(np.ceil((high - low) / 6))
    exponents = np.arange(-step * (-low // step), high + 1, step)  # 10^0 is always among them
    ax.set_yticks(10.0**exponents, [f"1e{e:.0f}" for e in exponents])
    ax.minorticks_off()
    ax.set_ylim(10.0 ** (low - 0.3), 10.0 ** (high + 0.3))


def _verdict(growth, sizes):
    if not np.isfinite(growth) or sizes[-1] == 0:
        return "is gone"
    if growth > 1.05:
        return "explodes"
    return "vanishes" if growth < 0.95 else "keeps its size"


def _pair():
    """Two axes with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.3), layout="none")
    figure.subplots_adjust(left=0.09, right=0.985, bottom=0.16, top=0.9, wspace=0.27)
    return axes


def draw_layers(flows, formulas):
    """Sizes in every layer: lines PyTorch, markers Keras, dots formula -> Figure with 2 × 2 panels.

    flows: {(activation, start): {"PyTorch": (sums (L,), gradients (L,)), "Keras": alike}}; formulas: {the same key:
    (sums, gradients)}. Keys without a formula are left out.
    """
    fig, axes = plt.subplots(2, 2, figsize=(9, 6.2), sharex=True)
    activations = list(dict.fromkeys(activation for activation, _ in formulas))
    starts = list(dict.fromkeys(start for _, start in formulas))
    for (activation, start), formula in formulas.items():
        i, column = starts.index(start), activations.index(activation)
        found, layers = flows[activation, start], np.arange(1, len(formula[0]) + 1)
        for row, ax in enumerate(axes[:, column]):
            colour, marker = plot.COLOURS[i], plot.MARKERS[i]
            ax.semilogy(layers, found["PyTorch"][row], color=colour, linestyle="-", linewidth=1.6)
            ax.semilogy(
                layers[::3], found["Keras"][row][::3], color=colour, linestyle="none", marker=marker, label=start
            )
            ax.semilogy(layers, formula[row], color=plot.BLACK, linestyle=":", linewidth=1)
            ax.set_title(f"{activation}: the {('sums z', 'gradients by z')[row]}")
    axes[0, 0].set_ylabel("size, forwards →")
    axes[1, 0].set_ylabel("size, ← backwards")
    for ax in axes[1]:
        ax.set_xlabel("layer")
    axes[0, 0].legend(fontsize=9, title="weights", loc="lower left")
    fig.suptitle(
        "Only the right weights keep signal and gradient alive through 30 layers", x=0.01, ha="left", fontsize=13
    )
    return fig


def draw_losses(ax, runs, window=10):
    """Losses of several runs in both frameworks, means over `window` steps -> Axes. runs: {name: {library: (S,)}}."""
    for (name, libraries), marker in zip(runs.items(), "osx", strict=False):
        for library, losses in libraries.items():
            colour, line, _ = plot.FRAMEWORKS[library]
            means = np.reshape(losses, (-1, window)).mean(1)
            look = {"color": colour, "linestyle": line, "marker": marker, "markersize": 5, "linewidth": 1.5}
            ax.plot(np.arange(len(means)) * window + window / 2, means, **look, label=f"{library}, {name}")
    ax.set(xlabel="step", ylabel="loss")
    ax.legend(fontsize=9)
    return ax


def draw_recurrent(lengths, runs):
    """A gradient through the same matrix again and again, and losses of a recurrent network -> Figure.

    lengths: {name: (T,)}; runs as for `draw_losses`, but "plain" is only marked where its loss stops being a number.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
    for (name, path), colour, line in zip(lengths.items(), plot.COLOURS, plot.LINES, strict=False):
        left.semilogy(path, color=colour, linestyle=line, label=name)
    left.set(title="One matrix, 100 times", xlabel="steps back in time", ylabel="size of the gradient")
    left.legend(fontsize=9)
    draw_losses(right, {name: run for name, run in runs.items() if name != "plain"})
    gone = max(int(np.argmin(np.isfinite(losses))) for losses in runs["plain"].values())
    right.axvline(gone, color=plot.BLACK, linestyle=":", label=f"plain: NaN at step {gone}")
    right.set(title="Clipped, the exploding network learns", yscale="log", xlim=(-4, 101))
    right.set_yticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
    right.minorticks_off()
    right.legend(fontsize=9)
    return fig


def draw_diagnosis(signs):
    """Size and median of the gradients, layer by layer -> Figure. signs: {name: (PyTorch, Keras, medians (L,))}."""
    fig, axes = plt.subplots(1, len(signs), figsize=(9.4, 3.1), sharey=True)
    for ax, (name, (ours, theirs, medians)) in zip(axes, signs.items(), strict=True):
        layers = np.arange(1, len(ours) + 1)
        ax.semilogy(layers, ours, color=plot.RED, linestyle="-", label="size, PyTorch")
        ax.semilogy(layers, theirs, color=plot.BLUE, linestyle="none", marker="s", label="size, Keras")
        ax.semilogy(layers, np.maximum(medians, 1e-12), color=plot.BLACK, linestyle=":", label="median")
        ax.set(title=name, xlabel="layer", ylim=(3e-13, 1), xticks=layers)
    axes[0].set_ylabel("gradient by z")
    axes[0].legend(fontsize=9, loc="lower left")
    title = "Level: healthy. Large, but with a tiny median: saturated. A straight fall: vanished"
    fig.suptitle(title, x=0.01, ha="left", fontsize=12)
    return fig


def draw_patients(cases):
    """Loss above, first gradients below -> Figure. cases: {name: {"steps", "loss", "gradients"}}."""
    fig, axes = plt.subplots(2, len(cases), figsize=(11, 4.6))
    for (name, case), (top, bottom), colour in zip(cases.items(), axes.T, plot.COLOURS, strict=False):
        top.plot(
            case["steps"],
            case["loss"],
            color=colour,
            linestyle="-",
            marker=".",
            markersize=4 if len(case["loss"]) > 1 and np.isfinite(case["loss"][1]) else 12,
        )
        top.axhline(np.log(10), color="grey", linestyle=":", linewidth=1)
        top.set(title=f"{name}: loss", xlabel="step", xlim=(-8, case["steps"][-1] + 8), ylim=(2, 3.3))
        if case["loss"][0] > 10:
            top.set(yscale="log", ylim=(1, 1e5))
        layers = np.arange(1, len(case["gradients"]) + 1)
        sizes = np.maximum(case["gradients"], 1e-20)
        bottom.semilogy(layers, sizes, color=colour, linestyle="-", marker="o", markersize=4)
        bottom.set(title=f"{name}: first gradients", xlabel="layer", ylim=(1e-21, 1e6), yticks=(1e-20, 1e-10, 1))
        bottom.minorticks_off()
        bottom.set_yticklabels(["0", "1e-10", "1"])
    axes[0, 0].set_ylabel("loss")
    axes[1, 0].set_ylabel("size")
    fig.suptitle("One fault each: which?", x=0.01, ha="left", fontsize=12)
    return fig
