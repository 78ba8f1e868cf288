"""``ziyan ledger check``: what was billed, consumed and counted is the same."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import Any

from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

CHECK_EXAMPLE = """\
example:
  ziyan ledger check
"""
#: Exit status where figures differ.
DIFFERENT = 1


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "ledger",
        help="prove that what was billed is what packages count",
        description="The ledger: events of billed calls, their sums, and the counters of packages.",
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")
    about = "compare every package's counters with its events, sums and reservations"
    add_action(actions, "check", about, CHECK_EXAMPLE, run_check)


def run_check(settings: Settings, _args: argparse.Namespace) -> int:
    """Print what was compared, and every difference; 1 where there is one."""
    from ziyan.metering.ledger import check  # brings SQLAlchemy, which few commands need
    from ziyan.metering.store import Store

    store = Store.open(settings)
    try:
        report = check(store)
    finally:
        store.close()
    print(f"packages:   {report.packages}\nconsumed:   {report.consumed}")
    since = f" since {datetime.fromtimestamp(report.since / 1000, UTC):%Y-%m-%d %H:%M} UTC" if report.since else ""
    print(f"events:     {report.events} billed{since}")
    for each in report.differences:
        print(f"DIFFERENT:  package {each.package_id}: {each.what}: {each.found}, {each.expected}")
    print("ledger:     " + ("wrong" if report.differences else "clean"))
    return DIFFERENT if report.differences else 0
