"""The options of `torch_train.fit`, one small callback each; `utils.torch_checkpoint` saves and resumes.

A callback has any of the hooks `on_train_begin`, `on_backward` (gradients are there), `on_step_end`, `on_epoch_end`,
`on_train_end`; each gets the `Run`, whose `model, optimizer, history, epoch, stop` it may read and change. A callback
with `state_dict()` and `load_state_dict(state)` (nested dicts and lists of tensors and plain values) is part of the
checkpoint.
"""

import copy
import math
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch

from utils import runtime
from utils.history import better_is


class Callback:
    """Base class: override the hooks you need."""

    @property
    def hooks(self):
        """Names of the hooks that this callback has."""
        return [name for name in dir(type(self)) if name.startswith("on_")]


@dataclass
class Clip(Callback):
    """Scale the whole gradient down to norm `largest` where it is longer (Pascanu et al., 2013)."""

    largest: float

    def on_backward(self, run):
        run.scaler.unscale_(run.optimizer)
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), self.largest)


@dataclass
class EveryStep:
    """Marks a PyTorch scheduler that is to be stepped after every batch instead of after every epoch."""

    scheduler: torch.optim.lr_scheduler.LRScheduler


class Schedule(Callback):
    """Step a PyTorch scheduler; ReduceLROnPlateau gets the validation loss, or else the training loss."""

    def __init__(self, scheduler):
        self.every_step = isinstance(scheduler, EveryStep)
        self.scheduler = scheduler.scheduler if self.every_step else scheduler
        self.first = copy.deepcopy(_without_functions(self.scheduler.state_dict()))

    def on_step_end(self, run):
        if self.every_step:
            self.scheduler.step()

    def on_epoch_end(self, run):
        if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(run.history.get("val_loss", run.history["loss"])[-1])
        elif not self.every_step:
            self.scheduler.step()

    def state_dict(self):
        return {"now": _without_functions(self.scheduler.state_dict()), "first": self.first}

    def load_state_dict(self, state):
        """Go on where the saved run stopped, with the settings that this run gives otherwise -> list of them."""
        changes = []
        self.scheduler.load_state_dict(adopt(state["now"], state["first"], self.first, type(self.scheduler), changes))
        return changes


def _without_functions(value):
    """A scheduler's state without the functions in it, which its constructor makes again."""
    if isinstance(value, Counter):
        return value
    if isinstance(value, dict):
        return {k: _without_functions(v) for k, v in value.items() if not callable(v)}
    return [_without_functions(v) for v in value] if isinstance(value, list) else value


POSITIONS = ("lr", "last_epoch", "_step_count", "_last_lr", "T_cur", "best", "num_bad_epochs", "cooldown_counter")


def adopt(saved, first, given, owner, changes, name=""):
    """The saved state of a run with the settings that this run gives otherwise.

    A setting is what the saved run kept from its start (`first`) on, in nested dicts and lists. `given` is the state
    at the start of this run. Sentences about what was adopted are appended to `changes`.
    """
    if isinstance(saved, dict) and not isinstance(saved, Counter):
        inside = lambda tree, key: tree.get(key) if isinstance(tree, dict) else None
        return {k: adopt(v, inside(first, k), inside(given, k), owner, changes, k) for k, v in saved.items()}
    if isinstance(saved, list) and all(isinstance(tree, list) and len(tree) == len(saved) for tree in (first, given)):
        rows = zip(saved, first, given, strict=True)
        return [adopt(*row, owner, changes, name) for row in rows]
    if name in POSITIONS or given is None or saved != first or given == saved:
        return saved
    changes.append(f"{name} of {owner.__name__} is {_plain(given)} instead of {_plain(saved)}")
    return given


def _plain(value):
    return dict(value) if isinstance(value, Counter) else value


