"""utils.exercise: every way in which a learner's code can go wrong becomes one friendly sentence."""

import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings

import exercise_rules
import numpy as np
import pytest

from utils import exercise, runtime
from utils.exercise import guard, limits, records, show

X = np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 4.0]])


def softmax_batch(logits):
    e = np.exp(logits)
    return e / e.sum(axis=0)


class Softmax(exercise.Exercise):
    """Write `softmax(logits)`: (B, K) -> (B, K), rows sum to 1."""

    difficulty = 2
    minutes = 7
    time_limit = 0.4
    hints = ("Which axis holds the classes?", "Divide by the sum over `axis=-1`.")
    why = "Each row is one example."

    def test(self, softmax):
        got = self.expect_array(self.call(softmax, X), shape=(2, 3))
        if np.allclose(got, softmax_batch(X)):
            raise exercise.Wrong("Rows should sum to 1, but you normalise over the batch: use `axis=-1`.")
        self.expect_close(got, self.reference(X), "The values differ.")

    @staticmethod
    def reference(logits):
        e = np.exp(logits - logits.max(axis=-1, keepdims=True))  # no overflow
        return e / e.sum(axis=-1, keepdims=True)

    mistakes = (
        exercise.Mistake(softmax_batch, "axis=-1"),
        exercise.Mistake(lambda logits: np.exp(logits), "values differ"),
    )


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "home" / "progress.json"))
    monkeypatch.setattr(Softmax, "_shown", 0)
    return tmp_path / "home" / "progress.json"


def check(answer, cls=Softmax):
    return cls().check(answer)


# --- right, wrong, open ---------------------------------------------------------------------------
def test_right_answer_is_solved(capsys):
    result = check(Softmax.reference)
    assert result and result.status == "solved"
    assert capsys.readouterr().out == "✓ Solved · Softmax ★★ 7 min\n  Each row is one example.\n"


def test_wrong_answer_names_the_mistake(capsys):
    result = check(softmax_batch)
    assert not result and "axis=-1" in result.message
    assert capsys.readouterr().out.startswith("✗ Not yet · Softmax ★★ 7 min\n  Rows should sum to 1")


def test_values_that_differ_are_shown_with_their_place():
    assert "The values differ. Your result at [0, 0] is 2.71828, expected 0.0900306" in check(np.exp).message


def stub_docstring(logits):
    """Your code here."""


def stub_ellipsis(logits): ...


def stub_raise(logits):
    raise NotImplementedError


def stub_return(logits):
    return ...


def stub_gap(logits):
    total = ...
    return logits / total


class StubClass:
    def __init__(self):
        self.size = 3

    def forward(self, x): ...


@pytest.mark.parametrize(
    "answer", [None, ..., stub_docstring, stub_ellipsis, stub_raise, stub_return, stub_gap, StubClass, StubClass()]
)
def test_stub_is_not_attempted(answer, capsys, progress_file):
    result = check(answer)
    assert result.status == "open" and not result
    assert capsys.readouterr().out.startswith("… Not attempted yet · Softmax ★★ 7 min")
    assert not progress_file.exists()  # Run all leaves no trace


@pytest.mark.parametrize("answer", [lambda: 5, lambda x: None or x, np.exp, print, 0, "", X, type("A", (dict,), {})])
def test_work_is_no_stub(answer):
    assert not guard.is_stub(answer)


# --- everything that can go wrong -------------------------------------------------------------------
def raises(logits):
    return logits / logits.no_such


def recursion(logits):
    return recursion(logits)


def endless(logits):
    while True:
        try:
            logits = logits + 1
        except Exception:
            continue


def exits(logits):
    sys.exit(1)


class BrokenError(Exception):
    def __str__(self):
        raise ValueError


def raises_broken(logits):
    raise BrokenError


async def asynchronous(logits):
    return logits


def generator(logits):
    yield logits


def hungry(logits):
    blocks = []
    while True:
        blocks.append(b"x" * 10_000_000)


class Roomy(Softmax):
    time_limit = 60


