"""What one epoch of `utils.torch_train` adds up to: mean loss and metrics, kept on the device; are they finite?"""

import functools

import torch

from utils import torch_distributed

RESERVED = ("loss", "lr", "seconds")  # columns that every history has


class Totals:
    """Loss and metrics of one epoch, kept on the device: nothing waits for the accelerator before the epoch's end."""

    def __init__(self, run, loader, training=True):
        self.run, self.loader, self.training, self.rows, self.counts = run, loader, training, [], []

    def add(self, loss, outputs, y):
        """Take one batch: mean loss, outputs and targets of len(y) examples."""
        self.rows.append(loss.detach())
        self.rows.extend(metric(outputs, y).detach().float().mean() for metric in self.run.metrics.values())
        self.counts.append(len(y) / getattr(self.loader, "copies", 1))

    def means(self):
        """Averages over examples -> dict; FloatingPointError naming the step if a loss is not finite."""
        if not self.rows:
            raise ValueError("the loader gave no batch: it is empty, or exhausted because it is a one-time iterator")
        if 0 in self.counts:
            raise ValueError(f"batch {self.counts.index(0) + 1} of the loader has no rows: leave empty batches out")
        rows = torch.stack([r.float() for r in self.rows]).cpu().double()  # the one wait of the epoch
        rows = rows.reshape(len(self.counts), -1)  # (steps, 1 + metrics)
        if self.training and not torch.isfinite(rows[:, 0]).all():
            raise FloatingPointError(self._advice(rows[:, 0]))
        counts = torch.tensor(self.counts, dtype=torch.float64)
        sums = torch_distributed.add_up(torch.cat([counts @ rows, counts.sum().reshape(1)]), self.run.device)
        return dict(zip(("loss", *self.run.metrics), (sums[:-1] / sums[-1]).tolist(), strict=True))

    def _advice(self, losses):
        step = int((~torch.isfinite(losses)).nonzero()[0]) + 1
        return (
            f"the loss became {losses[step - 1].item()} in epoch {self.run.epoch + 1}, step {step}. Usual causes: "
            "the learning rate is too high (try a tenth), the inputs are not scaled or hold NaN, a logarithm or a "
            "division meets 0, gradients explode (try clip_norm=1.0), or float16 overflows (try precision='float32')."
        )


def check_weights(model, epoch):
    """FloatingPointError if a weight is not finite: a gradient can be NaN where the loss is not."""
    weights = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}
    finite = torch.stack([p.isfinite().all() for p in weights.values()]).tolist() if weights else []
    bad = [name for name, good in zip(weights, finite, strict=True) if not good]
    if bad:
        raise FloatingPointError(
            f"the loss of epoch {epoch} was finite, but its gradient was not: {', '.join(bad[:3])} became NaN or "
            "infinite. Usual causes: a square root, norm or division at 0, a torch.where whose other branch is NaN, "
            "NaN in the inputs, or a learning rate that is too high (try a tenth, or clip_norm=1.0)."
        )


def accuracy(outputs, y):
    """1 where the prediction is right: logits (B, K) against classes (B,), or one logit (B,) against 0 and 1.

    Raises ValueError for targets (B, K), which may be one-hot or several labels at once.
    """
    if outputs.ndim > y.ndim and outputs.shape[-1] > 1:
        return outputs.argmax(-1) == y
    if y.ndim > 1 and y.shape[-1] > 1:
        raise ValueError(
            f"accuracy compares logits (B, K) with classes (B,), but the targets are {tuple(y.shape)}: if they are "
            "one-hot, give classes, y.argmax(-1); for several labels at once give a metric of your own"
        )
    return (outputs.reshape(y.shape) > 0) == (y > 0.5)


def named(metrics):
    """Metrics as a dict name -> function; ValueError if a name is unknown, double or that of another column."""
    known = {"accuracy": accuracy}
    metrics = (metrics,) if isinstance(metrics, str) or callable(metrics) else metrics
    pairs = list(metrics.items()) if isinstance(metrics, dict) else [(_name(m), m) for m in metrics]
    for name, metric in pairs:
        if not callable(metric) and metric not in known:
            raise ValueError(
                f"unknown metric {metric!r}: give a function (outputs, y) -> (B,), or one of {list(known)}"
            )
        if name in RESERVED or name.startswith("val_"):
            raise ValueError(
                f"a metric cannot be called {name!r}, which is another column: give a dict name -> function"
            )
    names = [name for name, _ in pairs]
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise ValueError(f"two metrics are called {double[0]!r}: give a dict name -> function")
    return {name: metric if callable(metric) else known[metric] for name, metric in pairs}


def _name(metric):
    """The name of a metric: a string, a function, a partial function, or an object that can be called."""
    if isinstance(metric, functools.partial):
        return _name(metric.func)
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)
