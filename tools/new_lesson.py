"""Start a lesson: python tools/new_lesson.py 2 gradient_descent

Writes the notebook and its exercises from docs/template.ipynb and docs/template_exercises.py, adds a row to
docs/course.toml if the lesson is not planned there, and brings the tables up to date.
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
    exercises = path.parent / "exercises" / f"{name}.py"
    if path.exists() or exercises.exists():
        print(f"{lesson.path} or its exercises exist already: nothing was changed.")
        return 1
    exercises.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook(lesson), encoding="utf-8", newline="\n")
    text = (ROOT / "docs/template_exercises.py").read_text(encoding="utf-8")
    exercises.write_text(fill(text, lesson), encoding="utf-8", newline="\n")
    index.main([])
    print(f"Wrote {lesson.path} and {exercises.relative_to(ROOT)}. Next: make run NB={lesson.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