def line_of(function, offset=1):
    return function.__code__.co_firstlineno + offset


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: print("hi"), "returned None: is the `return` missing?"),
        (raises, f"stopped in line {line_of(raises)} (`return logits / logits.no_such`): AttributeError:"),
        (lambda x: undefined_name, "name 'undefined_name' is not defined. Did you run the cell"),  # noqa: F821
        (lambda: X, "calls your function with 1 argument, (logits); yours takes ()"),
        (lambda x, y: X, "yours takes (x, y): missing a required argument: 'y'"),
        (asynchronous, "is `async`"),
        (generator, "holds a `yield`"),
        (recursion, "calls itself without end"),
        (endless, "was still running"),
        (exits, "asked Python to exit"),
        (raises_broken, "BrokenError"),
        (lambda x: "text", "should be an array, but it is str 'text'"),
        (lambda x: [1, 2], "has shape (2,), expected (2, 3)"),
        (lambda x: [[1], [1, 2]], "should be an array, but it is a list"),
        (lambda x: {}, "it is a dict"),
        (lambda x: np.array(["a"]), "should hold numbers, but its dtype is <U1"),
        (lambda x: x[0], "has shape (3,), expected (2, 3)."),
        (lambda x: x.T, "has shape (3, 2), expected (2, 3): are the axes swapped?"),
        (lambda x: x[..., None], "has shape (2, 3, 1), expected (2, 3): take off the last axis"),
        (lambda x: x * np.nan, "contains NaN"),
        (lambda x: x + np.inf, "contains infinity"),
        (3, "Expected a function, but got int 3: pass its name"),
        (X, "but got an array of shape (2, 3)"),
        ([1, 2], "Expected a function, but got a list"),
    ],
)
def test_one_friendly_sentence(answer, words, capsys):
    result = check(answer)
    assert result.status == "wrong" and words in result.message
    assert len(result.message) < 400 and "Traceback" not in capsys.readouterr().out


def test_column_instead_of_vector_is_named():
    class Vector(Softmax):
        def test(self, answer):
            self.expect_array(self.call(answer, X), shape=(2,))

    class Column(Softmax):
        def test(self, answer):
            self.expect_array(self.call(answer, X), shape=(-1, 1))

    assert "(N, 1) minus (N,) makes (N, N)" in check(lambda x: x[:, :1], Vector).message
    assert check(lambda x: x[:, :1], Column)
    Column.test = lambda self, answer: self.expect_array(self.call(answer, X), shape=(2, 1))
    assert "keepdims=True" in check(lambda x: x[:, 0], Column).message


def test_a_list_or_another_float_type_is_as_good_as_an_array():
    for change in (np.float32, np.float64, np.ndarray.tolist):
        assert check(lambda x, change=change: change(Softmax.reference(x)))
    assert not check(lambda x: Softmax.reference(x).astype(np.float32) + 1e-3)


def test_expectations_for_numbers_and_types():
    class Number(Softmax):
        answer_kind = "value"

        def test(self, answer):
            assert self.expect_number(answer) == 3

    assert check(3, Number) and check(np.array([3.0]), Number) and check(np.float32(3), Number)
    assert "should be one number, but it is an array of shape (2, 3)" in check(X, Number).message
    assert "should be a real number, but it is (3+5j)" in check(3 + 5j, Number).message
    Number.test = lambda self, answer: self.expect_type(answer, (list, dict))
    assert check([], Number)
    assert "Your answer should be a list or dict, but it is int 3" in check(3, Number).message
    Number.test = lambda self, answer: self.expect_close(answer, np.array([True, False]))
    assert "at [1] is True, expected False" in check(np.array([True, True]), Number).message


def test_error_in_the_check_is_not_blamed_on_the_learner():
    class Broken(Softmax):
        answer_kind = "value"

        def test(self, answer):
            exercise.to_array(answer).reshape(7)

    assert check(X, Broken).message.startswith("The check cannot use what your code returned: ValueError")


