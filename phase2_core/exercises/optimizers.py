"""Exercises of lesson 2.2: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

CONDITION, RATE = 30.0, 0.2  # of the valley in which the sick Adams walk
SICK_ALT = (
    "Six walks in a valley and, below each, the length of the steps in units of the learning rate. Healthy: both "
    "weights begin with 1. A: one weight takes shorter steps than the other from the first on. B: both begin with 3 "
    "and grow. C: steps of 1 at first, then great swings that do not end. D: the weight in the flat direction takes "
    "much longer steps than the other. E: both begin with 1, rise to about 2, then fall."
)


def _bowl(size, seed):
    """A turned bowl: Hessian (P, P) with eigenvalues from 0.3 to 9, its minimum (P,), and a start (P,)."""
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((size, size)))[0]
    hessian = q @ np.diag(np.linspace(0.3, 9, size) if size > 1 else [2.5]) @ q.T
    return (hessian + hessian.T) / 2, rng.standard_normal(size), 3 * rng.standard_normal(size)


class NesterovPath(exercise.Exercise):
    """Write `nesterov_path(gradient, theta, lr, beta, steps)` -> path (steps + 1, P), the start included.

    gradient: a function (P,) -> (P,); theta (P,). In each step, with a velocity that starts at 0:
    v ← β v + g, then θ ← θ - η (g + β v). Leave the theta that you are given as it is.
    """

    difficulty = 1
    minutes = 12
    hints = (
        "Ask for the gradient once in each step, at the present θ; update v first, and use the new v in the step.",
        "`v = beta * v + g` and `theta = theta - lr * (g + beta * v)`; a new array each time, not `-=`.",
    )
    why = "The extra βv is the step that momentum would make next: Nesterov makes it now and is corrected earlier."

    def test(self, nesterov_path):
        for size, seed, lr, beta, steps in ((2, 0, 0.05, 0.9, 6), (3, 1, 0.1, 0.5, 4), (1, 2, 0.2, 0.8, 3)):
            hessian, centre, theta = _bowl(size, seed)
            gradient = lambda w, h=hessian, c=centre: h @ (w - c)
            given = theta.copy()
            got = self.call(lambda g=gradient, w=given, rest=(lr, beta, steps): nesterov_path(g, w, *rest))
            if not np.array_equal(given, theta):
                raise exercise.Wrong("Your code changed the caller's theta in place: write `theta = theta - …`.")
            if isinstance(got, (list, tuple)):
                got = np.array([np.asarray(place, float) for place in got])
            got = self.expect_array(got, name="the path", finite=False)
            self._judge_path(got, gradient, theta, lr, beta, steps)

    def _judge_path(self, got, gradient, theta, lr, beta, steps):
        way = lambda **options: self._walk(gradient, theta, lr, beta, steps, **options)
        right = way()
        if got.shape == theta.shape != right.shape:
            raise exercise.Wrong("Only the last place came back: return all of them, (steps + 1, P).")
        if got.shape == (steps, theta.size):
            end = "start" if np.allclose(got, right[1:]) else "last place"
            raise exercise.Wrong(f"The path has {steps} places: the {end} is missing, there are steps + 1.")
        if got.shape == right.shape and steps > 1 and theta.size and np.allclose(got, got[-1]):
            raise exercise.Wrong("All places are the same array: append a copy, or make a new theta in each step.")
        exercise.name_mistake(
            got,
            right,
            (
                (way(kind="momentum"), "This is plain momentum: the step is g + βv with the *new* v, not v alone."),
                (way(kind="old"), "This is plain momentum: you used the old v in the step; update v first."),
                (way(kind="plain"), "This is plain descent: is the velocity kept from step to step?"),
                (way(mean=True), "Your velocity takes (1 - β) g: here it is the sum, v ← βv + g."),
                (way(sign=-1.0), "The walk goes uphill: subtract η (g + βv)."),
                (way(kind="no g"), "The gradient itself is missing in the step: g + βv, not βv."),
                (way(kind="no beta"), "The step is g + β v: the β before v is missing."),
                (
                    way(kind="ahead"),
                    "This is Nesterov's original form, with the gradient at the place ahead: a walk of other points. "
                    "Here the gradient is taken at θ, and the step is g + βv.",
                ),
            ),
        )
        self.expect_close(got, right, "v ← βv + g, θ ← θ - η (g + βv).", rtol=1e-6, name="the path")

    @staticmethod
    def _walk(gradient, theta, lr, beta, steps, kind="", mean=False, sign=1.0):
        v, path = np.zeros_like(theta), [theta]
        for _ in range(steps):
            g = gradient(theta - lr * beta * v if kind == "ahead" else theta)
            old, v = v, beta * v + (1 - beta if mean else 1) * g
            step = {"momentum": v, "ahead": v, "plain": g, "no g": beta * v, "no beta": g + v, "old": g + beta * old}
            theta = theta - sign * lr * step.get(kind, g + beta * v)
            path.append(theta)
        return np.array(path)

    @staticmethod
    def reference(gradient, theta, lr, beta, steps):
        import numpy as np

        v, path = np.zeros_like(theta), [theta]
        for _ in range(steps):
            g = gradient(theta)
            v = beta * v + g
            theta = theta - lr * (g + beta * v)
            path.append(theta)
        return np.array(path)  # (steps + 1, P)

    @staticmethod
    def mistakes():
        walk = NesterovPath._walk

        def way(**options):
            return lambda *args: walk(*args, **options)

        def in_place(gradient, theta, lr, beta, steps):
            v, path = 0, [theta.copy()]
            for _ in range(steps):
                g = gradient(theta)
                v = beta * v + g
                theta -= lr * (g + beta * v)
                path.append(theta.copy())
            return np.array(path)

        def same_array(gradient, theta, lr, beta, steps):
            theta, v = theta.copy(), 0
            path = [theta]
            for _ in range(steps):
                g = gradient(theta)
                v = beta * v + g
                theta -= lr * (g + beta * v)
                path.append(theta)
            return np.array(path)

        return (
            exercise.Mistake(way(kind="momentum"), "plain momentum"),
            exercise.Mistake(way(kind="plain"), "kept from step to step"),
            exercise.Mistake(way(mean=True), "the sum"),
            exercise.Mistake(way(sign=-1.0), "uphill"),
            exercise.Mistake(way(kind="no beta"), "β before v"),
            exercise.Mistake(way(kind="ahead"), "original form"),
            exercise.Mistake(lambda *args: walk(*args)[-1], "Only the last place"),
            exercise.Mistake(lambda *args: walk(*args)[1:], "the start is missing"),
            exercise.Mistake(in_place, "changed the caller's theta"),
            exercise.Mistake(same_array, "the same array"),
        )


class BestMomentum(exercise.Exercise):
    """Write `best_momentum(hessian)` -> (lr, beta): the best settings of plain momentum on the bowl ½ θᵀHθ.

    hessian (P, P), symmetric, positive eigenvalues, not diagonal in general. For v ← βv + g, θ ← θ - ηv.
    """

    difficulty = 2
    minutes = 12
    hints = (
        "Only the largest and the smallest eigenvalue count: `np.linalg.eigvalsh` returns them in ascending order.",
        "η = 4 / (√λ_max + √λ_min)², and β is the square of (√κ - 1) / (√κ + 1).",
    )
    why = "With these settings every direction shrinks by √β per step: no curvature is faster, and none is slower."

    def test(self, best_momentum):
        for size, seed, scale in ((2, 0, 1.0), (4, 1, 0.1), (5, 2, 10.0), (1, 3, 2.0)):
            hessian = scale * _bowl(size, seed)[0]
            pair = self.call(best_momentum, hessian)
            if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
                raise exercise.Wrong("Return the pair `lr, beta`.")
            lr, beta = (self.expect_number(v, name) for v, name in zip(pair, ("`lr`", "`beta`"), strict=True))
            lam = np.linalg.eigvalsh(hessian)
            self._judge_beta(beta, lam, hessian, lr)
            self._judge_lr(lr, lam, hessian)

    def _judge_beta(self, beta, lam, hessian, lr):
        kappa = lam[-1] / lam[0]
        memory = lambda k: (np.sqrt(k) - 1) / (np.sqrt(k) + 1)
        right, diagonal = memory(kappa) ** 2, np.diag(hessian)
        exercise.name_mistake(
            beta,
            right,
            (
                (memory(kappa), "This β is the factor per step itself, (√κ - 1)/(√κ + 1): β is its square."),
                ((kappa - 1) / (kappa + 1), "This is plain descent's factor: take the root of κ first."),
                (((kappa - 1) / (kappa + 1)) ** 2, "β needs the *root* of κ: ((√κ - 1)/(√κ + 1))²."),
                (
                    4 / (np.sqrt(lam[-1]) + np.sqrt(lam[0])) ** 2,
                    "This is the learning rate: return lr first, then beta.",
                ),
                (memory(diagonal.max() / diagonal.min()) ** 2, "The diagonal of H does not hold its eigenvalues."),
                (1 - 1 / np.sqrt(kappa), "1 - 1/√κ is the factor of Nesterov, not the β of momentum."),
                (0.9, "0.9 is a good habit, but here β is to be computed from H."),
                (0.0, "With β = 0 this is plain descent: which β makes it faster?"),
            ),
        )
        self.expect_close(np.array(beta), right, "β = ((√κ - 1)/(√κ + 1))².", rtol=1e-4, name="`beta`")

    def _judge_lr(self, lr, lam, hessian):
        high, low = lam[-1], lam[0]
        right, diagonal = 4 / (np.sqrt(high) + np.sqrt(low)) ** 2, np.diag(hessian)
        exercise.name_mistake(
            lr,
            right,
            (
                (2 / (high + low), "This is the best rate of plain descent: with memory a longer step is best."),
                (1 / high, "1/λ_max suits Nesterov: momentum bears up to four times as much."),
                (2 / high, "2/λ_max is the bound of plain descent, not the best rate of momentum."),
                (4 / (high + low), "The roots are missing: 4 / (√λ_max + √λ_min)²."),
                (4 / (high + low) ** 2, "The roots are missing: 4 / (√λ_max + √λ_min)²."),
                (4 / (np.sqrt(high) + np.sqrt(low)), "The square is missing: 4 / (√λ_max + √λ_min)²."),
                (2 / (np.sqrt(high) + np.sqrt(low)) ** 2, "Half of the best rate: the numerator is 4."),
                (
                    4 / (np.sqrt(diagonal.max()) + np.sqrt(diagonal.min())) ** 2,
                    "The diagonal of H does not hold its eigenvalues.",
                ),
            ),
        )
        self.expect_close(np.array(lr), right, "η = 4 / (√λ_max + √λ_min)².", rtol=1e-4, name="`lr`")

    @staticmethod
    def reference(hessian):
        import numpy as np

        lam = np.linalg.eigvalsh(hessian)  # ascending
        high, low = np.sqrt(lam[-1]), np.sqrt(lam[0])
        return 4 / (high + low) ** 2, ((high - low) / (high + low)) ** 2

    @staticmethod
    def mistakes():
        def settings(hessian, eig=np.linalg.eigvalsh, root=np.sqrt, power=2):
            lam = np.sort(eig(hessian))
            high, low = root(lam[-1]), root(lam[0])
            return 4 / (np.sqrt(lam[-1]) + np.sqrt(lam[0])) ** 2, ((high - low) / (high + low)) ** power

        def plain_rate(hessian):
            lam = np.linalg.eigvalsh(hessian)
            return 2 / (lam[-1] + lam[0]), settings(hessian)[1]

        def no_square(hessian):
            lam = np.sqrt(np.linalg.eigvalsh(hessian))
            return 4 / (lam[-1] + lam[0]), settings(hessian)[1]

        return (
            exercise.Mistake(lambda h: settings(h, power=1), "β is its square"),
            exercise.Mistake(lambda h: settings(h, root=lambda v: v), "*root* of κ"),
            exercise.Mistake(lambda h: settings(h, eig=np.diag), "diagonal of H"),
            exercise.Mistake(plain_rate, "best rate of plain descent"),
            exercise.Mistake(no_square, "square is missing"),
            exercise.Mistake(lambda h: settings(h)[::-1], "lr first"),
            exercise.Mistake(lambda h: (settings(h)[0], 0.9), "good habit"),
            exercise.Mistake(lambda h: settings(h)[0], "Return the pair"),
        )


class AdamW(exercise.Exercise):
    """Write the class `AdamW(params, lr, betas, eps, weight_decay)` with `step()` and `zero_grad()`, in PyTorch.

    Without `torch.optim`. `params` is any iterable, such as `model.parameters()`. step() changes the parameters in
    place; one whose `.grad` is None is left alone. ε stands outside the root, after the correction. The weight decay
    is decoupled: θ ← (1 - ηλ) θ before Adam's step.
    """

    difficulty = 3
    minutes = 25
    framework = "torch"
    hints = (
        "`self.params = list(params)`, one m and one s for each of them, one t for all; t grows by 1 in each step().",
        "In `torch.no_grad()`: `p *= 1 - lr * weight_decay`, then m, s, their corrected values, and "
        "`p -= lr * m_hat / (s_hat.sqrt() + eps)`.",
    )
    why = "The state must live as long as the optimiser, belong to one parameter each, and count the steps only once."
    _ways = {  # noqa: RUF012
        "no correction": "The bias correction is missing: divide m by 1 - β₁ᵗ and s by 1 - β₂ᵗ.",
        "t from 0": "t stands at 0 in the first step or grows after it: count first, so that it is 1.",
        "t per parameter": "t grows for every parameter: one step() is one t, however many parameters there are.",
        "t stands": "t does not grow from step to step.",
        "forgets": "m and s begin at 0 in every step: keep them in `self`.",
        "shared": "The parameters share one state: each needs its own m and s.",
        "L2": "The decay goes through the gradient: that is L2 in Adam. Shrink the parameter itself.",
        "no decay": "The weight decay is missing: first θ ← (1 - ηλ) θ.",
        "decay without lr": "The decay lacks the rate: θ shrinks by 1 - ηλ, not by 1 - λ.",
        "only decay": "The parameters only decay: Adam's step is lost. Change p in place, `p -= …`, not `p = p - …`.",
        "decay after": "The decay comes before Adam's step, not after it.",
        "no root": "You divide by s: take its root.",
        "eps inside": "ε stands outside the root here: √ŝ + ε.",
        "eps before": "ε is added before the correction, as in Keras: √ŝ + ε with the corrected ŝ.",
        "swapped": "β₁ and β₂ are swapped: betas[0] is for m, betas[1] for s.",
        "no square": "s is the mean of the *squared* gradients.",
        "sum": "The new gradient enters m and s with the weights 1 - β₁ and 1 - β₂.",
        "ascent": "The steps go uphill: subtract.",
        "once": "After the first step nothing moves: `params` may be a generator, so make a list of it.",
    }

    def test(self, AdamW):
        import torch

        if not isinstance(AdamW, type):
            raise exercise.Wrong("Give the class itself, `AdamW`, not an object or a function.")
        if issubclass(AdamW, torch.optim.Optimizer):
            raise exercise.Wrong("Without `torch.optim`: write the class from nothing.")
        for shapes, betas, eps, decay, seed in (
            (((2, 3), (4,)), (0.8, 0.95), 0.05, 0.3, 0),
            (((3,), (1, 2), ()), (0.5, 0.9), 1e-3, 0.1, 1),
            (((5,),), (0.9, 0.999), 1e-8, 0.0, 2),
        ):
            self._judge_steps(AdamW, shapes, {"lr": 0.1, "betas": betas, "eps": eps, "weight_decay": decay}, seed)

    def _judge_steps(self, AdamW, shapes, options, seed, steps=4):
        import torch

        rng = np.random.default_rng(seed)
        starts = [1 + rng.standard_normal(shape) for shape in shapes]
        gradients = [[0.3 * rng.standard_normal(shape) for shape in shapes] for _ in range(steps)]
        params = [torch.nn.Parameter(torch.tensor(start, dtype=torch.float64)) for start in starts]
        idle = torch.nn.Parameter(torch.ones(2))  # its gradient stays None
        optimizer = self.call(lambda: AdamW((p for p in (idle, *params)), **options))
        missing = [name for name in ("step", "zero_grad") if not callable(getattr(optimizer, name, None))]
        if missing:
            raise exercise.Wrong(f"The class has no method `{missing[0]}()`.")
        for gs in gradients:
            for p, g in zip(params, gs, strict=True):
                p.grad = torch.tensor(g, dtype=torch.float64)
            self.call(lambda: optimizer.step() or True)
        got = np.concatenate([p.detach().numpy().ravel() for p in params])
        way = lambda kind="": self._walk(starts, gradients, options, kind)
        if np.allclose(got, np.concatenate([np.ravel(start) for start in starts])):
            raise exercise.Wrong("The parameters did not move: change them in place, `p -= …` in `torch.no_grad()`.")
        exercise.name_mistake(got, way(), [(way(kind), words) for kind, words in self._ways.items()], rtol=1e-6)
        self.expect_close(got, way(), "After some steps:", rtol=1e-5, name="the parameters")
        if not np.array_equal(idle.detach().numpy(), np.ones(2)):
            raise exercise.Wrong("A parameter whose gradient is None was changed: leave it alone, decay included.")
        self.call(lambda: optimizer.zero_grad() or True)
        if any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in params):
            raise exercise.Wrong("After `zero_grad()` there is still a gradient: set it to None or to 0.")
        if not all(p.requires_grad and p.is_leaf for p in params):
            raise exercise.Wrong("The parameters no longer want gradients: change their values, not the tensors.")

    @staticmethod
    def _walk(starts, gradients, options, kind=""):
        """The steps in NumPy, right or with one mistake -> all parameters in a row."""
        lr, (b1, b2), eps, wd = options["lr"], options["betas"], options["eps"], options["weight_decay"]
        b1, b2 = (b2, b1) if kind == "swapped" else (b1, b2)
        params, t = [np.array(start) for start in starts], 0
        m, s = ([0.0] * len(params) for _ in range(2))
        for number, gs in enumerate(gradients):
            t += 1
            m, s = ([0.0] * len(params), [0.0] * len(params)) if kind == "forgets" else (m, s)
            for i, g in enumerate(gs):
                if kind == "once" and number:
                    break
                t += kind == "t per parameter" and i > 0
                at = {"t from 0": t - 1, "t stands": 1}.get(kind, t)
                p, k = params[i], 0 if kind == "shared" else i
                p = p * {"L2": 1, "no decay": 1, "decay after": 1, "decay without lr": 1 - wd}.get(kind, 1 - lr * wd)
                g = g + wd * p if kind == "L2" else g
                if np.shape(m[k]) not in ((), g.shape):
                    return np.full(1, np.nan)  # a shared state that does not fit
                m[k] = b1 * m[k] + (1 if kind == "sum" else 1 - b1) * g
                s[k] = b2 * s[k] + (1 if kind == "sum" else 1 - b2) * (np.abs(g) if kind == "no square" else g**2)
                fix = (1.0, 1.0) if kind == "no correction" or at == 0 else (1 - b1**at, 1 - b2**at)
                m_hat, s_hat = m[k] / fix[0], s[k] / fix[1]
                divisors = {
                    "no root": s_hat + eps,
                    "eps inside": np.sqrt(s_hat + eps),
                    "eps before": (np.sqrt(s[k]) + eps) / np.sqrt(fix[1]),
                }
                sign = {"ascent": 1, "only decay": 0}.get(kind, -1)
                p = p + sign * lr * m_hat / divisors.get(kind, np.sqrt(s_hat) + eps)
                params[i] = p * (1 - lr * wd) if kind == "decay after" else p
        return np.concatenate([np.ravel(p) for p in params])

    @staticmethod
    def reference():
        import torch

        class AdamW:
            def __init__(self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
                self.params, self.t = list(params), 0
                self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay
                self.m, self.s = ([torch.zeros_like(p) for p in self.params] for _ in range(2))

            @torch.no_grad()
            def step(self):
                self.t += 1
                for p, m, s in zip(self.params, self.m, self.s, strict=True):
                    if p.grad is None:
                        continue
                    p *= 1 - self.lr * self.weight_decay
                    m += (1 - self.betas[0]) * (p.grad - m)  # = β₁ m + (1 - β₁) g
                    s += (1 - self.betas[1]) * (p.grad**2 - s)
                    m_hat, s_hat = m / (1 - self.betas[0] ** self.t), s / (1 - self.betas[1] ** self.t)
                    p -= self.lr * m_hat / (s_hat.sqrt() + self.eps)

            def zero_grad(self):
                for p in self.params:
                    p.grad = None

        return AdamW

    @classmethod
    def solutions(cls):
        return {"reference": cls.reference()}

    @staticmethod
    def mistakes():
        import torch

        right = AdamW.reference()

        def sick(kind):
            """The right class with one line changed."""

            class Sick(right):
                @torch.no_grad()
                def step(self):
                    self.t += 1
                    for i, p in enumerate(self.params):
                        if p.grad is None and kind != "idle":
                            continue
                        g = torch.zeros_like(p) if p.grad is None else p.grad
                        self.t += kind == "t per parameter" and i > 1
                        k = 1 if kind == "shared" and self.m[1].shape == g.shape else i
                        if kind == "L2":
                            g = g + self.weight_decay * p
                        else:
                            shrunk = p * (1 - (1 if kind == "decay without lr" else self.lr) * self.weight_decay)
                            p = shrunk if kind == "copy" else p.copy_(shrunk)
                        b1, b2 = self.betas
                        self.m[k] = b1 * self.m[k] + (1 - b1) * g
                        self.s[k] = b2 * self.s[k] + (1 - b2) * g**2
                        fix = (1, 1) if kind == "no correction" else (1 - b1**self.t, 1 - b2**self.t)
                        m, s = self.m[k] / fix[0], self.s[k] / fix[1]
                        root = {"no root": s + self.eps, "eps inside": (s + self.eps).sqrt()}
                        new = p - self.lr * m / root.get(kind, s.sqrt() + self.eps)
                        if kind not in ("copy", "only decay"):  # those two make a new tensor, and lose it
                            p.copy_(new)

                def zero_grad(self):
                    if kind != "zero":
                        super().zero_grad()

            return Sick

        class Generator(right):
            def __init__(self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
                super().__init__(params, lr, betas, eps, weight_decay)
                self.once = iter(self.params)

            def step(self):
                self.params = list(self.once)
                super().step() if self.params else None

        def library(*args, **options):
            return torch.optim.AdamW(*args, **options)

        return (
            exercise.Mistake(sick("no correction"), "bias correction is missing"),
            exercise.Mistake(sick("t per parameter"), "one step() is one t"),
            exercise.Mistake(sick("L2"), "L2 in Adam"),
            exercise.Mistake(sick("decay without lr"), "lacks the rate"),
            exercise.Mistake(sick("no root"), "take its root"),
            exercise.Mistake(sick("eps inside"), "outside the root"),
            exercise.Mistake(sick("idle"), "gradient is None"),
            exercise.Mistake(sick("zero"), "still a gradient"),
            exercise.Mistake(sick("copy"), "did not move"),
            exercise.Mistake(sick("only decay"), "only decay"),
            exercise.Mistake(Generator, "generator"),
            exercise.Mistake(library, "Give the class itself"),
            exercise.Mistake(torch.optim.AdamW, "Without `torch.optim`"),
        )


class ToKeras(exercise.Exercise):
    """Write `to_keras(name, lr)` -> a Keras optimiser that walks like `getattr(torch.optim, name)(weights, lr)`.

    name is "SGD" (with momentum 0.9), "RMSprop", "Adagrad" or "AdamW"; all other arguments of PyTorch are at their
    defaults. Gradients may be small, down to 1e-5.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    time_limit = 30.0
    hints = (
        "The lesson's table lists what the two libraries set differently; ε stands inside the root in two of them.",
        "`rho=0.99`, `initial_accumulator_value=0.0`, `weight_decay=0.01`; ε: squared for RMSprop and Adagrad, "
        "`epsilon=1e-8` for AdamW.",
    )
    why = "An optimiser is its arguments: the name alone moves another walk into your script."
    _sizes = {"SGD": 1.0, "RMSprop": 1e-3, "Adagrad": 1e-5, "AdamW": 1e-4}  # noqa: RUF012  of the gradients

    def test(self, to_keras):
        import keras

        for lr in (0.03, 0.007):
            for name, size in self._sizes.items():
                optimizer = self.call(to_keras, name, lr)
                if not isinstance(optimizer, keras.optimizers.Optimizer):
                    raise exercise.Wrong(f"For {name!r} return a Keras optimiser: `keras.optimizers.{name}(…)`.")
                rng = np.random.default_rng(7)
                gradients = size * (0.5 + rng.standard_normal((15, 4))).astype("float32")
                ours, theirs = self._walk_torch(name, lr, gradients), self._walk_keras(optimizer, gradients)
                way = np.abs(ours - 1).max()
                if np.abs(ours - theirs).max() > 0.012 * way:
                    raise exercise.Wrong(self._cause(name, lr, optimizer))
                if name == "AdamW":
                    self._judge_decay(optimizer, lr)

    @staticmethod
    def _walk_torch(name, lr, gradients):
        import torch

        theta = torch.nn.Parameter(torch.ones(gradients.shape[1]))
        options = {"momentum": 0.9} if name == "SGD" else {}
        optimizer, path = getattr(torch.optim, name)([theta], lr, **options), []
        for g in gradients:
            theta.grad = torch.tensor(g)
            optimizer.step()
            path.append(theta.detach().numpy().copy())
        return np.array(path)

    @staticmethod
    def _walk_keras(optimizer, gradients):
        import keras

        theta, path = keras.Variable(np.ones(gradients.shape[1], "float32")), []
        for g in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(g)], [theta])
            path.append(np.array(keras.ops.convert_to_numpy(theta)))
        return np.array(path)

    @staticmethod
    def _judge_decay(optimizer, lr):
        if not optimizer.weight_decay or abs(optimizer.weight_decay - 0.01) > 1e-6:
            raise exercise.Wrong(f"The weight decay is {optimizer.weight_decay}: PyTorch's default is 0.01.")

    @staticmethod
    def _cause(name, lr, optimizer):
        """The first setting that differs, as a sentence."""
        import keras

        kinds = {"SGD": keras.optimizers.SGD, "RMSprop": keras.optimizers.RMSprop, "Adagrad": keras.optimizers.Adagrad}
        if not isinstance(optimizer, kinds.get(name, keras.optimizers.Adam)):
            return f"For {name!r} you returned a {type(optimizer).__name__}: every name has its own optimiser."
        if not np.isclose(float(optimizer.learning_rate), lr, rtol=1e-4):
            return f"{name}: the rate is {float(optimizer.learning_rate):g}, but {lr} was given: pass `lr` on."
        if name == "SGD":
            if not optimizer.momentum:
                return "SGD: the momentum 0.9 is missing."
            if optimizer.nesterov:
                return "SGD: Nesterov is not asked for."
            return f"SGD: the momentum is {optimizer.momentum}, not 0.9."
        if name == "RMSprop" and abs(optimizer.rho - 0.99) > 1e-6:
            return f"RMSprop: rho is {optimizer.rho}, but PyTorch's alpha is 0.99."
        if name == "Adagrad" and optimizer.initial_accumulator_value:
            return f"Adagrad: s starts at {optimizer.initial_accumulator_value}, but in PyTorch at 0."
        if name == "AdamW" and (not optimizer.weight_decay or abs(optimizer.weight_decay - 0.01) > 1e-6):
            return f"AdamW: the weight decay is {optimizer.weight_decay}, but PyTorch's default is 0.01."
        inside = {"RMSprop": 1e-8, "Adagrad": 1e-10}.get(name)
        if inside and np.isclose(optimizer.epsilon, inside, rtol=1e-3):
            return f"{name}: Keras adds ε inside the root, so PyTorch's value must be squared."
        return f"{name}: with ε = {optimizer.epsilon:g} small gradients walk otherwise than in PyTorch."

    @staticmethod
    def reference(name, lr):
        import keras

        if name == "SGD":
            return keras.optimizers.SGD(lr, momentum=0.9)
        if name == "RMSprop":
            return keras.optimizers.RMSprop(lr, rho=0.99, epsilon=1e-16)  # (1e-8)², as it stands inside the root
        if name == "Adagrad":
            return keras.optimizers.Adagrad(lr, initial_accumulator_value=0.0, epsilon=1e-20)
        return keras.optimizers.AdamW(lr, weight_decay=0.01, epsilon=1e-8)

    @staticmethod
    def mistakes():
        def changed(which, **options):
            """The right answer, but other options for one name."""

            def to_keras(name, lr):
                import keras

                right = {"SGD": {"momentum": 0.9}, "RMSprop": {"rho": 0.99, "epsilon": 1e-16}}
                right["Adagrad"] = {"initial_accumulator_value": 0.0, "epsilon": 1e-20}
                right["AdamW"] = {"weight_decay": 0.01, "epsilon": 1e-8}
                arguments = {"learning_rate": lr} | right[name] | (options if name == which else {})
                return getattr(keras.optimizers, name)(**arguments)

            return to_keras

        def names_only(name, lr):
            import keras

            return getattr(keras.optimizers, name)()

        def always_adam(name, lr):
            import keras

            return keras.optimizers.SGD(lr, momentum=0.9) if name == "SGD" else keras.optimizers.Adam(lr)

        def class_only(name, lr):
            import keras

            return getattr(keras.optimizers, name)

        return (
            exercise.Mistake(names_only, "pass `lr` on"),
            exercise.Mistake(changed("SGD", momentum=0.0), "momentum 0.9 is missing"),
            exercise.Mistake(changed("SGD", nesterov=True), "Nesterov is not asked for"),
            exercise.Mistake(changed("RMSprop", rho=0.9), "alpha is 0.99"),
            exercise.Mistake(changed("RMSprop", epsilon=1e-8), "RMSprop: Keras adds ε inside"),
            exercise.Mistake(changed("RMSprop", epsilon=1e-7), "RMSprop: with ε"),
            exercise.Mistake(changed("Adagrad", initial_accumulator_value=0.1), "in PyTorch at 0"),
            exercise.Mistake(changed("Adagrad", epsilon=1e-10), "Adagrad: Keras adds ε inside"),
            exercise.Mistake(changed("AdamW", weight_decay=0.004), "PyTorch's default is 0.01"),
            exercise.Mistake(changed("AdamW", epsilon=1e-7), "AdamW: with ε"),
            exercise.Mistake(always_adam, "every name has its own"),
            exercise.Mistake(class_only, "return a Keras optimiser"),
        )


