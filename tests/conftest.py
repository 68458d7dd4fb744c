"""What holds for every test: no sockets, except to this machine and only where a test is there to use them.

Tests of adapters and end-to-end tests may connect to 127.0.0.1; all others may not open a socket at all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_ON_LOOPBACK = ("adapters", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test what its folder may do."""
    for item in items:
        if not item.path.is_relative_to(_TESTS):
            continue
        if item.path.relative_to(_TESTS).parts[0] in _ON_LOOPBACK:
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]))
        else:
            item.add_marker(pytest.mark.disable_socket)
