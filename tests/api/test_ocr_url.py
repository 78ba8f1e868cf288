"""Checks 4 and 5 of docs/contract.md §1, with a picture server beside the service."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.api.conftest import Service
from tests.api.wire import fingerprint, request
from ziyan.errors import ImageTooLargeError, UndecodableImageError, UnsupportedImageError

PICTURE = b"\x89PNG picture" * 1000


class Pictures(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = int(self.path.partition("?")[0].strip("/"))
        self.send_response(status)
        self.send_header("Content-Length", str(len(PICTURE)))
        self.end_headers()
        self.wfile.write(PICTURE)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def pictures() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Pictures) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def service(service_with: Callable[..., Service], pictures: str) -> Service:
    return service_with(fetch_allow="127.0.0.1", fetch_ports=pictures.rpartition(":")[2])


def test_the_picture_at_an_address_is_read(service: Service, pictures: str) -> None:
    for body in (f"url={pictures}/200", f"img=&url=%20{pictures}/200%3Fa=b%0A", f"url={pictures}/200#part"):
        assert json.loads(service.post(body.encode()).body)["data"] == fingerprint(PICTURE)


def test_check_4_is_an_address_that_gives_nothing(service: Service, pictures: str) -> None:
    reply = service.post(f"url={pictures}/404".encode())
    assert (reply.status, reply.body) == (666, '{"ok":0,"msg":"url图片错误: 下载失败"}'.encode())


@pytest.mark.parametrize("error", [UnsupportedImageError("x"), UndecodableImageError("x"), ImageTooLargeError("x")])
def test_check_5_is_anything_there_that_cannot_be_read(service: Service, pictures: str, error: Exception) -> None:
    service.engine.outcome = error
    reply = service.post(f"url={pictures}/200".encode())
    assert (reply.status, reply.body) == (666, '{"ok":0,"msg":"url图片错误: 不支持的文件格式"}'.encode())


def test_an_address_that_is_longer_than_ocr_takes_is_read_by_the_native_api(service: Service, pictures: str) -> None:
    """Those that a storage service has signed are."""
    url = f"{pictures}/200?signature={'a' * 1000}"
    assert service.post(f"url={url}".encode()).status == 666
    headers = (f"Authorization: Bearer {service.caller.appcode}",)
    sent = request(json.dumps({"url": url}).encode(), content_type=None, target="/v1/ocr", headers=headers)
    reply = service.send(sent)
    assert (reply.status, service.engine.seen) == (200, PICTURE)
    assert "fetch" in json.loads(reply.body)["timings"]
    missing = request(b"", content_type=None, target=f"/v1/ocr?url={pictures}/404", headers=headers)
    assert json.loads(service.send(missing).body)["detail"].startswith("The address does not answer with a picture. ")
