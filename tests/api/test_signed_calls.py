"""docs/contract.md §3, AppKey and signature, with its rows of §4; over a socket."""

from __future__ import annotations

import base64
import hmac
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, unquote_to_bytes

import pytest

from tests.api.conftest import Service
from tests.api.signers import (
    B64,
    FORM,
    MINUTE,
    READ,
    STREAM,
    error_of,
    md5,
    msg_of,
    now,
    own_call,
    signed,
    was_read,
)
from tests.api.wire import Connection, http2_call, request
from tests.desk import add_credential, remove_credential, set_app_disabled
from ziyan.metering.credentials import Credential, Kind, register_app
from ziyan.metering.packages import grant

Start = Callable[..., Service]


@pytest.fixture
def key(service: Service) -> Credential:
    return service.caller.appkey


SIGNED_CALLS: dict[str, dict[str, object]] = {
    "form": {},
    "form, empty values": {"parameters": {"img": B64, "url": "", "ver": "0"}},
    "form with charset": {"content_type": f"{FORM}; charset=UTF-8"},
    "form, sloppy type of the PHP sample": {"content_type": f".{FORM}"},
    "form, any letter case": {"content_type": "Application/X-WWW-Form-URLEncoded"},
    "HmacSHA1": {"X_Ca_Signature_Method": "HmacSHA1"},
    "HmacSHA256, named": {"X_Ca_Signature_Method": "HmacSHA256"},
    "parameters in the query": {"target": "/ocr?ver=0&x=y"},
    "JSON, left out": {"content": json.dumps({"img": B64}).encode(), "content_type": "application/json"},
    "JSON with Content-MD5": {
        "content": b'{"img": "' + B64.encode() + b'"}',
        "content_type": STREAM,
        "Content_MD5": base64.b64encode(md5(b'{"img": "' + B64.encode() + b'"}').digest()).decode(),
    },
    "no type, left out": {"content": b"img=" + quote(B64, safe="").encode(), "content_type": ""},
    "Date is opaque": {"Date": "yesterday"},
    "stage, in lower case": {
        "listed": "X-Ca-Key,X-Ca-Nonce,X-Ca-Timestamp,x-ca-stage",
        "x_ca_stage": "RELEASE",
    },
    "no headers signed": {"listed": None},
    "no moment": {"X_Ca_Timestamp": ""},
    "no nonce": {"X_Ca_Nonce": ""},
    "14 minutes late": {"minutes": -14},
    "14 minutes early": {"minutes": 14},
    "a bug: k= for an empty value": {
        "parameters": {"img": B64, "url": ""},
        "sign": lambda text: text.replace("&url", "&url="),
    },
    "a bug: four blank lines": {"sign": lambda text: text.replace(f"application/json\n\n{FORM}\n", "\n\n\n")},
}


@pytest.mark.parametrize("call", SIGNED_CALLS.values(), ids=SIGNED_CALLS)
def test_a_signed_call_is_served(service: Service, key: Credential, call: dict[str, object]) -> None:
    assert was_read(service.send(signed(key, **call)))


def test_a_signed_multipart_call_is_served(service: Service, key: Credential) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="img"\r\n\r\n' + B64.encode() + b"\r\n--b--\r\n"
    assert was_read(service.send(signed(key, content=body, content_type="multipart/form-data; boundary=b")))


def test_a_signed_call_over_http_2_is_served(service: Service, key: Credential) -> None:
    sent = signed(
        key,
        listed="x-ca-key,x-ca-nonce,x-ca-timestamp",
        **{
            "x_ca_key": key.identifier,
            "x_ca_nonce": "over http/2",
            "x_ca_timestamp": str(now()),
        },
    )
    head, _, body = sent.partition(b"\r\n\r\n")
    lines = [line.partition(": ")[::2] for line in head.decode().split("\r\n")[2:]]
    headers = {name.lower(): value for name, value in lines}
    first = [(":method", "POST"), (":scheme", "http"), (":authority", "ocr.example"), (":path", "/ocr")]
    answered, content = http2_call(service.port, [*first, *headers.items()], body)
    assert (answered[":status"], json.loads(content)["data"]) == ("200", READ)


