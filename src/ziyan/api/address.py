"""Where a call comes from."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

#: Hops that are looked at; nobody has more proxies of their own, and the header is the caller's to fill.
_MAX_HOPS = 32


def caller_address(scope: Scope, trusted: Sequence[Network] = ()) -> str:
    """The IP address of the caller; empty where the server does not know.

    That is whoever holds the other end of the connection, unless it is a trusted proxy: then it is the address that
    the proxy added to ``X-Forwarded-For``, and so on from right to left until one is not trusted.  What stands further
    left, anybody may have written.

    Args:
        scope: The request's.
        trusted: Networks of proxies that are believed.
    """
    client = scope.get("client")
    found = _parsed(str(client[0])) if client else None
    if found is None:
        return str(client[0]) if client else ""
    for hop in _hops(scope) if trusted else ():
        if not any(found in network for network in trusted):
            break
        before = _parsed(hop)
        if before is None:  # a proxy of ours wrote nonsense; better blame it than somebody else
            break
        found = before
    return str(found)


def _hops(scope: Scope) -> list[str]:
    """The addresses in ``X-Forwarded-For``, nearest first."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
    return ",".join(values).split(",")[: -_MAX_HOPS - 1 : -1]


def _parsed(text: str) -> Address | None:
    """An address as proxies write it: also in brackets, and with a port."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket for both families shows IPv4 callers in IPv6's clothes.
    return getattr(address, "ipv4_mapped", None) or address
