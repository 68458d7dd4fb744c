"""What changes of a product, told to those whom it concerns: the four flows that ship, played from their files."""

from __future__ import annotations

import pytest

from rekindle.domain.events import Event
from tests.support.build import T0, at, order, playbook
from tests.support.shipped import NO, change, joined, plays, shipped
from tests.support.story import Story

MARKETING = {"price-drop": "price_dropped", "back-in-stock": "back_in_stock", "low-stock": "low_in_stock"}


@pytest.mark.parametrize(("flow", "kind"), MARKETING.items())
def test_what_changes_within_an_hour_is_one_mail(flow: str, kind: str) -> None:
    told = [joined(T0), change(kind, at(hours=1)), change(kind, at(hours=1.5), "p2"), change(kind, at(hours=1.9), "p3")]
    story = Story(playbook(shipped(flow))).tell(*told).until(at(hours=2))
    assert story.mails == [(flow, at(hours=2))]
    (run,) = story.profile.runs
    assert [fact.title for fact in (run.trigger, *run.joined)] == ["p1", "p2", "p3"]  # type: ignore[union-attr]


def test_of_one_product_the_newest_price_counts() -> None:
    told = [joined(T0), change("price_dropped", at(hours=1)), change("price_dropped", at(hours=1.5), "p2")]
    again = change("price_dropped", at(hours=1.8), "p2", price=30)
    story = Story(playbook(shipped("price-drop"))).tell(*told, again)
    (run,) = story.profile.runs
    assert [fact.price for fact in (run.trigger, *run.joined)] == [40, 30]  # type: ignore[union-attr]


@pytest.mark.parametrize(("flow", "kind"), MARKETING.items())
@pytest.mark.parametrize("case", ["an order", "no consent", "bought already", "told before"])
def test_nothing_goes(flow: str, kind: str, case: str) -> None:
    told: dict[str, list[Event]] = {
        "an order": [joined(T0), change(kind, at(hours=1)), order(at(hours=1.5))],
        "no consent": [NO, change(kind, at(hours=1))],
        "bought already": [joined(T0), order(at(minutes=10)), change(kind, at(hours=1))],
        "told before": [joined(T0), change(kind, at(hours=1)), change(kind, at(days=9))],
    }
    expected = [flow] if case == "told before" else []
    assert [name for name, _ in plays(flow, told[case])] == expected


def test_nearly_gone_is_said_once_of_each_product() -> None:
    told = [joined(T0), change("low_in_stock", at(hours=1)), change("low_in_stock", at(days=90), "p1")]
    told += [change("low_in_stock", at(days=95), "p2")]
    mails = plays("low-stock", told, at(days=120))
    assert [(name, when) for name, when in mails] == [("low-stock", at(hours=2)), ("low-stock", at(days=95, hours=1))]


@pytest.mark.parametrize(("flow", "kind"), [("price-drop", "price_dropped"), ("back-in-stock", "back_in_stock")])
def test_who_asked_is_told_by_one_flow_only(flow: str, kind: str) -> None:
    told = [joined(T0), change(kind, at(hours=1), asked=True)]
    story = Story(playbook(shipped(flow), shipped("product-alert"))).tell(*told).until(at(days=9))
    assert story.mails == [("product-alert", at(hours=1, minutes=10))]
    assert plays(flow, told) == [(flow, at(hours=2))], "where no alerts are told"


def test_a_penny_less_is_no_news() -> None:
    assert plays("price-drop", [joined(T0), change("price_dropped", at(hours=1), price=48)]) == []


@pytest.mark.parametrize("kind", ["price_dropped", "back_in_stock"])
def test_who_asked_is_told_without_any_other_consent(kind: str) -> None:
    told = [NO, change(kind, at(hours=1), asked=True), change(kind, at(hours=1, minutes=5), "p2", asked=True)]
    assert plays("product-alert", told) == [("product-alert", at(hours=1, minutes=10))]


def test_who_did_not_ask_or_has_ordered_is_told_nothing() -> None:
    asked = change("back_in_stock", at(hours=1), asked=True)
    assert plays("product-alert", [joined(T0), change("back_in_stock", at(hours=1))]) == []
    assert plays("product-alert", [joined(T0), asked, order(at(hours=1, minutes=5))]) == []
