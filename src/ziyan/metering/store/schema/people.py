"""People who sign in to the pages, and their sessions."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ziyan.metering.store.schema.base import metadata

#: A buyer's login belongs to an account, an operator's to none.
logins = Table(
    "logins",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), index=True),
    Column("name", String(200), nullable=False),  # a mail address or a user name, in lower case
    Column("role", String(10), nullable=False),
    Column("password", String(200), nullable=False),  # argon2id, with its salt and costs
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("used_at", BigInteger),
    Column("scopes", Text, nullable=False, server_default=""),  # separated by commas; empty: all of the role
    UniqueConstraint("name"),
    CheckConstraint(
        "(role = 'buyer' AND account_id IS NOT NULL) OR (role = 'operator' AND account_id IS NULL)", name="role"
    ),
)

#: What is stored of a session is a keyed hash of what the browser holds.
sessions = Table(
    "sessions",
    metadata,
    Column("lookup", LargeBinary(32), primary_key=True),
    Column("login_id", String(32), ForeignKey("logins.id"), nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
