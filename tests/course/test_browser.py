"""A learner's first minutes, in a real JupyterLab in a real browser: open lesson 1.1, run all, move a slider, draw."""

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import course
import execute
import nbformat
import pytest

ROOT = course.ROOT
LESSON = "phase1_foundations/01_perceptron.ipynb"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
QUIET = ["--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
SETTINGS = ROOT / "docs/jupyterlab"  # as `make lab`: Markdown opens as a page, no pop-up about news
CELLS = ".jp-Notebook .jp-CodeCell"
KERNEL = '.jp-KernelName:has-text("Python 3")'
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
RUN_ALL = '[data-command="notebook:restart-run-all"]'
ERRORS = '.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"], .jp-OutputArea [data-mime-type*="stderr"]'
LAST_NUMBER = """() => { const cell = [...document.querySelectorAll('.jp-CodeCell')].pop(); cell.scrollIntoView();
    return cell.querySelector('.jp-InputPrompt')?.innerText ?? ''; }"""
PICTURES = "() => [...document.querySelectorAll('.jp-CodeCell .jp-OutputArea img')].map(img => img.src)"
EXPLORER = """\
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np


def draw(slope):
    x = np.linspace(-1, 1)
    plt.plot(x, slope * x)
    plt.ylim(-5, 5)
    plt.show()


slider = ipywidgets.FloatSlider(1.0, min=-5, max=5, continuous_update=False)
ipywidgets.VBox([slider, ipywidgets.interactive_output(draw, {"slope": slider})])"""

PAD = """\
from utils.widgets import drawing


def by_shape(image):
    ink = image > 0.5
    tall = ink.any(1).sum() > 2 * ink.any(0).sum()
    return [0.9 * (k == (1 if tall else 7)) + 0.01 for k in range(10)]


pad = drawing.DigitPad(by_shape)
pad"""

pytestmark = pytest.mark.browser


def free_port():
    """A port that is free right now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def lab(tmp_path):
    """Starts JupyterLab on a folder of its own; returns a function folder -> (address, token)."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: stack.enter_context(server(folder, tmp_path / "jupyter"))


@contextlib.contextmanager
def server(folder, private):
    """JupyterLab on `folder`, with settings, workspaces and progress in the folder `private`."""
    (private / "app").mkdir(parents=True)
    settings = json.loads((SETTINGS / "overrides.json").read_text(encoding="utf-8"))
    settings["@jupyterlab/notebook-extension:tracker"] = {"windowingMode": "none"}  # the page holds every cell
    (private / "app/overrides.json").write_text(json.dumps(settings), encoding="utf-8")
    places = {"CONFIG_DIR": "config", "RUNTIME_DIR": "runtime"}
    env = os.environ | {f"JUPYTER_{name}": str(private / place) for name, place in places.items()}
    env |= {f"JUPYTERLAB_{name}_DIR": str(private / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    env |= {"IPYTHONDIR": str(private / "ipython"), "COURSE_PROGRESS": str(private / "progress.json")}
    env |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--ServerApp.port={port}"]
    command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    command += [f"--LabApp.app_settings_dir={private / 'app'}", f"--IdentityProvider.token={token}"]
    command += ["--allow-root"] * (hasattr(os, "getuid") and os.getuid() == 0)
    with open(private / "log.txt", "wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", process, private / "log.txt")
            yield f"http://127.0.0.1:{port}", token
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def wait_for(address, process, log, seconds=60):
    """Wait until the server answers."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(address, timeout=2).read()
        time.sleep(0.25)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


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


def open_and_run_all(page, address, token, path):
    """Open a notebook in the single-document view, restart its kernel and run all cells."""
    page.goto(f"{address}/doc/tree/{path}?reset&token={token}")
    page.wait_for_selector(CELLS)
    page.wait_for_selector(KERNEL)  # before that, the button would ask which kernel to take
    page.wait_for_selector(IDLE, state="attached")
    run_all(page)
    end = time.monotonic() + 240  # 15 s on an idle laptop
    while not re.match(r"\[\d+\]", page.evaluate(LAST_NUMBER)):
        if time.monotonic() > end:
            scroll_through(page)
            raise AssertionError(f"not all cells ran; errors: {page.locator(ERRORS).all_inner_texts()}")
        page.wait_for_timeout(500)


def run_all(page):
    """Press "Restart the kernel and run all cells" and confirm."""
    page.locator(RUN_ALL).first.click()
    page.locator(".jp-Dialog .jp-mod-accept", has_text="Restart").click()


def scroll_through(page):
    """Show every cell once: JupyterLab draws cells only when they come into view."""
    page.evaluate(
        "async () => { for (const cell of document.querySelectorAll('.jp-Notebook .jp-Cell'))"
        " { cell.scrollIntoView(); await new Promise(done => setTimeout(done, 60)); } }"
    )


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
    """Open, run all, move a slider, look for errors, keep a screenshot."""
    open_and_run_all(page, *lab(folder), path)
    scroll_through(page)
    move_a_slider(page)
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
    folder = tmp_path / "work"
    folder.mkdir()
    cells = [nbformat.v4.new_markdown_cell("# Explorer"), nbformat.v4.new_code_cell(EXPLORER)]
    execute.save(nbformat.v4.new_notebook(cells=cells), folder / "explorer.ipynb")  # names the kernel
    tour(page, lab, folder, "explorer.ipynb", tmp_path / "explorer.png")


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
