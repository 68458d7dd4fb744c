"""Who opened, who clicked: a human, or a machine that looks at mails before or instead of them? Pure.

Told by what the request says of itself, and by timing. What cannot be told is taken for a human: to take somebody's
click away would cost them what it asks for, which is worse than a figure that is a little high.

There is no hidden link in the mails that only a machine would follow, as some senders have: what a reader cannot see is
what filters look for in fraud, and a screen reader or a text-only program shows it (decision 0021).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

#: Sooner after its sending nobody has a mail, has seen it and has pressed (Mautic's two seconds, mautic/mautic#14593).
TOO_SOON = timedelta(seconds=2)
#: Scanners follow all links of a mail in one sweep of a second or a few: 836 sweeps of nine or ten links each, most of
#: them 20 to 60 seconds after the sending, 97 % within five minutes (putyourlightson/craft-campaign#546); "every link
#: in 3 seconds" (Paminga, Bot filtering). People read what they have opened before they come back for the next.
SWEEP = timedelta(seconds=10)
SWEEP_LINKS = 3
AT_ONCE = timedelta(seconds=1)
AT_ONCE_LINKS = 2

# Apple's Mail Privacy Protection loads every picture of every mail through its proxy, read or not, under this name and
# no other (Word to the Wise, "Apple MPP", 2021). No browser has a name so short.
_APPLE = "mozilla/5.0"
# What Gmail loads before it shows the mail, while somebody has it open: one to six per cent of its openings (SparkPost,
# "Gmail is prefetching images", 2022). What comes through its image cache when somebody opens the mail is another.
_GMAIL_AHEAD = "chrome/42.0.2311.135 safari/537.36 edge/12.246 mozilla/5.0"
# Proxies that fetch when somebody looks: Gmail's and Yahoo's image caches (Gmail Help, "Images in Gmail"; Yahoo Help,
# SLN28749). The first names Firefox 11 and itself.
_READERS = ("googleimageproxy", "yahoomailproxy")
# Gateways that name themselves, programs that are no browser, and what makes a preview where a link is passed on.
_MACHINES = re.compile(
    r"barracuda|cudasvc|proofpoint|urldefense|mimecast|safelinks|microsoft office protection|microsoft-urlanalyzer"
    r"|ironport|cisco ?secure ?email|trend ?micro|\btmes\b|symantec|messagelabs|sophos|forti(?:mail|guard|net)"
    r"|fireeye|trellix|forcepoint|trustwave|bitdefender|checkpoint|cloudmark|vade ?secure|virustotal|urlscan"
    r"|python-(?:requests|urllib)|aiohttp|python-httpx|go-http-client|libwww-perl|\bcurl/|\bwget/|scrapy|node-fetch"
    r"|\baxios/|headlesschrome|phantomjs|apache-httpclient|^java/|powershell"
    r"|(?<!cu)bot\b|crawler|spider|ur[il] ?preview|facebookexternalhit|\bwhatsapp/"
)
#: What a browser says of a page that it loads ahead: Fetch, "Sec-Purpose"; before that Chrome's `Purpose`, Safari's
#: `X-Purpose` and Firefox's `X-Moz` (MDN, Sec-Purpose).
_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")


def machine(
    agent: str | None, kind: Literal["opened", "clicked"], *, method: str = "GET", headers: Mapping[str, str] = {}
) -> str:
    """Return by what a request shows that no human made it; empty when nothing does.

    `agent` is the request's User-Agent, `headers` are its headers by their name in small letters.
    """
    if method == "HEAD":
        # Whoever reads a page wants its body.
        return "head"
    if any(headers.get(name, "").strip().lower().startswith(("prefetch", "preview")) for name in _AHEAD):
        return "prefetch"
    name = (agent or "").strip().lower()
    if any(reader in name for reader in _READERS):
        return ""
    if name in ("", _APPLE):
        # Of clicks too: all browsers name themselves, and Apple's proxy follows no links.
        return "privacy proxy" if name and kind == "opened" else "no agent"
    if name.endswith(_GMAIL_AHEAD):
        return "prefetch"
    return "agent" if _MACHINES.search(name) else ""


def too_soon(at: datetime, sent_at: datetime | None) -> bool:
    """Whether it happened sooner after the sending than anybody could."""
    return sent_at is not None and at - sent_at < TOO_SOON


def swept(at: datetime, hits: Iterable[tuple[int, datetime]]) -> bool:
    """Whether so many different links were followed around this moment that a sweep did it. `hits` are (link, when)."""
    near = sorted((when, link) for link, when in hits if abs(when - at) <= SWEEP)
    for place, (first, _) in enumerate(near):
        together = {link for when, link in near[place:] if when - first <= SWEEP}
        at_once = {link for when, link in near[place:] if when - first <= AT_ONCE}
        if len(together) >= SWEEP_LINKS or len(at_once) >= AT_ONCE_LINKS:
            return True
    return False
