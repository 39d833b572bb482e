"""Pictures and explorer of lesson 0.0: probabilities of three classes at a temperature."""

import numpy as np

from utils import plot

LOGITS = np.log([1.0, 2.0, 5.0])


def probabilities(temperature):
    """Softmax of `LOGITS` divided by the temperature -> (3,), sums to 1."""
    e = np.exp((LOGITS - LOGITS.max()) / temperature)
    return e / e.sum()


def draw_temperature(temperature=1.0):
    """Bars of the three probabilities -> (Figure, sentence that serves as alt text and under a widget)."""
    p = probabilities(temperature)
    fig, ax = plot.plt.subplots()
    ax.bar(["1", "2", "5"], p, color=plot.BLUE)
    ax.set(
        title=f"Temperature {temperature:g}",
        xlabel="class",
        ylabel="probability",
        ylim=(0, 1),
    )
    shares = ", ".join(f"{share:.2f}" for share in p)
    return (
        fig,
        f"Bars of three class probabilities at temperature {temperature:g}: {shares}.",
    )


def draw_examples(images, labels):
    """Small pictures with their labels -> (Figure, alt text). images (N, H, W), labels (N,)."""
    fig = plot.images(images, titles=[str(label) for label in labels])
    return (
        fig,
        f"{len(images)} small grey digits of 8 by 8 pixels, each with its label above it.",
    )


def draw_losses(losses_torch, losses_keras):
    """Both training curves on the same axes -> (Figure, alt text)."""
    fig, ax = plot.plt.subplots()
    for name, losses in (("PyTorch", losses_torch), ("Keras", losses_keras)):
        colour, line, _ = plot.FRAMEWORKS[name]
        ax.plot(losses, color=colour, linestyle=line, label=name)
    ax.set(title="Same weights, same data, same curve", xlabel="epoch", ylabel="loss")
    ax.legend()
    ends = f"from {losses_torch[0]:.1f} to {losses_torch[-1]:.2f}"
    return (
        fig,
        f"Two training curves that lie on each other fall {ends} in {len(losses_torch)} epochs.",
    )
