"""Exercises of lesson 2.10: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise


class OutputSize(exercise.Exercise):
    """Write `output_size(n, k, stride, padding, dilation)`: the side of the output of a convolution, a whole number.

    n: side of the picture; k: side of the kernel; padding: zeros on **each** side. The kernel always fits.
    """

    difficulty = 1
    minutes = 8
    framework = "either"
    hints = (
        "How many pixels does a kernel cover whose cells stand `dilation` apart? "
        "In how many places does that fit into n + 2 padding?",
        "`reach = dilation * (k - 1) + 1`; the places are `n + 2 * padding "
        "- reach + 1`, of which every stride-th counts.",
    )
    why = "There are (n + 2p - reach) // s steps, and one place more than steps."

    CASES = (
        *(
            (40, 3, 1, 2, 4),
            (28, 5, 1, 2, 1),
            (28, 2, 2, 0, 1),
            (7, 3, 2, 1, 1),
            (8, 3, 2, 1, 1),
            (15, 3, 1, 0, 2),
            (16, 3, 2, 2, 2),
            (32, 5, 3, 1, 1),
        ),
        *((10, 1, 1, 0, 1), (5, 5, 1, 0, 1), (11, 3, 4, 0, 3), (224, 7, 2, 3, 1)),
    )

    def test(self, output_size):
        for n, k, s, p, d in self.CASES:
            got = self.expect_number(self.call(output_size, n, k, s, p, d))
            reach = d * (k - 1) + 1
            right = (n + 2 * p - reach) // s + 1
            if got == right:
                continue
            at = f"n = {n}, k = {k}, stride {s}, padding {p}, dilation {d}: "
            for wrong, words in (
                ((n + 2 * p - reach) / s + 1, "a size is a whole number: round down with `//`."),
                (-(-(n + 2 * p - reach) // s) + 1, "you rounded up; a window that does not fit whole is left out."),
                (
                    (n + 2 * p - reach) // s,
                    "one too small: divide the steps, then add one; there is one place more than steps.",
                ),
                ((n + p - reach) // s + 1, "padding is added on both sides."),
                ((n + 2 * p - k) // s + 1, "the dilation is missing: the kernel covers d (k - 1) + 1 pixels."),
                ((n + 2 * p - d * k) // s + 1, "a kernel with dilation covers d (k - 1) + 1 pixels, not d k."),
                ((n - reach) // s + 1, "the padding is missing."),
                (n + 2 * p - reach + 1, "the stride is missing."),
            ):
                if got == wrong:
                    raise exercise.Wrong(at + words)
            raise exercise.Wrong(f"{at}yours is {got:g}, expected {right}.")

    @staticmethod
    def reference(n, k, stride, padding, dilation):
        reach = dilation * (k - 1) + 1  # pixels that the kernel covers
        return (n + 2 * padding - reach) // stride + 1

    @staticmethod
    def mistakes():
        return (
            exercise.Mistake(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) / s + 1, "round down"),
            exercise.Mistake(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s, "one too small"),
            exercise.Mistake(lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1, "both sides"),
            exercise.Mistake(lambda n, k, s, p, d: (n + 2 * p - k) // s + 1, "dilation is missing"),
            exercise.Mistake(lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1, "not d k"),
            exercise.Mistake(lambda n, k, s, p, d: n + 2 * p - d * (k - 1), "stride is missing"),
            exercise.Mistake(lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s, "one place more"),
        )


def _pool(x, k, reduce="max"):
    blocks = x.reshape(x.shape[0] // k, k, x.shape[1] // k, k).transpose(0, 2, 1, 3)  # (H / k, W / k, k, k)
    return blocks.max((2, 3)) if reduce == "max" else blocks.mean((2, 3))


def _spread(x, k, grad, how="first"):
    """Gradient of max pooling: to the first maximum, to all, to all in equal shares, or to every pixel."""
    H, W = x.shape
    out = np.zeros_like(x)
    for i, j in np.ndindex(H // k, W // k):
        window = x[i * k : (i + 1) * k, j * k : (j + 1) * k]
        at = window == window.max()
        if how == "first":
            at = np.arange(k * k).reshape(k, k) == window.argmax()
        part = {"shares": at / at.sum(), "everywhere": np.ones((k, k)), "mean": np.ones((k, k)) / k**2}.get(how, at)
        out[i * k : (i + 1) * k, j * k : (j + 1) * k] = part * grad[i, j]
    return out


class MaxPoolBackward(exercise.Exercise):
    """Write `max_pool_backward(x, k, grad_out)` -> (out, grad_x): max pooling, forward and backward.

    x (H, W), windows of k × k side by side, H and W are multiples of k; grad_out (H / k, W / k) is the gradient of
    the loss by
    the output. grad_x (H, W): each entry goes to the place of its maximum, to the first one (in reading order) if
    there are several.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Cut the picture into blocks: `x.reshape(H // k, k, W // k, k)`. Or "
        "take two loops over the windows, which is fine here.",
        "`window.argmax()` gives the first maximum in reading order; `divmod(…, k)` its row and column in the window.",
    )
    why = (
        "The output follows only its maximum, with slope 1: all other pixels of "
        "the window could move a little and nothing would change."
    )

    def test(self, max_pool_backward):
        for H, W, k, seed in ((4, 6, 2, 0), (6, 6, 3, 1), (2, 4, 2, 2), (6, 4, 1, 3), (4, 4, 2, 4)):
            rng = np.random.default_rng(seed)
            x = rng.standard_normal((H, W)) if seed != 4 else rng.integers(0, 2, (H, W)).astype(float)
            grad = rng.standard_normal((H // k, W // k))
            pair = self.call(max_pool_backward, x, k, grad)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise exercise.Wrong("Return the pair `out, grad_x`.")
            out = self.expect_array(pair[0], (H // k, W // k), "`out`")
            back = self.expect_array(pair[1], (H, W), "`grad_x`")
            strided = np.array([[x[i :: H // k, j :: W // k].max() for j in range(W // k)] for i in range(H // k)])
            exercise.name_mistake(
                out,
                _pool(x, k),
                (
                    (_pool(x, k, "mean"), "This is mean pooling: take the largest value of each window."),
                    (strided, "The windows are mixed: split each axis into (blocks, k), in this order."),
                ),
            )
            self.expect_close(out, _pool(x, k), "`out` is the maximum of each window.", name="`out`")
            exercise.name_mistake(
                back,
                _spread(x, k, grad),
                (
                    (
                        _spread(x, k, grad, "everywhere"),
                        "Every pixel gets the gradient: only the maximum moves the output.",
                    ),
                    (
                        _spread(x, k, grad, "mean"),
                        "The gradient is spread evenly, as mean pooling does: it belongs to the maximum alone.",
                    ),
                    (
                        _spread(x, k, np.ones_like(grad)),
                        "The place is right, but the gradient that arrives is missing: multiply by grad_out.",
                    ),
                    (
                        _spread(x, k, grad, "all"),
                        "Where several pixels share the maximum, only the first one gets the gradient.",
                    ),
                    (
                        _spread(x, k, grad, "shares"),
                        "Where several pixels share the maximum, the first one gets all of it, no shares.",
                    ),
                    (_spread(x, k, grad * _pool(x, k)), "You multiplied by the maximum itself: the slope is 1."),
                ),
            )
            self.expect_close(back, _spread(x, k, grad), "`grad_x` is grad_out at the maxima, else 0.", name="`grad_x`")

    @staticmethod
    def reference(x, k, grad_out):
        import numpy as np

        out, grad_x = np.zeros_like(grad_out), np.zeros_like(x)
        for i, j in np.ndindex(grad_out.shape):
            window = x[i * k : (i + 1) * k, j * k : (j + 1) * k]
            row, column = divmod(window.argmax(), k)  # the first maximum in reading order
            out[i, j] = window[row, column]
            grad_x[i * k + row, j * k + column] = grad_out[i, j]
        return out, grad_x

    @staticmethod
    def mistakes():
        def made(how="first", reduce="max"):
            return lambda x, k, g: (_pool(x, k, reduce), _spread(x, k, g, how))

        return (
            exercise.Mistake(made(reduce="mean", how="mean"), "This is mean pooling"),
            exercise.Mistake(made("everywhere"), "Every pixel gets"),
            exercise.Mistake(made("mean"), "spread evenly"),
            exercise.Mistake(made("all"), "only the first one"),
            exercise.Mistake(made("shares"), "no shares"),
            exercise.Mistake(lambda x, k, g: (_pool(x, k), _spread(x, k, np.ones_like(g))), "multiply by grad_out"),
            exercise.Mistake(lambda x, k, g: _pool(x, k), "Return the pair"),
        )


def _correlate(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape)
    return np.einsum("ijuv,uv->ij", windows, w)


class ConvGradInput(exercise.Exercise):
    """Write `conv_grad_input(w, grad_out)`: the gradient of the picture, (H, W).

    z[i, j] = Σ w[u, v] · x[i + u, j + v], one channel, stride 1, no padding. w (k, k), grad_out (H - k + 1, W - k +
    1) is the
    gradient of the loss by z.
    """

    difficulty = 3
    minutes = 20
    hints = (
        "Which outputs does x[m, n] reach, and with which weight? z[i, j] with i = m - u, "
        "so each output throws its gradient times w back onto its window.",
        "Either add `grad_out[i, j] * w` onto the window at (i, j); or pad grad_out by k "
        "- 1 on all sides and slide the kernel turned by 180° over it.",
    )
    why = (
        "Forward the kernel gathers a window, backward it scatters the gradient "
        "onto it; seen from the pixel the kernel is turned by 180°."
    )

    def test(self, conv_grad_input):
        for H, W, k, seed in ((6, 7, 3, 0), (5, 5, 2, 1), (4, 4, 4, 2), (3, 6, 1, 3)):
            rng = np.random.default_rng(seed)
            w, grad = rng.standard_normal((k, k)), rng.standard_normal((H - k + 1, W - k + 1))
            got = self.expect_array(self.call(conv_grad_input, w, grad))
            padded = np.pad(grad, k - 1)
            right = _correlate(padded, w[::-1, ::-1])
            if got.shape == grad.shape != right.shape:
                raise exercise.Wrong(
                    f"The shape is that of grad_out, {grad.shape}; the picture was "
                    f"{right.shape}: pad by k - 1 on all sides."
                )
            exercise.name_mistake(
                got,
                right,
                (
                    (
                        _correlate(padded, w),
                        "The kernel must be turned by 180°: x[m, n] meets w[u, v] in output (m - u, n - v).",
                    ),
                    (_correlate(padded, w.T), "Transposing is not turning: reverse both axes, `w[::-1, ::-1]`."),
                    (_correlate(padded, w[::-1]), "You reversed the rows only: reverse both axes."),
                    (_correlate(padded, w[:, ::-1]), "You reversed the columns only: reverse both axes."),
                    (
                        self._overwritten(w, grad),
                        "Windows overlap: add to what earlier outputs have thrown back, do not overwrite.",
                    ),
                ),
            )
            self.expect_close(got, right, "Each output adds grad_out[i, j] · w to its window.")

    @staticmethod
    def _overwritten(w, grad):
        k = len(w)
        out = np.zeros((grad.shape[0] + k - 1, grad.shape[1] + k - 1))
        for i, j in np.ndindex(grad.shape):
            out[i : i + k, j : j + k] = grad[i, j] * w
        return out

    @staticmethod
    def reference(w, grad_out):
        import numpy as np

        k = len(w)
        grad_x = np.zeros((grad_out.shape[0] + k - 1, grad_out.shape[1] + k - 1))
        for i, j in np.ndindex(grad_out.shape):
            grad_x[i : i + k, j : j + k] += grad_out[i, j] * w  # what was gathered here goes back here
        return grad_x

    @staticmethod
    def mistakes():
        padded = lambda w, g: np.pad(g, len(w) - 1)
        return (
            exercise.Mistake(lambda w, g: _correlate(padded(w, g), w), "turned by 180°"),
            exercise.Mistake(lambda w, g: _correlate(padded(w, g), w.T), "Transposing is not turning"),
            exercise.Mistake(lambda w, g: _correlate(padded(w, g), w[::-1]), "rows only"),
            exercise.Mistake(lambda w, g: _correlate(padded(w, g), w[:, ::-1]), "columns only"),
            exercise.Mistake(ConvGradInput._overwritten, "do not overwrite"),
            exercise.Mistake(lambda w, g: g * w.sum(), "pad by k - 1"),
        )


class SeparableBlock(exercise.Exercise):
    """Write `separable_block(c_in, c_out, stride)` -> nn.Sequential: (B, c_in, H, W) -> (B, c_out, H', W').

    In this order: depthwise 3 × 3 convolution with padding 1 and the stride, batch normalisation, ReLU, pointwise 1 ×
    1 convolution,
    batch normalisation, ReLU. No biases in the convolutions.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "A depthwise convolution in PyTorch is an ordinary one with `groups` equal to the number of channels.",
        "`nn.Conv2d(c_in, c_in, 3, stride=stride, padding=1, groups=c_in, bias=False)`; then `nn.BatchNorm2d(c_in)`, …",
    )
    why = "Space and channels are handled one after the other: 9 c_in + c_in c_out weights instead of 9 c_in c_out."

    def test(self, separable_block):
        import torch

        for c_in, c_out, stride in ((4, 6, 1), (6, 3, 2), (1, 5, 2)):
            torch.manual_seed(0)
            block = self.call(separable_block, c_in, c_out, stride)
            self.expect_type(block, torch.nn.Module)
            convs = [m for m in block.modules() if isinstance(m, torch.nn.Conv2d)]
            if len(convs) != 2:
                raise exercise.Wrong(f"The block has {len(convs)} convolutions, expected 2: depthwise and pointwise.")
            self._judge_convs(*convs, c_in, c_out, stride)
            norms = [m for m in block.modules() if isinstance(m, torch.nn.BatchNorm2d)]
            if [m.num_features for m in norms] != [c_in, c_out]:
                raise exercise.Wrong(
                    f"Batch normalisation for {[m.num_features for m in norms]} channels, "
                    f"expected {[c_in, c_out]}: one after each convolution."
                )
            self._judge_function(block, convs, norms, c_in)

    @staticmethod
    def _judge_convs(depth, point, c_in, c_out, stride):
        if depth.kernel_size == (1, 1) and point.kernel_size == (3, 3):
            raise exercise.Wrong("The order is turned round: first depthwise 3 × 3, then pointwise 1 × 1.")
        if depth.groups != c_in:
            raise exercise.Wrong(
                f"The first convolution has groups={depth.groups}: depthwise "
                f"means one group for each of {c_in} channels."
            )
        if depth.out_channels != c_in or depth.kernel_size != (3, 3):
            raise exercise.Wrong(f"The depthwise convolution must keep {c_in} channels and be 3 × 3.")
        if point.groups != 1 or point.kernel_size != (1, 1) or point.out_channels != c_out:
            raise exercise.Wrong(f"The second convolution is 1 × 1, mixes all channels (groups=1) and makes {c_out}.")
        if point.stride != (1, 1):
            raise exercise.Wrong(
                "The stride belongs to the depthwise convolution alone; here it would act twice or drop pixels unseen."
            )
        if depth.stride != (stride, stride):
            raise exercise.Wrong(f"The depthwise convolution has stride {depth.stride}, expected {stride}.")
        if depth.padding not in ((1, 1), "same"):
            raise exercise.Wrong(f"The depthwise convolution has padding {depth.padding}, expected 1.")
        if point.padding not in ((0, 0), "same", "valid"):
            raise exercise.Wrong("A 1 × 1 convolution needs no padding: it would add a border of zeros.")
        if depth.bias is not None or point.bias is not None:
            raise exercise.Wrong("The convolutions have biases: batch normalisation takes them away again, bias=False.")

    @staticmethod
    def _judge_function(block, convs, norms, c_in):
        import torch

        block.eval()
        x = 10 * torch.randn(3, c_in, 9, 8)  # large enough to tell a ReLU from a ReLU6
        with torch.no_grad():
            for norm in norms:
                norm.running_mean.normal_(0, 0.3)
                norm.running_var.uniform_(0.5, 2)
            depth, point = convs
            first, relu = norms[0](depth(x)), torch.relu
            right = relu(norms[1](point(relu(first))))
            got = block(x)
            wrong = {
                "The ReLU between the two halves is missing.": relu(norms[1](point(first))),
                "The ReLU at the end is missing.": norms[1](point(relu(first))),
            }
        if not torch.allclose(got, right, atol=1e-5):
            for words, other in wrong.items():
                if got.shape == other.shape and torch.allclose(got, other, atol=1e-5):
                    raise exercise.Wrong(words)
            raise exercise.Wrong("The order is not: depthwise, normalisation, ReLU, pointwise, normalisation, ReLU.")

    @staticmethod
    def reference(c_in, c_out, stride):
        from torch import nn

        return nn.Sequential(
            nn.Conv2d(c_in, c_in, 3, stride=stride, padding=1, groups=c_in, bias=False),  # each channel by itself
            nn.BatchNorm2d(c_in),
            nn.ReLU(),
            nn.Conv2d(c_in, c_out, 1, bias=False),  # each pixel by itself
            nn.BatchNorm2d(c_out),
            nn.ReLU(),
        )

    @staticmethod
    def mistakes():
        def make(grouped=True, bias=False, both_strides=False, middle=True, padding=1, swapped=False, end=True):
            def separable_block(c_in, c_out, stride):
                from torch import nn

                depth = nn.Conv2d(c_in, c_in, 3, stride, padding, groups=c_in if grouped else 1, bias=bias)
                point = nn.Conv2d(c_in, c_out, 1, stride if both_strides else 1, bias=bias)
                if swapped:
                    depth = nn.Conv2d(c_out, c_out, 3, stride, padding, groups=c_out, bias=bias)
                    layers = [point, nn.BatchNorm2d(c_out), nn.ReLU(), depth, nn.BatchNorm2d(c_out), nn.ReLU()]
                else:
                    layers = [depth, nn.BatchNorm2d(c_in), *([nn.ReLU()] if middle else []), point]
                    layers += [nn.BatchNorm2d(c_out), *([nn.ReLU()] if end else [])]
                return nn.Sequential(*layers)

            return separable_block

        return (
            exercise.Mistake(make(grouped=False), "one group for each"),
            exercise.Mistake(make(bias=True), "takes them away again"),
            exercise.Mistake(make(both_strides=True), "act twice"),
            exercise.Mistake(make(middle=False), "between the two halves"),
            exercise.Mistake(make(end=False), "at the end is missing"),
            exercise.Mistake(make(padding=0), "expected 1"),
            exercise.Mistake(make(swapped=True), "order is turned round"),
        )


class ConvLikeTorch(exercise.Exercise):
    """Write `conv_like_torch(c_in, c_out, k, stride, padding)` -> keras.Sequential with one Conv2D.

    (B, H, W, c_in) -> (B, H', W', c_out), for any H and W, with the numbers that `nn.Conv2d(c_in, c_out, k, stride,
    padding=padding)` gives with
    the same weights.
    """

    difficulty = 2
    minutes = 12
    framework = "keras"
    hints = (
        '`padding="same"` decides by itself how many zeros it puts where. Which layer puts as many as you say?',
        "`keras.layers.ZeroPadding2D(padding)`, then `Conv2D(c_out, k, "
        'strides=stride, padding="valid")`; Input((None, None, c_in)).',
    )
    why = (
        "Explicit zeros on both sides and a valid convolution: the same "
        "windows as PyTorch's, whatever the stride and the size."
    )

    def test(self, conv_like_torch):
        import keras
        import torch

        for c_in, c_out, k, stride, padding, side in (
            (2, 3, 3, 2, 1, 8),
            (1, 4, 5, 1, 2, 9),
            (3, 2, 3, 1, 0, 7),
            (2, 2, 3, 3, 2, 10),
            (1, 1, 7, 2, 3, 16),
        ):
            model = self.call(conv_like_torch, c_in, c_out, k, stride, padding)
            self.expect_type(model, keras.Model)
            convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
            if len(convs) != 1:
                raise exercise.Wrong(f"The model has {len(convs)} Conv2D layers, expected one.")
            rng = np.random.default_rng(0)
            x = rng.standard_normal((2, side, side + 1, c_in)).astype("float32")
            if not model.built:
                raise exercise.Wrong("The model is not built: begin with `keras.Input((None, None, c_in))`.")
            if model.input_shape != (None, None, None, c_in):
                raise exercise.Wrong(
                    f"The model takes {model.input_shape}, expected any size: `keras.Input((None, None, {c_in}))`."
                )
            shape = tuple(convs[0].kernel.shape)
            if shape != (k, k, c_in, c_out):
                raise exercise.Wrong(f"The kernel has shape {shape}, expected {(k, k, c_in, c_out)}.")
            if not convs[0].use_bias:
                raise exercise.Wrong("The bias is missing: nn.Conv2d has one.")
            w, b = rng.standard_normal(shape).astype("float32"), rng.standard_normal(c_out).astype("float32")
            convs[0].set_weights([w, b])
            options = {"stride": stride, "padding": padding}
            t = lambda a, axes: torch.tensor(a.transpose(axes).copy())
            right = torch.nn.functional.conv2d(
                t(x, (0, 3, 1, 2)), t(w, (3, 2, 0, 1)), torch.tensor(b), **options
            ).numpy()
            right = right.transpose(0, 2, 3, 1)
            self._compare(keras.ops.convert_to_numpy(model(x)), right, k, stride, padding)

    @staticmethod
    def _compare(got, right, k, stride, padding):
        at = f"k = {k}, stride {stride}, padding {padding}, "
        if got.shape != right.shape:
            more = stride > 1 and got.shape[1] > 1.5 * right.shape[1]
            hint = "is the stride passed?" if more else "count the zeros on each side."
            raise exercise.Wrong(f"{at}shape {got.shape[1:3]} instead of {right.shape[1:3]}: {hint}")
        if not np.allclose(got, right, atol=1e-3):
            if np.allclose(got, np.maximum(right, 0), atol=1e-3):
                raise exercise.Wrong("There is a ReLU: nn.Conv2d has no activation.")
            raise exercise.Wrong(
                f'{at}the sizes agree, the numbers do not: "same" puts the odd zero right and below only.'
            )

    @staticmethod
    def reference(c_in, c_out, k, stride, padding):
        import keras

        return keras.Sequential(
            [
                keras.Input((None, None, c_in)),
                keras.layers.ZeroPadding2D(padding),  # on each side
                keras.layers.Conv2D(c_out, k, strides=stride, padding="valid"),
            ]
        )

    @staticmethod
    def mistakes():
        def make(same=False, strided=True, pad=True, bias=True, activation=None, twice=False):
            def conv_like_torch(c_in, c_out, k, stride, padding):
                import keras

                conv = keras.layers.Conv2D(
                    c_out,
                    k,
                    strides=stride if strided else 1,
                    padding="same" if same or twice else "valid",
                    use_bias=bias,
                    activation=activation,
                )
                zeros = [keras.layers.ZeroPadding2D(padding)] if (pad and not same) or twice else []
                return keras.Sequential([keras.Input((None, None, c_in)), *zeros, conv])

            return conv_like_torch

        def fixed(c_in, c_out, k, stride, padding):
            import keras

            conv = keras.layers.Conv2D(c_out, k, strides=stride)
            return keras.Sequential([keras.Input((28, 28, c_in)), keras.layers.ZeroPadding2D(padding), conv])

        return (
            exercise.Mistake(make(same=True), "right and below only"),
            exercise.Mistake(make(strided=False), "is the stride passed"),
            exercise.Mistake(make(pad=False), "count the zeros"),
            exercise.Mistake(make(bias=False), "bias is missing"),
            exercise.Mistake(make(activation="relu"), "no activation"),
            exercise.Mistake(fixed, "any size"),
        )
