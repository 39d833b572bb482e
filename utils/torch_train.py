"""The PyTorch training loop of lesson 1.8 with its options: an in-memory loader, fit, evaluate, predict.

`fit` is the loop; every option (clipping, schedules, early stopping, progress) is a small callback in
`utils.torch_callbacks`, checkpoints are in `utils.torch_checkpoint`, metrics in `utils.torch_metrics`. Under `torchrun`
the same call trains data-parallel: see `utils.torch_distributed`.
"""

import contextlib
import time

import numpy as np
import torch

from utils import runtime, torch_distributed
from utils.history import History
from utils.torch_callbacks import Clip, EarlyStopping, EveryStep, KeepBest, Progress, Schedule, TensorBoard  # noqa: F401
from utils.torch_checkpoint import Checkpoint
from utils.torch_metrics import Totals, accuracy, check_weights, named  # noqa: F401  accuracy is part of this module's API

GATHER = 256  # examples shuffled at a time: small enough that the copy reuses memory instead of asking for new pages


class Batches:
    """In-memory loader: yields (x, y) batches, reshuffled every epoch, cut from tensors on one device.

    x, y: arrays or tensors with N rows; transform: function of a batch x (B, ...) -> x, run on the device.
    The order depends on `seed` alone (default: drawn from PyTorch's generator). Under `torchrun` each process gets
    its share of every batch. Raises ValueError if x and y differ in length, batch_size < 1, or there is no batch.
    """

    def __init__(self, x, y, batch_size=32, *, shuffle=True, drop_last=False, transform=None, seed=None):
        self.x, self.y = torch.as_tensor(_writable(x)), torch.as_tensor(_writable(y))
        if len(self.x) != len(self.y):
            raise ValueError(f"x has {len(self.x)} rows and y has {len(self.y)}: give one target for each example")
        if batch_size < 1:
            raise ValueError(f"batch_size is at least 1, got {batch_size}")
        self.batch_size, self.shuffle, self.drop_last, self.transform = batch_size, shuffle, drop_last, transform
        if not len(self):
            raise ValueError(f"{len(self.x)} rows make no batch of {batch_size}: give more, or drop_last=False")
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
        alone = torch_distributed.world() == 1
        for rows in order.to(self.x.device).split(max(1, GATHER // self.batch_size) * self.batch_size):
            x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)  # many batches at once, then cut
            for batch in zip(x.split(self.batch_size), y.split(self.batch_size), strict=True):
                x_batch, y_batch = batch if alone else self._share(*batch)
                yield (x_batch if self.transform is None else self.transform(x_batch)), y_batch

    def _share(self, x, y):
        """This process' part of a batch; the totals divide by the number of processes that have the same part."""
        self.copies = torch_distributed.copies(len(x))
        return torch_distributed.share(x, y)


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
    metrics: names ("accuracy"), functions (outputs, y) -> (B,) or mean, or a dict name -> function; averaged over
    examples.
    scheduler: stepped after each epoch; wrap it in `EveryStep` for one step a batch. clip_norm: largest norm of the
    whole gradient. early_stopping: `EarlyStopping(...)` or a patience in epochs. precision: see `runtime.precision`.
    compile: True, or the name of a `torch.compile` backend.
    checkpoint: file to save to after each epoch and to resume from (`utils.torch_checkpoint`). callbacks:
    `utils.torch_callbacks.Callback`s.

    Raises FloatingPointError naming epoch and step when the loss is not finite, or the weights when a gradient was
    not; ValueError if the optimizer belongs to another model. Ctrl-C ends training with the best weights so far (by
    validation loss) and the history; `history.stopped` says so.
    """
    if epochs < 1:
        raise ValueError(f"epochs is at least 1, got {epochs}")
    run = Run(model, train, valid, loss_fn, optimizer, epochs, metrics, precision, compile, device)
    run.use(_chosen(scheduler, clip_norm, early_stopping, checkpoint, callbacks, progress, valid))
    try:
        run.begin()
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
        run.end()
    return run.history


def _chosen(scheduler, clip_norm, early_stopping, checkpoint, extra, progress, valid):
    """The callbacks for the arguments of `fit`, in the order in which they act."""
    if type(early_stopping) is int and early_stopping > 0:
        early_stopping = EarlyStopping(patience=early_stopping)
    if early_stopping not in (None, False) and not isinstance(early_stopping, EarlyStopping):
        raise ValueError(f"early_stopping is a patience in epochs or EarlyStopping(...), got {early_stopping!r}")
    if early_stopping and valid is None and early_stopping.monitor.startswith("val_"):
        raise ValueError(f"early stopping watches {early_stopping.monitor!r}: give `valid`, or monitor='loss'")
    best = early_stopping or (KeepBest() if valid is not None else None)
    chain = [Clip(clip_norm) if clip_norm else None, Schedule(scheduler) if scheduler else None, best, *extra]
    if checkpoint:
        chain.append(Checkpoint(checkpoint, [c for c in chain if hasattr(c, "state_dict")]))
    if progress and torch_distributed.is_main() and not runtime.quiet():
        chain.append(Progress())
    return [c for c in chain if c]


class Run:
    """State of one call of `fit`; callbacks read and change it."""

    def __init__(self, model, train, valid, loss_fn, optimizer, epochs, metrics, precision, compile, device):
        self.device = torch_distributed.start(device or runtime.torch_device())
        _check_optimizer(model, optimizer)
        self.model = model.to(self.device)
        if self.device.type == "cuda" and any(p.ndim == 4 for p in model.parameters()):
            self.model = model.to(memory_format=torch.channels_last)  # the fast layout for convolutions there
        self.train, self.valid, self.loss_fn, self.optimizer, self.epochs = train, valid, loss_fn, optimizer, epochs
        self.metrics, self.history, self.epoch, self.stop = named(metrics), History(), 0, False
        dtype = runtime.precision(precision, self.device)
        mixed = dtype != torch.float32
        self.autocast = torch.autocast(self.device.type, dtype) if mixed else contextlib.nullcontext()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        self.forward = torch_distributed.wrap(_compiled(model, compile), self.device, train)
        self.hooks, self.callbacks, self.begun = {}, [], []
        for loader in (train, valid):
            if isinstance(loader, Batches):
                loader.to(self.device)

    def use(self, callbacks):
        """Take the callbacks, sorted by the hooks that they have."""
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            for hook in callback.hooks:
                self.hooks.setdefault(hook, []).append(getattr(callback, hook))

    def call(self, hook):
        """Call one hook of every callback that has it, in order."""
        for function in self.hooks.get(hook, ()):
            function(self)

    def begin(self):
        """Call `on_train_begin` of every callback, in order."""
        for callback in self.callbacks:
            if "on_train_begin" in callback.hooks:
                callback.on_train_begin(self)
            self.begun.append(callback)

    def end(self):
        """Call `on_train_end` of every callback that has begun, in order, also when one of them fails."""
        with contextlib.ExitStack() as stack:  # it calls last things first
            for callback in reversed(self.begun):
                if "on_train_end" in callback.hooks:
                    stack.callback(callback.on_train_end, self)


def _check_optimizer(model, optimizer):
    """ValueError if an optimizer has no parameter of the model: it would train nothing."""
    if optimizer is None:
        return
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if held.isdisjoint(id(p) for p in model.parameters()):
        raise ValueError(
            "this optimizer has no parameter of this model, so it would train nothing: make it from "
            "model.parameters(), again after each new model"
        )


def _train_epoch(run):
    """One pass over the training data: the loop of lesson 1.8."""
    run.model.train()
    totals = Totals(run, run.train)
    for x, y in run.train:
        x, y = to_device(x, run.device), to_device(y, run.device)
        with run.autocast:
            outputs = run.forward(*_inputs(x))  # (B, ...)
            loss = run.loss_fn(outputs, y)
        run.optimizer.zero_grad()
        run.scaler.scale(torch_distributed.weighted(loss, len(y))).backward()
        run.call("on_backward")
        run.scaler.step(run.optimizer)
        run.scaler.update()
        totals.add(loss, outputs, y)
        run.call("on_step_end")
    means = totals.means()
    check_weights(run.model, run.epoch + 1)
    return means


@torch.inference_mode()
def _evaluate(run, loader):
    run.model.eval()
    totals = Totals(run, loader, training=False)
    for x, y in loader:
        x, y = to_device(x, run.device), to_device(y, run.device)
        with run.autocast:
            outputs = run.model(*_inputs(x))
            loss = run.loss_fn(outputs, y)
        totals.add(loss, outputs, y)
    return totals.means()


def evaluate(model, loader, *, loss_fn, metrics=(), precision="auto", device=None):
    """Mean loss and metrics of `model` in eval mode over a loader of (x, y) -> dict of floats."""
    run = Run(model, loader, None, loss_fn, None, 0, metrics, precision, False, device)
    with eval_mode(model):
        return _evaluate(run, loader)


@torch.inference_mode()
def predict(model, x, batch_size=512, *, device=None):
    """Outputs of `model` in eval mode for x (N, ...), or a tuple of inputs -> NumPy array (N, ...) in float32."""
    device = torch.device(device or runtime.torch_device())
    model.to(device)
    batches = zip(*(torch.as_tensor(_writable(part)).split(batch_size) for part in _inputs(x)), strict=True)
    with eval_mode(model):
        outputs = [model(*to_device(batch, device)).float().cpu() for batch in batches]
    return torch.cat(outputs).numpy()


@contextlib.contextmanager
def eval_mode(model):
    """Switch a model to eval mode for a while; each of its modules gets its own mode back, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _compiled(model, backend):
    """The model through `torch.compile`, if asked for; it shares its weights with the original."""
    if not backend:
        return model
    return torch.compile(model) if backend is True else torch.compile(model, backend=backend)


def _inputs(x):
    """The arguments of a model for one batch; a tuple or list holds several."""
    return x if isinstance(x, (tuple, list)) else (x,)


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
