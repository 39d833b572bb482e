"""The picture of an explorer: an image with alt text that also makes the controls around it accessible."""

import anywidget
import traitlets

from utils import plot

# ipywidgets gives the handles of its sliders no name, tells a screen reader the number of a choice instead of its
# text, and lets every key through to JupyterLab, where `b` adds a cell and `d d` deletes one.
_JAVASCRIPT = """
function nameControls(box) {
  for (const label of box.querySelectorAll("label")) {
    const control = label.parentElement, name = label.textContent;
    const says = control.querySelector(":scope > .widget-readout")?.textContent;
    for (const handle of control.querySelectorAll(".noUi-handle, .ui-slider-handle")) {
      handle.setAttribute("aria-label", name);
      if (says) handle.setAttribute("aria-valuetext", says);
    }
    if (!control.classList.contains("widget-toggle-buttons")) continue;
    control.setAttribute("role", "group");
    control.setAttribute("aria-label", name);
    for (const button of control.querySelectorAll("button"))
      button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
  }
}

function keepKeys(event) {
  const command = event.ctrlKey || event.metaKey || event.altKey || event.key === "Escape";
  if (!command && !(event.shiftKey && event.key === "Enter")) event.stopPropagation();
}

function render({ model, el }) {
  const image = document.createElement("img");
  image.className = "explorer-picture";
  el.append(image);
  let address = "";
  function draw() {
    const old = address;
    address = URL.createObjectURL(new Blob([model.get("value")], { type: "image/png" }));
    image.onload = () => URL.revokeObjectURL(old);
    image.src = address;
    image.alt = model.get("alt");
  }
  model.on("change:value", draw);
  draw();

  let box = null;
  const watch = new MutationObserver(() => nameControls(box));
  function settle() {  // the page puts this element into its box only after this function has returned
    box = el.closest(".explorer");
    if (!box) return el.isConnected || setTimeout(settle, 50);
    box.addEventListener("keydown", keepKeys);
    watch.observe(box, { childList: true, characterData: true, subtree: true, attributeFilter: ["class"] });
    nameControls(box);
  }
  requestAnimationFrame(settle);
  return () => { watch.disconnect(); URL.revokeObjectURL(address); };
}
export default { render };
"""
# The text beside a slider through a list may be longer than ipywidgets allows for.
_CSS = f"""
.explorer-picture {{ display: block; margin-top: 4px; {plot.CARD}; }}
.explorer .widget-readout {{ max-width: none; }}
.explorer .widget-toggle-buttons {{ display: flex; align-items: center; gap: 8px; }}
.explorer .widget-html-content {{ line-height: 1.5; }}
"""


class Picture(anywidget.AnyWidget):
    """An image under controls; set both at once: `with picture.hold_sync(): picture.alt, picture.value = …`.

    value: bytes of a PNG; alt: the sentence that a screen reader says in its place.
    """

    _esm = _JAVASCRIPT
    _css = _CSS
    value = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
