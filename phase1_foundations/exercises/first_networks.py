"""Exercises of lesson 1.8: statement, test, hints, solution and the mistakes whose feedback is tested."""

import numpy as np

from utils import exercise

FAULTS = {
    "rate too low": "a learning rate that is far too low",
    "rate too high": "a learning rate that is far too high",
    "labels shuffled": "labels that no longer belong to their pictures",
    "not scaled": "pictures that still run from 0 to 255",
}


class TrainingMemory(exercise.Exercise):
    """Write `training_memory(sizes)`: bytes that weights, gradients and Adam's state take, all in float32.

    sizes: numbers of neurons, such as (784, 128, 10). Each layer has weights and biases. Adam keeps two numbers for
    each parameter. Activations and data do not count.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Parameters first: a layer from m to n has m·n weights and n biases. Sum over neighbours in `sizes`.",
        "For each parameter four numbers are kept: itself, its gradient and two by Adam; a float32 has 4 bytes.",
    )
    why = "Training with Adam takes four times the memory of the weights, before a single activation is counted."

    def test(self, training_memory):
        for sizes in ((784, 128, 10), (20, 7), (5, 6, 7, 3)):
            got = self.expect_number(self.call(training_memory, sizes))
            pairs = list(zip(sizes, sizes[1:], strict=False))
            weights = sum(m * n for m, n in pairs)
            n = weights + sum(sizes[1:])
            for wrong, words in (
                (n, "This is the number of parameters: how many numbers are kept for each, with how many bytes?"),
                (4 * n, "Either the weights alone in bytes, or a count of numbers: four numbers of 4 bytes each."),
                (8 * n, "Weights and gradients are there; Adam's two numbers for each parameter are missing."),
                (12 * n, "Three numbers for each parameter: weight, gradient and Adam's *two* make four."),
                (16 * weights, "The biases are missing: a layer from m to n has n of them."),
                (16 * (weights + sum(sizes)), "The input has no bias: start counting biases at `sizes[1]`."),
                (128 * n, "A byte has 8 bits: a float32 has 32 bits, so 4 bytes."),
            ):
                if np.isclose(got, wrong, rtol=1e-9):
                    raise exercise.Wrong(words)
            self.expect_close(got, 16 * n, f"For {sizes}: 4 numbers of 4 bytes for each of {n} parameters.", rtol=1e-9)

    @staticmethod
    def reference(sizes):
        n = sum(m * n + n for m, n in zip(sizes, sizes[1:], strict=False))
        return n * (1 + 1 + 2) * 4  # weight, gradient, Adam's two; 4 bytes each

    @staticmethod
    def mistakes():
        def parameters(sizes, bias=True):
            return sum(m * n + n * bias for m, n in zip(sizes, sizes[1:], strict=False))

        return (
            exercise.Mistake(parameters, "number of parameters"),
            exercise.Mistake(lambda sizes: 8 * parameters(sizes), "Adam's two numbers"),
            exercise.Mistake(lambda sizes: 12 * parameters(sizes), "make four"),
            exercise.Mistake(lambda sizes: 16 * parameters(sizes, bias=False), "biases are missing"),
            exercise.Mistake(lambda sizes: 16 * (parameters(sizes) + sizes[0]), "input has no bias"),
            exercise.Mistake(lambda sizes: 128 * parameters(sizes), "8 bits"),
        )


class Accuracy(exercise.Exercise):
    """Write `accuracy(model, loader)`: the share of examples that a PyTorch classifier gets right, a float.

    loader is any iterable of batches x (B, D), y (B,); the last one may be smaller. model(x) -> logits (B, K). Measure
    without dropout, whatever mode the model is in when it comes. Everything is on the CPU.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "Count right answers and examples over all batches; divide once, at the end.",
        "`model.eval()` first, `with torch.inference_mode():` around the loop; `(model(x).argmax(1) == y).sum()`.",
    )
    why = "A mean of batch means gives the examples of a small last batch too much weight; eval mode ends dropout."

    def test(self, accuracy):
        import torch

        for turn, classes, sizes in (
            (0, [0, 1, 2, 0, 1, 2, 0, 0, 2, 1], (4, 4, 2)),  # the last two examples and no. 7 are wrong
            (1, [1, 2, 0, 1, 2, 2, 0], (3, 3, 1)),
            (0, [0, 1, 1, 2, 1], (5,)),
            (2, [2, 1, 1, 0], (1, 1, 2)),
        ):
            x, y = torch.eye(3).repeat(4, 1)[: len(classes)], torch.tensor(classes)
            self._judge_one(accuracy, _Table(turn), x, y, sizes)

    def _judge_one(self, accuracy, model, x, y, sizes):
        n, k = len(y), len(sizes)
        loader = list(zip(x.split(sizes), y.split(sizes), strict=True))
        model.train()
        got = self.expect_number(self.call(accuracy, model, loader), "the accuracy")
        if model.trained:
            raise exercise.Wrong(
                "The model was in training mode, so dropout changed its answers: `model.eval()` first."
            )
        by_batch = [(model.answers(a) == b).float().mean().item() for a, b in loader]
        right = float((model.answers(x) == y).float().mean())
        for wrong, words in (
            (np.mean(by_batch), "This is the mean over batches: the last, smaller batch weighs too much."),
            (right * n, "This is the number of right answers: divide by the number of examples."),
            (right * n / k, "You divided by the number of batches: divide by the number of examples."),
            (100 * right, "This is in percent: the share is a number from 0 to 1."),
            (1 - right, "This is the share of wrong answers."),
            (right * n / (k * sizes[0]), "You counted every batch as full: add up `len(y)`."),
            (np.mean(by_batch[:-1] or [-1]), "The last, smaller batch is missing."),
            (by_batch[-1], "This is the last batch alone: add up over all batches."),
            (by_batch[0], "This is the first batch alone: does `return` stand inside the loop?"),
        ):
            exercise.name_mistake(got, right, [(wrong, words)])
        self.expect_close(got, right, "Count the right answers, divide by the number of examples.", atol=1e-5)

    @staticmethod
    def reference(model, loader):
        import torch

        model.eval()
        right = n = 0
        with torch.inference_mode():
            for x, y in loader:
                right += (model(x).argmax(1) == y).sum().item()
                n += len(y)
        return right / n

    @staticmethod
    def mistakes():
        def counts(model, loader, axis=1):
            model.eval()
            return [
                (int((model(x).argmax(axis) == y[: model(x).argmax(axis).numel()]).sum()), len(y)) for x, y in loader
            ]

        def by_batch(model, loader):
            return float(np.mean([a / b for a, b in counts(model, loader)]))

        def with_dropout(model, loader):
            batches = [(model(x).argmax(1) == y).sum() / len(y) * len(y) for x, y in loader]
            return float(sum(batches)) / sum(len(y) for _, y in loader)

        return (
            exercise.Mistake(by_batch, "weighs too much"),
            exercise.Mistake(with_dropout, "training mode"),
            exercise.Mistake(lambda m, loader: sum(a for a, _ in counts(m, loader)), "number of right answers"),
            exercise.Mistake(lambda m, loader: sum(a for a, _ in counts(m, loader)) / 3, "number of batches"),
            exercise.Mistake(lambda m, loader: counts(m, loader)[0][0] / 4, "first batch alone"),
            exercise.Mistake(lambda m, loader: 100 * sum(a for a, _ in counts(m, loader)) / 10, "in percent"),
        )


