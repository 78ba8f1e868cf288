"""What Ziyan promises to reach on labelled pictures, and whether a race shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ziyan.bench.results import CLOCKS, Results

#: Contestants a race needs for all targets to be judged.
SMALL, TINY, TUNED, DEFAULT = "ziyan small", "ziyan tiny", "rapidocr tuned", "rapidocr default"

MEAN_CER_RATIO = 0.4
MEAN_F2 = 0.97
#: A category may be this much worse than the rival's better set-up: a share of its characters, or so many edits.
CER_SLACK, EDITS_SLACK = 0.005, 3
WER_RATIO = 0.5
TIME_RATIOS = {TUNED: 0.6, DEFAULT: 0.3}
WORST_TIME_RATIO = 1.0
TINY_RATIO = 0.35


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target and how far it was reached.

    Attributes:
        target: What was promised.
        figures: What was measured.
        met: Whether that is enough.
    """

    target: str
    figures: str
    met: bool


def judge(results: Results) -> list[Verdict]:
    """Every target, judged by ``results``, which must hold all four contestants."""
    return [
        _mean_cer(results),
        _mean_f2(results),
        _no_category_worse(results),
        _nothing_invented(results),
        *_words_apart(results),
        *_times(results),
        *_tiny(results),
    ]


def _mean_cer(results: Results) -> Verdict:
    ours, rival = results.mean(SMALL, "cer"), results.mean(TUNED, "cer")
    return Verdict(
        f"mean CER at most {MEAN_CER_RATIO} × {TUNED}",
        f"{ours:.2%} against {rival:.2%}: at most {MEAN_CER_RATIO * rival:.2%}",
        ours <= MEAN_CER_RATIO * rival,
    )


def _mean_f2(results: Results) -> Verdict:
    ours = results.mean(SMALL, "f2")
    figures = f"{ours:.2%} ({TUNED} {results.mean(TUNED, 'f2'):.2%})"
    return Verdict(f"mean F2 at least {MEAN_F2:.0%}", figures, ours >= MEAN_F2)


def _no_category_worse(results: Results) -> Verdict:
    worse = []
    for category, figures in results.categories.items():
        ours = figures[SMALL].score
        best = min((figures[name].score for name in (TUNED, DEFAULT)), key=lambda score: score.cer)
        if ours.cer > best.cer + CER_SLACK and ours.edits > best.edits + EDITS_SLACK:
            worse.append(f"{category} {ours.cer:.2%} against {best.cer:.2%}")
    return Verdict(
        f"no category's CER worse than the rival's better set-up by over {CER_SLACK:.1%} or {EDITS_SLACK} characters",
        "; ".join(worse) or f"none of {len(results.categories)} is",
        not worse,
    )


def _nothing_invented(results: Results) -> Verdict:
    empty = [outcome for outcome in results.outcomes if not outcome.label.lines]
    invented = [outcome.label.key for outcome in empty if results.scores[outcome.label.key][SMALL].edits]
    figures = f"on {len(invented)} of {len(empty)} pictures" + (f": {', '.join(invented)}" if invented else "")
    # without a single such picture nothing was shown
    return Verdict("no text invented where there is none", figures, bool(empty) and not invented)


def _words_apart(results: Results) -> Iterator[Verdict]:
    """For each category of nothing but mixed and English pictures."""
    languages: dict[str, set[str]] = {}
    for outcome in results.outcomes:
        languages.setdefault(outcome.label.category, set()).add(outcome.label.language)
    for category, found in languages.items():
        ours, rival = (results.categories[category][name].score.wer for name in (SMALL, TUNED))
        if found <= {"mixed", "en"} and ours is not None and rival is not None:
            yield Verdict(
                f"WER of {category} at most {WER_RATIO} × {TUNED}",
                f"{ours:.2%} against {rival:.2%}: at most {WER_RATIO * rival:.2%}",
                ours <= WER_RATIO * rival,
            )


def _times(results: Results) -> Iterator[Verdict]:
    for clock in CLOCKS:
        for rival, most in TIME_RATIOS.items():
            target = f"{clock} seconds a picture, geometric mean of the categories' ratios to {rival}"
            yield _at_most(target, results.mean_ratio(SMALL, rival, clock), most)
        worst = results.worst_ratio(SMALL, TUNED, clock)
        name, ratio = worst or ("", None)
        yield _at_most(f"{clock} seconds, worst category's ratio to {TUNED}", ratio, WORST_TIME_RATIO, name)


def _tiny(results: Results) -> Iterator[Verdict]:
    for clock in CLOCKS:
        target = f"{clock} seconds of {TINY}, geometric mean of the categories' ratios to {SMALL}"
        yield _at_most(target, results.mean_ratio(TINY, SMALL, clock), TINY_RATIO)


def _at_most(target: str, ratio: float | None, most: float, where: str = "") -> Verdict:
    if ratio is None:
        return Verdict(f"{target}: at most {most}", "nothing could be timed", met=False)
    return Verdict(f"{target}: at most {most}", f"{ratio:.3f} {where}".strip(), ratio <= most)
