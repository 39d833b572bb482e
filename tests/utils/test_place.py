"""utils.place: where the course is and where its reader may write; which Python it takes, and that all pages say so."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from utils import place

ROOT = Path(__file__).parents[2]


# --- fetching -------------------------------------------------------------------------------------
@pytest.fixture
def published(tmp_path):
    """A git repository with what makes a course whole, on the branch main."""
    for name in place.WHOLE:
        (tmp_path / "published" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "published" / name).touch()
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "course"]):
        subprocess.run(["git", *identity, *command], cwd=tmp_path / "published", check=True)
    return (tmp_path / "published").as_uri()


def test_a_clone_is_there_completely_or_not_at_all(tmp_path, published):
    (tmp_path / "work").mkdir()
    clone = tmp_path / "work/deep-learning-course"
    for url in (f"{published}-not", "https://a.invalid/b"):
        with pytest.raises(RuntimeError, match="could not be fetched from"):
            place.fetch(url, "main", clone)
        assert list(clone.parent.iterdir()) == []
    assert place.fetch(published, "main", clone) == clone and place.is_whole(clone)
    assert list(clone.parent.iterdir()) == [clone]


def test_what_was_in_the_place_of_the_clone_is_kept(tmp_path, published):
    clone = tmp_path / "deep-learning-course"
    (clone / ".git").mkdir(parents=True)
    (clone / "my_notes.txt").write_text("mine")
    place.fetch(published, "main", clone)
    assert place.is_whole(clone) and not (clone / "my_notes.txt").exists()
    (kept,) = tmp_path.glob("deep-learning-course-incomplete-*/deep-learning-course/my_notes.txt")
    assert kept.read_text() == "mine"


def test_a_machine_without_git_is_told_so(tmp_path, monkeypatch, published):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="could not be fetched.*git is not installed here"):
        place.fetch(published, "main", tmp_path / "deep-learning-course")


def test_a_course_that_lacks_files_is_named(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(place, "ROOT", tmp_path)
    with pytest.raises(RuntimeError, match=f"{tmp_path} is incomplete: download it again"):
        place.enter("https://a.invalid/b")


def test_only_missing_packages_are_added_and_pinned(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(place.subprocess, "run", lambda command, **options: commands.append(command))
    file = tmp_path / "requirements.txt"
    file.write_text("# comment\nnumpy==0.1  # there, whatever its version\nno-such-package==1.2  # why\n\n")
    place.add_packages(file)
    assert commands == [[sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "no-such-package==1.2"]]
    file.write_text("numpy==0.1\n")
    place.add_packages(file)
    assert len(commands) == 1


def test_a_failing_installation_is_one_sentence(tmp_path, monkeypatch):
    def fail(command, **options):
        raise subprocess.CalledProcessError(1, command, stderr="noise\nERROR: no matching distribution\n")

    monkeypatch.setattr(place.subprocess, "run", fail)
    (tmp_path / "r.txt").write_text("no-such-package==1.2")
    with pytest.raises(RuntimeError, match="could not be installed: no-such-package==1.2: ERROR: no matching"):
        place.add_packages(tmp_path / "r.txt")


def test_a_python_without_frameworks_is_named(monkeypatch):
    monkeypatch.setattr(place.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=f"{re.escape(sys.executable)}, has no torch and no keras. Choose the kernel"):
        place._require_frameworks()


def test_colab_gets_its_widgets(monkeypatch):
    calls = []
    output = SimpleNamespace(enable_custom_widget_manager=lambda: calls.append("widgets"))
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(output=output))
    monkeypatch.setattr(sys, "path", list(sys.path))
    place.enter("https://a.invalid/b")
    assert calls == ["widgets"] and sys.path[0] == str(ROOT)


PINS = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M))
COLAB = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / place.EXTRAS).read_text(encoding="utf-8"), re.M)


def test_colab_gets_the_versions_that_the_suite_passed_with_and_no_framework():
    assert {"mlxtend", "anywidget", "optuna", "keras-tuner", "num2words"} <= {name for name, _ in COLAB}
    assert all(PINS[name] == version for name, version in COLAB)
    assert not {name for name, _ in COLAB} & {"torch", "torchvision", "tensorflow", "keras", "numpy", "scipy"}
    lines = (ROOT / place.EXTRAS).read_text(encoding="utf-8").splitlines()
    assert all(re.match(r"#|[\w.-]+==[\w.]+ +# ", line) for line in lines)  # each pinned, each with its reason


# --- where the reader may write -------------------------------------------------------------------
@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A reader whose notebook lies in `lesson` and whose home is `home`."""
    (tmp_path / "lesson").mkdir()
    monkeypatch.chdir(tmp_path / "lesson")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.delenv("COURSE_RUNS", raising=False)
    return tmp_path


