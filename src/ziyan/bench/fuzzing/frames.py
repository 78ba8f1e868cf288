"""HTTP/2 with prior knowledge: a well-formed call, and what mutation makes of its frames."""

from __future__ import annotations

import base64
from random import Random

import h2.config
import h2.connection
import h2.errors

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#: What a client may send before the server has said how much more it takes.
WINDOW = 65_535
FRAME = 16_384
_KINDS = range(12)


def call(appcode: str, picture: bytes) -> tuple[bytes, bytes]:
    """A call over HTTP/2: what opens the connection, and the call itself.  ``picture`` must be under 40 KiB."""
    client = h2.connection.H2Connection(h2.config.H2Configuration())
    client.initiate_connection()
    opening = client.data_to_send()
    client.send_headers(
        1,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "ocr.example"),
            (":path", "/ocr"),
            ("authorization", f"APPCODE {appcode}"),
            ("content-type", "application/x-www-form-urlencoded"),
        ],
    )
    body = b"img=" + base64.urlsafe_b64encode(picture)
    for start in range(0, len(body), FRAME):
        client.send_data(1, body[start : start + FRAME], end_stream=start + FRAME >= len(body))
    return opening, client.data_to_send()


def frame(kind: int, flags: int, stream: int, payload: bytes, length: int | None = None) -> bytes:
    """One frame; ``length`` is what its head says."""
    said = len(payload) if length is None else length
    return (said & 0xFFFFFF).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def mutated(rng: Random, appcode: str) -> bytes:
    """A connection on which something is wrong."""
    opening, request = call(appcode, rng.randbytes(rng.choice((3, 3000, 30_000))))
    match rng.randrange(7):
        case 0:
            return (opening + request)[: rng.randrange(len(opening + request))]
        case 1:
            return _changed(rng, opening, len(PREFACE)) + request
        case 2:
            return opening + _changed(rng, request, 0)
        case 3:
            return opening + b"".join(_random_frame(rng) for _ in range(rng.randint(1, 30))) + request
        case 4:
            return opening + request + b"".join(_random_frame(rng) for _ in range(rng.randint(1, 30)))
        case 5:
            return opening + _storm(rng)
        case _:
            return PREFACE[: rng.randrange(1, len(PREFACE))] + rng.randbytes(rng.randrange(100))


def _changed(rng: Random, data: bytes, start: int) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 2, 10))):
        changed[rng.randrange(start, len(changed))] = rng.randrange(256)
    return bytes(changed)


def _random_frame(rng: Random) -> bytes:
    payload = rng.randbytes(rng.choice((0, 1, 4, 5, 6, 8, 9, 100, FRAME + 1)))
    stream = rng.choice((0, 1, 1, 2, 3, 5, 0x7FFF_FFFF, 0xFFFF_FFFF))
    length = rng.choice((None, None, None, 0, 0xFFFFFF))
    return frame(rng.choice((*_KINDS, 200)), rng.choice((0, 1, 4, 5, 0x0D, 0xFF)), stream, payload, length)


def _storm(rng: Random) -> bytes:
    """Much of one thing: known ways to keep a server busy."""
    many = rng.choice((100, 2000))
    reset = frame(3, 0, 1, h2.errors.ErrorCodes.CANCEL.to_bytes(4, "big"))
    match rng.randrange(5):
        case 0:
            return frame(4, 0, 0, b"\0\3\0\0\0\x64") * many
        case 1:
            return frame(6, 0, 0, b"pingpong") * many
        case 2:  # a head that never ends
            return frame(1, 0, 1, b"\x82") + frame(9, 0, 1, b"\x40\x01a\x01b" * 1000) * 20
        case 3:  # streams opened and reset at once
            opened = b"\x83\x86\x84\x41\x01x"
            return b"".join(
                frame(1, 5, 2 * number + 1, opened) + reset[:5] + (2 * number + 1).to_bytes(4, "big") + reset[9:]
                for number in range(many)
            )
        case _:
            return frame(8, 0, 0, b"\x7f\xff\xff\xff") * many
