"""Self-checks of project 3: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

FRONT = np.array([50.0, np.nan, 60.0, 100.0, np.nan])  # feet of street; median 60, mean 70
OTHER = np.array([np.nan, 40.0, np.nan, 85.0, 90.0, 35.0])  # median 62.5
SCALE = ["No_Basement", "Poor", "Fair", "Typical", "Good", "Excellent"]
WORDS = ["Good", "No_Basement", "Superb", "Fair", "Excellent", "Poor", "Typical"]  # "Superb" is not on the scale
KEYS = np.array(["a", "a", "b", "a", "c", "b", "a", "d"])
LOGS = np.array([12.0, 11.0, 12.5, 11.4, 13.0, 12.1, 10.8, 11.9])
FOLDS = np.array([0, 1, 0, 2, 1, 1, 0, 2])
RESIDUALS = np.array([-0.3, 0.1, 0.25, -0.2, 0.4, 0.05, -0.35, 0.3])
TABLE = np.random.default_rng(0).uniform(0.5, 2.0, (40, 3))
SCORES = np.random.default_rng(1).permutation(np.arange(1.0, 20.0))  # 1 … 19, shuffled


class ImputeWithIndicator(exercise.Exercise):
    """Write `impute(train, other)`: fill the gaps of a column and keep the trace that there was a gap.

    train (N,), other (M,): one feature with NaN for unknown -> (M, 2): the filled values of `other`, and 1.0 where
    the value was missing, else 0.0. The fill value is the median of the known values of `train`.
    """

    difficulty = 1
    minutes = 5
    answer_name = "impute"
    hints = (
        "Three steps: where are the gaps, what is the typical value of the training part, put both side by side.",
        "`gap = np.isnan(other)`, then `np.where(gap, np.nanmedian(train), other)`; `np.stack([...], axis=1)`.",
    )
    why = "The value comes from the training part alone; the second column lets the model learn what a gap means."

    def test(self, impute):
        got = self.call(impute, FRONT, OTHER)
        if getattr(got, "shape", None) == OTHER.shape:
            raise exercise.Wrong("One column only: the indicator is missing, so the model cannot see where a gap was.")
        if getattr(got, "shape", None) == (2, len(OTHER)):
            raise exercise.Wrong("The axes are swapped: one row a house, so (M, 2); stack along axis 1.")
        got, gap = self.expect_array(got, shape=(len(OTHER), 2), finite=False), np.isnan(OTHER)
        if np.isnan(got[:, 0]).any():
            raise exercise.Wrong("Gaps are left: the median of a column with NaN is NaN, `np.nanmedian` skips them.")
        if np.array_equal(got[:, 1], 1.0 - gap):
            raise exercise.Wrong("The indicator is upside down: 1 means that the value was missing.")
        if not got[:, 1].any():
            raise exercise.Wrong("The indicator is 0 everywhere: look for the gaps before you fill them.")
        fill = got[gap, 0]
        if np.allclose(fill, 0):
            raise exercise.Wrong("You fill with 0: a lot with 0 feet of street is a strong statement, unknown is none.")
        if np.allclose(fill, np.nanmedian(OTHER)):
            raise exercise.Wrong("You fill with the median of `other`: what is learned comes from `train` only.")
        if np.allclose(fill, np.nanmean(FRONT)):
            raise exercise.Wrong("You fill with the mean: one huge lot moves it, the median stays.")
        self.expect_close(got, self.reference(FRONT, OTHER), "Known values stay as they are.")

    @staticmethod
    def reference(train, other):
        import numpy as np

        gap = np.isnan(other)
        return np.stack([np.where(gap, np.nanmedian(train), other), gap.astype(float)], axis=1)  # (M, 2)

    @staticmethod
    def mistakes():
        def pair(fill, other, gap):
            return np.stack([np.where(np.isnan(other), fill, other), gap], axis=1)

        return (
            exercise.Mistake(lambda t, o: np.where(np.isnan(o), np.nanmedian(t), o), "indicator is missing"),
            exercise.Mistake(lambda t, o: ImputeWithIndicator.reference(t, o).T, "axes are swapped"),
            exercise.Mistake(lambda t, o: pair(np.median(t), o, np.isnan(o)), "skips them"),
            exercise.Mistake(lambda t, o: pair(np.nanmedian(t), o, ~np.isnan(o)), "upside down"),
            exercise.Mistake(lambda t, o: pair(np.nanmedian(t), o, np.zeros(len(o))), "before you fill"),
            exercise.Mistake(lambda t, o: pair(0.0, o, np.isnan(o)), "unknown is none"),
            exercise.Mistake(lambda t, o: pair(np.nanmedian(o), o, np.isnan(o)), "from `train` only"),
            exercise.Mistake(lambda t, o: pair(np.nanmean(t), o, np.isnan(o)), "the median stays"),
        )


class ToOrdinal(exercise.Exercise):
    """Write `to_ordinal(words, scale)`: words (N,) -> their places on the scale (N,), as floats from 0.

    `scale` is a list of words, worst first. A word that is not on the scale becomes NaN.
    """

    difficulty = 1
    minutes = 10
    answer_name = "to_ordinal"
    hints = (
        "The scale is the order, not the alphabet. A dict from word to place makes it one lookup a word.",
        "`place = {word: i for i, word in enumerate(scale)}`, then `place.get(word, np.nan)` for each word.",
    )
    why = "Absence is the lowest place of the scale; a word that nobody foresaw is unknown, and unknown is not worst."

    def test(self, to_ordinal):
        got = self.expect_array(self.call(to_ordinal, WORDS, SCALE), shape=(len(WORDS),), finite=False)
        right, strange = self.reference(WORDS, SCALE), WORDS.index("Superb")
        known = np.arange(len(WORDS)) != strange
        if np.allclose(got[known], self.reference(WORDS, sorted(SCALE))[known], equal_nan=True):
            raise exercise.Wrong("That is the order of the alphabet, Excellent before Fair: use the order of `scale`.")
        if np.allclose(got[known], right[known] + 1):
            raise exercise.Wrong("The places start at 1: the first word of the scale has place 0.")
        if np.allclose(got[known], self.reference(WORDS, SCALE[::-1])[known], equal_nan=True):
            raise exercise.Wrong("The scale is reversed: the worst word comes first and has place 0.")
        if np.isnan(got[WORDS.index("No_Basement")]):
            raise exercise.Wrong("No_Basement became NaN: it is on the scale. Absence is known, not missing.")
        if got[strange] == 0:
            raise exercise.Wrong('"Superb" became 0: that says "no basement". Unknown is not the worst, it is NaN.')
        if got[strange] == -1:
            raise exercise.Wrong('"Superb" became -1, below the worst: a model reads that as a number. Use NaN.')
        self.expect_close(np.nan_to_num(got, nan=99.0), np.nan_to_num(right, nan=99.0), "99 stands for NaN here.")

    @staticmethod
    def reference(words, scale):
        import numpy as np

        place = {word: i for i, word in enumerate(scale)}
        return np.array([place.get(word, np.nan) for word in words], float)  # (N,)

    @staticmethod
    def mistakes():
        right = ToOrdinal.reference

        def absence_is_missing(words, scale):
            values = right(words, scale)
            return np.where(values == 0, np.nan, values)

        return (
            exercise.Mistake(lambda w, s: right(w, sorted(s)), "order of the alphabet"),
            exercise.Mistake(lambda w, s: right(w, s) + 1, "start at 1"),
            exercise.Mistake(lambda w, s: right(w, s[::-1]), "reversed"),
            exercise.Mistake(absence_is_missing, "known, not missing"),
            exercise.Mistake(lambda w, s: np.nan_to_num(right(w, s)), "not the worst"),
            exercise.Mistake(lambda w, s: np.nan_to_num(right(w, s), nan=-1.0), "below the worst"),
            exercise.Mistake(lambda w, s: np.array([float(s.index(v)) for v in w]), "Superb"),
        )


class OutOfFoldMeans(exercise.Exercise):
    """Write `out_of_fold_means(keys, y, folds)`: a target encoding in which no row sees its own fold.

    keys (N,) strings, y (N,) targets, folds (N,) fold numbers -> (N,): for each row the mean of y over the rows with
    the same key *in other folds*; where there is none, the mean of y over all rows of other folds.
    """

    difficulty = 3
    minutes = 15
    answer_name = "out_of_fold_means"
    hints = (
        "Loop over the folds. For fold f, everything is computed from the rows with `folds != f`.",
        "Inside: a mean for each key of those rows, and their overall mean for keys that do not occur among them.",
    )
    why = "A row's code never contains its own price or that of its fold, so what it promises it also keeps."

    def test(self, out_of_fold_means):
        right = self.reference(KEYS, LOGS, FOLDS)
        got = self.expect_array(self.call(out_of_fold_means, KEYS, LOGS, FOLDS), shape=(8,), finite=False)
        same = KEYS[:, None] == KEYS
        lonely = np.array([4, 7])  # keys that occur once
        seen = np.setdiff1d(np.arange(8), lonely)
        if np.allclose(got[seen], (same @ LOGS / same.sum(1))[seen]):
            raise exercise.Wrong("Each row's own price is inside its mean: that is the leak. Use the other folds only.")
        inside = same & (FOLDS[:, None] == FOLDS)
        if np.allclose(got[seen], (inside @ LOGS / inside.sum(1))[seen]):
            raise exercise.Wrong("You average inside the row's fold: take the rows with `folds != f`.")
        others = same & ~np.eye(8, dtype=bool)
        if np.allclose(got[seen], (others[seen] @ LOGS) / others[seen].sum(1)):
            raise exercise.Wrong("Only the row itself is left out: the rest of its fold must stay out as well.")
        if np.isnan(got[lonely]).any():
            raise exercise.Wrong("A key that the other folds do not have gives NaN: fall back to their overall mean.")
        if np.allclose(got[lonely], 0):
            raise exercise.Wrong("A key that the other folds do not have gives 0, a price of 1 dollar in logarithms.")
        if np.allclose(got[lonely], LOGS.mean()):
            raise exercise.Wrong("The fallback is the mean of all rows: leave the own fold out of it too.")
        self.expect_close(got, right)

    @staticmethod
    def reference(keys, y, folds):
        import numpy as np

        codes = np.empty(len(y))
        for fold in np.unique(folds):
            known, rows = folds != fold, np.flatnonzero(folds == fold)
            for row in rows:
                same = known & (keys == keys[row])
                codes[row] = y[same].mean() if same.any() else y[known].mean()
        return codes

    @staticmethod
    def mistakes():
        right = OutOfFoldMeans.reference

        def everything(keys, y, folds):
            return np.array([y[keys == key].mean() for key in keys])

        def inside(keys, y, folds):
            return np.array([y[(keys == k) & (folds == f)].mean() for k, f in zip(keys, folds, strict=True)])

        def one_out(keys, y, folds):
            return right(keys, y, np.arange(len(y)))

        def fallback(value):
            def codes(keys, y, folds):
                alone = np.array([not ((keys == k) & (folds != f)).any() for k, f in zip(keys, folds, strict=True)])
                return np.where(alone, value(y), right(keys, y, folds))

            return codes

        return (
            exercise.Mistake(everything, "that is the leak"),
            exercise.Mistake(inside, "inside the row's fold"),
            exercise.Mistake(one_out, "rest of its fold"),
            exercise.Mistake(fallback(lambda y: np.nan), "gives NaN"),
            exercise.Mistake(fallback(lambda y: 0.0), "gives 0"),
            exercise.Mistake(fallback(np.mean), "mean of all rows"),
        )


class JoinInputs(exercise.Exercise):
    """Write `join_inputs(x, tables, n_numbers)` in PyTorch: look up each code in its own table, join all.

    x (B, n_numbers + C) float32: first the numbers, then C codes; tables: C embeddings, table j for code j
    -> (B, n_numbers + the widths of all tables): the numbers first, then the vectors in the order of the codes.
    """

    difficulty = 2
    minutes = 10
    framework = "torch"
    answer_name = "join_inputs"
    hints = (
        "An embedding wants whole numbers: cut the codes off and turn them to `long`. Table j reads column j of them.",
        "`[table(codes[:, j]) for j, table in enumerate(tables)]`, then one `torch.cat` along the last axis.",
    )
    why = "One table for each column: code 3 of the roof has nothing to do with code 3 of the neighbourhood."

    def test(self, join_inputs):
        import torch
        from torch import nn

        torch.manual_seed(0)
        tables = nn.ModuleList([nn.Embedding(6, 2), nn.Embedding(6, 2), nn.Embedding(6, 3)])
        x = torch.tensor([[0.5, -1.0, 3, 1, 4], [2.0, 0.1, 0, 5, 2], [1.2, 0.4, 2, 2, 1], [-0.7, 1.6, 1, 3, 5]])
        got = self.call(join_inputs, x, tables, 2)
        shape, right = tuple(getattr(got, "shape", ())), self.reference(x, tables, 2)
        if shape == tuple(x.shape):
            raise exercise.Wrong("The codes went in as numbers: roof 4 would be twice roof 2. Look them up.")
        if shape == (4, 7):
            raise exercise.Wrong("Only the vectors are there: the numbers belong in front of them.")
        got = self.expect_array(got, shape=(4, 9))
        right_array = right.detach().numpy()
        if np.allclose(got[:, :7], right_array[:, 2:]):
            raise exercise.Wrong("The order is turned round: numbers first, then the vectors. `parity` counts on it.")
        if np.allclose(got[:, :4], right_array[:, :4]) and np.allclose(got[:, 4:6], tables[0](x[:, 3].long()).detach()):
            raise exercise.Wrong("One table serves several columns: column j needs table j.")
        if np.allclose(got[:, :2], right_array[:, :2]) and np.allclose(
            got[:, 2:4], tables[0](x[:, 0].long().clamp(0)).detach()
        ):
            raise exercise.Wrong("The tables read the numbers: the codes begin at column `n_numbers`.")
        if np.allclose(got[:, 2:], np.roll(right_array[:, 2:], 1, axis=0)):
            raise exercise.Wrong("The rows of numbers and vectors are shifted against each other.")
        self.expect_close(got, right, "The order of the vectors is that of the codes.")
        if not getattr(got, "requires_grad", True) or not self.call(join_inputs, x, tables, 2).requires_grad:
            raise exercise.Wrong("The result has no gradient: the tables cannot learn. No `detach`, no `no_grad`.")

    @staticmethod
    def reference(x, tables, n_numbers):
        import torch

        numbers, codes = x[:, :n_numbers], x[:, n_numbers:].long()  # (B, n_numbers), (B, C)
        return torch.cat([numbers, *(table(codes[:, j]) for j, table in enumerate(tables))], dim=-1)

    @staticmethod
    def mistakes():
        import torch

        right = JoinInputs.reference

        def shared(x, tables, n):
            return right(x, [tables[0], tables[0], tables[2]], n)

        def numbers_as_codes(x, tables, n):
            codes = x.long().clamp(0)
            return torch.cat([x[:, :n], *(table(codes[:, j]) for j, table in enumerate(tables))], -1)

        def turned(x, tables, n):
            joined = right(x, tables, n)
            return torch.cat([joined[:, n:], joined[:, :n]], -1)

        return (
            exercise.Mistake(lambda x, tables, n: x, "twice roof 2"),
            exercise.Mistake(lambda x, tables, n: right(x, tables, n)[:, n:], "Only the vectors"),
            exercise.Mistake(lambda x, tables, n: right(x, tables, n).detach(), "no gradient"),
            exercise.Mistake(shared, "column j needs table j"),
            exercise.Mistake(numbers_as_codes, "read the numbers"),
            exercise.Mistake(turned, "order is turned round"),
        )


class PriceModel(exercise.Exercise):
    """Build `price_model`, a `keras.Model` from (B, 4) to (B, 1), the standardised log price.

    The first three columns are numbers, the fourth is the code of a roof: 1 to 5, or 0 for a roof never seen. Look
    the code up in an `Embedding` of width 2, join, then `Dense(8, activation="silu")` and the output.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    answer_kind = "value"
    answer_name = "build_price_model"
    hints = (
        "Cut the input with `x[:, :3]` and `x[:, 3]`. How many rows does the table need, 0 included?",
        "`keras.layers.Concatenate()([x[:, :3], keras.layers.Embedding(6, 2)(x[:, 3])])`; the last layer is linear.",
    )
    why = "Six rows for the codes 0 to 5; a linear output, because half of all standardised prices are negative."

    def test(self, price_model):
        import keras

        if not isinstance(price_model, keras.Model):
            raise exercise.Wrong("Pass the keras.Model itself: `keras.Model(x, output)`.")
        tables = [layer for layer in price_model.layers if isinstance(layer, keras.layers.Embedding)]
        if not tables:
            raise exercise.Wrong("There is no Embedding: as a number, roof 4 would be twice roof 2.")
        if len(tables) > 1:
            raise exercise.Wrong("There is more than one Embedding: the three numbers are no codes, only the roof is.")
        if tables[0].input_dim == 5:
            raise exercise.Wrong("The table has 5 rows, 0 to 4: code 5 is out of range. 0 for unknown needs a row too.")
        if tables[0].input_dim != 6 or tables[0].output_dim != 2:
            raise exercise.Wrong(f"The table is {tables[0].input_dim} × {tables[0].output_dim}, expected 6 × 2.")
        rng = np.random.default_rng(0)
        x = np.concatenate([rng.normal(size=(64, 3)), rng.integers(0, 6, (64, 1))], 1).astype("float32")
        got = self.expect_array(self.call(price_model, x), shape=(64, 1))
        if got.min() >= 0 and any(getattr(layer, "activation", None) for layer in price_model.layers[-1:]):
            raise exercise.Wrong("No answer is below 0, but half of all standardised prices are: output linear.")
        hidden = [layer for layer in price_model.layers if isinstance(layer, keras.layers.Dense) and layer.units == 8]
        if not hidden:
            raise exercise.Wrong("The hidden layer is missing: Dense(8) between the joined inputs and the output.")
        width = int(hidden[0].kernel.shape[0])
        if width == 6:
            raise exercise.Wrong("The raw code is among the inputs of the hidden layer: cut it off with `x[:, :3]`.")
        if width == 2:
            raise exercise.Wrong("Only the roof goes in: the three numbers are lost.")
        if width != 5:
            raise exercise.Wrong(f"The hidden layer reads {width} numbers, expected 3 + 2.")
        if hidden[0].activation is keras.activations.linear:
            raise exercise.Wrong("The hidden layer is linear: two linear layers are one. Give it `activation='silu'`.")

    @staticmethod
    def reference():
        import keras

        x = keras.Input((4,))
        joined = keras.layers.Concatenate()([x[:, :3], keras.layers.Embedding(6, 2)(x[:, 3])])  # (B, 5)
        hidden = keras.layers.Dense(8, activation="silu")(joined)  # (B, 8)
        return keras.Model(x, keras.layers.Dense(1)(hidden))

    @staticmethod
    def mistakes():
        import keras

        layers = keras.layers

        def build(rows=6, width=2, numbers=3, output=None, hidden="silu"):
            x = keras.Input((4,))
            parts = ([x[:, :numbers]] if numbers else []) + [layers.Embedding(rows, width)(x[:, 3])]
            joined = layers.Concatenate()(parts) if numbers else parts[0]
            return keras.Model(x, layers.Dense(1, activation=output)(layers.Dense(8, activation=hidden)(joined)))

        plain = keras.Sequential([keras.Input((4,)), layers.Dense(8, activation="silu"), layers.Dense(1)])
        return (
            exercise.Mistake(plain, "no Embedding"),
            exercise.Mistake(build(rows=5), "out of range"),
            exercise.Mistake(build(width=4), "expected 6 × 2"),
            exercise.Mistake(build(output="softplus"), "output linear"),
            exercise.Mistake(build(numbers=4), "raw code"),
            exercise.Mistake(build(numbers=0), "Only the roof"),
            exercise.Mistake(build(hidden=None), "two linear layers are one"),
        )


