"""docs/contract.md §1 and §2 on the level of connections: how requests arrive and answers leave."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import sys
import threading
from collections.abc import Callable

import pytest
from hypercorn.config import Config

from tests.api.conftest import Service
from tests.api.signers import error_of, signed
from tests.api.wire import Connection, FakeEngine, fingerprint, request
from ziyan.api import body, connections, http1
from ziyan.api.allowance import MAX_FRAMES, WORTH_A_FRAME
from ziyan.ocr.types import Page, ReadOptions

PICTURE = bytes(range(256)) * 4096  # 1 MiB
BODY = b"img=" + base64.b64encode(PICTURE)
READ = fingerprint(PICTURE)
MIB = 1 << 20


class WaitingEngine(FakeEngine):
    """Reads until it is told to end, and notes being cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.reading, self.cancelled = threading.Event(), threading.Event()
        self._may_end = asyncio.Event()

    def finish(self) -> None:
        self._loop.call_soon_threadsafe(self._may_end.set)

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        self._loop = asyncio.get_running_loop()
        self.reading.set()
        try:
            await self._may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return await super().read(image_bytes, options)


def test_expect_100_continue(service: Service) -> None:
    sent = request(BODY, appcode=service.caller.appcode, headers=("Expect: 100-continue",))
    head, _, body = sent.partition(b"\r\n\r\n")
    with Connection(service.port) as connection:
        connection.send(head + b"\r\n\r\n")
        assert connection.read_interim().startswith(b"HTTP/1.1 100")
        connection.send(body)
        reply = connection.read_reply()
    assert (reply.status, json.loads(reply.body)["data"]) == (200, READ)


@pytest.mark.parametrize(("version", "header"), [("HTTP/1.0", "X-Nothing: 1"), ("HTTP/1.1", "Connection: close")])
def test_the_connection_ends_where_the_client_wants_it(service: Service, version: str, header: str) -> None:
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode, version=version, headers=(header,)))
        reply = connection.read_reply()
        assert connection.at_end()
    assert (reply.status, json.loads(reply.body)["data"]) == (200, READ)
    assert "transfer-encoding" not in [name.lower() for name in reply.names()]


def test_keep_alive_serves_call_after_call_also_after_refusals(service: Service) -> None:
    good = request(BODY, appcode=service.caller.appcode)
    with Connection(service.port) as connection:
        for sent, status in [
            (good, 200),
            (request(b"ver=9", appcode=service.caller.appcode), 666),
            (request(BODY), 400),
            (request(BODY, target="/x"), 404),
            (request(method="GET", content_type=None), 405),
            (good, 200),
        ]:
            connection.send(sent)
            assert connection.read_reply().status == status


def test_pipelined_calls_are_answered_in_their_order(service: Service) -> None:
    pictures = [f"picture {number}".encode() for number in range(20)]
    calls = [request(b"img=" + base64.b64encode(picture), appcode=service.caller.appcode) for picture in pictures]
    with Connection(service.port) as connection:
        connection.send(b"".join(calls))
        found = [json.loads(connection.read_reply().body)["data"] for _ in calls]
    assert found == [fingerprint(picture) for picture in pictures]


@pytest.mark.parametrize("blank", [b"\r\n", b"\n", b"\r\n\r\n\r\n"])
def test_empty_lines_before_a_request_are_skipped(service: Service, blank: bytes) -> None:
    call = request(b"img=QUJD", appcode=service.caller.appcode)
    with Connection(service.port) as connection:
        connection.send(blank + call + blank + call)  # pipelined
        assert [connection.read_reply().status for _ in range(2)] == [200, 200]
        for byte in (blank[:1], blank[1:], call):  # alone, and in pieces
            connection.send(byte)
        assert connection.read_reply().status == 200


def test_a_client_that_has_closed_its_side_is_answered(service_with: Callable[..., Service]) -> None:
    engine = WaitingEngine()
    service = service_with(engine=engine)
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode))
        connection.say_no_more()
        assert engine.reading.wait(20)
        engine.finish()
        assert json.loads(connection.read_reply().body)["data"] == READ
        assert connection.at_end()


def test_pipelined_calls_of_a_client_that_has_closed_its_side_are_all_answered(service: Service) -> None:
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode) * 3)
        connection.say_no_more()
        assert [connection.read_reply().status for _ in range(3)] == [200, 200, 200]
        assert connection.at_end()


