"""Figures: alt text, colours that survive grey print and dark pages, and what each helper draws."""

import base64
import io
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from nbclient import NotebookClient
from nbconvert import HTMLExporter, SlidesExporter
from PIL import Image

from utils import plot

ALT = "A falling line: the loss goes from 2 to 1 in five epochs."


@pytest.fixture(autouse=True)
def style():
    plt.switch_backend("agg")
    with plt.rc_context():
        plot.use_style()
        yield
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """What `show` hands to the notebook: a list of bundles."""
    out = []
    monkeypatch.setattr("IPython.get_ipython", lambda: object())
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: out.append(bundle) if raw else None)
    return out


def images(page):
    """The attributes of every picture of an HTML page: a list of dicts."""
    found = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: found.append(dict(attributes)) if tag == "img" else None
    parser.feed(page)
    return found


def png_of(image):
    kind, data = image["src"].split(",")
    assert kind == "data:image/png;base64"
    return base64.b64decode(data)


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)


def lesson_figure():
    x = np.random.default_rng(0).standard_normal((80, 2))
    ax = plot.decision_regions(lambda grid: (grid.sum(1) > 0).astype(int) + (grid[:, 0] > 1), x, np.arange(80) % 3)
    ax.set(title="Three classes", xlabel="length (cm)", ylabel="width (cm)")
    ax.legend()
    return ax.figure


# --- show ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("alt", [None, "", "too short", " " * 40, 3])
def test_show_wants_a_sentence(alt, shown):
    fig = plt.figure()
    with pytest.raises(ValueError, match="alt must be a sentence of at least 30 characters"):
        plot.show(fig, alt)
    assert shown == [] and not plt.get_fignums()


def test_show_gives_picture_and_alt_text_and_closes_the_figure(shown):
    fig, ax = plt.subplots()
    ax.plot([2, 1])
    alt = 'A "falling" line: 2 > 1 & nothing <b>else</b> happens.'
    plot.show(fig, alt)
    [bundle] = shown
    assert set(bundle) == {"text/html", "text/plain"} and bundle["text/plain"] == alt
    [image] = images(bundle["text/html"])
    assert image["alt"] == alt and (image["width"], image["height"]) == ("560", "288")
    assert pixels(png_of(image)).shape == (288, 560, 3)
    assert not plt.fignum_exists(fig.number)


def test_a_figure_that_cannot_be_drawn_is_closed(shown):
    fig, ax = plt.subplots()
    ax.set_title("$\\frac{1}$")  # not a formula
    with pytest.raises(ValueError):
        plot.show(fig, ALT)
    assert shown == [] and not plt.get_fignums()


@pytest.mark.parametrize("exporter", [HTMLExporter, SlidesExporter])
def test_a_screen_reader_gets_the_alt_text_of_an_exported_notebook(exporter):
    source = f"from utils import plot\nfig, ax = plot.plt.subplots()\nplot.show(fig, alt={ALT!r})"
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(nb, timeout=120, kernel_name="python3").execute()
    [output] = nb.cells[0].outputs
    assert output.data["text/plain"] == ALT
    page, _ = exporter().from_notebook_node(nb)
    [image] = images(page)
    assert image["alt"] == ALT and pixels(png_of(image)).shape[2] == 3


def test_show_in_a_script_prints_the_sentence(capsys, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    plot.show(plt.figure(), ALT)
    assert capsys.readouterr().out == ALT + "\n" and not plt.get_fignums()


def test_the_smaller_picture_looks_the_same():
    fig = lesson_figure()
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=fig.dpi)
    small = plot.to_png(fig)
    difference = np.abs(pixels(small) - pixels(buffer.getvalue()))
    assert difference.mean() < 1.0 and np.quantile(difference, 0.99) < 12  # of 255
    assert len(small) < 0.7 * len(buffer.getvalue())


# --- colours ------------------------------------------------------------------------------------


def luma(colour):
    """Lightness of a colour in grey print, 0..1 (ITU-R BT.601)."""
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


def test_neighbouring_colours_differ_in_grey():
    greys = [luma(c) for c in plot.COLOURS]
    assert min(abs(a - b) for a, b in zip(greys, greys[1:], strict=False)) > 0.1
    assert abs(luma(plot.FRAMEWORKS["PyTorch"][0]) - luma(plot.FRAMEWORKS["Keras"][0])) > 0.1


def test_no_two_entries_share_colour_line_or_marker():
    n = len(plot.COLOURS)
    assert n == len(plot.LINES) == len(plot.MARKERS) == len(set(plot.COLOURS)) == len(set(plot.MARKERS))
    assert len(set(plot.LINES)) == n
    assert all(a != b for a, b in zip(plot.FRAMEWORKS["PyTorch"], plot.FRAMEWORKS["Keras"], strict=True))


DEUTERANOPIA = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])  # Machado et al., 2009


def test_colours_differ_for_people_who_do_not_tell_red_from_green():
    seen = [DEUTERANOPIA @ np.array(to_rgb(c)) for c in plot.COLOURS]
    gaps = [np.linalg.norm(a - b) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) > 0.15


def test_regions_have_the_colour_of_their_points():
    for soft, strong in zip(plot.SOFT.colors, plot.COLOURS, strict=False):
        mixed = 0.25 * np.array(to_rgb(strong)) + 0.75
        assert np.abs(np.array(to_rgb(soft)) - mixed).max() < 0.1


