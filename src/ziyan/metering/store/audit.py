"""SQL on the log of what was changed.  Every function runs inside the transaction it is given."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ziyan.metering.store.schema import audit_log
from ziyan.metering.store.slices import Asked, Slice, cut

Content = dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that was changed, or shown although it is secret.

    Attributes:
        id: Number of the entry; grows.
        at: When.
        actor: Who: a token, or the user of this machine who ran a command.
        action: What was done, such as ``order.pay``.
        object_kind: What it was done to, such as ``order``.
        object_id: Which one.
        before: How that was; None where it is new.
        after: How it is; None where it is gone.
    """

    id: int
    at: int
    actor: str
    action: str
    object_kind: str
    object_id: str
    before: Content
    after: Content


_C = audit_log.c


def add(
    connection: Connection,
    *,
    at: int,
    actor: str,
    action: str,
    object_kind: str,
    object_id: str,
    before: Content,
    after: Content,
) -> None:
    """Write an entry down; nothing can change it any more."""
    values = {"at": at, "actor": actor, "action": action, "object_kind": object_kind, "object_id": object_id}
    texts = {"before": json.dumps(before, ensure_ascii=False), "after": json.dumps(after, ensure_ascii=False)}
    connection.execute(insert(audit_log).values(**values, **texts))


def page(connection: Connection, asked: Asked, *, object_id: str | None = None) -> Slice[Entry]:
    """Entries, newest first; about one thing, where it is named."""
    statement = select(*(_C[name] for name in Entry.__dataclass_fields__))
    if object_id is not None:
        statement = statement.where(_C.object_id == object_id)
    return cut(connection, statement, (_C.id, _C.object_kind), asked, _entry)


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    values = {name: getattr(row, name) for name in Entry.__dataclass_fields__}
    return Entry(**{**values, "before": json.loads(row.before), "after": json.loads(row.after)})
