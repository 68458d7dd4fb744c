"""What holds for every test: no sockets, except to this machine and only where a test is there to use them.

Tests of adapters, in a browser and end to end may connect to 127.0.0.1; all others may not open a socket at all.
Hypothesis judges what code does, never how long a busy machine took for it.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import botocore.loaders
import botocore.session
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from rekindle.content.playbook import PublishedSet

settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate")

_TESTS = Path(__file__).parent
_ON_LOOPBACK = ("adapters", "browser", "e2e")
#: From so many characters on, a text is no name for a test.
_LONG = 100

# What botocore knows of a service is megabytes of JSON: each session would read them again.
vars(botocore.session)["create_loader"] = functools.cache(botocore.loaders.create_loader)


@pytest.fixture(scope="session")
def what_ships() -> PublishedSet:
    """Return what publish makes of the repository's own content."""
    from rekindle.content.validate import validate
    from tests.content.mailkit import shipped

    verdict = validate(shipped())
    assert verdict.problems == verdict.warnings == ()
    assert verdict.published is not None
    return verdict.published


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name no test by a text of megabytes: every report of it would carry that between processes."""
    return f"{argname}, {len(val)}" if isinstance(val, (str, bytes)) and len(val) > _LONG else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test what its folder may do, and keep together what compiles all mails: the second time is quick."""
    for item in items:
        if not item.path.is_relative_to(_TESTS):
            continue
        if "what_ships" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("mails"))
        if item.path.relative_to(_TESTS).parts[0] in _ON_LOOPBACK:
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]))
        else:
            item.add_marker(pytest.mark.disable_socket)
