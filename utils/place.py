"""Where the course is, and where its reader may write: one answer for every notebook and every machine.

The first cell of a lesson runs this file before anything can be imported, and `make` runs it with any Python to
check that Python. So it needs the standard library only.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WHOLE = ("utils/__init__.py", "utils/place.py", "utils/widgets/__init__.py")  # of a clone that was not broken off
CLONE = "deep-learning-course"  # the folder beside a lone notebook into which the course is fetched
EXTRAS = "requirements-colab.txt"  # what is added to a machine that the course was fetched to


# --- the first cell of a notebook -----------------------------------------------------------------
def enter(url, ref="main"):
    """Make the course importable in a notebook, fetched from `url` at `ref` if there is none.

    A course that holds this file is used as it is. Raises RuntimeError if the course cannot be fetched or is
    incomplete, ImportError if another `utils` is in the way or this Python lacks the frameworks.
    """
    root, clone = ROOT, Path(CLONE).absolute()
    if not is_whole(root):  # this file was downloaded alone, or the course was broken off
        if (root / "pyproject.toml").exists() and root != clone.resolve():
            raise RuntimeError(f"The course in {root} is incomplete: download it again into a new folder.")
        root = clone if is_whole(clone) else fetch(url, ref, clone)
    own = Path.cwd()
    first = [root, *([own] if (own / "exercises").is_dir() else lesson_folders(root))]
    first = [str(folder) for folder in first]
    sys.path[:] = first + [entry for entry in sys.path if entry not in first]
    if root.resolve() == clone.resolve():
        add_packages(root / EXTRAS)
    importlib.invalidate_caches()
    _refuse_foreign_utils(root)
    _require_frameworks()
    if "google.colab" in sys.modules:
        sys.modules["google.colab"].output.enable_custom_widget_manager()


def is_whole(root):
    """Whether `root` is a folder with the complete course."""
    return all((Path(root) / name).is_file() for name in WHOLE)


def lesson_folders(root):
    """The folders of `root` that hold exercises or explorers, sorted: a lone notebook may belong to any of them."""
    packages = (p for kind in ("exercises", "explorers") for p in Path(root).glob(f"p*/**/{kind}"))
    return sorted({path.parent for path in packages})


def fetch(url, ref, clone):
    """Clone branch or tag `ref` of `url` into the folder `clone`, completely or not at all -> `clone`.

    What is there already, such as a clone that broke off, is kept under another name. Raises RuntimeError if git
    is missing or does not succeed.
    """
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=clone.parent, ignore_cleanup_errors=True) as folder:
        new = Path(folder) / "course"
        command = ["git", "clone", "--quiet", "--depth", "1", "--branch", ref, url, str(new)]
        _run(command, f"The course could not be fetched from {url}")
        if clone.exists():
            aside = Path(tempfile.mkdtemp(prefix=f"{clone.name}-incomplete-", dir=clone.parent)) / clone.name
            clone.rename(aside)
            print(f"An incomplete {clone.name} was there; it is in {aside.parent.name} now and can be deleted.")
        new.rename(clone)
    print(f"Fetched the course into {clone}")
    return clone


def add_packages(file):
    """Install the pinned packages of a requirements file that this Python lacks; everything else stays as it is.

    Raises RuntimeError if pip does not succeed.
    """
    lines = (line.split("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    missing = [line for line in lines if line and not _is_installed(line.split("==")[0])]
    if missing:  # without dependencies: the machine's own PyTorch, TensorFlow and NumPy must not change
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *missing]
        _run(command, f"These packages could not be installed: {', '.join(missing)}")


def _is_installed(name):
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _run(command, problem):
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise RuntimeError(f"{problem}: {command[0]} is not installed here.") from None
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip().splitlines() or [f"{command[0]} ended with status {error.returncode}"])[-1]
        raise RuntimeError(f"{problem}: {why}") from None


def _refuse_foreign_utils(root):
    module = sys.modules.get("utils")
    spec = module.__spec__ if module else importlib.util.find_spec("utils")
    found = spec and (spec.origin or next(iter(spec.submodule_search_locations or []), None))
    if not found or not Path(found).resolve().is_relative_to((root / "utils").resolve()):
        raise ImportError(
            f"Python has imported another module called utils, {found}, so the course's own ({root / 'utils'}) cannot "
            "be imported. Restart the kernel and run this cell before anything else; if that does not help, rename "
            "the other module or take its folder off PYTHONPATH."
        )


def _require_frameworks():
    missing = [name for name in ("torch", "keras") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"This Python, {sys.executable}, has no {' and no '.join(missing)}. Choose the kernel of the course's "
            ".venv (Kernel > Change Kernel), or start Jupyter with `make lab`; docs/setup.md says more."
        )


# --- where the reader may write -------------------------------------------------------------------
def user_folder():
    """The folder of this user's progress and results: ~/.deep-learning-course, or a temporary one without a home."""
    try:
        return Path.home() / ".deep-learning-course"
    except RuntimeError:  # HOME is not set and the user is unknown, as in some containers
        return Path(tempfile.gettempdir()) / "deep-learning-course"


