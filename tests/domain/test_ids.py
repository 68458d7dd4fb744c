"""Ids: equal for equal parts, different for different ones, and never telling an address."""

from __future__ import annotations

from datetime import timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from rekindle.domain import ids
from tests.support.build import T0, at

PARTS = st.lists(st.text(max_size=8), min_size=1, max_size=4)


@given(PARTS, PARTS)
def test_a_digest_tells_sequences_of_parts_apart(one: list[str], other: list[str]) -> None:
    assert (ids.digest(*one) == ids.digest(*other)) == (one == other)


@given(st.text(max_size=8), st.text(max_size=8))
def test_a_keyed_hash_needs_the_key(kind: str, value: str) -> None:
    assert ids.keyed_hash(b"one", kind, value) != ids.keyed_hash(b"other", kind, value)
    assert ids.keyed_hash(b"one", kind, value) == ids.keyed_hash(b"one", kind, value)


def test_a_run_of_what_one_customer_only_has_is_the_same_whoever_it_belongs_to() -> None:
    """Merged profiles must collide instead of sending twice (DESIGN §5); two that look at one product must not."""
    assert ids.run_id("tea", "cart", "c1", 1, None) == ids.run_id("tea", "cart", "c1", 1, None)
    assert ids.run_id("tea", "browse", "p1", 1, "ada") != ids.run_id("tea", "browse", "p1", 1, "bob")
    assert ids.run_id("tea", "cart", None, 1, "ada") != ids.run_id("tea", "cart", None, 1, "bob")
    assert ids.run_id("tea", "cart", "", 1, "ada") != ids.run_id("tea", "cart", None, 1, "ada")
    assert ids.run_id("tea", "cart", "ada", 1, None) != ids.run_id("tea", "cart", None, 1, "ada")


def test_alarms_round_up_to_the_minute() -> None:
    assert ids.minute_up(T0) == T0
    assert ids.minute_up(T0 + timedelta(microseconds=1)) == at(minutes=1)
    tokyo = timezone(timedelta(hours=9))
    assert ids.minute_up(at(seconds=30).astimezone(tokyo)) == at(minutes=1)


@given(st.text(max_size=400))
def test_a_schedule_name_is_never_longer_than_aws_takes(profile: str) -> None:
    name = ids.alarm_name(profile, T0)
    assert len(name) <= 64
    assert name == ids.alarm_name(profile, T0)
    assert name != ids.alarm_name(profile, at(minutes=1))
