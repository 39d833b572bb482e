"""Loss and gradients of a PyTorch and a Keras model, the latter on each of its backends."""

import keras
import numpy as np
import torch

from utils.parity import run
from utils.parity.layers import ParityError


def torch_loss(model, x, y, loss, channels_first=None):
    """Forward and backward pass of the PyTorch model; leaves the gradients in the parameters; returns the loss."""
    out = run.run_torch(model, x, channels_first)
    y = np.asarray(y)
    if isinstance(out, torch.Tensor) and out.ndim > 2 and y.ndim == out.ndim and tuple(out.shape) != y.shape:
        y = run.to_torch_layout(y)
    target = torch.tensor(np.asarray(y)).to(next(model.parameters()).device)
    value = loss(out, target.float() if target.is_floating_point() else target.long()).mean()
    value.backward()
    return float(value.detach().cpu())


def keras_loss(model, x, y, loss):
    """Forward and backward pass of the Keras model in training mode -> (loss, gradients of trainable weights)."""
    args, options = run.keras_arguments(model, x), run.keras_options(model, x, True)
    backends = {"tensorflow": _with_tensorflow, "torch": _with_torch, "jax": _with_jax}
    if keras.backend.backend() not in backends:
        raise ParityError(f"Gradients work on the backends {', '.join(backends)}, not {keras.backend.backend()}.")
    measure = lambda out: keras.ops.mean(loss(y, out))
    value, grads = backends[keras.backend.backend()](model, args, options, measure)
    return float(keras.ops.convert_to_numpy(value)), grads


def _with_tensorflow(model, args, options, measure):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = measure(model(*args, **options))
    weights = [w.value for w in model.trainable_weights]
    return value, tape.gradient(value, weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _with_torch(model, args, options, measure):
    weights = [w.value for w in model.trainable_weights]
    value = measure(model(*args, **options))
    grads = torch.autograd.grad(value, weights, allow_unused=True)
    return value.detach(), [torch.zeros_like(w) if g is None else g for g, w in zip(grads, weights, strict=True)]


def _with_jax(model, args, options, measure):
    import jax

    weights, others = model.trainable_variables, model.non_trainable_variables

    def compute(values, other_values):
        state = [*zip(weights, values, strict=True), *zip(others, other_values, strict=True)]
        with keras.StatelessScope(state_mapping=state) as scope:
            value = measure(model(*args, **options))
        return value, [scope.get_current_value(v) for v in others]

    start = [[v.value for v in variables] for variables in (weights, others)]
    (value, new_values), grads = jax.value_and_grad(compute, has_aux=True)(*start)
    for variable, new in zip(others, new_values, strict=True):
        variable.assign(new)
    return value, grads
