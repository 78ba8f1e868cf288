"""The tables, as the newest migration leaves them.  A test holds the two together.

Moments are whole milliseconds since 1970 UTC: they compare alike inside a statement on SQLite and on PostgreSQL.
Money is whole fen.  Identifiers are 32 lower-case hex digits, or a short name for what Ziyan itself registers
(``trial``); a call's is the upper-case UUID that it was answered with.
"""

from ziyan.metering.store.schema.base import metadata
from ziyan.metering.store.schema.callers import accounts, apps, credentials, taken
from ziyan.metering.store.schema.calls import answers, marks, packages, reservations, usage_events, usage_rollups
from ziyan.metering.store.schema.notices import notices, outbox, targets
from ziyan.metering.store.schema.operators import admin_tokens, audit_log
from ziyan.metering.store.schema.people import logins, sessions
from ziyan.metering.store.schema.sales import catalogue_items, invoice_files, invoice_requests, orders

__all__ = [
    "accounts",
    "admin_tokens",
    "answers",
    "apps",
    "audit_log",
    "catalogue_items",
    "credentials",
    "invoice_files",
    "invoice_requests",
    "logins",
    "marks",
    "metadata",
    "notices",
    "orders",
    "outbox",
    "packages",
    "reservations",
    "sessions",
    "taken",
    "targets",
    "usage_events",
    "usage_rollups",
]
