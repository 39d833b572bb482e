"""Exercises of lesson 1.4: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

Z = np.array([[-3.0, -0.5, 0.0], [0.25, 1.0, 4.0]])  # not symmetric: a wrong sign shows
LOGITS = np.array([[2.0, 1.0, -1.0, 0.5], [0.0, 3.0, 3.0, -2.0], [-1.0, 0.5, 0.25, 2.5]])  # (B, K)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _softmax(logits, temperature=1.0):
    z = logits / temperature
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _gelu(z, scale=2**0.5):
    import math

    return z * (1 + np.vectorize(math.erf)(z / scale)) / 2


class SigmoidSlope(exercise.Exercise):
    """Write `sigmoid_slope(z)`: the derivative of the sigmoid at its **input** z, array of any shape -> same shape.

    It has to survive z = ±1000 without infinity or NaN.
    """

    difficulty = 1
    minutes = 5
    hints = (
        "The slope is p (1 - p). What is p: the input, or what the sigmoid makes of it?",
        "First `p = 1 / (1 + np.exp(-z))`, then `p * (1 - p)`. For very negative z, `np.exp(-np.abs(z))` is safe: the "
        "slope is the same at z and -z.",
    )
    why = "The slope is p (1 - p) of the output p. It is symmetric, so |z| does, and exp(-|z|) never overflows."

    def test(self, sigmoid_slope):
        p = sigmoid(Z)
        for shape in ((2, 3), (6,), (3, 1, 2)):
            z = Z.reshape(shape)
            got = self.call(sigmoid_slope, z)
            got = self.expect_array(got, shape=shape)
            for wrong, words in (
                (z * (1 - z), "z (1 - z) takes the input for the output: p (1 - p) wants p = σ(z)."),
                (sigmoid(z), "This is the sigmoid itself, its value: the slope is asked for."),
                (sigmoid(sigmoid(z)) * (1 - sigmoid(sigmoid(z))), "You applied the sigmoid twice: σ(z) once is p."),
                (1 - np.tanh(z) ** 2, "This is the slope of tanh; for the sigmoid it is p (1 - p)."),
                (1 - sigmoid(z) ** 2, "1 - p² is the form for tanh; for the sigmoid it is p (1 - p)."),
                (sigmoid(z) * (sigmoid(z) - 1), "The sign is turned round: the sigmoid rises everywhere."),
            ):
                if np.allclose(got, wrong):
                    raise exercise.Wrong(words)
            self.expect_close(got, (p * (1 - p)).reshape(shape), "The slope is p (1 - p) with p = σ(z).")
        far = self.call(sigmoid_slope, np.array([-1000.0, 1000.0, 0.0]))
        far = self.expect_array(far, shape=(3,), name="the slope at -1000, 1000 and 0")
        self.expect_close(far, [0.0, 0.0, 0.25], "Far out the slope is 0.", name="the slope at -1000, 1000 and 0")

    @staticmethod
    def reference(z):
        import numpy as np

        e = np.exp(-np.abs(z))  # at most 1: no overflow
        p = 1 / (1 + e)
        return p * (1 - p)

    @staticmethod
    def mistakes():
        def overflows(z):
            with np.errstate(all="ignore"):
                return np.exp(-z) / (1 + np.exp(-z)) ** 2

        return (
            exercise.Mistake(lambda z: z * (1 - z), "input for the output"),
            exercise.Mistake(lambda z: sigmoid(np.clip(z, -50, 50)), "the sigmoid itself"),
            exercise.Mistake(lambda z: sigmoid(sigmoid(z)) * (1 - sigmoid(sigmoid(z))), "sigmoid twice"),
            exercise.Mistake(lambda z: 1 - sigmoid(z) ** 2, "form for tanh"),
            exercise.Mistake(lambda z: sigmoid(z) * (sigmoid(z) - 1), "turned round"),
            exercise.Mistake(overflows, "contains NaN"),
        )


class Softmax(exercise.Exercise):
    """Write `softmax(logits, temperature)`: (B, K), number -> probabilities (B, K), each row sums to 1.

    It has to survive logits of ±1000, and must leave its input as it is.
    """

    difficulty = 2
    minutes = 10
    hints = (
        "Divide by the temperature first. Then: which axis holds the classes, and what may you subtract from a row?",
        "`z = logits / temperature`, `e = np.exp(z - z.max(axis=-1, keepdims=True))`, then divide by each row's sum.",
    )
    why = "Subtracting a row's maximum changes nothing in the result and keeps every exponent at or below 0."

    def test(self, softmax):
        for temperature, logits in ((1.0, LOGITS), (2.0, LOGITS), (0.5, LOGITS[:2]), (1.0, LOGITS[:, :3])):
            got = self.expect_array(self.call(softmax, logits.copy(), temperature), shape=logits.shape)
            self._compare(got, logits, temperature)
        name, words = (
            "the result for logits of ±1000",
            "Subtract the maximum of each row: not one number for all rows, no mean, no clipping.",
        )
        for temperature, rows in (
            (1.0, [[1000.0, 999.0], [1.0, 2.0]]),
            (1.0, [[1000.0, 1001.0], [-1001.0, -1000.0]]),
            (0.5, [[1000.0, -1000.0, 999.0], [-1000.0, -999.0, -1001.0]]),
        ):
            big = np.array(rows)
            got = self.expect_array(self.call(softmax, big, temperature), shape=big.shape, name=name)
            self.expect_close(got, _softmax(big, temperature), words, name=name)
        original = LOGITS.copy()
        softmax(original, 2.0)
        if not np.array_equal(original, LOGITS):
            raise exercise.Wrong("Your function changes its input: write `z = logits - …`, not `logits -= …`.")

    def _compare(self, got, logits, temperature):
        if np.allclose(got, _softmax(logits.T, temperature).T):
            raise exercise.Wrong("Columns sum to 1, not rows: you normalised over the batch. The classes are axis -1.")
        if np.allclose(got, np.exp(logits / temperature) / np.exp(logits / temperature).sum()):
            raise exercise.Wrong("The whole array sums to 1: give the sum an axis, `axis=-1, keepdims=True`.")
        if temperature != 1 and np.allclose(got, _softmax(logits)):
            raise exercise.Wrong("The temperature has no effect: divide the logits by it.")
        if temperature != 1 and np.allclose(got, _softmax(logits, 1 / temperature)):
            raise exercise.Wrong("You multiplied by the temperature: divide, so that a high one makes the rows flat.")
        if temperature != 1 and np.allclose(got, _softmax(logits) / temperature):
            raise exercise.Wrong("You divided the probabilities: the temperature divides the logits, before the exp.")
        if np.allclose(got, sigmoid(logits / temperature)):
            raise exercise.Wrong("This is a sigmoid for each entry: rows do not sum to 1.")
        words = f"For temperature {temperature:g}: exp of logits / temperature, divided by the sum of its row."
        self.expect_close(got, _softmax(logits, temperature), words)

    @staticmethod
    def reference(logits, temperature):
        import numpy as np

        z = logits / temperature
        e = np.exp(z - z.max(axis=-1, keepdims=True))  # (B, K), all at most 1
        return e / e.sum(axis=-1, keepdims=True)

    @staticmethod
    def mistakes():
        def naive(logits, temperature):
            with np.errstate(all="ignore"):
                e = np.exp(logits / temperature)
                return e / e.sum(-1, keepdims=True)

        def one_maximum(logits, temperature):
            with np.errstate(all="ignore"):
                e = np.exp((logits - logits.max()) / temperature)
                return e / e.sum(-1, keepdims=True)

        def in_place(logits, temperature):
            logits /= temperature
            return _softmax(logits)

        def overall(logits, temperature):
            return np.exp(logits / temperature) / np.exp(logits / temperature).sum()

        return (
            exercise.Mistake(lambda logits, temperature: _softmax(logits.T, temperature).T, "over the batch"),
            exercise.Mistake(overall, "whole array sums to 1"),
            exercise.Mistake(lambda logits, temperature: _softmax(logits), "has no effect"),
            exercise.Mistake(lambda logits, temperature: _softmax(logits, 1 / temperature), "multiplied by"),
            exercise.Mistake(lambda logits, temperature: _softmax(logits) / temperature, "divided the probabilities"),
            exercise.Mistake(naive, "contains NaN"),
            exercise.Mistake(one_maximum, "contains NaN"),
            exercise.Mistake(in_place, "changes its input"),
        )


class LeakyRelu(exercise.Exercise):
    """Write `leaky_relu(z, slope)` in PyTorch: z where z > 0, `slope` times z elsewhere; tensor -> same shape.

    Autograd has to get through it, and any slope from 0 to 2 is allowed. `nn.functional` is off limits.
    """

    difficulty = 2
    minutes = 10
    framework = "torch"
    hints = (
        "`torch.where(condition, a, b)` chooses entry by entry, and autograd follows it.",
        "`torch.where(z > 0, z, slope * z)`.",
    )
    why = "`torch.where` passes the gradient 1 to the positive entries and `slope` to the others."

    def test(self, leaky_relu):
        import torch

        for shape, slope in (((2, 3), 0.1), ((6,), 0.3), ((3, 2), 2.0), ((2, 3), 0.0)):
            array = Z.reshape(shape)
            z = torch.tensor(array, requires_grad=True)
            got = self.call(leaky_relu, z, slope)
            if not isinstance(got, torch.Tensor):
                raise exercise.Wrong("Return a tensor: with NumPy the gradient is lost.")
            values = self.expect_array(got.detach(), shape=shape)
            self._compare(values, array, slope)
            if not got.requires_grad:
                raise exercise.Wrong("No gradient gets through: avoid `.detach()`, `.data`, `.item()` and `no_grad`.")
            leaf = torch.tensor(array, requires_grad=True)
            leaky_relu(leaf, slope).sum().backward()
            nonzero = array != 0  # at 0 there is a kink: any slope between the two is right
            right = np.where(array > 0, 1.0, slope)
            grad = np.zeros(shape) if leaf.grad is None else leaf.grad.numpy()
            if slope and np.allclose(grad[array < 0], 0):
                raise exercise.Wrong("The values are right, but negative z get no gradient: part of it is detached.")
            self.expect_close(grad[nonzero], right[nonzero], "The values are right, the gradient is not.")
        plain = torch.tensor(Z)
        leaky_relu(plain, 0.1)
        if not np.array_equal(plain.numpy(), Z):
            raise exercise.Wrong("Your function changes its input: build a new tensor, with `torch.where`.")

    def _compare(self, got, z, slope):
        relu = np.maximum(z, 0)
        for wrong, words, when in (
            (relu, "This is the plain ReLU: negative z are multiplied by the slope.", slope),
            (np.where(z > 0, z, 0.01 * z), "You use 0.01 whatever `slope` is.", slope != 0.01),
            (np.where(z > 0, z, -slope * z), "The negative part comes out positive: check the sign.", slope),
            (np.where(z > 0, z, slope), "You return the slope itself where z is negative: multiply it by z.", slope),
            (np.where(z > 0, slope * z, z), "The two sides are swapped: the slope is for negative z.", slope < 1),
            (np.maximum(z, slope * z), "`max(z, slope * z)` is right only for slopes up to 1.", slope > 1),
            (slope * z, "The slope is on both sides: positive z stay as they are.", True),
        ):
            if when and np.allclose(got, wrong):
                raise exercise.Wrong(words)
        self.expect_close(got, np.where(z > 0, z, slope * z), "z where z > 0, slope times z elsewhere.")

    @staticmethod
    def reference(z, slope):
        import torch

        return torch.where(z > 0, z, slope * z)

    @staticmethod
    def mistakes():
        import torch

        def in_place(z, slope):
            with torch.no_grad():
                z[z < 0] *= slope
            return z

        return (
            exercise.Mistake(lambda z, slope: torch.relu(z), "plain ReLU"),
            exercise.Mistake(lambda z, slope: torch.where(z > 0, z, 0.01 * z), "whatever `slope` is"),
            exercise.Mistake(lambda z, slope: torch.maximum(z, slope * z), "only for slopes up to 1"),
            exercise.Mistake(lambda z, slope: torch.where(z > 0, slope * z, z), "sides are swapped"),
            exercise.Mistake(lambda z, slope: torch.where(z > 0, z, slope * z.abs()), "check the sign"),
            exercise.Mistake(lambda z, slope: torch.where(z > 0, z, slope * z).detach(), "No gradient gets through"),
            exercise.Mistake(lambda z, slope: torch.where(z > 0, z, slope * z.detach()), "negative z get no gradient"),
            exercise.Mistake(lambda z, slope: np.where(z.detach() > 0, z.detach(), slope), "Return a tensor"),
            exercise.Mistake(in_place, "gradient is not"),
        )


class Gelu(exercise.Exercise):
    """Write `gelu(z)` with `keras.ops`: the **exact** GELU z · Φ(z), tensor -> tensor of the same shape.

    Φ(z) = (1 + erf(z / √2)) / 2. Use `keras.ops.erf`, not `keras.ops.gelu`; it has to work inside a Keras model.
    """

    difficulty = 2
    minutes = 10
    framework = "keras"
    time_limit = 30.0  # the first Keras operation of a session takes its time
    hints = (
        "Φ(z) is between 0 and 1: the share of z that gets through. Multiply it by z.",
        "`0.5 * z * (1 + keras.ops.erf(z / 2**0.5))`.",
    )
    why = "With operations from keras.ops alone, the same function runs on all three backends and inside a model."

    def test(self, gelu):
        import keras

        for shape in ((2, 3), (6,), (3, 1, 2)):
            z = Z.reshape(shape)
            got = self.call(gelu, keras.ops.convert_to_tensor(z.astype("float32")))
            self._compare(self.expect_array(got, shape=shape), z)
        try:
            symbolic = gelu(keras.Input((3,)))
        except Exception as error:
            raise exercise.Wrong("It fails inside a Keras model: use keras.ops in place of NumPy or math.") from error
        if not isinstance(symbolic, keras.KerasTensor):
            raise exercise.Wrong("It fails inside a Keras model: use keras.ops in place of NumPy or math.")

    def _compare(self, got, z):
        tanh_form = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
        for wrong, words in (
            (tanh_form, "This is the tanh approximation, off by up to 0.0005: the exact form uses erf."),
            (z * sigmoid(z), "This is the SiLU, z σ(z)."),
            (z * sigmoid(1.702 * z), "This is the sigmoid approximation of the GELU: the exact form uses erf."),
            (_gelu(z, scale=1.0), "The root of 2 is missing: erf(z / √2)."),
            (2 * _gelu(z), "The half is missing: Φ is (1 + erf) / 2."),
            (_gelu(np.where(z, z, 1.0)) / np.where(z, z, 1.0), "This is Φ(z), the share: multiply it by z."),
            (2 * _gelu(z) - z, "The 1 is missing: Φ is (1 + erf) / 2."),
            (np.maximum(z, 0), "This is the ReLU."),
        ):
            close = np.isclose(got, wrong, rtol=1e-5, atol=1e-5)
            if close[z != 0].all():
                raise exercise.Wrong(words)
        self.expect_close(got, _gelu(z), "z · (1 + erf(z / √2)) / 2.", rtol=1e-5, atol=1e-5)

    @staticmethod
    def reference(z):
        import keras

        return 0.5 * z * (1 + keras.ops.erf(z / 2**0.5))

    @staticmethod
    def mistakes():
        import keras

        ops = keras.ops

        def with_numpy(z):
            import math

            return np.vectorize(lambda v: v * (1 + math.erf(v / 2**0.5)) / 2, otypes=["float32"])(
                ops.convert_to_numpy(z)
            )

        return (
            exercise.Mistake(lambda z: ops.gelu(z), "tanh approximation"),
            exercise.Mistake(lambda z: ops.silu(z), "This is the SiLU"),
            exercise.Mistake(lambda z: 0.5 * z * (1 + ops.erf(z)), "root of 2 is missing"),
            exercise.Mistake(lambda z: z * (1 + ops.erf(z / 2**0.5)), "half is missing"),
            exercise.Mistake(lambda z: 0.5 * (1 + ops.erf(z / 2**0.5)), "multiply it by z"),
            exercise.Mistake(lambda z: z * ops.erf(z / 2**0.5), "1 is missing"),
            exercise.Mistake(with_numpy, "inside a Keras model"),
        )


class DeadUnits(exercise.Exercise):
    """Write `dead_share(a)`: the share of ReLU units that are dead, from activations (N, H) -> number from 0 to 1.

    A row is an example, a column a unit. A unit is dead if it is 0 for **every** example.
    """

    difficulty = 2
    minutes = 10
    answer_name = "dead_share"
    hints = (
        "First one answer for each unit: a vector (H,). Over which axis do you have to look?",
        "`(a == 0).all(axis=0)` says for each unit whether it is dead; the mean of that is the share.",
    )
    why = "A live ReLU is 0 for many examples, and should be: only zero for all of them means that it cannot learn."

    def test(self, dead_share):
        a = np.array([[0.0, 0, 2, 0, 1], [0, 3, 1, 0, 0], [0, 0, 0, 0, 0], [0, 1, 4, 0, 0.5]])  # 2 of 5 units dead
        cases = [a, a[:, 1:], np.maximum(np.random.default_rng(0).normal(size=(6, 4)), 0), np.zeros((3, 4))]
        tiny = np.array([[1e-9, 0, 1, 2, 3], [0, 0, 0, 1, 0], [0, 0, 0, 0, 4], [0, 0, 0, 0, 0]])
        rare = np.zeros((30, 4))
        rare[7, 0], rare[:, 1] = 0.5, 2.0  # one unit wakes up once, one always says the same
        for a in (*cases, np.concatenate([cases[0], cases[0]], axis=1), tiny, rare):
            got = self.expect_number(self.call(dead_share, a))
            self._compare(got, a)

    def _compare(self, got, a):
        dead = (a == 0).all(0)
        if np.isclose(got, dead.mean()):
            return
        for wrong, words in (
            (dead.sum(), "This is the number of dead units: divide by the number of units for the share."),
            ((a == 0).mean(), "This is the share of zeros: a live unit is 0 for many examples too. Look per unit."),
            ((a == 0).all(1).mean(), "This is the share of *examples* without any activity: look along axis 0."),
            ((a == 0).any(0).mean(), "One zero is not death: a dead unit is 0 for *all* examples."),
            (1 - dead.mean(), "This is the share of the living."),
            (dead.sum() / len(a), "You divided by the number of examples, not by the number of units."),
            ((a < 1e-6).all(0).mean(), "A tiny activation is alive: compare with 0 exactly."),
        ):
            if np.isclose(got, wrong):
                raise exercise.Wrong(words)
        text = f"For activations of shape {a.shape} with {dead.sum()} dead units you say {got:g}"
        raise exercise.Wrong(f"{text}, expected {dead.mean():g}.")

    @staticmethod
    def reference(a):
        return (a == 0).all(axis=0).mean()

    mistakes = (
        exercise.Mistake(lambda a: (a == 0).mean(), "share of zeros"),
        exercise.Mistake(lambda a: (a == 0).all(axis=1).mean(), "share of *examples*"),
        exercise.Mistake(lambda a: (a == 0).any(axis=0).mean(), "One zero is not death"),
        exercise.Mistake(lambda a: (a == 0).all(axis=0).sum(), "number of dead units"),
        exercise.Mistake(lambda a: (a != 0).any(axis=0).mean(), "share of the living"),
        exercise.Mistake(lambda a: (a == 0).all(axis=0).sum() / len(a), "number of examples"),
        exercise.Mistake(lambda a: (a.sum(axis=0) < 1e-6).mean(), "A tiny activation is alive"),
    )
