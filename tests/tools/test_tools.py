"""The tools behind make, and the course rules: each one must fire on a lesson that breaks it."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys

import check_size
import course
import course_rules
import execute
import exercise_rules
import index
import nbformat
import new_lesson
import pytest
import yaml

ROOT = course.ROOT
PROMISE = "Say in one sentence what the reader will own after this lesson: an idea, not a list of topics.\n\n"
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


# --- a lesson made from the template, in a repository of its own ----------------------------------
@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small copy of the repository with a lesson 1.1 made by tools/new_lesson.py."""
    templates = [path.relative_to(ROOT) for path in (ROOT / "docs").glob("template*")]
    for path in (*templates, "docs/course.toml", "pyproject.toml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    shutil.copy(ROOT / "requirements.txt", tmp_path)
    shutil.copytree(ROOT / "utils", tmp_path / "utils", ignore=shutil.ignore_patterns("samples", "__pycache__"))
    (tmp_path / "README.md").write_text(f"# Course\n\n{index.START}\n{index.END}\n")
    for module in (course, index, new_lesson, execute, course_rules):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(index, "notebooks", lambda: course.notebooks(tmp_path))
    assert new_lesson.main(["1", "perceptron"]) == 0
    return tmp_path


@pytest.fixture
def book(repository, monkeypatch):
    """Lesson 1.1 as the rules see it, in the form of the template, with outputs as if it had been run."""
    monkeypatch.setattr(course_rules, "DENSE", set())
    row = course.lessons()[0]
    nb = course.read(repository / row.path)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        cell.execution_count = count
    alt = "One dot, as small as a picture can be."
    picture = f'<img alt="{alt}" src="data:image/png;base64,{PICTURE}">'
    code[-1].outputs = [nbformat.v4.new_output("display_data", data={"text/html": picture, "text/plain": alt})]
    nb.cells[4].source += "\n\n" + "word " * 1200
    nb.metadata["course"] = {"source_sha": execute.source_hash(nb)}
    return save(course_rules.Notebook(row.path, nb, row, repository))


def save(book):
    """Write the notebook to its place, normalised; returns a fresh view of it."""
    execute.save(book.nb, book.root / book.path)
    nb = course.read(book.root / book.path)
    return course_rules.Notebook(book.path, nb, book.lesson, book.root)


def cell_with(book, text):
    """The first cell whose source holds `text`."""
    return next(cell for cell in book.nb.cells if text in cell.source)


def change(text, new):
    """A mutation: replace `text` in the first cell that holds it."""

    def mutate(book):
        cell = cell_with(book, text)
        cell.source = cell.source.replace(text, new, 1)

    return mutate


def add_code(source, *tags):
    """A mutation: a new code cell at the end of Explore."""

    def mutate(book):
        cell = nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)})
        book.nb.cells.insert(book.section("Break it"), cell)

    return mutate


def retag(text, *tags):
    """A mutation: other tags for the cell that holds `text`."""
    return lambda book: cell_with(book, text).metadata.update(tags=list(tags))


def drop(text):
    """A mutation: remove the first cell that holds `text`."""
    return lambda book: book.nb.cells.remove(cell_with(book, text))


def output(**data):
    """A mutation: one more display output in the last code cell."""
    data = {kind.replace("_", "/"): value for kind, value in data.items()}
    return lambda book: book.code[-1][1].outputs.append(nbformat.v4.new_output("display_data", data=data))


def stale(book):
    book.nb.metadata["course"] = {"source_sha": "0"}


def error(book):
    book.code[-1][1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=["E"])]


def unrun(book):
    book.code[3][1].execution_count = 7


def as_project(*texts):
    """A mutation: the notebook is a project and ends with these Markdown cells."""

    def mutate(book):
        book.lesson = course.Lesson(book.path, "Project 1", "A project", "", 0, "project")
        book.nb.cells.extend(nbformat.v4.new_markdown_cell(text) for text in (*texts, "## Recap"))

    return mutate


