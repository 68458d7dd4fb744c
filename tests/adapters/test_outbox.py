"""Sending: the lease that can be had once, and records that only move forward (DESIGN §6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import ConflictError
from rekindle.domain.facts import Product
from rekindle.domain.profile import Signpost
from rekindle.ports import MAX_HITS, Alias, Commit, Lease, hit, read_hit
from tests.support.faults import refuse_transactions
from tests.support.things import ANNA, MAIL, a_delivery, a_lease, a_message, a_profile, a_refusal
from tests.support.worlds import START, AwsPorts, Ports

LATER = START + timedelta(minutes=5)
LATEST = START + timedelta(minutes=9)

SETTLED = ("sent", "delivered", "bounced", "complained", "failed", "skipped", "unknown")


@pytest.fixture
def outbox(ports: Ports) -> Any:
    """Return the outbox of a world in which the profile stands at version 1."""
    ports.state.commit(Commit(profile=a_profile()))
    return ports.outbox


def leased(outbox: Any) -> None:
    assert outbox.lease(a_lease()) == "taken"


# --- reading


def test_read_returns_messages_and_profiles_that_exist(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    ports.put_signpost("moved", ANNA)
    ports.outbox.record(a_message("skipped"))
    pairs = [(MAIL, ANNA), (MAIL, ANNA), ("nothing", "moved"), ("", "nobody"), ("nothing", "")]
    messages, profiles = ports.outbox.read(pairs)
    assert messages == {MAIL: a_message("skipped")}
    assert profiles == {ANNA: a_profile(), "moved": Signpost(to=ANNA)}


def test_read_of_nothing_is_nothing(ports: Ports) -> None:
    assert ports.outbox.read([]) == ({}, {})


def test_a_message_is_read_as_it_was_written(outbox: Any) -> None:
    full = a_message(
        channel="email", flow="cart", step="first", template="cart-1", vendor_id="v1", why="because", at=LATER
    )
    full = replace(full, opened_at=LATER, links=("https://tea.example/a", "https://tea.example/b"))
    assert outbox.record(replace(full, state="skipped"))
    assert outbox.message(MAIL) == replace(full, state="skipped")
    assert outbox.message("nothing") is None


# --- the lease


def test_the_lease_of_a_new_message_is_taken(outbox: Any) -> None:
    leased(outbox)
    assert outbox.message(MAIL) == a_message()


def test_asking_again_with_the_same_token_finds_the_lease_taken(outbox: Any) -> None:
    leased(outbox)
    leased(outbox)


def test_a_lease_that_is_about_no_profile_asks_for_none(ports: Ports) -> None:
    """The guard's word to a shop."""
    word = a_message(profile_id="", to="shop")
    assert [ports.outbox.lease(Lease(message=word)) for _ in range(2)] == ["taken", "taken"]
    assert ports.outbox.lease(Lease(message=replace(word, token="t2"))) == "held"
    assert ports.outbox.message(MAIL) == word
    assert ports.outbox.record(replace(word, state="reopened", at=LATER), token="t1")
    ports.intake.accept(a_delivery(), (a_refusal(covers="everything"),))
    again = Lease(message=replace(word, token="t3"), covers=("everything",))
    assert ports.outbox.lease(again) == "suppressed"
    assert ports.outbox.lease(replace(again, covers=())) == "taken"


def test_another_token_finds_it_held(outbox: Any) -> None:
    leased(outbox)
    assert outbox.lease(a_lease("t2")) == "held"
    assert outbox.message(MAIL).token == "t1"


@pytest.mark.parametrize("state", SETTLED)
@pytest.mark.parametrize("token", ["t1", "t2"])
def test_no_lease_for_what_has_an_outcome_whoever_asks(outbox: Any, state: Any, token: str) -> None:
    leased(outbox)
    outbox.progress(a_message(state), ["leased"])
    assert outbox.lease(a_lease(token)) == "held"
    assert outbox.message(MAIL).state == state


