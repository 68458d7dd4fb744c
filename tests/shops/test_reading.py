"""Any JSON may stand in any field; reading it gives a clean value or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.shops import reading
from tests.shops.payloads import RECEIVED, arrival

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ("19.90", Decimal("19.90")),
        ("1200", Decimal(1200)),
        (Decimal("33.333333"), Decimal("33.333333")),
        (3, Decimal(3)),
        (0.1, Decimal("0.1")),
        ("-5.00", Decimal("-5.00")),
        ("", None),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999999", None),
        ("12,50", None),
        (True, None),
        ([1], None),
    ],
)
def test_money_is_exact_or_nothing(sent: object, amount: Decimal | None) -> None:
    """Digits and all, as the shop wrote them; what would be infinite or absurd is no money."""
    read = reading.money(sent)
    assert read == amount
    assert str(read) == str(amount)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (9007199254740995, "9007199254740995"),
        ("820982911946154508", "820982911946154508"),
        (0, None),
        (-1, None),
        (True, None),
        (Decimal("1.5"), None),
        ("", None),
        ({}, None),
    ],
)
def test_an_id_is_exact_text(sent: object, name: str | None) -> None:
    """Beyond 2**53 too; zero is nobody."""
    assert reading.identifier(sent) == name


@pytest.mark.parametrize(
    ("sent", "clean"),
    [
        ("  Jasmin  ", "Jasmin"),
        ("شاي الياسمين", "شاي الياسمين"),
        ("茉莉龍珠", "茉莉龍珠"),
        ("👨‍👩‍👧 tea 🍵", "👨‍👩‍👧 tea 🍵"),
        ("tea\u202egpj.exe\u202c", "teagpj.exe"),
        ("\u2066Ann\u2069", "Ann"),
        ("one\r\ntwo\x00\x9b", "one  two"),
        ("\u202e", None),
        (5, None),
    ],
)
def test_text_keeps_every_script_and_loses_what_hides(sent: object, clean: str | None) -> None:
    """Controls and direction overrides go, joiners and all writing stays."""
    assert reading.text(sent) == clean


@pytest.mark.parametrize(
    ("sent", "at"),
    [
        ("2026-03-02T04:50:00-05:00", datetime(2026, 3, 2, 9, 50, tzinfo=UTC)),
        ("2026-03-02T09:50:00.123456789Z", datetime(2026, 3, 2, 9, 50, 0, 123456, tzinfo=UTC)),
        ("2026-03-02T09:50:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
        (1772445000, None),
    ],
)
def test_a_moment_is_utc_or_nothing(sent: object, at: datetime | None) -> None:
    """A time without a zone could be any time."""
    assert reading.moment(sent) == at


def test_a_gmt_moment_is_utc_without_saying_so() -> None:
    """WooCommerce's own fields."""
    assert reading.moment_gmt("2026-03-02T09:50:00") == datetime(2026, 3, 2, 9, 50, tzinfo=UTC)
    assert reading.moment_gmt("0000-00-00T00:00:00") is None


@pytest.mark.parametrize(("sent", "count"), [(2, 2), ("3", 3), (Decimal("0.5"), 1), (True, None), (10**30, None)])
def test_a_count_is_whole(sent: object, count: int | None) -> None:
    """A part of one counts as one."""
    assert reading.whole(sent) == count


@given(JSON)
def test_reading_never_raises(value: object) -> None:
    """Whatever stands there."""
    for read in (reading.text, reading.identifier, reading.money, reading.moment, reading.moment_gmt, reading.whole):
        read(value)
    assert isinstance(reading.mapping(value), dict)
    assert all(isinstance(row, dict) for row in reading.rows(value))


def test_an_unsigned_time_never_lies_in_the_future() -> None:
    """The triggered-at header is not covered by the signature."""
    assert arrival(triggered_at=RECEIVED + timedelta(days=1)).at == RECEIVED
    assert arrival(triggered_at=RECEIVED - timedelta(days=1)).at == RECEIVED - timedelta(days=1)
    assert arrival().claimed_at is None