def _Table(turn):
    """A PyTorch model with known answers: the index of the 1 in x, `turn` places on, modulo 3.

    In training mode its dropout drops everything.
    """
    import torch

    class Table(torch.nn.Module):
        trained = False

        def forward(self, x):
            self.trained = self.trained or self.training
            return (1 - x if self.training else x).roll(turn, 1)

        def answers(self, x):
            return (x.argmax(1) + turn) % 3

    return Table()


class TrainStep(exercise.Exercise):
    """Write `one_step(model, x, y, optimizer)`: one PyTorch training step for a classifier -> the loss, a float.

    x (B, D), y (B,) class indices, model(x) -> logits (B, K). The loss is the mean cross-entropy.
    """

    answer_name = "one_step"
    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "The five lines of the loop: logits, loss, gradients to zero, backward, step.",
        "`nn.functional.cross_entropy(model(x), y)` takes logits; `loss.item()` is the number to return.",
    )
    why = "The optimiser reads p.grad: it must hold this batch's gradient and nothing older when `step` is called."

    def test(self, train_step):
        import torch

        for seed in (0, 1):
            torch.manual_seed(seed)
            x, y = torch.randn(12, 5), torch.randint(0, 3, (12,))
            model = torch.nn.Linear(5, 3)
            start = {k: v.clone() for k, v in model.state_dict().items()}
            old = [torch.randn_like(p) for p in model.parameters()]
            self._set(model, start, old)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
            loss = self.call(train_step, model, x, y, optimizer)
            got = torch.cat([p.detach().flatten() for p in model.parameters()])
            self._compare(got, self._variants(model, start, old, x, y))
            if isinstance(loss, torch.Tensor) and loss.requires_grad:
                raise exercise.Wrong("You return a tensor that still holds its graph: return `loss.item()`.")
            model.load_state_dict(start)
            right = torch.nn.functional.cross_entropy(model(x), y).item()
            after = torch.nn.functional.cross_entropy((x @ got[:15].reshape(3, 5).T + got[15:]), y).item()
            if np.isclose(self.expect_number(loss, "the loss"), after, atol=1e-5):
                raise exercise.Wrong("This is the loss after the step: return the one that the gradients came from.")
            self.expect_close(float(loss), right, "The weights are right, the loss is not:", atol=1e-5, name="the loss")

    @staticmethod
    def _set(model, start, gradients):
        model.load_state_dict(start)
        for p, g in zip(model.parameters(), gradients, strict=True):
            p.grad = g.clone()

    def _variants(self, model, start, old, x, y):
        """Weights after a step with each kind of mistake: {words: (P,)}, the right one first."""
        import torch
        from torch.nn.functional import cross_entropy, nll_loss

        losses = {
            "": lambda: cross_entropy(model(x), y),
            "softmax": lambda: cross_entropy(model(x).softmax(1), y),
            "sum": lambda: cross_entropy(model(x), y, reduction="sum"),
            "nll": lambda: nll_loss(model(x), y),
        }
        steps = {}
        for name, loss in losses.items():
            model.load_state_dict(start)
            gradients = torch.autograd.grad(loss(), list(model.parameters()))
            steps[name] = torch.cat([g.flatten() for g in gradients])
        w = torch.cat([start[k].flatten() for k in ("weight", "bias")])
        stale = torch.cat([g.flatten() for g in old])
        return {name: w - 0.5 * g for name, g in steps.items()} | {
            "none": w,
            "accumulated": w - 0.5 * (steps[""] + stale),
            "stale": w - 0.5 * stale,
            "ascent": w + 0.5 * steps[""],
        }

    def _compare(self, got, variants):
        words = {
            "none": "The weights did not move: is `optimizer.step()` there, after `backward()` and with its gradients?",
            "accumulated": "The old gradient was still in p.grad, and `backward` adds: `optimizer.zero_grad()` first.",
            "stale": "The step used the gradient of an earlier batch: call `backward()` before `step()`.",
            "softmax": "There is a softmax before the loss: cross_entropy expects logits and applies its own.",
            "sum": "The loss is a sum over the batch, so the step is 12 times too long: use the mean.",
            "nll": "`nll_loss` takes logarithms of probabilities, not logits: use cross_entropy.",
            "ascent": "The step went uphill: the loss must not be negated.",
        }
        for name, text in words.items():
            if np.allclose(got, variants[name], atol=1e-6):
                raise exercise.Wrong(text)
        self.expect_close(got, variants[""], "One SGD step from the mean cross-entropy.", atol=1e-5, name="the weights")

    @staticmethod
    def reference(model, x, y, optimizer):
        from torch import nn

        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    @staticmethod
    def mistakes():
        from torch.nn.functional import cross_entropy, nll_loss

        def step(model, x, y, optimizer, zero=True, first=False, last=True, loss_fn=cross_entropy, item=True):
            loss = loss_fn(model(x), y)
            if zero:
                optimizer.zero_grad()
            if first:
                optimizer.step()
            loss.backward()
            if last:
                optimizer.step()
            return loss.item() if item else loss

        def with_options(**options):
            return lambda model, x, y, optimizer: step(model, x, y, optimizer, **options)

        def late(model, x, y, optimizer):
            step(model, x, y, optimizer)
            return cross_entropy(model(x), y).item()

        return (
            exercise.Mistake(with_options(zero=False), "`backward` adds"),
            exercise.Mistake(with_options(zero=False, first=True, last=False), "earlier batch"),
            exercise.Mistake(with_options(last=False), "did not move"),
            exercise.Mistake(with_options(loss_fn=lambda z, y: cross_entropy(z.softmax(1), y)), "softmax before"),
            exercise.Mistake(with_options(loss_fn=lambda z, y: cross_entropy(z, y, reduction="sum")), "is a sum"),
            exercise.Mistake(with_options(loss_fn=lambda z, y: -cross_entropy(z, y)), "uphill"),
            exercise.Mistake(with_options(loss_fn=lambda z, y: cross_entropy(y, z)), "not implemented for"),
            exercise.Mistake(with_options(loss_fn=nll_loss), "not logits"),
            exercise.Mistake(with_options(item=False), "still holds its graph"),
            exercise.Mistake(late, "after the step"),
        )


