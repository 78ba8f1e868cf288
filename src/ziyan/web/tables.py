"""Tables that sort, page, filter and export what they show, all by their address: nothing is lost without scripts.

A page describes its columns once.  Lists that grow are sorted and searched by the database (``asked_search``,
``Table.searched``), and gone through by slices where they are too long for that (``Table.sliced``); what is computed is
given as rows, of which ``Table.of`` picks what is shown.  Several tables of one page have names of their own, which
their parameters begin with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Final, Generic, Literal, Protocol, TypeVar, cast
from urllib.parse import quote, urlencode

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response, StreamingResponse

from ziyan.metering.sheets import Cell, Fen, Sheet, csv_chunks
from ziyan.metering.store.searches import Found, Search
from ziyan.metering.store.slices import Asked, Slice, parsed_cursor
from ziyan.web.rendering import Visit
from ziyan.web.rooms import Ask

T = TypeVar("T")
R = TypeVar("R")
Kind = Literal["text", "number", "fen", "moment", "day", "code"]
PAGE_ROWS: Final = 25
_MOST_FILTER_CHARS: Final = 200
_AT_ONCE: Final = 1_000
_SPOOLED: Final = 4 << 20
_PIECE: Final = 64 << 10
_CSV: Final = "text/csv; charset=utf-8"
_NUMBERS: Final = {"number", "fen"}


class Page(Protocol[R]):
    """Reads one slice of a list."""

    def __call__(self, connection: Connection, asked: Asked) -> Slice[R]:
        """Read it."""


@dataclass(frozen=True, slots=True)
class Act:
    """What can be done to a row; it is asked for once more.

    Attributes:
        action: Address that the form goes to.
        button: On the button, in both languages.
        question: What will happen.
        yes: On the button that does it.
    """

    action: str
    button: tuple[str, str]
    question: tuple[str, str]
    yes: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column.

    Attributes:
        key: In the address.
        head: Its head, in both languages.
        value: A row's value: text, a number, fen, or a moment in milliseconds; None for nothing.
        kind: How it is shown, sorted and exported.
        show: How a cell is shown where that differs from its value, such as a link; the export has the value.
        bare: Of no use to be sorted by or exported, such as buttons.
        act: What can be done to a row, instead of a value.
        words: Of a value that is shown as a word, each value and its word in both languages; the filter finds them.
    """

    key: str
    head: tuple[str, str]
    value: Callable[[T], Any]
    kind: Kind = "text"
    show: Callable[[T], str | Markup] | None = None
    bare: bool = False
    act: Callable[[T], Act | None] | None = None
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def is_number(self) -> bool:
        """Whether it stands on the right."""
        return self.kind in _NUMBERS


