"""What a released version stored is read by this one and means what it meant (docs/operating.md#upgrading).

The samples are written by each version's own code (`python -m tests.state.record`): a value of everything that is
stored, with every field set, and a small installation through the adapters. Decision 0032 says what a change may do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from moto import mock_aws

from rekindle.aws import packing
from rekindle.aws.clients import Clients
from rekindle.domain.profile import FORMAT, Profile
from tests.state import record, samples, stores
from tests.state.shapes import clashes, shapes, structs
from tests.support.worlds import AwsPorts, session

VERSIONS = samples.recorded()
VERSION = samples.version()
ANEW = (
    "what is stored looks different: PYTHONPATH=layers/core:. .venv/bin/python -m tests.state.record, and read the diff"
)

#: What reads otherwise on purpose, as the checks name it → why nothing is lost by it.
MENDED: dict[str, str] = {}


def differences(recorded: Any, today: Any, where: str = "") -> Iterator[str]:
    """Yield where today's reading lacks, or contradicts, what was recorded. More than was recorded is fine."""
    if isinstance(recorded, Mapping) and isinstance(today, Mapping):
        for name, value in recorded.items():
            if name not in today:
                yield f"{where}.{name} is gone"
            else:
                yield from differences(value, today[name], f"{where}.{name}")
    elif isinstance(recorded, list) and isinstance(today, list) and len(recorded) <= len(today):
        for place, (one, other) in enumerate(zip(recorded, today, strict=False)):
            yield from differences(one, other, f"{where}[{place}]")
    elif recorded != today:
        yield f"{where}: {recorded!r}, now {today!r}"


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """What this code writes."""
    return samples.make()


# --- this version ----------------------------------------------------------------------------------------------------


def test_this_version_and_every_one_that_is_out_has_samples() -> None:
    assert {VERSION, *samples.released()} <= set(VERSIONS), ANEW
    assert VERSIONS[-1] == VERSION, "the newest samples are of the version in pyproject.toml"


@pytest.mark.parametrize("what", ["shapes", "tables", "values", "means", "under-way"])
def test_the_samples_of_this_version_are_what_it_writes(what: str, made: dict[str, Any]) -> None:
    recorded = samples.read(VERSION, what)
    found = [*differences(recorded, made[what]), *differences(made[what], recorded)]
    assert recorded == made[what], "\n".join([ANEW, *found[:20]])


def test_every_field_of_everything_that_is_stored_is_in_a_sample() -> None:
    """A field that is at its default is left out: nobody could see that it is read."""
    for name, value in stores.values().items():
        written = stores.plain(value)
        names = {field.encode_name for field in msgspec.structs.fields(value)} - {"unread"}
        assert isinstance(written, list) or names <= set(written), name


def test_the_samples_of_a_version_that_is_out_cannot_be_written_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "released", lambda: {VERSION})
    monkeypatch.setattr(samples, "write", lambda *_: pytest.fail("written"))
    assert record.main() == 1


# --- every version ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_value_that_a_version_stored_means_what_it_meant(version: str) -> None:
    found = []
    for name, sample in samples.read(version, "values").items():
        today = stores.plain(stores.decoded(stores.root_of(name), sample["stored"]))
        found += [each for each in differences(sample["means"], today, f"{version} {name}") if each not in MENDED]
    assert found == []


@pytest.mark.parametrize("version", VERSIONS)
def test_an_installation_of_a_version_is_read_as_it_was(version: str) -> None:
    with mock_aws():
        ports = AwsPorts(Clients(session()), "earlier")
        stores.restore(ports, samples.read(version, "stored"))
        today = stores.plain(stores.read(ports))
    found = [each for each in differences(samples.read(version, "means"), today, version) if each not in MENDED]
    assert found == []


@pytest.mark.parametrize("version", VERSIONS)
def test_whoever_was_in_a_flow_goes_on_in_it(version: str) -> None:
    stored = samples.read(version, "under-way")
    assert stores.what_follows(stored) == stored["then"]


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_that_is_stored_has_changed_its_name_type_or_default(version: str) -> None:
    found = clashes(samples.read(version, "shapes")["types"], shapes())
    assert [each for each in found if each not in MENDED] == []


def test_a_profile_that_can_say_something_new_has_a_new_format() -> None:
    out = [version for version in VERSIONS if version in samples.released() and version != VERSION]
    for version in out[-1:]:
        before, of_a_profile = samples.read(version, "shapes"), _names(Profile)
        same = {name: before["types"].get(name) for name in of_a_profile} == {
            name: shapes().get(name) for name in of_a_profile
        }
        assert same == (before["format"] == FORMAT), "count FORMAT in rekindle.domain.profile up, once for each release"
    assert samples.read(VERSION, "shapes")["format"] == FORMAT


