"""Pictures of lesson 2.2: the rules are those of PyTorch, the walks obey the theory, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets import SelectionSlider

from explorers import optimizers as pictures
from utils import plot, runtime, widgets

runtime.import_frameworks()
import torch  # noqa: E402

pytestmark = pytest.mark.usefixtures("style")

LIBRARY = {
    "plain": lambda weights, lr, beta: torch.optim.SGD(weights, lr),
    "momentum": lambda weights, lr, beta: torch.optim.SGD(weights, lr, momentum=beta),
    "Nesterov": lambda weights, lr, beta: torch.optim.SGD(weights, lr, momentum=beta, nesterov=True),
    "AdaGrad": lambda weights, lr, beta: torch.optim.Adagrad(weights, lr),
    "RMSProp": lambda weights, lr, beta: torch.optim.RMSprop(weights, lr),
    "Adam": lambda weights, lr, beta: torch.optim.Adam(weights, lr, betas=(beta, 0.999)),
}


@pytest.mark.parametrize("rule", pictures.RULES)
def test_each_rule_is_that_of_pytorch(rule):
    gradient = pictures.surface_of("Rosenbrock")[1]
    ours = pictures.walk(rule, gradient, (-1.2, 1.0), 1e-3, 0.8, steps=20)
    theta = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    optimizer, path = LIBRARY[rule]([theta], 1e-3, 0.8), [theta.detach().numpy().copy()]
    for _ in range(20):
        theta.grad = torch.tensor(gradient(path[-1]))
        optimizer.step()
        path.append(theta.detach().numpy().copy())
    np.testing.assert_allclose(ours, path, rtol=1e-6)


@pytest.mark.parametrize("surface", pictures.SURFACES)
def test_the_gradient_is_the_slope_of_the_height(surface):
    height, gradient = pictures.surface_of(surface, 7.0)
    for w in np.random.default_rng(0).uniform(-1, 1, (5, 2)):
        numeric = [(height(w + d) - height(w - d)) / 2e-6 for d in 1e-6 * np.eye(2)]
        np.testing.assert_allclose(gradient(w), numeric, atol=1e-4)
    for goal in pictures.GOAL[surface]:
        goal = np.array(goal, float)
        assert np.allclose(gradient(goal), 0) and abs(height(goal)) < 1e-12


@pytest.mark.parametrize("surface", pictures.SURFACES)
@pytest.mark.parametrize("rule", pictures.RULES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(surface, rule):
    for lr in (0.0003, 0.1, 4.0):
        figure, sentence = pictures.draw_optimizer(surface, rule, 100.0, lr, 0.99)
        assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
        assert rule in sentence and surface in sentence and "nan" not in sentence
        plt.close(figure)


def test_momentum_has_the_promised_factor_and_bound():
    kappa = 100.0
    gradient = pictures.surface_of("valley", kappa)[1]
    lr, beta = (2 / (1 + kappa**-0.5)) ** 2, ((kappa**0.5 - 1) / (kappa**0.5 + 1)) ** 2
    error = np.linalg.norm(pictures.walk("momentum", gradient, (1.0, 1.0), lr, beta, steps=120), axis=1)
    assert abs((error[120] / error[60]) ** (1 / 60) - beta**0.5) < 0.02
    ends = [np.abs(pictures.walk("momentum", gradient, (1.0, 1.0), lr, 0.5, 400)[-1]).max() for lr in (2.9, 3.1)]
    assert ends[0] < 0.1 and ends[1] > 1e3  # 2 (1 + β)


def test_adam_does_not_see_the_scale_of_the_gradient():
    gradient = pictures.surface_of("valley", 30.0)[1]
    paths = [pictures.walk("Adam", lambda w, c=c: c * gradient(w), (-9.0, 2.5), 0.1) for c in (1.0, 1000.0)]
    np.testing.assert_allclose(*paths, atol=1e-4)


def test_the_title_tells_what_happens():
    for settings, words in (
        (("valley", "plain", 10.0, 1.5), "Arrives"),
        (("valley", "plain", 10.0, 2.5), "Diverges"),
        (("valley", "momentum", 100.0, 3.0), "Arrives"),
        (("valley", "plain", 300.0, 0.003), "Hardly moves"),
        (("Rosenbrock", "plain", 30.0, 0.1), "Diverges"),
    ):
        figure, sentence = pictures.draw_optimizer(*settings)
        assert figure.axes[1].get_title(loc="left") == words and words in sentence, (settings, sentence)
        plt.close(figure)


def test_the_drawn_curve_is_that_of_the_path():
    figure, _ = pictures.draw_optimizer("valley", "Adam", 30.0, 0.3, 0.9)
    height, gradient = pictures.surface_of("valley", 30.0)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[1].lines}
    for label, rule in (("Adam", "Adam"), ("plain descent, same η", "plain")):
        expected = height(pictures.walk(rule, gradient, pictures.START["valley"], 0.3, 0.9))
        assert np.allclose(lines[label], np.clip(expected, 1e-12, 1e12))


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_optimizer,
        surface=list(pictures.SURFACES),
        rule=list(pictures.RULES),
        condition=SelectionSlider(options=(1, 30, 100), value=30),
        lr=(0.01, 3.0, 0.01, 0.3),
        beta=(0.0, 0.99, 0.01, 0.9),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("rule", "momentum", "steps of momentum"),
        ("condition", 100, "κ = 100"),
        ("beta", 0.5, "β = 0.5"),
        ("lr", 2.0, "η = 2"),
        ("surface", "saddle", "surface saddle"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))


def test_the_race_shows_one_panel_for_each_rule_and_says_what_is_left_over():
    path = np.array([[-1.2, 1.0], [0.0, 0.5]])
    figure, sentence = pictures.draw_race(dict.fromkeys(pictures.RULES, (0.1, path, 0.25)))
    assert len(figure.axes) == len(pictures.RULES) and sentence.count("2e-01") == len(pictures.RULES)
