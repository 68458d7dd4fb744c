"""Decisions have a number each, and stand in their list."""

from __future__ import annotations

import re

from tests.support.build import ROOT

DECISIONS = ROOT / "docs/decisions"


def test_each_decision_has_a_number_of_its_own_and_stands_in_the_list() -> None:
    files = sorted(file.name for file in DECISIONS.glob("[0-9]*.md"))
    assert [name[:4] for name in files] == sorted({name[:4] for name in files})
    assert re.findall(
        r"^- \[(\d{4})\]\((\1-[\w-]+\.md)\) \S", (DECISIONS / "README.md").read_text("utf-8"), re.MULTILINE
    ) == [(name[:4], name) for name in files]


def test_each_begins_with_its_number() -> None:
    for file in DECISIONS.glob("[0-9]*.md"):
        assert re.match(rf"# {file.name[:4]} \S", file.read_text("utf-8")), file.name
