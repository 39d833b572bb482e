"""Blocks that a lesson has built and a later one needs again, in Keras; `utils.torch_models` has the same names."""

import math

from utils import runtime

runtime.triton_first()
import keras
from keras import layers, ops


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


def feature_cnn(n_channels, n_classes, n_features=32, width=32):
    """Three 3×3 convolutions, global average pooling and `n_features` features below a linear head -> Sequential.

    x (B, H, W, n_channels) -> logits (B, n_classes); `keras.Sequential(model.layers[:-1])` gives the features
    (B, n_features), which are what a Fréchet distance compares (lesson 4.3).
    """
    return keras.Sequential(
        [
            keras.Input((None, None, n_channels)),
            *_convolution(width),
            layers.MaxPooling2D(),
            *_convolution(2 * width),
            layers.MaxPooling2D(),
            *_convolution(2 * width),
            layers.GlobalAveragePooling2D(),
            layers.Dense(n_features, activation="relu"),
            layers.Dense(n_classes),
        ]
    )


def _convolution(c_out):
    norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)  # PyTorch calls this momentum 0.1
    return layers.Conv2D(c_out, 3, padding="same", use_bias=False), norm, layers.ReLU()


def time_embedding(t, width):
    """Sines and cosines of the time at `width / 2` frequencies (Vaswani et al., 2017): t (B,) -> (B, width)."""
    frequencies = ops.exp(-math.log(10_000) / (width // 2) * ops.arange(width // 2, dtype="float32"))
    angles = ops.cast(t, "float32")[:, None] * frequencies  # (B, width / 2)
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], 1)


class ResidualBlock(layers.Layer):
    """Two convolutions around which the input runs; the time is added between them (Ho et al., 2020).

    x (B, H, W, c_in), time (B, d_time) -> (B, H, W, c_out).
    """

    def __init__(self, c_in, c_out, d_time, **kwargs):
        super().__init__(**kwargs)
        self.norm1, self.conv1 = layers.GroupNormalization(8, epsilon=1e-5), layers.Conv2D(c_out, 3, padding="same")
        self.time = layers.Dense(c_out)
        self.norm2, self.conv2 = layers.GroupNormalization(8, epsilon=1e-5), layers.Conv2D(c_out, 3, padding="same")
        self.skip = layers.Identity() if c_in == c_out else layers.Conv2D(c_out, 1)

    def call(self, x, time):
        h = self.conv1(ops.silu(self.norm1(x))) + self.time(time)[:, None, None, :]
        return self.skip(x) + self.conv2(ops.silu(self.norm2(h)))


class UNet(keras.Model):
    """U-Net that knows the time (Ronneberger et al., 2015; Ho et al., 2020), lesson 4.3.

    [x (B, H, W, n_channels), t (B,)] -> (B, H, W, n_channels). `widths` are the channels at full, half, quarter …
    resolution, each divisible by 8; H and W are divisible by 2 ** (len(widths) - 1).
    """

    def __init__(self, n_channels=1, widths=(16, 48, 96), d_time=64, **kwargs):
        super().__init__(**kwargs)
        self.d_time = d_time
        self.time1, self.time2 = layers.Dense(d_time), layers.Dense(d_time)
        self.first = layers.Conv2D(widths[0], 3, padding="same")
        down = zip((widths[0], *widths), widths, strict=False)
        self.down = [ResidualBlock(c_in, c_out, d_time) for c_in, c_out in down]
        self.middle = ResidualBlock(widths[-1], widths[-1], d_time)
        up = zip((widths[-1], *widths[::-1]), widths[::-1], strict=False)
        self.up = [ResidualBlock(below + c, c, d_time) for below, c in up]
        self.norm, self.last = layers.GroupNormalization(8, epsilon=1e-5), layers.Conv2D(n_channels, 3, padding="same")
        self.shrink, self.grow = layers.AveragePooling2D(2), layers.UpSampling2D(2)  # nearest neighbour

    def call(self, inputs):
        x, t = inputs
        time = ops.silu(self.time2(ops.silu(self.time1(time_embedding(t, self.d_time)))))  # (B, d_time)
        h, kept = self.first(x), []
        for i, block in enumerate(self.down):
            h = block(h if i == 0 else self.shrink(h), time)
            kept.append(h)
        h = self.middle(h, time)
        for i, block in enumerate(self.up):
            h = h if i == 0 else self.grow(h)
            h = block(ops.concatenate([h, kept.pop()], -1), time)
        return self.last(ops.silu(self.norm(h)))
