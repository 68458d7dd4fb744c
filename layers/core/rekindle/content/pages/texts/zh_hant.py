"""The pages' words in Traditional Chinese."""

from __future__ import annotations

TEXTS = {
    "close": "您可以關閉此頁面。",
    "date": "{year}年{month}{day}日",
    "month.1": "1月",
    "month.2": "2月",
    "month.3": "3月",
    "month.4": "4月",
    "month.5": "5月",
    "month.6": "6月",
    "month.7": "7月",
    "month.8": "8月",
    "month.9": "9月",
    "month.10": "10月",
    "month.11": "11月",
    "month.12": "12月",
    # --- forms
    "wrong": "請再確認一下",
    "wrong.said": "目前尚未儲存任何內容。",
    "trap": "請將此欄留空",
    "bad": "這個連結無法使用",
    "bad.said": "連結可能被您的郵件程式截斷了。請重新打開郵件，使用信末的連結；或直接回覆該郵件，商店會為您處理。",
    # --- unsubscribe
    "unsubscribe.ask": "要取消訂閱 {shop} 嗎？",
    "unsubscribe.ask.nameless": "要取消訂閱嗎？",
    "unsubscribe.ask.said": "您將不再收到 {shop} 的電子報與優惠訊息，但與訂單有關的通知仍會寄給您。",
    "unsubscribe.ask.said.nameless": "您將不再收到電子報與優惠訊息，但與訂單有關的通知仍會寄給您。",
    "unsubscribe.button": "取消訂閱",
    "unsubscribe.done": "已取消訂閱",
    "unsubscribe.done.said": "{shop} 的電子報與優惠訊息不會再寄到這個信箱，但與訂單有關的通知仍會寄給您。",
    "unsubscribe.done.said.nameless": "電子報與優惠訊息不會再寄到這個信箱，但與訂單有關的通知仍會寄給您。",
    "unsubscribe.rather": "我想少收一點，或只收一部分",
    "unsubscribe.again": "選擇今後想收到的內容",
}
