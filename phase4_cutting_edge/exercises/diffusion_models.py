"""Exercises of lesson 4.3: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise


def _batches():
    """Pictures, noise, times and ᾱ of four batches, one of them of a single picture: (x0, noise, t, alpha_bar)."""
    for seed, shape, t, steps in (
        (0, (1, 2, 1, 1), [2], 4),
        (1, (3, 4, 4, 2), [1, 5, 9], 11),
        (2, (2, 3, 5, 1), [6, 2], 8),
        (3, (4, 2, 2, 3), [19, 1, 7, 12], 21),
    ):
        rng = np.random.default_rng(seed)
        alpha_bar = np.cos(np.linspace(0, 1.5 - 0.1 * seed, steps)) ** 2  # index 0 is 1
        yield rng.uniform(-1, 1, shape), rng.standard_normal(shape), np.array(t), alpha_bar


def _a(t, alpha_bar):
    return alpha_bar[t].reshape(-1, 1, 1, 1)


class Jump(exercise.Exercise):
    """Write `jump(x0, noise, t, alpha_bar)`: the noisy pictures x_t = √ᾱ_t x0 + √(1 − ᾱ_t) noise.

    x0 and noise (B, H, W, C), t (B,) whole numbers, alpha_bar (T + 1,) with alpha_bar[0] = 1 -> (B, H, W, C).
    """

    difficulty = 1
    minutes = 8
    hints = (
        "`alpha_bar[t]` has shape (B,). How does it meet pictures of shape (B, H, W, C)?",
        "`a = alpha_bar[t][:, None, None, None]`, then two square roots.",
    )
    why = "Variances add, so the weights are roots: data of variance 1 keep variance 1 at every time."

    def cases(self):
        yield from _batches()

    def typical(self, right, x0, noise, t, alpha_bar):
        a = _a(t, alpha_bar)
        return (
            (a * x0 + (1 - a) * noise, "ᾱ is a share of the variance: both weights need a square root."),
            (np.sqrt(a) * x0 + (1 - a) * noise, "The noise's weight needs its root too: √(1 − ᾱ)."),
            (np.sqrt(a) * x0 + noise, "The noise has no weight: the variance would grow above 1."),
            (_jump_with(1 - a, x0, noise), "The weights are swapped: where ᾱ = 1 only data is left."),
            (_jump_with(_a(t - 1, alpha_bar), x0, noise), "You used the time before: alpha_bar[0] is 1."),
            (
                _jump_with(_a(t[:1], alpha_bar), x0, noise),
                "All examples got the time of the first: each has its own t.",
            ),
        )

    @staticmethod
    def reference(x0, noise, t, alpha_bar):
        a = alpha_bar[t][:, None, None, None]  # (B, 1, 1, 1)
        return np.sqrt(a) * x0 + np.sqrt(1 - a) * noise

    mistakes = (
        exercise.Mistake(lambda x, e, t, ab: _a(t, ab) * x + (1 - _a(t, ab)) * e, "share of the variance"),
        exercise.Mistake(
            lambda x, e, t, ab: np.sqrt(_a(t, ab)) * x + (1 - _a(t, ab)) * e, "noise's weight needs its root"
        ),
        exercise.Mistake(lambda x, e, t, ab: np.sqrt(_a(t, ab)) * x + e, "no weight"),
        exercise.Mistake(lambda x, e, t, ab: np.sqrt(1 - _a(t, ab)) * x + np.sqrt(_a(t, ab)) * e, "swapped"),
        exercise.Mistake(lambda x, e, t, ab: _jump_with(_a(t - 1, ab), x, e), "the time before"),
        exercise.Mistake(lambda x, e, t, ab: _jump_with(ab[t[0]], x, e), "time of the first"),
        exercise.Mistake(lambda x, e, t, ab: _jump_with(ab[t], x, e), "could not be broadcast"),
    )


def _jump_with(a, x0, noise):
    return np.sqrt(a) * x0 + np.sqrt(1 - a) * noise


class FromVelocity(exercise.Exercise):
    """Write `from_velocity(x_t, v, a)`: the picture and the noise that x_t and its velocity amount to.

    x_t = √a x0 + √(1 − a) noise and v = √a noise − √(1 − a) x0; x_t and v (B, D), a (B, 1) -> (x0, noise), (B, D) each.
    """

    difficulty = 2
    minutes = 10
    hints = (
        "Two equations, two unknowns. Multiply the first by √a and the second by √(1 − a). What cancels?",
        "x0 = √a x_t − √(1 − a) v; for the noise multiply the other way round and add.",
    )
    why = "With √a = cos φ this is a rotation by φ; its inverse is the rotation back, so nothing is ever divided by 0."

    def test(self, from_velocity):
        for seed, shape, a in ((0, (1, 1), [0.36]), (1, (4, 3), [0.9, 0.5, 0.1, 0.0]), (2, (2, 5), [0.0, 0.7])):
            rng = np.random.default_rng(seed)
            a = np.array(a)[:, None]
            self._judge_one(from_velocity, rng.uniform(-1, 1, shape), rng.standard_normal(shape), a)

    def _judge_one(self, from_velocity, x0, noise, a):
        c, s = np.sqrt(a), np.sqrt(1 - a)
        x_t, v = c * x0 + s * noise, c * noise - s * x0
        got = self.call(from_velocity, x_t, v, a)
        if not isinstance(got, (tuple, list)) or len(got) != 2:
            raise exercise.Wrong("Return two arrays, the picture and the noise: `return x0, noise`.")
        names = ("x0", "noise")
        x0_got, noise_got = (self.expect_array(g, x0.shape, n, finite=False) for g, n in zip(got, names, strict=True))
        if not np.isfinite(x0_got).all() or not np.isfinite(noise_got).all():
            raise exercise.Wrong("At a = 0 you divide by 0: the turn back needs no division, only roots as weights.")
        if np.allclose(x0_got, noise) and np.allclose(noise_got, x0):
            raise exercise.Wrong("Picture and noise are swapped: the picture comes first.")
        if np.allclose(x0_got, c * x_t + s * v):
            raise exercise.Wrong("The sign of v is wrong in the picture: √a x_t minus √(1 − a) v.")
        if np.allclose(noise_got, s * x_t - c * v):
            raise exercise.Wrong("The sign of v is wrong in the noise: √(1 − a) x_t plus √a v.")
        if np.allclose(x0_got, a * x_t - (1 - a) * v):
            raise exercise.Wrong("The roots are missing: the weights are √a and √(1 − a).")
        self.expect_close(x0_got, x0, name="the picture")
        self.expect_close(noise_got, noise, name="the noise")

    @staticmethod
    def reference(x_t, v, a):
        c, s = np.sqrt(a), np.sqrt(1 - a)
        return c * x_t - s * v, s * x_t + c * v

    mistakes = (
        exercise.Mistake(lambda x, v, a: np.sqrt(a) * x - np.sqrt(1 - a) * v, "two arrays"),
        exercise.Mistake(
            lambda x, v, a: (np.sqrt(1 - a) * x + np.sqrt(a) * v, np.sqrt(a) * x - np.sqrt(1 - a) * v), "swapped"
        ),
        exercise.Mistake(
            lambda x, v, a: (np.sqrt(a) * x + np.sqrt(1 - a) * v, np.sqrt(1 - a) * x + np.sqrt(a) * v), "in the picture"
        ),
        exercise.Mistake(
            lambda x, v, a: (np.sqrt(a) * x - np.sqrt(1 - a) * v, np.sqrt(1 - a) * x - np.sqrt(a) * v), "in the noise"
        ),
        exercise.Mistake(lambda x, v, a: (a * x - (1 - a) * v, (1 - a) * x + a * v), "roots are missing"),
        exercise.Mistake(lambda x, v, a: _by_division(x, v, a), "divide by 0"),
    )


def _by_division(x, v, a):
    noise = np.sqrt(1 - a) * x + np.sqrt(a) * v
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x - np.sqrt(1 - a) * noise) / np.sqrt(a), noise


class DdimStep(exercise.Exercise):
    """Write `ddim_step(x, noise, a_t, a_s)` in PyTorch: one deterministic step from ᾱ = a_t to the earlier time's a_s.

    Guess the picture, clip it to −1 … 1, recompute the noise that goes with the clipped guess, jump to a_s.
    x, noise (B, C, H, W), a_t < a_s numbers -> (B, C, H, W).
    """

    difficulty = 2
    minutes = 12
    framework = "torch"
    hints = (
        "Four lines: x0 from x and the noise; `clamp`; noise from x and the new x0; the jump with a_s.",
        "x0 = ((x − √(1−a_t) noise) / √a_t).clamp(−1, 1); noise = (x − √a_t x0) / √(1−a_t); √a_s x0 + √(1−a_s) noise.",
    )
    why = "Picture and noise must together still explain x: after clipping one, the other has to be computed anew."

    def cases(self):
        import torch

        for seed, shape, a_t, a_s in (
            (0, (1, 1, 1, 2), 0.36, 0.64),
            (1, (2, 1, 4, 4), 0.2, 0.6),
            (2, (3, 2, 2, 5), 0.05, 0.9),
            (3, (2, 3, 3, 2), 0.5, 1.0),
        ):
            generator = torch.Generator().manual_seed(seed)
            x, noise = (1.5 * torch.randn(shape, generator=generator) for _ in range(2))
            yield x, noise, a_t, a_s

    def typical(self, right, x, noise, a_t, a_s):
        x0 = (x - (1 - a_t) ** 0.5 * noise) / a_t**0.5
        bound = x0.clamp(-1, 1)
        fresh = (x - a_t**0.5 * bound) / (1 - a_t) ** 0.5
        mix = lambda picture, noise, a: a**0.5 * picture + (1 - a) ** 0.5 * noise
        return (
            (mix(x0, noise, a_s), "The guess is not clipped: values beyond ±1 stay."),
            (mix(bound, noise, a_s), "The noise is still the old one: recompute it after clipping."),
            (bound, "That is the finished guess: jump forward again, only as far as a_s."),
            (mix(bound, fresh, a_t), "You stay where you are: the last line needs a_s, not a_t."),
            (a_s * bound + (1 - a_s) * fresh, "The jump needs roots: √a_s and √(1 − a_s)."),
            (mix(fresh, bound, a_s), "Picture and noise are swapped in the jump."),
            (mix(bound, fresh, 1 - a_s), "a_s and 1 − a_s are swapped: a_s is the share of the picture."),
            (
                mix(((x - (1 - a_t) * noise) / a_t).clamp(-1, 1), noise, a_s),
                "The guess of the picture needs roots: (x − √(1 − a_t) noise) / √a_t.",
            ),
        )

    @staticmethod
    def reference(x, noise, a_t, a_s):
        x0 = ((x - (1 - a_t) ** 0.5 * noise) / a_t**0.5).clamp(-1, 1)
        noise = (x - a_t**0.5 * x0) / (1 - a_t) ** 0.5
        return a_s**0.5 * x0 + (1 - a_s) ** 0.5 * noise

    mistakes = (
        exercise.Mistake(
            lambda x, e, t, s: s**0.5 * (x - (1 - t) ** 0.5 * e) / t**0.5 + (1 - s) ** 0.5 * e, "not clipped"
        ),
        exercise.Mistake(
            lambda x, e, t, s: s**0.5 * ((x - (1 - t) ** 0.5 * e) / t**0.5).clamp(-1, 1) + (1 - s) ** 0.5 * e,
            "the old one",
        ),
        exercise.Mistake(lambda x, e, t, s: ((x - (1 - t) ** 0.5 * e) / t**0.5).clamp(-1, 1), "finished guess"),
        exercise.Mistake(lambda x, e, t, s: _ddim(x, e, t, t), "stay where you are"),
        exercise.Mistake(lambda x, e, t, s: _ddim(x, e, t, s**2), "smallest case"),
        exercise.Mistake(lambda x, e, t, s: x - e, "smallest case"),
    )


def _ddim(x, noise, a_t, a_s):
    return DdimStep.reference(x, noise, a_t, a_s)


class DiffusionLoss(exercise.Exercise):
    """Write `diffusion_loss(model, x0, t, noise, alpha_bar)` with `keras.ops`: mean squared error of the guessed noise.

    x0 and noise (B, H, W, C), t (B,) whole numbers, alpha_bar (T + 1,), all tensors; the guess is `model([x_t, t])`.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    hints = (
        "`ops.take(alpha_bar, t)` picks ᾱ of each example; `ops.reshape(…, (-1, 1, 1, 1))` lets it meet the pictures.",
        "x_t = ops.sqrt(a) * x0 + ops.sqrt(1 - a) * noise; ops.mean((model([x_t, t]) - noise) ** 2).",
    )
    why = "The target is the noise that you drew: no label, no likelihood, no adversary is needed."

    def test(self, loss):
        for factor, batch in zip((0.5, -1.0, 0.25, 2.0), _batches(), strict=True):
            self._judge_one(loss, factor, *batch)

    def _judge_one(self, loss, factor, x0, noise, t, alpha_bar):
        from keras import ops

        as_tensor = lambda values: ops.convert_to_tensor(values.astype("float32"))
        seen = []

        def model(inputs):
            if not isinstance(inputs, (tuple, list)) or len(inputs) != 2:
                raise exercise.Wrong("The model takes one list with two entries: `model([x_t, t])`.")
            seen[:] = [exercise.to_array(part) for part in inputs]
            times = ops.reshape(ops.cast(inputs[1], "float32"), (-1, 1, 1, 1))
            return factor * inputs[0] + 0.1 * times

        times = ops.convert_to_tensor(t.astype("int32"))
        got = self.call(loss, model, as_tensor(x0), times, as_tensor(noise), as_tensor(alpha_bar))
        got = self.expect_number(got, "the loss")
        if not seen:
            raise exercise.Wrong("The model was never called: the guess is `model([x_t, t])`.")
        x_t = _jump_with(_a(t, alpha_bar), x0, noise)
        if np.allclose(seen[0], x0, atol=1e-5):
            raise exercise.Wrong("The model got the clean pictures: mix in the noise first.")
        self.expect_close(seen[0], x_t, "What the model gets is not √ᾱ x0 + √(1 − ᾱ) noise.", atol=1e-5, name="x_t")
        if seen[1].shape != t.shape or not np.allclose(seen[1], t):
            raise exercise.Wrong("The second input of the model is t itself, one time for each example: `[x_t, t]`.")
        guess = factor * x_t + 0.1 * t.reshape(-1, 1, 1, 1)
        answers = {
            ((guess - x0) ** 2).mean(): "You compared the guess with the picture: the target is the noise.",
            ((guess - x_t) ** 2).mean(): "You compared the guess with its own input: the target is the noise.",
            ((guess - noise) ** 2).sum(): "That is the sum: take the mean over all entries.",
            np.abs(guess - noise).mean(): "That is the absolute error: square the difference.",
        }
        for wrong, message in answers.items():
            if np.isclose(got, wrong, rtol=1e-4):
                raise exercise.Wrong(message)
        self.expect_close(got, ((guess - noise) ** 2).mean(), rtol=1e-4, name="the loss")

    @staticmethod
    def reference(model, x0, t, noise, alpha_bar):
        from keras import ops

        a = ops.reshape(ops.take(alpha_bar, t), (-1, 1, 1, 1))
        x_t = ops.sqrt(a) * x0 + ops.sqrt(1 - a) * noise
        return ops.mean((model([x_t, t]) - noise) ** 2)

    @staticmethod
    def mistakes():
        from keras import ops

        def noisy(x0, t, noise, alpha_bar):
            a = ops.reshape(ops.take(alpha_bar, t), (-1, 1, 1, 1))
            return ops.sqrt(a) * x0 + ops.sqrt(1 - a) * noise

        return (
            exercise.Mistake(lambda m, x, t, e, ab: ops.mean((m([x, t]) - e) ** 2), "clean pictures"),
            exercise.Mistake(lambda m, x, t, e, ab: ops.mean((m([x + e, t]) - e) ** 2), "What the model gets"),
            exercise.Mistake(lambda m, x, t, e, ab: ops.mean((m([noisy(x, t, e, ab), t]) - x) ** 2), "the picture"),
            exercise.Mistake(lambda m, x, t, e, ab: ops.sum((m([noisy(x, t, e, ab), t]) - e) ** 2), "the sum"),
            exercise.Mistake(lambda m, x, t, e, ab: ops.mean(ops.abs(m([noisy(x, t, e, ab), t]) - e)), "absolute"),
            exercise.Mistake(lambda m, x, t, e, ab: ops.mean((m(noisy(x, t, e, ab)) - e) ** 2), "one list"),
            exercise.Mistake(lambda m, x, t, e, ab: ops.mean((m([noisy(x, t, e, ab), 0 * t]) - e) ** 2), "t itself"),
        )


