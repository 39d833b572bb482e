"""Tokens, vocabularies and padding."""

import json

import numpy as np
import pytest

from utils import text


def test_words_keep_apostrophes_and_split_punctuation():
    assert text.words("It isn't bad, honestly!") == ["it", "isn't", "bad", ",", "honestly", "!"]
    assert text.words("Élan VITAL", lower=False) == ["Élan", "VITAL"]
    assert text.words("  \n ") == []


def test_characters_join_back():
    line = "To be,\nor not — to be"
    assert "".join(text.characters(line)) == line


def test_build_orders_by_frequency_then_alphabet():
    vocabulary = text.Vocabulary.build([["b", "a", "c"], ["c", "a"], ["c"]])
    assert vocabulary.tokens == ("<pad>", "<unk>", "c", "a", "b")
    assert "b" in vocabulary and "z" not in vocabulary


def test_build_applies_min_count_and_max_size():
    texts = [["a", "a", "a", "b", "b", "c"]]
    assert text.Vocabulary.build(texts, min_count=2).tokens[2:] == ("a", "b")
    assert text.Vocabulary.build(texts, max_size=3).tokens == ("<pad>", "<unk>", "a")
    assert len(text.Vocabulary.build([])) == 2


def test_encode_decode_are_inverse_and_unknown_is_1():
    vocabulary = text.Vocabulary.build([text.words("the cat sat on the mat")])
    ids = vocabulary.encode(["the", "cat", "sat"])
    assert ids.dtype == np.int64 and ids[0] == 2
    assert vocabulary.decode(ids) == ["the", "cat", "sat"]
    assert vocabulary.encode(["dog", "the"]).tolist() == [1, 2]
    assert vocabulary.decode([2, 0, 0]) == ["the"]
    assert vocabulary.encode([]).shape == (0,)


def test_decode_refuses_foreign_indices():
    vocabulary = text.Vocabulary(["a"])
    with pytest.raises(IndexError, match="index 3 .*0..2"):
        vocabulary.decode([2, 3])
    with pytest.raises(IndexError, match="-1"):
        vocabulary.decode([-1])


def test_wrong_vocabularies_are_refused():
    with pytest.raises(ValueError, match="appear twice: \\['a'\\]"):
        text.Vocabulary(["a", "b", "a"])
    with pytest.raises(ValueError, match="must begin with"):
        text.Vocabulary(["a"], specials=("<unk>", "<pad>"))
    with pytest.raises(TypeError, match="words\\(text\\)"):
        text.Vocabulary.build(["not split"])


def test_save_and_load_give_the_same_indices(tmp_path):
    specials = ("<pad>", "<unk>", "<start>")
    vocabulary = text.Vocabulary.build([text.characters('naïve\n"café"')], specials=specials)
    vocabulary.save(tmp_path / "vocabulary.json")
    loaded = text.Vocabulary.load(tmp_path / "vocabulary.json")
    assert loaded.tokens == vocabulary.tokens and loaded.specials == specials
    assert loaded.encode("é\n<").tolist() == vocabulary.encode("é\n<").tolist()
    assert "é" in json.loads((tmp_path / "vocabulary.json").read_text(encoding="utf-8"))["tokens"]


def test_pad_fills_with_zero_and_marks_tokens():
    ids, mask = text.pad([[5, 6, 7], [8], []])
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0], [0, 0, 0]] and ids.dtype == np.int64
    assert mask.tolist() == [[True] * 3, [True, False, False], [False] * 3] and mask.dtype == bool


def test_pad_cuts_to_length():
    ids, mask = text.pad([[5, 6, 7], [8]], length=2)
    assert ids.tolist() == [[5, 6], [8, 0]] and mask.tolist() == [[True, True], [True, False]]
    assert text.pad([[1]], length=4)[0].shape == (1, 4)
    with pytest.raises(ValueError, match="at least one"):
        text.pad([])
