"""Self-checks of project 2: statement, test, hints, solution and the mistakes whose feedback is tested."""

import re

import numpy as np

from utils import exercise
from utils.exercise import softmax

NEGATIONS = ("not", "no", "never", "cannot")


def _form(sentence, lower=True, spaces=False):
    """The words of a sentence joined by single spaces; or with its own spaces, or its own capitals."""
    sentence = sentence.lower() if lower else sentence
    return re.sub(r"[^\w ]", "", sentence) if spaces else " ".join(re.findall(r"\w+", sentence))


class Leaks(exercise.Exercise):
    """Write `leaks(train, test)`: the indices of the test sentences that also stand in the training part.

    train and test are lists of str. Two sentences are the same if they have the same words in the same order: upper
    or lower case, spaces and punctuation do not count. Return a list of int in ascending order.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Bring each sentence to a common form first. Which parts of it do not count?",
        '`form = " ".join(re.findall(r"\\w+", sentence.lower()))`; keep the training forms in a `set`, ask with `in`.',
    )
    why = "A test sentence that was trained on measures memory. Copies hide behind a capital letter or a full stop."

    def test(self, leaks):
        self._judge_one(leaks, ["Fine."], ["dull", "Fine."])
        self._judge_one(
            leaks,
            ["A Fine film.", "Not good, bad.", "So   dull!", "Great"],
            ["a fine film", "Bad, not good.", "so dull", "fine", "Great!", "Awful."],
        )
        self._judge_one(leaks, ["One, two", "three"], ["three", "two one", "One two.", "four", "Three?"])
        self._judge_one(leaks, ["new"], ["old"])

    def _judge_one(self, leaks, train, test):
        got = self.call(leaks, train, test)
        if isinstance(got, (str, dict)) or not hasattr(got, "__len__"):
            raise exercise.Wrong("Return a list of indices.")
        got = [int(i) for i in self.expect_array(list(got), (-1,))] if len(got) else []
        right = self.reference(train, test)
        if got == right:
            return
        if sorted(got) == right:
            raise exercise.Wrong("The right indices, but not in ascending order.")
        bags = [sorted(form.split()) for form in map(_form, train)]
        parts = " | ".join(map(_form, train))
        rules = (
            (
                "No copy found: bring both sides to lower case and drop the punctuation before you compare.",
                lambda s: False,
            ),
            (
                "Capitals still count: use `.lower()`.",
                lambda s: _form(s, lower=False) in [_form(t, lower=False) for t in train],
            ),
            (
                'Punctuation still counts: keep the words only, `re.findall(r"\\w+", sentence)`.',
                lambda s: " ".join(s.lower().split()) in [" ".join(t.lower().split()) for t in train],
            ),
            (
                "A copy with other spaces is missed: split into words and join them again.",
                lambda s: _form(s, spaces=True) in [_form(t, spaces=True) for t in train],
            ),
            (
                "The same words in another order are no copy: `Bad, not good` is not `Not good, bad`.",
                lambda s: sorted(_form(s).split()) in bags,
            ),
            ("Part of a training sentence is no copy: compare whole sentences.", lambda s: _form(s) in parts),
        )
        for words, taken in rules:
            if got == [i for i, sentence in enumerate(test) if taken(sentence)]:
                raise exercise.Wrong(words)
        if got == self.reference(test, train):
            raise exercise.Wrong("These are indices of training sentences: the places in `test` are asked for.")
        raise exercise.Wrong(f"For train = {train} and test = {test}: {got}, expected {right}.")

    @staticmethod
    def reference(train, test):
        import re

        def form(sentence):
            return " ".join(re.findall(r"\w+", sentence.lower()))

        known = {form(sentence) for sentence in train}
        return [i for i, sentence in enumerate(test) if form(sentence) in known]

    @staticmethod
    def mistakes():
        import re

        def exact(train, test):
            return [i for i, s in enumerate(test) if s in train]

        def bags(train, test):
            known = {frozenset(re.findall(r"\w+", s.lower())) for s in train}
            return [i for i, s in enumerate(test) if frozenset(re.findall(r"\w+", s.lower())) in known]

        def places_in_train(train, test):
            forms = [" ".join(re.findall(r"\w+", s.lower())) for s in test]
            return [i for i, s in enumerate(train) if " ".join(re.findall(r"\w+", s.lower())) in forms]

        def spaces_count(train, test):
            known = {re.sub(r"[^\w ]", "", s.lower()) for s in train}
            return [i for i, s in enumerate(test) if re.sub(r"[^\w ]", "", s.lower()) in known]

        def capitals_count(train, test):
            known = {" ".join(re.findall(r"\w+", s)) for s in train}
            return [i for i, s in enumerate(test) if " ".join(re.findall(r"\w+", s)) in known]

        return (
            exercise.Mistake(exact, "No copy found"),
            exercise.Mistake(bags, "another order"),
            exercise.Mistake(places_in_train, "indices of training sentences"),
            exercise.Mistake(spaces_count, "other spaces"),
            exercise.Mistake(capitals_count, "use `.lower()`"),
        )


class MarkNegation(exercise.Exercise):
    """Write `mark_negation(tokens)`: a list of lower-case tokens with `not_` before each word that a negation reaches.

    Negations are "not", "no", "never", "cannot" and every word that ends in "n't"; they stay as they are. Each reaches
    to the next of `. , ; : ! ?` or to the end. ["not", "very", "good", ",", "but", "short"] becomes
    ["not", "not_very", "not_good", ",", "but", "short"].
    """

    difficulty = 2
    minutes = 10
    hints = (
        "Walk through the tokens with one flag: are we behind a negation? Three kinds of tokens change it or use it.",
        "Punctuation sets the flag to False, a negation sets it to True, any other word gets `not_` while it is True.",
    )
    why = "For a model that counts words, `not_good` is a word of its own with its own weight (Das and Chen, 2001)."

    TEXTS = (
        ["it", "is", "not", "very", "good", ",", "but", "short"],
        ["good"],
        ["i", "don't", "like", "it"],
        ["never", "dull", ".", "funny"],
        ["not", "bad", "and", "not", "dull", "!"],
    )

    def test(self, mark_negation):
        for tokens in self.TEXTS:
            right = self.reference(tokens)
            got = self.call(mark_negation, tokens)
            if isinstance(got, str):
                raise exercise.Wrong("Return the list of tokens, not one joined text.")
            got = list(got)
            if got == right:
                continue
            if len(got) != len(tokens):
                raise exercise.Wrong(f"{len(tokens)} tokens come in and {len(got)} come out: each stays in its place.")
            self._name(tokens, got, right)

    @staticmethod
    def _name(tokens, got, right):
        marked = [token.startswith("not_") for token in got]
        negation = [token in NEGATIONS or token.endswith("n't") for token in tokens]
        if any(m and n for m, n in zip(marked, negation, strict=True)):
            raise exercise.Wrong("The negation itself stays as it is: only the words behind it are marked.")
        if any(m and not token.isidentifier() and "'" not in token for m, token in zip(marked, tokens, strict=True)):
            raise exercise.Wrong("Punctuation is no word: it ends the reach of the negation and gets no mark.")
        if "don't" in tokens and not any(marked):
            raise exercise.Wrong("`don't` negates as well: look at the end of the word, `n't`.")
        first = negation.index(True) if any(negation) else len(tokens)
        if any(marked[:first]):
            raise exercise.Wrong("Words before the negation are marked: it reaches forward only.")
        wanted = [token.startswith("not_") for token in right]
        if sum(marked) > sum(wanted):
            raise exercise.Wrong("The mark goes on behind the punctuation: there the reach of the negation ends.")
        raise exercise.Wrong(f"Only part of the reach is marked: {got}, expected {right}.")

    @staticmethod
    def reference(tokens):
        marked, inside = [], False
        for token in tokens:
            if token in (".", ",", ";", ":", "!", "?"):
                inside = False
                marked.append(token)
            elif token in ("not", "no", "never", "cannot") or token.endswith("n't"):
                inside = True
                marked.append(token)
            else:
                marked.append(f"not_{token}" if inside else token)
        return marked

    @staticmethod
    def mistakes():
        right = MarkNegation.reference

        def next_only(tokens):
            return [f"not_{t}" if i and tokens[i - 1] in NEGATIONS else t for i, t in enumerate(tokens)]

        def to_the_end(tokens):
            start = next((i for i, t in enumerate(tokens) if t in NEGATIONS or t.endswith("n't")), len(tokens))
            ends = (".", ",", ";", ":", "!", "?")
            return [
                f"not_{t}" if i > start and t not in ends and t not in NEGATIONS else t for i, t in enumerate(tokens)
            ]

        def with_the_negation(tokens):
            return [f"not_{t}" if t in NEGATIONS else m for t, m in zip(tokens, right(tokens), strict=True)]

        def no_short_forms(tokens):
            return tokens if "don't" in tokens else right(tokens)

        def everything(tokens):
            hit = any(t in NEGATIONS or t.endswith("n't") for t in tokens)
            ends = (".", ",", ";", ":", "!", "?", *NEGATIONS)
            return [f"not_{t}" if hit and t not in ends else t for t in tokens]

        def without_punctuation(tokens):
            return [t for t in right(tokens) if t.isidentifier() or "'" in t]

        return (
            exercise.Mistake(next_only, "Only part of the reach"),
            exercise.Mistake(to_the_end, "behind the punctuation"),
            exercise.Mistake(with_the_negation, "negation itself stays"),
            exercise.Mistake(no_short_forms, "`n't`"),
            exercise.Mistake(everything, "reaches forward only"),
            exercise.Mistake(without_punctuation, "each stays in its place"),
        )


class EncodeAndPad(exercise.Exercise):
    """Write `encode_and_pad(texts, index, length)`: numbers and mask of B token lists.

    index is a dict word -> number, 2 or larger. 0 is padding, 1 is any word that index lacks. Return ids (B, length),
    integers, and mask (B, length) of bool, True at words. Long texts keep their beginning; padding stands at the end.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Start with `np.zeros((B, length), int)` and fill row by row. What does `dict.get` return for a missing word?",
        "`row = [index.get(word, 1) for word in tokens[:length]]`, then `ids[i, : len(row)] = row`; mask is `ids > 0`.",
    )
    why = "An unknown word is a word: it gets a number of its own, and the mask counts it."

    def test(self, encode_and_pad):
        for texts, index, length in (
            (["ab", "cxab", "x"], {"a": 2, "b": 3, "c": 4}, 3),
            (["bd"], {"d": 2, "b": 5}, 4),
            (["ccac", "zz", "acz", "c"], {"a": 3, "c": 2}, 2),
        ):
            self._judge_one(encode_and_pad, [list(text) for text in texts], index, length)

    def _judge_one(self, encode_and_pad, texts, index, length):
        got = self.expect_several(self.call(encode_and_pad, texts, index, length), ("`ids`", "`mask`"))
        shape = (len(texts), length)
        ids, mask = self.expect_array(got[0], shape, "ids"), self.expect_array(got[1], shape, "mask")
        right = self.reference(texts, index, length)[0]
        of = lambda change: self.reference([change(text) for text in texts], index, length)[0]
        in_front = np.array([np.r_[row[row == 0], row[row > 0]] for row in right])
        exercise.name_mistake(
            ids,
            right,
            (
                (in_front, "The padding stands in front: words first, zeros at the end."),
                (of(lambda text: text[-length:]), "A long text keeps its beginning: `tokens[:length]`."),
                (np.where(right == 1, 0, right), "An unknown word became 0, which is padding: it is 1."),
                (
                    of(lambda text: [w for w in text if w in index]),
                    "Unknown words vanished: each keeps its place as number 1.",
                ),
                (np.where(right == 0, 1, right), "The padding is 1, the unknown word: padding is 0."),
            ),
        )
        if ids.dtype.kind not in "iu":
            raise exercise.Wrong("The ids are no integers: an embedding looks up rows by whole numbers.")
        self.expect_close(ids, right, name="ids")
        if np.array_equal(mask, right > 0):
            return
        if np.array_equal(mask, right == 0):
            raise exercise.Wrong("The mask is the wrong way round: True at words, False at padding.")
        if np.array_equal(mask, right > 1):
            raise exercise.Wrong("The mask leaves out the unknown word: it was read, so it counts.")
        raise exercise.Wrong("The mask is True exactly where a word stands, known or not.")

    @staticmethod
    def reference(texts, index, length):
        import numpy as np

        ids = np.zeros((len(texts), length), int)
        for row, tokens in zip(ids, texts, strict=True):
            numbers = [index.get(word, 1) for word in tokens[:length]]
            row[: len(numbers)] = numbers
        return ids, ids > 0

    @staticmethod
    def mistakes():
        right = EncodeAndPad.reference

        def in_front(texts, index, length):
            ids = np.zeros((len(texts), length), int)
            for row, tokens in zip(ids, texts, strict=True):
                numbers = [index.get(word, 1) for word in tokens[:length]]
                row[length - len(numbers) :] = numbers
            return ids, ids > 0

        def unknown_is_padding(texts, index, length):
            ids, mask = right(texts, index, length)
            return np.where(ids == 1, 0, ids), mask

        return (
            exercise.Mistake(in_front, "stands in front"),
            exercise.Mistake(lambda t, i, n: right([s[-n:] for s in t], i, n), "keeps its beginning"),
            exercise.Mistake(unknown_is_padding, "which is padding"),
            exercise.Mistake(lambda t, i, n: right([[w for w in s if w in i] for s in t], i, n), "vanished"),
            exercise.Mistake(lambda t, i, n: (right(t, i, n)[0], right(t, i, n)[0] == 0), "wrong way round"),
            exercise.Mistake(lambda t, i, n: (right(t, i, n)[0], right(t, i, n)[0] > 1), "leaves out the unknown"),
            exercise.Mistake(lambda t, i, n: right(t, i, n)[0], "2 things"),
        )


