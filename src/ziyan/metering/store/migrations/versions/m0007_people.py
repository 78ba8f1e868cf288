"""People who sign in to the pages, and their sessions; calls that failed are found at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add tables and an index."""
    _logins()
    _sessions()
    failed = sa.text("status >= 300")
    columns = ["account_id", "at", "id"]
    op.create_index("ix_usage_events_failed", "usage_events", columns, sqlite_where=failed, postgresql_where=failed)


def _logins() -> None:
    op.create_table(
        "logins",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("account_id", sa.String(32)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(10), nullable=False),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_logins"),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_logins_account_id"),
        sa.UniqueConstraint("name", name="uq_logins_name"),
        sa.CheckConstraint(
            "(role = 'buyer' AND account_id IS NOT NULL) OR (role = 'operator' AND account_id IS NULL)",
            name=op.f("ck_logins_role"),
        ),
    )
    op.create_index("ix_logins_account_id", "logins", ["account_id"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("lookup", sa.LargeBinary(32), nullable=False),
        sa.Column("login_id", sa.String(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("lookup", name="pk_sessions"),
        sa.ForeignKeyConstraint(["login_id"], ["logins.id"], name="fk_sessions_login_id"),
    )
    op.create_index("ix_sessions_login_id", "sessions", ["login_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
