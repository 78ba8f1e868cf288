"""Pages that somebody must be signed in for: what goes for every request to them.

A handler gets an ``Ask`` and returns an answer.  Before it is called, the visitor is known and has the room's role, and
of a form it is sure that a page of this session sent it.  What goes wrong becomes a page.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ziyan.api.address import caller_address
from ziyan.api.body import Body, BodyMemory
from ziyan.api.form import Form, parse_body
from ziyan.api.rates import address_block
from ziyan.api.refusals import ClientGoneError, GatewayRefusedError
from ziyan.errors import ConflictError, InvalidRequestError, NotFoundError, SettingsError, StoreError, ZiyanError
from ziyan.fetch import Fetcher
from ziyan.metering.desk import Desk
from ziyan.metering.logins import Role
from ziyan.metering.store import Store
from ziyan.settings import Settings
from ziyan.web.rendering import Renderer, Visit, visit
from ziyan.web.sessions import HOMES, Gate, Guest
from ziyan.web.spoken import spoken

T = TypeVar("T")
Handler = Callable[["Ask"], Awaitable[Response]]
#: Whether somebody knows their password; what to tell them where not.
Confirm = Callable[["Ask", str], Awaitable[tuple[str, str] | None]]

_logger: Final = logging.getLogger("ziyan.pages")
MOST_FORM_BYTES: Final = 64 << 10
_LINGER_SECONDS: Final = 5.0
_SAID_COOKIE: Final = "ziyan_said"
_MOST_SAID_CHARS: Final = 400


class EntryError(InvalidRequestError):
    """A field of a form does not hold what it must.

    Attributes:
        words: Which, and what it must be, in both languages.
    """

    def __init__(self, chinese: str, english: str) -> None:
        """Say so."""
        super().__init__(english)
        self.words = chinese, english


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a form was refused for.

    Attributes:
        status: Of the answer.
        words: Why, in both languages.
    """

    status: int
    words: tuple[str, str]

    @classmethod
    def of(cls, error: ConflictError | InvalidRequestError) -> Wrong:
        """As an error says it."""
        words = error.words if isinstance(error, EntryError) else spoken(str(error))
        return cls(409 if isinstance(error, ConflictError) else 422, words)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of somebody who is signed in.

    Attributes:
        request: It.
        visit: Language and address.
        guest: Who.
        room: Where.
        form: What was sent, if it is a form.
        said: What the change before this page came to.
        wrong: Why the form was refused, where its page is shown again.
    """

    request: Request
    visit: Visit
    guest: Guest
    room: Room
    form: Form = field(default_factory=Form)
    said: str = ""
    wrong: Wrong | None = None

    @property
    def store(self) -> Store:
        """The database."""
        return self.guest.store

    def text(self, chinese: str, english: str) -> str:
        """Whichever is this reader's language."""
        return self.visit.text(chinese, english)

    def path(self, name: str) -> str:
        """A part of the address that the route names."""
        return storable(str(self.request.path_params[name]))

    def query(self, name: str) -> str:
        """A parameter of the address; empty where it is missing."""
        return storable(self.request.query_params.get(name, "")).strip()

    def field(self, name: str) -> str:
        """A field of the form, without space around it; empty where it is missing."""
        return storable(self.form.fields.get(name, b"").decode("utf-8", "replace")).strip()

    def secret(self, name: str) -> str:
        """A field of the form exactly as it was typed."""
        return self.form.fields.get(name, b"").decode("utf-8", "replace")

    def typed(self, action: str, name: str, default: str = "") -> str:
        """What a field of the form that goes to ``action`` begins with: what was typed there, if it was refused."""
        return self.field(name) if self.refused(action) else default

    def refused(self, action: str) -> bool:
        """Whether this page is shown again because the form that goes to ``action`` was refused."""
        return self.wrong is not None and self.request.url.path == action

    async def wrong_password(self, name: str) -> tuple[str, str] | None:
        """What to say where a field of the form is not the password of whoever is signed in."""
        return await self.room.confirm(self, self.secret(name))

    async def read(self, work: Callable[[Desk], T]) -> T:
        """Look at things, in one transaction."""
        return await self.guest.read(work)

    async def change(self, work: Callable[[Desk], T]) -> T:
        """Change things, in one transaction."""
        return await self.guest.change(work)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page of the room."""
        return self.room.page(self, template, status, values)

    def done(self, path: str, chinese: str, english: str) -> Response:
        """After a change: on to a page that says what was done."""
        answer = RedirectResponse(self.visit.link(path), 303)
        self.room.say(answer, self, self.text(chinese, english))
        return answer


class Room:
    """Pages of one role under one path.

    Attributes:
        takes_mail: Whether notices can go out by mail.
        confirm: Tries a password again before secrets are shown.
        fetcher: Knows which webhooks may be called.
    """

    def __init__(
        self,
        settings: Settings,
        gate: Gate,
        renderer: Renderer,
        memory: BodyMemory,
        confirm: Confirm,
        role: Role | None = None,
    ) -> None:
        """Let in whoever has ``role``; None: whoever is signed in.

        Bodies are counted in ``memory``.  A password is asked for once more through ``confirm``.
        """
        self.takes_mail = bool(settings.mail_server)
        self.confirm = confirm
        self.fetcher = Fetcher.from_settings(settings)
        self._proxies = settings.proxy_networks
        self._gate = gate
        self._renderer = renderer
        self._memory = memory
        self._role = role

    def route(
        self,
        path: str,
        show: Handler | None = None,
        change: Handler | None = None,
        *,
        back: Handler | None = None,
        most: int = MOST_FORM_BYTES,
    ) -> Route:
        """Serve a path.

        Args:
            path: It.
            show: Answers GET.
            change: Answers the form.
            back: The page that the form is on: it is shown again, with what was typed, where the form is refused.
            most: Bytes of the form.
        """
        return Route(path, _Door(self, show, change and _with_way_back(change, back), most))

    async def answer(
        self, scope: Scope, receive: Receive, show: Handler | None, change: Handler | None, most: int
    ) -> Response:
        """Answer one request."""
        request = Request(scope)
        here = replace(visit(request), signed=True)
        posted = scope["method"] == "POST"
        handler = change if posted else show if scope["method"] in {"GET", "HEAD"} else None
        if handler is None:
            allowed = (("GET, HEAD", show), ("POST", change))
            return Response(status_code=405, headers={"Allow": ", ".join(name for name, given in allowed if given)})
        guest = None
        try:
            guest = await self._gate.guest(request)
            if guest is None:
                return self._to_sign_in(here, posted=posted)
            if posted:
                here = _came_from(request, here, HOMES[Role(guest.login.role)])
            ask = Ask(request, here, guest, self, said=self._said(request, guest))
            if self._role not in {None, guest.login.role}:
                return self._trouble(ask, 404, *_ELSEWHERE)
            if posted:
                sender = address_block(caller_address(scope, self._proxies))
                ask = replace(ask, form=await read_form(request, receive, self._memory, sender, most))
                if not self._gate.allows(request, guest.csrf, ask.field("csrf")):
                    return self._trouble(ask, 403, *_OLD_PAGE)
            return await handler(ask)
        except ZiyanError as error:
            return self._failed(request, here, guest, error)

    def page(self, ask: Ask, template: str, status: int, values: Mapping[str, Any]) -> Response:
        """Fill a template in."""
        answer = self._renderer.page(
            ask.request,
            template,
            ask.visit,
            status=ask.wrong.status if ask.wrong else status,
            guest=ask.guest.login,
            home=HOMES[Role(ask.guest.login.role)],
            csrf=Markup('<input type="hidden" name="csrf" value="{}">').format(ask.guest.csrf),
            said=ask.said,
            refusal=ask.wrong,
            refused=ask.refused,
            typed=ask.typed,
            **values,
        )
        if ask.said:
            answer.delete_cookie(_SAID_COOKIE, path="/")
        return answer

    def say(self, answer: Response, ask: Ask, text: str) -> None:
        """Have the next page say something.  Sealed, so that nobody else can put words there."""
        sealed = ask.store.keyring.seal(text[:_MOST_SAID_CHARS], f"said {ask.guest.csrf}")
        content = base64.urlsafe_b64encode(sealed).decode()
        safe = self._gate.is_tls(ask.request)
        answer.set_cookie(_SAID_COOKIE, content, max_age=60, path="/", secure=safe, httponly=True, samesite="lax")

    def _said(self, request: Request, guest: Guest) -> str:
        content = request.cookies.get(_SAID_COOKIE, "")
        if not content:
            return ""
        with suppress(SettingsError, ValueError, binascii.Error):
            sealed = base64.urlsafe_b64decode(content.encode())
            return guest.store.keyring.unseal(sealed, f"said {guest.csrf}")
        return ""

    def _to_sign_in(self, here: Visit, *, posted: bool) -> Response:
        wanted = "" if posted else f"?next={quote(here.path, safe='/')}"
        return RedirectResponse(here.link(f"/signin{wanted}"), 303)

    def _failed(self, request: Request, here: Visit, guest: Guest | None, error: ZiyanError) -> Response:
        match error:
            case NotFoundError():
                status, words = 404, _NOTHING
            case ConflictError():
                status, words = 409, (_REFUSED, Wrong.of(error).words)
            case InvalidRequestError():
                status, words = 422, (_REFUSED, Wrong.of(error).words)
            case GatewayRefusedError():
                status, words = error.row.status, _TOO_LARGE if error.row.status == 413 else _BROKEN
            case StoreError():
                status, words = 503, _AWAY
            case _:
                status, words = 500, _FAULT
        if status >= 500:
            fields = {"path": here.path, "error": error.code, "internal": error.internal or str(error)}
            _logger.warning("page failed", extra={"fields": fields})
        if guest is None:
            return self._renderer.page(request, "trouble_plain.html", here, status=status, words=words)
        return self._trouble(Ask(request, here, guest, self), status, *words)

    def _trouble(self, ask: Ask, status: int, title: tuple[str, str], text: tuple[str, str]) -> Response:
        came_from = ask.visit.path if ask.visit.path != ask.request.url.path else ""
        query = urlencode(ask.visit.query) if came_from else ""
        return ask.page("trouble.html", status=status, words=(title, text), back=f"{came_from}{query and '?'}{query}")


def _with_way_back(change: Handler, back: Handler | None) -> Handler:
    """A handler of a form, after whose refusal the form's page is shown again."""
    if back is None:
        return change

    async def answer(ask: Ask) -> Response:
        try:
            return await change(ask)
        except (ConflictError, InvalidRequestError) as error:
            return await back(replace(ask, wrong=Wrong.of(error)))

    return answer


