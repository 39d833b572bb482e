"""Run the suite: nbval on every notebook, and the tests of utils, exercises, course rules and tools.

python tools/run_tests.py [--nb NOTEBOOK | --shard phase1] [--seed 3] [arguments for pytest]

With --seed only the notebooks run, with that seed in place of their own: what they claim must hold for any seed.
"""

import argparse
import os
import subprocess
import sys

from course import ROOT, notebooks

CELL_SECONDS = 900  # wall clock: far above the slowest cell on a busy machine, so only a runaway meets it
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "TF_CPP_MIN_LOG_LEVEL": "3", "TQDM_DISABLE": "1"}
OPTIONS = [
    "--nbval-lax",  # compares only the cells tagged nbval-check-output
    "--nbval-current-env",  # this Python, whatever kernel a notebook names
    f"--nbval-cell-timeout={CELL_SECONDS}",
    "--dist=loadscope",  # the cells of a notebook stay on one worker
    "--no-loadscope-reorder",  # tests/course/nbval_plugin.py puts the heavy notebooks first
]
RULES = ["tests/course/test_lessons.py", "tests/exercises", "tests/explorers"]


SHARDS = ["phase1", "phase2", "phase3", "phase4", "projects", "notebooks", "tests"]


def arguments(notebook=None, shard=None, extra=()):
    """The arguments of pytest for the whole suite, a shard of it, or one notebook; None if there is nothing to run."""
    if notebook:
        rules = [path for path in RULES if (ROOT / path).exists()]
        return [*OPTIONS, "-n", "0", f"--course-notebook={notebook}", *extra, notebook, *rules]
    paths = [path.relative_to(ROOT).as_posix() for path in notebooks()]
    if shard in ("phase1", "phase2", "phase3", "phase4", "projects"):
        paths = [path for path in paths if path.startswith(shard)]
    paths = [] if shard == "tests" else paths
    paths += ["tests"] if shard in (None, "tests") else []
    return [*OPTIONS, "-n", os.environ.get("COURSE_WORKERS", "2"), *extra, *paths] if paths else None


def main():
    """Command line; returns pytest's exit status."""
    parser = argparse.ArgumentParser(description="Run the suite of the course.")
    parser.add_argument("--nb", metavar="NOTEBOOK", help="one notebook, its course rules and its exercises")
    parser.add_argument("--shard", choices=SHARDS, help="a part of the suite, for CI")
    parser.add_argument("--seed", type=int, metavar="N", help="run the notebooks with this seed")
    args, extra = parser.parse_known_args()
    if args.seed is not None:
        args.shard, extra = args.shard or "notebooks", [f"--course-seed={args.seed}", *extra]
    if args.nb and not (ROOT / args.nb).is_file():
        sys.exit(f"{args.nb}: no such notebook. Give its path from the top folder, as in README.md.")
    chosen = arguments(args.nb, args.shard, extra)
    if chosen is None:
        print(f"There is no notebook in {args.shard} yet.")
        return 0
    command = [sys.executable, "-m", "pytest", *chosen]
    return subprocess.run(command, cwd=ROOT, env=QUIET | os.environ).returncode


if __name__ == "__main__":
    sys.exit(main())
