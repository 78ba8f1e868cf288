"""docs/contract.md §2 and §4: what goes out, byte for byte."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable

import numpy as np
import pytest

from tests.api.conftest import Service
from tests.api.wire import Connection, request
from tests.desk import set_app_disabled
from ziyan.api import health
from ziyan.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineTimeoutError,
    ImageTooLargeError,
    ReaderCrashedError,
    StoreError,
    UndecodableImageError,
    UnsupportedImageError,
)
from ziyan.ocr.types import Line, Page

PICTURE = b"\x89PNG any bytes \xfb\xff\xfe will do"
FORM = b"img=" + base64.urlsafe_b64encode(PICTURE)
POLYGON = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float32)
TWO_LINES = Page(
    lines=(Line("第一行", 0.9, POLYGON, 0.9), Line('"line" 2', 0.9, POLYGON, 0.9)),
    text='第一行"line" 2',
    width=10,
    height=10,
)
NOTHING = Page(lines=(), text="", width=10, height=10)


@pytest.mark.parametrize(
    ("page", "ver", "body"),
    [
        (TWO_LINES, b"", '{"ok":1,"msg":"查询成功","data":"第一行\\"line\\" 2"}'),
        (TWO_LINES, b"&ver=", '{"ok":1,"msg":"查询成功","data":"第一行\\"line\\" 2"}'),
        (TWO_LINES, b"&ver=0", '{"ok":1,"msg":"查询成功","data":"第一行\\"line\\" 2"}'),
        (TWO_LINES, b"&ver=1", '{"ok":1,"msg":"查询成功","data":[{"words":"第一行"},{"words":"\\"line\\" 2"}]}'),
        (NOTHING, b"&ver=0", '{"ok":1,"msg":"查询成功","data":""}'),
        (NOTHING, b"&ver=1", '{"ok":1,"msg":"查询成功","data":[]}'),
    ],
)
def test_a_success_is_these_bytes(service: Service, page: Page, ver: bytes, body: str) -> None:
    service.engine.outcome = page
    reply = service.post(FORM + ver)
    assert (reply.status, reply.body) == (200, body.encode())


def test_labels_semantics_turns_ver_round(service_with: Callable[..., Service]) -> None:
    service = service_with(ver_semantics="labels")
    service.engine.outcome = TWO_LINES
    kinds = [type(json.loads(service.post(FORM + ver).body)["data"]) for ver in (b"", b"&ver=0", b"&ver=1")]
    assert kinds == [list, list, str]


def test_a_success_has_these_headers_and_no_others(service: Service) -> None:
    reply = service.post(FORM)
    assert reply["Content-Type"] == "application/json; charset=UTF-8"
    assert reply["Content-Length"] == str(len(reply.body))
    assert re.fullmatch(r"[0-9A-F]{8}-([0-9A-F]{4}-){3}[0-9A-F]{12}", reply["X-Ca-Request-Id"])
    assert (reply["X-Ziyan-Billed"], reply["X-Ziyan-Remaining"].isdecimal()) == ("1", True)
    assert sorted(reply.names()) == [
        "Content-Length",
        "Content-Type",
        "Date",
        "X-Ca-Request-Id",
        "X-Ziyan-Billed",
        "X-Ziyan-Remaining",
    ]


#: All of it but what differs with every answer.
WHOLE = {
    "success": (
        FORM,
        "HTTP/1.1 200 \r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: 58\r\n"
        "X-Ca-Request-Id: ID\r\n"
        "X-Ziyan-Billed: 1\r\nX-Ziyan-Remaining: LEFT\r\n"
        'Date: NOW\r\n\r\n{"ok":1,"msg":"查询成功","data":"第一行\\"line\\" 2"}',
    ),
    "666": (
        b"img=&url=",
        "HTTP/1.1 666 \r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: 38\r\n"
        "X-Ca-Request-Id: ID\r\n"
        "X-Ziyan-Billed: 0\r\nX-Ziyan-Remaining: LEFT\r\n"
        'X-Ca-Error-Message: OK\r\nDate: NOW\r\n\r\n{"ok":0,"msg":"img或url必传一个"}',
    ),
    "gateway error": (
        b"{",
        "HTTP/1.1 400 \r\nContent-Type: text/plain\r\nContent-Length: 0\r\nX-Ca-Request-Id: ID\r\nX-Ziyan-Billed: 0\r\n"
        "X-Ziyan-Remaining: LEFT\r\nX-Ca-Error-Code: I400BD\r\nX-Ca-Error-Message: Invalid Body\r\nDate: NOW\r\n\r\n",
    ),
}


@pytest.mark.parametrize(("sent", "whole"), WHOLE.values(), ids=WHOLE)
def test_a_whole_answer_is_these_bytes(service: Service, sent: bytes, whole: str) -> None:
    service.engine.outcome = TWO_LINES
    with Connection(service.port) as connection:
        connection.send(request(sent, appcode=service.caller.appcode, headers=("Connection: close",)))
        received = connection.rest()
    received = re.sub(rb"(?<=X-Ca-Request-Id: )[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}(?=\r\n)", b"ID", received)
    received = re.sub(rb"(?<=X-Ziyan-Remaining: )[0-9]+(?=\r\n)", b"LEFT", received)
    received = re.sub(rb"(?<=Date: )\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT(?=\r\n)", b"NOW", received)
    assert received.replace(b"Connection: close\r\n", b"") == whole.encode()


def test_every_call_has_a_request_id_of_its_own(service: Service) -> None:
    assert service.post(FORM)["X-Ca-Request-Id"] != service.post(FORM)["X-Ca-Request-Id"]


def test_a_666_is_these_bytes_with_the_gateway_saying_ok(service: Service) -> None:
    reply = service.post(b"ver=0")
    assert (reply.status, reply.body) == (666, '{"ok":0,"msg":"img或url必传一个"}'.encode())
    assert reply["X-Ca-Error-Message"] == "OK"
    assert sorted(reply.names()) == [
        "Content-Length",
        "Content-Type",
        "Date",
        "X-Ca-Error-Message",
        "X-Ca-Request-Id",
        "X-Ziyan-Billed",
        "X-Ziyan-Remaining",
    ]
    assert reply["Content-Type"] == "application/json; charset=UTF-8"


@pytest.mark.parametrize("error", [UnsupportedImageError("x"), UndecodableImageError("x"), ImageTooLargeError("x")])
def test_check_6_covers_every_picture_that_cannot_be_read(service: Service, error: Exception) -> None:
    service.engine.outcome = error
    reply = service.post(FORM)
    assert (reply.status, reply.body) == (666, '{"ok":0,"msg":"img图像错误: 无法处理图片信息"}'.encode())


# --- §4 -----------------------------------------------------------------------------------------------------------

ROWS: list[tuple[str, bytes, int, str, str]] = [
    ("no credential", request(FORM), 400, "I400MH", "Header `X-Ca-Key` is Required"),
    ("unknown AppCode", request(FORM, appcode="0" * 32), 400, "A400AC", "Invalid AppCode `not exists`"),
    ("wrong path", request(FORM, target="/x?appcode=secret"), 404, "I404NF", "API not found with `POST /x`"),
    ("wrong path, GET", request(target="/x", method="GET"), 404, "I404NF", "API not found with `GET /x`"),
    ("trailing slash", request(FORM, target="/ocr/"), 404, "I404NF", "API not found with `POST /ocr/`"),
    ("wrong method on /ocr", request(method="GET"), 405, "I405UM", "Unsupported Method"),
]


@pytest.mark.parametrize(("sent", "status", "code", "message"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_gateway_error(service: Service, sent: bytes, status: int, code: str, message: str) -> None:
    reply = service.send(sent)
    assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == (status, code, message)
    assert (reply.body, reply["Content-Length"], reply["Content-Type"]) == (b"", "0", "text/plain")
    assert (reply["X-Ziyan-Billed"], len(reply["X-Ca-Request-Id"]), reply.get("Retry-After")) == ("0", 36, None)


@pytest.mark.parametrize(
    ("error", "status", "code", "message", "retry_after"),
    [
        (EngineBusyError("full"), 503, "X503BZ", "Service Busy", "1"),
        (EngineClosedError("closing"), 503, "X503BZ", "Service Busy", "1"),
        (EngineTimeoutError("late"), 504, "D504TO", "Backend service request timeout", None),
        (ReaderCrashedError("gone"), 500, "X500ER", "Internal Error", None),
        (StoreError("away"), 503, "X503DB", "Service Unavailable", "1"),
        (ZeroDivisionError("a fault of ours"), 500, "X500ER", "Internal Error", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_failure_behind_the_gateway(
    service: Service, error: Exception, status: int, code: str, message: str, retry_after: str | None
) -> None:
    service.engine.outcome = error
    reply = service.post(FORM)
    assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == (status, code, message)
    assert (reply.body, reply["Content-Type"], reply.get("Retry-After")) == (b"", "text/plain", retry_after)
    assert service.post(b"ver=7").status == 666, "the next call is served"


def test_app_disabled(service_with: Callable[..., Service]) -> None:
    service = service_with()
    assert service.post(FORM).status == 200
    set_app_disabled(service.store, service.caller.app.id, disabled=True)
    reply = service.post(FORM)
    assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == (403, "I403AA", "Unauthorized")
    set_app_disabled(service.store, service.caller.app.id, disabled=False)
    assert service.post(FORM).status == 200


def test_database_away(service_with: Callable[..., Service]) -> None:
    service = service_with()
    service.lose_database()
    reply = service.post(FORM)
    assert (reply.status, reply["X-Ca-Error-Code"], reply["Retry-After"]) == (503, "X503DB", "1")


def test_credentials_come_before_the_body_and_the_path_before_both(service: Service) -> None:
    assert service.send(request(b"{broken", content_type="application/json"))["X-Ca-Error-Code"] == "I400MH"
    assert service.send(request(b"{broken", method="PUT"))["X-Ca-Error-Code"] == "I405UM"


@pytest.mark.parametrize("path", ["/healthz/live", "/healthz/ready"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health(service: Service, path: str, method: str) -> None:
    with Connection(service.port) as connection:
        connection.send(request(method=method, target=path, content_type=None))
        reply = connection.read_reply(head_only=method == "HEAD")
    assert reply.status == 200


def test_not_ready_says_what_is_missing(service: Service) -> None:
    service.engine.ready = False
    reply = service.send(request(method="GET", target="/healthz/ready"))
    assert reply.status == 503
    assert json.loads(reply.body) == {"status": "not ready", "engine": False, "store": True}


def test_not_ready_without_the_database(service_with: Callable[..., Service]) -> None:
    service = service_with()
    service.lose_database()
    reply = service.send(request(method="GET", target="/healthz/ready"))
    assert (reply.status, json.loads(reply.body)["store"]) == (503, False)


def test_not_ready_while_the_database_cannot_be_written(
    service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = service_with()
    outcomes: list[Exception | None] = []
    touch = service.store.touch

    async def touched() -> None:
        outcome = outcomes.pop(0)
        if outcome:
            raise outcome
        await touch()

    def store_is_ready() -> bool:
        return bool(json.loads(service.send(request(method="GET", target="/healthz/ready")).body)["store"])

    monkeypatch.setattr(service.store, "touch", touched)
    outcomes[:] = [StoreError("away", internal="the disk is full")]
    assert [store_is_ready() for _ in range(3)] == [False] * 3, "one look lasts a while"
    assert "the disk is full" in str(caplog.records[-1].__dict__)
    monkeypatch.setattr(health, "WRITE_SECONDS", 0.0)
    outcomes[:] = [TimeoutError(), None, TimeoutError(), StoreError("away"), None]
    assert [store_is_ready() for _ in range(5)] == [False, True, True, False, True], "to be busy is no answer"
    monkeypatch.setattr(health, "WRITE_PATIENCE", 0.0)
    outcomes[:] = [StoreError("it takes too long")]
    assert store_is_ready()
