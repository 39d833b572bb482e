"""Exercises of lesson 2.7: statement, test, hints, solution and the mistakes whose feedback is tested."""

import functools

import numpy as np

from utils import exercise


class WarmupCosine(exercise.Exercise):
    """Write `warmup_cosine(t, peak, warm, total, end)`: the rate of step t = 0, 1, 2, …; t is an array (T,) of
    integers.

    Steps 0 to warm - 1 rise linearly, (t + 1) / warm of the peak, so that step warm - 1 has the whole peak. From step
    `warm` on a half cosine goes from the peak down to `end`, which it reaches at t = total and then keeps. warm may
    be 0.
    """

    difficulty = 1
    minutes = 12
    hints = (
        "Compute both parts for every t and choose with `np.where(t < warm, "
        "…)`. Which share of the way down is done at t?",
        "`share = np.clip((t - warm) / (total - warm), 0, 1)`, then `end + "
        "(peak - end) * (1 + np.cos(np.pi * share)) / 2`.",
    )
    why = (
        "The first step has a rate above 0 and none is wasted; the clip "
        "keeps the rate at its end when training goes on."
    )

    CASES = ((0.4, 4, 20, 0.01), (1.0, 0, 8, 0.2), (0.05, 7, 9, 0.0), (3.0, 10, 50, 0.5))

    def test(self, warmup_cosine):
        for peak, warm, total, end in self.CASES:
            t = np.arange(total + total // 2 + 3)
            right = self.reference(t, peak, warm, total, end)
            got = self.expect_array(self.call(warmup_cosine, t, peak, warm, total, end), t.shape)
            rise = peak * np.minimum((t + 1) / max(warm, 1), 1)
            down = lambda share, low: low + (peak - low) * (1 + np.cos(np.pi * share)) / 2  # noqa: B023
            with_rise = lambda fall: np.where(t < warm, rise, fall)  # noqa: B023
            share = (t - warm) / (total - warm)
            clipped = np.clip(share, 0, 1)
            late = np.where(t < warm, peak * t / max(warm, 1), down(clipped, end))
            if t.size and not np.allclose(got, right) and np.allclose(got[:total], right[:total]):
                raise exercise.Wrong(
                    "After t = total the rate must stay at `end`: yours moves on, a cosine rises again."
                )
            exercise.name_mistake(
                got,
                right,
                (
                    (late, "Your first step has the rate 0 and is wasted: step t uses (t + 1) / warm of the peak."),
                    (
                        with_rise(down(np.clip(t / total, 0, 1), end)),
                        "The cosine must begin where the warm-up ends: it lasts total - warm steps.",
                    ),
                    (
                        with_rise(down(np.clip((t - warm) / total, 0, 1), end)),
                        "The way down lasts total - warm steps, not total.",
                    ),
                    (
                        with_rise(down(clipped, end * peak)),
                        "`end` is a rate here, not a share of the peak (that is Keras' alpha).",
                    ),
                    (with_rise(down(clipped, 0.0)), "The cosine must end at `end`, not at 0."),
                    (
                        with_rise(end + peak * (1 + np.cos(np.pi * clipped)) / 2),
                        "The peak is too high: the cosine spans peak - end, not peak.",
                    ),
                    (
                        with_rise(down(2 * clipped, end)),
                        "A whole period comes back to the peak: half a period, π, is asked for.",
                    ),
                    (
                        with_rise(end + (peak - end) * np.cos(np.pi * clipped)),
                        "A cosine goes from 1 to -1: use (1 + cos) / 2.",
                    ),
                    (
                        with_rise(end + (peak - end) * np.cos(np.pi / 2 * clipped)),
                        "A quarter of a period falls steepest at the end: use (1 + cos(π · share)) / 2.",
                    ),
                    (with_rise(peak + (end - peak) * clipped), "This falls along a line: a half cosine is asked for."),
                    (down(np.clip(t / total, 0, 1), end), "The warm-up is missing."),
                    (
                        np.where(t < warm, rise, np.where(t < total, peak, end)),
                        "After the warm-up the rate must fall along a cosine.",
                    ),
                ),
            )
            self.expect_close(got, right, f"peak {peak}, warm {warm}, total {total}, end {end}.")

    @staticmethod
    def reference(t, peak, warm, total, end):
        import numpy as np

        share = np.clip((t - warm) / (total - warm), 0, 1)  # of the way down
        down = end + (peak - end) * (1 + np.cos(np.pi * share)) / 2
        return np.where(t < warm, peak * (t + 1) / max(warm, 1), down)

    @staticmethod
    def mistakes():
        def answer(first=1, begin=True, clip=True, scale=1.0, zero=False, warm_up=True, length=True):
            def warmup_cosine(t, peak, warm, total, end):
                share = (t - (warm if begin else 0)) / (total - (warm if length else 0))
                share = np.clip(share, 0, 1 if clip else 9)
                low = 0.0 if zero else end
                down = low + (peak - low) * (1 + np.cos(scale * np.pi * share)) / 2
                return np.where((t < warm) & warm_up, peak * (t + first) / max(warm, 1), down)

            return warmup_cosine

        def share_of_peak(t, peak, warm, total, end):
            return answer()(t, peak, warm, total, end * peak)

        def line(t, peak, warm, total, end):
            share = np.clip((t - warm) / (total - warm), 0, 1)
            return np.where(t < warm, peak * (t + 1) / max(warm, 1), peak + (end - peak) * share)

        return (
            exercise.Mistake(answer(first=0), "is wasted"),
            exercise.Mistake(answer(begin=False, length=False), "begin where the warm-up ends"),
            exercise.Mistake(answer(length=False), "not total"),
            exercise.Mistake(answer(clip=False), "After t = total"),
            exercise.Mistake(answer(scale=2.0), "whole period"),
            exercise.Mistake(answer(zero=True), "not at 0"),
            exercise.Mistake(share_of_peak, "not a share of the peak"),
            exercise.Mistake(line, "along a line"),
        )


class PickRate(exercise.Exercise):
    """Write `pick_rate(rates, losses)`: the constant rate that the lesson's rule reads from a range test, a number.

    rates (T,) growing, losses (T,) of the steps; either may end in NaN, after the explosion. Smooth the losses with
    m ← 0.9 m + 0.1 loss from m = 0, divide by 1 - 0.9ᵗ (t = 1, 2, …), and return a twentieth of the rate at the lowest
    smoothed loss.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Write the loop of the running mean first; print the smoothed losses "
        "of a short list and check the first one by hand.",
        "The first corrected mean is the first loss. `np.nanargmin` finds the lowest entry and ignores NaN.",
    )
    why = (
        "A single batch can be lucky: the mean over about ten steps is not; "
        "and its minimum comes too late, so stay well below."
    )

    @staticmethod
    def _smooth(losses, correct=True, beta=0.9):
        mean, found = 0.0, []
        for t, loss in enumerate(losses, start=1):
            mean = beta * mean + (1 - beta) * loss
            found.append(mean / (1 - beta**t) if correct else mean)
        return np.array(found)

    @staticmethod
    def _tests():
        for seed, n, ends_in_nan in ((0, 100, False), (1, 60, False), (2, 120, True), (3, 80, True), (4, 90, False)):
            rng = np.random.default_rng(seed)
            rates = np.geomspace(1e-5 * (1 + seed), 2.0, n)
            clean = 2.3 - 1.4 / (1 + (0.01 / rates) ** 1.2) + (rates / 0.2) ** 2
            losses = np.maximum(clean + 0.25 * rng.standard_normal(n), 0.05)
            losses[n // 3] = 0.06  # one lucky batch, early
            if ends_in_nan:
                losses[-6:] = np.nan
            yield rates, losses

    def test(self, pick_rate):
        for rates, losses in self._tests():
            got = self.expect_number(self.call(pick_rate, rates.copy(), losses.copy()))
            if not 0 < got <= rates[-1]:
                raise exercise.Wrong(f"{got:.4g} lies outside of the rates tried: is it an index, or a loss?")
            lowest = np.nanargmin(self._smooth(losses))
            right = rates[lowest] / 20
            slope = np.gradient(self._smooth(losses), np.log(rates))
            uncorrected = rates[np.nanargmin(self._smooth(losses, correct=False))]
            exercise.name_mistake(
                got,
                right,
                (
                    (
                        rates[lowest],
                        "This is the rate at the lowest loss: there it is about to explode. Take a twentieth of it.",
                    ),
                    (
                        rates[lowest] / 8,
                        "An eighth is for the peak of a falling schedule; for a constant rate it is a twentieth.",
                    ),
                    (
                        rates[lowest] / 10,
                        "You took a tenth of the rate at the lowest loss: the lesson's "
                        "rule for a constant rate is a twentieth.",
                    ),
                    (
                        rates[np.nanargmin(losses)] / 20,
                        "You took the lowest single loss, one lucky batch: smooth first.",
                    ),
                    (
                        rates[np.nanargmin(losses)],
                        "You took the lowest single loss, one lucky batch: smooth first, then take a twentieth.",
                    ),
                    (
                        uncorrected / 20,
                        "Without dividing by 1 - 0.9ᵗ the first means are far too small and look like the lowest loss.",
                    ),
                    (
                        rates[0] / 20,
                        "You took the very first rate: are the first running means "
                        "divided by 1 - 0.9ᵗ? Is NaN the lowest?",
                    ),
                    (
                        rates[np.argmin(self._smooth(losses))] / 20,
                        "The losses end in NaN, and `argmin` takes NaN for the lowest: use `nanargmin`.",
                    ),
                    (rates[lowest // 20], "You divided the index by 20, not the rate."),
                    (
                        rates[np.nanargmin(slope)],
                        "This is where the loss falls most steeply; the rule asks for its lowest place.",
                    ),
                ),
                rtol=1e-6,
            )
            self.expect_close(
                got, right, "A twentieth of the rate where the smoothed loss is lowest.", rtol=1e-6, atol=0
            )

    @staticmethod
    def reference(rates, losses):
        import numpy as np

        mean, smooth = 0.0, []
        for t, loss in enumerate(losses, start=1):
            mean = 0.9 * mean + 0.1 * loss
            smooth.append(mean / (1 - 0.9**t))
        return rates[np.nanargmin(smooth)] / 20

    @staticmethod
    def mistakes():
        smooth = PickRate._smooth
        return (
            exercise.Mistake(lambda r, x: r[np.nanargmin(smooth(x))], "about to explode"),
            exercise.Mistake(lambda r, x: r[np.nanargmin(x)] / 20, "one lucky batch"),
            exercise.Mistake(lambda r, x: r[np.nanargmin(smooth(x, correct=False))] / 20, "Without dividing"),
            exercise.Mistake(lambda r, x: r[np.argmin(smooth(x))] / 20, "takes NaN"),
            exercise.Mistake(lambda r, x: r[np.nanargmin(smooth(x))] / 8, "An eighth"),
            exercise.Mistake(lambda r, x: r[np.nanargmin(smooth(x)) // 20], "divided the index"),
            exercise.Mistake(lambda r, x: float(np.nanargmin(smooth(x))), "outside of the rates"),
        )


class MakeScheduler(exercise.Exercise):
    """Write `make_scheduler(optimizer, warm, total)` -> a PyTorch scheduler that is stepped after every optimiser step.

    With η the optimiser's own rate, step t = 0, 1, 2, … uses (t + 1) / warm · η for t < warm, then
    (total - t) / (total - warm) · η down to 0 at t = total, and 0 after it. 1 <= warm < total. Parameter groups may
    have different rates: each gets the same share of its own.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "`LambdaLR` takes a function of the step that returns a *factor*; "
        "the optimiser's own rate is multiplied by it.",
        "`min((t + 1) / warm, (total - t) / (total - warm))` is right for both parts; keep it from becoming negative.",
    )
    why = "A factor instead of a rate: so each group keeps its own rate, and one function of the step says everything."

    CASES = ((3, 10, (0.1,)), (1, 6, (0.5, 0.02)), (5, 8, (2.0,)), (4, 20, (0.3, 3.0)))

    def test(self, make_scheduler):
        for warm, total, rates in self.CASES:
            used = self._used(make_scheduler, warm, total, rates)  # (T, groups)
            t = np.arange(len(used))
            right = self._factor(t, warm, total)[:, None] * np.array(rates)
            candidates = self._candidates(t, warm, total, np.array(rates))
            self._judge_scheduler(used, right, candidates, total)

    def _used(self, make_scheduler, warm, total, rates):
        import warnings

        import torch

        groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in rates]
        optimizer = torch.optim.SGD(groups, lr=9.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler = make_scheduler(optimizer, warm, total)
            if scheduler is None:
                raise exercise.Wrong("Your function returned None: is the `return` missing?")
            if scheduler is ...:
                raise exercise.NotAttempted
            if not hasattr(scheduler, "step") or isinstance(scheduler, torch.optim.Optimizer):
                raise exercise.Wrong("Return a scheduler, for example from `torch.optim.lr_scheduler`.")
            used = []
            for _ in range(total + 4):
                used.append([float(group["lr"]) for group in optimizer.param_groups])
                optimizer.step()
                scheduler.step()
        return np.array(used)

    @staticmethod
    def _factor(t, warm, total):
        return np.clip(np.minimum((t + 1) / warm, (total - t) / (total - warm)), 0, 1)

    @staticmethod
    def _candidates(t, warm, total, rates):
        rise, line = (t + 1) / warm, (total - t) / (total - warm)
        column = lambda f: f[:, None] * rates
        where = lambda fall: np.where(t < warm, rise, fall)
        return (
            (column(np.minimum(rise, line)), "After t = total the rate is negative: it climbs the loss. Keep it at 0."),
            (
                column(np.maximum(np.where(t < warm, t / warm, line), 0)),
                "The first step has the rate 0: use (t + 1) / warm.",
            ),
            (
                column(np.maximum(where((total - t) / total), 0)),
                "The line down must start from the whole rate at t = warm and last total - warm steps.",
            ),
            (column(np.minimum(rise, 1)), "After the warm-up the rate must fall to 0."),
            (column(np.maximum((total - t) / total, 0)), "The warm-up is missing."),
            (
                column(where(np.clip((1 + np.cos(np.pi * np.clip(1 - line, 0, 1))) / 2, 0, 1))),
                "This falls along a cosine: a line is asked for.",
            ),
            (
                _squared(rates, np.clip(np.minimum(rise, line), 0, 1)),
                "`LambdaLR` multiplies by the optimiser's rate itself: return a factor, not a rate.",
            ),
            (
                np.clip(np.minimum(rise, line), 0, 1)[:, None] * np.full_like(rates, rates[0]),
                "Each parameter group keeps its own rate: you gave all of them that of the first.",
            ),
        )

    @staticmethod
    def _judge_scheduler(used, right, candidates, total):
        exercise.name_mistake(used, right, candidates, rtol=1e-4, atol=1e-6)
        if not np.allclose(used, right, rtol=1e-4, atol=1e-6):
            t, group = np.argwhere(~np.isclose(used, right, rtol=1e-4, atol=1e-6))[0]
            raise exercise.Wrong(
                f"Step {t} of {total}, group {group}: the rate is {used[t, group]:.4g}, expected {right[t, group]:.4g}."
            )

    @staticmethod
    def reference(optimizer, warm, total):
        import torch

        def factor(t):  # of the optimiser's own rate
            return max(min((t + 1) / warm, (total - t) / (total - warm)), 0.0)

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)

    @staticmethod
    def mistakes():
        def by(factor):
            def make_scheduler(optimizer, warm, total):
                import torch

                return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: factor(t, warm, total))

            return make_scheduler

        def a_rate(optimizer, warm, total):
            import torch

            lr = optimizer.param_groups[0]["lr"]
            factor = lambda t: max(min((t + 1) / warm, (total - t) / (total - warm)), 0.0)
            return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: lr * factor(t))

        return (
            exercise.Mistake(by(lambda t, w, n: min((t + 1) / w, (n - t) / (n - w))), "negative"),
            exercise.Mistake(
                by(lambda t, w, n: t / w if t < w else max((n - t) / (n - w), 0)), "first step has the rate 0"
            ),
            exercise.Mistake(
                by(lambda t, w, n: (t + 1) / w if t < w else max((n - t) / n, 0)), "must start from the whole rate"
            ),
            exercise.Mistake(by(lambda t, w, n: min((t + 1) / w, 1)), "must fall to 0"),
            exercise.Mistake(by(lambda t, w, n: max((n - t) / n, 0)), "warm-up is missing"),
            exercise.Mistake(a_rate, "a factor, not a rate"),
            exercise.Mistake(lambda optimizer, warm, total: optimizer, "Return a scheduler"),
        )


