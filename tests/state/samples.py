"""The samples beside this file: a folder for each version, written by its own code."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from moto import mock_aws

from rekindle.aws import packing
from rekindle.aws.clients import Clients
from rekindle.domain.profile import FORMAT
from tests.state import stores
from tests.state.shapes import shapes
from tests.support.build import ROOT
from tests.support.template import tables
from tests.support.worlds import AwsPorts, session

HERE = Path(__file__).parent
#: What of a table an update cannot change without a new, empty table.
_KEYS = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")


def version() -> str:
    """Return the version that this code is."""
    project: str = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return project


def released() -> set[str]:
    """Return the versions that CHANGELOG.md has a heading for: they are out, and their samples never change."""
    return set(re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE))


def recorded() -> list[str]:
    """Return the versions that have samples, the oldest first."""
    found = [path.name for path in HERE.iterdir() if re.fullmatch(r"\d+\.\d+\.\d+", path.name)]
    return sorted(found, key=lambda name: tuple(map(int, name.split("."))))


def read(of: str, what: str) -> Any:
    """Return one file of a version's samples."""
    return json.loads((HERE / of / f"{what}.json").read_text("utf-8"))


def keys_of_tables() -> dict[str, Any]:
    """Return table → its keys, their types and its indexes, as the template has them."""
    return {name: {key: properties[key] for key in _KEYS if key in properties} for name, properties in tables().items()}


def make() -> dict[str, Any]:
    """Return what this code writes, file by file."""
    values = {
        name: {"stored": stores.encoded(stores.root_of(name), value), "means": stores.plain(value)}
        for name, value in sorted(stores.values().items())
    }
    with mock_aws():
        ports = AwsPorts(Clients(session()), "samples")
        stores.write(ports)
        dumped = stores.dump(ports)
        said = stores.plain(stores.read(ports))
    return {
        "shapes": {"format": FORMAT, "types": shapes(), "words": sorted(packing._FILES)},
        "tables": keys_of_tables(),
        "values": values,
        "stored": dumped,
        "means": said,
        "under-way": stores.under_way(),
    }


def write(of: str, made: dict[str, Any]) -> None:
    """Write a version's samples."""
    (HERE / of).mkdir(exist_ok=True)
    for name, content in made.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
        (HERE / of / f"{name}.json").write_text(f"{text}\n", "utf-8")
