"""Pictures of lesson 2.7: schedules keep their shape, the mean loss is that of the walks, redraws are fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import learning_rate_schedules as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")


@pytest.mark.parametrize("schedule", pictures.KINDS)
@pytest.mark.parametrize("warm_up", [0.0, 0.1, 0.5])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(schedule, warm_up):
    for peak, final in ((0.05, 0.0), (1.0, 0.1), (2.1, 0.5)):
        figure, sentence = pictures.draw_schedule(schedule, warm_up, peak, final)
        assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
        plt.close(figure)


@pytest.mark.parametrize("schedule", pictures.KINDS)
def test_a_schedule_starts_at_its_peak_and_stays_between_peak_and_final_rate(schedule):
    lr = pictures.rates(schedule, warm_up=0.0, peak=0.5, final=0.1, steps=140)
    assert lr.shape == (140,) and np.isclose(lr[0], 0.5) and lr.max() <= 0.5 + 1e-12 and lr.min() >= 0.05 - 1e-12


def test_warm_up_rises_in_a_line_from_above_zero_to_the_peak():
    lr = pictures.rates("cosine", warm_up=0.1, peak=2.0, steps=100)
    assert np.allclose(lr[:10], 0.2 * np.arange(1, 11)) and lr.argmax() in (9, 10) and lr[-1] < 0.01


def test_shapes_by_hand():
    share = np.array([0.0, 0.5, 1.0])
    assert np.allclose(pictures.shape("cosine", share), [1, 0.5, 0])
    assert np.allclose(pictures.shape("linear", share), [1, 0.5, 0])
    assert np.allclose(pictures.shape("step", share), [1, 0.1, 0.01])
    assert np.allclose(pictures.shape("restarts", np.array([0, 1, 3]) / 7 + 1e-12), 1)  # each cycle begins at the top
    with pytest.raises(ValueError, match="none of"):
        pictures.shape("triangle", share)


@pytest.mark.parametrize("early", [0.0, pictures.EARLY])
def test_the_mean_loss_is_the_mean_of_many_walks(early):
    lr = pictures.rates("cosine", 0.1, 0.8, steps=120)
    walks = np.mean([pictures.walk(lr, early, seed=seed) for seed in range(1500)], axis=0)
    expected = pictures.expected(lr, early)
    assert np.allclose(walks[[1, 20, 60, 120]], expected[[1, 20, 60, 120]], rtol=0.15)


def test_without_noise_the_loss_is_the_product_of_the_factors():
    lam = np.array([0.5, 1.0])
    losses = pictures.expected(np.full(10, 0.4), noise=0.0, curvature=lam)
    assert np.isclose(losses[-1], (lam * (1 - 0.4 * lam) ** 20).sum() / 2)


def test_the_floor_of_a_constant_rate_is_proportional_to_it():
    floor = lambda lr: pictures.expected(np.full(8000, lr))[-1]
    assert np.isclose(floor(0.1) / floor(0.05), 2, rtol=0.05)


def test_a_falling_rate_beats_the_best_constant_one():
    rate, loss = pictures.BEST
    ends = [
        pictures.expected(pictures.rates(kind, 0.1, 0.8), pictures.EARLY)[-1] for kind in ("linear", "cosine", "step")
    ]
    assert max(ends) < 0.6 * loss and 0.05 < rate < 0.3


def test_the_verdict_names_what_happens():
    title = lambda *a: pictures.draw_schedule(*a)[0].axes[1].get_title(loc="left")
    assert title("cosine", 0.1, 1.0, 0.0) == "Beats the best constant rate"
    assert title("constant", 0.1, 1.0, 0.0) == "Worse: it trembles"
    assert title("cosine", 0.1, 0.05, 0.0) == "Worse: it has not gone far enough"
    assert title("constant", 0.0, 2.1, 0.0) == "Diverges"


def test_the_drawn_curves_are_those_of_the_schedule():
    figure, sentence = pictures.draw_schedule("linear", 0.2, 0.6, 0.1)
    lr = pictures.rates("linear", 0.2, 0.6, 0.1)
    assert np.allclose(figure.axes[0].lines[0].get_ydata(), lr)
    assert np.allclose(figure.axes[1].lines[1].get_ydata(), pictures.expected(lr, pictures.EARLY))
    assert "warm-up 20%" in sentence and "peak 0.6" in sentence


def test_the_range_test_falls_then_explodes():
    rates, losses = pictures.RANGE
    assert losses.min() < 0.2 * losses[0] and losses[-1] > 10 * losses[0] and 0.2 < rates[losses.argmin()] < 3


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_schedule,
        schedule=list(pictures.KINDS),
        warm_up=(0.0, 0.5, 0.05, 0.1),
        peak=(0.05, 2.1, 0.05, 1.0),
        final=(0.0, 0.5, 0.05, 0.0),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("schedule", "cosine", "cosine, warm-up 10%"),
        ("warm_up", 0.3, "warm-up 30%"),
        ("peak", 0.5, "peak 0.5"),
        ("final", 0.5, "final share 0.5"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


@pytest.mark.parametrize(("warm", "clip"), [(0, None), (3, None), (0, 0.5)])
def test_networks_side_by_side_learn_what_each_learns_alone(warm, clip):
    import torch
    from torch import nn

    rng = np.random.default_rng(0)
    x, y = torch.tensor(rng.random((60, 6)), dtype=torch.float32), torch.tensor(rng.integers(0, 3, 60))
    models, rows = [], rng.integers(0, 60, (2, 12, 5))
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)))
    found = pictures.sweep_peaks((0.05, 0.4), models, rows, (x, y, x, y), warm, clip)
    factor = lambda t: (
        (min((t + 1) / warm, 1) if warm else 1) * (1 + np.cos(np.pi * max(t - warm, 0) / (12 - warm))) / 2
    )
    for i, model in enumerate(models):
        optimizer = torch.optim.SGD(model.parameters(), 0.4, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        for at in torch.tensor(rows[i]):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[at]), y[at]).backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
            scheduler.step()
        assert abs((model(x).argmax(1) == y).double().mean().item() - found[1, i]) < 0.02
    assert found.shape == (2, 2)
