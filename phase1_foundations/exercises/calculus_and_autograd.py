"""Exercises of lesson 1.5: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

POINTS = np.array([-1.3, -0.5, 0.2, 0.9, 1.7])
RNG = np.random.default_rng(5)
LAYERS = [  # (x, W, b, y) of layers with N, D, K = 4, 3, 2; all equal; all one but N; K larger than D
    tuple(RNG.standard_normal(shape) for shape in ((n, d), (d, k), (k,), (n, k)))
    for n, d, k in ((4, 3, 2), (3, 3, 3), (4, 1, 1), (5, 2, 4))
]
SIGN = "The stopped part is the wrong way round: it must be round(x) - x."
TWICE = "The value is x + round(x), so x is counted as well: subtract it inside of `stop_gradient`."
IMAGES = RNG.standard_normal((5, 4)).astype(np.float32)


class SlopeOfComposition(exercise.Exercise):
    """Write `slope_of_composition(x)`: the derivative of σ(2x² - 1) at every point of x, (N,) -> (N,). By hand."""

    difficulty = 1
    minutes = 8
    hints = (
        "Two functions one inside the other: u = 2x² - 1, then σ(u). What are the two slopes, and where is each taken?",
        "σ'(u) = σ(u)(1 - σ(u)) at u, not at x; the inner slope is 4x; the chain rule multiplies them.",
    )
    why = "The outer slope is taken at the inner value, and the inner slope multiplies it: p (1 - p) · 4x."

    def test(self, slope_of_composition):
        for x in (POINTS, POINTS[:2], np.linspace(-0.7, 1.1, 9)):
            p, q = exercise.sigmoid(2 * x**2 - 1), exercise.sigmoid(x)
            got = self.expect_array(self.call(slope_of_composition, x), shape=x.shape)
            exercise.name_mistake(
                got,
                p * (1 - p) * 4 * x,
                (
                    (p, "This is the function itself: its derivative is asked for."),
                    (p * (1 - p), "The inner derivative is missing: multiply by the slope 4x of 2x² - 1."),
                    (4 * x, "This is the inner slope alone: multiply it by σ'(u)."),
                    (q * (1 - q) * 4 * x, "You took the outer slope at x: it belongs at u = 2x² - 1."),
                    (p * (1 - p) + 4 * x, "You added the slopes: along one path the chain rule multiplies."),
                    (p * 4 * x, "The outer slope is σ(u)(1 - σ(u)): the factor 1 - σ(u) is missing."),
                    (p * (1 - p) * (4 * x - 1), "The derivative of the constant -1 is 0: the inner slope is 4x."),
                    (p * (1 - p) * 2 * x, "The derivative of 2x² is 4x: the factor 2 stays."),
                ),
            )
            self.expect_close(got, p * (1 - p) * 4 * x, "Outer slope at u, times inner slope.", rtol=1e-4)

    @staticmethod
    def reference(x):
        import numpy as np

        p = 1 / (1 + np.exp(-(2 * x**2 - 1)))  # (N,): σ(u)
        return p * (1 - p) * 4 * x  # σ'(u) · du/dx

    @staticmethod
    def mistakes():
        p = lambda x: exercise.sigmoid(2 * x**2 - 1)
        return (
            exercise.Mistake(lambda x: p(x) * (1 - p(x)), "inner derivative is missing"),
            exercise.Mistake(lambda x: exercise.sigmoid(x) * (1 - exercise.sigmoid(x)) * 4 * x, "belongs at u"),
            exercise.Mistake(lambda x: p(x) * (1 - p(x)) + 4 * x, "chain rule multiplies"),
            exercise.Mistake(lambda x: p(x) * 4 * x, "factor 1 - σ(u) is missing"),
            exercise.Mistake(lambda x: p(x) * (1 - p(x)) * (4 * x - 1), "constant -1 is 0"),
            exercise.Mistake(p, "the function itself"),
        )


class NumericJacobian(exercise.Exercise):
    """Write `numeric_jacobian(f, x, h=1e-5)`: all partial derivatives of f at x by central differences.

    f takes an array (D,) and returns one (K,); the result is (K, D), entry (k, i) the derivative of output k with
    respect to input i. x may hold integers.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Move one input at a time: x plus and minus h times a unit vector. Each difference fills one column.",
        "`step = h * np.eye(len(x))`; the column of input i is `(f(x + step[i]) - f(x - step[i])) / (2 * h)`.",
    )
    why = "Column i says how all K outputs answer when input i moves alone; adding h·eᵢ makes integers floats, too."

    @staticmethod
    def _wide(v):
        return np.array([v[0] ** 2 * v[1] + v[2], np.exp(0.3 * v[2]) * v[0]])

    @staticmethod
    def _square(v):
        return np.array([v[0] * v[1] ** 2, v[1] + v[2] ** 3, np.sin(v[0]) * v[2]])

    def test(self, numeric_jacobian):
        start = np.array([1.5, -2.0, 0.5])
        cases = [(self._wide, start, 0.1), (self._square, start, 0.2), (self._wide, np.array([2, -1, 1]), 0.1)]
        for f, x, h in cases:  # a large step tells the differences apart
            self._judge_values(numeric_jacobian, f, x, h)
        one = self.call(numeric_jacobian, lambda v: np.array([v[0] ** 3]), np.array([2.0]))
        self.expect_close(one, [[12.0]], "One input, one output, and h has its default 1e-5.", rtol=1e-4)

    def _judge_values(self, numeric_jacobian, f, x, h):
        steps, now = h * np.eye(len(x)), f(x)
        up, down = (np.stack([f(x + sign * s) for s in steps], axis=1) for sign in (1, -1))  # (K, D)
        right = (up - down) / (2 * h)
        got = self.expect_array(self.call(numeric_jacobian, f, x, h), shape=None)
        at_once = np.stack([(f(x + h) - f(x - h)) / (2 * h)] * len(x), axis=1)
        limit = np.stack([(f(x + 1e-4 * s) - f(x - 1e-4 * s)) / (2e-4 * h) for s in steps], axis=1)  # h nearly 0
        left = [f(np.where(np.arange(len(x)) < i, x - h, x) + s) for i, s in enumerate(steps)]
        left_down = [f(np.where(np.arange(len(x)) < i, x - h, x) - s) for i, s in enumerate(steps)]
        piled = (np.stack(left, axis=1) - np.stack(left_down, axis=1)) / (2 * h)
        exchanged = "Rows and columns are exchanged: row k is output k, column i is input i."
        exercise.name_mistake(
            got,
            right,
            (
                (right.T, exchanged),
                ((up - now[:, None]) / h, "This is the forward difference: its error is of order h, not h²."),
                ((now[:, None] - down) / h, "This is the backward difference: take f(x + h) - f(x - h)."),
                ((up - down) / h, "Twice too large: the points x + h and x - h lie 2h apart."),
                (right / 2, "Too small by 2: the points lie 2h apart, not 4h."),
                (
                    limit,
                    "You used a step of your own, or h / 2: the points are x + h and x - h with the h that was passed.",
                ),
                (at_once, "All inputs moved at once: move one, keep the others where they are."),
                (piled, "The steps pile up: put input i back before you move the next one."),
                (right.sum(axis=1), "You added the columns: keep one for each input, shape (K, D)."),
                (right.sum(axis=0), "You added the outputs: a gradient of the sum, not a Jacobian (K, D)."),
            ),
        )
        if x.dtype.kind == "i" and got.shape == right.shape and not np.allclose(got, right):
            raise exercise.Wrong("With an integer x the step is rounded away: make x a float array first.")
        self.expect_close(got, right, "Compare with the difference for input 0 alone.")

    @staticmethod
    def reference(f, x, h=1e-5):
        import numpy as np

        steps = h * np.eye(len(x))  # (D, D): row i moves input i
        return np.stack([(f(x + step) - f(x - step)) / (2 * h) for step in steps], axis=1)  # (K, D)

    @staticmethod
    def mistakes():
        def jacobian(f, x, h=1e-5, axis=1, plus=1.0, minus=1.0, width=2.0):
            steps = h * np.eye(len(x))
            columns = [(f(x + plus * s) - f(x - minus * s)) / (width * h) for s in steps]
            return np.stack(columns, axis=axis)

        def in_place(f, x, h=1e-5, restore=True):
            columns = []
            for i in range(len(x)):
                x[i] += h if x.dtype.kind == "f" else int(h)
                up = f(x)
                x[i] -= 2 * h if x.dtype.kind == "f" else int(2 * h)
                columns.append((up - f(x)) / (2 * h))
                if restore:
                    x[i] += h if x.dtype.kind == "f" else int(h)
            return np.stack(columns, axis=1)

        together = lambda f, x, h=1e-5: np.stack([(f(x + h) - f(x - h)) / (2 * h)] * len(x), axis=1)
        return (
            exercise.Mistake(lambda f, x, h=1e-5: jacobian(f, x, h, minus=0.0, width=1.0), "forward difference"),
            exercise.Mistake(lambda f, x, h=1e-5: jacobian(f, x, h, plus=0.0, width=1.0), "backward difference"),
            exercise.Mistake(lambda f, x, h=1e-5: jacobian(f, x, h, width=1.0), "lie 2h apart"),
            exercise.Mistake(lambda f, x, h=1e-5: jacobian(f, x, h, axis=0), "Rows and columns are exchanged"),
            exercise.Mistake(together, "All inputs moved at once"),
            exercise.Mistake(lambda f, x, h=1e-5: jacobian(f, x, 1e-5), "a step of your own"),
            exercise.Mistake(lambda f, x, h=1e-5: jacobian(f, x, h).sum(axis=0), "added the outputs"),
            exercise.Mistake(in_place, "rounded away"),
            exercise.Mistake(lambda f, x, h=1e-5: in_place(f, x, h, restore=False), "steps pile up"),
        )


