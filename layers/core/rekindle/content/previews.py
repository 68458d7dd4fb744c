"""Mails as they would look, out of a folder of content that need not be right as a whole: `rekindle preview`.

Publish only: compiles what it shows. Pure.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formataddr
from urllib.parse import quote

import msgspec
from msgspec import Struct

from rekindle.content import languages
from rekindle.content.assets import Shelf, look
from rekindle.content.brand import Brand
from rekindle.content.compile import CompiledMail, compile_mail
from rekindle.content.mails import MailTemplate, Rendered
from rekindle.content.media import FOLDER, HOST, TYPES, ending
from rekindle.content.offers import parse_offer
from rekindle.content.playbook import Mails
from rekindle.content.samples import LINKS, SAMPLE_SHOP, Sample, sample_of, sample_of_mail
from rekindle.content.sources import parse_brand, parse_shop
from rekindle.content.validate import formats_for, is_asset
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Product
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.profile import Profile, Run
from rekindle.flow.definition import read_flow
from rekindle.flow.program import Shop

_MAIL = re.compile(r"emails/([a-z0-9][a-z0-9-]*)/")
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


class Drafts(Struct, frozen=True, kw_only=True):
    """Mails of a folder, compiled, and what is wrong with those that are not among them."""

    mails: Mails
    files: dict[str, str]
    assets: dict[str, bytes] = {}
    """address (`media.HOST`) → the file that will stand there"""
    problems: tuple[ContentError, ...] = ()
    offers: dict[str, Offer] = {}
    """mail → what a flow gives with it, of those that show a coupon at all: a made-up one where no flow gives any"""

    def locales_of(self, name: str) -> tuple[str, ...]:
        """Return the languages that this mail is written in, in order."""
        first = self.mails.templates[name]
        return tuple(sorted({first.locale, *self.mails.translations.get(name, {})}))

    def sample(self, name: str, locale: str) -> Sample:
        """Return the sample of a mail in a language. Raises `ContentError`; without a sample, everything is missing."""
        found = sample_of_mail(self.files, name, locale)
        return found[0] if found is not None else Sample()

    def coupon(self, name: str, sample: Sample, shop: Shop) -> Coupon | None:
        """Return the coupon to show: as a flow gives it, else the sample's; `None` where the mail speaks of none."""
        if name not in self.offers:
            return None
        offer = self.offers[name]
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


def names_in(files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the names of all mails of a folder, in order."""
    return tuple(sorted({found.group(1) for path in files if (found := _MAIL.match(path))}))


def drafts(files: Mapping[str, bytes], names: Iterable[str]) -> Drafts:
    """Return these mails, compiled with the folder's brand, shops and layouts."""
    problems: list[ContentError] = []
    texts: dict[str, str] = {}
    for path, raw in files.items():
        if path.startswith(("emails/", "flows/", "offers/")) or path == "brand.yaml" or _SHOP.match(path):
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
        if named := _SHOP.match(path):
            shop, wrong = parse_shop(texts[path], file=path)
            problems += wrong
            if shop is not None:
                problems += _missing(shelf, shop.logo, path)
                shops[named.group(1)] = msgspec.structs.replace(shop, logo=shelf.placed(shop.logo))
    below = {path.removeprefix("emails/"): text for path, text in texts.items() if path.startswith("emails/")}
    wanted = {locale for shop in (list(shops.values()) or [SAMPLE_SHOP]) for locale in shop.languages}
    compiled: dict[str, CompiledMail] = {}
    for name in names:
        mail, wrong = compile_mail(name, below, brand, wanted=wanted, shelf=shelf)
        problems += [one for one in wrong if str(one) not in {str(known) for known in problems}]
        compiled |= {name: mail} if mail is not None else {}
    mails = Mails(
        hash="draft",
        templates={name: mail.template for name, mail in compiled.items()},
        translations={name: mail.translations for name, mail in compiled.items() if mail.translations},
        brand=brand,
        shops=shops,
        formats=formats_for(compiled.values(), shops or {SAMPLE_SHOP.id: SAMPLE_SHOP}),
    )
    showing = [name for name, mail in compiled.items() if mail.coupon]
    offers = _offers(texts) if showing else {}
    return Drafts(
        mails=mails,
        files=texts,
        assets={asset.address: files[path] for path, asset in shelf.published.items()},
        problems=tuple(problems),
        offers={name: offers.get(name, Offer(name="", kind="unique")) for name in showing},
    )


def _offers(texts: Mapping[str, str]) -> dict[str, Offer]:
    """Return mail → the offer that the first flow gives with it. Nothing is told of what is wrong with either."""
    known: dict[str, Offer] = {}
    for path, text in texts.items():
        if path.startswith("offers/") and path.endswith(".yaml"):
            offer, _ = parse_offer(text, file=path)
            known |= {offer.name: offer} if offer is not None else {}
    found: dict[str, Offer] = {}
    for path, text in sorted(texts.items()):
        if path.startswith("flows/") and path.endswith(".yaml"):
            for use in read_flow(text, file=path).uses:
                if use.what == "email" and use.gives in known:
                    found.setdefault(use.name, known[use.gives])
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
    own = profile.locale
    reader = own if own and languages.pick({locale}, own) else locale
    person = msgspec.structs.replace(profile.person, locale=reader)
    profile = msgspec.structs.replace(profile, shop=shop.id, person=person)
    mails = msgspec.structs.replace(found.mails, shops={shop.id: shop})
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
