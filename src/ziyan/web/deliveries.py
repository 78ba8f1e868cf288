"""Notices on their way, as pages of buyers and operators alike speak of them."""

from __future__ import annotations

from typing import Final

from ziyan.metering.notices import CALLS_GONE, CALLS_LOW, EXPIRING, TEST
from ziyan.web.tables import Act

#: Kind of a notice → what it says.
KINDS: Final = {
    CALLS_LOW: ("次数不多了", "calls are few"),
    CALLS_GONE: ("次数用完了", "calls are gone"),
    EXPIRING: ("快到期了", "about to expire"),
    TEST: ("测试", "a test"),
}


def again(action: str) -> Act:
    """The button that sends a notice again that was given up."""
    return Act(
        action,
        ("重发", "Send again"),
        ("马上再发一次；不成功就像新通知一样继续重试。", "It is sent at once, and then tried as often as a new one."),
        ("确认重发", "Yes, send it"),
    )
