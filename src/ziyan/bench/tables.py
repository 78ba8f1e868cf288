"""Tables for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.table import Table
from rich.text import Text

from ziyan.bench.memory import MIB, MemoryCurve
from ziyan.bench.results import CLOCKS, Figures, Results
from ziyan.bench.targets import Verdict

Row = tuple[str, ...]

TEXT_HEAD: Row = ("category", "n", "reader", "CER %", "F2 %", "exact %", "WER %", "wall s", "CPU s", "wall ×", "CPU ×")
TIME_HEAD: Row = ("category", "n", "reader", "wall s", "p50", "p95", "CPU s", "wall ×", "CPU ×")
ABOUT_HEAD: Row = ("reader", "setup", "model", "runtime", "precision", "threads")
MEAN, ALL = "mean over categories", "all pictures"


def text_rows(results: Results, main: str) -> Iterator[Row]:
    """Rows for ``TEXT_HEAD``: each category, a row a reader; then the means, ratios as geometric means.

    A ratio is the time of ``main`` divided by the row's.
    """
    for category, figures in results.categories.items():
        for name in results.names:
            it = figures[name]
            yield (*_head(category, it, name), *_text(it), *_ratios(results, main, name, category))
    for name in results.names:
        means = [_percent(results.mean(name, key)) for key in ("cer", "f2", "exact_share")]
        yield (
            MEAN,
            "",
            name,
            *means,
            "",
            *_mean_times(results.by_category(name).values()),
            *_ratios(results, main, name),
        )


def time_rows(results: Results, main: str) -> Iterator[Row]:
    """Rows for ``TIME_HEAD``, made as ``text_rows`` makes its own."""
    groups = {**results.categories, ALL: results.overall}
    for category, figures in groups.items():
        for name in results.names:
            times = figures[name].times
            seconds = (times.wall, times.wall_p50, times.wall_p95, times.cpu) if times else ()
            ratios = _ratios(results, main, name, None if category == ALL else category)
            yield (*_head(category, figures[name], name), *(_seconds(it) for it in seconds or [None] * 4), *ratios)


def race_table(head: Row, rows: Iterable[Row]) -> Table:
    """Rows of a race, a rule between categories."""
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[3:]:
        column.justify = "right"
    last = ""
    for category, count, *rest in rows:
        if last and category != last:
            table.add_section()
            table.add_row()
        table.add_row(*((category, count) if category != last else ("", "")), *rest)
        last = category
    return table


def ratio_lines(results: Results, main: str) -> Iterator[str]:
    """A sentence for each pair with ``main`` in it: geometric mean of the ratios, and the worst category.

    A rival stands below the line; our own other models above it, for what counts is how much faster they are.
    """
    for other in results.names:
        if other == main:
            continue
        above, below = (other, main) if other.split()[0] == main.split()[0] else (main, other)
        for clock in CLOCKS:
            mean, worst = results.mean_ratio(above, below, clock), results.worst_ratio(above, below, clock)
            if mean is not None and worst is not None:
                category, ratio = worst
                yield f"{clock} {above} ÷ {below}: {mean:.3f} (geometric mean), worst {ratio:.3f} in {category}"


def about_table(abouts: Sequence[dict[str, Any]]) -> Table:
    """What every reader runs on: read before its figures are believed."""
    table = Table(*ABOUT_HEAD, box=None, header_style="bold", pad_edge=False)
    for about in abouts:
        version = about["versions"].get(about["runtime"], "")
        runtime = f"{about['runtime']} {version}".strip()
        cells = (about["reader"], about["setup"], about["model"], runtime, about["precision"], about["threads"])
        table.add_row(*map(str, cells))
    return table


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Targets, met or missed."""
    table = Table("", "target", "measured", box=None, header_style="bold", pad_edge=False)
    for verdict in verdicts:
        mark = Text("met", "green") if verdict.met else Text("missed", "bold red")
        table.add_row(mark, verdict.target, verdict.figures)
    return table


def memory_rows(curves: Mapping[str, MemoryCurve]) -> tuple[Row, list[Row]]:
    """Head and rows: resident memory of each reader along the same pictures."""
    rows = [
        (after[0][0], *(f"{size / MIB:,.0f}" for _, size in after))
        for after in zip(*(curve.milestones for curve in curves.values()), strict=True)
    ]
    rows.append(("growth per 1,000 after warm-up", *(f"{curve.slope:+.1f}" for curve in curves.values())))
    rows.append(("errors", *(str(curve.failures) for curve in curves.values())))
    rows.append(("processes lost", *(str(curve.deaths) for curve in curves.values())))
    return ("resident MiB", *curves), rows


def memory_table(curves: Mapping[str, MemoryCurve]) -> Table:
    """``memory_rows`` for the terminal."""
    head, rows = memory_rows(curves)
    table = Table(*head, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    return table


def outcome_table(outcomes: Counter[tuple[str, str]]) -> Table:
    """Kinds of hostile pictures against what became of them."""
    columns = sorted({outcome for _, outcome in outcomes})
    table = Table("kind", "n", *columns, box=None, header_style="bold", pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for kind in sorted({kind for kind, _ in outcomes}):
        counts = [outcomes[kind, column] for column in columns]
        table.add_row(kind, str(sum(counts)), *(str(count or "") for count in counts))
    return table


def _head(category: str, figures: Figures, name: str) -> Row:
    failed = f" ({figures.failures} failed)" if figures.failures else ""
    return category, str(figures.score.pictures), name + failed


def _text(figures: Figures) -> Row:
    it = figures.score
    shares = (_percent(share) for share in (it.cer, it.f2, it.exact_share, it.wer))
    return (*shares, *_mean_times([figures]))


def _mean_times(groups: Iterable[Figures]) -> Row:
    found = [figures.times for figures in groups if figures.times]
    return tuple(_seconds(fmean(getattr(times, clock) for times in found) if found else None) for clock in CLOCKS)


def _ratios(results: Results, main: str, other: str, category: str | None = None) -> Row:
    if other == main:
        return "", ""
    if category is None:
        return tuple(_ratio(results.mean_ratio(main, other, clock)) for clock in CLOCKS)
    return tuple(_ratio(results.ratios(main, other, clock).get(category)) for clock in CLOCKS)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