def test_a_word_list_is_known_for_a_release_before_anything_is_packed_with_it() -> None:
    """Else the older version, beside it or gone back to, could read nothing that the newer one writes."""
    out = [version for version in VERSIONS if version in samples.released() and version != VERSION]
    for version in out[-1:]:
        assert {packing.DELIVERIES, packing.STATE} <= set(samples.read(version, "shapes")["words"])
    assert samples.read(VERSION, "shapes")["words"] == sorted(packing._FILES)


def _names(kind: Any) -> set[str]:
    return {f"{one.__module__.removeprefix('rekindle.')}.{one.__qualname__}" for one in structs(kind)}


# --- tables ----------------------------------------------------------------------------------------------------------


def replaced(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return which tables an update from `before` would make anew, empty, or cannot make at all."""
    found = []
    for table, old in before.items():
        new = now.get(table)
        if new is None or new["KeySchema"] != old["KeySchema"]:
            found.append(f"{table}: {'gone' if new is None else 'another key'}")
            continue
        kinds, kinds_before = (
            {each["AttributeName"]: each["AttributeType"] for each in one["AttributeDefinitions"]} for one in (new, old)
        )
        found += [f"{table}: {name} is of another type" for name in kinds_before if kinds.get(name, "") not in
                  {"", kinds_before[name]}]  # fmt: skip
        indexes, indexes_before = (
            {each["IndexName"]: each for each in one.get("GlobalSecondaryIndexes", ())} for one in (new, old)
        )
        if any(indexes[name] != indexes_before[name] for name in indexes.keys() & indexes_before.keys()):
            found.append(f"{table}: an index changed; make one of another name, and drop the old a release later")
        if len(indexes.keys() ^ indexes_before.keys()) > 1:
            found.append(f"{table}: DynamoDB makes or drops one index in an update")
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_no_update_makes_a_table_anew(version: str) -> None:
    assert replaced(samples.read(version, "tables"), samples.keys_of_tables()) == []


def test_a_table_that_would_be_made_anew_is_noticed() -> None:
    now = samples.keys_of_tables()
    assert replaced(now, now) == []
    assert replaced({"gone": now["pending"], **now}, now) == ["gone: gone"]
    other_key = {**now, "pending": {**now["pending"], "KeySchema": now["aliases"]["KeySchema"]}}
    assert replaced(now, other_key) == ["pending: another key"]
    typed = [{"AttributeName": "id", "AttributeType": "N"}]
    assert replaced(now, {**now, "pending": {**now["pending"], "AttributeDefinitions": typed}}) == [
        "pending: id is of another type"
    ]
    (due,) = now["profiles"]["GlobalSecondaryIndexes"]
    for indexes, told in (
        ([due, {**due, "IndexName": "new"}], []),
        ([due, {**due, "IndexName": "new"}, {**due, "IndexName": "newer"}],
         ["profiles: DynamoDB makes or drops one index in an update"]),
        ([{**due, "Projection": {"ProjectionType": "ALL"}}],
         ["profiles: an index changed; make one of another name, and drop the old a release later"]),
    ):  # fmt: skip
        assert replaced(now, {**now, "profiles": {**now["profiles"], "GlobalSecondaryIndexes": indexes}}) == told


# --- the checks themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ({"a": "int"}, {"a": "int", "b": "str = null"}, []),
        ({"a": "int"}, {"a": "int", "b": "str"}, ["x.A.b has no default"]),
        ({"a": "int"}, {"b": "int = 1"}, ["x.A.a: int"]),
        ({"a": "int"}, {"a": "int | nothing"}, []),
        ({"a": "int | nothing"}, {"a": "int"}, ["x.A.a: int | nothing"]),
        ({"a": "int = 1"}, {"a": "int = 2"}, ["x.A.a: int = 1"]),
        ({"a": "one of on"}, {"a": "one of off, on"}, []),
        ({"00 a": "int"}, {"00 b": "int = 1", "01 a": "int"}, ["x.A.00 a: int", "x.A.01 a has no default"]),
    ],
)
def test_a_change_that_would_misread_what_is_stored_is_noticed(
    before: dict[str, str], now: dict[str, str], told: list[str]
) -> None:
    assert clashes({"x.A": before}, {"x.A": now}) == told


def test_a_reading_that_lacks_something_is_noticed() -> None:
    recorded = {"a": [1, {"b": 2}], "c": "x"}
    assert list(differences(recorded, {"a": [1, {"b": 2, "new": 3}, 4], "c": "x", "new": 1})) == []
    assert list(differences(recorded, {"a": [1, {}], "c": "y"})) == [".a[1].b is gone", ".c: 'x', now 'y'"]
    assert list(differences([1, 2], [1])) == [": [1, 2], now [1]"]
