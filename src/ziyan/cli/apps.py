"""``ziyan apps create | list | show | disable | enable | add | remove | restrict``: who may call."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ziyan.cli.actions import add_action, help_alone
from ziyan.errors import InputError
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.credentials import App, Credential
    from ziyan.metering.store import Store


CREATE_EXAMPLE = """\
example:
  ziyan apps create "Invoice archive"
  ziyan apps create --hmac "Invoice archive"
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
ADD_EXAMPLE = """\
example:
  ziyan apps add trial appkey
  ziyan apps add --hmac trial appid
"""
REMOVE_EXAMPLE = """\
example:
  ziyan apps remove trial 0123456789abcdef
"""
RESTRICT_EXAMPLE = """\
example:
  ziyan apps restrict trial --allow 203.0.113.7,2001:db8::/32,*.example.com
  ziyan apps restrict trial --allow '' --deny 198.51.100.0/24
"""
MAX_NAME_CHARS = 200
KINDS = ("appcode", "appkey", "appid")
HMAC_HELP = "own-platform calls are signed with HMAC-SHA256, not md5"
ID_HELP = "the app's identifier, as ziyan apps list prints it"


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser(
        "apps",
        help="register apps and see what they sign in with",
        description="Apps, each with what it signs in with: AppCodes, AppKeys and appids.",
    )
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    create = add_action(
        actions, "create", "register an app and print what it signs in with", CREATE_EXAMPLE, run_create
    )
    create.add_argument("name", metavar="NAME", type=_name, help="for people; need not be unique")
    create.add_argument("--hmac", action="store_true", help=HMAC_HELP)

    add_action(actions, "list", "print all apps, oldest first", LIST_EXAMPLE, run_list)

    for name, about, example, run in (
        ("show", "print an app with what it signs in with", SHOW_EXAMPLE, run_show),
        ("disable", "refuse an app's calls from now on", DISABLE_EXAMPLE, run_disable),
        ("enable", "take a disabled app's calls again", ENABLE_EXAMPLE, run_enable),
    ):
        action = add_action(actions, name, about, example, run)
        action.add_argument("app", metavar="ID", help=ID_HELP)

    add = add_action(actions, "add", "let an app sign in with one more credential and print it", ADD_EXAMPLE, run_add)
    add.add_argument("app", metavar="ID", help=ID_HELP)
    add.add_argument("kind", metavar="KIND", choices=KINDS, help=f"which kind: {', '.join(KINDS)}")
    add.add_argument("--hmac", action="store_true", help=f"of an appid: {HMAC_HELP}")

    remove = add_action(actions, "remove", "refuse one of an app's credentials for good", REMOVE_EXAMPLE, run_remove)
    remove.add_argument("app", metavar="ID", help=ID_HELP)
    remove.add_argument("credential", metavar="CREDENTIAL", help="its AppCode, AppKey or appid")

    restrict = add_action(
        actions, "restrict", "say where an app's own-platform calls may come from", RESTRICT_EXAMPLE, run_restrict
    )
    restrict.add_argument("app", metavar="ID", help=ID_HELP)
    for option, about in (("--allow", "take calls only from these; empty for anywhere"), ("--deny", "refuse these")):
        restrict.add_argument(option, metavar="LIST", type=_sources, help=about)


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise argparse.ArgumentTypeError(f"needs 1 to {MAX_NAME_CHARS} printable characters")
    return name


def _sources(text: str) -> tuple[str, ...]:
    from ziyan.metering.sources import is_source
    from ziyan.settings import listed

    sources = tuple(dict.fromkeys(listed(text)))
    for source in sources:
        if not is_source(source):
            raise argparse.ArgumentTypeError(f"{source!r} is no IP address, network or host name")
    return sources


def run_create(settings: Settings, args: argparse.Namespace) -> int:
    """Register an app."""
    from ziyan.metering.credentials import credentials, register_app

    with _store(settings) as store:
        registered = register_app(store, args.name, hmac=args.hmac)
        _print_app(registered.app, credentials(store, registered.app.id))
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
    """Print an app with what it signs in with."""
    from ziyan.metering.credentials import credentials

    with _store(settings) as store:
        app = _known(store, args.app)
        _print_app(app, credentials(store, app.id))
    return 0


def run_disable(settings: Settings, args: argparse.Namespace) -> int:
    """Disable an app."""
    return _switch(settings, args.app, disabled=True)


def run_enable(settings: Settings, args: argparse.Namespace) -> int:
    """Enable an app again."""
    return _switch(settings, args.app, disabled=False)


def run_add(settings: Settings, args: argparse.Namespace) -> int:
    """Add a credential."""
    from ziyan.metering.credentials import Kind, add_credential

    with _store(settings) as store:
        credential = add_credential(store, args.app, Kind(args.kind), hmac=args.hmac)
    if credential is None:
        raise _no_such_app(args.app)
    _print_credential(credential)
    return 0


def run_remove(settings: Settings, args: argparse.Namespace) -> int:
    """Remove a credential."""
    from ziyan.metering.credentials import remove_credential

    with _store(settings) as store:
        if not remove_credential(store, args.app, args.credential):
            raise InputError(f"No app {args.app} has this credential; `ziyan apps show {args.app}` prints what it has")
    print(f"{args.app}: removed")
    return 0


def run_restrict(settings: Settings, args: argparse.Namespace) -> int:
    """Set where own-platform calls may come from; a list that is not given stays as it is."""
    from ziyan.metering.credentials import set_app_sources

    with _store(settings) as store:
        app = _known(store, args.app)
        allowed = app.allowed_sources if args.allow is None else args.allow
        denied = app.denied_sources if args.deny is None else args.deny
        set_app_sources(store, app.id, allowed=allowed, denied=denied)
    _print_sources(allowed, denied)
    return 0


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


def _known(store: Store, app_id: str) -> App:
    from ziyan.metering.credentials import get_app

    app = get_app(store, app_id)
    if app is None:
        raise _no_such_app(app_id)
    return app


def _no_such_app(app_id: str) -> InputError:
    return InputError(f"There is no app {app_id}; `ziyan apps list` shows them all")


def _print_app(app: App, credentials: list[Credential]) -> None:
    print(f"id:         {app.id}\nname:       {app.name}")
    print(f"created:    {app.created_at:%Y-%m-%d %H:%M} UTC\nstate:      {_state(app)}")
    if app.allowed_sources or app.denied_sources:
        _print_sources(app.allowed_sources, app.denied_sources)
    for credential in sorted(credentials, key=lambda each: KINDS.index(each.kind)):
        _print_credential(credential)


def _print_credential(credential: Credential) -> None:
    from ziyan.metering.credentials import Kind, is_hmac_appid

    match credential.kind:
        case Kind.APPCODE:
            print(f"AppCode:    {credential.identifier}")
        case Kind.APPKEY:
            print(f"AppKey:     {credential.identifier}\nAppSecret:  {credential.secret}")
        case _:
            digest = "HMAC-SHA256" if is_hmac_appid(credential.identifier) else "md5"
            print(f"appid:      {credential.identifier}\nsecret:     {credential.secret}\nsign:       {digest}")


def _print_sources(allowed: tuple[str, ...], denied: tuple[str, ...]) -> None:
    print(f"allowed:    {', '.join(allowed) or 'anywhere'}\ndenied:     {', '.join(denied) or 'nowhere'}")


def _state(app: App) -> str:
    return "disabled" if app.disabled else "enabled"
