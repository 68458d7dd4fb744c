"""Browsers that push messages may go to. The permission that somebody gave in a browser is the consent, for that one.

So it needs nobody's signature, and no word from elsewhere gives it. It can be taken back for all browsers at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from rekindle.domain.absorb.absorbed import Absorbed
from rekindle.domain.events import Event
from rekindle.domain.facts import Consent, PushSubscription
from rekindle.domain.profile import EVERY_BROWSER, Browser, Profile
from rekindle.domain.push import browser_key, subscription_fault

#: Phone, tablet, a computer or two: of more browsers the one that was heard of longest ago is forgotten.
MAX_BROWSERS = 5


def take_push(profile: Profile, event: Event, told: PushSubscription) -> Absorbed:
    """Take a browser's subscription, or that it is no more."""
    key = told.browser or browser_key(told.endpoint)
    known = profile.browsers.get(key)
    if event.type == "push.unsubscribed":
        if known is None or known.at > told.at:
            return Absorbed(profile, ignored="older than what is known" if known else "already known")
        rest = {name: browser for name, browser in profile.browsers.items() if name != key}
        return Absorbed(replace(profile, browsers=rest), (event,))
    if subscription_fault(told.endpoint, told.p256dh, told.auth):
        return Absorbed(profile, ignored="no subscription that a push service would take")
    refused = profile.consent.get(f"push:{EVERY_BROWSER}")
    if refused is not None and refused.state != "subscribed" and refused.at >= told.at:
        return Absorbed(profile, ignored="push was refused later")
    if known is not None and known.at >= told.at:
        return Absorbed(profile, ignored="already known")
    fresh = Browser(told.at, told.endpoint, told.p256dh, told.auth)
    profile = replace(profile, browsers=few_browsers({**profile.browsers, key: fresh}))
    # A browser tells anew what it has, at every visit: only the first time is news.
    return Absorbed(profile, (event,)) if known is None else Absorbed(profile, ignored="already known")


def refuse_push(profile: Profile, event: Event, consent: Consent) -> Absorbed:
    """Take a word about push on the whole: a refusal forgets every browser that was known by then.

    Only a browser can allow it again: its own newer subscription does.
    """
    known = profile.consent.get(f"push:{EVERY_BROWSER}")
    if consent.state == "subscribed":
        return Absorbed(profile, ignored="only a browser can allow push")
    if known is not None and known.at >= consent.at:
        return Absorbed(profile, ignored="older than what is known")
    act = replace(consent, address=EVERY_BROWSER, address_key=None)
    rest = {name: browser for name, browser in profile.browsers.items() if browser.at > consent.at}
    profile = replace(profile, consent={**profile.consent, f"push:{EVERY_BROWSER}": act}, browsers=rest)
    return Absorbed(profile, (replace(event, data=act),))


def few_browsers(browsers: Mapping[str, Browser]) -> dict[str, Browser]:
    """Return at most `MAX_BROWSERS` of these: those heard of last."""
    newest = sorted(browsers, key=lambda name: (browsers[name].at, name), reverse=True)[:MAX_BROWSERS]
    return {name: browsers[name] for name in sorted(newest)}
