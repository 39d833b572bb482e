"""The bench of lessons 2.5 to 2.8: one problem, one budget, and every remedy acts on it."""

import numpy as np
import pytest

from utils import data, runtime

runtime.import_frameworks()

import torch
from torch import nn

from utils import torch_remedies as bench


def test_the_problem_depends_on_the_seed_alone_and_its_parts_do_not_overlap():
    one, again, other = bench.problem(0, 0.2), bench.problem(0, 0.2), bench.problem(1, 0.2)
    assert torch.equal(one.x_train, again.x_train) and torch.equal(one.y_train, again.y_train)
    assert not torch.equal(one.x_train, other.x_train) and torch.equal(one.x_test, other.x_test)
    rows = lambda x: {row.tobytes() for row in x.numpy()}
    assert not rows(one.x_train) & rows(one.x_valid) and not rows(one.x_train) & rows(one.x_test)
    assert one.x_train.shape == (500, 784) and one.x_valid.shape == (500, 784) and one.x_test.shape == (1000, 784)
    assert one.x_train.dtype == torch.float32 and one.y_train.dtype == torch.int64


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_wrong_labels_are_wrong_and_test_labels_are_true(share):
    clean, noisy = bench.problem(3, 0.0), bench.problem(3, share)
    assert torch.equal(noisy.y_train != clean.y_train, noisy.wrong)
    both = torch.cat([noisy.y_train != clean.y_train, noisy.y_valid != clean.y_valid])
    assert both.double().mean().item() == pytest.approx(share)
    assert np.array_equal(noisy.y_test.numpy(), data.load("mnist").y_test)
    assert noisy.y_train.min() >= 0 and noisy.y_train.max() <= 9


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_an_impossible_share_is_refused(share):
    with pytest.raises(ValueError, match="share of labels"):
        bench.problem(0, share)


def test_the_network_has_the_layers_that_are_asked_for():
    kinds = lambda model: [type(layer).__name__ for layer in model]
    assert kinds(bench.mlp()) == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert kinds(bench.mlp(0.3, nn.BatchNorm1d))[:4] == ["Linear", "BatchNorm1d", "ReLU", "Dropout"]
    assert sum(p.numel() for p in bench.mlp().parameters()) == 785 * 64 + 65 * 64 + 65 * 10


def test_training_is_the_bare_loop():
    _, found = bench.train(0, 0.2, steps=20)
    p = bench.problem(0, 0.2)
    torch.manual_seed(0)
    model = bench.mlp()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.0)
    for _ in range(2):
        for rows in torch.randperm(500).split(50):
            loss = nn.functional.cross_entropy(model(p.x_train[rows]), p.y_train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    right = (model(p.x_test).argmax(1) == p.y_test).double().mean().item()
    assert found["test"] == pytest.approx(right, abs=2e-3) and len(found["history"]) == 2


def test_scores_are_measured_in_eval_mode_and_the_mode_is_put_back():
    model = bench.mlp(dropout=0.9)
    p = bench.problem(0)
    model.train()
    assert bench.scores(model, p) == bench.scores(model, p) and model.training


def test_every_option_acts():
    plain, _ = bench.train(0, steps=30)
    seen = []

    def halved(x):
        seen.append(x.shape)
        return x / 2

    options = {
        "weight_decay": 1.0,
        "penalty": lambda model: 1e-2 * sum(p.abs().sum() for p in model.parameters()),
        "schedule": lambda optimizer, steps: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
        "transform": halved,
        "loss_fn": lambda model, x, y: nn.functional.cross_entropy(model(x), y, label_smoothing=0.2),
        "build": lambda: bench.mlp(dropout=0.5),
    }
    for name, value in options.items():
        model, found = bench.train(0, steps=30, **{name: value})
        assert not torch.equal(model[0].weight, plain[0].weight), name
        assert 0 <= found["test"] <= 1 and found["train loss"] > 0
    assert seen == [(50, 784)] * 30


def test_early_stopping_keeps_the_best_epoch():
    _, found = bench.train(0, 0.2, early_stopping=True)
    assert found["valid loss"] == pytest.approx(found["history"]["valid loss"].min())
    assert found["history"]["valid loss"].iloc[-1] > found["valid loss"] + 0.1


def test_compare_pairs_each_remedy_with_the_baseline_on_the_same_seed():
    remedies = {"plain": {}, "again": {}, "decay": {"weight_decay": 3.0}}
    table = bench.compare(remedies, seeds=(0, 1), wrong=0.2)
    assert table.loc["plain", "gain"] == 0 == table.loc["again", "gain"] == table.loc["again", "±"]
    gains = [100 * (bench.train(s, 0.2, weight_decay=3.0)[1]["test"] - bench.train(s, 0.2)[1]["test"]) for s in (0, 1)]
    assert table.loc["decay", "gain"] == pytest.approx(np.mean(gains))
    assert table.loc["decay", "±"] == pytest.approx(np.std(gains, ddof=1))
    assert table.loc["decay", "gap"] == pytest.approx(table.loc["decay", "train"] - table.loc["decay", "test"])
