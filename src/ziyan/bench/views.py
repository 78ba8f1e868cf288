"""``views``: how long the operator's pages take on a database with many calls.

Every page is asked for in this process, over the application itself, by an operator who has signed in: what is measured
is what a browser waits for but for the network.  The database is one that ``ziyan demo`` has filled, or is filled here.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import httpx
from rich.table import Table

from ziyan.api.app import create_app
from ziyan.bench import display, machine
from ziyan.engine.base import EngineStatus
from ziyan.metering import demo, logins, passwords
from ziyan.metering.desk import Person
from ziyan.metering.logins import Role
from ziyan.metering.store import Store
from ziyan.metering.store import logins as table
from ziyan.settings import Settings

#: Milliseconds that any page may take.
MOST_MS: Final = 300.0
_NAME: Final = "bench"
_COOKIE: Final = "ziyan_session"
#: What is asked for as it is, and lists whose first row is.
_PAGES: Final = (
    "/admin",
    "/admin/accounts",
    "/admin/apps",
    "/admin/orders",
    "/admin/invoices",
    "/admin/catalogue",
    "/admin/usage",
    "/admin/usage?since={year}&until={today}",
    "/admin/usage?since={today}&until={today}",
    "/admin/notices",
    "/admin/audit",
    "/admin/health",
)
_LISTS: Final = ("/admin/accounts", "/admin/apps", "/admin/orders", "/admin/invoices")


class _Idle:
    """An engine that nobody asks to read."""

    def status(self) -> EngineStatus:
        """As one that has nothing to do."""
        return EngineStatus(True, workers=1, busy=0, queued=0, queue_limit=8, restarts=0)


@dataclass(frozen=True, slots=True)
class View:
    """A page.

    Attributes:
        path: Its address, identifiers left out.
        times: Milliseconds that it took, each time.
    """

    path: str
    times: Sequence[float]

    @property
    def middle(self) -> float:
        """The time in the middle."""
        return median(self.times)


def run(*, events: int, rounds: int, data: Path | None, out: Path) -> bool:
    """Measure; print and write a file.

    Args:
        events: Calls that a new database is filled with.
        rounds: How often each page is asked for.
        data: Folder that ``ziyan demo`` has filled before; None fills a new one.
        out: Folder of ``views.json``.

    Returns:
        False if a page takes longer than it may.

    Raises:
        StoreError: The database does not answer.
    """
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out) as folder:
        settings = Settings.load(data_dir=data or Path(folder))
        store = Store.open(settings)
        try:
            if data is None:
                demo.fill(store, calls=events)
            views = asyncio.run(measure(settings, store, rounds))
            database = store.dialect
        finally:
            store.close()
    shown = Table(title=f"Pages of the operator on {database}, {rounds} times each")
    for head in ("page", "ms, median", "ms, most"):
        shown.add_column(head, justify="left" if head == "page" else "right")
    for view in views:
        shown.add_row(view.path, f"{view.middle:.0f}", f"{max(view.times):.0f}")
    display.standard_output().print(shown)
    figures = {"machine": machine.describe(), "database": database, "pages": {v.path: list(v.times) for v in views}}
    display.save_figures(out, "views", figures)
    return all(view.middle <= MOST_MS for view in views)


async def measure(settings: Settings, store: Store, rounds: int) -> list[View]:
    """Every page, so many times after once to warm up."""
    engine: Any = _Idle()
    app = create_app(settings, engine, store)
    transport = httpx.ASGITransport(app=app)
    cookies = {_COOKIE: await _session(store)}
    async with httpx.AsyncClient(transport=transport, base_url="http://bench.test", cookies=cookies) as client:
        today = time.strftime("%Y-%m-%d")
        year = f"{int(today[:4]) - 1}{today[4:]}".replace("-02-29", "-02-28")
        paths = [path.format(today=today, year=year) for path in _PAGES]
        for path in _LISTS:
            listed = await client.get(path)
            paths += re.findall(rf'<td[^>]*><a href="({path}/[^"]+)"', listed.text)[:1]
        return [View(re.sub(r"[0-9a-f]{32}", "…", path), await _times(client, path, rounds)) for path in paths]


async def _session(store: Store) -> str:
    """What the browser of an operator holds."""
    new = passwords.fresh()

    def sign_up(desk: Any) -> logins.Login:
        found = table.by_name(desk.connection, _NAME)
        return found or logins.create_login(desk, _NAME, Role.OPERATOR, new)

    return await logins.start_session(store, Person(store, _NAME).do(sign_up))


async def _times(client: httpx.AsyncClient, path: str, rounds: int) -> list[float]:
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        answer = await client.get(path)
        times.append((time.perf_counter() - started) * 1000)
        answer.raise_for_status()
    return times[1:]
