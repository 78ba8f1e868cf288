"""``views``: how long the pages of operators and buyers take on a database with many calls.

Every page is asked for in this process, over the application itself, by somebody who has signed in: what is measured is
what a browser waits for but for the network; of a file, until its first bytes.  The database is one that ``ziyan demo``
has filled, or is filled here, so that one account has most of the calls; the buyer is of the account with the most.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.table import Table

from ziyan.api.app import create_app
from ziyan.bench import display, machine
from ziyan.engine.base import EngineStatus
from ziyan.metering import demo, logins, passwords, tokens
from ziyan.metering.desk import Person
from ziyan.metering.logins import Role
from ziyan.metering.store import Store, overview
from ziyan.metering.store import logins as table
from ziyan.metering.times import now_ms
from ziyan.metering.tokens import BUYER
from ziyan.settings import Settings

#: Milliseconds that any page may take.
MOST_MS: Final = 100.0
_NAMES: Final = {Role.OPERATOR: "bench", Role.BUYER: "bench-buyer"}
_COOKIE: Final = "ziyan_session"
#: How much more the first account calls here than in a demo: then it has most of the calls.
_TIMES_MORE: Final = 8
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
_BUYERS_PAGES: Final = (
    "/console",
    "/console/packages",
    "/console/usage",
    "/console/usage?from={year}&to={today}",
    "/console/usage?from={year}&to={today}&app={app}",
    "/console/usage?by=hour",
    "/console/usage?by=hour&from={week}&to={today}",
    "/console/calls",
    "/console/calls?app={app}",
    "/console/keys",
    "/console/orders",
    "/console/statements",
    "/console/invoices",
    "/console/inbox",
    "/console/notices",
)
#: Of which the first bytes are waited for.
_FILES: Final = (
    "/console/usage?from={year}&to={today}&csv=1",
    "/console/calls?csv=1",
    "/console/orders?csv=1",
    "/console/statements/months/{month}/csv",
    "/v1/account/usage/events?since={year}&until={today}&format=csv",
)


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
                demo.fill(store, calls=events, customers=_customers())
            views = asyncio.run(measure(settings, store, rounds))
            database = store.dialect
        finally:
            store.close()
    shown = Table(title=f"Pages on {database}, {rounds} times each")
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
    operator = _Caller(app, {"cookie": f"{_COOKIE}={await _session(store, Role.OPERATOR)}"})
    account_id, app_id = _largest(store)
    buyer = _Caller(app, {"cookie": f"{_COOKIE}={await _session(store, Role.BUYER, account_id)}"})
    today = date.fromisoformat(time.strftime("%Y-%m-%d"))
    words = {
        "today": today,
        "week": today - timedelta(days=6),
        "year": today - timedelta(days=365),
        "month": f"{today - timedelta(days=today.day):%Y-%m}",
        "app": app_id,
    }
    paths = [path.format(**words) for path in _PAGES]
    for path in _LISTS:
        listed, _ = await operator.ask(path)
        paths += re.findall(rf'<td[^>]*><a href="({path}/[^"]+)"', listed.decode())[:1]
    views = [await _timed(operator, path, rounds) for path in paths]
    program = _Caller(app, {"authorization": f"Bearer {_token(store, account_id)}"})
    for path in (each.format(**words) for each in (*_BUYERS_PAGES, *_FILES)):
        views.append(await _timed(program if path.startswith("/v1/") else buyer, path, rounds))
    return views


def _customers() -> list[demo.Customer]:
    """Those of a demo, but one account has most of the calls."""
    most = demo.CUSTOMERS[0][0]
    return [
        (account, name, replace(caller, weight=caller.weight * _TIMES_MORE) if account == most else caller, prompt)
        for account, name, caller, prompt in demo.CUSTOMERS
    ]


def _largest(store: Store) -> tuple[str, str]:
    """The account and the app with the most calls."""

    def look(connection: Any) -> list[overview.Sum]:
        return overview.sums(connection, ("account_id", "app_id"), span="day", since=0, until=now_ms())

    sums = store.transact(look)
    accounts = {each.key[0]: sum(other.calls for other in sums if other.key[0] == each.key[0]) for each in sums}
    account_id = max(accounts, key=lambda each: accounts[each])
    return account_id, max((each for each in sums if each.key[0] == account_id), key=lambda each: each.calls).key[1]


async def _session(store: Store, role: Role, account_id: str | None = None) -> str:
    """What the browser of somebody who is signed in holds."""
    new, name = passwords.fresh(), _NAMES[role]

    def sign_up(desk: Any) -> logins.Login:
        found = table.by_name(desk.connection, name)
        return found or logins.create_login(desk, name, role, new, account_id)

    return await logins.start_session(store, Person(store, name).do(sign_up))


def _token(store: Store, account_id: str) -> str:
    name = _NAMES[Role.BUYER]
    return Person(store, name).do(lambda desk: tokens.issue(desk, name, BUYER, account_id=account_id)).secret


class _Caller:
    """Asks the application, as somebody."""

    def __init__(self, app: Any, headers: dict[str, str]) -> None:
        """Send ``headers`` each time."""
        self._app = app
        self._headers = [(name.encode(), value.encode()) for name, value in ({"host": "bench.test"} | headers).items()]

    async def ask(self, path: str) -> tuple[bytes, float]:
        """The first bytes of an answer, which of a page are all of it, and when they came.

        Raises:
            RuntimeError: It is none with status 200.
        """
        plain, _, query = path.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": plain, "root_path": "",
            "raw_path": plain.encode(), "query_string": query.encode(), "headers": self._headers,
            "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "asgi": {"version": "3.0", "spec_version": "2.3"},
        }  # fmt: skip
        first: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        status, asked = 0, False

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await first  # then the caller hangs up
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            if message.get("body") and not first.done():
                first.set_result(message["body"])

        answering = asyncio.ensure_future(self._app(scope, receive, send))
        await asyncio.wait({answering, first}, return_when=asyncio.FIRST_COMPLETED)
        came = time.perf_counter()
        await answering
        if status != 200 or not first.done():
            raise RuntimeError(f"{plain} answers {status}")
        return first.result(), came


async def _timed(caller: _Caller, path: str, rounds: int) -> View:
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        _, came = await caller.ask(path)
        times.append((came - started) * 1000)
    return View(re.sub(r"[0-9a-f]{32}", "…", path), times[1:])
