"""What all that the local run speaks to beside MiniStack has in common: an HTTP server on loopback, and its notices.

A server keeps what it is told, and can be made to fail in a chosen way: `plan` decides about the next requests, one
each, `weather` about any that come. Imports the standard library; knows nothing of Rekindle.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, Protocol, Self, TypeVar

from local.emulator import HOST

FaultT = TypeVar("FaultT", bound=str)

#: Longer than anybody waits for an answer.
_HANG_SECONDS = 120.0
_POLL_SECONDS = 0.05


class Clock(Protocol):
    """What time it is for the shops and their customers."""

    def now(self) -> datetime:
        """Return the current moment, UTC."""
        ...


@dataclass(frozen=True)
class Request:
    """One request, as it came. Names of headers are lower-case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What is answered: text and bytes as they stand, anything else as JSON."""

    status: int
    content: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None
    """only so many bytes, then the connection breaks"""
    pause: float = 0.0
    """seconds before each byte, then the connection breaks"""

    @property
    def raw(self) -> bytes:
        """Return the body."""
        if isinstance(self.content, bytes):
            return self.content
        return (self.content if isinstance(self.content, str) else json.dumps(self.content)).encode()


class LocalServer(Generic[FaultT]):
    """A server on a port of its own. A subclass says what is answered (`respond`)."""

    def __init__(self, port: int = 0) -> None:
        self.lock = threading.RLock()
        self.weather: Callable[[], FaultT | None] = lambda: None
        """decides about each request for which nothing is planned"""
        self._faults: deque[FaultT | None] = deque()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer((HOST, port), type("Handler", (_Handler,), {"local": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """Return the server's own address."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Serve for the length of the block."""
        self._thread.start()
        try:
            yield self
        finally:
            self._stopping.set()
            self._server.shutdown()
            self._server.server_close()

    def plan(self, *faults: FaultT | None) -> None:
        """Let the next requests end like this, one each (`None`: well), before all is well again."""
        with self.lock:
            self._faults.extend(faults)

    def respond(self, request: Request) -> Reply | None:
        """Return the answer to a request; `None` breaks the connection without one."""
        raise NotImplementedError

    def next_fault(self) -> FaultT | None:
        """Return what is to happen to the request that has come."""
        with self.lock:
            return self._faults.popleft() if self._faults else self.weather()

    def rest(self, seconds: float = _HANG_SECONDS) -> bool:
        """Do nothing for so long, by default longer than anybody waits; return whether the server stops."""
        return self._stopping.wait(seconds)


class NotifyingServer(LocalServer[FaultT]):
    """A server that gives notice of what becomes of what it was told, one by one and in order."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(port)
        self._notices: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._publish: Callable[[dict[str, Any]], None] | None = None
        self.problems: list[str] = []
        """notices that could not be handed over"""
        self._hander = threading.Thread(target=self._hand_over, daemon=True)

    @property
    def quiet(self) -> bool:
        """Whether every notice has been handed over. A request under way shows as a message in flight on its queue."""
        return self._notices.unfinished_tasks == 0

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Serve, and hand notices over, for the length of the block."""
        self._hander.start()
        with super().running():
            try:
                yield self
            finally:
                self._stopping.set()
                self._notices.put(None)
                self._hander.join()

    def connect(self, publish: Callable[[dict[str, Any]], None]) -> None:
        """Hand every notice to `publish`; those from before wait for this."""
        self._publish = publish

    def notify(self, notice: dict[str, Any]) -> None:
        """Give a notice, after those that were given before."""
        self._notices.put(notice)

    def _hand_over(self) -> None:
        while True:
            notice = self._notices.get()
            try:
                if notice is None:
                    return
                while self._publish is None and not self._stopping.wait(_POLL_SECONDS):
                    pass
                if self._publish is not None and not self._stopping.is_set():
                    self._publish(notice)
            except Exception as problem:  # noqa: BLE001
                self.problems.append(f"{notice and notice.get('detail-type', '')} {problem!r}".strip())
            finally:
                self._notices.task_done()


class _Handler(BaseHTTPRequestHandler):
    """Reads a request whole, and writes what is answered."""

    protocol_version = "HTTP/1.1"
    # Else the second of two small writes waits for word of the first, 40 ms long.
    disable_nagle_algorithm = True
    local: LocalServer[Any]

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            # Whoever sent it died half way: that is no request.
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply = self.local.respond(Request(self.command, path, query, headers, body))
        if reply is None:
            self.close_connection = True
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._write(reply)

    do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815 - the standard library's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: what came is kept."""

    def _write(self, reply: Reply) -> None:
        raw = reply.raw
        self.send_response(HTTPStatus(reply.status))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.close_connection = self.close_connection or bool(reply.pause) or reply.sent is not None
        if not reply.pause:
            self.wfile.write(raw if reply.sent is None else raw[: reply.sent])
            return
        for at in range(len(raw)):
            if self.local.rest(reply.pause):
                break
            self.wfile.write(raw[at : at + 1])
