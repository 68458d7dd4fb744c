"""Text and push messages at publish: in each language, checked as mails are, and made into what `send` renders.

`sms/<name>.txt` and `push/<name>.yaml` are whole messages. Their words may stand by language in `sms/<name>/texts/`, as
those of mails do (`rekindle.content.catalogues`); `sms/<name>/ar.txt` is the whole message in one language. Publish
only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rekindle.content import languages, numbering, sandbox
from rekindle.content.catalogues import END_ISOLATE, FALLBACK, ISOLATE, Gap, Voice, catalogues_of, unused
from rekindle.content.compose import check_tags, join, located
from rekindle.content.context import web
from rekindle.content.names import names_of
from rekindle.content.pieces import Piece, scan
from rekindle.content.sources import PushFile, shaped
from rekindle.content.texts import MAX_SMS, PushTemplate, SmsTemplate
from rekindle.domain.errors import ContentError

S = TypeVar("S", bound=SmsTemplate | PushTemplate)


@dataclass(slots=True)
class CompiledShort(Generic[S]):
    """A short message in each of its languages, and what the whole set must still be asked about it."""

    template: S
    """the language that stands in where none is the reader's"""
    event_fields: dict[str, tuple[str, int]] = field(default_factory=dict)
    """part of `event` → file and line of its first use"""
    coupon_fields: dict[str, tuple[str, int]] = field(default_factory=dict)
    """part of `coupon` that it shows → the same"""
    translations: dict[str, S] = field(default_factory=dict)
    """locale → the message in it, for all others"""
    gaps: tuple[Gap, ...] = ()
    doubts: tuple[ContentError, ...] = ()


Problems = tuple[ContentError, ...]


def compile_sms(
    name: str, files: Mapping[str, str], wanted: Collection[str] = ()
) -> tuple[CompiledShort[SmsTemplate] | None, Problems]:
    """Return the text message `name` and everything that is wrong with it; `None` when anything is.

    `files` are all below `sms/` by their path; `wanted` are the locales that shops write in.
    """

    def make(work: _Work, path: str) -> SmsTemplate:
        source = work.files[path]
        if not source.strip():
            work.problem("the text is empty", path, 1, "write what the message says")
        elif len(source.strip()) > MAX_SMS:
            work.problem(f"the text is longer than {MAX_SMS} characters", path, 1, "no phone network takes more")
        said = work.source(source.strip("\n"), path, 1, numbered=True).strip()
        return SmsTemplate(name=name, text=said, locale=work.voice.locale, coupon=tuple(sorted(work.coupon_fields)))

    return _compiled(name, files, wanted, ("sms/", "txt", "text"), make)


def compile_push(
    name: str, files: Mapping[str, str], wanted: Collection[str] = ()
) -> tuple[CompiledShort[PushTemplate] | None, Problems]:
    """Return the push message `name`, as `compile_sms` does."""

    def make(work: _Work, path: str) -> PushTemplate:
        found, problems, positions = shaped(PushFile, work.files[path], f"push/{path}")
        work.problems += problems
        if found is None:
            return PushTemplate(name=name, title="", body="")
        said = {}
        for part in ("title", "body", "url", "image"):
            source, line = getattr(found, part), positions.line((part,))
            if part in {"url", "image"} and source and "{" not in source and web(source) is None:
                work.problem(f"{part}: this is no address on the web", path, line, "write it with https://")
            said[part] = work.source(source, path, line, numbered=part == "url", words=part in {"title", "body"})
        return PushTemplate(name=name, locale=work.voice.locale, coupon=tuple(sorted(work.coupon_fields)), **said)

    return _compiled(name, files, wanted, ("push/", "yaml", "push message"), make)


def languages_of(name: str, files: Mapping[str, str], ending: str) -> dict[str, str]:
    """Return locale → path of the files that are the whole message in one language."""
    local = re.compile(rf"{re.escape(name)}/([a-z]{{2,3}}(?:-[A-Za-z0-9]{{2,8}})*)\.{ending}\Z")
    return {languages.canonical(found.group(1)): path for path in files if (found := local.match(path))}


