"""``ziyan notices list | send``: how notices fare on their way, and what the service does all the time, once."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.outbox import Report
    from ziyan.metering.store import Store

LIST_EXAMPLE = """\
example:
  ziyan notices list trial
"""
_COLUMNS = ("notice_id", "target_id", "state", "attempts", "sent_at", "error")
SEND_EXAMPLE = """\
example:
  ziyan notices send
"""


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "notices",
        help="tell owners of apps what calls they have left",
        description="Notices: calls are getting few, have run out, or are about to expire.",
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")
    listing = add_action(
        actions, "list", "print how an account's notices fare on their way, newest first", LIST_EXAMPLE, run_list
    )
    listing.add_argument("account", metavar="ID", help="the account's identifier, as ziyan accounts list prints it")
    arguments.add_limit(listing)
    output.add_json(listing)
    add_action(actions, "send", "send the notices that are due and print how many", SEND_EXAMPLE, run_send)


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print deliveries."""
    from ziyan.metering.notices import deliveries
    from ziyan.metering.views import DeliveryView

    with arguments.opened(settings) as store:
        arguments.must_exist(store, account_id=args.account)
        found = deliveries(store, args.account, limit=args.limit)
    output.show_all(args, map(DeliveryView.of, found), _COLUMNS)
    return 0


def run_send(settings: Settings, _args: argparse.Namespace) -> int:
    """Look at every package, and deliver what is due."""
    import asyncio

    from ziyan.metering.store import Store

    store = Store.open(settings)
    try:
        report = asyncio.run(_send(settings, store))
    finally:
        store.close()
    for error in report.errors:
        print(f"failed: {error}", file=sys.stderr)
    print(f"new: {report.told}  sent: {report.sent}  failed: {report.failed}  waiting: {report.waiting}")
    return 0


async def _send(settings: Settings, store: Store) -> Report:
    from ziyan.api.notifying import sender
    from ziyan.fetch import Fetcher

    async with sender(settings, store, Fetcher.from_settings(settings)) as sending:
        return await sending.once()
