"""From text to arrays: split into tokens, number the tokens, pad sequences to one length."""

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np

PAD, UNK = "<pad>", "<unk>"  # always tokens 0 and 1
WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")  # a word, with 's or n't; or one punctuation mark


def characters(text):
    """The characters of `text` as a list of str; `"".join` undoes it."""
    return list(text)


def words(text, lower=True):
    """Words and punctuation marks of `text` as a list of str, in lower case by default."""
    return WORD.findall(text.lower() if lower else text)


class Vocabulary:
    """A numbering of tokens: token <-> index 0..len-1, where 0 is padding and 1 any unknown token."""

    def __init__(self, tokens, specials=(PAD, UNK)):
        """`tokens` are distinct str in the order of their indices, after the `specials`.

        Raises ValueError for repeated tokens, or if the specials do not begin with PAD, UNK.
        """
        self.tokens = (*specials, *tokens)
        self.specials = tuple(specials)
        self.index = {token: i for i, token in enumerate(self.tokens)}
        if self.specials[:2] != (PAD, UNK):
            raise ValueError(f"specials must begin with {PAD!r}, {UNK!r}, not {self.specials}")
        if len(self.index) < len(self.tokens):
            repeated = [token for token, count in Counter(self.tokens).items() if count > 1]
            raise ValueError(f"every token needs one index, but these appear twice: {repeated[:5]}")

    @classmethod
    def build(cls, texts, min_count=1, max_size=None, specials=(PAD, UNK)):
        """The vocabulary of `texts`, a list of token lists: frequent tokens first, ties in alphabetical order.

        Tokens seen fewer than `min_count` times are left out; `max_size` limits the length, specials included.
        Raises TypeError if the texts have not been split into tokens.
        """
        counts = Counter()
        for tokens in texts:
            if isinstance(tokens, str):
                raise TypeError("got a str where a list of tokens is expected; use words(text) or characters(text)")
            counts.update(tokens)
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        kept = [token for token in ordered if counts[token] >= min_count and token not in specials]
        return cls(kept if max_size is None else kept[: max(0, max_size - len(specials))], specials)

    def __len__(self):
        return len(self.tokens)

    def __contains__(self, token):
        return token in self.index

    def __repr__(self):
        return f"Vocabulary of {len(self)} tokens: {' '.join(map(repr, self.tokens[:8]))} ..."

    def encode(self, tokens):
        """Indices (T,) int64 of T tokens; a token that the vocabulary lacks becomes 1."""
        return np.array([self.index.get(token, 1) for token in tokens], dtype=np.int64)

    def decode(self, ids):
        """Tokens of the indices (T,), a list of str without the padding; IndexError for a foreign index."""
        ids = [int(i) for i in ids]
        wrong = [i for i in ids if not 0 <= i < len(self)]
        if wrong:
            raise IndexError(f"index {wrong[0]} is not in this vocabulary; indices are 0..{len(self) - 1}")
        return [self.tokens[i] for i in ids if i != 0]

    def save(self, path):
        """Write the vocabulary to a JSON file, in a new folder if need be."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        content = {"specials": self.specials, "tokens": self.tokens[len(self.specials) :]}
        Path(path).write_text(json.dumps(content, ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, path):
        """The vocabulary that `save` wrote."""
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls(content["tokens"], tuple(content["specials"]))


def pad(sequences, length=None):
    """B index sequences as one array: ids (B, T) int64, filled with 0, and mask (B, T) bool, True at tokens.

    T is the longest sequence, or `length`; longer sequences lose their end. Raises ValueError for no sequence.
    """
    sequences = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
    if not sequences:
        raise ValueError("pad needs at least one sequence")
    length = max(map(len, sequences)) if length is None else length
    ids = np.zeros((len(sequences), length), np.int64)
    mask = np.zeros((len(sequences), length), bool)
    for row, sequence in enumerate(sequences):
        n = min(len(sequence), length)
        ids[row, :n] = sequence[:n]
        mask[row, :n] = True
    return ids, mask