BREAKS = {
    "title": [
        change("# 1.1 The perceptron", "# 1.2 The perceptron"),
        change("**Minutes:**", "Minutes:"),
        change("**Prerequisites:**", ""),
        change("- build it in", "build it in"),
        change("You will be able to", "Goals"),
        change("## The idea", "# The idea"),
        change(PROMISE, ""),
    ],
    "badge_line": [change("/01_perceptron.ipynb)", "/02_perceptron.ipynb)"), change("[![Open in Colab]", "[![Open]")],
    "sections": [
        change("## Recap", "## Summary"),
        drop("## Predict before you run"),
        drop("## Further reading"),
        change("## Break it", "## Break it\n\n## And more"),
        change("## Train\n", "## Training\n"),
    ],
    "heading_levels": [change("### 1. Odds", "#### 1. Odds")],
    "first_cells": [
        change("urlretrieve(f", "--tag"),
        retag("@title"),
        retag("runtime.start(0)"),
        add_code("from explorers import perceptron as pictures"),
        add_code("import torch\nx = torch.ones(2)"),
        change("import data, parity", "import data, keras_train, parity"),
        change("device = runtime.start(0)", "device = 'cpu'"),
    ],
    "known_tags": [
        retag("naive =", "raises-exception"),
        retag("naive =", "nbval-skip"),
        add_code("# NBVAL_SKIP\nx = 1"),
    ],
    "pairs": [
        drop("model_keras = keras.Sequential"),
        drop("model_torch = nn.Sequential"),
        add_code("torch.ones(1)", "pytorch"),
    ],
    "framework_tags": [
        add_code("torch.ones(1)"),
        add_code("keras.ops.ones(1)"),
        add_code("import tensorflow"),
        retag("model_torch = nn"),
    ],
    "parity_asserted": [drop("parity.assert_same(")],
    "learning_asserted": [
        lambda book: [setattr(c, "source", re.sub(r"^assert.*$", "", c.source, flags=re.M)) for _, c in book.code],
    ],
    "exercises": [drop("ex.OneHot().check")],
    "milestones": [
        as_project("## Milestone 1: look"),
        as_project("## Rubric\n\n| | poor | good |\n|---|---|---|\n| **Data** | no | yes |"),
    ],
    "no_install": [
        add_code("!ls"),
        add_code("%pip install numpy"),
        add_code("import os\nos.system('pip install numpy')"),
        add_code("%%bash\nls"),
    ],
    "imports": [
        add_code("from numpy import *"),
        add_code("import tests"),
        add_code("import undeclared_library"),
        add_code("from utils.plot import show"),
        add_code("from utils import *"),
    ],
    "good_names": [
        add_code("net = 1"),
        add_code("my_list = []"),
        add_code("tmp = 1"),
        add_code("def model_v2(): ..."),
        add_code("data2 = 1"),
    ],
    "short_cells": [
        add_code("\n".join(f"x = {n}" for n in range(13))),
        lambda book: [add_code("x = 1\n" * 7 + f"y = {n}")(book) for n in range(40)],
    ],
    "one_job": [add_code("plot.show(*pictures.draw_temperature(1.0))\nassert x > 1")],
    "check_cells": [
        change("# @title Check: both", "# both"),
        change("assert np.isnan(naive).all() and", "x ="),
        lambda book: cell_with(book, "@title Check").metadata.pop("cellView"),
        lambda book: cell_with(book, "@title Check").metadata.pop("jupyter"),
    ],
    "empty_guess": [
        change('guess = ""', 'guess = "2.3"'),
        change('guess = ""', 'guess = ""\nx = 1'),
        drop('guess = ""'),
    ],
    "near_text": [
        change("Next: link the next lesson here.", "The second half of the cell draws."),
        change("Next: link the next lesson here.", "As the cell after the next shows."),
        change("Next: link the next lesson here.", "A text that announces:\n\nand goes on."),
    ],
    "deeper_minutes": [change("*10 min.*", "Ten minutes.")],
    "code_width": [add_code("x = 1" + " + 1" * 30), add_code("")],
    "numbered_lists": [change("Next: link the next lesson here.", "\n\n1. One thing? 2. Another thing.")],
    "links": [
        change("Next: link the next lesson here.", "Next: [1.2](02_missing.ipynb)"),
        change("Next: link the next lesson here.", "[up](#no-such-heading)"),
        change("Next: link the next lesson here.", "[a](https://no host.org)"),
        change("Next: link the next lesson here.", "[a](https://nodots/x)"),
        change("Next: link the next lesson here.", "[a](/absolute.md)"),
        change("Next: link the next lesson here.", "[a]()"),
        change("Next: link the next lesson here.", "[a](../../outside.md)"),
        change("Next: link the next lesson here.", '<a href="gone.md">x</a>'),
        change("Next: link the next lesson here.", "[x](../README.md#no-such-heading)"),
        change("Next: link the next lesson here.", "[a heading elsewhere](../README.md#license)"),
    ],
    "outputs": [error, unrun],
    "fresh": [stale, output(text_plain="x" * 500_000), change("return e / e.sum", "return e / 1 / e.sum")],
    "alt_text": [
        output(image_png=PICTURE, text_plain="a sentence of thirty characters and more beside a picture"),
        output(text_html=f'<img src="data:image/png;base64,{PICTURE}">'),
        output(image_png=PICTURE),
        change("Next: link", "![](../README.md) link"),
        change("Next: link", '<img src="../README.md"> link'),
    ],
    "no_local_path": [
        output(text_plain="saved to /tmp/model.keras"),
        add_code("path = '/home/me/data'"),
        add_code(r"path = 'C:\\data'"),
        change("Next: link", "See /Users/me/notes, link"),
    ],
}


