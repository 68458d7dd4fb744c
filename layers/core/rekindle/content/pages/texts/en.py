"""The pages' words in English."""

from __future__ import annotations

TEXTS = {
    "close": "You can close this page.",
    "date": "{day} {month} {year}",
    "month.1": "January",
    "month.2": "February",
    "month.3": "March",
    "month.4": "April",
    "month.5": "May",
    "month.6": "June",
    "month.7": "July",
    "month.8": "August",
    "month.9": "September",
    "month.10": "October",
    "month.11": "November",
    "month.12": "December",
    # --- forms
    "wrong": "Please look at this again",
    "wrong.said": "Nothing has been saved yet.",
    "trap": "Leave this empty",
    "bad": "This link does not work",
    "bad.said": "It may have been cut in two by your mail program. Open the mail again and use the link at its "
    "end, or answer the mail: the shop will see to it.",
    # --- unsubscribe
    "unsubscribe.ask": "Unsubscribe from {shop}?",
    "unsubscribe.ask.nameless": "Unsubscribe?",
    "unsubscribe.ask.said": "You will get no more newsletters and offers from {shop}. Mails about your orders still "
    "reach you.",
    "unsubscribe.ask.said.nameless": "You will get no more newsletters and offers. Mails about your orders still "
    "reach you.",
    "unsubscribe.button": "Unsubscribe",
    "unsubscribe.done": "You are unsubscribed",
    "unsubscribe.done.said": "No more newsletters and offers from {shop} will be sent to this address. "
    "Mails about your orders still reach you.",
    "unsubscribe.done.said.nameless": "No more newsletters and offers will be sent to this address. "
    "Mails about your orders still reach you.",
    "unsubscribe.rather": "Get less instead, or only some of it",
    "unsubscribe.again": "Choose what you get from now on",
}
