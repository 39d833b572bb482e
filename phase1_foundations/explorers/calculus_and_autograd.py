"""Pictures and explorers of lesson 1.5: tangent, error valley, steepest ascent, computation graph."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

FORWARD, CENTRAL = "forward", "central"
FUNCTIONS = {  # name: (function, its derivative)
    "sin x": (np.sin, np.cos),
    "exp x": (np.exp, np.exp),
    "sigmoid x": (lambda x: 1 / (1 + np.exp(-x)), lambda x: 1 / (1 + np.exp(-x)) / (1 + np.exp(x))),
    "x³": (lambda x: x**3, lambda x: 3 * x**2),
    "|x|": (np.abs, lambda x: np.sign(x) if x else np.nan),  # a kink at 0: no derivative there
}
STEPS = 10.0 ** np.arange(-16, 0.01, 0.1)  # (161,) step sizes of the valley
TINY = 1e-17  # errors of exactly 0 are drawn here, at the lower edge
STYLE = {FORWARD: (plot.ORANGE, "--"), CENTRAL: (plot.BLUE, "-")}


def slope(f, x, h, method=FORWARD):
    """Numeric derivative: forward (f(x+h) - f(x)) / h, central (f(x+h) - f(x-h)) / 2h."""
    if method == CENTRAL:
        return (f(x + h) - f(x - h)) / (2 * h)
    return (f(x + h) - f(x)) / h


def draw_derivative(function="sin x", x=1.0, exponent=-0.5, method=FORWARD, axes=None):
    """Secant and tangent, and the error of the secant's slope for every step size -> (Figure, sentence).

    function: a key of FUNCTIONS; the step is h = 10**exponent; method: FORWARD or CENTRAL.
    """
    axes = _pair() if axes is None else axes
    f, derivative = FUNCTIONS[function]
    h, exact = 10.0**exponent, float(derivative(x))
    got = float(slope(f, x, h, method))
    draw_tangent(axes[0], f, x, h, method, exact, got)
    _valley(axes[1], f, x, exact)
    kind = f"Left, the {method} difference of {function} at x = {x:g} with h = {h:.0e} is {got:.4f}"
    if np.isnan(exact):
        axes[0].set_title(f"slope: no tangent, secant {got:.4f}", fontsize=11)
        axes[1].set_title("no derivative here, so no error", fontsize=11)
        return axes[0].figure, f"{kind}; the curve has a kink there, no tangent, and so the right picture has no error."
    error = abs(got - exact)
    axes[0].set_title(f"slope: tangent {exact:.4f}, secant {got:.4f}", fontsize=11)
    axes[1].plot(h, max(error, TINY), marker="o", markersize=9, color=plot.BLACK, linestyle="none", zorder=5)
    axes[1].set_title(f"h = {h:.0e}: error {error:.0e}", fontsize=11)
    said = f"{kind}, the slope of the tangent {exact:.4f}: an error of {error:.0e}."
    right = "Right, the error against h for both methods: it falls with h, then rounding lifts it again."
    return axes[0].figure, f"{said} {right}"


def _pair():
    """Two axes with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.5), layout="none")
    figure.subplots_adjust(left=0.065, right=0.985, bottom=0.15, top=0.9, wspace=0.26)
    return axes


def draw_tangent(ax, f, x, h, method, exact, got):
    """The curve, its tangent at x, and the line through the two points that the difference uses."""
    grid = np.linspace(x - 1.5, x + 1.5, 151)
    ax.plot(grid, f(grid), color=plot.BLACK, linestyle="-", label="f")
    if np.isfinite(exact):
        ax.plot(grid, f(x) + exact * (grid - x), color=plot.GREEN, linestyle=":", label="tangent")
    first = x - h if method == CENTRAL else x
    colour, line = STYLE[method]
    ax.plot(grid, f(first) + got * (grid - first), color=colour, linestyle=line, label="secant", linewidth=1.6)
    ax.plot([first, x + h], [f(first), f(x + h)], "o", color=colour, markersize=7)
    low, high = f(grid).min(), f(grid).max()
    pad = 0.3 * (high - low)
    ax.set(xlim=(grid[0], grid[-1]), ylim=(low - pad, high + pad), xlabel="x", ylabel="f(x)")
    ax.legend(fontsize=9, loc="best")