def test_a_lesson_from_the_template_keeps_every_rule(book):
    found = {rule.__name__: rule(book) for rule in course_rules.RULES}
    assert not {name: lines for name, lines in found.items() if lines}


def test_every_rule_has_a_lesson_that_breaks_it():
    assert set(BREAKS) == {rule.__name__ for rule in course_rules.RULES}


CASES = [(name, mutate) for name, mutations in BREAKS.items() for mutate in mutations]


@pytest.mark.parametrize("case", CASES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(CASES)])
def test_the_rule_fires(book, case):
    name, mutate = case
    rule = getattr(course_rules, name)
    mutate(book)
    if name == "fresh":
        (book.root / book.path).write_text(execute.dumps(execute.normalise(book.nb)), encoding="utf-8")
    broken = course_rules.Notebook(book.path, book.nb, book.lesson, book.root)
    assert rule(broken), f"{name} found nothing"


def test_an_unnormalised_file_is_found(book):
    path = book.root / book.path
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["metadata"]["widgets"] = {"state": {}}
    path.write_text(json.dumps(raw))
    assert "not normalised" in course_rules.fresh(book)[0]


def test_a_project_has_its_own_sections(book):
    row = course.Lesson(
        "projects/beginner/01_handwritten_digits.ipynb", "Project 1", "Handwritten digits", "", 0, "project"
    )
    names = ["Setup", "Brief", "Milestone 1: data", "Milestone 2", "Milestone 3", *course_rules.PROJECT_END]

    def found(names):
        cells = [nbformat.v4.new_markdown_cell("# Project 1: Handwritten digits")]
        cells += [nbformat.v4.new_markdown_cell(f"## {name}") for name in names]
        return course_rules.sections(course_rules.Notebook(row.path, nbformat.v4.new_notebook(cells=cells), row))

    assert found(names) == []
    assert "Milestone 2" in found(names[:3] + ["Milestone 4"] + names[3:])[0]
    assert "at least three" in found(names[:3] + names[5:])[0]
    assert "Brief" in found(names[:1] + names[2:])[0]


def test_what_was_written_before_keeps_the_old_sections(book, monkeypatch):
    monkeypatch.setattr(course_rules, "DENSE", {book.path})
    cells = [nbformat.v4.new_markdown_cell(f"## {name}") for name in course_rules.LESSON]
    old = course_rules.Notebook(book.path, nbformat.v4.new_notebook(cells=cells), book.lesson, book.root)
    assert course_rules.sections(old) == [] and course_rules.sections(book)
    assert course_rules.empty_guess(old) == course_rules.short_cells(old) == course_rules.near_text(old) == []


def test_only_lessons_that_exist_may_be_dense():
    planned = {row.path for row in course.lessons()}
    assert planned >= course_rules.DENSE and all((course.ROOT / path).exists() for path in course_rules.DENSE)


