"""``POST /ocr``: the marketplace's wire contract (``docs/contract.md``)."""

from __future__ import annotations

from functools import partial

from starlette.types import Receive, Scope, Send

from ziyan.api.answers import success
from ziyan.api.body import Body
from ziyan.api.calls import Call, Calls
from ziyan.api.headers import Answer
from ziyan.api.rates import Rate, address_block
from ziyan.api.refusals import WRONG_METHOD, Check, CheckError, GatewayRefusedError, wrong_path
from ziyan.api.request import Request
from ziyan.api.signin import sign_in
from ziyan.api.upload import (
    MAX_PICTURE_BYTES,
    Upload,
    check_parameters,
    decode_file,
    decode_img,
    decode_url,
)
from ziyan.engine.base import Engine
from ziyan.errors import FetchError, ImageError
from ziyan.fetch import Fetcher
from ziyan.metering.credentials import App
from ziyan.metering.store import Store
from ziyan.ocr.types import MARKETPLACE_FORMATS, ImageLimits, Page, ReadOptions
from ziyan.settings import Settings


class Marketplace:
    """The ASGI application behind ``/ocr``.  Holds nothing of any call but how many there were of late."""

    def __init__(self, settings: Settings, engine: Engine, store: Store, fetcher: Fetcher, calls: Calls) -> None:
        """Serve with these."""
        self._settings = settings
        self._engine = engine
        self._store = store
        self._fetcher = fetcher
        self._calls = calls
        self._proxies = settings.proxy_networks
        self._address_rate = Rate(settings.rate_address)
        self._app_rate = Rate(settings.rate_app)
        self._options = ReadOptions(
            limits=ImageLimits(max_bytes=MAX_PICTURE_BYTES, max_pixels=settings.max_pixels, formats=MARKETPLACE_FORMATS)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        await self._calls.serve(scope, receive, send, partial(self._answer, scope))

    async def _answer(self, scope: Scope, call: Call, body: Body) -> Answer:
        """The flow.  Every refusal and failure is raised, and becomes an answer in ``answers.failure`` alone."""
        if scope["method"] != "POST":
            raise GatewayRefusedError(WRONG_METHOD)
        request = Request(scope, body, call, self._proxies)
        self._address_rate.admit(address_block(request.address))
        caller = await sign_in(self._store, self._settings, request, admit=self._admit)

        async def read() -> Answer:
            upload = check_parameters(await request.form(), request.query, self._settings.ver_semantics)
            page = await body.while_connected(self._read(call, upload))
            return success(page, blocks=upload.blocks)

        return await self._calls.billing.billed(request, caller, read)

    def _admit(self, app: App) -> None:
        self._app_rate.admit(app.id, app.rate)

    async def _read(self, call: Call, upload: Upload) -> Page:
        image_bytes = await self._image_bytes(call, upload)
        try:
            with call.timed("read"):
                page = await self._engine.read(image_bytes, self._options)
            call.split("read", page.timings, "queue")
            return page
        except ImageError as error:
            check = Check.URL_FORMAT if upload.url else Check.IMG
            raise CheckError(check, cause=error.code, internal=error.internal or str(error)) from None

    async def _image_bytes(self, call: Call, upload: Upload) -> bytes:
        if upload.file:
            return decode_file(upload.file)
        if upload.img:
            return decode_img(upload.img)
        try:
            with call.timed("fetch"):
                return await self._fetcher.fetch(decode_url(upload.url), max_bytes=MAX_PICTURE_BYTES)
        except FetchError as error:
            cause = f"fetch_{error.reason}"
            raise CheckError(Check.URL_DOWNLOAD, cause=cause, internal=f"{error} {error.internal}") from None


async def not_found(calls: Calls, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a path that nothing is served under."""

    async def refuse(_call: Call, _body: Body) -> Answer:
        raise GatewayRefusedError(wrong_path(scope["method"], scope["raw_path"]))

    await calls.serve(scope, receive, send, refuse)
