"""Commands of a command group, all made alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from ziyan.settings import Settings

#: What a command's parser is set to call: settings and arguments in, exit status out.
Command = Callable[[Settings, argparse.Namespace], int]


def add_action(actions: Any, name: str, about: str, example: str, run: Command) -> argparse.ArgumentParser:
    """A command of a group, with an example under its help; ``run`` is what it calls."""
    parser: argparse.ArgumentParser = actions.add_parser(
        name,
        help=about,
        description=f"{about[0].upper()}{about[1:]}.",
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser
