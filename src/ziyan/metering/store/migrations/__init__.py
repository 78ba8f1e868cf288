"""Alembic migrations; run by ``Store.open``, never by hand."""
