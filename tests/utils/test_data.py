"""Every sample: opens without network, has the documented form, and can be learned from."""

import dataclasses
import hashlib
import html
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from utils import data
from utils.data import base, catalogue, images, registry

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "utils" / "data" / "samples"
IMAGES = {"mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "digits": (8, 8, 1)}
TABLES = {"iris": 4, "wine": 13, "breast_cancer": 30, "diabetes": 10}

NO_NETWORK = """
import json, socket, sys
def cut(*args, **kwargs):
    raise OSError("the network is cut")
socket.socket.connect = socket.socket.connect_ex = cut
socket.create_connection = socket.getaddrinfo = cut
from utils import data
results = {}
for name in sys.argv[1:]:
    try:
        opened = data.photo(name) if name in data.photo_names() else data.load(name).x_train
        results[name] = len(opened)
    except Exception as error:
        results[name] = repr(error)
print(json.dumps(results))
"""
LAZY = """
import sys
from utils import data
heavy = ["torch", "tensorflow", "keras", "sklearn", "skimage", "mlxtend", "pandas", "pooch", "requests", "filelock"]
print(*[name for name in heavy if name in sys.modules])
"""


def python(script, *arguments):
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def opened_offline():
    return json.loads(python(NO_NETWORK, *data.names(), *data.photo_names()))


@pytest.mark.parametrize("name", [*data.names(), *data.photo_names()])
def test_opens_with_the_network_cut(opened_offline, name):
    assert isinstance(opened_offline[name], int) and opened_offline[name] > 0, opened_offline[name]


def test_importing_data_imports_no_framework_and_no_heavy_package():
    assert python(LAZY).split() == []


# --- form -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", data.names())
def test_counts_classes_and_origin_are_as_the_catalogue_says(name):
    dataset, entry = data.load(name), catalogue.CATALOGUE[name]
    assert (len(dataset.x_train), len(dataset.x_test)) == (entry.sample.train, entry.sample.test)
    assert dataset.source and dataset.licence and dataset.citation and dataset.size == "sample"
    if entry.task == "classification":
        for y in (dataset.y_train, dataset.y_test):
            assert y.dtype == np.int64 and set(y.tolist()) == set(range(len(dataset.classes)))
    if entry.task == "regression":
        assert dataset.classes == () and dataset.y_train.dtype == dataset.y_test.dtype == np.float32
    if dataset.y_train is not None:
        assert len(dataset.y_train) == len(dataset.x_train) and len(dataset.y_test) == len(dataset.x_test)


@pytest.mark.parametrize(("name", "shape"), IMAGES.items())
def test_images_are_nhwc_uint8(name, shape):
    dataset = data.load(name)
    for x in (dataset.x_train, dataset.x_test):
        assert x.shape[1:] == shape and x.dtype == np.uint8
        assert (x.min(), x.max()) == (0, 16 if name == "digits" else 255)


@pytest.mark.parametrize(("name", "n_features"), TABLES.items())
def test_tables_are_float32_with_feature_names(name, n_features):
    dataset = data.load(name)
    assert dataset.x_train.shape[1] == dataset.x_test.shape[1] == n_features == len(dataset.feature_names)
    assert dataset.x_train.dtype == np.float32 and np.isfinite(dataset.x_train).all()


def test_ames_has_numbers_categories_and_documented_gaps():
    dataset = data.load("ames")
    kinds = dataset.x_train.dtypes
    assert (kinds == "category").sum() == 40 and len(kinds) == 73 == len(dataset.feature_names)
    assert (kinds == dataset.x_test.dtypes).all()  # the same categories in both parts
    gaps = dataset.x_train.isna().sum() + dataset.x_test.isna().sum()
    assert gaps[gaps > 0].to_dict() == {"Lot_Frontage": 490}
    assert "None" in set(dataset.x_train["Mas_Vnr_Type"]) and "Sale_Price" not in dataset.x_train
    assert 170_000 < dataset.y_train.mean() < 190_000


def test_movie_snippets_classes_are_the_sign_of_the_rating():
    dataset = data.load("movie_snippets")
    for part in ("train", "test"):
        rating = dataset.extra[f"rating_{part}"]
        assert rating.dtype == np.float32 and (np.abs(rating) <= 4).all() and (rating != 0).all()
        assert ((rating > 0) == getattr(dataset, f"y_{part}")).all()
    assert all(isinstance(text, str) and text.strip() for text in dataset.x_train)
    assert not set(dataset.x_train) & set(dataset.x_test)


def test_movie_snippets_are_readable():
    dataset = data.load("movie_snippets")
    texts = [*dataset.x_train, *dataset.x_test]
    for text in texts:
        assert html.unescape(text) == text  # no "&amp;"
        assert text.isascii() or not is_garbled(text), text  # no "clichÃ©s"
    assert any("clichés" in text for text in texts) and any(" & " in text for text in texts)


def is_garbled(text):
    """Whether the text looks like UTF-8 that was read as Latin-1: read the other way round it makes sense."""
    try:
        return text.encode("latin-1").decode("utf-8") != text
    except UnicodeError:
        return False


def test_japanese_vowels_are_zero_after_their_length():
    dataset = data.load("japanese_vowels")
    for part in ("train", "test"):
        x, length = getattr(dataset, f"x_{part}"), dataset.extra[f"length_{part}"]
        assert x.shape[1:] == (29, 12) and x.dtype == np.float32
        assert length.dtype == np.int64 and length.min() == 7 and length.max() <= 29
        after = np.arange(29) >= length[:, None]  # (N, T)
        assert (x[after] == 0).all() and (x != 0).any(axis=2)[~after].all()


def test_shakespeare_is_one_text_cut_in_two():
    dataset = data.load("shakespeare")
    assert dataset.x_train.startswith("ROMEO AND JULIET") and dataset.x_test.rstrip().endswith("THE END")
    assert dataset.y_train is None and dataset.y_test is None
    assert set(dataset.x_test) <= set(dataset.x_train)  # no character that training never shows
    assert data.load("shakespeare", split="test") == (dataset.x_test, None)


def test_split_returns_x_and_y_of_one_part():
    dataset = data.load("iris")
    for part in ("train", "test"):
        x, y = data.load("iris", split=part)
        assert x is getattr(dataset, f"x_{part}") and y is getattr(dataset, f"y_{part}")


# --- the split ------------------------------------------------------------------------------------


def fingerprint(*arrays):
    return hashlib.sha256(b"".join(np.asarray(a, "<i8").tobytes() for a in arrays)).hexdigest()[:12]


def test_split_is_complete_stratified_and_shuffled():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    train, test = base.split_indices(160, labels)
    assert sorted([*train, *test]) == list(range(160))
    assert np.bincount(labels[test]).tolist() == [20, 10, 2]
    assert (np.diff(train) < 0).any() and (np.diff(labels[train]) < 0).any()


def test_split_is_the_same_on_every_machine():
    assert fingerprint(*base.split_indices(1000)) == "b89e50255d23"
    assert fingerprint(*base.split_indices(1000, np.arange(1000) % 7)) == "ec92329cb6a0"


@pytest.mark.parametrize("name", ["mnist", "digits", "iris", "wine", "breast_cancer", "movie_snippets"])
def test_every_class_keeps_its_share(name):
    dataset = data.load(name)
    train, test = np.bincount(dataset.y_train), np.bincount(dataset.y_test)
    assert np.abs(test - 0.2 * (train + test)).max() <= 0.5


def test_mnist_has_100_test_digits_of_each_class():
    assert np.bincount(data.load("mnist").y_test).tolist() == [100] * 10


# --- the labels belong to the examples ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "least"),
    [("mnist", 0.75), ("fashion_mnist", 0.6), ("digits", 0.85), ("iris", 0.85), ("wine", 0.9), ("breast_cancer", 0.9)],
)
def test_the_nearest_class_mean_predicts_the_test_part(name, least):
    dataset = data.load(name)
    train, test = (x.reshape(len(x), -1).astype(np.float64) for x in (dataset.x_train, dataset.x_test))
    if name in TABLES:
        test, train = ((x - train.mean(0)) / train.std(0) for x in (test, train))
    means = np.stack([train[dataset.y_train == k].mean(0) for k in range(len(dataset.classes))])  # (K, D)
    distance = ((test[:, None] - means) ** 2).sum(2)  # (N, K)
    assert (distance.argmin(1) == dataset.y_test).mean() > least


