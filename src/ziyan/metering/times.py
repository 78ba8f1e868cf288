"""Moments, days and months.  A moment is a whole number of milliseconds since 1970 UTC."""

from __future__ import annotations

import time
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


def now_ms() -> int:
    """This moment, by the wall clock."""
    return time.time_ns() // 1_000_000


def hour_start(moment: int) -> int:
    """The moment at which the hour of ``moment`` begins, in UTC."""
    return moment // HOUR_MS * HOUR_MS


def day_of(moment: int, zone: tzinfo) -> date:
    """The day that ``moment`` lies in, in a zone."""
    return datetime.fromtimestamp(moment / 1000, zone).date()


def day_start(moment: int, zone: tzinfo) -> int:
    """The moment at which the day of ``moment`` begins, in a zone."""
    return start_of(day_of(moment, zone), zone)


def start_of(day: date, zone: tzinfo) -> int:
    """The moment at which a day begins, in a zone; where clocks skip midnight, that at which they do."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return round(local.astimezone(UTC).timestamp() * 1000)


def end_after_months(moment: int, months: int, zone: tzinfo) -> int:
    """The end of the day that lies so many months after that of ``moment``.

    From a 24th of May, one month ends with the 24th of June; with the month's last day where that is sooner.
    """
    day = day_of(moment, zone)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return start_of(last + timedelta(days=1), zone)
