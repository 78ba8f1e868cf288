"""Statements and files of invoices as answers, for operators and buyers alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, Final, Literal, cast
from urllib.parse import quote

from fastapi import Path
from starlette.responses import Response, StreamingResponse

from ziyan.metering.exports import events_csv, write_events_xlsx
from ziyan.metering.invoices import InvoiceFile
from ziyan.metering.statement_files import pdf, statement_csv, write_statement_xlsx
from ziyan.metering.statements import Statement, monthly, of_order
from ziyan.metering.store import Store

Format = Literal["csv", "xlsx", "pdf"]
Month = Annotated[str, Path(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$", description="Such as 2026-01")]
Table = Literal["csv", "xlsx"]
PDF: Final = "application/pdf"
_SPOOLED: Final = 4 << 20
_PIECE: Final = 64 << 10
_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pdf": PDF,
}


async def monthly_statement(store: Store, account_id: str, month: str, kind: Format, app_id: str | None) -> Response:
    """The statement of an account's month, or of one of its apps alone."""
    year, number = map(int, month.split("-"))
    return await _made(store, lambda: monthly(store, account_id, year, number, app_id=app_id), month, kind)


async def order_statement(store: Store, order_id: str, kind: Format) -> Response:
    """The statement of an order, which whoever asks may see."""
    return await _made(store, lambda: of_order(store, order_id), order_id, kind)


def file_answer(file: InvoiceFile) -> Response:
    """The PDF of an invoice."""
    return _download(file.content, file.name, PDF)


async def events_file(
    store: Store,
    since: int,
    until: int,
    kind: Table,
    *,
    account_id: str | None = None,
    app_id: str | None = None,
) -> Response:
    """What became of each call from ``since`` on and before ``until``, sent while it is read: memory is bounded."""
    whose = {"account_id": account_id, "app_id": app_id}
    made = events_csv if kind == "csv" else _events_xlsx
    pieces = made(store, since=since, until=until, **whose)
    first = await asyncio.to_thread(next, pieces, b"")  # before the answer begins: the database may be away
    return StreamingResponse(chain([first], pieces), headers=_as_file(f"events.{kind}"), media_type=_TYPES[kind])


def _events_xlsx(
    store: Store, *, since: int, until: int, account_id: str | None = None, app_id: str | None = None
) -> Iterator[bytes]:
    """By way of a file: the parts of such a table come in another order than they are made in."""
    with SpooledTemporaryFile(_SPOOLED) as file:
        table = cast("BinaryIO", file)
        write_events_xlsx(store, table, since=since, until=until, account_id=account_id, app_id=app_id)
        file.seek(0)
        yield from iter(partial(file.read, _PIECE), b"")


async def _made(store: Store, make: Callable[[], Statement], name: str, kind: Format) -> Response:
    """Made in a thread, for it takes a while."""

    def content() -> bytes:
        statement = make()
        if kind == "csv":
            return b"".join(statement_csv(statement, store.zone))
        if kind == "pdf":
            return pdf(statement, store.zone)
        file = BytesIO()
        write_statement_xlsx(file, statement, store.zone)
        return file.getvalue()

    return _download(await asyncio.to_thread(content), f"statement-{name}.{kind}", _TYPES[kind])


def _download(content: bytes, name: str, media_type: str) -> Response:
    return Response(content, headers=_as_file(name), media_type=media_type)


def _as_file(name: str) -> dict[str, str]:
    said = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return {"Content-Disposition": said, "X-Content-Type-Options": "nosniff"}
