"""Why a PyTorch and a Keras model differ: the first layer whose output differs, and the likely cause."""

import keras
import numpy as np
import torch
from keras import layers as kl
from torch import nn

from utils.parity import rules, run
from utils.parity.layers import CONVOLUTIONS, RECURRENT

BETWEEN = (
    "look at what happens between them: activation (LeakyReLU slope: PyTorch 0.01, Keras 0.3; GELU exact or "
    "tanh), pooling and its padding, or the flatten order, (C, H, W) in PyTorch and (H, W, C) in Keras"
)


def largest(ours, theirs):
    """The largest absolute difference of two arrays; infinite where the shapes or NaN do not agree."""
    if ours.shape != theirs.shape:
        return np.inf
    with np.errstate(invalid="ignore"):  # inf - inf
        gap = np.abs(np.asarray(ours, "float64") - np.asarray(theirs, "float64"))
    return float(np.nan_to_num(gap.max(initial=0.0), nan=np.inf))


def equal(ours, theirs, atol, rtol):
    """Whether two arrays agree within atol + rtol * |theirs|."""
    return ours.shape == theirs.shape and bool(np.allclose(ours, theirs, rtol=rtol, atol=atol))


def first_difference(model_torch, model_keras, pairs, x, atol, rtol, channels_first=None):
    """One sentence: the first layer whose output differs on x, the shapes, the difference, the likely cause."""
    noisy = _random(model_torch, model_keras, x, channels_first)
    if noisy:
        return noisy
    events, _ = run.record_torch(model_torch, [t for t, _ in pairs], x, channels_first)
    ours = {id(item.layer): (before, after) for item, before, after in reversed(events) if item is not None}
    theirs, _ = run.record_keras(model_keras, [k for _, k in pairs], x)
    last = "the input"
    for t, k, k_end in _whole_layers(pairs):
        if id(t.layer) not in ours or id(k.layer) not in theirs or id(k_end.layer) not in theirs:
            continue
        (x_t, y_t), x_k, y_k = ours[id(t.layer)], theirs[id(k.layer)][0], theirs[id(k_end.layer)][1]
        x_t = _comparable(t, x_t, x_k, "in")
        if not equal(x_t, x_k, atol, rtol):
            return f"{_gap(x_t, x_k)} between {last} and the input of {t} / {k}: {_between(model_torch, model_keras)}."
        y_t = _activated(k_end, _comparable(t, y_t, y_k, "out"))
        if not equal(y_t, y_k, atol, rtol):
            causes = differences(t, k) or ["its settings or its call; compare them argument by argument"]
            return f"The first layer whose output differs is {t} / {k}: {_gap(y_t, y_k)}. Likely: {'; '.join(causes)}."
        last = f"{t} / {k}"
    return f"The difference arises after {last}: {_between(model_torch, model_keras)}."


def _whole_layers(pairs):
    """A stacked RNN of PyTorch is several layers of Keras: (PyTorch item, first, last Keras item)."""
    for i, (t, k) in enumerate(pairs):
        if t.level == 0:
            end = next((n for n in range(i + 1, len(pairs)) if pairs[n][0].layer is not t.layer), len(pairs))
            yield t, k, pairs[end - 1][1]


def _comparable(item, values, like, side):
    order = item.orders.get(side)
    if order is not None and values.ndim == 2:
        values = values[:, order]
    return run.in_keras_layout(values, like.shape, isinstance(item.layer, rules.CHANNEL_LAYERS))


def _activated(item, values):
    """Keras layers include their activation, PyTorch layers do not."""
    if item.kind not in ("dense", *CONVOLUTIONS) or getattr(item.layer, "activation", None) is None:
        return values
    return keras.ops.convert_to_numpy(item.layer.activation(keras.ops.convert_to_tensor(values)))


def _gap(ours, theirs):
    if ours.shape != theirs.shape:
        return f"shapes {ours.shape} (PyTorch) and {theirs.shape} (Keras)"
    return f"shape {ours.shape}, largest difference {largest(ours, theirs):.3g}"


