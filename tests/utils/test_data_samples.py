"""tools/build_samples.py on tiny inputs, and the tables of docs/data.md that it writes."""

import gzip
import importlib.util
import io
import json
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("build_samples", ROOT / "tools" / "build_samples.py")
build_samples = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build_samples)

TS = "@problemName Toy\n@dimensions 2\n@data\n1,2,3:4,5,6:1\n-7.5:8:3\n\n"


def tar_bytes(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def test_parse_ts_pads_and_counts():
    x, length, y = build_samples.parse_ts(TS, n_steps=4)
    assert x.dtype == np.float32 and x.shape == (2, 4, 2)
    assert x[0].tolist() == [[1, 4], [2, 5], [3, 6], [0, 0]] and x[1].tolist() == [[-7.5, 8]] + [[0, 0]] * 3
    assert length.tolist() == [3, 1] and y.tolist() == [0, 2]


def test_movie_snippets_reads_utf_8_from_the_inner_archive_and_unescapes_html():
    lines = '1\t2.26666\tA cliché, but "good".\r\n2\t-3\tBad &amp; worse\n\n'.encode()
    inner = tar_bytes(
        {"hutto/movieReviewSnippets_GroundTruth.txt": lines, "hutto/._movieReviewSnippets_GroundTruth.txt": b""}
    )
    table = build_samples.movie_snippets({"/hutto_ICWSM_2014.tar.gz": inner}.get)
    assert table == 'rating,text\r\n2.267,"A cliché, but ""good""."\r\n-3.0,Bad & worse\r\n'


def test_shakespeare_joins_the_plays_in_order():
    text = build_samples.shakespeare(lambda ending: f"{ending}\r\n".encode())
    assert text.startswith("/texts/romeo_and_juliet_gut.txt\n\n\n/texts/hamlet") and "\r" not in text


def test_fashion_takes_the_first_of_each_part():
    def idx(n, *rest):
        shape = (n, *rest)
        values = (np.arange(np.prod(shape)) % 251).astype(np.uint8)
        return gzip.compress(
            bytes([0, 0, 8, len(shape)]) + b"".join(s.to_bytes(4, "big") for s in shape) + values.tobytes()
        )

    files = {"train-images-idx3": idx(10_001, 2, 2), "train-labels-idx1": idx(10_001)}
    files |= {"t10k-images-idx3": idx(2_001, 2, 2), "t10k-labels-idx1": idx(2_001)}
    arrays = build_samples.fashion_mnist(lambda ending: files[ending[1 : -len("-ubyte.gz")]])
    assert arrays["x_train"].shape == (10_000, 2, 2) and arrays["y_test"].shape == (2_000,)
    assert arrays["x_train"][1].tolist() == [[4, 5], [6, 7]] and arrays["y_train"][:3].tolist() == [0, 1, 2]


def test_r_chunks_are_unpacked_whatever_their_compression():
    import bz2
    import lzma

    raw = b"content of an R object " * 20
    length = len(raw).to_bytes(4, "big")
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
    for chunk in (
        zlib.compress(raw),
        b"2" + bz2.compress(raw),
        b"Z" + lzma.compress(raw, format=lzma.FORMAT_RAW, filters=filters),
    ):
        assert build_samples.r_decompress(length + chunk) == raw


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_reader_finds_one_member_by_its_ending(tmp_path, kind):
    members = {"p/data/a.txt": b"A", "p/data/eq_a.txt": b"B", "p/c.txt": b"C", "p/data/c.txt": b"D"}
    package = tmp_path / f"package.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(package, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
    else:
        package.write_bytes(tar_bytes(members))
    read = build_samples.reader(package)
    assert read("/a.txt") == b"A" and read("/data/c.txt") == b"D"
    for ending in ("/c.txt", "/missing.txt"):
        with pytest.raises(ValueError, match="should hold one file"):
            read(ending)


def test_same_content_ignores_compression_only():
    pack, same = build_samples.pack, build_samples.same_content
    assert same(pack("text"), gzip.compress(b"text", 1)) and not same(pack("text"), pack("texts"))
    x = np.arange(5, dtype=np.int16)
    slow = io.BytesIO()
    np.savez(slow, x=x)
    assert same(pack({"x": x}), slow.getvalue())
    assert not same(pack({"x": x}), pack({"x": x + 1})) and not same(pack({"x": x}), pack({"x": x.astype(np.int32)}))
    assert not same(pack({"x": x}), pack({"x": x, "y": x})) and pack("a") == pack("a")


def test_build_writes_once_and_records(tmp_path, capsys):
    package = tmp_path / "package.tar.gz"
    package.write_bytes(tar_bytes({f"s/texts/{play}_gut.txt": play.encode() for play in build_samples.PLAYS}))
    arguments = ["shakespeare.txt.gz", "--package", str(package), "--out", str(tmp_path / "out")]
    build_samples.main(arguments)
    build_samples.main(arguments)
    assert [line.split(":")[1].split(",")[0].strip() for line in capsys.readouterr().out.splitlines()] == [
        "written",
        "unchanged",
    ]
    record = json.loads((tmp_path / "out" / "SAMPLES.json").read_text())["shakespeare.txt.gz"]
    content = (tmp_path / "out" / "shakespeare.txt.gz").read_bytes()
    assert record["bytes"] == len(content) and record["data_set"] == "shakespeare"
    assert gzip.decompress(content).startswith(b"romeo_and_juliet\n\nhamlet")


def test_command_line_lists_samples_and_explains_mistakes(capsys, tmp_path):
    build_samples.main([])
    assert "PyPI aeon==1.6.0" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        build_samples.main(["--package", "x"])
    assert "exactly one FILE" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="--package"):
        build_samples.download(["a-program-that-does-not-exist", "download"], tmp_path)


def test_the_tables_in_the_docs_are_the_present_ones():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert build_samples.fill_docs(page) == page, "run `python tools/build_samples.py --docs`"
    assert page.count("<!-- end -->") == 3 and "| `mnist` |" in page
