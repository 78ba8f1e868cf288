"""What logins and tokens have in common on the command line: whose they are, what they may do, how they are listed."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, output
from ziyan.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ziyan.metering.store.slices import Asked, Slice
    from ziyan.metering.views import View


def add_whose(parser: argparse.ArgumentParser, scopes: str) -> None:
    """Let a command say whose a new one is, and what it may do; ``scopes`` is the help of that."""
    parser.add_argument("--account", metavar="ID", help="for the buyer of this account (default: for an operator)")
    parser.add_argument("--scopes", metavar="LIST", help=scopes)


def add_listing(parser: argparse.ArgumentParser) -> None:
    """Let a command list those of one account alone."""
    parser.add_argument("--account", metavar="ID", help="only of this account")
    arguments.add_limit(parser)
    output.add_json(parser)


def show_list(
    settings: Settings,
    args: argparse.Namespace,
    page: Callable[[Connection, Asked, str | None], Slice[Any]],
    view: type[View],
    columns: Sequence[str],
    scopes: Callable[[Any], Iterable[str]],
) -> None:
    """Print them, newest first, and what each may do."""
    from ziyan.metering.store.slices import Asked

    with arguments.opened(settings) as store:
        found = store.transact(lambda connection: page(connection, Asked(args.limit), args.account)).items
    texts = [", ".join(scopes(each)) or "-" for each in found]
    output.show_all(args, map(view.of, found), (*columns, "scopes"), scopes=texts)
