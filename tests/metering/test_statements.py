from __future__ import annotations

import csv
import io
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Any
from uuid import uuid4

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from tests.metering.calls import MINUTE, event
from tests.metering.conftest import Clock, moment
from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import catalogue, ledger, orders, packages
from ziyan.metering.catalogue import Item, put_item
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import Settlement, settle_in
from ziyan.metering.statement_files import pdf, statement_csv, write_statement_xlsx
from ziyan.metering.statements import Amount, Line, Statement, monthly, of_order
from ziyan.metering.store import Store
from ziyan.metering.store import packages as package_table
from ziyan.metering.times import DAY_MS, HOUR_MS
from ziyan.metering.usage import drop_events


def call(store: Store, app_id: str, clock: Clock) -> str | None:
    """A billed call at this moment; the package it was taken from, None where no call was left."""
    outcome = event(app_id, at=clock.moment)

    def reserve(connection: Any) -> str | None:
        return package_table.reserve(connection, app_id, outcome.id, now=clock.moment, until=clock.moment + HOUR_MS)

    package_id = store.transact(reserve, write=True)
    if package_id is not None:
        billed = event(app_id, package_id, call=outcome.id, at=clock.moment)
        store.transact(lambda connection: settle_in(connection, store, Settlement(billed, holds=True)), write=True)
    return package_id


def buy(store: Store, app_id: str, calls: int, months: int, fen: int, *, reference: str = "") -> orders.Order:
    item = put_item(store, Item(uuid4().hex, f"{calls} 次", calls, months, fen))  # a free one is had once
    return orders.mark_paid(store, orders.place_order(store, app_id, item.id).id, reference=reference)


# --- random histories -----------------------------------------------------------------------------------------


