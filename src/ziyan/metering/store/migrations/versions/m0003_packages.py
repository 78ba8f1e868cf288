"""Sales, packages of calls, and answers that are given again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add columns and tables."""
    op.add_column("apps", sa.Column("rate", sa.Float))
    op.add_column("apps", sa.Column("notify_percents", sa.String(100), nullable=False, server_default="20,5,0"))
    op.add_column("apps", sa.Column("notify_days", sa.String(100), nullable=False, server_default="7"))
    op.add_column("credentials", sa.Column("expires_at", sa.BigInteger))
    op.add_column("credentials", sa.Column("revoked_at", sa.BigInteger))
    _catalogue_items()
    _orders()
    _packages()
    _reservations()
    _answers()


def _catalogue_items() -> None:
    op.create_table(
        "catalogue_items",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("months", sa.Integer, nullable=False),
        sa.Column("price_fen", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("retired_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_catalogue_items"),
        sa.CheckConstraint("calls > 0 AND months > 0 AND price_fen >= 0", name=op.f("ck_catalogue_items_sane")),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("item_id", sa.String(32), nullable=False),
        sa.Column("item_name", sa.String(200), nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("months", sa.Integer, nullable=False),
        sa.Column("price_fen", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("paid_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("refunded_fen", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("reference", sa.String(200), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.CheckConstraint("refunded_fen >= 0 AND refunded_fen <= price_fen", name=op.f("ck_orders_refund")),
        sa.CheckConstraint("state IN ('pending', 'paid', 'cancelled', 'refunded')", name=op.f("ck_orders_state")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_orders_account_id"),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_orders_app_id"),
    )
    op.create_index("ix_orders_account_id", "orders", ["account_id"])
    op.create_index("ix_orders_app_id", "orders", ["app_id"])


def _packages() -> None:
    op.create_table(
        "packages",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("order_id", sa.String(32)),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("consumed", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("valid_from", sa.BigInteger, nullable=False),
        sa.Column("valid_to", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("closed_at", sa.BigInteger),
        sa.Column("base", sa.BigInteger, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_packages"),
        sa.CheckConstraint("valid_from < valid_to", name=op.f("ck_packages_lasts")),
        sa.CheckConstraint(
            "reserved >= 0 AND consumed >= 0 AND reserved + consumed <= calls", name=op.f("ck_packages_never_oversold")
        ),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name="fk_packages_app_id"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_packages_order_id"),
        sa.UniqueConstraint("order_id", name="uq_packages_order_id"),
    )
    op.create_index("ix_packages_app_id", "packages", ["app_id", "valid_to", "created_at"])


def _reservations() -> None:
    op.create_table(
        "reservations",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("package_id", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reservations"),
        sa.ForeignKeyConstraint(["package_id"], ["packages.id"], name="fk_reservations_package_id"),
    )
    op.create_index("ix_reservations_expires_at", "reservations", ["expires_at"])
    op.create_index("ix_reservations_package_id", "reservations", ["package_id"])


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("lookup", sa.LargeBinary(32), nullable=False),
        sa.Column("holder", sa.String(36), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("lookup", name="pk_answers"),
    )
    op.create_index("ix_answers_expires_at", "answers", ["expires_at"])
