"""A statement → CSV, XLSX and PDF, in Chinese."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from typing import BinaryIO, Final

from fpdf import FPDF
from fpdf.enums import TableCellFillMode, TableHeadingsDisplay
from fpdf.fonts import FontFace
from pylopdf_fonts_zh_cn import sans_path, serif_path

from ziyan.metering.sheets import Cell, Fen, Sheet, csv_chunks, write_xlsx
from ziyan.metering.statements import Amount, Line, Statement
from ziyan.metering.store.statements import Sold

__all__ = ["pdf", "statement_csv", "write_statement_xlsx"]

_TITLE: Final = "字眼 用量对账单"
_GIVEN: Final = "赠送"
_SUMS: Final = ("期初", "购入", "使用", "失效", "期末")
_SUM_HEADS: Final = tuple(f"{name}{what}" for name in _SUMS for what in ("次数", "金额"))
_SUM_KINDS: Final = (int, Fen) * len(_SUMS)
_NOTE: Final = (
    "期初 + 购入 − 使用 − 失效 = 期末。失效是到期或因退款而停用的次数。金额由套餐价格按次数摊分，以整分计，"
    "各期相加正好等于套餐价格。每日用量以计费成功的调用为准，与账本逐次相符。"
)
_INK: Final = (33, 41, 54)
_GREY: Final = (104, 112, 125)
_RULE: Final = (176, 184, 196)
_HEAD_FILL: Final = (232, 236, 241)
_TOTAL_FILL: Final = (244, 246, 249)


# --- tables ---------------------------------------------------------------------------------------------------


def statement_csv(statement: Statement, zone: tzinfo) -> Iterator[bytes]:
    """The statement as pieces of a CSV file: its tables under each other."""
    return csv_chunks(_sheets(statement, zone))


def write_statement_xlsx(file: BinaryIO, statement: Statement, zone: tzinfo) -> None:
    """The statement as an XLSX file: a sheet for each of its tables."""
    write_xlsx(file, _sheets(statement, zone), title=f"{_TITLE} {statement.title}")


def _sheets(statement: Statement, zone: tzinfo) -> list[Sheet]:
    return [
        Sheet("对账单", ("项目", "内容"), (str, str), _facts(statement, zone)),
        _package_sheet(statement, zone),
        _app_sheet(statement),
        _day_sheet(statement),
        _payment_sheet(statement, zone),
    ]


def _package_sheet(statement: Statement, zone: tzinfo) -> Sheet:
    rows = (
        (
            each.sold.app_name,
            _item(each.sold),
            each.sold.package_id,
            each.sold.order_id,
            _last_day(each.sold, zone),
            *_numbers(each.line),
        )
        for each in statement.lines
    )
    heads, kinds = ("应用", "套餐", "套餐编号", "订单号", "有效期至", *_SUM_HEADS), (*(str,) * 5, *_SUM_KINDS)
    return Sheet("套餐", heads, kinds, rows, total=("合计", "", "", "", "", *_numbers(statement.total)))


def _app_sheet(statement: Statement) -> Sheet:
    names = {each.sold.app_id: each.sold.app_name for each in statement.lines}
    rows = ((names[app_id], app_id, *_numbers(line)) for app_id, line in statement.by_app.items())
    total = ("合计", "", *_numbers(statement.total))
    return Sheet("应用", ("应用", "应用编号", *_SUM_HEADS), (str, str, *_SUM_KINDS), rows, total)


def _day_sheet(statement: Statement) -> Sheet:
    rows = (
        (day.day.isoformat(), day.sold.app_name, _item(day.sold), day.sold.package_id, *_pair(day.consumed))
        for day in statement.days
    )
    heads = ("日期", "应用", "套餐", "套餐编号", "使用次数", "使用金额")
    total = ("合计", "", "", "", *_pair(statement.total.consumed))
    return Sheet("每日用量", heads, (str, str, str, str, int, Fen), rows, total)


def _payment_sheet(statement: Statement, zone: tzinfo) -> Sheet:
    rows = (
        (_moment(paid.at, zone), paid.order_id, paid.app_name, paid.item_name, Fen(paid.fen), paid.reference)
        for paid in statement.payments
    )
    heads, kinds = ("时间", "订单号", "应用", "商品", "金额", "凭证"), (str, str, str, str, Fen, str)
    return Sheet("收付款", heads, kinds, rows, total=("合计", "", "", "", Fen(statement.paid_fen), ""))


def _facts(statement: Statement, zone: tzinfo) -> list[tuple[str, str]]:
    return [
        ("对账期间", f"{statement.first} 至 {statement.last}"),
        ("账期或订单", statement.title),
        ("账户", statement.account_name),
        ("账户编号", statement.account_id),
        ("应用范围", statement.app_name or "全部应用"),
        ("状态", "已结" if statement.final else "未结（截至生成时）"),
        ("生成时间", _moment(statement.made_at, zone)),
    ]


def _item(sold: Sold) -> str:
    return sold.item_name or _GIVEN


def _last_day(sold: Sold, zone: tzinfo) -> str:
    return datetime.fromtimestamp((sold.valid_to - 1) / 1000, zone).date().isoformat()


def _moment(moment: int, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(moment / 1000, zone):%Y-%m-%d %H:%M:%S %z}"


def _pair(amount: Amount) -> tuple[Cell, Cell]:
    return amount.calls, Fen(amount.fen)


def _numbers(line: Line) -> list[Cell]:
    amounts = (line.opening, line.bought, line.consumed, line.lapsed, line.closing)
    return [cell for amount in amounts for cell in _pair(amount)]


# --- PDF ------------------------------------------------------------------------------------------------------


class _Pages(FPDF):
    """A4, lying; each page says which statement it is of and how many there are."""

    def __init__(self, statement: Statement, zone: tzinfo) -> None:
        super().__init__(orientation="landscape", format="A4")
        self._foot = f"{_TITLE} · {statement.account_name} · {statement.title}"
        self.set_margins(12, 12)
        self.set_auto_page_break(auto=True, margin=16)
        self.add_font("sans", fname=sans_path())
        self.add_font("serif", fname=serif_path())
        self.set_title(f"{_TITLE} {statement.title}")
        self.set_lang("zh-CN")
        self.set_creation_date(datetime.fromtimestamp(statement.made_at / 1000, zone))
        self.set_text_color(*_INK)
        self.set_draw_color(*_RULE)
        self.set_line_width(0.2)

    def footer(self) -> None:
        """The last line of each page."""
        self.set_y(-11)
        self.set_font("sans", size=7.5)
        self.set_text_color(*_GREY)
        self.cell(w=self.epw / 2, text=self._foot)
        self.cell(w=self.epw / 2, text=f"第 {self.page_no()} 页，共 {{nb}} 页", align="R")
        self.set_text_color(*_INK)


def pdf(statement: Statement, zone: tzinfo) -> bytes:
    """The statement as a PDF, its font embedded as far as it is used."""
    pages = _Pages(statement, zone)
    pages.add_page()
    _write_head(pages, statement, zone)
    _write_packages(pages, statement, zone)
    _write_list(
        pages,
        "收付款",
        ("时间", "订单号", "应用", "商品", "凭证", "金额（元）"),
        (46, 68, 44, 44, 35, 36),
        (
            (
                _moment(paid.at, zone),
                paid.order_id,
                paid.app_name,
                paid.item_name,
                paid.reference,
                Fen(paid.fen).yuan,
            )
            for paid in statement.payments
        ),
        ("合计", "", "", "", "", Fen(statement.paid_fen).yuan),
        numbers=1,
    )
    _write_list(
        pages,
        "每日用量",
        ("日期", "应用", "套餐", "使用次数", "使用金额（元）"),
        (30, 70, 97, 38, 38),
        ((day.day.isoformat(), day.sold.app_name, _item(day.sold), *_shown(day.consumed)) for day in statement.days),
        ("合计", "", "", *_shown(statement.total.consumed)),
        numbers=2,
    )
    _write_end(pages)
    return bytes(pages.output())


def _write_head(pages: _Pages, statement: Statement, zone: tzinfo) -> None:
    pages.set_font("serif", size=20)
    pages.cell(w=0, h=11, text=_TITLE, align="C", new_x="LMARGIN", new_y="NEXT")
    pages.set_font("sans", size=10)
    pages.set_text_color(*_GREY)
    pages.cell(w=0, h=6, text=_facts(statement, zone)[0][1], align="C", new_x="LMARGIN", new_y="NEXT")
    pages.set_text_color(*_INK)
    pages.ln(3)
    pages.set_font("sans", size=9)
    facts = _facts(statement, zone)[1:]
    with pages.table(
        col_widths=(26, 110, 26, 111), borders_layout="ALL", line_height=5, padding=(1, 2), first_row_as_headings=False
    ) as table:
        label = FontFace(color=_GREY, fill_color=_TOTAL_FILL)
        for pair in zip(facts[::2], facts[1::2], strict=True):
            row = table.row()
            for name, value in pair:
                row.cell(name, style=label)
                row.cell(value)


def _write_packages(pages: _Pages, statement: Statement, zone: tzinfo) -> None:
    _write_title(pages, "套餐")
    with pages.table(
        col_widths=(29, 31, 22, *(17, 21) * len(_SUMS)),
        num_heading_rows=2,
        headings_style=_heading(),
        borders_layout="ALL",
        line_height=4.6,
        padding=(0.9, 1.2),
        text_align=("LEFT", "LEFT", "CENTER", *("RIGHT",) * (2 * len(_SUMS))),
        repeat_headings=TableHeadingsDisplay.ON_TOP_OF_EVERY_PAGE,
    ) as table:
        top, second = table.row(), table.row()
        for name in ("应用", "套餐", "有效期至"):
            top.cell(name, rowspan=2, align="C")
        for name in _SUMS:
            top.cell(name, colspan=2, align="C")
            second.cell("次数", align="R")
            second.cell("元", align="R")
        for each in statement.lines:
            sold = each.sold
            table.row((sold.app_name, _item(sold), _last_day(sold, zone), *map(_figure, _numbers(each.line))))
        last = table.row(style=FontFace(fill_color=_TOTAL_FILL))
        for cell in ("合计", "", "", *map(_figure, _numbers(statement.total))):
            last.cell(cell)


def _write_list(
    pages: _Pages,
    name: str,
    heads: tuple[str, ...],
    widths: tuple[int, ...],
    rows: Iterable[tuple[str, ...]],
    total: tuple[str, ...],
    *,
    numbers: int,
) -> None:
    _write_title(pages, name)
    aligned = ("LEFT",) * (len(heads) - numbers) + ("RIGHT",) * numbers
    with pages.table(
        col_widths=widths,
        headings_style=_heading(),
        borders_layout="HORIZONTAL_LINES",
        line_height=4.6,
        padding=(0.7, 1.5),
        text_align=aligned,
        cell_fill_mode=TableCellFillMode.NONE,
        repeat_headings=TableHeadingsDisplay.ON_TOP_OF_EVERY_PAGE,
    ) as table:
        table.row(heads)
        for row in rows:
            table.row(row)
        table.row(total, style=FontFace(fill_color=_TOTAL_FILL))


def _write_title(pages: _Pages, name: str) -> None:
    if pages.will_page_break(24):  # a title stays with its table
        pages.add_page()
    pages.ln(4)
    pages.set_font("serif", size=12)
    pages.cell(w=0, h=8, text=name, new_x="LMARGIN", new_y="NEXT")
    pages.set_font("sans", size=8)


def _write_end(pages: _Pages) -> None:
    if pages.will_page_break(36):
        pages.add_page()
    pages.ln(4)
    pages.set_font("sans", size=8)
    pages.set_text_color(*_GREY)
    pages.multi_cell(w=0, h=4.6, text=_NOTE, new_x="LMARGIN", new_y="NEXT")
    pages.set_text_color(*_INK)
    pages.ln(7)
    pages.set_font("sans", size=9)
    for name in ("制表：", "复核：", "盖章：", "日期："):
        pages.cell(w=pages.epw / 4, h=6, text=name)


def _heading() -> FontFace:
    return FontFace(fill_color=_HEAD_FILL, color=_INK)


def _shown(amount: Amount) -> tuple[str, str]:
    return f"{amount.calls:,}", Fen(amount.fen).yuan


def _figure(cell: Cell) -> str:
    return cell.yuan if isinstance(cell, Fen) else f"{cell:,}"
