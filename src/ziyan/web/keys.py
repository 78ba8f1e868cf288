"""What apps sign in with, on the pages of buyers and operators alike.

Keys are masked.  They are shown again to whoever gives the password, and the audit log says to whom and when; a new one
is shown by the page that made it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from starlette.responses import Response

from ziyan.metering import apps
from ziyan.metering.credentials import App, Credential, Kind
from ziyan.metering.desk import Desk
from ziyan.metering.times import now_ms
from ziyan.metering.views import SecretKeyView
from ziyan.web.rooms import Ask
from ziyan.web.tables import moment

_SHOWN_CHARS: Final = 4
#: Hours that the old key works on, to choose from.
GRACES: Final = (0, 1, 24, 168, 720)


@dataclass(frozen=True, slots=True)
class Shown:
    """A key as the list has it: nothing secret.

    Attributes:
        id: Identifier.
        kind: Which way of signing in it is for.
        name: AppKey or appid, or the first digits of an AppCode.
        hmac: An appid that signs with HMAC-SHA256.
        created_at: When it was made.
        expires_at: When it ends.
        state: ``works``, ``ending``, ``ended`` or ``revoked``.
    """

    id: str
    kind: Kind
    name: str
    hmac: bool
    created_at: int
    expires_at: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Keys:
    """A page of keys and its forms.

    Attributes:
        template: It.
        place: Its address, in which parts may be named as in those of its forms.
        apps_of: Whose keys it shows.
    """

    template: str
    place: str
    apps_of: Callable[[Ask, Desk], list[App]]

    async def show(self, ask: Ask) -> Response:
        """Every app with its keys."""
        return await self._page(ask)

    async def create(self, ask: Ask) -> Response:
        """Make one more key of an app, and show it."""
        app_id, kind = ask.path("app_id"), _kind(ask.field("kind"))
        hmac = ask.field("kind") == "appid-hmac"
        key = await ask.change(lambda desk: apps.create_key(desk, app_id, kind, hmac=hmac))
        return await self._page(ask, key, ("新凭证已生成。", "A new key was made."))

    async def rotate(self, ask: Ask) -> Response:
        """Put a new key in the place of one, and show it."""
        hours = ask.field("grace")
        grace = float(hours) if hours.isdecimal() and len(hours) < 6 else apps.GRACE_HOURS
        work = partial(_rotated, app_id=ask.path("app_id"), key_id=ask.path("key_id"), hours=grace)
        key = await ask.change(work)
        long = lasting(grace)
        chinese = f"新凭证已生成，旧的还能用 {long[0]}。" if grace else "新凭证已生成，旧的立即失效。"
        english = f"The old one works for another {long[1]}." if grace else "The old one works no longer."
        english = f"A new key was made. {english}"
        return await self._page(ask, key, (chinese, english))

    async def reveal(self, ask: Ask) -> Response:
        """Show a key to whoever gives the password."""
        app_id, key_id = ask.path("app_id"), ask.path("key_id")
        await ask.read(lambda desk: desk.app(app_id))
        wrong = await ask.wrong_password("password")
        if wrong is not None:
            return await self._page(ask, wrong=wrong, at=key_id)
        key = await ask.change(lambda desk: apps.reveal_key(desk, app_id, key_id))
        return await self._page(ask, key, ("这次查看已记入审计日志。", "The audit log says that you looked."))

    async def revoke(self, ask: Ask) -> Response:
        """Refuse a key for good."""
        app_id, key_id = ask.path("app_id"), ask.path("key_id")
        await ask.change(lambda desk: apps.revoke_key(desk, app_id, key_id))
        return ask.done(
            self.place.format(**ask.request.path_params),
            "凭证已吊销，用它的调用从现在起被拒绝。",
            "The key was revoked. Calls with it are refused from now on.",
        )

    async def _page(
        self,
        ask: Ask,
        key: Credential | None = None,
        told: tuple[str, str] | None = None,
        *,
        wrong: tuple[str, str] | None = None,
        at: str = "",
    ) -> Response:
        now = now_ms()

        def look(desk: Desk) -> list[tuple[App, list[Shown]]]:
            found = self.apps_of(ask, desk)
            return [(app, [_shown(each, now) for each in apps.list_keys(desk, app.id)][::-1]) for app in found]

        return ask.page(
            self.template,
            status=422 if wrong else 200,
            apps=await ask.read(look),
            new=SecretKeyView.of(key) if key else None,
            told=told,
            wrong=wrong,
            at=at,
            graces=GRACES,
            grace=apps.GRACE_HOURS,
            lasting=lasting,
            moment=partial(moment, ask),
        )


def _rotated(desk: Desk, *, app_id: str, key_id: str, hours: float) -> Credential:
    return apps.rotate_key(desk, app_id, key_id, grace_hours=hours)


def lasting(hours: float) -> tuple[str, str]:
    """A time as people choose it, in both languages: hours below two days, days from there on."""
    if hours < 48:
        return f"{hours:.0f} 小时", "1 hour" if hours == 1 else f"{hours:.0f} hours"
    return f"{hours / 24:.0f} 天", f"{hours / 24:.0f} days"


def _kind(text: str) -> Kind:
    return {"appkey": Kind.APPKEY, "appid": Kind.APPID, "appid-hmac": Kind.APPID}.get(text, Kind.APPCODE)


def _shown(key: Credential, now: int) -> Shown:
    if key.revoked_at is not None:
        state = "revoked"
    elif not key.works(now):
        state = "ended"
    else:
        state = "works" if key.expires_at is None else "ending"
    secret = key.kind == Kind.APPCODE
    name = f"{key.identifier[:_SHOWN_CHARS]}{'•' * 12}" if secret else key.identifier
    hmac = key.kind == Kind.APPID and SecretKeyView.of(key).digest != "md5"
    return Shown(key.id, key.kind, name, hmac, key.created_at, key.expires_at, state)
