"""The language of flows, segments and manners: what a file may say, as pydantic models.

A model is both the check of a file's shape and, through `rekindle schema`, what an editor knows of the language: the
descriptions here are what it shows. `rekindle.flow.compile` turns models into what the engine runs. Imports pydantic,
so only `publish` and the command line import this module.
"""

from __future__ import annotations

import difflib
import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, WithJsonSchema, model_validator
from typing_extensions import TypeAliasType

from rekindle.domain.events import FLOW_EVENTS
from rekindle.flow.durations import PATTERN, UNITS, seconds
from rekindle.flow.local_time import RECIPIENT, WEEKDAYS, has_wall, zone

NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
#: How long a trigger that is heard of late still starts something, unless the flow says otherwise.
DEFAULT_MAX_AGE = 86_400
DEFAULT_TIMEOUT = 30 * 86_400
#: When a date's day begins for us, unless told otherwise.
DEFAULT_AT = "09:00"
#: The most rounds of a `repeat`.
MAX_TIMES = 100

_DAY = 86_400
_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
_DATE = r"\d{4}-\d\d-\d\d"
_AMOUNT = re.compile(r"\{\{(.+)\}\}\s*([smhdw])", re.DOTALL)
_WHOLE = re.compile(r"\{\{(.+)\}\}", re.DOTALL)
_NAMED_DAYS = {"weekdays": WEEKDAYS[:5], "weekend": WEEKDAYS[5:]}
_SENDER = re.compile(r"(?:[^<>@\n]{1,100} <[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+\.[^\s<>@]+)\Z")
_ORIGIN = re.compile(r"(?:\+[1-9]\d{4,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11})\Z")


#: What a UTM parameter may be called, and what may stand in its text for what the message itself is of.
UTM_NAMES = ("source", "medium", "campaign", "term", "content")
UTM_PLACES = ("channel", "flow", "step", "shop")
_PLACE = re.compile(r"\{([^{}]*)\}")

# --- values ----------------------------------------------------------------------------------------------------------


class Length(NamedTuple):
    """A length of time: `seconds`, as many times as the expression `amount` says where there is one."""

    seconds: int
    amount: str = ""


def _event_type(value: object) -> object:
    if isinstance(value, str) and value not in FLOW_EVENTS:
        near = difflib.get_close_matches(value, FLOW_EVENTS, 1)
        raise ValueError(f"no event is called '{value}'" + (f": did you mean '{near[0]}'?" if near else ""))
    return value


def _name(value: object) -> object:
    if isinstance(value, str) and not re.match(NAME, value):
        raise ValueError(f"'{value}' cannot be a name: use small letters, digits and dashes, at most 63")
    return value


def _time(value: object) -> object:
    if not isinstance(value, str) or not re.match(_TIME, value):
        raise ValueError(f"'{value}' is not a time of day: write for instance 09:00")
    return value


def _end(value: object) -> object:
    return value if value == "24:00" else _time(value)


def _days(value: object) -> object:
    listed = _NAMED_DAYS.get(value, [value]) if isinstance(value, str) else value
    if not isinstance(listed, (list, tuple)) or not listed or not set(map(str, listed)) <= set(WEEKDAYS):
        raise ValueError(f"write weekdays, weekend, or a list of {', '.join(WEEKDAYS)}")
    return tuple(sorted({WEEKDAYS.index(day) for day in listed}))


def _whole_days(value: object) -> int:
    length = seconds(value)
    if length % _DAY:
        raise ValueError(f"'{value}' is not a number of whole days: write for instance 7d, and the hour with 'at'")
    return length // _DAY


def _offset(value: object) -> int:
    text = value.strip() if isinstance(value, str) else ""
    return -_whole_days(text[1:]) if text.startswith("-") else _whole_days(text.removeprefix("+") or value)


def _wait(value: object) -> Length:
    found = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None:
        return Length(UNITS[found.group(2)], found.group(1).strip())
    if isinstance(value, str) and "{{" in value:
        raise ValueError(f"'{value}' lacks its unit: write for instance \"{{{{ event.item_count }}}}d\"")
    return Length(seconds(value))


