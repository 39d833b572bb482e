"""Pictures of lesson 1.8: fast enough for an explorer, and they show the runs that they were given."""

import numpy as np
import pytest

from explorers import first_networks as pictures
from utils import plot, widgets

RATES, SIZES = (0.01, 0.1, 1.0), (20, 400)


def run(rate, size):
    seen = np.arange(size, 4001, size)
    return seen, np.linspace(2.3, 1 + rate, len(seen)), round(0.9 - rate / 2 - size / 1000, 2)


RUNS = {(rate, size): run(rate, size) for rate in RATES for size in SIZES}


pytestmark = pytest.mark.usefixtures("style")


def test_the_workflow_names_every_station_and_describes_itself():
    figure, sentence = pictures.draw_workflow()
    words = {text.get_text() for text in figure.axes[0].texts}
    assert {"data", "batch", "model", "loss", "gradient", "optimizer", "evaluate", "save, load"} <= words
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".")


def test_the_sentence_tells_the_chosen_run():
    _, sentence = pictures.draw_runs(RUNS, 0.1, 400)
    assert sentence.startswith("Learning rate 0.1, batches of 400: 10 steps through 4,000 examples, loss 2.30")
    assert "1.10 at the end, accuracy 0.45" in sentence


def test_the_chosen_curve_is_drawn_on_top_of_its_neighbours():
    figure, _ = pictures.draw_runs(RUNS, 1.0, 20)
    curves = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    top = max(curves, key=lambda line: line.get_zorder())
    assert len(curves) == 2 and np.array_equal(top.get_ydata(), RUNS[1.0, 20][1])


def test_the_table_holds_all_accuracies_and_frames_the_chosen_one():
    figure, _ = pictures.draw_runs(RUNS, 1.0, 400)
    ax = figure.axes[1]
    assert [text.get_text() for text in ax.texts] == [f"{RUNS[r, s][2]:.2f}" for r in RATES for s in SIZES]
    assert [text.get_text() for text in ax.texts if text.get_weight() == "bold"] == ["0.00"]
    assert ax.patches[0].get_xy() == (0.5, 1.5)


def test_the_explorer_follows_rate_and_batch_size():
    box = widgets.explore(pictures.draw_runs, RUNS, lr=list(RATES), batch_size=list(SIZES))
    seen = [bytes(box.picture.value)]
    for name, value, words in (("lr", 1.0, "Learning rate 1,"), ("batch_size", 400, "batches of 400")):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
