"""Exercises of lesson 2.4: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

FAULTS = {
    "zeros": "all weights start at 0",
    "too small": "weights far below He's",
    "too large": "weights far above He's",
    "saturated": "sigmoids whose biases start at 4",
    "clipped too hard": "a limit for the gradient that is far too low",
}


class XavierUniform(exercise.Exercise):
    """Write `xavier_uniform(fan_in, fan_out, rng)` -> weights (fan_in, fan_out), drawn from `rng`.

    Uniform, mean 0, with Xavier's variance 2 / (fan_in + fan_out).
    """

    difficulty = 1
    minutes = 10
    hints = (
        "A uniform distribution on ±r has the variance r² / 3. Which r gives Xavier's variance?",
        "r² = 3 · 2 / (fan_in + fan_out); then `rng.uniform(-r, r, (fan_in, fan_out))`.",
    )
    why = "The variance decides; the uniform distribution on ±r has r²/3, hence the 6 = 3 · 2 in the formula."

    def test(self, xavier_uniform):
        for m, n, seed in ((400, 200, 0), (100, 700, 1), (300, 300, 2), (50, 2000, 3)):
            w = self.expect_array(self.call(xavier_uniform, m, n, np.random.default_rng(seed)))
            if w.shape == (n, m) != (m, n):
                raise exercise.Wrong(f"The shape is {w.shape}: here weights are (fan_in, fan_out), as in x W.")
            w = self.expect_array(w, (m, n))
            self._judge_shape(w)
            self._judge_size(w, m, n)
            again = self.expect_array(self.call(xavier_uniform, m, n, np.random.default_rng(seed)))
            other = self.expect_array(self.call(xavier_uniform, m, n, np.random.default_rng(seed + 10)))
            if not np.array_equal(w, again) or np.array_equal(w, other):
                raise exercise.Wrong("The weights do not come from `rng`: equal generators must give equal weights.")

    def _judge_shape(self, w):
        std = w.std()
        if std == 0 or len(np.unique(w[:, 0])) < len(w) / 2 or len(np.unique(w[0])) < w.shape[1] / 2:
            raise exercise.Wrong("Many weights are equal: draw each of them, or the units stay alike.")
        if abs(w.mean()) > 0.2 * std:
            raise exercise.Wrong("The mean is not 0: draw from -r to r, not from 0 to r.")
        if np.abs(w).max() > 2 * std:
            raise exercise.Wrong("This is a normal distribution; asked for is a uniform one, all of it within ±r.")

    def _judge_size(self, w, m, n):
        r, right = np.abs(w).max(), (6 / (m + n)) ** 0.5
        for wrong, words in (
            (
                (2 / (m + n)) ** 0.5,
                "The limit r is Xavier's standard deviation: a uniform on ±r has only r / √3.",
            ),
            (2 / (m + n), "The limit r is Xavier's variance: take the root, and mind the factor √3."),
            (6 / (m + n), "A root is missing: this r is 6 / (fan_in + fan_out)."),
            (
                (3 / (m + n)) ** 0.5,
                "The factor 2 is missing: the variance is 2 / their sum.",
            ),
            ((12 / (m + n)) ** 0.5, "Your r is √2 too large: a gain for ReLU is not part of Xavier."),
            ((6 / m) ** 0.5, "This is He's variance, 2 / fan_in; Xavier's takes both fans."),
            ((3 / m) ** 0.5, "Only fan_in is in your formula: Xavier's takes the mean of both fans."),
            ((3 / n) ** 0.5, "Only fan_out is in your formula: Xavier's takes the mean of both fans."),
            (1 / m**0.5, "This is the default of nn.Linear, ±1/√fan_in, a variance of 1 / (3 fan_in)."),
        ):
            if m != n and abs(r / wrong - 1) < 0.004 < abs(r / right - 1):
                raise exercise.Wrong(words)
        if abs(r / right - 1) > 0.004 or abs(w.std() * 3**0.5 / right - 1) > 0.02:
            raise exercise.Wrong(
                f"For fans {m} and {n} the largest weight is {r:.4g}, expected {right:.4g}: r² / 3 = variance."
            )

    @staticmethod
    def reference(fan_in, fan_out, rng):
        r = (6 / (fan_in + fan_out)) ** 0.5  # r² / 3 = 2 / (fan_in + fan_out)
        return rng.uniform(-r, r, (fan_in, fan_out))

    @staticmethod
    def mistakes():
        def limit(r):
            return lambda m, n, rng: rng.uniform(-r(m, n), r(m, n), (m, n))

        def positive(m, n, rng):
            return rng.uniform(0, (6 / (m + n)) ** 0.5, (m, n))

        def no_rng(m, n, rng):
            return XavierUniform.reference(m, n, np.random.default_rng(0))

        def one_column(m, n, rng):
            return np.tile(XavierUniform.reference(m, n, rng)[:, :1], (1, n))

        return (
            exercise.Mistake(limit(lambda m, n: (2 / (m + n)) ** 0.5), "r / √3"),
            exercise.Mistake(limit(lambda m, n: 6 / (m + n)), "root is missing"),
            exercise.Mistake(limit(lambda m, n: (3 / (m + n)) ** 0.5), "factor 2"),
            exercise.Mistake(limit(lambda m, n: (6 / m) ** 0.5), "He's variance"),
            exercise.Mistake(limit(lambda m, n: m**-0.5), "default of nn.Linear"),
            exercise.Mistake(lambda m, n, rng: rng.normal(0, (2 / (m + n)) ** 0.5, (m, n)), "normal distribution"),
            exercise.Mistake(lambda m, n, rng: XavierUniform.reference(n, m, rng), "(fan_in, fan_out)"),
            exercise.Mistake(positive, "not from 0 to r"),
            exercise.Mistake(no_rng, "from `rng`"),
            exercise.Mistake(one_column, "units stay alike"),
        )


def _gelu(z):
    return z / (1 + np.exp(-1.702 * z))  # the sigmoid form, good to two digits


_FUNCTIONS = {
    "ReLU": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "leaky ReLU with slope 0.5": lambda z: np.where(z > 0, z, 0.5 * z),
    "GELU": _gelu,
    "1 / (1 + exp(-z))": lambda z: 1 / (1 + np.exp(-z)),
    "|z| + 1": lambda z: np.abs(z) + 1,
    "0.2 z": lambda z: 0.2 * z,
}


class Gain(exercise.Exercise):
    """Write `gain(activation)`: the factor g for which Var(w) = g² / D keeps the sums z at N(0, 1), a number.

    `activation` takes an array and returns one of the same shape. Within 2 % is good enough: draw, or add up an
    integral. For ReLU the answer is √2, for the identity 1.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "The next sums have the variance D · Var(w) · E[φ(z)²]. Put Var(w) = g² / D and ask for 1.",
        "`z = rng.standard_normal(1_000_000)`; g² · mean of activation(z)² is 1. Which g?",
    )
    why = "g² E[φ(z)²] = 1: the mean square counts, not the variance: a mean that is not 0 passes weights, too."

    def test(self, gain):
        z = np.linspace(-9, 9, 200_000)
        p = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
        for name, f in _FUNCTIONS.items():
            got, a = self.expect_number(self.call(gain, f)), f(z)
            mean, square = (a * p).sum(), (a**2 * p).sum()
            slope = np.gradient(a, z)
            right, variance = square**-0.5, square - mean**2
            exercise.name_mistake(
                got,
                right,
                (
                    (1 / square, f"For {name} this is g²: the weights' standard deviation needs the root."),
                    (
                        square**0.5,
                        f"For {name} this is the size after the activation; g makes up for it: 1 / size.",
                    ),
                    (square, f"For {name} this is the mean square itself: g² times it must be 1."),
                    (variance**-0.5, f"For {name} you took the variance of φ(z): a mean that is not 0 counts, too."),
                    (1 / variance, f"For {name} this is 1 / variance: take the mean square, and the root."),
                    (1 / (np.abs(a) * p).sum(), f"For {name} you averaged |φ(z)|: the squares must be averaged."),
                    (1 / mean if mean else 0, f"For {name} you averaged φ(z): square before you average."),
                    ((slope**2 * p).sum() ** -0.5, f"For {name} you averaged φ'(z)²: that is the way back."),
                    (
                        1 / (a**2).mean() ** 0.5,
                        "All z were counted alike: they come from N(0, 1).",
                    ),
                    (1.0, f"For {name} 1 is wrong: it is the gain of the identity. Use `activation`."),
                    (2**0.5, f"For {name} √2 is wrong: it is the gain of ReLU. Use `activation`."),
                ),
                rtol=0.012,
            )
            self.expect_close(got, right, f"For {name}: g² times the mean of φ(z)² is 1.", rtol=0.02)

    @staticmethod
    def reference(activation):
        import numpy as np

        z = np.random.default_rng(0).standard_normal(1_000_000)
        return np.mean(activation(z) ** 2) ** -0.5

    @staticmethod
    def mistakes():
        def of(statistic):
            return lambda f: statistic(f(np.random.default_rng(1).standard_normal(400_000)))

        return (
            exercise.Mistake(of(lambda a: 1 / np.mean(a**2)), "this is g²"),
            exercise.Mistake(of(lambda a: np.mean(a**2) ** 0.5), "size after the activation"),
            exercise.Mistake(of(lambda a: 1 / a.std()), "variance of φ(z)"),
            exercise.Mistake(of(lambda a: 1 / np.abs(a).mean()), "averaged |φ(z)|"),
            exercise.Mistake(lambda f: 2**0.5, "gain of ReLU"),
            exercise.Mistake(lambda f: 1.0, "gain of the identity"),
        )


