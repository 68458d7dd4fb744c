"""Applying: what journey reads, and the one transaction in which it commits (DESIGN §6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from rekindle.aws.clients import Clients
from rekindle.aws.counting import CallCounter
from rekindle.domain import ids
from rekindle.domain.errors import ConflictError, PendingGoneError
from rekindle.domain.facts import Basket, Consent, Item, Product, Variant
from rekindle.domain.profile import Planned, Profile, Run, Signpost, Tombstone
from rekindle.ports import MAX_SPLIT, QUARANTINE, Alias, Commit, Grave, Heard, Merged
from tests.support.faults import refuse_transactions
from tests.support.things import ANNA, MAIL, a_decision, a_delivery, a_message, a_pending, a_profile
from tests.support.worlds import START, AwsPorts, Ports

D1 = ids.digest("d1")
BERT = ids.digest("bert")
LATER = START + timedelta(hours=1)


def full_profile() -> Profile:
    """Return a profile with something of everything in it."""
    basket = Basket(id="b1", updated_at=START, items=(Item(title="Tee aus Čeladná ☕", quantity=2),))
    run = Run(id="r1", flow="cart", version="v1", playbook="p1", entered_at=START, expires_at=LATER, trigger=basket)
    planned = Planned(
        run="r1",
        step="first",
        flow="cart",
        template="cart-1",
        channel="email",
        category="marketing",
        planned_at=START,
        not_after=LATER,
    )
    consent = Consent(channel="email", state="subscribed", at=START)
    return a_profile(
        consent={"email:anna@example.com": consent},
        baskets={"b1": basket},
        runs=(run,),
        planned={MAIL: planned},
        deadline=LATER,
    )


# --- reading


def test_what_was_never_written_is_absent(ports: Ports) -> None:
    assert ports.state.profile(ANNA) is None
    assert ports.state.pending(D1) is None
    assert ports.state.work(a_pending()) is None
    assert ports.state.messages([MAIL]) == {}


def test_a_profile_is_read_as_it_was_committed(ports: Ports) -> None:
    ports.state.commit(Commit(profile=full_profile()))
    assert ports.state.profile(ANNA) == full_profile()


def test_a_signpost_is_read_as_one(ports: Ports) -> None:
    ports.put_signpost(ANNA, BERT)
    assert ports.state.profile(ANNA) == Signpost(to=BERT)


def test_work_says_who_owns_the_aliases_that_exist(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile(), aliases=(Alias("tea#email#1", ANNA), Alias("tea#email#2", BERT))))
    keys = ("tea#email#1", "tea#email#2", "tea#email#3")
    ports.intake.accept(a_delivery(), (), keys)
    work = ports.state.work(a_pending(keys=keys))
    assert work is not None
    assert work.owners == {"tea#email#1": ANNA, "tea#email#2": BERT}


def test_work_finds_any_number_of_aliases(ports: Ports) -> None:
    keys = tuple(f"tea#email#{number}" for number in range(250))
    for start in range(0, 250, 50):
        ports.state.commit(Commit(aliases=tuple(Alias(key, ANNA) for key in keys[start : start + 50])))
    ports.intake.accept(a_delivery(), (), keys)
    work = ports.state.work(a_pending(keys=keys))
    assert work is not None
    assert set(work.owners) == set(keys)


def test_messages_are_found_by_the_hundred_and_more(ports: Ports) -> None:
    known = [ids.digest("m", str(number)) for number in range(120)]
    for key in known:
        ports.outbox.record(a_message("skipped", key))
    found = ports.state.messages([*known, *known, ids.digest("nobody")])
    assert {key: message.id for key, message in found.items()} == {key: key for key in known}


# --- committing


def test_a_commit_writes_everything_and_lets_go_of_the_pending_item(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    ports.state.commit(
        Commit(
            pending_id=D1,
            profile=a_profile(),
            aliases=(Alias("tea#email#1", ANNA),),
            decisions=(a_decision("entered"), a_decision("planned")),
            products=(Product(id="p1", updated_at=START, title="Sencha"),),
        )
    )
    assert ports.state.pending(D1) is None
    assert ports.state.work(a_pending()) is None
    assert ports.state.profile(ANNA) == a_profile()
    assert ports.ledger(ANNA) == [(a_decision("entered"), a_decision("planned"))]
    assert ports.outbox.products("tea", ["p1"]) == {"p1": Product(id="p1", updated_at=START, title="Sencha")}


def test_a_commit_that_was_applied_already_writes_nothing(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    ports.state.commit(Commit(pending_id=D1, profile=a_profile()))
    again = Commit(
        pending_id=D1,
        profile=a_profile(2),
        aliases=(Alias("tea#email#1", ANNA),),
        decisions=(a_decision(),),
    )
    with pytest.raises(PendingGoneError):
        ports.state.commit(again)
    assert ports.state.profile(ANNA) == a_profile()
    assert ports.ledger(ANNA) == []
    ports.state.commit(Commit(aliases=(Alias("tea#email#1", BERT),)))


def test_applied_already_is_said_also_where_the_version_is_old_too(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    with pytest.raises(PendingGoneError):
        ports.state.commit(Commit(pending_id=D1, profile=a_profile()))


@pytest.mark.parametrize("version", [1, 2, 4], ids=["as if new", "a version ago", "a version too far"])
def test_a_commit_on_another_version_than_the_stored_one_writes_nothing(ports: Ports, version: int) -> None:
    ports.state.commit(Commit(profile=a_profile(1)))
    ports.state.commit(Commit(profile=a_profile(2)))
    ports.intake.accept(a_delivery())
    with pytest.raises(ConflictError):
        ports.state.commit(
            Commit(pending_id=D1, profile=a_profile(version, email="late@example.com"), decisions=(a_decision(),))
        )
    assert ports.state.profile(ANNA) == a_profile(2)
    assert ports.state.pending(D1) == a_pending()
    assert ports.ledger(ANNA) == []


def test_a_second_version_needs_a_first(ports: Ports) -> None:
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(profile=a_profile(2)))
    assert ports.state.profile(ANNA) is None


@pytest.mark.parametrize("version", [1, 2])
def test_nothing_is_committed_over_a_signpost(ports: Ports, version: int) -> None:
    ports.put_signpost(ANNA, BERT)
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(profile=a_profile(version)))
    assert ports.state.profile(ANNA) == Signpost(to=BERT)


@pytest.mark.parametrize("was", [None, BERT], ids=["thought free", "thought somebody else's"])
def test_an_alias_that_is_not_where_it_was_thought_stops_the_whole_commit(ports: Ports, was: str | None) -> None:
    ports.state.commit(Commit(aliases=(Alias("tea#email#1", "third"),)))
    ports.intake.accept(a_delivery(), (), ("tea#email#1",))
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(pending_id=D1, profile=a_profile(), aliases=(Alias("tea#email#1", ANNA, was),)))
    assert ports.state.profile(ANNA) is None
    work = ports.state.work(a_pending(keys=("tea#email#1",)))
    assert work is not None
    assert work.owners == {"tea#email#1": "third"}


def test_an_alias_moves_from_where_it_was(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), (), ("tea#cart#1",))
    ports.state.commit(Commit(aliases=(Alias("tea#cart#1", BERT),)))
    ports.state.commit(Commit(aliases=(Alias("tea#cart#1", ANNA, BERT),)))
    work = ports.state.work(a_pending(keys=("tea#cart#1",)))
    assert work is not None
    assert work.owners == {"tea#cart#1": ANNA}


def test_an_alias_that_is_gone_does_not_move(ports: Ports) -> None:
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(aliases=(Alias("tea#cart#1", ANNA, BERT),)))


def test_the_ledger_keeps_each_commit_apart_also_at_one_moment(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    ports.state.commit(Commit(pending_id=D1, profile=a_profile(1), decisions=(a_decision("entered"),)))
    ports.state.commit(Commit(profile=a_profile(2), decisions=(a_decision("planned"),)))
    ports.state.commit(Commit(profile=a_profile(3), decisions=(a_decision("ended", LATER),)))
    lines = ports.ledger(ANNA)
    assert lines[-1] == (a_decision("ended", LATER),)
    assert {line[0].what for line in lines} == {"entered", "planned", "ended"}


def test_a_commit_may_only_let_go_of_the_pending_item(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    ports.state.commit(Commit(pending_id=D1))
    assert ports.state.pending(D1) is None
    with pytest.raises(PendingGoneError):
        ports.state.commit(Commit(pending_id=D1))


def test_decisions_about_nobody_and_products_of_no_shop_are_refused(ports: Ports) -> None:
    with pytest.raises(ValueError, match="profile"):
        ports.state.commit(Commit(decisions=(a_decision(),)))
    with pytest.raises(ValueError, match="shop"):
        ports.state.commit(Commit(products=(Product(id="p1", updated_at=START),)))


# --- products


def test_a_product_is_never_overwritten_by_an_older_one_and_does_not_stop_the_commit(ports: Ports) -> None:
    newer, older = Product(id="p1", updated_at=LATER, title="new"), Product(id="p1", updated_at=START, title="old")
    ports.state.commit(Commit(shop="tea", products=(newer,)))
    ports.intake.accept(a_delivery())
    ports.state.commit(Commit(shop="tea", pending_id=D1, products=(older,)))
    assert ports.outbox.products("tea", ["p1", "p1", "p2"]) == {"p1": newer}
    assert ports.state.pending(D1) is None


def test_a_product_of_the_same_moment_is_written_again(ports: Ports) -> None:
    ports.state.commit(Commit(shop="tea", products=(Product(id="p1", updated_at=START, title="one"),)))
    ports.state.commit(Commit(shop="tea", products=(Product(id="p1", updated_at=START, title="two"),)))
    assert ports.outbox.products("tea", ["p1"])["p1"].title == "two"


def test_a_deleted_product_stays_known_until_a_newer_one_comes(ports: Ports) -> None:
    sencha = Product(id="p1", updated_at=START, title="Sencha")
    gone = Product(id="p1", updated_at=LATER, deleted=True)
    for products in ((gone,), (sencha,)):
        ports.state.commit(Commit(shop="tea", products=products))
    assert ports.outbox.products("tea", ["p1"]) == {"p1": replace(sencha, deleted=True)}
    back = Product(id="p1", updated_at=LATER + timedelta(days=1), title="Sencha again")
    ports.state.commit(Commit(shop="tea", products=(back,)))
    assert ports.outbox.products("tea", ["p1"]) == {"p1": back}


def test_what_a_product_does_not_tell_stays_known(ports: Ports) -> None:
    """Its variants and collections; and that somebody counts its pieces, so that none is none."""
    pot = Product(
        id="p1",
        updated_at=START,
        in_stock=True,
        quantity=2,
        variants=(Variant("v1", "Red", Decimal("4.50"), True, 2, at=START),),
        collections=("Teaware",),
    )
    later = Product(id="p1", updated_at=LATER, title="Pot")
    for product in (pot, later):
        ports.state.commit(Commit(shop="tea", products=(product,)))
    known = replace(later, variants=pot.variants, collections=pot.collections, in_stock=False)
    assert ports.outbox.products("tea", ["p1"]) == {"p1": known}
    bare = Product(id="p1", updated_at=LATER, variants=(), collections=())
    ports.state.commit(Commit(shop="tea", products=(bare,)))
    assert ports.outbox.products("tea", ["p1"]) == {"p1": replace(bare, in_stock=False)}


def test_products_of_two_shops_are_two(ports: Ports) -> None:
    ports.state.commit(Commit(shop="tea", products=(Product(id="p1", updated_at=START, title="Sencha"),)))
    assert ports.outbox.products("coffee", ["p1"]) == {}
    assert ports.outbox.products("tea", []) == {}


# --- expiry


def test_an_anonymous_profile_expires_until_it_is_known(ports: Ports) -> None:
    expiry = START + timedelta(days=90)
    ports.state.commit(Commit(profile=a_profile(1, email=None), expires_at=expiry))
    assert ports.profile_expiry(ANNA) == expiry
    ports.state.commit(Commit(profile=a_profile(2), expires_at=expiry))
    assert ports.profile_expiry(ANNA) is None


# --- splitting


def test_a_split_replaces_the_pending_item_by_its_parts(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), (), ("k1", "k2"))
    whole = a_pending(keys=("k1", "k2"))
    parts = [
        replace(whole, id=f"{D1}-{ANNA}", keys=("k1",), only=(0, 2)),
        replace(whole, id=f"{D1}-{BERT}", keys=("k2",), only=(1,)),
    ]
    ports.state.split(whole, parts)
    assert ports.state.pending(D1) is None
    assert ports.pending_ids() == {part.id for part in parts}
    for part in parts:
        work = ports.state.work(part)
        assert work is not None
        assert work.pending == part
        assert work.events == a_delivery().events


def test_a_split_of_what_is_gone_leaves_no_parts(ports: Ports) -> None:
    with pytest.raises(PendingGoneError):
        ports.state.split(a_pending(), [replace(a_pending(), id="part")])
    assert ports.pending_ids() == set()


def test_a_split_into_more_than_a_transaction_holds_is_refused(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    parts = [replace(a_pending(), id=f"part{number}") for number in range(MAX_SPLIT + 1)]
    with pytest.raises(ValueError, match="99"):
        ports.state.split(a_pending(), parts)
    ports.state.split(a_pending(), parts[:-1])
    assert len(ports.pending_ids()) == MAX_SPLIT


# --- what the sweep reads


def test_overdue_profiles_come_oldest_first_and_no_more_than_wanted(ports: Ports) -> None:
    due = {ids.digest(str(number)): START + timedelta(minutes=number) for number in range(20)}
    for key, deadline in due.items():
        ports.state.commit(Commit(profile=a_profile(profile_id=key, deadline=deadline)))
    ports.state.commit(Commit(profile=a_profile(profile_id=ids.digest("never"))))
    before = START + timedelta(minutes=12)
    assert list(ports.state.overdue(before, 100)) == list(due.items())[:12]
    assert list(ports.state.overdue(before, 5)) == list(due.items())[:5]


def test_a_profile_whose_deadline_went_is_no_longer_overdue(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile(1, deadline=START)))
    ports.state.commit(Commit(profile=a_profile(2)))
    assert list(ports.state.overdue(LATER, 10)) == []


def test_a_deadline_is_compared_to_the_fraction_of_a_second(ports: Ports) -> None:
    deadline = START + timedelta(microseconds=500)
    ports.state.commit(Commit(profile=a_profile(deadline=deadline)))
    assert list(ports.state.overdue(START + timedelta(microseconds=500), 10)) == []
    assert list(ports.state.overdue(START + timedelta(seconds=1), 10)) == [(ANNA, deadline)]


def test_stale_pending_items_are_those_accepted_before(ports: Ports) -> None:
    for number in range(10):
        ports.intake.accept(a_delivery(f"d{number}", received_at=START + timedelta(minutes=number)))
    stale = ports.state.stale_pending(START + timedelta(minutes=4), 100)
    assert {pending.id for pending in stale} == {ids.digest(f"d{number}") for number in range(4)}
    assert len(ports.state.stale_pending(START + timedelta(minutes=4), 2)) == 2


def test_tries_are_counted_and_a_gone_item_is_not_brought_back(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    assert [ports.state.count_try(D1), ports.state.count_try(D1)] == [1, 2]
    assert ports.state.pending(D1) == replace(a_pending(), tries=2)
    ports.state.commit(Commit(pending_id=D1))
    assert ports.state.count_try(D1) == 0
    assert ports.state.pending(D1) is None


# --- on the tables only


def test_a_pending_item_without_its_delivery_is_an_error_not_silence(moto_ports: AwsPorts) -> None:
    moto_ports.intake.accept(a_delivery())
    moto_ports.clients.dynamodb.delete_item(TableName=moto_ports.installation.tables.deliveries, Key={"id": {"S": D1}})
    with pytest.raises(LookupError, match=D1):
        moto_ports.state.work(a_pending())


def test_what_the_ledger_holds_expires_after_the_messages_that_it_names(moto_ports: AwsPorts) -> None:
    moto_ports.state.commit(Commit(profile=a_profile(), decisions=(a_decision(),)))
    scanned = moto_ports.clients.dynamodb.scan(TableName=moto_ports.installation.tables.ledger)["Items"]
    expiry = str(int((START + timedelta(days=420)).timestamp()))
    assert [(item["at"]["S"], item["expires"]["N"]) for item in scanned] == [
        ("2035-03-05T09:00:00.000000Z#alarm.1", expiry)
    ]


def test_the_due_index_holds_only_profiles_with_a_deadline(moto_ports: AwsPorts) -> None:
    moto_ports.state.commit(Commit(profile=a_profile(1, deadline=START)))
    item = moto_ports.item("profiles", ANNA)
    assert item is not None
    assert (item["due_shard"], item["due"]) == ({"S": ANNA[0]}, {"S": "2035-03-05T09:00:00.000000Z"})
    moto_ports.state.commit(Commit(profile=a_profile(2)))
    item = moto_ports.item("profiles", ANNA)
    assert item is not None
    assert not {"due_shard", "due", "expires"} & item.keys()


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (["ConditionalCheckFailed", "None", "None"], PendingGoneError),
        (["ConditionalCheckFailed", "ConditionalCheckFailed", "None"], PendingGoneError),
        (["None", "ConditionalCheckFailed", "None"], ConflictError),
        (["None", "None", "ConditionalCheckFailed"], ConflictError),
        (["TransactionConflict", "None", "None"], ConflictError),
        (["None", "TransactionConflict", "None"], ConflictError),
    ],
)
def test_what_a_cancelled_commit_means_is_read_by_place(
    moto_ports: AwsPorts, codes: list[str], error: type[Exception]
) -> None:
    commit = Commit(pending_id=D1, profile=a_profile(), aliases=(Alias("tea#email#1", ANNA),))
    with refuse_transactions(moto_ports.clients, codes, times=1), pytest.raises(error):
        moto_ports.state.commit(commit)


def test_a_throttled_commit_comes_through_as_it_is(moto_ports: AwsPorts) -> None:
    error = moto_ports.clients.dynamodb.exceptions.TransactionCanceledException
    codes = ["None", "ProvisionedThroughputExceeded"]
    with refuse_transactions(moto_ports.clients, codes, times=1), pytest.raises(error):
        moto_ports.state.commit(Commit(pending_id=D1, profile=a_profile()))


# --- who is who


def test_a_merge_leaves_a_signpost_in_the_same_transaction(ports: Ports) -> None:
    for profile in (a_profile(1), replace(a_profile(1), id=BERT)):
        ports.state.commit(Commit(profile=profile))
    merged = a_profile(2, was=(BERT,))
    ports.state.commit(Commit(profile=merged, merged=(Merged(BERT, 1),)))
    assert ports.state.profile(ANNA) == merged
    assert ports.state.profile(BERT) == Signpost(ANNA)


def test_a_merge_with_a_profile_that_has_changed_since_writes_nothing(ports: Ports) -> None:
    for profile in (a_profile(1), replace(a_profile(1), id=BERT)):
        ports.state.commit(Commit(profile=profile))
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(profile=a_profile(2), merged=(Merged(BERT, 2),)))
    assert ports.state.profile(ANNA) == a_profile(1)
    assert ports.state.profile(BERT) == replace(a_profile(1), id=BERT)


def test_who_comes_back_from_a_grave_that_was_renewed_since_is_looked_at_again(ports: Ports) -> None:
    ports.vault.bury(BERT, Tombstone(erased_at=START, shop="tea"), None)
    ports.state.commit(Commit(profile=a_profile(1), graves=(Grave(BERT, START),)))
    ports.vault.bury(BERT, Tombstone(erased_at=LATER, shop="tea"), None)
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(profile=a_profile(2), graves=(Grave(BERT, START),)))
    assert ports.state.profile(ANNA) == a_profile(1)
    ports.state.commit(Commit(profile=a_profile(2), graves=(Grave(BERT, LATER),)))
    assert ports.state.profile(ANNA) == a_profile(2)


def test_an_address_is_quarantined_when_enough_customers_share_it(ports: Ports) -> None:
    key = "tea#email#till"
    ports.intake.accept(a_delivery(), keys=[key])
    pending = ports.state.pending(D1)
    assert pending is not None
    ports.state.commit(Commit(profile=a_profile(1), aliases=(Alias(key, ANNA),)))
    for number in range(1, QUARANTINE + 1):
        work = ports.state.work(pending)
        assert work is not None
        assert work.quarantined == frozenset()
        assert ports.state.share_address(key, f"customer {number}") == number
        assert ports.state.share_address(key, f"customer {number}") == number
    work = ports.state.work(pending)
    assert work is not None
    assert (work.quarantined, work.owners) == (frozenset({key}), {key: ANNA})


def test_an_address_that_is_first_heard_of_as_shared_can_become_somebodys(ports: Ports) -> None:
    key = "tea#email#new"
    assert ports.state.share_address(key, "customer 1") == 1
    ports.intake.accept(a_delivery(), keys=[key])
    pending = ports.state.pending(D1)
    assert pending is not None
    work = ports.state.work(pending)
    assert work is not None
    assert work.owners == {}
    ports.state.commit(Commit(profile=a_profile(1), aliases=(Alias(key, ANNA),)))
    work = ports.state.work(pending)
    assert work is not None
    assert work.owners == {key: ANNA}


def test_a_large_profile_comes_back_as_it_was(ports: Ports) -> None:
    large = a_profile(1, was=tuple(f"{number:032x}" for number in range(400)))
    ports.state.commit(Commit(profile=large))
    assert ports.state.profile(ANNA) == large


def test_with_a_time_a_commit_leaves_a_line_without_decisions(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile(1), at=START))
    assert ports.ledger(ANNA) == [()]


# --- what a profile was told


def apply_deliveries(ports: Ports, count: int, profile_id: str = ANNA) -> None:
    """Accept deliveries d1, d2 … and apply each an hour after the one before, as the profile's next version."""
    for number in range(1, count + 1):
        ports.intake.accept(a_delivery(f"d{number}"))
        ports.state.commit(
            Commit(
                pending_id=ids.digest(f"d{number}"),
                profile=a_profile(number, profile_id),
                at=START + timedelta(hours=number),
            )
        )


