"""Devices, seeds, precision, run scale, quiet imports and the doctor's findings."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from utils import runtime

runtime.import_frameworks()
import keras
import torch

from utils import doctor

ROOT = Path(__file__).resolve().parents[2]
FRAMEWORKS = {"torch", "keras", "tensorflow", "jax"}


def python(code, *options, **environment):
    """Run code in a fresh process -> CompletedProcess."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_", "TF_"))}
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=env | environment, capture_output=True, text=True, timeout=300)


# --- imports ------------------------------------------------------------------------------------


def test_importing_the_package_takes_less_than_50_ms():
    def milliseconds():
        lines = python("import utils", "-X", "importtime").stderr.splitlines()
        return int(next(line for line in lines if line.endswith("| utils")).split("|")[1]) / 1000

    assert min(milliseconds() for _ in range(3)) < 50


def test_framework_free_modules_import_no_framework():
    code = "from utils import data, plot, exercise, runtime, history, checkpoint, text, doctor, widgets"
    done = python(f"{code}\nimport sys; print(*sorted(m.split('.')[0] for m in sys.modules))")
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "numpy" in modules and not modules & FRAMEWORKS


def test_start_prints_one_line_and_no_log_noise():
    code = """
from utils import runtime
device = runtime.start(7)
import keras, matplotlib.pyplot as plt, torch
keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).predict(torch.ones(1, 4).numpy(), verbose=0)
assert isinstance(device, torch.device) and plt.rcParams["figure.dpi"] == 80
assert torch.initial_seed() == 7
"""
    done = python(code, COURSE_DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("PyTorch on cpu, Keras (") and done.stdout.endswith("seed 7\n")


# --- devices ------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """Pretend that this machine has exactly the named accelerators."""
    monkeypatch.delenv("COURSE_DEVICE", raising=False)

    def have(*names):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.xpu, "is_available", lambda: "xpu" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    return have


@pytest.mark.parametrize(
    ("there", "chosen"),
    [((), "cpu"), (("mps",), "mps"), (("xpu", "mps"), "xpu"), (("cuda", "xpu", "mps"), "cuda")],
)
def test_best_device_is_chosen(machine, there, chosen):
    machine(*there)
    assert runtime.torch_device() == torch.device(chosen)


def test_a_device_can_be_asked_for(machine, monkeypatch):
    machine("cuda", "mps")
    assert runtime.torch_device("mps") == torch.device("mps")
    assert runtime.torch_device("cuda:1") == torch.device("cuda:1")
    assert runtime.torch_device(torch.device("cpu")) == torch.device("cpu")
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert runtime.torch_device() == torch.device("cpu")
    assert runtime.torch_device("cuda") == torch.device("cuda")  # the argument wins
    monkeypatch.setenv("COURSE_DEVICE", "")
    assert runtime.torch_device() == torch.device("cuda")


def test_a_device_that_is_not_there_is_an_error_that_lists_what_is(machine, monkeypatch):
    machine("mps")
    with pytest.raises(ValueError, match=r"no PyTorch device 'cuda' .*use one of: mps, cpu"):
        runtime.torch_device("cuda")
    monkeypatch.setenv("COURSE_DEVICE", "tpu")
    with pytest.raises(ValueError, match="no PyTorch device 'tpu'"):
        runtime.torch_device()


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that TensorFlow sees two GPUs; collects what memory growth was set for."""
    import tensorflow as tf

    monkeypatch.setattr(runtime, "keras_backend", lambda: "tensorflow")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["gpu0", "gpu1"] if kind == "GPU" else [])
    grown = []
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: grown.append((gpu, on)))
    return SimpleNamespace(grown=grown, experimental=tf.config.experimental)


def test_memory_growth_is_set_for_every_gpu(gpus):
    assert runtime.memory_growth() == 2
    assert gpus.grown == [("gpu0", True), ("gpu1", True)]
    assert runtime.keras_device() == "GPU"


def test_memory_growth_too_late_says_what_to_do(gpus, monkeypatch):
    def refuse(gpu, on):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(gpus.experimental, "set_memory_growth", refuse)
    with pytest.raises(RuntimeError, match="already taken the GPU.*Restart the kernel and run the setup cell"):
        runtime.memory_growth()


def test_memory_growth_comes_before_the_first_use(monkeypatch):
    order = []
    monkeypatch.setattr(runtime, "memory_growth", lambda: order.append("growth"))
    monkeypatch.setattr(keras.utils, "set_random_seed", lambda value: order.append("seed"))
    runtime.start()
    assert order == ["growth", "seed"]


def test_other_backends_need_no_memory_growth(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert runtime.memory_growth() == 0
    assert runtime.keras_device() == str(runtime.torch_device())


# --- seeds, precision, scale --------------------------------------------------------------------


def task():
    x = np.random.default_rng(1).standard_normal((200, 12)).astype(np.float32)
    return x, (x.sum(1) > 0).astype(np.int64)


def train_torch():
    x, y = map(torch.from_numpy, task())
    nn = torch.nn
    model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 2))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 32, shuffle=True)
    for x_batch, y_batch in [batch for _ in range(2) for batch in loader]:
        loss = nn.functional.cross_entropy(model(x_batch), y_batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [p.detach().numpy().copy() for p in model.parameters()]


def train_keras():
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((12,)), layers.Dense(32, activation="relu"), layers.Dropout(0.3), layers.Dense(2)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(*task(), batch_size=32, epochs=2, shuffle=True, verbose=0)
    return [keras.ops.convert_to_numpy(w).copy() for w in model.weights]


@pytest.mark.parametrize("train", [train_torch, train_keras])
def test_a_seeded_training_repeats_bit_for_bit(train):
    runs = []
    for value in (3, 3, 4):
        runtime.seed(value)
        runs.append(train())
    assert all(np.array_equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not np.array_equal(runs[0][0], runs[2][0])


def test_seed_reaches_python_and_numpy_too():
    import random

    draws = []
    for _ in range(2):
        runtime.seed(11)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item(), float(keras.random.uniform(()))))  # noqa: NPY002
    assert draws[0] == draws[1] and len(set(draws[0])) == 4


@pytest.mark.parametrize("value", [-1, 2**32])
def test_seed_out_of_range(value):
    with pytest.raises(ValueError, match=r"from 0 to 2\*\*32 - 1"):
        runtime.seed(value)


def test_deterministic_seed_asks_both_frameworks(monkeypatch):
    import tensorflow as tf

    asked = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked.append("tensorflow"))
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: asked.append(("torch", on)))
    monkeypatch.setattr(runtime, "keras_backend", lambda: "tensorflow")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")  # what the learner has set stays
    runtime.seed(0)
    assert asked == []
    runtime.seed(0, deterministic=True)
    assert asked == [("torch", True), "tensorflow"] and os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


def test_precision(monkeypatch):
    capability = {"cuda": (8, 0)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability["cuda"])
    assert runtime.precision() == torch.float32
    assert runtime.precision("auto", "mps") == torch.float32
    assert runtime.precision("auto", "xpu") == torch.bfloat16
    assert runtime.precision("auto", "cuda") == torch.bfloat16
    capability["cuda"] = (7, 5)
    assert runtime.precision("auto", torch.device("cuda")) == torch.float32
    assert runtime.precision("float16", "cpu") == torch.float16
    with pytest.raises(ValueError, match="auto, float32, bfloat16, float16; got 'int8'"):
        runtime.precision("int8")


def test_scale(monkeypatch):
    monkeypatch.delenv("COURSE_SCALE", raising=False)
    assert runtime.scale(5, 50) == 5
    for value, number in {"sample": 5, "full": 50, "": 5}.items():
        monkeypatch.setenv("COURSE_SCALE", value)
        assert runtime.scale(5, 50) == number
    monkeypatch.setenv("COURSE_SCALE", "huge")
    with pytest.raises(ValueError, match="'sample' or 'full', got 'huge'"):
        runtime.scale(5, 50)


# --- settings of Keras ---------------------------------------------------------------------------
def keras_home(folder, content):
    """A folder with Keras' settings file."""
    folder.mkdir(exist_ok=True)
    (folder / "keras.json").write_text(content)
    return str(folder)


OLD = '{"floatx": "float64", "epsilon": 1e-3, "image_data_format": "channels_first", "backend": "tensorflow"}'


def test_start_sets_what_the_course_assumes_whatever_the_settings_file_says(tmp_path):
    code = """
from utils import runtime
runtime.start()
import keras
print(keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format(), keras.config.dtype_policy().name)
print(keras.layers.Conv2D(2, 3)(keras.ops.zeros((1, 5, 6, 3))).shape, keras.layers.Dense(1).dtype)
"""
    done = python(code, KERAS_HOME=keras_home(tmp_path, OLD))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["float32 1e-07 channels_last float32", "(1, 3, 4, 2) float32"]


@pytest.mark.parametrize(
    ("content", "variable", "words"),
    [
        ('{"backend": "theano"}', "", "keras.json names the Keras backend 'theano'; use one of tensorflow, jax, torch"),
        ('{"floatx": "float63"}', "", "settings file says floatx = 'float63', which Keras refuses. Delete "),
        ('{"epsilon": 1}', "", "settings file says epsilon = 1,"),
        ('{"image_data_format": "tf"}', "", "settings file says image_data_format = 'tf'"),
        ("[1]", "", "cannot read its settings file"),
        ("{}", "tensorflo", "KERAS_BACKEND names the Keras backend 'tensorflo'; use one of tensorflow, jax, torch"),
        ("{}", "absent", "'absent', which is not installed; install it with"),
    ],
)
def test_what_keras_cannot_use_is_one_clear_sentence(tmp_path, monkeypatch, content, variable, words):
    monkeypatch.setenv("KERAS_HOME", keras_home(tmp_path, content))
    monkeypatch.setenv("KERAS_BACKEND", variable)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr(
        runtime, "BACKENDS", (*runtime.BACKENDS, "absent") if variable == "absent" else runtime.BACKENDS
    )
    with pytest.raises(ValueError) as caught:
        runtime.check_keras()
    assert words in str(caught.value)
    assert ("unset KERAS_BACKEND" if variable else f"Delete {tmp_path / 'keras.json'}") in str(caught.value)


@pytest.mark.parametrize("content", ['{"image_data_format": "channels_first"}', "not json", "{}"])
def test_what_keras_can_use_passes(tmp_path, monkeypatch, content):
    monkeypatch.setenv("KERAS_HOME", keras_home(tmp_path, content))
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.delitem(sys.modules, "keras")
    assert runtime.check_keras() is None


def test_a_seed_for_the_whole_suite_replaces_the_lessons_own(monkeypatch, capsys):
    monkeypatch.setenv("COURSE_SEED", "5")
    runtime.start(3)
    assert torch.initial_seed() == 5 and "seed 5" in capsys.readouterr().out


# --- doctor -------------------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch):
    """A self-test of a moment instead of three seconds."""
    whole = doctor._self_tests
    monkeypatch.setattr(doctor, "_self_tests", lambda: whole(0.02))


def test_doctor_reports_every_part_with_one_advice_each(short, capsys):
    findings = doctor.examine()
    names = [f.what for f in findings]
    expected = ["Python", "torch", "tensorflow", "keras", "PyTorch device", "Keras device", "memory", "free disk"]
    assert set(expected + ["storage", "cores", "repository address"]) <= set(names)
    assert sum(name.startswith("self-test") for name in names) == 2
    assert all(f.ok for f in findings if f.what.startswith(("Python", "torch", "keras", "self-test")))
    assert all(f.found and f.advice.endswith(".") for f in findings)
    shown = capsys.readouterr().out
    assert all(f.found in shown and f.advice in shown for f in findings)
    bad = sum(not f.ok for f in findings)
    assert f"{len(findings) - bad} findings fine, {bad} with advice" in shown


def test_doctor_can_be_silent(short, capsys):
    assert doctor.examine(show=False)
    assert capsys.readouterr().out == ""


def test_self_test_takes_about_three_seconds_and_is_tight():
    error, rounds = doctor._largest_error(lambda a, b: a @ b, 0.05)
    assert rounds >= 1 and 0 < error < 1e-4
    assert doctor._self_tests.__defaults__ == (3.0,)


def test_a_wrong_self_test_is_found(monkeypatch):
    matmul = keras.ops.matmul
    monkeypatch.setattr(keras.ops, "matmul", lambda a, b: matmul(a, b) * 1.01)
    good, wrong = doctor._self_tests(0.02)
    assert good.ok and "PyTorch" in good.what
    assert not wrong.ok and "Keras" in wrong.what and wrong.advice.startswith("Wrong numbers")


def test_a_missing_package_is_named(monkeypatch):
    version = doctor.metadata.version

    def lookup(name):
        if name == "tensorflow":
            raise doctor.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(doctor.metadata, "version", lookup)
    found = {f.what: f for f in doctor._frameworks()}
    assert not found["tensorflow"].ok and "pip install tensorflow" in found["tensorflow"].advice
    assert found["torch"].ok and found["torch"].found == version("torch")


@pytest.mark.parametrize(
    ("torch_kind", "keras_kind", "ok"),
    [
        ("cpu", "CPU", (False, True)),
        ("cpu", "cpu", (False, True)),
        ("cuda", "GPU", (True, True)),
        ("cuda", "CPU", (True, False)),
        ("mps", "mps", (True, True)),
        ("cpu", "GPU", (False, False)),
    ],
)
def test_doctor_compares_what_the_frameworks_see(monkeypatch, torch_kind, keras_kind, ok):
    monkeypatch.setattr(runtime, "torch_device", lambda: torch.device(torch_kind))
    monkeypatch.setattr(runtime, "keras_device", lambda: keras_kind)
    first, second = doctor._accelerators()
    assert (first.ok, second.ok) == ok
    assert second.ok or "docs/setup.md" in second.advice


def test_doctor_knows_the_learning_paths_advice(monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=8 * 2**30))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * 2**30))
    monkeypatch.setattr(doctor, "_spinning_disk", lambda: True)
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 1)
    found = {f.what: f for f in doctor._machine()}
    assert not any(f.ok for f in found.values())
    assert "16 GB" in found["memory"].advice and "SSD" in found["storage"].advice
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=15.6 * 2**30))  # sold as 16 GB
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=50 * 2**30))
    monkeypatch.setattr(doctor, "_spinning_disk", lambda: None)
    monkeypatch.setattr(doctor.os, "cpu_count", lambda: 8)
    assert all(f.ok for f in doctor._machine())


