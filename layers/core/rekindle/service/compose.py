"""Making one message ready to go: the newest template of its name, its links; of a mail its headers and tags too."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from email.utils import formataddr
from functools import lru_cache

import msgspec

from rekindle.content.context import holds, product_ids
from rekindle.content.links import (
    Confirm,
    Track,
    Unsubscribe,
    form_of,
    preferences_of,
    sign_confirm,
    sign_form,
    sign_preferences,
    sign_track,
    sign_unsubscribe,
)
from rekindle.content.playbook import Mails, decode_mails
from rekindle.content.texts import RenderedPush
from rekindle.content.tracker import Tracker
from rekindle.domain import ids, sign_ups
from rekindle.domain.errors import ContentError, NothingToSayError
from rekindle.domain.facts import Order, Product, Refund, Review, Shipment
from rekindle.domain.offers import Coupon
from rekindle.domain.profile import Channel, Planned, Profile, Run
from rekindle.flow.program import Shop
from rekindle.ports import Blobs, Mail, Outbox, PushMessage, Secrets, TextMessage
from rekindle.service.coupons import Wallet, code_of
from rekindle.service.library import Library
from rekindle.service.notices import MESSAGE_HEADER, MESSAGE_TAG
from rekindle.service.people import ADDRESS_KINDS, address_hash
from rekindle.service.recommend import Recommender, Wish, wish_of

_ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_SENDER = re.compile(rf'(?:"?([^"<>@]*?)"?\s*<({_ADDRESS})>|({_ADDRESS}))\Z', re.ASCII)
#: Sets of templates held at once: the newest, and a few that old runs still need.
_MAX_SETS = 8


class Composer:
    """Builds mails for `Deliver`. Published sets are read once and held; they never change."""

    def __init__(
        self,
        *,
        library: Library,
        blobs: Blobs,
        outbox: Outbox,
        secrets: Secrets,
        link_base: str,
        recommender: Recommender | None = None,
        wallet: Wallet | None = None,
    ) -> None:
        """Take the ports. `link_base` is where links point for shops without a link domain: `https://host`.

        Without a `recommender` no mail recommends anything; without a `wallet` none can be made that gives an offer.
        """
        self._library = library
        self._blobs = blobs
        self._outbox = outbox
        self._secrets = secrets
        self._link_base = link_base
        self._recommender = recommender
        self._wallet = wallet
        self._sets: dict[str, Mails] = {}
        self._products: dict[tuple[str, str], Product | None] = {}

    def prepare(self, wanted: Sequence[tuple[Profile, Planned, Run]]) -> None:
        """Read the products that these mails show, one call a shop; they are held until the next batch.

        Where some of them recommend, that is up to two calls more.
        """
        self._products.clear()
        wishes = [wish for each in wanted if (wish := self._wish(*each)) is not None]
        if self._recommender is not None and wishes:
            self._recommender.prepare(wishes)
            for wish in wishes:
                shop = wish.profile.shop
                about = product_ids(wish.run)
                self._products.update({(shop, one): self._recommender.product(shop, one) for one in about})
        by_shop: dict[str, dict[str, None]] = {}
        for profile, _, run in wanted:
            missing = (one for one in product_ids(run) if (profile.shop, one) not in self._products)
            by_shop.setdefault(profile.shop, {}).update(dict.fromkeys(missing))
        for shop, products in by_shop.items():
            self._read_products(shop, tuple(products))

    def _wish(self, profile: Profile, planned: Planned, run: Run) -> Wish | None:
        """Return what this message wants to recommend, if it is a mail to a person."""
        if planned.channel != "email" or planned.to in {"shop", "claimed"}:
            return None
        try:
            mails = self._published(run, lambda mails: planned.template in mails.templates)
        except ContentError:
            # Building it says so.
            return None
        spoken = mails.spoken(planned.template, *mails.readers(profile))
        return wish_of(spoken, profile, run) if spoken is not None else None

    def build(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Mail:
        """Return the mail for this planned message. Raises `ContentError` when it cannot be made.

        Every message raises `NothingToSayError` where what it was to tell of products is no longer so, or where a list
        that it needs is empty.
        """
        mails = self._published(run, lambda mails: planned.template in mails.templates)
        shop = mails.shops.get(profile.shop)
        if shop is None:
            raise ContentError(f"shops/{profile.shop}.yaml is not published")
        to = _recipient(profile, planned, shop)
        if to is None:
            raise ContentError(f"nobody is named under notify in shops/{shop.id}.yaml")
        to_shop, asks_back = planned.to == "shop", planned.to == "claimed"
        spoken = mails.spoken(planned.template, *mails.readers(profile, to_shop=to_shop))
        language = spoken.locale if spoken is not None else ""
        forms = spoken.forms if spoken is not None else ()
        recommended = self._recommended(profile, planned, run)
        for name in spoken.needs if spoken is not None else ():
            if not recommended.get(name):
                raise NothingToSayError(f"there is nothing to show under recommend.{name}")
        coupon = self._coupon(message_id, profile, planned, run)
        # The links act on the customer's consent: they are nobody's but theirs.
        pages = {}
        if asks_back:
            pages = {"confirm": self._confirm_page(profile, planned, shop, language)}
        elif not to_shop:
            # What a friend is shown is the code of whoever sends them.
            code = coupon.code if coupon is not None else ""
            about = {form: code if form == "friend" else about_of(run) for form in forms}
            pages = self._pages(message_id, profile, to, shop, language, forms=forms, about=about)
        page, links = pages.get("unsubscribe"), {"assets": self._base(shop)} | pages
        # What the shop's own people do says nothing about a customer, and whoever has not agreed is not followed.
        tracker = None if to_shop or asks_back else self.tracker(message_id, shop, links.values())
        rendered = mails.build(
            planned.template,
            profile=profile,
            run=run,
            products=self._products_of(profile.shop, run),
            links=links,
            clock=time.monotonic,
            to_shop=to_shop,
            recommend=recommended,
            tracker=tracker,
            coupon=coupon,
        )
        headers = {MESSAGE_HEADER: message_id}
        if planned.category == "marketing" and page is not None:
            # RFC 8058: one click in the mail client posts to the first URL, without a cookie and without a question.
            headers["List-Unsubscribe"] = f"<{page}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return Mail(
            message_id=message_id,
            sender=_sender(planned.sender, shop.sender_name, shop.sender_email),
            to=to,
            subject=rendered.subject,
            html=rendered.html,
            text=rendered.text,
            headers=headers,
            tags={MESSAGE_TAG: message_id, "shop": shop.id, "flow": planned.flow, "step": planned.step},
            reply_to=shop.reply_to,
            targets=tuple(tracker.targets) if tracker is not None else (),
        )

    def tracker(self, message_id: str, shop: Shop, kept: Iterable[str] = ()) -> Tracker:
        """Return what numbers the links of a message; its `targets` belong into the message's record (`Attempt`).

        `kept` are addresses that stay as they are.
        """
        return Tracker(self._base(shop), sign_track(self._secrets.link_keys(), Track(message_id)), kept)

    def _base(self, shop: Shop) -> str:
        return f"https://{shop.link_domain}" if shop.link_domain else self._link_base

    def text(self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime) -> TextMessage:
        """Return the text message that is planned. Raises `ContentError` when it cannot be made."""
        mails = self._published(run, lambda mails: planned.template in mails.sms)
        shop = mails.shops.get(profile.shop)
        if shop is None:
            raise ContentError(f"shops/{profile.shop}.yaml is not published")
        sender = planned.sender or shop.sms_sender
        if not sender or profile.phone is None:
            raise ContentError(f"shops/{shop.id}.yaml does not say under sms what texts are sent from")
        spoken = mails.spoken_text(planned.template, *mails.readers(profile))
        links = self._pages(
            message_id, profile, profile.phone, shop, spoken.locale if spoken is not None else "", channel="sms"
        )
        tracker = self.tracker(message_id, shop, links.values())
        body = mails.text(
            planned.template,
            profile=profile,
            run=run,
            products=self._products_of(profile.shop, run),
            links=links,
            tracker=tracker,
            coupon=self._coupon(message_id, profile, planned, run),
            clock=time.monotonic,
        )
        return TextMessage(
            message_id=message_id,
            shop=shop.id,
            to=profile.phone,
            sender=sender,
            body=body,
            marketing=planned.category == "marketing",
            seconds=max(0, int((planned.not_after - now).total_seconds())),
            targets=tuple(tracker.targets),
        )

    def push(
        self, message_id: str, profile: Profile, planned: Planned, run: Run, now: datetime
    ) -> tuple[tuple[PushMessage, ...], tuple[str, ...]]:
        """Return the planned message for each browser, and where its links lead. Raises `ContentError`."""
        mails = self._published(run, lambda mails: planned.template in mails.push)
        shop = mails.shops.get(profile.shop)
        if shop is None:
            raise ContentError(f"shops/{profile.shop}.yaml is not published")
        tracker = self.tracker(message_id, shop)
        shown, rtl = mails.push_message(
            planned.template,
            profile=profile,
            run=run,
            products=self._products_of(profile.shop, run),
            links={},
            tracker=tracker,
            coupon=self._coupon(message_id, profile, planned, run),
            clock=time.monotonic,
        )
        topic = ids.digest("push", planned.flow, planned.step)
        payload = _notification(shown, message_id, topic, rtl=rtl)
        newest = sorted(profile.browsers.values(), key=lambda browser: (browser.at, browser.endpoint), reverse=True)
        pushes = tuple(
            PushMessage(
                message_id=message_id,
                browser=browser,
                payload=payload,
                contact=f"mailto:{shop.reply_to or shop.sender_email}",
                topic=topic,
                marketing=planned.category == "marketing",
                seconds=max(0, int((planned.not_after - now).total_seconds())),
            )
            for browser in newest
        )
        return pushes, tuple(tracker.targets)

    def _recommended(self, profile: Profile, planned: Planned, run: Run) -> Mapping[str, Sequence[Product]]:
        wish = self._wish(profile, planned, run) if self._recommender is not None else None
        return self._recommender.picks(wish) if self._recommender is not None and wish is not None else {}

    def _coupon(self, message_id: str, profile: Profile, planned: Planned, run: Run) -> Coupon | None:
        """Return what the message gives. Raises `ContentError` where that is not there."""
        if self._wallet is not None:
            return self._wallet.given(message_id, profile, planned, run)
        if planned.offer:
            raise ContentError(f"nothing gives the offer '{planned.offer}' here")
        return code_of(message_id, profile, run)

    def _products_of(self, shop: str, run: Run) -> dict[str, Product]:
        wanted = product_ids(run)
        missing = tuple(product for product in wanted if (shop, product) not in self._products)
        self._read_products(shop, missing)
        known = {product: self._products[shop, product] for product in wanted}
        found = {product: entry for product, entry in known.items() if entry is not None}
        if not holds(run, found):
            raise NothingToSayError("what it was to tell is no longer so")
        return found

    def _read_products(self, shop: str, products: Sequence[str]) -> None:
        found = self._outbox.products(shop, products) if products else {}
        self._products.update({(shop, product): found.get(product) for product in products})

    def _pages(
        self,
        message_id: str,
        profile: Profile,
        address: str,
        shop: Shop,
        language: str,
        *,
        channel: Channel = "email",
        forms: Iterable[str] = (),
        about: Mapping[str, str] = {},
    ) -> dict[str, str]:
        """Return the addresses of the pages that are this person's own; of forms only these: each is a signature."""
        hashed = address_hash(self._secrets.address_key(), ADDRESS_KINDS[channel], address)
        claim = Unsubscribe(profile.shop, channel, hashed, message_id, profile.id, language)
        keys, base = self._secrets.link_keys(), self._base(shop)
        claims = {form: form_of(claim, form, about.get(form, "")) for form in forms}
        return {
            "unsubscribe": f"{base}/u/{sign_unsubscribe(keys, claim)}",
            "preferences": f"{base}/p/{sign_preferences(keys, preferences_of(claim))}",
            **{form: f"{base}/{form}/{sign_form(keys, claims[form])}" for form in forms},
        }

    def _confirm_page(self, profile: Profile, planned: Planned, shop: Shop, language: str) -> str:
        """Return the address of the page that confirms this sign-up."""
        until = int((profile.sign_ups[planned.step].at + sign_ups.OPEN).timestamp())
        claim = Confirm(shop.id, profile.id, planned.step, until, language)
        return f"{self._base(shop)}/confirm/{sign_confirm(self._secrets.link_keys(), claim)}"

    def _published(self, run: Run, has: Callable[[Mails], bool]) -> Mails:
        """Return the newest published set if it has what is wanted, else the one that the run is pinned to."""
        newest = self._library.hash()
        if newest is None:
            raise ContentError("nothing is published")
        mails = self._set(newest)
        return mails if has(mails) or run.playbook == newest else self._set(run.playbook)

    def _set(self, wanted: str) -> Mails:
        if wanted not in self._sets:
            raw = self._blobs.get(f"playbooks/{wanted}/mails.json")
            if raw is None:
                raise ContentError(f"the playbook {wanted} is not in the bucket")
            while len(self._sets) >= _MAX_SETS:
                self._sets.pop(next(iter(self._sets)))
            self._sets[wanted] = decode_mails(raw)
        return self._sets[wanted]


