"""`rekindle explain`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json

import pytest

from rekindle.cli.main import main
from rekindle.domain.profile import Profile
from rekindle.ports import Alias, Commit
from rekindle.service.people import alias_key
from tests.adapters.test_replay_command import Deployed, deployed
from tests.shops.payloads import SHOP
from tests.support.build import T0
from tests.support.things import a_decision

__all__ = ["deployed"]


@pytest.fixture
def ask(deployed: Deployed) -> tuple[str, ...]:
    """A stack that knows Ann, about whom one thing was decided; how to ask about her."""
    ports = deployed.ports
    key = alias_key(ports.secrets.address_key(), SHOP, "email", "ann@example.com")
    ann = Profile(id="a" * 32, shop=SHOP, version=1, email="ann@example.com", aliases=(key,))
    ports.state.commit(Commit(profile=ann, aliases=(Alias(key, ann.id),), decisions=(a_decision(),), at=T0))
    return ("explain", "--stack", deployed.stack, "--shop", SHOP, "--email")


def test_it_tells_what_was_decided(ask: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ask, "Ann@Example.com"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"Profile {'a' * 32} in {SHOP}"
    assert len([line for line in shown if line.startswith(f"  {a_decision().at:%Y-%m-%d}")]) == 1
    assert main([*ask, "ann@example.com", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["profile_id"] == "a" * 32
    assert told["decisions"][0]["decision"]["what"] == a_decision().what


def test_it_says_why_a_flow_was_never_entered(ask: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ask, "ann@example.com", "--flow", "never-heard-of"]) == 0
    shown = capsys.readouterr().out
    assert "Nothing has been decided about this person in never-heard-of." in shown
    assert "Nothing has been published yet." in shown


def test_it_says_how_it_stood_at_a_moment(ask: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ask, "ann@example.com", "--at", "2000-01-01"]) == 0
    assert "Nothing has been decided about this person." in capsys.readouterr().out


@pytest.mark.parametrize("email", ["stranger@example.com", "no address", ""])
def test_what_it_cannot_tell_is_one_line_and_exit_2(
    ask: tuple[str, ...], email: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ask, email]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
