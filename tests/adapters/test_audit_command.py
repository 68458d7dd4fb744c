"""`rekindle audit`, `redrive` and `reputation`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from rekindle.cli.main import main
from rekindle.domain import ids
from rekindle.ports import Alias, Commit, Message, Pause, Tally, Wake
from rekindle.service.people import alias_key
from tests.adapters.test_replay_command import Deployed, deployed
from tests.adapters.test_rollout_command import WITH_SURVEY, publish
from tests.shops.payloads import SHOP
from tests.support.build import ROOT
from tests.support.template import tables
from tests.support.things import a_delivery, a_profile
from tests.support.worlds import START, AwsPorts

__all__ = ["deployed"]

NOTICE = json.loads((ROOT / "events/ses/complained.json").read_text("utf-8"))


class Live:
    """A stack with all its queues, in good order: one customer, a published playbook, nothing to do."""

    def __init__(self, base: Deployed) -> None:
        self.ports: AwsPorts = base.ports
        installation = self.ports.installation
        self.stack = f"{installation.prefix}-live"
        self.dead = {
            name: self._queue(f"{name}-dead") for name in ("wake", "marketing", "transactional", "fanout", "feedback")
        }
        outputs = {f"{name.title()}TableName": getattr(installation.tables, name) for name in tables()}
        outputs |= {f"{name.title()}QueueUrl": url for name, url in installation.queue_urls.items()}
        outputs |= {f"{name.title()}DeadQueueUrl": url for name, url in self.dead.items()}
        outputs |= {
            "RawBucketName": installation.raw_bucket,
            "ContentBucketName": installation.content_bucket,
            "SecretsPrefix": installation.secrets_prefix,
        }
        base.deploy(self.stack, outputs)
        for pending in self.ports.pending_ids():
            self.ports.vault.drop(pending)
        publish(base, WITH_SURVEY)
        self.ports.blobs.put(f"playbooks/{WITH_SURVEY.hash}/mails.json", b"{}")
        for flow in WITH_SURVEY.flows.values():
            self.ports.blobs.put(f"flows/{flow.version}.json", msgspec.json.encode(flow))
        self.key = self.ports.secrets.address_key()
        alias = alias_key(self.key, SHOP, "email", "anna@example.com")
        self.anna = replace(a_profile(aliases=(alias,)), shop=SHOP)
        self.ports.state.commit(Commit(profile=self.anna, aliases=(Alias(alias, self.anna.id),)))

    def _queue(self, name: str) -> str:
        made = self.ports.clients.sqs.create_queue(QueueName=f"{self.ports.installation.prefix}-{name}")
        return made["QueueUrl"]

    def bury(self, queue: str, body: str) -> None:
        """Put a letter into a dead-letter queue."""
        self.ports.clients.sqs.send_message(QueueUrl=self.dead[queue], MessageBody=body)

    def depth(self, queue: str) -> int:
        """Return how many letters lie there."""
        name: Any = "ApproximateNumberOfMessages"
        answer = self.ports.clients.sqs.get_queue_attributes(QueueUrl=self.dead[queue], AttributeNames=[name])
        return int(answer["Attributes"][name])


@pytest.fixture
def live(deployed: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Live:
    """Return the stack; its clock is that of the tests."""
    offset = tmp_path / "offset"
    offset.write_text(str((START - datetime.now(UTC)).total_seconds()), "ascii")
    monkeypatch.setenv("CLOCK_OFFSET_FILE", str(offset))
    return Live(deployed)


def run(live: Live, capsys: pytest.CaptureFixture[str], status: int, *arguments: str) -> str:
    assert main([arguments[0], "--stack", live.stack, *arguments[1:]]) == status
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


# --- audit -----------------------------------------------------------------------------------------------------------


def test_a_stack_in_good_order_is_clean_and_exit_0(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(live, capsys, 0, "audit") == "All good: nothing was found that should not be there.\n"
    assert json.loads(run(live, capsys, 0, "audit", "--json")) == {"clean": True, "findings": []}


def test_what_is_wrong_is_told_and_exit_1_and_mended_where_that_is_safe(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    long_ago = datetime(2030, 1, 1, tzinfo=UTC)
    late = replace(live.anna, id="c" * 32, email="c@example.com", aliases=(), deadline=long_ago)
    live.ports.state.commit(Commit(profile=late))
    waiting = a_delivery("late", received_at=long_ago)
    live.ports.intake.accept(waiting)
    live.ports.outbox.record(
        Message(id="e" * 32, profile_id="p", shop=SHOP, state="leased", token="t", leased_at=long_ago)
    )
    live.bury("wake", "{}")
    live.ports.counters.pause(Pause(shop=SHOP, since=START, why="bounces"))
    live.ports.put_signpost("a" * 32, "b" * 32)
    live.ports.put_signpost("b" * 32, "a" * 32)
    told = json.loads(run(live, capsys, 1, "audit", "--json"))
    found = {finding["check"]: finding for finding in told["findings"]}
    assert set(found) == {"overdue", "pending", "leased", "dead letters", "paused", "signposts"}
    assert (found["overdue"]["examples"], found["pending"]["examples"]) == ([late.id], [waiting.id])
    assert live.ports.waiting("wake").visible == []

    said = run(live, capsys, 1, "audit", "--repair")
    assert said.count("Repaired: 1.") == 3
    assert "@" not in said
    woken = live.ports.waiting("wake").visible
    assert {wake.profile_id for wake in woken} | {wake.pending_id for wake in woken} == {None, late.id, waiting.id}
    message = live.ports.outbox.message("e" * 32)
    assert message is not None
    assert message.state == "unknown"


def test_of_one_shop_only_what_is_its_own(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    live.ports.counters.pause(Pause(shop=SHOP, since=START, why="bounces"))
    run(live, capsys, 0, "audit", "--shop", "another")
    assert SHOP in run(live, capsys, 1, "audit", "--shop", SHOP)


# --- redrive ---------------------------------------------------------------------------------------------------------


def test_dead_letters_are_shown_and_put_back_those_that_are_named(
    live: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("p1", "p2", "p3"):
        live.bury("wake", msgspec.json.encode(Wake(profile_id=name)).decode())
    shown = run(live, capsys, 0, "redrive", "--queue", "wake", "--dry-run")
    assert shown.splitlines()[-1] == "3 left"
    assert all(f"profile_id={name}" in shown for name in ("p1", "p2", "p3"))
    assert "1 put back" in run(live, capsys, 0, "redrive", "--queue", "wake", "--id", "p2")
    assert [wake.profile_id for wake in live.ports.waiting("wake").visible] == ["p2"]
    assert live.depth("wake") == 2
    (told,) = run(live, capsys, 0, "redrive", "--queue", "wake", "--limit", "1", "--json").splitlines()
    assert json.loads(told)["done"] == "put back"
    assert "1 put back" in run(live, capsys, 0, "redrive", "--queue", "wake")
    assert run(live, capsys, 0, "redrive", "--queue", "wake") == "nothing lies there\n"
    assert {wake.profile_id for wake in live.ports.waiting("wake").visible} == {"p1", "p3"}


def test_a_complaint_that_was_parked_is_recorded_and_counted(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    message = Message(id="m1", profile_id=live.anna.id, shop=SHOP, state="sent", leased_at=START, address="f" * 32)
    live.ports.outbox.record(message)
    live.bury("feedback", json.dumps({"requestPayload": NOTICE, "requestContext": {"condition": "RetriesExhausted"}}))
    said = run(live, capsys, 0, "redrive", "--queue", "feedback")
    assert "message_id=m1" in said
    assert "RetriesExhausted" in said
    assert "@" not in said
    recorded = live.ports.outbox.message("m1")
    assert recorded is not None
    assert recorded.state == "complained"
    assert live.ports.item("suppressions", f"{SHOP}#email#{'f' * 32}") is not None
    assert [tally.complained for tally in live.ports.counters.tallies(SHOP, START).values()] == [1]
    assert live.depth("feedback") == 0


def test_what_is_stuck_is_tried_again(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = a_delivery("stuck", received_at=datetime(2030, 1, 1, tzinfo=UTC))
    live.ports.intake.accept(delivery)
    for _ in range(5):
        live.ports.state.count_try(delivery.id)
    assert "1 put back" in run(live, capsys, 0, "redrive", "--queue", "pending")
    pending = live.ports.state.pending(ids.digest("stuck"))
    assert pending is not None
    assert pending.tries == 0
    assert live.ports.waiting("wake").visible == [Wake(pending_id=delivery.id)]


# --- reputation ------------------------------------------------------------------------------------------------------


def test_rates_are_shown_and_the_shops_word_resumes(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    live.ports.counters.count(SHOP, START, Tally(sent=1_000, bounced=60))
    live.ports.counters.pause(Pause(shop=SHOP, since=START, why="60 hard bounces"))
    said = run(live, capsys, 0, "reputation")
    assert "24 hours: 1,000 mails, 60 hard bounces (6.0%, limit 5%)" in said
    assert "paused since" in said
    assert "the shop has not been told yet" in said
    assert "not paused" in run(live, capsys, 0, "reputation", "--shop", SHOP, "--resume")
    (told,) = json.loads(run(live, capsys, 0, "reputation", "--json"))
    assert (told["pause"], told["rates"]["7 days"]["sent"]) == (None, 0)
    assert not live.ports.counters.pauses()[0].active


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("redrive", "--queue", "nothing"), "there is no queue nothing; there are "),
        (("reputation", "--resume"), "--resume needs --shop"),
        (("reputation", "--shop", "nobody"), "no shop nobody is published"),
        (("reputation", "--shop", SHOP, "--resume"), "is not paused"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    live: Live, arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--stack", live.stack]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_without_the_stack_an_audit_is_exit_2(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    del live
    assert main(["audit", "--stack", "no-such-stack"]) == 2
    assert "there is no stack" in capsys.readouterr().err
