"""What the course adds to nbval.

- The rest of a notebook is skipped after its first failing cell.
- A kernel that dies, or that takes more memory than a laptop has to spare, fails at once.
- A notebook that reaches for the network fails, even if it swallows the exception.
- A closing table reports what each notebook cost beside what it was planned to cost. Time never fails a test:
  machines differ, and so does the same machine from run to run. Only a cell that runs away is stopped, by nbval's
  wall-clock limit (see tools/run_tests.py).
- `--course-seed N` forces another seed on every notebook: bounds on learning must hold for it as well.
"""

import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty

import nbval.plugin
import psutil
import pytest
from nbval.kernel import RunningKernel, start_new_kernel

PLANNED_SECONDS = {"phase1": 40, "phase2": 60, "phase3": 110, "phase4": 110, "projects": 110}  # CPU, one quiet core
MEMORY_GB = 6.0  # more is a runaway
GUARD = Path(__file__).parent / "kernel_guard"
KERNEL_DEFAULTS = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3"}


class NotebookStopped(Exception):
    """The suite ended a notebook: dead kernel, out of memory, network."""


def planned_seconds(path):
    """CPU seconds that a notebook was planned to take, by its phase: a column of the report, not a limit."""
    found = [re.match(r"phase\d|projects", part) for part in Path(path).parts]
    names = [match[0] for match in found if match and match[0] in PLANNED_SECONDS]
    return PLANNED_SECONDS[names[0]] if names else max(PLANNED_SECONDS.values())


def memory_limit():
    """GB that a notebook may hold at once before it counts as a runaway."""
    return float(os.environ.get("COURSE_MEMORY_GB", MEMORY_GB))


# --- what a kernel costs --------------------------------------------------------------------------
class Meter(threading.Thread):
    """Samples CPU seconds and peak memory (GB) of a process and its children until it ends."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.process, self.cpu, self.peak, self.done = psutil.Process(pid), 0.0, 0.0, threading.Event()

    def run(self):
        while not self.done.wait(0.3) and self.sample():
            pass

    def sample(self):
        """Read once; False when the process is gone."""
        try:
            children = self.process.children(recursive=True)
            cpu, memory = _cpu(self.process), _resident(self.process)
        except psutil.Error:
            return False
        for child in children:
            try:
                cpu, memory = cpu + _cpu(child), memory + child.memory_full_info().uss / 1e9
            except psutil.Error:  # it ended meanwhile: its time is now in the parent's
                continue
        self.cpu, self.peak = max(self.cpu, cpu), max(self.peak, memory)
        return True


def _cpu(process):
    times = process.cpu_times()
    ended = getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
    return times.user + times.system + ended


def _resident(process):
    """GB: the highest value so far where the system records it (Linux, Windows), else the present one."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e9
    except (OSError, TypeError):
        memory = process.memory_info()
        return getattr(memory, "peak_wset", memory.rss) / 1e9


