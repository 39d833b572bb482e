"""Pictures and explorer of lesson 3.3: bits of each character, counting against learning, what may come next."""

import numpy as np

from utils import plot


def draw_surprise(text, bits):
    """A bar for each character, as high as it surprises -> (Figure, alt text). bits: (len(text),)."""
    fig, ax = plot.plt.subplots(figsize=(7.5, 2.6))
    ax.bar(range(len(text)), bits, color=plot.BLUE)
    ax.set_xticks(range(len(text)), ["␣" if c == " " else "↵" if c == "\n" else c for c in text])
    ax.set(ylabel="bits", title="Each character costs −log₂ of its probability")
    ax.grid(False, axis="x")
    worst = text[int(np.argmax(bits))]
    return fig, (
        f"Bars of the bits of each character of {text!r}: mean {np.mean(bits):.2f}, at most {np.max(bits):.1f} "
        f"at {worst!r}."
    )


def draw_orders(orders, bits, models=None):
    """Bits per character of n-grams against their order -> (Figure, alt text). models: {name: bits}, level lines."""
    fig, ax = plot.plt.subplots(figsize=(6.6, 3.2))
    ax.plot(orders, bits, color=plot.BLACK, marker="o", label="n-grams")
    for i, (name, level) in enumerate((models or {}).items()):
        ax.axhline(level, color=plot.COLOURS[i], linestyle=plot.LINES[i + 1], label=name)
    ax.set(xlabel="order: characters in a row that are counted", ylabel="bits per character", xticks=orders)
    best = int(np.argmin(bits))
    ax.set_title(f"Counting is best with {orders[best]} characters")
    ax.legend(fontsize=9)
    lines = "".join(f"; {name}: {level:.2f}" for name, level in (models or {}).items())
    return fig, (
        f"Bits per character of n-grams, orders {orders[0]} to {orders[-1]}: from {bits[0]:.2f} down to "
        f"{bits[best]:.2f} at order {orders[best]}, {bits[-1]:.2f} at the end{lines}."
    )


def draw_curves(curves, title, ylabel="bits per character"):
    """Loss curves on one axis -> (Figure, alt text). curves: {name: (steps (n,), values (n,))}."""
    fig, ax = plot.plt.subplots(figsize=(6.6, 3.2))
    for i, (name, (steps, values)) in enumerate(curves.items()):
        style = {"color": plot.COLOURS[i], "linestyle": plot.LINES[i % 4], "marker": plot.MARKERS[i]}
        ax.plot(steps, values, **style, markersize=4, label=name)
    ax.set(xlabel="step", ylabel=ylabel, ylim=(0, None), title=title)
    ax.legend(fontsize=9)
    ends = "; ".join(f"{name} from {values[0]:.2f} to {values[-1]:.2f}" for name, (_, values) in curves.items())
    return fig, f"Loss on the training text against steps, in {ylabel}: {ends}."


def next_tokens(predict, tokenizer, prompt, temperature=1.0, top_p=1.0):
    """Tokens that may follow, likeliest first, and their probabilities after temperature and top-p.

    predict: ids (1, T) -> logits (1, T, K). Raises ValueError for an empty prompt or a temperature that is not > 0.
    """
    if not prompt:
        raise ValueError("type at least one character")
    if temperature <= 0:
        raise ValueError(f"the temperature must be positive, got {temperature}")
    logits = np.asarray(predict(tokenizer.encode(prompt)[None]))[0, -1] / temperature
    probs = np.exp(logits - logits.max())
    probs /= probs.sum()
    order = np.argsort(-probs, kind="stable")
    before = np.cumsum(probs[order]) - probs[order]
    kept = order[before < top_p]
    return [tokenizer.decode([i]) for i in kept], probs[kept] / probs[kept].sum()


def draw_next(predict, tokenizer, prompt, temperature=1.0, top_p=1.0, ax=None):
    """Bars of the twelve likeliest next tokens -> (Figure, sentence)."""
    tokens, probs = next_tokens(predict, tokenizer, prompt, temperature, top_p)
    if ax is None:
        _, ax = plot.plt.subplots(figsize=(6.6, 3.2))
    shown = min(12, len(tokens))
    labels = [token.replace(" ", "␣").replace("\n", "↵") for token in tokens[:shown]]
    ax.barh(range(shown)[::-1], probs[:shown], color=plot.BLUE)
    ax.set_yticks(range(shown)[::-1], labels, fontsize=9)
    ax.set(xlabel="probability", xlim=(0, 1))
    end = prompt[-28:].replace("\n", "↵")
    ax.set_title(f"… {end} | what comes next?", fontsize=11)
    entropy = -(probs * np.log2(np.maximum(probs, 1e-30))).sum()
    return ax.figure, (
        f"Likeliest next tokens after {end!r} at temperature {temperature:g}, top-p {top_p:g}: "
        + ", ".join(f"{label} {p:.0%}" for label, p in list(zip(labels, probs, strict=False))[:4])
        + f"; {len(tokens)} tokens are possible, as uncertain as {2**entropy:.1f} equally likely ones."
    )


# --- the bug hunt ---------------------------------------------------------------------------------
FAULTS = {"P": (1, True, 3e-3), "Q": (0, True, 3e-3), "R": (1, True, 0.1), "S": (1, False, 3e-3), "T": (2, True, 3e-3)}


def hunt(GPT, text, steps=140, seed=0):
    """Train the five networks of the bug hunt on characters -> {name: (steps, bits), ...}, {name: what it writes}."""
    import torch
    from torch.nn import functional as F

    letters = sorted(set(text))
    ids = torch.tensor([letters.index(c) for c in text])
    curves, texts = {}, {}
    for name, (shift, causal, lr) in FAULTS.items():
        torch.manual_seed(seed)
        model = GPT(len(letters), 32, 64, 2, 1, causal=causal)
        optimizer = torch.optim.AdamW(model.parameters(), lr)
        losses = []
        for _ in range(steps):
            x = torch.randint(len(ids) - 40, (16, 1)) + torch.arange(32)
            loss = F.cross_entropy(model(ids[x]).flatten(0, 1), ids[x + shift].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item() / np.log(2))
        curves[name] = np.arange(10, steps + 1, 10), np.reshape(losses, (-1, 10)).mean(1)
        said = [letters.index(c) for c in "HAMLET.\n"]
        with torch.no_grad():
            for _ in range(50):
                probs = model(torch.tensor([said[-32:]]))[0, -1].softmax(-1)
                said.append(int(torch.multinomial(probs, 1)))
        texts[name] = "".join(letters[i] for i in said[8:])
    return curves, texts
