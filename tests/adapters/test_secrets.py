"""Secrets: found by shop, cached, and fetched again no more often than promised."""

from __future__ import annotations

import pytest

from rekindle.aws.clients import Clients
from rekindle.aws.counting import CallCounter
from rekindle.aws.secrets import CachedSecrets
from rekindle.ports import ShopSecrets
from tests.support.faults import failing
from tests.support.worlds import AwsPorts, Ports, session

TEA = ShopSecrets(shop="tea", platform="shopify", domain="tea.myshopify.com", webhook_secrets=("old", "new"))


def test_a_connected_shop_has_secrets(ports: Ports) -> None:
    ports.connect(TEA)
    assert ports.secrets.shop("tea") == TEA


@pytest.mark.parametrize("shop", ["coffee", "", "../address-key"])
def test_a_shop_that_is_not_connected_has_none(ports: Ports, shop: str) -> None:
    ports.connect(TEA)
    assert ports.secrets.shop(shop) is None
    assert ports.secrets.shop(shop, fresh=True) is None


def test_keys_are_there_and_the_newest_link_key_signs(ports: Ports) -> None:
    assert ports.secrets.address_key()
    assert next(iter(ports.secrets.link_keys()), None) is not None


class Ticking:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Cached:
    """Secrets on moto with a counter of calls and a clock to turn."""

    def __init__(self, ports: AwsPorts) -> None:
        counted = session()
        self.counter = CallCounter(counted)
        self.clock = Ticking()
        self.clients = Clients(counted)
        self.prefix = ports.installation.secrets_prefix
        self.secrets = CachedSecrets(self.clients, self.prefix, monotonic=self.clock)

    @property
    def fetches(self) -> int:
        """Return how often Secrets Manager was asked since the last time."""
        count = self.counter.calls["secrets-manager.GetSecretValue"]
        self.counter.reset()
        return count

    def store(self, name: str, value: str) -> None:
        self.clients.secrets.put_secret_value(SecretId=f"{self.prefix}/{name}", SecretString=value)
        self.counter.reset()


@pytest.fixture
def cached(moto_ports: AwsPorts) -> Cached:
    moto_ports.connect(TEA)
    return Cached(moto_ports)


def test_a_known_shop_is_fetched_once(cached: Cached) -> None:
    for _ in range(5):
        assert cached.secrets.shop("tea") == TEA
    assert cached.fetches == 1


def test_fresh_fetches_at_most_once_a_minute(cached: Cached) -> None:
    cached.secrets.shop("tea")
    assert cached.fetches == 1
    cached.store("shops/tea", '{"platform":"shopify","domain":"tea.myshopify.com","webhook_secrets":["newest"]}')
    cached.clock.seconds += 59
    assert cached.secrets.shop("tea", fresh=True) == TEA
    assert cached.fetches == 0
    cached.clock.seconds += 1
    found = cached.secrets.shop("tea", fresh=True)
    assert found is not None
    assert found.webhook_secrets == ("newest",)
    assert cached.secrets.shop("tea", fresh=True) == found
    assert cached.fetches == 1


def test_a_known_shop_is_looked_up_again_in_time(cached: Cached) -> None:
    cached.secrets.shop("tea")
    cached.clock.seconds += 900
    cached.secrets.shop("tea")
    assert cached.fetches == 2


def test_an_unknown_shop_is_asked_for_once_a_minute_however_it_is_asked(cached: Cached) -> None:
    for fresh in (False, True, False, True):
        assert cached.secrets.shop("coffee", fresh=fresh) is None
    assert cached.fetches == 1
    cached.clock.seconds += 60
    assert cached.secrets.shop("coffee") is None
    assert cached.fetches == 1


def test_a_shop_that_is_connected_later_is_found_within_a_minute(cached: Cached, moto_ports: AwsPorts) -> None:
    assert cached.secrets.shop("coffee") is None
    moto_ports.connect(ShopSecrets(shop="coffee", platform="woocommerce", domain="coffee.example", webhook_secrets=()))
    cached.clock.seconds += 60
    found = cached.secrets.shop("coffee")
    assert found is not None
    assert found.platform == "woocommerce"


