"""One call: its identity, its answer and its one line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from starlette.types import Receive, Scope, Send

from ziyan.api.answers import failure
from ziyan.api.body import Body
from ziyan.api.headers import Answer, new_request_id, send_answer
from ziyan.api.refusals import CheckError, ClientGoneError, GatewayRefusedError
from ziyan.errors import ZiyanError

_logger: Final = logging.getLogger("ziyan.calls")
_CLIENT_GONE: Final = 499  # never sent; nginx's number in logs for a caller who hung up


@dataclass(slots=True)
class Call:
    """What is learned of one call on its way, for its log line; never text, secrets or addresses.

    Attributes:
        request_id: Upper-case UUID; also in the answer.
        started: Clock reading in seconds.
        app: Identifier of the caller's app, once known.
        body_bytes: Size of the request's body.
        cause: Why it failed, in stable words joined by ``_``; ``docs/operating.md`` lists them.
    """

    request_id: str = field(default_factory=new_request_id)
    started: float = field(default_factory=time.perf_counter)
    app: str = ""
    body_bytes: int = 0
    cause: str = ""


async def serve_call(
    scope: Scope, receive: Receive, send: Send, answer_to: Callable[[Call, Body], Awaitable[Answer]]
) -> None:
    """Answer one call, whatever happens, and log it."""
    call, body = Call(), Body(receive)
    try:
        answer = await answer_to(call, body)
    except ClientGoneError:
        _log_call(call, _CLIENT_GONE, "client gone")
        return
    except ZiyanError as error:
        answer = failure(error)
        call.cause = error.cause if isinstance(error, CheckError) else error.code
        _log_cause(call, error)
    except Exception as error:
        answer = failure(error)
        call.cause = ZiyanError.code
        _logger.exception("call failed", extra={"fields": {"request_id": call.request_id}})
    await send_answer(answer, call.request_id, scope, body, send)
    _log_call(call, answer.status, answer.msg)


def _log_call(call: Call, status: int, msg: str) -> None:
    fields = {
        "request_id": call.request_id,
        "app": call.app,
        "status": status,
        "msg": msg,
        "cause": call.cause,
        "ms": round((time.perf_counter() - call.started) * 1000, 1),
        "bytes": call.body_bytes,
    }
    _logger.info("call", extra={"fields": fields})


def _log_cause(call: Call, error: ZiyanError) -> None:
    """What only the operator may read: a detail of a refusal, or the reason of a failure of ours."""
    expected = isinstance(error, CheckError | GatewayRefusedError)
    if expected and not error.internal:
        return
    fields = {"request_id": call.request_id, "error": error.code, "internal": error.internal or str(error)}
    _logger.log(logging.DEBUG if expected else logging.WARNING, "cause", extra={"fields": fields})
