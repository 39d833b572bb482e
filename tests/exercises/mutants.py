"""Wrong answers made from an exercise's own solution, and right ones written differently: no check may mix them up.

A mutant is what a learner's code does by oversight: it returns its first result for ever, keeps one argument from the
first call, changes its arguments, comes back from the other framework, or cuts the gradient off. An equivalent is the
solution with another float type, or with lists for vectors.
"""

import copy
import functools
import inspect

import numpy as np

from utils.exercise import guard, replay

WRONG, UNTRIED, HARMLESS = "wrong", "untried", "harmless"  # how a mutant differed from the solution in one call


class Mutant:
    """An altered solution: `answer` is what the learner would hand in.

    `acted` tells whether it was ever wrong, or whether the check never tried what would show it. A mutant that was
    tried and never wrong, as an argument that does not matter, is a right answer.
    """

    def __init__(self, name, answer, acted):
        self.name, self.answer, self._acted = name, answer, acted

    @property
    def acted(self):
        return self._acted()


def altered(function, name, alter):
    """A Mutant of a function; alter(function, args, kwargs, log) -> result, and appends to `log` where it acts."""
    log = []

    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return alter(function, args, kwargs, log)

    return Mutant(name, wrapper, lambda: WRONG in log or (bool(log) and HARMLESS not in log))


def wrong(cls):
    """The mutants of every solution of an exercise: list of Mutant."""
    found = []
    for name, solution in cls.solutions().items():
        if inspect.isclass(solution):
            found += [altered_class(solution, f"{name}: {word}", alter) for word, alter in of_methods(cls)]
        elif cls.answer_kind == "function":
            found += [altered(solution, f"{name}: {word}", alter) for word, alter in of_functions(cls, solution)]
    return found


def right(cls):
    """The equivalents of every solution that is a function: list of Mutant."""
    found = []
    for name, solution in cls.solutions().items():
        if cls.answer_kind == "function" and not inspect.isclass(solution):
            kinds = EQUIVALENT if cls.framework == "numpy" else EQUIVALENT[:2]
            found += [altered(solution, f"{name}: {word}", through(change)) for word, change in kinds]
    return found


# --- functions ------------------------------------------------------------------------------------
def of_functions(cls, solution):
    """[(name, alter)] for a solution that is a function."""
    parameters = list(inspect.signature(solution).parameters)
    frames = [("comes from the other framework", other_framework(cls)), ("cuts the gradient", no_gradient)]
    return [
        ("first result for ever", first_for_ever()),
        ("changes its arguments", changes_arguments),
        *((f"keeps the first `{p}`", keeps_first(solution, p)) for p in parameters),
        *(frames if cls.framework in ("torch", "keras") else []),
    ]


def first_for_ever():
    kept = []

    def alter(function, args, kwargs, log):
        right = function(*args, **kwargs)
        kept.append(right)
        log.append(UNTRIED if same(kept[0], right) else WRONG)
        return kept[0]

    return alter


def keeps_first(solution, parameter):
    kept, signature = [], inspect.signature(solution)

    def alter(function, args, kwargs, log):
        bound = signature.bind(*args, **kwargs)
        if parameter not in bound.arguments:
            return function(*args, **kwargs)
        kept.append(bound.arguments[parameter])
        right = untouched(function, args, kwargs)
        bound.arguments[parameter] = guard.copies(kept[0])
        result = function(*bound.args, **bound.kwargs)
        if same(kept[0], kept[-1]):
            log.append(UNTRIED)
        else:
            log.append(HARMLESS if comparable(right) and not replay.differs(result, right) else WRONG)
        return result

    return alter


def same(first, other):
    """True if two arguments, or two results, cannot be told apart."""
    return first is other or (comparable(first) and comparable(other) and not replay.differs(other, first))


def untouched(function, args, kwargs):
    """The right result without a trace: on deep copies, under its own random draws; None if that is not possible."""
    try:
        args, kwargs = copy.deepcopy((args, kwargs))
    except Exception:
        return None
    result = replay.run(function, args, kwargs)
    return None if isinstance(result, Exception) else result


def comparable(result):
    """True for numbers and arrays, whose equality means that the answer is right; False for models and the like."""
    return result is not None and all(
        hasattr(leaf, "shape") or isinstance(leaf, (bool, int, float, str)) for leaf in guard.leaves(result)
    )


