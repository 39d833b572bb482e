"""Proves that a PyTorch and a Keras model are the same function: copies the weights, then compares.

    parity.copy_weights(model_torch, model_keras)
    parity.assert_same(model_torch, model_keras, x[:8], atol=1e-5)

Arrays come in the layout of the course: images (B, H, W, C), sequences (B, T, D), text ids (B, T). A convolving
PyTorch model is given channels first, and its answers are turned back before they are compared.
"""

import weakref

from utils import runtime

runtime.import_frameworks()  # in the order that works: PyTorch, Triton, Keras
import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from utils.parity import causes, evidence, gradients, layers, rules, run  # noqa: E402
from utils.parity.layers import ParityError  # noqa: E402
from utils.parity.run import to_keras_layout, to_torch_layout  # noqa: E402

__all__ = [
    "ParityError",
    "assert_same",
    "assert_same_gradients",
    "assert_same_step",
    "copy_weights",
    "register",
    "to_keras_layout",
    "to_torch_layout",
]
_MAPPINGS = weakref.WeakKeyDictionary()  # PyTorch model -> the mapping that copy_weights was given


def register(torch_class, keras_class, mapping):
    """Declare how a layer of your own is copied: {torch name: Keras path} or {torch name: (Keras path, transform)}.

    `transform` turns the PyTorch array into Keras' layout; it must be linear, as gradients go through it too.
    """
    layers.REGISTERED[torch_class] = (keras_class, dict(mapping))


def copy_weights(model_torch, model_keras, mapping=None, input_shape=None):
    """Copy all weights and running statistics of a PyTorch model into a Keras model.

    Layers are paired by their names if both models use the same ones, else in the order of their definition.
    `mapping` pairs what does not follow that order: {torch layer: Keras layer} or {torch tensor: Keras path or
    (path, transform)}. `input_shape`, without the batch axis, builds a Keras model that has no weights yet.
    Raises ParityError if layers or shapes do not match.
    """
    if mapping is not None:
        _MAPPINGS[model_torch] = dict(mapping)
    example = _example(model_torch, model_keras, input_shape)
    _build(model_keras, example)
    for _, _, link in _links(model_torch, model_keras, example):
        link.weight.assign(link.value())


def assert_same(model_torch, model_keras, x, atol=1e-5, rtol=1e-5, channels_first=None):
    """Assert that both models give the same outputs on x in evaluation mode; returns the largest difference.

    x is one array or a tuple of arrays. `channels_first` says whether the PyTorch model wants x channels first,
    where that is not to be guessed from its layers. The models' modes and weights are left as they are.
    Raises ParityError that names the first layer that differs, the shapes, the difference and the likely cause; also
    where equality would prove nothing: no input, outputs that are not finite or all the same.
    """
    evidence.require_inputs(x)
    _build(model_keras, x)
    _, ours = run.record_torch(model_torch, [], x, channels_first)
    theirs = run.run_keras(model_keras, x)
    evidence.require_same_keys(ours, theirs)
    theirs = run.arrays(theirs)
    ours = _outputs_of_torch(model_torch, ours, theirs)
    gap = max((causes.largest(a, b) for a, b in zip(ours, theirs, strict=False)), default=np.inf)
    same = len(ours) == len(theirs) and all(map(_close(atol, rtol), ours, theirs))
    if not same:
        shapes = [[a.shape for a in side] for side in (ours, theirs)]
        head = f"The outputs differ by up to {gap:.3g} (atol={atol:g}); shapes PyTorch {shapes[0]}, Keras {shapes[1]}."
        raise ParityError(f"{head}\n{_where(model_torch, model_keras, x, atol, rtol, channels_first)}")
    evidence.require_outputs(ours, theirs, gap, atol)
    return gap


def assert_same_gradients(
    model_torch, model_keras, x, y, loss_torch, loss_keras, atol=1e-5, rtol=1e-4, channels_first=None
):
    """Assert the same loss and the same gradient of every weight; returns the largest difference.

    Losses are called as usual, loss_torch(output, y) and loss_keras(y, output), and averaged if they are not
    numbers. Both models run in training mode with dropout off; weights and statistics are put back.
    Raises ParityError as above, also if every gradient is zero.
    """
    evidence.require_inputs(x)
    _build(model_keras, x)
    links = _links(model_torch, model_keras, x, channels_first)
    with run.training(model_torch, model_keras):
        grads, gap = _both_gradients(model_torch, model_keras, x, y, loss_torch, loss_keras, channels_first)
        by_id = {id(w): g for w, g in zip(model_keras.trainable_weights, grads, strict=True)}
        rows = [(t, k, link, by_id.get(id(link.weight)), link.grad()) for t, k, link in links if _learns(link)]
    loss_gap, loss_ours, loss_theirs = gap
    evidence.require_loss(loss_ours, loss_theirs)
    if not np.isclose(loss_ours, loss_theirs, rtol=rtol, atol=atol):
        _raise_loss(model_torch, model_keras, x, gap, (atol, rtol, channels_first))
    gaps = [loss_gap]
    for t, k, link, theirs, ours in reversed(rows):  # from the loss backwards, as the error travels
        theirs = np.zeros_like(ours) if theirs is None else causes.to_numpy(theirs)
        gaps.append(causes.largest(ours, theirs))
        if not causes.equal(ours, theirs, atol, rtol):
            likely = [*causes.differences(t, k), causes.of_gradient(link)]
            raise ParityError(_message("gradient", t, k, link, ours, gaps[-1], "; ".join(likely)))
    evidence.require_gradients([ours for *_, ours in rows])
    return max(gaps)


