"""What the two local shop APIs share: an HTTP server on loopback that fails in a chosen way, and notes what was asked.

`plan` makes the next requests fail, one each; `weather` any that come. Imports the standard library.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

from local.emulator import HOST

#: `throttle`: too many requests. `fail`: a 503, and nothing is done; `fail_late`: a 500, and it is done. `hang`: no
#: answer, and nothing is done; `lose_answer`: it is done, and the connection breaks; `hang_late`: it is done, and
#: no answer comes. `cut`: half of the answer; `html`: a page where JSON should be; `trickle`: a byte at a time.
Fault = Literal["throttle", "fail", "fail_late", "hang", "hang_late", "lose_answer", "cut", "html", "trickle", "denied"]

_HANG_SECONDS = 120.0
_TRICKLE_SECONDS = 0.2
_PAGE = b"<!doctype html><title>Just a moment...</title><p>Checking your browser before you go on.</p>"


@dataclass(frozen=True)
class Request:
    """One request, as it came."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    fault: Fault | None


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int
    content: Any
    headers: Mapping[str, str]


class ShopServer:
    """An HTTP server. A subclass says what is answered (`answer`), and how it says "too many" (`throttled`)."""

    def __init__(self, port: int = 0) -> None:
        self.lock = threading.Lock()
        self.requests: list[Request] = []
        """everything that was asked, in order"""
        self.weather: Callable[[], Fault | None] = lambda: None
        """decides about each request for which nothing is planned"""
        self._faults: deque[Fault | None] = deque()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer((HOST, port), type("Handler", (_Handler,), {"shop": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

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

    def plan(self, *faults: Fault | None) -> None:
        """Let the next requests end like this, one each (`None`: well), before all is well again."""
        with self.lock:
            self._faults.extend(faults)

    def answer(self, request: Request) -> Reply:
        """Return the answer to a request that nothing happens to."""
        raise NotImplementedError

    def throttled(self, request: Request) -> Reply:
        """Return the answer to one too many."""
        raise NotImplementedError

    def denied(self, request: Request) -> Reply:
        """Return the answer to one that may not ask this."""
        raise NotImplementedError

    def take(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        """Note a request, and what is to happen to it."""
        path, _, query = target.partition("?")
        with self.lock:
            fault = self._faults.popleft() if self._faults else self.weather()
            request = Request(method, path, query, headers, body, fault)
            self.requests.append(request)
        return request

    def rest(self, seconds: float) -> bool:
        """Do nothing for so long; return whether the server stops."""
        return self._stopping.wait(seconds)


class _Handler(BaseHTTPRequestHandler):
    """Carries out what happens to each request."""

    protocol_version = "HTTP/1.1"
    shop: ShopServer

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def log_message(self, *_: object) -> None:
        """Say nothing: what was asked is in `requests`."""

    def _serve(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.shop.take(method, self.path, headers, self.rfile.read(length))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._do(request)

    def _do(self, request: Request) -> None:
        match request.fault:
            case "throttle":
                self._reply(self.shop.throttled(request))
            case "denied":
                self._reply(self.shop.denied(request))
            case "fail":
                self._raw(HTTPStatus.SERVICE_UNAVAILABLE, _PAGE, {"Content-Type": "text/html"})
            case "html":
                self._raw(HTTPStatus.OK, _PAGE, {"Content-Type": "text/html"})
            case "hang":
                self._hang()
            case _:
                self._do_late(request, self.shop.answer(request))

    def _do_late(self, request: Request, reply: Reply) -> None:
        match request.fault:
            case "fail_late":
                self._raw(HTTPStatus.INTERNAL_SERVER_ERROR, _PAGE, {"Content-Type": "text/html"})
            case "hang_late":
                self._hang()
            case "lose_answer":
                self.close_connection = True
            case "cut":
                raw = json.dumps(reply.content).encode()
                self._raw(reply.status, raw, reply.headers, sent=len(raw) // 2)
                self.close_connection = True
            case "trickle":
                self._trickle(json.dumps(reply.content).encode())
            case _:
                self._reply(reply)

    def _hang(self) -> None:
        self.shop.rest(_HANG_SECONDS)
        self.close_connection = True

    def _trickle(self, raw: bytes) -> None:
        self._raw(HTTPStatus.OK, raw, {"Content-Type": "application/json"}, sent=0)
        for at in range(len(raw)):
            if self.shop.rest(_TRICKLE_SECONDS):
                break
            self.wfile.write(raw[at : at + 1])
        self.close_connection = True

    def _reply(self, reply: Reply) -> None:
        headers = {"Content-Type": "application/json; charset=UTF-8", **reply.headers}
        self._raw(reply.status, json.dumps(reply.content).encode(), headers)

    def _raw(self, status: int, raw: bytes, headers: Mapping[str, str], *, sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw[:sent] if sent is not None else raw)
