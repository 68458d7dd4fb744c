"""A terminal in which commands find an emulator as they would find AWS: by the environment."""

from __future__ import annotations

import pytest

from local.emulator import CREDENTIALS


def reach(environment: pytest.MonkeyPatch, url: str, **more: str) -> None:
    """Let commands of this test find AWS at `url`; `more` are further variables."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url, **more}.items():
        environment.setenv(name, value)
