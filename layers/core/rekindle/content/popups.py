"""Read what marketers write about sign-up popups: checked values out, every error with its line.

Publish only: imports pydantic, and Babel through `rekindle.content.locales`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from rekindle.content.languages import pick
from rekindle.content.sites import Popup, Words
from rekindle.content.sources import Line, Locale, Model, Switch, shaped
from rekindle.domain.errors import ContentError
from rekindle.flow.durations import PATTERN, seconds


def _length(value: str) -> str:
    if not seconds(value):
        raise ValueError("no time at all: write for instance 20s or 30d")
    return value


Length = Annotated[str, AfterValidator(_length), Field(pattern=PATTERN)]


class _Moments(Model):
    after: Length | None = Field(None, description="So long after the page is looked at.", examples=["20s"])
    scroll: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="When so much of the page was scrolled."
    )
    exit: Switch = Field(False, description="When the mouse leaves the page at its top.")


class _Written(Model):
    heading: Line
    text: Line
    button: Line
    thanks: Line = Field(description="What is said once it was sent.")
    small: Line | None = Field(None, description="What stands below, smaller: what they agree to.")
    email: Line | None = Field(None, description="What stands above the field.")
    close: Line | None = Field(None, description="What screen readers say of the cross.")
    failed: Line | None = Field(None, description="What is said where it could not be sent.")
    name: Line | None = Field(None, description="What stands above the field for the first name.")
    push: Line | None = Field(
        None, description="On a button that asks for push messages once it was sent; there is none unless said."
    )
    birthday: Line | None = Field(None, description="What stands above the field for the birthday.")


class PopupFile(Model):
    """A sign-up popup on the shop's site. Its name is the file's."""

    model_config = ConfigDict(title="Popup")

    form: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$", description="What flows know it by: event.name.")]
    show: _Moments = Field(description="When; whichever comes first.")
    again: Length = Field("30d", description="Not a second time within.", examples=["30d"])
    shops: list[str] = Field([], description="Those that show it; all unless said.")
    enabled: Switch = Field(True, description="off: nobody sees it.")
    except_: list[Annotated[str, Field(pattern=r"^/", max_length=200)]] = Field(
        [], alias="except", description="Not on pages whose path begins so.", examples=[["/pages/jobs"]]
    )
    asks: Annotated[list[Literal["first_name", "birthday"]], Field(max_length=2)] = Field(
        [], description="What it asks for beside the address, as nobody has to say.", examples=[["first_name"]]
    )
    texts: dict[Locale, _Written] = Field(description="What it says, by language.")


#: What nobody has to write, by language.
_USUAL = {
    "en": (
        "Your e-mail address", "Close", "That did not work. Please try again.", "First name, if you like",
        "Birthday, if you like",
    ),
    "ar": (
        "بريدك الإلكتروني", "إغلاق", "تعذّر الإرسال. يُرجى المحاولة مرة أخرى.", "الاسم الأول (اختياري)",
        "تاريخ الميلاد (اختياري)",
    ),
    "zh-Hant": ("您的電子郵件地址", "關閉", "傳送失敗，請再試一次。", "名字（可不填）", "生日（可不填）"),
}  # fmt: skip


def parse_popup(text: str, *, file: str) -> tuple[Popup | None, tuple[ContentError, ...]]:
    """Return the popup of `popups/<name>.yaml`, or what is wrong with it. One that is off is read all the same."""
    found, problems, positions = shaped(PopupFile, text, file)
    if found is None:
        return None, problems
    if not (found.show.after or found.show.scroll or found.show.exit):
        hint = "write after: 20s, scroll: 50 or exit: on"
        return None, (ContentError("show: nothing says when", file=file, line=positions.line(("show",)), hint=hint),)
    if not found.texts:
        hint = "write them under texts: en:"
        return None, (ContentError("texts: it says nothing", file=file, line=positions.line(("texts",)), hint=hint),)
    return Popup(
        name=file.rpartition("/")[2].rpartition(".")[0],
        form=found.form,
        again=seconds(found.again),
        texts={language: _words(language, words) for language, words in sorted(found.texts.items())},
        shops=tuple(sorted(found.shops)),
        after=seconds(found.show.after) if found.show.after else 0,
        scroll=found.show.scroll or 0,
        exit=found.show.exit,
        except_=("/checkout", "/cart", *found.except_),
        enabled=found.enabled,
        asks=tuple(dict.fromkeys(found.asks)),
    ), ()


def _words(language: str, words: _Written) -> Words:
    email, close, failed, name, birthday = _USUAL[pick(_USUAL, language) or "en"]
    return Words(
        heading=words.heading,
        text=words.text,
        button=words.button,
        thanks=words.thanks,
        small=words.small or "",
        email=words.email or email,
        close=words.close or close,
        failed=words.failed or failed,
        name=words.name or name,
        birthday=words.birthday or birthday,
        push=words.push or "",
    )
