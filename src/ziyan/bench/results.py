"""What a race comes to: figures by category and contestant, means over the categories, ratios between contestants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean
from typing import Any, Literal

from ziyan.bench.contestant import Reading
from ziyan.bench.race import Outcome
from ziyan.bench.scoring import Score, score

Clock = Literal["wall", "cpu"]


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds a picture, over the pictures that every contestant survived.

    Attributes:
        pictures: How many those are.
        wall: Mean wall time.
        cpu: Mean CPU time of the reading process.
        wall_p50: Half of the pictures took at most so long.
        wall_p95: 95 in 100 took at most so long.
    """

    pictures: int
    wall: float
    cpu: float
    wall_p50: float
    wall_p95: float

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> Times | None:
        """Of ``readings``; None without any."""
        if not readings:
            return None
        walls = sorted(reading.wall for reading in readings)
        return cls(
            pictures=len(readings),
            wall=fmean(walls),
            cpu=fmean(reading.cpu for reading in readings),
            wall_p50=percentile(walls, 50),
            wall_p95=percentile(walls, 95),
        )


def percentile(ascending: Sequence[float], percent: int) -> float:
    """The least of ``ascending`` that ``percent`` in 100 of them do not exceed (nearest rank)."""
    return ascending[max(0, -(-len(ascending) * percent // 100) - 1)]


@dataclass(frozen=True, slots=True)
class Figures:
    """One contestant on some pictures.

    Attributes:
        score: How right it was.
        times: How long it took; None where no picture could be timed.
        failures: Pictures on which it raised an error or died; they score as read empty.
    """

    score: Score
    times: Times | None
    failures: int


@dataclass(frozen=True, slots=True)
class Results:
    """Everything a race came to.

    Attributes:
        outcomes: Picture by picture.
        scores: ``category/file`` → contestant → score of that one picture.
        categories: Category → contestant → figures.
        overall: Contestant → figures over all pictures together.
    """

    outcomes: Sequence[Outcome]
    scores: Mapping[str, Mapping[str, Score]]
    categories: Mapping[str, Mapping[str, Figures]]
    overall: Mapping[str, Figures]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Results:
        """Score and sum up ``outcomes``."""
        scores = {
            outcome.label.key: {name: score(outcome.label, reading.lines) for name, reading in outcome.readings.items()}
            for outcome in outcomes
        }
        groups: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            groups.setdefault(outcome.label.category, []).append(outcome)
        categories = {name: _figures(group, scores) for name, group in groups.items()}
        return cls(outcomes, scores, categories, _figures(outcomes, scores))

    @property
    def names(self) -> tuple[str, ...]:
        """The contestants, ours first."""
        return tuple(self.overall)

    def by_category(self, name: str) -> dict[str, Figures]:
        """Category → figures of one contestant."""
        return {category: figures[name] for category, figures in self.categories.items()}

    def mean(self, name: str, figure: Literal["cer", "f2", "exact_share"]) -> float:
        """Mean over the categories, which weighs each kind of picture alike, however many characters it has."""
        return fmean(getattr(figures.score, figure) for figures in self.by_category(name).values())

    def ratios(self, name: str, other: str, clock: Clock) -> dict[str, float]:
        """Category → time of ``name`` divided by time of ``other``, over the same pictures."""
        return {
            category: getattr(figures[name].times, clock) / getattr(figures[other].times, clock)
            for category, figures in self.categories.items()
            if figures[name].times and figures[other].times
        }

    def mean_ratio(self, name: str, other: str, clock: Clock) -> float | None:
        """Geometric mean of ``ratios``; None where nothing could be timed."""
        ratios = self.ratios(name, other, clock).values()
        return geometric_mean(ratios) if ratios else None

    def worst_ratio(self, name: str, other: str, clock: Clock) -> tuple[str, float] | None:
        """The category in which ``name`` does worst against ``other``, and its ratio."""
        return max(self.ratios(name, other, clock).items(), key=lambda item: item[1], default=None)

    def worst(self, name: str, category: str, most: int) -> list[Outcome]:
        """The pictures of ``category`` that ``name`` read worst, worst first, without those it read exactly."""
        found = [outcome for outcome in self.outcomes if outcome.label.category == category]
        wrong = [outcome for outcome in found if self._badness(name, outcome) > 0]
        return sorted(wrong, key=lambda outcome: -self._badness(name, outcome))[:most]

    def _badness(self, name: str, outcome: Outcome) -> float:
        it = self.scores[outcome.label.key][name]
        return it.edits / max(1, it.characters)

    def as_dict(self, main: str) -> dict[str, Any]:
        """For the JSON file; ratios are of ``main`` to every other contestant."""
        others = [name for name in self.names if name != main]
        return {
            "categories": {
                category: {name: _figures_dict(it) for name, it in figures.items()}
                for category, figures in self.categories.items()
            },
            "overall": {name: _figures_dict(it) for name, it in self.overall.items()},
            "mean": {name: {key: self.mean(name, key) for key in ("cer", "f2", "exact_share")} for name in self.names},
            "ratios": {other: {clock: self._ratio_dict(main, other, clock) for clock in CLOCKS} for other in others},
            "predictions": [
                {
                    "image": outcome.label.key,
                    "contestant": name,
                    "lines": list(reading.lines),
                    "wall": reading.wall,
                    "cpu": reading.cpu,
                    "error": reading.error,
                    "edits": self.scores[outcome.label.key][name].edits,
                }
                for outcome in self.outcomes
                for name, reading in outcome.readings.items()
            ],
        }

    def _ratio_dict(self, main: str, other: str, clock: Clock) -> dict[str, Any]:
        return {"geometric_mean": self.mean_ratio(main, other, clock), "categories": self.ratios(main, other, clock)}


CLOCKS: tuple[Clock, ...] = ("wall", "cpu")


def _figures(outcomes: Sequence[Outcome], scores: Mapping[str, Mapping[str, Score]]) -> dict[str, Figures]:
    # a picture under which any process died is timed for none, so that times stay comparable
    timed = [outcome for outcome in outcomes if not any(reading.died for reading in outcome.readings.values())]
    return {
        name: Figures(
            score=sum((scores[outcome.label.key][name] for outcome in outcomes), Score()),
            times=Times.of([outcome.readings[name] for outcome in timed]),
            failures=sum(bool(outcome.readings[name].error) for outcome in outcomes),
        )
        for name in outcomes[0].readings
    }


def _figures_dict(figures: Figures) -> dict[str, Any]:
    it, times = figures.score, figures.times
    return {
        "pictures": it.pictures,
        "characters": it.characters,
        "edits": it.edits,
        "cer": it.cer,
        "f2": it.f2,
        "exact": it.exact_share,
        "wer": it.wer,
        "failures": figures.failures,
        "wall": times and times.wall,
        "cpu": times and times.cpu,
        "wall_p50": times and times.wall_p50,
        "wall_p95": times and times.wall_p95,
    }