class ClipGradients(exercise.Exercise):
    """Write `clip_gradients(parameters, max_norm)` in PyTorch: clip by the global norm, in place; return the norm.

    parameters: a list; some may have no gradient (`p.grad is None`). If the norm of all gradients together is above
    max_norm, every gradient shrinks by the same factor, so that the global norm is max_norm. Return the norm
    **before** clipping, a number. Without `torch.nn.utils`.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "The global norm is that of one long vector of all gradients. When must the factor be 1?",
        "total = sum of `(p.grad ** 2).sum()`, its root is the norm; `p.grad *= min(1, max_norm / norm)`.",
    )
    why = "One factor for all gradients keeps the direction; the minimum with 1 leaves short gradients as they are."

    def test(self, clip_gradients):
        import torch

        for scale, limit, seed in ((1.0, 1.0, 0), (20.0, 2.5, 1), (0.01, 1.0, 2), (1.0, 0.01, 3), (3.0, 3.0, 4)):
            torch.manual_seed(seed)
            shapes = (4, 3), (3,), (2, 5), (2,)
            parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
            for i, p in enumerate(parameters):
                p.grad = None if i == 3 and seed else scale * (i + 1) * torch.randn(p.shape)
            self._judge_clip(clip_gradients, parameters, limit)

    def _judge_clip(self, clip_gradients, parameters, limit):
        values = [p.detach().numpy().copy() for p in parameters]
        before = [None if p.grad is None else p.grad.numpy().copy() for p in parameters]
        there = [g for g in before if g is not None]
        flat = np.concatenate([g.ravel() for g in there])
        norm = np.linalg.norm(flat)
        got = self._run(clip_gradients, parameters, limit)
        if any(not np.array_equal(p.detach().numpy(), v) for p, v in zip(parameters, values, strict=True)):
            raise exercise.Wrong("The parameters themselves changed: clip `p.grad`, not `p`.")
        if any(p.grad is not None and g is None for p, g in zip(parameters, before, strict=True)):
            raise exercise.Wrong("A parameter without a gradient has one now: leave `None` as it is.")
        if any(p.grad is None and g is not None for p, g in zip(parameters, before, strict=True)):
            raise exercise.Wrong("A gradient has disappeared: shrink `p.grad`, do not remove it.")
        after = np.concatenate([p.grad.numpy().ravel() for p in parameters if p.grad is not None])
        each = np.concatenate([(g * min(1, limit / np.linalg.norm(g))).ravel() for g in there])
        sum_of_norms, rms = sum(np.linalg.norm(g) for g in there), np.sqrt((flat**2).mean())
        right = flat * min(1, limit / norm)
        exercise.name_mistake(
            after,
            right,
            (
                (flat, "The gradients are unchanged: write into `p.grad`; a new tensor leaves the old one in place."),
                (flat * limit / norm, "Short gradients were lengthened: the factor is at most 1."),
                (each, "Each gradient was clipped by its own norm, as Keras' `clipnorm`: one norm for all together."),
                (np.clip(flat, -limit, limit), "This clips each entry by value: scale all entries by one factor."),
                (flat * min(1, limit / norm**2), "You divided by the squared norm: take the root of the sum."),
                (flat * min(1, limit / sum_of_norms), "You added the norms: add the squares, then take the root."),
                (flat * min(1, limit / np.abs(flat).sum()), "This is the norm of absolute values: add the squares."),
                (flat * min(1, limit / np.abs(flat).max()), "You took the largest entry as the norm: add the squares."),
                (flat * min(1, limit / rms), "You took the mean of the squares: a norm has the sum."),
                (flat / norm, "The gradients have the norm 1 now: it is to be max_norm, and only if they are longer."),
            ),
            rtol=1e-3,
        )
        self.expect_close(after, right, "One factor, min(1, max_norm / norm), for all.", 1e-3, name="the gradients")
        self.expect_framework(got)
        got = self.expect_number(got, "the returned norm")
        if abs(got - min(norm, limit)) < 1e-3 * limit < abs(got - norm):
            raise exercise.Wrong("You returned the norm after clipping: the one before tells you what happened.")
        self.expect_close(got, norm, "The norm of all gradients before clipping.", 1e-3, name="the returned norm")

    @staticmethod
    def _run(function, parameters, limit):
        """Call without copies: the gradients are to change."""
        got = function(parameters, limit)
        if got is ...:
            raise exercise.NotAttempted
        if got is None:
            raise exercise.Wrong("Your function returned None: return the norm before clipping.")
        return got

    @staticmethod
    def reference(parameters, max_norm):
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = sum((g**2).sum() for g in gradients) ** 0.5
        for g in gradients:
            g *= min(1.0, max_norm / norm)  # in place
        return norm

    @staticmethod
    def mistakes():
        def by(factor, returns=None):
            def clip(parameters, limit):
                gradients = [p.grad for p in parameters if p.grad is not None]
                norm = sum((g**2).sum() for g in gradients) ** 0.5
                for g in gradients:
                    g *= factor(g, gradients, norm, limit)
                return norm if returns is None else returns(norm, limit)

            return clip

        def right(g, gs, norm, limit):
            return min(1.0, limit / norm)

        def by_value(parameters, limit):
            for p in parameters:
                if p.grad is not None:
                    p.grad.clamp_(-limit, limit)
            return 0.0

        def new_tensors(parameters, limit):
            gradients = [p.grad for p in parameters if p.grad is not None]
            norm = sum((g**2).sum() for g in gradients) ** 0.5
            gradients = [g * min(1.0, limit / norm) for g in gradients]
            return norm

        def no_none(parameters, limit):
            norm = sum((p.grad**2).sum() for p in parameters) ** 0.5
            for p in parameters:
                p.grad *= min(1.0, limit / norm)
            return norm

        def weights(parameters, limit):
            norm = sum((p.detach() ** 2).sum() for p in parameters) ** 0.5
            for p in parameters:
                p.data *= min(1.0, limit / norm)
            return norm

        return (
            exercise.Mistake(by(lambda g, gs, norm, limit: min(1.0, limit / g.norm())), "own norm"),
            exercise.Mistake(by(lambda g, gs, norm, limit: limit / norm), "lengthened"),
            exercise.Mistake(by(lambda g, gs, norm, limit: min(1.0, limit / norm**2)), "squared norm"),
            exercise.Mistake(by(right, returns=lambda norm, limit: min(norm, limit)), "after clipping"),
            exercise.Mistake(by_value, "each entry by value"),
            exercise.Mistake(new_tensors, "unchanged"),
            exercise.Mistake(no_none, "None"),
            exercise.Mistake(weights, "not `p`"),
        )


def _deviations(model, x):
    """Standard deviation of what each Dense layer of a Keras model gives out -> list, for the batch x."""
    import keras

    found = []
    for layer in model.layers:
        x = layer(x)
        if isinstance(layer, keras.layers.Dense):
            found.append(float(keras.ops.convert_to_numpy(x).std()))
    return found


class Equalise(exercise.Exercise):
    """Write `equalise(model, x)`: scale the kernels of a Keras model so that all its sums have the deviation 1.

    model: a `Sequential` of `Dense` layers (without activation, biases 0) and `Activation` layers; x (B, D), the
    batch to measure with. Divide each kernel by the standard deviation of its layer's output, over batch and units.
    Change the model and return it. All Dense layers, the last one too.
    """

    difficulty = 3
    minutes = 20
    framework = "keras"
    time_limit = 30.0  # the first Keras layers of a session take their time
    hints = (
        "A layer's output depends on all kernels before it. In which order must you scale?",
        "Go through `model.layers` and carry `x = layer(x)`; at a Dense layer first `layer.kernel.assign(layer.kernel "
        "/ std)`, then compute its output again before you go on.",
    )
    why = "Each layer is measured on the inputs that it will really get: those of the layers already scaled."

    def test(self, equalise):
        import keras

        for sizes, activation, scale, seed in (
            ((6, 16, 12, 4), "relu", 0.1, 0),
            ((5, 20, 20, 20, 3), "tanh", 4.0, 1),
            ((3, 8, 2), "sigmoid", 1.0, 2),
        ):
            rng = np.random.default_rng(seed)
            layers = [keras.Input((sizes[0],))]
            for n in sizes[1:-1]:
                layers += [keras.layers.Dense(n), keras.layers.Activation(activation)]
            model = keras.Sequential([*layers, keras.layers.Dense(sizes[-1])])
            x = (rng.standard_normal((200, sizes[0])) * 2 + 0.5).astype("float32")
            kernels = [scale * rng.standard_normal(shape) for shape in zip(sizes, sizes[1:], strict=False)]
            model.set_weights([part for w in kernels for part in (w, np.zeros(w.shape[1]))])
            starts = _deviations(model, x)
            got = self.call(equalise, model, x)
            if not isinstance(got, keras.Model):
                raise exercise.Wrong("Return the model.")
            self._judge_model(got, kernels, starts, x)

    def _judge_model(self, model, kernels, starts, x):
        weights = [np.asarray(w) for w in model.get_weights()]
        if [w.shape for w in weights[::2]] != [k.shape for k in kernels] or any(np.any(b) for b in weights[1::2]):
            raise exercise.Wrong("Only the kernels may change: shapes stay, biases stay 0.")
        factors = []
        for new, old in zip(weights[::2], kernels, strict=True):
            ratio = new / old
            if not np.allclose(ratio, ratio[0, 0], rtol=1e-3):
                raise exercise.Wrong("A kernel was not scaled by one number: one deviation over batch *and* units.")
            factors.append(ratio[0, 0])
        if np.allclose(factors, 1, rtol=1e-3):
            raise exercise.Wrong("The kernels are unchanged: `layer.kernel.assign(...)` writes into the layer.")
        deviations = _deviations(model, x)
        if np.allclose(deviations, 1, rtol=2e-3):
            return
        if np.isclose(factors[-1], 1, rtol=1e-3) and np.allclose(deviations[:-1], 1, rtol=2e-3):
            raise exercise.Wrong("The last Dense layer is unchanged: it has no activation behind it, but sums as well.")
        if np.allclose(factors, 1 / np.array(starts), rtol=2e-3):
            raise exercise.Wrong(
                "All layers were measured before any was scaled: measure each layer behind the layers already scaled."
            )
        if np.isclose(factors[0], starts[0], rtol=2e-3):
            raise exercise.Wrong("You multiplied by the deviation: that makes large layers larger. Divide.")
        if np.isclose(factors[0], 1 / starts[0] ** 2, rtol=2e-3):
            raise exercise.Wrong("You divided by the variance: the deviation is its root.")
        if np.isclose(factors[0], 1 / starts[0], rtol=2e-3) and len(deviations) > 1:
            raise exercise.Wrong(
                f"Layer 1 is right, layer 2 has the deviation {deviations[1]:.3g}: feed it with the output of "
                "the layer 1 that is already scaled, through the activation."
            )
        raise exercise.Wrong(
            f"The sums of the layers have the deviations {np.round(deviations, 3).tolist()}, expected 1 each: measure "
            "the output of the Dense layer itself, before the activation."
        )

    @staticmethod
    def reference(model, x):
        import keras

        for layer in model.layers:
            if isinstance(layer, keras.layers.Dense):
                std = keras.ops.std(layer(x))  # of the sums, before the activation
                layer.kernel.assign(layer.kernel / std)
            x = layer(x)  # the scaled output goes into the next layer
        return model

    @staticmethod
    def mistakes():
        def run(model, x, divide=lambda k, s: k / s, axis=None, again=True, until=None):
            import keras

            dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
            for layer in model.layers:
                old = layer(x)
                if layer in dense[:until]:
                    layer.kernel.assign(divide(layer.kernel, keras.ops.std(old, axis=axis)))
                x = layer(x) if again else old
            return model

        def after_activation(model, x):
            import keras

            for layer, following in zip(model.layers, [*model.layers[1:], keras.layers.Identity()], strict=True):
                if isinstance(layer, keras.layers.Dense):
                    layer.kernel.assign(layer.kernel / keras.ops.std(following(layer(x))))
                x = layer(x)
            return model

        return (
            exercise.Mistake(lambda m, x: run(m, x, again=False), "before any was scaled"),
            exercise.Mistake(lambda m, x: run(m, x, divide=lambda k, s: k * s), "larger. Divide"),
            exercise.Mistake(lambda m, x: run(m, x, divide=lambda k, s: k / s**2), "by the variance"),
            exercise.Mistake(lambda m, x: run(m, x, axis=0), "batch *and* units"),
            exercise.Mistake(lambda m, x: run(m, x, until=-1), "last Dense layer"),
            exercise.Mistake(lambda m, x: run(m, x, divide=lambda k, s: k), "unchanged"),
            exercise.Mistake(after_activation, "before the activation"),
            exercise.Mistake(lambda m, x: run(m, x) and None, "return"),
        )


PATIENTS_ALT = (
    "Five columns, loss above, sizes of the first gradients below, logarithmic. P: the loss starts in the thousands, "
    "and ends at once; all gradients are in the thousands. Q: loss flat at ln 10; gradients level, 1e-8. R: loss "
    "above ln 10, creeping down; gradients level, near 1. S: loss drops to ln 10, then flat; gradients fall straight "
    "from the last layer to the first, over more than ten decades. T: loss flat at ln 10; all gradients 0."
)


def patients(x, y, steps=150):
    """Five networks with one fault each -> {name: {"steps", "loss", "gradients"}}, with NaN where the loss is gone.

    x (N, D) standardised, y (N,). Gradients: the norm of each layer's weight gradient at the start (11,). The faults
    stand below; solve the exercise first.
    """
    import torch
    from torch import nn

    faults = dict(zip("PQRST", ("too large", "too small", "clipped too hard", "saturated", "zeros"), strict=True))
    x, y, cases = torch.tensor(x), torch.tensor(y), {}
    probe, loss_fn = slice(0, 300), nn.CrossEntropyLoss()
    for name, fault in faults.items():
        generator = torch.Generator().manual_seed(ord(name))
        sizes = [x.shape[1]] + [64] * 10
        pairs = [
            (nn.Linear(m, n), nn.Sigmoid() if fault == "saturated" else nn.ReLU())
            for m, n in zip(sizes, sizes[1:], strict=False)
        ]
        model = nn.Sequential(*(part for pair in pairs for part in pair), nn.Linear(64, 10))
        linear = [layer for layer in model if isinstance(layer, nn.Linear)]
        for layer in linear:
            std = {"zeros": 0.0, "too small": 0.03, "too large": 0.3}.get(fault, (2 / layer.in_features) ** 0.5)
            nn.init.normal_(layer.weight, std=std, generator=generator)
            nn.init.constant_(layer.bias, 4.0 if fault == "saturated" and layer is not linear[-1] else 0.0)
        loss_fn(model(x[probe]), y[probe]).backward()
        gradients = np.array([layer.weight.grad.norm().item() for layer in linear])
        optimizer, seen, losses = torch.optim.SGD(model.parameters(), 0.03), [], []
        order = torch.randperm(len(x), generator=generator).repeat(-(-steps * 64 // len(x)))
        for step in range(steps):
            if step % 5 == 0:
                with torch.no_grad():
                    seen.append(step)
                    losses.append(loss_fn(model(x[probe]), y[probe]).item())
            rows = order[64 * step : 64 * (step + 1)]
            optimizer.zero_grad()
            loss_fn(model(x[rows]), y[rows]).backward()
            if fault == "clipped too hard":
                nn.utils.clip_grad_norm_(model.parameters(), 0.02)
            optimizer.step()
        cases[name] = {"steps": np.array(seen), "loss": np.array(losses), "gradients": gradients}
    return cases


class Diagnose(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five networks P, Q, R, S, T: a dict such as `{"P": "zeros", ...}`.

    The faults: "zeros", "too small", "too large", "saturated", "clipped too hard", each once. Only the curves and the
    gradients of the first step are needed.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "Begin below: in which network are all gradients exactly 0, in which level but tiny, in which level and huge?",
        "Two are left. In one the gradient dies on its way back, layer by layer; in the other it is healthy, but the "
        "loss creeps all the same: something between `backward` and `step` takes its length away.",
    )
    why = "Level at 0, level and tiny, level and huge, a straight fall, healthy but slow: the gradients name the fault."
    faults = {"P": "too large", "Q": "too small", "R": "clipped too hard", "S": "saturated", "T": "zeros"}
    symptoms = {
        "P": "P starts with a loss in the thousands, then the numbers end: which weights make the logits so large?",
        "T": "T's gradients are not small, they are 0: through which weights does no gradient come back at all?",
        "Q": "Q's gradients are level, but near 1e-8, and its loss lies at ln 10: where did the signal go?",
        "S": "S's gradients fall in a straight line towards layer 1: each lets the same small share through.",
        "R": "R's gradients are healthy in every layer, but its loss creeps: what happens to them before the step?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Diagnose.faults, Diagnose.swapped

        return (
            exercise.Mistake(swapped("P", "R"), "in the thousands"),
            exercise.Mistake(swapped("Q", "T"), "they are 0"),
            exercise.Mistake(swapped("Q", "S"), "near 1e-8"),
            exercise.Mistake(swapped("R", "S"), "straight line"),
            exercise.Mistake(dict.fromkeys("PQRST", "zeros"), "exactly once"),
            exercise.Mistake(right | {"P": "overfitting"}, "none of the names"),
        )
