"""Every option of utils.torch_train.fit, on small problems whose right answer is known."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from utils import checkpoint, runtime

if "COURSE_TEST_WORKER" not in os.environ:  # the processes started below need PyTorch alone
    runtime.import_frameworks()
import torch
from torch import nn

from utils import torch_callbacks, torch_models, torch_train

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
    code = KILL_ME.format(root=str(ROOT), tests=str(ROOT / "tests"))
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
history = t.train(model, optimizer, 2, t.batches(batch_size=25), metrics=("accuracy",))
if os.environ.get("RANK", "0") == "0":
    torch.save({{"w": t.weights(model), "g": torch.cat([p.grad.flatten() for p in model.parameters()]),
                "loss": history["loss"], "accuracy": history["accuracy"]}}, sys.argv[1])
"""


@pytest.mark.slow
def test_two_processes_give_the_gradients_of_one(tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(root=str(ROOT), tests=str(ROOT / "tests")))
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
    torch.testing.assert_close(one["g"], two["g"], atol=1e-6, rtol=0)  # batches of 25 and a last one of 6
    torch.testing.assert_close(one["w"], two["w"], atol=1e-6, rtol=0)
    assert one["loss"] == pytest.approx(two["loss"], abs=1e-6)
    assert one["accuracy"] == pytest.approx(two["accuracy"], abs=1e-6)


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
