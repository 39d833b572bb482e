"""Every exercise of the course: complete, its solutions pass, its typical mistakes get their own feedback."""

import pytest

from utils import exercise, runtime

runtime.import_frameworks()  # in the right order, before an exercise imports one of them
FILES = exercise.find()
CASES = [pytest.param(cls, id=cls.key()) for path in FILES for cls in exercise.exercises_in(exercise.load_module(path))]


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))


def rules(cls):
    """What an exercise still lacks: list of sentences, empty if it is complete."""
    wanted = {
        "a statement (docstring)": len(cls().statement()) > 20,
        "difficulty 1, 2 or 3": cls.difficulty in (1, 2, 3),
        "minutes between 1 and 120": 1 <= cls.minutes <= 120,
        "a framework": cls.framework in ("numpy", "torch", "keras", "either"),
        "at least two hints": len(cls.hints) >= 2 and all(isinstance(h, str) and h for h in cls.hints),
        "a why": len(cls.why) > 10,
        "a reference": len(cls.solutions()) >= 1,
        "at least three mistakes": len(cls.wrong_answers()) >= 3,
        "words for each mistake": all(len(mistake.words) > 2 for mistake in cls.wrong_answers()),
    }
    return [f"{cls.__name__} lacks {what}" for what, there in wanted.items() if not there]


def wrong_feedback(cls):
    """The mistakes that the check accepts or answers in other words: list of sentences."""
    found = []
    for i, mistake in enumerate(cls.wrong_answers()):
        result = cls().check(mistake.answer)
        if result.status != "wrong" or mistake.words not in result.message:
            found.append(f"mistake {i}: {result.status}, {result.message!r} instead of {mistake.words!r}")
    return found


def test_every_exercise_file_holds_exercises():
    for path in FILES:
        names = [cls.__name__ for cls in exercise.exercises_in(exercise.load_module(path))]
        assert names, f"{path} defines no exercise"
        assert names == exercise.records.names_in(path), f"{path}: the progress map misses exercises"


for_every_exercise = pytest.mark.parametrize("cls", CASES)


@for_every_exercise
def test_complete(cls):
    assert rules(cls) == []


@for_every_exercise
def test_solutions_pass(cls):
    for name, answer in cls.solutions().items():
        result = cls().check(answer)
        assert result, f"{name}: {result.message}"
    assert all(compile(code, "solution", "exec") for code in cls.solution_code())


@for_every_exercise
def test_mistakes_get_their_own_feedback(cls):
    assert wrong_feedback(cls) == []


@for_every_exercise
def test_unsolved_is_not_attempted(cls):
    def stub(*args):
        """Your code here."""

    assert [cls().check(answer).status for answer in (stub, ..., None)] == ["open"] * 3
