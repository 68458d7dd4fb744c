"""Read what marketers write about shops, the brand and short texts: checked values out, every error with its line.

Publish only: imports pydantic, and Babel through `rekindle.content.locales`.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import available_timezones

import msgspec
from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
    model_validator,
)

from rekindle.content import languages, locales
from rekindle.content.brand import DARK, LIGHT, Brand, Colors, Social, contrast
from rekindle.content.context import web
from rekindle.content.media import FOLDER
from rekindle.content.pages.settings import Topic
from rekindle.content.texts import MAX_PUSH_BODY, MAX_PUSH_TITLE
from rekindle.domain.errors import ContentError
from rekindle.flow.language import Duration, Percent, Utm
from rekindle.flow.program import CYCLE_DAYS, Attribution, Shop, Tier
from rekindle.flow.yaml_source import Positions, load

_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_NAMED = "use small letters, digits and hyphens, at most 63"
#: A page shows them one below the other.
MAX_TOPICS = 20
_COLOR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
_FONT = re.compile(r"[\w ,'\-]+\Z")
#: What SendTextMessage takes for OriginationIdentity; a name has at most 11 letters and digits.
_ORIGIN = re.compile(
    r"(?:\+[1-9]\d{6,14}|\d{3,8}|(?:pool|phone|sender)-[A-Za-z0-9]+|arn:[A-Za-z0-9:/_+-]+"
    r"|(?=[A-Za-z0-9_-]*[A-Za-z])[A-Za-z0-9_-]{1,11})\Z"
)
_PHONE = re.compile(r"(?:\+[1-9]\d{6,14}|\d{3,8})\Z")
_HOST = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}\Z")


def _line(value: str) -> str:
    text = " ".join(value.split())
    if not text:
        raise ValueError("it is empty: write something")
    if any(not char.isprintable() for char in text) or any(mark in text for mark in ("{{", "{%", "{#")):
        raise ValueError("it holds characters that cannot be shown: type it again")
    return text


def _address(value: str) -> str:
    address = web(value)
    if address is None or "{" in address:
        raise ValueError("this is no address on the web: write it whole, with https://")
    return address


def _picture(value: str) -> str:
    return value if value.startswith(FOLDER) else _address(value)


def _email(value: str) -> str:
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(f"this is no e-mail address: {error}") from error
    return found.ascii_email or found.normalized


def _host(value: str) -> str:
    if not _HOST.match(value.lower()):
        raise ValueError("this is no domain: write it as in links.acme.example, without https://")
    return value.lower()


def _place(value: str) -> str:
    """A host, with a port where somebody tries things out on their own machine."""
    host, _, port = value.lower().partition(":")
    if not (_HOST.match(host) or host in {"localhost", "127.0.0.1"}) or not (not port or port.isdecimal()):
        raise ValueError("this is no host: write it as in www.acme.example, without https://")
    return value.lower()


def _currency(value: str) -> str:
    if not locales.known_currency(value):
        raise ValueError("no such currency: write the three letters of ISO 4217, as in EUR")
    return value


def _locale(value: str) -> str:
    if not locales.known_locale(value):
        raise ValueError("no such locale: write language and country, as in en-GB")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("no such time zone: write its IANA name, as in Europe/London")
    return value


def _color(value: str) -> str:
    if not _COLOR.match(value):
        raise ValueError('no such colour: write it as "#1f4d3f", between quotes')
    return value.lower()


def _font(value: str) -> str:
    if not _FONT.match(value):
        raise ValueError("a list of fonts has letters, commas and 'single quotes' only")
    return value


def _origin(value: str) -> str:
    if not _ORIGIN.match(value):
        raise ValueError("no such sender: write a number as +447700900000, a pool-… or phone-… id, its ARN, or a name")
    return value


_HOUR, _DAY = 3_600, 86_400
_LONGEST_WINDOW = 90 * _DAY


def _phone(value: str) -> str:
    if not _PHONE.match(value):
        raise ValueError("this is no number: write it whole, with + and the country, as in +447700900000")
    return value


def _switch(value: Any) -> Any:
    return {"on": True, "off": False}.get(value, value) if isinstance(value, str) else value


Line = Annotated[str, AfterValidator(_line), Field(max_length=500)]
Web = Annotated[str, AfterValidator(_address)]
Locale = Annotated[str, AfterValidator(_locale)]
Picture = Annotated[str, AfterValidator(_picture)]
Email = Annotated[str, AfterValidator(_email)]
Color = Annotated[str, AfterValidator(_color)]
Font = Annotated[str, AfterValidator(_font)]
Switch = Annotated[bool, BeforeValidator(_switch, json_schema_input_type=bool | Literal["on", "off"])]
_SLUG, _WORD, _NUMBER = r"^[a-z0-9][a-z0-9-]{0,62}$", r"^[a-z][a-z0-9_]{0,39}$", r"^\d{5,20}$"
AudienceName = Annotated[str, Field(pattern=_SLUG)]
ValueName = Annotated[str, Field(pattern=_WORD)]
#: Pattern → what to write instead of what does not fit it.
_CURES = {
    _SLUG: "use small letters, digits and dashes",
    _WORD: "use small letters, digits and underscores, a letter first",
    _NUMBER: "write its id, the number that Ads Manager shows, between quotes",
    r"^[a-z][a-z0-9_-]{0,39}$": "use small letters, digits, dashes and underscores, a letter first",
    "^/": "begin with a slash, as in /cart",
}


def _window(value: int) -> int:
    if not _HOUR <= value <= _LONGEST_WINDOW:
        raise ValueError("this must be between 1h and 90d")
    return value


_Window = Annotated[Duration, AfterValidator(_window)]


M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

#: In the order in which a shop's connections are kept.
_CHANNELS = ("email", "sms", "push", "audience")


class Model(BaseModel):
    """What every part of such a file has in common: a name that is not known is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Sender(Model):
    name: Line = Field(description="Who mails come from.")
    email: Email = Field(description="An address of a domain that is verified in SES.")
    reply_to: Email | None = Field(None, description="Where answers go.")


