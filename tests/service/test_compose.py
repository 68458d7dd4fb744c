"""A mail ready to go: to whom, from whom, and with which way out."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rekindle.content.formats import Format
from rekindle.content.links import Track, read_track, read_unsubscribe
from rekindle.content.mails import MailTemplate
from rekindle.content.playbook import Mails, decode_mails
from rekindle.content.samples import SAMPLE_SHOP
from rekindle.content.texts import PushTemplate, SmsTemplate
from rekindle.domain import ids
from rekindle.domain.errors import ContentError, NothingToSayError
from rekindle.domain.facts import Fact, Person, Product, ProductChange, View
from rekindle.domain.offers import Coupon, Offer
from rekindle.domain.profile import Browser, Category, Planned, Profile, Run
from rekindle.memory import World
from rekindle.ports import Mail, PushMessage, TextMessage
from rekindle.service.compose import Composer, sender_of
from rekindle.service.coupons import Wallet
from rekindle.service.library import POINTER, Library
from rekindle.service.people import address_hash
from tests.support.build import at

SHOP = msgspec.structs.replace(
    SAMPLE_SHOP, id="tea", name="Tea & Co", sender_name="Tea & Co", sender_email="hello@tea.example"
)
MESSAGE = ids.message_id("r", "s")
TEXT = "{{ profile.first_name | default('somebody') }} · {{ event.title }} · {{ shop.name }} · {{ links.unsubscribe }}"


def composer(world: World, category: Category = "transactional", **shop: Any) -> Composer:
    """Return a composer over one published mail."""
    template = MailTemplate(name="t", subject="News", html=f"<p>{TEXT}</p>", text=TEXT, category=category)
    mails = Mails(hash="h1", templates={"t": template}, shops={"tea": msgspec.structs.replace(SHOP, **shop)})
    world.files["playbooks/h1/mails.json"] = msgspec.json.encode(mails)
    world.files[POINTER] = msgspec.json.encode({"hash": "h1"})
    return Composer(
        library=Library(world.blobs, world.clock),
        blobs=world.blobs,
        outbox=world.outbox,
        secrets=world.secrets,
        link_base="https://links.example",
    )


def build(
    composer: Composer,
    category: Category = "transactional",
    email: str | None = "ada@example.com",
    locale: str | None = None,
    trigger: Fact | None = None,
    **more: Any,
) -> Mail:
    """Return the mail `t` about a look at the teapot."""
    run = Run(
        id="r", flow="f", version="v", playbook="h1", entered_at=at(), expires_at=at(days=1),
        trigger=trigger or View(id="101", at=at(), title="Pot"), event_type="product.viewed",
    )  # fmt: skip
    planned = Planned(
        run="r", step="s", flow="f", template="t", channel="email", category=category, planned_at=at(),
        not_after=at(days=1), **more,
    )  # fmt: skip
    ada = Profile(id="p", shop="tea", email=email, person=Person(locale=locale))
    return composer.build(MESSAGE, ada, planned, run)


@pytest.fixture
def world() -> World:
    return World(at())


def test_marketing_goes_to_the_customer_with_a_way_out(world: World) -> None:
    mail = build(composer(world, "marketing"), "marketing")
    page = mail.headers["List-Unsubscribe"].strip("<>")
    assert (mail.to, mail.sender) == ("ada@example.com", "Tea & Co <hello@tea.example>")
    assert page.startswith("https://links.example/u/")
    assert page in mail.text


@pytest.mark.parametrize(
    ("reader", "to", "subject", "spoken"),
    [
        ("ar-SA", "", "أخبار", "ar"),
        ("fr", "", "News", "en"),
        (None, "", "News", "en"),
        ("ar-SA", "shop", "News", None),
    ],
)
def test_a_mail_is_in_the_readers_language_and_so_is_its_way_out(
    world: World, reader: str | None, to: str, subject: str, spoken: str | None
) -> None:
    """What the shop's own people get is in the shop's, whoever it is about."""
    made = composer(world, notify="team@tea.example")
    raw = decode_mails(world.files["playbooks/h1/mails.json"])
    english = msgspec.structs.replace(raw.templates["t"], locale="en")
    arabic = msgspec.structs.replace(english, locale="ar", subject="أخبار")
    mails = msgspec.structs.replace(raw, templates={"t": english}, translations={"t": {"ar": arabic}})
    world.files["playbooks/h1/mails.json"] = msgspec.json.encode(mails)
    mail = build(made, to=to, locale=reader)
    assert mail.subject == subject
    page = re.search(r"/u/(\S+)", mail.text)
    claimed = read_unsubscribe(world.secrets.link_keys(), page.group(1)).locale if page else None
    assert claimed == spoken


def test_the_shop_is_told_at_its_own_address_and_cannot_unsubscribe_anybody(world: World) -> None:
    """Not even were the mail marketing by mistake: the link is the customer's."""
    for category in ("transactional", "marketing"):
        mail = build(composer(world, notify="team@tea.example"), category, to="shop", email=None)
        assert mail.to == "team@tea.example"
        assert mail.headers.keys() == {"X-Rekindle-Message"}
        assert mail.text.strip() == "somebody · Pot · Tea & Co ·"
        assert "/u/" not in mail.html + mail.text + repr(mail.headers)


