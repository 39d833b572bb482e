"""What a learner gets, in a real JupyterLab in a real browser: lessons run, sliders move, a screen reader is told."""

import contextlib
import json
import os
import shutil
import time
from pathlib import Path

import course
import execute
import nbformat
import pytest
from browser import ERRORS, IDLE, notebook, open_and_run_all, scroll_through, server

ROOT = course.ROOT
LESSON = "phase1_foundations/01_perceptron.ipynb"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
QUIET = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
PICTURES = "() => [...document.querySelectorAll('.jp-CodeCell .jp-OutputArea img')].map(img => img.src)"
PICTURES_WITHOUT_ALT = """() => [...document.querySelectorAll('.jp-OutputArea img')]
    .filter(img => (img.getAttribute('alt') ?? '').length < 30 || !img.naturalWidth).map(img => img.outerHTML)"""
NAMES = "() => [...document.querySelectorAll('.jp-OutputArea .noUi-handle')].map(h => h.getAttribute('aria-label'))"
TOO_WIDE = """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-editor .cm-scroller')]
    .filter(code => code.scrollWidth > code.clientWidth).map(code => code.innerText)"""
CELL_TEXTS = "() => [...document.querySelectorAll('.jp-Cell .jp-InputArea-editor')].map(cell => cell.innerText)"
EXPLORER = """\
from utils import plot, widgets

plot.use_style()


def draw(slope, colour="red", rule="SGD", dashed=False):
    fig, ax = plot.plt.subplots()
    ax.plot([0, 1], [0, slope], "--" if dashed else "-", color=colour)
    return fig, f"A {colour} line of slope {slope:g} from the origin to the right, named {rule}."


RULES = ["stochastic gradient descent", "momentum", "Nesterov's accelerated gradient", "RMSProp", "Adam"]
widgets.explore(draw, slope=(-2.0, 4.0, 0.5, 1.0), colour=["red", "blue"], rule=RULES, dashed=False)"""
LONG_LINE = "numbers = [" + ", ".join(str(n) for n in range(100)) + "]"
FIGURE = "plot.show(*draw(2.0))"

PAD = """\
from utils.widgets import drawing


def by_shape(image):
    ink = image > 0.5
    tall = ink.any(1).sum() > 2 * ink.any(0).sum()
    return [0.9 * (k == (1 if tall else 7)) + 0.01 for k in range(10)]


pad = drawing.DigitPad(by_shape)
pad"""

pytestmark = pytest.mark.browser


@pytest.fixture
def lab(tmp_path):
    """Starts JupyterLab on a folder of its own; returns a function (folder, framework) -> (address, token)."""
    with contextlib.ExitStack() as stack:
        yield lambda folder, framework=None: stack.enter_context(server(folder, tmp_path / "jupyter", framework))


@pytest.fixture
def page():
    """A page of a headless browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup-dev")
    with playwright.sync_playwright() as p:
        own = p.chromium.executable_path
        path = next(filter(None, map(shutil.which, BROWSERS)), own if Path(own).exists() else None)
        if path is None:
            pytest.skip("no browser found: install chromium or google-chrome, or run `playwright install chromium`")
        sandbox = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
        browser = p.chromium.launch(executable_path=path, args=QUIET + sandbox)
        page = browser.new_page(viewport={"width": 1280, "height": 1100})
        page.set_default_timeout(40_000)
        yield page
        browser.close()


def move_a_slider(page):
    """Move the first slider with the keyboard until a picture changes."""
    handle = page.locator(".jp-OutputArea .noUi-handle").first
    handle.scroll_into_view_if_needed()
    before = page.evaluate(PICTURES)
    handle.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    changed = f"before => {{ const now = ({PICTURES})(); return now.length && now.some(s => !before.includes(s)); }}"
    page.wait_for_function(changed, arg=before, timeout=30_000)
    page.wait_for_selector(IDLE, state="attached")


def tour(page, lab, folder, path, screenshot):
    """Open, run all, move a slider, look for errors and for what a screen reader would miss, keep a screenshot."""
    open_and_run_all(page, *lab(folder), path)
    scroll_through(page)
    move_a_slider(page)
    assert page.locator(".jp-OutputArea img").count() > 0 and page.evaluate(PICTURES_WITHOUT_ALT) == []
    assert all(page.evaluate(NAMES)) and page.locator('[title="null"]').count() == 0
    for width in (1280, 800):
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(500)
        assert page.evaluate(TOO_WIDE) == []
    assert page.locator(ERRORS).count() == 0, page.locator(ERRORS).all_inner_texts()
    screenshot.parent.mkdir(exist_ok=True)
    page.wait_for_timeout(300)
    page.screenshot(path=screenshot)
    assert screenshot.stat().st_size > 20_000


def numbers_appear_late(nb):
    """Clear counts and outputs, so that only a new run can fill them."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.execution_count, cell.outputs = None, []
    return nb


