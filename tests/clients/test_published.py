"""Published clients of the gateway, unmodified: a signer and a verifier of one hand may be wrong together."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
