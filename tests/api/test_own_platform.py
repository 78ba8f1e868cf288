"""docs/contract.md §3, own-platform mode: the eleven checks in order, and what is billed once only; over a socket."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import select

from tests.api.conftest import Service
from tests.api.signers import (
    B64,
    MINUTE,
    error_of,
    form,
    md5,
    msg_of,
    now,
    own_call,
    own_parameters,
    own_sign,
    signed,
    was_read,
)
from tests.api.test_connections import WaitingEngine
from tests.api.wire import Connection, fingerprint, request
from tests.desk import add_credential, set_app_disabled, set_app_sources
from ziyan.errors import EngineBusyError, StoreError
from ziyan.metering.credentials import Credential, Kind, register_app
from ziyan.metering.packages import grant
from ziyan.metering.store import schema, taken


@pytest.fixture
def appid(service: Service) -> Credential:
    return service.caller.appid


@pytest.fixture
def hmac_appid(service: Service) -> Credential:
    added = add_credential(service.store, service.caller.app.id, Kind.APPID, hmac=True)
    assert added is not None
    return added


def test_a_call_is_served(service: Service, appid: Credential) -> None:
    for parameters in ({}, {"url": "", "ver": "0"}, {"备注": "中 & 文=", "空": ""}):
        assert was_read(service.send(own_call(appid, parameters)))


def test_parameters_count_wherever_they_are(service: Service, appid: Credential) -> None:
    query = {name: value for name, value in own_parameters(appid, {"img": ""}, ver="0").items() if value}
    assert msg_of(service.send(request(target=f"/ocr?{urlencode(query)}"))) == "img或url必传一个"
    all_ = own_parameters(appid)
    assert was_read(service.send(request(json.dumps(all_).encode(), content_type="application/json")))
    split = own_parameters(appid)
    body = urlencode({"img": split.pop("img")}).encode()
    assert was_read(service.send(request(body, target=f"/ocr?{urlencode(split)}")))


def test_file_is_signed_with_its_bytes(service: Service, appid: Credential) -> None:
    file = b"\x89PNG *** \x00\xff"
    rest = {"appid": appid.identifier, "sendtime": str(now())}
    base = b"appid=%s&img=%s&sendtime=%s&key=%s" % (
        appid.identifier.encode(),
        file,
        rest["sendtime"].encode(),
        appid.secret.encode(),
    )
    rest["sign"] = md5(base).hexdigest()
    parts = [f'name="{name}"\r\n\r\n{value}'.encode() for name, value in rest.items()]
    parts.append(b'name="img"; filename="a.png"\r\n\r\n' + file)
    body = b"".join(b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--b--\r\n"
    multipart = "multipart/form-data; boundary=b"
    tampered = request(body.replace(b"\x00\xff", b"\x00\xfe"), content_type=multipart)
    assert msg_of(service.send(tampered)) == "签名校验失败"
    reply = service.send(request(body, content_type=multipart))
    assert json.loads(reply.body)["data"] == fingerprint(file)


def test_takes_seconds_and_milliseconds(service: Service, appid: Credential) -> None:
    for sendtime in (str(now()), str(now() // 1000), str(now() - 4 * MINUTE), str(now() + 4 * MINUTE)):
        assert was_read(service.send(own_call(appid, sendtime=sendtime)))


def test_with_hmac_sha256(service: Service, hmac_appid: Credential) -> None:
    assert len(own_parameters(hmac_appid)["sign"]) == 64
    assert was_read(service.send(own_call(hmac_appid)))
    weaker = own_parameters(hmac_appid)
    weaker["sign"] = own_sign(Credential("", Kind.APPID, "a", hmac_appid.secret), weaker)
    assert msg_of(service.send(form(weaker))) == "签名校验失败"


NOW = "SENDTIME"
#: Each is refused for its first fault, though every later check would fail too.
OWN_CHECKS: list[tuple[str, dict[str, str], str]] = [
    ("1 no appid", {"sendtime": "x" * 14}, "未传入开发者账号appid"),
    ("1 no appid but a sign", {"sign": "a" * 99}, "未传入开发者账号appid"),
    ("1 blank appid", {"appid": " "}, "未传入开发者账号appid"),
    ("2 appid of 33 characters", {"appid": "a" * 33}, "传入开发者账号appid字符串长度超限"),
    ("2 appid of 33 Chinese characters", {"appid": "字" * 33}, "传入开发者账号appid字符串长度超限"),
    ("3 no sendtime", {"appid": "字" * 32, "sign": "a" * 99}, "未传入查询时间sendtime"),
    ("3 blank sendtime", {"appid": "a", "sendtime": ""}, "未传入查询时间sendtime"),
    ("4 sendtime of 14 characters", {"appid": "a", "sendtime": "x" * 14}, "传入查询时间sendtime字符串长度超限"),
    ("5 no number", {"appid": "a", "sendtime": "now", "sign": "a" * 99}, "时间戳超时, 请重新请求"),
    ("5 full-width digits", {"appid": "a", "sendtime": "１７００００００００"}, "时间戳超时, 请重新请求"),
    ("5 negative", {"appid": "a", "sendtime": "-1700000000"}, "时间戳超时, 请重新请求"),
    ("5 long ago", {"appid": "a", "sendtime": "1700000000"}, "时间戳超时, 请重新请求"),
    ("5 a small number", {"appid": "a", "sendtime": "0"}, "时间戳超时, 请重新请求"),
    ("6 no sign", {"appid": "a", "sendtime": NOW}, "未传入签名sign"),
    ("6 blank sign", {"appid": "a", "sendtime": NOW, "sign": "\t"}, "未传入签名sign"),
    ("7 sign of 33 characters", {"appid": "a", "sendtime": NOW, "sign": "a" * 33}, "传入签名sign字符串长度超限"),
    ("7 64 of an md5 appid", {"appid": "a", "sendtime": NOW, "sign": "a" * 64}, "传入签名sign字符串长度超限"),
    ("7 65 of an HMAC appid", {"appid": "h", "sendtime": NOW, "sign": "a" * 65}, "传入签名sign字符串长度超限"),
    ("8 unknown appid", {"appid": "a", "sendtime": NOW, "sign": "a" * 32, "x": "*"}, "签名校验失败"),
    ("8 unknown HMAC appid", {"appid": "h", "sendtime": NOW, "sign": "a" * 64}, "签名校验失败"),
    ("8 no hex digits", {"appid": "a", "sendtime": NOW, "sign": "字" * 32}, "签名校验失败"),
    ("8 NUL", {"appid": "\x00", "sendtime": NOW, "sign": "\x00"}, "签名校验失败"),
]


@pytest.mark.parametrize(("sent", "msg"), [row[1:] for row in OWN_CHECKS], ids=[row[0] for row in OWN_CHECKS])
def test_check(service: Service, sent: dict[str, str], msg: str) -> None:
    parameters = {name: value.replace(NOW, str(now())) for name, value in sent.items()}
    reply = service.send(form(parameters | {"ver": "9"}))
    assert (reply.status, reply.body) == (666, f'{{"ok":0,"msg":"{msg}"}}'.encode())


@pytest.mark.parametrize("minutes", [-6, 6])
def test_check_5_more_than_5_minutes_off(service: Service, appid: Credential, minutes: int) -> None:
    for moment in (now() + minutes * MINUTE, now() // 1000 + minutes * 60):
        assert msg_of(service.send(own_call(appid, sendtime=str(moment)))) == "时间戳超时, 请重新请求"


OWN_TAMPERED: dict[str, dict[str, str]] = {
    "another value": {"ver": "0"},
    "a parameter more": {"x": "1"},
    "a picture more": {"url": "http://a/"},
    "another picture": {"img": "AAAA"},
    "a sign in upper case": {"sign": "A" * 32},
}


@pytest.mark.parametrize("change", OWN_TAMPERED.values(), ids=OWN_TAMPERED)
def test_check_8_mismatch(service: Service, appid: Credential, change: dict[str, str]) -> None:
    assert msg_of(service.send(form(own_parameters(appid, {"ver": ""}) | change))) == "签名校验失败"


def test_a_blank_value_hides_none_that_is_acted_upon(service: Service, appid: Credential) -> None:
    sent = own_parameters(appid, {"img": " "})
    assert msg_of(service.send(form(sent, target=f"/ocr?img={quote(B64, safe='')}"))) == "签名校验失败"
    assert msg_of(service.send(form(own_parameters(appid, {"img": " "})))) == "img或url必传一个"
    assert msg_of(service.send(form(own_parameters(appid, {"img": " "}), target="/ocr?img=+"))) == "img或url必传一个"


def test_nothing_tells_an_unknown_appid_from_a_wrong_sign(
    service: Service, appid: Credential, hmac_appid: Credential
) -> None:
    for known, digits in ((appid, 32), (hmac_appid, 64)):
        unknown = known.identifier[:-4] + "0000"
        for length in range(1, 67):
            replies = [
                service.send(form({"appid": each, "sendtime": str(now()), "sign": "a" * length}))
                for each in (known.identifier, unknown)
            ]
            answers = [(reply.status, reply.body, sorted(reply.names())) for reply in replies]
            assert answers[0] == answers[1]
            assert ("超限" in msg_of(replies[0])) == (length > digits)


def test_does_the_same_work_for_an_unknown_appid(
    service: Service, appid: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def counted(name: str, work: Callable[..., object]) -> Callable[..., object]:
        return lambda *args, **more: (done.append(name), work(*args, **more))[1]

    monkeypatch.setattr(service.store.keyring, "unseal", counted("unseal", service.store.keyring.unseal))
    monkeypatch.setattr(hashlib, "md5", counted("md5", hashlib.md5))
    monkeypatch.setattr(hmac, "compare_digest", counted("compare", hmac.compare_digest))
    for each in (appid.identifier, "0" * 16):
        service.send(form({"appid": each, "sendtime": str(now()), "sign": "a" * 32}))
    half = len(done) // 2
    assert done[:half] == done[half:] == ["unseal", "md5", "compare"]


def test_check_9_app_disabled(service: Service) -> None:
    registered = register_app(service.store, "to disable")
    set_app_disabled(service.store, registered.app.id, disabled=True)
    appid = registered.appid
    reply = service.send(own_call(appid, note="*"))
    assert reply.body == f'{{"ok":0,"msg":"appid:{appid.identifier}接口已停用"}}'.encode()
    assert msg_of(service.send(form(own_parameters(appid) | {"sign": "a" * 32}))) == "签名校验失败"


@pytest.mark.parametrize("name", ["img", "url", "ver", "备注"])
def test_check_10_asterisk(service: Service, name: str) -> None:
    registered = register_app(service.store, "debugging")
    set_app_sources(service.store, registered.app.id, allowed=(), denied=("127.0.0.1",))
    sent = own_parameters(registered.appid, {name: "a*b"})
    assert msg_of(service.send(form(sent))) == "存在*字符, 视为调试数据。止于当前结果。"
    query = own_parameters(registered.appid, {name: "a*b"})
    in_query = urlencode({name: query.pop(name)})
    assert msg_of(service.send(form(query, target=f"/ocr?{in_query}"))) == "存在*字符, 视为调试数据。止于当前结果。"


SOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, bool]] = {
    "denied address": ((), ("127.0.0.1",), "", False),
    "denied network": ((), ("127.0.0.0/8",), "", False),
    "another denied": ((), ("192.0.2.1", "evil.example"), "", True),
    "allowed address": (("127.0.0.1",), (), "", True),
    "outside what is allowed": (("192.0.2.0/24",), (), "", False),
    "allowed and denied": (("127.0.0.1",), ("127.0.0.0/8",), "", False),
    "denied origin": ((), ("evil.example",), "Origin: https://EVIL.example:8443", False),
    "allowed origin": (("shop.example",), (), "Origin: https://shop.example", True),
    "below an allowed origin": (("*.shop.example",), (), "Origin: https://www.shop.example", True),
    "beside an allowed origin": (("*.shop.example",), (), "Origin: https://myshop.example", False),
    "allowed by Referer": (("shop.example",), (), "Referer: https://shop.example/page?x=1", True),
    "no origin, by Referer": (("shop.example",), (), "Origin: null\r\nReferer: https://shop.example/", True),
    "an origin that is none": (("shop.example",), (), "Origin: https://[shop.example", False),
    "no origin": (("shop.example",), (), "", False),
}


@pytest.mark.parametrize(("allowed", "denied", "header", "served"), SOURCES.values(), ids=SOURCES)
def test_check_11_source(
    service: Service, allowed: tuple[str, ...], denied: tuple[str, ...], header: str, served: bool
) -> None:
    registered = register_app(service.store, "restricted")
    grant(service.store, registered.app.id, 10)
    assert set_app_sources(service.store, registered.app.id, allowed=allowed, denied=denied)
    reply = service.send(form(own_parameters(registered.appid), headers=(header,) if header else ()))
    if served:
        assert was_read(reply)
    else:
        assert msg_of(reply) == "非法来源"
        assert was_read(service.send(signed(registered.appkey))), "it says nothing of the other ways of signing in"


# --- replay ------------------------------------------------------------------------------------------------------


def test_a_billed_sign_is_taken_once(service: Service, appid: Credential) -> None:
    sent = own_call(appid)
    assert was_read(service.send(sent))
    for _ in range(2):
        assert msg_of(service.send(sent)) == "签名校验失败"
    assert was_read(service.send(own_call(appid)))


def test_a_sign_is_free_again_after_an_unbilled_outcome(service: Service, appid: Credential) -> None:
    sent = own_call(appid)
    for error, status in ((EngineBusyError("full"), 503), (ZeroDivisionError(), 500), (StoreError("away"), 503)):
        service.engine.outcome = error
        assert service.send(sent).status == status
    service.engine.outcome = None
    assert was_read(service.send(sent))
    refused = own_call(appid, ver="9")
    assert [msg_of(service.send(refused)) for _ in range(2)] == ["版本参数ver传入有误"] * 2


@contextmanager
def being_read(service: Service, engine: WaitingEngine, sent: bytes) -> Iterator[Connection]:
    with Connection(service.port) as connection:
        connection.send(sent)
        assert engine.reading.wait(20)
        yield connection


def test_a_sign_whose_first_call_still_runs_is_refused(service_with: Callable[..., Service]) -> None:
    service = service_with(engine=(engine := WaitingEngine()))
    sent = own_call(service.caller.appid)
    with being_read(service, engine, sent) as connection:
        assert msg_of(service.send(sent)) == "签名校验失败"
        engine.finish()
        assert was_read(connection.read_reply())
    assert msg_of(service.send(sent)) == "签名校验失败"


def test_a_sign_is_free_again_when_its_caller_has_hung_up(service_with: Callable[..., Service]) -> None:
    service = service_with(engine=(engine := WaitingEngine()))
    sent = own_call(service.caller.appid)
    with being_read(service, engine, sent):
        pass
    assert engine.cancelled.wait(20)
    engine.finish()
    while (reply := service.send(sent)).status == 666:  # until the first call's claim is given back
        assert msg_of(reply) == "签名校验失败"
    assert was_read(reply)


def test_a_claim_lapses_soon_if_its_process_dies_and_is_held_once_answered(
    service_with: Callable[..., Service],
) -> None:
    service = service_with(engine=(engine := WaitingEngine()), deadline=30)

    def expiry() -> int:
        found: int = service.store.transact(lambda c: c.execute(select(schema.taken.c.expires_at)).scalar_one())
        return found

    before, sendtime = now(), now() - MINUTE
    sent = own_call(service.caller.appid, sendtime=str(sendtime))
    with being_read(service, engine, sent) as connection:
        assert before + 30_000 + MINUTE <= expiry() <= now() + 30_000 + MINUTE
        engine.finish()
        assert was_read(connection.read_reply())
    assert expiry() == sendtime + 5 * MINUTE + 1


def test_of_many_with_one_sign_one_is_served(service: Service, appid: Credential) -> None:
    sent = own_call(appid)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(service.send, [sent] * 8))
    assert sorted(map(was_read, replies)) == [False] * 7 + [True]
    assert {msg_of(reply) for reply in replies if not was_read(reply)} == {"签名校验失败"}


def failing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: object) -> None:
        raise StoreError("away", internal="the disk is full")

    monkeypatch.setattr(taken, name, fail)


def test_a_claim_that_cannot_be_given_back_hides_nothing_and_is_given_back_later(
    service: Service, appid: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = own_call(appid)
    with monkeypatch.context() as patched:
        failing(patched, "give_back")
        service.engine.outcome = EngineBusyError("full")
        assert error_of(service.send(sent))[1] == "X503BZ"
    service.engine.outcome = None
    while (reply := service.send(sent)).status == 666:
        assert msg_of(reply) == "签名校验失败"
    assert was_read(reply)


def test_an_answer_whose_claim_cannot_be_kept_is_not_given(
    service: Service, appid: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = own_call(appid)
    with monkeypatch.context() as patched:
        failing(patched, "set_expiry")
        assert error_of(service.send(sent))[1] == "X503DB"
    assert was_read(service.send(sent))
