"""The checkpoint of `torch_train.fit`: everything that the next epoch depends on, saved after each one."""

import copy
import random
import warnings
from pathlib import Path

import numpy as np
import torch

from utils import checkpoint, torch_distributed
from utils.history import History
from utils.torch_callbacks import Callback, adopt


class Checkpoint(Callback):
    """Save everything after each epoch and resume from the file if it is there, bit for bit on the CPU.

    Saved are weights, optimizer, `stateful` callbacks, history, and the random state of every process. What a
    DataLoader with `persistent_workers=True` draws in its workers cannot be saved: those draws differ after a resume.

    A setting of the optimizer or scheduler (lr, weight_decay, T_max, …) that this run gives otherwise than the saved
    one holds from here on, and a warning says so. Raises ValueError if the file holds another model, optimizer or
    set of callbacks, or no training run at all.
    """

    def __init__(self, path, stateful=()):
        self.path, self.stateful = Path(path).expanduser(), list(stateful)

    def on_train_begin(self, run):
        self.first = _settings(run.optimizer)
        if not self.path.exists():
            return
        arrays, plain = checkpoint.load(self.path)
        if "epoch" not in plain or "callbacks" not in plain:
            raise ValueError(
                f"{self.path} holds no training run of PyTorch, perhaps only weights: read those with "
                "checkpoint.load_torch, and give this run another checkpoint file"
            )
        state = checkpoint.unflatten(arrays, plain, checkpoint.to_torch)
        self._compare(run, state)
        run.model.load_state_dict(state["model"])
        changes = _load_optimizer(run.optimizer, state["optimizer"], state["first"], self.first)
        run.scaler.load_state_dict(state["scaler"])
        for callback, saved in zip(self.stateful, state["callbacks"], strict=True):
            changes += callback.load_state_dict(saved) or []
        run.epoch, run.history = state["epoch"], History(state["history"], stopped=state["stopped"])
        run.stop = state["stopped"] == "early stopping"
        if changes:
            warnings.warn(f"resumed after epoch {run.epoch} with new settings: {'; '.join(changes)}", stacklevel=4)
        _set_random_state(run, state["random"])

    def on_epoch_end(self, run):
        states = torch_distributed.gather(_random_state(run))
        if not torch_distributed.is_main():
            return
        state = self._kinds(run) | {
            "epoch": run.epoch,
            "history": dict(run.history),
            "stopped": run.history.stopped,
            "model": dict(run.model.state_dict()),
            "optimizer": run.optimizer.state_dict(),
            "first": self.first,
            "scaler": run.scaler.state_dict(),
            "callbacks": [callback.state_dict() for callback in self.stateful],
            "random": states,
        }
        checkpoint.save(self.path, *checkpoint.flatten(state, checkpoint.to_numpy))

    def _kinds(self, run):
        """What a file must have in common with a run that resumes from it."""
        names = [type(callback).__name__ for callback in self.stateful]
        structure = checkpoint.torch_structure(run.model)
        return {"structure": structure, "optimizer_kind": type(run.optimizer).__name__, "callback_kinds": names}

    def _compare(self, run, state):
        """ValueError that says in what the saved run differs from this one."""
        advice = "delete the file, or give this run another checkpoint file"
        shapes = [{k: tuple(v.shape) for k, v in model.items()} for model in (run.model.state_dict(), state["model"])]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{self.path} holds another model: {advice}")
        own = self._kinds(run)
        checkpoint.compare_structure(self.path, own["structure"], state["structure"])
        kinds = own["optimizer_kind"], state["optimizer_kind"]
        sizes = [
            [len(group["params"]) for group in saved["param_groups"]]
            for saved in (run.optimizer.state_dict(), state["optimizer"])
        ]
        if kinds[0] != kinds[1] or sizes[0] != sizes[1]:
            raise ValueError(
                f"{self.path} holds the state of {kinds[1]} with groups of {sizes[1]} tensors, but this run has "
                f"{kinds[0]} with {sizes[0]}: {advice}"
            )
        names = own["callback_kinds"], state["callback_kinds"]
        if names[0] != names[1]:
            raise ValueError(
                f"{self.path} was saved with the callbacks {', '.join(names[1]) or 'none'}, but this run has "
                f"{', '.join(names[0]) or 'none'} (scheduler, validation data and early stopping count): give the "
                f"same ones, or {advice}"
            )


def _settings(optimizer):
    """The parameter groups of an optimizer without their parameters."""
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.state_dict()["param_groups"]]
    return copy.deepcopy(groups)


def _load_optimizer(optimizer, saved, first, given):
    """Load a saved state with the settings that this run gives otherwise -> sentences about those."""
    changes, groups = [], []
    for group, start, now in zip(saved["param_groups"], first, given, strict=True):
        rate = "lr" if "initial_lr" not in now else "initial_lr"  # a scheduler moves lr, and keeps its start here
        changed = adopt(group, start, now, type(optimizer), changes)
        if rate == "initial_lr" and "initial_lr" in group:
            changed["lr"] = group["lr"] * (changed["initial_lr"] / group["initial_lr"])
        elif group["lr"] == start["lr"] != now["lr"]:
            changes.append(f"lr of {type(optimizer).__name__} is {float(now['lr'])} instead of {float(group['lr'])}")
            changed["lr"] = now["lr"]
        groups.append(changed)
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})
    return changes


def _random_state(run):
    """State of all random generators that training may draw from in this process."""
    state = {"torch": torch.get_rng_state(), "python": random.getstate(), "numpy": np.random.get_state()}  # noqa: NPY002
    if getattr(run.train, "generator", None) is not None:
        state["loader"] = run.train.generator.get_state()
    if run.device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(run.device)
    return state


def _set_random_state(run, states):
    """Give each process its own state back; with another number of processes, all draws differ from now on."""
    if len(states) != torch_distributed.world():
        warnings.warn(
            f"the checkpoint was saved by {len(states)} processes, this run has {torch_distributed.world()}: "
            "dropout and other random draws are not those of an uninterrupted run",
            stacklevel=5,
        )
    state = states[torch_distributed.rank() % len(states)]
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    np.random.set_state(tuple(x.numpy() if isinstance(x, torch.Tensor) else x for x in state["numpy"]))  # noqa: NPY002
    if "loader" in state and getattr(run.train, "generator", None) is not None:
        run.train.generator.set_state(state["loader"])
    if "cuda" in state and run.device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"], run.device)
