"""Starting engines over fake readers, and waiting for what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
from readers import FakeConfig, Puppet

from ziyan.engine.local import LocalEngine
from ziyan.ocr.types import ReadOptions

OPTIONS = ReadOptions()
#: Upper bound of every wait: liveness, not speed.
PATIENCE = 30.0

Starter = Callable[..., Awaitable[LocalEngine]]


def new_engine(config: FakeConfig, **choices: Any) -> LocalEngine:
    defaults = {"workers": 1, "queue_limit": 8, "deadline": PATIENCE, "memory_limit_mib": 500, "reader_factory": Puppet}
    return LocalEngine(config, **(defaults | choices))  # type: ignore[arg-type]


async def text_of(engine: LocalEngine, picture: str, **choices: Any) -> str:
    page = await engine.read(picture.encode(), OPTIONS, **choices)
    return page.text


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not happened():  # noqa: ASYNC110 - what other processes do sets no event here
            await asyncio.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
