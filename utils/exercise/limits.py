"""Bounds a learner's code in time and memory."""

import contextlib
import ctypes
import signal
import sys
import threading
import time
from pathlib import Path

MEMORY_GB = 1.5  # what one check may add to the memory of the process
PATIENCE = 6  # how much longer a check may take on the clock than in CPU seconds, as on a busy machine
_TICK = 0.1  # seconds between two looks at clock and memory
_OWN = (str(Path(__file__).parent), contextlib.__file__)


class Limit(BaseException):
    """The learner's code ran too long or took too much memory; no Exception, so that `except Exception` lets it by."""


class TimeLimit(Limit):
    """The learner's code ran too long."""


class MemoryLimit(Limit):
    """The learner's code took too much memory."""


def limits(seconds, gigabytes=MEMORY_GB):
    """Context that raises TimeLimit (CPU seconds) or MemoryLimit in the running code; imports are not interrupted."""
    main = threading.current_thread() is threading.main_thread()
    watch = _Watch(seconds, gigabytes)
    return _by_signal(watch) if main and hasattr(signal, "setitimer") else _by_thread(watch)


class _Watch:
    def __init__(self, seconds, gigabytes):
        self.seconds, self.gigabytes = seconds, gigabytes
        self.cpu, self.end = time.process_time() + seconds, time.monotonic() + PATIENCE * seconds
        self.most = resident() + gigabytes

    def verdict(self):
        """The exception that is due, or None."""
        if time.process_time() > self.cpu or time.monotonic() > self.end:
            return TimeLimit(self.seconds)
        return MemoryLimit(self.gigabytes) if resident() > self.most else None


def resident():
    """Memory that this process holds now, in GB."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * _page_size() / 1e9
    except (OSError, ValueError, IndexError):
        import psutil

        return psutil.Process().memory_info().rss / 1e9


def _page_size():
    import resource

    return resource.getpagesize()


@contextlib.contextmanager
def _by_signal(watch):
    def ring(_signal, frame):
        error = watch.verdict()
        if error and not _is_ours(frame):  # rings again in a moment
            raise error

    start, handler = time.monotonic(), signal.signal(signal.SIGALRM, ring)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    try:
        yield
    finally:  # `ring` raises nothing in here, nor on the way out of the `with` statement
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if delay:  # an outer timer, as of a test runner, goes on
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - start), 0.01), interval)


@contextlib.contextmanager
def _by_thread(watch):
    """The same for Windows and for threads other than the main one; reaches Python code, not a long C call."""
    thread, lock, done = threading.get_ident(), threading.Lock(), threading.Event()

    def look():
        while not done.wait(_TICK):
            with lock:
                error = watch.verdict()
                if error and not done.is_set() and not _is_ours(sys._current_frames().get(thread)):
                    _raise_in(thread, type(error))

    threading.Thread(target=look, daemon=True).start()
    try:
        yield
    finally:
        try:
            done.set()
        finally:  # a Limit may arrive on the very line above
            done.set()
            with lock:
                _raise_in(thread, None)  # takes back one that has not been delivered yet


def _raise_in(thread, error):
    target = ctypes.c_ulong(thread)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(error) if error else None)


def _is_ours(frame):
    """True while the check itself is at work, or anybody imports a library: not the place to be interrupted."""
    if frame is not None and frame.f_code.co_filename.startswith(_OWN):
        return True
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
