"""Handing out and erasing: all of one person or shop, nothing of anybody else, however often it is interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import (
    Address,
    Alert,
    Customer,
    Fact,
    Form,
    Order,
    Person,
    PrivacyRequest,
    Product,
    Referral,
    Review,
    Search,
    TraitsTold,
)
from rekindle.domain.facts import Coupon as CouponFact
from rekindle.domain.ids import digest
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.profile import Profile, Signpost, Tombstone
from rekindle.memory import Crash
from rekindle.ports import QUARANTINE, PrivacyTask, ShopSecrets
from rekindle.service.accept import accept
from rekindle.service.people import address_hash, alias_key
from rekindle.service.receipts import Receipt, decode_receipt
from tests.support.build import (
    ADA,
    CART,
    CONFIRMATION,
    TEA,
    at,
    cart,
    checkout,
    consent,
    engaged,
    event,
    flow_of,
    order,
    playbook,
)
from tests.support.plant import Plant

WHO = replace(ADA, phone="+31612345678")
BERT = Who(email="bert@example.com", shop_customer_id="8", cart_token="c8", checkout_token="k8")
NAME = Person(first_name="Adelheid", last_name="Quux")
PLANTED = ("ada@example.com", "+31612345678", "Adelheid", "Quux", "Hidden Lane", "a secret note", "ADAS-OWN-CODE")
NOTE = b'{"note": "a secret note of ada@example.com"}'
ASKED = at(days=4)


decode_coupon = msgspec.json.Decoder(Coupon).decode


@pytest.fixture
def plant() -> Plant:
    return Plant(playbook(CART, CONFIRMATION))


def deliver(plant: Plant, *events: Event, name: str | None = None, body: bytes = NOTE, shop: str = "tea") -> bool:
    """Accept a delivery with a raw body."""
    now = plant.world.clock.now()
    delivery = Delivery(
        id=digest("delivery", name or "/".join(event.id for event in events)),
        shop=shop,
        source="shopify",
        topic="test",
        received_at=now,
        events=events,
        body=body,
        also=(digest("mark", name or "/".join(event.id for event in events)),),
    )
    return accept(delivery, plant.world.intake, plant.world.secret_address_key)


def bought(when: datetime, *, who: Who = WHO, id_: str = "o1", **more: Any) -> Event:
    data = Order(
        id=id_,
        updated_at=when,
        placed_at=when,
        items=(TEA,),
        item_count=1,
        currency="EUR",
        ship_to=Address(name="Adelheid Quux", line1="1 Hidden Lane"),
    )
    more.setdefault("id", digest("order.placed", when.isoformat(), id_, who.email or who.phone or "7"))
    return event("order.placed", data, when, who=who, person=NAME, **more)


def ask(plant: Plant, wish: str = "erase", when: datetime = ASKED, **more: Any) -> None:
    """Let the shop hand over a customer's wish, and do everything that follows at once."""
    who = {"email": "ada@example.com", "shop_customer_id": "7"} if wish != "erase_shop" else {}
    who |= {key: more.pop(key) for key in ("email", "phone", "shop_customer_id") if key in more}
    request = PrivacyRequest(wish=wish, at=when, **who, **more)  # type: ignore[arg-type]
    asked = event("privacy.requested", request, when, who=Who(**who), id=f"{wish}@{when.isoformat()}")
    deliver(plant, asked)


def live(plant: Plant) -> None:
    """Two people's lives: Ada's cart, her mails, her order with her address; Bert's as well."""
    world = plant.world
    world.shops["tea"] = ShopSecrets(shop="tea", platform="shopify", domain="tea.example", webhook_secrets=("s",))
    deliver(plant, cart(at()), name="anonymous")
    deliver(plant, checkout(at(), who=WHO), consent(at(), who=WHO), name="checkout")
    deliver(plant, checkout(at(), who=BERT), consent(at(), who=BERT), name="bert", body=b"about Bert")
    tea = Product(id="p1", updated_at=at(), title="Sencha")
    deliver(plant, event("product.updated", tea, at(), who=Who()), name="product", body=b"tea")
    plant.until(at(days=2))
    deliver(plant, bought(at(days=2)), name="order")
    for name, code in (("ada", "ADAS-OWN-CODE"), ("bert", "BERTS-OWN-CODE")):
        world.coupons.made(a_coupon(plant.profile(f"{name}@example.com").id, code))
    plant.until(at(days=2, hours=1))


def a_coupon(profile_id: str, code: str) -> Coupon:
    return Coupon(
        run=digest("run", code),
        offer="back",
        shop="tea",
        profile_id=profile_id,
        message_id=digest("mail", code),
        state="made",
        terms=Offer(name="back", kind="unique"),
        issued_at=at(days=2),
        code=code,
    )


def redacted(plant: Plant) -> None:
    """Let time pass to the request, and everything be done about it."""
    plant.until(ASKED)
    ask(plant)
    plant.until(ASKED + timedelta(hours=1))


