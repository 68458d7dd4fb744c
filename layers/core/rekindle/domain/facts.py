"""What events are about: baskets, orders, products, people, consent, engagement.

Facts are upserts by their id, compared by `updated_at`. Money is exact (`Decimal`, major units, beside its ISO 4217
currency); times are aware and UTC. A field that the shop did not send is `None`, never a guess.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

#: `suppressed`: a flow has given somebody up who never answers; all others the person, or the platform, has said.
ConsentState = Literal["subscribed", "unsubscribed", "pending", "not_subscribed", "redacted", "invalid", "suppressed"]
Channel = Literal["email", "sms", "push"]
ShipmentStatus = Literal[
    "fulfilled", "confirmed", "in_transit", "out_for_delivery", "attempted_delivery", "delivered", "failed", "cancelled"
]
#: How often somebody wants to be written to: whatever comes, at most one message a week, or one a month.
Frequency = Literal["everything", "weekly", "monthly"]
OrderStatus = Literal["open", "placed", "cancelled", "failed"]


class Item(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a basket or an order. `price` is per unit, before line discounts; `total` is the line, after them."""

    title: str
    quantity: int = 1
    product_id: str | None = None
    variant_id: str | None = None
    variant: str | None = None
    sku: str | None = None
    price: Decimal | None = None
    total: Decimal | None = None
    image: str | None = None
    url: str | None = None
    kind: str | None = None
    """the product's category, where the shop sends it or the catalogue knows it"""


class Basket(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="basket"):
    """A cart and the checkout that grew out of it, as one thing: they share `id`.

    `id` is the cart token when there is one, else the checkout token (CONTRACTS, join keys).
    """

    id: str
    updated_at: datetime
    cart_token: str | None = None
    checkout_token: str | None = None
    items: tuple[Item, ...] = ()
    item_count: int = 0
    currency: str | None = None
    subtotal: Decimal | None = None
    total: Decimal | None = None
    recovery_url: str | None = None
    completed_at: datetime | None = None
    created_at: datetime | None = None
    codes: tuple[str, ...] = ()
    page: bool = False
    """as a page of the shop told it, through the visitor's browser: nobody signed it"""


