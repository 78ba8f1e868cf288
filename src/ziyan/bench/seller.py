"""A gateway without HTTP, to be killed: makes calls of an app and says how many it sold.

``python -m ziyan.bench.seller APP_ID CALLERS TRIES SECONDS`` takes its settings from the environment.  ``CALLERS`` make
``TRIES`` calls between them, each of which reads for up to ``SECONDS``.  It prints ``ready`` once the database is open,
begins when it is sent a line, and prints at the end ``done`` with the numbers of calls that were sold, refused, and
given up because the database was busy.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from uuid import uuid4

from ziyan.errors import QuotaError, StoreError
from ziyan.metering import packages
from ziyan.metering.packages import Settlement
from ziyan.metering.store import Store
from ziyan.metering.times import now_ms
from ziyan.metering.usage import Event
from ziyan.settings import Settings

_HOLD_MS = 60_000


async def make_call(store: Store, app_id: str, seconds: float) -> str:
    """One call, as the gateway makes it; what became of it."""
    holder, started = str(uuid4()).upper(), now_ms()
    try:
        package = await packages.reserve(store, app_id, holder, until=started + _HOLD_MS)
        await asyncio.sleep(random.random() * seconds)  # noqa: S311 - nobody gains by guessing it
        event = Event(started, holder, app_id, package, 200, "ok", True, 1, 1)
        await packages.settle(store, Settlement(event, holds=True))
    except QuotaError:
        return "refused"
    except StoreError:
        return "given up"
    return "sold"


async def main(app_id: str, callers: int, tries: int, seconds: float) -> None:
    """Make calls, and print."""
    store = Store.open(Settings.load())
    print("ready", flush=True)
    sys.stdin.readline()
    left, found = iter(range(tries)), Counter[str]()

    async def call() -> None:
        for _ in left:
            found[await make_call(store, app_id, seconds)] += 1

    await asyncio.gather(*(call() for _ in range(callers)))
    print("done", found["sold"], found["refused"], found["given up"], flush=True)
    store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
