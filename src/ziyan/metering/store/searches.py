"""SQL on lists of people's pages: sorted by what they choose, searched by what they type, a page at a time.

A list says which of its columns can be sorted and searched, and how each is shown, for people look for what they see: a
day, an amount of yuan, a word for a state.  Every function runs inside the transaction it is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, String, and_, cast, false, func, or_, select

T = TypeVar("T")
_NUMBER: Final = re.compile(r"[¥]?([0-9][0-9,]{0,15})(?:\.([0-9]{1,2}))?")
_LIKE: Final = re.compile(r"[%_/]")  # of a meaning of their own in SQL's patterns
#: How moments are written, and how long what is written lasts, in days; a month and a year end where the next begins.
_WRITTEN: Final = (("%Y-%m-%d %H:%M", 0), ("%Y-%m-%d", 1), ("%Y-%m", 31), ("%Y", 366))
_MINUTE_MS: Final = 60_000
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Field:
    """A column that a list can be sorted and searched by.

    Attributes:
        column: It.
        kind: ``text``; ``word``, one of few that are shown as other words; ``number``; ``fen``; or ``moment``.
    """

    column: ColumnElement[Any]
    kind: Literal["text", "word", "number", "fen", "moment"] = "text"


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list.

    Attributes:
        statement: What is selected, without an order.
        fields: What it can be sorted and searched by, under the names that addresses have.
        newest: A moment and an identifier: the list's own order, the greatest first.
        made: Makes an item of a row.
    """

    statement: Select[*tuple[Any, ...]]
    fields: Mapping[str, Field]
    newest: tuple[ColumnElement[int], ColumnElement[str]]
    made: Callable[[Row[*tuple[Any, ...]]], T]


@dataclass(frozen=True, slots=True)
class Search:
    """What of a list is asked for.

    Attributes:
        zone: In which people read moments.
        text: What rows must contain; empty for all.
        words: Of fields of the kind ``word``, the values whose words contain it.
        sort: Name of the field to sort by, ``-`` before it for the greatest first; anything else for the list's order.
        number: Of the page, from 1 on; the last one where there are fewer.
        size: Rows of a page.
    """

    zone: tzinfo
    text: str = ""
    words: Mapping[str, Collection[str]] = field(default_factory=dict)
    sort: str = ""
    number: int = 1
    size: int = 25


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One page of a list.

    Attributes:
        rows: They.
        total: How many there are on all pages.
        number: Of the page.
    """

    rows: list[T]
    total: int
    number: int


def page(connection: Connection, listing: Listing[T], wanted: Search) -> Found[T]:
    """One page of what is asked for."""
    statement = _searched(listing, wanted)
    total = int(connection.execute(select(func.count()).select_from(statement.subquery())).scalar_one())
    number = max(1, min(wanted.number, -(-total // wanted.size)))
    ordered = _sorted(statement, listing, wanted.sort).limit(wanted.size).offset((number - 1) * wanted.size)
    return Found([listing.made(row) for row in connection.execute(ordered)], total, number)


def rows(connection: Connection, listing: Listing[T], wanted: Search) -> Iterator[T]:
    """Everything that is asked for, all pages of it, read while it is taken."""
    ordered = _sorted(_searched(listing, wanted), listing, wanted.sort)
    for row in connection.execution_options(yield_per=_AT_ONCE).execute(ordered):
        yield listing.made(row)


def _sorted(statement: Select[*tuple[Any, ...]], listing: Listing[Any], sort: str) -> Select[*tuple[Any, ...]]:
    """Rows without a value come before all others; equal ones in the list's own order."""
    moment, identifier = listing.newest
    if chosen := listing.fields.get(sort.removeprefix("-")):
        column = func.lower(chosen.column) if chosen.kind == "text" else chosen.column
        statement = statement.order_by(column.desc().nulls_last() if sort.startswith("-") else column.nulls_first())
    return statement.order_by(moment.desc(), identifier.desc())


def _searched(listing: Listing[Any], wanted: Search) -> Select[*tuple[Any, ...]]:
    text = wanted.text.strip()
    if not text:
        return listing.statement
    found = (_contains(name, each, text, wanted) for name, each in listing.fields.items())
    return listing.statement.where(or_(false(), *found))


def _contains(name: str, each: Field, text: str, wanted: Search) -> ColumnElement[bool]:
    column = each.column
    if each.kind == "text":
        # Small letters as the database has them: SQLite knows those of ASCII alone, hence all three spellings.
        spellings = (_LIKE.sub(r"/\g<0>", spelling) for spelling in {text, text.lower(), text.upper()})
        return or_(*(func.lower(column).contains(func.lower(each), escape="/") for each in spellings))
    if each.kind == "word":
        return column.in_(wanted.words.get(name, ()))
    if each.kind == "moment":
        span = span_of(text, wanted.zone)
        return and_(column >= span[0], column < span[1]) if span else false()
    number = _NUMBER.fullmatch(text)
    if number is None or (number[2] and each.kind == "number"):
        return false()
    whole = number[1].replace(",", "")
    if number[2]:
        return column == int(whole) * 100 + int(number[2].ljust(2, "0"))
    return cast(column // 100 if each.kind == "fen" else column, String).contains(whole)


def span_of(text: str, zone: tzinfo) -> tuple[int, int] | None:
    """When what somebody wrote begins and ends: a minute, day, month or year; None where it is none of them."""
    for written, days in _WRITTEN:
        try:
            first = datetime.strptime(text, written).replace(tzinfo=zone)
            last = first + timedelta(days=days)
        except (ValueError, OverflowError):  # it is none, or the last that there is, after which none begins
            continue
        start = _milliseconds(first)
        if not days:
            return start, start + _MINUTE_MS
        if days > 1:  # into the next month or year, whose first day it is
            last = last.replace(day=1) if written == "%Y-%m" else last.replace(month=1, day=1)
        return start, _milliseconds(last)
    return None


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
