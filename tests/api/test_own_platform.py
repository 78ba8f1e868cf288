"""docs/contract.md §3, own-platform mode: the eleven checks in order, and what is billed once only; over a socket."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest

from tests.api.conftest import Service
from tests.api.signers import (
    B64,
    MINUTE,
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
from tests.api.wire import fingerprint, request
from tests.desk import add_credential, set_app_disabled, set_app_sources
from ziyan.metering.credentials import Credential, Kind, register_app
from ziyan.metering.packages import grant


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


def test_names_that_are_no_utf_8_are_signed_as_they_were_sent(service: Service, appid: Credential) -> None:
    names = {b"\xd6\xd0": b"1", b"\xd6\xd1": b"2", "😀".encode(): b"3"}
    sent = {b"appid": appid.identifier.encode(), b"img": B64.encode(), b"sendtime": str(now()).encode(), **names}
    base = b"&".join(b"%s=%s" % pair for pair in sorted(sent.items())) + b"&key=" + appid.secret.encode()
    body = urlencode({**sent, b"sign": md5(base).hexdigest()}).encode()
    assert msg_of(service.send(request(body.replace(b"%D1=2", b"%D1=3")))) == "签名校验失败"
    assert was_read(service.send(request(body)))


def test_a_json_name_that_is_no_text_is_a_question_mark(service: Service, appid: Credential) -> None:
    parameters = own_parameters(appid, {"?": "x"})
    body = json.dumps(parameters).replace('"?"', '"\\ud800"').encode()
    assert was_read(service.send(request(body, content_type="application/json")))


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
