"""A picture's address → its bytes, guarded (``docs/contract.md`` §6).

The caller names the address, so it must not become a way into the network this service stands in.  What decides is
the numeric address a connection is about to be made to: names are resolved here, every resolved address is judged,
and the connection goes to one of exactly those, so a name that resolves differently the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Final

import httpcore
import httpx

from ziyan.errors import FetchError, SettingsError
from ziyan.settings import Settings, listed, load_authorities

#: host, port → numeric addresses.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_URL_CHARS: Final = 255
MAX_REDIRECTS: Final = 3
TOTAL_SECONDS: Final = 5.0
POST_SECONDS: Final = 20.0
_CONNECT_SECONDS: Final = 2.0
_MAX_REDIRECT_CHARS: Final = 4096
_IDENTITY: Final = re.compile(rb"\s*(?:identity)?\s*", re.IGNORECASE)
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HEADERS: Final = (
    (b"User-Agent", b"Ziyan"),
    (b"Accept", b"image/*,*/*;q=0.8"),
    (b"Accept-Encoding", b"identity"),
    (b"Connection", b"close"),
)

#: IANA's special-purpose blocks, and what hides another address inside; see ``is_public``.
_REFUSED_V4: Final = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; one cloud's metadata service
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host agent, in public clothes
        "169.254.0.0/16",  # link-local; most clouds' metadata service
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112: answers for private names
        "192.52.193.0/24",  # AMT: multicast through a tunnel
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
#: Of IPv6 only global unicast is public at all: that leaves out loopback, mapped and NAT64 addresses, ULA, link-local…
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_REFUSED_V6: Final = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
#: The third quarter of an address that ISATAP tunnels to the IPv4 address in the fourth, under any prefix.
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
#: What a name may be made of; whatever else a resolver or another program on the way would make of it is not tried.
_HOST_NAME: Final = re.compile(r"(?=.{1,253}\.?$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.?")
#: A host, in brackets or without a colon, and a port in plain digits or none.
_PORT_AT_END: Final = re.compile(r"(?:\[[^\]]*\]|[^:]+)(?::[0-9]{0,5})?")
#: Browsers and ``inet_aton`` read a host whose last label is a number as IPv4, in octal, hex or fewer parts.
_NUMERIC_HOST: Final = re.compile(r"(?:^|\.)(?:\d+|0[xX][0-9a-fA-F]*)\.?$")
_AUTHORITY_END: Final = re.compile(r"[/?#]")
_ODD_CHARACTERS: Final = re.compile(r"[\x00-\x20\x7f\\]|\s")


def is_public(address: str) -> bool:
    """Whether a numeric address is one that anybody on the Internet may be sent to."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, IPv4Address):
        return not any(parsed in block for block in _REFUSED_V4)
    if parsed.scope_id is not None:  # names a network interface of this machine
        return False
    if int(parsed) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return False
    return parsed in _GLOBAL_V6 and not any(parsed in block for block in _REFUSED_V6)