class PictureNetwork(exercise.Exercise):
    """Write `picture_network()`: a Keras model that takes the *raw* pictures, so that nobody can forget to scale them.

    x (B, 28, 28, 1) uint8 from 0 to 255 -> logits (B, 10). Inside: scale to 0..1, flatten, a hidden layer of 64 ReLU
    neurons, dropout 0.2 after it, 10 outputs.
    """

    difficulty = 2
    minutes = 15
    framework = "keras"
    time_limit = 30.0  # the first Keras model of a session takes its time
    hints = (
        "`keras.layers.Rescaling(1 / 255)` and `keras.layers.Flatten()` are layers like any other.",
        "Order: Input((28, 28, 1)), Rescaling, Flatten, Dense with ReLU, Dropout, Dense(10) without activation.",
    )
    why = "Preprocessing inside the model travels with its file: whoever loads it can feed it raw pictures."

    def test(self, picture_network):
        import keras

        model = self.call(picture_network)
        if not isinstance(model, keras.Model):
            raise exercise.Wrong("Return the Keras model itself.")
        if self.call(picture_network) is model:
            raise exercise.Wrong("Each call must build a new model: two callers would train the same weights.")
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
        self.expect_array(model(x), shape=(6, 10), name="the model's output")
        shapes = [tuple(w.shape) for w in model.trainable_weights]
        if shapes != [(784, 64), (64,), (64, 10), (10,)]:
            raise exercise.Wrong(
                f"The weights have shapes {shapes}, expected (784, 64), (64,), (64, 10), (10,): flatten the pictures, "
                "one hidden layer of 64 and one output layer of 10, both with biases."
            )
        weights = [rng.normal(size=s).astype(np.float32) / np.sqrt(s[0]) for s in shapes]
        for variable, array in zip(model.trainable_weights, weights, strict=True):
            variable.assign(array)
        self._judge_output(self.expect_array(model(x, training=False)), x.reshape(6, -1).astype(float), weights)
        self._judge_dropout(model)

    def _judge_output(self, got, x, weights):
        w1, b1, w2, b2 = weights

        def logits(scaled, bend=lambda z: np.maximum(z, 0)):
            return bend(scaled @ w1 + b1) @ w2 + b2

        right = logits(x / 255)
        e = np.exp(right - right.max(1, keepdims=True))
        for wrong, words in (
            (logits(x), "The pictures enter as 0 to 255: `Rescaling(1 / 255)` is missing or does nothing."),
            (logits(x * 255), "You multiplied by 255: the scale is 1 / 255."),
            (logits(x / 256), "The largest value is 255, so divide by 255, not by 256."),
            (logits(x / 127.5 - 1), "You scaled to -1..1: asked for is 0..1."),
            (e / e.sum(1, keepdims=True), "Rows sum to 1: there is a softmax at the end; logits were asked for."),
            (logits(x / 255, lambda z: z), "The hidden layer has no ReLU."),
            (np.maximum(right, 0), "The output layer has a ReLU: no logit can become negative."),
        ):
            if np.allclose(got, wrong, rtol=1e-3, atol=1e-4):
                raise exercise.Wrong(words)
        self.expect_close(got, right, "Scale, flatten, Dense with ReLU, Dense.", rtol=1e-3, atol=1e-3)

    @staticmethod
    def _judge_dropout(model):
        import keras

        arrays = np.zeros((784, 64)), np.ones(64), np.eye(64, 10), np.ones(10)  # every hidden unit says 1
        for variable, array in zip(model.trainable_weights, arrays, strict=True):
            variable.assign(array.astype("float32"))
        x = np.full((400, 28, 28, 1), 100, np.uint8)
        got = keras.ops.convert_to_numpy(model(x, training=True))  # 1: the unit is dropped, 1 + 1 / 0.8: it is kept
        if np.allclose(got, 2):
            raise exercise.Wrong("The dropout is missing, or before the hidden layer: none of the 64 is ever dropped.")
        if np.isclose(got, 0).any():
            raise exercise.Wrong(
                "The outputs themselves are dropped: the dropout belongs after the hidden layer of 64."
            )
        kept = ~np.isclose(got, 1)
        if not np.allclose(got[kept], 1 + 1 / 0.8, atol=1e-4):
            text = f"{1 - kept.mean():.0%} of the hidden units are dropped"
            raise exercise.Wrong(f"{text}: the rate is the share that is dropped, here 0.2, once.")

    @staticmethod
    def reference():
        import keras

        return keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Rescaling(1 / 255),  # uint8 0..255 -> float32 0..1
                keras.layers.Flatten(),  # (B, 784)
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dropout(0.2),
                keras.layers.Dense(10),  # logits
            ]
        )

    @staticmethod
    def mistakes():
        def build(scale=1 / 255, offset=0.0, hidden="relu", last=None, rate=0.2, flat=True, drop_last=False):
            import keras

            layers = keras.layers
            chain = [keras.Input((28, 28, 1))]
            chain += [layers.Rescaling(scale, offset)] if scale else []
            chain += [layers.Flatten()] if flat else []
            dense, output = layers.Dense(64, activation=hidden), layers.Dense(10, activation=last)
            dropout = [layers.Dropout(rate)] if rate else []
            return keras.Sequential([*chain, dense, *([output, *dropout] if drop_last else [*dropout, output])])

        def with_options(**options):
            return lambda: build(**options)

        return (
            exercise.Mistake(with_options(scale=None), "enter as 0 to 255"),
            exercise.Mistake(with_options(scale=255.0), "multiplied by 255"),
            exercise.Mistake(with_options(scale=1 / 127.5, offset=-1.0), "scaled to -1..1"),
            exercise.Mistake(with_options(last="softmax"), "softmax at the end"),
            exercise.Mistake(with_options(hidden=None), "no ReLU"),
            exercise.Mistake(with_options(rate=None), "dropout is missing"),
            exercise.Mistake(with_options(rate=0.8), "share that is dropped"),
            exercise.Mistake(with_options(drop_last=True), "belongs after the hidden layer"),
            exercise.Mistake(with_options(flat=False), "shape"),
        )


