"""Turn the files of a mail into what `send` renders: composed, checked, MJML compiled, CSS inlined, text part made.

Publish only: imports css-inline and mrml through `rekindle.content.markup`. The same input gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, get_args

from jinja2 import nodes

from rekindle.content import languages, markup, numbering, plaintext, sandbox
from rekindle.content.assets import NO_ASSETS, Shelf
from rekindle.content.brand import Brand
from rekindle.content.catalogues import (
    END_ISOLATE,
    FALLBACK,
    ISOLATE,
    Catalogue,
    Gap,
    Voice,
    catalogues_of,
    unused,
)
from rekindle.content.compose import Composer, check_tags, join, located, tags_alone
from rekindle.content.context import RECOMMENDATIONS
from rekindle.content.mails import MailTemplate, compiled
from rekindle.content.media import FOLDER, HOST
from rekindle.content.names import names_of
from rekindle.content.pieces import Piece
from rekindle.domain.errors import ContentError
from rekindle.domain.profile import Category
from rekindle.flow.yaml_source import load

#: What a mail's folder may hold.
FILES = frozenset({"subject.txt", "preheader.txt", "body.html", "body.mjml", "body.txt", "sample.json", "mail.yaml"})

_LOCAL = re.compile(r"[^/]+/((?!texts/)[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)/([^/]+)\Z")
#: What a folder of a language may hold without the mail's words being in it.
_NOT_WORDS = frozenset({"sample.json"})

_FORBIDDEN = frozenset({"script", "iframe", "object", "embed", "form", "input", "button", "base", "applet", "frame"})
_SCHEMES = ("https://", "http://", "mailto:", "tel:", "#")
_PIXEL = (
    f"{{% if {sandbox.PIXEL} %}}"
    f'<img src="{{{{ {sandbox.PIXEL} }}}}" alt="" width="1" height="1" border="0" style="display:block;border:0">'
    "{% endif %}"
)
_HAS_VALUE = re.compile(r"jq\d+qj")


@dataclass(slots=True)
class CompiledMail:
    """A mail in each of its languages, and what the whole set must still be asked about it."""

    template: MailTemplate
    """the language that stands in where none is the reader's"""
    event_fields: dict[str, tuple[str, int]] = field(default_factory=dict)
    """part of `event` → file and line of its first use"""
    coupon_fields: dict[str, tuple[str, int]] = field(default_factory=dict)
    """part of `coupon` that it shows whether there is one or not → the same"""
    coupon: bool = False
    """whether it speaks of a coupon at all"""
    translations: dict[str, MailTemplate] = field(default_factory=dict)
    """locale → the mail in it, for all others"""
    gaps: tuple[Gap, ...] = ()
    """texts that are not there in a language, and stood in for"""
    doubts: tuple[ContentError, ...] = ()


