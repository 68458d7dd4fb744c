"""Two profiles that turn out to be one person: nothing known is lost, nothing under way is lost or doubled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.absorb import MAX_BASKETS, MAX_SHIPMENTS
from rekindle.domain.events import Event
from rekindle.domain.facts import Basket, Consent, Person
from rekindle.domain.profile import (
    Entry,
    OrderMark,
    Planned,
    Profile,
    Run,
    ShipmentMark,
    Tag,
    Told,
    Touch,
    Trait,
    decode_profile,
    encode_profile,
)
from rekindle.flow.engine import advance
from rekindle.flow.merge import UNITED, merge
from rekindle.flow.program import Playbook
from tests.support.build import T0, alarm, at, order, playbook

NOW = at(days=9)
ADA = Profile(id="ada", shop="tea")
BOB = Profile(id="bob", shop="tea")


def run(id_: str, flow: str = "welcome", key: str | None = None, **more: Any) -> Run:
    more.setdefault("entered_at", T0)
    messages = {f"mail-{number}": f"{id_}/{number}" for number in range(more.pop("sent", 0))}
    return Run(
        id=id_,
        flow=flow,
        version="v",
        playbook="h",
        expires_at=at(days=30),
        key=key,
        messages=messages,
        step="x",
        **more,
    )


def planned(of: Run, step: str = "mail-0") -> Planned:
    return Planned(
        run=of.id,
        step=step,
        flow=of.flow,
        template="hello",
        channel="email",
        category="marketing",
        planned_at=T0,
        not_after=at(days=1),
    )


def going(profile: Profile) -> list[str]:
    return [each.id for each in profile.runs if each.status == "active"]


# --- runs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs", "survives"),
    [
        (run("a"), run("b", sent=1), ["b"]),
        (run("a", sent=2), run("b", sent=1), ["a"]),
        (run("a", key="p1"), run("b", key="p1", sent=1), ["b"]),
        (run("a", key="p1"), run("b", key="p2", sent=1), ["a", "b"]),
        (run("a", flow="one"), run("b", flow="two"), ["a", "b"]),
        (run("a", visits={"again": 2}), run("b", visits={"again": 1}), ["a"]),
        (run("a", sent=2, status="finished"), run("b"), ["b"]),
        (run("a", key="c1", unique_key=True, ordinal=2), run("b", key="c1", unique_key=True, sent=1), ["b"]),
    ],
)
def test_of_one_flow_under_one_key_only_the_furthest_run_goes_on(ours: Run, theirs: Run, survives: list[str]) -> None:
    for one, two in ((ours, theirs), (theirs, ours)):
        merged = merge(replace(ADA, runs=(one,)), replace(BOB, runs=(two,)), NOW)
        assert going(merged) == survives
        assert {each.id for each in merged.runs} == {"a", "b"}
        ended = [each for each in merged.runs if each.ended_by == "merged with another"]
        assert all((each.status, each.ended_at, each.resume_at) == ("exited", NOW, None) for each in ended)


def test_what_both_planned_stays_planned_with_its_run() -> None:
    ours, theirs = run("a", sent=1), run("b", sent=2)
    one = replace(ADA, runs=(ours,), planned={"a/0": planned(ours)})
    two = replace(BOB, runs=(theirs,), planned={"b/1": planned(theirs, "mail-1")})
    merged = merge(one, two, NOW)
    assert merged.planned == {**one.planned, **two.planned}
    assert {each.run for each in merged.planned.values()} <= {each.id for each in merged.runs}


def test_a_run_that_both_had_becomes_one_that_has_done_what_either_has() -> None:
    """A checkout's run: one side has sent the first mail, the other has heard that it was clicked and moved on."""
    shared = run("k", key="k1", unique_key=True, sent=1, opened=("mail-0",))
    further = replace(
        shared,
        messages={"mail-0": "k/0", "mail-1": "k/1"},
        step="y",
        arrived_at=at(days=1),
        resume_at=at(days=2),
        visits={"again": 1},
        codes={"mail-1": "TEA"},
        opened=(),
        clicked=("mail-0",),
        redeemed=("mail-1",),
    )
    behind = replace(shared, visits={"again": 3, "old": 1}, arrived_at=at(hours=1))
    for one, two in ((behind, further), (further, behind)):
        (merged,) = merge(replace(ADA, runs=(one,)), replace(BOB, runs=(two,)), NOW).runs
        assert merged == replace(further, opened=("mail-0",))


