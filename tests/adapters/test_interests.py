"""Who looked at which product: written with the profile, read page by page, and nobody's when the profile goes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from rekindle.domain import ids
from rekindle.domain.errors import ConflictError
from rekindle.ports import Commit, Interested
from tests.support.things import ANNA, a_profile
from tests.support.worlds import START, Ports

BERT = ids.digest("bert")
TEA = Interested(product_id="p1", at=START)
POT = Interested(product_id="p2", at=START + timedelta(hours=1), how="carted")


def test_a_commit_puts_the_profile_on_the_lists(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile(), interests=(TEA, POT)))
    ports.state.commit(Commit(profile=a_profile(profile_id=BERT), interests=(TEA,)))
    page = ports.interests.interested("tea", "p1")
    assert (set(page.ids), page.cursor) == ({ANNA, BERT}, None)
    assert ports.interests.interested("tea", "p2").ids == (ANNA,)
    assert ports.interests.interested("tea", "p3").ids == ()
    assert ports.interests.interested("coffee", "p1").ids == ()


def test_a_lost_race_puts_nobody_there(ports: Ports) -> None:
    """It is one transaction: so nobody is put on a list after they were erased."""
    ports.state.commit(Commit(profile=a_profile()))
    with pytest.raises(ConflictError):
        ports.state.commit(Commit(profile=a_profile(), interests=(TEA,)))
    assert ports.interests.interested("tea", "p1").ids == ()


def test_an_entry_belongs_to_a_profile(ports: Ports) -> None:
    with pytest.raises(ValueError, match=r"interests.* belong to a profile"):
        ports.state.commit(Commit(shop="tea", interests=(TEA,)))


def test_a_list_is_read_page_by_page(ports: Ports) -> None:
    everybody = {f"{number:032x}" for number in range(7)}
    for profile_id in everybody:
        ports.state.commit(Commit(profile=a_profile(profile_id=profile_id), interests=(TEA,)))
    found: list[str] = []
    cursor = None
    for _ in range(10):
        page = ports.interests.interested("tea", "p1", cursor, limit=3)
        assert len(page.ids) <= 3
        found += page.ids
        cursor = page.cursor
        if cursor is None:
            break
    assert (set(found), len(found)) == (everybody, 7)


def test_a_profile_is_taken_off_every_list(ports: Ports) -> None:
    """And nobody else is."""
    ports.state.commit(Commit(profile=a_profile(), interests=(TEA, POT)))
    ports.state.commit(Commit(profile=a_profile(profile_id=BERT), interests=(TEA,)))
    keys = ports.vault.interests(ANNA)
    assert set(keys) == {"tea#p1", "tea#p2"}
    ports.vault.forget_interests(ANNA, keys)
    assert ports.vault.interests(ANNA) == []
    assert ports.interests.interested("tea", "p1").ids == (BERT,)
    assert ports.interests.interested("tea", "p2").ids == ()


def test_looking_again_is_one_entry(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile(), interests=(TEA,)))
    ports.state.commit(Commit(profile=a_profile(2), interests=(replace(TEA, at=START + timedelta(days=1)),)))
    assert ports.interests.interested("tea", "p1").ids == (ANNA,)
