"""Meta's Graph API on loopback, as far as custom audiences go: lists of hashed people, and errors on demand.

Answers as the Marketing API documents it (Custom Audience Users). Knows nothing of Rekindle.
"""

from __future__ import annotations

import json
import re
from typing import Literal
from urllib.parse import parse_qs

from local.server import LocalServer, Reply, Request

Fault = Literal[
    "app_limit", "user_limit", "page_limit", "custom_limit", "audience_limit", "token", "parameter", "temporary",
    "fail", "hang", "lose_answer", "nonsense",
]  # fmt: skip

#: What Meta answers: status, code, subcode.
_ERRORS: dict[str, tuple[int, int, int]] = {
    "app_limit": (400, 4, 0),
    "user_limit": (400, 17, 2446079),
    "page_limit": (400, 32, 0),
    "custom_limit": (400, 613, 0),
    "audience_limit": (400, 80003, 0),
    "token": (401, 190, 463),
    "parameter": (400, 100, 1713230),
    "temporary": (500, 2, 0),
}
_VERSION = "/v25.0"
_MAX_PEOPLE = 10_000
_HASH = re.compile(r"[0-9a-f]{64}")


class LocalGraph(LocalServer[Fault]):
    """The API. `plan` makes the next calls fail in a chosen way."""

    def __init__(self, token: str = "token", port: int = 0) -> None:  # noqa: S107
        super().__init__(port)
        self._token = token
        self.lists: dict[str, set[str]] = {}
        """audience → the hashes on it"""
        self.calls: list[tuple[str, str, int]] = []
        """method, audience and how many rows of every call"""

    @property
    def url(self) -> str:
        """Return what is asked instead of the Graph API: `GRAPH_URL`."""
        return super().url + _VERSION

    def respond(self, request: Request) -> Reply | None:
        """Put people on a list (POST), or take them off (DELETE)."""
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        audience = request.path.removeprefix(f"{_VERSION}/").removesuffix("/users")
        try:
            payload = json.loads(form.get("payload", ""))
            schema, rows = payload["schema"], payload["data"]
        except (ValueError, KeyError, TypeError):
            return _error(400, 100, 0)
        with self.lock:
            self.calls.append((request.method, audience, len(rows)))
            fault = self.next_fault()
        if fault in _ERRORS:
            return _error(*_ERRORS[str(fault)])
        if fault == "fail":
            return Reply(502, "<html>bad gateway</html>")
        if fault == "nonsense":
            return Reply(200, "<html>")
        if fault == "hang":
            self.rest()
            return None
        if form.get("access_token") != self._token:
            return _error(401, 190, 0)
        hashes = [value for row in rows for value in row if value]
        right = schema == ["EMAIL", "PHONE"] and all(map(_HASH.fullmatch, hashes)) and 0 < len(rows) <= _MAX_PEOPLE
        if not right or not audience.isdigit():
            return _error(400, 100, 0)
        with self.lock:
            members = self.lists.setdefault(audience, set())
            members.update(hashes) if request.method == "POST" else members.difference_update(hashes)
        if fault == "lose_answer":
            return None
        said = {"audience_id": audience, "session_id": "1", "num_received": len(rows), "num_invalid_entries": 0}
        return Reply(200, {**said, "invalid_entry_samples": {}})


def _error(status: int, code: int, subcode: int) -> Reply:
    error = {"message": "as told", "type": "OAuthException", "code": code, "fbtrace_id": "x"}
    return Reply(status, {"error": error | ({"error_subcode": subcode} if subcode else {})})
