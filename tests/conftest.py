"""What holds for every test: no sockets, except to this machine and only where a test is there to use them.

Tests of adapters, in a browser and end to end may connect to 127.0.0.1; all others may not open a socket at all.
Hypothesis judges what code does, never how long a busy machine took for it.
"""

from __future__ import annotations

import functools
from pathlib import Path

import botocore.loaders
import botocore.session
import pytest
from hypothesis import settings

settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate")

_TESTS = Path(__file__).parent
_ON_LOOPBACK = ("adapters", "browser", "e2e")

# What botocore knows of a service is megabytes of JSON: each session would read them again.
vars(botocore.session)["create_loader"] = functools.cache(botocore.loaders.create_loader)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test what its folder may do."""
    for item in items:
        if not item.path.is_relative_to(_TESTS):
            continue
        if item.path.relative_to(_TESTS).parts[0] in _ON_LOOPBACK:
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]))
        else:
            item.add_marker(pytest.mark.disable_socket)
