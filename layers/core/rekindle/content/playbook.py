"""The published set: what `send` reads of it (`Mails`), its hash, and the files that it is kept in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NotRequired, Protocol, TypedDict, TypeVar, Unpack

import msgspec
from msgspec import Struct

from rekindle.content import languages
from rekindle.content.brand import Brand
from rekindle.content.context import context
from rekindle.content.coupons import OF_CODES
from rekindle.content.formats import Format, form_for
from rekindle.content.languages import pick
from rekindle.content.mails import MailTemplate, Rendered, render
from rekindle.content.media import Asset
from rekindle.content.pages.settings import PageSettings, Topic
from rekindle.content.sandbox import FORMATS, PIXEL
from rekindle.content.sites import Popup, Site, site_of
from rekindle.content.texts import PushTemplate, RenderedPush, SmsTemplate, render_push, render_sms
from rekindle.content.tracker import TRACKER, Tracker
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Product
from rekindle.domain.ids import digest
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.profile import Profile, Run
from rekindle.flow.program import Flow, Manners, Playbook, Segment, Shop

T = TypeVar("T")


class _Written(Protocol):
    """What is written in one language."""

    @property
    def locale(self) -> str: ...


L = TypeVar("L", bound=_Written)


class _About(TypedDict):
    """What a message is about: `products` are what the catalogue has for `context.product_ids(run)`.

    `links` are `unsubscribe` and `page`. `recommend` is what there is to recommend, by the name of its list; `coupon`
    what the message gives.
    """

    profile: Profile
    run: Run
    products: Mapping[str, Product]
    links: Mapping[str, str]
    recommend: NotRequired[Mapping[str, Sequence[Product]]]
    coupon: NotRequired[Coupon | None]


class Telling(_About):
    """What a message is about, and what numbers its links."""

    tracker: NotRequired[Tracker | None]


class Mails(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that `send` needs of one published set. `formats` is how each locale in use writes."""

    hash: str
    templates: dict[str, MailTemplate] = {}
    """each in the language that stands in for all that it is not written in"""
    translations: dict[str, dict[str, MailTemplate]] = {}
    """name → locale → the mail in its other languages"""
    brand: Brand = Brand()
    shops: dict[str, Shop] = {}
    formats: dict[str, Format] = {}
    sms: dict[str, SmsTemplate] = {}
    push: dict[str, PushTemplate] = {}
    sms_translations: dict[str, dict[str, SmsTemplate]] = {}
    push_translations: dict[str, dict[str, PushTemplate]] = {}
    assets: dict[str, Asset] = {}
    """path → the file that stands there, as it was then: `assets/logo.png`"""

    def spoken(self, name: str, *readers: str | None) -> MailTemplate | None:
        """Return the mail in the language of the first of these locales that it is written in, with their fallbacks."""
        return _spoken(self.templates.get(name), self.translations.get(name), readers)

    def spoken_text(self, name: str, *readers: str | None) -> SmsTemplate | None:
        """Return the text message, chosen as `spoken` does."""
        return _spoken(self.sms.get(name), self.sms_translations.get(name), readers)

    def spoken_push(self, name: str, *readers: str | None) -> PushTemplate | None:
        """Return the push message, chosen as `spoken` does."""
        return _spoken(self.push.get(name), self.push_translations.get(name), readers)

    def build(
        self,
        name: str,
        *,
        clock: Callable[[], float] | None = None,
        to_shop: bool = False,
        **telling: Unpack[Telling],
    ) -> Rendered:
        """Return the mail `name` for this profile and run, in their language. `clock` is monotonic, in seconds.

        `to_shop`: the shop's own people read it. With a `tracker`, links count their clicks and a picture who opens the
        mail; the tracker then knows where they lead. Raises `ContentError` for an unknown template or shop, where a
        coupon is missing that the mail shows, and where `render` does.
        """
        readers = self.readers(telling["profile"], to_shop=to_shop)
        template = self.spoken(name, *readers)
        if template is None:
            raise ContentError(f"the playbook {self.hash} has no mail for this", file=name)
        _check_coupon(template.coupon, telling.get("coupon"), name)
        return render(template, self._names(template.locale, readers, **telling), clock)

    def text(self, name: str, *, clock: Callable[[], float] | None = None, **telling: Unpack[Telling]) -> str:
        """Return what the text message `name` says to this profile, in their language. Raises as `build` does."""
        readers = self.readers(telling["profile"])
        template = self.spoken_text(name, *readers)
        if template is None:
            raise ContentError(f"the playbook {self.hash} has no text message for this", file=name)
        _check_coupon(template.coupon, telling.get("coupon"), name)
        return render_sms(template, self._names(template.locale, readers, **telling), clock)

    def push_message(
        self, name: str, *, clock: Callable[[], float] | None = None, **telling: Unpack[Telling]
    ) -> tuple[RenderedPush, bool]:
        """Return what the push message `name` says to this profile, and whether that runs from right to left.

        Without an address of its own it leads to the shop. Raises as `build` does.
        """
        readers = self.readers(telling["profile"])
        template = self.spoken_push(name, *readers)
        if template is None:
            raise ContentError(f"the playbook {self.hash} has no push message for this", file=name)
        _check_coupon(template.coupon, telling.get("coupon"), name)
        names = self._names(template.locale, readers, **telling)
        shown = render_push(template, names, clock)
        if not shown.url:
            home = str(names["shop"]["url"] or "")
            tracker = telling.get("tracker")
            shown = msgspec.structs.replace(shown, url=tracker.link(home) if tracker is not None else home)
        return shown, bool(names[FORMATS][""].rtl)

    def _names(
        self, locale: str, readers: Sequence[str], *, tracker: Tracker | None = None, **about: Unpack[_About]
    ) -> dict[str, Any]:
        shop = self.shops.get(about["profile"].shop)
        if shop is None:
            raise ContentError(f"the playbook {self.hash} has no shop for this", file=about["profile"].shop)
        form = form_for(self.formats, locale, *readers)
        names = context(
            shop=shop, brand=self.brand, formats=self.formats, form=form, language=languages.base(locale), **about
        )
        return names if tracker is None else names | {TRACKER: tracker, PIXEL: tracker.pixel}

    def readers(self, profile: Profile, *, to_shop: bool = False) -> tuple[str, ...]:
        """Return the locales that a mail about this profile is to be in, the best first."""
        shop = self.shops.get(profile.shop)
        known = () if to_shop else (profile.locale, profile.person.locale)
        wanted = (*known, shop.locale if shop is not None else None)
        return tuple(locale for locale in wanted if locale)


