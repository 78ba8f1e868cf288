"""``ziyan orders place | list | show | pay | cancel | refund``: what was sold."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.desk import Desk
    from ziyan.metering.store.sales import Order

PLACE_EXAMPLE = """\
example:
  ziyan orders place trial calls-10k
"""
LIST_EXAMPLE = """\
example:
  ziyan orders list --state pending
"""
SHOW_EXAMPLE = """\
example:
  ziyan orders show 0123456789abcdef0123456789abcdef
"""
PAY_EXAMPLE = """\
example:
  ziyan orders pay 0123456789abcdef0123456789abcdef --reference "Bank 2026-01-31 no. 17"
"""
CANCEL_EXAMPLE = """\
example:
  ziyan orders cancel 0123456789abcdef0123456789abcdef
"""
REFUND_EXAMPLE = """\
example:
  ziyan orders refund 0123456789abcdef0123456789abcdef 40000
"""
ID_HELP = "the order's identifier, as ziyan orders list prints it"
STATES = ("pending", "paid", "cancelled", "refunded")
_COLUMNS = ("id", "created_at", "state", "app_id", "item_id", "calls", "price_fen")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "orders",
        help="place orders and mark them paid",
        description="Orders of calls.  They are paid offline; to mark one paid gives its app the package.",
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    place = add_action(actions, "place", "order calls for an app", PLACE_EXAMPLE, run_place)
    arguments.add_app(place)
    place.add_argument("item", metavar="ITEM", help="which, as ziyan catalogue list prints it")
    output.add_json(place)

    listing = add_action(actions, "list", "print orders, newest first", LIST_EXAMPLE, run_list)
    listing.add_argument("--account", metavar="ID", help="only of this account")
    listing.add_argument("--app", metavar="ID", help="only of this app")
    listing.add_argument("--state", choices=STATES, help="only in this state")
    arguments.add_limit(listing)
    output.add_json(listing)

    for name, about, example, run in (
        ("show", "print an order", SHOW_EXAMPLE, run_show),
        ("pay", "note that an order was paid, which gives its app the package, once", PAY_EXAMPLE, run_pay),
        ("cancel", "give up an order that was not paid", CANCEL_EXAMPLE, run_cancel),
        ("refund", "note that an order was paid back, and close its package", REFUND_EXAMPLE, run_refund),
    ):
        action = add_action(actions, name, about, example, run)
        action.add_argument("order", metavar="ORDER", help=ID_HELP)
        if name == "pay":
            about = "of the payment, such as a bank's number"
            action.add_argument("--reference", metavar="TEXT", type=arguments.note, default="", help=about)
        if name == "refund":
            action.add_argument("fen", metavar="FEN", type=arguments.fen, help="how much was paid back")
        output.add_json(action)


def run_place(settings: Settings, args: argparse.Namespace) -> int:
    """Place an order."""
    from ziyan.metering import selling

    return _done(settings, args, lambda desk: selling.place_order(desk, args.app, args.item))


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print orders."""
    from ziyan.metering.store import lists
    from ziyan.metering.store.slices import Asked
    from ziyan.metering.views import OrderView

    wanted = lists.Filter(args.account, args.app, args.state)
    with arguments.opened(settings) as store:
        found = store.transact(lambda connection: lists.orders_page(connection, Asked(args.limit), wanted))
    output.show_all(args, map(OrderView.of, found.items), _COLUMNS)
    return 0


def run_show(settings: Settings, args: argparse.Namespace) -> int:
    """Print an order."""
    return _done(settings, args, lambda desk: desk.order(args.order))


def run_pay(settings: Settings, args: argparse.Namespace) -> int:
    """Mark an order paid."""
    from ziyan.metering import selling

    return _done(settings, args, lambda desk: selling.pay_order(desk, args.order, reference=args.reference))


def run_cancel(settings: Settings, args: argparse.Namespace) -> int:
    """Cancel an order."""
    from ziyan.metering import selling

    return _done(settings, args, lambda desk: selling.cancel_order(desk, args.order))


def run_refund(settings: Settings, args: argparse.Namespace) -> int:
    """Refund an order."""
    from ziyan.metering import selling

    return _done(settings, args, lambda desk: selling.refund_order(desk, args.order, fen=args.fen))


def _done(settings: Settings, args: argparse.Namespace, work: Callable[[Desk], Order]) -> int:
    from ziyan.metering.views import OrderView

    with arguments.operator(settings) as person:
        output.show(args, OrderView.of(person.do(work)))
    return 0
