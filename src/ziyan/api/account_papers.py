"""``/v1/account``: a buyer's statements and requests for invoices."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field
from starlette.responses import Response

from ziyan.api.doors import Visitor, needs
from ziyan.api.papers import Format, Month, file_answer, monthly_statement, order_statement
from ziyan.api.parameters import Identifier, Name, Paging, Said, listed
from ziyan.metering import papers, selling
from ziyan.metering.invoices import Wanted
from ziyan.metering.store import lists
from ziyan.metering.store.lists import Filter
from ziyan.metering.tokens import Scope
from ziyan.metering.views import InvoiceView, Listed

router = APIRouter()

Reader = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_READ))]
Buyer = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_ORDERS))]
Long = Annotated[str, Field(max_length=300)]


class SaidInvoice(Said):
    """What a buyer wants on an invoice."""

    kind: Literal["normal", "special"]
    title: Name
    amount_fen: int = Field(ge=1, le=selling.MOST_FEN)
    tax_number: str = Field("", max_length=30)
    order_id: Identifier | None = Field(None, description="For which order; null: for anything that was paid")
    registered: Long = Field("", description="A special one needs it: registered address and telephone")
    bank: Long = Field("", description="A special one needs it: bank and its account")
    email: Long = ""


@router.get("/statements/{month}", response_class=Response)
async def statement_of_month(
    visitor: Reader,
    month: Month,
    kind: Annotated[Format, Query(alias="format")] = "pdf",
    app_id: Identifier | None = None,
) -> Response:
    """Make the statement of a month as a file."""
    return await monthly_statement(visitor.store, visitor.own_account_id, month, kind, app_id)


@router.get("/orders/{order_id}/statement", response_class=Response)
async def statement_of_order(
    visitor: Reader, order_id: Identifier, kind: Annotated[Format, Query(alias="format")] = "pdf"
) -> Response:
    """Make the statement of an order as a file."""
    order = await visitor.read(lambda desk: desk.order(order_id))
    return await order_statement(visitor.store, order.id, kind)


@router.get("/invoices")
async def list_invoices(visitor: Reader, asked: Paging) -> Listed[InvoiceView]:
    """List requests for invoices, newest first."""
    wanted = Filter(visitor.own_account_id)
    return listed(InvoiceView, await visitor.read(lambda desk: lists.invoices_page(desk.connection, asked, wanted)))


@router.post("/invoices", status_code=201)
async def request_invoice(visitor: Buyer, said: SaidInvoice) -> InvoiceView:
    """Ask for an invoice over what was paid and has none yet."""
    wanted = Wanted(**said.model_dump())
    return InvoiceView.of(
        await visitor.change(lambda desk: papers.request_invoice(desk, visitor.own_account_id, wanted))
    )


@router.post("/invoices/{invoice_id}/cancel")
async def cancel_invoice(visitor: Buyer, invoice_id: Identifier) -> InvoiceView:
    """Take a request back that is not decided."""
    return InvoiceView.of(await visitor.change(lambda desk: papers.cancel_invoice(desk, invoice_id)))


@router.get("/invoices/{invoice_id}/file", response_class=Response)
async def show_file(visitor: Reader, invoice_id: Identifier) -> Response:
    """Give the PDF of an issued invoice."""
    return file_answer(await visitor.read(lambda desk: papers.file_of(desk, invoice_id)))
