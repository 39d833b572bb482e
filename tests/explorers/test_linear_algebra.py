"""Pictures of lesson 1.2: they draw what the matrix does, say it in a sentence, and redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from explorers import linear_algebra as pictures
from utils import data, plot, widgets

PHOTO = data.photo("china").mean(axis=-1) / 255
FACTORS = np.linalg.svd(PHOTO, full_matrices=False)
PICTURES = {
    "square": pictures.draw_map,
    "circle": lambda: pictures.draw_map(show=pictures.CIRCLE),
    "rank": lambda: pictures.draw_rank(FACTORS, 20),
    "similarity": pictures.draw_similarity,
}


pytestmark = pytest.mark.usefixtures("style")


def draw(*entries, show=pictures.SQUARE):
    figure, sentence = pictures.draw_map(*entries, show=show)
    return figure.axes[0], sentence


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_has_a_sentence_that_serves_as_alt_text(name):
    figure, sentence = PICTURES[name]()
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)


def test_the_square_lands_where_the_matrix_sends_it():
    A = np.array([[1.0, -0.5], [0.25, 2.0]])
    ax, _ = draw(*A.ravel())
    corners = [patch.get_xy()[:4] for patch in ax.patches if len(patch.get_xy()) == 5 and patch.get_fill()]
    assert any(np.allclose(shape, (A @ pictures.UNIT).T) for shape in corners)


def test_eigenvectors_are_drawn_and_named():
    ax, sentence = draw(2, 1, 1, 2)
    assert "shape of area 3.00;" in sentence and "by 3.00 and" in sentence and "by 1.00." in sentence
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"λ = 3.00", "λ = 1.00"}
    assert ax.get_title(loc="left") == "area 3.00"


@pytest.mark.parametrize(
    ("entries", "words", "directions"),
    [
        ((0, -1, 1, 0), "it turns every direction, so no eigenvector is real", 0),
        ((1, 1, 0, 1), "it only stretches the eigenvector (1.00, 0.00) by 1.00", 1),
        ((2, 0, 0, 2), "every direction is an eigenvector, stretched by 2.00", 2),
        ((0, 1, 1, 0), "area 1.00, mirrored", 2),
        ((1, 2, 0.5, 1), "area 0.00;", 2),
        ((0, 0, 0, 0), "every direction is an eigenvector, stretched by 0.00", 2),
        ((1, 0, 0, 1 + 1e-9), "every direction is an eigenvector", 2),
    ],
)
def test_special_matrices(entries, words, directions):
    ax, sentence = draw(*entries)
    assert (
        words in sentence and len(pictures.kept_directions(np.reshape(entries, (2, 2)).astype(float))[0]) == directions
    )
    assert (ax.get_legend() is not None) == (directions > 0)


def test_kept_directions_are_eigenvectors():
    A = np.array([[1.5, 0.75], [0.25, 1.0]])
    directions, values = pictures.kept_directions(A)
    assert sorted(np.round(values, 9)) == [0.75, 1.75]
    for v, stretch in zip(directions, values, strict=True):
        assert np.allclose(A @ v, stretch * v) and np.isclose(np.linalg.norm(v), 1)


@pytest.mark.parametrize("entries", [(1, 1, 0, 1), (0, -1, 1, 0), (1, 2, 0.5, 1), (0, 0, 0, 0)])
def test_the_ellipse_has_the_singular_values_as_half_axes(entries):
    ax, sentence = draw(*entries, show=pictures.CIRCLE)
    first, second = np.linalg.svd(np.reshape(entries, (2, 2)), compute_uv=False)
    assert f"half axes {first:.2f} and {second:.2f}" in sentence
    far = np.linalg.norm(np.stack(ax.lines[1].get_data()), axis=0)
    assert np.isclose(far.max(), first, atol=0.01) and np.isclose(far.min(), second, atol=0.04)


def test_everything_fits_into_the_axes_for_every_slider():
    for entries in ((2, 2, 2, 2), (-2, -2, 2, 2), (2, -2, -2, -2), (0.5, 0, 0, 0.5)):
        for show in (pictures.SQUARE, pictures.CIRCLE):
            limit = draw(*entries, show=show)[0].get_xlim()[1]
            assert np.abs(np.reshape(entries, (2, 2)) @ pictures.UNIT).max() < limit


def test_rank_draws_the_closest_picture_and_says_the_cost():
    figure, sentence = pictures.draw_rank(FACTORS, 20)
    picture = figure.axes[0].images[0].get_array()
    assert np.linalg.matrix_rank(picture) == 20
    error = np.linalg.norm(picture - PHOTO) / np.linalg.norm(PHOTO)
    assert f"relative error {error:.1%}" in sentence and "7.8% of the numbers" in sentence
    assert "relative error 0.0%" in pictures.draw_rank(FACTORS, len(FACTORS[1]))[1]


def test_similarity_says_product_and_cosine():
    figure, sentence = pictures.draw_similarity(w=(1.0, 0.0), others=((2.0, 0.0), (0.0, 1.0), (-1.0, 0.0)))
    assert "(2, 0) has dot product 2.0 and cosine 1.00" in sentence and "(-1, 0) has dot product -1.0" in sentence
    assert "cosine 0.00" in figure.axes[1].get_title(loc="left")


def test_the_explorer_follows_its_controls():
    box = widgets.explore(pictures.draw_map, a12=(-2.0, 2.0, 0.25, 0.5), show=[pictures.SQUARE, pictures.CIRCLE])
    assert "turns the unit square" in box.sentence.value
    box.inputs["show"].value = pictures.CIRCLE
    assert "turns the unit circle" in box.sentence.value and 'role="status"' in box.sentence.value
