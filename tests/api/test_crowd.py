"""How many connections one address may hold, over raw sockets."""

from __future__ import annotations

import resource
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from tests.api.certificates import Certificate, certificate
from tests.api.conftest import Service
from tests.api.test_body_memory import wait_for
from tests.api.wire import Connection, request
from ziyan.api.accepting import MOST_TOLD
from ziyan.api.address import Network
from ziyan.api.crowd import Crowd, make_room
from ziyan.settings import Settings

__all__ = ["certificate"]

HALF_A_HEADER = b"POST /ocr HTTP/1.1\r\nHost: a\r\nX-Slow: "


def answered(service: Service, connection: Connection) -> bool:
    """Whether a call is served on a connection, and not refused together with it."""
    connection.send(request(b"img=", appcode=service.caller.appcode))
    reply = connection.read_reply()
    if reply.status == 666:
        return True
    assert (reply.status, reply.body, reply["X-Ca-Error-Code"]) == (429, b"", "T429SR")
    assert reply["X-Ca-Error-Message"] == "Throttled by SUBSCRIPTION Flow Control"
    assert (reply["Retry-After"], reply["Connection"]) == ("1", "close")
    assert connection.at_end()
    return False


def test_one_connection_too_many_is_refused_until_another_ends(service_with: Callable[..., Service]) -> None:
    service = service_with(connections_address=3)
    with ExitStack() as stack:
        slow = [stack.enter_context(Connection(service.port)) for _ in range(2)]
        for each in slow:
            each.send(HALF_A_HEADER)
        good = stack.enter_context(Connection(service.port))
        assert answered(service, good)
        for _ in range(5):
            with Connection(service.port) as late:
                assert not answered(service, late)
        assert answered(service, good), "those that are there go on"
        slow[0].reset()

        def has_room() -> bool:
            with Connection(service.port) as again:
                return answered(service, again)

        wait_for(has_room)


def test_a_silent_connection_too_many_is_ended(service_with: Callable[..., Service]) -> None:
    service = service_with(connections_address=1)
    with Connection(service.port) as first:
        assert answered(service, first)
        with Connection(service.port) as silent:
            assert silent.rest() == b""


def test_one_too_many_over_tls(service_with: Callable[..., Service], certificate: Certificate) -> None:
    service = service_with(connections_address=1, tls_cert=str(certificate.file), tls_key=str(certificate.key))
    with Connection(service.port, certificate.trusting()) as first:
        assert answered(service, first)
        with Connection(service.port, certificate.trusting()) as late:
            assert not answered(service, late)


def test_who_does_not_greet_over_tls_is_counted_too(
    service_with: Callable[..., Service], certificate: Certificate
) -> None:
    service = service_with(connections_address=1, tls_cert=str(certificate.file), tls_key=str(certificate.key))
    with Connection(service.port) as silent:
        with Connection(service.port, certificate.trusting()) as late:
            assert not answered(service, late)
        with Connection(service.port) as silent_too:
            assert silent_too.rest() == b""
        silent.reset()

        def has_room() -> bool:
            with Connection(service.port, certificate.trusting()) as again:
                return answered(service, again)

        wait_for(has_room)


def test_who_does_not_greet_does_not_hold_up_the_end(
    service_with: Callable[..., Service], certificate: Certificate
) -> None:
    service = service_with(tls_cert=str(certificate.file), tls_key=str(certificate.key))
    with Connection(service.port) as silent, Connection(service.port, certificate.trusting()) as good:
        assert answered(service, good)
        service.ask_to_stop()
        assert silent.rest() == b""


def test_of_very_many_connections_too_many_few_are_told(service_with: Callable[..., Service]) -> None:
    service = service_with(connections_address=1)
    with ExitStack() as stack:
        first = stack.enter_context(Connection(service.port))
        assert answered(service, first)
        crowd = [stack.enter_context(Connection(service.port)) for _ in range(3 * MOST_TOLD)]
        told = 0
        for each in crowd:
            with suppress(ConnectionError):
                each.send(b"GET / HTTP/1.1\r\n")
                told += each.rest().startswith(b"HTTP/1.1 429 ")
        assert 0 < told <= MOST_TOLD
        assert answered(service, first), "those that are there go on"


@pytest.mark.parametrize("settings", [{"connections_address": 0}, {"trusted_proxies": "127.0.0.1"}])
def test_a_trusted_proxy_may_hold_any_number(service_with: Callable[..., Service], settings: dict[str, object]) -> None:
    service = service_with(**{"connections_address": 1, **settings})
    with ExitStack() as stack:
        held = [stack.enter_context(Connection(service.port)) for _ in range(4)]
        assert all(answered(service, each) for each in held)


def test_addresses_are_counted_apart_and_forgotten() -> None:
    proxies: tuple[Network, ...] = Settings.load(trusted_proxies="192.0.2.9").proxy_networks
    crowd = Crowd(1, proxies)
    with ExitStack() as stack:

        def joins(*peer: object) -> bool:
            return not stack.enter_context(crowd.joined(peer or None))

        assert joins("192.0.2.1", 1)
        assert joins("192.0.2.2", 1)
        assert not joins("::ffff:192.0.2.1", 1, 0, 0)
        assert joins("2001:db8::1", 1, 0, 0)
        assert not joins("2001:db8::2", 1, 0, 0)
        assert all(joins("192.0.2.9", number) for number in range(3))
        assert all(joins() for _ in range(3)), "it has gone already, and ends by itself"
    assert not crowd._held


def test_all_are_counted_together_too_proxies_among_them() -> None:
    crowd = Crowd(2, Settings.load(trusted_proxies="192.0.2.9").proxy_networks, altogether=3)
    with ExitStack() as stack:
        joined = [stack.enter_context(crowd.joined((f"192.0.2.{number}", 1))) for number in (1, 2, 9, 9, 3)]
        assert joined == [0, 0, 0, 1, 2]
    with crowd.joined(("192.0.2.3", 1)) as again:
        assert again == 0


@pytest.mark.parametrize(
    ("limits", "granted", "connections"),
    [
        ((1_024, 1_024), True, 768),
        ((1_024, 4_096), True, 3_840),
        ((1_024, resource.RLIM_INFINITY), True, 65_280),
        ((1_024, 1_048_576), True, 65_280),
        ((100_000, 1_048_576), True, 99_744),
        ((256, 256), True, 128),
        ((1_024, resource.RLIM_INFINITY), False, 768),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), True, 0),
    ],
)
def test_as_many_connections_as_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], granted: bool, connections: int
) -> None:
    asked = []

    def setrlimit(_kind: int, wanted: tuple[int, int]) -> None:
        asked.append(wanted)
        if not granted:
            raise ValueError("not so many")

    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    assert make_room(limits) == connections
    assert all(hard == limits[1] and soft >= limits[0] for soft, hard in asked)
