"""Pictures and explorers of lesson 2.10: a kernel on a photograph, filters, feature maps, receptive fields."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot


def _gabor(angle, size=7, wavelength=4.0, width=2.0):
    """A wave under a bell, turned by `angle` degrees (Gabor, 1946); mean 0."""
    u = np.arange(size) - size // 2
    x, y = np.meshgrid(u, u)
    along = x * np.cos(np.deg2rad(angle)) + y * np.sin(np.deg2rad(angle))
    kernel = np.cos(2 * np.pi * along / wavelength) * np.exp(-(x**2 + y**2) / (2 * width**2))
    return (kernel - kernel.mean()) / np.abs(kernel).sum() * 4


SOBEL_X = np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
KERNELS = {
    "vertical edges": SOBEL_X,
    "horizontal edges": SOBEL_X.T,
    "all edges": np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
    "blur": np.full((5, 5), 1 / 25),
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "relief": np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    "stripes, upright": _gabor(0),
    "stripes, slanted": _gabor(45),
    "nothing": np.array([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
}


def convolve(x, kernel, stride=1, padding=0, dilation=1):
    """Slide a kernel over a picture: x (H, W), kernel (kh, kw) -> (H', W'); zeros outside.

    No kernel is turned round: it is the cross-correlation that deep learning calls convolution.
    Raises ValueError if the kernel does not fit.
    """
    x, kernel = np.pad(np.asarray(x, float), padding), np.asarray(kernel, float)
    spread = [(k - 1) * dilation + 1 for k in kernel.shape]
    if min(x.shape[0] - spread[0], x.shape[1] - spread[1]) < 0:
        raise ValueError(f"the kernel covers {spread} pixels, but the padded picture has only {x.shape}")
    rows = x.shape[0] - spread[0] + 1
    columns = x.shape[1] - spread[1] + 1
    out = np.zeros((-(-rows // stride), -(-columns // stride)))
    for i, j in np.ndindex(kernel.shape):
        out += kernel[i, j] * x[i * dilation :, j * dilation :][:rows:stride, :columns:stride]
    return out


def draw_kernel(picture, kernel="vertical edges", stride=1, dilation=1, relu=False, axes=None):
    """A grey picture, the kernel, and what the kernel makes of the picture -> (Figure, sentence).

    picture: (H, W) in 0..1; kernel: a key of KERNELS; relu: cut off negative answers.
    """
    axes = _three() if axes is None else axes
    weights = KERNELS[kernel]
    out = convolve(picture, weights, stride=stride, dilation=dilation)
    raw = out.min(), out.max()
    out = np.maximum(out, 0) if relu else out
    span = max(abs(out.min()), abs(out.max()), 1e-9)
    signed = weights.min() < 0 and not relu and kernel not in ("sharpen", "nothing")
    axes[0].imshow(picture, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title(f"picture {picture.shape[0]} × {picture.shape[1]}", fontsize=10)
    top = np.abs(weights).max()
    axes[1].imshow(weights, cmap="RdBu_r", vmin=-top, vmax=top)
    if weights.size <= 25:
        for (i, j), value in np.ndenumerate(weights):
            ink = "white" if abs(value) > 0.7 * top else "black"
            axes[1].text(j, i, f"{value:.2g}", ha="center", va="center", fontsize=8, color=ink)
    axes[1].set_title(f"kernel {weights.shape[0]} × {weights.shape[1]}", fontsize=10)
    axes[2].imshow(out, cmap="gray", vmin=-span if signed else 0, vmax=span)
    axes[2].set_title(f"{kernel}: {out.shape[0]} × {out.shape[1]}", fontsize=10)
    for ax in axes:
        ax.axis("off")
    reach = (weights.shape[0] - 1) * dilation + 1
    return axes[0].figure, (
        f"A photograph of {picture.shape[0]} by {picture.shape[1]} pixels, the kernel for {kernel}, and the result of "
        f"{out.shape[0]} by {out.shape[1]} pixels with stride {stride} and dilation {dilation}: each looks at "
        f"{reach} by {reach} pixels. Answers from {raw[0]:.2f} to {raw[1]:.2f}"
        f"{'; negative ones are cut off' if relu else ''}."
    )


def _three():
    """Three axes with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), layout="none", width_ratios=(1, 0.55, 1))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.9, wspace=0.05)
    return axes


def draw_maps(maps, title, columns=10, signed=False):
    """Filters or feature maps side by side -> Figure. maps (N, H, W); signed: red above 0, blue below."""
    rows = -(-len(maps) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(0.95 * columns, 1.0 * rows + 0.45), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, one in zip(axes.flat, maps, strict=False):
        top = max(np.abs(one).max(), 1e-9)
        ax.imshow(one, cmap="RdBu_r" if signed else "gray_r", vmin=-top if signed else 0, vmax=top)
    figure.suptitle(title, x=0.01, ha="left", fontsize=12)
    return figure


def draw_shifts(ax, shifts, accuracy):
    """Accuracy against the shift of the test pictures -> Axes. accuracy: {label: (len(shifts),)}."""
    for i, (label, values) in enumerate(accuracy.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        ax.plot(shifts, values, **style, label=label)
    ax.set(xlabel="shift to the right (pixels)", ylabel="test accuracy", ylim=(0, 1))
    ax.legend(fontsize=9)
    return ax
