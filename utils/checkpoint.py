"""Weights and training state on disk: safetensors for tensors, JSON in the same file's header for the rest.

One file per checkpoint, written beside its final name and moved into place in one step, so that a process that is
killed at any moment leaves either the old checkpoint or the new one. Nothing is pickled.
"""

import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

WEIGHTS = Path(__file__).parent / "weights"  # the checkpoints that come with the course


def save(path, tensors, state=None):
    """Write arrays (a dict name -> NumPy array) and a JSON-able `state` to one file, atomically.

    Raises TypeError if `state` holds something JSON cannot carry.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in tensors.items()}
    content = to_bytes(arrays, metadata={"state": json.dumps(state or {})})
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # on disk before the name points to it
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)  # only there when something went wrong, such as a full disk
    return path


def load(path):
    """Read a file that `save` wrote -> (dict of NumPy arrays, state).

    Raises FileNotFoundError, or ValueError if the file is damaged or is not a safetensors file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}; save one first, or check the name")
    try:
        with safe_open(path, framework="numpy") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file ({error}); delete it and train again") from error


def course(name):
    """Path of a checkpoint that comes with the course; `tools/train_checkpoints.py` makes them.

    Raises ValueError that lists the names there are.
    """
    names = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
    if name not in names:
        raise ValueError(f"the course has no checkpoint {name!r}; there are: {', '.join(names)}")
    return WEIGHTS / f"{name}.safetensors"


def save_torch(path, model, state=None):
    """Write the weights and buffers of a PyTorch module to a safetensors file that any framework can read."""
    return save(path, {k: v.detach().cpu().numpy() for k, v in model.state_dict().items()}, state)


def load_torch(path, model):
    """Read weights that `save_torch` wrote into a PyTorch module -> the state saved with them.

    Raises ValueError naming the missing, unexpected or differently shaped tensors.
    """
    import torch

    tensors, state = load(path)
    own = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    _compare(path, own, {k: v.shape for k, v in tensors.items()})
    model.load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items()})
    return state


def save_keras(path, model, state=None):
    """Write the weights of a built Keras model to a safetensors file, in the order of `model.weights`."""
    return save(path, {f"{i:05d}.{w.path}": np.asarray(w) for i, w in enumerate(_keras_weights(model))}, state)


def load_keras(path, model):
    """Read weights that `save_keras` wrote into a built Keras model of the same architecture -> the state."""
    tensors, state = load(path)
    weights, ordered = _keras_weights(model), [tensors[name] for name in sorted(tensors)]
    names = [f"weight {i} ({w.path})" for i, w in enumerate(weights)]
    names += [f"weight {i} ({name})" for i, name in enumerate(sorted(tensors))][len(names) :]
    own, saved = [tuple(w.shape) for w in weights], [a.shape for a in ordered]
    _compare(path, dict(zip(names, own, strict=False)), dict(zip(names, saved, strict=False)))
    for weight, array in zip(weights, ordered, strict=True):
        weight.assign(array)
    return state


def _keras_weights(model):
    if not model.built:
        raise ValueError("this Keras model has no weights yet: build it with keras.Input or call it on data first")
    return model.weights


def _compare(path, own, saved):
    problems = [f"{k} is missing in the file" for k in own if k not in saved]
    problems += [f"{k} is not in the model" for k in saved if k not in own]
    problems += [
        f"{k} is {tuple(saved[k])} in the file and {tuple(own[k])} in the model"
        for k in own
        if k in saved and tuple(own[k]) != tuple(saved[k])
    ]
    if problems:
        raise ValueError(f"{path} does not fit this model: " + "; ".join(problems[:5]))