def test_a_header_in_chinese_is_signed_as_utf_8(service: Service, key: Credential) -> None:
    sent = signed(
        key, listed="X-Ca-Key,X-Name", X_Name="NAME", sign=lambda text: text.replace("X-Name:NAME", "X-Name:字眼")
    )
    assert was_read(service.send(sent.replace(b"X-Name: NAME", b"X-Name: " + "字眼".encode())))


def test_unknown_appkey_is_refused_before_the_body_is_read(service: Service) -> None:
    sent = signed(Credential("", Kind.APPKEY, "0" * 16, "0" * 32))
    head, _, _ = sent.partition(b"\r\n\r\n")
    with Connection(service.port) as connection:
        connection.send(head + b"\r\n\r\n")
        assert error_of(connection.read_reply()) == (400, "A400IK", "Invalid AppKey")


def test_an_appcode_is_no_appkey(service: Service) -> None:
    sent = signed(Credential("", Kind.APPKEY, service.caller.appcode, service.caller.appcode))
    assert error_of(service.send(sent))[1] == "A400IK"


def test_bad_signature_shows_what_ought_to_have_been_signed(service: Service, key: Credential) -> None:
    sent = signed(
        key,
        {"url": "http://a/?中=1\r\n\t", "ver": ""},
        sign=lambda text: text + "x",
        X_Ca_Nonce="n",
        X_Ca_Timestamp="1",
        Date="d",
    )
    expected = f"POST#application/json##{FORM}#d#X-Ca-Key:{key.identifier}#X-Ca-Nonce:n#X-Ca-Timestamp:1#/ocr?url=http://a/?中=1##?&ver"
    status, code, message = error_of(service.send(sent))
    assert (status, code) == (403, "A403IS")
    assert message.encode("latin-1").decode() == f"Invalid Signature, Server StringToSign:`{expected}`"
    assert key.secret not in message


def test_the_text_is_cut_at_1024_bytes(service: Service, key: Credential) -> None:
    message = error_of(service.send(signed(key, {"img": "字" * 2000}, sign=str.lower)))[2].encode("latin-1")
    text = message.removeprefix(b"Invalid Signature, Server StringToSign:`").removesuffix(b"`")
    assert 1021 < len(text) <= 1024
    assert text.decode().endswith("字字")


def test_no_signature_at_all_is_a_bad_one(service: Service, key: Credential) -> None:
    reply = service.send(request(b"img=AAAA", headers=(f"X-Ca-Key: {key.identifier}",)))
    assert error_of(reply) == (
        403,
        "A403IS",
        f"Invalid Signature, Server StringToSign:`POST###{FORM}##/ocr?img=AAAA`",
    )


def test_a_refused_text_is_not_logged(service_with: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "ziyan")
    service = service_with()
    service.send(signed(service.caller.appkey, {"img": "confidential"}, sign=str.lower))
    service.ask_to_stop()
    service.wait_for_end()
    fields = [record.fields for record in caplog.records if record.getMessage() == "call"]
    assert [field["msg"] for field in fields] == ["Invalid Signature"]
    assert "confidential" not in repr([record.__dict__ for record in caplog.records if record.name.startswith("ziyan")])


TAMPERED: dict[str, tuple[bytes, bytes]] = {
    "the picture": (b"img=AAEC", b"img=AAED"),
    "the nonce": (b"X-Ca-Nonce: ", b"X-Ca-Nonce: 2"),
    "the moment": (b"X-Ca-Timestamp: 1", b"X-Ca-Timestamp: 2"),
    "the list": (b"X-Ca-Key,X-Ca-Nonce,X-Ca-Timestamp", b"X-Ca-Key,X-Ca-Timestamp"),
    "Accept": (b"application/json", b"application/jso"),
    "a query more": (b"/ocr HTTP", b"/ocr?ver=1 HTTP"),
    "the method of signing": (b"Accept", b"X-Ca-Signature-Method: HmacSHA1\r\nAccept"),
}


@pytest.mark.parametrize(("before", "after"), TAMPERED.values(), ids=TAMPERED)
def test_what_is_signed_cannot_be_changed(service: Service, key: Credential, before: bytes, after: bytes) -> None:
    sent = signed(key)
    changed = sent.replace(before, after, 1)
    assert changed != sent
    assert error_of(service.send(changed))[1] == "A403IS"


def test_a_large_call_is_verified_as_a_small_one_is(service: Service, key: Credential) -> None:
    large = base64.b64encode(bytes(range(256)) * (1 << 12)).decode()
    body = signed(key, {"img": large, "ver": "0"})
    assert service.send(body).status == 200
    assert error_of(service.send(body.replace(b"ver=0", b"ver=1")))[1] == "A403IS"
    own = own_call(service.caller.appid, {"img": large, "ver": "0"})
    assert service.send(own).status == 200
    assert msg_of(service.send(own.replace(b"ver=0", b"ver=1"))) == "签名校验失败"


@pytest.mark.parametrize("moment", ["-16", "+16", "word", "1.5e12", "9" * 40, "１"])
def test_timestamp_off(service: Service, key: Credential, moment: str) -> None:
    text = str(now() + int(moment) * MINUTE) if moment in {"-16", "+16"} else moment
    sent = signed(key, X_Ca_Timestamp="MOMENT", sign=lambda signed_: signed_.replace("MOMENT", text))
    reply = service.send(sent.replace(b"MOMENT", text.encode()))
    assert error_of(reply) == (403, "S403TE", "X-Ca-Timestamp is expired")


def test_nonce_reused(service: Service, key: Credential) -> None:
    assert was_read(service.send(signed(key, X_Ca_Nonce="twice")))
    assert error_of(service.send(signed(key, X_Ca_Nonce="twice"))) == (403, "S403NU", "Nonce Used")
    assert was_read(service.send(signed(key, X_Ca_Nonce="once")))


def test_a_nonce_is_used_up_though_no_call_is_left(service_with: Start) -> None:
    """It is taken together with a call of a package, which there may not be."""
    service = service_with(calls=0)
    grant(service.store, service.caller.app.id, 1)
    key = service.caller.appkey
    assert was_read(service.send(signed(key, X_Ca_Nonce="first")))
    for code in ("Quota Exhausted", "Nonce Used"):
        assert error_of(service.send(signed(key, X_Ca_Nonce="second")))[2] == code
    grant(service.store, service.caller.app.id, 1)
    assert error_of(service.send(signed(key, X_Ca_Nonce="second")))[2] == "Nonce Used"
    assert service.send(signed(key, X_Ca_Nonce="third"))["X-Ziyan-Remaining"] == "0"


def test_a_nonce_is_honoured_once_with_an_idempotency_key_too(service: Service, key: Credential) -> None:
    """Who has caught a call gets nothing for its bytes, not even the answer that is kept for its sender."""
    sent = signed(key, X_Ca_Nonce="caught", Idempotency_Key="caught")
    assert was_read(service.send(sent))
    assert error_of(service.send(sent)) == (403, "S403NU", "Nonce Used")
    again = service.send(signed(key, X_Ca_Nonce="its sender's", Idempotency_Key="caught"))
    assert (was_read(again), again["X-Ziyan-Billed"]) == (True, "0")


