"""Whom the pages hand the trial AppCode to."""

from __future__ import annotations

import asyncio
import logging
from ipaddress import ip_address
from typing import Final

from starlette.requests import Request

from ziyan.errors import ZiyanError
from ziyan.metering.credentials import TRIAL, appcodes, get_app
from ziyan.metering.store import Store
from ziyan.settings import Settings

_logger: Final = logging.getLogger("ziyan.web")
#: Set by proxies: a caller behind one is somebody else than the address that the connection comes from.
_FORWARDED: Final = (
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "via",
)
#: Spoken by proxies that are set up in one line, nginx among them, which add no header then; by no browser.
_PROXY_VERSION: Final = "1.0"


async def trial_code(settings: Settings, store: Store, request: Request) -> str:
    """The trial AppCode for a reader who may have it, else nothing; also where the database is away."""
    if not is_offered(settings, request):
        return ""
    try:
        return await asyncio.to_thread(_oldest, store)
    except ZiyanError as error:
        _logger.warning("no trial AppCode", extra={"fields": {"internal": error.internal or str(error)}})
        return ""


def is_offered(settings: Settings, request: Request) -> bool:
    """Whether this reader may have the trial AppCode (``ZIYAN_TRIAL_PUBLIC``).

    By default that is a browser on this machine: the service listens on this machine alone, no proxy stands before it,
    and the page was asked for by a name of this machine.  The last keeps out pages of others whose name resolves to
    it, which a browser would let read this one.
    """
    if settings.trial_public != "auto":
        return settings.trial_public == "always"
    if request.scope["http_version"] == _PROXY_VERSION:
        return False
    named = request.headers.get("host", "")
    host = named[1:].partition("]")[0] if named.startswith("[") else named.partition(":")[0]
    here = [settings.host, host, request.client.host if request.client else ""]
    return all(map(_is_loopback, here)) and not any(name in request.headers for name in _FORWARDED)


def _oldest(store: Store) -> str:
    app = get_app(store, TRIAL)
    if app is None or app.disabled:
        return ""
    return next(iter(appcodes(store, TRIAL)), "")


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
