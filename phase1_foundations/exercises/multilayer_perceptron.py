"""Exercises of lesson 1.3: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

X = np.array([[2.0, 1.0], [0.0, 1.0], [1.0, -1.0], [-1.0, 0.5]])
W1, B1 = np.array([[1.0, -2.0, 0.5], [1.0, 1.0, -3.0]]), np.array([0.5, 1.0, -0.5])
W2, B2 = np.array([[0.5, 1.0], [3.0, -1.0], [-1.0, 2.0]]), np.array([-1.0, 0.25])
BITS = np.array([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)], np.float32)  # (8, 3): all triples of bits


def relu(z):
    return np.maximum(z, 0)


def _output(x, w1, b1, w2, b2):
    """Outputs (N,) of a network with one hidden ReLU layer for numbers x (N,)."""
    return (relu(x[:, None] @ w1 + b1) @ w2 + b2)[:, 0]


class Forward(exercise.Exercise):
    """Write `forward(x, W1, b1, W2, b2)`: logits of a network with one hidden ReLU layer, for a whole batch.

    x (N, D), W1 (D, H), b1 (H,), W2 (H, K), b2 (K,) -> logits (N, K).
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Two weighted sums of the form `x @ W + b`. Which of the two goes through the ReLU?",
        "`a = np.maximum(x @ W1 + b1, 0)` is the hidden layer, (N, H); the logits are `a @ W2 + b2`.",
    )
    why = "Hidden layers bend with the ReLU; the last layer stays linear, because a logit may be negative."

    def cases(self):
        yield X, W1, B1, W2, B2
        yield np.array([[1.0, -2.0]]), np.array([[2.0], [0.5]]), np.array([0.5]), np.array([[-1.0]]), np.array([-2.0])
        for seed, (n, d, h, k) in ((0, (3, 3, 5, 4)), (1, (6, 1, 2, 3))):
            rng = np.random.default_rng(seed)
            yield tuple(rng.standard_normal(shape) for shape in ((n, d), (d, h), h, (h, k), k))

    def compare(self, got, right, args):
        n, h = len(args[0]), len(args[2])
        if getattr(got, "shape", None) == (n, h) != right.shape:
            raise exercise.Wrong("This is the hidden layer, (N, H): the second weighted sum is missing.")
        super().compare(got, right, args)

    def typical(self, right, X, W1, B1, W2, B2):
        return (
            ((X @ W1 + B1) @ W2 + B2, "There is no ReLU between the layers: the two sums collapse into one."),
            (relu(right), "You put the ReLU on the output layer too: a logit may be negative."),
            (relu((X @ W1 + B1) @ W2 + B2), "The ReLU is on the output layer, it belongs on the hidden one."),
            (relu(X @ W1) @ W2 + B2, "The bias b1 of the hidden layer is missing."),
            ((relu(X @ W1) + B1) @ W2 + B2, "The ReLU comes before the bias b1: add the bias first."),
            (relu(X @ W1 + B1) @ W2, "The bias b2 of the output layer is missing."),
            (np.abs(X @ W1 + B1) @ W2 + B2, "Negative sums became positive: the ReLU makes them 0."),
        )

    @staticmethod
    def reference(x, W1, b1, W2, b2):
        import numpy as np

        a = np.maximum(x @ W1 + b1, 0)  # (N, H)
        return a @ W2 + b2  # (N, K)

    mistakes = (
        exercise.Mistake(lambda x, W1, b1, W2, b2: (x @ W1 + b1) @ W2 + b2, "no ReLU between"),
        exercise.Mistake(lambda x, W1, b1, W2, b2: relu(relu(x @ W1 + b1) @ W2 + b2), "on the output layer too"),
        exercise.Mistake(lambda x, W1, b1, W2, b2: relu(x @ W1) @ W2 + b2, "bias b1 of the hidden layer is missing"),
        exercise.Mistake(lambda x, W1, b1, W2, b2: (relu(x @ W1) + b1) @ W2 + b2, "comes before the bias"),
        exercise.Mistake(lambda x, W1, b1, W2, b2: relu(x @ W1 + b1) @ W2, "bias b2"),
        exercise.Mistake(lambda x, W1, b1, W2, b2: relu(x @ W1 + b1), "second weighted sum is missing"),
    )