class UpdateAverage(exercise.Exercise):
    """Write `update_average(average, model, gamma)` in PyTorch: average ← γ · average + (1 − γ) · model.

    Both are modules of one kind. Change `average` in place, leave `model` as it is, build no graph, return `average`.
    """

    difficulty = 1
    minutes = 8
    framework = "torch"
    hints = (
        "`zip(average.parameters(), model.parameters())` pairs the weights; `torch.no_grad()` keeps the graph away.",
        "`own.lerp_(new, 1 - gamma)` moves a tensor by a share of the way, in place.",
    )
    why = "The average forgets slowly: with γ = 0.999 it is a mean over about the last 1,000 steps."

    def test(self, update_average):
        import torch
        from torch import nn

        for seed, gamma, build in (
            (0, 0.9, lambda: nn.Linear(3, 2)),
            (1, 0.5, lambda: nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))),
            (2, 0.99, lambda: nn.Conv2d(1, 2, 3)),
        ):
            torch.manual_seed(seed)
            self._judge_one(update_average, build(), build(), gamma)

    def _judge_one(self, update_average, model, average, gamma):
        import copy

        import torch

        before_model, before = copy.deepcopy(model), copy.deepcopy(average)
        try:
            result = update_average(average, model, gamma)
        except RuntimeError as error:
            if "leaf" in str(error):
                raise exercise.Wrong("Change weights under `torch.no_grad()`.") from error
            raise
        same = lambda a, b: all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
        if result is ... or (result is None and same(average, before)):
            raise exercise.NotAttempted
        if not same(model, before_model):
            raise exercise.Wrong("The model's own weights have changed: only the average may move.")
        if result is not average:
            raise exercise.Wrong("Return `average` itself, changed in place.")
        if any(p.grad_fn is not None or not p.is_leaf for p in average.parameters()):
            raise exercise.Wrong("The average carries a graph: update it under `torch.no_grad()`.")
        pairs = list(zip(average.parameters(), before.parameters(), model.parameters(), strict=True))
        got, own, new = ([p.detach() for p in part] for part in zip(*pairs, strict=True))
        close = lambda rule: all(torch.allclose(g, rule(o, n)) for g, o, n in zip(got, own, new, strict=True))
        if same(average, before):
            raise exercise.Wrong("No weight has moved: copy the mixture into the average's own tensors.")
        if gamma != 0.5 and close(lambda o, n: (1 - gamma) * o + gamma * n):
            raise exercise.Wrong(f"γ is on the wrong side: the average keeps γ = {gamma} of itself.")
        if torch.equal(got[1], own[1]):
            raise exercise.Wrong("Only the first weight has moved: loop over all parameters.")
        if close(lambda o, n: o + (1 - gamma) * n):
            raise exercise.Wrong("The old average has kept its full weight: multiply it by γ.")
        if close(lambda o, n: n):
            raise exercise.Wrong("The average has become the model: it keeps γ of itself.")
        for g, o, n in zip(got, own, new, strict=True):
            self.expect_close(g, gamma * o + (1 - gamma) * n, name="a weight of the average")

    @staticmethod
    def reference(average, model, gamma):
        import torch

        with torch.no_grad():
            for own, new in zip(average.parameters(), model.parameters(), strict=True):
                own.lerp_(new, 1 - gamma)
        return average

    @staticmethod
    def mistakes():
        import torch

        def moved(rule, only_first=False):
            def update(average, model, gamma):
                with torch.no_grad():
                    for own, new in list(zip(average.parameters(), model.parameters(), strict=True))[
                        : 1 if only_first else None
                    ]:
                        own.copy_(rule(own, new, gamma))
                return average

            return update

        def recording(average, model, gamma):
            for own, new in zip(average.parameters(), model.parameters(), strict=True):
                own.mul_(gamma).add_((1 - gamma) * new)
            return average

        def of_the_model(average, model, gamma):
            with torch.no_grad():
                for own, new in zip(average.parameters(), model.parameters(), strict=True):
                    new.lerp_(own, gamma)
            return average

        return (
            exercise.Mistake(moved(lambda own, new, gamma: (1 - gamma) * own + gamma * new), "wrong side"),
            exercise.Mistake(moved(lambda own, new, gamma: gamma * own + (1 - gamma) * new, True), "Only the first"),
            exercise.Mistake(moved(lambda own, new, gamma: own + (1 - gamma) * new), "full weight"),
            exercise.Mistake(recording, "torch.no_grad"),
            exercise.Mistake(of_the_model, "model's own weights"),
        )
