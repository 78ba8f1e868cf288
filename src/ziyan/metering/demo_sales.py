"""What the customers of a demo buy: packages that their calls are taken from, in the order that real calls are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ziyan.metering.demo_traffic import EXHAUSTED, OK, Calls, Numbers
from ziyan.metering.store.sales import Item
from ziyan.metering.times import DAY_MS

#: Who buys in time does so when this share of a package is left.
_RENEW_AT: Final = 0.15
#: Who does not is without calls for so long.
_WITHOUT_MS: Final = 2 * DAY_MS
NONE: Final = -1


@dataclass(slots=True)
class Bought:
    """A package, as far as a demo has used it.

    Attributes:
        caller: Whose, by place.
        item: What was bought.
        at: When.
        base: Calls that its app had from then on.
        consumed: How many of its calls were billed.
        crossed: Percent of its calls that were left, and when that was.
    """

    caller: int
    item: Item
    at: int
    base: int
    consumed: int = 0
    crossed: dict[int, int] = field(default_factory=dict)


class Buyer:
    """One app, which takes its calls from one package after the other."""

    def __init__(self, caller: int, item: Item, start: int, shelf: list[Bought], *, prompt: bool) -> None:
        """Begin with one package, put on the ``shelf`` of everybody's; ``prompt``: the next one comes in time."""
        self._caller, self._item, self._shelf, self._prompt = caller, item, shelf, prompt
        self._renewed_at: int | None = None
        self._gone_at = 0
        self._place = NONE
        self._left = 0
        self._buy(start)

    def charge(self, moments: Numbers) -> Numbers:
        """The package of each of some calls to be billed, by its place on the shelf; ``NONE`` where none is left."""
        chosen = np.full(len(moments), NONE)
        first = 0
        while first < len(moments):
            if not self._left:
                due = self._renewed_at if self._renewed_at is not None else self._gone_at + _WITHOUT_MS
                first = max(first, int(np.searchsorted(moments, due)))
                if first == len(moments):
                    break
                self._buy(due)
            last = min(len(moments), first + self._left)
            chosen[first:last] = self._place
            self._take(moments[first:last])
            first = last
        return chosen

    def close_year(self) -> None:
        """What was bought in time, and is not needed yet, is there too."""
        if self._renewed_at is not None:
            self._buy(self._renewed_at)

    def _take(self, moments: Numbers) -> None:
        package, calls = self._shelf[self._place], self._item.calls
        left = self._left - len(moments)
        for percent in (20, 5, 0):
            mark = calls * percent // 100
            if left <= mark < self._left:
                package.crossed[percent] = int(moments[self._left - mark - 1])
        renewal = round(calls * _RENEW_AT)
        if self._prompt and left <= renewal < self._left:
            self._renewed_at = int(moments[self._left - renewal - 1]) + 1
        self._left = left
        package.consumed += len(moments)
        if not left:
            self._gone_at = int(moments[-1])

    def _buy(self, at: int) -> None:
        early = round(self._item.calls * _RENEW_AT) if self._renewed_at is not None else 0
        self._shelf.append(Bought(self._caller, self._item, at, self._item.calls + early))
        self._place, self._left, self._renewed_at = len(self._shelf) - 1, self._item.calls, None


def fitting(calls: int, items: Sequence[Item]) -> Item:
    """What somebody with so many calls a year buys: the largest item that lasts some months."""
    small = sorted((item for item in items if item.price_fen), key=lambda item: item.calls)
    return next((item for item in reversed(small) if item.calls * 1.5 <= calls), small[0])


def charge(calls: Calls, buyers: Sequence[Buyer]) -> tuple[Numbers, Numbers]:
    """The package of each call, and its outcome: one that was read is refused where no call is left."""
    packages = np.full(len(calls.at), NONE)
    outcome = calls.outcome.copy()
    for place, buyer in enumerate(buyers):
        mine = np.flatnonzero((calls.caller == place) & (outcome == OK))
        packages[mine] = buyer.charge(calls.at[mine])
    outcome[(outcome == OK) & (packages == NONE)] = EXHAUSTED
    return packages, outcome


class Sums:
    """Sums of calls by app, hour or day, package and outcome; packages are named by place, none is ``NONE``."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._sums: dict[tuple[int, int, int, int], list[int]] = {}

    def add(self, keys: Sequence[Numbers], amounts: Sequence[Numbers]) -> None:
        """Count calls: for each its app, start, package and outcome, and how many, billed, milliseconds and bytes."""
        if not len(keys[0]):
            return
        packed = np.zeros(len(keys[0]), dtype=np.int64)  # one number for each key sorts far faster than four
        for column in keys:
            packed = packed * (column.max() - column.min() + 1) + column - column.min()
        _, first, place = np.unique(packed, return_index=True, return_inverse=True)
        sums = [np.bincount(place, amount, len(first)) for amount in amounts]
        found = zip(*(column[first].tolist() for column in keys), strict=True)
        for key, numbers in zip(found, zip(*sums, strict=True), strict=True):
            kept = self._sums.setdefault(key, [0] * len(amounts))
            for index, number in enumerate(numbers):
                kept[index] += int(number)

    def taken(self) -> list[tuple[Any, ...]]:
        """Every sum behind its key; nothing is left."""
        rows = [(*key, *numbers) for key, numbers in sorted(self._sums.items())]
        self._sums.clear()
        return rows
