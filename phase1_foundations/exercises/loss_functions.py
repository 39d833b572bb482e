"""Exercises of lesson 1.7: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise


class HuberLoss(exercise.Exercise):
    """Write `huber_loss(y_hat, y, delta)`: the mean Huber loss, a number.

    y_hat and y hold N numbers each, as (N,) or (N, 1), not always alike. The loss of an error e is e² / 2 up to
    |e| = delta and delta * (|e| - delta / 2) beyond.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Bring both to the shape (N,) before you subtract: `np.ravel`. Then the size of the error, `np.abs`.",
        "`np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))`, then the mean.",
    )
    why = "Equal shapes first, since (N, 1) minus (N,) compares all with all; then two branches that meet at delta."

    def test(self, huber_loss):
        for n, delta, column, seed in ((9, 1.5, 0, 1), (6, 0.4, 0, 2), (7, 1.5, 1, 3), (5, 2.5, 2, 4), (8, 0.7, 3, 5)):
            rng = np.random.default_rng(seed)
            y_hat, y = 3 * rng.standard_normal(n) + 1, rng.standard_normal(n)
            y_hat[:2] = y[:2] + [0.3 * delta, -0.5 * delta]  # small errors, of both signs
            shapes = (n, 1) if column in (1, 3) else (n,), (n, 1) if column in (2, 3) else (n,)
            args = y_hat.reshape(shapes[0]), y.reshape(shapes[1])
            got = self.expect_number(self.call(huber_loss, *args, delta), "the loss")
            right = self.reference(*args, delta)
            self._compare(got, right, y_hat, y, delta, f"y_hat {shapes[0]}, y {shapes[1]}, delta {delta}")

    def _compare(self, got, right, y_hat, y, delta, case):
        e = y_hat - y
        size, pairs = np.abs(e), np.abs(y_hat[:, None] - y)
        loss = lambda size: np.where(size <= delta, size**2 / 2, delta * (size - delta / 2))
        wrong = {
            "(N, 1) minus (N,) makes (N, N): every answer is compared with every target. Give both one shape.": loss(
                pairs
            ).mean(),
            "This is the sum: the mean over the N examples is asked for.": loss(size).sum(),
            "The factor delta is missing outside: the line has slope delta, `delta * (size - delta / 2)`.": np.where(
                size <= delta, size**2 / 2, size - delta / 2
            ).mean(),
            "Quadratic everywhere: beyond delta the loss is a line.": (size**2 / 2).mean(),
            "The ½ is missing inside: with e² the two branches do not meet at delta.": np.where(
                size <= delta, size**2, delta * (size - delta / 2)
            ).mean(),
            "The branches do not meet at delta: outside it is delta * (|e| - delta / 2).": np.where(
                size <= delta, size**2 / 2, delta * size
            ).mean(),
            "This is SmoothL1, Huber's loss divided by delta.": loss(size).mean() / delta,
            "Negative errors are not far away for you: compare |e| with delta, not e.": np.where(
                e <= delta, e**2 / 2, delta * (e - delta / 2)
            ).mean(),
            "Inside and outside are swapped: quadratic where |e| <= delta.": np.where(
                size > delta, size**2 / 2, delta * (size - delta / 2)
            ).mean(),
        }
        for sentence, value in wrong.items():
            if np.isclose(got, value, rtol=1e-6) and not np.isclose(value, right, rtol=1e-6):
                raise exercise.Wrong(sentence)
        self.expect_close(np.array(got), right, f"Wrong for {case}.", name="the loss")

    @staticmethod
    def reference(y_hat, y, delta):
        import numpy as np

        size = np.abs(np.ravel(y_hat) - np.ravel(y))  # (N,)
        return np.where(size <= delta, size**2 / 2, delta * (size - delta / 2)).mean()

    @staticmethod
    def mistakes():
        def of(loss, shape=np.ravel, reduce=np.mean):
            return lambda y_hat, y, d: reduce(loss(shape(y_hat) - shape(y), d))

        def pick(e, d, inside, outside):
            return np.where(np.abs(e) <= d, inside, outside)

        def huber(e, d):
            return pick(e, d, e**2 / 2, d * (np.abs(e) - d / 2))

        return (
            exercise.Mistake(of(huber, shape=np.asarray), "every answer is compared"),
            exercise.Mistake(of(huber, reduce=np.sum), "This is the sum"),
            exercise.Mistake(of(lambda e, d: pick(e, d, e**2 / 2, np.abs(e) - d / 2)), "factor delta is missing"),
            exercise.Mistake(of(lambda e, d: e**2 / 2), "Quadratic everywhere"),
            exercise.Mistake(of(lambda e, d: pick(e, d, e**2, d * (np.abs(e) - d / 2))), "½ is missing"),
            exercise.Mistake(of(lambda e, d: pick(e, d, e**2 / 2, d * np.abs(e))), "do not meet"),
            exercise.Mistake(of(lambda e, d: huber(e, d) / d), "SmoothL1"),
            exercise.Mistake(of(lambda e, d: np.where(e <= d, e**2 / 2, d * (e - d / 2))), "Negative errors"),
            exercise.Mistake(of(lambda e, d: pick(e, d, d * (np.abs(e) - d / 2), e**2 / 2)), "swapped"),
        )