def compile_mail(
    name: str,
    files: Mapping[str, str],
    brand: Brand,
    root: str = "emails/",
    *,
    wanted: Collection[str] = (),
    shelf: Shelf = NO_ASSETS,
) -> tuple[CompiledMail | None, tuple[ContentError, ...]]:
    """Return the mail `name` and everything that is wrong with it; `None` when anything is.

    `files` are all files below `root` by their path (`cart-reminder-1/subject.txt`, `_layout/marketing.html`). `wanted`
    are the locales that shops write in: a mail that names no language of its own is taken to be in each of them.
    `shelf` has the files under `assets/`.
    """
    problems: dict[str, ContentError] = {}
    own, shared, more = catalogues_of(name, files, root)
    problems.update((str(one), one) for one in more)
    spoken = _languages(name, files, own)
    written_in = spoken or tuple(sorted({tag for one in wanted if (tag := languages.base(one))})) or (FALLBACK,)
    versions: dict[str, CompiledMail] = {}
    voices = []
    doubts: dict[str, ContentError] = {}
    for locale in written_in:
        voice = Voice(locale, name, own, shared, root)
        work = _Work(name, files, brand, root, voice, shelf)
        try:
            found = work.compile()
        except ContentError as error:
            work.problems.append(error)
            found = None
        # A mistake in what the languages share is found in each of them.
        problems.update((str(one), one) for one in work.problems)
        doubts.update((str(one), one) for one in work.doubts)
        voices.append(voice)
        if found is not None:
            versions[locale] = found
    if problems or not versions:
        return None, tuple(problems.values())
    first = versions.pop(languages.pick(versions, FALLBACK) or written_in[0])
    for other in versions.values():
        first.event_fields = other.event_fields | first.event_fields
        first.coupon_fields = other.coupon_fields | first.coupon_fields
        first.coupon = first.coupon or other.coupon
    first.translations = {locale: one.template for locale, one in versions.items()}
    lacking = sorted(
        {tag for one in wanted if spoken and not languages.pick(spoken, one) and (tag := languages.base(one))}
    )
    first.gaps = (
        *(gap for voice in voices for gap in voice.gaps.values()),
        *(Gap(tag, None, f"{root}{name}/texts/{tag}.yaml", f"{root}{name}", None) for tag in lacking),
    )
    first.doubts = (*unused(own, {key for voice in voices for key in voice.used}), *doubts.values())
    return first, ()


def _languages(name: str, files: Mapping[str, str], own: Mapping[str, Catalogue]) -> tuple[str, ...]:
    """Return the locales that this mail itself is written in; none where its one wording is for everybody."""
    folders = {
        languages.canonical(found.group(1))
        for path in files
        if (found := _LOCAL.match(path)) and found.group(2) not in _NOT_WORDS and path.startswith(f"{name}/")
    }
    return tuple(sorted(tag for tag in {*own, *folders} if tag))


