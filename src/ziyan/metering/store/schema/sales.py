"""What is sold: the catalogue, orders, and invoices for what was paid."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from ziyan.metering.store.schema.base import metadata

#: What can be ordered.  What was sold is copied into the order, so that an item may change.
catalogue_items = Table(
    "catalogue_items",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("months", Integer, nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger),
    CheckConstraint("calls > 0 AND months > 0 AND price_fen >= 0", name="sane"),
)

#: A purchase of calls for one app.  Paid offline: an operator says so, which makes its package.
orders = Table(
    "orders",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("app_id", String(32), ForeignKey("apps.id"), nullable=False, index=True),
    Column("item_id", String(32), nullable=False),
    Column("item_name", String(200), nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("months", Integer, nullable=False),
    Column("price_fen", BigInteger, nullable=False),
    Column("state", String(10), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("paid_at", BigInteger),
    Column("ended_at", BigInteger),  # when it was cancelled or refunded
    Column("refunded_fen", BigInteger, nullable=False, server_default="0"),
    Column("reference", String(200), nullable=False, server_default=""),  # of the payment
    CheckConstraint("state IN ('pending', 'paid', 'cancelled', 'refunded')", name="state"),
    CheckConstraint("refunded_fen >= 0 AND refunded_fen <= price_fen", name="refund"),
)

#: A buyer asks for an invoice of what was paid and not yet invoiced.
invoice_requests = Table(
    "invoice_requests",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("order_id", String(32), ForeignKey("orders.id")),
    Column("kind", String(10), nullable=False),
    Column("title", String(200), nullable=False),
    Column("tax_number", String(30), nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    # What a special invoice (专用) needs besides: registered address and telephone, bank and its account.
    Column("registered", String(300), nullable=False, server_default=""),
    Column("bank", String(300), nullable=False, server_default=""),
    Column("email", String(200), nullable=False, server_default=""),
    Column("state", String(10), nullable=False),
    Column("created_at", BigInteger, nullable=False, index=True),
    Column("decided_at", BigInteger),
    Column("invoice_number", String(40), nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),  # why it was rejected, or voided
    Column("voided_at", BigInteger),  # when an issued one was voided; its state stays as it is
    CheckConstraint("kind IN ('normal', 'special')", name="kind"),
    CheckConstraint("state IN ('requested', 'issued', 'rejected', 'cancelled')", name="state"),
    CheckConstraint("amount_fen > 0", name="amount"),
)

#: The PDF of an issued invoice.
invoice_files = Table(
    "invoice_files",
    metadata,
    Column("invoice_id", String(32), ForeignKey("invoice_requests.id"), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("attached_at", BigInteger, nullable=False),
)
