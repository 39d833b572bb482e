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

from utils.exercise import guard, limits, records, replay, settings, show
from utils.exercise.expect import Expectations, NotAttempted, Result, Wrong, name_mistake
from utils.exercise.guard import to_array
from utils.exercise.parts import Diagnosis, log_softmax, sigmoid, softmax
from utils.exercise.records import find, load_module

__all__ = ["Diagnosis", "Exercise", "Mistake", "NotAttempted", "Result", "Wrong", "exercises_in", "find", "load_module"]
__all__ += ["log_softmax", "name_mistake", "progress", "sigmoid", "softmax", "to_array"]

Mistake = namedtuple("Mistake", ["answer", "words"])
Mistake.__doc__ = "A typical wrong answer, and the words that its feedback must contain."


class Exercise(Expectations):
    """One exercise: statement (this docstring), test, hints, solution and typical mistakes.

    `reference*` are the solutions, one per framework where both are asked for. `answer_kind = "value"` says that
    the answer is a model, an array or a number: `reference` and mistakes that are functions then return it.
    """

    difficulty = 1  # 1..3
    minutes = 10
    framework = "numpy"  # "numpy" | "torch" | "keras" | "either"
    answer_kind = "function"  # "function" (or class) | "value"
    answer_name = ""  # the name that the solution gets; from the class name if empty
    time_limit = 10.0  # CPU seconds for a whole check
    hints = ()
    why = ""
    mistakes = ()  # of Mistake; or a static method that returns them
    _shown = 0  # hints shown in this session

    def test(self, answer):
        """Raise Wrong with the sentence for the learner if the answer is wrong.

        As it stands it compares the answer with the solution on every one of `cases`; override it where equal results
        are not all that is asked for.
        """
        for args in self.cases():
            got, right = self.call(answer, *args), self.call(self.reference, *args)
            self.compare(got, right, args)

    def cases(self):
        """Argument tuples for `test`, at least three: other sizes, not square, a batch of one, other constants."""
        raise NotImplementedError(f"{type(self).__name__} needs a method test(self, answer), or cases(self).")

    def compare(self, got, right, args):
        """Compare one result with the solution's: first with each of `typical(right, *args)`, then in general."""
        self.expect_array(got, to_array(right).shape, finite=False)
        name_mistake(got, right, lambda: self.typical(right, *args))
        self.expect_close(got, right)

    def typical(self, right, *args):
        """The results of typical mistakes for one case: (wrong result, sentence) pairs."""
        return ()

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

    # --- what `test` calls, besides the expectations of expect.py --------------------------------
    def call(self, function, *args, **kwargs):
        """Call the learner's code with copies of the arguments; exceptions and None become Wrong.

        If all else is right in the end, the arguments must also have been left as they were, and a gradient that the
        solution passes on must have passed. For NumPy exercises a tensor that comes back is turned into an array. Call
        the code directly, without `call`, where it should change its arguments or return nothing.
        """
        if guard.is_stub(function):
            raise NotAttempted
        self._expect_callable(function)
        self._expect_parameters(function, args, kwargs)
        given, named = guard.copies(args), guard.copies(kwargs)
        try:
            result = function(*given, **named)
        except (Wrong, NotAttempted):
            raise
        except (Exception, SystemExit) as error:
            raise self._feedback(error) from error
        if result is ...:
            raise NotAttempted
        if result is None:
            raise Wrong("Your function returned None: is the `return` missing?")
        if function is self._answered:
            self._calls.append(replay.Call(args, kwargs, result))
            self.expect_framework(result)
        self._changed |= guard.changed(args, given) or guard.changed(kwargs, named)
        return to_array(result) if self.framework == "numpy" and guard.is_tensor(result) else result

    def _expect_callable(self, answer):
        kind = "class" if inspect.isclass(self._solution()) else "function"
        if not callable(answer):
            raise Wrong(f"Expected a {kind}, but got {guard.describe(answer)}: pass its name, without `()`.")
        if inspect.iscoroutinefunction(answer) or inspect.isasyncgenfunction(answer):
            raise Wrong("Your function is `async`, so calling it runs nothing: leave out the word `async`.")
        if inspect.isgeneratorfunction(answer) and not inspect.isgeneratorfunction(self._solution()):
            raise Wrong("Your function holds a `yield`, so calling it runs nothing: use `return`.")

    def _expect_parameters(self, function, args, kwargs):
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):  # written in C
            return
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            count = len(args) + len(kwargs)
            wanted = f"{count} argument{'s' * (count != 1)}"
            if function is self._answered and inspect.isfunction(self._solution()):
                wanted += f", ({', '.join(inspect.signature(self._solution()).parameters)})"
            raise Wrong(f"The check calls your function with {wanted}; yours takes {signature}: {error}.") from error

    def expect_framework(self, result):
        """Refuse tensors of the framework that was not asked for."""
        if other := replay.foreign(result, self.framework):
            own = {"torch": "PyTorch", "keras": "Keras"}[self.framework]
            raise Wrong(f"The exercise asks for {own}, but your result comes from {other}.")

    def _expect_manners(self):
        """What holds for every right answer: arguments are left alone, gradients pass."""
        if self._changed:
            raise Wrong("The result is right, but your function changed one of its arguments in place: copy it first.")
        solution = self._solution()
        if inspect.isfunction(solution) and any(replay.cut_gradient(call, solution) for call in self._calls):
            raise Wrong(
                "The values are right, but no gradient passes through your result: something like `.detach()`, "
                "`.item()`, `.numpy()` or `torch.no_grad()` cuts it off."
            )

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
        return answer() if cls.answer_kind == "value" and inspect.isroutine(answer) else answer

    @classmethod
    def solution_code(cls):
        """The source of each solution, dedented, without decorator, under the name that was asked for."""
        name = cls.answer_name or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        return [show.source(getattr(cls, n), n, name) for n in cls._references()]

    # --- inside ---------------------------------------------------------------------------------
    _answered, _calls, _changed = None, (), False

    @classmethod
    def _solution(cls):
        """The first solution: what an answer is measured by."""
        return getattr(cls, next(iter(cls._references())), None) if cls._references() else None

    def _judge(self, answer):
        """Run the test under guard -> (status, message, what the learner's code printed)."""
        status, message, printed = "solved", self.why, ""
        self._answered, self._calls, self._changed = answer, [], False
        try:
            if guard.is_stub(answer):
                raise NotAttempted
            with guard.captured_output() as out, settings.known():
                try:
                    self._run_test(answer)
                finally:
                    printed = out.text + ("…" if out.cut else "")
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            if not isinstance(error, (Wrong, NotAttempted)):
                own_file = getattr(sys.modules.get(type(self).__module__), "__file__", None) or ""
                error = self._feedback(error, "The check cannot use what your code returned", own_file)
            status = "wrong" if isinstance(error, Wrong) else "open"
            message = str(error) or "Fill in the stub and run the cell again; `.hint()` helps."
        finally:
            self._answered, self._calls = None, ()
        return status, message, printed

    def _run_test(self, answer):
        try:
            with limits.limits(self.time_limit):
                if self.answer_kind == "function":
                    self._expect_callable(answer)
                self.test(answer)
                self._expect_manners()
        except Wrong as error:
            if error.general and self._calls and inspect.isfunction(self._solution()):
                raise Wrong(f"{error}{self._smallest(answer)}") from error
            raise

    def _smallest(self, answer):
        try:
            with limits.limits(self.time_limit / 2):
                shown = replay.smallest_failure(answer, self._solution(), self._calls)
        except limits.Limit:
            shown = ""
        return f"\n{shown}" if shown else ""

    def _feedback(self, error, verb="Your code stopped", not_in=""):
        """The exception of the learner's code as an exception that says it in one sentence."""
        refused = "not implemented for" in guard.message_of(error)  # PyTorch's word for a wrong dtype: no stub
        unfinished = (isinstance(error, NotImplementedError) and not refused) or "ellipsis" in guard.message_of(error)
        if unfinished and guard.place(error, not_in):
            return NotAttempted()
        return Wrong(guard.explain(error, verb, not_in))

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
    """Draw the map of what is done: every exercise of every lesson in the order of the course, with links."""
    show.overview(records.overview(root))
