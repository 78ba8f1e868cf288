"""The product page's code samples, which send ``img`` and ``url`` together: all get the same refusal."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.api.certificates import Certificate, certificate
from tests.api.conftest import Service, running_service
from tests.api.wire import Connection
from tests.clients.relay import Exchange, relay_to
from tests.clients.runtimes import Workshop, run

__all__ = ["certificate"]

FOLDER = Path(__file__).parent / "page"
HOST, APPCODE = "https://ocr.market.example", "你自己的AppCode"
REFUSAL = '{"ok":0,"msg":"img或url只能传入一个"}'
FORM = {"img": ["图片base64编码"], "url": ["https://www.example.com/images/ocrtest.jpg"], "ver": ["0"]}
CONTENT_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
#: The Content-Type of each, as it is on the wire.
SAMPLES = {
    "curl.sh": "application/x-www-form-urlencoded",
    "Main.java": CONTENT_TYPE,
    "Main.cs": CONTENT_TYPE,
    "sample.php": f".{CONTENT_TYPE}",
    "sample.py": CONTENT_TYPE,
}


def filled_in(text: str, host: str, appcode: str) -> str:
    """What a reader of the page replaces."""
    assert (text.count(HOST), text.count(APPCODE)) == (1, 1)
    return text.replace(HOST, host).replace(APPCODE, appcode)


@pytest.mark.parametrize(("name", "content_type"), SAMPLES.items(), ids=SAMPLES)
def test_a_sample_of_the_page_gets_the_refusal(name: str, content_type: str, service: Service, tmp_path: Path) -> None:
    with relay_to(service.port) as relay:
        assert_told(name, f"http://127.0.0.1:{relay.port}", service.caller.appcode, tmp_path)
    exchange = relay.only()
    head, form = request_of(exchange)
    assert head.startswith("POST /ocr HTTP/1.1\r\n")
    assert re.findall(r"^Content-Type: *(.*)\r$", head, re.MULTILINE) == [content_type] * head.count("Content-Type")
    assert form == FORM
    assert_refused(bytes(exchange.answered))


@pytest.mark.parametrize("name", ["curl.sh", "Main.java"])
def test_a_sample_that_trusts_any_certificate_gets_the_refusal_over_https(
    name: str, certificate: Certificate, tmp_path: Path
) -> None:
    files = {"tls_cert": str(certificate.file), "tls_key": str(certificate.key)}
    with running_service(tmp_path / "service", **files) as service:
        assert_told(name, f"https://127.0.0.1:{service.port}", service.caller.appcode, tmp_path)


def assert_told(name: str, host: str, appcode: str, folder: Path) -> None:
    """A copy of a sample, filled in as its reader would, prints the refusal."""
    copy = folder / "copy"
    copy.mkdir()
    for file in FOLDER.glob(f"*{Path(name).suffix}"):
        (copy / file.name).write_text(file.read_text("utf-8"), "utf-8")
    (copy / name).write_text(filled_in((FOLDER / name).read_text("utf-8"), host, appcode), "utf-8")
    ran = run(Workshop(folder).command(copy / name), folder)
    assert ran.status == 0, ran.errors
    assert REFUSAL in ran.output


def request_of(exchange: Exchange) -> tuple[str, dict[str, list[str]]]:
    head, _, body = bytes(exchange.sent).partition(b"\r\n\r\n")
    return head.decode() + "\r\n", parse_qs(body.decode(), strict_parsing=True)


def assert_refused(answered: bytes) -> None:
    """The bytes on the wire, after the invitation to go on that clients who ask for one get."""
    *interim, head, body = answered.split(b"\r\n\r\n")
    assert all(part.startswith(b"HTTP/1.1 100 ") for part in interim)
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 666 "
    assert "Content-Type: application/json; charset=UTF-8" in lines
    assert "X-Ca-Error-Message: OK" in lines
    assert f"Content-Length: {len(REFUSAL.encode())}" in lines
    assert body == REFUSAL.encode()


def test_the_bytes_of_the_objective_c_sample_get_the_refusal(service: Service) -> None:
    head, _, body = (FOLDER / "sample.m.http").read_text("utf-8").rstrip("\n").partition("\n\n")
    source = (FOLDER / "sample.m").read_text("utf-8")
    assert f'@"{body}"' in source
    assert f"\nContent-Length: {len(body)}" in head
    assert [f'@"{part}"' in source for part in (HOST, "/ocr", APPCODE, CONTENT_TYPE)] == [True] * 4
    text = filled_in(head.replace("ocr.market.example", HOST), f"127.0.0.1:{service.port}", service.caller.appcode)
    with Connection(service.port) as connection:
        connection.send(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        connection.send(body.encode())
        reply = connection.read_reply()
    assert (reply.status, reply.body) == (666, REFUSAL.encode())
    assert reply["Content-Type"] == "application/json; charset=UTF-8"
    assert reply["X-Ca-Error-Message"] == "OK"
