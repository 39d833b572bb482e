"""Pictures of lesson 2.11: the GRU behind them is PyTorch's, every control acts, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from utils import plot, runtime, widgets

runtime.import_frameworks()
import torch  # noqa: E402

from explorers import recurrent_networks as pictures  # noqa: E402

pytestmark = pytest.mark.usefixtures("style")


def _network(seed=0):
    torch.manual_seed(seed)
    gru, out = torch.nn.GRU(12, 32, batch_first=True), torch.nn.Linear(32, 9)
    return gru, out, [p.detach().numpy() for p in (*gru.parameters(), *out.parameters())]


def _heard():
    _, _, weights = _network()
    rng = np.random.default_rng(0)
    return {f"speaker {n}": pictures.listen(2 * rng.standard_normal((n, 12)), *weights) for n in (7, 15, 29)}


HEARD = _heard()


def test_listen_is_the_gru_of_pytorch():
    gru, out, weights = _network(1)
    x = np.random.default_rng(1).standard_normal((11, 12)).astype("float32")
    inside = pictures.listen(x, *weights)
    with torch.no_grad():
        states = gru(torch.tensor(x[None]))[0][0]  # (T, n)
        probs = torch.softmax(out(states), dim=1)
    np.testing.assert_allclose(inside["h"], states.numpy(), atol=1e-5)
    np.testing.assert_allclose(inside["probs"], probs.numpy(), atol=1e-5)
    assert np.allclose(inside["probs"].sum(1), 1) and np.abs(inside["h"]).max() < 1


def test_the_update_gate_says_how_much_of_the_state_is_kept():
    _, _, weights = _network(2)
    weights[2] = weights[2].copy()
    weights[2][32:64] = 50  # z = 1: nothing may change
    inside = pictures.listen(np.ones((6, 12)), *weights)
    assert np.allclose(inside["z"], 1) and np.allclose(inside["h"], 0)


@pytest.mark.parametrize("utterance", HEARD)
@pytest.mark.parametrize("unit", [0, 31])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(utterance, unit):
    figure, sentence = pictures.draw_listening(HEARD, utterance, unit)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
    assert utterance in sentence and f"unit {unit}" in sentence
    plt.close(figure)


def test_the_static_figures_are_drawn():
    figure = pictures.draw_memory({"RNN": np.ones(200), "GRU": np.linspace(1, 0, 200)})
    assert {"RNN", "GRU"} <= {line.get_label() for line in figure.axes[0].lines}
    figure = pictures.draw_utterances(np.zeros((2, 29, 12)), [7, 20], ["a", "b"])
    assert sum(bool(ax.images) for ax in figure.axes) == 2
    figure = pictures.draw_forecast({"a": 1.0, "b": 0.5}, {"a": ([1, 2], [0, 1]), "b": ([1, 2], [1, 1])}, np.ones(3))
    assert {line.get_label() for line in figure.axes[1].lines} == {"truth", "a", "b"}


def test_the_explorer_follows_every_control():
    box = widgets.explore(pictures.draw_listening, HEARD, utterance=list(HEARD), unit=(0, 31, 1, 0))
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("utterance", "speaker 29", "29 frames"),
        ("unit", 5, "unit 5"),
        ("utterance", "speaker 15", "15 frames"),
        ("unit", 31, "unit 31"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
