"""What the caller sends, read as it comes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.datastructures import Headers
from starlette.types import Receive

from ziyan.api.refusals import BODY_TOO_LARGE, INVALID_BODY, SERVICE_BUSY, ClientGoneError, GatewayRefusedError

T = TypeVar("T")

MAX_BODY_BYTES: Final = 8 << 20
_BODY_SECONDS: Final = 120.0
#: Without a byte of it, until a body counts as given up; a phone that changes cells comes back sooner.
_STALL_SECONDS: Final = 20.0
#: Of the memory for bodies, the part that one address may take: whoever fills that leaves most of it to others.
_SHARE: Final = 4
_TINY: Final = 4 << 10
_PIECE: Final = 64 << 10


class BodyMemory:
    """How much memory the bodies of all requests under way take, and may take.

    Attributes:
        taken: Bytes held at this moment.
    """

    def __init__(self, limit: int) -> None:
        """Let them take ``limit`` bytes together, and those of one sender a share of it, at least one whole body."""
        self._limit = limit
        self._share = max(limit // _SHARE, MAX_BODY_BYTES)
        self._by_sender: Counter[str] = Counter()
        self.taken = 0

    def take(self, sender: str, size: int) -> None:
        """Hold so many more.

        Raises:
            GatewayRefusedError: There is no room for them; nothing was taken.
        """
        if self.taken + size > self._limit:
            raise GatewayRefusedError(SERVICE_BUSY, internal="bodies take all the memory they may")
        if self._by_sender[sender] + size > self._share:
            raise GatewayRefusedError(SERVICE_BUSY, internal="bodies of this address take all the memory they may")
        self.taken += size
        self._by_sender[sender] += size

    def give_back(self, sender: str, size: int) -> None:
        """Hold so many fewer."""
        self.taken -= size
        self._by_sender[sender] -= size
        if not self._by_sender[sender]:
            del self._by_sender[sender]  # or everybody who ever called would be remembered


class Body:
    """One request's body.  Its memory is counted until ``close``, for whoever read it holds on to it.

    Attributes:
        ended: Nothing more will come.
        receive_ms: Milliseconds that reading it took.
    """

    def __init__(self, receive: Receive, memory: BodyMemory) -> None:
        """Read from ``receive``."""
        self._receive = receive
        self._memory = memory
        self._sender = ""
        self._taken = 0
        self.ended = False
        self.receive_ms = 0.0

    async def read(self, headers: Headers, sender: str) -> bytes:
        """The whole body, of at most 8 MiB; the declared length can only refuse it sooner.

        Args:
            headers: The request's.
            sender: Whose share of the memory it takes.

        Raises:
            GatewayRefusedError: Too large, not complete after two minutes, at a standstill, or no memory is left for
                it.
            ClientGoneError: The caller hung up.
        """
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:19]) > MAX_BODY_BYTES:
            raise GatewayRefusedError(BODY_TOO_LARGE)
        self._sender = sender
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                return await self._read()
        except TimeoutError:
            raise GatewayRefusedError(INVALID_BODY, internal="the body did not come to its end") from None
        finally:
            self.receive_ms = (time.perf_counter() - started) * 1000

    async def _read(self) -> bytes:
        pieces: list[bytes | bytearray] = []
        try:
            async with asyncio.timeout(_STALL_SECONDS) as standstill:
                while not self.ended:
                    chunk = await self._next()
                    if self._taken + len(chunk) > MAX_BODY_BYTES:
                        raise GatewayRefusedError(BODY_TOO_LARGE)
                    self._memory.take(self._sender, len(chunk))
                    self._taken += len(chunk)
                    _append(pieces, chunk)
                    _put_off(standstill)
        except BaseException:
            self.close()
            raise
        return b"".join(pieces)

    def close(self) -> None:
        """Count its memory no longer."""
        self._memory.give_back(self._sender, self._taken)
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

    async def caller_is_gone(self) -> bool:
        """Whether the caller, whose body has ended, has hung up by now."""
        gone = asyncio.ensure_future(self._receive())
        await asyncio.wait({gone}, timeout=0)
        if gone.done():
            return True
        gone.cancel()
        await asyncio.wait({gone})
        return False

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            self.ended = True
            raise ClientGoneError
        self.ended = not message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk


def _append(pieces: list[bytes | bytearray], chunk: bytes) -> None:
    """Gather tiny chunks in one piece: each by itself would take many times the memory that is counted for it."""
    last = pieces[-1] if pieces else b""
    if isinstance(last, bytearray) and len(last) < _PIECE:
        last += chunk
    else:
        pieces.append(bytearray(chunk) if len(chunk) < _TINY else chunk)


def _put_off(standstill: asyncio.Timeout) -> None:
    """Begin to wait anew; not for every chunk of many, for a timer costs more than a small chunk."""
    when = asyncio.get_running_loop().time() + _STALL_SECONDS
    if when - (standstill.when() or 0.0) > _STALL_SECONDS / 10:
        standstill.reschedule(when)