def test_no_line_of_an_exercise_file_is_blamed(course):
    cls = exercise.load_module(exercise.find(course)[0]).Double
    assert guard.is_learners_file(cls.test.__code__.co_filename)  # a learner's own folder may be called so too
    for path in exercise.find():
        assert not guard.is_learners_file(str(path))


def test_keyboard_interrupt_passes_through():
    def interrupted(logits):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(interrupted)


def test_the_arguments_must_be_left_as_they_are():
    before = X.copy()

    def changes(logits):
        logits -= logits.max(axis=-1, keepdims=True)
        return Softmax.reference(logits)

    assert "changed one of its arguments in place" in check(changes).message
    np.testing.assert_array_equal(X, before)
    nested = ([X], {"x": X})
    guard.copies(nested)[0][0][:] = 0
    np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("value", [[1, 2], {"a": [1.0]}, (np.zeros(2), [np.ones(1)])])
def test_a_change_is_seen_inside_lists_and_dicts(value):
    kept = guard.copies(value)
    assert not guard.changed(kept, value)
    part = value
    while not isinstance(part, list):
        part = list(part.values())[0] if isinstance(part, dict) else part[-1]
    part.append(3)
    assert guard.changed(kept, value)


def test_printing_is_captured_and_cut(capsys):
    def chatty(logits):
        for i in range(5000):
            print("step", i)
        return logits

    check(chatty)
    out = capsys.readouterr().out
    assert "| step 3" in out and "…" in out and len(out) < 2500


# --- limits and settings -------------------------------------------------------------------------------
def test_limits_work_outside_the_main_thread():
    results = []
    thread = threading.Thread(target=lambda: results.extend([check(endless), check(hungry, Roomy)]))
    thread.start()
    thread.join(120)
    assert [words in r.message for r, words in zip(results, ("still running", "memory"), strict=True)] == [True, True]


def test_memory_is_limited():
    assert "took too much memory" in check(hungry, Roomy).message


def test_limits_leave_no_alarm_behind():
    with limits._by_thread(limits._Watch(0.05, 1)):
        pass
    if hasattr(signal, "setitimer"):  # not on Windows
        for wait in np.linspace(0.09, 0.11, 30):  # about when the first look is due
            with contextlib.suppress(limits.TimeLimit), limits._by_signal(limits._Watch(0.0, 1)):
                end = time.monotonic() + wait
                while time.monotonic() < end:
                    pass
            assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
            assert signal.getsignal(signal.SIGALRM) != signal.SIG_IGN


def test_a_swallowed_limit_rings_again():
    def stubborn(logits):
        for _ in range(3):
            with contextlib.suppress(BaseException):
                endless(logits)
        return Softmax.reference(logits)

    assert check(stubborn)


def learners_settings():
    """What a learner may have set, and what reads it back."""
    import keras
    import torch

    return {
        "no gradients": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled, False),
        "torch in double": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype, torch.float64),
        "keras in double": (lambda: keras.config.set_floatx("float64"), keras.config.floatx, "float64"),
        "channels first": (
            lambda: keras.config.set_image_data_format("channels_first"),
            keras.config.image_data_format,
            "channels_first",
        ),
        "mixed": (
            lambda: keras.config.set_dtype_policy("mixed_float16"),
            lambda: keras.config.dtype_policy().name,
            "mixed_float16",
        ),
        "errors raise": (lambda: np.seterr(all="raise"), lambda: np.geterr()["over"], "raise"),
        "warnings raise": (lambda: warnings.simplefilter("error"), lambda: warnings.filters[0][0], "error"),
    }


@pytest.fixture
def settings_restored():
    runtime.import_frameworks()
    import keras
    import torch

    with warnings.catch_warnings(), np.errstate():
        yield
    torch.set_grad_enabled(True), torch.set_default_dtype(torch.float32)
    keras.config.set_floatx("float32"), keras.config.set_image_data_format("channels_last")
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("name", ["no gradients", "torch in double", "keras in double", "channels first", "mixed"])
@pytest.mark.usefixtures("settings_restored")
def test_a_check_runs_under_known_settings_and_puts_the_learners_back(name):
    _known_and_put_back(name)


