"""Pictures and the explorer of lesson 2.11: learning curves, and a GRU while it listens to an utterance."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def listen(x, w_in, w_state, b_in, b_state, w_out, b_out):
    """One sequence through a GRU and a dense layer, weights as PyTorch stores them -> dict of what happens inside.

    x: (T, D); w_in (3 n, D), w_state (3 n, n), biases (3 n), gates r, z, n; w_out (K, n), b_out (K).
    The dict holds x (T, D), r, z, h (T, n) and probs (T, K), the answer if the sequence ended there.
    """
    h, rows = np.zeros(w_state.shape[1]), {"r": [], "z": [], "h": []}
    for x_t in np.asarray(x, float):
        r, z, n = np.split(w_in @ x_t + b_in, 3)
        r_h, z_h, n_h = np.split(w_state @ h + b_state, 3)
        r, z = _sigmoid(r + r_h), _sigmoid(z + z_h)
        h = (1 - z) * np.tanh(n + r * n_h) + z * h
        for name, value in (("r", r), ("z", z), ("h", h)):
            rows[name].append(value)
    rows = {name: np.array(values) for name, values in rows.items()}
    logits = rows["h"] @ np.asarray(w_out).T + b_out
    e = np.exp(logits - logits.max(1, keepdims=True))
    return {"x": np.asarray(x), **rows, "probs": e / e.sum(1, keepdims=True)}


def _apart(places, gap):
    """Heights for labels, pushed apart to at least `gap`: list of numbers, in the order of `places`."""
    order, out = np.argsort(places), list(places)
    for below, above in zip(order, order[1:], strict=False):
        out[above] = max(out[above], out[below] + gap)
    return out


def draw_listening(heard, utterance, unit=0):
    """Update gates of all units, the gates of one, and the answers over time -> (Figure, sentence).

    heard: {name: what `listen` gives}; utterance: one of the names; unit: index of a unit of the GRU.
    """
    inside = heard[utterance]
    n_frames = len(inside["x"])
    figure, axes = plt.subplots(1, 3, figsize=(9, 2.9), layout="none")
    figure.subplots_adjust(left=0.05, right=0.91, bottom=0.15, top=0.9, wspace=0.5)
    axes[0].imshow(inside["z"].T, cmap="gray_r", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    axes[0].axhspan(unit - 0.5, unit + 0.5, fill=False, edgecolor=plot.COLOURS[1], linewidth=1.4)
    axes[0].set_title("update gates z, dark: keep", fontsize=10)
    axes[0].set(yticks=[0, inside["z"].shape[1] - 1])
    axes[0].grid(False)
    top = np.argsort(inside["probs"][-1])[::-1][:3]
    lines = (
        {"reset r": inside["r"][:, unit], "update z": inside["z"][:, unit], "state h": inside["h"][:, unit]},
        {f"speaker {k + 1}": inside["probs"][:, k] for k in top},
    )
    for ax, curves, low in zip(axes[1:], lines, (-1, 0), strict=True):
        ends = _apart([values[-1] for values in curves.values()], 0.085 * (1 - low))
        for i, (name, values) in enumerate(curves.items()):
            ax.plot(values, color=plot.COLOURS[i], linestyle=plot.LINES[i])
            ax.text(n_frames - 0.7, ends[i], name, color=plot.COLOURS[i], fontsize=9, va="center")
        ax.set(xlim=(0, n_frames - 1), ylim=(1.06 * low - 0.02, 1.06), yticks=[low, 0, 1])
    axes[1].set_title(f"unit {unit}", fontsize=10)
    axes[2].set_title("the answer if it ended here", fontsize=10)
    for ax in axes:
        ax.set_xticks([0, n_frames - 1], ["frame 0", str(n_frames - 1)])
        ax.tick_params(labelsize=9)
    z, h = inside["z"][:, unit], inside["h"][:, unit]
    return figure, (
        f"The GRU listens to {utterance}, {n_frames} frames. Update gate of unit {unit}: mean {z.mean():.2f}, from "
        f"{z.min():.2f} to {z.max():.2f}; its state ends at {h[-1]:.2f}. Last answer: speaker {top[0] + 1} with "
        f"probability {inside['probs'][-1, top[0]]:.2f}."
    )


def draw_curves(ax, curves, window=10):
    """Losses against steps, each point the mean of `window` steps -> Axes. curves: {label: (steps,)}."""
    for i, (label, losses) in enumerate(curves.items()):
        smooth = np.convolve(losses, np.ones(window) / window, "valid")
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.plot(smooth, **style, markevery=25, markersize=5, linewidth=1.5, label=label)
    ax.set(xlabel="step", ylabel=f"loss (mean of {window} steps)", ylim=(0, None))
    ax.legend(fontsize=9)
    return ax


def draw_memory(curves):
    """The curves of the test of memory with the loss of a guess among four -> Figure."""
    figure, ax = plt.subplots(figsize=(7.2, 3.4))
    draw_curves(ax, curves)
    ax.axhline(np.log(4), color="black", linewidth=0.8)
    ax.text(192, np.log(4) + 0.03, "a guess: ln 4", fontsize=9, ha="right")
    ax.set_title("First the start decides, then the cell")
    ax.set_ylim(0, 1.65)
    ax.legend(fontsize=9, loc="lower left")
    return figure


def draw_utterances(x, lengths, titles):
    """Padded sequences as heat maps side by side, a line at the end of each -> Figure. x (N, T, D), lengths (N,)."""
    figure, axes = plt.subplots(1, len(x), figsize=(4.1 * len(x), 2.8), sharey=True, squeeze=False)
    for ax, one, n, title in zip(axes[0], x, lengths, titles, strict=True):
        mesh = ax.imshow(one.T, cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto", interpolation="nearest")
        ax.axvline(n - 0.5, color="black")
        ax.set_title(title, fontsize=11)
        ax.set_xlabel("frame")
        ax.grid(False)
    axes[0, 0].set_ylabel("coefficient")
    figure.colorbar(mesh, ax=axes, label="standardised")
    return figure


def draw_forecast(errors, paths, truth):
    """Bars of errors {rule: number}; and paths {rule: (frames, values)} against the truth (T,) -> Figure."""
    figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.2), width_ratios=(1, 2))
    axes[0].barh(list(errors), list(errors.values()), color=plot.COLOURS[: len(errors)])
    axes[0].set(xlabel="mean squared error", title="The GRU beats both rules")
    axes[0].invert_yaxis()
    axes[1].plot(np.arange(len(truth)), truth, color="black", label="truth")
    for i, (name, (frames, values)) in enumerate(paths.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i + 1], "marker": plot.MARKERS[i]}
        axes[1].plot(frames, values, **style, markersize=4, linewidth=1.3, label=name)
    axes[1].set(xlabel="frame", title="One coefficient, three frames ahead")
    axes[1].legend(fontsize=8)
    return figure
