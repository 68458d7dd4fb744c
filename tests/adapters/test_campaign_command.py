"""`rekindle campaign`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.cli.main import main
from rekindle.domain.facts import Consent
from rekindle.ports import Commit
from rekindle.service.library import POINTER
from rekindle.service.stops import stopped
from tests.adapters.test_replay_command import Deployed, deployed
from tests.shops.payloads import SHOP
from tests.support.build import flow_of, playbook
from tests.support.things import a_profile
from tests.support.worlds import START

__all__ = ["deployed"]


def test_a_campaign_is_listed_paused_goes_on_and_is_cancelled(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    daily = flow_of("trigger:\n  schedule: {cron: '0 12 * * *'}\nsteps:\n  - email: letter\n", "letter")
    book = playbook(daily)
    book = replace(book, shops={SHOP: replace(book.shops["tea"], id=SHOP)})
    deployed.ports.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
    deployed.ports.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash, "published_at": START}))

    def said(*arguments: str, status: int = 0) -> str:
        assert main(["campaign", *arguments, "--stack", deployed.stack]) == status
        told = capsys.readouterr()
        return told.err if status else told.out

    person = a_profile(
        consent={"email:anna@example.com": Consent(channel="email", state="subscribed", at=START)},
    )
    deployed.ports.state.commit(Commit(profile=replace(person, shop=SHOP)))
    tried = json.loads(said("plan", "letter", "--json"))
    assert (tried["people"], tried["messages"], tried["channels"]) == (1, 1, {"email": 1})
    assert set(tried["cost"]) == {"à la carte", "Essentials"}
    shown = said("plan", "letter", "--sample", "1")
    assert "1 of 1 people would get a message" in shown
    assert "nothing was sent" in shown
    assert deployed.ports.state.profile(person.id) == replace(person, shop=SHOP)

    coming = json.loads(said("list", "--days", "3", "--json"))
    assert [one["state"] for one in coming] == ["to come"] * 3
    first = coming[0]["occurrence"]
    assert "to come" in said("list")
    assert said("pause", "letter") == f"letter of {first} ({SHOP}) is paused, within half a minute\n"
    assert "already" in said("pause", "letter", "--at", first)
    assert {name: stop.how for name, stop in stopped(deployed.ports.blobs).items()} == {
        f"{SHOP}/letter/{first}": "paused"
    }
    assert "goes on" in said("resume", "letter")
    second = coming[1]["occurrence"]
    assert "is cancelled" in said("cancel", "letter", "--yes", "--at", second)
    assert json.loads(said("list", "--days", "3", "--json"))[1]["state"] == "cancelled"
    assert "for good" in said("resume", "letter", "--at", second, status=2)
    assert "no campaign letter of never" in said("pause", "letter", "--at", "never", status=2)
    assert "no campaign nothing" in said("pause", "nothing", status=2)
