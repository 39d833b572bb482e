"""Exercises that check themselves: name the likely mistake, give graded hints, show an honest solution.

    class Softmax(exercise.Exercise):
        '''Write `softmax(logits)`: (B, K) -> (B, K), rows sum to 1.'''
        hints = ("Which axis holds the classes?", "Divide by the sum over `axis=-1`.")

        def test(self, softmax):
            got = self.expect_array(self.call(softmax, LOGITS), shape=(2, 3))
            self.expect_close(got, RIGHT, "Rows should sum to 1: use `axis=-1`.")

        @staticmethod
        def reference(logits): ...
        mistakes = (exercise.Mistake(softmax_over_batch, "axis=-1"), ...)
In the notebook: `ex.Softmax().check(softmax)`, `.hint()`, `.solution()`; `exercise.progress()` for the map.
"""

import inspect
import re
import sys
from collections import namedtuple

from utils.exercise import guard
from utils.exercise import records, show
from utils.exercise.guard import to_array
from utils.exercise.records import find, load_module

__all__ = ["Exercise", "Mistake", "Result", "Wrong", "exercises_in", "find", "load_module", "progress", "to_array"]

Mistake = namedtuple("Mistake", ["answer", "words"])
Mistake.__doc__ = "A typical wrong answer, and the words that its feedback must contain."


class Wrong(Exception):
    """Raised in `test` with the sentence that the learner reads; `code` in backticks is set as code."""


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


class Exercise:
    """One exercise: statement (this docstring), test, hints, solution and typical mistakes.

    `reference*` are the solutions, one per framework where both are asked for. `answer_kind = "value"` says that
    the answer is a model, an array or a number: `reference` and mistakes that are functions then return it.
    """

    difficulty = 1  # 1..3
    minutes = 10
    framework = "numpy"  # "numpy" | "torch" | "keras" | "either"
    answer_kind = "function"  # "function" (or class) | "value"
    answer_name = ""  # the name that the solution gets; from the class name if empty
    time_limit = 10.0  # seconds for a whole check
    hints = ()
    why = ""
    mistakes = ()  # of Mistake; or a static method that returns them
    _shown = 0  # hints shown in this session

    def test(self, answer):
        """Raise Wrong with the sentence for the learner if the answer is wrong."""
        raise NotImplementedError(f"{type(self).__name__} needs a method test(self, answer).")

    # --- what the learner calls -----------------------------------------------------------------
    def check(self, answer=None):
        """Test the answer, show the feedback, remember the progress; never raises. Returns a Result."""
        status, message, printed = self._judge(answer)
        if status != "open":
            records.record(self.key(), lambda entry: self._remember(entry, status))
        self._show(status, message, printed)
        return Result(status, message)

    def hint(self):
        """Show the next hint, and the earlier ones again."""
        cls = type(self)
        cls._shown = min(cls._shown + 1, len(self.hints))
        records.record(self.key(), self._remember_hint)
        lines = [f"{i} of {len(self.hints)}: {hint}" for i, hint in enumerate(self.hints[: cls._shown], 1)]
        if cls._shown >= len(self.hints):
            lines.append("That was the last one; `.solution()` shows a solution.")
        self._show("hint", "\n".join(lines))

    def solution(self):
        """Show a solution and why it is as it is."""
        records.record(self.key(), lambda entry: entry.update(solution_viewed=True))
        code = "\n\n\n".join(self.solution_code())
        show.code(code, self.why)

    def statement(self):
        """The exercise in words: the docstring of the class, Markdown."""
        return inspect.cleandoc(type(self).__doc__ or "")

    def __repr__(self):
        return f"{self._label()}: {self.statement()}"

    def _repr_markdown_(self):
        return f"**{self._label()}**\n\n{self.statement()}"

    # --- what `test` calls ----------------------------------------------------------------------
    def call(self, function, *args, **kwargs):
        """Call the learner's code with copies of the arguments; exceptions and None become Wrong.

        For NumPy exercises a tensor that comes back is turned into an array. Call the code directly, without
        `call`, where it should change its arguments or return nothing.
        """
        if guard.is_stub(function):
            raise NotAttempted
        if not callable(function):
            raise Wrong(f"Expected a function, but got {guard.describe(function)}: pass its name, without `()`.")
        args, kwargs = guard.copies(args), guard.copies(kwargs)
        try:
            result = function(*args, **kwargs)
        except (Wrong, NotAttempted):
            raise
        except (Exception, SystemExit) as error:
            raise self._feedback(error) from error
        if result is ...:
            raise NotAttempted
        if result is None:
            raise Wrong("Your function returned None: is the `return` missing?")
        return to_array(result) if self.framework == "numpy" and guard.is_tensor(result) else result

    def expect_array(self, got, shape=None, name="your result", finite=True):
        """Check type, shape and NaN; returns `got` as np.ndarray. -1 in `shape` admits any length.

        A tensor of either framework, on any device, with or without gradient, counts as an array.
        """
        if got is ...:
            raise NotAttempted
        if got is None or not (hasattr(got, "shape") or isinstance(got, (int, float, complex))):
            raise Wrong(f"{_sentence(name)} should be an array, but it is {guard.describe(got)}.")
        array = to_array(got)
        if array.dtype.kind not in "biufc":
            raise Wrong(f"{_sentence(name)} should hold numbers, but its dtype is {array.dtype}.")
        if shape is not None and not _fits(array.shape, shape):
            raise Wrong(_about_shape(array.shape, tuple(shape), name))
        if finite and array.dtype.kind in "fc":
            _expect_finite(array, name)
        return array

    def expect_number(self, got, name="your result"):
        """Check for one finite number (an array of one element will do); returns it as float."""
        array = self.expect_array(got, name=name)
        if array.size != 1:
            raise Wrong(f"{_sentence(name)} should be one number, but it is {guard.describe(got)}.")
        return float(array.reshape(()).real)

    def expect_type(self, got, types, name="your answer"):
        """Check for an instance of one of the types; returns it."""
        if not isinstance(got, types):
            wanted = " or ".join(t.__name__ for t in (types if isinstance(types, tuple) else (types,)))
            raise Wrong(f"{_sentence(name)} should be a {wanted}, but it is {guard.describe(got)}.")
        return got

    def expect_close(self, got, right, message="", rtol=1e-5, atol=1e-6, name="your result"):
        """Check shape and values against the right ones; `message` comes first, then the first difference."""
        import numpy as np

        right = to_array(right)
        got = self.expect_array(got, right.shape, name, finite=bool(np.all(np.isfinite(right))))
        close = np.isclose(got, right, rtol=rtol, atol=atol)
        if not close.all():
            at = tuple(int(i) for i in np.argwhere(~close)[0])
            where = f" at {list(at)}" if at else ""
            text = f"{_sentence(name)}{where} is {_number(got[at])}, expected {_number(right[at])}."
            raise Wrong(f"{message} {text}".strip())
        return got

    # --- what tests and the progress map call ---------------------------------------------------
    @classmethod
    def key(cls):
        """The name in the progress file, as "phase1_foundations/perceptron/Softmax"."""
        path = getattr(sys.modules.get(cls.__module__), "__file__", None)
        return f"{records.lesson_key(path) if path else 'notebook'}/{cls.__name__}"

    @classmethod
    def solutions(cls):
        """The right answers: {"reference": answer, ...}."""
        return {name: cls._answer(getattr(cls, name)) for name in cls._references()}

    @classmethod
    def wrong_answers(cls):
        """The typical mistakes: list of Mistake, their answers ready for `check`."""
        listed = cls.mistakes() if callable(cls.mistakes) else cls.mistakes
        return [Mistake(cls._answer(answer), words) for answer, words in listed]

    @classmethod
    def _references(cls):
        return dict.fromkeys(n for c in reversed(cls.__mro__) for n in vars(c) if n.startswith("reference"))

    @classmethod
    def _answer(cls, answer):
        return answer() if cls.answer_kind == "value" and inspect.isfunction(answer) else answer

    @classmethod
    def solution_code(cls):
        """The source of each solution, dedented, without decorator, under the name that was asked for."""
        name = cls.answer_name or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        return [show.source(getattr(cls, n), n, name) for n in cls._references()]

    # --- inside ---------------------------------------------------------------------------------
    def _judge(self, answer):
        """Run the test under guard -> (status, message, what the learner's code printed)."""
        status, message, printed = "solved", self.why, ""
        try:
            if guard.is_stub(answer):
                raise NotAttempted
            with guard.captured_output() as out, guard.time_limit(self.time_limit):
                try:
                    self.test(answer)
                finally:
                    printed = out.text + ("…" if out.cut else "")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not isinstance(error, (Wrong, NotAttempted)):
                own_file = getattr(sys.modules.get(type(self).__module__), "__file__", None) or ""
                error = self._feedback(error, own_file, "The check cannot use your answer")
            status = "wrong" if isinstance(error, Wrong) else "open"
            message = str(error) or "Fill in the stub and run the cell again; `.hint()` helps."
        return status, message, printed

    def _feedback(self, error, not_in="", verb="Your code stopped"):
        """The exception of the learner's code as an exception that says it in one sentence."""
        refused = "not implemented for" in guard.message_of(error)  # PyTorch's word for a wrong dtype: no stub
        unfinished = (isinstance(error, NotImplementedError) and not refused) or "ellipsis" in guard.message_of(error)
        if unfinished and guard.place(error, not_in):
            return NotAttempted()
        return Wrong(guard.explain(error, not_in, verb))

    @staticmethod
    def _remember(entry, status):
        records.count("attempts")(entry)
        if status == "solved":
            entry.setdefault("solved", records.now())

    def _remember_hint(self, entry):
        entry["hints"] = max(type(self)._shown, entry.get("hints", 0))

    def _label(self):
        return f"{type(self).__name__} {'★' * self.difficulty} {self.minutes} min"

    def _show(self, status, message, printed=""):
        show.card(status, self._label(), message, printed)


