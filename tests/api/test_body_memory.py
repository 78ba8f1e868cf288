"""The memory that bodies take: bounded for all, for each address, and for whoever does not go on."""

from __future__ import annotations

import asyncio
import re
import time
import tracemalloc
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from tests.api.conftest import Service
from tests.api.signers import error_of
from tests.api.test_connections import BODY, MIB
from tests.api.wire import Connection, request
from ziyan.api import body
from ziyan.api.body import Body, BodyMemory

BUSY = (503, "X503BZ", "Service Busy")


def test_bodies_beyond_the_memory_for_all_are_refused_until_some_is_given_back(
    service_with: Callable[..., Service],
) -> None:
    service = service_with(body_memory=8)
    half = request(b"img=QUJD&pad=" + b"x" * (5 * MIB), appcode=service.caller.appcode)
    with Connection(service.port) as slow:
        slow.send(half[:-1])
        wait_for(lambda: held(service) > 4 * MIB)
        reply = service.send(half)
        assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == (503, "X503BZ", "Service Busy")
        assert reply["Retry-After"] == "1"
        assert service.post(b"img=QUJD").status == 200, "small ones still fit"
        slow.send(half[-1:])
        assert slow.read_reply().status == 200
    wait_for(lambda: held(service) == 0)
    assert service.send(half).status == 200


@pytest.mark.parametrize("last", ["hangs up", "too large", "refused", "read"])
def test_the_memory_of_a_body_is_given_back_whatever_becomes_of_the_call(service: Service, last: str) -> None:
    appcode = service.caller.appcode
    with Connection(service.port) as connection:
        if last == "hangs up":
            connection.send(request(BODY, appcode=appcode)[:-1])
            wait_for(lambda: held(service) > MIB)
        elif last == "too large":
            chunked = request(appcode=appcode).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            connection.send(chunked + b"%x\r\n" % (100 * MIB) + b"a" * (8 * MIB + 1))
            assert connection.read_reply().status == 413
        else:
            connection.send(request(BODY + b"&ver=7" * (last == "refused"), appcode=appcode))
            assert connection.read_reply().status == (666 if last == "refused" else 200)
    wait_for(lambda: held(service) == 0)


def from_address(service: Service, address: str, size: int) -> bytes:
    """A call with a body of ``size`` bytes more, as it comes through a proxy of ours."""
    content = b"img=QUJD&pad=" + b"x" * size
    return request(content, appcode=service.caller.appcode, headers=(f"X-Forwarded-For: {address}",))


def test_whoever_stalls_bodies_fills_the_share_of_one_address(service_with: Callable[..., Service]) -> None:
    service = service_with(body_memory=32, trusted_proxies="127.0.0.1")
    with ExitStack() as stack:
        for number in range(20):
            stalling = stack.enter_context(Connection(service.port))
            stalling.send(from_address(service, f"2001:db8:1:2::{number}", 5 * MIB)[:-1])
            if number == 0:
                wait_for(lambda: held(service) > 4 * MIB)
            else:
                assert error_of(stalling.read_reply()) == BUSY
        assert held(service) < 8 * MIB
        for address in ("2001:db8:1:3::1", "203.0.113.9"):
            assert service.send(from_address(service, address, 8 * MIB - 100)).status == 200
        assert service.send(from_address(service, "2001:db8:1:2::ff", MIB)).status == 200, "its share is not used up"
        assert error_of(service.send(from_address(service, "2001:db8:1:2::ff", 4 * MIB))) == BUSY


def test_a_share_is_a_quarter_and_a_whole_body_at_least() -> None:
    for limit, share in [(256, 64), (64, 16), (16, 8), (8, 8)]:
        memory = BodyMemory(limit * MIB)
        memory.take("a", share * MIB)
        with pytest.raises(body.GatewayRefusedError):
            memory.take("a", 1)
        assert memory.taken == share * MIB
        memory.give_back("a", share * MIB)
        assert (memory.taken, memory._by_sender) == (0, {})


def test_a_body_at_a_standstill_is_given_up_and_its_memory_back(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "_STALL_SECONDS", 0.3)
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode)[:-1])
        assert error_of(connection.read_reply()) == (400, "I400BD", "Invalid Body")
        wait_for(lambda: held(service) == 0)
        assert connection.at_end()


@pytest.mark.parametrize(
    ("pause", "pieces", "read"),
    [(19, 6, True), (1, 100, True), (21, 2, False), (19, 7, False), (1, 121, False)],
    ids=["now and then", "steadily", "a standstill", "never to its end", "too slowly"],
)
async def test_a_slow_body_is_read_while_it_goes_on(
    pause: int, pieces: int, read: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    left = iter(range(pieces - 1, -1, -1))

    async def receive() -> Message:
        now[0] += pause
        for _ in range(3):  # so that the loop looks at its clock
            await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x" * 10, "more_body": next(left) > 0}

    memory = BodyMemory(8 * MIB)
    reading = Body(receive, memory)
    if read:
        assert await reading.read(Headers({}), "a") == b"x" * 10 * pieces
    else:
        with pytest.raises(body.GatewayRefusedError, match="Invalid Body"):
            await reading.read(Headers({}), "a")
        assert memory.taken == 0


async def test_a_body_in_tiny_pieces_takes_no_more_memory_than_is_counted() -> None:
    pieces = 400_000
    left = iter(range(pieces - 1, -1, -1))

    async def receive() -> Message:
        number = next(left)
        return {"type": "http.request", "body": b"%02d" % (number % 100), "more_body": number > 0}

    memory = BodyMemory(8 * MIB)
    reading = Body(receive, memory)
    tracemalloc.start()
    try:
        content = await reading.read(Headers({}), "a")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert content == b"".join(b"%02d" % (number % 100) for number in range(pieces - 1, -1, -1))
    assert memory.taken == 2 * pieces
    assert peak < 3 * len(content)


def held(service: Service) -> float:
    """Bytes of bodies in memory, as the metrics say."""
    page = service.send(request(method="GET", target="/metrics", content_type=None)).body.decode()
    return float(re.search(r"^ziyan_body_bytes (\S+)$", page, re.MULTILINE)[1])


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(2000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")