class AttentionPool(exercise.Exercise):
    """Write `attention_pool(h, mask, scores)` in PyTorch: h (B, T, W), mask (B, T) bool, scores (B, T) -> (B, W).

    The answer is the mean of the states h at True places, weighted by the softmax of their scores.
    """

    difficulty = 2
    minutes = 10
    framework = "torch"
    hints = (
        "Padding must get weight 0 and the others must add up to 1. Which score has the exponential 0?",
        "`scores.masked_fill(~mask, -1e9).softmax(dim=1)`, then `(weights[..., None] * h).sum(1)`.",
    )
    why = "A very negative score is weight 0 after the softmax, and the rest still adds up to 1."

    def test(self, attention_pool):
        import torch

        for seed, lengths, T, W in ((0, [2], 3, 2), (1, [5, 3, 2], 5, 4), (2, [1, 4], 6, 3), (3, [2, 2, 1, 2], 2, 5)):
            rng = np.random.default_rng(seed)
            h, s = rng.normal(size=(len(lengths), T, W)), 2 * rng.normal(size=(len(lengths), T))
            mask = np.arange(T) < np.array(lengths)[:, None]
            h, s = (torch.tensor(part, dtype=torch.float32, requires_grad=True) for part in (h, s))
            got = self.call(attention_pool, h, torch.tensor(mask), s)
            self._judge_one(got, h.detach().numpy(), mask, s.detach().numpy())

    def _judge_one(self, got, h, mask, s):
        B, T, W = h.shape
        if getattr(got, "shape", None) == (B, T) and T != W:
            raise exercise.Wrong("You return the weights: mix the states with them, a sum over the places.")
        got = self.expect_array(got, (B, W))
        weights = softmax(np.where(mask, s, -1e9))
        right = (weights[..., None] * h).sum(1)
        for other, message in (
            (softmax(s), "The mask has no effect: padding is mixed in."),
            (
                softmax(s) * mask,
                "Masked after the softmax, the weights no longer add up to 1: mask the scores.",
            ),
            (
                softmax(s * mask),
                "A score of 0 still gets weight, since exp(0) = 1: use a very negative score.",
            ),
            (softmax(np.where(mask, -1e9, s)), "The mask is the wrong way round: True is a word."),
            (
                mask / mask.sum(1, keepdims=True),
                "This is the plain mean: the scores decide how much each place counts.",
            ),
            (softmax(np.where(mask, s, -1e9), 0), "The softmax runs over the batch: the places are axis 1."),
            (weights / T, "Add up, do not average: the weights already add up to 1."),
        ):
            exercise.name_mistake(got, right, [((other[..., None] * h).sum(1), message)])
        self.expect_close(got, right, "Softmax of the masked scores, times h, added up over the places.", 1e-4, 1e-5)

    @staticmethod
    def reference(h, mask, scores):
        weights = scores.masked_fill(~mask, -1e9).softmax(dim=1)  # (B, T)
        return (weights[..., None] * h).sum(1)

    mistakes = (
        exercise.Mistake(lambda h, mask, s: (s.softmax(1)[..., None] * h).sum(1), "no effect"),
        exercise.Mistake(lambda h, mask, s: ((s.softmax(1) * mask)[..., None] * h).sum(1), "after the softmax"),
        exercise.Mistake(lambda h, mask, s: ((s * mask).softmax(1)[..., None] * h).sum(1), "exp(0) = 1"),
        exercise.Mistake(
            lambda h, mask, s: (s.masked_fill(mask, -1e9).softmax(1)[..., None] * h).sum(1), "wrong way round"
        ),
        exercise.Mistake(lambda h, mask, s: (mask[..., None] * h).sum(1) / mask.sum(1, keepdim=True), "plain mean"),
        exercise.Mistake(
            lambda h, mask, s: (s.masked_fill(~mask, -1e9).softmax(1)[..., None] * h).mean(1), "do not average"
        ),
        exercise.Mistake(lambda h, mask, s: s.masked_fill(~mask, -1e9).softmax(1), "return the weights"),
    )


