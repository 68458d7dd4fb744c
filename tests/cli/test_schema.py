"""`rekindle schema`: what editors know of the language is what publishing takes, and what is committed is current."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are not among our tools
import pytest

from rekindle.cli.main import main
from rekindle.cli.schema import schema_of
from rekindle.flow.yaml_source import load
from tests.support.build import ROOT

KINDS = ("flow", "segment", "manners", "shop", "offer", "push", "popup", "topics", "traits")
FOLDERS = {
    "flow": "flows",
    "segment": "segments",
    "push": "push",
    "shop": "shops",
    "offer": "offers",
    "popup": "popups",
}


def shipped() -> list[tuple[str, Path]]:
    found = [
        (kind, path)
        for kind, folder in FOLDERS.items()
        for root in ("templates", "local/content")
        for path in sorted((ROOT / root / folder).glob("*.yaml"))
    ]
    singles = [(kind, ROOT / f"templates/{kind}.yaml") for kind in ("manners", "topics", "traits")]
    return found + [(kind, path) for kind, path in singles if path.exists()]


def validator(kind: str) -> Any:
    return jsonschema.Draft202012Validator(schema_of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_and_what_is_committed_is_current(kind: str) -> None:
    """Mend with: bin/rekindle schema all --out docs/schemas."""
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads((ROOT / f"docs/schemas/{kind}.json").read_text("utf-8")) == schema


@pytest.mark.parametrize(("kind", "path"), shipped(), ids=lambda value: getattr(value, "stem", value))
def test_what_ships_fits_its_schema(kind: str, path: Path) -> None:
    validator(kind).validate(load(path.read_text("utf-8"), path.name)[0])


def parts(schema: Any) -> list[dict[str, Any]]:
    """Return every schema of a mapping's part, with its name."""
    if isinstance(schema, list):
        return [part for one in schema for part in parts(one)]
    if not isinstance(schema, dict):
        return []
    own = [{"name": name, **part} for name, part in schema.get("properties", {}).items() if isinstance(part, dict)]
    return own + [part for one in schema.values() for part in parts(one)]


@pytest.mark.parametrize("kind", ["flow", "segment", "manners", "offer"])
def test_every_part_says_what_it_is_for(kind: str) -> None:
    assert [part["name"] for part in parts(schema_of(kind)) if not part.get("description")] == []


@pytest.mark.parametrize(
    ("part", "right", "wrong"),
    [
        ("timeout", "1d 12h", 3600),
        ("timeout", "30d", "soon"),
        ("entry", {"again": "never"}, {"again": "sometimes"}),
        ("entry", {"holdout": "10%"}, {"holdout": 10}),
        ("entry", {"window": {"from": "2026-11-01"}}, {"window": {"from": "November"}}),
        ("steps", [{"wait": "{{ profile.orders }}d"}], [{"wait": 3}]),
        ("steps", [{"wait_until": "10:00", "on": "weekdays"}], [{"wait_until": "10:00", "on": "monday"}]),
        ("steps", [{"exit": True}], [{"exit": False}]),
        ("trigger", [{"manual": True}], {"manual": False}),
        ("trigger", {"event": "order.placed"}, {"event": "order.placd"}),
        ("goal", {"event": "order.paid"}, {"evnt": "order.paid"}),
    ],
)
def test_an_editor_tells_right_from_wrong(part: str, right: object, wrong: object) -> None:
    """Durations, shares and times are texts there, as in the file, and not the seconds that they become."""
    flow = {"trigger": {"event": "order.placed"}, "steps": [{"email": "x"}]}
    assert validator("flow").is_valid(flow | {part: right})
    assert not validator("flow").is_valid(flow | {part: wrong})


def test_the_command_prints_one_and_writes_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "segment"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Segment"
    assert main(["schema", "all", "--out", str(tmp_path / "new")]) == 0
    assert {path.stem for path in (tmp_path / "new").iterdir()} == set(KINDS)
    assert main(["schema", "nothing"]) == 2
