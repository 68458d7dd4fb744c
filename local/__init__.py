"""Rekindle on one machine: the real template on an emulator, a clock that skips idle time, and an inbox to look at.

A development tool: nothing here is deployed. It reads the product through its public doors (the template, HTTP, the
AWS API) and may import anything.
"""

from __future__ import annotations

import sys
from pathlib import Path

# A checkout is not installed: `python -m local` finds the product beside itself.
_CORE = str(Path(__file__).resolve().parent.parent / "layers/core")
if _CORE not in sys.path:
    sys.path.append(_CORE)