class DropWords(exercise.Exercise):
    """Write the Keras layer `DropWords(rate)`: in training, each word becomes 1 (unknown) with probability rate.

    ids (B, T) int32 -> (B, T) int32. Padding, which is 0, stays; outside training nothing changes. Random numbers come
    from `keras.random.uniform` with a `keras.random.SeedGenerator` that the layer owns.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    hints = (
        "`call(self, ids, training=False)`. Draw one uniform number for each place: which places are hit?",
        "hit = `keras.random.uniform(ops.shape(ids), seed=self.seed) < self.rate`, and ids > 0; "
        "`ops.where(hit, 1, ids)` if training.",
    )
    why = "The model learns to answer with a word missing, and the unknown word gets a trained vector."

    def test(self, drop_words):
        for rate, B, T, words in ((0.2, 64, 40, 25), (0.5, 100, 20, 16), (0.1, 200, 30, 20)):
            ids = np.zeros((B, T), "int32")
            ids[:, :words] = np.random.default_rng(B).integers(2, 90, (B, words))
            self._judge_one(self.call(drop_words, rate), ids, rate, words)

    def _judge_one(self, layer, ids, rate, words):
        import keras

        if not isinstance(layer, keras.Layer):
            raise exercise.Wrong("Write a class that inherits from keras.Layer and pass the class.")
        quiet = self.expect_array(self.call(layer, ids, training=False), ids.shape)
        if not np.array_equal(quiet, ids):
            raise exercise.Wrong("It drops words outside training too: ask `if training`.")
        first, again = (self.expect_array(self.call(layer, ids, training=True), ids.shape) for _ in range(2))
        if np.array_equal(first, ids):
            raise exercise.Wrong("Nothing is dropped in training.")
        if (first[:, words:] != 0).any():
            raise exercise.Wrong("Padding became a word: only places with ids > 0 may be hit.")
        if (first[:, :words] == 0).any():
            raise exercise.Wrong("A dropped word became 0, padding in the middle of a sentence: it becomes 1.")
        if not np.isin(first[:, :words] - ids[:, :words] * (first[:, :words] != 1), (0, 1)).all():
            raise exercise.Wrong("The other words must stay as they are: ids are numbers of words, not quantities.")
        share = (first[:, :words] == 1).mean()
        if rate != 0.5 and abs(share - 1 + rate) < 0.06:
            raise exercise.Wrong("You keep a share `rate` and drop the rest: it is the other way round.")
        if (first[:, :words] == 1).all(1).any() and (first[:, :words] == 1).all(1).mean() < 0.9:
            raise exercise.Wrong("Whole sentences are dropped: draw one number for each place, shape (B, T).")
        if abs(share - rate) > 0.06:
            raise exercise.Wrong(f"A share of {share:.2f} of the words was dropped, expected {rate:.2f}.")
        hit = first[:, :words] == 1
        if (hit == hit[0]).all():
            raise exercise.Wrong("Every sentence loses the same places: draw one number for each place, shape (B, T).")
        if np.array_equal(first, again):
            raise exercise.Wrong("Each call drops the same words: give a SeedGenerator, not a number, as seed.")

    @staticmethod
    def reference(rate):
        import keras
        from keras import ops

        class DropWords(keras.Layer):
            def __init__(self, rate):
                super().__init__()
                self.rate, self.seed = rate, keras.random.SeedGenerator()

            def call(self, ids, training=False):
                if not training:
                    return ids
                hit = keras.random.uniform(ops.shape(ids), seed=self.seed) < self.rate  # (B, T)
                return ops.where(ops.logical_and(hit, ids > 0), 1, ids)

        return DropWords(rate)

    @staticmethod
    def mistakes():
        import keras
        from keras import ops

        def layer(change, always=False, fixed=False, shape=None):
            class Dropper(keras.Layer):
                def __init__(self, rate):
                    super().__init__()
                    self.rate, self.seed = rate, 7 if fixed else keras.random.SeedGenerator(7)

                def call(self, ids, training=False):
                    if not training and not always:
                        return ids
                    ids = ops.convert_to_tensor(ids)
                    size = (ids.shape[0], 1) if shape else ids.shape
                    u = keras.random.uniform(size, seed=self.seed)
                    return change(ids, u, self.rate)

            return Dropper

        def right(ids, u, rate):
            return ops.where(ops.logical_and(u < rate, ids > 0), 1, ids)

        return (
            exercise.Mistake(layer(right, always=True), "outside training"),
            exercise.Mistake(layer(lambda ids, u, rate: ops.where(u < rate, 1, ids)), "Padding became a word"),
            exercise.Mistake(layer(lambda ids, u, rate: ops.where(u < rate, 0, ids)), "padding in the middle"),
            exercise.Mistake(layer(lambda ids, u, rate: right(ids, 1 - u, 1 - rate)), "other way round"),
            exercise.Mistake(layer(right, shape=True), "Whole sentences"),
            exercise.Mistake(layer(right, fixed=True), "the same words"),
            exercise.Mistake(layer(lambda ids, u, rate: ids), "Nothing is dropped"),
        )


class PairedInterval(exercise.Exercise):
    """Write `paired_interval(right_a, right_b, draws, seed)`: 95 % bootstrap interval of the difference in accuracy.

    right_a, right_b (N,) of bool: was model A, was model B right on sentence n? Draw N sentences with replacement,
    `draws` times; each draw gives accuracy of A minus accuracy of B *on the same sentences*. Return the 2.5 % and the
    97.5 % quantile of the differences.
    """

    difficulty = 2
    minutes = 15
    time_limit = 20.0
    hints = (
        "The difference for one sentence is -1, 0 or 1. You need no more than that array.",
        "`d = right_a.astype(float) - right_b`, `rows = rng.integers(0, n, (draws, n))`, then "
        "`np.quantile(d[rows].mean(1), [0.025, 0.975])`.",
    )
    why = "Both models meet the same easy and hard sentences: pairing takes that luck out and the interval shrinks."

    def test(self, paired_interval):
        for seed, n, draws, better in ((0, 400, 1500, 0.3), (1, 150, 2500, 0.6), (2, 300, 1800, 0.05)):
            rng = np.random.default_rng(seed)
            easy = rng.random(n) < 0.8
            a, b = easy | (rng.random(n) < better), easy & (rng.random(n) < 0.95)
            self._judge_one(paired_interval, a, b, draws)
        self._judge_draws(paired_interval)

    def _interval(self, paired_interval, a, b, draws, seed):
        got = self.expect_several(self._as_tuple(self.call(paired_interval, a, b, draws, seed)), ("low", "high"))
        return np.array([self.expect_number(end) for end in got])

    @staticmethod
    def _as_tuple(got):
        return tuple(got) if hasattr(got, "shape") and len(got.shape) == 1 else got

    def _judge_one(self, paired_interval, a, b, draws):
        """Compare the mean of several seeds with the solution's: any stream of random numbers will do."""
        mean_of = lambda answer, seeds: np.mean([answer(a, b, draws, seed) for seed in seeds], 0)
        right, difference = mean_of(self.reference, range(3)), a.mean() - b.mean()
        got = mean_of(lambda *args: self._interval(paired_interval, *args), range(10, 14))
        width, wanted = got[1] - got[0], right[1] - right[0]
        if width < 0:
            raise exercise.Wrong("The upper end comes first: return the 2.5 % quantile, then the 97.5 % one.")
        if abs(got.mean() + difference) < 0.02 < 0.03 < abs(got.mean() - difference):
            raise exercise.Wrong("The sign is turned round: accuracy of A minus accuracy of B.")
        if width < 0.1 * wanted:
            raise exercise.Wrong("All draws are alike: draw with replacement, or the same N sentences come each time.")
        if abs(got.mean() - difference) > 0.02:
            raise exercise.Wrong("The middle of the interval is not the difference of the two accuracies.")
        z99, z90 = 2.576 / 1.96, 1.645 / 1.96
        if abs(width / wanted - z99) < 0.05:
            raise exercise.Wrong("Too wide: this is about a 99 % interval. Cut off 2.5 % at each end.")
        if width > 1.13 * wanted:
            raise exercise.Wrong("Too wide: A and B were drawn apart. Use the same drawn sentences for both.")
        if width < (1 + z90) / 2 * wanted:
            raise exercise.Wrong("Too narrow for 95 %: cut off 2.5 % at each end.")

    def _judge_draws(self, paired_interval):
        """What seed and number of draws do: on 997 sentences two streams hardly ever agree to the last digit."""
        rng = np.random.default_rng(5)
        a, b = rng.random(997) < 0.8, rng.random(997) < 0.7
        ends = [tuple(self._interval(paired_interval, a, b, 301, seed)) for seed in range(6)]
        if len(set(ends)) == 1:
            raise exercise.Wrong("Another seed gives exactly the same interval: use `np.random.default_rng(seed)`.")
        if tuple(self._interval(paired_interval, a, b, 301, 0)) != ends[0]:
            raise exercise.Wrong("The same seed gives another interval: all draws come from `default_rng(seed)`.")
        few, many = (
            np.std([self._interval(paired_interval, a, b, draws, seed) for seed in range(12)], 0).mean()
            for draws in (20, 800)
        )
        if few < 2 * many:
            raise exercise.Wrong("The number of draws changes nothing: use `draws`.")

    @staticmethod
    def reference(right_a, right_b, draws, seed):
        import numpy as np

        difference = right_a.astype(float) - right_b.astype(float)  # (N,): -1, 0 or 1
        rng, n = np.random.default_rng(seed), len(difference)
        means = [difference[rng.integers(0, n, n)].mean() for _ in range(draws)]
        return tuple(np.quantile(means, [0.025, 0.975]))

    @staticmethod
    def mistakes():
        def unpaired(a, b, draws, seed):
            rng, n = np.random.default_rng(seed), len(a)
            rows = rng.integers(0, n, (2, draws, n))
            return np.quantile(a[rows[0]].mean(1) - b[rows[1]].mean(1), [0.025, 0.975])

        def shuffled(a, b, draws, seed):
            rng = np.random.default_rng(seed)
            d = a.astype(float) - b
            return np.quantile([rng.permutation(d).mean() for _ in range(draws)], [0.025, 0.975])

        def ninety(a, b, draws, seed):
            rng = np.random.default_rng(seed)
            d = a.astype(float) - b
            return np.quantile(d[rng.integers(0, len(d), (draws, len(d)))].mean(1), [0.05, 0.95])

        right = PairedInterval.reference
        return (
            exercise.Mistake(unpaired, "drawn apart"),
            exercise.Mistake(shuffled, "with replacement"),
            exercise.Mistake(lambda a, b, draws, seed: right(b, a, draws, seed), "sign is turned"),
            exercise.Mistake(ninety, "Too narrow"),
            exercise.Mistake(lambda a, b, draws, seed: right(a, b, draws, seed)[::-1], "upper end comes first"),
            exercise.Mistake(lambda a, b, draws, seed: right(a, b, draws, 0), "Another seed"),
        )


