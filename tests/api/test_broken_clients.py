"""What clients do that Hypercorn alone would not get over; found by ``scripts/bench fuzz``."""

from __future__ import annotations

import asyncio
import json
import socket
from types import SimpleNamespace
from typing import Any, cast

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from hypercorn.events import Updated

from tests.api.conftest import Service
from tests.api.wire import Connection, Reply, fingerprint, request
from ziyan.api.connections import Connection as Served

BODY = b"img=AAAA"
READ = fingerprint(bytes(3))
AFTER = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def replies_until_the_end(port: int, data: bytes) -> list[Reply]:
    """Every answer to ``data``, whose connection the server must end by itself."""
    found = []
    with Connection(port) as connection:
        connection.send(data)
        while not connection.at_end():
            found.append(connection.read_reply())
    return found


def test_a_client_that_hangs_up_after_its_answer_leaves_no_connection_behind(service: Service) -> None:
    """The idle timer of a kept connection runs for over a minute, longer than this waits."""
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode))
        assert connection.read_reply().status == 200
        connection._socket.shutdown(socket.SHUT_WR)
        assert connection.at_end()


def test_a_client_that_never_says_a_word_leaves_no_connection_behind(service: Service) -> None:
    with Connection(service.port) as connection:
        connection._socket.shutdown(socket.SHUT_WR)
        assert connection.at_end()


async def test_the_idle_timer_is_not_started_for_a_client_that_is_gone() -> None:
    reader = asyncio.StreamReader()
    reader.feed_eof()
    server = SimpleNamespace(wait=asyncio.Event().wait)
    served = Served(
        cast(Any, None),
        asyncio.get_running_loop(),
        cast(Any, None),
        cast(Any, SimpleNamespace(terminated=server)),
        {},
        reader,
        cast(Any, None),
    )
    async with asyncio.TaskGroup() as group:
        served._task_group = cast(Any, SimpleNamespace(_task_group=group))
        await served.protocol_send(Updated(idle=True))
    assert served.idle_task._handle is not None
    assert served.idle_task._handle.done(), "it would run for over a minute"


def test_an_answer_that_an_http2_client_has_no_room_for_is_dropped_with_its_connection(service: Service) -> None:
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    client.send_headers(
        1,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "ocr.example"),
            (":path", "/ocr"),
            ("authorization", f"APPCODE {service.caller.appcode}"),
        ],
    )
    client.send_data(1, BODY, end_stream=True)
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall(client.data_to_send())
        events: list[h2.events.Event] = []
        while not any(isinstance(event, h2.events.ResponseReceived) for event in events):
            events = client.receive_data(connection.recv(1 << 16))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass


AMBIGUOUS = {
    "length and chunks": "Content-Length: {length}\r\nTransfer-Encoding: chunked",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: {length}",
    "chunks behind a tab": "Content-Length: {length}\r\nTransfer-Encoding:\tchunked",
    "chunks behind a bare line feed": "Content-Length: {length}\r\nX: y\nTransfer-Encoding: chunked",
}


@pytest.mark.parametrize("lengths", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_nothing_is_taken_for_a_request_behind_one_of_two_lengths(service: Service, lengths: str, known: bool) -> None:
    chunks = b"8\r\nimg=AAAA\r\n0\r\n\r\n"
    head = request(appcode=service.caller.appcode if known else "unknown").replace(
        b"Content-Length: 0", lengths.format(length=len(chunks + AFTER)).encode()
    )
    (reply,) = replies_until_the_end(service.port, head + chunks + AFTER)
    assert reply.get("Connection") == "close"
    if known:
        assert json.loads(reply.body)["data"] == READ
    else:
        assert reply["X-Ca-Error-Code"] == "A400AC"


def test_one_length_keeps_the_connection(service: Service) -> None:
    with Connection(service.port) as connection:
        for _ in range(2):
            connection.send(request(BODY, appcode=service.caller.appcode))
            reply = connection.read_reply()
            assert (reply.status, reply.get("Connection")) == (200, None)
