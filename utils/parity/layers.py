"""The layers with weights of a PyTorch and of a Keras model, in order, and what a pair of weights is."""

from dataclasses import dataclass, field
from itertools import zip_longest

import keras
import numpy as np
from keras import layers as kl
from torch import nn

REGISTERED = {}  # PyTorch class -> (Keras class, mapping), see parity.register

TORCH_KINDS = {
    nn.Linear: "dense",
    nn.Conv1d: "conv1d",
    nn.Conv2d: "conv2d",
    nn.ConvTranspose1d: "transposed conv1d",
    nn.ConvTranspose2d: "transposed conv2d",
    nn.BatchNorm1d: "batch norm",
    nn.BatchNorm2d: "batch norm",
    nn.LayerNorm: "layer norm",
    nn.GroupNorm: "group norm",
    nn.Embedding: "embedding",
    nn.RNN: "rnn",
    nn.LSTM: "lstm",
    nn.GRU: "gru",
    nn.RNNCell: "rnn",
    nn.LSTMCell: "lstm",
    nn.GRUCell: "gru",
    nn.MultiheadAttention: "attention",
}
KERAS_KINDS = {
    kl.Dense: "dense",
    kl.Conv1D: "conv1d",
    kl.Conv2D: "conv2d",
    kl.DepthwiseConv1D: "conv1d",
    kl.DepthwiseConv2D: "conv2d",
    kl.Conv1DTranspose: "transposed conv1d",
    kl.Conv2DTranspose: "transposed conv2d",
    kl.BatchNormalization: "batch norm",
    kl.LayerNormalization: "layer norm",
    kl.GroupNormalization: "group norm",
    kl.Embedding: "embedding",
    kl.SimpleRNN: "rnn",
    kl.LSTM: "lstm",
    kl.GRU: "gru",
    kl.SimpleRNNCell: "rnn",
    kl.LSTMCell: "lstm",
    kl.GRUCell: "gru",
    kl.MultiHeadAttention: "attention",
}
RECURRENT = ("rnn", "lstm", "gru")
CONVOLUTIONS = ("conv1d", "conv2d", "transposed conv1d", "transposed conv2d")


class ParityError(AssertionError):
    """The PyTorch and the Keras model are not the same function; the message says where and likely why."""


@dataclass
class Item:
    """One parametrised layer of a model: its path, its kind, and of a stacked RNN the level."""

    path: str
    kind: str
    layer: object
    level: int = 0
    orders: dict = field(default_factory=dict)  # "in", "out": feature order where an image was made flat

    def __str__(self):
        level = f"[{self.level}]" if getattr(self.layer, "num_layers", 1) > 1 else ""
        return f"{self.path or 'model'}{level}: {type(self.layer).__name__}"


@dataclass
class Link:
    """A Keras weight and the PyTorch tensors that it is made of."""

    weight: object
    sources: tuple
    transform: object
    gradient: object = None  # how gradients are brought over, where that differs from the values

    def value(self):
        """The PyTorch side in the layout of Keras: np.ndarray."""
        return self.transform(*(array(source) for source in self.sources))

    def grad(self):
        """The gradient of the PyTorch side in the layout of Keras: np.ndarray."""
        grads = [np.zeros(s.shape, "float32") if s.grad is None else array(s.grad) for s in self.sources]
        return (self.gradient or self.transform)(*grads)


def array(tensor):
    """A PyTorch tensor on any device -> np.ndarray, a copy."""
    return tensor.detach().cpu().numpy().copy()


# --- walking -----------------------------------------------------------------------------------------
def torch_items(module, path="", seen=None):
    """The parametrised layers of a PyTorch model in the order of their definition: list of Item."""
    seen = set() if seen is None else seen
    if id(module) in seen:
        return []
    own = {id(p) for p in module.parameters()}
    tied = bool(own) and own <= seen  # as the output layer of a language model that shares the embedding
    seen |= {id(module)}
    kind = _kind(module, TORCH_KINDS, {t: f"your {t.__name__}" for t in REGISTERED})
    if kind:
        seen |= own
        if tied or not module.state_dict():
            return []
        return [Item(path, kind, module, level) for level in range(getattr(module, "num_layers", 1))]
    items = [Item(_join(path, name), "parameter", p) for name, p in module.named_parameters(recurse=False)]
    for name, child in module.named_children():
        items += torch_items(child, _join(path, name), seen)
    return items