class Fetcher:
    """Fetches pictures for callers.  Holds nothing of any fetch; safe for many at once."""

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        ports: Iterable[int] = (80, 443),
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Set the rules.

        Args:
            allow: Hosts that may have private addresses.
            ports: Ports that may be named.
            resolver: Finds a host's addresses; None asks the system.
            ssl_context: How certificates are verified; None takes the public authorities.
        """
        self._allow = frozenset(host.lower() for host in allow)
        self._ports = frozenset(ports)
        self._resolver = resolver or SystemResolver()
        self._given_ssl_context = ssl_context

    @classmethod
    def from_settings(cls, settings: Settings) -> Fetcher:
        """The rules of ``ZIYAN_FETCH_ALLOW``, ``ZIYAN_FETCH_PORTS`` and ``ZIYAN_FETCH_CA``.

        Raises:
            SettingsError: The authorities could be loaded when the settings were read, and no longer can.
        """
        return cls(
            allow=listed(settings.fetch_allow),
            ports=map(int, listed(settings.fetch_ports)),
            ssl_context=_trusting(settings.fetch_ca) if settings.fetch_ca else None,
        )

    @cached_property
    def _ssl_context(self) -> ssl.SSLContext:
        return self._given_ssl_context or httpx.create_ssl_context(trust_env=False)

    async def fetch(self, address: str, *, max_bytes: int, max_chars: int = MAX_URL_CHARS) -> bytes:
        """Get what lies at ``address``, within five seconds in all.

        Args:
            address: Where.
            max_bytes: How much of it at most.
            max_chars: How long the address may be.

        Raises:
            FetchError: Malformed, longer than ``max_chars``, refused, unreachable, too slow, not 200, or over
                ``max_bytes``.
        """
        if len(address) > max_chars:
            raise FetchError("The address is too long", reason="malformed")
        with _explained():
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._follow(self._checked(address), max_bytes)

    async def refusal(self, address: str) -> str:
        """Why nothing would be asked for or sent there, as far as can be told without doing so; empty if it would."""
        try:
            with _explained():
                async with asyncio.timeout(TOTAL_SECONDS):
                    url = self._checked(address)
                    backend = _GuardedBackend(self._resolver, self._allow)
                    await backend.addresses(url.raw_host.decode("ascii"), url.port or _DEFAULT_PORTS[url.scheme])
        except FetchError as error:
            return str(error)
        return ""

    async def post(self, address: str, headers: Mapping[str, str], body: bytes) -> int:
        """Send ``body`` to ``address``, under the same guard, within twenty seconds; redirects are not followed.

        Returns:
            The status of the answer, whose content is not read.

        Raises:
            FetchError: Malformed, refused, unreachable or too slow.
        """
        with _explained():
            async with asyncio.timeout(POST_SECONDS):
                url = self._checked(address)
                given = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
                length = (b"Content-Length", str(len(body)).encode())
                asked = [(b"Host", url.netloc), *_HEADERS, length, *given]
                async with (
                    self._pool() as pool,
                    pool.stream(
                        "POST", _for_httpcore(url), headers=asked, content=body, extensions=_sni(url)
                    ) as answer,
                ):
                    return answer.status

    @asynccontextmanager
    async def _pool(self) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        async with (
            _GuardedBackend(self._resolver, self._allow) as backend,
            httpcore.AsyncConnectionPool(ssl_context=self._ssl_context, network_backend=backend) as pool,
        ):
            yield pool

    async def _follow(self, url: httpx.URL, max_bytes: int) -> bytes:
        async with self._pool() as pool:
            for _ in range(MAX_REDIRECTS + 1):
                headers = [(b"Host", url.netloc), *_HEADERS]
                target = _for_httpcore(url)
                async with pool.stream("GET", target, headers=headers, extensions=_sni(url)) as response:
                    if response.status not in _REDIRECTS:
                        return await _content(response, max_bytes)
                    location = _header(response, b"location")
                url = self._redirected(url, location)
        raise FetchError("The address redirects too often", reason="redirects")

    def _redirected(self, url: httpx.URL, location: str) -> httpx.URL:
        if not location or len(location) > _MAX_REDIRECT_CHARS or _ODD_CHARACTERS.search(location):
            raise FetchError("The address redirects to nowhere", reason="redirects")
        try:
            target = self._checked(str(url.join(location)))
        except httpx.InvalidURL as error:
            raise FetchError("The address redirects to nowhere", reason="redirects", internal=str(error)) from None
        if url.scheme == "https" and target.scheme == "http":
            raise FetchError("The address redirects from https to http", reason="redirects")
        return target

    def _checked(self, address: str) -> httpx.URL:
        """The address in its one normal form, if it is one that may be asked for at all."""
        if _ODD_CHARACTERS.search(address):
            raise FetchError("The address is malformed", reason="malformed")
        try:
            url = httpx.URL(address)
            port = url.port if url.port is not None else _DEFAULT_PORTS.get(url.scheme)
            host = url.raw_host.decode("ascii")
        except (httpx.InvalidURL, UnicodeError, ValueError) as error:
            raise FetchError("The address is malformed", reason="malformed", internal=str(error)) from None
        if url.scheme not in _DEFAULT_PORTS or not host or "%" in host:
            raise FetchError("The address is malformed", reason="malformed")
        authority = _AUTHORITY_END.split(address.partition("://")[2], maxsplit=1)[0]
        if "@" in authority:
            raise FetchError("The address carries a user name", reason="malformed")
        if not (_HOST_NAME.fullmatch(host) or ":" in host) or not _PORT_AT_END.fullmatch(authority):
            raise FetchError("The address is malformed", reason="malformed")
        if port not in self._ports:
            raise FetchError("The address names a port that is not allowed", reason="port")
        if _NUMERIC_HOST.search(host) and not _is_dotted_quad(host):
            raise FetchError("The address hides a number in its host", reason="malformed")
        return url


class SystemResolver:
    """Asks the operating system, on threads of its own: a slow name server must hold up nothing but fetches."""

    def __init__(self, threads: int = 8) -> None:
        """Use at most ``threads`` at once."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Numeric addresses of ``host``, the system's preferred one first."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _getaddrinfo, host, port)
        return list(dict.fromkeys(found))


