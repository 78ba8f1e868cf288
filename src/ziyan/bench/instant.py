"""The whole service over an engine that answers at once.

``python -m ziyan.bench.instant DATA_DIR PORT`` prints its port and an AppCode on one line, and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from ziyan.api.app import create_app
from ziyan.api.logs import configure_logging
from ziyan.api.server import listen, serve_app
from ziyan.engine.base import EngineStatus
from ziyan.metering.credentials import Registration, register_app
from ziyan.metering.packages import grant
from ziyan.metering.store import Store
from ziyan.ocr.types import Page, ReadOptions
from ziyan.settings import Settings

GRACE_SECONDS: Final = 5.0
_CALLS: Final = 1_000_000_000


class InstantEngine:
    """Answers with what a function makes of the picture's bytes."""

    def __init__(self, text_of: Callable[[bytes], str]) -> None:
        """Answer with ``text_of``."""
        self._text_of = text_of

    async def start(self) -> None:
        """Nothing to load."""

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        """A page without lines."""
        return Page(lines=(), text=self._text_of(image_bytes), width=1, height=1)

    async def close(self) -> None:
        """Nothing to end."""

    def status(self) -> EngineStatus:
        """Always ready, never full."""
        return EngineStatus(ready=True, workers=1, busy=0, queued=0, queue_limit=1, restarts=0)


def fingerprint(image_bytes: bytes) -> str:
    """Tells two pictures apart to the last bit."""
    return hashlib.sha256(image_bytes).hexdigest()[:16]


@contextmanager
def instant_service(data_dir: Path, text_of: Callable[[bytes], str]) -> Iterator[tuple[FastAPI, Registration]]:
    """All that ``ziyan serve`` has but its engine: sign-in, database, log and all; without rate limits.

    Gives the application, and an app that may call it.
    """
    settings = Settings.load(data_dir=data_dir, database_url="", rate_app=0, rate_address=0)
    configure_logging("info")
    store = Store.open(settings)
    try:
        caller = register_app(store, "bench")
        grant(store, caller.app.id, _CALLS)
        yield create_app(settings, InstantEngine(text_of), store), caller
    finally:
        store.close()


async def _serve(data_dir: Path, port: int) -> None:
    with instant_service(data_dir, fingerprint) as (app, caller), listen("127.0.0.1", port) as listener:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        print(listener.getsockname()[1], caller.appcode, flush=True)
        await serve_app(app, listener, grace=GRACE_SECONDS, shutdown=stop.wait)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
