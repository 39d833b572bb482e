"""Exercises of lesson 2.3: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise
from utils.exercise import guard

FAULTS = {
    "none": "a correct backward pass",
    "not zeroed": "gradients that are not set to zero before the next batch",
    "slope at the output": "the slope of tanh is taken at its output a instead of its input z",
    "not transposed": "the middle layer hands on dz @ W instead of dz @ W.T",
    "bias averaged": "the gradient of each bias is the mean over the batch instead of the sum",
}
NAMES = ("W1", "b1", "W2", "b2", "W3", "b3")


def _autograd(f, arrays, d):
    """PyTorch's gradients of the sum of f(*arrays) · d by each of the arrays, in 64 bits."""
    import torch

    tensors = [torch.tensor(np.asarray(a, float), requires_grad=True) for a in arrays]
    total = (f(*tensors) * torch.tensor(np.asarray(d, float))).sum()
    return [g.numpy() for g in torch.autograd.grad(total, tensors)]


def distance(a, b):
    """‖a - b‖ / (‖a‖ + ‖b‖): 0 for equal arrays, 1 for opposite ones."""
    return float(np.linalg.norm(np.subtract(a, b)) / max(np.linalg.norm(a) + np.linalg.norm(b), 1e-30))


class _Measured:
    """Mixin: gradients are compared with autograd's, and the feedback holds the distance."""

    _apart = 0.0  # the largest distance of this check

    def _judge(self, answer):
        self._apart = 0.0
        status, message, printed = super()._judge(answer)
        if status == "solved":
            message = f"{message} Largest distance to autograd: {self._apart:.0e}."
        return status, message, printed

    def compare(self, got, right, candidates, name, rtol=1e-5):
        """Raise Wrong with the first sentence that fits and the distance, unless the gradient is right."""
        got = self.expect_array(got, name=name)
        same = lambda a, b: np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=rtol, atol=rtol / 10)
        if same(got, right):
            self._apart = max(self._apart, distance(got, right))
            return
        tail = f" Distance of {name} to autograd: {distance(got, right):.0e}." if got.shape == right.shape else ""
        for wrong, sentence in candidates:
            if same(got, wrong) and not same(wrong, right):
                raise exercise.Wrong(sentence + tail)
        self.expect_array(got, right.shape, name)
        self.expect_close(got, right, tail.strip(), rtol=rtol, atol=rtol / 10, name=name)


class ScaleBackward(_Measured, exercise.Exercise):
    """Write `scale_backward(x, g, b, dy)` -> dx (B, D), dg (D,), db (D,): the way back through y = g ⊙ x + b.

    x, dy (B, D); the gain g (D,) and the shift b (D,) are the same for all B examples.
    """

    difficulty = 1
    minutes = 12
    hints = (
        "Write it with indices: y[n, d] = g[d] · x[n, d] + b[d]. Which entries of y does g[d] reach, which does b[d]?",
        "g[d] and b[d] are used once for every example: their gradients add over axis 0.",
    )
    why = "What is broadcast on the way forward is used many times, so on the way back its gradients are added."

    def test(self, scale_backward):
        for shape, seed in (((5, 3), 0), ((4, 4), 1), ((1, 3), 2), ((6, 1), 3)):
            rng = np.random.default_rng(seed)
            x, dy = 1 + rng.standard_normal(shape), 0.5 + rng.standard_normal(shape)
            g, b = 0.5 + rng.uniform(0.5, 2, shape[1]), rng.standard_normal(shape[1])
            triple = self.call(scale_backward, x, g, b, dy)
            if not isinstance(triple, (tuple, list)) or len(triple) != 3:
                raise exercise.Wrong("Return the three gradients `dx, dg, db`.")
            self._judge_triple(triple, x, g, b, dy)

    def _judge_triple(self, triple, x, g, b, dy):
        right = _autograd(lambda x, g, b: g * x + b, [x, g, b], dy)
        dx = (
            (dy, "dx lacks the gain: the slope of y by x is g."),
            (dy * x, "dx is multiplied by x: the slope of g · x by x is g."),
            (np.broadcast_to(g, x.shape), "dx lacks the gradient from behind: multiply g by `dy`."),
            (dy / g, "You divided by the gain: backward multiplies by the slope g, too."),
            (dy * g + b, "The shift does not belong in dx: its slope by x is 0."),
            (right[0] / len(x), "dx must not be divided by B."),
        )
        dg = (
            (dy * x, "dg still has a row for each example: g is shared by all, so add over axis 0."),
            ((dy * x).sum(1), "dg is summed over the wrong axis: add over the examples, axis 0."),
            ((dy * x).mean(0), "dg is a mean: a gain that is used B times gets the sum of B gradients."),
            (dy.sum(0), "dg lacks x: the slope of g · x by g is x."),
            ((dy * g).sum(0), "dg is multiplied by g: the slope of g · x by g is x."),
            ((dy * (g * x + b)).sum(0), "dg is multiplied by y: the slope of y by g is x."),
            ((dy * x).sum(), "dg is one number: each feature has a gain of its own, (D,)."),
            (x.sum(0), "dg lacks the gradient from behind: multiply x by `dy`."),
            (dy.sum(0) * x.sum(0), "You summed before you multiplied: multiply x and dy entry by entry, then add."),
        )
        db = (
            (dy, "db still has a row for each example: b is shared by all, so add over axis 0."),
            (dy.sum(1), "db is summed over the wrong axis: add over the examples, axis 0."),
            (dy.mean(0), "db is a mean: a shift that is used B times gets the sum of B gradients."),
            (dy.sum(), "db is one number: each feature has a shift of its own, (D,)."),
            (np.full(len(b), float(len(x))), "db lacks the gradient from behind: add up `dy`."),
            (np.ones(len(b)), "db is the slope alone: add up `dy` over the examples."),
            ((dy * g).sum(0), "db contains the gain: b is added after it, with slope 1."),
            (right[1], "db is the gradient of g: the shift has slope 1."),
        )
        for got, truth, candidates, name in zip(triple, right, (dx, dg, db), ("`dx`", "`dg`", "`db`"), strict=True):
            self.compare(got, truth, candidates, name)

    @staticmethod
    def reference(x, g, b, dy):
        return dy * g, (dy * x).sum(axis=0), dy.sum(axis=0)  # (B, D), (D,), (D,)

    @staticmethod
    def mistakes():
        def triple(dx=lambda x, g, dy: dy * g, dg=lambda x, g, dy: (dy * x).sum(0), db=lambda dy: dy.sum(0)):
            return lambda x, g, b, dy: (dx(x, g, dy), dg(x, g, dy), db(dy))

        return (
            exercise.Mistake(triple(dx=lambda x, g, dy: dy), "dx lacks the gain"),
            exercise.Mistake(triple(dg=lambda x, g, dy: dy * x), "dg still has a row"),
            exercise.Mistake(triple(dg=lambda x, g, dy: (dy * x).mean(0)), "dg is a mean"),
            exercise.Mistake(triple(dg=lambda x, g, dy: dy.sum(0)), "dg lacks x"),
            exercise.Mistake(triple(dg=lambda x, g, dy: dy.sum(0) * x.sum(0)), "summed before"),
            exercise.Mistake(triple(db=lambda dy: dy), "db still has a row"),
            exercise.Mistake(triple(db=lambda dy: dy.mean(0)), "db is a mean"),
            exercise.Mistake(triple(db=lambda dy: dy.sum()), "db is one number"),
            exercise.Mistake(triple(db=lambda dy: dy.sum(1)), "db is summed over the wrong axis"),
            exercise.Mistake(lambda x, g, b, dy: dy * g, "Return the three"),
        )