def _getaddrinfo(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to a host only at an address that has been judged.  TLS still asks for the host's own name."""

    def __init__(self, resolver: Resolver, allow: frozenset[str]) -> None:
        self._resolver = resolver
        self._allow = allow
        self._network = httpcore.AnyIOBackend()
        self._streams: list[httpcore.AsyncNetworkStream] = []

    async def __aenter__(self) -> _GuardedBackend:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection: httpcore lets go of one whose TLS handshake is cut off by the time limit."""
        for stream in self._streams:
            with suppress(OSError):
                await stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature; the time is set here
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = FetchError("The address's host is not known", reason="unknown_host")
        for address in await self.addresses(host, port):
            try:
                stream = await self._network.connect_tcp(address, port, _CONNECT_SECONDS, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                self._streams.append(stream)
                self._check_peer(stream, host, address)
                return stream
        raise failure

    def _check_peer(self, stream: httpcore.AsyncNetworkStream, host: str, address: str) -> None:
        """Hold the far end, as the system names it, against the address that was judged."""
        peer = (stream.get_extra_info("server_addr") or ("",))[0]
        if host.lower() in self._allow or _literal(peer) == _literal(address):
            return
        raise FetchError(
            "The address leads into a private network",
            reason="private_address",
            internal=f"{host} is {address}, and connects to {peer}",
        )

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Where a host is; each address may be connected to.

        Raises:
            FetchError: One of them may not, or there is none.
        """
        literal = _literal(host)
        addresses = [literal] if literal else await self._resolve(host, port)
        if host.lower() not in self._allow:
            refused = [address for address in addresses if not is_public(address)]
            if refused:  # one is enough: an honest name has no private address among public ones
                raise FetchError(
                    "The address leads into a private network",
                    reason="private_address",
                    internal=f"{host} is {refused[0]}",
                )
        return addresses

    async def _resolve(self, host: str, port: int) -> Sequence[str]:
        try:
            return await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchError("The address's host is not known", reason="unknown_host", internal=repr(error)) from None


async def _content(response: httpcore.Response, max_bytes: int) -> bytes:
    if response.status != 200:
        raise FetchError(
            "The address does not answer with a picture", reason="status", internal=f"status {response.status}"
        )
    if any(not _IDENTITY.fullmatch(value) for key, value in response.headers if key.lower() == b"content-encoding"):
        raise FetchError("The address answers compressed, which was not asked for", reason="compressed")
    declared = _header(response, b"content-length")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise FetchError("The picture at the address is too large", reason="too_large")
    content = bytearray()
    async for chunk in response.aiter_stream():
        content += chunk
        if len(content) > max_bytes:
            raise FetchError("The picture at the address is too large", reason="too_large")
    return bytes(content)


@contextmanager
def _explained() -> Iterator[None]:
    """What the network does becomes a FetchError."""
    try:
        yield
    except TimeoutError:
        raise FetchError("The address took too long to answer", reason="timeout") from None
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError) as error:
        raise FetchError("The address cannot be fetched", reason="unreachable", internal=repr(error)) from None


def _sni(url: httpx.URL) -> dict[str, str]:
    """A name may end in the root's dot, a certificate's never does."""
    return {"sni_hostname": url.raw_host.decode("ascii").rstrip(".")}


def _trusting(authorities: str) -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    try:
        load_authorities(context, authorities)
    except OSError as error:
        raise SettingsError("ZIYAN_FETCH_CA: the authorities cannot be loaded", internal=repr(error)) from None
    return context


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in response.headers if key.lower() == name), "")


def _for_httpcore(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _literal(host: str) -> str | None:
    with suppress(ValueError):
        return str(ip_address(host))
    return None


def _is_dotted_quad(host: str) -> bool:
    with suppress(ValueError):
        IPv4Address(host)
        return True
    return False