def drawn_png():
    fig, ax = plt.subplots()
    ax.plot([1, 2])
    ax.set(title="A title", xlabel="an axis")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png", dpi=fig.dpi)
    plt.close(fig)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "mine",
    [
        {"text.usetex": True},  # LaTeX is not there on most machines
        {"font.size": 30, "savefig.bbox": "tight", "savefig.transparent": True, "axes.linewidth": 5},
        {"text.color": "white", "xtick.labelcolor": "white", "axes.titlecolor": "white", "legend.labelcolor": "white"},
        "dark_background",
    ],
)
def test_the_readers_own_style_does_not_change_a_figure(mine):
    plain = drawn_png()
    plt.rcParams.update(mine) if isinstance(mine, dict) else plt.style.use(mine)
    plot.use_style()
    assert drawn_png() == plain
    picture = np.asarray(Image.open(io.BytesIO(plain)).convert("RGBA"))
    assert (picture[..., 3] == 255).all() and (picture[0, 0] == 255).all()  # opaque white: readable on a dark page


def test_the_style_keeps_the_backend():
    backend = plt.get_backend()
    plot.use_style()
    assert plt.get_backend() == backend


# --- histories ----------------------------------------------------------------------------------


def drawn(monkeypatch):
    figures = []
    monkeypatch.setattr(plot, "show", lambda fig, alt: figures.append((fig, alt)))
    return figures


RUNS = {"PyTorch": {"loss": [2.0, 1.0], "val_loss": [2.1, 1.5]}, "Keras": {"loss": [2.2, 1.1], "val_loss": [2.0, 1.4]}}


def test_histories_with_validation(monkeypatch):
    figures = drawn(monkeypatch)
    plot.histories(RUNS, title="Both learn")
    [(fig, alt)] = figures
    [ax] = fig.axes
    names = [line.get_label() for line in ax.lines]
    assert names == ["PyTorch", "PyTorch, held out", "Keras", "Keras, held out"]
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 2]] * 4
    assert list(ax.lines[1].get_ydata()) == [2.1, 1.5] and ax.lines[1].get_marker() == "o"
    assert ax.lines[0].get_color() == plot.RED and ax.lines[2].get_color() == plot.BLUE
    assert ax.get_xlabel() == "epoch" and ax.get_ylabel() == "loss"
    assert "PyTorch loss goes from 2 to 1 in 2 epochs; Keras loss goes from 2.2 to 1.1" in alt


def test_histories_without_validation_and_two_keys(monkeypatch):
    figures = drawn(monkeypatch)
    runs = [{"loss": [2.0, 1.0], "accuracy": [0.1, 0.2]}, {"loss": [3.0, 1.0, 0.5]}]
    plot.histories(runs, keys=("loss", "accuracy"), alt=ALT)
    [(fig, alt)] = figures
    assert [len(ax.lines) for ax in fig.axes] == [2, 1] and alt == ALT
    assert [line.get_label() for line in fig.axes[0].lines] == ["run 1", "run 2"]
    assert [text.get_text() for text in fig.axes[1].get_legend().get_texts()] == ["run 1"]


def test_histories_errors():
    with pytest.raises(KeyError, match="no run has a column 'acc'; there are: loss, val_loss"):
        plot.histories(RUNS, keys=("acc",))
    with pytest.raises(ValueError):
        plot.histories([{"loss": [1]}], labels=["a", "b"])
    assert not plt.get_fignums()


# --- pictures of data ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 1), (5, 8, 8, 3)])
def test_images(shape):
    x = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    fig = plot.images(x, titles=list("abcde"), columns=3, title="Five")
    pictures = [ax for ax in fig.axes if ax.images]
    assert len(fig.axes) == 6 and [ax.get_title() for ax in pictures] == list("abcde")
    assert pictures[4].images[0].get_array().shape == shape[1:3] + ((3,) if shape[-1] == 3 else ())
    assert not any(ax.axison for ax in fig.axes)


def test_decision_regions_colour_the_answer_at_its_place():
    x = np.array([[0.0, 0.0], [1.0, 2.0]])
    ax = plot.decision_regions(
        lambda g: (g[:, 1] > 1).astype(int), x, np.array([0, 1]), resolution=50, labels=["a", "b"]
    )
    image = ax.images[0]
    regions = image.get_array()
    assert image.origin == "lower" and set(regions[0]) == {0} and set(regions[-1]) == {1}
    x0, x1, y0, y1 = image.get_extent()
    assert x0 < 0 < 1 < x1 and y0 < 0 < 2 < y1
    assert [c.get_label() for c in ax.collections] == ["a", "b"]
    assert not np.array_equal(ax.collections[0].get_paths()[0].vertices, ax.collections[1].get_paths()[0].vertices)


def test_confusion_rows_are_the_truth():
    ax = plot.confusion([[50, 0], [7, 40]], ["cat", "dog"])
    cells = {t.get_position(): t for t in ax.texts}
    assert cells[(0, 1)].get_text() == "7" and cells[(1, 0)].get_text() == ""
    assert cells[(0, 0)].get_weight() == "bold" and cells[(0, 1)].get_color() == "w"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("answer", "truth")
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat", "dog"]
    plot.confusion(np.eye(3, dtype=int), "abc")  # no mistakes at all: nothing to scale the colours by
