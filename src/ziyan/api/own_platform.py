"""Own-platform sign-in: ``appid``, ``sendtime`` and ``sign`` among the parameters (``docs/contract.md`` §3).

The marketplace's page lists what can be refused but no algorithm; docs/adr/0004 says what was chosen, and why.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Container, Mapping
from typing import Final

from ziyan.api.form import Form, name_bytes
from ziyan.api.refusals import CheckError, SignInCheck
from ziyan.api.replay import SIGN, Claim
from ziyan.api.request import Request
from ziyan.metering.credentials import App, Credential, Kind, is_hmac_appid, signed_credential
from ziyan.metering.sources import is_allowed
from ziyan.metering.store import Store

MAX_APPID_CHARS: Final = 32
MAX_SENDTIME_CHARS: Final = 13
WINDOW_MS: Final = 5 * 60 * 1000

_NAMES: Final = ("appid", "sendtime", "sign")
_SECONDS_DIGITS: Final = 10


def is_meant(names: Container[str]) -> bool:
    """Whether parameters of these names mean own-platform mode."""
    return any(name in names for name in _NAMES)


async def sign_in(store: Store, request: Request, *, now: int) -> tuple[App, Claim]:
    """Make the eleven checks, in the contract's order.

    Args:
        store: Where apps are kept.
        request: The request; its body is read.
        now: This moment, in milliseconds since 1970.

    Returns:
        The app that calls, and what of the call may be billed once only.

    Raises:
        CheckError: One of the eleven.
        GatewayRefusedError: The body cannot be read.
        ClientGoneError: The caller hung up.
        StoreError: The database is away.
    """
    form = await request.form()
    parameters = signed_parameters(form, request.query)
    appid, sendtime, sign = (parameters.get(name, b"").decode("utf-8", "replace") for name in _NAMES)
    moment = _check_shape(appid, sendtime, sign, now)
    app, credential = await _verified(store, appid, sign, parameters)
    request.call.app = app.id
    if app.disabled:
        raise CheckError(SignInCheck.APPID_DISABLED, appid=appid)
    if any(b"*" in value for value in (*form.fields.values(), *request.query.values())):
        raise CheckError(SignInCheck.ASTERISK)
    if not is_allowed(app, request.address, request.origin):
        raise CheckError(SignInCheck.SOURCE)
    return app, Claim(SIGN, f"{credential.id}:{sign}", until=moment + WINDOW_MS + 1)


def signed_parameters(form: Form, query: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every parameter that is not empty, with the value that is acted upon: the form's, unless it is blank."""
    merged: dict[str, bytes] = {}
    for source in (query, form.files, form.fields):
        for name, value in source.items():
            if value.strip() or (value and name not in merged):
                merged[name] = value
    return merged


def make_sign(parameters: Mapping[str, bytes], secret: str, *, hmac_sha256: bool = False) -> str:
    """The ``sign`` of parameters: lower-case hex, 32 digits of md5 or 64 of HMAC-SHA256.

    Both are over ``k=v&k=v…&key=<secret>`` of all parameters but ``sign``, sorted by name, values as they are.
    """
    key = secret.encode()
    digest = hmac.new(key, digestmod="sha256") if hmac_sha256 else hashlib.md5(usedforsecurity=False)
    for name in sorted((name for name in parameters if name != "sign"), key=name_bytes):
        digest.update(name_bytes(name) + b"=")
        digest.update(parameters[name])  # by itself: to join a picture to anything is to copy it
        digest.update(b"&")
    digest.update(b"key=" + key)
    return digest.hexdigest()


def _check_shape(appid: str, sendtime: str, sign: str, now: int) -> int:
    """Checks 1 to 7, for which nobody need be known; the moment of ``sendtime``."""
    if not appid.strip():
        raise CheckError(SignInCheck.APPID_MISSING)
    if len(appid) > MAX_APPID_CHARS:
        raise CheckError(SignInCheck.APPID_LENGTH)
    if not sendtime.strip():
        raise CheckError(SignInCheck.SENDTIME_MISSING)
    if len(sendtime) > MAX_SENDTIME_CHARS:
        raise CheckError(SignInCheck.SENDTIME_LENGTH)
    moment = _milliseconds(sendtime)
    if moment is None or abs(moment - now) > WINDOW_MS:
        raise CheckError(SignInCheck.SENDTIME_EXPIRED)
    if not sign.strip():
        raise CheckError(SignInCheck.SIGN_MISSING)
    if len(sign) > (64 if is_hmac_appid(appid) else 32):
        raise CheckError(SignInCheck.SIGN_LENGTH)
    return moment


def _milliseconds(sendtime: str) -> int | None:
    if not re.fullmatch("[0-9]+", sendtime):
        return None
    return int(sendtime) * (1000 if len(sendtime) <= _SECONDS_DIGITS else 1)


async def _verified(store: Store, appid: str, sign: str, parameters: Mapping[str, bytes]) -> tuple[App, Credential]:
    """Check 8.  An unknown appid takes the same way and the same time as a wrong sign."""

    def is_signed(secret: str) -> bool:
        expected = make_sign(parameters, secret, hmac_sha256=is_hmac_appid(appid))
        return hmac.compare_digest(expected.encode(), sign.encode())

    found = await signed_credential(store, Kind.APPID, appid, is_signed)
    if found is None:
        raise CheckError(SignInCheck.SIGN_WRONG)
    return found
