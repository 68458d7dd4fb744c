"""The functions as Lambda loads them: what their environment says of an installation, and their `app.py` imported."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from tests.support.build import ROOT
from tests.support.worlds import AwsPorts


def environment(made: AwsPorts, offset: Path) -> dict[str, str]:
    """Return all that any function is told of an installation; `offset` is the file that moves its clock."""
    there = made.installation
    return {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "Rekindle",
        "CLOCK_OFFSET_FILE": str(offset),
        "SECRETS_PREFIX": there.secrets_prefix,
        "RAW_BUCKET": there.raw_bucket,
        "CONTENT_BUCKET": there.content_bucket,
        "WAKE_QUEUE_URL": there.queue_urls["wake"],
        "WAKE_QUEUE_ARN": there.wake_arn,
        "MARKETING_QUEUE_URL": there.queue_urls["marketing"],
        "TRANSACTIONAL_QUEUE_URL": there.queue_urls["transactional"],
        "MARKETING_MINT_QUEUE_URL": there.queue_urls["marketing-mint"],
        "TRANSACTIONAL_MINT_QUEUE_URL": there.queue_urls["transactional-mint"],
        "PRIVACY_QUEUE_URL": there.queue_urls["privacy"],
        "FANOUT_QUEUE_URL": there.queue_urls["fanout"],
        "FANOUT_SHARDS": "4",
        "REACTIONS_QUEUE_URL": there.queue_urls["reactions"],
        "HOLD_SECONDS": "30",
        "CATALOGUE_QUEUE_URL": there.queue_urls["catalogue"],
        "PUBLISH_QUEUE_URL": there.queue_urls["publish"],
        "QUIET_SECONDS": "0",
        "SCHEDULE_GROUP": there.schedule_group,
        "SCHEDULER_ROLE_ARN": "arn:aws:iam::000000000000:role/scheduler",
        "CONFIGURATION_SET": "rekindle-test",
        "SMS_CONFIGURATION_SET": "rekindle-test-sms",
        "LINK_BASE": "https://links.example",
        "MARKETING_SENDERS": "2",
        "WAKE_WORKERS": "20",
        "TRANSACTIONAL_SENDERS": "2",
        "TRANSACTIONAL_SHARE": "20",
        **{f"{table.upper()}_TABLE": getattr(there.tables, table) for table in there.tables.__struct_fields__},
    }


def load(function: str) -> ModuleType:
    """Return a function's `app.py`, imported afresh, as `app_<function>`: who loads it takes it off `sys.modules`."""
    name = f"app_{function}"
    spec = importlib.util.spec_from_file_location(name, ROOT / f"functions/{function}/app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
