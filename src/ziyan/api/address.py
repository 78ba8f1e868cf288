"""Where a call comes from."""

from __future__ import annotations

from starlette.types import Scope


def caller_address(scope: Scope) -> str:
    """The IP address of whoever holds the other end of the connection; empty where the server does not know."""
    client = scope.get("client")
    return str(client[0]) if client else ""
