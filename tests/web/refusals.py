"""What makes the service refuse a call of the try page, each row of the contract's tables by a call that earns it.

The page's own form makes some of them.  The rest are what an extension, a proxy or somebody else's script would
make of its call: the request is changed on its way, the answer never.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from urllib.parse import urlencode

from PIL import Image
from sqlalchemy import text
from urllib3.filepost import encode_multipart_formdata

from tests.api.signers import form, now, own_call, signed
from tests.api.wire import request
from tests.desk import set_app_disabled, set_app_sources
from ziyan.api.refusals import KEY_REUSED, Check, SignInCheck
from ziyan.api.server import SAMPLE_PICTURE
from ziyan.metering.credentials import Registration, register_app
from ziyan.metering.packages import grant
from ziyan.metering.store import Store

SAMPLE = SAMPLE_PICTURE.read_bytes()
BASE64 = base64.b64encode(SAMPLE).decode()
#: Larger than any body of ``/ocr``, and than any at all of a service whose ZIYAN_BODY_MEMORY is 8.
HUGE = b"x" * (9 << 20)


@dataclass
class Callers:
    """Apps of a service, each in the state that its name says.

    Attributes:
        store: The service's.
        web: Address of a web server that it may fetch from.
    """

    store: Store
    web: str
    good: Registration = field(init=False)
    disabled: Registration = field(init=False)
    denied: Registration = field(init=False)
    poor: Registration = field(init=False)
    late: Registration = field(init=False)

    def __post_init__(self) -> None:
        """Register them."""
        self.good, self.disabled, self.denied, self.poor, self.late = (
            register_app(self.store, name) for name in ("good", "disabled", "denied", "poor", "late")
        )
        for caller in (self.good, self.disabled, self.denied, self.late):
            grant(self.store, caller.app.id, 10_000)
        set_app_disabled(self.store, self.disabled.app.id, disabled=True)
        set_app_sources(self.store, self.denied.app.id, allowed=(), denied=("127.0.0.0/8",))
        past = text("UPDATE packages SET valid_from = 1, valid_to = 2 WHERE app_id = :app")
        self.store.transact(lambda connection: connection.execute(past, {"app": self.late.app.id}), write=True)


@dataclass(frozen=True)
class Act:
    """What somebody does on the page.

    Attributes:
        appcode: What they fill in; None leaves a good one.
        url: What they type.
        file: What they choose, where they type nothing.
        instead: What goes out instead of what the page sends.
        before: What another client has sent before.
    """

    appcode: str | None = None
    url: str = ""
    file: bytes = SAMPLE
    instead: bytes = b""
    before: bytes = b""


Acts = dict[str, Callable[[Callers], Act]]


def _instead(made: Callable[[Callers], bytes]) -> Callable[[Callers], Act]:
    return lambda callers: Act(instead=made(callers))


def _twice(made: Callable[[Callers], bytes]) -> Callable[[Callers], Act]:
    """What may be sent once only."""

    def act(callers: Callers) -> Act:
        sent = made(callers)
        return Act(instead=sent, before=sent)

    return act


def _filled(name: str) -> Callable[[Callers], Act]:
    return lambda callers: Act(appcode=getattr(callers, name).appcode)


def _typed(path: str) -> Callable[[Callers], Act]:
    return lambda callers: Act(url=callers.web + path)


def _own(**parameters: str) -> Callable[[Callers], Act]:
    """Own-platform parameters that go out instead; the AppCode stays out."""
    return _instead(lambda _: form({"img": BASE64, **parameters}))


def _with(parameters: dict[str, str], **more: object) -> Callable[[Callers], Act]:
    return _instead(lambda callers: form(parameters, appcode=callers.good.appcode, **more))


def _pixels(width: int, height: int) -> bytes:
    """A picture of one colour: few bytes, many pixels."""
    file = BytesIO()
    Image.new("1", (width, height)).save(file, "PNG")
    return file.getvalue()


def _wrong_signature(target: str, content: bytes | None) -> Callable[[Callers], Act]:
    """Signed with another secret than the key's own."""

    def sent(callers: Callers) -> bytes:
        wrong = replace(callers.good.appkey, secret="0" * 32)
        return _signed(wrong, target, content)

    return _instead(sent)


