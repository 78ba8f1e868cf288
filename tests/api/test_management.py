"""The admin and buyer APIs over a real socket."""

from __future__ import annotations

import json
import logging

import httpx
import pytest

from tests.api.conftest import Service
from tests.metering.asking import buyer_token, operator_token


def test_they_are_served_beside_ocr(service: Service) -> None:
    address = f"http://127.0.0.1:{service.port}/v1"
    appcode = {"Authorization": f"APPCODE {service.caller.appcode}"}
    with httpx.Client(base_url=address) as client:
        assert client.get("/account/packages", headers=appcode).status_code == 200
        assert client.get("/account", headers=appcode).json()["code"] == "missing_scope"
        buyer = {"Authorization": buyer_token(service.store, service.caller.app.account_id)}
        assert client.get("/account", headers=buyer).json()["name"] == "caller"
        operator = {"Authorization": operator_token(service.store)}
        made = client.post("/admin/accounts", headers=operator, json={"name": "甲"})
        assert (made.status_code, made.json()["name"]) == (201, "甲")
        refused = client.get("/admin/accounts")
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
        large = client.post("/admin/accounts", headers=operator, content=b"x" * 200_000)
        assert large.json()["code"] == "body_too_large"
        for path in ("/admin/openapi.json", "/account/openapi.json"):
            assert client.get(path).json()["openapi"].startswith("3.1")


def test_each_request_leaves_a_line_without_secrets(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    token = operator_token(service.store)
    with caplog.at_level(logging.INFO, "ziyan.management"):
        answer = httpx.get(f"http://127.0.0.1:{service.port}/v1/admin/apps", headers={"Authorization": token})
    lines = [record.__dict__["fields"] for record in caplog.records if record.name == "ziyan.management"]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [("GET", "/v1/admin/apps", 200)]
    assert lines[0]["request_id"] == answer.headers["x-request-id"]
    assert lines[0]["actor"].startswith("token ")
    assert token.removeprefix("Bearer ") not in json.dumps(lines)
