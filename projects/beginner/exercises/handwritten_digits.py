"""Self-checks of project 1: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise


class ToInputs(exercise.Exercise):
    """Write `to_inputs(images)`: grey images (N, H, W, 1) uint8 -> (N, H · W) floats in 0..1, for an MLP."""

    difficulty = 1
    minutes = 5
    hints = (
        "Three things change: the shape, the type and the range. Which is the largest value of a uint8?",
        '`images.reshape(len(images), -1).astype("float32") / 255`: -1 lets NumPy count the 784.',
    )
    why = "Small numbers around one suit the initial weights; the order of the pixels does not matter to an MLP."

    def test(self, to_inputs):
        for seed, shape, top in ((0, (1, 2, 2, 1), 256), (1, (3, 28, 28, 1), 200), (2, (4, 5, 3, 1), 90)):
            images = np.random.default_rng(seed).integers(0, top, shape, dtype=np.uint8)
            self._judge_one(self.call(to_inputs, images), images)

    def _judge_one(self, got, images):
        n, rows = len(images), images.reshape(len(images), -1)
        if getattr(got, "shape", None) == images.shape:
            raise exercise.Wrong("The shape is still (N, H, W, 1): an MLP wants one row of numbers for each image.")
        got = self.expect_array(got, shape=rows.shape)
        if got.max() > 1:
            raise exercise.Wrong(f"The largest value is {got.max():.0f}: divide by 255 to reach 0..1.")
        exercise.name_mistake(
            got,
            rows / 255,
            (
                (
                    rows / images.max(),
                    "Divide by 255, not by the largest value of this batch: each batch would get another scale.",
                ),
                (rows / 256, "The largest uint8 is 255: divide by 255, not by 256."),
                (
                    images.transpose(0, 2, 1, 3).reshape(n, -1) / 255,
                    "Rows and columns are exchanged: `reshape` alone keeps the pixels in their order.",
                ),
            ),
        )
        if got.dtype.kind != "f" or not (got % 1).any():
            raise exercise.Wrong("Only whole numbers are left: `//` or an early integer type cuts the grey levels off.")
        self.expect_close(got, rows / 255, "Keep the pixels in their order.")

    @staticmethod
    def reference(images):
        return images.reshape(len(images), -1).astype("float32") / 255

    mistakes = (
        exercise.Mistake(lambda images: images.astype("float32") / 255, "one row of numbers"),
        exercise.Mistake(lambda images: images.reshape(len(images), -1).astype("float32"), "divide by 255"),
        exercise.Mistake(lambda images: images.reshape(len(images), -1) // 255, "whole numbers"),
        exercise.Mistake(lambda images: images.reshape(len(images), -1) / images.max(), "largest value of this batch"),
        exercise.Mistake(lambda images: images.reshape(len(images), -1) / 256, "not by 256"),
        exercise.Mistake(lambda images: images.transpose(0, 2, 1, 3).reshape(len(images), -1) / 255, "exchanged"),
    )


class ConvolutionSize(exercise.Exercise):
    """Write `conv_parameters(c_in, c_out, kernel, bias)`: the number of weights in a convolution.

    c_in and c_out are the numbers of channels, the kernel is kernel × kernel, bias is True or False.
    """

    difficulty = 1
    minutes = 5
    answer_name = "conv_parameters"
    hints = (
        "One output channel has one kernel *for each input channel*. How many numbers is that?",
        "`c_in * c_out * kernel**2`, plus one bias for each output channel if there is a bias.",
    )
    why = "The image size does not appear: the same small kernel slides over the whole picture."

    def test(self, parameters):
        for c_in, c_out, kernel, bias in ((1, 16, 3, False), (16, 32, 3, True), (3, 8, 5, True)):
            right = c_in * c_out * kernel**2 + bias * c_out
            got = self.expect_number(self.call(parameters, c_in, c_out, kernel, bias))
            if got == c_out * kernel**2 + bias * c_out != right:
                raise exercise.Wrong("Each output channel looks at all input channels: multiply by c_in too.")
            if got == c_in * c_out * kernel + bias * c_out:
                raise exercise.Wrong("The kernel is a square: it has kernel × kernel numbers.")
            if bias and got == right - c_out:
                raise exercise.Wrong("The bias is missing: one number for each output channel.")
            if bias and got == right - c_out + 1:
                raise exercise.Wrong("Not one bias in all, but one for each output channel.")
            if not bias and got == right + c_out:
                raise exercise.Wrong("With `bias=False` there is no bias to count.")
            if got != right:
                raise exercise.Wrong(
                    f"For {c_in} -> {c_out} channels, {kernel} × {kernel}: {got:.0f}, expected {right}."
                )

    @staticmethod
    def reference(c_in, c_out, kernel, bias):
        return c_in * c_out * kernel**2 + (c_out if bias else 0)

    mistakes = (
        exercise.Mistake(lambda c_in, c_out, kernel, bias: c_out * kernel**2 + bias * c_out, "by c_in"),
        exercise.Mistake(lambda c_in, c_out, kernel, bias: c_in * c_out * kernel + bias * c_out, "square"),
        exercise.Mistake(lambda c_in, c_out, kernel, bias: c_in * c_out * kernel**2, "bias is missing"),
        exercise.Mistake(
            lambda c_in, c_out, kernel, bias: c_in * c_out * kernel**2 + bias, "but one for each output channel"
        ),
        exercise.Mistake(lambda c_in, c_out, kernel, bias: c_in * c_out * kernel**2 + c_out, "no bias to count"),
    )


class Shift(exercise.Exercise):
    """Write `shift(x, dy, dx)` in PyTorch: images (B, C, H, W) moved dy rows down and dx columns right.

    Pixels that come in are 0. dy and dx may be negative.
    """

    difficulty = 2
    minutes = 10
    framework = "torch"
    hints = (
        "`torch.roll` moves, but what leaves on the right comes back on the left. What to do with those pixels?",
        "Copy the part that stays inside into `torch.zeros_like(x)`, or roll and set the new rows and columns to 0.",
    )
    why = "A digit that leaves the picture must not come back on the other side: new pixels are background."

    def test(self, shift):
        import torch

        for shape, dy, dx in (
            ((1, 1, 2, 3), 0, 1),
            ((2, 1, 4, 5), 1, 0),
            ((2, 1, 4, 5), 0, 2),
            ((3, 2, 5, 4), -1, 1),
            ((1, 3, 6, 6), 2, -3),
            ((2, 1, 4, 5), 0, 0),
        ):
            x = torch.arange(1.0, np.prod(shape) + 1).reshape(shape)
            right = self.reference(x, dy, dx)
            got = self.expect_array(self.call(shift, x, dy, dx), shape=shape)
            if np.allclose(got, right):
                continue
            if np.allclose(got, torch.roll(x, (dy, dx), (-2, -1))):
                raise exercise.Wrong(
                    "Pixels that leave come back on the other side: set the new rows and columns to 0."
                )
            if np.allclose(got, self.reference(x, -dy, -dx)):
                raise exercise.Wrong("Wrong direction: positive dy moves down, positive dx moves right.")
            if np.allclose(got, self.reference(x, dx, dy)):
                raise exercise.Wrong("Rows and columns are swapped: dy belongs to axis -2, dx to axis -1.")
            self.expect_close(got, right, f"For dy = {dy}, dx = {dx}:")

    @staticmethod
    def reference(x, dy, dx):
        import torch

        moved = torch.roll(x, (dy, dx), dims=(-2, -1))  # (B, C, H, W)
        height, width = x.shape[-2:]
        rows, columns = torch.arange(height) - dy, torch.arange(width) - dx  # where each pixel came from
        inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))  # (H, W)
        return moved * inside.to(x)

    @staticmethod
    def mistakes():
        import torch

        right = Shift.reference
        return (
            exercise.Mistake(lambda x, dy, dx: torch.roll(x, (dy, dx), (-2, -1)), "come back on the other side"),
            exercise.Mistake(lambda x, dy, dx: right(x, -dy, -dx), "Wrong direction"),
            exercise.Mistake(lambda x, dy, dx: right(x, dx, dy), "swapped"),
        )


class Augmenter(exercise.Exercise):
    """Build `augmenter`, a `keras.Sequential` of random layers that keep a digit the same digit.

    It turns by a few degrees and moves by a pixel or two while training, and does nothing otherwise.
    """

    difficulty = 2
    minutes = 10
    framework = "keras"
    answer_kind = "value"
    answer_name = "build_augmenter"
    hints = (
        "Which changes leave a 6 a 6? Look for `RandomRotation` and `RandomTranslation` in keras.layers.",
        "`RandomRotation(0.03)` turns by at most 0.03 of a circle; `RandomTranslation(0.05, 0.05)` moves by up to 5 %.",
    )
    why = "Augmentation states what must not matter: place and slant do not, mirror image and upside-down do."

    def test(self, augmenter):
        import keras

        if not isinstance(augmenter, (keras.Model, keras.Layer)):
            raise exercise.Wrong("Pass the keras.Sequential itself.")
        x = np.zeros((128, 28, 28, 1), np.float32)
        x[:, 6:22, 10, 0] = x[:, 6:8, 10:20, 0] = 1.0  # a shape like Γ: its arm points right, at the top
        quiet = self.expect_array(self.call(augmenter, x, training=False), shape=x.shape)
        if not np.allclose(quiet, x, atol=1e-5):
            raise exercise.Wrong("It changes images outside training too: keep to Keras' Random layers.")
        moved = self.expect_array(self.call(augmenter, x, training=True), shape=x.shape)
        if np.allclose(moved, x, atol=1e-3):
            raise exercise.Wrong("Nothing changes while training: add RandomRotation and RandomTranslation.")
        self._judge_moved(moved[..., 0], x[..., 0])
        centres = [np.argwhere(image[..., 0] > 0.5).mean(0) for image in moved]
        if np.std(centres, axis=0).min() < 0.2:
            raise exercise.Wrong("The digits stay where they are: RandomTranslation moves them.")

    def _judge_moved(self, moved, x):
        ink = moved.sum((1, 2)) / x.sum((1, 2))
        if ink.min() < 0.5:
            raise exercise.Wrong(
                "Some digits leave the picture: they keep less than half of their ink. Use smaller factors."
            )
        if ink.max() > 1.6:
            raise exercise.Wrong("Ink appears from nowhere: with fill_mode='constant' the new pixels are 0.")
        like = _similar(moved, x)
        if (like < 0.42).mean() > 0.5:
            raise exercise.Wrong("Many digits have turned too far to be recognised: about 10 degrees are enough.")
        flipped = np.stack([_similar(moved, x[:, ::-1]), _similar(moved, x[:, :, ::-1])]).max(0)
        if (flipped > like + 0.1).mean() > 0.1:
            raise exercise.Wrong("Some digits are mirrored or upside down: that makes another sign, no flips here.")

    @staticmethod
    def reference():
        import keras

        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.RandomRotation(0.03, fill_mode="constant"),
                keras.layers.RandomTranslation(0.05, 0.05, fill_mode="constant"),
            ]
        )

    @staticmethod
    def mistakes():
        import keras
        from keras import layers

        def move():
            return layers.RandomTranslation(0.05, 0.05, fill_mode="constant")

        def stack(*parts):
            return keras.Sequential([keras.Input((28, 28, 1)), *parts])

        return (
            exercise.Mistake(stack(layers.RandomFlip("vertical"), move()), "no flips"),
            exercise.Mistake(stack(layers.RandomTranslation(0.9, 0.9, fill_mode="constant")), "leave the picture"),
            exercise.Mistake(stack(layers.RandomRotation((0.15, 0.2), fill_mode="constant"), move()), "turned too far"),
            exercise.Mistake(stack(layers.RandomRotation(0.0)), "Nothing changes"),
            exercise.Mistake(stack(layers.GaussianNoise(0.1)), "stay where they are"),
            exercise.Mistake(stack(layers.Rescaling(2.0)), "outside training"),
        )


def _similar(a, b):
    """Largest correlation of images (N, 28, 28) over shifts of up to three pixels -> (N,)."""
    shifts = [np.roll(b, (dy, dx), (1, 2)) for dy in range(-3, 4) for dx in range(-3, 4)]
    norm = np.sqrt((a**2).sum((1, 2)) * (b**2).sum((1, 2)))
    return np.max([(a * s).sum((1, 2)) for s in shifts], 0) / norm


class Confusion(exercise.Exercise):
    """Write `confusion(truth, answers, n_classes)`: counts (K, K), rows are the truth, columns the answer."""

    difficulty = 2
    minutes = 10
    hints = (
        "Start with zeros (K, K) and add 1 at [truth, answer] for every example.",
        "`np.add.at(counts, (truth, answers), 1)` adds up repeated places too; `counts[truth, answers] += 1` does not.",
    )
    why = "The diagonal holds the right answers; everything beside it names which digit was taken for which."

    def cases(self):
        yield np.array([0, 1, 1]), np.array([0, 0, 0]), 2
        yield np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 0]), 4  # class 3 never occurs
        yield np.array([2]), np.array([0]), 3
        yield *np.random.default_rng(0).integers(0, 5, (2, 40)), 5

    def typical(self, right, truth, answers, n_classes):
        by_row = right / np.maximum(right.sum(1, keepdims=True), 1)
        return (
            (right.T, "Transposed: the rows are the truth, the columns the answer."),
            (
                (right > 0).astype(int),
                "Repeated pairs count once only: `counts[i, j] += 1` with arrays does not add up.",
            ),
            (right / right.sum(), "These are shares: counts are asked for."),
            (by_row, "These are shares: counts are asked for."),
        )

    def compare(self, got, right, args):
        if getattr(got, "shape", None) != right.shape and np.shape(got) == (len(set(args[0]) | set(args[1])),) * 2:
            raise exercise.Wrong("A class that never occurs needs its row and column too: (K, K) with K = n_classes.")
        super().compare(got, right, args)

    @staticmethod
    def reference(truth, answers, n_classes):
        import numpy as np

        counts = np.zeros((n_classes, n_classes), int)
        np.add.at(counts, (truth, answers), 1)
        return counts

    @staticmethod
    def mistakes():
        right = Confusion.reference

        def once(truth, answers, n_classes):
            counts = np.zeros((n_classes, n_classes), int)
            counts[truth, answers] += 1
            return counts

        return (
            exercise.Mistake(lambda t, a, k: right(a, t, k), "Transposed"),
            exercise.Mistake(once, "does not add up"),
            exercise.Mistake(lambda t, a, k: right(t, a, k) / len(t), "shares"),
        )


class CrossEntropy(exercise.Exercise):
    """Write `cross_entropy(probs, y)`: the mean of −ln of the probability that each example gave to its right digit.

    probs (N, K) with rows that sum to 1, y (N,) right classes -> number.
    """

    difficulty = 1
    minutes = 5
    hints = (
        "Of each row only one number counts. How do you pick `probs[i, y[i]]` for all rows at once?",
        "`-np.log(probs[np.arange(len(y)), y]).mean()`.",
    )
    why = "A sure and right answer costs 0, guessing costs ln K, a sure and wrong one has no limit."

    def cases(self):
        yield np.array([[0.5, 0.5]]), np.array([1])
        yield np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]), np.array([0, 1, 2, 2])
        for seed, n, k in ((0, 3, 2), (1, 2, 5)):
            rng = np.random.default_rng(seed)
            yield rng.dirichlet(np.ones(k), n), rng.integers(0, k, n)

    def compare(self, got, right, args):
        if np.shape(got) == (len(args[1]),) and len(args[1]) > 1:
            raise exercise.Wrong("That is one loss for each example: take their mean.")
        super().compare(self.expect_number(got), right, args)

    def typical(self, right, probs, y):
        picked = probs[np.arange(len(y)), y]
        return (
            (-right, "The sign is wrong: the logarithm of a probability is negative, a loss is not."),
            (right * len(y), "That is the sum: take the mean, so that the loss does not grow with N."),
            (-np.log(probs.max(1)).mean(), "You took the largest probability: the one of the right class counts."),
            (-np.log(picked.mean()), "The logarithm comes first, the mean after it."),
            (-np.log10(picked).mean(), "That is the logarithm to base 10: use the natural one, `np.log`."),
            (-np.log(probs[:, y]).mean(), "`probs[:, y]` takes whole columns: pair row i with column y[i]."),
        )

    @staticmethod
    def reference(probs, y):
        return -np.log(probs[np.arange(len(y)), y]).mean()

    mistakes = (
        exercise.Mistake(lambda probs, y: np.log(probs[np.arange(len(y)), y]).mean(), "sign"),
        exercise.Mistake(lambda probs, y: -np.log(probs[np.arange(len(y)), y]).sum(), "the sum"),
        exercise.Mistake(lambda probs, y: -np.log(probs[np.arange(len(y)), y]), "one loss for each"),
        exercise.Mistake(lambda probs, y: -np.log(probs.max(1)).mean(), "right class"),
        exercise.Mistake(lambda probs, y: -np.log(probs[:, y]).mean(), "whole columns"),
        exercise.Mistake(lambda probs, y: -np.log10(probs[np.arange(len(y)), y]).mean(), "base 10"),
    )


class ReadOrRefuse(exercise.Exercise):
    """Write `read_or_refuse(probs, threshold)`: the likeliest digit of each row, or −1 where the model is not sure.

    probs (N, K) -> (N,) whole numbers. Sure means: the largest probability is at least the threshold.
    """

    difficulty = 2
    minutes = 8
    hints = (
        "Two arrays: the digit of each row (`argmax`) and how sure it is (`max`).",
        "`np.where(probs.max(1) >= threshold, probs.argmax(1), -1)`.",
    )
    why = "A served model needs a way out: a refused digit costs a minute, a misread one a lost letter."

    def test(self, read_or_refuse):
        probs = np.array([[0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.05, 0.05, 0.9], [0.75, 0.25, 0.0]])
        right = np.array([1, -1, 2, 0])
        got = self.expect_array(self.call(read_or_refuse, probs, 0.75))
        if got.shape == (3,):
            raise exercise.Wrong("Only the sure ones are left: keep one answer for each row, −1 for a refused one.")
        got = self.expect_array(got, shape=(4,))
        if got.dtype == bool:
            raise exercise.Wrong("That says which rows are sure: return their digits, and −1 elsewhere.")
        for wrong, message in (
            ([1, 0, 2, 0], "Nothing is refused: compare the largest probability of each row with the threshold."),
            ([1, -1, 2, -1], "At least the threshold: a probability equal to it is sure enough, `>=`."),
            ([-1, 0, -1, -1], "The sure ones are refused: −1 belongs where the largest probability is below it."),
        ):
            if np.array_equal(got, wrong):
                raise exercise.Wrong(message)
        self.expect_close(got, right)
        again = self.expect_array(self.call(read_or_refuse, probs[:2], 0.4), shape=(2,))
        if not np.array_equal(again, [1, 0]):
            raise exercise.Wrong("With the threshold 0.4 both of these rows are sure: use the argument.")

    @staticmethod
    def reference(probs, threshold):
        return np.where(probs.max(1) >= threshold, probs.argmax(1), -1)

    mistakes = (
        exercise.Mistake(lambda probs, threshold: probs.argmax(1), "Nothing is refused"),
        exercise.Mistake(lambda probs, threshold: np.where(probs.max(1) > threshold, probs.argmax(1), -1), "At least"),
        exercise.Mistake(
            lambda probs, threshold: np.where(probs.max(1) < threshold, probs.argmax(1), -1), "are refused"
        ),
        exercise.Mistake(lambda probs, threshold: probs.argmax(1)[probs.max(1) >= threshold], "Only the sure ones"),
        exercise.Mistake(lambda probs, threshold: probs.max(1) >= threshold, "which rows are sure"),
        exercise.Mistake(
            lambda probs, threshold: np.where(probs.max(1) >= 0.75, probs.argmax(1), -1), "use the argument"
        ),
    )
