"""Signers of the other ways of signing in, written after docs/contract.md and not with the verifier's code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from functools import partial
from urllib.parse import urlencode

from tests.api.wire import Reply, fingerprint, request
from ziyan.metering.credentials import Credential

md5 = partial(hashlib.md5, usedforsecurity=False)

PICTURE = bytes(range(256))
B64 = base64.b64encode(PICTURE).decode()
READ = fingerprint(PICTURE)
FORM = "application/x-www-form-urlencoded"
STREAM = "application/octet-stream"
MINUTE = 60_000


def now() -> int:
    return time.time_ns() // 1_000_000


def error_of(reply: Reply) -> tuple[int, str, str]:
    assert (reply.body, reply["Content-Type"], reply["X-Ziyan-Billed"]) == (b"", "text/plain", "0")
    return reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]


def msg_of(reply: Reply) -> str:
    assert (reply.status, reply["X-Ca-Error-Message"]) == (666, "OK")
    found: str = json.loads(reply.body)["msg"]
    return found


def was_read(reply: Reply) -> bool:
    return (reply.status, json.loads(reply.body or b"{}").get("data")) == (200, READ)


_nonces = iter(range(1_000_000))


def signed(
    key: Credential,
    parameters: dict[str, str] | None = None,
    *,
    content: bytes | None = None,
    content_type: str = FORM,
    listed: str | None = "X-Ca-Key,X-Ca-Nonce,X-Ca-Timestamp",
    sign: Callable[[str], str] = lambda text: text,
    target: str = "/ocr",
    minutes: int = 0,
    **headers: str,
) -> bytes:
    """A call signed after the contract, so many ``minutes`` from now.

    ``sign`` may change what is signed, ``content`` is another body than a form.
    """
    parameters = {"img": B64} if parameters is None else parameters
    body = urlencode(parameters).encode() if content is None else content
    sent = {
        "Accept": "application/json",
        "Content-Type": content_type,
        "X-Ca-Key": key.identifier,
        "X-Ca-Nonce": f"nonce {next(_nonces)}",
        "X-Ca-Timestamp": str(now() + minutes * MINUTE),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    if listed is not None:
        sent["X-Ca-Signature-Headers"] = listed
    path, _, query = target.partition("?")
    pairs = dict(pair.partition("=")[::2] for pair in query.split("&") if pair)
    if content is None:
        pairs |= parameters
    resource = "&".join(f"{name}={value}" if value else name for name, value in sorted(pairs.items()))
    text = "".join(
        [
            "POST\n",
            *(f"{sent.get(name, '')}\n" for name in ("Accept", "Content-MD5", "Content-Type", "Date")),
            *(f"{name}:{sent.get(name, '')}\n" for name in sorted(filter(None, (listed or "").split(",")))),
            f"{path}?{resource}" if resource else path,
        ]
    )
    digest = hashlib.sha1 if sent.get("X-Ca-Signature-Method") == "HmacSHA1" else hashlib.sha256
    made = hmac.new(key.secret.encode(), sign(text).encode(), digest).digest()
    sent["X-Ca-Signature"] = base64.b64encode(made).decode()
    lines = tuple(f"{name}: {value}" for name, value in sent.items())
    return request(body, content_type=None, headers=lines, target=target)


_moments = [0]


def _moment() -> int:
    """This moment, or a little later: no two calls are alike."""
    _moments.append(max(now(), _moments.pop() + 1))
    return _moments[0]


def own_parameters(appid: Credential, parameters: dict[str, str] | None = None, **more: str) -> dict[str, str]:
    """Parameters with a sign made after the contract; ``more`` goes in before it is made."""
    signed_ = {
        "img": B64,
        **(parameters or {}),
        "appid": appid.identifier,
        "sendtime": str(_moment()),
        **more,
    }
    return signed_ | {"sign": own_sign(appid, signed_)}


def own_sign(appid: Credential, parameters: dict[str, str]) -> str:
    base = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()) if value and name != "sign")
    base += f"&key={appid.secret}"
    if appid.identifier.startswith("h"):
        return hmac.new(appid.secret.encode(), base.encode(), hashlib.sha256).hexdigest()
    return md5(base.encode()).hexdigest()


def own_call(appid: Credential, parameters: dict[str, str] | None = None, **more: str) -> bytes:
    return request(urlencode(own_parameters(appid, parameters, **more)).encode())


def form(parameters: dict[str, str], **more: object) -> bytes:
    return request(urlencode(parameters).encode(), **more)
