"""``POST /v1/ocr``: the native API (``docs/native.md``)."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Final

from starlette.types import Receive, Scope, Send

from ziyan.api.body import Body
from ziyan.api.calls import Call, Calls
from ziyan.api.headers import Answer
from ziyan.api.native_answers import failure, options, shape_of, success, told
from ziyan.api.native_request import (
    MAX_BODY_BYTES,
    MAX_PICTURE_BYTES,
    MAX_URL_CHARS,
    Wanted,
    choose_media_type,
    offered,
    parse_wanted,
)
from ziyan.api.problems import METHOD_NOT_ALLOWED, NOT_FOUND, ProblemError
from ziyan.api.rates import Rates, address_block
from ziyan.api.request import Request
from ziyan.api.signin import require_caller
from ziyan.engine.base import Engine
from ziyan.fetch import Fetcher
from ziyan.metering.store import Store
from ziyan.ocr.types import ALL_FORMATS, ImageLimits, Page
from ziyan.settings import Settings

#: Bodies that are taken apart at once: base64 in JSON takes some four times its size while that is done.
_PARSED_AT_ONCE: Final = 2
#: Of the memory for bodies, what a fetched picture leaves to the body that names its address.
_ASKING_BYTES: Final = 1 << 20


class Native:
    """The ASGI application behind ``/v1/``.  Holds nothing of any call."""

    def __init__(
        self, settings: Settings, engine: Engine, store: Store, fetcher: Fetcher, calls: Calls, rates: Rates
    ) -> None:
        """Serve with these."""
        self._settings = settings
        self._engine = engine
        self._store = store
        self._fetcher = fetcher
        self._calls = calls
        self._rates = rates
        self._proxies = settings.proxy_networks
        self._models = offered(settings)
        memory = settings.body_memory << 20  # what could never have room is too large rather than busy
        self._max_body_bytes = min(MAX_BODY_BYTES, memory)
        self._max_fetched_bytes = min(MAX_PICTURE_BYTES, memory - _ASKING_BYTES)
        self._limits = ImageLimits(max_bytes=MAX_PICTURE_BYTES, max_pixels=settings.max_pixels, formats=ALL_FORMATS)
        self._parsing = asyncio.Semaphore(_PARSED_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        await self._calls.serve(
            scope,
            receive,
            send,
            partial(self._answer, scope),
            failure=lambda call, error: failure(error, call.request_id, scope["method"]),
            told=lambda call, answer: told(answer, call.request_id),
            max_body_bytes=self._max_body_bytes,
        )

    async def _answer(self, scope: Scope, call: Call, body: Body) -> Answer:
        """The flow.  Every refusal and failure is raised, and becomes a problem in ``native_answers.failure`` alone."""
        if scope["path"] != "/v1/ocr":
            raise ProblemError(NOT_FOUND)
        if scope["method"] == "OPTIONS":
            return options()
        if scope["method"] != "POST":
            raise ProblemError(METHOD_NOT_ALLOWED)
        request = Request(scope, body, call, self._proxies)
        self._rates.address.admit(address_block(request.address))
        caller = await require_caller(self._store, self._settings, request, admit=self._rates.admit_app, bearer=True)

        media_type = choose_media_type(request.headers.get("accept", ""))

        async def read() -> Answer:
            wanted = await self._wanted(request)
            page = await body.while_connected(self._read(request, wanted))
            total = (time.perf_counter() - call.started) * 1000
            timings = {"receive": body.receive_ms, **call.stages, "total": total}
            return success(page, media_type, call.request_id, timings)

        return await self._calls.billing.billed(request, caller, read, shape=shape_of(media_type))

    async def _wanted(self, request: Request) -> Wanted:
        content_type, content = request.headers.get("content-type", ""), await request.content()
        work = partial(parse_wanted, content_type, content, request.query, self._limits, self._models)
        async with self._parsing:
            wanted = await request.over_content(work)
        request.let_go()
        return wanted

    async def _read(self, request: Request, wanted: Wanted) -> Page:
        call = request.call
        with self._calls.memory.held(address_block(request.address), self._max_fetched_bytes if wanted.url else 0):
            image_bytes = wanted.picture or await self._fetch(call, wanted.url)
            with call.timed("read"):
                page = await self._engine.read(image_bytes, wanted.options)
            call.split("read", page.timings, "queue")
            return page

    async def _fetch(self, call: Call, url: str) -> bytes:
        with call.timed("fetch"):
            return await self._fetcher.fetch(url, max_bytes=self._max_fetched_bytes, max_chars=MAX_URL_CHARS)
