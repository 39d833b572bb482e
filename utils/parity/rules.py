"""Which Keras weight holds which PyTorch parameter: one short rule per kind of layer."""

import keras
import numpy as np
from keras import layers as kl
from torch import nn

from utils.parity.layers import CONVOLUTIONS, RECURRENT, REGISTERED, Link, ParityError

CHANNEL_LAYERS = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm, nn.GroupNorm)


def links(torch_item, keras_item):
    """The weights of one pair of layers: list of Link; raises ParityError where the shapes differ."""
    rule = RULES.get(torch_item.kind, _declared)
    found = [link for link in rule(torch_item, keras_item) if link]
    for link in found:
        shape = link.value().shape
        if tuple(link.weight.shape) != shape:
            raise ParityError(
                f"{torch_item} and {keras_item} have weights of different shapes: PyTorch gives {shape} "
                f"(in Keras' layout), `{link.weight.name}` is {tuple(link.weight.shape)}."
            )
    return found


def _same(values):
    return values


def _link(weight, source, transform=_same):
    """Link one weight to one tensor; None if neither side has it."""
    if weight is None and source is None:
        return None
    if weight is None or source is None:
        has, lacks = ("PyTorch", "Keras") if weight is None else ("Keras", "PyTorch")
        name = "a weight (bias or scale)" if weight is None else f"`{weight.path}`"
        raise ParityError(f"{has} has {name} that {lacks} lacks: compare use_bias/bias, affine, scale and center.")
    return Link(weight, (source,), transform)


def _parameter(t, k):
    return [_link(k.layer, t.layer)]


def _ordered(values, order):
    return values if order is None else values[order]


def _dense(t, k):
    rows, columns = t.orders.get("in"), t.orders.get("out")
    move = lambda w: _ordered(_ordered(w, columns).T, rows)  # torch (out, in) -> Keras (in, out)
    return [
        _link(k.layer.kernel, t.layer.weight, move),
        _link(k.layer.bias, t.layer.bias, lambda b: _ordered(b, columns)),
    ]


def _conv(t, k):
    if isinstance(k.layer, (kl.DepthwiseConv1D, kl.DepthwiseConv2D)):
        groups = t.layer.groups
        move = lambda w: np.moveaxis(w.reshape(groups, -1, *w.shape[2:]), (0, 1), (-2, -1))  # (*k, C, multiplier)
    else:
        move = lambda w: np.moveaxis(w, (1, 0), (-2, -1))  # torch (out, in, *k) -> Keras (*k, in, out)
    return [_link(k.layer.kernel, t.layer.weight, move), _link(k.layer.bias, t.layer.bias)]


def _norm(t, k):
    order = t.orders.get("in", t.orders.get("out"))
    sort = lambda v: _ordered(v, order)
    found = [
        _link(getattr(k.layer, "gamma", None), t.layer.weight, sort),
        _link(getattr(k.layer, "beta", None), t.layer.bias, sort),
    ]
    if t.kind == "batch norm":
        found.append(_link(k.layer.moving_mean, t.layer.running_mean, sort))
        found.append(_link(k.layer.moving_variance, t.layer.running_var, sort))
    return found


def _embedding(t, k):
    return [_link(k.layer.embeddings, t.layer.weight)]


def _recurrent(t, k):
    two = getattr(t.layer, "bidirectional", False)
    if two != isinstance(k.layer, kl.Bidirectional):
        raise ParityError(f"{t} and {k}: only one of the two is bidirectional.")
    if not two:
        return _cell(t, getattr(k.layer, "cell", k.layer), "")
    return _cell(t, k.layer.forward_layer.cell, "") + _cell(t, k.layer.backward_layer.cell, "_reverse")


def _cell(t, cell, suffix):
    """Gates: LSTM i, f, g, o in both; GRU r, z, n in PyTorch and z, r, h in Keras."""
    end = "" if isinstance(t.layer, nn.RNNCellBase) else f"_l{t.level}{suffix}"
    get = lambda name: getattr(t.layer, name + end, None)
    if getattr(t.layer, "proj_size", 0):
        raise ParityError(f"{t}: Keras has no LSTM with a projection (proj_size).")
    if t.kind == "gru" and not cell.reset_after:
        raise ParityError(f"{t}: PyTorch resets after the multiplication; give the Keras GRU reset_after=True.")
    gates = _swap_gates if t.kind == "gru" else _same
    kernels = [
        _link(cell.kernel, get("weight_ih"), lambda w: gates(w).T),
        _link(cell.recurrent_kernel, get("weight_hh"), lambda w: gates(w).T),
    ]
    return [*kernels, _recurrent_bias(cell.bias, get("bias_ih"), get("bias_hh"), t.kind)]


def _swap_gates(values):
    reset, update, new = np.split(values, 3)
    return np.concatenate([update, reset, new])


