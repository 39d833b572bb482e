"""Pictures of lesson 4.3: the numbers in their sentences are right, every control acts, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import diffusion_models as pictures
from utils import diffusion, plot, widgets

pytestmark = pytest.mark.usefixtures("style")

RNG = np.random.default_rng(0)
ALPHA_BAR = diffusion.cosine_schedule(1000)
TIMES = diffusion.time_grid(1000, 24)
STAGES, GUESSED = RNG.uniform(-1, 1, (25, 8, 28, 28, 1)), RNG.uniform(-1, 1, (24, 8, 28, 28, 1))
TIMELINE = STAGES, GUESSED, TIMES, ALPHA_BAR


@pytest.mark.parametrize("step", [0, 8, 23, 24])
def test_every_moment_has_a_sentence_that_serves_as_alt_text(step):
    figure, sentence = pictures.draw_timeline(*TIMELINE, step)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
    assert f"time {TIMES[step]}" in sentence and f"{ALPHA_BAR[TIMES[step]]:.1%}" in sentence
    away = 0 if step == 24 else np.sqrt(((GUESSED[step] - STAGES[-1]) ** 2).mean())
    assert f"{away:.2f} (root mean square)" in sentence
    shown = figure.axes[0].images[0].get_array().reshape(28, 8, 29)[:, :, :28]  # a white gap behind each picture
    assert np.array_equal(shown, STAGES[step, ..., 0].transpose(1, 0, 2))


@pytest.mark.parametrize("step", [-1, 25])
def test_wrong_steps_are_refused(step):
    with pytest.raises(ValueError, match="from 0 to 24"):
        pictures.draw_timeline(*TIMELINE, step)


def test_a_guess_undoes_the_jump_and_is_clipped():
    x, noise = RNG.uniform(-1, 1, (4, 3)), RNG.standard_normal((4, 3))
    assert np.allclose(pictures.guesses(diffusion.diffuse(x, noise, 0.3), noise, 0.3), x)
    assert np.abs(pictures.guesses(10 * noise, noise, 0.01)).max() == 1


def test_the_explorer_answers_its_slider():
    box = widgets.explore(pictures.draw_timeline, *TIMELINE, step=(0, 24, 1, 8))
    before = box.picture.value
    box.inputs["step"].value = 20
    assert box.picture.value != before and "20 of 24" in box.sentence.value


def test_forward_field_and_steps_are_drawn():
    figure, sentence = pictures.draw_forward(STAGES[:3, :2], ALPHA_BAR, (0, 500, 1000))
    assert [ax.get_title().split("\n")[0] for ax in figure.axes] == ["t = 0", "t = 500", "t = 1000"]
    assert "100% at t = 0" in sentence
    grid = RNG.uniform(-2, 2, (9, 2))
    figure, _ = pictures.draw_fields({"inwards": -grid}, grid, grid)
    arrows = np.stack([figure.axes[0].collections[-1].U, figure.axes[0].collections[-1].V], 1)
    assert np.allclose(arrows, -grid / np.linalg.norm(grid, axis=1, keepdims=True))
    intervals = {"a": [(9, 8, 10), (4, 3, 5)], "b": [(2, 1, 3)] * 2}
    figure, sentence = pictures.draw_steps((3, 6), intervals, floor=1.0)
    ax = figure.axes[0]
    assert ax.lines[0].get_ydata().tolist() == [9, 4] and len(ax.get_legend().get_texts()) == 3
    assert "a 9.0 to 4.0" in sentence and "real pictures 1.0" in sentence


def test_what_was_measured_stands_in_the_sentences():
    square = np.array([[0.0, 0], [1, 1]])
    _, sentence = pictures.draw_clouds({"there": square, "away": square + [3, 0]}, square)
    assert "there 0.00" in sentence and "away 2.62" in sentence  # 3 and the root of 5
    walk = np.stack([square + 2, square + 1, square])
    assert "step 2, Keras 0.00" in pictures.draw_walk(walk, walk, square)[1]
    _, sentence = pictures.draw_losses(np.full(60, 0.25), np.full(60, 0.5), 0.75)
    assert "0.25 (PyTorch) and 0.50 (Keras)" in sentence and "0.75" in sentence
    assert "half is reached by cosine at t = 497" in pictures.draw_schedules({"cosine": ALPHA_BAR})[1]
    figure, sentence = pictures.draw_rows({"noise": STAGES[0], "flat": 0 * STAGES[0]}, "Noise and nothing")
    assert sentence.endswith("flat 0.00.") and sentence.startswith("Noise and nothing") and len(figure.axes) == 2
