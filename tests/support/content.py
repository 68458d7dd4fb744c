"""Content for tests that are not about all that ships: what some flows need, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.stack import ROOT, content_files
from local.world import DEMO_CONTENT
from rekindle.content.sources import parse_shop
from rekindle.domain import sign_ups
from rekindle.flow.definition import read_flow

_PART = re.compile(r"(flows|emails|sms|push|segments|popups)/([a-z0-9][a-z0-9-]*)")
_KINDS = {"email": "emails", "notify": "emails", "sms": "sms", "push": "push", "segment": "segments"}


def demo_content() -> dict[str, bytes]:
    """Return the demo's content with the flows that its shops have switched on and its sign-up forms.

    And of mails what those flows name and those forms send.
    """
    everything = content_files(ROOT / "templates", DEMO_CONTENT)
    on = {name for file in everything if file.startswith("shops/") for name in _switched_on(file, everything[file])}
    forms = {("emails", sign_ups.TEMPLATE), ("emails", sign_ups.ALERT_TEMPLATE), ("popups", "newsletter")}
    return _needed_by(on, everything, more=forms)


def some(*flows: str) -> dict[str, bytes]:
    """Return what ships, with these flows alone, and of mails, texts and segments those that they name."""
    return _needed_by(flows, content_files(ROOT / "templates"))


def few(folder: Path, *flows: str) -> Path:
    """Write the same into `folder`; return the folder."""
    for path, raw in some(*flows).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)
    return folder


def _needed_by(
    flows: Iterable[str], everything: Mapping[str, bytes], *, more: Iterable[tuple[str, str]] = ()
) -> dict[str, bytes]:
    kept = {("flows", name) for name in flows} | set(more)
    for name in flows:
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