def test_a_slider_redraws_its_picture(page, lab, tmp_path):
    notebook(tmp_path / "work", "explorer.ipynb", EXPLORER, FIGURE, LONG_LINE)
    tour(page, lab, tmp_path / "work", "explorer.ipynb", tmp_path / "explorer.png")
    assert page.evaluate(NAMES) == ["slope", "rule"]
    values = page.locator(".explorer .noUi-handle")
    assert [v.get_attribute("aria-valuetext") for v in values.all()] == ["3.50", "stochastic gradient descent"]


def test_a_saved_notebook_shows_its_explorers_the_next_evening(page, lab, tmp_path):
    notebook(tmp_path / "work", "explorer.ipynb", EXPLORER)
    address, token = lab(tmp_path / "work")
    open_and_run_all(page, address, token, "explorer.ipynb")
    page.wait_for_selector(".explorer img")
    page.keyboard.press("Control+s")
    saved = tmp_path / "work/explorer.ipynb"
    end = time.monotonic() + 60
    while "application/vnd.jupyter.widget-state+json" not in saved.read_text(encoding="utf-8"):
        assert time.monotonic() < end, "the state of the widgets was not saved"
        page.wait_for_timeout(300)
    for session in json.loads(page.request.get(f"{address}/api/sessions?token={token}").text()):
        page.request.delete(f"{address}/api/sessions/{session['id']}?token={token}")  # the kernel of last evening ends
    page.goto(f"{address}/doc/tree/explorer.ipynb?reset&token={token}")
    page.wait_for_selector(".explorer img")
    assert "Error displaying widget" not in page.inner_text(".jp-Notebook")


CONTROLS = ("slider", ".explorer .noUi-handle >> nth=0"), ("list", ".explorer .noUi-handle >> nth=1")
CONTROLS += ("buttons", ".explorer .widget-toggle-button >> nth=1"), ("switch", ".explorer input[type=checkbox]")


def test_keys_pressed_on_a_control_never_reach_the_notebook(page, lab, tmp_path):
    notebook(tmp_path / "work", "explorer.ipynb", EXPLORER, "1 + 1", "2 + 2")
    open_and_run_all(page, *lab(tmp_path / "work"), "explorer.ipynb")
    page.wait_for_function(f"() => {{ const names = ({NAMES})(); return names.length == 2 && names.every(n => n); }}")
    cells = page.evaluate(CELL_TEXTS)
    for name, selector in CONTROLS:
        control = page.locator(selector)
        control.focus()
        for key in ("ArrowDown", "ArrowUp", "a", "b", "d", "d", "x", "m", "Enter", "v", "z", "Space"):
            page.keyboard.press(key)
            assert control.evaluate("control => control === document.activeElement"), f"{key} left the {name}"
        assert page.evaluate(CELL_TEXTS) == cells, f"keys pressed on the {name} changed the notebook"
    state = page.locator(".explorer [role=status]")
    state.filter(has_text="A blue line").wait_for()
    page.locator(".explorer .noUi-handle").nth(1).focus()
    page.keyboard.press("End")
    state.filter(has_text="named Adam").wait_for()
    pressed = [button.get_attribute("aria-pressed") for button in page.locator(".explorer .widget-toggle-button").all()]
    assert pressed == ["false", "true"]


