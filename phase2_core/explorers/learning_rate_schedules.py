"""Pictures and explorer of lesson 2.7: a learning-rate schedule, and what it does to noisy descent in a bowl."""

import matplotlib.pyplot as plt
import numpy as np

from utils import plot

STEPS = 300
CURVATURE = np.geomspace(0.01, 1.0, 8)  # of the bowl's eight directions; the bound of lesson 2.1 is 2
NOISE = 0.1  # variance of the gradient in a direction, as a multiple of its curvature
EARLY, FADES = 3.0, 10.0  # how much steeper the bowl is at the first step, and in how many steps that fades
EDGE = 100.0  # a loss above this is over the edge of the bowl: from there no step leads back
KINDS = ("constant", "linear", "cosine", "step", "1/√t", "restarts")


def shape(kind, share):
    """A schedule without warm-up: share (…) of the steps done, 0 to 1 -> factor (…) from 1 to 0. kind: one of KINDS."""
    share = np.asarray(share, float)
    if kind == "restarts":  # cycles of 1, 2 and 4 sevenths
        cycle = np.floor(np.log2(np.minimum(7 * share, 6.999) + 1))
        share = (7 * share - (2**cycle - 1)) / 2**cycle
    if kind == "constant":
        return np.ones_like(share)
    if kind == "linear":
        return 1 - share
    if kind == "step":
        return np.select([share < 0.5, share < 0.8], [1.0, 0.1], 0.01)
    if kind == "1/√t":
        return 1 / np.sqrt(1 + 30 * share)
    if kind in ("cosine", "restarts"):
        return (1 + np.cos(np.pi * share)) / 2
    raise ValueError(f"kind = {kind!r} is none of {', '.join(KINDS)}")


def rates(kind="cosine", warm_up=0.0, peak=1.0, final=0.0, steps=STEPS):
    """The learning rate of each step, (steps,): linear warm-up to `peak`, then the schedule down to final · peak.

    warm_up: share of the steps, 0 to below 1; final: share of the peak (not for "constant").
    """
    n_warm, t = round(warm_up * steps), np.arange(steps)
    down = final + (1 - final) * shape(kind, np.maximum(t - n_warm, 0) / (steps - n_warm))
    return peak * np.where(t < n_warm, (t + 1) / max(n_warm, 1), down)


def steepness(steps=STEPS, early=EARLY):
    """Factor of all curvatures at each step, (steps,): from 1 + early it fades to 1."""
    return 1 + early * np.exp(-np.arange(steps) / FADES)


def expected(lr, early=0.0, noise=NOISE, curvature=CURVATURE):
    """Mean excess loss of noisy descent from error 1 in each direction: rates lr (T,) -> (T + 1,), exactly.

    A step multiplies the error by 1 - ηλ and adds noise of variance η² · noise · λ; early: see `steepness`. A loss
    above
    EDGE stays there: like a network that was thrown too far, it does not come back.
    """
    square, losses = np.ones(len(curvature)), [curvature.sum() / 2]
    for eta, factor in zip(lr, steepness(len(lr), early), strict=True):
        square = (1 - eta * factor * curvature) ** 2 * square + eta**2 * noise * curvature
        losses.append((curvature * square).sum() / 2)
        if losses[-1] > EDGE:
            return _over_the_edge(losses, len(lr))
    return np.array(losses)


def walk(lr, early=0.0, noise=NOISE, curvature=CURVATURE, seed=0):
    """Excess loss of one random walk with rates lr (T,) -> (T + 1,); its mean over seeds is `expected`."""
    rng, error, losses = np.random.default_rng(seed), np.ones(len(curvature)), [curvature.sum() / 2]
    for eta, factor in zip(lr, steepness(len(lr), early), strict=True):
        push = np.sqrt(noise * curvature) * rng.standard_normal(len(curvature))
        error = error - eta * (factor * curvature * error + push)
        losses.append((curvature * error**2).sum() / 2)
        if losses[-1] > EDGE:
            return _over_the_edge(losses, len(lr))
    return np.array(losses)


def _over_the_edge(losses, steps):
    """The losses so far, then EDGE to the end -> (steps + 1,)."""
    return np.array(losses[:-1] + [EDGE] * (steps + 2 - len(losses)))