def test_a_colon_may_stand_before_code_a_list_a_table_or_a_formula(book):
    good = "A list:\n\n- one\n\nA table:\n\n| a |\n|---|\n\nA formula:\n\n$$x$$\n\nSteps:\n\n1. one"
    cell_with(book, "Next: link").source += f"\n\n{good}"
    assert course_rules.near_text(book) == []


def test_minutes_are_those_of_the_title_and_of_the_parts(tmp_path):
    text = "# T\n\n**Minutes:** 85, exercises included\n\n## Going deeper\n\n"
    text += "### A\n\n*12 min, with an exercise.* x\n\n### B\n\n*8 min.*"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)]), tmp_path / "a.ipynb")
    assert course.times(tmp_path / "a.ipynb") == (85, 20) and course.times(tmp_path / "b.ipynb") == (None, 0)
    row = course.Lesson("a", "1.1", "A", "", 1, minutes=85, deeper=20)
    assert index.hours(row) == "1.4 + 0.3" and index.hours(course.Lesson("a", "1.1", "A", "", 1)) == ""


def test_a_maths_lesson_may_drop_sections(book):
    maths = course.Lesson(book.lesson.path, "1.1", "The perceptron", "", 1, "maths")
    for name in ("Build", "Train"):
        cell_with(book, f"## {name}\n").source = "No heading here."
    broken = course_rules.Notebook(book.path, book.nb, book.lesson, book.root)
    assert course_rules.sections(broken)
    assert course_rules.sections(course_rules.Notebook(book.path, book.nb, maths, book.root)) == []


@pytest.mark.parametrize(
    ("name", "source", "fires"),
    [
        ("plot", "import torch", True),
        ("plot", "if True:\n    import keras", True),
        ("plot", "from utils import torch_train", True),
        ("plot", "def f():\n    import torch", False),
        ("plot", "from tools import course", True),
        ("torch_train", "import torch", False),
        ("torch_train", "def f():\n    import keras", True),
        ("keras_train", "def f():\n    from torch import nn", True),
        ("keras_train", "import keras", False),
        ("parity", "import keras, torch", False),
    ],
)
def test_import_rules_of_utils(name, source, fires):
    assert bool(course_rules.utils_import_findings(name, source)) is fires


# --- links and words ------------------------------------------------------------------------------
def test_good_links_are_left_alone(tmp_path):
    (tmp_path / "a.md").write_text("# One *two*: `three`\n")
    cell = nbformat.v4.new_markdown_cell("# One *two*: `three`")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "b.ipynb")
    text = """[a](a.md) [b](b.ipynb#One-two:-three) [c](https://en.wikipedia.org/wiki/Softmax_(function))
    ![x](a.md "title") [m](mailto:a@b.org)
    [![badge](https://a.org/b.svg)](https://a.org/c?d=e#f) `[not](a link)` $f[i](x y)$ <a href="a.md">a</a>
    """
    assert course_rules.link_findings(text, tmp_path, tmp_path, set()) == []


# --- execute --------------------------------------------------------------------------------------
def messy():
    """A notebook with everything that changes from run to run."""
    cells = [
        nbformat.v4.new_markdown_cell("# T\n"),
        nbformat.v4.new_code_cell("x = 1\n"),
        nbformat.v4.new_code_cell("x = 1"),
    ]
    nb = nbformat.v4.new_notebook(cells=cells)
    nb.metadata.update(
        widgets={"a": 1}, colab={"provenance": []}, language_info={"name": "python", "version": "3.11.7"}
    )
    new = nbformat.v4.new_output
    alt = {"image/png": {"alt": "a dot", "needs_background": "light"}}
    cells[2].execution_count = 9
    cells[2].metadata = {"tags": ["keras"], "execution": {"started": 1}, "scrolled": True}
    cells[2].outputs = [
        new("stream", name="stdout", text="10%\r20%\rdone <object at 0x7f3a2b1c>\n"),
        new("stream", name="stderr", text="warning"),
        new("stream", name="stdout", text=f"in {ROOT}/docs\n"),
        new("display_data", data={execute.WIDGET: {"model_id": "1"}, "text/plain": "IntSlider()"}),
        new("display_data", data={"image/png": PICTURE, "text/plain": "a dot"}, metadata=alt),
        new("execute_result", data={"text/plain": "3"}, execution_count=9),
    ]
    return nb


