"""``ziyan accounts create | list | show | rename``: who pays."""

from __future__ import annotations

import argparse
from typing import Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

CREATE_EXAMPLE = """\
example:
  ziyan accounts create "Example Ltd"
"""
LIST_EXAMPLE = """\
example:
  ziyan accounts list --json
"""
SHOW_EXAMPLE = """\
example:
  ziyan accounts show trial
"""
RENAME_EXAMPLE = """\
example:
  ziyan accounts rename trial "Try it out"
"""
ID_HELP = "the account's identifier, as ziyan accounts list prints it"
_COLUMNS = ("id", "created_at", "name")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "accounts", help="open accounts, which have apps", description="Accounts: whoever pays, each with its apps."
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    create = add_action(actions, "create", "open an account", CREATE_EXAMPLE, run_create)
    create.add_argument("name", metavar="NAME", type=arguments.name, help="for people; need not be unique")
    output.add_json(create)

    listing = add_action(actions, "list", "print accounts, newest first", LIST_EXAMPLE, run_list)
    arguments.add_limit(listing)
    output.add_json(listing)

    show = add_action(actions, "show", "print an account", SHOW_EXAMPLE, run_show)
    show.add_argument("account", metavar="ID", help=ID_HELP)
    output.add_json(show)

    rename = add_action(actions, "rename", "give an account another name", RENAME_EXAMPLE, run_rename)
    rename.add_argument("account", metavar="ID", help=ID_HELP)
    rename.add_argument("name", metavar="NAME", type=arguments.name, help="for people; need not be unique")
    output.add_json(rename)


def run_create(settings: Settings, args: argparse.Namespace) -> int:
    """Open an account."""
    from ziyan.metering import apps
    from ziyan.metering.views import AccountView

    with arguments.operator(settings) as person:
        output.show(args, AccountView.of(person.do(lambda desk: apps.create_account(desk, args.name))))
    return 0


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print accounts."""
    from ziyan.metering.store import apps
    from ziyan.metering.store.slices import Asked
    from ziyan.metering.views import AccountView

    with arguments.opened(settings) as store:
        found = store.transact(lambda connection: apps.accounts_page(connection, Asked(args.limit)))
    output.show_all(args, map(AccountView.of, found.items), _COLUMNS)
    return 0


def run_show(settings: Settings, args: argparse.Namespace) -> int:
    """Print an account."""
    from ziyan.metering.views import AccountView

    with arguments.operator(settings) as person:
        output.show(args, AccountView.of(person.do(lambda desk: desk.account(args.account))))
    return 0


def run_rename(settings: Settings, args: argparse.Namespace) -> int:
    """Rename an account."""
    from ziyan.metering import apps
    from ziyan.metering.views import AccountView

    with arguments.operator(settings) as person:
        account = person.do(lambda desk: apps.rename_account(desk, args.account, args.name))
    output.show(args, AccountView.of(account))
    return 0