class _Sms(Model):
    sender: Annotated[str, AfterValidator(_origin)] = Field(
        description="Who texts come from: a number, pool or sender id of AWS End User Messaging.",
        examples=["+447700900000", "pool-0a1b2c3d4e5f"],
    )
    numbers: list[Annotated[str, AfterValidator(_phone)]] = Field(
        [], description="The numbers to which customers' answers come, STOP among them.", examples=[["+447700900000"]]
    )


class _Attribution(Model):
    click: _Window = Field(5 * _DAY, description="An order so long after a click is credited to the message.")
    open: _Window | Literal["off", False] = Field(
        "off", description="Likewise after a message was opened, where nothing was clicked; off unless told otherwise."
    )
    lift: _Window = Field(30 * _DAY, description="For so long somebody's orders count in comparisons with a holdout.")

    def told(self) -> Attribution:
        """Return it as the engine takes it."""
        return Attribution(
            click=self.click, open=0 if isinstance(self.open, (str, bool)) else self.open, lift=self.lift
        )


class _Push(Model):
    key: Annotated[str, Field(pattern=r"^B[A-Za-z0-9_-]{86}$")] = Field(description="What `rekindle push-key` prints.")
    worker: Annotated[str, Field(pattern=r"^/[^\\s#]{0,199}$")] | None = Field(
        None,
        description="The path of the service worker on the shop's own site, where it is another than the platform's.",
        examples=["/apps/rekindle/worker.js"],
    )


class _Site(Model):
    consent: Literal["platform", "explicit", "assumed"] = Field(
        "platform",
        description="Who says that a visitor agrees: Shopify's or WordPress's consent tools; your own page, with "
        'rekindle("consent", true); or nobody has to be asked.',
    )
    double_opt_in: Switch = Field(
        True,
        description="on: whoever signs up confirms it by a link in a mail. off: whoever nobody knows yet is subscribed "
        "at once, and anybody can subscribe others.",
    )
    push: _Push | None = Field(None, description="How the site asks for push messages; it does not unless said.")