def test_reading_is_cancelled_at_once_when_the_connection_is_reset(service_with: Callable[..., Service]) -> None:
    engine = WaitingEngine()
    service = service_with(engine=engine)
    connection = Connection(service.port)
    connection.send(request(BODY, appcode=service.caller.appcode))
    assert engine.reading.wait(20)
    connection.reset()
    assert engine.cancelled.wait(20)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),  # TLS where there is none
        (b"POST /ocr HTTP/1.1\r\n\r\n", 400),
        (b"POST /ocr HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\n", 400),
        (b"POST /ocr HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (70 << 10), 431),
        (b"POST /ocr HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_what_is_no_request_is_told_so_in_the_contracts_form(service: Service, sent: bytes, status: int) -> None:
    with Connection(service.port) as connection:
        connection.send(sent)
        reply = connection.read_reply()
        assert connection.at_end()
    assert (reply.status, reply.body, reply["X-Ca-Error-Code"]) == (status, b"", "I400BD")
    assert (reply["X-Ziyan-Billed"], len(reply["X-Ca-Request-Id"]), reply["Connection"]) == ("0", 36, "close")


@pytest.mark.parametrize("target", ["/图", "/图?a=图", "/ocr图"])
def test_a_path_that_is_not_ascii_is_one_that_nothing_is_served_under(service: Service, target: str) -> None:
    reply = service.send(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode())
    path = target.partition("?")[0].replace("图", "%E5%9B%BE")
    assert (reply.status, reply["X-Ca-Error-Message"]) == (404, f"API not found with `GET {path}`")


def test_a_query_that_is_not_ascii_is_taken_as_it_is_meant(service: Service) -> None:
    sent = request(BODY, appcode=service.caller.appcode, target="/ocr?x=%s&ver=1").replace(b"%s", "图".encode())
    reply = service.send(sent)
    assert (reply.status, json.loads(reply.body)["data"]) == (200, [])


def test_a_fault_in_a_protocol_costs_one_connection_and_one_line(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    next_event = http1._Requests.next_event

    def fail(requests: http1._Requests) -> object:
        if b"/fault" in requests.trailing_data[0]:  # other tests' connections may still be ending
            raise ZeroDivisionError("the client's bytes")
        return next_event(requests)

    caplog.set_level(logging.INFO, "ziyan")

    with monkeypatch.context() as patch, Connection(service.port) as connection:
        patch.setattr(http1._Requests, "next_event", fail)
        connection.send(request(target="/fault"))
        assert connection.at_end()
    assert service.post(b"ver=7").status == 666
    (record,) = [record for record in caplog.records if record.name == "ziyan.connections"]
    assert (record.getMessage(), record.exc_info) == ("connection failed", None)
    assert record.fields == {"error": "ZeroDivisionError"}


def test_a_connection_that_ends_before_it_is_looked_at_harms_nobody(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def gone(*_: object) -> None:
        raise OSError("not connected")

    with monkeypatch.context() as patch:
        patch.setattr(connections, "parse_socket_addr", gone)
        with Connection(service.port) as connection:
            assert connection.at_end()
    assert service.post(b"ver=7").status == 666
    assert [record for record in caplog.records if record.levelname != "INFO"] == []


def test_a_body_may_come_byte_by_byte(service: Service) -> None:
    sent = request(b"img=" + base64.b64encode(b"slow"), appcode=service.caller.appcode)
    with Connection(service.port) as connection:
        for index in range(len(sent)):
            connection.send(sent[index : index + 1])
        assert json.loads(connection.read_reply().body)["data"] == fingerprint(b"slow")


def test_a_chunked_body_is_read(service: Service) -> None:
    head = request(appcode=service.caller.appcode).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:10], BODY[10:70_000], BODY[70_000:]))
    reply = service.send(head + chunks + b"0\r\n\r\n")
    assert json.loads(reply.body)["data"] == READ


def test_a_body_in_many_small_chunks_is_read(service: Service) -> None:
    head = request(appcode=service.caller.appcode).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    small, size = 20_000, WORTH_A_FRAME
    parts = [BODY[:100][index : index + 1] for index in range(100)]
    parts += [BODY[start : start + size] for start in range(100, small, size)]
    end = 100 + len(parts[100:]) * size
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, BODY[end:]])
    assert json.loads(service.send(head + chunks + b"0\r\n\r\n").body)["data"] == READ


def test_a_body_in_chunks_of_a_byte_without_end_is_refused(service: Service) -> None:
    head = request(appcode=service.caller.appcode).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with Connection(service.port) as connection:
        connection.send(head + b"1\r\na\r\n" * (MAX_FRAMES + 200))
        reply = connection.read_reply()
        assert (reply.status, reply["X-Ca-Error-Message"], reply["Connection"]) == (400, "Invalid Body", "close")
        assert reply["X-Ziyan-Billed"] == "0"


