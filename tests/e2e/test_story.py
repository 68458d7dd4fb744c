"""The demo's day, judged: what `make demo` shows is what gates."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from local import demo
from local.demo import Day, judge, opening, play, write_out
from local.inbox import Controls, InboxServer
from local.shops import BIKES, TEA
from local.stack import STACK_NAME, Shop
from local.timeline import Timeline
from local.world import world
from rekindle.cli.main import main
from tests.support.content import demo_content
from tests.support.terminal import reach
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-story")


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    """Play the story once."""
    first_day = opening(datetime.now(UTC))
    with world(port=None, start=first_day + timedelta(hours=8), content=demo_content()) as there:
        day = Day(there, Timeline(Console(quiet=True)), first_day)
        play(day)
        yield day


def mails() -> list[demo.Expected]:
    return [expected for expected in demo.EXPECTED if expected.channel == "mail"]


def test_every_expected_message_comes_in_its_minute_and_no_other(day: Day) -> None:
    verdict = judge(day)
    assert [row for row in verdict.rows if None in row] == []
    assert list(verdict.problems) == []


def test_nobody_gets_two_copies_of_one_mail(day: Day) -> None:
    attempts = day.world.ses.attempts
    assert len(attempts) == len(set(attempts)) == len(mails())
    assert (day.world.phones.attempts, day.world.pushes.attempts) == (2, 1)


def test_a_missing_mail_fails_the_demo(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EXPECTED", (*demo.EXPECTED, replace(demo.EXPECTED[0], template="cart-reminder-3")))
    assert not judge(day).good


def test_a_mail_too_many_fails_the_demo(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "EXPECTED", demo.EXPECTED[1:])
    assert not judge(day).good


def test_a_mail_in_another_minute_fails_the_demo(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    late = replace(demo.EXPECTED[0], time="10:06")
    monkeypatch.setattr(demo, "EXPECTED", (late, *demo.EXPECTED[1:]))
    assert not judge(day).good


def test_every_mail_is_written_so_that_any_mail_program_opens_it(day: Day, tmp_path: Path) -> None:
    write_out(day, tmp_path / "out")
    files = sorted((tmp_path / "out").glob("*.eml"))
    assert len(files) == len(mails())
    for file, (mail, template) in zip(files, day.mails, strict=True):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert message["Subject"] == mail.subject
        assert (message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click") == (template != "order-confirmation")
        assert file.with_suffix(".html").read_text("utf-8").count("pictures/") >= 1


def test_the_inbox_page_shows_what_came_on_phones_and_lets_people_answer(day: Day) -> None:
    controls = Controls(skip=threading.Event(), next_due=lambda: None)
    with InboxServer(day.world, Timeline(Console(quiet=True)), controls, port=None).running() as inbox:
        state = inbox.state()
        assert [(text["template"], text["state"]) for text in state["texts"]] == [
            ("parcel", "delivered"),
            ("left-behind", "answered"),
        ]
        assert [(push["to"], push["template"], push["state"]) for push in state["pushes"]] == [
            (demo.ADA.browser, "left-behind", "clicked")
        ]
        assert inbox.text(2)["length"] == "1 segment of GSM-7, 103 characters"
        assert inbox.push(1)["leads"].startswith(day.world.stack.api_url)
        inbox.act_on_text(1, "click")
        assert [each["kind"] for each in inbox.text(1)["happenings"]] == ["Send", "Delivery", "Reply", "Click"]
        with pytest.raises(LookupError, match="nobody can tap"):
            inbox.act_on_push(1, "tap")


def test_a_code_that_the_shop_does_not_know_fails_the_demo(day: Day) -> None:
    again = replace(day, timeline=Timeline(Console(quiet=True)))
    again.gives(demo.KAAT, "second-order-3", ["AGAIN-NOBODY"])
    (line,) = again.timeline.lines
    assert (line.ok, line.text) == (False, "Kaat's second-order-3 gives no code of the shop's")


def test_the_dead_letter_queues_stay_empty(day: Day) -> None:
    assert day.world.stack.dead_letters() == {}


_SENT = {"sent", "delivered", "bounced", "complained"}


@pytest.mark.parametrize("shop", [TEA, BIKES], ids=lambda shop: shop.id)
def test_results_count_what_the_records_say(
    shop: Shop, day: Day, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """By the command, on what `tally` has heard by the streams of the deployed tables."""
    reach(monkeypatch, day.world.stack.endpoint, CLOCK_OFFSET_FILE=str(day.world.clock.file))
    records = [one for one in day.world.records() if one.shop == shop.id and one.day]
    sent = Counter(one.flow for one in records if one.state in _SENT)
    clicked = Counter(one.flow for one in records if one.links)

    def told(figure: str) -> dict[str, int]:
        capsysbinary.readouterr()
        assert main(["results", "--stack", STACK_NAME, "--shop", shop.id, "--json"]) == 0
        flows = json.loads(capsysbinary.readouterr().out)["flows"]
        return {one["name"]: int(one["figures"][figure]) for one in flows if figure in one["figures"]}

    assert sum(sent.values()) > 1
    # Nobody waits for the readers of these streams: figures follow by themselves.
    eventually(lambda: told("sent") == sent, seconds=60)
    assert told("clicked") == clicked