def _came_from(request: Request, here: Visit, home: str) -> Visit:
    """The visit of the page that sent a form: links of the answer, such as to the other language, lead back there."""
    try:
        page = urlsplit(request.headers.get("referer", ""))
    except ValueError:  # it is none
        return here
    inside = page.netloc == request.headers.get("host") and (page.path == home or page.path.startswith(f"{home}/"))
    if not inside:
        return here
    query = tuple((name, value) for name, value in parse_qsl(page.query) if name not in {"lang", "csv"})
    return replace(here, path=page.path, query=query)


def storable(text: str) -> str:
    """Text that PostgreSQL can look for: it takes a NUL for an error, not for what is in no column."""
    return text.replace("\0", "\ufffd")


def private(answer: Response) -> Response:
    """A file for whoever is signed in: no browser keeps it."""
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def read_form(request: Request, receive: Receive, memory: BodyMemory, sender: str, most: int) -> Form:
    """A form of at most so many bytes.

    Raises:
        GatewayRefusedError: It is too large or none, or there is no memory for it.
        ClientGoneError: The browser hung up.
    """
    body = Body(receive, memory, most)
    try:
        return parse_body(request.headers.get("content-type", ""), await body.read(request.headers, sender))
    except GatewayRefusedError:
        with suppress(TimeoutError):  # a connection that is closed on a browser still sending shows it nothing
            await asyncio.wait_for(body.discard(), _LINGER_SECONDS)
        raise
    finally:
        body.close()


