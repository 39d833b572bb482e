"""A pad to draw a digit on, with mouse, finger or keys, and the model's answer beside it."""

import anywidget
import numpy as np
import traitlets

INK = 30  # a pixel above this grey value counts as drawn on
SIDE = 28  # pixels of the image that the model gets; the pad shows each as a square of SCALE × SCALE

_JAVASCRIPT = """
const SIDE = 28, SCALE = 10;
function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE * SCALE;
  canvas.tabIndex = 0;
  canvas.className = "digit-pad";
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "Drawing pad. Arrow keys move, space draws, Delete clears.");
  const clear = document.createElement("button");
  clear.textContent = "Clear";
  clear.className = "digit-pad-clear";
  const answer = document.createElement("div");
  answer.className = "digit-pad-answer";
  answer.setAttribute("role", "status");
  const pen = document.createElement("div");  // where the keyboard's pen is; filled while it is down
  pen.className = "digit-pad-pen";
  pen.hidden = true;
  const frame = document.createElement("div");
  frame.className = "digit-pad-frame";
  frame.append(canvas, pen);
  el.append(frame, clear, answer);
  const ink = canvas.getContext("2d", { willReadFrequently: true });
  let x = 14, y = 14, pressed = false;
  const small = document.createElement("canvas");
  small.width = small.height = SIDE;
  const shrunk = small.getContext("2d", { willReadFrequently: true });
  function wipe() { ink.fillStyle = "black"; ink.fillRect(0, 0, SIDE * SCALE, SIDE * SCALE); }
  function send() {
    shrunk.drawImage(canvas, 0, 0, SIDE, SIDE);
    const rgba = shrunk.getImageData(0, 0, SIDE, SIDE).data;
    const grey = new Uint8Array(SIDE * SIDE);
    for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
    model.set("pixels", new DataView(grey.buffer));
    model.save_changes();
  }
  function stroke(x0, y0, x1, y1) {
    ink.strokeStyle = "white"; ink.lineWidth = 2.2 * SCALE; ink.lineCap = "round"; ink.lineJoin = "round";
    ink.beginPath(); ink.moveTo(x0, y0); ink.lineTo(x1 + 0.01, y1); ink.stroke();
  }
  function place(event) {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }
  function showPen() {
    pen.style.left = x * SCALE + "px"; pen.style.top = y * SCALE + "px";
    pen.classList.toggle("down", pressed); pen.hidden = false;
  }
  let last = null;
  canvas.addEventListener("pointerdown", (e) => {
    canvas.setPointerCapture(e.pointerId); last = place(e); stroke(...last, ...last); pen.hidden = true;
  });
  canvas.addEventListener("focus", () => { if (!last) showPen(); });
  canvas.addEventListener("blur", () => { pen.hidden = true; });
  canvas.addEventListener("pointermove", (e) => {
    if (!last) return;
    const next = place(e); stroke(...last, ...next); last = next;
  });
  canvas.addEventListener("pointerup", () => { last = null; send(); });
  canvas.addEventListener("pointercancel", () => { last = null; send(); });
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
    if (step) {
      const nx = Math.min(27, Math.max(0, x + step[0])), ny = Math.min(27, Math.max(0, y + step[1]));
      if (pressed) stroke((x + 0.5) * SCALE, (y + 0.5) * SCALE, (nx + 0.5) * SCALE, (ny + 0.5) * SCALE);
      x = nx; y = ny;
    } else if (e.key === " ") {
      const here = [(x + 0.5) * SCALE, (y + 0.5) * SCALE];
      pressed = !pressed; stroke(...here, ...here);
    }
    else if (e.key === "Delete" || e.key === "Backspace") { wipe(); pressed = false; }
    else return;
    e.preventDefault(); e.stopPropagation(); showPen(); send();
  });
  clear.addEventListener("click", () => { wipe(); send(); });
  const show = () => { answer.textContent = model.get("answer"); };
  model.on("change:answer", show);
  wipe(); show();
}
export default { render };
"""

