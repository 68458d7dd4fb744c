"""Short messages tried out before anybody gets them: said to a sample, in every shop and language. Publish only; pure.

What would not go out, or may not by law, is a problem; what costs more than it need, or is cut on a screen, a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from rekindle.content.context import clean
from rekindle.content.playbook import PublishedSet
from rekindle.content.samples import LINKS, NAMELESS, SAMPLE_SHOP, UNSUBSCRIBE, Sample, bare, counting, sample_of_mail
from rekindle.content.shorts import CompiledShort
from rekindle.content.texts import PushTemplate, RenderedPush, SmsTemplate, length
from rekindle.domain.errors import ContentError
from rekindle.domain.offers import Coupon
from rekindle.domain.replies import offers_stop
from rekindle.flow.compile import Use
from rekindle.flow.program import Flow, Shop

#: What a text is that needs no second look: more are paid for, each as one text.
MANY_SEGMENTS = 3
#: What most lock screens show of a title and of a body, in characters.
SHOWN_TITLE, SHOWN_BODY = 50, 150
#: So few signs that one could do without them are worth naming.
_FEW_SIGNS = 3
#: Senders that nobody can answer: a name instead of a number (AWS: a sender id).
_NAME = re.compile(r"(?!pool-|phone-|sender-|arn:)[A-Za-z0-9_-]*[A-Za-z][A-Za-z0-9_-]*\Z")


class Trial:
    """Tries short messages out; `problems` and `warnings` afterwards say what was found."""

    def __init__(
        self,
        files: Mapping[str, str],
        found: PublishedSet,
        flows: Mapping[str, Flow],
        uses: Mapping[str, tuple[Use, ...]],
    ) -> None:
        """Take all texts by their path, and the set as it would be published."""
        self._files = files
        self._found = found
        self._flows = flows
        self._uses = uses
        self.problems: list[ContentError] = []
        self.warnings: list[ContentError] = []

    def sms(self, text: CompiledShort[SmsTemplate]) -> None:
        """Try a text message out."""
        for template in (text.template, *text.translations.values()):
            file = self._file("sms", template.name, template.locale, "txt")

            def say(
                sample: Sample, shop: Shop, coupon: Coupon | None, one: SmsTemplate = template, *, sent: bool = False
            ) -> str:
                mails = msgspec.structs.replace(
                    self._found.mails, sms={one.name: one}, sms_translations={}, shops={shop.id: shop}
                )
                about = _about(sample, shop, one.locale, coupon)
                return mails.text(one.name, **about, tracker=counting(shop) if sent else None)

            before = len(self.problems)
            for shop, sample, said in self._each("sms", template.name, template.locale, file, say):
                on = "" if sample.name != NAMELESS else " when nothing is known but the event itself"
                if "sms" in shop.channels and self._is_marketing("sms", template.name, shop):
                    self._lawful(said, shop, file, on)
                    if len(self.problems) > before:
                        # In the other shops, and with less known, it is the same.
                        break
                if sample.name != NAMELESS:
                    # Links that count are longer, or shorter, than what they lead to.
                    self._costs(say(sample, shop, sample.given(shop), sent=True), file)

    def push(self, message: CompiledShort[PushTemplate]) -> None:
        """Try a push message out."""
        for template in (message.template, *message.translations.values()):
            file = self._file("push", template.name, template.locale, "yaml")

            def say(sample: Sample, shop: Shop, coupon: Coupon | None, one: PushTemplate = template) -> RenderedPush:
                mails = msgspec.structs.replace(
                    self._found.mails, push={one.name: one}, push_translations={}, shops={shop.id: shop}
                )
                return mails.push_message(one.name, **_about(sample, shop, one.locale, coupon))[0]

            for _, sample, shown in self._each("push", template.name, template.locale, file, say):
                if sample.name == NAMELESS:
                    continue
                for part, said, most in (("title", shown.title, SHOWN_TITLE), ("body", shown.body, SHOWN_BODY)):
                    if len(said) > most:
                        text = f"the {part} has {len(said)} characters, and screens show about {most}"
                        self._doubt(text, file, "say the most important thing first, or less")

    def _each(
        self, root: str, name: str, locale: str, file: str, say: Callable[[Sample, Shop, Coupon | None], Any]
    ) -> Iterator[tuple[Shop, Sample, Any]]:
        """Yield what is said in each shop, with everything known and with next to nothing."""
        try:
            tried = sample_of_mail(self._files, name, locale, root)
        except ContentError as problem:
            self._problem(problem)
            return
        sample = tried[0] if tried is not None else Sample()
        for shop in list(self._found.mails.shops.values()) or [SAMPLE_SHOP]:
            for one in (sample, bare(sample)):
                try:
                    said = say(one, shop, sample.given(shop))
                except ContentError as problem:
                    # Without a sample of its own a message is not tried on the event that it is about.
                    if tried is not None or one.name != NAMELESS:
                        on = "" if one.name != NAMELESS else " when nothing is known but the event itself"
                        hint = problem.hint or "give every value a fallback, with default"
                        self._problem(ContentError(f"{problem.message}{on}", file=file, line=1, hint=hint))
                    break
                yield shop, one, said

    def _is_marketing(self, channel: str, name: str, shop: Shop) -> bool:
        on = (f"flows/{flow.name}.yaml" for flow in self._flows.values() if shop.flows.get(flow.name, flow.enabled))
        return any(
            use.what == channel and use.name == name and use.category == "marketing"
            for file in on
            for use in self._uses.get(file, ())
        )

    def _lawful(self, said: str, shop: Shop, file: str, on: str) -> None:
        """Who writes, and how to be left alone: every marketing text says both, in its own language."""
        if (clean(shop.name) or "") not in said:
            text = f"a marketing text must say who writes{on}: the shop's name is not in it"
            self._problem(ContentError(text, file=file, line=1, hint="begin with {{ shop.name }}:"))
        if UNSUBSCRIBE in said:
            return
        if _NAME.match(shop.sms_sender):
            text = f"nobody can answer “{shop.sms_sender}”: a marketing text from it needs a link to unsubscribe{on}"
            self._problem(
                ContentError(text, file=file, line=1, hint="add {{ links.unsubscribe }}, or send from a number")
            )
        elif not offers_stop(said):
            text = f"a marketing text must say how to get no more{on}"
            self._problem(ContentError(text, file=file, line=1, hint="end with: Reply STOP to opt out (إيقاف, 退訂 …)"))

    def _costs(self, said: str, file: str) -> None:
        found = length(said)
        plain = length(said.translate(dict.fromkeys(map(ord, found.odd), "?"))).segments if found.odd else 0
        if found.odd and len(found.odd) <= _FEW_SIGNS and plain < found.segments:
            text = f"“{found.odd}” makes {found.segments} texts of what would be {plain} without"
            self._doubt(text, file, "phone networks charge for each: do without")
        elif found.segments > MANY_SEGMENTS:
            text = f"it is paid as {found.segments} texts: {found.units} signs of {found.alphabet}"
            self._doubt(text, file, "one text has 160 signs, or 70 in Arabic, Chinese and with emoji")

    def _file(self, root: str, name: str, locale: str, ending: str) -> str:
        own = f"{root}/{name}/{locale}.{ending}"
        return own if own in self._files else f"{root}/{name}.{ending}"

    def _problem(self, problem: ContentError) -> None:
        self.problems.append(problem)

    def _doubt(self, message: str, file: str, hint: str) -> None:
        self.warnings.append(ContentError(message, file=file, line=1, hint=hint))


def _about(sample: Sample, shop: Shop, locale: str, coupon: Coupon | None) -> dict[str, Any]:
    return {
        "profile": sample.person(shop, locale or None),
        "run": sample.trip("draft"),
        "products": sample.products,
        "links": LINKS,
        "coupon": coupon,
    }
