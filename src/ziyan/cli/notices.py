"""``ziyan notices send``: what the service does all the time, once."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.outbox import Report
    from ziyan.metering.store import Store

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
    add_action(actions, "send", "send the notices that are due and print how many", SEND_EXAMPLE, run_send)


def run_send(settings: Settings, _args: argparse.Namespace) -> int:
    """Look at every package, and deliver what is due."""
    import asyncio

    from ziyan.metering.store import Store

    store = Store.open(settings)
    try:
        report = asyncio.run(_send(settings, store))
    finally:
        store.close()
    print(f"new: {report.told}  sent: {report.sent}  failed: {report.failed}  waiting: {report.waiting}")
    return 0


async def _send(settings: Settings, store: Store) -> Report:
    from ziyan.api.notifying import sender
    from ziyan.fetch import Fetcher

    async with sender(settings, store, Fetcher.from_settings(settings)) as sending:
        return await sending.once()
