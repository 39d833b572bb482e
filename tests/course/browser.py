"""A real JupyterLab, and what the tests do in it: start it, open a notebook, run it, look at every cell."""

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import course
import execute
import nbformat

ROOT = course.ROOT
SETTINGS = ROOT / "docs/jupyterlab"  # as `make lab`: Markdown opens as a page, long lines are wrapped
TRACKER = "@jupyterlab/notebook-extension:tracker"
CELLS = ".jp-Notebook .jp-CodeCell"
KERNEL = '.jp-KernelName:has-text("Python 3")'
IDLE = '.jp-Notebook-ExecutionIndicator[data-status="idle"]'
RUN_ALL = '[data-command="notebook:restart-run-all"]'
ERRORS = '.jp-OutputArea [data-mime-type="application/vnd.jupyter.error"], .jp-OutputArea [data-mime-type*="stderr"]'
LAST_NUMBER = """() => { const cell = [...document.querySelectorAll('.jp-CodeCell')].pop(); cell.scrollIntoView();
    return cell.querySelector('.jp-InputPrompt')?.innerText ?? ''; }"""


def free_port():
    """A port that is free right now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def server(folder, private, framework=None):
    """JupyterLab on `folder`, with settings, workspaces and progress in the folder `private`; one framework or both."""
    (private / "app").mkdir(parents=True)
    settings = json.loads((SETTINGS / "overrides.json").read_text(encoding="utf-8"))
    settings.setdefault(TRACKER, {})["windowingMode"] = "none"  # the page holds every cell
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
    if framework:  # as `make lab FRAMEWORK=…`
        command.append(f"--config={SETTINGS / 'one_framework.py'}")
        env["FRAMEWORK"] = framework
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


def notebook(folder, name, *sources):
    """Write a notebook with these code cells, which names its kernel."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [nbformat.v4.new_markdown_cell("# Explorer"), *map(nbformat.v4.new_code_cell, sources)]
    execute.save(nbformat.v4.new_notebook(cells=cells), folder / name)