def test_a_shop_that_named_nobody_is_not_told(world: World) -> None:
    with pytest.raises(ContentError, match="nobody is named under notify"):
        build(composer(world), to="shop")


def test_news_of_a_product_that_is_no_longer_so_makes_no_mail(world: World) -> None:
    pot = Product(id="101", updated_at=at(), title="Pot", url="https://tea.example/pot", price=Decimal(40))
    drop = ProductChange(product_id="101", at=at(), title="Pot", price=Decimal(40), was=Decimal(58))
    made = composer(world)
    world.catalogue["tea", "101"] = pot
    assert "Pot" in build(made, trigger=drop).text
    world.catalogue["tea", "101"] = msgspec.structs.replace(pot, price=Decimal(60))
    made.prepare([])
    with pytest.raises(NothingToSayError):
        build(made, trigger=drop)


BODY = (
    '<a href="{{ shop.url | _link }}">x</a><a href="{{ links.unsubscribe | _link }}">y</a>'
    "{% if _pixel %}{{ _pixel }}{% endif %}"
)


def tracked(world: World, **shop: Any) -> Composer:
    """Return a composer of a mail with a link to the shop and the way out, as publish leaves them."""
    made = composer(world, "marketing", **shop)
    mails = decode_mails(world.files["playbooks/h1/mails.json"])
    template = msgspec.structs.replace(mails.templates["t"], html=BODY, text="{{ shop.url | _link }}")
    world.files["playbooks/h1/mails.json"] = msgspec.json.encode(
        msgspec.structs.replace(mails, templates={"t": template})
    )
    return made


@pytest.mark.parametrize("category", ["marketing", "transactional"])
@pytest.mark.parametrize(
    ("domain", "base"), [(None, "https://links.example"), ("go.tea.example", "https://go.tea.example")]
)
def test_links_count_on_the_shops_own_domain_and_say_which_message_they_were_in(
    world: World, category: Category, domain: str | None, base: str
) -> None:
    """In every mail to a customer, as SES counted them: marketing or not."""
    mail = build(tracked(world, link_domain=domain), category)
    tokens = set(re.findall(rf"{base}/[co]/(k\d+\.[\w-]+\.[\w-]+)(?:/0|\.gif)", mail.html + mail.text))
    (token,) = tokens
    assert read_track(world.secrets.link_keys(), token) == Track(MESSAGE)
    assert mail.targets == (SHOP.url,)
    assert mail.text == f"{base}/c/{token}/0\n"
    assert re.search(rf'href="{base}/u/[^"]+">y', mail.html)
    assert f"{base}/o/{token}.gif" in mail.html


def test_what_the_shops_own_people_do_with_a_mail_counts_for_nobody(world: World) -> None:
    mail = build(tracked(world, notify="team@tea.example"), to="shop")
    assert mail.targets == ()
    assert "/c/" not in mail.html + mail.text
    assert "/o/" not in mail.html


def test_a_step_may_have_a_sender_of_its_own(world: World) -> None:
    assert build(composer(world), sender="Ann of Tea <ann@tea.example>").sender == "Ann of Tea <ann@tea.example>"


def test_what_was_looked_at_is_read_from_the_catalogue(world: World) -> None:
    world.catalogue["tea", "101"] = Product(id="101", updated_at=at(), title="Teapot")
    assert "· Teapot ·" in build(composer(world)).text


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ("", "Tea & Co <hello@tea.example>"),
        ("ann@tea.example", "Tea & Co <ann@tea.example>"),
        ("<ann@tea.example>", "Tea & Co <ann@tea.example>"),
        ("Ann <ann@tea.example>", "Ann <ann@tea.example>"),
        (" Ann, of Tea  <ann@tea.example> ", '"Ann, of Tea" <ann@tea.example>'),
        ('"Ann, of Tea" <ann@tea.example>', '"Ann, of Tea" <ann@tea.example>'),
        ("Zoë <zoe@tea.example>", "=?utf-8?q?Zo=C3=AB?= <zoe@tea.example>"),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(wanted: str, shown: str) -> None:
    assert sender_of(wanted, SHOP) == shown


