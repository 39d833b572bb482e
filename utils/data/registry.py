"""`load` finds a data set by name and returns it as a `Dataset`; `available` shows the table of names."""

from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType

from utils.data.base import Dataset, unknown_name
from utils.data.catalogue import CATALOGUE
from utils.data.images import PHOTOS

ELSEWHERE = {  # names that people try, and where to find what they mean
    "imdb": 'data.load("movie_snippets", size="full")',
    **{name: f"data.toy.{name}()" for name in ("xor", "moons", "blobs", "spirals")},
    **{name: f'data.photo("{name}")' for name in PHOTOS},
    "photographs": 'data.photo("china"); data.photo_names() lists them',
}


def load(name, split=None, size="sample"):
    """The data set `name` as a `Dataset`; with `split` "train" or "test" just (x, y) of that part.

    `size="sample"` (default) is real data that comes with the course and never touches the network;
    `size="full"` downloads the complete set once. Raises ValueError for an unknown name, split or size,
    or if there is no full set; `DataUnavailable` if a download fails.
    """
    if name not in CATALOGUE:
        raise ValueError(_unknown(name))
    if split not in (None, "train", "test"):
        raise ValueError(f'split is {split!r}; use "train" or "test" for (x, y), None for the whole Dataset')
    if size not in ("sample", "full"):
        raise ValueError(f'size is {size!r}; use "sample" (no network) or "full" (downloaded once)')
    dataset = _own_tables(_read(name, size))
    if split is None:
        return dataset
    return getattr(dataset, f"x_{split}"), getattr(dataset, f"y_{split}")


def names():
    """Names that `load` accepts, a tuple of str."""
    return tuple(CATALOGUE)


def available():
    """All data sets as a pandas DataFrame, one row per name: task, examples, licence, what "full" gives."""
    import pandas as pd

    rows = {
        name: {
            "task": entry.task if not entry.classes else f"{len(entry.classes)} classes",
            "x": entry.x,
            "train + test": entry.sample.count,
            "full": entry.full.count if entry.full else "(complete)",
            "licence": entry.sample.licence,
        }
        for name, entry in CATALOGUE.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


@lru_cache(maxsize=16)
def _read(name, size):
    """The Dataset, read once per session: its arrays are read-only, so all callers can share them."""
    entry = CATALOGUE[name]
    version = entry.sample if size == "sample" else entry.full
    if version is None:
        raise ValueError(f'{name!r} is complete as it is; load it with data.load("{name}")')
    module, function = version.reader.split(".")
    parts = getattr(import_module(f"utils.data.{module}"), function)()
    parts["extra"] = MappingProxyType(parts.get("extra", {}))
    about = {"source": version.source, "licence": version.licence, "citation": version.citation}
    return Dataset(name=name, task=entry.task, classes=entry.classes, size=size, **about, **parts)


def _own_tables(dataset):
    """A pandas table cannot be made read-only: each caller gets a copy."""
    copies = {part: getattr(dataset, part) for part in ("x_train", "x_test")}
    return replace(dataset, **{part: x.copy() for part, x in copies.items() if hasattr(x, "iloc")})


def _unknown(name):
    if name in ELSEWHERE:
        return f"{name!r} is not a name for data.load; use {ELSEWHERE[name]}"
    return unknown_name("data set", name, CATALOGUE)
