"""One HTTP request with bounds: on time, on tries, on the size of the answer; and an exact word for what became of it.

urllib3 is what botocore brings: no import that the process does not have already. Redirects are not followed, since a
request that is written twice to two places is two requests. Nothing of a body or of a header is ever told in an error.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    SSLError,
    UnrewindableBodyError,
)

from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError

CONNECT_SECONDS = 2.0
READ_SECONDS = 6.0
#: How long one piece of work may take with all its tries: what waits behind it must not wait for a slow shop.
BUDGET_SECONDS = 10.0
TRIES = 3
#: The largest answer, in bytes, after decompression.
MAX_ANSWER = 8_000_000

_CHUNK = 65_536
_FIRST_PAUSE = 0.25
_TOO_MANY = frozenset({429, 430})
"""430 is Shopify's word for a client that it takes for a robot"""
_SERVER_FAULT = 500
_WHOLE, _PART, _NOT_THERE = 200, 206, 416
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def brief(said: object, most: int = 300) -> str:
    """Return what a server says of an error, in so many characters at most: it may be anything, and is logged."""
    return str(said or "")[:most]


class Answer(NamedTuple):
    """A complete answer. Names of headers are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def fine(self) -> bool:
        """Whether it says that all is well."""
        return 200 <= self.status < 300  # noqa: PLR2004


class Deadline:
    """When a piece of work must be over, however many requests it takes."""

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._end = monotonic() + seconds
        self._monotonic = monotonic

    def left(self) -> float:
        """Return how many seconds are left; zero or less: none."""
        return self._end - self._monotonic()


class Http:
    """Makes requests; connections are kept for as long as the process lives. Not for several threads at once."""

    def __init__(
        self,
        *,
        budget: float = BUDGET_SECONDS,
        connect: float = CONNECT_SECONDS,
        read: float = READ_SECONDS,
        tries: int = TRIES,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] | None = None,
    ) -> None:
        """Take the bounds, in seconds. `jitter` gives numbers from 0 to 1."""
        self._budget = budget
        self._connect = connect
        self._read = read
        self._tries = tries
        self._monotonic = monotonic
        self._sleep = sleep
        self._jitter = jitter or secrets.SystemRandom().random
        self._pool = urllib3.PoolManager(num_pools=20, maxsize=2, retries=False)

    def deadline(self) -> Deadline:
        """Return the end of a piece of work that begins now."""
        return Deadline(self._budget, self._monotonic)

    def call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        deadline: Deadline,
        repeatable: bool,
        window: tuple[int, int] | None = None,
    ) -> Answer:
        """Return the answer, whatever its status below 500 but "too many requests".

        What was surely not done is tried again; what may have been done only if it is `repeatable`: asked twice, it is
        done once. Of a whole file (200) only the `window` is kept: from where on, how many bytes. Raises
        `ShopRefusedError` (surely not done) and `ShopUncertainError` when tries or time are used up.
        """
        for number in range(self._tries):
            last = number == self._tries - 1
            pause = _FIRST_PAUSE * 2**number * (0.5 + self._jitter())
            try:
                answer = self._once(method, url, headers, body, deadline, window=window)
            except ShopRefusedError:
                if last or not self.pause(pause, deadline):
                    raise
                continue
            except ShopUncertainError:
                if last or not repeatable or not self.pause(pause, deadline):
                    raise
                continue
            asked = retry_after(answer)
            if answer.status in _TOO_MANY:
                wait = asked if asked is not None else pause
                if last or not self.pause(wait, deadline):
                    raise ShopRefusedError("throttled", wait=wait)
            elif answer.status >= _SERVER_FAULT:
                wait = max(pause, asked or 0.0)
                if last or not repeatable or not self.pause(wait, deadline):
                    raise ShopUncertainError(f"the shop answered with {answer.status}")
            else:
                return answer
        raise AssertionError("unreachable")  # pragma: no cover

    def part(self, url: str, start: int, size: int, *, deadline: Deadline) -> tuple[bytes, bool]:
        """Return up to `size` bytes of a file from `start` on, and whether the file ends with them (RFC 9110, 14).

        A server that sends the whole file is listened to for as long as it takes to get there. Raises as `call` does,
        and `ShopRejectedError` for any other answer.
        """
        asked = {"Range": f"bytes={start}-{start + size - 1}", "Accept-Encoding": "identity"}
        answer = self.call("GET", url, asked, deadline=deadline, repeatable=True, window=(start, size))
        if answer.status == _NOT_THERE:
            return b"", True
        if answer.status not in (_WHOLE, _PART):
            raise ShopRejectedError(f"the file is not there: the answer was {answer.status}", code=str(answer.status))
        return answer.body, len(answer.body) < size

    def pause(self, seconds: float, deadline: Deadline) -> bool:
        """Wait; return whether there was the time for it, and for anything after it."""
        if seconds >= deadline.left():
            return False
        self._sleep(seconds)
        return True

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
        *,
        window: tuple[int, int] | None,
    ) -> Answer:
        left = deadline.left()
        if left <= 0:
            raise ShopRefusedError("not_connected", "there was no time left to ask")
        timeout = urllib3.Timeout(connect=min(self._connect, left), read=min(self._read, left))
        try:
            response = self._pool.request(
                method, url, body=body, headers=headers, timeout=timeout, redirect=False, preload_content=False
            )
        except (NewConnectionError, ConnectTimeoutError, SSLError, LocationValueError, UnrewindableBodyError) as error:
            raise ShopRefusedError("not_connected", _told(error)) from error
        except HTTPError as error:
            raise ShopUncertainError(_told(error)) from error
        try:
            content = self._content(response, deadline, window if response.status == _WHOLE else None)
        except HTTPError as error:
            response.close()
            raise ShopUncertainError(_told(error)) from error
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, content)

    def _content(self, response: urllib3.BaseHTTPResponse, deadline: Deadline, window: tuple[int, int] | None) -> bytes:
        """Read the body, or the window of it; one that trickles or never ends is given up."""
        parts: list[bytes] = []
        size, skip = 0, window[0] if window is not None else 0
        while part := response.read(_CHUNK, decode_content=True):
            part, skip = part[skip:], max(0, skip - len(part))
            parts.append(part)
            size += len(part)
            if window is not None and size >= window[1]:
                response.close()
                return b"".join(parts)[: window[1]]
            if size > MAX_ANSWER or deadline.left() <= 0:
                response.close()
                raise ShopUncertainError("the answer is too long" if size > MAX_ANSWER else "the answer takes too long")
        response.release_conn()
        return b"".join(parts)


def retry_after(answer: Answer) -> float | None:
    """Return for how many seconds the server asks us to stay away (RFC 9110, 10.2.3), if it does."""
    said = answer.headers.get("retry-after", "").strip()
    if not said:
        return None
    try:
        return max(0.0, float(said)) if said.replace(".", "", 1).isdigit() else _until(said, answer)
    except (TypeError, ValueError, OverflowError):
        return None


def _until(moment: str, answer: Answer) -> float | None:
    # By the server's own clock, so that ours does not matter.
    now = answer.headers.get("date")
    if now is None:
        return None
    return max(0.0, (parsedate_to_datetime(moment) - parsedate_to_datetime(now)).total_seconds())


def safe_base(url: str) -> str:
    """Return the address without a slash at its end. Raises `ShopRejectedError` for one that would show a secret.

    Secrets travel over TLS; plain HTTP is for this machine alone.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    fine = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    if not host or not fine or parts.username or parts.query or parts.fragment or not (port is None or port > 0):
        hint = "write it whole, as in https://shop.example, in the shop's secret"
        raise ShopRejectedError("the address of the shop's API cannot be used", hint=hint)
    return url.rstrip("/")


def _told(error: Exception) -> str:
    # The words of urllib3's errors hold the whole address, and an address may hold a key.
    return type(error).__name__.removesuffix("Error")
