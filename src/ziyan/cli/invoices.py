"""``ziyan invoices list | issue | reject | void | attach``: what buyers ask invoices for."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.errors import InputError
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.desk import Desk
    from ziyan.metering.store.invoices import Invoice

LIST_EXAMPLE = """\
example:
  ziyan invoices list --state requested
"""
ISSUE_EXAMPLE = """\
example:
  ziyan invoices issue 0123456789abcdef0123456789abcdef 24312000000012345678
"""
REJECT_EXAMPLE = """\
example:
  ziyan invoices reject 0123456789abcdef0123456789abcdef "The title is another company's"
"""
VOID_EXAMPLE = """\
example:
  ziyan invoices void 0123456789abcdef0123456789abcdef "The order was paid back"
"""
ATTACH_EXAMPLE = """\
example:
  ziyan invoices attach 0123456789abcdef0123456789abcdef invoice.pdf
"""
STATES = ("requested", "issued", "rejected", "cancelled", "voided")
_COLUMNS = ("id", "created_at", "state", "account_id", "kind", "title", "tax_number", "amount_fen", "invoice_number")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "invoices", help="decide on requests for invoices", description="Requests for invoices, which buyers make."
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")
    listing = add_action(actions, "list", "print requests for invoices, newest first", LIST_EXAMPLE, run_list)
    listing.add_argument("--account", metavar="ID", help="only of this account")
    listing.add_argument("--state", choices=STATES, help="only in this state")
    arguments.add_limit(listing)
    output.add_json(listing)
    for name, about, example, run in (
        ("issue", "note that an invoice was issued", ISSUE_EXAMPLE, run_issue),
        ("reject", "refuse a request, with a reason that its buyer reads", REJECT_EXAMPLE, run_reject),
        ("void", "note that an issued invoice was voided, with a reason that its buyer reads", VOID_EXAMPLE, run_void),
        ("attach", "attach the PDF of an issued invoice", ATTACH_EXAMPLE, run_attach),
    ):
        action = add_action(actions, name, about, example, run)
        action.add_argument("invoice", metavar="ID", help="the request's identifier, as ziyan invoices list prints it")
        if name == "issue":
            action.add_argument("number", metavar="NUMBER", help="of the invoice")
        elif name in {"reject", "void"}:
            action.add_argument("reason", metavar="REASON", type=arguments.name, help="why")
        else:
            action.add_argument("file", metavar="FILE", type=Path, help="a PDF of at most 5 MiB")
        output.add_json(action)


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print requests."""
    from ziyan.metering.store import lists
    from ziyan.metering.store.slices import Asked
    from ziyan.metering.views import InvoiceView

    wanted = lists.Filter(args.account, state=args.state)
    with arguments.opened(settings) as store:
        found = store.transact(lambda connection: lists.invoices_page(connection, Asked(args.limit), wanted))
    output.show_all(args, map(InvoiceView.of, found.items), _COLUMNS)
    return 0


def run_issue(settings: Settings, args: argparse.Namespace) -> int:
    """Note that an invoice was issued."""
    from ziyan.metering import papers

    return _done(settings, args, lambda desk: papers.issue_invoice(desk, args.invoice, args.number))


def run_reject(settings: Settings, args: argparse.Namespace) -> int:
    """Refuse a request."""
    from ziyan.metering import papers

    return _done(settings, args, lambda desk: papers.reject_invoice(desk, args.invoice, args.reason))


def run_void(settings: Settings, args: argparse.Namespace) -> int:
    """Note that an invoice was voided."""
    from ziyan.metering import papers

    return _done(settings, args, lambda desk: papers.void_invoice(desk, args.invoice, args.reason))


def run_attach(settings: Settings, args: argparse.Namespace) -> int:
    """Attach a PDF."""
    from ziyan.metering import papers

    try:
        pdf = args.file.read_bytes()
    except OSError as error:
        raise InputError(f"{args.file} cannot be read: {error.strerror}") from error
    return _done(settings, args, lambda desk: papers.attach_file(desk, args.invoice, args.file.name, pdf))


def _done(settings: Settings, args: argparse.Namespace, work: Callable[[Desk], Invoice]) -> int:
    from ziyan.metering.views import InvoiceView

    with arguments.operator(settings) as person:
        output.show(args, InvoiceView.of(person.do(work)))
    return 0
