"""A mail's sample: whom and what it is tried out with, before any customer gets it. Publish and preview only; pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.content import languages
from rekindle.content.context import RECOMMENDATIONS
from rekindle.content.links import FORMS
from rekindle.content.mails import Rendered
from rekindle.content.playbook import Mails
from rekindle.content.tracker import Tracker
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Fact, Item, Person, Product
from rekindle.domain.offers import Coupon, Gift, Offer, expiry
from rekindle.domain.profile import Profile, Run, Trait, TraitValue
from rekindle.flow.program import Shop

UNSUBSCRIBE = "https://links.example/u/sample"
LINKS = {
    "unsubscribe": UNSUBSCRIBE,
    "preferences": "https://links.example/p/sample",
    "page": UNSUBSCRIBE,
    **{form: f"https://links.example/{form}/sample" for form in FORMS},
    "confirm": "https://links.example/confirm/sample",
}
#: So many lines the largest basket or order has that a shop is likely to see.
LARGEST = 30
#: As long as the token in a link (`rekindle.content.links`), and where links live without a domain of the shop's own.
_TOKEN = "t" * 42
_API = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com"
#: The name of the sample that has nothing but what is always there.
NAMELESS = "bare"

SAMPLE_SHOP = Shop(
    id="sample",
    name="Sample Shop",
    platform="shopify",
    url="https://shop.example",
    sender_email="hello@shop.example",
    sender_name="Sample Shop",
    postal_address="Sample Shop Ltd, 1 Sample Street, Sampleton SA1 1MP",
    currency="EUR",
    locale="en",
    zone="Europe/London",
)
_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_END = datetime(2026, 1, 4, 12, tzinfo=UTC)
_WHERE = re.compile(r"\(byte (\d+)\)")


class SamplePerson(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customer of the sample."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    locale: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    phone: str | None = None
    traits: dict[str, TraitValue] = {}


class SampleRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the sample's run knows beside its event.

    `codes` is step → coupon code, `event` the event's type; `joined` is what else happened that the mail is about;
    `opened` and `clicked` name the steps whose messages were.
    """

    event: str = ""
    codes: dict[str, str] = {}
    joined: tuple[Fact, ...] = ()
    opened: tuple[str, ...] = ()
    clicked: tuple[str, ...] = ()