@pytest.mark.parametrize(("account", "ok"), [("your_account", False), ("deep-course", True), ("a-b/under_score", True)])
def test_doctor_tells_the_placeholder_address(monkeypatch, tmp_path, account, ok):
    url = f"https://github.com/{account}/deep-learning-course"
    (tmp_path / "pyproject.toml").write_text(f'[project]\nname = "x"\n[project.urls]\nRepository = "{url}"\n')
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    finding = doctor._address()
    assert finding.ok is ok and finding.found == url
    assert ok or "make index" in finding.advice


def test_doctor_sees_a_moved_folder(monkeypatch, tmp_path):
    record = '{"dir_info": {"editable": true}, "url": "file:///old%20place/course"}'
    installed = [SimpleNamespace(read_text=lambda name: None), SimpleNamespace(read_text=lambda name: record)]
    monkeypatch.setattr(doctor.metadata, "distributions", lambda name: installed)
    finding = doctor._environment()
    assert not finding.ok and finding.found == "made for /old place/course" and "run `make` in" in finding.advice
    monkeypatch.setattr(doctor, "ROOT", Path("/old place/course"))
    assert doctor._environment().ok
    monkeypatch.setattr(doctor.metadata, "distributions", lambda name: [])
    assert doctor._environment().ok


def test_doctor_says_which_python_to_install(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    finding = doctor._python()
    assert not finding.ok and "needs Python 3.11, 3.12 or 3.13" in finding.advice and "make PYTHON=" in finding.advice


def test_doctor_without_the_repository(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    assert doctor._address().ok and "without its repository" in doctor._address().advice
