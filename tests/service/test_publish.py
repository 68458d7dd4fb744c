"""Publish: the whole content or none of it, one playbook whoever else publishes, and a report that helps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from rekindle.content.playbook import decode_mails
from rekindle.flow.program import Flow, Playbook
from rekindle.memory import World
from rekindle.service.library import POINTER
from rekindle.service.publish import MAX_ROUNDS, BusyError, Report, publish
from tests.content.mailkit import shipped

SHOP = b"""\
name: Acme
platform: shopify
url: https://acme.example
sender:
  name: Acme
  email: hello@acme.example
postal_address: Acme Ltd, 1 High Street, London N1
currency: GBP
locale: en-GB
zone: Europe/London
flows:
  cart-abandonment: on
"""


FLOW = b"""\
trigger:
  event: checkout.updated
  when: event.items and profile.email
entry:
  key: event.id
steps:
  - wait: 1h
  - email: cart-reminder-1
"""


def content() -> dict[str, bytes]:
    """Return the shipped content, with two of its mails, a small flow and a shop: quicker to look at than all of it."""
    kept = {path: raw for path, raw in shipped().items() if not re.match(r"emails/cart-reminder-[23]/", path)}
    return kept | {"flows/cart-abandonment.yaml": FLOW, "shops/acme.yaml": SHOP}


def upload(world: World, files: dict[str, bytes]) -> None:
    """Put files where marketers do; an empty one is taken away."""
    for path, content in files.items():
        if content:
            world.files[f"content/{path}"] = content
        else:
            world.files.pop(f"content/{path}", None)


@pytest.fixture(scope="module")
def published() -> dict[str, bytes]:
    """Return what a bucket holds after the content has been published."""
    world = World()
    upload(world, content())
    assert publish(world.blobs, world.clock).outcome == "published"
    return world.files


@pytest.fixture
def world(published: dict[str, bytes]) -> World:
    """Return a bucket with the content, published."""
    found = World()
    found.files.update(published)
    return found


def pointer(world: World) -> str:
    """Return the hash that holds."""
    found = msgspec.json.decode(world.files[POINTER])["hash"]
    assert isinstance(found, str)
    return found


def test_what_is_published_is_there_before_the_pointer_names_it(world: World) -> None:
    """Everything that journey and send will ask for."""
    current = pointer(world)
    playbook = msgspec.json.decode(world.files[f"playbooks/{current}/flows.json"], type=Playbook)
    assert playbook.hash == current
    assert set(playbook.flows) == {"cart-abandonment", "order-confirmation"}
    assert playbook.enabled(playbook.flows["cart-abandonment"], "acme")
    assert not playbook.enabled(playbook.flows["order-confirmation"], "acme")
    mails = decode_mails(world.files[f"playbooks/{current}/mails.json"])
    assert (mails.hash, mails.shops["acme"].sender_email) == (current, "hello@acme.example")
    assert set(mails.formats) == {"en", "en-GB"}
    for flow in playbook.flows.values():
        assert msgspec.json.decode(world.files[f"flows/{flow.version}.json"], type=Flow) == flow
    text = world.files["reports/latest.txt"].decode()
    assert re.search(r"published: 2 flows, 2 mails, 1 shop", text)


def test_a_crash_before_the_pointer_moves_changes_nothing_and_the_next_try_ends_it() -> None:
    """The files of a set that is not named harm nobody."""
    world = World()
    upload(world, content())

    def die(call: str, moment: str) -> None:
        if (call, moment) == ("blobs.swap", "before"):
            raise ConnectionError

    world.hook = die
    with pytest.raises(ConnectionError):
        publish(world.blobs, world.clock)
    assert POINTER not in world.files
    world.hook = None
    assert publish(world.blobs, world.clock).outcome == "published"


def test_publishing_the_same_content_again_changes_nothing(world: World) -> None:
    """Not even the moment that the pointer shows."""
    before = {key: content for key, content in world.files.items() if not key.startswith("reports/")}
    world.clock.advance_to(world.clock.now() + timedelta(hours=1))
    report = publish(world.blobs, world.clock)
    assert report.outcome == "unchanged"
    assert report.hash == pointer(world)
    assert {key: content for key, content in world.files.items() if not key.startswith("reports/")} == before
    assert "nothing has changed" in world.files["reports/latest.txt"].decode()


def test_the_hash_depends_on_the_content_alone(world: World) -> None:
    """Another bucket, another order of uploads, another time: the same playbook."""
    other = World()
    upload(other, dict(reversed(content().items())))
    other.clock.advance_to(other.clock.now().replace(year=2030))
    assert publish(other.blobs, other.clock).hash == pointer(world)


def test_a_change_that_is_taken_back_leads_back_to_the_same_playbook(world: World) -> None:
    """Content-addressed: nothing remembers how it got there."""
    first = pointer(world)
    upload(world, {"shops/acme.yaml": SHOP.replace(b"Acme Ltd", b"Acme Inc")})
    assert publish(world.blobs, world.clock).outcome == "published"
    assert pointer(world) != first
    upload(world, {"shops/acme.yaml": SHOP})
    assert publish(world.blobs, world.clock).outcome == "published"
    assert pointer(world) == first


# --- what is refused -------------------------------------------------------------------------------------------------


def _mail(path: str, find: bytes, put: bytes) -> dict[str, bytes]:
    raw = content()[path]
    assert find in raw
    return {path: raw.replace(find, put, 1)}


def _shop(find: bytes, put: bytes) -> dict[str, bytes]:
    assert find in SHOP
    return {"shops/acme.yaml": SHOP.replace(find, put, 1)}


def _flow(find: bytes, put: bytes) -> dict[str, bytes]:
    assert find in FLOW
    return {"flows/cart-abandonment.yaml": FLOW.replace(find, put, 1)}


def _line(path: str, word: bytes) -> int:
    return content()[path].split(word)[0].count(b"\n") + 1


SHOP_FILE = "shops/acme.yaml"
FLOW_FILE = "flows/cart-abandonment.yaml"
SUBJECT, PREHEADER, BODY, SAMPLE = (
    f"emails/cart-reminder-1/{name}" for name in ("subject.txt", "preheader.txt", "body.html", "sample.json")
)
LAYOUT, ITEMS = "emails/_layout/marketing.html", "emails/_layout/items.html"
LEAVE = b'<p class="small"><a class="quiet" href="{{ links.unsubscribe }}">Unsubscribe</a></p>'

BROKEN: list[tuple[str, Callable[[], dict[str, bytes]], str, int | None, str]] = [
    ("a shop's YAML", lambda: _shop(b"platform:", b"\tplatform:"), SHOP_FILE, 2, "tabs"),
    ("a key twice", lambda: {SHOP_FILE: SHOP + b"zone: UTC\n"}, SHOP_FILE, 13, "twice"),
    ("no name of the shop", lambda: _shop(b"name: Acme\n", b""), SHOP_FILE, 1, "name is missing"),
    ("an unknown platform", lambda: _shop(b"shopify", b"magento"), SHOP_FILE, 2, "shopify"),
    ("a bad address", lambda: _shop(b"https://acme.example", b"acme"), SHOP_FILE, 3, "https://"),
    ("a bad sender", lambda: _shop(b"hello@acme.example", b"hello"), SHOP_FILE, 6, "e-mail"),
    (
        "a sender with a line break",
        lambda: _shop(b"name: Acme\n  email", b'name: "A\\0"\n  email'),
        SHOP_FILE,
        5,
        "shown",
    ),
    ("no postal address", lambda: _shop(b"Acme Ltd, 1 High Street, London N1", b'""'), SHOP_FILE, 7, "empty"),
    ("an unknown currency", lambda: _shop(b"GBP", b"QQQ"), SHOP_FILE, 8, "ISO 4217"),
    ("an unknown locale", lambda: _shop(b"en-GB", b"xx-YY"), SHOP_FILE, 9, "en-GB"),
    ("an unknown zone", lambda: _shop(b"Europe/London", b"Mars/Base"), SHOP_FILE, 10, "IANA"),
    ("a misspelt key", lambda: _shop(b"zone:", b"zones: x\nzone:"), SHOP_FILE, 10, "means nothing"),
    ("a switch for no flow", lambda: _shop(b"cart-abandonment", b"cart-abandonement"), SHOP_FILE, 12, "no flow"),
    ("a switch that is no switch", lambda: _shop(b"abandonment: on", b"abandonment: maybe"), SHOP_FILE, 12, "bool"),
    ("a shop's id", lambda: {"shops/Acme Shop.yaml": SHOP}, "shops/Acme Shop.yaml", 1, "rename"),
    ("an empty shop", lambda: {"shops/x.yaml": b"# nothing\n"}, "shops/x.yaml", 1, "says nothing"),
    ("a colour", lambda: {"brand.yaml": b"colors:\n  accent: green\n"}, "brand.yaml", 2, "#1f4d3f"),
    ("colours nobody can read", lambda: {"brand.yaml": b'colors:\n  text: "#eeeeee"\n'}, "brand.yaml", 2, "contrast"),
    ("a font that is code", lambda: {"brand.yaml": b'font: "x; } body { display: none"\n'}, "brand.yaml", 1, "quotes"),
    ("a brand with a template in it", lambda: {"brand.yaml": b'tagline: "{{ x }}"\n'}, "brand.yaml", 1, "shown"),
    ("a flow's YAML", lambda: _flow(b"steps:", b"steps: ["), FLOW_FILE, None, ""),
    (
        "a mail that is not there",
        lambda: _flow(b"email: cart-reminder-1", b"email: cart-reminder-9"),
        FLOW_FILE,
        _line(FLOW_FILE, b"email: cart-reminder-1"),
        "no mail",
    ),
    (
        "a flow's condition",
        lambda: _flow(b"when: event.items and profile.email", b"when: evnt.items"),
        FLOW_FILE,
        _line(FLOW_FILE, b"when: event.items and profile.email"),
        "evnt",
    ),
    (
        "marketing sent as transactional",
        lambda: _flow(b"email: cart-reminder-1", b"email: cart-reminder-1\n    category: transactional"),
        FLOW_FILE,
        _line(FLOW_FILE, b"email: cart-reminder-1"),
        "sends it as transactional",
    ),
    (
        "a mail about orders in a flow about baskets",
        lambda: _mail(SUBJECT, b"Still", b"{{ event.number }}"),
        SUBJECT,
        1,
        "event.number is never there",
    ),
    ("no subject", lambda: {SUBJECT: b""}, SUBJECT, None, "no subject"),
    (
        "a subject that may be empty",
        lambda: {SUBJECT: b"{{ profile.first_name }}\n"},
        SUBJECT,
        1,
        "subject is empty when nothing is known",
    ),
    (
        "an unknown name",
        lambda: _mail(BODY, b"{{ profile.first", b"{{ profile.frist"),
        BODY,
        _line(BODY, b"<h1"),
        "did you mean 'first_name'",
    ),
    (
        "an unknown name in a shared part",
        lambda: _mail(ITEMS, b"item.variant %}", b"item.varient %}"),
        ITEMS,
        _line(ITEMS, b"item.variant %}"),
        "varient",
    ),
    ("a tag that is not closed", lambda: _mail(BODY, b"{% endif %}", b""), BODY, _line(BODY, b"<h1"), "has no end"),
    ("an unknown filter", lambda: _mail(BODY, b"| money", b"| moneys"), BODY, _line(BODY, b"| money"), "moneys"),
    ("an escape attempt", lambda: _mail(SUBJECT, b"Still", b"{{ ''.__class__ }}"), SUBJECT, 1, "__class__"),
    ("a missing part", lambda: {"emails/_layout/help.html": b""}, BODY, _line(BODY, b"_layout/help.html"), "no file"),
    (
        "no way out of the list",
        lambda: _mail(LAYOUT, b'href="{{ links.unsubscribe }}"', b'href="{{ shop.url }}"'),
        BODY,
        1,
        "links.unsubscribe",
    ),
    (
        "no postal address in the mail",
        lambda: _mail(LAYOUT, b"{{ shop.postal_address }}", b""),
        BODY,
        1,
        "postal_address",
    ),
    (
        "a way out only for some",
        lambda: _mail(LAYOUT, LEAVE, b"{% if profile.first_name %}" + LEAVE + b"{% endif %}"),
        BODY,
        1,
        "when nothing is known",
    ),
    (
        "a link without address",
        lambda: _mail(BODY, b"url=event.recovery_url or shop.url", b"url=event.recovery_url"),
        BODY,
        1,
        "leads nowhere",
    ),
    ("a tag without its end", lambda: _mail(BODY, b"</h1>", b""), BODY, _line(BODY, b"<h1"), "<h1> is not closed"),
    ("no sample", lambda: {SAMPLE: b""}, SAMPLE, None, "no sample"),
    ("a sample that is no JSON", lambda: _mail(SAMPLE, b'"Maya",', b'"Maya"'), SAMPLE, 4, "JSON"),
    (
        "a sample that does not fit",
        lambda: _mail(SAMPLE, b'"item_count": 4', b'"item_count": "four"'),
        SAMPLE,
        11,
        "item_count",
    ),
    ("a misspelt sample", lambda: _mail(SAMPLE, b'"profile"', b'"profil"'), SAMPLE, 2, "profil"),
    ("a file that nothing reads", lambda: {"flow/welcome.yaml": b"x: 1\n"}, "flow/welcome.yaml", None, "nothing reads"),
    (
        "a file with another ending",
        lambda: {"flows/welcome.yml": b"x: 1\n"},
        "flows/welcome.yml",
        None,
        "nothing reads",
    ),
    ("a file in another encoding", lambda: {PREHEADER: b"ok\ncaf\xe9"}, PREHEADER, 2, "UTF-8"),
    (
        "a file that is too large",
        lambda: {"emails/_layout/big.html": b"x" * 1_000_001},
        "emails/_layout/big.html",
        None,
        "too large",
    ),
    (
        "a category that is none",
        lambda: {"emails/order-confirmation/mail.yaml": b"category: urgent\n"},
        "emails/order-confirmation/mail.yaml",
        1,
        "transactional",
    ),
]


@pytest.mark.parametrize(
    ("change", "file", "line", "said"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_one_mistake_stops_everything_and_says_where_it_is(
    world: World, change: Callable[[], dict[str, bytes]], file: str, line: int | None, said: str
) -> None:
    """The pointer stays, nothing is written but the report, and the report has file, line and cure."""
    before = {key: content for key, content in world.files.items() if key.startswith(("playbooks/", "flows/"))}
    upload(world, change())
    report = publish(world.blobs, world.clock)
    assert report.outcome == "refused"
    assert {key: content for key, content in world.files.items() if key.startswith(("playbooks/", "flows/"))} == before
    fitting = [
        one
        for one in report.problems
        if one.file == file
        and said.lower() in f"{one.message} {one.hint}".lower()
        and (line is None or one.line == line)
    ]
    assert fitting, report.text()
    stored = json.loads(world.files["reports/latest.json"])
    assert {"file": file, "message": fitting[0].message}.items() <= stored["problems"][
        report.problems.index(fitting[0])
    ].items()
    text = world.files["reports/latest.txt"].decode()
    assert "not published" in text
    assert f"{file}:{fitting[0].line}" in text if fitting[0].line else file in text


def test_mistakes_in_several_files_are_told_at_once(world: World) -> None:
    """In the order of files and lines, each once."""
    upload(
        world,
        _shop(b"GBP", b"QQQ")
        | _flow(b"cart-reminder-1", b"nowhere")
        | _mail(ITEMS, b"item.variant %}", b"item.varient %}"),
    )
    report = publish(world.blobs, world.clock)
    assert [one.file for one in report.problems] == [
        "emails/_layout/items.html",
        "flows/cart-abandonment.yaml",
        "shops/acme.yaml",
    ]


def test_a_refused_upload_is_forgotten_when_it_is_put_right(world: World) -> None:
    """The report then says that all is as it was."""
    upload(world, _shop(b"GBP", b"QQQ"))
    assert publish(world.blobs, world.clock).outcome == "refused"
    upload(world, {"shops/acme.yaml": SHOP})
    assert publish(world.blobs, world.clock).outcome == "unchanged"
    assert json.loads(world.files["reports/latest.json"])["outcome"] == "unchanged"


def test_notes_and_leftovers_of_programs_are_no_mistakes(world: World) -> None:
    """READMEs, hidden files and folders' own keys."""
    upload(
        world,
        {"README.md": b"x", "emails/README.md": b"x", "emails/cart-reminder-1/.DS_Store": b"\xff\x00", "flows/": b" "},
    )
    assert publish(world.blobs, world.clock).outcome == "unchanged"


