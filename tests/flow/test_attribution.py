"""Which message an order is credited to, who takes part in a comparison; figures are exact however things came."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, Coupon, Engagement, Refund
from rekindle.domain.labels import Label
from rekindle.domain.profile import Profile
from rekindle.domain.results import Count, changes, standing
from rekindle.flow.engine import advance
from rekindle.flow.merge import unite
from rekindle.flow.program import Attribution, Playbook
from tests.support.build import ADA, T0, at, checkout, consent, event, flow_of, order, playbook
from tests.support.story import EMPTY, Story

FIRST, SECOND = Label("2026-03-01", "cart", "first"), Label("2026-03-01", "news", "letter", "", "2026-03-01T10:00Z")
QUIET = playbook()


def reacted(kind: str, when: datetime, label: Label | None = FIRST, message: str = "m1") -> Event:
    act = Engagement(message_id=message, at=when, address=ADA.email, link="https://tea.example/")
    return event(f"email.{kind}", act, when, label=label)


def credited(story: Story, order_id: str = "o1") -> tuple[str, str] | None:
    found = story.profile.credits.get(order_id)
    return (found.message, found.how) if found is not None else None


def ruled(**rule: int) -> Playbook:
    return playbook(attribution=Attribution(**rule))


# --- which message ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ([], None),
        ([reacted("clicked", at(days=1))], ("m1", "click")),
        ([reacted("clicked", at(days=1)), reacted("clicked", at(days=2), SECOND, "m2")], ("m2", "click")),
        ([reacted("opened", at(days=1))], None),
        ([reacted("clicked", at(days=1), None)], None),
        ([reacted("clicked", T0 - timedelta(hours=1))], ("m1", "click")),
        ([reacted("clicked", T0 - timedelta(days=2, seconds=1))], None),
    ],
    ids=[
        "nothing",
        "a click",
        "the last click",
        "an opening alone",
        "a receipt's click",
        "just within",
        "too long ago",
    ],
)
def test_an_order_is_credited_to_the_last_click_within_five_days(
    before: list[Event], expected: tuple[str, str] | None
) -> None:
    story = Story(QUIET).tell(*before, order(at(days=3)))
    assert credited(story) == expected


def test_an_opening_counts_where_the_shop_says_so_and_a_click_counts_more() -> None:
    rule = ruled(open=86_400)
    opened = reacted("opened", at(hours=1), SECOND, "m2")
    assert credited(Story(rule).tell(opened, order(at(hours=20)))) == ("m2", "open")
    assert credited(Story(rule).tell(opened, order(at(hours=26)))) is None
    assert credited(Story(rule).tell(reacted("clicked", T0), opened, order(at(hours=20)))) == ("m1", "click")


def test_the_shop_says_how_long_a_click_counts() -> None:
    story = Story(ruled(click=3_600)).tell(reacted("clicked", T0), order(at(hours=2)))
    assert credited(story) is None


def test_what_was_clicked_after_the_order_has_not_brought_it() -> None:
    assert credited(Story(QUIET).tell(order(at(hours=1)), reacted("clicked", at(hours=2)))) is None


CODED = """
trigger: {event: checkout.updated}
steps:
  - email: gift
    code: TEA10
  - wait: 1d
  - email: letter
