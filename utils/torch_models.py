"""Blocks that a lesson has built and a later one needs again, in PyTorch; `utils.keras_models` has the same names."""

from torch import nn


def mlp(n_inputs, n_hidden, n_outputs):
    """Multilayer perceptron with one ReLU layer -> nn.Sequential: x (B, n_inputs) -> logits (B, n_outputs)."""
    return nn.Sequential(nn.Linear(n_inputs, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_outputs))


def small_cnn(n_channels, n_classes, width=16, side=28):
    """Two 3×3 convolutions with pooling and a linear head -> nn.Sequential.

    x (B, n_channels, side, side) -> logits (B, n_classes), after LeCun et al., 1998 with ReLU and max pooling.
    """
    return nn.Sequential(
        nn.Conv2d(n_channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(2 * width * (side // 4) ** 2, n_classes),
    )
