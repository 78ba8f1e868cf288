"""Requests for invoices, as operators and buyers change them.  Every change is in the audit log."""

from __future__ import annotations

from ziyan.errors import NotFoundError
from ziyan.metering import invoices
from ziyan.metering.desk import Desk
from ziyan.metering.invoices import Invoice, InvoiceFile, Wanted
from ziyan.metering.store import invoices as table
from ziyan.metering.store.sales import Order
from ziyan.metering.views import InvoiceView


def find_invoice(desk: Desk, invoice_id: str) -> Invoice:
    """The request of this identifier.

    Raises:
        NotFoundError: There is none here.
    """
    invoice = table.by_id(desk.connection, invoice_id)
    if invoice is None or not desk.sees(invoice.account_id):
        raise NotFoundError(f"There is no request {invoice_id} for an invoice")
    return invoice


def request_invoice(desk: Desk, account_id: str, wanted: Wanted) -> Invoice:
    """Ask for an invoice over what was paid and has none yet.

    Raises:
        NotFoundError: There is no such account or order.
        ConflictError: Something is missing or malformed, or less was paid and not invoiced.
    """
    desk.account(account_id)
    if wanted.order_id is not None and desk.order(wanted.order_id).account_id != account_id:
        raise NotFoundError(f"There is no order {wanted.order_id} of account {account_id}")
    invoice = invoices.request_invoice_in(desk.connection, account_id, wanted)
    desk.note("invoice.request", invoice.id, None, InvoiceView.of(invoice))
    return invoice


def cancel_invoice(desk: Desk, invoice_id: str) -> Invoice:
    """Take a request back, as its buyer may until it is decided.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It was decided already.
    """
    before = find_invoice(desk, invoice_id)
    return _noted(
        desk, "invoice.cancel", before, invoices.cancel_invoice_in(desk.connection, before.account_id, invoice_id)
    )


def issue_invoice(desk: Desk, invoice_id: str, number: str) -> Invoice:
    """Note that an invoice was issued; its PDF is attached later.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It was decided already, the number is none, or what it is for was paid back since.
    """
    before = find_invoice(desk, invoice_id)
    after = invoices.issue_invoice_in(desk.connection, invoice_id, number, None, "")
    return _noted(desk, "invoice.issue", before, after)


def reject_invoice(desk: Desk, invoice_id: str, reason: str) -> Invoice:
    """Refuse a request, with a reason that its buyer reads.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It was decided already, or no reason is given.
    """
    before = find_invoice(desk, invoice_id)
    return _noted(desk, "invoice.reject", before, invoices.reject_invoice_in(desk.connection, invoice_id, reason))


def void_invoice(desk: Desk, invoice_id: str, reason: str) -> Invoice:
    """Note that an issued invoice was voided, with a reason that its buyer reads.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It is not issued, or no reason is given.
    """
    before = find_invoice(desk, invoice_id)
    return _noted(desk, "invoice.void", before, invoices.void_invoice_in(desk.connection, invoice_id, reason))


def attach_file(desk: Desk, invoice_id: str, name: str, pdf: bytes) -> Invoice:
    """Attach the PDF of an issued invoice, in the place of an earlier one.

    Raises:
        NotFoundError: There is no such request.
        ConflictError: It is not issued, or the file is no PDF of at most 5 MiB.
    """
    invoice = find_invoice(desk, invoice_id)
    invoices.attach_pdf_in(desk.connection, invoice_id, name, pdf)
    return _noted(desk, "invoice.attach", invoice, invoice)


def standing_for(desk: Desk, order: Order) -> list[Invoice]:
    """Requests and invoices over an order's money that a refund of the whole of it leaves, or left, without money.

    A refund changes none of them: what was issued has to be voided, and what was not, rejected.
    """
    back = order.price_fen if order.state == "paid" else 0
    return [
        invoice
        for order_id in (order.id, None)
        if table.left_fen(desk.connection, order.account_id, order_id) < back
        for invoice in table.standing(desk.connection, order.account_id, order_id)
    ]


def file_of(desk: Desk, invoice_id: str) -> InvoiceFile:
    """The PDF of an invoice.

    Raises:
        NotFoundError: There is no such request, or it has none.
    """
    find_invoice(desk, invoice_id)
    file = table.file_of(desk.connection, invoice_id, None)
    if file is None:
        raise NotFoundError(f"Request {invoice_id} has no file yet")
    return file


def _noted(desk: Desk, action: str, before: Invoice, after: Invoice) -> Invoice:
    desk.note(action, after.id, InvoiceView.of(before), InvoiceView.of(after))
    return after
