"""``ziyan read``: pictures on this machine, read by a local engine, without a server."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import glob
import json
import os
import sys
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ziyan.cli import drawing
from ziyan.cli.actions import silence_output
from ziyan.engine.base import Engine
from ziyan.errors import InputError, ZiyanError
from ziyan.ocr.models import NAMES, locate
from ziyan.ocr.types import ALL_FORMATS, ImageLimits, Line, Page, Polygon, ReadOptions
from ziyan.settings import Settings

EXAMPLES = """\
examples:
  ziyan read receipt.jpg
  ziyan read scans/ 'photos/**/*.png' > all.txt
  ziyan read --json --words page.png | jq .lines
  ziyan read --boxes drawn.png receipt.jpg
  curl -s https://example.com/a.png | ziyan read -
"""
#: What is taken from a folder; a file named outright may end as it likes.
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif"}
)
MAX_BYTES = 64 << 20
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of one picture.

    Attributes:
        name: The path as it was given or found, or ``-``.
        image_bytes: The file; empty if it could not be read.
        page: What was read.
        error: Why not.
    """

    name: str
    image_bytes: bytes
    page: Page | None
    error: ZiyanError | None


def add_parser(commands: Any) -> None:
    """Register the command."""
    command = commands.add_parser(
        "read",
        help="print the text of pictures",
        description="Print the text of pictures, in the order given.\n"
        "A picture that cannot be read is reported on standard error, and the others go on.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "paths", nargs="+", metavar="PATH", help="file, folder, quoted pattern, or - for standard input"
    )
    command.add_argument("--json", action="store_true", help="one JSON object for each picture, on a line of its own")
    command.add_argument("--words", action="store_true", help="words of each line too, with --json")
    command.add_argument(
        "--boxes", type=Path, metavar="OUT", help="also draw the boxes: a PNG file, or for several pictures a folder"
    )
    command.add_argument("--model", choices=NAMES, help="weights that read (ZIYAN_MODEL)")
    command.set_defaults(run=run, misused=command.error)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Read every picture and print what it says."""
    if args.words and not args.json:
        args.misused("--words needs --json")
    names = expand(args.paths)
    drawings = plan_drawings(args.boxes, names) if args.boxes is not None else []
    locate(settings.models_dir, settings.model)  # says what is missing at once, and once
    return asyncio.run(_read_all(settings, args, names, drawings))


# --- which pictures -------------------------------------------------------------------------------------------


def expand(paths: list[str]) -> list[str]:
    """Files that ``paths`` name, in their order; those of a folder or a pattern sorted by name.

    Raises:
        InputError: There is no picture at all.
    """
    names = [name for path in paths for name in _expand_one(path)]
    if not names:
        raise InputError("No pictures found")
    return names


def _expand_one(path: str) -> Iterator[str]:
    if path != STDIN and Path(path).is_dir():
        found = (file for file in Path(path).rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        yield from sorted(str(file) for file in found)
    elif path != STDIN and glob.has_magic(path) and not Path(path).exists():
        yield from sorted(name for name in glob.glob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207
    else:
        yield path  # if it does not exist, reading it will say so


def plan_drawings(out: Path, names: list[str]) -> list[Path]:
    """Where the drawing of each picture goes: ``out`` itself, or a file of its own in the folder ``out``.

    Raises:
        InputError: ``out`` is a file that does not end in ``.png``, or a drawing would overwrite a picture to be read.
    """
    if len(names) > 1 or out.is_dir():
        drawings = _drawings_in(out, names)
    elif out.suffix.lower() == ".png":
        drawings = [out]
    else:
        raise InputError("--boxes draws a PNG: name a file that ends in .png, or a folder that exists")
    inputs = {identity for name in names if name != STDIN and (identity := _identity(Path(name)))}
    for drawn in drawings:
        if _identity(drawn) in inputs:
            raise InputError(f"--boxes would overwrite the picture {printable(str(drawn))}: name another place")
    return drawings


def _drawings_in(folder: Path, names: list[str]) -> list[Path]:
    taken: dict[str, None] = {}
    for name in names:
        stem = "stdin" if name == STDIN else Path(name).stem
        file, number = f"{stem}.png", 1
        while file in taken:  # the same name in two folders
            number += 1
            file = f"{stem}-{number}.png"
        taken[file] = None
    return [folder / file for file in taken]


def _identity(path: Path) -> tuple[int, int] | None:
    """What a file is under whatever name, by links too; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _load(name: str) -> bytes:
    """The bytes of one picture, never more than it takes to see that they are too many."""
    try:
        if name == STDIN:
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with Path(name).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(error.strerror or type(error).__name__, internal=str(error)) from None


# --- reading --------------------------------------------------------------------------------------------------