def exercises_in(module):
    """The exercises that a module defines, in the order of the file: list of classes."""
    return records.exercises_in(module, Exercise)


def progress(root=records.ROOT):
    """Draw the map of what is done: every exercise of every lesson, solved, attempted or open."""
    show.overview(records.overview(root))


def _sentence(name):
    return name[:1].upper() + name[1:]


def _fits(shape, wanted):
    return len(shape) == len(wanted) and all(w in (-1, s) for s, w in zip(shape, wanted, strict=True))


def _about_shape(shape, wanted, name):
    text = f"{_sentence(name)} has shape {shape}, expected {wanted}"
    if shape == (*wanted, 1):
        return f"{text}: take off the last axis, for example with `[:, 0]`; (N, 1) minus (N,) makes (N, N)."
    if (*shape, 1) == wanted:
        return f"{text}: keep the last axis, for example with `keepdims=True` or `[:, None]`."
    if shape != wanted and shape == wanted[::-1]:
        return f"{text}: are the axes swapped?"
    return text + "."


def _expect_finite(array, name):
    import numpy as np

    if np.isnan(array).any():
        raise Wrong(f"{_sentence(name)} contains NaN: is there 0 / 0, or the logarithm of a negative number?")
    if np.isinf(array).any():
        raise Wrong(f"{_sentence(name)} contains infinity: is there a division by 0, log(0) or a too large exp?")


def _number(value):
    return f"{value:.6g}" if value.dtype.kind in "fc" else str(value)