class StableCrossEntropy(exercise.Exercise):
    """Write `stable_cross_entropy(logits, y)`: the mean cross-entropy in nats, a number.

    logits (B, K) may be as large as 10,000 in either direction; y (B,) holds the classes.
    """

    difficulty = 2
    minutes = 12
    hints = (
        "Subtract each row's maximum first, `logits.max(axis=1, keepdims=True)`: the loss stays the same.",
        "ln of the sum of exp of the shifted row, minus its logit of the class, `shifted[np.arange(len(y)), y]`.",
    )
    why = "The shift cancels in the difference; the largest exponent is 0, so nothing overflows and no ln 0 occurs."

    def test(self, stable_cross_entropy):
        for seed, (n, classes) in enumerate(((5, 3), (4, 4), (7, 2))):
            logits, y = self._example(n, classes, seed)
            with np.errstate(all="ignore"):
                got = self.expect_array(self.call(stable_cross_entropy, logits, y), name="the loss")
            if got.shape == (n,):
                raise exercise.Wrong("These are the losses of the examples: return their mean.")
            self._compare(self.expect_number(got, "the loss"), logits, y)
        logits, y = self._example(6, 3, 9)
        for factor, shift in ((3000.0, 0.0), (1.0, 9000.0), (1.0, -9000.0)):  # each row shifted differently
            large = factor * logits + shift * np.arange(1, 7)[:, None] / 6
            with np.errstate(all="ignore"):
                got = self.expect_array(self.call(stable_cross_entropy, large, y), name="the loss", finite=False)
            if not np.isfinite(got).all():
                raise exercise.Wrong(
                    f"{float(got.ravel()[0])} for large logits: exp overflows, or ln meets a 0. "
                    "Subtract the maximum of each row."
                )
            right = self.reference(large, y)
            self.expect_close(got, right, "Right for small logits, wrong for large ones.", rtol=1e-5, name="the loss")

    def _compare(self, got, logits, y):
        rows, log_p = np.arange(len(y)), exercise.log_softmax(logits)
        losses = -log_p[rows, y]
        probs = np.exp(log_p)
        with np.errstate(all="ignore"):
            wrong = {
                "The sign is wrong: ln p is negative, the loss is not.": -losses.mean(),
                "This is the sum: the mean over the batch is asked for.": losses.sum(),
                "`[:, y]` picks every class of the batch in every row, (B, B): use `[np.arange(len(y)), y]`.": -log_p[
                    :, y
                ].mean(),
                "The softmax runs over the batch: classes are axis 1.": -exercise.log_softmax(logits, 0)[
                    rows, y
                ].mean(),
                "A softmax too many: lse minus the logit has it inside.": -exercise.log_softmax(probs)[rows, y].mean(),
                "These are bits: use the natural logarithm.": losses.mean() / np.log(2),
                "Mean over all B · K entries: only the class of each row counts, divide by B.": losses.mean()
                / logits.shape[1],
                "This is 1 - p, not -ln p.": (1 - probs[rows, y]).mean(),
                "The shift is missing in one of the two terms: shift both, or add the maximum back.": (
                    losses - logits.max(axis=1)
                ).mean(),
            }
        for sentence, value in wrong.items():
            if np.isclose(got, value, rtol=1e-6):
                raise exercise.Wrong(sentence)
        self.expect_close(np.array(got), losses.mean(), "The mean of lse(z) - z_y.", name="the loss")

    @staticmethod
    def _example(n, classes, seed):
        rng = np.random.default_rng(seed)
        return 2 * rng.standard_normal((n, classes)) + 0.7, rng.integers(0, classes, n)

    @staticmethod
    def reference(logits, y):
        import numpy as np

        shifted = logits - logits.max(axis=1, keepdims=True)  # (B, K), at most 0
        lse = np.log(np.exp(shifted).sum(axis=1))  # (B,)
        return (lse - shifted[np.arange(len(y)), y]).mean()

    @staticmethod
    def mistakes():
        log_softmax = exercise.log_softmax
        at = lambda values, y: values[np.arange(len(y)), y]

        def naive(z, y):
            return -np.log(at(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), y)).mean()

        def guarded(z, y):
            z = z - z.max(axis=1, keepdims=True)
            return -np.log(at(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), y) + 1e-12).mean()

        def one_maximum(z, y):
            z = z - z.max()
            return (np.log(np.exp(z).sum(axis=1)) - at(z, y)).mean()

        def half_shifted(z, y):
            return (np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1)) - at(z, y)).mean()

        return (
            exercise.Mistake(naive, "for large logits"),
            exercise.Mistake(guarded, "wrong for large ones"),
            exercise.Mistake(one_maximum, "maximum of each row"),
            exercise.Mistake(half_shifted, "shift is missing"),
            exercise.Mistake(lambda z, y: at(log_softmax(z), y).mean(), "sign is wrong"),
            exercise.Mistake(lambda z, y: -at(log_softmax(z), y).sum(), "This is the sum"),
            exercise.Mistake(lambda z, y: -log_softmax(z)[:, y].mean(), "picks every class"),
            exercise.Mistake(lambda z, y: -at(log_softmax(z.T).T, y).mean(), "over the batch"),
            exercise.Mistake(lambda z, y: -at(log_softmax(np.exp(log_softmax(z))), y).mean(), "softmax too many"),
            exercise.Mistake(lambda z, y: -at(log_softmax(z), y), "return their mean"),
            exercise.Mistake(lambda z, y: -at(log_softmax(z), y).sum() / z.size, "all B · K entries"),
        )