def _utm_text(value: object) -> object:
    if value in (False, "off"):
        return ""
    if not isinstance(value, str) or not value.strip() or len(value) > 100 or not value.isprintable():  # noqa: PLR2004 - what an analytics report can show
        raise ValueError("this cannot be a UTM parameter: write a short text, or off")
    unknown = sorted(set(_PLACE.findall(value)) - set(UTM_PLACES))
    if unknown:
        there = ", ".join(f"{{{name}}}" for name in UTM_PLACES)
        raise ValueError(f"{{{unknown[0]}}} means nothing here: there are {there}")
    if "{" in _PLACE.sub("", value) or "}" in _PLACE.sub("", value):
        raise ValueError("a curly bracket stands alone: write for instance {flow}")
    return value.strip()


def _utm(value: object) -> object:
    if value in (False, "off"):
        return dict.fromkeys(UTM_NAMES, "off")
    if not isinstance(value, dict):
        raise ValueError("this says nothing of UTM parameters: write off, or source, medium, campaign, term, content")  # noqa: TRY004 - pydantic's way to be told
    return value


def _again(value: object) -> int | None:
    if value == "never":
        return None
    if value == "always":
        return 0
    try:
        return seconds(value)
    except ValueError as error:
        raise ValueError(f"{error}, or never, or always") from error


def _share(value: object) -> int:
    found = re.fullmatch(r"(\d{1,2}(?:\.\d{1,2})?)\s*%", value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"'{value}' is not a share below 100%: write for instance 10%")
    return round(float(found.group(1)) * 100)


def _moment(value: object) -> str:
    text = value.strip().replace(" ", "T") if isinstance(value, str) else ""
    whole = f"{text}T00:00" if re.fullmatch(_DATE, text) else text
    if not re.fullmatch(rf"{_DATE}T\d\d:\d\d", whole) or not has_wall(whole):
        raise ValueError(f"'{value}' is no day and no moment: write for instance 2026-11-27 or 2026-11-27T10:00")
    return whole


def _once(value: object) -> str:
    text = value.strip().replace(" ", "T") if isinstance(value, str) else ""
    if not re.fullmatch(rf"{_DATE}T\d\d:\d\d", text) or not has_wall(text):
        raise ValueError(f"'{value}' is not a moment: write day and time, for instance 2026-11-27T10:00")
    return text


def _zone(value: object) -> object:
    if isinstance(value, str) and value != RECIPIENT and zone(value) is None:
        raise ValueError(
            f"no time zone is called '{value}': write its IANA name, as in Europe/London, "
            f"or {RECIPIENT} for each person's own"
        )
    return value


