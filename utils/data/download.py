"""Downloads that end with the right file in the cache, or with one clear error and an unharmed cache.

A file is downloaded next to its final place, checked, and only then moved there in one step. What a killed
process leaves behind is removed by the next download of the same file. A server that sends more than the file has, or
that takes too long in all, is left. Nothing is ever unpickled.
"""

import errno
import gzip
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import time
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from utils import place

LOCK_SECONDS = 3600  # how long to wait for another process that downloads the same file
SLOWEST = 50_000  # bytes a second below which a download is given up, after five minutes of grace
PICKLES = {".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".joblib", ".dill"}  # opening them can run any program


BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)


class DataUnavailable(RuntimeError):
    """A full data set cannot be had now; the message says why and what works instead."""


class UnsafeFile(ValueError):
    """A file was refused: it would write outside its folder or run code when opened."""


def cache_dir():
    """Folder of the downloads: the environment variable COURSE_DATA_DIR, or the system's cache folder."""
    if folder := os.environ.get("COURSE_DATA_DIR"):
        return Path(folder).expanduser()
    require_cache_home()
    import pooch

    return Path(pooch.os_cache("deep-learning-course"))


def require_cache_home():
    """Name a temporary folder for caches where there is no home: HOME is not set and the user has no entry."""
    if os.path.expanduser("~") == "~":
        os.environ.setdefault("XDG_CACHE_HOME", str(place.user_folder()))


def fetch(file, urls, sha256, n_bytes, sample=None, timeout=30, attempts=3, seconds=None):
    """Path of `file` in the cache, downloaded from the first of `urls` that delivers it.

    `file` is relative to `cache_dir()`, `n_bytes` its size: no server may send more. `timeout` is how many seconds a
    server may be silent, `seconds` how many one download may take in all (by default enough for `SLOWEST`).
    Raises DataUnavailable, naming data.load(`sample`) as the way without network; UnsafeFile for a pickle or a `file`
    outside the cache.
    """
    _refuse_outside(file, "the file")
    _refuse_pickle(file)
    limits = Limits(n_bytes, timeout, seconds or 300 + n_bytes / SLOWEST)
    path = cache_dir() / file
    with _clear_errors(path, sample):
        if not _is_right(path, sha256):
            with _locked(path):
                if not _is_right(path, sha256):  # another process may have brought it meanwhile
                    _require_space(path.parent, n_bytes)
                    _from_mirrors(path, urls, sha256, limits, attempts)
    return path


def unpack(archive, folder):
    """Unpack a .tar(.gz, .bz2, .xz) or .zip into `folder`, completely or not at all; return the folder's Path.

    A folder that is there already is left as it is. Raises UnsafeFile if a member is a link, a device, a
    pickle, or lies outside the folder; DataUnavailable if the disk is full or the archive is damaged;
    FileNotFoundError if there is no archive.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise FileNotFoundError(f"there is no archive {archive}")
    with _clear_errors(folder):
        if not folder.is_dir():
            with _locked(folder):
                if not folder.is_dir():
                    with _staging(folder) as staging:
                        _extract(archive, staging / folder.name)
                        os.replace(staging / folder.name, folder)
    return folder


def read_npz(path):
    """The arrays of an .npz file by name; raises UnsafeFile if one of them holds pickled objects."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except ValueError as error:
        raise UnsafeFile(f"{path} holds Python objects (pickle), which could run any program") from error


def _is_right(path, sha256):
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


@dataclass(frozen=True)
class Limits:
    """What a server is held to: bytes in all, seconds of silence, seconds in all."""

    n_bytes: int
    silence: float
    seconds: float


class _LimitPassed(Exception):
    """A server sent too much, or took too long in all."""


def _from_mirrors(path, urls, sha256, limits, attempts):
    """Try each address up to `attempts` times; raise DataUnavailable with one line per address."""
    import requests
    import urllib3

    failures = []
    for url in urls:
        for attempt in range(attempts):
            try:
                return _download_once(path, url, sha256, limits)
            except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, _LimitPassed) as error:
                reason, try_again = _explain(error, limits.silence)
            if not try_again:
                break
            time.sleep(0.5 * attempt)
        failures.append(f"  {url}: {reason}")
    raise DataUnavailable("\n".join([f"{path.name} could not be downloaded:", *failures]))


def _download_once(path, url, sha256, limits):
    import pooch

    with _staging(path) as staging:
        server = lambda url, target, _: _stream(url, target, limits)
        pooch.retrieve(url, f"sha256:{sha256}", fname=path.name, path=staging, downloader=server)
        os.replace(staging / path.name, path)