class BalancedWeights(exercise.Exercise):
    """Write `class_weights_of(y, n_classes)`: one weight for each class, (K,).

    All classes weigh the same in total, and the mean weight over the *examples* y (N,) is 1. Every class occurs.
    """

    difficulty = 1
    minutes = 8
    answer_name = "class_weights_of"
    hints = (
        "Class k with N_k examples weighs N_k · w_k in total; this is the same for all k; the K totals add up to N.",
        "w_k = N / (K · N_k); `np.bincount(y, minlength=n_classes)` counts.",
    )
    why = "N_k · w_k = N / K for every class: equal totals, and their sum over N examples gives a mean weight of 1."

    def test(self, class_weights_of):
        for counts in ((8, 2), (5, 1, 4), (1, 9, 3, 7), (6, 6, 6)):
            y = np.random.default_rng(len(counts)).permutation(np.repeat(np.arange(len(counts)), counts))
            n, classes, counts = len(y), len(counts), np.array(counts)
            got = self.expect_array(self.call(class_weights_of, y, classes), name="the weights")
            if got.shape == (n,):
                raise exercise.Wrong("One weight an example: return one a class, (K,).")
            got = self.expect_array(got, shape=(classes,), name="the weights")
            right = self.reference(y, classes)
            wrong = (
                (counts / n, "These are the shares: a *rare* class must weigh more, so divide by its count."),
                (1 / counts, "The totals are equal, but the mean over examples is not 1: multiply by N / K."),
                (n / counts, "K is missing: the K totals would add up to K · N. Divide by K, too."),
                (right / right.sum(), "The *weights* add up to 1, but the mean over the *examples* should be 1."),
                (right / right.mean(), "The mean over the *classes* is 1; it should be 1 over the *examples*."),
                (
                    counts.max() / counts,
                    "The commonest class weighs 1: then the mean over examples exceeds 1.",
                ),
                (np.sqrt(right), "The root is a milder choice: the classes do not weigh the same in total."),
            )
            for value, sentence in wrong:
                if np.allclose(got, value) and not np.allclose(value, right):
                    raise exercise.Wrong(sentence)
            self.expect_close(got, right, f"For {counts.tolist()} examples a class:", name="the weights")

    @staticmethod
    def reference(y, n_classes):
        import numpy as np

        counts = np.bincount(y, minlength=n_classes)  # (K,)
        return len(y) / (n_classes * counts)

    @staticmethod
    def mistakes():
        count = lambda y, k: np.bincount(y, minlength=k)
        right = BalancedWeights.reference
        return (
            exercise.Mistake(lambda y, k: count(y, k) / len(y), "These are the shares"),
            exercise.Mistake(lambda y, k: 1 / count(y, k), "multiply by N / K"),
            exercise.Mistake(lambda y, k: len(y) / count(y, k), "K is missing"),
            exercise.Mistake(lambda y, k: right(y, k) / right(y, k).sum(), "add up to 1"),
            exercise.Mistake(lambda y, k: right(y, k) / right(y, k).mean(), "over the *classes*"),
            exercise.Mistake(lambda y, k: count(y, k).max() / count(y, k), "commonest class"),
            exercise.Mistake(lambda y, k: right(y, k)[y], "One weight an example"),
            exercise.Mistake(lambda y, k: np.sqrt(right(y, k)), "milder"),
        )


