"""What a mail costs beside SES, line by line: every call of every function that led to it, by running them.

Budget of DESIGN §8: at most a fifth of what SES takes for a mail. A reminder cannot keep to it by itself
(`bench/floor.py`), so the average mail of a shop is judged, and a campaign's by itself. docs/cost.md says what is
counted and what assumed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from bench.figures import ROOT, Figure, measure
from bench.plant import SHOP, Plant, later, planted, template
from rekindle.content.links import Track, sign_track
from rekindle.domain.facts import Campaign
from rekindle.service.costs import Kind, Line, Measured, Used, bill, measured, total
from rekindle.service.fanout import shard_tasks
from rekindle.service.prices import prices

BUDGET = 20
#: Of all mails of shops so many are automated: 5.3 % of what Klaviyo sent ("2025 benchmark", as others relay it), 5.2 %
#: of 7.1 million mails over Klaviyo (BS&Co, January 2026), 2.3 % of what Omnisend sent (470 million beside 20 billion,
#: 2025). The dearest of these.
AUTOMATED = Decimal("0.053")
#: Nobody publishes what kinds these are. Half of them counts as the dearest kind that there is, the first reminder of a
#: basket, for which two webhooks and two alarms came; the other half as confirmations of a new customer's order.
MIX = {"campaign mail": 1 - AUTOMATED, "cart reminder": AUTOMATED / 2, "order confirmation": AUTOMATED / 2}
#: Openings and clicks of people, for each mail: what forecasts reckon with (`--reactions-per-mail`).
REACTIONS = Decimal("0.3")
#: So far what is measured may lie over what ships for `rekindle cost`; milliseconds are never twice the same.
MOST_OFF = 1.25
#: function → how often the clock calls it in a month of 730 hours.
_TICKS = {"sweep": 12 * 730, "campaign": 60 * 730, "mint": 4 * 730, "reconcile": 4 * 730}
#: Assumed: so many pollers look at each queue of Lambda's, each three times a minute ("Lambda and SQS": five at least).
POLLERS = 5
#: What is measured, and what `rekindle cost` calls it.
_SHIPPED = {
    "order confirmation": "confirmation",
    "event that triggers nothing": "event",
    "campaign mail": "campaign",
    "cart reminder": "cart",
    "opening or click": "reaction",
}
_NOON = datetime(2035, 3, 5, 16, 0, tzinfo=UTC)
_PEOPLE = 10
#: Customers who have bought; so many more of the same get the campaign.
_CUSTOMERS, _READERS = 20, 180
#: Besides the events of its basket a letter needs nothing: the campaign of the benchmark.
_LETTER = {
    "flows/letter.yaml": "title: Letter\ntrigger:\n  schedule: {once: 2035-03-08T12:00}\n  when: profile.subscribed\n"
    "steps:\n  - email: curated\n"
}
_FLOWS = ("cart-abandonment", "order-confirmation", "win-back", "browse-abandonment", "letter")
_FIRST, _LAST = ("Ann", "Bo", "Cy", "Dee", "Eli", "Fay", "Gus", "Hal", "Ida", "Jo"), "Ivory"


def _sample(name: str, person: int, basket: int) -> dict[str, Any]:
    """Return the body of a sample of events/shopify, with what names its customer and its basket of another person."""
    text = json.dumps(json.loads((ROOT / f"events/shopify/{name}.json").read_text("utf-8"))["body"])
    for old, new in (
        ("hWN9zTe4Jq7rNorthwind01", f"hWN9zTe{basket:04d}q7rNorthwind{basket % 97:02d}"),
        ("5f0c9d3b8a6e4e0f9d1c2b3a4f5e6d7c", f"{basket:04x}9d3b8a6e4e0f9d1c2b3a4f5e6d7c"),
        ("ann.ivory@example.com", f"{_FIRST[person % 10].lower()}.ivory{person}@example.com"),
        ("7719203344559", str(7719203344559 + person)),
        ("5730118899201", str(5730118899201 + person)),
        ("#1047", f"#{1047 + person}"),
        ('"Ann', f'"{_FIRST[person % 10]}'),
    ):
        text = text.replace(old, new)
    return json.loads(text)  # type: ignore[no-any-return]


def _told(plant: Plant, name: str, person: int, moment: datetime, number: int, **more: Any) -> None:
    """Have the shop tell of a sample as of this moment."""
    plant.at(moment)
    stamp = moment.isoformat(timespec="seconds")
    body = _sample(name, person, person if name == "orders-create" else person + 1_000) | {"updated_at": stamp} | more
    plant.webhook(name.replace("-", "/", 1), body, person * 100 + number)


def _sent(plant: Plant, queue: str, moment: datetime) -> None:
    """Send what is planned, and hear what became of it."""
    plant.queue(queue, "send")
    plant.at(later(moment, seconds=2))
    plant.notices(_NOTICES)
    plant.tally()


def _clicked(plant: Plant, message: str, moment: datetime) -> None:
    """Somebody follows a link of a mail, later than a machine would."""
    plant.at(moment)
    token = sign_track(plant.ports.secrets.link_keys(), Track(message))
    plant.follow(token, 0)
    plant.queue("reactions", "feedback")
    plant.stream()
    plant.tally()


#: What SES says of a mail that arrives: the configuration set's events.
_NOTICES = ("Delivery",)


def _cart(plant: Plant, person: int, moment: datetime) -> None:
    """A basket left at the checkout, in two steps of the checkout's form; the first reminder an hour later."""
    _told(plant, "checkouts-update", person, moment, 1, created_at=moment.isoformat(), shipping_lines=[])
    _told(plant, "checkouts-update", person, later(moment, minutes=1), 2, created_at=moment.isoformat())
    plant.tally()
    rang = plant.alarm()
    if rang is None:
        raise AssertionError("nobody waits")
    # a basket that changed has set the clock back: its first alarm finds nothing to do
    while "cost-marketing" not in str(plant.meter.sent):
        rang = plant.alarm() or rang
    _sent(plant, "marketing", rang)