@pytest.mark.parametrize(
    "wanted",
    [
        "ann",
        "ann@tea",
        "Ann <ann@tea.example> and more",
        "ann@tea.example, bob@tea.example",
        "Ann <ann@tea.example>, Bob <bob@tea.example>",
        "ann@tea.example\r\nBcc: everybody@tea.example",
        "Ann\n <ann@tea.example>",
        "Ann\u2028<ann@tea.example>",
        'Ann "x" <ann@tea.example>',
        "änn@tea.example",
        "   ",
    ],
)
def test_anything_else_is_no_sender(wanted: str) -> None:
    with pytest.raises(ContentError):
        sender_of(wanted, SHOP)


@given(st.text(max_size=80), st.text(max_size=40))
def test_no_text_becomes_a_header_of_its_own(name: str, rest: str) -> None:
    for wanted in (f"{name} <ann@tea.example>{rest}", f"{name}ann@tea.example{rest}"):
        try:
            found = sender_of(wanted, SHOP)
        except ContentError:
            continue
        assert found.isascii()
        assert found.isprintable()
        assert found.count("<") == 1


# --- text messages ---------------------------------------------------------------------------------------------------


def text(
    world: World,
    category: Category = "marketing",
    locale: str | None = None,
    sms: dict[str, SmsTemplate] | None = None,
    **shop: Any,
) -> TextMessage:
    """Return the text message `t` to Ada's phone, an hour before it is too late."""
    made = composer(world, category, **({"sms_sender": "pool-1"} | shop))
    template = SmsTemplate(name="t", text="{{ shop.name }}: {{ event.title }}. {{ links.unsubscribe }}", locale="en")
    mails = decode_mails(world.files["playbooks/h1/mails.json"])
    arabic = {"t": {"ar": SmsTemplate(name="t", text="{{ shop.name }}: أهلا", locale="ar")}}
    spoken = msgspec.structs.replace(mails, sms=sms or {"t": template}, sms_translations=arabic)
    world.files["playbooks/h1/mails.json"] = msgspec.json.encode(spoken)
    run = Run(
        id="r", flow="f", version="v", playbook="h1", entered_at=at(), expires_at=at(days=1),
        trigger=View(id="101", at=at(), title="Pot"), event_type="product.viewed",
    )  # fmt: skip
    planned = Planned(
        run="r", step="s", flow="f", template="t", channel="sms", category=category, planned_at=at(),
        not_after=at(hours=1),
    )  # fmt: skip
    profile = Profile(id="p", shop="tea", phone="+447700900123", person=Person(locale=locale))
    return made.text(ids.digest("message"), profile, planned, run, at())


def test_a_text_goes_from_the_shops_number_as_long_as_it_is_worth_it() -> None:
    world = World()
    found = text(world)
    assert (found.to, found.sender, found.shop, found.marketing) == ("+447700900123", "pool-1", "tea", True)
    assert found.seconds == 3_600
    assert found.body.startswith("Tea & Co: Pot. https://links.example/u/")


def test_the_link_in_a_text_acts_on_texts_alone() -> None:
    world = World()
    token = text(world).body.rpartition("/")[2]
    claim = read_unsubscribe(world.secrets.link_keys(), token)
    hashed = address_hash(world.secrets.address_key(), "phone", "+447700900123")
    assert (claim.channel, claim.address, claim.profile) == ("sms", hashed, "p")


def test_a_text_is_in_its_readers_language_where_it_is_written_in_it() -> None:
    assert text(World(), locale="ar-EG").body == "Tea & Co: أهلا"
    assert text(World(), locale="fr").body.startswith("Tea & Co: Pot.")


def test_a_text_that_no_number_could_send_is_not_made() -> None:
    with pytest.raises(ContentError, match="under sms"):
        text(World(), sms_sender="")
    with pytest.raises(ContentError, match="no text message"):
        text(World(), sms={"other": SmsTemplate(name="other", text="x")})


# --- push messages ---------------------------------------------------------------------------------------------------


