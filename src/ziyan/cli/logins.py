"""``ziyan logins create | list | reset | disable | enable``: people who sign in to the pages."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, holders, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings, listed

if TYPE_CHECKING:
    from ziyan.metering.logins import Login

CREATE_EXAMPLE = """\
example:
  ziyan logins create li@example.com --account 0123456789abcdef0123456789abcdef
  ziyan logins create wang --scopes orders:read,orders:write,accounts:read,apps:read
"""
LIST_EXAMPLE = """\
example:
  ziyan logins list
"""
RESET_EXAMPLE = """\
example:
  ziyan logins reset operator
"""
DISABLE_EXAMPLE = """\
example:
  ziyan logins disable li@example.com
"""
ENABLE_EXAMPLE = """\
example:
  ziyan logins enable li@example.com
"""
_COLUMNS = ("id", "created_at", "disabled_at", "used_at", "role", "account_id", "name")
_NAME_HELP = "what they sign in by"


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "logins",
        help="let people sign in to the pages",
        description="Logins: who signs in to the buyers' console, or to the operator's pages.",
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    create = add_action(actions, "create", "make a login and print its password, once", CREATE_EXAMPLE, run_create)
    create.add_argument("name", metavar="NAME", type=arguments.name, help="a mail address, or one word")
    holders.add_whose(create, "what an operator may do, as tokens have it, separated by commas (default: everything)")
    output.add_json(create)

    listing = add_action(actions, "list", "print logins, newest first", LIST_EXAMPLE, run_list)
    holders.add_listing(listing)

    about = "make another password, print it, once, and end all sessions"
    reset = add_action(actions, "reset", about, RESET_EXAMPLE, run_reset)
    disable = add_action(actions, "disable", "refuse a login and end its sessions", DISABLE_EXAMPLE, run_disable)
    enable = add_action(actions, "enable", "take a login again", ENABLE_EXAMPLE, run_enable)
    for action in (reset, disable, enable):
        action.add_argument("name", metavar="NAME", help=_NAME_HELP)
        output.add_json(action)


def run_create(settings: Settings, args: argparse.Namespace) -> int:
    """Make a login."""
    from ziyan.metering import logins, passwords
    from ziyan.metering.views import SecretLoginView

    new = passwords.fresh()
    role = logins.Role.OPERATOR if args.account is None else logins.Role.BUYER
    scopes = None if args.scopes is None else listed(args.scopes)
    with arguments.operator(settings) as person:
        login = person.do(lambda desk: logins.create_login(desk, args.name, role, new, args.account, scopes))
    output.show(args, SecretLoginView.of(login, password=new.text))
    return 0


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print logins."""
    from ziyan.metering.logins import Role
    from ziyan.metering.store import logins
    from ziyan.metering.views import LoginView

    def scopes(login: Login) -> list[str]:
        return listed(login.scopes) or (["all"] if login.role == Role.OPERATOR else [])

    holders.show_list(settings, args, logins.page, LoginView, _COLUMNS, scopes)
    return 0


def run_reset(settings: Settings, args: argparse.Namespace) -> int:
    """Give a login another password."""
    from ziyan.metering import logins, passwords
    from ziyan.metering.views import SecretLoginView

    new = passwords.fresh()
    with arguments.operator(settings) as person:
        login = person.do(lambda desk: logins.reset_password(desk, logins.login_by_name(desk, args.name).id, new))
    output.show(args, SecretLoginView.of(login, password=new.text))
    return 0


def run_disable(settings: Settings, args: argparse.Namespace) -> int:
    """Refuse a login."""
    return _show(args, _set_disabled(settings, args.name, disabled=True))


def run_enable(settings: Settings, args: argparse.Namespace) -> int:
    """Take a login again."""
    return _show(args, _set_disabled(settings, args.name, disabled=False))


def _set_disabled(settings: Settings, name: str, *, disabled: bool) -> Login:
    from ziyan.metering import logins

    with arguments.operator(settings) as person:
        return person.do(
            lambda desk: logins.set_login_disabled(desk, logins.login_by_name(desk, name).id, disabled=disabled)
        )


def _show(args: argparse.Namespace, login: Login) -> int:
    from ziyan.metering.views import LoginView

    output.show(args, LoginView.of(login))
    return 0