FAULTS = {
    "no bias correction": "m and s are used as they are",
    "t stands still": "the correction is always that of the first step",
    "no root": "the step is divided by s instead of its root",
    "one s for all": "both weights share one mean square",
    "no zero_grad": "the gradients of all steps pile up",
}


def sick_adams(steps=120):
    """A healthy Adam and five with one fault each, in a valley -> {name: path (steps + 1, 2)}.

    The faults stand below; solve the exercise first.
    """
    order = "one s for all", "no bias correction", "no zero_grad", "no root", "t stands still"
    faults = {"healthy": "", **dict(zip("ABCDE", order, strict=True))}
    return {name: _adam(fault, steps) for name, fault in faults.items()}


def _adam(fault, steps, beta1=0.9, beta2=0.999, eps=1e-8):
    theta, held, m, s = np.array([-9.0, 2.5]), np.zeros(2), np.zeros(2), np.zeros(2)
    path = [theta]
    for t in range(1, steps + 1):
        g = np.array([1 / CONDITION, 1.0]) * theta
        held = held + g if fault == "no zero_grad" else g
        m = beta1 * m + (1 - beta1) * held
        s = beta2 * s + (1 - beta2) * (np.mean(held**2) if fault == "one s for all" else held**2)
        t = 1 if fault == "t stands still" else t
        fix = (1.0, 1.0) if fault == "no bias correction" else (1 - beta1**t, 1 - beta2**t)
        divisor = s / fix[1] if fault == "no root" else np.sqrt(s / fix[1])
        theta = theta - RATE * m / fix[0] / (divisor + eps)
        path.append(theta)
    return np.array(path)


