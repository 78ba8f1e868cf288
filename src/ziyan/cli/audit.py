"""``ziyan audit``: who changed what."""

from __future__ import annotations

import argparse
from typing import Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action
from ziyan.settings import Settings

EXAMPLE = """\
example:
  ziyan audit
  ziyan audit --object trial --json
"""
_COLUMNS = ("at", "actor", "action", "object_id", "before", "after")


def add_parser(commands: Any) -> None:
    """Register the command."""
    command = add_action(commands, "audit", "print who changed what, newest first", EXAMPLE, run)
    command.add_argument("--object", metavar="ID", help="only about the app, order, token … of this identifier")
    arguments.add_limit(command)
    output.add_json(command)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Print the audit log."""
    from ziyan.metering.store import audit
    from ziyan.metering.store.slices import Asked
    from ziyan.metering.views import EntryView

    with arguments.opened(settings) as store:
        found = store.transact(lambda connection: audit.page(connection, Asked(args.limit), object_id=args.object))
    output.show_all(args, map(EntryView.of, found.items), _COLUMNS)
    return 0
