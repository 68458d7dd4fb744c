"""Whose pages may send, and who is no visitor but a robot."""

from __future__ import annotations

import re
from collections.abc import Collection

#: Robots that name themselves, tools, and browsers that nobody sits before. Cubot makes telephones.
_ROBOT = re.compile(
    r"(?<!cu)bot(?:\b|_)|crawl|spider|slurp|scrap|headless|phantom|lighthouse|pagespeed|pingdom|monitor|preview|prerender"
    r"|facebookexternalhit|mediapartners|bingpreview|archiver|python|curl/|wget|libwww|java/|okhttp|go-http|axios"
    r"|node-fetch|httpclient|puppeteer|playwright|selenium|gtmetrix|ahrefs|semrush|yandex\.com/bots",
    re.IGNORECASE,
)
#: Characters. No browser's is longer.
_AGENT = 1_000


def is_robot(agent: str) -> bool:
    """Whether this user agent is no person's browser; none at all is none."""
    return not agent.strip() or len(agent) > _AGENT or _ROBOT.search(agent) is not None


def is_welcome(origin: str | None, hosts: Collection[str], platform: str) -> bool:
    """Whether a page of this origin may send for a shop whose pages are on these hosts.

    Browsers always name the origin of such a request, and pages cannot change it; whoever names none is no page.
    Shopify's web pixels run in a sandbox, which has no origin: `null`.
    """
    if origin is None:
        return True
    if origin == "null":
        return platform == "shopify"
    scheme, _, host = origin.partition("://")
    return scheme in ("https", "http") and host.lower() in hosts
