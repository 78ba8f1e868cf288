"""Who is calling (``docs/contract.md`` §3): the first credential present decides."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
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
    if appcode := _appcode_of(request.headers, request.query if settings.appcode_in_query else {}):
        app = await _by_appcode(store, request, appcode, admit)
        await _check_content_md5(request)
        return Caller(app)
    if appkey := request.headers.get("x-ca-key", "").strip():
        return Caller(await _by_signature(store, settings, request, appkey, admit))
    await _require_own_platform(request)
    app, claim = await own_platform.sign_in(store, request, now=_now())
    admit(app)
    await _check_content_md5(request)
    return Caller(app, claim)


def _appcode_of(headers: Headers, query: Mapping[str, bytes]) -> str | None:
    for value in headers.getlist("authorization"):
        if found := _APPCODE.match(value.strip()):
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
) -> App:
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


def _admit(request: Request, app: App, admit: Callable[[App], None]) -> None:
    request.call.app = app.id
    if app.disabled:
        raise GatewayRefusedError(APP_DISABLED)
    admit(app)


def _now() -> int:
    return time.time_ns() // 1_000_000
