"""The functions' own handlers over ports in RAM: what anybody can reach, many thousand times a minute."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from rekindle.aws.secrets import CachedSecrets
from rekindle.content.sites import site_of
from rekindle.memory import World
from rekindle.ports import ShopSecrets
from rekindle.service.collect import Collector
from rekindle.service.desks import Desks
from rekindle.service.library import POINTER, Library
from rekindle.service.pages import PageLibrary
from rekindle.service.sign_up import SignUps
from rekindle.service.sites import Scripts, Sites
from rekindle.service.tracks import Tracks
from rekindle.service.webhook import Webhooks
from rekindle.settings import Collect, Feedback, Links, Pages, Signup, Track, Webhook
from tests.attack.targets import DOMAINS, LINK_KEYS, SECRET
from tests.content.pagekit import POPUP
from tests.functions.conftest import clients, load, ports
from tests.support.build import CART, CONFIRMATION, ROOT, T0, playbook

__all__ = ["clients", "load", "ports"]

_APPS = ("webhook", "links", "feedback", "collect", "track", "signup", "pages")
_BOOK = playbook(CART, CONFIRMATION)
_PLAYBOOK = msgspec.json.encode(_BOOK)


class Doors:
    """The functions that anybody, or SES, can call, over one world."""

    def __init__(self, apps: dict[str, ModuleType]) -> None:
        (self.webhook, self.links, self.feedback, self.collect, self.track, self.signup, self.pages) = (
            apps[name] for name in _APPS
        )
        self.open()

    def open(self) -> World:
        """Put an empty world with two connected shops behind the doors, and return it."""
        world = self.world = World(T0)
        for platform, domain in DOMAINS.items():
            shop = "tea" if platform == "shopify" else "plants"
            world.shops[shop] = ShopSecrets(shop=shop, platform=platform, domain=domain, webhook_secrets=(SECRET,))
        world.secret_link_keys = dict(LINK_KEYS)
        world.files[f"playbooks/{_BOOK.hash}/flows.json"] = _PLAYBOOK
        site = msgspec.json.encode({shop: site_of(told, [POPUP]) for shop, told in _BOOK.shops.items()})
        world.files[f"playbooks/{_BOOK.hash}/site.json"] = site
        world.files[POINTER] = msgspec.json.encode({"hash": _BOOK.hash})
        vars(self.webhook)["webhooks"] = Webhooks(intake=world.intake, secrets=world.secrets, clock=world.clock)
        sites = Sites(world.blobs, world.clock)
        collector = Collector(
            intake=world.intake, secrets=world.secrets, sites=sites, clock=world.clock, limits=world.limits
        )
        vars(self.collect).update(collector=collector, scripts=Scripts(sites))
        for app in (self.links, self.feedback):
            vars(app).update(intake=world.intake, clock=world.clock)
        vars(self.links).update(secrets=world.secrets, library=PageLibrary(world.blobs, world.clock))
        vars(self.signup).update(
            secrets=world.secrets,
            library=PageLibrary(world.blobs, world.clock),
            sites=sites,
            desk=world.desk,
            intake=world.intake,
            clock=world.clock,
            sign_ups=SignUps(limits=world.limits, secrets=world.secrets, clock=world.clock),
        )
        desks = Desks(
            desk=world.desk,
            intake=world.intake,
            clock=world.clock,
            secrets=world.secrets,
            new_nonce=lambda: "nonce",
        )
        vars(self.pages).update(desks=desks, library=PageLibrary(world.blobs, world.clock))
        vars(self.track)["tracks"] = Tracks(
            outbox=world.outbox,
            reactions=world.reactions,
            library=Library(world.blobs, world.clock),
            secrets=world.secrets,
            clock=world.clock,
        )
        vars(self.feedback).update(outbox=world.outbox, address_key=world.secret_address_key)
        return world


@pytest.fixture(scope="session")
def apps() -> Iterator[dict[str, ModuleType]]:
    """Return the modules of these functions, imported as Lambda does, without an AWS to ask."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(CachedSecrets, "address_key", lambda _self: b"key")
        for model in (Webhook, Links, Feedback, Collect, Track, Pages, Signup):
            for name in model.__struct_encode_fields__:
                patched.setenv(name, "any")
        patched.setenv("HOLD_SECONDS", "30")
        patched.delenv("CLOCK_OFFSET_FILE")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patched.setenv("POWERTOOLS_SERVICE_NAME", "test")
        patched.setenv("POWERTOOLS_METRICS_NAMESPACE", "Rekindle")
        yield {name: _imported(ROOT / f"functions/{name}/app.py") for name in _APPS}


@pytest.fixture
def doors(apps: dict[str, ModuleType]) -> Doors:
    """Return the doors, open."""
    return Doors(apps)


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"attacked_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
