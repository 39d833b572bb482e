"""What utils.keras_train adds to Keras' fit, and that Keras' own options give the course's History."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from utils import runtime

runtime.import_frameworks()
import keras

from utils import checkpoint, keras_models, keras_train
from utils.history import History

ROOT = Path(__file__).resolve().parents[2]


def task(n=256, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 8)).astype(np.float32)
    return x, (x @ np.random.default_rng(99).standard_normal((8, 3))).argmax(1)


def build(seed=0, lr=0.05, dropout=0.0, optimizer=None):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.Dropout(dropout, seed=3),
            keras.layers.Dense(3),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer or keras.optimizers.Adam(lr), loss=loss, metrics=["accuracy"])
    return model


def train(model, epochs=3, *extra, data=None, **kwargs):
    data = data or keras_train.Batches(*task(), 32, seed=5)
    chain = keras_train.callbacks(*extra, progress=False, **kwargs.pop("options", {}))
    return History.of(model.fit(data, epochs=epochs, verbose=0, shuffle=False, callbacks=chain, **kwargs))


def weights(model):
    return np.concatenate([keras.ops.convert_to_numpy(w).ravel() for w in model.weights])


def test_batches_cover_all_examples_in_a_seeded_order():
    data = keras_train.Batches(np.arange(10), np.arange(10), 4, seed=1, transform=lambda x: -x)
    first = [np.concatenate([data[i][j] for i in range(len(data))]).tolist() for j in (0, 1)]
    assert sorted(first[1]) == list(range(10)) and first[0] == [-i for i in first[1]]
    data.on_epoch_end()
    assert np.concatenate([data[i][1] for i in range(3)]).tolist() != first[1]
    data.set_epoch(0)
    assert np.concatenate([data[i][1] for i in range(3)]).tolist() == first[1]
    with pytest.raises(ValueError, match="x has 3 rows and y has 2"):
        keras_train.Batches(np.zeros(3), np.zeros(2))


def test_history_has_the_columns_of_the_torch_loop():
    history = train(build(), 10, validation_data=task())
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"} == set(history)
    assert history.epochs == 10 and history.best("val_accuracy") > 0.9
    assert history["lr"] == pytest.approx([0.05] * 10)


def test_nan_stops_with_epoch_and_step():
    x, y = task()
    x[100] = np.nan
    data = keras_train.Batches(x, y, 32, shuffle=False)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])  # TensorFlow's fused ReLU turns NaN into 0
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(FloatingPointError, match=r"nan in epoch 1, step 4.*learning rate is too high"):
        train(model, data=data)


def test_ctrl_c_keeps_history_and_best_weights():
    class PressCtrlC(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 3:
                signal.raise_signal(signal.SIGINT)

    x, y = task()
    best = keras.callbacks.EarlyStopping(patience=50, restore_best_weights=True)
    model = build(lr=0.1)
    before = signal.getsignal(signal.SIGINT)
    history = train(model, 50, best, PressCtrlC(), validation_data=(x, (y + 1) % 3))
    assert history.epochs == 4 and signal.getsignal(signal.SIGINT) is before
    assert history.stopped == "interrupted"
    loss = model.evaluate(x, (y + 1) % 3, verbose=0)[0]
    assert loss == pytest.approx(history.best("val_loss"), rel=1e-4)


def test_clipping_schedule_early_stopping_and_mixed_precision_are_keras_own():
    x, y = task()
    model = build(optimizer=keras.optimizers.SGD(1.0, global_clipnorm=1e-3))
    before = weights(model)
    train(model, 1, data=keras_train.Batches(x, y, 256))
    assert np.linalg.norm(weights(model) - before) == pytest.approx(1e-3, rel=1e-2)

    schedule = keras.optimizers.schedules.ExponentialDecay(1.0, 8, 0.5)
    assert train(build(optimizer=keras.optimizers.Adam(schedule)), 3)["lr"] == pytest.approx([0.5, 0.25, 0.125])

    stop = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    assert train(build(lr=0.1), 50, stop, validation_data=(x, (y + 1) % 3)).epochs < 50

    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build()
        history = train(model, 8)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.layers[0].compute_dtype == "bfloat16" and history.best("accuracy") > 0.85


def test_tensorboard_log(tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras' TensorBoard callback writes through TensorFlow")
    train(build(), 1, keras.callbacks.TensorBoard(tmp_path))
    assert list(tmp_path.rglob("events.out.tfevents*"))


def test_progress_bar(capfd, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    build().fit(*task(), epochs=2, verbose=0, callbacks=keras_train.callbacks())
    shown = capfd.readouterr()
    assert "16/16" in shown.err and "loss=" in shown.err and "Epoch" not in shown.out


def run_to(epochs, path):
    model, data = build(dropout=0.3), keras_train.Batches(*task(), 32, seed=5)
    options = {"checkpoint_path": path, "batches": data}
    history = train(model, epochs, data=data, options=options, validation_data=task(64, 1))
    return weights(model), history


def test_resume_is_bit_exact(tmp_path):
    whole, history = run_to(4, tmp_path / "whole.safetensors")
    run_to(2, tmp_path / "parts.safetensors")
    resumed, again = run_to(4, tmp_path / "parts.safetensors")
    np.testing.assert_array_equal(whole, resumed)
    assert again.epochs == 4 and again["loss"] == history["loss"] and again["val_loss"] == history["val_loss"]


def test_another_model_is_refused(tmp_path):
    run_to(1, tmp_path / "run.safetensors")
    other = keras_models.mlp(8, 4, 3)
    other.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match="holds another model"):
        train(other, 2, options={"checkpoint_path": tmp_path / "run.safetensors"})


KILL_ME = """
import os, sys; sys.path[:0] = [{root!r}, {tests!r}]
import test_keras_train as t
import keras, signal
class Die(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == 2 and batch == 3:
            os.kill(os.getpid(), signal.SIGKILL)
data = t.keras_train.Batches(*t.task(), 32, seed=5)
t.train(t.build(dropout=0.3), 4, Die(), data=data, options=dict(checkpoint_path=sys.argv[1], batches=data),
        validation_data=t.task(64, 1))
"""


@pytest.mark.slow
def test_resume_after_kill_9_is_bit_exact(tmp_path):
    code = KILL_ME.format(root=str(ROOT), tests=str(ROOT / "tests"))
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.safetensors")], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert checkpoint.load(tmp_path / "a.safetensors")[1]["epoch"] == 2
    resumed, _ = run_to(4, tmp_path / "a.safetensors")
    whole, _ = run_to(4, tmp_path / "b.safetensors")
    np.testing.assert_array_equal(whole, resumed)