class LayerGradients(exercise.Exercise):
    """Write `layer_gradients(x, W, b, y)` -> (dW, db): how the loss of a linear layer changes with its weights.

    x (N, D), W (D, K), b (K,), y (N, K). The layer answers x W + b; the loss is the mean of the squared error over
    **all** N·K entries. By hand, no loop; dW has the shape of W, db that of b.
    """

    difficulty = 3
    minutes = 20
    hints = (
        "The slope of the loss at one answer is 2 · error / (N·K). Which answers does the weight W[d, k] influence?",
        "`slope = 2 * (x @ W + b - y) / y.size` (N, K). Sum over the examples: `x.T @ slope`; and for the bias?",
    )
    why = "W[d, k] reaches output k of every example with slope x[n, d], so its paths add up over n: xᵀ · slope."

    def test(self, layer_gradients):
        for x, w, b, y in LAYERS:
            pair = self.call(layer_gradients, x, w, b, y)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise exercise.Wrong("Return the pair `dW, db`.")
            self._judge_pair(*pair, x, w, b, y)

    def _judge_pair(self, dw, db, x, w, b, y):
        slope = 2 * (x @ w + b - y) / y.size  # (N, K)
        right_w, right_b = x.T @ slope, slope.sum(axis=0)
        dw, db = self.expect_array(dw, name="`dW`"), self.expect_array(db, name="`db`")
        no_bias = 2 * (x @ w - y) / y.size
        n, k = y.shape
        rows = [
            (right_w * k, "dW is too large by K: the mean runs over all N·K entries, not over the examples alone."),
            (right_w * n, "dW is too large by N: divide by N·K, not by K alone."),
            (right_w * y.size, "This is the gradient of the sum: divide by N·K for the mean."),
            (right_w / 2, "The factor 2 from the derivative of the square is missing in dW."),
            (-right_w, "The sign is turned round: the error is answer minus target."),
            (x.T @ no_bias, "The bias is missing in the answer: x W + b."),
            (right_w.T, "dW is transposed: it must have the shape of W, (D, K)."),
        ]
        exercise.name_mistake(dw, right_w, rows)
        self.expect_close(dw, right_w, "dW[d, k] adds up x[n, d] · slope[n, k] over n.", name="`dW`")
        exercise.name_mistake(
            db,
            right_b,
            (
                (slope.sum(axis=1), "db sums over the wrong axis: each bias is shared by all examples, so sum over N."),
                (slope.sum(), "db is one number: each of the K outputs has its own bias."),
                (slope.mean(axis=0), "db must add up over the examples: the division by N·K is in the slope already."),
                (slope, "db still has one row per example: the bias is shared by all, so add the rows."),
                (right_b / 2, "The factor 2 from the derivative of the square is missing in db."),
                (right_b * k, "db is too large by K: the mean runs over all N·K entries."),
                (np.zeros_like(right_b), "db is not 0: the bias moves every answer with slope 1."),
            ),
        )
        self.expect_close(db, right_b, "db[k] adds up slope[n, k] over n.", name="`db`")

    @staticmethod
    def reference(x, W, b, y):
        slope = 2 * (x @ W + b - y) / y.size  # (N, K): dL/d(answer)
        return x.T @ slope, slope.sum(axis=0)  # (D, K), (K,)

    @staticmethod
    def mistakes():
        def gradients(x, W, b, y, scale=1.0, bias=1.0, reduce=lambda s: s.sum(axis=0)):
            slope = scale * 2 * (x @ W + bias * b - y) / y.size
            return x.T @ slope, reduce(slope)

        def transposed(x, W, b, y):
            dw, db = gradients(x, W, b, y)
            return dw.T, db

        def per_example(x, W, b, y):
            return gradients(x, W, b, y, scale=W.shape[1])

        def summed(x, W, b, y):
            return gradients(x, W, b, y, scale=y.size)

        return (
            exercise.Mistake(per_example, "not over the examples alone"),
            exercise.Mistake(summed, "gradient of the sum"),
            exercise.Mistake(lambda x, W, b, y: gradients(x, W, b, y, scale=0.5), "factor 2"),
            exercise.Mistake(lambda x, W, b, y: gradients(x, W, b, y, scale=-1.0), "turned round"),
            exercise.Mistake(lambda x, W, b, y: gradients(x, W, b, y, bias=0.0), "bias is missing"),
            exercise.Mistake(transposed, "transposed"),
            exercise.Mistake(lambda x, W, b, y: gradients(x, W, b, y, reduce=lambda s: s.sum(axis=1)), "wrong axis"),
            exercise.Mistake(lambda x, W, b, y: gradients(x, W, b, y, reduce=lambda s: s.sum()), "db is one number"),
            exercise.Mistake(lambda x, W, b, y: gradients(x, W, b, y)[0], "Return the pair"),
        )


