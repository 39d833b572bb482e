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
        columns = {key: [float(v) for v in column] for key, column in values.items()}
        return cls(columns, stopped=getattr(result, "stopped", None))

    @property
    def epochs(self):
        """Number of epochs recorded."""
        return max((len(column) for column in self.values()), default=0)

    def append(self, values):
        """Add one epoch: a dict of floats. Where a key has no value, now or in the epochs before, it gets NaN."""
        before = self.epochs
        for key in [*self, *(key for key in values if key not in self)]:
            self.setdefault(key, [math.nan] * before).append(float(values.get(key, math.nan)))

    def best(self, key, mode="auto"):
        """Best value of a column: the highest accuracy, the lowest loss.

        mode: "max", "min" or "auto" (see `better_is`). Raises KeyError naming the columns there are, ValueError if
        the column has no finite value.
        """
        if not (values := self.column(key)):
            raise ValueError(f"the column {key!r} has no finite value: has the run finished an epoch without NaN?")
        return (max if better_is(key, mode) == "max" else min)(values)

    def best_epoch(self, key, mode="auto"):
        """Epoch (counted from 1) of the best value of a column; the first one if several are equal."""
        best = self.best(key, mode)
        return self[key].index(best) + 1

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
