"""Uploads that take their time, going back, and who is told: what stands around the one publish."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from rekindle.content.validate import Verdict, validate
from rekindle.memory import World
from rekindle.ports import Look
from rekindle.service import publish as publishing
from rekindle.service.library import POINTER, Library
from rekindle.service.publish import CONTENT, Publisher, Report, fingerprint, latest_report, publish, take_back
from rekindle.service.sets import HISTORY, RollbackError, history
from rekindle.service.tell import TOLD, Teller
from tests.service.test_publish import SHOP, content, upload

QUIET = timedelta(seconds=20)
BROKEN = b"trigger: {event: checkout.updatet}\nsteps: [{exit: true}]\n"
TEAM = b"notify: team@acme.example\n"


class Installation:
    """The bucket, and the queue that S3's own events and publish's looks stand in, as the template has it.

    It hands out ten messages at a time, each 20 seconds after it was put; equal looks are one.
    """

    def __init__(self) -> None:
        self.world = World()
        self.publisher = Publisher(
            blobs=self.world.blobs, queue=self.world.publish_queue, clock=self.world.clock, quiet=QUIET
        )
        self.reports: list[Report] = []
        self.batches = 0
        self._events: list[float] = []
        self._taken = 0

    def put(self, path: str, raw: bytes) -> None:
        self.world.blobs.put(CONTENT + path, raw)
        self._events.append(self._now())

    def delete(self, path: str) -> None:
        del self.world.files[CONTENT + path]
        self._events.append(self._now())

    def pass_time(self, seconds: int) -> None:
        """Let seconds pass; whatever may be received meanwhile is received."""
        for _ in range(seconds):
            self.world.clock.advance(seconds=1)
            while batch := self._receive():
                asked = [one.asked_by for one in batch if isinstance(one, Look) and one.asked_by]
                self.batches += 1
                report = self.publisher.look(asked[-1] if asked else "")
                self.reports += [report] if report is not None else []

    def _receive(self) -> list[object]:
        ready = self._now() - QUIET.total_seconds()
        events = [put for put in self._events if put <= ready]
        looks = [look for look in self.world.looks[self._taken :] if look.look_at.timestamp() <= ready]
        batch = [*events, *looks][:10]
        self._events = self._events[min(len(events), 10) :]
        self._taken += len(batch) - min(len(events), 10)
        return list(batch)

    def _now(self) -> float:
        return self.world.clock.now().timestamp()


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often the content is looked at as a whole: how many files each time."""
    counted: list[int] = []

    def counting(files: dict[str, bytes], *more: Any) -> Verdict:
        counted.append(len(files))
        return validate(files, *more)

    monkeypatch.setattr(publishing, "validate", counting)
    return counted


def many(number: int = 200) -> dict[str, bytes]:
    """So many files: the small set, and text messages."""
    small = content()
    return small | {f"sms/note-{n}.txt": b"Hello" for n in range(number - len(small))}


