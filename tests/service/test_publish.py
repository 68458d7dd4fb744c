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
