"""`rekindle replay`: over a deployed stack, found by its name (MiniStack)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rekindle.cli.main import main
from rekindle.domain.events import Delivery
from rekindle.ports import ShopSecrets
from tests.service.test_replay import RECEIVED, deliver, make_world, unread
from tests.shops.payloads import DOMAIN, SECRET, SHOP, shopify_cart
from tests.support.template import tables
from tests.support.terminal import reach
from tests.support.worlds import AwsPorts


class Deployed:
    """A stack that has an installation's outputs."""

    def __init__(self, ports: AwsPorts) -> None:
        self.ports = ports
        installation = ports.installation
        self.stack = f"{installation.prefix}-stack"
        outputs = {f"{name.title()}TableName": getattr(installation.tables, name) for name in tables()}
        outputs |= {
            "RawBucketName": installation.raw_bucket,
            "ContentBucketName": installation.content_bucket,
            "SecretsPrefix": installation.secrets_prefix,
            "FanoutQueueUrl": installation.queue_urls["fanout"],
            "PublishQueueUrl": installation.queue_urls["publish"],
        }
        ports.connect(ShopSecrets(shop=SHOP, platform="shopify", domain=DOMAIN, webhook_secrets=(SECRET,)))
        self.deploy(self.stack, outputs)

    def deploy(self, name: str, outputs: dict[str, str]) -> None:
        """Deploy a stack with these outputs."""
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {key: {"Value": value} for key, value in outputs.items()},
        }
        clients = self.ports.clients
        client: Any = clients.session.create_client("cloudformation", endpoint_url=clients.endpoint_url)
        client.create_stack(StackName=name, TemplateBody=json.dumps(template))
        client.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})

    def deliveries(self) -> list[Delivery]:
        """Return all that is stored."""
        return list(self.ports.archive.deliveries(SHOP))

    def run(self, *arguments: str, stack: str | None = None, shop: str = SHOP) -> int:
        """Run the command and return its exit status."""
        return main(["replay", "--stack", stack or self.stack, "--shop", shop, *arguments])


@pytest.fixture
def deployed(ministack_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch) -> Deployed:
    """Return a stack with one cart that was read as it is now, and one of which nothing was understood.

    The command finds the emulator as it would find AWS: by the environment.
    """
    reach(monkeypatch, str(ministack_ports.clients.endpoint_url))
    made = Deployed(ministack_ports)
    world = make_world()
    world.intake = ministack_ports.intake  # type: ignore[assignment]
    deliver(world, "carts/update", shopify_cart(token="a"))
    deliver(world, "carts/update", shopify_cart(token="b"), as_read=unread)
    return made


def run(deployed: Deployed, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which must do it, and return what it prints."""
    assert deployed.run(*arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_it_shows_what_differs_and_tells_it_anew(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    """Once, however often it runs."""
    first = run(deployed, capsys).splitlines()
    assert first[0].startswith(f"{RECEIVED:%Y-%m-%dT%H:%M:%SZ} carts/update ")
    assert first[0].endswith(": accepted: removed delivery.unknown; added cart.updated")
    assert first[1:] == ["cart.updated: 1 added", "delivery.unknown: 1 removed", "2 read, 1 same, 1 accepted"]
    stored = deployed.deliveries()
    assert sorted(delivery.source for delivery in stored) == ["replay", "shopify", "shopify"]
    assert run(deployed, capsys).endswith("2 read, 1 same, 1 repeated\n")
    assert len(deployed.deliveries()) == len(stored)


def test_a_dry_run_leaves_everything_as_it_is(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert "2 read, 1 same, 1 differs" in run(deployed, capsys, "--dry-run")
    assert len(deployed.deliveries()) == 2


def test_json_holds_the_events_as_they_are_read_now(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(run(deployed, capsys, "--dry-run", "--json"))
    assert told["summary"] == {"read": 2, "same": 1, "differs": 1}
    assert told["types"] == {"cart.updated": {"added": 1}, "delivery.unknown": {"removed": 1}}
    (delivery,) = told["deliveries"]
    assert [difference["what"] for difference in delivery["differences"]] == ["removed", "added"]
    assert delivery["differences"][1]["event"]["data"]["id"] == "b"


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (("--since", "2026-03-02"), 2),
        (("--since", "2026-03-03"), 0),
        (("--until", "2026-03-02T10:00:00Z"), 0),
        (("--until", "2026-03-02T12:00:01+02:00"), 2),
        (("--topic", "orders/create"), 0),
    ],
)
def test_time_and_topic_narrow_it_down(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], read: int
) -> None:
    assert json.loads(run(deployed, capsys, "--dry-run", "--json", *arguments))["summary"]["read"] == read


@pytest.mark.parametrize(
    ("stack", "shop", "why"),
    [
        ("no-such-stack", SHOP, "there is no stack no-such-stack"),
        ("another", SHOP, "is it Rekindle's?"),
        (None, "nobody", "no shop nobody is connected"),
    ],
)
def test_what_cannot_be_found_is_one_clear_line(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], stack: str | None, shop: str, why: str
) -> None:
    if stack == "another":
        deployed.deploy(stack, {"Something": "else"})
    assert deployed.run(stack=stack, shop=shop) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert why in line


def test_an_account_that_cannot_be_reached_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No region, no login: botocore says what is missing."""
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert main(["replay", "--stack", "any", "--shop", SHOP]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rekindle: You must specify a region: set AWS_DEFAULT_REGION")
