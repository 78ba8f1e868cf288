"""Long lists, a slice at a time.  The next one is found by the key of the last row, however many came since."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, Connection, Row, Select, literal, tuple_

T = TypeVar("T")
MOST: Final = 200
#: What a cursor says once decoded; bounded, so that neither database trips over it.
_CURSOR: Final = re.compile(r"([0-9]{1,18})\.([0-9A-Za-z-]{0,64})")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which slice.

    Attributes:
        limit: How many items at most.
        after: Key of the last item of the slice before; None for the first slice.
    """

    limit: int = 50
    after: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """Some items of a list.

    Attributes:
        items: They.
        next: Cursor of the slice that follows; None where there is none.
    """

    items: list[T]
    next: str | None


def parsed_cursor(text: str) -> tuple[int, str]:
    """The key that a cursor stands for.

    Raises:
        ValueError: It was never given out.
    """
    try:
        decoded = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, UnicodeError):
        raise ValueError("not a cursor") from None
    found = _CURSOR.fullmatch(decoded)
    if found is None:
        raise ValueError("not a cursor")
    return int(found[1]), found[2]


def cut(
    connection: Connection,
    statement: Select[*tuple[Any, ...]],
    key: tuple[ColumnElement[int], ColumnElement[str]],
    asked: Asked,
    made: Callable[[Row[*tuple[Any, ...]]], T],
) -> Slice[T]:
    """One slice of what a statement selects, greatest key first.

    Args:
        connection: Of the transaction.
        statement: What to select, without an order.
        key: A number and a text; together no two rows have the same.
        asked: Which slice.
        made: Makes an item of a row; ``named`` does for records.
    """
    number, name = key
    if asked.after is not None:
        statement = statement.where(tuple_(number, name) < tuple_(literal(asked.after[0]), literal(asked.after[1])))
    keyed = statement.add_columns(number.label("cursor_number"), name.label("cursor_name"))
    rows = connection.execute(keyed.order_by(number.desc(), name.desc()).limit(asked.limit + 1)).all()
    shown = rows[: asked.limit]
    more = shown[-1] if len(rows) > asked.limit else None
    cursor = _cursor(more.cursor_number, more.cursor_name) if more else None
    return Slice([made(row) for row in shown], cursor)


def named(kind: Callable[..., T]) -> Callable[[Row[*tuple[Any, ...]]], T]:
    """Makes records of a dataclass of rows with columns of the same names."""
    names = [each.name for each in fields(cast("Any", kind))]
    return lambda row: kind(**{name: getattr(row, name) for name in names})


def _cursor(number: int, name: str) -> str:
    return base64.urlsafe_b64encode(f"{number}.{name}".encode()).decode()