def _check_coupon(shown: Sequence[str], coupon: Coupon | None, name: str) -> None:
    """Raise `ContentError` where a message shows more of a coupon than it is given: none goes without its code."""
    if shown and (coupon is None or not (coupon.offer or OF_CODES.issuperset(shown))):
        raise ContentError("the message shows a coupon, and is given none", file=name)


def _spoken(template: L | None, others: Mapping[str, L] | None, readers: Sequence[str | None]) -> L | None:
    if template is None or not others:
        return template
    found = pick({template.locale, *others}, *readers)
    return others.get(found, template) if found is not None else template


_mails = msgspec.json.Decoder(Mails)
_encoder = msgspec.json.Encoder(order="sorted")


def decode_mails(raw: bytes) -> Mails:
    """Return what `files` wrote as `mails.json`."""
    return _mails.decode(raw)


def pool_file(pool: str) -> str:
    """Return where the codes of a pool stand, by their digest: the same however many sets have them."""
    return f"pools/{pool}.json"


class PublishedSet(Struct, frozen=True, kw_only=True):
    """A valid set of content under its hash, the three ways that it is read."""

    hash: str
    playbook: Playbook
    mails: Mails
    pages: PageSettings
    sites: dict[str, Site]
    pools: dict[str, tuple[str, ...]] = {}
    """digest → the codes of a pool"""

    def files(self) -> dict[str, bytes]:
        """Return key → content of every file that must stand before the pointer may name this set."""
        where = f"playbooks/{self.hash}"
        pinned = {f"flows/{flow.version}.json": _encoder.encode(flow) for flow in self.playbook.flows.values()}
        return {
            **pinned,
            f"{where}/flows.json": _encoder.encode(self.playbook),
            f"{where}/mails.json": _encoder.encode(self.mails),
            f"{where}/pages.json": _encoder.encode(self.pages),
            f"{where}/site.json": _encoder.encode(self.sites),
            **{pool_file(pool): _encoder.encode(codes) for pool, codes in self.pools.items()},
        }


