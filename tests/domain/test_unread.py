"""An older version keeps what a newer one wrote: while an update shifts, and after going back."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from rekindle.domain import profile as profiles
from rekindle.domain.profile import OrderMark, Profile, Run, Touch, Trait, decode_profile, encode_profile
from rekindle.domain.unread import put_back, unread
from tests.support.build import T0

ADA = Profile(
    id="a" * 32,
    shop="tea",
    version=7,
    email="ada@example.com",
    traits={"size": Trait(T0, "M"), "tea": Trait(T0, ("green", "white"))},
    orders={"o1": OrderMark(updated_at=T0, total=Decimal(19)), "o2": OrderMark(updated_at=T0)},
    touches=(Touch(T0, "m1", "email"), Touch(T0 + timedelta(days=1), "m2", "email")),
    runs=tuple(
        Run(id=each, flow="cart", version="v", playbook="p", entered_at=T0, expires_at=T0 + timedelta(days=9))
        for each in ("r1", "r2")
    ),
    deadline=T0 + timedelta(days=2),
)


def as_newer(profile: Profile) -> dict[str, Any]:
    """Return the profile as a version stores it that knows more of everything."""
    stored: dict[str, Any] = json.loads(encode_profile(profile))
    stored["wishes"] = {"tea": 3}
    stored["orders"]["o1"]["gift"] = True
    stored["runs"][1]["paused_by"] = {"who": "ada"}
    stored["traits"]["size"].append("form")
    stored["touches"][0].append({"read": 9})
    return {"format": profiles.FORMAT + 1, **stored}


def stored_by_newer(profile: Profile) -> bytes:
    return msgspec.json.encode(as_newer(profile))


def test_what_this_version_wrote_has_nothing_that_it_does_not_know() -> None:
    assert decode_profile(encode_profile(ADA)) == ADA
    assert b'"format"' not in encode_profile(ADA), "the first format says nothing: a profile stays as small as it was"


def test_an_older_version_reads_what_it_knows_of_a_newer_ones() -> None:
    assert replace(decode_profile(stored_by_newer(ADA)), unread=None) == ADA


@pytest.mark.parametrize("as_text", [False, True])
def test_what_it_stores_again_unchanged_is_what_lay_there(as_text: bool) -> None:
    raw = stored_by_newer(ADA)
    assert json.loads(encode_profile(decode_profile(raw.decode() if as_text else raw))) == as_newer(ADA)


def test_what_it_changes_itself_is_changed_and_the_rest_is_still_there() -> None:
    read = decode_profile(stored_by_newer(ADA))
    first, second = read.runs
    changed = replace(
        read,
        version=8,
        deadline=None,
        runs=(replace(second, status="finished"), replace(first, step="mail")),
        orders={"o1": replace(read.orders["o1"], status="cancelled")},
        touches=read.touches[:1],
        traits={"size": Trait(T0 + timedelta(days=1), "L")},
    )
    stored = json.loads(encode_profile(changed))
    assert stored["format"] == profiles.FORMAT + 1, "the next one must be as careful"
    assert (stored["version"], stored["wishes"]) == (8, {"tea": 3})
    assert "deadline" not in stored
    assert [(run["id"], run.get("paused_by")) for run in stored["runs"]] == [("r2", {"who": "ada"}), ("r1", None)]
    assert stored["runs"][0]["status"] == "finished"
    assert stored["orders"] == {
        "o1": {**json.loads(encode_profile(ADA))["orders"]["o1"], "s": "cancelled", "gift": True},
    }
    assert stored["touches"][0][-1] == {"read": 9}
    assert stored["traits"]["size"][1:] == ["L", "form"]


def test_a_value_that_it_cannot_know_is_an_error_and_nothing_is_stored_over_it() -> None:
    newer = as_newer(ADA)
    newer["runs"][0]["status"] = "frozen"
    with pytest.raises(msgspec.ValidationError):
        decode_profile(msgspec.json.encode(newer))


def test_a_newer_version_reads_what_an_older_one_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    older = encode_profile(ADA)
    monkeypatch.setattr(profiles, "FORMAT", 2)
    assert decode_profile(older) == ADA
    assert json.loads(encode_profile(ADA))["format"] == 2
    assert decode_profile(encode_profile(ADA)) == ADA
    monkeypatch.setattr(profiles, "FORMAT", 1)
    assert decode_profile(encode_profile(ADA)).unread is None


_plain = st.recursive(
    st.integers(0, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)


@st.composite
def _read(draw: st.DrawFn) -> tuple[Any, Any]:
    """Draw what a newer version stored, and what an older one knows of it: some fields fewer, some lists shorter."""

    def known(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: known(inner) for name, inner in value.items() if name == "a" or draw(st.booleans())}
        if isinstance(value, list) and value and draw(st.booleans()):
            return [known(inner) for inner in value[:1]]
        return [known(inner) for inner in value] if isinstance(value, list) else value

    stored = draw(_plain)
    return stored, known(stored)


@given(_read())
@example(([{"a": 1, "b": 2}, {"a": 1, "b": 3}], [{"a": 1}, {"a": 1}]))
def test_whatever_is_unread_goes_back_to_where_it_was(pair: tuple[Any, Any]) -> None:
    stored, known = pair
    assert put_back(known, unread(stored, known) or {}) == stored
