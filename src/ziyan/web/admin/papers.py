"""Statements; requests for invoices: looked at, issued with the PDF, or refused or voided with a reason."""

from __future__ import annotations

from starlette.responses import Response

from ziyan.api.papers import file_answer
from ziyan.errors import ConflictError
from ziyan.metering import invoices, papers
from ziyan.metering.desk import Desk
from ziyan.metering.invoices import Invoice
from ziyan.metering.store import invoices as table
from ziyan.metering.store import searches
from ziyan.metering.store.invoices import InvoiceFile
from ziyan.metering.store.listings import invoices_listing
from ziyan.web import statements
from ziyan.web.admin.parts import INVOICE_KINDS, INVOICE_STATES, Names, link, name_of
from ziyan.web.rooms import Ask, private
from ziyan.web.tables import Column, Table, asked_search, badge, words_of

#: Bytes of a form with a PDF in it.
MOST_UPLOAD: int = invoices.MAX_PDF_BYTES + (64 << 10)


async def month_file(ask: Ask) -> Response:
    """The statement of an account's month as a file."""
    return await statements.month_file(ask, ask.path("account_id"))


async def show_invoices(ask: Ask) -> Response:
    """Every request; of one state, where the address says so."""
    state = ask.query("state") if ask.query("state") in INVOICE_STATES else None
    names = await ask.read(Names.of)
    columns: list[Column[Invoice]] = [
        Column(
            "id", ("申请", "Request"), lambda each: each.id,
            show=lambda each: link(ask, f"/admin/invoices/{each.id}", each.id[:8]),
        ),
        Column(
            "account", ("账户", "Account"), lambda each: names.accounts[each.account_id],
            show=lambda each: names.account(ask, each.account_id),
        ),
        Column("title", ("抬头", "Title"), lambda each: each.title),
        Column("kind", ("种类", "Kind"), lambda each: ask.text(*INVOICE_KINDS[each.kind]), words=INVOICE_KINDS),
        Column("amount", ("金额", "Amount"), lambda each: each.amount_fen, "fen"),
        Column(
            "state", ("状态", "State"), lambda each: each.state,
            show=lambda each: badge(ask, INVOICE_STATES, each.state), words=words_of(INVOICE_STATES),
        ),
        Column("created", ("申请时间", "Asked for"), lambda each: each.created_at, "moment"),
        Column("number", ("发票号码", "Number"), lambda each: each.invoice_number, "code"),
    ]  # fmt: skip
    listing, wanted = invoices_listing(states=(state,) if state else ()), asked_search(ask, columns)
    shown = Table.searched(ask, columns, await ask.read(lambda desk: searches.page(desk.connection, listing, wanted)))
    if shown.wants_csv:
        return await shown.file("invoices", lambda connection: searches.rows(connection, listing, wanted))
    return ask.page("admin/invoices.html", table=shown, state=state or "", states=INVOICE_STATES)


async def show_invoice(ask: Ask) -> Response:
    """One request and what can be done."""

    def look(desk: Desk) -> tuple[Names, Invoice, InvoiceFile | None]:
        invoice = papers.find_invoice(desk, ask.path("invoice_id"))
        return Names.of(desk), invoice, table.file_of(desk.connection, invoice.id, None)

    names, invoice, file = await ask.read(look)
    order = invoice.order_id and link(ask, f"/admin/orders/{invoice.order_id}", invoice.order_id[:8])
    return ask.page(
        "admin/invoice.html",
        invoice=invoice,
        account=names.account(ask, invoice.account_id),
        order=order,
        state=badge(ask, INVOICE_STATES, invoice.state),
        kind=INVOICE_KINDS[invoice.kind],
        file=file,
    )


async def show_file(ask: Ask) -> Response:
    """The PDF of an issued invoice."""
    return private(file_answer(await ask.read(lambda desk: papers.file_of(desk, ask.path("invoice_id")))))


async def issue_invoice(ask: Ask) -> Response:
    """Note that an invoice was issued, together with its PDF: both, or neither."""
    invoice_id, number = ask.path("invoice_id"), ask.field("number")
    pdf = _pdf(ask)

    def work(desk: Desk) -> None:
        papers.issue_invoice(desk, invoice_id, number)
        papers.attach_file(desk, invoice_id, f"{number}.pdf", pdf)

    await ask.change(work)
    return ask.done(
        f"/admin/invoices/{invoice_id}",
        f"发票 {number} 已开具，买家可以下载了。",
        f"Invoice {number} was issued; its buyer can download it.",
    )


async def attach_file(ask: Ask) -> Response:
    """Put another PDF in the place of an issued invoice's."""
    invoice_id, pdf = ask.path("invoice_id"), _pdf(ask)

    def work(desk: Desk) -> None:
        invoice = papers.find_invoice(desk, invoice_id)
        papers.attach_file(desk, invoice_id, f"{invoice.invoice_number}.pdf", pdf)

    await ask.change(work)
    return ask.done(f"/admin/invoices/{invoice_id}", "发票文件已更换。", "The invoice's file was replaced.")


async def reject_invoice(ask: Ask) -> Response:
    """Refuse a request, with a reason that its buyer reads."""
    invoice_id, reason = ask.path("invoice_id"), name_of(ask, "reason")
    await ask.change(lambda desk: papers.reject_invoice(desk, invoice_id, reason))
    return ask.done(
        f"/admin/invoices/{invoice_id}", "申请已驳回，买家会看到理由。", "The request was refused; its buyer sees why."
    )


async def void_invoice(ask: Ask) -> Response:
    """Note that an issued invoice was voided, with a reason that its buyer reads."""
    invoice_id, reason = ask.path("invoice_id"), name_of(ask, "reason")
    await ask.change(lambda desk: papers.void_invoice(desk, invoice_id, reason))
    return ask.done(
        f"/admin/invoices/{invoice_id}",
        "发票已标为作废，金额可以重新申请；买家会看到理由。",
        "The invoice was marked as voided: its amount can be asked for again. Its buyer sees why.",
    )


def _pdf(ask: Ask) -> bytes:
    content = ask.form.files.get("file", b"")
    if not content:
        raise ConflictError("The file is no PDF, or not a whole one")
    return bytes(content)
