"""What Keras' own `fit` lacks for the course: progress, a clear stop on NaN, a gentle Ctrl-C, exact resume.

Lessons call `model.fit(..., verbose=0, callbacks=keras_train.callbacks())` and turn the result into the course's
`History` with `History.of`. Clipping (`global_clipnorm`), schedules, early stopping, TensorBoard and mixed precision
are Keras' own. Works on the TensorFlow, JAX and PyTorch backends.
"""

import math
import signal
import sys
import threading
import time
from pathlib import Path

from utils import runtime

runtime.triton_first()
import keras
import numpy as np

from utils import checkpoint
from utils.history import History


def callbacks(*extra, checkpoint_path=None, batches=None, progress=True):
    """Callbacks for `model.fit`: your own first, then columns, stop on NaN, Ctrl-C, checkpoint, progress bar.

    checkpoint_path: file to save to after each epoch and to resume from; batches: the `Batches` given to `fit`,
    so that their order depends on the epoch alone.
    """
    chain = [*extra, Columns(), StopOnNaN(), GentleInterrupt()]
    if batches is not None:
        chain.append(Order(batches))
    if checkpoint_path:
        chain.append(Checkpoint(checkpoint_path))
    return [*chain, Progress()] if progress else chain


class Batches(keras.utils.PyDataset):
    """In-memory loader for `model.fit`: (x, y) batches whose order depends on (seed, epoch) alone.

    x, y: arrays with N rows; transform: function of a NumPy batch x (B, ...) -> x. Call `model.fit(batches,
    shuffle=False)`: these batches are shuffled already, and Keras would draw another order from Python's `random`.
    A resumed run then sees the same batches as one that was never interrupted.

    Raises ValueError if x and y differ in length.
    """

    def __init__(self, x, y, batch_size=32, *, shuffle=True, seed=0, transform=None):
        super().__init__()
        if len(x) != len(y):
            raise ValueError(f"x has {len(x)} rows and y has {len(y)}: give one target for each example")
        self.x, self.y, self.batch_size, self.shuffle = np.asarray(x), np.asarray(y), batch_size, shuffle
        self.seed, self.transform = seed, transform
        self.set_epoch(0)

    def set_epoch(self, epoch):
        """Choose the order of epoch `epoch` (counted from 0)."""
        self.epoch, n = epoch, len(self.x)
        self.order = np.random.default_rng((self.seed, epoch)).permutation(n) if self.shuffle else np.arange(n)

    def on_epoch_end(self):
        """Called by Keras after each epoch."""
        self.set_epoch(self.epoch + 1)

    def __len__(self):
        """Number of batches in an epoch."""
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        x = self.x[rows]
        return (x if self.transform is None else self.transform(x)), self.y[rows]


class Order(keras.callbacks.Callback):
    """Give each epoch its own order, also when training resumes (Keras peeks at the data before the first one)."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.set_epoch(epoch)


class Columns(keras.callbacks.Callback):
    """Add the columns `seconds` and `lr` to Keras' history, as `torch_train.fit` has them."""

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        logs["lr"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        logs["seconds"] = time.perf_counter() - self.began


class StopOnNaN(keras.callbacks.Callback):
    """Raise FloatingPointError naming epoch and step when the loss is not finite."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(float(logs["loss"])):
            raise FloatingPointError(
                f"the loss became {float(logs['loss'])} in epoch {self.epoch + 1}, step {batch + 1}. Usual causes: "
                "the learning rate is too high (try a tenth), the inputs are not scaled or hold NaN, a logarithm or a "
                "division meets 0, or gradients explode (try global_clipnorm=1.0 in the optimizer)."
            )


class GentleInterrupt(keras.callbacks.Callback):
    """First Ctrl-C: end after this batch, keep the history, let early stopping restore its best weights."""

    def on_train_begin(self, logs=None):
        self.before, self.model.interrupted = None, False
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number, frame):
        self.model.stop_training = self.model.interrupted = True
        signal.signal(signal.SIGINT, self.before)  # a second Ctrl-C interrupts at once

    def on_train_end(self, logs=None):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)


class Checkpoint(keras.callbacks.Callback):
    """Save all state after each epoch and resume from the file if it is there.

    Weights, optimiser, seed generators and metrics are saved; the next epoch is bit-exact on the CPU when the data
    come from `Batches` and `Order` chooses the order. Raises ValueError if the file holds another model.
    """

    def __init__(self, path):
        super().__init__()
        self.path, self.columns = Path(path), History()

    def on_train_begin(self, logs=None):
        if not self.path.exists():
            return
        tensors, state = checkpoint.load(self.path)
        variables = self._variables()
        if [list(v.shape) for v in variables] != state["shapes"]:
            raise ValueError(f"{self.path} holds another model: delete it, or give this run another checkpoint file")
        for i, variable in enumerate(variables):
            variable.assign(tensors[f"{i:04d}"])
        self.columns = History(state["history"])
        self.model._initial_epoch = state["epoch"]  # as Keras' own BackupAndRestore does

    def on_epoch_end(self, epoch, logs=None):
        self.columns.append(logs)
        variables = self._variables()
        tensors = {f"{i:04d}": keras.ops.convert_to_numpy(v) for i, v in enumerate(variables)}
        state = {"epoch": epoch + 1, "history": dict(self.columns), "shapes": [list(v.shape) for v in variables]}
        checkpoint.save(self.path, tensors, state)

    def on_train_end(self, logs=None):
        self.model.history.history = dict(self.columns)

    def _variables(self):
        self.model.optimizer.build(self.model.trainable_variables)
        return [*self.model.variables, *self.model.optimizer.variables]


class Progress(keras.callbacks.Callback):
    """One bar for the whole run with the time that remains; it vanishes at the end. TQDM_DISABLE=1 turns it off."""

    def on_train_begin(self, logs=None):
        from tqdm.auto import tqdm

        steps = self.params.get("steps") or 1
        self.bar = tqdm(
            total=self.params["epochs"] * steps, leave=False, file=sys.stderr, unit="step", disable=runtime.quiet()
        )

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        shown = {k: f"{v:.3f}" for k, v in logs.items() if k not in ("lr", "seconds")}
        self.bar.set_postfix({"epoch": epoch + 1, **shown})

    def on_train_end(self, logs=None):
        self.bar.close()
