"""A CSV file as the source of an import: whatever a shop's former mailing service, or its spreadsheet, wrote.

Pure but for the open file that it is given, which it reads in pieces: a million rows take no more room than a page.
A cursor is a place in the file. What cannot be read is reported by its line and left out; the rows around it are not.
No cell ever stands in what is reported.

What consent a row states, a column says, or whoever imports says it of the whole list (`Reading.consent`). Who agreed
must have agreed at a known time. Refusals are taken without being asked for: what a list says about not writing to
somebody is always believed (an unsubscribed or cleaned list of Mailchimp's, a suppression of Klaviyo's).
"""

from __future__ import annotations

import codecs
import csv
import functools
import hashlib
import importlib.resources
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Literal

import msgspec
from msgspec import Struct

from rekindle.domain.errors import RekindleError
from rekindle.ports import Page, Record, Unusable
from rekindle.shops import lists

State = Literal["subscribed", "unsubscribed", "cleaned"]

#: So many rows are a page.
PAGE = 500
#: A row longer than this, in bytes or in lines, is none: a quotation mark was opened and never closed.
MAX_ROW, MAX_LINES = 100_000, 200

_SAMPLE = 65_536
_CHUNK = 1 << 20
_DELIMITERS = ",;\t|"
_BOM = codecs.BOM_UTF8
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

#: What a column can be, beside `trait:NAME` and `ignore`.
FIELDS: Mapping[str, str] = {
    "email": "the e-mail address",
    "phone": "the phone number, best with its country code",
    "customer_id": "the shop's own number of the customer account",
    "first_name": "the first name",
    "last_name": "the last name",
    "country": "the country, as ISO 3166 has it (SE)",
    "region": "the state or province, as ISO 3166-2 has it (CA)",
    "city": "the city",
    "locale": "the language (sv, en-GB)",
    "zone": "the time zone (Europe/Stockholm)",
    "birthday": "the birthday (1990-04-05, or 04-05 for every year)",
    "changed_at": "when the row was last changed",
    "email_consent": "what was said about e-mail: subscribed, unsubscribed",
    "email_consent_at": "when that was said",
    "consent_source": "by which way it was said: a form's name, a till",
    "sms_consent": "what was said about text messages",
    "sms_consent_at": "when that was said",
    "email_suppressed": "anything here means: not to be written to",
    "unsubscribed_at": "when they unsubscribed from e-mail",
    "cleaned_at": "when their address was given up, because it bounced",
    "opted_in_at": "when they agreed, for a list of people who did (--consent subscribed)",
}
_PERSON = ("first_name", "last_name", "country", "region", "city", "locale", "zone")

#: Column, in small letters and without anything but letters and digits → what it is. Klaviyo's exports of lists and
#: segments, Mailchimp's of audiences (subscribed, unsubscribed, cleaned), and names that anybody would give.
COLUMNS: Mapping[str, str] = {
    "email": "email",
    "emailaddress": "email",
    "phone": "phone",
    "phonenumber": "phone",
    "mobile": "phone",
    "smsphonenumber": "phone",
    "firstname": "first_name",
    "lastname": "last_name",
    "country": "country",
    "cc": "country",
    "countrycode": "country",
    "stateregion": "region",
    "state": "region",
    "region": "region",
    "city": "city",
    "locale": "locale",
    "language": "locale",
    "timezone": "zone",
    "birthday": "birthday",
    "dateofbirth": "birthday",
    "gender": "trait:gender",
    "emailmarketingconsent": "email_consent",
    "emailmarketingconsenttimestamp": "email_consent_at",
    "source": "consent_source",
    "emailsuppressions": "email_suppressed",
    "suppressed": "email_suppressed",
    "smsmarketingconsent": "sms_consent",
    "smsmarketingconsenttimestamp": "sms_consent_at",
    "lastchanged": "changed_at",
    "unsubtime": "unsubscribed_at",
    "cleantime": "cleaned_at",
    "optintime": "opted_in_at",
    "confirmtime": "opted_in_at",
}

