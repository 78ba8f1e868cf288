"""``POST /ocr`` as an OpenAPI 3.1 document, made from the tables that the service answers by.

What OpenAPI cannot say stays in ``docs/contract.md``: status 666 (it knows 1xx to 5xx, so it stands under ``default``),
bodies without a Content-Type, and the case of header names.
"""

from __future__ import annotations

from typing import Any, Final

from ziyan import __version__
from ziyan.api import refusals
from ziyan.api.refusals import Check, CheckError, GatewayError, wrong_path
from ziyan.fetch import MAX_URL_CHARS

VERSION: Final = "3.1.0"
_STRING: Final = {"type": "string"}
_FIELDS: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "img": {
            **_STRING,
            "description": "Base64 of a JPEG, PNG or GIF of at most 1 MiB, or that behind `data:…;base64,`",
        },
        "url": {
            **_STRING,
            "description": f"http or https address of such a picture, at most {MAX_URL_CHARS} characters",
        },
        "ver": {"enum": ["0", "1"], "description": "`0` or absent: one string; `1`: a list of lines", "default": "0"},
    },
}
_FORMS: Final = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data")
_JSON: Final = "application/json; charset=UTF-8"


def gateway_rows() -> list[GatewayError]:
    """Every row of the contract's §4 that the service can answer with."""
    rows = [row for row in vars(refusals).values() if isinstance(row, GatewayError)]
    return [*rows, wrong_path("GET", b"/x")]


def document() -> dict[str, Any]:
    """The whole document; a new one for each call."""
    return {
        "openapi": VERSION,
        "info": {
            "title": "Ziyan",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Reads the text in a picture. The authority for every detail is docs/contract.md.",
        },
        "paths": {"/ocr": {"post": _operation()}},
        "components": {
            "securitySchemes": {
                "appcode": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`APPCODE <AppCode>`",
                }
            }
        },
    }


def _operation() -> dict[str, Any]:
    return {
        "operationId": "ocr",
        "summary": "Read the text in a picture",
        "description": "Give either `img` or `url`. Fields may stand in the query string too; those of the body win.",
        "security": [{"appcode": []}],
        "requestBody": {"required": True, "content": {form: {"schema": _fields(form)} for form in _FORMS}},
        "responses": {"200": _success(), **_gateway_answers(), "default": _failure()},
    }


def _fields(form: str) -> dict[str, Any]:
    properties = dict(_FIELDS["properties"])
    if form == "multipart/form-data":
        properties["img"] = {**properties["img"], "description": "The file itself, or its base64"}
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
        "content": {_JSON: {"schema": _answer(1, "查询成功", {"anyOf": [_STRING, lines]})}},
    }


def _failure() -> dict[str, Any]:
    return {
        "description": f"Status {CheckError.status}: the request did not pass a check; `msg` says which. Not billed.",
        "headers": {**_headers(), "X-Ca-Error-Message": _header({"const": "OK"})},
        "content": {_JSON: {"schema": _answer(0, [check.value for check in Check])}},
    }


def _answer(ok: int, msg: str | list[str], data: dict[str, Any] | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {"ok": {"const": ok}, "msg": {"const": msg} if isinstance(msg, str) else {"enum": msg}}
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
    }


def _header(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "schema": schema}