def _second(plant: Plant, people: int) -> list[Used]:
    """Everybody whose basket still lies there is reminded once more; return what each of these mails used."""
    for sent in range(people):
        moment = None
        while "cost-marketing" not in str(plant.meter.sent):
            moment = plant.alarm()
            if moment is None:
                raise AssertionError(f"nobody waits after {sent}")
        _sent(plant, "marketing", moment or plant.meter.now)
    if plant.sent_mails != people:
        raise AssertionError(plant.sent_mails)
    plant.forget_alarms()
    return [Used(one.line, one.what, one.amount / people) for one in plant.taken()]


def _order(plant: Plant, person: int, moment: datetime) -> None:
    """An order, and its confirmation."""
    _told(plant, "orders-create", person, moment, 3, created_at=moment.isoformat(), processed_at=moment.isoformat())
    _sent(plant, "transactional", moment)


def _letter(plant: Plant, moment: datetime) -> None:
    """Everybody is told of a campaign in one go, and gets its mail."""
    plant.at(moment)
    campaign = Campaign(flow="letter", at=moment, occurrence=f"{moment:%Y-%m-%dT%H:%M}")
    (task,) = shard_tasks("letter", moment, 1, shop=SHOP, campaign=campaign, zone="UTC")
    url = plant.ports.installation.queue_urls["fanout"]
    plant.meter.sent.setdefault(url, []).append(msgspec.json.encode(task).decode())
    while plant.queue("fanout", "campaign", 1):
        pass
    plant.queue("wake", "journey")
    _sent(plant, "marketing", moment)


def _campaign(plant: Plant) -> list[Used]:
    """Everybody gets the letter; return what each of them used."""
    people = plant.multiply(_READERS)
    _letter(plant, later(_NOON, days=3))
    if plant.sent_mails != people:
        raise AssertionError(plant.sent_mails)
    return [Used(one.line, one.what, one.amount / people) for one in plant.taken()]


def _quiet(plant: Plant, person: int, moment: datetime) -> None:
    """A customer's data changes, and nothing follows."""
    _told(
        plant, "customer-tags-added", person, moment, 4, customerId=f"gid://shopify/Customer/{7719203344559 + person}"
    )
    plant.tally()


def _stories(plant: Plant) -> dict[str, list[Used]]:
    """Play every story; return what one of each used."""
    # those who get the campaign have bought once, those who leave a basket behind too
    each = (("order confirmation", _order), ("event that triggers nothing", _quiet), ("cart reminder", _cart))
    found: dict[str, list[Used]] = {}
    for day, (name, story) in enumerate(each):
        # one more, who warms what workers keep
        many = _CUSTOMERS if story is _order else _PEOPLE
        for person in (many, *range(many)):
            if person == 0:
                plant.taken()
            mails = plant.sent_mails
            story(plant, person, later(_NOON, days=2 * day, minutes=5 * person))
            if story is not _cart:
                plant.forget_alarms()
            expected = 0 if story is _quiet else 1
            if plant.sent_mails - mails != expected:
                raise AssertionError(f"{name}: {plant.sent_mails - mails} mails")
        found[name] = [Used(one.line, one.what, one.amount / many) for one in plant.taken()]
        if story is _cart:
            found["second reminder"] = _second(plant, many + 1)
            found["opening or click"] = _clicks(plant)
        if story is _quiet:
            found["campaign mail"] = _campaign(plant)
    return found


def _clicks(plant: Plant) -> list[Used]:
    """Somebody follows a link of each reminder; return what each of them used, but for the first, which warms."""
    for place, message in enumerate(plant.messages("cart-abandonment")[: _PEOPLE + 1]):
        if place == 1:
            plant.taken()
        _clicked(plant, message, later(_NOON, days=6, minutes=5 * place))
    return [Used(one.line, one.what, one.amount / _PEOPLE) for one in plant.taken()]


