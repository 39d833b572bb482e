"""Which exercises there are, and which of them the learner has solved: kept in a local JSON file."""

import ast
import contextlib
import hashlib
import importlib.util
import inspect
import json
import os
import re
import sys
import tempfile
import tomllib
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from utils import place

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("phase*/exercises/*.py", "projects/*/exercises/*.py", "projects/*/*/exercises/*.py")


def location():
    """The progress file: $COURSE_PROGRESS, or progress.json in the folder that `utils.place` keeps for this user."""
    asked = os.environ.get("COURSE_PROGRESS")
    return Path(asked).expanduser() if asked else place.user_folder() / "progress.json"


def read():
    """All records as {key: {"attempts", "hints", "solved", "solution_viewed"}}; {} if there is no readable file."""
    try:
        records = json.loads(location().read_text(encoding="utf-8"))["exercises"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {k: v for k, v in records.items() if isinstance(v, dict)} if isinstance(records, dict) else {}


def record(key, change):
    """Apply `change(record)` to one exercise's record; other kernels wait their turn.

    A file that cannot be written, as on a read-only disk, costs the progress and nothing else.
    """
    path = location()
    with contextlib.suppress(OSError, Timeout):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=3):
            records = read()
            if not records and path.exists():
                _keep_unreadable(path)
            entry = records.setdefault(key, {})
            change(entry)
            _write(path, records)


def _keep_unreadable(path):
    """Set a damaged file aside, so that nothing a learner did is overwritten."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        if json.loads(path.read_text(encoding="utf-8"))["exercises"] == {}:
            return
    os.replace(path, path.with_suffix(".damaged.json"))


def _write(path, records):
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "exercises": records}, file, indent=1, sort_keys=True)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def now():
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def count(name):
    """A change for `record`: add one to the counter `name`."""

    def change(entry):
        old = entry.get(name, 0)
        entry[name] = (old if isinstance(old, int) else 0) + 1

    return change


def lesson_key(path):
    """The lesson of an exercise file: phase1_foundations/exercises/x.py -> "phase1_foundations/x"."""
    path = Path(path).resolve()
    parts = path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else path.parts[-3:]
    return "/".join([p for p in parts[:-1] if p != "exercises"] + [path.stem])


def find(root=ROOT):
    """The exercise files below `root`, sorted: list of Path."""
    paths = {path for pattern in FOLDERS for path in Path(root).glob(pattern)}
    return sorted(path for path in paths if not path.name.startswith("_"))


def load_module(path):
    """Import one exercise file under a name of its own (all phases call their package `exercises`)."""
    path = Path(path).resolve()
    name = f"exercises_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def exercises_in(module, base):
    """The subclasses of `base` that the module defines, in the order of the file: list of classes."""
    own = [c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, base)]
    return [c for c in own if c.__module__ == module.__name__ and not c.__name__.startswith("_")]


def names_in(path):
    """The exercises of a file, read without importing it (and its frameworks): list of class names."""
    try:
        tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError):
        return []
    known, names = {"Exercise"}, []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(_last_name(b) in known for b in node.bases):
            known.add(node.name)
            names += [node.name] if not node.name.startswith("_") else []
    return names


def _last_name(node):
    return getattr(node, "attr", getattr(node, "id", ""))


def state(entry):
    """The state of one record: "solved", "attempted" or "open"."""
    return "solved" if entry.get("solved") else "attempted" if entry.get("attempts") else "open"


def titles(root=ROOT):
    """Titles of the lessons as docs/course.toml has them: {(phase or level, name): title}; {} without that file."""
    try:
        plan = tomllib.loads((Path(root) / "docs/course.toml").read_text(encoding="utf-8"))
        rows = [(f"phase{entry['number'][0]}", entry) for entry in plan["lesson"]]
        rows += [(entry["level"], entry) for entry in plan["project"]]
        return {(place, entry["name"]): entry["title"] for place, entry in rows}
    except (OSError, ValueError, KeyError):
        return {}


def overview(root=ROOT):
    """What is done, in the order of the course -> list of lessons, each a dict.

    part: "Phase 1" or "Projects"; number: "1.1" or "Project 1"; title; notebook: Path; exercises: {name: (state,
    whether the solution was looked at)}, state being "solved", "attempted" or "open".
    """
    root, records, named = Path(root), read(), titles(root)
    lessons = []
    for path in find(root):
        folder = path.parent.parent
        notebook = next(iter(sorted(folder.glob(f"[0-9][0-9]_{path.stem}.ipynb"))), folder / f"{path.stem}.ipynb")
        rank = int(notebook.stem[:2]) if notebook.stem[:2].isdigit() else 99
        phase = re.match(r"phase(\d)", folder.name)
        key = lesson_key(path) if path.is_relative_to(ROOT) else "/".join([*folder.relative_to(root).parts, path.stem])
        exercises = {name: records.get(f"{key}/{name}", {}) for name in names_in(path)}
        lessons.append(
            {
                "part": f"Phase {phase[1]}" if phase else "Projects",
                "number": f"{phase[1]}.{rank}" if phase else f"Project {rank}",
                "title": named.get((phase[0] if phase else folder.name, path.stem), in_words(path.stem)),
                "notebook": notebook,
                "exercises": {name: (state(e), bool(e.get("solution_viewed"))) for name, e in exercises.items()},
                "order": (int(phase[1]) if phase else 9, rank),
            }
        )
    return sorted(lessons, key=lambda lesson: lesson.pop("order"))


def in_words(name):
    """first_networks -> First networks; XavierUniform -> Xavier uniform."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower()
    return words[:1].upper() + words[1:]