class SickAdams(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five walks A, B, C, D, E: a dict such as `{"A": "no root", ...}`.

    The faults: "no bias correction", "t stands still", "no root", "one s for all", "no zero_grad", each once. The
    pictures are enough; the lower row shows how long each weight's steps are, in units of the learning rate.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "Look at the first step, in the lower row: a healthy Adam moves each weight by 1 η. Who does not? By how much?",
        "0.1/√0.001 = 3.16; g/ĝ² = 1/g, so a small gradient makes a long step; one s for both makes steps that are "
        "proportional to the gradients. Two walks begin like the healthy one: which of them never calms down?",
    )
    why = "The first step tells which part of the division is broken, the later ones what the state remembers wrongly."
    faults = {
        "A": "one s for all",
        "B": "no bias correction",
        "C": "no zero_grad",
        "D": "no root",
        "E": "t stands still",
    }
    symptoms = {
        "B": "B's first step is 3.16 η for both weights: which division would have made it 1 η?",
        "A": "A's two weights take steps of different length, the larger gradient the longer one: what would scale "
        "them alike?",
        "D": "D's weight with the *smaller* gradient takes the *longer* step: by what must it be divided?",
        "C": "C begins like a healthy Adam, swings and never calms down: what grows though the gradient does not?",
        "E": "E's first step is right, the next ones grow to twice as long: what is right only in the first step?",
    }

    @staticmethod
    def mistakes():
        right, swapped = SickAdams.faults, SickAdams.swapped

        return (
            exercise.Mistake(swapped("B", "E"), "3.16"),
            exercise.Mistake(swapped("A", "C"), "different length"),
            exercise.Mistake(swapped("C", "D"), "*smaller* gradient"),
            exercise.Mistake(swapped("C", "E"), "never calms down"),
            exercise.Mistake(dict.fromkeys("ABCDE", "no root"), "exactly once"),
            exercise.Mistake(right | {"E": "rate too high"}, "none of the names"),
        )
