"""History of a training run: a dict of lists with Keras' keys, the same for both frameworks."""

import math


class History(dict):
    """Values per epoch by name: `{"loss": [...], "val_accuracy": [...], "seconds": [...]}`.

    `stopped` says why training ended early ("early stopping", "interrupted"), else None.
    """

    def __init__(self, *args, stopped=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.stopped = stopped

    @classmethod
    def of(cls, result):
        """History of what `keras.Model.fit` returned, or of any dict of lists."""
        values = getattr(result, "history", result)
        stopped = "interrupted" if getattr(getattr(result, "model", None), "interrupted", False) else None
        return cls({key: [float(v) for v in column] for key, column in values.items()}, stopped=stopped)

    @property
    def epochs(self):
        """Number of epochs recorded."""
        return max((len(column) for column in self.values()), default=0)

    def append(self, values):
        """Add one epoch: a dict of floats. A key that is new starts with NaN for the epochs before."""
        before = self.epochs
        for key, value in values.items():
            self.setdefault(key, [math.nan] * before).append(float(value))

    def best(self, key, mode="auto"):
        """Best value of a column: the highest accuracy, the lowest loss.

        mode: "max", "min" or "auto" (see `better_is`). Raises KeyError naming the columns there are.
        """
        return (max if better_is(key, mode) == "max" else min)(self.column(key))

    def best_epoch(self, key, mode="auto"):
        """Epoch (counted from 1) of the best value of a column; the first one if several are equal."""
        return self.column(key).index(self.best(key, mode)) + 1

    def column(self, key):
        """The finite values of one column, in order."""
        if key not in self:
            raise KeyError(f"no column {key!r} in this history; there are: {', '.join(self) or 'none'}")
        return [v for v in self[key] if math.isfinite(v)]

    def plot(self, *others, keys=("loss",), labels=None, alt=None):
        """Draw the columns `keys` of this and other histories in one figure; see `plot.histories`."""
        from utils import plot

        return plot.histories([self, *others], keys=keys, labels=labels, alt=alt)

    def __repr__(self):
        last = ", ".join(f"{k} {v[-1]:.4g}" for k, v in self.items() if v)
        return f"History of {self.epochs} epochs (last: {last})"


def better_is(key, mode="auto"):
    """Whether a larger or a smaller value of a metric is better -> "max" or "min".

    "auto" takes losses and errors as smaller-is-better, everything else as larger-is-better.
    """
    if mode in ("min", "max"):
        return mode
    if mode != "auto":
        raise ValueError(f"mode is 'min', 'max' or 'auto', got {mode!r}")
    small = ("loss", "error", "perplexity", "seconds", "lr", "mse", "mae", "rmse")
    return "min" if any(key.endswith(word) for word in small) else "max"
