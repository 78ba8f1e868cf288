"""``ziyan apps create | list | show | disable | enable``: who may call."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ziyan.errors import InputError
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.credentials import App
    from ziyan.metering.store import Store

Command = Callable[[Settings, argparse.Namespace], int]

CREATE_EXAMPLE = """\
example:
  ziyan apps create "Invoice archive"
"""
LIST_EXAMPLE = """\
example:
  ziyan apps list
"""
SHOW_EXAMPLE = """\
example:
  ziyan apps show trial
"""
DISABLE_EXAMPLE = """\
example:
  ziyan apps disable trial
"""
ENABLE_EXAMPLE = """\
example:
  ziyan apps enable trial
"""
MAX_NAME_CHARS = 200


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "apps",
        help="register apps and see what they sign in with",
        description="Apps, each with the AppCode it signs in with.",
    )
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)

    create = _add(actions, "create", "register an app and print its AppCode", CREATE_EXAMPLE, run_create)
    create.add_argument("name", metavar="NAME", type=_name, help="for people; need not be unique")

    _add(actions, "list", "print all apps, oldest first", LIST_EXAMPLE, run_list)

    for name, about, example, run in (
        ("show", "print an app with its AppCodes", SHOW_EXAMPLE, run_show),
        ("disable", "refuse an app's calls from now on", DISABLE_EXAMPLE, run_disable),
        ("enable", "take a disabled app's calls again", ENABLE_EXAMPLE, run_enable),
    ):
        action = _add(actions, name, about, example, run)
        action.add_argument("app", metavar="ID", help="the app's identifier, as ziyan apps list prints it")


def _add(actions: Any, name: str, about: str, example: str, run: Command) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise argparse.ArgumentTypeError(f"needs 1 to {MAX_NAME_CHARS} printable characters")
    return name


def run_create(settings: Settings, args: argparse.Namespace) -> int:
    """Register an app."""
    from ziyan.metering.credentials import register_app

    with _store(settings) as store:
        registered = register_app(store, args.name)
    _print_app(registered.app, [registered.appcode])
    return 0


def run_list(settings: Settings, _args: argparse.Namespace) -> int:
    """Print every app on a line of its own."""
    from ziyan.metering.credentials import list_apps

    with _store(settings) as store:
        apps = list_apps(store)
    width = max((len(app.id) for app in apps), default=0)
    for app in apps:
        print(f"{app.id:{width}}  {app.created_at:%Y-%m-%d %H:%M}  {_state(app):8}  {app.name}")
    return 0


def run_show(settings: Settings, args: argparse.Namespace) -> int:
    """Print an app with its AppCodes."""
    from ziyan.metering.credentials import appcodes, get_app

    with _store(settings) as store:
        app = get_app(store, args.app)
        if app is None:
            raise _no_such_app(args.app)
        _print_app(app, appcodes(store, app.id))
    return 0


def run_disable(settings: Settings, args: argparse.Namespace) -> int:
    """Disable an app."""
    return _switch(settings, args.app, disabled=True)


def run_enable(settings: Settings, args: argparse.Namespace) -> int:
    """Enable an app again."""
    return _switch(settings, args.app, disabled=False)


def _switch(settings: Settings, app_id: str, *, disabled: bool) -> int:
    from ziyan.metering.credentials import set_app_disabled

    with _store(settings) as store:
        if not set_app_disabled(store, app_id, disabled=disabled):
            raise _no_such_app(app_id)
    print(f"{app_id}: {'disabled' if disabled else 'enabled'}")
    return 0


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    from ziyan.metering.store import Store  # brings SQLAlchemy, which no other command but serve needs

    store = Store.open(settings)
    try:
        yield store
    finally:
        store.close()


def _no_such_app(app_id: str) -> InputError:
    return InputError(f"There is no app {app_id}; `ziyan apps list` shows them all")


def _print_app(app: App, appcodes: list[str]) -> None:
    print(f"id:       {app.id}\nname:     {app.name}")
    print(f"created:  {app.created_at:%Y-%m-%d %H:%M} UTC\nstate:    {_state(app)}")
    for appcode in appcodes:
        print(f"AppCode:  {appcode}")


def _state(app: App) -> str:
    return "disabled" if app.disabled else "enabled"