def _constant(value: object) -> str:
    """Return the source of an expression that gives this constant, or the expression between `{{ }}`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "[" + ", ".join(repr(one) for one in value) + "]"
    text = value if isinstance(value, str) else None
    if text is None:
        raise ValueError("a trait is a text, a number, true, false, a list of texts, null, or an expression in {{ }}")
    whole = _WHOLE.fullmatch(text.strip())
    if whole is not None and "{{" not in whole.group(1):
        return whole.group(1).strip()
    if "{{" in text or "{%" in text:
        raise ValueError(f"'{text}' mixes text and an expression: write the expression alone, in {{{{ }}}}")
    return repr(text)


def _reason(value: object) -> str:
    if value is True:
        return "exit step"
    if not isinstance(value, str) or not value.strip():
        raise ValueError("say why, or true")
    return value


def _true(value: object) -> object:
    if value is not True:
        raise ValueError("write true")
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict) else value


def _text(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **more})


Duration = Annotated[int, BeforeValidator(seconds), _text(pattern=PATTERN, examples=["90m", "3d", "1d 12h"])]
WholeDays = Annotated[int, BeforeValidator(_whole_days), _text(pattern=r"^\s*(\d{1,6}\s*[hdw]\s*)+$", examples=["7d"])]
Offset = Annotated[
    int, BeforeValidator(_offset), _text(pattern=r"^\s*[+-]?(\d{1,6}\s*[hdw]\s*)+$", examples=["-7d", "3d"])
]
WaitLength = Annotated[
    Length,
    BeforeValidator(_wait),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": PATTERN},
                {"type": "string", "pattern": r"^\s*\{\{[\s\S]+\}\}\s*[smhdw]\s*$"},
            ],
            "examples": ["3d", "90m", "{{ event.item_count * 30 - shop.shipping_days - 3 }}d"],
        }
    ),
]
Again = Annotated[
    int | None,
    BeforeValidator(_again),
    WithJsonSchema({"anyOf": [{"enum": ["never", "always"]}, {"type": "string", "pattern": PATTERN}]}),
]
Percent = Annotated[int, BeforeValidator(_share), _text(pattern=r"^\d{1,2}(\.\d{1,2})?\s*%$", examples=["10%"])]
Moment = Annotated[
    str,
    BeforeValidator(_moment),
    _text(pattern=rf"^{_DATE}([T ]\d\d:\d\d)?$", examples=["2026-11-27", "2026-11-27T10:00"]),
]
Once = Annotated[str, BeforeValidator(_once), _text(pattern=rf"^{_DATE}[T ]\d\d:\d\d$", examples=["2026-11-27T10:00"])]
TimeOfDay = Annotated[str, BeforeValidator(_time), _text(pattern=_TIME, examples=["09:00"])]
EndOfDay = Annotated[str, BeforeValidator(_end), _text(pattern=r"^(([01]\d|2[0-3]):[0-5]\d|24:00)$")]
Zone = Annotated[str, BeforeValidator(_zone), _text(examples=["Europe/London", "recipient"])]
Days = Annotated[
    tuple[int, ...],
    BeforeValidator(_days),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": [*_NAMED_DAYS, *WEEKDAYS]},
                {"type": "array", "items": {"enum": list(WEEKDAYS)}, "minItems": 1},
            ]
        }
    ),
]
EventType = Annotated[str, BeforeValidator(_event_type), WithJsonSchema({"enum": sorted(FLOW_EVENTS)})]
Name = Annotated[str, BeforeValidator(_name), _text(pattern=NAME)]
Condition = Annotated[str, _text(examples=["event.total > 100", "'vip' in profile.tags"])]
Category = Literal["marketing", "transactional"]
ChannelName = Literal["email", "sms", "push"]
Expression = Annotated[
    str,
    BeforeValidator(_constant),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["string", "number", "boolean", "null"]},
                {"type": "array", "items": {"type": "string"}},
            ],
            "examples": ["gold", 3, True, "{{ event.total }}"],
        }
    ),
]
TraitName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
TagText = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]


class Model(BaseModel):
    """What every part of a file has in common: a name that is not known is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        defer_build=True,
        model_title_generator=lambda model: model.__name__.removesuffix("Model"),
    )


# --- rules and triggers ----------------------------------------------------------------------------------------------


class RuleModel(Model):
    """An event, and what must be true of it."""

    event: EventType = Field(description="The event's type.")
    when: Condition = Field("", description="What must be true of it, of the profile and of the run.")


class EventTriggerModel(Model):
    """Starts when something happens."""

    event: EventType = Field(description="The event's type.")
    when: Condition = Field("", description="What must be true of it and of the profile.")


class SegmentTriggerModel(Model):
    """Starts when somebody comes into a segment, or leaves it."""

    segment: Name = Field(description="The name of a file under segments/.")
    change: Literal["entered", "left"] = Field("entered", description="What happened.")
    when: Condition = Field("", description="What must be true of the profile beside.")


class _Dated(Model):
    before: WholeDays | None = Field(None, description="So many days before the day.")
    after: WholeDays | None = Field(None, description="So many days after it.")
    offset: Offset | None = Field(None, description="The same with a sign: -7d is seven days before.")

    @model_validator(mode="after")
    def _moved_once(self) -> _Dated:
        if sum(one is not None for one in (self.before, self.after, self.offset)) > 1:
            raise ValueError("say only one of before, after and offset")
        return self

    @property
    def days(self) -> int:
        """By how many days the day is moved."""
        return self.offset if self.offset is not None else (self.after or 0) - (self.before or 0)


