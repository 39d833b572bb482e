"""Which exercises there are, and which of them the learner has solved: kept in a local JSON file."""

import ast
import contextlib
import hashlib
import importlib.util
import inspect
import json
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("phase*/exercises/*.py", "projects/*/exercises/*.py", "projects/*/*/exercises/*.py")


def location():
    """The progress file: $COURSE_PROGRESS, or ~/.deep-learning-course/progress.json."""
    return Path(
        os.environ.get("COURSE_PROGRESS") or Path.home() / ".deep-learning-course" / "progress.json"
    ).expanduser()


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


def overview(root=ROOT):
    """What is done: {phase: {lesson: {exercise: "solved" | "attempted" | "open"}}}."""
    records, phases = read(), {}
    for path in find(root):
        lesson = lesson_key(path)
        phase, _, short = lesson.rpartition("/")
        states = {name: state(records.get(f"{lesson}/{name}", {})) for name in names_in(path)}
        phases.setdefault(phase, {})[short] = states
    return phases