"""


def test_a_coupon_of_a_message_proves_more_than_a_later_click_in_another() -> None:
    story = Story(playbook(flow_of(CODED))).tell(consent(T0), checkout(at(hours=1)))
    story.tell(reacted("clicked", at(hours=20), SECOND, "m2"), order(at(hours=21), codes=("tea10",)))
    assert credited(story) == (story.messages[0], "coupon")
    assert story.profile.credits["o1"].label == Label("2026-03-02", "test", "gift")
    assert ("credited", "coupon") in story.said


def test_a_click_that_is_heard_of_late_still_counts_but_not_after_two_weeks() -> None:
    late = reacted("clicked", T0)
    soon, never = at(days=1), at(days=30)
    assert credited(Story(QUIET).tell(order(at(hours=1)), replace(late, received_at=soon))) == ("m1", "click")
    assert credited(Story(QUIET).tell(order(at(hours=1)), replace(late, received_at=never))) is None


def test_an_imported_order_of_long_ago_is_credited_to_nobody() -> None:
    old = order(at(days=1), placed_at=T0 - timedelta(days=300))
    assert credited(Story(QUIET).tell(reacted("clicked", T0 - timedelta(days=300)), old)) is None


# --- figures ---------------------------------------------------------------------------------------------------------


def figures(profile: Profile) -> dict[str, Decimal]:
    found: Counter[str] = Counter()
    for counts in standing(profile).values():
        for count in counts:
            found[count.figure] += count.amount  # type: ignore[assignment]
    return {figure: Decimal(amount) for figure, amount in found.items() if amount}


def test_refunds_and_a_cancellation_take_revenue_back() -> None:
    story = Story(QUIET).tell(reacted("clicked", T0), order(at(hours=1)))
    assert figures(story.profile) == {"orders": 1, "by_click": 1, "revenue:EUR": Decimal("19.00")}
    back = Refund(id="r1", order_id="o1", at=at(hours=2), amount=Decimal("4.00"), currency="EUR")
    story.tell(event("order.refunded", back, at(hours=2)))
    assert figures(story.profile)["revenue:EUR"] == Decimal("15.00")
    story.tell(order(at(hours=3), kind="order.cancelled", status="cancelled", cancelled_at=at(hours=3)))
    assert figures(story.profile) == {}


class Ledger:
    """What commits say that they count, added up."""

    def __init__(self) -> None:
        self.sums: dict[tuple[Label, str], Decimal] = {}

    def take(self, counts: tuple[Count, ...]) -> None:
        for count in counts:
            key = count.label, count.figure
            self.sums[key] = self.sums.get(key, Decimal(0)) + count.amount

    def of(self, profile: Profile) -> dict[tuple[Label, str], Decimal]:
        wanted = Ledger()
        for counts in standing(profile).values():
            wanted.take(counts)
        return {key: amount for key, amount in wanted.sums.items() if amount}


def happenings() -> list[Event]:
    gift = Coupon(code="G1", at=at(days=1), message_id="m3", offer="gift")
    refund = Refund(id="r1", order_id="o1", at=at(days=4), amount=Decimal("4.00"), currency="EUR")
    return [
        reacted("clicked", at(hours=1)),
        reacted("clicked", at(hours=30), SECOND, "m2"),
        reacted("opened", at(hours=40), FIRST, "m4"),
        event("coupon.issued", gift, at(days=1)),
        order(at(days=2)),
        order(at(days=3), id="o2"),
        order(at(days=5), id="o2", kind="order.cancelled", status="cancelled", cancelled_at=at(days=5)),
        event("order.refunded", refund, at(days=4)),
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.permutations(range(8)), st.lists(st.booleans(), min_size=8, max_size=8), st.integers(0, 8))
def test_figures_are_exact_in_any_order_and_through_a_merge(
    places: list[int], sides: list[bool], merged_after: int
) -> None:
    """Two profiles hear of it in any order, twice, and become one at any time: the sum is the one that is true."""
    ledger, now = Ledger(), at(days=6)
    people = [replace(EMPTY, id="ada"), replace(EMPTY, id="bea")]
    told = happenings()
    for number, place in enumerate([*places, *places]):
        if number == merged_after:
            united = unite(people[0], people[1], now)
            after = advance(united, told[places[0]], QUIET, now)
            ledger.take((*after.counts, *changes(people, after.profile)))
            people = [after.profile]
        side = 0 if len(people) == 1 else int(sides[place])
        outcome = advance(people[side], replace(told[place], received_at=now), QUIET, now)
        ledger.take((*outcome.counts, *changes((people[side],), outcome.profile)))
        people[side] = outcome.profile
    (one,) = people
    credit = {order: (found.message, found.how) for order, found in one.credits.items()}
    assert credit == {"o1": ("m2", "click"), "o2": ("m2", "click")}
    assert {key: amount for key, amount in ledger.sums.items() if amount} == ledger.of(one)
    assert ledger.of(one) == {
        (SECOND, "orders"): 1,
        (SECOND, "by_click"): 1,
        (SECOND, "revenue:EUR"): Decimal("15.00"),
    }


# --- comparisons -----------------------------------------------------------------------------------------------------

TRIED = """
trigger: {event: checkout.updated}
entry: {again: always}
goal: {event: order.placed}
steps:
  - split:
      - {share: 1, name: with, steps: [{email: gift}]}
      - {share: 1, name: without}
  - wait: 2d
