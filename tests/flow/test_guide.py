"""docs/for-marketers.md tells the truth: every default that it names is what the files say, and every change works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rekindle.content.offers import parse_offer
from rekindle.domain.offers import DEFAULT_LIFE
from rekindle.flow.definition import parse_flow, parse_segment
from rekindle.flow.program import DEFAULT_MANNERS, Attribution
from rekindle.flow.yaml_source import load
from tests.browser.pictures import MAILS, MOST, MOST_OF_ALL, PICTURES, chapters, mails_of
from tests.flow.test_documentation import GUIDE
from tests.support.build import ROOT

TEMPLATES = ROOT / "templates"
FLOWS = sorted(file.stem for file in (TEMPLATES / "flows").iterdir())
#: What is told of a flow's times, each in a row of its own.
TIMES = (
    *("cron", "once", "holiday", "before", "wait", "wait_until", "limit"),
    *("again", "at_once", "apart", "valid_for", "max_age", "timeout"),
)
SECTIONS = {
    found[1]: found[2]
    for found in re.finditer(r"^### [^\n]*\(`([a-z-]+)`\)\n(.*?)(?=^##)", GUIDE + "\n##", re.DOTALL | re.MULTILINE)
}
CHANGES = re.findall(r"^```diff\n# (\S+)\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
PARSERS = {"flows": parse_flow, "offers": parse_offer, "segments": parse_segment}


def text_of(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


@cache
def data_of(path: str) -> Any:
    return load(text_of(path), path)[0]


def values_of(key: str, data: Any) -> Iterator[str]:
    """Yield every value that a file's data has under a key, however deep, in order; what is reckoned is `reckoned`."""
    for name, value in data.items() if isinstance(data, dict) else enumerate(data if isinstance(data, list) else ()):
        if name == key and not isinstance(value, list):
            whole = value.values() if isinstance(value, dict) else (value,)
            yield from ("reckoned" if "{{" in str(one) else str(one) for one in whole)
        else:
            yield from values_of(key, value)


def times_of(flow: str) -> dict[str, str]:
    data = data_of(f"templates/flows/{flow}.yaml")
    found = {key: ", ".join(dict.fromkeys(values_of(key, data))) for key in TIMES}
    return {key: times for key, times in found.items() if times}


def test_every_flow_has_its_section() -> None:
    assert sorted(SECTIONS) == FLOWS


@pytest.mark.parametrize("flow", FLOWS)
def test_the_times_of_a_flow_are_those_of_its_file(flow: str) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \| \S[^|]*\|$", SECTIONS[flow], re.MULTILINE))
    assert told == times_of(flow)


@pytest.mark.parametrize("flow", FLOWS)
def test_a_section_says_how_to_switch_on_what_it_needs_and_what_it_sends(flow: str) -> None:
    source, section = text_of(f"templates/flows/{flow}.yaml"), SECTIONS[flow]
    code = re.sub(r"(?m)(^|\s)#.*$", "", source)
    assert f"`{flow}: on`" in section
    for topic in values_of("topic", data_of(f"templates/flows/{flow}.yaml")):
        assert f"Topic *{topic}*." in section
    for offer in values_of("offer", data_of(f"templates/flows/{flow}.yaml")):
        assert f"`{offer}: on`" in section
    for mail in mails_of(data_of(f"templates/flows/{flow}.yaml")["steps"]):
        assert f"`{mail}`" in section
    for value in re.findall(r"shop\.values\.(\w+)", code):
        assert f"`{value}`" in section


def test_what_is_switched_on_exists() -> None:
    known = {*FLOWS, *(file.stem for file in (TEMPLATES / "offers").glob("*.yaml"))}
    assert set(re.findall(r"`([a-z-]+): on`", GUIDE)) <= known


@pytest.mark.parametrize(("path", "change"), CHANGES)
def test_every_change_fits_the_file_and_leaves_it_right(path: str, change: str) -> None:
    lines = change.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
    after = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
    text = text_of(path)
    assert text.count(before) == 1, f"{path} has no such lines, or has them twice:\n{before}"
    changed = text.replace(before, after)
    parse = PARSERS.get(Path(path).parent.name)
    if parse is not None:
        assert parse(changed, file=path)[1] == ()
    else:
        assert load(changed, path)[0].keys() == data_of(path).keys()


@pytest.mark.parametrize("flow", FLOWS)
def test_every_flow_shows_a_change(flow: str) -> None:
    assert "```diff" in SECTIONS[flow]


def test_the_rules_for_all_are_those_of_the_code() -> None:
    quiets, apart = DEFAULT_MANNERS.quiet or {}, DEFAULT_MANNERS.apart or {}
    assert set(quiets) == {"sms"}
    assert not DEFAULT_MANNERS.caps
    (quiet,) = quiets["sms"]
    rules = {
        "Smart sending, mail": f"`{apart['email'] // 3600}h`",
        "Smart sending, SMS": f"`{apart['sms'] // 3600}h`",
        "Quiet hours, SMS": f"`{quiet.from_}` to `{quiet.to}`",
        "Click window": f"`{Attribution().click // 86_400}d`",
        "Coupon life": f"`{DEFAULT_LIFE // 86_400}d`",
    }
    for rule, default in rules.items():
        assert f"\n| {rule} | {default}" in GUIDE


def test_the_offers_are_those_that_ship() -> None:
    told = re.findall(r"^\| `([a-z-]+)` \| ([^|]*?) \| (\d+d) \| ", GUIDE, re.MULTILINE)
    files = {file.stem: load(file.read_text("utf-8"), file.name)[0] for file in (TEMPLATES / "offers").glob("*.yaml")}
    assert {name: (worth, life) for name, worth, life in told} == {
        name: (str(data.get("percent", "free shipping")), str(data["life"])) for name, data in files.items()
    }


def test_the_segments_are_those_that_ship() -> None:
    part = GUIDE.partition("\n## The segments\n")[2].partition("\n## ")[0]
    told = re.findall(r"`([a-z-]+)`", "".join(re.findall(r"^\|([^|]*)\|", part, re.MULTILINE)))
    assert sorted(told) == sorted(file.stem for file in (TEMPLATES / "segments").iterdir())
    read = "".join(file.read_text("utf-8") for file in (TEMPLATES / "segments").iterdir())
    assert {f"`{value}`" for value in re.findall(r"shop\.values\.(\w+)", read)} <= set(re.findall(r"`\w+`", part))


def test_the_pictures_are_there_and_light() -> None:
    named = set(re.findall(r"\(pictures/([\w-]+\.webp)\)", GUIDE))
    sizes = {name: (PICTURES / name).stat().st_size for name in named}
    assert max(sizes.values()) <= MOST
    assert sum(sizes.values()) <= 1_000_000
    sheets = set(re.findall(r"\(pictures/([\w-]+\.webp)\)", MAILS.read_text("utf-8")))
    assert len(sheets) == 3
    assert max((PICTURES / name).stat().st_size for name in sheets) <= MOST_OF_ALL
    assert (PICTURES / "dashboard.webp").stat().st_size <= MOST
    assert named == {file.name for file in PICTURES.glob("*.webp")} - {"season.webp", "dashboard.webp"} - sheets


def test_every_chapter_of_flows_shows_its_mails() -> None:
    assert all(picture for picture, _ in chapters(GUIDE))


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([\w./-]*(?:#[\w-]+)?)\)", GUIDE))))
def test_every_link_leads_somewhere(link: str) -> None:
    name, _, anchor = link.partition("#")
    file = ROOT / "docs" / (name or "for-marketers.md")
    assert file.exists()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
