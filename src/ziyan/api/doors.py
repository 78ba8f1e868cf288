"""Who may use the admin and buyer APIs: sign-in by token, or, for what an app may see of itself, by AppCode.

Nothing tells a token that was revoked, or has expired, from one that never was.  Whoever sends wrong ones is soon
made to wait, right ones from the same address included: so waiting tells nothing either.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from ziyan.api.address import caller_address
from ziyan.api.rates import Rate, address_block
from ziyan.errors import NotFoundError, ScopeError, SignInError, TooManyTriesError
from ziyan.fetch import Fetcher
from ziyan.metering.credentials import app_of_appcode
from ziyan.metering.desk import Desk, Person
from ziyan.metering.store import Store
from ziyan.metering.tokens import PREFIX, Scope, Token, find_token
from ziyan.settings import Settings

T = TypeVar("T")

#: Wrong tokens that may come from one address: so many at once, then one every so many seconds.
WRONG_AT_ONCE: Final = 10
WRONG_SECONDS: Final = 6
_BEARER: Final = HTTPBearer(auto_error=False, description="A token that `ziyan tokens create` has made")


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who has signed in.

    Attributes:
        person: As whom they change things.
        token: Their token; None for an AppCode.
        app_id: The only app that they see anything of; None for every one of theirs.
    """

    person: Person
    token: Token | None = None
    app_id: str | None = None

    @property
    def store(self) -> Store:
        """The database."""
        return self.person.store

    @property
    def token_id(self) -> str:
        """Identifier of their token; empty for an AppCode."""
        return self.token.id if self.token else ""

    @property
    def own_account_id(self) -> str:
        """A buyer's account."""
        return self.person.account_id or ""

    async def read(self, work: Callable[[Desk], T]) -> T:
        """Look at things, in one transaction."""
        return await self.person.ask(work, write=False)

    async def change(self, work: Callable[[Desk], T]) -> T:
        """Change things, in one transaction."""
        return await self.person.ask(work)

    def narrowed(self, app_id: str | None) -> str | None:
        """The app whose things may be listed, where ``app_id`` was asked for; None for every one of theirs.

        Raises:
            NotFoundError: It is another one than they see.
        """
        if self.app_id is not None and app_id not in {None, self.app_id}:
            raise NotFoundError(f"There is no app {app_id}")
        return self.app_id or app_id


class Door:
    """Lets visitors in.  Holds nothing but how many came of late.

    Attributes:
        takes_mail: Whether notices can go out by mail.
        fetcher: Knows which webhooks may be called.
    """

    def __init__(self, settings: Settings, store: Store, *, buyers: bool) -> None:
        """Let in buyers, or else operators."""
        self.fetcher = Fetcher.from_settings(settings)
        self._store = store
        self._buyers = buyers
        self.takes_mail = bool(settings.mail_server)
        self._proxies = settings.proxy_networks
        self._requests = Rate(settings.rate_address)
        self._wrong = Rate(1 / WRONG_SECONDS, burst=WRONG_AT_ONCE)

    async def admit(self, request: Request, scope: Scope, *, appcode: bool) -> Visitor:
        """The visitor who sends a request.

        Raises:
            SignInError: Nothing that works was sent.
            ScopeError: They may not do this.
            TooManyTriesError: Too much came from their address.
            StoreError: The database is away.
        """
        address = address_block(caller_address(request.scope, self._proxies))
        self._require_patience(address)
        self._requests.spend(address)
        kind, _, secret = request.headers.get("authorization", "").strip().partition(" ")
        secret = secret.strip()
        visitor = await self._visitor(kind.lower(), secret) if secret else None
        if visitor is None:
            self._wrong.spend(address)
            raise SignInError("Send the header `Authorization: Bearer <token>` with a token that works")
        request.scope["actor"] = visitor.person.actor
        self._require(visitor, scope, appcode=appcode)
        return visitor

    def _require_patience(self, address: str) -> None:
        if seconds := max(self._requests.wait(address), self._wrong.wait(address)):
            error = TooManyTriesError(f"Too many tries; try again after {seconds} s")
            error.retry_after = seconds
            raise error

    async def _visitor(self, kind: str, secret: str) -> Visitor | None:
        if kind == "bearer" and secret.startswith(PREFIX):
            token = await find_token(self._store, secret)
            if token is None or (token.account_id is not None) != self._buyers:
                return None
            return Visitor(Person(self._store, f"token {token.id} {token.name}", token.account_id), token)
        if self._buyers and kind in {"bearer", "appcode"}:
            app = await app_of_appcode(self._store, secret)
            if app is not None and not app.disabled:
                return Visitor(Person(self._store, f"app {app.id}", app.account_id), None, app.id)
        return None

    def _require(self, visitor: Visitor, scope: Scope, *, appcode: bool) -> None:
        if visitor.token is None:
            if not appcode:
                raise ScopeError("An AppCode shows calls left and usage of its app; this needs a buyer's token")
        elif scope not in visitor.token.scopes:
            raise ScopeError(f"This needs a token with the scope {scope}")


def needs(scope: Scope, *, appcode: bool = False) -> Callable[..., Coroutine[Any, Any, Visitor]]:
    """A dependency that lets in whoever may do what ``scope`` says; ``appcode``: an app's AppCode is enough."""

    async def admitted(
        request: Request, _header: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Visitor:
        door: Door = request.app.state.door
        return await door.admit(request, scope, appcode=appcode)

    return admitted
