"""The rules that every notebook of the course keeps, as pure functions: Notebook -> list of findings (sentences).

`RULES` lists them. tests/course/test_lessons.py runs each rule on each notebook, tests/tools/test_tools.py proves that
each fires.
"""

import ast
import re
import statistics
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from course import FENCE, ROOT, Lesson, headings, tags
from execute import findings as stale_findings
from index import badges, colab_cell

LESSON = [
    "Setup", "Predict before you run", "The idea", "From scratch", "Real data", "Build", "The same function twice",
    "Train", "Explore", "Break it", "Exercises", "Recap", "Scale it up", "Further reading",
]  # fmt: skip
LEAN = [  # the anatomy since lessons have a main line and a part that goes deeper
    "Setup", "Predict before you run", "The idea", "From scratch", "Data", "Build", "Train", "Explore", "Break it",
    "Exercises", "Recap", "Going deeper", "Further reading",
]  # fmt: skip
DENSE = {  # written before that: they keep the old anatomy until they are rewritten; nothing new enters this list
    *(f"phase1_foundations/{name}.ipynb" for name in (
        "01_perceptron", "02_linear_algebra", "03_multilayer_perceptron", "04_activation_functions",
        "05_calculus_and_autograd", "06_probability_and_uncertainty", "07_loss_functions", "08_first_networks")),
    *(f"phase2_core/{name}.ipynb" for name in (
        "01_gradient_descent", "02_optimizers", "04_initialization_and_gradient_flow",
        "05_regularization", "06_normalization", "07_learning_rate_schedules", "08_data_augmentation",
        "09_hyperparameter_tuning", "10_convolutional_networks", "11_recurrent_networks")),
}  # fmt: skip
MATHS_MAY_DROP = {"Build", "The same function twice", "Train"}
PROJECT_START = ["Setup", "Brief"]
PROJECT_END = ["Rubric", "Make it yours", "Recap", "Scale it up", "Further reading"]
TAGS = {
    *("colab", "setup", "pytorch", "keras", "tensorflow", "exercise", "widget", "nbval-check-output"),
    "solution",  # left out of a project's starter edition
    "check",  # assertions that serve the suite: folded
}
TORCH = {"torch", "nn", "F", "torchvision", "torch_train", "torch_models"}
KERAS = {"keras", "tf", "tensorflow", "keras_train", "keras_models"}
MAX_KB = 400
MEDIAN_LINES, MAX_LINES = 6, 12  # of the code cells of a main line; above the maximum only classes and functions
DRAWS = {"plot.show", "plt.show", "widgets.explore"}
FAR = re.compile(r"\b(?:the cell after|the cell before last|half of the cell|both in one cell|next but one)\b", re.I)
DEEPER_MINUTES = re.compile(r"^\*(\d+) min\b[^*\n]*\*")
WIDTH = 92  # columns; ruff formats notebooks to it, see .ruff.toml in the lesson folders
ABSOLUTE = re.compile(r"(?<![\w.:/~-])/(?:home|Users|tmp|root|work|private/var)/|(?<!\w)[A-Z]:\\\\?\w")
INSTALL = re.compile(
    r"^\s*(?:!|%%bash|%%sh|%%script|%(?:pip|conda|sx|system)\b)|\b(?:pip3?|conda|apt|apt-get)\s+install\b", re.M
)
BAD_NAME = re.compile(r"net\d*|tmp\w*|my_\w+|data\d+|\w+_v\d+")
MD_LINK = re.compile(
    r"(!?)\[((?:[^\[\]]|\[[^\]]*\]|!\[[^\]]*\]\([^)]*\))*)\]\(([^()\s]*(?:\([^()]*\)[^()\s]*)*)(?:\s+\"[^\"]*\")?\)"
)
BROKEN_LINK = re.compile(r"\]\([^)\n]*\s[^)\n\"]*\)|\]\(\s*\)|\]\s\((?:https?:|\.{0,2}/)")
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
MATHS = re.compile(r"\$\$.+?\$\$|\$[^$\n]+\$", re.S)
IMPORT_NAMES = {"scikit-learn": "sklearn", "scikit-image": "skimage", "pillow": "PIL", "pytest-xdist": "xdist"}