def assert_same_step(
    model_torch,
    model_keras,
    x,
    y,
    loss_torch,
    loss_keras,
    optimizer_torch,
    optimizer_keras,
    atol=1e-5,
    rtol=1e-4,
    channels_first=None,
):
    """Assert that one optimiser step moves every weight alike; returns the largest difference.

    Both models run in training mode with dropout off. Models and optimisers are put back as they were before.
    Left out are the running variance of batch norm (PyTorch divides by n - 1, Keras by n) and entries whose
    gradient is rounding noise (below 1e-6 of the largest), which Adam would blow up, as biases before batch norm.
    For Adam give both a tiny eps, such as 1e-12: it enters at different places.
    Raises ParityError as above, also if no weight moves.
    """
    evidence.require_inputs(x)
    _build(model_keras, x)
    links = [
        row
        for row in _links(model_torch, model_keras, x, channels_first)
        if "moving_variance" not in row[2].weight.path
    ]
    if not all(causes.equal(link.value(), causes.to_numpy(link.weight), atol, rtol) for _, _, link in links):
        raise ParityError("The weights differ before the step: call parity.copy_weights first.")
    with (
        run.training(model_torch, model_keras),
        run.optimizers_kept(optimizer_torch, optimizer_keras, model_keras),
    ):
        grads, _ = _both_gradients(model_torch, model_keras, x, y, loss_torch, loss_keras, channels_first)
        before = [link.value() for _, _, link in links]
        optimizer_torch.step()
        optimizer_keras.apply(grads, model_keras.trainable_weights)
        noise = causes.noise(model_keras, [link for *_, link in links], grads)
        rows = [(*row, row[2].value(), causes.without_noise(row[2], noise)) for row in links]
    gaps = [causes.largest(ours, theirs) for *_, ours, theirs in rows]
    for gap, (t, k, link, ours, theirs) in zip(gaps, rows, strict=True):
        if not causes.equal(ours, theirs, atol, rtol):
            cause = causes.of_step(optimizer_torch, optimizer_keras, link, t.kind)
            raise ParityError(_message("weight after one step", t, k, link, ours, gap, cause))
    evidence.require_step(before, [ours for *_, ours, _ in rows])
    return max(gaps, default=0.0)


# --- pairing -----------------------------------------------------------------------------------------
def _links(model_torch, model_keras, x, channels_first=None):
    """Every weight of both models: list of (torch Item, Keras Item, Link)."""
    pairs, declared = _pairs(model_torch, model_keras)
    _find_orders(model_torch, model_keras, pairs, x, channels_first)
    return [(t, k, link) for t, k in pairs for link in rules.links(t, k)] + declared


def _pairs(model_torch, model_keras):
    """Paired layers, and the links that the mapping declares tensor by tensor."""
    ours, theirs = layers.torch_items(model_torch), layers.keras_items(model_keras)
    mapped, declared, modules = [], [], dict(model_torch.named_modules())
    for name, target in _MAPPINGS.get(model_torch, {}).items():
        if name in modules:
            left = layers.torch_items(modules[name], name)
            mapped += layers.pair(left, layers.keras_items(_keras_layer(model_keras, target), target))
        else:
            (link,) = rules.declared(model_torch, model_keras, {name: target})
            parts = (layers.Item(name, "parameter", link.sources[0]), link.weight)
            declared.append((parts[0], layers.Item(parts[1].path, "parameter", parts[1]), link))
    used = {id(item.layer) for row in mapped + declared for item in row[:2]}
    rest = [[i for i in side if not _covered(i, used)] for side in (ours, theirs)]
    return layers.pair(*rest) + mapped, declared


def _covered(item, used):
    """Whether the mapping has taken the layer, or all of its weights one by one."""
    layer = item.layer
    weights = list(layer.parameters()) if isinstance(layer, torch.nn.Module) else getattr(layer, "weights", [])
    return id(layer) in used or (len(weights) > 0 and all(id(w) in used for w in weights))


