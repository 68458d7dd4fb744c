"""Turn the files of a mail into what `send` renders: composed, checked, MJML compiled, CSS inlined, text part made.

Publish only: imports css-inline and mrml through `rekindle.content.markup`. The same input gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, get_args

from jinja2 import nodes

from rekindle.content import markup, plaintext, sandbox
from rekindle.content.brand import Brand
from rekindle.content.compose import Composer, Piece, check_tags, join, located, tags_alone
from rekindle.content.mails import MailTemplate
from rekindle.content.names import Names
from rekindle.domain.errors import ContentError
from rekindle.domain.profile import Category
from rekindle.flow.yaml_source import load

#: What a mail's folder may hold.
FILES = frozenset({"subject.txt", "preheader.txt", "body.html", "body.mjml", "body.txt", "sample.json", "mail.yaml"})

_FORBIDDEN = frozenset({"script", "iframe", "object", "embed", "form", "input", "button", "base", "applet", "frame"})
_SCHEMES = ("https://", "http://", "mailto:", "tel:", "#")
_HAS_VALUE = re.compile(r"jq\d+qj")


@dataclass(slots=True)
class CompiledMail:
    """A mail's template, and what the whole set must still be asked about it."""

    template: MailTemplate
    event_fields: dict[str, tuple[str, int]] = field(default_factory=dict)
    """part of `event` → file and line of its first use"""


def compile_mail(
    name: str, files: Mapping[str, str], brand: Brand, root: str = "emails/"
) -> tuple[CompiledMail | None, tuple[ContentError, ...]]:
    """Return the mail `name` and everything that is wrong with it; `None` when anything is.

    `files` are all files below `root` by their path (`cart-reminder-1/subject.txt`, `_layout/marketing.html`).
    """
    work = _Work(name, files, brand, root)
    try:
        compiled = work.compile()
    except ContentError as error:
        work.problems.append(error)
        compiled = None
    return (None, tuple(work.problems)) if work.problems else (compiled, ())


class _Work:
    def __init__(self, name: str, files: Mapping[str, str], brand: Brand, root: str) -> None:
        self._name = name
        self._root = root
        self._files = files
        self._own = {path.removeprefix(f"{name}/") for path in files if path.startswith(f"{name}/")}
        self._brand = brand
        self._composer = Composer(files, root)
        self.problems: list[ContentError] = []
        self._event_fields: dict[str, tuple[str, int]] = {}

    def compile(self) -> CompiledMail | None:
        body = self._body()
        category = self._category()
        subject = self._checked("subject.txt", html=False)
        preheader = "preheader.txt" if "preheader.txt" in self._own else None
        self._checked("preheader.txt", html=True) if preheader else None
        pieces = self._checked(body, html=True, preheader=preheader)
        own_text = self._checked("body.txt", html=False) if "body.txt" in self._own else None
        if self.problems:
            return None
        masked = markup.Masker(self._constant).mask(pieces)
        self._look_at(masked.tags)
        if body == "body.mjml":
            masked = markup.from_mjml(masked, self._path(body))
        html = masked.restore(markup.inline(masked, self._path(body)))
        text = tags_alone(join(own_text)) if own_text is not None else plaintext.derive(masked.html, masked.originals)
        sandbox.compiled(html, self._path(body), html=True)
        sandbox.compiled(text, self._path("body.txt" if own_text is not None else body), html=False)
        return CompiledMail(
            MailTemplate(
                name=self._name,
                subject=join(subject).strip(),
                html=html,
                text=text,
                category=category,
                preheader=self._files.get(f"{self._name}/preheader.txt", "").strip(),
            ),
            self._event_fields,
        )

    def _path(self, file: str) -> str:
        return f"{self._root}{self._name}/{file}"

    def _body(self) -> str:
        bodies = [file for file in ("body.html", "body.mjml") if file in self._own]
        for file in sorted(self._own - FILES):
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

    def _category(self) -> Category:
        if "mail.yaml" not in self._own:
            return "marketing"
        file = self._path("mail.yaml")
        data, lines = load(self._files[f"{self._name}/mail.yaml"], file)
        known = get_args(Category)
        if not isinstance(data, dict) or set(data) != {"category"} or data["category"] not in known:
            self.problems.append(
                ContentError(
                    "mail.yaml says one thing: the category",
                    file=file,
                    line=lines.line(("category",)),
                    hint=f"write category: {' or category: '.join(known)}",
                )
            )
            return "marketing"
        found: Category = data["category"]
        return found

    def _checked(self, file: str, *, html: bool, preheader: str | None = None) -> list[Piece]:
        pieces = self._composer.compose(
            f"{self._name}/{file}", f"{self._name}/{preheader}" if preheader is not None else None
        )
        source = located(pieces, self._path(file))
        try:
            check_tags(pieces)
        except ContentError as error:
            self.problems.append(error)
            return pieces
        try:
            tree = sandbox.parse(source.text, self._path(file), html=html)
        except ContentError as error:
            self.problems.append(source.relocate(error))
            return pieces
        names = Names(self._path(file))
        names.walk(tree)
        self.problems.extend(source.relocate(problem) for problem in names.problems)
        for used, line in names.event_fields.items():
            self._event_fields.setdefault(used, source.places[min(line, len(source.places)) - 1])
        return pieces

    def _constant(self, piece: Piece) -> str | None:
        return _of_brand(piece.text, self._brand)

    def _look_at(self, tags: list[markup.Tag]) -> None:
        for tag in tags:
            for message, hint in _faults(tag):
                self.problems.append(ContentError(message, file=tag.file, line=tag.line, hint=hint))


@lru_cache(maxsize=1_000)
def _of_brand(source: str, brand: Brand) -> str | None:
    tree = sandbox.parse(source, "", html=False)
    if {found.name for found in tree.find_all(nodes.Name)} != {"brand"}:
        return None
    return sandbox.run(sandbox.compiled(source, "", html=False), {"brand": brand.plain()}, sandbox.Budget())


def _faults(tag: markup.Tag) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    given: dict[str, Any] = tag.attributes
    if tag.name in _FORBIDDEN:
        found.append((f"<{tag.name}> does nothing in a mail, or looks like fraud", "remove it"))
    found.extend(
        (f"{attribute} runs a script, which no mail program does", "remove it")
        for attribute in given
        if attribute.startswith("on")
    )
    if tag.name in {"img", "mj-image"} and "alt" not in given:
        found.append(("the picture has no alt text", 'say what it shows, or alt="" when it only decorates'))
    for attribute in ("href", "src"):
        target = given.get(attribute)
        if target is None or tag.name in {"link", "mj-class"}:
            continue
        if not target.strip():
            found.append((f"{attribute} is empty", "give it an address, or remove the link"))
        elif not _HAS_VALUE.match(target) and not target.lower().startswith(_SCHEMES):
            found.append((f"“{target[:60]}” leads nowhere from a mail", "write the whole address, with https://"))
    return found
