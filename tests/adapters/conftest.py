"""The three worlds of the contract suite: RAM, moto in process, and MiniStack, empty for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from moto import mock_aws

from local.emulator import emulator
from rekindle.aws.clients import Clients
from tests.support.worlds import AwsPorts, MemoryPorts, Ports, session

_prefixes = (f"t{number}" for number in itertools.count(1))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all that needs MiniStack on one worker: a second one would cost more than it saves."""
    for item in items:
        chosen = getattr(item, "callspec", None)
        by_parameter = chosen is not None and chosen.params.get("make_ports") == "ministack"
        if by_parameter or "ministack_ports" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("ministack"))


@pytest.fixture(scope="package")
def moto() -> Iterator[Clients]:
    """Clients that moto answers, in this process. Not for several threads."""
    with mock_aws():
        yield Clients(session())


@pytest.fixture(scope="package")
def ministack() -> Iterator[Clients]:
    """Clients of one MiniStack, which runs as long as the tests do."""
    with emulator(None) as running:
        yield Clients(session(), endpoint_url=running.url)


@pytest.fixture(scope="package", params=["memory", "moto", "ministack"])
def make_ports(request: pytest.FixtureRequest) -> Callable[[], Ports]:
    """Return what makes an empty installation of one of the three kinds."""
    if request.param == "memory":
        return MemoryPorts
    clients = request.getfixturevalue(request.param)
    return lambda: AwsPorts(clients, next(_prefixes))


@pytest.fixture
def ports(make_ports: Callable[[], Ports]) -> Ports:
    """Return an empty installation."""
    return make_ports()


@pytest.fixture
def moto_ports(moto: Clients) -> AwsPorts:
    """Return an empty installation on moto."""
    return AwsPorts(moto, next(_prefixes))


@pytest.fixture
def ministack_ports(ministack: Clients) -> AwsPorts:
    """Return an empty installation on MiniStack."""
    return AwsPorts(ministack, next(_prefixes))