@pytest.mark.parametrize("shop", ["../link-keys", "tea/../../link-keys", "tea\n", "TEA", "x" * 65, "", "-tea", "té"])
def test_a_shop_id_that_could_be_no_shops_never_reaches_aws(cached: Cached, shop: str) -> None:
    assert cached.secrets.shop(shop) is None
    assert cached.fetches == 0


def test_a_shop_whose_secret_is_being_deleted_is_not_connected(cached: Cached) -> None:
    with failing(cached.clients.secrets, "GetSecretValue", "InvalidRequestException"):
        assert cached.secrets.shop("tea") is None


def test_a_failure_of_secrets_manager_is_not_taken_for_absence(cached: Cached) -> None:
    error = cached.clients.secrets.exceptions.ClientError
    with failing(cached.clients.secrets, "GetSecretValue", "AccessDeniedException"), pytest.raises(error):
        cached.secrets.shop("tea")
    assert cached.secrets.shop("tea") == TEA


def test_what_is_known_stays_good_while_secrets_manager_does_not_answer(cached: Cached) -> None:
    """A shop is asked after again a minute later; whoever needs to know for sure is told that nobody knows."""
    keys = cached.secrets.link_keys()
    cached.secrets.shop("tea")
    cached.store("shops/tea", '{"platform":"shopify","domain":"tea.myshopify.com","webhook_secrets":["newest"]}')
    cached.clock.seconds += 900
    error = cached.clients.secrets.exceptions.ClientError
    with failing(cached.clients.secrets, "GetSecretValue", "InternalServiceError", status=500, times=3) as failed:
        assert cached.secrets.link_keys() == keys
        for _ in range(2):
            assert cached.secrets.shop("tea") == TEA
        with pytest.raises(error):
            cached.secrets.shop("tea", fresh=True)
    assert failed.count == 3
    cached.clock.seconds += 60
    found = cached.secrets.shop("tea")
    assert found is not None
    assert found.webhook_secrets == ("newest",)


def test_the_address_key_is_fetched_once_for_ever(cached: Cached) -> None:
    assert cached.secrets.address_key() == b"pepper"
    cached.clock.seconds += 1_000_000
    assert cached.secrets.address_key() == b"pepper"
    assert cached.fetches == 1


@pytest.mark.parametrize(
    ("stored", "keys"),
    [
        ('{"k1": "old", "k10": "new", "k9": "older"}', [("k10", b"new"), ("k9", b"older"), ("k1", b"old")]),
        ('{"k1": "only"}', [("k1", b"only")]),
        ('{"current": "k1", "keys": {"k1": "a", "k2": "b"}}', [("k1", b"a"), ("k2", b"b")]),
    ],
)
def test_the_current_link_key_comes_first_and_old_ones_stay(
    cached: Cached, stored: str, keys: list[tuple[str, bytes]]
) -> None:
    cached.store("link-keys", stored)
    assert list(cached.secrets.link_keys().items()) == keys


def test_new_link_keys_are_seen_after_five_minutes(cached: Cached) -> None:
    cached.secrets.link_keys()
    cached.store("link-keys", '{"k11": "newest"}')
    cached.clock.seconds += 299
    assert "k11" not in cached.secrets.link_keys()
    cached.clock.seconds += 1
    assert "k11" in cached.secrets.link_keys()
    assert cached.fetches == 1


@pytest.mark.parametrize("stored", ["{}", '{"current": "k1", "keys": {}}'])
def test_an_installation_without_keys_is_an_error(cached: Cached, stored: str) -> None:
    cached.store("link-keys", stored)
    with pytest.raises(LookupError):
        cached.secrets.link_keys()
    with pytest.raises(LookupError, match="nowhere/address-key"):
        CachedSecrets(cached.clients, "nowhere").address_key()
