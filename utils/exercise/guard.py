"""Handles a learner's code: stubs, copies, captured output, and errors told in one sentence."""

import contextlib
import copy
import dis
import inspect
import io
import linecache
import re
import sys
import sysconfig
from pathlib import Path

from utils.exercise.limits import MemoryLimit, TimeLimit

PRINT_LIMIT = 1000  # characters of the learner's output that a check shows
_ROOT = Path(__file__).parents[2]
_LIBRARIES = (sysconfig.get_paths()["stdlib"], str(_ROOT / "utils"))
_WRONG_COUNT = r"takes .*positional argument|missing \d+ required|unexpected keyword"
_IDLE = {"RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "MAKE_CELL", "POP_TOP", "RETURN_VALUE"}


def is_stub(answer):
    """True for `...`, None, and a function or class whose bodies hold only a docstring, `...` or `pass`."""
    if answer is None or answer is ...:
        return True
    if inspect.isclass(answer):
        methods = {k: v for k, v in vars(answer).items() if inspect.isfunction(v) and k != "__init__"}
        if not methods:
            return "__init__" not in vars(answer) and answer.__bases__ == (object,)
        return all(is_stub(method) for method in methods.values())
    if not inspect.isroutine(answer) and not inspect.isfunction(answer):
        method = _first_method(answer)
        return method is not None and is_stub(method)
    code = getattr(inspect.unwrap(answer), "__code__", None)
    return code is not None and all(map(_does_nothing, dis.get_instructions(code)))


def _does_nothing(instruction):
    if instruction.opname in ("LOAD_CONST", "RETURN_CONST"):
        return instruction.argval is None or instruction.argval is ...
    return instruction.opname in _IDLE


def _first_method(instance):
    """What runs when a learner's object is called: forward, call or __call__, if it is plain Python."""
    for name in ("forward", "call", "__call__"):
        method = getattr(type(instance), name, None)
        if inspect.isfunction(method) and is_learners_file(method.__code__.co_filename):
            return method
    return None


def copies(value):
    """Copy arrays and tensors, also inside lists, tuples and dicts, so that a learner cannot change ours."""
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(copies(v) for v in value)
    if type(value) is dict:
        return {k: copies(v) for k, v in value.items()}
    if _is_torch(value) and not isinstance(value, sys.modules["torch"].nn.Parameter):
        return value.detach().clone().requires_grad_(value.requires_grad)
    return copy.deepcopy(value) if type(value).__module__ == "numpy" else value


def _is_torch(value):
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def is_tensor(value):
    """True for a tensor of PyTorch, TensorFlow, JAX or a Keras variable."""
    library = type(value).__module__.partition(".")[0]
    return _is_torch(value) or (library in ("tensorflow", "jaxlib", "jax", "keras") and hasattr(value, "shape"))


def leaves(value):
    """The arrays, tensors and numbers in nested lists, tuples and dicts: list."""
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in leaves(part)]
    return leaves(list(value.values())) if isinstance(value, dict) else [value]


def changed(kept, given):
    """True if an array, a tensor, a list or a dict in `given` is no longer what it was in the copy `kept`."""
    if type(kept) in (list, tuple):
        return len(kept) != len(given) or any(changed(k, g) for k, g in zip(kept, given, strict=True))
    if type(kept) is dict:
        return list(kept) != list(given) or any(changed(v, given[k]) for k, v in kept.items())
    if not hasattr(kept, "shape") or type(kept).__module__.startswith(("tensorflow", "jax")):  # those cannot be changed
        return False
    if type(kept).__module__ != "numpy" and not _is_torch(kept):
        return False
    a, b = to_array(kept), to_array(given)
    return a.shape != b.shape or a.dtype != b.dtype or a.tobytes() != b.tobytes()