def best_constant(early=EARLY):
    """The constant rate with the least expected loss after STEPS steps -> rate, loss."""
    grid = np.geomspace(0.01, 2, 60)
    ends = [expected(np.full(STEPS, lr), early)[-1] for lr in grid]
    return grid[np.argmin(ends)], min(ends)


BEST = best_constant()


def range_test(steps=100, seed=0):
    """A range test on the bowl -> rates (steps,) from 0.001 to 10, losses
    (steps,) of one walk, measured before the step.
    """
    lr = np.geomspace(1e-3, 10, steps)
    return lr, walk(lr, EARLY, seed=seed)[:-1]


RANGE = range_test()


def draw_schedule(schedule="cosine", warm_up=0.1, peak=1.0, final=0.0, axes=None):
    """The rates, what they do to noisy descent, and the range test -> (Figure, sentence).

    schedule: one of KINDS; warm_up: share of the steps; peak: highest rate; final: last rate as a share of the peak.
    """
    axes = _three() if axes is None else axes
    lr = rates(schedule, warm_up, peak, final)
    mean, one = expected(lr, EARLY), walk(lr, EARLY)
    constant = expected(np.full(STEPS, BEST[0]), EARLY)
    t = np.arange(STEPS + 1)
    axes[0].plot(t[:-1], lr, color=plot.RED, linestyle="-")
    axes[0].plot(t[:-1], 2 / steepness(), color=plot.BLACK, linestyle=":", linewidth=1.4)
    axes[0].text(95, 2.02, "bound 2/λ", fontsize=9, va="bottom")
    axes[0].set(xlabel="step", ylabel="learning rate", ylim=(0, 2.4))
    axes[0].set_title(f"{schedule}, warm-up {warm_up:.0%}", fontsize=11)
    for y, style in ((one, (plot.SKY, "-", 1)), (mean, (plot.RED, "-", 2)), (constant, (plot.BLACK, "--", 1.3))):
        axes[1].semilogy(t, np.clip(y, 1e-3, 1e6), color=style[0], linestyle=style[1], linewidth=style[2])
    axes[1].set(xlabel="step", ylabel="loss above the minimum", ylim=(2e-3, 3e2))
    verdict, ratio = _verdict(mean[-1], lr), mean[-1] / BEST[1]
    axes[1].set_title(verdict, fontsize=11)
    axes[1].legend(["one walk", "mean", "best constant"], fontsize=8, loc="upper right", borderaxespad=0.1)
    axes[2].loglog(RANGE[0], np.clip(RANGE[1], 1e-3, 1e2), color=plot.BLUE, linestyle="-", linewidth=1.5)
    axes[2].axvline(peak, color=plot.RED, linestyle="--", linewidth=1.4)
    axes[2].set(xlabel="rate, growing", ylim=(2e-3, 3e2))
    axes[2].set_title("Range test; dashed: your peak", fontsize=11)
    for ax in axes[1:]:
        ax.minorticks_off()  # a logarithmic axis has dozens: they would double the time of a redraw
        ax.set_yticks([1e-2, 1e0, 1e2])
    for ax in axes[:2]:
        ax.set_xticks([0, 100, 200, 300])
    axes[0].set_yticks([0, 1, 2])
    axes[2].set_xticks([1e-3, 1e-1, 1e1])
    return axes[0].figure, (
        f"Left, the learning rate over {STEPS} steps: {schedule}, warm-up {warm_up:.0%}, peak {peak:g}, final share "
        f"{final:g}; dotted, the bound. Middle, the loss above the minimum: "
        f"{mean[-1]:.3g} at the end, {ratio:.2g} times "
        f"that of the best constant rate {BEST[0]:.2g} ({BEST[1]:.3g}). "
        f"{verdict}. Right, the loss while the rate grows."
    )


def _verdict(end, lr):
    if end > 10:
        return "Diverges"
    if end < 0.9 * BEST[1]:
        return "Beats the best constant rate"
    if end < 1.1 * BEST[1]:
        return "As good as the best constant"
    floor = expected(np.full(200, lr[-1]), noise=NOISE)[-1] if lr[-1] > 0.05 else 0.0
    return "Worse: it trembles" if floor > 0.5 * end else "Worse: it has not gone far enough"


def _three():
    """Three axes with fixed margins: computing the layout would double the time of a redraw."""
    figure, axes = plt.subplots(1, 3, figsize=(10.4, 3.1), layout="none", width_ratios=(1, 1.15, 0.9))
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.17, top=0.9, wspace=0.27)
    return axes


