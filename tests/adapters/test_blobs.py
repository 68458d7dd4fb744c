"""The content bucket: files by key, and a swap that only one of two can win."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rekindle.ports import Listing, Look
from tests.support.faults import answering, failing, losing, without_backoff
from tests.support.worlds import AwsPorts, Ports


def test_what_was_put_is_got(ports: Ports) -> None:
    ports.blobs.put("content/brand.yaml", b"name: Tea", "application/yaml")
    assert ports.blobs.get("content/brand.yaml") == b"name: Tea"
    ports.blobs.put("content/brand.yaml", b"name: Better tea")
    assert ports.blobs.get("content/brand.yaml") == b"name: Better tea"


def test_what_was_never_put_is_absent(ports: Ports) -> None:
    assert ports.blobs.get("playbooks/current.json") is None
    assert ports.blobs.tagged("playbooks/current.json") is None


def test_an_empty_file_is_a_file(ports: Ports) -> None:
    ports.blobs.put("content/empty", b"")
    assert ports.blobs.get("content/empty") == b""
    assert list(ports.blobs.list("content/")) == ["content/empty"]


def test_a_list_is_what_lies_under_the_prefix_with_tags_that_follow_the_content(ports: Ports) -> None:
    for key, content in (("content/a", b"1"), ("content/b", b"1"), ("reports/c", b"3")):
        ports.blobs.put(key, content)
    before = ports.blobs.list("content/")
    assert set(before) == {"content/a", "content/b"}
    ports.blobs.put("content/a", b"2")
    after = ports.blobs.list("content/")
    assert after["content/a"] != before["content/a"]
    assert after["content/b"] == before["content/b"]
    assert ports.blobs.list("nothing/") == {}


def test_keys_can_be_followed_one_by_one(ports: Ports) -> None:
    for key in ("parts/b/1", "parts/a/2", "parts/a/10", "partsaside", "parts/"):
        ports.blobs.put(key, b"")
    found, key = [], ""
    while (following := ports.blobs.following("parts/", key)) is not None:
        found.append(key := following)
    assert found == ["parts/", "parts/a/10", "parts/a/2", "parts/b/1"]
    assert ports.blobs.following("nothing/", "") is None


def test_a_list_goes_on_where_s3_stopped(moto_ports: AwsPorts) -> None:
    contents = [{"Key": "content/a", "ETag": '"1"'}, {"Key": "content/b", "ETag": '"2"'}]
    first = (200, {"Contents": contents, "IsTruncated": True, "NextContinuationToken": "Y29udGVudC9i"})
    second = (200, {"Contents": [{"Key": "content/c", "ETag": '"3"'}], "IsTruncated": False})
    with answering(moto_ports.clients.s3, "ListObjectsV2", [first, second]) as asked:
        assert set(moto_ports.blobs.list("content/")) == {"content/a", "content/b", "content/c"}
    assert asked.count == 2


def test_a_file_and_its_tag_belong_together(ports: Ports) -> None:
    ports.blobs.put("content/a", b"1")
    found = ports.blobs.tagged("content/a")
    assert found is not None
    assert found == (b"1", ports.blobs.list("content/")["content/a"])


def test_the_first_swap_needs_absence(ports: Ports) -> None:
    assert ports.blobs.swap("pointer", b"one", expected=None) is True
    assert ports.blobs.swap("pointer", b"two", expected=None) is False
    assert ports.blobs.get("pointer") == b"one"


def test_a_swap_needs_the_tag_that_was_read(ports: Ports) -> None:
    ports.blobs.swap("pointer", b"one", expected=None)
    found = ports.blobs.tagged("pointer")
    assert found is not None
    assert ports.blobs.swap("pointer", b"two", expected=found[1]) is True
    assert ports.blobs.swap("pointer", b"three", expected=found[1]) is False
    assert ports.blobs.get("pointer") == b"two"


def test_a_swap_of_what_is_gone_is_lost(ports: Ports) -> None:
    assert ports.blobs.swap("pointer", b"one", expected='"0123"') is False
    assert ports.blobs.get("pointer") is None


def test_a_swap_to_what_stands_there_is_won_already(ports: Ports) -> None:
    ports.blobs.swap("pointer", b"one", expected=None)
    assert ports.blobs.swap("pointer", b"one", expected=None) is True


def test_a_swap_whose_answer_was_lost_finds_its_own_work(
    ministack_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_backoff(monkeypatch)
    with losing(ministack_ports.clients.s3, "PutObject", "answer", attempts=1) as lost:
        assert ministack_ports.blobs.swap("pointer", b"one", expected=None) is True
    assert lost.count == 1


def test_other_failures_of_s3_come_through(moto_ports: AwsPorts) -> None:
    client = moto_ports.clients.s3
    with failing(client, "GetObject", "AccessDenied", status=403), pytest.raises(client.exceptions.ClientError):
        moto_ports.blobs.get("content/a")
    with failing(client, "PutObject", "AccessDenied", status=403), pytest.raises(client.exceptions.ClientError):
        moto_ports.blobs.swap("content/a", b"", expected=None)


def test_a_listing_knows_when_its_newest_was_written(ports: Ports) -> None:
    assert ports.blobs.listing("content/") == Listing({}, None)
    ports.blobs.put("content/a", b"1")
    one = ports.blobs.listing("content/")
    assert one.tags == ports.blobs.list("content/")
    assert one.newest is not None
    assert one.newest.tzinfo is UTC
    ports.blobs.put("content/b", b"1")
    ports.blobs.put("reports/c", b"1")
    two = ports.blobs.listing("content/")
    assert set(two.tags) == {"content/a", "content/b"}
    assert two.sizes == {"content/a": 1, "content/b": 1}
    assert two.newest is not None
    assert two.newest >= one.newest


def test_the_newest_is_so_over_all_of_s3s_pages(moto_ports: AwsPorts) -> None:
    old, new = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    first = {"Contents": [{"Key": "content/a", "ETag": '"1"', "LastModified": new}], "IsTruncated": True}
    second = {"Contents": [{"Key": "content/b", "ETag": '"2"', "LastModified": old}], "IsTruncated": False}
    pages = [(200, first | {"NextContinuationToken": "Y29udGVudC9i"}), (200, second)]
    with answering(moto_ports.clients.s3, "ListObjectsV2", pages):
        assert moto_ports.blobs.listing("content/").newest == new


def test_equal_looks_at_the_content_are_one(ports: Ports) -> None:
    when = datetime(2026, 3, 2, 9, tzinfo=UTC)
    looks = [Look(look_at=when), Look(look_at=when), Look(look_at=when, asked_by="ada")]
    for look in looks:
        ports.publish_queue.look(look)
    assert ports.waiting("publish").visible == looks[1:]
