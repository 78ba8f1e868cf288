"""Request bodies and query strings → parameters (``docs/contract.md`` §1).

Written for sloppy clients and hostile ones: everything is bytes until its meaning is known, forms are split on ``&``
alone (a raw data URI carries ``;``), and how many parts are looked at is bounded.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from ziyan.api.multipart import Part, parse_multipart
from ziyan.api.refusals import INVALID_BODY, GatewayRefusedError

FORM_TYPE: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"
MAX_FIELDS: Final = 1_000
_MAX_JSON_TOKENS: Final = 10_000
_BOM: Final = b"\xef\xbb\xbf"
_MAX_BROKEN_ESCAPES: Final = 100_000
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PIECE: Final = 64 << 10
_PERCENT: Final = ord("%")
_PERCENT_TO_EQUALS: Final = np.uint8(ord("=") - ord("%"))


@dataclass(frozen=True, slots=True)
class Form:
    """A parsed body.

    Attributes:
        fields: Decoded values by decoded name; of a name given twice, the first, and in JSON the last.
        files: The same for the file parts of a multipart body.
    """

    fields: Mapping[str, bytes] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def parse_body(content_type: str, body: bytes) -> Form:
    """Parse a body by what it is, for the Content-Type of many clients is missing or wrong.

    Raises:
        GatewayRefusedError: It is not what it claims or appears to be, or has too many parts.
    """
    kind = content_type.lower()
    if not body.strip():
        return Form()
    if _MULTIPART in kind:
        return _parse_multipart(content_type, body)
    if "json" in kind or is_json_object(body):
        return Form(_parse_json(body))
    return Form(parse_form(body))


def parts_of(content_type: str, body: bytes) -> list[Part]:
    """The parts of a multipart body, whatever its boundary; none where it is another, or cannot be parsed."""
    if _MULTIPART not in content_type.lower():
        return []
    try:
        return parse_multipart(content_type, body, MAX_FIELDS)
    except GatewayRefusedError:
        return []


def is_json_object(body: bytes) -> bool:
    """Whether a body begins like one, whatever its type says."""
    return body[:64].removeprefix(_BOM).lstrip().startswith(b"{")


def parse_form(body: bytes) -> dict[str, bytes]:
    """A form's body; some clients end it like a line.

    Raises:
        GatewayRefusedError: Too many pairs or broken escapes.
    """
    return parse_pairs(body.strip(b"\r\n"))


def parse_pairs(raw: bytes) -> dict[str, bytes]:
    """``k=v&k=v``, percent-decoded.

    Raises:
        GatewayRefusedError: Too many pairs or broken escapes.
    """
    try:
        return _pairs(raw)
    except _BrokenEscapeError:
        return _pairs(_mend_escapes(raw))


def decode_percent(raw: bytes) -> bytes:
    """Undo form encoding; an escape that is none stays as it is.

    A picture's form holds tens of thousands of escapes, which ``urllib`` decodes one by one.  Quoted-printable is the
    same with ``=`` for ``%``, and the standard library decodes it in C.

    Raises:
        GatewayRefusedError: Too many broken escapes.
    """
    try:
        return _unescape(raw)
    except _BrokenEscapeError:
        return _unescape(_mend_escapes(raw))


class _BrokenEscapeError(Exception):
    """There is a ``%`` that begins no escape."""


def _pairs(raw: bytes) -> dict[str, bytes]:
    pairs: dict[str, bytes] = {}
    view, start = memoryview(raw), 0  # a view, for a copy of a picture costs more than looking at it
    for _ in range(MAX_FIELDS):
        end = raw.find(b"&", start)
        end = end if end >= 0 else len(raw)
        equals = raw.find(b"=", start, end)
        equals = equals if equals >= 0 else end
        if equals > start:
            name = _name(_unescape(view[start:equals]))
            pairs.setdefault(name, _unescape(view[equals + 1 : end]))
        if end == len(raw):
            return pairs
        start = end + 1
    raise _malformed("too many fields")


def _mend_escapes(raw: bytes) -> bytes:
    """Escape every ``%`` that begins no escape."""
    mended, count = _BROKEN_ESCAPE.subn(b"%25", raw, _MAX_BROKEN_ESCAPES)
    if count == _MAX_BROKEN_ESCAPES:
        raise _malformed("too many broken escapes")
    return mended


def _unescape(raw: bytes | memoryview) -> bytes:
    """Piece by piece: what fits into the processor's cache, and needs no fresh memory, is done in half the time."""
    pieces, start = [], 0
    while start < len(raw):
        piece = bytes(raw[start : start + _PIECE])
        whole = len(piece)
        if len(piece) == _PIECE and (split := piece.rfind(b"%", -2)) >= 0:
            whole = split
        pieces.append(_unescape_piece(piece[:whole]))
        start += whole
    return b"".join(pieces)


def _unescape_piece(raw: bytes) -> bytes:
    raw = raw.replace(b"+", b" ")
    if b"%" not in raw:
        return raw
    # Line ends could make soft ones of a "%" before them, and a "=" could join one to an escape that is none.
    codes = np.frombuffer(raw.replace(b"=", b"%3D").replace(b"\r", b"%0D").replace(b"\n", b"%0A"), np.uint8)
    escapes = codes == _PERCENT
    decoded = binascii.a2b_qp((codes + escapes.view(np.uint8) * _PERCENT_TO_EQUALS).data)
    # A whole escape loses two bytes and a broken one fewer, so this tells without a look at each of them.
    if len(codes) - len(decoded) != 2 * np.count_nonzero(escapes):
        raise _BrokenEscapeError
    return decoded


def _parse_json(body: bytes) -> dict[str, bytes]:
    # An honest body is one flat object; millions of brackets or commas would only fill the memory.
    if sum(body.count(token) for token in (b"[", b"{", b",")) > _MAX_JSON_TOKENS:
        raise _malformed("too many JSON tokens")
    try:
        content = json.loads(body.removeprefix(_BOM))
    except (ValueError, RecursionError) as error:
        raise _malformed(type(error).__name__) from None
    if not isinstance(content, dict):
        raise _malformed("JSON, but not an object")
    return {_utf8(name).decode(): _scalar(value) for name, value in content.items() if value is not None}


def _scalar(value: Any) -> bytes:
    if isinstance(value, list | dict):
        raise _malformed("a JSON value is not a scalar")
    return _utf8(str(value))


def _utf8(text: str) -> bytes:
    """A lone surrogate is no text; as "?" it fails whatever check is meant for it."""
    return text.encode("utf-8", "replace")


def _parse_multipart(content_type: str, body: bytes) -> Form:
    form: tuple[dict[str, bytes], dict[str, bytes]] = {}, {}
    for part in parse_multipart(content_type, body, MAX_FIELDS):
        form[part.is_file].setdefault(_name(part.name), part.content)
    return Form(*form)


def _name(raw: bytes) -> str:
    """A name as text; what is no UTF-8 in it is kept, for it may have been signed."""
    return raw.decode("utf-8", "surrogateescape")


def name_bytes(name: str) -> bytes:
    """A parameter's name as it was sent, decoded."""
    return name.encode("utf-8", "surrogateescape")


def _malformed(why: str) -> GatewayRefusedError:
    return GatewayRefusedError(INVALID_BODY, internal=why)