def test_classes_have_the_right_names():
    tumours, clothes = data.load("breast_cancer"), data.load("fashion_mnist")
    area = tumours.x_train[:, tumours.feature_names.index("mean area")]
    malignant = tumours.classes.index("malignant")
    assert area[tumours.y_train == malignant].mean() > 2 * area[tumours.y_train != malignant].mean()
    ink = [clothes.x_train[clothes.y_train == clothes.classes.index(c)].mean() for c in ("Sandal", "Coat")]
    assert ink[1] > 2 * ink[0]


def test_ratings_belong_to_their_sentences():
    dataset = data.load("movie_snippets")
    mean = {
        word: np.mean([r for t, r in zip(dataset.x_train, dataset.extra["rating_train"], strict=True) if word in t])
        for word in ("boring", "wonderful")
    }
    assert mean["boring"] < -0.5 and mean["wonderful"] > 0.5


def test_size_predicts_the_price_in_ames():
    dataset = data.load("ames")
    for part in ("train", "test"):
        area = getattr(dataset, f"x_{part}")["Gr_Liv_Area"].to_numpy()
        assert np.corrcoef(area, getattr(dataset, f"y_{part}"))[0, 1] > 0.6


def test_body_mass_predicts_progression_in_diabetes():
    dataset = data.load("diabetes")
    bmi = dataset.x_train[:, dataset.feature_names.index("bmi")]
    assert bmi.min() >= 18 and bmi.max() < 45  # kg/m², not standardised
    assert np.corrcoef(bmi, dataset.y_train)[0, 1] > 0.5


