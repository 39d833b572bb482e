"""Explorers: sliders around a plain function that draws the picture; the same function draws the static picture.

plot.show(*perceptron.draw_boundary(x, y, w1=1.0))                    # static, with its alt text
widgets.explore(perceptron.draw_boundary, x, y, w1=(-3, 3, 0.1, 1))   # the same under sliders
"""

import contextlib
import html
import io

import ipywidgets as w

SHORT = 48  # characters of all entries of a choice that still fit in one row of buttons


def explore(draw, *data, **controls):
    """Sliders and the picture they control -> ipywidgets.VBox; moves by mouse, touch or arrow keys.

    draw: function (*data, **values) -> (Figure, sentence), as `plot.show` takes them; keep it under 200 ms.
    controls: name = (min, max, step, start) for a slider, a list for a choice (the first is the start), a bool for a
    switch, or a widget. The picture is redrawn when a slider is released, and its sentence is read out.
    Raises ValueError for a control that is none of these.
    """
    from .picture import Picture

    inputs = {name: control(name.replace("_", " "), spec) for name, spec in controls.items()}
    picture, sentence = Picture(), w.HTML(tooltip="")

    def redraw(change=None):
        values = {name: widget.value for name, widget in inputs.items()}
        try:
            with no_figure_left_open():
                figure, text = draw(*data, **values)
                image = png(figure)
        except Exception as error:  # an explorer must not die: say what happened and go on
            message = html.escape(f"{type(error).__name__}: {error}")
            sentence.value = f'<div role="alert">{message}</div>'
            return
        with picture.hold_sync():
            picture.alt, picture.value = text, image
        sentence.value = f'<div role="status">{html.escape(text)}</div>'

    for widget in inputs.values():
        widget.observe(redraw, "value")
    redraw()
    row = w.HBox(list(inputs.values()), layout=w.Layout(flex_flow="row wrap", grid_gap="4px 16px"))
    box = w.VBox([row, picture, sentence])
    box.add_class("explorer")
    box.inputs, box.picture, box.sentence = inputs, picture, sentence
    return box


def control(label, spec):
    """The widget for one entry of `explore`'s controls.

    A list becomes buttons, or a slider where they would not fit in a row: no drop-down list, whose keys JupyterLab
    takes for its own.
    """
    shared = {"description": label, "tooltip": label, "style": {"description_width": "initial"}}
    if isinstance(spec, w.Widget):
        return tidied(spec)
    if isinstance(spec, bool):
        return w.Checkbox(spec, description=label, tooltip=label, indent=False)
    if isinstance(spec, list) and spec:
        return choice(spec, shared)
    if isinstance(spec, tuple) and len(spec) == 4:
        low, high, step, start = spec
        kind = w.IntSlider if all(isinstance(v, int) for v in spec) else w.FloatSlider
        return kind(start, min=low, max=high, step=step, continuous_update=False, **shared)
    raise ValueError(f"control {label!r} is a (min, max, step, start), a list, a bool or a widget; got {spec!r}")


def choice(options, shared):
    """Buttons for a few short options, else a slider through them; numbers stand in order of size."""
    numbers = all(isinstance(option, int | float) for option in options)
    ordered = sorted(options) if numbers else options
    if sum(len(str(option)) + 4 for option in options) <= SHORT:
        shared = shared | {"style": shared["style"] | {"button_width": "auto"}}
        return w.ToggleButtons(options=ordered, value=options[0], layout=w.Layout(width="auto"), **shared)
    return tidied(w.SelectionSlider(options=ordered, value=options[0], continuous_update=False, **shared))


def tidied(widget):
    """The widget with what ipywidgets leaves out: a tooltip, and room for the longest text beside a slider."""
    if widget.has_trait("tooltip") and widget.tooltip is None:
        widget.tooltip = widget.description  # the page would show "null"
    if isinstance(widget, w.SelectionSlider) and widget.layout.width is None:
        widget.layout.width = f"calc(240px + {max(map(len, widget._options_labels))}ch)"
        widget.style.description_width = "initial"
    return widget


@contextlib.contextmanager
def no_figure_left_open():
    """Close the figures that the body opened, if it raises: the notebook would show them half drawn."""
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    try:
        yield
    except BaseException:
        for number in set(plt.get_fignums()) - before:
            plt.close(number)
        raise


def png(figure):
    """PNG bytes of a figure, which is closed; lightly compressed, because that is faster and nothing is stored."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    try:
        figure.savefig(buffer, format="png", dpi=figure.dpi, pil_kwargs={"compress_level": 1})
    finally:
        plt.close(figure)
    return buffer.getvalue()
