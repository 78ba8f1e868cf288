"""Commands of a command group, all made alike."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any

from ziyan.settings import Settings

#: What a command's parser is set to call: settings and arguments in, exit status out.
Command = Callable[[Settings, argparse.Namespace], int]


def help_alone(parser: argparse.ArgumentParser) -> None:
    """Have a parser whose commands were left out print its help, on standard error, for that is no success."""

    def run(_settings: Settings, _args: argparse.Namespace) -> int:
        parser.print_help(sys.stderr)
        return 2

    parser.set_defaults(run=run)


def silence_output() -> None:
    """Let nothing more be written to standard output, whose reader has gone (``ziyan read … | head``)."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
