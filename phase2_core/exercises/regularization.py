"""Exercises of lesson 2.5: statement, test, hints, solution and the mistakes whose feedback is tested."""

import functools

import numpy as np

from utils import exercise


class DropoutBackward(exercise.Exercise):
    """Write `dropout_backward(a, keep, p, grad_out)` -> (out, grad_a): inverted dropout, forward and backward.

    a (B, D) activations, keep (B, D) of bool, True where a unit is kept, p the probability of dropping, grad_out (B, D)
    the gradient of the loss by the output. out (B, D) is the output, grad_a (B, D) the gradient by a.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Each output is its activation times a number: 0, or one that keeps the mean. What is the slope of that?",
        "`factor = keep / (1 - p)`; the output is `a * factor`, and the gradient passes through the same factor.",
    )
    why = "For a drawn mask dropout is a multiplication by constants, so the gradient meets the same mask and scale."

    def test(self, dropout_backward):
        for shape, p, seed in (((4, 3), 0.5, 0), ((2, 5), 0.2, 1), ((1, 6), 0.75, 2), ((3, 3), 0.0, 3)):
            rng = np.random.default_rng(seed)
            a, grad = rng.standard_normal(shape), rng.standard_normal(shape)
            keep = rng.random(shape) >= p
            pair = self.call(dropout_backward, a, keep, p, grad)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise exercise.Wrong("Return the pair `out, grad_a`.")
            out, back = (self.expect_array(x, shape, n) for x, n in zip(pair, ("`out`", "`grad_a`"), strict=True))
            self._compare(out, back, a, keep, p, grad)

    def _compare(self, out, back, a, keep, p, grad):
        factor = keep / (1 - p)
        exercise.name_mistake(
            out,
            a * factor,
            (
                (a * keep, "The survivors are not scaled: divide by 1 - p, or the mean shrinks."),
                (
                    a * keep / max(p, 1e-9),
                    "You divided by p, the probability of dropping: kept units appear 1 - p of the time.",
                ),
                (a * ~keep / (1 - p), "The mask is turned round: keep is True where the unit stays."),
                (a * keep * (1 - p), "You multiplied by 1 - p: that makes the mean even smaller; divide."),
                (a, "Nothing is dropped in `out`: multiply by the mask."),
            ),
        )
        self.expect_close(out, a * factor, "`out` is a * keep / (1 - p).", name="`out`")
        exercise.name_mistake(
            back,
            grad * factor,
            (
                (grad, "The gradient passes as if nothing had been dropped: a silent unit gets no gradient."),
                (grad * keep, "The gradient meets the mask but not the scale: divide by 1 - p there too."),
                (factor, "grad_a is the slope of the layer alone: the chain rule multiplies it by grad_out."),
                (
                    grad * a * factor,
                    "You multiplied by the output: the slope by a is the mask times the scale, without a.",
                ),
            ),
        )
        self.expect_close(back, grad * factor, "`grad_a` is grad_out * keep / (1 - p).", name="`grad_a`")

    @staticmethod
    def reference(a, keep, p, grad_out):
        factor = keep / (1 - p)  # (B, D): 0, or what keeps the mean
        return a * factor, grad_out * factor

    @staticmethod
    def mistakes():
        return (
            exercise.Mistake(lambda a, keep, p, g: (a * keep, g * keep), "survivors are not scaled"),
            exercise.Mistake(lambda a, keep, p, g: (a * keep / (1 - p), g), "gets no gradient"),
            exercise.Mistake(lambda a, keep, p, g: (a * keep / (1 - p), g * keep), "but not the scale"),
            exercise.Mistake(lambda a, keep, p, g: (a * keep / (1 - p), keep / (1 - p)), "slope of the layer alone"),
            exercise.Mistake(lambda a, keep, p, g: (a * keep / (1 - p), g * a * keep / (1 - p)), "without a"),
            exercise.Mistake(lambda a, keep, p, g: (a * ~keep / (1 - p), g * ~keep / (1 - p)), "turned round"),
            exercise.Mistake(lambda a, keep, p, g: (a * keep * (1 - p), g * keep * (1 - p)), "even smaller"),
            exercise.Mistake(lambda a, keep, p, g: a * keep / (1 - p), "Return the pair"),
        )


class ProximalStep(exercise.Exercise):
    """Write `proximal_step(w, grad, lr, l1)`: one step on loss + l1 · Σ|w| that makes exact zeros.

    w (D,), grad (D,) the gradient of the loss *without* the penalty, lr the learning rate, l1 the strength. First a
    gradient step on the loss alone, then soft thresholding. Returns (D,).
    """

    difficulty = 2
    minutes = 12
    hints = (
        "A plain step on the penalty would move each weight by lr · l1 "
        "towards 0. Soft thresholding does the same, and stops.",
        "`moved = w - lr * grad`, then `np.sign(moved) * np.maximum(np.abs(moved) - lr * l1, 0)`.",
    )
    why = "The threshold is lr · l1, as far as the penalty pulls in one step; what would pass 0 stays there."

    def test(self, proximal_step):
        for d, lr, l1, seed in ((6, 0.5, 0.4, 0), (20, 0.1, 3.0, 1), (5, 2.0, 0.3, 2), (4, 0.3, 0.0, 3)):
            rng = np.random.default_rng(seed)
            w, grad = rng.standard_normal(d), rng.standard_normal(d)
            w[:2], grad[:2] = 0.0, 0.1 * grad[:2]  # some that must become 0
            got = self.expect_array(self.call(proximal_step, w, grad, lr, l1), (d,))
            soft = lambda v, t: np.sign(v) * np.maximum(np.abs(v) - t, 0)
            moved = w - lr * grad
            right = soft(moved, lr * l1)
            exercise.name_mistake(
                got,
                right,
                (
                    (
                        soft(moved, l1),
                        "The threshold lacks the learning rate: in one step the penalty pulls by lr · l1.",
                    ),
                    (
                        moved - lr * l1 * np.sign(w),
                        "This is a plain step on the penalty: it jumps over 0 and makes no zeros.",
                    ),
                    (
                        moved - lr * l1 * np.sign(moved),
                        "Weights near 0 are pushed past it: take max(|w| - threshold, 0).",
                    ),
                    (
                        soft(w, lr * l1) - lr * grad,
                        "The order is turned round: first the gradient step, then the threshold.",
                    ),
                    (
                        np.maximum(np.abs(moved) - lr * l1, 0),
                        "The sign is lost: multiply by np.sign of the moved weight.",
                    ),
                    (
                        np.sign(w) * np.maximum(np.abs(moved) - lr * l1, 0),
                        "Take the sign after the step: it may have changed.",
                    ),
                    (moved / (1 + lr * l1), "This divides, as L2 does: L1 subtracts and stops at 0."),
                    (moved, "The penalty is missing: apply soft thresholding after the step."),
                    (
                        moved * (np.abs(moved) > lr * l1),
                        "Small weights are cut, large ones not shrunk: that is hard thresholding.",
                    ),
                    (soft(w + lr * grad, lr * l1), "The step goes up the gradient: subtract lr * grad."),
                ),
            )
            self.expect_close(got, right, "Gradient step first, then soft thresholding by lr · l1.")

    @staticmethod
    def reference(w, grad, lr, l1):
        import numpy as np

        moved = w - lr * grad
        return np.sign(moved) * np.maximum(np.abs(moved) - lr * l1, 0)

    @staticmethod
    def mistakes():
        soft = lambda v, t: np.sign(v) * np.maximum(np.abs(v) - t, 0)
        return (
            exercise.Mistake(lambda w, g, lr, l1: soft(w - lr * g, l1), "lacks the learning rate"),
            exercise.Mistake(lambda w, g, lr, l1: w - lr * (g + l1 * np.sign(w)), "makes no zeros"),
            exercise.Mistake(lambda w, g, lr, l1: soft(w, lr * l1) - lr * g, "order is turned round"),
            exercise.Mistake(lambda w, g, lr, l1: np.maximum(np.abs(w - lr * g) - lr * l1, 0), "sign is lost"),
            exercise.Mistake(lambda w, g, lr, l1: (w - lr * g) / (1 + lr * l1), "as L2 does"),
            exercise.Mistake(lambda w, g, lr, l1: (w - lr * g) * (np.abs(w - lr * g) > lr * l1), "hard thresholding"),
            exercise.Mistake(lambda w, g, lr, l1: w - lr * g, "penalty is missing"),
        )


def _stop(losses, patience, min_delta, strict=True, since_stop=True, extra=0, last=False):
    best, best_epoch, waited, epoch = float("inf"), 0, 0, 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best - min_delta or (not strict and loss <= best - min_delta):
            best, best_epoch, waited = loss, epoch, 0
        else:
            waited += 1
            if waited >= patience + extra:
                break
    return (epoch if last else best_epoch), epoch


class StopEarly(exercise.Exercise):
    """Write `stop_early(losses, patience, min_delta)` -> (best epoch, last epoch), both counted from 1.

    losses: validation losses in order; an epoch is better only if its loss is below the best one by *more than*
    min_delta. Training ends with the epoch at which `patience` epochs in a row were not better, or with the list.
    """

    difficulty = 2
    minutes = 15
    framework = "either"
    hints = (
        "Remember the best loss and its epoch. In each epoch: is it better by "
        "more than min_delta? If not, how long ago was the best?",
        "`if loss < best - min_delta:` take it over; `elif epoch - best_epoch >= patience:` stop.",
    )
    why = "One comparison and one counter; min_delta keeps tiny improvements from buying ever more epochs."

    CASES = (
        ([0.9, 0.6, 0.5, 0.55, 0.51, 0.53, 0.54, 0.4], 2, 0.0),
        ([0.9, 0.6, 0.5, 0.55, 0.51, 0.4, 0.45], 3, 0.0),
        ([1.0, 0.75, 0.625, 0.5, 0.375, 0.3], 1, 0.125),
        ([1.0, 0.9, 0.85, 0.8, 0.75, 0.7], 2, 0.2),
        ([0.5, 0.5, 0.5, 0.4], 2, 0.0),
        ([1.0, 0.95, 0.9, 0.85, 0.8, 0.75], 5, 0.12),
        ([3.0, 2.0, 1.0], 5, 0.0),
        ([0.3], 1, 0.0),
        ([1.0, 2.0, 0.9, 2.0, 0.8, 2.0, 2.0, 0.1], 2, 0.0),
    )

    def test(self, stop_early):
        for losses, patience, delta in self.CASES:
            got = self.call(stop_early, list(losses), patience, delta)
            if not isinstance(got, (tuple, list)) or len(got) != 2:
                raise exercise.Wrong("Return the pair (best epoch, last epoch).")
            got = tuple(int(self.expect_number(g)) for g in got)
            right = _stop(losses, patience, delta)
            if got == right:
                continue
            at = f"Losses {losses}, patience {patience}, min_delta {delta}: "
            for wrong, words in (
                (_stop(losses, patience, 0.0), "min_delta is not used: small improvements do not count."),
                ((right[0] - 1, right[1] - 1), "the epochs are counted from 1, yours from 0."),
                (
                    _stop(losses, patience, delta, extra=1),
                    "you wait one epoch too long: stop when patience epochs were not better.",
                ),
                (
                    _stop(losses, patience, delta, strict=False),
                    "an improvement of exactly min_delta (or of 0) is not enough.",
                ),
                (_stop(losses, patience, -delta), "min_delta has the wrong sign: better means below best - min_delta."),
                ((right[1], right[1]), "the first number is the best epoch, not the last one."),
                (right[::-1], "the two numbers are swapped."),
                (self._total(losses, patience, delta), "the counter never goes back to 0: only epochs in a row count."),
                (
                    (int(np.argmin(losses)) + 1, len(losses)),
                    "you looked at the whole list: the training has ended before.",
                ),
                (
                    self._previous(losses, patience, delta),
                    "compare with the best loss so far, not with the one before.",
                ),
            ):
                if got == wrong:
                    raise exercise.Wrong(at + words)
            if delta and got == (1, right[1]):
                raise exercise.Wrong(
                    f"{at}small improvements add up: keep the best loss until one beats it by min_delta."
                )
            raise exercise.Wrong(f"{at}yours is {got}, expected {right}.")

    @staticmethod
    def _total(losses, patience, delta):
        best, best_epoch, waited, epoch = float("inf"), 0, 0, 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < best - delta:
                best, best_epoch = loss, epoch
            else:
                waited += 1
                if waited >= patience:
                    break
        return best_epoch, epoch

    @staticmethod
    def _previous(losses, patience, delta):
        before, best_epoch, waited, epoch = float("inf"), 0, 0, 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < before - delta:
                best_epoch, waited = epoch, 0
            else:
                waited += 1
                if waited >= patience:
                    break
            before = loss
        return best_epoch, epoch

    @staticmethod
    def reference(losses, patience, min_delta):
        best, best_epoch = float("inf"), 0
        for epoch, loss in enumerate(losses, start=1):
            if loss < best - min_delta:
                best, best_epoch = loss, epoch
            elif epoch - best_epoch >= patience:
                break
        return best_epoch, epoch

    @staticmethod
    def mistakes():
        return (
            exercise.Mistake(lambda *a: _stop(*a, extra=1), "one epoch too long"),
            exercise.Mistake(lambda x, p, d: _stop(x, p, 0.0), "min_delta is not used"),
            exercise.Mistake(lambda *a: _stop(*a, strict=False), "is not enough"),
            exercise.Mistake(lambda *a: _stop(*a, last=True), "not the last one"),
            exercise.Mistake(lambda *a: tuple(v - 1 for v in _stop(*a)), "counted from 1"),
            exercise.Mistake(lambda *a: _stop(*a)[::-1], "swapped"),
            exercise.Mistake(StopEarly._total, "never goes back to 0"),
            exercise.Mistake(lambda x, p, d: (int(np.argmin(x)) + 1, len(x)), "whole list"),
            exercise.Mistake(StopEarly._previous, "not with the one before"),
        )


class MakeOptimizer(exercise.Exercise):
    """Write `make_optimizer(model, lr, weight_decay)`: a torch.optim.AdamW that decays weights only.

    All parameters are trained; those with one axis (biases, scales of normalisation layers) get a decay of 0, all
    others
    `weight_decay`.
    """

    difficulty = 2
    minutes = 12
    framework = "torch"
    hints = (
        "An optimiser of PyTorch takes a list of groups, each a dict with its own settings.",
        "`[{'params': matrices}, {'params': vectors, 'weight_decay': 0.0}]`; sort by `p.ndim`.",
    )
    why = (
        "Two parameter groups; a bias or a scale that is pulled to 0 only "
        "moves the function, it does not make it simpler."
    )

    @staticmethod
    def _models():
        from torch import nn

        conv = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
        return nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.ReLU(), nn.Linear(4, 2)), conv

    def test(self, make_optimizer):
        import torch

        for model, lr, decay in zip(self._models(), (0.01, 0.003), (0.5, 0.1), strict=True):
            optimizer = make_optimizer(model, lr, decay)
            if optimizer is ...:
                raise exercise.NotAttempted
            if optimizer is None:
                raise exercise.Wrong("Your function returned None: is the `return` missing?")
            if isinstance(optimizer, torch.optim.Adam) and not isinstance(optimizer, torch.optim.AdamW):
                raise exercise.Wrong(
                    "torch.optim.Adam puts the decay into the gradient: take AdamW, which decays directly."
                )
            if not isinstance(optimizer, torch.optim.AdamW):
                raise exercise.Wrong(f"Expected a torch.optim.AdamW, got {type(optimizer).__name__}.")
            given = {id(p): g for g in optimizer.param_groups for p in g["params"]}
            self._judge_groups(model, given, lr, decay)

    @staticmethod
    def _judge_groups(model, given, lr, decay):
        named = dict(model.named_parameters())
        if missing := [n for n, p in named.items() if id(p) not in given]:
            raise exercise.Wrong(f"`{missing[0]}` is in no group: it would not be trained at all.")
        if any(not np.isclose(g["lr"], lr) for g in given.values()):
            raise exercise.Wrong(f"The learning rate is not {lr} in every group.")
        decays = {n: given[id(p)]["weight_decay"] for n, p in named.items()}
        vectors = [n for n, p in named.items() if p.ndim == 1]
        weights = [n for n in named if n not in vectors]
        if all(d == 0.01 for d in decays.values()) and decay != 0.01:
            raise exercise.Wrong("The decay is AdamW's default 0.01: pass `weight_decay`.")
        if all(np.isclose(d, decay) for d in decays.values()):
            raise exercise.Wrong("Everything is decayed: biases and scales need a group of their own with decay 0.")
        if decays[weights[0]] == 0 and np.isclose(decays[vectors[0]], decay):
            raise exercise.Wrong("The two groups are swapped: the matrices are decayed, the vectors not.")
        for name in vectors:
            if decays[name] != 0:
                kind = "a scale of a normalisation layer" if name.endswith("weight") else "a bias"
                raise exercise.Wrong(f"`{name}` is {kind} and must not be decayed: sort by the number of axes.")
        for name in weights:
            if not np.isclose(decays[name], decay):
                raise exercise.Wrong(f"`{name}` has decay {decays[name]}, expected {decay}: it has more than one axis.")

    @staticmethod
    def reference(model, lr, weight_decay):
        import torch

        parameters = list(model.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=lr, weight_decay=weight_decay)

    @staticmethod
    def mistakes():
        def grouped(chosen, kind="AdamW", rest=True):
            def make(model, lr, weight_decay):
                import torch

                first = [p for n, p in model.named_parameters() if chosen(n, p)]
                others = [p for n, p in model.named_parameters() if not chosen(n, p)]
                groups = [{"params": first}] + ([{"params": others, "weight_decay": 0.0}] if rest else [])
                return getattr(torch.optim, kind)(groups, lr=lr, weight_decay=weight_decay)

            return make

        def everything(model, lr, weight_decay):
            import torch

            return torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)

        def default(model, lr, weight_decay):
            import torch

            return torch.optim.AdamW(model.parameters(), lr=lr)

        return (
            exercise.Mistake(everything, "Everything is decayed"),
            exercise.Mistake(default, "default 0.01"),
            exercise.Mistake(grouped(lambda n, p: "bias" not in n), "scale of a normalisation layer"),
            exercise.Mistake(grouped(lambda n, p: p.ndim > 1, rest=False), "in no group"),
            exercise.Mistake(grouped(lambda n, p: p.ndim == 1), "swapped"),
            exercise.Mistake(grouped(lambda n, p: p.ndim > 1, kind="Adam"), "into the gradient"),
            exercise.Mistake(grouped(lambda n, p: p.ndim == 2), "more than one axis"),
        )


class PenalisedMlp(exercise.Exercise):
    """Write `penalised_mlp(n_inputs, n_hidden, n_outputs, weight_decay)`: a built keras.Sequential.

    One hidden layer with ReLU, logits at the end. `sum(model.losses)` must be the penalty that
    `torch.optim.SGD(…, weight_decay=weight_decay)` stands for, on the two kernels; biases carry none.
    """

    difficulty = 2
    minutes = 12
    framework = "keras"
    hints = (
        "SGD's weight decay adds weight_decay · w to the gradient. Of which penalty is that the slope?",
        "½ · weight_decay · Σw². Keras' L2 has no ½: `kernel_regularizer=keras.regularizers.L2(weight_decay / 2)`.",
    )
    why = "The slope of ½ λ w² is λ w; Keras' L2(λ) is λ w² with slope 2 λ w, so it gets half the number."

    def test(self, penalised_mlp):
        import keras

        for sizes, decay in (((5, 7, 3), 0.2), ((2, 4, 1), 0.01)):
            model = self.call(penalised_mlp, *sizes, decay)
            self.expect_type(model, keras.Model)
            if not model.built:
                raise exercise.Wrong("The model is not built: begin with `keras.Input((n_inputs,))`.")
            dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
            if [tuple(layer.kernel.shape) for layer in dense] != [sizes[:2], sizes[1:]]:
                raise exercise.Wrong(
                    "The kernels have shapes "
                    f"{[tuple(d.kernel.shape) for d in dense]}, expected {[sizes[:2], sizes[1:]]}."
                )
            rng = np.random.default_rng(0)
            model.set_weights([rng.standard_normal(w.shape) + 0.5 for w in model.get_weights()])
            self._judge_output(model, sizes[0], rng)
            self._judge_penalty(model, dense, decay)

    @staticmethod
    def _judge_output(model, n_inputs, rng):
        import keras

        x = rng.standard_normal((6, n_inputs)).astype("float32")
        got = keras.ops.convert_to_numpy(model(x))
        W1, b1, W2, b2 = model.get_weights()
        z = x @ W1 + b1
        if np.allclose(got, z @ W2 + b2, atol=1e-4) and (z < 0).any():
            raise exercise.Wrong("The hidden layer has no ReLU.")
        if not np.allclose(got, np.maximum(z, 0) @ W2 + b2, atol=1e-4):
            raise exercise.Wrong("The output is not that of Dense, ReLU, Dense: is there an activation at the end?")

    @staticmethod
    def _judge_penalty(model, dense, decay):
        import keras

        got = float(keras.ops.convert_to_numpy(sum(model.losses))) if model.losses else 0.0
        kernels = [np.sum(layer.get_weights()[0].astype(float) ** 2) for layer in dense]
        biases = [np.sum(layer.get_weights()[1].astype(float) ** 2) for layer in dense]
        absolute = sum(np.abs(layer.get_weights()[0]).sum() for layer in dense)
        right = decay / 2 * sum(kernels)
        exercise.name_mistake(
            got,
            right,
            (
                (0.0, "The model has no penalty: pass `kernel_regularizer`."),
                (
                    2 * right,
                    "Twice too much: Keras' L2 has no ½, so that its slope is 2 · w; pass half of weight_decay.",
                ),
                (right + decay / 2 * sum(biases), "The biases are penalised too: leave `bias_regularizer` out."),
                (2 * right + decay * sum(biases), "Twice too much, and on the biases as well."),
                (decay / 2 * kernels[0], "Only the first layer carries a penalty."),
                (decay / 2 * kernels[1], "Only the last layer carries a penalty."),
                (decay * kernels[0], "Only the first layer carries a penalty, and twice too much."),
                (decay / 2 * sum(biases), "The penalty sits on the biases: `kernel_regularizer` is for the weights."),
                (decay * absolute, "This is an L1 penalty: weight decay belongs to the square."),
                (decay / 2 * absolute, "This is an L1 penalty: weight decay belongs to the square."),
            ),
            rtol=1e-3,
        )
        if not np.isclose(got, right, rtol=1e-3):
            raise exercise.Wrong(f"sum(model.losses) is {got:.4f}, expected ½ · weight_decay · Σw² = {right:.4f}.")

    @staticmethod
    def reference(n_inputs, n_hidden, n_outputs, weight_decay):
        import keras

        half = keras.regularizers.L2(weight_decay / 2)  # Keras' L2 has no factor ½ of its own
        return keras.Sequential(
            [
                keras.Input((n_inputs,)),
                keras.layers.Dense(n_hidden, activation="relu", kernel_regularizer=half),
                keras.layers.Dense(n_outputs, kernel_regularizer=half),
            ]
        )

    @staticmethod
    def mistakes():
        def build(scale=0.5, kind="L2", first=True, second=True, bias=False, activation="relu"):
            def penalised_mlp(n_inputs, n_hidden, n_outputs, weight_decay):
                import keras

                rule = getattr(keras.regularizers, kind)(scale * weight_decay)
                options = lambda on: {
                    "kernel_regularizer": rule if on else None,
                    "bias_regularizer": rule if bias else None,
                }
                return keras.Sequential(
                    [
                        keras.Input((n_inputs,)),
                        keras.layers.Dense(n_hidden, activation=activation, **options(first)),
                        keras.layers.Dense(n_outputs, **options(second)),
                    ]
                )

            return penalised_mlp

        return (
            exercise.Mistake(build(scale=1.0), "Twice too much"),
            exercise.Mistake(build(bias=True), "biases are penalised"),
            exercise.Mistake(build(second=False), "Only the first layer"),
            exercise.Mistake(build(first=False, second=False), "no penalty"),
            exercise.Mistake(build(kind="L1", scale=1.0), "L1 penalty"),
            exercise.Mistake(build(activation=None), "no ReLU"),
        )


FAULTS = ("overfits", "underfits", "leak", "unlike", "dropout on")
CLINICS_ALT = (
    "Five panels with training and validation accuracy over 30 epochs. "
    "A: both stay low and close together. B: training "
    "rises to 1, validation rises a little, then sinks. C: training rises "
    "to 1, validation stays near 0. D: both rise to 1 "
    "together. E: training rises, validation runs below it, jagged from epoch to epoch, but does not sink."
)


@functools.cache
def clinics():
    """The five trainings of exercise 6 -> {name: DataFrame with columns epoch, train, valid}."""
    import pandas as pd
    import torch
    from torch import nn

    from utils import torch_remedies as bench

    runs = {}
    for name, fault in zip("ABCDE", ("underfits", "overfits", "unlike", "leak", "dropout on"), strict=True):
        p = bench.problem(0, 0.0 if fault in ("unlike", "dropout on") else 0.2)
        x, y, x_valid, y_valid = p.x_train, p.y_train, p.x_valid, p.y_valid
        if fault == "leak":
            x_valid, y_valid = x[::2], y[::2]
        if fault == "unlike":
            x, y, x_valid, y_valid = x[y < 7], y[y < 7], x_valid[y_valid >= 7], y_valid[y_valid >= 7]
        torch.manual_seed(0)
        model = bench.mlp(dropout=0.5 if fault == "dropout on" else 0.0)
        decay = 30.0 if fault == "underfits" else 0.0
        optimizer, rows = torch.optim.AdamW(model.parameters(), bench.LR, weight_decay=decay), []
        right = lambda a, b, model=model: (model(a).argmax(1) == b).double().mean().item()
        for epoch in range(30):
            model.train()
            for batch in torch.randperm(len(x)).split(50):
                loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.eval()
            train = right(x, y)
            model.train(fault == "dropout on")
            rows.append({"epoch": epoch + 1, "train": train, "valid": right(x_valid, y_valid)})
        runs[name] = pd.DataFrame(rows)
    return runs


class Clinics(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five trainings A to E: a dict such as `{"A": "leak", ...}`.

    The faults: "overfits", "underfits", "leak", "unlike", "dropout on", each once. Only the curves are needed.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "Look at training first: in which runs does it fail to rise? Then at "
        "the distance of validation: none, some, all of it.",
        "Two runs have a validation that is too good or too bad to be true. "
        "Of the two in between, one sinks, one trembles.",
    )
    why = "Level, distance and tremble of two curves: before you add a remedy, find out which of the five it is."
    faults = {"A": "underfits", "B": "overfits", "C": "unlike", "D": "leak", "E": "dropout on"}
    symptoms = {
        "A": "A: both curves stay low, and close together. What keeps the network from learning even its own examples?",
        "B": "B: training goes on rising while validation sinks. What does the network learn in these epochs?",
        "C": "C: validation is far below even guessing. Can a network answer with a class that it has never seen?",
        "D": "D: with wrong labels among them, nobody can be right about new digits this often. Are these digits new?",
        "E": "E: validation jumps from epoch to epoch and is lower than it "
        "should be, but does not sink. What rolls dice?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Clinics.faults, Clinics.swapped

        return (
            exercise.Mistake(swapped("A", "C"), "its own examples"),
            exercise.Mistake(swapped("B", "E"), "validation sinks"),
            exercise.Mistake(swapped("C", "D"), "never seen"),
            exercise.Mistake(swapped("D", "E"), "Are these digits new"),
            exercise.Mistake(dict.fromkeys("ABCDE", "overfits"), "exactly once"),
            exercise.Mistake(right | {"A": "too small"}, "none of the names"),
        )
