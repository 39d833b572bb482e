"""The byte-pair tokenizer: learning by hand, every text survives, the same tokens as `tokenizers`."""

import numpy as np
import pytest

from utils import bpe

TEXT = "the cat sat on the mat; that is that, the cat thought.\n" * 3
STRANGE = ("Zoë liest 日本 €\n\n\t x_1 don't", "", " ", "\r\n", "ééé\u200d👩‍🔬", "ABC--'tis!?")


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.BytePair.learn(TEXT, 40)


def test_first_merges_by_hand():
    tiny = bpe.BytePair.learn("abracadabra", 3)
    assert tiny.merges == [(97, 98), (114, 97), (256, 257)]  # ab, ra: two each, the smaller pair first; then abra
    assert tiny.encode("abracadabra").tolist() == [258, 99, 97, 100, 258]
    assert [tiny.decode([i]) for i in (256, 257, 258)] == ["ab", "ra", "abra"]


def test_merge_goes_from_left_to_right_without_overlap():
    assert bpe.merge([5, 5, 5], (5, 5), 9) == [9, 5] and bpe.merge([1], (1, 1), 9) == [1]


@pytest.mark.parametrize("text", [TEXT, *STRANGE])
def test_every_text_comes_back(tokenizer, text):
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int64 and tokenizer.decode(ids) == text
    assert len(ids) <= len(text.encode()) and tokenizer.encode(text).tolist() == ids.tolist()


def test_pieces_lose_nothing_and_end_merges(tokenizer):
    for text in (TEXT, *STRANGE):
        assert "".join(bpe.PIECE.findall(text)) == text
    assert not any(b" " in token[1:] or (b"\n" in token and len(token) > 1) for token in tokenizer.bytes)


def test_counts_stay_right_while_pairs_are_merged():
    """Learning keeps its counts up to date; counting everything again for each merge gives the same merges."""
    rng = np.random.default_rng(0)
    text = " ".join("".join(rng.choice(list("aab"), rng.integers(1, 9))) for _ in range(60))
    pieces, merges = [list(piece.encode()) for piece in bpe.PIECE.findall(text)], []
    while len(merges) < 25:
        counts = {}
        for piece in pieces:
            for pair in zip(piece, piece[1:], strict=False):
                counts[pair] = counts.get(pair, 0) + 1
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        pieces = [bpe.merge(piece, best, 255 + len(merges)) for piece in pieces]
    assert bpe.BytePair.learn(text, 25).merges == merges


def test_learning_ends_where_nothing_is_left():
    assert bpe.BytePair.learn("ab", 10).merges == [(97, 98)] and bpe.BytePair.learn("", 5).merges == []


def test_same_tokens_as_the_library(tokenizer):
    tokenizers = pytest.importorskip("tokenizers")
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    sign = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    spell = lambda token: "".join(sign[b] for b in tokenizer.bytes[token])
    vocabulary = {spell(token): token for token in range(len(tokenizer))}
    model = tokenizers.models.BPE(vocabulary, [(spell(a), spell(b)) for a, b in tokenizer.merges])
    theirs = tokenizers.Tokenizer(model)
    pre = tokenizers.pre_tokenizers
    split = pre.Split(tokenizers.Regex(bpe.PIECE.pattern), "isolated")
    theirs.pre_tokenizer = pre.Sequence([split, pre.ByteLevel(add_prefix_space=False, use_regex=False)])
    for text in (TEXT, *STRANGE[:4], STRANGE[5]):
        assert theirs.encode(text).ids == tokenizer.encode(text).tolist()


def test_saved_and_loaded(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "new" / "bpe.json")
    again = bpe.BytePair.load(tmp_path / "new" / "bpe.json")
    assert again.merges == tokenizer.merges and again.encode(TEXT).tolist() == tokenizer.encode(TEXT).tolist()


def test_broken_bytes_and_wrong_input(tokenizer):
    assert tokenizer.decode([0xE2, 0x82]) == "\ufffd" and tokenizer.decode([]) == ""
    with pytest.raises(IndexError, match="tokens are 0"):
        tokenizer.decode([len(tokenizer)])
    with pytest.raises(ValueError, match="only tokens below 256"):
        bpe.BytePair([(300, 1)])
    with pytest.raises(ValueError, match="listed twice"):
        bpe.BytePair([(1, 2), (1, 2)])
    assert "256 bytes and 2 merges" in repr(bpe.BytePair([(1, 2), (256, 3)]))
