"""YAML that people write: plain values, the line of each, and a message that helps for whatever is not right."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.domain.errors import ContentError
from rekindle.flow.yaml_source import MAX_LENGTH, load

SOURCE = """\
\ufeffname: Tea
flows:
  # a comment
  welcome: on
  winback: off
steps:
  - wait: 1h
    at: 10:00
  - 2026-01-01
note: |
  two
  lines
count: 012
share: 1.5
none: null
yes: true
1: one
"""


def test_values_are_plain_and_words_stay_words() -> None:
    """`on`, a time of day and a date are text; numbers, `true` and `null` are what they look like; keys are text."""
    data, _ = load(SOURCE, "f.yaml")
    assert data == {
        "name": "Tea",
        "flows": {"welcome": "on", "winback": "off"},
        "steps": [{"wait": "1h", "at": "10:00"}, "2026-01-01"],
        "note": "two\nlines\n",
        "count": 12,
        "share": 1.5,
        "none": None,
        "yes": True,
        "1": "one",
    }


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("name",), 1),
        (("flows", "winback"), 5),
        (("steps", 0), 7),
        (("steps", 0, "at"), 8),
        (("steps", 1), 9),
        (("note",), 10),
        (("steps", 0, "missing"), 7),
        (("flows", "missing", "deeper"), 2),
        (("missing",), 1),
    ],
)
def test_every_value_has_its_line(path: tuple[str | int, ...], line: int) -> None:
    """A path that is not there gives the line of what ought to hold it."""
    _, positions = load(SOURCE, "f.yaml")
    assert positions.line(path) == line


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "twice"),
        ("a:\n  b: 1\n  b: 2\n", 3, "line 2"),
        ("a: 1\nb: c: d\n", 2, "quotes"),
        ("a: 1\n\tb: 2\n", 2, "spaces, not with tabs"),
        ("a:\n  - b\n c: 2\n", 3, "indentation"),
        ('a: "x\n', 2, "quotes"),
        ("a: [1,\n", 2, "brackets|quotes"),
        ("a: &x 1\nb: *x\n", 1, "anchor"),
        ("a: *x\n", 1, "between quotes"),
        ("a: !!python/object:os.system x\n", 1, "not supported"),
        ("b: 1\na: !foo x\n", 2, "not supported"),
        ("a: 1\n---\nb: 2\n", 2, "one document"),
        ("b: 1\na: \x07\n", 2, "invisible"),
        ("when: {{ x }}\n", 1, "between quotes"),
        ("<<: {a: 1}\n", 1, "merge"),
        ("a: .inf\n", 1, "not a number"),
        ("a:\n" + "\n".join(" " * depth + "- " for depth in range(600)), None, "too deeply"),
        ("a: " + "[" * 60 + "]" * 60, 1, "too deeply"),
        ("#" * (MAX_LENGTH + 1), None, "too long"),
    ],
    ids=range(19),
)
def test_whatever_is_not_right_has_a_line_and_a_cure(text: str, line: int | None, said: str) -> None:
    """Nothing is guessed, and nothing but a `ContentError` comes out."""
    with pytest.raises(ContentError, match=said) as refused:
        load(text, "f.yaml")
    assert (refused.value.file, refused.value.line) == ("f.yaml", line)


def test_an_empty_file_is_nothing() -> None:
    """The caller says what must be there."""
    assert load("# only a comment\n", "f.yaml")[0] is None


@given(st.text(max_size=200))
def test_any_text_is_data_or_a_content_error(text: str) -> None:
    """No input makes the reader fail in another way."""
    with contextlib.suppress(ContentError):
        _, positions = load(text, "f.yaml")
        assert all(1 <= positions.line(path) <= len(text.splitlines()) + 1 for path in positions)
