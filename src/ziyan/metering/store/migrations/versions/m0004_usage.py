"""What became of each call, and sums of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add tables."""
    _usage_events()
    _usage_rollups()
    _marks()


def _usage_events() -> None:
    op.create_table(
        "usage_events",
        sa.Column("at", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("package_id", sa.String(32), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("billed", sa.Integer, nullable=False),
        sa.Column("ms", sa.BigInteger, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("at", "id", name="pk_usage_events"),
        sa.CheckConstraint("billed = 0 OR (billed = 1 AND package_id <> '')", name=op.f("ck_usage_events_billed")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_events_app_id", "usage_events", ["app_id", "at"])


def _usage_rollups() -> None:
    op.create_table(
        "usage_rollups",
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("span", sa.String(4), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("package_id", sa.String(32), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("billed", sa.BigInteger, nullable=False),
        sa.Column("ms", sa.BigInteger, nullable=False),
        sa.Column("bytes_in", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("app_id", "span", "start", "package_id", "code", name="pk_usage_rollups"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_rollups_span", "usage_rollups", ["span", "start"])


def _marks() -> None:
    op.create_table(
        "marks",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )
