"""Exercises of lesson 1.1: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

X = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, -1.0], [0.5, 0.5], [0.0, 0.5], [1.2, 1.0]])
W, B = np.array([1.0, -1.0]), 0.5
VOTES = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], np.float32)  # (8, 3): all votes of three
MAJORITY = (VOTES.sum(1) >= 2).astype(int)


class Neuron(exercise.Exercise):
    """Write `neuron_batch(x, w, b)`: a neuron's answers 0 or 1 for a batch, x (N, D), w (D,), b a number -> (N,)."""

    difficulty = 1
    minutes = 5
    answer_name = "neuron_batch"
    hints = (
        "First the weighted sum of every row: `x @ w` has one number a row. What is still missing in z?",
        "`(x @ w + b > 0)` is an array of True and False; `.astype(int)` turns it into 1 and 0.",
    )
    why = "One matrix product answers for all examples at once; `> 0` is the step that Rosenblatt's neuron ends in."

    def test(self, neuron):
        self._judge_one(neuron, X, W, B)
        self._judge_one(neuron, np.array([[1.0, 2.0, -1.0]]), np.array([0.5, -1.0, 1.0]), 3.0)
        rng = np.random.default_rng(0)
        for n, d, b in ((5, 3, -1.0), (4, 4, 0.0), (7, 2, 1.0)):
            self._judge_one(neuron, rng.integers(-3, 4, (n, d)).astype(float), rng.integers(-2, 3, d) + 0.5, b)

    def _judge_one(self, neuron, X, W, B):
        right, got = (X @ W + B > 0).astype(int), self.call(neuron, X, W, B)
        if getattr(got, "shape", None) == X.shape:
            raise exercise.Wrong(
                "`x * w` multiplies but does not add up: use the dot product `x @ w`, one number a row."
            )
        got = self.expect_array(got, shape=(len(X),))
        if np.array_equal(got, right):
            return
        if np.allclose(got, X @ W + B):
            raise exercise.Wrong("This is z itself: a neuron answers 1 where z > 0 and 0 elsewhere.")
        if np.array_equal(got, X @ W + B >= 0):
            raise exercise.Wrong("At z = 0 the neuron answers 0: use `>`, not `>=`.")
        if np.array_equal(got, X @ W - B > 0):
            raise exercise.Wrong("The bias is added, not subtracted: z = w·x + b.")
        if np.array_equal(got, X @ W > 0):
            raise exercise.Wrong("The bias is missing: z = w·x + b; without b the boundary runs through the origin.")
        if np.array_equal(got, X @ W + B <= 0) or np.array_equal(got, X @ W + B < 0):
            raise exercise.Wrong("Your classes are swapped: the answer is 1 on the side that w points to, where z > 0.")
        if np.array_equal(got, np.where(X @ W + B > 0, 1, -1)) or np.array_equal(got, np.sign(X @ W + B)):
            raise exercise.Wrong("The classes here are 0 and 1, not -1 and 1.")
        self.expect_close(got, right, "Compare z = w·x + b with 0, row by row.")

    @staticmethod
    def reference(x, w, b):
        return (x @ w + b > 0).astype(int)

    mistakes = (
        exercise.Mistake(lambda x, w, b: (x @ w > 0).astype(int), "bias is missing"),
        exercise.Mistake(lambda x, w, b: (x * w + b > 0).astype(int), "does not add up"),
        exercise.Mistake(lambda x, w, b: (x @ w - b > 0).astype(int), "not subtracted"),
        exercise.Mistake(lambda x, w, b: (x @ w + b >= 0).astype(int), "not `>=`"),
        exercise.Mistake(lambda x, w, b: x @ w + b, "z itself"),
        exercise.Mistake(lambda x, w, b: (x @ w + b < 0).astype(int), "classes are swapped"),
        exercise.Mistake(lambda x, w, b: np.sign(x @ w + b), "not -1 and 1"),
    )


