"""The mails that ship, and any other, as people get them."""

from __future__ import annotations

import re
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rekindle.content import locales
from rekindle.content.brand import Brand, Social
from rekindle.content.mails import MAX_SUBJECT, MailTemplate, Rendered, one_line, render, tidy
from rekindle.content.pages.settings import decode_settings
from rekindle.content.playbook import Mails, PublishedSet, decode_mails, published_set
from rekindle.content.samples import SAMPLE_SHOP, Sample, SamplePerson, bare
from rekindle.content.validate import validate
from rekindle.domain.errors import ContentError
from rekindle.domain.facts import Basket, Item, Order
from rekindle.flow.program import Shop
from tests.content.mailkit import shipped_sample
from tests.support.build import T0
from tests.support.content import some

CARTS = ("cart-reminder-1", "cart-reminder-2", "cart-reminder-3")
MAILS = (*CARTS, "order-confirmation")

JAPAN = msgspec.structs.replace(
    SAMPLE_SHOP, id="toko", name="Toko & Sons", currency="JPY", locale="ja-JP", zone="Asia/Tokyo"
)
TITLES = (
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " * 3,
    "حقيبة جلدية مصنوعة يدوياً",
    "<script>alert(1)</script>",
    "a \u202e\u2066backwards",
    "{{ 7 * 7 }}{% raw %}",
    *(f"Thing {number}" for number in range(7)),
)


@pytest.fixture(scope="module")
def published(what_ships: PublishedSet) -> PublishedSet:
    return what_ships


@pytest.fixture(scope="module")
def branded() -> PublishedSet:
    """Return the mails of two flows that ship, of a brand with a contact."""
    brand = b"contact: {phone: '+44 20 7946 0000', url: https://acme.example/help}"
    published = validate(some("cart-abandonment", "order-confirmation") | {"brand.yaml": brand}).published
    assert published is not None
    return published


def build(published: PublishedSet, name: str, of: Sample, shop: Shop = SAMPLE_SHOP, **more: Any) -> Rendered:
    """Return the mail for a sample, in a shop."""
    return of.build(name, shop, msgspec.structs.replace(published.mails, shops={shop.id: shop}, **more))


class Page(HTMLParser):
    """What matters of a rendered mail: its links, pictures and words."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str | None] = []
        self.pictures: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag."""
        self.tags.add(tag)
        if tag == "a":
            self.links.append(dict(attrs).get("href"))
        if tag == "img":
            self.pictures.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        """Note the words."""
        self.words += data


@pytest.mark.parametrize("name", MAILS)
def test_a_shipped_mail_is_whole(published: PublishedSet, name: str) -> None:
    """One line of subject, alt texts, links that lead somewhere, a text part, and short enough for Gmail."""
    mail = build(published, name, shipped_sample(name))
    page = Page(mail.html)
    assert mail.subject
    assert "\n" not in mail.subject
    assert page.pictures
    assert all(picture["alt"] and picture["width"] for picture in page.pictures)
    assert page.links
    assert all(link and link.startswith("https://") for link in page.links)
    assert len(mail.html.encode()) < 60_000
    assert not re.search(r"\{\{|\{%|None|data-text", mail.html + mail.text)
    assert "Stoneware teapot" in mail.text
    assert "<" not in mail.text


@pytest.mark.parametrize("name", MAILS)
def test_a_shipped_mail_suits_phones_and_the_dark(published: PublishedSet, name: str) -> None:
    """The styles that cannot be inlined are still there."""
    html = build(published, name, shipped_sample(name)).html
    assert '<meta name="color-scheme" content="light dark">' in html
    assert re.search(r"<style>[^<]*@media \(max-width: ?520px\)", html)
    assert re.search(r"<style>[^<]*prefers-color-scheme: ?dark", html)
    assert re.search(r"<a class=\"button-link\"[^>]*style=\"[^\"]*padding:16px 32px", html)


