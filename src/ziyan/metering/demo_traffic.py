"""Calls as a year of several customers would bring them: which moments, which outcomes, how long, how large.

Everything follows from a seed.  Calls are drawn hour by hour in weeks, so that any number of them fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ziyan.metering.times import HOUR_MS, day_of, hour_start, start_of

Numbers = NDArray[Any]

#: Outcomes: code, HTTP status, milliseconds that it takes in the middle.
OUTCOMES: Final = (
    ("ok", 200, 190.0),
    ("undecodable_image", 666, 9.0),
    ("not_base64", 666, 4.0),
    ("neither", 666, 2.0),
    ("fetch_failed", 666, 900.0),
    ("gone", 499, 240.0),
    ("T429SR", 429, 1.0),
    ("X503BZ", 503, 2.0),
    ("D504TO", 504, 30_000.0),
    ("B403MQ", 403, 3.0),
)
OK: Final = 0
EXHAUSTED: Final = len(OUTCOMES) - 1
#: How often each comes up, for callers who are at home with the service and for those who are learning.
STEADY: Final = (0.974, 0.008, 0.002, 0.001, 0.006, 0.003, 0.002, 0.003, 0.001, 0.0)
LEARNING: Final = (0.83, 0.06, 0.045, 0.025, 0.02, 0.01, 0.004, 0.005, 0.001, 0.0)

DAYS: Final = 365
_WEEK: Final = 7 * 24
_DAY_CURVE: Final = (1, 1, 1, 1, 1, 2, 4, 8, 16, 24, 26, 22, 15, 18, 24, 26, 24, 20, 13, 9, 7, 5, 3, 2)


@dataclass(frozen=True, slots=True)
class Caller:
    """How somebody calls.

    Attributes:
        weight: How much, next to the others.
        growth: How many times as much at the end of the year as at its beginning.
        weekend: How much at weekends, next to working days.
        around_the_clock: Calls come by day and night alike.
        mix: How often each outcome comes up.
        begins: After how much of the year they begin.
    """

    weight: float
    growth: float = 2.0
    weekend: float = 0.35
    around_the_clock: bool = False
    mix: Sequence[float] = STEADY
    begins: float = 0.0


@dataclass(frozen=True, slots=True)
class Calls:
    """Some calls in the order in which they came; each array has one number for each.

    Attributes:
        at: When.
        caller: Whose, by its place in the list of callers.
        outcome: What became of it, by its place in ``OUTCOMES``.
        ms: Milliseconds that it took.
        bytes_in: Size of its body.
    """

    at: Numbers
    caller: Numbers
    outcome: Numbers
    ms: Numbers
    bytes_in: Numbers


class Traffic:
    """The calls of a year that ends with the last full hour before a moment."""

    def __init__(self, callers: Sequence[Caller], *, now: int, zone: tzinfo, calls: int, seed: int) -> None:
        """Spread ``calls`` over the year; nothing is drawn yet but how many fall into each hour."""
        self._random = np.random.default_rng(seed)
        self._mixes = [np.cumsum(caller.mix) / sum(caller.mix) for caller in callers]
        last = hour_start(now) // HOUR_MS
        self._hours = np.arange(last - DAYS * 24, last, dtype=np.int64)
        local = [datetime.fromtimestamp(int(hour) * 3600, zone) for hour in self._hours]
        rates = np.array([_rates(caller, local) for caller in callers])
        self.counts = self._random.multinomial(calls, (rates / rates.sum()).ravel()).reshape(rates.shape)
        self.starts = int(self._hours[0]) * HOUR_MS

    def weeks(self) -> Iterator[Calls]:
        """Every call, a week at a time."""
        for first in range(0, len(self._hours), _WEEK):
            yield self._draw(slice(first, first + _WEEK))

    def hex(self, count: int, digits: int) -> list[str]:
        """Identifiers of so many lower-case hex digits."""
        text, size = self._random.bytes(count * digits // 2).hex(), digits
        return [text[start : start + size] for start in range(0, count * size, size)]

    def _draw(self, hours: slice) -> Calls:
        counts = self.counts[:, hours]
        total, random = int(counts.sum()), self._random
        caller = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
        hour = np.repeat(np.tile(self._hours[hours], len(counts)), counts.ravel())
        at = hour * HOUR_MS + random.integers(0, HOUR_MS, total)
        order = np.argsort(at, kind="stable")
        at, caller = at[order], caller[order]
        chances, outcome = random.random(total), np.zeros(total, dtype=np.int64)
        for index, mix in enumerate(self._mixes):
            mine = caller == index
            outcome[mine] = np.minimum(np.searchsorted(mix, chances[mine], side="right"), EXHAUSTED - 1)
        middles = np.array([middle for _, _, middle in OUTCOMES])[outcome]
        ms = np.maximum(1, middles * random.lognormal(0.0, 0.45, total))
        bytes_in = np.clip(random.lognormal(12.1, 0.8, total), 300, 1_500_000)
        return Calls(at, caller, outcome, np.minimum(ms, 31_000).astype(np.int64), bytes_in.astype(np.int64))


def _rates(caller: Caller, hours: Sequence[datetime]) -> Numbers:
    """How much somebody calls in each hour, next to other hours and callers."""
    place = np.linspace(0.0, 1.0, len(hours))
    curve = np.ones(24) if caller.around_the_clock else np.array(_DAY_CURVE) / np.mean(_DAY_CURVE)
    rate = caller.weight * curve[[hour.hour for hour in hours]] * caller.growth**place
    rate[[hour.weekday() > 4 for hour in hours]] *= caller.weekend
    rate[place < caller.begins] = 0.0
    return rate


def day_starts(start: int, now: int, zone: tzinfo) -> Numbers:
    """The moments at which the days from ``start`` to ``now`` begin, in a zone."""
    days = range(day_of(start, zone).toordinal(), day_of(now, zone).toordinal() + 1)
    return np.array([start_of(date.fromordinal(day), zone) for day in days], dtype=np.int64)
