"""Customer accounts.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

from rekindle.domain.errors import MalformedBodyError
from rekindle.domain.events import Who
from rekindle.domain.facts import Customer
from rekindle.shops.reading import Body, Telling, identifier, moment_gmt
from rekindle.shops.woocommerce.people import person_of, who_of


def customer(topic: str, body: Body, telling: Telling) -> None:
    """Tell `customer.updated`."""
    customer_id = identifier(body.get("id"))
    if customer_id is None:
        raise MalformedBodyError(f"{topic}: the customer has no id")
    at = moment_gmt(body.get("date_modified_gmt")) or moment_gmt(body.get("date_created_gmt")) or telling.arrival.at
    who = who_of(body, customer_id, telling)
    telling.tell("customer.updated", Customer(id=customer_id, updated_at=at), at, who, person_of(body))


def deleted(topic: str, body: Body, telling: Telling) -> None:
    """Tell that an account is gone. Only its id is sent; what the person bought and agreed to is not undone by it.

    The topic's header is not signed: a whole account under it is only told as changed, with a problem.
    """
    customer_id = identifier(body.get("id"))
    if customer_id is None:
        raise MalformedBodyError(f"{topic}: the customer has no id")
    if body.get("date_created_gmt"):
        telling.problems.append("date_created_gmt: stands in a deletion, which has only an id")
        customer(topic, body, telling)
        return
    at = telling.arrival.at
    told = Customer(id=customer_id, deleted=True, updated_at=at)
    telling.tell("customer.updated", told, at, Who(shop_customer_id=customer_id))
