"""``ziyan apps create | list | show | disable | enable | add | rotate | revoke | restrict | limit | notify``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.errors import NotFoundError
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.apps import AppChange
    from ziyan.metering.credentials import App, Credential
    from ziyan.metering.desk import Desk


CREATE_EXAMPLE = """\
example:
  ziyan apps create "Invoice archive"
  ziyan apps create --hmac "Invoice archive"
  ziyan apps create --account 0123456789abcdef0123456789abcdef "Second shop"
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
ROTATE_EXAMPLE = """\
example:
  ziyan apps rotate trial 0123456789abcdef
  ziyan apps rotate --grace 0 trial 0123456789abcdef
"""
REVOKE_EXAMPLE = """\
example:
  ziyan apps revoke trial 0123456789abcdef
"""
LIMIT_EXAMPLE = """\
example:
  ziyan apps limit trial 20
  ziyan apps limit trial 0
"""
NOTIFY_EXAMPLE = """\
example:
  ziyan apps notify trial --percents 50,20,5,0 --days 30,7
"""
RESTRICT_EXAMPLE = """\
example:
  ziyan apps restrict trial --allow 203.0.113.7,2001:db8::/32,*.example.com
  ziyan apps restrict trial --allow '' --deny 198.51.100.0/24
"""
KINDS = ("appcode", "appkey", "appid")
HMAC_HELP = "own-platform calls are signed with HMAC-SHA256, not md5"
KEY_HELP = "its AppCode, AppKey or appid"
GRACE_HOURS = 168


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
    create.add_argument("name", metavar="NAME", type=arguments.name, help="for people; need not be unique")
    create.add_argument(
        "--account", metavar="ID", help="the account it belongs to (default: a new one of the same name)"
    )
    create.add_argument("--hmac", action="store_true", help=HMAC_HELP)
    output.add_json(create)

    listing = add_action(actions, "list", "print all apps, oldest first", LIST_EXAMPLE, run_list)
    output.add_json(listing)

    for name, about, example, run in (
        ("show", "print an app with what it signs in with", SHOW_EXAMPLE, run_show),
        ("disable", "refuse an app's calls from now on", DISABLE_EXAMPLE, run_disable),
        ("enable", "take a disabled app's calls again", ENABLE_EXAMPLE, run_enable),
    ):
        action = add_action(actions, name, about, example, run)
        arguments.add_app(action)
        output.add_json(action)
    _add_keys(actions)
    _add_limits(actions)


def _add_keys(actions: Any) -> None:
    add = add_action(actions, "add", "let an app sign in with one more credential and print it", ADD_EXAMPLE, run_add)
    arguments.add_app(add)
    add.add_argument("kind", metavar="KIND", choices=KINDS, help=f"which kind: {', '.join(KINDS)}")
    add.add_argument("--hmac", action="store_true", help=f"of an appid: {HMAC_HELP}")
    output.add_json(add)

    rotate = add_action(
        actions, "rotate", "put a new credential in the place of one and print it", ROTATE_EXAMPLE, run_rotate
    )
    arguments.add_app(rotate)
    rotate.add_argument("credential", metavar="CREDENTIAL", help=KEY_HELP)
    arguments.add_grace(rotate, GRACE_HOURS)
    output.add_json(rotate)

    revoke = add_action(actions, "revoke", "refuse one of an app's credentials for good", REVOKE_EXAMPLE, run_revoke)
    arguments.add_app(revoke)
    revoke.add_argument("credential", metavar="CREDENTIAL", help=KEY_HELP)
    output.add_json(revoke)


def _add_limits(actions: Any) -> None:
    restrict = add_action(
        actions, "restrict", "say where an app's own-platform calls may come from", RESTRICT_EXAMPLE, run_restrict
    )
    arguments.add_app(restrict)
    for option, about in (("--allow", "take calls only from these; empty for anywhere"), ("--deny", "refuse these")):
        restrict.add_argument(option, metavar="LIST", type=arguments.sources, help=about)
    output.add_json(restrict)

    limit = add_action(actions, "limit", "say how many calls a second an app may make", LIMIT_EXAMPLE, run_limit)
    arguments.add_app(limit)
    limit.add_argument("rate", metavar="RATE", type=float, help="calls a second; 0: what ZIYAN_RATE_APP says")
    output.add_json(limit)

    notify = add_action(
        actions, "notify", "say when an app's owner is told that calls run out", NOTIFY_EXAMPLE, run_notify
    )
    arguments.add_app(notify)
    for option, about in (("--percents", "at so many percent of calls left"), ("--days", "so many days before expiry")):
        notify.add_argument(option, metavar="LIST", type=arguments.numbers, help=about)
    output.add_json(notify)


def run_create(settings: Settings, args: argparse.Namespace) -> int:
    """Register an app."""
    from ziyan.metering import apps

    def create(desk: Desk) -> tuple[App, list[Credential]]:
        app = apps.create_app(desk, args.name, account_id=args.account, hmac=args.hmac)
        return app, apps.list_keys(desk, app.id)

    with arguments.operator(settings) as person:
        _show_app(args, *person.do(create))
    return 0


def run_list(settings: Settings, args: argparse.Namespace) -> int:
    """Print every app on a line of its own."""
    from ziyan.metering.credentials import list_apps
    from ziyan.metering.views import AppView

    with arguments.opened(settings) as store:
        apps = list_apps(store)
    if args.json:
        output.show_all(args, map(AppView.of, apps), ())
        return 0
    width = max((len(app.id) for app in apps), default=0)
    for app in apps:
        print(f"{app.id:{width}}  {app.created_at:%Y-%m-%d %H:%M}  {_state(app):8}  {app.name}")
    return 0