class DateTriggerModel(_Dated):
    """Starts on a day that the profile names."""

    date: Condition = Field(
        description="An expression that gives the day.", examples=["profile.birthday", "profile.first_order_at"]
    )
    at: TimeOfDay = Field(DEFAULT_AT, description="The time of day, on the person's own clock.")
    yearly: bool | None = Field(None, description="Every anniversary. A birthday is, unless told otherwise.")
    when: Condition = Field("", description="What must be true of the profile on that day.")


class ProductTriggerModel(Model):
    """Starts when a product that somebody looked at or asked for changes."""

    product: Literal["price_dropped", "back_in_stock", "low_in_stock"] = Field(description="What happened to it.")
    when: Condition = Field("", description="What must be true: event.price, event.was, event.asked …")


class ScheduleModel(Model):
    """When a campaign goes out, and to whom."""

    once: Once | None = Field(None, description="One moment: day and time.")
    cron: str | None = Field(
        None,
        description="Again and again: minute, hour, day of the month, month, weekday.",
        examples=["0 10 * * mon", "0 9 1 * *"],
    )
    holiday: str | None = Field(None, description="Every year's day of that name.", examples=["black-friday"])
    before: WholeDays | None = Field(None, description="So many days before the holiday.")
    after: WholeDays | None = Field(None, description="So many days after it.")
    at: TimeOfDay | None = Field(None, description="The time of day, for a holiday; 10:00 unless told otherwise.")
    zone: Zone | None = Field(
        None, description="The time zone; the shop's unless told otherwise; recipient: each person's own."
    )
    segment: Name | None = Field(None, description="To whom: the name of a file under segments/. Else everybody.")

    @model_validator(mode="after")
    def _one_kind(self) -> ScheduleModel:
        given = [one for one in ("once", "cron", "holiday") if getattr(self, one) is not None]
        if len(given) != 1:
            raise ValueError("a schedule has exactly one of once, cron, holiday")
        if self.holiday is None and (self.before is not None or self.after is not None or self.at is not None):
            raise ValueError(f"before, after and at belong to a holiday: {given[0]} says the time itself")
        if self.before is not None and self.after is not None:
            raise ValueError("say only one of before and after")
        return self


class ScheduleTriggerModel(Model):
    """A campaign: starts at a time, for everybody in a segment."""

    schedule: ScheduleModel = Field(description="When, and for whom.")
    when: Condition = Field("", description="What must be true of each profile at that moment.")


class ManualTriggerModel(Model):
    """Starts when somebody of the shop says so, for one person."""

    manual: Annotated[bool, BeforeValidator(_true), WithJsonSchema({"const": True})] = Field(description="true")
    when: Condition = Field("", description="What must be true of the profile.")


TRIGGERS = ("event", "segment", "date", "product", "schedule", "manual")


def _trigger_kind(value: object) -> str | None:
    if not isinstance(value, dict):
        return None
    kinds = [kind for kind in TRIGGERS if kind in value]
    return kinds[0] if len(kinds) == 1 else None


TriggerModel = TypeAliasType(
    "TriggerModel",
    Annotated[
        Annotated[EventTriggerModel, Tag("event")]
        | Annotated[SegmentTriggerModel, Tag("segment")]
        | Annotated[DateTriggerModel, Tag("date")]
        | Annotated[ProductTriggerModel, Tag("product")]
        | Annotated[ScheduleTriggerModel, Tag("schedule")]
        | Annotated[ManualTriggerModel, Tag("manual")],
        Discriminator(
            _trigger_kind,
            custom_error_type="one_kind",
            custom_error_message=f"a trigger has exactly one of {', '.join(TRIGGERS)}",
        ),
    ],
)

# One rule, or a list of them: what the file says for one is not changed when a second comes.
Rules = Annotated[list[RuleModel], BeforeValidator(_as_list, json_schema_input_type=RuleModel | list[RuleModel])]
Triggers = Annotated[
    list[TriggerModel],
    Field(min_length=1),
    BeforeValidator(_as_list, json_schema_input_type=TriggerModel | Annotated[list[TriggerModel], Field(min_length=1)]),
]


