"""What Keras itself lacks for the course: callbacks for `fit`, batches in a known order, gradients on every backend.

Lessons call `model.fit(..., verbose=0, callbacks=keras_train.callbacks())` and turn the result into the course's
`History` with `History.of`. Clipping (`global_clipnorm`), schedules, early stopping, TensorBoard and mixed precision
are Keras' own. Works on the TensorFlow, JAX and PyTorch backends. The callbacks are in `utils.keras_callbacks`.
"""

import contextlib
import sys

from utils import runtime

runtime.triton_first()
import keras
import numpy as np

from utils.history import History  # noqa: F401  part of this module's API
from utils.keras_callbacks import Checkpoint, Columns, GentleInterrupt, Order, Progress, StopOnNaN


def callbacks(*extra, checkpoint_path=None, batches=None, progress=True):
    """Callbacks for `model.fit`: your own first, then columns, stop on NaN, Ctrl-C, checkpoint, progress bar.

    checkpoint_path: file to save to after each epoch and to resume from; what EarlyStopping, ReduceLROnPlateau and
    the like among `extra` remember is saved too. batches: the `Batches` given to `fit`, so that their order depends
    on the epoch alone.
    """
    interrupt = GentleInterrupt()
    chain = [*extra, Columns(), StopOnNaN(), interrupt]
    if batches is not None:
        chain.append(Order(batches))
    if checkpoint_path:
        chain.append(Checkpoint(checkpoint_path, extra, interrupt))
    return [*chain, Progress()] if progress else chain


def gradients(f, *arrays, variables=()):
    """Gradients of the number f(*arrays) by each array and then by each variable -> list of Keras tensors.

    f: function of Keras tensors that returns a tensor of shape (). arrays: tensors, NumPy arrays or numbers;
    variables: Keras variables that f uses, such as `model.trainable_variables`. What does not matter to f has
    gradient 0. State that f would change (moving averages, seeds of dropout) stays as it is. Calls can be nested for
    second derivatives. Raises ValueError if f does not return one number, TypeError for integer arrays.
    """
    inputs = [keras.ops.convert_to_tensor(array) for array in arrays]
    for tensor in inputs:
        if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(tensor.dtype)):
            raise TypeError(f"an array of {tensor.dtype} has no gradient: give floating-point numbers")

    def number(*tensors):
        values = zip(variables, tensors[len(arrays) :], strict=True)
        with keras.StatelessScope(state_mapping=list(values)):
            result = keras.ops.convert_to_tensor(f(*tensors[: len(arrays)]))
        if tuple(result.shape) != ():
            raise ValueError(
                f"the function returns a tensor of shape {tuple(result.shape)}, but a gradient belongs to one number: "
                "take its sum, its mean or one of its entries"
            )
        return result

    backends = {"tensorflow": _with_tensorflow, "torch": _with_torch, "jax": _with_jax}
    return backends[keras.backend.backend()](number, [*inputs, *(variable.value for variable in variables)])


def _with_tensorflow(f, inputs):
    import tensorflow as tf

    inputs = [tf.convert_to_tensor(x) for x in inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = f(*inputs)
    grads = tape.gradient(value, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [tf.convert_to_tensor(grad) for grad in grads]  # those of an Embedding come as IndexedSlices


def _with_jax(f, inputs):
    import jax

    return list(jax.grad(f, argnums=tuple(range(len(inputs))))(*inputs))


def _with_torch(f, inputs):
    torch = sys.modules["torch"]  # Keras computes with it
    is_inner = [x.requires_grad and not isinstance(x, torch.nn.Parameter) for x in inputs]  # of a nested call
    inputs = [x if inner else x.detach().requires_grad_() for x, inner in zip(inputs, is_inner, strict=True)]
    with torch.enable_grad():
        value = f(*inputs)
        if not value.requires_grad:
            return [torch.zeros_like(x) for x in inputs]
        grads = torch.autograd.grad(value, inputs, allow_unused=True, create_graph=any(is_inner))
    return [torch.zeros_like(x) if grad is None else grad for grad, x in zip(grads, inputs, strict=True)]


def gradients_inside(model, x, y, loss_fn, layers):
    """Outputs of some layers of a model and the gradients of its loss by them -> two lists of Keras tensors.

    x (B, …), y: a batch; loss_fn(y, outputs) -> number; layers: layers of the model that are called once each. The
    model runs in inference mode. A gradient here is the one by a number added to the layer's output, at 0. Raises
    ValueError if a layer does not take part.
    """
    outputs = {}
    with _replaced_calls(layers, lambda i, out: outputs.setdefault(i, out)):
        model(x, training=False)
    missing = [layer.name for i, layer in enumerate(layers) if i not in outputs]
    if missing:
        raise ValueError(f"the model does not call {', '.join(missing)}: give layers that it is made of")

    def loss(*shifts):
        with _replaced_calls(layers, lambda i, out: out + shifts[i]):
            return loss_fn(y, model(x, training=False))

    zeros = [keras.ops.zeros_like(outputs[i]) for i in range(len(layers))]
    return [outputs[i] for i in range(len(layers))], gradients(loss, *zeros)


@contextlib.contextmanager
def _replaced_calls(layers, change):
    """Pass what each layer returns through change(number of the layer, output) for a while."""

    def changed(i, call):
        return lambda *args, **options: change(i, call(*args, **options))

    for i, layer in enumerate(layers):
        vars(layer)["call"] = changed(i, layer.call)
    try:
        yield
    finally:
        for layer in layers:
            vars(layer).pop("call", None)


class Batches(keras.utils.PyDataset):
    """In-memory loader for `model.fit`: (x, y) batches whose order depends on (seed, epoch) alone.

    x, y: arrays with N rows; transform: function of a NumPy batch x (B, ...) -> x. Call `model.fit(batches,
    shuffle=False)`: these batches are shuffled already, and Keras would draw another order from Python's `random`.
    A resumed run then sees the same batches as one that was never interrupted.

    Raises ValueError if x and y differ in length or are empty, or batch_size < 1.
    """

    def __init__(self, x, y, batch_size=32, *, shuffle=True, seed=0, transform=None):
        super().__init__()
        if len(x) != len(y):
            raise ValueError(f"x has {len(x)} rows and y has {len(y)}: give one target for each example")
        if not len(x) or batch_size < 1:
            raise ValueError(f"{len(x)} rows make no batch of {batch_size}: give at least one row and batch_size >= 1")
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
