"""What of the operator's pages a login may see and do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add a column; logins that are there keep all that they could do."""
    op.add_column("logins", sa.Column("scopes", sa.Text, nullable=False, server_default=""))
