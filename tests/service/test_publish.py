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
from rekindle.memory import Crash, World
from rekindle.service.library import POINTER
from rekindle.service.publish import MAX_ROUNDS, BusyError, Report, publish
from tests.content.mailkit import shipped
from tests.support.pictures import png

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


#: Of the content that ships: two mails with what they need, and one flow beside the small one.
_KEPT = re.compile(r"emails/(_[^/]*|cart-reminder-1|order-confirmation)/|flows/order-confirmation|[^/]*\Z|offers/")


def content() -> dict[str, bytes]:
    """Return the shipped content, with two of its mails, a small flow and a shop: quicker to look at than all of it."""
    kept = {path: raw for path, raw in shipped().items() if _KEPT.match(path)}
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
    assert {"en", "en-GB"} <= mails.formats.keys()
    for flow in playbook.flows.values():
        assert msgspec.json.decode(world.files[f"flows/{flow.version}.json"], type=Flow) == flow
    text = world.files["reports/latest.txt"].decode()
    assert re.search(r"published: 2 flows, 0 segments, 2 mails, 1 shop", text)


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


# --- what is refused; each way by itself stands in test_broken_content.py ---------------------------------------------


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


PREHEADER, BODY = "emails/cart-reminder-1/preheader.txt", "emails/cart-reminder-1/body.html"
ITEMS = "emails/_layout/items.html"


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
    upload(world, {path: raw for path, raw in shipped().items() if _KEPT.match(path) and path != "brand.yaml"})
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
        ("blobs.listing", "after"),
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


@pytest.mark.parametrize("call", ["blobs.listing", "blobs.get"])
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
    _once(world, "blobs.listing", "after", lambda: upload(world, {"emails/_layout/help.html": b""}))
    assert publish(world.blobs, world.clock).outcome == "refused"


def test_uploads_that_never_pause_end_in_an_error_and_no_change(world: World) -> None:
    """The queue tries again later."""
    before = pointer(world)
    count = iter(range(100))

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("blobs.listing", "after"):
            upload(world, {"shops/acme.yaml": SHOP.replace(b"Acme Ltd", f"Acme {next(count)}".encode())})

    world.hook = hook
    with pytest.raises(BusyError):
        publish(world.blobs, world.clock)
    assert pointer(world) == before
    assert next(count) == 2 * MAX_ROUNDS


# --- files that are served -------------------------------------------------------------------------------------------

LOGO = "assets/logo.png"
SHOWN = content()["emails/cart-reminder-1/body.html"].replace(
    b"{% block content %}", b'{% block content %}<img src="assets/logo.png" alt="Acme">'
)


def with_logo(raw: bytes) -> dict[str, bytes]:
    return {LOGO: raw, "emails/cart-reminder-1/body.html": SHOWN}


def public(world: World) -> dict[str, bytes]:
    return {key: raw for key, raw in world.files.items() if key.startswith("public/")}


def shown_in(world: World) -> str:
    """Return where the live mail's picture stands, as a key of the bucket."""
    mails = decode_mails(world.files[f"playbooks/{pointer(world)}/mails.json"])
    found = re.search(r"\{\{ _assets \}\}/(a/[0-9a-f]{32}/logo\.png)", mails.templates["cart-reminder-1"].html)
    assert found is not None
    return f"public/{found.group(1)}"


def test_a_picture_is_served_under_the_hash_of_its_content(world: World) -> None:
    upload(world, with_logo(png(9, 9)))
    assert publish(world.blobs, world.clock).outcome == "published"
    assert public(world) == {shown_in(world): png(9, 9)}


