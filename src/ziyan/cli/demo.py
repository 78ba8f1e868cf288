"""``ziyan demo``: a folder of data with a year of customers who do not exist."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ziyan.cli.actions import add_action
from ziyan.cli.arguments import count, opened
from ziyan.settings import Settings

EXAMPLE = """\
example:
  ziyan demo /tmp/ziyan-demo
  ZIYAN_DATA_DIR=/tmp/ziyan-demo scripts/serve
"""
#: So few that it takes seconds, and enough for every chart.
CALLS = 200_000


def add_parser(commands: Any) -> None:
    """Register the command."""
    about = "fill a new folder with a year of customers who do not exist"
    parser = add_action(commands, "demo", about, EXAMPLE, run)
    parser.add_argument(
        "data_dir",
        metavar="FOLDER",
        type=Path,
        help="of data, a new one; ZIYAN_DATABASE_URL, if set, is filled instead",
    )
    parser.add_argument("--events", metavar="NUMBER", type=count, default=CALLS, help=f"of calls (default: {CALLS})")
    parser.add_argument("--seed", metavar="NUMBER", type=count, default=1, help="another one: other calls (default: 1)")


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Fill a database that is empty, and say what it has."""
    from ziyan.metering.demo import BUYER, fill  # brings SQLAlchemy and NumPy, which few commands need

    def told(made: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{made:,} of {args.events:,} calls", end="", file=sys.stderr, flush=True)

    with opened(settings) as store:
        filled = fill(store, calls=args.events, seed=args.seed, told=told)
    print(f"{filled.accounts} accounts, {filled.apps} apps, {filled.packages} packages, {filled.calls:,} calls")
    print(f"as a buyer:  name {BUYER}, password {filled.password} (shown this once)")
    print(f"look at it:  ZIYAN_DATA_DIR={settings.data_dir} scripts/serve")
    return 0
