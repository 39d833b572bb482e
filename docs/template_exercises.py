"""Exercises of lesson 0.0: statement, cases, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise


def _probabilities():
    """Arguments for the checks: one number, a few, and random ones."""
    yield (np.array([0.5]),)
    yield (np.array([0.1, 0.5, 0.8]),)
    yield (np.random.default_rng(0).uniform(0.01, 0.99, 6),)


class Odds(exercise.Exercise):
    """Write `odds(p)`: the odds p / (1 - p) of probabilities (N,) -> (N,)."""

    difficulty = 1
    minutes = 5
    hints = ("Odds of 1 to 1 belong to p = 0.5.", "Divide `p` by the probability of the contrary.")
    why = "Odds compare an event with its contrary: p = 0.8 is 4 to 1."

    def cases(self):
        return _probabilities()

    def typical(self, right, p):
        return (
            (
                1 / right,
                "These are the odds against the event: swap numerator and denominator.",
            ),
            (
                p,
                "This is the probability itself: divide it by that of the contrary, `1 - p`.",
            ),
            (p / 1 - p, "Without brackets Python divides p by 1 first: `p / (1 - p)`."),
        )

    @staticmethod
    def reference(p):
        return p / (1 - p)

    mistakes = (
        exercise.Mistake(lambda p: (1 - p) / p, "swap numerator"),
        exercise.Mistake(lambda p: p, "that of the contrary"),
        exercise.Mistake(lambda p: p / 1 - p, "Without brackets"),
    )


class LogOdds(exercise.Exercise):
    """Write `log_odds(p)`: the natural logarithm of the odds, (N,) -> (N,)."""

    difficulty = 1
    minutes = 5
    hints = ("Use what you wrote for the odds.", "`np.log` is the natural logarithm.")
    why = "The log-odds are the logit: the number that a network computes before the sigmoid."

    def cases(self):
        return _probabilities()

    def typical(self, right, p):
        return (
            (np.log(p), "This is the log of p: take the log of the odds p / (1 - p)."),
            (right / np.log(2), "The base is 2 here: use the natural logarithm `np.log`."),
            (-right, "These are the log-odds of the contrary: swap p and 1 - p."),
        )

    @staticmethod
    def reference(p):
        return np.log(p / (1 - p))

    mistakes = (
        exercise.Mistake(lambda p: np.log(p), "log of the odds"),
        exercise.Mistake(lambda p: np.log2(p / (1 - p)), "natural logarithm"),
        exercise.Mistake(lambda p: np.log((1 - p) / p), "of the contrary"),
    )


class OneHot(exercise.Exercise):
    """Write `one_hot(y, n_classes)`: class indices (N,) -> (N, K) with a 1 at each class."""

    difficulty = 2
    minutes = 10
    hints = ("Row `k` of the identity matrix is what you need for class `k`.", "Index `np.eye(n_classes)` with `y`.")
    why = "Indexing the identity matrix copies one row for each example: no loop is needed."

    def cases(self):
        yield np.array([1]), 3
        yield np.array([2, 0]), 3
        yield np.array([0, 3, 3, 1]), 5  # a class that does not occur needs its column too

    def typical(self, right, y, n_classes):
        return (
            (
                np.roll(right, -1, axis=1),
                "The columns count from 0: class 0 is the first column.",
            ),
            (
                np.ones(right.shape),
                "Put a single 1 in each row, at the column of its class.",
            ),
            (1 - right, "Ones and zeros are swapped: the class gets the 1."),
        )

    @staticmethod
    def reference(y, n_classes):
        return np.eye(n_classes)[y]

    mistakes = (
        exercise.Mistake(lambda y, n_classes: np.eye(n_classes)[y - 1], "count from 0"),
        exercise.Mistake(lambda y, n_classes: np.ones((len(y), n_classes)), "single 1"),
        exercise.Mistake(lambda y, n_classes: 1 - np.eye(n_classes)[y], "swapped"),
    )
