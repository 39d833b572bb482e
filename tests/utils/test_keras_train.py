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


def test_a_fit_after_a_resumed_one_trains_all_its_epochs(tmp_path):
    run_to(2, tmp_path / "run.safetensors")
    model, data = build(dropout=0.3), keras_train.Batches(*task(), 32, seed=5)
    for epochs in (2, 4):  # nothing left to do, and two epochs
        train(model, epochs, data=data, options={"checkpoint_path": tmp_path / "run.safetensors", "batches": data})
        assert train(model, 3, data=data).epochs == 3


def test_a_fit_after_a_resumed_one_that_failed_trains_all_its_epochs(tmp_path):
    run_to(2, tmp_path / "run.safetensors")
    model = build(dropout=0.3)
    with pytest.raises(ZeroDivisionError):
        train(model, 4, Fail(), options={"checkpoint_path": tmp_path / "run.safetensors"})
    assert train(model, 3).epochs == 3


class Fail(keras.callbacks.Callback):
    """Any error in a user's own code."""

    def on_train_batch_end(self, batch, logs=None):
        raise ZeroDivisionError


class CtrlC(keras.callbacks.Callback):
    """Ctrl-C after one batch of one epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self.at, self.epoch = (epoch, batch), None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(("batch", "saved"), [(3, 2), (7, 3)])
def test_an_epoch_that_ctrl_c_broke_off_is_not_in_the_checkpoint(tmp_path, batch, saved):
    """Epoch 2 has batches 0 to 7: it counts when Ctrl-C came after the last one."""
    path, data = tmp_path / "run.safetensors", keras_train.Batches(*task(), 32, seed=5)
    options = {"checkpoint_path": path, "batches": data}
    history = train(build(dropout=0.3), 4, CtrlC(2, batch), data=data, options=options, validation_data=task(64, 1))
    assert history.stopped == "interrupted" and history.epochs == checkpoint.load(path)[1]["epoch"] == saved
    resumed, _ = run_to(4, path)
    whole, _ = run_to(4, tmp_path / "whole.safetensors")
    np.testing.assert_array_equal(whole, resumed)


def stopping(epochs, path, die_in=None, patience=3):
    """A run with early stopping and a falling rate on labels that training makes worse -> weights, history."""
    x, y = task()
    data = keras_train.Batches(x, y, 32, seed=5)
    chain = [keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)]
    chain += [keras.callbacks.ReduceLROnPlateau(patience=2, factor=0.5)]
    if die_in is not None:
        chain.append(keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: 1 / (epoch != die_in)))
    model, options = build(lr=0.01), {"checkpoint_path": path, "batches": data}
    history = train(model, epochs, *chain, data=data, options=options, validation_data=(x, (y + 1) % 3))
    return weights(model), history


def test_early_stopping_and_falling_rates_are_part_of_the_resume(tmp_path):
    whole, history = stopping(50, tmp_path / "whole.safetensors")
    assert history.stopped == "early stopping" and history.epochs < 50 and len(set(history["lr"])) > 1
    for epoch in range(1, history.epochs):
        path = tmp_path / f"{epoch}.safetensors"
        with pytest.raises(ZeroDivisionError):
            stopping(50, path, die_in=epoch)
        resumed, again = stopping(50, path)
        np.testing.assert_array_equal(whole, resumed)
        assert again["lr"] == history["lr"] and again["val_loss"] == history["val_loss"]
    same, again = stopping(50, tmp_path / "whole.safetensors")  # running the cell once more trains no further
    np.testing.assert_array_equal(whole, same)
    assert again.epochs == history.epochs and again.stopped == "early stopping"


def test_ctrl_c_after_a_fit_that_failed_is_not_lost():
    with pytest.raises(ZeroDivisionError):
        train(build(), 2, Fail())
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_nan_that_a_relu_hides_from_the_loss_is_found():
    x, y = task()
    x[100] = np.nan
    with pytest.raises(FloatingPointError, match="epoch 1"):
        train(build(), 2, data=keras_train.Batches(x, y, 32, shuffle=False))


def test_weights_that_became_nan_behind_a_finite_loss_are_not_saved(tmp_path):
    class Root(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(shape[-1],), initializer="zeros")

        def call(self, x):
            return x + keras.ops.sqrt(self.scale * self.scale)  # 0 forward, 0 / 0 backward

    model = keras.Sequential([keras.Input((8,)), Root(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    path = tmp_path / "run.safetensors"
    data = keras_train.Batches(*task(32), 32)
    with pytest.raises(FloatingPointError, match="loss of epoch 1 was finite, but its gradient was not: .*became NaN"):
        train(model, 1, data=data, options={"checkpoint_path": path})
    assert not path.exists()


def test_a_new_learning_rate_holds_after_a_resume_with_a_warning(tmp_path):
    options = {"checkpoint_path": tmp_path / "run.safetensors"}
    train(build(lr=0.05), 1, options=options)
    with pytest.warns(UserWarning, match="resumed after epoch 1 with lr 0.005 instead of 0.05"):
        history = train(build(lr=0.005), 3, options=options)
    assert history["lr"] == pytest.approx([0.05, 0.005, 0.005])


def test_resume_says_what_does_not_fit(tmp_path):
    path = tmp_path / "run.safetensors"
    options = {"checkpoint_path": path}
    train(build(), 1, options=options)
    with pytest.raises(ValueError, match="holds the state of Adam, but this run has SGD"):
        train(build(optimizer=keras.optimizers.SGD(0.1)), 2, options=options)
    stop = keras.callbacks.EarlyStopping("loss")
    with pytest.raises(ValueError, match="saved with the callbacks none, but this run has EarlyStopping"):
        train(build(), 2, stop, options=options)
    tanh = build()
    tanh.layers[0].activation = keras.activations.tanh
    with pytest.raises(ValueError, match="layer 0 is Dense.*activation=relu.* in the file and .*activation=tanh"):
        train(tanh, 2, options=options)
    checkpoint.save_keras(path, build())
    with pytest.raises(ValueError, match="holds no training run of Keras, perhaps only weights"):
        train(build(), 2, options=options)


def test_a_path_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    train(build(), 1, options={"checkpoint_path": "~/runs/k.safetensors"})
    assert (tmp_path / "runs" / "k.safetensors").exists()


def test_empty_batches_are_refused():
    with pytest.raises(ValueError, match="0 rows make no batch of 32"):
        keras_train.Batches(np.zeros((0, 8)), np.zeros(0))


# ------------------------------------------------------------------------------------------------ gradients


def to_array(tensors):
    return [keras.ops.convert_to_numpy(t) for t in tensors]


def test_gradients_by_arrays_equal_those_by_hand():
    rng = np.random.default_rng(0)
    x, w, unused = (rng.standard_normal(shape).astype("float32") for shape in ((5, 3), (3,), (2, 2)))
    found = to_array(keras_train.gradients(lambda x, w, u: keras.ops.sum(keras.ops.matmul(x, w) ** 2), x, w, unused))
    np.testing.assert_allclose(found[0], 2 * np.outer(x @ w, w), rtol=1e-5)
    np.testing.assert_allclose(found[1], 2 * x.T @ (x @ w), rtol=1e-5)
    assert found[2].shape == (2, 2) and not found[2].any()
    assert float(keras_train.gradients(lambda t: t * t, 3.0)[0]) == 6
    assert float(keras_train.gradients(lambda t: 5.0, 3.0)[0]) == 0


def test_gradients_of_gradients():
    cube = lambda t: keras.ops.sum(t**3)
    v = keras.ops.convert_to_tensor(np.array([1.0, -1.0, 2.0], "float32"))
    t = np.array([1.0, 2.0, 3.0], "float32")
    (product,) = keras_train.gradients(lambda t: keras.ops.sum(keras_train.gradients(cube, t)[0] * v), t)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(product), 6 * t * [1, -1, 2])  # Hessian times v
    line = keras.Variable(np.array([2.0], "float32"))
    slope = lambda: keras.ops.sum(keras_train.gradients(lambda: keras.ops.sum(line**3), variables=[line])[0])
    assert float(keras_train.gradients(slope, variables=[line])[0][0]) == 12


def test_gradients_by_weights_and_by_the_input_of_a_model():
    x, y = task(32)
    model, loss_fn = build(), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    by_weights = to_array(keras_train.gradients(lambda: loss_fn(y, model(x)), variables=model.trainable_variables))
    w1, b1, w2, b2 = to_array(model.trainable_variables)
    z = x @ w1 + b1
    a = np.maximum(z, 0)
    logits = a @ w2 + b2
    p = np.exp(logits - logits.max(1, keepdims=True))
    d_logits = (p / p.sum(1, keepdims=True) - np.eye(3)[y]) / len(x)
    d_z = d_logits @ w2.T * (z > 0)
    for mine, theirs in zip([x.T @ d_z, d_z.sum(0), a.T @ d_logits, d_logits.sum(0)], by_weights, strict=True):
        np.testing.assert_allclose(theirs, mine, atol=1e-6)
    (by_input,) = to_array(keras_train.gradients(lambda x: loss_fn(y, model(x)), x))
    np.testing.assert_allclose(by_input, d_z @ w1.T, atol=1e-6)

    inside = keras.Sequential([keras.Input((8,)), *model.layers])
    outputs, by_outputs = map(to_array, keras_train.gradients_inside(inside, x, y, loss_fn, model.layers[::2]))
    np.testing.assert_allclose(outputs[0], a, atol=1e-5)
    np.testing.assert_allclose(outputs[1], logits, atol=1e-5)
    np.testing.assert_allclose(by_outputs[0], d_logits @ w2.T, atol=1e-6)
    np.testing.assert_allclose(by_outputs[1], d_logits, atol=1e-6)
    assert "call" not in vars(model.layers[0])
    with pytest.raises(ValueError, match="does not call stranger"):
        keras_train.gradients_inside(inside, x, y, loss_fn, [keras.layers.Dense(2, name="stranger")])


def test_gradients_leave_the_state_of_a_model_alone():
    layers = [keras.layers.Embedding(5, 4), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5, seed=1)]
    model = keras.Sequential([keras.Input((3,), dtype="int32"), *layers, keras.layers.Dense(1)])
    x = np.array([[0, 1, 1], [4, 0, 1]])
    before = weights(model)
    first, second = (
        to_array(
            keras_train.gradients(
                lambda: keras.ops.sum(model(x, training=True) ** 2), variables=model.trainable_variables
            )
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(before, weights(model))
    assert first[0].shape == (5, 4) and first[0][0].any() and not first[0][2:4].any()  # words 2 and 3 do not occur
    assert all((a == b).all() for a, b in zip(first, second, strict=True))  # the same dropout


def test_gradients_of_what_has_none_say_so():
    with pytest.raises(ValueError, match=r"returns a tensor of shape \(3,\), but a gradient belongs to one number"):
        keras_train.gradients(lambda t: 2 * t, np.ones(3, "float32"))
    with pytest.raises(TypeError, match="has no gradient: give floating-point numbers"):
        keras_train.gradients(keras.ops.sum, np.ones(3, "int32"))


@pytest.mark.slow
def test_resume_after_kill_9_is_bit_exact(tmp_path):
    code = KILL_ME.format(root=str(ROOT), tests=str(Path(__file__).parent))
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.safetensors")], capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert checkpoint.load(tmp_path / "a.safetensors")[1]["epoch"] == 2
    resumed, _ = run_to(4, tmp_path / "a.safetensors")
    whole, _ = run_to(4, tmp_path / "b.safetensors")
    np.testing.assert_array_equal(whole, resumed)
