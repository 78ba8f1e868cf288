"""What commands on accounts, apps and orders take as arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from ziyan.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ziyan.metering.desk import Person
    from ziyan.metering.store import Store

MAX_NAME_CHARS = 200
LIST_HELP = "how many at most (default: 100)"


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The database of the settings."""
    from ziyan.metering.store import Store  # brings SQLAlchemy, which few commands need

    store = Store.open(settings)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def operator(settings: Settings) -> Iterator[Person]:
    """Whoever runs this command, as the audit log is to name them."""
    from ziyan.metering.desk import Person

    with opened(settings) as store:
        yield Person(store, f"user {_system_user()}")


def must_exist(store: Store, *, account_id: str | None = None, app_id: str | None = None) -> None:
    """Tell a mistyped identifier from one of which there is nothing to list.

    Raises:
        NotFoundError: There is no such account, or no such app.
    """
    from ziyan.metering.desk import Desk

    def look(connection: Connection) -> None:
        desk = Desk(connection, store, "", writes=False)
        if account_id is not None:
            desk.account(account_id)
        if app_id is not None:
            desk.app(app_id)

    store.transact(look)


def add_app(parser: argparse.ArgumentParser) -> None:
    """Take an app."""
    parser.add_argument("app", metavar="ID", help="the app's identifier, as ziyan apps list prints it")


def add_limit(parser: argparse.ArgumentParser) -> None:
    """Take how many items are listed."""
    parser.add_argument("--limit", metavar="NUMBER", type=count, default=100, help=LIST_HELP)


def add_grace(parser: argparse.ArgumentParser, hours: int) -> None:
    """Take how long what is rotated works on."""
    about = f"how long the old one works beside the new one (default: {hours})"
    parser.add_argument("--grace", metavar="HOURS", type=float, default=hours, help=about)


def file_of_kind(*suffixes: str) -> Callable[[str], Path]:
    """Takes the name of a file to be written, whose ending says what kind it is to be."""

    def file(text: str) -> Path:
        if Path(text).suffix not in suffixes:
            raise argparse.ArgumentTypeError(
                f"needs a name that ends with {', '.join(suffixes[:-1])} or {suffixes[-1]}"
            )
        return Path(text)

    return file


def name(text: str) -> str:
    """A name for people."""
    stripped = text.strip()
    if not 0 < len(stripped) <= MAX_NAME_CHARS or not stripped.isprintable():
        raise argparse.ArgumentTypeError(f"needs 1 to {MAX_NAME_CHARS} printable characters")
    return stripped


def note(text: str) -> str:
    """As ``name``, or nothing."""
    return name(text) if text.strip() else ""


def count(text: str) -> int:
    """A number from 1 on."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 10**12:
        raise argparse.ArgumentTypeError("needs a whole number from 1 on")
    return int(text)


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers, separated by commas."""
    from ziyan.settings import listed

    parts = listed(text)
    if not all(part.isascii() and part.isdigit() and len(part) < 5 for part in parts):
        raise argparse.ArgumentTypeError("needs whole numbers, separated by commas")
    return tuple(int(part) for part in parts)


def fen(text: str) -> int:
    """An amount in fen."""
    return 0 if text.strip("0") == "" and text else count(text)


def day(text: str) -> date:
    """A day, as ISO 8601 writes it."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("needs a day such as 2026-01-31") from None
    if not 2000 <= found.year < 3000:
        raise argparse.ArgumentTypeError("needs a day from 2000 to 2999")
    return found


def sources(text: str) -> tuple[str, ...]:
    """Addresses, networks and host names, separated by commas."""
    from ziyan.metering.sources import is_source
    from ziyan.settings import listed

    found = tuple(dict.fromkeys(listed(text)))
    for source in found:
        if not is_source(source):
            raise argparse.ArgumentTypeError(f"{source!r} is no IP address, network or host name")
    return found


def _system_user() -> str:
    import getpass
    import os

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no name is known for it, as in many containers
        return str(os.getuid())
