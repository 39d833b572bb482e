"""The starter edition of a project: the brief, the milestones and the self-checks, without the worked cells.

python tools/starter.py           write projects/*/NN_name_starter.ipynb for every project
python tools/starter.py --check   fail if one is old

Of a text tagged `solution` remains what stands from its first heading on. Of such code remain the comment at its top,
the imports, of each function and class the first line with its docstring, and of the rest `name = ...` for each result
that a later cell needs; bodies become `...`. All other cells stay as they are, so that a starter runs from top to
bottom before a word is written.
"""

import argparse
import ast
import re
import symtable
import sys
from pathlib import Path

import nbformat
from course import HEADING, ROOT, STARTER, lessons, read, tags
from execute import dumps, normalise
from index import BADGES, badges, colab_cell, fold

FRAMEWORKS = {"pytorch": "PyTorch", "keras": "Keras", "tensorflow": "TensorFlow"}


def starter_path(path):
    """Path of the starter edition that lies beside a project (its exercises are found from there)."""
    return path.removesuffix(".ipynb") + STARTER


def starter(nb, path):
    """The starter edition of a project's notebook; `path` is the full one's, relative to the repository."""
    sources = [cell.source if cell.cell_type == "code" else "" for cell in nb.cells]
    cells = [kept for i, cell in enumerate(nb.cells) if (kept := _cell(cell, sources[i + 1 :]))]
    new, own = nbformat.v4.new_notebook(cells=cells, metadata=nb.metadata), starter_path(path)
    new.metadata.pop("course", None)  # no outputs, so no hash of their sources
    first = cells[0]
    first.source = BADGES.sub(lambda _: badges(own), first.source)
    title, rest = first.source.split("\n", 1)
    note = (
        "**Starter edition.** Write the cells that begin with *Task* or *Your turn*, and fill in each `...`; "
        f"the worked project is [here]({Path(path).name})."
    )
    first.source = f"{title} (starter)\n\n{note}\n{rest}"
    for cell in cells:
        if "colab" in tags(cell):
            cell.source = colab_cell()
            fold(cell)
    return normalise(new)


def _cell(cell, later):
    """The cell of the starter, or None; `later` holds the sources of the cells behind it."""
    if cell.cell_type == "markdown":
        source = cell.source
        if "solution" in tags(cell):
            source = source[match.start() :] if (match := HEADING.search(source)) else ""
        return nbformat.v4.new_markdown_cell(source, metadata={}) if source else None
    source = stub(cell.source, tags(cell), later) if "solution" in tags(cell) else cell.source
    kept = [tag for tag in tags(cell) if tag not in ("solution", "nbval-check-output")]
    return nbformat.v4.new_code_cell(source, metadata={**cell.metadata, "tags": kept})


def stub(source, marks=(), later=()):
    """What a starter keeps of a worked cell: top comment, imports, signatures with docstrings, `name = ...`.

    No line is a bare `...`, which would print `Ellipsis`.
    """
    lines, tree = source.splitlines(), ast.parse(source)
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        head.append(line)
    names = " and ".join(FRAMEWORKS[mark] for mark in marks if mark in FRAMEWORKS)
    parts = ["\n".join(head) or f"# Your turn{f', in {names}' if names else ''}"]
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    parts += ["\n".join(imports)] if imports else []
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    parts += [_signature(node, lines) for node in definitions]
    results = [f"{name} = ..." for name in _results(source, later)]
    gap = "\n\n\n" if definitions else "\n"
    return gap.join([*parts, *(["\n".join(results)] if results else [])])


def _results(source, later):
    """Names that a worked cell assigns and a later cell reads, in the order of their first assignment."""
    stored = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    first = {node.id: (node.lineno, node.col_offset) for node in reversed(stored) if isinstance(node.ctx, ast.Store)}
    own = [name for name in _assigned(source) if name in first and _is_read(name, later)]
    return sorted(own, key=first.get)


def _is_read(name, later):
    """Whether one of these cells reads a global name before another one assigns it anew."""
    for source in later:
        if name in _assigned(source, definitions=True):
            return False
        if name in _globals_read(symtable.symtable(source, "cell", "exec")):
            return True
    return False


def _assigned(source, definitions=False):
    """Global names that a cell assigns; with `definitions` those of its functions, classes and imports too."""
    symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    defined = {s.get_name() for s in symbols if s.is_imported() or s.is_namespace()}
    assigned = {s.get_name() for s in symbols if s.is_assigned()}
    return assigned | defined if definitions else assigned - defined


def _globals_read(table):
    """Global names that a scope, or one inside it, reads."""
    top = table.get_type() == "module"
    own = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
    return own.union(*map(_globals_read, table.get_children()))


def _signature(node, lines):
    """The lines of a definition down to its docstring, and `...` as its body."""
    if _uses_names_in_defaults(node):
        return _without_defaults(node)
    doc, body = ast.get_docstring(node, clean=False), node.body[0]
    start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    if body.lineno == node.lineno:  # all on one line: def f(x): return x
        header = [*lines[start : node.lineno - 1], lines[node.lineno - 1][: body.col_offset].rstrip()]
    else:
        header = lines[start : body.end_lineno if doc is not None else body.lineno - 1]
        header = header if doc is not None else _without_tail(header)
    return "\n".join([*header, "    ..."])


def _uses_names_in_defaults(node):
    """Whether a default value is a name that a worked cell defines: it would stop the starter."""
    values = [*node.args.defaults, *node.args.kw_defaults] if isinstance(node, ast.FunctionDef) else []
    return any(isinstance(part, ast.Name) for value in values if value for part in ast.walk(value))


def _without_defaults(node):
    """The definition with None in place of each default that uses a name."""
    for values in (node.args.defaults, node.args.kw_defaults):
        for i, value in enumerate(values):
            if value and any(isinstance(part, ast.Name) for part in ast.walk(value)):
                values[i] = ast.Constant(None)
    doc = node.body[:1] if ast.get_docstring(node, clean=False) is not None else []
    node.body = [*doc, ast.Expr(ast.Constant(...))]
    return ast.unparse(node)


def _without_tail(lines):
    """Lines without the comments and blank lines that belong to the body."""
    while len(lines) > 1 and (not lines[-1].strip() or re.match(r"\s+(#|@)", lines[-1])):
        lines = lines[:-1]
    return lines


def generated():
    """{path: text} of the starter editions of all projects that are ready."""
    ready = [row.path for row in lessons() if row.kind == "project" and row.ready]
    return {ROOT / starter_path(path): dumps(starter(read(ROOT / path), path)) for path in ready}


def main(argv=None):
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the starter editions of the projects.")
    parser.add_argument("--check", action="store_true", help="change nothing, fail if one is old")
    args = parser.parse_args(argv)
    texts = generated()
    old = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in old:
        name = path.relative_to(ROOT).as_posix()
        if args.check:
            print(f"{name} is old: make index", file=sys.stderr)
        else:
            path.write_text(texts[path], encoding="utf-8", newline="\n")
            print(f"wrote {name}")
    return int(args.check and bool(old))


if __name__ == "__main__":
    sys.exit(main())
