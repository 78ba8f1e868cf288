"""``consistency``, ``hostile`` and ``crash``: what the local engine withstands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from ziyan.bench import display, tables
from ziyan.bench.consistency import Gathered, differences, gather
from ziyan.bench.crash import CALLS, crash
from ziyan.bench.dataset import Label
from ziyan.bench.hostile import hostile_pictures
from ziyan.bench.memory import MIB
from ziyan.bench.siege import FLAT_MIB, besiege
from ziyan.engine.base import Engine


@asynccontextmanager
async def _running(engine: Engine) -> AsyncIterator[Engine]:
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def run_consistency(engine: Engine, labels: Sequence[Label], callers: Sequence[int]) -> bool:
    """Read every picture with each number of callers; the first is what the others are held against.

    Returns:
        False if any picture was answered differently, or was not answered.
    """
    console = display.standard_output()
    rounds: list[Gathered] = []
    async with _running(engine):
        for count in callers:
            with display.progress(f"{count} callers", len(labels)) as advance:
                rounds.append(await gather(engine, labels, count, partial(advance, "")))
    first, same = rounds[0], True
    for it in rounds:
        different = differences(first, it)
        same = same and not different
        limit = engine.status().queue_limit
        console.print(
            f"{it.callers} callers: {len(it.texts)} of {len(labels)} pictures answered, {len(different)} differently "
            f"from {first.callers} callers; {it.refusals} refusals retried (queue of {limit})"
        )
        for key in different:
            console.print(f"  {key}: {it.failures.get(key, 'another text')}")
    console.print("the same text for every picture" if same else "NOT the same text for every picture")
    return same


async def run_hostile(engine: Engine, *, count: int, seed: int, callers: int) -> bool:
    """Throw ``count`` hostile pictures at the engine.

    Returns:
        False if anything but a page or a clear refusal came back, a process was lost, or memory grew.
    """
    console = display.standard_output()
    async with _running(engine):
        with display.progress("hostile pictures", count) as advance:
            siege = await besiege(engine, hostile_pictures(count, seed), callers, advance=partial(advance, ""))
    console.print(tables.outcome_table(siege.outcomes))
    console.print(
        f"slowest answer {siege.slowest:.2f} s ({siege.slowest_kind}); {siege.refusals} refusals retried; "
        f"{siege.restarts} reading processes lost"
    )
    first, last = siege.memory[0] / MIB, siege.memory[-1] / MIB
    console.print(
        f"resident memory of all processes: {first:,.0f} MiB at the start, {max(siege.memory) / MIB:,.0f} at most, "
        f"{last:,.0f} at the end; {siege.growth:+.0f} MiB since the first tenth (at most {FLAT_MIB:g})"
    )
    for kind, what in siege.unexpected[:20]:
        console.print(f"UNEXPECTED {kind}: {what}", markup=False)
    console.print("held" if siege.held else "NOT held")
    return siege.held


async def run_crash(engine: Engine, label: Label) -> bool:
    """Kill the reading process in the middle of a picture.

    Returns:
        False unless exactly one call was lost, with the error that says why.

    Raises:
        BenchError: No process could be seen reading.
    """
    console = display.standard_output()
    async with _running(engine):
        it = await crash(engine, label.path.read_bytes())
    outcomes = ", ".join(f"{count} × {outcome}" for outcome, count in sorted(it.outcomes.items()))
    console.print(f"{label.key}, {CALLS} calls, reading process killed during the first: {outcomes}")
    console.print(
        f"next answer {it.next_answer:.2f} s after the kill (one picture takes {it.undisturbed:.2f} s undisturbed); "
        f"{it.restarts} process replaced"
    )
    console.print("contained" if it.contained else "NOT contained")
    return it.contained
