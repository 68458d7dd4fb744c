"""The published content as the functions see it: the newest behind a short-lived pointer, older parts by their hash."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.domain.errors import RekindleError
from rekindle.domain.profile import Profile
from rekindle.flow.program import Flow, Playbook, Shop
from rekindle.ports import Blobs, Clock

#: How long a warm worker may go on with the playbook that it holds (DESIGN §5, "the pass after a publish").
POINTER_LIFE = timedelta(seconds=30)
POINTER = "playbooks/current.json"
_MAX_CACHED = 256

_flow = msgspec.json.Decoder(Flow)
_playbook = msgspec.json.Decoder(Playbook)


class _Pointer(Struct, frozen=True):
    hash: str
    published_at: datetime | None = None


class Library:
    """Reads published content; holds what cannot change for as long as the process lives."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._hash: str | None = None
        self._published_at: datetime | None = None
        self._looked_at: datetime | None = None
        self._newest: Playbook | None = None
        self._flows: dict[str, Flow] = {}

    def hash(self, *, fresh: bool = False) -> str | None:
        """Return the hash of the published set, at most `POINTER_LIFE` old (`fresh`: as it is now).

        `None` before the first publish.
        """
        now = self._clock.now()
        if fresh or self._looked_at is None or not timedelta(0) <= now - self._looked_at < POINTER_LIFE:
            raw = self._blobs.get(POINTER)
            found = msgspec.json.decode(raw, type=_Pointer) if raw else None
            self._hash = found.hash if found else None
            self._published_at = found.published_at if found else None
            self._looked_at = now
        return self._hash

    @property
    def published_at(self) -> datetime | None:
        """When the published set went live, as last looked at; `None` where that is not known."""
        return self._published_at

    def newest(self, *, fresh: bool = False) -> Playbook:
        """Return the published playbook; an empty one before the first publish."""
        wanted = self.hash(fresh=fresh)
        if wanted is None:
            return Playbook(hash="")
        if self._newest is None or self._newest.hash != wanted:
            raw = self._blobs.get(f"playbooks/{wanted}/flows.json")
            if raw is None:
                raise RekindleError(f"the published playbook {wanted} is not in the bucket")
            self._newest = _playbook.decode(raw)
        return self._newest

    def shops(self) -> Iterable[Shop]:
        """Return the shops that are published."""
        return self.newest().shops.values()

    def for_profile(self, profile: Profile) -> Playbook:
        """Return the newest playbook with every flow version that this profile's runs are pinned to."""
        newest = self.newest()
        pinned = {
            run.version: self._pinned(run.version)
            for run in profile.runs
            if newest.flows.get(run.flow) is None or newest.flows[run.flow].version != run.version
        }
        if not pinned:
            return newest
        playbook = replace(newest, pinned=pinned)
        # What was computed of the newest (its shape, its asks) holds for this one too.
        vars(playbook).update(vars(newest))
        return playbook

    def _pinned(self, version: str) -> Flow:
        if version not in self._flows:
            raw = self._blobs.get(f"flows/{version}.json")
            if raw is None:
                raise RekindleError(f"the flow version {version}, which runs still follow, is not in the bucket")
            if len(self._flows) >= _MAX_CACHED:
                self._flows.pop(next(iter(self._flows)))
            self._flows[version] = _flow.decode(raw)
        return self._flows[version]