def _signed(key: object, target: str, content: bytes | None, minutes: int = 0) -> bytes:
    kind = {"content_type": "image/png"} if content else {}
    return signed(key, {"img": BASE64}, content=content, target=target, minutes=minutes, **kind)  # type: ignore[arg-type]


def _signing(target: str, content: bytes | None) -> Iterator[Callable[[Callers], Act]]:
    """A wrong key, a wrong signature, one too old, and one whose nonce was used."""
    yield _instead(lambda callers: _signed(replace(callers.good.appkey, identifier="1"), target, content))
    yield _wrong_signature(target, content)
    yield _instead(lambda callers: _signed(callers.good.appkey, target, content, minutes=-16))
    yield _twice(lambda callers: _signed(callers.good.appkey, target, content))


BROKEN = SAMPLE[:3000]
SHARED = ("good", "disabled", "poor", "late")
_UNKNOWN_KEY, _WRONG_SIGNATURE, _OLD, _NONCE = _signing("/ocr", None)
_SOON = str(now() + 60_000)  # within five minutes for as long as these tests take

#: Rows of ``/ocr``: a ``msg`` or an ``X-Ca-Error-Code``, and what earns it.
OCR: Acts = {
    Check.VER: _with({"img": BASE64, "ver": "7"}),
    Check.BOTH: _with({"img": BASE64, "url": "http://example.com/a.png"}),
    Check.NEITHER: _with({"img": "", "url": ""}),
    Check.URL_DOWNLOAD: _typed("/nothing.png"),
    Check.URL_FORMAT: _typed("/page.html"),
    Check.IMG: lambda _: Act(file=BROKEN),
    SignInCheck.APPID_MISSING: _own(sendtime=_SOON, sign="f" * 32),
    SignInCheck.APPID_LENGTH: _own(appid="a" * 33),
    SignInCheck.SENDTIME_MISSING: _own(appid="a"),
    SignInCheck.SENDTIME_LENGTH: _own(appid="a", sendtime="1" * 14),
    SignInCheck.SENDTIME_EXPIRED: _own(appid="a", sendtime="1"),
    SignInCheck.SIGN_MISSING: _instead(lambda _: form({"img": BASE64, "appid": "a", "sendtime": str(now())})),
    SignInCheck.SIGN_LENGTH: _instead(
        lambda _: form({"img": BASE64, "appid": "a", "sendtime": str(now()), "sign": "f" * 33})
    ),
    SignInCheck.SIGN_WRONG: _instead(
        lambda _: form({"img": BASE64, "appid": "a", "sendtime": str(now()), "sign": "f" * 32})
    ),
    SignInCheck.APPID_DISABLED: _instead(lambda callers: own_call(callers.disabled.appid, {"img": BASE64})),
    SignInCheck.ASTERISK: _instead(lambda callers: own_call(callers.good.appid, {"img": BASE64, "note": "*"})),
    SignInCheck.SOURCE: _instead(lambda callers: own_call(callers.denied.appid, {"img": BASE64})),
    KEY_REUSED: lambda callers: Act(
        before=form({"img": BASE64}, appcode=callers.good.appcode, headers=("Idempotency-Key: one",)),
        instead=form({"img": BASE64, "ver": "1"}, appcode=callers.good.appcode, headers=("Idempotency-Key: one",)),
    ),
    "I400MH": lambda _: Act(appcode=""),
    "A400AC": lambda _: Act(appcode="0" * 32),
    "A400IK": _UNKNOWN_KEY,
    "A403IS": _WRONG_SIGNATURE,
    "S403TE": _OLD,
    "S403NU": _NONCE,
    "I400I5": _with({"img": BASE64}, headers=("Content-MD5: AAAA",)),
    "I403AA": _filled("disabled"),
    "B403MQ": _filled("poor"),
    "B403ME": _filled("late"),
    "I404NF": _with({"img": BASE64}, target="/orc"),
    "I405UM": _with({"img": BASE64}, method="PUT"),
    "I400BD": _instead(lambda callers: request(b"{", content_type="application/json", appcode=callers.good.appcode)),
    "I413RL": _instead(lambda callers: request(HUGE, appcode=callers.good.appcode)),
}