@pytest.mark.parametrize("name", CARTS)
def test_a_reminder_leads_back_to_the_basket_and_out_of_the_list(published: PublishedSet, name: str) -> None:
    """Recovery link, unsubscribe link and postal address, in both parts."""
    mail = build(published, name, shipped_sample(name))
    for part in (mail.html, mail.text):
        assert "https://shop.example/checkouts/recover/sample" in part
        assert "https://links.example/u/sample" in part
        assert "1 Sample Street" in part


def test_a_confirmation_has_everything_of_the_order_and_sells_nothing(published: PublishedSet) -> None:
    """All lines and sums, where it goes; no unsubscribe link, for there is nothing to unsubscribe from."""
    mail = build(published, "order-confirmation", shipped_sample("order-confirmation"))
    for said in (
        "#1042",
        "Stoneware cup",
        "2 × €24.00",
        "€43.20",
        "€118.35",
        "€4.90",
        "€123.25",
        "€19.68",
        "SPRING10",
        "Lindenstraße 12",
    ):
        assert said in mail.text
        assert said in Page(mail.html).words
    assert "nsubscribe" not in mail.html + mail.text


@pytest.mark.parametrize(
    ("tax", "total", "row"),
    [
        ("19.00", "119.00", "Tax  €19.00"),
        ("15.97", "100.00", "including tax  €15.97"),
        ("3.00", "110.00", "Tax  €3.00"),
    ],
)
def test_tax_is_shown_as_added_or_as_included_by_what_adds_up(
    published: PublishedSet, tax: str, total: str, row: str
) -> None:
    """Shops do either, and say it nowhere."""
    order = Order(
        id="1",
        updated_at=T0,
        items=(Item(title="x"),),
        currency="EUR",
        subtotal=Decimal(95),
        shipping=Decimal(5),
        tax=Decimal(tax),
        total=Decimal(total),
    )
    assert row in build(published, "order-confirmation", Sample(event=order)).text


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_of_which_nearly_nothing_is_known_is_still_a_mail(published: PublishedSet, name: str) -> None:
    """No name, picture, price, address: nothing odd shows, and every link leads to the shop at least."""
    mail = build(published, name, bare(shipped_sample(name)))
    page = Page(mail.html)
    assert mail.subject
    assert all(link and link.startswith("https://") for link in page.links)
    assert page.pictures == []
    assert not re.search(r"None|\( *\)| ,|  \.|Total", page.words)
    assert "Stoneware teapot" in mail.text


@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("locale", ["en", "ar-SA", "zh-TW"])
@pytest.mark.parametrize("shop", [SAMPLE_SHOP, JAPAN], ids=lambda shop: shop.id)
def test_long_hostile_and_foreign_titles_stay_what_they_are(
    published: PublishedSet, name: str, shop: Shop, locale: str
) -> None:
    """Twelve items, none of which gets out of its place, whichever way the mail is read."""
    items = tuple(
        Item(title=title, quantity=n + 1, price=Decimal(1280), total=Decimal(1280 * (n + 1)))
        for n, title in enumerate(TITLES)
    )
    fact = Order if name == "order-confirmation" else Basket
    event = fact(
        id="1", updated_at=T0, items=items, currency=shop.currency, subtotal=Decimal(99840), total=Decimal(99840)
    )
    formats = published.mails.formats | {"ja-JP": locales.freeze("ja-JP")}
    person = SamplePerson(first_name="Ada\u202e \u2066& Co\r\nBcc: x", locale=locale)
    mail = build(published, name, Sample(profile=person, event=event), shop, formats=formats)
    page = Page(mail.html)
    everything = mail.html + mail.text + mail.subject
    assert "script" not in page.tags
    assert "b" not in page.tags
    assert not re.search("[\u202a-\u202e\u2066\u2067]", everything)
    assert balanced(mail.subject)
    assert all(balanced(line) for line in mail.text.split("\n"))
    assert mail.subject == " ".join(mail.subject.split())
    assert name != "order-confirmation" or "{{ 7 * 7 }}" in page.words
    assert re.search(_sum(shop, locale), page.words) or name == "cart-reminder-2"
    assert len(mail.html) < 100_000