_STYLE = """
.digit-pad { border: 2px solid #888; border-radius: 6px; touch-action: none; cursor: crosshair; display: block; }
.digit-pad:focus { outline: 3px solid #0072B2; }
.digit-pad-frame { position: relative; width: fit-content; margin: 4px; }
.digit-pad-pen { position: absolute; box-sizing: border-box; width: 14px; height: 14px; border: 3px solid #E69F00;
  border-radius: 50%; pointer-events: none; }
.digit-pad-pen.down { background: #E69F00; }
.digit-pad-pen[hidden] { display: none; }
.digit-pad-clear { margin: 6px 0; }
.digit-pad-answer { font-family: monospace; white-space: pre; font-size: 14px; }
"""


class DigitPad(anywidget.AnyWidget):
    """Canvas whose drawing is classified after every stroke.

    classify: function image (28, 28) float32 in 0..1, centred as MNIST's digits are -> probabilities (10,).
    `answer` is the text under the pad, `image` what the classifier got.
    """

    _esm, _css = _JAVASCRIPT, _STYLE
    pixels = traitlets.Bytes(b"").tag(sync=True, from_json=lambda buffer, pad: bytes(buffer))  # a memoryview arrives
    answer = traitlets.Unicode("Draw a digit.").tag(sync=True)

    def __init__(self, classify, **kwargs):
        super().__init__(**kwargs)
        self.classify = classify
        self.observe(self._drawn, "pixels")

    @property
    def image(self):
        """The drawing as the classifier gets it: (28, 28) float32 in 0..1. Raises ValueError if there is no ink."""
        pixels = self.pixels or bytes(SIDE * SIDE)
        return centred(np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE))

    def _drawn(self, change):
        ink = np.frombuffer(self.pixels, np.uint8) > INK
        try:
            self.answer = describe(self.classify(self.image)) if ink.any() else "Draw a digit."
        except Exception as error:  # the pad stays usable: say what happened
            self.answer = f"The classifier failed: {type(error).__name__}: {error}"


def centred(image):
    """Scale the ink to 20 × 20 and put its centre of mass in the middle, as MNIST was made (LeCun et al., 1998).

    image: (28, 28) uint8, white ink on black -> (28, 28) float32 in 0..1. Raises ValueError if there is no ink.
    """
    from PIL import Image
    from scipy import ndimage

    ink = np.argwhere(image > INK)
    if not len(ink):
        raise ValueError("the image has no ink: draw something first")
    (top, left), (bottom, right) = ink.min(0), ink.max(0) + 1
    crop, scale = image[top:bottom, left:right], 20 / max(bottom - top, right - left)
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR), np.float32) / 255
    middle = np.array(ndimage.center_of_mass(small))
    corner = np.clip(np.round(SIDE / 2 - middle), 0, SIDE - np.array(small.shape)).astype(int)
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    return canvas


def describe(probs):
    """Three most likely digits with bars, as text. probs: (10,)."""
    best = np.argsort(probs)[::-1][:3]
    return "\n".join(f"{k}  {probs[k]:6.1%}  {'█' * round(20 * float(probs[k]))}" for k in best)


def draw_answer(image, probs):
    """What the model sees and what it answers -> (Figure, sentence). image: (28, 28) in 0..1; probs: (10,)."""
    import matplotlib.pyplot as plt

    from utils import plot

    fig, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.6), width_ratios=(1, 2))
    left.imshow(image, cmap="gray_r")
    left.set(title="what the model sees", xticks=(), yticks=())
    best = int(np.argmax(probs))
    right.bar(range(10), probs, color=[plot.ORANGE if k == best else plot.BLUE for k in range(10)])
    right.set(title=f"its answer: {best}", xlabel="digit", ylabel="probability", xticks=range(10), ylim=(0, 1))
    return fig, f"A drawn digit and ten bars: the model answers {best} with probability {probs[best]:.2f}."
