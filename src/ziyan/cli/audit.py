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
_COLUMNS = ("at", "actor", "action", "object_id", "change")
_MOST_CHARS = 60


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
    entries = [EntryView.of(item) for item in found.items]
    output.show_all(args, entries, _COLUMNS, change=[_change(entry.before, entry.after) for entry in entries])
    return 0


def _change(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """What is other than before, in one short line; JSON has all of it."""
    before, after = before or {}, after or {}
    changed = {
        name: value for name, value in after.items() if before.get(name) != value and value not in (None, [], "")
    }
    text = ", ".join(f"{name}={value}" for name, value in changed.items() if name not in {"id", "created_at"})
    return text if len(text) <= _MOST_CHARS else f"{text[: _MOST_CHARS - 1]}…"
