"""A year of customers who do not exist, so that consoles, charts and reports can be looked at.

Accounts, apps, orders, packages, calls with their sums, notices and requests for invoices agree with each other as
those of a real service do: ``ziyan ledger check`` is clean.  Only an empty database is filled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection

from ziyan.errors import ConflictError
from ziyan.metering import catalogue, passwords
from ziyan.metering.credentials import new_app, register_in
from ziyan.metering.demo_papers import OPERATOR, Client, Papers
from ziyan.metering.demo_sales import NONE, Bought, Buyer, Sums, charge, fitting
from ziyan.metering.demo_traffic import LEARNING, OK, OUTCOMES, Caller, Calls, Numbers, Traffic, day_starts
from ziyan.metering.desk import Person
from ziyan.metering.logins import Role, create_login
from ziyan.metering.store import Store, apps, bulk
from ziyan.metering.store.apps import Account
from ziyan.metering.store.schema import usage_events, usage_rollups
from ziyan.metering.times import HOUR_MS, now_ms

#: Account and app, how it calls, and whether it buys in time.
Customer = tuple[str, str, Caller, bool]
CUSTOMERS: Final[tuple[Customer, ...]] = (
    ("青木档案数字化有限公司", "档案扫描流水线", Caller(30, 1.8, 0.9, around_the_clock=True), True),
    ("青木档案数字化有限公司", "质检抽样", Caller(4, 1.3), True),
    ("云杉教育科技", "拍照搜题", Caller(22, 3.0, 1.6), True),
    ("云杉教育科技", "作业批改", Caller(12, 2.5, 1.2), False),
    ("海棠物流（上海）", "面单识别", Caller(16, 1.6, 0.7, around_the_clock=True), True),
    ("海棠物流（上海）", "回单归档", Caller(5), True),
    ("正文律师事务所", "卷宗检索", Caller(3, 1.2, 0.1), True),
    ("北辰医院信息科", "病历录入", Caller(6, 1.5, 0.8), True),
    ("砚台书店", "古籍目录", Caller(1, 0.6, 0.5), True),
    ("Harbor Invoices Ltd.", "Receipts EU", Caller(8, 2.2, 0.2), False),
    ("Harbor Invoices Ltd.", "Receipts sandbox", Caller(0.5, mix=LEARNING), True),
    ("小满财务", "票据助手", Caller(4, 4.0, 0.3, mix=LEARNING, begins=0.45), True),
    ("独立开发者 林间", "截图翻译", Caller(1.5, 5.0, 1.3, mix=LEARNING, begins=0.7), False),
)
#: Who signs in to the console of the account with the most to see.
BUYER: Final = "buyer"
_EVENT_COLUMNS: Final = (
    *("at", "id", "app_id", "account_id", "package_id", "status", "code", "billed", "ms", "bytes_in"),
)
_SUM_COLUMNS: Final = (
    *("app_id", "span", "start", "package_id", "code", "account_id", "calls", "billed", "ms", "bytes_in"),
)


@dataclass(frozen=True, slots=True)
class Filled:
    """What a demo consists of.

    Attributes:
        accounts: How many accounts there are.
        apps: How many apps.
        packages: How many packages.
        calls: How many calls.
        password: Of the buyer ``BUYER``.
    """

    accounts: int
    apps: int
    packages: int
    calls: int
    password: str = field(repr=False)


def fill(
    store: Store,
    *,
    calls: int,
    seed: int = 1,
    customers: Sequence[Customer] = CUSTOMERS,
    told: Callable[[int], None] = lambda _made: None,
) -> Filled:
    """Fill an empty database with a year that ends now.

    Args:
        store: The database.
        calls: How many there are to be; more than some hundred, so that every app makes some.
        seed: Of everything but credentials.
        customers: Who calls; as many as there are in ``CUSTOMERS``.
        told: Called with the number of calls that are stored, now and then.

    Raises:
        ConflictError: The database is not empty.
        StoreError: It is away.
    """
    now = now_ms()
    callers = [caller for _, _, caller, _ in customers]
    traffic = Traffic(callers, now=now, zone=store.zone, calls=calls, seed=seed)
    clients = store.transact(lambda connection: _open(connection, store, traffic, customers), write=True)
    catalogue.ensure_catalogue(store)
    items, counts = catalogue.list_items(store), traffic.counts.sum(axis=1).tolist()
    year = _Year(store, traffic, clients, day_starts(traffic.starts, now, store.zone))
    for place, (count, (_, _, _, prompt)) in enumerate(zip(counts, customers, strict=True)):
        year.buyers.append(Buyer(place, fitting(count, items), traffic.starts, year.shelf, prompt=prompt))
    made = 0
    for week in traffic.weeks():
        year.store_week(week)
        made += len(week.at)
        told(made)
    papers = Papers(clients, year.close(), now)
    store.transact(lambda connection: papers.store(connection, store), write=True)
    new = passwords.fresh()
    buyer = Person(store, OPERATOR)
    buyer.do(lambda desk: create_login(desk, BUYER, Role.BUYER, new, clients[2].account_id))
    return Filled(len({client.account_id for client in clients}), len(clients), len(year.shelf), made, new.text)


def _open(connection: Connection, store: Store, traffic: Traffic, customers: Sequence[Customer]) -> list[Client]:
    """Register every account and app, as of the beginning of the year."""
    if not bulk.is_empty(connection):
        raise ConflictError("A demo needs an empty database, and this one has accounts; name a new folder")
    names = list(dict.fromkeys(account for account, _, _, _ in customers))
    accounts = dict(zip(names, traffic.hex(len(names), 32), strict=True))
    for name, account_id in accounts.items():
        apps.add_account(connection, Account(account_id, name, traffic.starts))
    clients = []
    since = datetime.fromtimestamp(traffic.starts / 1000, UTC)
    for (account, name, _, _), app_id in zip(customers, traffic.hex(len(customers), 32), strict=True):
        app = replace(new_app(app_id, name, accounts[account]), created_at=since)
        register_in(connection, store, app, hmac=False)
        clients.append(Client(app_id, app.account_id, name))
    return clients


class _Year:
    """Calls and their sums, on their way into the database."""

    def __init__(self, store: Store, traffic: Traffic, clients: Sequence[Client], days: Numbers) -> None:
        """Begin with nothing."""
        self._store, self._traffic, self._clients, self._days = store, traffic, clients, days
        self.buyers: list[Buyer] = []
        self.shelf: list[Bought] = []
        self._names: list[str] = []  # of the packages on the shelf
        self._sums = Sums()

    def store_week(self, calls: Calls) -> None:
        """Store the calls of a week and the sums of their hours."""
        package, outcome = charge(calls, self.buyers)
        self._name_packages()
        billed = (package != NONE).astype(np.int64)
        amounts = (np.ones_like(billed), billed, calls.ms, calls.bytes_in)
        hours, rest = Sums(), (package, outcome)
        hours.add((calls.caller, calls.at // HOUR_MS * HOUR_MS, *rest), amounts)
        days = self._days[np.searchsorted(self._days, calls.at, side="right") - 1]
        self._sums.add((calls.caller, days, *rest), amounts)

        def work(connection: Connection) -> None:
            bulk.insert_rows(connection, usage_events, _EVENT_COLUMNS, self._events(calls, package, outcome))
            self._store_sums(connection, "hour", hours)

        self._store.transact(work, write=True, light=True)

    def close(self) -> list[tuple[str, Bought]]:
        """Store the sums of days; every package with its identifier."""
        for buyer in self.buyers:
            buyer.close_year()
        self._name_packages()
        self._store.transact(lambda connection: self._store_sums(connection, "day", self._sums), write=True)
        return list(zip(self._names, self.shelf, strict=True))

    def _name_packages(self) -> None:
        self._names += self._traffic.hex(len(self.shelf) - len(self._names), 32)

    def _events(self, calls: Calls, package: Numbers, outcome: Numbers) -> Any:
        owners = [(client.app_id, client.account_id) for client in self._clients]
        names = [*self._names, ""]  # the last one is that of NONE
        numbers = self._traffic.hex(len(calls.at), 32)
        columns = (calls.at, calls.caller, package, outcome, calls.ms, calls.bytes_in)
        for number, at, caller, place, result, ms, size in zip(
            numbers, *(column.tolist() for column in columns), strict=True
        ):
            code, status, _ = OUTCOMES[result]
            yield (at, _call_id(number), *owners[caller], names[place], status, code, int(result == OK), ms, size)

    def _store_sums(self, connection: Connection, span: str, sums: Sums) -> None:
        names = [*self._names, ""]
        rows = (
            (client.app_id, span, start, names[place], OUTCOMES[result][0], client.account_id, *numbers)
            for caller, start, place, result, *numbers in sums.taken()
            for client in [self._clients[caller]]
        )
        bulk.insert_rows(connection, usage_rollups, _SUM_COLUMNS, rows)


def _call_id(digits: str) -> str:
    """A call's identifier as the service writes them."""
    digits = digits.upper()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-A{digits[17:20]}-{digits[20:]}"