class WindowModel(Model):
    """From when until when people may enter, on the shop's clock."""

    from_: Moment | None = Field(None, alias="from", description="Nobody enters before. A day begins at midnight.")
    until: Moment | None = Field(None, description="Nobody enters from then on. A day begins at midnight.")

    @model_validator(mode="after")
    def _opens_first(self) -> WindowModel:
        if self.from_ is None and self.until is None:
            raise ValueError("say from, until, or both")
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise ValueError("it closes before it opens: 'until' must be later than 'from'")
        return self


class EntryModel(Model):
    """Who may enter, how often, and what a newer trigger does."""

    key: Condition = Field(
        "", description="One run for each of these; without a key, one for each person.", examples=["event.id"]
    )
    again: Again = Field(None, description="Whether somebody enters a second time: never, always, or after a time.")
    restart: bool = Field(
        default=False,
        description="A newer trigger sets a run that has not sent anything back to its first step.",
    )
    gather: bool = Field(
        default=False,
        description="A newer trigger, under whatever key, joins a run that has not sent anything: its mail shows both.",
    )
    max_age: Duration = Field(DEFAULT_MAX_AGE, description="A trigger that is heard of later starts nothing.")
    window: WindowModel | None = Field(None, description="From when until when people may enter.")
    holdout: Percent = Field(0, description="Of all people so many never enter, always the same ones, to measure.")
    at_once: int | None = Field(
        None, ge=1, le=1000, description="How many runs of this flow one person may have at a time."
    )

    @model_validator(mode="after")
    def _one_or_the_other(self) -> EntryModel:
        if self.restart and self.gather:
            raise ValueError("say restart or gather: a newer trigger takes the place of the old one, or joins it")
        return self


# --- manners ---------------------------------------------------------------------------------------------------------


class HoursModel(Model):
    """A part of the day, over midnight where `to` is earlier than `from`."""

    from_: TimeOfDay = Field(alias="from", description="Begins, on the recipient's clock.")
    to: EndOfDay = Field(description="Ends; 24:00 is midnight.")
    on: Days = Field((), description="The days on which it begins; every day unless told otherwise.")

    @model_validator(mode="after")
    def _some_time(self) -> HoursModel:
        if self.from_ == self.to:
            raise ValueError("it begins when it ends: give it some time")
        return self


class CapModel(Model):
    """At most so many marketing messages within a time, across all flows."""

    most: int = Field(ge=1, le=1000, description="How many at most.")
    within: Duration = Field(description="In how long.")
    channel: ChannelName | None = Field(None, description="Of this channel; of all together unless told otherwise.")


HoursList = Annotated[list[HoursModel], BeforeValidator(_as_list, json_schema_input_type=HoursModel | list[HoursModel])]
Caps = Annotated[list[CapModel], BeforeValidator(_as_list, json_schema_input_type=CapModel | list[CapModel])]


class MannersModel(Model):
    """When marketing may be sent. Transactional messages are exempt."""

    quiet: dict[ChannelName, HoursList] | None = Field(
        None, description="When nothing goes out, on the recipient's clock; what falls into it waits. [] for never."
    )
    windows: dict[ChannelName, HoursList] | None = Field(
        None, description="The only times at which something goes out; what falls outside waits."
    )
    caps: Caps | None = Field(None, description="How many messages somebody gets at most, across all flows.")
    apart: dict[ChannelName, Duration] | None = Field(
        None, description="How much time must lie between two messages (smart sending); 0h for none."
    )
    otherwise: Literal["skip", "wait"] | None = Field(
        None, description="What to do with a message that caps or smart sending forbid now; skip unless told otherwise."
    )


# --- steps -----------------------------------------------------------------------------------------------------------


class _Step(Model):
    id: Name | None = Field(None, description="The step's name, where you want to keep one.")


class WaitModel(_Step):
    """Do nothing for a while."""

    wait: WaitLength = Field(description="How long: 90m, 3d, 1d 12h, or an expression and a unit.")