def test_a_reopened_message_is_leased_anew_and_forgets_why_it_was_reopened(outbox: Any) -> None:
    leased(outbox)
    assert outbox.record(a_message("reopened", why="throttled", at=LATER), token="t1")
    assert outbox.lease(a_lease("t2")) == "taken"
    assert outbox.message(MAIL) == a_message(token="t2")


@pytest.mark.parametrize("version", [0, 2])
def test_no_lease_when_the_profile_is_not_as_it_was_verified(outbox: Any, version: int) -> None:
    assert outbox.lease(a_lease(version=version)) == "profile_changed"
    assert outbox.message(MAIL) is None


def test_no_lease_for_a_profile_that_is_gone_or_a_signpost(ports: Ports) -> None:
    assert ports.outbox.lease(a_lease()) == "profile_changed"
    ports.put_signpost(ANNA, "elsewhere")
    assert ports.outbox.lease(a_lease()) == "profile_changed"


def test_a_suppression_forbids_the_lease_and_leaves_no_message(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    ports.intake.accept(a_delivery(), [a_refusal()])
    assert ports.outbox.lease(a_lease()) == "suppressed"
    assert ports.outbox.message(MAIL) is None


def test_of_several_reasons_the_strongest_is_told(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    ports.outbox.lease(a_lease())
    ports.intake.accept(a_delivery(), [a_refusal()])
    ports.state.commit(Commit(profile=a_profile(2)))
    assert ports.outbox.lease(a_lease("t1")) == "taken"
    assert ports.outbox.lease(a_lease("t2")) == "held"
    other = replace(a_lease("t2"), message=a_message(message_id=ids.digest("other"), token="t2"))
    assert ports.outbox.lease(other) == "profile_changed"
    assert ports.outbox.lease(replace(other, profile_version=2)) == "suppressed"


def test_an_open_message_must_say_since_when(outbox: Any) -> None:
    with pytest.raises(ValueError, match="leased_at"):
        outbox.lease(replace(a_lease(), message=a_message(leased_at=None)))
    with pytest.raises(ValueError, match="leased_at"):
        outbox.record(a_message("unknown", leased_at=None))


@pytest.mark.parametrize("count", [1, 3, 60])
def test_where_the_links_lead_is_written_with_the_lease_and_changed_by_nothing_else(outbox: Any, count: int) -> None:
    """They are kept packed, and read the same."""
    targets = tuple(f"https://tea.example/products/{n}?variant={n}#über" for n in range(count))
    assert outbox.lease(replace(a_lease(), message=a_message(targets=targets))) == "taken"
    assert outbox.message(MAIL) == a_message(targets=targets)
    others = ("https://elsewhere.example/",)
    assert outbox.record(a_message("sent", vendor_id="v1", at=LATER, targets=others), token="t1")
    assert outbox.progress(a_message("delivered", at=LATEST, targets=others), ["sent"])
    assert outbox.message(MAIL) == a_message("delivered", vendor_id="v1", at=LATEST, targets=targets)


def test_a_new_lease_has_the_links_of_its_own_mail(outbox: Any) -> None:
    outbox.lease(replace(a_lease(), message=a_message(targets=("https://tea.example/a", "https://tea.example/b"))))
    outbox.record(a_message("reopened", why="throttled", at=LATER), token="t1")
    outbox.lease(replace(a_lease("t2"), message=a_message(token="t2", targets=("https://tea.example/c",))))
    assert outbox.message(MAIL).targets == ("https://tea.example/c",)


def test_what_was_never_leased_leads_nowhere(outbox: Any) -> None:
    assert outbox.record(a_message("skipped", targets=("https://tea.example/a",)))
    assert outbox.message(MAIL).targets == ()


# --- hits


def test_hits_add_up_in_whatever_state_and_are_forgotten_by_a_new_lease(outbox: Any) -> None:
    leased(outbox)
    for index, when in ((2, LATER), (0, LATER), (2, LATER), (2, LATEST)):
        outbox.note_hit(MAIL, hit(index, when))
    assert sorted(map(read_hit, outbox.message(MAIL).hits)) == [(0, LATER), (2, LATER), (2, LATEST)]
    outbox.progress(a_message("delivered", at=LATER, hits=("1.1",)), ["leased"])
    outbox.record(a_message("skipped", message_id=ids.digest("other"), hits=("1.1",)))
    assert len(outbox.message(MAIL).hits) == 3
    assert outbox.message(ids.digest("other")).hits == ()
    reopened = ids.digest("reopened")
    outbox.record(a_message("reopened", message_id=reopened))
    outbox.note_hit(reopened, hit(0, LATER))
    assert outbox.lease(replace(a_lease("t2"), message=a_message(message_id=reopened, token="t2"))) == "taken"
    assert outbox.message(reopened).hits == ()


def test_which_addresses_are_gone_stands_there_until_a_new_lease(outbox: Any) -> None:
    leased(outbox)
    own = outbox.message(MAIL).token
    assert outbox.record(a_message("reopened", gone=("k1", "k2")), token=own)
    assert outbox.message(MAIL).gone == ("k1", "k2")
    assert outbox.lease(replace(a_lease("t2"), message=a_message(token="t2"))) == "taken"
    assert outbox.message(MAIL).gone == ()


def test_a_hit_makes_no_message_and_there_is_an_end_of_them(outbox: Any) -> None:
    outbox.note_hit("nothing", hit(0, LATER))
    assert outbox.message("nothing") is None
    leased(outbox)
    for index in range(MAX_HITS + 3):
        outbox.note_hit(MAIL, hit(index, LATER))
    assert len(outbox.message(MAIL).hits) == MAX_HITS


# --- recording


def test_the_outcome_is_recorded_under_the_lease(outbox: Any) -> None:
    leased(outbox)
    assert outbox.record(a_message("sent", vendor_id="v1", at=LATER), token="t1") is True
    assert outbox.message(MAIL) == a_message("sent", vendor_id="v1", at=LATER)


def test_recording_the_same_outcome_again_is_true_again(outbox: Any) -> None:
    leased(outbox)
    outbox.record(a_message("sent", vendor_id="v1", at=LATER), token="t1")
    assert outbox.record(a_message("sent", vendor_id="v1", at=LATER), token="t1") is True
    assert outbox.record(a_message("sent", vendor_id="v2", at=LATER), token="t1") is False
    assert outbox.record(a_message("failed", at=LATER), token="t1") is False


def test_an_outcome_under_another_token_is_not_written(outbox: Any) -> None:
    leased(outbox)
    assert outbox.record(a_message("sent", token="t2", vendor_id="v1", at=LATER), token="t2") is False
    assert outbox.message(MAIL) == a_message()


def test_an_outcome_without_a_lease_is_not_written(outbox: Any) -> None:
    assert outbox.record(a_message("sent", vendor_id="v1", at=LATER), token="t1") is False
    assert outbox.message(MAIL) is None


def test_the_record_never_overwrites_a_notice_that_came_first(outbox: Any) -> None:
    leased(outbox)
    assert outbox.progress(a_message("bounced", vendor_id="v1", why="no such address", at=LATER), ["leased"])
    assert outbox.record(a_message("sent", vendor_id="v1", at=LATEST), token="t1") is False
    assert outbox.message(MAIL).state == "bounced"


def test_the_record_keeps_an_opening_that_came_first(outbox: Any) -> None:
    leased(outbox)
    outbox.progress(a_message(opened_at=LATER, links=("a",)), ["leased"])
    assert outbox.record(a_message("sent", vendor_id="v1", at=LATEST), token="t1") is True
    assert outbox.message(MAIL) == a_message("sent", vendor_id="v1", at=LATEST, opened_at=LATER, links=("a",))


def test_a_skip_is_recorded_where_nothing_is(outbox: Any) -> None:
    skipped = a_message("skipped", why="no consent", at=LATER, token="", leased_at=None)
    assert outbox.record(skipped) is True
    assert outbox.record(skipped) is True
    assert outbox.record(replace(skipped, at=LATEST)) is False
    assert outbox.message(MAIL) == skipped


def test_a_skip_is_recorded_over_a_reopened_message_and_over_nothing_else(outbox: Any) -> None:
    leased(outbox)
    assert outbox.record(a_message("skipped", why="too late", at=LATER)) is False
    outbox.record(a_message("reopened", why="throttled", at=LATER), token="t1")
    assert outbox.record(a_message("skipped", why="too late", at=LATEST)) is True
    assert (outbox.message(MAIL).state, outbox.message(MAIL).why) == ("skipped", "too late")


# --- progress


def test_a_notice_moves_the_message_on_from_the_states_allowed(outbox: Any) -> None:
    leased(outbox)
    outbox.record(a_message("sent", vendor_id="v1", at=LATER), token="t1")
    assert outbox.progress(a_message("delivered", at=LATEST), ["sent", "unknown"]) is True
    assert outbox.message(MAIL) == a_message("delivered", vendor_id="v1", at=LATEST)


def test_a_notice_from_a_state_that_is_not_allowed_changes_nothing(outbox: Any) -> None:
    leased(outbox)
    outbox.progress(a_message("complained", at=LATER), ["leased"])
    before = outbox.message(MAIL)
    assert outbox.progress(a_message("delivered", at=LATEST), ["sent"]) is False
    assert outbox.progress(a_message("delivered", at=LATEST), []) is False
    assert outbox.message(MAIL) == before


def test_a_notice_about_nothing_creates_nothing(outbox: Any) -> None:
    assert outbox.progress(a_message("delivered", at=LATER), ["leased", "sent"]) is False
    assert outbox.message(MAIL) is None


def test_the_first_opening_stays_and_distinct_links_add_up(outbox: Any) -> None:
    leased(outbox)
    outbox.progress(a_message("delivered", opened_at=LATER, links=("b",), at=LATER), ["leased"])
    outbox.progress(a_message("delivered", opened_at=LATEST, links=("a", "b"), at=LATEST), ["delivered"])
    assert outbox.message(MAIL) == a_message("delivered", opened_at=LATER, links=("a", "b"), at=LATEST)


def test_what_machines_did_first_stays_and_is_kept_apart(outbox: Any) -> None:
    leased(outbox)
    outbox.progress(a_message("delivered", machine_opened_at=LATER, at=LATER), ["leased"])
    outbox.progress(
        a_message("delivered", machine_opened_at=LATEST, machine_clicked_at=LATEST, at=LATEST), ["delivered"]
    )
    outbox.progress(a_message("delivered", opened_at=LATEST, at=LATEST), ["delivered"])
    assert outbox.message(MAIL) == a_message(
        "delivered", machine_opened_at=LATER, machine_clicked_at=LATEST, opened_at=LATEST, at=LATEST
    )


def test_a_notice_that_did_not_know_of_another_keeps_it(outbox: Any) -> None:
    """Two notices read the same record, and each writes what it knows: neither undoes the other."""
    leased(outbox)
    outbox.progress(a_message("delivered", links=("a",), at=LATER), ["leased"])
    outbox.progress(a_message("delivered", opened_at=LATER, at=LATER), ["delivered"])
    assert outbox.message(MAIL) == a_message("delivered", opened_at=LATER, links=("a",), at=LATER)


# --- what the sweep reads


def test_open_messages_are_leased_and_unknown_ones_oldest_first(outbox: Any) -> None:
    for number, state in enumerate(("leased", "reopened", *SETTLED)):
        message = a_message(
            state, ids.digest(str(number)), leased_at=START - timedelta(minutes=number), at=LATER, vendor_id="v"
        )
        outbox.record(message)
    found = outbox.open_messages(LATER, 10)
    assert [(message.state, message.leased_at) for message in found] == [
        ("unknown", START - timedelta(minutes=8)),
        ("leased", START),
    ]
    assert [message.state for message in outbox.open_messages(LATER, 1)] == ["unknown"]
    assert [message.state for message in outbox.open_messages(START, 10)] == ["unknown"]


@pytest.mark.parametrize("state", ["sent", "failed", "reopened", "skipped"])
def test_a_message_with_an_outcome_is_no_longer_open(outbox: Any, state: Any) -> None:
    leased(outbox)
    assert [message.id for message in outbox.open_messages(LATER, 10)] == [MAIL]
    assert outbox.record(a_message(state, at=LATER), token="t1")
    assert list(outbox.open_messages(LATER, 10)) == []


def test_an_unknown_message_stays_open_until_a_notice_resolves_it(outbox: Any) -> None:
    leased(outbox)
    outbox.record(a_message("unknown", at=LATER), token="t1")
    assert [message.id for message in outbox.open_messages(LATER, 10)] == [MAIL]
    outbox.progress(a_message("delivered", at=LATER), ["unknown"])
    assert list(outbox.open_messages(LATER, 10)) == []


def test_a_reopened_message_is_open_again_once_it_is_leased(outbox: Any) -> None:
    leased(outbox)
    outbox.record(a_message("reopened", at=LATER), token="t1")
    again = replace(a_lease("t2"), message=a_message(token="t2", leased_at=LATER))
    assert outbox.lease(again) == "taken"
    assert [message.leased_at for message in outbox.open_messages(LATEST, 10)] == [LATER]
    assert list(outbox.open_messages(LATER, 10)) == []


def test_products_are_found_by_shop_and_id(ports: Ports) -> None:
    products = tuple(Product(id=str(number), updated_at=START, title=f"tea {number}") for number in range(3))
    ports.state.commit(Commit(shop="tea", products=products))
    assert ports.outbox.products("tea", ["2", "0", "2", "9"]) == {"0": products[0], "2": products[2]}


# --- on the tables only


def test_a_message_expires_400_days_after_its_lease_whatever_is_heard_of_it(moto_ports: AwsPorts) -> None:
    """So it goes before the ledger's line that names it, by which alone an erasure finds it."""
    moto_ports.outbox.record(a_message("unknown", leased_at=START))
    moto_ports.outbox.progress(a_message("delivered", leased_at=START, at=LATER), ["unknown"])
    item = moto_ports.item("messages", MAIL)
    assert item is not None
    assert item["expires"] == {"N": str(int((START + timedelta(days=400)).timestamp()))}
    assert "open_shard" not in item


@pytest.mark.parametrize("place", [0, 1, 2], ids=["message", "profile", "suppression"])
def test_a_lease_that_meets_another_transaction_is_asked_for_again(moto_ports: AwsPorts, place: int) -> None:
    moto_ports.state.commit(Commit(profile=a_profile()))
    codes = ["None", "None", "None"]
    codes[place] = "TransactionConflict"
    with refuse_transactions(moto_ports.clients, codes, times=2) as refused:
        assert moto_ports.outbox.lease(a_lease()) == "taken"
    assert refused.count == 2


def test_a_lease_that_keeps_meeting_others_is_a_conflict_and_not_taken(moto_ports: AwsPorts) -> None:
    moto_ports.state.commit(Commit(profile=a_profile()))
    with (
        refuse_transactions(moto_ports.clients, ["TransactionConflict", "None", "None"], times=10),
        pytest.raises(ConflictError),
    ):
        moto_ports.outbox.lease(a_lease())
    assert moto_ports.outbox.message(MAIL) is None


def test_whose_an_alias_is_is_read_as_it_stands(ports: Ports) -> None:
    ada = a_profile()
    ports.state.commit(Commit(profile=ada, aliases=(Alias("tea#push#1", ada.id),)))
    assert ports.outbox.owners(["tea#push#1", "tea#push#2", "tea#push#1"]) == {"tea#push#1": ada.id}
    assert ports.outbox.owners([]) == {}
