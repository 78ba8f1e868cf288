"""The only SQL: one code for SQLite and PostgreSQL, a module for each group of tables."""
