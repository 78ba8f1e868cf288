"""Wiring of the admin API, ``/v1/admin``, and the buyer API, ``/v1/account``: what goes for every request to them."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ziyan import __version__
from ziyan.api import (
    account,
    account_notices,
    account_papers,
    admin,
    admin_notices,
    admin_papers,
    admin_sales,
    admin_tokens,
)
from ziyan.api.doors import Door
from ziyan.api.headers import new_request_id
from ziyan.api.problem_json import RESPONSES, add_problems, problem
from ziyan.metering.invoices import MAX_PDF_BYTES
from ziyan.metering.store import Store
from ziyan.settings import Settings

_logger: Final = logging.getLogger("ziyan.management")
MOST_BODY_BYTES: Final = 64 << 10
_BODY_SECONDS: Final = 30.0
ADMIN: Final = "/v1/admin"
#: Where files of invoices are attached.
_FILES: Final = re.compile(rf"{ADMIN}/invoices/[^/]+/file")
ACCOUNT: Final = "/v1/account"


def add_management(app: FastAPI, settings: Settings, store: Store) -> None:
    """Add both, each with a document of its own at its ``/openapi.json``."""
    routers = (admin.router, admin_sales.router, admin_papers.router, admin_notices.router, admin_tokens.router)
    for path, title, some, buyers in (
        (ADMIN, "Ziyan: operators", routers, False),
        (ACCOUNT, "Ziyan: buyers", (account.router, account_papers.router, account_notices.router), True),
    ):
        inner = Guarded(create_api(path, title, some, store, Door(settings, store, buyers=buyers)))
        app.router.routes += [Route(path, inner), Route(f"{path}/{{rest:path}}", inner)]


def create_api(path: str, title: str, routers: tuple[APIRouter, ...], store: Store, door: Door) -> FastAPI:
    """One of the two, as an application of its own."""
    api = FastAPI(
        title=title,
        version=__version__,
        openapi_url=f"{path}/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    api.router.redirect_slashes = False
    api.state.store, api.state.door = store, door
    for router in routers:
        api.include_router(router, prefix=path, responses=RESPONSES)
    add_problems(api)
    return api


def _operation_id(route: APIRoute) -> str:
    return route.name


class Guarded:
    """Reads each body, which must be small, gives each request an identifier, and logs it."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        started, status = time.perf_counter(), 0
        scope = {**scope, "request_id": new_request_id(), "actor": ""}

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [(b"x-request-id", scope["request_id"].encode()), (b"cache-control", b"no-store")]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        try:
            await self._answer(scope, receive, sent)
        finally:
            fields = {
                "request_id": scope["request_id"],
                "actor": scope["actor"],
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round((time.perf_counter() - started) * 1000, 1),
            }
            _logger.info("request", extra={"fields": fields})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        most = MAX_PDF_BYTES if _FILES.fullmatch(scope["path"]) else MOST_BODY_BYTES
        body = await _read(receive, most)
        if body is None:
            detail = f"A body has at most {most} bytes here, and comes within {_BODY_SECONDS:.0f} s"
            refused = problem(413, "body_too_large", detail, scope["request_id"])
            await refused(scope, receive, send)
            return
        first: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return first.pop() if first else await receive()

        await self._app(scope, again, send)


async def _read(receive: Receive, most: int) -> bytes | None:
    """A whole body; None where it is too large, too slow, or breaks off."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if message["type"] != "http.request" or len(body) > most:
                    return None
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        return None
