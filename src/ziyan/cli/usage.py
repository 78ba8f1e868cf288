"""``ziyan usage sums | events | export``: what became of calls."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ziyan.cli import arguments, output
from ziyan.cli.actions import add_action, help_alone
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.metering.store import Store

SUMS_EXAMPLE = """\
example:
  ziyan usage sums --app trial
  ziyan usage sums --by hour --since 2026-01-31 --until 2026-01-31
"""
EVENTS_EXAMPLE = """\
example:
  ziyan usage events trial --limit 20
"""
EXPORT_EXAMPLE = """\
example:
  ziyan usage export january.xlsx --account trial --since 2026-01-01 --until 2026-01-31
"""
_DEFAULT_DAYS = 30
_SUMS = ("app_id", "package_id", "code", "calls", "billed", "ms", "bytes_in")
_EVENTS = ("at", "id", "package_id", "status", "code", "billed", "ms", "bytes_in")


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser("usage", help="see what became of calls", description="What became of calls.")
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    sums = add_action(
        actions, "sums", "sum calls by app, package, outcome and day or hour, oldest first", SUMS_EXAMPLE, run_sums
    )
    _add_whose(sums)
    sums.add_argument("--by", choices=("day", "hour"), default="day", help="what is summed (default: day)")
    _add_days(sums)
    output.add_json(sums)

    events = add_action(
        actions, "events", "print what became of each of an app's calls, newest first", EVENTS_EXAMPLE, run_events
    )
    arguments.add_app(events)
    _add_days(events)
    arguments.add_limit(events)
    output.add_json(events)

    export = add_action(
        actions, "export", "write what became of each call to a file, oldest first", EXPORT_EXAMPLE, run_export
    )
    export.add_argument(
        "file", metavar="FILE", type=arguments.file_of_kind(".csv", ".xlsx"), help="where to; ends with .csv or .xlsx"
    )
    _add_whose(export)
    _add_days(export)


def _add_whose(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="ID", help="only of this account")
    parser.add_argument("--app", metavar="ID", help="only of this app")


def _add_days(parser: argparse.ArgumentParser) -> None:
    for option, about in (
        ("--since", f"first day, in ZIYAN_TIMEZONE (default: {_DEFAULT_DAYS} days before the last)"),
        ("--until", "last day, included (default: today)"),
    ):
        parser.add_argument(option, metavar="DAY", type=arguments.day, help=about)


def run_sums(settings: Settings, args: argparse.Namespace) -> int:
    """Print sums."""
    from ziyan.metering.usage import totals
    from ziyan.metering.views import UsageView

    with arguments.opened(settings) as store:
        arguments.must_exist(store, account_id=getattr(args, "account", None), app_id=args.app)
        since, until = _moments(store, args)
        found = totals(store, span=args.by, since=since, until=until, app_id=args.app, account_id=args.account)
        output.show_all(
            args,
            [UsageView.in_zone(total, store.zone) for total in found],
            ("day" if args.by == "day" else "start", *_SUMS),
        )
    return 0


def run_events(settings: Settings, args: argparse.Namespace) -> int:
    """Print events."""
    from ziyan.metering.usage import events
    from ziyan.metering.views import EventView

    with arguments.opened(settings) as store:
        arguments.must_exist(store, account_id=getattr(args, "account", None), app_id=args.app)
        since, until = _moments(store, args)
        found = events(store, args.app, since=since, until=until, limit=args.limit)
    output.show_all(args, map(EventView.of, found), _EVENTS)
    return 0


def run_export(settings: Settings, args: argparse.Namespace) -> int:
    """Write events to a file."""
    from ziyan.metering.exports import events_csv, write_events_xlsx

    with arguments.opened(settings) as store:
        arguments.must_exist(store, account_id=getattr(args, "account", None), app_id=args.app)
        since, until = _moments(store, args)
        with output.written(args.file) as out:
            if args.file.suffix == ".xlsx":
                write_events_xlsx(store, out, since=since, until=until, account_id=args.account, app_id=args.app)
            else:
                out.writelines(events_csv(store, since=since, until=until, account_id=args.account, app_id=args.app))
    return 0


def _moments(store: Store, args: argparse.Namespace) -> tuple[int, int]:
    from ziyan.metering.times import day_of, now_ms, start_of

    last = args.until or day_of(now_ms(), store.zone)
    first = args.since or last - timedelta(days=_DEFAULT_DAYS)
    return start_of(first, store.zone), start_of(last + timedelta(days=1), store.zone)
