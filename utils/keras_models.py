"""Blocks that a lesson has built and a later one needs again, in Keras; `utils.torch_models` has the same names."""

from utils import runtime

runtime.triton_first()
import keras
from keras import layers


def mlp(n_inputs, n_hidden, n_outputs):
    """Multilayer perceptron with one ReLU layer -> Sequential: x (B, n_inputs) -> logits (B, n_outputs)."""
    return keras.Sequential(
        [keras.Input((n_inputs,)), layers.Dense(n_hidden, activation="relu"), layers.Dense(n_outputs)]
    )


def small_cnn(n_channels, n_classes, width=16, side=28):
    """Two 3×3 convolutions with pooling and a linear head -> Sequential.

    x (B, side, side, n_channels) -> logits (B, n_classes), after LeCun et al., 1998 with ReLU and max pooling.
    """
    return keras.Sequential(
        [
            keras.Input((side, side, n_channels)),
            layers.Conv2D(width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * width, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(n_classes),
        ]
    )
