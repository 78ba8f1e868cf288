"""``/v1/admin``: how notices fare on their way to their targets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from ziyan.api.doors import Visitor, needs
from ziyan.api.parameters import DeliveryState, Identifier, Paging, listed
from ziyan.metering import inbox
from ziyan.metering.store.notices import deliveries_page
from ziyan.metering.tokens import Scope
from ziyan.metering.views import DeliveryView, Listed

router = APIRouter()

Reader = Annotated[Visitor, Depends(needs(Scope.ACCOUNTS_READ))]
Writer = Annotated[Visitor, Depends(needs(Scope.APPS_WRITE))]


@router.get("/deliveries")
async def list_deliveries(
    visitor: Reader,
    asked: Paging,
    account_id: Identifier | None = None,
    state: Annotated[DeliveryState | None, Query(description="Only in this state")] = None,
) -> Listed[DeliveryView]:
    """List what is and was on its way to targets, newest first."""
    found = await visitor.read(lambda desk: deliveries_page(desk.connection, asked, account_id, state))
    return listed(DeliveryView, found)


@router.post("/deliveries/{delivery_id}/retry")
async def retry_delivery(visitor: Writer, delivery_id: Identifier) -> DeliveryView:
    """Send a notice again that was given up on its way to a target."""
    return DeliveryView.of(await visitor.change(lambda desk: inbox.retry_delivery(desk, delivery_id)))