def test_a_mail_that_gmail_would_cut_is_published_with_a_warning(world: World) -> None:
    """It is allowed, and said."""
    long = b"{% block content %}" + b"<p>x</p>" * 15_000
    upload(world, _mail(BODY, b"{% block content %}", long))
    report = publish(world.blobs, world.clock)
    assert report.outcome == "published"
    assert "102 KB" in report.warnings[0].message
    assert "warning" in report.text()


def test_the_first_publish_needs_no_shop_and_no_brand() -> None:
    """Mails are tried out with a sample shop until there is one."""
    world = World()
    upload(world, {path: content for path, content in shipped().items() if path != "brand.yaml"})
    report = publish(world.blobs, world.clock)
    assert (report.outcome, report.shops) == ("published", 0)


# --- two at once -----------------------------------------------------------------------------------------------------


def _once(world: World, call: str, moment: str, act: Callable[[], object]) -> None:
    """Do something, once, at this point of what the publisher does."""
    done: list[bool] = []

    def hook(now: str, when: str) -> None:
        if (now, when) == (call, moment) and not done:
            done.append(True)
            act()

    world.hook = hook


NEWER = SHOP.replace(b"Acme Ltd", b"Acme Newer")


@pytest.mark.parametrize(
    ("call", "moment"),
    [
        ("blobs.tagged", "after"),
        ("blobs.list", "after"),
        ("blobs.get", "after"),
        ("blobs.put", "before"),
        ("blobs.swap", "before"),
    ],
)
def test_an_upload_and_a_publish_at_any_point_end_in_the_newest_content(world: World, call: str, moment: str) -> None:
    """Whoever looked too early loses the swap, looks again, and agrees with the other."""
    upload(world, {"shops/acme.yaml": SHOP.replace(b"Acme Ltd", b"Acme Older")})
    inner: list[Report] = []

    def other() -> None:
        upload(world, {"shops/acme.yaml": NEWER})
        inner.append(publish(world.blobs, world.clock))

    _once(world, call, moment, other)
    outer = publish(world.blobs, world.clock)
    world.hook = None
    assert inner[0].outcome == "published"
    assert outer.hash == inner[0].hash == pointer(world)
    mails = decode_mails(world.files[f"playbooks/{pointer(world)}/mails.json"])
    assert "Acme Newer" in mails.shops["acme"].postal_address
    assert publish(world.blobs, world.clock).outcome == "unchanged"


