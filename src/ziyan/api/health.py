"""Whether this process lives, and whether it can serve; for whoever supervises or routes to it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Final

from fastapi import FastAPI
from starlette.responses import JSONResponse

from ziyan.engine.base import Engine
from ziyan.errors import StoreError
from ziyan.metering.store import Store

_logger: Final = logging.getLogger("ziyan.health")
_STORE_SECONDS: Final = 2.0
#: For how long the outcome of a write holds: probes may be many, and are not to keep the disk awake.
WRITE_SECONDS: Final = 5.0
#: What is not written by then has waited for others who write: that is not to refuse to.
WRITE_PATIENCE: Final = 2.0


def add_health(app: FastAPI, engine: Engine, store: Store) -> None:
    """Add ``/healthz/live`` and ``/healthz/ready``."""
    writing = _Writing(store)

    async def live() -> JSONResponse:
        """Answers while the event loop turns."""
        return JSONResponse({"status": "live"})

    async def ready() -> JSONResponse:
        """200 when the weights are loaded and the database answers and can be written, else 503 and which it is."""
        parts = {"engine": engine.status().ready, "store": await _answers(store) and await writing.works()}
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


class _Writing:
    """Whether the database takes what is written: with a full disk, or a file that became read-only, it still reads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._works = True
        self._looked = -math.inf
        self._looking = asyncio.Lock()

    async def works(self) -> bool:
        """Whether it did when somebody last looked; looks again where that is too long ago."""
        async with self._looking:
            if time.monotonic() - self._looked >= WRITE_SECONDS:
                self._works = await self._look()
                self._looked = time.monotonic()
            return self._works

    async def _look(self) -> bool:
        started = time.monotonic()
        try:
            async with asyncio.timeout(WRITE_PATIENCE):
                await self._store.touch()
        except (StoreError, TimeoutError) as error:
            if isinstance(error, TimeoutError) or time.monotonic() - started >= WRITE_PATIENCE:
                return self._works
            _logger.warning("the database cannot be written", extra={"fields": {"internal": error.internal}})
            return False
        return True