# --- uploads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, 5, 90], ids=lambda n: f"{n} s")
def test_an_upload_of_200_files_is_judged_once_however_long_it_takes(seconds: int, validations: list[int]) -> None:
    there = Installation()
    files = many()
    for number, (path, raw) in enumerate(files.items()):
        there.put(path, raw)
        if seconds and number % max(1, len(files) // seconds) == 0:
            there.pass_time(1)
    assert validations == [], "it is judged when it has been quiet, not before"
    there.pass_time(300)
    assert validations == [200]
    assert [report.outcome for report in there.reports] == ["published"]
    assert len(history(there.world.blobs)) == 1
    assert there.batches < 200, "looks that are put back do not multiply"


def test_a_file_that_follows_when_it_was_quiet_is_another_upload(validations: list[int]) -> None:
    there = Installation()
    for path, raw in content().items():
        there.put(path, raw)
    there.pass_time(60)
    there.put("sms/late.txt", b"Hello")
    there.pass_time(60)
    assert [report.outcome for report in there.reports] == ["published", "published"]
    assert len(validations) == 2


def test_what_is_deleted_is_judged_too(validations: list[int]) -> None:
    there = Installation()
    for path, raw in content().items():
        there.put(path, raw)
    there.pass_time(60)
    there.delete("emails/_layout/help.html")
    there.pass_time(60)
    assert [report.outcome for report in there.reports] == ["published", "refused"]
    assert len(validations) == 2


def test_files_that_were_judged_before_are_not_judged_again(validations: list[int]) -> None:
    """S3 tells of a file also when it was replaced by itself."""
    there = Installation()
    for path, raw in content().items():
        there.put(path, raw)
    there.pass_time(60)
    there.put("brand.yaml", content()["brand.yaml"])
    there.pass_time(60)
    assert len(validations) == 1
    there.world.publish_queue.look(Look(look_at=there.world.clock.now(), asked_by="ada"))
    there.pass_time(60)
    assert len(validations) == 2, "somebody asked for it"
    assert [(report.outcome, report.by) for report in there.reports] == [("published", ""), ("unchanged", "ada")]


def test_content_that_changes_while_it_is_read_is_looked_at_again() -> None:
    there = Installation()
    upload(there.world, content())
    count = iter(range(100))

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("blobs.listing", "after"):
            upload(there.world, {"shops/acme.yaml": SHOP.replace(b"Acme Ltd", f"Acme {next(count)}".encode())})

    there.world.hook = hook
    assert there.publisher.look() is None
    there.world.hook = None
    assert len(there.world.looks) == 1
    assert POINTER not in there.world.files
    there.pass_time(30)
    assert [report.outcome for report in there.reports] == ["published"]


def test_the_fingerprint_is_of_keys_and_tags_in_any_order() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    assert len({fingerprint(tags) for tags in ({}, {"a": "1"}, {"a": "2"}, {"a1": ""}, {"b": "1"})}) == 5


# --- going back ------------------------------------------------------------------------------------------------------


def shop_named(name: str) -> dict[str, bytes]:
    return {"shops/acme.yaml": SHOP.replace(b"Acme Ltd", name.encode())}


@pytest.fixture(scope="module")
def three_sets() -> tuple[dict[str, bytes], tuple[str, ...]]:
    """A bucket in which three sets were published, and their hashes."""
    world = World()
    hashes = []
    for number, name in enumerate(("One", "Two", "Three")):
        upload(world, content() | shop_named(name))
        world.clock.advance(hours=1)
        report = publish(world.blobs, world.clock, by="" if number else "ada")
        assert report.hash is not None
        hashes.append(report.hash)
    return world.files, tuple(hashes)


@pytest.fixture
def bucket(three_sets: tuple[dict[str, bytes], tuple[str, ...]]) -> World:
    world = World()
    world.files.update(three_sets[0])
    world.clock.advance(days=1)
    return world


@pytest.fixture
def hashes(three_sets: tuple[dict[str, bytes], tuple[str, ...]]) -> tuple[str, ...]:
    return three_sets[1]


def live(world: World) -> str:
    found = msgspec.json.decode(world.files[POINTER])["hash"]
    assert isinstance(found, str)
    return found


def test_the_history_says_what_was_live_when_and_what_it_held(bucket: World, hashes: tuple[str, ...]) -> None:
    lines = history(bucket.blobs)
    assert tuple(line.hash for line in lines) == hashes
    assert [(line.how, line.by) for line in lines] == [("upload", "ada"), ("upload", ""), ("upload", "")]
    assert lines[0].at < lines[1].at < lines[2].at
    offers = sum(path.startswith("offers/") for path in content())
    assert {line.counts.text() for line in lines} == {f"2 flows, 0 segments, 2 mails, {offers} offers, 1 shop"}


def test_going_back_twice_goes_back_two_sets(bucket: World, hashes: tuple[str, ...]) -> None:
    one, two, three = hashes
    assert take_back(bucket.blobs, bucket.clock, by="ada").before == three
    assert live(bucket) == two
    take_back(bucket.blobs, bucket.clock)
    assert live(bucket) == one
    with pytest.raises(RollbackError, match="no earlier set"):
        take_back(bucket.blobs, bucket.clock)
    assert [(line.hash, line.how, line.by) for line in history(bucket.blobs)[3:]] == [
        (two, "rollback", "ada"),
        (one, "rollback", ""),
    ]


def test_one_can_go_to_a_named_set_and_forward_again(bucket: World, hashes: tuple[str, ...]) -> None:
    take_back(bucket.blobs, bucket.clock, to=hashes[0][:6])
    assert live(bucket) == hashes[0]
    take_back(bucket.blobs, bucket.clock, to=hashes[2].upper())
    assert live(bucket) == hashes[2]


@pytest.mark.parametrize(
    ("to", "said"), [("ab", "at least 4"), ("zzzz", "no sets begin"), ("", "not in the bucket any more")]
)
def test_what_cannot_be_gone_back_to_changes_nothing(
    bucket: World, to: str, said: str, hashes: tuple[str, ...]
) -> None:
    if not to:
        del bucket.files[f"playbooks/{hashes[1]}/mails.json"]
    with pytest.raises(RollbackError, match=said):
        take_back(bucket.blobs, bucket.clock, to=to)
    assert live(bucket) == hashes[2]
    with pytest.raises(RollbackError, match="is live already"):
        take_back(bucket.blobs, bucket.clock, to=hashes[2])


def test_a_set_of_another_version_is_not_gone_back_to(bucket: World, hashes: tuple[str, ...]) -> None:
    bucket.files[f"playbooks/{hashes[1]}/flows.json"] = b'{"hash": 1}'
    with pytest.raises(RollbackError, match="another version"):
        take_back(bucket.blobs, bucket.clock)
    with pytest.raises(RollbackError, match="nothing has been published"):
        take_back(World().blobs, bucket.clock)


def test_whoever_publishes_in_this_moment_wins(bucket: World, hashes: tuple[str, ...]) -> None:
    done: list[bool] = []

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("blobs.swap", "before") and not done:
            done.append(True)
            upload(bucket, shop_named("Four"))
            publish(bucket.blobs, bucket.clock)

    bucket.hook = hook
    with pytest.raises(RollbackError, match="in this moment"):
        take_back(bucket.blobs, bucket.clock)
    assert live(bucket) not in hashes


def test_late_messages_of_what_was_taken_back_do_not_publish_it_again(bucket: World, hashes: tuple[str, ...]) -> None:
    """The next change in content/ does, and whoever goes back is told so, with the files that differ."""
    done = take_back(bucket.blobs, bucket.clock, by="ada")
    assert done.differing == ("shops/acme.yaml",)
    publisher = Publisher(blobs=bucket.blobs, queue=bucket.publish_queue, clock=bucket.clock, quiet=QUIET)
    assert publisher.look() is None
    assert live(bucket) == hashes[1]
    text = bucket.files["reports/latest.txt"].decode()
    assert "taken back by ada" in text
    assert "shops/acme.yaml: warning: not as in the set that is live now" in text
    upload(bucket, {"sms/hello.txt": b"Hello"})
    found = publisher.look()
    assert found is not None
    assert found.outcome == "published"
    assert live(bucket) not in hashes


def test_whoever_asks_publishes_what_was_taken_back(bucket: World, hashes: tuple[str, ...]) -> None:
    take_back(bucket.blobs, bucket.clock)
    publisher = Publisher(blobs=bucket.blobs, queue=bucket.publish_queue, clock=bucket.clock, quiet=QUIET)
    found = publisher.look("ada")
    assert found is not None
    assert (found.outcome, found.hash, live(bucket)) == ("published", hashes[2], hashes[2])


def test_a_crash_after_the_pointer_moved_leaves_no_gap_in_the_history(hashes: tuple[str, ...], bucket: World) -> None:
    def die(call: str, moment: str) -> None:
        if (call, moment) == ("blobs.swap", "after"):
            raise ConnectionError

    upload(bucket, shop_named("Four"))
    bucket.hook = die
    with pytest.raises(ConnectionError):
        publish(bucket.blobs, bucket.clock)
    bucket.hook = None
    four = live(bucket)
    upload(bucket, shop_named("Five"))
    publish(bucket.blobs, bucket.clock)
    assert tuple(line.hash for line in history(bucket.blobs)) == (*hashes, four, live(bucket))


def test_a_set_from_before_there_was_a_history_can_be_gone_back_to(bucket: World, hashes: tuple[str, ...]) -> None:
    del bucket.files[HISTORY]
    upload(bucket, shop_named("Four"))
    publish(bucket.blobs, bucket.clock)
    lines = history(bucket.blobs)
    assert tuple(line.hash for line in lines) == (hashes[2], live(bucket))
    assert lines[0].counts.mails == 2
    take_back(bucket.blobs, bucket.clock)
    assert live(bucket) == hashes[2]


# --- who is told -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _told_bucket() -> dict[str, bytes]:
    world = World()
    upload(world, content() | {"shops/acme.yaml": SHOP + TEAM, "shops/other.yaml": SHOP + TEAM})
    assert publish(world.blobs, world.clock).outcome == "published"
    return world.files


@pytest.fixture
def shop(_told_bucket: dict[str, bytes]) -> World:
    """A bucket whose two shops have one marketer."""
    world = World()
    world.files.update(_told_bucket)
    return world


def tell(world: World) -> int:
    report = publish(world.blobs, world.clock)
    return Teller(blobs=world.blobs, mailer=world.mailer, library=Library(world.blobs, world.clock)).tell(report)


def subjects(world: World) -> list[str]:
    return [sent.mail.subject for sent in world.inbox]


def test_a_marketer_hears_when_it_goes_wrong_and_when_it_is_well_again(shop: World) -> None:
    assert tell(shop) == 0, "all is well, as before"
    upload(shop, {"flows/broken.yaml": BROKEN})
    assert tell(shop) == 1, "one mail, for both shops"
    assert tell(shop) == 0
    upload(shop, {"flows/broken.yaml": BROKEN + b"# still\n"})
    assert tell(shop) == 0, "still wrong"
    upload(shop, {"flows/broken.yaml": b""})
    assert tell(shop) == 1
    assert tell(shop) == 0
    assert subjects(shop) == ["Acme: not published: one thing is wrong", "Acme: published: all is well again"]


def test_the_mail_says_what_is_wrong_and_where_and_names_nobody(shop: World) -> None:
    sample = b'{"profile": {"email": "ada@example.com", "nonsense": {"ada@example.com": 1}}}'
    more = {f"flows/x{n}.yaml": BROKEN for n in range(30)}
    upload(shop, {"emails/cart-reminder-1/sample.json": sample, "nowhere/ada@example.com.txt": b"x"} | more)
    assert tell(shop) == 1
    mail = shop.inbox[0].mail
    assert (mail.to, mail.sender) == ("team@acme.example", "Acme <hello@acme.example>")
    for body in (mail.text, mail.html):
        assert "things are wrong. Customers get what they got before." in body
        assert "flows/x0.yaml:1: " in body
        assert "more" in body
        assert "reports/latest.txt in the content bucket" in body
        assert "ada@example.com" not in body
    assert mail.text.count("flows/x") <= 20
    assert "<script" not in mail.html


def test_what_is_wrong_cannot_break_out_of_the_mail(shop: World) -> None:
    upload(shop, {"flows/<script>alert(1).yaml": BROKEN})
    tell(shop)
    assert "<script>" not in shop.inbox[0].mail.html
    assert "&lt;script&gt;" in shop.inbox[0].mail.html


def test_where_no_shop_has_an_address_nobody_is_told(bucket: World) -> None:
    upload(bucket, {"flows/broken.yaml": BROKEN})
    assert tell(bucket) == 0
    assert TOLD not in bucket.files


def test_what_ses_would_not_take_is_told_with_the_next_report(shop: World) -> None:
    upload(shop, {"flows/broken.yaml": BROKEN})
    shop.fates.extend(["throttled"])
    assert tell(shop) == 0
    upload(shop, {"flows/broken.yaml": BROKEN + b"# still\n"})
    assert tell(shop) == 1


@pytest.mark.parametrize("fate", ["hang", "answer_lost", "reject"])
def test_what_may_have_gone_out_is_not_told_twice(shop: World, fate: str) -> None:
    upload(shop, {"flows/broken.yaml": BROKEN})
    shop.fates.append(fate)  # type: ignore[arg-type]
    assert tell(shop) == 0
    assert tell(shop) == 0
    assert len(shop.attempts) == 1


def test_of_two_who_would_tell_one_does(shop: World) -> None:
    upload(shop, {"flows/broken.yaml": BROKEN})
    done: list[bool] = []

    def hook(call: str, moment: str) -> None:
        if (call, moment) == ("blobs.swap", "before") and not done:
            done.append(True)
            shop.clock.advance(seconds=1)
            tell(shop)

    shop.hook = hook
    report = publish(shop.blobs, shop.clock)
    Teller(blobs=shop.blobs, mailer=shop.mailer, library=Library(shop.blobs, shop.clock)).tell(report)
    assert len(shop.inbox) == 1


def test_the_report_is_read_back_as_it_was_written(shop: World) -> None:
    upload(shop, {"flows/broken.yaml": BROKEN})
    assert latest_report(shop.blobs) != publish(shop.blobs, shop.clock) == latest_report(shop.blobs)
    shop.files["reports/latest.json"] = b'{"outcome": "another"}'
    assert latest_report(shop.blobs) is None