@measure
def cost_of_mails() -> Iterator[Figure]:
    """What mails cost beside SES, in per cent of its price, line by line."""
    report: dict[str, Any] = {"prices": {"of": str(prices().of), "region": prices().region}, "mails": {}}
    with planted(_FLOWS, _LETTER) as plant:
        found = _stories(plant)
        standing = _standing(plant)
        own = {function: min(seconds) * 1_000 for function, seconds in sorted(plant.own_seconds.items())}
    price = prices().mail[0].per_thousand / 1_000
    for name, used in found.items():
        lines = bill(used, prices())
        report["mails"][name] = [_row(line, price) for line in lines]
        budget = BUDGET if name == "campaign mail" else None
        yield Figure(f"cost beside SES, of its price: {name}", _share(lines, price), "%", budget)
        kept = [line for line in lines if "storage" in line.line or "recovery" in line.line]
        yield Figure(f"what is kept, of that: {name}", _share(kept, price), "%")
        kind = next((kind for kind in measured().kinds if kind.title == name), None)
        if kind is not None:
            yield Figure(f"cost ÷ what `rekindle cost` reckons with: {name}", _ratio(used, kind), "", MOST_OFF)
    shares = {name: _share(bill(used, prices()), price) for name, used in found.items()}
    mean = average(shares)
    yield Figure("cost beside SES, of its price: the average mail of a shop", mean, "%", BUDGET)
    opened = mean + float(REACTIONS) * shares["opening or click"]
    yield Figure("the same, with what people do with it: 0.3 openings or clicks a mail", opened, "%")
    report["average"] = {"mix": {name: float(part) for name, part in MIX.items()}, "share": round(mean, 2)}
    report["what stands, a month"] = [_row(line, price) for line in bill(standing, prices())]
    yield Figure("what an installation costs a month, whatever happens", float(total(bill(standing, prices()))), "$")
    report["own milliseconds"] = own
    (ROOT / "out").mkdir(exist_ok=True)
    (ROOT / "out/cost.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    (ROOT / "out/measured.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(_to_ship(found, standing))) + b"\n"
    )


def average(shares: Mapping[str, float]) -> float:
    """Return what the average mail costs, where one of each kind costs so much."""
    return sum(float(part) * shares[name] for name, part in MIX.items())


def _to_ship(found: Mapping[str, Sequence[Used]], standing: Sequence[Used]) -> Measured:
    """Return what `rekindle cost` reckons with: `service/measured.json`, when somebody copies it there."""
    kinds = tuple(
        Kind(name=_SHIPPED[title], title=title, used=_by_line(used))
        for title, used in found.items()
        if title in _SHIPPED
    )
    return Measured(of=datetime.now(UTC).date(), kinds=kinds, standing=_by_line(standing))


def _by_line(used: Sequence[Used]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in used:
        sums[one.line] = sums.get(one.line, Decimal(0)) + one.amount
    return {line: Decimal(f"{float(amount):.5g}") for line, amount in sorted(sums.items()) if amount}


def _ratio(used: Sequence[Used], shipped: Kind) -> float:
    return float(total(bill(used, prices())) / total(bill(shipped.times(1), prices())))


def _standing(plant: Plant) -> list[Used]:
    """Return what an installation of one shop uses in a month without visitors: the clock's calls, and what stands."""
    plant.taken()
    used: list[Used] = []
    for function, times in _TICKS.items():
        plant.call(function, {})
        plant.taken()
        plant.at(later(plant.meter.now, minutes=5))  # what it keeps is looked up anew
        plant.call(function, {})
        used += [Used(one.line, one.what, one.amount * times) for one in plant.taken()]
    resources = [one["Type"] for one in template()["Resources"].values()]
    polls = sum(
        event["Type"] == "SQS"
        for one in template()["Resources"].values()
        if one["Type"] == "AWS::Serverless::Function"
        for event in one["Properties"].get("Events", {}).values()
    )
    used += [
        Used("alarms", "all", Decimal(resources.count("AWS::CloudWatch::Alarm"))),
        Used("dashboards", "all", Decimal(resources.count("AWS::CloudWatch::Dashboard"))),
        Used("secrets", "all, and one shop's", Decimal(resources.count("AWS::SecretsManager::Secret") + 1)),
        Used("metrics", "functions' own, of those that ran here", Decimal(len(plant.metrics))),
        Used("sqs", "queues looked at in vain", Decimal(polls * POLLERS * 3 * 60 * 730)),
    ]
    return used


def _share(lines: Sequence[Line], price: Decimal) -> float:
    return float(total(lines) / price * 100)


def _row(line: Line, price: Decimal) -> dict[str, Any]:
    share = round(float(line.cost / price * 100), 3)
    return {"share": share, "line": line.line, "what": line.what, "amount": float(line.amount), "unit": line.unit}
