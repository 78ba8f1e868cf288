"""Who is calling (``docs/contract.md`` §3): the first credential present decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers

from ziyan.api.refusals import NO_CREDENTIAL, UNKNOWN_APPCODE, GatewayRefusedError
from ziyan.metering.credentials import App, app_of_appcode
from ziyan.metering.store import Store

#: The contract's pattern; the first run of blanks never gives back (``*+``), so a long one costs nothing.
_APPCODE: Final = re.compile(r"(?i)^appcode[ \t]*+[:=]?[ \t]*(\S+)$")


async def sign_in(store: Store, headers: Headers, query: Mapping[str, bytes]) -> App:
    """The app that calls, disabled or not.

    Args:
        store: Where apps are kept.
        headers: The request's.
        query: Parameters of the query string in which an AppCode counts.

    Raises:
        GatewayRefusedError: No credential, or an unknown one.
        StoreError: The database is away.
    """
    appcode = _appcode_of(headers, query)
    if not appcode:
        raise GatewayRefusedError(NO_CREDENTIAL)
    app = await app_of_appcode(store, appcode)
    if app is None:
        raise GatewayRefusedError(UNKNOWN_APPCODE)
    return app


def _appcode_of(headers: Headers, query: Mapping[str, bytes]) -> str | None:
    for value in headers.getlist("authorization"):
        if found := _APPCODE.match(value.strip()):
            return found[1]
    for name, raw in query.items():
        if name.lower() == "appcode" and raw.strip():
            return raw.strip().decode("utf-8", "replace")
    return None