def keras_items(layer, path="", seen=None):
    """The parametrised layers of a Keras model, likewise: list of Item."""
    seen = set() if seen is None else seen
    if id(layer) in seen:
        return []
    seen.add(id(layer))
    kind = _kind(layer, KERAS_KINDS, {k: f"your {t.__name__}" for t, (k, _) in REGISTERED.items()})
    if isinstance(layer, kl.Bidirectional):
        kind = _kind(layer.forward_layer, KERAS_KINDS, {})
    if kind:
        return [Item(path or layer.name, kind, layer)] if layer.weights else []
    items = [Item(_join(path, v.name), "parameter", v) for v in layer._trainable_variables]
    for name, child in keras_children(layer):
        items += keras_items(child, _join(path, name), seen)
    return items


def keras_children(layer):
    """The layers directly inside a Keras layer as (attribute path, layer), in the order of their definition."""
    if isinstance(layer, keras.Sequential) or type(layer).__name__ == "Functional":
        return [(child.name, child) for child in layer.layers]
    names = {}
    for name, value in {**vars(layer), **vars(layer).get("_modules", {})}.items():  # torch backend: _modules
        if not name.startswith("_"):
            names.update({id(child): _join(name, key) for key, child in _layers_in(value)})
    children = layer._flatten_layers(include_self=False, recursive=False)
    return [(names.get(id(child), child.name), child) for child in children]


def _layers_in(value):
    if isinstance(value, kl.Layer):
        return [("", value)]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return [(str(key), child) for key, child in pairs if isinstance(child, kl.Layer)]


def _kind(layer, kinds, registered):
    for table in (registered, kinds):
        for cls, kind in table.items():
            if isinstance(layer, cls):
                return kind
    return None


def _join(path, name):
    return f"{path}.{name}" if path and name else path or name


# --- pairing -----------------------------------------------------------------------------------------
def pair(torch_side, keras_side):
    """Pair the items of two models, level by level: by name where both use the same names, else by order.

    Returns a list of (PyTorch Item, Keras Item); raises ParityError that shows both lists.
    """
    torch_side, keras_side = _aligned(torch_side, keras_side, 0)
    if [item.kind for item in torch_side] != [item.kind for item in keras_side]:
        raise ParityError(_side_by_side(torch_side, keras_side))
    return list(zip(torch_side, keras_side, strict=True))


def _aligned(torch_side, keras_side, depth):
    ours, theirs = _by_name(torch_side, depth), _by_name(keras_side, depth)
    if sorted(ours) != sorted(theirs) or "" in ours:
        return torch_side, keras_side
    parts = [_aligned(ours[name], theirs[name], depth + 1) for name in ours]
    return [item for part, _ in parts for item in part], [item for _, part in parts for item in part]


def _by_name(items, depth):
    """Items by the name at that depth of their path, "" past its end: {name: list of Item}."""
    names = {}
    for item in items:
        names.setdefault(".".join(item.path.split(".")[depth : depth + 1]), []).append(item)
    return names


def _side_by_side(torch_side, keras_side):
    rows = list(zip_longest(torch_side, keras_side))
    first = next(i for i, (t, k) in enumerate(rows) if t is None or k is None or t.kind != k.kind)
    lines = [f"The models' layers do not match; the first difference is in row {first + 1}:"]
    lines.append(f"   {'':3} {'PyTorch':40} Keras")
    for i, (t, k) in enumerate(rows):
        mark = "->" if i == first else "  "
        lines.append(f"{mark} {i + 1:3} {str(t or '(none)'):40} {k or '(none)'}")
    lines.append(
        "Define the layers in the same order, pass mapping={PyTorch name: Keras name}, "
        "or declare your own layer with parity.register."
    )
    return "\n".join(lines)
