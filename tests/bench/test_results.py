from __future__ import annotations

import json

import pytest

from tests.bench.samples import label, outcome
from ziyan.bench.contestant import Reading
from ziyan.bench.race import Outcome
from ziyan.bench.results import Results, percentile


def timed(
    category: str, name: str, ours: tuple[float, float], rival: tuple[float, float], died: bool = False
) -> Outcome:
    """A picture with (wall, cpu) of two contestants."""
    readings = {"ours": Reading(("甲",), *ours), "rival": Reading(("甲",), *rival, "gone" if died else "", died)}
    return Outcome(label("甲", category=category, name=name), readings)


def test_means_weigh_categories_alike_however_many_characters_they_have() -> None:
    results = Results.of(
        [
            outcome(label("甲乙丙丁戊己庚辛", category="long"), ours=["甲乙丙丁戊己庚辛"]),
            outcome(label("天地", category="short"), ours=["天"]),
        ]
    )
    assert results.mean("ours", "cer") == pytest.approx(0.25)
    assert results.overall["ours"].score.cer == pytest.approx(0.1)
    assert results.mean("ours", "exact_share") == 0.5


def test_ratios_are_of_sums_in_a_category_and_geometric_between_them() -> None:
    results = Results.of(
        [
            timed("a", "1.png", (1.0, 4.0), (1.0, 2.0)),
            timed("a", "2.png", (1.0, 4.0), (3.0, 2.0)),
            timed("b", "3.png", (4.0, 1.0), (2.0, 2.0)),
        ]
    )
    assert results.ratios("ours", "rival", "wall") == {"a": 0.5, "b": 2.0}
    assert results.mean_ratio("ours", "rival", "wall") == pytest.approx(1.0)
    assert results.worst_ratio("ours", "rival", "wall") == ("b", 2.0)
    assert results.ratios("ours", "rival", "cpu") == {"a": 2.0, "b": 0.5}


def test_a_picture_under_which_a_process_died_is_timed_for_none_and_scored_for_all() -> None:
    results = Results.of(
        [
            timed("a", "1.png", (1.0, 1.0), (2.0, 2.0)),
            timed("a", "2.png", (9.0, 9.0), (0.1, 0.0), died=True),
            timed("b", "3.png", (9.0, 9.0), (0.1, 0.0), died=True),
        ]
    )
    assert results.ratios("ours", "rival", "wall") == {"a": 0.5}
    figures = results.categories["a"]
    assert figures["ours"].times is not None
    assert figures["ours"].times.pictures == 1
    assert (figures["ours"].score.pictures, figures["ours"].failures, figures["rival"].failures) == (2, 0, 1)
    assert results.categories["b"]["ours"].times is None


def test_nothing_timed_is_no_ratio() -> None:
    results = Results.of([timed("a", "1.png", (1.0, 1.0), (1.0, 1.0), died=True)])
    assert results.mean_ratio("ours", "rival", "cpu") is None
    assert results.worst_ratio("ours", "rival", "cpu") is None


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [
        ([1.0], 50, 1.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 95, 95.0),
    ],
)
def test_percentiles_are_times_that_were_measured(values: list[float], percent: int, found: float) -> None:
    assert percentile(values, percent) == found


def test_the_worst_come_first_and_exact_ones_not_at_all() -> None:
    results = Results.of(
        [
            outcome(label("甲乙丙丁", name="exact.png"), ours=["甲乙丙丁"]),
            outcome(label("甲乙丙丁", name="bad.png"), ours=["甲乙丙"]),
            outcome(label("甲乙丙丁", name="worst.png"), ours=[]),
            outcome(label("甲乙丙丁", category="other"), ours=[]),
        ]
    )
    assert [it.label.path.name for it in results.worst("ours", "c", 5)] == ["worst.png", "bad.png"]
    assert [it.label.path.name for it in results.worst("ours", "c", 1)] == ["worst.png"]


def test_the_json_holds_all_figures_and_every_prediction() -> None:
    results = Results.of([outcome(label("甲乙"), ours=["甲"], rival=["甲乙"])])
    found = json.loads(json.dumps(results.as_dict("ours")))
    assert found["categories"]["c"]["ours"]["cer"] == 0.5
    assert found["mean"]["rival"] == {"cer": 0, "f2": 1, "exact_share": 1}
    assert found["ratios"] == {
        "rival": {clock: {"geometric_mean": 1, "categories": {"c": 1}} for clock in ("wall", "cpu")}
    }
    assert [(it["image"], it["contestant"], it["lines"], it["edits"]) for it in found["predictions"]] == [
        ("c/p.png", "ours", ["甲"], 1),
        ("c/p.png", "rival", ["甲乙"], 0),
    ]
