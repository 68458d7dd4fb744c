"""`rekindle diff` of two folders: each change in words, 1 when something differs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rekindle.cli.changes import changes
from rekindle.cli.main import main
from rekindle.content.playbook import Mails
from tests.service.test_publish import content
from tests.support.build import flow_of, playbook
from tests.support.pictures import gif, png


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small content that could be published."""
    made = tmp_path / "content"
    for path, raw in content().items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_bytes(raw)
    return made


@pytest.fixture
def other(folder: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(folder, folder.parent / "other")


def edit(folder: Path, path: str, old: str, new: str) -> None:
    text = (folder / path).read_text("utf-8")
    assert old in text
    (folder / path).write_text(text.replace(old, new), "utf-8")


def told(capsys: pytest.CaptureFixture[str], folder: Path, other: Path) -> list[str]:
    assert main(["diff", "--against", str(folder), "--content", str(other)]) == 1
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_equal_content_does_not_differ(folder: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "--against", str(folder), "--content", str(other)]) == 0
    assert capsys.readouterr().out == "Nothing differs.\n"


def test_files_that_are_served_differ_by_their_content(
    folder: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for where, path, raw in (
        (folder, "gone.png", png()),
        (other, "new.png", png()),
        (folder, "logo.png", png(9, 9)),
        (other, "logo.png", png(40, 9)),
        (folder, "same.gif", gif()),
        (other, "same.gif", gif()[:-1] + b"?"),
        (folder, "kept.png", png()),
        (other, "kept.png", png()),
    ):
        (where / "assets").mkdir(exist_ok=True)
        (where / "assets" / path).write_bytes(raw)
    lines = told(capsys, folder, other)
    assert [line for line in lines if "asset" in line] == [
        "− asset assets/gone.png",
        "~ asset assets/logo.png",
        "+ asset assets/new.png",
        "~ asset assets/same.gif",
    ]
    assert "width: 9 → 40" in lines
    assert "another file of the same size" in lines


FLOW = "flows/cart-abandonment.yaml"
TRIGGER = "trigger: {event: checkout.updated, when: event.items}\n"
STEPS = "steps:\n  - wait: 1h\n  - branch:\n      - {if: event.total > 9, steps: [{sms: hi}]}\n  - email: note\n"


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        ("wait: 1h", "wait: 90m", ["wait-1: length: 1h → 1h 30m"]),
        ("- wait: 1h", "- wait: 2d\n  - wait: 1h", ["+ wait-1: Wait 2 days"]),
        ("  - wait: 1h\n", "", ["− wait-1: Wait 1 hour"]),
        (
            "- wait: 1h",
            "- notify: note",
            ["− wait-1: Wait 1 hour", "+ note: Tell the shop: note (a mail to the shop's own people)"],
        ),
        ("event.total > 9", "event.total > 10", ["branch-1: conditions: event.total > 9 → event.total > 10"]),
        ("sms: hi", "sms: ho", ["ho: template: hi → ho"]),
        (
            "when: event.items",
            "when: event.total",
            ["triggers: When the checkout changes and event.items → When the checkout changes and event.total"],
        ),
        ("steps:\n", "entry: {again: 7d, holdout: 10%}\nsteps:\n", ["again: nothing → 7d", "holdout: nothing → 10 %"]),
        (
            "steps:\n",
            "manners: {otherwise: wait}\nenabled: true\nsteps:\n",
            ["enabled: nothing → on", "manners.otherwise: nothing → wait"],
        ),
    ],
    ids=["length", "one more", "one less", "another", "condition", "template", "trigger", "entry", "manners"],
)
def test_what_changes_in_a_flow_is_said_in_words(old: str, new: str, lines: list[str]) -> None:
    before, after = (playbook(flow_of(text, "f")) for text in (TRIGGER + STEPS, (TRIGGER + STEPS).replace(old, new)))
    (change,) = changes((before, Mails(hash="")), (after, Mails(hash="")))
    assert (change.kind, change.name, change.how) == ("flow", "f", "changed")
    assert list(change.details) == lines


def test_the_same_steps_in_another_way_are_a_change_too() -> None:
    """A step that has moved out of a branch does what it did."""
    waits = "steps:\n  - wait_for: {event: order.placed, limit: 1d}\n    then:\n      - sms: hi\n"
    inside, behind = waits + "      - wait: 1h\n      - push: hi\n", waits + "  - wait: 1h\n  - push: hi\n"
    before, after = (flow_of(TRIGGER + text, "f") for text in (inside, behind))
    books = [(playbook(flow), Mails(hash="")) for flow in (before, after)]
    found = changes(books[0], books[1])
    assert before.version != after.version
    assert [one.details for one in found if one.kind == "flow"] == [
        ("the steps are the same, and lead to one another in another way",)
    ]


def test_a_switch_in_a_shop_is_on_or_off(folder: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(other, "shops/acme.yaml", "cart-abandonment: on", "cart-abandonment: off")
    edit(other, "shops/acme.yaml", "GBP", "EUR")
    found = told(capsys, folder, other)
    assert found == ["~ shop acme", "currency: GBP → EUR", "flows.cart-abandonment: on → off"]


def test_a_change_of_words_shows_the_words(folder: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (other / "emails/cart-reminder-1/subject.txt").write_text("Come back\n", "utf-8")
    found = told(capsys, folder, other)
    assert found[0] == "~ mail cart-reminder-1"
    assert found[1].startswith("subject: ")
    assert found[1].endswith(" → Come back")


def test_what_is_new_and_what_is_gone(folder: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (other / "segments").mkdir(exist_ok=True)
    (other / "segments/vip.yaml").write_text("when: profile.orders > 9\n", "utf-8")
    (other / "sms").mkdir()
    (other / "sms/hi.txt").write_text("Hi\n", "utf-8")
    (other / "flows/hi.yaml").write_text(
        "trigger: {segment: vip}\nsteps: [{wait: 2d}, {branch: [{if: profile.orders > 20, steps: [{sms: hi}]}]}]\n",
        "utf-8",
    )
    (other / "flows/order-confirmation.yaml").unlink()
    found = told(capsys, folder, other)
    assert "− flow order-confirmation" in found
    assert "+ segment vip" in found
    assert "+ sms hi" in found
    at = found.index("+ flow hi")
    assert found[at + 1].startswith("starts: When ")
    assert [line.partition(": ")[2] for line in found[at + 2 : at + 5]] == [
        "Wait 2 days",
        "Which is true first? (1 condition)",
        "Text message hi (marketing)",
    ]


def test_a_script_gets_json(folder: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(other, FLOW, "wait: 1h", "wait: 2h")
    assert main(["diff", "--against", str(folder), "--content", str(other), "--json"]) == 1
    (one,) = json.loads(capsys.readouterr().out)
    assert one == {
        "change": {
            "kind": "flow",
            "name": "cart-abandonment",
            "how": "changed",
            "details": ["wait-1: length: 1h → 2h"],
        },
        "inside": None,
    }


def test_what_would_not_be_published_is_listed_and_exit_2(
    folder: Path, other: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(other, FLOW, "wait: 1h", "wait: soon")
    assert main(["diff", "--against", str(folder), "--content", str(other)]) == 2
    assert "'soon' is not a duration" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--stack", "s", "--against", "."], ["--against", "empty"]])
def test_what_cannot_be_compared_is_one_line_and_exit_2(
    folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder.parent / "empty").mkdir()
    monkeypatch.chdir(folder.parent)
    assert main(["diff", "--content", "content", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