def test_another_picture_of_the_same_name_leaves_the_old_one_where_old_mails_find_it(world: World) -> None:
    upload(world, with_logo(png(9, 9)))
    publish(world.blobs, world.clock)
    before = shown_in(world)
    upload(world, with_logo(png(8, 8)))
    assert publish(world.blobs, world.clock).outcome == "published"
    assert public(world) == {before: png(9, 9), shown_in(world): png(8, 8)}
    upload(world, {LOGO: b"", "emails/cart-reminder-1/body.html": content()["emails/cart-reminder-1/body.html"]})
    assert publish(world.blobs, world.clock).outcome == "published"
    assert len(public(world)) == 2, "nothing that was published goes away"


def test_only_what_is_new_is_read_and_copied(world: World) -> None:
    upload(world, with_logo(png(9, 9)) | {f"assets/{number}.png": png(number, 1) for number in range(1, 20)})
    publish(world.blobs, world.clock)
    touched: list[str] = []
    get, put = world.blobs.get, world.blobs.put

    def noted_get(key: str) -> bytes | None:
        touched.append(f"get {key}")
        return get(key)

    def noted_put(key: str, content: bytes, content_type: str = "") -> None:
        touched.append(f"put {key}")
        put(key, content, content_type)

    world.blobs.get, world.blobs.put = noted_get, noted_put  # type: ignore[method-assign]
    upload(world, {"assets/20.png": png(20, 1)})
    assert publish(world.blobs, world.clock).outcome == "published"
    pictures = [one for one in touched if "assets/" in one or "public/" in one]
    assert [one for one in pictures if one.startswith("get")] == ["get content/assets/20.png"] * 2
    assert len([one for one in pictures if one.startswith("put")]) == 1


def test_nothing_is_public_before_it_is_published(world: World) -> None:
    upload(world, {"assets/secret.png": png(), "flows/cart-abandonment.yaml": b"nonsense"})
    assert publish(world.blobs, world.clock).outcome == "refused"
    assert public(world) == {}


def test_a_copy_that_somebody_removed_comes_back(world: World) -> None:
    upload(world, with_logo(png(9, 9)))
    publish(world.blobs, world.clock)
    key = shown_in(world)
    del world.files[key]
    upload(world, {"assets/other.png": png(3, 3)})
    assert publish(world.blobs, world.clock).outcome == "published"
    assert world.files[key] == png(9, 9)


def test_a_picture_that_changes_while_it_is_copied_starts_it_over(world: World) -> None:
    """What stands under a hash is always what has that hash."""
    upload(world, with_logo(png(9, 9)))
    _once(world, "blobs.list", "after", lambda: upload(world, {LOGO: png(7, 7)}))
    assert publish(world.blobs, world.clock).outcome == "published"
    assert public(world) == {shown_in(world): png(7, 7)}


def test_killed_while_it_copies_it_ends_well_the_next_time(world: World) -> None:
    upload(world, with_logo(png(9, 9)) | {"assets/a.png": png(1, 1)})
    _once(world, "blobs.put", "after", lambda: (_ for _ in ()).throw(Crash))
    with pytest.raises(Crash):
        publish(world.blobs, world.clock)
    assert publish(world.blobs, world.clock).outcome == "published"
    assert len(public(world)) == 2


def test_a_file_that_is_too_large_is_not_even_read(world: World) -> None:
    """A film of gigabytes would end the function, and nobody would know why nothing is published."""
    upload(
        world, {"assets/film.mp4": bytes(10), "assets/large.png": bytes(4_600_000), "sms/long.txt": b"x" * 1_000_001}
    )
    read: list[str] = []
    get = world.blobs.get

    def noted(key: str) -> bytes | None:
        read.append(key)
        return get(key)

    world.blobs.get = noted  # type: ignore[method-assign]
    report = publish(world.blobs, world.clock)
    assert [(one.file, one.message) for one in report.problems] == [
        ("assets/film.mp4", "a file of this kind is not served"),
        ("assets/large.png", "the file is too large: 4.6 MB"),
        ("sms/long.txt", "the file is too large"),
    ]
    assert not {"content/assets/film.mp4", "content/assets/large.png", "content/sms/long.txt"} & set(read)
