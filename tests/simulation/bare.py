"""Ports of a `memory.World` in short, for the replays: the same calls, told to nobody."""

from __future__ import annotations

import inspect
from typing import Any

_bare_classes: dict[type, type] = {}


def bare(port: Any) -> Any:
    """Return the port without the world's own hook before and after each call, for where nobody looks."""
    kind = type(port)
    if kind not in _bare_classes:
        methods = {name: inspect.unwrap(function) for name, function in inspect.getmembers(kind, inspect.isfunction)}
        _bare_classes[kind] = type(f"Bare{kind.__name__}", (kind,), methods)
    return _bare_classes[kind](port.world)
