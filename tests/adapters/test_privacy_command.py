"""`rekindle privacy`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import io
import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from rekindle.cli import privacy as command
from rekindle.cli.main import main
from rekindle.domain.profile import Profile, Tombstone
from rekindle.ports import Alias, Commit
from rekindle.service.journey import Journey
from rekindle.service.library import Library
from rekindle.service.people import alias_key
from rekindle.service.privacy import Privacy
from tests.adapters.test_replay_command import Deployed, deployed
from tests.shops.payloads import SHOP

__all__ = ["deployed"]

ANN = "ann@example.com"


@pytest.fixture
def live(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """A stack that knows Ann; while the command waits, everybody does their work."""
    key = alias_key(deployed.ports.secrets.address_key(), SHOP, "email", ANN)
    ann = Profile(id="a" * 32, shop=SHOP, version=1, email=ANN, aliases=(key,))
    deployed.ports.state.commit(Commit(profile=ann, aliases=(Alias(key, ann.id),)))
    for pending in deployed.ports.pending_ids():
        deployed.ports.vault.drop(pending)
    monkeypatch.setattr(command, "sleep", lambda _: work(deployed))
    return deployed


def work(deployed: Deployed) -> None:
    """Do what functions/journey and functions/privacy do."""
    ports = deployed.ports
    key = ports.secrets.address_key()
    journey = Journey(
        state=ports.state, alarms=ports.alarms, queues=ports.queues, privacy=ports.privacy, clock=ports.clock,
        catalogue=ports.catalogue_tasks, library=Library(ports.blobs, ports.clock), address_key=key,
    )  # fmt: skip
    for pending_id in ports.pending_ids():
        pending = ports.state.pending(pending_id)
        if pending is not None:
            journey.apply(pending)
    privacy = Privacy(
        vault=ports.vault, state=ports.state, files=ports.raw, queue=ports.privacy, clock=ports.clock, address_key=key,
        lease_life=timedelta(minutes=4),
    )  # fmt: skip
    for task in ports.waiting("privacy").visible:
        privacy.handle(task)


def run(live: Deployed, what: str, *arguments: str) -> int:
    return main(["privacy", what, "--stack", live.stack, "--shop", SHOP, *arguments])


def test_what_is_stored_is_handed_out_and_then_erased(
    live: Deployed, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "ann.json"
    assert run(live, "export", "--email", "Ann@Example.com", "--out", str(out), "--reference", "t1") == 0
    assert json.loads(out.read_bytes())["profile"]["email"] == ANN
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "export-t1: asked for" in capsys.readouterr().out

    assert run(live, "erase", "--email", ANN, "--yes", "--reason", "by letter", "--json") == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["reason"] == "by letter"
    assert receipt["stores"]["profiles"] == {
        "found": 1,
        "erased": 1,
        "kept": 1,
        "why": receipt["stores"]["profiles"]["why"],
    }
    assert receipt["stores"]["raw/exports"]["erased"] == 1
    assert isinstance(live.ports.state.profile("a" * 32), Tombstone)

    assert run(live, "receipts") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("export-t1: ")
    assert second.startswith(f"{receipt['name']}: ")
    assert ANN not in first + second
    assert run(live, "receipts", "t1") == 0
    assert "suppressions" in capsys.readouterr().out


def test_what_is_not_waited_for_is_done_all_the_same(live: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(live, "erase", "--email", ANN, "--yes", "--no-wait", "--reference", "t2") == command.UNDER_WAY
    assert "not begun yet" in capsys.readouterr().out
    work(live)
    assert run(live, "erase", "--email", ANN, "--yes", "--no-wait", "--reference", "t2") == 0
    assert "asked for before as erase-t2" in capsys.readouterr().err


def test_nobody_is_erased_before_somebody_is_sure(
    live: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run(live, "erase", "--email", ANN) == 2
    shown = capsys.readouterr().err
    assert f"1 profile: {'a' * 32}" in shown
    assert ANN not in shown
    work(live)
    assert isinstance(live.ports.state.profile("a" * 32), Profile)


def test_a_shop_is_erased_by_whoever_can_say_its_name_twice(
    live: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("another\n"))
    assert run(live, "erase-shop") == 2
    assert live.ports.pending_ids() == set()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SHOP}\n"))
    assert run(live, "erase-shop", "--reference", "left") == command.UNDER_WAY
    for _ in range(8):  # all but the second round, which comes a quarter of an hour later
        work(live)
    assert live.ports.state.profile("a" * 32) is None
    capsys.readouterr()
    assert run(live, "receipts", "left", "--json") == command.UNDER_WAY
    assert json.loads(capsys.readouterr().out)["stores"]["profiles"]["erased"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("export",),
        ("export", "--email", "no address"),
        ("export", "--phone", "12"),
        ("export", "--email", ANN, "--reason", f"{ANN} asked"),
        ("export", "--email", ANN, "--out", __file__),
        ("export", "--email", ANN, "--out", "x", "--no-wait"),
        ("export", "--email", ANN, "--shop", "nobody"),
        ("receipts", "no-such"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    live: Deployed, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = live.ports.pending_ids()
    assert run(live, *arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert live.ports.pending_ids() == before
