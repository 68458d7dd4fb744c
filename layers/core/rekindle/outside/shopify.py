"""Shopify's GraphQL Admin API: one question, or all pages of a list; its cost kept, its errors told apart.

A question costs points from a bucket that fills up again at a steady rate (shopify.dev, "API rate limits"); what cannot
be paid is answered with `THROTTLED`, and nothing was done. The version is pinned: Shopify keeps one for a year.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.outside.http import Answer, Deadline, Http, brief, safe_base
from rekindle.ports import ShopSecrets

#: Supported until July 2027 (shopify.dev, "API versioning").
API_VERSION = "2026-07"

#: How often a question is put again that the bucket could not pay.
_THROTTLES = 8
_LEAST_PAUSE = 0.1

_UNKNOWN_TOKEN = 401

_STATUSES: Mapping[int, tuple[str, str]] = {
    401: ("not_allowed", "the access token is wrong or was revoked: store a new one in the shop's secret"),
    402: ("not_allowed", "the shop is frozen: its owner has to settle with Shopify"),
    403: ("not_allowed", "the access token may not do this: give the app the scopes that it lacks"),
    404: ("not_found", "Shopify knows no such shop: check the domain in the shop's secret"),
    423: ("not_allowed", "Shopify has locked the shop"),
}
_UNSURE = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT"})
_FORBIDDEN = frozenset({"ACCESS_DENIED", "SHOP_INACTIVE"})

_log = logging.getLogger(__name__)


class Shopify:
    """One shop's API. `base` stands in for the shop's own address, for servers on this machine.

    Without a `token` the app's own `client` (id and secret) fetches one, which lasts a day (shopify.dev, "Client
    credentials grant").
    """

    def __init__(
        self, http: Http, *, domain: str, token: str = "", base: str = "", client: tuple[str, str] | None = None
    ) -> None:
        self._http = http
        self._base = safe_base(base or f"https://{domain}")
        self._url = f"{self._base}/admin/api/{API_VERSION}/graphql.json"
        self._client = None if token else client
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-Shopify-Access-Token": token,
        }

    def ask(
        self,
        question: str,
        variables: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = False,
        deadline: Deadline | None = None,
    ) -> dict[str, Any]:
        """Return the answer's `data`. A mutation is `repeatable` where asking twice does the same as asking once.

        Raises `ShopRefusedError`, `ShopRejectedError`, `ShopUncertainError`. What a mutation says under `userErrors` is
        for `refused_by_user_errors`.
        """
        deadline = deadline or self._http.deadline()
        body = msgspec.json.encode({"query": question, "variables": variables or {}})
        wait = 0.0
        for _ in range(_THROTTLES):
            told = self._read(self._post(body, deadline, repeatable=repeatable))
            errors = _listed(told.get("errors"))
            if not errors:
                data = told.get("data")
                if isinstance(data, dict):
                    return data
                raise ShopUncertainError("the shop's answer holds no data")
            if not any(_code(error) == "THROTTLED" for error in errors):
                raise _meaning(errors)
            wait = max(_missing(told), _LEAST_PAUSE)
            if not self._http.pause(wait, deadline):
                break
        raise ShopRefusedError("throttled", wait=wait)

    def pages(
        self, question: str, variables: Mapping[str, Any], path: Sequence[str], *, repeatable: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield the nodes of a list, page after page; `path` leads to it in the data.

        The question takes a variable `$after: String` and asks for `nodes { … }` and
        `pageInfo { hasNextPage endCursor }`. Each page has its own time.
        """
        after: str | None = None
        while True:
            found: Any = self.ask(question, {**variables, "after": after}, repeatable=repeatable)
            for name in path:
                found = found.get(name) if isinstance(found, dict) else None
            info = found.get("pageInfo") if isinstance(found, dict) else None
            if not isinstance(found, dict) or not isinstance(info, dict):
                raise ShopUncertainError(f"the shop's answer has no list under {'.'.join(path)}")
            yield from (node for node in _listed(found.get("nodes")) if isinstance(node, dict))
            following = info.get("endCursor")
            if not info.get("hasNextPage"):
                return
            if not isinstance(following, str) or following == after:
                raise ShopUncertainError("the shop's list does not go on")
            after = following

    def _post(self, body: bytes, deadline: Deadline, *, repeatable: bool) -> Answer:
        had = self._headers["X-Shopify-Access-Token"]
        if self._client is not None and not had:
            self._fetch_token(self._client, deadline)
        answer = self._http.call("POST", self._url, self._headers, body, deadline=deadline, repeatable=repeatable)
        if answer.status != _UNKNOWN_TOKEN or self._client is None or not had:
            return answer
        # Its day is over: nothing was done.
        self._fetch_token(self._client, deadline)
        return self._http.call("POST", self._url, self._headers, body, deadline=deadline, repeatable=repeatable)

    def _fetch_token(self, client: tuple[str, str], deadline: Deadline) -> None:
        asked = {"grant_type": "client_credentials", "client_id": client[0], "client_secret": client[1]}
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        url = f"{self._base}/admin/oauth/access_token"
        answer = self._http.call("POST", url, headers, urlencode(asked).encode(), deadline=deadline, repeatable=True)
        try:
            told = msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):
            told = None
        token = told.get("access_token") if isinstance(told, dict) else None
        if not answer.fine or not isinstance(token, str) or not token:
            said = str(told.get("error") or "") if isinstance(told, dict) else ""
            cure = "check the app's client id and secret, and that it is installed in this shop of your organization"
            raise ShopRefusedError("not_allowed", f"{said[:100]}: {cure}" if said else cure)
        self._headers = {**self._headers, "X-Shopify-Access-Token": token}

    def _read(self, answer: Answer) -> dict[str, Any]:
        if answer.status in _STATUSES:
            raise ShopRefusedError(*_STATUSES[answer.status])
        if 300 <= answer.status < 400:  # noqa: PLR2004
            raise ShopRefusedError("not_found", "the shop's API is elsewhere: write its .myshopify.com domain")
        if not answer.fine:
            raise ShopRejectedError(f"the shop answered with {answer.status}")
        version = answer.headers.get("x-shopify-api-version", API_VERSION)
        if version != API_VERSION:
            _log.warning("Shopify answered in another version", extra={"asked": API_VERSION, "answered": version})
        try:
            told = msgspec.json.decode(answer.body)
        except (ValueError, RecursionError) as error:
            raise ShopUncertainError("the shop's answer is not JSON") from error
        if not isinstance(told, dict):
            raise ShopUncertainError("the shop's answer is not what its API promises")
        return told


