"""The only SQL: one code for SQLite and PostgreSQL, a module for each group of tables."""

from ziyan.metering.store.database import Store

__all__ = ["Store"]
