"""Content to publish where a test is not about all that ships: what the demo's shops use, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable

from local.stack import ROOT, content_files
from local.world import DEMO_CONTENT
from rekindle.content.sources import parse_shop
from rekindle.flow.definition import read_flow

_PART = re.compile(r"(flows|emails|sms|push|segments|popups)/([a-z0-9][a-z0-9-]*)")
_KINDS = {"email": "emails", "notify": "emails", "sms": "sms", "push": "push", "segment": "segments"}


def demo_content() -> dict[str, bytes]:
    """Return the demo's content with the flows that its shops have switched on, and of mails what those flows name."""
    everything = content_files(ROOT / "templates", DEMO_CONTENT)
    on = {name for file in everything if file.startswith("shops/") for name in _switched_on(file, everything[file])}
    kept = {("flows", name) for name in on}
    for name in on:
        file = f"flows/{name}.yaml"
        uses = read_flow(everything[file].decode(), file=file).uses
        kept.update((_KINDS[use.what], use.name) for use in uses if use.what in _KINDS)
    return {
        path: raw
        for path, raw in everything.items()
        if (part := _PART.match(path)) is None or (part.group(1), part.group(2)) in kept
    }


def _switched_on(file: str, raw: bytes) -> Iterable[str]:
    if not file.endswith(".yaml"):
        return ()
    shop, problems = parse_shop(raw.decode(), file=file)
    assert shop is not None, problems
    return [name for name, on in shop.flows.items() if on]