def test_a_run_that_has_ended_on_one_side_has_ended() -> None:
    goes_on = run("k", key="k1", unique_key=True, sent=3)
    ended = replace(run("k", key="k1", unique_key=True, sent=1), status="converted", ended_at=at(days=1))
    (merged,) = merge(replace(ADA, runs=(goes_on,)), replace(BOB, runs=(ended,)), NOW).runs
    assert (merged.status, merged.messages) == ("converted", goes_on.messages)


# --- what is known ---------------------------------------------------------------------------------------------------


def test_the_survivor_is_looked_at_anew_and_nobody_enters_a_segment_twice() -> None:
    one = replace(
        ADA,
        segments={"vip": at(days=2), "loyal": T0},
        moments={"segment:vip": at(days=30), "date:birthday.0": at(days=3)},
        shape="s1",
        asked=("a", "b"),
    )
    two = replace(
        BOB,
        segments={"vip": at(days=1), "lapsed": T0},
        moments={"segment:vip": at(days=20)},
        shape="s1",
        asked=("b", "c"),
    )
    merged = merge(one, two, NOW)
    assert merged.segments == {"vip": at(days=1), "loyal": T0, "lapsed": T0}
    assert merged.moments == {"segment:vip": at(days=20), "date:birthday.0": at(days=3)}
    assert (merged.shape, merged.asked) == (UNITED, ("b",))


def test_what_both_heard_of_counts_once_and_what_either_heard_of_counts() -> None:
    one = replace(ADA, recent={"views": (at(hours=3), at(hours=1), at(hours=1)), "mine": (T0,)})
    two = replace(BOB, recent={"views": (at(hours=2), at(hours=1))})
    merged = merge(one, two, NOW).recent
    assert merged == {"views": (at(hours=3), at(hours=2), at(hours=1), at(hours=1)), "mine": (T0,)}


def test_touches_are_united_by_message_oldest_first() -> None:
    one = replace(ADA, touches=(Touch(at(hours=1), "m1", "email", opened=True), Touch(at(hours=3), "m3", "sms")))
    two = replace(BOB, touches=(Touch(at(hours=1), "m1", "email", clicked=True), Touch(at(hours=2), "m2", "email")))
    assert merge(one, two, NOW).touches == (
        Touch(at(hours=1), "m1", "email", opened=True, clicked=True),
        Touch(at(hours=2), "m2", "email"),
        Touch(at(hours=3), "m3", "sms"),
    )


def test_the_newest_telling_of_a_trait_holds_and_what_was_taken_back_stays_so() -> None:
    one = replace(ADA, traits={"size": Trait(at(hours=2), None), "pets": Trait(T0, 1)})
    two = replace(BOB, traits={"size": Trait(at(hours=1), "M"), "pets": Trait(at(hours=1), 2)})
    assert merge(one, two, NOW).traits == {"size": Trait(at(hours=2), None), "pets": Trait(at(hours=1), 2)}


def test_tags_go_by_the_newest_list_of_all_and_own_tags_do_not() -> None:
    """The shop's list of noon does not name what was put on in the morning: it had been taken off."""
    listed = replace(ADA, tag_marks={"tea": Tag(at(hours=3))}, tags_at=at(hours=3), own_tags={"warm": Tag(T0)})
    older = replace(BOB, tag_marks={"vip": Tag(at(hours=1)), "new": Tag(at(hours=4))}, own_tags={"cold": Tag(T0)})
    for one, two in ((listed, older), (older, listed)):
        assert merge(one, two, NOW).tags == ("cold", "new", "tea", "warm")


def test_a_basket_that_both_knew_is_as_it_stood_last_with_what_only_one_knew_of_it() -> None:
    one, two = replace(ADA, baskets=basket(1, url=FAR)), replace(BOB, baskets=basket(2))
    assert merge(one, two, NOW).baskets == merge(two, one, NOW).baskets == basket(2, url=FAR)
    ordered = replace(BOB, baskets=basket(0, bought=0))
    assert merge(one, ordered, NOW).baskets == basket(0, bought=0, url=FAR)


def test_no_more_baskets_and_parcels_are_kept_than_before() -> None:
    def many(first: int) -> Profile:
        numbers = range(first, first + 20)
        baskets = {f"c{number}": basket(1, token=f"c{number}")[f"c{number}"] for number in numbers[:MAX_BASKETS]}
        parcels = {f"s{number}": ShipmentMark(at(hours=number), "delivered") for number in numbers[:MAX_SHIPMENTS]}
        return replace(ADA, baskets=baskets, shipments=parcels)

    merged = merge(many(0), many(20), NOW)
    assert (len(merged.baskets), len(merged.shipments)) == (MAX_BASKETS, MAX_SHIPMENTS)
    assert "s20" in merged.shipments


