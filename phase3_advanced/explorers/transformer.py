"""Pictures and explorer of lesson 3.1: a block, losses, where each word looks, depth with norms before or after."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

PARTS = ("across", "encoder", "decoder")


def draw_block():
    """One block of a transformer, from left to right -> (Figure, alt text)."""
    fig, ax = plt.subplots(figsize=(8.4, 2.5), layout="none")
    fig.subplots_adjust(0.01, 0.02, 0.99, 0.98)
    x_boxes = (
        ("attention\n(all words, in heads)", 2.2, plot.RED),
        ("MLP\n(each word alone)", 6.4, plot.BLUE),
    )
    ax.annotate(
        "",
        (9.6, 0),
        (0.3, 0),
        arrowprops={"arrowstyle": "->", "linewidth": 2.5, "color": "0.25"},
    )
    for label, x, colour in x_boxes:
        box = {
            "boxstyle": "round,pad=0.5",
            "facecolor": "white",
            "edgecolor": colour,
            "linewidth": 1.8,
        }
        ax.text(x, 1.35, label, ha="center", va="center", fontsize=11, bbox=box)
        arrow = {"arrowstyle": "->", "linewidth": 1.4, "color": colour}
        ax.annotate(
            "",
            (x, 0.85),
            (x - 1.25, 0.02),
            arrowprops=arrow | {"connectionstyle": "angle3,angleA=90,angleB=0"},
        )
        ax.annotate("", (x + 1.25, 0.16), (x + 0.2, 0.95), arrowprops=arrow)
        circle = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": "0.25"}
        ax.text(x + 1.35, 0, "+", ha="center", va="center", fontsize=13, bbox=circle)
        norm = {"boxstyle": "round,pad=0.3", "facecolor": "0.93", "edgecolor": "0.25"}
        ax.text(x + 2.1, 0, "norm", ha="center", va="center", fontsize=10, bbox=norm)
    ax.text(0.2, 0.3, "$X$", fontsize=13)
    ax.text(4.75, 0.3, "$H$", fontsize=13)
    ax.text(9.5, 0.3, "$Y$", fontsize=13)
    ax.text(
        2.2,
        -0.55,
        "what the word was runs on, unchanged, into the sum",
        ha="center",
        fontsize=9,
        color="0.25",
    )
    ax.set(xlim=(0, 10), ylim=(-0.8, 2.1))
    ax.axis("off")
    return fig, (
        "One block: the words X run along a straight line to a sum; attention over all words, in heads, is a side path "
        "whose result is added there; a normalization gives H. H runs on to a second sum, to which an MLP for each "
        "word alone adds its result; a second normalization gives Y."
    )


def draw_losses(runs):
    """Loss against steps, means of 10 steps -> (Figure, alt text); runs: {name: (steps,)}."""
    fig, ax = plt.subplots(figsize=(6.6, 3))
    for i, (name, losses) in enumerate(runs.items()):
        ax.plot(_smooth(losses), color=plot.COLOURS[i], linestyle=plot.LINES[i], label=name)
    ax.set(yscale="log", xlabel="step", ylabel="loss (mean of 10 steps)")
    ax.set_title("PyTorch and Keras take the same steps")
    ax.legend()
    ends = ", ".join(f"{name} {np.mean(losses[-20:]):.3f}" for name, losses in runs.items())
    return (
        fig,
        f"Loss against {max(map(len, runs.values()))} steps on a logarithmic axis; last 20 steps: {ends}.",
    )


def _smooth(losses, window=10):
    return np.convolve(losses, np.ones(window) / window, "valid")


def shares(model, source, said, vocab_en, vocab_de):
    """Where a trained `Transformer` of the lesson looks while it says `said`.

    source (1, S), said (1, T) with <s> in front -> (English tokens, German tokens, {part: (n_blocks, n_heads, rows,
    columns)}). A row of "across" or "decoder" belongs to the word that is to be said, the one after its place.
    """
    import torch

    said = list(said[0])
    said = said[: said.index(2) + 1 if 2 in said else None]  # up to </s>
    source = torch.as_tensor(source).long()
    target = torch.tensor([said[:-1]])
    found = {part: [] for part in PARTS}
    with torch.no_grad():
        keep = (source != 0)[:, None]
        x = model.source(source) + model.places[: source.shape[1]]
        for block in model.encoder:
            found["encoder"].append(block.attention.shares(x, x, keep)[0].numpy())
            x = block(x, keep)
        past = torch.ones(1, target.shape[1], target.shape[1], dtype=torch.bool).tril()
        h = model.target(target) + model.places[: target.shape[1]]
        for block in model.decoder:
            found["decoder"].append(block.attention.shares(h, h, past)[0].numpy())
            asked = block.norm_1(h + block.attention(h, h, past))
            found["across"].append(block.across.shares(asked, x, keep)[0].numpy())
            h = block(h, past, x, keep)
    words = [vocab_en[i] for i in source[0].tolist()], [vocab_de[i] for i in said]
    return words[0], words[1][1:], {part: np.stack(maps) for part, maps in found.items()}


def draw_shares(look, number, part="across", block=1, head="all", ax=None):
    """Heat map: who looks at whom -> (Figure, sentence).

    look: number -> what `shares` gives; part: one of PARTS; block: index; head: "all" for the mean, or an index.
    """
    english, said, maps = look(number)
    weights = maps[part][block]  # (n_heads, rows, columns)
    weights = weights.mean(0) if head == "all" else weights[int(head)]
    rows = english if part == "encoder" else said
    columns = ["<s>", *said[:-1]] if part == "decoder" else english
    if ax is None:
        height = 1.7 + 0.3 * len(rows)
        _, ax = plt.subplots(figsize=(2.6 + 0.62 * len(columns), height))
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    ax.set_yticks(range(len(rows)), rows)
    for i, j in zip(*np.nonzero(weights > 0.15), strict=True):
        colour = "white" if weights[i, j] > 0.6 else "black"
        ax.text(
            j,
            i,
            f"{weights[i, j]:.1f}".lstrip("0"),
            ha="center",
            va="center",
            fontsize=8,
            color=colour,
        )
    ax.grid(visible=False)
    what = {"across": "about to say", "decoder": "about to say", "encoder": "who looks"}[part]
    ax.set(ylabel=what, xlabel="looks at")
    heads = "mean of heads" if head == "all" else f"head {head}"
    ax.set_title(f"{number:,} · {part}, block {block}, {heads}", fontsize=11)
    strongest = [f"{rows[i]} at {columns[weights[i].argmax()]}" for i in range(len(rows))]
    return ax.figure, f"{number:,}, {part}, block {block}, {heads}: {', '.join(strongest)}."


def draw_depth(runs):
    """Losses of a deep network, norms before or after, with and without warm-up -> (Figure, alt text).

    runs: {name: [(steps,), …] one for each seed}; the band spans the seeds.
    """
    fig, ax = plt.subplots(figsize=(7, 3.2))
    for i, (name, rows) in enumerate(runs.items()):
        smooth = np.stack([_smooth(row) for row in rows])
        ax.plot(
            smooth.mean(0),
            color=plot.COLOURS[i],
            linestyle=plot.LINES[i % len(plot.LINES)],
            label=name,
        )
        ax.fill_between(
            range(smooth.shape[1]),
            smooth.min(0),
            smooth.max(0),
            color=plot.COLOURS[i],
            alpha=0.15,
        )
    ax.set(xlabel="step", ylabel="loss (mean of 10 steps)", ylim=(0, None))
    ax.set_title("12 blocks deep at a high rate: normalize before, or warm up")
    ax.legend(fontsize=9)
    ends = ", ".join(f"{name} {np.mean([row[-10:] for row in rows]):.2f}" for name, rows in runs.items())
    return (
        fig,
        f"Loss against steps, mean and range of {len(rows)} seeds; last ten steps: {ends}.",
    )