class WaitUntilModel(_Dated, _Step):
    """Do nothing until a time of day on the recipient's own clock, or until a day."""

    wait_until: str = Field(
        description="A time of day (10:00), a day (2026-11-27), or an expression that gives a day (profile.birthday)."
    )
    on: Days = Field((), description="With a time of day: only on these days.")
    at: TimeOfDay | None = Field(None, description="With a day: the time of day; 09:00 unless told otherwise.")
    yearly: bool | None = Field(None, description="With a day: its next anniversary. A birthday is.")

    @property
    def timed(self) -> bool:
        """Whether it names a time of day, and not a day."""
        return re.match(r"\d{1,2}:", self.wait_until) is not None

    @model_validator(mode="after")
    def _fits(self) -> WaitUntilModel:
        if self.timed:
            _time(self.wait_until)
            moved = (self.before, self.after, self.offset, self.at, self.yearly)
            if any(one is not None for one in moved):
                raise ValueError("before, after, offset, at and yearly belong to a day, not to a time of day")
        elif self.fixed and not has_wall(self.wait_until.strip()):
            raise ValueError(f"there is no {self.wait_until}: write a day of the calendar, such as 2026-11-27")
        elif self.on:
            raise ValueError("'on' belongs to a time of day, not to a day")
        return self

    @property
    def fixed(self) -> bool:
        """Whether it names one day of the calendar."""
        return re.fullmatch(_DATE, self.wait_until.strip()) is not None

    @property
    def day(self) -> str:
        """The expression that gives the day."""
        return repr(self.wait_until.strip()) if self.fixed else self.wait_until


class AwaitedModel(RuleModel):
    """An event that is waited for, and for how long at most."""

    limit: Duration = Field(description="How long at most.")


class WaitForModel(_Step):
    """Do nothing until something happens, or until it has not happened for long enough."""

    wait_for: AwaitedModel = Field(description="What is waited for.")
    then: list[StepModel] = Field([], description="What to do when it came.")
    else_: list[StepModel] = Field([], alias="else", description="What to do when it did not.")


class _Send(_Step):
    category: Category | None = Field(None, description="marketing needs consent; the flow's unless told otherwise.")
    valid_for: Duration | None = Field(
        None, description="How long it is worth sending if sending is held up: 1d for marketing, 3d for transactional."
    )
    manners: Literal["skip", "wait"] | None = Field(
        None, description="What to do when manners forbid it now: skip it, or wait until they allow it."
    )
    offer: Name | None = Field(None, description="What it gives: the name of a file under offers/, for coupon.…")
    offer_if: Condition | None = Field(
        None, description="Give it only where this is true; elsewhere the message goes without."
    )
    code: Annotated[str, Field(pattern=r"^\S{1,64}$")] | None = Field(
        None, description="A code that stands in it and works already, for coupon.code; say offer for all else."
    )

    @model_validator(mode="after")
    def _gives_one(self) -> _Send:
        if self.offer is not None and self.code is not None:
            raise ValueError("say offer or code: an offer has its code")
        if self.offer_if is not None and self.offer is None:
            raise ValueError("offer_if says when an offer is given: say which, with offer")
        return self


class EmailModel(_Send):
    """Send a mail: the name of a folder under emails/."""

    email: Name = Field(description="The name of a folder under emails/.")
    from_: str | None = Field(None, alias="from", description="Who it comes from, if not the shop's own sender.")

    @model_validator(mode="after")
    def _whose(self) -> EmailModel:
        if self.from_ is not None and not _SENDER.match(self.from_):
            raise ValueError(f"'{self.from_}' sends no mail: write an address, or Name <address>")
        return self


class SmsModel(_Send):
    """Send a text message: the name of a file under sms/."""

    sms: Name = Field(description="The name of a file under sms/.")
    from_: str | None = Field(None, alias="from", description="Who it comes from: a number, or up to 11 letters.")

    @model_validator(mode="after")
    def _whose(self) -> SmsModel:
        if self.from_ is not None and not _ORIGIN.match(self.from_):
            raise ValueError(f"'{self.from_}' sends no SMS: write a number as in +3197…, or up to 11 letters")
        return self


class PushModel(_Send):
    """Send a push message: the name of a file under push/."""

    push: Name = Field(description="The name of a file under push/.")


