"""docs/signing.md: its code is run, its numbers are compared, and what it signs is sent."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.conftest import Service
from tests.api.signers import msg_of, now
from tests.api.wire import request
from ziyan.api import refusals
from ziyan.api.own_platform import make_sign
from ziyan.api.refusals import GatewayError, SignInCheck
from ziyan.api.signature import SignedRequest, is_signed, signed_headers, string_to_sign

PAGE = (Path(__file__).parent.parent.parent / "docs" / "signing.md").read_text("utf-8")


@pytest.fixture(scope="module")
def page() -> tuple[dict[str, Any], list[str]]:
    """What the page's code defines, and what it prints."""
    names: dict[str, Any] = {}
    printed = []
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, names)  # noqa: S102 - our own page
        printed.append(out.getvalue())
    return names, [text for text in printed if text]


def test_the_code_prints_what_the_page_says(page: tuple[dict[str, Any], list[str]]) -> None:
    assert page[1] == re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert len(page[1]) == 2


def test_the_numbers_are_ours(page: tuple[dict[str, Any], list[str]]) -> None:
    names, (gateway, own) = page
    raw = [(name.encode(), value.encode()) for name, value in names["headers"].items()]
    parameters = {"url": b"https://example.com/notice.png", "img": b"", "ver": b"1"}
    signed = SignedRequest(b"POST", b"/ocr", signed_headers(raw), parameters)
    assert is_signed(signed, "testAppSecret0123456789abcdef")
    text = string_to_sign(signed).decode()
    assert gateway == f"{text}\n{names['headers']['X-Ca-Signature']}\n"
    values = {name: value.encode() for name, value in names["parameters"].items()}
    assert own.splitlines()[1] == make_sign(values, "demoSecret")


def test_calls_signed_as_the_page_says_are_taken(
    service: Service, page: tuple[dict[str, Any], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    names, key, appid = page[0], service.caller.appkey, service.caller.appid
    parameters = {"ver": "1", "img": ""}
    headers = names["headers"] | {"X-Ca-Key": key.identifier, "X-Ca-Timestamp": str(now())}
    headers["X-Ca-Signature"] = names["signature"](names["string_to_sign"](headers, parameters), key.secret)
    lines = tuple(f"{name}: {value}" for name, value in headers.items())
    body = urlencode(parameters).encode()
    assert msg_of(service.send(request(body, content_type=None, headers=lines))) == "img或url必传一个"
    own = {"appid": appid.identifier, "sendtime": str(now()), "img": "", "ver": "0"}
    own["sign"] = names["own_sign"](own, appid.secret)
    assert msg_of(service.send(request(urlencode(own).encode()))) == "img或url必传一个"
    capsys.readouterr()


def test_every_message_is_on_the_page_in_the_contracts_order() -> None:
    told = re.findall(r"^\| `([^`]+[\u4e00-\u9fff][^`]*)` \|", PAGE, re.MULTILINE)
    assert told == [check.value.format(appid="XXXXXXX") for check in SignInCheck]


def test_every_refusal_of_a_signature_is_on_the_page() -> None:
    rows = [row for row in vars(refusals).values() if isinstance(row, GatewayError)]
    known = {(str(row.status), row.message) for row in [*rows, refusals.bad_signature("")]}
    told = set(re.findall(r"^\| (\d{3}) \| `(.+?)` \|", PAGE, re.MULTILINE))
    assert told <= known
    assert {message for _, message in told} >= {
        refusals.UNKNOWN_APPKEY.message,
        refusals.TIMESTAMP_EXPIRED.message,
        refusals.NONCE_USED.message,
        refusals.WRONG_MD5.message,
        "Invalid Signature",
    }