class _OwnMails(Model):
    orders: Switch = Field(description="Its order mails: confirmation, parcels, cancellation.")
    carts: Switch = Field(description="Its mails about baskets that were left behind.")


class _Tier(Model):
    spent: Annotated[float, Field(gt=0, le=1e9)] | None = Field(
        None, description="So much spent, net of refunds, in the shop's currency.", examples=[250]
    )
    items: Annotated[int, Field(gt=0, le=10**6)] | None = Field(None, description="Or so many items bought.")
    orders: Annotated[int, Field(gt=0, le=10**6)] | None = Field(None, description="Or so many orders.")

    @model_validator(mode="after")
    def _says_something(self) -> _Tier:
        if self.spent is None and self.items is None and self.orders is None:
            raise ValueError("it says nothing: write spent, items or orders, and how many")
        return self


def _words(value: Any) -> Any:
    if not isinstance(value, (str, dict)):
        # pydantic makes a line of the report of a ValueError alone
        raise ValueError(  # noqa: TRY004
            "this is no text: write the words, or one line for each language"
        )
    return {"": value} if isinstance(value, str) else value


def _tag(value: str) -> str:
    found = languages.canonical(value)
    if value and (not found or not locales.known_locale(found)):
        raise ValueError("no such language: write it as in en, ar or zh-Hant")
    return found


def _some(value: dict[str, str]) -> dict[str, str]:
    if not value:
        raise ValueError("it says nothing: write the words, or one line for each language")
    return value


Words = Annotated[
    dict[Annotated[str, AfterValidator(_tag)], Line],
    AfterValidator(_some),
    BeforeValidator(_words, json_schema_input_type=str | dict[str, str]),
]


class ShopFile(Model):
    """A shop: who it is, how it writes, what it is connected to, and which flows are on. Its id is the file's name."""

    model_config = ConfigDict(title="Shop")

    name: Line = Field(description="As customers know it.")
    platform: Literal["shopify", "woocommerce"]
    url: Web = Field(description="The shop's own address.", examples=["https://acme.example"])
    sender: _Sender
    postal_address: Line = Field(description="The law asks for it in marketing mails.")
    currency: Annotated[str, AfterValidator(_currency)] = Field(description="ISO 4217.", examples=["EUR"])
    locale: Annotated[str, AfterValidator(_locale)] = Field(
        description="How numbers and dates are written.", examples=["en-GB"]
    )
    locales: list[Annotated[str, AfterValidator(_locale)]] = Field(
        [],
        description="What its mails are written in; its own alone unless said. Each customer gets theirs.",
        examples=[["en", "ar", "zh-Hant"]],
    )
    zone: Annotated[str, AfterValidator(_zone)] = Field(description="IANA time zone.", examples=["Europe/London"])
    logo: Picture | None = Field(None, description="Overrides the brand's: an address, or a file, as in assets/a.png.")
    link_domain: Annotated[str, AfterValidator(_host)] | None = Field(
        None, description="Links in mails live on this domain of the shop.", examples=["links.acme.example"]
    )
    domains: Annotated[list[Annotated[str, AfterValidator(_place)]], Field(max_length=20)] = Field(
        [], description="Further hosts that the shop's pages are on, beside its url's.", examples=[["m.acme.example"]]
    )
    site: _Site = Field(
        _Site(consent="platform", double_opt_in=True, push=None),
        description="How the script on the shop's own site behaves.",
    )
    flows: dict[str, Switch] = Field({}, description="Flow → on or off here, whatever its own file says.")
    own_mails: _OwnMails | Switch | None = Field(
        None,
        description="Whether the shop still sends its own order and cart mails: flows that replace them stay off until "
        "they are off.",
        examples=["off", {"orders": "on", "carts": "off"}],
    )
    offers: dict[str, Switch] = Field({}, description="Offer → given here or not, whatever its own file says.")
    notify: Email | None = Field(None, description="Where notify steps write to.")
    shipping_days: Annotated[int, Field(ge=0, le=60)] = Field(5, description="How many days a parcel takes.")
    interests: Annotated[dict[ValueName, Words], Field(max_length=20)] = Field(
        {},
        description="What the survey asks about: the name that conditions know, and the words that people read.",
        examples=[{"teaware": {"en": "Teaware", "ar": "أدوات الشاي"}}],
    )
    reviews: Annotated[dict[Line, Web], Field(max_length=6)] = Field(
        {},
        description="Where people can say publicly what they think, offered to all who leave a review.",
        examples=[{"Google": "https://g.page/r/acme/review"}],
    )
    cycle_days: Annotated[int, Field(ge=1, le=730)] = Field(
        CYCLE_DAYS, description="How many days usually lie between two orders of a customer."
    )
    tiers: Annotated[dict[ValueName, _Tier], Field(max_length=10)] = Field(
        {},
        description="Loyalty tiers, the lowest first: the name, and what it takes.",
        examples=[{"silver": {"spent": 250}, "gold": {"spent": 600, "orders": 10}}],
    )
    values: dict[ValueName, str | int | float | bool | list[str]] = Field(
        {}, description="The shop's own numbers and words, for conditions: shop.values.vip_line"
    )
    utm: Utm | None = Field(None, description="Other UTM parameters on links to the shop; or off.")
    attribution: _Attribution | None = Field(None, description="Which message an order is credited to.")
    holdout: Percent = Field(0, description="So many people get no marketing at all, always the same, to measure it.")
    channels: list[Literal["email", "sms", "push", "audience"]] = Field(
        [], description="What is connected, beside email."
    )
    audiences: dict[AudienceName, Annotated[str, Field(pattern=_NUMBER)]] = Field(
        {},
        description="Ads audiences: the name that flows use, and Meta's id of the list.",
        examples=[{"cart-abandoners": "23851234567890123"}],
    )
    sms: _Sms | None = Field(None, description="How text messages go out: needed once sms is among the channels.")


