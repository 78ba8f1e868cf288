"""Whether this process lives, and whether it can serve; for whoever supervises or routes to it."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from fastapi import FastAPI
from starlette.responses import JSONResponse

from ziyan.engine.base import Engine
from ziyan.errors import StoreError
from ziyan.metering.store import Store

_logger: Final = logging.getLogger("ziyan.health")
_STORE_SECONDS: Final = 2.0


def add_health(app: FastAPI, engine: Engine, store: Store) -> None:
    """Add ``/healthz/live`` and ``/healthz/ready``."""

    async def live() -> JSONResponse:
        """Answers while the event loop turns."""
        return JSONResponse({"status": "live"})

    async def ready() -> JSONResponse:
        """200 when the weights are loaded and the database answers, else 503 and which of the two it is."""
        parts = {"engine": engine.status().ready, "store": await _answers(store)}
        well = all(parts.values())
        return JSONResponse({"status": "ready" if well else "not ready", **parts}, 200 if well else 503)

    for path, endpoint in (("/healthz/live", live), ("/healthz/ready", ready)):
        app.add_api_route(path, endpoint, methods=["GET", "HEAD"], response_class=JSONResponse)


async def _answers(store: Store) -> bool:
    try:
        async with asyncio.timeout(_STORE_SECONDS):
            await store.ping()
    except (StoreError, TimeoutError) as error:
        _logger.warning("the database does not answer", extra={"fields": {"internal": getattr(error, "internal", "")}})
        return False
    return True
