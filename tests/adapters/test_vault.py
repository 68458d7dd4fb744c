"""What privacy needs of the stores: the same in RAM, on moto and on the emulator."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from rekindle.aws import vault as aws_vault
from rekindle.domain import ids
from rekindle.domain.errors import ConflictError
from rekindle.domain.events import Who
from rekindle.domain.facts import Product
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.profile import Tombstone
from rekindle.domain.shelves import Shelf
from rekindle.ports import (
    QUARANTINE,
    SHOP_STORES,
    Alias,
    Commit,
    Interested,
    LedgerEntry,
    Merged,
    PrivacyTask,
    Reaction,
    ShopSecrets,
    Stock,
    Vault,
)
from tests.support.things import (
    ANNA,
    MAIL,
    a_decision,
    a_delivery,
    a_message,
    a_pending,
    a_profile,
    a_refusal,
    an_event,
)
from tests.support.worlds import START, AwsPorts, Ports

BERT = ids.digest("bert")
D1 = ids.digest("d1")
GRAVE = Tombstone(erased_at=START, shop="tea", was=(BERT,), aliases=("tea#email#a1",))
KEY = "tea#email#a1"
#: Over the limit also when compressed.
LARGE = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(12_000))


def raw_keys(ports: AwsPorts) -> list[str]:
    answer = ports.clients.s3.list_objects_v2(Bucket=ports.installation.raw_bucket)
    return [found["Key"] for found in answer.get("Contents", [])]


def test_many_profiles_are_read_at_once_whatever_stands_there(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    ports.vault.bury(BERT, GRAVE, None)
    nobody = [ids.digest("nobody", str(number)) for number in range(120)]
    found = ports.vault.profiles([ANNA, *nobody, BERT])
    assert found == {ANNA: ports.state.profile(ANNA), BERT: ports.state.profile(BERT)}
    assert isinstance(found[BERT], Tombstone)


# --- deliveries


def test_a_delivery_comes_back_as_it_was_accepted(ports: Ports) -> None:
    given = a_delivery(also=(ids.digest("mark"),), triggered_at=START - timedelta(seconds=1))
    ports.intake.accept(given)
    assert ports.vault.delivery(D1) == replace(given, also=())
    assert ports.vault.delivery("nobody's") is None


def test_a_stripped_delivery_is_empty_and_still_known(ports: Ports) -> None:
    given = a_delivery(also=(ids.digest("mark"),))
    ports.intake.accept(given)
    for _ in range(2):
        ports.vault.strip(D1, START)
    assert ports.vault.delivery(D1) == replace(given, also=(), events=(), body=b"")
    assert ports.intake.accept(given) is False
    assert ports.intake.accept(replace(given, id=ids.digest("mark"), also=())) is False
    assert ports.vault.delivery(D1) == replace(given, also=(), events=(), body=b"")


def test_what_is_pending_of_a_stripped_delivery_has_no_events(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), keys=[KEY])
    ports.vault.strip(D1, START)
    pending = ports.state.pending(D1)
    assert pending is not None
    work = ports.state.work(pending)
    assert work is not None
    assert work.events == ()


def test_what_a_delivery_says_of_others_can_be_left(ports: Ports) -> None:
    given = a_delivery(events=(an_event("e1"), an_event("e2")))
    ports.intake.accept(given)
    ports.vault.strip(D1, START, given.events[1:])
    assert ports.vault.delivery(D1) == replace(given, events=given.events[1:], body=b"")


def test_stripping_what_is_not_there_makes_nothing(ports: Ports) -> None:
    assert ports.vault.strip(D1, START) == 0
    assert ports.vault.delivery(D1) is None


def test_a_large_body_is_stripped_from_the_bucket_and_a_repeat_does_not_bring_it_back(moto_ports: AwsPorts) -> None:
    ports = moto_ports
    given = a_delivery(body=LARGE, also=(ids.digest("mark"),))
    assert ports.intake.accept(given) is True
    assert raw_keys(ports) == [f"deliveries/tea/{D1}/body"]
    assert ports.vault.delivery(D1) == replace(given, also=())
    assert ports.vault.strip(D1, START) == 1
    assert raw_keys(ports) == []
    assert ports.intake.accept(given, [a_refusal()]) is False
    assert ports.intake.accept(replace(given, id=ids.digest("another"))) is False
    assert raw_keys(ports) == []
    assert ports.vault.suppressions("tea", "email", "a1") == [a_refusal()]


def test_stripping_goes_on_where_the_files_are_gone_already(moto_ports: AwsPorts) -> None:
    ports = moto_ports
    ports.intake.accept(a_delivery(body=LARGE))
    ports.vault.forget_files("deliveries/tea/")
    delivery = ports.vault.delivery(D1)
    assert delivery is not None
    assert delivery.body == b""
    ports.vault.strip(D1, START)
    assert set(ports.item("deliveries", D1) or ()) & {"body_ref", "events", "body"} == set()


def test_what_is_pending_is_found_by_any_of_its_keys(ports: Ports) -> None:
    ports.intake.accept(a_delivery(), keys=[KEY, "tea#phone#p1"])
    ports.intake.accept(a_delivery("d2"), keys=["tea#email#a2"])
    assert ports.vault.waiting({"tea#phone#p1", "tea#email#a9"}) == [a_pending(keys=(KEY, "tea#phone#p1"))]
    for _ in range(2):
        ports.vault.drop(D1)
    assert ports.pending_ids() == {ids.digest("d2")}


def test_what_names_nobody_is_kept_for_less_than_the_month_in_which_it_may_have_to_be_erased(
    moto_ports: AwsPorts,
) -> None:
    ports = moto_ports
    nobody = replace(an_event("e2"), who=Who())
    ports.intake.accept(a_delivery(body=LARGE))
    ports.intake.accept(a_delivery("d2", body=LARGE, events=(nobody,)))
    ports.intake.accept(a_delivery("d3", events=(replace(nobody, profile_id=ANNA),)))
    kept = {
        name: int((ports.item("deliveries", ids.digest(name)) or {})["expires"]["N"]) for name in ("d1", "d2", "d3")
    }
    days = {name: (expires - int(START.timestamp())) // 86_400 for name, expires in kept.items()}
    assert days == {"d1": 400, "d2": 28, "d3": 400}
    assert raw_keys(ports) == [f"deliveries/tea/{D1}/body", f"unread/tea/{ids.digest('d2')}/body"]
    assert emptied(ports.vault, "raw/unread") == 1


# --- who it is


def test_aliases_tell_whom_they_lead_to_and_which_identify_nobody(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile(), aliases=(Alias(KEY, ANNA), Alias("tea#email#a2", ANNA))))
    for number in range(QUARANTINE):
        ports.state.share_address(KEY, f"customer {number}")
    owners, shared = ports.vault.owners([KEY, "tea#email#a2", "tea#email#a3", KEY])
    assert owners == {KEY: ANNA, "tea#email#a2": ANNA}
    assert shared == {KEY}


def test_an_alias_is_pointed_only_where_it_leads_nowhere(ports: Ports) -> None:
    assert ports.vault.point(KEY, ANNA) is True
    assert ports.vault.point(KEY, ANNA) is True
    assert ports.vault.point(KEY, BERT) is False
    assert ports.vault.owners([KEY])[0] == {KEY: ANNA}


def test_a_tombstone_takes_a_profiles_place(ports: Ports) -> None:
    due = START + timedelta(hours=1)
    ports.state.commit(Commit(profile=a_profile(deadline=due)))
    ports.vault.bury(ANNA, GRAVE, 1)
    assert ports.state.profile(ANNA) == GRAVE
    assert ports.outbox.read([("", ANNA)]) == ({}, {})
    assert ports.state.overdue(due + timedelta(days=1), 10) == []


@pytest.mark.parametrize("version", [1, 2])
def test_no_commit_follows_a_tombstone(ports: Ports, version: int) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    ports.vault.bury(ANNA, GRAVE, 1)
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(profile=a_profile(version)))
    assert ports.state.profile(ANNA) == GRAVE


def test_a_profile_that_has_changed_is_not_buried(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    for version in (2, None):
        with pytest.raises(ConflictError):
            ports.vault.bury(ANNA, GRAVE, version)
    assert ports.state.profile(ANNA) == a_profile()


def test_a_tombstone_is_put_where_nothing_stands_or_an_earlier_one(ports: Ports) -> None:
    ports.vault.bury(ANNA, GRAVE, None)
    later = replace(GRAVE, erased_at=START + timedelta(days=1))
    ports.vault.bury(ANNA, later, None)
    assert ports.state.profile(ANNA) == later


def test_a_signpost_is_not_buried(ports: Ports) -> None:
    ports.put_signpost(BERT, ANNA)
    with pytest.raises(ConflictError):
        ports.vault.bury(BERT, GRAVE, None)


# --- refusals


def test_a_refusal_is_written_unless_a_later_word_stands(ports: Ports) -> None:
    ports.vault.suppress(a_refusal(START, reason="erased"))
    ports.vault.suppress(a_refusal(START - timedelta(days=1)))
    ports.vault.suppress(a_refusal(covers="everything", reason="bounced"))
    expected = [a_refusal(START, reason="erased"), a_refusal(covers="everything", reason="bounced")]
    assert list(ports.vault.suppressions("tea", "email", "a1")) == expected
    ports.state.lift("tea", "email", "a1", START + timedelta(days=1))
    ports.vault.suppress(a_refusal(START + timedelta(hours=1), reason="erased"))
    assert list(ports.vault.suppressions("tea", "email", "a1")) == expected[1:]
    assert list(ports.vault.suppressions("tea", "email", "a2")) == []


# --- ledger and messages


def commit_lines(ports: Ports, count: int, profile_id: str = ANNA, shop: str = "tea") -> None:
    for number in range(1, count + 1):
        delivery = a_delivery(f"{profile_id}{number}")
        ports.intake.accept(delivery)
        at = START + timedelta(seconds=number)
        profile = replace(a_profile(number, profile_id), shop=shop)
        ports.state.commit(Commit(pending_id=delivery.id, profile=profile, at=at, decisions=(a_decision(at=at),)))


def test_the_ledger_is_read_in_order_and_forgotten_line_by_line(ports: Ports) -> None:
    commit_lines(ports, 5)
    commit_lines(ports, 1, BERT)
    first = ports.vault.ledger(ANNA, limit=2)
    rest = ports.vault.ledger(ANNA, first[-1].at)
    assert [line.delivery_id for line in (*first, *rest)] == [ids.digest(f"{ANNA}{number}") for number in range(1, 6)]
    assert first[0].decisions == (a_decision(at=START + timedelta(seconds=1)),)
    ports.vault.forget_ledger(ANNA, [line.at for line in first])
    assert ports.vault.ledger(ANNA) == rest
    assert len(ports.vault.ledger(BERT)) == 1


def test_many_lines_are_forgotten_at_once(ports: Ports) -> None:
    commit_lines(ports, 30)
    ports.vault.forget_ledger(ANNA, [line.at for line in ports.vault.ledger(ANNA)])
    assert ports.vault.ledger(ANNA) == []


def test_a_line_knows_the_delivery_that_it_is_about() -> None:
    cases = {"d1": "d1", f"d1#{ANNA}": "d1", "alarm.7": None}
    assert {cause: LedgerEntry(at=f"2035-03-05#{cause}").delivery_id for cause in cases} == cases


def test_messages_are_forgotten_by_their_ids(ports: Ports) -> None:
    mails = sorted(ids.digest(f"m{number}") for number in range(4))
    for mail in mails:
        ports.outbox.record(a_message("skipped", mail))
    other = ids.digest("other")
    ports.outbox.record(replace(a_message("skipped", other), profile_id=BERT))
    assert ports.vault.messages([*mails, MAIL]).keys() == set(mails)
    for _ in range(2):
        ports.vault.forget_messages(mails)
    assert ports.vault.messages(mails) == {}
    assert ports.vault.messages([other]).keys() == {other}


def test_coupons_are_found_by_their_profile_and_a_given_code_stays_given(ports: Ports) -> None:
    mine = [a_coupon(ANNA, "r1"), a_coupon(ANNA, "r2")]
    for coupon in (*mine, a_coupon(BERT, "r3")):
        ports.coupons.give(coupon)
    assert sorted(ports.vault.coupons(ANNA), key=lambda coupon: coupon.run) == mine
    for _ in range(2):
        ports.vault.forget_coupons(mine)
    assert ports.vault.coupons(ANNA) == []
    assert len(ports.vault.coupons(BERT)) == 1
    assert ports.coupons.given("tea", ["r1", "r2", "r4"]) == {"r1", "r2"}


# --- a shop


def emptied(vault: Vault, store: str, spare: str = "") -> int:
    erased, cursor = 0, None
    for _ in range(50):
        page = vault.purge("tea", store, cursor, spare=spare)
        erased, cursor = erased + page.erased, page.cursor
        if cursor is None:
            return erased
    raise AssertionError(f"{store} has no end")


def a_coupon(profile_id: str, run: str) -> Coupon:
    """Return what a run of this profile has got, with its own name for a code."""
    return Coupon(
        run=run,
        offer="back",
        shop="tea",
        profile_id=profile_id,
        message_id=MAIL,
        state="made",
        terms=Offer(name="back", kind="pool", percent=Decimal(5)),
        issued_at=START,
        code=run,
    )


def furnish(ports: Ports, shop: str) -> None:
    """Put five of everything into every store of a shop."""
    for number in range(5):
        name = f"{shop}{number}"
        ports.intake.accept(replace(a_delivery(name, also=(ids.digest("mark", name),)), shop=shop))
        profile = replace(a_profile(1, ids.digest("p", name)), shop=shop)
        tea = Product(id=name, updated_at=START, title="Tea")
        alias = Alias(f"{shop}#email#{number}", profile.id)
        looked = (Interested(product_id=name, at=START),)
        ports.state.commit(
            Commit(shop=shop, profile=profile, aliases=(alias,), at=START, products=(tea,), interests=looked)
        )
        ports.outbox.record(replace(a_message("skipped", ids.digest("m", name)), shop=shop))
        ports.vault.suppress(replace(a_refusal(), shop=shop, address=f"a{number}"))
        ports.raw.put(f"exports/{shop}/{number}.json", b"{}")
        ports.blobs.put(f"imports/{shop}/{number}.json", b"{}")
        ports.shelves.put_shelf(shop, f"kind/{number}", Shelf(version=1))
    for number in range(2):
        ports.coupons.give(replace(a_coupon(ANNA, f"{shop}{number}"), shop=shop))
    ports.coupons.put_stock(Stock(shop=shop, offer="back", pool="f00d", size=9, given=2))


FIVE = dict.fromkeys(set(SHOP_STORES) - {"raw/deliveries", "raw/unread"}, 5)


def test_every_store_of_a_shop_is_emptied_and_nothing_of_another(ports: Ports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_vault, "_PAGE", 4)
    # on AWS a further id of a delivery is an item of its own
    expected = FIVE if not isinstance(ports, AwsPorts) else FIVE | {"deliveries": 10}
    for shop in ("tea", "tea2"):
        furnish(ports, shop)
    assert {store: emptied(ports.vault, store) for store in FIVE} == expected
    assert {store: emptied(ports.vault, store) for store in FIVE} == dict.fromkeys(FIVE, 0)
    assert len(ports.pending_ids()) == 5
    assert ports.vault.delivery(ids.digest("tea20")) is not None
    assert ports.vault.owners(["tea2#email#0"])[0] != {}
    assert len(ports.raw.list("exports/")) == 5
    assert len(ports.blobs.list("imports/")) == 5


def test_the_request_itself_is_spared(ports: Ports) -> None:
    for name in ("d1", "d2"):
        ports.intake.accept(a_delivery(name))
    assert emptied(ports.vault, "deliveries", D1) == 1
    assert ports.vault.delivery(D1) is not None
    assert ports.vault.delivery(ids.digest("d2")) is None


def test_a_merged_profile_goes_with_its_shop(ports: Ports) -> None:
    for profile in (a_profile(), a_profile(profile_id=BERT)):
        ports.state.commit(Commit(profile=profile))
    ports.state.commit(Commit(profile=a_profile(2, was=(BERT,)), merged=(Merged(BERT, 1),)))
    ports.vault.bury(ids.digest("grave"), GRAVE, None)
    assert emptied(ports.vault, "profiles") == 3
    assert [ports.state.profile(each) for each in (ANNA, BERT, ids.digest("grave"))] == [None, None, None]


def test_large_bodies_go_with_their_shop_also_where_no_delivery_names_them(moto_ports: AwsPorts) -> None:
    ports = moto_ports
    ports.intake.accept(a_delivery(body=LARGE))
    ports.raw.put("deliveries/tea/nobody/body", b"left by a crash")
    ports.raw.put("deliveries/tea2/another/body", b"another shop's")
    assert emptied(ports.vault, "deliveries") == 1
    assert emptied(ports.vault, "raw/deliveries") == 1
    assert raw_keys(ports) == ["deliveries/tea2/another/body"]


def test_a_store_that_is_none_is_refused(ports: Ports) -> None:
    with pytest.raises(ValueError, match="nothing is none of"):
        ports.vault.purge("tea", "nothing")


def test_files_are_forgotten_by_their_prefix(ports: Ports) -> None:
    for key in ("exports/tea/1/a.json", "exports/tea/1/b.json", "exports/tea/10/a.json"):
        ports.raw.put(key, b"{}")
    assert ports.vault.forget_files("exports/tea/1/") == 2
    assert ports.vault.forget_files("exports/tea/1/") == 0
    assert ports.raw.list("").keys() == {"exports/tea/10/a.json"}


def test_a_disconnected_shop_is_unknown_from_then_on(ports: Ports) -> None:
    ports.connect(ShopSecrets(shop="tea", platform="shopify", domain="tea.example", webhook_secrets=("s",)))
    assert ports.vault.disconnect("tea") is True
    assert ports.vault.disconnect("tea") is False
    assert ports.secrets.shop("tea") is None


def test_reactions_wait_on_theirs_for_as_long_as_they_are_held(ports: Ports) -> None:
    click = Reaction(message_id=D1, kind="clicked", at=START, index=2)
    opening = Reaction(message_id=D1, kind="opened", at=START, machine="agent")
    for reaction in (click, opening):
        ports.reactions.put(reaction)
    ports.reactions.put(click, 900)
    waiting = ports.waiting("reactions")
    assert sorted(waiting.visible, key=lambda one: one.kind) == [click, opening]
    assert waiting.delayed == 1


def test_tasks_wait_on_the_privacy_queue(ports: Ports) -> None:
    tasks = [PrivacyTask(delivery_id=D1, index=number) for number in range(12)]
    ports.privacy.ask(tasks)
    ports.privacy.ask([PrivacyTask(delivery_id="later", index=0)], delay=900)
    waiting = ports.waiting("privacy")
    assert sorted(task.index for task in waiting.visible) == list(range(12))
    assert waiting.delayed == 1
