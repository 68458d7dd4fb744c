"""WooCommerce's REST API, version 3: one request, or all pages of a list; its errors told apart.

It runs on the shop's own server: behind it may be anything, from a firewall that shows a page to PHP that prints a
warning before the JSON. Only an answer that is what the API promises is believed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from rekindle.domain.errors import ShopRefusedError, ShopRejectedError, ShopUncertainError
from rekindle.outside.http import Answer, Deadline, Http, brief, safe_base
from rekindle.ports import ShopSecrets

#: The most that one page holds (REST API reference, "Pagination").
PAGE = 100
_MOST_PAGES = 100_000

_KEYS = "check the key, that it may read and write, and that the server passes the Authorization header on"


class Listed(NamedTuple):
    """A page of a list: its objects, field by field as they were sent; how many there are, and on how many pages."""

    objects: list[dict[str, msgspec.Raw]]
    total: int | None
    pages: int | None


def woocommerce_of(http: Http, known: ShopSecrets) -> WooCommerce:
    """Return the API of a shop, opened with what its secret holds. Raises `ShopRefusedError` where that is nothing."""
    if not known.api_key or not known.api_secret:
        raise ShopRefusedError("not_allowed", "store a REST API key and its secret in the shop's secret")
    return WooCommerce(http, url=known.api_url or f"https://{known.domain}", key=known.api_key, secret=known.api_secret)


class WooCommerce:
    """One shop's API. `key` and `secret` are those that WooCommerce shows once, under Settings, Advanced, REST API."""

    def __init__(self, http: Http, *, url: str, key: str, secret: str) -> None:
        self._http = http
        self._root = f"{safe_base(url)}/wp-json"
        self._base = f"{self._root}/wc/v3"
        self._headers = {
            "Accept": "application/json",
            "Authorization": f"Basic {b64encode(f'{key}:{secret}'.encode()).decode()}",
        }

    def get(self, path: str, parameters: Mapping[str, str] | None = None, *, deadline: Deadline | None = None) -> Any:
        """Return what stands there. Raises `ShopRefusedError`, `ShopRejectedError`, `ShopUncertainError`."""
        return self._read(self._call("GET", path, parameters, None, deadline, repeatable=True))

    def post(
        self, path: str, body: Mapping[str, Any], *, repeatable: bool = False, deadline: Deadline | None = None
    ) -> Any:
        """Create or change it. `repeatable`: what was done already is answered with an error of its own.

        Raises as `get` does; a `ShopRejectedError` has WooCommerce's own code.
        """
        return self._read(self._call("POST", path, None, body, deadline, repeatable=repeatable))

    def delete(self, path: str, parameters: Mapping[str, str] | None = None) -> Any:
        """Delete it. Raises as `get` does."""
        return self._read(self._call("DELETE", path, parameters, None, None, repeatable=True))

    def site(self) -> Any:
        """Return what WordPress says of itself to everybody. Raises as `get` does."""
        headers = {"Accept": "application/json"}
        deadline = self._http.deadline()
        return self._read(self._http.call("GET", f"{self._root}/", headers, deadline=deadline, repeatable=True))

    def pages(self, path: str, parameters: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
        """Yield the objects of a list, page after page. Each page has its own time."""
        for number in range(1, _MOST_PAGES + 1):
            asked = {**(parameters or {}), "per_page": str(PAGE), "page": str(number)}
            answer = self._call("GET", path, asked, None, None, repeatable=True)
            found = self._read(answer)
            if not isinstance(found, list):
                raise ShopUncertainError("the shop's answer is no list")
            yield from (one for one in found if isinstance(one, dict))
            told = answer.headers.get("x-wp-totalpages", "")
            if len(found) < PAGE or (told.isdigit() and number >= int(told)):
                return

    def page(self, path: str, parameters: Mapping[str, str], *, page: int, size: int) -> Listed:
        """Return one page of a list, each object as it was sent, and what the shop says that there is in all."""
        asked = {**parameters, "per_page": str(size), "page": str(page)}
        answer = self._call("GET", path, asked, None, None, repeatable=True)
        if not answer.fine:
            self._read(answer)
        try:
            objects = msgspec.json.decode(answer.body, type=list[dict[str, msgspec.Raw]])
        except (ValueError, RecursionError) as error:
            raise ShopUncertainError("the shop's answer is no list") from error
        numbers = (answer.headers.get(name, "") for name in ("x-wp-total", "x-wp-totalpages"))
        return Listed(objects, *(int(number) if number.isdigit() else None for number in numbers))

    def _call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        deadline: Deadline | None,
        *,
        repeatable: bool,
    ) -> Answer:
        url = f"{self._base}/{quote(path)}"
        if parameters:
            url += f"?{urlencode(parameters)}"
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        raw = None if body is None else msgspec.json.encode(body)
        return self._http.call(
            method, url, headers, raw, deadline=deadline or self._http.deadline(), repeatable=repeatable
        )

    def _read(self, answer: Answer) -> Any:
        try:
            told = msgspec.json.decode(answer.body)
        except (ValueError, RecursionError):
            told = None
        if answer.fine:
            if isinstance(told, (dict, list)):
                return told
            raise ShopUncertainError("the shop's answer is not JSON")
        code = brief(told.get("code"), 100) if isinstance(told, dict) else ""
        said = brief(told.get("message")) if isinstance(told, dict) else ""
        if answer.status in (401, 403):
            raise ShopRefusedError("not_allowed", f"{code or answer.status}: {_KEYS}")
        if code == "rest_no_route" or (answer.status == 404 and not code):  # noqa: PLR2004
            raise ShopRefusedError("not_found", "there is no WooCommerce API: check the address, and the permalinks")
        if 300 <= answer.status < 400:  # noqa: PLR2004
            raise ShopRefusedError("not_found", "the shop's API is elsewhere: write its address as the shop shows it")
        raise ShopRejectedError(said or f"the shop answered with {answer.status}", code=code)
