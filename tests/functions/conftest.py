"""Each function's own `app.py`, imported as Lambda does: its environment set, AWS answered by moto in this process."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from moto import mock_aws

from rekindle.content.sites import site_of
from rekindle.ports import ShopSecrets
from rekindle.service.library import POINTER
from tests.support.build import CART, CONFIRMATION, ROOT, playbook
from tests.support.worlds import START, AwsPorts, session

Load = Callable[[str], ModuleType]
_prefixes = (f"f{number}" for number in itertools.count(1))


@pytest.fixture
def ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AwsPorts]:
    """An installation with one connected shop, two flows on, and a clock that a file moves."""
    from rekindle.aws.clients import Clients

    with mock_aws():
        made = AwsPorts(Clients(session()), next(_prefixes))
        made.connect(ShopSecrets(shop="tea", platform="shopify", domain="tea.myshopify.com", webhook_secrets=("s1",)))
        made.connect(
            ShopSecrets(shop="plants", platform="woocommerce", domain="plants.example", webhook_secrets=("w1",))
        )
        book = playbook(CART, CONFIRMATION)
        made.blobs.put(f"playbooks/{book.hash}/flows.json", msgspec.json.encode(book))
        site = msgspec.json.encode({shop: site_of(told) for shop, told in book.shops.items()})
        made.blobs.put(f"playbooks/{book.hash}/site.json", site)
        made.blobs.put(POINTER, msgspec.json.encode({"hash": book.hash, "published_at": START}))
        offset = tmp_path / "offset"
        offset.write_text("0", encoding="ascii")
        environment = {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "POWERTOOLS_SERVICE_NAME": "test",
            "POWERTOOLS_METRICS_NAMESPACE": "Rekindle",
            "CLOCK_OFFSET_FILE": str(offset),
            "SECRETS_PREFIX": made.installation.secrets_prefix,
            "RAW_BUCKET": made.installation.raw_bucket,
            "CONTENT_BUCKET": made.installation.content_bucket,
            "WAKE_QUEUE_URL": made.installation.queue_urls["wake"],
            "WAKE_QUEUE_ARN": made.installation.wake_arn,
            "MARKETING_QUEUE_URL": made.installation.queue_urls["marketing"],
            "TRANSACTIONAL_QUEUE_URL": made.installation.queue_urls["transactional"],
            "MARKETING_MINT_QUEUE_URL": made.installation.queue_urls["marketing-mint"],
            "TRANSACTIONAL_MINT_QUEUE_URL": made.installation.queue_urls["transactional-mint"],
            "PRIVACY_QUEUE_URL": made.installation.queue_urls["privacy"],
            "FANOUT_QUEUE_URL": made.installation.queue_urls["fanout"],
            "FANOUT_SHARDS": "4",
            "REACTIONS_QUEUE_URL": made.installation.queue_urls["reactions"],
            "HOLD_SECONDS": "30",
            "CATALOGUE_QUEUE_URL": made.installation.queue_urls["catalogue"],
            "PUBLISH_QUEUE_URL": made.installation.queue_urls["publish"],
            "QUIET_SECONDS": "0",
            "SCHEDULE_GROUP": made.installation.schedule_group,
            "SCHEDULER_ROLE_ARN": "arn:aws:iam::000000000000:role/scheduler",
            "CONFIGURATION_SET": "rekindle-test",
            "SMS_CONFIGURATION_SET": "rekindle-test-sms",
            "LINK_BASE": "https://links.example",
            "MARKETING_SENDERS": "2",
            "TRANSACTIONAL_SENDERS": "2",
            "TRANSACTIONAL_SHARE": "20",
        }
        environment |= {
            f"{table.upper()}_TABLE": getattr(made.installation.tables, table)
            for table in made.installation.tables.__struct_fields__
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield made


@pytest.fixture
def load(ports: AwsPorts) -> Iterator[Load]:
    """Return what imports one function's `app.py` afresh."""
    del ports
    loaded: set[str] = set()

    def load_app(function: str) -> ModuleType:
        name = f"app_{function}"
        spec = importlib.util.spec_from_file_location(name, ROOT / f"functions/{function}/app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loaded.add(name)
        spec.loader.exec_module(module)
        return module

    yield load_app
    for name in loaded:
        del sys.modules[name]