class SiluFunction(_Measured, exercise.Exercise):
    """Write the class `Silu(torch.autograd.Function)`: forward a = z · σ(z), backward dz from da; tensors of any shape.

    Static methods `forward(ctx, z)` and `backward(ctx, da)`; `ctx.save_for_backward` keeps what the way back needs.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    answer_name = "Silu"
    hints = (
        "z is used twice in z · σ(z): the product rule gives two terms. Keep z with `ctx.save_for_backward(z)`.",
        "With p = σ(z) the slope is p + z · p · (1 - p); `(z,) = ctx.saved_tensors`; return `da` times the slope.",
    )
    why = "z reaches a on two paths, directly and through σ, and gradients add: σ + z σ (1 - σ), times what arrives."

    def test(self, silu):
        import torch

        self._expect_function(silu, torch)
        torch.manual_seed(0)
        for shape in ((7,), (3, 4), (2, 3, 2)):
            z = (2 * torch.randn(shape, dtype=torch.float64)).requires_grad_()
            da = torch.randn(shape, dtype=torch.float64)
            a = self.call(lambda z=z: silu.apply(z))
            other = self.call(lambda z=z: silu.apply(z.detach() + 1))  # a second use before the first one's way back
            self._judge_value(a, z.detach())
            if a.grad_fn is None:
                raise exercise.Wrong("The result has no way back: return the tensor that `forward` computes.")
            got = self.call(lambda z=z, a=a, da=da: torch.autograd.grad(a, z, da)[0])
            self._judge_gradient(got, z.detach(), da)
            del other

    def _expect_function(self, silu, torch):
        if not (isinstance(silu, type) and issubclass(silu, torch.autograd.Function)):
            raise exercise.Wrong("Pass a class that inherits from `torch.autograd.Function`.")
        methods = [vars(silu).get(name) for name in ("forward", "backward")]
        bodies = [getattr(method, "__func__", method) for method in methods]
        if any(guard.is_stub(body) for body in bodies if body is not None):
            raise exercise.NotAttempted
        if None in methods:
            raise exercise.Wrong("The class needs two static methods, `forward(ctx, z)` and `backward(ctx, da)`.")
        if not all(isinstance(method, staticmethod) for method in methods):
            raise exercise.Wrong("`forward` and `backward` are static methods: write `@staticmethod` above each.")

    def _judge_value(self, a, z):
        p = z.sigmoid()
        got = self.expect_array(a, tuple(z.shape), "the value")
        for wrong, words in (
            (p, "forward returns σ(z): multiply it by z."),
            (z.tanh() * z, "forward uses tanh: SiLU is z · σ(z)."),
            (p * (1 - p), "forward returns the slope of σ: the value is z · σ(z)."),
        ):
            if np.allclose(got, wrong.numpy()):
                raise exercise.Wrong(words)
        self.expect_close(got, (z * p).numpy(), "forward must be z · σ(z).", name="the value")

    def _judge_gradient(self, got, z, da):
        import torch

        p, a = z.sigmoid(), z * z.sigmoid()
        slope = lambda z: z.sigmoid() * (1 + z * (1 - z.sigmoid()))
        candidates = (
            (slope(z), "The gradient from behind is missing: multiply the slope by `da`."),
            (da * p, "One path is missing: the σ in z · σ(z) depends on z, too. Product rule."),
            (da * z * p * (1 - p), "One path is missing: the factor z itself. Product rule: σ + z σ (1 - σ)."),
            (da * p * (1 - p), "This is the slope of σ alone: the product rule has two terms."),
            (da * slope(a), "You took the slope at the output a: save z, the input, and take it there."),
            (da * a, "You multiplied by the value: the slope of z · σ(z) is asked for."),
            (da * slope(z + 1), "The slope is that of a later call: keep z in `ctx`, not in the class or globally."),
            (da, "The gradient passes unchanged: multiply `da` by the slope."),
            (slope(z) + da, "You added the gradient from behind: the chain rule multiplies."),
            ((da * slope(z)).sum() * torch.ones_like(z), "Do not sum: each entry of z has its own gradient."),
        )
        right = _autograd(torch.nn.functional.silu, [z.numpy()], da.numpy())[0]
        self.compare(got, right, [(wrong.numpy(), words) for wrong, words in candidates], "`dz`")

    @staticmethod
    def reference():
        import torch

        class Silu(torch.autograd.Function):
            @staticmethod
            def forward(ctx, z):
                ctx.save_for_backward(z)
                return z * torch.sigmoid(z)

            @staticmethod
            def backward(ctx, da):
                (z,) = ctx.saved_tensors
                p = torch.sigmoid(z)
                return da * (p + z * p * (1 - p))

        return Silu

    answer_kind = "value"

    @staticmethod
    def mistakes():
        import torch

        def silu(backward, keep=lambda z, a: z, value=lambda z: z * z.sigmoid(), store=None):
            class Silu(torch.autograd.Function):
                @staticmethod
                def forward(ctx, z):
                    a = value(z)
                    if store is None:
                        ctx.save_for_backward(keep(z, a))
                    else:
                        store["z"] = z
                    return a

                @staticmethod
                def backward(ctx, da):
                    return backward(ctx.saved_tensors[0] if store is None else store["z"], da)

            return Silu

        def slope(z):
            return z.sigmoid() + z * z.sigmoid() * (1 - z.sigmoid())

        class NotStatic(torch.autograd.Function):
            def forward(self, z):
                return z * z.sigmoid()

            def backward(self, da):
                return da * 2

        way = lambda *args, **options: lambda: silu(*args, **options)
        return (
            exercise.Mistake(way(lambda z, da: slope(z)), "from behind is missing"),
            exercise.Mistake(way(lambda z, da: da * z.sigmoid()), "the σ in z"),
            exercise.Mistake(way(lambda z, da: da * z * z.sigmoid() * (1 - z.sigmoid())), "the factor z itself"),
            exercise.Mistake(way(lambda z, da: da * z.sigmoid() * (1 - z.sigmoid())), "slope of σ alone"),
            exercise.Mistake(way(lambda z, da: da * slope(z), keep=lambda z, a: a.detach()), "at the output a"),
            exercise.Mistake(way(lambda z, da: da * slope(z), store={}), "a later call"),
            exercise.Mistake(way(lambda z, da: da * slope(z), value=lambda z: z.sigmoid()), "multiply it by z"),
            exercise.Mistake(lambda: NotStatic, "@staticmethod"),
        )


class ClipGradient(_Measured, exercise.Exercise):
    """Write `clip_gradient(x, limit)`: returns x unchanged, but cuts each entry of its gradient to -limit..limit.

    x: a Keras tensor of any shape, limit: a positive number. What is cut is the gradient that arrives from behind.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    time_limit = 30.0
    hints = (
        "Inside, a function of x alone, under `@ops.custom_gradient`: it returns x and a function for the way back.",
        "`def backward(*args, upstream=None)`: the gradient is `upstream`, or `args[0]` if that is None; return "
        "`ops.clip(gradient, -limit, limit)`.",
    )
    why = "The node's true slope is 1; the backward function that you give replaces it by whatever you need."

    def test(self, clip_gradient):
        from keras import ops

        from utils import keras_train

        cases = (([1.0, -2.0, 0.5, 3.0], [0.3, -0.4, 5.0, -6.0], 0.5), ([[0.1, 4.0, -0.2]], [[1.9, -2.5, 2.5]], 2.0))
        cases += (([[1.0, 2.0], [-3.0, 0.5]], [[-0.05, 0.02], [3.0, -1.0]], 0.1),)
        for x, factors, limit in cases:
            x, factors = np.array(x, "float32"), np.array(factors, "float32")
            value = self.call(clip_gradient, ops.convert_to_tensor(x), limit)
            value = self.expect_array(value, x.shape, "the value")
            if np.allclose(value, np.clip(x, -limit, limit)) and not np.allclose(value, x):
                raise exercise.Wrong("You cut the value: x must come back unchanged, only its gradient is cut.")
            self.expect_close(value, x, "Forward nothing changes.", name="the value")
            d = ops.convert_to_tensor(factors)
            (got,) = keras_train.gradients(lambda t, d=d, c=limit: ops.sum(clip_gradient(t, c) * d), x)
            got = exercise.to_array(got)
            self._judge_gradient(got, x, factors, limit)

    def _judge_gradient(self, got, x, d, limit):
        size = np.linalg.norm(d)
        candidates = (
            (d, "The gradient passes uncut: `backward` must return `ops.clip(gradient, -limit, limit)`."),
            (0 * d, "No gradient arrives: does `backward` return one?"),
            (np.minimum(d, limit), "Only large positive entries are cut: -limit is a bound, too."),
            (np.maximum(d, -limit), "Only large negative entries are cut: limit is a bound, too."),
            (np.clip(x, -limit, limit), "You cut x instead of the gradient that arrives from behind."),
            (d * min(1, limit / size), "You scaled the whole gradient to the length `limit`: cut each entry alone."),
            (np.minimum(np.abs(d), limit), "The signs are lost: cut to -limit..limit."),
            (np.sign(d) * limit, "Every entry has the size `limit`: small ones must pass unchanged."),
            (d * (np.abs(d) <= limit), "Large entries became 0: cut them to the limit instead."),
            (d * (np.abs(x) <= limit), "You looked at the size of x: that of the arriving gradient counts."),
            (np.clip(d, -1, 1), "The limit is fixed at 1: use the argument."),
            (np.ones_like(d), "The gradient from behind is ignored: cut `upstream`, not 1."),
            (np.full_like(d, min(1, limit)), "The gradient from behind is ignored: cut `upstream`, not 1."),
            (d * limit, "You multiplied by the limit: cut with `ops.clip`."),
        )
        self.compare(got, np.clip(d, -limit, limit), candidates, "the gradient")

    @staticmethod
    def reference(x, limit):
        from keras import ops

        @ops.custom_gradient
        def fuse(x):
            def backward(*args, upstream=None):
                gradient = args[0] if upstream is None else upstream
                return ops.clip(gradient, -limit, limit)

            return x, backward

        return fuse(x)

    @staticmethod
    def mistakes():
        from keras import ops

        def fuse(change):
            def clip_gradient(x, limit):
                @ops.custom_gradient
                def node(x):
                    def backward(*args, upstream=None):
                        return change(args[0] if upstream is None else upstream, x, limit)

                    return x, backward

                return node(x)

            return clip_gradient

        def by_length(g, x, limit):
            return g * ops.minimum(1.0, limit / ops.sqrt(ops.sum(g**2)))

        return (
            exercise.Mistake(lambda x, limit: ops.clip(x, -limit, limit), "You cut the value"),
            exercise.Mistake(lambda x, limit: x, "passes uncut"),
            exercise.Mistake(lambda x, limit: ops.stop_gradient(x), "No gradient arrives"),
            exercise.Mistake(fuse(lambda g, x, c: ops.minimum(g, c)), "-limit is a bound"),
            exercise.Mistake(fuse(lambda g, x, c: ops.clip(x, -c, c)), "cut x instead"),
            exercise.Mistake(fuse(by_length), "scaled the whole gradient"),
            exercise.Mistake(fuse(lambda g, x, c: ops.clip(g, -1.0, 1.0)), "fixed at 1"),
            exercise.Mistake(fuse(lambda g, x, c: ops.where(ops.abs(g) <= c, g, 0.0)), "became 0"),
            exercise.Mistake(fuse(lambda g, x, c: ops.clip(ops.ones_like(g), -c, c)), "is ignored"),
        )


