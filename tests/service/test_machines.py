"""Humans and machines told apart, by what a request says of itself and by when it came."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

import pytest

from rekindle.service.machines import machine, swept, too_soon
from tests.support.build import T0, at

Kind = Literal["opened", "clicked"]
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)

#: agent → what its opening shows, what its click shows.
AGENTS = {
    # people
    CHROME: ("", ""),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148": (
        "", ""
    ),
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Thunderbird/127.0": ("", ""),
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/8.0; ms-office; MSOffice 16)": ("", ""),
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.14326; Pro)": ("", ""),
    "Mozilla/5.0 (Linux; Android 9; CUBOT X18 Plus) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36": ("", ""),
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36 DuckDuckGo/5": ("", ""),
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) [FBAN/FBIOS;FBAV/468.0]": ("", ""),
    # people, by a proxy
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)": ("", ""),
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html": ("", ""),
    # nobody has looked
    "Mozilla/5.0": ("privacy proxy", "no agent"),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 "
    "Safari/537.36 Edge/12.246 Mozilla/5.0": ("prefetch", "prefetch"),
    "": ("no agent", "no agent"),
    " ": ("no agent", "no agent"),
    # gateways
    "Mozilla/5.0 (compatible; BarracudaCentral/1.0)": ("agent", "agent"),
    "Barracuda Sentinel (EE)": ("agent", "agent"),
    "Proofpoint URL Defense": ("agent", "agent"),
    "Mimecast/1.0": ("agent", "agent"),
    "Mozilla/5.0 (Windows NT; Microsoft Office SafeLinks)": ("agent", "agent"),
    "Microsoft-URLAnalyzer": ("agent", "agent"),
    "CiscoSecureEmail": ("agent", "agent"),
    "TMES": ("agent", "agent"),
    "Symantec.cloud": ("agent", "agent"),
    "FortiMail": ("agent", "agent"),
    # programs
    "python-requests/2.32.3": ("agent", "agent"),
    "curl/8.7.1": ("agent", "agent"),
    "Go-http-client/2.0": ("agent", "agent"),
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/126.0.0.0 Safari/537.36": ("agent", "agent"),
    # previews of a link that somebody passed on
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": ("agent", "agent"),
    "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)": ("agent", "agent"),
    "facebookexternalhit/1.1": ("agent", "agent"),
    "WhatsApp/2.24.13.77 A": ("agent", "agent"),
    "SkypeUriPreview Preview/0.5": ("agent", "agent"),
}  # fmt: skip


@pytest.mark.parametrize(("agent", "shown"), AGENTS.items(), ids=AGENTS)
def test_who_an_agent_is(agent: str, shown: tuple[str, str]) -> None:
    assert (machine(agent, "opened"), machine(agent, "clicked")) == shown
    assert (machine(agent.upper(), "opened"), machine(agent.upper(), "clicked")) == shown


def test_no_agent_at_all_is_no_browser() -> None:
    assert machine(None, "clicked") == "no agent"


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({"sec-purpose": "prefetch"}, "prefetch"),
        ({"sec-purpose": "prefetch;anonymous-client-ip"}, "prefetch"),
        ({"sec-purpose": "prefetch;prerender"}, "prefetch"),
        ({"purpose": "prefetch"}, "prefetch"),
        ({"purpose": "Preview"}, "prefetch"),
        ({"x-purpose": "preview"}, "prefetch"),
        ({"x-moz": "prefetch"}, "prefetch"),
        ({"purpose": "reading"}, ""),
        ({"sec-fetch-dest": "document", "sec-fetch-mode": "navigate"}, ""),
    ],
)
def test_what_a_browser_loads_ahead_nobody_has_asked_for_yet(headers: dict[str, str], shown: str) -> None:
    for kind in ("opened", "clicked"):
        assert machine(CHROME, kind, headers=headers) == shown


def test_whoever_asks_for_the_head_alone_reads_nothing() -> None:
    assert machine(CHROME, "clicked", method="HEAD") == "head"


@pytest.mark.parametrize(("seconds", "told"), [(0, True), (1.9, True), (2, False), (60, False), (-5, True)])
def test_nobody_is_so_fast(seconds: float, told: bool) -> None:
    assert too_soon(at(seconds=seconds), T0) is told


def test_of_what_was_sent_nobody_knows_when_nobody_is_too_fast() -> None:
    assert not too_soon(T0, None)


def hits(*of: tuple[int, float]) -> list[tuple[int, datetime]]:
    return [(link, at(seconds=seconds)) for link, seconds in of]


SWEEPS: dict[str, tuple[list[Any], bool]] = {
    "nine links in a second": (hits(*((n, n / 10) for n in range(9))), True),
    "three within ten seconds": (hits((0, -5), (1, 0), (2, 4.9)), True),
    "three, ten seconds apart": (hits((0, 0), (1, 5), (2, 10)), True),
    "two at once": (hits((0, 0), (1, 0.9)), True),
    "two at once, a little before": (hits((1, -8), (2, -7.5), (0, 0)), True),
    "one": (hits((0, 0)), False),
    "none": ([], False),
    "the same three times": (hits((0, 0), (0, 0.2), (0, 0.9)), False),
    "two, read in between": (hits((0, 0), (1, 4)), False),
    "three, over a minute": (hits((0, -20), (1, 0), (2, 30)), False),
    "a sweep long before": (hits((1, -60), (2, -59.9), (3, -59.8), (0, 0)), False),
    "a sweep long after": (hits((0, 0), (1, 30), (2, 30.1), (3, 30.2)), False),
    "two each side, far from each other": (hits((0, -9.9), (1, 0), (2, 9.9)), False),
}


@pytest.mark.parametrize(("found", "told"), SWEEPS.values(), ids=SWEEPS)
def test_a_sweep_is_many_links_at_once(found: list[tuple[int, datetime]], told: bool) -> None:
    assert swept(T0, found) is told
    assert swept(T0, reversed(found)) is told
    assert swept(T0 + timedelta(days=1), found) is False
