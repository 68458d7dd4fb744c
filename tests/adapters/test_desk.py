"""The desk: what the preference page reads of one person, as it is at this moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from rekindle.domain.errors import ConflictError
from rekindle.domain.events import Delivery, Suppression
from rekindle.domain.profile import Profile, Signpost
from rekindle.ports import Commit, Merged
from tests.support.things import a_profile
from tests.support.worlds import START, Ports


def refuse(ports: Ports, covers: str, *, hours: int = 0) -> None:
    since = START + timedelta(hours=hours)
    suppression = Suppression(
        shop="tea", channel="email", address="f" * 32, covers=covers, reason="unsubscribed", since=since
    )
    delivery = Delivery(
        id=f"d-{covers}-{hours}", shop="tea", source="link", topic="unsubscribe", received_at=since, events=()
    )
    ports.intake.accept(delivery, [suppression])


def test_a_profile_is_read_as_it_was_committed_last(ports: Ports) -> None:
    assert ports.desk.profile("nobody") is None
    ports.state.commit(Commit(profile=a_profile()))
    found = ports.desk.profile(a_profile().id)
    assert isinstance(found, Profile)
    ports.state.commit(Commit(profile=replace(found, version=found.version + 1, email="new@example.com")))
    assert ports.desk.profile(found.id) == replace(found, version=found.version + 1, email="new@example.com")


def test_who_was_merged_is_a_signpost(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    survivor = replace(a_profile(), id="survivor", version=1)
    ports.state.commit(Commit(profile=survivor, merged=(Merged(a_profile().id, a_profile().version),), at=START))
    assert ports.desk.profile(a_profile().id) == Signpost(to="survivor")


def give_up(ports: Ports, *, hours: int, version: int = 1) -> None:
    since = START + timedelta(hours=hours)
    given_up = Suppression(
        shop="tea", channel="email", address="f" * 32, covers="marketing", reason="sunset", since=since
    )
    ports.state.commit(Commit(profile=replace(a_profile(), version=version), suppressions=(given_up,)))


def test_whom_a_flow_gives_up_is_refused_with_the_commit_until_a_later_grant(ports: Ports) -> None:
    """What stands in the way of the suppression, a later refusal or grant, does not stand in the commit's."""
    give_up(ports, hours=1)
    assert ports.desk.refused("tea", "email", "f" * 32) == {"marketing"}
    ports.state.lift("tea", "email", "f" * 32, START + timedelta(hours=3))
    give_up(ports, hours=2, version=2)
    assert ports.desk.refused("tea", "email", "f" * 32) == frozenset()
    assert ports.state.profile(a_profile().id) == replace(a_profile(), version=2)
    give_up(ports, hours=4, version=3)
    assert ports.desk.refused("tea", "email", "f" * 32) == {"marketing"}


def test_who_lost_the_race_gives_nobody_up(ports: Ports) -> None:
    ports.state.commit(Commit(profile=a_profile()))
    with pytest.raises(ConflictError):
        give_up(ports, hours=1)
    assert ports.desk.refused("tea", "email", "f" * 32) == frozenset()


def test_what_is_refused_is_what_is_in_force(ports: Ports) -> None:
    def refused(channel: str = "email", address: str = "f" * 32, shop: str = "tea") -> frozenset[str]:
        return ports.desk.refused(shop, channel, address)

    assert refused() == frozenset()
    refuse(ports, "marketing")
    assert refused() == {"marketing"}
    assert refused("sms") == refused(address="0" * 32) == refused(shop="plants") == frozenset()
    refuse(ports, "everything", hours=1)
    assert refused() == {"marketing", "everything"}
    ports.state.lift("tea", "email", "f" * 32, START + timedelta(hours=2))
    assert refused() == {"everything"}
    refuse(ports, "marketing", hours=3)
    assert refused() == {"marketing", "everything"}
