"""Pictures and explorers of lesson 1.4: activations with their slopes, and a softmax under temperature."""

import math

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

Z = np.linspace(-6, 6, 600)  # an even number: 0, where some functions have a kink or a jump, is not among them
THRESHOLD = 0.05  # a unit is called saturated where its slope is below this
_erf = np.vectorize(math.erf, otypes=[float])


def _sigmoid(z):
    return 1 / (1 + np.exp(-np.asarray(z, float)))


def _cdf(z):
    return (1 + _erf(z / np.sqrt(2))) / 2


def _silu_slope(z):
    p = _sigmoid(z)
    return p * (1 + z * (1 - p))


# name: (value, slope), functions of z and alpha; only leaky ReLU and ELU look at alpha
FUNCTIONS = {
    "step": (lambda z, alpha: (z > 0) * 1.0, lambda z, alpha: 0.0 * z),
    "sigmoid": (lambda z, alpha: _sigmoid(z), lambda z, alpha: _sigmoid(z) * (1 - _sigmoid(z))),
    "tanh": (lambda z, alpha: np.tanh(z), lambda z, alpha: 1 - np.tanh(z) ** 2),
    "ReLU": (lambda z, alpha: np.maximum(z, 0.0), lambda z, alpha: (z > 0) * 1.0),
    "leaky ReLU": (lambda z, alpha: np.where(z > 0, z, alpha * z), lambda z, alpha: np.where(z > 0, 1.0, alpha)),
    "ELU": (
        lambda z, alpha: np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0))),
        lambda z, alpha: np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0))),
    ),
    "GELU": (
        lambda z, alpha: z * _cdf(z),
        lambda z, alpha: _cdf(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "SiLU": (lambda z, alpha: z * _sigmoid(z), lambda z, alpha: _silu_slope(z)),
}
ALPHA = {"leaky ReLU": 0.01, "ELU": 1.0}  # PyTorch's defaults


def _shade(ax, z, flat):
    """Grey bands where `flat` is true: z (N,), flat (N,) of bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(int), [0]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        ax.axvspan(z[start], z[end - 1], color="0.86", linewidth=0, zorder=0)


def draw_gallery(threshold=THRESHOLD, axes=None):
    """All activations with their slopes, flat parts shaded -> (Figure, sentence)."""
    if axes is None:
        axes = plt.subplots(2, 4, figsize=(9.4, 4.6), sharex=True, sharey=True)[1]
    z, shares = Z[np.abs(Z) <= 4], []
    for ax, (name, (value, slope)) in zip(np.ravel(axes), FUNCTIONS.items(), strict=True):
        alpha = ALPHA.get(name, 0.0)
        values, slopes = value(z, alpha), slope(z, alpha)
        flat = np.abs(slopes) < threshold
        _shade(ax, z, flat)
        _curve(ax, z, values, color=plot.BLUE, linestyle="-", label="value")
        _curve(ax, z, slopes, color=plot.ORANGE, linestyle="--", label="slope")
        ax.set(title=name, ylim=(-1.25, 2.2), xticks=(-4, -2, 0, 2, 4))
        shares.append(f"{name} {flat.mean():.0%}")
    for ax in np.atleast_2d(axes)[-1]:
        ax.set_xlabel("z")
    np.ravel(axes)[0].legend(fontsize=9, loc="upper left")
    figure = np.ravel(axes)[0].figure
    figure.suptitle(f"Grey: the slope is nearer to 0 than {threshold:g}", x=0.01, ha="left", fontsize=12)
    return figure, (
        f"Eight activations and their slopes from z = -4 to 4. Share of the range where the slope is below "
        f"{threshold:g}: {', '.join(shares)}."
    )


def _curve(ax, z, values, **style):
    """A line that is interrupted where the values jump, at z = 0."""
    jump = np.abs(np.diff(values)).max() > 0.3
    label = style.pop("label", None)
    parts = (z < 0, z > 0) if jump else (z == z,)
    for part in parts:
        ax.plot(z[part], values[part], label=label, **style)
        label = None


def draw_activation(name="sigmoid", z=2.0, alpha=0.1, threshold=THRESHOLD, axes=None):
    """One activation and its slope with the point z; parts with a slope below the threshold shaded.

    name: a key of FUNCTIONS; alpha: slope of leaky ReLU or α of ELU, the others ignore it -> (Figure, sentence).
    """
    if axes is None:
        figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.1), layout="none")
        figure.subplots_adjust(left=0.07, right=0.98, bottom=0.17, top=0.88, wspace=0.2)
    value, slope = FUNCTIONS[name]
    flat = np.abs(slope(Z, alpha)) < threshold
    at = np.array([float(z)])
    (a,), (s,) = value(at, alpha), slope(at, alpha)
    state = "saturated" if abs(s) < threshold else "not saturated"
    known_as = f"{name}, α = {alpha:g}" if name in ALPHA else name
    for ax, function, height, look in ((axes[0], value, a, ("-", plot.BLUE)), (axes[1], slope, s, ("--", plot.ORANGE))):
        _shade(ax, Z, flat)
        _curve(ax, Z, function(Z, alpha), linestyle=look[0], color=look[1])
        ax.plot(at, [height], "o", color="black", markersize=8)
        ax.set(xlabel="z", xlim=(-6, 6))
    axes[0].plot(at + [-1.2, 1.2], a + s * np.array([-1.2, 1.2]), ":", color="black", linewidth=1.6)
    axes[0].set(ylim=(-2.2, 6.2) if name not in ("step", "sigmoid", "tanh") else (-1.3, 1.5))
    axes[1].set(ylim=(-0.2, 1.25))
    axes[0].set_title(f"{known_as}: value {a:.3f}", fontsize=12)
    axes[1].set_title(f"slope {s:.3f}: {state}", fontsize=12)
    return axes[0].figure, (
        f"{known_as} at z = {z:g} has value {a:.3f} and slope {s:.3f}: {state}. "
        f"The slope is below {threshold:g} on {flat.mean():.0%} of the range from -6 to 6."
    )


def draw_softmax(logits=(2.0, 1.0, -1.0), temperature=1.0, shift=0.0, ax=None):
    """Softmax as bars: logits (K,) plus `shift`, divided by the temperature -> (Figure, sentence)."""
    if ax is None:
        figure, ax = plt.subplots(figsize=(4.6, 3.1), layout="none")
        figure.subplots_adjust(left=0.15, right=0.97, bottom=0.17, top=0.88)
    z = np.array(logits, float) + shift
    shifted = (z - z.max()) / temperature
    p = np.exp(shifted) / np.exp(shifted).sum()  # (K,)
    bars = ax.bar(range(len(p)), p, color=plot.SKY, edgecolor="black", hatch="//")
    ax.bar_label(bars, [f"{value:.2f}" for value in p], fontsize=11, padding=2)
    ax.set(ylim=(0, 1.15), xticks=range(len(p)), ylabel="probability", xlabel="logit", yticks=(0, 0.5, 1))
    ax.set_xticklabels([f"{value:g}" for value in z])
    ax.set_title(f"temperature {temperature:g}", fontsize=12)
    return ax.figure, (
        f"A softmax at temperature {temperature:g} turns the logits {', '.join(f'{v:g}' for v in z)} into the "
        f"probabilities {', '.join(f'{v:.2f}' for v in p)}."
    )
