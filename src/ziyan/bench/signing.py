"""How a client that ``overhead`` is measured with signs in, in each of the three ways."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

from ziyan.api.form import FORM_TYPE, parse_pairs
from ziyan.api.own_platform import make_sign
from ziyan.api.signature import SignedRequest, sign, string_to_sign
from ziyan.metering.credentials import Registration

#: Headers, and what is put behind the form's body.
Sent = tuple[dict[str, str], bytes]
SignIn = Callable[[Registration, bytes], Sent]

CONTENT_TYPE: Final = f"{FORM_TYPE}; charset=UTF-8"
_LISTED: Final = ("X-Ca-Key", "X-Ca-Nonce", "X-Ca-Timestamp")


def by_appcode(caller: Registration, body: bytes) -> Sent:
    """With an AppCode."""
    return {"Authorization": f"APPCODE {caller.appcode}"}, b""


def by_signature(caller: Registration, body: bytes) -> Sent:
    """With AppKey and signature, of moment and nonce too."""
    headers = {
        "X-Ca-Key": caller.appkey.identifier,
        "X-Ca-Nonce": uuid4().hex,
        "X-Ca-Timestamp": _now(),
        "X-Ca-Signature-Headers": ",".join(_LISTED),
    }
    signed = {"content-type": CONTENT_TYPE.encode(), **{name.lower(): text.encode() for name, text in headers.items()}}
    text = string_to_sign(SignedRequest(b"POST", b"/ocr", signed, parse_pairs(body)))
    return {**headers, "X-Ca-Signature": sign(text, caller.appkey.secret).decode()}, b""


def by_sign(caller: Registration, body: bytes) -> Sent:
    """In own-platform mode."""
    more = {"appid": caller.appid.identifier, "sendtime": _now()}
    signed = parse_pairs(body) | {name: value.encode() for name, value in more.items()}
    more["sign"] = make_sign(signed, caller.appid.secret)
    return {}, b"&" + urlencode(more).encode()


#: By the names that ``--signin`` takes.
SIGN_IN: Final[dict[str, SignIn]] = {"appcode": by_appcode, "appkey": by_signature, "platform": by_sign}


def _now() -> str:
    return str(time.time_ns() // 1_000_000)
