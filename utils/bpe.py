"""A byte-pair tokenizer as lesson 3.3 builds it: 256 bytes, and every merge adds one token (Sennrich et al., 2016)."""

import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np

PIECE = re.compile(r" ?\w+| ?[^\w\s]+|\s")  # a word or a run of marks, each with the space before it; other whitespace


class BytePair:
    """Text <-> whole numbers 0..len-1: a byte is its own number, merge i makes the token 256 + i.

    Every text can be encoded, and `decode(encode(text)) == text`. Merges do not cross the borders of `PIECE`.
    """

    def __init__(self, merges=()):
        """`merges` is a list of pairs of tokens in the order in which they were learnt.

        Raises ValueError for a pair that repeats, or that joins a token which does not exist yet.
        """
        self.merges = [(int(a), int(b)) for a, b in merges]
        self.rank = {pair: i for i, pair in enumerate(self.merges)}
        self.bytes = [bytes([i]) for i in range(256)]
        for a, b in self.merges:
            if not (0 <= a < len(self) and 0 <= b < len(self)):
                raise ValueError(f"merge {len(self) - 256} joins {a} and {b}, but only tokens below {len(self)} exist")
            self.bytes.append(self.bytes[a] + self.bytes[b])
        if len(self.rank) < len(self.merges):
            raise ValueError("every pair can be merged once, but some pair is listed twice")
        self._known = {}  # pieces that were encoded before

    @classmethod
    def learn(cls, text, n_merges):
        """Merge the most frequent pair of neighbours, `n_merges` times; ties go to the smaller pair of numbers.

        Learns fewer merges if no pair is left that occurs at all.
        """
        counts = Counter(PIECE.findall(text))
        pieces = [list(piece.encode()) for piece in counts]
        times = list(counts.values())
        pairs, where = Counter(), defaultdict(set)
        for i, piece in enumerate(pieces):
            for pair in zip(piece, piece[1:], strict=False):
                pairs[pair] += times[i]
                where[pair].add(i)
        merges = []
        while pairs and len(merges) < n_merges:
            most = max(pairs.values())
            best = min(pair for pair, count in pairs.items() if count == most)
            merges.append(best)
            for i in where.pop(best):
                old, pieces[i] = pieces[i], merge(pieces[i], best, 255 + len(merges))
                for pair in zip(old, old[1:], strict=False):
                    pairs[pair] -= times[i]
                for pair in zip(pieces[i], pieces[i][1:], strict=False):
                    pairs[pair] += times[i]
                    where[pair].add(i)
            pairs = +pairs  # drops what no longer occurs
        return cls(merges)

    def __len__(self):
        return len(self.bytes)

    def __repr__(self):
        return f"BytePair of {len(self)} tokens: 256 bytes and {len(self.merges)} merges"

    def encode(self, text):
        """Tokens (T,) int64 of `text`: in each piece the merge that was learnt first goes first."""
        ids = []
        for piece in PIECE.findall(text):
            if piece not in self._known:
                self._known[piece] = self._encode_piece(piece)
            ids += self._known[piece]
        return np.array(ids, dtype=np.int64)

    def decode(self, ids):
        """The text of tokens (T,); bytes that are no whole character become U+FFFD. IndexError for a foreign token."""
        ids = [int(i) for i in ids]
        wrong = [i for i in ids if not 0 <= i < len(self)]
        if wrong:
            raise IndexError(f"token {wrong[0]} is not in this vocabulary; tokens are 0..{len(self) - 1}")
        return b"".join(self.bytes[i] for i in ids).decode("utf-8", errors="replace")

    def _encode_piece(self, piece):
        ids = list(piece.encode())
        while len(ids) > 1:
            pair = min(zip(ids, ids[1:], strict=False), key=lambda pair: self.rank.get(pair, len(self)))
            if pair not in self.rank:
                break
            ids = merge(ids, pair, 256 + self.rank[pair])
        return ids

    def save(self, path):
        """Write the merges to a JSON file, in a new folder if need be."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps({"merges": self.merges}), encoding="utf-8")

    @classmethod
    def load(cls, path):
        """The tokenizer that `save` wrote."""
        return cls(json.loads(Path(path).read_text(encoding="utf-8"))["merges"])


def merge(ids, pair, new):
    """`ids` with every occurrence of `pair`, from left to right, replaced by the token `new`."""
    merged, i = [], 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged
