"""Messages as they would look, out of a folder of content that need not be right as a whole: `rekindle preview`.

Publish only: compiles what it shows. Pure.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Struct

from rekindle.content import languages
from rekindle.content.assets import Shelf, look
from rekindle.content.brand import Brand
from rekindle.content.compile import CompiledMail, compile_mail
from rekindle.content.locales import direction
from rekindle.content.mails import MailTemplate, Rendered
from rekindle.content.media import FOLDER, HOST, TYPES, ending
from rekindle.content.offers import parse_offer
from rekindle.content.playbook import Mails
from rekindle.content.samples import LINKS, SAMPLE_SHOP, Sample, counting, sample_of, sample_of_mail
from rekindle.content.shorts import CompiledShort, compile_push, compile_sms
from rekindle.content.sources import parse_brand, parse_shop
from rekindle.content.texts import Length, RenderedPush, length
from rekindle.content.validate import formats_for, is_asset
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Product
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.profile import Profile, Run
from rekindle.flow.definition import read_flow
from rekindle.flow.program import Shop

#: The folder that a message is in.
Root = Literal["emails", "sms", "push"]

_NAMES: Mapping[Root, re.Pattern[str]] = {
    "emails": re.compile(r"emails/([a-z0-9][a-z0-9-]*)/"),
    "sms": re.compile(r"sms/([a-z0-9][a-z0-9-]*)(?:/[A-Za-z0-9-]+)?\.txt\Z"),
    "push": re.compile(r"push/([a-z0-9][a-z0-9-]*)(?:/[A-Za-z0-9-]+)?\.yaml\Z"),
}
#: Folder → the step that sends what is in it.
_STEPS: Mapping[Root, str] = {"emails": "email", "sms": "sms", "push": "push"}
_SHOP = re.compile(r"shops/([^/]+)\.yaml\Z")
_FILE = re.compile(rf"{re.escape(HOST)}/a/[0-9a-f]{{32}}/[\w.-]+")
_PICTURE = re.compile(r'(<img\b[^>]*?\ssrc=")(https?://[^"]+)(")')
_DARK = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_LIGHT = re.compile(r"\(\s*prefers-color-scheme\s*:\s*light\s*\)")
_NEVER, _ALWAYS = "(max-width: 0)", "(min-width: 0)"
#: Stands where a picture would be that nobody has: a frame with hills and a sun.
_STAND_IN = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80" preserveAspectRatio="xMidYMid slice">'
    '<rect width="120" height="80" fill="#d9d4c7"/><circle cx="88" cy="24" r="9" fill="#f3efe4"/>'
    '<path d="M0 80V62l34-28 30 26 18-14 38 34z" fill="#b4ad9b"/></svg>'
)


class Named(NamedTuple):
    """A message by its folder and its name: `emails/welcome`, `sms/parcel`, `push/back`."""

    root: Root
    name: str

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.root}/{self.name}"


class Drafts(Struct, frozen=True, kw_only=True):
    """Messages of a folder, compiled, and what is wrong with those that are not among them."""

    mails: Mails
    files: dict[str, str]
    assets: dict[str, bytes] = {}
    """address (`media.HOST`) → the file that will stand there"""
    problems: tuple[ContentError, ...] = ()
    offers: dict[Named, Offer] = {}
    """message → what a flow gives with it, of those that show a coupon at all: a made-up one where no flow gives any"""

    @property
    def names(self) -> tuple[Named, ...]:
        """Return what can be shown, in order."""
        made: Mapping[Root, Iterable[str]] = {
            "emails": self.mails.templates, "sms": self.mails.sms, "push": self.mails.push,
        }  # fmt: skip
        return tuple(Named(root, name) for root, names in made.items() for name in sorted(names))

    def locales_of(self, named: Named) -> tuple[str, ...]:
        """Return the languages that this message is written in, in order."""
        pairs: dict[Root, tuple[Any, Mapping[str, Mapping[str, Any]]]] = {
            "emails": (self.mails.templates.get(named.name), self.mails.translations),
            "sms": (self.mails.sms.get(named.name), self.mails.sms_translations),
            "push": (self.mails.push.get(named.name), self.mails.push_translations),
        }
        first, others = pairs[named.root]
        return tuple(sorted({first.locale if first is not None else "", *others.get(named.name, {})}))

    def sample(self, named: Named, locale: str) -> Sample:
        """Return the sample of a message in a language. Raises `ContentError`; without one, everything is missing."""
        found = sample_of_mail(self.files, named.name, locale, named.root)
        return found[0] if found is not None else Sample()

    def coupon(self, named: Named, sample: Sample, shop: Shop) -> Coupon | None:
        """Return the coupon to show: as a flow gives it, else the sample's; `None` where the message speaks of none."""
        if named not in self.offers:
            return None
        offer = self.offers[named]
        return sample_of(offer, shop) if offer.name else sample.given(shop)

    def shop(self, wanted: str | None) -> Shop:
        """Return this shop; the folder's first when none is named, one that is made up where it has none.

        Raises `ContentError` for one that is not there.
        """
        known = self.mails.shops
        if wanted is None:
            return next(iter(known.values()), SAMPLE_SHOP)
        if wanted not in known:
            hint = f"there are {', '.join(known)}" if known else "the folder has no shops"
            raise ContentError(f"there is no shop '{wanted}'", hint=hint)
        return known[wanted]


class Preview(Struct, frozen=True, kw_only=True):
    """One mail as one person would get it."""

    name: str
    locale: str
    shop: Shop
    to: str
    rendered: Rendered
    preheader: str = ""
    assets: dict[str, bytes] = {}
    """address in the mail → the file that will stand there"""

    @property
    def page(self) -> str:
        """The HTML with the files of `assets/` in it: nobody serves them yet."""
        return _FILE.sub(lambda found: _inline(found.group(), self.assets), self.rendered.html)

    def eml(self, headers: Mapping[str, str] = {}) -> bytes:
        """Return it as a file that mail programs open."""
        mail = EmailMessage(policy=SMTP)
        mail["From"] = formataddr((self.shop.sender_name, self.shop.sender_email))
        mail["To"] = self.to
        mail["Subject"] = self.rendered.subject
        if self.shop.reply_to:
            mail["Reply-To"] = self.shop.reply_to
        for name, value in headers.items():
            mail[name] = value
        mail.set_content(self.rendered.text)
        mail.add_alternative(self.page, subtype="html")
        return mail.as_bytes()


class Short(Struct, frozen=True, kw_only=True):
    """One text or push message as one person would get it."""

    named: Named
    locale: str
    shop: Shop
    to: str
    rtl: bool
    text: str
    """what a text says, with links as long as those that go out; of a push message, title and body"""
    push: RenderedPush | None = None

    @property
    def length(self) -> Length:
        """How long it is on a phone network."""
        return length(self.text)


def names_in(files: Mapping[str, bytes]) -> tuple[Named, ...]:
    """Return all messages of a folder: mails, texts, push messages, each in order."""
    found = (Named(root, hit.group(1)) for path in files for root, name in _NAMES.items() if (hit := name.match(path)))
    return tuple(sorted(set(found), key=lambda named: (tuple(_NAMES).index(named.root), named.name)))