class Collapse(exercise.Exercise):
    """Write `collapse(W1, b1, W2, b2)`: the one linear layer that equals two without an activation -> W, b.

    W1 (D, H), b1 (H,), W2 (H, K), b2 (K,) -> W (D, K), b (K,) with x W + b = (x W1 + b1) W2 + b2 for every x.
    """

    difficulty = 2
    minutes = 10
    hints = (
        "Multiply out the brackets of (x W₁ + b₁) W₂ + b₂. Which part contains x?",
        "The part with x is x (W₁ W₂). The rest, b₁ W₂ + b₂, is the bias.",
    )
    why = "A product of matrices is a matrix: without a bend in between, depth buys nothing."

    def test(self, collapse):
        rng = np.random.default_rng(3)
        for h in (3, 5):  # square matrices first: there a wrong order still multiplies
            w1, w2 = rng.normal(size=(3, h)), rng.normal(size=(h, 3))
            b1, b2 = rng.normal(size=h), rng.normal(size=3)
            got = self.call(collapse, w1, b1, w2, b2)
            if not (isinstance(got, (tuple, list)) and len(got) == 2):
                raise exercise.Wrong("Return the pair: `return W, b`.")
            w, b = self.expect_array(got[0], (3, 3), "`W`"), self.expect_array(got[1], (3,), "`b`")
            self._compare(w, b, w1, b1, w2, b2)

    def _compare(self, w, b, w1, b1, w2, b2):
        if w1.shape == w2.shape and np.allclose(w, w2 @ w1):
            raise exercise.Wrong("The order is turned round: x meets W1 first, so the product is `W1 @ W2`.")
        if w1.shape == w2.shape and np.allclose(w, w1 * w2):
            raise exercise.Wrong("`*` multiplies entry by entry: layers in a row are the matrix product `@`.")
        if np.allclose(w, (w1 @ w2).T):
            raise exercise.Wrong("`W` is transposed: a row belongs to an input, a column to an output.")
        self.expect_close(w, w1 @ w2, "W is the matrix product W₁ W₂.", name="`W`")
        if np.allclose(b, b2):
            raise exercise.Wrong("b1 is lost: it reaches the output through the second layer.")
        if b1.shape == b2.shape and np.allclose(b, b1 + b2):
            raise exercise.Wrong("b1 has to pass through W2 before it is added to b2.")
        self.expect_close(b, b1 @ w2 + b2, "b is b₁ W₂ + b₂.", name="`b`")

    @staticmethod
    def reference(W1, b1, W2, b2):
        return W1 @ W2, b1 @ W2 + b2  # (D, K), (K,)

    mistakes = (
        exercise.Mistake(lambda W1, b1, W2, b2: (W2 @ W1, b1 @ W2 + b2), "order is turned round"),
        exercise.Mistake(lambda W1, b1, W2, b2: (W1 * W2, b1 @ W2 + b2), "entry by entry"),
        exercise.Mistake(lambda W1, b1, W2, b2: (W1 @ W2, b1 + b2), "pass through W2"),
        exercise.Mistake(lambda W1, b1, W2, b2: (W1 @ W2, b2), "b1 is lost"),
        exercise.Mistake(lambda W1, b1, W2, b2: W1 @ W2, "Return the pair"),
    )