def sweep_peaks(peaks, models, rows, known, warm=0, clip=None):
    """Train copies of networks, one for each peak and seed, side by side -> validation accuracy (peaks, seeds).

    models: one nn.Sequential of linear layers and ReLUs a seed, its start; rows (seeds, steps, B): the batches; known:
    tensors x, y, x_valid, y_valid. SGD with momentum 0.9 and a cosine to 0, after `warm` steps of linear warm-up;
    clip: largest norm of a network's gradient. The networks of a stack never see one another.
    """
    import torch
    from torch.nn import functional as F

    x, y, x_valid, y_valid = known
    n, steps = len(models), rows.shape[1]
    starts = [torch.stack(p) for p in zip(*(m.parameters() for m in models), strict=True)]
    weights = [p.detach().repeat(len(peaks), *[1] * (p.dim() - 1)).requires_grad_() for p in starts]  # (R, …)
    velocity = [torch.zeros_like(w) for w in weights]
    peak = torch.tensor(peaks, device=x.device, dtype=torch.float32).repeat_interleave(n)  # (R,)
    rows = torch.as_tensor(rows, device=x.device).repeat(len(peaks), 1, 1)  # (R, steps, B)
    each = lambda v, w: v.view(-1, *[1] * (w.dim() - 1))  # one number a network

    def forward(h):  # (R, B, 784) -> (R, B, 10)
        for W, b in zip(weights[::2], weights[1::2], strict=True):
            h = torch.baddbmm(b[:, None], h, W.mT)
            h = h if W is weights[-2] else h.relu()
        return h

    for t in range(steps):
        at = rows[:, t]
        loss = F.cross_entropy(forward(x[at]).flatten(0, 1), y[at].flatten(), reduction="sum") / at.shape[1]
        grads, size = torch.autograd.grad(loss, weights), None
        if clip:
            size = sum(g.flatten(1).square().sum(1) for g in grads).sqrt()
            size = (clip / (size + 1e-6)).clamp(max=1)
        down = (1 + np.cos(np.pi * max(t - warm, 0) / (steps - warm))) / 2
        lr = peak * (min((t + 1) / warm, 1.0) if warm else 1.0) * down
        with torch.no_grad():
            for w, v, g in zip(weights, velocity, grads, strict=True):
                v.mul_(0.9).add_(g * each(size, g) if clip else g)
                w.sub_(each(lr, w) * v)
    with torch.no_grad():
        logits = forward(x_valid.expand(len(peak), *x_valid.shape))
    return (logits.argmax(-1) == y_valid).double().mean(1).view(len(peaks), n).cpu().numpy()


def draw_warm_up(curvature, limits, peaks, found):
    """The largest curvature during a warm-up, and the accuracy against the peak rate -> (Figure, sentence).

    curvature: {step: value}; limits: {label: (values by step, stable below)}; found: {name: accuracy (peaks, seeds)}.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6))
    left.semilogy(*zip(*curvature.items(), strict=True), color=plot.BLUE, marker="o", linestyle="-", label="curvature")
    for (label, values), colour, line in zip(limits.items(), (plot.RED, plot.BLACK), ("--", ":"), strict=True):
        left.semilogy(values, color=colour, linestyle=line, linewidth=1.4, label=label)
    left.set(title="The start is the steepest place", xlabel="step", ylabel="largest curvature")
    left.legend(fontsize=8)
    best = []
    for i, (name, accuracy) in enumerate(found.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i], "marker": plot.MARKERS[i]}
        mean = accuracy.mean(1)
        right.errorbar(peaks, mean, accuracy.std(1, ddof=1), **style, capsize=2, linewidth=1.4, label=name)
        best.append(f"{name} {mean.max():.2f} at {peaks[mean.argmax()]:g}")
    right.set(xscale="log", xlabel="peak rate", ylabel="validation accuracy", ylim=(0, 0.85))
    right.set(title="A wider range of peaks, hardly a better best")
    right.set_xticks(peaks, [f"{p:g}" for p in peaks], fontsize=8, rotation=30)
    right.minorticks_off()
    right.legend(fontsize=8, loc="lower left")
    return fig, (
        "Left, the largest curvature falls within tens of steps from far above the limit of the peak rate to below it. "
        f"Right, validation accuracy against the peak rate, mean and spread of seeds; the best: {', '.join(best)}."
    )
