"""docs/contract.md §1 and §2 as properties: what a sane client encodes arrives, and anything at all is answered."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from tests.api.conftest import Service
from tests.api.strategies import (
    BODIES,
    CONTENT_TYPES,
    FORM,
    HEADER_VALUES,
    HEADERS,
    QUERIES,
    STEADY,
    Carried,
    carried,
)
from tests.api.wire import Reply, fingerprint, request
from ziyan.api.form import parse_body, parse_pairs
from ziyan.api.openapi import gateway_rows
from ziyan.api.refusals import Check, CheckError, GatewayRefusedError
from ziyan.api.upload import check_parameters, decode_file, decode_img

LIVE = settings(STEADY, suppress_health_check=[HealthCheck.function_scoped_fixture])


# --- what a sane client encodes arrives -------------------------------------------------------------------------------


@settings(STEADY, max_examples=500)
@given(carried())
def test_a_picture_arrives_to_the_last_bit(it: Carried) -> None:
    upload = check_parameters(parse_body(it.content_type, it.body), parse_pairs(it.query), "samples")
    content = decode_file(upload.file) if upload.file else decode_img(upload.img)
    assert content == it.picture


@settings(STEADY, max_examples=300)
@given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"))))
def test_a_form_arrives_as_the_standard_library_encodes_it(fields: dict[str, str]) -> None:
    encoded = {name: value.encode() for name, value in fields.items()}
    body = urlencode(fields).encode()
    assert parse_body(FORM, body).fields == encoded
    assert parse_pairs(body) == encoded


#: Names as a browser sends them; what needs quoting there is quoted in as many ways as there are browsers.
_PART_NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=20)


@settings(STEADY, max_examples=300)
@given(
    st.dictionaries(_PART_NAMES, st.binary(max_size=200), min_size=1, max_size=5),
    st.dictionaries(_PART_NAMES, st.binary(max_size=200), max_size=2),
)
def test_a_multipart_form_arrives_as_a_common_library_encodes_it(
    fields: dict[str, bytes], files: dict[str, bytes]
) -> None:
    parts = [*fields.items(), *((name, ("图片.png", content, "image/png")) for name, content in files.items())]
    body, content_type = encode_multipart_formdata(parts)
    form = parse_body(content_type, body)
    assert (form.fields, form.files) == (fields, files)


@settings(STEADY, max_examples=300)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")) | st.integers()))
def test_json_arrives(fields: dict[str, str | int]) -> None:
    form = parse_body("application/json", json.dumps(fields).encode())
    assert form.fields == {name: str(value).encode() for name, value in fields.items()}


@settings(STEADY, max_examples=500)
@given(CONTENT_TYPES, BODIES, QUERIES)
def test_any_body_is_a_form_or_is_refused_in_the_contracts_terms(
    content_type: str | None, body: bytes, query: str
) -> None:
    try:
        upload = check_parameters(parse_body(content_type or "", body), parse_pairs(query.encode()), "samples")
    except GatewayRefusedError as error:
        assert error.row.code == "I400BD"
    except CheckError as error:
        assert error.check in {Check.VER, Check.BOTH, Check.NEITHER}
    else:
        assert [upload.img, upload.url, upload.file].count(b"") == 2


@settings(STEADY, max_examples=500)
@given(st.binary(max_size=100) | st.lists(st.sampled_from(list(b"AQ+/-_= \r\n\t%23Bbd:;,"))).map(bytes))
def test_any_text_is_base64_or_check_6(text: bytes) -> None:
    try:
        content = decode_img(text)
    except CheckError as error:
        assert error.check is Check.IMG
    else:
        assert len(content) * 4 <= len(text) * 3 + 3


# --- anything at all is answered -------------------------------------------------------------------------------------

CODES = {(row.status, row.code): row for row in gateway_rows()}


def assert_by_contract(reply: Reply) -> None:
    """An answer byte for byte as §2 and §4 have it; none is a fault of ours."""
    assert re.fullmatch(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", reply["X-Ca-Request-Id"])
    assert reply["X-Ziyan-Billed"] in {"0", "1"}
    if reply.status in {200, 666}:
        assert reply["Content-Type"] == "application/json; charset=UTF-8"
        content = json.loads(reply.body)
        assert list(content) == (["ok", "msg", "data"] if reply.status == 200 else ["ok", "msg"])
        assert content["ok"] == (1 if reply.status == 200 else 0)
        assert reply.status == 200 or content["msg"] in list(Check)
        assert reply.status == 200 or reply["X-Ca-Error-Message"] == "OK"
        assert b"\\u" not in reply.body
    else:
        assert reply.status < 500
        row = CODES[reply.status, reply["X-Ca-Error-Code"]]
        assert reply.body == b""
        assert reply["Content-Type"] == "text/plain"
        assert row.status == 404 or reply["X-Ca-Error-Message"] == row.message


@LIVE
@given(CONTENT_TYPES, BODIES, QUERIES, HEADERS)
def test_any_well_framed_call_gets_an_answer_by_the_contract(
    service: Service, content_type: str | None, body: bytes, query: str, headers: list[tuple[str, str]]
) -> None:
    reply = service.send(
        request(
            body,
            content_type=content_type,
            appcode=service.caller.appcode,
            target=f"/ocr?{query}",
            headers=tuple(f"{name}: {value}" for name, value in headers),
        )
    )
    assert_by_contract(reply)
    assert reply.status in {200, 400, 666}


@LIVE
@given(st.sampled_from(["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "POST"]), QUERIES, HEADER_VALUES, BODIES)
def test_anybody_gets_an_answer_by_the_contract(
    service: Service, method: str, target: str, authorization: str, body: bytes
) -> None:
    # Under "/" itself is a page for people.
    sent = request(body, method=method, target=f"/nowhere/{target}", headers=(f"Authorization: {authorization}",))
    reply = service.send(sent)
    assert_by_contract(reply)
    assert reply.status in {400, 404, 405}


@LIVE
@given(
    st.sampled_from(["appcode", "APPCODE", "AppCode", "aPPcODE"]),
    st.text(" \t", max_size=5),
    st.sampled_from(["", ":", "="]),
    st.text(" \t", max_size=5),
    st.text(" \t", max_size=5),
)
def test_an_appcode_is_found_in_every_spelling(
    service: Service, word: str, before: str, sign: str, after: str, behind: str
) -> None:
    value = f"{word}{before}{sign}{after}{service.caller.appcode}{behind}"
    assert service.send(request(b"ver=9", headers=(f"Authorization:{value}",))).status == 666


@LIVE
@given(it=carried())
def test_a_picture_arrives_over_the_wire(service: Service, it: Carried) -> None:
    sent = request(
        it.body,
        content_type=it.content_type or None,
        appcode=service.caller.appcode,
        target=f"/ocr?{it.query.decode()}" if it.query else "/ocr",
    )
    assert json.loads(service.send(sent).body)["data"] == fingerprint(it.picture)


def test_the_strategies_reach_every_carrier() -> None:
    """A strategy that lost a form would make its property say less than it seems to."""
    seen: set[str] = set()

    @settings(STEADY, max_examples=200)
    @given(carried())
    def gather(it: Carried) -> None:
        seen.add(it.how[0])

    gather()
    assert len(seen) == 9
