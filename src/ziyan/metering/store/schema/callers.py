"""Accounts, apps, what they sign in with, and what is honoured once."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, LargeBinary, String, Table, Text, UniqueConstraint

from ziyan.metering.store.schema.base import metadata

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
    # Calls a second; null: what ZIYAN_RATE_APP says.
    Column("rate", Float),
    # When its owner is told: percents of its calls that are left, and days before they expire, separated by commas.
    Column("notify_percents", String(100), nullable=False, server_default="20,5,0"),
    Column("notify_days", String(100), nullable=False, server_default="7"),
)

#: What an app signs in with.  ``lookup`` is the keyed hash of its identifier, ``sealed`` the encrypted secret
#: (an AppCode is both at once, the other kinds are sealed as ``identifier:secret``).  A rotated one works beside its
#: successor until ``expires_at``.
credentials = Table(
    "credentials",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("app_id", String(32), ForeignKey("apps.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("lookup", LargeBinary(32), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
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