def _step_of(weights, x, y, fault, held):
    """Loss and gradients of a network 64 -> 32 -> 32 -> 10 with tanh; a fault of the backward pass is planted."""
    W1, b1, W2, b2, W3, b3 = weights
    a1 = np.tanh(x @ W1 + b1)
    a2 = np.tanh(a1 @ W2 + b2)
    logits = a2 @ W3 + b3
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    loss = -log_p[np.arange(len(y)), y].mean()
    slope = (lambda a: 1 - np.tanh(a) ** 2) if fault == "slope at the output" else (lambda a: 1 - a**2)
    of_bias = (lambda d: d.mean(0)) if fault == "bias averaged" else (lambda d: d.sum(0))
    d3 = (np.exp(log_p) - np.eye(10)[y]) / len(y)
    d2 = (d3 @ W3.T) * slope(a2)
    d1 = (d2 @ (W2 if fault == "not transposed" else W2.T)) * slope(a1)
    grads = [x.T @ d1, of_bias(d1), a1.T @ d2, of_bias(d2), a2.T @ d3, of_bias(d3)]
    if fault == "not zeroed" and held is not None:
        grads = [g + old for g, old in zip(grads, held, strict=True)]
    return loss, grads


def _checks(weights, x, y, grads, rng, entries=12):
    """Distance between the gradients and small steps, on some entries of each array -> (6,)."""
    found = []
    for w, g in zip(weights, grads, strict=True):
        chosen = [tuple(rng.integers(n) for n in w.shape) for _ in range(entries)]
        numeric = []
        for i in chosen:
            kept, ends = w[i], []
            for value in (kept + 1e-5, kept - 1e-5):
                w[i] = value
                ends.append(_step_of(weights, x, y, "none", None)[0])
            w[i] = kept
            numeric.append((ends[0] - ends[1]) / 2e-5)
        found.append(distance([g[i] for i in chosen], numeric))
    return found