def changes_arguments(function, args, kwargs, log):
    result = function(*guard.copies(args), **guard.copies(kwargs))
    for value in [*args, *kwargs.values()]:
        if spoil(value):
            log.append(WRONG)
    return result


def spoil(value):
    """Change an array, a tensor, a list or a dict in place; True if that was possible."""
    if isinstance(value, np.ndarray) and value.size and value.flags.writeable and value.dtype.kind in "biuf":
        value[...] = ~value if value.dtype.kind == "b" else value + 1
        return True
    if guard.is_tensor(value) and type(value).__module__ == "torch" and value.is_floating_point() and value.numel():
        value.data += 1
        return True
    if type(value) is list and value:
        value.append(value[-1])
        return True
    if type(value) is dict and value:
        value.pop(next(iter(value)))
        return True
    return False


def other_framework(cls):
    def alter(function, args, kwargs, log):
        return mapped(function(*args, **kwargs), functools.partial(moved, cls.framework, log))

    return alter


def moved(framework, log, leaf):
    import keras
    import torch

    if framework == "torch" and isinstance(leaf, torch.Tensor):
        log.append(WRONG)
        return keras.ops.convert_to_tensor(leaf.detach().cpu().numpy())
    if framework == "keras" and guard.is_tensor(leaf) and not isinstance(leaf, torch.Tensor):
        log.append(WRONG)
        return torch.from_numpy(np.array(guard.to_array(leaf)))
    return leaf


def no_gradient(function, args, kwargs, log):
    import torch

    def cut(leaf):
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad and not isinstance(leaf, torch.nn.Parameter):
            log.append(WRONG)
            return leaf.detach()
        return leaf

    return mapped(function(*args, **kwargs), cut)


# --- classes ---------------------------------------------------------------------------
def of_methods(cls):
    return [("first result for ever", first_for_ever), ("cuts the gradient", lambda: no_gradient_of_layer)]


def altered_class(solution, name, make):
    """A Mutant of a class: every public method that returns something is altered."""
    log = []

    def method(function, alter):
        @functools.wraps(function)
        def wrapper(self, *args, **kwargs):
            acted = []
            result = function(self, *args, **kwargs)
            if result is None or result is self:
                return result
            changed = alter(lambda *a, **k: result, args, kwargs, acted)
            log.extend(acted)
            return changed

        return wrapper

    own = {k: v for k, v in vars(solution).items() if inspect.isfunction(v) and not k.startswith("_")}
    answer = type(solution.__name__, (solution,), {k: method(v, make()) for k, v in own.items()})
    return Mutant(name, answer, lambda: bool(log))


def no_gradient_of_layer(function, args, kwargs, log):
    import keras
    import torch

    def cut(leaf):
        if isinstance(leaf, torch.Tensor) and leaf.requires_grad:
            log.append(WRONG)
            return leaf.detach()
        if guard.is_tensor(leaf) and not isinstance(leaf, torch.Tensor):
            log.append(WRONG)
            return keras.ops.stop_gradient(leaf)
        return leaf

    return mapped(function(*args, **kwargs), cut)


# --- right answers written differently ------------------------------------------------------------
def through(change):
    def alter(function, args, kwargs, log):
        return mapped(function(*args, **kwargs), functools.partial(change, log))

    return alter


def single(log, leaf):
    if isinstance(leaf, np.ndarray | np.floating) and leaf.dtype == np.float64:
        log.append(WRONG)
        return leaf.astype(np.float32)
    return leaf


def double(log, leaf):
    if isinstance(leaf, np.ndarray | np.floating) and leaf.dtype == np.float32:
        log.append(WRONG)
        return leaf.astype(np.float64)
    if type(leaf).__module__ == "torch" and str(leaf.dtype) == "torch.float32" and type(leaf).__name__ == "Tensor":
        log.append(WRONG)
        return leaf.double()
    return leaf


def listed(log, leaf):
    if isinstance(leaf, np.ndarray | np.generic) and leaf.ndim <= 1 and leaf.size:
        log.append(WRONG)
        return leaf.tolist()
    return leaf


EQUIVALENT = (("in single precision", single), ("in double precision", double), ("as a list", listed))


def mapped(result, change):
    """A result with `change` applied to every leaf of its tuples, lists and dicts."""
    if type(result) in (tuple, list):
        return type(result)(mapped(part, change) for part in result)
    if type(result) is dict:
        return {k: mapped(v, change) for k, v in result.items()}
    return change(result)