@pytest.mark.parametrize("name", ["errors raise", "warnings raise"])
@pytest.mark.usefixtures("settings_restored")
def test_a_check_is_not_disturbed_by_strict_errors(name):
    _known_and_put_back(name)


def _known_and_put_back(name):
    change, read, value = learners_settings()[name]
    seen, before = [], read()
    change()

    def looks(logits):
        seen.append(read())
        np.exp(np.array([1e4])), warnings.warn("a warning of the library", UserWarning, stacklevel=1)
        return Softmax.reference(logits)

    assert check(looks) and read() == value
    assert seen and all(one == before or name == "warnings raise" for one in seen)


@pytest.mark.usefixtures("settings_restored")
def test_a_check_leaves_the_learners_random_draws_alone():
    import random

    import keras
    import torch

    def draw():
        values = [random.random(), np.random.random(), torch.rand(1).item()]  # noqa: NPY002
        return [*values, float(keras.ops.convert_to_numpy(keras.random.uniform((1,)))[0])]

    def seeds(logits):
        random.seed(0), np.random.seed(0), torch.manual_seed(0), keras.utils.set_random_seed(0)  # noqa: NPY002
        draw()
        return Softmax.reference(logits)

    keras.utils.set_random_seed(5), torch.manual_seed(5)
    wanted = draw() + draw()
    keras.utils.set_random_seed(5), torch.manual_seed(5)
    got = draw()
    assert check(seeds)
    assert got + draw() == wanted


