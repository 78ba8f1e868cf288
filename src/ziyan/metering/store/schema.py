"""The tables, as the newest migration leaves them.  A test holds the two together.

Moments are whole milliseconds since 1970 UTC: they compare alike inside a statement on SQLite and on PostgreSQL.
Identifiers are 32 lower-case hex digits, or a short name for what Ziyan itself registers (``trial``).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: Whoever pays: one or more apps.
accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

#: A caller's registration.
apps = Table(
    "apps",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    # Where own-platform calls may come from: addresses, networks and host names, separated by commas.
    Column("allowed_sources", Text, nullable=False, server_default=""),
    Column("denied_sources", Text, nullable=False, server_default=""),
)

#: What an app signs in with.  ``lookup`` is the keyed hash of its identifier, ``sealed`` the encrypted secret
#: (an AppCode is both at once, the other kinds are sealed as ``identifier:secret``).
credentials = Table(
    "credentials",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("app_id", String(32), ForeignKey("apps.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("lookup", LargeBinary(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("lookup"),
)

#: What is honoured once: nonces of signed calls, and the signs of own-platform calls.  ``lookup`` is a keyed hash of
#: what it is, ``holder`` tells the call that took it, and from ``expires_at`` on the row means nothing.
taken = Table(
    "taken",
    metadata,
    Column("lookup", LargeBinary(32), primary_key=True),
    Column("holder", String(32), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
