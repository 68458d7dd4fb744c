"""The pages' words in Arabic."""

from __future__ import annotations

TEXTS = {
    "close": "يمكنك إغلاق هذه الصفحة.",
    "date": "{day} {month} {year}",
    "month.1": "يناير",
    "month.2": "فبراير",
    "month.3": "مارس",
    "month.4": "أبريل",
    "month.5": "مايو",
    "month.6": "يونيو",
    "month.7": "يوليو",
    "month.8": "أغسطس",
    "month.9": "سبتمبر",
    "month.10": "أكتوبر",
    "month.11": "نوفمبر",
    "month.12": "ديسمبر",
    # --- forms
    "wrong": "يُرجى مراجعة ما يلي",
    "wrong.said": "لم يُحفظ شيء بعد.",
    "trap": "يُترك هذا الحقل فارغًا",
    "bad": "هذا الرابط لا يعمل",
    "bad.said": "ربما قطعه برنامج البريد لديك. يمكنك فتح الرسالة من جديد واستخدام الرابط الذي في آخرها، "
    "أو الردّ عليها، وسيتولّى المتجر الأمر.",
    # --- unsubscribe
    "unsubscribe.ask": "إلغاء الاشتراك في رسائل {shop}؟",
    "unsubscribe.ask.nameless": "إلغاء الاشتراك؟",
    "unsubscribe.ask.said": "لن تصلك بعد الآن نشرات {shop} وعروضها. أما رسائل طلباتك فستظل تصلك.",
    "unsubscribe.ask.said.nameless": "لن تصلك بعد الآن نشرات وعروض. أما رسائل طلباتك فستظل تصلك.",
    "unsubscribe.button": "إلغاء الاشتراك",
    "unsubscribe.done": "أُلغي اشتراكك",
    "unsubscribe.done.said": "لن تُرسل إلى هذا العنوان نشرات {shop} وعروضها بعد الآن. أما رسائل طلباتك فستظل تصلك.",
    "unsubscribe.done.said.nameless": "لن تُرسل إلى هذا العنوان نشرات وعروض بعد الآن. أما رسائل طلباتك فستظل تصلك.",
    "unsubscribe.rather": "أفضّل رسائل أقل، أو بعضها فقط",
    "unsubscribe.again": "اختيار ما يصلني من الآن فصاعدًا",
}
