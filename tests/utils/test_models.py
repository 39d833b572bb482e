"""The blocks of utils.torch_models and utils.keras_models are the same functions under the same names."""

import inspect

import numpy as np
import pytest

from utils import runtime

runtime.import_frameworks()
import keras
import torch

from utils import keras_models, parity, torch_models

BLOCKS = [
    ("mlp", {"n_inputs": 12, "n_hidden": 7, "n_outputs": 3}, (12,), 12 * 7 + 7 + 7 * 3 + 3),
    ("small_cnn", {"n_channels": 1, "n_classes": 10}, (28, 28, 1), 160 + 4640 + 32 * 49 * 10 + 10),
    ("small_cnn", {"n_channels": 3, "n_classes": 4, "width": 5, "side": 18}, (18, 18, 3), 140 + 460 + 10 * 16 * 4 + 4),
]


def both(name, arguments):
    runtime.seed(0)
    return getattr(torch_models, name)(**arguments), getattr(keras_models, name)(**arguments)


@pytest.mark.parametrize(("name", "arguments", "shape", "count"), BLOCKS)
def test_same_parameters_and_same_outputs(name, arguments, shape, count):
    model_torch, model_keras = both(name, arguments)
    assert sum(p.numel() for p in model_torch.parameters()) == count == model_keras.count_params()
    x = np.random.default_rng(0).standard_normal((5, *shape)).astype(np.float32)
    with pytest.raises(parity.ParityError):
        parity.assert_same(model_torch, model_keras, x)  # different weights before they are copied
    parity.copy_weights(model_torch, model_keras)
    assert parity.assert_same(model_torch, model_keras, x, atol=1e-5) < 1e-5


@pytest.mark.parametrize(("name", "arguments", "shape", "count"), BLOCKS)
def test_outputs_are_logits(name, arguments, shape, count):
    model_torch, model_keras = both(name, arguments)
    k = list(arguments.values())[1 if name == "small_cnn" else 2]
    assert model_keras.output_shape == (None, k) and model_torch[-1].out_features == k
    assert model_keras.layers[-1].activation is keras.activations.linear
    assert isinstance(model_torch[-1], torch.nn.Linear)


def test_both_modules_offer_the_same_names_and_arguments():
    def offered(module):
        found = inspect.getmembers(module, lambda part: inspect.isfunction(part) or inspect.isclass(part))
        own = {name: part for name, part in found if part.__module__ == module.__name__ and name[0] != "_"}
        return {name: [p for p in inspect.signature(part).parameters if p != "kwargs"] for name, part in own.items()}

    assert offered(torch_models) == offered(keras_models) and len(offered(torch_models)) >= 2


def test_gradients_agree_too():
    model_torch, model_keras = both("mlp", BLOCKS[0][1])
    parity.copy_weights(model_torch, model_keras)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((6, 12)).astype(np.float32), rng.integers(0, 3, 6)
    loss_keras = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    gap = parity.assert_same_gradients(model_torch, model_keras, x, y, torch.nn.CrossEntropyLoss(), loss_keras)
    assert gap < 1e-5


def test_feature_cnn_counts_and_agrees_and_its_body_gives_features():
    model_torch, model_keras = both("feature_cnn", {"n_channels": 1, "n_classes": 10, "n_features": 6, "width": 4})
    count = 36 + 8 + 288 + 16 + 576 + 16 + (8 * 6 + 6) + (6 * 10 + 10)
    assert sum(p.numel() for p in model_torch.parameters()) == count
    x = np.random.default_rng(0).standard_normal((5, 28, 28, 1)).astype(np.float32)
    parity.copy_weights(model_torch, model_keras, input_shape=(28, 28, 1))
    assert parity.assert_same(model_torch, model_keras, x) < 1e-5
    model_torch.eval()
    assert model_torch[:-1](torch.tensor(parity.to_torch_layout(x))).shape == (5, 6)


@pytest.mark.parametrize("side", [8, 12])
def test_unet_agrees_at_every_size_and_sees_the_time(side):
    runtime.seed(0)
    model_torch, model_keras = torch_models.UNet(2, (8, 16), 8), keras_models.UNet(2, (8, 16), 8)
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((3, side, side, 2)).astype(np.float32), np.array([1.0, 500.0, 1000.0], "float32")
    model_keras([x, t])
    parity.copy_weights(model_torch, model_keras)
    assert parity.assert_same(model_torch, model_keras, (x, t)) < 1e-5
    here, later = (keras.ops.convert_to_numpy(model_keras([x, time])) for time in (t, t - 1))
    assert here.shape == x.shape and np.abs(here - later).max() > 1e-4


def test_time_embedding_is_sines_and_cosines_of_falling_frequencies():
    t = np.array([0.0, 1.0, 7.0])
    ours = torch_models.time_embedding(torch.tensor(t), 4).numpy()
    theirs = keras.ops.convert_to_numpy(keras_models.time_embedding(t, 4))
    angles = np.stack([t, t / 100], 1)
    assert np.allclose(ours, np.hstack([np.sin(angles), np.cos(angles)]), atol=1e-6)
    assert np.allclose(ours, theirs, atol=1e-6)
