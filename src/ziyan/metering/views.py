"""How records look outside: in JSON of the admin and buyer APIs and of the command line, and in the audit log.

None but those named ``Secret…`` shows a secret.  Moments are RFC 3339 in UTC, amounts whole fen.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, tzinfo
from typing import Annotated, Any, Generic, Self, TypeVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from ziyan.metering.credentials import App, Credential, Kind, is_hmac_appid
from ziyan.metering.notice_texts import message
from ziyan.metering.store.notices import Notice
from ziyan.metering.store.usage import Total
from ziyan.metering.times import day_of

T = TypeVar("T")


def iso(moment: int) -> str:
    """A moment as RFC 3339 writes it, in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whole(moment: object) -> object:
    return round(moment.timestamp() * 1000) if isinstance(moment, datetime) else moment


Moment = Annotated[
    int,
    BeforeValidator(_whole),
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class View(BaseModel):
    """What is shown of a record."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of(cls, record: object, **more: object) -> Self:
        """The view of a record that has attributes of the same names, but for those that ``more`` gives."""
        found = {name: getattr(record, name) for name in cls.model_fields if name not in more}
        return cls.model_validate({**found, **more})

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.model_dump(mode="json")


class Listed(BaseModel, Generic[T]):
    """A slice of a list, newest first; ``next`` is the cursor of the slice that follows, or null."""

    items: list[T]
    next: str | None = None


class AccountView(View):
    """Whoever pays."""

    id: str
    name: str
    created_at: Moment


class AppView(View):
    """A caller's registration; its calls are refused while it is disabled."""

    id: str
    account_id: str
    name: str
    created_at: Moment
    disabled: bool
    allowed_sources: list[str] = Field(description="Where own-platform calls must come from; empty for anywhere")
    denied_sources: list[str] = Field(description="Where own-platform calls must not come from")
    rate: float | None = Field(description="Calls a second; null for what ZIYAN_RATE_APP says")
    notify_percents: list[int] = Field(description="Percents of calls left at which its owner is told")
    notify_days: list[int] = Field(description="Days before expiry at which its owner is told")


class KeyView(View):
    """What an app signs in with, without what is secret of it."""

    id: str
    kind: Kind
    name: str = Field(description="AppKey or appid; of an AppCode, which is secret, its first digits")
    created_at: Moment
    expires_at: Moment | None = Field(description="When it ends, because another has taken its place")
    revoked_at: Moment | None

    @classmethod
    def of(cls, record: object, **more: object) -> Self:
        """The view of a credential."""
        return cls.model_validate({**_shown(cast("Credential", record)), **more})


class SecretKeyView(KeyView):
    """What an app signs in with, secret."""

    identifier: str = Field(description="What the caller sends: AppCode, AppKey or appid")
    secret: str = Field(description="What the caller signs with; empty for an AppCode")
    digest: str = Field(description="What it signs by; empty for an AppCode")


class AppKeysView(AppView):
    """An app with what it signs in with, secret."""

    keys: list[SecretKeyView]

    @classmethod
    def with_keys(cls, app: App, keys: Iterable[Credential]) -> AppKeysView:
        """The view of an app and its keys."""
        return cls.of(app, keys=[SecretKeyView.of(key) for key in keys])


class ItemView(View):
    """What can be ordered."""

    id: str
    name: str
    calls: int
    months: int
    price_fen: int
    created_at: Moment
    retired_at: Moment | None


class OrderView(View):
    """A purchase of calls for one app, as the catalogue had them when it was placed."""

    id: str
    account_id: str
    app_id: str
    item_id: str
    item_name: str
    calls: int
    months: int
    price_fen: int
    state: str
    created_at: Moment
    paid_at: Moment | None
    ended_at: Moment | None
    refunded_fen: int
    reference: str


class InvoiceView(View):
    """A request for an invoice, and what became of it."""

    id: str
    account_id: str
    order_id: str | None
    kind: str
    title: str
    tax_number: str
    amount_fen: int
    registered: str
    bank: str
    email: str
    state: str
    created_at: Moment
    decided_at: Moment | None
    invoice_number: str
    reason: str
    voided_at: Moment | None


class NoticeView(View):
    """What an account is told."""

    id: str
    app_id: str | None
    kind: str
    title: str
    text: str
    created_at: Moment
    read_at: Moment | None

    @classmethod
    def in_zone(cls, notice: Notice, zone: tzinfo) -> NoticeView:
        """The view of a notice, whose text tells the time of a zone."""
        told = message(notice, zone)
        return cls.of(notice, title=told.title, text=told.text)


class TargetView(View):
    """Where an account's notices are sent, without its address, which is secret."""

    id: str
    app_id: str | None
    kind: str
    name: str
    created_at: Moment
    disabled: bool


class WarnedTargetView(TargetView):
    """Where an account's notices are sent; `warning` says why nothing would arrive there, and is empty otherwise."""

    warning: str


class SecretTargetView(WarnedTargetView):
    """Where an account's notices are sent, with what they are signed with."""

    secret: str


class PackageView(View):
    """So many calls of one app: of `calls`, `consumed` were billed, `reserved` are held by calls under way."""

    id: str
    app_id: str
    order_id: str | None
    calls: int
    reserved: int
    consumed: int
    left: int
    valid_from: Moment
    valid_to: Moment
    created_at: Moment
    closed_at: Moment | None


class UsageView(View):
    """Calls of one app, package and outcome in one hour or day."""

    app_id: str
    start: Moment
    day: date = Field(description="The day in ZIYAN_TIMEZONE")
    package_id: str
    code: str
    calls: int
    billed: int
    ms: int
    bytes_in: int

    @classmethod
    def in_zone(cls, total: Total, zone: tzinfo) -> UsageView:
        """The view of a sum, with its day in a zone."""
        return cls.of(total, day=day_of(total.start, zone))


class EventView(View):
    """What became of one call."""

    at: Moment
    id: str
    app_id: str
    package_id: str
    status: int
    code: str
    billed: bool
    ms: int
    bytes_in: int


class TokenView(View):
    """A token of the admin or the buyer API, without what its holder sends."""

    id: str
    name: str
    account_id: str | None
    scopes: list[str]
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    used_at: Moment | None


class SecretTokenView(TokenView):
    """A token with what its holder sends, which is shown once."""

    token: str


class LoginView(View):
    """Somebody who signs in to the pages."""

    id: str
    account_id: str | None
    name: str
    role: str
    created_at: Moment
    disabled_at: Moment | None
    used_at: Moment | None
    scopes: str = Field(description="Of an operator, separated by commas; empty for all")


class SecretLoginView(LoginView):
    """A login with its password, which is shown once."""

    password: str


class DeliveryView(View):
    """How a notice fares on its way to a target: what waits has a next attempt, what failed was given up."""

    id: str
    notice_id: str
    account_id: str
    app_id: str | None
    kind: str
    target_id: str
    target_kind: str
    target_name: str
    state: str
    attempts: int
    created_at: Moment
    next_at: Moment | None
    sent_at: Moment | None
    error: str


class EntryView(View):
    """Something that was changed, or shown although it is secret."""

    id: int
    at: Moment
    actor: str
    action: str
    object_kind: str
    object_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def _shown(record: Credential) -> dict[str, Any]:
    names = ("id", "kind", "created_at", "expires_at", "revoked_at", "identifier", "secret")
    secret = record.kind == Kind.APPCODE
    digests = {Kind.APPCODE: "", Kind.APPKEY: "HmacSHA256 or HmacSHA1"}
    return {
        **{name: getattr(record, name) for name in names},
        "name": f"{record.identifier[:4]}…" if secret else record.identifier,
        "digest": digests.get(record.kind, "HMAC-SHA256" if is_hmac_appid(record.identifier) else "md5"),
    }
