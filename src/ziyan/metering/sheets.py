"""Tables → CSV and XLSX, row by row: however long a table is, only a few rows of it are in memory.

CSV is for programs: money in whole fen.  XLSX is for people: money in yuan, as numbers that Excel can add up.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import xlsxwriter

#: Excel takes what begins so for a formula, also in a CSV file.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_CHUNK_BYTES: Final = 64 << 10
#: Excel has 1,048,576 rows on a sheet.
MAX_SHEET_ROWS: Final = 1_000_000
_MAX_SHEET_NAME: Final = 25
_MAX_CELL_CHARS: Final = 32_767
_WIDTHS: Final[dict[type, int]] = {str: 24}
_Formats = dict[type[Any], Any]


class Fen(int):
    """Money in whole fen."""

    @property
    def yuan(self) -> str:
        """In yuan, exactly, with two places and thousands apart."""
        sign, fen = ("-", -self) if self < 0 else ("", int(self))
        return f"{sign}{fen // 100:,}.{fen % 100:02}"


Cell = str | int | Fen


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with a name.

    Attributes:
        name: For people; at most 25 characters.
        heads: Of its columns.
        kinds: What each column holds: ``str``, ``int`` or ``Fen``.
        rows: Its rows; read once.
        total: A last row that stands out; empty for none.
    """

    name: str
    heads: tuple[str, ...]
    kinds: tuple[type[Cell], ...]
    rows: Iterable[tuple[Cell, ...]]
    total: tuple[Cell, ...] = ()


def csv_chunks(sheets: Iterable[Sheet]) -> Iterator[bytes]:
    """A CSV file in pieces: UTF-8 behind a byte order mark, by which Excel knows Chinese.

    Several tables follow each other, an empty row between them, each under its name.  A single one has no name.
    """
    sheets = list(sheets)
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    for number, sheet in enumerate(sheets):
        if len(sheets) > 1:
            writer.writerows([[]] * bool(number) + [[sheet.name]])
        writer.writerow(
            f"{head}（分）" if kind is Fen else head for head, kind in zip(sheet.heads, sheet.kinds, strict=True)
        )
        for row in _with_total(sheet):
            writer.writerow(map(_harmless, row))
            if buffer.tell() >= _CHUNK_BYTES:
                yield _taken(buffer)
    yield _taken(buffer)


def write_xlsx(file: BinaryIO, sheets: Iterable[Sheet], *, title: str) -> None:
    """Write an XLSX file.  Rows go to temporary files on their way, which are gone at the end.

    Args:
        file: Where to.
        sheets: The tables; one of over a million rows goes on on a further sheet.
        title: Of the document.
    """
    with xlsxwriter.Workbook(file, {"constant_memory": True, "strings_to_formulas": False}) as book:
        book.set_properties({"title": title})
        formats: _Formats = {
            str: book.add_format({"valign": "top"}),
            int: book.add_format({"num_format": "#,##0"}),
            Fen: book.add_format({"num_format": "#,##0.00"}),
        }
        strong = {"bold": True, "bg_color": "#E8ECF1", "top": 1, "bottom": 1}
        totals: _Formats = {
            kind: book.add_format({**strong, "num_format": form})
            for kind, form in ((str, "@"), (int, "#,##0"), (Fen, "#,##0.00"))
        }
        for sheet in sheets:
            _write_sheet(book, sheet, formats, totals)


def _write_sheet(book: xlsxwriter.Workbook, sheet: Sheet, formats: _Formats, totals: _Formats) -> None:
    rows, part = iter(sheet.rows), 0
    more: tuple[Cell, ...] | None = next(rows, None)
    while part == 0 or more is not None:
        part += 1
        page = book.add_worksheet(sheet.name if part == 1 else f"{sheet.name} {part}")
        page.freeze_panes(1, 0)
        for column, (head, kind) in enumerate(zip(sheet.heads, sheet.kinds, strict=True)):
            page.set_column(column, column, _WIDTHS.get(kind, 14))
            page.write_string(0, column, f"{head}（元）" if kind is Fen else head, totals[str])
        row = 1
        while more is not None and row < MAX_SHEET_ROWS:
            _write_row(page, row, more, formats)
            row, more = row + 1, next(rows, None)
    if sheet.total:
        _write_row(page, row, sheet.total, totals)


def _write_row(page: xlsxwriter.worksheet.Worksheet, row: int, cells: tuple[Cell, ...], formats: _Formats) -> None:
    for column, cell in enumerate(cells):
        match cell:
            case str():
                page.write_string(row, column, cell[:_MAX_CELL_CHARS], formats[str])
            case Fen():
                page.write_number(row, column, cell / 100, formats[Fen])
            case _:
                page.write_number(row, column, cell, formats[int])


def _with_total(sheet: Sheet) -> Iterator[tuple[Cell, ...]]:
    yield from sheet.rows
    if sheet.total:
        yield sheet.total


def _harmless(cell: Cell) -> str:
    """A cell as it stands in a CSV file; text that Excel would run gets an apostrophe before it."""
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    return str(int(cell))


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()
