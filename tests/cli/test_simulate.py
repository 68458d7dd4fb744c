"""`rekindle simulate`: one command from events and flows to a page, the same whatever does the work."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from rekindle.cli import buckets, demo_month, demo_year
from rekindle.cli.main import main
from tests.support.build import ROOT
from tests.support.content import few

DRAFT = """
title: "Cart <script>alert(1)</script> & “more”"
trigger: {event: checkout.updated, when: "event.items and profile.email != '<img src=x onerror=alert(2)>'"}
entry: {key: event.id}
goal: {event: order.placed, when: "run.key in (event.cart_token, event.checkout_token)"}
steps:
  - wait: 2h
  - email: not-written-yet
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What 80 people did in the demo's month."""
    path = tmp_path_factory.mktemp("events") / "month.jsonl"
    demo_month.write(path, people=80)
    return path


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """What the demo's shop on Shopify uses of what ships, and the shop."""
    folder = few(tmp_path / "content", "cart-abandonment", "order-confirmation")
    shutil.copytree(ROOT / "local/content", folder, dirs_exist_ok=True)
    for of_the_other in ("shops/pedal-and-petal.yaml", "flows/next-ride.yaml"):
        (folder / of_the_other).unlink()
    return folder


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """A flow that nobody should run as it is written."""
    path = tmp_path / "cart-abandonment.yaml"
    path.write_text(DRAFT, "utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["simulate", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def found(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(capsys, *arguments, "--json"))
    return told


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["simulate", *map(str, arguments)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    return line.removeprefix("rekindle: ")


def test_it_says_what_would_have_happened(capsys: pytest.CaptureFixture[str], events: Path, content: Path) -> None:
    told = run(capsys, "--all", "--content", content, "--events", events, "--since", "2026-03-01")
    assert re.search(r"^Kettle & Leaf: [\d,]+ events of [\d,]+ people, 2026-03-01 00:00 to 2026-03-31", told)
    assert re.search(r"^cart-abandonment: [1-9]\d* entries of \d+ people, [1-9]\d* messages", told, re.MULTILINE)
    assert re.search(r"not entered +\d+  filter: event.items and profile.email", told)
    assert re.search(
        r"^In all [1-9]\d* messages to \d+ people, \d+ goals, \$0\.\d+ for sending \(SES\), about \$0\.\d+ beside",
        told,
        re.MULTILINE,
    )


def test_json_has_everything_that_the_page_shows(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path
) -> None:
    told = found(capsys, "--all", "--content", content, "--events", events)["findings"]
    assert {flow["name"] for flow in told["flows"]} >= {"cart-abandonment", "order-confirmation"}
    (cart,) = (flow for flow in told["flows"] if flow["name"] == "cart-abandonment")
    assert cart["entered"] == sum(cart["ended"].values())
    assert cart["sent"] == sum(message["count"] for message in cart["messages"])
    assert told["sent"] == sum(flow["sent"] for flow in told["flows"])
    assert sum(told["per_person"].values()) == told["people"]
    assert sum(map(sum, told["hours"])) == told["sent"]
    people = sum(int(messages) * people for messages, people in told["per_person"].items())
    assert people == told["sent"]


def test_however_many_processes_and_in_whatever_order_the_lines_are(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process and one bucket, or two and many, over lines in order or shuffled, with blank ones between."""
    arguments = ("--all", "--content", content, "--events")
    alone = found(capsys, *arguments, events, "--jobs", "1")
    monkeypatch.setattr(buckets, "_WORTH_A_PROCESS", 0)
    monkeypatch.setattr(buckets, "BUCKET", 20_000)
    monkeypatch.setattr(buckets, "_SORTED_AT_ONCE", 50_000)
    lines = events.read_bytes().splitlines()
    mixed = tmp_path / "mixed.jsonl"
    mixed.write_bytes(b"\n\n".join(lines[1::2] + lines[0::2]))
    assert found(capsys, *arguments, mixed, "--jobs", "2") == alone


def test_a_draft_is_held_against_what_is_there(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path, draft: Path
) -> None:
    arguments = ("--flow", draft, "--content", content, "--events", events, "--against", content)
    (change,) = found(capsys, *arguments)["changes"]
    assert change["name"] == "cart-abandonment"
    assert change["same"] is False
    assert {step["step"]: step["before"] is None for step in change["steps"]}["not-written-yet"] is True
    told = run(capsys, *arguments)
    assert f"cart-abandonment, {content} → draft: entries" in told
    assert "Not written yet: not-written-yet." in told


def test_a_draft_is_played_alone_and_switched_on(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path, draft: Path
) -> None:
    shop = content / "shops/kettle-and-leaf.yaml"
    shop.write_text(shop.read_text("utf-8").replace(": on", ": off"), "utf-8")
    told = found(capsys, "--flow", draft, "--content", content, "--events", events)["findings"]
    assert [flow["name"] for flow in told["flows"]] == ["cart-abandonment"]
    assert told["sent"] > 0


def test_the_demo_needs_nothing(capsys: pytest.CaptureFixture[str], content: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(demo_year.write, "__defaults__", (10, "year"))
    told = found(capsys, "--demo", "--all", "--content", content)["findings"]
    assert told["shops"] == {"kettle-and-leaf": "Kettle & Leaf"}
    assert told["since"] == "2026-03-01T00:00:00Z"
    assert told["sent"] > 0


def test_a_story_of_somebody(capsys: pytest.CaptureFixture[str], events: Path, content: Path) -> None:
    email = next(
        who["email"] for line in events.read_text("utf-8").splitlines() if "email" in (who := json.loads(line)["who"])
    )
    told = found(capsys, "--all", "--content", content, "--events", events, "--people", email.upper())
    assert told["findings"]["stories"][email]
    stranger = run(capsys, "--all", "--content", content, "--events", events, "--people", "stranger@example.com")
    assert "stranger@example.com does not appear in these events." in stranger


# --- the page --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} is closed and was not open"


@pytest.fixture
def page(capsys: pytest.CaptureFixture[str], events: Path, content: Path, draft: Path, tmp_path: Path) -> str:
    (content / "segments").mkdir(exist_ok=True)
    (content / "segments/buyers.yaml").write_text('title: "<b>Buyers</b>"\nwhen: profile.orders > 0\n', "utf-8")
    html = tmp_path / "report.html"
    arguments = ("--flow", draft, "--content", content, "--events", events, "--against", content, "--html", html)
    told = run(capsys, *arguments, "--since", "2026-03-01", "--people", "<script>alert(3)</script>")
    assert f"The report is in {html}" in told
    return html.read_text("utf-8")


def test_the_page_is_one_file_that_runs_and_loads_nothing(page: str) -> None:
    tags = Page(page).tags
    assert not [tag for tag, _ in tags if tag in ("script", "link", "img", "iframe", "object", "embed", "form", "base")]
    for _, attributes in tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "srcset", "xlink:href")]
        assert (attributes.get("href") or "#").startswith("#")
        assert "url(" not in (attributes.get("style") or "")
    assert "@import" not in page
    assert not re.search(r"url\(", page)


def test_what_people_wrote_is_text(page: str) -> None:
    assert "<script" not in page
    assert "<b>Buyers" not in page
    assert "&lt;b&gt;Buyers&lt;/b&gt;" in page
    assert "Cart &lt;script&gt;alert(1)&lt;/script&gt; &amp; “more”" in page
    assert "<img" not in page


def test_every_picture_is_well_formed_and_says_what_it_shows(page: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) > 4
    for picture in pictures:
        root = ET.fromstring(picture)  # noqa: S314 - our own page
        assert root.get("role") == "img"
        assert root.get("aria-label")


def test_every_chart_has_its_numbers_in_a_table(page: str) -> None:
    for heading in ("Day by day", "When in the week", "Messages per person"):
        section = page[page.index(heading) :]
        assert "<table" in section[: section.index("</section>")]


def test_tags_are_closed(page: str) -> None:
    assert Page(page).open == []


# --- what cannot be done ---------------------------------------------------------------------------------------------


def test_what_cannot_be_done_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path, draft: Path, tmp_path: Path
) -> None:
    every = ("--all", "--content", content)
    assert "say which flows" in refused(capsys, "--events", events)
    assert "say which flows" in refused(capsys, *every, "--flow", draft, "--events", events)
    assert "say which events" in refused(capsys, *every)
    assert "say which events" in refused(capsys, *every, "--events", events, "--demo")
    assert "--stack needs --shop and --since" in refused(capsys, *every, "--stack", "prod")
    assert "--against published needs --stack" in refused(capsys, *every, "--demo", "--against", "published")
    assert "there is no such folder" in refused(capsys, *every, "--demo", "--against", tmp_path / "nowhere")
    assert "there is no such folder" in refused(capsys, "--all", "--content", tmp_path / "nowhere", "--demo")
    assert "there are no events of the shop acme" in refused(capsys, *every, "--events", events, "--shop", "acme")
    assert "is after the last event" in refused(capsys, *every, "--events", events, "--since", "2027-01-01")


def test_a_line_that_is_no_event_is_named(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jsonl"
    lines = events.read_bytes().splitlines()[:3]
    broken.write_bytes(b"\n".join([*lines, b'{"id": "x"}']))
    told = refused(capsys, "--all", "--content", content, "--events", broken)
    assert told.startswith(f"{broken}:4: this is no event: ")


def test_events_of_a_shop_without_a_file_are_refused_with_the_cure(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path
) -> None:
    (content / "shops/kettle-and-leaf.yaml").unlink()
    assert "shops/kettle-and-leaf.yaml" in refused(capsys, "--all", "--content", content, "--events", events)


def test_nothing_switched_on_is_said(capsys: pytest.CaptureFixture[str], events: Path, content: Path) -> None:
    shop = content / "shops/kettle-and-leaf.yaml"
    shop.write_text(re.sub(r"flows:.*", "", shop.read_text("utf-8"), flags=re.DOTALL), "utf-8")
    told = refused(capsys, "--all", "--content", content, "--events", events)
    assert "no flow is switched on for kettle-and-leaf" in told


def test_a_draft_that_is_wrong_is_said_as_lint_would(
    capsys: pytest.CaptureFixture[str], events: Path, content: Path, draft: Path
) -> None:
    draft.write_text(DRAFT.replace("wait: 2h", "wait: soon"), "utf-8")
    told = refused(capsys, "--flow", draft, "--content", content, "--events", events)
    assert f"{draft}:7: " in told
    assert "'soon' is not a duration" in told
