"""Figures in one house style: arrays in, Axes out; `show` displays a figure together with its alt text.

Colours are those of Okabe and Ito (2008), told apart by people with colour-blindness; line styles and markers
differ as well, so that every figure survives grey printing. A figure is a white card with round corners: on a light
page it has no edge, on a dark page all its colours keep their contrast.
"""

import base64
import html
import io
import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

BLUE, ORANGE, GREEN, RED, PURPLE, SKY, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#000000",
)  # fmt: skip
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY, BLACK)  # neighbours differ in lightness too
LINES = ("-", "--", ":", "-.", (0, (3, 1, 1, 1)), (0, (6, 2)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FRAMEWORKS = {"PyTorch": (RED, "-", "o"), "Keras": (BLUE, "--", "s")}  # the same look in every lesson
SOFT = ListedColormap(["#BFD9EA", "#F7DFAE", "#B3DFD3", "#EBCBDD", "#F0C3A8", "#D3EAF8"])  # region backgrounds
MIN_ALT = 30
CARD = "max-width: 100%; height: auto; background-color: white; border-radius: 8px"


def use_style():
    """Set matplotlib's defaults to the house style of the course, whatever the reader's own style file says."""
    plt.rcdefaults()
    ink = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    plt.rcParams.update(
        {
            **dict.fromkeys(ink, "black"),  # editors with a dark theme set these to white
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 80,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "figure.constrained_layout.w_pad": 0.08,  # inches: the margin of the card
            "figure.constrained_layout.h_pad": 0.08,
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "axes.prop_cycle": plt.cycler(color=COLOURS) + plt.cycler(linestyle=LINES),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.titlelocation": "left",
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "grid.alpha": 0.3,
            "image.cmap": "gray",
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "font.size": 11,
        }
    )


def show(fig, alt):
    """Display a figure with its alt text and close it.

    alt: a sentence that tells what the figure shows to a reader who cannot see it; a screen reader says it in place of
    the picture, in JupyterLab as in exported pages. In a plain Python script only the sentence is printed. Raises
    ValueError if it has fewer than 30 characters.
    """
    try:
        if not isinstance(alt, str) or len(alt.strip()) < MIN_ALT:
            raise ValueError(
                f"alt must be a sentence of at least {MIN_ALT} characters that says what to see, got {alt!r}"
            )
        from IPython import get_ipython
        from IPython.display import display

        if get_ipython() is None:
            print(alt)
        else:
            display({"text/html": image_tag(to_png(fig), alt), "text/plain": alt}, raw=True)
    finally:
        plt.close(fig)


def image_tag(png, alt):
    """The HTML element of a picture: PNG bytes and alt text -> `<img …>`.

    Not an output of the kind image/png, since JupyterLab and nbconvert ignore the alt text of those.
    """
    width, height = (int.from_bytes(png[i : i + 4], "big") for i in (16, 20))  # from the header of the PNG
    data = base64.b64encode(png).decode()
    return (
        f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" style="{CARD}"'
        f' src="data:image/png;base64,{data}">'
    )


def to_png(fig):
    """PNG bytes of a figure, reduced to 128 colours: about a third of the size, no visible difference."""
    from PIL import Image

    buffer, small = io.BytesIO(), io.BytesIO()
    fig.savefig(buffer, format="png", dpi=fig.dpi)
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return min(buffer.getvalue(), small.getvalue(), key=len)


def histories(runs, keys=("loss",), labels=None, title=None, alt=None, ylim=None):
    """Draw columns of several histories over epochs, one panel a key, and show the figure.

    runs: dict label -> history, or a list with `labels`; "PyTorch" and "Keras" get their fixed colours.
    A key's validation column `val_<key>` is drawn thinner with markers when it is there. Returns nothing.
    Raises KeyError for a key that no run has.
    """
    if not isinstance(runs, dict):
        labels = labels or [f"run {i + 1}" for i in range(len(runs))]
        runs = dict(zip(labels, runs, strict=True))
    there = {column for run in runs.values() for column in run}
    if missing := [key for key in keys if key not in there]:
        raise KeyError(f"no run has a column {missing[0]!r}; there are: {', '.join(sorted(there)) or 'none'}")
    fig, axes = plt.subplots(1, len(keys), figsize=(4.4 * len(keys) + 0.6, 3.4), squeeze=False)
    for ax, key in zip(axes[0], keys, strict=True):
        for i, (label, run) in enumerate(runs.items()):
            _history_lines(ax, run, key, label, i)
        ax.set(xlabel="epoch", ylabel=key, title=key if title is None else "", ylim=ylim)
    axes[0][-1].legend(fontsize=9)
    if title:
        fig.suptitle(title, x=0.01, ha="left", fontsize=12)
    show(fig, alt or _history_alt(runs, keys))


def _history_lines(ax, run, key, label, i):
    colour, line, marker = FRAMEWORKS.get(label, (COLOURS[i % 7], LINES[i % 7], MARKERS[i % 7]))
    for column, name, style in ((key, label, {}), (f"val_{key}", f"{label}, held out", {"marker": marker, "ms": 5})):
        if column in run:
            epochs = np.arange(1, len(run[column]) + 1)
            width = 2.2 if column == key else 1.2
            ax.plot(epochs, run[column], color=colour, linestyle=line, linewidth=width, label=name, **style)


def _history_alt(runs, keys):
    ends = [
        f"{label} {key} goes from {run[key][0]:.3g} to {run[key][-1]:.3g} in {len(run[key])} epochs"
        for label, run in runs.items()
        for key in keys
        if run.get(key)
    ]
    return "Training curves: " + "; ".join(ends) + "."


def images(x, titles=None, columns=8, size=1.1, title=None):
    """Draw a grid of images -> Figure. x: (N, H, W), (N, H, W, 1) or (N, H, W, 3); titles: N short strings."""
    x = np.asarray(x)
    x = x[..., 0] if x.ndim == 4 and x.shape[-1] == 1 else x
    rows = math.ceil(len(x) / columns)
    height = size * (1.3 if titles is not None else 1.05)
    fig, axes = plt.subplots(rows, columns, figsize=(size * columns, height * rows + 0.4 * bool(title)), squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, image) in enumerate(zip(axes.flat, x, strict=False)):
        ax.imshow(image, cmap="gray_r" if image.ndim == 2 else None)
        if titles is not None:
            ax.set_title(titles[i], fontsize=9, loc="center")
    if title:
        fig.suptitle(title, x=0.01, ha="left", fontsize=12)
    return fig


def decision_regions(predict, x, y, ax=None, resolution=200, labels=None):
    """Colour the plane by predicted class and put the points on top -> Axes.

    predict: function (N, 2) -> class index (N,); x: (N, 2) points; y: (N,) classes.
    """
    ax = ax or plt.subplots()[1]
    (x0, x1), (y0, y1) = _limits(x[:, 0]), _limits(x[:, 1])
    grid = np.stack(np.meshgrid(np.linspace(x0, x1, resolution), np.linspace(y0, y1, resolution)), -1)
    regions = np.asarray(predict(grid.reshape(-1, 2).astype(np.float32))).reshape(resolution, resolution)
    ax.imshow(regions, extent=(x0, x1, y0, y1), origin="lower", cmap=SOFT, vmin=0, vmax=5, aspect="auto")
    points(x, y, ax, labels)
    ax.set(xlim=(x0, x1), ylim=(y0, y1))
    return ax


def points(x, y, ax=None, labels=None):
    """Scatter 2-D points with one colour and one marker a class -> Axes. x: (N, 2), y: (N,) class indices."""
    ax = ax or plt.subplots()[1]
    for i, k in enumerate(np.unique(y)):
        name = labels[i] if labels is not None else f"class {k}"
        style = {"c": COLOURS[i % 7], "marker": MARKERS[i % 7], "edgecolors": "white", "linewidths": 0.6}
        ax.scatter(*x[y == k].T, s=34, label=name, **style)
    ax.grid(False)
    return ax


def _limits(values, margin=0.08):
    low, high = float(np.min(values)), float(np.max(values))
    pad = margin * (high - low or 1.0)
    return low - pad, high + pad


def confusion(matrix, classes, ax=None, title=None):
    """Draw a confusion matrix with its counts -> Axes. matrix: (K, K), rows are the truth, columns the answer."""
    matrix = np.asarray(matrix)
    ax = ax or plt.subplots(figsize=(5.2, 4.8))[1]
    off = matrix.astype(float).copy()
    np.fill_diagonal(off, np.nan)  # the colour is for the mistakes; the diagonal would drown them
    ax.imshow(off, cmap="Oranges", vmin=0)
    limit = np.nanmax(off) if np.isfinite(off).any() else 0
    for (row, column), count in np.ndenumerate(matrix):
        dark = row != column and count > 0.6 * limit
        weight = "bold" if row == column else "normal"
        ax.text(
            column, row, count or "", ha="center", va="center", fontsize=9, weight=weight, color="w" if dark else "k"
        )
    ax.set(xticks=range(len(classes)), yticks=range(len(classes)), xlabel="answer", ylabel="truth", title=title or "")
    ax.set_xticklabels(classes)
    ax.set_yticklabels(classes)
    ax.grid(False)
    return ax
