from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from ziyan.metering.times import HOUR_MS, day_of, day_start, end_after_months, hour_start, start_of

SHANGHAI, NEW_YORK, BEIRUT = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Beirut")


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_a_day_begins_where_the_zone_says() -> None:
    late = moment("2026-11-24T17:30:00+00:00")
    assert day_of(late, SHANGHAI) == date(2026, 11, 25)
    assert day_start(late, SHANGHAI) == moment("2026-11-25T00:00:00+08:00")
    assert day_start(late, UTC) == moment("2026-11-24T00:00:00+00:00")
    assert hour_start(late) == moment("2026-11-24T17:00:00+00:00")


def test_days_of_zones_whose_clocks_change_have_another_length() -> None:
    days = [start_of(date(2026, 3, day), NEW_YORK) for day in (7, 8, 9)]
    assert [after - before for before, after in pairwise(days)] == [24 * HOUR_MS, 23 * HOUR_MS]


def test_a_midnight_that_clocks_skip_is_the_moment_they_do() -> None:
    assert start_of(date(2026, 3, 29), BEIRUT) == moment("2026-03-28T22:00:00+00:00")


@pytest.mark.parametrize(
    ("from_", "months", "end"),
    [
        ("2026-05-24T10:00:00+08:00", 1, "2026-06-25T00:00:00+08:00"),
        ("2026-11-24T00:00:00+08:00", 24, "2028-11-25T00:00:00+08:00"),
        ("2026-01-31T12:00:00+08:00", 1, "2026-03-01T00:00:00+08:00"),
        ("2028-01-31T12:00:00+08:00", 1, "2028-03-01T00:00:00+08:00"),
        ("2026-12-31T23:59:59+08:00", 12, "2028-01-01T00:00:00+08:00"),
        ("2026-11-24T17:00:00+00:00", 1, "2026-12-26T00:00:00+08:00"),
    ],
)
def test_months_end_with_their_last_day(from_: str, months: int, end: str) -> None:
    assert end_after_months(moment(from_), months, SHANGHAI) == moment(end)
