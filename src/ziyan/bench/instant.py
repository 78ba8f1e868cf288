"""The whole service over an engine that answers at once, in a process of its own.

``python -m ziyan.bench.instant DATA_DIR PORT`` prints its port and an AppCode on one line, and serves until SIGTERM.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
import sys
from pathlib import Path

from ziyan.api.app import create_app
from ziyan.api.logs import configure_logging
from ziyan.api.server import listen, serve_app
from ziyan.engine.base import EngineStatus
from ziyan.metering.credentials import register_app
from ziyan.metering.store import Store
from ziyan.ocr.types import Page, ReadOptions
from ziyan.settings import Settings

_GRACE_SECONDS = 5.0


class InstantEngine:
    """Answers with a fingerprint of what it was given, so that a caller sees whether every bit arrived."""

    async def start(self) -> None:
        """Nothing to load."""

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        """A page without lines."""
        return Page(lines=(), text=fingerprint(image_bytes), width=1, height=1)

    async def close(self) -> None:
        """Nothing to end."""

    def status(self) -> EngineStatus:
        """Always ready, never full."""
        return EngineStatus(ready=True, workers=1, busy=0, queued=0, queue_limit=1, restarts=0)


def fingerprint(image_bytes: bytes) -> str:
    """Tells two pictures apart to the last bit."""
    return hashlib.sha256(image_bytes).hexdigest()[:16]


async def _serve(data_dir: Path, port: int) -> None:
    settings = Settings.load(data_dir=data_dir, database_url="")
    configure_logging("info")
    store = Store.open(settings)
    try:
        appcode = register_app(store, "bench").appcode
        with listen("127.0.0.1", port) as listener:
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            print(listener.getsockname()[1], appcode, flush=True)
            app = create_app(settings, InstantEngine(), store)
            await serve_app(app, listener, grace=_GRACE_SECONDS, shutdown=stop.wait)
    finally:
        store.close()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