def test_consent_on_an_address_is_the_latest_act_of_either() -> None:
    one = replace(ADA, email="ada@example.com", consent=said(2, "unsubscribed"))
    two = replace(BOB, email="ada@example.com", consent=said(1, "subscribed"))
    assert not merge(one, two, NOW).consented("email")
    assert not merge(two, one, NOW).consented("email")


# --- laws ------------------------------------------------------------------------------------------------------------

H = [at(hours=hour) for hour in range(4)]
FAR = "https://tea.example/recover"


def basket(hour: int, *, bought: int | None = None, url: str | None = None, token: str = "c1") -> dict[str, Basket]:
    done = None if bought is None else H[bought]
    return {token: Basket(id=token, updated_at=H[hour], cart_token=token, completed_at=done, recovery_url=url)}


def mark(hour: int, total: str | None = None, *events: str, refunds: tuple[str, ...] = ()) -> dict[str, OrderMark]:
    worth = Decimal(total) if total else None
    given = dict.fromkeys(refunds, Decimal(1))
    placed = H[hour] if events else None
    return {"o1": OrderMark(updated_at=H[hour], placed_at=placed, events=events, total=worth, refunds=given)}


def said(hour: int, state: Any, source: str = "form") -> dict[str, Consent]:
    act = Consent(channel="email", state=state, at=H[hour], source=source, address="ada@example.com")
    return {"email:ada@example.com": act}


#: What may stand in each field on either side; a law must hold for every choice.
CHOICES: dict[str, list[Any]] = {
    "created_at": [None, H[0], H[1]],
    "email": [None, "ada@example.com"],
    "named": [None, (H[0], "Ada"), (H[1], "Ada"), (H[1], "A.")],
    "consent": [{}, said(1, "subscribed"), said(1, "unsubscribed"), said(1, "subscribed", "page"), said(2, "pending")],
    "tag_marks": [{}, {"tea": Tag(H[1])}, {"tea": Tag(H[1], on=False), "vip": Tag(H[2])}, {"vip": Tag(H[0])}],
    "tags_at": [None, H[1], H[2]],
    "own_tags": [{}, {"warm": Tag(H[1])}, {"warm": Tag(H[1], on=False)}],
    "traits": [{}, *({"size": Trait(H[hour], value)} for hour in (1, 2) for value in (None, 1, True, "1", ("a",)))],
    "customer_at": [None, H[1], H[2]],
    "baskets": [{}, basket(1), basket(1, url=FAR), basket(2), basket(0, bought=0), basket(2, bought=2, url=FAR)],
    "orders": [
        {},
        mark(1, "2"),
        mark(1, "3", "order.placed"),
        mark(2, None, "order.paid", "order.placed", refunds=("r1",)),
        mark(0, None, refunds=("r2",)),
    ],
    "shipments": [{}, {"s1": ShipmentMark(H[1], "failed")}, {"s1": ShipmentMark(H[1], "delivered")}],
    "entries": [{}, {"cart": {"c1": Entry(1, H[1])}}, {"cart": {"c1": Entry(2, H[0]), "c2": Entry(1, H[2])}}],
    "touches": [
        (),
        (Touch(H[1], "m1", "email", opened=True),),
        (Touch(H[1], "m1", "email", clicked=True), Touch(H[2], "m2", "sms")),
    ],
    "recent": [{}, {"a": (H[2], H[1], H[1])}, {"a": (H[1], H[0])}, {"a": (H[1],), "b": (H[3],)}],
    "segments": [{}, {"vip": H[1]}, {"vip": H[0], "loyal": H[2]}],
    "moments": [{}, {"segment:vip": H[1]}, {"segment:vip": H[2], "date:birthday.0": H[3]}],
    "shape": ["", "s1"],
    "asked": [(), ("a",), ("a", "b")],
}
STANDS: dict[str, list[dict[str, Any] | None]] = {
    flow: [
        None,
        {"resume_at": H[2]},
        {"sent": 1, "resume_at": H[2]},
        {"sent": 1, "resume_at": H[3], "entered_at": H[1], "visits": {"again": 1}},
        {"sent": 2, "resume_at": H[3], "opened": ("mail-0",), "codes": {"mail-1": "TEA"}},
        {"sent": 2, "resume_at": H[3], "clicked": ("mail-0",), "opened": ("mail-0", "mail-1")},
        {"sent": 1, "status": "converted", "ended_at": H[2]},
        {"sent": 2, "status": "finished", "ended_at": H[3]},
    ]
    for flow in ("welcome", "browse", "cart")
}
KEYS = {"welcome": None, "browse": "p1", "cart": "c1"}


