"""What the caller sends, read as it comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive

from ziyan.api.refusals import BODY_TOO_LARGE, INVALID_BODY, SERVICE_BUSY, ClientGoneError, GatewayRefusedError

T = TypeVar("T")

MAX_BODY_BYTES: Final = 8 << 20
_BODY_SECONDS: Final = 120.0


class BodyMemory:
    """How much memory the bodies of all requests under way take, and may take.

    Attributes:
        taken: Bytes held at this moment.
    """

    def __init__(self, limit: int) -> None:
        """Let them take ``limit`` bytes together."""
        self._limit = limit
        self.taken = 0

    def take(self, size: int) -> None:
        """Hold so many more.

        Raises:
            GatewayRefusedError: There is no room for them; nothing was taken.
        """
        if self.taken + size > self._limit:
            raise GatewayRefusedError(SERVICE_BUSY, internal="bodies take all the memory they may")
        self.taken += size

    def give_back(self, size: int) -> None:
        """Hold so many fewer."""
        self.taken -= size

    @contextmanager
    def held(self, size: int) -> Iterator[None]:
        """Hold so many more during the block.

        Raises:
            GatewayRefusedError: As ``take``.
        """
        self.take(size)
        try:
            yield
        finally:
            self.give_back(size)


class Body:
    """One request's body.  Its memory is counted until ``close``, for whoever read it holds on to it.

    Attributes:
        ended: Nothing more will come.
        receive_ms: Milliseconds that reading it took.
    """

    def __init__(self, receive: Receive, memory: BodyMemory, max_bytes: int = MAX_BODY_BYTES) -> None:
        """Read at most ``max_bytes`` from ``receive``."""
        self._receive = receive
        self._max_bytes = max_bytes
        self._memory = memory
        self._taken = 0
        self.ended = False
        self.receive_ms = 0.0

    async def read(self, headers: Headers) -> bytes:
        """The whole body; the declared length can only refuse it sooner.

        Raises:
            GatewayRefusedError: Too large, not complete after two minutes, or no memory is left for it.
            ClientGoneError: The caller hung up.
        """
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:19]) > self._max_bytes:
            raise GatewayRefusedError(BODY_TOO_LARGE)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await self._read()
        except TimeoutError:
            raise GatewayRefusedError(INVALID_BODY, internal="the body did not come to its end") from None
        finally:
            self.receive_ms = (time.perf_counter() - started) * 1000

    async def _read(self) -> bytes:
        chunks: list[bytes] = []
        try:
            while not self.ended:
                chunk = await self._next()
                if self._taken + len(chunk) > self._max_bytes:
                    raise GatewayRefusedError(BODY_TOO_LARGE)
                self._memory.take(len(chunk))
                self._taken += len(chunk)
                chunks.append(chunk)
        except BaseException:
            self.close()
            raise
        return b"".join(chunks)

    def close(self) -> None:
        """Count its memory no longer."""
        self._memory.give_back(self._taken)
        self._taken = 0

    async def discard(self) -> None:
        """Drop what still comes, until the body ends or the caller hangs up."""
        try:
            while not self.ended:
                await self._next()
        except ClientGoneError:
            return

    async def while_connected(self, work: Coroutine[Any, Any, T]) -> T:
        """Do ``work`` for the caller, whose body has ended; cancel it when the caller hangs up.

        Raises:
            ClientGoneError: The caller hung up.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._receive())  # after the body's end only a hang-up can come
        try:
            await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGoneError
            return task.result()
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            self.ended = True
            raise ClientGoneError
        self.ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk
