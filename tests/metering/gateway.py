"""A gateway without HTTP, to be killed: makes calls until none is left, and says so.

``python -m tests.metering.gateway APP_ID CALLERS`` takes its settings from the environment.  It prints ``ready`` once
the database is open, and ``done`` at the end.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from uuid import uuid4

from tests.metering.calls import event, reserve, settle
from ziyan.errors import QuotaError
from ziyan.metering.store import Store
from ziyan.settings import Settings


async def make_calls(store: Store, app_id: str) -> None:
    with suppress(QuotaError):
        while True:
            call = uuid4().hex
            package = await reserve(store, app_id, call)
            await asyncio.sleep(0.001)
            await settle(store, event(app_id, package, call=call))


async def main(app_id: str, callers: int) -> None:
    store = Store.open(Settings.load())
    print("ready", flush=True)
    await asyncio.gather(*(make_calls(store, app_id) for _ in range(callers)))
    print("done", flush=True)
    store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
