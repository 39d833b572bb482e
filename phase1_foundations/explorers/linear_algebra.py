"""Pictures and explorers of lesson 1.2: the dot product, a 2 × 2 matrix as a map, a photograph of low rank."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

SQUARE, CIRCLE = "square and eigenvectors", "circle and singular vectors"
ROUND = np.stack([np.cos(np.linspace(0, 2 * np.pi, 121)), np.sin(np.linspace(0, 2 * np.pi, 121))])  # (2, 121)
TICKS = {2.6: (-2, -1, 0, 1, 2), 4.4: (-4, -2, 0, 2, 4)}
UNIT = np.array([[0, 1, 1, 0], [0, 0, 1, 1]], float)  # (2, 4): the corners of the unit square
LETTER = np.array(  # (2, 10): an F inside the unit square, so that a mirror image shows
    [[0.3, 0.42, 0.42, 0.62, 0.62, 0.42, 0.42, 0.7, 0.7, 0.3], [0.2, 0.2, 0.45, 0.45, 0.57, 0.57, 0.7, 0.7, 0.82, 0.82]]
)


def draw_map(a11=1.5, a12=0.75, a21=0.25, a22=1.0, show=SQUARE, ax=None):
    """What x -> A x does to the unit square (and its eigenvectors) or to the unit circle -> (Figure, sentence).

    a11 … a22: entries of A, row by row; show: SQUARE or CIRCLE.
    """
    ax = ax or _single((4.6, 4.6), left=0.13, right=0.97, bottom=0.12, top=0.93)
    A = np.array([[a11, a12], [a21, a22]], float)
    matrix = f"The matrix [[{a11:g}, {a12:g}], [{a21:g}, {a22:g}]]"
    sentence = (_circle if show == CIRCLE else _square)(ax, A, matrix)
    shape = np.abs(A @ UNIT).max() if show == SQUARE else np.linalg.norm(A, 2)
    limit = 2.6 if shape <= 2.3 else 4.4
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xlabel="x₁", ylabel="x₂")
    ax.set(xticks=TICKS[limit], yticks=TICKS[limit])
    return ax.figure, sentence


def _single(size, **margins):
    """Axes alone in a figure with fixed margins: computing the layout would double the time of a redraw."""
    figure, ax = plt.subplots(figsize=size, layout="none")
    figure.subplots_adjust(**margins)
    return ax


def _square(ax, A, matrix):
    """Square, letter and unit vectors before (grey) and after (colour), and the directions that A keeps."""
    for corners, style in ((UNIT, {"alpha": 0.35}), (LETTER, {"alpha": 0.9})):
        ax.fill(*corners, facecolor="none", edgecolor="grey", linestyle="--", linewidth=1.2)
        ax.fill(*(A @ corners), color=plot.SKY if corners is UNIT else plot.BLUE, linewidth=0, **style)
    directions, eigenvalues = kept_directions(A)
    for v, stretch, line in zip(directions, eigenvalues, ("-.", ":"), strict=False):
        ax.axline((0, 0), v, color=plot.RED, linestyle=line, linewidth=1.6, label=f"λ = {stretch:.2f}")
    for column, colour, name in zip(A.T, (plot.BLACK, plot.ORANGE), ("Ae₁", "Ae₂"), strict=True):
        _arrow(ax, column, colour, name)
    if directions:
        ax.legend(loc="lower right", fontsize=10, frameon=True)
    determinant = np.linalg.det(A)
    area = f"area {abs(determinant):.2f}{', mirrored' if determinant < -1e-9 else ''}"
    ax.set_title(area if directions else f"{area}; every direction turns")
    kept = _eigen_sentence(A, directions, eigenvalues)
    return f"{matrix} turns the unit square into a shape of {area}; {kept}."


def _circle(ax, A, matrix):
    """Unit circle and right singular vectors before (grey), the ellipse and its half axes after (colour)."""
    U, s, Vt = np.linalg.svd(A)
    ax.plot(*ROUND, color="grey", linestyle="--", linewidth=1.2)
    ax.plot(*(A @ ROUND), color=plot.BLUE, linestyle="-")
    for i, colour in enumerate((plot.BLACK, plot.ORANGE)):
        sign = -1 if U[:, i].sum() < 0 else 1  # a pair (u, v) may be turned round together
        ax.plot(*np.stack([np.zeros(2), sign * Vt[i]]).T, color=colour, linestyle=":", linewidth=1.6)
        _arrow(ax, sign * s[i] * U[:, i], colour, ("σ₁u₁", "σ₂u₂")[i])
    ax.set_title(f"half axes of the ellipse: {s[0]:.2f} and {s[1]:.2f}")
    return f"{matrix} turns the unit circle into an ellipse with half axes {s[0]:.2f} and {s[1]:.2f}."


def kept_directions(A):
    """The real directions that A does not turn, unit vectors [(2,), …] of 0 to 2, and its eigenvalues (2,)."""
    eigenvalues, vectors = np.linalg.eig(A)
    if np.abs(eigenvalues.imag).max() > 1e-6:
        return [], eigenvalues
    first, second = vectors.real.T
    parallel = abs(first[0] * second[1] - first[1] * second[0]) < 1e-6
    return [first] if parallel else [first, second], eigenvalues.real


def _eigen_sentence(A, directions, values):
    if np.allclose(A, A[0, 0] * np.eye(2)):
        return f"every direction is an eigenvector, stretched by {A[0, 0]:.2f}"
    if not directions:
        return "it turns every direction, so no eigenvector is real"
    each = [f"({v[0]:.2f}, {v[1]:.2f}) by {k:.2f}" for v, k in zip(directions, values, strict=False)]
    return f"it only stretches the eigenvector{'s' if len(each) > 1 else ''} {' and '.join(each)}"


def _arrow(ax, tip, colour, name):
    length = np.linalg.norm(tip)
    if length < 1e-9:
        return
    style = {"arrowstyle": "-|>", "lw": 2.2, "color": colour, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", tip, (0, 0), arrowprops=style)
    ax.annotate(name, tip, 13 * tip / length, textcoords="offset points", ha="center", va="center", fontsize=11)


def draw_rank(factors, rank=20, ax=None):
    """A picture from the first `rank` terms of its SVD -> (Figure, sentence). factors: U (H, R), s (R,), Vt (R, W)."""
    ax = ax or _single((6.0, 4.3), left=0.01, right=0.99, bottom=0.01, top=0.93)
    U, s, Vt = factors
    picture = (U[:, :rank] * s[:rank]) @ Vt[:rank]  # (H, W)
    share = rank * (len(U) + Vt.shape[1] + 1) / (len(U) * Vt.shape[1])
    error = np.sqrt((s[rank:] ** 2).sum() / (s**2).sum())
    ax.imshow(picture, vmin=0, vmax=1)
    ax.axis("off")
    ax.set_title(f"rank {rank}: {share:.1%} of the numbers, error {error:.1%}", fontsize=11)
    return ax.figure, f"The picture from {rank} terms: {share:.1%} of the numbers, relative error {error:.1%}."


def draw_similarity(w=(2.0, 1.0), others=((1.5, 1.5), (-1.0, 2.0), (-2.0, 0.2)), axes=None):
    """The dot product of w with each other vector, as a shadow on w's line -> (Figure, sentence)."""
    if axes is None:
        axes = plt.subplots(1, len(others), figsize=(7.8, 2.5), sharey=True)[1]
    w, parts = np.array(w), []
    for ax, x in zip(axes, np.array(others), strict=True):
        dot, shadow = w @ x, (w @ x) / (w @ w) * w
        cosine = dot / np.linalg.norm(w) / np.linalg.norm(x)
        ax.axline((0, 0), w, color="grey", linewidth=0.9, linestyle="--")
        ax.plot(*np.stack([x, shadow]).T, color="grey", linestyle=":", linewidth=1.5)
        ax.plot(*np.stack([np.zeros(2), shadow]).T, color=plot.ORANGE, linewidth=6, linestyle="-", alpha=0.7)
        _arrow(ax, w, plot.BLACK, "$w$")
        _arrow(ax, x, plot.BLUE, "$x$")
        ax.set(xlim=(-2.7, 2.7), ylim=(-1.3, 2.7), aspect="equal", xlabel="$x_1$")
        ax.set_title(rf"$w\cdot x$ = {dot:.1f}, cosine {cosine:.2f}", fontsize=11)
        parts.append(f"({x[0]:g}, {x[1]:g}) has dot product {dot:.1f} and cosine {cosine:.2f}")
    axes[0].set_ylabel("$x_2$")
    shadows = "A thick line marks the shadow of x on the line of w: forward, a point, backward."
    return axes[0].figure, f"Three arrows x beside the arrow w = ({w[0]:g}, {w[1]:g}): {', '.join(parts)}. {shadows}"