class TopicFile(Model):
    """Something that people can switch off on their preference page, and flows say that they are about."""

    model_config = ConfigDict(title="Topic")

    title: Words = Field(description="What people read: words, or language → words.", examples=[{"en": "News"}])
    about: Words | None = Field(None, description="A line more about it.")
    default: Switch = Field(default=True, description="Whether it is on for those who have not chosen.")


class TopicsFile(RootModel[dict[str, TopicFile]]):
    """The topics, in the order in which people see them."""

    model_config = ConfigDict(title="Topics", strict=True, frozen=True)


class _Palette(Model):
    background: Color | None = None
    surface: Color | None = None
    text: Color | None = None
    muted: Color | None = None
    line: Color | None = None
    accent: Color | None = None
    on_accent: Color | None = None


class _Button(Model):
    radius: Annotated[int, Field(ge=0, le=40)] = 8


class _Logo(Model):
    url: Picture
    width: Annotated[int, Field(ge=40, le=400)] = 140


class _Social(Model):
    name: Line
    url: Web


class _Contact(Model):
    email: Email | None = None
    phone: Line | None = None
    url: Web | None = None


class _BrandFile(Model):
    colors: _Palette = _Palette()
    dark: _Palette = _Palette()
    font: Font = Brand().font
    heading_font: Font = ""
    button: _Button = _Button()
    logo: _Logo | None = None
    tagline: Line | None = None
    social: Annotated[list[_Social], Field(max_length=8)] = []
    contact: _Contact = _Contact()


