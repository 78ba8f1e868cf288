"""Charts, drawn here as SVG, each with its numbers as a table.

Bars stand on a plot that stretches to the width it is given; what is written beside it is HTML, so it stays as large on
a phone as on a desk.  Colours come from the stylesheet, and parts of a bar differ by their pattern as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: The plot's own units; the stylesheet stretches them.
WIDTH: Final = 1000
HEIGHT: Final = 200
#: Of the room that one bar has, how much it takes.
_FILLED: Final = 0.78
#: Labels below the plot: so many are read at a glance, also on a phone.
_MOST_TICKS: Final = 5
#: There are so many colours that everybody can tell apart.
MOST_SERIES: Final = 6


@dataclass(frozen=True, slots=True)
class Point:
    """One bar, or one place of the lines.

    Attributes:
        label: What it is of, such as a day.
        values: One number of each series.
    """

    label: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of the plot.

    Attributes:
        series: Number of its series, from 0 on.
        x: Left side.
        y: Upper side.
        width: Of it.
        height: Of it.
    """

    series: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and its numbers.

    Attributes:
        id: Of its element; no two of a page have the same.
        title: Above it.
        head: What labels are: the head of the table's first column.
        series: Names of its series; bars are stacked in this order.
        points: From left to right.
        lines: Lines rather than stacked bars.
        unit: Behind each number, such as `` ms``.
        ranked: Lying bars of one series, each beside its label and its number: for kinds, not for times.
    """

    id: str
    title: str
    head: str
    series: Sequence[str]
    points: Sequence[Point]
    lines: bool = False
    unit: str = ""
    ranked: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be told apart."""
        if len(self.series) > MOST_SERIES:
            raise ValueError(f"a chart has at most {MOST_SERIES} series; put the smallest together")

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(any(point.values) for point in self.points)

    @property
    def top(self) -> float:
        """What the upper edge stands for: round, and no less than any bar."""
        most = max((self._height_of(point) for point in self.points), default=0)
        return nice(most)

    @property
    def totals(self) -> list[float]:
        """Sum of each series."""
        return [sum(point.values[index] for point in self.points) for index in range(len(self.series))]

    def bars(self) -> list[tuple[Point, float, float, list[Bar]]]:
        """Each point with where its room begins, how wide that is, and its rectangles."""
        room, top = WIDTH / max(1, len(self.points)), self.top
        drawn = []
        for number, point in enumerate(self.points):
            x, base, found = number * room, float(HEIGHT), []
            for series, value in enumerate(point.values):
                height = value / top * HEIGHT
                if height > 0:
                    base -= height
                    left = x + room * (1 - _FILLED) / 2
                    found.append(Bar(series, _short(left), _short(base), _short(room * _FILLED), _short(height)))
            drawn.append((point, _short(x), _short(room), found))
        return drawn

    def shares(self) -> list[tuple[Point, float]]:
        """Each point with how much of the plot its lying bar takes."""
        most = max((point.values[0] for point in self.points), default=0) or 1
        return [(point, _short(point.values[0] / most * WIDTH)) for point in self.points]

    def paths(self) -> list[str]:
        """The line of each series."""
        room, top = WIDTH / max(1, len(self.points)), self.top
        return [
            " ".join(
                f"{'L' if number else 'M'}{_short((number + 0.5) * room)} "
                f"{_short(HEIGHT - point.values[series] / top * HEIGHT)}"
                for number, point in enumerate(self.points)
            )
            for series in range(len(self.series))
        ]

    def ticks(self) -> list[str]:
        """Some of the labels, evenly apart, the first and the last among them."""
        labels = [point.label for point in self.points]
        if len(labels) <= _MOST_TICKS:
            return labels
        step = (len(labels) - 1) / (_MOST_TICKS - 1)
        return [labels[round(number * step)] for number in range(_MOST_TICKS)]

    def scale(self) -> list[str]:
        """What stands at the upper edge, in the middle and at the bottom."""
        return [self.number(self.top), self.number(self.top / 2), "0"]

    def number(self, value: float) -> str:
        """A value as it is written."""
        whole = f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"
        return f"{whole}{self.unit}"

    def told(self, point: Point) -> str:
        """A point in words, for whoever points at it."""
        if len(self.series) == 1:
            return f"{point.label}: {self.number(point.values[0])}"
        pairs = zip(self.series, point.values, strict=True)
        return f"{point.label}: " + ", ".join(f"{name} {self.number(value)}" for name, value in pairs)

    def _height_of(self, point: Point) -> float:
        return max(point.values, default=0) if self.lines else sum(point.values)


def nice(most: float) -> float:
    """The least round number that is no less, of which the half is whole: there is no half of a call."""
    if most <= 2:
        return 2.0
    power = 10.0 ** math.floor(math.log10(most))
    rounds = (step * power for step in (1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 10.0))
    return min(each for each in rounds if each >= most and each % 2 == 0)


def _short(value: float) -> float:
    return round(value, 2)