def test_normalise_keeps_results_and_drops_the_rest():
    nb = execute.normalise(messy())
    first, second = nb.cells[1:]
    assert first.execution_count is None and second.execution_count == 2
    assert first.id != second.id and second.metadata == {"tags": ["keras"]}
    assert set(nb.metadata) == {"kernelspec", "language_info", "colab"} and "version" not in nb.metadata.language_info
    assert nb.metadata.language_info.file_extension == ".py"  # or `nbconvert --to script` writes .txt
    stream, widget, picture, result = second.outputs
    assert stream.text == "done <object at 0x…>\nin docs\n"
    assert widget.data == {"text/plain": execute.WIDGET_TEXT}
    assert picture.data["text/plain"] == "a dot" and picture.metadata == {"image/png": {"alt": "a dot"}}
    assert result.execution_count == 2
    nbformat.validate(nb)
    assert execute.dumps(execute.normalise(copy.deepcopy(nb))) == execute.dumps(nb)


def test_ids_follow_from_the_source():
    one, two = messy(), messy()
    for cell in two.cells:
        cell.id = "other" + cell.id
    assert [cell.id for cell in execute.normalise(one).cells] == [cell.id for cell in execute.normalise(two).cells]


def test_the_hash_covers_code_but_not_prose_or_the_colab_cell():
    nb = messy()
    before = execute.source_hash(nb)
    nb.cells[0].source = "# Other"
    nb.cells.insert(1, nbformat.v4.new_code_cell("colab", metadata={"tags": ["colab"]}))
    assert execute.source_hash(nb) == before
    nb.cells[2].source = "x = 2"
    assert execute.source_hash(nb) != before


@pytest.mark.parametrize("kind", ["plot", "photo"])
def test_small_png_looks_the_same(kind):
    import base64
    import io

    import numpy as np
    from PIL import Image

    y, x = np.mgrid[:200, :300]
    smooth = np.stack([x * 0.8, y * 1.2, 255 - x * 0.5], -1).astype(np.uint8)
    lines = np.full((200, 300, 3), 255, np.uint8)
    lines[50:53], lines[:, 100:102] = (0, 114, 178), (230, 159, 0)
    before = Image.fromarray(lines if kind == "plot" else smooth)
    raw = io.BytesIO()
    before.save(raw, "PNG")
    after = Image.open(io.BytesIO(base64.b64decode(execute.small_png(base64.b64encode(raw.getvalue()).decode()))))
    error = np.abs(np.asarray(before, float) - np.asarray(after.convert("RGB"), float))
    assert error.max() <= (0 if kind == "plot" else 60) and error.mean() < 6