def read_only(monkeypatch, *folders):
    """Pretend that these folders cannot be written to: permissions do not stop an administrator."""
    can = place.is_writable
    refuses = lambda folder: any(Path(folder).is_relative_to(f) for f in folders)
    monkeypatch.setattr(place, "is_writable", lambda folder: not refuses(folder) and can(folder))


def test_results_lie_beside_the_notebook(reader):
    assert place.runs("digits") == reader / "lesson/runs/digits" and place.runs().is_dir()


def test_results_of_a_read_only_course_lie_in_the_home_folder(reader, monkeypatch):
    read_only(monkeypatch, reader / "lesson")
    assert place.runs("digits") == reader / "home/.deep-learning-course/runs/lesson/digits"
    assert (reader / "home/.deep-learning-course/runs/lesson/digits").is_dir()
    monkeypatch.setenv("COURSE_RUNS", str(reader / "elsewhere"))
    assert place.runs() == reader / "elsewhere/lesson"


def test_no_place_at_all_is_one_sentence(reader, monkeypatch):
    read_only(monkeypatch, reader)
    with pytest.raises(PermissionError, match="No results can be stored.*Set COURSE_RUNS to a folder"):
        place.runs()


def test_is_writable_looks_at_the_disk(tmp_path):
    (tmp_path / "file").touch()
    assert place.is_writable(tmp_path / "a/b") and not place.is_writable(tmp_path / "file/c")


def test_a_user_without_a_home_gets_a_temporary_folder(monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    assert place.user_folder().name == "deep-learning-course" and place.is_writable(place.user_folder())


# --- which Python ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("machine", "words"),
    [
        (((3, 14), "Linux"), "needs Python 3.11, 3.12 or 3.13, for which TensorFlow and PyTorch have wheels; this is"),
        (((3, 10), "Windows"), "this is Python 3.10. "),
        (((3, 12), "Darwin", "arm64", "12.7.1"), "need macOS 14 or newer; this is 12.7.1"),
        (((3, 12), "Darwin", "x86_64", "15.0"), "no wheels for Macs with an Intel processor"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_downloaded(machine, words):
    assert words in place.why_not(*machine)
    assert "make PYTHON=python3." in place.why_not(*machine) or machine[1] == "Darwin"


@pytest.mark.parametrize("machine", [((3, 11), "Linux"), ((3, 13), "Windows"), ((3, 12), "Darwin", "arm64", "14.0")])
def test_what_works_is_left_in_peace(machine):
    assert place.why_not(*machine) == ""


def test_make_asks_before_it_downloads(tmp_path):
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "utils/place.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(
            (ROOT / name).read_text(encoding="utf-8").replace('">=3.11,<3.14"', '">=3.5,<3.6"')
        )
    done = subprocess.run(["make", f"PYTHON={sys.executable}", "lab"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "The course needs Python 3.5, for which" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_range_stands_in_one_place_and_every_page_agrees():
    known = [f"3.{minor}" for minor in place.pythons()]
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["suite"]["strategy"]["matrix"]["python"] == known
    setup = (ROOT / "docs/setup.md").read_text(encoding="utf-8")
    assert f"Python {place.in_words(place.pythons())}" in setup and f"macOS {place.macos()}" in setup
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob(".github/workflows/*.yml")]
    for page in [*pages, ROOT / "environment.yml", ROOT / "Makefile"]:
        text = page.read_text(encoding="utf-8")
        named = re.findall(r"(?:python=?|--python |py -|Python |version: \")(3\.\d+)\b", text)
        assert set(named) <= set(known), page
        assert not re.search(r"(?i)Python 3\.\d+ or (newer|later)", text), page