def _stream(url, target, limits):
    """Write what `url` sends to the file `target`, within the limits, with a progress bar."""
    import requests
    from tqdm import tqdm

    end, received = time.monotonic() + limits.seconds, 0
    plain = {"Accept-Encoding": "identity"}  # the bytes of the file itself, or the SHA-256 would not fit
    request = requests.get(url, headers=plain, stream=True, timeout=(10, limits.silence))
    with request as response, open(target, "wb") as file, tqdm(total=limits.n_bytes, unit="B", unit_scale=True) as bar:
        response.raise_for_status()
        announced = int(response.headers.get("Content-Length") or 0)
        if announced > limits.n_bytes:
            raise _LimitPassed(f"the server wants to send {announced:,} bytes; the file has {limits.n_bytes:,}")
        while chunk := response.raw.read1(2**16):  # what has arrived, however little: the clock is looked at each time
            received += len(chunk)
            if received > limits.n_bytes:
                raise _LimitPassed(f"the server sends more than the {limits.n_bytes:,} bytes that the file has")
            if time.monotonic() > end:
                raise _LimitPassed(f"the server is too slow: {received:,} bytes in {limits.seconds:.0f} s")
            file.write(chunk)
            bar.update(len(chunk))
    if received < announced:
        raise requests.ConnectionError("the connection broke off")


def _explain(error, timeout):
    """What went wrong, in words, and whether the same address deserves another attempt."""
    import requests
    import urllib3

    if isinstance(error, _LimitPassed):
        return str(error), False
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        return f"the server answers {status} {error.response.reason}", status >= 500 or status == 429
    if error.args and isinstance(error.args[0], urllib3.exceptions.MaxRetryError):
        return "no connection", False
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)) or "timed out" in str(error):
        return f"the server was silent for {timeout} s", True
    if isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
        return "the connection broke off", True
    return "the file arrived changed or incomplete (its SHA-256 is wrong)", True


@contextmanager
def _locked(path):
    """Hold the lock file of `path`; the system frees it even if this process is killed."""
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(f"{path}.lock", timeout=LOCK_SECONDS):
        yield


@contextmanager
def _staging(path):
    """An empty folder beside `path`, removed at the end; its fixed name lets the next run remove a dead one."""
    folder = path.parent / f".{path.name}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _clear_errors(path, sample=None):
    """Turn every error of disk or network into a DataUnavailable that says what to do."""
    advice = f'\nThe sample needs no network: data.load("{sample}")' if sample else ""
    try:
        yield
    except DataUnavailable as error:
        raise DataUnavailable(f"{error}{advice}") from error.__cause__
    except TimeoutError as error:
        message = f"another process has been busy with {path} for {LOCK_SECONDS // 60} minutes; end it and try again"
        raise DataUnavailable(message + advice) from error
    except OSError as error:
        problem = "the disk is full" if error.errno == errno.ENOSPC else "the folder cannot be written to"
        message = f"{path.name} cannot be stored in {path.parent}: {problem} ({error.strerror or error})"
        cure = "\nSet the environment variable COURSE_DATA_DIR to a folder with room that you may write to."
        raise DataUnavailable(message + cure + advice) from error


def _require_space(folder, n_bytes):
    free = shutil.disk_usage(folder).free
    if free < 1.1 * n_bytes:
        raise OSError(errno.ENOSPC, f"it needs {n_bytes / 1e6:.0f} MB, {free / 1e6:.0f} MB are free")


def _extract(archive, folder):
    """Check every member of the archive, then write all of them below `folder`."""
    folder.mkdir()
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                if any(member.flag_bits & 1 for member in file.infolist()):
                    raise DataUnavailable(f"{archive} is encrypted: unpack it with its password into {folder.name}")
                _check_members([(m.filename, m.file_size, _is_plain(m)) for m in file.infolist()], folder)
                file.extractall(folder)
        else:
            with tarfile.open(archive) as file:
                members = file.getmembers()
                _check_members([(m.name, m.size, m.isfile() or m.isdir()) for m in members], folder)
                safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4
                file.extractall(folder, members, **safe)
                while file.fileobj.read(2**20):  # to the very end, where gzip, bzip2 and xz keep their checksum
                    pass
    except BROKEN as error:
        raise DataUnavailable(f"{archive} is not a complete tar or zip archive: {error}") from error


def _check_members(members, folder):
    for name, _, is_plain in members:
        _refuse_outside(name, "the archive")
        if not is_plain:
            raise UnsafeFile(f"the archive was refused: {name!r} is a link or a device, not a file")
        _refuse_pickle(name)
    _require_space(folder.parent, sum(size for _, size, _ in members))


def _refuse_outside(name, what):
    paths = PurePosixPath(name), PureWindowsPath(name)
    if any(path.is_absolute() or path.drive or path.root or ".." in path.parts for path in paths):
        raise UnsafeFile(f"{what} was refused: {str(name)!r} lies outside its folder")


def _is_plain(member):
    """False for a link or device in a zip file; a type of 0 means that the archive does not tell."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    return kind in (0, stat.S_IFREG, stat.S_IFDIR)


def _refuse_pickle(name):
    if PICKLES.intersection(suffix.lower() for suffix in PurePosixPath(name).suffixes):
        raise UnsafeFile(f"{str(name)!r} was refused: opening a pickle can run any program; use .npz or .safetensors")