"""


def test_a_split_counts_each_person_once_in_a_month_with_what_they_buy() -> None:
    story = Story(playbook(flow_of(TRIED))).tell(consent(T0), checkout(at(hours=1)), checkout(at(days=5)))
    (trial,) = story.profile.trials.values()
    assert (trial.label.flow, trial.label.step) == ("test", "split-1")
    assert trial.label.ways in ("split-1=with", "split-1=without")
    story.tell(order(at(days=6)), order(at(days=35), id="later"))
    assert figures(story.profile) == {
        "people": 1,
        "goals": 1,
        "buyers": 1,
        "purchases": 1,
        "spent:EUR": Decimal("19.00"),
        "squares:EUR": Decimal("361.0000"),
    }


def test_after_a_month_a_person_takes_part_anew_and_the_last_time_stands() -> None:
    ledger = Ledger()
    profile = EMPTY
    new = checkout(at(days=50), who=replace(ADA, cart_token="c9", checkout_token="k9"))
    for told in (consent(T0), checkout(at(hours=1)), order(at(days=2)), new):
        outcome = advance(profile, told, playbook(flow_of(TRIED)), told.received_at)
        ledger.take(changes((profile,), outcome.profile))
        profile = outcome.profile
    (trial,) = profile.trials.values()
    assert trial.at == at(days=50)
    by_figure = Counter({figure: int(amount) for (_, figure), amount in ledger.sums.items() if figure == "buyers"})
    assert by_figure == {"buyers": 1}
    assert sum(amount for (_, figure), amount in ledger.sums.items() if figure == "people") == 2


def test_who_is_held_out_of_a_flow_is_compared_with_who_is_not() -> None:
    held = flow_of("trigger: {event: checkout.updated}\nentry: {holdout: 50%}\nsteps:\n  - email: gift\n")
    sides = set()
    for number in range(20):
        story = Story(playbook(held), replace(EMPTY, id=f"p{number}")).tell(consent(T0), checkout(at(hours=1)))
        (trial,) = story.profile.trials.values()
        assert (trial.label.ways == "holdout=in") == bool(story.messages)
        sides.add(trial.label.ways)
    assert sides == {"holdout=in", "holdout=held"}


def test_the_shops_holdout_gets_no_marketing_and_every_receipt() -> None:
    steps = "steps:\n  - email: gift\n  - email: receipt\n    category: transactional\n"
    book = playbook(flow_of("trigger: {event: checkout.updated}\n" + steps), holdout=5_000)
    sent = Counter[tuple[str, int]]()
    for number in range(20):
        story = Story(book, replace(EMPTY, id=f"p{number}")).tell(consent(T0), checkout(at(hours=1)))
        (trial,) = story.profile.trials.values()
        assert trial.label.flow == ""
        sent[trial.label.ways, len(story.messages)] += 1
    assert {key for key, _ in sent.items()} == {("holdout=in", 2), ("holdout=held", 1)}


# --- what is counted as such ------------------------------------------------------------------------------------------


def test_entering_leaving_and_unsubscribing_are_counted_under_their_flow() -> None:
    book = playbook(flow_of(TRIED))
    counts: list[Count] = []
    profile = EMPTY
    act = Consent(channel="email", state="unsubscribed", at=at(hours=3), address=ADA.email)
    gone = event("consent.changed", act, at(hours=3), label=FIRST)
    for told in (consent(T0), checkout(at(hours=1)), order(at(hours=2)), gone):
        outcome = advance(profile, told, book, told.received_at)
        counts += outcome.counts
        profile = outcome.profile
    said = Counter((count.label.flow, count.figure) for count in counts if count.figure != "skipped")
    assert said == {("test", "entered"): 1, ("test", "converted"): 1, ("cart", "unsubscribed"): 1}
