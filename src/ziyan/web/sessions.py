"""Who is signed in to the pages: cookies, and tokens that forms carry.

A form is taken from the page that was made for this session and from no other: it carries a keyed hash of the session,
which another site can neither read nor make; and where the browser says which site sent it, that must be this one.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from ziyan.api.address import caller_address
from ziyan.metering.desk import Desk, Person
from ziyan.metering.logins import LIFE_MS, Login, Role, find_session
from ziyan.metering.store import Store
from ziyan.settings import Settings

T = TypeVar("T")

_COOKIE: Final = "ziyan_session"
#: Of somebody who has not signed in: the form that signs them in has a token too.
_VISITOR_COOKIE: Final = "ziyan_visitor"
#: Of a browser that somebody signed in with before: it says as whom, which nobody but this service can.
_KNOWN_COOKIE: Final = "ziyan_known"
_KNOWN_SECONDS: Final = 180 * 24 * 60 * 60
#: Browsers take a cookie of such a name over TLS alone, and from no other host of the domain.
_HOST_PREFIX: Final = "__Host-"
_MOST_CHARS: Final = 100
HOMES: Final = {Role.BUYER: "/console", Role.OPERATOR: "/admin"}


def holds_session(request: Request) -> bool:
    """Whether a browser sends a session along, be it over or not: enough to word a link by, and for nothing else."""
    return any(request.cookies.get(prefix + _COOKIE) for prefix in ("", _HOST_PREFIX))


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who is signed in.

    Attributes:
        login: Who.
        person: As whom they change things.
        session: What their browser holds; secret.
        csrf: What their forms carry.
    """

    login: Login
    person: Person
    session: str = field(repr=False)
    csrf: str = field(repr=False)

    @property
    def account_id(self) -> str:
        """A buyer's account; empty for an operator."""
        return self.login.account_id or ""

    @property
    def store(self) -> Store:
        """The database."""
        return self.person.store

    async def read(self, work: Callable[[Desk], T]) -> T:
        """Look at things, in one transaction."""
        return await self.person.ask(work, write=False)

    async def change(self, work: Callable[[Desk], T]) -> T:
        """Change things, in one transaction."""
        return await self.person.ask(work)


class Gate:
    """Knows visitors by their cookies."""

    def __init__(self, settings: Settings, store: Store) -> None:
        """Look sessions up in ``store``."""
        self.store = store
        self._proxies = settings.proxy_networks

    async def guest(self, request: Request) -> Guest | None:
        """Who is signed in; None for nobody.

        Raises:
            StoreError: The database is away.
        """
        secret = self.session(request)
        login = await find_session(self.store, secret) if secret else None
        return self.as_guest(login, secret) if login else None

    def session(self, request: Request) -> str:
        """What a browser holds of a session, be it over or none; empty for nothing."""
        return self._cookie(request, _COOKIE)

    def known(self, request: Request, name: str) -> str:
        """What a browser is told apart by that was signed in under this name before; empty for any other."""
        mark, _, proof = self._cookie(request, _KNOWN_COOKIE).partition(".")
        return mark if hmac.compare_digest(self._proof(mark, name), proof) else ""

    def as_guest(self, login: Login, secret: str) -> Guest:
        """Somebody whose session this is."""
        person = Person(self.store, f"login {login.id} {login.name}"[:200], login.account_id)
        return Guest(login, person, secret, self._csrf(secret))

    def visitor(self, request: Request) -> str:
        """What somebody who is not signed in is known by; new where they come for the first time."""
        return self._cookie(request, _VISITOR_COOKIE) or secrets.token_urlsafe(32)

    def visitor_csrf(self, visitor: str) -> str:
        """What the form carries that signs somebody in."""
        return self._csrf(visitor)

    def allows(self, request: Request, expected: str, given: str) -> bool:
        """Whether a form was sent by a page of this service that was made for this browser."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is not None and site not in {"same-origin", "none"}:
            return False
        # Browsers say the former over HTTPS; then a proxy that gives the host another name does no harm.
        if site is None and origin is not None and origin.partition("://")[2] != request.headers.get("host", ""):
            return False
        return hmac.compare_digest(expected.encode(), given.encode())

    def keep_visitor(self, request: Request, answer: Response, visitor: str) -> None:
        """Have a browser remember what it is known by until it is closed."""
        self._set(request, answer, _VISITOR_COOKIE, visitor, None)

    def keep(self, request: Request, answer: Response, secret: str, name: str) -> None:
        """Have a browser hold a session, and remember that it was signed in under a name."""
        mark = self.known(request, name) or secrets.token_urlsafe(12)
        self._set(request, answer, _COOKIE, secret, LIFE_MS // 1000)
        self._set(request, answer, _KNOWN_COOKIE, f"{mark}.{self._proof(mark, name)}", _KNOWN_SECONDS)
        self._set(request, answer, _VISITOR_COOKIE, "", 0)

    def forget(self, request: Request, answer: Response) -> None:
        """Have a browser hold no session."""
        self._set(request, answer, _COOKIE, "", 0)

    def _set(self, request: Request, answer: Response, name: str, value: str, seconds: int | None) -> None:
        safe = self.is_tls(request)
        answer.set_cookie(
            self._name(name, safe=safe), value, max_age=seconds, path="/", secure=safe, httponly=True, samesite="lax"
        )

    def _cookie(self, request: Request, name: str) -> str:
        found = request.cookies.get(self._name(name, safe=self.is_tls(request)), "")
        return found if len(found) <= _MOST_CHARS and found.isascii() else ""

    def _name(self, name: str, *, safe: bool) -> str:
        return _HOST_PREFIX + name if safe else name

    def is_tls(self, request: Request) -> bool:
        """Whether the browser's connection is encrypted, here or at a proxy that is trusted."""
        if request.url.scheme == "https":
            return True
        try:
            peer = ip_address(caller_address(request.scope))
        except ValueError:  # the server does not know
            return False
        trusted = any(peer in network for network in self._proxies)
        return trusted and request.headers.get("x-forwarded-proto", "").strip().lower() == "https"

    def _proof(self, mark: str, name: str) -> str:
        return self.store.keyring.lookup("browser", f"{mark} {name}").hex()

    def _csrf(self, secret: str) -> str:
        return self.store.keyring.lookup("form", secret).hex()
