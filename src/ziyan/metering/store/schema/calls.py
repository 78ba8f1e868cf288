"""Calls: those that are left, those that are held, and those that were made."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    text,
)

from ziyan.metering.store.schema.base import metadata

#: So many calls of one app.  Of ``calls``, ``consumed`` were billed and ``reserved`` are held by calls under way.
packages = Table(
    "packages",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("app_id", String(32), ForeignKey("apps.id"), nullable=False),
    Column("order_id", String(32), ForeignKey("orders.id")),  # null: given, not sold
    Column("calls", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False, server_default="0"),
    Column("consumed", BigInteger, nullable=False, server_default="0"),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger, nullable=False),  # from then on it is expired
    Column("created_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),  # its order was refunded
    Column("base", BigInteger, nullable=False, server_default="0"),  # calls its app had when it was made, these too
    CheckConstraint("reserved >= 0 AND consumed >= 0 AND reserved + consumed <= calls", name="never_oversold"),
    CheckConstraint("valid_from < valid_to", name="lasts"),
    UniqueConstraint("order_id"),  # a paid order makes its package once
    Index("ix_packages_app_id", "app_id", "valid_to", "created_at"),
)

#: A call of a package that a call under way holds; ``id`` is that call's.  From ``expires_at`` on it is nobody's.
reservations = Table(
    "reservations",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("package_id", String(32), ForeignKey("packages.id"), nullable=False, index=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

#: Answers that are given again for the same Idempotency-Key.  ``lookup`` is a keyed hash of app and key, ``sealed`` is
#: encrypted under a key derived from the Idempotency-Key itself, and null while the first call is under way.
answers = Table(
    "answers",
    metadata,
    Column("lookup", LargeBinary(32), primary_key=True),
    Column("holder", String(36), nullable=False),
    Column("body_hash", LargeBinary(32), nullable=False),
    Column("sealed", LargeBinary),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

#: What became of each call of a known app.  No foreign keys, and the moment leads the primary key: rows are only ever
#: added and, by age, dropped, so the table can be cut into partitions.  ``id`` is the call's.
usage_events = Table(
    "usage_events",
    metadata,
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), primary_key=True),
    Column("app_id", String(32), nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("package_id", String(32), nullable=False),  # empty where none was charged
    Column("status", Integer, nullable=False),  # HTTP status; 499: the caller was gone
    Column("code", String(40), nullable=False),  # one word for the outcome
    Column("billed", Integer, nullable=False),  # 1 or 0
    Column("ms", BigInteger, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    CheckConstraint("billed = 0 OR (billed = 1 AND package_id <> '')", name="billed"),
    Index("ix_usage_events_app_id", "app_id", "at"),
    # Few of many: a buyer who looks for what failed does not wade through what did not.
    Index(
        "ix_usage_events_failed",
        "account_id",
        "at",
        "id",
        sqlite_where=text("status >= 300"),
        postgresql_where=text("status >= 300"),
    ),
    sqlite_with_rowid=False,
)

#: Sums of events, counted in the transaction that adds the event.  ``span`` is ``hour`` or ``day``, ``start`` the
#: moment it begins at: an hour of UTC, a day of ZIYAN_TIMEZONE.
usage_rollups = Table(
    "usage_rollups",
    metadata,
    Column("app_id", String(32), primary_key=True),
    Column("span", String(4), primary_key=True),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("package_id", String(32), primary_key=True),
    Column("code", String(40), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("billed", BigInteger, nullable=False),
    Column("ms", BigInteger, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Index("ix_usage_rollups_span", "span", "start"),
    sqlite_with_rowid=False,
)

#: Single numbers that last, such as the moment before which events were dropped.
marks = Table(
    "marks",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