def _random(model_torch, model_keras, x, channels_first):
    """Whether one of the models answers differently each time."""
    torch_twice = [_seeded(seed, model_torch, x, channels_first) for seed in range(2)]
    keras_twice = [run.run_keras(model_keras, x) for _ in range(2)]
    for name, (first, second) in (("PyTorch", torch_twice), ("Keras", keras_twice)):
        if not all(map(np.array_equal, run.arrays(first), run.arrays(second))):
            return (
                f"The {name} model answers differently each time: is dropout on outside training (train mode), "
                "as with F.dropout(x) without training=self.training?"
            )
    return ""


def _seeded(seed, model, x, channels_first):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return run.record_torch(model, [], x, channels_first)[1]


def _between(model_torch, model_keras):
    found = []
    slopes = [m.negative_slope for m in model_torch.modules() if isinstance(m, nn.LeakyReLU)]
    others = [round(k.negative_slope, 6) for k in model_keras._flatten_layers() if isinstance(k, kl.LeakyReLU)]
    if slopes != others and (slopes and others):
        found.append(f"the slope of LeakyReLU is {slopes[0]} in PyTorch and {others[0]} in Keras")
    if any(isinstance(k, kl.Permute) for k in model_keras._flatten_layers()):
        found.append("keras.layers.Permute changes the flatten order")
    return f"likely: {'; '.join(found)}" if found else BETWEEN


def differences(t, k):
    """The settings of two paired layers that differ: list of clauses."""
    found = [] if _weights_equal(t, k) else ["the weights differ: call parity.copy_weights after the last change"]
    for name, checks in _CHECKS.items():
        if t.kind in name:
            found += [text for text in checks(t.layer, k.layer) if text]
    return found


def _weights_equal(t, k):
    pairs = ((link.value(), keras.ops.convert_to_numpy(link.weight)) for link in rules.links(t, k))
    return all(np.allclose(ours, theirs, atol=1e-6) for ours, theirs in pairs)


def _norm(t, k):
    if not np.isclose(t.eps, k.epsilon, rtol=1e-4):
        yield f"eps is {t.eps:g} in PyTorch and {k.epsilon:g} in Keras: set epsilon={t.eps:g}"
    momentum = getattr(t, "momentum", None)
    if momentum is not None and not np.isclose(1 - momentum, k.momentum):
        yield (
            f"momentum is {momentum:g} in PyTorch, which is {1 - momentum:g} in Keras, but there it is "
            f"{k.momentum:g} (matters in training)"
        )


def _conv(t, k):
    transposed = isinstance(t, nn.modules.conv._ConvTransposeNd)
    stride, padding, dilation = (_text(getattr(t, n)) for n in ("stride", "padding", "dilation"))
    if tuple(np.atleast_1d(k.strides)) != tuple(np.broadcast_to(t.stride, len(t.kernel_size))):
        yield f"the stride is {stride} in PyTorch and {_text(k.strides)} in Keras"
    if tuple(np.atleast_1d(k.dilation_rate)) != tuple(np.broadcast_to(t.dilation, len(t.kernel_size))):
        yield f"the dilation is {dilation} in PyTorch and {_text(k.dilation_rate)} in Keras"
    if k.padding != _padding(t) and (k.padding != "same" or max(t.stride) > 1 or transposed or _padding(t) != "same"):
        extra = "; with a stride, Keras' `same` pads one side more than the other" if max(t.stride) > 1 else ""
        yield f"the padding is {padding} in PyTorch and {k.padding!r} in Keras{extra}"


def _padding(t):
    """PyTorch's padding in Keras' words; "" where Keras has none."""
    if isinstance(t.padding, str):
        return t.padding
    if not any(t.padding):
        return "valid"
    half = tuple(d * (size - 1) / 2 for d, size in zip(t.dilation, t.kernel_size, strict=True))
    return "same" if tuple(t.padding) == half and max(t.stride) == 1 else ""


def _text(value):
    return str(value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value)