class FocalLoss(exercise.Exercise):
    """Write `focal_loss(logits, y, gamma)` in PyTorch: the mean of (1 - p_y)^gamma (-ln p_y), a tensor without axes.

    logits (B, K), y (B,) classes; p_y is the softmax probability of the true class. Gradients must flow to the logits,
    also through the factor, and large logits must not give NaN.
    """

    difficulty = 3
    minutes = 20
    framework = "torch"
    hints = (
        "`nn.functional.cross_entropy(logits, y, reduction='none')` is -ln p_y, safely. How do you get p_y from it?",
        "With `loss` (B,): p_y = `torch.exp(-loss)`; multiply by `(1 - p_y) ** gamma`, then the mean.",
    )
    why = "-ln p_y comes stable from the logits, p_y is exp of minus it, and the factor stays in the graph."

    def test(self, focal_loss):
        import torch

        for seed, (n, classes, gamma) in enumerate(((6, 4, 2.0), (5, 3, 1.0), (4, 2, 3.0), (7, 5, 0.0))):
            logits, y = self._example(n, classes, seed)
            got = self.call(focal_loss, logits, y, gamma)
            self.expect_type(got, torch.Tensor, "the loss")
            if got.shape == (n,):
                raise exercise.Wrong("These are the losses of the examples: return their mean.")
            value = self.expect_number(got, "the loss")
            self._compare(value, logits, y, gamma)
        self._judge_gradient(focal_loss)
        large = torch.tensor([[500.0, -500.0], [-500.0, 500.0], [80.0, 0.0]])
        y = torch.tensor([0, 0, 1])
        got = self.expect_array(self.call(focal_loss, large, y, 2.0), name="the loss", finite=False)
        if not np.isfinite(got).all() or abs(float(got) - float(self.reference(large, y, 2.0))) > 1:
            raise exercise.Wrong(
                "Wrong for large logits: ln of a softmax that is 0. Take `cross_entropy` of the logits."
            )

    def _compare(self, got, logits, y, gamma):
        rows, log_p = np.arange(len(y)), logits.double().log_softmax(-1).numpy()
        y = y.numpy()
        log_p_y, p = log_p[rows, y], np.exp(log_p)
        p_y = p[rows, y]
        right = ((1 - p_y) ** gamma * -log_p_y).mean()
        shifted = p - np.log(np.exp(p).sum(axis=1, keepdims=True))  # log-softmax of probabilities
        twice = shifted[rows, y]
        wrong = {
            "gamma acts on the wrong probability: 1 - p_y scales the *easy* examples down, p_y the hard ones.": (
                p_y**gamma * -log_p_y
            ).mean(),
            "A softmax too many: `cross_entropy` wants the logits.": ((1 - np.exp(twice)) ** gamma * -twice).mean(),
            "A softmax too many, in ln: `cross_entropy` wants logits.": ((1 - p_y) ** gamma * -twice).mean(),
            "This is the sum: the mean over the batch is asked for.": right * len(y),
            "The sign is wrong: ln p is negative.": -right,
            "The factor is missing: this is the plain cross-entropy.": -log_p_y.mean(),
            "The mean of a product is not the product of the means: scale each example, then take the mean.": (
                (1 - -log_p_y.mean()) ** gamma * -log_p_y.mean()
            ),
            "The mean comes too early: take p_y of each example, not of the mean loss.": (
                (1 - np.exp(log_p_y.mean())) ** gamma * -log_p_y.mean()
            ),
            "The largest probability is not that of the true class: pick column y.": (
                (1 - p.max(axis=1)) ** gamma * -log_p_y
            ).mean(),
            "gamma multiplies, but it is an exponent.": (gamma * (1 - p_y) * -log_p_y).mean(),
            "The power covers the logarithm, too: only (1 - p_y) is raised to gamma.": (
                ((1 - p_y) * -log_p_y) ** gamma
            ).mean(),
            "An extra factor ¼, alpha: it is not asked for.": right / 4,
        }
        for sentence, value in wrong.items():
            if np.isclose(got, value, rtol=1e-4) and not np.isclose(value, right, rtol=1e-3):
                raise exercise.Wrong(sentence)
        self.expect_close(np.array(got), right, f"With gamma = {gamma}:", rtol=1e-4, name="the loss")

    def _judge_gradient(self, focal_loss):
        import torch

        logits, y = self._example(6, 4, 7)
        grads = []
        for function in (focal_loss, self.reference):
            z = logits.clone().requires_grad_()
            loss = function(z, y, 2.0)
            if not loss.requires_grad:
                raise exercise.Wrong("No gradient flows: stay with tensors, without `.item()`, `.numpy()`, `detach`.")
            grads.append(torch.autograd.grad(loss, z)[0].numpy())
        self.expect_close(
            grads[0],
            grads[1],
            "The value is right, its gradient is not: is the factor detached?",
            rtol=1e-3,
            name="the gradient",
        )

    @staticmethod
    def _example(n, classes, seed):
        import torch

        rng = np.random.default_rng(seed + 20)
        return torch.tensor(2 * rng.standard_normal((n, classes)), dtype=torch.float32), torch.tensor(
            rng.integers(0, classes, n)
        )

    @staticmethod
    def reference(logits, y, gamma):
        import torch
        from torch import nn

        loss = nn.functional.cross_entropy(logits, y, reduction="none")  # (B,): -ln p_y
        p_y = torch.exp(-loss)  # (B,)
        return ((1 - p_y) ** gamma * loss).mean()

    @staticmethod
    def mistakes():
        def parts(z, y):
            import torch

            loss = torch.nn.functional.cross_entropy(z, y, reduction="none")
            return loss, torch.exp(-loss)

        def of(function, reduce="mean"):
            return lambda z, y, gamma: getattr(function(*parts(z, y), gamma), reduce)()

        def twice(z, y, gamma):
            return FocalLoss.reference(z.softmax(-1), y, gamma)

        def unstable(z, y, gamma):
            p = z.softmax(-1)[range(len(y)), y]
            return ((1 - p) ** gamma * -p.log()).mean()

        def early(z, y, gamma):
            import torch

            loss = torch.nn.functional.cross_entropy(z, y)
            return (1 - torch.exp(-loss)) ** gamma * loss

        def most_probable(z, y, gamma):
            return ((1 - z.softmax(-1).max(-1)[0]) ** gamma * parts(z, y)[0]).mean()

        return (
            exercise.Mistake(of(lambda loss, p, g: p**g * loss), "wrong probability"),
            exercise.Mistake(twice, "A softmax too many"),
            exercise.Mistake(of(lambda loss, p, g: (1 - p) ** g * loss, "sum"), "This is the sum"),
            exercise.Mistake(of(lambda loss, p, g: loss), "factor is missing"),
            exercise.Mistake(of(lambda loss, p, g: (1 - p).detach() ** g * loss), "is the factor detached"),
            exercise.Mistake(early, "comes too early"),
            exercise.Mistake(unstable, "large logits"),
            exercise.Mistake(most_probable, "pick column y"),
            exercise.Mistake(of(lambda loss, p, g: g * (1 - p) * loss), "it is an exponent"),
            exercise.Mistake(lambda z, y, g: FocalLoss.reference(z, y, g).detach(), "No gradient flows"),
            exercise.Mistake(lambda z, y, g: -FocalLoss.reference(z, y, g), "sign is wrong"),
        )