def stored(plant: Plant) -> str:
    """Return all that any table, bucket or queue holds, as text."""
    world = plant.world
    queues: list[Any] = [world.wake_queue, world.privacy_queue, *world.send_queues.values()]
    tables: list[Any] = [
        world.deliveries,
        world.delivery_marks,
        world.pending,
        list(world.stream),
        world.profiles,
        world.owners,
        world.sharing,
        world.suppressions,
        world.messages,
        world.issued,
        world.ledger,
        world.catalogue,
        world.raw_files,
        world.schedules,
        [message.body for queue in queues for message in (*queue.messages, *queue.dead)],
    ]
    return repr(tables)


def leftovers(plant: Plant) -> list[str]:
    text = stored(plant)
    return [planted for planted in PLANTED if planted in text]


def receipts(plant: Plant) -> list[Receipt]:
    return [decode_receipt(raw) for key, raw in plant.world.raw_files.items() if key.startswith("receipts/")]


def receipt_of(plant: Plant) -> Receipt:
    (receipt,) = receipts(plant)
    return receipt


def owner(plant: Plant, kind: str, value: str) -> Profile | Signpost | Tombstone | None:
    key = alias_key(plant.world.secret_address_key, "tea", kind, value)
    return plant.world.profile(plant.world.owners[key])


def refused(plant: Plant, email: str = "ada@example.com") -> str | None:
    """Return why this address gets no marketing, if it is so."""
    hashed = address_hash(plant.world.secret_address_key, "email", email)
    record = plant.world.suppressions.get(("tea", "email", hashed))
    reasons = {one.covers: one.reason for one in record.active} if record is not None else {}
    return reasons.get("marketing")


def of_bert(plant: Plant) -> object:
    world = plant.world
    profile = plant.profile("bert@example.com")
    return (
        profile,
        [line for line in world.ledger if line.profile_id == profile.id],
        [message for message in world.messages.values() if message.profile_id == profile.id],
        world.vault.coupons(profile.id),
        world.deliveries[digest("delivery", "bert")],
        refused(plant, "bert@example.com"),
    )


# --- erasing


def test_the_story_plants_what_the_tests_look_for(plant: Plant) -> None:
    live(plant)
    assert leftovers(plant) == list(PLANTED)
    assert len(plant.mails()) == 5