def _sum(shop: Shop, locale: str) -> str:
    if locale == "ar-SA":
        return "99,840\u00a0JP¥" if shop is JAPAN else "99,840.00\u00a0€"
    return "¥99,840" if shop is JAPAN else "€99,840.00"


def balanced(line: str) -> bool:
    """Return whether each isolate that is opened on this line is closed on it, and none but those."""
    depth = 0
    for char in line:
        depth += {"\u2068": 1, "\u2069": -1}.get(char, 0)
        if depth < 0:
            return False
    return depth == 0


@pytest.mark.parametrize("name", MAILS)
def test_a_shipped_mail_is_in_three_languages_and_whole_in_each(branded: PublishedSet, name: str) -> None:
    """No word of another language is left over, in the subject, the preheader, or either part."""
    assert branded.mails.translations[name].keys() == {"ar", "zh-Hant"}
    arabic, chinese = "\u0600-\u06ff", "\u4e00-\u9fff"
    shop = msgspec.structs.replace(SAMPLE_SHOP, name="𝍐", postal_address="𝍑", url="https://shop.example")
    for locale, own, other in (
        ("ar", arabic, chinese),
        ("zh-Hant", chinese, arabic),
        ("en", "A-Za-z", arabic + chinese),
    ):
        for of in (shipped_sample(name, locale), bare(shipped_sample(name))):
            given = msgspec.structs.replace(of, event=plain(of.event), products={})
            mail = build(branded, name, msgspec.structs.replace(given, profile=SamplePerson(locale=locale)), shop)
            text = re.sub(r"https?://\S+|€|EUR|AED|TWD|SPRING10", "", mail.subject + "\n" + mail.text)
            assert re.search(f"[{own}]", mail.subject)
            assert not re.search(f"[{other}]", text)
            assert locale == "en" or not re.search("[A-Za-z]{2}", text), text


def plain(event: Any) -> Any:
    """Return the event with titles and addresses that are words of no language."""
    items = tuple(msgspec.structs.replace(item, title="𝍒", variant=None) for item in event.items)
    without = {"ship_to": None} if isinstance(event, Order) else {}
    return msgspec.structs.replace(event, items=items, **without)


def test_a_brand_with_everything_shows_it() -> None:
    """Logo, colours, social links, contact."""
    brand = b"""
logo: {url: https://acme.example/logo.png, width: 120}
colors: {accent: "#003366"}
social: [{name: Instagram, url: https://instagram.com/acme}]
contact: {phone: "+44 20 7946 0000", url: https://acme.example/help}
"""
    plain = some("cart-abandonment")
    verdict = validate(plain | {"brand.yaml": brand})
    assert verdict.published is not None, verdict.problems
    mail = build(verdict.published, "cart-reminder-1", shipped_sample("cart-reminder-1"))
    assert 'src="https://acme.example/logo.png"' in mail.html
    assert "background-color:#003366" in mail.html
    assert "Instagram: https://instagram.com/acme" in mail.text
    assert "+44 20 7946 0000" in mail.text
    without = validate(plain).published
    assert without is not None
    assert verdict.published.hash != without.hash


@pytest.mark.parametrize(
    ("said", "subject"),
    [
        ("Hi\r\nBcc: all@example.com", "Hi Bcc: all@example.com"),
        ("a\u2028b\u0085c\x00d", "a b c d"),
        ("gift \u202egnp.exe", "gift gnp.exe"),
        ("\u2068a\u2069, \u2068\u2069b", "\u2068a\u2069, b"),
        ("\u2069a\u2068", "a"),
        ("\u2068" + "x" * 500 + "\u2069", "x" * (MAX_SUBJECT - 2) + "…"),
        ("  tab\tand   spaces ", "tab and spaces"),
        ("x" * 500, "x" * (MAX_SUBJECT - 1) + "…"),
        ("👩‍👩‍👧 ok", "👩‍👩‍👧 ok"),
    ],
)
def test_a_subject_is_one_honest_line(said: str, subject: str) -> None:
    """No second header, no text that reads backwards."""
    template = MailTemplate(name="m", subject="{{ said }}", html="x", text="x")
    assert render(template, {"said": said}).subject == subject == one_line(said)


