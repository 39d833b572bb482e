"""Pictures of lesson 0.0: what they show is right, every picture has its sentence, every control acts."""

import numpy as np
import pytest

from explorers import lesson_name as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")


@pytest.mark.parametrize("temperature", [0.5, 1.0, 5.0])
def test_the_bars_are_the_probabilities(temperature):
    figure, sentence = pictures.draw_temperature(temperature)
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    expected = np.array([1.0, 2.0, 5.0]) ** (1 / temperature)
    np.testing.assert_allclose(heights, expected / expected.sum())
    assert len(sentence) >= plot.MIN_ALT and f"temperature {temperature:g}" in sentence


def test_the_explorer_follows_its_control():
    box = widgets.explore(pictures.draw_temperature, temperature=(0.5, 5.0, 0.5, 1.0))
    before = bytes(box.picture.value)
    box.inputs["temperature"].value = 2.0
    assert "temperature 2" in box.sentence.value and bytes(box.picture.value) != before


def test_examples_and_curves_say_what_they_show():
    assert "2 small grey digits" in pictures.draw_examples(np.zeros((2, 8, 8)), [3, 4])[1]
    assert "from 2.3 to 0.50 in 2 epochs" in pictures.draw_losses([2.3, 0.5], [2.3, 0.5])[1]
