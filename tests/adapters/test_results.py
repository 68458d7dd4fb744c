"""`ports.Results`, in RAM, on moto and on MiniStack; and what the streams show of a line and of a message."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from rekindle.aws.clients import Clients
from rekindle.aws.results import line_counts, message_change
from rekindle.domain.errors import ConflictError
from rekindle.domain.labels import Label
from rekindle.domain.results import Count
from rekindle.ports import Commit, Counted, Lease, Message
from rekindle.service.tally import figures, of_message
from tests.support.things import ANNA, a_profile
from tests.support.worlds import START, AwsPorts, Ports

MARCH = Label("2026-03-02", "cart", "mail-1", "split-1=a")
NEWS = Label("2026-03-03", "news", "letter", "", "2026-03-03T10:00Z")


def source(mark: str, *counts: Count, shop: str = "tea") -> Counted:
    return Counted(mark=mark, shop=shop, counts=counts)


def sent(label: Label, amount: str = "1", figure: str = "sent") -> Count:
    return Count(label, figure, Decimal(amount))


def test_figures_add_up_and_each_source_counts_once(ports: Ports) -> None:
    first = source("a", sent(MARCH), sent(MARCH, "19.90", "revenue:EUR"))
    second = source("b", sent(MARCH), sent(MARCH, "-4.90", "revenue:EUR"), sent(NEWS))
    assert ports.results.add([first, second]) == 2
    assert ports.results.add([second, source("c", sent(NEWS), shop="coffee"), first]) == 1
    assert ports.results.add([first, second]) == 0
    assert ports.results.add([]) == 0
    assert ports.results.figures("tea", "2026-03-01", "2026-03-31") == {
        MARCH: {"sent": 2, "revenue:EUR": Decimal("15.00")},
        NEWS: {"sent": 1},
    }


def test_figures_are_of_whole_days_and_of_one_shop(ports: Ports) -> None:
    ports.results.add([source("a", sent(MARCH), sent(NEWS)), source("b", sent(NEWS), shop="tea-2")])
    assert set(ports.results.figures("tea", "2026-03-02", "2026-03-02")) == {MARCH}
    assert set(ports.results.figures("tea", "2026-03-03", "2026-03-03")) == {NEWS}
    assert ports.results.figures("nobody", "2026-03-01", "2026-03-31") == {}


def test_more_sources_than_a_transaction_holds_are_added_too(ports: Ports) -> None:
    found = [source(f"m{number}", sent(replace(MARCH, step=f"s{number % 7}"))) for number in range(230)]
    assert ports.results.add([*found, *found[:20]]) == 230
    rows = ports.results.figures("tea", "2026-03-02", "2026-03-02")
    assert sum(row["sent"] for row in rows.values()) == 230
    assert len(rows) == 7


def test_a_line_of_the_ledger_shows_what_it_counts(moto_ports: AwsPorts) -> None:
    counts = (sent(MARCH, figure="entered"), sent(MARCH, "12.5", "revenue:EUR"))
    moto_ports.state.commit(Commit(profile=a_profile(), at=START, counts=counts))
    moto_ports.state.commit(Commit(profile=replace(a_profile(), version=2), at=START))
    table = moto_ports.installation.tables.ledger
    lines = [line_counts(item) for item in moto_ports.clients.dynamodb.scan(TableName=table)["Items"]]
    (told,) = [line for line in lines if line is not None]
    assert (told.shop, told.counts) == ("tea", counts)
    assert told.mark.startswith(f"{ANNA}#")
    assert None in lines


MESSAGE = Message(
    id="0" * 32, profile_id="ada", shop="tea", state="leased", token="t", leased_at=START, flow="cart", step="mail-1",
    day="2026-03-02", ways="split-1=a", category="marketing",
)  # fmt: skip


def test_a_message_that_moves_on_is_counted_by_what_is_new_of_it(moto_ports: AwsPorts) -> None:
    assert moto_ports.outbox.lease(Lease(message=MESSAGE)) == "taken"
    leased = moto_ports.item("messages", MESSAGE.id)
    assert moto_ports.outbox.record(replace(MESSAGE, state="sent", at=START, vendor_id="v"), token="t")
    gone = moto_ports.item("messages", MESSAGE.id)
    assert gone is not None
    change = message_change({"OldImage": leased, "NewImage": gone})
    assert change is not None
    assert of_message(*change) == Counted(
        mark=f"{MESSAGE.id}#>sent", shop="tea", counts=(sent(MARCH),), near="messages#2035-03-05T09:00:00"
    )
    assert of_message(None, change[0] or MESSAGE) is None
    assert message_change({"OldImage": gone}) is None


@pytest.mark.parametrize(
    ("stands", "expected"),
    [
        ({"state": "sent"}, {"sent"}),
        ({"state": "delivered", "opened_at": START}, {"sent", "delivered", "opened"}),
        ({"state": "delivered", "links": ("https://tea.example/",)}, {"sent", "delivered", "opened", "clicked"}),
        ({"state": "delivered", "machine_opened_at": START}, {"sent", "delivered", "opened_machine"}),
        ({"state": "complained"}, {"sent", "delivered", "complained"}),
        ({"state": "bounced"}, {"sent", "bounced"}),
        ({"state": "skipped"}, {"skipped"}),
        ({"state": "unknown"}, set()),
    ],
)
def test_a_message_counts_as_its_record_stands(stands: dict[str, object], expected: set[str]) -> None:
    assert figures(replace(MESSAGE, **stands)) == expected


def test_what_is_told_of_the_shops_own_people_is_not_counted() -> None:
    assert of_message(None, replace(MESSAGE, state="sent", day="")) is None


def test_where_others_write_the_same_sum_another_part_of_it_is_taken(
    moto_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, parts = moto_ports.clients.dynamodb.transact_write_items, []

    def contended(*, TransactItems: list[dict[str, dict[str, dict[str, dict[str, str]]]]]) -> object:  # noqa: N803 - its name
        parts.append(TransactItems[-1]["Update"]["Key"]["at"]["S"][-1])
        if len(parts) < 3:
            raise conflict(moto_ports.clients, len(TransactItems))
        return real(TransactItems=TransactItems)  # type: ignore[arg-type]

    monkeypatch.setattr(moto_ports.clients.dynamodb, "transact_write_items", contended)
    assert moto_ports.results.add([source("a", sent(MARCH))]) == 1
    assert parts == ["0", "1", "2"]
    monkeypatch.setattr(
        moto_ports.clients.dynamodb, "transact_write_items", lambda **_: raise_(conflict(moto_ports.clients, 2))
    )
    with pytest.raises(ConflictError):
        moto_ports.results.add([source("b", sent(MARCH))])
    assert moto_ports.results.figures("tea", MARCH.day, MARCH.day) == {MARCH: {"sent": 1}}


def test_marks_of_the_same_moment_share_an_item_and_each_source_counts_once(ports: Ports) -> None:
    found = [replace(source(f"m{number}", sent(MARCH)), near="now") for number in range(230)]
    assert ports.results.add(found[:120]) == 120
    assert ports.results.add([found[7], *found[100:]]) == 110
    assert ports.results.add(found) == 0
    assert ports.results.figures("tea", MARCH.day, MARCH.day) == {MARCH: {"sent": 230}}


def test_who_adds_to_a_sheet_that_grew_meanwhile_looks_again(
    moto_ports: AwsPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = (replace(source(mark, sent(MARCH)), near="now") for mark in "ab")
    real = moto_ports.clients.dynamodb.transact_write_items

    def overtaken(**request: object) -> object:
        monkeypatch.undo()
        assert moto_ports.results.add([theirs]) == 1
        return real(**request)  # type: ignore[arg-type]

    monkeypatch.setattr(moto_ports.clients.dynamodb, "transact_write_items", overtaken)
    assert moto_ports.results.add([ours, theirs]) == 1
    assert moto_ports.results.figures("tea", MARCH.day, MARCH.day) == {MARCH: {"sent": 2}}


def conflict(clients: Clients, writes: int) -> Exception:
    reasons = [{"Code": "None"}] * (writes - 1) + [{"Code": "TransactionConflict"}]
    answer = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    return clients.dynamodb.exceptions.ClientError(answer, "TransactWriteItems")  # type: ignore[arg-type]


def raise_(error: Exception) -> object:
    raise error
