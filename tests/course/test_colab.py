"""What happens on Colab: a folder with only the notebook, no course installed, frameworks that must not change."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import course
import index
import nbformat
import pytest

ROOT = course.ROOT
LESSON = "phase1_foundations/01_perceptron.ipynb"
PROBE = """\
import importlib.metadata
import sys
from pathlib import Path

import exercises
import utils

print("course", Path(utils.__file__).parent.parent)
print("exercises", list(exercises.__path__)[0])
print("versions", *[importlib.metadata.version(name) for name in ("torch", "tensorflow", "numpy", "keras")])
"""


def git(*arguments, cwd=ROOT):
    """Run git; returns its output."""
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A git repository that holds the present files of the course on the branch that the Colab cell asks for."""
    folder = tmp_path_factory.mktemp("published") / "course"
    folder.mkdir()
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing to clone")
    for name in git("ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    (folder / "phase1_foundations/exercises").mkdir(parents=True, exist_ok=True)
    (folder / "phase1_foundations/exercises/probe.py").write_text("")  # git keeps no empty folder
    git("init", "-q", cwd=folder)
    git("checkout", "-q", "-B", course.repository()[1], cwd=folder)
    git("add", "-A", cwd=folder)
    git("commit", "-q", "-m", "course", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def colab_python(tmp_path_factory):
    """A Python that has the libraries of this one but not the course: .pth files are not read from an added folder."""
    venv = tmp_path_factory.mktemp("colab") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    paths = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    )
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    Path(paths.stdout.strip(), "libraries.pth").write_text("\n".join(libraries) + "\n")
    done = subprocess.run([python, "-c", "import utils"], capture_output=True, text=True, cwd=venv)
    assert "No module named 'utils'" in done.stderr, "the simulated Colab must not have the course"
    return python


def run_there(notebook, python, source=None, **env):
    """Execute a notebook as Colab would; git finds the published course at `source` instead of its address."""
    redirect = {"GIT_CONFIG_COUNT": "0"}
    if source:
        key, value = f"url.{source.as_uri()}.insteadOf", course.repository()[0]
        redirect = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": key, "GIT_CONFIG_VALUE_0": value}
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    clean |= {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "COURSE_PROGRESS": str(notebook.parent / "p.json")}
    command = [python, ROOT / "tools/execute.py", "--write", notebook]
    done = subprocess.run(
        command, cwd=notebook.parent, env=clean | redirect | env, capture_output=True, text=True, timeout=400
    )
    return done.returncode, done.stdout + done.stderr


def open_address(cell):
    """The Colab cell of a course with an address: the placeholder itself would be refused."""
    return cell.replace('if "_" in url', 'if "?" in url')


def write(path, *sources):
    """A notebook whose first cell is the Colab cell of a lesson of phase 1."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def printed(notebook):
    """What the last cell printed, as {first word: rest}."""
    text = "".join(out.text for out in course.read(notebook).cells[-1].outputs if out.output_type == "stream")
    return dict(line.split(" ", 1) for line in text.splitlines())


def test_the_cell_brings_the_course_and_leaves_the_frameworks_alone(tmp_path, colab_python, published):
    cell = open_address(index.colab_cell(LESSON))
    notebook = write(tmp_path / "content/a.ipynb", cell, PROBE)
    status, text = run_there(notebook, colab_python, published)
    assert status == 0, text
    found = printed(notebook)
    clone = notebook.parent / "deep-learning-course"
    assert (clone / "pyproject.toml").exists()
    assert found["course"].endswith("deep-learning-course")
    assert found["exercises"].endswith("deep-learning-course/phase1_foundations/exercises".replace("/", os.sep))
    here = [importlib.metadata.version(name) for name in ("torch", "tensorflow", "numpy", "keras")]
    assert found["versions"].split() == here
    assert run_there(notebook, colab_python, published)[0] == 0  # once more, with the clone there


def test_a_foreign_package_called_utils_does_not_get_in_the_way(tmp_path, colab_python, published):
    foreign = tmp_path / "foreign/utils"
    foreign.mkdir(parents=True)
    (foreign / "__init__.py").write_text("raise RuntimeError('the wrong utils')\n")
    notebook = write(tmp_path / "content/a.ipynb", open_address(index.colab_cell(LESSON)), PROBE)
    status, text = run_there(notebook, colab_python, published, PYTHONPATH=str(foreign.parent))
    assert status == 0, text
    assert printed(notebook)["course"].endswith("deep-learning-course")


def test_the_cell_does_nothing_where_the_course_is_installed(tmp_path):
    notebook = write(tmp_path / "content/a.ipynb", index.colab_cell(LESSON), "import sys\nprint('path', sys.path)")
    status, text = run_there(notebook, sys.executable, PYTHONPATH=str(ROOT))
    assert status == 0, text
    assert not (notebook.parent / "deep-learning-course").exists()
    assert "phase1_foundations" not in printed(notebook)["path"]


def test_a_placeholder_address_gives_one_clear_sentence(tmp_path, colab_python):
    url = course.repository()[0]
    cell = index.colab_cell(LESSON).replace(url, "https://github.com/your_account/deep-learning-course")
    notebook = write(tmp_path / "content/a.ipynb", cell)
    status, text = run_there(notebook, colab_python)
    assert status == 1 and "RuntimeError: This copy has no public address yet" in text
    assert not (notebook.parent / "deep-learning-course").exists()


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / LESSON).exists(), reason="lesson 1.1 is not there")
def test_lesson_1_1_passes_alone_in_a_folder(tmp_path, colab_python, published):
    notebook = tmp_path / "content" / Path(LESSON).name
    nb = course.read(ROOT / LESSON)
    for cell in nb.cells:
        if "colab" in course.tags(cell):
            cell.source = open_address(cell.source)
    notebook.parent.mkdir()
    nbformat.write(nb, notebook)
    status, text = run_there(notebook, colab_python, published)
    assert status == 0, text
    assert re.search(r"01_perceptron\.ipynb: \d+ cells in", text)