def patients(x, y, n_steps=60):
    """Train four networks with one fault each -> dict name -> {"all": losses, "one batch": losses}, each (n_steps,).

    x: (N, 784) pictures in 0..1, y: (N,) classes. The faults stand below; solve the exercise before you read on.
    """
    import torch
    from torch import nn

    faults = dict(zip("PQRS", ("labels shuffled", "rate too low", "not scaled", "rate too high"), strict=True))
    generator = torch.Generator().manual_seed(0)
    curves = {}
    for name, fault in faults.items():
        lr = {"rate too low": 1e-6, "rate too high": 0.3}.get(fault, 2e-3)
        inputs = torch.tensor(x) * (255 if fault == "not scaled" else 1)
        labels = torch.tensor(y)
        if fault == "labels shuffled":
            labels = labels[torch.randperm(len(labels), generator=generator)]
        curves[name] = {}
        for part, n in (("all", len(inputs)), ("one batch", 32)):
            model = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
            optimizer, losses = torch.optim.Adam(model.parameters(), lr), []
            for _ in range(n_steps):
                rows = torch.randint(n, (100,), generator=generator) if n > 100 else torch.arange(n)
                loss = nn.functional.cross_entropy(model(inputs[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            curves[name][part] = np.array(losses)
    return curves


class Diagnose(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the four networks P, Q, R, S: a dict such as `{"P": "not scaled", ...}`.

    The faults: "rate too low", "rate too high", "labels shuffled", "not scaled", each once. The curves are all that
    you need.
    """

    difficulty = 3
    minutes = 20
    hints = (
        "Read the loss of the very first step: all inputs in 0..1 and small weights give about ln 10 = 2.30.",
        "Then ask of the others: does one batch of 32 pictures become easy? What cannot learn 32 pictures has a fault "
        "in the machine; what learns them, but nothing about the rest, has a fault in the data.",
    )
    why = "First loss, one batch, whole data: three looks tell faults of data, scale and learning rate apart."
    faults = {"P": "labels shuffled", "Q": "rate too low", "R": "not scaled", "S": "rate too high"}
    symptoms = {
        "R": "R starts far above ln 10: its logits are large before any training. What makes them so?",
        "S": "S starts at ln 10 and jumps up at the next steps: what throws it that far?",
        "Q": "Q does not even learn 32 pictures, and moves quietly: what keeps its steps tiny?",
        "P": "P learns 32 pictures by heart but nothing about the rest: is there a rule to find?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Diagnose.faults, Diagnose.swapped

        return (
            exercise.Mistake(swapped("P", "Q"), "does not even learn 32 pictures"),
            exercise.Mistake(swapped("R", "S"), "R starts far above"),
            exercise.Mistake(swapped("S", "Q"), "jumps up"),
            exercise.Mistake(dict.fromkeys("PQRS", "not scaled"), "exactly once"),
            exercise.Mistake(right | {"P": "overfitting"}, "none of the names"),
        )