class _Work:
    """One mail in one language."""

    def __init__(  # noqa: PLR0917 - as `compile_mail`
        self, name: str, files: Mapping[str, str], brand: Brand, root: str, voice: Voice, shelf: Shelf
    ) -> None:
        self._name = name
        self._root = root
        self._files = files
        self._voice = voice
        self._own = _own_files(name, files, voice.locale)
        self._brand = brand
        self._composer = Composer(files, root)
        self._shelf = shelf
        self.problems: list[ContentError] = []
        self.doubts: list[ContentError] = []
        self._event_fields: dict[str, tuple[str, int]] = {}
        self._recommended: dict[str, None] = {}
        self._forms: set[str] = set()
        self._coupon_fields: dict[str, tuple[str, int]] = {}
        self._coupon = False

    def compile(self) -> CompiledMail | None:
        body = self._body()
        category, needs = self._settings()
        subject = self._checked("subject.txt", html=False)
        preheader = self._own.get("preheader.txt")
        peek = self._checked("preheader.txt", html=False) if preheader else []
        pieces = self._checked(body, html=True, preheader=preheader)
        own_text = self._checked("body.txt", html=False) if "body.txt" in self._own else None
        for name in needs:
            if name not in self._recommended:
                self._unsettled(f"needs says {name}, and the mail shows no recommend.{name}", "needs", "take it out")
        if self.problems:
            return None
        for found, wrong in self._shelf.check(pieces):
            (self.problems if wrong else self.doubts).append(found)
        masked = markup.Masker(self._constant, isolate=self._voice.rtl).mask(pieces)
        self._look_at(masked.tags)
        masked.html = self._shelf.place(masked.html)
        if body == "body.mjml":
            masked = markup.from_mjml(masked, self._path(body))
        masked = numbering.number(masked)
        html = _with_pixel(masked.restore(markup.inline(masked, self._path(body))))
        html = html.replace(HOST, f"{{{{ {sandbox.ASSETS} }}}}")
        text = plaintext.derive(masked.html, masked.originals)
        if own_text is not None:
            text = tags_alone(self._isolated(numbering.number_text(own_text)))
        template = MailTemplate(
            name=self._name,
            locale=self._voice.locale,
            subject=self._isolated(subject).strip(),
            html=html,
            text=text,
            category=category,
            coupon=tuple(sorted(self._coupon_fields)),
            preheader=self._isolated(peek).strip(),
            recommend=tuple(self._recommended),
            forms=tuple(sorted(self._forms)),
            needs=needs,
        )
        try:
            compiled(template)
        except ContentError as error:
            # What was wrong in its files was said above, with its line; the lines of what came of them would mislead.
            raise ContentError(error.message, file=self._path(body), hint=error.hint) from error
        return CompiledMail(template, self._event_fields, self._coupon_fields, self._coupon)

    def _isolated(self, pieces: list[Piece]) -> str:
        """Return a source that is no HTML; written from right to left, no value in it can turn its neighbours round."""
        if not self._voice.rtl:
            return join(pieces)
        return "".join(
            f"{ISOLATE}{piece.text}{END_ISOLATE}" if piece.kind == "value" else piece.text for piece in pieces
        )

    def _path(self, file: str) -> str:
        return self._root + self._own.get(file, f"{self._name}/{file}")

    def _body(self) -> str:
        bodies = [file for file in ("body.html", "body.mjml") if file in self._own]
        for file in sorted(self._own.keys() - FILES):
            self.problems.append(
                ContentError(
                    "a mail has no such file", file=self._path(file), hint=f"it may have {', '.join(sorted(FILES))}"
                )
            )
        if "subject.txt" not in self._own:
            self.problems.append(
                ContentError(
                    "the mail has no subject", file=self._path("subject.txt"), hint="add subject.txt, one line"
                )
            )
        if len(bodies) != 1:
            said = "no body" if not bodies else "two bodies"
            self.problems.append(
                ContentError(
                    f"the mail has {said}", file=self._path("body.html"), hint="keep one: body.html or body.mjml"
                )
            )
        if self.problems:
            raise self.problems.pop()
        return bodies[0]

    def _settings(self) -> tuple[Category, tuple[str, ...]]:
        """Return what `mail.yaml` says: the category, and the lists of `recommend` without which no mail goes."""
        if "mail.yaml" not in self._own:
            return "marketing", ()
        data, _ = load(self._files[self._own["mail.yaml"]], self._path("mail.yaml"))
        known = get_args(Category)
        told = data if isinstance(data, dict) else {}
        if not told or not told.keys() <= {"category", "needs"}:
            hint = f"write category: {' or category: '.join(known)}"
            self._unsettled("mail.yaml says the category, and what the mail needs, and nothing else", "category", hint)
            return "marketing", ()
        category, needs = told.get("category", "marketing"), told.get("needs", [])
        if category not in known:
            self._unsettled(f"there is no category '{category}'", "category", f"write {' or '.join(known)}")
        if not isinstance(needs, list) or not set(map(str, needs)) <= set(RECOMMENDATIONS):
            lists = ", ".join(RECOMMENDATIONS)
            self._unsettled("needs names lists of recommend", "needs", f"write needs: [better]; there are {lists}")
            needs = []
        return category if category in known else "marketing", tuple(needs)

    def _unsettled(self, said: str, place: str, hint: str) -> None:
        file = self._path("mail.yaml")
        _, lines = load(self._files[self._own["mail.yaml"]], file)
        self.problems.append(ContentError(said, file=file, line=lines.line((place,)), hint=hint))

    def _checked(self, file: str, *, html: bool, preheader: str | None = None) -> list[Piece]:
        path = self._own[file]
        composed = self._composer.compose(path, preheader if preheader != path else None)
        words_in = self._root + preheader if preheader is not None else None
        pieces = self._voice.speak(composed, "html" if html else "plain", words_in)
        source = located(pieces, self._path(file))
        try:
            check_tags(pieces)
        except ContentError as error:
            self.problems.append(error)
            return pieces
        try:
            names = names_of(source.text, self._path(file), html=html)
        except ContentError as error:
            self.problems.append(source.relocate(error))
            return pieces
        self.problems.extend(source.relocate(problem) for problem in names.problems)
        for used, line in names.event_fields.items():
            self._event_fields.setdefault(used, source.places[min(line, len(source.places)) - 1])
        self._recommended.update(dict.fromkeys(names.recommended))
        self._forms.update(names.forms)
        for used, line in names.coupon_fields.items():
            self._coupon_fields.setdefault(used, source.places[min(line, len(source.places)) - 1])
        self._coupon = self._coupon or names.coupon
        return pieces

    def _constant(self, piece: Piece) -> str | None:
        return _of_brand(piece.text, self._brand)

    def _look_at(self, tags: list[markup.Tag]) -> None:
        for tag in tags:
            for message, hint in _faults(tag, self._shelf):
                self.problems.append(ContentError(message, file=tag.file, line=tag.line, hint=hint))