def _log_odds(weights, bias):
    """A small model: sums of weights, turned round where "not" meets "good" or "fine"."""

    def log_odds(texts):
        if texts and isinstance(texts[0], str):
            raise exercise.Wrong("The model takes a list of token lists: put one sentence into a list.")
        flip = [-1.0 if "not" in text and {"good", "fine"} & set(text) else 1.0 for text in texts]
        return np.array([f * sum(weights.get(w, 0) for w in t) + bias for f, t in zip(flip, texts, strict=True)])

    return log_odds


class LeaveOneOut(exercise.Exercise):
    """Write `leave_one_out(log_odds, tokens)`: how much each word adds to the answer, (T,).

    log_odds is a function: a list of N token lists -> (N,), positive for a kind sentence. The contribution of word t is
    the log-odds of the whole sentence minus those of the sentence without the word at place t.
    """

    difficulty = 2
    minutes = 10
    hints = (
        "Build T shorter sentences, each without one place, and ask the model for all of them at once.",
        "`shorter = [tokens[:t] + tokens[t + 1 :] for t in range(len(tokens))]`.",
    )
    why = "A word that spoke for the answer is missed: the log-odds fall, and the contribution is positive."

    def test(self, leave_one_out):
        plain = {"good": 2.0, "not": -1.5, "dull": -1.0, "very": 0.25}
        other = {"good": 1.0, "not": -0.5, "dull": -3.0, "fine": 0.7}
        for weights, bias, tokens in (
            (plain, 0.5, ["very", "good"]),
            (plain, 0.5, ["not", "good", "dull"]),
            (other, -1.0, ["fine"]),
            (other, -1.0, ["not", "fine", "good", "dull"]),
            (plain, 0.5, ["very", "very", "good"]),
        ):
            self._judge_one(leave_one_out, _log_odds(weights, bias), tokens)

    def _judge_one(self, leave_one_out, log_odds, tokens):
        right, whole = self.reference(log_odds, tokens), log_odds([tokens])[0]
        got = self.expect_array(self.call(leave_one_out, log_odds, tokens), right.shape)
        gone = np.array([whole - log_odds([[w for w in tokens if w != token]])[0] for token in tokens])
        exercise.name_mistake(
            got,
            right,
            (
                (-right, "The sign is turned round: whole sentence minus the shorter one."),
                (whole - right, "These are the log-odds of the shorter sentences: take them from those of the whole."),
                (
                    log_odds([[token] for token in tokens]),
                    "This asks the word alone: take it out of its sentence instead, the rest is its context.",
                ),
                (gone, "A word that stands twice is taken out twice: leave out one place, not every copy."),
            ),
        )
        self.expect_close(got, right, f"For {tokens}:")

    @staticmethod
    def reference(log_odds, tokens):
        shorter = [tokens[:t] + tokens[t + 1 :] for t in range(len(tokens))]
        odds = log_odds([tokens, *shorter])  # (1 + T,)
        return odds[0] - odds[1:]

    @staticmethod
    def mistakes():
        right = LeaveOneOut.reference

        def every_copy(log_odds, tokens):
            whole = log_odds([tokens])[0]
            return np.array([whole - log_odds([[w for w in tokens if w != token]])[0] for token in tokens])

        return (
            exercise.Mistake(lambda f, t: -right(f, t), "sign is turned"),
            exercise.Mistake(lambda f, t: f([t])[0] - right(f, t), "of the shorter sentences"),
            exercise.Mistake(lambda f, t: f([[w] for w in t]), "the word alone"),
            exercise.Mistake(every_copy, "not every copy"),
            exercise.Mistake(lambda f, t: f(t), "list of token lists"),
        )