def test_chunks_in_http_1_0_end_the_connection(service: Service) -> None:
    head = request(BODY, appcode=service.caller.appcode, version="HTTP/1.0", headers=("Connection: keep-alive",))
    head = head.partition(b"\r\n\r\n")[0].replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked")
    with Connection(service.port) as connection:
        connection.send(head + b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
        assert json.loads(connection.read_reply().body)["data"] == READ
        assert connection.at_end()


async def test_small_parts_of_a_body_are_gathered_while_nobody_takes_them() -> None:
    def part(content: bytes, *, more: bool = True) -> dict[str, object]:
        return {"type": "http.request", "body": content, "more_body": more}

    large, end = b"a" * connections._GATHERED_BYTES, {"type": "http.disconnect"}
    waiting = connections._Messages(10)
    for message in (part(b"1"), part(b"2"), part(large), part(large), part(b"3"), part(b"", more=False), end):
        await waiting.put(message)
    found = [waiting.get_nowait() for _ in range(waiting.qsize())]
    assert found == [part(b"12" + large), part(large), part(b"3", more=False), end]
    assert all(type(message.get("body", b"")) is bytes for message in found)


def test_the_loop_lets_the_threads_of_the_database_have_their_turn(service: Service) -> None:
    assert service.post(BODY).status == 200
    assert sys.getswitchinterval() < 0.001


def test_a_body_of_8_mib_is_taken(service: Service) -> None:
    padded = b"img=" + base64.b64encode(b"small") + b"&pad="
    assert service.post(padded + b"x" * (8 * MIB - len(padded))).status == 200


@pytest.mark.parametrize("declared", ["8388609", "999999999999999999", "00008388609"])
def test_a_declared_length_over_8_mib_is_refused_before_the_body_is_read(service: Service, declared: str) -> None:
    head = request(appcode=service.caller.appcode).replace(b"Content-Length: 0", f"Content-Length: {declared}".encode())
    reply = service.send(head)
    assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == (
        413,
        "I413RL",
        "Request body too Large",
    )


def test_more_than_8_mib_without_a_length_is_refused_before_its_end(service: Service) -> None:
    head = request(appcode=service.caller.appcode).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with Connection(service.port) as connection:
        connection.send(head + b"%x\r\n" % (100 * MIB) + b"a" * (8 * MIB + 1))
        reply = connection.read_reply()
    assert (reply.status, reply["X-Ca-Error-Code"]) == (413, "I413RL")


@pytest.mark.parametrize("size", [2 * MIB, 20 * MIB])
def test_a_refusal_reaches_a_client_that_sends_all_before_it_reads(service: Service, size: int) -> None:
    reply = service.send(request(b"a" * size, appcode="unknown"))
    assert reply["X-Ca-Error-Code"] == "A400AC"


def test_a_client_that_never_stops_sending_does_not_hold_its_connection(service: Service) -> None:
    head = request(appcode="unknown").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    with Connection(service.port) as connection:
        connection.send(head)
        assert connection.read_reply().status == 400
        with pytest.raises(OSError, match=r"reset|[Pp]ipe"):
            while True:
                connection.send(b"1000\r\n" + b"a" * 0x1000 + b"\r\n")
    assert service.post(BODY).status == 200


async def test_a_stream_ends_although_nobody_reads_the_body_that_still_comes() -> None:
    config, sent = Config(), list[object]()
    full, over = asyncio.Event(), asyncio.Event()
    piece = {"type": "http.request", "body": b"a" * connections._GATHERED_BYTES, "more_body": True}

    async def answers_unread(*_: object) -> None:
        await full.wait()
        await hand_on({"type": "http.disconnect"})  # as the protocol does once the answer is complete
        over.set()

    async def send(message: object) -> None:
        sent.append(message)

    tasks = connections._Tasks(asyncio.get_running_loop())
    async with asyncio.timeout(10), tasks:
        hand_on = await tasks.spawn_app(answers_unread, config, {}, send)  # type: ignore[arg-type]
        for _ in range(config.max_app_queue_size):
            await hand_on(piece)
        reading = asyncio.create_task(hand_on(piece))  # whoever reads from the client waits for room
        await asyncio.sleep(0)
        assert not reading.done()
        full.set()
        await over.wait()
        await reading
    assert sent == [None]


def test_a_client_that_hangs_up_in_its_body_harms_nobody(service: Service) -> None:
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode)[:100_000])
    assert service.post(BODY).status == 200


def test_a_body_that_does_not_come_to_its_end_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "_BODY_SECONDS", 0.05)
    reply = service.send(request(BODY, appcode=service.caller.appcode)[:-1])
    assert (reply.status, reply["X-Ca-Error-Message"]) == (400, "Invalid Body")


UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    f"Sec-WebSocket-Key: {'A' * 24}",
)
WRONG_METHOD = (405, "I405UM", "Unsupported Method")


