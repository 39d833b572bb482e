"""Devices, settings, seeds, precision and run scale for both frameworks in one process.

Frameworks are imported inside the functions, so that importing this module costs nothing.
"""

import contextlib
import importlib.util
import json
import os
import sys
from pathlib import Path

PRECISIONS = ("auto", "float32", "bfloat16", "float16")
BACKENDS = ("tensorflow", "jax", "torch")
KERAS_SETTINGS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}  # what lessons assume


def start(seed_value=0):
    """Prepare both frameworks for a lesson and return the PyTorch device.

    Call it before `import keras`: it silences TensorFlow's start-up log, lets GPU memory grow on demand (both
    frameworks share one GPU), sets what the course assumes of Keras, seeds every generator, sets the figure style
    and prints one line. The environment variable COURSE_SEED replaces `seed_value`.
    Raises ValueError if Keras' backend or its settings file cannot be used.
    """
    import_frameworks()
    import torch

    seed_value = int(os.environ.get("COURSE_SEED") or seed_value)
    memory_growth()
    keras_settings()
    seed(seed_value)
    from utils import plot

    plot.use_style()
    device = torch_device()
    print(f"PyTorch on {device}, Keras ({keras_backend()}) on {keras_device()}, seed {seed_value}")
    return torch.device(device)


def import_frameworks():
    """Import PyTorch and Keras without the C++ log lines that TensorFlow prints at start-up.

    Raises ValueError if Keras' backend or its settings file cannot be used.
    """
    check_keras()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # memory on demand on Keras' JAX backend
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep: two notebooks share the cores in peace
    with _quiet_stderr():
        import torch  # noqa: F401  PyTorch first: the reverse order has deadlocked in the past

        triton_first()
        import keras  # noqa: F401


def triton_first():
    """Import Triton, if it is there, before TensorFlow: both carry LLVM, and the other order crashes the process.

    PyTorch's optimisers import Triton when the first one is made, so every module here that imports Keras calls this.
    """
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401


