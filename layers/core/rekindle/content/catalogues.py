"""The words of mails by language: `emails/<mail>/texts/<locale>.yaml`, put into the one body that all languages share.

It happens at publish, in the source: `{{ texts.title }}` becomes what the catalogue says, with that file and line, and
a text that counts becomes `if`s by CLDR's plural rules. So `send` renders one flat template in the reader's language,
and no language costs anything. Publish only: imports Babel, through `rekindle.content.locales`.
"""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from rekindle.content import languages, locales
from rekindle.content.pieces import Piece, scan
from rekindle.domain.errors import ContentError
from rekindle.flow.yaml_source import Path, Positions, load

#: The language that stands in for a text which nobody wrote in the mail's own.
FALLBACK = "en"
#: First and last sign around a value that may be written in the other direction (Unicode TR 9, explicit isolates).
ISOLATE, END_ISOLATE = "\u2068", "\u2069"

_FORMS = ("zero", "one", "two", "few", "many", "other")
_FILE = re.compile(r"texts/([^/]+)\.yaml\Z")
_KEY = re.compile(r"[a-z][a-z0-9_]*\Z")
_COUNT = re.compile(r"[a-z]\w*(?:\.\w+)*(?:\s*\|\s*length)?\Z")
_WHOLE = re.compile(r"\{\{[-+]?\s*(texts|mail)\.(\w+)\s*[-+]?\}\}\Z")
_INSIDE = re.compile(
    r"""'(?:[^'\\]|\\.)*(?:'|\\?\Z)|"(?:[^"\\]|\\.)*(?:"|\\?\Z)|(?<![\w.])(texts|mail)\.(\w+)""", re.DOTALL
)
_MARKUP = re.compile(r"</?[A-Za-z]|&#?\w+;")

Place = Literal["html", "escaped", "plain"]
"""Where a piece is going: into HTML as HTML, into HTML as words, into what is no HTML"""


@dataclass(frozen=True, slots=True)
class Text:
    """One text as it was written: `forms` has `other` alone, or each plural form; `count` is what they count."""

    forms: Mapping[str, str]
    file: str
    line: int
    count: str = ""


class Catalogue(NamedTuple):
    """The texts of one file, by key."""

    file: str
    texts: Mapping[str, Text]


class Gap(NamedTuple):
    """A text that is not there in a language; `key` is `None` where there is no file for the language at all."""

    locale: str
    key: str | None
    file: str
    """the catalogue that ought to have it"""
    user: str
    """the file that uses it, and its line"""
    line: int | None
    what: str = "mail"

    def error(self) -> ContentError:
        """Return it as what somebody can mend."""
        language = locales.name(self.locale)
        if self.key is None:
            said = f"the {self.what} is not written in {language}"
            hint = f"add {self.file}, or list in the shop's file the languages that it writes in: locales: [en]"
            return ContentError(said, file=self.user, line=self.line, hint=hint)
        where = f"{self.user}:{self.line}" if self.line else self.user
        said = f"the text '{self.key}' is not there in {language}, and {where} uses it"
        return ContentError(said, file=self.file, hint=f"add a line {self.key}: …")


@lru_cache(maxsize=1_000)
def read_catalogue(text: str, file: str) -> tuple[Catalogue, tuple[ContentError, ...]]:
    """Return the texts of a catalogue and everything that is wrong with it. Remembered: nobody changes it."""
    nothing = Catalogue(file, {})
    tag = file.rpartition("/")[2].rpartition(".")[0]
    if not locales.known_locale(tag) or not languages.canonical(tag):
        hint = "name the file by language, and script or country where it matters: en.yaml, ar.yaml, zh-Hant.yaml"
        return nothing, (ContentError(f"“{tag}” is no language", file=file, line=1, hint=hint),)
    try:
        data, positions = load(text, file)
    except ContentError as error:
        return nothing, (error,)
    if not isinstance(data, dict):
        hint = "write one text a line: title: Welcome"
        return nothing, (ContentError("the catalogue has no texts", file=file, line=1, hint=hint),)
    reader = _Reader(file, tag, positions)
    found = {key: one for key, value in data.items() if (one := reader.text(key, value)) is not None}
    return Catalogue(file, found), tuple(reader.problems)