def _recipient(profile: Profile, planned: Planned, shop: Shop) -> str | None:
    """Return the address that this mail goes to, if there is one."""
    if planned.to == "shop":
        return shop.notify
    if planned.to == "claimed":
        asked = profile.sign_ups.get(planned.step)
        if asked is None:
            raise ContentError("nobody asks for this mail any more")
        return asked.email
    return profile.email


def _notification(shown: RenderedPush, message_id: str, topic: str, *, rtl: bool) -> bytes:
    """Return what a browser gets, in the form that some show by themselves (Push API, declarative messages).

    Others hand it to the page's service worker, which shows `notification` and opens `navigate` at a tap.
    """
    parts = {
        "title": shown.title,
        "body": shown.body,
        "navigate": shown.url,
        "lang": shown.locale,
        "dir": "rtl" if rtl else "ltr",
        "image": shown.image,
        "tag": topic,
        "data": {"message": message_id},
    }
    return msgspec.json.encode({"web_push": 8030, "notification": {key: part for key, part in parts.items() if part}})


def about_of(run: Run) -> str:
    """Return the id of the order that a run is about, for the forms that its mails link to; else nothing."""
    match run.trigger:
        case Order(id=order) | Shipment(order_id=order) | Refund(order_id=order):
            return order
        case Review(order_id=str(order)):
            return order
        case _:
            return ""


def sender_of(wanted: str, shop: Shop) -> str:
    """Return the From of a mail: what the step wants (`a@b.example` or `Name <a@b.example>`), else the shop's own.

    Raises `ContentError` for what is not exactly one address: nothing of it may become a header of its own.
    """
    return _sender(wanted, shop.sender_name, shop.sender_email)


@lru_cache(maxsize=256)
def _sender(wanted: str, own_name: str, own_address: str) -> str:
    if not wanted:
        return formataddr((own_name, own_address))
    found = _SENDER.match(wanted.strip())
    if found is None or not wanted.isprintable():
        raise ContentError(f"'{wanted}' cannot be the sender of a mail")
    name, address, bare = found.groups()
    return formataddr((name or own_name, address or bare))
