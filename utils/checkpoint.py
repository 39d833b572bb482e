"""Weights and training state on disk: safetensors for tensors, JSON in the same file's header for the rest.

One file per checkpoint, written beside its final name and moved into place in one step, so that a process that is
killed at any moment leaves either the old checkpoint or the new one. A checksum tells a damaged file. Nothing is
pickled.
"""

import contextlib
import glob
import hashlib
import json
import os
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

WEIGHTS = Path(__file__).parent / "weights"  # the checkpoints that come with the course


def save(path, tensors, state=None, structure=None):
    """Write arrays (a dict name -> NumPy array) and a JSON-able `state` to one file, atomically -> its path.

    structure: what the model is made of, from `torch_structure` or `keras_structure`; `load_torch` and `load_keras`
    compare it. Raises TypeError if `state` holds something JSON cannot carry.
    """
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in tensors.items()}
    header = {"state": json.dumps(state or {}), "structure": json.dumps(structure)}
    content = to_bytes(arrays, metadata=header | {"checksum": _checksum(arrays, header)})
    _remove_partials(path)
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
    tensors, header = _read(path)
    return tensors, json.loads(header.get("state", "{}"))


def _read(path):
    """Arrays and header of a file whose checksum is right, if it has one (files of other programs have none)."""
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint at {path}; save one first, or check the name")
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file ({error}); delete it and train again") from error
    checksum = header.pop("checksum", None)
    if checksum not in (None, _checksum(tensors, header)):
        raise ValueError(f"{path} is damaged: its content does not match its checksum; delete it and train again")
    return tensors, header


def _checksum(arrays, header):
    """SHA-256 of all arrays with names, types and shapes, and of the header."""
    found = hashlib.sha256(repr(sorted(header.items())).encode())
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.reshape(-1).view(np.uint8))
    return found.hexdigest()