class Update(exercise.Exercise):
    """Write `rosenblatt_update(w, b, x, y)`: one step of Rosenblatt's rule for one example -> the pair (w, b) after it.

    x (D,), y is 0 or 1. A right answer changes nothing.
    """

    difficulty = 2
    minutes = 10
    answer_name = "rosenblatt_update"
    hints = (
        "Compute the neuron's answer first. What are the three values that y minus the answer can have?",
        "With `error = y - answer` the new weights are `w + error * x` and the new bias is `b + error`.",
    )
    why = "The error y - ŷ is 0, 1 or -1: it switches the update off, or moves the boundary towards or away from x."

    def test(self, update):
        for y, w, b, x in (
            (1, [-1, 0], 0.5, [2, -1.5]),
            (0, [1, 0], 0.5, [2, -1.5]),
            (1, [1, 0], 0.5, [2, -1.5]),
            (0, [-1, 0], 0.5, [2, -1.5]),
            (1, [-1, 0], 3.0, [2, -1.5]),  # in these two b decides
            (0, [1, 0], -3.0, [2, -1.5]),
            (0, [1, 2, -1], 0.5, [1, 1, 0.5]),
            (1, [-2], 1.0, [3]),
            (1, [1, -1], 0.0, [2, 2]),  # z = 0: the answer is 0
        ):
            w, x = np.array(w, float), np.array(x, float)
            new_w, new_b = self._pair(self.call(update, w, b, x, y), len(w))
            self._judge_step(new_w, new_b, w, b, x, y)

    def _pair(self, got, d):
        if not (isinstance(got, (tuple, list)) and len(got) == 2):
            raise exercise.Wrong("Return the pair: `return w, b`.")
        return self.expect_array(got[0], shape=(d,), name="the new w"), self.expect_number(got[1], "the new b")

    def _judge_step(self, new_w, new_b, w, b, x, y):
        error = y - int(w @ x + b > 0)
        step_w, step_b = new_w - w, new_b - b
        if np.allclose(step_w, error * x) and np.isclose(step_b, error):
            return
        if error == 0 and (w @ x > 0) != (w @ x + b > 0) and (step_w.any() or step_b):
            raise exercise.Wrong("The answer was right, yet the weights moved: did you add b before comparing with 0?")
        if error and np.allclose(step_w, (y - (w @ x + b)) * x):
            raise exercise.Wrong("The error is y minus the *answer* 0 or 1, not y minus z.")
        if error == 0 and (step_w.any() or step_b):
            raise exercise.Wrong("The answer was right, yet the weights moved: multiply the step by the error y - ŷ.")
        if error and not step_w.any() and not step_b:
            raise exercise.Wrong("The answer was wrong, yet nothing moved: did you return the old w and b?")
        if error and np.allclose(step_w, -error * x):
            raise exercise.Wrong("Your boundary moves away from the right answer: the error is y - ŷ, not ŷ - y.")
        if error and np.allclose(step_w, error):
            raise exercise.Wrong("Every weight moved by the same amount: multiply the error by the input x.")
        if error and np.allclose(step_w, error * x) and not np.isclose(step_b, error):
            raise exercise.Wrong(
                "The weights are right, the bias is not: it moves by the error, as if its input were 1."
            )
        self.expect_close(new_w, w + error * x, "Add error · x to w.", name="the new w")
        self.expect_close(new_b, b + error, "Add the error to b.", name="the new b")

    @staticmethod
    def reference(w, b, x, y):
        answer = int(w @ x + b > 0)
        error = y - answer  # 0, 1 or -1
        return w + error * x, b + error

    @staticmethod
    def mistakes():
        def answer(w, b, x):
            return int(w @ x + b > 0)

        wrong_sign = lambda w, b, x, y: (w + (answer(w, b, x) - y) * x, b + answer(w, b, x) - y)
        always = lambda w, b, x, y: (w + (2 * y - 1) * x, b + 2 * y - 1)
        no_bias = lambda w, b, x, y: (w + (y - answer(w, b, x)) * x, b)
        no_input = lambda w, b, x, y: (w + (y - answer(w, b, x)), b + y - answer(w, b, x))
        sum_in_bias = lambda w, b, x, y: (w + (y - answer(w, b, x)) * x, b + ((y - answer(w, b, x)) * x).sum())
        no_bias_in_z = lambda w, b, x, y: (w + (y - answer(w, 0, x)) * x, b + y - answer(w, 0, x))
        z_for_answer = lambda w, b, x, y: (w + (y - (w @ x + b)) * x, b + y - (w @ x + b))
        return (
            exercise.Mistake(wrong_sign, "not ŷ - y"),
            exercise.Mistake(always, "multiply the step by the error"),
            exercise.Mistake(no_bias, "as if its input were 1"),
            exercise.Mistake(no_input, "multiply the error by the input"),
            exercise.Mistake(sum_in_bias, "as if its input were 1"),
            exercise.Mistake(no_bias_in_z, "did you add b"),
            exercise.Mistake(z_for_answer, "not y minus z"),
            exercise.Mistake(lambda w, b, x, y: (w, b), "nothing moved"),
            exercise.Mistake(lambda w, b, x, y: w, "Return the pair"),
        )


