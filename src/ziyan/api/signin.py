"""Who is calling (``docs/contract.md`` §3): the first credential present decides."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from starlette.datastructures import Headers

from ziyan.api import own_platform
from ziyan.api.refusals import (
    APP_DISABLED,
    INVALID_BODY,
    NO_CREDENTIAL,
    TIMESTAMP_EXPIRED,
    UNKNOWN_APPCODE,
    UNKNOWN_APPKEY,
    WRONG_MD5,
    GatewayRefusedError,
    bad_signature,
)
from ziyan.api.replay import NONCE, Claim
from ziyan.api.request import Request
from ziyan.api.signature import SignedRequest, content_md5, echo, is_signed, signs_against_replay, string_to_sign
from ziyan.metering.credentials import App, Kind, app_of_appcode, find_credential
from ziyan.metering.store import Store
from ziyan.settings import Settings

#: The contract's pattern; the first run of blanks never gives back (``*+``), so a long one costs nothing.
_APPCODE: Final = re.compile(r"(?i)^appcode[ \t]*+[:=]?[ \t]*(\S+)$")
_BEARER: Final = re.compile(r"(?i)^bearer[ \t]++(\S+)$")
_WINDOW_MS: Final = 15 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and may.

    Attributes:
        app: The caller's app.
        claim: What of this call is honoured once only, if anything; not taken yet.
    """

    app: App
    claim: Claim | None = None


async def sign_in(store: Store, settings: Settings, request: Request, *, admit: Callable[[App], None]) -> Caller:
    """The caller of a request, whose app goes into the log as soon as it is proven.

    An AppCode is judged before the body is read, what is signed after that.

    Args:
        store: Where apps are kept.
        settings: What may be sent.
        request: The request.
        admit: Gets the app once it is proven, and raises if the app may not call just now; nothing that
            can be used once only has been used up then.

    Raises:
        GatewayRefusedError: As ``admit``; no credential, an unknown or a disabled one, a bad signature; or the body
            cannot be read, or has another MD5 than its header says.
        CheckError: An own-platform call was refused.
        ClientGoneError: The caller hung up.
        StoreError: The database is away.
    """
    if caller := await _gateway_caller(store, settings, request, admit):
        return caller
    await _require_own_platform(request)
    app, claim = await own_platform.sign_in(store, request, now=_now())
    admit(app)
    await _check_content_md5(request)
    return Caller(app, claim)


async def require_caller(
    store: Store, settings: Settings, request: Request, *, admit: Callable[[App], None], bearer: bool
) -> Caller:
    """Who calls by AppCode or by AppKey and signature, where there is no own-platform mode.

    Args:
        store: Where apps are kept.
        settings: What is accepted.
        request: The request.
        admit: As in ``sign_in``.
        bearer: Take ``Authorization: Bearer <AppCode>`` too.

    Raises:
        GatewayRefusedError: As ``sign_in``.
        ClientGoneError: The caller hung up.
        StoreError: The database is away.
    """
    caller = await _gateway_caller(store, settings, request, admit, bearer=bearer)
    if caller is None:
        raise GatewayRefusedError(NO_CREDENTIAL)
    return caller


async def _gateway_caller(
    store: Store, settings: Settings, request: Request, admit: Callable[[App], None], *, bearer: bool = False
) -> Caller | None:
    """Whom a gateway's credential is of; None where there is no such credential."""
    patterns = (_APPCODE, _BEARER) if bearer else (_APPCODE,)
    query = request.query if settings.appcode_in_query else {}
    if appcode := _appcode_of(request.headers, query, patterns):
        app = await _by_appcode(store, request, appcode, admit)
        await _check_content_md5(request)
        return Caller(app)
    if appkey := request.headers.get("x-ca-key", "").strip():
        return await _by_signature(store, settings, request, appkey, admit)
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


async def _by_appcode(store: Store, request: Request, appcode: str, admit: Callable[[App], None]) -> App:
    app = await app_of_appcode(store, appcode)
    if app is None:
        raise GatewayRefusedError(UNKNOWN_APPCODE)
    _admit(request, app, admit)
    return app


async def _by_signature(
    store: Store, settings: Settings, request: Request, appkey: str, admit: Callable[[App], None]
) -> Caller:
    found = await find_credential(store, Kind.APPKEY, appkey)
    if found is None:
        raise GatewayRefusedError(UNKNOWN_APPKEY)
    app, credential = found
    signed, now = await request.signed(), _now()
    replayable = not settings.replayable_signatures and not signs_against_replay(signed)
    if replayable or not await request.over_content(partial(is_signed, signed, credential.secret)):
        internal = "signs no moment and nonce, which ZIYAN_REPLAYABLE_SIGNATURES refuses" if replayable else ""
        raise GatewayRefusedError(bad_signature(echo(string_to_sign(signed))), internal=internal)
    _admit(request, app, admit)
    moment = _moment_of(signed, now)
    await _check_content_md5(request)
    nonce = signed.headers.get("x-ca-nonce", b"")
    if not nonce:
        return Caller(app)
    return Caller(app, Claim(NONCE, f"{credential.id}:{nonce.hex()}", until=moment + _WINDOW_MS + 1))


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


def _admit(request: Request, app: App, admit: Callable[[App], None]) -> None:
    request.call.app = app.id
    if app.disabled:
        raise GatewayRefusedError(APP_DISABLED)
    admit(app)


def _now() -> int:
    return time.time_ns() // 1_000_000
