"""``/console/papers``: statements to download, requests for invoices, and issued ones."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Final

from markupsafe import Markup
from starlette.responses import Response

from ziyan.api.papers import file_answer
from ziyan.errors import ConflictError, InvalidRequestError
from ziyan.metering import papers
from ziyan.metering.desk import Desk
from ziyan.metering.invoices import Invoice, Wanted
from ziyan.metering.selling import MOST_FEN
from ziyan.metering.store import invoices as table
from ziyan.metering.store import lists, searches
from ziyan.metering.store.apps import Account
from ziyan.metering.store.listings import PAID, invoices_listing, orders_listing
from ziyan.metering.store.lists import Filter
from ziyan.metering.store.sales import Order
from ziyan.metering.store.searches import Found
from ziyan.metering.store.slices import MOST, Asked
from ziyan.web import statements
from ziyan.web.rooms import Ask, private
from ziyan.web.spoken import spoken
from ziyan.web.statements import files, months_of
from ziyan.web.tables import Act, Column, Table, asked_search, badge, shown, words_of

STATEMENTS: Final = "/console/statements"
INVOICES: Final = "/console/invoices"
#: State of a request → its word and the kind of its badge.
STATES: Final = {
    "requested": (("待开票", "Requested"), "waiting"),
    "issued": (("已开票", "Issued"), "good"),
    "rejected": (("已驳回", "Rejected"), "bad"),
    "cancelled": (("已撤回", "Taken back"), "over"),
    "voided": (("已作废", "Voided"), "over"),
}
_KINDS: Final = {"normal": ("普通发票", "Normal"), "special": ("专用发票", "Special")}
_FIELDS: Final = ("kind", "title", "tax_number", "amount", "order", "registered", "bank", "email")


async def show_statements(ask: Ask) -> Response:
    """Months and paid orders, each with its files."""
    columns: list[Column[Order]] = [
        Column("paid", ("付款确认", "Paid"), lambda row: row.paid_at, "day"),
        Column("item", ("套餐", "Package"), lambda row: row.item_name),
        Column("price", ("金额", "Price"), lambda row: row.price_fen, "fen"),
        Column(
            "files", ("下载", "Download"), lambda _row: "", bare=True,
            show=lambda row: files(ask, f"{STATEMENTS}/orders/{row.id}"),
        ),
        Column("id", ("订单号", "Order"), lambda row: row.id, "code"),
    ]  # fmt: skip
    account_id = ask.guest.account_id
    listing, wanted = orders_listing(account_id, PAID), asked_search(ask, columns)

    def look(desk: Desk) -> tuple[Account, Found[Order]]:
        return desk.account(account_id), searches.page(desk.connection, listing, wanted)

    account, orders = await ask.read(look)
    table = Table.searched(ask, columns, orders)
    if table.wants_csv:
        return await table.file("paid-orders", lambda connection: searches.rows(connection, listing, wanted))
    return ask.page("console/statements.html", months=months_of(ask, account), orders=table)


async def month_file(ask: Ask) -> Response:
    """The statement of a month as a file."""
    return await statements.month_file(ask, ask.guest.account_id)


async def show_invoices(ask: Ask) -> Response:
    """What can be asked for, and what was."""
    return await _page(ask)


async def request_invoice(ask: Ask) -> Response:
    """Ask for an invoice."""
    amount = _fen(ask.field("amount"))
    if amount is None:
        return await _page(ask, wrong=("金额应是元，最多两位小数。", "The amount is in yuan, with at most two places."))
    wanted = Wanted(
        kind="special" if ask.field("kind") == "special" else "normal",
        title=ask.field("title"),
        amount_fen=amount,
        tax_number=ask.field("tax_number"),
        order_id=ask.field("order") or None,
        registered=ask.field("registered"),
        bank=ask.field("bank"),
        email=ask.field("email"),
    )
    try:
        await ask.change(lambda desk: papers.request_invoice(desk, ask.guest.account_id, wanted))
    except (ConflictError, InvalidRequestError) as error:
        return await _page(ask, wrong=spoken(str(error)))
    return ask.done(INVOICES, "开票申请已提交。", "The invoice was asked for.")


async def cancel_invoice(ask: Ask) -> Response:
    """Take a request back."""
    invoice_id = ask.path("invoice_id")
    await ask.change(lambda desk: papers.cancel_invoice(desk, invoice_id))
    return ask.done(INVOICES, "开票申请已撤回。", "The request was taken back.")


async def invoice_file(ask: Ask) -> Response:
    """The PDF of an issued invoice."""
    invoice_id = ask.path("invoice_id")
    return private(file_answer(await ask.read(lambda desk: papers.file_of(desk, invoice_id))))


async def _page(ask: Ask, *, wrong: tuple[str, str] | None = None) -> Response:
    account_id, columns = ask.guest.account_id, _columns(ask)
    listing, wanted = invoices_listing(account_id), asked_search(ask, columns)

    def look(desk: Desk) -> tuple[int, int, Found[Invoice], set[str], list[Order]]:
        requests = searches.page(desk.connection, listing, wanted)
        issued = table.with_files(desk.connection, (each.id for each in requests.rows))
        paid = lists.orders_page(desk.connection, Asked(MOST), Filter(account_id, state="paid")).items
        orders = [each for each in paid if each.price_fen]  # nothing was paid for the others
        chosen = next((each.id for each in orders if each.id == ask.query("order")), None)
        left, of_order = (table.left_fen(desk.connection, account_id, order) for order in (None, chosen))
        return left, max(0, min(left, of_order)), requests, issued, orders

    left, offered, requests, issued, orders = await ask.read(look)
    found = Table.searched(ask, [*columns, _file_column(ask, issued), _CANCEL], requests)
    if found.wants_csv:
        return await found.file("invoices", lambda connection: searches.rows(connection, listing, wanted))
    again = {name: ask.field(name) if wrong else "" for name in _FIELDS}
    if not wrong:
        again |= {"kind": "normal", "amount": f"{offered // 100}.{offered % 100:02}", "order": ask.query("order")}
    return ask.page(
        "console/invoices.html",
        status=422 if wrong else 200,
        left=max(0, left),
        over=max(0, -left),
        invoices=found,
        orders=orders,
        again=again,
        wrong=wrong,
        fen=partial(shown, ask, "fen"),
    )


def _columns(ask: Ask) -> list[Column[Invoice]]:
    def state(row: Invoice) -> Markup:
        word = badge(ask, STATES, row.state)
        return word + Markup("<br><span class='small'>{}</span>").format(row.reason) if row.reason else word

    return [
        Column("created", ("申请时间", "Requested"), lambda row: row.created_at, "moment"),
        Column("title", ("抬头", "Title"), lambda row: row.title),
        Column("kind", ("种类", "Kind"), lambda row: ask.text(*_KINDS[row.kind]), words=_KINDS),
        Column("amount", ("金额", "Amount"), lambda row: row.amount_fen, "fen"),
        Column(
            "state", ("状态", "State"), lambda row: ask.text(*STATES[row.state][0]), show=state, words=words_of(STATES)
        ),
        Column("number", ("发票号码", "Number"), lambda row: row.invoice_number),
    ]


def _file_column(ask: Ask, issued: set[str]) -> Column[Invoice]:
    def file(row: Invoice) -> str | Markup:
        if row.id not in issued:
            return "—"
        address = ask.visit.link(f"{INVOICES}/{row.id}/file")
        return Markup('<a class="button" href="{}" download>PDF</a>').format(address)

    return Column("file", ("发票", "Invoice"), lambda _row: "", show=file, bare=True)


def _cancel(row: Invoice) -> Act | None:
    if row.state != "requested":
        return None
    return Act(
        f"{INVOICES}/{row.id}/cancel",
        ("撤回", "Take back"),
        ("撤回后金额可以重新申请。", "Its amount can be asked for again."),
        ("确定撤回", "Take it back"),
    )


_CANCEL: Final[Column[Invoice]] = Column("cancel", ("", ""), lambda _row: "", bare=True, act=_cancel)


def _fen(text: str) -> int | None:
    """An amount in yuan as fen; None where it is none."""
    try:
        fen = Decimal(text.replace(",", "").removeprefix("¥")) * 100
    except ArithmeticError:  # no number, or one that is too large to be multiplied
        return None
    return int(fen) if fen.is_finite() and fen == fen.to_integral_value() and 0 < fen <= MOST_FEN else None
