"""Models and inputs that several tests of utils.parity share."""

from utils import parity  # isort: skip  before Keras: parity imports the frameworks in the right order

import keras
import numpy as np
import torch
from keras import layers as kl
from torch import nn


def uniform(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def ids(*shape):
    return np.random.default_rng(0).integers(0, 11, shape)


def shuffled(model, seed=0):
    """The PyTorch model with random weights and statistics everywhere, biases and running variances included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5, generator=generator) if "running_var" in name else tensor.uniform_(
                    -0.6, 0.6, generator=generator
                )
    return model


def bn(**options):
    return kl.BatchNormalization(momentum=0.9, epsilon=1e-5, **options)


def cnn_torch(k=5):
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(4 * 3 * 4, 8), nn.ReLU(), nn.Linear(8, k),
    )  # fmt: skip


def cnn_keras(k=5, shape=(6, 8, 3), **options):
    return keras.Sequential(
        [keras.Input(shape)] * (shape is not None)
        + [kl.Conv2D(4, 3, padding="same"), bn(**options), kl.ReLU(), kl.MaxPooling2D(2), kl.Flatten(),
           kl.Dropout(0.5), kl.Dense(8, activation="relu"), kl.Dense(k)]
    )  # fmt: skip


X = uniform(7, 6, 8, 3)
Y = np.arange(7) % 5
CROSS = (nn.CrossEntropyLoss(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))


def cnn_pair():
    pair = shuffled(cnn_torch()), cnn_keras()
    parity.copy_weights(*pair)
    return pair
