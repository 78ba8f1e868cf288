"""What commands print: lines for people, or JSON for machines."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ziyan.errors import InputError

if TYPE_CHECKING:
    from ziyan.metering.views import View

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d):\d\d\.\d{3}Z")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a command be asked for JSON."""
    parser.add_argument("--json", action="store_true", help="print JSON, as the admin API answers")


def show(args: argparse.Namespace, view: View) -> None:
    """Print one thing, a line for each of its fields."""
    plain = view.plain()
    if args.json:
        _dump(plain)
        return
    width = max(len(_head(name)) for name in plain) + 1
    for name, value in plain.items():
        print(f"{_head(name) + ':':{width}} {_text(name, value)}".rstrip())


def show_all(args: argparse.Namespace, views: Iterable[View], columns: Sequence[str], **more: Sequence[str]) -> None:
    """Print several things, a line for each, under the names of its columns; JSON has every field.

    Args:
        args: Say whether it is to be JSON.
        views: The things.
        columns: Fields that have a column.
        more: Columns of lines that no view has, a text for each view.
    """
    plains = [view.plain() for view in views]
    if args.json:
        _dump(plains)
        return
    if not plains:
        return
    for name, texts in more.items():
        plains = [{**plain, name: text} for plain, text in zip(plains, texts, strict=True)]
    rows = [[_head(name) for name in columns], *([_text(name, plain[name]) for name in columns] for plain in plains)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    for row in rows:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _dump(content: Any) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=2))


def _head(name: str) -> str:
    """A field's name over what ``_text`` makes of it: amounts are in yuan there."""
    return name.removesuffix("_fen")


def _text(name: str, value: Any) -> str:
    """As people read it: moments to the minute, in UTC; amounts in yuan."""
    if value is None:
        return "-"
    if name.endswith("_fen"):
        return f"¥{value // 100}.{value % 100:02}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    found = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    return f"{found[1]} {found[2]}" if found else str(value)


@contextmanager
def written(file: Path) -> Iterator[BinaryIO]:
    """A file that is open for writing; its name is printed once it is whole.

    Raises:
        InputError: It cannot be written.
    """
    try:
        with file.open("wb") as out:
            yield out
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error
    print(file)
