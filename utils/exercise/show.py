"""How exercises look: a coloured card in a notebook, plain text elsewhere, and the map of progress."""

import html
import inspect
import re
import sys
import textwrap

MARKS = {"solved": "✓", "attempted": "◐", "open": "○"}
STYLES = {  # mark, words, colour of the edge: a middle tone that shows on light and on dark pages
    "solved": ("✓", "Solved", "#2e9e6b"),
    "wrong": ("✗", "Not yet", "#d9602b"),
    "open": ("…", "Not attempted yet", "#7a8699"),
    "hint": ("?", "Hint", "#3d87d6"),
}


def card(status, label, message, printed=""):
    """Show a message; `status` is a key of STYLES, `label` names the exercise, `printed` is what the code printed."""
    mark, word, colour = STYLES[status]
    text = f"{mark} {word} · {label}\n{textwrap.indent(message, '  ')}".rstrip()
    rich = f"<strong>{mark} {word}</strong> · {html.escape(label)}{'<br>' if message else ''}{inline(message)}"
    if printed.strip():
        text += "\n  Your code printed:\n" + textwrap.indent(printed.rstrip(), "  | ")
        rich += f"<details><summary>Your code printed</summary><pre>{html.escape(printed)}</pre></details>"
    style = f"border-left:0.4em solid {colour};padding:0.4em 0.8em;color:inherit"
    display({"text/html": f'<div role="status" style="{style}">{rich}</div>', "text/plain": text})


def code(text, why):
    """Show a solution, coloured in a notebook, and why it is as it is."""
    display({"text/markdown": f"```python\n{text}\n```\n\n{why}", "text/plain": f"{text}\n\n{why}"})


def overview(phases):
    """Show the map of progress: `phases` as records.overview gives it."""
    display({"text/html": as_html(phases), "text/plain": as_text(phases)})


def display(bundle):
    """Show a bundle of formats in a notebook, its plain text elsewhere."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(bundle, raw=True)
    else:
        print(bundle["text/plain"])


def inline(text):
    """Escape a text for HTML; `code` in backticks becomes code, new lines stay."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", html.escape(text)).replace("\n", "<br>")


def source(answer, name, new_name):
    """The source of a solution without decorator, renamed; `new_name = value` for what is no function or class."""
    if not (inspect.isfunction(answer) or inspect.isclass(answer)):
        return f"{new_name} = {answer!r}"
    code = textwrap.dedent(inspect.getsource(answer))
    code = code[re.search(r"^(async def|def|class) ", code, re.M).start() :]
    return re.sub(rf"\b{name}\b", new_name, code, count=1).rstrip()


def as_text(phases):
    """The overview as plain text, a line per lesson."""
    lines = [_heading([s for lesson in phases.values() for s in lesson.values()], "Your progress")]
    for phase, lessons in phases.items():
        lines += ["", _heading(lessons.values(), _title(phase))]
        for lesson, states in lessons.items():
            done = " ".join(f"{MARKS[state]} {name}" for name, state in states.items())
            lines.append(f"  {_title(lesson)}: {done}")
    return "\n".join([*lines, "", "✓ solved  ◐ attempted  ○ open"])


def as_html(phases):
    """The overview as HTML: a table per phase; every mark has its word for screen readers."""
    total = _heading([s for lesson in phases.values() for s in lesson.values()], "Your progress")
    parts = [f"<p><strong>{total}</strong> · ✓ solved ◐ attempted ○ open</p>"]
    for phase, lessons in phases.items():
        rows = "".join(_row(lesson, states) for lesson, states in lessons.items())
        caption = html.escape(_heading(lessons.values(), _title(phase)))
        parts.append(f'<table><caption style="text-align:left;font-weight:bold">{caption}</caption>{rows}</table>')
    return f'<div role="status">{"".join(parts)}</div>'


def _row(lesson, states):
    cells = " &ensp; ".join(
        f'<span title="{word}" style="white-space:nowrap;opacity:{1 if word != "open" else 0.75}">'
        f'<span role="img" aria-label="{word}">{MARKS[word]}</span> {html.escape(name)}</span>'
        for name, word in states.items()
    )
    name = html.escape(_title(lesson))
    return f'<tr><th scope="row" style="text-align:left">{name}</th><td style="text-align:left">{cells}</td></tr>'


def _heading(lessons, title):
    states = [state for lesson in lessons for state in lesson.values()]
    return f"{title}: {states.count('solved')} of {len(states)} solved"


def _title(name):
    """phase1_foundations -> Phase 1 foundations."""
    words = name.replace("/", " · ").replace("_", " ").replace("phase", "phase ")
    return words[:1].upper() + words[1:]