class Address(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an order goes, as the shop wrote it; `country` is ISO 3166 alpha-2."""

    name: str | None = None
    company: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = None
    postcode: str | None = None
    country: str | None = None


class Refund(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="refund"):
    """Money given back for an order, once. `amount` is what was paid out, positive, in the order's currency."""

    id: str
    order_id: str
    at: datetime
    amount: Decimal
    currency: str | None = None
    number: str | None = None
    """the order's number, as the customer knows it"""
    reason: str | None = None


class Order(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="order"):
    """An order as it stands at `updated_at`.

    `open` is not placed yet (WooCommerce pending, on a checkout draft); `failed` never became an order.
    """

    id: str
    updated_at: datetime
    number: str | None = None
    status: OrderStatus = "placed"
    cart_token: str | None = None
    checkout_token: str | None = None
    items: tuple[Item, ...] = ()
    item_count: int = 0
    currency: str | None = None
    subtotal: Decimal | None = None
    discount: Decimal | None = None
    shipping: Decimal | None = None
    tax: Decimal | None = None
    total: Decimal | None = None
    refunded: Decimal | None = None
    """all that was given back, where the shop says so"""
    refunds: tuple[Refund, ...] = ()
    """each refund by itself, where the shop says so"""
    placed_at: datetime | None = None
    paid_at: datetime | None = None
    cancelled_at: datetime | None = None
    fulfilled_at: datetime | None = None
    url: str | None = None
    codes: tuple[str, ...] = ()
    ship_to: Address | None = None
    test: bool = False
    referrer: str | None = None
    """whose code for friends it used, as journey finds out: a profile's id, or `themselves`"""


class Shipment(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="shipment"):
    """A parcel on its way, as it stands at `updated_at`."""

    id: str
    order_id: str
    updated_at: datetime
    status: ShipmentStatus = "fulfilled"
    carrier: str | None = None
    tracking_number: str | None = None
    tracking_url: str | None = None
    items: tuple[Item, ...] = ()


class Variant(Struct, frozen=True, array_like=True, omit_defaults=True):
    """One kind in which a product can be bought. `quantity`: `None` where nobody counts. `at`: how new its stock is."""

    id: str
    title: str | None = None
    price: Decimal | None = None
    in_stock: bool | None = None
    quantity: int | None = None
    compare_at: Decimal | None = None
    sku: str | None = None
    at: datetime | None = None


class Product(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="product"):
    """A product as the catalogue shows it. `deleted` products stay known, so that an old basket can still be shown.

    `price` is that of the cheapest variant. What a body does not tell at all (`variants`, `collections`: `None`) leaves
    what is known of it.
    """

    id: str
    updated_at: datetime
    title: str = ""
    url: str | None = None
    image: str | None = None
    image_alt: str | None = None
    price: Decimal | None = None
    compare_at: Decimal | None = None
    currency: str | None = None
    in_stock: bool | None = None
    kind: str | None = None
    vendor: str | None = None
    tags: tuple[str, ...] = ()
    deleted: bool = False
    created_at: datetime | None = None
    """since when it is in the shop"""
    published: bool | None = None
    """whether it can be seen there; `None` in what was stored before this was: then an `url` says so"""
    quantity: int | None = None
    """how many pieces there are, of all variants that are counted"""
    low_at: int | None = None
    """from how many on the shop itself calls that few"""
    variants: tuple[Variant, ...] | None = None
    """the first hundred"""
    collections: tuple[str, ...] | None = None
    silent: bool = False
    """an import told this state: what is different by it is no news"""

    @property
    def shown(self) -> bool:
        """Whether it can be seen in the shop."""
        return not self.deleted and bool(self.url) and self.published is not False


class VariantStock(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="stock"):
    """One variant of a product by itself: that it is there or sold out, and what it costs."""

    product_id: str
    variant: Variant
    updated_at: datetime


class Proof(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What shows that somebody agreed by a form: what they read (`wording`), when they sent it, where, and from where.

    `ip` is the keyed hash of the network that the form came from: it compares, and names nobody.
    """

    form: str
    asked_at: datetime
    wording: str = ""
    page: str | None = None
    ip: str = ""


class Consent(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="consent"):
    """What somebody said about one channel and one address, when (`at`), and by which way (`source`).

    A link in a mail knows the address by its keyed hash only: `address_key` then stands in its place.
    """

    channel: Channel
    state: ConsentState
    at: datetime
    source: str = ""
    address: str | None = None
    address_key: str | None = None
    proof: Proof | None = None
    """of what was said by a form"""


class Customer(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="customer"):
    """A customer account changed; what it says about the person is in the event's `person`.

    `tags` are all of them, where the shop sends all; else `tags_added` and `tags_removed` say what changed.
    """

    id: str
    updated_at: datetime
    tags: tuple[str, ...] | None = None
    tags_added: tuple[str, ...] = ()
    tags_removed: tuple[str, ...] = ()
    deleted: bool = False


class Engagement(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="engagement"):
    """What became of one message: opened, clicked (`link`), bounced, complained.

    `address_key` is the keyed hash of where it had gone; `address` is that address where it is this person's still.
    `kind` is the category that the link leads to, where its mail says so.
    """

    message_id: str
    at: datetime
    channel: Channel = "email"
    address: str | None = None
    address_key: str | None = None
    link: str | None = None
    kind: str | None = None
    detail: str | None = None


class View(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="view"):
    """A look at a product or a category page; `seconds` is how long it was really looked at."""

    id: str
    at: datetime
    title: str | None = None
    kind: str | None = None
    """the product's category"""
    url: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    seconds: int = 0
    look: str | None = None
    """which look this is: told again under this name, it has lasted longer meanwhile"""
    again: bool = False
    """told before, and longer now: it does not count as another look"""


class Search(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="search"):
    """A search on the shop's site."""

    query: str
    at: datetime
    results: int | None = None


class Form(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="form"):
    """A form or survey that somebody sent. `answers` become traits where their names are those of traits."""

    name: str
    at: datetime
    answers: dict[str, str | tuple[str, ...]] = {}
    claimed: str | None = None
    """an e-mail address that was typed and that nobody has proved to be theirs: it may be asked, once, and no more"""
    page: str | None = None
    """where the form stood, if on the shop's own site"""


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="alert"):
    """Somebody wants to be told, once, when a product costs less (`price`) or can be had again (`stock`).

    Without either it is taken back.
    """

    product_id: str
    at: datetime
    wants: tuple[Literal["price", "stock"], ...] = ()


class SignUp(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="sign_up"):
    """Somebody asks by a form to be written to at `email`, which nobody has proved to be theirs.

    It may be asked for its word once, and what else was typed counts when that has come. `id` names the request.
    """

    id: str
    email: str
    at: datetime
    proof: Proof
    browser: str | None = None
    first_name: str | None = None
    answers: dict[str, str | tuple[str, ...]] = {}
    single: bool = False
    """the shop asks nobody back who is not known yet (`double_opt_in: off`)"""
    alert: Alert | None = None
    """it is about one product, and no consent to anything else"""


class Recognised(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="recognised"):
    """It was seen whose browser this is: the one with the contact points of the event, or its profile.

    `click`: a link in their mail led here. `cart`: it holds their cart. `order`: it placed their order. `sign_up`: they
    confirmed their address in it. The last two are proof enough to take a browser from somebody else who is known.
    """

    by: Literal["click", "cart", "order", "sign_up"]
    at: datetime


class Review(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="review"):
    """What somebody thinks of what they bought: `rating` 1 to 5."""

    rating: int
    at: datetime
    product_id: str | None = None
    order_id: str | None = None
    text: str | None = None


class Referral(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="referral"):
    """Somebody else ordered through this person's link. `friend` names them where they are known, and says nothing."""

    order_id: str
    at: datetime
    total: Decimal | None = None
    currency: str | None = None
    friend: str | None = None


class Coupon(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="coupon"):
    """A code that a message of ours gave (`coupon.issued`), or that an order used (`coupon.redeemed`)."""

    code: str
    at: datetime
    message_id: str | None = None
    order_id: str | None = None
    expires_at: datetime | None = None
    offer: str | None = None
    """of which offer it is, where it is of one"""
    friends: bool = False
    """it is for whoever this person sends: an order that uses it shows who that was"""


class ProductChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="product_change"):
    """A product that this person looked at or asked for got cheaper, came back, or is nearly gone."""

    product_id: str
    at: datetime
    title: str | None = None
    url: str | None = None
    image: str | None = None
    price: Decimal | None = None
    was: Decimal | None = None
    """the price before"""
    currency: str | None = None
    asked: bool = False
    """the person asked to be told"""