def _remove_partials(path):
    """Remove what killed processes have left beside a checkpoint: half-written files of its name."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        if not _is_running(partial.name.split(".")[-2]):
            with contextlib.suppress(OSError):
                partial.unlink()


def _is_running(pid):
    """Whether the process that writes a partial file may still be alive."""
    if os.name == "nt":
        return False  # Windows does not let go of a file that somebody is writing
    try:
        os.kill(int(pid), 0)  # signal 0 only asks
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


def flatten(tree, convert=None, name=""):
    """Nested dicts, lists and tuples of arrays and plain values -> (dict name -> array, the rest for JSON).

    convert: function that makes a NumPy array of a leaf that is none. Names are paths such as "model/0.weight".
    `unflatten` puts both together again, with tuples, Counters and keys that are numbers.
    """
    arrays = {}

    def walk(value, name):
        value = convert(value) if convert else value
        if isinstance(value, np.ndarray):
            arrays[name] = value
            return {"__array__": name}
        inside = f"{name}/" if name else ""
        if isinstance(value, dict):
            items = [(key, walk(v, f"{inside}{key}")) for key, v in value.items()]
            if isinstance(value, Counter) or not all(isinstance(key, str) for key in value):
                return {"__counter__" if isinstance(value, Counter) else "__items__": items}
            return dict(items)
        if isinstance(value, (list, tuple)):
            values = [walk(v, f"{inside}{i}") for i, v in enumerate(value)]
            return values if isinstance(value, list) else {"__tuple__": values}
        return value.item() if isinstance(value, np.generic) else value

    return arrays, walk(tree, name)


def unflatten(arrays, plain, convert=lambda array: array):
    """The nested structure that `flatten` took apart; convert: function applied to each array."""
    if isinstance(plain, list):
        return [unflatten(arrays, value, convert) for value in plain]
    if not isinstance(plain, dict):
        return plain
    kind, content = next(iter(plain.items()), ("", None))
    if kind == "__array__":
        return convert(arrays[content])
    if kind == "__tuple__":
        return tuple(unflatten(arrays, content, convert))
    if kind in ("__items__", "__counter__"):
        pairs = {key: unflatten(arrays, value, convert) for key, value in content}
        return Counter(pairs) if kind == "__counter__" else pairs
    return {key: unflatten(arrays, value, convert) for key, value in plain.items()}


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
    arrays = {name: to_numpy(tensor) for name, tensor in model.state_dict().items()}
    return save(path, arrays, state, torch_structure(model))


def load_torch(path, model):
    """Read weights that `save_torch` wrote into a PyTorch module -> the state saved with them.

    Raises ValueError naming the missing, unexpected or differently shaped tensors, or the layers of another kind.
    """
    tensors, header = _read(path)
    own = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    _compare(path, own, {k: v.shape for k, v in tensors.items()})
    compare_structure(path, torch_structure(model), json.loads(header.get("structure", "null")))
    model.load_state_dict({k: to_torch(v) for k, v in tensors.items()})
    return json.loads(header.get("state", "{}"))


def to_numpy(tensor):
    """A PyTorch tensor as a NumPy array of the same type, bfloat16 too; every other value as it is."""
    import torch

    if not isinstance(tensor, torch.Tensor):
        return tensor
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:  # NumPy knows it through ml_dtypes, PyTorch's .numpy() does not
        import ml_dtypes

        return tensor.contiguous().view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def to_torch(array):
    """The PyTorch tensor that `to_numpy` made an array of."""
    import torch

    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def torch_structure(model):
    """Innermost modules of a PyTorch model, without dropout -> dict name -> text such as "ReLU()"."""
    leaves = {name: module for name, module in model.named_modules() if next(module.children(), None) is None}
    return {name: str(module) for name, module in leaves.items() if "Dropout" not in type(module).__name__}


def save_keras(path, model, state=None):
    """Write the weights of a built Keras model to a safetensors file, in the order of `model.weights`."""
    arrays = {f"{i:05d}.{w.path}": _keras_array(w) for i, w in enumerate(_keras_weights(model))}
    return save(path, arrays, state, keras_structure(model))


def load_keras(path, model):
    """Read weights that `save_keras` wrote into a built Keras model of the same architecture -> the state."""
    tensors, header = _read(path)
    weights, ordered = _keras_weights(model), [tensors[name] for name in sorted(tensors)]
    names = [f"weight {i} ({w.path})" for i, w in enumerate(weights)]
    names += [f"weight {i} ({name})" for i, name in enumerate(sorted(tensors))][len(names) :]
    own, saved = [tuple(w.shape) for w in weights], [a.shape for a in ordered]
    _compare(path, dict(zip(names, own, strict=False)), dict(zip(names, saved, strict=False)))
    compare_structure(path, keras_structure(model), json.loads(header.get("structure", "null")))
    for weight, array in zip(weights, ordered, strict=True):
        weight.assign(array)
    return json.loads(header.get("state", "{}"))


def keras_structure(model):
    """Layers of a Keras model in order, without inputs and dropout -> list of texts such as "Dense(units=4, …)"."""
    texts = []
    for layer in getattr(model, "layers", ()):
        kind = type(layer).__name__
        if hasattr(layer, "layers"):
            texts += keras_structure(layer)
        elif kind != "InputLayer" and "Dropout" not in kind:
            texts.append(f"{kind}({', '.join(_settings(layer))})")
    return texts


def _settings(layer):
    """The plain settings of a Keras layer that change what it computes -> list of "name=value"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a lambda in a layer: nothing is loaded from it here
        try:
            config = layer.get_config()
        except NotImplementedError:  # a layer of the user's that Keras cannot describe
            return []
    unimportant = ("name", "dtype", "trainable", "seed")
    return [
        f"{k}={v}" for k, v in config.items() if k not in unimportant and isinstance(v, (str, int, float, tuple, list))
    ]


def compare_structure(path, own, saved):
    """ValueError naming the layers that are of another kind in a file; a file that does not say passes.

    own, saved: dicts (PyTorch) of which names in both are compared, or lists (Keras) of which equally long ones are.
    """
    if isinstance(own, list):
        own, saved = dict(enumerate(own)), dict(enumerate(saved or ()))
        saved = saved if len(own) == len(saved) else {}  # Dense with an activation may be Dense and Activation
    problems = [
        f"layer {name} is {saved[name]} in the file and {text} in the model"
        for name, text in own.items()
        if name in (saved or ()) and saved[name] != text
    ]
    if problems:
        raise ValueError(f"{path} does not fit this model: " + "; ".join(problems[:5]))


def _keras_array(weight):
    import keras

    return keras.ops.convert_to_numpy(weight) if isinstance(weight, keras.Variable) else np.asarray(weight)


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
