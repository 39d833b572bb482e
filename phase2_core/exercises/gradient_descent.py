"""Exercises of lesson 2.1: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

FAULTS = {
    "rate too high": "a learning rate above the bound",
    "rate too low": "a learning rate that is far too low",
    "not scaled": "features in their raw units",
    "not shuffled": "batches cut from data sorted by the target, in the same order every epoch",
    "rate not lowered": "a constant, fairly high learning rate with very small batches",
}


def _table(n, d, seed):
    """A table with columns of different scale and mean, targets, weights and a bias."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * rng.uniform(0.5, 2, d) + rng.uniform(-1, 2, d)
    return x, 2 + rng.standard_normal(n), rng.standard_normal(d), 0.7 - 0.4 * seed


class MseGradient(exercise.Exercise):
    """Write `mse_gradient(x, y, w, b)` -> (dw, db): the gradient of the mean squared error of ŷ = x w + b.

    x (N, D), y (N,), w (D,), b a number; dw (D,), db a number. By hand, without a loop.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "The mean squared error is the mean of (ŷ - y)². What is the slope of one square, and what of ŷ by w and by b?",
        "`error = x @ w + b - y` (N,). Each example adds 2 · error · x to dw and 2 · error to db; then the mean.",
    )
    why = "Chain rule and mean: dw = 2 xᵀ error / N, and the bias is a weight whose feature is always 1."

    def test(self, mse_gradient):
        for n, d, seed in ((7, 3, 0), (4, 4, 1), (5, 1, 2), (1, 3, 3)):
            x, y, w, b = _table(n, d, seed)
            pair = self.call(mse_gradient, x, y, w, b)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise exercise.Wrong("Return the pair `dw, db`.")
            self._judge_pair(*pair, x, y, w, b)

    def _judge_pair(self, dw, db, x, y, w, b):
        n = len(x)
        error, no_bias = x @ w + b - y, x @ w - y
        right_w, right_b = 2 * x.T @ error / n, 2 * error.mean()
        dw = self.expect_array(dw, name="`dw`")
        if dw.shape == x.shape and dw.shape != right_w.shape and np.allclose(dw, 2 * error[:, None] * x):
            raise exercise.Wrong("dw still has one row for each example: take the mean over the examples, axis 0.")
        rows = (2 * error[:, None] * x).mean(axis=1)
        exercise.name_mistake(
            dw,
            right_w,
            (
                (right_w * n, "This is the gradient of the sum: divide by N for the mean."),
                (right_w / 2, "The factor 2 from the derivative of the square is missing in dw."),
                (right_w * n / 2, "Two things: the factor 2 is missing, and the sum must be divided by N."),
                (-right_w, "The sign is turned round: the error is answer minus target."),
                (2 * x.T @ no_bias / n, "The bias is missing in the answer: ŷ = x w + b."),
                (right_w * n / x.size, "You divided by all entries of x: the mean runs over the N examples."),
                (rows, "You averaged over the wrong axis: over the features instead of the examples."),
                (2 * np.sign(error) @ x / n, "You took the sign of the error: that is the gradient of |error|."),
            ),
        )
        self.expect_close(dw, right_w, "dw[d] is the mean of 2 · error[n] · x[n, d] over n.", name="`dw`")
        db = self.expect_array(db, name="`db`")
        if db.size == n > 1 and np.allclose(db.ravel(), 2 * error):
            raise exercise.Wrong("db has one entry for each example: take the mean, b is one number.")
        got = self.expect_number(db, "`db`")
        exercise.name_mistake(
            got,
            right_b,
            (
                (right_b * n, "db is the gradient of the sum: divide by N for the mean."),
                (right_b / 2, "The factor 2 from the derivative of the square is missing in db."),
                (right_w.sum(), "db does not contain x: the slope of ŷ by b is 1."),
                (0.0, "db is not 0: the bias moves every answer with slope 1."),
                (-right_b, "The sign of db is turned round: the error is answer minus target."),
                ((error**2).mean(), "db is the loss itself: its derivative by b is asked for."),
            ),
        )
        self.expect_close(got, right_b, "db is the mean of 2 · error[n] over n.", name="`db`")

    @staticmethod
    def reference(x, y, w, b):
        error = x @ w + b - y  # (N,)
        return 2 * x.T @ error / len(x), 2 * error.mean()  # (D,), number

    @staticmethod
    def mistakes():
        def gradient(x, y, w, b, scale=1.0, bias=1.0, axis=0):
            error = x @ w + bias * b - y
            return scale * 2 * (error[:, None] * x).mean(axis=axis), scale * 2 * error.mean()

        def summed(x, y, w, b):
            return gradient(x, y, w, b, scale=len(x))

        def no_mean(x, y, w, b):
            error = x @ w + b - y
            return 2 * error[:, None] * x, 2 * error.mean()

        def with_x(x, y, w, b):
            dw, _ = gradient(x, y, w, b)
            return dw, dw.sum()

        return (
            exercise.Mistake(summed, "gradient of the sum"),
            exercise.Mistake(lambda x, y, w, b: gradient(x, y, w, b, scale=0.5), "factor 2"),
            exercise.Mistake(lambda x, y, w, b: gradient(x, y, w, b, scale=-1.0), "turned round"),
            exercise.Mistake(lambda x, y, w, b: gradient(x, y, w, b, bias=0.0), "bias is missing"),
            exercise.Mistake(lambda x, y, w, b: gradient(x, y, w, b, axis=1), "wrong axis"),
            exercise.Mistake(no_mean, "one row for each example"),
            exercise.Mistake(with_x, "slope of ŷ by b is 1"),
            exercise.Mistake(lambda x, y, w, b: (gradient(x, y, w, b)[0], 0.0), "db is not 0"),
            exercise.Mistake(lambda x, y, w, b: gradient(x, y, w, b)[0], "Return the pair"),
        )


class LargestStep(exercise.Exercise):
    """Write `largest_step(x)`: the learning rate above which gradient descent diverges, a number.

    The model is ŷ = x w + b **with bias**, x (N, D), the loss the mean squared error, each step sees all examples.
    """

    difficulty = 2
    minutes = 12
    hints = (
        "Append a column of ones for the bias. The gradient is 2 x1ᵀ(x1 θ - y) / N; what is its derivative by θ?",
        "The Hessian is H = 2 x1ᵀ x1 / N; `np.linalg.eigvalsh(H)` gives its eigenvalues in ascending order.",
    )
    why = "The steepest direction decides: there a step multiplies the error by 1 - η λ_max, which is -1 at 2 / λ_max."

    def test(self, largest_step):
        for n, d, seed in ((30, 3, 0), (12, 5, 1), (8, 1, 2), (6, 6, 4)):
            x = _table(n, d, seed)[0]
            got = self.expect_number(self.call(largest_step, x))
            eig = self._eigenvalues
            x1 = np.column_stack([x, np.ones(n)])
            h, plain = 2 * x1.T @ x1 / n, 2 * x.T @ x / n
            top, low = eig(h)[-1], eig(h)[0]
            centred = x - x.mean(0)
            exercise.name_mistake(
                got,
                2 / top,
                (
                    (
                        1 / top,
                        "This is 1 / λ_max: there the steepest error vanishes in one step. It diverges at twice it.",
                    ),
                    (2 / low, "You took the smallest eigenvalue: the steepest direction diverges first."),
                    (2 / (top + low), "This is the fastest step, 2 / (λ_max + λ_min), not the largest stable one."),
                    (2 / np.trace(h), "You took the trace, the sum of all eigenvalues: only the largest one counts."),
                    (2 / eig(plain)[-1], "The bias is missing: append a column of ones to x."),
                    (4 / top, "The Hessian lacks the factor 2 from the square: H = 2 x1ᵀ x1 / N."),
                    (2 / (top * n), "The Hessian must be divided by N: the loss is a mean."),
                    (4 / (top * n), "The Hessian is 2 x1ᵀ x1 / N: the 2 and the division by N are missing."),
                    (2 / np.sqrt(top * n / 2), "Singular values must be squared: λ = 2 σ² / N."),
                    (2 / (top * n / (n - 1)), "The loss is a mean over N, not over N - 1."),
                    (2 / np.abs(h).max(), "The largest entry of H is not its largest eigenvalue."),
                    (2 / eig(2 * centred.T @ centred / n)[-1], "Do not centre x: the features come as they are."),
                    (top, "This is λ_max itself: the bound is 2 divided by it."),
                ),
            )
            self.expect_close(got, 2 / top, "2 divided by the largest eigenvalue of the Hessian.", rtol=1e-4)

    @staticmethod
    def _eigenvalues(h):
        return np.linalg.eigvalsh(h)

    @staticmethod
    def reference(x):
        import numpy as np

        x1 = np.column_stack([x, np.ones(len(x))])  # (N, D + 1): the bias is a weight
        hessian = 2 * x1.T @ x1 / len(x)  # (D + 1, D + 1)
        return 2 / np.linalg.eigvalsh(hessian)[-1]

    @staticmethod
    def mistakes():
        def eigenvalues(x, ones=True, factor=2.0, mean=True):
            x1 = np.column_stack([x, np.ones(len(x))]) if ones else x
            return np.linalg.eigvalsh(factor * x1.T @ x1 / (len(x) if mean else 1))

        return (
            exercise.Mistake(lambda x: 1 / eigenvalues(x)[-1], "diverges at twice"),
            exercise.Mistake(lambda x: 2 / eigenvalues(x)[0], "smallest eigenvalue"),
            exercise.Mistake(lambda x: 2 / (eigenvalues(x)[-1] + eigenvalues(x)[0]), "fastest step"),
            exercise.Mistake(lambda x: 2 / eigenvalues(x).sum(), "trace"),
            exercise.Mistake(lambda x: 2 / eigenvalues(x, ones=False)[-1], "bias is missing"),
            exercise.Mistake(lambda x: 2 / eigenvalues(x, factor=1.0)[-1], "factor 2"),
            exercise.Mistake(lambda x: 2 / eigenvalues(x, mean=False)[-1], "divided by N"),
        )


class Minibatches(exercise.Exercise):
    """Write the generator `minibatches(x, y, batch_size, rng)`: one epoch of batches (x_batch, y_batch).

    x (N, D), y (N,), rng a NumPy generator. Every example comes exactly once, in a random order that `rng` decides, so
    that each call gives another one. The last batch may be smaller. Leave x and y as they are.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "One permutation of the row numbers 0..N-1 serves both x and y. Then walk through it in strides.",
        "`order = rng.permutation(len(x))`, `for first in range(0, len(x), batch_size)`, and `yield` the rows.",
    )
    why = "One order for x and y keeps the pairs together, drawing it inside the call reshuffles every epoch."

    def test(self, minibatches):
        for n, size in ((10, 4), (12, 4), (7, 1), (5, 8), (23, 6)):
            x = np.arange(3.0 * n).reshape(n, 3)
            y = 10.0 * np.arange(n)
            x.flags.writeable = True
            rng = np.random.default_rng(n)
            epochs = [self._epoch(minibatches, x, y, size, rng) for _ in range(3)]
            for batches in epochs:
                self._judge_epoch(batches, n, size)
            orders = [np.concatenate([b for _, b in batches]) / 10 for batches in epochs]
            if n > 5:
                self._judge_orders(orders, n)
        self._judge_generator(minibatches)

    def _epoch(self, minibatches, x, y, size, rng):
        before = x.copy(), y.copy()
        made = self.call(lambda: minibatches(x, y, size, rng))
        if made is None or isinstance(made, np.ndarray) or not hasattr(made, "__iter__"):
            raise exercise.Wrong("`minibatches` is a generator: `yield` each batch.")
        batches = []
        for i, batch in enumerate(self.call(lambda: _first_of(made, 2 * len(x) + 2))):
            if not isinstance(batch, (tuple, list)) or len(batch) != 2:
                raise exercise.Wrong(f"Batch {i} is not a pair: `yield x[rows], y[rows]`.")
            pair = tuple(self.expect_array(part, name=f"batch {i}").copy() for part in batch)
            if pair[0].ndim != 2 or pair[1].ndim != 1 or len(pair[0]) != len(pair[1]):
                shapes = f"{pair[0].shape} and {pair[1].shape}"
                raise exercise.Wrong(f"Batch {i} has shapes {shapes}: expected (B, D) and (B,), with the same B.")
            batches.append(pair)
        if not (np.array_equal(x, before[0]) and np.array_equal(y, before[1])):
            raise exercise.Wrong("Your code shuffled the caller's x or y in place: shuffle row numbers instead.")
        return batches

    def _judge_epoch(self, batches, n, size):
        if not batches:
            raise exercise.Wrong(f"No batch came for N = {n} and batch size {size}: the last, smaller one is dropped.")
        rows = np.concatenate([a[:, 0] for a, _ in batches]) / 3
        targets = np.concatenate([b for _, b in batches]) / 10
        sizes = [len(b) for _, b in batches]
        if len(targets) == n - n % size < n:
            raise exercise.Wrong(
                f"N = {n}, batch size {size}: the last, smaller batch is dropped; {n % size} rows never come."
            )
        if not np.array_equal(rows, targets):
            raise exercise.Wrong("x and y were shuffled differently: an input no longer has its own target.")
        if len(np.unique(targets)) < len(targets):
            raise exercise.Wrong("Some example came twice in an epoch: draw without replacement, a permutation.")
        if len(targets) != n:
            raise exercise.Wrong(f"{len(targets)} of {n} examples came: every one must come exactly once.")
        if max(sizes) > size:
            raise exercise.Wrong(
                f"A batch has {max(sizes)} rows, but batch_size is {size}: it counts rows, not batches."
            )
        if any(s != size for s in sizes[:-1]) or sizes[-1] != ((n - 1) % size) + 1:
            raise exercise.Wrong(f"The batches have {sizes} rows: all but the last must have {size}.")

    def _judge_orders(self, orders, n):
        if all(np.array_equal(order, np.arange(n)) for order in orders):
            raise exercise.Wrong("The examples come in the order of the data: shuffle them.")
        if all(np.array_equal(order, orders[0]) for order in orders):
            raise exercise.Wrong("Every epoch has the same order: draw a new one from `rng` in each call.")

    def _judge_generator(self, minibatches):
        """The order depends on rng alone, and rows are shuffled before they are cut, not within blocks."""
        x, y = np.arange(60.0).reshape(20, 3), 10.0 * np.arange(20)
        twice = [self._epoch(minibatches, x, y, 5, np.random.default_rng(1)) for _ in range(2)]
        if any(not np.array_equal(a[1], b[1]) for a, b in zip(*twice, strict=True)):
            raise exercise.Wrong("Two equal `rng` gave different batches: draw the order from `rng`, nothing else.")
        blocks = [set((np.sort(b) // 10 // 5).tolist()) for seed in range(4) for _, b in
                  self._epoch(minibatches, x, y, 5, np.random.default_rng(seed))]  # fmt: skip
        if all(len(block) == 1 for block in blocks):
            raise exercise.Wrong("The same examples always share a batch: shuffle the rows, not the finished batches.")

    @staticmethod
    def reference(x, y, batch_size, rng):
        order = rng.permutation(len(x))  # (N,) a new one in every epoch
        for first in range(0, len(x), batch_size):
            rows = order[first : first + batch_size]  # (B,), the last may be shorter
            yield x[rows], y[rows]

    @staticmethod
    def mistakes():
        def cut(x, y, size, order, order_y=None, last=True):
            stop = len(x) if last else len(x) - len(x) % size
            for first in range(0, stop, size):
                rows = slice(first, first + size)
                yield x[order[rows]], y[(order if order_y is None else order_y)[rows]]

        def apart(x, y, size, rng):
            return cut(x, y, size, rng.permutation(len(x)), rng.permutation(len(x)))

        def in_place(x, y, size, rng):
            order = rng.permutation(len(x))
            x[:], y[:] = x[order], y[order]
            return cut(x, y, size, np.arange(len(x)))

        def blocks(x, y, size, rng):
            starts = np.arange(0, len(x), size)
            full = starts[: len(x) // size]
            rng.shuffle(full)
            for first in [*full, *starts[len(full) :]]:
                yield x[first : first + size], y[first : first + size]

        def fixed(x, y, size, rng):
            return cut(x, y, size, np.random.default_rng(0).permutation(len(x)))

        def one_batch(x, y, size, rng):
            rows = rng.permutation(len(x))
            return [(x[part], y[part]) for part in np.array_split(rows, size) if len(part)]

        return (
            exercise.Mistake(lambda x, y, s, rng: cut(x, y, s, rng.permutation(len(x)), last=False), "is dropped"),
            exercise.Mistake(apart, "shuffled differently"),
            exercise.Mistake(lambda x, y, s, rng: cut(x, y, s, np.arange(len(x))), "order of the data"),
            exercise.Mistake(fixed, "same order"),
            exercise.Mistake(lambda x, y, s, rng: cut(x, y, s, rng.integers(len(x), size=len(x))), "came twice"),
            exercise.Mistake(in_place, "in place"),
            exercise.Mistake(one_batch, "rows"),
            exercise.Mistake(blocks, "not the finished batches"),
        )


def _first_of(batches, limit):
    """A list of the batches, cut off where a generator never ends."""
    got = []
    for batch in batches:
        got.append(batch)
        if len(got) > limit:
            raise exercise.Wrong("The generator does not end after one epoch: stop when every row has come.")
    return got


class SgdEpoch(exercise.Exercise):
    """Write `sgd_epoch(model, batches, lr)`: one epoch of plain gradient descent in PyTorch, without `torch.optim`.

    batches: list of pairs x (B, D), y **(B,)**; model(x) -> (B, 1). The loss is the mean squared error. Move the
    parameters of the model in place and return the list of the losses before each step, floats.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "The five lines of lesson 1.8; what `optimizer.step()` and `zero_grad()` do, you write yourself.",
        "`with torch.no_grad():` and `p -= lr * p.grad` for each p in `model.parameters()`; `model(x)[:, 0]` is (B,).",
    )
    why = "The step must not be recorded by autograd, and p.grad must be empty before the next `backward` adds to it."

    def test(self, sgd_epoch):
        import torch

        for d, sizes, seed, lr in ((3, (5, 4, 2), 0, 0.05), (1, (4, 3, 3, 2), 1, 0.1), (4, (6, 6), 2, 0.02)):
            torch.manual_seed(seed)
            batches = [(torch.randn(n, d), 2 + torch.randn(n)) for n in sizes]
            model = torch.nn.Linear(d, 1)
            start = torch.cat([model.weight.detach()[0], model.bias.detach()]).clone()
            for p in model.parameters():
                p.grad = torch.ones_like(p)  # left over from an earlier use of the model
            data = [(x.clone(), y.clone()) for x, y in batches]
            losses = self.call(sgd_epoch, model, data, lr)
            self._judge_weights(model, start, batches, lr)
            self._judge_losses(losses, self._run(start, batches, lr)[1])

    def _judge_weights(self, model, start, batches, lr):
        parts = [p.detach().flatten() for p in model.parameters()]
        got = np.concatenate([part.cpu().numpy() for part in parts])
        ways = {
            "no step": "The weights did not move: `p -= lr * p.grad` inside `torch.no_grad()`, after `backward()`.",
            "accumulate": "The gradients pile up from step to step: set them to zero before each `backward`.",
            "late zero": "The gradient that was there before your first step was used: zero it before `backward`, too.",
            "sum": "The loss is a sum over the batch, so the steps are too long: use the mean.",
            "broadcast": "model(x) is (B, 1) and y is (B,): their difference is (B, B). Take `model(x)[:, 0]`.",
            "ascent": "The steps go uphill: subtract lr times the gradient.",
            "no lr": "The learning rate is missing: `p -= lr * p.grad`.",
            "half": "Half the step: the mean of the squares has no factor 1/2.",
            "last": "One step for the whole epoch: make a step for every batch.",
            "no bias": "The bias did not move: go through all of `model.parameters()`.",
            "first": "Only the first batch was used: does `return` stand inside the loop?",
        }
        right = self._run(start, batches, lr)[0]
        exercise.name_mistake(
            got, right, [(self._run(start, batches, lr, way)[0], words) for way, words in ways.items()]
        )
        self.expect_close(got, right, "One step of length lr for each batch.", rtol=1e-4, name="the weights")

    def _judge_losses(self, losses, right):
        if not isinstance(losses, (list, tuple, np.ndarray)):
            raise exercise.Wrong("Return a list with one loss for each batch.")
        import torch

        if any(isinstance(v, torch.Tensor) and v.requires_grad for v in losses):
            raise exercise.Wrong("A loss in your list still holds its graph: append `loss.item()`.")
        self.expect_close(
            np.array([float(v) for v in losses]), right, "Losses before each step.", rtol=1e-4, name="the losses"
        )

    @staticmethod
    def _run(start, batches, lr, way=""):
        """The epoch in NumPy, right or with one mistake -> theta (D + 1,), losses."""
        theta, losses = start.numpy().astype(float), []
        held = np.ones_like(theta) if way in ("accumulate", "late zero") else np.zeros_like(theta)
        total = np.zeros_like(theta)
        for i, (x, y) in enumerate(batches):
            x1, y = np.column_stack([x.numpy(), np.ones(len(x))]).astype(float), y.numpy().astype(float)
            error = x1 @ theta - y
            losses.append(float(np.mean(error**2)))
            gradient = 2 * x1.T @ error / len(y)
            if way == "broadcast":
                gradient = 2 * x1.T @ (x1 @ theta - y.mean()) / len(y)
            gradient = gradient * {"sum": len(y), "ascent": -1, "no lr": 1 / lr, "half": 0.5}.get(way, 1)
            held = gradient + (held if way in ("accumulate", "late zero") else 0)
            total += gradient
            if way in ("no step", "last") or (way == "first" and i):
                continue
            step = lr * held
            theta = theta - (np.append(step[:-1], 0) if way == "no bias" else step)
            held = np.zeros_like(held) if way == "late zero" else held
        return (theta - lr * total if way == "last" else theta), losses

    @staticmethod
    def reference(model, batches, lr):
        import torch

        losses = []
        for x, y in batches:
            loss = ((model(x)[:, 0] - y) ** 2).mean()  # (B, 1) -> (B,): the same shape as y
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= lr * p.grad
            losses.append(loss.item())
        return losses

    @staticmethod
    def mistakes():
        import torch

        def epoch(model, batches, lr, zero="before", flat=True, reduce=torch.mean, sign=-1, item=True):
            losses = []
            for x, y in batches:
                error = (model(x)[:, 0] if flat else model(x)) - y
                loss = reduce(error**2)
                if zero == "before":
                    model.zero_grad()
                loss.backward()
                with torch.no_grad():
                    for p in model.parameters():
                        p += sign * lr * p.grad
                if zero == "after":
                    model.zero_grad()
                losses.append(loss.item() if item else loss)
            return losses

        def way(**options):
            return lambda model, batches, lr: epoch(model, batches, lr, **options)

        def recorded(model, batches, lr):
            for x, y in batches:
                ((model(x)[:, 0] - y) ** 2).mean().backward()
                for p in model.parameters():
                    p -= lr * p.grad

        def copies(model, batches, lr):
            losses = []
            for x, y in batches:
                loss = ((model(x)[:, 0] - y) ** 2).mean()
                model.zero_grad()
                loss.backward()
                for p in model.parameters():
                    p = p - lr * p.grad  # a new tensor: the model keeps the old one
                losses.append(loss.item())
            return losses

        return (
            exercise.Mistake(way(zero="never"), "pile up"),
            exercise.Mistake(way(zero="after"), "before your first step"),
            exercise.Mistake(way(reduce=torch.sum), "a sum over the batch"),
            exercise.Mistake(way(flat=False), "(B, B)"),
            exercise.Mistake(way(sign=1), "uphill"),
            exercise.Mistake(way(item=False), "still holds its graph"),
            exercise.Mistake(recorded, "leaf"),
            exercise.Mistake(copies, "did not move"),
        )


class Standardise(exercise.Exercise):
    """Write `standardise(x_train, x_test)` with `keras.layers.Normalization` -> both tables, standardised.

    x_train (N, D), x_test (M, D) float32. Each feature gets mean 0 and standard deviation 1 **by the training data**;
    the test data are transformed with the same numbers.
    """

    difficulty = 2
    minutes = 10
    framework = "keras"
    time_limit = 30.0  # the first Keras layer of a session takes its time
    hints = (
        "The layer learns its means and variances when you call `adapt`. Which data may it see?",
        "`layer = keras.layers.Normalization()`, `layer.adapt(x_train)`, then `layer(x_train), layer(x_test)`.",
    )
    why = "The test data stand for houses that are not sold yet: nothing that you compute may come from them."

    def test(self, standardise):
        for n, m, d, seed in ((40, 15, 3, 0), (9, 9, 1, 1), (6, 5, 6, 2)):
            train, test = (_table(k, d, seed)[0].astype("float32") for k in (n, m))
            test = test * 1.5 + 1 if m != n else test[::-1] + 2.0  # new houses differ from old ones
            pair = self.call(standardise, train, test)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise exercise.Wrong("Return both tables: `layer(x_train), layer(x_test)`.")
            names = "the training table", "the test table"
            for got, raw, name in zip(pair, (train, test), names, strict=True):
                self._judge_table(self.expect_array(got, raw.shape, name), raw, train, test, name)

    def _judge_table(self, got, raw, train, test, name):
        scaled = lambda data, **options: (raw - data.mean(0)) / data.std(0, **options)
        both = np.concatenate([train, test])
        right = scaled(train)
        low = train.min(0)
        exercise.name_mistake(
            got,
            right,
            (
                (raw, f"{name.capitalize()} came back unchanged: is the layer adapted, and called?"),
                (scaled(test), f"Leak: for {name} you used the mean and deviation of the test data."),
                (scaled(both), "Leak: mean and deviation come from both tables; adapt to the training table alone."),
                (scaled(train, ddof=1), "The deviation is divided by N - 1; the layer divides by N."),
                ((raw - train.mean()) / train.std(), "One mean for all features: each column needs its own, axis -1."),
                (raw - train.mean(0), "The means are subtracted, but the columns are not divided by their deviation."),
                (raw / train.std(0), "The columns are divided, but their means are not subtracted."),
                ((raw - train.mean(0)) / train.var(0), "You divided by the variance: take its root."),
                ((raw - low) / (train.max(0) - low), "This scales to 0..1: mean 0 and deviation 1 are asked for."),
            ),
            rtol=1e-3,
        )
        self.expect_close(got, right, f"{name.capitalize()}:", rtol=1e-3, atol=1e-4)

    @staticmethod
    def reference(x_train, x_test):
        import keras

        layer = keras.layers.Normalization()  # axis=-1: a mean and a variance for each feature
        layer.adapt(x_train)
        return layer(x_train), layer(x_test)

    @staticmethod
    def mistakes():
        def by(data, raw, ddof=0):
            return (raw - data.mean(0)) / data.std(0, ddof=ddof)

        def layer_of(data, raw, axis=-1):
            import keras

            layer = keras.layers.Normalization(axis=axis)
            layer.adapt(data)
            return layer(raw)

        def leak(a, b):
            both = np.concatenate([a, b])
            return layer_of(both, a), layer_of(both, b)

        return (
            exercise.Mistake(lambda a, b: (layer_of(a, a), layer_of(b, b)), "for the test table you used the mean"),
            exercise.Mistake(lambda a, b: (layer_of(b, a), layer_of(b, b)), "for the training table you used the mean"),
            exercise.Mistake(leak, "both tables"),
            exercise.Mistake(lambda a, b: (layer_of(a, a, None), layer_of(a, b, None)), "One mean for all"),
            exercise.Mistake(lambda a, b: (by(a, a, 1), by(a, b, 1)), "N - 1"),
            exercise.Mistake(lambda a, b: (a, b), "unchanged"),
            exercise.Mistake(lambda a, b: layer_of(a, a), "Return both"),
        )


def patients(x, raw, y, epochs=8):
    """Five runs with one fault each -> {name: {"steps": excess loss (S,), "in each epoch": steps}}.

    x, raw (N, D): features standardised and in raw units; y (N,). The faults stand below; solve the exercise first.
    """
    faults = dict(
        zip("PQRST", ("not shuffled", "rate not lowered", "rate too low", "not scaled", "rate too high"), strict=True)
    )
    rng, curves = np.random.default_rng(0), {}
    for name, fault in faults.items():
        x1 = np.column_stack([raw if fault == "not scaled" else x, np.ones(len(x))])
        hessian = 2 * x1.T @ x1 / len(x)
        best, top = np.linalg.lstsq(x1, y, rcond=None)[0], np.linalg.eigvalsh(hessian)[-1]
        size = {"not shuffled": 64, "rate not lowered": 2}.get(fault, len(x))
        lr = {"not shuffled": 0.1, "rate not lowered": 0.08, "rate too low": 0.004, "rate too high": 2.02}.get(
            fault, 1.0
        )
        lr, theta, excess = lr / top if size == len(x) else lr / 7, np.zeros(len(best)), []
        rows = len(range(0, len(x), size))
        for _ in range(epochs if rows > 1 else 40 * epochs):
            order = np.argsort(y) if fault == "not shuffled" else rng.permutation(len(x))
            for first in range(0, len(x), size):
                batch = order[first : first + size]
                excess.append((theta - best) @ hessian @ (theta - best) / 2)
                theta = theta - lr * 2 * x1[batch].T @ (x1[batch] @ theta - y[batch]) / len(batch)
        curves[name] = {"steps": np.array(excess), "in each epoch": rows}
    return curves


class Diagnose(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five runs P, Q, R, S, T: a dict such as `{"P": "not scaled", ...}`.

    The faults: "rate too high", "rate too low", "not scaled", "not shuffled", "rate not lowered", each once. Only
    the curves are needed.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "Two of the curves are neither straight nor smooth: one repeats itself every epoch, one has no pattern at all.",
        "Of the smooth ones: one rises; one falls by the same factor again and again, slowly; one falls at first, then "
        "lies flat far above the minimum, as if some directions did not move at all.",
    )
    why = "Rising, creeping, flat, saw-toothed, trembling: the shape of a loss curve names the cause before any search."
    faults = {
        "P": "not shuffled",
        "Q": "rate not lowered",
        "R": "rate too low",
        "S": "not scaled",
        "T": "rate too high",
    }
    symptoms = {
        "T": "T, after a moment, rises by the same factor in every step: what makes 1 - η λ_max smaller than -1?",
        "P": "P's curve repeats itself every epoch: what is the same in every epoch, and should not be?",
        "Q": "Q falls quickly, then trembles without pattern on a floor: what sets the height of this floor?",
        "S": "S falls at first, then lies flat: its steep directions have arrived, the others hardly move. Why?",
        "R": "R falls smoothly in all directions, only slowly: what keeps every step short?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Diagnose.faults, Diagnose.swapped

        return (
            exercise.Mistake(swapped("P", "Q"), "repeats itself"),
            exercise.Mistake(swapped("R", "S"), "lies flat"),
            exercise.Mistake(swapped("T", "Q"), "rises by the same factor"),
            exercise.Mistake(swapped("Q", "R"), "trembles"),
            exercise.Mistake(dict.fromkeys("PQRST", "not scaled"), "exactly once"),
            exercise.Mistake(right | {"P": "overfitting"}, "none of the names"),
        )
