"""docs/contract.md §3: which of several credentials decides."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from tests.api.conftest import Service
from tests.api.signers import B64, FORM, error_of, own_parameters, signed, was_read
from tests.api.wire import request


def test_the_first_credential_present_decides(service: Service) -> None:
    key = service.caller.appkey
    own = own_parameters(service.caller.appid, {"img": B64})
    good, bad = f"Authorization: APPCODE {service.caller.appcode}", "Authorization: APPCODE " + "0" * 32
    wrong_key = "X-Ca-Key: " + "0" * 16
    body = urlencode(own).encode()
    assert error_of(service.send(request(body, headers=(bad,))))[1] == "A400AC"
    assert was_read(service.send(request(body, headers=(wrong_key, good))))
    assert was_read(service.send(request(body, headers=(wrong_key,), target=f"/ocr?appcode={service.caller.appcode}")))
    assert error_of(service.send(request(body, headers=(wrong_key,), target="/ocr?appcode=0")))[1] == "A400AC"
    assert error_of(service.send(request(body, headers=(wrong_key,))))[1] == "A400IK"
    assert error_of(service.send(signed(key, own, sign=str.lower)))[1] == "A403IS"
    assert was_read(service.send(request(body, headers=("X-Ca-Key:  ", "Authorization: Basic eDp5"))))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b"img=AAAA"),
        (FORM, b""),
        (FORM, b"Appid=a&SIGN=b"),
        ("application/json", b'{"img": "AAAA"}'),
        ("application/json", b"{broken"),
        (FORM, b"&" * 2000),
        ("multipart/form-data", b"sign"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="sign"; filename="a"\r\n\r\n\r\n--b--\r\n',
        ),
    ],
)
def test_no_credential(service: Service, content_type: str, body: bytes) -> None:
    reply = service.send(request(body, content_type=content_type, headers=("X-Ca-Signature: AAAA",)))
    assert error_of(reply) == (400, "I400MH", "Header `X-Ca-Key` is Required")


def test_no_credential_in_a_body_too_large(service: Service) -> None:
    head = request().replace(b"Content-Length: 0", b"Content-Length: 8388609")
    assert error_of(service.send(head))[1] == "I413RL"
