"""Exercises of lesson 3.3: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise


class BitsPerCharacter(exercise.Exercise):
    """Write `bits_per_character(log_p, n_characters)`: what a text costs, one number.

    log_p (T,): natural logarithms of the probabilities that a model gave to the T tokens of the text, which has
    n_characters characters.
    """

    difficulty = 1
    minutes = 8
    hints = (
        "First the cost of the whole text in bits; a natural logarithm becomes a binary one by dividing by ln 2.",
        "`-log_p.sum() / np.log(2) / n_characters`.",
    )
    why = "The sum does not ask how the text was cut: models with different tokenizers can be compared."

    def cases(self):
        for n_tokens, n_characters, seed in ((5, 11, 1), (40, 90, 2), (1, 3, 0), (7, 7, 3)):
            yield np.log(np.random.default_rng(seed).uniform(0.01, 0.9, n_tokens)), n_characters

    def typical(self, right, log_p, n_characters):
        bits = -log_p / np.log(2)
        return (
            (-right, "The sign: a logarithm of a probability is negative, a cost is not."),
            (right * np.log(2), "These are nats: divide by ln 2."),
            (right * np.log(2) ** 2, "You multiplied by ln 2: divide."),
            (bits.mean(), "This is per token: the same text cut otherwise would cost another number."),
            (2**right, "This is a perplexity, 2 to the power of the bits: stop before it."),
            (bits.sum(), "This is the whole text: divide by its characters."),
            (-log_p.sum() / np.log(10) / n_characters, "The base is 10: bits are logarithms to the base 2."),
        )

    @staticmethod
    def reference(log_p, n_characters):
        import numpy as np

        return -log_p.sum() / np.log(2) / n_characters

    mistakes = (
        exercise.Mistake(lambda log_p, n: log_p.sum() / np.log(2) / n, "The sign"),
        exercise.Mistake(lambda log_p, n: -log_p.sum() / n, "nats"),
        exercise.Mistake(lambda log_p, n: -log_p.mean() / np.log(2), "per token"),
        exercise.Mistake(lambda log_p, n: 2 ** (-log_p.sum() / np.log(2) / n), "perplexity"),
        exercise.Mistake(lambda log_p, n: -log_p.sum() / np.log(2), "whole text"),
        exercise.Mistake(lambda log_p, n: -log_p.sum() / np.log(10) / n, "base is 10"),
    )


def _nucleus(probs, p, *, strict=False, normalise=True, ascending=False):
    order = np.argsort(probs if ascending else -probs, kind="stable")
    total = np.cumsum(probs[order])
    keep = order[(total <= p) if strict else (total - probs[order] < p)]
    kept = np.zeros_like(probs)
    kept[keep] = probs[keep]
    return kept / kept.sum() if normalise and kept.any() else kept


class TopP(exercise.Exercise):
    """Write `top_p(probs, p)`: the fewest likeliest tokens that have together at least p, (K,) -> (K,).

    All others get 0, and what is left adds up to 1. The places stay as they are. No two probabilities are equal.
    """

    difficulty = 2
    minutes = 12
    hints = (
        "Sort from the largest down and add up. A token stays if those *before* it have less than p together.",
        "`order = np.argsort(-probs)`, `before = np.cumsum(probs[order]) - probs[order]`, keep `order[before < p]`.",
    )
    why = "The set grows where the model is unsure and shrinks where it is sure: a fixed k does neither."

    def cases(self):
        yield np.array([0.1, 0.5, 0.25, 0.15]), 0.4
        yield np.array([0.1, 0.5, 0.25, 0.15]), 0.7
        yield np.array([0.05, 0.9, 0.03, 0.02]), 0.6
        for n, p, seed in ((6, 0.8, 0), (9, 0.35, 1), (5, 0.999, 2)):
            yield np.random.default_rng(seed).dirichlet(np.ones(n)), p

    def typical(self, right, probs, p):
        order = np.argsort(-probs)
        kept = np.where(probs >= 1 - p, probs, 0)
        return (
            (_nucleus(probs, p, normalise=False), "What is left must add up to 1: divide by its sum."),
            (_nucleus(probs, p, strict=True), "The token that crosses p belongs in: without it they have less than p."),
            (probs, "Nothing was left out."),
            (_nucleus(probs, p, ascending=True), "You begin with the unlikeliest: sort from the largest down."),
            (right[order], "These are sorted: put every probability back to its own place."),
            (kept / max(kept.sum(), 1e-9), "p is no bound for single tokens: it is what the kept ones have together."),
        )

    @staticmethod
    def reference(probs, p):
        import numpy as np

        order = np.argsort(-probs)
        before = np.cumsum(probs[order]) - probs[order]
        kept = np.zeros_like(probs)
        kept[order[before < p]] = probs[order[before < p]]
        return kept / kept.sum()

    mistakes = (
        exercise.Mistake(lambda probs, p: _nucleus(probs, p, normalise=False), "divide by its sum"),
        exercise.Mistake(lambda probs, p: _nucleus(probs, p, strict=True), "crosses p"),
        exercise.Mistake(lambda probs, p: _nucleus(probs, p, ascending=True), "unlikeliest"),
        exercise.Mistake(lambda probs, p: _nucleus(probs, p)[np.argsort(-probs)], "sorted"),
        exercise.Mistake(lambda probs, p: probs.copy(), "Nothing was left out"),
    )


class Diagnose(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five networks P, Q, R, S, T: a dict such as `{"P": "none", ...}`.

    The faults: "no mask", "not shifted", "shifted by two", "rate too high", "none", each once.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Two curves fall below what any model of this text can reach. One is down at once: what is easiest to copy?",
        "Of the other three one learns. One stays where single letters are, about 4.8 bits, from the start; one gets "
        "a little below it: the letter after the next one can be guessed, but badly.",
    )
    why = "A loss that is too good is a bug until shown otherwise; what the network writes decides."
    faults = {"P": "none", "Q": "not shifted", "R": "rate too high", "S": "no mask", "T": "shifted by two"}
    symptoms = {
        "Q": "Q is at 0 almost at once, and what it writes repeats its last letter: which letter was it asked for?",
        "S": "S needs some steps to find something that makes the loss far too small: what can it look at?",
        "P": "P falls as far as counting pairs would, and what it writes looks like the text.",
        "R": "R never gets below the bits of single letters: its steps lead nowhere.",
        "T": "T learns a little: what it says comes one letter too early.",
    }

    @staticmethod
    def mistakes():
        right, swapped = Diagnose.faults, Diagnose.swapped

        return (
            exercise.Mistake(swapped("Q", "S"), "almost at once"),
            exercise.Mistake(swapped("R", "T"), "single letters"),
            exercise.Mistake(swapped("P", "T"), "counting pairs"),
            exercise.Mistake(swapped("S", "P"), "far too small"),
            exercise.Mistake(dict.fromkeys("PQRST", "none"), "exactly once"),
            exercise.Mistake(right | {"P": "overfits"}, "none of the names"),
        )


def _merge(ids, pair, new, *, first=False, backwards=False, keep=False, overlap=False):
    ids, done, i = list(ids)[:: -1 if backwards else 1], [], 0
    pair = tuple(pair)[:: -1 if backwards else 1]
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair and not (first and new in done):
            done.append(new)
            i += 1 if overlap or keep else 2
        else:
            done.append(ids[i])
            i += 1
    return done[:: -1 if backwards else 1]


class Merge(exercise.Exercise):
    """Write `merge(ids, pair, new)`: the list `ids` with each occurrence of the pair replaced by the token `new`.

    From left to right; a token that has been merged cannot be merged again. Returns a new list.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Walk with an index: two equal to the pair, append `new` and go on by 2; else append the token and go on by 1.",
        "`while i < len(ids): if (ids[i:i+2]) == list(pair): …`",
    )
    why = "A tokenizer is this function, repeated: learnt once by counting, applied in the order of learning."

    CASES = (
        ([1, 2, 3, 1, 2], (1, 2), 9),
        ([5, 5, 5], (5, 5), 7),
        ([4], (4, 4), 8),
        ([3, 1, 2, 3, 1, 2, 2], (1, 2), 6),
        ([2, 1], (1, 2), 9),
        ([8, 8, 8, 8, 8, 1], (8, 8), 3),
    )

    def test(self, merge):
        for ids, pair, new in self.CASES:
            got = self.call(merge, list(ids), pair, new)
            right = _merge(ids, pair, new)
            if got is None or isinstance(got, str) or not hasattr(got, "__len__"):
                raise exercise.Wrong("Return a list of tokens.")
            got = [int(i) for i in got]
            if got == right:
                continue
            wrong = (
                (_merge(ids, pair, new, first=True), "Only the first occurrence was merged: go on to the end."),
                (_merge(ids, pair, new, keep=True), "After a merge go on by 2: both tokens of the pair are used up."),
                (_merge(ids, pair, new, backwards=True), "From left to right: in 5 5 5 the first two are merged."),
                (list(ids), "Nothing was merged."),
                (_merge(ids, tuple(pair)[::-1], new), "The order of the pair counts: 2 1 is not 1 2."),
                (right[:-1], "The last token is lost: a pair may not begin there, but the token stays."),
            )
            for answer, words in wrong:
                if got == answer:
                    raise exercise.Wrong(words)
            raise exercise.Wrong(f"merge({ids}, {pair}, {new}) is {right}, yours is {got}.")

    @staticmethod
    def reference(ids, pair, new):
        merged, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == tuple(pair):
                merged.append(new)
                i += 2
            else:
                merged.append(ids[i])
                i += 1
        return merged

    mistakes = (
        exercise.Mistake(lambda ids, pair, new: _merge(ids, pair, new, first=True), "Only the first"),
        exercise.Mistake(lambda ids, pair, new: _merge(ids, pair, new, keep=True), "go on by 2"),
        exercise.Mistake(lambda ids, pair, new: _merge(ids, pair, new, backwards=True), "From left to right"),
        exercise.Mistake(lambda ids, pair, new: list(ids), "Nothing was merged"),
        exercise.Mistake(lambda ids, pair, new: _merge(ids, pair, new)[:-1], "last token is lost"),
    )


