"""docs/contract.md §2 over HTTP/2, with prior knowledge and over TLS, and what a hostile client may do with it."""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

import h2.config
import h2.connection
import h2.errors
import h2.settings
import pytest
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.typing import ConnectionState
from priority import DeadlockError, PriorityTree

from tests.api.certificates import Certificate, certificate
from tests.api.conftest import Service
from tests.api.test_body_memory import wait_for
from tests.api.test_connections import BODY, READ, WaitingEngine
from tests.api.wire import Connection, Http2, fingerprint, http2_call, http2_headers, request
from ziyan.api import calls, http2
from ziyan.api.allowance import MAX_FRAMES
from ziyan.api.http2 import MAX_RESETS
from ziyan.api.tls import tls_context

NEITHER = '{"ok":0,"msg":"img或url必传一个"}'.encode()
FORM_TYPE = ("content-type", "application/x-www-form-urlencoded")
#: Of a call that is answered before its body has come.
UNKNOWN = [*http2_headers("POST", "/ocr"), ("authorization", "APPCODE unknown")]

__all__ = ["certificate"]


def appcode(service: Service) -> tuple[str, str]:
    return "authorization", f"APPCODE {service.caller.appcode}"


def assert_666(answer: tuple[dict[str, str], bytes]) -> None:
    headers, body = answer
    headers = dict(headers)
    assert body == NEITHER
    assert headers.pop("date")
    assert headers.pop("x-ca-request-id")
    assert headers.pop("x-ziyan-remaining").isdecimal()
    assert headers == {
        ":status": "666",
        "content-type": "application/json; charset=UTF-8",
        "content-length": str(len(body)),
        "x-ca-error-message": "OK",
        "x-ziyan-billed": "0",
    }


def test_a_666_over_http_2_has_lower_case_names(service: Service) -> None:
    headers = [*http2_headers("POST", "/ocr"), FORM_TYPE, appcode(service)]
    assert_666(http2_call(service.port, headers, b"img=&url="))


def test_a_666_over_tls_with_alpn(service_with: Callable[..., Service], certificate: Certificate) -> None:
    service = service_with(tls_cert=str(certificate.file), tls_key=str(certificate.key))
    with Http2(service.port, certificate.trusting("h2")) as client:
        assert client.socket.selected_alpn_protocol() == "h2"
        assert_666(client.answer(client.post(b"img=&url=", FORM_TYPE, appcode(service))))
        headers, body = client.answer(client.post(BODY, appcode(service)))
        assert (headers[":status"], json.loads(body)["data"]) == ("200", READ)
    for protocols in ((), ("http/1.1",), ("h2c", "http/1.1")):
        with Connection(service.port, certificate.trusting(*protocols)) as connection:
            connection.send(request(b"img=&url=", appcode=service.caller.appcode))
            reply = connection.read_reply()
        assert (reply.status, reply.body, reply["X-Ca-Error-Message"]) == (666, NEITHER, "OK")


def test_what_is_no_tls_does_not_harm_a_service_with_tls(
    service_with: Callable[..., Service], certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_with(tls_cert=str(certificate.file), tls_key=str(certificate.key))
    with Connection(service.port) as connection:
        connection.send(request(BODY))
        assert b"200" not in connection.rest()
    with Connection(service.port, certificate.trusting()) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode)[:-9])
        connection.reset()
    with Connection(service.port, certificate.trusting()) as connection:
        connection.send(request(b"", appcode=service.caller.appcode))
        assert connection.read_reply().status == 666
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_calls_on_one_connection_do_not_mix(service: Service) -> None:
    pictures = [f"picture {number}".encode() * 10_000 for number in range(20)]
    with Http2(service.port) as client:
        streams = [client.post(b"img=" + base64.b64encode(picture), appcode(service)) for picture in pictures]
        found = [json.loads(client.answer(stream)[1])["data"] for stream in streams]
    assert found == [fingerprint(picture) for picture in pictures]


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_an_upgrade_from_http_1_is_not_made(service: Service, method: str) -> None:
    client = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    settings = (client.initiate_upgrade_connection() or b"").decode()
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", f"HTTP2-Settings: {settings}")
    sent = request(method=method, headers=upgrade, content_type=None).replace(b"Content-Length: 0\r\n", b"")
    with Connection(service.port) as connection:
        for _ in range(2):  # and the connection goes on as it was
            connection.send(sent)
            reply = connection.read_reply()
            assert (reply.status, reply["X-Ca-Error-Code"]) == (405, "I405UM")


