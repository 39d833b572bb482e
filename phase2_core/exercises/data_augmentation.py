"""Exercises of lesson 2.8: statement, test, hints, solution and the mistakes whose feedback is tested."""

import functools

import numpy as np

from utils import exercise


def _shift(x, down, right, fill):
    out = np.full_like(x, fill)
    h, w = x.shape[1:3]
    rows, columns = np.arange(h) - down, np.arange(w) - right
    good_rows, good_columns = (rows >= 0) & (rows < h), (columns >= 0) & (columns < w)
    taken = x[:, rows[good_rows]][:, :, columns[good_columns]]
    out[np.ix_(np.arange(len(x)), good_rows, good_columns, np.arange(x.shape[3]))] = taken
    return out


class ShiftFill(exercise.Exercise):
    """Write `shift_fill(x, down, right, fill)`: move pictures by whole pixels, without wrapping round.

    x (B, H, W, C); down and right are integers, negative for up and left; what comes in from outside has the value
    `fill`. Returns (B, H, W, C); x itself is not changed.
    """

    difficulty = 1
    minutes = 10
    hints = (
        "Pad on all sides with the fill value, then cut out a window of the old size. Where does the window begin?",
        "Pad axis 1 by (abs(down),) * 2 and axis 2 by (abs(right),) * 2; the window starts at row `abs(down) - down`.",
    )
    why = (
        "The window starts where the picture would have to be to end up moved: abs(down) - down rows into the padding."
    )

    def test(self, shift_fill):
        cases = (
            ((2, 5, 7, 3), 1, 2, 0.0),
            ((1, 6, 4, 1), -2, 0, 0.5),
            ((2, 4, 6, 2), 0, -3, -1.0),
            ((1, 3, 5, 1), -1, -1, 0.25),
        )
        for shape, down, right, fill in (*cases, ((1, 4, 4, 1), 0, 0, 1.0)):
            x = np.random.default_rng(abs(down) + 5 * abs(right)).random(shape)
            got = self.expect_array(self.call(shift_fill, x, down, right, fill), shape)
            expected = _shift(x, down, right, fill)
            exercise.name_mistake(
                got,
                expected,
                (
                    (
                        np.roll(x, (down, right), (1, 2)),
                        "What leaves on one side comes in on the other: np.roll wraps round.",
                    ),
                    (
                        _shift(x, right, down, fill),
                        "The axes are exchanged: down moves along axis 1, right along axis 2.",
                    ),
                    (_shift(x, -down, -right, fill), "It moves the wrong way: positive is down and to the right."),
                    (_shift(x, down, right, 0.0), "Outside is 0 in your result: fill it with `fill`."),
                    (_shift(x, down, 0, fill), "The pictures move down only: the shift to the right is missing."),
                    (x, "Nothing has moved."),
                ),
            )
            self.expect_close(got, expected, "The picture moves; the border that comes in is `fill`.")
        fixed, before = np.ones((1, 3, 3, 1)), np.ones((1, 3, 3, 1))
        shift_fill(fixed, 1, 1, 0.0)
        if not np.array_equal(fixed, before):
            raise exercise.Wrong(
                "Your function changes the pictures it is given: work on a copy, the next epoch needs them."
            )

    @staticmethod
    def reference(x, down, right, fill):
        import numpy as np

        h, w = x.shape[1:3]
        padded = np.pad(x, ((0, 0), (abs(down),) * 2, (abs(right),) * 2, (0, 0)), constant_values=fill)
        return padded[:, abs(down) - down :, abs(right) - right :][:, :h, :w]

    @staticmethod
    def mistakes():
        def in_place(x, down, right, fill):
            x[:] = _shift(x, down, right, fill)
            return x

        return (
            exercise.Mistake(lambda x, d, r, f: np.roll(x, (d, r), (1, 2)), "np.roll wraps round"),
            exercise.Mistake(lambda x, d, r, f: _shift(x, r, d, f), "axes are exchanged"),
            exercise.Mistake(lambda x, d, r, f: _shift(x, -d, -r, f), "the wrong way"),
            exercise.Mistake(lambda x, d, r, f: _shift(x, d, r, 0.0), "fill it with"),
            exercise.Mistake(lambda x, d, r, f: _shift(x, d, 0, f), "move down only"),
            exercise.Mistake(in_place, "changes the pictures"),
        )