@dataclass
class Notebook:
    """A notebook and its place in the course."""

    path: str  # relative to root, with forward slashes
    nb: nbformat.NotebookNode
    lesson: Lesson | None
    root: Path = ROOT

    @cached_property
    def cells(self):
        return self.nb.cells

    @cached_property
    def code(self):
        """[(index, cell)] of the code cells."""
        return [(i, cell) for i, cell in enumerate(self.cells) if cell.cell_type == "code"]

    @cached_property
    def prose(self):
        """[(index, source)] of the Markdown cells."""
        return [(i, cell.source) for i, cell in enumerate(self.cells) if cell.cell_type == "markdown"]

    @cached_property
    def headings(self):
        """[(cell index, level, text)]"""
        return [(i, level, text) for i, source in self.prose for level, text in headings(source)]

    @property
    def kind(self):
        return self.lesson.kind if self.lesson else "project" if self.path.startswith("projects/") else "lesson"

    def trees(self, *, without=()):
        """[(index, cell, syntax tree)] of the code cells that carry none of these tags."""
        chosen = [(i, cell) for i, cell in self.code if not set(tags(cell)) & set(without)]
        return [(i, cell, tree(cell.source)) for i, cell in chosen]

    @property
    def lean(self):
        """True for a lesson with a main line and a part *Going deeper*; projects and DENSE lessons have none."""
        return self.kind != "project" and self.path not in DENSE

    @property
    def main_line(self):
        """[(number, cell)] of the code cells between the setup and *Going deeper*, exercises left out."""
        end = self.section("Going deeper") or len(self.cells)
        numbered = [(n, i, cell) for n, (i, cell) in enumerate(self.code, 1)]
        return [(n, c) for n, i, c in numbered if i < end and not set(tags(c)) & {"colab", "setup", "exercise"}]

    def section(self, name):
        """Index of the cell with the level-2 heading `name`, or None."""
        return next((i for i, level, text in self.headings if level == 2 and starts_with(text, name)), None)


