"""Exercises of lesson 1.2: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

A = np.array([[3.0, 4.0, 0.0], [1.0, 0.0, 1.0], [0.0, -2.0, 2.0]])
B = np.array([[1.0, 2.0, 2.0], [-3.0, 0.0, 4.0], [0.0, 5.0, 0.0], [6.0, 8.0, 0.0]])
Q = np.random.default_rng(1).standard_normal((3, 3, 3))
KEYS = np.random.default_rng(2).standard_normal((3, 3, 3))
NEURONS = [(np.array([1.0, 2.0, 0.0]), 0.5), (np.array([0.0, -1.0, 3.0]), -1.0), (np.array([4.0, 0.0, 1.0]), 2.0)]
INPUTS = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0], [0.5, 0.0, -2.0], [2.0, 2.0, 2.0]])
SINGULAR = np.array([10.0, 6.0, 4.0, 3.0, 2.0, 1.0])
ERRORS = (0.62, 0.41, 0.21, 0.15, 0.11)


class Cosine(exercise.Exercise):
    """Write `cosine(a, b)`: the cosine of every row of a with every row of b, (N, D) and (M, D) -> (N, M). No loop."""

    difficulty = 1
    minutes = 10
    hints = (
        "`a @ b.T` holds all dot products. By which two lengths must entry (n, m) be divided?",
        "Divide the rows first: `a / np.linalg.norm(a, axis=1, keepdims=True)`, the same for b, then `@`.",
    )
    why = "Rows of length 1 leave only the angle; `keepdims=True` gives lengths (N, 1), which broadcast along each row."

    def test(self, cosine):
        for a, b in (
            (A, A[::-1].copy()),  # as many rows as columns, so that every wrong axis fits
            (A, B),
            (np.array([[3.0, 4.0]]), np.array([[0.0, 2.0], [5.0, -12.0]])),
            (B[:, ::-1] + 1, A[:1]),
        ):
            dots, rows_a, rows_b = a @ b.T, np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
            got = self.expect_array(self.call(cosine, a, b), shape=dots.shape)
            self._judge_values(got, a, b, dots, rows_a[:, None], rows_b)
            self.expect_close(got, dots / rows_a[:, None] / rows_b, "Divide by the length of both rows.")

    @staticmethod
    def _judge_values(got, a, b, dots, rows_a, rows_b):
        def says(candidate, sentence):
            exercise.name_mistake(got, dots / rows_a / rows_b, [(candidate, sentence)])

        says(dots, "These are dot products: long rows win. Divide by the lengths to keep the angle alone.")
        says(dots / rows_a, "Only the rows of a have length 1: divide by the lengths of b's rows as well.")
        says(dots / rows_b, "Only the rows of b have length 1: divide by the lengths of a's rows as well.")
        columns = (a / np.linalg.norm(a, axis=0)) @ (b / np.linalg.norm(b, axis=0)).T
        says(columns, "Wrong axis: you measured the columns. An example is a row, so its length sums over `axis=1`.")
        whole = dots / np.linalg.norm(a) / np.linalg.norm(b)
        says(whole, "`norm` without `axis` measures the whole matrix with one number: ask for `axis=1`.")
        if len(a) == len(b) == a.shape[1]:
            flat = (a / rows_a[:, 0]) @ (b / rows_b).T
            says(flat, "Your lengths (N,) broadcast along the wrong axis: they met each row; `keepdims=True` helps.")

    @staticmethod
    def reference(a, b):
        import numpy as np

        a = a / np.linalg.norm(a, axis=1, keepdims=True)  # (N, D), rows of length 1
        b = b / np.linalg.norm(b, axis=1, keepdims=True)  # (M, D)
        return a @ b.T  # (N, M)

    @staticmethod
    def mistakes():
        norm = np.linalg.norm
        no_keepdims = lambda a, b: (a / norm(a, axis=1)) @ (b / norm(b, axis=1)).T
        return (
            exercise.Mistake(lambda a, b: a @ b.T, "These are dot products"),
            exercise.Mistake(lambda a, b: (a / norm(a, axis=1, keepdims=True)) @ b.T, "b's rows as well"),
            exercise.Mistake(lambda a, b: (a / norm(a, axis=0)) @ (b / norm(b, axis=0)).T, "Wrong axis"),
            exercise.Mistake(lambda a, b: a @ b.T / norm(a) / norm(b), "without `axis`"),
            exercise.Mistake(no_keepdims, "broadcast along the wrong axis"),
        )


class Scores(exercise.Exercise):
    """Write `scores(q, k)`: in each element of the batch, all dot products of q's rows with k's rows.

    q (B, T, D), k (B, S, D) -> (B, T, S). No loop; `@` or `einsum`.
    """

    difficulty = 2
    minutes = 10
    hints = (
        "For one element this is `q[i] @ k[i].T`. Which two axes of k must change places, and which must stay?",
        '`q @ k.swapaxes(1, 2)`, or spell it: `np.einsum("btd,bsd->bts", q, k)`.',
    )
    why = "d stands in both inputs and not in the result, so it is summed; b stands everywhere, so it is only repeated."

    def test(self, scores):
        right = np.einsum("btd,bsd->bts", Q, KEYS)
        got = self.call(scores, Q, KEYS)
        if getattr(got, "shape", None) == (3, 3, 3, 3):
            raise exercise.Wrong(
                "Every element of the batch met every other: b must be the same letter in both inputs."
            )
        got = self.expect_array(got, shape=(3, 3, 3))
        for wrong, sentence in (
            (Q @ KEYS, "k is not transposed: the sum runs over the rows of k instead of its features."),
            (Q @ KEYS.T, "`k.T` reverses all three axes and mixes the batch: swap only the last two."),
            (right.swapaxes(1, 2), "Rows and columns are exchanged: q's rows come first, (B, T, S)."),
            (np.einsum("btd,csd->bts", Q, KEYS), "A sum over the batch crept in: element b of q meets only its own k."),
            (Q * KEYS, "`*` multiplies entry by entry and adds nothing up: use `@` or `einsum`."),
        ):
            if np.allclose(got, wrong):
                raise exercise.Wrong(sentence)
        self.expect_close(got, right, "Compare with `q[0] @ k[0].T`.")
        q, k = Q[:2, :, :2], np.concatenate([KEYS, KEYS], axis=1)[:2, :, :2]  # (2, 3, 2) and (2, 6, 2)
        self.expect_close(self.call(scores, q, k), np.einsum("btd,bsd->bts", q, k), "T and S may differ.")

    @staticmethod
    def reference(q, k):
        return q @ k.swapaxes(1, 2)  # (B, T, D) @ (B, D, S) -> (B, T, S)

    mistakes = (
        exercise.Mistake(lambda q, k: q @ k, "not transposed"),
        exercise.Mistake(lambda q, k: q @ k.T, "reverses all three axes"),
        exercise.Mistake(lambda q, k: k @ q.swapaxes(1, 2), "Rows and columns are exchanged"),
        exercise.Mistake(lambda q, k: np.einsum("btd,csd->bts", q, k), "sum over the batch"),
        exercise.Mistake(lambda q, k: np.einsum("btd,csd->bcts", q, k), "met every other"),
        exercise.Mistake(lambda q, k: q * k, "adds nothing up"),
    )


class LayerOfNeurons(exercise.Exercise):
    """Write `layer_of_neurons(neurons)`: an `nn.Linear(D, K)` that computes all K neurons of the list at once.

    neurons: list of (w (D,), b), NumPy arrays and numbers, as in lesson 1.1. Output k is neuron k.
    """

    difficulty = 2
    minutes = 10
    framework = "torch"
    hints = (
        "`nn.Linear(D, K).weight` has shape (K, D). Is a neuron one of its rows or one of its columns?",
        "Inside `torch.no_grad()`: `layer.weight.copy_(torch.tensor(np.stack([w for w, _ in neurons])))`, bias alike.",
    )
    why = "PyTorch keeps A = Wᵀ of shape (K, D): row k is neuron k, and the layer computes x Aᵀ + b."

    def test(self, layer_of_neurons):
        import torch

        for neurons in (NEURONS, [(w[:2], b) for w, b in NEURONS]):
            layer = self.call(layer_of_neurons, [(w.copy(), b) for w, b in neurons])
            self.expect_type(layer, torch.nn.Module, "the layer")
            self._judge_layer(layer, neurons)

    def _judge_layer(self, layer, neurons):
        import torch

        w, b = np.stack([w for w, _ in neurons]), np.array([b for _, b in neurons])  # (K, D), (K,)
        x = INPUTS[:, : w.shape[1]]
        like = next(iter(layer.parameters()))
        got = self.call(layer, torch.as_tensor(x, dtype=like.dtype, device=like.device))
        got = self.expect_array(got, shape=(len(x), len(w)), name="the layer's output")
        candidates = [
            (x @ w.T, "The biases are missing: without them every neuron's line runs through the origin."),
            (x @ w.T + b[0], "All neurons share one bias: each has its own, so the bias has shape (K,)."),
            (x @ w.T - b, "The biases have the wrong sign: z = w·x + b."),
            ((x @ w.T + b)[:, ::-1], "The neurons are in the wrong order: output k is neuron k of the list."),
        ]
        if w.shape[0] == w.shape[1]:
            words = "The matrix is transposed: PyTorch's weight is (K, D), so a neuron is a row, not a column."
            candidates.append((x @ w + b, words))
        for wrong, sentence in candidates:
            if np.allclose(got, wrong, atol=1e-4):
                raise exercise.Wrong(sentence)
        self.expect_close(got, x @ w.T + b, "Are the given w and b in the layer? A new layer is random.", atol=1e-4)

    @staticmethod
    def reference(neurons):
        import numpy as np
        import torch
        from torch import nn

        w = np.stack([w for w, _ in neurons])  # (K, D): one neuron a row
        layer = nn.Linear(w.shape[1], w.shape[0])
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(w))
            layer.bias.copy_(torch.tensor([b for _, b in neurons]))
        return layer

    @staticmethod
    def mistakes():
        def build(neurons, axis=0, bias=lambda b: b, fill=True):
            import torch

            w = np.stack([w for w, _ in neurons], axis=axis)
            layer = torch.nn.Linear(w.shape[1], w.shape[0])
            with torch.no_grad():
                torch.nn.init.constant_(layer.weight, 0.37)
                if fill:
                    layer.weight.copy_(torch.tensor(w))
                    layer.bias.copy_(torch.tensor(bias(np.array([b for _, b in neurons]))))
            return layer

        return (
            exercise.Mistake(lambda neurons: build(neurons, axis=1), "transposed"),
            exercise.Mistake(lambda neurons: build(neurons, bias=np.zeros_like), "biases are missing"),
            exercise.Mistake(lambda neurons: build(neurons, bias=lambda b: b[0] + 0 * b), "share one bias"),
            exercise.Mistake(lambda neurons: build(neurons[::-1]), "wrong order"),
            exercise.Mistake(lambda neurons: build(neurons, fill=False), "A new layer is random"),
        )


class RankFor(exercise.Exercise):
    """Write `rank_for(s, error)`: the smallest rank whose relative error is at most `error`, a number.

    s: singular values, descending. The relative error of rank r is the length of what is dropped, s[r:], divided by
    the length of s.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "The length of s[r:] is the root of its sum of squares. Compute it for r = 0, 1, 2, …; which r is the first?",
        "`errors = [np.linalg.norm(s[r:]) / np.linalg.norm(s) for r in range(len(s) + 1)]`, then the first that fits.",
    )
    why = "The terms of an SVD stand at right angles, so the squares of what you drop add up, as Pythagoras says."

    def test(self, rank_for):
        self._judge_one(rank_for, SINGULAR)
        self._judge_one(rank_for, np.array([9.0, 8.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.4]))
        self._judge_one(rank_for, np.array([5.0, 1.0, 0.9]))

    def _judge_one(self, rank_for, s):
        got = [self.expect_number(self.call(rank_for, s, error)) for error in ERRORS]
        ranks = range(len(s) + 1)
        left = np.array([np.linalg.norm(s[r:]) for r in ranks]) / np.linalg.norm(s)  # (R + 1,)
        plain = np.array([s[r:].sum() for r in ranks]) / s.sum()
        right = self._ranks(left)
        single = [int((s / s[0] > error).sum()) for error in ERRORS]
        kept = [int(np.argmax(1 - left >= error)) for error in ERRORS]
        for wrong, sentence in (
            (self._ranks(plain), "You added the singular values: take s ** 2, add, then the root."),
            (self._ranks(left**2), "This is the share of squares: the error is its root."),
            ([r - 1 for r in right], "One too few: to keep s[0] alone is rank 1, not rank 0."),
            ([r + 1 for r in right], "One too many: the error of rank r drops s[r:], so s[r] itself is not kept."),
            (single, "Compare the dropped values together, not one by one."),
            (kept, "This keeps a share `error`; asked is to drop at most that."),
        ):
            if got == wrong != right:
                raise exercise.Wrong(sentence)
        for error, one, wanted in zip(ERRORS, got, right, strict=True):
            if one != wanted:
                raise exercise.Wrong(f"For the error {error} your rank is {one:g}, but rank {wanted} is the smallest.")
        if self.expect_number(self.call(rank_for, s, 1.0)) != 0:
            raise exercise.Wrong("An error of 1 is that of the empty picture: rank 0 is enough.")

    @staticmethod
    def _ranks(errors):
        return [int(np.argmax(errors <= error)) for error in ERRORS]

    @staticmethod
    def reference(s, error):
        import numpy as np

        squares = np.append(np.cumsum(s[::-1] ** 2)[::-1], 0.0)  # (R + 1,): what rank 0, 1, …, R drops
        return int(np.argmax(np.sqrt(squares / squares[0]) <= error))  # the first True

    @staticmethod
    def mistakes():
        def first(errors, error):
            return int(np.argmax(np.array(errors) <= error))

        def rank(s, error):
            return first([np.linalg.norm(s[r:]) / np.linalg.norm(s) for r in range(len(s) + 1)], error)

        plain = lambda s, error: first([s[r:].sum() / s.sum() for r in range(len(s) + 1)], error)
        squares = lambda s, error: first([(s[r:] ** 2).sum() / (s**2).sum() for r in range(len(s) + 1)], error)
        return (
            exercise.Mistake(plain, "take s ** 2"),
            exercise.Mistake(squares, "the error is its root"),
            exercise.Mistake(lambda s, error: rank(s, error) - 1, "One too few"),
            exercise.Mistake(lambda s, error: rank(s, error) + 1, "One too many"),
            exercise.Mistake(lambda s, error: int((s / s[0] > error).sum()), "not one by one"),
            exercise.Mistake(lambda s, error: 3, "is the smallest"),
        )