def test_one_framework_is_folded_and_a_click_opens_it(page, lab, tmp_path):
    sources = [
        "# both\nanswer = 42",
        "# PyTorch\nprint('from PyTorch')",
        "# Keras\nprint('from Keras', answer)",
        "1 + 1",
    ]
    notebook(tmp_path / "work", "lesson.ipynb", *sources)
    path = tmp_path / "work/lesson.ipynb"
    nb = nbformat.read(path, 4)
    nb.cells[2].metadata["tags"], nb.cells[3].metadata["tags"] = ["pytorch"], ["keras"]
    execute.save(nb, path)
    open_and_run_all(page, *lab(tmp_path / "work", "pytorch"), "lesson.ipynb")
    results = page.locator(".jp-OutputArea-output:visible")
    assert page.evaluate(CELL_TEXTS)[1:] == [*sources[:2], sources[3]]
    assert results.all_inner_texts() == ["from PyTorch\n", "2"]
    page.locator(".jp-InputPlaceholder").click()
    results.filter(has_text="from Keras 42").wait_for()  # it has run although it was folded
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    deadline = time.monotonic() + 30
    while not (cells := nbformat.read(path, 4).cells)[3].outputs and time.monotonic() < deadline:
        time.sleep(0.2)
    assert cells[3].outputs and all("jupyter" not in cell.metadata for cell in cells)


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / LESSON).exists(), reason="lesson 1.1 is not there")
def test_lesson_1_1_in_jupyterlab(page, lab, tmp_path):
    folder = tmp_path / "work"
    shutil.copytree((ROOT / LESSON).parent, folder / Path(LESSON).parent)  # autosave must not touch the repository
    execute.save(numbers_appear_late(course.read(ROOT / LESSON)), folder / LESSON)
    tour(page, lab, folder, LESSON, ROOT / "artifacts/lesson_1_1.png")


def drag(page, box, points):
    """Press the mouse at the first point, move over the others, release; points as shares of the box."""
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()


def test_a_digit_is_drawn_with_the_mouse_and_with_the_keyboard(page, lab, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    execute.save(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(PAD)]), folder / "pad.ipynb")
    open_and_run_all(page, *lab(folder), "pad.ipynb")
    canvas, answer, pen = (page.locator(f".digit-pad{part}").first for part in ("", "-answer", "-pen"))
    canvas.scroll_into_view_if_needed()

    def answers(start):
        page.wait_for_function(
            "start => document.querySelector('.digit-pad-answer').textContent.startsWith(start)", arg=start
        )

    answers("Draw a digit.")
    drag(page, canvas.bounding_box(), [(0.2, 0.3), (0.8, 0.3), (0.5, 0.7)])
    answers("7")
    assert pen.is_hidden()
    page.locator(".digit-pad-clear").click()
    answers("Draw a digit.")
    canvas.focus()
    assert pen.is_visible()
    for key in ["ArrowUp"] * 8 + ["Space"] + ["ArrowDown"] * 16:
        page.keyboard.press(key)
    answers("1")
    assert "down" in pen.get_attribute("class")
    page.keyboard.press("Delete")
    answers("Draw a digit.")
    assert "down" not in pen.get_attribute("class") and answer.get_attribute("role") == "status"


def test_the_start_page_leads_into_lesson_1_1(page, lab, tmp_path):
    folder = tmp_path / "work"
    (folder / LESSON).parent.mkdir(parents=True)
    shutil.copy(ROOT / "START.md", folder)
    lesson = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# 1.1 The perceptron")])
    execute.save(lesson, folder / LESSON)
    address, token = lab(folder)
    page.goto(f"{address}/lab/tree/START.md?token={token}")
    page.locator(".jp-RenderedMarkdown a", has_text="lesson 1.1").first.click()
    page.wait_for_selector(".jp-Notebook h1:has-text('1.1 The perceptron')")