@dataclass(frozen=True, slots=True)
class _Door:
    """The ASGI application behind one path."""

    room: Room
    show: Handler | None
    change: Handler | None
    most: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self.room.answer(scope, receive, self.show, self.change, self.most)
        except ClientGoneError:
            return
        await answer(scope, receive, send)


_REFUSED: Final = ("没有办成", "That did not work")
_ELSEWHERE: Final = (
    ("这里不是你的页面", "This page is not yours"),
    ("你登录的身份看不到它。", "Whoever you are signed in as does not see it."),
)
_OLD_PAGE: Final = (
    ("这个表单不是刚才的页面发来的", "This form did not come from the page you saw"),
    (
        "什么都没有改动。请回到原来的页面，刷新后再试一次。",
        "Nothing was changed. Go back, reload the page and try again.",
    ),
)
_NOTHING: Final = (
    ("这里什么也没有", "There is nothing here"),
    ("要找的东西不存在，或者不属于你的账户。", "It does not exist, or does not belong to your account."),
)
_TOO_LARGE: Final = (
    ("太大了", "Too large"),
    ("发来的内容超过了上限，什么都没有改动。", "What was sent is over the limit. Nothing was changed."),
)
_BROKEN: Final = (
    ("表单读不懂", "The form cannot be read"),
    ("什么都没有改动，请再试一次。", "Nothing was changed. Please try again."),
)
_AWAY: Final = (
    ("数据库暂时连不上", "The database does not answer"),
    ("什么都没有改动，请稍后再试。", "Nothing was changed. Please try again in a while."),
)
_FAULT: Final = (
    ("服务出错了", "Something is wrong with the service"),
    ("请告诉运行这台服务的人，日志里有原因。", "Tell whoever runs this service; the log has the reason."),
)