# --- the kernel -----------------------------------------------------------------------------------
class CourseKernel(RunningKernel):
    """nbval's kernel with a memory limit, without a network, and with a private folder for what it writes."""

    def __init__(self, kernel_name, cwd=None, startup_timeout=60):
        self.started = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix="course-kernel-"))
        self.stderr, self.network = self.folder / "stderr.txt", self.folder / "network.txt"
        self.limit = memory_limit()
        with open(self.stderr, "w") as stderr:
            self.km, self.kc = start_new_kernel(
                startup_timeout, kernel_name, stderr=stderr, cwd=cwd, env=self.environment()
            )
        self.pid = self.km.provisioner.pid
        self.meter = Meter(self.pid)
        self.meter.start()
        self._ensure_iopub_up()

    def environment(self):
        """Environment of the kernel: one thread, no network, nothing of the learner's own is touched."""
        path = os.pathsep.join(filter(None, [str(GUARD), os.environ.get("PYTHONPATH")]))
        private = {
            "PYTHONPATH": path,
            "COURSE_NETWORK_LOG": str(self.network),
            "COURSE_PROGRESS": str(self.folder / "progress.json"),
            "COURSE_DATA_DIR": str(self.folder / "data"),
        }
        return KERNEL_DEFAULTS | os.environ | private

    def await_reply(self, msg_id, timeout=None):
        """As nbval's, but looks at the kernel every half second instead of waiting blindly."""
        end = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while True:
            try:
                message = self.get_message(stream="shell", timeout=max(0.01, min(0.5, end - time.monotonic())))
            except Empty:
                if not self.is_alive():
                    raise NotebookStopped(f"the kernel died{self.last_words()}") from None
                if greedy := self.out_of_memory():
                    raise NotebookStopped(greedy) from None
                if time.monotonic() >= end:
                    raise
            else:
                if message["parent_header"].get("msg_id") == msg_id:
                    return

    def last_words(self):
        """What the kernel wrote to stderr before it died."""
        lines = self.stderr.read_text(errors="replace").strip().splitlines()
        lines = [line for line in lines if "[IPKernelApp]" not in line][-5:]
        why = " (out of memory, or the code ended the process)"
        return why + "".join(f"\n  {line}" for line in lines)

    def out_of_memory(self):
        """A sentence if the notebook holds more memory than it may, else None."""
        if self.meter.peak > self.limit:
            return f"over the memory limit: {self.meter.peak:.2f} GB of {self.limit:.2f} GB"
        return None

    def network_use(self):
        """A sentence if the notebook tried to use the network, else None."""
        lines = self.network.read_text().splitlines() if self.network.exists() else []
        return f"used the network: {', '.join(sorted(set(lines)))}" if lines else None

    def stop(self):
        self.meter.sample()
        self.meter.done.set()
        super().stop()


# --- pytest hooks ---------------------------------------------------------------------------------
def pytest_addoption(parser):
    help = "run what belongs to one notebook: its cells, its course rules, its exercises"
    parser.addoption("--course-notebook", metavar="NB", help=help)
    help = "run the notebooks with this seed instead of their own; stored outputs are then not compared"
    parser.addoption("--course-seed", metavar="N", type=int, help=help)


def pytest_configure(config):
    nbval.plugin.RunningKernel = CourseKernel
    if config.getoption("--course-seed") is not None:
        os.environ["COURSE_SEED"] = str(config.getoption("--course-seed"))  # read by runtime.start in the kernels
    config.pluginmanager.register(CostTable(), "course-cost-table")


def pytest_collection_modifyitems(config, items):
    """Select what belongs to --course-notebook; leave out TensorFlow cells on another backend; heavy first."""
    chosen = config.getoption("--course-notebook")
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    keep, drop = [], []
    for item in items:
        out = (chosen and not belongs(item, chosen)) or (backend != "tensorflow" and "tensorflow" in _tags(item))
        (drop if out else keep).append(item)
        if is_cell(item) and (backend != "tensorflow" or "COURSE_SEED" in os.environ):
            item.options["check"] = False  # stored outputs are those of TensorFlow and of the notebook's own seed
    if drop:
        config.hook.pytest_deselected(items=drop)
    slow = {item.path for item in keep if item.get_closest_marker("slow") or item.get_closest_marker("browser")}
    items[:] = sorted(keep, key=lambda item: _rank(item, slow))  # stable: the order within a file stays


def _rank(item, slow):
    if is_cell(item):
        return (0, -planned_seconds(notebook_of(item)), str(item.path))
    return (1, 0 if item.path in slow else 1, "")


def _tags(item):
    return item.cell.metadata.get("tags", []) if is_cell(item) else []


def is_cell(item):
    """True for a cell of a notebook, False for a plain test."""
    return isinstance(item, nbval.plugin.IPyNbCell)


def notebook_of(item):
    """Path of the file of a cell, as pytest prints it."""
    return item.nodeid.split("::")[0]


