"""CPU time that the explorers of the lessons take to redraw: the second table of `make bench`."""

import importlib.util
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]


def picture(folder, lesson):
    """The module of a lesson's explorers."""
    spec = importlib.util.spec_from_file_location(f"explorers_{lesson}", ROOT / folder / "explorers" / f"{lesson}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def noise(*shape):
    """Standard normal numbers of that shape, always the same."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


# explorers that draw without a trained model: folder, lesson, call
REDRAWS = [
    ("phase1_foundations", "perceptron", lambda p: p.draw_boundary(noise(50, 2), noise(50) > 0)),
    ("phase1_foundations", "linear_algebra", lambda p: p.draw_map()),
    ("phase1_foundations", "activation_functions", lambda p: p.draw_activation("GELU")),
    ("phase1_foundations", "calculus_and_autograd", lambda p: p.draw_derivative()),
    ("phase1_foundations", "probability_and_uncertainty", lambda p: p.draw_bayes()),
    ("phase1_foundations", "loss_functions", lambda p: p.draw_regression()),
    ("phase2_core", "gradient_descent", lambda p: p.draw_descent()),
    ("phase2_core", "optimizers", lambda p: p.draw_optimizer("valley", "Adam")),
    ("phase2_core", "initialization_and_gradient_flow", lambda p: p.draw_flow(noise(256, 784))),
    ("phase2_core", "regularization", lambda p: p.draw_boundary(1.0, 0.5)),
    ("phase2_core", "normalization", lambda p: p.draw_statistics()),
    ("phase2_core", "learning_rate_schedules", lambda p: p.draw_schedule()),
    ("phase2_core", "data_augmentation", lambda p: p.draw_gallery("CutMix", 0.6)),
    ("phase2_core", "convolutional_networks", lambda p: p.draw_kernel(noise(28, 28))),
]


def redraw_seconds(draw, rounds=7):
    """CPU seconds of drawing a picture and making its PNG -> median of `rounds` turns, after one to warm up."""
    from utils import widgets

    seconds = []
    for _ in range(rounds + 1):
        began = time.process_time()
        widgets.png(draw()[0])
        seconds.append(time.process_time() - began)
    return float(np.median(seconds[1:]))


def show():
    """Print the table."""
    print("\nCPU milliseconds of a redraw, median of 7")
    for folder, lesson, call in REDRAWS:
        module = picture(folder, lesson)
        print(f"{lesson:34}{1000 * redraw_seconds(lambda call=call, module=module: call(module)):6.0f}", flush=True)
