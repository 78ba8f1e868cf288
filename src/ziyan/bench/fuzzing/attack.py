"""Attackers and witnesses: the ones send broken requests, the others well-formed ones that must be answered right."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from random import Random

from ziyan.bench.fuzzing import frames
from ziyan.bench.fuzzing.answers import BrokenAnswerError, http2_statuses, outcome, replies, wrong
from ziyan.bench.fuzzing.cases import Case, case
from ziyan.bench.fuzzing.good import good
from ziyan.bench.instant import fingerprint

#: Seconds within which a connection that nothing more is sent on must be closed, and a well-formed call answered.
LIMIT = 15.0
#: Seconds of silence after which a case closes its sending half.
_QUIET = 0.15
_MAX_RECEIVED = 64 << 20
#: Failures that are kept whole.
KEPT = 50


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that must not happen.

    Attributes:
        kind: Of the case, or ``witness``.
        number: Of the case; with the seed it gives the same bytes again.
        what: What was seen.
        sent: The first bytes that were sent.
    """

    kind: str
    number: int
    what: str
    sent: bytes


@dataclass(slots=True)
class Tally:
    """What became of everything that was sent.

    Attributes:
        outcomes: (kind, statuses) → how often.
        failures: The first of them.
        failed: How many there were.
        slowest: Seconds of the slowest well-formed call.
        witnessed: Well-formed calls made beside the attack.
    """

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    failed: int = 0
    slowest: float = 0.0
    witnessed: int = 0

    def fail(self, kind: str, number: int, what: str, sent: bytes) -> None:
        """Note a failure."""
        self.failed += 1
        if len(self.failures) < KEPT:
            self.failures.append(Failure(kind, number, what, sent[:4096]))


async def attack(
    port: int, appcode: str, *, seed: int, until: float, attackers: int, witnesses: int, tally: Tally
) -> None:
    """Send cases until the clock says ``until``; whoever is free takes the next one."""
    numbers = count()

    async def attacker() -> None:
        while time.monotonic() < until:
            number = next(numbers)
            await _try(port, case(seed, number, appcode), number, tally)

    async def witness(which: int) -> None:
        rng = Random(f"{seed}:witness {which}")  # noqa: S311 - decides what is tried, not what is secret
        while time.monotonic() < until:
            await _witness(port, appcode, rng, tally)

    async with asyncio.TaskGroup() as group:
        for _ in range(attackers):
            group.create_task(attacker())
        for which in range(witnesses):
            group.create_task(witness(which))


async def _try(port: int, it: Case, number: int, tally: Tally) -> None:
    sent = b"".join(it.pieces)
    try:
        received = await _exchange(port, it)
    except TimeoutError:
        tally.outcomes[it.kind, "HANGS"] += 1
        tally.fail(it.kind, number, f"not closed within {LIMIT:g} s", sent)
        return
    except ConnectionRefusedError as error:
        tally.outcomes[it.kind, "REFUSED"] += 1
        tally.fail(it.kind, number, f"no connection: {error}", sent)
        await asyncio.sleep(0.1)  # a dead server would be asked a thousand times a second
        return
    if it.cut:
        tally.outcomes[it.kind, "cut"] += 1
        return
    what = wrong(it, received)
    if what:
        tally.fail(it.kind, number, what, sent)
    try:
        tally.outcomes[it.kind, outcome(it, received)] += 1
    except BrokenAnswerError:
        tally.outcomes[it.kind, "BROKEN"] += 1


async def _exchange(port: int, it: Case) -> bytes:
    """Send a case and gather what comes until the server closes.

    Raises:
        TimeoutError: It does not close.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = bytearray()
    try:
        async with asyncio.timeout(LIMIT + it.pause * len(it.pieces)):
            await _send(it, reader, writer, received)
            if it.cut:
                _reset_on_close(writer)
                return b""
            await _listen(it, reader, received)
            if writer.can_write_eof():
                with contextlib.suppress(OSError):
                    writer.write_eof()
            await _gather(reader, received)
    except ConnectionError:
        pass  # a reset is an end as well; what came before it is judged
    finally:
        writer.transport.abort()  # what is unsent would be waited for
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return bytes(received)


async def _send(it: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: bytearray) -> None:
    """Send the pieces, reading all the while: a server that refuses a body need not read it."""
    gathering = asyncio.ensure_future(_gather(reader, received))
    try:
        for piece in it.pieces:
            writer.write(piece)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            if it.pause:
                await asyncio.sleep(it.pause)
    finally:
        gathering.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await gathering


async def _listen(it: Case, reader: asyncio.StreamReader, received: bytearray) -> None:
    """Read until nothing more comes, and until every answer that is owed is there."""
    while True:
        before = len(received)
        try:
            async with asyncio.timeout(_QUIET):
                await _gather(reader, received)
                return
        except TimeoutError:
            if len(received) == before and _answered(it, bytes(received)):
                return


def _answered(it: Case, received: bytes) -> bool:
    if not it.answers:
        return True
    try:
        return len(list(replies(received))) >= len(it.answers)
    except BrokenAnswerError:
        return False


async def _gather(reader: asyncio.StreamReader, received: bytearray) -> None:
    while chunk := await reader.read(1 << 16):
        received += chunk
        if len(received) > _MAX_RECEIVED:
            raise ConnectionError("the server does not stop talking")


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    """Have the kernel send a reset, as for a client whose process was killed."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _witness(port: int, appcode: str, rng: Random, tally: Tally) -> None:
    started = time.perf_counter()
    if rng.random() < 0.2:
        what, sent = await _http2_call(port, appcode, rng.randbytes(rng.choice((10, 3000, 40_000))))
    else:
        what, sent = await _http1_calls(port, appcode, rng)
    tally.slowest = max(tally.slowest, time.perf_counter() - started)
    tally.witnessed += 1
    tally.outcomes["witness", "wrong" if what else "right"] += 1
    if what:
        tally.fail("witness", tally.witnessed, what, sent)


async def _http1_calls(port: int, appcode: str, rng: Random) -> tuple[str, bytes]:
    """A few well-formed calls, one after another, on one connection."""
    made = [good(rng, appcode) for _ in range(rng.choice((1, 1, 3)))]
    it = Case("witness", tuple(one.sent() for one in made), answers=tuple(one.answer for one in made))
    try:
        return wrong(it, await _exchange(port, it)), it.pieces[0]
    except (TimeoutError, OSError) as error:
        return f"no answer: {error!r}", it.pieces[0]


async def _http2_call(port: int, appcode: str, picture: bytes) -> tuple[str, bytes]:
    opening, call = frames.call(appcode, picture)
    it = Case("witness", (opening + call,), http2=True)
    received = bytearray()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(LIMIT):
                writer.write(opening + call)
                while fingerprint(picture).encode() not in received and (chunk := await reader.read(1 << 16)):
                    received += chunk
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
    except (TimeoutError, OSError) as error:
        return f"no answer: {error!r}", opening + call
    if fingerprint(picture).encode() not in received or http2_statuses(bytes(received)) != ["200"]:
        return f"wrong answer over HTTP/2: {bytes(received)[:200]!r}", opening + call
    return wrong(it, bytes(received)), opening + call
