"""Texts: a tuple of str, one per example, or one long str to learn to continue."""

import csv
import gzip
import re
import tarfile

import numpy as np

from utils.data import base, download

IMDB_URLS = (
    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    "https://d2l-data.s3-accelerate.amazonaws.com/aclImdb_v1.tar.gz",
)
IMDB_HASH = "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe"
IMDB_FILE = re.compile(r"aclImdb/(train|test)/(neg|pos)/\d+_(\d+)\.txt")  # number_rating.txt
CHAR_RNN = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
CHAR_RNN_HASH = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


def movie_snippets():
    """10,566 sentences from film reviews; y is 1 where the mean of about 20 human ratings is above 0.

    `extra["rating_train"]` and `extra["rating_test"]` (N,) float32 hold that mean, from -4 (extremely
    negative) to 4. Sentences rated exactly 0 and repeated sentences are left out.
    """
    with gzip.open(base.SAMPLES / "movie_snippets.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [(row["text"], float(row["rating"])) for row in csv.DictReader(file)]
    rating_of = {}
    for text, rating in rows:
        if rating != 0:
            rating_of.setdefault(text, rating)
    texts, ratings = tuple(rating_of), np.array(list(rating_of.values()))
    train, test = base.split_indices(len(texts), ratings > 0)
    return _reviews(
        [(texts[i], ratings[i], ratings[i] > 0) for i in train],
        [(texts[i], ratings[i], ratings[i] > 0) for i in test],
    )


def imdb():
    """The Large Movie Review Dataset: 25,000 + 25,000 whole reviews, y is 1 for a positive one.

    `extra["rating_train"]` and `extra["rating_test"]` (N,) float32 are the stars, 1 to 4 or 7 to 10.
    """
    path = download.fetch("imdb/aclImdb_v1.tar.gz", IMDB_URLS, IMDB_HASH, 84_125_825, sample="movie_snippets")
    parts = {"train": [], "test": []}
    with tarfile.open(path) as archive:  # read in memory: 50,000 small files would be slow on a disk
        for member in archive:
            found = IMDB_FILE.fullmatch(member.name)
            if found and member.isfile():
                part, sentiment, stars = found.groups()
                text = archive.extractfile(member).read().decode("utf-8")
                parts[part].append((member.name, text, float(stars), sentiment == "pos"))
    return _reviews(*([row[1:] for row in _mixed(parts[part])] for part in ("train", "test")))


def shakespeare():
    """Seven plays as one text of 917,765 characters: the first 90 % to train on, the last 10 % to test."""
    with gzip.open(base.SAMPLES / "shakespeare.txt.gz", "rt", encoding="utf-8", newline="") as file:
        return _corpus(file.read())


def tiny_shakespeare():
    """Karpathy's "tiny Shakespeare", 1,115,394 characters: the first 90 % to train on, the last 10 % to test."""
    path = download.fetch("shakespeare/input.txt", [CHAR_RNN], CHAR_RNN_HASH, 1_115_394, sample="shakespeare")
    return _corpus(path.read_bytes().decode("utf-8"))


def _mixed(rows):
    """Rows in an order that is mixed, but does not depend on the order of the files in the archive."""
    order, _ = base.split_indices(len(rows), test_share=0)
    rows = sorted(rows)
    return [rows[i] for i in order]


def _reviews(train, test):
    parts = {}
    for part, rows in (("train", train), ("test", test)):
        texts, ratings, positive = zip(*rows, strict=True)
        parts[f"x_{part}"], parts[f"y_{part}"] = texts, base.read_only(positive, np.int64)
        parts.setdefault("extra", {})[f"rating_{part}"] = base.read_only(ratings, np.float32)
    return parts


def _corpus(text):
    cut = len(text) * 9 // 10
    return {"x_train": text[:cut], "y_train": None, "x_test": text[cut:], "y_test": None}
