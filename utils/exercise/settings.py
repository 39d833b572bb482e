"""Runs a check under the settings that the course assumes, and puts the learner's own back afterwards."""

import contextlib
import random
import sys
import warnings


@contextlib.contextmanager
def known():
    """The library's defaults while a check runs: precision, image format, gradients, floating-point errors, warnings.

    Random generators are copied: what a check or an answer draws or seeds does not change the learner's next draw.
    A framework that is not imported yet is left alone.
    """
    import numpy as np

    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  what a learner may have used
        if "torch" in sys.modules:
            stack.enter_context(_torch())
        if "keras" in sys.modules:
            stack.enter_context(_keras())
        yield


@contextlib.contextmanager
def _torch():
    import torch

    dtype, anomaly = torch.get_default_dtype(), torch.is_anomaly_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
            torch.autograd.set_detect_anomaly(anomaly)
            torch.use_deterministic_algorithms(deterministic)


@contextlib.contextmanager
def _keras():
    import keras

    config = keras.config
    floatx, layout, policy = config.floatx(), config.image_data_format(), config.dtype_policy()
    epsilon, put_back_draws = config.epsilon(), _keras_draws()
    config.set_floatx("float32")
    config.set_image_data_format("channels_last")
    config.set_dtype_policy("float32")
    config.set_epsilon(1e-7)
    try:
        yield
    finally:
        config.set_floatx(floatx)
        config.set_image_data_format(layout)
        config.set_dtype_policy(policy)
        config.set_epsilon(epsilon)
        put_back_draws()


def _keras_draws():
    """Function that puts back the generator which layers and `keras.random` draw from when they get no seed."""
    try:  # Keras has no public way to read it
        from keras.src.backend.common import global_state
        from keras.src.random import seed_generator

        name = seed_generator.GLOBAL_SEED_GENERATOR
        generator = seed_generator.global_seed_generator()
        state = keras_array(generator.state)
    except (ImportError, AttributeError):
        return lambda: None

    def put_back():
        generator.state.assign(state)
        global_state.set_global_attribute(name, generator)

    return put_back


def keras_array(variable):
    """The values of a Keras variable as np.ndarray, on every backend."""
    import keras

    return keras.ops.convert_to_numpy(variable)