def tiny(path, *sources):
    """A notebook with a heading and these code cells."""
    cells = [nbformat.v4.new_markdown_cell("## Train"), *map(nbformat.v4.new_code_cell, sources)]
    cells[1].metadata["tags"] = ["pytorch"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def test_run_prints_a_line_per_cell_and_changes_nothing(tmp_path, capfd):
    path = tmp_path / "a.ipynb"
    tiny(path, "x = 1", "print(x)")
    before = path.read_bytes()
    assert execute.main(["--run", str(path)]) == 0
    assert re.search(r"cell  1/2  Train: PyTorch +\d+\.\d s\ncell  2/2  Train +\d", capfd.readouterr().out)
    assert path.read_bytes() == before


def test_run_stops_with_the_failing_cell(tmp_path, capfd):
    tiny(tmp_path / "a.ipynb", "def f():\n    return 1 / 0", "f()", "print('never')")
    assert execute.main(["--run", str(tmp_path / "a.ipynb")]) == 1
    out, err = capfd.readouterr()
    assert "cell 2 failed\n\nf()\n" in err and "ZeroDivisionError" in err and "\x1b" not in err
    assert "3/3" not in out


def test_write_is_repeatable_and_check_sees_a_change(tmp_path, capsys):
    path = tmp_path / "a.ipynb"
    tiny(path, "x = 1", "print(x, object())")
    assert execute.main(["--check", str(path)]) == 1  # not normalised
    assert execute.main(["--write", str(path)]) == 0
    first = path.read_bytes()
    assert execute.main(["--check", str(path)]) == 0
    assert execute.main(["--write", str(path)]) == 0 and path.read_bytes() == first
    nb = course.read(path)
    assert nb.cells[2].outputs[0].text == "1 <object object at 0x…>\n" and nb.cells[2].execution_count == 2
    nb.cells[1].source = "x = 2"
    execute.save(nb, path)
    assert execute.main(["--check", str(path)]) == 1
    assert "outputs of an older source" in capsys.readouterr().err


def test_write_runs_an_explorer(tmp_path):
    path = tmp_path / "a.ipynb"
    draw = "import ipywidgets as w\ns = w.IntSlider()\n"
    tiny(path, draw + "w.VBox([s, w.interactive_output(lambda x: print(x), {'x': s})])", "s.value = 3")
    assert execute.main(["--write", str(path)]) == 0
    nb = course.read(path)
    assert nb.cells[1].outputs[0].data == {"text/plain": execute.WIDGET_TEXT} and "widgets" not in nb.metadata


# --- new and index --------------------------------------------------------------------------------
def test_a_new_lesson_passes_lint(repository):
    ruff, folder = [sys.executable, "-m", "ruff"], repository / "phase1_foundations"
    parts = {
        "phase1_foundations/.ruff.toml": sorted(folder.glob("*.ipynb")),
        "pyproject.toml": sorted(folder.glob("*/*.py")),
    }
    for config, paths in parts.items():
        for command in (["check"], ["format", "--check"]):
            assert paths
            command = [*ruff, *command, "--config", str(ROOT / config), *map(str, paths)]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout
    path = repository / "phase1_foundations/01_perceptron.ipynb"
    assert execute.findings(path) == []
    assert "# 1.1 The perceptron" in path.read_text() and "lesson_name" not in path.read_text()


def test_a_new_lesson_has_explorers_whose_tests_pass(repository):
    for name in ("conftest.py", "tests/conftest.py"):
        shutil.copy(ROOT / name, repository / name)
    plugin = (repository / "conftest.py").read_text().replace('pytest_plugins = ["nbval_plugin"]', "")
    (repository / "conftest.py").write_text(plugin)
    assert "lesson_name" not in (repository / "tests/explorers/test_perceptron.py").read_text()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "tests"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0 and "5 passed" in done.stdout, done.stdout


def test_a_new_lesson_outside_the_plan_gets_the_next_number(repository):
    assert new_lesson.main(["2", "something_else"]) == 0
    row = next(row for row in course.lessons() if row.path.endswith("something_else.ipynb"))
    assert (row.number, row.title) == ("2.13", "Something else") and row.ready


@pytest.mark.parametrize("arguments", [[], ["5", "x"], ["2", "Bad-Name"], ["1", "perceptron"]])
def test_new_refuses_what_makes_no_sense(repository, arguments, capsys):
    before = sorted(repository.rglob("*.ipynb"))
    assert new_lesson.main(arguments) == 1
    assert capsys.readouterr().out and sorted(repository.rglob("*.ipynb")) == before


def test_the_exercises_of_the_template_are_sound(monkeypatch, tmp_path):
    from utils import exercise

    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.json"))
    module = exercise.load_module(ROOT / "docs/template_exercises.py")
    for cls in exercise.exercises_in(module):
        assert exercise_rules.lacks(cls) == exercise_rules.wrong_feedback(cls) == []
        assert all(cls().check(answer) for answer in cls.solutions().values())
        assert exercise_rules.accepted_mutants(cls) == exercise_rules.refused_equivalents(cls) == []


def test_index_is_idempotent_and_sees_old_tables(repository, capsys):
    assert index.main(["--check"]) == 0
    readme = repository / "README.md"
    assert "[The perceptron](phase1_foundations/01_perceptron.ipynb)" in readme.read_text()
    readme.write_text(readme.read_text().replace("The perceptron", "The neuron"))
    assert index.main(["--check"]) == 1 and "README.md is old" in capsys.readouterr().out
    assert index.main([]) == 0 and index.main(["--check"]) == 0


def test_a_fork_changes_one_line(repository, capsys):
    pyproject = repository / "pyproject.toml"
    url, _ = course.repository()
    pyproject.write_text(pyproject.read_text().replace(url, "https://github.com/someone/fork"))
    assert index.main(["--check"]) == 1
    assert index.main([]) == 0
    notebook = (repository / "phase1_foundations/01_perceptron.ipynb").read_text()
    assert notebook.count("someone/fork") == 3 and url not in notebook  # two badges, one Colab cell
    assert "someone/fork" in (repository / "README.md").read_text()
    assert not course.is_placeholder(course.repository()[0]) and course.is_placeholder("https://github.com/a_b/c")


def test_a_readme_without_markers_is_named(repository, capsys):
    (repository / "README.md").write_text("# No markers\n")
    assert index.main([]) == 1 and "has no markers" in capsys.readouterr().out


def test_only_notebooks_of_the_course_count(repository):
    lesson = repository / "phase1_foundations/01_perceptron.ipynb"
    for name in ("01_perceptron-Copy1.ipynb", "Untitled.ipynb", "01_perceptron_starter.ipynb", "09_tracked.ipynb"):
        shutil.copy(lesson, lesson.with_name(name))
    assert course.notebooks(repository) == [lesson]  # it is listed in docs/course.toml
    for command in (["init", "-q"], ["add", "phase1_foundations/09_tracked.ipynb"]):
        subprocess.run(["git", *command], cwd=repository, check=True)
    assert course.notebooks(repository) == [lesson, lesson.with_name("09_tracked.ipynb")]
    before = (lesson.with_name("Untitled.ipynb")).read_bytes()
    assert index.main([]) == 0 and (lesson.with_name("Untitled.ipynb")).read_bytes() == before


def test_nbconvert_writes_a_script(tmp_path):
    nb = execute.normalise(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1")]))
    nbformat.write(nb, tmp_path / "a.ipynb")
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "script", str(tmp_path / "a.ipynb")]
    subprocess.run(command, check=True, capture_output=True)
    assert "x = 1" in (tmp_path / "a.py").read_text()


def test_outputs_are_cleaned_without_a_home(monkeypatch):
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # HOME is not set and the user has no entry
    assert execute.clean_text("in ~/x") == "in ~/x"


# --- workflows, hooks, environment ----------------------------------------------------------------
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def targets():
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


def _installs(steps):
    return [line for step in steps for line in step.get("run", "").splitlines() if "pip install" in line]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_parse_and_call_what_exists(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert workflow[True], "`on:` says when it runs (YAML reads the word as true)"
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    assert steps and all(("run" in step) != ("uses" in step) for step in steps)
    uses = re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))  # a commit cannot be moved, a tag can
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+[.\d]*", use) for use in uses)
    permissions = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
    assert all("write" not in str(granted) for granted in permissions[:-1])  # at most the last job, which only pushes
    writing = [
        step for job in workflow["jobs"].values() if "write" in str(job.get("permissions")) for step in job["steps"]
    ]
    assert not any(re.search(r"pip|python|make", str(step)) for step in writing)
    assert all(re.search(r"-c constraints\.txt|-r requirements|-e \.| jax$", line) for line in _installs(steps))
    commands = "\n".join(step["run"] for step in steps if "run" in step)
    assert set(re.findall(r"\bmake ([a-z-]+)", commands)) <= targets()
    for script in re.findall(r"python (tools/\w+\.py)", commands):
        assert (ROOT / script).exists()


