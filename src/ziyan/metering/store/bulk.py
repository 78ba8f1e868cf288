"""SQL that stores many rows at once.  Every function runs inside the transaction it is given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, select

from ziyan.metering.store.schema import accounts, admin_tokens, orders, usage_events


def insert_rows(connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Store rows, whose values stand in the order of ``columns``, as fast as either database takes them."""
    names = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        cursor: Any = connection.connection.cursor()
        with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own tables
    many = list(rows)
    if many:
        connection.exec_driver_sql(statement, many)


def is_empty(connection: Connection) -> bool:
    """Whether nobody has come, bought or called yet."""
    tables = (accounts, orders, usage_events, admin_tokens)
    return not any(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables)
