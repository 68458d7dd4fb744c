"""The season that `make demo` plays: its page has every flow with the engine's counts, and silence is failure."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from local import __main__ as commands
from local import season, season_page
from local.season import Content, Season
from local.shops import BIKES, TEA
from local.stack import content_files
from rekindle.cli.demo_month import Span
from rekindle.content.previews import Named, drafts
from rekindle.domain.offers import Offer
from tests.support.build import playbook
from tests.support.shipped import TEMPLATES, segments, shipped

FLOWS = {"cart-abandonment", "order-confirmation", "welcome"}
MAILS = (
    "cart-reminder-1",
    "cart-reminder-2",
    "cart-reminder-3",
    "order-confirmation",
    "welcome-1",
    "welcome-2",
    "welcome-3",
)
HELLO = Offer(name="welcome", kind="unique", percent=Decimal(10), prefix="HELLO")
SPAN = Span(season.SEASON.since, season.SEASON.since + timedelta(days=60), timedelta(days=30))


@pytest.fixture(scope="module")
def small() -> Content:
    """Return three flows with their mails, published for both shops."""
    files = content_files(TEMPLATES, Path(season.__file__).parent / "season_content")
    shown = drafts(files, [Named("emails", name) for name in MAILS])
    assert not shown.problems
    book = playbook(*map(shipped, sorted(FLOWS)), segments=segments(), gives=[HELLO])
    return season.switched_on(replace(book, shops=dict(shown.mails.shops)), shown, {HELLO.name: HELLO}, FLOWS)


@pytest.fixture(scope="module")
def played(small: Content) -> Season:
    """Return a season of thirty-two people."""
    return season.play(small, {TEA.id: 24, BIKES.id: 8}, SPAN)


def test_the_page_has_each_flow_with_the_counts_of_the_engine(played: Season) -> None:
    """What is counted for the graph is what people got, one by one."""
    page = season_page.render(played)
    got = Counter(one.planned.flow for who in played.residents for one in who.sent)
    said = dict(re.findall(r'data-flow="([\w-]+)">.*?data-sent="(\d+)"', page, re.DOTALL))
    assert {name: int(count) for name, count in said.items()} == dict(got)
    assert set(got) == FLOWS
    assert not played.silent
    for flow in played.findings.flows:
        assert f"The flow {flow.title} as a graph: {flow.entered} entered" in page
        assert sum(edge.count for edge in flow.edges if edge.step == "") == flow.entered


def test_mails_stand_there_in_the_languages_of_their_readers(played: Season) -> None:
    """And the page needs nothing from anywhere."""
    page = season_page.render(played)
    readers = {who.locale for who in played.residents if who.sent}
    assert readers == {"en", "ar", "zh-Hant"}
    assert all(f"confirmation in {name}" in page for name in ("English", "العربية", "繁體中文"))
    assert not re.findall(r'<(?:script|link)\b|<img[^>]+src="http', page)


def test_orders_are_credited_as_results_are_counted(played: Season) -> None:
    """The headline is the sum of the credits that the people's own profiles hold."""
    held = [one for who in played.residents if who.profile is not None for one in who.profile.credits.values()]
    orders = sum(int(told.figures.get("orders", 0)) for told in played.reports.values())
    assert orders == len(held) > 0


def test_a_code_is_known_as_its_messages_own_and_stands_in_the_mail(played: Season) -> None:
    """So that an order which uses it is credited to that message."""
    given = [(who, one) for who in played.residents for one in who.sent if one.coupon is not None]
    assert given
    for who, one in given:
        assert who.profile is not None
        assert one.coupon is not None
        known = [code for code in who.profile.coupons if code.message == one.id]
        assert [(code.code, code.label == one.planned.label) for code in known] == [(one.coupon.code, True)]
    first = min((one for _, one in given), key=lambda one: (one.at, one.id))
    assert first.coupon is not None
    assert first.coupon.code in season_page.render(played)


def test_a_flow_that_sends_nothing_is_failure(small: Content, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nobody signs up, leaves a basket or buys on a day without people: the page and the command say so."""
    monkeypatch.setattr(season, "content", lambda _: small)
    monkeypatch.setattr(season, "PEOPLE", {TEA.id: 1})
    silent = commands.season_of(
        tmp_path / "season.html",
        Console(quiet=True),
        span=Span(SPAN.since, SPAN.since + timedelta(hours=1), timedelta(days=1)),
    )
    assert set(silent) == FLOWS
    assert "Sent nothing, though it should: cart-abandonment" in (tmp_path / "season.html").read_text("utf-8")
