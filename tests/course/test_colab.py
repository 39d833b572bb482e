"""What the first cell does: alone in a folder as on Colab, in a folder that was moved, with another `utils` about."""

import importlib.metadata
import os
import re
import shutil
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
    raw = folder / "raw" / course.repository()[1] / "utils"  # where GitHub serves single files
    raw.mkdir(parents=True)
    shutil.copy(ROOT / "utils/place.py", raw)
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


def run_there(notebook, python, **env):
    """Execute a notebook as Colab would -> (exit status, text)."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    clean |= {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "COURSE_PROGRESS": str(notebook.parent / "p.json")}
    command = [python, ROOT / "tools/execute.py", "--write", notebook]
    done = subprocess.run(command, cwd=notebook.parent, env=clean | env, capture_output=True, text=True, timeout=400)
    return done.returncode, done.stdout + done.stderr


def colab_cell(address):
    """The first cell of a course that is published at `address`, a folder or an URL."""
    address = address.as_uri() if isinstance(address, Path) else address
    return index.colab_cell().replace(course.repository()[0], address)


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


NOWHERE = "https://course.invalid/account/course"  # a name that never resolves


def test_the_cell_brings_the_course_and_leaves_the_frameworks_alone(tmp_path, colab_python, published):
    notebook = write(tmp_path / "content/a.ipynb", colab_cell(published), PROBE)
    status, text = run_there(notebook, colab_python)
    assert status == 0, text
    found = printed(notebook)
    clone = notebook.parent / "deep-learning-course"
    assert (clone / "pyproject.toml").exists()
    assert found["course"].endswith("deep-learning-course")
    assert found["exercises"].endswith("deep-learning-course/phase1_foundations/exercises".replace("/", os.sep))
    here = [importlib.metadata.version(name) for name in ("torch", "tensorflow", "numpy", "keras")]
    assert found["versions"].split() == here
    again = write(notebook, colab_cell(NOWHERE), PROBE)  # once more, with the clone there: nothing is fetched
    status, text = run_there(again, colab_python)
    assert status == 0, text
    assert sorted(path.name for path in notebook.parent.iterdir() if path.is_dir()) == ["deep-learning-course"]


def test_a_clone_that_broke_off_is_repaired(tmp_path, colab_python, published):
    half = tmp_path / "content/deep-learning-course/.git/objects"
    half.mkdir(parents=True)
    (half.parent / "HEAD").write_text("ref: refs/heads/main\n")
    notebook = write(tmp_path / "content/a.ipynb", colab_cell(published), PROBE)
    status, text = run_there(notebook, colab_python)
    assert status == 0, text
    assert printed(notebook)["course"].endswith("deep-learning-course")
    stream = course.read(notebook).cells[0].outputs[0].text
    assert "An incomplete deep-learning-course was there" in stream and "Fetched the course" in stream


@pytest.mark.parametrize("name", ["utils/__init__.py", "utils.py"])
def test_another_utils_does_not_get_in_the_way(tmp_path, colab_python, published, name):
    foreign = tmp_path / "foreign" / name
    foreign.parent.mkdir(parents=True)
    foreign.write_text("raise RuntimeError('the wrong utils')\n")
    notebook = write(tmp_path / "content/a.ipynb", colab_cell(published), PROBE)
    status, text = run_there(notebook, colab_python, PYTHONPATH=str(tmp_path / "foreign"))
    assert status == 0, text
    assert printed(notebook)["course"].endswith("deep-learning-course")


def test_another_utils_that_is_imported_already_is_named(tmp_path, colab_python, published):
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/utils.py").write_text("x = 1\n")
    notebook = write(tmp_path / "content/a.ipynb", "import utils", colab_cell(published))
    status, text = run_there(notebook, colab_python, PYTHONPATH=str(tmp_path / "foreign"))
    assert status == 1
    assert f"another module called utils, {tmp_path / 'foreign/utils.py'}" in text and "Restart the kernel" in text


def test_a_moved_course_is_found_above_the_notebook(tmp_path, colab_python, published):
    moved = tmp_path / "moved"
    git("clone", "-q", str(published), str(moved))
    (moved / "phase1_foundations/deep-learning-course/utils").mkdir(parents=True)  # what an older cell may have left
    (moved / "phase1_foundations/deep-learning-course/utils/place.py").write_text("raise RuntimeError('left over')\n")
    notebook = write(moved / "phase1_foundations/a.ipynb", colab_cell(NOWHERE), PROBE)
    status, text = run_there(notebook, colab_python)
    assert status == 0, text
    found = printed(notebook)
    assert Path(found["course"]) == moved and Path(found["exercises"]) == moved / "phase1_foundations/exercises"


def test_an_installed_course_is_used_by_a_notebook_elsewhere(tmp_path):
    notebook = write(tmp_path / "content/a.ipynb", colab_cell(NOWHERE), PROBE)
    status, text = run_there(notebook, sys.executable, PYTHONPATH=str(ROOT))
    assert status == 0, text
    assert not (notebook.parent / "deep-learning-course").exists()
    assert printed(notebook)["course"] == "."  # execute.py shortens the folder of the course to this


def test_a_placeholder_address_gives_one_clear_sentence(tmp_path, colab_python):
    notebook = write(tmp_path / "content/a.ipynb", colab_cell("https://github.com/your_account/course"))
    status, text = run_there(notebook, colab_python)
    assert status == 1 and "AssertionError: No course above this notebook: download the whole of it." in text
    assert not (notebook.parent / "deep-learning-course").exists()


def test_the_cell_is_small_folded_and_the_same_everywhere(tmp_path):
    lines = index.colab_cell().splitlines()
    assert len(lines) <= 13 and max(map(len, lines)) <= 92
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# T"), nbformat.v4.new_code_cell("old")])
    nb.cells[1].metadata["tags"] = ["colab"]
    cell = nbformat.reads(index.notebook_text("a/b.ipynb", nbformat.writes(nb)), as_version=4).cells[1]
    assert cell.source.splitlines() == lines
    assert cell.metadata == {"tags": ["colab"], "cellView": "form", "jupyter": {"source_hidden": True}}


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / LESSON).exists(), reason="lesson 1.1 is not there")
def test_lesson_1_1_passes_alone_in_a_folder(tmp_path, colab_python, published):
    notebook = tmp_path / "content" / Path(LESSON).name
    nb = course.read(ROOT / LESSON)
    for cell in nb.cells:
        if "colab" in course.tags(cell):
            cell.source = colab_cell(published)
    notebook.parent.mkdir()
    nbformat.write(nb, notebook)
    status, text = run_there(notebook, colab_python)
    assert status == 0, text
    assert re.search(r"01_perceptron\.ipynb: \d+ cells in", text)
