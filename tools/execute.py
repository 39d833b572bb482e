"""Run, write, normalise and check notebooks.

python tools/execute.py --run NB         run it, one line per cell, change nothing
python tools/execute.py --write NB       run it in a fresh kernel and store the outputs
python tools/execute.py --normalise NB   remove what changes from run to run
python tools/execute.py --check [NB]     fail if a notebook is not normalised or its outputs are stale
"""

import argparse
import base64
import hashlib
import io
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np
from course import ROOT, headings, notebooks, read, tags
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from PIL import Image

WIDGET = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = "(interactive widget: run the notebook to use it)"
NOTEBOOK_KEYS = {"kernelspec", "language_info", "accelerator", "colab", "course"}
CELL_KEYS = {"tags", "jupyter", "cellView"}
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "nbconvert_exporter": "python"}  # nbconvert writes .py, not .txt
ANSI = re.compile(r"\x1b\[[0-9;]*m")
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
INLINE = re.compile(r"(?<=data:image/png;base64,)([A-Za-z0-9+/=]+)")
OVERWRITTEN = re.compile(r"^[^\n]*\r(?=[^\n])", re.M)  # a progress line that a carriage return replaced


# --- the hash that says which sources the outputs belong to ---------------------------------------
def source_hash(nb):
    """Hash of all code cells except the Colab cell, which `make index` rewrites."""
    sources = [cell.source.rstrip() for cell in nb.cells if cell.cell_type == "code" and "colab" not in tags(cell)]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()[:16]


def is_stale(nb):
    """True if the outputs were not made by the code that stands in the notebook."""
    return nb.metadata.get("course", {}).get("source_sha") != source_hash(nb)


# --- normalise ------------------------------------------------------------------------------------
def normalise(nb):
    """Remove what changes from run to run: timings, widget state, stderr, addresses, local paths."""
    nb.nbformat, nb.nbformat_minor = 4, 5
    nb.metadata = nbformat.from_dict({k: v for k, v in nb.metadata.items() if k in NOTEBOOK_KEYS})
    nb.metadata.update(kernelspec=dict(KERNEL), language_info=dict(LANGUAGE))
    count, seen = 0, {}
    for cell in nb.cells:
        cell.source = cell.source.rstrip()
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in CELL_KEYS})
        cell.id = _cell_id(cell, seen)
        if cell.cell_type == "code":
            count += 1
            ran = cell.execution_count is not None or bool(cell.outputs)
            cell.execution_count = count if ran else None
            cell.outputs = _outputs(cell.outputs, cell.execution_count)
    return nb


def _cell_id(cell, seen):
    """An id that follows from the source, so that converting a notebook again does not change it."""
    digest = hashlib.sha256(f"{cell.cell_type}\0{cell.source}".encode()).hexdigest()[:8]
    seen[digest] = seen.get(digest, 0) + 1
    return digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"


def _outputs(outputs, count):
    kept = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                output.text = kept.pop().text + output.text
            output.text = clean_text(output.text)
        elif output.output_type == "error":
            output.traceback = [clean_text(ANSI.sub("", line)) for line in output.traceback]
        else:
            _clean_data(output)
            if output.output_type == "execute_result":
                output.execution_count = count
        kept.append(output)
    return kept


def _clean_data(output):
    data = output.data
    if WIDGET in data:
        output.data, output.metadata = nbformat.from_dict({"text/plain": WIDGET_TEXT}), nbformat.from_dict({})
        return
    for kind in data:
        if kind.startswith("text/"):
            data[kind] = clean_html(data[kind]) if kind == "text/html" else clean_text(data[kind])
    if "image/png" in data:
        data["image/png"] = small_png(data["image/png"])
    picture = {k: v for k, v in output.metadata.get("image/png", {}).items() if k in {"alt", "width", "height"}}
    output.metadata = nbformat.from_dict({"image/png": picture} if picture else {})


def clean_text(text):
    """Text without addresses, overwritten progress lines and the folders of this machine."""
    text = OVERWRITTEN.sub("", text.replace("\r\n", "\n"))
    text = ADDRESS.sub("0x…", text).replace(f"{ROOT}{os.sep}", "").replace(str(ROOT), ".")
    home = os.path.expanduser("~")  # "~" itself where there is no home
    return text.replace(f"{home}{os.sep}", f"~{os.sep}") if len(home) > 1 else text


def clean_html(text):
    """HTML likewise; what stands inside a picture is no text, and the picture is made small."""
    parts = INLINE.split(text)
    return "".join(small_png(part) if i % 2 else clean_text(part) for i, part in enumerate(parts))


def small_png(encoded):
    """A PNG with a palette, a third of the size: the fewest colours that are not visibly different."""
    raw = base64.b64decode(encoded)
    image = Image.open(io.BytesIO(raw))
    if image.mode == "P":
        return encoded
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    tries = (flat.quantize(n, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=0) for n in (64, 128, 256))
    small = next((palette for palette in tries if _looks_the_same(flat, palette)), None)
    if small is None:  # a photograph: all 256 colours, mixed from neighbouring dots
        small = flat.quantize(256, palette=flat.quantize(256, kmeans=1), dither=Image.Dither.FLOYDSTEINBERG)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode() if out.tell() < len(raw) else encoded


