"""Exercises of lesson 2.12: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise
from utils.exercise import softmax


class SoftLookup(exercise.Exercise):
    """Write `soft_lookup(q, keys, values)`: attention of one query with the scaled dot product, (m,).

    q (d,), keys (n, d), values (n, m). The scores are divided by the root of d.
    """

    difficulty = 1
    minutes = 8
    hints = (
        "`keys @ q` gives all n scores at once. What makes shares of them?",
        "`weights = softmax(keys @ q / np.sqrt(len(q)))`, written out with `np.exp`; then `weights @ values`.",
    )
    why = "Score, softmax, weighted sum: three lines, and each of them has a slope."

    CASES = ((4, 3, 2, 0), (9, 5, 5, 1), (16, 6, 3, 2), (3, 1, 4, 3), (25, 7, 25, 4))  # d, n, m, seed

    def test(self, soft_lookup):
        for d, n, m, seed in self.CASES:
            rng = np.random.default_rng(seed)
            q, keys, values = rng.standard_normal(d), rng.standard_normal((n, d)), rng.standard_normal((n, m))
            got = self.expect_array(self.call(soft_lookup, q, keys, values))
            s = keys @ q
            right = softmax(s / np.sqrt(d)) @ values
            if got.shape == (n,) != (m,):
                raise exercise.Wrong(f"You return {n} numbers, one for each key: mix the values, `weights @ values`.")
            if got.shape == (d,) != (m,) and np.allclose(got, softmax(s / np.sqrt(d)) @ keys):
                raise exercise.Wrong("You mix the keys: they find, the values are returned.")
            wrong = [
                (softmax(s) @ values, "The root is missing: divide the scores by √d."),
                (softmax(s / d) @ values, "You divide by d: the deviation of a dot product is its root."),
                (
                    softmax(s / np.sqrt(n)) @ values,
                    "You divide by the root of the number of keys; d is their width.",
                ),
                (softmax(s * np.sqrt(d)) @ values, "You multiply by the root: divide."),
                (s / np.sqrt(d) @ values, "These are the raw scores: make shares of them with a softmax first."),
                (values[s.argmax()], "This is the value of the best key alone: a soft lookup mixes all values."),
                (values.mean(0), "This is the plain mean: each value counts with its weight."),
                (np.exp(s / np.sqrt(d)) @ values, "Divide by the sum of the exponentials: weights add up to 1."),
            ]
            exercise.name_mistake(got, right, wrong)
            self.expect_close(got, right, "The answer is softmax(K q / √d) times the values.")

    @staticmethod
    def reference(q, keys, values):
        import numpy as np

        scores = keys @ q / np.sqrt(len(q))  # (n,)
        e = np.exp(scores - scores.max())
        return e / e.sum() @ values

    @staticmethod
    def mistakes():
        return (
            exercise.Mistake(lambda q, k, v: softmax(k @ q) @ v, "root is missing"),
            exercise.Mistake(lambda q, k, v: softmax(k @ q / len(q)) @ v, "divide by d"),
            exercise.Mistake(lambda q, k, v: softmax(k @ q / np.sqrt(len(k))) @ v, "number of keys"),
            exercise.Mistake(lambda q, k, v: softmax(k @ q * np.sqrt(len(q))) @ v, "You multiply by the root"),
            exercise.Mistake(lambda q, k, v: k @ q / np.sqrt(len(q)) @ v, "raw scores"),
            exercise.Mistake(lambda q, k, v: v[(k @ q).argmax()], "best key alone"),
            exercise.Mistake(lambda q, k, v: np.exp(k @ q / np.sqrt(len(q))) @ v, "add up to 1"),
            exercise.Mistake(lambda q, k, v: v.mean(0), "plain mean"),
            exercise.Mistake(lambda q, k, v: softmax(k @ q / np.sqrt(len(q))) @ k, "mix the keys"),
            exercise.Mistake(lambda q, k, v: softmax(k @ q / np.sqrt(len(q))), "mix the values"),
        )


def _masked(scores, keep, axis=-1):
    return softmax(np.where(keep[:, None], scores, -1e30), axis)


class MaskedSoftmax(exercise.Exercise):
    """Write `masked_softmax(scores, keep)`: weights (B, Tq, Tk) over the keys, exactly 0 where keep is False.

    scores (B, Tq, Tk), also large ones; keep (B, Tk), True where one may look, at least once in each row.
    """

    difficulty = 2
    minutes = 12
    hints = (
        "Which score has the share 0? And keep (B, Tk) needs an axis for the queries.",
        "`np.where(keep[:, None], scores, -np.inf)`; subtract the largest of the last axis, then exp and divide.",
    )
    why = "exp(-inf) is 0, so the others share the whole; subtracting the largest score changes no share."

    def test(self, masked_softmax):
        cases = ((2, 3, 5, 1.0, 0), (3, 3, 3, 1.0, 1), (1, 4, 2, 1.0, 2), (4, 2, 6, 2000.0, 3), (2, 2, 4, -1.0, 4))
        for B, tq, tk, size, seed in cases:
            rng = np.random.default_rng(seed)
            scores = size * rng.standard_normal((B, tq, tk)) + (1000.0 if size > 1 else 0.0)
            scores = np.where(size < 0, -np.abs(scores) - 900.0, scores)
            keep = np.arange(tk) < rng.integers(1, tk + 1, (B, 1))
            keep[0] = np.arange(tk) != 1  # a gap in the middle
            got = self.expect_array(self.call(masked_softmax, scores, keep), finite=False)
            right = _masked(scores, keep)
            if got.shape != right.shape:
                raise exercise.Wrong(f"Your result has shape {got.shape}, expected {right.shape}, one row a query.")
            if not np.isfinite(got).all():
                raise exercise.Wrong("Large scores overflow, or small ones all become 0: subtract the row's maximum.")
            kept = np.where(keep[:, None], softmax(scores), 0.0)
            zeroed = softmax(np.where(keep[:, None], scores, 0.0))
            exercise.name_mistake(
                got,
                right,
                (
                    (softmax(scores), "The mask has no effect: padding gets weight."),
                    (kept, "You set weights to 0 after the softmax: the rest no longer adds up to 1. Mask the scores."),
                    (zeroed, "A score of 0 is not a weight of 0, since exp(0) = 1: use -inf."),
                    (_masked(scores, ~keep), "The mask is the wrong way round: True means that one may look."),
                    (_masked(scores, keep, 1), "You share over the queries: the keys are the last axis."),
                    (np.where(keep[:, None], _masked(scores, keep, 1), 0.0), "You share over the queries, axis 1."),
                    (softmax(scores, 1), "You share over the queries and forget the mask."),
                ),
            )
            self.expect_close(got, right, "Each row is a softmax over the kept keys.")
            if (got[~np.broadcast_to(keep[:, None], got.shape)] != 0).any():
                raise exercise.Wrong("Masked weights must be exactly 0: take -inf, not a number like -5.")

    @staticmethod
    def reference(scores, keep):
        import numpy as np

        scores = np.where(keep[:, None], scores, -np.inf)  # (B, 1, Tk) against (B, Tq, Tk)
        e = np.exp(scores - scores.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    @staticmethod
    def mistakes():
        def overflow(s, keep):
            with np.errstate(all="ignore"):
                e = np.where(keep[:, None], np.exp(s), 0.0)
                return e / e.sum(-1, keepdims=True)

        return (
            exercise.Mistake(lambda s, keep: softmax(s), "no effect"),
            exercise.Mistake(lambda s, keep: np.where(keep[:, None], softmax(s), 0), "after the softmax"),
            exercise.Mistake(lambda s, keep: softmax(np.where(keep[:, None], s, 0)), "exp(0) = 1"),
            exercise.Mistake(lambda s, keep: _masked(s, ~keep), "wrong way round"),
            exercise.Mistake(lambda s, keep: _masked(s, keep, 1), "the keys are the last axis"),
            exercise.Mistake(overflow, "subtract the row's maximum"),
            exercise.Mistake(lambda s, keep: softmax(np.where(keep[:, None], s, s - 15)), "exactly 0"),
        )


class AdditiveScores(exercise.Exercise):
    """Write `additive_scores(q, k, W_q, W_k, u)`: Bahdanau's scores u · tanh(q W_q + k W_k), (B, Tq, Tk).

    q (B, Tq, D1), k (B, Tk, D2), W_q (D1, m), W_k (D2, m), u (m,); all tensors. Gradients must flow.
    """

    difficulty = 2
    minutes = 12
    framework = "torch"
    hints = (
        "Multiply first: (B, Tq, m) and (B, Tk, m). Which axes of length 1 make their sum (B, Tq, Tk, m)?",
        "`(q @ W_q)[:, :, None] + (k @ W_k)[:, None]`, then `torch.tanh(…) @ u`.",
    )
    why = "Each pair of query and key goes through one small layer: it costs B · Tq · Tk · m numbers of memory."

    def test(self, additive_scores):
        import torch

        for B, tq, tk, d1, d2, m, seed in ((2, 3, 4, 5, 6, 7, 0), (1, 5, 2, 3, 4, 2, 1), (3, 4, 4, 4, 4, 4, 2)):
            rng = np.random.default_rng(seed)
            shapes = ((B, tq, d1), (B, tk, d2), (d1, m), (d2, m), (m,))
            arrays = [rng.standard_normal(shape).astype("float32") for shape in shapes]
            tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
            out = self.expect_type(self.call(additive_scores, *tensors), torch.Tensor, "your result")
            got = self.expect_array(out)
            a, b = arrays[0] @ arrays[2], arrays[1] @ arrays[3]
            u, sums = arrays[4], a[:, :, None] + b[:, None]
            right = np.tanh(sums) @ u
            if got.shape == (B, tk, tq) and (tq != tk or np.allclose(got, right.swapaxes(1, 2), atol=1e-4)):
                raise exercise.Wrong("Queries and keys have changed places: rows are queries, (B, Tq, Tk).")
            if got.shape == sums.shape and got.shape != right.shape:
                raise exercise.Wrong("The last axis is still there: the product with u makes one number of m.")
            exercise.name_mistake(
                got,
                right,
                (
                    (sums @ u, "The tanh is missing: without it the score is a sum of two parts that never meet."),
                    (
                        (np.tanh(a)[:, :, None] + np.tanh(b)[:, None]) @ u,
                        "You take the tanh of each part: add first, so that query and key meet inside it.",
                    ),
                    (np.tanh(sums @ u), "The tanh comes before the product with u, not after it."),
                    (np.tanh(sums).sum(-1), "You add up without weights: multiply by u."),
                    (np.maximum(sums, 0) @ u, "This is a ReLU; Bahdanau's score has a tanh."),
                    (softmax(right), "This is the softmax already: return the scores."),
                    (softmax(right, 1), "This is the softmax already: return the scores."),
                    (a @ b.swapaxes(1, 2), "This is the dot product of the two, not the additive score."),
                ),
            )
            self.expect_close(got, right, "The score is tanh(q W_q + k W_k) @ u.", rtol=1e-4, atol=1e-5)
            if not out.requires_grad:
                raise exercise.Wrong("No gradient flows: stay with tensors, without `.detach()` and `.numpy()`.")

    @staticmethod
    def reference(q, k, W_q, W_k, u):
        import torch

        pairs = (q @ W_q)[:, :, None] + (k @ W_k)[:, None]  # (B, Tq, 1, m) + (B, 1, Tk, m)
        return torch.tanh(pairs) @ u  # (B, Tq, Tk)

    @staticmethod
    def mistakes():
        pairs = lambda q, k, a, b: (q @ a)[:, :, None] + (k @ b)[:, None]

        def each(q, k, a, b, u):
            return ((q @ a).tanh()[:, :, None] + (k @ b).tanh()[:, None]) @ u

        return (
            exercise.Mistake(lambda q, k, a, b, u: pairs(q, k, a, b) @ u, "tanh is missing"),
            exercise.Mistake(each, "of each part"),
            exercise.Mistake(lambda q, k, a, b, u: (pairs(q, k, a, b) @ u).tanh(), "before the product"),
            exercise.Mistake(lambda q, k, a, b, u: pairs(q, k, a, b).tanh().sum(-1), "without weights"),
            exercise.Mistake(lambda q, k, a, b, u: (pairs(q, k, a, b).tanh() @ u).mT, "changed places"),
            exercise.Mistake(lambda q, k, a, b, u: pairs(q, k, a, b).tanh() * u, "last axis is still there"),
            exercise.Mistake(lambda q, k, a, b, u: (pairs(q, k, a, b).tanh() @ u).softmax(-1), "softmax already"),
            exercise.Mistake(lambda q, k, a, b, u: (pairs(q, k, a, b).tanh() @ u).detach(), "No gradient flows"),
        )


def _self_attention(x, W_q, W_k, W_v, diagonal=0, scale=None, upper=False, masked=True, axis=-1):
    q, k, v = x @ W_q, x @ W_k, x @ W_v
    scores = q @ k.swapaxes(-2, -1) / (np.sqrt(q.shape[-1]) if scale is None else scale)
    ones = np.ones(scores.shape[-2:], bool)
    see = np.triu(ones) if upper else np.tril(ones, diagonal)
    return softmax(np.where(see, scores, -1e30) if masked else scores, axis) @ v


class CausalSelfAttention(exercise.Exercise):
    """Write `causal_self_attention(x, W_q, W_k, W_v)`: one head, scaled dot product, no look ahead, (B, T, m).

    x (B, T, D), W_q and W_k (D, d), W_v (D, m); all tensors. Place t may look at 0, 1, …, t.
    """

    difficulty = 3
    minutes = 20
    framework = "torch"
    hints = (
        "Three products with x, then scores (B, T, T). Which half of that square is the future?",
        "`future = torch.ones(T, T, dtype=torch.bool).triu(1)`; `scores.masked_fill(future, -torch.inf)`.",
    )
    why = "A row of the square is a query; what lies right of the diagonal is its future and gets the weight 0."

    def test(self, causal_self_attention):
        import torch

        for B, T, D, d, m, seed in ((2, 5, 6, 4, 3, 0), (1, 7, 3, 9, 3, 1), (3, 2, 4, 2, 5, 2), (2, 1, 3, 2, 2, 3)):
            rng = np.random.default_rng(seed)
            arrays = [rng.standard_normal(s).astype("float32") for s in ((B, T, D), (D, d), (D, d), (D, m))]
            tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
            out = self.expect_type(self.call(causal_self_attention, *tensors), torch.Tensor, "your result")
            got = self.expect_array(out, finite=False)
            right = _self_attention(*arrays)
            if got.shape == (B, T, T) and m != T:
                raise exercise.Wrong("You return the weights: multiply them by the values x W_v.")
            if np.isnan(got).any():
                raise exercise.Wrong("The first place has nowhere to look, hence NaN: a place may look at itself.")
            x, a, b, c = arrays
            wrong = [
                (_self_attention(*arrays, masked=False), "There is no mask: the past sees the future."),
                (_self_attention(*arrays, upper=True), "The triangle is upside down: each place sees only its future."),
                (
                    _self_attention(*arrays, diagonal=1),
                    "Each place sees one step ahead: the diagonal itself is the limit.",
                ),
                (_self_attention(*arrays, scale=1.0), "The root is missing: divide the scores by √d."),
                (
                    _self_attention(*arrays, scale=np.sqrt(D)),
                    "You divide by the root of D: d is the width of the keys.",
                ),
                (_self_attention(*arrays, scale=float(d)), "You divide by d itself: it is the root."),
                (_self_attention(x, b, a, c), "Queries and keys have changed places: rows belong to x W_q."),
                (
                    _self_attention(*arrays, axis=-2),
                    "You share over the queries: the softmax runs along the last axis.",
                ),
            ]
            if m == D:
                wrong.append((_self_attention(x, a, b, np.eye(D)), "The values are x W_v, not x itself."))
            exercise.name_mistake(got, right, wrong)
            if got.shape == x.shape != right.shape:
                raise exercise.Wrong("Your result is as wide as x: the values are x W_v, not x itself.")
            self.expect_close(got, right, "Softmax of the masked, scaled scores, times x W_v.", rtol=1e-4, atol=1e-5)
            if not out.requires_grad:
                raise exercise.Wrong("No gradient flows: stay with tensors, without `.detach()` and `.numpy()`.")

    @staticmethod
    def reference(x, W_q, W_k, W_v):
        import torch

        q, k, v = x @ W_q, x @ W_k, x @ W_v
        scores = q @ k.mT / q.shape[-1] ** 0.5  # (B, T, T)
        future = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
        return scores.masked_fill(future, -torch.inf).softmax(-1) @ v

    @staticmethod
    def mistakes():
        def make(mask=lambda see: see.triu(1), power=0.5, width="d", values=True, swap=False, axis=-1):
            def causal_self_attention(x, W_q, W_k, W_v):
                import torch

                q, k = (x @ W_k, x @ W_q) if swap else (x @ W_q, x @ W_k)
                scores = q @ k.mT / (q if width == "d" else x).shape[-1] ** power
                hidden = mask(torch.ones(scores.shape[-2:], dtype=torch.bool))
                return scores.masked_fill(hidden, -1e30).softmax(axis) @ (x @ W_v if values else x)

            return causal_self_attention

        def strict(x, W_q, W_k, W_v):
            import torch

            scores = x @ W_q @ (x @ W_k).mT / W_q.shape[-1] ** 0.5
            hidden = torch.ones(scores.shape[-2:], dtype=torch.bool).triu()
            return scores.masked_fill(hidden, -torch.inf).softmax(-1) @ (x @ W_v)

        return (
            exercise.Mistake(make(mask=lambda see: ~see), "There is no mask"),
            exercise.Mistake(make(mask=lambda see: see.tril(-1)), "upside down"),
            exercise.Mistake(make(mask=lambda see: see.triu(2)), "one step ahead"),
            exercise.Mistake(strict, "may look at itself"),
            exercise.Mistake(make(power=0), "root is missing"),
            exercise.Mistake(make(power=1), "divide by d itself"),
            exercise.Mistake(make(width="D"), "root of D"),
            exercise.Mistake(make(values=False), "not x itself"),
            exercise.Mistake(make(swap=True), "changed places"),
            exercise.Mistake(make(axis=-2), "share over the queries"),
        )


class AttentionPooling(exercise.Exercise):
    """Write `attention_pooling(x, keep, u)` with `keras.ops`: one vector from each sequence, (B, D).

    x (B, T, D); keep (B, T), True for places that count, at least one in each row; u (D,). The score of place t is
    u · x_t; the answer is the mean of the kept places, weighted by the softmax of their scores.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    hints = (
        "Scores (B, T): `ops.matmul(x, u)` or a sum of products. Mask them, then softmax over the places.",
        "`ops.where(keep, scores, -1e9)`, `ops.softmax(…, axis=-1)`, then `ops.sum(weights[:, :, None] * x, axis=1)`.",
    )
    why = "One learnt query for all sequences: the places compete, and the winners make the mean."

    def test(self, attention_pooling):
        import keras

        for B, T, D, seed in ((2, 5, 3, 0), (3, 4, 4, 1), (1, 6, 2, 2), (4, 3, 7, 3)):
            rng = np.random.default_rng(seed)
            x, u = rng.standard_normal((B, T, D)).astype("float32"), rng.standard_normal(D).astype("float32")
            keep = np.arange(T) < rng.integers(1, T, (B, 1))
            keep[0] = np.arange(T) != 1  # a gap in the middle
            tensors = [keras.ops.convert_to_tensor(a) for a in (x, keep, u)]
            out = self.call(attention_pooling, *tensors)
            if not keras.ops.is_tensor(out):
                raise exercise.Wrong("The result is no tensor of Keras' backend: use keras.ops all the way.")
            got = self.expect_array(keras.ops.convert_to_numpy(out))
            s = x @ u
            masked = np.where(keep, s, -1e30)
            right = (softmax(masked)[..., None] * x).sum(1)
            if got.shape == (B, T) and T != D:
                raise exercise.Wrong("You return the weights: mix the places, a sum over axis 1 of weights times x.")
            if got.shape == (B, T, D):
                raise exercise.Wrong("The places are still there: add up over axis 1.")
            every = x.mean(1)
            kept = (keep[..., None] * x).sum(1) / keep.sum(1)[:, None]
            zeroed = (softmax(np.where(keep, s, 0.0))[..., None] * x).sum(1)
            after = ((softmax(s) * keep)[..., None] * x).sum(1)
            exercise.name_mistake(
                got,
                right,
                (
                    ((softmax(s)[..., None] * x).sum(1), "The mask has no effect: padding is mixed in."),
                    (after, "You masked after the softmax: the weights no longer add up to 1. Mask the scores."),
                    (zeroed, "A score of 0 still gets weight, since exp(0) = 1: use a very negative score."),
                    (
                        (softmax(np.where(keep, -1e30, s))[..., None] * x).sum(1),
                        "The mask is the wrong way round.",
                    ),
                    (every, "This is the plain mean of all places: u decides how much each counts."),
                    (kept, "This is the plain mean of the kept places: u decides how much each counts."),
                    (x.sum(1), "All weights are 1: a softmax over an axis of length 1 gives 1."),
                    (
                        (softmax(masked, 0)[..., None] * x).sum(1),
                        "You share over the batch: the places are axis 1.",
                    ),
                    (
                        softmax(masked / np.sqrt(D))[..., None].__mul__(x).sum(1),
                        "No root here: u is learnt, and fits.",
                    ),
                    (
                        (softmax(masked)[..., None] * x).mean(1),
                        "Sum, do not average: the weights add up to 1.",
                    ),
                ),
            )
            self.expect_close(got, right, "Softmax of the masked scores, times x, added up.", rtol=1e-4, atol=1e-5)

    @staticmethod
    def reference(x, keep, u):
        from keras import ops

        scores = ops.where(keep, ops.sum(x * u, axis=-1), -1e9)  # (B, T)
        weights = ops.softmax(scores, axis=-1)
        return ops.sum(weights[:, :, None] * x, axis=1)  # (B, D)

    @staticmethod
    def mistakes():
        def make(mask="scores", axis=-1, add="sum", softmax=True, column=False):
            def attention_pooling(x, keep, u):
                from keras import ops

                scores = ops.sum(x * u, axis=-1)
                fill = {"scores": -1e9, "zero": 0.0}.get(mask)
                scores = scores if fill is None else ops.where(keep, scores, fill)
                scores = ops.where(keep, -1e9, scores) if mask == "inverted" else scores
                weights = ops.softmax(scores, axis=axis) if softmax else ops.ones_like(scores) / x.shape[1]
                weights = weights * ops.cast(keep, "float32") if mask == "after" else weights
                weights = ops.ones_like(scores) if column else weights
                return getattr(ops, add)(weights[:, :, None] * x, axis=1)

            return attention_pooling

        def in_numpy(x, keep, u):
            from keras import ops

            x, keep, u = (ops.convert_to_numpy(a) for a in (x, keep, u))
            return (softmax(np.where(keep, x @ u, -1e30))[..., None] * x).sum(1)

        return (
            exercise.Mistake(make(mask=None), "no effect"),
            exercise.Mistake(make(mask="after"), "after the softmax"),
            exercise.Mistake(make(mask="zero"), "exp(0) = 1"),
            exercise.Mistake(make(mask="inverted"), "wrong way round"),
            exercise.Mistake(make(axis=0), "share over the batch"),
            exercise.Mistake(make(add="mean"), "do not average"),
            exercise.Mistake(make(softmax=False), "plain mean of all"),
            exercise.Mistake(make(column=True), "axis of length 1"),
            exercise.Mistake(in_numpy, "keras.ops all the way"),
        )
