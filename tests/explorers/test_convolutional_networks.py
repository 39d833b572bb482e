"""Pictures of lesson 2.10: the convolution behind them is right, every control acts, and they redraw fast."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import signal

from explorers import convolutional_networks as pictures
from utils import plot, widgets

pytestmark = pytest.mark.usefixtures("style")

PICTURE = np.random.default_rng(0).random((128, 128))


@pytest.mark.parametrize("kernel", pictures.KERNELS)
@pytest.mark.parametrize("stride", [1, 4])
@pytest.mark.parametrize("relu", [False, True])
def test_every_picture_has_a_sentence_that_serves_as_alt_text(kernel, stride, relu):
    figure, sentence = pictures.draw_kernel(PICTURE, kernel, stride, 2, relu)
    assert len(sentence) >= plot.MIN_ALT and sentence.endswith(".") and isinstance(figure, plt.Figure)
    plt.close(figure)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("dilation", [1, 2])
def test_convolve_is_the_cross_correlation_of_scipy(stride, padding, dilation):
    rng = np.random.default_rng(1)
    x, kernel = rng.random((11, 14)), rng.standard_normal((3, 4))
    spread = np.zeros([(k - 1) * dilation + 1 for k in kernel.shape])
    spread[::dilation, ::dilation] = kernel
    right = signal.correlate2d(np.pad(x, padding), spread, mode="valid")[::stride, ::stride]
    assert np.allclose(pictures.convolve(x, kernel, stride, padding, dilation), right)


def test_a_kernel_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="covers"):
        pictures.convolve(np.ones((4, 4)), np.ones((5, 5)))


def test_edge_kernels_answer_to_their_edges_alone():
    step = np.zeros((10, 10))
    step[:, 5:] = 1  # an upright edge
    flat = np.full((10, 10), 0.7)
    across, along = (pictures.convolve(step, pictures.KERNELS[k]) for k in ("vertical edges", "horizontal edges"))
    assert np.abs(across).max() == 4 and np.abs(along).max() == 0
    for name in ("vertical edges", "horizontal edges", "all edges", "stripes, upright", "stripes, slanted"):
        assert np.allclose(pictures.convolve(flat, pictures.KERNELS[name]), 0), name
    for name in ("blur", "sharpen", "relief", "nothing"):
        assert np.isclose(pictures.KERNELS[name].sum(), 1), name


def test_maps_and_shifts_are_drawn():
    figure = pictures.draw_maps(np.random.default_rng(0).standard_normal((12, 5, 5)), "filters", signed=True)
    assert sum(bool(ax.images) for ax in figure.axes) == 12
    ax = pictures.draw_shifts(plt.subplots()[1], [0, 1], {"a": [0.9, 0.8], "b": [0.7, 0.6]})
    assert {line.get_label() for line in ax.lines} == {"a", "b"}


def test_the_explorer_follows_every_control():
    box = widgets.explore(
        pictures.draw_kernel,
        PICTURE,
        kernel=list(pictures.KERNELS),
        stride=(1, 8, 1, 1),
        dilation=(1, 8, 1, 1),
        relu=False,
    )
    seen = [bytes(box.picture.value)]
    for name, value, words in (
        ("kernel", "blur", "the kernel for blur"),
        ("stride", 3, "stride 3"),
        ("dilation", 4, "17 by 17 pixels"),
        ("kernel", "relief", "relief"),
        ("relu", True, "cut off"),
    ):
        box.inputs[name].value = value
        assert words in box.sentence.value and bytes(box.picture.value) not in seen
        seen.append(bytes(box.picture.value))
