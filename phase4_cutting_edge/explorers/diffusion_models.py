"""Pictures of lesson 4.3: noise becoming data, the score field, and quality against the number of steps."""

import numpy as np


def guesses(x, noise, alpha_bar_t, clip=1.0):
    """The data that noisy x and its predicted noise (B, ...) amount to: (x − √(1 − ᾱ) noise) / √ᾱ, within ±clip."""
    return np.clip((x - np.sqrt(1 - alpha_bar_t) * noise) / np.sqrt(alpha_bar_t), -clip, clip)


def draw_timeline(stages, guessed, times, alpha_bar, step=0):
    """One moment of the way back from noise -> (Figure, sentence).

    stages: (S + 1, B, H, W, 1) pictures in -1..1 at times (S + 1,), the first pure noise; guessed: (S, B, H, W, 1),
    what the network took for the finished picture at each step. Raises ValueError for a step outside 0..S.
    """
    import matplotlib.pyplot as plt

    last = len(stages) - 1
    if not 0 <= step <= last:
        raise ValueError(f"step is a whole number from 0 to {last}, got {step}")
    guess = guessed[min(step, last - 1)] if step < last else stages[-1]
    change = np.sqrt(np.mean((guess - stages[-1]) ** 2))
    fig, axes = plt.subplots(2, 1, figsize=(8.6, 2.9))
    for ax, row, label in zip(axes, (stages[step], guess), ("now", "guess"), strict=True):
        ax.imshow(_strip(row), cmap="gray_r", vmin=-1, vmax=1, interpolation="nearest")
        ax.set(xticks=(), yticks=(), ylabel=label)
        ax.grid(False)
    share = alpha_bar[times[step]]
    fig.suptitle(f"Step {step} of {last}, time {times[step]}: ᾱ = {share:.1%}", x=0.01, ha="left")
    return fig, (
        f"After {step} of {last} steps, at time {times[step]}, ᾱ is {share:.1%}; "
        f"the network's guess is {change:.2f} (root mean square) away from where it ends."
    )


def draw_forward(images, alpha_bar, times):
    """The same pictures at growing times -> Figure. images: (len(times), B, H, W, 1), noisy already."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(1, len(times), figsize=(1.2 * len(times), 1.15 * images.shape[1] + 0.5))
    for ax, column, t in zip(axes, images, times, strict=True):
        ax.imshow(_strip(column, vertical=True), cmap="gray_r", vmin=-1.5, vmax=1.5, interpolation="nearest")
        ax.set(xticks=(), yticks=())
        ax.set_title(f"t = {t}\nᾱ = {alpha_bar[t]:.0%}", fontsize=9, loc="center")
        ax.grid(False)
    fig.suptitle("The forward process drowns a picture in noise", x=0.01, ha="left", fontsize=12)
    return fig


def draw_field(ax, grid, field, x, title):
    """Arrows field (n, 2) at grid (n, 2) over data x (N, 2) -> Axes; only the directions count."""
    from utils import plot

    length = np.linalg.norm(field, axis=1, keepdims=True)
    ax.scatter(*x.T, s=3, color=plot.ORANGE)
    ax.quiver(*grid.T, *(field / length).T, color=plot.BLUE, angles="xy", width=0.005, scale=22)
    ax.set(title=title, xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal", xticks=(), yticks=())
    ax.grid(False)
    return ax


def draw_steps(ax, n_steps, intervals, floor=None):
    """Fréchet distance against the number of steps -> Axes. intervals: {name: [(distance, low, high), …]}."""
    from utils import plot

    for i, (name, rows) in enumerate(intervals.items()):
        middle, low, high = np.array(rows).T
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.errorbar(n_steps, middle, [middle - low, high - middle], capsize=4, label=name, **style)
    if floor is not None:
        ax.axhline(floor, color="black", linewidth=1, linestyle=":", label="real pictures")
    ax.set(xscale="log", yscale="log", xlabel="evaluations of the network", ylabel="Fréchet distance")
    ax.set_xticks(n_steps, [str(n) for n in n_steps])
    ax.minorticks_off()
    ax.legend(fontsize=9)
    return ax


def _strip(images, vertical=False):
    """Images (B, H, W, 1) side by side, or on top of each other, as one."""
    return np.concatenate(list(images[..., 0]), axis=0 if vertical else 1)