def parse_shop(text: str, *, file: str) -> tuple[Shop | None, tuple[ContentError, ...]]:
    """Return the shop of `shops/<id>.yaml`, or what is wrong with it."""
    name = file.rpartition("/")[2].rpartition(".")[0]
    found, problems, positions = shaped(ShopFile, text, file)
    if not _ID.match(name):
        hint = "a shop's id is lower-case letters, digits and hyphens: rename the file"
        problems = (*problems, ContentError(f"“{name}” cannot be a shop's id", file=file, line=1, hint=hint))
    if found is not None:
        problems = (*problems, *_unconnected(found, positions, file))
    if found is None or problems:
        return None, problems
    return Shop(
        id=name,
        name=found.name,
        platform=found.platform,
        url=found.url,
        sender_email=found.sender.email,
        sender_name=found.sender.name,
        reply_to=found.sender.reply_to,
        postal_address=found.postal_address,
        currency=found.currency,
        locale=found.locale,
        locales=tuple(found.locales),
        zone=found.zone,
        logo=found.logo,
        link_domain=found.link_domain,
        domains=tuple(dict.fromkeys(found.domains)),
        site_consent=found.site.consent,
        double_opt_in=found.site.double_opt_in,
        push_key=found.site.push.key if found.site.push else "",
        push_worker=(found.site.push.worker or "") if found.site.push else "",
        flows=dict(sorted(found.flows.items())),
        own_mails=_own_mails(found.own_mails),
        offers=dict(sorted(found.offers.items())),
        notify=found.notify,
        shipping_days=found.shipping_days,
        cycle_days=found.cycle_days,
        interests={name: dict(words) for name, words in found.interests.items()},
        reviews=dict(found.reviews),
        tiers=tuple(
            Tier(
                name=name,
                spent=None if tier.spent is None else Decimal(str(tier.spent)),
                items=tier.items,
                orders=tier.orders,
            )
            for name, tier in found.tiers.items()
        ),
        values={key: tuple(value) if isinstance(value, list) else value for key, value in sorted(found.values.items())},
        utm=found.utm.told() if found.utm is not None else {},
        attribution=found.attribution.told() if found.attribution is not None else Attribution(),
        holdout=found.holdout,
        channels=tuple(channel for channel in _CHANNELS if channel == "email" or channel in found.channels),
        audiences=dict(sorted(found.audiences.items())),
        sms_sender=found.sms.sender if found.sms else "",
        sms_numbers=_answered_at(found.sms) if found.sms else (),
    ), ()


def _own_mails(said: _OwnMails | bool | None) -> dict[str, bool]:
    if said is None:
        return {}
    return {"orders": said, "carts": said} if isinstance(said, bool) else {"orders": said.orders, "carts": said.carts}


def _answered_at(sms: _Sms) -> tuple[str, ...]:
    """Return where answers come: the numbers that are named, and the sender where it is a number itself."""
    own = [sms.sender] if _PHONE.match(sms.sender) else []
    return tuple(dict.fromkeys((*own, *sms.numbers)))


def _unconnected(found: ShopFile, positions: Positions, file: str) -> tuple[ContentError, ...]:
    """Return what the channels lack that this shop says it is connected to."""
    problems = []
    for channel, given, hint in (
        ("sms", found.sms, "add sms: with sender: and the number that texts come from"),
        ("audience", found.audiences, "add audiences: with the name that flows use, and Meta's id of the list"),
    ):
        if channel in found.channels and not given:
            said = f"the shop is connected to {channel}, and its file does not say how"
            problems.append(ContentError(said, file=file, line=positions.line(("channels",)), hint=hint))
    return tuple(problems)


class PushFile(Model):
    """A push message. Its name is the file's."""

    model_config = ConfigDict(title="Push message")

    title: Annotated[str, Field(min_length=1, max_length=MAX_PUSH_TITLE, description="One short line.")]
    body: Annotated[str, Field(min_length=1, max_length=MAX_PUSH_BODY, description="A sentence or two.")]
    url: Annotated[str, Field(max_length=500)] = Field("", description="Where a tap leads; the shop's page if empty.")
    image: Annotated[str, Field(max_length=500)] = Field("", description="The address of a picture.")


