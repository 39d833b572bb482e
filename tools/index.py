"""Rewrite what follows from docs/course.toml and pyproject.toml: tables, links, badges and Colab cells.

python tools/index.py           rewrite
python tools/index.py --check   fail if anything is old
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from course import PHASES, ROOT, STARTER, is_placeholder, lessons, notebooks, repository, tags
from execute import dumps, normalise

START, END = "<!-- index:start -->", "<!-- index:end -->"
MARKED = re.compile(f"{START}.*?{END}", re.S)
BADGES = re.compile(r"^\[!\[Open in Colab\].*$", re.M)
SHIELD = "https://colab.research.google.com/assets/colab-badge.svg"
PHASE_TITLES = {
    1: "Phase 1: Foundations (3–4 weeks)",
    2: "Phase 2: Core deep learning (4–6 weeks)",
    3: "Phase 3: Advanced architectures (6–8 weeks)",
    4: "Phase 4: Cutting edge (ongoing)",
}


# --- badges and Colab cell ------------------------------------------------------------------------
def badges(path):
    """The badge line of the notebook at `path` (relative to the repository)."""
    url, ref = repository()
    account = url.removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{account}/blob/{ref}/{path}"
    return f"[![Open in Colab]({SHIELD})]({colab}) [View on GitHub]({url}/blob/{ref}/{path})"


def colab_cell():
    """Source of the first code cell, the same in every notebook: finds the course, or fetches it where there is none.

    Everything else is done by `enter` of utils/place.py, taken from the first of: a folder above the notebook, a
    clone beside it, an installed course, the course's address.
    """
    url, ref = repository()
    return f'''# @title Find the course, or fetch it where there is none
import runpy
import sys
from pathlib import Path
from urllib.request import urlretrieve

url, ref = "{url}", "{ref}"
file = "utils/place.py"
folders = [*Path("_").absolute().parents, "deep-learning-course", *sys.path]
found = [path for folder in folders if (path := Path(folder, file)).is_file()]
assert found or "_" not in url, "No course above this notebook: download the whole of it."
found = found or urlretrieve(f"{{url}}/raw/{{ref}}/{{file}}")
runpy.run_path(str(found[0]))["enter"](url, ref)'''


def fold(cell):
    """Give a cell the metadata that folds it in Colab and in JupyterLab."""
    cell.metadata["cellView"] = "form"
    cell.metadata["jupyter"] = {**cell.metadata.get("jupyter", {}), "source_hidden": True}


def notebook_text(path, text):
    """The text of a notebook file with the badges and the Colab cell of its place."""
    nb = nbformat.reads(text, as_version=4)
    nb.cells[0].source = BADGES.sub(lambda _: badges(path), nb.cells[0].source)
    for cell in nb.cells:
        if "colab" in tags(cell):
            cell.source = colab_cell()
        if {"colab", "check"} & set(tags(cell)):
            fold(cell)
    return dumps(normalise(nb))


# --- tables ---------------------------------------------------------------------------------------
def table(rows, folder):
    """Markdown table of lessons with links from `folder` and the hours of the main line + of going deeper."""
    lines = ["| | | concept | hours | |", "|---|---|---|---|---|"]
    for row in rows:
        title, state = row.title, "planned"
        if row.ready:
            title = f"[{row.title}]({_relative(row.path, folder)})"
            starter = row.path.removesuffix(".ipynb") + STARTER
            title += f" · [starter]({_relative(starter, folder)})" if (ROOT / starter).exists() else ""
            state = badges(row.path).split(" [View")[0]
        number = row.number.replace(" ", "&nbsp;")
        lines.append(f"| {number} | {title} | {row.concept} | {hours(row)} | {state} |")
    return "\n".join(lines)


def hours(row):
    """Hours of a lesson: `1.4 + 1.2` for 85 minutes and parts of 72 minutes that go deeper; empty if not known."""
    if not row.minutes:
        return ""
    return f"{row.minutes / 60:.1f}" + (f" + {row.deeper / 60:.1f}" if row.deeper else "")


def _relative(path, folder):
    return Path(path).relative_to(folder).as_posix() if folder else path


def readme_tables(rows):
    """The map of the course for README.md: one table for each phase and one for the projects."""
    parts = [f"### {PHASE_TITLES[phase]}\n\n{table(of_phase(rows, phase), '')}" for phase in PHASES]
    return "\n\n".join([*parts, f"### Projects\n\n{table(of_phase(rows, 0), '')}"])


def start_links(rows):
    """Links to everything that is ready, for the start page."""
    return "\n".join(_start_link(row) for row in rows if row.ready) or "- (nothing yet)"


def _start_link(row):
    """One line: number, title, time; of a project the starter first, since there the reader begins."""
    time = f", {row.minutes} minutes" if row.minutes else ""
    time += f" + {row.deeper} going deeper" if row.deeper else ""
    starter = row.path.removesuffix(".ipynb") + STARTER
    if not (ROOT / starter).exists():
        return f"- [{row.number} {row.title}]({row.path}){time}: {row.concept}"
    return f"- [{row.number} {row.title}: starter]({starter}){time}: {row.concept}; [worked]({row.path})"


def of_phase(rows, phase):
    """The rows of a phase; 0 stands for the projects."""
    return [row for row in rows if row.phase == phase]


def marked(path, content):
    """The text of a Markdown file with `content` between its markers, or None if it has no markers."""
    text = path.read_text(encoding="utf-8")
    if not MARKED.search(text):
        return None
    return MARKED.sub(lambda _: f"{START}\n{content}\n{END}", text)


# --- all of it ------------------------------------------------------------------------------------
def generated():
    """{path: text} of every file that this tool keeps up to date; None for a file without markers."""
    rows = lessons()
    content = {"README.md": readme_tables(rows), "START.md": start_links(rows)}
    for phase, folder in PHASES.items():
        content[f"{folder}/README.md"] = table(of_phase(rows, phase), folder)
    content["projects/README.md"] = table(of_phase(rows, 0), "projects")
    texts = {ROOT / path: marked(ROOT / path, text) for path, text in content.items() if (ROOT / path).exists()}
    for path in [*notebooks(), ROOT / "docs/template.ipynb"]:
        texts[path] = notebook_text(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    return texts


def main(argv=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Rewrite tables, badges and Colab cells.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if anything is old")
    args = parser.parse_args(argv)
    texts = generated()
    unmarked = [path.relative_to(ROOT) for path, text in texts.items() if text is None]
    old = [path for path, text in texts.items() if text not in (None, path.read_text(encoding="utf-8"))]
    for path in unmarked:
        print(f"{path} has no markers: write {START} and {END} where the table belongs")
    for path in old:
        print(f"{path.relative_to(ROOT)} is old: run `make index`" if args.check else f"wrote {path.relative_to(ROOT)}")
        if not args.check:
            path.write_text(texts[path], encoding="utf-8", newline="\n")
    if is_placeholder(repository()[0]):
        print("The course has no public address yet: badges and Colab cells hold a placeholder (see pyproject.toml).")
    return bool(unmarked or (old and args.check))


if __name__ == "__main__":
    sys.exit(main())
