"""History: a dict of lists for either framework."""

import math
from types import SimpleNamespace

import pytest

from utils import plot
from utils.history import History, better_is


def test_append_and_epochs():
    history = History()
    assert history.epochs == 0 and repr(history) == "History of 0 epochs (last: )"
    history.append({"loss": 2, "accuracy": 0.5})
    history.append({"loss": 1.0, "accuracy": 0.75})
    assert history == {"loss": [2.0, 1.0], "accuracy": [0.5, 0.75]}
    assert history.epochs == 2 and "loss 1, accuracy 0.75" in repr(history)


def test_epochs_without_a_value_are_nan_and_stay_aligned():
    history = History()
    for values in ({"loss": 3}, {"loss": 2, "val_loss": 5}, {"loss": 1}, {"loss": 0, "val_loss": 4}):
        history.append(values)
    assert [math.isnan(v) for v in history["val_loss"]] == [True, False, True, False]
    assert history.column("val_loss") == [5.0, 4.0]
    assert history.best("val_loss") == 4.0 and history.best_epoch("val_loss") == 4


def test_best_knows_which_way_is_up():
    history = History(loss=[3.0, 1.0, 2.0, 1.0], val_accuracy=[0.2, 0.9, 0.9, math.inf], auc=[0.5, 0.4, 0.3, 0.2])
    assert history.best("loss") == 1.0 and history.best_epoch("loss") == 2
    assert history.best("val_accuracy") == 0.9 and history.best_epoch("val_accuracy") == 2
    assert history.best("auc") == 0.5 and history.best("auc", "min") == 0.2 and history.best_epoch("auc", "min") == 4


@pytest.mark.parametrize("key", ["loss", "val_loss", "mean_squared_error", "perplexity", "val_mae", "rmse"])
def test_smaller_is_better(key):
    assert better_is(key) == "min" and better_is(key, "max") == "max"


@pytest.mark.parametrize("key", ["accuracy", "val_accuracy", "auc", "f1", "bleu"])
def test_larger_is_better(key):
    assert better_is(key) == "max"


def test_errors_say_what_there_is():
    history = History(loss=[1.0], accuracy=[math.nan])
    for ask in (history.column, history.best, history.best_epoch):
        with pytest.raises(KeyError, match="no column 'val_loss' in this history; there are: loss, accuracy"):
            ask("val_loss")
    with pytest.raises(ValueError, match="'accuracy' has no finite value"):
        history.best("accuracy")
    with pytest.raises(ValueError, match="'min', 'max' or 'auto', got 'up'"):
        history.best("loss", "up")


def test_of_keras_history_and_of_a_dict():
    import numpy as np

    keras_result = SimpleNamespace(history={"loss": [np.float32(0.5), 1]}, stopped="interrupted")
    history = History.of(keras_result)
    assert history == {"loss": [0.5, 1.0]} and type(history["loss"][0]) is float
    assert history.stopped == "interrupted"
    assert History.of({"loss": [1]}).stopped is None
    assert History(stopped="early stopping").stopped == "early stopping"


def test_plot_draws_all_runs_in_one_figure(monkeypatch):
    calls = []
    monkeypatch.setattr(plot, "histories", lambda *args, **kwargs: calls.append((args, kwargs)))
    one, two = History(loss=[1.0]), History(loss=[2.0])
    one.plot(two, keys=("loss",), labels=["PyTorch", "Keras"], alt="both")
    assert calls == [(([one, two],), {"keys": ("loss",), "labels": ["PyTorch", "Keras"], "alt": "both"})]