@contextlib.contextmanager
def _quiet_stderr():
    """Drop what C++ code writes to the process' error stream; Python exceptions still pass."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def check_keras():
    """Raise ValueError if Keras could not be imported: an unknown or missing backend, or a damaged settings file.

    Keras reads ~/.keras/keras.json (or the folder KERAS_HOME), which may be years old; KERAS_BACKEND goes before it.
    """
    if "keras" in sys.modules:
        return
    file = _keras_file()
    cure = f"Delete {file} and restart the kernel: Keras writes a new one."
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # Keras takes its defaults, too
        stored = {}
    if not isinstance(stored, dict):
        raise ValueError(f"Keras cannot read its settings file, {file}. {cure}")
    valid = {"image_data_format": ("channels_last", "channels_first"), "floatx": ("float16", "float32", "float64")}
    wrong = [key for key, values in valid.items() if key in stored and stored[key] not in values]
    wrong += ["epsilon"] if not isinstance(stored.get("epsilon", 1e-7), float) else []
    if wrong:
        raise ValueError(f"Keras' settings file says {wrong[0]} = {stored[wrong[0]]!r}, which Keras refuses. {cure}")
    asked = os.environ.get("KERAS_BACKEND")
    backend, cure = asked or stored.get("backend", "tensorflow"), "unset KERAS_BACKEND" if asked else cure
    whence = "the environment variable KERAS_BACKEND" if asked else f"the settings file {file}"
    if backend not in BACKENDS:
        raise ValueError(f"{whence} names the Keras backend {backend!r}; use one of {', '.join(BACKENDS)}, or {cure}")
    if importlib.util.find_spec(backend) is None:
        install = f"install it with `{sys.executable} -m pip install {backend}`"
        raise ValueError(f"{whence} names the Keras backend {backend!r}, which is not installed; {install}, or {cure}")


def _keras_file():
    home = os.path.expanduser("~")
    folder = os.environ.get("KERAS_HOME") or os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras")
    return Path(folder).expanduser() / "keras.json"


def keras_settings():
    """Set what the course assumes of Keras, whatever its settings file says: channels last, float32, epsilon 1e-7."""
    import keras

    for name, value in KERAS_SETTINGS.items():
        getattr(keras.config, f"set_{name}")(value)
    keras.config.set_dtype_policy("float32")


def torch_device(prefer=None):
    """Best device for PyTorch: CUDA, then XPU, then MPS, then CPU -> torch.device.

    `prefer` (or the environment variable COURSE_DEVICE) asks for one by name; ValueError if it is not there.
    """
    import torch

    found = {
        "cuda": torch.cuda.is_available(),
        "xpu": hasattr(torch, "xpu") and torch.xpu.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    prefer = prefer or os.environ.get("COURSE_DEVICE")
    if not prefer:
        return torch.device(next(name for name, there in found.items() if there))
    if not found.get(str(prefer).split(":")[0], False):
        there = ", ".join(name for name, ok in found.items() if ok)
        raise ValueError(f"no PyTorch device {prefer!r} on this machine; use one of: {there}")
    return torch.device(prefer)


def keras_device():
    """Device that Keras' backend computes on -> "GPU" or "CPU" (TensorFlow, JAX), or PyTorch's name."""
    backend = keras_backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if backend == "jax":
        import jax

        return jax.default_backend().upper()
    return str(torch_device())


def memory_growth():
    """Let TensorFlow take GPU memory as it needs it instead of all at once -> number of GPUs set.

    Raises RuntimeError if TensorFlow has used a GPU before: restart the kernel and call `runtime.start()` first.
    """
    if keras_backend() != "tensorflow":
        return 0
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    try:
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise RuntimeError(
            "TensorFlow has already taken the GPU, so its memory cannot be set to grow. "
            "Restart the kernel and run the setup cell before anything else."
        ) from error
    return len(gpus)


def seed(value=0, *, deterministic=False):
    """Seed Python, NumPy, PyTorch and Keras (all backends): the same run again gives the same bits on the CPU.

    `deterministic=True` also asks for deterministic GPU kernels: slower, and an error where there are none.
    Raises ValueError unless 0 <= value < 2**32.
    """
    if not 0 <= int(value) < 2**32:
        raise ValueError(f"a seed is an integer from 0 to 2**32 - 1, got {value}")
    import keras
    import torch

    keras.utils.set_random_seed(int(value))  # random, numpy and the backend
    torch.manual_seed(int(value))
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        if keras_backend() == "tensorflow":
            import tensorflow as tf

            tf.config.experimental.enable_op_determinism()


def precision(name="auto", device="cpu"):
    """Dtype that the forward pass runs in -> torch.dtype.

    "auto" is bfloat16 where the hardware computes in it (CUDA from compute capability 8.0, XPU), else float32.
    """
    import torch

    if name not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}; got {name!r}")
    if name != "auto":
        return getattr(torch, name)
    kind = torch.device(device).type
    fast = (kind == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8) or kind == "xpu"
    return torch.bfloat16 if fast else torch.float32


def scale(sample, full):
    """`sample` in the default run, `full` when the environment variable COURSE_SCALE is "full".

    For the numbers of the *Scale it up* section: `epochs = runtime.scale(5, 50)`.
    """
    name = os.environ.get("COURSE_SCALE") or "sample"
    if name not in ("sample", "full"):
        raise ValueError(f"COURSE_SCALE is 'sample' or 'full', got {name!r}")
    return full if name == "full" else sample


def quiet():
    """Whether progress bars are off: the environment variable TQDM_DISABLE is set, as when notebooks are executed."""
    return os.environ.get("TQDM_DISABLE", "") not in ("", "0")


def keras_backend():
    """Name of Keras' backend: "tensorflow", "jax" or "torch"."""
    import keras

    return keras.backend.backend()
