"""The PyTorch training loop of lesson 1.8 with its options: an in-memory loader, fit, evaluate, predict.

`fit` is the loop; every option (clipping, schedules, early stopping, checkpoints, progress) is a small callback in
`utils.torch_callbacks`. Under `torchrun` the same call trains data-parallel: see `utils.torch_distributed`.
"""

import contextlib
import time

import numpy as np
import torch

from utils import runtime, torch_distributed
from utils import torch_callbacks as options
from utils.history import History
from utils.torch_callbacks import EarlyStopping, EveryStep, TensorBoard  # noqa: F401  part of this module's API

GATHER = 2048  # examples shuffled at a time: bounds the copy that shuffling makes


class Batches:
    """In-memory loader: yields (x, y) batches, reshuffled every epoch, cut from tensors on one device.

    x, y: arrays or tensors with N rows; transform: function of a batch x (B, ...) -> x, run on the device.
    The order depends on `seed` alone (default: drawn from PyTorch's generator). Under `torchrun` each process gets
    its share of every batch. Raises ValueError if x and y differ in length or batch_size < 1.
    """

    def __init__(self, x, y, batch_size=32, *, shuffle=True, drop_last=False, transform=None, seed=None):
        self.x, self.y = torch.as_tensor(_writable(x)), torch.as_tensor(_writable(y))
        if len(self.x) != len(self.y):
            raise ValueError(f"x has {len(self.x)} rows and y has {len(self.y)}: give one target for each example")
        if batch_size < 1:
            raise ValueError(f"batch_size is at least 1, got {batch_size}")
        self.batch_size, self.shuffle, self.drop_last, self.transform = batch_size, shuffle, drop_last, transform
        seed = int(torch.randint(2**31, ())) if seed is None else seed
        self.generator = torch.Generator().manual_seed(seed)

    def __len__(self):
        """Number of batches in an epoch."""
        n, b = len(self.x), self.batch_size
        return n // b if self.drop_last else -(-n // b)

    def to(self, device):
        """Keep the data on `device` if it fits there (at most half of a GPU's free memory) -> self."""
        size = self.x.nbytes + self.y.nbytes
        if torch.device(device).type != "cuda" or size < torch.cuda.mem_get_info(device)[0] / 2:
            self.x, self.y = self.x.to(device), self.y.to(device)
        return self

    def __iter__(self):
        n = len(self) * self.batch_size if self.drop_last else len(self.x)
        order = torch.randperm(len(self.x), generator=self.generator)[:n] if self.shuffle else torch.arange(n)
        for rows in order.to(self.x.device).split(max(1, GATHER // self.batch_size) * self.batch_size):
            x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)  # many batches at once, then cut
            for x_batch, y_batch in zip(x.split(self.batch_size), y.split(self.batch_size), strict=True):
                x_batch, y_batch = torch_distributed.share(x_batch, y_batch)
                yield (x_batch if self.transform is None else self.transform(x_batch)), y_batch


def fit(
    model,
    train,
    valid=None,
    *,
    loss_fn,
    optimizer,
    epochs,
    metrics=(),
    scheduler=None,
    clip_norm=None,
    early_stopping=None,
    precision="auto",
    compile=False,
    device=None,
    checkpoint=None,
    callbacks=(),
    progress=True,
):
    """Train `model` in place for `epochs` passes over `train` -> History (loss, metrics, val_*, lr, seconds).

    train, valid: `Batches`, a DataLoader, or any re-iterable of (x, y) batches; a tuple x is given to the model as
    several arguments. loss_fn(outputs, y): mean loss.
    metrics: names ("accuracy") or functions (outputs, y) -> (B,) or mean; averaged over examples.
    scheduler: stepped after each epoch; wrap it in `EveryStep` for one step a batch. clip_norm: largest norm of the
    whole gradient. early_stopping: `EarlyStopping(...)` or a patience in epochs. precision: see `runtime.precision`.
    compile: True, or the name of a `torch.compile` backend.
    checkpoint: file to save to after each epoch and to resume from. callbacks: `utils.torch_callbacks.Callback`s.

    Raises FloatingPointError naming epoch and step when the loss is not finite. Ctrl-C ends training with the best
    weights so far (by validation loss) and the history; `history.stopped` says so.
    """
    if epochs < 1:
        raise ValueError(f"epochs is at least 1, got {epochs}")
    run = Run(model, train, valid, loss_fn, optimizer, epochs, metrics, precision, compile, device)
    run.use(options.chosen(scheduler, clip_norm, early_stopping, checkpoint, callbacks, progress, valid))
    try:
        run.call("on_train_begin")
        while run.epoch < epochs and not run.stop:
            began = time.perf_counter()
            values = {**_train_epoch(run), "lr": optimizer.param_groups[0]["lr"]}
            if valid is not None:
                values |= {f"val_{k}": v for k, v in _evaluate(run, valid).items()}
            run.epoch += 1
            run.history.append(values | {"seconds": time.perf_counter() - began})
            run.call("on_epoch_end")
    except KeyboardInterrupt:
        run.history.stopped = "interrupted"
    finally:
        run.call("on_train_end")
    return run.history


class Run:
    """State of one call of `fit`; callbacks read and change it."""

    def __init__(self, model, train, valid, loss_fn, optimizer, epochs, metrics, precision, compile, device):
        self.device = torch_distributed.start(device or runtime.torch_device())
        self.model = model.to(self.device)
        if self.device.type == "cuda" and any(p.ndim == 4 for p in model.parameters()):
            self.model = model.to(memory_format=torch.channels_last)  # the fast layout for convolutions there
        self.train, self.valid, self.loss_fn, self.optimizer, self.epochs = train, valid, loss_fn, optimizer, epochs
        self.metrics, self.history, self.epoch, self.stop = _named(metrics), History(), 0, False
        dtype = runtime.precision(precision, self.device)
        mixed = dtype != torch.float32
        self.autocast = torch.autocast(self.device.type, dtype) if mixed else contextlib.nullcontext()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.forward = torch_distributed.wrap(_compiled(model, compile), self.device, train)
        self.hooks = {}
        for loader in (train, valid):
            if isinstance(loader, Batches):
                loader.to(self.device)

    def use(self, callbacks):
        """Take the callbacks, sorted by the hooks that they have."""
        for callback in callbacks:
            for hook in callback.hooks:
                self.hooks.setdefault(hook, []).append(getattr(callback, hook))

    def call(self, hook):
        """Call one hook of every callback that has it, in order."""
        for function in self.hooks.get(hook, ()):
            function(self)


def _train_epoch(run):
    """One pass over the training data: the loop of lesson 1.8."""
    run.model.train()
    totals = Totals(run)
    for x, y in run.train:
        x, y = to_device(x, run.device), to_device(y, run.device)
        with run.autocast:
            outputs = _call(run.forward, x)  # (B, ...)
            loss = run.loss_fn(outputs, y)
        run.optimizer.zero_grad()
        run.scaler.scale(torch_distributed.weighted(loss, len(y))).backward()
        run.call("on_backward")
        run.scaler.step(run.optimizer)
        run.scaler.update()
        totals.add(loss, outputs, y)
        run.call("on_step_end")
    return totals.means()


@torch.inference_mode()
def _evaluate(run, loader):
    run.model.eval()
    totals = Totals(run, training=False)
    for x, y in loader:
        x, y = to_device(x, run.device), to_device(y, run.device)
        with run.autocast:
            outputs = _call(run.model, x)
            loss = run.loss_fn(outputs, y)
        totals.add(loss, outputs, y)
    return totals.means()


def evaluate(model, loader, *, loss_fn, metrics=(), precision="auto", device=None):
    """Mean loss and metrics of `model` in eval mode over a loader of (x, y) -> dict of floats."""
    training = model.training
    run = Run(model, loader, None, loss_fn, None, 0, metrics, precision, False, device)
    try:
        return _evaluate(run, loader)
    finally:
        model.train(training)


@torch.inference_mode()
def predict(model, x, batch_size=512, *, device=None):
    """Outputs of `model` in eval mode for x (N, ...), or a tuple of inputs -> NumPy array (N, ...) in float32."""
    device, training = torch.device(device or runtime.torch_device()), model.training
    model.to(device).eval()
    parts = x if isinstance(x, tuple) else (x,)
    batches = zip(*(torch.as_tensor(_writable(part)).split(batch_size) for part in parts), strict=True)
    outputs = [model(*to_device(batch, device)).float().cpu() for batch in batches]
    model.train(training)
    return torch.cat(outputs).numpy()


class Totals:
    """Sums over one epoch, kept on the device: nothing waits for the accelerator before the epoch's end."""

    def __init__(self, run, training=True):
        self.run, self.training, self.rows, self.counts = run, training, [], []

    def add(self, loss, outputs, y):
        """Take one batch: mean loss, outputs and targets of len(y) examples."""
        self.rows.append(loss.detach())
        if self.run.metrics:
            with torch.no_grad():
                self.rows.extend(m(outputs, y).float().mean() for m in self.run.metrics.values())
        self.counts.append(len(y))

    def means(self):
        """Averages over examples -> dict; FloatingPointError naming the step if a loss is not finite."""
        if not self.rows:
            raise ValueError("the loader gave no batch: it is empty, or exhausted because it is a one-time iterator")
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


def accuracy(outputs, y):
    """1 where the prediction is right: logits (B, K) against classes (B,), or one logit (B,) against 0 and 1."""
    if outputs.ndim > y.ndim and outputs.shape[-1] > 1:
        return outputs.argmax(-1) == y
    return (outputs.reshape(y.shape) > 0) == (y > 0.5)


def _compiled(model, backend):
    """The model through `torch.compile`, if asked for; it shares its weights with the original."""
    if not backend:
        return model
    return torch.compile(model) if backend is True else torch.compile(model, backend=backend)


def _named(metrics):
    """Metrics as a dict name -> function."""
    if isinstance(metrics, dict):
        return metrics
    known = {"accuracy": accuracy}
    for metric in metrics:
        if not callable(metric) and metric not in known:
            raise ValueError(
                f"unknown metric {metric!r}: give a function (outputs, y) -> (B,), or one of {list(known)}"
            )
    return {m if isinstance(m, str) else m.__name__: known.get(m, m) for m in metrics}


def _call(model, x):
    """The outputs of a model for one batch; a tuple holds several inputs."""
    return model(*x) if isinstance(x, (tuple, list)) else model(x)


def to_device(batch, device):
    """Move a tensor, or a tuple, list or dict of tensors, to a device."""
    if isinstance(batch, dict):
        return {k: to_device(v, device) for k, v in batch.items()}
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(v, device) for v in batch)
    return batch.to(device, non_blocking=True) if isinstance(batch, torch.Tensor) else batch


def _writable(x):
    """A NumPy array that PyTorch may share; data sets of the course are read-only and are copied once."""
    return x.copy() if isinstance(x, np.ndarray) and not x.flags.writeable else x
