"""Shipments: parcels (fulfillments) and what their carriers report.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Who
from rekindle.domain.facts import Shipment, ShipmentStatus
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, moment, text
from rekindle.shops.shopify.orders import lines

#: What carriers report (`shipment_status`, FulfillmentEventStatus). A printed label has not moved yet; what waits at a
#: pick-up point is on its way still, and there once it is picked up.
_REPORTED: dict[str, ShipmentStatus] = {
    "label_purchased": "fulfilled",
    "label_printed": "fulfilled",
    "confirmed": "confirmed",
    "carrier_picked_up": "in_transit",
    "in_transit": "in_transit",
    "delayed": "in_transit",
    "ready_for_pickup": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "attempted_delivery": "attempted_delivery",
    "delivered": "delivered",
    "picked_up": "delivered",
    "failure": "failed",
}

#: A parcel's own status, where it settles the matter whatever the carrier says.
_SETTLED: dict[str, ShipmentStatus] = {"cancelled": "cancelled", "error": "failed", "failure": "failed"}

#: What only other bodies with an order's id have: the topic's header is not signed.
_FOREIGN = ("kind", "transactions", "refund_line_items", "fulfillment_id")


def fulfillment(topic: str, body: Body, telling: Telling) -> None:
    """Tell `shipment.updated`: the parcel, its tracking, what is in it, and whose it is where it says so.

    The destination is the receiver's, who need not be the buyer: it says nothing about the person.
    """
    shipment_id, order_id = _ids(topic, body, "id")
    if any(name in body for name in _FOREIGN):
        telling.tell_unknown(topic, body, "is not the parcel that its topic says")
        return
    at = moment(body.get("updated_at")) or moment(body.get("created_at")) or telling.arrival.at
    items, _ = lines(body)
    shipment = Shipment(
        id=shipment_id,
        order_id=order_id,
        status=_SETTLED.get(_status(body, "status")) or _reported(body, "shipment_status", telling) or "fulfilled",
        carrier=text(body.get("tracking_company")),
        tracking_number=_first(body, "tracking_number", "tracking_numbers"),
        tracking_url=_first(body, "tracking_url", "tracking_urls"),
        items=tuple(items),
        updated_at=at,
    )
    email = telling.use("email", contact.email(body.get("email")))
    telling.tell("shipment.updated", shipment, at, Who(email=email))


def report(topic: str, body: Body, telling: Telling) -> None:
    """Tell `shipment.updated` from a carrier's report, as of when it happened. It names the order and nobody.

    Reports come late and out of order: dated by when they were written down, an old "in transit" would undo a delivery.
    """
    shipment_id, order_id = _ids(topic, body, "fulfillment_id")
    at = moment(body.get("happened_at")) or moment(body.get("created_at")) or telling.arrival.at
    status = _reported(body, "status", telling)
    if status is None:
        telling.tell_unknown(topic, body, None if telling.problems else "status: is missing")
    else:
        telling.tell("shipment.updated", Shipment(id=shipment_id, order_id=order_id, status=status, updated_at=at), at)


def _ids(topic: str, body: Body, name: str) -> tuple[str, str]:
    shipment_id, order_id = identifier(body.get(name)), identifier(body.get("order_id"))
    if shipment_id is None or order_id is None:
        raise MalformedBodyError(f"{topic}: the shipment has no {name if shipment_id is None else 'order_id'}")
    return shipment_id, order_id


def _status(body: Body, name: str) -> str:
    return (text(body.get(name)) or "").lower()


def _reported(body: Body, name: str, telling: Telling) -> ShipmentStatus | None:
    sent = _status(body, name)
    status = _REPORTED.get(sent)
    if sent and status is None:
        telling.problems.append(f"{name}: is no status of a shipment that is known")
    return status


def _first(body: Body, one: str, several: str) -> str | None:
    """Return `body[one]`, else the first of the list `body[several]`."""
    rest = body.get(several)
    return text(body.get(one)) or (text(rest[0]) if type(rest) is list and rest else None)