def _paste(x, y, order, row, column, tall, wide, area=None, swap=False, hard=False, zero=False, own=False, labels=None):
    h, w = x.shape[1:3]
    top, left = row - tall // 2, column - wide // 2
    top, bottom, left, right = max(top, 0), min(top + tall, h), max(left, 0), min(left + wide, w)
    mixed = x.copy()
    mixed[:, top:bottom, left:right] = 0 if zero else (x if own else x[order])[:, top:bottom, left:right]
    pasted = (bottom - top) * (right - left) / (h * w) if area is None else area(h, w)
    pasted = 1 - pasted if swap else pasted
    return mixed, y if hard else (1 - pasted) * y + pasted * y[order if labels is None else labels(order)]


class PasteBox(exercise.Exercise):
    """Write `paste_box(x, y, order, row, column, tall, wide)` -> (mixed x, soft labels): CutMix with a given box.

    x (B, H, W, C), y (B, K) one-hot, order (B,) the picture that each one takes its box from. The box is `tall` rows
    from row - tall // 2 on and `wide` columns from column - wide // 2 on, clipped at the border. x is not changed.
    """

    difficulty = 2
    minutes = 15
    hints = (
        "Clip the four edges of the box first. The label goes by what is left of it, not by tall * wide.",
        "`pasted = (bottom - top) * (right - left) / (h * w)`; copy x, then assign the window of `x[order]`.",
    )
    why = "The label says what is in the picture: (1 - pasted) of the own class, and `pasted` of the other."

    CASES = (
        ((4, 8, 10, 3), 4, 5, 4, 6), ((3, 8, 6, 1), 0, 1, 4, 4), ((5, 6, 9, 2), 5, 8, 4, 6), ((4, 5, 5, 1), 2, 2, 3, 3),
        ((3, 7, 5, 1), 3, 0, 5, 3), ((2, 4, 4, 1), 2, 2, 20, 20),
    )  # fmt: skip

    def test(self, paste_box):
        for seed, (shape, row, column, tall, wide) in enumerate(self.CASES):
            rng = np.random.default_rng(seed)
            x, y = rng.random(shape), np.eye(6)[rng.permutation(6)[: len(range(shape[0]))]]
            order = np.roll(np.arange(shape[0]), 1)
            pair = self.call(paste_box, x, y, order, row, column, tall, wide)
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise exercise.Wrong("Return the pair `mixed, soft`: pictures and labels.")
            got = (
                self.expect_array(pair[0], shape, "the mixed pictures"),
                self.expect_array(pair[1], y.shape, "the labels"),
            )
            self._compare(got, x, y, order, row, column, tall, wide)
        x = np.random.default_rng(0).random((3, 6, 6, 1))
        before = x.copy()
        paste_box(x, np.eye(3), np.array([1, 2, 0]), 3, 3, 4, 4)
        if not np.array_equal(x, before):
            raise exercise.Wrong("You paste into x itself: a picture pasted into is then pasted on. Take a copy first.")

    def _compare(self, got, *case):
        x, y, order, row, column, tall, wide = case
        mixed, soft = _paste(*case)
        back = np.argsort(order)
        exercise.name_mistake(
            got[0],
            mixed,
            (
                (x, "The pictures have not changed: assign the window of x[order]."),
                (_paste(*case, zero=True)[0], "The box is empty: that is cutout. CutMix fills it from x[order]."),
                (
                    _paste(x, y, back, row, column, tall, wide)[0],
                    "Picture i takes from picture order[i]; you went the other way.",
                ),
                (_paste(x, y, order, column, row, wide, tall)[0], "Rows and columns of the box are exchanged."),
                (
                    _paste(x, y, order, row + tall // 2, column + wide // 2, tall, wide)[0],
                    "(row, column) is the centre of the box.",
                ),
            ),
        )
        self.expect_close(got[0], mixed, "The box comes from x[order], clipped at the border.", name="mixed")
        exercise.name_mistake(
            got[1],
            soft,
            (
                (y, "The labels are not mixed: part of the picture is of another class now."),
                (_paste(*case, swap=True)[1], "The two shares are exchanged: the pasted class gets the pasted area."),
                (
                    _paste(*case, area=lambda h, w: tall * wide / (h * w))[1],
                    "The label counts the whole box, also what was clipped: use the area really pasted.",
                ),
                (
                    _paste(*case, area=lambda h, w: min(tall * wide / (h * w), 1))[1],
                    "The label counts the whole box, also what was clipped: use the area really pasted.",
                ),
                (_paste(*case, area=lambda h, w: 0.5)[1], "The label is half and half: it should go by the area."),
                (_paste(*case, labels=np.argsort)[1], "The labels take the other order: y[order] belongs to x[order]."),
            ),
        )
        self.expect_close(got[1], soft, "The label is (1 - pasted) * y + pasted * y[order].", name="soft")

    @staticmethod
    def reference(x, y, order, row, column, tall, wide):
        h, w = x.shape[1:3]
        top, left = row - tall // 2, column - wide // 2
        top, bottom, left, right = max(top, 0), min(top + tall, h), max(left, 0), min(left + wide, w)
        mixed = x.copy()
        mixed[:, top:bottom, left:right] = x[order, top:bottom, left:right]
        pasted = (bottom - top) * (right - left) / (h * w)
        return mixed, (1 - pasted) * y + pasted * y[order]

    @staticmethod
    def mistakes():
        def in_place(x, y, *rest):
            mixed, soft = _paste(x, y, *rest)
            x[:] = mixed
            return mixed, soft

        def whole(x, y, order, row, column, tall, wide):
            return _paste(x, y, order, row, column, tall, wide, area=lambda h, w: tall * wide / (h * w))

        return (
            exercise.Mistake(whole, "also what was clipped"),
            exercise.Mistake(functools.partial(_paste, swap=True), "shares are exchanged"),
            exercise.Mistake(functools.partial(_paste, hard=True), "labels are not mixed"),
            exercise.Mistake(functools.partial(_paste, zero=True), "that is cutout"),
            exercise.Mistake(functools.partial(_paste, labels=np.argsort), "labels take the other order"),
            exercise.Mistake(lambda x, y, o, r, c, t, w: _paste(x, y, np.argsort(o), r, c, t, w), "went the other way"),
            exercise.Mistake(lambda x, y, o, r, c, t, w: _paste(x, y, o, c, r, w, t), "Rows and columns of the box"),
            exercise.Mistake(lambda *case: _paste(*case)[0], "Return the pair"),
            exercise.Mistake(in_place, "paste into x itself"),
        )


class PerPicture(exercise.Exercise):
    """Write `per_picture(transform, x)`: a v2 transform on a batch, with a draw of its own for each picture.

    x is a tensor (B, C, H, W) of any type; `transform` takes a picture (C, H, W) and returns (C, h, w), whose size may
    be another. Returns a tensor (B, C, h, w) of the type that the transform returns, in the order of x.
    """

    difficulty = 2
    minutes = 10
    framework = "torch"
    hints = (
        "A v2 transform draws once each time it is called. How often must it be called?",
        "A list of `transform(picture) for picture in x`, and `torch.stack` makes a batch of it.",
    )
    why = "One call, one draw: B calls on single pictures give B draws, and torch.stack puts the batch axis in front."

    def test(self, per_picture):
        import torch

        for shape, kind in (((5, 3, 8, 6), torch.uint8), ((4, 1, 5, 5), torch.float32), ((1, 3, 4, 7), torch.float32)):
            x = (torch.rand(shape) * 255).to(kind)
            seen = []

            def transform(picture, seen=seen):
                seen.append(tuple(picture.shape))
                draw = len(seen)
                return picture[..., 1:, :].float() + 1000 * draw  # another size; the draw can be read off

            got = self.call(per_picture, transform, x)
            if not isinstance(got, torch.Tensor):
                raise exercise.Wrong("Return one tensor (B, C, h, w): stack the pictures.")
            if seen and len(seen[0]) == 4 and seen[0][0] == shape[0]:
                raise exercise.Wrong("The transform is called on the whole batch: one call, one draw for all.")
            if seen and len(seen[0]) == 4:
                raise exercise.Wrong("Give the transform pictures (C, H, W), without a batch axis.")
            if len(seen) == 1 and shape[0] > 1:
                raise exercise.Wrong("The transform is called once only: all pictures share one draw or one picture.")
            if seen and seen[0] != shape[1:]:
                raise exercise.Wrong(
                    f"The transform got {seen[0]}, expected pictures {shape[1:]}: go along the first axis."
                )
            if len(seen) != shape[0]:
                raise exercise.Wrong(f"The transform is called {len(seen)} times for {shape[0]} pictures.")
            wanted = (shape[0], shape[1], shape[2] - 1, shape[3])
            if tuple(got.shape) == (wanted[0] * wanted[1], *wanted[2:]):
                raise exercise.Wrong("torch.cat glues the channels together: torch.stack makes a new axis.")
            if tuple(got.shape) != wanted:
                raise exercise.Wrong(
                    f"The result has shape {tuple(got.shape)}, expected {wanted}: the batch axis comes first."
                )
            if not got.is_floating_point():
                raise exercise.Wrong(
                    "The type is not the one that the transform returns: stack its answers as they are."
                )
            draws = torch.arange(1, shape[0] + 1).view(-1, 1, 1, 1) * 1000
            got, right = got.float(), x[..., 1:, :].float() + draws
            if not torch.allclose(got, right):
                if torch.allclose(got % 1000, right % 1000, atol=1e-2) or not torch.allclose(
                    got.flip(0) % 1000, right % 1000
                ):
                    raise exercise.Wrong("The pictures are not the transformed ones, each once and in the order of x.")
                raise exercise.Wrong("The pictures come in the reverse order, while the labels stay where they were.")

    @staticmethod
    def reference(transform, x):
        import torch

        return torch.stack([transform(picture) for picture in x])  # (B, C, h, w)

    @staticmethod
    def mistakes():
        def glued(transform, x):
            import torch

            return torch.cat([transform(p) for p in x])

        def same(transform, x):
            import torch

            return torch.stack([transform(x[0])] * len(x))

        def reverse(transform, x):
            import torch

            return torch.stack([transform(p) for p in x.flip(0)])

        def last(transform, x):
            import torch

            return torch.stack([transform(p) for p in x], dim=-1)

        def channels(transform, x):
            import torch

            return torch.stack([transform(p) for p in x.transpose(0, 1)])

        return (
            exercise.Mistake(lambda transform, x: transform(x), "on the whole batch"),
            exercise.Mistake(glued, "glues the channels"),
            exercise.Mistake(same, "called once only"),
            exercise.Mistake(lambda transform, x: [transform(p) for p in x], "stack the pictures"),
            exercise.Mistake(reverse, "reverse order"),
            exercise.Mistake(last, "batch axis comes first"),
            exercise.Mistake(channels, "along the first axis"),
            exercise.Mistake(lambda transform, x: transform(x[:1]), "without a batch axis"),
        )


def _ends(factor):
    """Keras' factor, a number or a pair -> (low, high)."""
    return tuple(map(float, factor)) if isinstance(factor, (tuple, list)) else (-float(factor), float(factor))


class MakeAugmenter(exercise.Exercise):
    """Write `make_augmenter(degrees, down, right, height, width)` -> keras.Sequential of two layers.

    First a RandomRotation by up to ±degrees, then a RandomTranslation by up to ±down pixels (rows) and ±right pixels
    (columns), for pictures of height × width pixels. What comes in from outside is 0.
    """

    difficulty = 2
    minutes = 12
    framework = "keras"
    hints = (
        "Keras counts angles in full turns and distances in picture sizes. And what fills the border?",
        "`RandomRotation(degrees / 360, …)`, `RandomTranslation(down / height, right / width, …)`, both constant.",
    )
    why = "A number alone sets ± that share of a turn or of a side; the border is reflected unless you say 'constant'."

    def test(self, make_augmenter):
        import keras

        for degrees, down, right, height, width in ((10, 2, 5, 28, 40), (30, 6, 3, 96, 64), (8, 1, 2, 20, 25)):
            answer = self.call(make_augmenter, degrees, down, right, height, width)
            self.expect_type(answer, keras.Sequential)
            kinds = [type(layer).__name__ for layer in answer.layers if type(layer).__name__ != "InputLayer"]
            if kinds != ["RandomRotation", "RandomTranslation"]:
                raise exercise.Wrong(f"Expected RandomRotation, then RandomTranslation; your layers are {kinds}.")
            turn, move = (layer.get_config() for layer in answer.layers if type(layer).__name__ != "InputLayer")
            self._turn(turn, degrees)
            self._move(move, down, right, height, width)

    def _turn(self, config, degrees):
        low, high = _ends(config["factor"])
        wrong = {
            degrees: "Degrees as they are would be that many full turns: divide by 360.",
            degrees / 180: "Divided by 180: the factor is a share of a full turn, 360°.",
            np.deg2rad(degrees): "These are radians: the factor is a share of a full turn.",
            degrees / 720: "Half of the angle: a single factor already means plus and minus.",
        }
        for value, sentence in wrong.items():
            if np.isclose(high, value):
                raise exercise.Wrong(sentence)
        if np.isclose(low, high) or np.isclose(low, 0):
            raise exercise.Wrong(
                "The angle should be drawn between -degrees and +degrees: give one number, or (-a, a)."
            )
        if not np.allclose((low, high), (-degrees / 360, degrees / 360)):
            raise exercise.Wrong(
                f"The rotation draws from {low:.4f} to {high:.4f} turns, expected ±{degrees / 360:.4f}."
            )
        self._border(config, "rotation")

    def _move(self, config, down, right, height, width):
        factors = [_ends(config[f"{side}_factor"]) for side in ("height", "width")]
        highs, goal = [f[1] for f in factors], (down / height, right / width)
        if not np.allclose(highs, goal):
            if np.allclose(highs, (down, right)):
                raise exercise.Wrong(
                    "Pixels as they are would be that many whole pictures: divide by height and width."
                )
            if np.allclose(highs, goal[::-1]):
                raise exercise.Wrong("Height and width are exchanged: the first factor moves up and down.")
            if np.allclose(highs, (down / width, right / height)):
                raise exercise.Wrong(
                    "Each distance is divided by the wrong side: down belongs to height, right to width."
                )
            raise exercise.Wrong(f"The translation goes up to {highs} of height and width, expected {list(goal)}.")
        if not np.allclose([f[0] for f in factors], -np.array(goal)):
            raise exercise.Wrong("The translation should go both ways: give one number, or (-a, a).")
        self._border(config, "translation")

    @staticmethod
    def _border(config, name):
        if config["fill_mode"] != "constant":
            raise exercise.Wrong(
                f"The {name} fills the border by {config['fill_mode']!r}: black needs fill_mode='constant'."
            )
        if config["fill_value"] != 0:
            raise exercise.Wrong(f"The {name} fills with {config['fill_value']}: outside is 0.")

    @staticmethod
    def reference(degrees, down, right, height, width):
        import keras

        return keras.Sequential(
            [
                keras.layers.RandomRotation(degrees / 360, fill_mode="constant"),
                keras.layers.RandomTranslation(down / height, right / width, fill_mode="constant"),
            ]
        )

    @staticmethod
    def mistakes():
        def build(
            turn=lambda d: d / 360, move=lambda a, b, h, w: (a / h, b / w), fill="constant", fill_move=None, swap=False
        ):
            def make_augmenter(degrees, down, right, height, width):
                import keras

                layers = [
                    keras.layers.RandomRotation(turn(degrees), fill_mode=fill),
                    keras.layers.RandomTranslation(*move(down, right, height, width), fill_mode=fill_move or fill),
                ]
                return keras.Sequential(layers[::-1] if swap else layers)

            return make_augmenter

        return (
            exercise.Mistake(build(turn=lambda d: d / 180), "Divided by 180"),
            exercise.Mistake(build(turn=np.deg2rad), "radians"),
            exercise.Mistake(build(turn=lambda d: (0, d / 360)), "between -degrees and +degrees"),
            exercise.Mistake(build(move=lambda a, b, h, w: (b / w, a / h)), "Height and width are exchanged"),
            exercise.Mistake(build(move=lambda a, b, h, w: (a / w, b / h)), "wrong side"),
            exercise.Mistake(build(fill="reflect"), "rotation fills the border"),
            exercise.Mistake(build(fill_move="reflect"), "translation fills the border"),
            exercise.Mistake(build(swap=True), "then RandomTranslation"),
        )


FAULTS = ("one draw", "not preserving", "leak", "range", "random validation")
PIPELINES_ALT = (
    "Five rows, each with six pictures of a training batch and curves. A: small moves of single digits; validation "
    "runs far below training and trembles. B: the same digit several times, moved; training reaches 1, validation "
    "nearly. C: thick, white digits without greys. D: all six digits lean the same way. E: some digits are in the "
    "mirror or upside down."
)


@functools.cache
def pipelines():
    """The five trainings of exercise 5 -> {name: (six pictures (6, 28, 28), labels (6,), train (16,), valid (16,))}."""
    import torch
    from torch import nn

    from utils import torch_remedies as bench

    p, found = bench.problem(0), {}
    draw = lambda n, most: most * (2 * torch.rand(n) - 1)

    def affine(x, degrees, pixels, one=False):
        n = 1 if one else len(x)
        a, right, down = torch.deg2rad(draw(n, degrees)), draw(n, pixels) / 14, draw(n, pixels) / 14
        theta = torch.stack([torch.cos(a), -torch.sin(a), right, torch.sin(a), torch.cos(a), down], 1).view(-1, 2, 3)
        places = nn.functional.affine_grid(theta.expand(len(x), 2, 3), (len(x), 1, 28, 28), align_corners=False)
        return nn.functional.grid_sample(x.view(-1, 1, 28, 28), places, align_corners=False).view(len(x), 784)

    def turned(x):
        square = x.view(-1, 28, 28)
        kind = torch.randint(3, (len(x), 1, 1))
        return torch.where(kind == 0, square.flip(2), torch.where(kind == 1, square.flip(1), square)).reshape(
            len(x), 784
        )

    changes = {
        "random validation": lambda x: affine(x, 8, 2), "leak": lambda x: x,
        "range": lambda x: ((affine(x, 8, 2) - 0.13) / 0.31).clamp(0, 1),
        "one draw": lambda x: affine(x, 40, 3, one=True), "not preserving": turned,
    }  # fmt: skip
    for name, (fault, change) in zip("ABCDE", changes.items(), strict=True):
        torch.manual_seed(1)
        x, y, x_valid, y_valid = p.x_train, p.y_train, p.x_valid, p.y_valid
        source = torch.arange(len(x))
        if fault == "leak":
            source = torch.arange(100).repeat(5)[torch.randperm(500)]
            copies, y = affine(p.x_train[source], 6, 1), p.y_train[source]
            x, y, x_valid, y_valid, source = copies[:400], y[:400], copies[400:], y[400:], source[:400]
        model = bench.mlp()
        optimizer = torch.optim.AdamW(model.parameters(), bench.LR, weight_decay=0.0, fused=True)
        train, valid = [], []
        right = lambda a, b, model=model: (model(a).argmax(1) == b).float().mean().item()
        for _ in range(16):
            for rows in torch.randperm(len(x)).split(50):
                batch = change(x[rows])
                loss = nn.functional.cross_entropy(model(batch), y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                train.append(right(change(x), y))
                valid.append(right(affine(x_valid, 25, 4) if fault == "random validation" else x_valid, y_valid))
        if fault == "one draw":  # show a draw that is plain to see
            torch.manual_seed(30)
            batch = change(x[rows])
        first = source[rows].sort(stable=True).indices if fault == "leak" else torch.arange(len(rows))
        if fault == "leak":
            counts = torch.bincount(source[rows], minlength=100)
            first = first[counts[source[rows]][first].sort(descending=True, stable=True).indices]
        found[name] = batch[first[:6]].view(-1, 28, 28).numpy(), y[rows][first[:6]].numpy(), train, valid
    return found


def draw_pipelines():
    """Six training pictures and the curves of each pipeline -> Figure."""
    import matplotlib.pyplot as plt

    from utils import plot

    fig, axes = plt.subplots(5, 2, figsize=(7.8, 7.2), width_ratios=(2.3, 1), layout="none")
    fig.subplots_adjust(left=0.04, right=0.99, bottom=0.06, top=0.93, hspace=0.42, wspace=0.12)
    for (strip, ax), (name, (images, labels, train, valid)) in zip(axes, pipelines().items(), strict=True):
        gap = np.ones((28, 2), "float32")
        strip.imshow(np.hstack([part for image in images for part in (image, gap)][:-1]), vmin=0, vmax=1)
        strip.set(xticks=np.arange(6) * 30 + 14, yticks=[], ylabel=name)
        strip.set_xticklabels([f"label {k}" for k in labels], fontsize=9)
        strip.yaxis.label.set(rotation=0, fontsize=14, weight="bold", ha="right")
        strip.grid(False)
        epochs = np.arange(1, len(train) + 1)
        ax.plot(epochs, train, color=plot.BLUE, linestyle="-", label="training, as seen")
        ax.plot(epochs, valid, color=plot.RED, linestyle="--", label="validation")
        ax.set(ylim=(0, 1.04), yticks=(0, 0.5, 1))
        ax.tick_params(labelsize=9)
    axes[1, 1].legend(fontsize=8, loc="lower right")
    axes[-1, 1].set_xlabel("epoch", fontsize=10)
    axes[0, 1].set_title("accuracy", fontsize=10)
    fig.suptitle(
        "One fault each: which? Six pictures of one training batch, and the curves", x=0.01, ha="left", fontsize=12
    )
    return fig


class Pipelines(exercise.Diagnosis, exercise.Exercise):
    """Name the fault of each of the five pipelines A to E: a dict such as `{"A": "leak", ...}`.

    The faults: "one draw", "not preserving", "leak", "range", "random validation", each once.
    """

    difficulty = 3
    minutes = 15
    hints = (
        "First the pictures: would you write these labels below them? Are they six different digits? Are there greys?",
        "Two curves give the rest away: one validation is the best of all rows, one trembles far below the training.",
    )
    why = "Four of five faults are visible in one batch of pictures; the fifth shows in the curve of validation."
    faults = {"A": "random validation", "B": "leak", "C": "range", "D": "one draw", "E": "not preserving"}
    symptoms = {
        "A": "A: nothing is wrong with these training pictures. Why does the validation curve tremble, and lie so low?",
        "B": "B: some of the six pictures show one and the same handwritten digit. Where are its other copies?",
        "C": "C: compare the strokes with those of A: where have the greys gone?",
        "D": "D: look how the six digits lean. Were there six draws?",
        "E": "E: would you give these pictures these labels?",
    }

    @staticmethod
    def mistakes():
        right, swapped = Pipelines.faults, Pipelines.swapped

        return (
            exercise.Mistake(swapped("A", "C"), "curve tremble"),
            exercise.Mistake(swapped("B", "D"), "same handwritten digit"),
            exercise.Mistake(swapped("C", "E"), "greys gone"),
            exercise.Mistake(swapped("D", "E"), "six draws"),
            exercise.Mistake(dict.fromkeys("ABCDE", "leak"), "exactly once"),
            exercise.Mistake(right | {"A": "overfits"}, "none of the names"),
        )