def belongs(item, notebook):
    """True if a test is about `notebook`: a cell of it, a course rule on it, one of its exercises."""
    path = Path(notebook)
    if is_cell(item):
        return item.path == path.resolve()
    stem = re.sub(r"^\d+_", "", path.stem)
    if item.path.parent.name == "explorers":
        return item.path.stem == f"test_{stem}"
    if item.path.parent.name == "exercises":
        folders = re.findall(r"phase\d\w*|projects/\w+", item.name)
        here = all(folder in path.as_posix() for folder in folders)
        return here and bool(re.search(rf"(?<![A-Za-z0-9_]){re.escape(stem)}(?![A-Za-z0-9_])", item.name))
    return path.as_posix() in item.nodeid


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    if is_cell(item) and (failed := getattr(item.parent, "first_failure", None)):
        pytest.skip(f"{failed} of this notebook failed")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if not is_cell(item) or report.skipped:
        return
    kernel = item.parent.kernel
    if kernel is not None and report.when != "setup":
        _judge(item, report, call, kernel)
        report.user_properties.append(("course_cost", cost(item, kernel)))
    if report.failed and not hasattr(item.parent, "first_failure"):
        item.parent.first_failure = item.name
    if report.when == "teardown" and kernel is not None and not kernel.is_alive():
        shutil.rmtree(kernel.folder, ignore_errors=True)


def _judge(item, report, call, kernel):
    """Turn a report into a failure where the kernel broke a rule of the suite."""
    kernel.meter.sample()
    reasons = [kernel.network_use(), kernel.out_of_memory()]
    if call.excinfo and call.excinfo.errisinstance(NotebookStopped):
        reasons.append(str(call.excinfo.value))
        if hasattr(kernel, "km"):
            kernel.stop()
    reasons = [reason for reason in dict.fromkeys(reasons) if reason]
    if reasons and not hasattr(item.parent, "first_failure"):
        where = f"{notebook_of(item)}, {item.name}"
        stopped = call.excinfo and call.excinfo.errisinstance(NotebookStopped)
        details = "" if report.passed or stopped else f"\n{report.longreprtext}"
        report.outcome = "failed"
        report.longrepr = f"{where}: {'; '.join(reasons)}\n\n{item.cell.source}{details}"


# --- the table ------------------------------------------------------------------------------------
def cost(item, kernel):
    """What a notebook has cost so far, as plain values that a worker can send."""
    return {
        "notebook": notebook_of(item),
        "wall": time.monotonic() - kernel.started,
        "cpu": kernel.meter.cpu,
        "planned": planned_seconds(notebook_of(item)),
        "peak": kernel.meter.peak,
    }


def row(name, c):
    """One line of the table: seconds, CPU seconds, planned CPU seconds, peak memory, and a mark where it is over."""
    mark = "  over plan" if c["cpu"] > c["planned"] else ""
    return f"{name}  {c['wall']:7.1f}  {c['cpu']:11.1f}  {c['planned']:7.0f}  {c['peak']:8.2f} GB{mark}"


class CostTable:
    """Collects the cost of each notebook (from all workers) and prints it at the end."""

    def __init__(self):
        self.costs = {}

    def pytest_runtest_logreport(self, report):
        for name, value in report.user_properties:
            if name == "course_cost":
                self.costs[value["notebook"]] = value

    def pytest_terminal_summary(self, terminalreporter):
        if not self.costs:
            return
        terminalreporter.section("cost of each notebook")
        write = terminalreporter.write_line
        width = max(map(len, self.costs))
        write(f"{'':<{width}}  seconds  CPU seconds  planned  peak memory")
        for name, c in sorted(self.costs.items(), key=lambda pair: -pair[1]["cpu"]):
            write(row(f"{name:<{width}}", c))
        total = sum(c["cpu"] for c in self.costs.values())
        peak = max(c["peak"] for c in self.costs.values())
        write(f"{len(self.costs)} notebooks, {total:.0f} CPU seconds, highest peak {peak:.2f} GB")
