"""Which language to write to somebody in: BCP 47 tags in one form, and what each falls back to. Standard library only.

`send` decides by this for every mail, so nothing here asks CLDR; what of it matters to a fallback is in two tables.
"""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache

_TAG = re.compile(r"([a-z]{2,3})(?:-([a-z]{4}))?(?:-([a-z]{2}|\d{3}))?(?:-[a-z0-9-]+)?\Z")
#: Codes that browsers and shops still send, and what they mean (CLDR, language aliases).
_NAMED_ANEW = {"iw": "he", "in": "id", "ji": "yi", "no": "nb", "tl": "fil"}
_TRADITIONAL = frozenset({"TW", "HK", "MO"})


@lru_cache(maxsize=1_000)
def canonical(raw: str) -> str:
    """Return the tag as `language[-Script][-REGION]`; empty for what is no tag.

    Chinese always names its script, since the two are written, and read, by different people: `zh-TW` is `zh-Hant-TW`.
    """
    found = _TAG.match(raw.strip().replace("_", "-").lower())
    if found is None:
        return ""
    language, script, region = found.groups()
    language = _NAMED_ANEW.get(language, language)
    place = (region or "").upper()
    written = (script or "").title()
    if language == "zh" and not written:
        written = "Hant" if place in _TRADITIONAL else "Hans"
    return "-".join(part for part in (language, written, place) if part)


@lru_cache(maxsize=1_000)
def chain(raw: str) -> tuple[str, ...]:
    """Return the tag and what it falls back to, the nearest first; but never from one Chinese to another.

    >>> chain("zh-TW")
    ('zh-Hant-TW', 'zh-Hant')
    """
    parts = canonical(raw).split("-")
    found = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return tuple(tag for tag in found if tag and tag != "zh")


@lru_cache(maxsize=1_000)
def base(raw: str) -> str:
    """Return the tag without its region: what a text is written in. Empty for what is no tag."""
    parts = canonical(raw).split("-")
    return "-".join(part for part in parts if not (part.isupper() or part.isdigit()))


def region(raw: str) -> str:
    """Return the region that the tag names, or nothing."""
    last = canonical(raw).rpartition("-")[2]
    return last if last.isupper() or last.isdigit() else ""


def pick(available: Container[str], *wanted: str | None) -> str | None:
    """Return the first of these languages, each with its fallbacks, that there is."""
    for one in wanted:
        for tag in chain(one) if one else ():
            if tag in available:
                return tag
    return None


def accepted(header: str | None, available: Container[str]) -> str | None:
    """Return the language that an `Accept-Language` header (RFC 9110, 12.5.4) likes best of those that there are."""
    ranked: list[tuple[float, int, str]] = []
    for place, part in enumerate((header or "")[:500].split(",")):
        tag, _, weight = part.partition(";")
        found = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight) if weight else None
        quality = 1.0 if not weight else float(found.group(1)) if found else 0.0
        if quality > 0:
            ranked.append((-quality, place, tag))
    return pick(available, *(tag for _, _, tag in sorted(ranked)))
