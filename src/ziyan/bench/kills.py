"""``kills``: gateways that are killed at random moments sell what there is, exactly.

Several gateways without HTTP make ten times as many calls as are left, in parallel.  One after the other is killed with
SIGKILL, whatever it is doing, and another takes its place; each time the ledger must be clean.  At the end every call
is sold once, but for those that the killed ones held, which lapse and are sold then.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rich.table import Table
from sqlalchemy import Connection, update

from ziyan.bench import display, machine
from ziyan.bench.errors import BenchError
from ziyan.metering import ledger, packages
from ziyan.metering.credentials import register_app
from ziyan.metering.store import Store, schema
from ziyan.settings import PREFIX, Settings

_CALLERS: Final = 16
#: For how long a call reads, at most; so long do calls last that all kills find some.
_READING_SECONDS: Final = 0.25
_CALLS_A_KILL: Final = 200
_MOST_WAIT_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What is done.

    Attributes:
        calls: How many are left in the beginning, in packages of several sizes.
        kills: How many gateways are killed.
        processes: Gateways at the same time.
        callers: Calls of each that are under way at the same time.
        tries: How many times as many calls are made as are left.
        reading_seconds: For how long a call reads, at most.
        seed: Of the moments, and of who is killed.
    """

    calls: int
    kills: int
    processes: int = 3
    callers: int = _CALLERS
    tries: int = 10
    reading_seconds: float = _READING_SECONDS
    seed: int = 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What it came to.

    Attributes:
        calls: How many were left in the beginning.
        early: Kills while calls were left.
        unclean: Kills after which the ledger was not clean.
        held: Calls that killed gateways held at the end.
        refused: Calls that were refused to the gateways that lived, for none was left.
        sold: Calls that the packages say were sold, all of it over.
        events: Calls that the events say were billed.
        left: Calls that anybody holds or could still buy.
        clean: Whether the ledger was clean at the end.
    """

    calls: int
    early: int
    unclean: int
    held: int
    refused: int
    sold: int
    events: int
    left: int
    clean: bool

    @property
    def exact(self) -> bool:
        """Whether every call was sold exactly once."""
        return self.sold == self.events == self.calls and self.left == 0 and self.clean and self.unclean == 0


class _Gateways:
    """Some processes that sell an app's calls."""

    def __init__(self, settings: Settings, app_id: str, trial: Trial) -> None:
        self._environment = {
            **os.environ,
            f"{PREFIX}DATA_DIR": str(settings.data_dir),
            f"{PREFIX}DATABASE_URL": settings.database_url,
        }
        tries = -(-trial.calls * trial.tries // trial.processes)
        self._command = [
            *(sys.executable, "-m", "ziyan.bench.seller", app_id),
            *(str(trial.callers), str(tries), str(trial.reading_seconds)),
        ]
        self.running = [self._begun() for _ in range(trial.processes)]
        for process in self.running:
            _send_off(process)

    def start(self) -> subprocess.Popen[str]:
        """One more, which sells."""
        process = self._begun()
        _send_off(process)
        return process

    def _begun(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(self._command, env=self._environment, stdin=pipe, stdout=pipe, text=True)  # noqa: S603

    def kill(self, number: int) -> None:
        """One of them, at this moment."""
        self.running[number].kill()
        self.running[number].communicate()

    def end(self) -> int:
        """Wait for all of them; how many calls they were refused."""
        return sum(_refused(process) for process in self.running)

    def stop(self) -> None:
        """End what still runs."""
        for process in self.running:
            process.kill()
            process.communicate()


def _send_off(process: subprocess.Popen[str]) -> None:
    """Have a gateway sell once it is ready."""
    if process.stdin is None or process.stdout is None or process.stdout.readline() != "ready\n":
        raise BenchError("a gateway did not start; what it says stands above")
    process.stdin.write("go\n")
    process.stdin.flush()


def _refused(process: subprocess.Popen[str]) -> int:
    said, _ = process.communicate(timeout=_PATIENCE_SECONDS)
    words = said.split()
    if not words or words[0] != "done":
        raise BenchError("a gateway ended before its calls did; what it says stands above")
    return int(words[2])


def attempt(settings: Settings, trial: Trial) -> Outcome:
    """Try it on a database that nobody else uses.

    Raises:
        BenchError: The database is in use, or a gateway ended by itself.
        StoreError: The database does not answer.
    """
    dice = random.Random(trial.seed)  # noqa: S311 - the same moments each time, as far as a seed decides them
    store = Store.open(settings)
    try:
        if ledger.check(store).consumed:
            raise BenchError("the database has calls that others sold; name an empty one")
        app_id = register_app(store, "kills").app.id
        for part in (trial.calls // 2, trial.calls // 3, trial.calls - trial.calls // 2 - trial.calls // 3):
            packages.grant(store, app_id, part)
        early = unclean = 0
        gateways = _Gateways(settings, app_id, trial)
        try:
            for _ in range(trial.kills):
                time.sleep(dice.random() * _MOST_WAIT_SECONDS)
                victim = dice.randrange(trial.processes)
                early += _left(store, app_id) > 0
                gateways.kill(victim)
                unclean += ledger.check(store).differences != ()
                gateways.running[victim] = gateways.start()
            refused = gateways.end()
            held = _lapse(store)
            gateways.running = [gateways.start()]
            refused += gateways.end()
        finally:
            gateways.stop()
        report, left = ledger.check(store), _left(store, app_id)
        return Outcome(
            trial.calls, early, unclean, held, refused, report.consumed, report.events, left, not report.differences
        )
    finally:
        store.close()


def _left(store: Store, app_id: str) -> int:
    """Calls that are not sold, held or not."""
    return sum(package.calls - package.consumed for package in packages.list_packages(store, app_id))


def _lapse(store: Store) -> int:
    """Let go of what killed gateways held, as time would; nobody waits for that here.  How many they were."""

    def work(connection: Connection) -> int:
        connection.execute(update(schema.reservations).values(expires_at=1))
        return packages.sweep_in(connection)

    return store.transact(work, write=True)


def run(*, count: int, calls: int | None, database_url: str | None, out: Path) -> bool:
    """Try it on the named database, that of ``ZIYAN_DATABASE_URL``, or SQLite in a new folder; print and write a file.

    Args:
        count: How many gateways are killed.
        calls: How many calls are left in the beginning; None: as many as the kills will need.
        database_url: Of the database.
        out: Folder of ``kills.json``.

    Returns:
        False if not every call was sold exactly once, or calls were gone before the last kill.

    Raises:
        BenchError: A gateway ended by itself.
        StoreError: The database does not answer.
    """
    out.mkdir(parents=True, exist_ok=True)
    trial = Trial(calls or count * _CALLS_A_KILL, count)
    with TemporaryDirectory(dir=out) as folder:
        settings = Settings.load(data_dir=Path(folder))
        if database_url is not None:
            settings = settings.model_copy(update={"database_url": database_url})
        started = time.perf_counter()
        found = attempt(settings, trial)
        seconds = time.perf_counter() - started
    database = settings.store_url.partition(":")[0]
    shown = Table(title=f"{count} gateways killed on {database}, in {seconds:.0f} s")
    for head in ("", "found", "wanted"):
        shown.add_column(head, justify="right" if head else "left")
    for name, number, wanted in (
        ("calls sold, by the packages", found.sold, found.calls),
        ("calls billed, by the events", found.events, found.calls),
        ("calls left or held", found.left, 0),
        ("kills while calls were left", found.early, count),
        ("kills after which the ledger was not clean", found.unclean, 0),
        ("calls that the killed still held at the end", found.held, ""),
        ("calls refused to the living", found.refused, ""),
    ):
        shown.add_row(name, f"{number:,}", f"{wanted:,}" if isinstance(wanted, int) else wanted)
    shown.add_row("ledger", "clean" if found.clean else "wrong", "clean")
    display.standard_output().print(shown)
    figures = {
        "machine": machine.describe(),
        "database": database,
        "seconds": seconds,
        **asdict(trial),
        **asdict(found),
    }
    display.save_figures(out, "kills", figures)
    return found.exact and found.early == count
