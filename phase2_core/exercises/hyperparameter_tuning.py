"""Exercises of lesson 2.9: statement, test, hints, solution and the mistakes whose feedback is tested."""

import math

import numpy as np

from utils import exercise


class SampleLog(exercise.Exercise):
    """Write `sample_log(low, high, n, rng)`: n random numbers between low and high, uniform on a logarithmic scale.

    low and high are positive; rng is a NumPy generator; the result is (n,). Every decade is to get the same share.
    """

    difficulty = 1
    minutes = 8
    hints = (
        "Draw the exponent evenly, then raise. Which exponents belong to low and high?",
        "`10 ** rng.uniform(np.log10(low), np.log10(high), n)`.",
    )
    why = "The logarithm turns factors into distances; an even draw there gives every factor the same chance."

    def test(self, sample_log):
        for low, high, seed, n in ((1e-4, 1.0, 0, 4000), (0.5, 32.0, 1, 5000), (3e-3, 3e-2, 2, 6000)):
            got = self.expect_array(self.call(sample_log, low, high, n, np.random.default_rng(seed)), (n,))
            if low > 0 and got.min() < 0:
                raise exercise.Wrong("Some values are negative: those are the exponents; raise 10 (or e) to them.")
            if got.min() < low * 0.999 or got.max() > high * 1.001:
                raise exercise.Wrong(
                    f"Values from {got.min():.3g} to {got.max():.3g}, expected within {low:g} to {high:g}."
                )
            place = np.log(got / low) / np.log(high / low)
            if place.min() > 0.2 or place.max() < 0.8:
                raise exercise.Wrong(
                    "The values fill only a part of the interval: log10 goes with 10 **, log with exp."
                )
            if len(np.unique(got.round(12))) < 100:
                raise exercise.Wrong("Only a few different values: draw from the whole interval, not from its decades.")
            if abs((got - low).mean() / (high - low) - 0.5) < 0.03 and place.mean() > 0.55:
                raise exercise.Wrong("Uniform on the plain scale: nearly all values lie in the highest decade.")
            if place.mean() < 0.45:
                raise exercise.Wrong(
                    "Too many small values: the exponent itself must be uniform, without a further logarithm."
                )
            shares = np.histogram(place, 5, (0, 1))[0] / n
            if np.abs(shares - 0.2).max() > 0.03:
                raise exercise.Wrong(f"Fifths of the logarithmic scale get {shares.round(2)}, expected 0.2 each.")
        one, two = (self.call(sample_log, 1.0, 10.0, 5, np.random.default_rng(s)) for s in (0, 1))
        again = self.call(sample_log, 1.0, 10.0, 5, np.random.default_rng(0))
        if np.array_equal(one, two):
            raise exercise.Wrong("Two generators give the same values: draw them from `rng`, at random.")
        if not np.array_equal(one, again):
            raise exercise.Wrong(
                "Equal generators give different values: draw from `rng`, not from NumPy's global one."
            )

    @staticmethod
    def reference(low, high, n, rng):
        import numpy as np

        return 10 ** rng.uniform(np.log10(low), np.log10(high), n)

    @staticmethod
    def mistakes():
        return (
            exercise.Mistake(lambda low, high, n, rng: rng.uniform(low, high, n), "plain scale"),
            exercise.Mistake(
                lambda low, high, n, rng: rng.uniform(np.log10(low), np.log10(high), n), "those are the exponents"
            ),
            exercise.Mistake(
                lambda low, high, n, rng: np.exp(rng.uniform(np.log10(low), np.log10(high), n)), "goes with"
            ),
            exercise.Mistake(lambda low, high, n, rng: np.geomspace(low, high, n), "at random"),
            exercise.Mistake(
                lambda low, high, n, rng: 10 ** np.random.uniform(np.log10(low), np.log10(high), n),  # noqa: NPY002
                "global one",
            ),
            exercise.Mistake(lambda low, high, n, rng: rng.choice(np.geomspace(low, high, 5), n), "a few different"),
            exercise.Mistake(
                lambda low, high, n, rng: low * (high / low) ** (rng.random(n) ** 2), "Too many small values"
            ),
        )


