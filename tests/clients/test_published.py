"""Published clients of the gateway, unmodified: a signer and a verifier of one hand may be wrong together."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aliyun_api_gateway import ApiGatewayClient, ApiGatewayRequest, legacy
from aliyun_api_gateway.transport import HttpTransport

from tests.api.conftest import Service
from tests.api.wire import FOUND, fingerprint
from tests.clients.runtimes import SECONDS, program, run

DRIVER = Path(__file__).parent / "published.cjs"
#: The gateway's own SDK for Node.js, with everything that it needs; all under the MIT licence.
NPM_PACKAGES = (
    "aliyun-api-gateway@1.1.6",
    "@types/node@20.19.43",
    "babel-runtime@6.26.0",
    "core-js@2.6.12",
    "debug@2.6.9",
    "httpx@2.3.3",
    "ms@2.0.0",
    "regenerator-runtime@0.11.1",
    "undici-types@6.21.0",
    "uuid@3.4.0",
)


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages are; npm's cache spares the way to its registry after the first time."""
    folder = tmp_path_factory.mktemp("npm")
    options = ("--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--prefer-offline", "--prefix", folder)
    ran = subprocess.run(
        [program("npm"), "install", *options, *NPM_PACKAGES],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "node_modules"


@pytest.fixture
def post_with_node(node_modules: Path, service: Service, picture: Path, tmp_path: Path) -> Callable[..., Any]:
    """Posts the picture with one of the SDK's clients and gives back what it made of the answer."""

    def post(kind: str, content: str, *credentials: str) -> Any:
        ran = run(
            [program("node"), DRIVER, kind, content, picture],
            tmp_path,
            NODE_PATH=str(node_modules),
            ZIYAN_URL=f"http://127.0.0.1:{service.port}",
            ZIYAN_CREDENTIALS=" ".join(credentials),
        )
        assert (ran.status, ran.errors) == (0, "")
        return json.loads(ran.output)

    return post


def success(picture: Path) -> dict[str, Any]:
    return {"ok": 1, "msg": FOUND, "data": fingerprint(picture.read_bytes())}


@pytest.mark.parametrize("content", ["CONTENT_TYPE_FORM", "CONTENT_TYPE_JSON"])
def test_the_simple_client_of_the_sdk(
    content: str, post_with_node: Callable[..., Any], service: Service, picture: Path
) -> None:
    """It sends an AppCode, and a body whose Content-Type it keeps to itself."""
    assert post_with_node("SimpleClient", content, service.caller.appcode) == {"answer": success(picture)}
    refused = post_with_node("SimpleClient", content, "nobody")
    assert refused["code"] == 400
    assert re.search(r"request id: [0-9A-F-]{36}, error message: Invalid AppCode `not exists`$", refused["message"])


# --- signed with an AppKey ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["CONTENT_TYPE_FORM", "CONTENT_TYPE_JSON", "CONTENT_TYPE_STREAM"])
def test_the_signing_client_of_the_sdk(
    content: str, post_with_node: Callable[..., Any], service: Service, picture: Path
) -> None:
    appkey = service.caller.appkey
    assert post_with_node("Client", content, appkey.identifier, appkey.secret) == {"answer": success(picture)}


def test_the_signing_client_of_the_sdk_is_told_why_not(post_with_node: Callable[..., Any], service: Service) -> None:
    appkey = service.caller.appkey
    wrong = post_with_node("Client", "CONTENT_TYPE_JSON", appkey.identifier, "another-secret")
    assert wrong["code"] == 403
    # The client's own text, as its debugging output has it, up to the path, which ends it.
    assert re.search(
        r"error message: Invalid Signature, Server StringToSign:`POST#application/json#[\w+/]{22}==#"
        rf"application/json; charset=UTF-8##x-ca-key:{appkey.identifier}#x-ca-nonce:[0-9a-f-]{{36}}"
        r"#x-ca-stage:RELEASE#x-ca-timestamp:\d{13}#/ocr`$",
        wrong["message"],
    )
    unknown = post_with_node("Client", "CONTENT_TYPE_FORM", "1234567", appkey.secret)
    assert (unknown["code"], unknown["message"].split("error message: ")[1]) == (400, "Invalid AppKey")


@pytest.fixture
def client(service: Service) -> ApiGatewayClient:
    appkey = service.caller.appkey
    return ApiGatewayClient(f"http://127.0.0.1:{service.port}", appkey.identifier, appkey.secret)


def requests_of(picture: Path) -> dict[str, dict[str, Any]]:
    """One call, put in every way that the client knows."""
    img = b64encode(picture.read_bytes()).decode()
    return {
        "form": {"form": {"img": img, "url": "", "ver": 0}},
        "form and query": {"form": {"img": img}, "query": {"ver": "0", "备注": "中文 & = + %2B"}},
        "both with the same name": {"form": {"img": img, "ver": "0"}, "query": {"ver": "0"}},
        "a name given twice": {"form": [("img", img), ("ver", "0"), ("ver", "7")]},
        "JSON": {"json_body": {"img": img, "备注": "中文"}},
        "JSON that says it is something else": {"body": f'{{"img": "{img}"}}', "content_type": "text/plain"},
        "no Accept": {"form": {"img": img}, "accept": None},
        "another signed header": {
            "form": {"img": img},
            "headers": {"X-Trace": "7", "x-ca-stage": "RELEASE", "Date": "Tue, 01 Jan 2030 00:00:00 GMT"},
            "additional_signed_headers": ["X-Trace"],
        },
    }


@pytest.mark.parametrize("method", ["HmacSHA256", "HmacSHA1"])
@pytest.mark.parametrize("way", requests_of(Path("/dev/null")))
def test_the_python_client(way: str, method: str, service: Service, picture: Path) -> None:
    appkey = service.caller.appkey
    client = ApiGatewayClient(
        f"http://127.0.0.1:{service.port}", appkey.identifier, appkey.secret, signature_method=method
    )
    response = client.request("POST", "/ocr", **requests_of(picture)[way])
    assert (response.status, json.loads(response.body)) == (200, success(picture))


def test_the_python_client_in_its_older_form(service: Service, picture: Path) -> None:
    """``DefaultClient`` as copies of the gateway's first Python demonstration call it."""
    appkey = service.caller.appkey
    request = legacy.Request(host=f"http://127.0.0.1:{service.port}", protocol="http", url="/ocr", method="POST")
    request.set_body({"img": b64encode(picture.read_bytes()).decode(), "url": "", "ver": "0"})
    request.set_content_type("application/x-www-form-urlencoded")
    status, _, body = legacy.DefaultClient(appkey.identifier, appkey.secret).execute(request)
    assert (status, json.loads(body)) == (200, success(picture))


def test_the_server_signs_the_same_text_as_the_python_client(service: Service, client: ApiGatewayClient) -> None:
    """Only the secret differs, so the server's answer has to show the client's own text."""
    forger = ApiGatewayClient(client.base_url, service.caller.appkey.identifier, "another-secret")
    request = ApiGatewayRequest("POST", "/ocr", form={"url": "https://example.com/图.png?a=1&b=2", "ver": ""})
    signed = forger.sign(request)
    response = HttpTransport().send(signed, timeout=60, ssl_context=None)
    headers = {name: value.encode("latin-1").decode() for name, value in response.headers}
    assert (response.status, headers["X-Ca-Error-Code"], response.body) == (403, "A403IS", b"")
    shown = signed.string_to_sign.replace("\n", "#")
    assert headers["X-Ca-Error-Message"] == f"Invalid Signature, Server StringToSign:`{shown}`"


def test_what_a_client_signed_is_taken_once(client: ApiGatewayClient, picture: Path) -> None:
    signed = client.sign(ApiGatewayRequest("POST", "/ocr", **requests_of(picture)["form"]))
    first, second = (HttpTransport().send(signed, timeout=60, ssl_context=None) for _ in range(2))
    assert first.status == 200
    assert (second.status, dict(second.headers)["X-Ca-Error-Message"]) == (403, "Nonce Used")
    late = client.sign(ApiGatewayRequest("POST", "/ocr", **requests_of(picture)["form"]), timestamp=1525872629832)
    response = HttpTransport().send(late, timeout=60, ssl_context=None)
    assert (response.status, dict(response.headers)["X-Ca-Error-Message"]) == (403, "X-Ca-Timestamp is expired")
