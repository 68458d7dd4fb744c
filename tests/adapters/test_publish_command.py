"""`rekindle publish` and `rekindle diff --stack`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from rekindle.cli import publish as command
from rekindle.cli.main import main
from rekindle.domain.profile import Run
from rekindle.ports import Commit
from rekindle.service.publish import CONTENT, Publisher
from rekindle.service.sets import pointer
from tests.adapters.test_replay_command import Deployed, deployed
from tests.support.things import a_profile

__all__ = ["deployed"]

FLOW = "trigger: {event: checkout.updated, when: event.items}\nsteps:\n  - wait: 1h\n  - sms: hi\n"
SEGMENT = "when: profile.orders > 9\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A content that is quickly looked at."""
    made = tmp_path / "content"
    files = {"flows/hello.yaml": FLOW, "sms/hi.txt": "Hi\n", ".DS_Store": "x", ".git/config": "x"}
    for path, text in files.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text, "utf-8")
    return made


@pytest.fixture
def stack(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """A stack whose publish function does its work while the command waits."""
    publisher = Publisher(
        blobs=deployed.ports.blobs, queue=deployed.ports.publish_queue, clock=deployed.ports.clock, quiet=timedelta(0)
    )

    def nap(_seconds: float) -> None:
        asked = [look.asked_by for look in deployed.ports.waiting("publish").visible]
        publisher.look(asked[-1] if asked else "")

    monkeypatch.setattr(command, "sleep", nap)
    return deployed


def run(stack: Deployed, *arguments: str) -> int:
    return main(["publish", "--stack", stack.stack, *arguments])


def upload(stack: Deployed, folder: Path, *more: str) -> int:
    return run(stack, "--content", str(folder), *more)


def stored(stack: Deployed) -> set[str]:
    return {key.removeprefix(CONTENT) for key in stack.ports.blobs.list(CONTENT)}


def live(stack: Deployed) -> str:
    found, _ = pointer(stack.ports.blobs)
    assert found is not None
    return found.hash


def test_a_folder_is_uploaded_and_its_verdict_told(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload(stack, folder) == 0
    told = capsys.readouterr()
    assert "published: 1 flow, 0 segments, 0 mails, 0 shops" in told.out
    assert "2 files uploaded" in told.err
    assert stored(stack) == {"flows/hello.yaml", "sms/hi.txt"}
    first = live(stack)
    assert upload(stack, folder) == 0, "nothing to do: the verdict stands"
    assert "published: 1 flow" in capsys.readouterr().out
    (folder / "sms/hi.txt").write_text("Hello\n", "utf-8")
    assert upload(stack, folder) == 0
    assert "1 file uploaded" in capsys.readouterr().err
    assert live(stack) != first


def test_what_is_wrong_is_listed_before_anything_is_uploaded(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "flows/hello.yaml").write_text(FLOW.replace("1h", "soon"), "utf-8")
    assert upload(stack, folder) == 2
    told = capsys.readouterr()
    assert told.out.startswith("flows/hello.yaml:3: ")
    assert "Nothing was uploaded." in told.err
    assert stored(stack) == set()
    assert upload(stack, folder, "--json") == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["file"], problem["line"]) == ("flows/hello.yaml", 3)


def test_what_is_in_the_bucket_only_is_looked_at_too_and_goes_when_asked(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.ports.blobs.put(f"{CONTENT}flows/old.yaml", b"trigger: [")
    assert upload(stack, folder) == 2
    assert "Only in the bucket, not in the folder: flows/old.yaml" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    assert upload(stack, folder, "--delete") == 2
    assert stored(stack) == {"flows/old.yaml"}
    assert upload(stack, folder, "--delete", "--yes") == 0
    assert stored(stack) == {"flows/hello.yaml", "sms/hi.txt"}


def test_a_verdict_that_does_not_come_is_one_line(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_PATIENCE_SECONDS", 0.0)
    assert upload(stack, folder) == 2
    assert "no verdict yet" in capsys.readouterr().err


def test_what_the_stack_refuses_is_told_with_exit_2(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version may know better, or somebody else uploads at the same time."""
    publish_queue = stack.ports.publish_queue
    publisher = Publisher(blobs=stack.ports.blobs, queue=publish_queue, clock=stack.ports.clock, quiet=timedelta(0))

    def nap(_seconds: float) -> None:
        stack.ports.blobs.put(f"{CONTENT}flows/other.yaml", b"trigger: [")
        publisher.look()

    monkeypatch.setattr(command, "sleep", nap)
    assert upload(stack, folder) == 2
    told = capsys.readouterr()
    assert told.out.startswith("flows/other.yaml:1: ")
    assert "not published, one thing is wrong" in told.err


def test_one_goes_back_sees_the_history_and_goes_forward_again(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload(stack, folder)
    first = live(stack)
    (folder / "segments").mkdir()
    (folder / "segments/vip.yaml").write_text(SEGMENT, "utf-8")
    upload(stack, folder)
    second = live(stack)
    capsys.readouterr()

    assert run(stack, "--rollback") == 0
    told = capsys.readouterr().out
    assert told.startswith(f"{first[:8]} is live again instead of {second[:8]}")
    assert "everybody is looked at anew" not in told, "nothing was asked of anybody yet, or is now"
    assert told.rstrip().endswith("segments/vip.yaml")
    assert live(stack) == first

    assert run(stack, "--history") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:8] for line in lines] == [first[:8], second[:8], first[:8]]
    assert "rolled back by" in lines[2]
    assert lines[2].endswith("(live)")
    assert run(stack, "--history", "--json") == 0
    assert [line["hash"] for line in json.loads(capsys.readouterr().out)] == [first, second, first]

    assert upload(stack, folder, "--yes") == 0, "the same files, and somebody asks for it"
    assert live(stack) == second
    assert run(stack, "--rollback", first[:6], "--json") == 0
    assert json.loads(capsys.readouterr().out.partition("\n")[2])["differing"] == ["segments/vip.yaml"]
    assert live(stack) == first


def test_going_back_over_another_shape_starts_the_pass(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "segments").mkdir()
    for more in (SEGMENT, SEGMENT.replace("9", "10")):
        (folder / "segments/vip.yaml").write_text(more, "utf-8")
        upload(stack, folder)
    stack.ports.waiting("fanout")
    assert run(stack, "--rollback") == 0
    assert "everybody is looked at anew" in capsys.readouterr().out
    assert stack.ports.waiting("fanout").delayed


@pytest.mark.parametrize(
    "arguments",
    [("--rollback",), ("--rollback", "abcdef"), ("--rollback", "--history"), ("--content", ".", "--history")],
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    stack: Deployed, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(stack, *arguments) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# --- diff ------------------------------------------------------------------------------------------------------------


def test_a_diff_says_how_many_people_are_inside(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = stack.ports
    now = datetime(2026, 3, 2, tzinfo=UTC)
    inside = Run(id="r1", flow="hello", version="v", playbook="p", entered_at=now, expires_at=now + timedelta(days=30))
    for number in range(3):
        runs = (inside, replace(inside, id="r2")) if number else (replace(inside, status="finished"),)
        ports.state.commit(Commit(profile=replace(a_profile(), id=f"p{number}", runs=runs, segments={"vip": now})))
    (folder / "segments").mkdir()
    (folder / "segments/vip.yaml").write_text(SEGMENT, "utf-8")
    upload(stack, folder)
    (folder / "segments/vip.yaml").write_text(SEGMENT.replace("9", "10"), "utf-8")
    (folder / "flows/hello.yaml").write_text(FLOW.replace("1h", "2h"), "utf-8")
    (folder / "sms/hi.txt").write_text("Hello\n", "utf-8")
    capsys.readouterr()
    asked = ["diff", "--stack", stack.stack, "--content", str(folder)]
    assert main(asked) == 1
    assert capsys.readouterr().out.splitlines() == [
        "~ flow hello  2 people inside, who go on as it was when they entered",
        "    wait-1: length: 1h → 2h",
        "~ segment vip  3 people in it now",
        "    when: profile.orders > 9 → profile.orders > 10",
        "~ sms hi  2 people inside the flows that send it",
        "    text: Hi → Hello",
    ]
    assert main([*asked, "--no-count", "--json"]) == 1
    assert {one["inside"] for one in json.loads(capsys.readouterr().out)} == {None}


def test_before_the_first_publish_everything_is_new(
    stack: Deployed, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", "--stack", stack.stack, "--content", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[0].rstrip() == "+ flow hello"


def test_only_what_differs_is_planned() -> None:
    """A tag that is no MD5, as of a bucket with its own keys, says nothing: then the file is uploaded."""
    remote = {
        "a": '"0cc175b9c0f1b6a831c399e269772661"',
        "b": '"x-1"',
        "gone": '"1"',
        "folder/": '"2"',
        ".hidden": '"3"',
    }
    plan = command.planned({"a": b"a", "b": b"b", "c": b"c"}, remote, delete=True)
    assert (set(plan.put), plan.drop, plan.stay) == ({"b", "c"}, ("gone",), ())
    assert command.planned({}, remote, delete=False).stay == ("a", "b", "gone")