def test_after_an_erasure_nothing_of_the_person_is_left_but_keyed_hashes(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    before = of_bert(plant)
    redacted(plant)
    assert leftovers(plant) == []
    assert of_bert(plant) == before
    assert isinstance(owner(plant, "email", "ada@example.com"), Tombstone)
    assert refused(plant) == "erased"
    assert plant.world.catalogue
    assert plant.world.pending == {}


def test_a_receipt_names_every_store_with_what_was_found_erased_and_kept(plant: Plant) -> None:
    live(plant)
    profile = plant.profile("ada@example.com")
    redacted(plant)
    receipt = receipt_of(plant)
    assert receipt.done_at is not None
    assert receipt.profiles == (profile.id, *profile.was)
    told = {store: (line.found, line.erased) for store, line in receipt.stores.items() if line.found or line.erased}
    assert told == {
        "profiles": (1, 1),
        "deliveries": (3, 3),
        "messages": (4, 4),
        "coupons": (1, 1),
        "interests": (1, 1),
        "ledger": (6, 6),
    }
    tables = {
        "deliveries",
        "pending",
        "profiles",
        "aliases",
        "suppressions",
        "messages",
        "coupons",
        "interests",
        "ledger",
        "products",
    }
    assert tables | {"queues", "schedules", "logs", "content bucket", "backups"} <= receipt.stores.keys()


def erased_rightly(plant: Plant, ids: tuple[str, ...]) -> None:
    receipt = receipt_of(plant)
    assert receipt.done_at is not None
    assert receipt.profiles == ids
    assert receipt.counts() == {
        "profiles": 1,
        "deliveries": 3,
        "messages": 4,
        "coupons": 1,
        "interests": 1,
        "ledger": 6,
    }
    assert leftovers(plant) == []
    assert refused(plant) == "erased"
    assert plant.world.privacy_queue.messages == []
    assert plant.world.privacy_queue.dead == []
    assert plant.world.pending == {}
    # what is heard now of the time before
    assert deliver(plant, checkout(at(), who=WHO), consent(at(), who=WHO), name="checkout") is False
    deliver(plant, bought(at(days=1), id_="late"))
    plant.until(ASKED + timedelta(hours=3))
    assert leftovers(plant) == []


def calls_of(story: Callable[[Plant], None], prepare: Callable[[Plant], None]) -> int:
    """Return how many port calls a story makes."""
    plant = Plant(playbook(CART, CONFIRMATION))
    prepare(plant)
    before = plant.world.calls.total()
    story(plant)
    return plant.world.calls.total() - before


def crash_at_call(plant: Plant, number: int, moment: str) -> None:
    """Pull the plug at this call from now, whichever it is."""
    seen = {"before": 0, "after": 0}

    def hook(name: str, when: str) -> None:
        seen[when] += 1
        if when == moment and seen[when] == number:
            raise Crash(f"{when} {name}")

    plant.world.hook = hook


def recovered(plant: Plant) -> None:
    """Give queues and the sweep the time to bring back what a crash has left."""
    plant.until(ASKED + timedelta(minutes=20))
    plant.world.hook = None
    plant.sweep()
    plant.until(ASKED + timedelta(hours=1))


def wants_erasure(plant: Plant) -> None:
    ask(plant)
    recovered(plant)


def until_asked(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)


def test_an_erasure_killed_at_any_call_ends_in_the_same_state() -> None:
    for number in range(2, calls_of(wants_erasure, until_asked) + 1):
        for moment in ("before", "after"):
            plant = Plant(playbook(CART, CONFIRMATION))
            until_asked(plant)
            profile = plant.profile("ada@example.com")
            # the first call is the webhook's, whose sender tries again
            crash_at_call(plant, number, moment)
            wants_erasure(plant)
            erased_rightly(plant, (profile.id, *profile.was))


def test_who_comes_back_while_the_erasure_is_interrupted_stays_and_what_was_goes(plant: Plant) -> None:
    until_asked(plant)
    plant.crash_at("vault.bury", "after")
    ask(plant)
    plant.settle()
    deliver(plant, bought(ASKED + timedelta(seconds=1), id_="o2"), name="back", body=b"")
    plant.until(ASKED + timedelta(hours=1))
    profile = plant.profile("ada@example.com")
    assert profile.orders.keys() == {"o2"}
    assert {line.profile_id for line in plant.world.ledger} == {
        profile.id,
        plant.profile("bert@example.com").id,
    }
    assert "a secret note" not in leftovers(plant)
    assert receipt_of(plant).counts() == {
        "profiles": 1,
        "deliveries": 3,
        "messages": 4,
        "coupons": 1,
        "interests": 1,
        "ledger": 6,
    }


def test_a_coupon_that_is_made_in_this_moment_goes_when_word_of_it_comes(plant: Plant) -> None:
    until_asked(plant)
    profile = plant.profile("ada@example.com")
    redacted(plant)
    late = a_coupon(profile.id, "ADAS-OTHER-CODE")
    plant.world.coupons.made(late)
    fact = CouponFact(code=late.code, at=at(days=2), message_id=late.message_id, offer="back")
    told = event("coupon.issued", fact, at(days=2), who=Who(), profile_id=profile.id, id="late word")
    deliver(plant, told, body=b"")
    plant.until(ASKED + timedelta(hours=2))
    assert [coupon.code for coupon in map(decode_coupon, plant.world.issued.values())] == ["BERTS-OWN-CODE"]
    assert "ADAS-OTHER-CODE" not in stored(plant)


def test_messages_are_erased_by_the_decisions_that_planned_them(plant: Plant) -> None:
    until_asked(plant)
    redacted(plant)
    assert {message.profile_id for message in plant.world.messages.values()} == {plant.profile("bert@example.com").id}


def test_a_task_that_comes_again_changes_nothing(plant: Plant) -> None:
    live(plant)
    redacted(plant)
    before, receipt = stored(plant), receipt_of(plant)
    task = PrivacyTask(delivery_id=receipt.delivery_id, index=0)
    plant.world.privacy.ask([task, task])
    plant.settle()
    assert stored(plant) == before


@pytest.mark.parametrize("name", ["anonymous", "checkout", "order"])
def test_a_delivery_of_before_that_comes_again_stays_known_and_brings_nothing_back(plant: Plant, name: str) -> None:
    live(plant)
    redacted(plant)
    before = stored(plant)
    assert deliver(plant, bought(at(days=2)), name=name) is False
    plant.settle()
    assert stored(plant) == before


@pytest.mark.parametrize("who", [WHO, Who(email="ada@example.com"), Who(phone=WHO.phone), Who(shop_customer_id="7")])
def test_what_was_said_before_and_comes_afterwards_is_dropped(plant: Plant, who: Who) -> None:
    live(plant)
    redacted(plant)
    deliver(plant, bought(ASKED - timedelta(minutes=1), who=who, id_="late"), consent(at(days=3), who=who))
    plant.until(ASKED + timedelta(hours=2))
    assert leftovers(plant) == []
    assert refused(plant) == "erased"
    assert sum(isinstance(plant.world.profile(key), Profile) for key in plant.world.profiles) == 1
    assert plant.world.pending == {}


def test_a_new_order_starts_a_clean_profile_without_consent(plant: Plant) -> None:
    live(plant)
    before = plant.profile("ada@example.com")
    redacted(plant)
    deliver(plant, bought(ASKED + timedelta(hours=1), id_="o2"))
    plant.until(ASKED + timedelta(hours=2))
    after = plant.profile("ada@example.com")
    assert after.id != before.id
    assert after.orders.keys() == {"o2"}
    assert after.consent == {}
    assert after.was == ()
    assert refused(plant) == "erased"


def test_what_was_said_before_is_dropped_also_when_the_person_has_come_back(plant: Plant) -> None:
    live(plant)
    redacted(plant)
    deliver(plant, bought(ASKED + timedelta(hours=1), id_="o2"))
    plant.until(ASKED + timedelta(hours=2))
    came_back = plant.profile("ada@example.com")
    late = bought(ASKED - timedelta(days=1), id_="late")
    deliver(plant, late)
    plant.until(ASKED + timedelta(hours=3))
    assert plant.profile("ada@example.com") == came_back
    assert plant.world.deliveries[digest("delivery", late.id)].events == ()


def test_who_was_erased_gets_marketing_again_only_by_subscribing_anew(plant: Plant) -> None:
    live(plant)
    redacted(plant)
    mails = len(plant.mails())
    back = replace(WHO, cart_token="c9", checkout_token="k9")
    deliver(plant, checkout(ASKED + timedelta(hours=1), who=back))
    plant.until(ASKED + timedelta(days=5))
    assert len(plant.mails()) == mails
    again = replace(WHO, cart_token="c10", checkout_token="k10")
    deliver(plant, checkout(ASKED + timedelta(days=5), who=again), consent(ASKED + timedelta(days=5), who=again))
    plant.until(ASKED + timedelta(days=5, hours=2))
    assert len(plant.mails()) == mails + 1
    assert refused(plant) is None


def test_an_unsubscribe_of_before_stands(plant: Plant) -> None:
    live(plant)
    deliver(plant, consent(at(days=3), "unsubscribed", who=WHO))
    redacted(plant)
    assert refused(plant) is not None


def test_a_mail_that_waits_is_not_sent_any_more(plant: Plant) -> None:
    live(plant)
    back = replace(WHO, cart_token="c9", checkout_token="k9")
    plant.until(at(days=3))
    deliver(plant, checkout(at(days=3), who=back))
    mails = plant.mails()
    plant.until(at(days=3, minutes=59))
    ask(plant, when=at(days=3, minutes=59))
    (request,) = plant.world.stream
    plant.world.stream.clear()
    plant.world.clock.advance_to(at(days=4))
    plant.world.ring_due_schedules()
    (ring,) = plant.world.wake_queue.receive()
    plant.journey.wake(ring.value)
    assert plant.world.send_queues["marketing"].messages
    plant.world.stream.append(request)
    plant.journey.from_stream(plant.world.stream.popleft())
    (task,) = plant.world.privacy_queue.receive()
    plant.privacy.handle(task.value)
    plant.until(at(days=8))
    assert [mail for mail in plant.mails() if mail not in mails and mail[0] == "ada@example.com"] == []
    assert leftovers(plant) == []


def test_somebody_nobody_knows_is_remembered_as_erased(plant: Plant) -> None:
    """What is said of them may still be under way."""
    redacted(plant)
    assert receipt_of(plant).counts() == {}
    deliver(plant, bought(at(days=1)))
    plant.until(ASKED + timedelta(hours=2))
    assert leftovers(plant) == []
    assert not any(isinstance(plant.world.profile(key), Profile) for key in plant.world.profiles)


def test_what_is_stuck_is_erased_as_well(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    deliver(plant, bought(at(days=3), id_="stuck"), name="stuck")
    plant.world.stream.clear()
    ask(plant)
    plant.settle()
    assert leftovers(plant) == []
    assert plant.world.pending == {}
    assert receipt_of(plant).stores["pending"].erased == 1


def test_what_is_said_afterwards_and_waits_is_applied(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    ask(plant, when=ASKED - timedelta(minutes=1))
    deliver(plant, bought(ASKED, id_="o2"), name="new")
    request, new = plant.world.stream
    plant.world.stream.clear()
    plant.world.stream.append(request)
    plant.settle()
    assert set(plant.world.pending) == {new.id}
    plant.world.stream.append(new)
    plant.until(ASKED + timedelta(hours=1))
    assert plant.profile("ada@example.com").orders.keys() == {"o2"}


def test_what_journey_writes_in_between_is_erased_too(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    raced: list[str] = []
    moved = Who(email="ada@elsewhere.example", shop_customer_id="7")

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("vault.bury", "before") and not raced:
            raced.append(call)
            deliver(plant, bought(at(days=3), who=moved, id_="raced"), name="raced")
            plant.journey.from_stream(plant.world.stream.popleft())

    plant.world.hook = hook
    redacted(plant)
    assert raced
    assert leftovers(plant) == []
    assert "elsewhere" not in stored(plant)
    assert refused(plant, "ada@elsewhere.example") == "erased"


def test_what_send_records_after_the_ledger_has_gone_is_erased_too(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    profile = plant.profile("ada@example.com")
    mail = next(message for message in plant.world.messages.values() if message.profile_id == profile.id)
    raced: list[str] = []

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("vault.forget_ledger", "after") and not raced:
            raced.append(call)
            plant.world.outbox.record(replace(mail, state="skipped", token=""))

    plant.world.hook = hook
    redacted(plant)
    assert raced
    assert not any(message.profile_id == profile.id for message in plant.world.messages.values())


def test_a_delivery_about_two_people_loses_one_and_keeps_the_other(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    theirs, its = bought(at(days=3), id_="a3"), bought(at(days=3), who=BERT, id_="b3")
    deliver(plant, replace(theirs, person=None), replace(its, person=None, data=Customer(id="8", updated_at=at())))
    redacted(plant)
    assert leftovers(plant) == []
    (kept,) = [d for d in plant.world.deliveries.values() if any(event.who == BERT for event in d.events)][1:]
    assert [event.who for event in kept.events] == [Who(), BERT]
    assert kept.body == b""


def test_profiles_that_were_merged_are_erased_under_all_their_ids(plant: Plant) -> None:
    guest = Who(email="ada@example.com", cart_token="c5")
    deliver(plant, checkout(at(), who=guest), name="guest")
    deliver(plant, bought(at(hours=1), who=Who(shop_customer_id="7", phone=WHO.phone)), name="account")
    plant.settle()
    deliver(plant, bought(at(hours=2), id_="o2"), name="both")
    plant.settle()
    (merged,) = plant.profile("ada@example.com").was
    redacted(plant)
    assert leftovers(plant) == []
    assert merged in receipt_of(plant).profiles
    assert {line.profile_id for line in plant.world.ledger} == set()
    assert isinstance(plant.world.profile(merged), Signpost)


def test_another_customer_with_the_same_address_is_left_alone(plant: Plant) -> None:
    other = Who(email="ada@example.com", shop_customer_id="70")
    deliver(plant, bought(at(), who=other), name="other")
    plant.settle()
    before = plant.profile("ada@example.com")
    redacted(plant)
    assert plant.profile("ada@example.com") == before
    assert "another customer" in receipt_of(plant).notes[0]


def test_an_address_that_many_share_identifies_nobody(plant: Plant) -> None:
    for number in range(QUARANTINE + 2):
        who = Who(email="till@example.com", shop_customer_id=f"1{number}")
        deliver(plant, bought(at(hours=number), who=who, id_=f"till{number}"))
        plant.settle()
    plant.until(ASKED)
    before = dict(plant.world.profiles)
    ask(plant, email="till@example.com", shop_customer_id=None)
    plant.settle()
    assert plant.world.profiles == before
    assert "many customers share" in receipt_of(plant).notes[0]


def test_somebody_known_by_old_order_ids_only_is_found_by_them(plant: Plant) -> None:
    live(plant)
    for number in range(12):
        deliver(plant, bought(at(hours=1), who=Who(email=f"x{number}@example.com"), id_=f"x{number}"), body=b"x")
    plant.until(ASKED)
    others = sum(isinstance(plant.world.profile(key), Profile) for key in plant.world.profiles) - 1
    ask(plant, email=None, shop_customer_id=None, order_ids=("o0", "o1"))
    plant.until(ASKED + timedelta(hours=1))
    left = [planted for planted in leftovers(plant) if planted not in {"Adelheid", "Quux", "Hidden Lane"}]
    assert left == []
    assert sum(isinstance(plant.world.profile(key), Profile) for key in plant.world.profiles) == others
    assert refused(plant) == "erased"


def test_an_erasure_that_is_asked_for_again_is_done_again(plant: Plant) -> None:
    live(plant)
    redacted(plant)
    deliver(plant, bought(ASKED + timedelta(hours=1), id_="o2"))
    plant.until(ASKED + timedelta(days=1))
    ask(plant, when=ASKED + timedelta(days=1))
    plant.until(ASKED + timedelta(days=2))
    assert leftovers(plant) == []
    assert [receipt.counts()["profiles"] for receipt in receipts(plant)] == [1, 1]


def test_an_erasure_that_comes_late_leaves_who_came_back_alone(plant: Plant) -> None:
    live(plant)
    redacted(plant)
    deliver(plant, bought(ASKED + timedelta(hours=1), id_="o2"))
    plant.until(ASKED + timedelta(days=1))
    ask(plant, when=ASKED - timedelta(hours=1))
    plant.until(ASKED + timedelta(days=2))
    assert plant.profile("ada@example.com").orders.keys() == {"o2"}


def test_what_only_names_the_profile_goes_with_it(plant: Plant) -> None:
    """An opened mail, a click on "unsubscribe": accepted before the erasure or after it."""
    live(plant)
    profile = plant.profile("ada@example.com")
    redacted(plant)
    opened = engaged("email.opened", "m1", ASKED + timedelta(hours=1), profile)
    deliver(plant, opened)
    plant.until(ASKED + timedelta(hours=2))
    assert plant.world.deliveries[digest("delivery", opened.id)].events == ()
    assert leftovers(plant) == []


def test_another_request_that_waits_is_carried_out(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    ask(plant, "export")
    ask(plant, when=ASKED)
    export = plant.world.stream.popleft()
    plant.settle()
    plant.world.stream.append(export)
    plant.settle()
    assert sorted(receipt.wish for receipt in receipts(plant)) == ["erase", "export"]
    assert all(receipt.done_at for receipt in receipts(plant))
    assert leftovers(plant) == []


def test_a_shared_phone_does_not_make_anybody_else_forget(plant: Plant) -> None:
    live(plant)
    redacted(plant)
    together = replace(BERT, phone=WHO.phone)
    deliver(plant, bought(ASKED + timedelta(hours=1), who=together, id_="b1"))
    plant.until(ASKED + timedelta(hours=2))
    deliver(plant, bought(ASKED - timedelta(days=1), who=BERT, id_="b2"))
    plant.until(ASKED + timedelta(hours=3))
    assert plant.profile("bert@example.com").orders.keys() == {"b1", "b2"}


# --- handing out


def exports(plant: Plant) -> list[dict[str, Any]]:
    return [json.loads(raw) for key, raw in plant.world.raw_files.items() if key.startswith("exports/")]


def test_an_export_holds_everything_about_the_person_and_nothing_about_others(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    before = of_bert(plant)
    ask(plant, "export", request_id="9999")
    plant.settle()
    (document,) = exports(plant)
    assert document["profile"]["email"] == "ada@example.com"
    assert document["profile"]["consent"]["email:ada@example.com"]["state"] == "subscribed"
    assert document["profile"]["orders"].keys() == {"o1"}
    assert len(document["messages"]) == 4
    assert [coupon["code"] for coupon in document["coupons"]] == ["ADAS-OWN-CODE"]
    assert any(decision["what"] == "entered" for line in document["ledger"] for decision in line["decisions"])
    assert len(document["deliveries"]) == 3
    assert {delivery["body"]["note"] for delivery in document["deliveries"]} == {"a secret note of ada@example.com"}
    told = json.dumps(document)
    assert all(planted in told for planted in PLANTED)
    assert "bert" not in told.lower()
    assert of_bert(plant) == before
    receipt = receipt_of(plant)
    assert (receipt.name, receipt.request_id) == ("export-9999", "9999")
    assert receipt.exports == (next(key for key in plant.world.raw_files if key.startswith("exports/")),)
    assert receipt.counts() == {}
    assert receipt.stores["deliveries"].found == 3


SECRETS = ("1990-05-04", "size-of-ada", "ada-writes", "ada-looks", "ada-thinks", "tag-of-ada", "CODE-OF-ADA")


def well_known() -> Plant:
    """Ada's life once more, with what she answered, looked at and thought, and what flows and segments made of it."""
    text = f"""
title: T
trigger: {{event: form.submitted}}
steps:
  - email: hello
    category: transactional
  - set: {{tags: [{SECRETS[5]}]}}
  - wait: 30d
"""
    plant = Plant(playbook(CART, CONFIRMATION, flow_of(text, "hello"), segments={"buyers": "profile.orders > 0"}))
    live(plant)
    traits = TraitsTold(at=at(days=2), values={"size": SECRETS[1]})
    form = Form(name="hello", at=at(days=2), answers={"birthday": SECRETS[0], "comment": SECRETS[2]})
    happened: list[tuple[str, Fact]] = [
        ("traits.changed", traits),
        ("form.submitted", form),
        ("search.submitted", Search(query=SECRETS[3], at=at(days=2))),
        ("review.submitted", Review(rating=5, at=at(days=2), order_id="o1", text=SECRETS[4])),
    ]
    deliver(plant, *(event(kind, fact, at(days=2), who=WHO) for kind, fact in happened), name="known")
    plant.until(at(days=3))
    (run,) = [run for run in plant.profile("ada@example.com").runs if run.flow == "hello"]
    code = CouponFact(code=SECRETS[6], at=at(days=3), message_id=next(iter(run.messages.values())))
    deliver(plant, event("coupon.issued", code, at(days=3), who=WHO), name="coupon")
    plant.until(ASKED)
    return plant


def test_an_export_holds_what_was_learned_of_the_person_in_full_words() -> None:
    plant = well_known()
    ask(plant, "export")
    plant.settle()
    (document,) = exports(plant)
    known = document["known"]
    assert known["traits"]["birthday"] == {"value": SECRETS[0], "since": at(days=2).isoformat().replace("+00:00", "Z")}
    assert known["tags"][SECRETS[5]]["on"] is True
    assert known["segments"].keys() == {"buyers"}
    assert known["orders"]["o1"]["currency"] == "EUR"
    assert [touch["channel"] for touch in known["latest_messages"]] == ["email"] * len(known["latest_messages"])
    assert known["latest_messages"]
    assert all(secret in json.dumps(document) for secret in SECRETS)


def test_an_export_names_what_was_asked_for_rated_given_and_earned_in_full_words() -> None:
    plant = well_known()
    wanted = Alert(product_id="p7", at=at(days=3), wants=("stock",))
    friend = Referral(order_id="o77", at=at(days=3), friend="f1")
    credit = TraitsTold(at=at(days=3), values={"referral_credit": 5})
    told: list[tuple[str, Fact]] = [
        ("product.alert_requested", wanted),
        ("referral.made", friend),
        ("traits.changed", credit),
    ]
    deliver(plant, *(event(kind, fact, at(days=3), who=WHO) for kind, fact in told), name="newer")
    plant.until(ASKED)
    ask(plant, "export")
    plant.settle()
    (document,) = exports(plant)
    known = document["known"]
    assert known["interests"]["p7"]["asked"] == ["stock"]
    assert known["reviews"]["o1"]["rating"] == 5
    assert known["coupons"][0]["code"] == SECRETS[6]
    assert known["traits"]["referral_credit"]["value"] == 5
    assert document["profile"]["friends"].keys() == {"f1"}
    rows = [name for name, value in document["profile"].items() if holds_rows(value) and name not in known]
    assert [name for name in rows if name not in IN_OTHER_WORDS] == [], "rows without names"


#: What `known` has under another name, or what holds nothing but lists of names and moments.
IN_OTHER_WORDS = {"touches", "tag_marks", "own_tags", "aliases", "was", "recent", "places", "runs"}


def holds_rows(value: object) -> bool:
    """Whether there is a list in it: msgspec writes an `array_like` struct so."""
    return isinstance(value, list) or (isinstance(value, dict) and any(isinstance(v, list) for v in value.values()))


def test_what_was_learned_of_the_person_is_erased_too() -> None:
    plant = well_known()
    assert all(secret in stored(plant) for secret in SECRETS)
    redacted(plant)
    assert [secret for secret in SECRETS if secret in stored(plant)] == []
    assert leftovers(plant) == []


def test_an_export_and_its_request_are_erased_with_the_person(plant: Plant) -> None:
    live(plant)
    plant.until(at(days=3))
    ask(plant, "export", when=at(days=3))
    plant.settle()
    assert exports(plant)
    redacted(plant)
    assert exports(plant) == []
    assert leftovers(plant) == []


def test_an_export_tells_of_a_shared_delivery_only_what_is_theirs(plant: Plant) -> None:
    live(plant)
    plant.until(ASKED)
    deliver(plant, bought(at(days=3), id_="a3"), bought(at(days=3), who=BERT, id_="b3"), body=b"about Bert")
    plant.settle()
    ask(plant, "export")
    plant.settle()
    (document,) = exports(plant)
    assert "bert" not in json.dumps(document).lower()
    assert sum("body" not in delivery for delivery in document["deliveries"]) == 1


def test_very_many_deliveries_make_several_documents(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    live(plant)
    plant.until(ASKED)
    monkeypatch.setattr("rekindle.service.privacy.PART", len(NOTE))
    ask(plant, "export")
    plant.settle()
    documents = exports(plant)
    assert [len(document["deliveries"]) for document in documents] == [2, 1]
    assert ["profile" in document for document in documents] == [True, False]


def test_of_somebody_nobody_knows_nothing_is_handed_out(plant: Plant) -> None:
    plant.until(ASKED)
    ask(plant, "export")
    plant.settle()
    assert exports(plant) == []
    assert receipt_of(plant).notes == ("nothing is stored about this person",)
    assert leftovers(plant) == []


def wants_export(plant: Plant) -> None:
    ask(plant, "export")
    recovered(plant)


def test_an_export_killed_at_any_call_is_handed_out_in_the_end() -> None:
    for number in range(2, calls_of(wants_export, until_asked) + 1):
        for moment in ("before", "after"):
            plant = Plant(playbook(CART, CONFIRMATION))
            until_asked(plant)
            crash_at_call(plant, number, moment)
            wants_export(plant)
            (document,) = exports(plant)
            assert len(document["deliveries"]) == 3
            assert receipt_of(plant).done_at is not None
            assert plant.world.privacy_queue.dead == []


# --- a shop has left


def of_shop(plant: Plant, shop: str) -> dict[str, int]:
    """Return how much each store holds of a shop."""
    world = plant.world
    key = shop + "#"
    return {
        "deliveries": sum(1 for d in world.deliveries.values() if d.shop == shop and (d.events or d.body)),
        "pending": sum(p.shop == shop for p in world.pending.values()),
        "profiles": sum(getattr(world.profile(each), "shop", shop) == shop for each in world.profiles),
        "aliases": sum(each.startswith(key) for each in world.owners),
        "messages": sum(message.shop == shop for message in world.messages.values()),
        "coupons": sum(decode_coupon(each).shop == shop for each in world.issued.values()),
        "ledger": sum(line.shop == shop for line in world.ledger),
        "products": sum(each[0] == shop for each in world.catalogue),
        "interests": sum(each[0] == shop for each in world.interests),
        "shelves": sum(each[0] == shop for each in world.shelved),
        "suppressions": sum(each[0] == shop for each in world.suppressions),
        "exports": sum(each.startswith(f"exports/{shop}/") for each in world.raw_files),
        "secrets": int(shop in world.shops),
    }


def two_shops(plant: Plant) -> None:
    live(plant)
    deliver(plant, consent(at(days=2), "unsubscribed", who=BERT), name="unsubscribe")
    plant.until(at(days=3))
    ask(plant, "export", when=at(days=3))
    plant.settle()
    elsewhere = replace(bought(at(days=3)), shop="coffee", id="coffee")
    deliver(plant, elsewhere, name="elsewhere", shop="coffee")
    plant.until(ASKED)


def test_when_a_shop_leaves_everything_of_it_goes_and_nothing_of_another(plant: Plant) -> None:
    two_shops(plant)
    before = of_shop(plant, "tea")
    coffee = of_shop(plant, "coffee")
    assert all(count for store, count in before.items() if store != "pending")
    ask(plant, "erase_shop")
    plant.until(ASKED + timedelta(hours=2))
    assert set(of_shop(plant, "tea").values()) == {0}
    assert of_shop(plant, "coffee") == coffee
    receipt = next(receipt for receipt in receipts(plant) if receipt.wish == "erase_shop")
    assert receipt.done_at is not None
    assert receipt.stores["profiles"].erased == before["profiles"]
    assert receipt.stores["ledger"].erased == before["ledger"]
    assert receipt.stores["secrets"].erased == 1
    assert "by hand" in receipt.stores["content bucket"].why


def test_a_warm_webhook_that_takes_something_more_is_cleaned_up_after(plant: Plant) -> None:
    two_shops(plant)
    ask(plant, "erase_shop")
    plant.until(ASKED + timedelta(minutes=5))
    deliver(plant, bought(ASKED, id_="more"), name="more")
    plant.until(ASKED + timedelta(hours=2))
    assert set(of_shop(plant, "tea").values()) == {0}


def test_a_shop_of_which_nothing_is_stored_is_looked_at_twice_all_the_same(plant: Plant) -> None:
    plant.until(ASKED)
    ask(plant, "erase_shop")
    plant.until(ASKED + timedelta(minutes=14))
    deliver(plant, bought(ASKED))
    plant.until(ASKED + timedelta(hours=2))
    assert set(of_shop(plant, "tea").values()) == {0}


def wants_shop_gone(plant: Plant) -> None:
    ask(plant, "erase_shop")
    plant.until(ASKED + timedelta(minutes=50))
    plant.world.hook = None
    plant.sweep()
    plant.until(ASKED + timedelta(hours=3))


def test_a_shops_departure_killed_at_any_call_ends_with_nothing_left() -> None:
    for number in range(2, calls_of(wants_shop_gone, two_shops) + 1):
        for moment in ("before", "after"):
            plant = Plant(playbook(CART, CONFIRMATION))
            two_shops(plant)
            coffee = of_shop(plant, "coffee")
            crash_at_call(plant, number, moment)
            wants_shop_gone(plant)
            assert set(of_shop(plant, "tea").values()) == {0}
            assert of_shop(plant, "coffee") == coffee
            assert plant.world.privacy_queue.dead == []
            assert all(receipt.done_at for receipt in receipts(plant))


def test_order_is_a_fact_like_any_other_until_somebody_is_erased(plant: Plant) -> None:
    """Nothing of all this costs an ordinary event another call."""
    live(plant)
    plant.settle()
    calls = plant.world.calls.copy()
    plant.post(order(at(days=3), id="o9"))
    plant.settle()
    spent = plant.world.calls - calls
    assert {name: count for name, count in spent.items() if name.startswith(("vault.", "privacy."))} == {}
    assert spent["state.profile"] == 1


def test_an_old_order_brings_no_erased_address_back_by_way_of_an_account_that_lives(plant: Plant) -> None:
    """The account is known by its number only, and whoever was erased by an address: both stand in one late order."""
    account = Who(shop_customer_id="99")
    deliver(plant, event("customer.updated", Customer(id="99", updated_at=at()), at(), who=account), body=b"an account")
    deliver(plant, consent(at(), who=Who(email="ada@example.com")))
    plant.until(ASKED)
    ask(plant, shop_customer_id="")
    plant.until(ASKED + timedelta(hours=1))
    deliver(plant, bought(at(days=1), who=replace(account, email="ada@example.com")))
    plant.until(ASKED + timedelta(hours=2))
    assert "ada@example.com" not in stored(plant)


def test_an_order_that_went_with_its_customer_is_not_placed_and_confirmed_once_more(plant: Plant) -> None:
    """A parcel or a refund of it is told after the erasure: as of an order that nobody knows, it began all anew."""
    deliver(plant, bought(at()))
    plant.until(ASKED)
    ask(plant)
    plant.until(ASKED + timedelta(hours=1))
    assert "ada@example.com" not in stored(plant)
    deliver(plant, bought(ASKED + timedelta(hours=1)))
    plant.until(ASKED + timedelta(hours=2))
    assert "ada@example.com" not in stored(plant)
