"""``memory``: thousands of different pictures through one reader process, and what it keeps of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ziyan.bench import display, page, tables
from ziyan.bench.contests import Plan, machine_line, our_contestant, rival_contestants
from ziyan.bench.dataset import Label
from ziyan.bench.machine import describe
from ziyan.bench.memory import FLAT_MIB, LIMIT_BYTES, MIB, MemoryCurve, watch
from ziyan.bench.race import warm_up
from ziyan.bench.variants import variants


def run(plan: Plan, labels: Sequence[Label], *, count: int, seed: int, out: Path) -> bool:
    """The whole command: each reader by itself, the same pictures.

    Args:
        plan: Who takes part.
        labels: What the pictures are made from.
        count: How many are made.
        seed: Of the random crops, scales and turns.
        out: Folder for the two files.

    Returns:
        False if one of our readers grew or took too much; the rival's are shown, not judged.

    Raises:
        BenchError: A reader does not come up.
    """
    machine = describe()
    rivals, _ = rival_contestants(plan, labels)
    ours = [our_contestant(plan, model) for model in plan.models]
    pictures = [label.path for label in labels]
    curves: dict[str, MemoryCurve] = {}
    abouts = {}
    for contestant in (*ours, *rivals):
        with contestant, display.progress(contestant.name, count) as advance:
            warm_up([contestant], labels)
            curves[contestant.name] = watch(contestant, variants(pictures, count, seed), _remark(advance))
            abouts[contestant.name] = contestant.about
    verdicts = {contestant.name: _verdict(curves[contestant.name]) for contestant in ours}
    console = display.standard_output()
    console.print(machine_line(machine))
    console.print(tables.about_table(list(abouts.values())))
    console.print()
    console.print(tables.memory_table(curves))
    for name, (verdict, _) in verdicts.items():
        console.print(f"{name}: {verdict}")
    figures = {
        "command": "memory",
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
        "readers": abouts,
        "count": count,
        "seed": seed,
        "curves": {
            name: {
                "samples": list(curve.samples),
                "most": curve.most,
                "slope_mib_per_1000": curve.slope,
                "failures": curve.failures,
                "deaths": curve.deaths,
            }
            for name, curve in curves.items()
        },
    }
    sections = [
        page.paragraphs([machine_line(machine), *(f"{name}: {verdict}" for name, (verdict, _) in verdicts.items())]),
        page.memory_chart(curves),
        page.table("", *tables.memory_rows(curves)),
        page.facts("Machine, readers, versions, weights", {"machine": machine, "readers": abouts}),
    ]
    display.save(out, "memory", figures, page.page("Ziyan: memory", sections))
    return all(held for _, held in verdicts.values())


def _remark(advance: Callable[[str], None]) -> Callable[[int], None]:
    return lambda size: advance(f"{size / MIB:,.0f} MiB")


def _verdict(curve: MemoryCurve) -> tuple[str, bool]:
    flat = f"{'flat' if curve.flat else 'not flat'} ({curve.slope:+.1f} MiB per 1,000 pictures, at most {FLAT_MIB:g})"
    limit = f"at most {curve.most / MIB:,.0f} MiB, {'under' if curve.under_limit else 'OVER'} {LIMIT_BYTES / MIB:,.0f}"
    return f"{flat}; {limit}; {curve.deaths} processes lost", curve.flat and curve.under_limit
