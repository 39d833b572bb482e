"""The starter editions of the projects: fresh, complete, and they run before a word is written."""

import ast
import os

import course
import execute
import nbformat
import pytest
import starter

PROJECTS = [row.path for row in course.lessons() if row.kind == "project" and row.ready]
WORKED = '''# Task: build the model
# x (B, 4) -> logits (B, 3)
import math

from torch import nn


@property
def one_line(x): return x


def long(  # (B, 4)
    x,
    y=1,
):
    """What it does.

    More.
    """
    return x + y


class Model(nn.Module):  # x (B, 4) -> logits (B, 3)
    # a secret

    @staticmethod
    def forward(x):
        return x


model = Model()
assert math.pi > 3
'''


def notebook(*cells):
    """A notebook of (kind, source, tags)."""
    new = {"markdown": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}
    made = [new[kind](source, metadata={"tags": list(tags)}) for kind, source, tags in cells]
    title = nbformat.v4.new_markdown_cell("# Project 9: A test\n\nIt promises something.\n\n[![Open in Colab](x)](y)")
    return nbformat.v4.new_notebook(cells=[title, *made])


def test_a_stub_keeps_comment_imports_signatures_and_docstrings():
    text = starter.stub(WORKED)
    assert text.startswith(
        "# Task: build the model\n# x (B, 4) -> logits (B, 3)\n\n\nimport math\nfrom torch import nn\n"
    )
    assert "@property\ndef one_line(x):\n    ..." in text
    assert 'def long(  # (B, 4)\n    x,\n    y=1,\n):\n    """What it does.\n\n    More.\n    """\n    ...' in text
    assert text.endswith("class Model(nn.Module):  # x (B, 4) -> logits (B, 3)\n    ...")
    assert not any(word in text for word in ("secret", "forward", "return", "assert", "model ="))
    ast.parse(text)


def test_a_stub_of_plain_code_names_the_framework():
    assert starter.stub("model = 1", ["keras", "solution"]) == "# Your turn, in Keras"
    assert starter.stub("# Task: draw\nx = 1") == "# Task: draw"
    assert starter.stub("def f():\n    return 1") == "# Your turn\n\n\ndef f():\n    ..."


@pytest.mark.parametrize(
    "later, results",
    [
        (["print(model)"], ["model"]),
        (["def f():\n    return [model(x) for x in range(3)]"], ["model"]),
        (["def f(model):\n    return model", "[x for x in range(3)]"], []),
        (["model = 2", "print(model)"], []),  # assigned anew
        (["def model():\n    pass", "print(model)"], []),
        (["import model", "print(model)"], []),
        (["print(x, model, math, f)"], ["model", "x"]),
        (["class A(Base):\n    size = model"], ["model"]),
    ],
)
def test_a_stub_names_the_results_that_later_cells_need(later, results):
    worked = "import math\n\ndef f(): return 1\n\nmodel, unused = 1, 2\nfor x in range(3):\n    model = x"
    ends = starter.stub(worked, later=later).removeprefix(starter.stub(worked)).split()
    assert " ".join(ends) == " ".join(f"{name} = ..." for name in results)


def test_a_default_that_a_worked_cell_defines_becomes_none():
    text = starter.stub('size = 3\n\n\ndef f(x, y=2, n=size, *, m=(size, 1)):\n    """Does it."""\n    return x')
    assert 'def f(x, y=2, n=None, *, m=None):\n    """Does it."""\n    ...' in text


def test_only_worked_cells_change():
    full = notebook(
        ("markdown", "Brief", ()),
        ("code", "x = 1", ("nbval-check-output",)),
        ("code", "answer = 42", ("pytorch", "solution")),
        ("markdown", "The answer is 42.", ("solution",)),
        ("markdown", "It was 42.\n\n## Milestone 2\n\nMore.", ("solution",)),
        ("code", "def f():\n    ...", ("exercise",)),
        ("code", "print(answer)", ("solution",)),
    )
    full.cells[2].outputs = [nbformat.v4.new_output("stream", text="1")]
    made = starter.starter(full, "projects/beginner/09_test.ipynb")
    assert [cell.source for cell in made.cells[1:]] == [
        "Brief",
        "x = 1",
        "# Your turn, in PyTorch\nanswer = ...",
        "## Milestone 2\n\nMore.",
        "def f():\n    ...",
        "# Your turn",
    ]
    assert made.cells[0].source.startswith("# Project 9: A test (starter)\n\n**Starter edition.**")
    assert "09_test_starter.ipynb" in made.cells[0].source and "(09_test.ipynb)" in made.cells[0].source
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in made.cells)
    assert course.tags(made.cells[2]) == [] and course.tags(made.cells[3]) == ["pytorch"]


@pytest.mark.parametrize("path", PROJECTS)
def test_the_starter_is_fresh_and_keeps_headings_and_checks(path):
    full, made = course.read(course.ROOT / path), course.ROOT / starter.starter_path(path)
    assert made in starter.generated() and starter.main(["--check"]) == 0
    new = course.read(made)
    texts = ["\n".join(c.source for c in nb.cells if c.cell_type == "markdown") for nb in (full, new)]
    assert course.headings(texts[0])[1:] == course.headings(texts[1])[1:]
    codes = ["\n".join(c.source for c in nb.cells if c.cell_type == "code") for nb in (full, new)]
    assert codes[0].count(".check(") == codes[1].count(".check(") >= 3
    worked = [c for c in full.cells if "solution" in course.tags(c) and c.cell_type == "code"]
    assert len(worked) >= 10 and len(codes[1]) < 0.7 * len(codes[0])


@pytest.mark.parametrize("path", PROJECTS)
def test_the_start_page_sends_the_reader_to_the_starter_first(path):
    text = (course.ROOT / "START.md").read_text(encoding="utf-8")
    assert -1 < text.find(f"({starter.starter_path(path)})") < text.find(f"({path})")


@pytest.mark.slow
@pytest.mark.parametrize("path", PROJECTS)
def test_the_starter_runs_empty(path, tmp_path):
    made = course.ROOT / starter.starter_path(path)
    nb = course.read(made)
    quiet = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "COURSE_PROGRESS": str(tmp_path / "progress.json")}
    execute.run(nb, made, env=os.environ | quiet, log=lambda *args, **kwargs: None)
    shown = "\n".join(str(out.get("text", out.get("data"))) for c in nb.cells for out in c.get("outputs", []))
    assert shown.count("Not attempted yet") >= 3 and "Ellipsis" not in shown