def _rungs(curves, first, keep, best=True, at_start=False, up=False, absolute=True, rank_first=False):
    epochs, alive, result = first, list(range(curves.shape[1])), []
    while True:
        at = first if rank_first else epochs
        score = curves[at - 1] if best else -curves[at - 1]
        n = math.ceil(len(alive) / keep) if up else len(alive) // keep
        alive = sorted(alive, key=lambda c, score=score: -score[c])[: max(1, n)]
        result.append([int(c) for c in alive])
        if len(alive) == 1:
            return result
        epochs = min(epochs * keep if absolute else epochs + first, len(curves))


class Rungs(exercise.Exercise):
    """Write `rungs(curves, first, keep)`: the survivors of each rung of successive halving, a list of lists.

    curves (epochs, C): accuracy of C settings after each epoch. The first rung compares them after `first` epochs and
    keeps the best C // keep (at least one), best first; the next rung after first · keep epochs, and so on (at most
    all epochs), until
    one is left. Each list holds column numbers.
    """

    difficulty = 2
    minutes = 15
    framework = "either"
    hints = (
        "Keep two things: the list of columns alive, and the epoch of the "
        "rung. Accuracy after e epochs stands in row e - 1.",
        "`alive = sorted(alive, key=lambda c: -curves[epochs - 1, c])[: "
        "max(1, len(alive) // keep)]`; then `epochs *= keep`.",
    )
    why = "Each rung costs about the same number of epochs: fewer settings, each for longer."

    def test(self, rungs):
        for epochs, n, first, keep, seed in (
            (9, 9, 1, 3, 0),
            (16, 8, 2, 2, 1),
            (10, 11, 1, 3, 2),
            (4, 16, 1, 2, 3),
            (5, 2, 2, 4, 4),
        ):
            rng = np.random.default_rng(seed)
            curves = rng.random((epochs, n))
            got = self.call(rungs, curves, first, keep)
            if not isinstance(got, (list, tuple)) or not all(hasattr(rung, "__len__") for rung in got):
                raise exercise.Wrong("Return a list of lists: the survivors of each rung.")
            got = [[int(c) for c in rung] for rung in got]
            right = _rungs(curves, first, keep)
            if got == right:
                continue
            at = f"{n} settings, first rung {first}, keep 1 of {keep}: "
            for wrong, words in (
                (_rungs(curves, first, keep, best=False), "you kept the worst: a high accuracy is good."),
                (
                    _rungs(curves, first, keep, rank_first=True),
                    "every rung looks at the first one's epoch: the trials have gone on.",
                ),
                (_rungs(curves, first, keep, up=True), "round the number of survivors down, not up."),
                (
                    _rungs(curves, first, keep, absolute=False),
                    "the rungs are first, first · keep, first · keep² epochs, not equally spaced.",
                ),
                ([list(range(n)), *right], "the first list is the survivors of the first rung, not the start."),
                ([sorted(rung) for rung in right], "sort each rung by accuracy, best first."),
                (right[-1:], "only the winner is there: return the survivors of every rung."),
            ):
                if got == wrong:
                    raise exercise.Wrong(at + words)
            late = np.vstack([curves[1:], curves[-1:]])
            if got == _rungs(late, first, keep):
                raise exercise.Wrong(at + "one epoch too late: accuracy after e epochs stands in row e - 1.")
            raise exercise.Wrong(f"{at}yours is {got}, expected {right}.")

    @staticmethod
    def reference(curves, first, keep):
        epochs, alive, result = first, list(range(curves.shape[1])), []
        while True:
            alive = sorted(alive, key=lambda c: -curves[epochs - 1, c])[: max(1, len(alive) // keep)]
            result.append(alive)
            if len(alive) == 1:
                return result
            epochs = min(epochs * keep, len(curves))

    @staticmethod
    def mistakes():
        late = lambda curves, first, keep: _rungs(np.vstack([curves[1:], curves[-1:]]), first, keep)
        return (
            exercise.Mistake(lambda *a: _rungs(*a, best=False), "kept the worst"),
            exercise.Mistake(lambda *a: _rungs(*a, rank_first=True), "first one's epoch"),
            exercise.Mistake(lambda *a: _rungs(*a, up=True), "not up"),
            exercise.Mistake(lambda *a: _rungs(*a, absolute=False), "not equally spaced"),
            exercise.Mistake(lambda *a: [sorted(r) for r in _rungs(*a)], "best first"),
            exercise.Mistake(lambda *a: _rungs(*a)[-1:], "only the winner"),
            exercise.Mistake(lambda c, f, k: [list(range(c.shape[1])), *_rungs(c, f, k)], "not the start"),
            exercise.Mistake(late, "one epoch too late"),
        )


class SuggestOptimizer(exercise.Exercise):
    """Write `suggest_optimizer(trial, model)` -> torch optimiser for the model's parameters, for Optuna.

    Suggest "optimizer", "SGD" or "AdamW". For SGD: "lr_sgd" from 0.001 to 1 on a log scale and "momentum" from 0 to
    0.99; for
    AdamW: "lr_adamw" from 0.0001 to 0.1 on a log scale. Suggest nothing that the chosen optimiser does not use.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "`trial.suggest_categorical(name, choices)` returns a choice; an ordinary `if` follows.",
        "`trial.suggest_float('lr_sgd', 1e-3, 1.0, log=True)`; pass the "
        "values to torch.optim.SGD or torch.optim.AdamW.",
    )
    why = (
        "A space may branch: the sampler learns each rate from the trials that "
        "used it, and dials that do nothing only add noise."
    )

    SPACE = {"lr_sgd": (1e-3, 1.0, True), "momentum": (0.0, 0.99, False), "lr_adamw": (1e-4, 0.1, True)}

    def test(self, suggest_optimizer):
        import optuna
        from torch import nn

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        seen = set()
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for width in range(24):
            trial, model = study.ask(), nn.Linear(3, 1 + width % 4)
            made = suggest_optimizer(trial, model)
            if made is ...:
                raise exercise.NotAttempted
            seen.add(self._judge_trial(made, trial, model))
            study.tell(trial, 0.0)
        if seen != {"SGD", "AdamW"}:
            raise exercise.Wrong(f"In 24 trials only {sorted(seen)} came: suggest the choice between SGD and AdamW.")

    def _judge_trial(self, made, trial, model):
        import torch

        if made is None:
            raise exercise.Wrong("Your function returned None: is the `return` missing?")
        if not isinstance(made, torch.optim.Optimizer):
            raise exercise.Wrong(f"Expected a torch optimiser, got {type(made).__name__}.")
        drawn, space = trial.params, trial.distributions
        if "optimizer" not in drawn:
            raise exercise.Wrong(
                'The choice is not recorded: `trial.suggest_categorical("optimizer", ["SGD", "AdamW"])`.'
            )
        name = drawn["optimizer"]
        wanted = {"optimizer", "lr_sgd", "momentum"} if name == "SGD" else {"optimizer", "lr_adamw"}
        if extra := set(drawn) - wanted:
            raise exercise.Wrong(
                f"{sorted(extra)[0]!r} is suggested for {name}, which does not use it: put it into its branch."
            )
        if missing := wanted - set(drawn):
            raise exercise.Wrong(f"{sorted(missing)[0]!r} is not suggested for {name}.")
        for key in wanted - {"optimizer"}:
            low, high, log = self.SPACE[key]
            got = space[key]
            if (got.low, got.high) != (low, high):
                raise exercise.Wrong(f"{key!r} goes from {got.low:g} to {got.high:g}, expected {low:g} to {high:g}.")
            if got.log != log:
                raise exercise.Wrong(
                    f"{key!r}: " + ("rates need `log=True`." if log else "momentum is not on a log scale.")
                )
        if type(made).__name__ != name:
            raise exercise.Wrong(f"The trial says {name}, but the optimiser is {type(made).__name__}.")
        group, lr = made.param_groups[0], drawn["lr_sgd" if name == "SGD" else "lr_adamw"]
        if not math.isclose(group["lr"], lr):
            raise exercise.Wrong(f"The suggested rate {lr:.3g} is not the optimiser's {group['lr']:.3g}: pass it on.")
        if name == "SGD" and not math.isclose(group["momentum"], drawn["momentum"]):
            raise exercise.Wrong("The suggested momentum is not passed to SGD.")
        if {id(p) for g in made.param_groups for p in g["params"]} != {id(p) for p in model.parameters()}:
            raise exercise.Wrong("The optimiser must get all of the model's parameters.")
        return name

    @staticmethod
    def reference(trial, model):
        import torch

        if trial.suggest_categorical("optimizer", ["SGD", "AdamW"]) == "SGD":
            lr = trial.suggest_float("lr_sgd", 1e-3, 1.0, log=True)
            momentum = trial.suggest_float("momentum", 0.0, 0.99)
            return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
        return torch.optim.AdamW(model.parameters(), lr=trial.suggest_float("lr_adamw", 1e-4, 0.1, log=True))

    @staticmethod
    def mistakes():
        def make(log=True, branch=True, pass_lr=True, pass_momentum=True, same_range=False):
            def suggest_optimizer(trial, model):
                import torch

                name = trial.suggest_categorical("optimizer", ["SGD", "AdamW"])
                dials = {}
                if name == "SGD" or not branch:
                    dials["SGD"] = trial.suggest_float("lr_sgd", 1e-4 if same_range else 1e-3, 1.0, log=log)
                    momentum = trial.suggest_float("momentum", 0.0, 0.99)
                if name == "AdamW" or not branch:
                    dials["AdamW"] = trial.suggest_float("lr_adamw", 1e-4, 0.1, log=log)
                lr = dials[name] if pass_lr else 0.01
                if name == "SGD":
                    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum if pass_momentum else 0.0)
                return torch.optim.AdamW(model.parameters(), lr=lr)

            return suggest_optimizer

        def fixed(trial, model):
            import torch

            return torch.optim.SGD(model.parameters(), lr=trial.suggest_float("lr_sgd", 1e-3, 1.0, log=True))

        return (
            exercise.Mistake(make(log=False), "log=True"),
            exercise.Mistake(make(branch=False), "does not use it"),
            exercise.Mistake(make(pass_lr=False), "pass it on"),
            exercise.Mistake(make(pass_momentum=False), "not passed to SGD"),
            exercise.Mistake(make(same_range=True), "expected 0.001 to 1"),
            exercise.Mistake(fixed, "not recorded"),
        )


class BuildModel(exercise.Exercise):
    """Write `build_model(hp)` -> compiled keras.Sequential, for KerasTuner.

    "layers" from 1 to 3; for each hidden layer i its own width "units_i", 16 to 64 in steps of 16, ReLU; "lr" from
    0.0001 to 0.1 on a
    log scale for any Keras optimiser. 64 inputs, 10 logits. Suggest the width of no layer that does not exist.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    hints = (
        "`hp.Int(name, low, high)` returns a number: use it in an ordinary loop over the layers.",
        '`for i in range(hp.Int("layers", 1, 3)): hp.Int(f"units_{i}", 16, '
        '64, step=16)`; `hp.Float("lr", …, sampling="log")`.',
    )
    why = "Names with an index give each layer a dial of its own; one name for all would force equal widths."

    def test(self, build_model):
        import keras
        import keras_tuner

        for layers, widths, lr in ((1, (48,), 1e-3), (3, (16, 64, 32), 0.05), (2, (32, 16), 2e-4)):
            hp = keras_tuner.HyperParameters()
            hp.values = {"layers": layers, "lr": lr} | {f"units_{i}": w for i, w in enumerate(widths)}
            given = set(hp.values)
            model = self.call(lambda hp=hp: build_model(hp))
            self.expect_type(model, keras.Model)
            space = {h.name: h for h in hp.space}
            self._judge_space(space, given, layers)
            self._judge_model(model, widths, lr)

    @staticmethod
    def _judge_space(space, given, layers):
        if "layers" not in space:
            raise exercise.Wrong('The number of layers is not asked for: `hp.Int("layers", 1, 3)`.')
        if "units" in space or (layers > 1 and "units_1" not in space):
            raise exercise.Wrong('Every layer needs a dial of its own: name them "units_0", "units_1", …')
        if extra := set(space) - given:
            raise exercise.Wrong(
                f"{sorted(extra)[0]!r} is asked for, but belongs to no layer (of {layers}) or is unknown."
            )
        if missing := given - set(space):
            raise exercise.Wrong(f"{sorted(missing)[0]!r} is never asked for.")
        for name, low, high, step in (("layers", 1, 3, 1), ("units_0", 16, 64, 16)):
            dial = space[name]
            if (dial.min_value, dial.max_value) != (low, high):
                raise exercise.Wrong(
                    f"{name!r} goes from {dial.min_value} to {dial.max_value}, expected {low} to {high}."
                )
            if (dial.step or 1) != step:
                raise exercise.Wrong(f"{name!r} has steps of {dial.step or 1}, expected {step}.")
        rate = space["lr"]
        if (rate.min_value, rate.max_value) != (1e-4, 0.1):
            raise exercise.Wrong(f"'lr' goes from {rate.min_value:g} to {rate.max_value:g}, expected 0.0001 to 0.1.")
        if rate.sampling != "log":
            raise exercise.Wrong("'lr' is on a linear scale: `sampling=\"log\"`.")

    @staticmethod
    def _judge_model(model, widths, lr):
        import keras

        if not model.built or model.input_shape != (None, 64):
            raise exercise.Wrong("The model must begin with `keras.Input((64,))`.")
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        found = tuple(layer.units for layer in dense)
        if found != (*widths, 10):
            raise exercise.Wrong(f"The layers have widths {found}, expected {(*widths, 10)}.")
        x = np.random.default_rng(0).standard_normal((8, 64)).astype("float32")
        for layer in dense[:-1]:
            z = x @ layer.get_weights()[0]
            x = np.maximum(z + layer.get_weights()[1], 0)
        logits = x @ dense[-1].get_weights()[0] + dense[-1].get_weights()[1]
        out = keras.ops.convert_to_numpy(model(np.random.default_rng(0).standard_normal((8, 64)).astype("float32")))
        if np.allclose(out.sum(1), 1, atol=1e-3) and (out >= 0).all():
            raise exercise.Wrong("The last layer has a softmax: logits are asked for.")
        if not np.allclose(out, logits, atol=1e-3):
            raise exercise.Wrong("The output is not that of ReLU layers and a plain last layer: check the activations.")
        if getattr(model, "optimizer", None) is None:
            raise exercise.Wrong("The model is not compiled.")
        got = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        if not math.isclose(got, lr, rel_tol=1e-4):
            raise exercise.Wrong(f"The optimiser's learning rate is {got:.3g}, but hp says {lr:.3g}: pass it on.")

    @staticmethod
    def reference(hp):
        import keras

        model = keras.Sequential([keras.Input((64,))])
        for i in range(hp.Int("layers", 1, 3)):
            model.add(keras.layers.Dense(hp.Int(f"units_{i}", 16, 64, step=16), activation="relu"))
        model.add(keras.layers.Dense(10))
        optimizer = keras.optimizers.Adam(hp.Float("lr", 1e-4, 0.1, sampling="log"))
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        return model

    @staticmethod
    def mistakes():
        def make(name="units_{}", sampling="log", step=16, always=False, compiled=True, pass_lr=True, last=None):
            def build_model(hp):
                import keras

                model, n = keras.Sequential([keras.Input((64,))]), hp.Int("layers", 1, 3)
                for i in range(3 if always else n):
                    units = hp.Int(name.format(i), 16, 64, step=step)
                    if i < n:
                        model.add(keras.layers.Dense(units, activation="relu"))
                model.add(keras.layers.Dense(10, activation=last))
                lr = hp.Float("lr", 1e-4, 0.1, sampling=sampling)
                if compiled:
                    model.compile(keras.optimizers.Adam(lr if pass_lr else 0.02), "mse")
                return model

            return build_model

        return (
            exercise.Mistake(make(name="units"), "a dial of its own"),
            exercise.Mistake(make(sampling="linear"), "linear scale"),
            exercise.Mistake(make(step=8), "steps of 8"),
            exercise.Mistake(make(always=True), "belongs to no layer"),
            exercise.Mistake(make(compiled=False), "not compiled"),
            exercise.Mistake(make(pass_lr=False), "pass it on"),
            exercise.Mistake(make(last="softmax"), "softmax"),
        )


class Choose(exercise.Exercise):
    """Write `choose(scores, cost)`: the index of the cheapest setting among those that are as good as the best.

    scores (C, S): validation accuracy of C settings over S seeds; cost (C,). "As good": the mean is at least the best
    mean minus the
    standard error of that best setting's mean (standard deviation with S - 1, divided by √S).
    """

    difficulty = 3
    minutes = 15
    hints = (
        "First the means and the best one. Its standard error says how far its own mean may be off by chance.",
        "`error = scores[best].std(ddof=1) / np.sqrt(S)`; among `means >= means[best] - error` take the least cost.",
    )
    why = (
        "Within the noise nobody is better; then the simpler, cheaper setting "
        "is the better choice (Breiman and others, 1984)."
    )

    CASES = (
        ([[0.90, 0.94, 0.92], [0.91, 0.91, 0.915], [0.70, 0.99, 0.72], [0.5, 0.5, 0.5]], [5.0, 2.0, 9.0, 1.0]),
        ([[0.90, 0.901, 0.902], [0.89, 0.895, 0.889], [0.85, 0.95, 0.80]], [5.0, 2.0, 1.0]),
        ([[0.70, 0.80, 0.90, 0.80], [0.79, 0.77, 0.78, 0.78], [0.76, 0.74, 0.75, 0.75]], [9.0, 4.0, 2.0]),
        ([[0.6, 0.7], [0.64, 0.64], [0.5, 0.9]], [1.0, 2.0, 3.0]),
        ([[0.95, 0.85], [0.88, 0.88], [0.895, 0.895], [0.1, 0.1]], [4.0, 3.0, 8.0, 0.5]),
    )

    def test(self, choose):
        for scores, cost in self.CASES:
            scores, cost = np.array(scores), np.array(cost)
            n, means = scores.shape[1], scores.mean(1)
            best = int(means.argmax())
            pick = lambda limit, cost=cost, means=means: int(
                np.flatnonzero(means >= limit)[cost[means >= limit].argmin()]
            )
            std = scores[best].std(ddof=1)
            right = pick(means[best] - std / np.sqrt(n))
            got = self.expect_number(self.call(choose, scores, cost))
            if got != int(got) or not 0 <= got < len(scores):
                raise exercise.Wrong(f"Return the index of a setting, 0 to {len(scores) - 1}; yours is {got:g}.")
            if int(got) == right:
                continue
            at = f"means {means.round(3).tolist()}, cost {cost.tolist()}: "
            for wrong, words in (
                (best, "you took the best mean; a cheaper one is within its standard error."),
                (
                    pick(means[best] - std),
                    "that is the standard deviation of one run; the mean's error is smaller by √S.",
                ),
                (int(cost.argmin()), "you took the cheapest of all, however bad."),
                (
                    pick(means[best] - scores[best].std() / np.sqrt(n)),
                    "take the standard deviation with S - 1: ddof=1.",
                ),
                (
                    pick(scores.max() - std / np.sqrt(n)) if (means >= scores.max() - std / np.sqrt(n)).any() else -1,
                    "compare means, not single runs.",
                ),
                (int(scores.max(1).argmax()), "you took the luckiest single run: compare the means over seeds."),
            ):
                if int(got) == wrong:
                    raise exercise.Wrong(at + words)
            raise exercise.Wrong(f"{at}yours is {int(got)}, expected {right}.")

    @staticmethod
    def reference(scores, cost):
        import numpy as np

        means, n = scores.mean(axis=1), scores.shape[1]
        best = means.argmax()
        error = scores[best].std(ddof=1) / np.sqrt(n)
        good = np.flatnonzero(means >= means[best] - error)
        return good[cost[good].argmin()]

    @staticmethod
    def mistakes():
        def within(scores, cost, error):
            means = scores.mean(1)
            good = np.flatnonzero(means >= means.max() - error(scores[means.argmax()]))
            return good[cost[good].argmin()]

        return (
            exercise.Mistake(lambda scores, cost: scores.mean(1).argmax(), "you took the best mean"),
            exercise.Mistake(lambda scores, cost: cost.argmin(), "however bad"),
            exercise.Mistake(lambda scores, cost: within(scores, cost, lambda r: r.std(ddof=1)), "smaller by √S"),
            exercise.Mistake(lambda scores, cost: scores.max(1).argmax(), "luckiest single run"),
            exercise.Mistake(lambda scores, cost: scores.mean(1).max(), "index of a setting"),
        )


FAULTS = ("test set", "one seed", "linear scale", "edge", "budget")
REPORTS = """A  Forty rates between 0.0001 and 1, drawn evenly. Thirty-six of them diverged; the best was 0.031.
B  Rates 0.001, 0.003 and 0.01, ten seeds each. The higher the better, so we take 0.01: 0.912 ± 0.004.
C  Our new layer, after a search of 200 trials, reaches 0.931 ± 0.003 (ten seeds); the old one, as
   found in its paper, 0.924 ± 0.003.
D  A hundred settings, each trained with five seeds and evaluated on the 10,000 held-out pictures
   of the benchmark; we report the best one's result there, 0.941.
E  Sixty random settings on a validation set. The winner has 0.9230, the second 0.9221. On fresh
   data the winner has 0.918. We conclude that its width, 96, is better than 64."""


class Reports(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five reports A to E: a dict such as `{"A": "edge", ...}`.

    The faults: "test set", "one seed", "linear scale", "edge", "budget", each once.
    """

    difficulty = 3
    minutes = 12
    hints = (
        "For each report ask: where do the values come from, how often was each "
        "trained, on which data was it chosen, who got how much effort?",
        "Two reports name seeds and intervals, yet one has no higher rate to "
        "compare with and one compares unequal efforts.",
    )
    why = "Scale, range, repetition, data, effort: five questions to ask of every table of results, your own first."
    faults = {"A": "linear scale", "B": "edge", "C": "budget", "D": "test set", "E": "one seed"}
    symptoms = {
        "A": "A: how many of forty even draws between 0.0001 and 1 lie below 0.1? Where do the good rates lie?",
        "B": "B: the best of three rates is the largest one. What would a fourth, larger one have given?",
        "C": "C: which of the two layers was tuned, and how often?",
        "D": "D: the pictures that chose the best of a hundred settings also judge it. Which pictures should?",
        "E": "E: how large is the spread of a single training, and how often was each of these sixty trained?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Reports.faults, Reports.swapped

        return (
            exercise.Mistake(swapped("A", "B"), "even draws"),
            exercise.Mistake(swapped("B", "C"), "larger one have given"),
            exercise.Mistake(swapped("C", "D"), "was tuned"),
            exercise.Mistake(swapped("D", "E"), "also judge it"),
            exercise.Mistake(dict.fromkeys("ABCDE", "edge"), "exactly once"),
            exercise.Mistake(right | {"A": "too few trials"}, "none of the names"),
        )
