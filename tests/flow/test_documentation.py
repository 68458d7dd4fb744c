"""docs/flows.md tells the truth: its examples are flows, and it names every event, field and step that there is."""

from __future__ import annotations

import re

import pytest

from rekindle.domain.events import FLOW_EVENTS
from rekindle.flow.conditions import PROFILE_FIELDS, RUN_FIELDS, SHOP_FIELDS
from rekindle.flow.definition import parse_flow
from tests.support.build import ROOT

PAGE = (ROOT / "docs/flows.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_a_flow(example: str) -> None:
    flow, problems = parse_flow(example, file="flows/example.yaml")
    assert problems == ()
    assert flow is not None


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("name", sorted(FLOW_EVENTS))
def test_every_event_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(("owner", "fields"), [("profile", PROFILE_FIELDS), ("run", RUN_FIELDS), ("shop", SHOP_FIELDS)])
def test_every_name_that_a_condition_may_read_is_there(owner: str, fields: tuple[str, ...]) -> None:
    (row,) = re.findall(rf"^\| `{owner}` \| `([^`]*)`", PAGE, re.MULTILINE)
    assert tuple(row.split()) == fields
