"""Who may change things through the admin API, and what was changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, String, Table, Text, UniqueConstraint

from ziyan.metering.store.schema.base import Numbered, metadata

#: Tokens of the admin API; what is stored is a hash.  One with an account may do nothing outside of it.
admin_tokens = Table(
    "admin_tokens",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("account_id", String(32), ForeignKey("accounts.id")),
    Column("lookup", LargeBinary(32), nullable=False),
    Column("scopes", Text, nullable=False),  # separated by commas
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("used_at", BigInteger),
    UniqueConstraint("lookup"),
)

#: Who changed what.  Rows are only ever added: triggers refuse the rest.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Numbered, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("actor", String(200), nullable=False),
    Column("action", String(60), nullable=False),
    Column("object_kind", String(40), nullable=False),
    Column("object_id", String(36), nullable=False, index=True),
    Column("before", Text, nullable=False),  # JSON; never a secret
    Column("after", Text, nullable=False),
)