@dataclass(frozen=True, slots=True)
class Table(Generic[T]):
    """What is shown of a list.

    Attributes:
        name: Of the table, in the address.
        columns: They.
        rows: Those of this page.
        total: How many there are, all pages together; None where that is not known.
        ask: Whose.
        sort: Key of the column sorted by, ``-`` before it for the greatest first; empty for the list's own order.
        filter: What rows must contain.
        number: Of this page, from 1 on.
        before: Address of the page before; empty for none.
        after: Address of the page that follows; empty for none.
        found: The rows of all pages.
    """

    name: str
    columns: Sequence[Column[T]]
    rows: Sequence[T]
    total: int | None
    ask: Ask
    sort: str = ""
    filter: str = ""
    number: int = 1
    before: str = ""
    after: str = ""
    found: Sequence[T] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, ask: Ask, columns: Sequence[Column[T]], rows: Iterable[T], *, name: str = "", size: int = PAGE_ROWS
    ) -> Table[T]:
        """The part of some rows that the address asks for."""
        asked = asked_search(ask, columns, name, size)
        wanted, sort = asked.text, asked.sort
        found = [row for row in rows if not wanted or _contains(ask, columns, row, wanted.casefold())]
        column = next((each for each in columns if each.key == sort.removeprefix("-")), None)
        if column is not None:
            found.sort(key=lambda row: _order(column, row), reverse=sort.startswith("-"))
        pages = max(1, -(-len(found) // size))
        number = min(pages, asked.number)
        table = cls(
            name,
            columns,
            found[(number - 1) * size : number * size],
            len(found),
            ask,
            sort,
            wanted,
            number,
            found=found,
        )
        before = table.address(page=str(number - 1)) if number > 1 else ""
        after = table.address(page=str(number + 1)) if number < pages else ""
        return replace(table, before=before, after=after)

    @classmethod
    def sliced(cls, ask: Ask, columns: Sequence[Column[T]], found: Slice[T], *, name: str = "") -> Table[T]:
        """One slice of a list that is too long to be sorted here: newest first, a page at a time."""
        table = cls(name, columns, found.items, None, ask)
        after = table.address(after=found.next) if found.next else ""
        before = table.address(after="") if ask.query(f"{name}after") else ""
        return replace(table, before=before, after=after)

    @classmethod
    def searched(cls, ask: Ask, columns: Sequence[Column[T]], found: Found[T], *, name: str = "") -> Table[T]:
        """A page that the database found; ``asked_search`` asks for it."""
        wanted = asked_search(ask, columns, name)
        table = cls(name, columns, found.rows, found.total, ask, wanted.sort, wanted.text, found.number)
        before = table.address(page=str(found.number - 1)) if found.number > 1 else ""
        after = table.address(page=str(found.number + 1)) if found.number * wanted.size < found.total else ""
        return replace(table, before=before, after=after)

    @property
    def visit(self) -> Visit:
        """Language and address."""
        return self.ask.visit

    def address(self, **changed: str) -> str:
        """This page with some of the table's parameters changed; empty ones are left out."""
        names = {f"{self.name}{key}": value for key, value in changed.items()}
        if "page" not in changed:
            names.setdefault(f"{self.name}page", "")
        kept = [(key, value) for key, value in self.visit.query if key not in names]
        query = urlencode([*kept, *((key, value) for key, value in names.items() if value)])
        return self.visit.link(f"{self.visit.path}?{query}" if query else self.visit.path)

    def sorting(self, column: Column[T]) -> str:
        """Where a click on a column's head leads."""
        descending = self.sort == column.key or (self.sort.removeprefix("-") != column.key and column.kind != "text")
        if self.sort == f"-{column.key}":
            descending = False
        return self.address(sort=f"-{column.key}" if descending else column.key)

    def direction(self, column: Column[T]) -> str:
        """Value of ``aria-sort``."""
        return {column.key: "ascending", f"-{column.key}": "descending"}.get(self.sort, "none")

    def kept(self) -> list[tuple[str, str]]:
        """What a filter's form carries along."""
        own = {f"{self.name}{key}" for key in ("q", "page", "after", "csv")}
        language = [("lang", self.visit.language)] if self.visit.language != "zh" else []
        return [(key, value) for key, value in self.visit.query if key not in own] + language

    def cell(self, column: Column[T], row: T) -> str | Markup:
        """What stands in a cell."""
        return column.show(row) if column.show else shown(self.ask, column.kind, column.value(row))

    @property
    def wants_csv(self) -> bool:
        """Whether the address asks for the file."""
        return self.ask.query(f"{self.name}csv") == "1"

    def csv(self, file_name: str) -> Response:
        """What is shown, all pages of it, as a CSV file."""
        content = b"".join(csv_chunks([self._sheet(self.found)]))
        return Response(content, headers=_as_file(file_name), media_type=_CSV)

    async def file(self, file_name: str, rows: Callable[[Connection], Iterable[T]]) -> Response:
        """As ``csv``, of rows that the database has: they are read before the answer begins, and memory is bounded."""
        file = SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 - it is closed when the answer is over

        def write(connection: Connection) -> None:
            for piece in csv_chunks([self._sheet(rows(connection))]):
                file.write(piece)

        try:
            await asyncio.to_thread(self.ask.store.transact, write)
        except BaseException:
            file.close()
            raise
        pieces = _pieces(cast("BinaryIO", file))
        if file.tell() <= _SPOOLED:  # nothing stays open, whether or not somebody takes it
            return Response(b"".join(pieces), headers=_as_file(file_name), media_type=_CSV)
        return StreamingResponse(pieces, headers=_as_file(file_name), media_type=_CSV)

    async def stream(self, file_name: str, page: Page[T]) -> Response:
        """As ``csv``, of a list that is gone through by slices: they are read while the answer is sent."""
        store = self.ask.store

        def rows() -> Iterator[T]:
            asked: Asked | None = Asked(_AT_ONCE)
            while asked is not None:
                found = store.transact(partial(page, asked=asked))
                yield from found.items
                asked = Asked(_AT_ONCE, parsed_cursor(found.next)) if found.next else None

        pieces = csv_chunks([self._sheet(rows())])
        first = await asyncio.to_thread(next, pieces, b"")  # before the answer begins: the database may be away
        return StreamingResponse(chain([first], pieces), headers=_as_file(file_name), media_type=_CSV)

    def _sheet(self, rows: Iterable[T]) -> Sheet:
        columns = [column for column in self.columns if not column.bare]
        heads = tuple(self.ask.text(*column.head) for column in columns)
        kinds: tuple[type[Cell], ...] = tuple(_KINDS.get(column.kind, str) for column in columns)
        return Sheet("", heads, kinds, (tuple(_exported(self.ask, column, row) for column in columns) for row in rows))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        file.seek(0)
        yield from iter(partial(file.read, _PIECE), b"")


def _as_file(name: str) -> dict[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.csv",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


_KINDS: Final[dict[str, type[Cell]]] = {"number": int, "fen": Fen}


def shown(ask: Ask, kind: Kind, value: Any) -> str | Markup:
    """A value as people read it: moments to the minute and days in the store's zone, amounts in yuan."""
    if value is None or value == "":
        return "—"
    match kind:
        case "number":
            return f"{value:,}"
        case "fen":
            return f"¥{Fen(value).yuan}"
        case "moment":
            return moment(ask, value)
        case "day":
            return f"{datetime.fromtimestamp(value / 1000, ask.store.zone):%Y-%m-%d}"
        case "code":
            return Markup("<code>{}</code>").format(value)
        case _:
            return str(value)


def words_of(states: Mapping[str, tuple[tuple[str, str], str]]) -> dict[str, tuple[str, str]]:
    """The words of states that ``badge`` shows."""
    return {state: words for state, (words, _) in states.items()}


def badge(ask: Ask, states: Mapping[str, tuple[tuple[str, str], str]], state: str) -> Markup:
    """A state as a word with a dot: ``states`` has the word in both languages, and how it looks."""
    words, kind = states[state]
    return Markup('<span class="badge {}">{}</span>').format(kind, ask.text(*words))


def moment(ask: Ask, value: int) -> str:
    """A moment, to the minute, in the store's zone."""
    return f"{datetime.fromtimestamp(value / 1000, ask.store.zone):%Y-%m-%d %H:%M}"


def asked_slice(ask: Ask, name: str = "", size: int = 50) -> Asked:
    """Which slice of a long list the address asks for; the first where it asks for none that there is."""
    cursor = ask.query(f"{name}after")
    try:
        return Asked(size, parsed_cursor(cursor) if cursor else None)
    except ValueError:
        return Asked(size)


def asked_search(ask: Ask, columns: Sequence[Column[T]], name: str = "", size: int = PAGE_ROWS) -> Search:
    """What the address asks for of a list: sorted by a column that there is, and by none where it names another."""
    text, sort, number = (ask.query(f"{name}{key}") for key in ("q", "sort", "page"))
    text, low = text[:_MOST_FILTER_CHARS], text[:_MOST_FILTER_CHARS].casefold()
    words = {
        column.key: {value for value, pair in column.words.items() if any(low in word.casefold() for word in pair)}
        for column in columns
    }
    known = any(column.key == sort.removeprefix("-") and not column.bare for column in columns)
    page = int(number[:6]) if number.isdecimal() and number.isascii() else 1
    return Search(ask.store.zone, text, words, sort if known else "", max(1, page), size)


def _contains(ask: Ask, columns: Sequence[Column[T]], row: T, wanted: str) -> bool:
    return any(wanted in text.casefold() for column in columns if not column.bare for text in _texts(ask, column, row))


def _texts(ask: Ask, column: Column[T], row: T) -> tuple[str, str]:
    """What people may look for of a cell: what they see, and what it is."""
    value = column.value(row)
    seen = column.show(row) if column.show else shown(ask, column.kind, value)
    return seen.striptags() if isinstance(seen, Markup) else seen, "" if value is None else str(value)


def _order(column: Column[T], row: T) -> tuple[bool, Any]:
    """Rows without a value come before all others."""
    value = column.value(row)
    return (value is not None, "" if value is None else value.casefold() if isinstance(value, str) else value)


def _exported(ask: Ask, column: Column[T], row: T) -> Cell:
    value = column.value(row)
    if word := column.words.get(value):
        return ask.text(*word)
    if column.kind == "fen":
        return Fen(value or 0)
    if column.kind == "number":
        return int(value or 0)
    return "" if value is None else str(shown(ask, "text" if column.kind == "code" else column.kind, value))
