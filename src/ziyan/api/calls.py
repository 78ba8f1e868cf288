"""One call: its identity, its answer and its one line in the log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.types import Receive, Scope, Send

from ziyan.api import answers
from ziyan.api.body import MAX_BODY_BYTES, Body, BodyMemory
from ziyan.api.headers import Answer, new_request_id, send_answer
from ziyan.api.metrics import Metrics
from ziyan.api.problems import ProblemError
from ziyan.api.refusals import CheckError, ClientGoneError, GatewayRefusedError
from ziyan.errors import FetchError, ImageError, ZiyanError

_logger: Final = logging.getLogger("ziyan.calls")
#: Whose causes only matter to somebody who looks for them: the caller was told all there is to know.
_EXPECTED: Final = (CheckError, GatewayRefusedError, ProblemError, ImageError, FetchError)
_SEND_SECONDS: Final = 60.0  # for a client to take its answer
#: Never sent; nginx's number in logs for a caller who hung up.
_GONE: Final = Answer(499, b"", msg="client gone", outcome="gone")


@dataclass(slots=True)
class Call:
    """What is learned of one call on its way, for its log line; never text, secrets or addresses.

    Attributes:
        request_id: Upper-case UUID; also in the answer.
        started: Clock reading in seconds.
        app: Identifier of the caller's app, once known.
        body_bytes: Size of the request's body.
        cause: Why it failed, in stable words joined by ``_``; ``docs/operating.md`` lists them.
        stages: Milliseconds by stage, as far as it came; ``docs/operating.md`` lists them.
    """

    request_id: str = field(default_factory=new_request_id)
    started: float = field(default_factory=time.perf_counter)
    app: str = ""
    body_bytes: int = 0
    cause: str = ""
    stages: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note what the block takes, also if it fails."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages[stage] = (time.perf_counter() - started) * 1000

    def split(self, stage: str, parts: Mapping[str, float], rest: str) -> None:
        """Put what ``stage`` is known to have been made of in its place; ``rest`` is what remains of it."""
        self.stages[rest] = max(0.0, self.stages.pop(stage) - sum(parts.values()))
        self.stages.update(parts)


def _refusal(_call: Call, error: Exception) -> Answer:
    """What an exception is answered with unless a part of the service has answers of its own."""
    return answers.failure(error)


class Calls:
    """What all calls go through: they are counted and logged, and share the memory for their bodies.

    Attributes:
        metrics: Where they are counted.
        memory: For their bodies.
    """

    def __init__(self, body_limit: int) -> None:
        """Let all bodies together take ``body_limit`` bytes."""
        self.metrics = Metrics()
        self.memory = BodyMemory(body_limit)

    async def serve(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        answer_to: Callable[[Call, Body], Awaitable[Answer]],
        *,
        failure: Callable[[Call, Exception], Answer] = _refusal,
        max_body_bytes: int = MAX_BODY_BYTES,
    ) -> None:
        """Answer one call, whatever happens, and log it.

        Args:
            scope: The call's.
            receive: The call's.
            send: The call's.
            answer_to: Makes the answer, or raises.
            failure: Makes one of what was raised.
            max_body_bytes: Largest body.
        """
        call, body = Call(), Body(receive, self.memory, max_body_bytes)
        answer = _GONE
        try:
            answer = await _answered(call, answer_to(call, body), failure)
            body.close()  # nobody holds on to it any more, however long the answer takes
            async with asyncio.timeout(_SEND_SECONDS):
                await send_answer(answer, call.request_id, scope, body, send)
        except (ClientGoneError, TimeoutError):
            answer = _GONE
        finally:
            body.close()
            self._finish(call, answer, body.receive_ms)

    def _finish(self, call: Call, answer: Answer, receive_ms: float) -> None:
        total = (time.perf_counter() - call.started) * 1000
        stages = {"receive": receive_ms, **call.stages}
        stages["gateway"] = max(0.0, total - sum(stages.values()))
        sizes = call.body_bytes, len(answer.body)
        self.metrics.count(answer.status, answer.outcome, {**stages, "total": total}, *sizes)
        fields = {
            "request_id": call.request_id,
            "app": call.app,
            "status": answer.status,
            "msg": answer.msg,
            "cause": call.cause,
            "ms": round(total, 1),
            "stages": {name: round(milliseconds, 1) for name, milliseconds in stages.items()},
            "bytes": sizes[0],
            "answer_bytes": sizes[1],
        }
        _logger.info("call", extra={"fields": fields})


async def _answered(call: Call, answering: Awaitable[Answer], failure: Callable[[Call, Exception], Answer]) -> Answer:
    try:
        return await answering
    except ClientGoneError:
        raise
    except ZiyanError as error:
        call.cause = _cause_of(error)
        _log_cause(call, error)
        return failure(call, error)
    except Exception as error:
        call.cause = ZiyanError.code
        _logger.exception("call failed", extra={"fields": {"request_id": call.request_id}})
        return failure(call, error)


def _cause_of(error: ZiyanError) -> str:
    match error:
        case CheckError():
            return error.cause
        case FetchError():
            return f"fetch_{error.reason}"
        case _:
            return error.code


def _log_cause(call: Call, error: ZiyanError) -> None:
    """What only the operator may read: a detail of a refusal, or the reason of a failure of ours."""
    expected = isinstance(error, _EXPECTED)
    if expected and not error.internal:
        return
    fields = {"request_id": call.request_id, "error": error.code, "internal": error.internal or str(error)}
    _logger.log(logging.DEBUG if expected else logging.WARNING, "cause", extra={"fields": fields})
