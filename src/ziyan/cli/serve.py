"""``ziyan serve``."""

from __future__ import annotations

import argparse
from typing import Any

from ziyan.ocr.models import NAMES
from ziyan.settings import Settings

EXAMPLE = """\
example:
  ziyan serve --port 9000
"""


def add_parser(commands: Any) -> None:
    """Register the command."""
    command = commands.add_parser(
        "serve",
        help="start the service",
        description="Start the service and print its address, a trial AppCode and a curl line to try it with.\n"
        "Ctrl-C finishes what is being read and stops.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--host", metavar="ADDRESS", help="address to listen on (ZIYAN_HOST)")
    command.add_argument("--port", type=int, metavar="NUMBER", help="port to listen on (ZIYAN_PORT)")
    command.add_argument("--model", choices=NAMES, help="weights that read (ZIYAN_MODEL)")
    command.set_defaults(run=run)


def run(settings: Settings, _args: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from ziyan.api.server import serve

    serve(settings)
    return 0
