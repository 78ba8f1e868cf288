"""Statements to download, on the pages of buyers and operators alike."""

from __future__ import annotations

import re
from typing import Final, cast

from markupsafe import Markup
from starlette.responses import Response

from ziyan.api.papers import Format, monthly_statement, order_statement
from ziyan.errors import NotFoundError
from ziyan.metering.store.apps import Account
from ziyan.metering.times import day_of, now_ms
from ziyan.web.rooms import Ask, private

FORMATS: Final = ("pdf", "xlsx", "csv")
_MONTH: Final = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")
_MOST_MONTHS: Final = 36


def months_of(ask: Ask, account: Account) -> list[str]:
    """Months that an account has statements of, from the newest to the oldest, of three years at most."""
    first, last = day_of(account.created_at, ask.store.zone), day_of(now_ms(), ask.store.zone)
    newest, oldest = last.year * 12 + last.month - 1, first.year * 12 + first.month - 1
    numbers = range(newest, max(oldest, newest - _MOST_MONTHS + 1) - 1, -1)
    return [f"{number // 12}-{number % 12 + 1:02}" for number in numbers]


def files(ask: Ask, path: str) -> Markup:
    """Links to the files of a statement, whose address goes on with their kind."""
    links = (
        Markup('<a class="button" href="{}" download>{}</a>').format(ask.visit.link(f"{path}/{kind}"), kind.upper())
        for kind in FORMATS
    )
    return Markup('<span class="files">{}</span>').format(Markup(" ").join(links))


async def month_file(ask: Ask, account_id: str) -> Response:
    """The statement of an account's month, which the address names, as a file."""
    month = ask.path("month")
    await ask.read(lambda desk: desk.account(account_id))
    if not _MONTH.fullmatch(month):
        raise NotFoundError(f"There is no month {month}")
    return private(await monthly_statement(ask.store, account_id, month, _format(ask), None))


async def order_file(ask: Ask) -> Response:
    """The statement of an order as a file."""
    order_id = ask.path("order_id")
    order = await ask.read(lambda desk: desk.order(order_id))
    return private(await order_statement(ask.store, order.id, _format(ask)))


def _format(ask: Ask) -> Format:
    kind = ask.path("kind")
    if kind not in FORMATS:
        raise NotFoundError(f"There is no such file as {kind}")
    return cast("Format", kind)