class Majority(exercise.Exercise):
    """Build `majority_model`, an `nn.Linear(3, 1)` with weights *set by hand*, that answers a majority vote.

    Its logit is positive exactly when at least two of the three inputs are 1. No training.
    """

    difficulty = 2
    minutes = 10
    framework = "torch"
    answer_kind = "value"
    answer_name = "build_majority_model"
    hints = (
        "All three votes count alike, so all weights are equal. What must the sum exceed for two votes, not for one?",
        "Inside `with torch.no_grad():` call `model.weight.fill_(1.0)` and `model.bias.fill_(-1.5)`.",
    )
    why = "With weights 1 the sum counts the votes; the bias -1.5 puts the threshold half-way between one and two."

    def test(self, model):
        import torch

        if not isinstance(model, torch.nn.Module):
            raise exercise.Wrong("Pass the model itself, a torch.nn.Module such as `nn.Linear(3, 1)`.")
        device = next(iter(model.parameters())).device
        logits = self.call(model, torch.as_tensor(VOTES, device=device))
        logits = self.expect_array(logits, shape=(8, 1), name="the model's output")[:, 0]
        if ((logits > 0) & (logits <= 1)).all():
            raise exercise.Wrong("All outputs lie between 0 and 1: leave the sigmoid out, the logit is asked for.")
        votes = VOTES.sum(1)
        for wanted, words in (
            (1, "one vote is enough for it (OR): make the bias smaller"),
            (3, "it wants all three (AND)"),
        ):
            if np.array_equal(logits > 0, votes >= wanted):
                raise exercise.Wrong(
                    f"The weights treat all votes alike, but {words}: the threshold lies between 1 and 2."
                )
        if np.array_equal(logits > 0, MAJORITY == 0):
            raise exercise.Wrong("This is the minority: change the sign of weights and bias.")
        wrong = (
            int(np.flatnonzero((logits > 0) != (MAJORITY == 1))[0]) if ((logits > 0) != (MAJORITY == 1)).any() else None
        )
        if wrong is not None:
            vote = VOTES[wrong].astype(int).tolist()
            raise exercise.Wrong(
                f"For the votes {vote} the logit is {logits[wrong]:.2f}, which is on the wrong side of 0."
            )

    @staticmethod
    def reference():
        import torch
        from torch import nn

        model = nn.Linear(3, 1)
        with torch.no_grad():
            model.weight.fill_(1.0)
            model.bias.fill_(-1.5)
        return model

    @staticmethod
    def mistakes():
        import torch
        from torch import nn

        def with_bias(bias, weight=1.0, *after):
            model = nn.Linear(3, 1)
            with torch.no_grad():
                model.weight.fill_(weight)
                model.bias.fill_(bias)
            return nn.Sequential(model, *after)

        return (
            exercise.Mistake(with_bias(-0.5), "(OR)"),
            exercise.Mistake(with_bias(-2.5), "(AND)"),
            exercise.Mistake(with_bias(1.5, -1.0), "minority"),
            exercise.Mistake(with_bias(-1.5, 1.0, nn.Sigmoid()), "leave the sigmoid out"),
            exercise.Mistake(nn.Linear(3, 2), "shape"),
        )


class LogisticNeuron(exercise.Exercise):
    """Write `logistic_neuron(w, b)`: a Keras model with the given weights w (D,) and bias b.

    It maps x (N, D) to **probabilities** (N, 1): the sigmoid is inside.
    """

    difficulty = 2
    minutes = 10
    framework = "keras"
    hints = (
        "A `keras.Sequential` with `keras.Input((D,))` and one `Dense` layer has a kernel of shape (D, 1).",
        '`layers.Dense(1, activation="sigmoid")`, then `model.layers[0].set_weights([w[:, None], np.array([b])])`.',
    )
    why = "A dense layer is xW + b; with one column in W it is one neuron, and the sigmoid makes its answer soft."

    def test(self, logistic_neuron):
        import keras

        for w, b, x in (
            ([1.0, -1.0], 0.5, X),
            ([1.0, -1.0], -2.0, X),
            ([0.5, 2.0, -1.0], 1.0, X[:1] @ np.ones((2, 3))),
            ([-2.0], 0.25, X[:4, :1]),
        ):
            w = np.array(w, np.float32)
            model = self.call(logistic_neuron, w, b)
            if not isinstance(model, keras.Model):
                raise exercise.Wrong("Return the Keras model itself.")
            got = self.expect_array(model(x.astype(np.float32)), shape=(len(x), 1), name="the model's output")
            self._judge_output(got, (x @ w + b)[:, None], (x @ w)[:, None])

    def _judge_output(self, got, z, without_bias):
        def sigmoid(v):
            return 1 / (1 + np.exp(-v))

        if np.allclose(got, z, atol=1e-4):
            raise exercise.Wrong("These are logits: probabilities are asked for, so give the layer the sigmoid.")
        if np.allclose(got, sigmoid(without_bias), atol=1e-4):
            raise exercise.Wrong("The bias has no effect: set it together with the kernel.")
        if np.allclose(got, sigmoid(-z), atol=1e-4):
            raise exercise.Wrong("These are the probabilities of class 0: the sign of w and b is turned round.")
        if np.allclose(got, z > 0):
            raise exercise.Wrong("This is the hard step: the logistic neuron answers softly, with the sigmoid.")
        self.expect_close(got, sigmoid(z), "Are the given w and b in the layer? A new layer is random.", atol=1e-4)

    @staticmethod
    def reference(w, b):
        import keras
        import numpy as np

        model = keras.Sequential([keras.Input((len(w),)), keras.layers.Dense(1, activation="sigmoid")])
        model.layers[0].set_weights([w[:, None], np.array([b])])  # kernel (D, 1), bias (1,)
        return model

    @staticmethod
    def mistakes():
        def build(w, b, activation="sigmoid", use_bias=True, set_weights=True):
            import keras

            layer = keras.layers.Dense(1, activation=activation, use_bias=use_bias, kernel_initializer="ones")
            model = keras.Sequential([keras.Input((len(w),)), layer])
            if set_weights:
                layer.set_weights([w[:, None], np.array([b])][: 2 if use_bias else 1])
            return model

        return (
            exercise.Mistake(lambda w, b: build(w, b, activation=None), "These are logits"),
            exercise.Mistake(lambda w, b: build(w, b, use_bias=False), "bias has no effect"),
            exercise.Mistake(lambda w, b: build(-w, -b), "turned round"),
            exercise.Mistake(lambda w, b: build(w, b, set_weights=False), "A new layer is random"),
        )


