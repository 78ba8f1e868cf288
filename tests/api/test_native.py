"""``POST /v1/ocr`` over real sockets: what is sent, what is read, what comes back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from urllib3.filepost import encode_multipart_formdata

from tests.api.conftest import Service
from tests.api.test_body_memory import wait_for
from tests.api.wire import Reply, request
from tests.pictures import PNG_MAGIC
from ziyan.metering.credentials import register_app
from ziyan.ocr.types import ALL_FORMATS, Character, Line, Page, ReadOptions, Word

PICTURE = PNG_MAGIC + bytes(range(256)) * 40
JPEG = b"\xff\xd8\xff" + b"&=+%" * 100


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


def line(text: str, y: float, block: int) -> Line:
    characters = tuple(Character(c, 0.5, box(10 * i, y, 10 * i + 10, y + 20)) for i, c in enumerate(text))
    word = Word(text, 0.75, box(0, y, 10 * len(text), y + 20), characters)
    return Line(text, 0.98765, box(0, y, 100.26, y + 20), 0.9, block=block, words=(word,))


PAGE = Page(
    (line("天地", 0, 0), line("玄黄", 30, 0), line("宇宙", 90, 1)),
    "天地玄黄宇宙",
    640,
    480,
    orientation=90,
    skew=-0.4,
    model="small",
    timings={"decode": 1.25, "detect": 3.0},
)


def call(
    service: Service,
    body: bytes = PICTURE,
    *,
    content_type: str | None = "image/png",
    query: str = "",
    accept: str | None = None,
    **more: Any,
) -> Reply:
    headers = (*more.pop("headers", ()), *((f"Accept: {accept}",) if accept is not None else ()))
    more.setdefault("appcode", service.caller.appcode)
    target = f"/v1/ocr?{query}" if query else "/v1/ocr"
    return service.send(request(body, content_type=content_type, target=target, headers=headers, **more))


def read(service: Service, *args: Any, **more: Any) -> dict[str, Any]:
    reply = call(service, *args, **more)
    assert reply.status == 200, reply.body
    content: dict[str, Any] = json.loads(reply.body)
    return content


def problem(reply: Reply) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(reply.body)
    assert reply["Content-Type"] == "application/problem+json; charset=utf-8"
    assert list(content) == ["type", "title", "status", "code", "detail", "request_id"]
    assert content["status"] == reply.status
    assert content["type"] == f"/docs/errors#{content['code']}"
    assert content["request_id"] == reply["X-Request-Id"] == reply["X-Ca-Request-Id"]
    assert reply["X-Ziyan-Billed"] == "0"
    return content


# --- what arrives -----------------------------------------------------------------------------------------------------

ENCODED = base64.b64encode(PICTURE).decode()
MULTIPART, MULTIPART_TYPE = encode_multipart_formdata({"image": ("图.png", PICTURE, "image/png"), "detail": "word"})
FIELD, FIELD_TYPE = encode_multipart_formdata({"image": ENCODED})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (PICTURE, "image/png"),
        (PICTURE, "IMAGE/PNG; q=1"),
        (PICTURE, "application/octet-stream"),
        (PICTURE, None),
        (PICTURE, "application/x-www-form-urlencoded"),
        (MULTIPART, MULTIPART_TYPE),
        (FIELD, FIELD_TYPE),
        (json.dumps({"image": ENCODED}).encode(), "application/json"),
        (json.dumps({"image": "data:image/png;base64," + ENCODED}).encode(), "application/json; charset=utf-8"),
        (json.dumps({"image": ENCODED, "url": None}).encode(), "application/vnd.x+json"),
        (json.dumps({"image": ENCODED, "url": ""}).encode(), None),
    ],
)
def test_a_picture_arrives_in_each_kind_of_body(service: Service, body: bytes, content_type: str | None) -> None:
    read(service, body, content_type=content_type)
    assert service.engine.seen == PICTURE


@pytest.mark.parametrize(
    "start",
    [
        JPEG,
        b"GIF89a",
        b"RIFF\x01\x02\x03\x04WEBP",
        b"BM",
        b"II*\x00",
        b"MM\x00*",
        b"\0\0\0\x20ftypavif",
        b"\0\0\0\x20ftypheic",
    ],
)
def test_every_kind_of_picture_is_known_by_its_beginning(service: Service, start: bytes) -> None:
    read(service, start + b"x" * 100, content_type=None)
    assert service.engine.options is not None
    assert service.engine.options.limits.formats == ALL_FORMATS
    assert service.engine.options.limits.max_bytes == 20_000_000


def test_without_options_a_page_is_read_as_usual(service: Service) -> None:
    read(service)
    assert service.engine.options == ReadOptions(limits=service.engine.options.limits)  # type: ignore[union-attr]


OPTIONS = {"model": "tiny", "orientation": "none", "detail": "character", "min_score": "0.25", "order": "position"}


@pytest.mark.parametrize("where", ["query", "multipart", "json", "body wins"])
def test_options_arrive_from_wherever_they_are_given(service: Service, where: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in OPTIONS.items())
    if where == "query":
        read(service, query=query)
    elif where == "multipart":
        body, kind = encode_multipart_formdata({"image": ("a.png", PICTURE), **OPTIONS})
        read(service, body, content_type=kind)
    else:
        body = json.dumps({"image": ENCODED, **OPTIONS, "min_score": 0.25}).encode()
        other = "model=small&detail=line&min_score=1&order=reading&orientation=auto" if where == "body wins" else ""
        read(service, body, content_type="application/json", query=other)
    options = service.engine.options
    assert options is not None
    assert (options.model, options.detail, options.order) == ("tiny", "character", "position")
    assert (options.page_orientation, options.min_score) == (False, 0.25)


@pytest.mark.parametrize(
    ("text", "score"), [("0", 0), ("1", 1), (".5", 0.5), ("1.0", 1), ("5e-1", 0.5), (" 0.5 ", 0.5)]
)
def test_a_score_is_a_number(service: Service, text: str, score: float) -> None:
    read(service, json.dumps({"image": ENCODED, "min_score": text}).encode(), content_type="application/json")
    assert service.engine.options is not None
    assert service.engine.options.min_score == score


# --- what comes back --------------------------------------------------------------------------------------------------


def test_the_answer_is_the_whole_page(service: Service) -> None:
    service.engine.outcome = PAGE
    reply = call(service)
    content = json.loads(reply.body)
    assert reply["Content-Type"] == "application/json"
    assert (reply["Vary"], reply["X-Ziyan-Billed"]) == ("Accept", "1")
    assert content["request_id"] == reply["X-Request-Id"] == reply["X-Ca-Request-Id"]
    timings = content.pop("timings")
    assert list(timings) == ["receive", "reserve", "queue", "decode", "detect", "total"]
    assert (timings["decode"], timings["detect"]) == (1.2, 3.0)
    assert list(content) == [
        *("request_id", "model", "width", "height", "orientation", "angle", "text", "blocks", "billed", "remaining")
    ]
    assert (content["model"], content["width"], content["height"]) == ("small", 640, 480)
    assert (content["orientation"], content["angle"]) == (90, -0.4)
    assert (content["billed"], content["remaining"]) == (True, int(reply["X-Ziyan-Remaining"]))
    assert content["text"] == "天地\n玄黄\n\n宇宙"
    first, second = content["blocks"]
    assert (first["text"], first["box"]) == ("天地\n玄黄", [0.0, 0.0, 100.3, 50.0])
    assert [one["text"] for one in second["lines"]] == ["宇宙"]
    assert first["lines"][0] == {
        "text": "天地",
        "score": 0.9877,
        "polygon": [[0.0, 0.0], [100.3, 0.0], [100.3, 20.0], [0.0, 20.0]],
        "box": [0.0, 0.0, 100.3, 20.0],
        "detection_score": 0.9,
        "orientation": 0,
        "vertical": False,
        "words": [
            {
                "text": "天地",
                "score": 0.75,
                "polygon": [[0.0, 0.0], [20.0, 0.0], [20.0, 20.0], [0.0, 20.0]],
                "box": [0.0, 0.0, 20.0, 20.0],
                "characters": [
                    {
                        "text": text,
                        "score": 0.5,
                        "polygon": [[x, 0.0], [x + 10, 0.0], [x + 10, 20.0], [x, 20.0]],
                        "box": [x, 0.0, x + 10, 20.0],
                    }
                    for text, x in (("天", 0.0), ("地", 10.0))
                ],
            }
        ],
    }


def test_a_repeated_call_is_answered_again_and_costs_nothing(service: Service) -> None:
    key = ("Idempotency-Key: native-again",)
    first, again = (call(service, headers=key) for _ in range(2))
    before, after = (json.loads(reply.body) for reply in (first, again))
    assert (before.pop("billed"), after.pop("billed")) == (True, False)
    assert before == after
    assert (first["X-Ziyan-Billed"], again["X-Ziyan-Billed"]) == ("1", "0")
    assert first["X-Request-Id"] == before["request_id"] != again["X-Request-Id"]
    assert again["Vary"] == "Accept"
    other = call(service, PICTURE + b"more", headers=key)
    assert (other.status, json.loads(other.body)["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("accept", "query", "status"),
    [
        ("text/plain", "detail=word", 200),
        ("text/*;q=0.9, application/json;q=0.5", "detail=word", 200),
        ("application/json", "detail=word", 422),
        ("*/*", "detail=word", 422),
        ("text/plain", "detail=line", 422),
        ("text/plain", "detail=word&model=tiny", 422),
        ("image/png", "detail=word", 406),
    ],
)
def test_a_key_stands_for_the_options_and_the_kind_of_answer_too(
    service: Service, accept: str, query: str, status: int
) -> None:
    key = f"Idempotency-Key: kind {accept} {query}"
    first = call(service, query="detail=word", headers=(key, "Accept: text/plain"))
    again = call(service, query=query, headers=(key, f"Accept: {accept}"))
    assert (first.status, first["X-Ziyan-Billed"]) == (200, "1")
    assert (again.status, again["X-Ziyan-Billed"]) == (status, "0")
    if status == 200:
        assert (again.body, again["Content-Type"]) == (first.body, "text/plain; charset=utf-8")
    else:
        assert problem(again)["code"] in {"idempotency_key_reused", "not_acceptable"}


def test_a_key_without_accept_is_one_for_json(service: Service) -> None:
    key = "Idempotency-Key: json"
    replies = [call(service, headers=(key, *more)) for more in ((), ("Accept: application/json",), ("Accept: */*",))]
    assert [(reply.status, reply["X-Ziyan-Billed"]) for reply in replies] == [(200, "1"), (200, "0"), (200, "0")]


def test_further_models_are_offered_where_they_are_set(service_with: Callable[..., Service]) -> None:
    service = service_with(models="medium, small")
    for name in ("small", "medium", "tiny"):
        assert call(service, query=f"model={name}").status == 200
        assert service.engine.options is not None
        assert service.engine.options.model == name
    document = json.loads(service.send(request(b"", method="GET", target="/openapi.json")).body)
    (option,) = [one for one in document["paths"]["/v1/ocr"]["post"]["parameters"] if one["name"] == "model"]
    assert option["schema"] == {"enum": ["small", "medium", "tiny"], "default": "small"}
    body = document["paths"]["/v1/ocr"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["model"]["enum"] == ["small", "medium", "tiny"]


def test_what_reads_on_ocr_is_not_changed_by_further_models(service_with: Callable[..., Service]) -> None:
    service = service_with(models="medium")
    assert service.post(b"img=QUJD").status == 200
    assert service.engine.options is not None
    assert service.engine.options.model is None


def test_an_upload_that_is_repeated_between_other_boundaries_is_answered_again(service: Service) -> None:
    replies = []
    for boundary, picture in (("one", PICTURE), ("two", PICTURE), ("three", PICTURE + b"more")):
        body, kind = encode_multipart_formdata({"image": ("a.png", picture)}, boundary=boundary)
        replies.append(call(service, body, content_type=kind, headers=("Idempotency-Key: native-upload",)))
    assert [(reply.status, reply["X-Ziyan-Billed"]) for reply in replies] == [(200, "1"), (200, "0"), (422, "0")]


def test_without_calls_left_it_says_how_to_go_on(service: Service) -> None:
    poor = register_app(service.store, "poor")
    reply = call(service, appcode=poor.appcode)
    assert (reply.status, json.loads(reply.body)["code"]) == (403, "quota_exhausted")
    assert (reply["X-Ziyan-Billed"], reply["X-Ziyan-Remaining"]) == ("0", "0")


def test_words_and_characters_are_there_only_where_they_were_read(service: Service) -> None:
    word = Word("天", 0.5, box(0, 0, 9, 9))
    lines = (Line("天", 0.9, box(0, 0, 9, 9), 0.9), Line("天", 0.9, box(0, 0, 9, 9), 0.9, words=(word,)))
    service.engine.outcome = Page(lines, "", 9, 9)
    plain, worded = read(service)["blocks"][0]["lines"]
    assert "words" not in plain
    assert "characters" not in worded["words"][0]


def test_a_picture_without_text_is_a_success_without_blocks(service: Service) -> None:
    service.engine.outcome = Page((), "", 5, 5)
    content = read(service)
    assert (content["text"], content["blocks"]) == ("", [])
    assert call(service, accept="text/plain").body == b""


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain",
        "TEXT/PLAIN",
        "text/*",
        "text/plain, application/json;q=0.9",
        "*/*;q=0.1, text/plain;q=0.5",
        "text/html, text/*;q=.8, application/*; q=0",
    ],
)
def test_plain_text_comes_where_it_is_preferred(service: Service, accept: str) -> None:
    service.engine.outcome = PAGE
    reply = call(service, accept=accept)
    assert reply["Content-Type"] == "text/plain; charset=utf-8"
    assert reply.body.decode() == "天地\n玄黄\n\n宇宙"
    assert reply["X-Request-Id"]


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "application/*",
        "text/plain, application/json",
        "text/html, */*;q=0.1",
        "text/plain;q=0.5, */*",
        "application/json;q=2, text/plain;q=0.9",
    ],
)
def test_json_comes_otherwise(service: Service, accept: str) -> None:
    assert call(service, accept=accept)["Content-Type"] == "application/json"


@pytest.mark.parametrize("accept", ["text/html", "image/png, application/json;q=0", "application/problem+json", "json"])
def test_no_other_kind_of_answer_is_there(service: Service, accept: str) -> None:
    reply = call(service, accept=accept)
    assert (reply.status, problem(reply)["code"]) == (406, "not_acceptable")


def test_a_log_line_names_the_call_and_not_its_picture(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "ziyan.calls")
    service.engine.outcome = PAGE
    content = read(service)
    wait_for(lambda: any(record.getMessage() == "call" for record in caplog.records))
    fields = caplog.records[-1].fields  # type: ignore[attr-defined]
    assert (fields["request_id"], fields["status"], fields["cause"]) == (content["request_id"], 200, "")
    assert fields["app"] == service.caller.app.id
    assert "天地" not in caplog.text


def test_the_clients_are_told_how_to_ask(service: Service) -> None:
    reply = call(service, b"", method="OPTIONS", appcode="")
    assert (reply.status, reply.body, reply["Allow"]) == (200, b"", "POST, OPTIONS")
    assert reply["Accept-Post"] == "image/*, application/octet-stream, multipart/form-data, application/json"
    assert reply["X-Request-Id"]
