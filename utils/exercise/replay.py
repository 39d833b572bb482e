"""What happened when a learner's function was called: compared with the solution on the very same arguments.

The check of an exercise calls the answer; each call is kept. From the calls follow the rules that hold for every
exercise (one result for all inputs is no answer; a gradient that the solution passes on must pass), and the smallest
case that fails, which is what a learner can follow with a pencil.
"""

import inspect
import sys
from dataclasses import dataclass, field

import numpy as np

from utils.exercise import guard

MOST_SHOWN = 16  # numbers of an array that are printed in full


@dataclass
class Call:
    """One call of the answer: copies of the arguments, the result."""

    args: tuple
    kwargs: dict
    result: object = field(default=None, repr=False)

    def size(self):
        """How much a learner would have to read."""
        return sum(np.size(guard.to_array(leaf)) for leaf in guard.leaves([self.args, self.kwargs]) if _is_data(leaf))


def _is_data(value):
    return hasattr(value, "shape") or isinstance(value, (bool, int, float, complex))


def run(function, args, kwargs):
    """Call a function with copies of the arguments, under its own random draws; returns its result or the exception."""
    from utils.exercise import settings

    with settings.known():
        try:
            return function(*guard.copies(args), **guard.copies(kwargs))
        except Exception as error:
            return error


def differs(got, right):
    """True if two results are plainly not the same: other structure, shape, or values beyond rounding."""
    if isinstance(right, Exception) or isinstance(got, Exception):
        return False
    if isinstance(right, dict):
        return not isinstance(got, dict) or got.keys() != right.keys() or any(differs(got[k], right[k]) for k in right)
    if isinstance(right, (tuple, list)) and not all(_is_data(part) and np.ndim(part) == 0 for part in right):
        several = isinstance(got, (tuple, list)) and len(got) == len(right)
        return not several or any(map(differs, got, right))
    try:
        a, b = guard.to_array(got), guard.to_array(right)
        if a.dtype.kind not in "biufc" or b.dtype.kind not in "biufc":
            return bool(a.shape == b.shape == () and a.dtype.kind == b.dtype.kind == "U" and a != b)
        scale = np.abs(b[np.isfinite(b)]).max(initial=0)
        return a.shape != b.shape or not np.allclose(a, b, rtol=1e-3, atol=1e-5 * scale + 1e-8, equal_nan=True)
    except (TypeError, ValueError):
        return False


def smallest_failure(function, reference, calls):
    """The smallest call on which function and reference differ, shown as text; "" if no small one is found.

    The kept calls are tried first, smallest first, then the same with only their first one or two rows.
    """
    tried = sorted(calls, key=Call.size)
    fewer = [part for call in tried[:3] for part in _fewer_rows(call)]
    for call in [*fewer, *tried]:
        right, again = (run(reference, call.args, call.kwargs) for _ in range(2))
        if differs(again, right) or isinstance(right, Exception):  # random, or not defined for so few rows
            continue
        got = run(function, call.args, call.kwargs)
        if differs(got, right):
            return _shown(function, reference, call, got, right)
    return ""


def _fewer_rows(call):
    """The call with one row, and with two, of every argument that shares the first axis; NumPy arrays only."""
    arrays = [a for a in call.args if isinstance(a, np.ndarray) and a.ndim]
    if not arrays or call.kwargs:
        return
    n = len(arrays[0])
    for rows in range(1, min(n, 3)):
        cut = lambda a, rows=rows: a[:rows] if isinstance(a, np.ndarray) and a.ndim and len(a) == n else a
        yield Call(tuple(cut(a) for a in call.args), {})


def _shown(function, reference, call, got, right):
    names = list(inspect.signature(reference).parameters)
    given = [f"{name} = {text(value)}" for name, value in zip(names, call.args, strict=False)]
    given += [f"{name} = {text(value)}" for name, value in call.kwargs.items()]
    if any("of shape" in part for part in given) or sum(map(len, given)) > 600:
        return ""
    return f"The smallest case that fails:\n{', '.join(given)}\nexpected: {text(right)}\nyours: {text(got)}"


def text(value):
    """A value as a learner would write it, rounded; a large array only by its shape."""
    if isinstance(value, (tuple, list)):
        return ("({})" if isinstance(value, tuple) else "[{}]").format(", ".join(map(text, value)))
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {text(v)}" for k, v in value.items()) + "}"
    if not _is_data(value):
        return guard.shorten(repr(value), 60) if isinstance(value, (str, type(None))) else guard.describe(value)
    array = guard.to_array(value)
    if array.size > MOST_SHOWN:
        return guard.describe(value)
    if array.dtype.kind in "fc":
        return str(_rounded(array.tolist()))
    return str(array.tolist())


def _rounded(value):
    if isinstance(value, list):
        return [_rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


# --- rules that hold for every function -----------------------------------------------------------
def cut_gradient(call, reference):
    """True if the solution's result depends on weights or inputs that learn, and this result does not (PyTorch)."""
    torch = sys.modules.get("torch")
    if torch is None or not any(isinstance(leaf, torch.Tensor) for leaf in guard.leaves(call.result)):
        return False
    if not any(_learns(leaf, torch) for leaf in guard.leaves([call.args, call.kwargs])):
        return False
    right = run(reference, call.args, call.kwargs)
    if isinstance(right, Exception):
        return False
    needs = lambda result: [getattr(leaf, "requires_grad", False) for leaf in guard.leaves(result)]
    got, wanted = needs(call.result), needs(right)
    return len(got) == len(wanted) and any(w and not g for g, w in zip(got, wanted, strict=True))


def _learns(leaf, torch):
    if isinstance(leaf, torch.nn.Module):
        return any(p.requires_grad for p in leaf.parameters())
    return isinstance(leaf, torch.Tensor) and leaf.requires_grad


def foreign(result, framework):
    """The name of the other framework if a result comes from it although this one was asked for, else ""."""
    kinds = {type(leaf).__module__.partition(".")[0] for leaf in guard.leaves(result)}
    if framework == "torch" and kinds & {"tensorflow", "keras", "jax", "jaxlib"}:
        return "Keras"
    if framework == "keras" and "torch" in kinds:
        import keras

        return "" if keras.backend.backend() == "torch" else "PyTorch"
    return ""
