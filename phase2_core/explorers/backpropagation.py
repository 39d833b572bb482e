"""Pictures and explorers of lesson 2.3: a computation graph with the value and the gradient of every node.

A node is any object with `value`, `grad`, `op` (its operation, or its name if it has no parents) and `parents`, a
sequence of pairs (node, slope): what the lesson's own engine makes. The pictures compute nothing themselves.
"""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import FancyBboxPatch

from utils import plot

WIDTH, HEIGHT = 0.31, 0.33  # half the size of a box; columns and rows are 1 apart


def nodes_of(end):
    """All nodes behind `end` and itself, each after its parents: list."""
    order, seen = [], set()

    def visit(node):
        if id(node) not in seen:
            seen.add(id(node))
            for parent, _ in node.parents:
                visit(parent)
            order.append(node)

    visit(end)
    return order


def layout(end):
    """Places of the nodes: {id(node): array (column, row)}; every arrow goes to the right, no two places are equal."""
    order = nodes_of(end)
    column = {}
    for node in order:
        column[id(node)] = 1 + max((column[id(p)] for p, _ in node.parents), default=-1)
    for node in reversed(order):  # an input stands directly before the first node that uses it
        if not node.parents and node is not end:
            column[id(node)] = min(column[id(c)] for c in order if any(p is node for p, _ in c.parents)) - 1
    row, next_row = {}, 0.0
    for node in order:
        if node.parents:
            row[id(node)] = float(np.mean([row[id(p)] for p, _ in node.parents]))
        else:
            row[id(node)], next_row = next_row, next_row - 1
    for level in set(column.values()):  # push apart what would overlap
        here = sorted((i for i in row if column[i] == level), key=lambda i: -row[i])
        for above, below in zip(here, here[1:], strict=False):
            row[below] = min(row[below], row[above] - 1)
    return {i: np.array([float(column[i]), row[i]]) for i in row}


def draw_example():
    """The graph of L = (a b + a)² at a = 2, b = -1.5, values and gradients filled in -> (Figure, sentence)."""
    node = lambda op, value, grad, *parents: SimpleNamespace(op=op, value=value, grad=grad, parents=parents)
    a, b = node("a", 2.0, 1.0), node("b", -1.5, -4.0)
    product = node("×", -3.0, -2.0, (a, -1.5), (b, 2.0))
    total = node("+", -1.0, -2.0, (product, 1.0), (a, 1.0))
    loss = node("^2", 1.0, 1.0, (total, -2.0))
    return draw_graph(loss)


def draw_graph(end, title="Forward the values, backward the gradients", ax=None):
    """The graph behind `end`: on each node value and gradient, on each arrow the slope -> (Figure, sentence)."""
    order, place = nodes_of(end), layout(end)
    points = np.array(list(place.values()))
    (left, low), (right, high) = points.min(0), points.max(0)
    ax = _axes(right - left + 1, high - low + 1) if ax is None else ax
    ax.set(xlim=(left - 0.45, right + 0.45), ylim=(low - 0.85, high + 0.5))
    ax.axis("off")
    for node in order:
        _draw_arrows(ax, node, place)
    for node in order:
        _draw_box(ax, node, place[id(node)])
    key = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": 10}
    ax.annotate("black: value", (0, 0), (8, 6), **key)
    ax.annotate("bold: gradient", (0, 0), (88, 6), color=plot.RED, weight="bold", **key)
    ax.annotate("on the arrow: slope", (0, 0), (202, 6), color="#444444", **key)
    ax.set_title(title)
    inputs = ", ".join(f"{n.op} = {short(n.value)} with gradient {short(n.grad)}" for n in order if not n.parents)
    return ax.figure, (
        f"Graph of {len(order)} nodes from the inputs on the left to the result {short(end.value)} on the right; each "
        f"box holds its value and, in bold, the gradient of the result. Inputs: {inputs}."
    )


def _axes(columns, rows):
    """Axes with fixed margins, as large as the graph needs."""
    figure = plt.figure(figsize=(max(5.6, 1.45 * columns + 0.2), 0.85 * rows + 0.9), layout="none")
    return figure.add_axes((0.01, 0.01, 0.98, 0.88))