def _valley(ax, f, x, exact):
    """The error of both differences over all steps, on two logarithmic axes."""
    for method, (colour, line) in STYLE.items():
        errors = np.abs(slope(f, x, STEPS, method) - exact)
        ax.loglog(STEPS, np.maximum(errors, TINY), color=colour, linestyle=line, linewidth=1.3, label=method)
    ax.set(xlim=(4e-17, 2.5), ylim=(TINY / 2, 30), xlabel="step h", ylabel="error of the slope")
    ax.set(xticks=10.0 ** np.arange(-16, 1, 4), yticks=10.0 ** np.arange(-16, 1, 4))
    ax.minorticks_off()
    ax.legend(fontsize=9, loc="lower left")


def draw_ascent(f, point, gradient, slopes, angles, axes=None):
    """Level lines with the gradient as an arrow, and the slope in every direction -> (Figure, sentence).

    f: function of arrays x1, x2; point, gradient (2,); slopes: measured in each of the directions `angles`, radians.
    """
    axes = plt.subplots(1, 2, figsize=(8.2, 3.5))[1] if axes is None else axes
    best, length = angles[np.argmax(slopes)], np.linalg.norm(gradient)
    x1, x2 = np.meshgrid(np.linspace(-2, 3, 81), np.linspace(-2, 2, 81))
    here = float(f(*point))
    lines = axes[0].contour(x1, x2, f(x1, x2), levels=here * np.arange(0.5, 9, 0.75), colors="grey", linewidths=0.8)
    axes[0].contour(x1, x2, f(x1, x2), levels=[here], colors="black", linewidths=1.8)
    axes[0].clabel(lines, levels=lines.levels[::3], fontsize=8, fmt="%g")
    tip = point + 1.1 * gradient / length
    axes[0].annotate("", tip, point, arrowprops={"arrowstyle": "-|>", "lw": 2.4, "color": plot.RED, "shrinkA": 0})
    paper = {"fc": "white", "ec": "none", "pad": 1}
    axes[0].text(*(tip + [0.08, 0.12]), "gradient", color=plot.RED, fontsize=11, bbox=paper)
    axes[0].plot(*point, "o", color=plot.BLACK)
    axes[0].set(aspect="equal", xlabel="$x_1$", ylabel="$x_2$", title="At a right angle to the level line")
    axes[1].plot(np.degrees(angles), slopes, color=plot.BLUE, linestyle="-")
    axes[1].axvline(np.degrees(best), color=plot.RED, linestyle="--", linewidth=1.4)
    axes[1].axhline(0, color="grey", linewidth=0.8, linestyle="-")
    axes[1].set(xlabel="direction (degrees)", ylabel="slope", xticks=range(-180, 181, 90))
    axes[1].set_title(f"Steepest at {np.degrees(best):.0f}°: slope {slopes.max():.2f}")
    for ax in axes:
        ax.title.set_fontsize(11)
    return axes[0].figure, (
        f"Left: level lines of a bowl, and from the point ({point[0]:g}, {point[1]:g}) an arrow, the gradient, that "
        f"stands at a right angle on its level line and points uphill. Right: the slope in every direction is a cosine "
        f"wave; its top, {slopes.max():.2f}, lies at {np.degrees(best):.0f} degrees, the direction of the gradient."
    )


NODES = {  # name: (column, row, what is computed)
    "w1": (0, 4, "$w_1$"), "x1": (0, 3, "$x_1$"), "w2": (0, 2, "$w_2$"), "x2": (0, 1, "$x_2$"), "b": (1, 0, "$b$"),
    "u1": (1, 3.5, "$×$"), "u2": (1, 1.5, "$×$"), "z": (2, 2.5, "$+$"), "p": (3, 2.5, "$\\sigma$"),
    "loss": (4, 2.5, "$-\\ln$"),
}  # fmt: skip
EDGES = [("w1", "u1"), ("x1", "u1"), ("w2", "u2"), ("x2", "u2"), ("u1", "z"), ("u2", "z"), ("b", "z"), ("z", "p"),
         ("p", "loss")]  # fmt: skip
