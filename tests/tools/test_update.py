"""`make update` and a moved folder, on small repositories and environments of their own."""

import os
import shutil
import subprocess
import sys
from datetime import datetime

import course
import moved
import pytest
import update

NOW = datetime(2026, 11, 30, 20, 15)
NOTEBOOK = "phase1_foundations/01_perceptron.ipynb"


def git(folder, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def put(folder, **files):
    """Write files: `a` stands for a.txt, `notebook` for a lesson."""
    for name, text in files.items():
        path = folder / (NOTEBOOK if name == "notebook" else f"{name}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def commit(folder, **files):
    put(folder, **files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "next")


@pytest.fixture
def author(tmp_path):
    """The author's clone; what it pushes goes to a bare repository."""
    git(tmp_path, "init", "-q", "--bare", "server.git")
    git(tmp_path, "clone", "-q", "server.git", "author")
    (tmp_path / "author/.gitignore").write_text("my_answers/\n")
    commit(tmp_path / "author", notebook="version 1", other="other 1", gone="gone 1")
    git(tmp_path / "author", "push", "-q", "origin", "HEAD:main")
    return tmp_path / "author"


@pytest.fixture
def learner(author):
    """The learner's clone of version 1."""
    git(author.parent, "clone", "-q", "-b", "main", "server.git", "learner")
    return author.parent / "learner"


def publish(author, **files):
    commit(author, **files)
    git(author, "push", "-q", "origin", "HEAD:main")


def test_answers_are_kept_and_the_new_version_arrives(author, learner):
    publish(author, notebook="version 2")
    put(learner, notebook="my answers", other="my notes")
    refused = subprocess.run(["git", "pull", "-q", "--ff-only"], cwd=learner, capture_output=True, text=True)
    assert refused.returncode != 0 and "would be overwritten" in refused.stderr  # the fault that this repairs
    folder = update.update(learner, NOW)
    assert folder == learner / "my_answers/2026-11-30_201500"
    assert (folder / NOTEBOOK).read_text() == "my answers"
    assert (learner / NOTEBOOK).read_text() == "version 2"
    assert (learner / "other.txt").read_text() == "my notes"  # the new version does not touch it
    assert not (folder / "other.txt").exists()
    assert update.update(learner, NOW) is None


def test_staged_new_and_deleted_files_do_not_block_it(author, learner):
    git(author, "rm", "-q", "gone.txt")
    publish(author, notebook="version 2", fresh="fresh 1")
    put(learner, notebook="staged answers", fresh="mine, untracked", gone="mine, changed")
    git(learner, "add", NOTEBOOK)
    folder = update.update(learner, NOW)
    kept = {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert kept == {
        "01_perceptron.ipynb": "staged answers",
        "fresh.txt": "mine, untracked",
        "gone.txt": "mine, changed",
    }
    assert (learner / "fresh.txt").read_text() == "fresh 1" and not (learner / "gone.txt").exists()
    assert git(learner, "status", "--porcelain") == ""


def test_nothing_to_keep_makes_no_folder(author, learner):
    publish(author, notebook="version 2")
    assert update.update(learner, NOW) is None
    assert (learner / NOTEBOOK).read_text() == "version 2" and not (learner / "my_answers").exists()


def test_nothing_is_touched_if_it_cannot_be_done(author, learner, tmp_path):
    publish(author, notebook="version 2")
    put(learner, notebook="my answers")
    git(learner, "remote", "set-url", "origin", str(tmp_path / "nowhere.git"))
    with pytest.raises(update.Stopped, match="could not be fetched"):
        update.update(learner, NOW)
    git(learner, "remote", "set-url", "origin", str(tmp_path / "server.git"))
    commit(learner, own="a commit of one's own")
    put(learner, notebook="more answers")
    with pytest.raises(update.Stopped, match="commits of your own.*git pull"):
        update.update(learner, NOW)
    assert (learner / NOTEBOOK).read_text() == "more answers" and not (learner / "my_answers").exists()
    git(learner, "checkout", "-q", "--detach")
    with pytest.raises(update.Stopped, match="follows no other"):
        update.update(learner, NOW)
    (tmp_path / "unpacked").mkdir()
    with pytest.raises(update.Stopped, match="no clone"):
        update.update(tmp_path / "unpacked", NOW)


def test_my_answers_are_ignored_by_git():
    done = subprocess.run(["git", "check-ignore", "-q", f"{update.ANSWERS}/x.ipynb"], cwd=course.ROOT)
    assert done.returncode == 0


# --- a moved folder -------------------------------------------------------------------------------
def test_make_sets_the_environment_of_a_moved_folder_right(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    site = old / ".venv/lib/python3.11/site-packages"
    (old / "tools").mkdir(parents=True)
    (old / ".venv/bin").mkdir(parents=True)
    site.mkdir(parents=True)
    shutil.copy(course.ROOT / "Makefile", old)
    shutil.copy(course.ROOT / "tools/moved.py", old / "tools")
    (old / ".venv/bin/python").symlink_to(sys.executable)
    script = old / ".venv/bin/jupyter"
    script.write_text(f"#!{old}/.venv/bin/python\nprint('{old}2/x')\n")
    (site / "__editable__.course.pth").write_text(str(old))
    (old / ".venv/.stamp").write_text(f"{old}\n")
    os.utime(old / ".venv/.stamp", (1, 1))
    old.rename(new)
    first = subprocess.run(["make", "-C", new, "help"], capture_output=True, text=True)
    assert f"moved from {old} to {new}: 2 files" in first.stdout, first.stdout + first.stderr
    assert (new / ".venv/bin/jupyter").read_text() == f"#!{new}/.venv/bin/python\nprint('{old}2/x')\n"
    assert (new / site.relative_to(old) / "__editable__.course.pth").read_text() == str(new)
    assert (new / ".venv/.stamp").stat().st_mtime == 1  # nothing is installed again
    second = subprocess.run(["make", "-C", new, "help"], capture_output=True, text=True)
    assert "moved" not in second.stdout and "update" in second.stdout


def test_a_symbolic_link_is_not_written_to(tmp_path):
    (tmp_path / ".venv/bin").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.write_text("#!/a/course/x")
    (tmp_path / ".venv/bin/tool").symlink_to(outside)
    assert moved.rewrite(tmp_path / ".venv", "/a/course", "/b") == 0 and outside.read_text() == "#!/a/course/x"