def push(world: World, locale: str | None = None, image: str = "") -> tuple[PushMessage, tuple[str, ...], Any]:
    """Return the push message `t` to Ada's newest browser, where its links lead, and what a browser reads."""
    made = composer(world)
    mails = decode_mails(world.files["playbooks/h1/mails.json"])
    english = PushTemplate(
        name="t",
        locale="en",
        title="Hi {{ profile.first_name | default('you') }}",
        body="{{ event.title }}",
        image=image,
    )
    arabic = {"t": {"ar": PushTemplate(name="t", locale="ar", title="أهلا", body="{{ event.title }}")}}
    formats = {"ar": Format(locale="ar", language="ar", rtl=True)}
    spoken = msgspec.structs.replace(mails, push={"t": english}, push_translations=arabic, formats=formats)
    world.files["playbooks/h1/mails.json"] = msgspec.json.encode(spoken)
    run = Run(
        id="r", flow="f", version="v", playbook="h1", entered_at=at(), expires_at=at(days=1),
        trigger=View(id="101", at=at(), title="Pot"), event_type="product.viewed",
    )  # fmt: skip
    planned = Planned(
        run="r", step="s", flow="f", template="t", channel="push", category="marketing", planned_at=at(),
        not_after=at(hours=1),
    )  # fmt: skip
    browsers = {
        name: Browser(at(hours=hours), f"https://fcm.googleapis.com/{name}", "k", "a")
        for hours, name in enumerate(("old", "new"))
    }
    profile = Profile(id="p", shop="tea", browsers=browsers, person=Person(locale=locale))
    pushes, targets = made.push(ids.digest("message"), profile, planned, run, at())
    assert [each.browser for each in pushes] == [browsers["new"], browsers["old"]]
    return pushes[0], targets, msgspec.json.decode(pushes[0].payload)


def test_a_push_message_is_one_that_browsers_can_show_by_themselves() -> None:
    world = World()
    message, targets, said = push(world, image="https://tea.example/pot.png")
    assert (message.seconds, message.contact, message.marketing) == (3_600, "mailto:hello@tea.example", True)
    assert targets == (SHOP.url,)
    assert said["web_push"] == 8030
    shown = said["notification"]
    link = shown.pop("navigate")
    assert link.startswith("https://links.example/c/")
    assert link.endswith("/0")
    assert shown == {
        "title": "Hi you", "body": "Pot", "lang": "en", "dir": "ltr", "image": "https://tea.example/pot.png",
        "tag": message.topic, "data": {"message": ids.digest("message")},
    }  # fmt: skip
    assert len(message.topic) <= 32


def test_a_push_message_is_in_its_readers_language_and_direction() -> None:
    _, _, said = push(World(), locale="ar-EG")
    assert (said["notification"]["title"], said["notification"]["lang"], said["notification"]["dir"]) == (
        "أهلا", "ar", "rtl",
    )  # fmt: skip


def test_what_is_longer_than_a_screen_is_cut_and_what_says_nothing_is_not_made() -> None:
    mails = Mails(
        hash="h1", push={"t": PushTemplate(name="t", title="{{ event.title }}", body="x")}, shops={"tea": SHOP}
    )
    about: Any = {"profile": Profile(id="p", shop="tea"), "products": {}, "links": {}}
    run = Run(
        id="r", flow="f", version="v", playbook="h1", entered_at=at(), expires_at=at(),
        trigger=View(id="1", at=at(), title="T" * 190), event_type="product.viewed",
    )  # fmt: skip
    shown, _ = mails.push_message("t", run=run, **about)
    assert len(shown.title) == 120
    assert shown.title.endswith("…")
    with pytest.raises(ContentError, match="no title"):
        mails.push_message("t", run=msgspec.structs.replace(run, trigger=None), **about)


# --- what a mail gives


def giving(world: World, *, wallet: bool) -> Composer:
    """Return a composer over one published mail that shows a code."""
    shown = "{{ coupon.code }}"
    template = MailTemplate(
        name="t", subject="Yours", html=shown, text=shown, category="transactional", coupon=("code",)
    )
    mails = Mails(hash="h1", templates={"t": template}, shops={"tea": SHOP})
    world.files["playbooks/h1/mails.json"] = msgspec.json.encode(mails)
    world.files[POINTER] = msgspec.json.encode({"hash": "h1"})
    library = Library(world.blobs, world.clock)
    return Composer(
        library=library,
        blobs=world.blobs,
        outbox=world.outbox,
        secrets=world.secrets,
        link_base="https://links.example",
        wallet=Wallet(coupons=world.coupons, library=library) if wallet else None,
    )


def test_a_mail_shows_the_code_of_its_run_and_of_no_other(world: World) -> None:
    for run in ("r", "r2"):
        world.coupons.made(
            Coupon(
                run=run, offer="ten", shop="tea", profile_id="p", message_id=MESSAGE, state="made",
                terms=Offer(name="ten", kind="unique"), issued_at=at(), code=f"CODE-{run}",
            )
        )  # fmt: skip
    assert build(giving(world, wallet=True), offer="ten").text.strip() == "CODE-r"


@pytest.mark.parametrize("wallet", [True, False])
def test_no_mail_is_made_whose_code_is_not_there(world: World, *, wallet: bool) -> None:
    with pytest.raises(ContentError, match="offer 'ten'"):
        build(giving(world, wallet=wallet), offer="ten")
    with pytest.raises(ContentError, match="given none"):
        build(giving(world, wallet=wallet))
