"""Where an app's own-platform calls may come from: IP addresses, networks, and hosts of pages that call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from ziyan.metering.store.apps import App

_LABEL: Final = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_HOST: Final = re.compile(rf"(\*\.)?({_LABEL}\.)*{_LABEL}", re.IGNORECASE)
_MAX_HOST_CHARS: Final = 253


def is_allowed(app: App, address: str, origin: str) -> bool:
    """Whether a call may come from here.  What is denied stays so, whatever is allowed.

    Args:
        app: Whose call it is.
        address: The caller's IP address.
        origin: Host of the page that sent it, as the browser says; empty where nobody says.  A caller that is no
            browser can claim any.
    """
    if _is_one_of(app.denied_sources, address, origin):
        return False
    return not app.allowed_sources or _is_one_of(app.allowed_sources, address, origin)


def is_source(text: str) -> bool:
    """Whether a text is an IP address, a network or a host name (``*.`` before it: those below it)."""
    return _is_network(text) or (len(text) <= _MAX_HOST_CHARS and bool(_HOST.fullmatch(text)))


def _is_one_of(sources: Iterable[str], address: str, origin: str) -> bool:
    numeric = _parsed(address)
    host = origin.lower().rstrip(".")
    for source in sources:
        if _is_network(source):
            if numeric is not None and numeric in ip_network(source, strict=False):
                return True
        elif host and _names(source.lower(), host):
            return True
    return False


def _names(source: str, host: str) -> bool:
    return host.endswith(source[1:]) if source.startswith("*.") else host == source


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        numeric = ip_address(address)
    except ValueError:
        return None
    # A socket for both families shows IPv4 callers as ::ffff:192.0.2.1.
    return (numeric.ipv4_mapped or numeric) if isinstance(numeric, IPv6Address) else numeric


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
