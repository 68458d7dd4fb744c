"""Codes that nobody can guess and every retry finds again; ends that are the end of somebody's day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain.offers import Offer, coupon_id, expiry, plain_code, unique_code

TEN = Offer(name="ten", kind="unique", percent=Decimal(10))
AMSTERDAM, TAIPEI, NEW_YORK = ZoneInfo("Europe/Amsterdam"), ZoneInfo("Asia/Taipei"), ZoneInfo("America/New_York")
_YEAR = st.timedeltas(timedelta(0), timedelta(days=365)).map(lambda length: datetime(2026, 1, 1, tzinfo=UTC) + length)
_ZONES = ("Europe/Amsterdam", "Asia/Taipei", "America/New_York", "Pacific/Apia", "America/Havana", "Asia/Beirut", "UTC")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_retry_finds_the_same_code_and_another_run_another() -> None:
    coupon = coupon_id("run-1", "ten")
    assert unique_code(b"key", "TEA", coupon) == unique_code(b"key", "TEA", coupon)
    others = [
        unique_code(b"key", "TEA", coupon_id("run-2", "ten")),
        unique_code(b"key", "TEA", coupon_id("run-1", "eleven")),
        unique_code(b"key", "TEA", coupon, 1),
        unique_code(b"another key", "TEA", coupon),
    ]
    assert len({*others, unique_code(b"key", "TEA", coupon)}) == 5


def test_a_code_can_be_read_out_and_typed() -> None:
    codes = [unique_code(b"key", "TEA", coupon_id(str(run), "ten")) for run in range(500)]
    assert all(len(code) == 14 and code.startswith("TEA-") for code in codes)
    assert not set("".join(code[4:] for code in codes)) & set("01OILAEU")
    assert len(set(codes)) == 500
    assert len(unique_code(b"key", "", "x")) == 10


def test_shops_compare_codes_in_any_case() -> None:
    assert plain_code(" Tea-10 ") == plain_code("TEA-10")


@pytest.mark.parametrize(
    ("issued", "where", "ends"),
    [
        ("2026-03-02T14:00", AMSTERDAM, "2026-03-05T22:59:59"),
        ("2026-03-02T14:00", TAIPEI, "2026-03-05T15:59:59"),
        ("2026-03-02T14:00", NEW_YORK, "2026-03-06T04:59:59"),
        # The clocks go forward in between, on 29 March at 01:00 UTC.
        ("2026-03-27T14:00", AMSTERDAM, "2026-03-30T21:59:59"),
    ],
)
def test_a_life_ends_with_a_day_on_the_recipients_clock(issued: str, where: ZoneInfo, ends: str) -> None:
    assert expiry(TEN, at(issued), where, AMSTERDAM) == at(ends)


def test_without_a_life_there_is_no_end() -> None:
    assert expiry(replace(TEN, life=0), at("2026-03-02T14:00"), TAIPEI, AMSTERDAM) is None


@pytest.mark.parametrize(
    ("kind", "where", "ends"),
    [
        ("unique", AMSTERDAM, "2026-12-31T22:59:59"),
        ("unique", TAIPEI, "2026-12-31T15:59:59"),
        ("unique", NEW_YORK, "2027-01-01T04:59:59"),
        # One code for all ends on the shop's clock: 22:59:59 UTC. There, Taipei has the first of January already, and
        # New York's day is not over: the day before is the last whole one.
        ("fixed", AMSTERDAM, "2026-12-31T22:59:59"),
        ("fixed", TAIPEI, "2026-12-31T15:59:59"),
        ("fixed", NEW_YORK, "2026-12-31T04:59:59"),
        ("pool", NEW_YORK, "2026-12-31T04:59:59"),
    ],
)
def test_until_a_day_means_a_whole_day_for_whoever_reads_it(kind: str, where: ZoneInfo, ends: str) -> None:
    offer = replace(TEN, kind=kind, until="2026-12-31")
    assert expiry(offer, at("2026-12-01T12:00"), where, AMSTERDAM) == at(ends)


def test_where_no_day_is_left_whole_it_is_the_very_moment() -> None:
    offer = replace(TEN, kind="fixed", until="2026-12-31")
    assert expiry(offer, at("2026-12-31T12:00"), NEW_YORK, AMSTERDAM) == at("2026-12-31T22:59:59")


@given(
    _YEAR,
    st.sampled_from(_ZONES),
    st.integers(1, 30 * 86_400),
)
def test_an_end_is_the_last_second_of_a_day_and_not_before_its_time(issued: datetime, zone: str, life: int) -> None:
    where = ZoneInfo(zone)
    ends = expiry(replace(TEN, life=life), issued, where, AMSTERDAM)
    assert ends is not None
    due = issued + timedelta(seconds=life)
    assert ends.astimezone(where).date() == due.astimezone(where).date()
    assert (ends + timedelta(seconds=1)).astimezone(where).date() > ends.astimezone(where).date()
    assert ends >= due - timedelta(hours=1, seconds=1)


@given(_YEAR, st.sampled_from(_ZONES))
def test_what_is_promised_never_outlives_what_the_shop_keeps(issued: datetime, zone: str) -> None:
    shared = replace(TEN, kind="fixed", until="2026-12-31")
    ends = expiry(shared, issued, ZoneInfo(zone), AMSTERDAM)
    assert ends is not None
    assert ends <= at("2026-12-31T22:59:59")
