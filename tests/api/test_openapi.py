"""``/openapi.json``, held against the contract and the code, and the service held against it by Schemathesis."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

import ziyan
from tests.api.conftest import Service
from tests.api.test_native import PAGE
from ziyan.api import refusals
from ziyan.api.openapi import document, gateway_rows
from ziyan.api.problems import PROBLEMS
from ziyan.api.refusals import KEY_REUSED, Check, CheckError, GatewayError, SignInCheck

CONTRACT = (Path(ziyan.__file__).parents[2] / "docs/contract.md").read_text("utf-8")
#: All that Schemathesis has for answers, but ``not_a_server_error``: it takes 666 for one.
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: The same examples on every machine, and as many as take some seconds.
BOUNDED = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def responses() -> dict[str, Any]:
    found: dict[str, Any] = document()["paths"]["/ocr"]["post"]["responses"]
    return found


def test_it_is_a_valid_openapi_document() -> None:
    schemathesis.openapi.from_dict(document()).validate()


def test_it_is_served(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("GET", "/openapi.json")
    reply = connection.getresponse()
    assert (reply.status, reply.getheader("Content-Type")) == (200, "application/json")
    assert json.loads(reply.read()) == document(("small", "tiny"))
    connection.close()


def test_every_row_of_the_gateways_errors_is_in_it() -> None:
    rows = {(str(row.status), row.code) for row in vars(refusals).values() if isinstance(row, GatewayError)}
    rows |= {("404", refusals.wrong_path("GET", b"/").code), ("403", refusals.bad_signature("").code)}
    assert rows == {(str(row.status), row.code) for row in gateway_rows()}
    told = {
        (status, code)
        for status, response in responses().items()
        if status.isdecimal() and status != "200"
        for code in response["headers"]["X-Ca-Error-Code"]["schema"]["enum"]
    }
    assert told == rows
    assert {status for status, _ in told} >= {"400", "403", "404", "405", "413", "429", "500", "503", "504"}


def test_every_row_of_it_is_in_the_contract() -> None:
    rows = re.findall(r"^\| [^|]+ \| (\d{3}) `(\w+)` `+(.+?)`+(?:,| \||\s)", CONTRACT.split("## 4.")[1], re.MULTILINE)
    contract = {(status, code) for status, code, _ in rows}
    for status, response in responses().items():
        for code in response["headers"].get("X-Ca-Error-Code", {"schema": {"enum": []}})["schema"]["enum"]:
            assert (status, code) in contract
    retrying = {status for status, response in responses().items() if "Retry-After" in response["headers"]}
    assert retrying == {str(row.status) for row in gateway_rows() if row.retry_after is not None}


def test_the_checks_are_the_default_for_openapi_knows_no_666() -> None:
    (content,) = responses()["default"]["content"].values()
    told, disabled = content["schema"]["properties"]["msg"]["anyOf"]
    messages = [KEY_REUSED, *(str(CheckError(check, appid="abc123")) for check in (*Check, *SignInCheck))]
    assert [message for message in messages if re.search(disabled["pattern"], message)] == ["appid:abc123接口已停用"]
    assert sorted([*told["enum"], "appid:abc123接口已停用"]) == sorted(messages)
    assert "666" in responses()["default"]["description"]


def test_the_ways_of_signing_in_are_those_of_the_contract() -> None:
    schemes = document()["components"]["securitySchemes"]
    ways = [[schemes[scheme]["name"] for scheme in way] for way in document()["paths"]["/ocr"]["post"]["security"]]
    assert ways == [["Authorization"], ["X-Ca-Key", "X-Ca-Signature"], ["appid", "sendtime", "sign"]]
    signing_in = CONTRACT.split("## 3.")[1].split("## 4.")[0]
    assert all(f"`{name}`" in signing_in for way in ways for name in way)


def test_a_new_document_is_made_for_each_call() -> None:
    document()["paths"].clear()
    assert "/ocr" in document()["paths"]


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def hold(service: Service, session: requests.Session, case: schemathesis.Case, appcode: str) -> int:
    """Make the call that a case stands for and check the answer by the document; gives its status."""
    response = case.call(
        base_url=f"http://127.0.0.1:{service.port}", session=session, headers={"Authorization": f"APPCODE {appcode}"}
    )
    case.validate_response(response, checks=CHECKS)
    if case.path == "/v1/ocr":
        return response.status_code
    assert response.status_code in {200, 400, 413, 666}, "no fault of ours, and 666 for the default"
    return response.status_code


#: What a call to the native API can be told that is no fault of ours.
OURS_OR_THEIRS = {200, 400, 406, 413, 415, 422}
NATIVE = schemathesis.openapi.from_dict(document())["/v1/ocr"]["POST"]
OPERATION = schemathesis.openapi.from_dict(document())["/ocr"]["POST"]


@BOUNDED
@given(case=OPERATION.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
def test_calls_that_the_document_allows_are_answered_as_it_says(
    service: Service, session: requests.Session, case: schemathesis.Case
) -> None:
    assert hold(service, session, case, service.caller.appcode) in {200, 400, 666}


@BOUNDED
@given(case=OPERATION.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
def test_calls_that_the_document_forbids_are_answered_as_it_says(
    service: Service, session: requests.Session, case: schemathesis.Case
) -> None:
    hold(service, session, case, service.caller.appcode)


@BOUNDED
@given(
    case=OPERATION.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
    appcode=st.text("0123456789abcdef", min_size=1, max_size=40),
)
def test_nobody_is_let_in_with_a_made_up_appcode(
    service: Service, session: requests.Session, case: schemathesis.Case, appcode: str
) -> None:
    assert hold(service, session, case, appcode) == 400


# --- the native API ---------------------------------------------------------------------------------------------------


@BOUNDED
@given(case=NATIVE.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE))
def test_native_calls_that_the_document_allows_are_answered_as_it_says(
    service: Service, session: requests.Session, case: schemathesis.Case
) -> None:
    service.engine.outcome = PAGE
    assert hold(service, session, case, service.caller.appcode) in OURS_OR_THEIRS


@BOUNDED
@given(case=NATIVE.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
def test_native_calls_that_the_document_forbids_are_answered_as_it_says(
    service: Service, session: requests.Session, case: schemathesis.Case
) -> None:
    service.engine.outcome = PAGE
    assert hold(service, session, case, service.caller.appcode) in OURS_OR_THEIRS


@BOUNDED
@given(
    case=NATIVE.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE),
    appcode=st.text("0123456789abcdef", min_size=1, max_size=40),
)
def test_nobody_is_let_in_to_the_native_api_with_a_made_up_appcode(
    service: Service, session: requests.Session, case: schemathesis.Case, appcode: str
) -> None:
    assert hold(service, session, case, appcode) == 401


def native() -> dict[str, Any]:
    found: dict[str, Any] = document()["paths"]["/v1/ocr"]["post"]
    return found


def test_every_problem_is_in_it_with_an_example() -> None:
    told = {
        (int(status), code)
        for status, response in native()["responses"].items()
        if status != "200"
        for code in response["content"]["application/problem+json"]["examples"]
    }
    assert told == {(row.status, row.code) for row in PROBLEMS}


def test_every_example_is_as_its_schema_says() -> None:
    schemas = document()["components"]["schemas"]
    checked = 0
    for response in native()["responses"].values():
        for content in response["content"].values():
            examples = [content["example"]] if "example" in content else []
            examples += [example["value"] for example in content.get("examples", {}).values()]
            for example in examples:
                validator = jsonschema_rs.Draft202012Validator(
                    {**content["schema"], "components": {"schemas": schemas}}
                )
                validator.validate(example)
                checked += 1
    assert checked == len(PROBLEMS) + 2


def test_all_that_is_described_is_described_in_chinese_too() -> None:
    def pairs(node: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(node, dict):
            for name in ("description", "summary"):
                if isinstance(node.get(name), str):
                    yield node[name], node.get(f"x-{name}-zh")
            for name, inner in node.items():
                if name not in ("examples", "properties"):
                    yield from pairs(inner)
            yield from (pair for inner in node.get("properties", {}).values() for pair in pairs(inner))
        elif isinstance(node, list):
            yield from (pair for inner in node for pair in pairs(inner))

    found = [*pairs(document()["paths"]["/v1/ocr"]), *pairs(document()["components"]["schemas"])]
    assert len(found) > 40
    assert all(chinese and re.search(r"[\u4e00-\u9fff]", chinese) for _, chinese in found)