class InDollars(exercise.Exercise):
    """Write `in_dollars(log_price, residuals)`: the *mean* price in dollars for each predicted log price.

    log_price (M,) predictions; residuals (N,) = true − predicted log price on held-out houses -> (M,) dollars.
    Use Duan's smearing factor, the mean of exp(residual).
    """

    difficulty = 2
    minutes = 10
    answer_name = "in_dollars"
    hints = (
        "A house of predicted log price p has price exp(p + r), where r is one of the residuals. Average over r.",
        "exp(p + r) = exp(p) · exp(r): the average over r is `np.exp(log_price) * np.exp(residuals).mean()`.",
    )
    why = "exp is curved upwards: the mean of exp is above the exp of the mean. exp(p) alone is the median price."

    def test(self, in_dollars):
        log_price = np.array([11.5, 12.0, 12.6])
        right = self.reference(log_price, RESIDUALS)
        got = self.expect_array(self.call(in_dollars, log_price, RESIDUALS), shape=(3,))
        if np.allclose(got, np.exp(log_price), rtol=1e-6):
            raise exercise.Wrong("exp of the prediction is the median price; the mean lies higher. Use the residuals.")
        if np.allclose(got, np.exp(log_price + RESIDUALS.mean()), rtol=1e-6):
            raise exercise.Wrong("You average before exp: the mean of exp is not the exp of the mean.")
        if np.allclose(got, np.exp(log_price) * np.exp(-RESIDUALS).mean(), rtol=1e-6):
            raise exercise.Wrong("The sign is turned: residuals are true − predicted, so exp(+residual).")
        if np.allclose(got, np.exp(log_price + RESIDUALS.var() / 2), rtol=1e-3):
            raise exercise.Wrong("exp(variance / 2) holds for normal residuals only; take the mean of exp(residual).")
        if np.allclose(got, np.exp(log_price) + np.exp(RESIDUALS).mean(), rtol=1e-6):
            raise exercise.Wrong("A sum of logarithms is a product of prices: multiply by the factor, do not add it.")
        if np.allclose(got, right / np.exp(log_price), rtol=1e-4) or got.max() < 1000:
            raise exercise.Wrong("These are still logarithms or factors: prices come from exp(log_price).")
        self.expect_close(got, right, rtol=1e-4)

    @staticmethod
    def reference(log_price, residuals):
        import numpy as np

        return np.exp(log_price) * np.exp(residuals).mean()

    mistakes = (
        exercise.Mistake(lambda p, r: np.exp(p), "median price"),
        exercise.Mistake(lambda p, r: np.exp(p + r.mean()), "before exp"),
        exercise.Mistake(lambda p, r: np.exp(p) * np.exp(-r).mean(), "sign is turned"),
        exercise.Mistake(lambda p, r: np.exp(p + r.var() / 2), "normal residuals only"),
        exercise.Mistake(lambda p, r: np.exp(p) + np.exp(r).mean(), "multiply by the factor"),
        exercise.Mistake(lambda p, r: p + np.log(np.exp(r).mean()), "still logarithms"),
    )


