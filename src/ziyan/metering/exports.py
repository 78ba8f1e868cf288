"""Events of single calls → CSV and XLSX, a page of them at a time, so that neither memory nor a transaction grows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from functools import partial
from typing import BinaryIO, Final

from ziyan.metering.sheets import Sheet, csv_chunks, write_xlsx
from ziyan.metering.store import Store
from ziyan.metering.store import exports as table
from ziyan.metering.store.usage import Event

__all__ = ["events_csv", "write_events_xlsx"]

_AT_ONCE: Final = 2_000
_HEADS: Final = ("时间", "调用编号", "应用", "套餐", "HTTP 状态", "结果", "计费次数", "耗时（毫秒）", "请求字节数")
_KINDS: Final = (str, str, str, str, int, str, int, int, int)


def events_csv(
    store: Store, *, since: int, until: int, account_id: str | None = None, app_id: str | None = None
) -> Iterator[bytes]:
    """The events from ``since`` on and before ``until``, oldest first, as pieces of a CSV file.

    Args:
        store: The database; each piece is read when it is asked for.
        since: The first moment.
        until: The moment after the last.
        account_id: Only of this account.
        app_id: Only of this app.

    Raises:
        StoreError: The database is away; also halfway.
    """
    yield from csv_chunks([_sheet(store, since, until, account_id, app_id)])


def write_events_xlsx(
    store: Store, file: BinaryIO, *, since: int, until: int, account_id: str | None = None, app_id: str | None = None
) -> None:
    """As ``events_csv``, as an XLSX file.

    Raises:
        StoreError: The database is away; also halfway.
    """
    write_xlsx(file, [_sheet(store, since, until, account_id, app_id)], title="字眼 调用明细")


def _sheet(store: Store, since: int, until: int, account_id: str | None, app_id: str | None) -> Sheet:
    page = partial(table.events_after, until=until, account_id=account_id, app_id=app_id, limit=_AT_ONCE)

    def rows() -> Iterator[tuple[str | int, ...]]:
        after = (since, "")
        while events := store.transact(partial(page, after=after)):
            yield from (_row(event, store.zone) for event in events)
            after = (events[-1].at, events[-1].id)

    return Sheet("调用明细", _HEADS, _KINDS, rows())


def _row(event: Event, zone: tzinfo) -> tuple[str | int, ...]:
    at = datetime.fromtimestamp(event.at / 1000, zone).isoformat(timespec="milliseconds")
    return (
        at,
        event.id,
        event.app_id,
        event.package_id,
        event.status,
        event.code,
        int(event.billed),
        event.ms,
        event.bytes_in,
    )
