"""What a newer version wrote and this one does not know: kept, and put back where it was.

While an update shifts, and after going back, an older version works on what a newer one stored (docs/operating.md). It
reads what it knows; without this, the rest would be gone with its first commit. All of it is plain JSON data: `stored`
is what lay there, `known` the same as this version understands it, `written` what it is about to store.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def unread(stored: Any, known: Any) -> Any:
    """Return what of `stored` is missing in `known`, for `put_back`; `None` where nothing is."""
    if isinstance(stored, Mapping) and isinstance(known, Mapping):
        extra = {name: value for name, value in stored.items() if name not in known}
        inner = {name: unread(stored[name], known[name]) for name in known if name in stored}
        inner = {name: part for name, part in inner.items() if part is not None}
        return {"extra": extra, "inner": inner} if extra or inner else None
    if isinstance(stored, list) and isinstance(known, list):
        tail = stored[len(known) :]
        rows = zip(_names(known), stored, known, strict=False)
        parts = {name: part for name, was, one in rows if (part := unread(was, one)) is not None}
        return {"length": len(known), "tail": tail, "items": parts} if tail or parts else None
    return None


def put_back(written: Any, part: Any) -> Any:
    """Return `written` with what was unread, wherever its place is still there.

    A field goes back to the object that it was of. Objects in a list are known by their id, where they have one, else
    by what is known of them: one of these that this version has changed itself goes without.
    """
    if isinstance(written, Mapping) and "extra" in part:
        found = {name: put_back(value, part["inner"].get(name) or {}) for name, value in written.items()}
        return {**part["extra"], **found}
    if isinstance(written, list) and "length" in part:
        rows = zip(_names(written), written, strict=True)
        items = [put_back(one, part["items"].get(name) or {}) for name, one in rows]
        # What is stored as a list of its fields is as long as the version knows fields; what is new stands last.
        return [*items, *part["tail"]] if len(items) == part["length"] else items
    return written


def _names(items: Sequence[Any]) -> Iterator[tuple[str, int]]:
    """Yield what each item of a list is found by again, those that are alike in their order."""
    seen: Counter[str] = Counter()
    for item in items:
        known_by_id = isinstance(item, Mapping) and "id" in item
        name = str(item["id"]) if known_by_id else json.dumps(item, sort_keys=True)
        seen[name] += 1
        yield name, seen[name]
