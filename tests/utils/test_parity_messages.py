"""utils.parity: what it says when the two models are not the same function: layer, shapes, difference, cause."""

from utils import parity  # isort: skip  before Keras: parity imports the frameworks in the right order

import keras
import numpy as np
import pytest
import torch
from keras import layers as kl
from parity_pairs import CROSS, X, Y, bn, cnn_keras, cnn_pair, cnn_torch, shuffled, uniform
from torch import nn


def message(call, *args, **options):
    with pytest.raises(parity.ParityError) as error:
        call(*args, **options)
    return str(error.value)


def different(model_torch, model_keras, x, **options):
    """The message of assert_same after the weights have been copied."""
    shuffled(model_torch)
    parity.copy_weights(model_torch, model_keras, input_shape=x.shape[1:])
    return message(parity.assert_same, model_torch, model_keras, x, **options)


# --- pairing and building --------------------------------------------------------------------------------
def test_other_number_of_layers_shows_both_lists():
    text = message(parity.copy_weights, nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), kl.Dense(4), input_shape=(3,))
    assert "first difference is in row 2" in text and "->   2 1: Linear" in text and "(none)" in text


def test_other_kind_of_layer_is_marked():
    model_keras = keras.Sequential([keras.Input((6, 8, 3)), kl.Conv2D(4, 3), kl.Flatten(), kl.Dense(8), kl.Dense(5)])
    text = message(parity.copy_weights, cnn_torch(), model_keras)
    assert "first difference is in row 2" in text and "->   2 1: BatchNorm2d" in text and "Dense" in text


def test_shapes_that_differ_are_named():
    text = message(parity.copy_weights, nn.Linear(3, 4), kl.Dense(5), input_shape=(3,))
    assert "model: Linear" in text and "PyTorch gives (3, 4)" in text and "`kernel` is (3, 5)" in text


@pytest.mark.parametrize("bias", [True, False])
def test_missing_bias_is_named(bias):
    text = message(parity.copy_weights, nn.Linear(3, 4, bias=bias), kl.Dense(4, use_bias=not bias), input_shape=(3,))
    assert f"{'PyTorch' if bias else 'Keras'} has" in text and "use_bias" in text


def test_model_without_weights_asks_for_the_shape():
    assert "pass input_shape" in message(parity.copy_weights, nn.Linear(3, 4), kl.Dense(4))
    wrong = keras.Sequential([kl.Conv2D(3, 3)])
    text = message(parity.copy_weights, nn.Conv2d(3, 3, 3), wrong, input_shape=(5,))
    assert "cannot be built on inputs of shape [(2, 5)]" in text


def test_layers_that_keras_has_not():
    gru = kl.GRU(4, reset_after=False, return_sequences=True)
    assert "reset_after=True" in message(parity.copy_weights, nn.GRU(3, 4), gru, input_shape=(5, 3))
    assert "proj_size" in message(parity.copy_weights, nn.LSTM(3, 4, proj_size=2), kl.LSTM(4), input_shape=(5, 3))
    two = nn.LSTM(3, 4, bidirectional=True)
    assert "only one of the two is bidirectional" in message(parity.copy_weights, two, kl.LSTM(4), input_shape=(5, 3))


def test_unknown_layer_in_the_mapping():
    text = message(parity.copy_weights, nn.Sequential(nn.Linear(3, 4)), kl.Dense(4), {"0": "hidden"}, (3,))
    assert "no layer 'hidden'" in text


# --- outputs -----------------------------------------------------------------------------------------------
def test_forgotten_copy_names_the_first_layer():
    text = message(parity.assert_same, shuffled(cnn_torch()), cnn_keras(), X)
    assert "The outputs differ by up to" in text and "shapes PyTorch [(7, 5)], Keras [(7, 5)]" in text
    assert "The first layer whose output differs is 0: Conv2d" in text
    assert "shape (7, 6, 8, 4), largest difference" in text and "call parity.copy_weights" in text


def test_layer_in_the_middle_is_named():
    model_torch, model_keras = cnn_pair()
    with torch.no_grad():
        model_torch[6].bias[3] += 0.25
    text = message(parity.assert_same, model_torch, model_keras, X)
    assert (
        "The first layer whose output differs is 6: Linear" in text and "difference 0.25. Likely: the weights" in text
    )


