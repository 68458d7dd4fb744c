"""The installation's secrets, from Secrets Manager, cached in the process."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct, structs

from rekindle.aws.clock import elapsed
from rekindle.aws.items import code_of
from rekindle.ports import ShopSecrets

if TYPE_CHECKING:
    from rekindle.aws.clients import Clients

#: What a shop's id may look like: it comes from a path that anybody can type, and becomes part of a secret's name.
SHOP = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

#: A secret that is scheduled for deletion answers with the second.
ABSENT = frozenset({"ResourceNotFoundException", "InvalidRequestException"})

_FRESH_SECONDS = 60.0
_KNOWN_SECONDS = 900.0
_KEYS_SECONDS = 300.0
_MAX_UNKNOWN = 1000

Known = TypeVar("Known")

_log = logging.getLogger(__name__)


class _StoredShop(Struct, frozen=True):
    platform: Literal["shopify", "woocommerce"]
    domain: str
    webhook_secrets: tuple[str, ...]
    region: str | None = None
    currency: str | None = None
    consent_keys: tuple[str, ...] | None = None
    access_token: str | None = None
    api_key: str | None = None
    api_secret: str | None = None
    api_url: str | None = None
    meta_token: str | None = None
    client_id: str | None = None
    client_secret: str | None = None


class CachedSecrets:
    """`ports.Secrets`.

    A shop is looked up again after 15 minutes, when `fresh` is asked after one; a shop that is not connected after one.
    Link keys are looked up again after five minutes: a new key is stored ten minutes before it may sign. Where Secrets
    Manager does not answer, what is known is good for another minute, and another: a shop would switch its webhooks
    off. Only who asks for it `fresh` is told.
    """

    def __init__(self, clients: Clients, prefix: str, *, monotonic: Callable[[], float] = elapsed) -> None:
        self._clients = clients
        self._prefix = prefix
        self._monotonic = monotonic
        self._shops: dict[str, tuple[float, ShopSecrets]] = {}
        self._unknown: dict[str, float] = {}
        self._address_key: bytes | None = None
        self._link_keys: tuple[float, Mapping[str, bytes]] | None = None

    def shop(self, shop: str, *, fresh: bool = False) -> ShopSecrets | None:
        """Return the shop's secrets."""
        if not SHOP.fullmatch(shop):
            return None
        now = self._monotonic()
        if shop in self._unknown and now - self._unknown[shop] < _FRESH_SECONDS:
            return None
        if shop in self._shops:
            fetched_at, known = self._shops[shop]
            if now - fetched_at < (_FRESH_SECONDS if fresh else _KNOWN_SECONDS):
                return known
        try:
            raw = self._fetch(f"shops/{shop}")
        except (ClientError, BotoCoreError) as error:
            if fresh or shop not in self._shops:
                raise
            self._shops[shop] = now + _FRESH_SECONDS - _KNOWN_SECONDS, self._shops[shop][1]
            return _kept(f"shops/{shop}", error, self._shops[shop][1])
        if raw is None:
            self._shops.pop(shop, None)
            if len(self._unknown) >= _MAX_UNKNOWN:
                self._unknown.clear()
            self._unknown[shop] = now
            return None
        stored = msgspec.json.decode(raw, type=_StoredShop)
        secrets = ShopSecrets(shop=shop, **structs.asdict(stored))
        self._unknown.pop(shop, None)
        self._shops[shop] = (now, secrets)
        return secrets

    def address_key(self) -> bytes:
        """Return the key for addresses. Raises `LookupError` when the installation has none."""
        if self._address_key is None:
            self._address_key = self._required("address-key").encode()
        return self._address_key

    def push_secret(self) -> bytes:
        """Return the secret for push. Raises `LookupError` when the installation has none."""
        return self._required("push-key").encode()

    def link_keys(self) -> Mapping[str, bytes]:
        """Return the keys for links, the current one first. Raises `LookupError` when there is none.

        Stored as `{"k1": …, "k2": …}`: the highest number is current. `{"current": "k1", "keys": {…}}` says it itself.
        """
        now = self._monotonic()
        if self._link_keys is None or now - self._link_keys[0] >= _KEYS_SECONDS:
            try:
                self._link_keys = (now, _parse_link_keys(self._required("link-keys")))
            except (ClientError, BotoCoreError) as error:
                if self._link_keys is None:
                    raise
                self._link_keys = now + _FRESH_SECONDS - _KEYS_SECONDS, _kept("link-keys", error, self._link_keys[1])
        return self._link_keys[1]

    def _required(self, name: str) -> str:
        raw = self._fetch(name)
        if not raw:
            raise LookupError(f"there is no secret {self._prefix}/{name}")
        return raw

    def _fetch(self, name: str) -> str | None:
        try:
            return self._clients.secrets.get_secret_value(SecretId=f"{self._prefix}/{name}")["SecretString"]
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise


def _kept(name: str, error: Exception, known: Known) -> Known:
    """Return what is known of a secret that cannot be looked up again, and say so."""
    why = code_of(error) if isinstance(error, ClientError) else type(error).__name__
    _log.warning("a secret cannot be looked up, the known one stays", extra={"what": name, "why": why})
    return known


def _parse_link_keys(raw: str) -> dict[str, bytes]:
    stored = msgspec.json.decode(raw, type=dict[str, str | dict[str, str]])
    keys = stored.get("keys", stored)
    named = stored.get("current")
    if not isinstance(keys, dict) or not all(isinstance(value, str) for value in keys.values()) or not keys:
        raise LookupError("the link keys' secret holds no keys")
    newest_first = sorted(keys, key=lambda name: (name == named, int(re.sub(r"\D", "", name) or 0)), reverse=True)
    return {name: str(keys[name]).encode() for name in newest_first}
