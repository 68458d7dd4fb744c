"""Who a body names, what it says about them, and whether they ticked the marketing box.

Pure: imports the standard library, `rekindle.domain` and its neighbours in `shops`.
"""

from __future__ import annotations

import re

from rekindle.domain.events import Who
from rekindle.domain.facts import Person
from rekindle.shops import contact
from rekindle.shops.reading import Body, Telling, identifier, mapping, rows
from rekindle.shops.woocommerce.values import name_of

#: The order's meta values in which the shop's plugin wrote down whose browser it was, and which cart.
BROWSER, CART = "_rekindle_browser", "_rekindle_cart"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}\Z")
_YES = frozenset(("1", "yes", "true", "on"))


def who_of(body: Body, customer_id: object, telling: Telling) -> Who:
    """Return who a body names. A guest is customer 0, which is nobody's id."""
    billing = mapping(body.get("billing"))
    email = telling.use("email", contact.email(body.get("email")))
    if email is None:
        email = telling.use("billing.email", contact.email(billing.get("email")))
    region, _ = contact.country(billing.get("country"))
    phone = contact.phone(billing.get("phone"), region or telling.arrival.region)
    return Who(
        email=email,
        phone=telling.use("billing.phone", phone),
        shop_customer_id=identifier(customer_id),
    )


def site_of(body: Body) -> tuple[str | None, str | None]:
    """Return the browser and the cart that an order was made with, where the shop's plugin wrote them down."""
    found: dict[str, str] = {}
    for row in rows(body.get("meta_data")):
        key, value = row.get("key"), row.get("value")
        if key in (BROWSER, CART) and type(value) is str and _TOKEN.match(value):
            found[key] = value
    return found.get(BROWSER), found.get(CART)


def person_of(body: Body) -> Person | None:
    """Return what is told about the human: the name of who pays, the place of the first address that has one."""
    billing, shipping = mapping(body.get("billing")), mapping(body.get("shipping"))
    first = last = country = region = city = None
    for named in (body, billing, shipping):
        first, last = name_of(named.get("first_name")), name_of(named.get("last_name"))
        if first or last:
            break
    for place in (shipping, billing):
        country, _ = contact.country(place.get("country"))
        region = contact.region(place.get("state"), country)
        city = name_of(place.get("city"))
        if country or city:
            break
    if not (first or last or country or city):
        return None
    return Person(first_name=first, last_name=last, country=country, region=region, city=city)


def ticked(body: Body, keys: tuple[str, ...]) -> bool:
    """Whether one of the order's meta values under `keys` says yes. Values can be of any type; most say nothing."""
    for row in rows(body.get("meta_data")):
        if row.get("key") in keys:
            value = row.get("value")
            if value is True or (type(value) is int and value == 1):
                return True
            if type(value) is str and value.strip().lower() in _YES:
                return True
    return False