def tree(source):
    """Syntax tree of a cell without its magics; an empty one if it does not parse (ruff reports that)."""
    lines = ["pass" if re.match(r"\s*[%!?]", line) else line for line in source.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return ast.parse("")


def starts_with(heading, name):
    """True for "Train" and "Train: both frameworks", not for "Training"."""
    return bool(re.match(rf"{re.escape(name)}\b(?!-)", heading))


def names(node):
    """Names that a tree uses or imports."""
    used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            used |= {alias.name.split(".")[0] for alias in part.names}
        elif isinstance(part, ast.ImportFrom):
            used |= {(part.module or "").split(".")[0], *(alias.name for alias in part.names)}
    return used


def calls(node):
    """Dotted names of what a tree calls: "parity.assert_same", "check"."""
    found = [part.func for part in ast.walk(node) if isinstance(part, ast.Call)]
    return [ast.unparse(func) for func in found if isinstance(func, ast.Name | ast.Attribute)]


# --- structure ------------------------------------------------------------------------------------
def title(book):
    """First cell: `# 1.1 The perceptron`, promise, minutes, prerequisites, three things to be able to do."""
    first = book.cells[0].source if book.prose and book.prose[0][0] == 0 else ""
    found = []
    if book.lesson is None:
        return [f"{book.path} is not in docs/course.toml: add a row there"]
    separator = ": " if book.kind == "project" else " "
    heading = f"{book.lesson.number}{separator}{book.lesson.title}"
    if headings(first)[:1] != [(1, heading)]:
        found.append(f"the first cell must begin with `# {heading}`, as docs/course.toml says")
    if sum(level == 1 for _, level, _ in book.headings) != 1:
        found.append("there must be exactly one heading of level 1")
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", first)]
    promise = paragraphs[1] if len(paragraphs) > 1 else ""
    if len(promise) < 40 or promise.startswith(("[", "!", "*", "-", "#")) or promise[-1] not in ".?!":
        found.append("the paragraph below the title must be the promise: one sentence")
    found += [f"the first cell lacks **{word}**" for word in ("Minutes", "Prerequisites") if f"**{word}" not in first]
    able = re.split(r"you will be able to", first, flags=re.I)
    if len(able) != 2 or len(re.findall(r"^\s*[-*] \S", able[1], re.M)) != 3:
        found.append('the first cell needs "You will be able to" and exactly three bullets')
    return found


def badge_line(book):
    """The badges open this notebook."""
    if badges(book.path) not in book.cells[0].source.splitlines():
        return ["the badges of the first cell are not those of this place: make index"]
    return []


def sections(book):
    """The level-2 headings are those of the anatomy, in order."""
    got = [text for _, level, text in book.headings if level == 2]
    if book.kind == "project":
        milestones = [text for text in got if text.startswith("Milestone ")]
        if len(milestones) < 3:
            return [f"a project has at least three milestones, this one has {len(milestones)}"]
        wanted = PROJECT_START + [f"Milestone {n}" for n in range(1, len(milestones) + 1)] + PROJECT_END
    else:
        dropped = {name for name in MATHS_MAY_DROP if not any(starts_with(text, name) for text in got)}
        order = LEAN if book.lean else LESSON
        wanted = [name for name in order if not (book.kind == "maths" and name in dropped)]
        got = [re.sub(r"^Real data\b", "Data", text) for text in got] if book.lean else got
    for position, name in enumerate(wanted):
        if position >= len(got):
            return [f"the section `## {name}` is missing at the end"]
        if not starts_with(got[position], name):
            return [f"section {position + 1} must start with `## {name}`, but it is `## {got[position]}`"]
    return [f"`## {text}` is one section too many" for text in got[len(wanted) :]]


def heading_levels(book):
    """Heading levels never skip: after ## comes at most ###."""
    levels = [(level, text) for _, level, text in book.headings]
    pairs = zip(levels, levels[1:], strict=False)
    return [f"`{text}` jumps from level {a} to level {b}" for (a, _), (b, text) in pairs if b > a + 1]


def code_width(book):
    """Code has at most 92 columns, so that no cell scrolls sideways at 1280 pixels, and no cell is empty."""
    found = []
    for n, (_, cell) in enumerate(book.code, 1):
        found += [f"code cell {n} is empty"] if not cell.source.strip() else []
        wide = [line for line in cell.source.splitlines() if len(line) > WIDTH]
        found += [f"code cell {n} has {len(line)} columns, at most {WIDTH}: {line.strip()[:60]}…" for line in wide]
    return found


# --- the main line --------------------------------------------------------------------------------
def short_cells(book):
    """Main line: code cells have a median of at most 6 lines; above 12 lines only a class or a function."""
    if not book.lean:
        return []
    lines = {n: len([line for line in cell.source.splitlines() if line.strip()]) for n, cell in book.main_line}
    plain = [lines[n] for n, cell in book.main_line if "check" not in tags(cell)]
    found = []
    if plain and statistics.median(plain) > MEDIAN_LINES:
        found.append(f"the median of the code cells is {statistics.median(plain):g} lines, at most {MEDIAN_LINES}")
    for n, cell in book.main_line:
        only_definitions = all(isinstance(part, ast.FunctionDef | ast.ClassDef) for part in tree(cell.source).body)
        if lines[n] > MAX_LINES and not only_definitions:
            found.append(f"code cell {n} has {lines[n]} lines, at most {MAX_LINES} unless it is a class or a function")
    return found


def one_job(book):
    """Main line: no cell both asserts and draws."""
    found = []
    for n, cell in book.main_line if book.lean else []:
        node = tree(cell.source)
        asserts = any(isinstance(part, ast.Assert) for part in ast.walk(node))
        if asserts and DRAWS & set(calls(node)):
            found.append(f"code cell {n} asserts and draws: two cells, the second tagged check")
    return found


def check_cells(book):
    """A cell tagged check asserts, begins with `# @title Check: what is proved`, and is folded (make index)."""
    found = []
    for n, (_, cell) in enumerate(book.code, 1):
        if "check" not in tags(cell):
            continue
        if not re.match(r"# @title Check: \S", cell.source):
            found.append(f"code cell {n} is tagged check: begin it with `# @title Check: what it proves`")
        node = tree(cell.source)
        asserts = any(isinstance(part, ast.Assert) for part in ast.walk(node))
        if not asserts and not any("assert_" in call for call in calls(node)):
            found.append(f"code cell {n} is tagged check, but asserts nothing")
        if cell.metadata.get("cellView") != "form" or not cell.metadata.get("jupyter", {}).get("source_hidden"):
            found.append(f"code cell {n} is tagged check, but not folded: make index")
    return found


def empty_guess(book):
    """The guess of *Predict before you run* is empty and has a cell of its own."""
    if not book.lean:
        return []
    begin = book.section("Predict before you run") or 0
    end = book.section("The idea") or len(book.cells)
    guesses = [tree(cell.source).body for i, cell in book.code if begin < i < end and "guess =" in cell.source]
    if not guesses:
        return ['ask for a guess in a cell of its own: guess = ""  # "a", "b" or "c"']
    alone = len(guesses[0]) == 1 and isinstance(guesses[0][0], ast.Assign)
    empty = alone and isinstance(guesses[0][0].value, ast.Constant) and guesses[0][0].value.value in ("", None)
    return [] if empty else ['the guess must be empty, `guess = ""` or None, and alone in its cell']


def near_text(book):
    """Lean lessons: no text about a distant cell; a paragraph that ends in a colon stands before what it announces."""
    found = []
    for i, source in book.prose if book.lean else []:
        found += [f"cell {i + 1} speaks of a distant cell: {part!r}" for part in FAR.findall(source)]
        parts = [part for part in re.split(r"\n\s*\n", source.strip()) if part]
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            last = following is None and i + 1 < len(book.cells) and book.cells[i + 1].cell_type == "code"
            announced = following is not None and re.match(r"\s*(?:\$\$|[-*|>] ?|\d+[.·] |```|\*\*\d|!\[|<)", following)
            if part.rstrip().endswith(":") and not last and not announced:
                found.append(f"a paragraph of cell {i + 1} ends in a colon before something else: …{part[-50:]!r}")
    return found


def deeper_minutes(book):
    """Each part of *Going deeper* says its minutes at its beginning: *12 min.*"""
    begin, end = book.section("Going deeper"), book.section("Further reading")
    if not book.lean or begin is None:
        return []
    text = "\n\n".join(source for i, source in book.prose if begin <= i < (end or len(book.cells)))
    text = re.split(r"^## Going deeper.*$", text, flags=re.M)[-1]
    found = []
    for part in re.split(r"^### ", text, flags=re.M)[1:]:
        heading, _, rest = part.partition("\n")
        if not DEEPER_MINUTES.match(rest.strip()):
            found.append(f"`### {heading}` must begin with its time, for example *12 min.*")
    return found


def numbered_lists(book):
    """Each item of a numbered list begins a line of its own."""
    found = []
    for i, source in book.prose:
        for part in re.split(r"\n\s*\n", FENCE.sub("", source)):
            if re.match(r"1\. ", part) and re.search(r"[.?!;:)] [2-9]\. \S", MATHS.sub("x", part)):
                found.append(f"a numbered list of cell {i + 1} runs together: {part[:60]!r}…")
    return found


# --- cells ----------------------------------------------------------------------------------------
def first_cells(book):
    """First code cell: Colab, as generated; second: setup, with the imports that the exercises need."""
    sources = [cell for _, cell in book.code[:2]]
    if len(sources) < 2:
        return ["there must be a Colab cell and a setup cell"]
    found = []
    if "colab" not in tags(sources[0]) or sources[0].source != colab_cell():
        found.append("the first code cell must be the generated one, tagged colab: make index")
    if "setup" not in tags(sources[1]):
        found.append("the second code cell must be tagged setup")
    rest = [(n, cell) for n, (_, cell) in enumerate(book.code[2:], 3) if "tensorflow" not in tags(cell)]
    later = [n for n, cell in rest if _imports_a_module_of_the_lesson(tree(cell.source))]
    found += [f"code cell {n} imports what an exercise may need: move the import to the setup cell" for n in later]
    return found + _start_order(tree(sources[1].source))


def _imports_a_module_of_the_lesson(node):
    """True for `from explorers import ...`, `import torch` and the like outside functions."""
    plain = [part for part in node.body if isinstance(part, ast.Import | ast.ImportFrom)]
    return any(names(part) & (TORCH | KERAS | {"explorers", "exercises", "utils", "numpy"}) for part in plain)


def _start_order(node):
    """runtime.start comes before Keras: TensorFlow before PyTorch's Triton can end the process."""
    started = [n for n, part in enumerate(node.body) if "runtime.start" in calls(part)]
    if not started:
        return ["the setup cell does not call runtime.start"]
    early = set().union(*(names(part) for part in node.body[: started[0]])) & KERAS
    return [f"{', '.join(sorted(early))} is imported before runtime.start: move it below"] if early else []


def known_tags(book):
    """No tag that hides a failure (raises-exception, nbval-skip …) or that nobody knows."""
    found = [(n, tag) for n, cell in enumerate(book.cells, 1) for tag in tags(cell) if tag not in TAGS]
    markers = [
        n for n, (_, cell) in enumerate(book.code, 1) if re.search(r"^\s*#\s*(NBVAL_|PYTEST_)", cell.source, re.M)
    ]
    return [f"cell {n} has the tag {tag!r}; known are {', '.join(sorted(TAGS))}" for n, tag in found] + [
        f"code cell {n} has an nbval comment: use the tag nbval-check-output" for n in markers
    ]


def pairs(book):
    """One or more PyTorch cells are followed by their Keras (or TensorFlow) cells, and Keras cells stand below them."""
    found, cells = [], [set(tags(cell)) - {"nbval-check-output", "widget", "solution"} for _, cell in book.code]
    other = {"keras", "tensorflow"}
    for n, own in enumerate(cells):
        before, after = cells[n - 1] if n else set(), cells[n + 1] if n + 1 < len(cells) else set()
        if "pytorch" in own and not own & other and not after & (other | {"pytorch"}):
            found.append(f"code cell {n + 1} is tagged pytorch, but the next code cell is not its keras cell")
        if "keras" in own and "pytorch" not in own and not before & (other | {"pytorch"}):
            found.append(f"code cell {n + 1} is tagged keras, but the code cell before it is not its pytorch cell")
    return found


def framework_tags(book):
    """A cell that uses one framework only says so in its tags."""
    found = []
    for n, (_, cell, node) in enumerate(book.trees(without=("colab",)), 2):
        if set(tags(cell)) & {"setup", "exercise"}:
            continue
        used, own = names(node), set(tags(cell))
        if used & TORCH and not used & KERAS and "pytorch" not in own:
            found.append(f"code cell {n} uses only PyTorch ({', '.join(sorted(used & TORCH))}): tag it pytorch")
        if used & KERAS and not used & TORCH and not own & {"keras", "tensorflow"}:
            found.append(f"code cell {n} uses only Keras ({', '.join(sorted(used & KERAS))}): tag it keras")
    return found


def parity_asserted(book):
    """The two frameworks are proved equal: a call of parity.assert_…"""
    if book.kind == "maths" or any(
        call.startswith("parity.assert_") for *_, node in book.trees() for call in calls(node)
    ):
        return []
    return ["no parity assertion: parity.assert_same(model_torch, model_keras, x)"]


def learning_asserted(book):
    """What the lesson claims is asserted with a comparison, in or after Train (projects: after Milestone 1)."""
    start = {"maths": "Setup", "project": "Milestone 1"}.get(book.kind, "Train")
    begin = book.section(start) or 0
    for i, _, node in book.trees():
        asserts = [part.test for part in ast.walk(node) if isinstance(part, ast.Assert)]
        if i > begin and any(isinstance(part, ast.Compare) for test in asserts for part in ast.walk(test)):
            return []
    return [f"no learning assertion after `## {start}`: assert accuracy > baseline + 0.05"]


def exercises(book):
    """At least three exercises are checked."""
    n = sum(call.endswith(".check") for *_, node in book.trees() for call in calls(node))
    return [] if n >= 3 else [f"{n} exercises are checked, at least 3 are needed: ex.Name().check(answer)"]


def milestones(book):
    """A project has a self-check in every milestone, and a rubric with four levels."""
    if book.kind != "project":
        return []
    marks = [(i, text) for i, level, text in book.headings if level == 2]
    found = []
    for (begin, text), (end, _) in zip(marks, marks[1:], strict=False):
        checked = any(begin < i < end and ".check(" in cell.source for i, cell in book.code)
        if text.startswith("Milestone") and not checked:
            found.append(f"`{text}` has no self-check")
        if text.startswith("Rubric") and not re.search(r"^\|[^|\n]*(\|[^|\n]+){4}\|$", book.cells[begin].source, re.M):
            found.append("the rubric needs a table with one column for the criterion and four for the levels")
    return found


def no_install(book):
    """Nothing is installed and no shell is used outside the Colab cell."""
    cells = [(n, cell) for n, (_, cell) in enumerate(book.code, 1) if "colab" not in tags(cell)]
    return [f"code cell {n} installs something or calls a shell" for n, cell in cells if INSTALL.search(cell.source)]


def imports(book):
    """Notebooks import declared libraries, utils modules and their own phase's exercises; no star import."""
    allowed = declared_imports(book.root) | {"utils", "exercises", "explorers"} | set(sys.stdlib_module_names)
    found = []
    for _, _, node in book.trees():
        for part in ast.walk(node):
            if isinstance(part, ast.ImportFrom):
                found += _from_import(part, book.root, book.path)
            modules = [alias.name for alias in part.names] if isinstance(part, ast.Import) else []
            modules += [part.module or ""] if isinstance(part, ast.ImportFrom) else []
            strange = [module for module in modules if module.split(".")[0] not in allowed]
            found += [f"imports {module!r}, which requirements.txt does not declare" for module in strange]
    return found


def _from_import(part, root, place):
    if any(alias.name == "*" for alias in part.names):
        return [f"star import from {part.module}"]
    if part.module in ("explorers", "exercises"):
        own = (root / place).parent / part.module
        strange = [a.name for a in part.names if own.is_dir() and not (own / f"{a.name}.py").exists()]
        return [f"imports {name!r}, which is not among the {part.module} of its own folder" for name in strange]
    if part.level or not (part.module or "").startswith("utils"):
        return []
    folder = root / part.module.replace(".", "/")
    single = [a.name for a in part.names if not (folder / f"{a.name}.py").exists() and not (folder / a.name).is_dir()]
    return [f"imports the name {name!r} from {part.module}: import the module instead" for name in single]


def declared_imports(root=ROOT):
    """Import names of what requirements.txt lists."""
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    dists = [re.match(r"[A-Za-z0-9._-]+", line)[0] for line in lines if re.match(r"[A-Za-z]", line)]
    return {IMPORT_NAMES.get(dist.lower(), dist.replace("-", "_")) for dist in dists} | {"IPython"}


def good_names(book):
    """No `net`, `tmp`, `my_…`, `data2`, `…_v1`: names of the field."""
    bad = {}
    for _, _, node in book.trees(without=("colab",)):
        for part in ast.walk(node):
            name = part.id if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store) else None
            name = part.name if isinstance(part, ast.FunctionDef | ast.ClassDef) else name
            if name and BAD_NAME.fullmatch(name):
                bad[name] = True
    return [f"the name {name!r} says nothing: use the field's term" for name in bad]


