"""Course rules on every notebook, and what must hold for the repository as a whole: tables, links, lint."""

import re
import subprocess
import sys

import course
import course_rules
import pytest

ROOT = course.ROOT
NOTEBOOKS = course.notebooks()
LESSONS = {row.path: row for row in course.lessons()}
SKIP = {".venv", ".git", "artifacts", "runs", "build", ".pytest_cache", ".ruff_cache", "node_modules"}
MARKDOWN = [path for path in sorted(ROOT.rglob("*.md")) if not SKIP & set(path.relative_to(ROOT).parts)]
UTILS = sorted((ROOT / "utils").rglob("*.py"))
LEFTOVER = re.compile(r"(?<![\w.])/work/|\b(?:TODO|FIXME)\b|lorem ipsum|\bas an AI\b", re.I)


def book(path):
    """The notebook at `path` with its row of docs/course.toml."""
    relative = path.relative_to(ROOT).as_posix()
    return course_rules.Notebook(relative, course.read(path), LESSONS.get(relative))


@pytest.mark.parametrize("rule", course_rules.RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_rule(path, rule):
    found = rule(book(path))
    assert not found, f"{rule.__doc__}\n" + "\n".join(found)


def test_the_template_keeps_the_rules_of_structure_and_content():
    row = course.Lesson("docs/template.ipynb", "0.0", "Lesson title", "", 1)
    template = course_rules.Notebook(row.path, course.read(ROOT / row.path), row)
    for rule in course_rules.STRUCTURE + course_rules.CONTENT:
        assert rule(template) == [], rule.__name__


def test_generated_tables_badges_and_colab_cells_are_fresh():
    done = subprocess.run(
        [sys.executable, "tools/index.py", "--check"], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_plan_is_consistent():
    rows = course.lessons()
    assert len({row.path for row in rows}) == len({row.number for row in rows}) == len(rows)
    for phase in course.PHASES:
        numbers = [row.number for row in rows if row.phase == phase]
        assert numbers == [f"{phase}.{rank}" for rank in range(1, len(numbers) + 1)]
    unplanned = {path.relative_to(ROOT).as_posix() for path in NOTEBOOKS} - {row.path for row in rows}
    assert not unplanned, f"not in docs/course.toml: {unplanned}"


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_markdown_links_exist(path):
    text = path.read_text(encoding="utf-8")
    anchors = course_rules.file_anchors(path)
    assert course_rules.link_findings(text, path.parent, ROOT, anchors) == []


@pytest.mark.parametrize("path", UTILS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_import_rules_of_utils(path):
    inside = path.relative_to(ROOT / "utils")
    name = inside.parts[0] if len(inside.parts) > 1 else "package" if path.stem == "__init__" else path.stem
    assert course_rules.utils_import_findings(name, path.read_text(encoding="utf-8")) == []


def test_no_module_of_utils_imports_itself_by_way_of_others():
    assert course_rules.import_circles(UTILS, ROOT) == []


@pytest.mark.parametrize("path", UTILS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_modules_of_utils_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, "split the module: at most 300 lines"


def test_nothing_was_left_behind():
    texts = [*MARKDOWN, *NOTEBOOKS]
    for folder in ("utils", "tools", "docs", "phase*", "projects"):
        texts += [path for top in ROOT.glob(folder) for path in top.rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix(): LEFTOVER.findall(path.read_text(encoding="utf-8")) for path in texts}
    assert not {path: words for path, words in found.items() if words}


@pytest.mark.skipif(
    subprocess.run([sys.executable, "-m", "ruff", "--version"], capture_output=True).returncode, reason="no ruff"
)
@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_is_content(command):
    done = subprocess.run([sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