class PartialDependence(exercise.Exercise):
    """Write `partial_dependence(predict, x, column, values)`: how the mean answer moves with one column.

    predict: function (N, D) -> (N,); x (N, D); column: its index; values (V,) -> (V,): for each value the mean
    prediction over all rows of x after that column was set to the value in every row. x stays as it is.
    """

    difficulty = 2
    minutes = 15
    answer_name = "partial_dependence"
    hints = (
        "A loop over the values: copy x, overwrite one column in all rows, predict, average.",
        "`changed = x.copy(); changed[:, column] = value; curve.append(predict(changed).mean())`.",
    )
    why = "All other columns keep their true mixture; only one thing changes, so the curve belongs to that column."

    def test(self, partial_dependence):
        values = np.array([0.6, 1.0, 1.5, 1.9])

        def predict(x):
            return x[:, 0] ** 2 + 2 * x[:, 1] * x[:, 2] ** 2

        right = self.reference(predict, TABLE, 1, values)
        kept = TABLE.copy()
        got = self.expect_array(self.call(partial_dependence, predict, kept, 1, values), shape=(4,))
        if np.allclose(got, [predict(np.r_[TABLE.mean(0)[:1], v, TABLE.mean(0)[2:]][None])[0] for v in values]):
            raise exercise.Wrong("You ask about one average house: average the answers, not the rows.")
        if np.ptp(got) < 1e-9:
            raise exercise.Wrong("The curve is flat: set the column to the value before you predict.")
        if np.allclose(got, [np.median(predict(_set(TABLE, 1, v))) for v in values]):
            raise exercise.Wrong("You take the median of the answers: partial dependence is their mean.")
        near = [predict(TABLE[np.argsort(abs(TABLE[:, 1] - v))[:8]]).mean() for v in values]
        if np.allclose(got, near, rtol=1e-6):
            raise exercise.Wrong("You average the rows that have such a value: other columns change along with it.")
        if np.allclose(got, [predict(_set(TABLE, 0, v)).mean() for v in values]):
            raise exercise.Wrong("Another column moves: overwrite the one that was asked for, `x[:, column]`.")
        if np.allclose(got, right - right[0]):
            raise exercise.Wrong("The curve starts at 0: return the mean answers themselves, not their differences.")
        self.expect_close(got, right)
        partial_dependence(predict, kept, 1, values)  # not through `call`, which hands over copies
        if not np.array_equal(kept, TABLE):
            raise exercise.Wrong("Your function has changed the x that it was given: work on a copy.")

    @staticmethod
    def reference(predict, x, column, values):
        import numpy as np

        curve = []
        for value in values:
            changed = x.copy()
            changed[:, column] = value
            curve.append(predict(changed).mean())
        return np.array(curve)  # (V,)

    @staticmethod
    def mistakes():
        right = PartialDependence.reference

        def average_house(predict, x, column, values):
            return np.array([predict(_set(x.mean(0)[None], column, v))[0] for v in values])

        def neighbours(predict, x, column, values):
            return np.array([predict(x[np.argsort(abs(x[:, column] - v))[:8]]).mean() for v in values])

        def in_place(predict, x, column, values):
            curve = []
            for value in values:
                x[:, column] = value
                curve.append(predict(x).mean())
            return np.array(curve)

        return (
            exercise.Mistake(average_house, "one average house"),
            exercise.Mistake(lambda f, x, c, v: np.full(len(v), f(x).mean()), "curve is flat"),
            exercise.Mistake(lambda f, x, c, v: np.array([np.median(f(_set(x, c, a))) for a in v]), "their mean"),
            exercise.Mistake(neighbours, "that have such a value"),
            exercise.Mistake(lambda f, x, c, v: right(f, x, 0, v), "Another column"),
            exercise.Mistake(lambda f, x, c, v: right(f, x, c, v) - right(f, x, c, v)[0], "starts at 0"),
            exercise.Mistake(in_place, "work on a copy"),
        )


