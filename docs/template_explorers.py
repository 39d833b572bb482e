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
