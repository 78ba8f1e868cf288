"""``multipart/form-data`` as it comes: with words before it, bare line feeds, and names of files in any form.

Parsers that go by RFC 7578 refuse what hand-written clients send, or take a file for a field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from python_multipart.multipart import parse_options_header

from ziyan.api.refusals import INVALID_BODY, GatewayRefusedError

_MAX_OPTIONS: Final = 1_000  # bytes of a header that are looked at
_MAX_HEAD: Final = 8 << 10
#: Bytes of the headers of all parts: to look at so many takes some 10 ms.
_MAX_HEADS: Final = 64 << 10
#: What may follow a boundary on its line; the line's end belongs to what comes after it.
_REST_OF_LINE: Final = re.compile(rb"(--)?[ \t]{0,255}(?=\r?\n|\Z)")
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_FOLD: Final = re.compile(rb"\r?\n[ \t]+")
_QUOTED: Final = re.compile(rb'"[^"]*"')
#: The name of a file as RFC 5987 writes it, which RFC 7578 forbids and clients send all the same.
_EXTENDED_FILENAME: Final = re.compile(rb"(?i);[ \t]*filename\*")


@dataclass(frozen=True, slots=True)
class Part:
    """One part.

    Attributes:
        name: Of the field; empty where it has none.
        is_file: It names a file, be it with an empty name.
        content: As it came.
    """

    name: bytes
    is_file: bool
    content: bytes


@dataclass(frozen=True, slots=True)
class _Boundary:
    """A line that is one.

    Attributes:
        before: End of what stands before it and its line break.
        start: Its first byte.
        end: The end of its line, without the line break.
        last: Nothing but what nobody reads follows.
    """

    before: int
    start: int
    end: int
    last: bool


def parse_multipart(content_type: str, body: bytes, most: int) -> list[Part]:
    """The parts of a body, in their order.

    Args:
        content_type: With the boundary.
        body: All of it.
        most: How many boundaries are looked at.

    Raises:
        GatewayRefusedError: There is no boundary, the last one is missing, a part has no headers' end, or there are
            too many, be it of parts or of their headers.
    """
    boundary = parse_options_header(content_type[:_MAX_OPTIONS])[1].get(b"boundary")
    if not boundary:
        raise _malformed("no boundary")
    if body.count(b"--" + boundary) > most:
        raise _malformed("too many parts")
    found = list(_boundaries(body, b"--" + boundary))
    if not found or not found[-1].last:
        raise _malformed("the last boundary is missing")
    parts = [(before, _blank_line(body, before, after), after) for before, after in pairwise(found)]
    if sum(blank.end() - before.end for before, blank, _ in parts) > _MAX_HEADS:
        raise _malformed("too many headers")
    return [_part(body, *part) for part in parts]


def _boundaries(body: bytes, mark: bytes) -> Iterator[_Boundary]:
    start = body.find(mark)
    while start >= 0:
        rest = _REST_OF_LINE.match(body, start + len(mark))
        if rest and (start == 0 or body[start - 1 : start] == b"\n"):
            line_break = 2 if body[start - 2 : start] == b"\r\n" else min(start, 1)
            last = rest[1] is not None
            yield _Boundary(start - line_break, start, rest.end(), last)
            if last:
                return
        start = body.find(mark, start + len(mark))


def _blank_line(body: bytes, before: _Boundary, after: _Boundary) -> re.Match[bytes]:
    """What ends a part's headers."""
    blank = _BLANK_LINE.search(body, before.end, min(after.start, before.end + _MAX_HEAD))
    if blank is None:
        raise _malformed("a part's headers do not end")
    return blank


def _part(body: bytes, before: _Boundary, blank: re.Match[bytes], after: _Boundary) -> Part:
    disposition = b""
    for line in _FOLD.sub(b" ", body[before.end : blank.start()]).splitlines():
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-disposition":
            disposition = value[:_MAX_OPTIONS]
    options = parse_options_header(disposition)[1]
    is_file = b"filename" in options or _EXTENDED_FILENAME.search(_QUOTED.sub(b"", disposition)) is not None
    return Part(options.get(b"name", b""), is_file, body[blank.end() : after.before])


def _malformed(why: str) -> GatewayRefusedError:
    return GatewayRefusedError(INVALID_BODY, internal=why)
