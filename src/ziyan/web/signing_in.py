"""``/signin``, ``/signout`` and ``/password``: how people come in, go, and change what they come in with.

Nothing tells a name that does not exist, or is disabled, from a wrong password: neither the words nor the time they
take.  Tries are counted, right ones too, and whoever makes too many waits, so nobody guesses: by address, by name and
address, and by name from all addresses together.  The last does not concern a browser that was signed in under the name
before, or anybody could keep a buyer out by guessing.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Final

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from ziyan.api.address import caller_address
from ziyan.api.body import BodyMemory
from ziyan.api.form import Form
from ziyan.api.rates import Rate, address_block
from ziyan.api.refusals import ClientGoneError, GatewayRefusedError
from ziyan.errors import ConflictError, InvalidRequestError, StoreError
from ziyan.metering import passwords
from ziyan.metering.logins import Role, Turns, change_password, end_session, normalized, sign_in, start_session
from ziyan.settings import Settings
from ziyan.web.rendering import Renderer, Visit, visit
from ziyan.web.rooms import Ask, Room, read_form, storable
from ziyan.web.sessions import HOMES, Gate
from ziyan.web.spoken import spoken

_logger: Final = logging.getLogger("ziyan.pages")
#: Tries from one address, for one name from one address, and for one name from all addresses that are not known to be
#: its owner's: so many at once, then one every so many seconds.
TRIES_AT_ONCE: Final = 20
ADDRESS_SECONDS: Final = 3
PLACE_TRIES_AT_ONCE: Final = 10
NAME_TRIES_AT_ONCE: Final = 60
NAME_SECONDS: Final = 30
_MOST_BYTES: Final = 4 << 10
_MOST_NAME_CHARS: Final = 200


class SigningIn:
    """The pages of coming in and going."""

    def __init__(self, settings: Settings, gate: Gate, renderer: Renderer, memory: BodyMemory) -> None:
        """Let people in through ``gate``."""
        self._proxies = settings.proxy_networks
        self._gate = gate
        self._renderer = renderer
        self._memory = memory
        self._turns = Turns()
        self._by_address = Rate(1 / ADDRESS_SECONDS, burst=TRIES_AT_ONCE)
        self._by_place = Rate(1 / NAME_SECONDS, burst=PLACE_TRIES_AT_ONCE)
        self._by_name = Rate(1 / NAME_SECONDS, burst=NAME_TRIES_AT_ONCE)
        self._by_login = Rate(1 / NAME_SECONDS, burst=PLACE_TRIES_AT_ONCE)
        self._room = Room(settings, gate, renderer, memory, self.confirm)

    def routes(self) -> list[BaseRoute]:
        """What is served."""
        return [
            Route("/signin", self),
            self._room.route("/signout", change=self._sign_out),
            self._room.route("/password", self._show_password, self._change_password),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer ``/signin``."""
        request = Request(scope)
        here = replace(visit(request), signed=True)
        try:
            if scope["method"] in {"GET", "HEAD"}:
                answer = await self._welcome(request, here)
            elif scope["method"] == "POST":
                answer = await self._admit(request, here, receive)
            else:
                answer = Response(status_code=405, headers={"Allow": "GET, HEAD, POST"})
        except ClientGoneError:
            return
        except GatewayRefusedError as error:
            answer = self._page(request, here, "", status=error.row.status, trouble=_BROKEN)
        except StoreError as error:
            _logger.warning("nobody can sign in", extra={"fields": {"internal": error.internal or str(error)}})
            answer = self._page(request, here, "", status=503, trouble=_AWAY)
        await answer(scope, receive, send)

    async def _welcome(self, request: Request, here: Visit) -> Response:
        guest = await self._gate.guest(request)
        if guest is not None:
            return RedirectResponse(here.link(HOMES[Role(guest.login.role)]), 303)
        return self._page(request, here, request.query_params.get("next", ""))

    async def _admit(self, request: Request, here: Visit, receive: Receive) -> Response:
        address = address_block(caller_address(request.scope, self._proxies))
        form = await read_form(request, receive, self._memory, address, _MOST_BYTES)
        # Cut first: whatever is left is looked up as it is counted, however much space stood around it.
        name, wanted = normalized(_text(form, "name")[:_MOST_NAME_CHARS]), _text(form, "next")
        csrf = self._gate.visitor_csrf(self._gate.visitor(request))
        if not self._gate.allows(request, csrf, _text(form, "csrf")):
            return self._page(request, here, wanted, status=403, trouble=_OLD_PAGE, name=name)
        if seconds := self._counted(address, name, self._gate.known(request, name)):
            _logger.warning("too many tries to sign in", extra={"fields": {"address": address}})
            answer = self._page(request, here, wanted, status=429, trouble=_too_many(seconds), name=name)
            answer.headers["Retry-After"] = str(seconds)
            return answer
        login = await sign_in(self._gate.store, self._turns, name, _text(form, "password"))
        if login is None:
            _logger.warning("wrong name or password", extra={"fields": {"address": address}})
            return self._page(request, here, wanted, status=422, trouble=_WRONG, name=name)
        # A new session; the one that the browser held ends: nobody can have put one there, and nobody keeps it.
        secret = await start_session(self._gate.store, login, self._gate.session(request))
        _logger.info("signed in", extra={"fields": {"login": login.id, "address": address}})
        answer = RedirectResponse(here.link(_allowed(wanted, Role(login.role))), 303)
        self._gate.keep(request, answer, secret, login.name)
        return answer

    def _counted(self, address: str, name: str, known: str) -> int:
        """Count one try, unless there were too many: then whole seconds until the next."""
        tries = [(self._by_address, address), (self._by_place, f"{name} {known or address}")]
        if not known:
            tries.append((self._by_name, name))
        if seconds := max(rate.wait(caller) for rate, caller in tries):
            return seconds
        for rate, caller in tries:
            rate.spend(caller)
        return 0

    def _page(
        self,
        request: Request,
        here: Visit,
        wanted: str,
        *,
        status: int = 200,
        trouble: tuple[str, str] | None = None,
        name: str = "",
    ) -> Response:
        visitor = self._gate.visitor(request)
        csrf = Markup('<input type="hidden" name="csrf" value="{}">').format(self._gate.visitor_csrf(visitor))
        answer = self._renderer.page(
            request, "signin.html", here, status=status, csrf=csrf, wanted=wanted, trouble=trouble, name=name
        )
        self._gate.keep_visitor(request, answer, visitor)
        return answer

    async def _sign_out(self, ask: Ask) -> Response:
        await end_session(ask.store, ask.guest.session)
        answer = RedirectResponse(ask.visit.link("/signin"), 303)
        self._gate.forget(ask.request, answer)
        return answer

    async def _show_password(self, ask: Ask) -> Response:
        return ask.page("password.html", wrong=None, least=passwords.LEAST_CHARS)

    async def _change_password(self, ask: Ask) -> Response:
        wrong = await ask.wrong_password("password")
        if wrong is None and ask.secret("new") != ask.secret("again"):
            wrong = ("两次输入的新密码不一样。", "The new password was not typed the same twice.")
        if wrong is None:
            try:
                passwords.checked(ask.secret("new"), ask.guest.login.name)
            except (ConflictError, InvalidRequestError) as error:
                wrong = spoken(str(error))
        if wrong is not None:
            return ask.page("password.html", status=422, wrong=wrong, least=passwords.LEAST_CHARS)
        new = await self._turns.hashed(ask.secret("new"))
        login, session = ask.guest.login, ask.guest.session
        await ask.change(lambda desk: change_password(desk, login.id, new, session))
        done = (
            "密码已修改，其他地方的登录都已退出。",
            "The password was changed, and you are signed out everywhere else.",
        )
        return ask.done(HOMES[Role(login.role)], *done)

    async def confirm(self, ask: Ask, password: str) -> tuple[str, str] | None:
        """Whether somebody who is signed in knows their password; what to tell them where not.

        Asked before secrets are shown.  Tries are counted, all sessions of a login together: one that was stolen does
        not help to guess.  They have a count of their own, so that guesses at the door keep nobody from his keys.
        """
        login = ask.guest.login
        if seconds := self._by_login.wait(login.id):
            return _too_many(seconds)
        self._by_login.spend(login.id)
        if await self._turns.matches(login.password, password):
            return None
        return ("密码不对。", "That is not your password.")


def _allowed(wanted: str, role: Role) -> str:
    """Where to go on: to a page of one's own that was asked for, and to no other."""
    home = HOMES[role]
    plain = wanted.isascii() and wanted.isprintable() and not set(wanted) & set("\\?#% \"'<>")
    return wanted if plain and (wanted == home or wanted.startswith(f"{home}/")) and "//" not in wanted else home


def _too_many(seconds: int) -> tuple[str, str]:
    return (f"尝试的次数太多了，请 {seconds} 秒后再试。", f"Too many tries. Try again in {seconds} s.")


def _text(form: Form, name: str) -> str:
    return storable(form.fields.get(name, b"").decode("utf-8", "replace"))


_WRONG: Final = ("登录名或密码不对。", "The name or the password is wrong.")
_OLD_PAGE: Final = ("页面放得太久了，请再登录一次。", "The page was too old. Please sign in again.")
_BROKEN: Final = ("表单读不懂，请再试一次。", "The form cannot be read. Please try again.")
_AWAY: Final = ("数据库暂时连不上，请稍后再试。", "The database does not answer. Please try again in a while.")
