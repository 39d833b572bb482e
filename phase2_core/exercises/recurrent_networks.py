"""Exercises of lesson 2.11: statement, test, hints, solution and the mistakes whose feedback is tested."""

import warnings

import numpy as np

from utils import exercise


class LstmWeights(exercise.Exercise):
    """Write `lstm_weights(d, n)` -> (weights in PyTorch, weights in Keras): `nn.LSTM(d, n)` and `LSTM(n)`, d inputs.

    Two whole numbers; every bias counts.
    """

    difficulty = 1
    minutes = 8
    framework = "either"
    hints = (
        "Four gates, each with a matrix for the input, a matrix for the state, and biases. How many biases?",
        "A gate has d n + n n weights; PyTorch adds two biases of n to each gate, Keras one.",
    )
    why = "Both compute the same function: PyTorch's second bias is added to the first and changes only the count."

    def test(self, lstm_weights):
        for d, n in ((12, 32), (5, 4), (1, 7), (8, 1)):
            pair = self.call(lstm_weights, d, n)
            if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
                raise exercise.Wrong("Return two numbers: PyTorch's, then Keras'.")
            got = tuple(self.expect_number(number) for number in pair)
            base = d * n + n * n
            right = 4 * (base + 2 * n), 4 * (base + n)
            at = f"d = {d}, n = {n}: "
            for wrong, words in (
                (right[::-1], "the libraries are swapped: PyTorch is the one with two biases."),
                ((base + 2 * n, base + n), "that is one gate; an LSTM has four."),
                ((3 * (base + 2 * n), 3 * (base + n)), "that is three gates, as in a GRU: i, f, g and o are four."),
                ((right[1], right[1]), "PyTorch has a second bias for each gate."),
                ((right[0], right[0]), "Keras has one bias for each gate only."),
                ((4 * base, 4 * base), "the biases are missing."),
                ((4 * (d * n + 2 * n), 4 * (d * n + n)), "the matrix from state to state, n × n, is missing."),
            ):
                if got == wrong and got != right:
                    raise exercise.Wrong(at + words)
            if got != right:
                raise exercise.Wrong(f"{at}yours is {got[0]:g} and {got[1]:g}, expected {right[0]} and {right[1]}.")

    @staticmethod
    def reference(d, n):
        gate = d * n + n * n  # from the input, from the state
        return 4 * (gate + 2 * n), 4 * (gate + n)

    @staticmethod
    def mistakes():
        def made(gates, two, one, state=1):
            return lambda d, n: tuple(gates * (d * n + state * n * n + k * n) for k in (two, one))

        return (
            exercise.Mistake(made(4, 1, 2), "swapped"),
            exercise.Mistake(made(1, 2, 1), "one gate"),
            exercise.Mistake(made(3, 2, 1), "as in a GRU"),
            exercise.Mistake(made(4, 1, 1), "second bias"),
            exercise.Mistake(made(4, 2, 2), "one bias for each gate only"),
            exercise.Mistake(made(4, 0, 0), "biases are missing"),
            exercise.Mistake(made(4, 2, 1, 0), "from state to state"),
        )


