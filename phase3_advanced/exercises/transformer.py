"""Exercises of lesson 3.1: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise


class DecoderMask(exercise.Exercise):
    """Write `decoder_mask(ids)`: where each place of a padded batch may look, (B, T, T) of bool.

    ids (B, T), 0 is padding and stands behind the words. Row t may look at column s if s <= t and s is no padding.
    """

    difficulty = 1
    minutes = 8
    hints = (
        "Two masks: the lower triangle (T, T), and the columns that hold words, (B, 1, T).",
        "`np.tril(np.ones((T, T), bool)) & (ids != 0)[:, None]`; broadcasting makes it (B, T, T).",
    )
    why = "Masks that say where one may look are joined by 'and'; rows ask, so padding is hidden in the columns."

    def test(self, decoder_mask):
        for ids in (
            np.array([[1, 4, 2, 0], [1, 2, 0, 0]]),
            np.array([[1, 5, 6, 7, 2]]),
            np.array([[3]]),
            np.array([[1, 4, 4, 2, 0, 0], [1, 9, 8, 7, 6, 2], [1, 2, 0, 0, 0, 0]]),
        ):
            got = self.expect_array(self.call(decoder_mask, ids))
            B, T = ids.shape
            past, words = np.tril(np.ones((T, T), bool)), ids != 0
            right = past & words[:, None]
            if got.shape == (T, T) and B > 1:
                raise exercise.Wrong("Each sentence has its own padding: the mask needs the axis B in front.")
            if got.shape == right.shape and got.dtype != bool:
                raise exercise.Wrong(f"Your mask holds {got.dtype}, expected bool: True for 'may look'.")
            exercise.name_mistake(
                got,
                right,
                (
                    (
                        np.broadcast_to(past, right.shape),
                        "Padding is still visible: hide the columns where ids are 0.",
                    ),
                    (
                        np.broadcast_to(words[:, None], right.shape),
                        "The future is still visible: keep s <= t only.",
                    ),
                    (~right, "True and False are swapped: True means 'may look'."),
                    (
                        past.T & words[:, None],
                        "The triangle is upside down: a place sees the past, not the future.",
                    ),
                    (
                        past & words[:, :, None],
                        "You hide rows: who asks may be padding, but nobody looks *at* it.",
                    ),
                    (
                        past | words[:, None],
                        "Joined by 'or': a place must be past *and* a word.",
                    ),
                    (
                        np.tril(past, -1) & words[:, None],
                        "A place may look at itself: the diagonal belongs to it.",
                    ),
                ),
            )
            self.expect_close(got, right, "Row t, column s: s <= t and ids[s] != 0.")

    @staticmethod
    def reference(ids):
        T = ids.shape[1]
        past = np.tril(np.ones((T, T), bool))  # (T, T)
        return past & (ids != 0)[:, None]  # (B, T, T)

    @staticmethod
    def mistakes():
        tril = lambda ids, k=0: np.tril(np.ones((ids.shape[1],) * 2, bool), k)
        every = lambda ids: np.zeros((len(ids), 1, 1), bool)
        return (
            exercise.Mistake(lambda ids: tril(ids) | every(ids), "Padding is still visible"),
            exercise.Mistake(
                lambda ids: (ids != 0)[:, None] | (0 * tril(ids)).astype(bool),
                "future is still visible",
            ),
            exercise.Mistake(lambda ids: ~(tril(ids) & (ids != 0)[:, None]), "swapped"),
            exercise.Mistake(lambda ids: tril(ids).T & (ids != 0)[:, None], "upside down"),
            exercise.Mistake(lambda ids: tril(ids) & (ids != 0)[:, :, None], "You hide rows"),
            exercise.Mistake(lambda ids: tril(ids, -1) & (ids != 0)[:, None], "may look at itself"),
            exercise.Mistake(lambda ids: tril(ids), "axis B in front"),
            exercise.Mistake(lambda ids: (tril(ids) & (ids != 0)[:, None]).astype(int), "expected bool"),
        )


def _split(x, n_heads):
    B, T, D = x.shape
    return x.reshape(B, T, n_heads, D // n_heads).transpose(0, 2, 1, 3)


class SplitHeads(exercise.Exercise):
    """Write `split_heads(x, n_heads)`: the width cut into heads, (B, T, D) -> (B, n_heads, T, d_head), a tensor.

    Head 0 gets the first d_head numbers of each word, head 1 the next, and so on.
    """

    difficulty = 2
    minutes = 8
    framework = "torch"
    hints = (
        "Two steps: cut the last axis into (n_heads, d_head), then bring n_heads before T.",
        "`x.unflatten(-1, (n_heads, -1))` cuts; which two axes must be exchanged then?",
    )
    why = "A reshape keeps the order of the numbers; only a transpose moves an axis. Both are needed, in this order."

    def test(self, split_heads):
        import torch

        for B, T, n_heads, d_head, seed in (
            (2, 3, 2, 4, 0),
            (1, 5, 3, 2, 1),
            (3, 1, 1, 4, 2),
            (2, 4, 4, 4, 3),
        ):
            x = np.random.default_rng(seed).standard_normal((B, T, n_heads * d_head)).astype("float32")
            right = _split(x, n_heads)
            got = self.expect_array(self.call(split_heads, torch.tensor(x), n_heads))
            if got.shape == (B, T, n_heads, d_head) and got.shape != right.shape:
                raise exercise.Wrong("The heads stand behind T: bring their axis before it, (B, n_heads, T, d_head).")
            if got.shape == (B, n_heads, d_head, T) and got.shape != right.shape:
                raise exercise.Wrong("The words stand last: the order is (B, n_heads, T, d_head).")
            exercise.name_mistake(
                got,
                right,
                (
                    (
                        x.reshape(right.shape),
                        "A reshape alone mixes words into one head: cut the last axis, then transpose.",
                    ),
                    (
                        x.reshape(B, T, d_head, n_heads).transpose(0, 3, 1, 2),
                        "Head 0 gets every n_heads-th number: it should get the first d_head.",
                    ),
                    (
                        right[:, ::-1],
                        "The heads come in the wrong order: head 0 has the first numbers.",
                    ),
                ),
            )
            self.expect_close(
                got,
                right,
                "Head h gets the numbers h * d_head to (h + 1) * d_head of each word.",
            )

    @staticmethod
    def reference(x, n_heads):
        return x.unflatten(-1, (n_heads, -1)).transpose(1, 2)

    @staticmethod
    def mistakes():
        return (
            exercise.Mistake(
                lambda x, n: x.reshape(x.shape[0], n, x.shape[1], -1),
                "mixes words into one head",
            ),
            exercise.Mistake(
                lambda x, n: x.unflatten(-1, (-1, n)).permute(0, 3, 1, 2),
                "every n_heads-th number",
            ),
            exercise.Mistake(lambda x, n: x.unflatten(-1, (n, -1)), "stand behind T"),
            exercise.Mistake(
                lambda x, n: x.unflatten(-1, (n, -1)).permute(0, 2, 3, 1),
                "The words stand last",
            ),
            exercise.Mistake(lambda x, n: x.unflatten(-1, (n, -1)).transpose(1, 2).flip(1), "wrong order"),
        )


def _softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _decoder(kind, seed, n_blocks=1, d=12, K=10):
    """A decoder of one block with random weights; `kind` says which part is missing."""
    rng = np.random.default_rng(seed)
    words, out = rng.standard_normal((10, d)), rng.standard_normal((d, K))
    places = rng.standard_normal((64, d)) * (kind != "no places")
    matrices = rng.standard_normal((n_blocks, 3, d, d)) / np.sqrt(d)

    def decode(target):
        ids = np.asarray(target)
        if ids.ndim != 2 or ids.shape[1] > 64 or ids.min() < 0 or ids.max() > 9:
            raise ValueError(f"decode reads token ids 0..9 of shape (B, T) with T up to 64, not {ids.shape}")
        x, T = words[ids.astype(int)] + places[: ids.shape[1]], ids.shape[1]
        keep = np.ones((T, T), bool) if kind == "no mask" else np.tril(np.ones((T, T), bool))
        for W_q, W_k, W_v in matrices:
            scores = (x @ W_q) @ (x @ W_k).swapaxes(1, 2) / np.sqrt(d)
            x = x + _softmax(np.where(keep, scores, -1e30)) @ (x @ W_v)
        return x @ out

    return decode


class WhichPart(exercise.Exercise):
    """Write `diagnose(decode)`: which part of a decoder is broken, found by asking it.

    decode, of one block: token ids 0..9 (B, T), T up to 64 -> logits (B, T, 10). Answer "no places" (it does not know
    where a word stands, its mask is there), "no mask" (every place sees the future, it knows its place) or "nothing".
    """

    difficulty = 3
    minutes = 20
    hints = (
        "Two experiments. Change the last token: which rows move? Exchange two early tokens: does the last row move?",
        "With a mask row 0 does not move with the last token. Without places (3, 7, 5) and (7, 3, 5) end alike.",
    )
    why = "The mask hides the future, places make order count. (With two blocks a mask alone gives some order away.)"

    KINDS = ("nothing", "no places", "no mask")

    def test(self, diagnose):
        for seed in range(4):
            for kind in self.KINDS:
                got = self.call(diagnose, _decoder(kind, 10 * seed + len(kind)))
                if self.expect_type(got, str) not in self.KINDS:
                    raise exercise.Wrong(f"Your function returns {got!r}, expected one of {', '.join(self.KINDS)}.")
                if got != kind:
                    raise exercise.Wrong(self.told(kind, got))

    @staticmethod
    def told(kind, got):
        if kind == "no mask":
            return f"You say {got!r} of a decoder without a mask: change the last token, and look whether row 0 moves."
        if kind == "no places":
            return f"You say {got!r} of a decoder without places: exchange two early tokens, and look at the last row."
        return f"You say {got!r} of a decoder that is whole: with a mask row 0 stays, with places order counts."

    @staticmethod
    def reference(decode):
        row = np.array([[3, 7, 5, 1]])
        if np.abs(decode(row) - decode(np.array([[3, 7, 5, 2]])))[0, 0].max() > 1e-3:
            return "no mask"  # row 0 has seen the last token
        if np.abs(decode(row) - decode(np.array([[7, 3, 5, 1]])))[0, -1].max() < 1e-3:
            return "no places"  # the last row does not know the order of the first two
        return "nothing"

    @staticmethod
    def mistakes():
        def whole_row(decode):
            same = np.abs(decode(np.array([[3, 7, 5]])) - decode(np.array([[3, 7, 2]]))).max() < 1e-6
            return "nothing" if same else "no mask"  # the last row may move

        def only_mask(decode):
            moved = np.abs(decode(np.array([[3, 7, 5]])) - decode(np.array([[3, 7, 2]])))[0, 0].max() > 1e-6
            return "no mask" if moved else "nothing"

        def swapped_last(decode):
            moved = np.abs(decode(np.array([[3, 7, 5]])) - decode(np.array([[3, 7, 2]])))[0, 0].max() > 1e-6
            if moved:
                return "no mask"
            moved = np.abs(decode(np.array([[3, 7, 5]])) - decode(np.array([[3, 5, 7]])))[0, -1].max() > 1e-6
            return "nothing" if moved else "no places"  # another last token moves its row in any case

        return (
            exercise.Mistake(whole_row, "of a decoder that is whole"),
            exercise.Mistake(only_mask, "without places"),
            exercise.Mistake(swapped_last, "without places"),
            exercise.Mistake(lambda decode: "nothing", "without places"),
            exercise.Mistake(lambda decode: "broken", "expected one of"),
        )


class CountBlock(exercise.Exercise):
    """Write `count_block(d_model, n_heads, d_ff, cross)`: the number of weights of one block, an int.

    Each attention has four matrices with biases; the MLP has `d_ff` hidden units; each layer norm has gain and shift.
    `cross` adds a second attention with its norm.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "A dense layer from a to b has a * b + b weights. How many of them has an attention, how many the MLP?",
        "Attention 4 (D² + D), MLP 2 D d_ff + d_ff + D, norm 2 D; with `cross` two attentions and three norms.",
    )
    why = "Heads cut the width and cost nothing: their number does not occur in the formula."

    def cases(self):
        yield 512, 8, 2048, False
        yield 512, 8, 2048, True
        yield 48, 4, 192, False
        yield 10, 5, 7, True
        yield 1, 1, 1, False

    def typical(self, right, d_model, n_heads, d_ff, cross):
        D, looks = d_model, 2 if cross else 1
        attention, mlp, norms = (
            4 * (D * D + D),
            2 * D * d_ff + d_ff + D,
            (looks + 1) * 2 * D,
        )
        return (
            (
                looks * 4 * D * D + 2 * D * d_ff + norms,
                "The biases are missing: each dense layer has one for each output.",
            ),
            (
                looks * n_heads * attention + mlp + norms,
                "Heads cut the width; they do not multiply the matrices.",
            ),
            (
                looks * 3 * (D * D + D) + mlp + norms,
                "An attention has four matrices: query, key, value and out.",
            ),
            (
                looks * attention + mlp,
                "The layer norms are missing: gain and shift, 2 D each.",
            ),
            (
                attention + mlp + 4 * D,
                "With `cross` there is a second attention with its norm.",
            ),
        )

    @staticmethod
    def reference(d_model, n_heads, d_ff, cross):
        looks = 2 if cross else 1
        attention = 4 * (d_model * d_model + d_model)
        mlp = d_model * d_ff + d_ff + d_ff * d_model + d_model
        return looks * attention + mlp + (looks + 1) * 2 * d_model

    @staticmethod
    def mistakes():
        right = CountBlock.reference
        part = lambda d: 4 * (d * d + d)
        return (
            exercise.Mistake(
                lambda d, h, f, cross: (2 if cross else 1) * 4 * d * d + 2 * d * f + (3 if cross else 2) * 2 * d,
                "biases are missing",
            ),
            exercise.Mistake(
                lambda d, h, f, cross: right(d, h, f, cross) + (2 if cross else 1) * (h - 1) * part(d),
                "Heads cut",
            ),
            exercise.Mistake(
                lambda d, h, f, cross: right(d, h, f, cross) - (2 if cross else 1) * (d * d + d),
                "four matrices",
            ),
            exercise.Mistake(
                lambda d, h, f, cross: right(d, h, f, cross) - (3 if cross else 2) * 2 * d,
                "norms are missing",
            ),
            exercise.Mistake(lambda d, h, f, cross: right(d, h, f, False), "second attention"),
        )


