"""Runs a PyTorch and a Keras model on the same arrays: layouts, recorded layers, loss and gradients."""

import contextlib
import copy
import inspect

import keras
import numpy as np
import torch
from keras import layers as kl
from torch import nn
from torch.overrides import TorchFunctionMode

from utils.parity.layers import CONVOLUTIONS, array, torch_items
from utils.parity.rules import CHANNEL_LAYERS


# --- layouts -----------------------------------------------------------------------------------------
def to_torch_layout(x):
    """Channels last -> channels first: (B, H, W, C) -> (B, C, H, W), (B, T, D) -> (B, D, T); others as they are."""
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if np.ndim(x) > 2 else x


def to_keras_layout(x):
    """Channels first -> channels last: (B, C, H, W) -> (B, H, W, C), (B, D, T) -> (B, T, D); others as they are."""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1)) if np.ndim(x) > 2 else x


def takes_channels_first(model, x):
    """Whether a PyTorch model wants this array channels first: images if it convolves, sequences if it begins so."""
    layers = [item.layer for item in torch_items(model)]
    if np.ndim(x) == 4:
        return any(isinstance(layer, CHANNEL_LAYERS) for layer in layers)
    return np.ndim(x) == 3 and bool(layers) and isinstance(layers[0], CHANNEL_LAYERS)


def inputs(x):
    """One array or a tuple of arrays -> list of arrays that both frameworks take (float32, integer ids, bool masks)."""
    return [np.asarray(part) for part in (x if isinstance(x, (tuple, list)) else [x])]


def _tensor(model, values, ids):
    first = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(()))
    tensor = torch.tensor(np.asarray(values))
    if tensor.dtype == torch.bool:  # a mask
        return tensor.to(first.device)
    if tensor.is_floating_point() or not ids:
        tensor = tensor.to(first.dtype)
    return (tensor if tensor.is_floating_point() else tensor.long()).to(first.device)


def _reads_ids(model):
    return any(isinstance(module, nn.Embedding) for module in model.modules())


def run_torch(model, x, channels_first=None):
    """Call the PyTorch model on arrays in the layout of the course; returns its raw output."""
    parts, ids = inputs(x), _reads_ids(model)
    flips = [takes_channels_first(model, p) if channels_first is None else channels_first for p in parts]
    parts = [to_torch_layout(p) if flip else p for p, flip in zip(parts, flips, strict=True)]
    return model(*(_tensor(model, p, ids) for p in parts))


def run_keras(model, x, training=False):
    """Call the Keras model on arrays; returns its raw output."""
    return model(*keras_arguments(model, x), **keras_options(model, x, training))


def keras_arguments(model, x):
    """The positional arguments for a Keras model: arrays, several as a list where `call` takes one argument."""
    as_float = "f" if _keras_ids(model) else "fiu"  # without an Embedding, integers are numbers; a bool mask stays one
    parts = [p.astype("float32") if p.dtype.kind in as_float else p for p in inputs(x)]
    if isinstance(model, kl.MultiHeadAttention):
        return [parts[0]]
    names = [p for p in inspect.signature(model.call).parameters if p != "training"]
    if len(names) > len(parts):  # Keras makes the mask itself, unless it is given
        names = [name for name in names if name != "mask"]
    functional = type(model).__name__ == "Functional" or isinstance(model, keras.Sequential)
    return parts if len(parts) == 1 or (len(names) >= len(parts) and not functional) else [parts]


def keras_options(model, x, training):
    """The keyword arguments; Keras' attention names its value and key."""
    options = {"training": training}
    if isinstance(model, kl.MultiHeadAttention):
        _, key, value = inputs(x)
        options.update(value=value.astype("float32"), key=key.astype("float32"))
    return options


def _keras_ids(model):
    return any(isinstance(layer, kl.Embedding) for layer in model._flatten_layers())


def arrays(output):
    """The output of either framework as a flat list of np.ndarray."""
    if isinstance(output, torch.Tensor):
        return [array(output)]
    if isinstance(output, dict):
        output = [output[key] for key in sorted(output)]
    if isinstance(output, (tuple, list)):
        return [a for part in output if part is not None for a in arrays(part)]
    return [np.array(keras.ops.convert_to_numpy(output))]


def ends_in_channels(model):
    """Whether the last layer with weights gives channels first."""
    layers = torch_items(model)
    return bool(layers) and layers[-1].kind in (*CONVOLUTIONS, "batch norm", "group norm")