class AudienceModel(_Step):
    """Add the person to an ads audience, or remove them from it."""

    audience: Name = Field(description="The audience's name.")
    action: Literal["add", "remove"] = Field("add", description="What to do.")
    until: EventType | None = Field(
        None, description="The event that takes them off again, also when the flow is over: order.placed."
    )

    @model_validator(mode="after")
    def _ends(self) -> AudienceModel:
        if self.until is not None and self.action == "remove":
            raise ValueError("until says when somebody who is added comes off again: leave it out")
        return self


class NotifyModel(_Step):
    """Write to the shop's own people."""

    notify: Name = Field(description="The name of a folder under emails/; its mail is transactional.")


class Changes(Model):
    """What is written down about the person."""

    traits: dict[TraitName, Expression] = Field(
        {}, description="Trait → value; {{ }} around an expression; null takes a trait back."
    )
    tags: list[TagText] = Field([], description="Tags to put on.")
    untags: list[TagText] = Field([], description="Tags to take off.")

    @model_validator(mode="after")
    def _something(self) -> Changes:
        if not (self.traits or self.tags or self.untags):
            raise ValueError("say what to set: traits, tags or untags")
        both = sorted(set(self.tags) & set(self.untags))
        if both:
            raise ValueError(f"'{both[0]}' is put on and taken off: keep one")
        return self


class SetModel(_Step):
    """Write down something about the person."""

    set: Changes = Field(description="Traits and tags.")


class SuppressModel(_Step):
    """Give the person up: no more marketing to their address, until they agree to it anew."""

    suppress: Name = Field(description="Why, in a word, for lists and the ledger: sunset.")
    channel: Literal["email", "sms"] = Field("email", description="Of which channel; email unless told otherwise.")


class Rounds(Model):
    """How often."""

    times: int = Field(ge=1, le=MAX_TIMES, description="How many rounds at most.")
    until: Condition = Field("", description="No further round once this is true; looked at before each.")


class RepeatModel(_Step):
    """Go through steps several times."""

    repeat: Rounds = Field(description="How often, and until when.")
    steps: list[StepModel] = Field(min_length=1, description="The steps of one round.")


class ExitModel(_Step):
    """Leave the flow here."""

    exit: Annotated[
        str, BeforeValidator(_reason), WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"const": True}]})
    ] = Field(description="Why, for the ledger; or true.")


class ArmModel(Model):
    """One way on: the first whose `if` is true is taken; `else` stands last."""

    if_: Condition | None = Field(None, alias="if", description="Go this way when this is true.")
    else_: Annotated[bool, BeforeValidator(_true), WithJsonSchema({"const": True})] | None = Field(
        None, alias="else", description="true: go this way when nothing above is."
    )
    steps: list[StepModel] = Field([], description="The steps of this way.")


class BranchModel(_Step):
    """Go one of several ways."""

    branch: list[ArmModel] = Field(min_length=1, description="The ways, in the order in which they are looked at.")


class WayModel(Model):
    """One way of a split: how many of all go it, as a weight."""

    share: int = Field(gt=0, le=1000, description="How many of all go this way, as a weight.")
    name: Name | None = Field(None, description="What it is called in the ledger: a, b, … unless told otherwise.")
    steps: list[StepModel] = Field([], description="The steps of this way.")


class SplitModel(_Step):
    """Send people different ways, each always the same one."""

    split: list[WayModel] = Field(min_length=2, max_length=26, description="The ways.")


STEPS = (
    "wait", "wait_until", "wait_for", "branch", "split", "repeat",
    "email", "sms", "push", "notify", "audience", "set", "suppress", "exit",
)  # fmt: skip


def step_kind(value: object) -> str | None:
    """Return which step a mapping is, or `None` where it is none, or several."""
    if not isinstance(value, dict):
        return None
    kinds = [kind for kind in STEPS if kind in value]
    return kinds[0] if len(kinds) == 1 else None


