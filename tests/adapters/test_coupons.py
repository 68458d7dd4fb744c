"""`ports.Coupons`, in RAM, on moto and on MiniStack."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from rekindle.aws.items import KEPT
from rekindle.domain.errors import AnswerLostError, ConflictError
from rekindle.domain.offers import Coupon, Offer, coupon_id
from rekindle.ports import Stock
from tests.support.faults import Loss, losing, refuse_transactions, without_backoff
from tests.support.things import ANNA, MAIL
from tests.support.worlds import START, AwsPorts, Ports

TERMS = Offer(
    name="back",
    kind="unique",
    percent=Decimal("12.5"),
    minimum={"EUR": Decimal("20.00")},
    products=("p1",),
    prefix="BACK",
)
STOCK = Stock(shop="tea", offer="letter", pool="f00d", size=10, given=2, at=1)


def a_coupon(run: str = "r1", **more: Any) -> Coupon:
    """Return what a run has got, or begins to."""
    more.setdefault("expires_at", START + timedelta(days=3))
    more.setdefault("state", "wanted")
    more.setdefault("offer", "back")
    more.setdefault("issued_at", START)
    return Coupon(run=run, shop="tea", profile_id=ANNA, message_id=MAIL, terms=TERMS, zone="Europe/Vienna", **more)


def given(code: str, run: str = "r1", **more: Any) -> Coupon:
    """Return a coupon with a code of a pool."""
    return a_coupon(run, state="made", code=code, **more)


def id_of(coupon: Coupon) -> str:
    return coupon_id(coupon.run, coupon.offer)


def read(ports: Ports, coupon: Coupon) -> Coupon | None:
    return ports.coupons.read([id_of(coupon)]).get(id_of(coupon))


# --- one of each run and offer


def test_the_first_claim_stands(ports: Ports) -> None:
    first = a_coupon()
    assert ports.coupons.claim(first) == first
    assert ports.coupons.claim(a_coupon(issued_at=START + timedelta(hours=1))) == first
    assert ports.coupons.claim(first) == first
    assert read(ports, first) == first


def test_every_run_and_every_offer_has_its_own(ports: Ports) -> None:
    coupons = [a_coupon(), a_coupon("r2"), a_coupon(offer="other", expires_at=None)]
    for coupon in coupons:
        ports.coupons.claim(coupon)
    found = ports.coupons.read([*map(id_of, coupons), coupon_id("r9", "back")])
    assert found == {id_of(coupon): coupon for coupon in coupons}
    assert ports.coupons.read([]) == {}


def test_what_is_made_stays_as_it_is(ports: Ports) -> None:
    claimed = ports.coupons.claim(a_coupon())
    made = replace(claimed, state="made", code="BACK-1")
    assert ports.coupons.made(made) == made
    assert ports.coupons.made(replace(made, code="BACK-2")) == made
    assert ports.coupons.claim(a_coupon(issued_at=START + timedelta(1))) == made
    assert read(ports, made) == made


def test_a_claim_is_taken_back_by_who_made_it_and_only_while_nothing_is_made(ports: Ports) -> None:
    first = ports.coupons.claim(a_coupon())
    ports.coupons.withdraw(a_coupon(issued_at=START + timedelta(seconds=1)))
    assert read(ports, first) == first
    for _ in range(2):
        ports.coupons.withdraw(first)
    assert read(ports, first) is None
    second = ports.coupons.claim(a_coupon(issued_at=START + timedelta(seconds=1)))
    made = ports.coupons.made(replace(second, state="made", code="BACK-1"))
    ports.coupons.withdraw(second)
    assert read(ports, made) == made


# --- codes of a pool


def test_a_code_is_given_once_in_whatever_case(ports: Ports) -> None:
    first = given("Tea-1")
    assert ports.coupons.give(first) == first
    assert ports.coupons.give(given("TEA-1 ", "r2")) is None
    assert read(ports, given("TEA-1", "r2")) is None
    assert ports.coupons.given("tea", ["TEA-1", "tea-1", "TEA-2"]) == {"TEA-1", "tea-1"}


def test_a_run_has_one_code_and_the_second_stays_free(ports: Ports) -> None:
    first = ports.coupons.give(given("TEA-1"))
    assert ports.coupons.give(given("TEA-2")) == first
    assert ports.coupons.given("tea", ["TEA-1", "TEA-2"]) == {"TEA-1"}
    assert ports.coupons.give(given("TEA-1")) == first


def test_another_shop_may_have_the_same_codes(ports: Ports) -> None:
    ports.coupons.give(given("TEA-1"))
    other = replace(given("TEA-1", "r2"), shop="coffee")
    assert ports.coupons.given("coffee", ["TEA-1"]) == frozenset()
    assert ports.coupons.give(other) == other


def test_a_hundred_codes_are_looked_up_at_once(ports: Ports) -> None:
    codes = [f"TEA-{number}" for number in range(100)]
    for number in (3, 99):
        ports.coupons.give(given(codes[number], f"r{number}"))
    assert ports.coupons.given("tea", codes) == {"TEA-3", "TEA-99"}
    assert ports.coupons.given("tea", []) == frozenset()


# --- how a pool stands


def test_a_stock_counts_and_moves_on_as_long_as_it_is_of_this_file(ports: Ports) -> None:
    assert ports.coupons.stock("tea", "letter") is None
    ports.coupons.put_stock(STOCK)
    ports.coupons.count("tea", "letter", "f00d")
    ports.coupons.advance("tea", "letter", "f00d", 4)
    ports.coupons.advance("tea", "letter", "f00d", 3)
    for pool in ("beef", ""):
        ports.coupons.count("tea", "letter", pool)
        ports.coupons.advance("tea", "letter", pool, 9)
    assert ports.coupons.stock("tea", "letter") == replace(STOCK, given=3, at=4)
    ports.coupons.count("tea", "nothing", "f00d")
    ports.coupons.advance("tea", "nothing", "f00d", 2)
    assert ports.coupons.stock("tea", "nothing") is None
    assert ports.coupons.stock("coffee", "letter") is None


# --- how long, and what is lost on the way


def expiry_of(ports: AwsPorts, key: str) -> datetime:
    item = ports.item("coupons", key)
    assert item is not None
    return datetime.fromtimestamp(int(item["expires"]["N"]), START.tzinfo)


def test_a_coupon_expires_long_after_its_code_and_a_given_code_never(moto_ports: AwsPorts) -> None:
    endless = a_coupon("r2", expires_at=None)
    moto_ports.coupons.give(given("TEA-1"))
    moto_ports.coupons.claim(endless)
    assert expiry_of(moto_ports, f"coupon#{id_of(given('TEA-1'))}") == START + timedelta(days=3) + KEPT
    assert expiry_of(moto_ports, f"coupon#{id_of(endless)}") == START + KEPT
    mark = moto_ports.item("coupons", "code#tea#tea-1")
    assert mark is not None
    assert "expires" not in mark
    assert "profile_id" not in mark


LOSSES: list[Loss] = ["request", "answer"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attempts", [1, 3])
def test_who_repeats_a_claim_has_it(
    ministack_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch, loss: Loss, attempts: int
) -> None:
    without_backoff(monkeypatch)
    coupon = a_coupon()
    with losing(ministack_ports.clients.dynamodb, "PutItem", loss, attempts=attempts):
        if attempts == 1:
            assert ministack_ports.coupons.claim(coupon) == coupon
        else:
            with pytest.raises(AnswerLostError):
                ministack_ports.coupons.claim(coupon)
    assert ministack_ports.coupons.claim(coupon) == coupon


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("attempts", [1, 3])
def test_who_repeats_a_gift_has_the_code_that_it_took(
    ministack_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch, loss: Loss, attempts: int
) -> None:
    without_backoff(monkeypatch)
    coupon = given("TEA-1")
    with losing(ministack_ports.clients.dynamodb, "TransactWriteItems", loss, attempts=attempts):
        if attempts == 1:
            assert ministack_ports.coupons.give(coupon) == coupon
        else:
            with pytest.raises(AnswerLostError):
                ministack_ports.coupons.give(coupon)
    again = ministack_ports.coupons.give(given("TEA-2"))
    assert again == (coupon if attempts == 1 or loss == "answer" else given("TEA-2"))


def test_others_who_keep_writing_are_told_of(moto_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch) -> None:
    without_backoff(monkeypatch)
    coupon = given("TEA-1")
    with refuse_transactions(moto_ports.clients, ["None", "TransactionConflict"], times=1):
        assert moto_ports.coupons.give(coupon) == coupon
    with (
        refuse_transactions(moto_ports.clients, ["None", "TransactionConflict"], times=9),
        pytest.raises(ConflictError, match="kept writing"),
    ):
        moto_ports.coupons.give(given("TEA-2", "r2"))
