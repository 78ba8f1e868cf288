"""Runs the migrations on the connection, and inside the transaction, that ``Store.open`` holds."""

from __future__ import annotations

from alembic import context

from ziyan.metering.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
