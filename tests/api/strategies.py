"""Hypothesis strategies for what clients send: base64 in every tolerated form, bodies, headers, targets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, quote_from_bytes

from hypothesis import assume, settings
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

FORM = "application/x-www-form-urlencoded"
#: The same examples on every machine, and none kept between runs.
STEADY = settings(derandomize=True, database=None, deadline=None, max_examples=150)

PICTURES = st.binary(min_size=1, max_size=400)


@dataclass(frozen=True)
class Carried:
    """A request that carries a picture.

    Attributes:
        picture: What must arrive.
        how: The tolerances in it, for the report of a failure.
        content_type: Of the body.
        body: The body.
        query: The query string.
    """

    picture: bytes
    how: tuple[str, ...]
    content_type: str
    body: bytes
    query: bytes = b""


@st.composite
def base64_texts(draw: st.DrawFn, picture: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Base64 of a picture as clients write it, and which of the contract's tolerances that takes."""
    how: list[str] = []
    text = base64.b64encode(picture)
    if draw(st.booleans()):
        text = base64.urlsafe_b64encode(picture)
        how.append("URL alphabet")
    if missing := draw(st.integers(0, 2)):
        text = text[:-missing] if text.endswith(b"=" * missing) else text
        how.append(f"{missing} of the padding missing")
    if width := draw(st.sampled_from([0, 0, 1, 4, 76])):
        end = draw(st.sampled_from([b"\n", b"\r\n", b"\t", b"\r"]))
        text = end.join(text[start : start + width] for start in range(0, len(text), width))
        how.append(f"lines of {width} ended by {end!r}")
    if prefix := draw(
        st.sampled_from([b"", b"", b"data:image/png;base64,", b"DATA:;base64,", b"data:a/b;c=d;Base64,"])
    ):
        text = prefix + text
        how.append(f"prefix {prefix!r}")
    return text, tuple(how)


def _form(text: bytes) -> tuple[str, bytes, bytes]:
    return FORM, b"ver=0&img=" + quote_from_bytes(text, safe="").encode(), b""


def _form_twice(text: bytes) -> tuple[str, bytes, bytes]:
    return FORM, b"img=" + quote(quote_from_bytes(text, safe=""), safe="").encode(), b""


def _form_without_type(text: bytes) -> tuple[str, bytes, bytes]:
    return "", b"url=&img=" + quote_from_bytes(text, safe="").encode(), b""


def _json(text: bytes) -> tuple[str, bytes, bytes]:
    return "application/json; charset=UTF-8", json.dumps({"url": None, "img": text.decode()}).encode(), b""


def _json_without_type(text: bytes) -> tuple[str, bytes, bytes]:
    return "", json.dumps({"img": text.decode()}).encode(), b""


def _multipart_field(text: bytes) -> tuple[str, bytes, bytes]:
    body, content_type = encode_multipart_formdata({"img": text.decode(), "url": ""})
    return content_type, body, b""


def _multipart_file(text: bytes) -> tuple[str, bytes, bytes]:
    body, content_type = encode_multipart_formdata({"img": ("图.png", text, "image/png"), "ver": "0"})
    return content_type, body, b""


def _query(text: bytes) -> tuple[str, bytes, bytes]:
    return FORM, b"", b"img=" + quote_from_bytes(text, safe="").encode()


def _raw_form(text: bytes) -> tuple[str, bytes, bytes]:
    """Not percent-encoded: each ``+`` arrives as a space."""
    return FORM, b"img=" + text, b""


CARRIERS: list[Callable[[bytes], tuple[str, bytes, bytes]]] = [
    _form,
    _form_twice,
    _form_without_type,
    _json,
    _json_without_type,
    _multipart_field,
    _multipart_file,
    _query,
    _raw_form,
]


@st.composite
def carried(draw: st.DrawFn) -> Carried:
    """A picture in a request, in any form that the contract takes."""
    picture = draw(PICTURES)
    carry = draw(st.sampled_from(CARRIERS))
    if carry is _raw_form:
        picture = b"\xff\xd8" + picture  # as a picture begins: no base64 of one begins with "+", a space when raw
    text, how = draw(base64_texts(picture))
    if carry is _raw_form and text.endswith(b"+"):
        # up to three pluses at the end are told from stray blanks, if nothing of the padding is missing
        assume(len(picture) % 3 == 0 and not text.endswith(b"++++"))
    padded = text.endswith(b"=") or len(picture) % 3 == 0
    if carry is not _raw_form and padded and (around := draw(st.sampled_from([b"", b"", b" ", b"\r\n", b" \t"]))):
        text = around + text + around
        how = (*how, f"{around!r} around")
    content_type, body, query = carry(text)
    return Carried(picture, (carry.__name__, *how), content_type, body, query)


# --- bodies, headers, targets that mean nothing in particular --------------------------------------------------------

_NAMES = st.sampled_from(["img", "url", "ver", "appid", "sendtime", "sign", "", "x", "图"])
_VALUES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "0", "1", "2", "AAAA", "*", "http://127.0.0.1/a.png", "data:image/png;base64,", "%", "+"]),
)
_PAIRS = st.lists(st.tuples(_NAMES, _VALUES), max_size=6)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=8,
)


def _surrogates_as_they_are(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


BODIES = st.one_of(
    st.binary(max_size=300),
    _PAIRS.map(lambda pairs: b"&".join(_surrogates_as_they_are(f"{name}={value}") for name, value in pairs)),
    _JSON.map(lambda value: json.dumps(value).encode()),
    st.tuples(_PAIRS, st.binary(max_size=20)).map(
        lambda made: (
            b"".join(
                b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
                % (_surrogates_as_they_are(name), _surrogates_as_they_are(value))
                for name, value in made[0]
            )
            + b"--b"
            + made[1]
        )
    ),
)
_TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_!#$%&'*+.^`|~"
#: What HTTP lets stand in a header, any byte above ASCII included.
HEADER_VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40
).map(str.strip)
#: These say how the request is framed or who calls, and are the test's own.
_FRAMING = {
    "host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "content-type", "authorization"
}  # fmt: skip
HEADERS = st.lists(
    st.tuples(
        st.text(_TOKEN, min_size=1, max_size=20).filter(lambda name: name.lower() not in _FRAMING), HEADER_VALUES
    ),
    max_size=8,
)
CONTENT_TYPES = st.one_of(
    st.sampled_from(
        [
            None,
            FORM,
            f".{FORM}",
            "application/json",
            "multipart/form-data; boundary=b",
            'multipart/form-data; boundary="b',
            "multipart/form-data",
            "text/plain; charset=gbk",
        ]
    ),
    HEADER_VALUES,
)
QUERIES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=40)