class LastStates(exercise.Exercise):
    """Write `last_states(h, lengths)`: the state after the last true step of each sequence, (B, n).

    h (B, T, n): states of a padded batch; lengths (B,): numbers of true steps, 1 to T.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "A sequence with 3 steps has steps 0, 1, 2. Which one do you want?",
        "One row and one step for each sequence: `h[np.arange(len(h)), …]` takes pairs of indices.",
    )
    why = "Two lists of indices pair up, sequence by sequence; a sequence of `length` steps ends at index length - 1."

    def test(self, last_states):
        for B, T, n, seed in ((4, 6, 3, 0), (5, 5, 5, 1), (1, 7, 2, 2), (3, 2, 4, 3)):
            rng = np.random.default_rng(seed)
            h, lengths = rng.standard_normal((B, T, n)), rng.integers(1, T, B)
            lengths[-1] = lengths[-1] if B == 1 else T
            got = self.call(last_states, h, lengths)
            if np.shape(got) == (B, B, n) and B > 1:
                raise exercise.Wrong(
                    "`h[:, lengths - 1]` takes every step for every sequence: pair them with np.arange(B)."
                )
            got = self.expect_array(got, (B, n))
            mask = np.arange(T) < lengths[:, None]
            right = h[np.arange(B), lengths - 1]
            exercise.name_mistake(
                got,
                right,
                (
                    (h[:, -1], "That is the state at the end of the padding: stop at each sequence's own length."),
                    (h[np.arange(B), lengths % T], "One step too late: steps count from 0, the last is length - 1."),
                    (h[np.arange(B), np.minimum(lengths, T - 1)], "One step too late: the last is length - 1."),
                    (h[:, lengths.min() - 1], "You cut all sequences to the shortest: each has its own last step."),
                    (
                        (h * mask[..., None]).sum(1) / lengths[:, None],
                        "That is the mean of the true steps, not the last.",
                    ),
                    (h[:, 0], "That is the first step, the last one when reading backwards."),
                ),
            )
            self.expect_close(got, right, "Take step length - 1 of each sequence.")

    @staticmethod
    def reference(h, lengths):
        import numpy as np

        return h[np.arange(len(h)), lengths - 1]  # (B, n)

    @staticmethod
    def mistakes():
        return (
            exercise.Mistake(lambda h, lengths: h[:, -1], "end of the padding"),
            exercise.Mistake(lambda h, lengths: h[np.arange(len(h)), lengths % h.shape[1]], "too late"),
            exercise.Mistake(lambda h, lengths: h[:, lengths.min() - 1], "cut all sequences"),
            exercise.Mistake(lambda h, lengths: h[:, lengths - 1], "pair them"),
            exercise.Mistake(
                lambda h, lengths: (
                    (h * (np.arange(h.shape[1]) < lengths[:, None])[..., None]).sum(1) / lengths[:, None]
                ),
                "mean of the true steps",
            ),
        )


def _gru(x, h, kernel, recurrent, bias, order="zrh", mix="right", before=False, second=True, double=False):
    n = h.shape[1]
    a, c = x @ kernel + bias[0], h @ recurrent + (bias[1] if second else 0)
    parts = {gate: (a[:, i * n : (i + 1) * n], c[:, i * n : (i + 1) * n]) for i, gate in enumerate(order)}
    z, r = exercise.sigmoid(sum(parts["z"])), exercise.sigmoid(sum(parts["r"]))
    inner = r * parts["h"][1]
    if before:
        last = slice(2 * n, 3 * n)
        inner = (r * h) @ recurrent[:, last] + bias[1][last]
    if double:
        inner = parts["h"][1]
    proposal = np.tanh(parts["h"][0] + inner)
    return z * proposal + (1 - z) * h if mix == "swapped" else z * h + (1 - z) * proposal


class GruStepKeras(exercise.Exercise):
    """Write `gru_step_keras(x, h, kernel, recurrent, bias)`: one step of Keras' default GRU -> new state (B, n).

    x (B, D), h (B, n), kernel (D, 3 n), recurrent (n, 3 n), bias (2, 3 n): row 0 goes with the input, row 1 with the
    state. Gates stand side by side as z, r, h; the reset acts after the multiplication.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Compute `x @ kernel + bias[0]` and `h @ recurrent + bias[1]` apart, and split each into three.",
        "z and r: sigmoid of the sum of both parts. Proposal: tanh(input part + r · state part). New: z h + (1 - z) n.",
    )
    why = "The reset multiplies the state's part, its bias included, so the two halves stay apart until then."

    def test(self, gru_step_keras):
        for B, D, n, seed in ((3, 5, 4, 0), (1, 2, 3, 1), (4, 4, 4, 2), (2, 3, 1, 3)):
            rng = np.random.default_rng(seed)
            shapes = (B, D), (B, n), (D, 3 * n), (n, 3 * n), (2, 3 * n)
            arrays = [rng.standard_normal(shape) for shape in shapes]
            kept = [a.copy() for a in arrays]
            got = self.expect_array(self.call(gru_step_keras, *arrays), (B, n))
            right = _gru(*kept)
            exercise.name_mistake(
                got,
                right,
                (
                    (_gru(*kept, order="rzh"), "The gates are in PyTorch's order: in Keras z comes first, then r."),
                    (_gru(*kept, mix="swapped"), "z and 1 - z are swapped: z keeps the old state."),
                    (
                        _gru(*kept, before=True),
                        "That is reset_after=False: multiply by r after the matrix, bias included.",
                    ),
                    (_gru(*kept, second=False), "The second bias, bias[1], is missing."),
                    (
                        _gru(*kept, double=True),
                        "The reset gate does not act: multiply the state's part of the proposal by r.",
                    ),
                ),
            )
            self.expect_close(got, right, "New state: z · h + (1 - z) · tanh(input part + r · state part).")

    @staticmethod
    def reference(x, h, kernel, recurrent, bias):
        import numpy as np

        z, r, n = np.split(x @ kernel + bias[0], 3, axis=1)  # from the input
        z_h, r_h, n_h = np.split(h @ recurrent + bias[1], 3, axis=1)  # from the state
        z, r = 1 / (1 + np.exp(-z - z_h)), 1 / (1 + np.exp(-r - r_h))
        return z * h + (1 - z) * np.tanh(n + r * n_h)

    @staticmethod
    def mistakes():
        made = lambda **options: lambda *arrays: _gru(*arrays, **options)
        return (
            exercise.Mistake(made(order="rzh"), "PyTorch's order"),
            exercise.Mistake(made(mix="swapped"), "z keeps the old state"),
            exercise.Mistake(made(before=True), "reset_after=False"),
            exercise.Mistake(made(second=False), "second bias"),
            exercise.Mistake(made(double=True), "does not act"),
        )