def test_every_shard_of_ci_is_known():
    import run_tests

    suite = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["suite"]
    shards = suite["strategy"]["matrix"]["shard"]
    assert set(shards) == set(run_tests.SHARDS) - {"notebooks"}
    parts = [run_tests.arguments(shard=shard) or [] for shard in shards]
    paths = [argument for part in parts for argument in part if argument.endswith(".ipynb") or argument == "tests"]
    assert sorted(paths) == sorted(a for a in run_tests.arguments() if a.endswith(".ipynb") or a == "tests")


def test_the_address_workflow_replaces_only_the_placeholder(tmp_path):
    steps = yaml.safe_load((ROOT / ".github/workflows/address.yml").read_text(encoding="utf-8"))["jobs"]["address"][
        "steps"
    ]
    script = next(step["run"] for step in steps if step.get("id") == "replace")
    env = os.environ | {"ADDRESS": "https://github.com/someone/fork", "GITHUB_OUTPUT": str(tmp_path / "out")}
    for url, changed in (
        ("https://github.com/your_account/course", True),
        ("https://github.com/real/my_course", False),
    ):
        (tmp_path / "out").write_text("")
        (tmp_path / "pyproject.toml").write_text(f'[project.urls]\nRepository = "{url}"\n')
        subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=env, check=True)
        assert ("someone/fork" in (tmp_path / "pyproject.toml").read_text()) is changed
        assert ("changed=yes" in (tmp_path / "out").read_text()) is changed


