"""``ziyan packages list | grant``: calls that are left."""

from __future__ import annotations

import argparse
from typing import Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

LIST_EXAMPLE = """\
example:
  ziyan packages list --app trial
"""
GRANT_EXAMPLE = """\
example:
  ziyan packages grant trial 1000 --months 3
"""
GRANT_MONTHS = 24
_COLUMNS = ("id", "app_id", "calls", "left", "reserved", "consumed", "valid_to", "closed_at")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "packages", help="see what calls are left, and give some", description="Packages of calls, each of one app."
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    listing = add_action(actions, "list", "print packages, newest first", LIST_EXAMPLE, run_list)
    listing.add_argument("--account", metavar="ID", help="only of this account")
    listing.add_argument("--app", metavar="ID", help="only of this app")
    arguments.add_limit(listing)
    output.add_json(listing)

    grant = add_action(actions, "grant", "give an app calls that nobody paid for", GRANT_EXAMPLE, run_grant)
    arguments.add_app(grant)
    grant.add_argument("calls", metavar="CALLS", type=arguments.count, help="how many")
    about = f"how long they last (default: {GRANT_MONTHS})"
    grant.add_argument("--months", metavar="NUMBER", type=arguments.count, default=GRANT_MONTHS, help=about)
    output.add_json(grant)


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print packages."""
    from ziyan.metering.store import lists
    from ziyan.metering.store.slices import Asked
    from ziyan.metering.views import PackageView

    wanted = lists.Filter(args.account, args.app)
    with arguments.opened(settings) as store:
        arguments.must_exist(store, account_id=args.account, app_id=args.app)
        found = store.transact(lambda connection: lists.packages_page(connection, Asked(args.limit), wanted))
    output.show_all(args, map(PackageView.of, found.items), _COLUMNS)
    return 0


def run_grant(settings: Settings, args: argparse.Namespace) -> int:
    """Give calls."""
    from ziyan.metering import selling
    from ziyan.metering.views import PackageView

    with arguments.operator(settings) as person:
        package = person.do(lambda desk: selling.grant_package(desk, args.app, args.calls, months=args.months))
    output.show(args, PackageView.of(package))
    return 0