def catalogues_of(
    name: str, files: Mapping[str, str], root: str
) -> tuple[dict[str, Catalogue], dict[str, Catalogue], list[ContentError]]:
    """Return the catalogues of a message, and of what messages share, by locale, and what is wrong with them."""
    own: dict[str, Catalogue] = {}
    shared: dict[str, Catalogue] = {}
    problems: list[ContentError] = []
    for path in sorted(files):
        folder, _, rest = path.partition("/")
        found = _FILE.match(rest)
        if found is None or not (folder == name or folder.startswith("_")):
            continue
        read, wrong = read_catalogue(files[path], root + path)
        problems += wrong
        into, locale = (own if folder == name else shared), languages.canonical(found.group(1))
        known = into.get(locale)
        if known is not None and folder == name:
            hint = "keep one of them"
            problems.append(ContentError(f"{known.file} is the same language", file=read.file, line=1, hint=hint))
        into[locale] = read if known is None else Catalogue(known.file, {**known.texts, **read.texts})
    return own, shared, problems


class _Reader:
    def __init__(self, file: str, tag: str, positions: Positions) -> None:
        self._file = file
        self._tag = tag
        self._positions = positions
        self.problems: list[ContentError] = []

    def text(self, key: str, value: object) -> Text | None:
        line = self._positions.line((key,))
        if not _KEY.match(key):
            self._problem(f"“{key}” cannot be a text's name", (key,), "use small letters, digits and _")
        elif isinstance(value, dict):
            return self._plural(key, value, line)
        elif value is None or not str(value).strip():
            self._problem(f"the text '{key}' is empty", (key,), "write it, or remove the line")
        elif isinstance(value, list):
            self._problem(f"'{key}' is a list", (key,), "a text is one line, or several after | or >")
        else:
            return Text({"other": str(value).strip()}, self._file, line)
        return None

    def _plural(self, key: str, value: Mapping[str, object], line: int) -> Text | None:
        count = value.get("count")
        before = len(self.problems)
        if not isinstance(count, str) or not _COUNT.match(count.strip()):
            said = f"'{key}' does not say what it counts"
            self._problem(said, (key, "count"), "add count: with a number's name, as in count: event.item_count")
        known = locales.plural_forms(self._tag)
        for form in value:
            if form not in (*_FORMS, "count"):
                self._problem(f"'{key}' has no form '{form}'", (key, form), f"there are {', '.join(known)}")
        lacking = [form for form in known if not str(value.get(form) or "").strip()]
        if lacking:
            language = locales.name(self._tag)
            said = f"'{key}' lacks {' and '.join(lacking)}"
            self._problem(said, (key,), f"{language} counts in {', '.join(known)}: write each")
        if len(self.problems) > before:
            return None
        forms = {form: str(value[form]).strip() for form in _FORMS if str(value.get(form) or "").strip()}
        return Text(forms, self._file, line, str(count).strip())

    def _problem(self, message: str, path: Path, hint: str) -> None:
        self.problems.append(ContentError(message, file=self._file, line=self._positions.line(path), hint=hint))


