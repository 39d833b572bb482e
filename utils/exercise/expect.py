"""What a check expects of a result: type, shape, values; each with the sentence that the learner reads."""

import numpy as np

from utils.exercise import guard
from utils.exercise.guard import to_array

SINGLE = {"float16", "bfloat16", "float32"}  # results that carry about seven digits or fewer


class Wrong(Exception):
    """Raised in `test` with the sentence that the learner reads; `code` in backticks is set as code.

    `general` marks a sentence that fits no typical mistake: the learner is then shown the smallest case that fails.
    """

    general = False


class NotAttempted(Exception):
    """The learner's code is still a stub."""


class Result:
    """The outcome of a check: true if solved; shows nothing by itself, since the check has printed its message."""

    def __init__(self, status, message):
        self.status, self.message = status, message

    def __bool__(self):
        return self.status == "solved"

    def __repr__(self):
        return f"<{self.status}>"

    def _ipython_display_(self):
        pass


class Expectations:
    """The methods of an exercise that compare a learner's result with what is right."""

    def expect_array(self, got, shape=None, name="your result", finite=True):
        """Check type, shape and NaN; returns `got` as np.ndarray. -1 in `shape` admits any length.

        A tensor of either framework, on any device, with or without gradient, counts as an array, and so does a list
        of numbers.
        """
        if got is ...:
            raise NotAttempted
        array = _as_array(got)
        if array is None:
            raise Wrong(f"{sentence(name)} should be an array, but it is {guard.describe(got)}.")
        if array.dtype.kind not in "biufc":
            raise Wrong(f"{sentence(name)} should hold numbers, but its dtype is {array.dtype}.")
        if shape is not None and not _fits(array.shape, shape):
            raise Wrong(_about_shape(array.shape, tuple(shape), name))
        if finite and array.dtype.kind in "fc":
            _expect_finite(array, name)
        return array

    def expect_number(self, got, name="your result"):
        """Check for one finite real number (an array of one element will do); returns it as float."""
        array = self.expect_array(got, name=name)
        if array.size != 1:
            raise Wrong(f"{sentence(name)} should be one number, but it is {guard.describe(got)}.")
        if array.dtype.kind == "c" and array.reshape(()).imag:
            raise Wrong(f"{sentence(name)} should be a real number, but it is {array.reshape(())}.")
        return float(array.reshape(()).real)

    def expect_type(self, got, types, name="your answer"):
        """Check for an instance of one of the types; returns it."""
        if got is ...:
            raise NotAttempted
        if not isinstance(got, types):
            wanted = " or ".join(t.__name__ for t in (types if isinstance(types, tuple) else (types,)))
            raise Wrong(f"{sentence(name)} should be a {wanted}, but it is {guard.describe(got)}.")
        return got

    def expect_close(self, got, right, message="", rtol=1e-5, atol=1e-6, name="your result"):
        """Check shape and values against the right ones; `message` comes first, then the first difference.

        A result in single precision is given the rounding of single precision.
        """
        right = to_array(right)
        got = self.expect_array(got, right.shape, name, finite=bool(np.all(np.isfinite(right))))
        if got.dtype.name in SINGLE and right.dtype.kind == "f" and right.size:
            finite = np.abs(right[np.isfinite(right)])
            rtol, atol = max(rtol, 1e-4), max(atol, 1e-6 * float(finite.max(initial=0)))
        close = np.isclose(got, right, rtol=rtol, atol=atol)
        if not close.all():
            at = tuple(int(i) for i in np.argwhere(~close)[0])
            where = f" at {list(at)}" if at else ""
            text = f"{sentence(name)}{where} is {_number(got[at])}, expected {_number(right[at])}."
            wrong = Wrong(f"{message} {text}".strip())
            wrong.general = True
            raise wrong
        return got

    def expect_several(self, got, names):
        """Check for as many results as there are names: ("`y`", "`mean`"); returns them as a tuple."""
        if got is ...:
            raise NotAttempted
        if not isinstance(got, (tuple, list)) or len(got) != len(names):
            raise Wrong(f"Return {len(names)} things, {', '.join(names)}; yours is {guard.describe(got)}.")
        return tuple(got)


def name_mistake(got, right, candidates, rtol=1e-4, atol=None):
    """Raise Wrong with the sentence of the first candidate that `got` equals, unless `got` is right as well.

    candidates: (typical wrong result, sentence) pairs, or a function that returns them, called only where needed.
    atol: 1e-6 of the largest right value unless it is given.
    """
    got, right = to_array(got), to_array(right)
    if atol is None:
        atol = 1e-6 * float(np.abs(right[np.isfinite(right)]).max(initial=0)) + 1e-9 if right.dtype.kind in "fc" else 0

    def equals(other):
        other = to_array(other)
        return other.shape == got.shape and np.allclose(got, other, rtol=rtol, atol=atol, equal_nan=True)

    if not equals(right):
        for wrong, words in candidates() if callable(candidates) else candidates:
            if equals(wrong):
                raise Wrong(words)


def _as_array(got):
    if hasattr(got, "shape") or isinstance(got, (int, float, complex)):
        return to_array(got)
    if isinstance(got, (list, tuple)) and len(got):
        try:
            array = np.asarray([to_array(part) for part in got])
        except (TypeError, ValueError):  # rows of unequal length
            return None
        return array if array.dtype.kind in "biufc" else None
    return None


def sentence(name):
    """The name of a result at the beginning of a sentence."""
    return name[:1].upper() + name[1:]


def _fits(shape, wanted):
    return len(shape) == len(wanted) and all(w in (-1, s) for s, w in zip(shape, wanted, strict=True))


def _about_shape(shape, wanted, name):
    text = f"{sentence(name)} has shape {shape}, expected {wanted}"
    if shape == (*wanted, 1):
        return f"{text}: take off the last axis, for example with `[:, 0]`; (N, 1) minus (N,) makes (N, N)."
    if (*shape, 1) == wanted:
        return f"{text}: keep the last axis, for example with `keepdims=True` or `[:, None]`."
    if shape != wanted and shape == wanted[::-1]:
        return f"{text}: are the axes swapped?"
    return text + "."


def _expect_finite(array, name):
    if np.isnan(array).any():
        raise Wrong(f"{sentence(name)} contains NaN: is there 0 / 0, or the logarithm of a negative number?")
    if np.isinf(array).any():
        raise Wrong(f"{sentence(name)} contains infinity: is there a division by 0, log(0) or a too large exp?")


def _number(value):
    return f"{value:.6g}" if value.dtype.kind in "fc" else str(value)