class Margin(exercise.Exercise):
    """Write `margin(x, y, w, b)`: the smallest signed distance of an example to the boundary, a number.

    x (N, D), y (N,) of 0 and 1. A distance counts as positive on the right side and negative on the wrong one.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "z grows when you scale w and b, the distance does not: divide z by the length of w.",
        "Turn the classes into signs, `2 * y - 1`: sign · z / ‖w‖ is positive for right answers. Take the minimum.",
    )
    why = "The sign folds both classes into one question, and dividing by ‖w‖ turns the unitless z into a distance."

    def test(self, margin):
        four = np.array([1, 0, 1, 0])
        for x, y, w, b in (
            (X[:4], four, [3, -4], 0.0),
            (X[:4], four, [3, -4], 2.0),
            (X[:1], four[:1], [-6, 8], 1.0),
            (X[1:6], 1 - np.r_[four, 1], [5, 12], -7.0),
            (np.array([[2.0, 1.0, 1.0], [3.0, -1.0, 0.0]]), four[:2], [2, -1, 2], 3.0),  # the nearest is right
        ):
            w = np.array(w, float)
            z, length = x @ w + b, np.linalg.norm(w)
            got = self.call(margin, x, y, w, b)
            array = self.expect_array(got)
            if array.shape == (len(x),) != (1,):
                raise exercise.Wrong("These are all the distances: the margin is the smallest of them.")
            self._judge_value(self.expect_number(got), (2 * y - 1) * z / length, z, w, b, y, length)

    def _judge_value(self, got, signed, z, w, b, y, length):
        if np.isclose(got, signed.min()):
            return
        if np.isclose(got, signed[np.abs(z).argmin()]):
            raise exercise.Wrong("This is the nearest example: on the wrong side, the farthest one counts most.")
        if np.isclose(got, (length * signed).min()):
            raise exercise.Wrong("This is the smallest z: divide by the length of w to get a distance.")
        if np.isclose(got, np.abs(z).min() / length):
            raise exercise.Wrong(
                "The nearest example counts as positive even on the wrong side: use the sign of its class."
            )
        if np.isclose(got, (length * signed).min() / np.sqrt(w @ w + b * b)):
            raise exercise.Wrong("The bias does not belong to the length: divide by ‖w‖ alone.")
        if np.isclose(got, (y * z).min() / length):
            raise exercise.Wrong("Class 0 became 0 instead of -1: use 2y - 1 as the sign.")
        self.expect_close(got, signed.min(), "Smallest of sign · z / ‖w‖.")

    @staticmethod
    def reference(x, y, w, b):
        import numpy as np

        sign = 2 * y - 1  # (N,): -1 for class 0, +1 for class 1
        return (sign * (x @ w + b)).min() / np.linalg.norm(w)

    mistakes = (
        exercise.Mistake(lambda x, y, w, b: ((2 * y - 1) * (x @ w + b)).min(), "divide by the length"),
        exercise.Mistake(lambda x, y, w, b: np.abs(x @ w + b).min() / np.linalg.norm(w), "sign of its class"),
        exercise.Mistake(lambda x, y, w, b: (y * (x @ w + b)).min() / np.linalg.norm(w), "2y - 1"),
        exercise.Mistake(lambda x, y, w, b: (2 * y - 1) * (x @ w + b) / np.linalg.norm(w), "smallest of them"),
        exercise.Mistake(
            lambda x, y, w, b: ((2 * y - 1) * (x @ w + b)).min() / np.sqrt(w @ w + b * b),
            "does not belong to the length",
        ),
    )
