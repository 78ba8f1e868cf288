"""Statements of an account: what it had, bought, used and lost, to the call and to the fen.

Every figure follows from the packages and from the sums of days, which are written in the transaction that takes the
call.  What lapsed is what is missing otherwise, so that each line adds up::

    opening + bought - consumed - lapsed = closing

The price of a package is spread over its calls by whole fen: after *n* of them ``price * n // calls`` is used up.  So
any number of statements that follow each other add up to the price, and none rounds for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering.store import Store, apps
from ziyan.metering.store import statements as table
from ziyan.metering.store.statements import Payment, Sold
from ziyan.metering.times import day_of, day_start, now_ms, start_of

__all__ = ["Amount", "Day", "Line", "Payment", "Statement", "monthly", "of_order"]


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls and what they cost."""

    calls: int = 0
    fen: int = 0

    def __add__(self, other: Amount) -> Amount:
        """Both together."""
        return Amount(self.calls + other.calls, self.fen + other.fen)

    def __sub__(self, other: Amount) -> Amount:
        """This without the other."""
        return Amount(self.calls - other.calls, self.fen - other.fen)


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one package, or of all of them together, within a statement's time.

    Attributes:
        opening: What was left when it began.
        bought: What came in.
        consumed: What was billed.
        lapsed: What expired, or was closed by a refund.
        closing: What was left at the end.
    """

    opening: Amount = Amount()
    bought: Amount = Amount()
    consumed: Amount = Amount()
    lapsed: Amount = Amount()
    closing: Amount = Amount()

    def __add__(self, other: Line) -> Line:
        """Both together."""
        return Line(
            self.opening + other.opening,
            self.bought + other.bought,
            self.consumed + other.consumed,
            self.lapsed + other.lapsed,
            self.closing + other.closing,
        )


@dataclass(frozen=True, slots=True)
class PackageLine:
    """A line and whose it is."""

    sold: Sold
    line: Line


@dataclass(frozen=True, slots=True)
class Day:
    """What was billed to one package on one day."""

    day: date
    sold: Sold
    consumed: Amount


@dataclass(frozen=True, slots=True)
class Statement:
    """What an account had, bought, used and lost within some time.

    Attributes:
        title: For which month or order.
        account_id: Whose.
        account_name: Their name.
        app_name: Of which app alone; empty for all of them.
        first: The first day.
        last: The last day.
        made_at: When it was made.
        final: Whether the time was over by then; of a month that is not, it shows what is so far.
        lines: Package by package.
        days: Day by day; days without a billed call are left out.
        payments: What was paid and paid back.
    """

    title: str
    account_id: str
    account_name: str
    app_name: str
    first: date
    last: date
    made_at: int
    final: bool
    lines: tuple[PackageLine, ...]
    days: tuple[Day, ...]
    payments: tuple[Payment, ...]

    @property
    def total(self) -> Line:
        """All lines together."""
        return sum((each.line for each in self.lines), Line())

    @property
    def by_app(self) -> dict[str, Line]:
        """The lines of each app together, by its identifier."""
        found: dict[str, Line] = {}
        for each in self.lines:
            found[each.sold.app_id] = found.get(each.sold.app_id, Line()) + each.line
        return found

    @property
    def paid_fen(self) -> int:
        """What was paid, less what was paid back."""
        return sum(payment.fen for payment in self.payments)


@dataclass(frozen=True, slots=True)
class _Time:
    since: int
    until: int
    made_at: int
    final: bool


def monthly(store: Store, account_id: str, year: int, month: int, *, app_id: str | None = None) -> Statement:
    """The statement of a month, as the store's zone counts it; of a month under way, up to now.

    Args:
        store: The database.
        account_id: Whose.
        year: Of the calendar.
        month: 1 to 12.
        app_id: Of this app alone.

    Raises:
        NotFoundError: There is no such account, or it has no such app.
        ConflictError: The month has not begun, or is none.
    """
    return store.transact(
        lambda connection: _monthly(connection, store, account_id, year, month, app_id), snapshot=True
    )


def of_order(store: Store, order_id: str) -> Statement:
    """The statement of an order: its package from the first call to the last.

    Raises:
        NotFoundError: There is no such order.
    """
    return store.transact(lambda connection: _of_order(connection, store, order_id), snapshot=True)


def _monthly(
    connection: Connection, store: Store, account_id: str, year: int, month: int, app_id: str | None
) -> Statement:
    now = now_ms()
    try:
        first = date(year, month, 1)
        since = start_of(first, store.zone)
        end = start_of(date(year + month // 12, month % 12 + 1, 1), store.zone)
    except (ValueError, OverflowError):
        raise ConflictError(f"{year}-{month} is no month of the calendar") from None
    if since > now:
        raise ConflictError(f"{first:%Y-%m} has not begun")
    app = apps.app_by_id(connection, app_id) if app_id is not None else None
    if app_id is not None and (app is None or app.account_id != account_id):
        raise NotFoundError(f"Account {account_id} has no app {app_id}")
    time = _Time(since, min(end, now + 1), now, final=end <= now)
    sold = [each for each in table.packages_of(connection, account_id) if app_id in {None, each.app_id}]
    paid = table.payments(connection, account_id, time.since, time.until)
    paid = [payment for payment in paid if app_id in {None, payment.app_id}]
    return _statement(connection, store, account_id, f"{first:%Y-%m}", app.name if app else "", time, sold, paid)


def _of_order(connection: Connection, store: Store, order_id: str) -> Statement:
    order, now = table.order_head(connection, order_id), now_ms()
    if order is None:
        raise NotFoundError(f"There is no order {order_id}")
    sold = [each for each in table.packages_of(connection, order.account_id) if each.order_id == order_id]
    final = order.state == "cancelled" or any(each.ended_at <= now for each in sold)
    # From the start of its day on: what was billed is known by whole days, and before it there was no package of it.
    time = _Time(day_start(min(order.created_at, now), store.zone), now + 1, now, final)
    paid = table.payments(connection, order.account_id, time.since, time.until)
    paid = [payment for payment in paid if payment.order_id == order_id]
    return _statement(connection, store, order.account_id, order_id, order.app_name, time, sold, paid)


def _statement(
    connection: Connection,
    store: Store,
    account_id: str,
    title: str,
    app_name: str,
    time: _Time,
    sold: list[Sold],
    paid: Iterable[Payment],
) -> Statement:
    account_name = table.account_name(connection, account_id)
    if account_name is None:
        raise NotFoundError(f"There is no account {account_id}")
    billed = table.billed_days(connection, account_id, time.until)
    lines, days = [], []
    for each in sold:
        of_package = billed.get(each.package_id, [])
        line = _line(each, of_package, time)
        if line != Line():
            lines.append(PackageLine(each, line))
        days += [
            Day(day_of(start, store.zone), each, amount) for start, amount in _spread(each, of_package, time.since)
        ]
    days.sort(key=lambda day: day.day)  # stable: packages stay in their order
    first, last = day_of(time.since, store.zone), day_of(time.until - 1, store.zone)
    return Statement(
        title,
        account_id,
        account_name,
        app_name,
        first,
        last,
        time.made_at,
        time.final,
        tuple(lines),
        tuple(days),
        tuple(paid),
    )


def _line(sold: Sold, billed: list[tuple[int, int]], time: _Time) -> Line:
    before = _used(sold, sum(calls for start, calls in billed if start < time.since))
    after = _used(sold, sum(calls for _, calls in billed))
    opening, closing = _left(sold, before, time.since), _left(sold, after, time.until)
    bought = _whole(sold) if time.since <= sold.created_at < time.until else Amount()
    consumed = after - before
    return Line(opening, bought, consumed, opening + bought - consumed - closing, closing)


def _left(sold: Sold, used: Amount, moment: int) -> Amount:
    """What a package had just before a moment."""
    there = sold.created_at < moment < sold.ended_at
    return _whole(sold) - used if there else Amount()


def _spread(sold: Sold, billed: list[tuple[int, int]], since: int) -> Iterator[tuple[int, Amount]]:
    used = Amount()
    for start, calls in billed:
        before, used = used, _used(sold, used.calls + calls)
        if start >= since:
            yield start, used - before


def _whole(sold: Sold) -> Amount:
    return Amount(sold.calls, sold.price_fen)


def _used(sold: Sold, calls: int) -> Amount:
    return Amount(calls, sold.price_fen * calls // sold.calls)