def _recurrent(t, k):
    yield "" if getattr(t, "batch_first", True) else _BATCH_FIRST
    inner = getattr(k, "forward_layer", k)
    if not getattr(inner, "return_sequences", True):
        yield "Keras returns the last step only: give it return_sequences=True, or take the last step in PyTorch"
    activation = getattr(t, "nonlinearity", "tanh")
    if inner.activation is not getattr(keras.activations, activation):
        yield f"the activation is {activation} in PyTorch and {inner.activation.__name__} in Keras"
    if getattr(inner, "recurrent_activation", keras.activations.sigmoid) is not keras.activations.sigmoid:
        yield f"the gates' activation is sigmoid in PyTorch and {inner.recurrent_activation.__name__} in Keras"


def _attention(t, k):
    yield "" if t.batch_first else _BATCH_FIRST


_BATCH_FIRST = "PyTorch reads (T, B, D): give it batch_first=True"
_CHECKS = {
    ("batch norm", "layer norm", "group norm"): _norm,
    CONVOLUTIONS: _conv,
    RECURRENT: _recurrent,
    ("attention",): _attention,
}


OF_LOSS = (
    "the losses are different functions: mean or sum over the batch, logits or probabilities (from_logits=True "
    "goes with torch's CrossEntropyLoss and BCEWithLogitsLoss), order (y_true, y_pred) in Keras"
)


def of_gradient(link):
    """Why the gradients of one weight differ."""
    frozen = not any(source.requires_grad for source in link.sources)
    if frozen != (not link.weight.trainable):
        return f"the weight is frozen only in {'PyTorch' if frozen else 'Keras'}"
    return "eps, a detach() or stop_gradient on one side, or an activation that differs only in its slope"


def noise(model_keras, links, grads):
    """Where the gradient of a weight is rounding noise, below 1e-6 of the largest: {weight id: mask}."""
    sizes = {id(w): np.abs(to_numpy(g)) for w, g in zip(model_keras.trainable_weights, grads, strict=True)}
    limit = 1e-6 * max((size.max(initial=0.0) for size in sizes.values()), default=0.0)
    known = [link for link in links if id(link.weight) in sizes]
    both = {id(link.weight): np.maximum(sizes[id(link.weight)], np.abs(link.grad())) for link in known}
    return {key: (size > 0) & (size < limit) for key, size in both.items()}


def without_noise(link, masks):
    """The Keras weight, with PyTorch's value where the gradient is noise."""
    return np.where(masks.get(id(link.weight), False), link.value(), to_numpy(link.weight))


def to_numpy(tensor):
    """A tensor or variable of Keras, on any backend -> np.ndarray of the same shape, a copy."""
    return np.array(keras.ops.convert_to_numpy(tensor))


def of_step(optimizer_torch, optimizer_keras, link, kind):
    """Why one optimiser step differs: settings first, then the two biases of recurrent layers."""
    if "moving" in link.weight.path:
        return "the momentum of batch norm: PyTorch's m is 1 - m in Keras"
    group, found = optimizer_torch.param_groups[0], []
    betas = group.get("betas", (None, None))
    values = {"lr": group["lr"], "eps": group.get("eps"), "momentum": group.get("momentum"), "beta 1": betas[0]}
    values |= {"beta 2": betas[1], "weight decay": group.get("weight_decay") or None, "nesterov": group.get("nesterov")}
    names = ("learning_rate", "epsilon", "momentum", "beta_1", "beta_2", "weight_decay", "nesterov")
    for (name, ours), theirs in zip(values.items(), names, strict=True):
        theirs = getattr(optimizer_keras, theirs, None)
        theirs = float(keras.ops.convert_to_numpy(theirs)) if theirs is not None else None
        if not np.isclose(ours or 0, theirs or 0, rtol=1e-4, atol=0):
            found.append(f"{name} is {ours} in PyTorch and {theirs} in Keras")
    if kind in ("rnn", "lstm") and "bias" in link.weight.path and all(s.requires_grad for s in link.sources):
        found.append("PyTorch trains two bias vectors, whose sum moves twice as far: freeze bias_hh to compare")
    if group.get("eps") and any(group.get("betas", ())):
        found.append("Adam's eps enters at another place in Keras: for the proof give both a tiny one, as 1e-12")
    return "; ".join(found) or "the rule of the optimiser (as where weight decay enters), or the gradients"
