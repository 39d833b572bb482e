"""Loads the plugin that makes nbval the suite of this course."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]
pytest_plugins = ["nbval_plugin"]
