"""``/v1/admin``: statements, and requests for invoices."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from ziyan.api.doors import Visitor, needs
from ziyan.api.papers import Format, Month, file_answer, monthly_statement, order_statement
from ziyan.api.parameters import Identifier, Name, Paging, Said, listed
from ziyan.metering import papers
from ziyan.metering.store import lists
from ziyan.metering.store.lists import Filter
from ziyan.metering.tokens import Scope
from ziyan.metering.views import InvoiceView, Listed

router = APIRouter()

StatementsReader = Annotated[Visitor, Depends(needs(Scope.STATEMENTS_READ))]
InvoicesReader = Annotated[Visitor, Depends(needs(Scope.INVOICES_READ))]
InvoicesWriter = Annotated[Visitor, Depends(needs(Scope.INVOICES_WRITE))]
InvoiceState = Literal["requested", "issued", "rejected", "cancelled", "voided"]


class Issued(Said):
    """An invoice that was issued."""

    number: Name


class Why(Said):
    """Why a request is refused, or an invoice voided; its buyer reads it."""

    reason: Name


@router.get("/accounts/{account_id}/statements/{month}", response_class=Response)
async def account_statement(
    visitor: StatementsReader,
    account_id: Identifier,
    month: Month,
    kind: Annotated[Format, Query(alias="format")] = "pdf",
    app_id: Identifier | None = None,
) -> Response:
    """Make the statement of an account's month as a file."""
    return await monthly_statement(visitor.store, account_id, month, kind, app_id)


@router.get("/orders/{order_id}/statement", response_class=Response)
async def statement_of_order(
    visitor: StatementsReader, order_id: Identifier, kind: Annotated[Format, Query(alias="format")] = "pdf"
) -> Response:
    """Make the statement of an order as a file."""
    return await order_statement(visitor.store, order_id, kind)


@router.get("/invoices")
async def list_invoices(
    visitor: InvoicesReader, asked: Paging, account_id: Identifier | None = None, state: InvoiceState | None = None
) -> Listed[InvoiceView]:
    """List requests for invoices, newest first."""
    wanted = Filter(account_id, state=state)
    return listed(InvoiceView, await visitor.read(lambda desk: lists.invoices_page(desk.connection, asked, wanted)))


@router.post("/invoices/{invoice_id}/issue")
async def issue_invoice(visitor: InvoicesWriter, invoice_id: Identifier, said: Issued) -> InvoiceView:
    """Note that an invoice was issued."""
    return InvoiceView.of(await visitor.change(lambda desk: papers.issue_invoice(desk, invoice_id, said.number)))


@router.post("/invoices/{invoice_id}/reject")
async def reject_invoice(visitor: InvoicesWriter, invoice_id: Identifier, said: Why) -> InvoiceView:
    """Refuse a request."""
    return InvoiceView.of(await visitor.change(lambda desk: papers.reject_invoice(desk, invoice_id, said.reason)))


@router.post("/invoices/{invoice_id}/void")
async def void_invoice(visitor: InvoicesWriter, invoice_id: Identifier, said: Why) -> InvoiceView:
    """Note that an issued invoice was voided."""
    return InvoiceView.of(await visitor.change(lambda desk: papers.void_invoice(desk, invoice_id, said.reason)))


@router.put("/invoices/{invoice_id}/file")
async def attach_file(
    visitor: InvoicesWriter, request: Request, invoice_id: Identifier, name: Name = "invoice.pdf"
) -> InvoiceView:
    """Attach the PDF of an issued invoice, which is the body."""
    pdf = await request.body()
    return InvoiceView.of(await visitor.change(lambda desk: papers.attach_file(desk, invoice_id, name, pdf)))


@router.get("/invoices/{invoice_id}/file", response_class=Response)
async def show_file(visitor: InvoicesReader, invoice_id: Identifier) -> Response:
    """Give the PDF of an issued invoice."""
    return file_answer(await visitor.read(lambda desk: papers.file_of(desk, invoice_id)))
