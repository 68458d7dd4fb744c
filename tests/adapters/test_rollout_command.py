"""`rekindle rollout` and `rekindle start`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.aws.alarms import SqsWakeQueue
from rekindle.cli import rollout
from rekindle.cli.main import main
from rekindle.domain.profile import Profile
from rekindle.ports import Alias, Commit
from rekindle.service.fanout import SHARDS, Fanout
from rekindle.service.library import POINTER
from rekindle.service.people import alias_key
from tests.adapters.test_replay_command import Deployed, deployed
from tests.service.test_passes import with_win_back
from tests.service.test_start import SURVEY
from tests.shops.payloads import SHOP
from tests.support.build import playbook
from tests.support.things import a_profile

__all__ = ["deployed"]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
WITH_SEGMENT = with_win_back()
_SURVEY = playbook(SURVEY)
WITH_SURVEY = replace(_SURVEY, shops={SHOP: replace(_SURVEY.shops["tea"], id=SHOP)})


@pytest.fixture
def live(deployed: Deployed) -> Deployed:
    """A stack with one customer, on which a segment has been live for long."""
    publish(deployed, WITH_SEGMENT)
    key = alias_key(deployed.ports.secrets.address_key(), SHOP, "email", "anna@example.com")
    anna = replace(a_profile(aliases=(key,)), shop=SHOP)
    deployed.ports.state.commit(Commit(profile=anna, aliases=(Alias(key, anna.id),)))
    return deployed


def publish(deployed: Deployed, book: object) -> None:
    hash_ = book.hash  # type: ignore[attr-defined]
    deployed.ports.blobs.put(f"playbooks/{hash_}/flows.json", msgspec.json.encode(book))
    deployed.ports.blobs.put(POINTER, msgspec.json.encode({"hash": hash_, "published_at": LONG_AGO}))


def work(deployed: Deployed) -> None:
    """Do what functions/campaign does with what lies on its queue."""
    ports = deployed.ports
    worker = Fanout(
        everybody=ports.everybody,
        wakes=SqsWakeQueue(ports.clients, queue_url=ports.installation.queue_urls["wake"]),
        queue=ports.fanout,
        blobs=ports.blobs,
        clock=ports.clock,
    )
    for task in ports.waiting("fanout").visible:
        worker.work(task)


def test_members_lists_who_is_in_a_segment(live: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    before = live.ports.state.profile(a_profile().id)
    assert isinstance(before, Profile)
    (segment,) = WITH_SEGMENT.segments
    inside = replace(before, version=before.version + 1, segments={segment: LONG_AGO})
    live.ports.state.commit(Commit(profile=inside))
    where = ["--stack", live.stack, "--shop", SHOP]
    assert main(["members", segment, *where]) == 0
    assert capsys.readouterr().out == f"2020-01-01 00:00\tanna@example.com\t{inside.id}\n"
    assert main(["members", segment, *where, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"profile": inside.id, "since": "2020-01-01T00:00:00Z", "email": "anna@example.com"}
    ]
    assert main(["members", segment, "--stack", live.stack, "--shop", "other", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["members", "nobody", *where]) == 2
    assert "no segment is called 'nobody'" in capsys.readouterr().err


def told(deployed: Deployed, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["rollout", "--stack", deployed.stack, *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_it_tells_how_far_it_came(live: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has not begun" in told(live, capsys)
    assert json.loads(told(live, capsys, "--json")) == {"due": True, "pass": None}
    assert f"0 of {SHARDS} parts are through" in told(live, capsys, "--start")
    work(live)
    assert "has reached everybody" in told(live, capsys)
    told_all = json.loads(told(live, capsys, "--json"))
    assert (told_all["due"], told_all["done"], told_all["woken"], told_all["shards_done"]) == (False, True, 1, SHARDS)
    assert {shard["done"] for shard in told_all["shards"]} == {True}
    assert [wake.profile_id for wake in live.ports.waiting("wake").visible] == [a_profile().id]


def test_it_can_be_watched_to_its_end(
    live: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        work(live)

    monkeypatch.setattr(rollout, "sleep", nap)
    assert "has reached everybody" in told(live, capsys, "--start", "--watch")
    assert len(naps) == 1


def test_where_nothing_had_to_be_told_it_says_so(live: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    publish(live, WITH_SURVEY)
    assert "Nothing that was published" in told(live, capsys)


def test_a_flow_is_started_by_hand_once(live: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    publish(live, WITH_SURVEY)
    asked = ["start", "survey", "--stack", live.stack, "--shop", SHOP, "--email", "Anna@example.com"]
    before = live.ports.pending_ids()
    assert [main([*asked, "--reference", "r1"]) for _ in range(2)] == [0, 0]
    assert capsys.readouterr().out.splitlines() == ["accepted", "started already under this reference: nothing changes"]
    assert len(live.ports.pending_ids() - before) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("start", "survey", "--email", "stranger@example.com", "--shop", SHOP),
        ("start", "survey", "--email", "no address", "--shop", SHOP),
        ("start", "nothing", "--email", "anna@example.com", "--shop", SHOP),
        ("rollout", "--json", "--watch"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    live: Deployed, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    publish(live, WITH_SURVEY)
    assert main([*arguments, "--stack", live.stack]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
