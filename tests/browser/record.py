"""Take the looks that have changed, and note those that are right (`tests.browser.looks`); all with REKINDLE_LONG=1.

PYTHONPATH=layers/core .venv/bin/python -m tests.browser.record
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec

from tests.browser import chromium
from tests.browser.conftest import Site
from tests.browser.looks import NAMES, TAKEN, is_due, looks, taken, wrong_with


def main() -> int:
    """Look at mails; write down what was right, and return 1 where something was not."""
    program = chromium.find()
    if program is None:
        print("there is no Chromium or Chrome on this machine")  # noqa: T201 - a command
        return 1
    before, right, failed = taken(), {}, 0
    site = Site()
    with tempfile.TemporaryDirectory() as folder, chromium.browser(program, Path(folder)) as page:
        for look in (look for name in NAMES for look in looks(name)):
            wrong = wrong_with(look, page, site) if is_due(look, before) else None
            if wrong:
                failed += 1
                print(f"{look}: {wrong}")  # noqa: T201
            else:
                right[str(look)] = look.hash
    site.close()
    TAKEN.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(right.items())))) + b"\n")
    changed = sum(before.get(name) != hash_ for name, hash_ in right.items())
    print(f"{len(right)} looks are right, {changed} of them new; {failed} are wrong")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
