"""``/v1/admin``: tokens, and the audit log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import Field

from ziyan.api.doors import Visitor, needs
from ziyan.api.parameters import Identifier, Name, Paging, Said, listed
from ziyan.metering import tokens
from ziyan.metering.store import audit
from ziyan.metering.store import tokens as table
from ziyan.metering.tokens import Scope
from ziyan.metering.views import EntryView, Listed, SecretTokenView, TokenView

router = APIRouter()

TokensReader = Annotated[Visitor, Depends(needs(Scope.TOKENS_READ))]
TokensWriter = Annotated[Visitor, Depends(needs(Scope.TOKENS_WRITE))]
AuditReader = Annotated[Visitor, Depends(needs(Scope.AUDIT_READ))]


class NewToken(Said):
    """A token to be made."""

    name: Name
    scopes: tuple[Scope, ...] = Field(description="What it may do; a buyer's has those of `account`")
    account_id: Identifier | None = Field(None, description="The account whose buyer it is for; null: an operator's")
    days: float | None = Field(None, gt=0, le=tokens.MOST_DAYS, description="How long it works; null: for ever")


class TokenGrace(Said):
    """How long the old token works beside the new one."""

    grace_hours: float = Field(tokens.GRACE_HOURS, ge=0, le=tokens.MOST_GRACE_HOURS)


@router.get("/tokens")
async def list_tokens(visitor: TokensReader, asked: Paging, account_id: Identifier | None = None) -> Listed[TokenView]:
    """List tokens, newest first, without what their holders send."""
    return listed(TokenView, await visitor.read(lambda desk: table.page(desk.connection, asked, account_id)))


@router.post("/tokens", status_code=201)
async def create_token(visitor: TokensWriter, said: NewToken) -> SecretTokenView:
    """Make a token, which can do no more than the one that asks for it, and show it, once."""
    issued = await visitor.change(
        lambda desk: tokens.issue(
            desk, said.name, said.scopes, account_id=said.account_id, days=said.days, giver=visitor.token
        )
    )
    return issued.view()


@router.post("/tokens/{token_id}/rotate", status_code=201)
async def rotate_token(
    visitor: TokensWriter, token_id: Identifier, said: Annotated[TokenGrace, Body(default_factory=TokenGrace)]
) -> SecretTokenView:
    """Put a new token in the place of one, which works on for some hours, and show the new one, once."""
    issued = await visitor.change(
        lambda desk: tokens.rotate(desk, token_id, grace_hours=said.grace_hours, giver=visitor.token)
    )
    return issued.view()


@router.post("/tokens/{token_id}/revoke")
async def revoke_token(visitor: TokensWriter, token_id: Identifier) -> TokenView:
    """Refuse a token for good, at once."""
    return TokenView.of(await visitor.change(lambda desk: tokens.revoke(desk, token_id)))


@router.get("/audit")
async def list_entries(visitor: AuditReader, asked: Paging, object_id: Identifier | None = None) -> Listed[EntryView]:
    """List what was changed by whom, newest first; about one thing, where its identifier is given."""
    return listed(EntryView, await visitor.read(lambda desk: audit.page(desk.connection, asked, object_id=object_id)))
