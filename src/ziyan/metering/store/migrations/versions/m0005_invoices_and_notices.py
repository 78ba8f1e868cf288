"""Invoices, and what owners of apps are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add tables."""
    _invoice_requests()
    _invoice_files()
    _notices()
    _targets()
    _outbox()


def _invoice_requests() -> None:
    op.create_table(
        "invoice_requests",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("order_id", sa.String(32)),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("tax_number", sa.String(30), nullable=False),
        sa.Column("amount_fen", sa.BigInteger, nullable=False),
        sa.Column("registered", sa.String(300), nullable=False, server_default=""),
        sa.Column("bank", sa.String(300), nullable=False, server_default=""),
        sa.Column("email", sa.String(200), nullable=False, server_default=""),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("invoice_number", sa.String(40), nullable=False, server_default=""),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_invoice_requests"),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_invoice_requests_amount")),
        sa.CheckConstraint("kind IN ('normal', 'special')", name=op.f("ck_invoice_requests_kind")),
        sa.CheckConstraint(
            "state IN ('requested', 'issued', 'rejected', 'cancelled')", name=op.f("ck_invoice_requests_state")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_invoice_requests_account_id"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_invoice_requests_order_id"),
    )
    op.create_index("ix_invoice_requests_account_id", "invoice_requests", ["account_id"])
    op.create_index("ix_invoice_requests_created_at", "invoice_requests", ["created_at"])


def _invoice_files() -> None:
    op.create_table(
        "invoice_files",
        sa.Column("invoice_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("attached_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", name="pk_invoice_files"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice_requests.id"], name="fk_invoice_files_invoice_id"),
    )


def _notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("app_id", sa.String(32)),
        sa.Column("once", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("read_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_notices_account_id"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_notices_app_id"),
        sa.UniqueConstraint("once", name="uq_notices_once"),
    )
    op.create_index("ix_notices_account_id", "notices", ["account_id"])


def _targets() -> None:
    op.create_table(
        "targets",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("app_id", sa.String(32)),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_targets"),
        sa.CheckConstraint("kind IN ('mail', 'webhook', 'robot')", name=op.f("ck_targets_kind")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_targets_account_id"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_targets_app_id"),
    )
    op.create_index("ix_targets_account_id", "targets", ["account_id"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("notice_id", sa.String(32), nullable=False),
        sa.Column("target_id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.String(32), nullable=False, server_default=""),
        sa.Column("held_until", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed')", name=op.f("ck_outbox_state")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name="fk_outbox_notice_id"),
        sa.ForeignKeyConstraint(["target_id"], ["targets.id"], name="fk_outbox_target_id"),
        sa.UniqueConstraint("notice_id", "target_id", name="uq_outbox_notice_id"),
    )
    op.create_index("ix_outbox_state", "outbox", ["state", "next_at"])
