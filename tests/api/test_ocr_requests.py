"""docs/contract.md §1: every form of request, every base64 tolerance, and the six checks in order.

The engine answers with a fingerprint of the picture it was given, so "read" means that not a bit of it was changed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_from_bytes

import pytest

from tests.api.conftest import Service
from tests.api.wire import fingerprint, request

#: Holds every 6-bit value, so its base64 holds ``+`` and ``/``; 3k + 1 bytes, so it ends in ``==``.
PICTURE = bytes(range(256)) * 3 + b"."
B64 = base64.b64encode(PICTURE)
URLSAFE = base64.urlsafe_b64encode(PICTURE)
ENCODED = quote_from_bytes(B64, safe="").encode()
READ = fingerprint(PICTURE)
FORM = "application/x-www-form-urlencoded"
BAD_IMG = "img图像错误: 无法处理图片信息"
BOTH = "img或url只能传入一个"
NEITHER = "img或url必传一个"
BAD_VER = "版本参数ver传入有误"
NO_DOWNLOAD = "url图片错误: 下载失败"


def multipart(*parts: tuple[str, bytes]) -> bytes:
    """Parts as (what follows ``form-data; ``, content), between boundaries ``b``."""
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + content + b"\r\n"
        for head, content in parts
    )
    return body + b"--b--\r\n"


def json_of(**members: object) -> bytes:
    return json.dumps(members).encode()


REQUEST_FORMS: dict[str, tuple[str | None, bytes]] = {
    "form": (FORM, b"img=" + ENCODED),
    "form, any letter case": ("Application/X-WWW-Form-URLEncoded", b"img=" + ENCODED),
    "form with charset": (f"{FORM}; charset=UTF-8", b"img=" + ENCODED),
    "form, sloppy type of the PHP sample": (f".{FORM}", b"img=" + ENCODED),
    "form without a type": (None, b"img=" + ENCODED),
    "form under another type": ("text/plain", b"img=" + ENCODED),
    "form with blank url, as many send it": (FORM, b"url=&img=" + ENCODED + b"&ver="),
    "form with escaped name": (FORM, b"%69mg=" + ENCODED),
    "form with a line end": (FORM, b"img=" + ENCODED + b"\r\n"),
    "form, first of two values": (FORM, b"img=" + ENCODED + b"&img=zzzz"),
    "form, ver with blanks": (FORM, b"ver=+0%0A&img=" + ENCODED),
    "form, empty pairs": (FORM, b"&&=&=x&img=" + ENCODED + b"&"),
    "JSON": ("application/json", json_of(img=B64.decode())),
    "JSON with charset": ("application/json; charset=utf-8", json_of(img=B64.decode())),
    "JSON without a type": (None, json_of(img=B64.decode())),
    "JSON under the form's type": (FORM, json_of(img=B64.decode())),
    "JSON with white space and BOM": (None, b"\xef\xbb\xbf\r\n " + json_of(img=B64.decode())),
    "JSON with null url and number ver": ("application/json", json_of(img=B64.decode(), url=None, ver=0)),
    "JSON with a data URI": ("application/json", json_of(img="data:image/png;base64," + B64.decode())),
    "multipart field": ("multipart/form-data; boundary=b", multipart(('name="img"', B64))),
    "multipart, quoted boundary": ('Multipart/Form-Data; boundary="b"', multipart(('name="img"', B64))),
    "multipart file": (
        "multipart/form-data; boundary=b",
        multipart(('name="ver"', b"0"), ('name="img"; filename="a.png"', B64)),
    ),
    "multipart, blank field beside the file": (
        "multipart/form-data; boundary=b",
        multipart(('name="img"', b""), ('name="img"; filename="a.png"', B64)),
    ),
    "JSON, last of two values": ("application/json", b'{"img": "!", "img": "' + B64 + b'"}'),
    "multipart, words before it": (
        "multipart/form-data; boundary=b",
        b"This is a message --b in parts.\r\n\r\n" + multipart(('name="img"', B64)),
    ),
    "multipart, words behind it": (
        "multipart/form-data; boundary=b",
        multipart(('name="img"', B64)) + b'--b\r\nContent-Disposition: form-data; name="url"\r\n\r\nx\r\n--b--',
    ),
    "multipart, a line break before it": (
        "multipart/form-data; boundary=b",
        b"\n" + multipart(('name="img"', B64)),
    ),
    "multipart, bare line feeds": (
        "multipart/form-data; boundary=b",
        multipart(('name="ver"', b"0"), ('name="img"', B64)).replace(b"\r\n", b"\n"),
    ),
    "multipart, bare line feeds in headers alone": (
        "multipart/form-data; boundary=b",
        b'--b\nContent-Disposition: form-data; name="img"\n\n' + B64 + b"\r\n--b--",
    ),
    "multipart, blanks behind boundaries": (
        "multipart/form-data; boundary=b",
        multipart(('name="ver"', b""), ('name="img"', B64)).replace(b"--b", b"--b \t").replace(b"--b \t--", b"--b-- "),
    ),
    "multipart, a folded header in capitals": (
        "multipart/form-data; boundary=b",
        b'--b\r\nX: y\r\nCONTENT-DISPOSITION: form-data;\r\n  name="img"\r\n\r\n' + B64 + b"\r\n--b--\r\n",
    ),
    "multipart, a part without headers": (
        "multipart/form-data; boundary=b",
        b"--b\r\n\r\nnothing\r\n" + multipart(('name="img"', B64)),
    ),
}

BASE64_TOLERANCES: dict[str, bytes] = {
    "not percent-encoded: + arrives as space": B64,
    "percent-encoded": ENCODED,
    "percent-encoded in lower case": B64.replace(b"+", b"%2b").replace(b"/", b"%2f").replace(b"=", b"%3d"),
    "percent-encoded throughout": b"".join(b"%%%02x" % byte for byte in B64),
    "percent-encoded twice": quote(ENCODED.decode(), safe="").encode(),
    "only + encoded twice": B64.replace(b"+", b"%252B"),
    "data URI": b"data:image/jpeg;base64," + ENCODED,
    "data URI, raw": b"data:image/jpeg;base64," + B64,
    "data URI with parameters": b"DATA:image/png;name=a.png;Base64," + B64,
    "data URI without a kind": b"data:;base64," + B64,
    "data URI, percent-encoded": quote_from_bytes(b"data:image/jpeg;base64," + B64, safe="").encode(),
    "data URI, percent-encoded twice": quote(quote_from_bytes(b"data:image/jpeg;base64," + B64, safe="")).encode(),
    "spaces for +": B64.replace(b"+", b"%20"),
    "MIME lines": base64.encodebytes(PICTURE).replace(b"+", b"%2B").replace(b"\n", b"%0D%0A"),
    "raw line ends": base64.encodebytes(PICTURE).replace(b"\n", b"\r\n"),
    "tabs": ENCODED.replace(b"A", b"A%09"),
    "URL alphabet": URLSAFE,
    "URL alphabet without padding": URLSAFE.rstrip(b"="),
    "no padding": ENCODED.replace(b"%3D", b""),
    "half the padding": B64[:-1],
    "too much padding": B64 + b"==",
    "a blank behind half the padding": B64[:-1] + b"+",
    "data URI with blanks behind the comma": b"data:image/png;base64, +%20%0D%0A" + ENCODED,
    "white space around": b"%20%0A" + ENCODED + b"+%0D%0A",
}

NOT_BASE64: dict[str, bytes] = {
    "a word": b"hello!",
    "one character over": b"AAAAA",
    "Chinese": quote("图片").encode(),
    "raw bytes": b"%FF%D8%FF%E0%00%10JFIF",
    "NUL": b"AAAA%00AAAA",
    "padding inside": b"AA%3D%3DAAAA",
    "percent garbage": b"%zz%1%%%",
    "only padding": b"%3D%3D%3D",
    "data URI of nothing": b"data:image/png;base64,",
    "data URI that is not base64": b"data:image/png,AAAA",
    "an address": b"http://example.com/a.png",
    "a bracket": b"[]",
}

CHECKS: list[tuple[str, bytes, str]] = [
    ("1 ver is 2", b"ver=2", BAD_VER),
    ("1 ver is a word", b"ver=true", BAD_VER),
    ("1 ver is 00", b"ver=00", BAD_VER),
    ("1 ver is full-width", "ver=１".encode(), BAD_VER),
    ("1 before 2", b"ver=9&img=AAAA&url=http://a/", BAD_VER),
    ("1 before 6", b"ver=9&img=!", BAD_VER),
    ("2 both", b"img=AAAA&url=http://a/", BOTH),
    ("2 before 4 and 6", b"img=!&url=!", BOTH),
    ("3 neither", b"", NEITHER),
    ("3 other names only", b"IMG=AAAA&Url=http://a/&image=AAAA", NEITHER),
    ("3 both empty", b"img=&url=", NEITHER),
    ("3 both blank", b"img=+%20%0D%0A&url=%09", NEITHER),
    ("3 names without values", b"img&url&ver", NEITHER),
    ("4 no address", b"url=picture.jpg", NO_DOWNLOAD),
    ("4 over 255 characters", b"url=http://example.com/" + b"a" * 300, NO_DOWNLOAD),
    ("4 private", b"url=http://127.0.0.1/a.jpg", NO_DOWNLOAD),
    ("4 another scheme", b"url=file:///etc/passwd", NO_DOWNLOAD),
    ("4 not UTF-8", b"url=http://example.com/%ff%fe", NO_DOWNLOAD),
    ("4 NUL", b"url=http://example.com/%00", NO_DOWNLOAD),
    ("6 not base64", b"img=hello!", BAD_IMG),
    ("6 over 1 MiB", b"img=" + b"A" * ((1 << 20) * 4 // 3 + 4), BAD_IMG),
    ("6 percent signs, encoded", b"img=" + b"%25" * 200_000, BAD_IMG),
    ("6 as many as fit", b"img=" + b"%25" * 2_700_000, BAD_IMG),
    ("6 a 7 MiB word", b"img=" + b"A" * (7 << 20), BAD_IMG),
]


def data_of(service: Service, body: bytes, content_type: str | None = FORM) -> object:
    reply = service.post(body, content_type=content_type)
    assert reply.status == 200, reply
    return json.loads(reply.body)["data"]


@pytest.mark.parametrize(("content_type", "body"), REQUEST_FORMS.values(), ids=REQUEST_FORMS)
def test_request_form_is_read(service: Service, content_type: str | None, body: bytes) -> None:
    assert data_of(service, body, content_type) == READ


@pytest.mark.parametrize("value", BASE64_TOLERANCES.values(), ids=BASE64_TOLERANCES)
def test_base64_tolerance_in_a_form(service: Service, value: bytes) -> None:
    assert data_of(service, b"ver=0&img=" + value) == READ


@pytest.mark.parametrize("blanks", [1, 2, 3])
def test_a_plus_at_the_end_is_a_plus(service: Service, blanks: int) -> None:
    """Not percent-encoded it arrives as a space, and as many as complete the last four characters are no stray ones."""
    text = B64[: 400 - blanks] + b"+" * blanks
    assert data_of(service, b"img=" + text) == fingerprint(base64.b64decode(text))
    assert data_of(service, b"img=" + text + b"&ver=0") == fingerprint(base64.b64decode(text))
    stray = B64[:400] + b"+" * blanks
    assert data_of(service, b"img=" + stray) == fingerprint(base64.b64decode(B64[:400]))


@pytest.mark.parametrize("length", [3 * 1000, 3 * 1000 + 1, 3 * 1000 + 2])
def test_missing_padding_is_repaired_for_every_length(service: Service, length: int) -> None:
    picture = (PICTURE * 4)[:length]
    assert data_of(service, b"img=" + base64.urlsafe_b64encode(picture).rstrip(b"=")) == fingerprint(picture)


@pytest.mark.parametrize("value", NOT_BASE64.values(), ids=NOT_BASE64)
def test_anything_else_is_not_base64(service: Service, value: bytes) -> None:
    reply = service.post(b"img=" + value)
    # Nothing at all may be what is left; the engine judges that, as it judges every picture.
    if value in {NOT_BASE64["only padding"], NOT_BASE64["data URI of nothing"]}:
        assert json.loads(reply.body)["data"] == fingerprint(b"")
    else:
        assert (reply.status, json.loads(reply.body)) == (666, {"ok": 0, "msg": BAD_IMG})


@pytest.mark.parametrize(("body", "msg"), [row[1:] for row in CHECKS], ids=[row[0] for row in CHECKS])
def test_check(service: Service, body: bytes, msg: str) -> None:
    reply = service.post(body)
    assert (reply.status, reply.body) == (666, f'{{"ok":0,"msg":"{msg}"}}'.encode())


def test_a_picture_of_exactly_1_mib_is_read_and_one_byte_more_is_not(service: Service) -> None:
    picture = PICTURE * (1 << 11)
    picture = picture[: 1 << 20]
    assert data_of(service, b"img=" + base64.urlsafe_b64encode(picture)) == fingerprint(picture)
    over = service.post(b"img=" + base64.urlsafe_b64encode(picture + b"."))
    assert json.loads(over.body)["msg"] == BAD_IMG


def test_a_multipart_file_is_the_picture_itself(service: Service) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + PICTURE + b"\r\n--b\r\n--\r\n"[:4]
    body = multipart(('name="img"; filename="图.png"', picture))
    assert data_of(service, body, "multipart/form-data; boundary=b") == fingerprint(picture)
    large = multipart(('name="img"; filename="a.png"', b"\xff\xd8" + bytes(1 << 20)))
    assert json.loads(service.post(large, content_type="multipart/form-data; boundary=b").body)["msg"] == BAD_IMG


@pytest.mark.parametrize(
    "name",
    [
        "filename*=UTF-8''%E5%9B%BE.png",
        'filename*0="a."; filename*1="png"',
        "FILENAME*=utf-8''a",
        "filename=a.png; filename*=UTF-8''a",
        "filename=C:\\a\\b.png",
    ],
)
def test_a_multipart_file_is_one_however_it_is_named(service: Service, name: str) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + PICTURE + b"\n--b is no boundary\n"
    for body in (multipart((f'name="img"; {name}', picture)), multipart((f'{name}; name="img"', picture))):
        assert data_of(service, body, "multipart/form-data; boundary=b") == fingerprint(picture)


def test_a_field_with_a_files_name_in_its_own_is_a_field(service: Service) -> None:
    body = multipart(('name="img"', B64), ('name="ver; filename*=x"', b"9"))
    assert data_of(service, body, "multipart/form-data; boundary=b") == READ


def test_a_multipart_file_that_is_empty_counts_as_absent(service: Service) -> None:
    body = multipart(('name="img"; filename=""', b""), ('name="url"', b""))
    reply = service.post(body, content_type="multipart/form-data; boundary=b")
    assert json.loads(reply.body)["msg"] == NEITHER


@pytest.mark.parametrize(
    ("target", "body", "msg"),
    [
        ("/ocr?img=" + URLSAFE.decode(), b"", None),
        ("/ocr?ver=1", b"img=" + URLSAFE, None),
        ("/ocr?ver=7", b"img=" + URLSAFE, BAD_VER),
        ("/ocr?ver=7", b"ver=0&img=" + URLSAFE, None),
        ("/ocr?img=!", b"img=" + URLSAFE, None),
        ("/ocr?img=" + URLSAFE.decode(), b"img=+", None),
        ("/ocr?url=http://a/", b"img=" + URLSAFE, BOTH),
        ("/ocr?url=http://a/", b"url=&img=" + URLSAFE, BOTH),
        ("/ocr?;=&img", b"", NEITHER),
    ],
)
def test_the_query_counts_and_the_form_wins(service: Service, target: str, body: bytes, msg: str | None) -> None:
    reply = service.post(body, target=target)
    assert json.loads(reply.body).get("msg") == (msg or "查询成功")


MALFORMED: dict[str, tuple[str | None, bytes]] = {
    "broken JSON": ("application/json", b'{"img": '),
    "broken JSON under the form's type": (FORM, b'{"img": '),
    "JSON list": ("application/json", b'["img"]'),
    "JSON word": ("application/json", b"null"),
    "form under JSON's type": ("application/json", b"img=AAAA"),
    "JSON that is not UTF-8": ("application/json", b'{"img": "\xff"}'),
    "JSON list for img": ("application/json", b'{"img": ["AAAA"]}'),
    "JSON object for ver": ("application/json", b'{"ver": {}}'),
    "deep JSON": ("application/json", b'{"a":' * 4_000),
    "deep JSON, closed": ("application/json", b'{"a":' + b"[" * 4_000 + b"]" * 4_000 + b"}"),
    "huge JSON": ("application/json", b'{"a":[' + b"[]," * 2_000_000 + b"[]]}"),
    "a number of 10,000 digits": ("application/json", b'{"ver":' + b"1" * 10_000 + b"}"),
    "10,000 fields": (FORM, b"a=1&" * 10_000),
    "2,000,000 fields": (FORM, b"a=1&" * 2_000_000),
    "multipart without a boundary": ("multipart/form-data", multipart(('name="img"', B64))),
    "multipart with another boundary": ("multipart/form-data; boundary=x", multipart(('name="img"', B64))),
    "multipart cut short": ("multipart/form-data; boundary=b", multipart(('name="img"', B64))[:-12]),
    "multipart of garbage": ("multipart/form-data; boundary=b", b"--b\x00\xff garbage"),
    "multipart, boundary of 1,000 characters": (f"multipart/form-data; boundary={'b' * 1000}", b"--b--"),
    "multipart of 1,000,000 beginnings of boundaries": (
        "multipart/form-data; boundary=b",
        multipart(('name="img"', b"\r\n--bX" * 1_000_000)),
    ),
    "multipart with 8 MiB of padding": ("multipart/form-data; boundary=b", b"--b" + b" \t" * 4_000_000),
    "8 MiB of percent signs": (FORM, b"%" * (8 << 20)),
    "multipart, a part whose headers do not end": ("multipart/form-data; boundary=b", b"--b\r\nname: x\r\n--b--"),
    "multipart, a part with long headers": (
        "multipart/form-data; boundary=b",
        multipart(('name="img"; x="' + "x" * 10_000 + '"', B64)),
    ),
    "multipart, parts with long headers together": (
        "multipart/form-data; boundary=b",
        multipart(*[('name="a"; ' + "x=y;" * 230, b"")] * 70, ('name="img"', B64)),
    ),
    "multipart, a last boundary inside a line": (
        "multipart/form-data; boundary=b",
        multipart(('name="img"', B64))[:-9] + b"--b--",
    ),
    "multipart of 10,000 parts": (
        "multipart/form-data; boundary=b",
        multipart(*[('name="a"', b"")] * 10_000),
    ),
}


@pytest.mark.parametrize(("content_type", "body"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_body(service: Service, content_type: str | None, body: bytes) -> None:
    reply = service.post(body, content_type=content_type)
    assert (reply.status, reply["X-Ca-Error-Code"], reply["X-Ca-Error-Message"]) == (400, "I400BD", "Invalid Body")
    assert reply.body == b""


@pytest.mark.parametrize(
    ("content_type", "body", "msg"),
    [
        ("application/json", b"", NEITHER),
        ("application/json", b" \r\n", NEITHER),
        ("application/json", b"{}", NEITHER),
        ("application/json", b'{"ver": true}', BAD_VER),
        ("application/json", b'{"ver": 1.0}', BAD_VER),
        ("application/json", b'{"ver": 1}', NEITHER),
        ("application/json", b'{"img": "\\ud800"}', BAD_IMG),
        ("application/json", b'{"url": "http://\\ud800/"}', NO_DOWNLOAD),
        ("application/json", b'{"img": 12345}', BAD_IMG),
        ("application/json", b'{"img": "A\\u0000A"}', BAD_IMG),
        (FORM, b"%" * 10_000, NEITHER),
        (FORM, b"\x00" * 1000 + b"=\x00&\xff\xfe=%ff", NEITHER),
        (FORM, "名=值&ver=%E4%B8%80".encode(), BAD_VER),
        (FORM, b"img=" + b"%41" * 1_000_000, None),
        ("multipart/form-data; boundary=b", b"", NEITHER),
        ("multipart/form-data; boundary=b", multipart(("filename=x", b"AAAA"), ("", b"AAAA")), NEITHER),
        ("a/b; boundary=\xff", b"\xff", NEITHER),
    ],
)
def test_odd_bodies_get_a_clear_answer(service: Service, content_type: str, body: bytes, msg: str | None) -> None:
    assert json.loads(service.post(body, content_type=content_type).body)["msg"] == (msg or "查询成功")


# --- §3, AppCode --------------------------------------------------------------------------------------------------

SPELLINGS = [
    "Authorization: APPCODE {}",
    "Authorization: appcode {}",
    "authorization: AppCode {}",
    "AUTHORIZATION:   APPCODE    {}   ",
    "Authorization: APPCODE\t{}",
    "Authorization: APPCODE:{}",
    "Authorization: APPCODE: {}",
    "Authorization: APPCODE = {}",
    "Authorization: APPCODE{}",
    "Authorization: Basic eDp5\r\nAuthorization: APPCODE {}",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_appcode_header_in_every_spelling(service: Service, spelling: str) -> None:
    header = spelling.format(service.caller.appcode)
    assert service.send(request(b"ver=9", headers=(header,))).status == 666


@pytest.mark.parametrize("name", ["appcode", "AppCode", "APPCODE", "app%63ode"])
def test_appcode_in_the_query_in_any_letter_case(service: Service, name: str) -> None:
    assert service.send(request(b"ver=9", target=f"/ocr?x=1&{name}={service.caller.appcode}")).status == 666


def test_appcode_in_the_query_can_be_switched_off(service_with: Callable[..., Service]) -> None:
    service = service_with(appcode_in_query=False)
    reply = service.send(request(b"ver=9", target=f"/ocr?appcode={service.caller.appcode}"))
    assert reply["X-Ca-Error-Code"] == "I400MH"
    assert service.post(b"ver=9").status == 666


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Authorization: APPCODE", "I400MH"),
        ("Authorization: APPCODE ", "I400MH"),
        ("Authorization: {}", "I400MH"),
        ("Authorization: Bearer {}", "I400MH"),
        ("Authorization: APPCODE {} {}", "I400MH"),
        ("Authorization: APPCODE" + " " * 15_000 + "{} x", "I400MH"),
        ("X-Authorization: APPCODE {}", "I400MH"),
        ("Authorization: APPCODE {}0", "A400AC"),
        ("Authorization: APPCODE \xe4\xb8\xad", "A400AC"),
        ("Authorization: APPCODE ' OR 1=1", "I400MH"),
        ("Authorization: APPCODE '/**/OR/**/1=1--", "A400AC"),
    ],
)
def test_no_or_unknown_appcode(service: Service, header: str, code: str) -> None:
    reply = service.send(request(b"ver=9", headers=(header.replace("{}", service.caller.appcode),)))
    assert (reply.status, reply["X-Ca-Error-Code"]) == (400, code)


def test_the_header_decides_before_the_query(service: Service) -> None:
    sent = request(b"ver=9", appcode="0" * 32, target=f"/ocr?appcode={service.caller.appcode}")
    assert service.send(sent)["X-Ca-Error-Code"] == "A400AC"