@dataclass(slots=True)
class Voice:
    """One mail in one language: puts its texts into the sources, and notes which it used and which were not there.

    `own` and `shared` are the catalogues by locale, of the mail and of the layout.
    """

    locale: str
    name: str
    own: Mapping[str, Catalogue]
    shared: Mapping[str, Catalogue]
    root: str = "emails/"
    used: set[str] = field(default_factory=set)
    gaps: dict[str, Gap] = field(default_factory=dict)

    @property
    def rtl(self) -> bool:
        """Whether the language is written from right to left."""
        return locales.direction(self.locale) == "rtl"

    def constants(self) -> dict[str, str]:
        """Return what `mail` has, which is settled when a mail is published in a language."""
        start, end = ("right", "left") if self.rtl else ("left", "right")
        return {"lang": self.locale, "dir": "rtl" if self.rtl else "ltr", "start": start, "end": end}

    def speak(self, pieces: Sequence[Piece], place: Place, words_in: str | None = None) -> list[Piece]:
        """Return the source with the texts in it. What comes from the file `words_in` is words, wherever it goes.

        Raises `ContentError`, at its place, for a text that there is not in any language, and one that does not fit.
        """
        found: list[Piece] = []
        for piece in pieces:
            if piece.kind == "data":
                found.append(piece)
                continue
            whole = _WHOLE.match(piece.text)
            if whole is None:
                found.append(self._literals(piece))
            elif whole.group(1) == "mail":
                found.append(Piece("data", self._constant(whole.group(2), piece), piece.file, piece.line))
            else:
                text = self._find(whole.group(2), piece)
                found += self._spoken(text, "escaped" if piece.file == words_in and place == "html" else place)
        return found

    def _spoken(self, text: Text, place: Place) -> Iterator[Piece]:
        if not text.count:
            yield from self._form(text, "other", place)
            return

        def tag(said: str) -> Piece:
            return Piece("tag", f"{{% {said} %}}", text.file, text.line)

        rules = [(form, rule) for form, rule in locales.plural_rules(_tag(text.file)) if form in text.forms]
        yield tag(f"with count={text.count}")
        for number, (form, rule) in enumerate(rules):
            yield tag(f"{'elif' if number else 'if'} {rule}")
            yield from self._form(text, form, place)
        if rules:
            yield tag("else")
        yield from self._form(text, "other", place)
        if rules:
            yield tag("endif")
        yield tag("endwith")

    def _form(self, text: Text, form: str, place: Place) -> Iterator[Piece]:
        said = text.forms[form]
        if place != "html" and (markup := _MARKUP.search(said)):
            hint = "use a text of its own for it, in plain words"
            said = f"“{markup.group()}” would be shown as it is written: no HTML can stand in a subject or a preheader"
            raise ContentError(said, file=text.file, line=text.line, hint=hint)
        for piece in scan(said, text.file):
            if piece.kind == "tag" and piece.keyword not in {"if", "elif", "else", "endif"}:
                hint = "a text can hold values, {{ … }}, and {% if %}; the rest belongs in the body"
                raise ContentError(f"{{% {piece.keyword} %}} in a text", file=text.file, line=text.line, hint=hint)
            if piece.kind != "data" and any(found.group(1) for found in _INSIDE.finditer(piece.text)):
                hint = "write its words here"
                raise ContentError("a text cannot use another text", file=text.file, line=text.line, hint=hint)
            shown = html.escape(piece.text, quote=False) if place == "escaped" and piece.kind == "data" else piece.text
            yield Piece(piece.kind, shown, text.file, text.line)

    def _literals(self, piece: Piece) -> Piece:
        """Return the piece with each text that it names inside an expression as a quoted one."""

        def quoted(found: re.Match[str]) -> str:
            if found.group(1) is None:
                return found.group()
            if found.group(1) == "mail":
                return _quoted(self._constant(found.group(2), piece))
            text = self._find(found.group(2), piece)
            said = text.forms["other"]
            if text.count or re.search(r"[{}]", said) or _MARKUP.search(said):
                hint = f"put it between tags, as {{{{ texts.{found.group(2)} }}}}"
                raise piece.error(f"the text '{found.group(2)}' has values or HTML in it: here it must be words", hint)
            return _quoted(said)

        return Piece(piece.kind, _INSIDE.sub(quoted, piece.text), piece.file, piece.line)

    def _constant(self, name: str, piece: Piece) -> str:
        known = self.constants()
        if name not in known:
            raise piece.error(f"'mail' has no '{name}'", f"there are {', '.join(known)}")
        return known[name]

    def _find(self, key: str, piece: Piece) -> Text:
        self.used.add(key)
        for catalogues in (self.own, self.shared):
            for tag in languages.chain(self.locale):
                if tag in catalogues and key in catalogues[tag].texts:
                    return catalogues[tag].texts[key]
        others = [one.texts[key] for one in self._others() if key in one.texts]
        if not others:
            known = sorted({name for one in self._others() for name in one.texts})
            near = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"add it to {self.root}{self.name}/texts/{FALLBACK}.yaml"
            raise piece.error(f"there is no text '{key}'", hint)
        written = others[-1].file.rpartition("/")[0]
        self.gaps.setdefault(key, Gap(self.locale, key, f"{written}/{self.locale}.yaml", piece.file, piece.line))
        return others[-1]

    def _others(self) -> Iterator[Catalogue]:
        """Yield every catalogue, the one that is to stand in last."""
        for catalogues in (self.shared, self.own):
            yield from (one for tag, one in catalogues.items() if tag != FALLBACK)
        for catalogues in (self.shared, self.own):
            if FALLBACK in catalogues:
                yield catalogues[FALLBACK]


def unused(catalogues: Mapping[str, Catalogue], used: set[str]) -> Iterator[ContentError]:
    """Yield the texts that nothing uses: nearly always a name that is misspelt."""
    for one in catalogues.values():
        for key in one.texts.keys() - used:
            near = difflib.get_close_matches(key, sorted(used - one.texts.keys()), 1)
            hint = f"did you mean '{near[0]}'?" if near else "remove it, or use it: {{ texts." + key + " }}"
            text = one.texts[key]
            yield ContentError(f"nothing uses the text '{key}'", file=text.file, line=text.line, hint=hint)


def _tag(file: str) -> str:
    return file.rpartition("/")[2].rpartition(".")[0]


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'