@pytest.mark.parametrize(
    ("model_torch", "model_keras", "x", "words"),
    [
        (nn.BatchNorm1d(3), lambda: bn(), uniform(4, 3), None),
        (
            nn.BatchNorm1d(3),
            lambda: kl.BatchNormalization(epsilon=0.01),
            uniform(4, 3),
            "eps is 1e-05 in PyTorch and 0.01 in Keras: set epsilon=1e-05",
        ),
        (nn.LayerNorm(3), lambda: kl.LayerNormalization(), uniform(4, 3), "eps is 1e-05 in PyTorch and 0.001 in Keras"),
        (
            nn.Conv2d(3, 4, 3, 2, 1),
            lambda: kl.Conv2D(4, 3, 2, padding="same"),
            uniform(2, 6, 6, 3),
            "padding is 1 in PyTorch and 'same' in Keras; with a stride",
        ),
        (
            nn.Conv2d(3, 4, 3, padding=1),
            lambda: kl.Conv2D(4, 3),
            uniform(2, 6, 6, 3),
            "shapes (2, 6, 6, 4) (PyTorch) and (2, 4, 4, 4) (Keras). Likely: the padding is 1",
        ),
        (nn.Conv1d(3, 4, 3, 2), lambda: kl.Conv1D(4, 3), uniform(2, 7, 3), "stride is 2 in PyTorch and 1 in Keras"),
        (
            nn.ConvTranspose2d(3, 4, 3, 2, 1, 1),
            lambda: kl.Conv2DTranspose(4, 3, 2, padding="same"),
            uniform(2, 5, 5, 3),
            "padding is 1 in PyTorch and 'same' in Keras",
        ),
        (nn.RNN(3, 4), lambda: kl.SimpleRNN(4, return_sequences=True), uniform(5, 5, 3), "batch_first=True"),
        (
            nn.RNN(3, 4, nonlinearity="relu", batch_first=True),
            lambda: kl.SimpleRNN(4, return_sequences=True),
            uniform(2, 5, 3),
            "activation is relu in PyTorch and tanh in Keras",
        ),
        (nn.LSTM(3, 4, batch_first=True), lambda: kl.LSTM(4), uniform(2, 5, 3), "return_sequences=True"),
        (
            nn.GRU(3, 4, batch_first=True),
            lambda: kl.GRU(4, recurrent_activation="hard_sigmoid", return_sequences=True),
            uniform(2, 5, 3),
            "gates' activation is sigmoid in PyTorch and hard_sigmoid",
        ),
    ],
)
def test_likely_cause_in_a_layer(model_torch, model_keras, x, words):
    if words is None:
        shuffled(model_torch)
        pair = model_torch, model_keras()
        parity.copy_weights(*pair, input_shape=x.shape[1:])
        assert parity.assert_same(*pair, x) < 1e-5
    else:
        assert words in different(model_torch, model_keras(), x)


def between(torch_layers, keras_layers, x):
    model_torch = nn.Sequential(nn.Linear(x.shape[-1], 4), *torch_layers, nn.Linear(4, 2))
    return different(model_torch, keras.Sequential([kl.Dense(4), *keras_layers, kl.Dense(2)]), x)


def test_cause_between_two_layers():
    text = between([nn.LeakyReLU()], [kl.LeakyReLU()], uniform(4, 3))
    assert "between 0: Linear" in text and "and the input of 2: Linear" in text
    assert "the slope of LeakyReLU is 0.01 in PyTorch and 0.3 in Keras" in text
    text = between([nn.GELU(approximate="tanh")], [kl.Activation("gelu")], 3 * uniform(4, 3))
    assert "between 0: Linear" in text and "GELU exact or tanh" in text


def test_cause_after_the_last_layer():
    model_torch = nn.Sequential(nn.Linear(3, 4), nn.Softmax(dim=-1))
    text = different(model_torch, keras.Sequential([kl.Dense(4)]), uniform(4, 3))
    assert "The difference arises after 0: Linear" in text


def test_activation_inside_the_keras_layer():
    text = different(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), kl.Dense(4, activation="tanh"), uniform(4, 3))
    assert "arises after 0: Linear" in text and "activation" in text


def test_flatten_order_is_named():
    model_torch = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(96, 2))
    layers = [keras.Input((6, 8, 3)), kl.Conv2D(4, 3), kl.Permute((2, 1, 3)), kl.Flatten(), kl.Dense(2)]
    text = different(model_torch, keras.Sequential(layers), X)
    assert "between 0: Conv2d" in text and "and the input of 2: Linear" in text and "flatten order" in text


def test_permute_before_flatten_keeps_the_order_of_pytorch():
    model_torch = shuffled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(96, 2)))
    layers = [keras.Input((6, 8, 3)), kl.Conv2D(4, 3), kl.Permute((3, 1, 2)), kl.Flatten(), kl.Dense(2)]
    model_keras = keras.Sequential(layers)
    parity.copy_weights(model_torch, model_keras)
    assert parity.assert_same(model_torch, model_keras, X) < 1e-5


class AlwaysDropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(30, 4)

    def forward(self, x):
        return self.linear(nn.functional.dropout(x))


def test_dropout_outside_training_is_named():
    text = different(AlwaysDropout(), kl.Dense(4), uniform(4, 30))
    assert "The PyTorch model answers differently each time" in text and "train mode" in text


def test_nan_is_no_parity():
    pair = shuffled(nn.Linear(3, 4)), kl.Dense(4)
    parity.copy_weights(*pair, input_shape=(3,))
    assert "differ by up to inf" in message(parity.assert_same, *pair, np.full((2, 3), np.nan, "float32"))


