"""What ``/v1/ocr`` refuses, and what it says when something fails: RFC 9457, stable codes, what to do next."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from urllib3.filepost import encode_multipart_formdata

from tests.api.conftest import Service
from tests.api.signers import signed
from tests.api.test_body_memory import held, wait_for
from tests.api.test_native import ENCODED, JPEG, PICTURE, call, problem
from tests.api.wire import Connection, request
from tests.desk import set_app_disabled
from ziyan import errors
from ziyan.api.openapi import gateway_rows
from ziyan.api.problems import INTERNAL_ERROR, PROBLEMS, Problem, ProblemError, problem_of
from ziyan.api.refusals import GatewayError, GatewayRefusedError
from ziyan.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineError,
    EngineTimeoutError,
    FetchError,
    ImageError,
    ImageTooLargeError,
    ModelIntegrityError,
    ModelNotInstalledError,
    ReaderCrashedError,
    StoreError,
    UndecodableImageError,
    UnsupportedImageError,
)

MB = 1_000_000


# --- the table --------------------------------------------------------------------------------------------------------


def test_codes_are_told_apart_and_say_what_to_do() -> None:
    codes = [row.code for row in PROBLEMS]
    assert len(set(codes)) == len(codes)
    assert [row.status for row in PROBLEMS] == sorted(row.status for row in PROBLEMS)
    for row in PROBLEMS:
        assert re.fullmatch(r"[a-z]+[0-9]*(_[a-z]+[0-9]*)*", row.code)
        assert not row.title.endswith(".")
        assert row.advice.endswith(".")
        assert not row.title_zh.endswith("。")
        assert row.advice_zh.endswith("。")
        assert (row.retry_after is not None) == (row.status in {429, 503} and row.code != "model_unavailable")


def test_what_the_errors_of_the_tree_are_called_is_what_they_are_called_here() -> None:
    known = {row.code: row.status for row in PROBLEMS}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ZiyanError)]
    assert {kind.code for kind in kinds} >= {"internal_error", "unsupported_image", "engine_busy"}
    for kind in kinds:
        if kind.code in known:
            assert known[kind.code] == kind.status, kind.code


def test_every_row_of_the_gateway_is_a_problem_of_its_own_here() -> None:
    for row in gateway_rows():
        found = problem_of(GatewayRefusedError(row))
        assert (found == INTERNAL_ERROR) == (row.status == 500), row.code
        assert found.retry_after == row.retry_after


def test_what_nobody_foresaw_is_our_own_fault() -> None:
    assert problem_of(GatewayRefusedError(GatewayError(418, "X418TP", "Teapot"))) == INTERNAL_ERROR
    assert problem_of(ValueError("secret")) == INTERNAL_ERROR
    assert problem_of(errors.SettingsError("x")) == INTERNAL_ERROR


def test_a_problem_says_its_title_unless_it_knows_more() -> None:
    row = Problem("a", 400, "Title", "Do.", "题", "做。")
    assert str(ProblemError(row)) == "Title."
    assert (str(ProblemError(row, "More.")), ProblemError(row).code) == ("More.", "a")


# --- what the caller did ----------------------------------------------------------------------------------------------


def body_of(**members: Any) -> bytes:
    return json.dumps(members).encode()


BOTH, BOTH_TYPE = encode_multipart_formdata({"image": ("a.png", PICTURE), "url": "http://example.com/a.png"})
TWICE, TWICE_TYPE = encode_multipart_formdata([("image", ("a.png", PICTURE)), ("image", ENCODED)])


@pytest.mark.parametrize(
    ("body", "content_type", "query", "status", "code"),
    [
        (b"", None, "", 400, "picture_missing"),
        (b"", "image/png", "", 400, "picture_missing"),
        (b"{}", "application/json", "", 400, "picture_missing"),
        (body_of(image=" ", url=None), "application/json", "", 400, "picture_missing"),
        (BOTH, BOTH_TYPE, "", 400, "picture_ambiguous"),
        (TWICE, TWICE_TYPE, "", 400, "picture_ambiguous"),
        (PICTURE, "image/png", "url=http://example.com/a.png", 400, "picture_ambiguous"),
        (body_of(image="?!"), "application/json", "", 400, "not_base64"),
        (body_of(image=PICTURE.hex() + "!"), "application/json", "", 400, "not_base64"),
        (b"{", "application/json", "", 400, "malformed_request"),
        (b"[]", "application/json", "", 400, "malformed_request"),
        (b"x", "multipart/form-data", "", 400, "malformed_request"),
        (b"img=abc", "application/x-www-form-urlencoded", "", 415, "unsupported_content_type"),
        (b"hello", "text/plain", "", 415, "unsupported_content_type"),
        (b"hello", None, "", 415, "unsupported_content_type"),
        (b"{}", "text/plain", "", 415, "unsupported_content_type"),
        (PICTURE, "image/png", "model=huge", 400, "bad_option"),
        (PICTURE, "image/png", "detail=letter", 400, "bad_option"),
        (PICTURE, "image/png", "order=any", 400, "bad_option"),
        (PICTURE, "image/png", "orientation=90", 400, "bad_option"),
        (PICTURE, "image/png", "modl=tiny", 400, "bad_option"),
        (PICTURE, "image/png", "image=abc", 400, "picture_ambiguous"),
        (PICTURE, "image/png", "model=medium", 400, "model_not_offered"),
        *(
            (PICTURE, "image/png", f"min_score={text}", 400, "bad_option")
            for text in ("2", "-1", "nan", "1_0", "x", "1.")
        ),
        (b"", None, "url=ftp://example.com/a", 422, "fetch_failed"),
        (b"", None, "url=http://127.0.0.1/a", 422, "fetch_failed"),
        (b"", None, "url=http://example.com/%FF", 422, "fetch_failed"),
    ],
)
def test_a_call_that_makes_no_sense_is_told_why(
    service: Service, body: bytes, content_type: str | None, query: str, status: int, code: str
) -> None:
    reply = call(service, body, content_type=content_type, query=query)
    content = problem(reply)
    assert (reply.status, content["code"]) == (status, code)
    (row,) = [row for row in PROBLEMS if row.code == code]
    assert content["title"] == row.title
    assert content["detail"].endswith(f" {row.advice}")
    assert "Retry-After" not in reply.names()


def test_a_bad_option_is_named_with_what_it_takes(service: Service) -> None:
    assert "`detail` is one of `line`, `word`, `character`." in problem(call(service, query="detail=x"))["detail"]
    assert "`model` is one of `small`, `tiny`." in problem(call(service, query="model=huge"))["detail"]
    assert "This service offers `small`, `tiny`." in problem(call(service, query="model=medium"))["detail"]
    named = problem(call(service, query="<script>=1"))["detail"]
    assert named.startswith("There is no option `?script?`, only `model`, ")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD"])
def test_only_post_is_taken(service: Service, method: str) -> None:
    with Connection(service.port) as connection:
        connection.send(request(b"", method=method, target="/v1/ocr"))
        reply = connection.read_reply(head_only=method == "HEAD")
    assert (reply.status, reply["Allow"]) == (405, "POST, OPTIONS")
    if method != "HEAD":
        assert problem(reply)["code"] == "method_not_allowed"


@pytest.mark.parametrize("target", ["/v1/", "/v1/ocr/", "/v1/OCR", "/v1/x?appcode=secret"])
def test_nothing_else_is_there(service: Service, target: str) -> None:
    reply = service.send(request(b"", target=target))
    assert (reply.status, problem(reply)["code"]) == (404, "not_found")
    assert b"secret" not in reply.body


# --- who calls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["APPCODE {}", "appcode:{}", "Bearer {}", "bearer  {}"])
def test_an_appcode_is_taken_as_on_ocr_and_as_a_bearer(service: Service, form: str) -> None:
    header = f"Authorization: {form.format(service.caller.appcode)}"
    assert call(service, appcode="", headers=(header,)).status == 200


def test_an_appcode_is_taken_in_the_query(service: Service) -> None:
    assert call(service, appcode="", query=f"AppCode={service.caller.appcode}&detail=word").status == 200


def signed_call(service: Service, **more: Any) -> bytes:
    return signed(
        service.caller.appkey, content=PICTURE, content_type="image/png", target="/v1/ocr?detail=word", **more
    )


def test_a_signed_call_is_taken(service: Service) -> None:
    assert service.send(signed_call(service)).status == 200
    assert service.engine.seen == PICTURE


def test_nobody_is_let_in_without_a_credential(service: Service) -> None:
    reply = call(service, appcode="")
    assert (reply.status, problem(reply)["code"]) == (401, "credential_missing")
    assert reply["WWW-Authenticate"] == 'Bearer realm="Ziyan", APPCODE realm="Ziyan"'


def test_own_platform_calls_are_not_taken_here(service: Service) -> None:
    reply = call(service, appcode="", query="appid=abc&sendtime=1&sign=x")
    assert problem(reply)["code"] == "credential_missing"


def test_wrong_credentials_are_all_told_alike(service: Service) -> None:
    """Whether an AppKey exists must not show."""
    good = signed_call(service)
    calls = [
        request(PICTURE, content_type="image/png", target="/v1/ocr", appcode="wrong"),
        request(PICTURE, content_type="image/png", target="/v1/ocr", headers=("Authorization: Bearer wrong",)),
        re.sub(rb"X-Ca-Key: [^\r]+", b"X-Ca-Key: 123456789", good),
        re.sub(rb"X-Ca-Signature: [^\r]+", b"X-Ca-Signature: AAAA", good),
    ]
    answers = []
    for sent in calls:
        reply = service.send(sent)
        content = problem(reply)
        content.pop("request_id")
        answers.append((reply.status, reply["WWW-Authenticate"], content))
        assert not any(name.startswith("X-Ca-Error") for name in reply.names())
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][2]["code"] == "credential_invalid"


def test_a_nonce_is_taken_once_and_an_old_signature_not_at_all(service: Service) -> None:
    sent = signed_call(service)
    assert service.send(sent).status == 200
    again = service.send(sent)
    assert (again.status, problem(again)["code"]) == (401, "nonce_used")
    old = service.send(signed_call(service, minutes=-16))
    assert (old.status, problem(old)["code"]) == (401, "signature_expired")


def test_a_body_that_is_not_the_one_meant_is_refused(service: Service) -> None:
    reply = call(service, headers=("Content-MD5: AAAA",))
    assert (reply.status, problem(reply)["code"]) == (400, "content_md5_mismatch")


def test_a_disabled_app_is_refused(service_with: Callable[..., Service]) -> None:
    service = service_with()
    set_app_disabled(service.store, service.caller.app.id, disabled=True)
    reply = call(service)
    assert (reply.status, problem(reply)["code"]) == (403, "app_disabled")
    assert "WWW-Authenticate" not in reply.names()


@pytest.mark.parametrize("setting", ["rate_app", "rate_address"])
def test_too_many_calls_are_refused_those_of_ocr_included(service_with: Callable[..., Service], setting: str) -> None:
    service = service_with(**{setting: 0.01})
    assert service.post(b"img=QUJD").status == 200
    reply = call(service)
    assert (reply.status, problem(reply)["code"]) == (429, "rate_limited")
    assert 1 < int(reply["Retry-After"]) <= 100


# --- what fails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "code", "told"),
    [
        (UnsupportedImageError("Not a picture: convert it"), 415, "unsupported_image", "Not a picture: convert it. "),
        (ImageTooLargeError("Too many pixels"), 413, "image_too_large", "Too many pixels. "),
        (UndecodableImageError("Cut off"), 422, "undecodable_image", "Cut off. "),
        (ImageError("Odd."), 422, "bad_image", "Odd. "),
        (EngineBusyError("Too many pictures are waiting."), 503, "engine_busy", "Too many pictures are waiting. "),
        (EngineClosedError("Closed."), 503, "engine_closed", "Closed. "),
        (EngineTimeoutError("Not read in time."), 504, "engine_timeout", "Not read in time. "),
        (ReaderCrashedError("It died", internal="secret"), 500, "reader_crashed", "The reading process died"),
        (EngineError("A fault", internal="secret"), 500, "engine_failed", "The picture could not be read"),
        (ModelNotInstalledError("Missing"), 503, "model_unavailable", "Missing. "),
        (ModelIntegrityError("Damaged"), 503, "model_unavailable", "Damaged. "),
        (StoreError("Locked", internal="secret"), 503, "store_unavailable", "Locked. "),
        (RuntimeError("secret"), 500, "internal_error", "Something is wrong with the service. "),
    ],
)
def test_a_failure_is_told_with_what_to_do_next(
    service: Service, error: Exception, status: int, code: str, told: str
) -> None:
    service.engine.outcome = error
    reply = call(service)
    content = problem(reply)
    (row,) = [row for row in PROBLEMS if row.code == code]
    assert (reply.status, content["code"]) == (status, code)
    assert content["detail"].startswith(told)
    assert content["detail"].endswith(row.advice)
    assert b"secret" not in reply.body
    assert reply.get("Retry-After") == (str(row.retry_after) if row.retry_after else None)


def test_a_database_that_is_away_is_told(service_with: Callable[..., Service]) -> None:
    service = service_with()
    service.lose_database()
    reply = call(service)
    assert (reply.status, problem(reply)["code"], reply["Retry-After"]) == (503, "store_unavailable", "1")


@pytest.mark.parametrize("reason", ["unknown_host", "private_address", "unreachable", "timeout", "malformed", "status"])
def test_what_can_be_reached_from_here_is_nobodys_business(service: Service, reason: str) -> None:
    service.engine.outcome = FetchError("The reason why", reason=reason)
    told = problem(call(service))["detail"].startswith("The reason why. ")
    assert told == (reason in {"malformed", "status"})


def test_the_log_says_why(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "ziyan.calls")
    service.engine.outcome = FetchError("No", reason="timeout", internal="slow.example.com")
    call(service)
    call(service, query="detail=x")
    wait_for(lambda: [record.getMessage() for record in caplog.records].count("call") == 2)
    cause, first, second = caplog.records
    assert (cause.levelname, cause.fields["internal"]) == ("DEBUG", "slow.example.com")  # type: ignore[attr-defined]
    told = [(line.fields["cause"], line.fields["msg"]) for line in (first, second)]  # type: ignore[attr-defined]
    assert told == [
        ("fetch_timeout", "The picture at `url` could not be fetched"),
        ("bad_option", "An option is not known, or not its value"),
    ]


# --- how large --------------------------------------------------------------------------------------------------------

LARGEST = (JPEG + b"\x00\x01&=%+\r\n" * (3 * MB))[: 20 * MB]


def bodies_of(picture: bytes) -> dict[str, tuple[bytes, str]]:
    text = base64.encodebytes(picture).decode()
    return {
        "raw": (picture, "image/jpeg"),
        "multipart": encode_multipart_formdata({"image": ("a.jpg", picture)}),
        "json": (
            json.dumps({"image": f"data:image/jpeg;base64,{text}", "detail": "word"}).encode(),
            "application/json",
        ),
    }


@pytest.mark.parametrize("how", ["raw", "multipart", "json"])
def test_a_picture_of_20_mb_is_read_and_a_byte_more_is_not(service: Service, how: str) -> None:
    body, kind = bodies_of(LARGEST)[how]
    assert call(service, body, content_type=kind).status == 200
    assert service.engine.seen == LARGEST
    body, kind = bodies_of(LARGEST + b"x")[how]
    reply = call(service, body, content_type=kind)
    assert (reply.status, problem(reply)["code"]) == (413, "image_too_large")
    assert problem(reply)["detail"].startswith("The picture is over 20,000,000 bytes. ")


def test_a_larger_body_is_refused_at_its_declared_length(service: Service) -> None:
    head = request(b"", target="/v1/ocr", content_type="image/png", appcode=service.caller.appcode)
    reply = service.send(head.replace(b"Content-Length: 0", b"Content-Length: 28000001"))
    assert (reply.status, problem(reply)["code"]) == (413, "body_too_large")


def test_a_body_on_ocr_is_still_of_8_mib(service: Service) -> None:
    assert service.post(b"img=" + b"A" * (8 << 20)).status == 413


def test_what_could_never_have_room_is_too_large_rather_than_busy(service_with: Callable[..., Service]) -> None:
    service = service_with(body_memory=8)
    reply = call(service, JPEG.ljust((8 << 20) + 1))
    assert (reply.status, problem(reply)["code"]) == (413, "body_too_large")


def test_the_least_memory_has_room_for_an_address_and_its_picture(service_with: Callable[..., Service]) -> None:
    service = service_with(body_memory=8)
    sent = b'{"url": "http://127.0.0.1/a.png"}'.ljust(100_000)
    assert problem(call(service, sent, content_type="application/json"))["code"] == "fetch_failed"


def test_pictures_that_are_fetched_take_their_share_of_the_memory(service_with: Callable[..., Service]) -> None:
    """While a body holds a part of it there is no room for a whole picture from elsewhere."""
    service = service_with(body_memory=20)
    whole = request(JPEG.ljust(3 * MB), target="/v1/ocr", content_type="image/jpeg", appcode=service.caller.appcode)
    with Connection(service.port) as slow:
        slow.send(whole[:-1])
        wait_for(lambda: held(service) > 2 * MB)
        reply = call(service, b"", query="url=http://example.com/a.png")
        assert (reply.status, problem(reply)["code"], reply["Retry-After"]) == (503, "service_busy", "1")
        slow.send(whole[-1:])
        assert slow.read_reply().status == 200
    assert problem(call(service, b"", query="url=http://127.0.0.1/a.png"))["code"] == "fetch_failed"
    wait_for(lambda: held(service) == 0)
