"""Self-checks of project 2: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise
from utils.exercise import softmax

NEGATIONS = ("not", "no", "never", "cannot")


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
        train = ["A Fine film.", "Not good, bad.", "So   dull!", "Great"]
        test = ["a fine film", "Bad, not good.", "so dull", "fine", "Great!", "Awful."]
        got = self.call(leaks, train, test)
        got = [int(i) for i in self.expect_array(np.array(list(got)), (-1,))] if len(got) else []
        named = {
            (): "No copy found: bring both sides to lower case and drop the punctuation before you compare.",
            (
                0,
                1,
                2,
                4,
            ): "Sentence 1 has the same words in another order: `Bad, not good` is no copy of `Not good, bad`.",
            (0, 1, 2, 3, 4): "Part of a training sentence is no copy: compare whole sentences.",
            (0, 2, 3): "These are indices of training sentences: the places in `test` are asked for.",
            (4,): "Only one copy is found: lower case alone or punctuation alone is not enough, and spaces count too.",
            (0, 4): "A copy with other spaces is missed: split into words and join them again.",
            (2, 4): "Capitals still count: use `.lower()`.",
        }
        if tuple(got) != (0, 2, 4):
            raise exercise.Wrong(named.get(tuple(got), f"Indices {got} instead of [0, 2, 4]."))

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
            exercise.Mistake(capitals_count, "not enough"),
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
        index = {"a": 2, "b": 3, "c": 4}
        texts = [["a", "b"], ["c", "x", "a", "b"], ["x"]]
        got = self.call(encode_and_pad, texts, index, 3)
        if not isinstance(got, tuple) or len(got) != 2:
            raise exercise.Wrong("Return two arrays: `return ids, mask`.")
        ids, mask = self.expect_array(got[0], (3, 3), "ids"), self.expect_array(got[1], (3, 3), "mask")
        right = np.array([[2, 3, 0], [4, 1, 2], [1, 0, 0]])
        for wrong, message in (
            ([[0, 2, 3], [4, 1, 2], [0, 0, 1]], "The padding stands in front: words first, zeros at the end."),
            ([[2, 3, 0], [1, 2, 3], [1, 0, 0]], "A long text keeps its beginning: `tokens[:length]`."),
            ([[2, 3, 0], [4, 0, 2], [0, 0, 0]], "An unknown word became 0, which is padding: it is 1."),
            ([[2, 3, 0], [4, 2, 3], [0, 0, 0]], "Unknown words vanished: each keeps its place as number 1."),
            ([[2, 3, 1], [4, 1, 2], [1, 1, 1]], "The padding is 1, the unknown word: padding is 0."),
        ):
            if np.array_equal(ids, wrong):
                raise exercise.Wrong(message)
        if ids.dtype.kind not in "iu":
            raise exercise.Wrong("The ids are no integers: an embedding looks up rows by whole numbers.")
        self.expect_close(ids, right, name="ids")
        if np.array_equal(mask, right == 0):
            raise exercise.Wrong("The mask is the wrong way round: True at words, False at padding.")
        if np.array_equal(mask, right > 1):
            raise exercise.Wrong("The mask leaves out the unknown word: it was read, so it counts.")
        if not np.array_equal(mask, right > 0):
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
            exercise.Mistake(lambda t, i, n: right(t, i, n)[0], "two arrays"),
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

        rng = np.random.default_rng(0)
        h, s = rng.normal(size=(3, 5, 4)).astype("float32"), rng.normal(size=(3, 5)).astype("float32")
        mask = np.arange(5) < np.array([[5], [3], [2]])
        got = self.call(attention_pool, *map(torch.tensor, (h, mask, s)))
        if getattr(got, "shape", None) == (3, 5):
            raise exercise.Wrong("You return the weights: mix the states with them, a sum over the places.")
        got = self.expect_array(got, (3, 4))
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
            (weights / 5, "Add up, do not average: the weights already add up to 1."),
        ):
            if np.allclose(got, (other[..., None] * h).sum(1), atol=1e-5):
                raise exercise.Wrong(message)
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
        import keras

        ids = np.zeros((64, 40), "int32")
        ids[:, :25] = np.random.default_rng(0).integers(2, 90, (64, 25))
        layer = self.call(drop_words, 0.2)
        if not isinstance(layer, keras.Layer):
            raise exercise.Wrong("Write a class that inherits from keras.Layer and pass the class.")
        quiet = self.expect_array(self.call(layer, ids, training=False), ids.shape)
        if not np.array_equal(quiet, ids):
            raise exercise.Wrong("It drops words outside training too: ask `if training`.")
        first, again = (self.expect_array(self.call(layer, ids, training=True), ids.shape) for _ in range(2))
        if np.array_equal(first, ids):
            raise exercise.Wrong("Nothing is dropped in training.")
        if (first[:, 25:] != 0).any():
            raise exercise.Wrong("Padding became a word: only places with ids > 0 may be hit.")
        if (first[:, :25] == 0).any():
            raise exercise.Wrong("A dropped word became 0, padding in the middle of a sentence: it becomes 1.")
        if not np.isin(first[:, :25] - ids[:, :25] * (first[:, :25] != 1), (0, 1)).all():
            raise exercise.Wrong("The other words must stay as they are: ids are numbers of words, not quantities.")
        share = (first[:, :25] == 1).mean()
        if abs(share - 0.8) < 0.06:
            raise exercise.Wrong("You keep a share `rate` and drop the rest: it is the other way round.")
        if (first[:, :25] == 1).all(1).any() and (first[:, :25] == 1).all(1).mean() < 0.6:
            raise exercise.Wrong("Whole sentences are dropped: draw one number for each place, shape (B, T).")
        if abs(share - 0.2) > 0.06:
            raise exercise.Wrong(f"A share of {share:.2f} of the words was dropped, expected 0.20.")
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
        rng = np.random.default_rng(0)
        easy = rng.random(400) < 0.8
        a, b = easy | (rng.random(400) < 0.3), easy & (rng.random(400) < 0.95)
        right = np.array(self.reference(a, b, 2000, 0))
        got = self.call(paired_interval, a, b, 2000, 1)
        got = self.expect_array(np.array([float(v) for v in got]), (2,), "your interval")
        again = np.array([float(v) for v in self.call(paired_interval, a, b, 2000, 2)])
        width, wanted = got[1] - got[0], right[1] - right[0]
        if width < 0:
            raise exercise.Wrong("The upper end comes first: return the 2.5 % quantile, then the 97.5 % one.")
        if abs(got.mean() + right.mean()) < 0.02 and abs(got.mean() - right.mean()) > 0.03:
            raise exercise.Wrong("The sign is turned round: accuracy of A minus accuracy of B.")
        if width < 0.1 * wanted:
            raise exercise.Wrong("All draws are alike: draw with replacement, or the same N sentences come each time.")
        if np.array_equal(got, again):
            raise exercise.Wrong("Another seed gives exactly the same interval: use `np.random.default_rng(seed)`.")
        if abs(got.mean() - right.mean()) > 0.02:
            raise exercise.Wrong("The middle of the interval is not the difference of the two accuracies.")
        if width > 1.3 * wanted:
            raise exercise.Wrong("Too wide: A and B were drawn apart. Use the same drawn sentences for both.")
        if width < 0.93 * wanted:
            raise exercise.Wrong("Too narrow for 95 %: cut off 2.5 % at each end.")

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
        weights = {"good": 2.0, "not": -1.5, "dull": -1.0, "very": 0.25}

        def log_odds(texts):
            if texts and isinstance(texts[0], str):
                raise exercise.Wrong("The model takes a list of token lists: put one sentence into a list.")
            flip = [-1.0 if "not" in text and "good" in text else 1.0 for text in texts]
            return np.array([f * sum(weights.get(w, 0) for w in t) + 0.5 for f, t in zip(flip, texts, strict=True)])

        for tokens in (["very", "good"], ["not", "good", "dull"], ["very", "very", "good"]):
            got = self.call(leave_one_out, log_odds, tokens)
            whole = log_odds([tokens])[0]
            right = np.array([whole - log_odds([tokens[:t] + tokens[t + 1 :]])[0] for t in range(len(tokens))])
            got = self.expect_array(got, right.shape)
            alone = log_odds([[token] for token in tokens])
            gone = np.array([whole - log_odds([[w for w in tokens if w != token]])[0] for token in tokens])
            for other, message in (
                (-right, "The sign is turned round: whole sentence minus the shorter one."),
                (whole - right, "These are the log-odds of the shorter sentences: take them from those of the whole."),
                (alone, "This asks the word alone: take it out of its sentence instead, the rest is its context."),
                (gone, "A word that stands twice is taken out twice: leave out one place, not every copy."),
            ):
                if np.allclose(got, other) and not np.allclose(got, right):
                    raise exercise.Wrong(message)
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
        probs = np.array([0.05, 0.15, 0.12, 0.55, 0.65, 0.9, 0.95, 1.0, 0.85, 0.97])
        y = np.array([0, 0, 1, 1, 0, 1, 1, 1, 1, 0])
        number, right = self.expect_number(self.call(calibration_error, probs, y, 4)), self.reference(probs, y, 4)
        where = np.minimum((probs * 4).astype(int), 3)
        masks = [where == k for k in range(4) if (where == k).any()]
        gaps = np.array([probs[m].mean() - y[m].mean() for m in masks])
        shares = np.array([m.mean() for m in masks])
        answers = probs > 0.5
        for other, message in (
            (np.abs(gaps).mean(), "All bins count alike here: weight each by its share of the examples."),
            ((gaps * shares).sum(), "Gaps of different sign cancel: take the absolute value in each bin."),
            (abs((gaps * shares).sum()), "The absolute value comes too late: take it in each bin, before you add."),
            (np.abs(probs - y).mean(), "This is the mean error of single answers: compare means within a bin."),
            ((gaps**2 * shares).sum(), "The gaps are squared: their absolute value is asked for."),
            (abs(probs.mean() - y.mean()), "One bin for all: an over-sure and an under-sure half would cancel."),
            (
                sum(s * abs(probs[m].mean() - (answers == y)[m].mean()) for s, m in zip(shares, masks, strict=True)),
                "The share of ones is compared, not the share of right answers: `y[mask].mean()`.",
            ),
        ):
            if np.isclose(number, other) and not np.isclose(number, right):
                raise exercise.Wrong(message)
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
