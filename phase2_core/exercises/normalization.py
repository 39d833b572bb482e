"""Exercises of lesson 2.6: statement, test, hints, solution and the mistakes whose feedback is tested."""

import functools

import numpy as np

from utils import exercise


def _batch_norm(
    x,
    gamma,
    beta,
    mean,
    var,
    m,
    training,
    eps,
    axis=0,
    ddof=1,
    used=0,
    turned=False,
    always=False,
    inside=True,
    mix=False,
):
    """The reference with switches for what learners get wrong."""
    keep = {"keepdims": True} if axis else {}
    mu, v = (x.mean(axis, **keep), x.var(axis, ddof=used, **keep)) if training else (mean, var)
    if training or always:
        new = (1 - m) if turned else m
        mean = (1 - new) * mean + new * x.mean(0)
        var = (1 - new) * var + new * x.var(0, ddof=ddof)
    if mix:
        mu, v = mean, var
    spread = np.sqrt(v + eps) if inside else np.sqrt(v) + eps
    return gamma * (x - mu) / spread + beta, mean, var


class BatchNorm(exercise.Exercise):
    """Write `batch_norm(x, gamma, beta, mean, var, m, training, eps)` -> (y, mean, var) with PyTorch's conventions.

    x (B, D), all others (D,) or numbers; mean and var are the running statistics. In training normalise with the batch
    (biased variance) and return the new running statistics, m being the weight of the new value and the stored variance
    unbiased. In use (`training=False`) normalise with the running statistics and return them unchanged. Leave the
    arguments as they are.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Two cases. Which mean and variance normalise x in each, and which of them change the running ones?",
        "Training: `x.mean(0)` and `x.var(0)` normalise; `(1 - m) * var + m * x.var(0, ddof=1)` is the new variance.",
    )
    why = "The batch normalises in training and only leaves a trace, the running statistics, which alone count in use."

    @staticmethod
    def _case(n, d, seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(rng.normal(0, 2, d), rng.uniform(0.5, 3, d), (n, d))
        return x, rng.normal(1, 0.5, d), rng.normal(0, 1, d), rng.normal(0, 1, d), rng.uniform(0.5, 2, d)

    def test(self, batch_norm):
        for n, d, m, eps, seed in (
            (5, 3, 0.1, 1e-3, 0),
            (4, 4, 0.3, 0.1, 1),
            (2, 6, 0.75, 0.5, 2),
            (9, 1, 0.2, 0.3, 3),
        ):
            case = self._case(n, d, seed)
            for training in (True, False):
                rest = (m, training, eps)
                found = self.call(batch_norm, *case, *rest)
                if not isinstance(found, (tuple, list)) or len(found) != 3:
                    raise exercise.Wrong("Return three things: `y, mean, var`.")
                names = ("`y`", "`mean`", "`var`")
                found = [self.expect_array(f, name=name) for f, name in zip(found, names, strict=True)]
                self._judge_output(found[0], case, rest, n, d)
                self._judge_statistics(found, case, rest, d)
        kept = [a.copy() for a in case]
        batch_norm(*case, m, True, eps)
        if not all(np.array_equal(a, b) for a, b in zip(case, kept, strict=True)):
            raise exercise.Wrong("Your code changed one of its arguments in place: compute new arrays.")

    def _judge_output(self, y, case, rest, n, d):
        right = _batch_norm(*case, *rest)[0]
        training, like = rest[1], lambda **switches: _batch_norm(*case, *rest, **switches)[0]
        where = "In training: " if training else "In use: "
        if y.shape != (n, d):
            raise exercise.Wrong(f"`y` has shape {y.shape}, expected {(n, d)}, like x.")
        x, gamma, beta, mean, var = case
        other = _batch_norm(*case, rest[0], not training, rest[2])[0]
        words = (
            (like(axis=1), "you averaged over the features; the mean of batch norm runs over the examples, axis 0."),
            (like(used=1), "it normalises with the biased variance (divide by B); the unbiased one is only stored."),
            (like(inside=False), "eps belongs inside the root: sqrt(var + eps)."),
            (right - beta, "beta is missing: add it at the end."),
            ((right - beta) / gamma + beta, "gamma is missing: multiply the normalised values by it."),
            ((right - beta) / gamma, "gamma and beta are missing."),
            (
                other,
                "x was normalised with the statistics of the batch."
                if not training
                else "x was normalised with the running statistics.",
            ),
            (like(mix=True), "x was normalised with the new running statistics; the batch's own ones are used."),
        )
        exercise.name_mistake(y, right, [(wrong, where + sentence) for wrong, sentence in words])
        self.expect_close(y, right, f"{where}y is gamma * (x - mean) / sqrt(var + eps) + beta.", name="`y`")

    def _judge_statistics(self, found, case, rest, d):
        training = rest[1]
        right = _batch_norm(*case, *rest)
        for i, name in ((1, "`mean`"), (2, "`var`")):
            got = found[i]
            if got.shape != (d,):
                raise exercise.Wrong(f"{name} has shape {got.shape}, expected {(d,)}: one number for each feature.")
            like = lambda i=i, **switches: _batch_norm(*case, *rest, **switches)[i]
            words = (
                (like(always=True), "changed although training is False: in use nothing is learnt."),
                (like(turned=True), "has the momentum the wrong way round: m is the weight of the new value."),
                (like(ddof=0), "holds the biased variance: PyTorch stores the unbiased one, divided by B - 1."),
                (like(ddof=0, turned=True), "has the momentum the wrong way round, and the biased variance."),
                (case[0].mean(0) if i == 1 else case[0].var(0), "is that of the batch alone: mix it with the old one."),
                (
                    case[0].mean(0) if i == 1 else case[0].var(0, ddof=1),
                    "is that of the batch alone: mix it with the old one.",
                ),
                (case[2 + i], "did not change in training: it moves a share m towards the batch."),
            )
            exercise.name_mistake(got, right[i], [(wrong, f"{name} {sentence}") for wrong, sentence in words])
            rule = "(1 - m) * old + m * new" if training else "the old one, unchanged"
            self.expect_close(got, right[i], f"{name} should be {rule}.", name=name)

    @staticmethod
    def reference(x, gamma, beta, mean, var, m, training, eps):
        import numpy as np

        if training:
            mu, v = x.mean(0), x.var(0)  # (D,) biased: these normalise
            mean, var = (1 - m) * mean + m * mu, (1 - m) * var + m * x.var(0, ddof=1)  # these are remembered
        else:
            mu, v = mean, var
        return gamma * (x - mu) / np.sqrt(v + eps) + beta, mean, var

    @staticmethod
    def mistakes():
        def with_(**switches):
            return lambda *args: _batch_norm(*args, **switches)

        def never(x, gamma, beta, mean, var, m, training, eps):
            return _batch_norm(x, gamma, beta, mean, var, m, False, eps)

        def always(x, gamma, beta, mean, var, m, training, eps):
            y, new_mean, new_var = _batch_norm(x, gamma, beta, mean, var, m, True, eps)
            return (y, new_mean, new_var) if training else (y, mean, var)

        def no_shift(x, gamma, beta, *rest):
            return _batch_norm(x, gamma, 0 * beta, *rest)

        return (
            exercise.Mistake(with_(axis=1), "over the features"),
            exercise.Mistake(with_(used=1), "only stored"),
            exercise.Mistake(with_(ddof=0), "holds the biased variance"),
            exercise.Mistake(with_(turned=True), "wrong way round"),
            exercise.Mistake(with_(always=True), "although training is False"),
            exercise.Mistake(with_(inside=False), "inside the root"),
            exercise.Mistake(with_(mix=True), "new running statistics"),
            exercise.Mistake(never, "In training: x was normalised with the running"),
            exercise.Mistake(always, "In use: x was normalised with the statistics of the batch"),
            exercise.Mistake(no_shift, "beta is missing"),
            exercise.Mistake(lambda *args: _batch_norm(*args)[0], "three things"),
        )


class RmsNorm(exercise.Exercise):
    """Write `rms_norm(x, scale, eps)` with `keras.ops`: RMS norm over the last axis, x (B, T, D), scale (D,).

    Each vector of D numbers is divided by the root of its mean square (plus eps inside the root), then multiplied by
    scale. Returns a tensor (B, T, D).
    """

    difficulty = 1
    minutes = 10
    framework = "keras"
    hints = (
        "Which axis holds the D numbers of one vector? Nothing is subtracted here.",
        "`keras.ops.mean(keras.ops.square(x), axis=-1, keepdims=True)`, add eps, take the root, divide, scale.",
    )
    why = "One mean of squares for each position: no batch, no running statistics, no mean to subtract."

    def test(self, rms_norm):
        import keras

        for shape, eps, seed in (((2, 3, 4), 1e-3, 0), ((3, 3, 3), 0.5, 1), ((1, 5, 2), 0.1, 2), ((4, 1, 6), 1e-6, 3)):
            rng = np.random.default_rng(seed)
            x = rng.normal(1.0, 2.0, shape).astype("float32")
            scale = rng.normal(1, 0.5, shape[-1]).astype("float32")
            got = self.call(rms_norm, keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(scale), eps)
            got = self.expect_array(got, shape)
            root = lambda v, axis: np.sqrt((v**2).mean(axis, keepdims=True) + eps)  # noqa: B023
            right, centred = x / root(x, -1) * scale, x - x.mean(-1, keepdims=True)
            exercise.name_mistake(
                got,
                right,
                (
                    (centred / root(centred, -1) * scale, "This is layer norm: RMS norm does not subtract the mean."),
                    (
                        x / root(centred, -1) * scale,
                        "You divided by the standard deviation: take the mean of x², not the variance.",
                    ),
                    (x / root(x, 1) * scale, "The mean runs over T: it belongs to the last axis, D."),
                    (x / root(x, 0) * scale, "The mean runs over the batch: it belongs to the last axis, D."),
                    (x / root(x, (1, 2)) * scale, "One mean for a whole sequence: each position has its own."),
                    (x / root(x, None) * scale, "One mean for everything: name the axis."),
                    (x / root(x, -1), "The scale is missing: multiply by it at the end."),
                    (
                        x / np.sqrt((x**2).sum(-1, keepdims=True) + eps) * scale,
                        "You added the squares: take their mean over D.",
                    ),
                    (x / (x**2).mean(-1, keepdims=True) * scale, "The root is missing (and eps)."),
                    (x / root(x, -1) ** 2 * scale, "The root is missing."),
                    (
                        x / (np.sqrt((x**2).mean(-1, keepdims=True)) + eps) * scale,
                        "eps belongs inside the root, as in both libraries.",
                    ),
                    (x / np.sqrt((x**2).mean(-1, keepdims=True)) * scale, "eps is missing inside the root."),
                ),
                rtol=1e-4,
                atol=1e-5,
            )
            self.expect_close(got, right, "x / sqrt(mean(x²) + eps) * scale, over the last axis.", rtol=1e-4, atol=1e-5)

    @staticmethod
    def reference(x, scale, eps):
        import keras

        square = keras.ops.mean(keras.ops.square(x), axis=-1, keepdims=True)  # (B, T, 1)
        return x * keras.ops.rsqrt(square + eps) * scale  # (B, T, D)

    @staticmethod
    def mistakes():
        def norm(axis=-1, centre=False, total=False, scaled=True, inside=True, root=True):
            def rms_norm(x, scale, eps):
                from keras import ops

                if centre:
                    x = x - ops.mean(x, axis=-1, keepdims=True)
                square = (ops.sum if total else ops.mean)(ops.square(x), axis=axis, keepdims=True)
                divisor = (ops.sqrt(square + eps) if inside else ops.sqrt(square) + eps) if root else square + eps
                return x / divisor * (scale if scaled else 1.0)

            return rms_norm

        return (
            exercise.Mistake(norm(centre=True), "This is layer norm"),
            exercise.Mistake(norm(axis=1), "runs over T"),
            exercise.Mistake(norm(axis=0), "runs over the batch"),
            exercise.Mistake(norm(axis=(1, 2)), "whole sequence"),
            exercise.Mistake(norm(total=True), "added the squares"),
            exercise.Mistake(norm(scaled=False), "scale is missing"),
            exercise.Mistake(norm(inside=False), "inside the root, as"),
            exercise.Mistake(norm(root=False), "root is missing"),
        )


def _layer_backward(x, gamma, grad, eps, mean=True, spread=True, axis=1, scaled=True, shared=0, reduce="sum"):
    """The reference with switches for what learners get wrong."""
    bar = lambda v: v.mean(axis, keepdims=True)
    std = np.sqrt(((x - bar(x)) ** 2).mean(axis, keepdims=True) + eps)
    x_hat = (x - bar(x)) / std
    g = grad * gamma if scaled else grad
    grad_x = (g - (bar(g) if mean else 0) - (x_hat * bar(g * x_hat) if spread else 0)) / std
    add = lambda v: getattr(v, reduce)(shared)
    return grad_x, add(grad * x_hat), add(grad)


class LayerNormBackward(exercise.Exercise):
    """Write `layer_norm_backward(x, gamma, grad_out, eps)` -> (grad_x, grad_gamma, grad_beta).

    Layer norm y = gamma · x̂ + beta over the last axis of x (B, D), with the biased variance and eps inside the root;
    gamma (D,), beta (D,). grad_out (B, D) is the gradient by y. grad_x (B, D), grad_gamma (D,), grad_beta (D,).
    """

    difficulty = 3
    minutes = 20
    hints = (
        "First the gradient by x̂: grad_out times what? Then the formula of the lesson; its means run over D here.",
        "`g = grad_out * gamma`; `(g - mean(g) - x_hat * mean(g * x_hat)) / std`. gamma and beta serve all "
        "rows: add over B.",
    )
    why = "Two projections remove what only moves the mean or only the spread; shared parameters add over all examples."

    def test(self, layer_norm_backward):
        for n, d, eps, seed in ((3, 5, 1e-3, 0), (4, 4, 0.3, 1), (1, 6, 0.1, 2), (7, 3, 0.5, 3)):
            rng = np.random.default_rng(seed)
            x, grad = rng.normal(1, 2, (n, d)), rng.normal(0.5, 1, (n, d))
            gamma = rng.normal(1, 0.7, d)
            found = self.call(layer_norm_backward, x, gamma, grad, eps)
            if not isinstance(found, (tuple, list)) or len(found) != 3:
                raise exercise.Wrong("Return three gradients: `grad_x, grad_gamma, grad_beta`.")
            self._judge_answer(found, (x, gamma, grad, eps), n, d)

    def _judge_answer(self, found, case, n, d):
        names, shapes = ("`grad_x`", "`grad_gamma`", "`grad_beta`"), ((n, d), (d,), (d,))
        found = [self.expect_array(f, name=name) for f, name in zip(found, names, strict=True)]
        for got, name, shape in zip(found, names, shapes, strict=True):
            if got.shape == (n, d) != shape:
                raise exercise.Wrong(
                    f"{name} still has one row for each example: one parameter serves all rows, so add over the batch."
                )
            if got.shape != shape:
                raise exercise.Wrong(f"{name} has shape {got.shape}, expected {shape}.")
        right, like = _layer_backward(*case), lambda i=0, **switches: _layer_backward(*case, **switches)[i]
        words = (
            (
                like(mean=False, spread=False),
                "The mean and the spread depend on x too: two terms of the formula are missing.",
            ),
            (like(mean=False), "The term of the mean is missing: every x of a row also moves the row's mean."),
            (like(spread=False), "The term of the spread is missing: every x of a row also changes the row's spread."),
            (like(axis=0), "The means run over the batch: layer norm averages within each row, axis 1."),
            (like(scaled=False), "gamma is missing: the gradient by x̂ is grad_out * gamma."),
            (
                right[0] * np.sqrt(case[0].var(1, keepdims=True) + case[3]),
                "The division by the spread is missing in grad_x.",
            ),
            (case[2] * case[1], "This is the gradient by x̂, not yet by x."),
        )
        exercise.name_mistake(found[0], right[0], words)
        self.expect_close(found[0], right[0], "The formula of the lesson with g = grad_out * gamma.", name="`grad_x`")
        x, gamma, grad, eps = case
        words = (
            (like(1, reduce="mean"), "grad_gamma is the sum over the examples, not the mean."),
            ((grad * x).sum(0), "grad_gamma takes the normalised x̂, not x."),
            (right[1] * gamma, "grad_gamma does not contain gamma: the slope of y by gamma is x̂."),
            (right[2], "grad_gamma is grad_out times x̂, added: you left out x̂."),
        )
        exercise.name_mistake(found[1], right[1], words)
        self.expect_close(
            found[1], right[1], "grad_gamma is grad_out * x̂, added over the examples.", name="`grad_gamma`"
        )
        words = (
            (like(2, reduce="mean"), "grad_beta is the sum over the examples, not the mean."),
            (right[2] * gamma, "grad_beta does not contain gamma: the slope of y by beta is 1."),
            (right[1], "grad_beta does not contain x̂: the slope of y by beta is 1."),
        )
        exercise.name_mistake(found[2], right[2], words)
        self.expect_close(found[2], right[2], "grad_beta is grad_out, added over the examples.", name="`grad_beta`")

    @staticmethod
    def reference(x, gamma, grad_out, eps):
        import numpy as np

        mean = lambda v: v.mean(1, keepdims=True)  # (B, 1): within each row
        std = np.sqrt(mean((x - mean(x)) ** 2) + eps)
        x_hat = (x - mean(x)) / std  # (B, D)
        g = grad_out * gamma
        grad_x = (g - mean(g) - x_hat * mean(g * x_hat)) / std
        return grad_x, (grad_out * x_hat).sum(0), grad_out.sum(0)

    @staticmethod
    def mistakes():
        def with_(**switches):
            return lambda *args: _layer_backward(*args, **switches)

        def rows(x, gamma, grad, eps):
            grad_x = _layer_backward(x, gamma, grad, eps)[0]
            return grad_x, grad * x, grad

        def raw(x, gamma, grad, eps):
            grad_x, _, grad_beta = _layer_backward(x, gamma, grad, eps)
            return grad_x, (grad * x).sum(0), grad_beta

        def beta_scaled(x, gamma, grad, eps):
            grad_x, grad_gamma, grad_beta = _layer_backward(x, gamma, grad, eps)
            return grad_x, grad_gamma, grad_beta * gamma

        return (
            exercise.Mistake(with_(mean=False, spread=False), "two terms"),
            exercise.Mistake(with_(mean=False), "term of the mean is missing"),
            exercise.Mistake(with_(spread=False), "term of the spread is missing"),
            exercise.Mistake(with_(axis=0), "within each row"),
            exercise.Mistake(with_(scaled=False), "gamma is missing"),
            exercise.Mistake(with_(reduce="mean"), "not the mean"),
            exercise.Mistake(rows, "one row for each example"),
            exercise.Mistake(raw, "not x."),
            exercise.Mistake(beta_scaled, "grad_beta does not contain gamma"),
        )


class Fold(exercise.Exercise):
    """Write `fold(linear, norm)`: one nn.Linear that equals `norm(linear(x))` in eval mode.

    linear: nn.Linear(D, K), with or without bias; norm: nn.BatchNorm1d(K). Return a new layer with bias; the two
    given ones stay as they are.
    """

    difficulty = 2
    minutes = 15
    framework = "torch"
    hints = (
        "In eval mode y = gamma · (W x + b - mean) / sqrt(var + eps) + beta, and all but x are constants. Which factor "
        "meets W?",
        "`factor = norm.weight / (norm.running_var + norm.eps).sqrt()` (K,); the rows of the new weight are factor "
        "times the old rows, `factor[:, None] * linear.weight`.",
    )
    why = (
        "A linear map after a linear map is one linear map: each row of W gets its factor, the rest goes into the bias."
    )

    @staticmethod
    def _layers(d, k, bias, eps, seed):
        import torch
        from torch import nn

        generator = torch.Generator().manual_seed(seed)
        linear, norm = nn.Linear(d, k, bias=bias), nn.BatchNorm1d(k, eps=eps)
        with torch.no_grad():
            for p in linear.parameters():
                p.copy_(torch.randn(p.shape, generator=generator))
            norm.weight.copy_(1 + 0.5 * torch.randn(k, generator=generator))
            norm.bias.copy_(torch.randn(k, generator=generator))
            norm.running_mean.copy_(torch.randn(k, generator=generator))
            norm.running_var.copy_(0.5 + 2 * torch.rand(k, generator=generator))
        return linear, norm, torch.randn(6, d, generator=generator)

    def test(self, fold):
        import torch
        from torch import nn

        for d, k, bias, eps, seed in ((3, 5, True, 0.1, 0), (4, 4, True, 1e-5, 1), (5, 2, False, 0.3, 2)):
            linear, norm, x = self._layers(d, k, bias, eps, seed)
            before = {
                n: v.clone() for layer in (linear, norm) for n, v in layer.state_dict(prefix=f"{id(layer)}.").items()
            }
            got = self.call(lambda a=linear, b=norm: fold(a, b)) if seed else self.call(fold, linear, norm)
            if isinstance(got, nn.Sequential):
                raise exercise.Wrong("This still runs two layers: return one nn.Linear.")
            self.expect_type(got, nn.Linear)
            after = {n: v for layer in (linear, norm) for n, v in layer.state_dict(prefix=f"{id(layer)}.").items()}
            if got is linear or any(not torch.equal(before[n], after[n]) for n in before):
                raise exercise.Wrong("You changed the given layers: make a new nn.Linear.")
            if tuple(got.weight.shape) != (k, d):
                raise exercise.Wrong(f"The weight has shape {tuple(got.weight.shape)}, expected {(k, d)}.")
            if got.bias is None:
                raise exercise.Wrong("The new layer needs a bias: mean and beta must go somewhere.")
            with torch.no_grad():
                self._judge_answer(got, linear, norm.eval(), x)

    def _judge_answer(self, got, linear, norm, x):
        import torch

        W, b = linear.weight, torch.zeros(len(linear.weight)) if linear.bias is None else linear.bias
        var, gamma, beta, mean = norm.running_var, norm.weight, norm.bias, norm.running_mean
        factor = gamma / (var + norm.eps).sqrt()
        weight = factor[:, None] * W
        rows = [
            (gamma[:, None] * W / (var + norm.eps)[:, None], "You divided by the variance: take its root."),
            (gamma[:, None] * W / var.sqrt()[:, None], "eps is missing under the root."),
            (W / (var + norm.eps).sqrt()[:, None], "gamma, `norm.weight`, is missing in the weight."),
            (gamma[:, None] * W, "The running variance is missing in the weight."),
            (W, "The weight is unchanged: each row must be multiplied by gamma / sqrt(var + eps)."),
        ]
        if W.shape[0] == W.shape[1]:
            rows.append(
                (W * factor, "The factor meets the columns: it belongs to the outputs, the rows of the weight.")
            )
        exercise.name_mistake(
            got.weight.numpy(), weight.numpy(), [(w.numpy(), s) for w, s in rows], rtol=1e-4, atol=1e-5
        )
        self.expect_close(
            got.weight, weight, "The weight is factor[:, None] * W.", rtol=1e-4, atol=1e-5, name="the weight"
        )
        bias = factor * (b - mean) + beta
        rows = (
            (factor * b + beta, "The running mean is missing in the bias: subtract it from b."),
            (factor * (b + mean) + beta, "The running mean is subtracted, not added."),
            (b - mean * factor + beta, "The old bias passes through the norm too: multiply it by the factor."),
            (beta - mean * factor, "The old bias is lost."),
            (factor * (b - mean), "beta, `norm.bias`, is missing in the bias."),
            (factor * (b - mean + beta), "beta comes after the scaling: it is not multiplied by the factor."),
            (b, "The bias is unchanged: mean and beta must go into it."),
        )
        exercise.name_mistake(got.bias.numpy(), bias.numpy(), [(w.numpy(), s) for w, s in rows], rtol=1e-4, atol=1e-5)
        self.expect_close(
            got.bias, bias, "The bias is factor * (b - mean) + beta.", rtol=1e-4, atol=1e-4, name="the bias"
        )
        self.expect_close(got(x), norm(linear(x)), "The outputs differ.", rtol=1e-4, atol=1e-4)

    @staticmethod
    def reference(linear, norm):
        import torch
        from torch import nn

        folded = nn.Linear(linear.in_features, linear.out_features)
        with torch.no_grad():
            factor = norm.weight / (norm.running_var + norm.eps).sqrt()  # (K,)
            old = 0.0 if linear.bias is None else linear.bias
            folded.weight.copy_(factor[:, None] * linear.weight)  # (K, D)
            folded.bias.copy_(factor * (old - norm.running_mean) + norm.bias)
        return folded

    @staticmethod
    def mistakes():
        def made(factor=None, weight=None, bias=None):
            def fold(linear, norm):
                import torch
                from torch import nn

                folded = nn.Linear(linear.in_features, linear.out_features)
                old = 0.0 if linear.bias is None else linear.bias
                with torch.no_grad():
                    root = (norm.running_var + norm.eps).sqrt()
                    f = norm.weight / root if factor is None else factor(norm)
                    folded.weight.copy_(f[:, None] * linear.weight if weight is None else weight(f, linear.weight))
                    folded.bias.copy_(f * (old - norm.running_mean) + norm.bias if bias is None else bias(f, old, norm))
                return folded

            return fold

        def in_place(linear, norm):
            folded = Fold.reference(linear, norm)
            linear.weight.data.copy_(folded.weight.data)
            return linear

        def columns(f, w):
            return w * f if w.shape[0] == w.shape[1] else f[:, None] * w

        def both(linear, norm):
            from torch import nn

            return nn.Sequential(linear, norm).eval()

        return (
            exercise.Mistake(made(lambda n: n.weight / (n.running_var + n.eps)), "take its root"),
            exercise.Mistake(made(lambda n: n.weight / n.running_var.sqrt()), "eps is missing"),
            exercise.Mistake(made(lambda n: 1 / (n.running_var + n.eps).sqrt()), "gamma, `norm.weight`"),
            exercise.Mistake(made(weight=columns), "meets the columns"),
            exercise.Mistake(made(bias=lambda f, b, n: f * b + n.bias), "running mean is missing"),
            exercise.Mistake(made(bias=lambda f, b, n: b - f * n.running_mean + n.bias), "old bias passes"),
            exercise.Mistake(made(bias=lambda f, b, n: f * (b - n.running_mean)), "beta, `norm.bias`"),
            exercise.Mistake(made(bias=lambda f, b, n: f * (b - n.running_mean + n.bias)), "after the scaling"),
            exercise.Mistake(in_place, "changed the given layers"),
            exercise.Mistake(both, "still runs two layers"),
        )


class ToKeras(exercise.Exercise):
    """Write `to_keras(norm)`: the built keras.layers.BatchNormalization that does what the nn.BatchNorm1d `norm` does.

    norm: nn.BatchNorm1d(D). The layer for inputs (B, D) has the same gamma, beta, running mean, running variance and
    epsilon, and the momentum with the same effect.
    """

    difficulty = 2
    minutes = 12
    framework = "keras"
    hints = (
        "Two settings and four vectors. Which word means the opposite in the other library?",
        "`momentum=1 - norm.momentum`, `epsilon=norm.eps`, `layer.build((None, D))`, then `set_weights([gamma, beta, "
        "mean, variance])` as arrays.",
    )
    why = "PyTorch's momentum weighs the new value and Keras' the old one; epsilon and the four vectors mean the same."

    @staticmethod
    def _norm(d, eps, momentum, seed):
        import torch
        from torch import nn

        generator, norm = torch.Generator().manual_seed(seed), nn.BatchNorm1d(d, eps=eps, momentum=momentum)
        with torch.no_grad():
            norm.weight.copy_(1 + 0.5 * torch.randn(d, generator=generator))
            norm.bias.copy_(torch.randn(d, generator=generator))
            norm.running_mean.copy_(torch.randn(d, generator=generator))
            norm.running_var.copy_(0.5 + 2 * torch.rand(d, generator=generator))
        return norm

    def test(self, to_keras):
        import keras

        for d, eps, momentum, seed in ((3, 0.1, 0.1, 0), (5, 1e-5, 0.3, 1), (1, 0.5, 0.02, 2)):
            norm = self._norm(d, eps, momentum, seed)
            kept = {n: v.clone() for n, v in norm.state_dict().items()}
            layer = self.call(to_keras, norm) if seed == 0 else self.call(lambda a=norm: to_keras(a))
            if isinstance(layer, (keras.layers.LayerNormalization, keras.layers.GroupNormalization)):
                raise exercise.Wrong("This norm averages within each example: take BatchNormalization.")
            self.expect_type(layer, keras.layers.BatchNormalization)
            if not layer.built:
                raise exercise.Wrong("The layer has no weights yet: call `layer.build((None, D))` first.")
            if not (layer.scale and layer.center):
                raise exercise.Wrong("The layer has no gamma or no beta: leave `scale` and `center` at True.")
            if any(not np.array_equal(kept[n], v) for n, v in norm.state_dict().items()):
                raise exercise.Wrong("You changed the PyTorch layer: only read from it.")
            self._judge_answer(layer, norm)

    def _judge_answer(self, layer, norm):
        array = lambda v: np.array(exercise.to_array(v))
        if not np.isclose(layer.momentum, 1 - norm.momentum):
            if np.isclose(layer.momentum, norm.momentum):
                raise exercise.Wrong("The momentum is copied: PyTorch's weighs the new value, Keras' the old one.")
            if np.isclose(layer.momentum, 0.99):
                raise exercise.Wrong("The momentum is Keras' default 0.99: pass one that fits PyTorch's.")
            raise exercise.Wrong(f"momentum is {layer.momentum:g}, expected {1 - norm.momentum:g}.")
        if not np.isclose(layer.epsilon, norm.eps):
            if np.isclose(layer.epsilon, 1e-3):
                raise exercise.Wrong("epsilon is Keras' default 0.001: pass PyTorch's `norm.eps`.")
            raise exercise.Wrong(f"epsilon is {layer.epsilon:g}, expected {norm.eps:g}.")
        ours = {"gamma": norm.weight, "beta": norm.bias, "mean": norm.running_mean, "variance": norm.running_var}
        ours = {name: array(v) for name, v in ours.items()}
        theirs = (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
        fresh = {"gamma": 1.0, "beta": 0.0, "mean": 0.0, "variance": 1.0}
        for name, weight in zip(ours, theirs, strict=True):
            got = array(weight)
            if got.shape != ours[name].shape:
                raise exercise.Wrong(
                    f"The {name} has shape {got.shape}, expected {ours[name].shape}: build with (None, D)."
                )
            if np.allclose(got, ours[name], atol=1e-5):
                continue
            for other, values in ours.items():
                if np.allclose(got, values, atol=1e-5):
                    raise exercise.Wrong(
                        f"Keras' {name} holds PyTorch's {other}: the order is gamma, beta, mean, variance."
                    )
            if np.allclose(got, fresh[name]):
                raise exercise.Wrong(f"The {name} is still that of a new layer: copy it.")
            if name == "variance" and np.allclose(got, np.sqrt(ours[name]), atol=1e-5):
                raise exercise.Wrong("The variance holds the deviation: both libraries store the variance, no root.")
            self.expect_close(got, ours[name], f"The {name} differs.", name=f"the {name}")

    @staticmethod
    def reference(norm):
        import keras

        layer = keras.layers.BatchNormalization(momentum=1 - norm.momentum, epsilon=norm.eps)
        layer.build((None, norm.num_features))
        vectors = (norm.weight, norm.bias, norm.running_mean, norm.running_var)
        layer.set_weights([v.detach().cpu().numpy() for v in vectors])
        return layer

    @staticmethod
    def mistakes():
        def made(order=(0, 1, 2, 3), kind="BatchNormalization", build=True, root=False, **settings):
            def to_keras(norm):
                import keras

                options = {"momentum": 1 - norm.momentum, "epsilon": norm.eps}
                options |= {name: value(norm) for name, value in settings.items()}
                if kind != "BatchNormalization":
                    options.pop("momentum")
                layer = getattr(keras.layers, kind)(**options)
                if build:
                    layer.build((None, norm.num_features))
                    vectors = [
                        norm.weight,
                        norm.bias,
                        norm.running_mean,
                        norm.running_var.sqrt() if root else norm.running_var,
                    ]
                    new = layer.get_weights()
                    for i, j in enumerate(order):
                        if i < len(new) and j is not None:
                            new[i] = vectors[j].detach().cpu().numpy()
                    layer.set_weights(new)
                return layer

            return to_keras

        return (
            exercise.Mistake(made(momentum=lambda n: n.momentum), "momentum is copied"),
            exercise.Mistake(made(momentum=lambda n: 0.99), "default 0.99"),
            exercise.Mistake(made(epsilon=lambda n: 1e-3), "default 0.001"),
            exercise.Mistake(made(order=(1, 0, 2, 3)), "Keras' gamma holds PyTorch's beta"),
            exercise.Mistake(made(order=(0, 1, 3, 2)), "Keras' mean holds PyTorch's variance"),
            exercise.Mistake(made(order=(0, 1, None, None)), "mean is still that of a new layer"),
            exercise.Mistake(made(root=True), "no root"),
            exercise.Mistake(made(build=False), "no weights yet"),
            exercise.Mistake(made(kind="LayerNormalization"), "within each example"),
        )


FAULTS = ("slow statistics", "batches of two", "train mode", "other camera", "healthy")
CLINICS_ALT = (
    "Five panels with training accuracy (of the batches, in training mode) and validation accuracy over the steps. "
    "A: training rises, "
    "validation stays far below, about 0.2, and is high once shuffled. B: both rise together and end "
    "high. C: training rises, "
    "validation stays near 0.1 for a long time and climbs late. D: training is jagged and low, validation as "
    "well. E: training rises, "
    "validation stays far below, and shuffling changes nothing."
)
PLACES = dict(zip("ABCDE", ("train mode", "healthy", "slow statistics", "batches of two", "other camera"), strict=True))


@functools.cache
def _clinics(key):
    import torch
    from torch import nn

    x, y = _clinics.data[key]
    x, y = torch.tensor(x[:3000]), torch.tensor(y[:3000])
    x_valid, y_valid, x, y = x[2000:], y[2000:], x[:2000], y[:2000]
    by_class = torch.argsort(y_valid, stable=True)
    runs = {}
    for name, fault in PLACES.items():
        torch.manual_seed(0)
        m, layers = {"slow statistics": 0.008}.get(fault, 0.1), []
        for d in (784, 64, 64, 64, 64, 64):
            layers += [nn.Linear(d, 64), nn.BatchNorm1d(64, momentum=m), nn.ReLU()]
        model = nn.Sequential(*layers, nn.Linear(64, 10))
        size = 2 if fault == "batches of two" else 100
        given = 0.35 * x_valid + 0.35 if fault == "other camera" else x_valid
        optimizer, rows, right = torch.optim.SGD(model.parameters(), 0.01 if size == 2 else 0.05), [], []
        order = by_class if fault == "train mode" else torch.arange(len(given))
        for step in range(1, 241):
            batch = torch.randint(len(x), (size,))
            logits = model(x[batch])
            loss = nn.functional.cross_entropy(logits, y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            right.append((logits.argmax(1) == y[batch]).float().mean().item())
            if step % 20 == 0:
                valid = _accuracy(model, given[order], y_valid[order], fault == "train mode")
                rows.append((step, float(np.mean(right[-20:])), valid))
        mixed = torch.randperm(len(given))
        again = _accuracy(model, given[mixed], y_valid[mixed], fault == "train mode")
        steps, train, valid = np.array(rows).T
        runs[name] = {"step": steps, "train": train, "valid": valid, "shuffled": again}
    return runs


_clinics.data = {}


def _accuracy(model, x, y, training):
    """Accuracy in batches of 100 in the given order; statistics and mode are put back."""
    import torch

    kept = {name: value.clone() for name, value in model.state_dict().items()}
    model.train(training)
    with torch.no_grad():
        right = [(model(a).argmax(1) == b).float() for a, b in zip(x.split(100), y.split(100), strict=True)]
    model.load_state_dict(kept)
    model.train()
    return torch.cat(right).mean().item()


def clinics(x, y):
    """The five trainings of exercise 6 on x (N, 784), y (N,) -> {name: dict with step, train, valid, shuffled}."""
    key = (x.shape, float(x[:100].sum()))
    _clinics.data[key] = x, y
    return _clinics(key)


class Clinics(exercise.Diagnosis, exercise.Exercise):
    """Name what is wrong with each of the five trainings A to E: a dict such as `{"A": "healthy", ...}`.

    The names: "slow statistics", "batches of two", "train mode", "other camera", "healthy", each once. The curves and
    the numbers above them are enough.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "Two validations stay far below a good training curve from beginning to end. For only one of them the "
        "order of the pictures matters.",
        "Whose answers depend on neighbours? Which statistics describe other pictures? Who learns from nearly nothing? "
        "And what does a validation look like whose statistics arrive late?",
    )
    why = (
        "Order matters in train mode only; late statistics recover; foreign pictures do not; two examples leave signs."
    )
    faults = {"A": "train mode", "B": "healthy", "C": "slow statistics", "D": "batches of two", "E": "other camera"}
    symptoms = {
        "A": "A's validation is poor, but good once the same pictures are shuffled: when does the order matter?",
        "C": "C's training is fine from the start, its validation wakes up late: what has to arrive first?",
        "D": "D's training accuracy itself is low and jagged: what does it have too little of in every step?",
        "E": "E learns well, and its validation stays poor in any order: what do the statistics describe?",
        "B": "B has nothing to explain.",
    }

    @staticmethod
    def mistakes():
        right, swapped = Clinics.faults, Clinics.swapped

        return (
            exercise.Mistake(swapped("A", "E"), "when does the order matter"),
            exercise.Mistake(swapped("C", "E"), "what has to arrive first"),
            exercise.Mistake(swapped("D", "B"), "too little of in every step"),
            exercise.Mistake(swapped("E", "B"), "in any order"),
            exercise.Mistake(dict.fromkeys("ABCDE", "healthy"), "exactly once"),
            exercise.Mistake(right | {"C": "overfitting"}, "none of the names"),
        )
