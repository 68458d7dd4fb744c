"""Content to publish where a test is not about all that ships: what some flows need, which is quickly looked at."""

from __future__ import annotations

import re

from local.stack import ROOT, content_files
from local.world import DEMO_CONTENT
from rekindle.flow.definition import read_flow

#: What the demo's shops have switched on.
SWITCHED_ON = ("cart-abandonment", "order-confirmation", "next-ride")

_PART = re.compile(r"(flows|emails|sms|push|segments|popups)/([a-z0-9][a-z0-9-]*)")
_KINDS = {"email": "emails", "notify": "emails", "sms": "sms", "push": "push", "segment": "segments"}


def content_of(*flows: str) -> dict[str, bytes]:
    """Return the demo's content with these flows alone, and of mails, texts and segments those that they name."""
    everything = content_files(ROOT / "templates", DEMO_CONTENT)
    kept = {("flows", name) for name in flows}
    for name in flows:
        file = f"flows/{name}.yaml"
        uses = read_flow(everything[file].decode(), file=file).uses
        kept.update((_KINDS[use.what], use.name) for use in uses if use.what in _KINDS)
    return {
        path: raw
        for path, raw in everything.items()
        if (part := _PART.match(path)) is None or (part.group(1), part.group(2)) in kept
    }
