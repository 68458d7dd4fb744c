"""CSV files as shops have them: whose columns they are, what consent they state, and what is wrong with a row."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.ports import Page, Unusable
from rekindle.service.lists import MAX_LINES, PAGE, ListError, ListFile, Reading

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)

KLAVIYO = (
    "Email,Klaviyo ID,First Name,Last Name,Organization,Title,Phone Number,Address,Address 2,City,State / Region,"
    "Country,Zip Code,Source,Email Marketing Consent,Email Marketing Consent Timestamp,Email Suppressions,"
    "SMS Marketing Consent,SMS Marketing Consent Timestamp,Favourite Tea\n"
)
MAILCHIMP = (
    '"Email Address","First Name","Last Name",Birthday,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,'
    "LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
)


def read(text: str | bytes, **how: Any) -> ListFile:
    """Return the file."""
    raw = text.encode() if isinstance(text, str) else text
    return ListFile(io.BytesIO(raw), Reading(as_of=AS_OF, **how))


def pages(file: ListFile) -> Iterator[Page]:
    """Yield every page."""
    cursor = None
    while True:
        page = file.page(cursor)
        yield page
        cursor = page.cursor
        if cursor is None:
            return


def rows(file: ListFile) -> list[dict[str, Any]]:
    """Return what the rows say."""
    return [json.loads(record.body) for page in pages(file) for record in page.records]


def wrong(file: ListFile) -> list[tuple[str, str]]:
    """Return what is reported, by line."""
    return [(each.where, each.why) for page in pages(file) for each in page.unusable]


def test_a_klaviyo_export_needs_no_word() -> None:
    file = read(
        KLAVIYO
        + "ann@example.com,01H,Ann,Lee,,,+46701740605,,,Umeå,,Sweden,,Shop,SUBSCRIBED,2024-05-06T07:08:09+02:00,,"
        "SUBSCRIBED,2024-05-07 07:00:00,Sencha\n"
        "bo@example.com,01J,,,,,,,,,CA,US,,,UNSUBSCRIBED,2023-01-01T00:00:00Z,,,,\n"
        "cy@example.com,01K,,,,,,,,,,,,,NEVER_SUBSCRIBED,,,,,\n"
        'di@example.com,01L,,,,,,,,,,,,,SUBSCRIBED,2022-01-01T00:00:00Z,"[""HARD_BOUNCE""]",,,\n',
        columns={"Favourite tea": "trait:tea"},
    )
    ann, bo, cy, di = rows(file)
    assert ann == {
        "at": "2026-03-01T00:00:00+00:00",
        "email": "ann@example.com",
        "phone": "+46701740605",
        "person": {"first_name": "Ann", "last_name": "Lee", "country": "SE", "city": "Umeå"},
        "traits": {"tea": "Sencha"},
        "consents": [
            {"channel": "email", "state": "subscribed", "at": "2024-05-06T05:08:09+00:00", "by": "Shop"},
            {"channel": "sms", "state": "subscribed", "at": "2024-05-07T07:00:00+00:00", "by": "Shop"},
        ],
    }
    assert bo["consents"] == [{"channel": "email", "state": "unsubscribed", "at": "2023-01-01T00:00:00+00:00"}]
    assert "consents" not in cy
    assert [(each["state"], each["channel"]) for each in di["consents"]] == [("invalid", "email")]
    assert wrong(file) == []
    assert {"Klaviyo ID", "Organization", "Zip Code"} <= set(file.unused)


@pytest.mark.parametrize(
    ("extra", "cells", "state", "at"),
    [
        ("", "", None, None),
        ("UNSUB_TIME,UNSUB_REASON,", '"2022-02-03 04:05:06",,', "unsubscribed", "2022-02-03T04:05:06+00:00"),
        ("CLEAN_TIME,CLEAN_CAMPAIGN_ID,", '"2021-01-01 00:00:00",7,', "invalid", "2021-01-01T00:00:00+00:00"),
    ],
    ids=["subscribed", "unsubscribed", "cleaned"],
)
def test_mailchimp_says_by_its_columns_who_refused_and_never_who_agreed(
    extra: str, cells: str, state: str | None, at: str | None
) -> None:
    row = (
        '"a@example.com",Ann,Lee,04/09,2,"2020-01-02 03:04:05",1.2.3.4,"2020-01-02 03:05:00",,,,,,Europe/Stockholm,SE,,'
    )
    file = read(f'{extra}{MAILCHIMP}{cells}{row}"2020-06-07 08:09:10",1,x,,"""VIP"",""Blog"""\n')
    (found,) = rows(file)
    assert found["at"] == "2020-06-07T08:09:10+00:00"
    assert found["person"] == {
        "first_name": "Ann",
        "last_name": "Lee",
        "country": "SE",
        "zone": "Europe/Stockholm",
    }
    assert found["traits"] == {"birthday": "--04-09"}
    wanted = [] if state is None else [{"channel": "email", "state": state, "at": at}]
    assert found.get("consents", []) == wanted
    assert file.states_consent is False


def test_a_list_of_people_who_agreed_is_said_to_be_one_and_the_confirmation_dates_it() -> None:
    row = "a@example.com,,,,2,2020-01-02 03:04:05,1.2.3.4,2020-01-02 03:05:00,,,,,,,,,,,,,\n"
    (found,) = rows(read(MAILCHIMP + row, consent="subscribed", consent_source="newsletter form"))
    assert found["consents"] == [
        {"channel": "email", "state": "subscribed", "at": "2020-01-02T03:05:00+00:00", "by": "newsletter form"}
    ]


def test_nobody_agreed_who_knows_when() -> None:
    file = read("email\na@example.com\n", consent="subscribed")
    assert "consents" not in rows(file)[0]
    assert wrong(file) == [("line 2", "taken without consent to e-mail: it does not say since when (--consented-at)")]
    when = datetime(2025, 1, 1, tzinfo=UTC)
    assert rows(read("email\na@example.com\n", consent="subscribed", consent_at=when))[0]["consents"]


def test_a_refusal_without_a_date_is_of_when_the_file_was_written() -> None:
    (found,) = rows(read("email\na@example.com\n", consent="unsubscribed"))
    assert found["consents"] == [{"channel": "email", "state": "unsubscribed", "at": AS_OF.isoformat()}]


def test_a_refusal_outdoes_what_the_same_row_allows() -> None:
    text = (
        "email,email marketing consent,email marketing consent timestamp,suppressed\na@x.example,yes,2025-01-01,true\n"
    )
    assert [each["state"] for each in rows(read(text))[0]["consents"]] == ["unsubscribed"]


@pytest.mark.parametrize("said", ["NEVER_SUBSCRIBED", "no", "pending", "0", "perhaps"])
def test_what_is_said_of_the_whole_list_is_not_said_of_a_row_that_says_otherwise(said: str) -> None:
    when = datetime(2025, 1, 1, tzinfo=UTC)
    file = read(
        f"email,email marketing consent\na@x.example,{said}\nb@x.example,\n", consent="subscribed", consent_at=when
    )
    assert [row["email"] for row in rows(file) if "consents" in row] == ["b@x.example"]


@pytest.mark.parametrize("said", ["Opt-out", "opted out", "Complained", "blocklisted"])
def test_a_refusal_is_known_by_the_words_of_other_services(said: str) -> None:
    (found,) = rows(read(f"email,email marketing consent\na@x.example,{said}\n"))
    assert [each["state"] for each in found["consents"]] == ["unsubscribed"]


def test_a_refusal_is_not_dated_by_when_they_once_agreed() -> None:
    """Else whatever they agreed to since would count as later."""
    head = "email,email marketing consent,email marketing consent timestamp,email suppressions\n"
    file = read(head + "a@x.example,SUBSCRIBED,2022-01-01T00:00:00Z,SPAM_COMPLAINT\n")
    assert rows(file)[0]["consents"] == [{"channel": "email", "state": "unsubscribed", "at": AS_OF.isoformat()}]


def test_a_state_that_nobody_knows_is_reported_without_the_cell() -> None:
    file = read("email,email marketing consent\na@x.example,perhaps-secret\n")
    assert wrong(file) == [("line 2", "taken without consent: its email_consent is no state that is known")]
    assert "secret" not in str(wrong(file))


# --- columns


def test_columns_are_named_by_hand_and_those_count_more() -> None:
    text = "E-post;Namn;Email;Kundnummer\na@x.example;Ann;old@x.example;77\n"
    file = read(text, columns={"E-post": "email", "namn": "first_name", "Kundnummer": "customer_id"})
    assert rows(file) == [
        {"at": AS_OF.isoformat(), "email": "a@x.example", "customer_id": "77", "person": {"first_name": "Ann"}}
    ]
    assert file.unused == ("Email",)


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ("name,age\nA,1\n", {}, "no column has addresses"),
        ("email\n", {"E-post": "email"}, "there is no column E-post: the first line has email"),
        ("email,x\n", {"x": "shoe"}, "there is no field shoe"),
        ("email,x\n", {"x": "trait: "}, "there is no field trait:"),
        ("", {}, "no first line"),
        ("sep=;", {}, "no first line"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(text: str, columns: dict[str, str], says: str) -> None:
    with pytest.raises(ListError, match=says):
        read(text, columns=columns)


def test_utf_16_and_unknown_encodings_are_refused() -> None:
    with pytest.raises(ListError, match="UTF-16"):
        read("email\na@x.example\n".encode("utf-16"))
    with pytest.raises(ListError, match="no encoding klingon"):
        read("email\na@x.example\n", encoding="klingon")


@pytest.mark.parametrize("encoding", ["base64", "rot13", "idna", "undefined", "cp\0"])
def test_a_codec_that_is_not_of_text_is_no_encoding(encoding: str) -> None:
    with pytest.raises(ListError, match="no encoding"):
        read("email\na@x.example\n", encoding=encoding)


@pytest.mark.parametrize("delimiter", [";;", '"', "\n", "\r"])
def test_one_sign_divides_the_fields(delimiter: str) -> None:
    with pytest.raises(ListError, match="one sign"):
        read("email;name\na@x.example;Ada\n", delimiter=delimiter)


def test_what_an_encoding_spells_that_is_no_letter_costs_its_row() -> None:
    file = read(b"email,first name\na@x.example,+2AA-\nb@x.example,Bo\n", encoding="utf-7")
    assert [line.where for line in file.page(None).unusable] == ["line 2"]
    assert len(file.page(None).records) == 1


# --- how it is written


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_delimiter_encoding_and_line_ends_are_found_out(delimiter: str, encoding: str, end: str) -> None:
    lines = ("email", "first name", "city"), ("a@x.example", "Åsa", "Umeå")
    text = end.join(delimiter.join(line) for line in lines) + end
    (found,) = rows(read(text.encode(encoding)))
    assert (found["email"], found["person"]) == ("a@x.example", {"first_name": "Åsa", "city": "Umeå"})


def test_excel_s_own_first_line_is_none() -> None:
    file = read(b"\xef\xbb\xbfsep=;\r\nemail;first name\r\na@x.example;A\r\nb@x.example;B;too;many\r\n")
    assert [row["email"] for row in rows(file)] == ["a@x.example"]
    assert wrong(file)[0][0] == "line 4"


def test_quoted_fields_hold_delimiters_quotation_marks_and_lines() -> None:
    file = read('email,first name,last name,city\n"a@x.example","A ""the"" B","x\ny, z",Rome\nb@x.example,5" tall,,\n')
    first, second = rows(file)
    assert first["person"] == {"first_name": 'A "the" B', "last_name": "x\ny, z", "city": "Rome"}
    assert second["person"] == {"first_name": '5" tall'}


def test_a_bad_row_costs_itself_alone() -> None:
    lines = (
        "email,first name",
        "a@x.example,A",
        'b@x.example,"open',
        "c@x.example,C",
        "",
        "d@x.example,D,E",
        "e@x.example,E,,",
    )
    text = "\n".join((*lines, "f@x.example\n"))
    file = read(text)
    assert [row["email"] for row in rows(file)] == ["a@x.example", "c@x.example", "e@x.example", "f@x.example"]
    assert wrong(file) == [
        ("line 3", "a quotation mark is opened here and never closed"),
        ("line 6", "it has 3 fields, and the first line names 2"),
    ]


def test_an_open_quotation_mark_swallows_only_its_line_however_long_the_file() -> None:
    lines = [f"p{number}@x.example,P" for number in range(MAX_LINES * 2)]
    file = read("\n".join(["email,first name", 'a@x.example,"open', *lines]))
    assert len(rows(file)) == MAX_LINES * 2
    assert [where for where, _ in wrong(file)] == ["line 2"]


def test_an_open_quotation_mark_that_a_later_row_closes_swallows_nothing() -> None:
    file = read('email,first name\na@x.example,"open\nb@x.example,B\nc@x.example,"C, the third"\nd@x.example,D\n')
    assert [row["email"] for row in rows(file)] == ["b@x.example", "c@x.example", "d@x.example"]
    assert [where for where, _ in wrong(file)] == ["line 2"]


def test_a_row_of_a_megabyte_is_reported_and_passed() -> None:
    file = read("email,first name\na@x.example," + "x" * 1_000_000 + "\nb@x.example,B\n")
    assert [row["email"] for row in rows(file)] == ["b@x.example"]
    assert wrong(file) == [("line 2", "it is longer than 100,000 bytes")]


def test_a_byte_that_is_no_letter_costs_a_letter() -> None:
    (found,) = rows(read(b"email,first name\na@x.example,\xc5\x81sa\n", encoding="cp1252"))
    assert found["person"]["first_name"].startswith("Å")
    file = read(b"email,first name\na@x.example,\xc5\n", encoding="utf-8")
    assert (rows(file), wrong(file)) == ([], [("line 2", "it is not in utf-8")])


# --- pages


def test_pages_follow_one_another_and_a_cursor_is_a_place_in_the_file() -> None:
    text = "email,first name\n" + "".join(f'p{n}@x.example,"a\nb"\n' for n in range(PAGE * 2 + 3))
    found = list(pages(read(text)))
    assert [len(page.records) for page in found] == [PAGE, PAGE, 3]
    assert [page.records[0].where for page in found] == ["line 2", f"line {2 + 2 * PAGE}", f"line {2 + 4 * PAGE}"]
    assert read(text).page(found[0].cursor) == found[1]
    assert read(text).total() >= PAGE * 2 + 3


def test_the_digest_is_the_file_s() -> None:
    one, two = "email\na@x.example\n", "email\nb@x.example\n"
    assert read(one).digest == read(one).digest != read(two).digest


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=6), st.sampled_from(",;\t|"))
def test_whatever_a_csv_writer_writes_is_read_or_reported(cells: list[tuple[str, str]], delimiter: str) -> None:
    import csv

    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["email", "trait"])
    writer.writerows((f"p{number}@x.example", f"{one}{two}") for number, (one, two) in enumerate(cells))
    file = read(out.getvalue(), delimiter=delimiter, columns={"trait": "trait:t"}, encoding="utf-8")
    found = {row["email"]: row.get("traits", {}).get("t", "") for row in rows(file)}
    assert len(found) + len(wrong(file)) == len(cells)
    for number, (one, two) in enumerate(cells):
        assert found.get(f"p{number}@x.example", (one + two).strip()) == (one + two).strip()


def test_unusable_names_nobody() -> None:
    file = read("email,first name\nann@x.example,A,B\n")
    assert isinstance(next(pages(file)).unusable[0], Unusable)
    assert "ann" not in str(wrong(file))
