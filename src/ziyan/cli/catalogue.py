"""``ziyan catalogue list | put | retire``: what is for sale."""

from __future__ import annotations

import argparse
from typing import Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

LIST_EXAMPLE = """\
example:
  ziyan catalogue list
"""
PUT_EXAMPLE = """\
example:
  ziyan catalogue put calls-5k "5,000 次" --calls 5000 --months 12 --price 22500
"""
RETIRE_EXAMPLE = """\
example:
  ziyan catalogue retire calls-5k
"""
_COLUMNS = ("id", "name", "calls", "months", "price_fen", "retired_at")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser("catalogue", help="say what is for sale", description="What is for sale.")
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    listing = add_action(actions, "list", "print what is for sale, dearest first", LIST_EXAMPLE, run_list)
    listing.add_argument("--retired", action="store_true", help="also what was for sale")
    output.add_json(listing)

    put = add_action(actions, "put", "put an item up for sale, or change it for orders to come", PUT_EXAMPLE, run_put)
    put.add_argument("item", metavar="ITEM", type=_item, help="its identifier: a short name")
    put.add_argument("name", metavar="NAME", type=arguments.name, help="for people")
    for option, metavar, kind, about in (
        ("--calls", "NUMBER", arguments.count, "how many calls it has"),
        ("--months", "NUMBER", arguments.count, "how long they last"),
        ("--price", "FEN", arguments.fen, "what it costs"),
    ):
        put.add_argument(option, metavar=metavar, type=kind, required=True, help=about)
    output.add_json(put)

    retire = add_action(actions, "retire", "sell an item no longer", RETIRE_EXAMPLE, run_retire)
    retire.add_argument("item", metavar="ITEM", help="which, as ziyan catalogue list prints it")
    output.add_json(retire)


def _item(text: str) -> str:
    import re

    if not re.fullmatch(r"[0-9A-Za-z_.-]{1,32}", text):
        raise argparse.ArgumentTypeError("needs 1 to 32 letters, digits, dots, hyphens and underscores")
    return text


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print the catalogue."""
    from ziyan.metering.catalogue import list_items
    from ziyan.metering.views import ItemView

    with arguments.opened(settings) as store:
        items = list_items(store, retired=args.retired)
    output.show_all(args, map(ItemView.of, items), _COLUMNS)
    return 0


def run_put(settings: Settings, args: argparse.Namespace) -> int:
    """Put an item up for sale."""
    from ziyan.metering import selling
    from ziyan.metering.catalogue import Item
    from ziyan.metering.views import ItemView

    item = Item(args.item, args.name, args.calls, args.months, args.price)
    with arguments.operator(settings) as person:
        output.show(args, ItemView.of(person.do(lambda desk: selling.put_item(desk, item))))
    return 0


def run_retire(settings: Settings, args: argparse.Namespace) -> int:
    """Retire an item."""
    from ziyan.metering import selling
    from ziyan.metering.views import ItemView

    with arguments.operator(settings) as person:
        output.show(args, ItemView.of(person.do(lambda desk: selling.retire_item(desk, args.item))))
    return 0