class SegmentChange(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="segment"):
    """Somebody came into a segment, or left it, at `at`."""

    name: str
    at: datetime


class TierReached(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="tier"):
    """Somebody reached one of the shop's loyalty tiers, at `at`, for the first time."""

    name: str
    at: datetime


class DateCame(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="date"):
    """The day came that a flow's trigger waits for; `date` is the day itself, without the trigger's offset."""

    flow: str
    at: datetime
    date: str
    trigger: int = 0
    """its place among the flow's triggers"""


class Campaign(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="campaign"):
    """A campaign's hour came: `occurrence` names it, the same for everybody."""

    flow: str
    at: datetime
    occurrence: str
    trigger: int = 0
    """its place among the flow's triggers"""
    wall: str = ""
    """of one that comes at each recipient's own hour: the local time, such as `2026-11-27T10:00`"""


class Start(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="start"):
    """Somebody of the shop started a flow for this person by hand; two starts with the same `reference` are one."""

    flow: str
    at: datetime
    by: str = ""
    reference: str = ""


class TraitsTold(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="traits"):
    """Traits that were told from outside (a preference page, an import, the command line). `None` takes one back."""

    at: datetime
    values: dict[str, str | int | float | bool | tuple[str, ...] | None] = {}


class PreferencesTold(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="preferences"):
    """What somebody chose of how they want to be written to. What is `None`, and topics that are not named, stay.

    `paused_until` is the end of a pause that was asked for; where it is `at`, a pause was taken back.
    """

    at: datetime
    topics: dict[str, bool] = {}
    frequency: Frequency | None = None
    language: str | None = None
    """BCP 47, without a region"""
    paused_until: datetime | None = None


class PrivacyRequest(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="privacy"):
    """Somebody wants to know what is stored about them, or wants it gone; or a shop has left and all of it must go.

    The customer may be known by an e-mail only, or by nothing but old order ids (CONTRACTS, compliance).
    """

    wish: Literal["export", "erase", "erase_shop"]
    at: datetime
    request_id: str | None = None
    email: str | None = None
    phone: str | None = None
    shop_customer_id: str | None = None
    order_ids: tuple[str, ...] = ()
    reason: str = ""
    """what whoever asks by hand writes down for the receipt; it names nobody"""


class TextReceived(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="text"):
    """Somebody texted the shop's number; what asks for no more texts, or for texts again, is an act of consent."""

    text: str
    at: datetime


class PushSubscription(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="push"):
    """A browser in which somebody allowed push messages, or no longer does (then the endpoint alone says which).

    Where its push service says that it is gone, `browser` (`push.browser_key`) stands in the endpoint's place.
    """

    endpoint: str
    at: datetime
    p256dh: str = ""
    auth: str = ""
    browser: str = ""


class Alarm(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="alarm"):
    """The profile's alarm clock rang; nothing else happened."""


class Other(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="other"):
    """A signed delivery that says nothing that Rekindle uses yet: kept as sent, under its topic."""

    topic: str
    id: str | None = None


Fact = (
    Basket
    | Order
    | Refund
    | Shipment
    | Product
    | VariantStock
    | Consent
    | Customer
    | Engagement
    | View
    | Search
    | Form
    | SignUp
    | Alert
    | Recognised
    | Review
    | Referral
    | Coupon
    | ProductChange
    | SegmentChange
    | TierReached
    | DateCame
    | Campaign
    | Start
    | TraitsTold
    | PreferencesTold
    | PrivacyRequest
    | TextReceived
    | PushSubscription
    | Alarm
    | Other
)


class Person(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an event tells about the human: merged field by field into the profile, newest wins.

    `locale` is BCP 47 (`zh-Hant-TW`), `country` ISO 3166 alpha-2, `region` what follows it in ISO 3166-2 (`CA`, `NSW`).
    """

    first_name: str | None = None
    last_name: str | None = None
    locale: str | None = None
    country: str | None = None
    region: str | None = None
    city: str | None = None
    zone: str | None = None
