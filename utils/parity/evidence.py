"""What an equality must show before it counts: two models that both answer nothing are equal, and prove nothing."""

import numpy as np

from utils.parity import run
from utils.parity.layers import ParityError


def require_inputs(x):
    """Raise ParityError if one of the input arrays is empty."""
    shapes = [part.shape for part in run.inputs(x)]
    if not shapes or any(0 in shape for shape in shapes):
        raise ParityError(f"There is nothing to compare: x has the shapes {shapes}. Give at least one example.")


def require_same_keys(ours, theirs):
    """Raise ParityError if the models (raw outputs) answer in dicts, somewhere, that have other names."""
    keys = [sorted(map(str, side)) if isinstance(side, dict) else None for side in (ours, theirs)]
    if keys[0] != keys[1]:
        names = [f"a dict of {', '.join(side)}" if side is not None else "no dict" for side in keys]
        raise ParityError(f"The outputs have other names: PyTorch gives {names[0]}, Keras {names[1]}.")
    if keys[0] is not None:
        for name in ours:
            require_same_keys(ours[name], theirs[name])
    elif all(isinstance(side, (tuple, list)) for side in (ours, theirs)):
        for parts in zip(ours, theirs, strict=False):
            require_same_keys(*parts)


def require_outputs(ours, theirs, gap, atol):
    """Raise ParityError if equal outputs (lists of arrays) say nothing: not finite, all the same, lost in `atol`."""
    if not all(np.isfinite(values).all() for values in (*ours, *theirs)):
        raise ParityError(
            "The outputs hold inf or NaN, which equal each other whatever the models do: scale x or weights."
        )
    if all(np.ptp(values) == 0 for values in ours) and sum(values.size for values in ours) > 1:
        raise ParityError(
            f"Every output is {ours[0].flat[0]:g}, whatever x is, so their equality proves nothing. Give inputs that "
            "differ, and weights that are not zero."
        )
    scale = max(np.abs(values).max() for values in ours)
    if scale <= atol and gap > 0.01 * scale:
        raise ParityError(
            f"All outputs are below atol={atol:g}, so any two models of that size would pass; the largest is "
            f"{scale:.3g}, the largest difference {gap:.3g}. Give a smaller atol, or larger inputs."
        )


def require_loss(ours, theirs):
    """Raise ParityError if one of the two losses is not a finite number."""
    if not np.isfinite([ours, theirs]).all():
        raise ParityError(f"The loss is {ours:g} in PyTorch and {theirs:g} in Keras: gradients of it prove nothing.")


def require_gradients(gradients):
    """Raise ParityError if there are no gradients (list of arrays), if all are zero, or if one is not finite."""
    if not all(np.isfinite(grad).all() for grad in gradients):
        raise ParityError(
            "A gradient holds inf or NaN, which equal each other whatever the models do: scale x or weights."
        )
    if not any(np.any(grad) for grad in gradients):
        raise ParityError(
            "Every gradient is zero, so their equality proves nothing. Likely: all weights are frozen, the loss does "
            "not depend on them (detach), or no ReLU is active."
        )


def require_step(before, after):
    """Raise ParityError if no weight (lists of arrays) has moved."""
    if all(map(np.array_equal, before, after)):
        raise ParityError("No weight has moved, so the step proves nothing. Is the learning rate 0, or every gradient?")
