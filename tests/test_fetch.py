"""docs/contract.md §6, tried on servers of the test's own; no name is resolved and nothing leaves the machine."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ziyan import fetch
from ziyan.errors import FetchError
from ziyan.fetch import Fetcher, SystemResolver
from ziyan.settings import Settings

LIMIT = 1 << 20
PICTURE = bytes(range(256)) * 100
Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Names:
    """A resolver that knows what a test tells it, and remembers what it was asked."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known = {name.replace("_", "."): list(addresses) for name, addresses in known.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.known:
            raise OSError("unknown name")
        return self.known[host]


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that answers each connection's one request as ``handler`` does; gives its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            try:
                await handler(await reader.readuntil(b"\r\n\r\n"), writer)
                await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.append(asyncio.create_task(answer(reader, writer)))

    answers: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in answers:
            task.cancel()
        await asyncio.gather(*answers, return_exceptions=True)


def replying(*chunks: bytes) -> Handler:
    async def reply(_request: bytes, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)

    return reply


def ok(body: bytes, *headers: str) -> Handler:
    return replying("\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode(), body)


def here(port: int, **more: object) -> Fetcher:
    """A fetcher for which pics.example is the test's own server."""
    return Fetcher(
        allow=["pics.example"],
        ports=[port, 80, 443],
        resolver=Names(pics_example=["127.0.0.1"]),
        **more,  # type: ignore[arg-type]
    )


# --- urls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://pics.example:{}/a.png", "pics.example", b"/a.png"),
        ("HTTP://PICS.example:{}/a.png", "pics.example", b"/a.png"),
        ("http://pics.example:{}", "pics.example", b"/"),
        ("http://pics.example:{}?a=@b", "pics.example", b"/?a=@b"),
        ("http://pics.example:{}/a?b=c&d=%41#secret@part", "pics.example", b"/a?b=c&d=%41"),
        ("http://pics.example:{}/图 片.png".replace(" ", ""), "pics.example", b"/%E5%9B%BE%E7%89%87.png"),
        ("http://pics.example:{}/../a/./b", "pics.example", b"/a/b"),
        ("http://图片.example:{}/", "xn--wcsw84d.example", b"/"),
    ],
)
async def test_url_is_fetched(url: str, host: str, target: bytes) -> None:
    seen: list[bytes] = []

    async def note(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        await ok(PICTURE)(request, writer)

    async with serving(note) as port:
        names = Names()
        names.known = {host: ["127.0.0.1"]}
        fetcher = Fetcher(allow=[host], ports=[port], resolver=names)
        assert await fetcher.fetch(url.format(port), max_bytes=LIMIT) == PICTURE
    assert seen[0].startswith(b"GET " + target + b" HTTP/1.1\r\n")
    assert f"\r\nHost: {host}:{port}\r\n".encode() in seen[0]
    assert b"\r\nAccept-Encoding: identity\r\n" in seen[0]
    assert b"Authorization" not in seen[0]


def test_a_name_longer_than_any_may_be_is_refused() -> None:
    with pytest.raises(FetchError):
        asyncio.run(Fetcher().fetch("http://" + "a" * 70 + ".example/", max_bytes=LIMIT))


# --- answers ------------------------------------------------------------------------------------------------------

LENGTH = f"Content-Length: {len(PICTURE)}"

FETCHED: dict[str, Handler] = {
    "with its length": ok(PICTURE, LENGTH),
    "until the connection ends": ok(PICTURE),
    "in chunks": ok(b"%x\r\n%s\r\n0\r\n\r\n" % (len(PICTURE), PICTURE), "Transfer-Encoding: chunked"),
    "encoded as identity": ok(PICTURE, "Content-Encoding: Identity"),
    "more than was declared": ok(PICTURE + b"more", LENGTH),
    "after an interim answer": replying(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", PICTURE),
    "as HTML": ok(PICTURE, "Content-Type: text/html"),
}

NOT_FETCHED: dict[str, Handler] = {
    "404": replying(b"HTTP/1.1 404 Not Found\r\n\r\n", PICTURE),
    "201": replying(b"HTTP/1.1 201 Created\r\n\r\n", PICTURE),
    "206": replying(b"HTTP/1.1 206 Partial Content\r\n\r\n", PICTURE),
    "666": replying(b"HTTP/1.1 666 Odd\r\n\r\n", PICTURE),
    "304": replying(b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    "declared too large": ok(b"", f"Content-Length: {LIMIT + 1}"),
    "declared far too large": ok(b"", f"Content-Length: {'9' * 19}"),
    "declared as no number": ok(b"", "Content-Length: many"),
    "too large undeclared": ok(b"a" * (LIMIT + 1)),
    "too large in chunks": ok(b"%x\r\n" % (LIMIT * 9) + b"a" * (LIMIT + 1), "Transfer-Encoding: chunked"),
    "less than was declared": ok(PICTURE[:-1], LENGTH),
    "two lengths": ok(PICTURE, LENGTH, "Content-Length: 1"),
    "compressed": ok(gzip.compress(PICTURE), "Content-Encoding: gzip"),
    "compressed twice": ok(gzip.compress(gzip.compress(PICTURE)), "Content-Encoding: gzip, gzip"),
    "broken chunks": ok(b"zz\r\n", "Transfer-Encoding: chunked"),
    "nothing": replying(),
    "not HTTP": replying(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"),
    "TLS": replying(b"\x15\x03\x01\x00\x02\x02\x0a"),
    "headers without end": replying(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 100_000),
    "redirect to nowhere": replying(b"HTTP/1.1 302 Found\r\n\r\n"),
    "redirect to itself": replying(b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n"),
    "redirect into the loopback": replying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"),
    "redirect by number": replying(b"HTTP/1.1 301 Moved\r\nLocation: http://2130706433/\r\n\r\n"),
    "redirect without a scheme": replying(b"HTTP/1.1 307 Moved\r\nLocation: //[::1]/\r\n\r\n"),
    "redirect to a metadata service": replying(b"HTTP/1.1 308 Moved\r\nLocation: http://169.254.169.254/\r\n\r\n"),
    "redirect to a private name": replying(b"HTTP/1.1 303 Other\r\nLocation: http://inside.example/\r\n\r\n"),
    "redirect to another scheme": replying(b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"),
    "redirect to another port": replying(b"HTTP/1.1 302 Found\r\nLocation: http://pics.example:22/\r\n\r\n"),
    "redirect with a password": replying(b"HTTP/1.1 302 Found\r\nLocation: http://a:b@pics.example/\r\n\r\n"),
    "redirect to garbage": replying(b"HTTP/1.1 302 Found\r\nLocation: http://[\xff\r\n\r\n"),
    "redirect to a long address": replying(b"HTTP/1.1 302 Found\r\nLocation: /" + b"a" * 5000 + b"\r\n\r\n"),
}


@pytest.mark.parametrize("handler", FETCHED.values(), ids=FETCHED)
async def test_answer_is_taken(handler: Handler) -> None:
    async with serving(handler) as port:
        assert await here(port).fetch(f"http://pics.example:{port}/", max_bytes=LIMIT) == PICTURE


@pytest.mark.parametrize("handler", NOT_FETCHED.values(), ids=NOT_FETCHED)
async def test_answer_is_refused(handler: Handler) -> None:
    async with serving(handler) as port:
        fetcher = here(port)
        fetcher._resolver.known["inside.example"] = ["10.0.0.1"]  # type: ignore[attr-defined]
        with pytest.raises(FetchError):
            await fetcher.fetch(f"http://pics.example:{port}/", max_bytes=LIMIT)


async def test_exactly_the_limit_is_taken() -> None:
    async with serving(ok(PICTURE)) as port:
        fetcher, url = here(port), f"http://pics.example:{port}/"
        assert await fetcher.fetch(url, max_bytes=len(PICTURE)) == PICTURE
        with pytest.raises(FetchError):
            await fetcher.fetch(url, max_bytes=len(PICTURE) - 1)


@pytest.mark.parametrize(("hops", "fetched"), [(1, True), (3, True), (4, False)])
async def test_three_redirects_are_followed_and_each_name_is_resolved_again(hops: int, fetched: bool) -> None:
    async def redirect(request: bytes, writer: asyncio.StreamWriter) -> None:
        step = int(request.split(b" ")[1].strip(b"/"))
        if step == hops:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + PICTURE)
        else:
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {step + 1}\r\n\r\n".encode())

    async with serving(redirect) as port:
        fetcher, url = here(port), f"http://pics.example:{port}/0"
        if fetched:
            assert await fetcher.fetch(url, max_bytes=LIMIT) == PICTURE
        else:
            with pytest.raises(FetchError):
                await fetcher.fetch(url, max_bytes=LIMIT)
    assert fetcher._resolver.asked == ["pics.example"] * min(hops + 1, 4)  # type: ignore[attr-defined]


async def test_a_name_that_changes_between_look_and_leap_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: what was judged is what is connected to; the name is asked once for each connection."""
    connected: list[str] = []
    answers = iter([["1.1.1.1"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    class NoNetwork:
        async def connect_tcp(self, host: str, *_: object) -> None:
            connected.append(host)
            raise fetch.httpcore.ConnectError("no network here")

    monkeypatch.setattr(fetch.httpcore, "AnyIOBackend", NoNetwork)
    fetcher = Fetcher(resolver=rebinding)
    for _ in range(2):
        with pytest.raises(FetchError):
            await fetcher.fetch("http://rebinding.example/", max_bytes=LIMIT)
    assert connected == ["1.1.1.1"]


async def test_an_address_that_does_not_answer_gives_way_to_the_next() -> None:
    async with serving(ok(PICTURE)) as port:
        names = Names(pics_example=["127.0.0.2", "127.0.0.1"])
        fetcher = Fetcher(allow=["pics.example"], ports=[port], resolver=names)
        assert await fetcher.fetch(f"http://pics.example:{port}/", max_bytes=LIMIT) == PICTURE


# --- time ---------------------------------------------------------------------------------------------------------


async def drip_headers(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"A: b\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def drip_body(_request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.01)


async def say_nothing(_request: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("handler", [drip_headers, drip_body, say_nothing])
async def test_a_server_that_takes_its_time_is_left(handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.3)
    async with serving(handler) as port:
        with pytest.raises(FetchError, match="too long"):
            await here(port).fetch(f"http://pics.example:{port}/", max_bytes=LIMIT)


async def test_a_name_server_that_takes_its_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(fetch, "TOTAL_SECONDS", 0.3)
    with pytest.raises(FetchError, match="too long"):
        await Fetcher(resolver=never).fetch("http://a.example/", max_bytes=LIMIT)


# --- TLS and surroundings -----------------------------------------------------------------------------------------


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server called ``name`` and of a client that trusts its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=built.public_bytes(serialization.Encoding.PEM).decode())


async def test_https_asks_for_and_verifies_the_hosts_own_name(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "pics.example")
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with serving(ok(PICTURE), server) as port:
        assert await here(port, ssl_context=client).fetch(f"https://pics.example:{port}/", max_bytes=LIMIT) == PICTURE
    assert asked == ["pics.example"]


async def test_https_refuses_another_name_and_an_unknown_authority(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "other.example")
    async with serving(ok(PICTURE), server) as port:
        for fetcher in (here(port, ssl_context=client), here(port)):
            with pytest.raises(FetchError):
                await fetcher.fetch(f"https://pics.example:{port}/", max_bytes=LIMIT)


async def test_https_does_not_redirect_to_http(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "pics.example")
    down = replying(b"HTTP/1.1 302 Found\r\nLocation: http://pics.example/\r\n\r\n")
    async with serving(down, server) as port:
        with pytest.raises(FetchError, match="from https to http"):
            await here(port, ssl_context=client).fetch(f"https://pics.example:{port}/", max_bytes=LIMIT)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(ok(PICTURE)) as port:
        assert await here(port).fetch(f"http://pics.example:{port}/", max_bytes=LIMIT) == PICTURE


async def test_hosts_and_ports_are_allowed_by_settings() -> None:
    async with serving(ok(PICTURE)) as port:
        url = f"http://127.0.0.1:{port}/"
        allowed = Settings.load(fetch_allow=" Pics.example, 127.0.0.1 ,", fetch_ports=f"80, {port}")
        assert await Fetcher.from_settings(allowed).fetch(url, max_bytes=LIMIT) == PICTURE
        for refused in (Settings.load(fetch_ports=str(port)), Settings.load(fetch_allow="127.0.0.1")):
            with pytest.raises(FetchError):
                await Fetcher.from_settings(refused).fetch(url, max_bytes=LIMIT)


async def test_the_system_is_asked_for_names() -> None:
    assert "127.0.0.1" in await SystemResolver()("127.0.0.1", 80)
    with pytest.raises(FetchError):
        await Fetcher().fetch("http://" + "a" * 64 + ".example/", max_bytes=LIMIT)


async def test_a_real_connections_far_end_is_the_judged_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if loopback were public: what the system says of a real socket is what the guard looks at."""
    monkeypatch.setattr(fetch, "is_public", lambda _address: True)
    async with serving(ok(PICTURE)) as port:
        for host in ("127.0.0.1", "localhost"):
            resolver = Names(localhost=["127.0.0.1"])
            fetcher = Fetcher(ports=[port], resolver=resolver)
            assert await fetcher.fetch(f"http://{host}:{port}/", max_bytes=LIMIT) == PICTURE


# --- sending --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 302, 500])
async def test_what_is_posted_arrives_and_its_status_is_told(status: int) -> None:
    heads: list[bytes] = []

    async def take(request: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(request)
        writer.write(f"HTTP/1.1 {status} So\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n".encode())

    async with serving(take) as port:
        found = await here(port).post(f"http://pics.example:{port}/hook?a=b", {"webhook-id": "msg_1"}, b"{}")
    assert found == status
    (head,) = heads
    assert head.startswith(b"POST /hook?a=b HTTP/1.1\r\nHost: pics.example")
    assert b"\r\nwebhook-id: msg_1\r\n" in head
    assert b"\r\nContent-Length: 2\r\n" in head


async def test_posting_is_guarded_as_fetching_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(ok(b"")) as port:
        with pytest.raises(FetchError, match="private network"):
            await Fetcher(ports=[port]).post(f"http://127.0.0.1:{port}/", {}, b"")
    with pytest.raises(FetchError, match="port"):
        await Fetcher().post("https://example.com:8443/", {}, b"")
    monkeypatch.setattr(fetch, "POST_SECONDS", 0.05)
    async with serving(say_nothing) as port:
        with pytest.raises(FetchError, match="too long"):
            await here(port).post(f"http://pics.example:{port}/", {}, b"")
