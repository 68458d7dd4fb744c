"""What results say of figures: by flow, step, way, campaign and day, and of comparisons."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from rekindle.cli.report.outcomes import cells, judged, sentences
from rekindle.cli.report.results import render
from rekindle.cli.results import every_day
from rekindle.domain.labels import Label
from rekindle.service.results import Figures, Report, report
from tests.support.build import CART, flow_of, playbook

LETTER = "trigger:\n  schedule: {cron: '0 10 * * mon', segment: subscribers}\nsteps:\n  - email: letter\n"
BOOK = playbook(CART, flow_of(LETTER, "letter"), segments={"subscribers": "profile.subscribed"})
FIRST = CART.first or ""


def sums(**figures: float | str) -> Figures:
    return {name.replace("__", ":"): Decimal(str(amount)) for name, amount in figures.items()}


FIGURES: dict[Label, Figures] = {
    Label("2026-03-02", "cart-abandonment"): sums(entered=900, converted=80),
    Label("2026-03-02", "cart-abandonment", "cart-reminder-1", "split-1=short"): sums(
        sent=400, delivered=390, opened=160, clicked=40, orders=12, by_click=10, by_coupon=2, revenue__EUR="420.50"
    ),
    Label("2026-03-03", "cart-abandonment", "cart-reminder-1", "split-1=long"): sums(
        sent=410, delivered=400, opened=150, clicked=20, unsubscribed=2, orders=5, by_click=5, revenue__EUR="150.00"
    ),
    Label("2026-03-03", "letter", "letter", "", "2026-03-03T10:00Z"): sums(
        sent=2_000, delivered=1_980, opened=700, clicked=90, bounced=4, complained=1, orders=9, by_click=9,
        revenue__EUR="333.00", revenue__GBP="12.00",
    ),
    Label("2026-03-02", "cart-abandonment", "split-1", "split-1=short"): sums(
        people=5_000, goals=420, buyers=450, purchases=500, spent__EUR="18000", squares__EUR="1100000"
    ),
    Label("2026-03-02", "cart-abandonment", "split-1", "split-1=long"): sums(
        people=5_100, goals=260, buyers=280, purchases=300, spent__EUR="11000", squares__EUR="700000"
    ),
    Label("2026-03-02", "", "", "holdout=in"): sums(
        people=9_500, buyers=700, purchases=800, spent__EUR="28000", squares__EUR="1800000"
    ),
    Label("2026-03-02", "", "", "holdout=held"): sums(
        people=500, buyers=33, purchases=35, spent__EUR="1300", squares__EUR="80000"
    ),
}  # fmt: skip


def told(flow: str | None = None) -> Report:
    return report(FIGURES, BOOK, "tea", "2026-03-01", "2026-03-07", flow=flow)


def test_flows_come_by_what_they_brought_with_the_figures_of_all() -> None:
    found = told()
    assert [(one.name, one.campaign, one.segment) for one in found.flows] == [
        ("cart-abandonment", False, ""),
        ("letter", True, "subscribers"),
    ]
    assert found.figures["sent"] == 2_810
    assert found.figures["revenue:EUR"] == Decimal("903.50")
    assert "people" not in found.figures
    assert [line.name for line in found.days] == ["2026-03-02", "2026-03-03"]


def test_a_flow_shows_its_steps_with_their_ways_and_its_campaigns() -> None:
    cart, letter = told().flows
    (step,) = cart.steps
    assert (step.name, int(step.figures["sent"]), int(step.figures["orders"])) == ("cart-reminder-1", 810, 17)
    assert [(way.name, int(way.figures["orders"])) for way in step.ways] == [("split-1=long", 5), ("split-1=short", 12)]
    assert [(line.name, int(line.figures["sent"])) for line in letter.occurrences] == [("2026-03-03T10:00Z", 2_000)]
    assert [one.name for one in told("letter").flows] == ["letter"]
    assert told("letter").holdout is None


def test_a_split_is_judged_by_the_goal_and_a_winner_named() -> None:
    (split,) = told().flows[0].comparisons
    assert (split.name, split.goal, split.verdict.winner) == ("split-1", True, "short")
    assert [(side.group.name, side.group.hits) for side in split.sides] == [("long", 260), ("short", 420)]
    assert split.always is not None
    assert split.always.high < 0
    assert judged(split).startswith("short wins")


def test_a_holdout_says_what_was_brought_and_how_many_more_it_takes() -> None:
    found = told().holdout
    assert found is not None
    assert [side.group.name for side in found.sides] == ["in", "held"]
    assert found.verdict.winner is None
    assert found.each == 28_000 / 9_500 - 2.6
    assert found.brought == found.each * 9_500
    lines = sentences(found, "EUR")
    assert lines[0].startswith("with: 700 of 9,500 people bought, 7.37 % (between 6.86 and 7.91)")
    assert "more people" in lines[-1]


def test_a_row_says_counts_and_their_shares() -> None:
    row = cells(told().flows[1].figures, "EUR")
    assert row == [
        "2,000", "1,980 (99 %)", "700 (35 %)", "90 (4.5 %)", "–", "4 (0.2 %)", "1 (0.1 %)", "9",
        "333.00 EUR, 12.00 GBP",
    ]  # fmt: skip
    assert cells({}, "EUR")[0] == "0"


def test_a_flow_that_is_no_longer_published_keeps_its_results() -> None:
    old = {Label("2026-03-02", "gone", "mail"): sums(sent=3)}
    (flow,) = report(old, BOOK, "tea", "2026-03-01", "2026-03-07").flows
    assert (flow.title, flow.steps[0].name) == ("gone", "mail")


def test_the_page_shows_it_without_script_or_network() -> None:
    page = render(told(), every_day(date(2026, 3, 1), date(2026, 3, 7)))
    assert "2,810 messages brought 903.50 EUR" in page
    assert "Short wins: that is told from chance" in page
    assert page.count('role="img"') == 4
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_the_page_takes_half_a_year_by_weeks_and_a_week_of_nothing() -> None:
    many = report({}, BOOK, "tea", "2026-01-01", "2026-06-30")
    page = render(many, every_day(date(2026, 1, 1), date(2026, 6, 30)))
    assert "Nothing was sent" in page
    assert "Money by week" in page
