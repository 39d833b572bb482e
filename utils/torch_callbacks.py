"""The options of `torch_train.fit`, one small callback each.

A callback has any of the hooks `on_train_begin`, `on_backward` (gradients are there), `on_step_end`, `on_epoch_end`,
`on_train_end`; each gets the `Run`, whose `model, optimizer, history, epoch, stop` it may read and change.
"""

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from utils import checkpoint, runtime, torch_distributed
from utils.history import History, better_is


class Callback:
    """Base class: override the hooks you need."""

    @property
    def hooks(self):
        """Names of the hooks that this callback has."""
        return [name for name in dir(type(self)) if name.startswith("on_")]


def chosen(scheduler, clip_norm, early_stopping, checkpoint_path, extra, progress, valid):
    """The callbacks for the arguments of `fit`, in the order in which they act."""
    if isinstance(early_stopping, int) and not isinstance(early_stopping, bool):
        early_stopping = EarlyStopping(patience=early_stopping)
    if early_stopping and valid is None and early_stopping.monitor.startswith("val_"):
        raise ValueError(f"early stopping watches {early_stopping.monitor!r}: give `valid`, or monitor='loss'")
    best = early_stopping or (KeepBest() if valid is not None else None)
    chain = [Clip(clip_norm) if clip_norm else None, Schedule(scheduler) if scheduler else None, best, *extra]
    if checkpoint_path:
        chain.append(Checkpoint(checkpoint_path, [c for c in chain if hasattr(c, "state_dict")]))
    chain.append(Progress() if progress and torch_distributed.is_main() else None)
    return [c for c in chain if c]


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

    def on_step_end(self, run):
        if self.every_step:
            self.scheduler.step()

    def on_epoch_end(self, run):
        if isinstance(self.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(run.history.get("val_loss", run.history["loss"])[-1])
        elif not self.every_step:
            self.scheduler.step()

    def state_dict(self):
        return {}, {k: v for k, v in self.scheduler.state_dict().items() if _is_plain(v)}

    def load_state_dict(self, tensors, state):
        self.scheduler.load_state_dict(state)


def _is_plain(value):
    """Whether JSON can carry a value; schedulers also hold functions, which their constructor makes again."""
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


class KeepBest(Callback):
    """Remember the weights of the best epoch; put them back after Ctrl-C."""

    monitor, mode, min_delta = "val_loss", "auto", 0.0

    def __init__(self):
        self.best, self.waited, self.weights = None, 0, {}

    def on_epoch_end(self, run):
        value = run.history[self.monitor][-1]
        sign = 1 if better_is(self.monitor, self.mode) == "max" else -1
        if self.best is None or sign * (value - self.best) > self.min_delta:
            self.best, self.waited = value, 0
            self.weights = {k: v.detach().cpu().clone() for k, v in run.model.state_dict().items()}
        else:
            self.waited += 1

    def on_train_end(self, run):
        if self.weights and run.history.stopped == "interrupted":
            run.model.load_state_dict(self.weights)

    def state_dict(self):
        return self.weights, {"best": self.best, "waited": self.waited}

    def load_state_dict(self, tensors, state):
        self.weights, self.best, self.waited = tensors, state["best"], state["waited"]


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


class Checkpoint(Callback):
    """Save everything after each epoch and resume from the file if it is there, bit for bit on the CPU."""

    def __init__(self, path, stateful=()):
        self.path, self.stateful = Path(path), list(stateful)

    def on_train_begin(self, run):
        if not self.path.exists():
            return
        tensors, state = checkpoint.load(self.path)
        groups = _ungroup({k: torch.from_numpy(v) for k, v in tensors.items()})
        own = {k: tuple(v.shape) for k, v in run.model.state_dict().items()}
        if own != {k: tuple(v.shape) for k, v in groups.get("model", {}).items()}:
            raise ValueError(f"{self.path} holds another model: delete it, or give this run another checkpoint file")
        run.model.load_state_dict(groups["model"])
        run.optimizer.load_state_dict(_join_optimizer(groups.get("optimizer", {}), state["optimizer"]))
        run.scaler.load_state_dict(state["scaler"])
        for i, (callback, saved) in enumerate(zip(self.stateful, state["callbacks"], strict=True)):
            callback.load_state_dict(groups.get(f"callback{i}", {}), saved)
        run.epoch, run.history = state["epoch"], History(state["history"], stopped=state["stopped"])
        run.stop = state["stopped"] == "early stopping"
        _set_random_state(run, groups["random"], state)

    def on_epoch_end(self, run):
        if not torch_distributed.is_main():
            return
        tensors, optimizer = _split_optimizer(run.optimizer.state_dict())
        random_tensors, random_state = _random_state(run)
        groups = {"model": run.model.state_dict(), "optimizer": tensors, "random": random_tensors}
        saved = [callback.state_dict() for callback in self.stateful]
        groups |= {f"callback{i}": tensors for i, (tensors, _) in enumerate(saved)}
        state = {
            "epoch": run.epoch,
            "history": dict(run.history),
            "stopped": run.history.stopped,
            "optimizer": optimizer,
            "scaler": run.scaler.state_dict(),
            "callbacks": [s for _, s in saved],
            **random_state,
        }
        arrays = {f"{g}/{k}": v.detach().cpu().numpy() for g, values in groups.items() for k, v in values.items()}
        checkpoint.save(self.path, arrays, state)


def _ungroup(tensors):
    groups = {}
    for name, tensor in tensors.items():
        group, key = name.split("/", 1)
        groups.setdefault(group, {})[key] = tensor
    return groups


def _split_optimizer(state):
    """Tensors and plain values of an optimiser's state, the latter for JSON."""
    tensors, plain = {}, {}
    for index, values in state["state"].items():
        for key, value in values.items():
            (tensors if isinstance(value, torch.Tensor) else plain)[f"{index}.{key}"] = value
    return tensors, {"param_groups": state["param_groups"], "state": plain}


def _join_optimizer(tensors, saved):
    state = {}
    for name, value in {**tensors, **saved["state"]}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return {"state": state, "param_groups": saved["param_groups"]}


def _random_state(run):
    """State of all random generators that training may draw from."""
    tensors = {"torch": torch.get_rng_state()}
    if getattr(run.train, "generator", None) is not None:
        tensors["loader"] = run.train.generator.get_state()
    if run.device.type == "cuda":
        tensors["cuda"] = torch.cuda.get_rng_state(run.device)
    name, keys, *rest = np.random.get_state()  # noqa: NPY002  the global generator that transforms may use
    return tensors, {"numpy": [name, keys.tolist(), *rest], "python": random.getstate()}


def _set_random_state(run, tensors, state):
    torch.set_rng_state(tensors["torch"])
    if "loader" in tensors:
        run.train.generator.set_state(tensors["loader"])
    if "cuda" in tensors and run.device.type == "cuda":
        torch.cuda.set_rng_state(tensors["cuda"], run.device)
    np.random.set_state(state["numpy"])  # noqa: NPY002
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))


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
        return self.averaged.state_dict(), {}

    def load_state_dict(self, tensors, state):
        self.averaged.load_state_dict(tensors)


class TensorBoard(Callback):
    """Write every column of the history to a TensorBoard log folder: `tensorboard --logdir runs`."""

    def __init__(self, folder):
        self.folder = Path(folder)

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
