"""The gateway's AppKey signature: what a client signs (``docs/contract.md`` §3), and the bugs clients are known for.

Everything is bytes: a client signs the UTF-8 of its own strings, so what came over the wire is compared as it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeVar

from ziyan.api.form import name_bytes

T = TypeVar("T")

MAX_ATTEMPTS: Final = 8
MAX_ECHO_BYTES: Final = 1_024

_LINES: Final = ("accept", "content-md5", "content-type", "date")
_NEVER_LISTED: Final = {"x-ca-signature", "x-ca-signature-headers", *_LINES}
_ANYTHING: Final = b"*/*"
#: A header's name: a token of RFC 9110, section 5.6.2.
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_DIGESTS: Final = {b"": "sha256", b"hmacsha256": "sha256", b"hmacsha1": "sha1"}
#: For the header that shows the text: line ends as ``#``, every other control character as ``?``.
_PRINTABLE: Final = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], "?") | dict.fromkeys(b"\r\n", "#")

#: How a parameter is written of which only the name is signed, and how far that is from the rule (0 is the rule).
_BARE: Final[tuple[tuple[Callable[[bytes], bool], int], ...]] = (
    (lambda value: not value, 0),
    (lambda value: False, 1),
    (lambda value: not value.strip(), 2),  # Java's isBlank
    (lambda value: value in (b"", b"0"), 2),  # 0 counts as nothing in PHP and JavaScript; a set would hash a picture
)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request can be signed.

    Attributes:
        method: In upper case.
        path: As it stood in the request line, without the query.
        headers: Values by name in lower case, as ``signed_headers`` reads them.
        parameters: Decoded, of the query string and of the form; the form's value where both have one.
    """

    method: bytes
    path: bytes
    headers: Mapping[str, bytes]
    parameters: Mapping[str, bytes]


def signed_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """Header values as their sender signed them: UTF-8; of a header sent twice, the first.

    A value that is no UTF-8 was written as latin-1 by a client whose string still was signed as UTF-8.
    """
    headers: dict[str, bytes] = {}
    for name, value in raw:
        headers.setdefault(name.decode("latin-1").lower(), _utf8(value.strip()))
    return headers


def is_signed(request: SignedRequest, secret: str) -> bool:
    """Whether the request's signature was made with this secret, by the rule or with a known bug."""
    digest = _DIGESTS.get(request.headers.get("x-ca-signature-method", b"").lower())
    given = request.headers.get("x-ca-signature", b"")
    return digest is not None and any(
        hmac.compare_digest(_sign(pieces, secret, digest), given) for pieces in _attempts(request)
    )


def sign(text: bytes, secret: str, digest: str = "sha256") -> bytes:
    """The signature of a text, base64; ``digest`` is ``sha256`` or ``sha1``."""
    return _sign([text], secret, digest)


def _sign(pieces: Iterable[bytes], secret: str, digest: str) -> bytes:
    """As ``sign``, of a text in pieces: to join a picture to anything is to copy it."""
    made = hmac.new(secret.encode(), digestmod=digest)
    for piece in pieces:
        made.update(piece)
    return base64.b64encode(made.digest())


def signs_against_replay(request: SignedRequest) -> bool:
    """Whether moment and nonce are both there and part of what is signed; else both can be exchanged or left out."""
    names = {name.lower() for name in _listed(request)}
    return all(name in names and request.headers.get(name) for name in ("x-ca-timestamp", "x-ca-nonce"))


def string_to_sign(request: SignedRequest) -> bytes:
    """What ought to be signed."""
    return next(attempts(request))


def attempts(request: SignedRequest) -> Iterator[bytes]:
    """What may have been signed: the rule first, then one bug, then two; at most eight texts, no two alike.

    Of two bugs together the most frequent pairs hold ``k=`` for an empty value.
    """
    return map(b"".join, _attempts(request))


def _attempts(request: SignedRequest) -> Iterator[list[bytes]]:
    """As ``attempts``, each in pieces."""
    names = sorted(request.parameters, key=name_bytes)
    values = [request.parameters[name] for name in names]
    bare = _ranked((tuple(map(is_bare, values)), rank) for is_bare, rank in _BARE)
    choices = product(bare.items(), _first_lines(request).items(), _header_blocks(request).items())

    def distance(choice: tuple[tuple[object, int], ...]) -> tuple[int, bool]:
        return sum(rank for _, rank in choice), choice[0][1] != 1

    for (shape, _), (lines, _), (block, _) in sorted(choices, key=distance)[:MAX_ATTEMPTS]:
        yield [lines, block, *_resource(request.path, names, values, shape)]


def echo(text: bytes) -> str:
    """A text as the answer's header shows it: one line of at most 1,024 bytes of UTF-8."""
    # Four times as much is enough: a character takes at most two bytes that are shown as one.
    shown = text[: 4 * MAX_ECHO_BYTES].decode("utf-8", "replace").translate(_PRINTABLE)
    return shown.encode()[:MAX_ECHO_BYTES].decode("utf-8", "ignore")


def content_md5(body: bytes) -> bytes:
    """What ``Content-MD5`` must say of a body."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest())


def _first_lines(request: SignedRequest) -> dict[bytes, int]:
    accept, *others = (request.headers.get(name, b"") for name in _LINES)
    swapped = b"" if _ANYTHING in accept else accept or _ANYTHING  # HTTP libraries add this header by themselves
    variants = (([accept, *others], 0), ([swapped, *others], 1), ([b""] * len(_LINES), 1))
    return _ranked((b"\n".join([request.method, *values, b""]), rank) for values, rank in variants)


def _header_blocks(request: SignedRequest) -> dict[bytes, int]:
    listed = _listed(request)
    if not listed:
        return {b"": 0, _block(request, ["X-Ca-Key"]): 1}
    lower = [name.lower() for name in listed]
    variants = ((sorted(listed), 0), (listed, 1), (sorted(lower), 1), (lower, 2))
    return _ranked((_block(request, names), rank) for names, rank in variants)


def _listed(request: SignedRequest) -> list[str]:
    """The names in X-Ca-Signature-Headers, in its order and spelling.

    What cannot be a header's name is left out: listed as ``X-Ca-Nonce:n``, a nonce ``n:`` would be signed without its
    header being so, which could then be exchanged.
    """
    text = request.headers.get("x-ca-signature-headers", b"").decode()
    names = dict.fromkeys(name.strip() for name in text.split(","))
    return [name for name in names if _NAME.fullmatch(name) and name.lower() not in _NEVER_LISTED]


def _block(request: SignedRequest, names: Iterable[str]) -> bytes:
    return b"".join(b"%s:%s\n" % (name.encode(), request.headers.get(name.lower(), b"")) for name in names)


def _resource(path: bytes, names: Iterable[str], values: Iterable[bytes], bare: Iterable[bool]) -> Iterator[bytes]:
    yield path
    separator = b"?"
    for name, value, is_bare in zip(names, values, bare, strict=True):
        yield separator + name_bytes(name)
        if not is_bare:
            yield b"="
            yield value
        separator = b"&"


def _ranked(variants: Iterable[tuple[T, int]]) -> dict[T, int]:
    """Each variant once, with the least of its ranks, which come in rising order."""
    ranked: dict[T, int] = {}
    for variant, rank in variants:
        ranked.setdefault(variant, rank)
    return ranked


def _utf8(value: bytes) -> bytes:
    try:
        value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1").encode()
    return value