def _squared(rates, factor):
    """What LambdaLR does with a function that returns the first group's rate times the factor, (T, groups)."""
    return factor[:, None] * rates[0] * rates


class Trapezoid(exercise.Exercise):
    """Write a class `Trapezoid(peak, warm, total, decay)`, a `keras.optimizers.schedules.LearningRateSchedule`.

    `schedule(step)` is the rate of step t = 0, 1, 2, …: (t + 1) / warm · peak for t < warm, then the peak, and in the
    last `decay` steps before `total` the line (total - t) / decay · peak, down to 0 at t = total and 0 after it.
    `step` comes as
    an integer tensor, also inside a compiled training step. All four numbers are at least 1, warm + decay <= total.
    """

    difficulty = 3
    minutes = 20
    framework = "keras"
    time_limit = 60.0  # Keras compiles a training step
    hints = (
        "`__init__` keeps the four numbers, `__call__(self, step)` returns the "
        "rate. First `t = keras.ops.cast(step, 'float32')`.",
        "Three ramps, and the lowest counts: `ops.minimum((t + 1) / warm, 1)`, `(total "
        "- t) / decay`, and at least 0 by `ops.maximum`. No `if`.",
    )
    why = (
        "Warm-up, stable, decay: the long middle needs no total in advance; and "
        "a tensor cannot be asked by `if` in a compiled step."
    )

    CASES = ((0.1, 4, 20, 6), (2.0, 1, 7, 3), (0.5, 5, 12, 7))

    def test(self, trapezoid):
        import keras

        if not isinstance(trapezoid, type):
            raise exercise.Wrong("Pass the class `Trapezoid` itself, not an object of it.")
        base = keras.optimizers.schedules.LearningRateSchedule
        if not issubclass(trapezoid, base):
            raise exercise.Wrong(
                "The class must inherit from "
                "`keras.optimizers.schedules.LearningRateSchedule`: an optimiser asks for that."
            )
        for peak, warm, total, decay in self.CASES:
            schedule = self.call(trapezoid, peak, warm, total, decay)
            t = np.arange(total + 5)
            rates = [
                self.call(
                    schedule,
                    keras.ops.convert_to_tensor(
                        int(step), dtype="int64" if keras.backend.backend() != "jax" else "int32"
                    ),
                )
                for step in t
            ]
            rates = np.array([self.expect_number(rate, "the rate") for rate in rates])
            self._judge_rates(rates, t, peak, warm, total, decay)
        self._judge_compiled(trapezoid)

    @staticmethod
    def _judge_rates(got, t, peak, warm, total, decay):
        rise, fall = (t + 1) / warm, (total - t) / decay
        right = peak * np.clip(np.minimum(rise, fall), 0, 1)
        whole = lambda a, b: peak * np.clip(np.minimum(a, b), 0, 1)
        exercise.name_mistake(
            got,
            right,
            (
                (peak * np.minimum(np.minimum(rise, 1), fall), "After t = total the rate is negative: keep it at 0."),
                (whole(t / warm, fall), "The first step has the rate 0: the warm-up uses (t + 1) / warm."),
                (
                    whole(rise, (total - warm - t) / decay),
                    "The decay belongs to the last steps before `total`; yours ends `warm` steps too early.",
                ),
                (
                    whole(rise, (total + decay - t) / decay),
                    "The decay begins `decay` steps before `total`, not at `total`.",
                ),
                (
                    whole(rise, (total - t) / (total - warm)),
                    "Between warm-up and decay the rate stays at the peak: the decay lasts `decay` steps only.",
                ),
                (peak * np.minimum(rise, 1), "The decay is missing."),
                (whole(np.ones(len(t)), fall), "The warm-up is missing."),
                (right / peak, "This is the share of the peak: multiply by `peak`."),
                (peak * np.maximum(np.minimum(rise, fall), 0), "Between the ramps the rate must not exceed the peak."),
            ),
            atol=1e-6,
        )
        if not np.allclose(got, right, rtol=1e-4, atol=1e-6):
            at = int(np.argmax(~np.isclose(got, right, rtol=1e-4, atol=1e-6)))
            raise exercise.Wrong(
                f"peak {peak}, warm {warm}, total {total}, decay {decay}: step {at} "
                f"has {got[at]:.4g}, expected {right[at]:.4g}."
            )

    @staticmethod
    def _judge_compiled(trapezoid):
        """Train one weight with it: the rates must be the same inside a compiled step."""
        import keras

        peak, warm, total, decay = 0.5, 2, 6, 2
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
        model.compile(keras.optimizers.SGD(trapezoid(peak, warm, total, decay)), lambda y, z: keras.ops.mean(z - y))
        places = [0.0]
        for _ in range(total):
            try:
                model.train_on_batch(np.ones((1, 1), "float32"), np.zeros((1, 1), "float32"))
            except Exception as error:
                raise exercise.Wrong(
                    "In a compiled training step it stops "
                    f"({type(error).__name__}): `if`, `min`, `max` and `int` cannot "
                    "look into a tensor there; use `keras.ops.where`, `minimum`, `maximum`."
                ) from error
            places.append(float(model.get_weights()[0][0, 0]))
        t = np.arange(total)
        right = peak * np.clip(np.minimum((t + 1) / warm, (total - t) / decay), 0, 1)
        if not np.allclose(-np.diff(places), right, atol=1e-5):
            raise exercise.Wrong(
                "In a compiled training step the rates are others: `__call__` must depend on `step` alone."
            )

    @staticmethod
    def reference():
        import keras

        class Trapezoid(keras.optimizers.schedules.LearningRateSchedule):
            def __init__(self, peak, warm, total, decay):
                self.peak, self.warm, self.total, self.decay = peak, warm, total, decay

            def __call__(self, step):
                t = keras.ops.cast(step, "float32")
                share = keras.ops.minimum((t + 1) / self.warm, (self.total - t) / self.decay)
                return self.peak * keras.ops.clip(share, 0.0, 1.0)

            def get_config(self):
                return {"peak": self.peak, "warm": self.warm, "total": self.total, "decay": self.decay}

        return Trapezoid

    answer_kind = "value"

    @staticmethod
    def mistakes():
        def like(share, inherit=True):
            def build():
                import keras

                ops, base = keras.ops, keras.optimizers.schedules.LearningRateSchedule

                class Trapezoid(base if inherit else object):
                    def __init__(self, peak, warm, total, decay):
                        self.peak, self.warm, self.total, self.decay = peak, warm, total, decay

                    def __call__(self, step):
                        return self.peak * share(ops, ops.cast(step, "float32"), self.warm, self.total, self.decay)

                return Trapezoid

            return build

        low = lambda ops, a, b: ops.clip(ops.minimum(a, b), 0.0, 1.0)
        return (
            exercise.Mistake(
                like(lambda ops, t, w, n, d: ops.minimum(ops.minimum((t + 1) / w, 1.0), (n - t) / d)), "negative"
            ),
            exercise.Mistake(like(lambda ops, t, w, n, d: low(ops, t / w, (n - t) / d)), "first step has the rate 0"),
            exercise.Mistake(like(lambda ops, t, w, n, d: low(ops, (t + 1) / w, (n + d - t) / d)), "not at `total`"),
            exercise.Mistake(
                like(lambda ops, t, w, n, d: low(ops, (t + 1) / w, (n - t) / (n - w))), "stays at the peak"
            ),
            exercise.Mistake(like(lambda ops, t, w, n, d: low(ops, (n - t) / d, 1.0)), "warm-up is missing"),
            exercise.Mistake(
                like(lambda ops, t, w, n, d: low(ops, (t + 1) / w, (n - t) / d), inherit=False), "must inherit"
            ),
            exercise.Mistake(
                like(lambda ops, t, w, n, d: max(0.0, min(float(t + 1) / w, float(n - t) / d, 1.0))),
                "compiled training step",
            )
            if _traces()
            else exercise.Mistake(like(lambda ops, t, w, n, d: low(ops, (t + 1) / w, 1.0 + 0 * t)), "decay is missing"),
        )


