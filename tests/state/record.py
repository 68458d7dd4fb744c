"""Write down what this version stores, for all later ones to read.

PYTHONPATH=layers/core:. .venv/bin/python -m tests.state.record

As long as the version in pyproject.toml is not out (CHANGELOG.md has no heading for it), its samples may be written
anew, whenever something that is stored looks different. Those of a version that is out never change.
"""

from __future__ import annotations

import sys

from tests.state import samples


def main() -> int:
    """Write the samples of this version; return 1 where it is out already."""
    version = samples.version()
    if version in samples.released():
        print(f"{version} is out: its samples stay as they are. Count the version up in pyproject.toml first.")  # noqa: T201
        return 1
    samples.write(version, samples.make())
    print(f"wrote {samples.HERE / version}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