# --- outputs --------------------------------------------------------------------------------------
def outputs(book):
    """Outputs are fresh, in order, without errors."""
    found = []
    counts = [cell.execution_count for _, cell in book.code]
    if counts != list(range(1, len(counts) + 1)):
        found.append("the cells were not run once, in order: make execute")
    for n, (_, cell) in enumerate(book.code, 1):
        kinds = {out.output_type for out in cell.outputs} | {out.get("name") for out in cell.outputs}
        found += [f"code cell {n} holds an {kind}" for kind in ("error", "stderr") if kind in kinds]
    return found


def fresh(book):
    """The file is normalised, its outputs are of its present sources, and it has at most 400 kB."""
    path = book.root / book.path
    found = stale_findings(path)
    kb = path.stat().st_size / 1000
    return found + ([f"{kb:.0f} kB, at most {MAX_KB}: fewer or smaller figures"] if kb > MAX_KB else [])


def alt_text(book):
    """Every picture has a text of at least 30 characters for those who cannot see it."""
    found = []
    for n, (_, cell) in enumerate(book.code, 1):
        for data in [out.data for out in cell.outputs if "data" in out]:
            images = re.findall(r"<img\b[^>]*>", data.get("text/html", ""))
            mute = [html for html in images if not re.search(r"\balt=\"[^\"]{30,}\"", html)]
            if mute or any(kind.startswith("image/") for kind in data):  # JupyterLab gives those no alt text
                found.append(f"a picture of code cell {n} has no alt text: plot.show(fig, alt=...)")
    for i, source in book.prose:
        text = without_code(source)
        bare = [link for bang, alt, link in MD_LINK.findall(text) if bang and len(alt.strip()) < 5]
        bare += [html for html in re.findall(r"<img\b[^>]*>", text) if not re.search(r"\balt=[\"'][^\"']{5,}", html)]
        found += [f"a picture of cell {i + 1} has no alt text: {link}" for link in bare]
    return found