def runs(name=""):
    """A folder (Path, made if need be) for what a notebook writes: `runs/<name>` beside it, or else where one may.

    The environment variable COURSE_RUNS names another place. Where the notebook's folder is read-only, as in a
    course that many share, it is `runs/<folder of the notebook>/<name>` in `user_folder()`.
    Raises PermissionError if none of these can be written to.
    """
    here = Path.cwd()
    if chosen := os.environ.get("COURSE_RUNS"):
        places = [Path(chosen).expanduser() / here.name]
    else:
        places = [here / "runs", user_folder() / "runs" / here.name]
    for place in places:
        if is_writable(place / name):
            return place / name
    tried = " nor ".join(str(place) for place in places)
    raise PermissionError(f"No results can be stored: neither {tried} can be written to. Set COURSE_RUNS to a folder.")


def is_writable(folder):
    """Whether `folder` is there, or could be made, and takes files."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


# --- which Python ---------------------------------------------------------------------------------
def pythons():
    """The minor versions of Python 3 that the frameworks have wheels for, as pyproject.toml says: [11, 12, …]."""
    low, high = re.search(r">=\s*3\.(\d+)\s*,\s*<\s*3\.(\d+)", _setting("requires-python", "Requires-Python")).groups()
    return list(range(int(low), int(high)))


def macos():
    """The oldest macOS, a major version (int), that the pinned frameworks have wheels for."""
    return int(_setting("macos"))


def _setting(key, field=None):
    file = ROOT / "pyproject.toml"
    if file.is_file():  # no tomllib: an old Python has to get this far
        return re.search(rf'^{key} = "(.*?)"', file.read_text(encoding="utf-8"), re.M).group(1)
    return importlib.metadata.metadata("deep-learning-course")[field]


def in_words(minors):
    """Minor versions as text: [11, 12, 13] -> '3.11, 3.12 or 3.13'."""
    names = [f"3.{minor}" for minor in minors]
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def why_not(version=None, system=None, machine=None, mac=None):
    """Why the course cannot be installed on this Python and system, with what to do -> str, "" if it can.

    The arguments, by default those of this machine: (3, 12), "Darwin", "arm64" and "14.5".
    """
    version, known = version or sys.version_info[:2], pythons()
    if version[0] != 3 or version[1] not in known:
        return (
            f"The course needs Python {in_words(known)}, for which TensorFlow and PyTorch have wheels; "
            f"this is Python {version[0]}.{version[1]}. {_another(known)}"
        )
    if (system or platform.system()) == "Darwin":
        if (machine or platform.machine()) != "arm64":
            return "TensorFlow and PyTorch have no wheels for Macs with an Intel processor any more: see docs/cloud.md."
        mac = mac or platform.mac_ver()[0]
        if int(mac.split(".")[0]) < macos():
            return f"The frameworks' wheels need macOS {macos()} or newer; this is {mac}. Update, or see docs/cloud.md."
    return ""


def _another(known):
    here = next((name for minor in reversed(known) if _runs(name := f"python3.{minor}")), None)
    best = here or f"python3.{known[len(known) // 2]}"
    first = f"{here} is installed: run" if here else f"Install {best} from python.org or your package manager, then run"
    return f"{first} `make PYTHON={best} lab`."


def _runs(name):
    return bool(shutil.which(name)) and subprocess.run([name, "-c", ""], capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(why_not() or 0)
