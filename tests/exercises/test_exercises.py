"""Every exercise of the course: complete, its solutions pass, its typical mistakes get their own feedback."""

import exercise_rules
import pytest

from utils import exercise, runtime

runtime.import_frameworks()  # in the right order, before an exercise imports one of them
FILES = exercise.find()
CASES = [pytest.param(cls, id=cls.key()) for path in FILES for cls in exercise.exercises_in(exercise.load_module(path))]


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))


def test_every_exercise_file_holds_exercises():
    for path in FILES:
        names = [cls.__name__ for cls in exercise.exercises_in(exercise.load_module(path))]
        assert names, f"{path} defines no exercise"
        assert names == exercise.records.names_in(path), f"{path}: the progress map misses exercises"


for_every_exercise = pytest.mark.parametrize("cls", CASES)


@for_every_exercise
def test_complete(cls):
    assert exercise_rules.lacks(cls) == []


@for_every_exercise
def test_solutions_pass(cls):
    for name, answer in cls.solutions().items():
        result = cls().check(answer)
        assert result, f"{name}: {result.message}"
    assert all(compile(code, "solution", "exec") for code in cls.solution_code())


@for_every_exercise
def test_mistakes_get_their_own_feedback(cls):
    assert exercise_rules.wrong_feedback(cls) == []


@for_every_exercise
def test_unsolved_is_not_attempted(cls):
    def stub(*args):
        """Your code here."""

    assert [cls().check(answer).status for answer in (stub, ..., None)] == ["open"] * 3


@for_every_exercise
def test_no_mutant_of_the_solution_is_accepted(cls):
    assert exercise_rules.accepted_mutants(cls) == []


@for_every_exercise
def test_the_solution_written_differently_is_accepted(cls):
    assert exercise_rules.refused_equivalents(cls) == []
