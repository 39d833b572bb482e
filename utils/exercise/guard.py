"""Runs a learner's code safely: time limit, captured output, copies, and errors told in one sentence."""

import contextlib
import copy
import ctypes
import dis
import inspect
import io
import linecache
import signal
import sys
import sysconfig
import threading
import time
from pathlib import Path

PRINT_LIMIT = 1000  # characters of the learner's output that a check shows
_LIBRARIES = (sysconfig.get_paths()["stdlib"], str(Path(__file__).parents[1]))
_IDLE = {"RESUME", "NOP", "CACHE", "COPY_FREE_VARS", "MAKE_CELL", "POP_TOP", "RETURN_VALUE"}


class TimeLimit(BaseException):
    """The learner's code ran too long; no Exception, so that `except Exception` cannot swallow it."""


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


def time_limit(seconds):
    """Context that raises TimeLimit in the running code after `seconds`; importing a library is not counted."""
    main = threading.current_thread() is threading.main_thread()
    return _by_signal(seconds) if main and hasattr(signal, "setitimer") else _by_thread(seconds)


@contextlib.contextmanager
def _by_signal(seconds):
    def ring(_signal, frame):
        if not _is_importing(frame):
            raise TimeLimit(seconds)

    start, handler = time.monotonic(), signal.signal(signal.SIGALRM, ring)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # rings again if it was swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if delay:  # an outer timer, as of a test runner, goes on
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - start), 0.01), interval)


@contextlib.contextmanager
def _by_thread(seconds):
    """The same for Windows and for threads other than the main one; reaches Python code, not a long C call."""
    thread, lock, done = threading.get_ident(), threading.Lock(), threading.Event()

    def watch():
        wait = seconds
        while not done.wait(wait):
            wait = 1.0
            with lock:
                if not done.is_set() and not _is_importing(sys._current_frames().get(thread)):
                    _raise_in(thread, TimeLimit)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        try:
            done.set()
        finally:  # a TimeLimit may arrive on the very line above
            done.set()
            with lock:
                _raise_in(thread, None)  # takes back one that has not been delivered yet


def _raise_in(thread, error):
    target = ctypes.c_ulong(thread)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(error) if error else None)


def _is_importing(frame):
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def is_learners_file(filename):
    """True unless the file belongs to Python, to an installed library or to the course's helpers."""
    parts = Path(filename).parts
    if "site-packages" in parts or "dist-packages" in parts or filename.startswith(("<frozen", "<__array")):
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


def explain(error, not_in="", verb="Your code stopped"):
    """One sentence for a learner about the exception of their code; `not_in` is the exercise's own file."""
    where, kind, message = place(error, not_in), type(error).__name__, shorten(message_of(error), 300)
    if isinstance(error, TimeLimit):
        return f"Your code was still running{where} when the time was up: is there a loop that never ends?"
    if isinstance(error, RecursionError):
        return f"Your function calls itself without end{where}: where does it stop? (RecursionError)"
    if isinstance(error, SystemExit):
        return f"Your code asked Python to exit{where}: leave out `exit()` and `quit()`."
    end = ". Did you run the cell that defines it?" if isinstance(error, NameError) else ""
    verb = "Your code stopped" if where else verb
    return f"{verb}{where}: {kind}: {message}".rstrip(": ") + end


def message_of(error):
    """The exception's own words on one line."""
    try:
        return " ".join(str(error).split())
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
