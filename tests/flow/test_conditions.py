"""Conditions: what marketers can say, what they cannot, and what happens when it goes wrong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from rekindle.domain.errors import ConditionError, ContentError
from rekindle.domain.facts import Basket, Item, Order
from rekindle.flow.conditions import condition, problems
from tests.support.build import T0

BASKET = Basket(id="c1", updated_at=T0, items=(Item(title="Sencha"),), total=Decimal("19.00"), cart_token="c1")
ORDER = Order(id="o1", updated_at=T0, total=Decimal("0.30"), cart_token="c1")
PROFILE = {"email": "ada@example.com", "tags": ("vip",), "first_name": None}


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("event.items", True),
        ("not event.items", False),
        ("event.items | length > 1", False),
        ("event.total > 10 and event.total * 1.5 < 29", True),
        ("event.total == 19", True),
        ("'c1' in (event.cart_token, event.checkout_token)", True),
        ("'vip' in profile.tags", True),
        ("profile.first_name is none", True),
        ("event.recovery_url", False),
        ("event.cancelled_at", False),
        ("'long' if event.total > 10 else ''", True),
    ],
)
def test_what_a_condition_says(source: str, *, holds: bool) -> None:
    assert condition(source).holds({"event": BASKET, "profile": PROFILE}) is holds


def test_money_is_exact() -> None:
    assert condition("event.total * 10 == 3").holds({"event": ORDER})


@pytest.mark.parametrize(
    "source",
    [
        "event.nowhere > 1",
        "profile.nothing",
        "event.total / 0",
        "event.total + 'x'",
        "'a' * 1000000000",
        "'%s' % profile.email",
        "profile.email > 3",
        "event.__class__",
        "event['__class__']",
        "event.items.__len__",
        "(event.items, 1).index",
    ],
)
def test_what_goes_wrong_at_run_time_is_a_condition_error(source: str) -> None:
    with pytest.raises(ConditionError):
        condition(source).value({"event": BASKET, "profile": PROFILE})


@pytest.mark.parametrize(
    "source",
    [
        "",
        "  ",
        "(",
        "event.items.append(1)",
        "event.items | attr('__class__')",
        "lipsum()",
        "range(9)",
        "[x for x in event.items]",
        "1 }}{{ 2",
        "event.items | map('upper') | list",
        "{'a': 1}",
        "event.total is sameas 1",
        "_private",
        "2 ** 9999",
        "x" * 3000,
    ],
)
def test_what_is_no_condition_is_refused_when_published(source: str) -> None:
    with pytest.raises(ContentError):
        condition(source)
    assert problems(source, ("checkout.updated",))


def test_unknown_names_are_named_with_what_there_is() -> None:
    (wrong_field, wrong_root) = problems("event.itemz or customer.email", ("checkout.updated",))
    assert "'event' has no 'itemz'" in wrong_field
    assert "items" in wrong_field
    assert "unknown name 'customer'" in wrong_root
    assert problems("run.key", ("checkout.updated",), in_run=False)


def test_a_field_that_only_another_trigger_has_is_none() -> None:
    assert problems("event.number or event.recovery_url", ("checkout.updated", "order.placed")) == []
    assert condition("event.number is none").holds({"event": BASKET})


def test_the_ledger_gets_short_values_of_what_was_read() -> None:
    read = condition("event.items and profile.email and event.total > 1").values({"event": BASKET, "profile": PROFILE})
    assert read == {"event.items": "1 item", "profile.email": "ada@example.com", "event.total": "19.00"}