def _looks_the_same(before, palette):
    """Root mean square below 2.5 of 255, and at most 1 pixel in 1,000 off by more than 32."""
    error = np.abs(np.asarray(before, dtype=np.int16) - np.asarray(palette.convert("RGB"), dtype=np.int16))
    return np.sqrt(np.mean(error.astype(float) ** 2)) < 2.5 and np.mean(error.max(-1) > 32) < 1e-3


# --- run ------------------------------------------------------------------------------------------
class CellFailed(Exception):
    """A cell raised; the message holds its source and the end of the traceback."""


def run(nb, path, env=None, log=print):
    """Execute all cells in a fresh kernel, one line per cell; raises CellFailed at the first error."""
    client = NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        extra_arguments=["--log-level=40"],  # no warnings of the kernel itself
        record_timing=False,
        store_widget_state=True,  # nbclient needs it to run output widgets; nothing of it is written
        resources={"metadata": {"path": str(Path(path).parent)}},
    )
    total = sum(cell.cell_type == "code" for cell in nb.cells)
    started, number, title = time.perf_counter(), 0, ""
    with client.setup_kernel(**({"env": env} if env else {})):
        for index, cell in enumerate(nb.cells):
            if cell.cell_type == "markdown":
                title = ([title] + [text for _, text in headings(cell.source)])[-1]
                continue
            number += 1
            begin = time.perf_counter()
            _run_cell(client, cell, index, number)
            seconds = time.perf_counter() - begin
            log(f"cell {number:2d}/{total}  {_label(title, cell):<44.44} {seconds:6.1f} s", flush=True)
    log(f"{path}: {total} cells in {time.perf_counter() - started:.1f} s", flush=True)


def _run_cell(client, cell, index, number):
    try:
        client.execute_cell(cell, index, execution_count=number)
    except CellExecutionError:
        error = next(output for output in cell.outputs if output.output_type == "error")
        lines = ANSI.sub("", "\n".join(error.traceback)).splitlines()[-8:]
        raise CellFailed(_failure(cell, number, "\n".join(lines))) from None
    except DeadKernelError:
        why = "the kernel died: out of memory, or the code ended the process"
        raise CellFailed(_failure(cell, number, why)) from None


def _failure(cell, number, why):
    return f"cell {number} failed\n\n{cell.source}\n\n{why}"


def _label(title, cell):
    frameworks = {"pytorch": "PyTorch", "keras": "Keras", "tensorflow": "TensorFlow"}
    names = [frameworks[tag] for tag in tags(cell) if tag in frameworks]
    return ": ".join([title, *names]) if title else " ".join(names)


def write(path):
    """Run a notebook in a fresh kernel and store normalised outputs and the hash of its sources."""
    nb = read(path)
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"}
        quiet["COURSE_PROGRESS"] = f"{folder}/progress.json"
        run(nb, path, env=os.environ | quiet)
    nb.metadata["course"] = {"source_sha": source_hash(nb)}
    save(nb, path)


def save(nb, path):
    """Write a notebook in its normal form."""
    Path(path).write_text(dumps(normalise(nb)), encoding="utf-8", newline="\n")


def dumps(nb):
    """The text of a notebook file, with a newline at its end."""
    return nbformat.writes(nb, version=4).rstrip("\n") + "\n"


def findings(path):
    """What `--check` has to say about a notebook: a list of sentences, empty if all is well."""
    text = Path(path).read_text(encoding="utf-8")
    path = Path(path).resolve()
    path = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path
    found = []
    if dumps(normalise(nbformat.reads(text, as_version=4))) != text:
        found.append(f"{path} is not normalised: python tools/execute.py --normalise {path}")
    nb = nbformat.reads(text, as_version=4)
    if is_stale(nb) and any(cell.get("outputs") for cell in nb.cells):
        found.append(f"{path} has outputs of an older source: make execute NB={path}")
    return found


def main(argv=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Run, write, normalise or check notebooks.")
    what = parser.add_mutually_exclusive_group(required=True)
    for name in ("run", "write", "normalise", "check"):
        what.add_argument(f"--{name}", action="store_const", const=name, dest="what")
    parser.add_argument("notebooks", nargs="*", help="default: every notebook of the course")
    args = parser.parse_args(argv)
    found = []
    for path in args.notebooks or notebooks():
        if not Path(path).exists():
            found.append(f"{path}: no such notebook. Run `ls phase*/*.ipynb projects/*/*.ipynb` to see them.")
        elif args.what == "check":
            found += findings(path)
        else:
            found += _do(args.what, path)
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return bool(found)


def _do(what, path):
    try:
        if what == "run":
            run(read(path), path)
        elif what == "write":
            write(path)
        else:
            save(read(path), path)
    except CellFailed as error:
        return [f"{path}: {error}"]
    return []


if __name__ == "__main__":
    sys.exit(main())
