from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ziyan.metering.sources import is_allowed, is_source
from ziyan.metering.store.apps import App


def app(allowed: tuple[str, ...], denied: tuple[str, ...] = ()) -> App:
    return App("a", "a", "a", datetime.now(UTC), disabled=False, allowed_sources=allowed, denied_sources=denied)


@pytest.mark.parametrize(
    ("source", "address", "origin", "meets"),
    [
        ("192.0.2.7", "192.0.2.7", "", True),
        ("192.0.2.7", "192.0.2.8", "", False),
        ("192.0.2.7", "::ffff:192.0.2.7", "", True),
        ("192.0.2.0/24", "192.0.2.255", "", True),
        ("192.0.2.9/24", "192.0.2.1", "", True),
        ("192.0.2.0/24", "192.0.3.0", "", False),
        ("2001:db8::/32", "2001:db8::1", "", True),
        ("2001:db8::/32", "192.0.2.1", "", False),
        ("0.0.0.0/0", "2001:db8::1", "", False),
        ("::/0", "2001:db8::1", "", True),
        ("192.0.2.7", "", "192.0.2.7", False),
        ("0.0.0.0/0", "", "", False),
        ("0.0.0.0/0", "unix socket", "", False),
        ("example.com", "192.0.2.7", "example.com", True),
        ("Example.COM", "192.0.2.7", "EXAMPLE.com.", True),
        ("example.com", "192.0.2.7", "www.example.com", False),
        ("*.example.com", "192.0.2.7", "a.b.example.com", True),
        ("*.example.com", "192.0.2.7", "example.com", False),
        ("*.example.com", "192.0.2.7", "badexample.com", False),
        ("example.com", "192.0.2.7", "", False),
    ],
)
def test_a_source_meets_a_caller(source: str, address: str, origin: str, meets: bool) -> None:
    assert is_allowed(app((source,)), address, origin) is meets
    assert is_allowed(app((), (source,)), address, origin) is not meets
    assert not is_allowed(app((source,), (source,)), address, origin)
    assert is_allowed(app(("198.51.100.1", source)), address, origin) is meets


def test_nothing_said_is_nothing_refused() -> None:
    assert is_allowed(app(()), "", "")


SOURCES = "192.0.2.1 10.0.0.0/8 10.1.2.3/8 ::1 2001:db8::/32 a a-b.example.com *.a.example"
NO_SOURCES = "* a..b -a.example https://a.example a.example:80 10.0.0.0/33 字 *.*.a"


@pytest.mark.parametrize("text", SOURCES.split())
def test_a_source_is_taken(text: str) -> None:
    assert is_source(text)


@pytest.mark.parametrize("text", [*NO_SOURCES.split(), "", "a b", "a\n", "a." * 127 + "a"])
def test_what_is_no_source_is_refused(text: str) -> None:
    assert not is_source(text)
