"""Callbacks for Keras' `fit`: columns, a clear stop on NaN, a gentle Ctrl-C, exact resume, progress.

`utils.keras_train.callbacks` puts them together. They work on the TensorFlow, JAX and PyTorch backends.
"""

import math
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

from utils import runtime

runtime.triton_first()
import keras

from utils import checkpoint
from utils.history import History


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
    """Raise FloatingPointError naming epoch and step when the loss is not finite, or the weights that are not."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(float(logs["loss"])):
            raise FloatingPointError(
                f"the loss became {float(logs['loss'])} in epoch {self.epoch + 1}, step {batch + 1}. Usual causes: "
                "the learning rate is too high (try a tenth), the inputs are not scaled or hold NaN, a logarithm or a "
                "division meets 0, or gradients explode (try global_clipnorm=1.0 in the optimizer)."
            )

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.trainable_variables
        bad = [w.path for w in weights if not bool(keras.ops.all(keras.ops.isfinite(w.value)))]
        if bad:
            raise FloatingPointError(
                f"the loss of epoch {epoch + 1} was finite, but its gradient was not: {', '.join(bad[:3])} became NaN "
                "or infinite. Usual causes: NaN in the inputs (TensorFlow's ReLU turns NaN into 0, so that the loss "
                "does not show it), a square root, norm or division at 0, or a learning rate that is too high."
            )


class GentleInterrupt(keras.callbacks.Callback):
    """First Ctrl-C: end after this batch, keep the history, let early stopping restore its best weights.

    `interrupted` says that this has happened; `in_mid_epoch` that the last epoch has not seen all its batches.
    """

    interrupted = in_mid_epoch = False

    def on_train_begin(self, logs=None):
        self.before, self.interrupted = None, False
        if threading.current_thread() is threading.main_thread():
            self.before = signal.signal(signal.SIGINT, self._stop)

    def _stop(self, number, frame):
        signal.signal(signal.SIGINT, self.before)  # a second Ctrl-C interrupts at once
        if not self._trains(frame):  # an error has ended `fit`: this Ctrl-C is for somebody else
            signal.raise_signal(signal.SIGINT)
            return
        self.model.stop_training = self.interrupted = True

    def _trains(self, frame):
        """Whether `fit` of this model is among the calls that a signal has met; Keras tells no callback of errors."""
        model = self.model
        while frame is not None:
            if frame.f_code.co_name == "fit" and frame.f_locals.get("self") is model:
                return True
            frame = frame.f_back
        return False

    def on_epoch_begin(self, epoch, logs=None):
        self.batch = -1

    def on_train_batch_end(self, batch, logs=None):
        self.batch = batch

    def on_epoch_end(self, epoch, logs=None):
        steps = self.params.get("steps") or math.inf  # unknown for generators: then take it as broken off
        self.in_mid_epoch = self.interrupted and self.batch + 1 < steps

    def on_train_end(self, logs=None):
        if self.before is not None:
            signal.signal(signal.SIGINT, self.before)
        if self.interrupted or self.model.stop_training:
            self.model.history.stopped = "interrupted" if self.interrupted else "early stopping"


class Checkpoint(keras.callbacks.Callback):
    """Save all state after each epoch and resume from the file if it is there.

    Saved are weights, optimizer, seed generators, metrics, and what the callbacks in `remember` keep (REMEMBERED); the
    next epoch is bit-exact on the CPU when the data come from `Batches` and `Order` chooses the order. An epoch that
    Ctrl-C broke off (`interrupt`) is not saved. A learning rate that this run gives otherwise than the saved one holds
    from here on, and a warning says so. Raises ValueError if the file holds another model, optimizer or set of
    callbacks, or no training run at all.
    """

    REMEMBERED = ("best", "best_epoch", "best_weights", "wait", "cooldown_counter", "stopped_epoch")

    def __init__(self, path, remember=(), interrupt=None):
        super().__init__()
        self.path, self.interrupt, self.columns = Path(path).expanduser(), interrupt, History()
        self.remember = [c for c in remember if any(hasattr(c, name) for name in self.REMEMBERED)]

    def on_train_begin(self, logs=None):
        self.stopped, self.columns = None, History()
        self.first_rate = self._rate()
        if not self.path.exists():
            return
        arrays, plain = checkpoint.load(self.path)
        if "epoch" not in plain or "weights" not in plain:
            raise ValueError(
                f"{self.path} holds no training run of Keras, perhaps only weights: read those with "
                "checkpoint.load_keras, and give this run another checkpoint file"
            )
        state = checkpoint.unflatten(arrays, plain)
        self._compare(state)
        variables = self._variables()
        for variable, value in zip(variables, state["weights"], strict=True):
            variable.assign(value)
        for callback, saved in zip(self.remember, state["remembered"], strict=True):
            vars(callback).update(saved)
        self.columns, self.stopped = History(state["history"]), state["stopped"]
        # as Keras' own BackupAndRestore does; a run that was stopped early has nothing left to do
        self.model._initial_epoch = self.params["epochs"] if self.stopped else state["epoch"]
        given, first = self.first_rate, state["first_rate"]
        is_schedule = not isinstance(self.model.optimizer.learning_rate, keras.Variable)
        if given != first and self._rate() == first and not is_schedule:
            warnings.warn(
                f"resumed after epoch {state['epoch']} with lr {given:.4g} instead of {first:.4g}", stacklevel=2
            )
            self.model.optimizer.learning_rate = given

    def on_epoch_begin(self, epoch, logs=None):
        self.model._initial_epoch = None  # for this `fit` alone

    def on_epoch_end(self, epoch, logs=None):
        if self.interrupt is not None and self.interrupt.in_mid_epoch:
            return
        self.columns.append(logs)
        interrupted = self.interrupt is not None and self.interrupt.interrupted
        self.stopped = "early stopping" if self.model.stop_training and not interrupted else None
        convert = lambda value: keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value
        state = self._kinds() | {
            "epoch": epoch + 1,
            "history": dict(self.columns),
            "stopped": self.stopped,
            "first_rate": self.first_rate,
            "weights": [keras.ops.convert_to_numpy(v) for v in self._variables()],
            "remembered": [{n: v for n, v in vars(c).items() if n in self.REMEMBERED} for c in self.remember],
        }
        checkpoint.save(self.path, *checkpoint.flatten(state, convert))

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None
        self.model.history.history = dict(self.columns)
        if self.stopped:
            self.model.history.stopped = self.stopped

    def _variables(self):
        self.model.optimizer.build(self.model.trainable_variables)
        return [*self.model.variables, *self.model.optimizer.variables]

    def _rate(self):
        """The learning rate of the optimizer; of a schedule, the one at this step."""
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _kinds(self):
        """What a file must have in common with a run that resumes from it."""
        return {
            "structure": checkpoint.keras_structure(self.model),
            "shapes": [list(v.shape) for v in self.model.variables],
            "optimizer_kind": type(self.model.optimizer).__name__,
            "callback_kinds": [type(callback).__name__ for callback in self.remember],
        }

    def _compare(self, state):
        """ValueError that says in what the saved run differs from this one."""
        own, advice = self._kinds(), "delete the file, or give this run another checkpoint file"
        if own["shapes"] != state["shapes"]:
            raise ValueError(f"{self.path} holds another model: {advice}")
        checkpoint.compare_structure(self.path, own["structure"], state["structure"])
        kinds = own["optimizer_kind"], state["optimizer_kind"]
        if kinds[0] != kinds[1] or len(self._variables()) != len(state["weights"]):
            raise ValueError(f"{self.path} holds the state of {kinds[1]}, but this run has {kinds[0]}: {advice}")
        names = own["callback_kinds"], state["callback_kinds"]
        if names[0] != names[1]:
            raise ValueError(
                f"{self.path} was saved with the callbacks {', '.join(names[1]) or 'none'}, but this run has "
                f"{', '.join(names[0]) or 'none'}: give the same ones, or {advice}"
            )


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
