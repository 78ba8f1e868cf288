"""What a person sees of a measurement, tables on standard output and progress on standard error, and its files."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: Columns of a table that goes into a file or a pipe, where nobody's window is too narrow.
_WIDE = 140


def standard_output() -> Console:
    """For tables; wide where it is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, soft_wrap=not sys.stdout.isatty())


def say(text: str) -> None:
    """A line for whoever waits."""
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A bar on standard error; the function it gives moves it on by one and shows a remark."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[remark]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, remark="")

        def advance(remark: str = "") -> None:
            bar.update(task, advance=1, remark=remark)

        yield advance


def save(out: Path, name: str, figures: dict[str, Any], page: str) -> None:
    """Write ``out/name.json`` and ``out/name.html`` and say so."""
    save_figures(out, name, figures)
    html_file = out / f"{name}.html"
    html_file.write_text(page, "utf-8")
    say(f"written: {html_file}")


def save_figures(out: Path, name: str, figures: dict[str, Any]) -> None:
    """Write ``out/name.json`` and say so."""
    out.mkdir(parents=True, exist_ok=True)
    json_file = out / f"{name}.json"
    json_file.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", "utf-8")
    say(f"written: {json_file}")
