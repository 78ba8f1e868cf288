"""Broken, lying and half-sent requests, each a function of its number and the seed alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from ziyan.bench.fuzzing import frames, words
from ziyan.bench.fuzzing.good import assembled, chunked, good, multipart, picture_of

#: What a smuggled request asks for; an answer that names it shows that a body was taken for a request.
SMUGGLED = b"/smuggled"

_FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """What one connection sends.

    Attributes:
        kind: Of which family it is.
        pieces: Sent one after another.
        pause: Seconds between them.
        cut: Reset the connection after the last piece, instead of closing the sending half and reading on.
        answers: ``data`` of the answers that must come first, in this order.
        http2: The answer is frames.
    """

    kind: str
    pieces: tuple[bytes, ...]
    pause: float = 0.0
    cut: bool = False
    answers: tuple[str, ...] = ()
    http2: bool = False


def case(seed: int, number: int, appcode: str) -> Case:
    """Case ``number`` of the endless row that belongs to ``seed``."""
    rng = Random(f"{seed}:{number}")  # noqa: S311 - decides what is tried, not what is secret
    kind = rng.choice(list(KINDS))
    made = KINDS[kind](rng, appcode)
    return Case(kind, made.pieces, made.pause, made.cut, made.answers, made.http2)


def _one(data: bytes, **more: bool) -> Case:
    return Case("", (data,), cut=more.get("cut", False), http2=more.get("http2", False))


def _post(appcode: str, body: bytes, *headers: tuple[bytes, bytes], line: bytes = b"POST /ocr HTTP/1.1") -> bytes:
    usual = ((b"Host", b"ocr.example"), (b"Authorization", b"APPCODE " + appcode.encode()))
    return assembled(line, (*usual, *headers)) + body


def _sized(appcode: str, body: bytes, *headers: tuple[bytes, bytes]) -> bytes:
    return _post(appcode, body, *headers, (b"Content-Length", b"%d" % len(body)))


def _request_line(rng: Random, appcode: str) -> Case:
    blank = rng.choice((b" ", b" ", b" ", b"  ", b"\t", b"", b"\x0b"))
    line = blank.join((rng.choice(words.METHODS), rng.choice(words.TARGETS), rng.choice(words.VERSIONS)))
    return _one(_sized(appcode, b"img=AAAA", _FORM).replace(b"POST /ocr HTTP/1.1", line, 1))


def _headers(rng: Random, appcode: str) -> Case:
    extra = [(rng.choice(words.NAMES), rng.choice(words.VALUES)) for _ in range(rng.choice((1, 2, 3, 50, 2000)))]
    separator = rng.choice((b": ", b": ", b": ", b":", b" : ", b" ", b":\r\n ", b"\0:"))
    block = b"".join(name + separator + value + b"\r\n" for name, value in extra)
    whole = _sized(appcode, b"img=AAAA", _FORM)
    return _one(whole.replace(b"\r\n", b"\r\n" + block, 1))


def _length(rng: Random, appcode: str) -> Case:
    body = b"img=" + base64.b64encode(picture_of(rng))
    lies = (
        b"-1",
        b"+5",
        b"0x10",
        b"1e3",
        b"",
        b" ",
        b"5,5",
        b"5, 6",
        b"\xb2",
        b"00000000000000000008",
        b"9" * 25,
        b"9" * 5000,
        b"%d" % (len(body) + 1),
        b"%d" % (len(body) // 2),
        b"%d" % (8 * _MIB),
        b"%d" % (8 * _MIB + 1),
        b"0",
    )
    lengths = [(b"Content-Length", rng.choice(lies)) for _ in range(rng.choice((1, 1, 2)))]
    return _one(_post(appcode, body, _FORM, *lengths))


def _chunks(rng: Random, appcode: str) -> Case:
    body = b"img=" + base64.b64encode(rng.randbytes(3000))
    match rng.randrange(6):
        case 0:
            sent = rng.choice(words.CHUNK_SIZES) + b"\r\nimg=A\r\n0\r\n\r\n"
        case 1:
            sent = chunked(rng, body)[: rng.randrange(3000)]
        case 2:
            sent = chunked(rng, body).replace(
                b"\r\n0\r\n\r\n", b"\r\n0\r\n" + b"A: b\r\n" * rng.choice((1, 3000)) + b"\r\n"
            )
        case 3:
            sent = b"1\r\na\r\n" * rng.choice((10, 20_000)) + b"0\r\n\r\n"
        case 4:
            sent = chunked(rng, body).replace(b"\r\n", b"\n")
        case _:
            sent = _flipped(rng, chunked(rng, body), 3)
    return _one(_post(appcode, sent, _FORM, (b"Transfer-Encoding", b"chunked")))


def _multipart(rng: Random, appcode: str) -> Case:
    content = base64.b64encode(rng.randbytes(rng.choice((3, 3000))))
    parts = [
        (rng.choice(words.PART_HEADS), rng.choice((content, b"", *words.ODD[:6])))
        for _ in range(rng.choice((1, 2, 3, 1500)))
    ]
    body = multipart(parts)
    match rng.randrange(5):
        case 0:
            body = body[: rng.randrange(len(body) + 1)]
        case 1:
            body = _flipped(rng, body, rng.choice((1, 5, 50)))
        case 2:
            body = body.replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\n\r\n")))
        case 3:
            body = rng.choice(words.ODD) + body + rng.choice(words.ODD)
    boundaries = (b"b", b'"b"', b"", b"c", b"b; boundary=c", b"\xff", b"b" * 300, b'"')
    boundary = rng.choice(boundaries) if rng.random() < 0.3 else b"b"
    return _one(_sized(appcode, body, (b"Content-Type", b"multipart/form-data; boundary=" + boundary)))


def _json(rng: Random, appcode: str) -> Case:
    content: object = {
        rng.choice(("img", "url", "ver", "", "x")): rng.choice(words.JSON_VALUES) for _ in range(rng.choice((1, 3, 9)))
    }
    body = json.dumps(content).encode()
    match rng.randrange(6):
        case 0:
            body = body[: rng.randrange(len(body) + 1)]
        case 1:
            body = _flipped(rng, body, 2)
        case 2:
            body = rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b" \r\n\t", b"\0")) + body
        case 3:
            body = rng.choice(
                (b"[" * 50_000, b'{"a":' * 3000, b'{"img":"\\u00', b"NaN", b'{"ver":Infinity}', b'{"a":1e999}', b"{}{}")
            )
        case 4:
            body = json.dumps(content).encode(rng.choice(("utf-16", "utf-32")))
    kind = rng.choice(
        (b"application/json", b"text/plain", b"application/json; charset=gbk", b"application/problem+json")
    )
    return _one(_sized(appcode, body, (b"Content-Type", kind)))


def _form(rng: Random, appcode: str) -> Case:
    text = base64.b64encode(rng.randbytes(rng.choice((1, 300, 3000))))
    body = b"".join(rng.choice((*words.FORM_PIECES, text, text[:-1])) for _ in range(rng.randint(1, 12)))
    return _one(_sized(appcode, body, _FORM))


def _base64(rng: Random, appcode: str) -> Case:
    text = bytearray(base64.b64encode(rng.randbytes(rng.choice((2, 299, 3000)))))
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(text) + 1)
        text[at : at + rng.randrange(2)] = rng.choice(
            (b"=", b"%3D", b"%253D", b"\r\n", b"%0A", b" ", b"-", b"_", b"\xc3", b"*", b".")
        )
    return _one(_sized(appcode, b"img=" + bytes(text), _FORM))


def _smuggling(rng: Random, appcode: str) -> Case:
    inner = b"GET " + SMUGGLED + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    match rng.randrange(4):
        case 0:  # the length covers all; who believes the chunks sees a second request
            body = b"0\r\n\r\n" + inner
            lies = b"Content-Length: %d\r\n" % len(body) + rng.choice(words.ENCODINGS)
        case 1:  # two lengths
            body = b"img=AAAA" + inner
            lies = b"Content-Length: %d\r\nContent-Length: 8" % len(body)
            lies = b"\r\n".join(rng.sample(lies.split(b"\r\n"), 2))
        case 2:  # a length within a longer line
            body = b"img=AAAA" + inner
            lies = rng.choice(
                (
                    b"X: y\nContent-Length: 8",
                    b"X: y\rContent-Length: 8",
                    b"Content-Length:\x0b8",
                    b"Content-Length: 8 8",
                )
            )
            lies += b"\r\nContent-Length: %d" % len(body)
        case _:  # a request within the declared length of a refused one
            body = inner * 3
            lies = b"Content-Length: %d" % len(body)
    head = b"POST /ocr HTTP/1.1\r\nHost: x\r\n" + rng.choice(
        (b"", b"Authorization: APPCODE " + appcode.encode() + b"\r\n")
    )
    return _one(head + lies + b"\r\n\r\n" + body)


def _cut_off(rng: Random, appcode: str) -> Case:
    whole = good(rng, appcode).sent()
    return _one(whole[: rng.randrange(len(whole))], cut=rng.random() < 0.7)


def _dribble(rng: Random, appcode: str) -> Case:
    made = good(rng, appcode)
    whole = made.sent()
    cuts = sorted(rng.sample(range(1, len(whole)), min(len(whole) - 1, rng.randint(2, 40))))
    pieces = tuple(whole[start:end] for start, end in zip((0, *cuts), (*cuts, len(whole)), strict=True))
    return Case("", pieces, pause=rng.choice((0.0, 0.005, 0.02)), answers=(made.answer,))


def _pipelined(rng: Random, appcode: str) -> Case:
    made = [good(rng, appcode) for _ in range(rng.randint(1, 6))]
    garbage = rng.choice(
        (*words.ODD, rng.randbytes(200), b"GET / HTTP/1.1\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\r\n" * 100)
    )
    data = b"".join(one.sent() for one in made) + garbage
    return Case("", (data,), answers=tuple(one.answer for one in made))


def _expecting(rng: Random, appcode: str) -> Case:
    made = good(rng, appcode)
    value = rng.choice((b"100-continue", b"100-Continue", b"200-ok", b"", b"100-continue, x"))
    whole = made.sent((b"Expect", value))
    split = whole.index(b"\r\n\r\n") + 4
    return Case(
        "", (whole[:split], whole[split:]), pause=0.02, answers=(made.answer,) if value[:5].lower() == b"100-c" else ()
    )


def _flips(rng: Random, appcode: str) -> Case:
    return _one(_flipped(rng, good(rng, appcode).sent(), rng.choice((1, 2, 5, 30))))


def _noise(rng: Random, _appcode: str) -> Case:
    hello = bytes.fromhex("16030100a5010000a10303") + rng.randbytes(160)
    return _one(
        rng.choice(
            (rng.randbytes(rng.randint(1, 4000)), hello, b"\r\n" * 500, b"\0" * 3000, b"SSH-2.0-x\r\n", b"A" * 300_000)
        )
    )


def _huge(rng: Random, appcode: str) -> Case:
    size = rng.choice((8 * _MIB - 100, 8 * _MIB + 1, 9 * _MIB))
    filler = rng.choice(
        (
            b"img=" + b"A" * size,
            b"img=" + b"%41" * (size // 3),
            b"a=b&" * (size // 4),
            b"{" * size,
            b"\r\n" * (size // 2),
        )
    )
    if rng.random() < 0.5:
        return _one(_sized(appcode if rng.random() < 0.7 else "unknown", filler, _FORM))
    return _one(
        _post(appcode, b"%x\r\n%s\r\n0\r\n\r\n" % (len(filler), filler), _FORM, (b"Transfer-Encoding", b"chunked"))
    )


def _upgrade(rng: Random, appcode: str) -> Case:
    headers = {
        b"websocket": (
            (b"Sec-WebSocket-Version", rng.choice((b"13", b"8", b"x"))),
            (b"Sec-WebSocket-Key", rng.choice((b"A" * 24, b"", b"\xff"))),
        ),
        b"h2c": ((b"HTTP2-Settings", rng.choice((b"AAMAAABkAAQAAP__", b"", b"!", b"A" * 3000))),),
    }
    wanted = rng.choice(list(headers))
    line = rng.choice((b"GET /ocr HTTP/1.1", b"POST /ocr HTTP/1.1", b"GET /x HTTP/1.1", b"GET /ocr HTTP/1.0"))
    head = _post(
        appcode, b"", (b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", wanted), *headers[wanted], line=line
    )
    return Case("", (head, rng.choice((b"", rng.randbytes(50), frames.PREFACE))), pause=0.01, http2=wanted == b"h2c")


def _frames(rng: Random, appcode: str) -> Case:
    return Case("", (frames.mutated(rng, appcode),), http2=True)


def _flipped(rng: Random, data: bytes, times: int) -> bytes:
    """``data`` with a few bytes changed, dropped, doubled or put in."""
    mutated = bytearray(data)
    for _ in range(times):
        at = rng.randrange(len(mutated) + 1)
        match rng.randrange(4):
            case 0:
                mutated[at : at + 1] = rng.randbytes(1)
            case 1:
                del mutated[at : at + rng.choice((1, 1, 20))]
            case 2:
                mutated[at:at] = mutated[at : at + rng.choice((1, 8, 100))]
            case _:
                mutated[at:at] = rng.choice(words.ODD[:11])
    return bytes(mutated)


KINDS: dict[str, Callable[[Random, str], Case]] = {
    "request line": _request_line,
    "headers": _headers,
    "length": _length,
    "chunks": _chunks,
    "multipart": _multipart,
    "JSON": _json,
    "form": _form,
    "base64": _base64,
    "smuggling": _smuggling,
    "cut off": _cut_off,
    "dribble": _dribble,
    "pipelined": _pipelined,
    "expecting": _expecting,
    "flipped bytes": _flips,
    "noise": _noise,
    "huge": _huge,
    "upgrade": _upgrade,
    "HTTP/2": _frames,
}