def run_show(settings: Settings, args: argparse.Namespace) -> int:
    """Print an app with what it signs in with; the audit log tells who looked."""
    from ziyan.metering import apps

    with arguments.operator(settings) as person:
        _show_app(args, *person.do(lambda desk: (_known(desk, args.app), apps.reveal_keys(desk, args.app))))
    return 0


def run_disable(settings: Settings, args: argparse.Namespace) -> int:
    """Disable an app."""
    return _switch(settings, args, disabled=True)


def run_enable(settings: Settings, args: argparse.Namespace) -> int:
    """Enable an app again."""
    return _switch(settings, args, disabled=False)


def run_add(settings: Settings, args: argparse.Namespace) -> int:
    """Add a credential."""
    from ziyan.metering import apps
    from ziyan.metering.credentials import Kind

    with arguments.operator(settings) as person:
        key = person.do(lambda desk: apps.create_key(desk, _known(desk, args.app).id, Kind(args.kind), hmac=args.hmac))
    _show_key(args, key)
    return 0


def run_rotate(settings: Settings, args: argparse.Namespace) -> int:
    """Rotate a credential."""
    from ziyan.metering import apps

    def rotate(desk: Desk) -> Credential:
        key_id = apps.key_id_of(desk, _known(desk, args.app).id, args.credential)
        return apps.rotate_key(desk, args.app, key_id, grace_hours=args.grace)

    with arguments.operator(settings) as person:
        _show_key(args, person.do(rotate))
    return 0


def run_revoke(settings: Settings, args: argparse.Namespace) -> int:
    """Revoke a credential."""
    from ziyan.metering import apps
    from ziyan.metering.views import KeyView

    def revoke(desk: Desk) -> Credential:
        return apps.revoke_key(desk, args.app, apps.key_id_of(desk, _known(desk, args.app).id, args.credential))

    with arguments.operator(settings) as person:
        key = person.do(revoke)
    if args.json:
        output.show(args, KeyView.of(key))
    else:
        print(f"{args.app}: revoked")
    return 0


def run_restrict(settings: Settings, args: argparse.Namespace) -> int:
    """Set where own-platform calls may come from; a list that is not given stays as it is."""
    from ziyan.metering.apps import AppChange

    app = _changed(settings, args, AppChange(allowed_sources=args.allow, denied_sources=args.deny))
    if not args.json:
        _print_sources(app)
    return 0


def run_limit(settings: Settings, args: argparse.Namespace) -> int:
    """Set how many calls a second an app may make."""
    from ziyan.metering.apps import AppChange

    app = _changed(settings, args, AppChange(rate=args.rate))
    if not args.json:
        print(f"{app.id}: {_rate(app)}")
    return 0


def run_notify(settings: Settings, args: argparse.Namespace) -> int:
    """Set when an app's owner is told; a list that is not given stays as it is."""
    from ziyan.metering.apps import AppChange

    app = _changed(settings, args, AppChange(notify_percents=args.percents, notify_days=args.days))
    if not args.json:
        print(f"percents:   {_joined(app.notify_percents)}\ndays:       {_joined(app.notify_days)}")
    return 0


def _switch(settings: Settings, args: argparse.Namespace, *, disabled: bool) -> int:
    from ziyan.metering.apps import AppChange

    app = _changed(settings, args, AppChange(disabled=disabled))
    if not args.json:
        print(f"{app.id}: {_state(app)}")
    return 0


def _changed(settings: Settings, args: argparse.Namespace, change: AppChange) -> App:
    """The app that a command names, changed; printed if that is to be JSON."""
    from ziyan.metering import apps
    from ziyan.metering.views import AppView

    with arguments.operator(settings) as person:
        app = person.do(lambda desk: apps.change_app(desk, _known(desk, args.app).id, change))
    if args.json:
        output.show(args, AppView.of(app))
    return app


def _known(desk: Desk, app_id: str) -> App:
    try:
        return desk.app(app_id)
    except NotFoundError as error:
        raise NotFoundError(f"{error}; `ziyan apps list` shows them all") from None


def _show_app(args: argparse.Namespace, app: App, keys: list[Credential]) -> None:
    if not args.json:
        _print_app(app, keys)
        return
    from ziyan.metering.views import AppKeysView

    output.show(args, AppKeysView.with_keys(app, keys))


def _show_key(args: argparse.Namespace, key: Credential) -> None:
    if not args.json:
        _print_credential(key)
        return
    from ziyan.metering.views import SecretKeyView

    output.show(args, SecretKeyView.of(key))


def _print_app(app: App, credentials: list[Credential]) -> None:
    print(f"id:         {app.id}\nname:       {app.name}")
    print(f"created:    {app.created_at:%Y-%m-%d %H:%M} UTC\nstate:      {_state(app)}")
    if app.rate is not None:
        print(f"rate:       {_rate(app)}")
    if app.allowed_sources or app.denied_sources:
        _print_sources(app)
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


def _print_sources(app: App) -> None:
    print(f"allowed:    {', '.join(app.allowed_sources) or 'anywhere'}")
    print(f"denied:     {', '.join(app.denied_sources) or 'nowhere'}")


def _state(app: App) -> str:
    return "disabled" if app.disabled else "enabled"


def _rate(app: App) -> str:
    return "as ZIYAN_RATE_APP says" if app.rate is None else f"{app.rate:g} calls a second"


def _joined(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) or "never"