@dataclass
class Bought:
    """What a test remembers of a package."""

    app_id: str
    order_id: str
    calls: int
    price: int
    created: int
    ends: int
    made: list[int] = field(default_factory=list)

    def left(self, at: int) -> Amount:
        if not self.created < at < self.ends:
            return Amount()
        used = sum(each < at for each in self.made)
        return Amount(self.calls - used, self.price - self.price * used // self.calls)


STEPS = st.lists(
    st.tuples(
        # Minutes since the step before: often the same day, so that orders and calls lie anywhere within one.
        st.one_of(st.integers(0, 12 * 60), st.integers(0, 40 * 24 * 60)),
        st.one_of(
            st.tuples(st.just("buy"), st.integers(0, 1), st.integers(1, 9), st.integers(1, 3), st.integers(0, 1000)),
            st.tuples(st.just("grant"), st.integers(0, 1), st.integers(1, 5), st.integers(1, 2), st.just(0)),
            st.tuples(st.just("call"), st.integers(0, 1), st.integers(1, 6), st.just(0), st.just(0)),
            st.tuples(st.just("refund"), st.integers(0, 1), st.just(0), st.just(0), st.integers(0, 100)),
        ),
    ),
    max_size=14,
)


def play(store: Store, clock: Clock, apps: list[str], steps: Any) -> tuple[dict[str, Bought], list[tuple[int, int]]]:
    """Do what the steps say; the packages, and the money that came and went with its moment."""
    bought: dict[str, Bought] = {}
    money: list[tuple[int, int]] = []
    for minutes, (what, which, number, months, fen) in steps:
        clock.moment += minutes * MINUTE
        app_id = apps[which]
        if what in {"buy", "grant"}:
            if what == "buy":
                order_id = buy(store, app_id, number, months, fen).id
                money += [(clock.moment, fen)] * bool(fen)
            else:
                order_id = packages.grant(store, app_id, number, months=months).order_id or ""
            (new,) = [each for each in packages.list_packages(store, app_id) if each.id not in bought]
            bought[new.id] = Bought(app_id, order_id, number, fen, clock.moment, new.valid_to)
        elif what == "call":
            for _ in range(number):
                clock.moment += 1
                package_id = call(store, app_id, clock)
                if package_id is not None:
                    bought[package_id].made.append(clock.moment)
        else:
            for each in bought.values():
                if each.order_id and each.app_id == app_id and orders.get_order(store, each.order_id).state == "paid":
                    back = each.price * fen // 100
                    orders.refund_order(store, each.order_id, fen=back)
                    money += [(clock.moment, -back)] * bool(back)
                    each.ends = min(each.ends, clock.moment)
                    break
    return bought, money


def months(first: int, last: int) -> Iterator[tuple[int, int, int, int]]:
    """Year and month, and the moments that they begin and end at."""
    year, month = 2026, 11
    while moment(year, month) <= last:
        following = (year + month // 12, month % 12 + 1)
        if moment(*following) > first:
            yield year, month, moment(year, month), moment(*following)
        year, month = following


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_statements_of_any_history_add_up_to_the_ledger(store: Store, clock: Clock, steps: Any) -> None:
    clock.set(2026, 11, 24, 12)
    started = clock.moment
    first = register_app(store, "first").app
    apps = [first.id, first.id]
    bought, money = play(store, clock, apps, steps)
    clock.moment += 1
    made = [monthly(store, first.account_id, year, month) for year, month, _, _ in months(started, clock.moment)]
    for statement, (_, _, since, end) in zip(made, months(started, clock.moment), strict=True):
        until = min(end, clock.moment + 1)
        assert statement.final == (end <= clock.moment)
        for each in statement.lines:
            kept = bought[each.sold.package_id]
            assert each.line.opening == kept.left(since)
            assert each.line.closing == kept.left(until)
            assert each.line.consumed.calls == sum(since <= at < until for at in kept.made)
        total = statement.total
        assert total.opening + total.bought - total.consumed - total.lapsed == total.closing
        assert sum((day.consumed for day in statement.days), Amount()) == total.consumed
        assert sum(statement.by_app.values(), Line()) == total
        assert statement.paid_fen == sum(fen for at, fen in money if since <= at < until)
    for before, after in pairwise(made):
        assert before.total.closing == after.total.opening
    consumed = {each.id: each.consumed for each in packages.list_packages(store, first.id)}
    for package_id, kept in bought.items():
        lines = [each.line for statement in made for each in statement.lines if each.sold.package_id == package_id]
        whole = sum(lines, Line())
        assert whole.consumed.calls == consumed[package_id] == len(kept.made)
        assert whole.bought == Amount(kept.calls, kept.price)
        assert whole.consumed + whole.lapsed + kept.left(clock.moment + 1) == whole.bought
        if kept.order_id:
            of_it = of_order(store, kept.order_id)
            assert of_it.total.consumed == whole.consumed
            assert (of_it.total.opening, of_it.total.lapsed) == (Amount(), whole.lapsed)
            assert sum(day.consumed.calls for day in of_it.days) == len(kept.made)
    assert ledger.check(store).differences == ()


# --- single statements ----------------------------------------------------------------------------------------


@pytest.fixture
def account(store: Store, clock: Clock) -> str:
    """One with two apps, packages bought and given, and calls on several days."""
    clock.set(2026, 10, 5, 9)
    first = register_app(store, "发票归档").app
    buy(store, first.id, 10, 1, 999, reference="工行 0031")
    for day in (5, 5, 31):
        clock.set(2026, 10, day, 23, 59)
        assert call(store, first.id, clock)
    clock.set(2026, 11, 1)
    assert call(store, first.id, clock)
    clock.set(2026, 11, 24, 12)
    return first.account_id


def test_a_month_ends_when_the_zone_says(store: Store, account: str) -> None:
    october = monthly(store, account, 2026, 10)
    assert (october.first, october.last, october.final) == (date(2026, 10, 1), date(2026, 10, 31), True)
    assert [(day.day.day, day.consumed) for day in october.days] == [(5, Amount(2, 199)), (31, Amount(1, 100))]
    assert october.total == Line(bought=Amount(10, 999), consumed=Amount(3, 299), closing=Amount(7, 700))
    november = monthly(store, account, 2026, 11)
    assert (november.last, november.final) == (date(2026, 11, 24), False)
    assert november.total == Line(opening=Amount(7, 700), consumed=Amount(1, 100), lapsed=Amount(6, 600))
    assert [(paid.fen, paid.reference) for paid in october.payments] == [(999, "工行 0031")]
    assert november.payments == ()


def test_what_expires_with_a_month_lapses_in_it(store: Store, clock: Clock) -> None:
    clock.set(2026, 9, 30, 8)
    app = register_app(store, "app").app
    packages.grant(store, app.id, 5, months=1)  # until the end of 30 October
    clock.set(2026, 9, 30, 9)
    lasting = packages.grant(store, app.id, 5, months=2)
    clock.set(2026, 12, 24)
    assert lasting.valid_to == moment(2026, 12, 1)
    assert monthly(store, app.account_id, 2026, 11).total == Line(opening=Amount(5), lapsed=Amount(5))
    assert monthly(store, app.account_id, 2026, 12).lines == ()


def test_a_call_that_ends_after_its_package_is_told_as_it_was(store: Store, clock: Clock) -> None:
    """A clock that jumped: every line adds up all the same."""
    app = register_app(store, "app").app
    package = packages.grant(store, app.id, 5, months=1)
    clock.set(2026, 12, 1)
    package_table_reserve = store.transact(
        lambda connection: package_table.reserve(connection, app.id, "late", now=clock.moment, until=clock.moment + 1),
        write=True,
    )
    assert package_table_reserve == package.id
    late = event(app.id, package.id, call="late", at=moment(2027, 1, 3))
    store.transact(lambda connection: settle_in(connection, store, Settlement(late, holds=True)), write=True)
    clock.set(2027, 1, 20)
    assert monthly(store, app.account_id, 2026, 12).total == Line(opening=Amount(5), lapsed=Amount(5))
    assert monthly(store, app.account_id, 2027, 1).total == Line(consumed=Amount(1), lapsed=Amount(-1))


def test_a_statement_of_one_app_leaves_the_others_out(store: Store, clock: Clock) -> None:
    first, second = register_app(store, "first").app, register_app(store, "second").app
    store.transact(lambda connection: join(connection, second.id, first.account_id), write=True)
    buy(store, first.id, 3, 1, 300)
    order = buy(store, second.id, 4, 1, 400)
    both = monthly(store, first.account_id, 2026, 11)
    assert (both.app_name, both.total.bought, both.paid_fen) == ("", Amount(7, 700), 700)
    assert {app: line.bought for app, line in both.by_app.items()} == {
        first.id: Amount(3, 300),
        second.id: Amount(4, 400),
    }
    one = monthly(store, first.account_id, 2026, 11, app_id=second.id)
    assert (one.app_name, one.total.bought, one.paid_fen) == ("second", Amount(4, 400), 400)
    clock.moment += DAY_MS
    orders.refund_order(store, order.id, fen=100)
    clock.moment += DAY_MS
    whole = of_order(store, order.id)
    assert (whole.title, whole.app_name, whole.final) == (order.id, "second", True)
    assert whole.total == Line(bought=Amount(4, 400), lapsed=Amount(4, 400))
    assert [paid.fen for paid in whole.payments] == [400, -100]


def join(connection: Any, app_id: str, account_id: str) -> None:
    from ziyan.metering.store import schema

    connection.execute(schema.apps.update().where(schema.apps.c.id == app_id).values(account_id=account_id))


def test_what_is_used_on_the_day_of_the_order_is_used_in_its_statement(store: Store, clock: Clock) -> None:
    clock.set(2026, 11, 24, 9, 30)
    app = register_app(store, "app").app
    order = buy(store, app.id, 8, 1, 801)
    for day, hour in ((24, 9), (24, 18), (25, 8)):
        clock.set(2026, 11, day, hour, 45)
        assert call(store, app.id, clock)
    of_it = of_order(store, order.id)
    assert of_it.total == Line(bought=Amount(8, 801), consumed=Amount(3, 300), closing=Amount(5, 501))
    assert [(day.day.day, day.consumed) for day in of_it.days] == [(24, Amount(2, 200)), (25, Amount(1, 100))]
    assert (of_it.first, of_it.last, of_it.paid_fen) == (date(2026, 11, 24), date(2026, 11, 25), 801)
    clock.set(2026, 12, 25)
    assert of_order(store, order.id).total == Line(
        bought=Amount(8, 801), consumed=Amount(3, 300), lapsed=Amount(5, 501)
    )
    assert ledger.check(store).differences == ()


def test_an_order_that_was_not_paid_has_an_empty_statement(store: Store, clock: Clock) -> None:
    app = register_app(store, "app").app
    catalogue.ensure_catalogue(store)
    order = orders.place_order(store, app.id, "calls-1k")
    statement = of_order(store, order.id)
    assert (statement.lines, statement.payments, statement.final) == ((), (), False)
    orders.cancel_order(store, order.id)
    assert of_order(store, order.id).final


def test_what_is_not_there_has_no_statement(store: Store, account: str) -> None:
    another = register_app(store, "another").app
    with pytest.raises(NotFoundError, match="no account"):
        monthly(store, "nobody", 2026, 10)
    for app_id in ("nobody", another.id):
        with pytest.raises(NotFoundError, match="has no app"):
            monthly(store, account, 2026, 10, app_id=app_id)
    with pytest.raises(NotFoundError, match="no order"):
        of_order(store, "none")


@pytest.mark.parametrize(
    ("year", "month", "what"),
    [(2026, 12, "not begun"), (2026, 13, "no month"), (0, 1, "no month"), (9999, 12, "no month")],
)
def test_a_month_that_is_none_has_no_statement(store: Store, account: str, year: int, month: int, what: str) -> None:
    with pytest.raises(ConflictError, match=what):
        monthly(store, account, year, month)


def test_statements_outlive_the_events(store: Store, account: str, clock: Clock) -> None:
    before = monthly(store, account, 2026, 10)
    assert drop_events(store, clock.moment) == 4
    assert monthly(store, account, 2026, 10) == before


# --- files ----------------------------------------------------------------------------------------------------


@pytest.fixture
def statement(store: Store, account: str) -> Statement:
    return monthly(store, account, 2026, 10)


def test_csv_is_what_excel_and_programs_read(store: Store, statement: Statement) -> None:
    content = b"".join(statement_csv(statement, store.zone))
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    tables: dict[str, list[list[str]]] = {}
    for row in rows:
        if len(row) == 1:
            tables[row[0]] = current = []
        elif row:
            current.append(row)
    assert list(tables) == ["对账单", "套餐", "应用", "每日用量", "收付款"]
    assert ["状态", "已结"] in tables["对账单"]
    heads, line, total = tables["套餐"]
    assert dict(zip(heads, line, strict=True)) | {"套餐编号": "", "订单号": ""} == {
        "应用": "发票归档",
        "套餐": "10 次",
        "套餐编号": "",
        "订单号": "",
        "有效期至": "2026-11-05",
        **{"期初次数": "0", "期初金额（分）": "0", "购入次数": "10", "购入金额（分）": "999"},
        **{"使用次数": "3", "使用金额（分）": "299", "失效次数": "0", "失效金额（分）": "0"},
        **{"期末次数": "7", "期末金额（分）": "700"},
    }
    assert total[5:] == line[5:]
    assert [row[-2:] for row in tables["每日用量"]] == [
        ["使用次数", "使用金额（分）"],
        ["2", "199"],
        ["1", "100"],
        ["3", "299"],
    ]
    assert tables["收付款"][1][0] == "2026-10-05 09:00:00 +0800"


def test_xlsx_is_read_by_an_independent_reader(store: Store, statement: Statement) -> None:
    file = io.BytesIO()
    write_statement_xlsx(file, statement, store.zone)
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == ["对账单", "套餐", "应用", "每日用量", "收付款"]
    assert book.properties.title == "字眼 用量对账单 2026-10"
    heads, line, total = book["套餐"].iter_rows(values_only=True)
    assert dict(zip(heads, line, strict=True))["购入金额（元）"] == 9.99
    assert dict(zip(heads, total, strict=True))["使用金额（元）"] == 2.99
    assert book["每日用量"]["F2"].number_format == "#,##0.00"


def words(page: Any) -> str:
    """pypdf reads the codes of this kind of font byte by byte; the first byte of each is 0."""
    return page.extract_text().replace("\0", "")


def test_pdf_holds_the_figures_and_its_fonts(store: Store, statement: Statement) -> None:
    reader = PdfReader(io.BytesIO(pdf(statement, store.zone)))
    text = "\n".join(words(page) for page in reader.pages)
    for shown in (
        "字眼 用量对账单",
        "2026-10-01 至 2026-10-31",
        "发票归档",
        "9.99",
        "2.99",
        "7.00",
        "合计",
        "盖章",
        "工行 0031",
    ):
        assert shown in text
    assert f"第 1 页，共 {len(reader.pages)} 页" in text
    fonts = {
        font["/DescendantFonts"][0]["/FontDescriptor"]["/FontName"]: font["/DescendantFonts"][0]["/FontDescriptor"]
        for page in reader.pages
        for font in (each.get_object() for each in page["/Resources"]["/Font"].values())
    }
    assert {name.partition("+")[2] for name in fonts} == {"NotoSansSC", "NotoSerifSC"}
    assert all("/FontFile3" in descriptor for descriptor in fonts.values())


def test_a_long_statement_goes_over_pages_and_repeats_its_heads(store: Store, clock: Clock) -> None:
    clock.set(2026, 10, 1, 1)
    app = register_app(store, "a" * 200).app
    for _ in range(3):
        buy(store, app.id, 100, 2, 100)
    for day in range(1, monthrange(2026, 10)[1] + 1):
        clock.set(2026, 10, day, 12)
        assert call(store, app.id, clock)
    statement = monthly(store, app.account_id, 2026, 10)
    pages = [words(page) for page in PdfReader(io.BytesIO(pdf(statement, store.zone))).pages]
    assert len(pages) > 2
    assert sum("使用金额（元）" in page for page in pages) > 1
    assert f"第 2 页，共 {len(pages)} 页" in pages[1]


@pytest.mark.parametrize(("payments", "days"), [(10, 2), (1, 7)])
def test_a_title_stays_with_its_table_and_the_end_is_in_one_piece(
    store: Store, statement: Statement, payments: int, days: int
) -> None:
    """Lengths at which what follows just does not fit below any more."""
    longer = replace(statement, payments=statement.payments * payments, days=statement.days[:1] * days)
    first, second = (words(page) for page in PdfReader(io.BytesIO(pdf(longer, store.zone))).pages)
    assert ("使用金额（元）" in first) == (days > 2)
    assert ("使用金额（元）" in second) == (days == 2)
    assert "盖章" in second
    assert "期初 + 购入" in second