# --- nobody can spoil the shared copy -------------------------------------------------------------


@pytest.mark.parametrize("name", data.names())
def test_arrays_are_read_only(name):
    dataset = data.load(name)
    parts = [dataset.x_train, dataset.y_train, dataset.x_test, dataset.y_test, *dataset.extra.values()]
    for values in parts:
        if isinstance(values, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                values[0] = 0
            with pytest.raises(ValueError, match="WRITEABLE"):
                values.setflags(write=True)
            assert values.flags.c_contiguous
    with pytest.raises(dataclasses.FrozenInstanceError):
        dataset.name = "other"
    with pytest.raises(TypeError):
        dataset.extra["new"] = 1


def test_each_caller_gets_an_own_ames_table():
    table = data.load("ames").x_train
    table.loc[0, "Lot_Area"] = -1
    table["new"] = 0
    again = data.load("ames").x_train
    assert again.loc[0, "Lot_Area"] > 0 and "new" not in again


def test_a_second_load_shares_memory():
    assert data.load("mnist").x_train is data.load("mnist").x_train


# --- pictures of a data set -----------------------------------------------------------------------


def test_repr_is_short_and_says_what_there_is():
    text = repr(data.load("movie_snippets"))
    assert "movie_snippets (sample): classification, 2 classes" in text and "8,453 texts" in text
    assert "extra['rating_train'] (8453,) float32" in text and len(text.splitlines()) <= 9
    assert "825,988 characters" in repr(data.load("shakespeare"))


def test_html_shows_shapes_licence_and_citation():
    html = data.load("ames")._repr_html_()
    assert html.startswith("<table>") and "(2344, 73) DataFrame" in html and "De Cock" in html and "MIT" in html
    assert "Bottou, Bengio &amp; Haffner" in data.load("mnist")._repr_html_()


def test_available_is_one_row_per_data_set():
    table = data.available()
    assert tuple(table.index) == data.names()
    assert table.loc["mnist", "train + test"] == "4,000 + 1,000" and table.loc["mnist", "full"] == "60,000 + 10,000"
    assert table.loc["iris", "full"] == "(complete)" and table.loc["wine", "licence"] == "CC BY 4.0"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("minst", "did you mean 'mnist'"),
        ("Fashion-MNIST", "did you mean 'fashion_mnist'"),
        ("cancer", "did you mean 'breast_cancer'"),
        ("xyz", "There are: ames, "),
        ("imdb", 'data.load\\("movie_snippets", size="full"\\)'),
        ("china", 'data.photo\\("china"\\)'),
        ("photographs", "photo_names"),
        ("xor", "data.toy.xor"),
        (3, "no data set is called 3"),
    ],
)
def test_unknown_names_get_the_nearest_right_one(name, advice):
    with pytest.raises(ValueError, match=advice):
        data.load(name)


