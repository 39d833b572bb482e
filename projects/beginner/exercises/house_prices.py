"""Self-checks of project 3: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

SCALE = ["No_Basement", "Poor", "Fair", "Typical", "Good", "Excellent"]


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
        nan = np.nan
        for train, other in (
            ([50.0, nan, 60.0, 100.0, nan], [nan, 40.0, nan, 85.0, 90.0, 35.0]),  # medians 60, 62.5, together 60
            ([20.0, 30.0, 80.0, 70.0], [nan]),
            ([10.0, nan, 12.0, 40.0, 11.0], [nan, 90.0, 95.0, nan]),
        ):
            train, other = np.array(train), np.array(other)
            self._judge_one(self.call(impute, train, other), train, other)

    def _judge_one(self, got, train, other):
        if len(other) > 1 and getattr(got, "shape", None) == other.shape:
            raise exercise.Wrong("One column only: the indicator is missing, so the model cannot see where a gap was.")
        if getattr(got, "shape", None) == (2, len(other)) != (2, 2):
            raise exercise.Wrong("The axes are swapped: one row a house, so (M, 2); stack along axis 1.")
        got, gap = self.expect_array(got, shape=(len(other), 2), finite=False), np.isnan(other)
        if np.isnan(got[:, 0]).any():
            raise exercise.Wrong("Gaps are left: the median of a column with NaN is NaN, `np.nanmedian` skips them.")
        if np.array_equal(got[:, 1], 1.0 - gap):
            raise exercise.Wrong("The indicator is upside down: 1 means that the value was missing.")
        if not got[:, 1].any():
            raise exercise.Wrong("The indicator is 0 everywhere: look for the gaps before you fill them.")
        fill, known, both = got[gap, 0], other[~gap], np.concatenate([train, other])
        exercise.name_mistake(
            fill,
            np.full(fill.shape, np.nanmedian(train)),
            [
                (np.full(fill.shape, value), words)
                for value, words in (
                    (0.0, "You fill with 0: a lot with 0 feet of street is a strong statement, unknown is none."),
                    (np.nanmean(train), "You fill with the mean: one huge lot moves it, the median stays."),
                    (
                        np.median(known) if len(known) else 0.0,
                        "You fill with the median of `other`: what is learned comes from `train` only.",
                    ),
                    (
                        np.nanmedian(both),
                        "You fill with the median of both: what is learned comes from `train` only.",
                    ),
                )
            ],
        )
        self.expect_close(got, self.reference(train, other), "Known values stay as they are.")

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
            exercise.Mistake(lambda t, o: pair(np.nanmedian(np.r_[t, o]), o, np.isnan(o)), "median of both"),
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
        words = ["Good", "No_Basement", "Superb", "Fair", "Excellent", "Poor", "Typical"]  # no "Superb" on the scale
        self._judge_one(to_ordinal, words, SCALE, strange=2)
        self._judge_one(to_ordinal, ["Gravel", "Paved", "None", "Dirt"], ["None", "Gravel", "Paved"], strange=3)
        got = self.expect_array(self.call(to_ordinal, ["No"], ["No", "Yes"]), shape=(1,), finite=False)
        self.expect_close(got, np.zeros(1), "A single word is a list of one.")

    def _judge_one(self, to_ordinal, words, scale, strange):
        got = self.expect_array(self.call(to_ordinal, words, scale), shape=(len(words),), finite=False)
        right, worst, unknown = self.reference(words, scale), scale[0], words[strange]
        known = np.arange(len(words)) != strange
        if np.allclose(got[known], self.reference(words, sorted(scale))[known], equal_nan=True):
            raise exercise.Wrong("That is the order of the alphabet, Excellent before Fair: use the order of `scale`.")
        if np.allclose(got[known], right[known] + 1):
            raise exercise.Wrong("The places start at 1: the first word of the scale has place 0.")
        if np.allclose(got[known], self.reference(words, scale[::-1])[known], equal_nan=True):
            raise exercise.Wrong("The scale is reversed: the worst word comes first and has place 0.")
        if np.isnan(got[words.index(worst)]):
            raise exercise.Wrong(f"{worst} became NaN: it is on the scale. Absence is known, not missing.")
        if got[strange] == 0:
            raise exercise.Wrong(f"{unknown} became 0, as {worst} does. Unknown is not the worst, it is NaN.")
        if got[strange] == -1:
            raise exercise.Wrong(f"{unknown} became -1, below the worst: a model reads that as a number. Use NaN.")
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
        for keys, y, folds in (
            ("aabacbad", [12.0, 11.0, 12.5, 11.4, 13.0, 12.1, 10.8, 11.9], [0, 1, 0, 2, 1, 1, 0, 2]),
            ("xyx", [1.0, 5.0, 2.0], [0, 1, 1]),
            ("pqqpprqpsq", [3.0, 1.0, 4.0, 1.5, 9.0, 2.6, 5.0, 3.5, 8.0, 9.7], [4, 1, 2, 4, 1, 7, 7, 2, 1, 4]),
        ):
            self._judge_one(out_of_fold_means, np.array(list(keys)), np.array(y), np.array(folds))

    def _judge_one(self, out_of_fold_means, keys, y, folds):
        n, right = len(y), self.reference(keys, y, folds)
        got = self.expect_array(self.call(out_of_fold_means, keys, y, folds), shape=(n,), finite=False)
        same, other_fold = keys[:, None] == keys, folds[:, None] != folds
        lonely = np.flatnonzero(~(same & other_fold).any(1))  # keys that the other folds do not have
        seen = np.setdiff1d(np.arange(n), lonely)
        if np.allclose(got[seen], (same @ y / same.sum(1))[seen]):
            raise exercise.Wrong("Each row's own price is inside its mean: that is the leak. Use the other folds only.")
        inside = same & ~other_fold
        if np.allclose(got[seen], (inside @ y / inside.sum(1))[seen]):
            raise exercise.Wrong("You average inside the row's fold: take the rows with `folds != f`.")
        others = same & ~np.eye(n, dtype=bool)
        one_out = (others[seen] @ y) / others[seen].sum(1)
        if np.allclose(got[seen], one_out) and not np.allclose(right[seen], one_out):
            raise exercise.Wrong("Only the row itself is left out: the rest of its fold must stay out as well.")
        if np.isnan(got[lonely]).any():
            raise exercise.Wrong("A key that the other folds do not have gives NaN: fall back to their overall mean.")
        if np.allclose(got[lonely], 0):
            raise exercise.Wrong("A key that the other folds do not have gives 0, a price of 1 dollar in logarithms.")
        if np.allclose(got[lonely], y.mean()) and not np.allclose(got, right):
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

        for seed, B, n_numbers, widths in ((0, 4, 2, (2, 2, 3)), (1, 1, 3, (1, 4)), (2, 5, 1, (2, 2, 2))):
            torch.manual_seed(seed)
            tables = nn.ModuleList([nn.Embedding(6, width) for width in widths])
            x = torch.cat([torch.randn(B, n_numbers), torch.randint(1, 6, (B, len(widths))).float()], 1)
            x[0, n_numbers:] = torch.arange(1.0, len(widths) + 1)
            self._judge_one(self.call(join_inputs, x, tables, n_numbers), x, tables, n_numbers)

    def _judge_one(self, got, x, tables, n):
        B, width = len(x), sum(table.embedding_dim for table in tables)
        shape, right = tuple(getattr(got, "shape", ())), self.reference(x, tables, n)
        first = tables[0].embedding_dim
        if shape == tuple(x.shape) and x.shape[1] != n + width:
            raise exercise.Wrong("The codes went in as numbers: roof 4 would be twice roof 2. Look them up.")
        if shape == (B, width):
            raise exercise.Wrong("Only the vectors are there: the numbers belong in front of them.")
        got, right_array = self.expect_array(got, shape=(B, n + width)), right.detach().numpy()
        if np.allclose(got, right_array):
            return
        if np.allclose(got[:, :width], right_array[:, n:]):
            raise exercise.Wrong("The order is turned round: numbers first, then the vectors. `parity` counts on it.")
        looked_up = lambda column: tables[0](x[:, column].long().clamp(0)).detach().numpy()
        front = np.allclose(got[:, : n + first], right_array[:, : n + first])
        if front and np.allclose(got[:, n + first : n + 2 * first], looked_up(n + 1)[:, : got.shape[1] - n - first]):
            raise exercise.Wrong("One table serves several columns: column j needs table j.")
        if np.allclose(got[:, :n], right_array[:, :n]) and np.allclose(got[:, n : n + first], looked_up(0)):
            raise exercise.Wrong("The tables read the numbers: the codes begin at column `n_numbers`.")
        if B > 1 and np.allclose(got[:, n:], np.roll(right_array[:, n:], 1, axis=0)):
            raise exercise.Wrong("The rows of numbers and vectors are shifted against each other.")
        self.expect_close(got, right, "The order of the vectors is that of the codes.")

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
        if got.min() >= 0 and getattr(price_model.layers[-1], "activation", None) is not keras.activations.linear:
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
        if not all(layer.trainable for layer in price_model.layers):
            raise exercise.Wrong("A layer is frozen: table and weights have to learn.")
        self._judge_values(price_model, hidden[0], x, got)

    def _judge_values(self, price_model, hidden, x, got):
        """Recompute the answer from the model's own weights: the activation, and nothing between the layers."""
        table, *dense = (w for w in price_model.get_weights() if w.ndim == 2)
        if len(dense) != 2:
            raise exercise.Wrong(f"There are {len(dense)} Dense layers, expected two: Dense(8) and the output.")
        biases = [w for w in price_model.get_weights() if w.ndim == 1]
        if len(biases) != 2:
            raise exercise.Wrong("A bias is missing: both Dense layers keep theirs.")
        z = np.concatenate([x[:, :3], table[x[:, 3].astype(int)]], 1) @ dense[0] + biases[0]
        output = lambda a: a @ dense[1] + biases[1]
        exercise.name_mistake(
            got,
            output(z * exercise.sigmoid(z)),
            (
                (output(z), "The hidden layer is linear: two linear layers are one. Give it `activation='silu'`."),
                (output(np.maximum(z, 0)), "The hidden layer has ReLU: `activation='silu'` is asked for."),
                (output(np.tanh(z)), "The hidden layer has tanh: `activation='silu'` is asked for."),
            ),
        )
        right = output(z * exercise.sigmoid(z))
        self.expect_close(got, right, "Something else stands between the layers.", rtol=1e-4, atol=1e-5)

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
        frozen = build()
        frozen.layers[-2].trainable = False
        return (
            exercise.Mistake(plain, "no Embedding"),
            exercise.Mistake(build(rows=5), "out of range"),
            exercise.Mistake(build(width=4), "expected 6 × 2"),
            exercise.Mistake(build(output="softplus"), "output linear"),
            exercise.Mistake(build(numbers=4), "raw code"),
            exercise.Mistake(build(numbers=0), "Only the roof"),
            exercise.Mistake(build(hidden=None), "two linear layers are one"),
            exercise.Mistake(build(hidden="relu"), "has ReLU"),
            exercise.Mistake(build(hidden="gelu"), "between the layers"),
            exercise.Mistake(frozen, "frozen"),
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

    def cases(self):
        yield np.array([12.0]), np.array([-0.1, 0.3])
        yield np.array([11.5, 12.0, 12.6]), np.array([-0.3, 0.1, 0.25, -0.2, 0.4, 0.05, -0.35, 0.3])
        yield np.array([10.0, 13.0]), np.random.default_rng(0).normal(0.05, 0.4, 30)

    def compare(self, got, right, args):
        got = self.expect_array(got, shape=right.shape)
        exercise.name_mistake(got, right, self.typical(right, *args), rtol=1e-6)
        if got.max() < 1000:
            raise exercise.Wrong("These are still logarithms or factors: prices come from exp(log_price).")
        self.expect_close(got, right, rtol=1e-5)

    def typical(self, right, p, r):
        return (
            (np.exp(p), "exp of the prediction is the median price; the mean lies higher. Use the residuals."),
            (np.exp(p + r.mean()), "You average before exp: the mean of exp is not the exp of the mean."),
            (
                np.exp(p) * np.exp(-r).mean(),
                "The sign is turned: residuals are true − predicted, so exp(+residual).",
            ),
            (
                np.exp(p + r.var() / 2),
                "exp(variance / 2) holds for normal residuals only; take the mean of exp(residual).",
            ),
            (
                np.exp(p) + np.exp(r).mean(),
                "A sum of logarithms is a product of prices: multiply by the factor, do not add it.",
            ),
        )

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
        curved = lambda x: x[:, 0] ** 2 + 2 * x[:, 1] * x[:, 2] ** 2
        wavy = lambda x: np.exp(x[:, 2] * x[:, 0]) + 3 * np.sqrt(x[:, 1])
        for seed, shape, predict, column, values in (
            (0, (40, 3), curved, 1, [0.6, 1.0, 1.5, 1.9]),
            (1, (25, 4), wavy, 2, [0.5, 1.2]),
            (2, (30, 3), wavy, 0, [1.7, 0.9, 0.7]),
        ):
            x = np.random.default_rng(seed).uniform(0.5, 2.0, shape)
            self._judge_one(partial_dependence, predict, x, column, np.array(values))

    def _judge_one(self, partial_dependence, predict, x, column, values):
        right = self.reference(predict, x, column, values)
        got = self.expect_array(self.call(partial_dependence, predict, x, column, values), shape=values.shape)
        if np.allclose(got, [predict(_set(x.mean(0)[None], column, v))[0] for v in values]):
            raise exercise.Wrong("You ask about one average house: average the answers, not the rows.")
        if np.ptp(got) < 1e-9:
            raise exercise.Wrong("The curve is flat: set the column to the value before you predict.")
        if np.allclose(got, [np.median(predict(_set(x, column, v))) for v in values]):
            raise exercise.Wrong("You take the median of the answers: partial dependence is their mean.")
        near = [predict(x[np.argsort(abs(x[:, column] - v))[:8]]).mean() for v in values]
        if np.allclose(got, near, rtol=1e-6):
            raise exercise.Wrong("You average the rows that have such a value: other columns change along with it.")
        others = [c for c in range(x.shape[1]) if c != column]
        if any(np.allclose(got, [predict(_set(x, c, v)).mean() for v in values]) for c in others):
            raise exercise.Wrong("Another column moves: overwrite the one that was asked for, `x[:, column]`.")
        if np.allclose(got, right - right[0]):
            raise exercise.Wrong("The curve starts at 0: return the mean answers themselves, not their differences.")
        self.expect_close(got, right)

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
            exercise.Mistake(in_place, "in place"),
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
        for seed, n, coverage in ((1, 6, 0.5), (1, 19, 0.9), (2, 19, 0.8), (3, 10, 0.85)):
            scores = np.random.default_rng(seed).gamma(2.0, 0.1, n)
            got = self.expect_array(self.call(conformal_width, scores, coverage), finite=False)
            if np.isinf(got).all():
                raise exercise.Wrong(f"With n = {n} and coverage {coverage} the k-th smallest exists: no infinity.")
            self._judge_one(self.expect_number(got), scores, coverage)
        few = np.random.default_rng(4).gamma(2.0, 0.1, 5)
        got = self.expect_array(self.call(conformal_width, few, 0.9), finite=False)
        if not np.isinf(got).all():
            raise exercise.Wrong("Five houses cannot promise 90 %: k = 6 is more than n, so the width is infinite.")

    def _judge_one(self, got, scores, coverage):
        n, right, ordered = len(scores), self.reference(scores, coverage), np.sort(scores)
        k = int(np.flatnonzero(ordered == right)[0]) + 1
        at = lambda place: ordered[min(max(place, 1), n) - 1]
        exercise.name_mistake(
            got,
            right,
            (
                (float(k), "That is k itself: return the k-th smallest score."),
                (at(k + 1), "One place too far: Python counts from 0, so the k-th smallest has index k − 1."),
                (scores[k - 1], "The scores are not sorted: sort before you count to the k-th."),
                (ordered[-1], "That is the largest score: only the k-th smallest is needed."),
                (at(int(np.ceil(n * coverage))), "You count to n · coverage: the new house makes it n + 1."),
                (
                    np.quantile(scores, coverage),
                    "`np.quantile` interpolates between scores: count to (n + 1) · coverage.",
                ),
                (
                    at(int(np.ceil(round((n + 1) * (1 - coverage), 9)))),
                    "That is the quantile of 1 − coverage: most errors would lie outside.",
                ),
            ),
            rtol=1e-9,
        )
        self.expect_close(got, right)

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
            exercise.Mistake(lambda s, c: place(len(s), c), "k itself"),
            exercise.Mistake(lambda s, c: np.max(s), "the largest score"),
            exercise.Mistake(lambda s, c: s[min(place(len(s), c), len(s)) - 1], "not sorted"),
            exercise.Mistake(lambda s, c: np.sort(s)[int(np.ceil(len(s) * c)) - 1], "n · coverage"),
            exercise.Mistake(lambda s, c: np.sort(s)[min(place(len(s), c), len(s)) - 1], "cannot promise"),
        )