def side(number: int, chosen: dict[str, Any], stands: dict[str, dict[str, Any] | None], *, waits: int) -> Profile:
    """Return the one person as one side knows them; of each run's messages the first `waits` are still planned."""
    runs = tuple(
        run(flow if flow == "cart" else f"{flow}-{number}", flow, KEYS[flow], unique_key=flow == "cart", **stand)
        for flow, stand in stands.items()
        if stand is not None
    )
    named = chosen.pop("named")
    return Profile(
        id=f"p{number}",
        shop="tea",
        person=Person(first_name=named[1]) if named else Person(),
        told={"first_name": Told(named[0], "test")} if named else {},
        runs=runs,
        planned={
            message: planned(each, visit) for each in runs for visit, message in list(each.messages.items())[:waits]
        },
        **chosen,
    )


def people(number: int) -> st.SearchStrategy[Profile]:
    def choose(choices: dict[str, list[Any]]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({name: st.sampled_from(options) for name, options in choices.items()})

    return st.builds(
        lambda chosen, stands, waits: side(number, chosen, stands, waits=waits),
        choose(CHOICES),
        choose(STANDS),
        st.integers(0, 2),
    )


def known(profile: Profile) -> Profile:
    """Return the profile without what is each side's own: its id, and the ids that led there."""
    return replace(profile, id="", was=(), version=0)


@given(people(1), people(2))
def test_it_does_not_matter_which_of_the_two_survives(one: Profile, two: Profile) -> None:
    assert known(merge(one, two, NOW)) == known(merge(two, one, NOW))


@given(people(1), people(2))
def test_merging_once_more_changes_nothing(one: Profile, two: Profile) -> None:
    merged = merge(one, two, NOW)
    assert merge(merged, two, NOW) == merged
    assert known(merge(merged, merged, NOW)) == known(merged)


@given(people(1), people(2), people(3))
def test_of_several_it_does_not_matter_which_two_are_merged_first(one: Profile, two: Profile, three: Profile) -> None:
    left = merge(merge(one, two, NOW), three, NOW)
    right = merge(one, merge(two, three, NOW), NOW)
    assert known(left) == known(right)
    assert set(left.was) == set(right.was)


@given(people(1), people(2))
def test_nothing_planned_is_lost_or_doubled(one: Profile, two: Profile) -> None:
    merged = merge(one, two, NOW)
    assert merged.planned.keys() == one.planned.keys() | two.planned.keys()
    runs = {each.id: each for each in merged.runs}
    assert len(runs) == len(merged.runs)
    for message, waiting in merged.planned.items():
        assert runs[waiting.run].messages[waiting.step] == message
    going = [(each.flow, each.key) for each in merged.runs if each.status == "active"]
    assert len(going) == len(set(going))
    before = {each.id for profile in (one, two) for each in profile.runs if each.status != "active"}
    assert all(runs[id_].status != "active" for id_ in before)
    sent = {(each.id, visit) for profile in (one, two) for each in profile.runs for visit in each.messages}
    assert sent == {(each.id, visit) for each in merged.runs for visit in each.messages}


@given(people(1), people(2))
def test_a_merged_profile_comes_back_from_its_stored_form_as_it_was(one: Profile, two: Profile) -> None:
    merged = merge(one, two, NOW)
    assert decode_profile(encode_profile(merged)) == merged


# --- and then --------------------------------------------------------------------------------------------------------


def lives(id_: str, *events: Event, book: Playbook) -> Profile:
    profile = Profile(id=id_, shop="tea")
    for number, each in enumerate(events, 1):
        profile = replace(advance(profile, each, book, each.received_at).profile, version=number)
    return profile


def test_who_is_merged_enters_what_only_both_together_are_in_and_nothing_twice() -> None:
    """Two orders on either side: a buyer on both, loyal only together, and no longer somebody with few orders."""
    book = playbook(
        segments={"buyers": "profile.orders > 0", "loyal": "profile.orders >= 4", "few": "profile.orders < 3"}
    )
    one = lives("ada", order(T0, id="o1"), order(at(hours=1), id="o2"), book=book)
    two = lives("bob", order(T0, id="o3"), order(at(hours=2), id="o4"), book=book)
    assert one.segments.keys() == two.segments.keys() == {"buyers", "few"}
    outcome = advance(merge(one, two, NOW), alarm(NOW), book, NOW)
    moved = [(each.what, each.values["segment"]) for each in outcome.decisions]
    assert sorted(moved) == [("joined", "loyal"), ("left_segment", "few")]
    assert outcome.profile.segments == {"buyers": T0, "loyal": NOW}
    assert outcome.profile.shape == book.shape