def test_a_refusal_reaches_a_client_that_is_still_sending(service: Service) -> None:
    with Http2(service.port) as client:
        headers, _ = client.answer(client.post(b"a" * (20 << 20), ("authorization", "APPCODE unknown")))
        assert headers["x-ca-error-code"] == "A400AC"
        assert_666(client.answer(client.post(b"img=", appcode(service))))


def test_what_still_comes_for_an_answered_call_is_dropped(service: Service) -> None:
    with Http2(service.port) as client:
        stream = client.send_headers(UNKNOWN)
        assert client.answer(stream)[0]["x-ca-error-code"] == "A400AC"
        client.client.send_data(stream, b"a" * 10_000, end_stream=True)
        client.flush()
        assert_666(client.answer(client.post(b"img=", appcode(service))))


@pytest.mark.parametrize(
    "headers",
    [
        [(":method", "CONNECT"), (":authority", "ocr.example")],
        http2_headers("PÖST", "/ocr"),
    ],
)
def test_a_request_that_is_none_costs_its_stream_alone(
    service: Service, headers: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    with Http2(service.port) as client:
        client.client.config.validate_outbound_headers = False
        client.wait_for_reset(client.send_headers(headers, end=True))
        assert_666(client.answer(client.post(b"img=", appcode(service))))
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_an_absolute_path_is_served_as_the_path_it_names(service: Service) -> None:
    headers = [*http2_headers("POST", "https://ocr.example/ocr?ver=0"), FORM_TYPE, appcode(service)]
    assert_666(http2_call(service.port, headers, b"img=&url="))


def test_a_path_that_is_not_ascii_is_one_that_nothing_is_served_under(service: Service) -> None:
    with Http2(service.port) as client:
        stream = client.send_headers(http2_headers("POST", "/图"), end=True)
        headers, _ = client.answer(stream)
        assert (headers[":status"], headers["x-ca-error-code"]) == ("404", "I404NF")
        assert headers["x-ca-error-message"] == "API not found with `POST /%E5%9B%BE`"
        assert_666(client.answer(client.post(b"img=", appcode(service))))


def test_a_priority_may_come_before_its_stream(service: Service) -> None:
    with Http2(service.port) as client:
        client.client.prioritize(1, weight=7)
        assert_666(client.answer(client.post(b"img=", appcode(service))))


@pytest.mark.parametrize(
    ("method", "target", "code", "allow"),
    [
        ("CONNECT", "/ocr", "I405UM", "POST"),
        ("CONNECT", "/x", "I404NF", None),
        ("TRACE", "/ocr", "I405UM", "POST"),
        ("GET", "http://ocr.example/x", "I404NF", None),
    ],
)
def test_an_extended_connect_is_refused_like_any_other_request(
    service: Service, method: str, target: str, code: str, allow: str | None
) -> None:
    extended = [(":protocol", "websocket")] if method == "CONNECT" else []
    headers = http2_headers(method, target)
    with Http2(service.port) as client:
        stream = client.send_headers([*headers[:1], *extended, *headers[1:], ("sec-websocket-version", "13")])
        told, body = client.answer(stream)
        assert (told["x-ca-error-code"], told.get("allow"), body) == (code, allow, b"")
        assert_666(client.answer(client.post(b"img=", appcode(service))))


# --- streams that are taken back ----------------------------------------------------------------------------------


def test_calls_that_are_taken_back_leave_nothing_behind(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with Http2(service.port) as client:
        for number in range(MAX_RESETS):
            stream = client.send_headers([*http2_headers("POST", "/ocr"), appcode(service)], end=bool(number % 2))
            client.client.reset_stream(stream)
        client.flush()
        assert_666(client.answer(client.post(b"img=", appcode(service))))
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_client_that_takes_back_too_many_is_sent_away(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with Http2(service.port) as client:
        for _ in range(MAX_RESETS * 2):
            stream = client.client.get_next_available_stream_id()
            client.client.send_headers(stream, [*http2_headers("POST", "/ocr"), appcode(service)])
            client.client.reset_stream(stream)
        client.flush()
        client.wait_for_end()
        assert client.terminated
        assert client.terminated.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
    assert service.post(b"ver=7").status == 666
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_call_taken_back_while_it_is_read_is_cancelled(service_with: Callable[..., Service]) -> None:
    engine = WaitingEngine()
    service = service_with(engine=engine)
    with Http2(service.port) as client:
        stream = client.post(BODY, appcode(service))
        assert engine.reading.wait(20)
        client.client.reset_stream(stream)
        client.flush()
        assert engine.cancelled.wait(20)


def test_an_answer_taken_back_half_way_costs_its_stream_alone(service: Service) -> None:
    with Http2(service.port) as client:
        client.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})  # let no answer out
        stream = client.post(b"img=", appcode(service))
        while stream not in client.headers:
            client.receive()
        client.client.reset_stream(stream)
        client.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        assert_666(client.answer(client.post(b"img=", appcode(service))))


def test_a_call_taken_back_after_its_answer_costs_nothing(service: Service) -> None:
    with Http2(service.port) as client:
        stream = client.send_headers(UNKNOWN)
        assert client.answer(stream)[0]["x-ca-error-code"] == "A400AC"
        client.client.reset_stream(stream)
        assert_666(client.answer(client.post(b"img=", appcode(service))))


async def test_a_stream_forgotten_while_it_is_being_sent_is_dropped() -> None:
    async def nothing(*_: object) -> None:
        return

    state = ConnectionState({})
    protocol = http2.Http2(nothing, Config(), WorkerContext(None), None, state, False, None, None, nothing)
    protocol.priority.insert_stream(1)
    await protocol._send_data(1)
    with pytest.raises(DeadlockError):  # there is nothing left to send
        next(protocol.priority)


def test_an_answer_that_the_client_leaves_no_room_for_ends_with_the_connection(
    service_with: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ziyan.calls")
    service = service_with(grace=60)
    with Http2(service.port) as client:
        client.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        stream = client.post(b"img=", appcode(service))
        while stream not in client.headers:
            client.receive()
    service.ask_to_stop()
    service.wait_for_end()
    assert "were cut" not in caplog.text


def test_an_answer_that_is_not_taken_is_given_up(
    service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ziyan.calls")
    monkeypatch.setattr(calls, "_SEND_SECONDS", 0.05)
    service = service_with()
    with Http2(service.port) as client:
        client.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        client.post(b"img=", appcode(service))
        wait_for(lambda: [record.fields["status"] for record in caplog.records] == [499])


def test_priorities_are_not_kept(
    service: Service, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(*_: object, **__: object) -> None:
        raise AssertionError("putting streams in order takes longer the more a client names")

    monkeypatch.setattr(PriorityTree, "reprioritize", keep)

    def priority(stream: int, parent: int) -> bytes:
        return b"\0\0\5\2\0" + stream.to_bytes(4, "big") + parent.to_bytes(4, "big") + b"\x10"

    with Http2(service.port) as client:
        client.flush()
        for number in range(MAX_FRAMES - 200):
            client.socket.sendall(priority(1_000_001 + 2 * number, 0))
        assert_666(client.answer(client.post(b"img=", appcode(service))))
    assert service.post(b"ver=7").status == 666
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


# --- frames that are no calls -------------------------------------------------------------------------------------


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


#: One of each kind that a client may send as often as it likes.  On stream 1 a body is under way.
FRAMES = {
    "settings": frame(4),
    "settings of windows": frame(4, b"\0\4" + (1 << 16).to_bytes(4, "big")),
    "ping": frame(6, bytes(8)),
    "answer to a ping": frame(6, bytes(8), flags=1),
    "room of the connection": frame(8, (1).to_bytes(4, "big")),
    "room of a stream": frame(8, (1).to_bytes(4, "big"), stream=1),
    "priority": frame(2, bytes(4) + b"\x10", stream=3),
    "unknown": frame(0x77),
    "empty data": frame(0, stream=1),
    "a body byte by byte": frame(0, b"x", stream=1),
}


#: The same, on stream 1, whose call has been answered: no event tells of them.
LATE_FRAMES = {
    "data": frame(0, b"x", stream=1),
    "reset": frame(3, bytes(4), stream=1),
    "room": frame(8, (1).to_bytes(4, "big"), stream=1),
    "another host's address": frame(10, b"\0\0x", stream=1),
}


@pytest.mark.parametrize("kind", LATE_FRAMES)
def test_a_client_that_sends_frames_on_a_stream_that_has_ended_is_sent_away(service: Service, kind: str) -> None:
    with Http2(service.port) as client:
        assert_666(client.answer(client.post(b"img=", appcode(service))))
        with suppress(ConnectionError):
            client.socket.sendall(LATE_FRAMES[kind] * 20 * MAX_FRAMES)
        client.wait_for_end()
    assert service.post(b"ver=7").status == 666


@pytest.mark.parametrize("kind", FRAMES)
def test_a_client_that_sends_nothing_but_frames_is_sent_away(
    service: Service, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Http2(service.port) as client:
        client.send_headers([*http2_headers("POST", "/ocr"), appcode(service)])
        with suppress(ConnectionError):  # it is sent away before it has said all of it
            client.socket.sendall(FRAMES[kind] * 20 * MAX_FRAMES)
        client.wait_for_end()
    assert service.post(b"ver=7").status == 666
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_client_that_sends_many_frames_is_told_why_it_is_sent_away(service: Service) -> None:
    with Http2(service.port) as client:
        client.flush()
        client.socket.sendall(FRAMES["ping"] * (MAX_FRAMES + 300))
        client.wait_for_end()
        assert client.terminated
        assert client.terminated.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


def test_frames_of_a_client_that_calls_are_not_too_many(service: Service) -> None:
    with Http2(service.port) as client:
        for _ in range(200):
            client.flush()
            client.socket.sendall(FRAMES["ping"] * 6)
            assert_666(client.answer(client.post(b"img=", appcode(service))))
        assert client.terminated is None


# --- the end ------------------------------------------------------------------------------------------------------


def test_shutdown_finishes_what_was_accepted_over_http_2(service_with: Callable[..., Service]) -> None:
    engine = WaitingEngine()
    service = service_with(engine=engine)
    with Http2(service.port) as client, Http2(service.port) as idle:
        idle.flush()
        stream = client.post(BODY, appcode(service))
        assert engine.reading.wait(20)
        service.ask_to_stop()
        idle.wait_for_end()
        late = client.send_headers([*http2_headers("POST", "/ocr"), appcode(service)], end=True)
        client.wait_for_reset(late)
        engine.finish()
        headers, body = client.answer(stream)
        client.wait_for_end()
    assert (headers[":status"], json.loads(body)["data"]) == ("200", READ)
    service.wait_for_end()
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", service.port), timeout=20)


def test_shutdown_finishes_what_was_accepted_over_tls(
    service_with: Callable[..., Service], certificate: Certificate
) -> None:
    engine = WaitingEngine()
    service = service_with(engine=engine, tls_cert=str(certificate.file), tls_key=str(certificate.key))
    with Connection(service.port, certificate.trusting()) as connection:
        connection.send(request(BODY, appcode=service.caller.appcode))
        assert engine.reading.wait(20)
        service.ask_to_stop()
        engine.finish()
        assert json.loads(connection.read_reply().body)["data"] == READ
    service.wait_for_end()


def test_no_certificate_is_no_tls(service: Service) -> None:
    assert tls_context(service.settings) is None
