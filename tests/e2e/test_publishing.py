"""Uploads: what is whole goes live, what is broken changes nothing and says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.world import World
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("e2e-live")

BROKEN = b"title: Broken\nenabled: true\ntrigger:\n  event: checkout.updatet\nsteps:\n  - email: no-such-mail\n"


def test_a_broken_upload_changes_nothing_and_leaves_a_report(live: World) -> None:
    before = live.stack.published()
    live.stack.upload({"flows/broken.yaml": BROKEN})
    try:
        eventually(lambda: b"flows/broken.yaml" in (live.stack.read("reports/latest.txt") or b""), seconds=30)
        live.runner.wait_until_idle()
        assert live.stack.published() == before
    finally:
        live.stack.s3.delete_object(Bucket=live.stack.content_bucket, Key="content/flows/broken.yaml")
        live.runner.wait_until_idle()
    eventually(lambda: b"flows/broken.yaml" not in (live.stack.read("reports/latest.txt") or b""), seconds=30)
    assert live.stack.published() == before


def test_an_upload_of_200_files_is_published_once(live: World) -> None:
    """Its 200 events come in twenty batches; those that find what was judged before leave it at that."""
    before = live.stack.published()
    files = {f"sms/bulk-{number}.txt": b"Hello\n" for number in range(200)}
    lines = len(history(live))
    live.stack.upload(files)
    try:
        eventually(lambda: live.stack.published() != before, seconds=60)
        live.runner.wait_until_idle()
        # Twice only where this machine stood still for a second in the middle of the upload.
        assert 1 <= len(history(live)) - lines <= 2
    finally:
        keys: Any = [{"Key": f"content/{path}"} for path in files]
        live.stack.s3.delete_objects(Bucket=live.stack.content_bucket, Delete={"Objects": keys})
        live.runner.wait_until_idle()
    eventually(lambda: live.stack.published() == before, seconds=60)


def history(live: World) -> list[object]:
    """Return what was live when."""
    found: list[object] = json.loads(live.stack.read("playbooks/history.json") or b"[]")
    return found
