"""Checkpoints: exact round trips, atomic under SIGKILL, and errors that say what to do."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from utils import checkpoint, runtime

runtime.import_frameworks()
import keras
import torch

ROOT = Path(__file__).resolve().parents[2]


# --- arrays and state ---------------------------------------------------------------------------


def test_round_trip_of_arrays_and_state(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "matrix": rng.standard_normal((3, 4)).astype(np.float32),
        "transposed": rng.standard_normal((3, 4)).T,
        "scalar": np.array(7, np.int64),
        "empty": np.zeros((0, 5), np.uint8),
    }
    state = {"epoch": 3, "history": {"loss": [1.0, float("nan")]}, "name": "größe"}
    path = checkpoint.save(tmp_path / "new" / "folder" / "c.safetensors", arrays, state)
    tensors, loaded = checkpoint.load(path)
    assert set(tensors) == set(arrays)
    for name, array in arrays.items():
        assert tensors[name].dtype == array.dtype and tensors[name].shape == array.shape
        assert np.array_equal(tensors[name], array)
    assert loaded["epoch"] == 3 and loaded["name"] == "größe" and np.isnan(loaded["history"]["loss"][1])
    assert [p.name for p in path.parent.iterdir()] == ["c.safetensors"]  # nothing is left beside it


def test_a_state_that_json_cannot_carry_leaves_the_old_file(tmp_path):
    path = checkpoint.save(tmp_path / "c", {"a": np.ones(2)}, {"epoch": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        checkpoint.save(path, {"a": np.zeros(2)}, {"epoch": np.zeros(2)})
    assert checkpoint.load(path)[1] == {"epoch": 1}


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = checkpoint.save(tmp_path / "c", {"a": np.ones(2)}, {"epoch": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(path, {"a": np.zeros(2)}, {"epoch": 2})
    assert checkpoint.load(path)[1] == {"epoch": 1}
    assert os.listdir(tmp_path) == ["c"]


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="no checkpoint at .*save one first, or check the name"):
        checkpoint.load(tmp_path / "nowhere")
    content = checkpoint.save(tmp_path / "good", {"a": np.arange(1000.0)}, {"epoch": 1}).read_bytes()
    for name, broken in {
        "empty": b"",
        "short": content[:5],
        "header": content[:40],
        "half": content[: len(content) // 2],
        "noise": bytes(range(256)) * 4,
        "pickle": b"\x80\x04\x95" + content[3:],
    }.items():
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(ValueError, match=f"{name} is not a readable safetensors file .*delete it and train again"):
            checkpoint.load(tmp_path / name)


def test_a_file_of_another_program_has_an_empty_state(tmp_path):
    save_file({"a": np.ones(3, np.float32)}, tmp_path / "foreign")
    tensors, state = checkpoint.load(tmp_path / "foreign")
    assert state == {} and tensors["a"].tolist() == [1, 1, 1]


WRITER = """
import sys, numpy as np
from utils import checkpoint
epoch = int(sys.argv[2])
print("ready", flush=True)
while True:
    epoch += 1
    checkpoint.save(sys.argv[1], {"a": np.full(500_000, epoch, np.float32)}, {"epoch": epoch})
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_kill_at_any_moment_leaves_the_old_or_the_new_file(tmp_path):
    path, rng = tmp_path / "c.safetensors", np.random.default_rng(0)
    epoch, unfinished = 0, 0
    for _ in range(15):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, path, str(epoch)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.uniform(0.0, 0.04))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        partial = list(tmp_path.glob(".*.partial"))
        unfinished += len(partial)
        for file in partial:
            file.unlink()
        if path.exists():
            tensors, state = checkpoint.load(path)
            assert state["epoch"] >= epoch and (tensors["a"] == state["epoch"]).all() and len(tensors["a"]) == 500_000
            epoch = state["epoch"]
    assert epoch > 0 and unfinished > 0  # some kills came before, some in the middle of a write


# --- PyTorch ------------------------------------------------------------------------------------


def torch_model(width=4):
    nn = torch.nn
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))


def test_torch_round_trip(tmp_path):
    torch.manual_seed(0)
    one, two = torch_model(), torch_model()
    one(torch.randn(8, 3))  # moves the running statistics and their counter
    path = checkpoint.save_torch(tmp_path / "m", one, {"epoch": 2})
    assert checkpoint.load_torch(path, two) == {"epoch": 2}
    assert len(one.state_dict()) == 9
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name]) and tensor.dtype == two.state_dict()[name].dtype


