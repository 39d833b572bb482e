"""Explorers: sliders around a plain function that draws the picture; the same function draws the static picture.

plot.show(*perceptron.draw_boundary(x, y, w1=1.0))                    # static, with its alt text
widgets.explore(perceptron.draw_boundary, x, y, w1=(-3, 3, 0.1, 1))   # the same under sliders
"""

import html
import io

import ipywidgets as w


def explore(draw, *data, **controls):
    """Sliders and the picture they control -> ipywidgets.VBox; moves by mouse, touch or arrow keys.

    draw: function (*data, **values) -> (Figure, sentence), as `plot.show` takes them; keep it under 200 ms.
    controls: name = (min, max, step, start) for a slider, a list for a choice (the first is the start), a bool for a
    switch, or a widget. The picture is redrawn when a slider is released, and its sentence is read out.
    Raises ValueError for a control that is none of these.
    """
    inputs = {name: control(name.replace("_", " "), spec) for name, spec in controls.items()}
    picture, sentence = w.Image(format="png", layout=w.Layout(align_self="flex-start", max_width="100%")), w.HTML()

    def redraw(change=None):
        values = {name: widget.value for name, widget in inputs.items()}
        try:
            figure, text = draw(*data, **values)
            picture.value, sentence.value = png(figure), f'<div role="status">{html.escape(text)}</div>'
        except Exception as error:  # an explorer must not die: say what happened and go on
            message = html.escape(f"{type(error).__name__}: {error}")
            sentence.value = f'<div role="alert">{message}</div>'

    for widget in inputs.values():
        widget.observe(redraw, "value")
    redraw()
    box = w.VBox([w.HBox(list(inputs.values()), layout=w.Layout(flex_flow="row wrap")), picture, sentence])
    box.inputs, box.picture, box.sentence = inputs, picture, sentence
    return box


def control(label, spec):
    """The widget for one entry of `explore`'s controls."""
    style = {"description_width": "initial"}
    if isinstance(spec, w.Widget):
        return spec
    if isinstance(spec, bool):
        return w.Checkbox(spec, description=label, indent=False)
    if isinstance(spec, list):
        return w.Dropdown(options=spec, value=spec[0], description=label, style=style)
    if isinstance(spec, tuple) and len(spec) == 4:
        low, high, step, start = spec
        kind = w.IntSlider if all(isinstance(v, int) for v in spec) else w.FloatSlider
        return kind(start, min=low, max=high, step=step, description=label, continuous_update=False, style=style)
    raise ValueError(f"control {label!r} is a (min, max, step, start), a list, a bool or a widget; got {spec!r}")


def png(figure):
    """PNG bytes of a figure, which is closed; lightly compressed, because that is faster and nothing is stored."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=figure.dpi, pil_kwargs={"compress_level": 1})
    plt.close(figure)
    return buffer.getvalue()
