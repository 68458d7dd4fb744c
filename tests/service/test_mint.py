"""Making coupons: one code for each run and offer, no code of a pool twice, no mail without its own."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.content.playbook import pool_file
from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.domain.events import Who
from rekindle.domain.ids import digest
from rekindle.domain.offers import Coupon, Offer, plain_code
from rekindle.domain.profile import Planned
from rekindle.ports import NewCode, Parcel
from rekindle.service.coupons import Never, Wallet
from rekindle.service.library import Library
from rekindle.service.mint import Minted, PoolStock
from tests.support.build import ADA, T0, at, consent, flow_of, order, playbook
from tests.support.plant import Plant

TEN = Offer(name="ten", kind="unique", percent=Decimal(10), prefix="TEA")
FIXED = Offer(name="ten", kind="fixed", percent=Decimal(10), code="TEA10")
POOL = Offer(name="ten", kind="pool", percent=Decimal(10), pool="f00d", size=3, low=2)
CODES = ("POOL-1", "POOL-2", "POOL-3")
GIFT = """
trigger: {event: order.placed}
entry: {key: event.id}
timeout: 60d
steps:
  - email: gift
    offer: ten
"""
decode = msgspec.json.Decoder(Coupon).decode


def plant_of(*offers: Offer, text: str = GIFT) -> Plant:
    plant = Plant(playbook(flow_of(text), gives=offers))
    plant.world.files[pool_file("f00d")] = msgspec.json.encode(CODES)
    plant.post(consent(T0))
    plant.settle()
    return plant


def buy(plant: Plant, name: str = "o1", when: datetime | None = None) -> None:
    when = when or plant.world.clock.now()
    who = ADA if name == "o1" else Who(email=f"{name}@example.com", shop_customer_id=name)
    plant.post(replace(consent(when, who=who), id=f"consent {name}"))
    plant.post(replace(order(when, who=who, id=name), id=f"order {name}"))
    plant.settle()


def publish(plant: Plant, offer: Offer) -> None:
    plant.publish(replace(playbook(flow_of(GIFT), gives=(offer,)), hash="another"))


def mailed(plant: Plant) -> list[str]:
    """Return the code of every mail that left."""
    return [sent.mail.text for sent in plant.world.inbox]


def in_the_shop(plant: Plant) -> list[NewCode]:
    return list(plant.world.shop_codes.values())


def states(plant: Plant) -> list[str]:
    return [coupon.state for coupon in map(decode, plant.world.issued.values())]


def skipped(plant: Plant) -> list[str | None]:
    return [message.why for message in plant.world.messages.values() if message.state == "skipped"]


# --- what happens as a rule


def test_a_unique_code_is_made_in_the_shop_and_mailed_and_the_run_knows_it() -> None:
    plant = plant_of(TEN)
    buy(plant)
    (made,) = in_the_shop(plant)
    assert mailed(plant) == [made.code]
    assert made.code.startswith("TEA-")
    assert (made.offer, made.currency, made.starts_at) == (TEN, "EUR", T0)
    (coupon,) = map(decode, plant.world.issued.values())
    assert (coupon.state, coupon.code, made.ends_at) == ("made", made.code, coupon.expires_at)
    profile = plant.profile("ada@example.com")
    (run,) = profile.runs
    assert (run.codes, run.coupons["ten"].code) == ({"gift": made.code}, made.code)
    assert [known.code for known in profile.coupons] == [made.code]


def test_a_fixed_code_is_the_shops_own_and_nothing_is_made() -> None:
    plant = plant_of(FIXED)
    buy(plant)
    assert mailed(plant) == ["TEA10"]
    assert in_the_shop(plant) == []
    assert plant.profile("ada@example.com").coupons[0].expires_at is not None


def test_every_run_has_its_own_code_of_a_pool() -> None:
    plant = plant_of(POOL)
    for name in "abc":
        buy(plant, name)
    assert sorted(mailed(plant)) == list(CODES)
    assert len(plant.world.given_codes) == 3


def test_a_second_mail_of_the_run_gives_the_same_code() -> None:
    plant = plant_of(TEN, text=GIFT + "  - wait: 1d\n  - email: again\n    offer: ten\n")
    buy(plant)
    plant.until(at(days=2))
    (made,) = in_the_shop(plant)
    assert mailed(plant) == [made.code, made.code]


def test_a_mail_without_an_offer_asks_nothing() -> None:
    plant = plant_of(text=GIFT.replace("    offer: ten\n", ""))
    buy(plant)
    assert mailed(plant) == ["hello"]
    assert plant.minted == []
    assert not [call for call in plant.world.calls if call.startswith(("coupons.", "mint."))]


# --- whatever is lost or dies on the way


@pytest.fixture(params=[TEN, POOL, FIXED], ids=lambda offer: offer.kind)
def plant(request: pytest.FixtureRequest) -> Plant:
    return plant_of(request.param)


def whole(plant: Plant) -> None:
    """Check that one mail left with one code, which is this run's."""
    (coupon,) = map(decode, plant.world.issued.values())
    assert mailed(plant) == [coupon.code]
    assert coupon.state == "made"
    unique = [made.code for made in in_the_shop(plant)]
    assert unique == ([coupon.code] if coupon.terms.kind == "unique" else [])
    pool = [code for _, code in plant.world.given_codes]
    assert pool == ([plain_code(coupon.code)] if coupon.terms.kind == "pool" else [])
    assert plant.profile("ada@example.com").runs[0].codes == {"gift": coupon.code}


