"""Look at the whole of what marketers wrote, as one set: a `PublishedSet` when everything is right, else what is wrong.

`publish` does it in the bucket, `rekindle lint` on a laptop. Publish only; pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from html.parser import HTMLParser
from typing import TypeVar

import msgspec
from msgspec import Struct

from rekindle.content import locales
from rekindle.content.brand import Brand
from rekindle.content.compile import CompiledMail, compile_mail
from rekindle.content.context import clean
from rekindle.content.mails import MailTemplate, Rendered
from rekindle.content.playbook import Mails, PublishedSet, published_set
from rekindle.content.samples import NAMELESS, SAMPLE_SHOP, UNSUBSCRIBE, Sample, bare, parse_sample
from rekindle.content.sources import parse_brand, parse_shop
from rekindle.domain.errors import ContentError
from rekindle.domain.events import EVENT_TYPES
from rekindle.domain.facts import Basket, Order
from rekindle.flow.definition import parse_flow
from rekindle.flow.program import Email, Flow, Shop

MAX_FILE = 1_000_000
#: What Gmail shows of a mail before it cuts the rest off, in bytes.
CLIPPED = 102_000

_FLOW = re.compile(r"flows/([^/]+)\.yaml\Z")
_SHOP = re.compile(r"shops/([^/]+)\.yaml\Z")
_MAIL = re.compile(r"emails/([a-z0-9][a-z0-9-]*)/([^/]+)\Z")
_SHARED = re.compile(r"emails/(_[^/]*/.+\.(?:html|mjml|txt))\Z")
_IGNORED = re.compile(r"(?:.*/)?(?:README\.md|\.[^/]*|Thumbs\.db)\Z|.*/\Z")
_FACTS: dict[str, frozenset[str]] = {
    "basket": frozenset(Basket.__struct_fields__),
    "order": frozenset(Order.__struct_fields__),
}
T = TypeVar("T")

#: Parts of `event` that every context has, whatever the event was.
_ALWAYS = frozenset({"kind", "items", "item_count"})


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a look at the whole content. `published` is there exactly when there are no `problems`."""

    published: PublishedSet | None
    problems: tuple[ContentError, ...]
    warnings: tuple[ContentError, ...] = ()


def validate(files: Mapping[str, bytes]) -> Verdict:
    """Return the verdict on these files, by their path below the content folder. Nothing is raised for bad content."""
    return _Look(files).verdict()