@pytest.mark.parametrize("call", ["blobs.list", "blobs.get"])
def test_an_upload_while_it_reads_is_taken_whole(world: World, call: str) -> None:
    """No playbook is made of half the old and half the new content."""
    _once(
        world,
        call,
        "after",
        lambda: upload(world, {"shops/acme.yaml": NEWER, PREHEADER: b"newer\n"}),
    )
    assert publish(world.blobs, world.clock).outcome == "published"
    mails = decode_mails(world.files[f"playbooks/{pointer(world)}/mails.json"])
    assert "Acme Newer" in mails.shops["acme"].postal_address
    assert mails.templates["cart-reminder-1"].preheader == "newer"


def test_a_file_that_goes_while_it_reads_starts_it_over(world: World) -> None:
    """And the mail that needs it is then missed."""
    _once(world, "blobs.list", "after", lambda: upload(world, {"emails/_layout/help.html": b""}))
    assert publish(world.blobs, world.clock).outcome == "refused"


def test_uploads_that_never_pause_end_in_an_error_and_no_change(world: World) -> None:
    """The queue tries again later."""
    before = pointer(world)
    count = iter(range(100))

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("blobs.list", "after"):
            upload(world, {"shops/acme.yaml": SHOP.replace(b"Acme Ltd", f"Acme {next(count)}".encode())})

    world.hook = hook
    with pytest.raises(BusyError):
        publish(world.blobs, world.clock)
    assert pointer(world) == before
    assert next(count) == 2 * MAX_ROUNDS
