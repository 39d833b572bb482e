"""Checkpoints: exact round trips, atomic under SIGKILL, and errors that say what to do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
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


def test_a_flipped_bit_anywhere_is_told(tmp_path):
    path = checkpoint.save(tmp_path / "c", {"a": np.arange(100.0)}, {"epoch": 1})
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for place in [*range(8, len(content), 7), *rng.integers(0, len(content), 50)]:
        broken = bytearray(content)
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            tensors, state = checkpoint.load(path)
        except ValueError as error:
            assert "delete it and train again" in str(error), place
        else:  # nothing was lost: the flip hit the padding of the header
            assert tensors["a"].tolist() == list(range(100)) and state == {"epoch": 1}, place


def test_what_a_killed_process_left_is_removed_by_the_next_save(tmp_path):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead, alive = tmp_path / f".c.{done.stdout.strip()}.partial", tmp_path / f".c.{os.getppid()}.partial"
    other = tmp_path / f".d.{done.stdout.strip()}.partial"
    for path in (dead, alive, other):
        path.write_bytes(b"half")
    checkpoint.save(tmp_path / "c", {"a": np.ones(2)})
    assert {p.name for p in tmp_path.iterdir()} == {"c", alive.name, other.name}  # another process writes `alive`


def test_home_folder_in_a_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert checkpoint.save("~/runs/c", {"a": np.ones(2)}, {"epoch": 1}) == tmp_path / "runs" / "c"
    assert checkpoint.load("~/runs/c")[1] == {"epoch": 1}


def test_nested_state_comes_back_as_it_was():
    state = {
        "steps": {0: {"avg": np.arange(3.0), "step": 7}, 1: {}},
        "milestones": Counter({2: 1, 4: 2}),
        "betas": (0.9, (0.99, [1, None, "x"])),
        "empty": ([], (), {}),
        "numbers": [np.float32(0.5), float("inf"), True],
    }
    arrays, plain = checkpoint.flatten(state)
    assert list(arrays) == ["steps/0/avg"]
    back = checkpoint.unflatten(arrays, json.loads(json.dumps(plain)))
    assert back.pop("steps")[0]["avg"].tolist() == [0, 1, 2]
    state.pop("steps")
    assert back == state and type(back["milestones"]) is Counter and type(back["betas"][1]) is tuple


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


def test_torch_layers_of_another_kind_are_named(tmp_path):
    def network(activation, p=0.1, stride=1):
        return torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3, stride), activation, torch.nn.Dropout(p))

    path = checkpoint.save_torch(tmp_path / "m", network(torch.nn.ReLU()))
    with pytest.raises(ValueError, match=r"layer 1 is ReLU\(\) in the file and Tanh\(\) in the model"):
        checkpoint.load_torch(path, network(torch.nn.Tanh()))
    with pytest.raises(ValueError, match=r"layer 0 is Conv1d.*stride=\(1,\)\) in the file and Conv1d.*stride=\(2,\)"):
        checkpoint.load_torch(path, network(torch.nn.ReLU(), stride=2))
    checkpoint.load_torch(path, network(torch.nn.ReLU(), p=0.5))  # dropout is off in use


def test_torch_bfloat16_round_trip(tmp_path):
    model, other = (torch.nn.Linear(3, 2).bfloat16() for _ in range(2))
    checkpoint.load_torch(checkpoint.save_torch(tmp_path / "m", model), other)
    assert other.weight.dtype == torch.bfloat16 and torch.equal(model.weight, other.weight)


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


def test_keras_layers_of_another_kind_are_named(tmp_path):
    def network(activation, rate=0.1):
        layers = keras.layers
        inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, activation=activation), layers.Dropout(rate)])
        return keras.Sequential([keras.Input((3,)), inner, layers.Dense(1)])

    path = checkpoint.save_keras(tmp_path / "m", network("relu"))
    with pytest.raises(ValueError, match="layer 0 is Dense.*activation=relu.* in the file and .*activation=tanh"):
        checkpoint.load_keras(path, network("tanh"))
    checkpoint.load_keras(path, network("relu", rate=0.5))


def test_keras_layers_that_cannot_describe_themselves_pass(tmp_path):
    class Scale(keras.layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def get_config(self):
            raise NotImplementedError

        def call(self, x):
            return self.factor * x

    model = keras.Sequential([keras.Input((3,)), Scale(2), keras.layers.Dense(1, activation=lambda x: x)])
    checkpoint.load_keras(checkpoint.save_keras(tmp_path / "m", model), model)


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