class InputGradients(exercise.Exercise):
    """Write `input_gradients(model, x, k)`: row n is the gradient of score k[n] of example n with respect to x[n].

    x (B, D) tensor, k (B,) class of each example, model: (B, D) -> scores (B, K). Returns a tensor (B, D). Leave x
    and the model as they were: no `.grad` of a weight may change.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "Pick one score from each row and add them: example n reaches only its own score, so the sum mixes nothing.",
        "`x = x.detach().clone().requires_grad_()`, `scores[torch.arange(len(x)), k].sum()`, then "
        "`torch.autograd.grad(total, x)[0]`.",
    )
    why = "The sum turns B scores into the one number that autograd needs; `autograd.grad` returns instead of storing."

    def test(self, input_gradients):
        import torch

        for count, classes in ((5, [2, 0, 1, 1, 0]), (3, [1, 1, 2]), (1, [0])):
            model, weights = self._model(count)
            before = None if count == 5 else 1.0  # in the later cases the weights hold gradients, which must stay
            for parameter in model.parameters():
                parameter.grad = None if before is None else torch.ones_like(parameter)
            x, k = torch.tensor(IMAGES[:count]), torch.tensor(classes)
            kept = x.clone()
            got = input_gradients(model, x, k)  # not through `call`, which hands over copies
            if got is ...:
                raise exercise.NotAttempted
            self.expect_framework(got)
            self.expect_type(got, torch.Tensor, "the result")
            grads = [p.grad for p in model.parameters()]
            if any((g is not None) if before is None else (g is None or not bool((g == 1).all())) for g in grads):
                raise exercise.Wrong(
                    "Your code changed `.grad` of the weights, as `backward()` does: use `torch.autograd.grad`."
                )
            if not model.training or not all(p.requires_grad for p in model.parameters()):
                raise exercise.Wrong("Your code changed the model: it froze its weights or called `eval()`.")
            if x.requires_grad or x.grad is not None or not torch.equal(x, kept):
                raise exercise.Wrong("The caller's x was changed: work on `x.detach().clone().requires_grad_()`.")
            got = self.expect_array(got, shape=(count, 4))
            self._judge_values(got, IMAGES[:count], np.array(classes), weights)

    @staticmethod
    def _model(seed):
        import torch
        from torch import nn

        rng = np.random.default_rng(13 + seed)
        model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
        weights = [rng.standard_normal(tuple(p.shape)).astype(np.float32) for p in model.parameters()]
        with torch.no_grad():
            for parameter, values in zip(model.parameters(), weights, strict=True):
                parameter.copy_(torch.tensor(values))
        return model, weights

    def _judge_values(self, got, x, k, weights):
        w1, b1, w2, b2 = weights
        a = np.tanh(x @ w1.T + b1)  # (B, 6)
        jacobian = np.einsum("kh,bh,hd->bkd", w2, 1 - a**2, w1)  # (B, K, D)
        right = jacobian[np.arange(len(x)), k]
        logits = a @ w2.T + b2
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        log_slope = right - np.einsum("bk,bkd->bd", p, jacobian)
        rows, loss = np.arange(len(x)), "This is the gradient of the cross-entropy loss: the score itself is asked for."
        candidates = [
            (jacobian.sum(axis=1), "You added all K scores of an example: pick score k[n] alone."),
            (p[rows, k][:, None] * log_slope, "This is the gradient of the probability: leave softmax out."),
            (log_slope, "This is the gradient of ln p: the score itself is asked for, before softmax."),
            (-log_slope, loss),
            (-log_slope / len(x), loss),
        ]
        if len(x) > 1:
            candidates += [
                (right / len(x), "Divided by B: `mean` shrinks each row, `sum` leaves it as it is."),
                (jacobian[:, k[0]], "Every row used the class of the first: example n has class k[n]."),
                (jacobian[rows, logits.argmax(1)], "You took the largest score: the class k[n] is given."),
            ]
        exercise.name_mistake(got, right, candidates)
        self.expect_close(got, right, "Score k[n] of example n, with respect to x[n].", rtol=1e-4, atol=1e-5)

    @staticmethod
    def reference(model, x, k):
        import torch

        x = x.detach().clone().requires_grad_()  # a leaf of our own
        scores = model(x)  # (B, K)
        total = scores[torch.arange(len(x)), k].sum()  # one number
        return torch.autograd.grad(total, x)[0]  # (B, D)

    @staticmethod
    def mistakes():
        def gradients(model, x, total):
            import torch

            x = x.detach().clone().requires_grad_()
            return torch.autograd.grad(total(model(x)), x)[0]

        def own(scores, k):
            import torch

            return scores[torch.arange(len(k)), k]

        def with_backward(model, x, k):
            x = x.detach().clone().requires_grad_()
            own(model(x), k).sum().backward()
            return x.grad

        def cleaned_up(model, x, k):
            grad = with_backward(model, x, k)
            model.zero_grad()
            return grad

        def on_the_callers_x(model, x, k):
            import torch

            x.requires_grad_()
            return torch.autograd.grad(own(model(x), k).sum(), x)[0]

        return (
            exercise.Mistake(lambda model, x, k: gradients(model, x, lambda s: s.sum()), "all K scores"),
            exercise.Mistake(lambda model, x, k: gradients(model, x, lambda s: own(s, k).mean()), "Divided by B"),
            exercise.Mistake(lambda model, x, k: gradients(model, x, lambda s: s[:, k[0]].sum()), "class of the first"),
            exercise.Mistake(lambda model, x, k: gradients(model, x, lambda s: s.amax(1).sum()), "largest score"),
            exercise.Mistake(
                lambda model, x, k: gradients(model, x, lambda s: own(s.softmax(1), k).sum()), "leave softmax out"
            ),
            exercise.Mistake(with_backward, "changed `.grad` of the weights"),
            exercise.Mistake(cleaned_up, "changed `.grad` of the weights"),
            exercise.Mistake(on_the_callers_x, "caller's x was changed"),
        )


class RoundPassed(exercise.Exercise):
    """Write `round_passed(x)`: rounds like `ops.round`, but lets the gradient through as if nothing had happened.

    x: a Keras tensor of any shape. Rounding is flat, so its true derivative is 0 and nothing before it could learn;
    networks with whole-number weights are trained with this trick, the *straight-through estimator*.
    """

    difficulty = 2
    minutes = 12
    framework = "keras"
    hints = (
        "Write round(x) = x + (round(x) - x). Which of the two parts may carry a gradient, and which must not?",
        "`ops.stop_gradient(ops.round(x) - x)` has the right value and no gradient; add x.",
    )
    why = "Forward the two x cancel and round(x) remains; backward the stopped part is a constant, so the slope is 1."

    def test(self, round_passed):
        from keras import ops

        from utils import keras_train

        for x in ([0.2, 1.7, -2.4, 3.6], [[0.9, -0.3], [5.2, 2.8], [1.1, -1.9]]):
            x = np.array(x, "float32")
            value = self.call(round_passed, ops.convert_to_tensor(x))
            value = self.expect_array(value, shape=x.shape, name="the value")
            rounded, factors = np.round(x), np.arange(1.0, x.size + 1, dtype="float32").reshape(x.shape)
            exercise.name_mistake(
                value,
                rounded,
                (
                    (x, "Nothing is rounded: the value of the result must be round(x)."),
                    (2 * x - rounded, SIGN),
                    (x + rounded, TWICE),
                ),
            )
            self.expect_close(value, rounded, "The value must be that of `ops.round`.", atol=1e-5)
            tensor = ops.convert_to_tensor(factors)
            (grad,) = keras_train.gradients(lambda t, c=tensor: ops.sum(round_passed(t) * c), x)
            grad = exercise.to_array(grad)
            exercise.name_mistake(
                grad,
                factors,
                (
                    (0 * x, "The value is right, but no gradient arrives: x must stay outside of `stop_gradient`."),
                    (-factors, "The gradient has the wrong sign: x must be added, not subtracted, outside."),
                    (2 * factors, "The gradient is doubled: one x must be inside of `stop_gradient`."),
                ),
            )
            self.expect_close(grad, factors, "The gradient must pass unchanged.", name="the gradient")

    @staticmethod
    def reference(x):
        from keras import ops

        return x + ops.stop_gradient(ops.round(x) - x)

    @staticmethod
    def mistakes():
        from keras import ops

        return (
            exercise.Mistake(lambda x: ops.round(x), "no gradient arrives"),
            exercise.Mistake(lambda x: ops.stop_gradient(ops.round(x)), "no gradient arrives"),
            exercise.Mistake(lambda x: x + ops.round(x) - x, "no gradient arrives"),
            exercise.Mistake(lambda x: x + ops.stop_gradient(ops.round(x)) - ops.stop_gradient(2 * x) + x, "doubled"),
            exercise.Mistake(lambda x: ops.stop_gradient(ops.round(x) + x) - x, "wrong sign"),
            exercise.Mistake(lambda x: x + ops.stop_gradient(x - ops.round(x)), "the wrong way round"),
            exercise.Mistake(lambda x: x + ops.stop_gradient(ops.round(x)), "x is counted as well"),
            exercise.Mistake(lambda x: x, "Nothing is rounded"),
        )
