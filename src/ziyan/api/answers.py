"""The contract's answers, byte for byte (``docs/contract.md`` §2 and §4)."""

from __future__ import annotations

import json
from typing import Any, Final

from ziyan.api.headers import Answer, Header
from ziyan.api.refusals import KEY_REUSED, CheckError, GatewayError, gateway_error
from ziyan.errors import KeyReusedError
from ziyan.ocr.types import Page

#: With the charset: old Java clients take ISO-8859-1 without it.
_JSON: Final = b"application/json; charset=UTF-8"
_TEXT: Final = b"text/plain"
_FOUND: Final = "查询成功"
#: On a 666 the gateway let the call through, which clients that read this header on every non-200 must see.
_NO_GATEWAY_ERROR: Final = (b"X-Ca-Error-Message", b"OK")


def success(page: Page, *, blocks: bool) -> Answer:
    """What was read: one string, or a list of blocks."""
    data: Any = [{"words": line.text} for line in page.lines] if blocks else page.text
    return Answer(200, _JSON, _json({"ok": 1, "msg": _FOUND, "data": data}))


def failure(error: Exception) -> Answer:
    """What any exception is answered with."""
    if isinstance(error, CheckError):
        return _refusal(str(error), error.check.name.lower())
    if isinstance(error, KeyReusedError):
        return _refusal(KEY_REUSED, error.code)
    return gateway_answer(gateway_error(error))


def gateway_answer(row: GatewayError) -> Answer:
    """A row of §4: no body, all is in the headers."""
    extra: list[Header] = [
        (b"X-Ca-Error-Code", row.code.encode()),
        (b"X-Ca-Error-Message", (row.message + row.echo).encode()),
    ]
    if row.retry_after is not None:
        extra.append((b"Retry-After", str(row.retry_after).encode()))
    if row.allow:
        extra.append((b"Allow", row.allow.encode()))
    return Answer(row.status, _TEXT, extra=tuple(extra), msg=row.message, outcome=row.code)


def _refusal(msg: str, outcome: str) -> Answer:
    """A 666."""
    return Answer(CheckError.status, _JSON, _json({"ok": 0, "msg": msg}), (_NO_GATEWAY_ERROR,), msg, outcome)


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