def patients(x, y, steps=200, lr=0.15):
    """Five networks with one fault each -> {name: {"checks": (2, 6), "losses": (S,)}}.

    x (N, 64), y (N,). The faults stand below; solve the exercise first.
    """
    faults = ("bias averaged", "not transposed", "none", "not zeroed", "slope at the output")
    charts = {}
    for seed, (name, fault) in enumerate(zip("PQRST", faults, strict=True)):
        rng = np.random.default_rng(seed)
        weights = []
        for d, k in ((64, 32), (32, 32), (32, 10)):
            weights += [rng.standard_normal((d, k)) * np.sqrt(1.5 / d), 0.1 * rng.standard_normal(k)]
        held, losses, checks = None, [], []
        for step in range(steps):
            rows = rng.integers(len(x), size=32)
            loss, held = _step_of(weights, x[rows], y[rows], fault, held)
            losses.append(loss)
            if step < 2:
                checks.append(_checks(weights, x[rows], y[rows], held, rng))
            for w, g in zip(weights, held, strict=True):
                w -= lr * g
        charts[name] = {"checks": np.array(checks), "losses": np.convolve(losses, np.ones(15) / 15, "valid")}
    return charts


def draw_checks(charts, ax):
    """The table of distances: a row for each patient and step, a column for each array -> Axes."""
    from matplotlib.colors import ListedColormap

    table = np.concatenate([chart["checks"] for chart in charts.values()])  # (10, 6)
    ax.imshow(table > 1e-3, cmap=ListedColormap(["#FFFFFF", "#F0C3A8"]), vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(table):
        weight = "bold" if value > 1e-3 else "normal"
        ax.text(column, row, f"{value:.0e}", ha="center", va="center", fontsize=9, weight=weight)
    for row in range(1, len(charts)):
        ax.axhline(2 * row - 0.5, color="black", linewidth=1, linestyle="-")
    ax.set(xticks=range(6), yticks=range(len(table)), title="Distance to small steps; bold: above 0.001")
    ax.set_xticklabels(NAMES)
    ax.set_yticklabels([f"{name}, step {step}" for name in charts for step in (1, 2)])
    ax.grid(False)
    return ax


def draw_charts(charts):
    """The table of distances beside the five loss curves -> (Figure, alt text)."""
    import matplotlib.pyplot as plt

    from utils import plot

    fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.6), width_ratios=(1.7, 1))
    draw_checks(charts, left)
    for (name, chart), colour, line in zip(charts.items(), plot.COLOURS, plot.LINES, strict=False):
        right.semilogy(chart["losses"], color=colour, linestyle=line, linewidth=1.3, label=name)
    right.set(title="Their losses", xlabel="step", ylabel="loss (mean of 15)")
    right.legend(fontsize=9, ncols=2)
    return fig, describe_checks(charts)