def _recurrent_bias(weight, b_ih, b_hh, kind):
    """PyTorch's two bias vectors: Keras' GRU keeps both, the others hold their sum."""
    if weight is None or b_ih is None:
        return _link(weight, b_ih)
    if kind == "gru":
        return Link(weight, (b_ih, b_hh), lambda a, b: np.stack([_swap_gates(a), _swap_gates(b)]))
    return Link(weight, (b_ih, b_hh), np.add, gradient=lambda a, b: a if b_ih.requires_grad else b)


def _attention(t, k):
    heads, width = t.layer.num_heads, t.layer.embed_dim
    biases = t.layer.in_proj_bias
    found = []
    for i, name in enumerate(("query", "key", "value")):
        dense = getattr(k.layer, f"{name}_dense")
        rows = slice(i * width, (i + 1) * width)
        if t.layer.in_proj_weight is not None:  # q, k and v above each other
            weight, cut = t.layer.in_proj_weight, rows
        else:
            weight, cut = getattr(t.layer, f"{name[0]}_proj_weight"), slice(None)
        found.append(_link(dense.kernel, weight, lambda w, c=cut: w[c].T.reshape(w.shape[1], heads, -1)))
        found.append(_link(dense.bias, biases, lambda b, r=rows: b[r].reshape(heads, -1)))
    out, dense = t.layer.out_proj, k.layer.output_dense
    found.append(_link(dense.kernel, out.weight, lambda w: w.T.reshape(heads, -1, w.shape[0])))
    return [*found, _link(dense.bias, out.bias)]


def _declared(t, k):
    """A user's layer: by the mapping that `parity.register` was given."""
    mapping = next(m for cls, (_, m) in REGISTERED.items() if isinstance(t.layer, cls))
    return declared(t.layer, k.layer, mapping)


def declared(module, layer, mapping):
    """Links by {torch tensor name: Keras path or (Keras path, transform)}."""
    found = []
    for name, target in mapping.items():
        path, transform = target if isinstance(target, tuple) else (target, _same)
        found.append(Link(keras_weight(layer, path), (torch_tensor(module, name),), transform))
    return found


def torch_tensor(module, name):
    """The parameter or buffer of that dotted name; raises ParityError with the names there are."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    if name not in tensors:
        raise ParityError(f"{type(module).__name__} has no tensor {name!r}; it has {', '.join(tensors)}.")
    return tensors[name]


def keras_weight(layer, path):
    """The weight at an attribute path ("norm.gamma") or at the end of a Keras path ("norm/gamma")."""
    found = layer
    for part in path.replace("/", ".").split("."):
        found = found[int(part)] if part.isdigit() and isinstance(found, list) else getattr(found, part, None)
    if isinstance(found, keras.Variable):
        return found
    matches = [w for w in layer.weights if f"/{w.path}".endswith("/" + path.replace(".", "/"))]
    if len(matches) != 1:
        names = ", ".join(w.path for w in layer.weights)
        raise ParityError(f"{type(layer).__name__} has {len(matches)} weights at {path!r}; it has {names}.")
    return matches[0]


RULES = {
    "parameter": _parameter,
    "dense": _dense,
    **dict.fromkeys(CONVOLUTIONS, _conv),
    **dict.fromkeys(("batch norm", "layer norm", "group norm"), _norm),
    "embedding": _embedding,
    **dict.fromkeys(RECURRENT, _recurrent),
    "attention": _attention,
}


# --- images made flat --------------------------------------------------------------------------------
def set_orders(events):
    """Find where an image is made flat, (B, C, H, W) -> (B, C*H*W), or the reverse, and note the feature order.

    PyTorch counts channels first, Keras channels last, so the rows of the next Linear (the columns of the last
    one) change places. `events` come from run.record_torch.
    """
    channels, flat, behind = None, None, []
    for i, (item, before, after) in enumerate(events):
        if item is None and len(before) > 2 and len(after) == 2:
            flat = _flat_order(before[1:], after[1], channels)
        elif item is None and len(before) == 2 and len(after) > 2 and _next_takes(events[i + 1 :], after[1]):
            for layer in behind:
                layer.orders["out"] = _order(after[1], before[1])
        elif item is not None and isinstance(item.layer, CHANNEL_LAYERS) and before.ndim > 2:
            channels, flat, behind = after.shape[1], None, []
        elif item is not None:
            if flat is not None and before.ndim == 2 and before.shape[1] == len(flat):
                item.orders["in"] = flat
            behind = [item] if item.kind == "dense" else [*behind, item]
            flat = None if item.kind == "dense" else flat


def _order(channels, features):
    """For each feature in Keras' order (H, W, C) its place in PyTorch's order (C, H, W)."""
    return np.arange(features).reshape(channels, -1).T.ravel()


def _flat_order(shape, features, channels):
    first = channels is not None and shape[0] == channels and int(np.prod(shape)) == features
    return _order(channels, features) if first and features > channels else None


def _next_takes(events, channels):
    layer, before = next(((item.layer, before) for item, before, _ in events if item is not None), (None, None))
    return isinstance(layer, CHANNEL_LAYERS) and before.ndim > 2 and before.shape[1] == channels