def _with_pixel(html: str) -> str:
    """Return the HTML with the picture that counts who opens it, the last thing in the mail.

    It has its size, or a program without pictures would draw a frame; and an empty alt text, which nobody reads out.
    """
    head, end, tail = html.rpartition("</body>")
    return f"{head}{_PIXEL}{end}{tail}" if end else f"{html}{_PIXEL}"


@lru_cache(maxsize=1_000)
def _of_brand(source: str, brand: Brand) -> str | None:
    tree = sandbox.parse(source, "", html=False)
    if {found.name for found in tree.find_all(nodes.Name)} != {"brand"}:
        return None
    return sandbox.run(sandbox.compiled(source, "", html=False), {"brand": brand.plain()}, sandbox.Budget())


def _own_files(name: str, files: Mapping[str, str], locale: str) -> dict[str, str]:
    """Return file → path of all that a mail has in a language: what its folder for that language has comes first."""
    found = {path.rpartition("/")[2]: path for path in files if path.startswith(f"{name}/") and path.count("/") == 1}
    folders = {
        languages.canonical(at.group(1)): at.group(1)
        for path in files
        if path.startswith(f"{name}/") and (at := _LOCAL.match(path))
    }
    for tag in reversed(languages.chain(locale)):
        if tag in folders:
            where = f"{name}/{folders[tag]}/"
            found |= {path.removeprefix(where): path for path in files if path.startswith(where)}
    return found


def _faults(tag: markup.Tag, shelf: Shelf) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    given: dict[str, Any] = tag.attributes
    if tag.name in _FORBIDDEN:
        found.append((f"<{tag.name}> does nothing in a mail, or looks like fraud", "remove it"))
    found.extend(
        (f"{attribute} runs a script, which no mail program does", "remove it")
        for attribute in given
        if attribute.startswith("on")
    )
    if given.get("data-track", "no") != "no":
        found.append(("data-track says one thing: no", 'write data-track="no" on a link whose clicks are not counted'))
    if tag.name in {"img", "mj-image"} and "alt" not in given:
        found.append(("the picture has no alt text", 'say what it shows, or alt="" when it only decorates'))
    for attribute in ("href", "src"):
        target = given.get(attribute)
        if target is None or tag.name in {"link", "mj-class"}:
            continue
        if not target.strip():
            found.append((f"{attribute} is empty", "give it an address, or remove the link"))
        elif attribute == "src" and target.startswith(FOLDER):
            continue  # the shelf has been asked
        elif FOLDER in target and _HAS_VALUE.search(target) and not target.lower().startswith(_SCHEMES):
            found.append((f"{FOLDER}… must be the whole address of a picture", "put {% if %} around whole tags"))
        elif not _HAS_VALUE.match(target) and not target.lower().startswith(_SCHEMES):
            found.append((f"“{target[:60]}” leads nowhere from a mail", _nowhere(attribute, target, shelf)))
    return found


def _nowhere(attribute: str, target: str, shelf: Shelf) -> str:
    """Return what to do about an address that is none."""
    if attribute == "src" and (near := shelf.near(target)):
        return f'write src="{near}"'
    if attribute == "src":
        return f'upload it to {FOLDER}, and write src="{FOLDER}…"'
    return "write the whole address, with https://"
