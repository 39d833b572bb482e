"""What the other tools share: where the notebooks are, what docs/course.toml and pyproject.toml say."""

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
PHASES = {1: "phase1_foundations", 2: "phase2_core", 3: "phase3_advanced", 4: "phase4_cutting_edge"}
STARTER = "_starter.ipynb"  # how the starter edition of a project ends, see tools/starter.py
HEADING = re.compile(r"^(#{1,6})[ \t]+(.+?)[ \t]*$", re.M)
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.M | re.S)


@dataclass(frozen=True)
class Lesson:
    """One row of docs/course.toml: a lesson (`phase` 1 to 4) or a project (`phase` 0)."""

    path: str  # phase1_foundations/01_perceptron.ipynb
    number: str  # "1.1" or "Project 1"
    title: str
    concept: str
    phase: int
    kind: str = "lesson"  # "lesson", "maths" or "project"
    minutes: int | None = None  # of the main line with its exercises, as the notebook says at its title
    deeper: int = 0  # of all parts of *Going deeper*

    @property
    def ready(self):
        return (ROOT / self.path).exists()


def lessons():
    """All lessons and projects of docs/course.toml, in the order of the course."""
    table = tomllib.loads((ROOT / "docs/course.toml").read_text(encoding="utf-8"))
    rows = []
    for entry in table["lesson"]:
        phase, rank = (int(part) for part in entry["number"].split("."))
        path = f"{PHASES[phase]}/{rank:02d}_{entry['name']}.ipynb"
        rows.append(_lesson(entry, path, entry["number"], phase, entry.get("kind", "lesson")))
    for entry in table["project"]:
        path = f"projects/{entry['level']}/{entry['number']:02d}_{entry['name']}.ipynb"
        rows.append(_lesson(entry, path, f"Project {entry['number']}", 0, "project"))
    return rows


def _lesson(entry, path, number, phase, kind):
    return Lesson(path, number, entry["title"], entry["concept"], phase, kind, *times(ROOT / path))


def times(path):
    """(minutes of the main line, of *Going deeper*) as the notebook at `path` says; (None, 0) if there is none."""
    if not path.exists():
        return None, 0
    sources = [cell.source for cell in read(path).cells if cell.cell_type == "markdown"]
    stated = re.search(r"\*\*Minutes:\*\* (\d+)", sources[0])
    deeper = "\n".join(sources).partition("\n## Going deeper")[2]
    parts = re.findall(r"^### .*\n+\*(\d+) min\b", deeper, re.M)
    return int(stated[1]) if stated else None, sum(map(int, parts))


def repository():
    """(URL, ref) of the course: the one place is pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["urls"]["Repository"].rstrip("/"), project["tool"]["course"]["ref"]


def is_placeholder(url):
    """True for an account that cannot exist: GitHub account names take no underscore."""
    return "_" in url.split("github.com/")[-1].split("/")[0]


def notebooks(root=ROOT):
    """Every notebook of the course under `root`, sorted, without the generated starter editions.

    One belongs to the course if git tracks it or docs/course.toml lists it; a learner's copies do not.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "--", "phase*.ipynb", "projects*.ipynb"]
    try:
        tracked = subprocess.run(command, capture_output=True, text=True, encoding="utf-8").stdout.split("\0")
    except FileNotFoundError:  # no git here
        tracked = []
    paths = {root / name for name in [*filter(None, tracked), *(row.path for row in lessons())]}
    return sorted(path for path in paths if path.exists() and not path.name.endswith(STARTER))


def read(path):
    """A notebook, format 4."""
    return nbformat.read(path, as_version=4)


def tags(cell):
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def headings(markdown):
    """[(level, text)] of the headings of a Markdown text; code blocks do not count."""
    return [(len(marks), text) for marks, text in HEADING.findall(FENCE.sub("", markdown))]
