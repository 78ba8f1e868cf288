"""A name server that lies as it is told, and a resolver that asks it over UDP.

The service asks the system (``getaddrinfo``); which server that would ask is no business of a test.  So the fetcher
gets this resolver in its place, and everything behind it is real: datagrams, records, chains, time.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import cast

A, CNAME, AAAA = 1, 5, 28
NXDOMAIN, SERVFAIL = 3, 2
MAX_CHAIN = 8
PATIENCE = 0.1

#: Name → records (``A 1.1.1.1``, ``CNAME b.example``), or several lists of them, one for each time it is asked.
#: A single word in place of records is a misdeed: ``SILENCE``, ``GARBAGE``, ``SERVFAIL``, ``TRUNCATED``, ``OTHER-ID``.
Zone = Mapping[str, Sequence[str] | Sequence[Sequence[str]]]


class NameServer(asyncio.DatagramProtocol):
    """Answers from a zone; what is not in it does not exist."""

    def __init__(self, zone: Zone) -> None:
        self._rounds = {name.lower(): _rounds(records) for name, records in zone.items()}
        self.asked: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, kind = _question(data)
        rounds = self._rounds.get(name.lower())
        if kind == A:
            self.asked.append(name)
        if rounds is None:
            self._transport.sendto(_message(data, NXDOMAIN, []), addr)
            return
        # a round is both questions of one resolution, A and then AAAA
        records = rounds[0]
        if kind == AAAA and len(rounds) > 1:
            rounds.pop(0)
        match records:
            case ["SILENCE"]:
                return
            case ["GARBAGE"]:
                reply = random.Random(1).randbytes(300)
            case ["SERVFAIL"]:
                reply = _message(data, SERVFAIL, [])
            case ["TRUNCATED"]:
                reply = _message(data, 0, ["A 1.0.0.10"])[:-3]
            case ["OTHER-ID"]:
                whole = _message(data, 0, ["A 1.0.0.10"])
                reply = bytes([whole[0] ^ 0xFF]) + whole[1:]
            case _:
                wanted = {A: ("A ", "CNAME "), AAAA: ("AAAA ", "CNAME ")}[kind]
                reply = _message(data, 0, [record for record in records if record.startswith(wanted)])
        self._transport.sendto(reply, addr)


def _rounds(records: Sequence[str] | Sequence[Sequence[str]]) -> list[list[str]]:
    if records and not isinstance(records[0], str):
        return [list(one) for one in records]
    return [[str(record) for record in records]]


def _encode_name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in name.encode("ascii").rstrip(b".").split(b".")) + b"\0"


def _message(question: bytes, status: int, records: Sequence[str]) -> bytes:
    head = question[:2] + struct.pack("!HHHHH", 0x8180 | status, 1, len(records), 0, 0)
    return head + question[12:] + b"".join(map(_record, records))


def _record(record: str) -> bytes:
    kind, _, value = record.partition(" ")
    number = {"A": A, "AAAA": AAAA, "CNAME": CNAME}[kind]
    content = _encode_name(value) if kind == "CNAME" else ip_address(value).packed
    return b"\xc0\x0c" + struct.pack("!HHIH", number, 1, 0, len(content)) + content


def _question(data: bytes) -> tuple[str, int]:
    name, end = _decode_name(data, 12)
    return name, struct.unpack_from("!H", data, end)[0]


def _decode_name(data: bytes, at: int) -> tuple[str, int]:
    labels, end, hops = [], 0, 0
    while length := data[at]:
        if length >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from("!H", data, at)[0] & 0x3FFF
            hops += 1
            if hops > MAX_CHAIN:
                raise ValueError("a name that runs in a circle")
            continue
        labels.append(data[at + 1 : at + 1 + length].decode("ascii"))
        at += 1 + length
    return ".".join(labels), end or at + 1


class StubResolver:
    """Asks one name server over UDP: A, AAAA, and along CNAMEs.  Believes whatever addresses it gets."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        return [*await self._chase(host, A), *await self._chase(host, AAAA)]

    async def _chase(self, host: str, kind: int) -> list[str]:
        for _ in range(MAX_CHAIN):
            try:
                records = _answers(await self._ask(host, kind))
            except (ValueError, IndexError, struct.error) as error:
                raise OSError("the name server talks nonsense") from error
            found = [value for number, value in records if number == kind]
            aliases = [value for number, value in records if number == CNAME]
            if found or not aliases:
                return found
            host = aliases[0]
        raise OSError("too many aliases")

    async def _ask(self, host: str, kind: int) -> bytes:
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()
        identity = struct.pack("!H", random.randrange(1 << 16))
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Waiting(reply, identity), remote_addr=("127.0.0.1", self._port)
        )
        try:
            question = _encode_name(host) + struct.pack("!HH", kind, 1)
            transport.sendto(identity + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + question)
            async with asyncio.timeout(PATIENCE):
                return await reply
        except TimeoutError:
            raise OSError("the name server does not answer") from None
        finally:
            transport.close()


class _Waiting(asyncio.DatagramProtocol):
    def __init__(self, reply: asyncio.Future[bytes], identity: bytes) -> None:
        self._reply, self._identity = reply, identity

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data.startswith(self._identity) and not self._reply.done():
            self._reply.set_result(data)


def _answers(data: bytes) -> list[tuple[int, str]]:
    flags, _, count = struct.unpack_from("!HHH", data, 2)
    if flags & 0xF:
        raise OSError("no such name")
    at = _decode_name(data, 12)[1] + 4
    found: list[tuple[int, str]] = []
    for _ in range(count):
        at = _decode_name(data, at)[1]
        number, _, _, size = struct.unpack_from("!HHIH", data, at)
        content = data[at + 10 : at + 10 + size]
        if number == A:
            found.append((A, str(IPv4Address(content))))
        elif number == AAAA:
            found.append((AAAA, str(IPv6Address(content))))
        elif number == CNAME:
            found.append((CNAME, _decode_name(data, at + 10)[0]))
        at += 10 + size
    return found


@contextlib.asynccontextmanager
async def name_server(zone: Zone) -> AsyncIterator[tuple[NameServer, StubResolver]]:
    """A name server on loopback, and a resolver that asks it."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: NameServer(zone), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, StubResolver(transport.get_extra_info("sockname")[1])
    finally:
        transport.close()