class Mixture(exercise.Exercise):
    """Write `best_share(p_a, p_b)`: how much of model a to mix with model b, one of 0, 0.05, …, 1.

    p_a, p_b (T,): the probabilities that two models gave to the tokens of a validation text. The mixture of share s
    gives s p_a + (1 - s) p_b. Return the share whose mixture costs the fewest bits.
    """

    difficulty = 2
    minutes = 12
    hints = (
        "For each of 21 shares: mix the probabilities, then take the mean of -log2. The logarithm comes last.",
        "`shares = np.linspace(0, 1, 21)`, `bits = [-np.log2(s * p_a + (1 - s) * p_b).mean() for s in shares]`.",
    )
    why = "Where one model is surprised the other often is not: the mixture of both is better than either."

    def cases(self):
        for n, sharp, seed in ((300, 0.5, 0), (500, 1.5, 1), (400, 3.0, 2), (350, 0.9, 3)):
            rng = np.random.default_rng(seed)
            yield rng.beta(0.6 * sharp, 1.2, n).clip(1e-4, 1), rng.beta(0.6, 1.2, n).clip(1e-4, 1)

    def typical(self, right, p_a, p_b):
        shares = np.linspace(0, 1, 21)
        mixed = np.array([s * p_a + (1 - s) * p_b for s in shares])
        return (
            (1 - right, "This is the share of model b."),
            (shares[mixed.mean(1).argmax()], "The mean probability is not the bits: take the logarithm first."),
            (shares[np.log2(mixed).mean(1).argmin()], "This mixture costs the most: the sign of the logarithm."),
            (-np.log2(mixed).mean(1).min(), "These are the bits: return the share."),
            (-np.log2(mixed).mean(1).argmin(), "This is the number of the share in the list: return the share."),
            (np.log2(mixed).mean(1).argmax(), "This is the number of the share in the list: return the share."),
        )

    @staticmethod
    def reference(p_a, p_b):
        import numpy as np

        shares = np.linspace(0, 1, 21)
        bits = [-np.log2(s * p_a + (1 - s) * p_b).mean() for s in shares]
        return shares[np.argmin(bits)]

    @staticmethod
    def mistakes():
        def mixed(p_a, p_b):
            return np.array([s * p_a + (1 - s) * p_b for s in np.linspace(0, 1, 21)])

        shares = np.linspace(0, 1, 21)
        return (
            exercise.Mistake(lambda a, b: 1 - shares[np.log2(mixed(a, b)).mean(1).argmax()], "share of model b"),
            exercise.Mistake(lambda a, b: shares[mixed(a, b).mean(1).argmax()], "logarithm first"),
            exercise.Mistake(lambda a, b: shares[np.log2(mixed(a, b)).mean(1).argmin()], "costs the most"),
            exercise.Mistake(lambda a, b: -np.log2(mixed(a, b)).mean(1).min(), "These are the bits"),
            exercise.Mistake(lambda a, b: np.log2(mixed(a, b)).mean(1).argmax(), "number of the share"),
        )