def test_the_address_patch_is_applied_without_running_the_course(tmp_path):
    jobs = yaml.safe_load((ROOT / ".github/workflows/address.yml").read_text(encoding="utf-8"))["jobs"]
    make, apply = jobs["address"]["steps"][-2]["run"], jobs["push"]["steps"][-1]["run"]
    lines = [line for line in make.splitlines() if line.startswith("git")]
    git = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    (tmp_path / "a").write_text("old\n")
    for command in (["init", "-q"], ["add", "a"], ["commit", "-qm", "first"]):
        subprocess.run(["git", *git, *command], cwd=tmp_path, check=True)
    (tmp_path / "a").write_text("new\n")
    subprocess.run(["bash", "-e", "-c", "\n".join([*lines, "git checkout -q a"])], cwd=tmp_path, check=True)
    assert (tmp_path / "a").read_text() == "old\n"
    script = "\n".join(line for line in apply.splitlines() if line != "git push")
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, check=True, capture_output=True)
    shown = subprocess.run(["git", "show", "HEAD:a"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert shown == "new\n"


def test_line_ends_are_the_same_everywhere():
    for path, kind in (("x.py", "lf"), (".ci/run", "lf"), ("Makefile", "lf"), ("a/b.ipynb", "lf"), ("c.npz", "unset")):
        attribute = "eol" if kind == "lf" else "text"
        done = subprocess.run(["git", "check-attr", attribute, path], cwd=ROOT, capture_output=True, text=True)
        assert done.stdout.strip().endswith(f": {kind}"), done.stdout


def test_local_hooks_call_what_exists():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    for hook in hooks[0]["hooks"]:
        assert hook["language"] == "system"
        assert all((ROOT / script).exists() for script in re.findall(r"tools/\w+\.py", hook["entry"]))


def test_conda_takes_the_one_list():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["dependencies"][-1] == {"pip": ["-r requirements.txt", "-e ."]}


def test_check_size(tmp_path, capsys):
    small, large = tmp_path / "a.py", tmp_path / "b.py"
    small.write_bytes(b"x" * 1000)
    large.write_bytes(b"x" * 300_000)
    assert check_size.main([small]) == 0 and check_size.main([small, large]) == 1
    assert "b.py: 300 kB, at most 200" in capsys.readouterr().out


# --- make -----------------------------------------------------------------------------------------
def test_make_lists_its_targets():
    out = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in [
        "lab",
        "run",
        "test",
        "lint",
        "format",
        "new",
        "execute",
        "index",
        "bench",
        "doctor",
        "update",
        "clean",
    ]:
        assert re.search(rf"^  {target} +\S", out, re.M), target


def test_make_says_what_is_missing():
    done = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True)
    assert "Say which notebook" in done.stdout


# --- pages ----------------------------------------------------------------------------------------
def test_the_grading_loop_takes_any_name(tmp_path):
    page = (ROOT / "docs/instructors.md").read_text(encoding="utf-8")
    loop = next(block for block in re.findall(r"```bash\n(.*?)```", page, re.S) if "submissions" in block)
    for folder in ("submissions", "phase1_foundations", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    python = tmp_path / ".venv/bin/python"
    python.write_text(
        '#!/bin/sh\ncp "$3" "$COURSE_PROGRESS"\n'
    )  # "executes" the notebook: a copy stands for its record
    python.chmod(0o755)
    names = ["Zoë O'Neil", 'Al "Bo" $HOME `id`', "-rf * ;x"]
    for name in names:
        (tmp_path / "submissions" / f"{name}.ipynb").write_text(name)
    subprocess.run(["bash", "-eu", "-c", loop], cwd=tmp_path, check=True)
    assert {path.stem: path.read_text() for path in (tmp_path / "grades").iterdir()} == {name: name for name in names}
    assert list((tmp_path / "phase1_foundations").iterdir()) == []
