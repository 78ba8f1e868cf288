"""SQLite databases as files: copied while they are in use, checked, and taken hold of to be replaced."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from ziyan.errors import ConflictError, InputError, StoreError

_WAIT_SECONDS = 5.0


def copy(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, whoever reads or writes it meanwhile, into one file.

    SQLite's own backup, all pages in one go: in write-ahead mode that holds up nobody.

    Raises:
        StoreError: There is no database, or it cannot be read.
    """
    try:
        with closing(_connect(source)) as database, closing(sqlite3.connect(target)) as copied:
            database.backup(copied)
            copied.execute("PRAGMA journal_mode=DELETE")  # so that no other file belongs to it
    except sqlite3.Error as error:
        raise StoreError("The database cannot be copied", internal=str(error)) from error


def require_whole(file: Path) -> None:
    """Refuse what is no database of Ziyan's, or is damaged.

    Raises:
        InputError: It is so.
    """
    with _reading(file) as database:
        found = [str(row[0]) for row in database.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise InputError("The file is a damaged database", internal=", ".join(found))
        database.execute("SELECT version_num FROM alembic_version")


def sealed_sample(file: Path) -> tuple[str, bytes] | None:
    """Identifier and content of some credential, which shows whether a key is the one that seals them."""
    with _reading(file) as database:
        found: tuple[str, bytes] | None = database.execute("SELECT id, sealed FROM credentials LIMIT 1").fetchone()
    return found


def require_unused(file: Path) -> None:
    """Refuse a database that any other process has open; one that is damaged passes.

    Only whoever is alone with a database can take it out of write-ahead mode.

    Raises:
        ConflictError: It is in use.
    """
    with closing(_connect(file, wait=0)) as database:
        try:
            database.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as error:
            raise ConflictError("The database is in use; stop every service that uses it first") from error
        except sqlite3.DatabaseError:  # it is no database any more, so nobody can be using it
            return


def side_files(file: Path) -> tuple[Path, ...]:
    """What SQLite keeps beside a database and would take for the changes of the one that takes its place."""
    return tuple(file.with_name(file.name + end) for end in ("-wal", "-shm", "-journal"))


@contextmanager
def _reading(file: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(_connect(file)) as database:
            yield database
    except sqlite3.Error as error:
        raise InputError("The file is no backup of a Ziyan database", internal=str(error)) from error


def _connect(file: Path, *, wait: float = _WAIT_SECONDS) -> sqlite3.Connection:
    """A connection to a database that is there."""
    return sqlite3.connect(f"file:{quote(str(file))}?mode=rw", uri=True, timeout=wait, isolation_level=None)