_STATES: Mapping[str, str] = {
    "subscribed": "subscribed",
    "subscribe": "subscribed",
    "yes": "subscribed",
    "true": "subscribed",
    "1": "subscribed",
    "optedin": "subscribed",
    "optin": "subscribed",
    "unsubscribed": "unsubscribed",
    "unsubscribe": "unsubscribed",
    "optedout": "unsubscribed",
    "optout": "unsubscribed",
    "complained": "unsubscribed",
    "blocklisted": "unsubscribed",
    "blacklisted": "unsubscribed",
    "suppressed": "unsubscribed",
    "cleaned": "invalid",
    "bounced": "invalid",
    "hardbounce": "invalid",
    "invalid": "invalid",
    # Nobody's act: says nothing.
    "neversubscribed": "",
    "notsubscribed": "",
    "nonsubscribed": "",
    "transactional": "",
    "pending": "",
    "no": "",
    "false": "",
    "0": "",
    "": "",
}
_CODE = 2
_ALSO = {
    "unitedkingdom": "GB",
    "greatbritain": "GB",
    "unitedstatesofamerica": "US",
    "usa": "US",
    "czechia": "CZ",
    "southkorea": "KR",
    "turkiye": "TR",
    "thenetherlands": "NL",
}
_NOT_SUPPRESSED = frozenset(("", "[]", "false", "no", "0", "none"))
_MONTH_DAY = re.compile(r"(\d{1,2})[/-](\d{1,2})")
_PLAIN = re.compile(r"[^a-z0-9]")


class ListError(RekindleError):
    """The file cannot be imported as it was asked; says why, and what to do."""


class Reading(Struct, frozen=True, kw_only=True):
    """How a file is to be read.

    `columns` is column → field, before what is known of itself. `consent` is what all rows state, as of `consent_at`
    where they do not say when. `as_of` dates what says no time of its own: when the file was written.
    """

    as_of: datetime
    columns: Mapping[str, str] = {}
    consent: State | None = None
    consent_at: datetime | None = None
    consent_source: str = ""
    """by which way people agreed, where rows do not say so"""
    encoding: str = ""
    delimiter: str = ""