def to_array(value):
    """A tensor of either framework (any device, with or without gradient), a list or a number -> np.ndarray."""
    import numpy as np

    if hasattr(value, "value") and type(value).__module__.startswith("keras"):
        value = value.value  # a Keras variable holds a tensor of its backend
    if _is_torch(value):
        value = value.detach().cpu()
        value = value.float() if "bfloat16" in str(value.dtype) else value
    return np.asarray(value.numpy() if is_tensor(value) and hasattr(value, "numpy") else value)


class _Limited(io.TextIOBase):
    """Keeps the first PRINT_LIMIT characters, so that printing in a loop cannot fill the page."""

    def __init__(self):
        self.text, self.cut = "", False

    def writable(self):
        return True

    def write(self, text):
        room = PRINT_LIMIT - len(self.text)
        self.cut = self.cut or len(text) > room
        self.text += text[:room]
        return len(text)


@contextlib.contextmanager
def captured_output():
    """Collect what is printed; yields an object with `text` (cut at PRINT_LIMIT) and `cut`."""
    out = _Limited()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(_Limited()):
        yield out


def is_learners_file(filename):
    """True unless the file belongs to Python, to an installed library or to the course: those are never blamed."""
    parts = Path(filename).parts
    if "site-packages" in parts or "dist-packages" in parts or filename.startswith(("<frozen", "<__array")):
        return False
    if {"exercises", "explorers"} & set(parts[-2:-1]) and Path(filename).is_relative_to(_ROOT):
        return False
    return not filename.startswith(_LIBRARIES)


def place(error, not_in=""):
    """The learner's own line in a traceback, as " in line 3 (`return 1 / 0`)", or "" if there is none."""
    found, trace = "", error.__traceback__
    while trace is not None:
        code, line = trace.tb_frame.f_code, trace.tb_lineno
        if code.co_filename != not_in and is_learners_file(code.co_filename):
            found = (code.co_filename, line, trace.tb_frame.f_globals)
        trace = trace.tb_next
    if not found:
        return ""
    text = shorten(linecache.getline(*found).strip(), 80)
    return f" in line {found[1]}" + (f" (`{text}`)" if text else "")


def explain(error, verb="Your code stopped", not_in=""):
    """One sentence for a learner about an exception; `verb` begins it if none of the learner's lines was running.

    not_in: the file of the exercise, whose lines are never the learner's.
    """
    where, kind, message = place(error, not_in), type(error).__name__, shorten(message_of(error), 300)
    if isinstance(error, TimeLimit):
        return f"Your code was still running{where} when the time was up: is there a loop that never ends?"
    if isinstance(error, (MemoryLimit, MemoryError)):
        return f"Your code took too much memory{where}: does something grow without end, or is an array far too large?"
    if isinstance(error, RecursionError):
        return f"Your function calls itself without end{where}: where does it stop? (RecursionError)"
    if isinstance(error, SystemExit):
        return f"Your code asked Python to exit{where}: leave out `exit()` and `quit()`."
    if isinstance(error, TypeError) and re.search(_WRONG_COUNT, message):
        return f"A function does not take the arguments that it is given{where}: {message}."
    end = ". Did you run the cell that defines it?" if type(error) is NameError else ""
    verb = "Your code stopped" if where else verb
    return f"{verb}{where}: {kind}: {message}".rstrip(": ") + end


def message_of(error):
    """The exception's own words on one line."""
    try:
        return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", str(error)).split())  # Keras colours its messages
    except Exception:  # a learner's exception class may be broken too
        return ""


def shorten(text, limit=100):
    """Cut a text at `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def describe(value):
    """Name a value for a sentence: "a list", "an array of shape (2,)", "the text 'abc'"."""
    if value is None or value is ...:
        return repr(value)
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and not isinstance(value, type):
        name = "an array" if type(value).__module__ == "numpy" else "a tensor"
        return f"{name} of shape {tuple(shape)}"
    if isinstance(value, (bool, int, float, str)):
        return f"{type(value).__name__} {shorten(repr(value), 40)}"
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"
