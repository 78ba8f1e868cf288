"""What a notice says: Chinese first, then English."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from ziyan.metering.store.notices import Notice

#: kind → title and text, in Chinese and English.
_TEXTS: Final = {
    "calls_low": (
        "【字眼】应用“{app_name}”剩余次数不超过 {percent}%",
        "应用“{app_name}”还剩 {left:,} 次，不超过最近一次购买后 {of:,} 次的 {percent}%。用完后调用将被拒绝，请续购。",
        "Ziyan: {percent} % or less of the calls of “{app_name}” are left",
        "Calls left of “{app_name}”: {left:,}, of {of:,} after the last purchase. Without calls, requests are refused.",
    ),
    "calls_gone": (
        "【字眼】应用“{app_name}”的次数已用完",
        "应用“{app_name}”已没有可用次数，调用将被拒绝，请续购。",
        "Ziyan: “{app_name}” has no calls left",
        "“{app_name}” has no calls left, and its requests are refused until more are bought.",
    ),
    "expiring": (
        "【字眼】应用“{app_name}”有 {left:,} 次即将到期",
        "应用“{app_name}”的一个套餐将于 {expires} 到期，其中 {left:,} 次尚未使用，到期后失效。",
        "Ziyan: calls of “{app_name}” are about to expire",
        "A package of “{app_name}” expires at {expires}. Its calls that are not used yet, {left:,}, lapse then.",
    ),
    "test": (
        "【字眼】测试通知",
        "这是发往“{target}”的一条测试：在那里看到它，就说明通知能送到。",
        "Ziyan: a test",
        "This is a test of “{target}”. Whoever reads it there gets notices there.",
    ),
}


@dataclass(frozen=True, slots=True)
class Message:
    """A notice as people read it.

    Attributes:
        title: One line, Chinese.
        text: Chinese, then English.
    """

    title: str
    text: str


def message(notice: Notice, zone: tzinfo) -> Message:
    """What people are told; times are those of ``zone``."""
    facts: dict[str, Any] = json.loads(notice.details)
    if "expires_at" in facts:
        facts["expires"] = f"{datetime.fromtimestamp(facts['expires_at'] / 1000, zone):%Y-%m-%d %H:%M}"
    title, text, english_title, english_text = (part.format(**facts) for part in _TEXTS[notice.kind])
    return Message(" ".join(title.split()), f"{text}\n\n{english_title}\n{english_text}\n")


def event(notice: Notice) -> str:
    """What programs are told, as Standard Webhooks has it: type, timestamp, data; the same at every attempt."""
    at = datetime.fromtimestamp(notice.created_at / 1000, UTC).isoformat(timespec="milliseconds")
    data = {"notice_id": notice.id, "account_id": notice.account_id, "app_id": notice.app_id}
    whole = {"type": notice.kind, "timestamp": at, "data": {**data, **json.loads(notice.details)}}
    return json.dumps(whole, ensure_ascii=False)
