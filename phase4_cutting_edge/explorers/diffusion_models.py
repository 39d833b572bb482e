"""Pictures of lesson 4.3: noise becoming data, samples in rows, the score field, quality by number of steps."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot


def guesses(x, noise, alpha_bar_t, clip=1.0):
    """The data that noisy x and its predicted noise (B, ...) amount to: (x − √(1 − ᾱ) noise) / √ᾱ, within ±clip."""
    return np.clip((x - np.sqrt(1 - alpha_bar_t) * noise) / np.sqrt(alpha_bar_t), -clip, clip)


def draw_timeline(stages, guessed, times, alpha_bar, step=0):
    """One moment of the way back from noise -> (Figure, sentence).

    stages: (S + 1, B, H, W, 1) pictures in -1..1 at times (S + 1,), the first pure noise; guessed: (S, B, H, W, 1),
    what the network took for the finished picture at each step. Raises ValueError for a step outside 0..S.
    """
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
    """The same pictures at growing times -> (Figure, alt text). images: (len(times), B, H, W, 1), noisy already."""
    fig, axes = plt.subplots(1, len(times), figsize=(1.2 * len(times), 1.15 * images.shape[1] + 0.5))
    for ax, column, t in zip(axes, images, times, strict=True):
        ax.imshow(_strip(column, vertical=True), cmap="gray_r", vmin=-1.5, vmax=1.5, interpolation="nearest")
        ax.set(xticks=(), yticks=())
        ax.set_title(f"t = {t}\nᾱ = {alpha_bar[t]:.0%}", fontsize=9, loc="center")
        ax.grid(False)
    fig.suptitle("The forward process drowns a picture in noise", x=0.01, ha="left", fontsize=12)
    listed = ", ".join(f"{alpha_bar[t]:.0%} at t = {t}" for t in times)
    return (
        fig,
        f"The same pictures at growing times, from clear to pure noise. Share of the variance that is data: {listed}.",
    )


def draw_schedules(schedules):
    """Share of variance that is data against time -> (Figure, alt text). schedules: {name: alpha_bar (T + 1,)}."""
    fig, ax = plt.subplots(figsize=(6.4, 3))
    half = {name: int((values > 0.5).sum()) for name, values in schedules.items()}
    for i, (name, values) in enumerate(schedules.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i]}
        ax.plot(values, **style, label=f"{name}: half is noise at t = {half[name]}")
    ax.set(xlabel="time t", ylabel="share of variance that is data", title="The cosine keeps the picture longer")
    ax.legend(fontsize=9)
    listed = ", ".join(f"{name} at t = {t}" for name, t in half.items())
    return fig, f"Falling curves of the data's share of the variance over time; half is reached by {listed}."


def draw_walk(walk_torch, walk_keras, data):
    """Points on their way back, three moments of PyTorch and the end of both -> (Figure, alt text).

    walks: (S + 1, N, 2) from noise to data; data (M, 2).
    """
    last = len(walk_torch) - 1
    moments = (0, last * 3 // 5, last * 17 // 20)
    panels = [(walk_torch[i], f"step {i}") for i in moments]
    panels += [(walk_torch[-1], f"step {last}, PyTorch"), (walk_keras[-1], f"step {last}, Keras")]
    return _clouds(panels, data, "From noise back to two moons (blue: samples, orange: data)")


def draw_clouds(clouds, data):
    """Samples over the data, one panel each -> (Figure, alt text). clouds: {name: (N, 2)}; data (M, 2)."""
    return _clouds(
        [(points, name) for name, points in clouds.items()],
        data,
        "Samples of too large data stick to the clip",
    )


def _clouds(panels, data, title):
    fig, axes = plt.subplots(1, len(panels), figsize=(2.1 * len(panels), 2.5), sharey=True, squeeze=False)
    for ax, (points, name) in zip(axes[0], panels, strict=True):
        ax.scatter(*data.T, s=2, color=plot.ORANGE)
        ax.scatter(*points.T, s=4, color=plot.BLUE)
        ax.set(xlim=(-3, 3), ylim=(-3, 3), aspect="equal", xticks=(), yticks=())
        ax.set_title(name, fontsize=10)
    fig.suptitle(title, x=0.01, ha="left", fontsize=12)
    away = [np.sqrt(((points[:, None] - data) ** 2).sum(-1)).min(1).mean() for points, _ in panels]
    listed = ", ".join(f"{name} {value:.2f}" for (_, name), value in zip(panels, away, strict=True))
    return fig, f"Scatter plots of points over the data. Mean distance to the nearest data point: {listed}."


def draw_losses(losses_torch, losses_keras, yardstick):
    """Both losses against the step, means of 20, and a line for the best affine answer -> (Figure, alt text)."""
    fig, ax = plt.subplots(figsize=(6.4, 3.2))
    for name, losses in (("PyTorch", losses_torch), ("Keras", losses_keras)):
        colour, line, _ = plot.FRAMEWORKS[name]
        ax.plot(np.convolve(losses, np.ones(20) / 20, "valid"), color=colour, linestyle=line, label=name)
    ax.axhline(yardstick, color="black", linewidth=1, linestyle=":", label="best affine answer")
    ax.set(
        xlabel="step", ylabel="loss (mean of 20)", yscale="log", title="Both U-Nets learn far more than a linear answer"
    )
    ax.legend(fontsize=9)
    ends = losses_torch[-50:].mean(), losses_keras[-50:].mean()
    return fig, (
        f"Two nearly equal loss curves fall to {ends[0]:.2f} (PyTorch) and {ends[1]:.2f} (Keras), below that of the "
        f"best affine answer at {yardstick:.2f}."
    )


def draw_rows(rows, message):
    """Rows of pictures, one for each name -> (Figure, alt text). rows: {name: (B, H, W, 1)} in -1..1."""
    fig, axes = plt.subplots(len(rows), 1, figsize=(8.6, 0.75 * len(rows) + 0.5), squeeze=False)
    for ax, (name, images) in zip(axes[:, 0], rows.items(), strict=True):
        ax.imshow(_strip(images), cmap="gray_r", vmin=-1, vmax=1, interpolation="nearest")
        ax.set(xticks=(), yticks=())
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.grid(False)
    fig.suptitle(message, x=0.01, ha="left", fontsize=12)
    contrast = ", ".join(f"{name} {np.abs(np.diff(images, axis=2)).mean():.2f}" for name, images in rows.items())
    return fig, f"{message}. Rows of pictures with the mean difference of neighbouring pixels: {contrast}."


def draw_fields(fields, grid, data):
    """Arrows over the data, one panel for each field -> (Figure, alt text). fields: {name: (n, 2)} at grid (n, 2)."""
    fig, axes = plt.subplots(1, len(fields), figsize=(3.2 * len(fields), 3.4), squeeze=False)
    for ax, (name, field) in zip(axes[0], fields.items(), strict=True):
        draw_field(ax, grid, field, data, name)
    fig.suptitle("At t = 25 the arrows lead back to the data", x=0.01, ha="left", fontsize=12)
    return fig, f"Fields of arrows over the data, for {', '.join(fields)}: they lead back to the data."


def draw_field(ax, grid, field, x, title):
    """Arrows field (n, 2) at grid (n, 2) over data x (N, 2) -> Axes; only the directions count."""
    length = np.linalg.norm(field, axis=1, keepdims=True)
    ax.scatter(*x.T, s=3, color=plot.ORANGE)
    ax.quiver(*grid.T, *(field / length).T, color=plot.BLUE, angles="xy", width=0.005, scale=22)
    ax.set(title=title, xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), aspect="equal", xticks=(), yticks=())
    ax.grid(False)
    return ax


def draw_steps(n_steps, intervals, floor):
    """Fréchet distance against steps -> (Figure, alt text). intervals: {name: [(distance, low, high), …]}."""
    fig, ax = plt.subplots(figsize=(6.4, 3.4))
    for i, (name, rows) in enumerate(intervals.items()):
        middle, low, high = np.array(rows).T
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.errorbar(n_steps, middle, [middle - low, high - middle], capsize=4, label=name, **style)
    ax.axhline(floor, color="black", linewidth=1, linestyle=":", label="real pictures")
    ax.set(xscale="log", yscale="log", xlabel="evaluations of the network", ylabel="Fréchet distance")
    ax.set_title("With very few steps DDIM is better; more steps help both")
    ax.set_xticks(n_steps, [str(n) for n in n_steps])
    ax.minorticks_off()
    ax.legend(fontsize=9)
    ends = "; ".join(f"{name} {rows[0][0]:.1f} to {rows[-1][0]:.1f}" for name, rows in intervals.items())
    return fig, f"Fréchet distance against {n_steps[0]} to {n_steps[-1]} steps: {ends}; real pictures {floor:.1f}."


def _strip(images, vertical=False):
    """Images (B, H, W, 1) side by side, or on top of each other, as one, with a white gap between."""
    axis = 0 if vertical else 1
    apart = [
        np.pad(image, [(0, 1) if i == axis else (0, 0) for i in (0, 1)], constant_values=-9) for image in images[..., 0]
    ]
    return np.concatenate(apart, axis=axis)
