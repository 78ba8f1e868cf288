"""``ziyan statements month | order``: what an account had, bought and used, as files."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.statements import Statement
    from ziyan.metering.store import Store

MONTH_EXAMPLE = """\
example:
  ziyan statements month trial 2026-01 statement.pdf
"""
ORDER_EXAMPLE = """\
example:
  ziyan statements order 0123456789abcdef0123456789abcdef statement.xlsx
"""

_FILE = arguments.file_of_kind(".csv", ".xlsx", ".pdf")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "statements",
        help="write statements of accounts and orders",
        description="Statements, whose totals are those of the ledger, as CSV, XLSX or PDF.",
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")
    month = add_action(actions, "month", "write the statement of an account's month", MONTH_EXAMPLE, run_month)
    month.add_argument("account", metavar="ID", help="the account's identifier, as ziyan accounts list prints it")
    month.add_argument("month", metavar="MONTH", type=_month, help="such as 2026-01, in ZIYAN_TIMEZONE")
    month.add_argument("--app", metavar="ID", help="of this app alone")
    order = add_action(actions, "order", "write the statement of an order", ORDER_EXAMPLE, run_order)
    order.add_argument("order", metavar="ORDER", help="the order's identifier, as ziyan orders list prints it")
    for action in (month, order):
        action.add_argument(
            "file",
            metavar="FILE",
            type=arguments.file_of_kind(".csv", ".xlsx", ".pdf"),
            help="where to; ends with .csv, .xlsx or .pdf",
        )


def _month(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(2\d{3})-(0[1-9]|1[0-2])", text)
    if not found:
        raise argparse.ArgumentTypeError("needs a month such as 2026-01")
    return int(found[1]), int(found[2])


def run_month(settings: Settings, args: argparse.Namespace) -> int:
    """Write the statement of a month."""
    from ziyan.metering.statements import monthly

    return _written(settings, args.file, lambda store: monthly(store, args.account, *args.month, app_id=args.app))


def run_order(settings: Settings, args: argparse.Namespace) -> int:
    """Write the statement of an order."""
    from ziyan.metering.statements import of_order

    return _written(settings, args.file, lambda store: of_order(store, args.order))


def _written(settings: Settings, file: Path, make: Callable[[Store], Statement]) -> int:
    from ziyan.metering.statement_files import pdf, statement_csv, write_statement_xlsx

    with arguments.opened(settings) as store:
        statement = make(store)
        with output.written(file) as out:
            if file.suffix == ".xlsx":
                write_statement_xlsx(out, statement, store.zone)
            elif file.suffix == ".csv":
                out.writelines(statement_csv(statement, store.zone))
            else:
                out.write(pdf(statement, store.zone))
    return 0
