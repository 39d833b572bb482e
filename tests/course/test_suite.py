"""The suite itself: what tests/course/nbval_plugin.py must catch, on tiny notebooks in one run of two workers."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import nbval_plugin
import pytest

TESTS = Path(__file__).parent
HOST = "192.0.2.1"  # reserved for documentation: never answers
CASES = {
    "green": ["import os, socket", "a, b = socket.socketpair()", "print(os.environ['COURSE_PROGRESS'])"],
    "failing": ["x = 1", "1 / 0", "y = 2", "z = 3"],
    "dead": ["import os\nos.write(2, b'last words\\n')\nos._exit(1)", "x = 1"],
    "slow": ["import time\nend = time.process_time() + 2\nwhile time.process_time() < end: pass", "x = 1"],
    "runaway": ["while True: pass", "x = 1"],
    "greedy": ["block = bytearray(600_000_000)", "x = 1"],
    "online": [f"import socket\nsocket.create_connection(('{HOST}', 80), timeout=1)", "x = 1"],
    "secretly": [
        "import contextlib, urllib.request\nwith contextlib.suppress(OSError):\n"
        "    urllib.request.urlopen('http://course.invalid/data')",
        "x = 1",
    ],
    "child_online": [
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import socket; "
        'socket.gethostbyname("course.invalid")\'])',
        "x = 1",
    ],
    "changed": ["print('new output')", "x = 1"],
    "same": ["print('old output')", "x = 1"],
    "backend": ["raise RuntimeError('only on TensorFlow')", "x = 1"],
}


def write(folder, name, sources):
    """A notebook with these code cells; the first one holds the stored output 'old output'."""
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    if name in ("changed", "same"):
        nb.cells[0].metadata["tags"] = ["nbval-check-output"]
        nb.cells[0].execution_count = 1
        nb.cells[0].outputs = [nbformat.v4.new_output("stream", text="old output\n")]
    if name == "backend":
        nb.cells[0].metadata["tags"] = ["tensorflow"]
    nbformat.write(nb, folder / f"{name}.ipynb")


def run_pytest(folder, *options, **env):
    """Run the suite on the notebooks of `folder`; returns (exit status, text)."""
    command = [sys.executable, "-m", "pytest", "-p", "nbval_plugin", "--nbval-lax", "--nbval-current-env"]
    command += ["--rootdir", str(folder), "-p", "no:cacheprovider", "-v", "-rs", "--color=no", "--tb=short", *options]
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COURSE_", "KERAS_"))}
    env = outer | {"PYTHONPATH": str(TESTS)} | env
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=180)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """The output of one run over all cases but `same` and `backend`, which belong to the green run."""
    folder = tmp_path_factory.mktemp("course") / "phase1_tiny"
    folder.mkdir()
    for name in CASES.keys() - {"same", "backend"}:
        write(folder, name, CASES[name])
    parallel = ("-n", "2", "--dist", "loadscope", "--no-loadscope-reorder", "--nbval-cell-timeout=20", "phase1_tiny")
    status, text = run_pytest(folder.parent, *parallel, COURSE_MEMORY_GB="0.5")
    assert status == 1, text
    return text


def outcome(text, name, cell):
    """PASSED, FAILED or SKIPPED of one cell, as pytest -v prints it with and without workers."""
    cell = rf"\b{name}(?:\.|::)ipynb::Cell {cell}\b"  # pytest prints the dot as :: here
    found = re.search(rf"^\[gw\d\].* ([A-Z]+) \S*{cell}|^\S*{cell} ([A-Z]+)", text, re.M)
    return (found[1] or found[2]) if found else "missing"


def report(text, name):
    """The part of the FAILURES section that is about a notebook."""
    parts = re.split(r"^_{3,} .*? _{3,}$", text, flags=re.M)
    return "\n".join(part for part in parts if f"phase1_tiny/{name}.ipynb, " in part)


def test_a_green_notebook_passes_with_private_progress(suite):
    assert [outcome(suite, "green", cell) for cell in range(3)] == ["PASSED"] * 3


def test_the_rest_of_a_failing_notebook_is_skipped(suite):
    assert outcome(suite, "failing", 0) == "PASSED"
    assert outcome(suite, "failing", 1) == "FAILED"
    assert outcome(suite, "failing", 2) == outcome(suite, "failing", 3) == "SKIPPED"
    assert "ZeroDivisionError" in suite and "Cell 1 of this notebook failed" in suite


def test_a_dead_kernel_is_reported_with_its_last_words(suite):
    assert outcome(suite, "dead", 0) == "FAILED" and outcome(suite, "dead", 1) == "SKIPPED"
    assert "the kernel died" in report(suite, "dead") and "last words" in report(suite, "dead")


def test_time_is_reported_and_only_a_runaway_cell_is_stopped(suite):
    assert outcome(suite, "slow", 0) == outcome(suite, "slow", 1) == "PASSED"
    assert outcome(suite, "runaway", 0) == "FAILED" and outcome(suite, "runaway", 1) == "SKIPPED"
    assert "Timeout of 20 seconds exceeded" in suite


@pytest.mark.parametrize(("cpu", "mark"), [(39.9, "GB"), (40.1, "GB  over plan")])
def test_the_table_marks_what_is_over_its_plan(cpu, mark):
    line = nbval_plugin.row("phase1_tiny/a.ipynb", {"wall": 1.0, "cpu": cpu, "planned": 40, "peak": 1.0})
    assert line.endswith(mark) and f"{cpu}" in line


@pytest.mark.parametrize(
    ("path", "seconds"), [("phase1_x/a.ipynb", 40), ("projects/beginner/a.ipynb", 110), ("a", 110)]
)
def test_every_notebook_has_planned_seconds(path, seconds):
    assert nbval_plugin.planned_seconds(path) == seconds


def test_memory_is_limited(suite):
    assert outcome(suite, "greedy", 0) == "FAILED"
    assert re.search(r"over the memory limit: 0\.\d+ GB of 0\.50 GB", report(suite, "greedy"))


def test_network_access_fails(suite):
    assert outcome(suite, "online", 0) == "FAILED"
    assert f"may not use the network, but it tried to reach {HOST}" in suite
    assert f"used the network: socket.connect {HOST}" in report(suite, "online") or HOST in report(suite, "online")


@pytest.mark.parametrize("name", ["secretly", "child_online"])
def test_network_access_that_the_notebook_hides_fails_too(suite, name):
    assert outcome(suite, name, 0) == "FAILED" and outcome(suite, name, 1) == "SKIPPED"
    assert "used the network" in report(suite, name) and "course.invalid" in report(suite, name)


def test_a_tagged_output_is_compared(suite):
    assert outcome(suite, "changed", 0) == "FAILED"
    assert "Cell outputs differ" in suite


def test_the_table_lists_every_notebook(suite):
    table = suite[suite.index("cost of each notebook") :]
    for name in CASES.keys() - {"same", "backend"}:
        assert re.search(rf"phase1_tiny/{name}\.ipynb +[\d.]+ +[\d.]+ +40 +\d\.\d\d GB", table), name
    assert "10 notebooks" in table
    assert suite.rstrip().splitlines()[-1].startswith("=")  # pytest's own line is the last one


def test_a_green_run_ends_with_success(tmp_path):
    for name in ("green", "same", "backend"):
        write(tmp_path, name, CASES[name])
    status, text = run_pytest(tmp_path, "-n", "0", KERAS_BACKEND="jax")
    assert status == 0, text
    assert outcome(text, "backend", 0) == "missing" and outcome(text, "backend", 1) == "PASSED"
    assert re.search(r"=+ 6 passed, 1 deselected.* =+$", text.rstrip())


def test_another_seed_reaches_the_notebooks_and_stored_outputs_are_not_compared(tmp_path):
    write(tmp_path, "changed", ["import os\nassert os.environ['COURSE_SEED'] == '3'\nprint('new output')"])
    status, text = run_pytest(tmp_path, "-n", "0", "--course-seed=3")
    assert status == 0 and "1 passed" in text, text


def test_only_what_belongs_to_one_notebook(tmp_path):
    folder = tmp_path / "phase1_tiny"
    folder.mkdir()
    for name in ("01_perceptron", "03_multilayer_perceptron"):
        write(folder, name, ["x = 1"])
    rules = "import pytest\n@pytest.mark.parametrize('x', {})\ndef test_it(x): pass\n"
    ids = ["phase1_tiny/01_perceptron.ipynb", "phase1_tiny/03_multilayer_perceptron.ipynb"]
    (tmp_path / "test_lessons.py").write_text(rules.format(ids))
    modules = ["phase1_tiny/exercises/perceptron.py-A", "phase1_tiny/exercises/multilayer_perceptron.py-A"]
    (tmp_path / "exercises").mkdir()
    text = rules.format([*modules, "phase2_tiny/exercises/perceptron.py-A"])
    (tmp_path / "exercises/test_exercises.py").write_text(text)
    (tmp_path / "explorers").mkdir()
    for name in ("perceptron", "multilayer_perceptron"):
        (tmp_path / f"explorers/test_{name}.py").write_text("def test_picture(): pass\n")
    status, text = run_pytest(tmp_path, "-n", "0", f"--course-notebook={ids[0]}", ".")
    assert status == 0, text
    passed = re.findall(r"^(\S+?(?:::|\.)(?:py|ipynb)::.*?) PASSED", text, re.M)
    assert len(passed) == 4 and "multilayer" not in "".join(passed) and "phase2" not in "".join(passed)
    assert "4 passed, 5 deselected" in text
