"""Pictures of lesson 2.9: the landscape is trained, searches on it obey their rules, and redraws are fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import hyperparameter_tuning as pictures
from utils import data, plot, widgets

pytestmark = pytest.mark.usefixtures("style")


@pytest.fixture(scope="module")
def found():
    return pictures.landscape()


@pytest.mark.parametrize("space", pictures.SPACES)
@pytest.mark.parametrize("n_trials", [9, 25])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(space, n_trials, found):
    figure, sentence = pictures.draw_race(found, n_trials, space)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


def test_the_parts_do_not_overlap_and_hold_all_digits():
    digits = data.load("digits")
    parts = pictures.split(digits)
    assert [len(x) for x in (parts.x_train, parts.x_valid, parts.x_test)] == [300, 200, 1297]
    everything = np.concatenate([parts.x_train, parts.x_valid, parts.x_test])
    assert (
        len(everything) == 1797 and everything.min() == 0 and everything.max() == 1 and (everything[:, -1] == 1).all()
    )
    assert sorted(np.concatenate([parts.y_train, parts.y_valid, parts.y_test])) == sorted(
        np.concatenate([digits.y_train, digits.y_test])
    )


def test_a_network_trained_alone_is_the_same_as_in_the_crowd(found):
    parts = pictures.split(data.load("digits"))
    known = parts.x_train, parts.y_train, parts.x_valid, parts.y_valid
    alone = pictures.train_all(found.lrs[[14]], found.l2s[[3]], *known)[-1].mean()
    assert abs(alone - found.truth[14, 3]) < 0.011


def test_the_crowd_learns():
    rng = np.random.default_rng(0)
    x, y = np.column_stack([rng.random((300, 64)), np.ones(300)]), rng.integers(0, 10, 300)
    one, zero = np.ones(1), np.zeros(1)
    accuracy = pictures.train_all(0.5 * one, zero, x, y, x, y, steps=300)[:, 0].mean(-1)
    assert accuracy[-1] > accuracy[0] and accuracy[-1] > 0.2  # it learns even random labels a little


def test_score_takes_the_nearest_point(found):
    assert found.score(np.array([1e-3, 10.0]), np.array([1e-5, 1.0])).tolist() == [
        found.truth[0, 0],
        found.truth[-1, -1],
    ]
    near = found.score(found.lrs[5] * np.array([1.05]), found.l2s[7] * np.array([0.95]))
    assert near[0] == found.truth[5, 7]


def test_random_pairs_are_even_on_logarithmic_scales():
    lr, l2 = pictures.draw_random(20_000, np.random.default_rng(0))
    assert lr.min() >= 1e-3 and lr.max() <= 10 and abs(np.mean(lr < 0.1) - 0.5) < 0.02
    assert l2.min() >= 1e-5 and l2.max() <= 1 and abs(np.mean(l2 < 10**-2.5) - 0.5) < 0.02


@pytest.mark.parametrize("space", pictures.SPACES)
def test_searches_stay_in_their_space_and_only_get_better(space, found):
    result, (low, high) = pictures.race(found, 16, space), pictures.SPACES[space]
    inside = found.truth[(found.lrs >= low * 0.999) & (found.lrs <= high * 1.001)]
    for name in ("random", "Bayesian"):
        assert (np.diff(result[name]) >= -1e-12).all() and result[name][-1] <= inside.max() + 1e-12
    assert result["grid"] <= inside.max()
    if space == "rates too low":
        assert inside.max() < found.truth.max() - 0.1


def test_the_explorer_follows_every_control(found):
    box = widgets.explore(pictures.draw_race, found, n_trials=[16, 9, 25, 36], space=list(pictures.SPACES))
    seen = [bytes(box.picture.value)]
    for name, value, words in (("n_trials", 9, "each of 9 trials"), ("space", "rates too low", "from 0.001 to 0.02")):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_a_grid_has_k_values_of_each_dial_inside_the_space(k):
    for seed in range(20):
        lr, l2 = pictures.draw_grid(k, np.random.default_rng(seed))
        assert len(lr) == len(l2) == k * k and len(np.unique(lr)) == len(np.unique(l2)) == k
        assert lr.min() >= 1e-3 and lr.max() < 10 and l2.min() >= 1e-5 and l2.max() < 1
        steps = np.diff(np.log10(np.unique(lr)))
        assert np.allclose(steps, 4 / k)
