"""How exercises look: a coloured card in a notebook, plain text elsewhere, and the map of progress."""

import html
import inspect
import os
import re
import sys
import textwrap
from pathlib import Path

from utils.exercise.records import in_words

MARKS = {"solved": "✓", "attempted": "◐", "open": "○"}
VIEWED = "👁"  # the solution was looked at
PLAIN = {"✓": "[x]", "✗": "[ ]", "◐": "[~]", "○": "[ ]", "…": "...", "★": "*", "·": "-", VIEWED: "(solution viewed)"}
LEGEND = f"✓ solved  ◐ attempted  ○ open  {VIEWED} solution viewed"
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


def overview(lessons):
    """Show the map of progress: `lessons` as records.overview gives them."""
    display({"text/html": as_html(lessons), "text/plain": as_text(lessons)})


def display(bundle):
    """Show a bundle of formats in a notebook, its plain text elsewhere."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        ipython.display.display(bundle, raw=True)
    else:
        text, encoding = bundle["text/plain"], getattr(sys.stdout, "encoding", None) or "utf-8"
        for mark, plain in PLAIN.items():  # where the terminal's encoding has no such signs
            text = text if _has(encoding, mark) else text.replace(mark, plain)
        print(text.encode(encoding, "replace").decode(encoding))


def _has(encoding, mark):
    try:
        mark.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


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


def as_text(lessons):
    """The map as plain text, a line per lesson."""
    lines = [_count(lessons, "Your progress")]
    for part, members in _parts(lessons).items():
        lines += ["", _count(members, part)]
        for lesson in members:
            done = ", ".join(
                f"{MARKS[state]}{VIEWED if viewed else ''} {in_words(name)}"
                for name, (state, viewed) in lesson["exercises"].items()
            )
            lines.append(f"  {lesson['number']} {lesson['title']}: {done}")
    return "\n".join([*lines, "", LEGEND, *_next(lessons)])


def as_html(lessons):
    """The map as HTML: a table per phase, lessons as links; every mark has its word for screen readers."""
    parts = [f"<p><strong>{_count(lessons, 'Your progress')}</strong> · {LEGEND}</p>"]
    for part, members in _parts(lessons).items():
        caption = f'<caption style="text-align:left;font-weight:bold">{_count(members, part)}</caption>'
        parts.append(f"<table>{caption}{''.join(map(_row, members))}</table>")
    parts += [f"<p>{html.escape(line)}</p>" for line in _next(lessons)]
    return f'<div role="status">{"".join(parts)}</div>'


def _row(lesson):
    cells = " &ensp; ".join(
        f'<span style="white-space:nowrap;opacity:{1 if state != "open" else 0.75}">'
        f'<span role="img" aria-label="{state}" title="{state}">{MARKS[state]}</span>'
        + (f'<span role="img" aria-label="solution viewed" title="solution viewed">{VIEWED}</span>' if viewed else "")
        + f" {html.escape(in_words(name))}</span>"
        for name, (state, viewed) in lesson["exercises"].items()
    )
    link = Path(os.path.relpath(lesson["notebook"])).as_posix()
    title = f'{lesson["number"]} <a href="{html.escape(link)}">{html.escape(lesson["title"])}</a>'
    left = 'style="text-align:left"'
    return f'<tr><th scope="row" {left}>{title}</th><td {left}>{cells}</td></tr>'


def _parts(lessons):
    return {part: [le for le in lessons if le["part"] == part] for part in dict.fromkeys(le["part"] for le in lessons)}


def _count(lessons, title):
    states = [state for lesson in lessons for state, _ in lesson["exercises"].values()]
    return f"{title}: {states.count('solved')} of {len(states)} solved"


def _next(lessons):
    """One line about where to go on: the first lesson with an exercise that is not solved."""
    open_ones = [le for le in lessons if any(state != "solved" for state, _ in le["exercises"].values())]
    return [f"Go on with {open_ones[0]['number']} {open_ones[0]['title']}."] if open_ones else []