def parse_topics(text: str, *, file: str) -> tuple[tuple[Topic, ...] | None, tuple[ContentError, ...]]:
    """Return the topics of `topics.yaml` in their order, or what is wrong with them."""
    found, problems, positions = shaped(TopicsFile, text, file)
    if found is None:
        return None, problems
    wrong = tuple(
        ContentError(f"“{name}” cannot be a topic's name", file=file, line=positions.line((name,)), hint=_NAMED)
        for name in found.root
        if not _ID.match(name)
    )
    if wrong or len(found.root) > MAX_TOPICS:
        many = ContentError(f"these are more than {MAX_TOPICS} topics", file=file, line=1, hint="nobody reads so many")
        return None, wrong or (many,)
    return tuple(
        Topic(name=name, title=one.title, about=one.about or {}, on=one.default) for name, one in found.root.items()
    ), ()


def parse_brand(text: str, *, file: str) -> tuple[Brand | None, tuple[ContentError, ...]]:
    """Return the brand of `brand.yaml`, or what is wrong with it. What it leaves out keeps its default."""
    found, problems, positions = shaped(_BrandFile, text, file)
    if found is None:
        return None, problems
    light, dark = _palette(LIGHT, found.colors), _palette(DARK, found.dark)
    problems = (*_faint(light, "colors", positions, file), *_faint(dark, "dark", positions, file))
    if problems:
        return None, problems
    return Brand(
        colors=light,
        dark=dark,
        font=found.font,
        heading_font=found.heading_font,
        radius=found.button.radius,
        logo=found.logo.url if found.logo else None,
        logo_width=found.logo.width if found.logo else Brand().logo_width,
        tagline=found.tagline or "",
        social=tuple(Social(name=one.name, url=one.url) for one in found.social),
        email=found.contact.email,
        phone=found.contact.phone,
        help_url=found.contact.url,
    ), ()


def shaped(model: type[M], text: str, file: str) -> tuple[M | None, tuple[ContentError, ...], Positions]:
    """Return what a YAML file says in the model's shape, or what is wrong with it; and where everything stands."""
    try:
        data, positions = load(text, file)
    except ContentError as error:
        return None, (error,), Positions({})
    if not isinstance(data, dict):
        hint = "see the README beside it for an example"
        return None, (ContentError("this file says nothing", file=file, line=1, hint=hint),), positions
    try:
        return model.model_validate(data), (), positions
    except ValidationError as error:
        problems = tuple(_problem(found, positions, file) for found in error.errors(include_url=False))
        return None, problems, positions


def _problem(found: Any, positions: Positions, file: str) -> ContentError:
    path = tuple(part for part in found["loc"] if part != "[key]")
    name = ".".join(str(part) for part in path)
    line = positions.line(path)
    kind = found["type"]
    if kind == "missing":
        return ContentError(f"{name} is missing", file=file, line=line, hint=f"add a line {path[-1]}: …")
    if kind == "extra_forbidden":
        return ContentError(f"{name} means nothing here", file=file, line=line, hint="check the spelling, or remove it")
    if kind in {"dict_type", "model_type", "model_attributes_type"}:
        return ContentError(f"{name} says nothing by itself", file=file, line=line, hint="write its parts below it")
    if kind == "string_pattern_mismatch":
        cure = _CURES.get(found["ctx"]["pattern"])
        return ContentError(f"{name}: '{found['input']}' cannot be used here", file=file, line=line, hint=cure)
    message, _, hint = str(found["msg"]).removeprefix("Value error, ").partition(": ")
    return ContentError(f"{name}: {message}", file=file, line=line, hint=hint or None)


def _palette(default: Colors, given: _Palette) -> Colors:
    return msgspec.structs.replace(default, **given.model_dump(exclude_none=True))


def _faint(palette: Colors, key: str, positions: Positions, file: str) -> tuple[ContentError, ...]:
    pairs = (("text", "surface"), ("muted", "surface"), ("muted", "background"), ("on_accent", "accent"))
    return tuple(
        ContentError(
            f"{key}.{front} can hardly be read on {key}.{back}: contrast {ratio:.1f}",
            file=file,
            line=positions.line((key, front)),
            hint="4.5 is the least that most people can read: make one lighter or darker",
        )
        for front, back in pairs
        if (ratio := contrast(getattr(palette, front), getattr(palette, back))) < 4.5  # noqa: PLR2004  # WCAG 1.4.3, level AA
    )
