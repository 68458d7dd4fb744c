"""Meta custom audiences: people put on, or taken off, a list at the Graph API, by hashes of their addresses.

`POST` and `DELETE /{audience}/users` (Marketing API, Custom Audience Users): a list either has a person or has not, so
asking twice is asking once. What nobody knows the outcome of is therefore asked again, unlike a mail (decision 0033).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import msgspec

from rekindle.domain.errors import (
    MailRefusedError,
    MailRejectedError,
    ShopRefusedError,
    ShopRejectedError,
    ShopUncertainError,
)
from rekindle.outside.http import Answer, Http, retry_after
from rekindle.ports import AudienceChange, Listed, Secrets

#: Pinned: Meta keeps a version for two years.
VERSION = "v25.0"
GRAPH = f"https://graph.facebook.com/{VERSION}"
#: How many people one call takes.
MAX_PEOPLE = 10_000

_CONNECT, _READ, _BUDGET = 2.0, 8.0, 10.0
#: Too many calls (Graph API, Rate limits; Marketing API, Rate limiting): of the app, the user, the page, the account,
#: the audience; and what Meta itself calls temporary.
_LATER = frozenset({1, 2, 4, 17, 32, 341, 368, 613, 80003, 80004})
#: The token has expired, was revoked, or may not do this.
_TOKEN = frozenset({102, 190, 200, 10, 294})
_REST, _UNCERTAIN_REST = 300, 60
_SERVER_FAULT = 500
#: Meta's numbers are smaller.
_NO_NUMBER = 2**53


class MetaAudiences:
    """`ports.Audiences`. The token stands in the shop's secret (`meta_token`)."""

    def __init__(self, secrets: Secrets, http: Http | None = None, *, base: str = "") -> None:
        """`base` is asked instead of the Graph API: for the local run and tests."""
        self._secrets = secrets
        self._http = http or Http(tries=1, connect=_CONNECT, read=_READ, budget=_BUDGET)
        self._base = base or GRAPH

    def change(self, change: AudienceChange) -> str:
        """Put these people on the list, or take them off it."""
        token = self._token(change.shop)
        received = 0
        rows = [row for person in change.people for row in _rows(person)]
        for start in range(0, len(rows), MAX_PEOPLE):
            received += self._call(change, rows[start : start + MAX_PEOPLE], token)
        return f"received {received}"

    def _token(self, shop: str) -> str:
        known = self._secrets.shop(shop)
        if known is None or not known.meta_token:
            known = self._secrets.shop(shop, fresh=True)
        if known is None or not known.meta_token:
            raise MailRefusedError("not_allowed")
        return known.meta_token

    def _call(self, change: AudienceChange, rows: list[list[str]], token: str) -> int:
        payload = json.dumps({"schema": ["EMAIL", "PHONE"], "data": rows}, separators=(",", ":"))
        body = urlencode({"payload": payload, "access_token": token}).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        method = "POST" if change.action == "add" else "DELETE"
        url = f"{self._base}/{change.audience}/users"
        try:
            answer = self._http.call(method, url, headers, body, deadline=self._http.deadline(), repeatable=False)
        except ShopRefusedError as refused:
            raise MailRefusedError(refused.reason, None if refused.wait is None else int(refused.wait) + 1) from refused
        except ShopUncertainError as uncertain:
            raise MailRefusedError("uncertain", _UNCERTAIN_REST) from uncertain
        except ShopRejectedError as rejected:
            raise MailRejectedError(rejected.message) from rejected
        return _read(answer)


def _rows(person: Listed) -> list[list[str]]:
    """Return the rows that find the person: each address by itself, since any of them may be all that Meta knows."""
    emails = [[_hashed(email.strip().lower()), ""] for email in person.emails]
    phones = [["", _hashed("".join(sign for sign in phone if sign.isdigit()))] for phone in person.phones]
    return emails + phones


def _hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _read(answer: Answer) -> int:
    """Return how many rows Meta took, or raise what its answer means."""
    said = _decoded(answer.body)
    error = said.get("error")
    if answer.fine and not isinstance(error, dict):
        return _number(said.get("num_received")) or 0
    found = error if isinstance(error, dict) else {}
    code, subcode = _number(found.get("code")), _number(found.get("error_subcode"))
    if code in _LATER or found.get("is_transient") is True:
        asked = retry_after(answer)
        raise MailRefusedError("throttled", _REST if asked is None else int(asked) + 1)
    if code in _TOKEN or answer.status in (401, 403):
        raise MailRefusedError("not_allowed")
    if answer.status >= _SERVER_FAULT:
        raise MailRefusedError("uncertain", _UNCERTAIN_REST)
    # Meta's message may quote what it was sent; its numbers cannot.
    raise MailRejectedError(f"Meta refused it: code {code}, subcode {subcode}")


def _number(value: object) -> int | None:
    return value if type(value) is int and abs(value) < _NO_NUMBER else None


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