@pytest.mark.parametrize("headers", [UPGRADE, UPGRADE[:2], ("Connection: close, Upgrade", "UPGRADE: WebSocket")])
def test_a_websocket_is_refused_like_any_other_request(service: Service, headers: tuple[str, ...]) -> None:
    reply = service.send(request(method="GET", headers=headers, content_type=None))
    assert (error_of(reply), reply["Allow"]) == (WRONG_METHOD, "POST")
    reply = service.send(request(method="GET", target="/live", headers=headers))
    assert error_of(reply) == (404, "I404NF", "API not found with `GET /live`")
    assert service.send(request(BODY, appcode=service.caller.appcode, headers=headers)).status == 200


def test_a_connection_goes_on_after_a_refused_websocket(service: Service) -> None:
    with Connection(service.port) as connection:
        for _ in range(2):
            connection.send(request(method="GET", headers=UPGRADE, content_type=None))
            assert connection.read_reply().status == 405
            connection.send(request(b"img=QUJD", appcode=service.caller.appcode))
            assert connection.read_reply().status == 200


@pytest.mark.parametrize(
    "method", ["GET", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "post", "ANY-THING"]
)
def test_other_methods_on_ocr_are_told_which_is_right(service: Service, method: str) -> None:
    reply = service.send(request(method=method, content_type=None))
    if method == "post":  # forgiven since the first version
        assert error_of(reply)[1] == "I400MH"
    else:
        assert (error_of(reply), reply["Allow"]) == (WRONG_METHOD, "POST")
    reply = service.send(request(method=method, target="/x", content_type=None))
    assert error_of(reply) == (404, "I404NF", f"API not found with `{method.upper()} /x`")
    assert reply.get("Allow") is None


@pytest.mark.parametrize(("method", "target"), [("CONNECT", "ocr.example:443"), ("OPTIONS", "*"), ("POST", "ocr")])
def test_targets_that_are_no_path_are_found_nowhere(service: Service, method: str, target: str) -> None:
    assert error_of(service.send(request(method=method, target=target)))[:2] == (404, "I404NF")


@pytest.mark.parametrize(
    "host", ["http://ocr.example", "HTTP://127.0.0.1:8000", "https://user:password@[::1]:443", "http://"]
)
def test_an_absolute_target_is_served_as_the_path_it_names(service: Service, host: str) -> None:
    reply = service.send(request(BODY, appcode=service.caller.appcode, target=f"{host}/ocr"))
    assert json.loads(reply.body)["data"] == READ
    assert service.send(request(target=f"{host}/ocr?img=QUJD&appcode={service.caller.appcode}")).status == 200
    assert (
        service.send(
            signed(service.caller.appkey, target="/ocr?a=b").replace(b"/ocr", host.encode() + b"/ocr", 1)
        ).status
        == 200
    )
    for target in ("", "?lang=en"):
        page = service.send(request(method="GET", target=host + target, content_type=None))
        assert (page.status, b"<html" in page.body) == (200, True), "it names the root"
    for target, path in [("/x?a", "/x"), ("//ocr", "//ocr")]:
        reply = service.send(request(target=host + target))
        assert error_of(reply) == (404, "I404NF", f"API not found with `POST {path}`")


def test_reading_is_cancelled_when_the_client_hangs_up(
    service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HALF_CLOSED_SECONDS", 0.05)
    engine = WaitingEngine()
    service = service_with(engine=engine)
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode))
        assert engine.reading.wait(20)
    assert engine.cancelled.wait(20)


def test_shutdown_finishes_what_was_accepted(service_with: Callable[..., Service]) -> None:
    engine = WaitingEngine()
    service = service_with(engine=engine)
    with Connection(service.port) as connection, Connection(service.port) as idle:
        connection.send(request(BODY, appcode=service.caller.appcode))
        assert engine.reading.wait(20)
        service.ask_to_stop()
        assert idle.at_end(), "the shutdown has begun"
        with pytest.raises(ConnectionError):
            Connection(service.port)
        engine.finish()
        reply = connection.read_reply()
        assert connection.at_end()
    assert json.loads(reply.body)["data"] == READ


def test_shutdown_does_not_wait_for_ever(
    service_with: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    engine = WaitingEngine()
    service = service_with(engine=engine, grace=0.1)
    with Connection(service.port) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode))
        assert engine.reading.wait(20)
        service.ask_to_stop()
        service.wait_for_end()
    assert engine.cancelled.is_set()
    assert "were cut" in caplog.text


def test_calls_at_the_same_time_do_not_mix(service: Service) -> None:
    pictures = [f"picture {number}".encode() * 1000 for number in range(32)]
    found: dict[bytes, str] = {}

    def call(picture: bytes) -> None:
        found[picture] = json.loads(service.post(b"img=" + base64.b64encode(picture)).body)["data"]

    threads = [threading.Thread(target=call, args=(picture,)) for picture in pictures]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {picture: fingerprint(picture) for picture in pictures}