class BeamStep(exercise.Exercise):
    """Write `beam_step(log_p, next_log_p)`: the k best extensions of k beginnings, the best first.

    log_p (k,): log-probabilities of the beginnings; next_log_p (k, V): of each next word given a beginning. Returns
    three arrays (k,): the index of the beginning, the word, and the log-probability of both together.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "All k · V sums at once: `log_p[:, None] + next_log_p`. The best k of *all* of them, not of each row.",
        "Flatten, `np.argsort(-flat)[:k]`; `divmod(best, V)` gives row and column.",
    )
    why = "Beams compete with each other: two of the survivors may come from the same beginning."

    def test(self, beam_step):
        cases = [(3, 5, 0), (1, 4, 1), (4, 9, 2), (2, 2, 3), (5, 30, 4)]
        for k, V, seed in cases:
            rng = np.random.default_rng(seed)
            log_p = -rng.exponential(1.0, k)
            next_log_p = np.log(rng.dirichlet(np.full(V, 0.4), k) + 1e-9)
            result = self.call(beam_step, log_p.copy(), next_log_p.copy())
            result = self.expect_several(result, ("`beams`", "`words`", "`sums`"))
            beams, words, sums = (self.expect_array(part, (k,)) for part in result)
            total = log_p[:, None] + next_log_p
            best = np.argsort(-total.ravel())[:k]
            rows, columns = divmod(best, V)
            each = np.sort(total.max(1))[::-1]
            exercise.name_mistake(
                sums,
                total.ravel()[best],
                (
                    (
                        np.sort(next_log_p.ravel())[::-1][:k],
                        "The log-probability of the beginning is not added.",
                    ),
                    (
                        each,
                        "You take the best word of each beginning: all k · V extensions compete.",
                    ),
                    (
                        total.max(1),
                        "You take the best word of each beginning: all k · V extensions compete.",
                    ),
                    (
                        np.sort(total.ravel())[:k],
                        "These are the *least* probable: sort from the largest.",
                    ),
                    (np.sort(total.ravel()[best]), "The best comes first."),
                    (
                        np.sort((log_p[:, None] * next_log_p).ravel())[::-1][:k],
                        "Logarithms are added, not multiplied.",
                    ),
                ),
            )
            self.expect_close(
                sums,
                total.ravel()[best],
                "sums: the k largest of log_p[:, None] + next_log_p.",
            )
            if k > 1 and np.array_equal(beams, columns) and np.array_equal(words, rows) and not (rows == columns).all():
                raise exercise.Wrong("Beams and words have changed places: rows are beginnings, columns words.")
            if np.array_equal(words, best) and (best >= V).any():
                raise exercise.Wrong("The word is still an index of the flat array: take the remainder by V.")
            self.expect_close(beams, rows, "beams: which beginning each sum belongs to.")
            self.expect_close(words, columns, "words: which word each sum belongs to.")

    @staticmethod
    def reference(log_p, next_log_p):
        total = log_p[:, None] + next_log_p  # (k, V)
        best = np.argsort(-total.ravel())[: len(log_p)]
        beams, words = divmod(best, total.shape[1])
        return beams, words, total.ravel()[best]

    @staticmethod
    def mistakes():
        right = BeamStep.reference

        def each(log_p, next_log_p):
            total = log_p[:, None] + next_log_p
            return np.arange(len(log_p)), total.argmax(1), total.max(1)

        def worst(log_p, next_log_p):
            total = log_p[:, None] + next_log_p
            best = np.argsort(total.ravel())[: len(log_p)]
            return *divmod(best, total.shape[1]), total.ravel()[best]

        def flat(log_p, next_log_p):
            beams, words, sums = right(log_p, next_log_p)
            return beams, beams * next_log_p.shape[1] + words, sums

        def swapped(log_p, next_log_p):
            beams, words, sums = right(log_p, next_log_p)
            return words, beams, sums

        return (
            exercise.Mistake(lambda log_p, next_log_p: right(0 * log_p, next_log_p), "is not added"),
            exercise.Mistake(each, "best word of each beginning"),
            exercise.Mistake(worst, "least"),
            exercise.Mistake(flat, "remainder by V"),
            exercise.Mistake(swapped, "changed places"),
            exercise.Mistake(
                lambda a, b: tuple(part[::-1] for part in right(a, b)),
                "The best comes first",
            ),
        )