class _Look:
    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._problems: list[ContentError] = []
        self._warnings: list[ContentError] = []
        self._texts = {path: text for path in sorted(files) if (text := self._text(path, files[path])) is not None}

    def verdict(self) -> Verdict:
        brand = self._brand()
        flows = self._each(_FLOW, parse_flow)
        shops = self._each(_SHOP, parse_shop)
        mails = self._mails(brand)
        self._flows_fit(flows, mails)
        self._shops_fit(shops, flows)
        formats = {code: locales.freeze(code) for code in sorted({"en", *(shop.locale for shop in shops.values())})}
        templates = {name: mail.template for name, mail in mails.items()}
        found = published_set(flows=flows, shops=shops, templates=templates, brand=brand, formats=formats)
        for mail in mails.values():
            self._try_out(mail.template, found.mails)
        problems = tuple(sorted(self._problems, key=lambda one: (one.file or "", one.line or 0, one.message)))
        return Verdict(published=None if problems else found, problems=problems, warnings=tuple(self._warnings))

    def _text(self, path: str, raw: bytes) -> str | None:
        if _IGNORED.match(path):
            return None
        if not any(known.match(path) for known in (_FLOW, _SHOP, _MAIL, _SHARED)) and path != "brand.yaml":
            hint = (
                "flows/<name>.yaml, shops/<id>.yaml, emails/<name>/…, emails/_<shared>/….html and brand.yaml are read"
            )
            self._problem("nothing reads this file", path, None, hint)
            return None
        if len(raw) > MAX_FILE:
            self._problem(
                "the file is too large", path, None, "keep it under 1 MB; pictures live on the shop's own server"
            )
            return None
        try:
            return raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self._problem("the file is not UTF-8 text", path, line, "save it again with the encoding UTF-8")
            return None

    def _problem(self, message: str, file: str, line: int | None, hint: str | None) -> None:
        self._problems.append(ContentError(message, file=file, line=line, hint=hint))

    def _brand(self) -> Brand:
        text = self._texts.get("brand.yaml")
        if text is None:
            return Brand()
        found, problems = parse_brand(text, file="brand.yaml")
        self._problems.extend(problems)
        return found or Brand()

    def _each(
        self, kind: re.Pattern[str], parse: Callable[..., tuple[T | None, tuple[ContentError, ...]]]
    ) -> dict[str, T]:
        result: dict[str, T] = {}
        for path, text in self._texts.items():
            if (named := kind.match(path)) is not None:
                found, problems = parse(text, file=path)
                self._problems.extend(problems)
                if found is not None:
                    result[named.group(1)] = found
        return result

    def _mails(self, brand: Brand) -> dict[str, CompiledMail]:
        below = {path.removeprefix("emails/"): text for path, text in self._texts.items() if path.startswith("emails/")}
        names = sorted({found.group(1) for path in self._texts if (found := _MAIL.match(path))})
        result: dict[str, CompiledMail] = {}
        for name in names:
            compiled, problems = compile_mail(name, below, brand)
            self._problems.extend(problem for problem in problems if not self._known(problem))
            if compiled is not None:
                result[name] = compiled
        return result

    def _known(self, problem: ContentError) -> bool:
        # A mistake in a shared part is found by every mail that includes it.
        return any(str(problem) == str(known) for known in self._problems)

    def _flows_fit(self, flows: Mapping[str, Flow], mails: Mapping[str, CompiledMail]) -> None:
        there = {found.group(1) for path in self._texts if (found := _MAIL.match(path))}
        for flow in flows.values():
            file = f"flows/{flow.name}.yaml"
            for step in flow.steps.values():
                if not isinstance(step, Email):
                    continue
                line = self._line_of(file, step.template)
                if step.template not in there:
                    self._problem(
                        f"there is no mail '{step.template}'",
                        file,
                        line,
                        f"add emails/{step.template}/, or correct the name",
                    )
                elif step.template in mails:
                    self._mail_fits(mails[step.template], flow, step, line)

    def _mail_fits(self, mail: CompiledMail, flow: Flow, step: Email, line: int | None) -> None:
        file, name = f"flows/{flow.name}.yaml", step.template
        if mail.template.category != step.category:
            self._problem(
                f"the mail '{name}' is {mail.template.category}, and this step sends it as {step.category}",
                file,
                line,
                f"set the category in emails/{name}/mail.yaml, or in the flow, so that both say the same",
            )
        kinds = {EVENT_TYPES[rule.event] for rule in flow.triggers}
        known = _ALWAYS.union(*(_FACTS.get(kind, frozenset()) for kind in kinds))
        for used, (where, at) in sorted(mail.event_fields.items()):
            if used not in known:
                started = ", ".join(sorted({rule.event for rule in flow.triggers}))
                self._problem(
                    f"event.{used} is never there: '{flow.name}', which sends this mail, starts on {started}",
                    where,
                    at,
                    f"an event of this kind has {', '.join(sorted(known - {'test', 'cart_token', 'checkout_token'}))}",
                )

    def _shops_fit(self, shops: Mapping[str, Shop], flows: Mapping[str, Flow]) -> None:
        written = {found.group(1) for path in self._texts if (found := _FLOW.match(path))}
        for shop in shops.values():
            file = f"shops/{shop.id}.yaml"
            for name in shop.flows:
                if name not in written:
                    hint = f"there are {', '.join(sorted(flows)) or 'no flows'}"
                    self._problem(f"there is no flow '{name}'", file, self._line_of(file, name), hint)

    def _line_of(self, file: str, word: str) -> int | None:
        spot = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        for number, text in enumerate(self._texts.get(file, "").split("\n"), start=1):
            if spot.search(text.partition("#")[0]):
                return number
        return None

    # --- rendered with samples ----------------------------------------------------------------------------------

    def _try_out(self, template: MailTemplate, mails: Mails) -> None:
        file = f"emails/{template.name}/sample.json"
        text = self._texts.get(file)
        if text is None:
            self._problem(
                "the mail has no sample", file, None, "add sample.json, so that it can be tried out and previewed"
            )
            return
        try:
            sample = parse_sample(text, file)
        except ContentError as problem:
            self._problems.append(problem)
            return
        shops = list(mails.shops.values()) or [SAMPLE_SHOP]
        for shop in shops:
            here = msgspec.structs.replace(mails, shops={shop.id: shop})
            for one in (sample, bare(sample)):
                before = len(self._problems)
                self._rendered(template, one, shop, here)
                if len(self._problems) > before:
                    return

    def _rendered(self, template: MailTemplate, sample: Sample, shop: Shop, mails: Mails) -> None:
        folder = f"emails/{template.name}"
        try:
            mail = sample.build(template.name, shop, mails)
        except ContentError as problem:
            # The lines of the finished mail are not those of its files: they would mislead.
            self._problem(problem.message, f"{folder}/{_file(problem.file)}", None, problem.hint)
            return
        on = "" if sample.name != NAMELESS else " when nothing is known but the event itself"
        if not mail.subject:
            self._problem(
                f"the subject is empty{on}", f"{folder}/subject.txt", 1, "give every value a fallback, with default"
            )
        for found in _empty_links(mail.html):
            hint = "put {% if %} around the link, so that it is left out with its address"
            self._problem(f"a link leads nowhere{on}: “{found}”", f"{folder}/{self._body(template)}", 1, hint)
        if template.category == "marketing":
            self._lawful(template, mail, shop, on)
        size = len(mail.html.encode())
        if size > CLIPPED:
            said = f"the mail is {size // 1000} KB: Gmail shows 102 KB and hides the rest"
            self._warnings.append(ContentError(said, file=f"{folder}/{self._body(template)}", hint="show fewer items"))

    def _lawful(self, template: MailTemplate, mail: Rendered, shop: Shop, on: str) -> None:
        body = f"emails/{template.name}/{self._body(template)}"
        hint = 'extend "_layout/marketing.html", or add it to the footer of your own layout'
        if UNSUBSCRIBE not in _links(mail.html) or UNSUBSCRIBE not in mail.text:
            self._problem(f"a marketing mail needs the link {{{{ links.unsubscribe }}}}{on}", body, 1, hint)
        address = clean(shop.postal_address, 500) or ""
        if address not in _words(mail.html) or address not in " ".join(mail.text.split()):
            self._problem(f"a marketing mail needs {{{{ shop.postal_address }}}}{on}", body, 1, hint)

    def _body(self, template: MailTemplate) -> str:
        return "body.mjml" if f"emails/{template.name}/body.mjml" in self._texts else "body.html"


def _file(path: str | None) -> str:
    return (path or "body.html").rpartition("/")[2]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append((dict(attrs).get("href") or "", ""))
            self._open = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._open = None

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._open and self.links:
            href, said = self.links[-1]
            self.links[-1] = (href, said + data)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def _links(html: str) -> set[str]:
    return {href for href, _ in _read(html).links}


def _empty_links(html: str) -> Iterable[str]:
    return ["".join(said.split()) or "a picture" for href, said in _read(html).links if not href.strip()]


def _words(html: str) -> str:
    return " ".join(" ".join(_read(html).words).split())
