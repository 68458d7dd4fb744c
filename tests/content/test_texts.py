"""Text messages: what is paid for them, and what a phone shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content.texts import Length, SmsTemplate, length, plainer, render_sms
from rekindle.domain.errors import ContentError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", Length("GSM-7", 0, 0)),
        ("a" * 160, Length("GSM-7", 160, 1)),
        ("a" * 161, Length("GSM-7", 161, 2)),
        ("a" * 306, Length("GSM-7", 306, 2)),
        ("a" * 307, Length("GSM-7", 307, 3)),
        ("€" * 80, Length("GSM-7", 160, 1)),
        ("Grüße, Øystein: 5 £ @ Ç", Length("GSM-7", 23, 1)),
        # The escape and what it escapes stay in one part: 152 units fit, and then the euro begins the next.
        ("a" * 152 + "€" + "a" * 152, Length("GSM-7", 306, 3)),
        ("茶" * 70, Length("UCS-2", 70, 1, "茶")),
        ("茶" * 71, Length("UCS-2", 71, 2, "茶")),
        ("茶" * 134, Length("UCS-2", 134, 2, "茶")),
        ("茶" * 135, Length("UCS-2", 135, 3, "茶")),
        ("☕" + "a" * 69, Length("UCS-2", 70, 1, "☕")),
        ("🫖" * 35, Length("UCS-2", 70, 1, "🫖")),
        ("🫖" * 36, Length("UCS-2", 72, 2, "🫖")),
    ],
)
def test_a_text_is_as_long_as_networks_count_it(text: str, found: Length) -> None:
    assert length(text) == found


@given(st.text(max_size=400))
def test_whatever_is_written_fits_into_what_is_counted(text: str) -> None:
    counted = length(text)
    most = {"GSM-7": (160, 153), "UCS-2": (70, 67)}[counted.alphabet]
    assert counted.units <= max(most[0], most[1] * counted.segments)
    assert bool(text) == bool(counted.segments)
    assert bool(counted.odd) == (counted.alphabet == "UCS-2")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Ada’s “tea” – for 9,50\u00a0€…", 'Ada\'s "tea" - for 9,50 €...'),
        ("it is plain already", "it is plain already"),
        ("Ada’s 茶", "Ada’s 茶"),
    ],
)
def test_typography_alone_never_doubles_the_price(text: str, plain: str) -> None:
    assert plainer(text) == plain


def said(source: str, **names: object) -> str:
    return render_sms(SmsTemplate(name="t", text=source), {"_formats": {}, **names})


def test_a_text_says_its_values_as_they_are_and_no_html() -> None:
    assert said("{{ shop.name }}: hi {{ name }}", shop={"name": "Tea & Co"}, name="<b>Ada</b>") == (
        "Tea & Co: hi <b>Ada</b>"
    )


def test_lines_stay_and_what_cannot_be_seen_goes() -> None:
    assert said("one\n\n\n\ntwo  {{ x }}\n", x="\u202eevil\x00\u2066") == "one\n\ntwo evil"


def test_isolates_stay_in_pairs_only() -> None:
    assert said("\u2068{{ x }}\u2069 !", x="ab") == "\u2068ab\u2069 !"
    assert said("{{ x }} !", x="\u2068ab") == "ab !"


@pytest.mark.parametrize(
    ("source", "why"),
    [("{{ x }}", "says nothing"), ("{{ y }}", "longer than 1600")],
)
def test_what_cannot_be_said_is_refused(source: str, why: str) -> None:
    with pytest.raises(ContentError, match=why):
        said(source, x=None, y="a" * 1_601)
