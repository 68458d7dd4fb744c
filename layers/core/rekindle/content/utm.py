"""Where a visit came from, for the shop's own analytics: UTM parameters, added by rule when a link is followed.

Added then and not when the mail is written: a rule that changes holds for mails that are out already, what is stored
with the message stays short, and a click is told of under the address that its author wrote. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote_plus

#: What stands where nobody said otherwise. `{channel}`, `{flow}`, `{step}` and `{shop}` are the message's own.
DEFAULT: Mapping[str, str] = {
    "source": "rekindle",
    "medium": "{channel}",
    "campaign": "{flow}",
    "content": "{step}",
}

Rule = tuple[tuple[str, str], ...]


def rule(shop: Mapping[str, str], flow: Mapping[str, str]) -> Rule:
    """Return the parameters' names and texts: a flow's word before its shop's, that before ours; without the empty."""
    return tuple((name, text) for name, text in {**DEFAULT, **shop, **flow}.items() if text)


def tagged(address: str, wanted: Rule, places: Mapping[str, str]) -> str:
    """Return an address of the shop's with the parameters that it does not have yet.

    What is there stays, byte for byte and in its order: a recovery link is the shop's, and some are signed.
    """
    if not wanted:
        return address
    base, mark, fragment = address.partition("#")
    there = {unquote_plus(part.partition("=")[0]).lower() for part in base.partition("?")[2].split("&")}
    more = [f"utm_{name}={_filled(text, tuple(places.items()))}" for name, text in wanted if f"utm_{name}" not in there]
    return added(base, *more) + mark + fragment


def added(address: str, *parameters: str) -> str:
    """Return an address (without a fragment) with these parameters, `name=value`, after those that it has."""
    if not parameters:
        return address
    joint = "?" if "?" not in address else "" if address.endswith(("?", "&")) else "&"
    return f"{address}{joint}{'&'.join(parameters)}"


@lru_cache(maxsize=1_000)
def _filled(text: str, places: tuple[tuple[str, str], ...]) -> str:
    for name, value in places:
        text = text.replace(f"{{{name}}}", value)
    return quote(text, safe="")