def _traces():
    """Whether the Keras backend compiles training steps, so that `float(tensor)` fails in them."""
    import keras

    return keras.backend.backend() != "torch"


FAULTS = {
    "no warm-up": "the peak comes at once, where the loss is steepest",
    "peak too low": "a good shape, far below the rate that the problem stands",
    "state lost": "resumed from a checkpoint with a new scheduler",
    "stepped twice": "two calls of scheduler.step() for each batch",
    "impatient": "reduce on plateau with a patience of a few noisy steps",
}
PATIENTS_ALT = (
    "Five columns; above the rate as a share of its own peak, below the loss, "
    "logarithmic. A: a cosine to 0 and back to the peak; the "
    "loss trembles at both ends and is lowest in the middle. B: a cosine, and a "
    "loss that falls smoothly and ends high. C: stairs down "
    "to almost 0 within the first third, and a loss that then stands still. D: a "
    "cosine; the loss shoots up at once and stays there. E: "
    "a cosine with a jump back to the peak at step 200, where the loss jumps too."
)


@functools.cache
def patients():
    """The five trainings of exercise 5 -> {name: (rates (T,), losses (T +
    1,))}. Faults below; solve the exercise first.
    """
    from explorers import learning_rate_schedules as pictures

    runs, t = {}, np.arange(pictures.STEPS)
    half = lambda share: (1 + np.cos(np.pi * share)) / 2
    warm = np.minimum((t + 1) / 30, 1)
    for name, fault in zip(
        "ABCDE", ("stepped twice", "peak too low", "impatient", "no warm-up", "state lost"), strict=True
    ):
        lr = {
            "stepped twice": 0.8 * np.minimum((t + 1) / 15, 1) * half(2 * t / len(t)),
            "peak too low": 0.02 * warm * half(t / len(t)),
            "impatient": 0.8 * warm * 0.5 ** np.maximum((t - 30) // 9, 0).clip(0, 8),
            "no warm-up": 1.75 * half(t / len(t)),
            "state lost": 0.8 * warm * half(np.where(t < 200, t, t - 200) / len(t)),
        }[fault]
        runs[name] = lr, pictures.walk(lr, pictures.EARLY, seed=1)
    return runs


class Patients(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five trainings A to E: a dict such as `{"A": "state lost", ...}`.

    The faults: "no warm-up", "peak too low", "state lost", "stepped twice", "impatient", each once.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "Three of the five rates have a shape that nobody planned. Which event does each of them tell?",
        "Two rates look alike. What does the loss do in the first steps of the one, and in all steps of the other?",
    )
    why = "Plot the rate that was really used beside the loss: most accidents with schedules are visible there at once."
    faults = {"A": "stepped twice", "B": "peak too low", "C": "impatient", "D": "no warm-up", "E": "state lost"}
    symptoms = {
        "A": "A: the rate is 0 half way and at its peak again at the end. How "
        "often was the scheduler asked in each batch?",
        "B": "B: the rate has a good shape, and the loss hardly trembles at all. What does "
        "a loss without tremble say about the size of the steps?",
        "C": "C: the rate falls in stairs, and most of them come early, while the loss "
        "is still far up. Who decides about stairs like these?",
        "D": "D: the rate has a good shape, but look at the loss in the first steps. Where is the problem steepest?",
        "E": "E: up to step 200 all is well; then rate and loss jump. What happened between two steps?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Patients.faults, Patients.swapped

        return (
            exercise.Mistake(swapped("A", "E"), "How often was the scheduler asked"),
            exercise.Mistake(swapped("B", "D"), "without tremble"),
            exercise.Mistake(swapped("C", "D"), "Who decides about stairs"),
            exercise.Mistake(swapped("D", "E"), "Where is the problem steepest"),
            exercise.Mistake(dict.fromkeys("ABCDE", "impatient"), "exactly once"),
            exercise.Mistake(right | {"A": "overfits"}, "none of the names"),
        )
