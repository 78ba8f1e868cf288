"""docs/contract.md §3, the AppKey signature: golden vectors, what is signed, and the bugs clients are known for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ziyan.api.form import parse_pairs
from ziyan.api.signature import (
    MAX_ATTEMPTS,
    SignedRequest,
    attempts,
    content_md5,
    echo,
    is_signed,
    sign,
    signed_headers,
    signs_against_replay,
    string_to_sign,
)

GOLDEN = json.loads((Path(__file__).parent.parent / "resources" / "signature-vectors.json").read_text("utf-8"))
VECTORS = {vector["id"]: vector for vector in GOLDEN["vectors"]}
KEY, SECRET = GOLDEN["app_key"], GOLDEN["app_secret"]
FORM = "application/x-www-form-urlencoded"
HEADERS = {
    "X-Ca-Key": KEY,
    "X-Ca-Nonce": "n1",
    "X-Ca-Timestamp": "1525872629832",
    "Accept": "application/json",
    "Content-Type": FORM,
    "X-Ca-Signature-Headers": "X-Ca-Key,X-Ca-Nonce,X-Ca-Timestamp",
}
BLOCK = f"X-Ca-Key:{KEY}\nX-Ca-Nonce:n1\nX-Ca-Timestamp:1525872629832\n"


def parts(headers: dict[str, str | None], query: str = "", body: str = "") -> SignedRequest:
    """A request as it would arrive; a header that is None is not sent."""
    raw = [(name.encode(), value.encode()) for name, value in (HEADERS | headers).items() if value is not None]
    pairs = parse_pairs(query.encode()) | parse_pairs(body.encode())
    return SignedRequest(b"POST", b"/ocr", signed_headers(raw), pairs)


def with_signature(request: SignedRequest, text: str, digest: str = "sha256") -> SignedRequest:
    """The request with the signature of a text that somebody thinks is right."""
    made = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), getattr(hashlib, digest)).digest())
    return SignedRequest(request.method, request.path, {**request.headers, "x-ca-signature": made}, request.parameters)


def golden_request(vector: dict[str, Any], **more: str) -> SignedRequest:
    path, _, query = vector["target"].partition("?")
    headers = [(name.encode(), value.encode()) for name, value in [*vector["headers"], *more.items()]]
    found = signed_headers(headers)
    form = parse_pairs(vector["body"].encode()) if FORM.encode() in found["content-type"] else {}
    return SignedRequest(vector["method"].encode(), path.encode(), found, parse_pairs(query.encode()) | form)


# --- golden vectors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VECTORS)
def test_a_golden_text_is_built_byte_for_byte(name: str) -> None:
    assert string_to_sign(golden_request(VECTORS[name])) == VECTORS[name]["string_to_sign"].encode()


@pytest.mark.parametrize("name", VECTORS)
def test_a_golden_signature_is_made_and_verified(name: str) -> None:
    vector = VECTORS[name]
    text = vector["string_to_sign"].encode()
    for digest, method, headers in (
        ("sha256", "hmac_sha256", {}),
        ("sha256", "hmac_sha256", {"X-Ca-Signature-Method": "HmacSHA256"}),
        ("sha1", "hmac_sha1", {"X-Ca-Signature-Method": "HmacSHA1"}),
        ("sha1", "hmac_sha1", {"x-ca-signature-method": "hmacsha1"}),
    ):
        golden = vector[method]
        assert sign(text, SECRET, digest) == golden.encode()
        assert is_signed(golden_request(vector, **{"X-Ca-Signature": golden}, **headers), SECRET)
        assert not is_signed(golden_request(vector, **{"X-Ca-Signature": golden}, **headers), SECRET + "x")


def test_the_golden_content_md5_is_that_of_the_body() -> None:
    body = VECTORS["D"]["body"].encode()
    assert content_md5(body).decode() == dict(VECTORS["D"]["headers"])["Content-MD5"]


# --- what is signed -----------------------------------------------------------------------------------------------

RESOURCES: dict[str, tuple[str, str, str]] = {
    "no parameters": ("", "", "/ocr"),
    "sorted by name, upper case first": ("b=2&a=1&B=3", "", "/ocr?B=3&a=1&b=2"),
    "sorted by whole names": ("a1=x&a=y&aa=z&a-=v", "", "/ocr?a=y&a-=v&a1=x&aa=z"),
    "query and form together": ("b=1", "a=2", "/ocr?a=2&b=1"),
    "in both: the form's": ("a=query&b=1", "a=form", "/ocr?a=form&b=1"),
    "in both: the form's, though empty": ("a=query", "a=", "/ocr?a"),
    "twice in the query: the first": ("a=1&a=2", "", "/ocr?a=1"),
    "twice in the form: the first": ("", "a=1&a=2", "/ocr?a=1"),
    "twice, the first empty": ("", "a=&a=2", "/ocr?a"),
    "empty value": ("a=", "b=&c", "/ocr?a&b&c"),
    "empty name": ("=1&a=1", "=2&&", "/ocr?a=1"),
    "decoded": ("a=%2F%2b+%3D", "n%61me=%E4%B8%AD", "/ocr?a=/+ =&name=中"),
    "decoded once": ("a=%252F", "", "/ocr?a=%2F"),
    "value with & and =": ("a=b%26c%3Dd", "", "/ocr?a=b&c=d"),
    "value with ;": ("", "a=b;c", "/ocr?a=b;c"),
    "line ends in a value": ("", "a=b%0D%0Ac", "/ocr?a=b\r\nc"),
    "names sorted beyond ASCII": ("é=2&z=1&中=3", "", "/ocr?z=1&é=2&中=3"),
    "base64 as it is": ("", "img=%2F9j%2F4AAQ%2BSk%3D%3D", "/ocr?img=/9j/4AAQ+Sk=="),
}


@pytest.mark.parametrize(("query", "body", "resource"), RESOURCES.values(), ids=RESOURCES)
def test_path_and_parameters(query: str, body: str, resource: str) -> None:
    text = string_to_sign(parts({}, query, body)).decode()
    assert text == f"POST\napplication/json\n\n{FORM}\n\n{BLOCK}{resource}"


def test_values_that_are_no_utf_8_are_signed_as_they_are() -> None:
    request = SignedRequest(b"POST", b"/ocr", {}, parse_pairs(b"a=%D6%D0&b=%FF"))
    assert string_to_sign(request) == b"POST\n\n\n\n\n/ocr?a=\xd6\xd0&b=\xff"


HEADER_BLOCKS: dict[str, tuple[dict[str, str | None], str]] = {
    "sorted by us": ({"X-Ca-Signature-Headers": "X-Ca-Timestamp,X-Ca-Nonce,X-Ca-Key"}, BLOCK),
    "spelled as listed": (
        {"X-Ca-Signature-Headers": "x-ca-timestamp,X-CA-NONCE,X-Ca-Key"},
        f"X-CA-NONCE:n1\nX-Ca-Key:{KEY}\nx-ca-timestamp:1525872629832\n",
    ),
    "blanks and empty places in the list": (
        {"X-Ca-Signature-Headers": " X-Ca-Key , ,X-Ca-Nonce,, X-Ca-Timestamp,"},
        BLOCK,
    ),
    "a name listed twice": ({"X-Ca-Signature-Headers": "X-Ca-Key,X-Ca-Key"}, f"X-Ca-Key:{KEY}\n"),
    "names that never count": (
        {
            "X-Ca-Signature-Headers": "Accept,content-md5,Content-Type,DATE,X-Ca-Signature,"
            "x-ca-signature-headers,X-Ca-Key,X-Ca-Nonce,X-Ca-Timestamp",
        },
        BLOCK,
    ),
    "listed but not sent": ({"X-Ca-Signature-Headers": "X-Ca-Key,X-Ca-Stage"}, f"X-Ca-Key:{KEY}\nX-Ca-Stage:\n"),
    "sent empty": ({"X-Ca-Signature-Headers": "X-Ca-Stage", "X-Ca-Stage": ""}, "X-Ca-Stage:\n"),
    "any other header": (
        {"X-Ca-Signature-Headers": "User-Agent,X-Ca-Key", "User-Agent": "a/1 (b; c)"},
        f"User-Agent:a/1 (b; c)\nX-Ca-Key:{KEY}\n",
    ),
    "a value in Chinese": ({"X-Ca-Signature-Headers": "X-Name", "X-Name": "字眼"}, "X-Name:字眼\n"),
    "no list": ({"X-Ca-Signature-Headers": None}, ""),
    "an empty list": ({"X-Ca-Signature-Headers": ""}, ""),
    "a list of names that never count": ({"X-Ca-Signature-Headers": "Accept,Date"}, ""),
}


@pytest.mark.parametrize(("headers", "block"), HEADER_BLOCKS.values(), ids=HEADER_BLOCKS)
def test_signed_headers(headers: dict[str, str | None], block: str) -> None:
    assert string_to_sign(parts(headers)).decode() == f"POST\napplication/json\n\n{FORM}\n\n{block}/ocr"


FIRST_LINES: dict[str, tuple[dict[str, str | None], str]] = {
    "all four": (
        {"Accept": "a/b, c/d;q=0.1", "Content-MD5": "m==", "Date": "no date"},
        f"a/b, c/d;q=0.1\nm==\n{FORM}\nno date\n",
    ),
    "none": ({"Accept": None, "Content-Type": None}, "\n\n\n\n"),
    "sent empty": ({"Accept": "", "Content-Type": "", "Content-MD5": "", "Date": ""}, "\n\n\n\n"),
    "verbatim": (
        {"Content-Type": "Application/X-WWW-Form-URLEncoded ;Charset=utf-8"},
        "application/json\n\nApplication/X-WWW-Form-URLEncoded ;Charset=utf-8\n\n",
    ),
    "blanks around": ({"Accept": "  */*\t", "Content-Type": None}, "*/*\n\n\n\n"),
}


@pytest.mark.parametrize(("headers", "lines"), FIRST_LINES.values(), ids=FIRST_LINES)
def test_the_first_lines_are_verbatim(headers: dict[str, str | None], lines: str) -> None:
    assert string_to_sign(parts(headers)).decode() == f"POST\n{lines}{BLOCK}/ocr"


def test_a_header_value_is_utf_8_and_else_latin_1_and_of_two_the_first() -> None:
    raw = [(b"X-A", "字".encode()), (b"x-a", b"second"), (b"X-B", b"caf\xe9"), (b"X-C", b"\xff\xfe")]
    assert signed_headers(raw) == {"x-a": "字".encode(), "x-b": "café".encode(), "x-c": "ÿþ".encode()}


# --- bugs of clients ----------------------------------------------------------------------------------------------

KEYLESS: dict[str, str | None] = {"X-Ca-Signature-Headers": None}
UNSORTED: dict[str, str | None] = {"X-Ca-Signature-Headers": "X-Ca-Timestamp,X-Ca-Key"}
IN_LISTED_ORDER = f"X-Ca-Timestamp:1525872629832\nX-Ca-Key:{KEY}\n"
IN_LOWER_CASE = f"x-ca-key:{KEY}\nx-ca-nonce:n1\nx-ca-timestamp:1525872629832\n"
ANY: dict[str, str | None] = {"Accept": "*/*"}
NO_ACCEPT: dict[str, str | None] = {"Accept": None}
LINES = f"application/json\n\n{FORM}\n\n"
BARE, WITH_SIGN = "/ocr?img=AA&url&ver", "/ocr?img=AA&url=&ver="

#: What arrives, and what its sender signed instead of what the rule says.
BUGS: dict[str, tuple[dict[str, str | None], str]] = {
    "k= for an empty value": ({}, LINES + BLOCK + WITH_SIGN),
    "names in listed order": (UNSORTED, LINES + IN_LISTED_ORDER + BARE),
    "names in lower case": ({}, LINES + IN_LOWER_CASE + BARE),
    "no list": (KEYLESS, LINES + BARE),
    "no list, but the key is signed": (KEYLESS, LINES + f"X-Ca-Key:{KEY}\n" + BARE),
    "Accept: */* signed as empty": (ANY, f"\n\n{FORM}\n\n" + BLOCK + BARE),
    "a library's Accept signed as empty": (
        {"Accept": "application/json, text/plain, */*"},
        f"\n\n{FORM}\n\n" + BLOCK + BARE,
    ),
    "no Accept signed as */*": (NO_ACCEPT, f"*/*\n\n{FORM}\n\n" + BLOCK + BARE),
    "four blank lines, as PHP's demo without Accept": (NO_ACCEPT, "\n\n\n\n" + BLOCK + BARE),
    "four blank lines, and the library sends Accept": (ANY, "\n\n\n\n" + BLOCK + BARE),
    # Combinations.
    "k=, no list": (KEYLESS, LINES + WITH_SIGN),
    "k=, no list, but the key": (KEYLESS, LINES + f"X-Ca-Key:{KEY}\n" + WITH_SIGN),
    "k=, lower case": ({}, LINES + IN_LOWER_CASE + WITH_SIGN),
    "k=, listed order": (UNSORTED, LINES + IN_LISTED_ORDER + WITH_SIGN),
    "k=, Accept as empty": (ANY, f"\n\n{FORM}\n\n" + BLOCK + WITH_SIGN),
    "k=, Accept as */*": (NO_ACCEPT, f"*/*\n\n{FORM}\n\n" + BLOCK + WITH_SIGN),
    "k=, four blank lines": ({}, "\n\n\n\n" + BLOCK + WITH_SIGN),
    "k=, four blank lines, Accept sent": (ANY, "\n\n\n\n" + BLOCK + WITH_SIGN),
    "no list, Accept as empty": (KEYLESS | ANY, f"\n\n{FORM}\n\n" + BARE),
    "no list, Accept as empty, k=": (KEYLESS | ANY, f"\n\n{FORM}\n\n" + WITH_SIGN),
    "no list, four blank lines": (KEYLESS | NO_ACCEPT, "\n\n\n\n" + BARE),
    "no list, four blank lines, k=": (KEYLESS | ANY, "\n\n\n\n" + WITH_SIGN),
    "no list, Accept as */*": (KEYLESS | NO_ACCEPT, f"*/*\n\n{FORM}\n\n" + BARE),
    "lower case, four blank lines": ({}, "\n\n\n\n" + IN_LOWER_CASE + BARE),
}


@pytest.mark.parametrize(("headers", "text"), BUGS.values(), ids=BUGS)
@pytest.mark.parametrize("digest", ["sha256", "sha1"])
def test_a_known_bug_is_taken(headers: dict[str, str | None], text: str, digest: str) -> None:
    method = {"X-Ca-Signature-Method": "HmacSHA1"} if digest == "sha1" else {}
    request = with_signature(parts(headers | method, "", "img=AA&url=&ver="), "POST\n" + text, digest)
    assert is_signed(request, SECRET)
    assert not is_signed(request, SECRET[:-1]), "each is proved by the secret"


#: Numbers and blanks that count as nothing in a client's language; the server knows only what arrives.
BARE_VALUES = {
    "the number 0, in PHP and JavaScript": ("img=AA&ver=0", "/ocr?img=AA&ver"),
    "the number 0 and empty": ("img=AA&url=&ver=0", "/ocr?img=AA&url&ver"),
    "blanks, in Java": ("img=AA&url=+%20&ver=1", "/ocr?img=AA&url&ver=1"),
}


@pytest.mark.parametrize(("body", "resource"), BARE_VALUES.values(), ids=BARE_VALUES)
def test_a_value_that_its_sender_takes_for_nothing(body: str, resource: str) -> None:
    assert is_signed(with_signature(parts({}, "", body), f"POST\n{LINES}{BLOCK}{resource}"), SECRET)


WRONG: dict[str, tuple[dict[str, str | None], str]] = {
    "another value": ({}, LINES + BLOCK + "/ocr?img=AB&url&ver"),
    "a parameter more": ({}, LINES + BLOCK + "/ocr?img=AA&img2=B&url&ver"),
    "a parameter less": ({}, LINES + BLOCK + "/ocr?img=AA&url"),
    "another path": ({}, LINES + BLOCK + "/ocr2?img=AA&url&ver"),
    "another nonce": ({}, LINES + BLOCK.replace("n1", "n2") + BARE),
    "another moment": ({}, LINES + BLOCK.replace("1525872629832", "1525872629833") + BARE),
    "no headers although listed": ({}, LINES + BARE),
    "another Accept": ({"Accept": "text/html"}, LINES + BLOCK + BARE),
    "an Accept that takes not everything, as empty": ({}, f"\n\n{FORM}\n\n" + BLOCK + BARE),
    "another Content-MD5": ({"Content-MD5": "m=="}, LINES + BLOCK + BARE),
    "a line end more": ({}, LINES + BLOCK + BARE + "\n"),
}


@pytest.mark.parametrize(("headers", "text"), WRONG.values(), ids=WRONG)
def test_anything_else_is_refused(headers: dict[str, str | None], text: str) -> None:
    assert not is_signed(with_signature(parts(headers, "", "img=AA&url=&ver="), "POST\n" + text), SECRET)


@pytest.mark.parametrize("signature", ["", "AAAA", "字", "=" * 10_000])
def test_what_is_no_signature_is_refused(signature: str) -> None:
    assert not is_signed(parts({"X-Ca-Signature": signature}), SECRET)


@pytest.mark.parametrize("method", ["HmacSHA512", "md5", "sha256", "字"])
def test_an_unknown_method_is_refused(method: str) -> None:
    request = parts({"X-Ca-Signature-Method": method})
    assert not is_signed(with_signature(request, string_to_sign(request).decode()), SECRET)


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    request = parts({})
    signed = with_signature(request, string_to_sign(request).decode())
    assert is_signed(signed, SECRET)
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: False)
    assert not is_signed(signed, SECRET), "nothing else compares"


@pytest.mark.parametrize("headers", [{}, ANY, NO_ACCEPT, UNSORTED | ANY, KEYLESS | ANY, KEYLESS])
@pytest.mark.parametrize("body", ["", "img=AA", "img=AA&url=&ver=0&x=+"])
def test_at_most_eight_texts_are_tried_no_two_alike_the_rule_first(headers: dict[str, str | None], body: str) -> None:
    request = parts(headers, "", body)
    tried = list(attempts(request))
    assert len(tried) == len(set(tried)) <= MAX_ATTEMPTS
    assert tried[0] == string_to_sign(request)


def test_with_every_bug_possible_each_alone_is_tried() -> None:
    headers = UNSORTED | ANY | {"Content-MD5": "m==", "Date": "d"}
    tried = list(attempts(parts(headers, "", "img=AA&url=&ver=0&x=+")))
    assert len(tried) == MAX_ATTEMPTS
    lines, resource = f"*/*\nm==\n{FORM}\nd\n", "/ocr?img=AA&url&ver=0&x= "
    ordered = f"X-Ca-Key:{KEY}\nX-Ca-Timestamp:1525872629832\n"
    alone = [
        lines + ordered + "/ocr?img=AA&url=&ver=0&x= ",
        lines + IN_LISTED_ORDER + resource,
        lines + ordered.lower() + resource,
        f"\nm==\n{FORM}\nd\n" + ordered + resource,
        "\n\n\n\n" + ordered + resource,
    ]
    assert {f"POST\n{text}".encode() for text in alone} <= set(tried)


# --- replay -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "protected"),
    [
        ({}, True),
        ({"X-Ca-Signature-Headers": "x-ca-nonce, x-ca-timestamp"}, True),
        ({"X-Ca-Signature-Headers": "X-Ca-Key,X-Ca-Nonce"}, False),
        ({"X-Ca-Signature-Headers": "X-Ca-Key,X-Ca-Timestamp"}, False),
        ({"X-Ca-Nonce": None}, False),
        ({"X-Ca-Timestamp": ""}, False),
        (KEYLESS, False),
    ],
)
def test_what_can_be_replayed_is_told(headers: dict[str, str | None], protected: bool) -> None:
    assert signs_against_replay(parts(headers)) is protected


# --- the echo -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"POST\n\na/b\r\n/ocr", "POST##a/b##/ocr"),
        (b"tab\there\x00\x1f\x7f", "tab?here???"),
        ("字眼\u0085\u00a0 é".encode(), "字眼?\u00a0 é"),
        (b"\xff", "\ufffd"),
        (b"", ""),
        (b"a" * 1024, "a" * 1024),
        (b"a" * 1025, "a" * 1024),
        (b"aa" + "字".encode() * 400, "aa" + "字" * 340),
        (b"a" + "字".encode() * 341, "a" + "字" * 341),
        ("😀".encode() * 2000, "😀" * 256),
        ("\u0085".encode() * 3000, "?" * 1024),
        (b"a" * (8 << 20), "a" * 1024),
    ],
)
def test_the_echo_is_one_line_cut_on_a_character(text: bytes, shown: str) -> None:
    assert echo(text) == shown


@given(st.binary(max_size=3_000) | st.text(max_size=3_000).map(lambda text: text.encode("utf-8", "replace")))
def test_the_echo_can_always_be_sent(text: bytes) -> None:
    shown = echo(text)
    assert len(shown.encode()) <= 1024
    assert not any(unicodedata.category(character) == "Cc" for character in shown)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text(max_size=20)),
    st.dictionaries(st.sampled_from(["X-Ca-Stage", "X-Name", "Date", "Accept"]), st.text("aé字 ,*/", max_size=9)),
)
def test_whatever_is_signed_after_the_rule_is_verified(values: dict[str, str], headers: dict[str, str]) -> None:
    encodable = {name: value.encode("utf-8", "replace").decode() for name, value in values.items()}
    names = "X-Ca-Key,X-Ca-Stage,X-Name"
    request = parts({**headers, "X-Ca-Signature-Headers": names}, "", urlencode(encodable))
    sent = {"X-Ca-Key": KEY} | {name: value.strip() for name, value in headers.items()}
    pairs = sorted(encodable.items())
    resource = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    text = "\n".join(
        [
            *("POST", sent.get("Accept", "application/json"), "", FORM, sent.get("Date", "")),
            *(f"{name}:{sent.get(name, '')}" for name in names.split(",")),
            f"/ocr?{resource}" if resource else "/ocr",
        ]
    )
    assert is_signed(with_signature(request, text), SECRET)


def test_the_vectors_bodies_are_what_a_form_parser_reads() -> None:
    for vector in VECTORS.values():
        if vector["id"] != "D":
            expected = {name: value.encode() for name, value in parse_qsl(vector["body"], keep_blank_values=True)}
            assert parse_pairs(vector["body"].encode()) == expected
