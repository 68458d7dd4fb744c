"""Addresses of the web: whose they are, and how they are written where only ASCII may stand. Pure; standard library."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

# What an address may hold as it is (RFC 3986): reserved and unreserved characters, and what is escaped already.
_SAFE = "!#$%&'()*+,/:;=?@[]-._~"


def is_of(home: str | None, address: str | None) -> bool:
    """Whether an address is on the same site as `home`: its host, with or without `www.`, or one below it."""
    try:
        there, own = (urlsplit(one or "").hostname or "" for one in (address, home))
    except ValueError:
        return False
    own = own.removeprefix("www.")
    return bool(own) and (there == own or there.endswith(f".{own}"))


def in_ascii(address: str) -> str | None:
    """Return an http(s) address as a header may hold it; `None` for anything else.

    What is not ASCII is written as browsers write it: a host in Punycode, the rest as UTF-8 in percent signs.
    """
    try:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        where = parts.netloc
        if not where.isascii():
            user, at, _ = where.rpartition("@")
            port = f":{parts.port}" if parts.port is not None else ""
            where = f"{user}{at}{parts.hostname.encode('idna').decode()}{port}"
        found = quote(urlunsplit(parts._replace(netloc=where)), safe=_SAFE)
    except ValueError:
        return None
    return found if found.isascii() and found.isprintable() and " " not in found else None
