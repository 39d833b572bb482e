"""Loads the plugin that makes nbval the suite of this course, and lets tests import tools, explorers and exercises."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent
FOLDERS = {path.parent for name in ("explorers", "exercises") for path in ROOT.glob(f"p*/**/{name}") if path.is_dir()}
# a notebook imports `explorers` and `exercises` from its own folder: all of them together are one package here
sys.path[:0] = [
    str(ROOT),
    *(str(ROOT / folder) for folder in ("tests/course", "tests/exercises", "tools")),
    *map(str, sorted(FOLDERS)),
]
pytest_plugins = ["nbval_plugin"]
