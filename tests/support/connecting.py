"""What connecting a shop is tried on: our door with the real service behind it, and what is stored, in RAM."""

from __future__ import annotations

import copy
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from local.server import LocalServer, Reply, Request
from local.shopify_api import LocalShopify
from local.woocommerce_api import LocalWooCommerce
from rekindle.domain.errors import RequestError
from rekindle.memory import World
from rekindle.outside.admin import admin_of
from rekindle.outside.door import OutsideDoor
from rekindle.outside.http import Http
from rekindle.ports import Secrets, ShopSecrets
from rekindle.service.connecting import Connected, Connecting, Wanted, as_secrets
from rekindle.service.webhook import Webhooks
from rekindle.shops.registering import topics_of
from tests.support.worlds import START

#: What signs the local Shopify's webhooks.
APP_SECRET = "shpss_local"


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
        self.by_old: list[bool] = []
        """of all that was accepted, whether the older of two secrets signed it"""
        self._webhooks = Webhooks(intake=self.world.intake, secrets=secrets, clock=self.world.clock)

    def respond(self, request: Request) -> Reply | None:
        _, _, platform, shop = (*request.path.split("/"), "", "", "", "")[:4]
        if self.next_fault() == "fail":
            return Reply(503)
        if request.method == "GET":
            return Reply(404)
        try:
            self.by_old.append(self._webhooks.receive(platform, shop, request.headers, request.body).old_secret)
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

    with LocalApi(warm).running() as api:

        def sleep(seconds: float) -> None:
            warm.seconds += seconds
            api.world.clock.advance(seconds=seconds)

        yield api, warm, sleep


class Bench:
    """One installation in RAM, its API, and the two shops."""

    def __init__(self, api: LocalApi, warm: WarmSecrets, sleep: Any, connections: RamConnections) -> None:
        self.api, self.warm, self.connections = api, warm, connections
        self.shopify = LocalShopify()
        self.woocommerce = LocalWooCommerce()
        self.made = 0
        http = Http(read=0.3, budget=3.0, sleep=lambda _: None)
        self.connecting = Connecting(
            connections=connections,
            admin=lambda known: admin_of(http, known),
            door=OutsideDoor(http),
            api_url=api.url,
            make_secret=self.make,
            clock=api.world.clock,
            sleep=sleep,
        )

    def make(self) -> str:
        self.made += 1
        return f"made-{self.made}"

    def tea(self, shop: str = "tea", **changes: Any) -> Connected:
        access = changes.pop("access", {"access_token": "shpat_local"}) | {"api_url": self.shopify.url}
        wanted = {"platform": "shopify", "domain": "local.myshopify.com", "secret": APP_SECRET} | changes
        return self.connecting.connect(shop, Wanted(access=access, **wanted))

    def bikes(self, shop: str = "bikes", **changes: Any) -> Connected:
        access = {"api_key": "ck_local", "api_secret": "cs_local", "api_url": self.woocommerce.url}
        wanted = {"platform": "woocommerce", "domain": self.woocommerce.url, "access": access} | changes
        return self.connecting.connect(shop, Wanted(**wanted))


def few(platform: str) -> tuple[str, ...]:
    """Return some of the topics: to register all takes a while, and two tests do."""
    return topics_of(platform)[-4:]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    for module in ("connecting", "shop_check"):
        monkeypatch.setattr(f"rekindle.service.{module}.topics_of", few)
    connections = RamConnections()
    with local_api(connections) as (api, warm, sleep):
        there = Bench(api, warm, sleep, connections)
        with there.shopify.running(), there.woocommerce.running():
            yield there


@contextmanager
def name_server(records: dict[tuple[str, str], str]) -> Iterator[str]:
    """Serve these records (name, kind → value) on loopback; yield where. What is not there is NXDOMAIN."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            raw, who = server.recvfrom(4096)
            if raw == b"stop":
                return
            asked = dns.message.from_wire(raw)
            (question,) = asked.question
            answer = dns.message.make_response(asked)
            kind = dns.rdatatype.to_text(question.rdtype)
            value = records.get((question.name.to_text(omit_final_dot=True), kind))
            if value is None:
                answer.set_rcode(dns.rcode.NXDOMAIN)
            else:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, value))
            server.sendto(answer.to_wire(), who)

    thread = threading.Thread(target=serve)
    thread.start()
    place = server.getsockname()
    try:
        yield f"{place[0]}:{place[1]}"
    finally:
        server.sendto(b"stop", place)
        thread.join()
        server.close()
