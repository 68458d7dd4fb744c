"""What publishing says of expressions that could be compiled and still cannot be meant: what is wrong, and the cure."""

from __future__ import annotations

from typing import Any

import pytest

from rekindle.domain.events import FLOW_EVENTS
from rekindle.flow.check import Purpose, problems
from rekindle.flow.view import PROFILE, RUN, SHOP

ORDER, CART, VIEW, FORM = (
    ("order.placed",),
    ("cart.updated", "checkout.updated"),
    ("product.viewed",),
    ("form.submitted",),
)


@pytest.mark.parametrize(
    ("source", "types", "wrong", "cure"),
    [
        # Names.
        ("event.totl > 5", ORDER, "'event' (order.placed) has no 'totl'", "did you mean 'total'?"),
        ("profile.emial", ORDER, "'profile' has no 'emial'", "did you mean 'email'?"),
        ("run.click", ORDER, "'run' has no 'click'", "did you mean 'clicked'?"),
        ("shop.curency == 'EUR'", ORDER, "'shop' has no 'curency'", "did you mean 'currency'?"),
        ("profile['emial']", ORDER, "'profile' has no 'emial'", "did you mean 'email'?"),
        ("profile.total > 5", ORDER, "'profile' has no 'total'", "'event' has it: event.total"),
        (
            "event.recovery_url",
            ORDER,
            "has no 'recovery_url'",
            "only these events have it: cart.updated, checkout.updated",
        ),
        (
            "event.qqq",
            VIEW,
            "'event' (product.viewed) has no 'qqq'",
            "it has again, at, currency, id, kind, look, price, seconds, title, url",
        ),
        ("customer.email", ORDER, "unknown name 'customer'", "did you mean 'profile'?"),
        ("cart.total > 5", CART, "unknown name 'cart'", "did you mean 'event'?"),
        ("profil.email", ORDER, "unknown name 'profil'", "did you mean 'profile'?"),
        ("qqq.email", ORDER, "unknown name 'qqq'", "use one of coupon, event, profile, run, shop"),
        ("profile.city == null", ORDER, "unknown name 'null'", "profile.city is none"),
        ("profile.subscribed == yes", ORDER, "unknown name 'yes'", "profile.subscribed"),
        ("profile == 'x'", ORDER, "'profile' alone says nothing", "profile.email"),
        ("event", ORDER, "'event' alone says nothing", "event.id"),
        ("profile[event.id]", ORDER, "'profile' alone says nothing", "profile.email"),
        ("event.ship_to.land == 'NL'", ORDER, "'event.ship_to' has no 'land'", "country"),
        ("event.items.title == 'x'", CART, "'event.items' is a list", "(event.items | first).title"),
        ("(event.items | first).prize > 3", CART, "has no 'prize'", "did you mean 'price'?"),
        ("profile.basket.totl > 3", (), "'profile.basket' has no 'totl'", "did you mean 'total'?"),
        ("profile.email.domain == 'x'", ORDER, "'profile.email' is a text and has no fields", "profile.email alone"),
        ("profile.revenue.eur > 5", ORDER, "'profile.revenue' has no 'eur'", "profile.revenue.EUR"),
        ("event.total[0] > 1", ORDER, "'event.total' is a number: it has no numbered items", "alone"),
        # Time.
        ("now > profile.last_order_at", ORDER, "unknown name 'now'", "there is no clock here: write since("),
        ("today", ORDER, "unknown name 'today'", "within("),
        (
            "profile.last_order_at > '90d'",
            ORDER,
            "a moment and a text have no order",
            "since(profile.last_order_at) > '90d'",
        ),
        (
            "profile.last_order_at < 90",
            ORDER,
            "a moment and a number have no order",
            "within(profile.last_order_at, '30d')",
        ),
        ("event.placed_at > '2026-01-01'", ORDER, "a moment and a text have no order", "since(event.placed_at)"),
        (
            "profile.last_order_at == '90d'",
            ORDER,
            "a moment and a text can never be equal",
            "since(profile.last_order_at)",
        ),
        ("event.placed_at - profile.created_at > 5", ORDER, "'-' is for numbers", "since(event.placed_at)"),
        ("profile.birthday < '2000-01-01'", ORDER, "a day and a text have no order", "wait_until"),
        ("since(profile.birthday) > '9d'", ORDER, "'profile.birthday' is a day, not a moment", "wait_until"),
        ("since(profile.email) > '9d'", ORDER, "'profile.email' is a text, not a moment", "profile.last_order_at"),
        (
            "within(event.total, '9d')",
            ORDER,
            "'event.total' is a number, not a moment",
            "within('email.clicked', '30d')",
        ),
        ("since > '9d'", ORDER, "'since' is a function", "since(profile.last_order_at) > '90d'"),
        (
            "since(profile.last_order_at)",
            ORDER,
            "since() is compared with a time",
            "since(profile.last_order_at) > '90d'",
        ),
        ("since('email.clickd') > '9d'", ORDER, "no event is called 'email.clickd'", "did you mean 'email.clicked'?"),
        ("since(profile.last_order_at) > 90", ORDER, "a fixed time with its unit in quotes", "> '90d'"),
        (
            "count('product.viewed', '9d')",
            ORDER,
            "count() is compared with a number",
            "count('product.viewed', '90d') >= 3",
        ),
        ("count('product.viewed', '9d') == 3", ORDER, "by <, <=, > and >= only", ">= 3"),
        ("count('product.viewed', 9) > 3", ORDER, "takes fixed texts in quotes", "'90d'"),
        (
            "count('product.viewed', \"event.idd == 'x'\") > 2",
            ORDER,
            "in count('product.viewed', …)",
            "did you mean 'id'?",
        ),
        (
            "count('product.viewed', \"event.id == 3\") > 2",
            ORDER,
            "a text and a number can never be equal",
            "in quotes",
        ),
        (
            "count('product.viewed', \"profile.city\") > 2",
            ORDER,
            "can look at the counted event alone",
            "event.id == 'p1'",
        ),
        ("ordered(event.total)", ORDER, "'event.total' is no product and no category", "ordered('p1')"),
        ("ordered(event.updated_at)", ORDER, "is no product and no category", "ordered(event.kind)"),
        # Kinds that do not go together.
        (
            "event.total > '5'",
            ORDER,
            "event.total > '5': a number and a text have no order",
            "write numbers without quotes",
        ),
        ("5 < event.total < '9'", ORDER, "event.total < '9': a number and a text", "write numbers without quotes"),
        ("profile.first_name > 5", ORDER, "a text and a number have no order", "write texts in quotes"),
        ("event.total == 'x'", ORDER, "a number and a text can never be equal", "write numbers without quotes"),
        ("event.id != 5", ORDER, "a text and a number can never be equal", "write texts in quotes"),
        ("event.items > 3", CART, "a list and a number have no order", "event.items | length"),
        ("event.items == 3", CART, "a list and a number can never be equal", "event.items | length"),
        ("profile.tags == 'vip'", ORDER, "a list and a text can never be equal", "'vip' in profile.tags"),
        ("profile.tags in ('a', 'b')", ORDER, "the list holds a text, never a list", "'a' in profile.tags or"),
        ("5 in profile.tags", ORDER, "the list holds a text, never a number", None),
        ("'x' in profile.orders", ORDER, "'profile.orders' is a number, and nothing is in it", "a list or a text"),
        ("'x' in profile.last_order_at", ORDER, "a moment, and nothing is in it", "since(profile.last_order_at)"),
        ("3 in profile.email", ORDER, "a text holds texts, never a number", "in quotes"),
        (
            "profile.subscribed == 'yes'",
            ORDER,
            "yes or no and a text can never be equal",
            "write profile.subscribed alone",
        ),
        ("profile.subscribed > 0", ORDER, "yes or no and a number have no order", "not profile.subscribed"),
        (
            "profile.revenue > 5",
            ORDER,
            "an amount for each currency and a number",
            "profile.revenue.EUR, or profile.spent",
        ),
        (
            "profile.average >= event.total",
            ORDER,
            "an amount for each currency and a number",
            "write profile.average.EUR",
        ),
        ("event.ship_to == 'NL'", ORDER, "can never be equal", "country"),
        ("event.total > none", ORDER, "a number and nothing have no order", "write event.total is none"),
        ("profile.traits > 5", ORDER, "many values, each under a name and a number", None),
        ("profile.interests == 'tea'", ORDER, "a list and a text can never be equal", "'tea' in profile.interests"),
        (
            "profile.traits.interests == 'tea'",
            ORDER,
            "a list and a text can never be equal",
            "in profile.traits.interests",
        ),
        ("event.total is gt 'x'", ORDER, "a number and a text have no order", "without quotes"),
        # Values that there never are.
        ("event.status == 'place'", ORDER, "'event.status' is never 'place'", "did you mean 'placed'?"),
        ("event.status in ('placd', 'open')", ORDER, "'event.status' is never 'placd'", "did you mean 'placed'?"),
        ("'lost' != event.status", ("shipment.updated",), "'event.status' is never 'lost'", "delivered"),
        # Calculating.
        ("event.number + 5 > 3", ORDER, "'event.number' is a text: '+' is for numbers", "event.number | float"),
        ("event.total * '2' > 3", ORDER, "'2' is a text: '*' is for numbers", "without quotes"),
        ("event.items + 1 > 3", CART, "'event.items' is a list: '+' is for numbers", "event.items | length"),
        ("profile.revenue - 5 > 1", ORDER, "'-' is for numbers", "profile.revenue.EUR"),
        ("-profile.email > 3", ORDER, "'profile.email' is a text: '-' is for numbers", "float"),
        ("profile.orders | length > 3", ORDER, "'length' is for a list or a text", "leave it out"),
        ("event.total | lower == 'x'", ORDER, "'lower' is for a text", "leave it out"),
        ("event.total | first > 1", ORDER, "'first' is for a list", "leave it out"),
        ("event.items | sum('prize') > 3", CART, "the items of 'event.items' have no 'prize'", "did you mean 'price'?"),
        ("event.items | sum(attribute='title') > 3", CART, "these are a text", "| length"),
        ("event.items | sum > 3", CART, "'sum' adds numbers", "| length"),
        ("('a' if event.total) == 'a'", ORDER, "does not say what else", "else 'b'"),
        # What is always the same.
        ("true", ORDER, "true is always true", "leave it out"),
        ("1 > 2", ORDER, "'1 > 2' is always false", "leave it out"),
        ("profile.city and 5", ORDER, "5 is always true", "leave it out"),
        ("profile.city == 'a' or 'b'", ORDER, "'b' is always true", "in ('a', 'b')"),
        ("not ('x' or profile.city)", ORDER, "'x' is always true", "in ('a', 'b')"),
        ("event.total == event.total", ORDER, "'event.total == event.total' is always true", "what it depends on"),
        ("event.total < event.total", ORDER, "is always false", "what it depends on"),
        ("count('product.viewed') >= 0", ORDER, "is always true", "what it depends on"),
        ("0 > count('product.viewed', '9d')", ORDER, "is always false", "what it depends on"),
        ("()", ORDER, "is always false", "leave it out"),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_cure(
    source: str, types: tuple[str, ...], wrong: str, cure: str | None
) -> None:
    (problem,) = problems(source, types)
    assert wrong in problem.message
    assert (cure or "") in (problem.hint or "")


@pytest.mark.parametrize(
    ("source", "types"),
    [
        ("event.items and not event.completed_at and profile.email", CART),
        ("run.key in (event.cart_token, event.checkout_token)", ORDER),
        ("event.total > 50 and event.currency == 'EUR' and 'wholesale' not in profile.tags", ORDER),
        ("event.cancelled_at is none or event.cancelled_at == none", ORDER),
        ("event.status in ('placed', 'open') and event.status != 'failed'", ORDER),
        ("event.status == 'delivered' or event.status == 'placed'", ("order.placed", "shipment.updated")),
        ("event.number or event.recovery_url", (*CART, *ORDER)),
        ("event.ship_to and event.ship_to.country == 'NL'", ORDER),
        ("event.items | length > 3 and event.items | sum('total') > 50", CART),
        ("(event.items | first).title == 'Sencha' and (event.items[0]).quantity > 1", CART),
        ("event.answers.size == 'M' and 'tea' in event.answers.likes", FORM),
        ("profile.revenue.EUR > 5 and profile.average['EUR'] > 5 and profile.spent > 5", ORDER),
        ("profile.basket and profile.basket.total > 20 and profile.basket.items | length > 1", ORDER),
        ("profile.traits.size == 'M' and profile.traits.points > 5 and 'x' in profile.traits.likes", ORDER),
        ("profile.birthday and profile.birthday == '2001-02-28' and 'tea' in profile.interests", ORDER),
        ("shop.values.vip_line < profile.spent and shop.shipping_days > 3", ORDER),
        ("profile.first_order_at < profile.last_order_at", ORDER),
        ("profile.first_order_at == profile.last_order_at", ORDER),
        ("'@example.com' in profile.email and profile.city | lower == 'utrecht'", ORDER),
        ("(profile.city or 'nowhere') != 'nowhere' and (profile.city | default('x', true)) > 'm'", ORDER),
        ("event.total * 1.5 - 3 > profile.spent / 2 and event.total | round(1) > 3 and -event.total < 0", ORDER),
        ("(profile.first_name + ' ' + profile.last_name) | length < 40", ORDER),
        ("(event.total if event.total else 0) > 5", ORDER),
        ("'reminder' in run.clicked and run.redeemed", ORDER),
        ("since(profile.last_order_at) > '90d' and '1d' < since('email.clicked') <= '30d'", ORDER),
        ("since(event.placed_at or profile.created_at) > '90d' and within(run.entered_at, '1d')", ORDER),
        ("since(profile.traits.last_gift) > '90d' and within(shop.values.opening, '3w')", ORDER),
        ("count('product.viewed', \"event.id == 'p1' and event.seconds >= 60\", '30d') >= 2", ORDER),
        ("count('segment.entered', \"event.name == 'vip'\") < 1 and count('order.placed', '1w') > 0", ORDER),
        (
            "ordered('p1') or ordered(event.kind, '180d') or ordered(('Tea', 'Coffee')) or ordered(profile.interests)",
            VIEW,
        ),
        ("ordered(event.items) and not in_segment('vip')", CART),
        ("event.total is defined and event.number is string and event.total is ge 5", ORDER),
        ("event.values.birthday is none", ("traits.changed",)),
    ],
)
def test_what_can_be_meant_is_fine(source: str, types: tuple[str, ...]) -> None:
    assert problems(source, types) == []


@pytest.mark.parametrize("kind", sorted(FLOW_EVENTS))
def test_every_field_that_there_is_can_be_read(kind: str) -> None:
    for known in (
        (f"profile.{name}" for name in PROFILE),
        (f"run.{name}" for name in RUN),
        (f"shop.{name}" for name in SHOP),
    ):
        for path in known:
            assert problems(f"{path} is none", (kind,)) == []
    assert problems("event.at or event.updated_at", (kind, "order.placed", "product.viewed")) == []


@pytest.mark.parametrize(
    ("source", "wrong", "cure"),
    [
        ("event.total > 5", "there is no 'event' here", "within('…', '30d') and count"),
        ("run.clicked", "there is no 'run' here", "nobody has entered"),
        ("within('segment.left', '3d')", "cannot ask for segment.left", "in_segment('…')"),
        ("count('segment.entered', \"event.name == 'vip'\") > 1", "cannot ask for segment.entered", "in_segment('…')"),
    ],
)
def test_a_segment_knows_the_profile_the_shop_and_the_past(source: str, wrong: str, cure: str) -> None:
    (problem,) = problems(source, ("order.placed",), purpose="segment")
    assert wrong in problem.message
    assert cure in (problem.hint or "")


@pytest.mark.parametrize(
    "source",
    [
        "profile.subscribed and profile.orders > 1 and shop.currency == 'EUR'",
        "since(profile.last_order_at) > '90d' and not in_segment('vip')",
        "count('email.opened', '90d') < 1 and ordered('Tea', '180d') and within('order.placed', '9d')",
    ],
)
def test_what_a_segment_can_say(source: str) -> None:
    assert problems(source, purpose="segment") == []


def test_before_anybody_has_entered_there_is_no_run() -> None:
    assert problems("run.key", ORDER, in_run=True) == []
    (problem,) = problems("run.key", ORDER, in_run=False)
    assert "there is no 'run' here" in problem.message


@pytest.mark.parametrize(
    ("purpose", "fine", "refused"),
    [
        (
            "number",
            ("event.total * 2 - shop.shipping_days", "3", "profile.traits.days"),
            ("event.id", "event.items", "none"),
        ),
        ("date", ("profile.birthday", "event.placed_at", "profile.traits.renewal"), ("event.total", "event.id", "'x'")),
        (
            "key",
            ("event.id", "event.total", "profile.traits.group"),
            ("event.items", "event.ship_to", "event.placed_at"),
        ),
        (
            "value",
            (
                "event.id",
                "profile.orders + 1",
                "profile.city or 'nowhere'",
                "true",
                "none",
                "event.codes",
                "event.placed_at",
            ),
            ("event.ship_to", "event.items", "profile.revenue", "'x' or profile.city"),
        ),
    ],
)
def test_a_value_must_be_what_it_is_for(purpose: Purpose, fine: tuple[str, ...], refused: tuple[str, ...]) -> None:
    told: dict[str, Any] = {source: problems(source, ORDER, purpose=purpose) for source in (*fine, *refused)}
    assert [source for source in told if told[source]] == list(refused)


def test_every_mistake_is_told_and_each_once() -> None:
    found = problems("event.totl > 1 or event.totl > 2 or customer.email or event.total > 'x'", ORDER)
    assert len(found) == 3


def test_a_problem_reads_as_one_sentence_with_its_cure() -> None:
    (problem,) = problems("profile.last_order_at > '90d'", ORDER)
    assert str(problem) == (
        "profile.last_order_at > '90d': a moment and a text have no order"
        " (write since(profile.last_order_at) > '90d' or within(profile.last_order_at, '30d'))"
    )