def _set(x, column, value):
    """A copy of x (N, D) with one column set to a value."""
    changed = np.array(x, float)
    changed[:, column] = value
    return changed


class ConformalWidth(exercise.Exercise):
    """Write `conformal_width(scores, coverage)`: half the width of a band that covers a new house often enough.

    scores (n,): sizes of held-out errors; coverage, for example 0.9 -> the k-th smallest score, where
    k = ceil((n + 1) · coverage); infinity if k > n.
    """

    difficulty = 2
    minutes = 10
    answer_name = "conformal_width"
    hints = (
        "The new house is one more: its error is equally likely to take each of n + 1 places among the others.",
        "`k = math.ceil((len(scores) + 1) * coverage)`; the k-th smallest has index k - 1 after sorting.",
    )
    why = "With n + 1 in place of n the promise holds for every n; with too few houses the honest width is infinite."

    def test(self, conformal_width):
        for n, coverage in ((19, 0.9), (19, 0.8), (10, 0.85)):
            scores = SCORES[:n] if n == 19 else SCORES[SCORES <= 10]
            got = self.expect_number(self.call(conformal_width, scores, coverage))
            right = float(np.ceil((n + 1) * coverage - 1e-9))
            if got == right:
                continue
            if np.isclose(got, np.quantile(scores, coverage)):
                raise exercise.Wrong("`np.quantile` interpolates between scores: count to (n + 1) · coverage.")
            if got == np.sort(scores)[int(np.ceil((n + 1) * (1 - coverage))) - 1]:
                raise exercise.Wrong("That is the quantile of 1 − coverage: most errors would lie outside.")
            if got == right + 1:
                raise exercise.Wrong("One place too far: Python counts from 0, so the k-th smallest has index k − 1.")
            if got == scores[int(right) - 1]:
                raise exercise.Wrong("The scores are not sorted: sort before you count to the k-th.")
            if got == np.ceil(n * coverage):
                raise exercise.Wrong("You count to n · coverage: the new house makes it n + 1.")
            raise exercise.Wrong(f"For n = {n} scores 1 … {n} and coverage {coverage}: {got:g}, expected {right:g}.")
        few = self.expect_array(self.call(conformal_width, SCORES[:5], 0.9), finite=False)
        if not np.isinf(few).all():
            raise exercise.Wrong("Five houses cannot promise 90 %: k = 6 is more than n, so the width is infinite.")

    @staticmethod
    def reference(scores, coverage):
        import math

        import numpy as np

        k = math.ceil(round((len(scores) + 1) * coverage, 9))  # round: 0.9 · 20 is 18.000000000000004 on some machines
        return float(np.sort(scores)[k - 1]) if k <= len(scores) else math.inf

    @staticmethod
    def mistakes():
        right = ConformalWidth.reference

        def place(n, coverage):
            return int(np.ceil(round((n + 1) * coverage, 9)))

        return (
            exercise.Mistake(lambda s, c: np.quantile(s, c), "`np.quantile` interpolates"),
            exercise.Mistake(lambda s, c: right(s, 1 - c), "1 − coverage"),
            exercise.Mistake(lambda s, c: np.sort(s)[min(place(len(s), c), len(s) - 1)], "One place too far"),
            exercise.Mistake(lambda s, c: s[min(place(len(s), c), len(s)) - 1], "not sorted"),
            exercise.Mistake(lambda s, c: np.sort(s)[int(np.ceil(len(s) * c)) - 1], "n · coverage"),
            exercise.Mistake(lambda s, c: np.sort(s)[min(place(len(s), c), len(s)) - 1], "cannot promise"),
        )
