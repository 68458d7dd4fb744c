"""What is stored of shops: one secret each, with whatever stands in it, and nothing of other stacks."""

from __future__ import annotations

import msgspec
import pytest

from rekindle.aws.connections import SecretConnections
from rekindle.aws.secrets import CachedSecrets
from rekindle.domain.errors import ContentError
from rekindle.ports import Connections
from rekindle.service.connecting import as_secrets
from tests.support.connecting import RamConnections
from tests.support.faults import failing
from tests.support.worlds import AwsPorts

TEA = {
    "platform": "shopify",
    "domain": "tea.myshopify.com",
    "webhook_secrets": ["s1", "s2"],
    "client_id": "c",
    "client_secret": "s1",
    "rotation": {"began": "2026-11-30T00:00:00+00:00"},
}


def on_moto(ports: AwsPorts) -> SecretConnections:
    return SecretConnections(ports.clients, ports.installation.secrets_prefix)


@pytest.fixture(params=["memory", "moto"])
def connections(request: pytest.FixtureRequest) -> Connections:
    return RamConnections() if request.param == "memory" else on_moto(request.getfixturevalue("moto_ports"))


def test_what_is_written_is_read_and_replaced(connections: Connections) -> None:
    assert (connections.read("tea"), list(connections.names())) == (None, [])
    connections.write("tea", TEA)
    connections.write("bikes", {"platform": "woocommerce"})
    connections.write("tea", TEA | {"currency": "GBP"})
    assert connections.read("tea") == TEA | {"currency": "GBP"}
    assert list(connections.names()) == ["bikes", "tea"]


def test_functions_read_what_is_written(moto_ports: AwsPorts) -> None:
    on_moto(moto_ports).write("tea", TEA)
    read = CachedSecrets(moto_ports.clients, moto_ports.installation.secrets_prefix).shop("tea")
    assert read == as_secrets("tea", TEA)


def test_another_stacks_shops_are_none_of_ours(moto_ports: AwsPorts) -> None:
    prefix = moto_ports.installation.secrets_prefix
    SecretConnections(moto_ports.clients, f"{prefix}-2").write("tea", TEA)
    assert on_moto(moto_ports).names() == []


def test_a_shop_that_was_being_deleted_comes_back(moto_ports: AwsPorts) -> None:
    ours = on_moto(moto_ports)
    ours.write("tea", TEA)
    name = f"{moto_ports.installation.secrets_prefix}/shops/tea"
    moto_ports.clients.secrets.delete_secret(SecretId=name)
    assert (ours.read("tea"), list(ours.names())) == (None, [])
    # As Secrets Manager answers; moto takes it.
    with failing(moto_ports.clients.secrets, "PutSecretValue", "InvalidRequestException"):
        ours.write("tea", TEA)
    assert ours.read("tea") == TEA


@pytest.mark.parametrize("stored", ["s3cret", '["s3cret"]', '{"webhook_secrets": "s3cret"'])
def test_what_is_no_json_object_is_told_without_being_shown(moto_ports: AwsPorts, stored: str) -> None:
    name = f"{moto_ports.installation.secrets_prefix}/shops/tea"
    moto_ports.clients.secrets.create_secret(Name=name, SecretString=stored)
    with pytest.raises(ContentError) as wrong:
        on_moto(moto_ports).read("tea")
    assert "s3cret" not in str(wrong.value)


def test_a_secret_that_functions_could_not_read_is_told_without_being_shown() -> None:
    with pytest.raises(ContentError, match="platform") as wrong:
        as_secrets("tea", {"domain": "tea.example", "webhook_secrets": ["s3cret"]})
    assert "s3cret" not in str(wrong.value)
    assert msgspec.json.encode(TEA)
