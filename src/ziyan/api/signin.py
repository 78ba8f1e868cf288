"""Who is calling (``docs/contract.md`` §3): the first credential present decides."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from starlette.datastructures import Headers

from ziyan.api import own_platform
from ziyan.api.refusals import (
    APP_DISABLED,
    INVALID_BODY,
    NO_CREDENTIAL,
    NONCE_USED,
    TIMESTAMP_EXPIRED,
    UNKNOWN_APPCODE,
    UNKNOWN_APPKEY,
    WRONG_MD5,
    GatewayRefusedError,
    bad_signature,
)
from ziyan.api.replay import Claim
from ziyan.api.request import Request
from ziyan.api.signature import SignedRequest, content_md5, echo, is_signed, signs_against_replay, string_to_sign
from ziyan.metering import once
from ziyan.metering.credentials import App, Kind, app_of_appcode, find_credential
from ziyan.metering.store import Store
from ziyan.settings import Settings

#: The contract's pattern; the first run of blanks never gives back (``*+``), so a long one costs nothing.
_APPCODE: Final = re.compile(r"(?i)^appcode[ \t]*+[:=]?[ \t]*(\S+)$")
_BEARER: Final = re.compile(r"(?i)^bearer[ \t]++(\S+)$")
_WINDOW_MS: Final = 15 * 60 * 1000
_NONCE: Final = "nonce"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and may.

    Attributes:
        app: The caller's app.
        claim: What of this call may be billed once only, if anything.
    """

    app: App
    claim: Claim | None = None


async def sign_in(store: Store, settings: Settings, request: Request) -> Caller:
    """The caller of a request, whose app goes into the log as soon as it is proven.

    An AppCode is judged before the body is read, what is signed after that.

    Raises:
        GatewayRefusedError: No credential, an unknown or a disabled one, a bad signature; or the body cannot be read,
            or has another MD5 than its header says.
        CheckError: An own-platform call was refused.
        ClientGoneError: The caller hung up.
        StoreError: The database is away.
    """
    if app := await _gateway_app(store, settings, request):
        return Caller(app)
    await _require_own_platform(request)
    app, claim = await own_platform.sign_in(store, request, now=_now())
    await _check_content_md5(request)
    return Caller(app, claim)


async def require_app(store: Store, settings: Settings, request: Request, *, bearer: bool) -> App:
    """The app that calls by AppCode or by AppKey and signature, where there is no own-platform mode.

    Args:
        store: Where apps are kept.
        settings: What is accepted.
        request: The request.
        bearer: Take ``Authorization: Bearer <AppCode>`` too.

    Raises:
        GatewayRefusedError: As ``sign_in``.
        ClientGoneError: The caller hung up.
        StoreError: The database is away.
    """
    app = await _gateway_app(store, settings, request, bearer=bearer)
    if app is None:
        raise GatewayRefusedError(NO_CREDENTIAL)
    return app


async def _gateway_app(store: Store, settings: Settings, request: Request, *, bearer: bool = False) -> App | None:
    """The app that a gateway's credential is of; None where there is no such credential."""
    patterns = (_APPCODE, _BEARER) if bearer else (_APPCODE,)
    query = request.query if settings.appcode_in_query else {}
    if appcode := _appcode_of(request.headers, query, patterns):
        app = await _by_appcode(store, request, appcode)
        await _check_content_md5(request)
        return app
    if appkey := request.headers.get("x-ca-key", "").strip():
        return await _by_signature(store, settings, request, appkey)
    return None


def _appcode_of(headers: Headers, query: Mapping[str, bytes], patterns: Sequence[re.Pattern[str]]) -> str | None:
    for value in headers.getlist("authorization"):
        for pattern in patterns:
            if found := pattern.match(value.strip()):
                return found[1]
    for name, raw in query.items():
        if name.lower() == "appcode" and raw.strip():
            return raw.strip().decode("utf-8", "replace")
    return None


async def _by_appcode(store: Store, request: Request, appcode: str) -> App:
    app = await app_of_appcode(store, appcode)
    if app is None:
        raise GatewayRefusedError(UNKNOWN_APPCODE)
    _admit(request, app)
    return app


async def _by_signature(store: Store, settings: Settings, request: Request, appkey: str) -> App:
    found = await find_credential(store, Kind.APPKEY, appkey)
    if found is None:
        raise GatewayRefusedError(UNKNOWN_APPKEY)
    app, credential = found
    signed, now = await request.signed(), _now()
    replayable = not settings.replayable_signatures and not signs_against_replay(signed)
    if replayable or not await request.over_content(partial(is_signed, signed, credential.secret)):
        internal = "signs no moment and nonce, which ZIYAN_REPLAYABLE_SIGNATURES refuses" if replayable else ""
        raise GatewayRefusedError(bad_signature(echo(string_to_sign(signed))), internal=internal)
    _admit(request, app)
    moment = _moment_of(signed, now)
    await _check_content_md5(request)
    if nonce := signed.headers.get("x-ca-nonce", b""):
        used = f"{credential.id}:{nonce.hex()}"
        if not await once.take(store, _NONCE, used, now=now, until=moment + _WINDOW_MS + 1):
            raise GatewayRefusedError(NONCE_USED)
    return app


def _moment_of(signed: SignedRequest, now: int) -> int:
    """When a request was signed, in milliseconds since 1970; now, where it does not say."""
    text = signed.headers.get("x-ca-timestamp", b"")
    if not text:
        return now
    if not re.fullmatch(rb"[0-9]{1,15}", text) or abs(int(text) - now) > _WINDOW_MS:
        raise GatewayRefusedError(TIMESTAMP_EXPIRED)
    return int(text)


async def _check_content_md5(request: Request) -> None:
    """Refuse a body that is not the one its sender meant, whichever way that one signed in."""
    said = request.headers.get("content-md5", "").strip().encode()
    if said and said != await request.over_content(partial(content_md5, await request.content())):
        raise GatewayRefusedError(WRONG_MD5)


async def _require_own_platform(request: Request) -> None:
    """Refuse a request that has no credential at all, whatever else is wrong with it."""
    if own_platform.is_meant(request.query):
        return
    try:
        form = await request.form()
    except GatewayRefusedError as error:
        raise GatewayRefusedError(NO_CREDENTIAL if error.row == INVALID_BODY else error.row) from None
    if not own_platform.is_meant(form.fields):
        raise GatewayRefusedError(NO_CREDENTIAL)


def _admit(request: Request, app: App) -> None:
    request.call.app = app.id
    if app.disabled:
        raise GatewayRefusedError(APP_DISABLED)


def _now() -> int:
    return time.time_ns() // 1_000_000
