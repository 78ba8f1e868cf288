"""Wiring: notices go out through the guard that pictures are fetched through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ziyan.fetch import Fetcher
from ziyan.metering.channels import Channels, MailServer
from ziyan.metering.outbox import Sender
from ziyan.metering.store import Store
from ziyan.settings import Settings


@asynccontextmanager
async def sender(settings: Settings, store: Store, fetcher: Fetcher) -> AsyncIterator[Sender]:
    """What delivers notices, as the settings say; used up at the end."""
    mail = MailServer(settings.mail_server, settings.mail_from) if settings.mail_server else None
    channels = Channels(post=fetcher.post, mail=mail)
    try:
        yield Sender(store, channels)
    finally:
        channels.close()


@asynccontextmanager
async def sending(settings: Settings, store: Store, fetcher: Fetcher) -> AsyncIterator[None]:
    """Deliver notices meanwhile."""
    async with sender(settings, store, fetcher) as delivering:
        task = asyncio.create_task(delivering.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
