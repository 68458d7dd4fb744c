"""Starting a flow for one person by hand: an accepted delivery like any other, once for each reference."""

from __future__ import annotations

from rekindle.domain import ids
from rekindle.domain.errors import RekindleError
from rekindle.domain.events import Delivery, Event, Who
from rekindle.domain.facts import Start
from rekindle.flow.program import Playbook, Rule
from rekindle.ports import Clock, Intake, State, Vault
from rekindle.service.accept import accept
from rekindle.service.explain import NobodyError
from rekindle.service.people import alias_key, follow

SOURCE = "hand"
TYPE = "flow.started"


class NotStartableError(RekindleError):
    """There is no such flow in what is published, it is not on in this shop, or it is not started by hand."""


def start_flow(
    flow: str,
    shop: str,
    email: str,
    reference: str,
    *,
    by: str = "",
    playbook: Playbook,
    state: State,
    vault: Vault,
    intake: Intake,
    clock: Clock,
    key: bytes,
) -> bool:
    """Let the person with this (canonical) address enter the flow; return whether this reference was new.

    What the flow's own rules of entry say, the ledger tells afterwards (`rekindle explain`). Raises `NobodyError` and
    `NotStartableError`.
    """
    _check(playbook, flow, shop)
    alias = alias_key(key, shop, "email", email)
    owners, _ = vault.owners([alias])
    if alias not in owners or follow(state.profile, owners[alias]) is None:
        raise NobodyError(f"nobody is known by this address in {shop}")
    now = clock.now()
    delivery_id = ids.digest("start", shop, flow, alias, reference)
    event = Event(
        id=ids.digest("event", delivery_id),
        shop=shop,
        type=TYPE,
        occurred_at=now,
        received_at=now,
        data=Start(flow=flow, at=now, by=by, reference=reference),
        who=Who(email=email),
    )
    delivery = Delivery(id=delivery_id, shop=shop, source=SOURCE, topic=TYPE, received_at=now, events=(event,))
    return accept(delivery, intake, key)


def _check(playbook: Playbook, name: str, shop: str) -> None:
    flow = playbook.flows.get(name)
    if flow is None:
        raise NotStartableError(f"no flow {name} is published")
    if not playbook.enabled(flow, shop):
        raise NotStartableError(f"the flow {name} is not on in {shop}")
    if not any(isinstance(trigger, Rule) and trigger.event == TYPE for trigger in flow.triggers):
        raise NotStartableError(f"the flow {name} is not started by hand: give it that trigger")