def test_every_advice_for_other_names_is_real():
    for name, advice in registry.ELSEWHERE.items():
        if "full" not in advice and name != "photographs":
            assert eval(advice, {"data": data}) is not None


def test_wrong_arguments_say_what_is_possible():
    with pytest.raises(ValueError, match='"train" or "test"'):
        data.load("iris", split="valid")
    with pytest.raises(ValueError, match='"sample".*"full"'):
        data.load("iris", size="big")
    with pytest.raises(ValueError, match='complete as it is.*data.load\\("iris"\\)'):
        data.load("iris", size="full")
    with pytest.raises(ValueError, match="did you mean 'china'"):
        data.photo("chnia")


# --- photographs, toy problems --------------------------------------------------------------------


@pytest.mark.parametrize("name", data.photo_names())
def test_photos_are_hwc_uint8_and_read_only(name):
    photo = data.photo(name)
    assert photo.ndim == 3 and photo.shape[2] in (1, 3) and min(photo.shape[:2]) >= 300
    assert photo.dtype == np.uint8 and not photo.flags.writeable and photo.std() > 5


def test_photo_sizes():
    assert data.photo("china").shape == (427, 640, 3) and data.photo("camera").shape == (512, 512, 1)


@pytest.mark.parametrize("make", [data.toy.xor, data.toy.moons, data.toy.blobs, data.toy.spirals])
def test_toy_points_repeat_with_the_seed(make):
    x, y = make(n=60, seed=3)
    assert x.shape == (60, 2) and x.dtype == np.float32 and y.shape == (60,) and y.dtype == np.int64
    again, other = make(n=60, seed=3), make(n=60, seed=4)
    assert (x == again[0]).all() and (y == again[1]).all() and (x != other[0]).any()
    assert np.bincount(y).min() >= 20


def test_xor_is_the_truth_table_without_noise():
    x, y = data.toy.xor(n=4, noise=0)
    assert x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]] and y.tolist() == [0, 1, 1, 0]
    x, y = data.toy.xor(n=400, noise=0.05)
    assert ((x.round()[:, 0] != x.round()[:, 1]) == y).all() and 0.04 < (x - x.round()).std() < 0.06


def test_no_line_separates_xor_or_spirals_but_neighbours_do():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    for make, most in ((data.toy.xor, 0.8), (data.toy.spirals, 0.7)):
        x, y = make(n=600)
        assert LogisticRegression().fit(x, y).score(x, y) < most
        assert KNeighborsClassifier(5).fit(x[:400], y[:400]).score(x[400:], y[400:]) > 0.9


# --- vendored files and documentation -------------------------------------------------------------

RECORDS = json.loads((SAMPLES / "SAMPLES.json").read_text(encoding="utf-8"))


def test_every_vendored_file_is_recorded():
    assert {path.name for path in SAMPLES.iterdir()} == {*RECORDS, "SAMPLES.json"}


@pytest.mark.parametrize("file", RECORDS)
def test_vendored_files_are_what_their_record_says(file):
    record, content = RECORDS[file], (SAMPLES / file).read_bytes()
    assert record["bytes"] == len(content) and record["sha256"] == hashlib.sha256(content).hexdigest()
    sample = catalogue.CATALOGUE[record["data_set"]].sample
    assert (record["licence"], record["citation"]) == (sample.licence, sample.citation)
    assert record["package"]


def test_idx_files_are_parsed_and_wrong_ones_refused():
    good = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + bytes(range(6))
    assert images.parse_idx(good).tolist() == [[0, 1, 2], [3, 4, 5]]
    for wrong in (good[:-1], good + b"x", good[:7], b"", b"\x1f\x8b\x08\x00" + good):
        with pytest.raises(ValueError, match="IDX"):
            images.parse_idx(wrong)
