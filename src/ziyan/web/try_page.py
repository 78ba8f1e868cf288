"""``/``: the page that reads a picture for somebody who does not program.

With scripts, the browser calls the API itself.  Without, the form comes here and the answer is a page.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ziyan.api.address import caller_address
from ziyan.api.body import Body, BodyMemory
from ziyan.api.form import Form, parse_body
from ziyan.api.native_request import offered
from ziyan.api.rates import address_block
from ziyan.api.refusals import NO_CREDENTIAL, ClientGoneError, GatewayError, GatewayRefusedError
from ziyan.api.upload import MAX_PICTURE_BYTES
from ziyan.metering.store import Store
from ziyan.settings import Settings
from ziyan.web import plain_words
from ziyan.web.rendering import Renderer, Visit, visit
from ziyan.web.trial import trial_code

_MAX_APPCODE_CHARS: Final = 200
_LINGER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a form, for the page that answers it.

    Attributes:
        ok: Something was read.
        text: What, as lines.
        key: What was refused: a ``msg`` or an ``X-Ca-Error-Code``.
        message: The same as the API says it.
        request_id: Of the call; empty where none was made.
    """

    ok: bool
    text: tuple[str, ...] = ()
    key: str = ""
    message: str = ""
    request_id: str = ""


class TryPage:
    """The ASGI application behind ``/``."""

    def __init__(self, settings: Settings, store: Store, renderer: Renderer, ocr: ASGIApp, memory: BodyMemory) -> None:
        """Show what ``renderer`` makes, and let forms be answered by ``ocr``, their bodies counted in ``memory``."""
        self._settings = settings
        self._store = store
        self._renderer = renderer
        self._ocr = ocr
        self._memory = memory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        here = visit(request, await trial_code(self._settings, self._store, request))
        if scope["method"] in {"GET", "HEAD"}:
            answer = self._page(request, here)
        elif scope["method"] == "POST":
            try:
                answer = await self._answer(request, here, receive)
            except ClientGoneError:
                return
        else:
            answer = Response(status_code=405, headers={"Allow": "GET, HEAD, POST"})
        await answer(scope, receive, send)

    async def _answer(self, request: Request, here: Visit, receive: Receive) -> Response:
        body = Body(receive, self._memory)
        appcode = ""
        try:
            sender = address_block(caller_address(request.scope, self._settings.proxy_networks))
            content = await body.read(request.headers, sender)
            form = parse_body(request.headers.get("content-type", ""), content)
            appcode = _field(form, "appcode")[:_MAX_APPCODE_CHARS]
            blocks = _field(form, "ver") == "1"
            if appcode:
                outcome = await self._call(request.scope, receive, content, appcode)
            else:
                outcome = refused(NO_CREDENTIAL)
        except GatewayRefusedError as error:
            outcome, blocks = refused(error.row), False
            with suppress(TimeoutError):  # a connection that is closed on a browser still sending shows it nothing
                await asyncio.wait_for(body.discard(), _LINGER_SECONDS)
        finally:
            body.close()
        return self._page(request, here, outcome=outcome, appcode=appcode, blocks=blocks)

    async def _call(self, scope: Scope, receive: Receive, content: bytes, appcode: str) -> Outcome:
        """Make the call that the form stands for, as somebody with this AppCode would."""
        headers = [pair for pair in scope["headers"] if pair[0].lower() != b"authorization"]
        headers.append((b"authorization", f"APPCODE {appcode}".encode()))
        inner = {**scope, "path": "/ocr", "raw_path": b"/ocr", "query_string": b"", "headers": headers}
        call = _Call(content, receive)
        await self._ocr(inner, call.receive, call.send)
        return call.outcome()

    def _page(
        self,
        request: Request,
        here: Visit,
        *,
        outcome: Outcome | None = None,
        appcode: str = "",
        blocks: bool = True,
    ) -> Response:
        explained = plain_words.explanation(outcome.key) if outcome and outcome.key else None
        return self._renderer.page(
            request,
            "try.html",
            here,
            status=200 if outcome is None or outcome.ok else 422,
            outcome=outcome,
            explained=explained,
            appcode=appcode or here.trial,
            blocks=blocks,
            words=words(here),
            samples_semantics=self._settings.ver_semantics == "samples",
            picture_bytes=MAX_PICTURE_BYTES,
            models=offered(self._settings),
        )


@dataclass(slots=True)
class _Call:
    """Both ends of a call that is made inside this process."""

    content: bytes
    rest: Receive
    sent: bool = False
    status: int = 0
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    async def receive(self) -> Message:
        if self.sent:
            return await self.rest()
        self.sent = True
        return {"type": "http.request", "body": self.content, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], Headers(raw=[(n.lower(), v) for n, v in message["headers"]])
        else:
            self.body += message.get("body", b"")

    def outcome(self) -> Outcome:
        if not self.status:
            raise ClientGoneError
        request_id = self.headers.get("x-ca-request-id", "")
        if self.status not in {200, 666}:
            code, message = (self.headers.get(f"x-ca-error-{name}", "") for name in ("code", "message"))
            return Outcome(False, key=code, message=message, request_id=request_id)
        said = json.loads(self.body)
        if not said["ok"]:
            return Outcome(False, key=said["msg"], message=said["msg"], request_id=request_id)
        return Outcome(True, text=_lines(said["data"]), request_id=request_id)


def refused(row: GatewayError) -> Outcome:
    """What is said to a form that never became a call."""
    return Outcome(False, key=row.code, message=row.message)


def words(here: Visit) -> str:
    """Every explanation in the reader's language, as JSON for the page's script."""
    index = 0 if here.language == "zh" else 1
    known = {**plain_words.MESSAGES, **plain_words.GATEWAY, **plain_words.NATIVE}
    table = {str(key): [plain.what[index], plain.todo[index]] for key, plain in known.items()}
    # "<" would let a text end the element that it stands in.
    return json.dumps(table, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _lines(data: Any) -> tuple[str, ...]:
    """The answer's lines; one, where it is a single string."""
    if isinstance(data, str):
        return (data,) if data else ()
    return tuple(block["words"] for block in data)


def _field(form: Form, name: str) -> str:
    return form.fields.get(name, b"").decode("utf-8", "replace").strip()