def drafts(files: Mapping[str, bytes], names: Iterable[Named]) -> Drafts:
    """Return these messages, compiled with the folder's brand, shops and layouts."""
    problems: list[ContentError] = []
    texts: dict[str, str] = {}
    for path, raw in files.items():
        if (
            path.startswith(("emails/", "sms/", "push/", "flows/", "offers/"))
            or path == "brand.yaml"
            or _SHOP.match(path)
        ):
            try:
                texts[path] = raw.decode("utf-8-sig").replace("\r\n", "\n")
            except UnicodeDecodeError:
                # A picture that lies about; of text that is none, `compile_mail` will miss the file.
                continue
    shelf = Shelf({path: look(path, raw) for path, raw in files.items() if is_asset(path)})
    brand = Brand()
    if "brand.yaml" in texts:
        found, wrong = parse_brand(texts["brand.yaml"], file="brand.yaml")
        problems += wrong
        brand = found or brand
    problems += _missing(shelf, brand.logo, "brand.yaml")
    brand = msgspec.structs.replace(brand, logo=shelf.placed(brand.logo))
    shops: dict[str, Shop] = {}
    for path in sorted(texts):
        if shop_file := _SHOP.match(path):
            shop, wrong = parse_shop(texts[path], file=path)
            problems += wrong
            if shop is not None:
                problems += _missing(shelf, shop.logo, path)
                shops[shop_file.group(1)] = msgspec.structs.replace(shop, logo=shelf.placed(shop.logo))
    wanted = {locale for shop in (list(shops.values()) or [SAMPLE_SHOP]) for locale in shop.languages}
    made: dict[Named, CompiledMail | CompiledShort[Any]] = {}
    for named in names:
        below = {
            path.removeprefix(f"{named.root}/"): text
            for path, text in texts.items()
            if path.startswith(f"{named.root}/")
        }
        message, more = _COMPILED[named.root](named.name, below, brand, wanted, shelf)
        problems += [one for one in more if str(one) not in {str(known) for known in problems}]
        made |= {named: message} if message is not None else {}

    def of(root: Root) -> tuple[dict[str, Any], dict[str, Any]]:
        some = {named.name: message for named, message in made.items() if named.root == root}
        translated = {name: message.translations for name, message in some.items() if message.translations}
        return {name: message.template for name, message in some.items()}, translated

    (templates, translations), (sms, sms_translations), (push, push_translations) = map(of, _NAMES)
    mails = Mails(
        hash="draft",
        templates=templates,
        translations=translations,
        sms=sms,
        sms_translations=sms_translations,
        push=push,
        push_translations=push_translations,
        brand=brand,
        shops=shops,
        formats=formats_for(made.values(), shops or {SAMPLE_SHOP.id: SAMPLE_SHOP}),
    )
    showing = [named for named, message in made.items() if _coupon_of(message)]
    offers = _offers(texts) if showing else {}
    return Drafts(
        mails=mails,
        files=texts,
        assets={asset.address: files[path] for path, asset in shelf.published.items()},
        problems=tuple(problems),
        offers={named: offers.get(named, Offer(name="", kind="unique")) for named in showing},
    )


_COMPILED: Mapping[
    Root, Callable[[str, dict[str, str], Brand, set[str], Shelf], tuple[Any, Sequence[ContentError]]]
] = {
    "emails": lambda name, below, brand, wanted, shelf: compile_mail(name, below, brand, wanted=wanted, shelf=shelf),
    "sms": lambda name, below, _, wanted, __: compile_sms(name, below, wanted),
    "push": lambda name, below, _, wanted, __: compile_push(name, below, wanted),
}


def _coupon_of(message: CompiledMail | CompiledShort[Any]) -> bool:
    return bool(message.coupon if isinstance(message, CompiledMail) else message.coupon_fields)


def _offers(texts: Mapping[str, str]) -> dict[Named, Offer]:
    """Return message → the offer that the first flow gives with it. Nothing is told of what is wrong with either."""
    known: dict[str, Offer] = {}
    for path, text in texts.items():
        if path.startswith("offers/") and path.endswith(".yaml"):
            offer, _ = parse_offer(text, file=path)
            known |= {offer.name: offer} if offer is not None else {}
    roots = {step: root for root, step in _STEPS.items()}
    found: dict[Named, Offer] = {}
    for path, text in sorted(texts.items()):
        if path.startswith("flows/") and path.endswith(".yaml"):
            for use in read_flow(text, file=path).uses:
                if use.what in roots and use.gives in known:
                    found.setdefault(Named(roots[use.what], use.name), known[use.gives])
    return found


def _missing(shelf: Shelf, logo: str | None, file: str) -> list[ContentError]:
    lacking = shelf.lacks(logo) if logo is not None and logo.startswith(FOLDER) else None
    return [ContentError(lacking[0], file=file, hint=lacking[1])] if lacking is not None else []


