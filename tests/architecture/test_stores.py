"""Every place where something of a person could lie is known to privacy, in its receipts and in docs/privacy.md.

Whoever adds a table, a folder of a bucket or a queue says here what it holds: else an erasure would pass it by.
"""

from __future__ import annotations

import functools
import re

import pytest

from rekindle.ports import SHOP_STORES
from rekindle.service.receipts import Receipt, decode_receipt
from tests.architecture.template import ROOT, resources, statements
from tests.service.test_privacy import ASKED, ask, live
from tests.support.build import CART, CONFIRMATION
from tests.support.build import playbook as book_of
from tests.support.plant import Plant

TABLES = sorted(name.removesuffix("Table") for name in resources("AWS::DynamoDB::Table"))
DOCS = (ROOT / "docs/privacy.md").read_text("utf-8")


def folders(bucket: str) -> list[str]:
    """Return the folders of a bucket that some function may read or write."""
    found = set()
    for role in resources("AWS::IAM::Role"):
        for statement in statements(role):
            for resource in statement["Resource"]:
                text = resource.get("Fn::Sub", "") if isinstance(resource, dict) else ""
                found |= set(re.findall(rf"\$\{{{bucket}\.Arn\}}/([\w-]+)/", text))
    assert found
    return sorted(found)


@functools.cache
def receipts() -> dict[str, Receipt]:
    """Return the receipts of an export, an erasure and a shop's departure."""
    plant = Plant(book_of(CART, CONFIRMATION))
    live(plant)
    plant.until(ASKED)
    for wish in ("export", "erase", "erase_shop"):
        ask(plant, wish, plant.world.clock.now())
        plant.until(plant.world.clock.now() + (ASKED - ASKED.replace(day=ASKED.day - 1)))
    found = [decode_receipt(raw) for key, raw in plant.world.raw_files.items() if key.startswith("receipts/")]
    assert all(receipt.done_at for receipt in found)
    return {receipt.wish: receipt for receipt in found}


@pytest.mark.parametrize("wish", ["export", "erase", "erase_shop"])
def test_a_receipt_names_every_table_and_every_folder_of_the_raw_bucket(wish: str) -> None:
    stores = {name.lower() for name in TABLES} | {f"raw/{folder}" for folder in folders("RawBucket")}
    beside = {"content bucket", "queues", "schedules", "logs", "backups", "SES", "ads audiences", "secrets"}
    assert stores | beside <= receipts()[wish].stores.keys()


@pytest.mark.parametrize("wish", ["export", "erase", "erase_shop"])
def test_whatever_a_receipt_leaves_where_it_is_has_a_reason(wish: str) -> None:
    counted = {*SHOP_STORES, "secrets", "ads audiences"} if wish == "erase_shop" else {*SHOP_STORES, "raw/exports"}
    for store, line in receipts()[wish].stores.items():
        assert line.why or (store in counted and not line.kept), store


def test_a_shops_departure_empties_every_table_that_holds_something_of_people() -> None:
    kept = {"counters", "results", "limits"}
    assert {name.lower() for name in TABLES} - kept == {store for store in SHOP_STORES if "/" not in store}


@pytest.mark.parametrize("table", TABLES)
def test_the_docs_say_what_a_table_holds_of_a_person(table: str) -> None:
    first_cells = " ".join(re.findall(r"^\| ([^|]+) \|", DOCS, re.MULTILINE))
    assert re.search(rf"\b{table}\b", first_cells)


@pytest.mark.parametrize("folder", [*folders("RawBucket"), *folders("ContentBucket")])
def test_the_docs_say_what_a_folder_holds_of_a_person(folder: str) -> None:
    assert f"`{folder}/" in DOCS or f"`{folder}`" in DOCS
