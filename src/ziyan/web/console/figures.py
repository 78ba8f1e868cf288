"""Sums of usage → charts.  Every number comes from the same rows that statements and the ledger are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

from ziyan.metering.store.usage import Total
from ziyan.metering.times import HOUR_MS, day_of, start_of
from ziyan.web import plain_words
from ziyan.web.charts import MOST_SERIES, Chart, Point
from ziyan.web.rendering import Visit

#: Days up to which hours can be asked for: more bars than that are too thin to be seen.
MOST_HOUR_DAYS: Final = 7
MOST_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Time:
    """Some whole days of a zone.

    Attributes:
        first: The first day.
        last: The last day.
        zone: Whose days.
        hourly: Whether they are looked at by the hour.
    """

    first: date
    last: date
    zone: tzinfo
    hourly: bool = False

    @property
    def since(self) -> int:
        """The moment that they begin at."""
        return start_of(self.first, self.zone)

    @property
    def until(self) -> int:
        """The moment that they end at."""
        return start_of(self.last + timedelta(days=1), self.zone)

    @property
    def span(self) -> str:
        """Which sums are looked at."""
        return "hour" if self.hourly else "day"

    def starts(self) -> list[int]:
        """When each day, or each hour, begins."""
        if self.hourly:
            return list(range(self.since, self.until, HOUR_MS))
        days = (self.last - self.first).days + 1
        return [start_of(self.first + timedelta(days=number), self.zone) for number in range(days)]

    def label(self, start: int) -> str:
        """How a day or an hour is named."""
        if self.hourly:
            return f"{datetime.fromtimestamp(start / 1000, self.zone):%m-%d %H:%M}"
        return day_of(start, self.zone).isoformat()


def by_time(here: Visit, time: Time, totals: Iterable[Total]) -> Chart:
    """Billed calls, and those that were free, of each day or hour."""
    billed: dict[int, int] = defaultdict(int)
    free: dict[int, int] = defaultdict(int)
    for total in totals:
        billed[total.start] += total.billed
        free[total.start] += total.calls - total.billed
    points = [Point(time.label(start), (billed[start], free[start])) for start in time.starts()]
    title = here.text("每小时调用", "Calls by hour") if time.hourly else here.text("每日调用", "Calls by day")
    head = here.text("小时", "Hour") if time.hourly else here.text("日期", "Day")
    return Chart("by-time", title, head, (here.text("计费", "Billed"), here.text("未计费", "Free")), points)


def by_hour_of_day(here: Visit, time: Time, totals: Iterable[Total]) -> Chart:
    """Calls of each hour of the day, all days together."""
    billed, free = [0] * 24, [0] * 24
    for total in totals:
        hour = datetime.fromtimestamp(total.start / 1000, time.zone).hour
        billed[hour] += total.billed
        free[hour] += total.calls - total.billed
    points = [Point(f"{hour:02}:00", (billed[hour], free[hour])) for hour in range(24)]
    title = here.text("一天中的各小时", "By hour of the day")
    return Chart(
        "by-hour", title, here.text("小时", "Hour"), (here.text("计费", "Billed"), here.text("未计费", "Free")), points
    )


def by_outcome(here: Visit, totals: Iterable[Total]) -> Chart:
    """Calls of each outcome, most first; codes with the same words are one."""
    sums = _sums(totals, lambda total: here.text(*plain_words.outcome_name(total.code)))
    points = [Point(name, (calls,)) for name, calls in _most_first(sums)]
    title, head = here.text("按结果", "By outcome"), here.text("结果", "Outcome")
    return Chart("by-outcome", title, head, (here.text("调用", "Calls"),), points, ranked=True)


def by_app(here: Visit, time: Time, totals: Sequence[Total], names: Mapping[str, str]) -> Chart:
    """Billed calls of each app in each day or hour; of many apps, the smallest together."""
    ranked = [app_id for app_id, _ in _most_first(_sums(totals, lambda total: total.app_id))]
    single = ranked[:MOST_SERIES] if len(ranked) <= MOST_SERIES else ranked[: MOST_SERIES - 1]
    rows: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for total in totals:
        rows[total.start][total.app_id if total.app_id in single else ""] += total.calls
    series = [names.get(app_id, app_id) for app_id in single]
    keys = list(single)
    if len(ranked) > len(single):
        keys, series = [*keys, ""], [*series, here.text("其余", "Others")]
    points = [Point(time.label(start), tuple(rows[start][key] for key in keys)) for start in time.starts()]
    head = here.text("小时", "Hour") if time.hourly else here.text("日期", "Day")
    return Chart("by-app", here.text("按应用", "By app"), head, tuple(series), points)


def _sums(totals: Iterable[Total], key: Callable[[Total], str]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for total in totals:
        sums[key(total)] += total.calls
    return sums


def _most_first(sums: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
