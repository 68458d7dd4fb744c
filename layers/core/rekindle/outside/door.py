"""`ports.Door`: our own API as a shop reaches it, and `ports.Names`: the DNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import dns.exception
import dns.resolver

from rekindle.domain.errors import ShopRefusedError, ShopUncertainError
from rekindle.outside.http import Http, safe_base

_DNS_SECONDS = 4.0


class OutsideDoor:
    """`ports.Door`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def knock(self, url: str, headers: Mapping[str, str], body: bytes | None = None) -> int:
        """Return the status. A server error raises `ShopUncertainError`, once it has come several times."""
        safe_base(url.partition("?")[0])
        method = "GET" if body is None else "POST"
        deadline = self._http.deadline()
        try:
            return self._http.call(method, url, headers, body, deadline=deadline, repeatable=True).status
        except (ShopRefusedError, ShopUncertainError) as error:
            # These errors speak of a shop; this is our own.
            told = str(error).replace("the shop answered", "it answered")
            raise ShopUncertainError(f"{urlsplit(url).netloc} does not answer as it should: {told}") from error


class Dns:
    """`ports.Names`. `server` (host, or host:port) is asked instead of this machine's own resolver."""

    def __init__(self, server: str = "") -> None:
        self._resolver = dns.resolver.Resolver(configure=not server)
        if server:
            place = urlsplit(f"//{server}")
            self._resolver.nameservers = [place.hostname or ""]
            self._resolver.port = place.port or 53
        self._resolver.lifetime = _DNS_SECONDS

    def texts(self, name: str) -> Sequence[str]:
        """Return the TXT records, each with its parts put together."""
        return [b"".join(record.strings).decode("utf-8", "replace") for record in self._ask(name, "TXT")]

    def exists(self, name: str) -> bool:
        """Whether it has an address (A or AAAA), through any number of CNAMEs."""
        return any(True for kind in ("A", "AAAA") for _ in self._ask(name, kind))

    def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            return list(self._resolver.resolve(name, kind, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise ShopUncertainError(f"the DNS does not answer ({type(error).__name__})") from error
