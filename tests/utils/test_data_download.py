"""Downloads against a local server that does everything wrong, and archives that attack."""

import errno
import gzip
import hashlib
import io
import os
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections import Counter, namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from utils import data
from utils.data import download, images, registry, text_sets

ROOT = Path(__file__).parents[2]
BODY = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files` by path; `faults[path]` lists what goes wrong with each next request; counts `hits`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.faults, self.hits = {"/file": BODY}, {}, Counter()
        self.released = threading.Event()  # ends stalls when the test is over

    def handle_error(self, request, client_address):
        pass  # clients that were killed or gave up

    def url(self, path="/file"):
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.hits[self.path] += 1
        faults = server.faults.get(self.path, [])
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int) or self.path not in server.files:
            return self.send_error(fault or 404)
        if fault == "reset":
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            )
            return self.connection.close()
        if fault in ("endless", "drip"):
            return self.send_for_ever(server.files[self.path], fault)
        return self.send_body(server.files[self.path], fault)

    def send_body(self, body, fault):
        self.send_response(200)
        self.send_header("Content-Length", str(10**10 if fault == "huge" else len(body)))
        self.end_headers()
        if fault == "slow":
            self.server.released.wait(1.5)
        if fault == "wrong bytes":
            body = body[:-1] + b"?"
        half = len(body) // 2
        self.wfile.write(body[:half])
        if fault == "stall":
            self.wfile.flush()
            self.server.released.wait(30)
        if fault not in ("truncate", "stall"):
            self.wfile.write(body[half:])

    def send_for_ever(self, body, fault):
        self.send_response(200)
        self.end_headers()  # no length: the body ends when the connection does
        while not self.server.released.wait(0.02 if fault == "drip" else 0):
            self.wfile.write(b"." if fault == "drip" else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    folder = tmp_path / "cache"
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    monkeypatch.setattr(time, "sleep", lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.05)))
    registry._read.cache_clear()
    yield folder
    registry._read.cache_clear()


def fetch(*urls, file="set/file", **options):
    options = {"timeout": 0.5, "sample": "mnist"} | options
    return download.fetch(file, urls, SHA256, len(BODY), **options)


def files_in(folder):
    """Every file and every temporary folder below; the empty lock files are left out, they are harmless."""
    paths = [p for p in folder.rglob("*") if p.suffix == ".part" or p.is_file() and p.suffix != ".lock"]
    return sorted(str(p.relative_to(folder)) for p in paths)


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/file"


# --- fetch: faults of the network -----------------------------------------------------------------


def test_a_good_download_is_kept_and_not_repeated(server, cache):
    path = fetch(server.url())
    assert path == cache / "set" / "file" and path.read_bytes() == BODY
    fetch(server.url())
    assert server.hits["/file"] == 1 and files_in(cache) == ["set/file"]


@pytest.mark.parametrize("fault", [500, 503, 429, "truncate", "stall", "wrong bytes", "reset"])
def test_a_fault_that_passes_is_retried(server, cache, fault):
    server.faults["/file"] = [fault]
    assert fetch(server.url()).read_bytes() == BODY
    assert server.hits["/file"] == 2 and files_in(cache) == ["set/file"]


@pytest.mark.parametrize(
    ("fault", "reason", "tries"),
    [
        (404, "answers 404", 1),
        (500, "answers 500", 3),
        ("truncate", "broke off", 3),
        ("stall", "silent for 0.5 s", 3),
        ("wrong bytes", "SHA-256", 3),
        ("reset", "broke off", 3),
    ],
)
def test_a_fault_that_stays_is_one_clear_error(server, cache, fault, reason, tries):
    server.faults["/file"] = [fault] * 3
    start = time.perf_counter()
    with pytest.raises(data.DataUnavailable, match=reason) as caught:
        fetch(server.url())
    assert time.perf_counter() - start < 10
    assert 'data.load("mnist")' in str(caught.value) and server.url() in str(caught.value)
    assert server.hits["/file"] == tries and files_in(cache) == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("huge", r"wants to send 10,000,000,000 bytes; the file has 300,000"),
        ("endless", r"sends more than the 300,000 bytes"),
        ("drip", r"too slow: [\d,]+ bytes in 1 s"),
    ],
)
def test_a_server_that_never_ends_is_left_at_once(server, cache, fault, reason):
    server.faults["/file"] = [fault] * 3
    with pytest.raises(data.DataUnavailable, match=reason):
        fetch(server.url(), seconds=1)
    assert server.hits["/file"] == 1 and files_in(cache) == []  # a second attempt would end in the same way
    server.files["/mirror"] = BODY
    server.faults["/file"] = [fault]
    assert fetch(server.url(), server.url("/mirror"), seconds=1).read_bytes() == BODY


def test_a_large_file_gets_the_time_it_needs(server, cache, monkeypatch):
    limits = []
    monkeypatch.setattr(download, "_from_mirrors", lambda path, urls, sha256, limit, attempts: limits.append(limit))
    for n_bytes in (1000, 84_125_825):
        download.fetch("file", [server.url()], SHA256, n_bytes)
    assert [round(limit.seconds) for limit in limits] == [300, 1983] and limits[1].seconds < download.LOCK_SECONDS


@pytest.mark.parametrize("name", ["../file", "/tmp/file", "a/../../file", "..\\file", "C:\\file"])
def test_a_file_outside_the_cache_is_refused_before_any_request(server, cache, name):
    with pytest.raises(download.UnsafeFile, match="outside its folder"):
        fetch(server.url(), file=name)
    assert not server.hits and not list(cache.parent.rglob("*"))


@pytest.mark.parametrize("fault", [404, "wrong bytes", "stall", "reset", "huge"])
def test_the_next_mirror_is_used(server, cache, fault):
    server.files["/mirror"] = BODY
    server.faults["/file"] = [fault] * 3
    assert fetch(server.url(), server.url("/mirror")).read_bytes() == BODY
    assert server.hits["/mirror"] == 1


def test_offline_gives_one_error_that_names_every_address_and_the_sample(cache, monkeypatch):
    urls, tried, once = (closed_port(), closed_port()), [], download._download_once
    monkeypatch.setattr(
        download, "_download_once", lambda path, url, *rest: tried.append(url) or once(path, url, *rest)
    )
    with pytest.raises(data.DataUnavailable, match="no connection") as caught:
        fetch(*urls)
    assert tried == [*urls]  # no second attempt: nobody wants to wait for a network that is not there
    assert all(url in str(caught.value) for url in urls) and 'data.load("mnist")' in str(caught.value)


def test_a_damaged_file_in_the_cache_is_replaced(server, cache):
    path = fetch(server.url())
    path.write_bytes(BODY[:1000])
    assert fetch(server.url()).read_bytes() == BODY and server.hits["/file"] == 2


def test_pickles_are_refused_before_any_request(server, cache):
    for name in ("weights.pt", "a.pkl", "b.PKL.gz"):
        with pytest.raises(download.UnsafeFile, match="pickle"):
            fetch(server.url(), file=name)
    assert not server.hits


# --- fetch: disk, locks, killed processes ---------------------------------------------------------


def test_too_little_space_is_seen_before_the_download(server, cache, monkeypatch):
    usage = namedtuple("usage", "total used free")(10**6, 10**6 - 1000, 1000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(data.DataUnavailable, match="(?s)disk is full.*COURSE_DATA_DIR.*data.load"):
        fetch(server.url())
    assert not server.hits and files_in(cache) == []


def test_a_disk_that_fills_up_leaves_nothing_behind(server, cache, monkeypatch):
    def write_until_full(url, target, limits):
        Path(target).write_bytes(BODY[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(download, "_stream", write_until_full)
        with pytest.raises(data.DataUnavailable, match="disk is full"):
            fetch(server.url())
    assert files_in(cache) == []
    assert fetch(server.url()).read_bytes() == BODY


def test_a_cache_that_cannot_be_made_names_the_variable(server, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(data.DataUnavailable, match="(?s)cannot be written to.*COURSE_DATA_DIR"):
        fetch(server.url())
    assert not server.hits


def test_a_read_only_cache_serves_what_it_has_and_explains_the_rest(server, cache, monkeypatch):
    fetch(server.url())

    def refuse(*args, **kwargs):  # permissions do not stop an administrator, so the refusal is simulated
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("filelock.FileLock", refuse)
    assert fetch(server.url()).read_bytes() == BODY
    with pytest.raises(data.DataUnavailable, match="(?s)Read-only file system.*COURSE_DATA_DIR"):
        fetch(server.url(), file="other")


def test_a_lock_that_never_opens_is_one_clear_error(server, cache, monkeypatch):
    import filelock

    monkeypatch.setattr(download, "LOCK_SECONDS", 0.2)
    (cache / "set").mkdir(parents=True)
    holder = filelock.FileLock(f"{cache}/set/file.lock", is_singleton=False)
    with holder, pytest.raises(data.DataUnavailable, match="another process"):
        fetch(server.url())


SCRIPT = """
import sys
from utils.data import download
download.fetch("set/file", [sys.argv[1]], sys.argv[2], 300_000, timeout=20)
"""


def start(server, cache):
    env = os.environ | {"COURSE_DATA_DIR": str(cache), "NO_PROXY": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", SCRIPT, server.url(), SHA256], env=env, stderr=subprocess.DEVNULL)


def test_two_processes_at_once_download_once(server, cache):
    server.faults["/file"] = ["slow"]
    processes = [start(server, cache) for _ in range(2)]
    assert [process.wait(30) for process in processes] == [0, 0]
    assert server.hits["/file"] == 1 and files_in(cache) == ["set/file"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_process_killed_in_the_middle_harms_nobody(server, cache):
    server.faults["/file"] = ["stall"]
    process = start(server, cache)
    wait_until(lambda: any(p.stat().st_size > 0 for p in cache.rglob("tmp*")))
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert not (cache / "set" / "file").exists() and files_in(cache) != []  # half a file, under another name
    assert fetch(server.url()).read_bytes() == BODY
    assert files_in(cache) == ["set/file"]


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# --- unpack ---------------------------------------------------------------------------------------


def tar_of(path, *members):
    """A .tar.gz of (name, bytes) or ready-made TarInfo members."""
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            info, content = (
                (member, b"") if isinstance(member, tarfile.TarInfo) else (tarfile.TarInfo(member[0]), member[1])
            )
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def zip_of(path, *members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_unpack_writes_all_files_once(tmp_path, make):
    archive = make(tmp_path / "archive", ("a.txt", b"one"), ("deep/b.txt", b"two"))
    folder = download.unpack(archive, tmp_path / "set")
    assert (folder / "a.txt").read_bytes() == b"one" and (folder / "deep/b.txt").read_bytes() == b"two"
    (folder / "a.txt").write_bytes(b"kept")
    assert (download.unpack(archive, folder) / "a.txt").read_bytes() == b"kept"


def test_unpack_does_not_take_over_what_a_killed_process_left(tmp_path):
    left = tmp_path / ".set.part" / "set"
    left.mkdir(parents=True)
    (left / "half.txt").write_bytes(b"hal")
    folder = download.unpack(tar_of(tmp_path / "archive", ("a.txt", b"one")), tmp_path / "set")
    assert files_in(tmp_path) == ["archive", "set/a.txt"] and folder.is_dir()


OUTSIDE = ["../evil.txt", "/evil.txt", "good/../../evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil.txt"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_unpack_refuses_members_outside(tmp_path, make, name):
    (tmp_path / "below").mkdir()
    archive = make(tmp_path / "archive", ("good.txt", b"x"), (name, b"evil"))
    with pytest.raises(download.UnsafeFile, match="outside"):
        download.unpack(archive, tmp_path / "below" / "set")
    assert files_in(tmp_path) == ["archive"]


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "inside.txt"),
        special("link", tarfile.LNKTYPE, "inside.txt"),
        special("device", tarfile.CHRTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=["symlink outside", "symlink inside", "hard link", "device", "pipe"],
)
def test_unpack_refuses_links_and_devices_in_tar(tmp_path, member):
    archive = tar_of(tmp_path / "archive", ("inside.txt", b"x"), member)
    with pytest.raises(download.UnsafeFile, match="link or a device"):
        download.unpack(archive, tmp_path / "set")
    assert files_in(tmp_path) == ["archive"]


def test_unpack_refuses_links_in_zip(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    archive = zip_of(tmp_path / "archive", (link, b"/etc/passwd"))
    with pytest.raises(download.UnsafeFile, match="link or a device"):
        download.unpack(archive, tmp_path / "set")


@pytest.mark.parametrize("name", ["batch_1.pkl", "model/weights.pth", "x.pickle.gz"])
def test_unpack_refuses_pickles(tmp_path, name):
    archive = tar_of(tmp_path / "archive", (name, b"x"))
    with pytest.raises(download.UnsafeFile, match="pickle"):
        download.unpack(archive, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_unpack_of_a_damaged_archive_leaves_nothing_behind(tmp_path):
    archive = tar_of(tmp_path / "archive", ("a.txt", BODY))
    archive.write_bytes(archive.read_bytes()[:-1000])
    with pytest.raises(data.DataUnavailable, match="not a complete"):
        download.unpack(archive, tmp_path / "set")
    archive.write_bytes(b"something else")
    with pytest.raises(data.DataUnavailable, match="not a complete"):
        download.unpack(archive, tmp_path / "set")
    assert files_in(tmp_path) == ["archive"]
    with pytest.raises(FileNotFoundError, match="no archive"):
        download.unpack(tmp_path / "missing.tar", tmp_path / "set")


def test_unpack_of_an_encrypted_archive_says_so(tmp_path):
    archive = zip_of(tmp_path / "archive", ("a.txt", b"secret"))
    content = bytearray(archive.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # the bit that says "encrypted"
        content[content.index(signature) + flags] |= 1
    archive.write_bytes(content)
    with pytest.raises(data.DataUnavailable, match="is encrypted: unpack it with its password into set"):
        download.unpack(archive, tmp_path / "set")
    assert files_in(tmp_path) == ["archive"]


@pytest.mark.parametrize("make", [tar_of, zip_of])
def test_unpack_of_damaged_compression_says_so(tmp_path, make):
    text = (np.frombuffer(BODY, np.uint8) % 16).tobytes()  # something that can be compressed
    archive = make(tmp_path / "archive", ("a.txt", text))
    if make is zip_of:
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.txt", text)
    content = bytearray(archive.read_bytes())
    content[1000:1400] = bytes(400)
    archive.write_bytes(content)
    with pytest.raises(data.DataUnavailable, match="not a complete"):
        download.unpack(archive, tmp_path / "set")
    assert files_in(tmp_path) == ["archive"]


def test_unpack_checks_the_space_first(tmp_path, monkeypatch):
    archive = tar_of(tmp_path / "archive", ("zeros", bytes(10**6)))  # a small archive of a large file
    usage = namedtuple("usage", "total used free")(10**6, 0, 500_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(data.DataUnavailable, match="disk is full"):
        download.unpack(archive, tmp_path / "set")
    assert files_in(tmp_path) == ["archive"]


def test_read_npz_refuses_objects(tmp_path):
    np.savez(tmp_path / "good.npz", x=np.arange(3))
    assert download.read_npz(tmp_path / "good.npz")["x"].tolist() == [0, 1, 2]
    np.savez(tmp_path / "bad.npz", x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(download.UnsafeFile, match="pickle"):
        download.read_npz(tmp_path / "bad.npz")


# --- load(..., size="full"), end to end -----------------------------------------------------------


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.tobytes())


def publish(server, path, content):
    server.files[path] = content
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("name", "prefix"), [("mnist", "MNIST"), ("fashion_mnist", "FASHION")])
def test_full_images(server, cache, monkeypatch, name, prefix):
    rng = np.random.default_rng(0)
    x_train, x_test = (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (30, 10))
    y_train, y_test = (np.arange(n, dtype=np.uint8) % 10 for n in (30, 10))
    contents = [idx(array) for array in (x_train, y_train, x_test, y_test)]
    files = {
        file: (publish(server, f"/{file}", content), len(content))
        for file, content in zip(getattr(images, f"{prefix}_FILES"), contents, strict=True)
    }
    monkeypatch.setattr(images, f"{prefix}_FILES", files)
    monkeypatch.setattr(images, f"{prefix}_URLS", (server.url("/"),))
    dataset = data.load(name, size="full")
    assert dataset.x_train.shape == (30, 28, 28, 1) and dataset.x_train.dtype == np.uint8
    assert (dataset.x_train[..., 0] == x_train).all() and (dataset.x_test[..., 0] == x_test).all()
    assert (dataset.y_train == y_train).all() and dataset.y_test.dtype == np.int64
    assert dataset.size == "full" and not dataset.x_train.flags.writeable
    data.load(name, size="full")
    assert set(server.hits.values()) == {1}


def test_full_movie_reviews(server, cache, monkeypatch, tmp_path):
    reviews = [
        ("train/pos/0_9", "Good."),
        ("train/neg/0_1", "Bad."),
        ("test/neg/3_4", "Schön schlecht."),
        ("test/pos/1_7", "Ok."),
    ]
    members = [(f"aclImdb/{name}.txt", text.encode()) for name, text in reviews]
    members += [("aclImdb/train/unsup/0_0.txt", b"no label"), ("aclImdb/README", b"x")]
    content = tar_of(tmp_path / "imdb", *members).read_bytes()
    monkeypatch.setattr(text_sets, "IMDB_HASH", publish(server, "/imdb", content))
    monkeypatch.setattr(text_sets, "IMDB_URLS", [server.url("/imdb")])
    dataset = data.load("movie_snippets", size="full")
    train = dict(zip(dataset.x_train, dataset.y_train.tolist(), strict=True))
    test = dict(zip(dataset.x_test, dataset.extra["rating_test"].tolist(), strict=True))
    assert train == {"Good.": 1, "Bad.": 0} and test == {"Schön schlecht.": 4.0, "Ok.": 7.0}
    assert "Maas" in dataset.citation


def test_full_shakespeare(server, cache, monkeypatch):
    content = b"First Citizen:\n" * 10
    monkeypatch.setattr(text_sets, "CHAR_RNN_HASH", publish(server, "/input.txt", content))
    monkeypatch.setattr(text_sets, "CHAR_RNN", server.url("/input.txt"))
    dataset = data.load("shakespeare", size="full")
    assert (dataset.x_train + dataset.x_test).encode() == content and len(dataset.x_test) == 15


def test_full_offline_names_the_sample_and_does_not_stick(server, cache, monkeypatch):
    content = b"To be, or not to be\n"
    monkeypatch.setattr(text_sets, "CHAR_RNN_HASH", publish(server, "/input.txt", content))
    monkeypatch.setattr(text_sets, "CHAR_RNN", closed_port())
    with pytest.raises(data.DataUnavailable, match='data.load\\("shakespeare"\\)'):
        data.load("shakespeare", size="full")
    monkeypatch.setattr(text_sets, "CHAR_RNN", server.url("/input.txt"))
    assert data.load("shakespeare", size="full").x_train.startswith("To be")


def test_full_urls_and_hashes_are_well_formed():
    hashes = [text_sets.IMDB_HASH, text_sets.CHAR_RNN_HASH]
    hashes += [sha256 for files in (images.MNIST_FILES, images.FASHION_FILES) for sha256, _ in files.values()]
    assert all(len(bytes.fromhex(sha256)) == 32 for sha256 in hashes) and len(set(hashes)) == len(hashes)
    for urls in (images.MNIST_URLS, images.FASHION_URLS, text_sets.IMDB_URLS):
        assert len(urls) >= 2  # a mirror each
    urls = [*images.MNIST_URLS, *images.FASHION_URLS, *text_sets.IMDB_URLS, text_sets.CHAR_RNN]
    assert all(url.startswith("https://") for url in urls)


NO_HOME = """
import os, pwd
def unknown(uid):
    raise KeyError(uid)
pwd.getpwuid = unknown
os.environ.pop("HOME", None)
from utils import data
print(*[data.photo(name).ndim for name in data.photo_names()])
print(data.download.cache_dir())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always knows its user")
def test_photographs_and_cache_work_without_a_home(tmp_path):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG", "COURSE"))} | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", NO_HOME], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    dimensions, folder = done.stdout.splitlines()
    assert dimensions.split() == ["3"] * len(data.photo_names()) and folder.startswith(str(tmp_path))