StepModel = TypeAliasType(
    "StepModel",
    Annotated[
        Annotated[WaitModel, Tag("wait")]
        | Annotated[WaitUntilModel, Tag("wait_until")]
        | Annotated[WaitForModel, Tag("wait_for")]
        | Annotated[BranchModel, Tag("branch")]
        | Annotated[SplitModel, Tag("split")]
        | Annotated[RepeatModel, Tag("repeat")]
        | Annotated[EmailModel, Tag("email")]
        | Annotated[SmsModel, Tag("sms")]
        | Annotated[PushModel, Tag("push")]
        | Annotated[NotifyModel, Tag("notify")]
        | Annotated[AudienceModel, Tag("audience")]
        | Annotated[SetModel, Tag("set")]
        | Annotated[SuppressModel, Tag("suppress")]
        | Annotated[ExitModel, Tag("exit")],
        Discriminator(
            step_kind,
            custom_error_type="one_kind",
            custom_error_message=f"a step has exactly one of {', '.join(STEPS)}",
        ),
    ],
)


# --- files -----------------------------------------------------------------------------------------------------------


UtmText = Annotated[str, BeforeValidator(_utm_text, json_schema_input_type=str | Literal[False])]


class UtmModel(Model):
    """UTM parameters on links to the shop: a text each, or off. {channel}, {flow}, {step} and {shop} are filled in."""

    source: UtmText | None = Field(None, description="Who sends: rekindle, unless told otherwise.")
    medium: UtmText | None = Field(None, description="How: {channel}, unless told otherwise, which is email or sms.")
    campaign: UtmText | None = Field(None, description="What for: {flow}, unless told otherwise.")
    term: UtmText | None = Field(None, description="Left out, unless told otherwise.")
    content: UtmText | None = Field(None, description="Which one: {step}, unless told otherwise.")

    def told(self) -> dict[str, str]:
        """Return parameter → text of what the file says; an empty text leaves the parameter out."""
        return {name: text for name in UTM_NAMES if (text := getattr(self, name)) is not None}


Utm = Annotated[UtmModel, BeforeValidator(_utm, json_schema_input_type=UtmModel | Literal["off", False])]


class FlowModel(Model):
    """A flow: what starts it, what happens to whoever enters, and when they leave. Its name is the file's."""

    trigger: Triggers = Field(description="What starts it: one trigger, or a list of which any does.")
    steps: list[StepModel] = Field(min_length=1, description="What happens, one step after another.")
    title: str = Field("", description="What people call it.")
    description: str = Field("", description="What it is for.")
    enabled: bool = Field(default=False, description="Whether it is on where a shop's file does not say.")
    category: Category = Field("marketing", description="What its messages are, unless a step says otherwise.")
    replaces: Literal["orders", "carts"] | None = Field(
        None, description="Which of the shop's own mails it says the same as: it stays off until those are."
    )
    topic: Name | None = Field(
        None, description="What its marketing is about, a name in topics.yaml: people can switch it off."
    )
    priority: int = Field(0, ge=-1000, le=1000, description="Goes first where flows compete: higher before lower.")
    entry: EntryModel = Field(
        default_factory=lambda: EntryModel.model_validate({}), description="Who may enter, and how often."
    )
    goal: Rules = Field([], description="Ends a run, and counts as a conversion.")
    exit_on: Rules = Field([], description="Ends a run, and counts as nothing.")
    timeout: Duration = Field(DEFAULT_TIMEOUT, description="Ends a run that takes longer; 30d unless told otherwise.")
    if_removed: Literal["finish", "end"] = Field(
        "finish", description="When this file is deleted, whoever is inside finishes, or ends at once."
    )
    manners: MannersModel | None = Field(None, description="Other manners than those of manners.yaml, for this flow.")
    utm: Utm | None = Field(None, description="Other UTM parameters than the shop's, for this flow's links; or off.")


class SegmentModel(Model):
    """A segment: everybody for whom `when` is true, live. Its name is the file's."""

    when: Condition = Field(
        description="What is true of everybody in it.",
        examples=["profile.orders == 1 and since(profile.last_order_at) < '60d'"],
    )
    title: str = Field("", description="What people call it.")
    description: str = Field("", description="What it is for.")


TraitKind = Literal["text", "number", "flag", "date", "list"]
