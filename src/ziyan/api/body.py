"""What the caller sends, read as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive

from ziyan.api.refusals import BODY_TOO_LARGE, INVALID_BODY, ClientGoneError, GatewayRefusedError

T = TypeVar("T")

MAX_BODY_BYTES: Final = 8 << 20
_BODY_SECONDS: Final = 120.0


class Body:
    """One request's body.

    Attributes:
        ended: Nothing more will come.
    """

    def __init__(self, receive: Receive) -> None:
        """Read from ``receive``."""
        self._receive = receive
        self.ended = False

    async def read(self, headers: Headers) -> bytes:
        """The whole body, of at most 8 MiB; the declared length can only refuse it sooner.

        Raises:
            GatewayRefusedError: Too large, or not complete after two minutes.
            ClientGoneError: The caller hung up.
        """
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:19]) > MAX_BODY_BYTES:
            raise GatewayRefusedError(BODY_TOO_LARGE)
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await self._read()
        except TimeoutError:
            raise GatewayRefusedError(INVALID_BODY, internal="the body did not come to its end") from None

    async def _read(self) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while not self.ended:
            chunk = await self._next()
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise GatewayRefusedError(BODY_TOO_LARGE)
            chunks.append(chunk)
        return b"".join(chunks)

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
