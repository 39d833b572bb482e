"""Set the environment .venv right after the folder of the course was moved or copied; `make` calls this by itself.

.venv/.stamp names the folder that the environment was made for. Its scripts and links to that folder are rewritten;
nothing is downloaded.
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINKS = [
    "bin/*",
    "pyvenv.cfg",
    "lib/python*/site-packages/__editable__*",
    "lib/python*/site-packages/*/direct_url.json",
]


def rewrite(venv, old, new):
    """Replace the folder `old` by `new` (str) in the scripts and links of an environment -> number of files changed."""
    whole = re.compile(re.escape(old).encode() + rb"(?![\w.-])")  # /a/course, but not /a/course2
    changed = 0
    for path in sorted(path for pattern in LINKS for path in venv.glob(pattern)):
        if path.is_file() and not path.is_symlink():  # bin/python leads out of the environment
            content = path.read_bytes()
            fresh = whole.sub(lambda _: new.encode(), content)
            if fresh != content:
                path.write_bytes(fresh)
                changed += 1
    return changed


def main(root=ROOT):
    """Rewrite the links and note the new folder in the stamp; returns the exit status."""
    stamp = root / ".venv/.stamp"
    times, old = stamp.stat(), stamp.read_text(encoding="utf-8").strip()
    files = rewrite(root / ".venv", old, str(root))
    stamp.write_text(f"{root}\n", encoding="utf-8")
    os.utime(stamp, ns=(times.st_atime_ns, times.st_mtime_ns))  # a move changes nothing that make would have to rebuild
    print(f"The course was moved from {old} to {root}: {files} files of its environment were set right.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