def _inline(address: str, files: Mapping[str, bytes]) -> str:
    """Return a file as an address that holds it whole; the address itself where it is not known."""
    raw = files.get(address)
    kind = TYPES[ending(address)].partition(";")[0]
    return address if raw is None else f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def preview(
    found: Drafts,
    name: str,
    *,
    locale: str,
    shop: Shop,
    profile: Profile,
    run: Run,
    products: Mapping[str, Product],
    recommend: Mapping[str, Sequence[Product]] = {},
    coupon: Coupon | None = None,
) -> Preview:
    """Return the mail in this language for this person; dates and prices as their region has them, if it speaks it.

    Raises `ContentError`.
    """
    mails, profile, reader = _for_one(found, locale, shop, profile)
    template = mails.spoken(name, reader)
    if template is None:
        raise ContentError(f"there is no mail '{name}'")

    def built(one: MailTemplate) -> Rendered:
        alone = msgspec.structs.replace(mails, templates={name: one}, translations={})
        return alone.build(
            name, profile=profile, run=run, products=products, links=LINKS, recommend=recommend, coupon=coupon
        )

    # An inbox shows what stands behind the subject as it shows that: on one line.
    peek = msgspec.structs.replace(template, subject=template.preheader, html="", text="")
    rendered = built(template)
    return Preview(
        name=name,
        locale=template.locale,
        shop=shop,
        to=profile.email or "customer@example.com",
        rendered=rendered,
        preheader=built(peek).subject if template.preheader else "",
        assets={one: found.assets[one] for one in _FILE.findall(rendered.html) if one in found.assets},
    )


def preview_short(
    found: Drafts,
    named: Named,
    *,
    locale: str,
    shop: Shop,
    profile: Profile,
    run: Run,
    products: Mapping[str, Product],
    coupon: Coupon | None = None,
) -> Short:
    """Return the text or push message in this language for this person. Raises `ContentError`."""
    mails, profile, _ = _for_one(found, locale, shop, profile)
    about: dict[str, Any] = {"profile": profile, "run": run, "products": products, "links": LINKS, "coupon": coupon}
    if named.root == "sms":
        text = mails.text(named.name, **about, tracker=counting(shop))
        rtl, push, to = direction(locale) == "rtl", None, profile.phone or "+44 7700 900000"
    else:
        push, rtl = mails.push_message(named.name, **about)
        text, to = f"{push.title}\n{push.body}", "a browser"
    return Short(named=named, locale=locale, shop=shop, to=to, rtl=rtl, text=text, push=push)


def _for_one(found: Drafts, locale: str, shop: Shop, profile: Profile) -> tuple[Mails, Profile, str]:
    """Return the set with this shop alone, the person as its customer, and the language as they read it."""
    own = profile.locale
    reader = own if own and languages.pick({locale}, own) else locale
    person = msgspec.structs.replace(profile.person, locale=reader)
    profile = msgspec.structs.replace(profile, shop=shop.id, person=person)
    return msgspec.structs.replace(found.mails, shops={shop.id: shop}), profile, reader


def in_scheme(page: str, scheme: str) -> str:
    """Return the mail as its own styles have it in the `light` or the `dark`, whatever the reader's screen prefers."""
    dark = scheme == "dark"
    page = _DARK.sub(_ALWAYS if dark else _NEVER, page)
    return _LIGHT.sub(_NEVER if dark else _ALWAYS, page)


def with_pictures(page: str, pictures: Mapping[str, bytes], *, everywhere: bool) -> str:
    """Return the mail with pictures in it that no web server has.

    `pictures` are PNG files by name: each stands in for the addresses that end in it. Of the others those of samples
    (`.example`), or all of them `everywhere`, become a drawing.
    """

    def put(found: re.Match[str]) -> str:
        address = html.unescape(found.group(2))
        name = address.partition("?")[0].rpartition("/")[2]
        if name in pictures:
            data = "data:image/png;base64," + base64.b64encode(pictures[name]).decode()
        elif everywhere or re.match(r"https?://[^/]*\.example(?:[/:]|\Z)", address):
            data = "data:image/svg+xml," + quote(_STAND_IN)
        else:
            return found.group()
        return f"{found.group(1)}{data}{found.group(3)}"

    return _PICTURE.sub(put, page)


def size_of(mail: Rendered) -> int:
    """Return how many bytes the HTML has, of which Gmail shows 102,000."""
    return len(mail.html.encode())
