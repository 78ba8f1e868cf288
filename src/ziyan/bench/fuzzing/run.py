"""The whole command: a server of its own, the attack, and what must hold at its end."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from ziyan.bench import display, tables
from ziyan.bench.errors import BenchError
from ziyan.bench.fuzzing.attack import Tally, attack
from ziyan.bench.machine import describe
from ziyan.bench.memory import MIB

#: MiB by which the server may have grown between the second fifth of the time and the last one.
FLAT_MIB = 32.0
#: Files and sockets that the server may have open at the end beyond those at the start.
SPARE_FILES = 10
_ATTACKERS, _WITNESSES = 16, 2
_LOOK_EVERY = 0.25
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_SETTLE_SECONDS = 10.0


@dataclass(slots=True)
class Watch:
    """The server's process during the attack.

    Attributes:
        memory: Resident bytes, every quarter of a second.
        files_before: Open files and sockets before the first case.
        files_after: The same once all connections are gone.
        alive: It was there at the end and answered a last call.
        exit_status: After it was told to stop; None if it had to be killed.
        log: Lines of its log that must not be there.
    """

    memory: list[int] = field(default_factory=list)
    files_before: int = 0
    files_after: int = 0
    alive: bool = False
    exit_status: int | None = None
    log: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """MiB between the second fifth of the time, when all is warm, and the last fifth."""
        fifth = len(self.memory) // 5
        if not fifth:
            return 0.0
        return (median(self.memory[-fifth:]) - median(self.memory[fifth : 2 * fifth])) / MIB


def run(*, minutes: float, seed: int, port: int, out: Path, server: tuple[str, ...] = ()) -> bool:
    """Fuzz for ``minutes``.

    Args:
        minutes: How long.
        seed: Of all cases.
        port: That the server listens on; 0 takes a free one.
        out: Folder for ``fuzz.json``.
        server: Command of the server, to which a folder and ``port`` are added; empty starts our own.

    Returns:
        False if anything was seen that must not be.

    Raises:
        BenchError: The server does not come up.
    """
    tally, watch = Tally(), Watch()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ziyan-fuzz-") as folder:
        log = Path(folder) / "log"
        command = server or (sys.executable, "-P", "-W", "error", "-m", "ziyan.bench.instant")
        with _running((*command, folder, str(port)), log) as (process, found_port, appcode):
            asyncio.run(_besiege(process, found_port, appcode, started + minutes * 60, seed, tally, watch))
            watch.exit_status = _stop(process)
        watch.log = list(bad_lines(log))
    wrong = verdicts(tally, watch)
    _report(tally, watch, wrong)
    _save(out, seed=seed, seconds=time.monotonic() - started, tally=tally, watch=watch, wrong=wrong)
    return not wrong


@contextmanager
def _running(command: tuple[str, ...], log: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A server that writes its port and an AppCode on one line once it is ready."""
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=_environment())  # noqa: S603
    try:
        assert process.stdout is not None  # noqa: S101 - for mypy
        words = process.stdout.readline().split()
        if len(words) != 2:
            raise BenchError(f"the server does not come up: {log.read_text('utf-8')[-2000:]}")
        yield process, int(words[0]), words[1]
    finally:
        process.kill()
        process.communicate()


