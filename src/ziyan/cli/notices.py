"""``ziyan notices list | retry | send``: how notices fare, and what the service does all the time, once."""

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
_COLUMNS = ("id", "kind", "target_name", "state", "attempts", "next_at", "sent_at", "error")
RETRY_EXAMPLE = """\
example:
  ziyan notices retry 3d1c9be2f0a84d47b8a2c1d0e9f83a11
"""
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
    retry = add_action(
        actions, "retry", "send a notice again that was given up on its way to a target", RETRY_EXAMPLE, run_retry
    )
    retry.add_argument("delivery", metavar="ID", help="of the delivery, as ziyan notices list prints it")
    output.add_json(retry)
    add_action(actions, "send", "send the notices that are due and print how many", SEND_EXAMPLE, run_send)


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print deliveries."""
    from ziyan.metering.store.notices import deliveries_page
    from ziyan.metering.store.slices import Asked
    from ziyan.metering.views import DeliveryView

    with arguments.opened(settings) as store:
        arguments.must_exist(store, account_id=args.account)
        asked = Asked(args.limit)
        found = store.transact(lambda connection: deliveries_page(connection, asked, args.account)).items
    output.show_all(args, map(DeliveryView.of, found), _COLUMNS)
    return 0


def run_retry(settings: Settings, args: argparse.Namespace) -> int:
    """Put a delivery that was given up on its way again."""
    from ziyan.metering.inbox import retry_delivery
    from ziyan.metering.views import DeliveryView

    with arguments.operator(settings) as person:
        output.show(args, DeliveryView.of(person.do(lambda desk: retry_delivery(desk, args.delivery))))
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
