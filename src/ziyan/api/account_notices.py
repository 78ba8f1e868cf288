"""``/v1/account``: a buyer's inbox (消息中心), and where its notices are sent."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field
from starlette.requests import Request

from ziyan.api.doors import Visitor, needs
from ziyan.api.parameters import DeliveryState, Identifier, Paging, Said, Text, listed
from ziyan.errors import ConflictError
from ziyan.metering import inbox
from ziyan.metering.notices import send_test_in
from ziyan.metering.store import lists
from ziyan.metering.store.notices import deliveries_page
from ziyan.metering.tokens import Scope
from ziyan.metering.views import DeliveryView, Listed, NoticeView, SecretTargetView, TargetView

router = APIRouter()

Reader = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_READ))]
Owner = Annotated[Visitor, Depends(needs(Scope.ACCOUNT_NOTICES))]


class Read(Said):
    """Notices that were read."""

    ids: tuple[Identifier, ...] | None = Field(None, max_length=200, description="Which; null for all of them")


class Sent(BaseModel):
    """A notice that is on its way."""

    target_id: str


class Marked(BaseModel):
    """How many had not been read before."""

    marked: int


class NewTarget(Said):
    """Where notices are to be sent."""

    kind: Literal["mail", "webhook", "robot"]
    url: str = Field(max_length=2000, description="A mail address, or the address of a webhook or a robot")
    name: Text = ""
    secret: str = Field("", max_length=200, description="What a robot of DingTalk signs with")
    app_id: Identifier | None = Field(None, description="About this app alone")


@router.get("/inbox")
async def list_notices(visitor: Reader, asked: Paging, unread: bool = False) -> Listed[NoticeView]:
    """List notices, newest first."""
    found = await visitor.read(
        lambda desk: lists.notices_page(desk.connection, asked, visitor.own_account_id, unread=unread)
    )
    return Listed(items=[NoticeView.in_zone(each, visitor.store.zone) for each in found.items], next=found.next)


@router.post("/inbox/read")
async def mark_read(visitor: Reader, said: Annotated[Read, Body(default_factory=Read)]) -> Marked:
    """Note that some notices, or all of them, were read."""
    marked = await visitor.change(lambda desk: inbox.mark_read(desk, visitor.own_account_id, said.ids))
    return Marked(marked=marked)


@router.get("/targets")
async def list_targets(visitor: Reader) -> Listed[TargetView]:
    """List where notices are sent, oldest first, without addresses, which are secret."""
    targets = await visitor.read(lambda desk: inbox.list_targets(desk, visitor.own_account_id))
    return Listed(items=[TargetView.of(target) for target in targets])


@router.post("/targets", status_code=201)
async def add_target(request: Request, visitor: Owner, said: NewTarget) -> SecretTargetView:
    """Have notices sent somewhere from now on; a webhook's secret is shown, once."""
    if said.kind == "mail" and not request.app.state.door.takes_mail:
        raise ConflictError("This service sends no mail: ZIYAN_MAIL_SERVER is not set. Take a webhook or a robot")
    target = await visitor.change(
        lambda desk: inbox.add_target(desk, visitor.own_account_id, **said.model_dump()),
    )
    return SecretTargetView.of(target, secret=target.address.secret)


@router.post("/targets/{target_id}/test")
async def test_target(visitor: Owner, target_id: Identifier) -> Sent:
    """Send a notice there that says nothing but that notices arrive."""
    await visitor.change(lambda desk: send_test_in(desk.connection, visitor.own_account_id, target_id))
    return Sent(target_id=target_id)


@router.post("/targets/{target_id}/remove")
async def remove_target(visitor: Owner, target_id: Identifier) -> TargetView:
    """Send nothing there any more."""
    return TargetView.of(
        await visitor.change(lambda desk: inbox.remove_target(desk, visitor.own_account_id, target_id))
    )


@router.get("/deliveries")
async def list_deliveries(
    visitor: Reader,
    asked: Paging,
    state: Annotated[DeliveryState | None, Query(description="Only in this state")] = None,
) -> Listed[DeliveryView]:
    """List how notices fare on their way to targets, newest first."""
    found = await visitor.read(lambda desk: deliveries_page(desk.connection, asked, visitor.own_account_id, state))
    return listed(DeliveryView, found)


@router.post("/deliveries/{delivery_id}/retry")
async def retry_delivery(visitor: Owner, delivery_id: Identifier) -> DeliveryView:
    """Send a notice again that was given up on its way to a target."""
    return DeliveryView.of(await visitor.change(lambda desk: inbox.retry_delivery(desk, delivery_id)))