class SampleCoupon(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the sample gets: exactly one of the four worths. `gift` is what it is called, money of any currency."""

    code: str = "TEA-7K3MQ2XBTD"
    percent: Decimal | None = None
    amount: dict[str, Decimal] = {}
    free_shipping: bool = False
    gift: str = ""
    minimum: dict[str, Decimal] = {}
    expires_at: datetime | None = _END


class Sample(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in `sample.json`: `event` is a fact by its `type` (`basket`, `order`, `view` …).

    The catalogue adds `products`, of which `recommend` names some for each of its lists, by their ids. `like` names a
    sample that mails share (`_samples/<like>.json`), which says what this one does not.
    """

    like: str = ""
    profile: SamplePerson = SamplePerson()
    event: Fact | None = None
    run: SampleRun = SampleRun()
    products: dict[str, Product] = {}
    recommend: dict[str, tuple[str, ...]] = {}
    coupon: SampleCoupon = SampleCoupon(percent=Decimal(10))
    name: str = "sample"

    def build(
        self,
        template: str,
        shop: Shop,
        mails: Mails,
        locale: str | None = None,
        coupon: Coupon | None = None,
        *,
        counted: bool = False,
    ) -> Rendered:
        """Return the mail for this sample, in the sample's own locale or another one. Raises `ContentError`.

        `counted`: with links as they go out, which count clicks and are longer.
        """
        profile, run = self.person(shop, locale), self.trip(mails.hash)
        return mails.build(
            template,
            profile=profile,
            run=run,
            products=self.products,
            links=LINKS,
            recommend=self.recommended(),
            coupon=coupon,
            tracker=counting(shop) if counted else None,
        )

    def recommended(self) -> dict[str, list[Product]]:
        """Return what there is to recommend, by the name of its list."""
        known = self.products
        return {name: [known[one] for one in ids if one in known] for name, ids in self.recommend.items()}

    def given(self, shop: Shop) -> Coupon:
        """Return the sample's coupon."""
        said = self.coupon
        gift = Gift(product="1", title={"": said.gift}) if said.gift else None
        terms = Offer(
            name="sample",
            kind="unique",
            percent=said.percent,
            amount=said.amount and {shop.currency: next(iter(said.amount.values()))},
            free_shipping=said.free_shipping,
            gift=gift,
            minimum=said.minimum and {shop.currency: next(iter(said.minimum.values()))},
        )
        return _coupon(terms, shop, said.code, said.expires_at)

    def person(self, shop: Shop, locale: str | None = None) -> Profile:
        """Return the sample's customer, who reads this locale or their own."""
        person = self.profile
        return Profile(
            id="sample",
            shop=shop.id,
            email=person.email or "customer@example.com",
            phone=person.phone,
            person=Person(
                first_name=person.first_name,
                last_name=person.last_name,
                locale=locale or person.locale,
                country=person.country,
                region=person.region,
                city=person.city,
            ),
            traits={name: Trait(_MOMENT, value) for name, value in person.traits.items()},
        )

    def trip(self, playbook: str) -> Run:
        """Return the run that the mail is sent in."""
        return Run(
            id="sample",
            flow="sample",
            version="",
            playbook=playbook,
            entered_at=_MOMENT,
            expires_at=_MOMENT,
            trigger=self.event,
            event_type=self.run.event,
            codes=self.run.codes,
            joined=self.run.joined,
            opened=self.run.opened,
            clicked=self.run.clicked,
        )


def counting(shop: Shop) -> Tracker:
    """Return a tracker whose links are as long as those that go out."""
    return Tracker(f"https://{shop.link_domain}" if shop.link_domain else _API, _TOKEN, LINKS.values())


def sample_of(offer: Offer, shop: Shop) -> Coupon:
    """Return a coupon of this offer, as somebody in the shop's own zone gets it."""
    code = offer.code or "-".join(filter(None, (offer.prefix, "7K3MQ2XBTD")))
    where = ZoneInfo(shop.zone)
    # From a day on which an offer that ends on a fixed one has not ended yet.
    issued = min(_MOMENT, datetime.fromisoformat(offer.until).replace(tzinfo=UTC)) if offer.until else _MOMENT
    return _coupon(offer, shop, code, expiry(offer, issued, where, where))


def sample_code(code: str, shop: Shop) -> Coupon:
    """Return what a step's own `code` gives."""
    return replace(_coupon(Offer(name="", kind="fixed", life=0), shop, code, None), offer="")


def _coupon(terms: Offer, shop: Shop, code: str, expires_at: datetime | None) -> Coupon:
    return Coupon(
        run="sample",
        offer=terms.name,
        shop=shop.id,
        profile_id="sample",
        message_id="sample",
        state="made",
        terms=terms,
        issued_at=_MOMENT,
        expires_at=expires_at,
        zone=shop.zone,
        code=code,
    )


def sample_of_mail(files: Mapping[str, str], mail: str, locale: str, root: str = "emails") -> tuple[Sample, str] | None:
    """Return the sample of a mail in this language, and its file: the language's own, else the one beside the body.

    What it is `like` is looked for in the language too. `None` where the mail has none. Raises `ContentError`.
    """
    tags = languages.chain(locale)
    file = _first(files, f"{root}/{mail}", tags, "sample.json")
    if file is None:
        return None
    sample = parse_sample(files[file], file)
    if not sample.like:
        return sample, file
    base = _first(files, "emails/_samples", tags, f"{sample.like}.json")
    if base is None:
        hint = f"there is no emails/_samples/{sample.like}.json: add it, or take the line out"
        line = _line("`$.like`", files[file])
        raise ContentError(f"the sample is like '{sample.like}', which is not there", file=file, line=line, hint=hint)
    said = msgspec.json.decode(files[file], type=dict[str, msgspec.Raw])
    return replace(parse_sample(files[base], base), **{name: getattr(sample, name) for name in said}), file


def _first(files: Mapping[str, str], folder: str, tags: Iterable[str], name: str) -> str | None:
    paths = (*(f"{folder}/{tag}/{name}" for tag in tags), f"{folder}/{name}")
    return next((path for path in paths if path in files), None)


def parse_sample(text: str, file: str) -> Sample:
    """Return the sample. Raises `ContentError` with the line where JSON itself is broken, else with the path."""
    try:
        sample = msgspec.json.decode(text, type=Sample)
    except msgspec.ValidationError as error:
        raise ContentError(f"the sample does not fit: {error}", file=file, line=_line(str(error), text)) from error
    except RecursionError as error:
        raise ContentError("the sample is nested too deeply", file=file) from error
    except msgspec.DecodeError as error:
        found = _WHERE.search(str(error))
        line = text.encode()[: int(found.group(1))].count(b"\n") + 1 if found else None
        hint = "check commas, quotes and brackets on this line and the one above"
        raise ContentError("the sample is not valid JSON", file=file, line=line, hint=hint) from error
    for name, ids in sample.recommend.items() if not sample.like else ():
        _recommends(name, ids, sample, file, text)
    return sample


def _recommends(name: str, ids: tuple[str, ...], sample: Sample, file: str, text: str) -> None:
    line = _line("`$.recommend`", text)
    if name not in RECOMMENDATIONS:
        hint = f"there are {', '.join(RECOMMENDATIONS)}"
        raise ContentError(f"the sample recommends '{name}', which is no list", file=file, line=line, hint=hint)
    for one in ids:
        if one not in sample.products:
            hint = "add it there, with title, url, image and price"
            said = f"the sample recommends the product '{one}', which is not among its products"
            raise ContentError(said, file=file, line=line, hint=hint)


def bare(sample: Sample) -> Sample:
    """Return the sample without all that may be missing in real life: names, pictures, addresses, prices, totals."""
    run = SampleRun(event=sample.run.event)
    return Sample(name=NAMELESS, run=run, event=None if sample.event is None else _bare(sample.event))


def large(sample: Sample) -> Sample | None:
    """Return the sample with the largest basket or order that a shop is likely to see; `None` where it has no lines."""
    lines: tuple[Item, ...] = getattr(sample.event, "items", ())
    if sample.event is None or not lines:
        return None
    many = tuple(itertools.islice(itertools.cycle(lines), LARGEST))
    counted = {"item_count": len(many)} if "item_count" in sample.event.__struct_fields__ else {}
    return replace(sample, event=replace(sample.event, items=many, **counted), name="large")


def _bare(fact: Any) -> Any:
    """Return the fact with what it cannot be without, and its lines with their titles."""
    given = {field.name: getattr(fact, field.name) for field in msgspec.structs.fields(fact) if field.required}
    if "items" in fact.__struct_fields__:
        given["items"] = tuple(type(item)(title=item.title, quantity=item.quantity) for item in fact.items)
    return type(fact)(**given)


def _line(said: str, text: str) -> int | None:
    # msgspec names the path ($.event.items[...].price): the line of its last key is near enough.
    found = re.search(r"`\$([^`]*)`", said) or re.search(r"field `([^`]+)`", said)
    keys = re.findall(r"\w+", found.group(1)) if found else []
    for key in reversed(keys):
        for number, line in enumerate(text.split("\n"), start=1):
            if f'"{key}"' in line:
                return number
    return 1
