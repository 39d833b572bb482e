"""One small problem on which lessons 2.5 to 2.8 measure every remedy against overfitting, with the same budget.

The problem: 500 real MNIST digits to train with, a share of their labels wrong if asked for. The budget: 300 steps of
Adam with batches of 50 for a network 784-64-64-10. Only the remedy differs. Lesson 2.5 builds it up step by step.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from utils import data

N_TRAIN, N_VALID, STEPS, BATCH_SIZE, LR = 500, 500, 300, 50, 2e-3


@dataclass(frozen=True)
class Problem:
    """Digits as tensors: x (N, 784) float32 in 0..1, y (N,) long; `wrong` (N_TRAIN,) marks the false labels."""

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_valid: torch.Tensor
    y_valid: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    wrong: torch.Tensor


def problem(seed, wrong=0.0):
    """A draw of 500 training and 500 validation digits, and the 1,000 test digits -> Problem.

    wrong: the share of training and validation labels that is replaced by another class; test labels stay true.
    """
    if not 0 <= wrong < 1:
        raise ValueError(f"wrong = {wrong!r} must be a share of labels, 0 <= wrong < 1")
    digits, rng = data.load("mnist"), np.random.default_rng(seed)
    rows = rng.permutation(len(digits.x_train))[: N_TRAIN + N_VALID]
    y = digits.y_train[rows].astype(np.int64)
    false = rng.permutation(len(y)) < round(wrong * len(y))
    y = np.where(false, (y + rng.integers(1, 10, len(y))) % 10, y)
    pixels = lambda x: torch.tensor(x.reshape(len(x), 784) / 255, dtype=torch.float32)
    x, y, false = pixels(digits.x_train[rows]), torch.tensor(y), torch.tensor(false)
    test = pixels(digits.x_test), torch.tensor(digits.y_test.astype(np.int64))
    return Problem(x[:N_TRAIN], y[:N_TRAIN], x[N_TRAIN:], y[N_TRAIN:], *test, false[:N_TRAIN])


def mlp(dropout=0.0, norm=None, hidden=64):
    """The network 784-hidden-hidden-10 -> nn.Sequential: x (B, 784) -> logits (B, 10).

    dropout: probability after each hidden layer; norm: a class such as nn.BatchNorm1d, placed before each ReLU.
    """
    layers, width = [], 784
    for _ in range(2):
        layers += [nn.Linear(width, hidden)] + ([norm(hidden)] if norm else []) + [nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, 10))


def batch_loss(model, x, y):
    """Cross-entropy of a batch: the loss of the plain network, and the place where mixup and others come in."""
    return F.cross_entropy(model(x), y)


def train(
    seed,
    wrong=0.0,
    *,
    build=mlp,
    weight_decay=0.0,
    penalty=None,
    early_stopping=False,
    schedule=None,
    transform=None,
    loss_fn=batch_loss,
    steps=STEPS,
    record=True,
):
    """Train the network on `problem(seed, wrong)` with one remedy -> (model, dict of accuracies and losses).

    build: function () -> model. weight_decay: of AdamW. penalty: function model -> number that is added to the loss.
    early_stopping: keep the weights with the least validation loss, looked at once an epoch. schedule: function
    (optimizer, steps) -> PyTorch scheduler, moved every step. transform: function x (B, 784) -> (B, 784) of training
    batches. loss_fn: function (model, x, y) -> loss. The dict has train, valid and test accuracy ("train", …) and
    loss ("train loss", …), each as seen in eval mode at the end, and "history", one row an epoch if `record`.
    """
    p = problem(seed, wrong)
    torch.manual_seed(seed)
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=weight_decay, fused=True)
    scheduler = schedule(optimizer, steps) if schedule else None
    history, best = [], None
    per_epoch = N_TRAIN // BATCH_SIZE
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(N_TRAIN)
        rows = order[step % per_epoch * BATCH_SIZE :][:BATCH_SIZE]
        x = transform(p.x_train[rows]) if transform else p.x_train[rows]
        loss = loss_fn(model, x, p.y_train[rows]) + (penalty(model) if penalty else 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if scheduler:
            scheduler.step()
        if (step + 1) % per_epoch == 0 and (record or early_stopping):
            history.append({"epoch": (step + 1) // per_epoch} | scores(model, p, ("train", "valid")))
            if early_stopping and (best is None or history[-1]["valid loss"] < best[0]):
                best = history[-1]["valid loss"], {k: v.clone() for k, v in model.state_dict().items()}
    if best:
        model.load_state_dict(best[1])
    return model, scores(model, p) | {"history": pd.DataFrame(history)}


@torch.no_grad()
def scores(model, p, parts=("train", "valid", "test")):
    """Accuracy and mean loss of each part of Problem `p`, in eval mode -> dict; the mode is put back."""
    was_training, found = model.training, {}
    model.eval()
    for part in parts:
        logits, y = model(getattr(p, f"x_{part}")), getattr(p, f"y_{part}")
        found[part] = (logits.argmax(1) == y).double().mean().item()
        found[f"{part} loss"] = F.cross_entropy(logits, y).item()
    model.train(was_training)
    return found


def compare(remedies, seeds, wrong=0.0):
    """Each remedy on the same draws -> DataFrame, one row for a remedy.

    remedies: {name: arguments of `train`}, the first is the baseline. Columns: mean train and test accuracy, their
    `gap`, mean test loss, `gain` in test accuracy over the baseline on the same seed, in percentage points, and `±`,
    its standard deviation over the seeds.
    """
    rows, base = {}, None
    for name, options in remedies.items():
        runs = pd.DataFrame([train(seed, wrong, record=False, **options)[1] for seed in seeds]).drop(columns="history")
        base = runs["test"] if base is None else base
        gain = 100 * (runs["test"] - base)
        mean = runs.mean()
        rows[name] = {"train": mean["train"], "test": mean["test"], "gap": mean["train"] - mean["test"]}
        rows[name] |= {"test loss": mean["test loss"], "gain": gain.mean(), "±": gain.std() if len(seeds) > 1 else 0.0}
    return pd.DataFrame(rows).T
