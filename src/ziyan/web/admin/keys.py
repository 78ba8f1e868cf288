"""``/admin/apps/…/keys``: what an app signs in with, as its buyer sees and changes it."""

from __future__ import annotations

from typing import Final

from ziyan.metering.credentials import App
from ziyan.metering.desk import Desk
from ziyan.web.keys import Keys
from ziyan.web.rooms import Ask


def _app(ask: Ask, desk: Desk) -> list[App]:
    return [desk.app(ask.path("app_id"))]


KEYS: Final = Keys("admin/keys.html", "/admin/apps/{app_id}/keys", _app)