def test_time_limit_spares_imports(tmp_path, monkeypatch):
    (tmp_path / "slow_library.py").write_text("import time\ntime.sleep(0.7)\nanswer = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def imports(logits):
        import slow_library

        return Softmax.reference(logits) * slow_library.answer

    assert check(imports)


# --- hints, solution ----------------------------------------------------------------------------------
def test_hints_come_one_by_one(capsys, progress_file):
    Softmax().hint()
    first = capsys.readouterr().out
    Softmax().hint()
    second = capsys.readouterr().out
    assert "1 of 2: Which axis" in first and "axis=-1" not in first
    assert "2 of 2: Divide by the sum" in second and ".solution()" in second
    assert json.loads(progress_file.read_text())["exercises"][Softmax.key()] == {"hints": 2}


def test_solution_shows_the_code_under_its_name(capsys, progress_file):
    Softmax().solution()
    out = capsys.readouterr().out
    assert out.startswith("def softmax(logits):\n    e = np.exp(logits") and "@staticmethod" not in out
    assert "Each row is one example." in out
    assert json.loads(progress_file.read_text())["exercises"][Softmax.key()] == {"solution_viewed": True}


def test_exercise_shows_its_statement():
    assert repr(Softmax()) == f"Softmax ★★ 7 min: {Softmax().statement()}"
    assert Softmax()._repr_markdown_().startswith("**Softmax ★★ 7 min**\n\nWrite `softmax(logits)`")


def test_solutions_of_both_frameworks_and_of_values():
    class LearningRate(exercise.Exercise):
        """Pick `lr`."""

        answer_kind = "value"
        answer_name = "lr"
        reference_torch = 0.1

        @staticmethod
        def reference_keras():
            return 0.2

        @staticmethod
        def mistakes():
            return [exercise.Mistake(lambda: 5, "too large"), exercise.Mistake(7, "too large")]

    assert LearningRate.solutions() == {"reference_torch": 0.1, "reference_keras": 0.2}
    assert LearningRate.solution_code() == ["lr = 0.1", "def lr():\n    return 0.2"]
    assert [mistake.answer for mistake in LearningRate.wrong_answers()] == [5, 7]


# --- progress -------------------------------------------------------------------------------------------
def test_progress_remembers_attempts_and_the_first_success(progress_file):
    check(softmax_batch), check(Softmax.reference)
    first = json.loads(progress_file.read_text())["exercises"][Softmax.key()]
    check(softmax_batch), check(None)
    later = json.loads(progress_file.read_text())["exercises"][Softmax.key()]
    assert first["attempts"] == 2 and first["solved"].endswith("+00:00")
    assert later == {**first, "attempts": 3}


@pytest.mark.parametrize("text", ["{broken", "[]", '{"exercises": []}', "", "\x00\xff"])
def test_damaged_progress_file_is_set_aside(text, progress_file):
    progress_file.parent.mkdir()
    progress_file.write_text(text)
    assert check(Softmax.reference)
    assert records.read()[Softmax.key()]["solved"]
    assert progress_file.with_suffix(".damaged.json").read_text() == text


def test_unwritable_place_costs_only_the_progress(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    assert check(Softmax.reference)


def test_failed_write_keeps_the_old_file(progress_file, monkeypatch):
    check(softmax_batch)
    before = progress_file.read_text()
    monkeypatch.setattr(os, "replace", lambda *args: (_ for _ in ()).throw(OSError("disk full")))
    check(softmax_batch)
    assert progress_file.read_text() == before
    assert [p.name for p in progress_file.parent.iterdir() if p.suffix == ".tmp"] == []


def count_up(times):
    for _ in range(times):
        records.record("a/b/C", records.count("attempts"))


def test_two_kernels_at_once_lose_nothing():
    processes = [multiprocessing.get_context("spawn").Process(target=count_up, args=(40,)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(20)
    assert records.read()["a/b/C"]["attempts"] == 80


LESSON = '''
from utils import exercise
class Base(exercise.Exercise):
    """Shared by the exercises of this lesson."""
    difficulty = 1
    minutes = 5
    hints = ("one", "two")
    why = "Because it is doubled."
    def test(self, double):
        self.expect_close(self.call(double, 3.0), 6.0, "Twice the number.")
    @staticmethod
    def reference(x):
        return 2 * x
    mistakes = (
        exercise.Mistake(lambda x: x, "Twice"),
        exercise.Mistake(lambda x: print(x), "return"),
        exercise.Mistake(lambda x: 3 * x, "Twice"),
    )
class Double(Base):
    """Write `double(x)`, twice the <b>number</b>."""
class _Hidden(Base):
    pass
'''


@pytest.fixture
def course(tmp_path):
    for folder in ("phase1_foundations", "projects/beginner"):
        (tmp_path / folder / "exercises").mkdir(parents=True)
        (tmp_path / folder / "exercises" / "twice.py").write_text(LESSON)
        (tmp_path / folder / "exercises" / "_shared.py").write_text("raise ImportError")
    return tmp_path


def test_exercises_are_found_and_loaded_side_by_side(course):
    paths = exercise.find(course)
    assert [path.parent.parent.name for path in paths] == ["phase1_foundations", "beginner"]
    first, second = map(exercise.load_module, paths)
    assert first.Double is not second.Double and first.Double().check(lambda x: x + x)
    assert [cls.__name__ for cls in exercise.exercises_in(first)] == ["Base", "Double"]
    assert records.names_in(paths[0]) == ["Base", "Double"]
    assert first.Double.key() == "phase1_foundations/twice/Double"
    (course / "phase1_foundations/exercises/bad.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        exercise.load_module(course / "phase1_foundations/exercises/bad.py")
    assert records.names_in(course / "phase1_foundations/exercises/bad.py") == []


def test_key_of_a_file_of_this_repository():
    path = records.ROOT / "projects" / "beginner" / "exercises" / "digits.py"
    assert records.lesson_key(path) == "projects/beginner/digits"


def test_map_of_progress(course, capsys, monkeypatch):
    (course / "phase1_foundations/07_twice.ipynb").touch()
    (course / "docs").mkdir()
    plan = '[[lesson]]\nnumber = "1.7"\nname = "twice"\ntitle = "Twice as much"\n[[project]]\nlevel = "beginner"\n'
    (course / "docs/course.toml").write_text(f'{plan}number = 1\nname = "other"\ntitle = "Other"\n')
    module = exercise.load_module(exercise.find(course)[0])
    monkeypatch.setattr(records, "ROOT", course)
    module.Double().check(lambda x: 2 * x), module.Base().check(lambda x: x), module.Base().solution()
    capsys.readouterr()
    assert exercise.progress(course) is None
    out = capsys.readouterr().out
    assert "Your progress: 1 of 4 solved" in out and "Phase 1: 1 of 2 solved" in out
    assert "1.7 Twice as much: ◐👁 Base, ✓ Double" in out and "Twice: ○ Base, ○ Double" in out
    assert "Go on with 1.7 Twice as much." in out
    page = show.as_html(records.overview(course))
    assert re.search(r'href="[^"]*phase1_foundations/07_twice.ipynb">Twice as much</a>', page)
    assert page.count('aria-label="solution viewed"') == 1


def test_map_of_this_course_follows_its_order():
    lessons = records.overview()
    assert [lesson["number"] for lesson in lessons][:3] == ["1.1", "1.2", "1.3"]
    assert lessons[0]["title"] == "The perceptron" and lessons[-1]["number"] == "Project 3"
    assert all(lesson["notebook"].exists() and lesson["exercises"] for lesson in lessons)


def test_output_survives_an_encoding_without_signs():
    code = "from utils.exercise import show; show.card('solved', 'A ★', 'Fine.')"
    env = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([sys.executable, "-c", code], cwd=records.ROOT, env=env, capture_output=True, check=True)
    assert done.stdout.decode("cp1252").startswith("[x] Solved · A *")


def test_an_account_without_a_home_can_still_check(monkeypatch, tmp_path):
    def no_home():
        raise RuntimeError("Could not determine home directory.")  # what pathlib says of an unknown user without HOME

    monkeypatch.delenv("COURSE_PROGRESS")
    monkeypatch.setattr(pathlib.Path, "home", no_home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert check(Softmax.reference) and records.location().is_relative_to(tmp_path) and records.location().exists()


def test_rules_of_the_course_catch_what_is_missing(course):
    cls = exercise.load_module(exercise.find(course)[0]).Double
    assert exercise_rules.lacks(cls) == [] and exercise_rules.wrong_feedback(cls) == []
    cls.mistakes = (exercise.Mistake(lambda x: 2 * x, "Twice"), exercise.Mistake(lambda x: x, "other words"))
    assert len(exercise_rules.wrong_feedback(cls)) == 2
    cls.mistakes, cls.hints, cls.why, cls.minutes = cls.mistakes[:1], ("one",), "", 0
    assert [line.split(" lacks ")[1] for line in exercise_rules.lacks(cls)] == [
        "minutes between 1 and 120",
        "at least two hints",
        "a why",
        "at least three mistakes",
    ]


class Weak(exercise.Exercise):
    """Write `shares(x, base)`: powers of base, as shares of their sum."""

    sizes = (3,)
    bases = (2.0,)

    def test(self, answer):
        for n in self.sizes:
            for base in self.bases:
                x = np.random.default_rng(n).normal(size=n)
                got = answer(x, base)
                assert np.array_equal(got, self.reference(x, base))

    @staticmethod
    def reference(x, base):
        return base**x / (base**x).sum()


def test_a_check_that_tries_one_case_is_found_out():
    assert set(exercise_rules.accepted_mutants(Weak)) == {
        "reference: first result for ever",
        "reference: changes its arguments",
        "reference: keeps the first `x`",
        "reference: keeps the first `base`",
    }
    assert len(exercise_rules.refused_equivalents(Weak)) == 1  # equal to the last bit is too much to ask


def test_more_sizes_and_constants_and_a_fair_comparison_are_enough():
    class Better(Weak):
        def cases(self):
            for n, base in ((1, 2.0), (3, 3.0), (4, 2.0)):
                yield np.random.default_rng(n).normal(size=n), base

        test = exercise.Exercise.test

    assert exercise_rules.accepted_mutants(Better) == exercise_rules.refused_equivalents(Better) == []
    message = check(lambda x, base: base**x, Better).message
    assert "The smallest case that fails:\nx = [0.3456], base = 2.0\nexpected: [1.0]\nyours: [1.271]" in message


@pytest.mark.usefixtures("settings_restored")
def test_the_framework_that_is_asked_for_and_its_gradient():
    import keras
    import torch

    class Scaled(exercise.Exercise):
        """Write `scaled(x, w)` in PyTorch: x times w, (N,) -> (N,)."""

        framework = "torch"

        def cases(self):
            for n in (1, 2, 5):
                yield torch.rand(n), torch.rand(n).requires_grad_()

        @staticmethod
        def reference(x, w):
            return x * w

    assert check(Scaled.reference, Scaled) and exercise_rules.accepted_mutants(Scaled) == []
    assert exercise_rules.refused_equivalents(Scaled) == []
    other = check(lambda x, w: keras.ops.convert_to_tensor((x * w).detach().numpy()), Scaled)
    assert "asks for PyTorch, but your result comes from Keras" in other.message
    assert "no gradient passes" in check(lambda x, w: x * w.detach(), Scaled).message


# --- in a notebook ----------------------------------------------------------------------------------------
def run_notebook(cells, folder):
    import nbclient
    import nbformat

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    return [cell.outputs for cell in book.cells]


def test_notebook_shows_one_escaped_message_per_cell(course):
    cells = [
        "from exercises import twice as ex\nfrom utils import exercise",
        "def double(x):\n    print('<script>')\n    return ['<img>'][x > 9] + 1",
        "ex.Double().check(double)",
        "ex.Double().check(lambda x: 2 * x)",
        "ex.Double().solution()",
        "exercise.progress('..')",
    ]
    outputs = run_notebook(cells, course / "phase1_foundations")
    assert [len(output) for output in outputs] == [0, 0, 1, 1, 1, 1]
    wrong, solved, solution, overview = (output[0].data for output in outputs[2:])
    assert "<table>" in overview["text/html"] and "Your progress: 1 of 4 solved" in overview["text/plain"]
    assert set(wrong) == {"text/html", "text/plain"} and 'role="status"' in wrong["text/html"]
    assert "✗ Not yet" in wrong["text/html"] and "in line 3 (<code>return [&#x27;&lt;img&gt;" in wrong["text/html"]
    assert "<script>" not in wrong["text/html"] and "&lt;script&gt;" in wrong["text/html"]
    assert "in line 3 (`return ['<img>'][x > 9] + 1`): TypeError: can only concatenate str" in wrong["text/plain"]
    assert "✓ Solved" in solved["text/html"]
    assert solution["text/markdown"].startswith("```python\ndef double(x):")


# --- tensors ------------------------------------------------------------------------------------------------
def test_tensors_of_either_framework_count_as_arrays():
    runtime.import_frameworks()
    import keras
    import torch

    def in_torch(logits):
        return torch.softmax(torch.tensor(logits, requires_grad=True), dim=-1)

    def in_keras(logits):
        return keras.ops.softmax(keras.ops.convert_to_tensor(logits, "float64"))

    assert check(in_torch) and check(in_keras)
    weight = torch.nn.Parameter(torch.ones(2, 3, dtype=torch.bfloat16))
    np.testing.assert_array_equal(exercise.to_array(weight), np.ones((2, 3)))
    np.testing.assert_array_equal(exercise.to_array(keras.Variable(X)), X.astype("float32"))
    tensor = torch.ones(3, requires_grad=True) * 2
    copied = guard.copies(tensor)
    copied.data.zero_()
    assert copied.requires_grad and tensor.sum() == 6
    assert guard.copies(weight) is weight  # a parameter stays the model's own


def test_model_with_unwritten_forward_is_open():
    import torch

    class Unwritten(torch.nn.Module):
        def forward(self, x): ...

    assert check(Unwritten()).status == "open" and check(Unwritten).status == "open"
