"""What goes wrong in the admin and buyer APIs, as RFC 9457 has it: ``application/problem+json``, stable codes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from ziyan.errors import InvalidRequestError, SignInError, TooManyTriesError, ZiyanError

_logger: Final = logging.getLogger("ziyan.management")
MEDIA_TYPE: Final = "application/problem+json"
_RETRY_SECONDS: Final = 1
_CHALLENGE: Final = 'Bearer realm="Ziyan"'
_TITLES: Final = {
    400: "The request cannot be parsed",
    401: "No token that works was sent",
    403: "The token may not do this",
    404: "There is nothing here",
    405: "The method is not served here",
    409: "It does not go with the state that the thing is in",
    413: "The body is too large",
    422: "The request is not as the document says",
    429: "Too many tries",
    500: "Something is wrong with the service",
    503: "The database does not answer",
}
#: Codes of what the framework refuses by itself.
_CODES: Final = {404: "not_found", 405: "method_not_allowed"}
#: What OpenAPI says of every failure.
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "What is wrong, and what to do next (RFC 9457); docs/errors.md lists the codes.",
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["type", "title", "status", "code", "detail", "request_id"],
                    "properties": {
                        "type": {"type": "string"},
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                        "request_id": {"type": "string"},
                        "errors": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["where", "message"],
                                "properties": {"where": {"type": "string"}, "message": {"type": "string"}},
                            },
                        },
                    },
                }
            }
        },
    }
}


def problem(
    status: int,
    code: str,
    detail: str,
    request_id: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer that says what is wrong.

    Args:
        status: HTTP status.
        code: Stable identifier.
        detail: What is wrong with this very request, and what to do next.
        request_id: Also in the log.
        errors: What is wrong where, if it is several things.
        headers: Besides.
    """
    content: dict[str, Any] = {
        "type": f"/docs/errors#{code}",
        "title": _TITLES.get(status, "The request was refused"),
        "status": status,
        "code": code,
        "detail": detail if detail.endswith((".", "!")) else f"{detail}.",
        "request_id": request_id,
    }
    if errors:
        content["errors"] = list(errors)
    return JSONResponse(content, status, dict(headers or {}), MEDIA_TYPE)


def add_problems(app: FastAPI) -> None:
    """Have an application answer what goes wrong in it as problems."""
    app.add_exception_handler(ZiyanError, _of_error)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_fault)


async def _of_error(request: Request, raised: Exception) -> JSONResponse:
    error = cast("ZiyanError", raised)
    headers: dict[str, str] = {}
    if isinstance(error, SignInError):
        headers["WWW-Authenticate"] = _CHALLENGE
    if isinstance(error, TooManyTriesError) or error.status == 503:
        headers["Retry-After"] = str(getattr(error, "retry_after", _RETRY_SECONDS))
    if error.status >= 500:
        fields = {"request_id": _id_of(request), "error": error.code, "internal": error.internal or str(error)}
        _logger.warning("cause", extra={"fields": fields})
    return problem(error.status, error.code, str(error), _id_of(request), headers=headers)


async def _of_validation(request: Request, raised: Exception) -> JSONResponse:
    """Say what is wrong where, without repeating what was sent: it may be secret."""
    found = cast("RequestValidationError", raised).errors()
    wrong = [{"where": ".".join(map(str, each["loc"])), "message": str(each["msg"])} for each in found]
    detail = f"{wrong[0]['where']}: {wrong[0]['message']}; the document of this API says what it takes"
    return problem(InvalidRequestError.status, InvalidRequestError.code, detail, _id_of(request), errors=wrong)


async def _of_http(request: Request, raised: Exception) -> JSONResponse:
    error = cast("HTTPException", raised)
    status = error.status_code
    detail = "The document of this API, openapi.json beside it, lists what is served"
    return problem(status, _CODES.get(status, "malformed_request"), detail, _id_of(request), headers=error.headers)


async def _of_fault(request: Request, error: Exception) -> JSONResponse:
    _logger.error("request failed", exc_info=error, extra={"fields": {"request_id": _id_of(request)}})
    detail = "Tell whoever runs this service the request_id; the log says more under it"
    return problem(500, ZiyanError.code, detail, _id_of(request))


def _id_of(request: Request) -> str:
    return str(request.scope["request_id"])
