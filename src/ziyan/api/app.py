"""Wiring: what is served under which path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.routing import Route

from ziyan import __version__
from ziyan.api.billing import Billing
from ziyan.api.calls import Calls
from ziyan.api.health import add_health
from ziyan.api.management import add_management
from ziyan.api.marketplace import Marketplace, not_found
from ziyan.api.metrics import add_metrics
from ziyan.api.native import Native
from ziyan.api.native_request import offered
from ziyan.api.notifying import sending
from ziyan.api.openapi import document
from ziyan.api.rates import Rates
from ziyan.engine.base import Engine
from ziyan.fetch import Fetcher
from ziyan.metering.store import Store
from ziyan.ocr.types import ModelName
from ziyan.settings import Settings
from ziyan.web.admin.watch import Pulse
from ziyan.web.pages import add_pages


def create_app(settings: Settings, engine: Engine, store: Store) -> FastAPI:
    """The whole HTTP service over an engine and a store that somebody else starts and closes."""
    billing, fetcher, pulse = Billing(settings, store), Fetcher.from_settings(settings), Pulse(engine)
    # FastAPI's own pages load their scripts from a content network, so they stay off.
    app = FastAPI(
        title="Ziyan",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=partial(_lifespan, billing, pulse, partial(sending, settings, store, fetcher)),
    )
    app.router.redirect_slashes = False
    calls = Calls(settings.body_memory << 20, billing)
    app.router.default = partial(not_found, calls)
    shared = settings, engine, store, fetcher, calls, Rates.from_settings(settings)
    marketplace = Marketplace(*shared)
    app.router.routes.append(Route("/ocr", marketplace, name="ocr"))
    add_management(app, settings, store)  # before the native API, which answers for all other paths under /v1
    app.router.routes.append(Route("/v1/{path:path}", Native(*shared), name="native"))
    app.add_api_route(
        "/openapi.json", partial(openapi, offered(settings)), methods=["GET", "HEAD"], response_class=JSONResponse
    )
    add_pages(app, settings, store, marketplace, calls.memory, pulse)
    add_health(app, engine, store)
    add_metrics(app, calls.metrics, engine, lambda: calls.memory.taken)
    return app


@asynccontextmanager
async def _lifespan(
    billing: Billing, pulse: Pulse, notifying: Callable[[], AbstractAsyncContextManager[None]], _app: FastAPI
) -> AsyncIterator[None]:
    """While calls are served, the ends of those that nobody waits for are written down, and notices are sent."""
    tasks = [asyncio.create_task(billing.recorder.run()), asyncio.create_task(pulse.run())]
    try:
        async with notifying():
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def openapi(models: tuple[ModelName, ...]) -> JSONResponse:
    """What of the service OpenAPI can say."""
    return JSONResponse(document(models))
