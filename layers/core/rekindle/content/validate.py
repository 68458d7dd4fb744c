"""Look at the whole of what marketers wrote, as one set: a `PublishedSet` when everything is right, else what is wrong.

`publish` does it in the bucket, `rekindle lint` on a laptop. Publish only; pure.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from rekindle.content import languages, locales, media
from rekindle.content.assets import Look, Shelf, look
from rekindle.content.brand import Brand
from rekindle.content.compile import CompiledMail, compile_mail
from rekindle.content.context import ALWAYS, EVENT_FIELDS, clean
from rekindle.content.coupons import OF_CODES, can_say
from rekindle.content.formats import Format
from rekindle.content.mails import MailTemplate, Rendered
from rekindle.content.offers import parse_codes, parse_offer, pool_of
from rekindle.content.pages.settings import Topic
from rekindle.content.playbook import Mails, PublishedSet, published_set
from rekindle.content.popups import parse_popup
from rekindle.content.samples import (
    LARGEST,
    LINKS,
    NAMELESS,
    SAMPLE_SHOP,
    UNSUBSCRIBE,
    Sample,
    bare,
    large,
    sample_code,
    sample_of,
    sample_of_mail,
)
from rekindle.content.shorts import CompiledShort, compile_push, compile_sms
from rekindle.content.sites import Popup
from rekindle.content.sources import parse_brand, parse_shop, parse_topics
from rekindle.content.texts import PushTemplate, SmsTemplate
from rekindle.content.trial import Trial
from rekindle.domain import sign_ups
from rekindle.domain.errors import ContentError
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.traits import STANDARD_TRAITS
from rekindle.flow.compile import Use, event_kinds, event_types
from rekindle.flow.definition import Reading, parse_manners, parse_traits, read_flow, read_segment
from rekindle.flow.program import Flow, Manners, Segment, Shop

MAX_FILE = 1_000_000
#: What Gmail shows of a mail before it cuts the rest off, in bytes.
CLIPPED = 102_000

_FLOW = re.compile(r"flows/([^/]+)\.yaml\Z")
_SEGMENT = re.compile(r"segments/([^/]+)\.yaml\Z")
_SHOP = re.compile(r"shops/([^/]+)\.yaml\Z")
_OFFER = re.compile(r"offers/([^/]+)\.yaml\Z")
_CODES = re.compile(r"offers/([^/]+)\.(?:csv|txt)\Z")
#: A message of the short channels, in all its files: the message itself, one language's, its texts, a sample.
_SMS = re.compile(r"sms/([a-z0-9][a-z0-9-]*)(?:\.txt|/(?:[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\.txt|sample\.json))\Z")
_PUSH = re.compile(r"push/([a-z0-9][a-z0-9-]*)(?:\.yaml|/(?:[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*\.yaml|sample\.json))\Z")
_SHORT_WORDS = re.compile(r"(?:sms|push)/([a-z0-9][a-z0-9-]*|_[^/]*)/texts/([^/]+)\.yaml\Z")
_POPUP = re.compile(r"popups/([a-z0-9][a-z0-9-]*)\.yaml\Z")
_MAIL = re.compile(r"emails/([a-z0-9][a-z0-9-]*)/([^/]+)\Z")
_LOCAL = re.compile(r"emails/([a-z0-9][a-z0-9-]*)/(?!texts/)([a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)/([^/]+)\Z")
_WORDS = re.compile(r"emails/([a-z0-9][a-z0-9-]*|_[^/]*)/texts/([^/]+)\.yaml\Z")
_SHARED = re.compile(r"emails/(_[^/]*/.+\.(?:html|mjml|txt)|_samples/.+\.json)\Z")
_SINGLE = frozenset({"brand.yaml", "manners.yaml", "topics.yaml", "traits.yaml"})
_READ = (
    "flows/<name>.yaml, segments/<name>.yaml, shops/<id>.yaml, emails/<name>/…, emails/<name>/texts/<language>.yaml, "
    "emails/_<shared>/….html, emails/_samples/<name>.json, offers/<name>.yaml, offers/<name>.csv, offers/<name>.txt, "
    "sms/<name>.txt, sms/<name>/<language>.txt, push/<name>.yaml, push/<name>/<language>.yaml, of both texts/ and "
    "sample.json, assets/…, popups/<name>.yaml, manners.yaml, topics.yaml, traits.yaml and brand.yaml are read"
)
_ASSET = re.compile(r"assets/.+\Z", re.DOTALL)
_IGNORED = re.compile(r"(?:.*/)?(?:README\.md|\.[^/]*|Thumbs\.db)\Z|.*/\Z")
T = TypeVar("T")
S = TypeVar("S", bound=SmsTemplate | PushTemplate)


class Verdict(Struct, frozen=True, kw_only=True):
    """What became of a look at the whole content. `published` is there exactly when there are no `problems`."""

    published: PublishedSet | None
    problems: tuple[ContentError, ...]
    warnings: tuple[ContentError, ...] = ()


def validate(
    files: Mapping[str, bytes], looked_at: Mapping[str, Look] | None = None, too_large: Collection[str] = ()
) -> Verdict:
    """Return the verdict on these files, by their path below the content folder. Nothing is raised for bad content.

    Not among `files` need be: `looked_at`, files under `assets/` that were looked at before; and `too_large`, others of
    more than `MAX_FILE` bytes, which nobody needs to read.
    """
    return _Look(files, looked_at or {}, too_large).verdict()


def is_asset(path: str) -> bool:
    """Whether this is one of the files under `assets/`, which are published as they are."""
    return _ASSET.match(path) is not None and not _IGNORED.match(path)


class _Look:
    def __init__(self, files: Mapping[str, bytes], looked_at: Mapping[str, Look], too_large: Collection[str]) -> None:
        self._problems: list[ContentError] = []
        self._warnings: list[ContentError] = []
        # Written, and said to be unreadable: nothing else is said of them, nor that they are missing.
        self._unread: set[str] = set()
        self._looks = {path: look(path, raw) for path, raw in files.items() if is_asset(path)} | dict(looked_at)
        self._shelf = Shelf(self._looks)
        found = ((path, self._text(path, files[path])) for path in sorted(files) if path not in self._looks)
        self._texts = {path: text for path, text in found if text is not None}
        for path in too_large:
            self._too_large(path)

    def verdict(self) -> Verdict:
        self._assets()
        brand = self._single("brand.yaml", parse_brand) or Brand()
        brand = msgspec.structs.replace(brand, logo=self._logo(brand.logo, "brand.yaml"))
        manners = self._single("manners.yaml", parse_manners) or Manners()
        traits = self._single("traits.yaml", parse_traits) or {}
        topics = self._single("topics.yaml", parse_topics)
        flows, flow_uses = self._programs(_FLOW, read_flow)
        segments, segment_uses = self._programs(_SEGMENT, read_segment)
        shops = {
            name: msgspec.structs.replace(shop, logo=self._logo(shop.logo, f"shops/{name}.yaml"))
            for name, shop in self._each(_SHOP, parse_shop).items()
        }
        offers, pools = self._offers(shops)
        mails = self._mails(brand, shops)
        sms = self._shorts(_SMS, "sms/", compile_sms, shops)
        push = self._shorts(_PUSH, "push/", compile_push, shops)
        popups = self._each(_POPUP, parse_popup)
        self._popups_fit(popups, shops)
        self._sign_ups_fit(popups, mails)
        self._flows_fit(flows, flow_uses, mails, {"sms": sms, "push": push})
        self._names_fit(flow_uses | segment_uses, traits, complete=self._written(_FLOW) == flows.keys())
        self._circles(segments)
        self._shops_fit(shops, flows, flow_uses, segment_uses)
        self._coupons_fit(flows, flow_uses, shops, offers, {"email": mails, "sms": sms, "push": push})
        written: dict[str, Mapping[str, CompiledMail | CompiledShort[Any]]] = {"email": mails, "sms": sms, "push": push}
        self._languages_fit(written, shops, flows, flow_uses)
        self._topics_fit(topics, flow_uses, shops.values())
        formats = formats_for([*mails.values(), *sms.values(), *push.values()], shops)
        found = published_set(
            flows=flows,
            segments=segments,
            manners=manners,
            shops=shops,
            templates={name: mail.template for name, mail in mails.items()},
            sms={name: text.template for name, text in sms.items()},
            push={name: text.template for name, text in push.items()},
            brand=brand,
            formats=formats,
            translations={name: mail.translations for name, mail in mails.items()},
            topics=topics or (),
            spoken_names=names_of_languages(shops),
            sms_translations={name: text.translations for name, text in sms.items()},
            push_translations={name: text.translations for name, text in push.items()},
            popups=popups,
            offers=offers,
            pools=pools,
            assets=self._shelf.published,
        )
        gives: dict[str, set[str]] = {}
        for use in (one for uses in flow_uses.values() for one in uses if one.what == "email"):
            gives.setdefault(use.name, set()).update({use.gives, ""} if use.sometimes else {use.gives})
        for name, mail in mails.items():
            for template in (mail.template, *mail.translations.values()):
                self._try_out(template, found, gives.get(name, set()) if mail.coupon else {""})
        trial = Trial(self._texts, found, flows, flow_uses)
        for text in sms.values():
            trial.sms(text)
        for pushed in push.values():
            trial.push(pushed)
        self._problems += trial.problems
        self._warnings += trial.warnings
        return Verdict(
            published=None if self._problems else found,
            problems=_in_order(self._problems),
            warnings=_in_order(self._warnings),
        )

    def _assets(self) -> None:
        for path, seen in self._looks.items():
            problem = seen.problem(path)
            if problem is not None:
                self._problems.append(problem)
            self._warnings.extend(seen.doubts(path))

    def _logo(self, named: str | None, file: str) -> str | None:
        """Return a logo's address; what a setting names under `assets/` must be there."""
        if named is None or not named.startswith(media.FOLDER):
            return named
        line = self._line_of(file, named)
        lacking = self._shelf.lacks(named)
        asset = self._shelf.asset(named)
        if lacking is not None:
            self._problem(lacking[0], file, line, lacking[1])
        elif asset is not None and asset.kind not in media.PICTURES:
            self._problem(f"{named} is no picture", file, line, "a logo is a .png, .jpg or .gif file")
        return self._shelf.placed(named)

    def _text(self, path: str, raw: bytes) -> str | None:
        if _IGNORED.match(path):
            return None
        of_messages = (_MAIL, _LOCAL, _WORDS, _SHARED, _SMS, _PUSH, _SHORT_WORDS)
        known = (_FLOW, _SEGMENT, _SHOP, _OFFER, _CODES, *of_messages, _POPUP)
        if path not in _SINGLE and not any(one.match(path) for one in known):
            self._problem("nothing reads this file", path, None, _READ)
            return None
        if media.ending(path) in media.PICTURES - {"svg"}:
            self._unread.add(path)
            moved = f"assets/{path.rpartition('/')[2]}"
            self._problem("a picture does not belong here", path, None, f'move it, and write src="{moved}"')
            return None
        if len(raw) > MAX_FILE:
            self._too_large(path)
            return None
        try:
            return raw.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            self._unread.add(path)
            line = raw.count(b"\n", 0, error.start) + 1
            self._problem("the file is not UTF-8 text", path, line, "save it again with the encoding UTF-8")
            return None

    def _too_large(self, path: str) -> None:
        self._unread.add(path)
        self._problem("the file is too large", path, None, "keep it under 1 MB; pictures belong into assets/")

    def _problem(self, message: str, file: str, line: int | None, hint: str | None) -> None:
        self._problems.append(ContentError(message, file=file, line=line, hint=hint))

    def _single(self, path: str, parse: Callable[..., tuple[T | None, tuple[ContentError, ...]]]) -> T | None:
        text = self._texts.get(path)
        if text is None:
            return None
        found, problems = parse(text, file=path)
        self._problems.extend(problems)
        return found

    def _programs(
        self, kind: re.Pattern[str], read: Callable[..., Reading]
    ) -> tuple[dict[str, Any], dict[str, tuple[Use, ...]]]:
        """Return what these files say by its name, and by file what they need of others."""
        found: dict[str, Any] = {}
        uses: dict[str, tuple[Use, ...]] = {}
        for path, text in self._texts.items():
            if (named := kind.match(path)) is not None:
                reading = read(text, file=path)
                self._problems.extend(reading.problems)
                self._warnings.extend(reading.doubts)
                uses[path] = reading.uses
                if reading.program is not None:
                    found[named.group(1)] = reading.program
        return found, uses

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

    def _shorts(
        self,
        kind: re.Pattern[str],
        root: str,
        compile_: Callable[..., tuple[CompiledShort[S] | None, tuple[ContentError, ...]]],
        shops: Mapping[str, Shop],
    ) -> dict[str, CompiledShort[S]]:
        below = {path.removeprefix(root): text for path, text in self._texts.items() if path.startswith(root)}
        wanted = {locale for shop in shops.values() for locale in shop.languages}
        unread = {found.group(1) for path in self._unread if (found := kind.match(path))}
        result: dict[str, CompiledShort[S]] = {}
        for name in sorted(self._written(kind) - unread):
            compiled, problems = compile_(name, below, wanted)
            self._problems.extend(problem for problem in problems if not self._known(problem))
            if compiled is not None:
                result[name] = compiled
        return result

    def _mails(self, brand: Brand, shops: Mapping[str, Shop]) -> dict[str, CompiledMail]:
        below = {path.removeprefix("emails/"): text for path, text in self._texts.items() if path.startswith("emails/")}
        of_mails = (_MAIL, _LOCAL, _WORDS)
        written = {found.group(1) for path in self._texts for one in of_mails if (found := one.match(path))}
        unread = {found.group(1) for path in self._unread for one in of_mails if (found := one.match(path))}
        names = sorted(name for name in written - unread if not name.startswith("_"))
        wanted = {locale for shop in shops.values() for locale in shop.languages}
        result: dict[str, CompiledMail] = {}
        for name in names:
            compiled, problems = compile_mail(name, below, brand, wanted=wanted, shelf=self._shelf)
            self._problems.extend(problem for problem in problems if not self._known(problem))
            if compiled is not None:
                result[name] = compiled
        return result

    def _known(self, problem: ContentError) -> bool:
        # A mistake in a shared part is found by every mail that includes it.
        return any(str(problem) == str(known) for known in self._problems)

    def _written(self, kind: re.Pattern[str]) -> set[str]:
        return {found.group(1) for path in (*self._texts, *self._unread) if (found := kind.match(path))}

    def _flows_fit(
        self,
        flows: Mapping[str, Flow],
        uses: Mapping[str, tuple[Use, ...]],
        mails: Mapping[str, CompiledMail],
        short: Mapping[str, Mapping[str, CompiledShort[Any]]],
    ) -> None:
        written = {"email": self._written(_MAIL), "sms": self._written(_SMS), "push": self._written(_PUSH)}
        for name, flow in flows.items():
            file = f"flows/{name}.yaml"
            for use in uses[file]:
                channel = "email" if use.what == "notify" else use.what
                if channel not in written:
                    continue
                if use.name not in written[channel]:
                    what, where = _TEMPLATES[channel]
                    near = _near(use.name, written[channel])
                    hint = near or f"add {where.format(use.name)}, or correct the name"
                    self._problem(f"there is no {what} '{use.name}'", file, use.line, hint)
                elif channel != "email" and use.name in short[channel]:
                    self._event_fits(short[channel][use.name].event_fields, flow)
                elif use.name in mails:
                    self._category_fits(mails[use.name], use, file)
                    self._event_fits(mails[use.name].event_fields, flow)

    def _languages_fit(
        self,
        written: Mapping[str, Mapping[str, CompiledMail | CompiledShort[Any]]],
        shops: Mapping[str, Shop],
        flows: Mapping[str, Flow],
        uses: Mapping[str, tuple[Use, ...]],
    ) -> None:
        """A shop's customers must not find another language in the middle of a message; elsewhere it is a doubt."""
        needed: set[tuple[str, str, str]] = set()
        for shop in shops.values():
            on = [f"flows/{name}.yaml" for name, flow in flows.items() if shop.flows.get(name, flow.enabled)]
            sent = {(use.what, use.name) for file in on for use in uses[file] if use.what in shop.channels}
            needed |= {(*one, languages.base(locale)) for one in sent for locale in shop.languages}
        for channel, messages in written.items():
            for name, message in messages.items():
                for gap in message.gaps:
                    wanted = (channel, name, languages.base(gap.locale)) in needed
                    (self._problems if wanted else self._warnings).append(gap.error())
                self._warnings.extend(message.doubts)

    def _popups_fit(self, popups: Mapping[str, Popup], shops: Mapping[str, Shop]) -> None:
        """A popup is shown in shops that there are, and in the languages that those are written in."""
        for name, popup in popups.items():
            file = f"popups/{name}.yaml"
            for shop in popup.shops:
                if shop not in self._written(_SHOP):
                    self._problem(f"there is no shop '{shop}'", file, None, "its id is the name of its file in shops/")
            shown = {*popup.shops} or shops.keys()
            spoken = {locale for shop in shown & shops.keys() for locale in shops[shop].languages}
            for locale in sorted(spoken) if popup.enabled else ():
                if languages.pick(popup.texts, locale) is None:
                    text = f"it says nothing in {locale}, which a shop that shows it is written in"
                    hint = f"write it under texts: {languages.base(locale)}:"
                    self._warnings.append(ContentError(text, file=file, hint=hint))

    def _sign_ups_fit(self, popups: Mapping[str, Popup], mails: Mapping[str, CompiledMail]) -> None:
        """Where somebody can sign up, there is the mail that asks them back, and it has the link."""
        mail = mails.get(sign_ups.TEMPLATE)
        if mail is None and f"emails/{sign_ups.TEMPLATE}/body.html" not in self._texts:
            for name, popup in popups.items():
                if popup.enabled:
                    said = f"whoever signs up is asked back by the mail '{sign_ups.TEMPLATE}', and there is none"
                    hint = f"copy emails/{sign_ups.TEMPLATE}/ from the templates that come with Rekindle"
                    self._problem(said, f"popups/{name}.yaml", 1, hint)
        if mail is not None and mail.template.category != "transactional":
            where = f"emails/{sign_ups.TEMPLATE}/mail.yaml"
            self._problem("whoever is asked has not agreed to marketing yet", where, 1, "write category: transactional")

    def _category_fits(self, mail: CompiledMail, use: Use, file: str) -> None:
        if mail.template.category == use.category:
            return
        where = f"emails/{use.name}/mail.yaml"
        if use.what == "notify":
            said, hint = "goes to the shop's own people", f"write category: transactional in {where}"
        else:
            said = f"sends it as {use.category}"
            hint = f"set the category in {where}, or in the flow, so that both say the same"
        self._problem(f"the mail '{use.name}' is {mail.template.category}, and this step {said}", file, use.line, hint)

    def _event_fits(self, fields: Mapping[str, tuple[str, int]], flow: Flow) -> None:
        known = ALWAYS.union(*(EVENT_FIELDS.get(kind, ()) for kind in event_kinds(flow)))
        for used, (where, at) in sorted(fields.items()):
            if used not in known:
                started = ", ".join(sorted(set(event_types(flow.triggers))))
                said = f"event.{used} is never there: '{flow.name}', which sends this, starts on {started}"
                shown = ", ".join(sorted(known - {"test", "cart_token", "checkout_token"}))
                self._problem(said, where, at, f"an event of this kind has {shown}")

    def _names_fit(self, uses: Mapping[str, tuple[Use, ...]], declared: Mapping[str, str], *, complete: bool) -> None:
        segments = self._written(_SEGMENT)
        told = {use.name for found in uses.values() for use in found if use.what == "sets"}
        traits = {*STANDARD_TRAITS, *declared, *told}
        for file, found in uses.items():
            for use in found:
                if use.what == "segment" and use.name not in segments:
                    hint = _near(use.name, segments) or f"add segments/{use.name}.yaml, or correct the name"
                    self._problem(f"there is no segment '{use.name}'", file, use.line, hint)
                # What a flow sets that cannot be read yet is not known.
                elif use.what == "trait" and use.name not in traits and complete:
                    hint = _near(use.name, traits) or f"set it in a flow, or name it in traits.yaml: {use.name}: text"
                    self._problem(f"nothing ever sets the trait '{use.name}'", file, use.line, hint)

    def _topics_fit(
        self, topics: tuple[Topic, ...] | None, uses: Mapping[str, tuple[Use, ...]], shops: Iterable[Shop]
    ) -> None:
        if topics is None and "topics.yaml" in {*self._texts, *self._unread}:
            return
        names = {topic.name for topic in topics or ()}
        for file, found in uses.items():
            for use in found:
                if use.what == "topic" and use.name not in names:
                    hint = _near(use.name, names) or f"add it to topics.yaml: {use.name}: with a title"
                    self._problem(f"there is no topic '{use.name}'", file, use.line, hint)
        for topic in topics or ():
            for locale in sorted({languages.base(locale) for shop in shops for locale in shop.languages}):
                if "" not in topic.title and languages.pick(topic.title, locale) is None:
                    line = self._line_of("topics.yaml", topic.name)
                    said = f"the topic '{topic.name}' has no title in {locale}, in which a shop writes"
                    self._problem(said, "topics.yaml", line, f"add {locale}: … to its title")

    def _circles(self, segments: Mapping[str, Segment]) -> None:
        done: set[str] = set()

        def visit(name: str, way: tuple[str, ...]) -> None:
            if name in way:
                circle = " → ".join((*way[way.index(name) :], name))
                file = f"segments/{name}.yaml"
                hint = "a segment cannot depend on itself: write one of them without in_segment"
                self._problem(f"the segments ask for one another: {circle}", file, self._line_of(file, "when"), hint)
            elif name in segments and name not in done:
                done.add(name)
                for needed in segments[name].needs:
                    visit(needed, (*way, name))

        for name in segments:
            visit(name, ())

    def _shops_fit(
        self,
        shops: Mapping[str, Shop],
        flows: Mapping[str, Flow],
        uses: Mapping[str, tuple[Use, ...]],
        everywhere: Mapping[str, tuple[Use, ...]],
    ) -> None:
        written = self._written(_FLOW)
        for shop in shops.values():
            file = f"shops/{shop.id}.yaml"
            for name in shop.flows:
                if name not in written:
                    hint = _near(name, written) or f"there are {', '.join(sorted(written)) or 'no flows'}"
                    self._problem(f"there is no flow '{name}'", file, self._line_of(file, name), hint)
            there_are = self._written(_OFFER)
            for name in shop.offers:
                if name not in there_are:
                    hint = _near(name, there_are) or f"there are {', '.join(sorted(there_are)) or 'no offers'}"
                    self._problem(f"there is no offer '{name}'", file, self._line_of(file, name), hint)
        for file, found in everywhere.items():
            self._values_fit(file, found, shops.values())
        for name, flow in flows.items():
            file = f"flows/{name}.yaml"
            on = [shop for shop in shops.values() if shop.flows.get(name, flow.enabled)]
            self._values_fit(file, uses[file], on)
            self._channels_fit(file, uses[file], on or list(shops.values()))
            self._notify_fits(name, uses[file], on)
            self._replaces(flow, on)

    def _replaces(self, flow: Flow, on: Iterable[Shop]) -> None:
        """Keep a flow off where the shop says that its own mails still say the same."""
        for shop in on:
            if flow.replaces and shop.own_mails.get(flow.replaces):
                file = f"shops/{shop.id}.yaml"
                what = {"orders": "order mails", "carts": "cart mails"}[flow.replaces]
                said = f"'{flow.name}' would go out beside the shop's own {what}"
                hint = "switch those off in the shop, then write it under own_mails"
                self._problem(said, file, self._line_of(file, flow.name) or self._line_of(file, "own_mails"), hint)

    def _values_fit(self, file: str, uses: Iterable[Use], shops: Iterable[Shop]) -> None:
        for use in uses:
            lacking = [shop for shop in shops if use.what == "value" and use.name not in shop.values]
            if lacking:
                known = {name for shop in lacking for name in shop.values}
                where = " and ".join(f"shops/{shop.id}.yaml" for shop in lacking)
                hint = _near(use.name, known) or f"add values: with {use.name}: … there"
                self._problem(f"shop.values.{use.name} is not set in {where}", file, use.line, hint)

    def _channels_fit(self, file: str, uses: Iterable[Use], shops: list[Shop]) -> None:
        for use in uses:
            if use.what not in {"sms", "push", "audience"} or not shops:
                continue
            if not any(use.what in shop.channels for shop in shops):
                said = f"nobody will get it: no shop in which this flow could be on is connected to {use.what}"
                hint = f"when it is connected, say so in the shop's file: channels: [{use.what}]"
                self._warnings.append(ContentError(said, file=file, line=use.line, hint=hint))
            for shop in shops if use.what == "audience" else ():
                if "audience" in shop.channels and use.name not in shop.audiences:
                    near = _near(use.name, shop.audiences)
                    hint = near or f"add audiences: with {use.name}: and Meta's id of the list there"
                    self._problem(f"there is no audience '{use.name}' in shops/{shop.id}.yaml", file, use.line, hint)

    def _notify_fits(self, flow: str, uses: Iterable[Use], on: Iterable[Shop]) -> None:
        if not any(use.what == "notify" for use in uses):
            return
        for shop in on:
            if shop.notify is None:
                file = f"shops/{shop.id}.yaml"
                said = f"the flow '{flow}' is on here and writes to the shop, which has no address for that"
                self._problem(said, file, self._line_of(file, flow) or 1, "add a line notify: team@…")

    def _line_of(self, file: str, word: str) -> int | None:
        spot = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
        for number, text in enumerate(self._texts.get(file, "").split("\n"), start=1):
            if spot.search(text.partition("#")[0]):
                return number
        return None

    # --- offers -------------------------------------------------------------------------------------------------

    def _offers(self, shops: Mapping[str, Shop]) -> tuple[dict[str, Offer], dict[str, tuple[str, ...]]]:
        """Return the offers, and the codes of their pools by digest."""
        offers = self._each(_OFFER, parse_offer)
        files: dict[str, str] = {}
        pools: dict[str, tuple[str, ...]] = {}
        for path in sorted({*self._texts, *self._unread}):
            if (named := _CODES.match(path)) is None:
                continue
            name = named.group(1)
            if name in files:
                hint = "put all of them into one file"
                self._problem(f"{files[name]} holds codes of this offer already", path, None, hint)
                continue
            files[name] = path
            codes = self._codes(path, name, offers)
            if codes is not None:
                pool = pool_of(codes)
                pools[pool] = codes
                offers[name] = msgspec.structs.replace(offers[name], pool=pool, size=len(codes))
        for name, offer in offers.items():
            self._offer_fits(offer, f"offers/{name}.yaml", shops, has_codes=name in files)
        return offers, pools

    def _codes(self, path: str, name: str, offers: Mapping[str, Offer]) -> tuple[str, ...] | None:
        """Return the codes of a file, where they are right and its offer gives them."""
        if name not in self._written(_OFFER):
            hint = f"add offers/{name}.yaml, with kind: pool, or rename the file"
            self._problem(f"there is no offer '{name}' that gives these codes", path, None, hint)
        elif name in offers and offers[name].kind != "pool":
            hint = f"write kind: pool in offers/{name}.yaml, or remove the codes"
            self._problem(f"the offer '{name}' is {offers[name].kind} and gives none of these", path, None, hint)
        codes, problems = parse_codes(self._texts[path], file=path) if path in self._texts else (None, ())
        self._problems.extend(problems)
        return codes if name in offers and offers[name].kind == "pool" else None

    def _offer_fits(self, offer: Offer, file: str, shops: Mapping[str, Shop], *, has_codes: bool) -> None:
        if offer.kind == "pool" and not has_codes:
            hint = f"add offers/{offer.name}.csv or .txt, one code a line"
            self._problem("the offer's codes are missing", file, self._line_of(file, "kind"), hint)
        if offer.shop and offer.shop not in self._written(_SHOP):
            hint = _near(offer.shop, self._written(_SHOP)) or "write the id of a shop: its file's name"
            self._problem(f"there is no shop '{offer.shop}'", file, self._line_of(file, "shop"), hint)
        if offer.kind == "pool" and not offer.shop and len(shops) > 1:
            hint = f"add a line shop: with one of {', '.join(sorted(shops))}"
            self._problem("which shop takes these codes?", file, self._line_of(file, "kind"), hint)

    def _coupons_fit(
        self,
        flows: Mapping[str, Flow],
        uses: Mapping[str, tuple[Use, ...]],
        shops: Mapping[str, Shop],
        offers: Mapping[str, Offer],
        shown: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Whatever shows a coupon is given one, and what is given is worth something where it is given."""
        written = self._written(_OFFER)
        for name, flow in flows.items():
            file = f"flows/{name}.yaml"
            on = [shop for shop in shops.values() if shop.flows.get(name, flow.enabled)]
            for use in uses[file]:
                if use.what == "offer" and use.name not in written:
                    hint = _near(use.name, written) or f"add offers/{use.name}.yaml, or correct the name"
                    self._problem(f"there is no offer '{use.name}'", file, use.line, hint)
                elif use.what == "offer" and use.name in offers:
                    for shop in on:
                        self._worth_fits(offers[use.name], shop)
                said: CompiledMail | CompiledShort[Any] | None = shown.get(
                    "email" if use.what == "notify" else use.what, {}
                ).get(use.name)
                if said is not None and said.coupon_fields:
                    self._shown_fits(said.coupon_fields, use, file, on, offers)

    def _worth_fits(self, offer: Offer, shop: Shop) -> None:
        if not is_given(offer, shop):
            return
        file = f"offers/{offer.name}.yaml"
        gift = offer.gift.worth if offer.gift is not None else {}
        bare_gift = offer.gift is not None and offer.kind == "unique" and shop.platform == "shopify"
        for word, money, needed in (
            ("amount", offer.amount, bool(offer.amount)),
            ("minimum", offer.minimum, bool(offer.minimum)),
            ("worth", gift, bare_gift or bool(gift)),
        ):
            if needed and shop.currency not in money:
                said = f"the shop '{shop.id}' gives this, and no {word} is said in its currency, {shop.currency}"
                line = self._line_of(file, word) or self._line_of(file, "gift")
                self._problem(said, file, line, f"add {shop.currency} under {word}:")
        for locale in shop.languages:
            language = languages.base(locale)
            if not can_say(offer, language):
                said = f"whoever reads '{language}' is told in English what this is"
                self._warnings.append(ContentError(said, file=file, line=1, hint=f"add {language} under says:"))

    def _shown_fits(
        self,
        fields: Mapping[str, tuple[str, int]],
        use: Use,
        file: str,
        on: Iterable[Shop],
        offers: Mapping[str, Offer],
    ) -> None:
        part, (where, line) = min(fields.items(), key=lambda one: (one[1], one[0]))
        guard = f"or put {{% if coupon %}} around it in {where}:{line}"
        what = _TEMPLATES["email" if use.what == "notify" else use.what][0]
        shows = f"the {what} '{use.name}' shows coupon.{part}"
        if not use.gives:
            self._problem(f"{shows}, and this step gives none", file, use.line, f"add offer: to the step, {guard}")
        elif use.sometimes:
            self._problem(f"{shows}, and offer_if gives it only to some", file, use.line, f"take it out, {guard}")
        elif use.gives == "*":
            for more in sorted(fields.keys() - OF_CODES)[:1]:
                said = f"the {what} '{use.name}' shows coupon.{more}, and this step gives a code alone"
                self._problem(said, file, use.line, f"say offer: in place of code:, {guard}")
        elif use.gives in offers:
            off = [shop.id for shop in on if not is_given(offers[use.gives], shop)]
            if off:
                said = f"{shows}, and the offer '{use.gives}' is not given in {', '.join(off)}"
                hint = f"write {use.gives}: on under offers: in shops/{off[0]}.yaml, {guard}"
                self._problem(said, file, use.line, hint)

    # --- rendered with samples ----------------------------------------------------------------------------------

    def _try_out(self, template: MailTemplate, found: PublishedSet, gives: Iterable[str]) -> None:
        mails = found.mails
        try:
            tried = sample_of_mail(self._texts, template.name, template.locale)
        except ContentError as problem:
            self._problems.append(problem)
            return
        if tried is None:
            self._problem(
                "the mail has no sample",
                f"emails/{template.name}/sample.json",
                None,
                "add sample.json, so that it can be tried out and previewed",
            )
            return
        sample, file = tried
        lacking = [name for name in template.recommend if not sample.recommend.get(name)]
        if lacking and len(lacking) == len(template.recommend):
            said = f"the sample has nothing to recommend, and the mail shows recommend.{lacking[0]}"
            hint = f'name some of its products: "recommend": {{"{lacking[0]}": ["…", "…", "…"]}}'
            self._warnings.append(ContentError(said, file=file, hint=hint))
        shops = list(mails.shops.values()) or [SAMPLE_SHOP]
        for shop in shops:
            here = msgspec.structs.replace(mails, shops={shop.id: shop})
            for one, coupon in itertools.product((sample, bare(sample)), _given(template, sample, shop, found, gives)):
                before = len(self._problems)
                self._rendered(template, one, shop, here, coupon)
                if len(self._problems) > before:
                    return
        self._headings_go(template, sample, shops[0], mails)
        here = msgspec.structs.replace(mails, shops={shops[0].id: shops[0]})
        self._sized(
            template, sample, shops[0], here, next(iter(_given(template, sample, shops[0], found, gives)), None)
        )

    def _headings_go(self, template: MailTemplate, sample: Sample, shop: Shop, mails: Mails) -> None:
        """Whatever introduces a list of recommendations must go with it, when there is nothing to recommend."""
        offered = sample.recommended()
        titles = {clean(product.title) for products in offered.values() for product in products}
        if not titles:
            return
        here = msgspec.structs.replace(mails, shops={shop.id: shop})
        without = msgspec.structs.replace(sample, recommend={})
        try:
            full, empty = (
                _said(one.build(template.name, shop, here, template.locale).html) for one in (sample, without)
            )
        except ContentError:
            # It was rendered with and without everything a moment ago; what is wrong in between is said there.
            return
        same = next((at for at, (one, two) in enumerate(zip(full, empty, strict=False)) if one != two), len(empty))
        if same and same < len(full) and full[same] in titles:
            said = f"with nothing to recommend, “{full[same - 1]}” would stand above nothing"
            hint = "put the words that introduce the list inside its {% if recommend.… %} too"
            file = f"emails/{template.name}/{self._body(template)}"
            self._warnings.append(ContentError(said, file=file, hint=hint))

    def _rendered(
        self, template: MailTemplate, sample: Sample, shop: Shop, mails: Mails, coupon: Coupon | None
    ) -> None:
        folder = f"emails/{template.name}"
        try:
            mail = sample.build(template.name, shop, mails, template.locale, coupon)
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
        confirm = LINKS["confirm"]
        if template.name in {sign_ups.TEMPLATE, sign_ups.ALERT_TEMPLATE} and not (
            confirm in _links(mail.html) and confirm in mail.text
        ):
            body, hint = f"{folder}/{self._body(template)}", "put it on a button: {{ links.confirm }}"
            self._problem(f"this mail needs the link {{{{ links.confirm }}}}{on}", body, 1, hint)

    def _sized(self, template: MailTemplate, sample: Sample, shop: Shop, mails: Mails, coupon: Coupon | None) -> None:
        """Whether Gmail shows the mail whole, with the sample and with the largest basket that is likely."""
        file = f"emails/{template.name}/{self._body(template)}"
        hint = "show fewer items, as in {% for item in event.items | limit(8) %}, or shorter texts"
        for one, on in ((sample, ""), (large(sample), f" with {LARGEST} items")):
            if one is None:
                continue
            try:
                html = one.build(template.name, shop, mails, template.locale, coupon, counted=True).html
            except ContentError as problem:
                # With the sample itself it was told a moment ago.
                if on:
                    self._problem(f"{problem.message}{on}", file, None, hint)
                return
            size = len(html.encode())
            if size > CLIPPED:
                said = f"the mail is {size // 1000} KB{on}: Gmail shows 102 KB and hides the rest"
                self._warnings.append(ContentError(said, file=file, hint=hint))
                return

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


def is_given(offer: Offer, shop: Shop) -> bool:
    """Whether this shop gives the offer, as `Playbook.offer` will say."""
    return offer.shop in ("", shop.id) and shop.offers.get(offer.name, offer.enabled)


def _given(
    template: MailTemplate, sample: Sample, shop: Shop, found: PublishedSet, gives: Iterable[str]
) -> list[Coupon | None]:
    """Return every coupon with which a flow sends this mail in this shop; the sample's own where none sends it."""
    coupons: list[Coupon | None] = []
    for name in sorted(gives):
        offer = found.playbook.offers.get(name)
        if name == "*":
            coupons.append(sample_code(sample.coupon.code, shop))
        elif offer is not None and is_given(offer, shop):
            coupons.append(sample_of(offer, shop))
        elif not template.coupon:
            coupons.append(None)
    return coupons or [sample.given(shop), *([] if template.coupon else [None])]


def formats_for(messages: Iterable[CompiledMail | CompiledShort[Any]], shops: Mapping[str, Shop]) -> dict[str, Format]:
    """Return how every locale writes in which somebody could get one of these messages."""
    found = {code: locales.freeze(code) for code in sorted({"en", *(shop.locale for shop in shops.values())})}
    spoken = {one.locale for message in messages for one in (message.template, *message.translations.values())}
    return found | {code: locales.freeze_language(code) for code in sorted({languages.base(tag) for tag in spoken})}


def names_of_languages(shops: Mapping[str, Shop]) -> dict[str, str]:
    """Return the languages in which these shops write, each with its own name."""
    spoken = {languages.base(locale) for shop in shops.values() for locale in shop.languages}
    return {tag: locales.own_name(tag) for tag in sorted(spoken)}


_TEMPLATES = {
    "email": ("mail", "emails/{}/"),
    "sms": ("SMS", "sms/{}.txt"),
    "push": ("push message", "push/{}.yaml"),
}


def _near(name: str, known: Iterable[str]) -> str | None:
    found = difflib.get_close_matches(name, sorted(known), 1)
    return f"did you mean '{found[0]}'?" if found else None


def _in_order(problems: Iterable[ContentError]) -> tuple[ContentError, ...]:
    each_once = {str(one): one for one in problems}.values()
    return tuple(sorted(each_once, key=lambda one: (one.file or "", one.line or 0, one.message)))


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


@lru_cache(maxsize=8)
def _read(html: str) -> _Reader:
    # The same mail is asked four things in a row.
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def _links(html: str) -> set[str]:
    return {href for href, _ in _read(html).links}


def _empty_links(html: str) -> Iterable[str]:
    return ["".join(said.split()) or "a picture" for href, said in _read(html).links if not href.strip()]


def _said(html: str) -> list[str]:
    return [words for said in _read(html).words if (words := " ".join(said.split()))]


def _words(html: str) -> str:
    return " ".join(" ".join(_read(html).words).split())