def shopify_of(http: Http, known: ShopSecrets) -> Shopify:
    """Return the API of a shop, opened with what its secret holds. Raises `ShopRefusedError` where that is nothing."""
    client = (known.client_id, known.client_secret) if known.client_id and known.client_secret else None
    if not known.access_token and client is None:
        raise ShopRefusedError("not_allowed", "store an Admin API access token in the shop's secret")
    return Shopify(http, domain=known.domain, token=known.access_token or "", base=known.api_url or "", client=client)


def refused_by_user_errors(payload: Mapping[str, Any], cures: Mapping[str, str]) -> ShopRejectedError | None:
    """Return what a mutation's `userErrors` say, if anything; `cures` is code → what to do."""
    errors = [error for error in _listed(payload.get("userErrors")) if isinstance(error, dict)]
    if not errors:
        return None
    first = errors[0]
    code = brief(first.get("code"), 100)
    where = ".".join(str(part) for part in _listed(first.get("field")))
    said = f"{where}: {first.get('message')}" if where else str(first.get("message"))
    return ShopRejectedError(said[:300], code=code, hint=cures.get(code, ""))


def _meaning(errors: Sequence[Any]) -> ShopRefusedError | ShopRejectedError | ShopUncertainError:
    codes = {_code(error) for error in errors}
    said = next((str(error.get("message"))[:300] for error in errors if isinstance(error, dict)), "an error of its own")
    if codes & _UNSURE:
        return ShopUncertainError(f"the shop had an error of its own: {min(codes & _UNSURE)}")
    if codes & _FORBIDDEN:
        return ShopRefusedError("not_allowed", f"give the app the scope that it lacks: {said}")
    return ShopRejectedError(said, code=next(iter(sorted(codes)), ""))


def _code(error: Any) -> str:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    return brief(extensions.get("code"), 100) if isinstance(extensions, dict) else ""


def _missing(answer: Mapping[str, Any]) -> float:
    """Return in how many seconds the bucket can pay what the question costs."""
    cost = answer.get("extensions", {})
    cost = cost.get("cost") if isinstance(cost, dict) else None
    status = cost.get("throttleStatus") if isinstance(cost, dict) else None
    if not isinstance(cost, dict) or not isinstance(status, dict):
        return 1.0
    told = (cost.get("requestedQueryCost"), status.get("currentlyAvailable"), status.get("restoreRate"))
    asked, there, rate = (float(one) if isinstance(one, (int, float)) else 0.0 for one in told)
    return max(0.0, (asked - there) / rate) if rate > 0 else 1.0


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
