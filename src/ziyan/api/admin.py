"""``/v1/admin``: accounts, apps and their keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import Field

from ziyan.api.doors import Visitor, needs
from ziyan.api.parameters import Identifier, Name, Paging, Said, listed
from ziyan.metering import apps
from ziyan.metering.apps import AppChange
from ziyan.metering.credentials import Kind
from ziyan.metering.store import apps as table
from ziyan.metering.tokens import Scope
from ziyan.metering.views import AccountView, AppView, KeyView, Listed, SecretKeyView

router = APIRouter()

AccountsReader = Annotated[Visitor, Depends(needs(Scope.ACCOUNTS_READ))]
AccountsWriter = Annotated[Visitor, Depends(needs(Scope.ACCOUNTS_WRITE))]
AppsReader = Annotated[Visitor, Depends(needs(Scope.APPS_READ))]
AppsWriter = Annotated[Visitor, Depends(needs(Scope.APPS_WRITE))]
KeysWriter = Annotated[Visitor, Depends(needs(Scope.KEYS_WRITE))]


class Named(Said):
    """A name."""

    name: Name


class NewApp(Said):
    """An app to be registered."""

    name: Name
    account_id: Identifier | None = Field(None, description="Under which account; null: a new one of the same name")
    hmac: bool = Field(False, description="Its own-platform calls are signed with HMAC-SHA256, not md5")


class ChangedApp(Said):
    """What is to become of an app; what is left out stays as it is."""

    name: Name | None = None
    disabled: bool | None = None
    allowed_sources: tuple[str, ...] | None = Field(None, max_length=100)
    denied_sources: tuple[str, ...] | None = Field(None, max_length=100)
    rate: float | None = Field(None, ge=0, le=1e6, description="Calls a second; 0: what ZIYAN_RATE_APP says")
    notify_percents: tuple[int, ...] | None = Field(None, max_length=10)
    notify_days: tuple[int, ...] | None = Field(None, max_length=10)


class NewKey(Said):
    """A key to be made."""

    kind: Kind
    hmac: bool = Field(False, description="Of an appid: calls are signed with HMAC-SHA256, not md5")


class Grace(Said):
    """How long the old one works beside the new one."""

    grace_hours: float = Field(apps.GRACE_HOURS, ge=0, le=apps.MOST_GRACE_HOURS)


@router.get("/accounts")
async def list_accounts(visitor: AccountsReader, asked: Paging) -> Listed[AccountView]:
    """List accounts, newest first."""
    return listed(AccountView, await visitor.read(lambda desk: table.accounts_page(desk.connection, asked)))


@router.post("/accounts", status_code=201)
async def create_account(visitor: AccountsWriter, said: Named) -> AccountView:
    """Open an account."""
    return AccountView.of(await visitor.change(lambda desk: apps.create_account(desk, said.name)))


@router.get("/accounts/{account_id}")
async def show_account(visitor: AccountsReader, account_id: Identifier) -> AccountView:
    """Show an account."""
    return AccountView.of(await visitor.read(lambda desk: desk.account(account_id)))


@router.patch("/accounts/{account_id}")
async def rename_account(visitor: AccountsWriter, account_id: Identifier, said: Named) -> AccountView:
    """Give an account another name."""
    return AccountView.of(await visitor.change(lambda desk: apps.rename_account(desk, account_id, said.name)))


@router.get("/apps")
async def list_apps(visitor: AppsReader, asked: Paging, account_id: Identifier | None = None) -> Listed[AppView]:
    """List apps, newest first."""
    return listed(AppView, await visitor.read(lambda desk: table.apps_page(desk.connection, asked, account_id)))


@router.post("/apps", status_code=201)
async def create_app(visitor: AppsWriter, said: NewApp) -> AppView:
    """Register an app with a key of each kind."""
    app = await visitor.change(
        lambda desk: apps.create_app(desk, said.name, account_id=said.account_id, hmac=said.hmac)
    )
    return AppView.of(app)


@router.get("/apps/{app_id}")
async def show_app(visitor: AppsReader, app_id: Identifier) -> AppView:
    """Show an app."""
    return AppView.of(await visitor.read(lambda desk: desk.app(app_id)))


@router.patch("/apps/{app_id}")
async def change_app(visitor: AppsWriter, app_id: Identifier, said: ChangedApp) -> AppView:
    """Change what is said of an app; what is left out stays as it is."""
    change = AppChange(**said.model_dump())
    return AppView.of(await visitor.change(lambda desk: apps.change_app(desk, app_id, change)))


@router.get("/apps/{app_id}/keys")
async def list_keys(visitor: AppsReader, app_id: Identifier) -> Listed[KeyView]:
    """List what an app signs in with, or once did, oldest first, without secrets."""
    return Listed(items=[KeyView.of(key) for key in await visitor.read(lambda desk: apps.list_keys(desk, app_id))])


@router.post("/apps/{app_id}/keys", status_code=201)
async def create_key(visitor: KeysWriter, app_id: Identifier, said: NewKey) -> SecretKeyView:
    """Let an app sign in with one more key, and show it."""
    return SecretKeyView.of(await visitor.change(lambda desk: apps.create_key(desk, app_id, said.kind, hmac=said.hmac)))


@router.post("/apps/{app_id}/keys/{key_id}/reveal")
async def reveal_key(visitor: KeysWriter, app_id: Identifier, key_id: Identifier) -> SecretKeyView:
    """Show a key once more; the audit log tells who looked."""
    return SecretKeyView.of(await visitor.change(lambda desk: apps.reveal_key(desk, app_id, key_id)))


@router.post("/apps/{app_id}/keys/{key_id}/rotate", status_code=201)
async def rotate_key(
    visitor: KeysWriter, app_id: Identifier, key_id: Identifier, said: Annotated[Grace, Body(default_factory=Grace)]
) -> SecretKeyView:
    """Put a new key in the place of one, which works on for some hours, and show the new one."""
    return SecretKeyView.of(
        await visitor.change(lambda desk: apps.rotate_key(desk, app_id, key_id, grace_hours=said.grace_hours))
    )


@router.post("/apps/{app_id}/keys/{key_id}/revoke")
async def revoke_key(visitor: KeysWriter, app_id: Identifier, key_id: Identifier) -> KeyView:
    """Refuse a key for good, at once."""
    return KeyView.of(await visitor.change(lambda desk: apps.revoke_key(desk, app_id, key_id)))