CALLS = [
    "coupons.read",
    "coupons.claim",
    "coupons.made",
    "coupons.give",
    "coupons.count",
    "coupons.put_stock",
    "codes.make",
    "mint.enqueue",
    "queues.enqueue",
    "intake.accept",
    "outbox.read",
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_who_dies_at_any_call_leaves_one_code(plant: Plant, call: str, moment: str) -> None:
    plant.post(replace(order(T0), id="order o1"))
    plant.crash_at(call, "before" if moment == "before" else "after")
    plant.until(at(minutes=30))
    plant.sweep()
    plant.until(at(hours=2))
    whole(plant)


def test_a_code_that_was_mailed_is_told_of_though_its_run_is_over(plant: Plant) -> None:
    """Who made it died before the word of it was out; the mail went with another parcel, and nobody wants more."""
    plant.post(replace(order(T0), id="order o1"))
    plant.crash_at("intake.accept", "before")
    plant.settle()
    (waiting,) = plant.world.mint_queues["marketing"].messages
    plant.world.send_queues["marketing"].put_raw(waiting.body)
    plant.settle()
    plant.post(replace(consent(at(minutes=1), state="unsubscribed"), id="enough"))
    plant.until(at(hours=1))
    profile = plant.profile("ada@example.com")
    assert (len(mailed(plant)), profile.runs) == (1, ())
    assert [coupon.code for coupon in profile.coupons] == mailed(plant)


@pytest.mark.parametrize("carried_out", [False, True])
def test_an_answer_of_the_shop_that_is_lost_is_asked_for_again(carried_out: bool) -> None:
    plant = plant_of(TEN)
    lost = iter([True])

    def hook(name: str, when: str) -> None:
        if (name, when) == ("codes.make", "after" if carried_out else "before") and next(lost, False):
            raise ShopUncertainError("the answer was lost")

    plant.world.hook = hook
    buy(plant)
    assert mailed(plant) == []
    plant.until(at(minutes=10))
    whole(plant)
    assert [minted.how for minted in plant.minted if isinstance(minted, Minted)] == ["waiting", "made"]


def test_a_name_that_the_shop_has_already_is_given_up_for_another() -> None:
    plant, other = plant_of(TEN), plant_of(TEN)
    buy(other)
    (theirs,) = in_the_shop(other)
    plant.world.shop_codes["tea", plain_code(theirs.code)] = replace(theirs, mark="somebody else's")
    buy(plant)
    (mine,) = [made for made in in_the_shop(plant) if made.mark != "somebody else's"]
    assert mailed(plant) == [mine.code]
    assert mine.code != theirs.code


# --- a shop that does not give it


def refuse(plant: Plant, error: Exception, *, until: datetime, call: str = "codes.make") -> None:
    def hook(name: str, when: str) -> None:
        if (name, when) == (call, "before") and plant.world.clock.now() < until:
            raise error

    plant.world.hook = hook


@pytest.mark.parametrize(
    "error",
    [
        ShopRefusedError("throttled", "too fast", wait=7.0),
        ShopRefusedError("not_connected", "no token"),
        ShopRejectedError("unknown product", code="INVALID"),
        ShopUncertainError("no answer"),
    ],
)
def test_what_cannot_be_made_waits_and_goes_when_it_can(error: Exception) -> None:
    plant = plant_of(TEN)
    refuse(plant, error, until=at(hours=1))
    buy(plant)
    plant.until(at(minutes=59))
    assert mailed(plant) == []
    assert plant.world.send_queues["marketing"].messages == []
    tried = plant.world.calls["codes.make"]
    assert tried < 30
    plant.until(at(hours=1, minutes=31))
    whole(plant)


def test_what_was_refused_for_good_is_made_as_the_offer_says_by_then() -> None:
    plant = plant_of(TEN)
    refuse(plant, ShopRejectedError("100 is too much"), until=at(minutes=10))
    buy(plant)
    publish(plant, replace(TEN, percent=Decimal(5)))
    plant.until(at(hours=1))
    (made,) = in_the_shop(plant)
    assert (made.offer.percent, mailed(plant)) == (Decimal(5), [made.code])


def test_what_may_have_been_made_keeps_its_terms() -> None:
    plant = plant_of(TEN)
    refuse(plant, ShopUncertainError("no answer"), until=at(minutes=10))
    buy(plant)
    publish(plant, replace(TEN, percent=Decimal(5)))
    plant.until(at(hours=1))
    (made,) = in_the_shop(plant)
    assert made.offer.percent == Decimal(10)
    assert made.starts_at == T0


def test_nothing_goes_without_its_code_and_what_is_too_old_says_so() -> None:
    plant = plant_of(TEN)
    refuse(plant, ShopUncertainError("no answer"), until=at(days=30))
    buy(plant)
    plant.until(at(days=10))
    assert mailed(plant) == []
    assert skipped(plant) == ["too late: its coupon could not be made (no answer)"]
    assert plant.world.mint_queues["marketing"].messages == []
    assert plant.world.mint_queues["marketing"].dead == []


def test_an_offer_that_is_taken_back_is_not_given() -> None:
    plant = plant_of(TEN)
    refuse(plant, ShopRefusedError("not_connected", "no token"), until=at(minutes=10))
    buy(plant)
    publish(plant, replace(TEN, enabled=False))
    plant.until(at(hours=1))
    assert (mailed(plant), in_the_shop(plant)) == ([], [])
    assert skipped(plant) == ["the offer 'ten' is not given any more"]


def test_a_coupon_that_has_ended_is_never_mailed() -> None:
    plant = plant_of(TEN)
    buy(plant)
    (coupon,) = map(decode, plant.world.issued.values())
    assert coupon.expires_at is not None
    profile = plant.profile("ada@example.com")
    (run,) = profile.runs
    planned = Planned(
        run=run.id,
        flow=run.flow,
        step="gift",
        template="gift",
        channel="email",
        category="marketing",
        planned_at=T0,
        not_after=at(days=20),
        offer="ten",
    )
    wallet = Wallet(coupons=plant.world.coupons, library=Library(plant.world.blobs, plant.world.clock))
    before = coupon.expires_at - timedelta(seconds=1)
    assert wallet.coupon(coupon.message_id, profile, planned, run, before) == coupon
    late = wallet.coupon(coupon.message_id, profile, planned, run, coupon.expires_at)
    assert late == Never("its coupon has expired")


# --- pools


def test_an_empty_pool_holds_its_mail_until_there_are_codes() -> None:
    plant = plant_of(POOL)
    for name in "abcd":
        buy(plant, name)
    assert len(mailed(plant)) == 3
    (waiting,) = [minted for minted in plant.minted if isinstance(minted, Minted) and minted.how == "waiting"]
    assert "offers/ten.csv" in waiting.why
    plant.world.files[pool_file("beef")] = msgspec.json.encode((*CODES, "POOL-4"))
    publish(plant, replace(POOL, pool="beef", size=4))
    plant.until(at(hours=1))
    assert sorted(mailed(plant)) == [*CODES, "POOL-4"]


def test_what_is_left_of_a_pool_is_told_and_when_it_is_low() -> None:
    plant = plant_of(POOL)
    assert plant.mint.stocks() == [PoolStock("tea", "ten", 3, low=False)]
    buy(plant, "a")
    assert plant.mint.stocks() == [PoolStock("tea", "ten", 2, low=False)]
    buy(plant, "b")
    assert plant.mint.stocks() == [PoolStock("tea", "ten", 1, low=True)]
    plant.world.files[pool_file("beef")] = msgspec.json.encode((*CODES, "POOL-4", "POOL-5"))
    publish(plant, replace(POOL, pool="beef", size=5))
    plant.world.clock.advance_to(at(minutes=10))
    assert plant.mint.stocks() == [PoolStock("tea", "ten", 3, low=False)]


def test_an_order_with_the_code_redeems_it() -> None:
    plant = plant_of(TEN, text=GIFT + "  - wait: 10d\n")
    buy(plant)
    (code,) = mailed(plant)
    plant.post(order(at(hours=1), id="o2", codes=(code.lower(),)))
    plant.settle()
    assert "gift" in plant.profile("ada@example.com").runs[0].redeemed


def test_one_message_that_fails_touches_no_other() -> None:
    plant = plant_of(TEN)
    parcels = [Parcel(message_id=digest(name), profile_id=digest(name), version=1) for name in ("a", "b")]
    failing = iter([True])

    def hook(name: str, when: str) -> None:
        if (name, when) == ("mint.enqueue", "before") and next(failing, False):
            raise OSError("no queue")

    plant.world.hook = hook
    assert plant.mint.batch(parcels) == [Minted("passed"), Minted("passed")]
    refuse(plant, OSError("no table"), until=at(days=1), call="queues.enqueue")
    assert [type(found) for found in plant.mint.batch(parcels)] == [OSError, OSError]
