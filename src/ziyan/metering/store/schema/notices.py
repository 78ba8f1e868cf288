"""What owners of apps are told, and how it reaches them."""

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
    Text,
    UniqueConstraint,
)

from ziyan.metering.store.schema.base import metadata

#: The inbox of an account.  ``once`` says what a notice is about, in full, so that there is one of it.
notices = Table(
    "notices",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("app_id", String(32), ForeignKey("apps.id")),
    Column("once", String(200), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("details", Text, nullable=False),  # JSON: the numbers and names that its text is made of
    Column("created_at", BigInteger, nullable=False),
    Column("read_at", BigInteger),
    UniqueConstraint("once"),
)

#: Where an account's notices are sent: mail, webhook or robot.  ``sealed`` is the encrypted JSON of its address and
#: secret.
targets = Table(
    "targets",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("app_id", String(32), ForeignKey("apps.id")),  # null: of every app of the account
    Column("kind", String(10), nullable=False),
    Column("name", String(200), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    CheckConstraint("kind IN ('mail', 'webhook', 'robot')", name="kind"),
)

#: Notices on their way to targets.  Whoever delivers one holds it until ``held_until``; a crash gives it back.
outbox = Table(
    "outbox",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("notice_id", String(32), ForeignKey("notices.id"), nullable=False),
    Column("target_id", String(32), ForeignKey("targets.id"), nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", BigInteger, nullable=False),
    Column("holder", String(32), nullable=False, server_default=""),
    Column("held_until", BigInteger, nullable=False, server_default="0"),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("error", Text, nullable=False, server_default=""),
    CheckConstraint("state IN ('waiting', 'sent', 'failed')", name="state"),
    UniqueConstraint("notice_id", "target_id"),
    Index("ix_outbox_state", "state", "next_at"),
)
