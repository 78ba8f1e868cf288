"""``ziyan tokens create | list | rotate | revoke``: what programs and buyers sign in with."""

from __future__ import annotations

import argparse
from typing import Any

from ziyan.cli import arguments, holders, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

CREATE_EXAMPLE = """\
example:
  ziyan tokens create "Shop" --scopes orders:read,orders:write --days 365
  ziyan tokens create "Example Ltd" --account 0123456789abcdef0123456789abcdef
"""
LIST_EXAMPLE = """\
example:
  ziyan tokens list
"""
ROTATE_EXAMPLE = """\
example:
  ziyan tokens rotate 0123456789abcdef0123456789abcdef --grace 1
"""
REVOKE_EXAMPLE = """\
example:
  ziyan tokens revoke 0123456789abcdef0123456789abcdef
"""
ID_HELP = "the token's identifier, as ziyan tokens list prints it"
GRACE_HOURS = 24
_COLUMNS = ("id", "created_at", "expires_at", "revoked_at", "used_at", "account_id", "name")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "tokens",
        help="make tokens for the admin API and for buyers",
        description="Tokens: what programs of operators, and buyers, sign in with.",
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    create = add_action(actions, "create", "make a token and print it, once", CREATE_EXAMPLE, run_create)
    create.add_argument("name", metavar="NAME", type=arguments.name, help="for people; need not be unique")
    about = "what it may do, separated by commas; all: everything (default: to look, or all for a buyer)"
    holders.add_whose(create, about)
    create.add_argument("--days", metavar="NUMBER", type=arguments.count, help="how long it works (default: for ever)")
    output.add_json(create)

    listing = add_action(actions, "list", "print tokens, newest first", LIST_EXAMPLE, run_list)
    holders.add_listing(listing)

    rotate = add_action(
        actions, "rotate", "put a new token in the place of one and print it, once", ROTATE_EXAMPLE, run_rotate
    )
    rotate.add_argument("token", metavar="ID", help=ID_HELP)
    arguments.add_grace(rotate, GRACE_HOURS)
    output.add_json(rotate)

    revoke = add_action(actions, "revoke", "refuse a token for good", REVOKE_EXAMPLE, run_revoke)
    revoke.add_argument("token", metavar="ID", help=ID_HELP)
    output.add_json(revoke)


def run_create(settings: Settings, args: argparse.Namespace) -> int:
    """Make a token."""
    from ziyan.metering import tokens
    from ziyan.settings import listed

    every = tokens.OPERATOR if args.account is None else tokens.BUYER
    scopes = listed(args.scopes or "")
    if args.scopes is None:
        scopes = [scope for scope in every if args.account is not None or scope.endswith(":read")]
    elif scopes == ["all"]:
        scopes = list(every)
    with arguments.operator(settings) as person:
        issued = person.do(lambda desk: tokens.issue(desk, args.name, scopes, account_id=args.account, days=args.days))
    output.show(args, issued.view())
    return 0


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print tokens."""
    from ziyan.metering.store import tokens
    from ziyan.metering.views import TokenView

    holders.show_list(settings, args, tokens.page, TokenView, _COLUMNS, lambda token: token.scopes)
    return 0


def run_rotate(settings: Settings, args: argparse.Namespace) -> int:
    """Rotate a token."""
    from ziyan.metering import tokens

    with arguments.operator(settings) as person:
        issued = person.do(lambda desk: tokens.rotate(desk, args.token, grace_hours=args.grace))
    output.show(args, issued.view())
    return 0


def run_revoke(settings: Settings, args: argparse.Namespace) -> int:
    """Revoke a token."""
    from ziyan.metering import tokens
    from ziyan.metering.views import TokenView

    with arguments.operator(settings) as person:
        output.show(args, TokenView.of(person.do(lambda desk: tokens.revoke(desk, args.token))))
    return 0