async def _read_all(settings: Settings, args: argparse.Namespace, names: list[str], drawings: list[Path]) -> int:
    options = ReadOptions(
        limits=ImageLimits(max_bytes=MAX_BYTES, max_pixels=settings.max_pixels, formats=ALL_FORMATS),
        words=args.words,
    )
    failures: list[ZiyanError] = []
    report = _Report(drawings, as_json=args.json, many=len(names) > 1)
    engine = _open_engine(settings)
    await engine.start()
    try:
        with _bar(len(names)) as advance:
            async with contextlib.aclosing(_in_order(engine, names, options, settings.worker_count)) as readings:
                async for reading in readings:
                    await asyncio.to_thread(report.give, reading)  # drawing takes its time
                    if reading.error is not None:
                        failures.append(reading.error)
                    advance()
    finally:
        await engine.close()
    if failures and len(names) == 1:
        return failures[0].exit_code
    return 1 if failures else 0


def _open_engine(settings: Settings) -> Engine:
    from ziyan.engine.local import LocalEngine

    return LocalEngine.from_settings(settings)


async def _in_order(engine: Engine, names: list[str], options: ReadOptions, workers: int) -> AsyncGenerator[Reading]:
    """Read as many at once as there are workers, and load as many again ahead of them.

    No more, so that memory does not grow with the number of pictures, and none waits in the engine's queue, where its
    deadline would be running.
    """
    turns = asyncio.Semaphore(workers)
    under_way: deque[asyncio.Task[Reading]] = deque()
    todo = iter(names)
    try:
        while True:
            while len(under_way) < 2 * workers and (name := next(todo, None)) is not None:
                under_way.append(asyncio.create_task(_read_one(engine, turns, name, options)))
            if not under_way:
                return
            yield await under_way[0]
            under_way.popleft()
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _read_one(engine: Engine, turns: asyncio.Semaphore, name: str, options: ReadOptions) -> Reading:
    image_bytes = b""
    try:
        image_bytes = await asyncio.to_thread(_load, name)
        async with turns:
            return Reading(name, image_bytes, await engine.read(image_bytes, options), None)
    except ZiyanError as error:
        return Reading(name, image_bytes, None, error)


# --- printing -------------------------------------------------------------------------------------------------


class _Report:
    """Prints one picture after the other."""

    def __init__(self, drawings: list[Path], *, as_json: bool, many: bool) -> None:
        self._drawings = iter(drawings)
        self._json = as_json
        self._many = many
        self._begun = False

    def give(self, reading: Reading) -> None:
        """Print, and draw if asked to: that goes on where nobody reads any more what is printed."""
        target = next(self._drawings, None)
        try:
            self._print(reading)
        except BrokenPipeError:
            if target is None:
                raise
            silence_output()
        if target is not None and reading.page is not None:
            drawing.draw(reading.image_bytes, reading.page, target)

    def _print(self, reading: Reading) -> None:
        name = printable(reading.name)
        if reading.error is not None:
            print(f"ziyan: {name}: {reading.error}", file=sys.stderr)
        if self._json:
            print(json.dumps(as_json(name, reading), ensure_ascii=False), flush=True)
        elif reading.page is not None:
            if self._many:
                print(f"{chr(10) if self._begun else ''}== {name} ==")
            for line in reading.page.lines:
                print(line.text)
            sys.stdout.flush()
            self._begun = True


def printable(name: str) -> str:
    """A path as text, also if its bytes are not UTF-8."""
    return os.fsencode(name).decode("utf-8", errors="replace")


def as_json(name: str, reading: Reading) -> dict[str, Any]:
    """A picture's JSON object; ``docs/cli.md`` describes it."""
    if reading.error is not None or reading.page is None:
        return {"path": name, "error": {"code": getattr(reading.error, "code", ""), "message": str(reading.error)}}
    page = reading.page
    return {
        "path": name,
        "width": page.width,
        "height": page.height,
        "orientation": page.orientation,
        "skew": round(page.skew, 2),
        "model": page.model,
        "text": page.text,
        "lines": [_line_json(line) for line in page.lines],
        "timings": {stage: round(milliseconds, 1) for stage, milliseconds in page.timings.items()},
    }


def _line_json(line: Line) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "text": line.text,
        "score": round(line.score, 4),
        "box": [round(value, 1) for value in line.box],
        "polygon": _points(line.polygon),
        "detection_score": round(line.detection_score, 4),
        "orientation": line.orientation,
        "vertical": line.vertical,
        "block": line.block,
    }
    if line.words:
        answer["words"] = [
            {"text": word.text, "score": round(word.score, 4), "polygon": _points(word.polygon)} for word in line.words
        ]
    return answer


def _points(polygon: Polygon) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in polygon]


@contextlib.contextmanager
def _bar(total: int) -> Iterator[Any]:
    """A bar on standard error for more than one picture; none off a terminal."""
    if total == 1 or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    # On a terminal the text must go through the bar, or they would overwrite each other; into a file it must not.
    bars = Progress(
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        redirect_stdout=sys.stdout.isatty(),
        transient=True,
    )
    with bars:
        task = bars.add_task("reading", total=total)
        yield lambda: bars.advance(task)
