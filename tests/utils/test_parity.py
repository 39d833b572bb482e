"""utils.parity: every kind of layer, copied and compared; gradients; one step of each optimiser."""

from utils import parity  # isort: skip  before Keras: parity imports the frameworks in the right order

import keras
import numpy as np
import pytest
import torch
from keras import layers as kl
from parity_pairs import CROSS, X, Y, bn, cnn_pair, ids, shuffled, uniform
from torch import nn

BACKEND = keras.backend.backend()


def lstm(**options):
    return kl.LSTM(4, return_sequences=True, **options)


LAYERS = {
    "dense": (lambda: nn.Linear(3, 4), lambda: kl.Dense(4), uniform(2, 3)),
    "dense without bias": (lambda: nn.Linear(3, 4, bias=False), lambda: kl.Dense(4, use_bias=False), uniform(2, 3)),
    "dense on sequences": (lambda: nn.Linear(3, 4), lambda: kl.Dense(4), uniform(2, 5, 3)),
    "conv1d": (lambda: nn.Conv1d(3, 4, 3), lambda: kl.Conv1D(4, 3), uniform(2, 7, 3)),
    "conv2d": (lambda: nn.Conv2d(3, 4, (3, 2)), lambda: kl.Conv2D(4, (3, 2)), uniform(2, 6, 7, 3)),
    "conv2d same": (
        lambda: nn.Conv2d(3, 4, 3, padding="same", bias=False),
        lambda: kl.Conv2D(4, 3, padding="same", use_bias=False),
        uniform(2, 5, 6, 3),
    ),
    "conv2d stride, dilation": (lambda: nn.Conv2d(3, 4, 3, 2), lambda: kl.Conv2D(4, 3, 2), uniform(2, 9, 9, 3)),
    "grouped conv2d": (lambda: nn.Conv2d(4, 6, 3, groups=2), lambda: kl.Conv2D(6, 3, groups=2), uniform(2, 5, 6, 4)),
    "depthwise conv2d": (
        lambda: nn.Conv2d(3, 6, 3, groups=3),
        lambda: kl.DepthwiseConv2D(3, depth_multiplier=2),
        uniform(2, 5, 6, 3),
    ),
    "depthwise conv1d": (lambda: nn.Conv1d(3, 3, 3, groups=3), lambda: kl.DepthwiseConv1D(3), uniform(2, 6, 3)),
    "transposed conv1d": (
        lambda: nn.ConvTranspose1d(3, 4, 2, 2),
        lambda: kl.Conv1DTranspose(4, 2, 2),
        uniform(2, 5, 3),
    ),
    "transposed conv2d": (
        lambda: nn.ConvTranspose2d(3, 4, 4, 2, 1),
        lambda: kl.Conv2DTranspose(4, 4, 2, padding="same"),
        uniform(2, 5, 6, 3),
    ),
    "batch norm 1d": (lambda: nn.BatchNorm1d(3), bn, uniform(4, 3)),
    "batch norm of sequences": (lambda: nn.BatchNorm1d(3), bn, uniform(4, 5, 3)),
    "batch norm 2d": (lambda: nn.BatchNorm2d(3), bn, uniform(4, 5, 6, 3)),
    "batch norm without scale": (
        lambda: nn.BatchNorm1d(3, affine=False),
        lambda: bn(center=False, scale=False),
        uniform(4, 3),
    ),
    "layer norm": (lambda: nn.LayerNorm(5), lambda: kl.LayerNormalization(epsilon=1e-5), uniform(2, 3, 5)),
    "layer norm without bias": (
        lambda: nn.LayerNorm(5, bias=False),
        lambda: kl.LayerNormalization(epsilon=1e-5, center=False),
        uniform(2, 3, 5),
    ),
    "group norm": (lambda: nn.GroupNorm(2, 4), lambda: kl.GroupNormalization(2, epsilon=1e-5), uniform(2, 5, 6, 4)),
    "embedding": (lambda: nn.Embedding(11, 4), lambda: kl.Embedding(11, 4), ids(2, 5)),
    "rnn": (lambda: nn.RNN(3, 4, batch_first=True), lambda: kl.SimpleRNN(4, return_sequences=True), uniform(2, 5, 3)),
    "rnn with relu": (
        lambda: nn.RNN(3, 4, nonlinearity="relu", batch_first=True),
        lambda: kl.SimpleRNN(4, activation="relu", return_sequences=True),
        uniform(2, 5, 3),
    ),
    "lstm": (lambda: nn.LSTM(3, 4, batch_first=True), lstm, uniform(2, 5, 3)),
    "lstm without bias": (
        lambda: nn.LSTM(3, 4, bias=False, batch_first=True),
        lambda: lstm(use_bias=False),
        uniform(2, 5, 3),
    ),
    "gru": (lambda: nn.GRU(3, 4, batch_first=True), lambda: kl.GRU(4, return_sequences=True), uniform(2, 5, 3)),
    "gru without bias": (
        lambda: nn.GRU(3, 4, bias=False, batch_first=True),
        lambda: kl.GRU(4, use_bias=False, return_sequences=True),
        uniform(2, 5, 3),
    ),
    "bidirectional lstm": (
        lambda: nn.LSTM(3, 4, bidirectional=True, batch_first=True),
        lambda: kl.Bidirectional(lstm()),
        uniform(2, 5, 3),
    ),
    "stacked bidirectional gru": (
        lambda: nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True),
        lambda: keras.Sequential([kl.Bidirectional(kl.GRU(4, return_sequences=True)) for _ in range(2)]),
        uniform(2, 5, 3),
    ),
    "stacked lstm": (
        lambda: nn.LSTM(3, 4, 3, batch_first=True),
        lambda: keras.Sequential([lstm() for _ in range(3)]),
        uniform(2, 5, 3),
    ),
    "attention": (
        lambda: nn.MultiheadAttention(6, 2, batch_first=True),
        lambda: kl.MultiHeadAttention(2, 3),
        (uniform(2, 4, 6), uniform(2, 5, 6, seed=1), uniform(2, 5, 6, seed=2)),
    ),
    "attention with other widths": (
        lambda: nn.MultiheadAttention(6, 3, kdim=4, vdim=5, bias=False, batch_first=True),
        lambda: kl.MultiHeadAttention(3, 2, use_bias=False),
        (uniform(2, 4, 6), uniform(2, 5, 4, seed=1), uniform(2, 5, 5, seed=2)),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_gives_the_same_output(name):
    make_torch, make_keras, x = LAYERS[name]
    model_torch, model_keras = shuffled(make_torch()), make_keras()
    parts = x if isinstance(x, tuple) else (x,)
    shape = [p.shape[1:] for p in parts] if len(parts) > 1 else x.shape[1:]
    parity.copy_weights(model_torch, model_keras, input_shape=shape)
    assert parity.assert_same(model_torch, model_keras, x, atol=1e-5) < 1e-5
    assert np.abs(_output(model_keras, x)).max() > 0.01  # not zero on both sides
    with torch.no_grad():
        next(model_torch.parameters(), next(model_torch.buffers(), None)).add_(0.5)
    with pytest.raises(parity.ParityError, match="copy_weights"):
        parity.assert_same(model_torch, model_keras, x)


def _output(model_keras, x):
    from utils.parity import run

    return run.arrays(run.run_keras(model_keras, x))[0]


# --- whole models --------------------------------------------------------------------------------------
def test_cnn_with_flattened_image():
    pair = cnn_pair()
    assert parity.assert_same(*pair, X) < 1e-5
    assert parity.assert_same_gradients(*pair, X, Y, *CROSS) < 1e-5


class TorchCNN(nn.Module):
    """Functional pooling and view instead of layers; names as in the Keras class, order not."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(8, 5)
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm1d(4 * 2 * 3)
        self.hidden = nn.Linear(4 * 2 * 3, 8)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv(x).relu(), 2)
        return self.out(self.hidden(self.norm(x.view(len(x), -1))).relu())


class KerasCNN(keras.Model):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = kl.Conv2D(4, 3, activation="relu"), bn()
        self.pool = kl.MaxPooling2D(2)
        self.hidden, self.out = kl.Dense(8, activation="relu"), kl.Dense(5)

    def call(self, x):
        x = self.pool(self.conv(x))
        return self.out(self.hidden(self.norm(keras.ops.reshape(x, (-1, 4 * 2 * 3)))))


def test_subclassed_models_are_paired_by_name():
    pair = shuffled(TorchCNN()), KerasCNN()
    parity.copy_weights(*pair, input_shape=(6, 8, 3))
    assert parity.assert_same(*pair, X) < 1e-5
    assert parity.assert_same_gradients(*pair, X, Y, *CROSS) < 1e-5


def test_decoder_from_features_to_image():
    model_torch = nn.Sequential(
        nn.Linear(3, 4 * 2 * 3), nn.BatchNorm1d(4 * 2 * 3), nn.ReLU(), nn.Unflatten(1, (4, 2, 3)),
        nn.ConvTranspose2d(4, 3, 2, 2),
    )  # fmt: skip
    model_keras = keras.Sequential(
        [keras.Input((3,)), kl.Dense(4 * 2 * 3), bn(), kl.ReLU(), kl.Reshape((2, 3, 4)), kl.Conv2DTranspose(3, 2, 2)]
    )
    parity.copy_weights(shuffled(model_torch), model_keras)
    z, image = uniform(5, 3), uniform(5, 4, 6, 3)
    assert parity.assert_same(model_torch, model_keras, z) < 1e-5
    losses = nn.MSELoss(), keras.losses.MeanSquaredError()
    assert parity.assert_same_gradients(model_torch, model_keras, z, image, *losses) < 1e-5


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, dropout=0.1, batch_first=True)
        self.norms = nn.ModuleList([nn.LayerNorm(6), nn.LayerNorm(6)])
        self.mlp = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 6))

    def forward(self, x):
        h = self.norms[0](x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.mlp(self.norms[1](x))


class KerasBlock(kl.Layer):
    def __init__(self):
        super().__init__()
        self.norms = [kl.LayerNormalization(epsilon=1e-5) for _ in range(2)]
        self.attention = kl.MultiHeadAttention(2, 3, dropout=0.1)
        self.mlp = keras.Sequential([kl.Dense(12), kl.Activation("gelu"), kl.Dense(6)])

    def call(self, x):
        h = self.norms[0](x)
        x = x + self.attention(h, h)
        return x + self.mlp(self.norms[1](x))


class Transformer(nn.Module):
    def __init__(self, block=Block):
        super().__init__()
        self.position = nn.Parameter(torch.zeros(5, 6))
        self.embed = nn.Embedding(11, 6)
        self.blocks = nn.ModuleList([block() for _ in range(2)])
        self.head = nn.Linear(6, 11)

    def forward(self, tokens):
        x = self.embed(tokens) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class KerasTransformer(keras.Model):
    def __init__(self):
        super().__init__()
        self.position = self.add_weight(shape=(5, 6), name="position")
        self.embed = kl.Embedding(11, 6)
        self.blocks = [KerasBlock() for _ in range(2)]
        self.head = kl.Dense(11)

    def call(self, tokens):
        x = self.embed(tokens) + self.position
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Renamed(Block):
    """The order of KerasBlock under other names: only a mapping can pair them by name."""

    def __init__(self):
        super().__init__()
        self.perceptron = self.mlp
        del self.mlp

    def forward(self, x):
        h = self.norms[0](x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return x + self.perceptron(self.norms[1](x))


def test_nested_transformer_with_own_parameter():
    pair = shuffled(Transformer()), KerasTransformer()
    tokens, after = ids(3, 5), ids(3, 5)
    parity.copy_weights(*pair, input_shape=(5,))
    assert parity.assert_same(*pair, tokens) < 1e-5
    losses = lambda out, y: nn.functional.cross_entropy(out.flatten(0, 1), y.flatten()), CROSS[1]
    assert parity.assert_same_gradients(*pair, tokens, after, *losses) < 1e-5


def test_mapping_pairs_layers_in_another_order():
    model_torch, model_keras = shuffled(Transformer(Renamed)), KerasTransformer()
    with pytest.raises(parity.ParityError, match="first difference is in row 3"):
        parity.copy_weights(model_torch, model_keras, input_shape=(5,))
    names = {"attention": "attention", "norms.0": "norms.0", "norms.1": "norms.1", "perceptron": "mlp"}
    mapping = {f"blocks.{i}.{ours}": f"blocks.{i}.{theirs}" for i in range(2) for ours, theirs in names.items()}
    parity.copy_weights(model_torch, model_keras, mapping={**mapping, "position": "position"}, input_shape=(5,))
    assert parity.assert_same(model_torch, model_keras, ids(3, 5)) < 1e-5


class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.rows = nn.Parameter(torch.ones(2, 3))

    def forward(self, x):
        return x @ self.rows.T


class KerasScale(kl.Layer):
    def build(self, shape):
        self.columns = self.add_weight(shape=(3, 2), name="columns")

    def call(self, x):
        return x @ self.columns


def scale_pair():
    model_torch = shuffled(nn.Sequential(nn.Linear(3, 3), Scale()))
    return model_torch, keras.Sequential([keras.Input((3,)), kl.Dense(3), KerasScale()])


def test_user_defined_layer_needs_a_declared_mapping(monkeypatch):
    from utils.parity import layers

    monkeypatch.setattr(layers, "REGISTERED", {})
    monkeypatch.setattr(parity.rules, "REGISTERED", layers.REGISTERED)
    with pytest.raises(parity.ParityError, match=r"different shapes: PyTorch gives \(2, 3\)"):
        parity.copy_weights(*scale_pair())
    parity.register(Scale, KerasScale, {"rows": ("columns", np.transpose)})
    pair = scale_pair()
    parity.copy_weights(*pair)
    assert parity.assert_same(*pair, uniform(4, 3)) < 1e-5
    losses = nn.MSELoss(), keras.losses.MeanSquaredError()
    assert parity.assert_same_gradients(*pair, uniform(4, 3), uniform(4, 2), *losses) < 1e-5
    parity.register(Scale, KerasScale, {"lines": "columns"})
    with pytest.raises(parity.ParityError, match="no tensor 'lines'; it has rows"):
        parity.copy_weights(*pair)
    parity.register(Scale, KerasScale, {"rows": "kolumns"})
    with pytest.raises(parity.ParityError, match="0 weights at 'kolumns'; it has .*columns"):
        parity.copy_weights(*pair)


def test_mapping_of_single_tensors():
    pair = scale_pair()
    parity.copy_weights(*pair, mapping={"1.rows": ("columns", np.transpose)})
    assert parity.assert_same(*pair, uniform(4, 3)) < 1e-5


class Tied(nn.Module):
    """A text CNN whose output layer shares the embedding."""

    def __init__(self):
        super().__init__()
        self.embed, self.conv = nn.Embedding(11, 4), nn.Conv1d(4, 6, 3, padding=1)
        self.middle, self.head = nn.Linear(6 * 7, 4), nn.Linear(4, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens):
        x = self.conv(self.embed(tokens).transpose(1, 2)).relu()
        return self.head(self.middle(x.flatten(1)))


class KerasTied(keras.Model):
    def __init__(self):
        super().__init__()
        self.embed, self.conv = kl.Embedding(11, 4), kl.Conv1D(6, 3, padding="same", activation="relu")
        self.flatten, self.middle = kl.Flatten(), kl.Dense(4)

    def call(self, tokens):
        x = self.middle(self.flatten(self.conv(self.embed(tokens))))
        return x @ keras.ops.transpose(self.embed.embeddings)


def test_tied_embedding_and_flattened_sequence():
    pair = shuffled(Tied()), KerasTied()
    parity.copy_weights(*pair, input_shape=(7,))
    assert parity.assert_same(*pair, ids(5, 7)) < 1e-5
    assert parity.assert_same_gradients(*pair, ids(5, 7), np.arange(5), *CROSS) < 1e-5


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.Conv2d(4, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.shortcut = nn.Conv2d(4, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x).relu()
        x = (self.norm(self.body(x)) + self.shortcut(x)).relu()
        return self.head(x.mean((2, 3)))


def test_functional_model_with_branches():
    image = keras.Input((6, 8, 3))
    x = kl.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
    body = bn(name="norm")(kl.Conv2D(8, 3, padding="same", name="body")(x))
    x = kl.ReLU()(body + kl.Conv2D(8, 1, name="shortcut")(x))
    model_keras = keras.Model(image, kl.Dense(5, name="head")(kl.GlobalAveragePooling2D()(x)))
    pair = shuffled(Residual()), model_keras
    parity.copy_weights(*pair)
    assert parity.assert_same(*pair, X) < 1e-5
    assert parity.assert_same_gradients(*pair, X, Y, *CROSS) < 1e-5


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, a, b):
        return {"sum": self.left(a) + self.right(b), "left": self.left(a)}


def test_two_inputs_and_two_outputs():
    a, b = keras.Input((3,)), keras.Input((2,))
    left, right = kl.Dense(4), kl.Dense(4)
    model_keras = keras.Model([a, b], {"sum": left(a) + right(b), "left": left(a)})
    model_torch = shuffled(TwoInputs())
    parity.copy_weights(model_torch, model_keras)
    assert parity.assert_same(model_torch, model_keras, (uniform(4, 3), uniform(4, 2))) < 1e-5


def test_dense_reads_uint8_and_float64():
    pair = shuffled(nn.Linear(3, 4)), kl.Dense(4)
    parity.copy_weights(*pair, input_shape=(3,))
    assert parity.assert_same(*pair, np.arange(6, dtype="uint8").reshape(2, 3)) < 1e-5
    assert parity.assert_same(*pair, uniform(2, 3).astype("float64")) < 1e-5


def test_layouts():
    x = uniform(2, 3, 4, 5)
    assert parity.to_torch_layout(x).shape == (2, 5, 3, 4)
    np.testing.assert_array_equal(parity.to_keras_layout(parity.to_torch_layout(x)), x)
    assert parity.to_torch_layout(uniform(2, 7, 3)).shape == (2, 3, 7) and parity.to_torch_layout(X[0, 0]).shape == (
        8,
        3,
    )


# --- modes, state, steps ---------------------------------------------------------------------------------
def test_modes_weights_and_gradients_are_left_as_they_were():
    model_torch, model_keras = cnn_pair()
    model_torch.train()
    model_torch[1].eval()
    before = [t.clone() for t in model_torch.state_dict().values()], [w.copy() for w in model_keras.get_weights()]
    optimizers = (
        torch.optim.Adam(model_torch.parameters(), lr=0.01, eps=1e-12),
        keras.optimizers.Adam(0.01, epsilon=1e-12),
    )
    parity.assert_same(model_torch, model_keras, X)
    parity.assert_same_gradients(model_torch, model_keras, X, Y, *CROSS)
    parity.assert_same_step(model_torch, model_keras, X, Y, *CROSS, *optimizers)
    assert [m.training for m in model_torch[:3]] == [True, False, True] and model_torch[5].p == 0.5
    assert model_keras.layers[5].rate == 0.5 and all(p.grad is None for p in model_torch.parameters())
    assert all(map(torch.equal, before[0], model_torch.state_dict().values()))
    assert all(map(np.array_equal, before[1], model_keras.get_weights()))
    assert not optimizers[0].state_dict()["state"] and int(optimizers[1].iterations) == 0


OPTIMIZERS = {
    "sgd": (lambda p: torch.optim.SGD(p, 0.1), lambda: keras.optimizers.SGD(0.1)),
    "momentum": (lambda p: torch.optim.SGD(p, 0.1, 0.9), lambda: keras.optimizers.SGD(0.1, 0.9)),
    "nesterov": (
        lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True),
        lambda: keras.optimizers.SGD(0.1, 0.9, nesterov=True),
    ),
    "adam": (lambda p: torch.optim.Adam(p, 0.001, eps=1e-7), lambda: keras.optimizers.Adam(0.001, epsilon=1e-7)),
    "adamw": (
        lambda p: torch.optim.AdamW(p, 0.001, eps=1e-7, weight_decay=0.1),
        lambda: keras.optimizers.AdamW(0.001, epsilon=1e-7, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_step_of_each_optimizer(name):
    model_torch = shuffled(nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.BatchNorm1d(8), nn.Linear(8, 5)))
    model_keras = keras.Sequential([keras.Input((3,)), kl.Dense(8, activation="tanh"), bn(), kl.Dense(5)])
    parity.copy_weights(model_torch, model_keras)
    make_torch, make_keras = OPTIMIZERS[name]
    optimizers = make_torch(model_torch.parameters()), make_keras()
    assert parity.assert_same_step(model_torch, model_keras, uniform(7, 3), Y, *CROSS, *optimizers) < 1e-5


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "conv2d", "embedding", "layer norm", "transposed conv2d"])
def test_gradients_of_layers(name):
    make_torch, make_keras, x = LAYERS[name]
    model_torch, model_keras = shuffled(make_torch()), make_keras()
    parity.copy_weights(model_torch, model_keras, input_shape=x.shape[1:])
    first = lambda out: out[0] if isinstance(out, tuple) else out
    losses = lambda out, y: (first(out) ** 2).mean(), lambda y, out: keras.ops.mean(out**2)
    assert parity.assert_same_gradients(model_torch, model_keras, x, np.zeros(2), *losses) < 1e-5
