"""Changing the secret that signs a shop's webhooks, without losing one: the new one beside the old, then instead.

The steps, and what would be lost if they came in another order:

1. the new secret is stored beside the old. A warm function learns it within a minute, when something that it cannot
   verify comes; so for a minute nothing may be signed with it that is not sent again;
2. then the shop signs with it: WooCommerce is told by us, Shopify by whoever revokes the old one in its dashboard;
3. what the old one has signed may still be under way, and Shopify tries again for hours: a day later it is dropped,
   unless the log shows that it has signed anything since.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from rekindle.ports import Clock, Connections, ShopAdmin, ShopSecrets
from rekindle.service.connecting import LIVE, ROTATION, ConnectError, Connecting, as_secrets, former_urls

#: Longer than a function may go on without looking for a new secret.
SETTLE = timedelta(seconds=65)
#: Shopify tries again for four hours; the rest is for clocks and people.
GRACE = timedelta(hours=24)
#: Who has used the old secret within this is still using it.
QUIET = timedelta(hours=6)


_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Rotation(Struct, frozen=True):
    """As the shop's secret holds it: since when two are live, and since when the shop signs with the first of them."""

    began: _Moment
    registered: _Moment | None = None


class OldSecrets(Protocol):
    """What is known of the older of two live secrets."""

    def last_use(self, shop: str, since: datetime) -> datetime | None:
        """Return when it last signed a webhook; `None`: not since. Raises `LookupError` where nobody can say."""
        ...


class Rotated(Struct, frozen=True, kw_only=True):
    """How far it is: `stored`, `registered` or `finished`. `from_` is when it may be finished."""

    step: str
    changed: int = 0
    from_: datetime | None = None
    seen: datetime | None = None
    """when the old secret was last used, as far as that is known"""
    known: bool = True
    """whether that is known"""


class Rotating:
    """Rotates the secrets of the shops of one installation."""

    def __init__(self, connecting: Connecting, *, old: OldSecrets, clock: Clock) -> None:
        self._connecting = connecting
        self._connections: Connections = connecting.connections
        self._admin: Callable[[ShopSecrets], ShopAdmin] = connecting.admin
        self._old = old
        self._clock = clock

    def rotate(self, shop: str, new: str | None = None) -> Rotated:
        """Store a new secret beside the old, and have the shop sign with it; go on where that was broken off.

        `new` is Shopify's, who makes them; for WooCommerce we do. Raises `ConnectError`, and as `ShopAdmin`.
        """
        content = self._stored(shop)
        known = as_secrets(shop, content)
        state = rotation_of(content)
        if state is None:
            state = Rotation(self._clock.now())
            content = self._store(shop, content, known, new, state)
            known = as_secrets(shop, content)
        elif new is not None and new not in known.webhook_secrets:
            raise ConnectError("two secrets are live: finish that rotation first, with --finish")
        if state.registered is not None:
            return Rotated(step="registered", from_=state.registered + GRACE)
        return self._register(shop, content, known, state)

    def finish(self, shop: str, *, anyway: bool = False) -> Rotated:
        """Drop the old secret. Raises `ConnectError` while it may be needed; `anyway`: also then."""
        content = self._stored(shop)
        known = as_secrets(shop, content)
        if len(known.webhook_secrets) < LIVE:
            raise ConnectError(f"there is one secret of {shop}: nothing is to be dropped")
        state, now = rotation_of(content), self._clock.now()
        if state is None and not anyway:
            raise ConnectError("nobody knows which of two live secrets signs: --finish --anyway drops the second one")
        since = state.registered if state is not None else now - GRACE
        if since is None:
            raise ConnectError("the shop does not sign with the new secret yet: rekindle shop rotate-secret goes on")
        seen, sure = self._last_use(shop, since)
        if not anyway:
            if now < since + GRACE:
                raise ConnectError(
                    f"what the old secret has signed may still come: try again after {since + GRACE:%Y-%m-%d %H:%M} UTC"
                )
            if seen is not None and now - seen < QUIET:
                cure = "revoke it in Shopify" if known.platform == "shopify" else "rekindle shop check --repair"
                raise ConnectError(f"the old secret signed a webhook at {seen:%Y-%m-%d %H:%M} UTC: first {cure}")
        self._connecting.await_door(known, self._url(known))
        rest = {name: value for name, value in content.items() if name != ROTATION}
        self._connections.write(shop, {**rest, "webhook_secrets": [known.webhook_secrets[0]]})
        return Rotated(step="finished", seen=seen, known=sure)

    def _last_use(self, shop: str, since: datetime) -> tuple[datetime | None, bool]:
        try:
            return self._old.last_use(shop, since), True
        except LookupError:
            return None, False

    def _store(
        self, shop: str, content: dict[str, Any], known: ShopSecrets, new: str | None, state: Rotation
    ) -> dict[str, Any]:
        if len(known.webhook_secrets) >= LIVE:
            raise ConnectError("two secrets are live: drop the old one first, with --finish --anyway")
        if known.platform == "shopify" and not new:
            raise ConnectError(
                "Shopify makes the new secret: rotate it in the app's settings, then give it with --app-secret"
            )
        if known.platform == "woocommerce" and new:
            raise ConnectError("WooCommerce takes a secret that we make: leave --app-secret out")
        made = new or self._connecting.make_secret()
        if made in known.webhook_secrets:
            raise ConnectError("this is the secret that the shop has already")
        content = {
            **content,
            "webhook_secrets": [made, *known.webhook_secrets],
            ROTATION: msgspec.to_builtins(state),
        }
        if known.client_secret:
            content["client_secret"] = made
        self._connections.write(shop, content)
        return content

    def _register(self, shop: str, content: dict[str, Any], known: ShopSecrets, state: Rotation) -> Rotated:
        left = (state.began + SETTLE - self._clock.now()).total_seconds()
        if left > 0:
            self._connecting.progress("waiting until every function knows the new secret", 0, 0)
            self._connecting.sleep(left)
        self._connecting.await_door(known, self._url(known))
        changed = 0
        if known.platform == "woocommerce":
            admin = self._admin(known)
            urls = {self._url(known), *former_urls(content)}
            hooks = [hook for hook in admin.webhooks() if hook.url in urls]
            for hook in hooks:
                self._connecting.progress("changing the secret of webhooks", changed, len(hooks))
                admin.change(hook, self._url(known), known.webhook_secrets[0])
                changed += 1
        now = self._clock.now()
        self._connections.write(shop, {**content, ROTATION: msgspec.to_builtins(replace(state, registered=now))})
        return Rotated(step="registered", changed=changed, from_=now + GRACE)

    def _stored(self, shop: str) -> dict[str, Any]:
        content = self._connections.read(shop)
        if content is None:
            raise ConnectError(f"{shop} is not connected")
        return content

    def _url(self, known: ShopSecrets) -> str:
        return self._connecting.url_of(known.platform, known.shop)


def rotation_of(content: Mapping[str, Any]) -> Rotation | None:
    """Return how far a shop's rotation is; `None`: there is none, or what says so was written by somebody else."""
    try:
        return msgspec.convert(content.get(ROTATION), Rotation)
    except msgspec.ValidationError:
        return None
