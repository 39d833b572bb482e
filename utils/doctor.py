"""What `make doctor` reports: versions, accelerators, memory, disk, a numeric self-test, each with one advice.

The advice follows the learning path: a GPU is recommended, 16 GB of memory, an SSD.
"""

import json
import os
import platform
import shutil
import time
import tomllib
import urllib.parse
import urllib.request
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from utils import place, runtime

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, what was found, whether it is fine, and one sentence."""

    what: str
    found: str
    ok: bool
    advice: str


def examine(*, show=True):
    """Look at this machine as the course sees it -> list of Finding; prints them as a table."""
    runtime.import_frameworks()
    findings = [_python(), _environment(), *_frameworks(), *_accelerators(), *_machine(), *_self_tests(), _address()]
    if show:
        for f in findings:
            print(f"{'ok ' if f.ok else '!! '} {f.what:22} {f.found}\n{'':26}{f.advice}")
        bad = sum(not f.ok for f in findings)
        print(f"\n{len(findings) - bad} findings fine, {bad} with advice marked !!")
    return findings


def _python():
    why = place.why_not()
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("Python", found, not why, why or "Fine.")


def _environment():
    """Whether the packages were installed for this folder, or for another one that was moved or copied."""
    made = _installed_for()
    if made is None:
        return Finding("environment", "not made by `make`", True, "Fine.")
    ok = made.resolve() == ROOT
    advice = "Fine." if ok else f"It was made for another folder: run `make` in {ROOT}, which sets it right."
    return Finding("environment", f"made for {made}", ok, advice)


def _installed_for():
    """The folder that pip installed the course from (Path), or None if it did not."""
    for course in metadata.distributions(name="deep-learning-course"):
        if text := course.read_text("direct_url.json"):
            url = urllib.parse.urlparse(json.loads(text)["url"])
            return Path(urllib.request.url2pathname(url.path))
    return None


def _frameworks():
    for name in ("torch", "torchvision", "tensorflow", "keras", "jupyterlab"):
        try:
            yield Finding(name, metadata.version(name), True, "Installed.")
        except metadata.PackageNotFoundError:
            yield Finding(name, "missing", False, f"Run `make lab`, or `pip install {name}`.")


def _accelerators():
    device = runtime.torch_device()
    names = {
        "cuda": "an NVIDIA or AMD GPU",
        "mps": "an Apple GPU",
        "xpu": "an Intel GPU",
        "cpu": "the CPU only",
    }
    has_gpu = device.type != "cpu"
    slow = "Every lesson runs on the CPU; a GPU is recommended from phase 3 on, see docs/cloud.md for free ones."
    yield Finding("PyTorch device", f"{device} ({names[device.type]})", has_gpu, "Fine." if has_gpu else slow)
    kind = runtime.keras_device()
    same = (kind.upper() != "CPU") == has_gpu
    advice = "Fine." if same else "Only one framework sees the GPU: see 'TensorFlow and the GPU' in docs/setup.md."
    yield Finding("Keras device", f"{kind} through {runtime.keras_backend()}", same, advice)


def _machine():
    import psutil

    gigabytes = psutil.virtual_memory().total / 2**30
    enough = gigabytes >= 15
    advice = "Fine." if enough else "16 GB are recommended: close other programs, open one notebook at a time."
    yield Finding("memory", f"{gigabytes:.0f} GB", enough, advice)
    free = shutil.disk_usage(ROOT).free / 2**30
    advice = "Fine." if free >= 10 else "Keep 10 GB free: the environment alone takes about 8 GB."
    yield Finding("free disk", f"{free:.0f} GB", free >= 10, advice)
    spinning = _spinning_disk()
    found = {True: "hard disk", False: "SSD", None: "unknown"}[spinning]
    advice = "An SSD is recommended: imports and data loading are several times slower here." if spinning else "Fine."
    yield Finding("storage", found, not spinning, advice)
    cores = os.cpu_count() or 1
    advice = "Fine." if cores >= 4 else "Few: the run times that the lessons state were measured on two cores."
    yield Finding("cores", str(cores), cores >= 2, advice)


def _spinning_disk():
    """True for a rotating disk, False for an SSD, None where the system does not tell (Linux tells)."""
    try:
        flags = [p.read_text().strip() for p in Path("/sys/block").glob("[sn][dv]*/queue/rotational")]
    except OSError:
        return None
    return all(flag == "1" for flag in flags) if flags else None


def _self_tests(seconds=3.0):
    """Multiply matrices on each framework's device and compare with float64 on the CPU, for `seconds` in all."""
    import keras
    import torch

    device = runtime.torch_device()
    runs = {
        f"self-test PyTorch {device}": lambda a, b: (
            (torch.from_numpy(a).to(device) @ torch.from_numpy(b).to(device)).cpu().numpy()
        ),
        f"self-test Keras {runtime.keras_device()}": lambda a, b: keras.ops.convert_to_numpy(keras.ops.matmul(a, b)),
    }
    for what, multiply in runs.items():
        error, rounds = _largest_error(multiply, seconds / len(runs))
        ok = error < 1e-3  # float32 gives about 1e-6; reduced TF32 precision stays below 1e-3
        advice = "Same numbers as the CPU in float64." if ok else "Wrong numbers: update the driver, or use the CPU."
        yield Finding(what, f"largest relative error {error:.1e} in {rounds} products", ok, advice)


def _largest_error(multiply, seconds):
    rng, worst, rounds, end = np.random.default_rng(0), 0.0, 0, time.monotonic() + seconds
    while rounds == 0 or time.monotonic() < end:
        a, b = rng.standard_normal((2, 256, 256)).astype(np.float32)
        exact = a.astype(np.float64) @ b
        worst = max(worst, float(np.abs(multiply(a, b) - exact).max() / np.abs(exact).max()))
        rounds += 1
    return worst, rounds


def _address():
    """The repository's address in pyproject.toml; the placeholder's account holds an underscore."""
    path = ROOT / "pyproject.toml"
    if not path.exists():
        return Finding("repository address", "unknown", True, "The course is installed without its repository.")
    url = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    ok = "_" not in url.removeprefix("https://github.com/").split("/")[0]
    advice = (
        "Fine." if ok else "A placeholder: Colab badges work after you set it in pyproject.toml and run `make index`."
    )
    return Finding("repository address", url, ok, advice)


if __name__ == "__main__":
    examine()
