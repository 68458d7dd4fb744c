"""How lengths of time are written: `90m`, `3d`, `1d 12h`. Pure."""

from __future__ import annotations

import re

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
#: What a length of time looks like, for editors too (ECMA 262 reads it alike).
PATTERN = r"^\s*(\d{1,6}\s*[smhdw]\s*)+$"
_PART = re.compile(r"(\d{1,6})\s*([smhdw])")
_MAX_SECONDS = 2 * 366 * 86_400


def seconds(value: object) -> int:
    """Return the seconds of a duration such as `90m`, `3d` or `1d 12h`, at most two years. Raises `ValueError`."""
    text = value.strip() if isinstance(value, str) else ""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        raise ValueError(f"'{value}' is not a duration: write for instance 90m, 3d or 1d 12h")
    total = sum(int(count) * UNITS[unit] for count, unit in parts)
    if total > _MAX_SECONDS:
        raise ValueError(f"'{value}' is longer than two years")
    return total


def spoken(length: int) -> str:
    """Return the seconds as a duration that `seconds` reads back: `1d 12h`."""
    parts = []
    for unit in "dhms":
        count, length = divmod(length, UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