def test_the_text_part_has_no_holes() -> None:
    """Whatever was left out left no gap."""
    assert tidy("\n\n a  \n\n\n\nb\n \n\nc\n  - d") == "a\n\nb\n\nc\n  - d\n"


def test_a_mail_that_cannot_be_rendered_says_where() -> None:
    """`send` records it as failed: trying again would not help."""
    template = MailTemplate(name="m", subject="s", html="\n{{ 'a' * 2 }}", text="t")
    with pytest.raises(ContentError) as refused:
        render(template, {})
    assert (refused.value.file, refused.value.line) == ("m/body.html", 2)


def test_an_unknown_mail_or_shop_is_an_error_and_no_blank_mail(published: PublishedSet) -> None:
    """The caller looks in the pinned set then."""
    with pytest.raises(ContentError, match="mail"):
        build(published, "nowhere", shipped_sample("cart-reminder-1"))
    with pytest.raises(ContentError, match="shop"):
        shipped_sample("cart-reminder-1").build(
            "cart-reminder-1", SAMPLE_SHOP, msgspec.structs.replace(published.mails, shops={})
        )


# --- the set ---------------------------------------------------------------------------------------------------------


def test_the_hash_is_of_the_content_and_of_nothing_else() -> None:
    """In any order; and any change of any part changes it."""
    one, two = (MailTemplate(name=name, subject="s", html="h", text="t") for name in "ab")
    base: dict[str, Any] = {
        "flows": {},
        "shops": {},
        "templates": {"a": one, "b": two},
        "brand": Brand(),
        "formats": {},
    }
    first = published_set(**base)
    assert first == published_set(**base | {"templates": {"b": two, "a": one}})
    others = (
        {"templates": {"a": one}},
        {"shops": {"sample": SAMPLE_SHOP}},
        {"brand": Brand(social=(Social(name="x", url="y"),))},
        {"templates": {"a": one, "b": msgspec.structs.replace(two, category="transactional")}},
    )
    hashes = {published_set(**base | change).hash for change in others}
    assert len(hashes | {first.hash}) == len(others) + 1


def test_the_set_is_written_as_it_is_read(published: PublishedSet) -> None:
    """Flows for journey, mails for send, looks for pages; each flow once more under its version, for pinned runs."""
    files = published.files()
    assert decode_mails(files[f"playbooks/{published.hash}/mails.json"]) == published.mails
    assert decode_settings(files[f"playbooks/{published.hash}/pages.json"]) == published.pages
    assert set(files) == {f"playbooks/{published.hash}/{part}.json" for part in ("flows", "mails", "pages", "site")} | {
        f"flows/{flow.version}.json" for flow in published.playbook.flows.values()
    }
    assert isinstance(published.mails, Mails)
    assert files == published.files()


def test_send_imports_nothing_that_only_publish_needs() -> None:
    """Cold starts are paid by every mail; the parsers are paid by publish alone."""
    layer = Path(__file__).resolve().parents[2] / "layers" / "core"
    code = (
        "import sys; import rekindle.content.playbook, rekindle.content.context, rekindle.content.mails;"
        "print(*sorted(set(sys.modules) & {'babel', 'css_inline', 'mrml', 'pydantic', 'ruamel.yaml', 'html.parser'}))"
    )
    done = subprocess.run(  # noqa: S603  # our own interpreter on our own line
        [sys.executable, "-c", code], env={"PYTHONPATH": str(layer)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
