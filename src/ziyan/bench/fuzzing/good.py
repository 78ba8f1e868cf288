"""Well-formed calls in every form that the contract takes, each with the answer it must get."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from random import Random
from urllib.parse import quote_from_bytes

from ziyan.bench.instant import fingerprint

#: Sizes of pictures; most calls are small, so that many are made.
_SIZES = (3, 40, 700, 3000, 3001, 3002, 60_000)
_LARGE = 1 << 20
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Good:
    """One well-formed request over HTTP/1.

    Attributes:
        line: Request line without its end.
        headers: Names and values, without those that say how long the body is.
        body: The body.
        answer: What ``data`` of the answer must be.
    """

    line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    answer: str

    def sent(self, *more: tuple[bytes, bytes]) -> bytes:
        """The request's bytes with its length declared."""
        return assembled(self.line, (*self.headers, *more, (b"Content-Length", b"%d" % len(self.body)))) + self.body


def assembled(line: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """A head: request line, headers, empty line."""
    return b"".join((line, b"\r\n", *(name + b": " + value + b"\r\n" for name, value in headers), b"\r\n"))


def chunked(rng: Random, body: bytes) -> bytes:
    """``body`` in chunks of random sizes."""
    parts = []
    while body:
        size = rng.randint(1, max(1, len(body)))
        parts.append(b"%x\r\n%s\r\n" % (size, body[:size]))
        body = body[size:]
    return b"".join(parts) + b"0\r\n\r\n"


def multipart(parts: list[tuple[str, bytes]], boundary: str = "b") -> bytes:
    """Parts as (what follows ``form-data; ``, content)."""
    mark = b"--" + boundary.encode()
    content = b"".join(
        mark + b"\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + value + b"\r\n"
        for head, value in parts
    )
    return content + mark + b"--\r\n"


def picture_of(rng: Random) -> bytes:
    """Bytes for a picture.  The engine looks at none; their beginning is such that no base64 begins with ``+``."""
    size = _LARGE if rng.random() < 0.01 else rng.choice(_SIZES)
    return b"\xff\xd8" + rng.randbytes(size - 2)


def bodies(rng: Random, picture: bytes) -> tuple[str, bytes]:
    """A content type and a body that carries ``picture``, in one of the forms that clients send."""
    b64 = base64.b64encode(picture)
    match rng.randrange(8):
        case 0:
            return _FORM, b"img=" + quote_from_bytes(b64, safe="").encode()
        case 1:
            return _FORM, b"ver=0&url=&img=" + b64
        case 2:
            return f"{_FORM}; charset=UTF-8", b"img=data:image/png;base64," + quote_from_bytes(b64, safe="").encode()
        case 3:
            return "", b"img=" + base64.urlsafe_b64encode(picture).rstrip(b"=")
        case 4:
            return "application/json", json.dumps({"img": b64.decode(), "url": None}).encode()
        case 5:
            return "text/plain", json.dumps({"ver": "0", "img": b64.decode()}).encode()
        case 6:
            return "multipart/form-data; boundary=b", multipart([('name="img"', b64), ('name="ver"', b"0")])
        case _:
            return "multipart/form-data; boundary=b", multipart([('name="img"; filename="a.png"', b64)])


def good(rng: Random, appcode: str) -> Good:
    """A random well-formed call."""
    picture = picture_of(rng)
    content_type, body = bodies(rng, picture)
    headers = [(b"Host", b"ocr.example"), (b"User-Agent", b"fuzz")]
    if content_type:
        headers.append((b"Content-Type", content_type.encode()))
    target = b"/ocr"
    if rng.random() < 0.2:
        target = b"/ocr?appcode=" + appcode.encode()
    else:
        spelling = rng.choice((b"APPCODE ", b"appcode ", b"AppCode:", b"APPCODE="))
        headers.append((b"Authorization", spelling + appcode.encode()))
    rng.shuffle(headers)
    return Good(b"POST " + target + b" HTTP/1.1", tuple(headers), body, fingerprint(picture))