NAMES = {"u1": "$u_1$", "u2": "$u_2$", "z": "$z$", "p": "$p$", "loss": "$L$"}


def draw_graph(values, gradients, ax=None):
    """The computation graph of a logistic neuron with its values and gradients -> (Figure, sentence).

    values, gradients: dictionaries with the keys w1, x1, w2, x2, b, u1, u2, z, p, loss; gradients are dL/d(key).
    """
    ax = ax or plt.subplots(figsize=(8.2, 4.3))[1]
    ax.set(xlim=(-0.6, 4.4), ylim=(-0.5, 4.4))
    ax.axis("off")
    place = {name: np.array([1.0 * column, row]) for name, (column, row, _) in NODES.items()}
    for start, end in EDGES:
        arrow = {"arrowstyle": "->", "lw": 1.3, "color": "grey", "shrinkA": 17, "shrinkB": 19}
        ax.annotate("", place[end], place[start], arrowprops=arrow)
    for name, (_, _, symbol) in NODES.items():
        box = {"boxstyle": "circle,pad=0.3", "fc": plot.SOFT(1 if name in NAMES else 0), "ec": "black", "lw": 1.2}
        ax.text(*place[name], symbol, ha="center", va="center", fontsize=12, bbox=box)
        label = f"{NAMES[name]} = " if name in NAMES else ""
        at, side = ([0.0, 0.33], "center") if name in NAMES else ([-0.17, 0.03], "right")  # inputs: beside the node
        ax.text(*(place[name] + at), f"{label}{_short(values[name])}", ha=side, va="bottom", fontsize=11)
        style = {"color": plot.RED, "weight": "bold", "fontsize": 11, "ha": side, "va": "top"}
        ax.text(*(place[name] + [at[0], -at[1]]), _short(gradients[name]), **style)
    ax.text(2.1, 0.55, "above, black: values, computed from left to right", fontsize=10.5)
    ax.text(2.1, 0.1, "below, red: gradients of $L$, from right to left", fontsize=10.5, color=plot.RED)
    ax.set_title("Forward the values, backward the gradients")
    ends = ", ".join(f"{name} {_short(gradients[name])}" for name in ("w1", "x1", "w2", "x2", "b"))
    return ax.figure, (
        f"Graph of the loss of a neuron: w1 and x1 are multiplied, w2 and x2 as well, both products and b are added to "
        f"z = {_short(values['z'])}, the sigmoid gives p = {_short(values['p'])}, minus its logarithm is the loss "
        f"{_short(values['loss'])}. Below each node its gradient: {ends}."
    )


def _short(value):
    """At most three decimals, with a real minus sign and without trailing zeros."""
    return f"{round(float(value), 3) + 0.0:g}".replace("-", "−")


def draw_pixels(image, gradient, marks=6, titles=("the digit", "gradient"), message="Ink at + raises the score"):
    """A digit, and the gradient of a class score at its pixels -> (Figure, sentence). image, gradient: (H, W).

    Orange: more ink here raises the score; purple: it lowers it. + and - mark the strongest pixels of each sign.
    """
    figure, axes = plt.subplots(1, 2, figsize=(5.4, 3.0))
    figure.suptitle(message, x=0.01, ha="left", fontsize=12)
    axes[0].imshow(image, cmap="gray_r")
    limit = np.abs(gradient).max()
    axes[1].imshow(gradient, cmap="PuOr_r", vmin=-limit, vmax=limit)
    order = np.argsort(gradient.ravel())
    for pixels, sign in ((order[:marks], "−"), (order[-marks:], "+")):
        for row, column in zip(*np.unravel_index(pixels, gradient.shape), strict=True):
            axes[1].text(column, row, sign, ha="center", va="center", fontsize=13, weight="bold")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, fontsize=11, loc="center")
        ax.axis("off")
    up, down = (np.unravel_index(order[i], gradient.shape) for i in (-1, 0))
    said = f"more ink raises the score most in row {up[0]}, column {up[1]} and lowers it most in row {down[0]}"
    return figure, f"A digit beside the gradient of a class score at each pixel: {said}, column {down[1]}."