def all_heard(ports: Ports, since: datetime | None = None, *, limit: int = 2) -> list[Heard]:
    found: list[Heard] = []
    cursor: str | None = None
    for _ in range(50):
        page = ports.state.heard(ANNA, since, cursor, limit=limit)
        found += page.heard
        cursor = page.cursor
        if cursor is None:
            return found
    raise AssertionError("a past without a beginning")


def test_what_a_profile_was_told_comes_back_newest_first(ports: Ports) -> None:
    apply_deliveries(ports, 7)
    heard = all_heard(ports)
    assert [each.delivery_id for each in heard] == [ids.digest(f"d{number}") for number in range(7, 0, -1)]
    assert [each.events for each in heard] == [a_delivery(f"d{number}").events for number in range(7, 0, -1)]
    assert all_heard(ports, limit=100) == heard
    assert [each.at for each in heard] == sorted((each.at for each in heard), reverse=True)


def test_what_was_told_earlier_need_not_be_read(ports: Ports) -> None:
    apply_deliveries(ports, 3)
    assert [each.delivery_id for each in all_heard(ports, START + timedelta(hours=2))] == [
        ids.digest("d3"),
        ids.digest("d2"),
    ]


def test_alarms_tell_nothing_and_a_stripped_delivery_is_empty(ports: Ports) -> None:
    apply_deliveries(ports, 2)
    ports.state.commit(Commit(profile=a_profile(3), decisions=(a_decision(at=START + timedelta(hours=9)),)))
    ports.vault.strip(ids.digest("d2"), START)
    assert [(each.delivery_id, each.events) for each in all_heard(ports)] == [
        (ids.digest("d2"), ()),
        (D1, a_delivery("d1").events),
    ]


def test_a_part_of_a_split_delivery_is_known_by_the_delivery(ports: Ports) -> None:
    ports.intake.accept(a_delivery())
    part = replace(a_pending(), id=f"{D1}#{ANNA}")
    ports.state.split(a_pending(), [part])
    ports.state.commit(Commit(pending_id=part.id, profile=a_profile(), at=START))
    assert [each.delivery_id for each in all_heard(ports)] == [D1]


def test_nobody_was_told_nothing(ports: Ports) -> None:
    assert all_heard(ports) == []


def test_the_past_costs_two_calls_for_a_hundred_lines(moto_ports: AwsPorts) -> None:
    """So a profile of many years is filled in well before journey's time-out."""
    ports = moto_ports
    apply_deliveries(ports, 3)
    counter = CallCounter(ports.clients.session)
    counted = ports.with_clients(Clients(ports.clients.session))
    assert len(all_heard(counted, limit=100)) == 3
    assert counter.calls.total() == 2
