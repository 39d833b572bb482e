"""Every option of utils.torch_train.fit, on small problems whose right answer is known."""

import functools
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from utils import checkpoint, runtime

if "COURSE_TEST_WORKER" not in os.environ:  # the processes started below need PyTorch alone
    runtime.import_frameworks()
import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

from utils import torch_callbacks, torch_distributed, torch_metrics, torch_models, torch_train

ROOT = Path(__file__).resolve().parents[2]
CE = nn.CrossEntropyLoss()


def task(n=256, seed=0):
    """A linearly separable three-class task: x (n, 8), y (n,)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 8)).astype(np.float32)
    return x, (x @ np.random.default_rng(99).standard_normal((8, 3))).argmax(1)


def build(seed=0, lr=0.05, kind=torch.optim.Adam, dropout=0.0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 3))
    return model, kind(model.parameters(), lr=lr)


def batches(seed=0, batch_size=32, **kwargs):
    return torch_train.Batches(*task(), batch_size, seed=seed, **kwargs)


def train(model, optimizer, epochs=3, data=None, **kwargs):
    kwargs.setdefault("progress", False)
    return torch_train.fit(
        model, batches() if data is None else data, loss_fn=CE, optimizer=optimizer, epochs=epochs, **kwargs
    )


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


# ------------------------------------------------------------------------------------------------ loader


def test_batches_give_every_example_once_in_a_new_order_each_epoch():
    loader = torch_train.Batches(np.arange(10), np.arange(10), 4, seed=1)
    epochs = [torch.cat([y for _, y in loader]).tolist() for _ in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(10))
    assert epochs[0] != epochs[1] and len(loader) == 3
    again = torch.cat([y for _, y in torch_train.Batches(np.arange(10), np.arange(10), 4, seed=1)]).tolist()
    assert again == epochs[0]


def test_batches_larger_than_the_gather_size_are_whole(monkeypatch):
    monkeypatch.setattr(torch_train, "GATHER", 8)
    sizes = [len(x) for x, _ in torch_train.Batches(np.arange(25), np.arange(25), 10)]
    assert sizes == [10, 10, 5]
    assert [len(x) for x, _ in torch_train.Batches(np.arange(25), np.arange(25), 10, drop_last=True)] == [10, 10]


def test_batches_in_order_and_with_a_transform():
    loader = torch_train.Batches(np.arange(6.0), np.arange(6), 4, shuffle=False, transform=lambda x: 10 * x)
    assert torch.cat([x for x, _ in loader]).tolist() == [0, 10, 20, 30, 40, 50]


def test_batches_take_read_only_arrays_without_a_warning(recwarn):
    x = np.zeros((4, 2), np.float32)
    x.flags.writeable = False
    list(torch_train.Batches(x, np.zeros(4), 2))
    assert not recwarn.list


def test_batches_refuse_rows_that_do_not_match():
    with pytest.raises(ValueError, match="x has 3 rows and y has 2"):
        torch_train.Batches(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="at least 1"):
        torch_train.Batches(np.zeros(3), np.zeros(3), 0)


def test_batches_that_are_empty_are_refused():
    with pytest.raises(ValueError, match="0 rows make no batch of 32"):
        torch_train.Batches(np.zeros((0, 8)), np.zeros(0))
    with pytest.raises(ValueError, match="5 rows make no batch of 32: give more, or drop_last=False"):
        torch_train.Batches(np.zeros((5, 8)), np.zeros(5), 32, drop_last=True)
    model, optimizer = build()
    x, y = (torch.as_tensor(a) for a in task(4))
    with pytest.raises(ValueError, match="batch 2 of the loader has no rows"):
        train(model, optimizer, 1, [(x, y), (x[:0], y[:0])])


# ------------------------------------------------------------------------------------------------ the loop


def test_fit_equals_the_hand_written_loop():
    model, optimizer = build()
    history = train(model, optimizer)
    same, optimizer = build()
    losses = []
    data = batches()
    for _ in range(3):
        total = 0.0
        for x, y in data:
            loss = CE(same(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        losses.append(total / 256)
    assert torch.equal(weights(model), weights(same))
    assert history["loss"] == pytest.approx(losses, rel=1e-6)
    assert list(history) == ["loss", "lr", "seconds"]


def test_metrics_are_averaged_over_examples_not_batches():
    model, optimizer = build(lr=0.0)
    data = torch_train.Batches(*task(100), 96, shuffle=False)  # batches of 96 and 4

    def first_class(outputs, y):
        return (outputs.argmax(-1) == 0).float()

    history = train(model, optimizer, 1, data, metrics=("accuracy", first_class))
    outputs = torch_train.predict(model, task(100)[0])
    assert history["accuracy"][0] == pytest.approx((outputs.argmax(1) == task(100)[1]).mean(), abs=1e-6)
    assert history["first_class"][0] == pytest.approx((outputs.argmax(1) == 0).mean(), abs=1e-6)
    with pytest.raises(ValueError, match="unknown metric 'precision'"):
        train(model, optimizer, 1, metrics=("precision",))


def test_accuracy_of_one_logit():
    logits, y = torch.tensor([[2.0], [-1.0], [3.0]]), torch.tensor([1.0, 0.0, 0.0])
    assert torch_train.accuracy(logits, y).tolist() == [True, True, False]


class Doubled:
    """A metric that is an object."""

    def __call__(self, outputs, y):
        return 2 * (outputs.argmax(-1) == y)


def test_metrics_of_every_kind_have_a_column():
    model, optimizer = build(lr=0.0)
    shifted = functools.partial(lambda outputs, y, shift: (outputs.argmax(-1) == y) + shift, shift=3)
    metrics = {"accuracy": "accuracy", "shifted": shifted, "twice": Doubled()}
    history = train(model, optimizer, 1, metrics=metrics)
    assert history["shifted"][0] == pytest.approx(history["accuracy"][0] + 3)
    assert history["twice"][0] == pytest.approx(2 * history["accuracy"][0])
    assert "accuracy" in train(model, optimizer, 1, metrics="accuracy")
    assert "Doubled" in train(model, optimizer, 1, metrics=[Doubled()])
    assert "first" in train(model, optimizer, 1, metrics=[functools.partial(first, shift=1)])


def first(outputs, y, shift=0):
    return outputs[:, 0] + shift


def loss(outputs, y):
    return outputs[:, 0]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([lambda o, y: o[:, 0], lambda o, y: o[:, 1]], "two metrics are called '<lambda>': give a dict"),
        (["accuracy", "accuracy"], "two metrics are called 'accuracy'"),
        ([loss], "called 'loss', which is another column"),
        ({"seconds": first}, "called 'seconds', which is another"),
        ({"val_first": first}, "called 'val_first', which is another"),
    ],
)
def test_metrics_that_would_share_a_column_are_refused(metrics, message):
    model, optimizer = build()
    with pytest.raises(ValueError, match=message):
        train(model, optimizer, 1, metrics=metrics)


def test_accuracy_of_one_hot_targets_is_refused():
    model, optimizer = build()
    x, y = task()
    with pytest.raises(ValueError, match=r"targets are \(32, 3\): if they are one-hot, give classes"):
        train(model, optimizer, 1, torch_train.Batches(x, np.eye(3, dtype="float32")[y]), metrics=("accuracy",))


def test_an_optimizer_of_another_model_is_refused():
    model, _ = build()
    _, other = build()
    with pytest.raises(ValueError, match="has no parameter of this model, so it would train nothing"):
        train(model, other)


def test_a_tensor_as_learning_rate_and_models_in_bfloat16(tmp_path):
    path, x = tmp_path / "run.safetensors", torch.as_tensor(task()[0], dtype=torch.bfloat16)

    def run(epochs, path):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 3)).bfloat16()
        model.register_buffer("note", torch.ones(2, dtype=torch.bfloat16))
        optimizer = torch.optim.AdamW(model.parameters(), lr=torch.tensor(0.01))
        history = train(model, optimizer, epochs, torch_train.Batches(x, task()[1], 32, seed=0), checkpoint=path)
        return weights(model), history

    whole, history = run(4, tmp_path / "whole.safetensors")
    run(2, path)
    resumed, again = run(4, path)
    assert torch.equal(whole, resumed) and resumed.dtype == torch.bfloat16
    assert again["loss"] == history["loss"] and history["lr"] == pytest.approx([0.01] * 4)


def test_learning_is_real_and_validation_runs_in_eval_mode():
    model, optimizer = build(dropout=0.5)
    valid = torch_train.Batches(*task(128, seed=0), 128, shuffle=False)
    history = train(model, optimizer, 20, valid=valid, metrics=("accuracy",))
    assert history.best("val_accuracy") > 0.9
    expected = torch_train.evaluate(model, valid, loss_fn=CE, metrics=("accuracy",))
    assert expected["accuracy"] == history["val_accuracy"][-1]
    assert expected["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-6)


def test_evaluate_and_predict_leave_the_mode_as_it_was():
    model, _ = build(dropout=0.5)
    x, y = task()
    for training in (True, False):
        model.train(training)
        first, second = torch_train.predict(model, x), torch_train.predict(model, x, batch_size=100)
        torch_train.evaluate(model, batches(), loss_fn=CE)
        assert model.training is training
        np.testing.assert_allclose(first, second, atol=1e-6)
        assert first.shape == (256, 3) and first.dtype == np.float32


class Partly(nn.Module):
    """Fails for wide batches; its first layer stays in eval mode while the rest trains."""

    def __init__(self):
        super().__init__()
        self.norm, self.dense = nn.BatchNorm1d(8), nn.Linear(8, 3)
        self.norm.eval()

    def forward(self, x):
        return self.dense(self.norm(x))


def test_modes_come_back_after_errors_and_module_by_module():
    model = Partly()
    with pytest.raises(RuntimeError):
        torch_train.predict(model, np.zeros((4, 9), np.float32))
    with pytest.raises(RuntimeError):
        torch_train.evaluate(model, [(torch.zeros(4, 9), torch.zeros(4))], loss_fn=CE)
    torch_train.predict(model, task()[0])
    torch_train.evaluate(model, batches(), loss_fn=CE)
    assert model.training and model.dense.training and not model.norm.training


def test_any_iterable_of_batches_will_do_but_not_an_empty_one():
    model, optimizer = build()
    x, y = (torch.as_tensor(a) for a in task())
    history = train(model, optimizer, 2, [(x[:100], y[:100]), (x[100:], y[100:])])
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 64)
    assert history.epochs == 2 and train(model, optimizer, 1, loader).epochs == 1
    with pytest.raises(ValueError, match="gave no batch"):
        train(model, optimizer, 1, [])
    with pytest.raises(ValueError, match="at least 1"):
        train(model, optimizer, 0)


def test_dictionaries_move_to_the_device():
    moved = torch_train.to_device({"x": torch.ones(2), "more": (torch.zeros(1), [torch.ones(1)])}, "cpu")
    assert moved["more"][1][0].item() == 1


# ------------------------------------------------------------------------------------------------ options


def test_clip_norm_bounds_the_step_of_sgd():
    model, optimizer = build(lr=1.0, kind=torch.optim.SGD)
    before = weights(model).clone()
    train(model, optimizer, 1, batches(batch_size=256), clip_norm=1e-3)
    assert (weights(model) - before).norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_scheduler_per_epoch_and_per_step():
    model, optimizer = build(lr=1.0)
    history = train(model, optimizer, 3, scheduler=torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
    assert history["lr"] == [1.0, 0.5, 0.25]
    model, optimizer = build(lr=1.0)
    every = torch_train.EveryStep(torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5))
    train(model, optimizer, 1, scheduler=every)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5**8)  # 256 examples are 8 steps


def test_plateau_scheduler_gets_the_loss():
    model, optimizer = build(lr=0.0)  # nothing improves
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.1, eps=0)
    optimizer.param_groups[0]["lr"] = 1e-12
    train(model, optimizer, 3, batches(batch_size=256, shuffle=False), scheduler=plateau)
    assert optimizer.param_groups[0]["lr"] < 1e-12


def test_early_stopping_ends_with_the_best_weights():
    model, optimizer = build(lr=0.1)
    x, y = task()
    valid = torch_train.Batches(x, (y + 1) % 3, 256, shuffle=False)  # learning makes this worse and worse
    history = train(model, optimizer, 50, valid=valid, early_stopping=3)
    assert history.stopped == "early stopping"
    assert history.epochs == history.best_epoch("val_loss") + 3 < 50
    assert torch_train.evaluate(model, valid, loss_fn=CE)["loss"] == pytest.approx(history.best("val_loss"), rel=1e-6)


def test_early_stopping_can_keep_the_last_weights_and_names_missing_columns():
    model, optimizer = build(lr=0.1)
    x, y = task()
    valid = torch_train.Batches(x, (y + 1) % 3, 256, shuffle=False)
    stop = torch_train.EarlyStopping(patience=2, restore_best=False)
    history = train(model, optimizer, 50, valid=valid, early_stopping=stop)
    assert torch_train.evaluate(model, valid, loss_fn=CE)["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-6)
    with pytest.raises(ValueError, match="give `valid`"):
        train(model, optimizer, 2, early_stopping=2)
    with pytest.raises(KeyError, match="no column 'recall'"):
        train(model, optimizer, 2, early_stopping=torch_train.EarlyStopping("recall"))


@pytest.mark.parametrize("wrong", [True, 2.5, -1, "3"])
def test_early_stopping_takes_a_patience_or_the_callback(wrong):
    model, optimizer = build()
    with pytest.raises(ValueError, match="early_stopping is a patience in epochs or EarlyStopping"):
        train(model, optimizer, 1, valid=batches(), early_stopping=wrong)


def test_a_validation_loss_that_is_not_finite_is_never_the_best():
    """The validation loss is NaN in epoch 1 and infinite in epoch 2."""
    model, optimizer = build()
    x, y = (torch.as_tensor(a) for a in task())
    bad = [(x * np.nan, y), (x * np.inf, y)]

    class Loader:
        def __init__(self):
            self.epoch = 0

        def __iter__(self):
            self.epoch += 1
            return iter([bad[self.epoch - 1] if self.epoch <= 2 else (x, y)])

    history = train(model, optimizer, 6, valid=Loader(), early_stopping=3)
    assert history.epochs == 6 and not np.isfinite(history["val_loss"][:2]).any()
    found = torch_train.evaluate(model, [(x, y)], loss_fn=CE)["loss"]
    assert found == pytest.approx(history.best("val_loss"), rel=1e-6)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_mixed_precision_computes_in_the_short_type_and_keeps_weights_in_float32(precision):
    seen = []
    model, optimizer = build()
    model[0].register_forward_hook(lambda module, x, output: seen.append(output.dtype))
    history = train(model, optimizer, 8, precision=precision, metrics=("accuracy",))
    assert set(seen) == {getattr(torch, precision)}
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert history.best("accuracy") > 0.85
    with pytest.raises(ValueError, match="precision is one of"):
        train(model, optimizer, 1, precision="float8")


def test_nan_stops_with_epoch_and_step():
    model, optimizer = build()
    x, y = task()
    x[100] = np.nan  # the fourth batch of 32
    data = torch_train.Batches(x, y, 32, shuffle=False)
    with pytest.raises(FloatingPointError, match=r"nan in epoch 1, step 4.*learning rate is too high"):
        train(model, optimizer, 3, data)


class Root(nn.Module):
    """Adds sqrt(scale²), which is 0 forward and 0 / 0 backward while the scale is 0."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(8))

    def forward(self, x):
        return x + (self.scale * self.scale).sqrt()


