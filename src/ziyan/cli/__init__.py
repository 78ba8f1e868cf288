"""The command line: arguments in, calls out.  Each command is a module here with one function, ``add_parser``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from ziyan import __version__
from ziyan.cli import (
    accounts,
    apps,
    audit,
    backup,
    catalogue,
    demo,
    invoices,
    ledger,
    logins,
    models,
    notices,
    orders,
    packages,
    read,
    serve,
    statements,
    tokens,
    usage,
)
from ziyan.cli.actions import Command, help_alone, silence_output
from ziyan.errors import ZiyanError
from ziyan.settings import Settings, unknown_settings

INTERRUPTED = 130


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    root = argparse.ArgumentParser(
        prog="ziyan",
        description="Ziyan (字眼): text read out of pictures, behind an API that you run yourself.",
        epilog="Settings are environment variables, ZIYAN_…; docs/settings.md lists them.",
    )
    root.add_argument("--version", action="version", version=f"ziyan {__version__}")
    help_alone(root)
    commands: Any = root.add_subparsers(title="commands", metavar="COMMAND")
    buying = (accounts, apps, catalogue, orders, packages, usage, statements, invoices, notices, ledger)
    for command in (serve, read, models, *buying, tokens, logins, audit, backup, demo):
        command.add_parser(commands)
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Arguments without the program's name; None takes the process's own.

    Returns:
        The exit status: 0, an error's own, or 130 after Ctrl-C.
    """
    args = parser().parse_args(argv)
    command: Command = args.run
    for name, similar in unknown_settings().items():
        print(f"ziyan: {name} is no setting{similar and f'; {similar} is one'}", file=sys.stderr)
    overrides = {name: value for name, value in vars(args).items() if name in Settings.model_fields}
    try:
        settings = Settings.load(**{name: value for name, value in overrides.items() if value is not None})
        status = command(settings, args)
        sys.stdout.flush()
        return status
    except ZiyanError as error:
        print(f"ziyan: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        silence_output()
        return 0