def test_a_nonce_cannot_be_moved_into_a_listed_name(service: Service, key: Credential) -> None:
    """A nonce ``n:`` signs the line ``X-Ca-Nonce:n:``; so would a header named ``X-Ca-Nonce:n`` that is not sent."""
    sent = signed(key, X_Ca_Nonce="moved:")
    assert was_read(service.send(sent))
    moved = sent.replace(b"X-Ca-Key,X-Ca-Nonce,", b"X-Ca-Key,X-Ca-Nonce:moved,")
    moved = moved.replace(b"X-Ca-Nonce: moved:", b"X-Ca-Nonce: fresh")
    assert error_of(service.send(moved))[:2] == (403, "A403IS")


def test_a_nonce_belongs_to_its_appkey(service: Service, key: Credential) -> None:
    another = add_credential(service.store, service.caller.app.id, Kind.APPKEY)
    for each in (key, another):
        assert was_read(service.send(signed(each, X_Ca_Nonce="the same")))


def test_a_nonce_is_remembered_only_after_the_signature_has_verified(service: Service, key: Credential) -> None:
    refused = (
        signed(key, X_Ca_Nonce="kept", sign=str.lower),
        signed(key, X_Ca_Nonce="kept", X_Ca_Timestamp="1"),
        signed(key, X_Ca_Nonce="kept", content=b"{}", content_type=STREAM, Content_MD5="AAAA"),
    )
    assert [error_of(service.send(each))[1] for each in refused] == ["A403IS", "S403TE", "I400I5"]
    assert was_read(service.send(signed(key, X_Ca_Nonce="kept")))


@pytest.mark.parametrize("content_md5", ["AAAA", md5(b"{}").hexdigest()])
@pytest.mark.parametrize("content_type", [STREAM, FORM])
def test_wrong_content_md5(service: Service, key: Credential, content_md5: str, content_type: str) -> None:
    body = None if content_type == FORM else b"{}"
    sent = signed(key, content=body, content_type=content_type, Content_MD5=content_md5)
    assert error_of(service.send(sent)) == (400, "I400I5", "Invalid Content-MD5")


def test_content_md5_is_verified_whichever_way_a_caller_signs_in(service: Service) -> None:
    body = b"img=" + quote(B64, safe="").encode()
    appcode = f"Authorization: APPCODE {service.caller.appcode}"
    right = f"Content-MD5: {base64.b64encode(md5(body).digest()).decode()}"
    assert was_read(service.send(request(body, headers=(appcode, right))))
    assert was_read(service.send(request(body, headers=(appcode, "Content-MD5: "))))
    wrong = "Content-MD5: AAAAAAAAAAAAAAAAAAAAAA=="
    assert error_of(service.send(request(body, headers=(appcode, wrong))))[1] == "I400I5"
    own = own_call(service.caller.appid)
    refused = own.replace(b"Content-Type", wrong.encode() + b"\r\nContent-Type", 1)
    assert error_of(service.send(refused))[1] == "I400I5"
    assert was_read(service.send(own)), "a call that is refused may be made again"
    assert error_of(service.send(request(body, headers=(wrong,))))[1] == "I400MH"


def test_a_body_exchanged_under_its_content_md5_is_refused(service: Service, key: Credential) -> None:
    digest = base64.b64encode(md5(b'{"ver":0}').digest()).decode()
    sent = signed(key, content=b'{"ver":0}', content_type=STREAM, Content_MD5=digest)
    assert error_of(service.send(sent.replace(b'{"ver":0}', b'{"ver":1}')))[1] == "I400I5"


def test_a_disabled_apps_signed_calls_are_refused(service: Service) -> None:
    registered = register_app(service.store, "to disable")
    grant(service.store, registered.app.id, 10)
    assert was_read(service.send(signed(registered.appkey)))
    set_app_disabled(service.store, registered.app.id, disabled=True)
    assert error_of(service.send(signed(registered.appkey))) == (403, "I403AA", "Unauthorized")
    assert error_of(service.send(signed(registered.appkey, sign=str.lower)))[1] == "A403IS"


def test_a_removed_credential_is_unknown(service: Service) -> None:
    registered = register_app(service.store, "to remove from")
    grant(service.store, registered.app.id, 10)
    assert remove_credential(service.store, registered.app.id, registered.appkey.identifier)
    assert error_of(service.send(signed(registered.appkey)))[1] == "A400IK"
    assert service.send(request(b"ver=9", appcode=registered.appcode)).status == 666


def test_a_malformed_body_is_told_to_whoever_signed_it(service: Service, key: Credential) -> None:
    broken = signed(key, content=b'{"img":', content_type="application/json")
    assert error_of(service.send(broken)) == (400, "I400BD", "Invalid Body")
    assert error_of(service.send(signed(key, content=b"&" * 2000, sign=str.lower)))[1] == "I400BD"


def test_json_under_the_forms_type_is_signed_as_the_form_that_it_says_it_is(service: Service, key: Credential) -> None:
    body = json.dumps({"img": B64.replace("+", "-").replace("/", "_").rstrip("=")}).encode()
    sent = signed(key, content=body, sign=lambda text: text.replace("/ocr", f"/ocr?{body.decode()}"))
    assert was_read(service.send(sent))


def test_an_empty_body_under_the_forms_type(service: Service, key: Credential) -> None:
    assert msg_of(service.send(signed(key, {}))) == "img或url必传一个"


@pytest.mark.parametrize("listed", [None, "", "X-Ca-Key", "X-Ca-Key,X-Ca-Nonce", "X-Ca-Key,X-Ca-Timestamp"])
def test_calls_that_can_be_replayed_are_refused_by_a_setting(
    service_with: Callable[..., Service], listed: str | None
) -> None:
    service = service_with(replayable_signatures=False)
    key = service.caller.appkey
    assert error_of(service.send(signed(key, listed=listed)))[1] == "A403IS"
    assert was_read(service.send(signed(key)))
    assert was_read(service.send(request(b"img=" + quote(B64).encode(), appcode=service.caller.appcode)))


def test_database_away_in_a_signed_call(service_with: Callable[..., Service]) -> None:
    service = service_with()
    service.lose_database()
    for sent in (signed(service.caller.appkey), own_call(service.caller.appid)):
        assert error_of(service.send(sent)) == (503, "X503DB", "Service Unavailable")


def test_of_many_with_one_nonce_one_is_served(service: Service, key: Credential) -> None:
    sent = signed(key)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(service.send, [sent] * 8))
    assert sorted(map(was_read, replies)) == [False] * 7 + [True]
    assert {error_of(reply)[1] for reply in replies if not was_read(reply)} == {"S403NU"}


@pytest.mark.parametrize("name", [b"%D6%D0", b"\xd6\xd0", b"%FF%41", "😀".encode(), b"%EE%80%80"])
def test_names_that_are_no_utf_8_are_signed_as_they_were_sent(service: Service, key: Credential, name: bytes) -> None:
    """Also beside others that sort around them."""
    raw = unquote_to_bytes(name)
    others = {b"z": b"1", "中".encode(): b"2", b"\xfe": b"3"}
    pairs = sorted({raw: b"v", b"img": B64.encode(), **others}.items())
    rest = [b"%s=%s" % pair for pair in others.items()]
    body = b"&".join([b"img=" + quote(B64, safe="").encode(), name + b"=v", *rest])
    text = b"POST\n\n\n%s\n\n/ocr?%s" % (FORM.encode(), b"&".join(b"%s=%s" % pair for pair in pairs))
    made = base64.b64encode(hmac.digest(key.secret.encode(), text, "sha256")).decode()
    headers = (f"X-Ca-Key: {key.identifier}", f"X-Ca-Signature: {made}")
    assert was_read(service.send(request(body, headers=headers)))
    for tampered in (body.replace(b"=v", b"=w"), body.replace(b"\xfe", b"\xfd")):
        assert error_of(service.send(request(tampered, headers=headers)))[1] == "A403IS"