def no_local_path(book):
    """No absolute path of a machine in sources or outputs."""
    found = []
    for n, cell in enumerate(book.cells, 1):
        texts = [] if "colab" in tags(cell) else [cell.source]
        for out in cell.get("outputs", []):
            texts += [out.get("text", ""), *out.get("traceback", [])]
            data = {k: str(v) for k, v in out.get("data", {}).items() if not k.startswith("image/")}
            texts += [re.sub(r"data:image/[^\"]*", "", value) for value in data.values()]
        matches = {match[0] for text in texts for match in ABSOLUTE.finditer(text)}
        found += [f"cell {n} holds the absolute path {match}…" for match in sorted(matches)]
    return found


# --- links ----------------------------------------------------------------------------------------
def links(book):
    """Every link is well-formed; relative ones, anchors included, exist."""
    anchors = {anchor for _, _, text in book.headings for anchor in slugs(text)}
    text = "\n\n".join(source for _, source in book.prose)
    return link_findings(text, (book.root / book.path).parent, book.root, anchors)


def without_code(text):
    """Markdown without code blocks and inline code."""
    return INLINE_CODE.sub(" ", FENCE.sub(" ", text))


def link_findings(text, folder, root, anchors):
    """Findings about the links of a Markdown text that lies in `folder`."""
    text = without_code(text)
    broken = [f"malformed link near {match[0]!r}" for match in BROKEN_LINK.finditer(MATHS.sub(" ", text))]
    targets = [target for _, _, target in MD_LINK.findall(text)]
    targets += [target for _, label, _ in MD_LINK.findall(text) for _, _, target in MD_LINK.findall(label)]
    targets += re.findall(r"\b(?:href|src)=[\"']([^\"']*)[\"']", text)
    return broken + [finding for target in targets for finding in _link(target, folder, root, anchors)]


