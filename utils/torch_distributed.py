"""Data-parallel training under `torchrun`: every process computes the gradient of its share of each batch.

`torchrun --nproc-per-node=2 train.py` sets the variables that `start` reads; without them all functions do nothing.
Gradients equal those of a single process that sees the whole batch, for every batch size (Li et al., 2020).
"""

import atexit
import os

import torch
from torch import distributed as dist


def world():
    """Number of processes that train together; 1 without `torchrun`."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank():
    """Number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_main():
    """Whether this process is the one that saves and prints."""
    return rank() == 0


def gather(value):
    """The values of all processes, in their order -> list; `value` is anything that pickle can carry."""
    values = [value] * world()
    if world() > 1:
        dist.all_gather_object(values, value)
    return values


def start(device):
    """Join the group of processes that `torchrun` started -> the device of this process."""
    device = torch.device(device)
    if world() == 1:
        return device
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return device


def wrap(model, device, train):
    """The model with gradient averaging, and the loader's shuffling made equal on all processes."""
    if world() == 1:
        return model
    if getattr(train, "generator", None) is not None:
        state = train.generator.get_state().to(device)
        dist.broadcast(state, 0)
        train.generator.set_state(state.cpu())
    if not any(p.requires_grad for p in model.parameters()):
        return model
    ids = [device] if device.type == "cuda" else None
    return torch.nn.parallel.DistributedDataParallel(model, device_ids=ids)


def copies(rows):
    """How many processes `share` gives the same rows of a batch: all if there are fewer rows than processes, else 1."""
    return world() if rows < world() else 1


def share(*batch):
    """This process' rows of each tensor: every world()-th row; all rows if there are fewer rows than processes."""
    if copies(len(batch[0])) == world():
        return batch
    return tuple(tensor[rank() :: world()] for tensor in batch)


def weighted(loss, rows):
    """The mean loss of `rows` examples, scaled so that averaging over processes gives the mean over all rows."""
    if world() == 1:
        return loss
    total = torch.tensor(float(rows), device=loss.device)
    dist.all_reduce(total)
    return loss * (rows * world() / total)


def add_up(sums, device):
    """Sum of a vector of float64 over all processes."""
    if world() == 1:
        return sums
    sums = sums.to(device, torch.float32 if device.type == "mps" else torch.float64)
    dist.all_reduce(sums)
    return sums.cpu()
