"""Wiring of the pages into the service."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

import ziyan
from ziyan.api.body import BodyMemory
from ziyan.metering.logins import Role
from ziyan.metering.store import Store
from ziyan.settings import Settings
from ziyan.web.admin import routes as admin
from ziyan.web.admin.watch import Pulse
from ziyan.web.console.routes import console_routes
from ziyan.web.docs import Docs
from ziyan.web.rendering import Renderer
from ziyan.web.rooms import Room
from ziyan.web.sessions import Gate
from ziyan.web.signing_in import SigningIn
from ziyan.web.static_files import StaticFiles
from ziyan.web.try_page import TryPage

_SAMPLE_PICTURE: Final = Path(ziyan.__file__).parent / "resources" / "sample.png"


def add_pages(app: FastAPI, settings: Settings, store: Store, ocr: ASGIApp, memory: BodyMemory, pulse: Pulse) -> None:
    """Serve the try page, the documentation and the pages of people who sign in, beside the API.

    Args:
        app: The service.
        settings: Its settings.
        store: Where the trial AppCode is.
        ocr: What ``/ocr`` is answered by; the form of a browser without scripts goes there too.
        memory: What bodies of requests are counted in.
        pulse: How the engine did of late.
    """
    files = StaticFiles(extra=(_SAMPLE_PICTURE,))
    renderer = Renderer(settings, files)
    app.router.routes.append(Route("/static/{version}/{name}", files.serve, methods=["GET"], name="static"))
    app.router.routes.append(Route("/", TryPage(settings, store, renderer, ocr, memory), name="try"))
    docs = Docs(settings, store, renderer)
    for path, endpoint in (
        ("/docs", docs.page),
        ("/docs/search", docs.search),
        ("/docs/search.json", docs.index),
        ("/docs/{name}", docs.page),
    ):
        app.router.routes.append(Route(path, endpoint, methods=["GET"]))
    gate = Gate(settings, store)
    signing_in = SigningIn(settings, gate, renderer, memory)
    app.router.routes += signing_in.routes()
    confirm = signing_in.confirm
    app.router.routes += console_routes(Room(settings, gate, renderer, memory, confirm, Role.BUYER))
    office = Room(settings, gate, renderer, memory, confirm, Role.OPERATOR)
    app.router.routes += admin.routes(office, pulse, store)