class ExactlyTwo(exercise.Exercise):
    """Build `model`, a PyTorch network with a hidden ReLU layer and weights *set by hand*.

    x (B, 3) of 0 and 1 -> logit (B, 1), positive exactly when two of the three inputs are 1. No training.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    answer_kind = "value"
    answer_name = "build_model"
    hints = (
        "All inputs count alike: only their sum s = 0, 1, 2, 3 matters. XOR was 'exactly one of two': start from it.",
        "With hidden units max(0, s - 1) and max(0, s - 2) the sums give (0,0), (0,0), (1,0), (2,1). "
        "Which weights make only the third positive?",
    )
    why = "The first hidden unit rises from s = 1 on, the second pulls down from s = 2 on: a bump at s = 2."

    def test(self, model):
        import torch

        if not isinstance(model, torch.nn.Module):
            raise exercise.Wrong("Pass the model itself, a torch.nn.Module such as `nn.Sequential(...)`.")
        device = next(iter(model.parameters()), torch.zeros(1)).device
        logits = self.call(model, torch.as_tensor(BITS, device=device))
        logits = self.expect_array(logits, shape=(8, 1), name="the model's output")[:, 0]
        if ((logits > 0) & (logits <= 1)).all():
            raise exercise.Wrong("All outputs lie between 0 and 1: leave the sigmoid out, the logit is asked for.")
        self._compare(logits > 0, BITS.sum(1))
        wrong = np.flatnonzero((logits > 0) != (BITS.sum(1) == 2))
        if len(wrong):
            at = wrong[0]
            text = f"For the inputs {BITS[at].astype(int).tolist()} the logit is {logits[at]:.2f}"
            raise exercise.Wrong(f"{text}, which is on the wrong side of 0.")

    def _compare(self, on, s):
        for wrong, words in (
            (s >= 2, "Three ones count as well: this is the majority of lesson 1.1. Pull down again from s = 2 on."),
            (s == 1, "This is 'exactly one': shift both hidden units by one, through their biases."),
            (s % 2 == 1, "This is 'an odd number': one bump at s = 2 is enough."),
            (s != 2, "This is turned round: change the signs of the last layer."),
            (s == 3, "This is AND, all three: the bump sits at s = 3."),
        ):
            if np.array_equal(on, wrong):
                raise exercise.Wrong(words)

    @staticmethod
    def reference():
        import torch
        from torch import nn

        model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
        with torch.no_grad():
            model[0].weight.fill_(1.0)  # both hidden units see the sum s
            model[0].bias.copy_(torch.tensor([-1.0, -2.0]))
            model[2].weight.copy_(torch.tensor([[1.0, -3.0]]))
            model[2].bias.fill_(-0.5)
        return model

    @staticmethod
    def mistakes():
        import torch
        from torch import nn

        def with_weights(b1, w2, b2, *after, bend=True):
            model = nn.Sequential(nn.Linear(3, 2), nn.ReLU() if bend else nn.Identity(), nn.Linear(2, 1), *after)
            with torch.no_grad():
                model[0].weight.fill_(1.0)
                model[0].bias.copy_(torch.tensor(b1))
                model[2].weight.copy_(torch.tensor([w2]))
                model[2].bias.fill_(b2)
            return model

        return (
            exercise.Mistake(with_weights([-1.0, -2.0], [1.0, 0.0], -0.5), "majority of lesson 1.1"),
            exercise.Mistake(with_weights([0.0, -1.0], [1.0, -3.0], -0.5), "exactly one"),
            exercise.Mistake(with_weights([-1.0, -2.0], [-1.0, 3.0], 0.5), "turned round"),
            exercise.Mistake(with_weights([-1.0, -2.0], [1.0, -3.0], -0.5, nn.Sigmoid()), "leave the sigmoid out"),
            exercise.Mistake(with_weights([-1.0, -2.0], [1.0, -3.0], -0.5, bend=False), "wrong side of 0"),
            exercise.Mistake(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)), "shape"),
        )


class BuildMlp(exercise.Exercise):
    """Write `build_mlp(sizes)`: a Keras model from `sizes[0]` features to `sizes[-1]` **logits**.

    sizes, such as (64, 32, 10): each number in between is a hidden layer with ReLU. x (B, D) -> logits (B, K).
    """

    difficulty = 2
    minutes = 10
    framework = "keras"
    time_limit = 30.0  # the first Keras model of a session takes its time
    hints = (
        "`keras.Input((sizes[0],))`, then a loop over the hidden sizes `sizes[1:-1]`, then one more layer.",
        'Hidden: `layers.Dense(n, activation="relu")`. Last: `layers.Dense(sizes[-1])` without activation.',
    )
    why = "Every layer but the last bends; the last gives logits, because the loss applies the softmax itself."

    def test(self, build_mlp):
        import keras

        for sizes in ((4, 5, 3), (6, 8, 7, 2)):
            model = self.call(build_mlp, sizes)
            if not isinstance(model, keras.Model):
                raise exercise.Wrong("Return the Keras model itself.")
            rng = np.random.default_rng(0)
            x = rng.normal(size=(40, sizes[0])).astype(np.float32)
            self.expect_array(model(x), shape=(40, sizes[-1]), name="the model's output")
            shapes = [tuple(w.shape) for w in model.weights]
            self._judge_shapes(shapes, sizes)
            weights = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
            model.set_weights(weights)
            self._judge_output(self.expect_array(model(x)), x.astype(float), weights)

    def _judge_shapes(self, shapes, sizes):
        kernels = [shape for shape in shapes if len(shape) == 2]
        wanted = list(zip(sizes, sizes[1:], strict=False))
        if len(kernels) != len(wanted):
            text = f"sizes {sizes} has {len(wanted)} layers of weights, yours has {len(kernels)}"
            raise exercise.Wrong(f"{text}: sizes[0] is the input, each other number is one Dense layer.")
        if kernels != wanted:
            raise exercise.Wrong(f"The kernels have shapes {kernels}, expected {wanted}.")
        if len(shapes) < 2 * len(kernels):
            raise exercise.Wrong("Biases are missing: leave `use_bias` at its default, True.")
        if len(shapes) > 2 * len(kernels):
            raise exercise.Wrong("There are more weights than kernels and biases: use Dense layers only.")

    def _judge_output(self, got, x, weights):
        pairs = list(zip(weights[::2], weights[1::2], strict=True))
        a = linear = x
        for n, (w, b) in enumerate(pairs):
            last = n == len(pairs) - 1
            a, linear = a @ w + b if last else relu(a @ w + b), linear @ w + b
        if np.allclose(got.sum(1), 1, atol=1e-4) and (got >= 0).all():
            raise exercise.Wrong("Rows sum to 1: there is a softmax at the end, but the loss expects logits.")
        if np.allclose(got, relu(a), rtol=1e-3, atol=1e-3):
            raise exercise.Wrong("The last layer has a ReLU: no logit can become negative.")
        if np.allclose(got, linear, rtol=1e-3, atol=1e-3):
            raise exercise.Wrong("The hidden layers have no activation: the whole model is one linear layer.")
        self.expect_close(got, a, "Hidden layers have ReLU, the last has none.", rtol=1e-3, atol=1e-3)

    @staticmethod
    def reference(sizes):
        import keras

        model = keras.Sequential([keras.Input((sizes[0],))])
        for n in sizes[1:-1]:
            model.add(keras.layers.Dense(n, activation="relu"))
        model.add(keras.layers.Dense(sizes[-1]))  # logits (B, K)
        return model

    @staticmethod
    def mistakes():
        def build(sizes, hidden="relu", last=None, use_bias=True):
            import keras

            model = keras.Sequential([keras.Input((sizes[0],))])
            for n in sizes[1:-1]:
                model.add(keras.layers.Dense(n, activation=hidden, use_bias=use_bias))
            model.add(keras.layers.Dense(sizes[-1], activation=last, use_bias=use_bias))
            return model

        return (
            exercise.Mistake(lambda sizes: build(sizes, last="softmax"), "loss expects logits"),
            exercise.Mistake(lambda sizes: build(sizes, last="relu"), "last layer has a ReLU"),
            exercise.Mistake(lambda sizes: build(sizes, hidden=None), "no activation"),
            exercise.Mistake(lambda sizes: build(sizes, use_bias=False), "Biases are missing"),
            exercise.Mistake(lambda sizes: build((sizes[0], *sizes)), "each other number is one Dense layer"),
            exercise.Mistake(lambda sizes: build(sizes, hidden="tanh"), "Hidden layers have ReLU"),
        )


class Plateau(exercise.Exercise):
    """Write `plateau(left, right, ramp)`: the weights W1, b1, W2, b2 of a ReLU network that draws a plateau.

    Its output is 1 from `left` to `right`, falls to 0 in straight ramps of width `ramp` *outside*, and stays 0.
    W1 (1, H), b1 (H,), W2 (H, 1), b2 (1,); input x (N, 1). How many hidden neurons do you need?
    """

    difficulty = 3
    minutes = 20
    hints = (
        "Every bend costs one ReLU, and a plateau with two ramps has four bends: where are they?",
        "With W1 all ones, b1 = -bend puts the bends at left - ramp, left, right, right + ramp. The slope changes by "
        "+1/ramp, -1/ramp, -1/ramp, +1/ramp there: that is W2.",
    )
    why = "Each weight of the last layer is a change of slope; a sum of such plateaus comes close to any curve."

    def test(self, plateau):
        for left, right, ramp in ((1.0, 2.0, 0.5), (-1.0, 0.5, 0.25)):
            got = self.call(plateau, left, right, ramp)
            if not (isinstance(got, (tuple, list)) and len(got) == 4):
                raise exercise.Wrong("Return the four arrays: `return W1, b1, W2, b2`.")
            w1, b1, w2, b2 = (self.expect_array(a, name=n) for a, n in zip(got, ("W1", "b1", "W2", "b2"), strict=True))
            for name, array, shape in (("W1", w1, (1, b1.size)), ("W2", w2, (b1.size, 1))):
                self.expect_array(array, shape, name)
            self._compare(lambda x, w=(w1, b1, w2, b2): _output(x, *w), left, right, ramp)

    def _compare(self, output, left, right, ramp):
        middle, before, after, far = output(np.array([(left + right) / 2, left - 5, right + ramp + 1, right + 9]))
        inner = output(np.array([left, right]))
        if np.isclose(middle, ramp) and not np.isclose(ramp, 1):
            raise exercise.Wrong(f"The height is {middle:g} = ramp, not 1: the slope must be 1 / ramp.")
        if np.isclose(middle, 1) and np.isclose(far, 1):
            raise exercise.Wrong("It rises and never comes down: the right side needs two more bends.")
        if np.isclose(middle, 1) and np.isclose(before, 0) and far < after < -1e-6:
            raise exercise.Wrong("It keeps falling on the right: a fourth ReLU must stop the ramp at 0.")
        if np.isclose(middle, 1) and np.allclose(inner, 0):
            raise exercise.Wrong("Your ramps lie inside: the output is 1 from left to right, the ramps come outside.")
        if not np.isclose(before, 0) and np.isclose(middle - before, 1):
            raise exercise.Wrong(
                f"Everything is lifted by {before:g}: left of the first ramp the output is 0, so b2 is 0."
            )
        mirrored = output(-np.linspace(left, right, 5))
        if np.allclose(mirrored, 1) and not np.isclose(middle, 1):
            raise exercise.Wrong("The plateau is mirrored: a ReLU with weight 1 bends where x = -b1.")
        bends = np.array([left - ramp, left, right, right + ramp])
        x = np.sort(np.concatenate([bends, (bends[1:] + bends[:-1]) / 2, [left - 5, right + 9]]))
        right_values = np.interp(x, bends, [0.0, 1.0, 1.0, 0.0])
        worst = np.abs(output(x) - right_values).argmax()
        words = f"At x = {x[worst]:g}, for left = {left:g}, right = {right:g}, ramp = {ramp:g}:"
        self.expect_close(output(x)[worst], right_values[worst], words, name="the output", atol=1e-5)

    @staticmethod
    def reference(left, right, ramp):
        import numpy as np

        bends = np.array([left - ramp, left, right, right + ramp])
        slope_changes = np.array([1, -1, -1, 1]) / ramp
        return np.ones((1, 4)), -bends, slope_changes[:, None], np.zeros(1)

    @staticmethod
    def mistakes():
        def weights(bends, changes):
            return np.ones((1, len(bends))), -np.array(bends), np.array(changes)[:, None], np.zeros(1)

        def four(left, right, ramp):
            return [left - ramp, left, right, right + ramp]

        def with_bends(first, last, height=None):
            return lambda left, right, ramp: weights(
                four(left, right, ramp)[first:last], signs[first:last] / (height or ramp)
            )

        def inside(left, right, ramp):
            return weights([left, left + ramp, right - ramp, right], signs / ramp)

        def mirrored(left, right, ramp):
            return np.ones((1, 4)), np.array(four(left, right, ramp)), signs[:, None] / ramp, np.zeros(1)

        signs = np.array([1.0, -1.0, -1.0, 1.0])
        return (
            exercise.Mistake(with_bends(0, 4, height=1.0), "slope must be 1 / ramp"),
            exercise.Mistake(with_bends(0, 2), "never comes down"),
            exercise.Mistake(with_bends(0, 3), "keeps falling"),
            exercise.Mistake(inside, "ramps lie inside"),
            exercise.Mistake(mirrored, "mirrored"),
        )