def _environment() -> dict[str, str]:
    """No setting of whoever runs this; proxies would be ignored, and are left out all the same."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ZIYAN_")}


async def _besiege(
    process: subprocess.Popen[str], port: int, appcode: str, until: float, seed: int, tally: Tally, watch: Watch
) -> None:
    server = psutil.Process(process.pid)
    # the database's files are opened by the first calls
    warm = time.monotonic() + min(1.0, (until - time.monotonic()) / 10)
    await attack(port, appcode, seed=seed, until=warm, attackers=0, witnesses=8, tally=Tally())
    watch.files_before = server.num_fds()
    looking = asyncio.create_task(_look(server, watch, until))
    await attack(port, appcode, seed=seed, until=until, attackers=_ATTACKERS, witnesses=_WITNESSES, tally=tally)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    if process.poll() is not None:
        return
    last = Tally()
    await attack(port, appcode, seed=seed, until=time.monotonic() + 0.01, attackers=0, witnesses=1, tally=last)
    watch.alive = bool(last.witnessed) and not last.failed
    for _ in range(round(_SETTLE_SECONDS / _LOOK_EVERY)):
        watch.files_after = server.num_fds()
        if watch.files_after <= watch.files_before + SPARE_FILES:
            break
        await asyncio.sleep(_LOOK_EVERY)


async def _look(server: psutil.Process, watch: Watch, until: float) -> None:
    total = max(1, round(until - time.monotonic()))
    begun = time.monotonic()
    with display.progress("fuzz, seconds", total) as advance:
        shown = 0
        while True:
            memory = server.memory_info().rss
            watch.memory.append(memory)
            while shown < min(total, int(time.monotonic() - begun)):
                advance(f"{memory / MIB:,.0f} MiB")
                shown += 1
            await asyncio.sleep(_LOOK_EVERY)


def _stop(process: subprocess.Popen[str]) -> int | None:
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def bad_lines(log: Path) -> Iterator[str]:
    """Lines of a log that show a fault of ours: traces, errors, and what is no line of the log at all."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record: Any = json.loads(line)
            except ValueError:
                record = None
            if not isinstance(record, dict) or "exception" in record or record.get("level") in {"error", "critical"}:
                yield line.rstrip()[:4000]


def verdicts(tally: Tally, watch: Watch) -> list[str]:
    """Everything that is not as it must be."""
    wrong = []
    if tally.failed:
        wrong.append(f"{tally.failed} cases or well-formed calls failed")
    if not tally.witnessed:
        wrong.append("no well-formed call was made")
    if not watch.alive:
        wrong.append("the server did not live to the end")
    if watch.growth > FLAT_MIB:
        wrong.append(f"memory grew by {watch.growth:.0f} MiB")
    if watch.files_after > watch.files_before + SPARE_FILES:
        wrong.append(f"{watch.files_after - watch.files_before} files or sockets were left open")
    if watch.log:
        wrong.append(f"{len(watch.log)} lines of the log show a fault")
    if watch.exit_status != 0:
        wrong.append(f"the server ended with status {watch.exit_status}")
    return wrong


def _report(tally: Tally, watch: Watch, wrong: list[str]) -> None:
    console = display.standard_output()
    console.print(tables.outcome_table(tally.outcomes))
    console.print(
        f"{tally.outcomes.total() - tally.witnessed:,} cases; {tally.witnessed:,} well-formed calls beside them, "
        f"the slowest {tally.slowest:.2f} s"
    )
    first, most = (watch.memory[0] / MIB, max(watch.memory) / MIB) if watch.memory else (0.0, 0.0)
    console.print(
        f"resident memory of the server: {first:,.0f} MiB at the start, {most:,.0f} at most; {watch.growth:+.1f} MiB "
        f"from the second fifth of the time to the last (at most {FLAT_MIB:g}); "
        f"{watch.files_before} open files before, {watch.files_after} after"
    )
    for failure in tally.failures[:20]:
        console.print(f"FAILED {failure.kind} {failure.number}: {failure.what}", markup=False)
    for line in watch.log[:10]:
        console.print(f"LOG {line}", markup=False)
    for what in wrong:
        console.print(what)
    console.print("NOT held" if wrong else "held")


def _save(out: Path, *, seed: int, seconds: float, tally: Tally, watch: Watch, wrong: list[str]) -> None:
    figures = {
        "command": "fuzz",
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "seed": seed,
        "seconds": round(seconds, 1),
        "outcomes": [
            {"kind": kind, "outcome": outcome, "count": number}
            for (kind, outcome), number in sorted(tally.outcomes.items())
        ],
        "witnessed": tally.witnessed,
        "slowest": tally.slowest,
        "failed": tally.failed,
        "failures": [
            {**asdict(failure), "sent": base64.b64encode(failure.sent).decode()} for failure in tally.failures
        ],
        "server": {**asdict(watch), "growth_mib": watch.growth},
        "wrong": wrong,
    }
    out.mkdir(parents=True, exist_ok=True)
    file = out / "fuzz.json"
    file.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", "utf-8")
    display.say(f"written: {file}")