def _compiled(
    name: str,
    files: Mapping[str, str],
    wanted: Collection[str],
    kind: tuple[str, str, str],
    make: Callable[[_Work, str], S],
) -> tuple[CompiledShort[S] | None, Problems]:
    root, ending, what = kind
    own, shared, more = catalogues_of(name, files, root)
    problems = {str(one): one for one in more}
    whole = languages_of(name, files, ending)
    main = f"{name}.{ending}"
    spoken = tuple(sorted(tag for tag in {*own, *whole} if tag))
    written_in = spoken or tuple(sorted({tag for one in wanted if (tag := languages.base(one))})) or (FALLBACK,)
    made: dict[str, S] = {}
    works: list[_Work] = []
    for locale in written_in:
        at = languages.pick(whole, locale)
        path = whole[at] if at is not None else main
        if path not in files:
            hint = f"add {root}{main}: the message that languages without a file of their own get"
            problem = ContentError(f"the {what} is there in some languages only", file=f"{root}{name}", hint=hint)
            problems[str(problem)] = problem
            continue
        work = _Work(files, root, Voice(locale, name, own, shared, root))
        try:
            made[locale] = make(work, path)
        except ContentError as error:
            work.problems.append(error)
        problems |= {str(one): one for one in work.problems}
        works.append(work)
    if problems or not made:
        return None, tuple(problems.values())
    first = languages.pick(made, FALLBACK) or written_in[0]
    lacking = sorted(
        {tag for one in wanted if spoken and not languages.pick(spoken, one) and (tag := languages.base(one))}
    )
    return CompiledShort(
        template=made.pop(first),
        event_fields={used: at for work in reversed(works) for used, at in work.event_fields.items()},
        coupon_fields={used: at for work in reversed(works) for used, at in work.coupon_fields.items()},
        translations=made,
        gaps=(
            *(gap for work in works for gap in work.voice.gaps.values()),
            *(Gap(tag, None, f"{root}{name}/texts/{tag}.yaml", f"{root}{main}", None, what) for tag in lacking),
        ),
        doubts=tuple(unused(own, {key for work in works for key in work.voice.used})),
    ), ()


class _Work:
    """One message in one language."""

    def __init__(self, files: Mapping[str, str], root: str, voice: Voice) -> None:
        self.files = files
        self.voice = voice
        self.problems: list[ContentError] = []
        self.event_fields: dict[str, tuple[str, int]] = {}
        self.coupon_fields: dict[str, tuple[str, int]] = {}
        self._root = root

    def problem(self, message: str, path: str, line: int, hint: str) -> None:
        """Note what is wrong in a file."""
        self.problems.append(ContentError(message, file=self._root + path, line=line, hint=hint))

    def source(self, text: str, path: str, line: int, *, numbered: bool, words: bool = True) -> str:
        """Return the source with its texts in it, checked; `numbered`: every address in it counts its clicks.

        Of `words` from right to left no value can turn its neighbours round; an address is none, and stays whole.
        """
        file = self._root + path
        try:
            written = [Piece(one.kind, one.text, file, one.line + line - 1) for one in scan(text, file)]
        except ContentError as error:
            error.line = (error.line or 1) + line - 1
            raise
        pieces = self.voice.speak(written, "plain")
        check_tags(pieces)
        where = located(pieces, file)
        try:
            names = names_of(where.text, file, html=False)
        except ContentError as error:
            raise where.relocate(error) from error
        self.problems.extend(where.relocate(problem) for problem in names.problems)
        for used, at in names.event_fields.items():
            self.event_fields.setdefault(used, where.places[min(at, len(where.places)) - 1])
        for used, at in names.coupon_fields.items():
            self.coupon_fields.setdefault(used, where.places[min(at, len(where.places)) - 1])
        mails_only = {f"recommend.{used}": at for used, at in names.recommended.items()}
        mails_only |= {f"links.{used}": at for used, at in names.forms.items()}
        for used, at in mails_only.items():
            place = where.places[min(at, len(where.places)) - 1]
            said = ContentError(f"{used} is for mails alone", file=place[0], line=place[1])
            said.hint = "leave it out of short messages"
            self.problems.append(said)
        counted = numbering.number_text(pieces) if numbered else pieces
        finished = self._isolated(counted) if self.voice.rtl and words else join(counted)
        sandbox.compiled(finished, file, html=False, own=True)
        return finished

    @staticmethod
    def _isolated(pieces: list[Piece]) -> str:
        return "".join(
            f"{ISOLATE}{piece.text}{END_ISOLATE}" if piece.kind == "value" else piece.text for piece in pieces
        )
