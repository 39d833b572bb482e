"""Schedules, forward process and samplers of utils.diffusion, and the Fréchet distance."""

import numpy as np
import pytest
from scipy import linalg

from utils import diffusion, frechet

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("schedule", [diffusion.linear_schedule, diffusion.cosine_schedule])
@pytest.mark.parametrize("n_steps", [10, 1000])
def test_schedules_fall_from_one_towards_zero(schedule, n_steps):
    alpha_bar = schedule(n_steps)
    assert alpha_bar.shape == (n_steps + 1,) and alpha_bar[0] == 1
    assert (np.diff(alpha_bar) < 0).all() and alpha_bar[-1] > 0
    assert alpha_bar[-1] < (1e-3 if n_steps == 1000 or schedule is diffusion.cosine_schedule else 1)


def test_published_values_of_the_schedules():
    assert diffusion.linear_schedule()[-1] == pytest.approx(4.04e-5, rel=0.01)  # Ho et al.: about 4e-5
    beta = 1 - diffusion.cosine_schedule()[1:] / diffusion.cosine_schedule()[:-1]
    assert beta.max() == pytest.approx(0.999) and abs(diffusion.cosine_schedule()[500] - 0.49) < 0.01


def test_the_jump_keeps_the_variance_and_mixes_as_told():
    x, noise = RNG.standard_normal((2, 5000, 2))
    for a in (0.0, 0.3, 1.0):
        assert abs(diffusion.diffuse(x, noise, a).var() - 1) < 0.05
    assert np.array_equal(diffusion.diffuse(x, noise, 1.0), x)
    assert np.array_equal(diffusion.diffuse(x, noise, 0.0), noise)
    each = diffusion.diffuse(x[:2], noise[:2], np.array([1.0, 0.0]))
    assert np.array_equal(each, np.stack([x[0], noise[1]]))


def test_time_grid():
    assert diffusion.time_grid(1000, 4).tolist() == [1000, 750, 500, 250, 0]
    assert diffusion.time_grid(3, 3).tolist() == [3, 2, 1, 0]
    for wrong in (0, 4):
        with pytest.raises(ValueError, match="between 1 and 3"):
            diffusion.time_grid(3, wrong)


def gaussian(mean, deviation, alpha_bar):
    """The exact noise predictor for data that are a Gaussian."""

    def predict(x, t):
        a = alpha_bar[int(t[0])]
        return np.sqrt(1 - a) * (x - np.sqrt(a) * mean) / (a * deviation**2 + 1 - a)

    return predict


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_with_the_exact_predictor_samples_have_the_right_mean_and_deviation(eta):
    alpha_bar, start = diffusion.cosine_schedule(1000), RNG.standard_normal((4000, 1))
    options = {"n_steps": 500, "eta": eta, "rng": np.random.default_rng(1), "clip": None}
    x = diffusion.sample(gaussian(0.4, 0.2, alpha_bar), start, alpha_bar, **options)
    assert abs(x.mean() - 0.4) < 0.02 and abs(x.std() - 0.2) < 0.02 and x.dtype == np.float32


def test_ddim_is_deterministic_ddpm_is_not_and_stages_are_kept():
    alpha_bar, start = diffusion.cosine_schedule(100), RNG.standard_normal((3, 2))
    predict = gaussian(0.0, 0.5, alpha_bar)
    first, second = (diffusion.sample(predict, start, alpha_bar, 10) for _ in range(2))
    assert np.array_equal(first, second)
    drawn = [diffusion.sample(predict, start, alpha_bar, 10, 1.0, np.random.default_rng(s)) for s in (0, 1)]
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01
    stages = diffusion.sample(predict, start, alpha_bar, 10, keep=True)
    assert stages.shape == (11, 3, 2) and np.array_equal(stages[-1], first) and np.allclose(stages[0], start)


def test_clipping_bounds_the_result():
    alpha_bar = diffusion.cosine_schedule(100)
    wild = diffusion.sample(lambda x, t: 0 * x, np.ones((2, 2)), alpha_bar, 5, clip=None)
    tame = diffusion.sample(lambda x, t: 0 * x, np.ones((2, 2)), alpha_bar, 5, clip=0.5)
    assert np.abs(wild).max() > 10 and np.abs(tame).max() <= 0.5 + 1e-6


# --- Fréchet distance -----------------------------------------------------------------------------
def test_distance_against_the_matrix_root_of_scipy():
    a, b = RNG.normal(0, 1, (300, 5)) @ RNG.normal(0, 1, (5, 5)), RNG.normal(1, 2, (200, 5))
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    right = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * linalg.sqrtm(cov_a @ cov_b).real)
    assert frechet.distance(a, b) == pytest.approx(right, rel=1e-8) == frechet.distance(b, a)


def test_distance_in_one_dimension_of_equal_and_of_constant_features():
    a, b = RNG.normal(1, 2, (400, 1)), RNG.normal(4, 3, (500, 1))
    by_hand = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet.distance(a, b) == pytest.approx(by_hand)
    assert abs(frechet.distance(a, a)) < 1e-9
    assert frechet.distance(np.zeros((5, 3)), np.ones((4, 3))) == pytest.approx(3)  # only the means differ


def test_the_interval_covers_the_truth_about_nineteen_times_in_twenty():
    reference, hits = RNG.normal(0, 1, (20_000, 3)), 0
    truth = 3 * 1.0  # means differ by 1 in each of three dimensions
    for seed in range(100):
        rng = np.random.default_rng(seed)
        middle, low, high = frechet.interval(rng.normal(1, 1, (300, 3)), reference)
        assert low < middle < high
        hits += low <= truth <= high
    assert 88 <= hits <= 100


@pytest.mark.parametrize("shapes", [((5,), (5, 2)), ((5, 2), (5, 3)), ((1, 2), (5, 2))])
def test_wrong_features_are_refused(shapes):
    with pytest.raises(ValueError, match="features are"):
        frechet.distance(*(np.zeros(shape) for shape in shapes))
