"""Pictures of lesson 3.1: the shares are those of the model, every control acts, and what was measured is told."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import transformer as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")

ENGLISH, GERMAN = ["<s>", "fifty", "two", "</s>"], ["zwei", "und", "fünfzig", "</s>"]


def look(number):
    """What a model could give: three parts of two blocks with four heads, rows that add up to 1."""
    rng = np.random.default_rng(number)
    return ENGLISH, GERMAN, {part: rng.dirichlet(np.ones(4), (2, 4, 4)) for part in pictures.PARTS}


@pytest.mark.parametrize("part", pictures.PARTS)
@pytest.mark.parametrize("head", ["all", "0", "3"])
def test_every_map_names_the_strongest_look_of_each_row(part, head):
    figure, sentence = pictures.draw_shares(look, 52, part, 1, head)
    weights = look(52)[2][part][1]
    weights = weights.mean(0) if head == "all" else weights[int(head)]
    rows = ENGLISH if part == "encoder" else GERMAN
    columns = ["<s>", *GERMAN[:-1]] if part == "decoder" else ENGLISH
    assert len(sentence) >= plot.MIN_ALT and f"{rows[2]} at {columns[weights[2].argmax()]}" in sentence
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == rows
    plt.close(figure)


def test_shares_are_those_that_the_blocks_use():
    torch = pytest.importorskip("torch")
    from utils.torch_transformers import MultiHeadAttention, TransformerBlock

    class Attention(MultiHeadAttention):  # as the lesson calls it: memory and mask are always given
        pass

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.source, self.target = torch.nn.Embedding(6, 8), torch.nn.Embedding(7, 8)
            self.encoder = torch.nn.ModuleList([TransformerBlock(8, 2)])
            self.decoder = torch.nn.ModuleList([TransformerBlock(8, 2, cross=True)])
            self.register_buffer("places", torch.randn(9, 8))

    torch.manual_seed(0)
    for block in (model := Tiny()).decoder:
        block.attention.forward = lambda x, memory, keep, of=block.attention: MultiHeadAttention.forward(
            of, x, memory, keep
        )
    source, said = np.array([[1, 3, 2, 0]]), np.array([[1, 5, 6, 2, 0]])
    english, german, maps = pictures.shares(model, source, said, list("p^$abc"), list("p^$defg"))
    assert english == ["^", "a", "$", "p"] and german == ["f", "g", "$"]
    assert {part: rows.shape for part, rows in maps.items()} == {
        "across": (1, 2, 3, 4),
        "encoder": (1, 2, 4, 4),
        "decoder": (1, 2, 3, 3),
    }
    assert all(np.allclose(rows.sum(-1), 1, atol=1e-6) for rows in maps.values())
    assert (maps["across"][..., 3] == 0).all() and (maps["encoder"][..., 3] == 0).all()  # nobody looks at padding
    assert (np.triu(maps["decoder"][0, 0], 1) == 0).all()  # nor ahead


def test_what_was_measured_stands_in_the_sentences():
    steps = np.linspace(2.0, 0.5, 80)
    assert "A 0.680" in pictures.draw_losses({"A": steps, "B": steps})[1]
    assert "a 0.59, b 1.00" in pictures.draw_depth({"a": [steps] * 2, "b": [np.ones(80)] * 2})[1]
    assert "added" in pictures.draw_block()[1]


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_shares, look, number=(0, 9999, 1, 52), part=list(pictures.PARTS), block=[1, 0], head=["all", "0"]
    )
    seen = {box.sentence.value}
    for name, value in (("number", 77), ("part", "encoder"), ("block", 0), ("head", "0")):
        box.inputs[name].value = value
        seen.add(box.sentence.value)
    assert len(seen) == 5
