"""Invoices that were issued and voided since."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add a column: another state would have SQLite make the table anew, with the files that refer to it."""
    op.add_column("invoice_requests", sa.Column("voided_at", sa.BigInteger))
