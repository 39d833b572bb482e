"""Sequences: several numbers per time step, examples of unequal length."""

from utils.data import base, download


def japanese_vowels():
    """640 utterances of "ae" by nine men: 12 cepstral coefficients per frame (N, 29, 12) float32.

    Shorter utterances are filled with zeros at the end; `extra["length_train"]` and `extra["length_test"]`
    (N,) int64 hold the true number of frames, 7 to 29. The split is that of the source.
    """
    arrays = download.read_npz(base.SAMPLES / "japanese_vowels.npz")
    return {
        "x_train": base.read_only(arrays["x_train"], "float32"),
        "y_train": base.read_only(arrays["y_train"], "int64"),
        "x_test": base.read_only(arrays["x_test"], "float32"),
        "y_test": base.read_only(arrays["y_test"], "int64"),
        "extra": {f"length_{part}": base.read_only(arrays[f"len_{part}"], "int64") for part in ("train", "test")},
    }
