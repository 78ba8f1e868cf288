from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import Iterator

import openpyxl
import pytest

from tests.metering.calls import event
from tests.metering.conftest import moment
from ziyan.metering import exports, sheets, usage
from ziyan.metering.credentials import register_app
from ziyan.metering.exports import events_csv, write_events_xlsx
from ziyan.metering.sheets import Fen, Sheet, csv_chunks, write_xlsx
from ziyan.metering.store import Store
from ziyan.metering.store import usage as table
from ziyan.metering.usage import Event

NOON = moment(2026, 11, 24, 12)


@pytest.fixture
def written(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Events of two apps, several of each moment, read three at a time."""
    monkeypatch.setattr(exports, "_AT_ONCE", 3)
    apps = [register_app(store, name).app.id for name in ("first", "second")]
    events = [event(apps[number % 2], at=NOON + number // 4, call=f"{number:02}") for number in range(10)]
    store.transact(lambda connection: table.add_all(connection, events, store.zone), write=True)
    return events


def rows(chunks: Iterator[bytes]) -> list[list[str]]:
    return list(csv.reader(io.StringIO(b"".join(chunks).decode("utf-8-sig"), newline="")))


def test_every_event_is_exported_once_oldest_first(store: Store, written: list[Event]) -> None:
    heads, *found = rows(events_csv(store, since=NOON, until=NOON + 100))
    assert heads[:2] == ["时间", "调用编号"]
    assert [row[1] for row in found] == [each.id for each in written]
    assert found[0] == ["2026-11-24T12:00:00.000+08:00", "00", written[0].app_id, "", "666", "img", "0", "5", "100"]


def test_an_export_is_of_a_time_an_app_an_account(store: Store, written: list[Event]) -> None:
    def exported(**what: str | int) -> list[str]:
        return [row[1] for row in rows(events_csv(store, **{"since": NOON, "until": NOON + 9, **what}))[1:]]

    assert exported(since=NOON + 1, until=NOON + 2) == ["04", "05", "06", "07"]
    assert exported(app_id=written[0].app_id) == ["00", "02", "04", "06", "08"]
    (account,) = {each.account_id for each in usage_accounts(store) if each.id == written[1].app_id}
    assert exported(account_id=account) == ["01", "03", "05", "07", "09"]
    assert exported(since=NOON + 50) == []


def usage_accounts(store: Store) -> list[object]:
    from ziyan.metering.credentials import list_apps

    return list_apps(store)


def test_xlsx_has_the_same_rows(store: Store, written: list[Event]) -> None:
    file = io.BytesIO()
    write_events_xlsx(store, file, since=NOON, until=NOON + 100)
    found = list(openpyxl.load_workbook(file)["调用明细"].iter_rows(values_only=True))
    assert [row[1] for row in found[1:]] == [each.id for each in written]
    assert found[1][4:] == (666, "img", 0, 5, 100)


def test_a_long_export_takes_little_memory(store: Store) -> None:
    """30,000 events, whose rows alone have over 3 MB, pass through less than 8 MiB."""
    app_id = register_app(store, "app").app.id
    for first in range(0, 30_000, 10_000):
        events = [event(app_id, at=NOON + number, call=f"{number:036}") for number in range(first, first + 10_000)]
        store.transact(lambda connection, some=events: table.add_all(connection, some, store.zone), write=True)
    for chunk in events_csv(store, since=NOON, until=NOON + 10):  # what is loaded once, before measuring
        assert chunk
    tracemalloc.start()
    try:
        size = sum(map(len, events_csv(store, since=NOON, until=NOON + 30_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert size > 3_000_000
    assert peak < 8 << 20


def test_dropped_events_leave_their_sums(store: Store, written: list[Event]) -> None:
    assert usage.drop_events(store, NOON + 3_600_000) == 10
    assert rows(events_csv(store, since=0, until=NOON * 2))[1:] == []
    assert sum(total.calls for total in usage.totals(store, span="day", since=0, until=NOON * 2)) == 10


# --- sheets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_no_text_is_a_formula(text: str) -> None:
    sheet = Sheet("s", ("a",), (str,), [(text,)])
    assert rows(csv_chunks([sheet])) == [["a"], [f"'{text}"]]
    file = io.BytesIO()
    write_xlsx(file, [Sheet("s", ("a",), (str,), [(text,)])], title="t")
    cell = openpyxl.load_workbook(file)["s"]["A2"]
    assert cell.data_type == "s"
    assert cell.value.endswith(text.strip())


def test_numbers_below_zero_stay_numbers() -> None:
    sheet = Sheet("s", ("n", "m"), (int, Fen), [(-1, Fen(-199))], total=(-1, Fen(-199)))
    assert rows(csv_chunks([sheet])) == [["n", "m（分）"], ["-1", "-199"], ["-1", "-199"]]


def test_a_table_that_is_too_long_goes_on_on_another_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_SHEET_ROWS", 3)
    file = io.BytesIO()
    write_xlsx(file, [Sheet("s", ("n",), (int,), ((n,) for n in range(5)), total=(10,))], title="t")
    book = openpyxl.load_workbook(file)
    assert {page.title: [row[0] for row in page.iter_rows(values_only=True)] for page in book} == {
        "s": ["n", 0, 1],
        "s 2": ["n", 2, 3],
        "s 3": ["n", 4, 10],
    }


def test_an_empty_table_has_its_heads() -> None:
    file = io.BytesIO()
    write_xlsx(file, [Sheet("s", ("n",), (int,), [])], title="t")
    assert [row[0] for row in openpyxl.load_workbook(file)["s"].iter_rows(values_only=True)] == ["n"]


@pytest.mark.parametrize(
    ("fen", "yuan"),
    [(0, "0.00"), (5, "0.05"), (-5, "-0.05"), (2_000_000, "20,000.00"), (-123_456_789, "-1,234,567.89")],
)
def test_fen_are_shown_in_yuan_exactly(fen: int, yuan: str) -> None:
    assert Fen(fen).yuan == yuan