def _link(target, folder, root, anchors):
    parts = urlsplit(target)
    if parts.scheme in ("http", "https"):
        good = re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", parts.netloc) and "[" not in target
        return [] if good else [f"malformed address {target!r}"]
    if parts.scheme == "mailto":
        return []
    if parts.scheme or parts.netloc or target.startswith("/") or not target:
        return [f"link {target!r} is neither http(s) nor relative"]
    path = (folder / unquote(parts.path)).resolve() if parts.path else None
    if path and (not path.exists() or not path.is_relative_to(root.resolve())):
        return [f"link {target!r} leads nowhere"]
    known = anchors if path is None else file_anchors(path)
    fragment = unquote(parts.fragment)
    if fragment and path and path.suffix == ".md":  # JupyterLab finds headings of the same file only
        return [f"link {target!r} works on GitHub only: link the page and name the section"]
    return [f"no heading for the anchor {target!r}"] if fragment and known is not None and fragment not in known else []


def file_anchors(path):
    """Anchors of a Markdown file or notebook; None where anchors cannot be known."""
    if path.suffix == ".md":
        texts = [path.read_text(encoding="utf-8")]
    elif path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    else:
        return None
    return {anchor for text in texts for _, heading in headings(text) for anchor in slugs(heading)}


def slugs(heading):
    """Anchors of a heading: GitHub's (lower case, no punctuation) and Jupyter's (spaces become hyphens)."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return {re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-"), plain.replace(" ", "-")}


# --- the import rules of utils --------------------------------------------------------------------
def utils_import_findings(name, source):
    """Findings for one module of utils: which framework it imports where. `name` is the file's stem."""
    node = ast.parse(source)
    top = set().union(*(names(part) for part in node.body if not _is_definition(part))) if node.body else set()
    anywhere = {n for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom) for n in names(part)}
    torch, keras = {"torch", "torchvision"}, {"keras", "tensorflow"}
    found = [f"imports {module}" for module in ("tests", "tools", "exercises", "explorers") if module in anywhere]
    if name.startswith("torch_"):
        return found + [f"imports {module}, but is a PyTorch module" for module in sorted(anywhere & keras)]
    if name.startswith("keras_"):
        return found + [f"imports {module}, but is a Keras module" for module in sorted(anywhere & torch)]
    if name.startswith("parity"):
        return found
    heavy = {module for module in top & anywhere if module in torch | keras or re.match(r"(torch|keras)_", module)}
    return found + [f"imports {module} at top level: import it inside the function" for module in sorted(heavy)]