class CalibrationError(exercise.Exercise):
    """Write `calibration_error(probs, y, bins)`: the expected calibration error, one number.

    probs (N,) are probabilities of class 1, y (N,) is 0 or 1. Cut 0..1 into `bins` equal bins. In each, compare the
    mean probability with the share of ones. Return the mean of the absolute gaps, weighted by the examples in the bin.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Which bin? `np.minimum((probs * bins).astype(int), bins - 1)`: the probability 1 belongs to the last one.",
        "For each bin with examples add `mask.mean() * abs(probs[mask].mean() - y[mask].mean())`.",
    )
    why = "If the model says 80 %, about 80 of 100 should be right. The error is the mean distance from that."

    def test(self, calibration_error):
        for seed, n, bins in ((0, 6, 2), (1, 12, 4), (2, 30, 5), (3, 9, 3)):
            rng = np.random.default_rng(seed)
            probs = rng.beta(0.7, 0.7, n)
            probs[0] = 1.0  # belongs to the last bin
            y = (rng.random(n) < 0.2 + 0.5 * probs).astype(int)
            y[0] = 0
            self._judge_one(self.expect_number(self.call(calibration_error, probs, y, bins)), probs, y, bins)

    def _judge_one(self, number, probs, y, bins):
        right, where = self.reference(probs, y, bins), np.minimum((probs * bins).astype(int), bins - 1)
        masks = [where == k for k in range(bins) if (where == k).any()]
        gaps = np.array([probs[m].mean() - y[m].mean() for m in masks])
        shares = np.array([m.mean() for m in masks])
        answers = probs > 0.5
        sure, correct = np.maximum(probs, 1 - probs), (answers == y).astype(int)
        below = [m & (probs < 1) for m in masks if (m & (probs < 1)).any()]
        exercise.name_mistake(
            number,
            right,
            (
                (np.abs(gaps).mean(), "All bins count alike here: weight each by its share of the examples."),
                ((gaps * shares).sum(), "Gaps of different sign cancel: take the absolute value in each bin."),
                (abs((gaps * shares).sum()), "The absolute value comes too late: take it in each bin, before you add."),
                (np.abs(probs - y).mean(), "This is the mean error of single answers: compare means within a bin."),
                ((gaps**2 * shares).sum(), "The gaps are squared: their absolute value is asked for."),
                (
                    sum(s * abs(probs[m].mean() - correct[m].mean()) for s, m in zip(shares, masks, strict=True)),
                    "The share of ones is compared, not the share of right answers: `y[mask].mean()`.",
                ),
                (
                    self.reference(sure, correct, bins),
                    "These are confidences, max(p, 1 - p): the probability of class 1 is compared with the ones.",
                ),
                (
                    sum(m.mean() * abs(probs[m].mean() - y[m].mean()) for m in below),
                    "The probability 1 falls out of the last bin: `np.minimum(..., bins - 1)`.",
                ),
            ),
        )
        self.expect_close(np.array(number), np.array(right), "Weighted mean of absolute gaps.")

    @staticmethod
    def reference(probs, y, bins):
        import numpy as np

        where, error = np.minimum((probs * bins).astype(int), bins - 1), 0.0
        for k in range(bins):
            mask = where == k
            if mask.any():
                error += mask.mean() * abs(probs[mask].mean() - y[mask].mean())
        return error

    @staticmethod
    def mistakes():
        def gaps(probs, y, bins):
            where = np.minimum((probs * bins).astype(int), bins - 1)
            masks = [where == k for k in range(bins) if (where == k).any()]
            return np.array([probs[m].mean() - y[m].mean() for m in masks]), np.array([m.mean() for m in masks])

        def of_answers(probs, y, bins):
            return CalibrationError.reference(probs, ((probs > 0.5) == y).astype(int), bins)

        return (
            exercise.Mistake(lambda p, y, n: np.abs(gaps(p, y, n)[0]).mean(), "count alike"),
            exercise.Mistake(lambda p, y, n: (gaps(p, y, n)[0] * gaps(p, y, n)[1]).sum(), "cancel"),
            exercise.Mistake(lambda p, y, n: np.abs(p - y).mean(), "single answers"),
            exercise.Mistake(lambda p, y, n: (gaps(p, y, n)[0] ** 2 * gaps(p, y, n)[1]).sum(), "squared"),
            exercise.Mistake(of_answers, "share of ones"),
        )
