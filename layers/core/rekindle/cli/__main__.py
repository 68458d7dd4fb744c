"""`python -m rekindle.cli`, which is what `bin/rekindle` runs."""

from __future__ import annotations

import sys

from rekindle.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