class KeepBest(Callback):
    """Remember the weights of the best epoch; put them back after Ctrl-C."""

    monitor, mode, min_delta = "val_loss", "auto", 0.0

    def __init__(self):
        self.best, self.waited, self.weights = None, 0, {}

    def on_epoch_end(self, run):
        value = run.history[self.monitor][-1]
        sign = 1 if better_is(self.monitor, self.mode) == "max" else -1
        if math.isfinite(value) and (self.best is None or sign * (value - self.best) > self.min_delta):
            self.best, self.waited = value, 0
            self.weights = {k: v.detach().cpu().clone() for k, v in run.model.state_dict().items()}
        else:
            self.waited += 1

    def on_train_end(self, run):
        if self.weights and run.history.stopped == "interrupted":
            run.model.load_state_dict(self.weights)

    def state_dict(self):
        return {"weights": self.weights, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state):
        self.weights, self.best, self.waited = state["weights"], state["best"], state["waited"]


class EarlyStopping(KeepBest):
    """Stop when `monitor` has not improved by more than `min_delta` for `patience` epochs.

    With restore_best (the default) training ends with the weights of the best epoch (Prechelt, 1998).
    Raises KeyError naming the columns there are if `monitor` is not one of them.
    """

    def __init__(self, monitor="val_loss", patience=5, min_delta=0.0, mode="auto", restore_best=True):
        super().__init__()
        self.monitor, self.patience, self.min_delta, self.mode = monitor, patience, min_delta, mode
        self.restore_best = restore_best

    def on_epoch_end(self, run):
        run.history.column(self.monitor)
        super().on_epoch_end(run)
        if self.waited >= self.patience:
            run.stop, run.history.stopped = True, "early stopping"

    def on_train_end(self, run):
        if self.weights and (self.restore_best or run.history.stopped == "interrupted"):
            run.model.load_state_dict(self.weights)


class Ema(Callback):
    """Running average of the weights, `average`, moved by 1 - decay after each step (Polyak and Juditsky, 1992)."""

    def __init__(self, decay=0.999):
        self.decay = decay

    def on_train_begin(self, run):
        rule = torch.optim.swa_utils.get_ema_multi_avg_fn(self.decay)
        self.averaged = torch.optim.swa_utils.AveragedModel(run.model, multi_avg_fn=rule, use_buffers=True)
        self.average = self.averaged.module

    def on_step_end(self, run):
        self.averaged.update_parameters(run.model)

    def state_dict(self):
        return self.averaged.state_dict()

    def load_state_dict(self, state):
        self.averaged.load_state_dict(state)


class TensorBoard(Callback):
    """Write every column of the history to a TensorBoard log folder: `tensorboard --logdir runs`."""

    def __init__(self, folder):
        self.folder = Path(folder).expanduser()

    def on_train_begin(self, run):
        from torch.utils.tensorboard import SummaryWriter

        self.writer = SummaryWriter(self.folder)

    def on_epoch_end(self, run):
        for key, values in run.history.items():
            self.writer.add_scalar(key, values[-1], run.epoch)

    def on_train_end(self, run):
        self.writer.close()


class Progress(Callback):
    """One bar for the whole run with the time that remains; it vanishes at the end. TQDM_DISABLE=1 turns it off."""

    def on_train_begin(self, run):
        from tqdm.auto import tqdm

        steps = len(run.train) if hasattr(run.train, "__len__") else 1
        self.per_step = hasattr(run.train, "__len__")
        done, total, where = run.epoch * steps, run.epochs * steps, {"file": sys.stderr, "disable": runtime.quiet()}
        self.bar = tqdm(total=total, initial=done, leave=False, unit="step", **where)

    def on_step_end(self, run):
        if self.per_step:
            self.bar.update()

    def on_epoch_end(self, run):
        if not self.per_step:
            self.bar.update()
        last = {k: f"{v[-1]:.3f}" for k, v in run.history.items() if k not in ("lr", "seconds")}
        self.bar.set_postfix({"epoch": run.epoch, **last})

    def on_train_end(self, run):
        self.bar.close()
