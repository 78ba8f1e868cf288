"""``ziyan backup`` and ``ziyan restore``: the whole database, out and in."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ziyan.cli.actions import add_action
from ziyan.cli.ledger import DIFFERENT
from ziyan.settings import Settings

BACKUP_EXAMPLE = """\
example:
  ziyan backup --with-key /backup/ziyan-2026-01-31.db
"""
RESTORE_EXAMPLE = """\
example:
  ziyan restore /backup/ziyan-2026-01-31.db
"""


def add_parser(commands: Any) -> None:
    """Register both commands."""
    backup = add_action(
        commands, "backup", "copy the database into a file, also while it is served", BACKUP_EXAMPLE, run_backup
    )
    backup.add_argument("file", metavar="FILE", type=Path, help="where to")
    backup.add_argument("--with-key", action="store_true", help="copy the key too, as FILE.key; keep both safe")
    backup.add_argument("--force", action="store_true", help="replace FILE")

    restore = add_action(
        commands, "restore", "put a backup in the place of the database, and check it", RESTORE_EXAMPLE, run_restore
    )
    restore.add_argument("file", metavar="FILE", type=Path, help="a backup; FILE.key is its key")
    restore.add_argument("--force", action="store_true", help="put the database that is there aside")


def run_backup(settings: Settings, args: argparse.Namespace) -> int:
    """Make a backup."""
    from ziyan.metering.backup import back_up

    key = back_up(settings, args.file, with_key=args.with_key, overwrite=args.force)
    print(f"{args.file}: the database, as it was at one moment")
    if key:
        print(f"{key}: the key that opens its credentials; whoever has both has every AppCode")
    else:
        kept = "ZIYAN_SECRET_KEY" if settings.secret_key else str(settings.data_dir / "secret.key")
        print(f"Save {kept} too: without it no credential in the backup works again", file=sys.stderr)
    return 0


def run_restore(settings: Settings, args: argparse.Namespace) -> int:
    """Restore a backup; a ledger that does not add up is an error, though it is restored."""
    from ziyan.metering.backup import restore

    restored = restore(settings, args.file, overwrite=args.force)
    report = restored.report
    if restored.replaced:
        print(f"{restored.replaced}: the database that was there before")
    print(f"restored; {report.packages} packages, {report.consumed} calls consumed, {report.events} billed events")
    for difference in report.differences:
        numbers = f"{difference.found} and {difference.expected}"
        print(f"package {difference.package_id}: {difference.what}: {numbers}", file=sys.stderr)
    return DIFFERENT if report.differences else 0
