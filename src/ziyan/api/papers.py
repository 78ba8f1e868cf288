"""Statements and files of invoices as answers, for operators and buyers alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Annotated, Final, Literal
from urllib.parse import quote

from fastapi import Path
from starlette.responses import Response

from ziyan.metering.invoices import InvoiceFile
from ziyan.metering.statement_files import pdf, statement_csv, write_statement_xlsx
from ziyan.metering.statements import Statement, monthly, of_order
from ziyan.metering.store import Store

Format = Literal["csv", "xlsx", "pdf"]
Month = Annotated[str, Path(pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$", description="Such as 2026-01")]
PDF: Final = "application/pdf"
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
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    return Response(content, headers={**headers, "X-Content-Type-Options": "nosniff"}, media_type=media_type)