def describe_checks(charts):
    """The table in words, for those who cannot see it."""
    parts = []
    for name, chart in charts.items():
        wrong = [[n for n, value in zip(NAMES, row, strict=True) if value > 1e-3] for row in chart["checks"]]
        said = [f"step {i}: {', '.join(w) if w else 'none'}" for i, w in enumerate(wrong, 1)]
        parts.append(f"{name} ({'; '.join(said)}), last loss {chart['losses'][-1]:.2g}")
    return f"Table of a numeric check of five networks and their loss curves. Wrong gradients: {'. '.join(parts)}."


class Diagnose(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five networks P, Q, R, S, T: a dict such as `{"P": "none", ...}`.

    The faults: "not zeroed", "slope at the output", "not transposed", "bias averaged", "none", each once.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Backward runs from W3 to W1. Which arrays are right? The bug lies before them; and does step 2 differ from 1?",
        "The tanh behind W2 stands between W3 and W2; the step back through W2 itself stands between W2 and W1.",
    )
    why = "The last array that is right and the first that is wrong enclose the bug: read the table from the loss back."
    faults = {
        "P": "bias averaged",
        "Q": "not transposed",
        "R": "none",
        "S": "not zeroed",
        "T": "slope at the output",
    }
    symptoms = {
        "S": "S is right in step 1 and wrong everywhere in step 2: what is still there from the first batch?",
        "P": "In P all weights are right and all biases wrong: what is done with a bias alone?",
        "R": "R is right everywhere, in both steps.",
        "Q": "In Q only W1 and b1 are wrong: the bug lies between W2 and W1, on the way back through the layer.",
        "T": "In T W3 and b3 are right, W2 is wrong already: what lies between W3 and W2?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Diagnose.faults, Diagnose.swapped

        return (
            exercise.Mistake(swapped("Q", "T"), "only W1 and b1"),
            exercise.Mistake(swapped("S", "R"), "still there from the first batch"),
            exercise.Mistake(swapped("P", "R"), "a bias alone"),
            exercise.Mistake(swapped("P", "T"), "all biases wrong"),
            exercise.Mistake(dict.fromkeys("PQRST", "none"), "exactly once"),
            exercise.Mistake(right | {"P": "overfitting"}, "none of the names"),
        )
