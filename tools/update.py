"""Bring the newest version of the course and keep what the reader wrote: python tools/update.py

A notebook that was run differs from the stored one, and git would refuse to replace it. Files that were changed here
and that the new version changes too are first copied to my_answers/<date>/; all other files stay as they are.
"""

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = "my_answers"  # git ignores it


class Stopped(Exception):
    """The update cannot be made; nothing was changed, and the message says what to do."""


def git(root, *arguments, problem=None):
    """Run git in `root` -> what it prints; raises Stopped with `problem` if it fails."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, encoding="utf-8")
    except FileNotFoundError:
        raise Stopped("git is not installed: install it, or download the course again into a new folder.") from None
    if done.returncode:
        raise Stopped(f"{problem or 'git ' + arguments[0] + ' failed'}\n{done.stderr.strip()}")
    return done.stdout


def update(root=ROOT, now=None):
    """Fast-forward the clone `root` -> the folder (Path) with the reader's versions, None if none had to move.

    Raises Stopped, with nothing changed, if this is no clone, if its branch follows no other, if the network is down,
    or if there are commits of one's own.
    """
    what = "This folder is no clone made by git: download the course again into a new folder, your notebooks stay here."
    if Path(git(root, "rev-parse", "--show-toplevel", problem=what).strip()).resolve() != Path(root).resolve():
        raise Stopped(what)
    git(root, "rev-parse", "@{upstream}", problem="The present branch follows no other: `git switch main` first.")
    git(root, "fetch", "--quiet", problem="The newest version could not be fetched.")
    if not git(root, "rev-list", "HEAD..@{upstream}").strip():
        return None
    git(
        *(root, "merge-base", "--is-ancestor", "HEAD", "@{upstream}"),
        problem="There are commits of your own here: bring both together with `git pull`.",
    )
    mine = _overlap(root)
    folder = _new_folder(root, now or datetime.now()) if mine else None
    for name in mine:
        if (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    _set_back(root, mine)
    try:
        git(root, "merge", "--quiet", "--ff-only", "@{upstream}")
    except Stopped:
        if mine:
            shutil.copytree(folder, root, dirs_exist_ok=True)
        raise
    return folder


def _names(root, *arguments):
    return set(filter(None, git(root, *arguments, "-z").split("\0")))


def _overlap(root):
    """The files that are changed or new here and that the new version changes as well, sorted."""
    coming = _names(root, "diff", "--name-only", "--no-renames", "HEAD", "@{upstream}")
    changed = _names(root, "diff", "--name-only", "--no-renames", "HEAD")
    return sorted(coming & (changed | _names(root, "ls-files", "--others")))


def _set_back(root, names):
    """Make files as the present version has them, and remove those that it does not have."""
    tracked = _names(root, "ls-tree", "-r", "--name-only", "HEAD")
    for name in names:
        if name in tracked:
            git(root, "restore", "--source=HEAD", "--staged", "--worktree", "--", name)
        else:
            git(root, "rm", "--quiet", "--cached", "--ignore-unmatch", "--", name)
            (root / name).unlink(missing_ok=True)


def _new_folder(root, now):
    folder = root / ANSWERS / now.strftime("%Y-%m-%d_%H%M%S")
    folder.mkdir(parents=True)
    return folder


def main():
    """Command line; returns the exit status."""
    try:
        before = git(ROOT, "rev-parse", "HEAD", problem="This folder is no clone made by git.")
        folder = update()
    except Stopped as error:
        print(error, file=sys.stderr)
        return 1
    if git(ROOT, "rev-parse", "HEAD") == before:
        print("The course is up to date.")
        return 0
    print("The course was updated.")
    if folder:
        names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        print(f"Your versions of these files are in {folder.relative_to(ROOT)}:", *names, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
