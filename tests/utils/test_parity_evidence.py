"""utils.parity refuses an equality that proves nothing, and takes a bool mask as one."""

from utils import parity  # isort: skip  before Keras: parity imports the frameworks in the right order

import keras
import numpy as np
import pytest
import torch
from keras import layers as kl
from parity_pairs import CROSS, ids, shuffled, uniform
from torch import nn


# --- equality that proves nothing --------------------------------------------------------------------
def dense_pair(seed=0, k=3):
    pair = shuffled(nn.Linear(4, k), seed), keras.Sequential([keras.Input((4,)), kl.Dense(k)])
    parity.copy_weights(*pair)
    return pair


MSE = nn.MSELoss(), keras.losses.MeanSquaredError()


@pytest.mark.parametrize("shape", [(0, 4), (2, 0)])
def test_empty_inputs_are_refused(shape):
    empty = np.zeros(shape, "float32")
    for call in (
        lambda: parity.assert_same(*dense_pair(), empty),
        lambda: parity.assert_same_gradients(*dense_pair(), empty, np.zeros((0, 3)), *MSE),
    ):
        with pytest.raises(parity.ParityError, match="nothing to compare: x has the shapes"):
            call()


def test_inf_on_both_sides_is_refused():
    x = np.full((2, 4), np.inf, "float32")
    model_torch, model_keras = dense_pair()
    with torch.no_grad():
        model_torch.weight.abs_()
    parity.copy_weights(model_torch, model_keras)
    with pytest.raises(parity.ParityError, match="hold inf or NaN"):
        parity.assert_same(model_torch, model_keras, x)


@pytest.mark.parametrize(("bias", "words"), [(0.0, "Every output is 0,"), (0.5, "Every output is 0.5,")])
def test_outputs_that_are_all_the_same_are_refused(bias, words):
    model_torch, model_keras = dense_pair()
    with torch.no_grad():
        model_torch.weight.zero_()
        model_torch.bias.fill_(bias)
    parity.copy_weights(model_torch, model_keras)
    with pytest.raises(parity.ParityError, match=words):
        parity.assert_same(model_torch, model_keras, uniform(5, 4))


def test_one_number_is_no_constant():
    pair = dense_pair(k=1)
    assert parity.assert_same(*pair, uniform(1, 4)) < 1e-5


def test_outputs_below_the_tolerance_must_agree_all_the_same():
    pair = dense_pair()
    small = 1e-9 * uniform(5, 4)
    with torch.no_grad():
        pair[0].bias.zero_()
    parity.copy_weights(*pair)
    assert parity.assert_same(*pair, small) < 1e-12  # small on purpose, and equal: a proof
    with torch.no_grad():
        pair[0].weight.add_(0.1)
    with pytest.raises(parity.ParityError, match="below atol=1e-05, so any two models"):
        parity.assert_same(*pair, small)


class Heads(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.names, self.dense = names, nn.Linear(4, 3)

    def forward(self, x):
        return {name: self.dense(x) * (i + 1) for i, name in enumerate(self.names)}


class KerasHeads(keras.Model):
    def __init__(self, names):
        super().__init__()
        self.names, self.dense = names, kl.Dense(3)

    def call(self, x):
        return {name: self.dense(x) * (i + 1) for i, name in enumerate(self.names)}


def test_outputs_with_other_names_are_refused():
    x = uniform(5, 4)
    for names, same in ((("mean", "scale"), True), (("mean", "width"), False), (("mean",), False)):
        pair = shuffled(Heads(("mean", "scale"))), KerasHeads(names)
        parity.copy_weights(*pair, input_shape=(4,))
        if same:
            assert parity.assert_same(*pair, x) < 1e-5
        else:
            with pytest.raises(parity.ParityError, match="PyTorch gives a dict of mean, scale, Keras a dict of mean"):
                parity.assert_same(*pair, x)


def test_a_dict_is_no_plain_output():
    pair = shuffled(Heads(("mean",))), keras.Sequential([keras.Input((4,)), kl.Dense(3)])
    parity.copy_weights(*pair)
    with pytest.raises(parity.ParityError, match="PyTorch gives a dict of mean, Keras no dict"):
        parity.assert_same(*pair, uniform(5, 4))


def test_gradients_that_are_all_zero_are_refused():
    model_torch = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    model_keras = keras.Sequential([keras.Input((4,)), kl.Dense(3, activation="relu")])
    with torch.no_grad():
        model_torch[0].bias.fill_(-100.0)  # no ReLU is active
    parity.copy_weights(model_torch, model_keras)
    case = model_torch, model_keras, uniform(5, 4), uniform(5, 3), *MSE
    with pytest.raises(parity.ParityError, match="Every gradient is zero"):
        parity.assert_same_gradients(*case)
    steps = torch.optim.SGD(model_torch.parameters(), 0.1), keras.optimizers.SGD(0.1)
    with pytest.raises(parity.ParityError, match="No weight has moved"):
        parity.assert_same_step(*case, *steps)


def test_a_step_with_rate_zero_is_refused():
    pair = dense_pair()
    steps = torch.optim.SGD(pair[0].parameters(), 0.0), keras.optimizers.SGD(0.0)
    with pytest.raises(parity.ParityError, match="No weight has moved.*learning rate 0"):
        parity.assert_same_step(*pair, uniform(5, 4), uniform(5, 3), *MSE, *steps)


def test_a_loss_that_is_not_finite_is_refused():
    losses = (lambda out, y: out.sum() * np.inf), (lambda y, out: keras.ops.sum(out) * np.inf)
    with pytest.raises(parity.ParityError, match="The loss is -?inf in PyTorch and -?inf in Keras"):
        parity.assert_same_gradients(*dense_pair(), uniform(5, 4), uniform(5, 3), *losses)


# --- masks -------------------------------------------------------------------------------------------
class Masked(nn.Module):
    """The mean embedding of the words that count."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(11, 4), nn.Linear(4, 3)

    def forward(self, tokens, mask):
        x = self.embed(tokens).masked_fill(~mask[..., None], 0.0)  # (B, T, D)
        return self.out(x.sum(1) / mask.sum(1, keepdim=True))


class KerasMasked(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed, self.out = kl.Embedding(11, 4), kl.Dense(3)

    def call(self, tokens, mask):
        x = keras.ops.where(mask[..., None], self.embed(tokens), 0.0)
        return self.out(keras.ops.sum(x, 1) / keras.ops.sum(keras.ops.cast(mask, "float32"), 1, keepdims=True))


def test_a_bool_mask_stays_one_beside_an_embedding():
    pair = shuffled(Masked()), KerasMasked()
    x = ids(4, 5), np.arange(5) < np.array([[5], [3], [1], [4]])
    pair[1](*x)
    parity.copy_weights(*pair)
    assert parity.assert_same(*pair, x) < 1e-5
    assert parity.assert_same_gradients(*pair, x, np.arange(4) % 3, *CROSS) < 1e-5