def _pieces(rnn, head, x, y, piece, optimizer, carry=True, zero=True, step=True, total=False):
    """Truncated BPTT, and what goes wrong with it."""
    h, losses = None, []
    for start in range(0, x.shape[1], piece):
        h = h.detach() if carry and h is not None else None
        states, h = rnn(x[:, start : start + piece], h)
        error = (head(states) - y[:, start : start + piece]) ** 2
        loss = error.sum() if total else error.mean()
        if zero:
            optimizer.zero_grad()
        loss.backward()
        if step:
            optimizer.step()
        losses.append(loss.item())
    return losses


class TrainInPieces(exercise.Exercise):
    """Write `train_in_pieces(rnn, head, x, y, piece, optimizer)` -> list of losses, one number for each piece.

    rnn: an `nn.GRU` with batch_first=True; head: `nn.Linear`; x (B, T, D), y (B, T, 1). For each piece of `piece`
    steps (the last one may be shorter): read on from the state where the last piece ended, mean squared error of
    `head` at every step, one step of the optimiser. No gradient flows from one piece into the one before.
    """

    difficulty = 3
    minutes = 20
    framework = "torch"
    hints = (
        "`states, h = rnn(x[:, a:b], h)` takes a state and gives the last one. What must happen to h then?",
        "`h = h.detach()` drops the graph. Then zero_grad, backward, step, `losses.append(loss.item())`.",
    )
    why = "The value of the state goes on, so the network remembers; its graph is dropped, so a piece costs the same."

    def _setup(self, D, n, B, T, seed):
        import torch
        from torch import nn

        torch.manual_seed(seed)
        rnn, head = nn.GRU(D, n, batch_first=True), nn.Linear(n, 1)
        x, y = torch.randn(B, T, D), 3 + torch.randn(B, T, 1)
        optimizer = torch.optim.SGD([*rnn.parameters(), *head.parameters()], 0.1)
        return rnn, head, x, y, optimizer

    def _run(self, function, D, n, B, T, piece, seed):
        """Losses and the weights after training, from the same start."""
        rnn, head, x, y, optimizer = self._setup(D, n, B, T, seed)
        losses = function(rnn, head, x, y, piece, optimizer)
        weights = [p.detach().numpy().copy() for p in (*rnn.parameters(), *head.parameters())]
        return losses, np.concatenate([w.ravel() for w in weights])

    def test(self, train_in_pieces):
        for D, n, B, T, piece, seed in ((3, 4, 2, 12, 4, 0), (2, 5, 3, 11, 3, 1), (1, 3, 1, 6, 6, 2)):
            case = D, n, B, T, piece, seed
            rnn, head, x, y, optimizer = self._setup(D, n, B, T, seed)
            kept = x.clone(), y.clone()
            losses = self._learner(train_in_pieces, rnn, head, x, y, piece, optimizer)
            if not (x.equal(kept[0]) and y.equal(kept[1])):
                raise exercise.Wrong("Your function changed x or y in place: only the weights may move.")
            parts = (*rnn.parameters(), *head.parameters())
            weights = np.concatenate([p.detach().numpy().ravel() for p in parts])
            right, right_weights = self._run(_pieces, *case)
            if not hasattr(losses, "__len__"):
                raise exercise.Wrong("Return a list of losses, one for each piece.")
            if len(losses) != len(right):
                raise exercise.Wrong(f"There are {len(losses)} losses, expected {len(right)}, one for each piece.")
            if any(hasattr(loss, "grad_fn") and loss.grad_fn is not None for loss in losses):
                raise exercise.Wrong("The losses still hold their graphs, and so all memory: append `loss.item()`.")
            losses = np.array([float(loss) for loss in losses])
            if np.allclose(losses, right, rtol=1e-4) and np.allclose(weights, right_weights, atol=1e-5):
                continue
            for options, words in (
                ({"carry": False}, "Each piece starts from zeros: pass the state on, `rnn(piece, h)`."),
                ({"zero": False}, "The gradients add up over the pieces: zero_grad is missing."),
                ({"step": False}, "The weights have not moved: one step of the optimiser for each piece."),
                ({"total": True}, "The losses are sums: take the mean over batch and steps."),
            ):
                wrong, moved = self._run(lambda *a, o=options: _pieces(*a, **o), *case)
                if np.allclose(losses, wrong, rtol=1e-4) and np.allclose(weights, moved, atol=1e-5):
                    raise exercise.Wrong(words)
            if np.allclose(losses, right, rtol=1e-4):
                raise exercise.Wrong("The losses are right, but not the weights at the end: one step for every piece.")
            raise exercise.Wrong(
                f"The losses are {np.round(losses, 3).tolist()}, expected {np.round(right, 3).tolist()}."
            )

    def _learner(self, function, *args):
        """The learner's code with models that it may change; PyTorch's complaint about a second backward in words."""
        from utils.exercise import guard

        if guard.is_stub(function):
            return self.call(function)
        try:
            losses = function(*args)
        except RuntimeError as error:
            text = str(error)
            if "second time" in text or "modified by an inplace operation" in text:
                raise exercise.Wrong(
                    "The gradient runs into the piece before, whose graph is gone: `h = h.detach()`."
                ) from error
            raise
        if losses is None:
            raise exercise.Wrong("Your function returned None: is the `return` missing?")
        if losses is ...:
            return self.call(lambda: ...)
        return losses

    @staticmethod
    def reference(rnn, head, x, y, piece, optimizer):
        h, losses = None, []
        for start in range(0, x.shape[1], piece):
            states, h = rnn(x[:, start : start + piece], h)
            h = h.detach()  # the value goes on, the gradient ends here
            loss = ((head(states) - y[:, start : start + piece]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    @staticmethod
    def mistakes():
        made = lambda **options: lambda *args: _pieces(*args, **options)

        def no_detach(rnn, head, x, y, piece, optimizer):
            h, losses = None, []
            for start in range(0, x.shape[1], piece):
                states, h = rnn(x[:, start : start + piece], h)
                loss = ((head(states) - y[:, start : start + piece]) ** 2).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            return losses

        return (
            exercise.Mistake(no_detach, "graph is gone"),
            exercise.Mistake(made(carry=False), "starts from zeros"),
            exercise.Mistake(made(zero=False), "zero_grad is missing"),
            exercise.Mistake(made(step=False), "have not moved"),
            exercise.Mistake(lambda *args: _pieces(*args)[:1], "one for each piece"),
            exercise.Mistake(made(total=True), "losses are sums"),
        )


class MaskedMean(exercise.Exercise):
    """Write a layer `MaskedMean`: `call(self, x, mask=None)`, the mean of x (B, T, D) over its true steps, (B, D).

    mask (B, T): True for true steps, at least one in each row; without a mask all steps are true. Use `keras.ops`.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    answer_kind = "value"
    answer_name = "masked_mean_class"
    hints = (
        "A mean is a sum divided by a number. What should a masked step add to the sum, and to the number?",
        "`m = keras.ops.cast(mask, x.dtype)[..., None]`; then the sum of x · m over axis 1 by that of m.",
    )
    why = "Masked steps add 0 to the sum and 0 to the count: whatever stands in the padding changes nothing."

    def test(self, layer_class):
        import keras

        if layer_class is ... or not isinstance(layer_class, type):
            layer_class = self.expect_type(layer_class, type, "MaskedMean")
        layer = self.call(layer_class)
        self.expect_type(layer, keras.layers.Layer)
        for B, T, D, seed in ((3, 5, 2, 0), (4, 4, 4, 1), (2, 6, 1, 2), (1, 3, 3, 3)):
            rng = np.random.default_rng(seed)
            x = (rng.standard_normal((B, T, D)) + 1).astype("float32")
            mask = np.arange(T) < rng.integers(1, T, B)[:, None]
            mask[0] = rng.permutation(mask[0])  # true steps need not come first
            for m in (mask, None):
                got = self._output(layer, x, m)
                if got is ...:
                    self.call(lambda: ...)
                got = self.expect_array(got)
                if got.shape == (B, 1, D):
                    raise exercise.Wrong(f"The shape is {got.shape}: the axis of time must go, no keepdims in the sum.")
                if got.shape == (B, T) and (T != D):
                    raise exercise.Wrong("You averaged over the features: time is axis 1.")
                got = self.expect_array(got, (B, D))
                weight = (np.ones((B, T)) if m is None else m)[..., None]
                right = (x * weight).sum(1) / weight.sum(1)
                candidates = (
                    (x.mean(1), "The mask is not used: this is the mean over all steps."),
                    (
                        (x * weight).sum(1) / T,
                        "The sum is masked, but divided by T: divide by the number of true steps.",
                    ),
                    ((x * weight).sum(1), "That is the sum: divide by the number of true steps."),
                    (
                        (x * weight).sum(1) / weight.sum(),
                        "Divide each row by its own number of true steps, not by all.",
                    ),
                    (
                        (x * (1 - weight)).sum(1) / np.maximum((1 - weight).sum(1), 1),
                        "The mask is the wrong way round: True means a true step.",
                    ),
                )
                if m is not None:
                    exercise.name_mistake(got, right, candidates, rtol=1e-4, atol=1e-5)
                words = (
                    "Sum over the true steps, divided by their number."
                    if m is not None
                    else "Without a mask: the plain mean."
                )
                self.expect_close(got, right, words, rtol=1e-4, atol=1e-5)
                self._judge_gradient(layer, x, m, weight)

    def _judge_gradient(self, layer, x, mask, weight):
        import keras

        from utils import keras_train

        keep = {} if mask is None else {"mask": mask}
        (gradient,) = keras_train.gradients(lambda x: keras.ops.sum(layer(x, **keep)), x)
        right = np.broadcast_to(weight / weight.sum(1, keepdims=True), x.shape)
        if not np.allclose(exercise.to_array(gradient), right, rtol=1e-3, atol=1e-5):
            raise exercise.Wrong("The values are right, the gradient by x is not: something cuts it off on the way.")

    def _output(self, layer, x, mask):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras: the layer takes the mask and hands none on, as it should
            return self._answer_of(layer, x, mask)

    def _answer_of(self, layer, x, mask):
        if mask is None:
            try:
                return layer(x)
            except (AttributeError, TypeError, ValueError) as error:
                raise exercise.Wrong(
                    "Without a mask your layer stops: handle `mask is None`, all steps are true."
                ) from error
        return self.call(layer, x, mask=mask)

    @staticmethod
    def reference():
        import keras

        class MaskedMean(keras.layers.Layer):
            def call(self, x, mask=None):  # (B, T, D), (B, T) -> (B, D)
                if mask is None:
                    return keras.ops.mean(x, axis=1)
                m = keras.ops.cast(mask, x.dtype)[..., None]  # (B, T, 1): 1 for a true step
                return keras.ops.sum(x * m, axis=1) / keras.ops.sum(m, axis=1)

        return MaskedMean

    @staticmethod
    def mistakes():
        def made(how):
            def build():
                import keras

                ops = keras.ops

                class MaskedMean(keras.layers.Layer):
                    def call(self, x, mask=None):
                        if mask is None and how != "no default":
                            return ops.mean(x, axis=1)
                        m = ops.cast(mask, x.dtype)[..., None]
                        total = ops.sum(x * m, axis=1)
                        if how == "ignored":
                            return ops.mean(x, axis=1)
                        if how == "by T":
                            return ops.mean(x * m, axis=1)
                        if how == "sum":
                            return total
                        if how == "reverse":
                            return ops.sum(x * (1 - m), axis=1) / ops.maximum(ops.sum(1 - m, axis=1), 1)
                        if how == "keepdims":
                            return ops.sum(x * m, axis=1, keepdims=True) / ops.sum(m, axis=1, keepdims=True)
                        return total / ops.sum(m, axis=1)

                return MaskedMean

            return build

        return (
            exercise.Mistake(made("ignored"), "mask is not used"),
            exercise.Mistake(made("by T"), "divided by T"),
            exercise.Mistake(made("sum"), "That is the sum"),
            exercise.Mistake(made("reverse"), "wrong way round"),
            exercise.Mistake(made("keepdims"), "axis of time must go"),
            exercise.Mistake(made("no default"), "Without a mask"),
        )
