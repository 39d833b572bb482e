"""Pictures of lesson 1.6: people, codes, calibration; they draw what they say and redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import probability_and_uncertainty as pictures
from utils import plot, widgets

RNG = np.random.default_rng(0)
LOGITS = 3 * RNG.standard_normal((2000, 10))
Y = np.where(RNG.random(2000) < 0.7, LOGITS.argmax(axis=1), 0)
P, Q = (0.5, 0.25, 0.125, 0.125), (0.125, 0.5, 0.25, 0.125)
PICTURES = {
    "bayes": pictures.draw_bayes,
    "code": lambda: pictures.draw_code(P, Q, "abcd"),
    "calibration": lambda: pictures.draw_calibration(LOGITS, Y),
    "strange": lambda: pictures.draw_strange({"plain": np.array([0.8, 0.9]), "plain, τ": np.array([0.9, 0.95])}),
}


pytestmark = pytest.mark.usefixtures("style")


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(name):
    figure, sentence = PICTURES[name]()
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


def test_bayes_counts_people():
    figure, sentence = pictures.draw_bayes(0.01, 0.9, 0.9)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["ill, positive: 9", "ill, negative: 1", "healthy, positive: 99", "healthy, negative: 891"]
    marks = [collection.get_offsets() for collection in figure.axes[0].collections]
    assert [len(group) for group in marks] == [9, 1, 99, 891]
    assert len(np.unique(np.concatenate(marks), axis=0)) == 1000  # nobody hides behind another
    assert "of 1,000 about 108 test positive, about 9 of them ill" in figure.axes[0].get_title(loc="left")
    assert "probability of the illness is 8.3%" in sentence


@pytest.mark.parametrize(
    "rates", [(0.01, 0.9, 0.9), (0.37, 0.85, 0.85), (0.5, 1.0, 1.0), (0.99, 0.5, 0.5), (0.3, 0.7, 1)]
)
def test_the_posterior_is_the_share_of_the_ill_among_the_positive(rates):
    found, missed, alarms, rest = pictures.natural_frequencies(*rates)
    assert found + missed + alarms + rest == 1000 and min(found, missed, alarms, rest) >= 0
    assert pictures.posterior(*rates) == pytest.approx(found / (found + alarms), abs=0.01)
    prior, sensitivity, specificity = rates
    if specificity < 1:
        odds = prior / (1 - prior) * sensitivity / (1 - specificity)
        assert pictures.posterior(*rates) == pytest.approx(odds / (1 + odds))


def test_a_test_that_is_never_positive_has_no_posterior():
    assert pictures.posterior(0.2, 0.0, 1.0) == 0.0
    assert "posterior 0.0%" in pictures.draw_bayes(0.2, 0.0, 1.0)[0].axes[0].get_title(loc="left")


def test_the_area_of_a_code_is_the_cross_entropy():
    figure, sentence = pictures.draw_code(P, Q, "abcd")
    area = sum(patch.get_width() * patch.get_height() for patch in figure.axes[0].patches)
    assert area == pytest.approx(-(np.array(P) * np.log2(Q)).sum()) and "2.375 bits" in sentence
    assert "1.750 bits" in pictures.draw_code(P, P, "abcd")[1]


def test_bins_hold_every_example_once():
    probs = softmax(LOGITS)
    for n_bins in (1, 7, 10, 30):
        share, confidence, right = pictures.bins(probs, Y, n_bins)
        assert share.sum() == pytest.approx(1) and len(share) == n_bins
        assert share @ confidence == pytest.approx(probs.max(axis=1).mean())
        assert share @ right == pytest.approx((probs.argmax(axis=1) == Y).mean())


def test_bins_at_the_edges():
    probs = np.array([[1.0, 0.0], [0.5, 0.5], [0.75, 0.25], [0.25, 0.75]])
    share, confidence, right = pictures.bins(probs, np.array([0, 0, 1, 1]), 4)
    assert share.tolist() == [0, 0, 0.25, 0.75]  # 0.5 opens the third bin, 0.75 and 1 are in the last
    assert confidence[3] == pytest.approx((1 + 0.75 + 0.75) / 3) and right[3] == pytest.approx(2 / 3)


def test_calibration_draws_a_point_for_each_bin_that_is_not_empty():
    figure, sentence = pictures.draw_calibration(LOGITS, Y, n_bins=12, temperature=1.5)
    share, confidence, right = pictures.bins(softmax(LOGITS / 1.5), Y, 12)
    points = figure.axes[0].collections[-1].get_offsets()
    assert np.allclose(points, np.stack([confidence, right], axis=1)[share > 0])
    error = share @ np.abs(right - confidence)
    assert f"ECE {error:.3f}" in figure.axes[0].get_title(loc="left") and f"error {error:.3f}" in sentence


def test_labels_drawn_from_the_model_are_calibrated_and_sharper_ones_are_not():
    probs = softmax(LOGITS / 3)
    y = (probs.cumsum(axis=1) < RNG.random((2000, 1))).sum(axis=1).clip(0, 9)

    def error(temperature):
        title = pictures.draw_calibration(LOGITS, y, temperature=temperature)[0].axes[0].get_title(loc="left")
        return float(title.split("ECE ")[1])

    assert error(3.0) < 0.05 < 0.2 < error(1.0) and error(9.0) > 0.1


def test_the_explorers_follow_their_controls():
    box = widgets.explore(pictures.draw_bayes, prior=(0.01, 0.99, 0.01, 0.01), specificity=(0.5, 1.0, 0.01, 0.9))
    assert "is 8.3%" in box.sentence.value
    box.inputs["prior"].value = 0.1
    assert "is 50.0%" in box.sentence.value and 'role="status"' in box.sentence.value
    box = widgets.explore(pictures.draw_calibration, LOGITS, Y, n_bins=(2, 30, 1, 10), temperature=(0.5, 4.0, 0.1, 1.0))
    before = box.picture.value
    box.inputs["temperature"].value = 2.0
    assert "temperature 2.00 with 10 bins" in box.sentence.value and box.picture.value != before
