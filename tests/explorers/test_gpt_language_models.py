"""Pictures of lesson 3.3: what may come next is right at every setting, and the sentences say what was measured."""

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import gpt_language_models as pictures
from utils import bpe, plot, widgets

pytestmark = pytest.mark.usefixtures("style")

TOKENIZER = bpe.BytePair.learn("the cat sat on the mat", 5)


def predict(ids):
    """Logits that depend on the last token alone."""
    K = len(TOKENIZER)
    return np.sin(np.arange(K) * 0.7 + np.asarray(ids)[..., None]) * 4


def test_next_tokens_are_the_softmax():
    tokens, probs = pictures.next_tokens(predict, TOKENIZER, "a cat", 2.0)
    logits = predict(TOKENIZER.encode("a cat"))[-1] / 2
    right = np.sort(np.exp(logits) / np.exp(logits).sum())[::-1]
    np.testing.assert_allclose(probs, right)
    assert len(tokens) == len(TOKENIZER)


def test_top_p_keeps_the_fewest_and_temperature_sharpens():
    _, every = pictures.next_tokens(predict, TOKENIZER, "x")
    _, probs = pictures.next_tokens(predict, TOKENIZER, "x", top_p=0.5)
    n = len(probs)
    assert every[:n].sum() >= 0.5 > every[: n - 1].sum() and np.isclose(probs.sum(), 1)
    assert pictures.next_tokens(predict, TOKENIZER, "x", 0.1)[1][0] > every[0]


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="at least one character"):
        pictures.next_tokens(predict, TOKENIZER, "")
    with pytest.raises(ValueError, match="positive"):
        pictures.next_tokens(predict, TOKENIZER, "a", 0)


def test_every_picture_has_a_sentence_that_serves_as_alt_text():
    curves = {"a": (np.arange(3), np.array([3.0, 2.0, 1.0])), "b": (np.arange(3), np.array([3.0, 2.5, 2.25]))}
    for figure, sentence in (
        pictures.draw_surprise("o be\n", np.array([1.0, 2, 3, 4.5, 0])),
        pictures.draw_orders([2, 4, 6], [3.5, 2.25, 2.5], {"GPT": 2.0}),
        pictures.draw_curves(curves, "two curves"),
        pictures.draw_next(predict, TOKENIZER, "the "),
    ):
        assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
        plt.close(figure)
    assert "2.25 at order 4" in pictures.draw_orders([2, 4, 6], [3.5, 2.25, 2.5])[1]
    assert "b from 3.00 to 2.25" in pictures.draw_curves(curves, "two curves")[1]
    assert "mean 2.50, at most 4.0" in pictures.draw_surprise("ab", np.array([1.0, 4.0]))[1]


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        lambda **chosen: pictures.draw_next(predict, TOKENIZER, **chosen),
        prompt=ipywidgets.Text("the cat", description="prompt"),
        temperature=(0.1, 3.0, 0.1, 1.0),
        top_p=(0.05, 1.0, 0.05, 1.0),
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("prompt", "the mat", "the mat"),
        ("temperature", 2.0, "temperature 2"),
        ("top_p", 0.5, "top-p 0.5"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
    box.inputs["prompt"].value = ""
    assert "at least one character" in box.sentence.value


def test_the_hunted_networks_have_the_faults_of_the_exercise():
    import torch

    class Copy(torch.nn.Module):
        def __init__(self, n_tokens, length, d_model, n_heads, n_layers, causal):
            super().__init__()
            self.table = torch.nn.Embedding(n_tokens, n_tokens)

        def forward(self, ids):
            return self.table(ids)

    from exercises import gpt_language_models as ex

    assert set(pictures.FAULTS) == set(ex.Diagnose.faults)
    names = {"none": (1, True), "not shifted": (0, True), "no mask": (1, False), "shifted by two": (2, True)}
    for name, fault in ex.Diagnose.faults.items():
        assert fault == "rate too high" or pictures.FAULTS[name][:2] == names[fault]
    curves, texts = pictures.hunt(Copy, "HAMLET.\nthe cat sat on the mat. " * 9, steps=20)
    assert all(len(steps) == len(values) == 2 for steps, values in curves.values())
    assert all(len(text) == 50 for text in texts.values())
