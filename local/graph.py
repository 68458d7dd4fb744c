"""Meta's Graph API on loopback, as far as custom audiences go: lists of hashed people, and errors on demand.

Answers as the Marketing API documents it (Custom Audience Users). Knows nothing of Rekindle.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs

from local.emulator import HOST

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
_HANG_SECONDS = 120.0
_MAX_PEOPLE = 10_000
_HASH = re.compile(r"[0-9a-f]{64}")


class LocalGraph:
    """The API. `plan` makes the next calls fail in a chosen way."""

    def __init__(self, token: str = "token", port: int = 0) -> None:  # noqa: S107
        self._token = token
        self._lock = threading.Lock()
        self._faults: deque[Fault | None] = deque()
        self._stopping = threading.Event()
        self.lists: dict[str, set[str]] = {}
        """audience → the hashes on it"""
        self.calls: list[tuple[str, str, int]] = []
        """method, audience and how many rows of every call"""
        self._server = ThreadingHTTPServer((HOST, port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="graph", daemon=True)

    @property
    def url(self) -> str:
        """Return what is asked instead of the Graph API: `GRAPH_URL`."""
        return f"http://{HOST}:{self._server.server_address[1]}/v25.0"

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalGraph]:
        """Serve for the length of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._server.shutdown()
            self._server.server_close()

    def plan(self, *faults: Fault | None) -> None:
        """Let the next calls end like this, one each (`None`: well), before all is well again."""
        with self._lock:
            self._faults.extend(faults)

    def _answer(self, method: str, path: str, raw: bytes) -> tuple[int, Any] | None:
        """Return status and body for one call; `None` closes the connection without an answer."""
        form = {name: values[0] for name, values in parse_qs(raw.decode()).items()}
        audience = path.removeprefix("/v25.0/").removesuffix("/users")
        try:
            payload = json.loads(form.get("payload", ""))
            schema, rows = payload["schema"], payload["data"]
        except (ValueError, KeyError, TypeError):
            return _error(400, 100, 0)
        with self._lock:
            self.calls.append((method, audience, len(rows)))
            fault = self._faults.popleft() if self._faults else None
        if fault in _ERRORS:
            return _error(*_ERRORS[str(fault)])
        if fault == "fail":
            return 502, "<html>bad gateway</html>"
        if fault == "nonsense":
            return 200, "<html>"
        if fault == "hang":
            self._stopping.wait(_HANG_SECONDS)
            return None
        if form.get("access_token") != self._token:
            return _error(401, 190, 0)
        hashes = [value for row in rows for value in row if value]
        right = schema == ["EMAIL", "PHONE"] and all(map(_HASH.fullmatch, hashes)) and 0 < len(rows) <= _MAX_PEOPLE
        if not right or not audience.isdigit():
            return _error(400, 100, 0)
        with self._lock:
            members = self.lists.setdefault(audience, set())
            members.update(hashes) if method == "POST" else members.difference_update(hashes)
        if fault == "lose_answer":
            return None
        said = {"audience_id": audience, "session_id": "1", "num_received": len(rows), "num_invalid_entries": 0}
        return 200, {**said, "invalid_entry_samples": {}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        graph = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = graph._answer(self.command, self.path, raw)
                if answer is None:
                    self.close_connection = True
                    return
                status, body = answer
                said = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(HTTPStatus(status))
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def do_DELETE(self) -> None:
                self.do_POST()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler


def _error(status: int, code: int, subcode: int) -> tuple[int, Any]:
    error: dict[str, Any] = {"message": "as told", "type": "OAuthException", "code": code, "fbtrace_id": "x"}
    return status, {"error": error | ({"error_subcode": subcode} if subcode else {})}