def in_keras_layout(values, shape, moved_first):
    """A PyTorch output brought to the layout of the Keras output of that shape, where one of the two fits."""
    moved = to_keras_layout(values)
    candidates = (moved, values) if moved_first else (values, moved)
    return next((c for c in candidates if c.shape == tuple(shape)), candidates[0])


# --- state -------------------------------------------------------------------------------------------
@contextlib.contextmanager
def mode(model_torch, training):
    """Set training or evaluation mode, and each module's own mode back afterwards."""
    before = {module: module.training for module in model_torch.modules()}
    model_torch.train(training)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was


@contextlib.contextmanager
def no_dropout(model_torch, model_keras):
    """Switch dropout off in both models: the two draw different random numbers."""
    owners = [*model_torch.modules(), *model_keras._flatten_layers()]
    owners += [cell for layer in owners if (cell := getattr(layer, "cell", None)) is not None]
    found = [(o, n, vars(o)[n]) for o in owners for n in _rates(o) if isinstance(vars(o).get(n), (int, float))]
    for owner, name, _ in found:
        vars(owner)[name] = 0.0
    try:
        yield
    finally:
        for owner, name, value in found:
            vars(owner)[name] = value


def _rates(layer):
    """The attributes that hold a dropout rate."""
    return {"dropout", "recurrent_dropout"} | ({"p", "rate"} if "Dropout" in type(layer).__name__ else set())


@contextlib.contextmanager
def restored(model_torch, model_keras):
    """Put all weights, statistics and PyTorch gradients back afterwards."""
    state = {name: tensor.clone() for name, tensor in model_torch.state_dict().items()}
    grads = [(p, p.grad) for p in model_torch.parameters()]
    variables = [(v, np.array(keras.ops.convert_to_numpy(v))) for v in model_keras.variables]
    for parameter, _ in grads:
        parameter.grad = None
    try:
        yield
    finally:
        model_torch.load_state_dict(state)
        for parameter, grad in grads:
            parameter.grad = grad
        for variable, value in variables:
            variable.assign(value)


@contextlib.contextmanager
def training(model_torch, model_keras):
    """Training mode without dropout; everything is put back afterwards."""
    with no_dropout(model_torch, model_keras), mode(model_torch, True), restored(model_torch, model_keras):
        yield


@contextlib.contextmanager
def optimizers_kept(optimizer_torch, optimizer_keras, model_keras):
    """Put the state of both optimisers (momentum, step count) back afterwards."""
    if not optimizer_keras.built:
        optimizer_keras.build(model_keras.trainable_variables)
    state = copy.deepcopy(optimizer_torch.state_dict())
    values = [(v, np.array(keras.ops.convert_to_numpy(v))) for v in optimizer_keras.variables]
    try:
        yield
    finally:
        optimizer_torch.load_state_dict(state)
        for variable, value in values:
            variable.assign(value)


# --- recording ---------------------------------------------------------------------------------------
class _Reshapes(TorchFunctionMode):
    def __init__(self, events):
        super().__init__()
        self.events = events

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in ("flatten", "reshape", "view", "unflatten"):
            self.events.append((None, tuple(args[0].shape), tuple(out.shape)))
        return out


def record_torch(model, items, x, channels_first=None):
    """Run the model; returns events (Item or None for a reshape, input, output) in order, and the output.

    Of layers the events hold arrays, of reshapes the shapes.
    """
    events, handles = [], []
    for item in items:
        if isinstance(item.layer, nn.Module) and item.level == 0:
            hook = lambda _, args, out, i=item: events.append((i, arrays(args[0])[0], arrays(out)[0]))
            handles.append(item.layer.register_forward_hook(hook))
    try:
        with mode(model, False), torch.no_grad(), torch.random.fork_rng(devices=[]), _Reshapes(events):
            output = run_torch(model, x, channels_first)
    finally:
        for handle in handles:
            handle.remove()
    return events, output


def record_keras(model, items, x):
    """Run the model; returns {layer id: (input, output)} of the first call of each layer, and the output."""
    found, wrapped = {}, []
    for item in items:
        if isinstance(item.layer, kl.Layer) and "call" not in vars(item.layer):
            vars(item.layer)["call"] = _recorder(item.layer, found)
            wrapped.append(item.layer)
    try:
        output = run_keras(model, x)
    finally:
        for layer in wrapped:
            del vars(layer)["call"]
    return found, output


def _recorder(layer, found):
    call = layer.call

    def recorder(first, *args, **kwargs):
        out = call(first, *args, **kwargs)
        found.setdefault(id(layer), (arrays(first)[0], arrays(out)[0]))
        return out

    return recorder
