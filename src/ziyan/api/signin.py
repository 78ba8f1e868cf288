"""Who is calling (``docs/contract.md`` §3): the first credential present decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers

from ziyan.api.refusals import APP_DISABLED, NO_CREDENTIAL, UNKNOWN_APPCODE, GatewayRefusedError
from ziyan.metering.credentials import App, app_of_appcode
from ziyan.metering.store import Store

#: The contract's pattern; the first run of blanks never gives back (``*+``), so a long one costs nothing.
_APPCODE: Final = re.compile(r"(?i)^appcode[ \t]*+[:=]?[ \t]*(\S+)$")


async def sign_in(store: Store, headers: Headers, query: Mapping[str, bytes]) -> App:
    """The app that calls.

    Args:
        store: Where apps are kept.
        headers: The request's.
        query: Parameters of the query string in which an AppCode counts.

    Raises:
        GatewayRefusedError: No credential, an unknown one, or one of a disabled app.
        StoreError: The database is away.
    """
    appcode = _appcode_of(headers, query)
    if not appcode:
        raise GatewayRefusedError(NO_CREDENTIAL)
    app = await app_of_appcode(store, appcode)
    if app is None:
        raise GatewayRefusedError(UNKNOWN_APPCODE)
    if app.disabled:
        raise GatewayRefusedError(APP_DISABLED, internal=app.id)
    return app


def _appcode_of(headers: Headers, query: Mapping[str, bytes]) -> str | None:
    for value in headers.getlist("authorization"):
        if found := _APPCODE.match(value.strip()):
            return found[1]
    for name, raw in query.items():
        if name.lower() == "appcode" and raw.strip():
            return raw.strip().decode("utf-8", "replace")
    return None
