"""What connecting a shop is tried on: our door with the real service behind it, and what is stored, in RAM."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from local.server import LocalServer, Reply, Request
from rekindle.domain.errors import RequestError
from rekindle.memory import World
from rekindle.ports import Secrets, ShopSecrets
from rekindle.service.connecting import as_secrets
from rekindle.service.webhook import Webhooks
from tests.support.worlds import START


class RamConnections:
    """`ports.Connections` in RAM."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}
        self.writes = 0

    def names(self) -> Sequence[str]:
        return sorted(self.stored)

    def read(self, shop: str) -> dict[str, Any] | None:
        return copy.deepcopy(self.stored.get(shop))

    def write(self, shop: str, content: Mapping[str, Any]) -> None:
        self.writes += 1
        self.stored[shop] = copy.deepcopy(dict(content))


class WarmSecrets:
    """What one warm function knows of the shops: it looks again as `CachedSecrets` does, on a clock to turn."""

    def __init__(self, connections: RamConnections) -> None:
        self.seconds = 1_000.0
        self._connections = connections
        self._known: dict[str, tuple[float, ShopSecrets | None]] = {}

    def shop(self, shop: str, *, fresh: bool = False) -> ShopSecrets | None:
        at, known = self._known.get(shop, (-1e9, None))
        if self.seconds - at >= (60 if fresh or known is None else 900):
            content = self._connections.read(shop)
            known = None if content is None else as_secrets(shop, content)
            self._known[shop] = (self.seconds, known)
        return known

    def address_key(self) -> bytes:
        return b"pepper"

    def push_secret(self) -> bytes:
        raise NotImplementedError

    def link_keys(self) -> Mapping[str, bytes]:
        raise NotImplementedError


class LocalApi(LocalServer[str]):
    """Our API over HTTP, as far as shops reach it: the real service of webhooks, over an intake in RAM."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self.world = World(START)
        self.answers: list[tuple[str, int]] = []
        """path and status of all that came"""
        self._webhooks = Webhooks(intake=self.world.intake, secrets=secrets, clock=self.world.clock)

    def respond(self, request: Request) -> Reply | None:
        _, _, platform, shop = (*request.path.split("/"), "", "", "", "")[:4]
        if self.next_fault() == "fail":
            return Reply(503)
        if request.method == "GET":
            return Reply(404)
        try:
            self._webhooks.receive(platform, shop, request.headers, request.body)
            status = 200
        except RequestError as refused:
            status = refused.status
        with self.lock:
            self.answers.append((request.path, status))
        return Reply(status)


@contextmanager
def local_api(connections: RamConnections) -> Iterator[tuple[LocalApi, WarmSecrets, Callable[[float], None]]]:
    """Serve our API; also return what it knows, and how it sleeps: time passes for what it knows."""
    warm = WarmSecrets(connections)

    def sleep(seconds: float) -> None:
        warm.seconds += seconds

    with LocalApi(warm).running() as api:
        yield api, warm, sleep