def test_tolerance_is_kept():
    model_torch, model_keras = cnn_pair()
    with torch.no_grad():
        model_torch[8].bias += 1e-3
    assert 9e-4 < parity.assert_same(model_torch, model_keras, X, atol=2e-3) < 1.1e-3
    assert "0.001" in message(parity.assert_same, model_torch, model_keras, X, atol=1e-5)


# --- losses, gradients, steps --------------------------------------------------------------------------------
def test_other_loss_is_named():
    text = message(parity.assert_same_gradients, *cnn_pair(), X, Y, nn.CrossEntropyLoss(reduction="sum"), CROSS[1])
    assert "The losses differ by" in text and "mean or sum" in text


def test_other_output_is_told_before_the_loss():
    model_torch, model_keras = cnn_pair()
    with torch.no_grad():
        model_torch[8].bias[0] += 1
    text = message(parity.assert_same_gradients, model_torch, model_keras, X, Y, *CROSS)
    assert "The first layer whose output differs is 8: Linear" in text


def test_frozen_weight_is_named():
    model_torch, model_keras = cnn_pair()
    model_torch[6].requires_grad_(False)
    text = message(parity.assert_same_gradients, model_torch, model_keras, X, Y, *CROSS)
    assert "The gradient of 6: Linear" in text and "frozen only in PyTorch" in text


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Linear(3, 4), nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.body(x).detach())


def test_detached_gradient_is_named():
    pair = shuffled(Detached()), keras.Sequential([keras.Input((3,)), kl.Dense(4), kl.Dense(5)])
    parity.copy_weights(*pair)
    text = message(parity.assert_same_gradients, *pair, uniform(7, 3), Y, *CROSS)
    assert "The gradient of body: Linear" in text and "detach()" in text and "shape (4,)" in text


def step(optimizer_torch, optimizer_keras, pair=None):
    pair = pair or cnn_pair()
    optimizers = optimizer_torch(pair[0].parameters()), optimizer_keras
    return message(parity.assert_same_step, *pair, X, Y, *CROSS, *optimizers)


def test_settings_of_optimizers_are_named():
    SGD, Adam = torch.optim.SGD, torch.optim.Adam
    assert "lr is 0.1 in PyTorch and 0.2" in step(lambda p: SGD(p, 0.1), keras.optimizers.SGD(0.2)).replace(
        "0.20000000298023224", "0.2"
    )
    assert "nesterov is False in PyTorch and 1.0" in step(
        lambda p: SGD(p, 0.1, 0.9), keras.optimizers.SGD(0.1, 0.9, nesterov=True)
    )
    assert "eps is 0.1 in PyTorch and 1e-07" in step(lambda p: Adam(p, 0.1, eps=0.1), keras.optimizers.Adam(0.1))
    text = step(
        lambda p: torch.optim.AdamW(p, 0.1, eps=1e-7, weight_decay=1), keras.optimizers.AdamW(0.1, weight_decay=0.1)
    )
    assert "weight decay is 1 in PyTorch" in text and "The weight after one step of" in text


def test_momentum_of_batch_norm_is_named():
    model_torch, model_keras = (
        shuffled(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 5))),
        keras.Sequential([keras.Input((3,)), kl.BatchNormalization(epsilon=1e-5), kl.Dense(5)]),
    )
    parity.copy_weights(model_torch, model_keras)
    optimizers = torch.optim.SGD(model_torch.parameters(), 0.1), keras.optimizers.SGD(0.1)
    text = message(parity.assert_same_step, model_torch, model_keras, uniform(7, 3), Y, *CROSS, *optimizers)
    assert "momentum of batch norm: PyTorch's m is 1 - m in Keras" in text and "moving_mean" in text


class LastStep(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 5, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0][:, -1]


def test_two_biases_of_pytorch_are_named():
    pair = shuffled(LastStep()), keras.Sequential([keras.Input((6, 3)), kl.LSTM(5)])
    parity.copy_weights(*pair)
    x, sgd = uniform(7, 6, 3), torch.optim.SGD(pair[0].parameters(), 0.5)
    text = message(parity.assert_same_step, *pair, x, Y, *CROSS, sgd, keras.optimizers.SGD(0.5))
    assert "two bias vectors" in text and "freeze bias_hh" in text
    pair[0].rnn.bias_hh_l0.requires_grad_(False)
    sgd = torch.optim.SGD([p for p in pair[0].parameters() if p.requires_grad], 0.5)
    assert parity.assert_same_step(*pair, x, Y, *CROSS, sgd, keras.optimizers.SGD(0.5)) < 1e-5
    assert parity.assert_same_gradients(*pair, x, Y, *CROSS) < 1e-5


def test_step_asks_for_a_copy_first():
    text = step(lambda p: torch.optim.SGD(p, 0.1), keras.optimizers.SGD(0.1), (shuffled(cnn_torch()), cnn_keras()))
    assert "differ before the step" in text and "copy_weights" in text
