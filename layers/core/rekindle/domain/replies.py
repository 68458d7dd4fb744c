"""What somebody who texts back asks for, where that is all that they say. Standard library only."""

from __future__ import annotations

import re
from typing import Literal

#: Whole messages by which somebody wants no more texts: those that carriers ask for (CONTRACTS, SMS), and their like in
#: the languages that shops write in. AWS answers the English ones by itself.
STOP_WORDS = frozenset(
    {
        "stop", "stopall", "cancel", "end", "quit", "remove", "revoke", "unsubscribe", "optout", "opt-out", "opt out",
        "arret", "arrêt", "td", "stopp", "alto", "baja", "parar", "sair",
        "إيقاف", "ايقاف", "توقف", "إلغاء", "الغاء", "إلغاء الاشتراك", "الغاء الاشتراك",
        "停止", "取消", "退訂", "退订", "取消訂閱", "取消订阅",
    }
)  # fmt: skip
#: … and by which somebody wants them again.
START_WORDS = frozenset({"start", "unstop", "ابدأ", "اشتراك", "開始", "开始", "訂閱", "订阅"})
#: What people add to such a word without meaning anything else.
_POLITE = frozenset(
    {"please", "pls", "plz", "thanks", "thank", "you", "now", "me", "sending", "texting", "texts", "messages"}
)
_OFFERED = re.compile(
    "|".join(sorted((rf"(?<!\w){re.escape(word)}(?!\w)" if word.isascii() else re.escape(word)) for word in STOP_WORDS))
)


def wish_of(text: str) -> Literal["stop", "start", "other"]:
    """Return what a text asks for, when that is all that it says: `Stop, please!` does, `stop by tomorrow` does not."""
    words = [word for word in re.findall(r"[\w-]+", text.casefold()) if word not in _POLITE]
    said = " ".join(words)
    if said in STOP_WORDS:
        return "stop"
    return "start" if said in START_WORDS else "other"


def offers_stop(text: str) -> bool:
    """Whether a text of ours names a word that takes whoever answers it off."""
    return _OFFERED.search(text.casefold()) is not None
