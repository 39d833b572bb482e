"""Exercises of lesson 1.6: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

TESTS = ((0.013, 0.9, 0.8), (0.3, 0.7, 0.95), (0.6, 0.5, 0.7))  # prior, sensitivity, specificity
ROWS = np.array([[0.5, 0.25, 0.25, 0.0], [0.7, 0.1, 0.1, 0.1], [1.0, 0.0, 0.0, 0.0], [0.4, 0.6, 0.0, 0.0]])


class PosteriorOf(exercise.Exercise):
    """Write `posterior(prior, sensitivity, specificity, positive)`: the probability of the illness after one test.

    `positive` is True or False: the answer of the test. All numbers lie strictly between 0 and 1.
    """

    difficulty = 1
    minutes = 10
    answer_name = "posterior"
    hints = (
        "Of 1,000 people, how many are ill and get this answer? How many are healthy and get this answer?",
        "An answer comes from the ill with `prior * sensitivity` if positive, `prior * (1 - sensitivity)` if negative.",
    )
    why = "The posterior is a share: ill people with this answer among all people with this answer."

    def test(self, posterior):
        for positive in (True, False):
            got, right, wrong = [], [], {}
            for prior, sens, spec in TESTS:
                got.append(self.expect_number(self.call(posterior, prior, sens, spec, positive)))
                right.append(self._bayes(prior, sens, spec, positive))
                for sentence, value in self._candidates(prior, sens, spec, positive).items():
                    wrong.setdefault(sentence, []).append(value)
            for sentence, values in wrong.items():
                if np.allclose(got, values):
                    raise exercise.Wrong(sentence)
            words = "positive" if positive else "negative"
            self.expect_close(np.array(got), right, f"Count the people whose test is {words}.")

    @staticmethod
    def _bayes(prior, sens, spec, positive=True):
        ill = prior * (sens if positive else 1 - sens)
        healthy = (1 - prior) * (1 - spec if positive else spec)
        return ill / (ill + healthy)

    def _candidates(self, prior, sens, spec, positive):
        ill = sens if positive else 1 - sens
        healthy = 1 - spec if positive else spec
        right = self._bayes(prior, sens, spec, positive)
        joint = (
            "This is the probability to be ill *and* to get this answer: divide by the probability of the answer, "
            "healthy people included."
        )
        neglect = "This ignores the base rate: P(answer | ill) is not P(ill | answer). The prior must enter."
        even = "This ignores the base rate: ill and healthy people are not equally many. Multiply by the prior."
        unweighted = "The healthy are not weighted: their false alarms count (1 - prior) times."
        found = {joint: prior * ill, neglect: ill, even: ill / (ill + healthy)}
        found[unweighted] = prior * ill / (prior * ill + healthy)
        found["Sensitivity and specificity are swapped: sensitivity belongs to the ill."] = self._bayes(
            prior, spec, sens, positive
        )
        flipped = "A healthy person tests positive with 1 - specificity and negative with specificity, not the reverse."
        found[flipped] = prior * ill / (prior * ill + (1 - prior) * (1 - healthy))
        found["This is the probability to be *healthy* after this answer: take 1 minus it."] = 1 - right
        if not positive:
            found["A negative answer changes the shares: use 1 - sensitivity and specificity for it."] = self._bayes(
                prior, sens, spec
            )
            one_minus = "After a negative answer the posterior is not 1 minus that after a positive one: count again."
            found[one_minus] = 1 - self._bayes(prior, sens, spec)
        return found

    @staticmethod
    def reference(prior, sensitivity, specificity, positive):
        ill = prior * (sensitivity if positive else 1 - sensitivity)  # share of all people: ill, with this answer
        healthy = (1 - prior) * (1 - specificity if positive else specificity)
        return ill / (ill + healthy)

    @staticmethod
    def mistakes():
        bayes = PosteriorOf._bayes
        chance = lambda sens, positive: sens if positive else 1 - sens
        return (
            exercise.Mistake(lambda p, s, c, positive: chance(s, positive), "P(ill | answer)"),
            exercise.Mistake(lambda p, s, c, positive: p * chance(s, positive), "divide by the probability"),
            exercise.Mistake(lambda p, s, c, positive: bayes(p, c, s, positive), "swapped"),
            exercise.Mistake(lambda p, s, c, positive: bayes(0.5, s, c, positive), "equally many"),
            exercise.Mistake(lambda p, s, c, positive: bayes(p, s, 1 - c, positive), "not the reverse"),
            exercise.Mistake(lambda p, s, c, positive: 1 - bayes(p, s, c, positive), "*healthy*"),
            exercise.Mistake(lambda p, s, c, positive: bayes(p, s, c), "changes the shares"),
            exercise.Mistake(
                lambda p, s, c, positive: bayes(p, s, c) if positive else 1 - bayes(p, s, c), "count again"
            ),
        )


class EntropyOfRows(exercise.Exercise):
    """Write `entropy(probs)`: the entropy of each row in **nats**, probs (B, K) -> (B,). Probabilities may be 0."""

    difficulty = 2
    minutes = 10
    answer_name = "entropy"
    hints = (
        "p ln p goes to 0 when p does, but `0 * np.log(0)` is NaN. What may the logarithm get instead?",
        "`np.log(np.where(probs > 0, probs, 1))` is 0 where p is 0; multiply, sum over `axis=1`, mind the sign.",
    )
    why = "An outcome that never comes costs nothing, since p ln p -> 0; ln 1 = 0 stands in for it without a warning."

    def test(self, entropy):
        right = self.reference(ROWS)
        with np.errstate(all="ignore"):
            got = self.expect_array(self.call(entropy, ROWS), finite=False)
            if got.ndim == 0 or got.size == 1:
                raise exercise.Wrong("One number for all: sum over `axis=1`, so that each row keeps its own entropy.")
            if got.shape == ROWS.shape:
                raise exercise.Wrong("These are the terms: sum them over `axis=1`, one entropy a row.")
            if np.isnan(got).any():
                raise exercise.Wrong("NaN where a probability is 0: `0 * log(0)`. Such outcomes must count 0.")
            got = self.expect_array(got, shape=(4,))
            for wrong, sentence in (
                (-right, "The sign is wrong: logarithms of probabilities are negative, the entropy is not."),
                (right / np.log(2), "These are bits: for nats use the natural logarithm, `np.log`."),
                (self.reference(ROWS.T), "Wrong axis: a row is a distribution, so sum over `axis=1`."),
                (right / 4, "This is the mean over the classes: the entropy is the sum of -p ln p."),
                (
                    self._plain(np.log(np.where(ROWS > 0, ROWS, 1))),
                    "The logarithms are not weighted: the sum of p ln p.",
                ),
            ):
                if np.allclose(got, wrong, atol=1e-4):
                    raise exercise.Wrong(sentence)
            self.expect_close(got, right, "Sum -p ln p over each row.", atol=1e-5)
            more = np.array([[0.2, 0.8, 0.0], [1e-3, 1 - 1e-3, 0.0], [1e-6, 1 - 1e-6, 0.0]])
            self.expect_close(self.call(entropy, more), self.reference(more), "Small p count too.", atol=1e-5)

    @staticmethod
    def _plain(logs):
        return -logs.sum(axis=1)

    @staticmethod
    def reference(probs):
        import numpy as np

        logs = np.log(np.where(probs > 0, probs, 1.0))  # (B, K), 0 where p is 0
        return -(probs * logs).sum(axis=1) + 0.0  # (B,)

    @staticmethod
    def mistakes():
        logs = lambda p: np.log(np.where(p > 0, p, 1))
        return (
            exercise.Mistake(lambda p: -(p * np.log(p)).sum(axis=1), "NaN where a probability is 0"),
            exercise.Mistake(lambda p: -(p * logs(p) / np.log(2)).sum(axis=1), "These are bits"),
            exercise.Mistake(lambda p: (p * logs(p)).sum(axis=1), "sign is wrong"),
            exercise.Mistake(lambda p: -(p * logs(p)).sum(axis=0), "Wrong axis"),
            exercise.Mistake(lambda p: -(p * logs(p)).sum(), "One number for all"),
            exercise.Mistake(lambda p: -(p * logs(p)).mean(axis=1), "mean over the classes"),
            exercise.Mistake(lambda p: -logs(p).sum(axis=1), "not weighted"),
        )


class CalibrationError(exercise.Exercise):
    """Write `ece_by_hand(probs, y, n_bins)`: the expected calibration error, a number.

    probs (N, K), y (N,) classes. The confidence of an example is its largest probability; bin i holds the confidences
    from i / n_bins up to, but without, (i + 1) / n_bins; a confidence of 1 belongs to the last bin.
    """

    difficulty = 2
    minutes = 15
    answer_name = "ece_by_hand"
    hints = (
        "Two numbers an example: `probs.max(axis=1)` and whether the class is right. Which examples are in bin i?",
        "For each bin that is not empty: its share of the examples times |mean confidence - share right|. Add up.",
    )
    why = "A bin counts by its share of the examples, and the absolute value keeps two errors from cancelling."

    def test(self, ece):
        for classes, n_bins, seed in ((3, 10, 1), (4, 5, 2), (2, 15, 3)):
            probs, y = self._example(classes, seed)
            got = self.expect_number(self.call(ece, probs, y, n_bins))
            right, wrong = self.reference(probs, y, n_bins), self._candidates(probs, y, n_bins)
            for sentence, value in wrong.items():
                if np.isclose(got, value) and not np.isclose(value, right):
                    raise exercise.Wrong(sentence)
            words = f"With {n_bins} bins and {classes} classes your number differs."
            self.expect_close(np.array(got), right, words, name="the ECE")
        probs = np.array([[0.75, 0.25], [0.5, 0.5], [0.625, 0.375], [0.875, 0.125]])  # two confidences on an edge
        y = np.array([0, 1, 1, 0])
        got = self.expect_number(self.call(ece, probs, y, 4))
        edge = "A confidence on the edge of two bins belongs to the upper one."
        self.expect_close(np.array(got), self.reference(probs, y, 4), edge, name="the ECE")

    @staticmethod
    def _example(classes, seed):
        """Sure and unsure predictions that err in both directions; the first is exactly 1."""
        rng = np.random.default_rng(seed)
        logits = rng.standard_normal((300, classes)) * rng.choice([0.4, 1.5, 5.0], (300, 1))
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        probs[0] = np.eye(classes)[0]
        sure = probs.max(axis=1)
        hit = rng.random(300) < np.where(sure > 0.75, sure - 0.3, sure + 0.2)
        hit[0] = False
        return probs, np.where(hit, probs.argmax(axis=1), (probs.argmax(axis=1) + 1) % classes)

    @staticmethod
    def _error(confidence, right, n_bins, weigh=True, size=np.abs, last=True, drop_one=False):
        which = (confidence * n_bins).astype(int)
        which = np.minimum(which, n_bins - 1) if last else which
        which = np.where(confidence >= 1, -1, which) if drop_one else which
        parts = [(which == i) for i in range(n_bins) if (which == i).any()]
        gaps = [size(right[part].mean() - confidence[part].mean()) for part in parts]
        shares = [part.mean() if weigh else 1 / len(parts) for part in parts]
        return float(np.dot(shares, gaps))

    def _candidates(self, probs, y, n_bins):
        confidence, right, own = probs.max(axis=1), probs.argmax(axis=1) == y, probs[np.arange(len(y)), y]
        everything, is_class = probs.ravel(), (np.arange(probs.shape[1]) == y[:, None]).ravel()
        error = self._error
        signed = error(confidence, right, n_bins, size=lambda gap: gap)
        over_all_bins = sum(
            abs(right[part].mean() - confidence[part].mean())
            for i in range(n_bins)
            if (part := np.minimum((confidence * n_bins).astype(int), n_bins - 1) == i).any()
        )
        unweighted = "The bins count alike: weigh each by its share of the examples."
        return {
            unweighted: error(confidence, right, n_bins, weigh=False),
            f"{unweighted} (Empty bins count 0.)": over_all_bins / n_bins,
            f"{unweighted} A sum of gaps can exceed 1.": over_all_bins,
            "You used the probabilities of all classes: only the largest of each row, with its answer, is asked for.": (
                error(everything, is_class, n_bins)
            ),
            "Signed gaps cancel, too sure here, too unsure there: take the absolute value in each bin.": signed,
            "Signed gaps cancel; take the absolute value in each bin, not of the sum.": abs(signed),
            "The absolute value is still missing, and the sign is turned round.": -signed,
            "The confidence is the largest probability, not that of the true class, which nobody knows.": error(
                own, right, n_bins
            ),
            "The sum of squares is another measure: ECE takes the absolute gap.": error(
                confidence, right, n_bins, size=np.square
            ),
            "The confidence 1 fell out of the last bin.": error(confidence, right, n_bins, last=False, drop_one=True),
        }

    @staticmethod
    def reference(probs, y, n_bins):
        import numpy as np

        confidence, right = probs.max(axis=1), probs.argmax(axis=1) == y  # (N,) each
        which = np.minimum((confidence * n_bins).astype(int), n_bins - 1)  # (N,)
        error = 0.0
        for i in range(n_bins):
            part = which == i  # (N,)
            if part.any():
                error += part.mean() * abs(right[part].mean() - confidence[part].mean())
        return error

    @staticmethod
    def mistakes():
        error = CalibrationError._error
        sure = lambda p: p.max(axis=1)
        hits = lambda p, y: p.argmax(axis=1) == y
        own = lambda p, y: p[np.arange(len(y)), y]
        classes = lambda p, y: (np.arange(p.shape[1]) == y[:, None]).ravel()
        signed = lambda p, y, n: error(sure(p), hits(p, y), n, size=lambda gap: gap)
        return (
            exercise.Mistake(lambda p, y, n: error(sure(p), hits(p, y), n, weigh=False), "bins count alike"),
            exercise.Mistake(lambda p, y, n: error(p.ravel(), classes(p, y), n), "all classes"),
            exercise.Mistake(signed, "Signed gaps cancel"),
            exercise.Mistake(lambda p, y, n: abs(signed(p, y, n)), "not of the sum"),
            exercise.Mistake(lambda p, y, n: error(own(p, y), hits(p, y), n), "which nobody knows"),
            exercise.Mistake(lambda p, y, n: error(sure(p), hits(p, y), n, size=np.square), "another measure"),
            exercise.Mistake(
                lambda p, y, n: error(sure(p), hits(p, y), n, last=False, drop_one=True), "fell out of the last bin"
            ),
            exercise.Mistake(lambda p, y, n: error(sure(p), hits(p, y), n + 1), "your number differs"),
        )


class FitTemperature(exercise.Exercise):
    """Write `best_temperature(logits, y)`: the temperature τ > 0 with the smallest cross-entropy, a number.

    logits (N, K) and y (N,) are tensors; the loss is the cross-entropy of logits / τ against y. The true τ lies between
    0.2 and 8; 1 % of error is allowed.
    """

    answer_name = "best_temperature"
    difficulty = 3
    minutes = 20
    framework = "torch"
    time_limit = 30.0
    hints = (
        "`nn.functional.cross_entropy(logits / tau, y)` has its softmax inside. How do you find one best number?",
        "Learn `log_tau = torch.zeros((), requires_grad=True)` with `torch.optim.LBFGS([log_tau], max_iter=50)` and a "
        "closure, or try a fine grid such as `torch.logspace(-1, 1, 500)`.",
    )
    why = "τ divides the logits before the softmax; learning ln τ keeps it positive, and one number cannot overfit."

    def test(self, fit_temperature):
        cases = [self._example(true, seed) for true, seed in ((2.5, 1), (0.5, 2), (1.3, 3))]
        got = []
        for logits, y in cases:
            result = self.call(fit_temperature, logits, y)
            got.append(self.expect_number(result, "the temperature"))
        right = np.array([self.reference(*case) for case in cases])
        self._judge_temperatures(np.array(got), right, cases)

    def _judge_temperatures(self, got, right, cases):
        if np.allclose(got, right, rtol=0.015):
            return
        softened = np.array([self._of_probs(*case) for case in cases])
        for wrong, sentence in (
            (1 / right, "This is 1 / τ: divide the logits by τ; a larger τ must make the network less sure."),
            (np.log(right), "This is ln τ: return its exponential."),
            (softened, "A softmax was applied before the loss: cross_entropy takes logits / τ and has its own."),
            (np.ones(3), "τ stayed at 1: is there a step, and does the loss depend on τ?"),
        ):
            if np.allclose(got, wrong, rtol=0.03, atol=0.01):
                raise exercise.Wrong(sentence)
        if (got <= 0).any():
            raise exercise.Wrong("A temperature is positive: learn its logarithm.")
        worst = int(np.argmax(np.abs(np.log(got / right))))
        raise exercise.Wrong(
            f"For one set τ = {got[worst]:.3g}, but the loss is smallest at {right[worst]:.3g}: more steps, a finer "
            "grid, or another loss than the cross-entropy?"
        )

    @staticmethod
    def _example(true, seed, n=800, classes=4):
        """Logits that are `true` times too large for labels drawn from their softmax."""
        import torch

        rng = np.random.default_rng(seed)
        logits = 1.5 * rng.standard_normal((n, classes))
        probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        y = (probs.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
        return torch.tensor(true * logits, dtype=torch.float32), torch.tensor(y.clip(0, classes - 1))

    @staticmethod
    def _of_probs(logits, y):
        """The best temperature of a model that is softened twice, on the grid of the mistakes."""
        import torch

        grid, loss = FitTemperature._grid(), torch.nn.functional.cross_entropy
        return min(grid.tolist(), key=lambda tau: float(loss(logits.softmax(-1) / tau, y)))

    @staticmethod
    def _grid():
        import torch

        return torch.logspace(-1, 1, 300)

    @staticmethod
    def reference(logits, y):
        import torch
        from torch import nn

        log_tau = torch.zeros((), device=logits.device, requires_grad=True)
        optimizer = torch.optim.LBFGS([log_tau], max_iter=50, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(logits / log_tau.exp(), y)
            loss.backward()
            return loss

        optimizer.step(closure)
        return log_tau.exp().item()

    @staticmethod
    def mistakes():
        def best(logits, y, scaled):
            import torch

            loss = torch.nn.functional.cross_entropy
            return min(FitTemperature._grid().tolist(), key=lambda tau: float(loss(scaled(logits, tau), y)))

        def sharpest(logits, y):
            return max(FitTemperature._grid().tolist(), key=lambda t: float((logits / t).softmax(-1).max(-1)[0].mean()))

        return (
            exercise.Mistake(lambda z, y: best(z, y, lambda z, tau: z * tau), "This is 1 / τ"),
            exercise.Mistake(lambda z, y: best(z, y, lambda z, tau: z.softmax(-1) / tau), "softmax was applied before"),
            exercise.Mistake(lambda z, y: np.log(best(z, y, lambda z, tau: z / tau)), "This is ln τ"),
            exercise.Mistake(lambda z, y: 1.0, "stayed at 1"),
            exercise.Mistake(sharpest, "the loss is smallest at"),
            exercise.Mistake(lambda z, y: -1.0, "is positive"),
        )


class McDropout(exercise.Exercise):
    """Write `mc_dropout(model, x, n)`: n passes of a Keras model with dropout on -> (mean, std), arrays (B, K).

    The model returns logits (B, K); mean and std are those of the **probabilities** over the n passes.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    hints = (
        "A Keras model drops units only when it is called with `training=True`; `predict` never does.",
        "Stack `keras.ops.softmax(model(x, training=True), axis=-1)` n times to (n, B, K); mean and std over axis 0.",
    )
    why = "Each pass is another network; their mean is the prediction, their spread says how much they disagree."
    time_limit = 30.0

    def test(self, mc_dropout):
        for n, (weights, x) in zip((150, 20, 1), self._cases(), strict=True):
            x = np.repeat(x, 50, axis=0) if n == 150 else x  # 50 independent repetitions make the numbers exact
            model, (mean, std, mean_of_logits) = self._model(weights), self._exact(weights, x)
            got = self.call(mc_dropout, model, x, n)
            if not (isinstance(got, (tuple, list)) and len(got) == 2):
                raise exercise.Wrong("Return the pair: `return mean, std`.")
            got_mean = self.expect_array(got[0], name="the mean")
            got_std = self.expect_array(got[1], name="the spread")
            if got_mean.shape in ((n, mean.shape[1]), (n, len(x))) and got_mean.shape != mean.shape:
                raise exercise.Wrong("Wrong axis: average over the passes, axis 0, and keep examples and classes.")
            got_mean = self.expect_array(got_mean, shape=mean.shape, name="the mean")
            got_std = self.expect_array(got_std, shape=mean.shape, name="the spread")
            if n == 1 and not np.allclose(got_std, 0, atol=1e-6):
                raise exercise.Wrong("One pass has no spread: make exactly n passes.")
            if n > 1 and np.allclose(got_std, 0, atol=1e-3):
                raise exercise.Wrong("All passes are equal, the spread is 0: call the model with `training=True`.")
            if not np.allclose(got_mean.sum(axis=1), 1, atol=1e-3):
                raise exercise.Wrong("The mean is not a probability: the model returns logits, so apply the softmax.")
            if n == 150:  # enough passes for the exact values
                self._judge_values(got_mean, got_std, mean, std, mean_of_logits)

    @staticmethod
    def _judge_values(got_mean, got_std, mean, std, mean_of_logits):
        many = got_mean.reshape(-1, 50, got_mean.shape[1])  # (B, 50, K)
        got_mean, got_std, mean, std, mean_of_logits = (
            a.reshape(many.shape).mean(axis=1) for a in (got_mean, got_std, mean, std, mean_of_logits)
        )
        off = np.abs(got_mean - mean).max()
        if np.abs(got_mean - mean_of_logits).max() < min(off, 0.2) and off > 0.03:
            raise exercise.Wrong(
                "You averaged the logits, or took the mean without dropout: softmax of each pass first, then the mean."
            )
        if off > 0.03:
            raise exercise.Wrong(
                "The mean is off: average the probabilities of all n passes, each with its own dropout."
            )
        if np.abs(got_std - std**2).max() < 0.03 < np.abs(got_std - std).max():
            raise exercise.Wrong("This is the variance: the spread asked for is its root.")
        if np.abs(got_std - std).max() > 0.03:
            raise exercise.Wrong("The spread is off: the standard deviation of the *probabilities* over all n passes.")
        if (many.std(axis=1)[std > 0.1] * np.sqrt(150) / std[std > 0.1]).mean() > 1.5:
            raise exercise.Wrong("The means scatter too much: fewer than n passes were averaged.")

    @staticmethod
    def _cases():
        two = np.array([[6.0, 0.0, 0.0], [0.0, 4.0, 0.0]], np.float32)  # (units, K)
        x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 1.0]], np.float32)
        return (two, x), (two[:, :2] * [1.0, -0.8], x[:3]), (two, x[:1])

    @staticmethod
    def _model(weights):
        """Dropout of a half in front of a dense layer without bias."""
        import keras

        dense = keras.layers.Dense(weights.shape[1], use_bias=False)
        model = keras.Sequential([keras.Input((len(weights),)), keras.layers.Dropout(0.5), dense])
        dense.set_weights([weights])
        return model

    @staticmethod
    def _exact(weights, x):
        """Mean and std of the probabilities over all four masks, and the softmax of the mean logits; (B, K) each."""
        masks = np.array([[a, b] for a in (0.0, 2.0) for b in (0.0, 2.0)])  # (4, 2): kept units are doubled
        logits = (masks[:, None] * x) @ weights  # (4, B, K)
        probs = exercise.softmax(logits)
        return probs.mean(axis=0), probs.std(axis=0), exercise.softmax(logits.mean(axis=0))

    @staticmethod
    def reference(model, x, n):
        import numpy as np
        from keras import ops

        probs = [ops.softmax(model(x, training=True), axis=-1) for _ in range(n)]  # n times (B, K)
        probs = np.stack([ops.convert_to_numpy(p) for p in probs])  # (n, B, K)
        return probs.mean(axis=0), probs.std(axis=0)

    @staticmethod
    def mistakes():
        def passes(model, x, n, training=True):
            from keras import ops

            return np.stack([ops.convert_to_numpy(model(x, training=training)) for _ in range(n)])

        softmax = exercise.softmax

        def both(values, axis=0):
            return values.mean(axis=axis), values.std(axis=axis)

        def of_logits(model, x, n):
            logits = passes(model, x, n)
            return softmax(logits.mean(axis=0)), softmax(logits).std(axis=0)

        def variance(model, x, n):
            probs = softmax(passes(model, x, n))
            return probs.mean(axis=0), probs.var(axis=0)

        def one_pass(model, x, n):
            probs = softmax(passes(model, x, n))
            return probs[0], probs.std(axis=0)

        return (
            exercise.Mistake(lambda m, x, n: both(softmax(passes(m, x, n, False))), "`training=True`"),
            exercise.Mistake(of_logits, "averaged the logits"),
            exercise.Mistake(lambda m, x, n: both(passes(m, x, n)), "apply the softmax"),
            exercise.Mistake(lambda m, x, n: both(softmax(passes(m, x, n)), axis=1), "Wrong axis"),
            exercise.Mistake(variance, "This is the variance"),
            exercise.Mistake(one_pass, "average the probabilities of all n passes"),
            exercise.Mistake(lambda m, x, n: softmax(passes(m, x, n)).mean(axis=0), "Return the pair"),
        )
