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
    # --- preferences
    "preferences": "What you get from {shop}",
    "preferences.nameless": "What you get",
    "preferences.said": "Choose what {shop} sends you, and how often. Mails about your orders always reach you.",
    "preferences.said.nameless": "Choose what is sent to you, and how often. Mails about your orders always reach you.",
    "preferences.saved": "Saved",
    "preferences.saved.said": "What you chose holds from now on. Something that was on its way "
    "already may still arrive.",
    "preferences.save": "Save",
    "preferences.channels": "How may we reach you?",
    "preferences.channel.email": "E-mail to {address}",
    "preferences.channel.sms": "Text messages to {address}",
    "preferences.channel.push": "Notifications in your browser",
    "preferences.dead": "Mails to {address} came back to us, so none are sent there. If the "
    "address works again, tell the shop.",
    "preferences.elsewhere": "This link was sent to another address. To get mails again, use the link in a newer mail.",
    "preferences.topics": "What would you like to hear about?",
    "preferences.frequency": "How often?",
    "preferences.frequency.everything": "Whatever comes",
    "preferences.frequency.weekly": "At most one message a week",
    "preferences.frequency.monthly": "At most one message a month",
    "preferences.rest": "Need a break?",
    "preferences.pause": "Pause everything for 30 days",
    "preferences.pause.hint": "Then it goes on by itself.",
    "preferences.paused": "Paused until {date}",
    "preferences.paused.hint": "Take the tick away to go on now.",
    "preferences.language": "Language",
    "preferences.language.hint": "Of our mails, and of this page",
    "preferences.birthday": "Your birthday",
    "preferences.birthday.hint": "Day and month are enough.",
    "preferences.birthday.known": "We know it. Fill this in only to change it.",
    "preferences.birthday.part": "Fill in both the day and the month.",
    "preferences.birthday.wrong": "There is no such day. Check day, month and year.",
    "preferences.day": "Day",
    "preferences.month": "Month",
    "preferences.month.none": "–",
    "preferences.year": "Year, if you like",
    "preferences.forget": "Forget my birthday",
    "preferences.stop": "Rather nothing at all?",
    "preferences.stop.said": "You will get no more newsletters and offers from {shop}, on any "
    "channel. Mails about your orders still reach you.",
    "preferences.stop.said.nameless": "You will get no more newsletters and offers, on any channel. Mails "
    "about your orders still reach you.",
    "preferences.stop.button": "Unsubscribe from everything",
    "preferences.stopped": "You are unsubscribed from everything",
    "preferences.stopped.said": "No more newsletters and offers from {shop} will reach you. Mails "
    "about your orders still do.",
    "preferences.stopped.said.nameless": "No more newsletters and offers will reach you. Mails about your "
    "orders still do.",
    "preferences.nobody": "There is nothing to choose any more",
    "preferences.nobody.said": "{shop} keeps nothing about you. Should mails still reach this address, stop them here.",
    "preferences.nobody.said.nameless": "Nothing is kept about you. Should mails still reach this address, "
    "stop them here.",
    # --- stay or leave
    "stay": "Shall we go on writing to you?",
    "stay.said": "You have not opened a mail from {shop} for some time. Tell us how you would like it from now on. "
    "Mails about your orders always reach you.",
    "stay.said.nameless": "You have not opened our mails for some time. Tell us how you would like it from now on. "
    "Mails about your orders always reach you.",
    "stay.stay": "Yes, go on as before",
    "stay.fewer": "Yes, but at most once a month",
    "stay.leave": "No, please stop",
    "stay.stay.done": "Good to have you with us",
    "stay.stay.done.said": "{shop} goes on writing to you as before.",
    "stay.stay.done.said.nameless": "We go on writing to you as before.",
    "stay.fewer.done": "At most once a month, then",
    "stay.fewer.done.said": "From now on {shop} writes to you at most once a month. Mails about your orders still "
    "reach you.",
    "stay.fewer.done.said.nameless": "From now on we write to you at most once a month. Mails about your orders "
    "still reach you.",
    "stay.leave.done": "You are unsubscribed",
    "stay.leave.done.said": "No more newsletters and offers from {shop} will reach you. Mails about your orders "
    "still do. Thank you for having been with us.",
    "stay.leave.done.said.nameless": "No more newsletters and offers will reach you. Mails about your orders still "
    "do. Thank you for having been with us.",
    # --- review
    "review": "How do you like it?",
    "review.ordered": "You ordered this on {date}. Say what you think of it: a few stars are enough, and a word "
    "helps others.",
    "review.said": "Say what you think of your order: a few stars are enough, and a word helps others.",
    "review.stars": "Your stars",
    "review.stars.5": "Very good",
    "review.stars.4": "Good",
    "review.stars.3": "All right",
    "review.stars.2": "Not good",
    "review.stars.1": "Bad",
    "review.stars.none": "Choose how many stars you give.",
    "review.text": "A word about it",
    "review.text.hint": "If you like",
    "review.send": "Send",
    "review.done": "Thank you",
    "review.done.good": "We are glad that you like it. {shop} has read what you wrote.",
    "review.done.good.nameless": "We are glad that you like it, and have read what you wrote.",
    "review.done.fair": "Your word has reached {shop}. It helps to do better next time.",
    "review.done.fair.nameless": "Your word has reached us. It helps to do better next time.",
    "review.done.bad": "We are sorry. {shop} has got your word and will write to you to make it right.",
    "review.done.bad.nameless": "We are sorry. Your word has reached us, and we will write to you to make it right.",
    "review.sites": "Would you say it publicly, too?",
    # --- survey
    "survey": "Tell us a little about you",
    "survey.said": "Then {shop} writes to you about what you like, and not about the rest. Leave out whatever you "
    "like.",
    "survey.said.nameless": "Then we write to you about what you like, and not about the rest. Leave out whatever "
    "you like.",
    "survey.interests": "What are you interested in?",
    "survey.reward": "Which thank-you do you like best?",
    "survey.reward.discount": "A discount",
    "survey.reward.free_shipping": "Free shipping",
    "survey.reward.gift": "A small gift with the order",
    "survey.empty": "Answer at least one question.",
    "survey.done.said": "{shop} keeps to what you said from now on. You can change your birthday at any time.",
    "survey.done.said.nameless": "We keep to what you said from now on. You can change your birthday at any time.",
    "refused": "This could not be read",
    "refused.said": "It is not what the form on this page sends. Go back, load the page again and try once more.",
    "wrong.title": "Not saved: {title}",
    "wrong.choice": "Choose one of these.",
    "wrong.trap": "A field that nobody sees was filled in. Save once more from here.",
}
