"""Exercises of lesson 0.0: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

P = np.array([0.1, 0.5, 0.8])


class Odds(exercise.Exercise):
    """Write `odds(p)`: the odds p / (1 - p) of probabilities (N,) -> (N,)."""

    difficulty = 1
    minutes = 5
    hints = ("Odds of 1 to 1 belong to p = 0.5.", "Divide `p` by the probability of the contrary.")
    why = "Odds compare an event with its contrary: p = 0.8 is 4 to 1."

    def test(self, odds):
        got = self.expect_array(self.call(odds, P), shape=(3,))
        if np.allclose(got, (1 - P) / P):
            raise exercise.Wrong("These are the odds against the event: swap numerator and denominator.")
        self.expect_close(got, P / (1 - P), "The odds of p = 0.5 are 1: divide `p` by `1 - p`.")

    @staticmethod
    def reference(p):
        return p / (1 - p)

    mistakes = (
        exercise.Mistake(lambda p: (1 - p) / p, "swap numerator"),
        exercise.Mistake(lambda p: p, "divide `p` by `1 - p`"),
    )


class LogOdds(exercise.Exercise):
    """Write `log_odds(p)`: the natural logarithm of the odds, (N,) -> (N,)."""

    difficulty = 1
    minutes = 5
    hints = ("Use what you wrote for the odds.", "`np.log` is the natural logarithm.")
    why = "The log-odds are the logit: the number that a network computes before the sigmoid."

    def test(self, log_odds):
        got = self.expect_array(self.call(log_odds, P), shape=(3,))
        if np.allclose(got, np.log(P)):
            raise exercise.Wrong("This is the log of p: take the log of the odds p / (1 - p).")
        if np.allclose(got, np.log2(P / (1 - P))):
            raise exercise.Wrong("The base is 2 here: use the natural logarithm `np.log`.")
        self.expect_close(got, np.log(P / (1 - P)), "At p = 0.5 the log-odds are 0.")

    @staticmethod
    def reference(p):
        return np.log(p / (1 - p))

    mistakes = (
        exercise.Mistake(lambda p: np.log(p), "log of the odds"),
        exercise.Mistake(lambda p: np.log2(p / (1 - p)), "natural logarithm"),
    )


class OneHot(exercise.Exercise):
    """Write `one_hot(y, n_classes)`: class indices (N,) -> (N, K) with a 1 at each class."""

    difficulty = 2
    minutes = 10
    hints = ("Row `k` of the identity matrix is what you need for class `k`.", "Index `np.eye(n_classes)` with `y`.")
    why = "Indexing the identity matrix copies one row for each example: no loop is needed."

    def test(self, one_hot):
        got = self.expect_array(self.call(one_hot, np.array([2, 0]), 3), shape=(2, 3))
        if np.allclose(got, [[0, 1, 0], [1, 0, 0]]):
            raise exercise.Wrong("The columns count from 0: class 2 of 3 is the last column.")
        self.expect_close(got, np.eye(3)[[2, 0]], "Put a single 1 in each row, at the column of its class.")

    @staticmethod
    def reference(y, n_classes):
        return np.eye(n_classes)[y]

    mistakes = (
        exercise.Mistake(
            lambda y, n_classes: np.eye(n_classes)[y - 1] * (y > 0)[:, None] + np.eye(3)[[0]] * (y == 0)[:, None],
            "count from 0",
        ),
        exercise.Mistake(lambda y, n_classes: np.ones((len(y), n_classes)), "single 1"),
    )
