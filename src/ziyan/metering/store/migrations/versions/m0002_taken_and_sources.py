"""What is honoured once, and where an app's calls may come from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add a table and two columns."""
    op.create_table(
        "taken",
        sa.Column("lookup", sa.LargeBinary(32), nullable=False),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("lookup", name="pk_taken"),
    )
    op.create_index("ix_taken_expires_at", "taken", ["expires_at"])
    op.add_column("apps", sa.Column("allowed_sources", sa.Text, nullable=False, server_default=""))
    op.add_column("apps", sa.Column("denied_sources", sa.Text, nullable=False, server_default=""))