def _native(
    body: bytes = SAMPLE, kind: str | None = "image/png", query: str = "", **more: object
) -> Callable[[Callers], Act]:
    target = more.pop("target", f"/v1/ocr?{query}" if query else "/v1/ocr")
    return _instead(
        lambda callers: request(body, content_type=kind, appcode=callers.good.appcode, target=target, **more)  # type: ignore[arg-type]
    )


_JSON = "application/json"
_BOTH, _BOTH_TYPE = encode_multipart_formdata({"image": ("a.png", SAMPLE), "url": "http://example.com/a.png"})
_, _N_WRONG, _N_OLD, _N_NONCE = _signing("/v1/ocr", SAMPLE)

#: Rows of the native API, by their code.
NATIVE: Acts = {
    "credential_missing": lambda _: Act(appcode=""),
    "credential_invalid": _N_WRONG,
    "signature_expired": _N_OLD,
    "nonce_used": _N_NONCE,
    "app_disabled": _filled("disabled"),
    "quota_exhausted": _filled("poor"),
    "subscription_expired": _filled("late"),
    "idempotency_key_reused": lambda callers: Act(
        before=request(
            SAMPLE, content_type="image/png", appcode=callers.good.appcode, target="/v1/ocr",
            headers=("Idempotency-Key: two", "Accept: application/json"),
        ),
        instead=request(
            SAMPLE, content_type="image/png", appcode=callers.good.appcode, target="/v1/ocr",
            headers=("Idempotency-Key: two", "Accept: text/plain"),
        ),
    ),
    "malformed_request": _native(b"{", _JSON),
    "content_md5_mismatch": _native(headers=("Content-MD5: AAAA",)),
    "picture_missing": _native(b"{}", _JSON),
    "picture_ambiguous": _native(_BOTH, _BOTH_TYPE),
    "not_base64": _native(json.dumps({"image": "?!"}).encode(), _JSON),
    "bad_option": _native(query="detail=letter"),
    "model_not_offered": _native(query="model=medium"),
    "not_found": _native(target="/v1/orc"),
    "method_not_allowed": _native(method="PUT"),
    "not_acceptable": _native(headers=("Accept: image/png",)),
    "unsupported_content_type": _native(b"hello", "text/plain"),
    "unsupported_image": _typed("/page.html"),
    "image_too_large": _native(_pixels(9000, 8000)),
    "undecodable_image": lambda _: Act(file=BROKEN),
    "fetch_failed": _typed("/nothing.png"),
}  # fmt: skip

#: Rows that follow from what the service has to bear; a test each brings it about.
OCR_UNDER_STRAIN = frozenset({"X503BZ", "X503DB", "T429SR", "D504TO", "X500ER"})
NATIVE_UNDER_STRAIN = frozenset({
    "engine_busy", "service_busy", "body_too_large", "store_unavailable", "rate_limited",
    "engine_timeout", "reader_crashed", "model_unavailable",
})  # fmt: skip

#: Rows that no call can earn, and why.
NATIVE_BEYOND_REACH = {
    "bad_image": "the parent of the three rows of pictures; every picture that is refused has one of those",
    "internal_error": "a fault in the service's own code; one that is known is mended",
    "engine_failed": "a fault in the reader's own code; one that is known is mended",
    "engine_closed": "a service that stops finishes what it has accepted and takes no other connection: "
    "the page says that it cannot be reached",
}


def altered(raw: bytes) -> dict[str, object]:
    """Arguments for Playwright that send the request ``raw`` instead, but for its address."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    for name in ("Host", "Content-Length"):
        headers.pop(name)
    return {"method": first.split()[0], "headers": headers, "post_data": body}


def target_of(raw: bytes) -> str:
    """The path and query of a request."""
    return raw.split(b" ", 2)[1].decode("latin-1")


def filler(appcode: str) -> bytes:
    """A call of somebody else."""
    return request(urlencode({"img": BASE64}).encode(), appcode=appcode)