def import_circles(paths, root):
    """Modules that import one another in a circle, inside functions included: list of "a -> b -> a"."""
    dotted = lambda path: ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    known = {dotted(path): path for path in paths}
    graph = {
        name: _imported(ast.parse(path.read_text(encoding="utf-8")), known) - {name} for name, path in known.items()
    }
    found, done = [], set()

    def walk(name, trail):
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for other in sorted(graph[name]):
                walk(other, [*trail, name])
            done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return found


def _imported(node, known):
    """Dotted names of the known modules that a tree imports; a package counts only where itself is meant."""
    modules = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            modules |= {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom) and part.module and not part.level:
            inner = {f"{part.module}.{alias.name}" for alias in part.names} & set(known)
            modules |= inner or {part.module}
    return modules & set(known)


def _is_definition(part):
    return isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


STRUCTURE = [title, badge_line, sections, heading_levels, first_cells, known_tags, pairs, framework_tags]
CONTENT = [
    parity_asserted,
    learning_asserted,
    exercises,
    milestones,
    no_install,
    imports,
    good_names,
    code_width,
    short_cells,
    one_job,
    check_cells,
    empty_guess,
    near_text,
    deeper_minutes,
    numbered_lists,
    links,
]
FINISHED = [outputs, fresh, alt_text, no_local_path]  # a lesson that is being written need not pass these yet
RULES = STRUCTURE + CONTENT + FINISHED
