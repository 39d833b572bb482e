"""Fail if a file is too large for the repository: python tools/check_size.py FILE ..."""

import sys
from pathlib import Path

LIMITS_KB = {".ipynb": 400, ".safetensors": 5000, ".npz": 6000, ".gz": 1000, ".png": 300}
OTHER_KB = 200


def limit(path):
    """kB that a file may have, by its ending."""
    return LIMITS_KB.get(Path(path).suffix.lower(), OTHER_KB)


def main(paths):
    """Print the files over their limit; returns the exit status."""
    sizes = [(path, Path(path).stat().st_size / 1000) for path in paths if Path(path).is_file()]
    large = [f"{path}: {kb:.0f} kB, at most {limit(path)}" for path, kb in sizes if kb > limit(path)]
    print("\n".join(large), end="\n" if large else "")
    return bool(large)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