def _draw_box(ax, node, at):
    x, y = at
    colour = plot.SOFT(1 if node.parents else 0)
    shape = {"boxstyle": "round,pad=0,rounding_size=0.08", "fc": colour, "ec": "black", "lw": 1.1}
    ax.add_patch(FancyBboxPatch((x - WIDTH, y - HEIGHT), 2 * WIDTH, 2 * HEIGHT, mutation_aspect=1.5, zorder=3, **shape))
    style = {"ha": "center", "va": "center", "zorder": 4}
    op = node.op.replace("-", "−")
    ax.text(x, y + 0.21, op, fontsize=11, style="italic" if not node.parents else "normal", **style)
    ax.text(x, y, short(node.value), fontsize=11, **style)
    ax.text(x, y - 0.21, short(node.grad), fontsize=11, color=plot.RED, weight="bold", **style)


def _draw_arrows(ax, node, place):
    """One arrow for each use; two uses of one parent are bent apart, long arrows go round the boxes between."""
    end, uses = place[id(node)], [id(p) for p, _ in node.parents]
    for i, (parent, slope) in enumerate(node.parents):
        start, twice = place[id(parent)], uses.count(id(parent)) > 1
        tail, head = start + [WIDTH, 0], end - [WIDTH, 0]
        bend = (0.45 if uses.index(id(parent)) == i else -0.45) if twice else 0.0
        if not twice and end[0] - start[0] > 1.5:  # passes the columns between on the outer side
            bend = 0.22 if end[1] <= start[1] else -0.22
            bend = -bend if start[1] > end[1] else bend
        arrow = {"arrowstyle": "-|>", "lw": 1.1, "color": "#666666", "shrinkA": 0, "shrinkB": 1}
        ax.annotate("", head, tail, arrowprops=arrow | {"connectionstyle": f"arc3,rad={bend}"})
        run = head - tail
        middle = (tail + head) / 2 + np.array([run[1], -run[0]]) * bend / 2
        paper = {"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.9}
        style = {"ha": "center", "va": "center", "fontsize": 9, "color": "#444444", "bbox": paper, "zorder": 5}
        level = abs(run[1]) < 0.1 and not bend  # on a level arrow the line would run through the number
        ax.text(middle[0], middle[1] + (0.16 if level else 0.0), short(slope), **style)


def draw_expression(expressions, expression, axes=None, **inputs):
    """Graph of the chosen expression at the inputs, and the slopes of its inputs as bars -> (Figure, sentence).

    expressions: ({name: function (Value, ..., Value) -> Value}, make, backward) with make(value, name) -> node and
    backward(node), which fills in the gradients. inputs: a, b, c in the order of the function's arguments.
    """
    functions, make, backward = expressions
    leaves = [make(float(value), name) for name, value in inputs.items()]
    end = functions[expression](*leaves)
    backward(end)
    figure = plt.figure(figsize=(9.0, 4.3), layout="none") if axes is None else axes[0].figure
    if axes is None:
        axes = figure.add_axes((0.005, 0.01, 0.72, 0.9)), figure.add_axes((0.79, 0.14, 0.2, 0.74))
    message = f"{expression} = {short(end.value)}"
    _, sentence = draw_graph(end, message, axes[0])
    names, slopes = list(inputs), [leaf.grad for leaf in leaves]
    colours = [plot.BLUE if slope >= 0 else plot.ORANGE for slope in slopes]
    axes[1].bar(names, slopes, color=colours, width=0.6, hatch=[None if s >= 0 else "//" for s in slopes])
    axes[1].axhline(0, color=plot.BLACK, linewidth=1, linestyle="-")
    limit = max(1.0, np.abs(slopes).max()) * 1.25
    axes[1].set(ylim=(-limit, limit), ylabel="gradient")
    strongest = names[int(np.argmax(np.abs(slopes)))]
    moves = np.abs(slopes).max() > 1e-9
    axes[1].set_title(f"{strongest} moves it most" if moves else "nothing moves it", fontsize=11)
    listed = ", ".join(f"{name} {short(slope)}" for name, slope in zip(names, slopes, strict=True))
    return figure, f"The expression {message}. {sentence} Gradients of the inputs: {listed}."


# --- training -------------------------------------------------------------------------------------
def draw_digits(images, labels):
    """Small pictures of digits (N, 8, 8) with their classes -> (Figure, alt text)."""
    fig = plot.images(images, titles=labels, columns=len(images), size=0.8, title="Ten digits of 64 pixels each")
    return fig, "Small grey pictures of handwritten digits, each with its class above it."


def smooth(losses, window=15):
    """Means of `window` steps: (steps,) -> (steps - window + 1,)."""
    return np.convolve(losses, np.ones(window) / window, "valid")


def draw_three_curves(ours, others):
    """Loss of the home-made engine, wide and grey, and of the libraries on top -> (Figure, alt text)."""
    fig, ax = plt.subplots(figsize=(6.8, 3.3))
    ax.semilogy(smooth(ours), color="#BBBBBB", linestyle="-", linewidth=5, label="your engine")
    for name, losses in others.items():
        colour, line, _ = plot.FRAMEWORKS[name]
        ax.semilogy(smooth(losses), color=colour, linestyle=line, linewidth=1.5, label=name)
    ax.set(title=f"{len(ours)} steps, one curve: your engine keeps up with the libraries")
    ax.set(xlabel="step", ylabel="loss (mean of 15 batches)")
    ax.legend(fontsize=9)
    gap = max(np.abs(losses - ours).max() for losses in others.values())
    return fig, (
        f"Loss against the step, logarithmic: one curve from {smooth(ours)[0]:.1f} to {smooth(ours)[-1]:.2f}. The "
        f"lines of {' and '.join(others)} lie on that of the home-made engine; no loss differs by more than {gap:.0e}."
    )


def draw_differences(curves):
    """Losses of healthy and faulty networks; differences to the healthy one -> (Figure, alt text).

    curves: {fault: list of (steps,), one for each seed}; "none" is the healthy network, "not zeroed" is left out on the
    right. Lines are means over the seeds of means of 45 steps, bands run from the smallest to the largest seed.
    """
    smoothed = {fault: np.array([smooth(row, 45) for row in rows]) for fault, rows in curves.items()}
    fig, axes = plt.subplots(1, 2, figsize=(9.4, 3.4))
    said = []
    for i, (fault, rows) in enumerate(smoothed.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i]}
        axes[0].plot(rows.mean(0), **style, label=fault)
        if fault not in ("none", "not zeroed"):
            apart = rows - smoothed["none"]
            axes[1].plot(apart.mean(0), **style, label=fault)
            axes[1].fill_between(range(rows.shape[1]), apart.min(0), apart.max(0), color=plot.COLOURS[i], alpha=0.25)
        said.append(f"{fault} {rows.mean(0)[-1]:.2f}")
    axes[1].axhline(0, color=plot.BLACK, linewidth=1, linestyle="-")
    axes[0].set(xlabel="step", ylabel="loss (mean of 45)", ylim=(0, None), title="Three of four learn at this rate")
    axes[1].set(xlabel="step", ylabel="loss above the healthy one", title="One costs something at first, one nothing")
    axes[0].legend(fontsize=9)
    return fig, (
        "Left: loss against the step of a healthy and three faulty networks, means over the seeds. Right: the two that "
        f"look healthy minus the healthy one. Losses at the end: {', '.join(said)}."
    )


def draw_costs(costs):
    """Multiplications against the number of weights -> (Figure, alt text). costs: [(weights, reverse, forward)]."""
    n_weights, reverse, forward = np.array(costs).T
    fig, ax = plt.subplots(figsize=(6.6, 3.3))
    ax.loglog(n_weights, forward, "s--", color=plot.BLUE, label="forward mode, one pass a weight")
    ax.loglog(n_weights, reverse, "o-", color=plot.RED, label="reverse mode, one pass")
    ax.set(xlabel="number of weights", ylabel="multiplications", title="Forward mode falls behind as the network grows")
    ax.minorticks_off()
    ax.legend(fontsize=9)
    return fig, (
        f"Multiplications for the whole gradient against the number of weights, logarithmic: with {n_weights[-1]} "
        f"weights reverse mode takes {reverse[-1]:,}, forward mode {forward[-1]:,}, "
        f"{forward[-1] / reverse[-1]:.0f} times as many."
    )


def short(value):
    """At most three decimals, with a real minus sign and without trailing zeros."""
    return f"{round(float(value), 3) + 0.0:g}".replace("-", "−")
