"""docs/flows.md tells the truth: its examples, and those of other pages, are right, and it names all there is."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our tools
import pytest

from rekindle.cli.schema import schema_of
from rekindle.content.offers import parse_offer
from rekindle.content.shorts import compile_push
from rekindle.content.sources import parse_shop, parse_topics
from rekindle.domain import facts
from rekindle.domain.events import EVENT_TYPES, FLOW_EVENTS
from rekindle.flow import language
from rekindle.flow.conditions import FILTERS, PROFILE_FIELDS, RUN_FIELDS, SHOP_FIELDS, USAGE
from rekindle.flow.definition import parse_flow, parse_manners, parse_segment, parse_traits
from rekindle.flow.yaml_source import load
from tests.support.build import ROOT

PAGE = (ROOT / "docs/flows.md").read_text(encoding="utf-8")
OFFERS = (ROOT / "docs/offers.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs/for-marketers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE + OFFERS + GUIDE, re.DOTALL | re.MULTILINE)
PARSERS: dict[str, Callable[..., tuple[Any, Any]]] = {
    "flow": parse_flow,
    "segment": parse_segment,
    "push": lambda text, file: compile_push(file[5:-5], {file[5:]: text}),
    "manners": parse_manners,
    "topics": parse_topics,
    "traits": parse_traits,
    "shop": parse_shop,
    "offer": parse_offer,
}


def kind_of(example: str) -> tuple[str, str]:
    """Return which kind of file an example is, and its name: its first line says so, unless it is a flow."""
    found = re.match(r"# ((flow|segment|push|manners|topics|traits|shop|offer)\w*(?:/[\w-]+)?\.yaml)\n", example)
    return (found[2], found[1]) if found else ("flow", "flows/example.yaml")


def data_of(example: str) -> Any:
    return load(example, "example.yaml")[0]


FLOWS = [data_of(example) for example in EXAMPLES if kind_of(example)[0] == "flow"]


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_right(example: str) -> None:
    kind, file = kind_of(example)
    found, problems = PARSERS[kind](example, file=file)
    assert problems == ()
    assert found is not None


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_fits_its_schema(example: str) -> None:
    jsonschema.Draft202012Validator(schema_of(kind_of(example)[0])).validate(data_of(example))


def test_every_kind_of_file_has_an_example() -> None:
    assert {kind_of(example)[0] for example in EXAMPLES} == PARSERS.keys()


def words_in(value: Any) -> set[str]:
    """Return every name in a file's data, however deep."""
    if isinstance(value, dict):
        return set(value).union(*map(words_in, value.values()))
    return set().union(*map(words_in, value)) if isinstance(value, list) else set()


def fields(*models: type[language.Model]) -> list[str]:
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


@pytest.mark.parametrize("step", language.STEPS)
def test_every_step_has_an_example(step: str) -> None:
    assert any(step in words_in(flow["steps"]) for flow in FLOWS)


@pytest.mark.parametrize("trigger", [*language.TRIGGERS, *fields(language.ScheduleModel)])
def test_every_trigger_has_an_example(trigger: str) -> None:
    assert any(trigger in words_in(flow["trigger"]) for flow in FLOWS) or f"`{trigger}`" in PAGE


@pytest.mark.parametrize("rule", fields(language.EntryModel, language.WindowModel))
def test_every_entry_rule_has_an_example(rule: str) -> None:
    assert any(rule in words_in(flow.get("entry")) for flow in FLOWS)


@pytest.mark.parametrize("rule", fields(language.FlowModel))
def test_every_part_of_a_flow_has_an_example(rule: str) -> None:
    assert any(rule in flow for flow in FLOWS)


@pytest.mark.parametrize("rule", fields(language.MannersModel, language.HoursModel, language.CapModel))
def test_every_part_of_manners_has_an_example(rule: str) -> None:
    assert any(rule in words_in(data_of(example)) for example in EXAMPLES if kind_of(example)[0] == "manners")


@pytest.mark.parametrize("function", USAGE)
def test_every_function_has_an_example(function: str) -> None:
    assert any(f"{function}(" in example for example in EXAMPLES)
    assert f"| `{function}(" in PAGE


@pytest.mark.parametrize("name", sorted(FLOW_EVENTS))
def test_every_event_is_named(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("kind", sorted({EVENT_TYPES[name] for name in FLOW_EVENTS}))
def test_every_field_of_an_event_is_named(kind: str) -> None:
    (fact,) = [fact for fact in get_args(facts.Fact) if fact.__struct_config__.tag == kind]
    (row,) = re.findall(rf"^\| {kind.replace('_', ' ')} \| `([^`]*)`", PAGE, re.MULTILINE)
    assert tuple(row.split()) == fact.__struct_fields__


@pytest.mark.parametrize(("owner", "known"), [("profile", PROFILE_FIELDS), ("run", RUN_FIELDS), ("shop", SHOP_FIELDS)])
def test_every_name_that_a_condition_may_read_is_there(owner: str, known: tuple[str, ...]) -> None:
    (row,) = re.findall(rf"^\| `{owner}` \| `([^`]*)`", PAGE, re.MULTILINE)
    assert tuple(row.split()) == known


def test_every_segment_that_ships_is_named() -> None:
    section = PAGE.partition("\n## Segments\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([a-z-]+)`", section)) >= {file.stem for file in (ROOT / "templates/segments").iterdir()}


def test_every_filter_is_named() -> None:
    assert f"`{' '.join(sorted(FILTERS))}`" in PAGE
