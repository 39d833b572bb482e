"""Start a lesson: python tools/new_lesson.py 2 gradient_descent

Writes the notebook, its exercises, its explorers and their tests from the templates in docs/, adds a row to
docs/course.toml if the lesson is not planned there, and brings the tables up to date. The tests of exercises need no
file: tests/exercises/ covers every exercise there is.
"""

import re
import sys

import index
from course import PHASES, ROOT, lessons, read
from execute import dumps, normalise


def plan(phase, name):
    """The row of docs/course.toml for a lesson; a new one is added at the end of its phase."""
    rows = lessons()
    found = [row for row in rows if row.phase == phase and row.path.endswith(f"_{name}.ipynb")]
    if not found:
        number = f"{phase}.{len(index.of_phase(rows, phase)) + 1}"
        title = name.replace("_", " ").capitalize()
        entry = (
            f'\n[[lesson]]\nnumber = "{number}"\nname = "{name}"\ntitle = "{title}"\nconcept = "say what it is about"\n'
        )
        with open(ROOT / "docs/course.toml", "a", encoding="utf-8") as file:
            file.write(entry)
        return plan(phase, name)
    return found[0]


def fill(text, lesson):
    """A template's text with the number, title and name of a lesson."""
    name = re.sub(r"^\d+_", "", lesson.path.split("/")[-1].removesuffix(".ipynb"))
    text = text.replace("0.0 Lesson title", f"{lesson.number} {lesson.title}").replace("lesson_name", name)
    return text.replace("lesson 0.0", f"lesson {lesson.number}")


def notebook(lesson):
    """The notebook of a new lesson, as text."""
    nb = read(ROOT / "docs/template.ipynb")
    for cell in nb.cells:
        cell.source = fill(cell.source, lesson)
    return index.notebook_text(lesson.path, dumps(normalise(nb)))


def main(argv=None):
    """Command line; returns the exit status."""
    phase, name = ((sys.argv[1:] if argv is None else argv) + ["", ""])[:2]
    if phase not in map(str, PHASES) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        print("Say where and what: make new PHASE=2 NAME=gradient_descent (phase 1 to 4; small letters and _)")
        return 1
    lesson = plan(int(phase), name)
    path = ROOT / lesson.path
    modules = {
        path.parent / "exercises" / f"{name}.py": "docs/template_exercises.py",
        path.parent / "explorers" / f"{name}.py": "docs/template_explorers.py",
        ROOT / "tests/explorers" / f"test_{name}.py": "docs/template_explorers_test.py",
    }
    there = [file.relative_to(ROOT).as_posix() for file in (path, *modules) if file.exists()]
    if there:
        print(f"{', '.join(there)}: there already, so nothing was changed.")
        return 1
    texts = {file: fill((ROOT / template).read_text(encoding="utf-8"), lesson) for file, template in modules.items()}
    for file, text in {path: notebook(lesson), **texts}.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    for folder in ("exercises", "explorers"):  # modules may be wider than cells: the first lesson of a phase says so
        (path.parent / folder / ".ruff.toml").write_text('extend = "../../pyproject.toml"\n', encoding="utf-8")
    index.main([])
    names = ", ".join(file.relative_to(ROOT).as_posix() for file in modules)
    print(f"Wrote {lesson.path}, {names}. Next: make run NB={lesson.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