def published_set(
    *,
    flows: Mapping[str, Flow],
    shops: Mapping[str, Shop],
    templates: Mapping[str, MailTemplate],
    brand: Brand,
    formats: Mapping[str, Format],
    segments: Mapping[str, Segment] | None = None,
    manners: Manners = Manners(),  # noqa: B008 - frozen
    sms: Mapping[str, SmsTemplate] | None = None,
    push: Mapping[str, PushTemplate] | None = None,
    translations: Mapping[str, Mapping[str, MailTemplate]] | None = None,
    topics: Sequence[Topic] = (),
    spoken_names: Mapping[str, str] | None = None,
    offers: Mapping[str, Offer] | None = None,
    pools: Mapping[str, tuple[str, ...]] | None = None,
    popups: Mapping[str, Popup] | None = None,
    assets: Mapping[str, Asset] | None = None,
    sms_translations: Mapping[str, Mapping[str, SmsTemplate]] | None = None,
    push_translations: Mapping[str, Mapping[str, PushTemplate]] | None = None,
) -> PublishedSet:
    """Return the set under the hash of all that it holds: equal content, equal hash, in any order.

    `spoken_names` are the languages in which shops write, each with its own name. Topics are shown in their order.
    """
    all_flows, all_shops, all_templates = _sorted(flows), _sorted(shops), _sorted(templates)
    all_segments, all_sms, all_push = _sorted(segments or {}), _sorted(sms or {}), _sorted(push or {})
    all_offers, all_popups = _sorted(offers or {}), _sorted(popups or {})
    spoken = {name: _sorted(others) for name, others in _sorted(translations or {}).items() if others}
    texts = {name: _sorted(others) for name, others in _sorted(sms_translations or {}).items() if others}
    pushed = {name: _sorted(others) for name, others in _sorted(push_translations or {}).items() if others}
    all_topics, names = tuple(topics), _sorted(spoken_names or {})
    parts = (
        all_flows,
        all_shops,
        all_templates,
        brand,
        _sorted(formats),
        all_segments,
        manners,
        all_sms,
        all_push,
        spoken,
        all_topics,
        names,
        all_offers,
        all_popups,
        texts,
        pushed,
    )
    all_assets = _sorted(assets or {})
    # Without files it has the hash that it had before there were any.
    more = (all_assets,) if all_assets else ()
    whole = digest("playbook", *(_encoder.encode(part) for part in (*parts, *more)))
    return PublishedSet(
        hash=whole,
        playbook=Playbook(
            hash=whole,
            flows=all_flows,
            segments=all_segments,
            manners=manners,
            topics={topic.name: topic.on for topic in all_topics},
            shops=all_shops,
            offers=all_offers,
        ),
        pools=dict(pools or {}),
        mails=Mails(
            hash=whole,
            templates=all_templates,
            translations=spoken,
            brand=brand,
            shops=all_shops,
            formats=dict(formats),
            sms=all_sms,
            push=all_push,
            assets=all_assets,
            sms_translations=texts,
            push_translations=pushed,
        ),
        pages=PageSettings(hash=whole, brand=brand, shops=all_shops, topics=all_topics, languages=names),
        sites={name: site_of(shop, all_popups.values(), brand) for name, shop in all_shops.items()},
    )


def _sorted(parts: Mapping[str, T]) -> dict[str, T]:
    return dict(sorted(parts.items()))
