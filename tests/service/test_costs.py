"""What was used, and what that costs."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from rekindle.service.costs import MAILS, Used, beside_mails, bill, forecast, measured, total
from rekindle.service.prices import PricesError, own_prices, prices

MILLION = Decimal(1_000_000)


def test_a_bill_adds_up_what_is_of_one_kind_and_begins_with_the_dearest() -> None:
    used = [
        Used("sqs", "wake queue", MILLION),
        Used(MAILS, "email", Decimal(1_000)),
        Used("dynamodb_write", "ledger", MILLION),
        Used("dynamodb_write", "ledger", MILLION),
        Used("http_api", "webhook", Decimal(0)),
    ]
    lines = bill(used, prices())
    assert [(line.line, line.what, line.cost) for line in lines] == [
        ("dynamodb_write", "ledger", Decimal("1.250")),
        ("sqs", "wake queue", Decimal("0.40")),
        (MAILS, "email", Decimal("0.10")),
    ]
    assert total(lines) == Decimal("1.75")
    assert total(beside_mails(lines)) == Decimal("1.65")


def test_every_line_has_a_unit_and_a_source() -> None:
    for line in prices().lines.values():
        assert line.unit
        assert line.source.startswith("https://aws.amazon.com/")
        assert line.each > 0


def own(**said: object) -> bytes:
    return msgspec.json.encode({"of": "2026-11-01", "region": "eu-central-1", **said})


def test_own_prices_replace_those_that_they_name_and_a_discount_the_rest() -> None:
    mine = own_prices(own(discount="0.10", lines={"sqs": "0.50"}), "mine.json")
    assert (mine.region, str(mine.of)) == ("eu-central-1", "2026-11-01")
    assert mine.lines["sqs"].each == Decimal("0.50") / MILLION
    assert mine.lines["sqs"].source == "mine.json"
    assert mine.lines["http_api"].price == Decimal("0.9000")
    assert mine.mail[0].per_thousand == Decimal("0.0900")
    assert own_prices(own(ses_thousand_mails={"ours": "0.08"}), "f").mail[0].per_thousand == Decimal("0.08")


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"{", "mine.json: "),
        (b'{"of": "\x80"}', "mine.json: "),
        (own(lines={"sqz": "1"}), "no line is called sqz; there are dynamodb_write"),
        (own(lines={"sqs": "-1"}), "not below 0"),
        (own(lines={"sqs": "NaN"}), "not below 0"),
        (own(discount="1"), "less than 1"),
        (own(discoutn="0.1"), "discoutn"),
        (b'{"region": "eu-central-1"}', "`of`"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(written: bytes, why: str) -> None:
    with pytest.raises(PricesError, match=why):
        own_prices(written, "mine.json")


def test_what_the_benchmark_measured_can_be_priced_and_a_month_of_it_grows_with_the_mails() -> None:
    for kind in measured().kinds:
        assert kind.used.keys() <= prices().lines.keys()
    assert measured().standing.keys() <= prices().lines.keys()
    once, thrice = (total(bill(forecast({"campaign": count}), prices())) for count in (1_000, 3_000))
    assert thrice == 3 * once
    quiet = total(bill(forecast({}, months=1), prices()))
    assert quiet > 0
    assert total(bill(forecast({"campaign": 1_000}, months=1), prices())) == once + quiet
    assert total(bill(forecast({}, {"event": 1_000, "reaction": 10}), prices())) > 0
