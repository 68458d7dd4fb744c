"""Uploads: what is whole goes live, what is broken changes nothing and says why."""

from __future__ import annotations

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