def test_weights_that_became_nan_behind_a_finite_loss_are_not_saved(tmp_path):
    model = nn.Sequential(Root(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    path = tmp_path / "run.safetensors"
    message = "loss of epoch 1 was finite, but its gradient was not: 0.scale became NaN"
    with pytest.raises(FloatingPointError, match=message):
        train(model, optimizer, 1, batches(batch_size=256), checkpoint=path)
    assert not path.exists()


def test_an_error_at_the_beginning_is_the_one_that_is_seen(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    seen = []

    class Log(torch_callbacks.Callback):
        def __init__(self, name, fails=""):
            self.name, self.fails = name, fails

        def on_train_begin(self, run):
            if self.fails == "begin":
                raise ZeroDivisionError("mine")

        def on_train_end(self, run):
            seen.append(self.name)
            if self.fails == "end":
                raise ZeroDivisionError("mine too")

    model, optimizer = build()
    with pytest.raises(ZeroDivisionError, match="mine"):
        train(model, optimizer, 1, callbacks=[Log("a"), Log("b", "begin"), Log("c")], progress=True)
    assert seen == ["a"]  # what has not begun does not end
    with pytest.raises(ZeroDivisionError, match="mine too"):
        train(model, optimizer, 1, callbacks=[Log("d", "end"), Log("e")], progress=True)
    assert seen == ["a", "d", "e"]  # one that fails does not keep the others from ending


def test_ctrl_c_keeps_the_best_weights_and_the_history():
    model, optimizer = build(lr=0.1)
    x, y = task()
    valid = torch_train.Batches(x, (y + 1) % 3, 256, shuffle=False)

    class PressCtrlC(torch_callbacks.Callback):
        def on_step_end(self, run):
            if run.epoch == 4:
                signal.raise_signal(signal.SIGINT)

    history = train(model, optimizer, 50, valid=valid, callbacks=[PressCtrlC()])
    assert history.stopped == "interrupted" and history.epochs == 4
    assert torch_train.evaluate(model, valid, loss_fn=CE)["loss"] == pytest.approx(history.best("val_loss"), rel=1e-6)


def test_tensorboard_log_holds_the_history(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model, optimizer = build()
    history = train(model, optimizer, 3, callbacks=[torch_train.TensorBoard(tmp_path)])
    log = EventAccumulator(str(tmp_path)).Reload()
    assert [e.value for e in log.Scalars("loss")] == pytest.approx(history["loss"])


def test_progress_bar_shows_remaining_time_and_can_be_silenced(capfd, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    model, optimizer = build()
    train(model, optimizer, 2, progress=True)
    shown = capfd.readouterr()
    assert "16/16" in shown.err and "loss=" in shown.err and "<" in shown.err and not shown.out
    train(model, optimizer, 2, progress=False)
    assert capfd.readouterr().err == ""


def test_compile_gives_the_same_training():
    model, optimizer = build()
    train(model, optimizer, 1)
    same, optimizer = build()
    train(same, optimizer, 1, compile="aot_eager")  # captures graph and backward; needs no C++ compiler
    torch.testing.assert_close(weights(model), weights(same), atol=1e-5, rtol=1e-4)


# ------------------------------------------------------------------------------------------------ resume


def settings(optimizer):
    return {
        "scheduler": torch_train.EveryStep(torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=48)),
        "valid": torch_train.Batches(*task(64, seed=1), 64, shuffle=False),
        "early_stopping": torch_train.EarlyStopping(patience=20),
    }


def run_to(epochs, path):
    model, optimizer = build(dropout=0.3)
    torch.manual_seed(7)
    history = train(model, optimizer, epochs, checkpoint=path, **settings(optimizer))
    return weights(model), history


def test_resume_is_bit_exact(tmp_path):
    whole, history = run_to(6, tmp_path / "whole.safetensors")
    run_to(2, tmp_path / "parts.safetensors")
    torch.manual_seed(12345)  # a new process has another random state
    resumed, again = run_to(6, tmp_path / "parts.safetensors")
    assert torch.equal(whole, resumed)
    assert {k: v for k, v in again.items() if k != "seconds"} == {k: v for k, v in history.items() if k != "seconds"}


def test_a_finished_run_is_not_trained_again_and_another_model_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    whole, history = run_to(2, path)
    again, same = run_to(2, path)
    assert same.epochs == 2 and same["seconds"] == history["seconds"]
    other = torch_models.mlp(8, 4, 3)
    with pytest.raises(ValueError, match="holds another model"):
        train(other, torch.optim.Adam(other.parameters()), 3, checkpoint=path)


SCHEDULERS = {
    "MultiStepLR": lambda optimizer: schedulers.MultiStepLR(optimizer, [2, 4], 0.5),
    "SequentialLR": lambda optimizer: schedulers.SequentialLR(
        optimizer,
        [schedulers.MultiStepLR(optimizer, [2], 0.5), schedulers.LambdaLR(optimizer, lambda epoch: 0.9**epoch)],
        [4],
    ),
    "CyclicLR": lambda optimizer: schedulers.CyclicLR(optimizer, 0.01, 0.1, 2, cycle_momentum=False),
    "ReduceLROnPlateau": lambda optimizer: schedulers.ReduceLROnPlateau(optimizer, "max", patience=0),
    "CosineAnnealingLR": lambda optimizer: schedulers.CosineAnnealingLR(optimizer, 6),
    "CosineAnnealingWarmRestarts": lambda optimizer: schedulers.CosineAnnealingWarmRestarts(optimizer, 2),
    "ChainedScheduler": lambda optimizer: schedulers.ChainedScheduler(
        [schedulers.MultiStepLR(optimizer, [3]), schedulers.ExponentialLR(optimizer, 0.9)]
    ),
}


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("stop", [1, 3])
def test_every_scheduler_resumes_exactly(name, stop, tmp_path):
    def run(epochs, path):
        model, optimizer = build()
        history = train(model, optimizer, epochs, checkpoint=path, scheduler=SCHEDULERS[name](optimizer))
        return weights(model), history["lr"]

    whole, rates = run(6, tmp_path / "whole.safetensors")
    run(stop, tmp_path / "parts.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the same settings: nothing to warn of
        resumed, again = run(6, tmp_path / "parts.safetensors")
    assert again == rates and len(set(rates)) > 1
    assert torch.equal(whole, resumed)


def test_new_settings_hold_after_a_resume_with_a_warning(tmp_path):
    def run(epochs, name, lr, t_max=None, weight_decay=0.0):
        model, _ = build()
        optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)
        scheduler = schedulers.CosineAnnealingLR(optimizer, t_max) if t_max else None
        return train(model, optimizer, epochs, checkpoint=tmp_path / name, scheduler=scheduler)["lr"]

    run(2, "plain", 0.05)
    with pytest.warns(UserWarning, match="after epoch 2 .*weight_decay of AdamW is 0.1 instead of 0.0; lr .* 0.005 "):
        assert run(4, "plain", 0.005, weight_decay=0.1) == pytest.approx([0.05, 0.05, 0.005, 0.005])
    assert run(5, "plain", 0.005, weight_decay=0.1)[-1] == 0.005  # and it stays
    before = run(2, "cosine", 0.05, 4)
    with pytest.warns(UserWarning, match="T_max of CosineAnnealingLR is 8 instead of 4"):
        rates = run(8, "cosine", 0.05, 8)
    assert rates[:2] == before and rates[4] > 0.01  # with the old T_max the rate would be 0 in epoch 5
    run(2, "tenth", 0.05, 4)
    with pytest.warns(UserWarning, match="initial_lr of AdamW is 0.005 instead of 0.05"):
        rates = run(4, "tenth", 0.005, 4)
    straight = run(4, "straight", 0.05, 4)
    assert rates[2:] == pytest.approx([rate / 10 for rate in straight[2:]])


def test_running_a_cell_again_with_the_same_objects_warns_of_nothing(tmp_path):
    model, optimizer = build(lr=1.0)
    scheduler = schedulers.ExponentialLR(optimizer, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epochs in (2, 4):
            history = train(model, optimizer, epochs, checkpoint=tmp_path / "run", scheduler=scheduler)
    assert history["lr"] == [1, 0.5, 0.25, 0.125]


def test_resume_says_what_does_not_fit(tmp_path):
    path = tmp_path / "run.safetensors"
    train(*build(), 1, checkpoint=path)
    model, optimizer = build(kind=torch.optim.AdamW)
    with pytest.raises(ValueError, match="holds the state of Adam .*, but this run has AdamW"):
        train(model, optimizer, 2, checkpoint=path)
    model, _ = build()
    with pytest.raises(ValueError, match=r"groups of \[4\] tensors, but this run has Adam with \[2\]"):
        train(model, torch.optim.Adam(model[0].parameters()), 2, checkpoint=path)
    with pytest.raises(ValueError, match="saved with the callbacks none, but this run has KeepBest, Ema"):
        train(*build(), 2, checkpoint=path, valid=batches(), callbacks=[torch_callbacks.Ema()])
    tanh, _ = build()
    tanh[1] = nn.Tanh()
    with pytest.raises(ValueError, match=r"layer 1 is ReLU\(\) in the file and Tanh\(\) in the model"):
        train(tanh, torch.optim.Adam(tanh.parameters()), 2, checkpoint=path)
    checkpoint.save_torch(path, model)
    with pytest.raises(ValueError, match="holds no training run of PyTorch, perhaps only weights"):
        train(*build(), 2, checkpoint=path)


def test_paths_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    train(*build(), 1, checkpoint="~/runs/t.safetensors", callbacks=[torch_train.TensorBoard("~/logs")])
    assert (tmp_path / "runs" / "t.safetensors").exists() and list((tmp_path / "logs").iterdir())


KILL_ME = """
import sys; sys.path[:0] = [{root!r}, {tests!r}]
import test_torch_train as t
from utils import torch_callbacks
import os, signal, torch
class Die(torch_callbacks.Callback):
    def on_step_end(self, run):
        if run.epoch == 3 and sys.argv[2] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
torch.set_num_threads(1)
model, optimizer = t.build(dropout=0.3)
torch.manual_seed(7)
t.train(model, optimizer, 6, checkpoint=sys.argv[1], callbacks=[Die()], **t.settings(optimizer))
torch.save(t.weights(model), sys.argv[1] + ".pt")
"""


@pytest.mark.slow
def test_resume_after_kill_9_is_bit_exact(tmp_path):
    code = KILL_ME.format(root=str(ROOT), tests=str(Path(__file__).parent))
    env = os.environ | {"COURSE_TEST_WORKER": "1"}
    one = [sys.executable, "-c", code, str(tmp_path / "a.safetensors")]
    two = [sys.executable, "-c", code, str(tmp_path / "b.safetensors")]
    assert subprocess.run([*one, "kill"], env=env, capture_output=True).returncode == -signal.SIGKILL
    assert checkpoint.load(tmp_path / "a.safetensors")[1]["epoch"] == 3
    first, second = (subprocess.Popen([*command, "run"], env=env) for command in (one, two))
    assert first.wait(120) == second.wait(120) == 0
    resumed, straight = (torch.load(tmp_path / f"{n}.safetensors.pt", weights_only=True) for n in "ab")
    assert torch.equal(resumed, straight)


# ------------------------------------------------------------------------------------------------ torchrun

WORKER = """
import os, sys; sys.path[:0] = [{root!r}, {tests!r}]
import test_torch_train as t
import torch
torch.set_num_threads(1)
model, optimizer = t.build(kind=torch.optim.SGD, lr=0.1)
data = t.torch_train.Batches(*t.task(176), 25, seed=0)
history = t.train(model, optimizer, 2, data, metrics=("accuracy",))
if os.environ.get("RANK", "0") == "0":
    torch.save({{"w": t.weights(model), "g": torch.cat([p.grad.flatten() for p in model.parameters()]),
                "loss": history["loss"], "accuracy": history["accuracy"]}}, sys.argv[1])
"""


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(root=str(ROOT), tests=str(Path(__file__).parent)))
    env = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")} | {
        "OMP_NUM_THREADS": "1",
        "COURSE_TEST_WORKER": "1",
    }
    alone = subprocess.Popen([sys.executable, str(script), str(tmp_path / "one.pt")], env=env)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    both = subprocess.run([*launch, str(script), str(tmp_path / "two.pt")], env=env, capture_output=True, text=True)
    assert both.returncode == 0, both.stderr[-2000:]
    assert alone.wait(120) == 0
    one, two = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("one", "two"))
    torch.testing.assert_close(one["g"], two["g"], atol=1e-6, rtol=0)  # batches of 25 and a last one of 1
    torch.testing.assert_close(one["w"], two["w"], atol=1e-6, rtol=0)
    assert one["loss"] == pytest.approx(two["loss"], abs=1e-6)
    assert one["accuracy"] == pytest.approx(two["accuracy"], abs=1e-6)


RESUME = """
import os, sys; sys.path[:0] = [{root!r}, {tests!r}]
import test_torch_train as t
import torch
torch.set_num_threads(1)
folder = sys.argv[1]
for name, parts in (("whole", [4]), ("parts", [2, 4])):
    for epochs in parts:
        torch.manual_seed(7 + 100 * t.torch_distributed.rank() + epochs * (epochs < parts[-1]))
        model, optimizer = t.build(dropout=0.5, seed=0)
        torch.manual_seed(7 + 100 * t.torch_distributed.rank() if epochs == parts[0] else 999)
        t.train(model, optimizer, epochs, t.batches(batch_size=50), checkpoint=f"{{folder}}/{{name}}.safetensors")
    if t.torch_distributed.is_main():
        torch.save(t.weights(model), f"{{folder}}/{{name}}.pt")
"""


@pytest.mark.slow
def test_two_processes_resume_with_the_random_state_of_each(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(RESUME.format(root=str(ROOT), tests=str(Path(__file__).parent)))
    env = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK")} | {
        "OMP_NUM_THREADS": "1",
        "COURSE_TEST_WORKER": "1",
    }
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    both = subprocess.run([*launch, str(script), str(tmp_path)], env=env, capture_output=True, text=True)
    assert both.returncode == 0, both.stderr[-2000:]
    whole, parts = (torch.load(tmp_path / f"{n}.pt", weights_only=True) for n in ("whole", "parts"))
    assert torch.equal(whole, parts)
    model, optimizer = build(dropout=0.5)
    with pytest.warns(UserWarning, match="saved by 2 processes, this run has 1"):
        train(model, optimizer, 5, batches(batch_size=50), checkpoint=tmp_path / "parts.safetensors")


def test_rows_that_all_processes_share_count_once(monkeypatch):
    """Four processes and a last batch of one row: each of them has it, so each counts a quarter of it."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "1")
    loader = torch_train.Batches(np.arange(9.0), np.arange(9), 8, shuffle=False)
    totals = torch_metrics.Totals(SimpleNamespace(metrics={}), loader)
    seen = []
    for x, y in loader:
        seen.append(x.tolist())
        totals.add(torch.tensor(0.0), x, y)
    assert seen == [[1, 5], [8]] and totals.counts == [2, 0.25]
    assert torch_distributed.copies(4) == 1 and torch_distributed.copies(3) == 4


# ------------------------------------------------------------------------------ several inputs, moving average


class TwoInputs(nn.Module):
    """x (B, 8) and a number for each example -> (B, 3)."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(9, 3)

    def forward(self, x, t):
        return self.dense(torch.cat([x, t[:, None]], 1))


def test_a_tuple_of_inputs_reaches_the_model_as_several_arguments():
    x, y = (torch.tensor(part) for part in task(64))
    loader = [((x[i : i + 16], x[i : i + 16, 0]), y[i : i + 16]) for i in range(0, 64, 16)]
    torch.manual_seed(0)
    model = TwoInputs()
    history = train(model, torch.optim.Adam(model.parameters(), 0.05), 5, loader, valid=loader)
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert torch_train.evaluate(model, loader, loss_fn=CE)["loss"] == pytest.approx(history["val_loss"][-1])
    got = torch_train.predict(model, (x.numpy(), x[:, 0].numpy()), batch_size=10)
    assert np.allclose(got, model(x, x[:, 0]).detach().numpy(), atol=1e-6)


def test_ema_is_the_moving_average_of_the_weights_after_each_step():
    class Record(torch_callbacks.Callback):
        def __init__(self):
            self.seen = []

        def on_step_end(self, run):
            self.seen.append(weights(run.model).clone())

    model, optimizer = build()
    ema, record = torch_callbacks.Ema(0.9), Record()
    train(model, optimizer, 2, callbacks=[ema, record])
    average = record.seen[0]
    for own in record.seen[1:]:
        average = 0.9 * average + 0.1 * own
    assert torch.allclose(weights(ema.average), average, atol=1e-6)
    assert not torch.allclose(weights(model), average, atol=1e-4)


def test_ema_resumes_where_it_stopped(tmp_path):
    def run(epochs, path=None):
        model, optimizer = build()
        ema = torch_callbacks.Ema(0.9)
        train(model, optimizer, epochs, callbacks=[ema], checkpoint=path)
        return weights(ema.average)

    run(2, tmp_path / "run.safetensors")
    assert torch.equal(run(4, tmp_path / "run.safetensors"), run(4))
