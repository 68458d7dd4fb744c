"""Each function's own `app.py`, imported as Lambda does: its environment set, AWS answered by moto in this process."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from moto import mock_aws

from rekindle.aws.clients import Clients
from rekindle.content.sites import site_of
from rekindle.ports import ShopSecrets
from rekindle.service.library import POINTER
from tests.support.build import CART, CONFIRMATION, playbook
from tests.support.lambdas import environment
from tests.support.lambdas import load as import_app
from tests.support.rights import checked
from tests.support.worlds import START, AwsPorts, session

Load = Callable[[str], ModuleType]
_prefixes = (f"f{number}" for number in itertools.count(1))


@pytest.fixture(scope="session")
def clients() -> Clients:
    """Return the tests' own clients, which every test's moto answers."""
    return Clients(session())


@pytest.fixture
def ports(clients: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AwsPorts]:
    """An installation with one connected shop, two flows on, and a clock that a file moves."""
    with mock_aws():
        made = AwsPorts(clients, next(_prefixes))
        made.connect(ShopSecrets(shop="tea", platform="shopify", domain="tea.myshopify.com", webhook_secrets=("s1",)))
        made.connect(
            ShopSecrets(shop="plants", platform="woocommerce", domain="plants.example", webhook_secrets=("w1",))
        )
        book = playbook(CART, CONFIRMATION)
        made.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
        site = msgspec.json.encode({shop: site_of(told) for shop, told in book.shops.items()})
        made.blobs.put(f"playbooks/{book.hash}/site.json", site)
        made.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash, "published_at": START}))
        offset = tmp_path / "offset"
        offset.write_text("0", encoding="ascii")
        for name, value in environment(made, offset).items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def load(ports: AwsPorts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Return what imports one function's `app.py` afresh, with the rights that its role has and no other."""
    loaded: set[str] = set()
    denied: list[str] = []

    def load_app(function: str) -> ModuleType:
        loaded.add(f"app_{function}")
        monkeypatch.setattr("rekindle.aws.clients.Session", lambda: checked(function, ports.installation, denied))
        return import_app(function)

    yield load_app
    for name in loaded:
        del sys.modules[name]
    assert denied == [], "what a function does, its role in template.yaml must allow"