class ListFile:
    """`ports.Source` over an open file, which must be able to seek."""

    def __init__(self, file: BinaryIO, reading: Reading) -> None:
        """Read the file through once and its first row. Raises `ListError`."""
        self._file = file
        self._reading = reading
        file.seek(0)
        start = file.read(_SAMPLE)
        if start.startswith(_WIDE):
            raise ListError("the file is in UTF-16: save it as “CSV UTF-8”")
        self.digest, lines, is_utf8 = _scanned(file)
        self.encoding = reading.encoding or ("utf-8" if is_utf8 else "cp1252")
        try:
            # Not every codec is one of text, and the name is whatever was typed.
            b"\xff".decode(self.encoding, "replace")
        except (LookupError, ValueError) as error:
            raise ListError(f"there is no encoding {self.encoding} of text") from error
        self._first = len(_BOM) if start.startswith(_BOM) else 0
        self._line = 1
        told = start[self._first :].split(b"\n", 1)[0].strip().lower()
        if told.startswith(b"sep=") and len(told) == len(b"sep=") + 1:
            # Excel's own way to say by what the fields are divided.
            self._first += start[self._first :].find(b"\n") + 1 or len(start)
            self._line = 2
        self.delimiter = reading.delimiter or self._sniffed(start[self._first :])
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ListError("one sign divides the fields, such as ; and no quotation mark")
        self.header: list[str] = []
        head = next(self._rows(self._first, self._line), None)
        if head is None or not isinstance(head.found, list):
            raise ListError("the file has no first line with the names of its columns")
        self.header = [name.strip() for name in head.found]
        self._body, self._body_line = head.end, head.line + head.lines
        self._lines = max(0, lines - head.lines - self._line + 1)
        self.fields = self._fields()

    @property
    def unused(self) -> tuple[str, ...]:
        """The columns that are not taken."""
        return tuple(name for name, field in zip(self.header, self.fields, strict=True) if not field)

    @property
    def states_consent(self) -> bool:
        """Whether rows can say that somebody agreed."""
        return self._reading.consent == "subscribed" or not {"email_consent", "sms_consent"}.isdisjoint(self.fields)

    def total(self) -> int:
        """Return how many rows there are, or a few more, where one goes over several lines."""
        return self._lines

    def page(self, cursor: str | None) -> Page:
        """Return the rows that begin at this place in the file."""
        at, line = msgspec.json.decode(cursor, type=tuple[int, int]) if cursor else (self._body, self._body_line)
        records: list[Record] = []
        unusable: list[Unusable] = []
        for count, row in enumerate(self._rows(at, line)):
            if count == PAGE:
                return Page(records=records, unusable=unusable, cursor=msgspec.json.encode((row.at, row.line)).decode())
            where = f"line {row.line}"
            if isinstance(row.found, str):
                unusable.append(Unusable(where=where, why=row.found))
            elif any(cell.strip() for cell in row.found):
                record, problems = self._record(row.found, where)
                if record is not None:
                    records.append(record)
                unusable += [Unusable(where=where, why=problem) for problem in problems]
        return Page(records=records, unusable=unusable)

    # --- the file

    def _rows(self, at: int, line: int) -> Iterator[_Row]:
        """Yield the rows from this place on; of what is none, why."""
        self._file.seek(at)
        while first := self._file.readline(MAX_ROW + 1):
            begins, started = at, line
            raw, lines = first, 1
            at += len(first)
            after_first = at
            while _is_open(raw, self.delimiter) and lines < MAX_LINES and len(raw) <= MAX_ROW:
                more = self._file.readline(MAX_ROW + 1)
                if not more:
                    break
                raw += more
                lines += 1
                at += len(more)
            found = self._cells(raw) if len(raw) <= MAX_ROW else f"it is longer than {MAX_ROW:,} bytes"
            if _is_open(raw, self.delimiter) or (lines > 1 and not self._is_whole(found)):
                # Its first line alone is given up: what follows may be rows like any others.
                at, lines, found = after_first, 1, "a quotation mark is opened here and never closed"
            elif len(raw) > MAX_ROW:
                at = self._past_line(raw, at)
            yield _Row(begins, started, lines, at, found)
            self._file.seek(at)
            line = started + lines

    def _is_whole(self, found: list[str] | str) -> bool:
        """Whether what goes over several lines can be one row: else a mark was closed by the next one that opened."""
        return isinstance(found, list) and (not self.header or len(found) == len(self.header))

    def _past_line(self, raw: bytes, at: int) -> int:
        while raw and not raw.endswith(b"\n"):
            raw = self._file.readline(_CHUNK)
            at += len(raw)
        return at

    def _cells(self, raw: bytes) -> list[str] | str:
        try:
            text = raw.decode(self.encoding)
            # UTF-7 can spell what is no letter, and could not be stored.
            text.encode()
        except UnicodeError:
            if self.encoding != "cp1252":
                return f"it is not in {self.encoding}"
            # Five bytes of cp1252 mean nothing: they cost a letter, not a customer.
            text = raw.decode(self.encoding, "replace")
        try:
            rows = list(csv.reader([text], delimiter=self.delimiter, strict=False))
        except csv.Error as error:
            return f"it is no row: {error}"
        return rows[0] if rows else []

    def _sniffed(self, sample: bytes) -> str:
        """Return what divides the first row into most fields."""
        text = sample.decode(self.encoding, "replace")

        def fields(delimiter: str) -> int:
            head = next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter), [])
            return len(head)

        return max(_DELIMITERS, key=fields)

    # --- the columns

    def _fields(self) -> list[str]:
        asked = {_plain(name) or name.strip(): field for name, field in self._reading.columns.items()}
        known = {_plain(name) or name for name in self.header}
        missing = [name for name in self._reading.columns if (_plain(name) or name.strip()) not in known]
        if missing:
            raise ListError(f"there is no column {missing[0]}: the first line has {', '.join(self.header[:30])}")
        for field in asked.values():
            if field not in FIELDS and field != "ignore" and not (field.startswith("trait:") and field[6:].strip()):
                raise ListError(f"there is no field {field}: say one of {', '.join(FIELDS)}, trait:NAME or ignore")
        taken = set(asked.values())
        fields = []
        for name in self.header:
            plain = _plain(name) or name
            field = asked.get(plain) or COLUMNS.get(plain, "")
            # Of two columns that seem to be the same thing, what was named by hand counts.
            fields.append("" if field == "ignore" or (plain not in asked and field in taken) else field)
        if {"email", "phone", "customer_id"}.isdisjoint(fields):
            raise ListError("no column has addresses: say which one, as in --map “E-post=email”")
        return fields

    # --- a row

    def _record(self, cells: Sequence[str], where: str) -> tuple[Record | None, list[str]]:
        width = len(self.header)
        if any(cell.strip() for cell in cells[width:]):
            return None, [f"it has {len(cells)} fields, and the first line names {width}"]
        row: dict[str, str] = {}
        for field, cell in zip(self.fields, cells, strict=False):
            value = cell.strip()
            # Two columns of one field (opted in, confirmed): the later one that says anything, which is the stronger.
            if field and value:
                row[field] = value
        problems: list[str] = []
        changed = self._moment(row, "changed_at", problems)
        body = {
            "at": (changed or self._reading.as_of).isoformat(),
            "email": row.get("email"),
            "phone": row.get("phone"),
            "customer_id": row.get("customer_id"),
            "person": {name: _code(row[name]) if name == "country" else row[name] for name in _PERSON if name in row},
            "traits": self._traits(row),
            "consents": [
                {"channel": channel, "state": state, "at": at.isoformat()} | self._by(row, state)
                for channel, state, at in self._consents(row, changed, problems)
            ],
        }
        kept = {name: value for name, value in body.items() if value}
        return Record(topic=lists.TOPIC, body=msgspec.json.encode(kept), where=where), problems

    def _by(self, row: Mapping[str, str], state: str) -> dict[str, str]:
        way = row.get("consent_source") or self._reading.consent_source
        return {"by": way} if way and state == "subscribed" else {}

    def _traits(self, row: Mapping[str, str]) -> dict[str, str]:
        traits = {field.removeprefix("trait:"): value for field, value in row.items() if field.startswith("trait:")}
        if "birthday" in row:
            day = _MONTH_DAY.fullmatch(row["birthday"])
            # Mailchimp's birthdays have no year: MM/DD.
            traits["birthday"] = f"--{int(day[1]):02}-{int(day[2]):02}" if day else row["birthday"]
        return traits

    def _consents(
        self, row: Mapping[str, str], changed: datetime | None, problems: list[str]
    ) -> Iterator[tuple[str, str, datetime]]:
        """Yield (channel, state, when). One refusal in a row outdoes whatever else it says of that channel.

        What is said of the whole list is not said of a row whose own column says anything else.
        """
        reading = self._reading
        refused = self._refused(row, problems)
        said, said_at = self._state(row, "email_consent", problems), self._moment(row, "email_consent_at", problems)
        opted_in = self._moment(row, "opted_in_at", problems)
        if refused is not None or said in ("unsubscribed", "invalid"):
            # Never by when they once agreed: whatever they said in between would count as later.
            state, at = refused or (said, said_at)
            yield "email", state, at or changed or reading.as_of
        elif said or (reading.consent == "subscribed" and "email_consent" not in row):
            at = said_at or opted_in or reading.consent_at
            if at is None:
                problems.append("taken without consent to e-mail: it does not say since when (--consented-at)")
            else:
                yield "email", "subscribed", at
        state, at = self._state(row, "sms_consent", problems), self._moment(row, "sms_consent_at", problems)
        if state in ("unsubscribed", "invalid"):
            yield "sms", state, at or changed or reading.as_of
        elif state and at is not None:
            yield "sms", state, at
        elif state:
            problems.append("taken without consent to text messages: it does not say since when")

    def _refused(self, row: Mapping[str, str], problems: list[str]) -> tuple[str, datetime | None] | None:
        """Return whether, and when, the row or the whole list says not to write to this address."""
        reason = row.get("email_suppressed", "").lower()
        cleaned, gone = (self._moment(row, name, problems) for name in ("cleaned_at", "unsubscribed_at"))
        if "cleaned_at" in row or self._reading.consent == "cleaned" or "bounce" in reason or "invalid" in reason:
            return "invalid", cleaned or self._reading.consent_at
        suppressed = reason not in _NOT_SUPPRESSED
        if "unsubscribed_at" in row or suppressed or self._reading.consent == "unsubscribed":
            return "unsubscribed", gone or self._reading.consent_at
        return None

    @staticmethod
    def _state(row: Mapping[str, str], field: str, problems: list[str]) -> str:
        state = _STATES.get(_plain(row.get(field, "")))
        if state is None:
            problems.append(f"taken without consent: its {field} is no state that is known")
        return state or ""

    @staticmethod
    def _moment(row: Mapping[str, str], field: str, problems: list[str]) -> datetime | None:
        if field not in row:
            return None
        found = read_moment(row[field])
        if found is None:
            problems.append(f"taken without its {field}: it is no time that could be read")
        return found