class PcaLayer(exercise.Exercise):
    """Write `pca_layer(x, k)`: a Keras model with one `Dense(k)` that does a PCA learnt from x (N, D).

    It maps new examples (B, D) to (B, k): subtract the mean of x, then the dot products with the first k principal
    directions. The mean is *inside* the layer; signs of directions are free.
    """

    difficulty = 3
    minutes = 20
    framework = "keras"
    hints = (
        "Multiply it out: (x - mean) V = x V - mean V. Which part is the kernel, which part the bias?",
        "`Vt = np.linalg.svd(x - mean, full_matrices=False)[2]`, kernel `Vt[:k].T` (D, k), bias `-mean @ kernel` (k,).",
    )
    why = "PCA is a dense layer whose weights are computed instead of trained: kernel V, bias -mean·V."

    def test(self, pca_layer):
        import keras

        for seed, lengths, mean, k in (
            (3, [5.0, 3.0, 1.0, 0.3], [20.0, -10.0, 5.0, 2.0], 2),
            (3, [5.0, 3.0, 1.0, 0.3], [20.0, -10.0, 5.0, 2.0], 3),
            (4, [4.0, 1.5, 0.5], [-8.0, 6.0, 10.0], 1),
        ):
            rng, d = np.random.default_rng(seed), len(lengths)
            x = rng.standard_normal((40, d)) * lengths @ np.linalg.qr(rng.standard_normal((d, d)))[0] + mean
            new = x[:6] + rng.standard_normal((6, d))
            model = self.call(pca_layer, x, k)
            self.expect_type(model, keras.Model, "your answer")
            got = self.expect_array(model(new.astype(np.float32)), shape=(6, k), name="the model's output")
            self._judge_values(got, x, new, k)

    @staticmethod
    def _same(got, wanted, atol=2e-2):
        signs = np.sign((got * wanted).sum(0))
        return np.allclose(got, np.where(signs == 0, 1, signs) * wanted, atol=atol)

    def _judge_values(self, got, x, new, k):
        mean = x.mean(0)
        _, s, Vt = np.linalg.svd(x - mean, full_matrices=False)
        V, raw = Vt[:k].T, np.linalg.svd(x, full_matrices=False)[2][:k].T
        right = (new - mean) @ V
        if self._same(got, right):
            return
        for wrong, sentence in (
            (new @ V, "The mean is not subtracted: the bias must be -mean @ kernel, not 0."),
            ((new + mean) @ V, "The bias has the wrong sign: (x - mean) V = x V - mean V."),
            (new @ raw, "You decomposed x itself: subtract the mean first, or direction 1 points to the mean."),
            ((new - mean) @ raw, "The directions are those of x itself: take the SVD of x - mean."),
            ((new - mean) @ Vt[:, :k], "Wrong axis: the directions are the rows of Vt, so the kernel is `Vt[:k].T`."),
            ((new - mean) @ Vt[::-1][:k].T, "These directions vary least: `eigh` sorts ascending, take the last ones."),
            (right / s[:k] * np.sqrt(len(x)), "Each output is scaled to variance 1: plain PCA keeps the lengths."),
            (right / s[:k] * np.sqrt(len(x) - 1), "Each output is scaled to variance 1: plain PCA keeps the lengths."),
        ):
            if self._same(got, wrong):
                raise exercise.Wrong(sentence)
        raise exercise.Wrong("Output and PCA differ: are kernel and bias set in the layer? A new layer is random.")

    @staticmethod
    def reference(x, k):
        import keras
        import numpy as np

        mean = x.mean(axis=0)  # (D,)
        kernel = np.linalg.svd(x - mean, full_matrices=False)[2][:k].T  # (D, k)
        model = keras.Sequential([keras.Input((x.shape[1],)), keras.layers.Dense(k)])
        model.layers[0].set_weights([kernel, -mean @ kernel])
        return model

    @staticmethod
    def mistakes():
        def build(kernel, bias):
            import keras

            ones = keras.layers.Dense(kernel.shape[1], kernel_initializer="ones")
            model = keras.Sequential([keras.Input((len(kernel),)), ones])
            if bias is not None:
                model.layers[0].set_weights([kernel, bias])
            return model

        def rows(x):
            return np.linalg.svd(x, full_matrices=False)[2]

        def centred(x, k):
            return rows(x - x.mean(0))[:k].T

        last = lambda x, k: rows(x - x.mean(0))[::-1][:k].T
        across = lambda x, k: rows(x - x.mean(0))[:, :k]
        raw = lambda x, k: rows(x)[:k].T
        return (
            exercise.Mistake(lambda x, k: build(centred(x, k), np.zeros(k)), "mean is not subtracted"),
            exercise.Mistake(lambda x, k: build(centred(x, k), x.mean(0) @ centred(x, k)), "wrong sign"),
            exercise.Mistake(lambda x, k: build(raw(x, k), np.zeros(k)), "You decomposed x itself"),
            exercise.Mistake(lambda x, k: build(across(x, k), -x.mean(0) @ across(x, k)), "rows of Vt"),
            exercise.Mistake(lambda x, k: build(last(x, k), -x.mean(0) @ last(x, k)), "vary least"),
            exercise.Mistake(lambda x, k: build(centred(x, k), None), "A new layer is random"),
        )