class MaskedLoss(exercise.Exercise):
    """Write `masked_loss(y, logits, mask, epsilon)` with `keras.ops`: smoothed cross-entropy, a number.

    y (B, T) classes, logits (B, T, K), mask (B, T) of 0 and 1. The target is (1 - epsilon) · one-hot + epsilon / K; the
    mean runs over the positions whose mask is 1, and what stands elsewhere must not matter.
    """

    difficulty = 3
    minutes = 20
    framework = "keras"
    hints = (
        "`ops.log_softmax(logits, axis=-1)`; the target is `(1 - epsilon) * ops.one_hot(y, K) + epsilon / K`.",
        "The loss is (B, T) after the sum over classes. Multiply by the mask, sum, divide by the sum of the mask.",
    )
    why = "Zeros of the mask must vanish from the sum and from the count; smoothing gives epsilon / K to every class."

    def test(self, masked_loss):
        from keras import ops

        for seed, (shape, epsilon) in enumerate(
            (((3, 4, 5), 0.2), ((2, 5, 3), 0.1), ((4, 2, 4), 0.0), ((1, 6, 2), 0.3))
        ):
            y, logits, mask = self._example(shape, seed)
            tensors = [ops.convert_to_tensor(part) for part in (y, logits, mask)]
            got = self.expect_array(self.call(masked_loss, *tensors, epsilon), name="the loss", finite=False)
            if got.shape == shape[:2] or got.shape == (shape[0],):
                raise exercise.Wrong("One number is asked for: sum over examples and positions, then divide.")
            value = self.expect_number(got, "the loss")
            self._compare(value, y, logits, mask, epsilon)
        y, logits, mask = self._example((3, 4, 5), 8)
        tensors = [ops.convert_to_tensor(part) for part in (y, 1000 * logits, mask)]
        got = self.expect_array(self.call(masked_loss, *tensors, 0.1), name="the loss", finite=False)
        if not np.isfinite(got).all() or not np.isclose(got, self._loss(y, 1000 * logits, mask, 0.1), rtol=1e-3):
            raise exercise.Wrong("Wrong for large logits: use `ops.log_softmax`, not the logarithm of `ops.softmax`.")

    def _compare(self, got, y, logits, mask, epsilon):
        right, loss = self._loss(y, logits, mask, epsilon), self._loss
        K = logits.shape[-1]
        hot, log_p = np.eye(K)[y], exercise.log_softmax(logits)
        masked = lambda target: -(target * log_p).sum(axis=-1)[mask > 0]
        p = np.exp(log_p)
        per_row = [loss(y[i : i + 1], logits[i : i + 1], mask[i : i + 1], epsilon) for i in range(len(y))]
        target = (1 - epsilon) * hot + epsilon / K
        wrong = {
            "The mask is not used: filled-up positions count.": loss(y, logits, np.ones_like(mask), epsilon),
            "You divide by all B · T positions: divide by the sum of the mask.": right * mask.mean(),
            "This is the sum: divide by the sum of the mask.": right * mask.sum(),
            "Mean of the rows' means: a short row then counts as much as a long one. Sum first, then divide.": np.mean(
                per_row
            ),
            "You smoothed only the right class: the others get epsilon / K each.": masked((1 - epsilon) * hot).mean(),
            "The right class lacks its own epsilon / K: every class gets it, the right one, too.": masked(
                (1 - epsilon) * hot + epsilon / K * (1 - hot)
            ).mean(),
            "epsilon / (K - 1) for the others is another convention: here every class gets epsilon / K.": masked(
                (1 - epsilon) * hot + epsilon / max(K - 1, 1) * (1 - hot)
            ).mean(),
            "The others get epsilon each: divide it by K.": masked((1 - epsilon) * hot + epsilon).mean(),
            "No smoothing: mix the one-hot target with epsilon / K.": masked(hot).mean(),
            "Mean over the classes: the cross-entropy is the *sum* over k.": right / K,
            "The sign is wrong: ln p is negative.": -right,
            "A softmax too many: log_softmax wants the logits.": -(target * exercise.log_softmax(p))
            .sum(axis=-1)[mask > 0]
            .mean(),
            "The mask is turned round: 1 means that the position counts.": loss(y, logits, 1 - mask, epsilon),
        }
        for sentence, value in wrong.items():
            if np.isclose(got, value, rtol=1e-4) and not np.isclose(value, right, rtol=1e-3):
                raise exercise.Wrong(sentence)
        self.expect_close(np.array(got), right, f"With epsilon = {epsilon}:", rtol=1e-4, name="the loss")

    @staticmethod
    def _example(shape, seed):
        """Random classes, logits and a mask that cuts rows at different lengths."""
        rng = np.random.default_rng(seed + 40)
        batch, length, classes = shape
        ends = 1 + np.arange(batch) % max(length - 1, 1)
        mask = (np.arange(length) < ends[:, None]).astype("float32")
        if batch == 1:
            mask[:, :4] = 1
        return rng.integers(0, classes, (batch, length)), (2 * rng.standard_normal(shape)).astype("float32"), mask

    @staticmethod
    def _loss(y, logits, mask, epsilon):
        K = logits.shape[-1]
        target = (1 - epsilon) * np.eye(K)[y] + epsilon / K
        losses = -(target * exercise.log_softmax(logits.astype(float))).sum(axis=-1)
        return (losses * mask).sum() / mask.sum()

    @staticmethod
    def reference(y, logits, mask, epsilon):
        from keras import ops

        K = logits.shape[-1]
        target = (1 - epsilon) * ops.one_hot(y, K) + epsilon / K  # (B, T, K)
        losses = -ops.sum(target * ops.log_softmax(logits, axis=-1), axis=-1)  # (B, T)
        mask = ops.cast(mask, losses.dtype)
        return ops.sum(losses * mask) / ops.sum(mask)

    @staticmethod
    def mistakes():
        def of(target, reduce=None, log_p=None):
            def answer(y, logits, mask, e):
                from keras import ops

                K = logits.shape[-1]
                logs = ops.log_softmax(logits, axis=-1) if log_p is None else log_p(ops, logits)
                losses = -ops.sum(target(ops.one_hot(y, K), e, K) * logs, axis=-1)
                return ops.sum(losses * mask) / ops.sum(mask) if reduce is None else reduce(ops, losses, mask)

            return answer

        right = lambda hot, e, K: (1 - e) * hot + e / K
        return (
            exercise.Mistake(of(right, lambda ops, loss, mask: ops.mean(loss)), "mask is not used"),
            exercise.Mistake(of(right, lambda ops, loss, mask: ops.mean(loss * mask)), "all B · T positions"),
            exercise.Mistake(of(right, lambda ops, loss, mask: ops.sum(loss * mask)), "This is the sum"),
            exercise.Mistake(
                of(right, lambda ops, loss, mask: ops.mean(ops.sum(loss * mask, -1) / ops.sum(mask, -1))), "short row"
            ),
            exercise.Mistake(of(lambda hot, e, K: (1 - e) * hot), "only the right class"),
            exercise.Mistake(of(lambda hot, e, K: (1 - e) * hot + e / K * (1 - hot)), "lacks its own"),
            exercise.Mistake(of(lambda hot, e, K: (1 - e) * hot + e / (K - 1) * (1 - hot)), "another convention"),
            exercise.Mistake(of(lambda hot, e, K: hot), "No smoothing"),
            exercise.Mistake(
                of(right, log_p=lambda ops, z: ops.log_softmax(ops.softmax(z, axis=-1), axis=-1)), "softmax too many"
            ),
            exercise.Mistake(of(right, log_p=lambda ops, z: ops.log(ops.softmax(z, axis=-1))), "large logits"),
            exercise.Mistake(
                of(right, lambda ops, loss, mask: ops.sum(loss * (1 - mask)) / ops.sum(1 - mask)), "turned round"
            ),
            exercise.Mistake(of(right, lambda ops, loss, mask: loss * mask), "One number is asked for"),
        )
