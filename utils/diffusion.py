"""Denoising diffusion in NumPy, for a network of either framework: schedules, forward process, samplers (lesson 4.3).

`alpha_bar` is an array (T + 1,) from 1 (no noise) to nearly 0 (nothing but noise): alpha_bar[t] is the share of the
variance that is still data after t steps. A network is a function `predict(x, t)`: noisy x (B, ...), times t (B,)
-> the noise in x, an array like x.
"""

import numpy as np


def linear_schedule(n_steps=1000, first=1e-4, last=0.02):
    """alpha_bar (T + 1,) of noise variances that rise linearly (Ho et al., 2020)."""
    beta = np.linspace(first, last, n_steps)
    return np.concatenate([[1.0], np.cumprod(1 - beta)])


def cosine_schedule(n_steps=1000, offset=0.008, largest=0.999):
    """alpha_bar (T + 1,) that follows a squared cosine, no single step above `largest` (Nichol and Dhariwal, 2021)."""
    f = np.cos((np.arange(n_steps + 1) / n_steps + offset) / (1 + offset) * np.pi / 2) ** 2
    beta = np.minimum(1 - f[1:] / f[:-1], largest)
    return np.concatenate([[1.0], np.cumprod(1 - beta)])


def diffuse(x, noise, alpha_bar_t):
    """x after t steps at once: √ᾱ x + √(1 − ᾱ) noise; x and noise (B, ...), alpha_bar_t (B,) or a number."""
    a = _per_example(alpha_bar_t, x)
    return np.sqrt(a) * x + np.sqrt(1 - a) * noise


def time_grid(n_times, n_steps):
    """Times that a sampler visits, from n_times down to 0, evenly spaced: (n_steps + 1,) whole numbers.

    Raises ValueError unless 1 <= n_steps <= n_times.
    """
    if not 1 <= n_steps <= n_times:
        raise ValueError(f"a sampler takes between 1 and {n_times} steps on this schedule, got {n_steps}")
    return np.round(np.linspace(n_times, 0, n_steps + 1)).astype(int)


def sample(predict, x, alpha_bar, n_steps=50, eta=0.0, rng=None, clip=1.0, keep=False):
    """Turn noise x (B, ...) into data along `n_steps` times -> (B, ...), or every stage (n_steps + 1, B, ...).

    eta = 0 is DDIM, which draws nothing; eta = 1 is DDPM's ancestral sampling on the same times (Song et al., 2021).
    clip: data lie in -clip..clip, and so does each guess of them; None for no limit. rng is needed where eta > 0.
    """
    times, stages = time_grid(len(alpha_bar) - 1, n_steps), [x]
    for t, s in zip(times[:-1], times[1:], strict=True):
        noise = predict(x, np.full(len(x), t))
        x = step(x, noise, alpha_bar[t], alpha_bar[s], eta, rng, clip)
        stages.append(x)
    return np.stack(stages) if keep else x


def step(x, noise, a_t, a_s, eta=0.0, rng=None, clip=1.0):
    """One step back, from the time with ᾱ = a_t to the earlier one with a_s; x and its predicted noise (B, ...)."""
    data = (x - np.sqrt(1 - a_t) * noise) / np.sqrt(a_t)
    if clip is not None:
        data = np.clip(data, -clip, clip)
        noise = (x - np.sqrt(a_t) * data) / np.sqrt(1 - a_t)  # the noise that belongs to the clipped guess
    fresh = eta * np.sqrt((1 - a_s) / (1 - a_t) * (1 - a_t / a_s))  # deviation of the noise drawn anew
    x = np.sqrt(a_s) * data + np.sqrt(1 - a_s - fresh**2) * noise
    drawn = fresh * rng.standard_normal(x.shape) if fresh else 0.0
    return (x + drawn).astype("float32")


def _per_example(values, x):
    values = np.asarray(values)
    return values.reshape(values.shape + (1,) * (np.ndim(x) - values.ndim)) if values.ndim else values