class _Row(Struct, frozen=True):
    at: int
    line: int
    lines: int
    end: int
    found: list[str] | str
    """its cells, or why there are none"""


def read_moment(text: str) -> datetime | None:
    """Return a time of ISO 8601 in UTC, with a space or a T; one that names no zone is in UTC, as exports have it."""
    try:
        read = datetime.fromisoformat(text.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


@functools.cache
def _countries() -> Mapping[str, str]:
    """Return name, in plain letters → code: as tzdata has them, and how people write a few of them."""
    table = (importlib.resources.files("tzdata.zoneinfo") / "iso3166.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return {_plain(name): code for code, name in rows} | _ALSO


def _code(country: str) -> str:
    """Return the code of a country whose name is written out (Klaviyo's exports); anything else as it stands."""
    return country if len(country) == _CODE else _countries().get(_plain(country), country)


def _plain(name: str) -> str:
    return _PLAIN.sub("", name.casefold())


def _is_open(raw: bytes, delimiter: str) -> bool:
    """Whether a row is not over at the end of this text, because a quoted field is not."""
    if b'"' not in raw:
        return False
    divider, place = delimiter.encode(), 0
    while True:
        if raw[place : place + 1] == b'"':
            end = raw.find(b'"', place + 1)
            while end >= 0 and raw[end + 1 : end + 2] == b'"':
                end = raw.find(b'"', end + 2)
            if end < 0:
                return True
            place = end + 1
        place = raw.find(divider, place) + 1
        if not place:
            return False


def _scanned(file: BinaryIO) -> tuple[str, int, bool]:
    """Read the file through: what it is known by, how many lines it has, whether it is UTF-8."""
    file.seek(0)
    sha, lines, last = hashlib.sha256(), 0, b"\n"
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = True
    while chunk := file.read(_CHUNK):
        sha.update(chunk)
        lines += chunk.count(b"\n")
        last = chunk[-1:]
        if is_utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
    if is_utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    return sha.hexdigest()[:32], lines + (last != b"\n"), is_utf8
