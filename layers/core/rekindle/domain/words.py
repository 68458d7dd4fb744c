"""Numbers of things, as people say them in English: in reports, in commands' output."""

from __future__ import annotations


def counted(number: int, thing: str) -> str:
    """Return `1 segment`, `2 segments`, `1,200 push messages`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
