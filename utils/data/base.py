"""What `data.load` returns, and the fixed split into training and test examples."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

SAMPLES = Path(__file__).parent / "samples"  # the files that come with the course
TEST_SHARE = 0.2  # one example in five is a test example, unless the source has its own split


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """One data set, split into training and test examples; its arrays are read-only.

    x: images (N, H, W, C) uint8; tables (N, D) float32 or a pandas DataFrame; sequences (N, T, D) float32;
    texts a tuple of N str; a language-model corpus one str.
    y: class indices (N,) int64, or values (N,) float32 for regression, or None for a corpus.
    """

    name: str
    x_train: Any
    y_train: Any
    x_test: Any
    y_test: Any
    task: str  # "classification", "regression" or "language model"
    source: str
    licence: str
    citation: str
    classes: tuple[str, ...] = ()  # classes[i] is the name of class i; empty for regression
    feature_names: tuple[str, ...] = ()  # column names of a table
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))  # see docs/data.md
    size: str = "sample"

    def __repr__(self):
        lines = [f"Dataset {self.name} ({self.size}): {self._summary()}"]
        lines += [f"  {part:7} {text}" for part, text in self._parts()]
        return "\n".join([*lines, f"  source  {self.source} ({self.licence})"])

    def _repr_html_(self):
        rows = [*self._parts(), ("source", self.source), ("licence", self.licence), ("cite", self.citation)]
        cells = "".join(f"<tr><th>{key}</th><td>{escape(text)}</td></tr>" for key, text in rows)
        caption = f"<b>{escape(self.name)}</b> ({self.size}): {escape(self._summary())}"
        return f"<table><caption>{caption}</caption>{cells}</table>"

    def _summary(self):
        return f"{self.task}, {len(self.classes)} classes" if self.classes else self.task

    def _parts(self):
        parts = [(part, getattr(self, part)) for part in ("x_train", "y_train", "x_test", "y_test")]
        parts += [(f"extra[{key!r}]", value) for key, value in self.extra.items()]
        return [(part, describe(values)) for part, values in parts if values is not None]


def describe(values):
    """Shape and type of `values` in words, for instance '(4000, 28, 28, 1) uint8'."""
    if isinstance(values, str):
        return f"text of {len(values):,} characters"
    if isinstance(values, tuple):
        return f"{len(values):,} texts"
    if isinstance(values, np.ndarray):
        return f"{values.shape} {values.dtype}"
    return f"{values.shape} {type(values).__name__}"


def read_only(array, dtype=None):
    """The array as a C-contiguous `dtype` array that cannot be written to, nor be made writeable again."""
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array.view()  # NumPy gives a view no right that its owner does not have


def split_indices(n, labels=None, test_share=TEST_SHARE):
    """Shuffled indices (n_train,) and (n_test,) of a split that is the same on every machine.

    With `labels` (n,) each class keeps its share in both parts. RandomState is used because NumPy
    guarantees that its numbers never change from version to version.
    """
    rng = np.random.RandomState(0)  # noqa: NPY002
    labels = np.zeros(n, int) if labels is None else np.asarray(labels)
    train, test = [], []
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        n_test = round(len(members) * test_share)
        test.append(members[:n_test])
        train.append(members[n_test:])
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


def split_arrays(x, y, stratify=True):
    """x (N, ...) and y (N,) cut by `split_indices` into the four parts of a Dataset, all read-only."""
    train, test = split_indices(len(y), y if stratify else None)
    parts = {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}
    return {part: read_only(values) for part, values in parts.items()}


def unknown_name(kind, name, names):
    """The sentence that an unknown `name` gets: the nearest of the right `names`, and all of them."""
    wanted = str(name).lower().replace("-", "_").replace(" ", "_")
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"no {kind} is called {name!r}; {hint}There are: {', '.join(sorted(names))}"