def _keras_layer(model, path):
    """The layer at an attribute path, or the one of that name."""
    found = model
    for part in path.split("."):
        found = found[int(part)] if part.isdigit() and isinstance(found, list) else getattr(found, part, None)
    found = found or next((layer for layer in model._flatten_layers() if layer.name == path), None)
    if not isinstance(found, keras.layers.Layer):
        names = ", ".join(layer.name for layer in model._flatten_layers(include_self=False))
        raise ParityError(f"The Keras model has no layer {path!r}; it has {names}.")
    return found


def _find_orders(model_torch, model_keras, pairs, x, channels_first=None):
    """Note in the pairs where an image is made flat; needs one run of the PyTorch model if it convolves."""
    items = [t for t, _ in pairs]
    flat = any(isinstance(i.layer, rules.CHANNEL_LAYERS) for i in items) and any(i.kind == "dense" for i in items)
    if not flat or any(isinstance(layer, keras.layers.Permute) for layer in model_keras._flatten_layers()):
        return
    if x is None:
        raise ParityError("Pass input_shape=(H, W, C): the order of flattened features depends on it.")
    events, _ = run.record_torch(model_torch, items, x, channels_first)
    rules.set_orders(events)


# --- building ----------------------------------------------------------------------------------------
def _example(model_torch, model_keras, input_shape):
    """Arrays of the input shape, batch of 2, to build or trace with; None if no shape is known."""
    shape = input_shape or getattr(model_keras, "input_shape", None) or _built_with(model_keras)
    if not shape:
        return None
    shapes = list(shape.values()) if isinstance(shape, dict) else shape
    shapes = [shapes] if shapes[0] is None or isinstance(shapes[0], int) else list(shapes)
    shapes = [s if input_shape else s[1:] for s in shapes]
    shapes = [[(16 if len(s) > 2 else 4) if n is None else n for n in s] for s in shapes]
    ids = any(isinstance(module, torch.nn.Embedding) for module in model_torch.modules())
    arrays = [np.zeros((2, *s), "int32" if ids and len(s) == 1 else "float32") for s in shapes]
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


def _built_with(model_keras):
    shapes = model_keras.get_build_config() or {}
    return shapes.get("input_shape") or shapes.get("shapes_dict")


def _build(model_keras, x):
    """Give the Keras model its weights by calling it once, if a layer has none yet."""
    if all(layer.built for layer in model_keras._flatten_layers()):
        return
    if x is None:
        raise ParityError("The Keras model has no weights yet: pass input_shape=(...) without the batch axis.")
    try:
        run.run_keras(model_keras, x)
    except Exception as error:
        shapes = [part.shape for part in run.inputs(x)]
        raise ParityError(f"The Keras model cannot be built on inputs of shape {shapes}: {error}") from error


# --- comparing ---------------------------------------------------------------------------------------
def _outputs_of_torch(model, output, theirs):
    """The outputs in Keras' layout; a bare RNN or attention also returns its state, which Keras leaves out."""
    ours = run.arrays(output)
    if isinstance(model, (torch.nn.RNNBase, torch.nn.MultiheadAttention)):
        ours = ours[: len(theirs)]
    first = run.ends_in_channels(model)
    shapes = [a.shape for a in theirs] if len(ours) == len(theirs) else [None] * len(ours)
    return [a if s is None else run.in_keras_layout(a, s, first) for a, s in zip(ours, shapes, strict=True)]


def _close(atol, rtol):
    return lambda ours, theirs: causes.equal(ours, theirs, atol, rtol)


def _where(model_torch, model_keras, x, atol, rtol, channels_first):
    try:
        pairs, _ = _pairs(model_torch, model_keras)
        _find_orders(model_torch, model_keras, pairs, x, channels_first)
        return causes.first_difference(model_torch, model_keras, pairs, x, atol, rtol, channels_first)
    except Exception as error:  # the difference counts more than its explanation
        return f"The layer could not be named: {error}"


def _both_gradients(model_torch, model_keras, x, y, loss_torch, loss_keras, channels_first):
    ours = gradients.torch_loss(model_torch, x, y, loss_torch, channels_first)
    theirs, grads = gradients.keras_loss(model_keras, x, y, loss_keras)
    return grads, (abs(ours - theirs), ours, theirs)


def _raise_loss(model_torch, model_keras, x, losses, options):
    gap, ours, theirs = losses
    atol, rtol, channels_first = options
    head = f"The losses differ by {gap:.3g}: PyTorch {ours:.6g}, Keras {theirs:.6g}."
    assert_same(model_torch, model_keras, x, atol=atol, rtol=rtol, channels_first=channels_first)
    raise ParityError(f"{head} The outputs are equal, so likely {causes.OF_LOSS}.")


def _learns(link):
    return link.weight.trainable or any(source.requires_grad for source in link.sources)


def _message(what, t, k, link, ours, gap, cause):
    shape = f"{tuple(ours.shape)} in PyTorch, brought to Keras' layout, and {tuple(link.weight.shape)} in Keras"
    return f"The {what} of {t} / {k}, `{link.weight.name}`, differs by up to {gap:.3g}; shape {shape}. Likely: {cause}."
