"""The service as an OpenAPI 3.1 document, made from the tables that it answers by.

What OpenAPI cannot say of ``/ocr`` stays in ``docs/contract.md``: status 666 (it knows 1xx to 5xx, so it stands under
``default``), bodies without a Content-Type, and the case of header names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from ziyan import __version__
from ziyan.api import openapi_native, refusals
from ziyan.api.openapi_native import said
from ziyan.api.refusals import Check, CheckError, GatewayError, SignInCheck, bad_signature, wrong_path
from ziyan.fetch import MAX_URL_CHARS

VERSION: Final = "3.1.0"
_STRING: Final = {"type": "string"}
_FIELDS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "img": {
            **_STRING,
            **said(
                "Base64 of a JPEG, PNG or GIF of at most 1 MiB, or that behind `data:…;base64,`",
                "JPEG、PNG 或 GIF 图片的 base64，解码后不超过 1 MiB，前面可带 `data:…;base64,`",
            ),
        },
        "url": {
            **_STRING,
            **said(
                f"http or https address of such a picture, at most {MAX_URL_CHARS} characters",
                f"此类图片的 http 或 https 地址，不超过 {MAX_URL_CHARS} 个字符",
            ),
        },
        "ver": {
            "enum": ["0", "1"],
            "default": "0",
            **said("`0` or absent: one string; `1`: a list of lines", "`0` 或不传：一个字符串；`1`：逐行的列表"),
        },
    },
}
#: Ways of signing in by the names of what each needs, one of them whole; docs/signing.md says how to sign.
_SIGN_IN: Final = {
    "appcode": ("header", "Authorization", "`APPCODE <AppCode>`"),
    "appkey": ("header", "X-Ca-Key", "AppKey"),
    "signature": ("header", "X-Ca-Signature", "Signature made with the AppKey's secret"),
    "appid": ("query", "appid", "appid; may be a field of the body"),
    "sendtime": ("query", "sendtime", "Seconds or milliseconds since 1970; may be a field of the body"),
    "sign": ("query", "sign", "Sign made with the appid's secret; may be a field of the body"),
}
_WAYS: Final = (("appcode",), ("appkey", "signature"), ("appid", "sendtime", "sign"))
_FORMS: Final = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data")
_JSON: Final = "application/json; charset=UTF-8"


def gateway_rows() -> list[GatewayError]:
    """Every row of the contract's §4 that the service can answer with."""
    rows = [row for row in vars(refusals).values() if isinstance(row, GatewayError)]
    return [*rows, wrong_path("GET", b"/x"), bad_signature("")]


def document(models: Sequence[str] = ()) -> dict[str, Any]:
    """The whole document; a new one for each call.

    Args:
        models: Those that a service offers, its own choice first; none says what any service may offer.
    """
    return {
        "openapi": VERSION,
        "info": {
            "title": "Ziyan",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            **said(
                "Reads the text in pictures. The authority for every detail of `/ocr` is docs/contract.md.",
                "识别图片中的文字。`/ocr` 的一切细节以 docs/contract.md 为准。",
            ),
        },
        "paths": {"/ocr": {"post": _operation()}, "/v1/ocr": openapi_native.path_item(models)},
        "components": {
            "securitySchemes": {
                scheme: {"type": "apiKey", "in": place, "name": name, "description": description}
                for scheme, (place, name, description) in _SIGN_IN.items()
            }
            | {"bearer": {"type": "http", "scheme": "bearer", "description": "The AppCode; of `/v1` only"}},
            "schemas": openapi_native.schemas(),
        },
    }


def _operation() -> dict[str, Any]:
    return {
        "operationId": "ocr",
        "summary": "Read the text in a picture, as the marketplace's API does",
        "x-summary-zh": "识别图片中的文字（与云市场接口相同）",
        **said(
            "Give either `img` or `url`. Fields may stand in the query string too; those of the body win.",
            "`img` 与 `url` 二选一。参数也可放在查询串中，以请求体为准。",
        ),
        "security": [{scheme: [] for scheme in way} for way in _WAYS],
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same key, app and request within 24 hours gets the same answer and one charge",
                "schema": _STRING,
            }
        ],
        "requestBody": {"required": True, "content": {form: {"schema": _fields(form)} for form in _FORMS}},
        "responses": {"200": _success(), **_gateway_answers(), "default": _failure()},
    }


def _fields(form: str) -> dict[str, Any]:
    properties = dict(_FIELDS["properties"])
    if form == "multipart/form-data":
        properties["img"] = {**properties["img"], **said("The file itself, or its base64", "图片文件本身，或其 base64")}
    return {**_FIELDS, "properties": properties}


def _success() -> dict[str, Any]:
    lines = {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["words"],
            "properties": {"words": _STRING},
            "additionalProperties": False,
        },
    }
    return {
        "description": "What was read; empty where there is no text",
        "headers": _headers(),
        "content": {_JSON: {"schema": _answer(1, {"const": "查询成功"}, {"anyOf": [_STRING, lines]})}},
    }


def _failure() -> dict[str, Any]:
    return {
        "description": f"Status {CheckError.status}: the request did not pass a check; `msg` says which. Not billed.",
        "headers": {**_headers(), "X-Ca-Error-Message": _header({"const": "OK"})},
        "content": {_JSON: {"schema": _answer(0, _messages())}},
    }


def _messages() -> dict[str, Any]:
    """Every message of a 666; one of them repeats the caller's appid."""
    fixed: list[str] = [
        refusals.KEY_REUSED,
        *Check,
        *(check for check in SignInCheck if check is not SignInCheck.APPID_DISABLED),
    ]
    around = SignInCheck.APPID_DISABLED.split("{appid}")
    return {"anyOf": [{"enum": fixed}, {"pattern": f"^{'.+'.join(map(re.escape, around))}$"}]}


def _answer(ok: int, msg: dict[str, Any], data: dict[str, Any] | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {"ok": {"const": ok}, "msg": msg}
    if data is not None:
        properties["data"] = data
    return {"type": "object", "required": list(properties), "properties": properties, "additionalProperties": False}


def _gateway_answers() -> dict[str, Any]:
    """One response for each status of §4, its rows told apart by two headers."""
    by_status: dict[int, list[GatewayError]] = {}
    for row in gateway_rows():
        by_status.setdefault(row.status, []).append(row)
    return {str(status): _gateway_answer(rows) for status, rows in sorted(by_status.items())}


def _gateway_answer(rows: list[GatewayError]) -> dict[str, Any]:
    headers = {
        **_headers(),
        "X-Ca-Error-Code": _header({"enum": sorted({row.code for row in rows})}),
        "X-Ca-Error-Message": _header(_STRING),
    }
    if any(row.retry_after is not None for row in rows):
        headers["Retry-After"] = _header({"type": "integer", "minimum": 1})
    if allowed := sorted({row.allow for row in rows if row.allow}):
        headers["Allow"] = _header({"enum": allowed})
    told = "; ".join(f"`{row.code}` {row.message}" for row in rows)
    return {
        "description": f"Empty body. {told}",
        "headers": headers,
        "content": {"text/plain": {"schema": {"const": ""}}},
    }


def _headers() -> dict[str, Any]:
    return {
        "X-Ca-Request-Id": _header({"type": "string", "pattern": "^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$"}),
        "X-Ziyan-Billed": _header({"enum": ["0", "1"]}),
        "X-Ziyan-Remaining": {"required": False, "schema": {"type": "integer", "minimum": 0}},
    }


def _header(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "schema": schema}