def test_torch_mismatch_names_the_tensors(tmp_path):
    path = checkpoint.save_torch(tmp_path / "m", torch_model(4))
    wide = torch_model(5)
    before = wide[0].weight.clone()
    with pytest.raises(ValueError, match=r"does not fit this model: 0.weight is \(4, 3\) in the file and \(5, 3\) in"):
        checkpoint.load_torch(path, wide)
    assert torch.equal(wide[0].weight, before)  # nothing was half loaded
    with pytest.raises(ValueError, match="1.weight is not in the model"):
        checkpoint.load_torch(path, torch.nn.Sequential(torch.nn.Linear(3, 4)))
    with pytest.raises(ValueError, match="3.bias is missing in the file"):
        checkpoint.load_torch(path, torch_model(4).append(torch.nn.Linear(2, 2)))


# --- Keras --------------------------------------------------------------------------------------


def keras_model(width=4, build=True):
    layers = keras.layers
    model = keras.Sequential([layers.Dense(width), layers.BatchNormalization(), layers.Dropout(0.1), layers.Dense(2)])
    if build:
        model.build((None, 3))
    return model


def test_keras_round_trip_across_models_with_other_names(tmp_path):
    one, two = keras_model(), keras_model()
    one(np.random.default_rng(0).standard_normal((8, 3)).astype("float32"), training=True)
    path = checkpoint.save_keras(tmp_path / "m", one, {"epoch": 2})
    assert checkpoint.load_keras(path, two) == {"epoch": 2}
    assert len(one.weights) == 8
    for a, b in zip(one.weights, two.weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


class Weight:
    """What checkpoint uses of a Keras variable; a thousand real ones take twenty seconds to make."""

    def __init__(self, value, path):
        self.value, self.path, self.shape = value, path, (1,)

    def assign(self, array):
        self.value = float(array[0])

    def __array__(self, dtype=None, copy=None):
        return np.array([self.value], dtype)


def test_keras_order_holds_beyond_a_thousand_weights(tmp_path):
    one, two = (SimpleNamespace(built=True, weights=[Weight(sign * i, "w") for i in range(1003)]) for sign in (1, -1))
    path = checkpoint.save_keras(tmp_path / "many", one)
    checkpoint.load_keras(path, two)
    assert [w.value for w in two.weights] == list(range(1003))


def test_keras_mismatch_names_the_weights(tmp_path):
    path = checkpoint.save_keras(tmp_path / "m", keras_model(4))
    with pytest.raises(ValueError, match=r"weight 0 \(.*kernel\) is \(3, 4\) in the file and \(3, 5\) in the model"):
        checkpoint.load_keras(path, keras_model(5))
    short = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"weight 2 \(.*gamma\) is not in the model"):
        checkpoint.load_keras(path, short)
    long = keras.Sequential([keras_model(4), keras.layers.Dense(1)])
    long.build((None, 3))
    with pytest.raises(ValueError, match=r"weight 8 \(.*kernel\) is missing in the file"):
        checkpoint.load_keras(path, long)


def test_an_unbuilt_keras_model_says_so(tmp_path):
    unbuilt = keras_model(build=False)
    with pytest.raises(ValueError, match="no weights yet: build it with keras.Input or call it on data first"):
        checkpoint.save_keras(tmp_path / "m", unbuilt)
    path = checkpoint.save_keras(tmp_path / "m", keras_model())
    with pytest.raises(ValueError, match="no weights yet"):
        checkpoint.load_keras(path, unbuilt)


def test_torch_weights_are_readable_without_torch(tmp_path):
    model = torch_model()
    path = checkpoint.save_torch(tmp_path / "m", model)
    tensors, _ = checkpoint.load(path)
    assert np.array_equal(tensors["0.weight"], model[0].weight.detach().numpy())


# --- checkpoints that come with the course --------------------------------------------------------
NAMES = sorted(path.stem for path in checkpoint.WEIGHTS.glob("*.safetensors"))


@pytest.mark.parametrize("name", NAMES)
def test_a_course_checkpoint_is_small_and_says_how_it_was_made(name):
    path = checkpoint.course(name)
    tensors, state = checkpoint.load(path)
    assert path.stat().st_size <= 5e6 and all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert {"script", "data", "licence", "citation"} <= set(state)
    assert {"seed", "seconds", "epochs"} <= set(state) or name == "word_vectors"  # those are computed, not trained
    assert (ROOT / state["script"]).exists() and name in (ROOT / state["script"]).read_text(encoding="utf-8")


def test_an_unknown_course_checkpoint_lists_the_known_ones():
    with pytest.raises(ValueError, match="no checkpoint 'gpt5'; there are: .*fashion_unet"):
        checkpoint.course("gpt5")


def test_the_script_offers_every_checkpoint():
    done = subprocess.run([sys.executable, "tools/train_checkpoints.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == set(NAMES) - {"word_vectors"}
