"""People who sign in to the pages: logins and sessions.  Every change of a login is in the audit log.

What a browser holds of its session are 32 random bytes; what is stored is a keyed hash of them.  A session lasts for
``LIFE_MS``, and ends sooner when nobody has used it for ``IDLE_MS``.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Final
from uuid import uuid4

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import passwords
from ziyan.metering.desk import Desk, Person
from ziyan.metering.passwords import Fresh
from ziyan.metering.store import Store
from ziyan.metering.store import logins as table
from ziyan.metering.store.logins import Login
from ziyan.metering.times import DAY_MS, HOUR_MS, now_ms
from ziyan.metering.tokens import granted
from ziyan.metering.views import LoginView

__all__ = [
    "IDLE_MS",
    "LIFE_MS",
    "OPERATOR_NAME",
    "Login",
    "Role",
    "Turns",
    "buyer_login",
    "change_password",
    "create_login",
    "end_session",
    "ensure_operator",
    "find_session",
    "login_by_name",
    "normalized",
    "reset_password",
    "set_login_disabled",
    "sign_in",
    "start_session",
]

LIFE_MS: Final = DAY_MS
IDLE_MS: Final = 2 * HOUR_MS
#: Name of the login that the first start makes.
OPERATOR_NAME: Final = "operator"
_NAME: Final = re.compile(r"[^\s\x00-\x1f\x7f<>\"']{1,200}")
#: Between two notes of when a session was seen: most requests change nothing.
_TOUCH_MS: Final = 60_000
#: Passwords that are tried at a time: each takes 64 MiB and the better part of a core.
_AT_ONCE: Final = 2
_KIND: Final = "session"


class Role(StrEnum):
    """What somebody may do on the pages."""

    BUYER = "buyer"
    OPERATOR = "operator"


class Turns:
    """Lets a few passwords be tried at a time.  Holds nothing else."""

    def __init__(self) -> None:
        """Let the first one in."""
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def matches(self, stored: str | None, password: str) -> bool:
        """As ``passwords.matches``, off the event loop, when it is its turn."""
        async with self._places:
            return await asyncio.to_thread(passwords.matches, stored, password)

    async def hashed(self, password: str) -> str:
        """As ``passwords.hashed``, off the event loop, when it is its turn."""
        async with self._places:
            return await asyncio.to_thread(passwords.hashed, password)


# --- logins ---------------------------------------------------------------------------------------------------


def normalized(name: str) -> str:
    """A login's name as it is stored and looked for."""
    return name.strip().lower()


def create_login(
    desk: Desk,
    name: str,
    role: Role,
    new: Fresh,
    account_id: str | None = None,
    scopes: Iterable[str] | None = None,
) -> Login:
    """Let somebody sign in, with a password that ``passwords.fresh`` made before: in here others would wait for it.

    An operator's login may do what its scopes say; everything where none are given, as opposed to an empty list.

    Raises:
        NotFoundError: There is no such account.
        ConflictError: The name is none or taken, a buyer has no account or an operator has one, or a scope is none,
            or there are to be scopes and none is named.
    """
    name = normalized(name)
    if not _NAME.fullmatch(name):
        raise ConflictError("A login's name is a mail address or one word, of at most 200 characters")
    if (role == Role.BUYER) != (account_id is not None):
        raise ConflictError("A buyer's login belongs to an account, an operator's to none")
    if account_id is not None:
        desk.account(account_id)
    if table.by_name(desk.connection, name) is not None:
        raise ConflictError(f"There is a login named {name} already")
    allowed = "" if scopes is None else ",".join(granted(scopes, buyer=role == Role.BUYER))
    login = Login(uuid4().hex, account_id, name, role, new.hash, now_ms(), scopes=allowed)
    table.add(desk.connection, login)
    desk.note("login.create", login.id, None, LoginView.of(login))
    return login


def reset_password(desk: Desk, login_id: str, new: Fresh) -> Login:
    """Give a login a new password, which ``passwords.fresh`` made before, and end its sessions.

    Raises:
        NotFoundError: There is no such login.
    """
    return _put_password(desk, _known(desk, login_id), new.hash, "login.reset")


def change_password(desk: Desk, login_id: str, new_hash: str, session: str = "") -> Login:
    """Store the hash of a password that somebody chose, and end their sessions but for the one that they are in.

    Raises:
        NotFoundError: There is no such login.
    """
    return _put_password(desk, _known(desk, login_id), new_hash, "login.password", session)


def set_login_disabled(desk: Desk, login_id: str, *, disabled: bool) -> Login:
    """Refuse a login, which ends its sessions, or take it again.

    Raises:
        NotFoundError: There is no such login.
    """
    before = _known(desk, login_id)
    if (before.disabled_at is not None) == disabled:
        return before
    after = replace(before, disabled_at=now_ms() if disabled else None)
    table.change(desk.connection, after)
    if disabled:
        table.end_sessions(desk.connection, login_id)
    desk.note("login.disable" if disabled else "login.enable", login_id, LoginView.of(before), LoginView.of(after))
    return after


def login_by_name(desk: Desk, name: str) -> Login:
    """The login of a name.

    Raises:
        NotFoundError: There is none.
    """
    login = table.by_name(desk.connection, normalized(name))
    if login is None or not _is_seen(desk, login):
        raise NotFoundError(f"There is no login named {normalized(name)}")
    return login


def buyer_login(desk: Desk, login_id: str) -> Login:
    """The buyer's login of this identifier.

    Raises:
        NotFoundError: There is none, or it is an operator's.
    """
    login = _known(desk, login_id)
    if login.role != Role.BUYER:
        raise NotFoundError(f"There is no buyer's login {login_id}")
    return login


def ensure_operator(store: Store) -> str | None:
    """The password of the first operator's login, made where there is none at all; None on every later start.

    Raises:
        StoreError: The database is away.
    """
    if store.transact(table.any_operator):
        return None
    new = passwords.fresh()
    try:
        Person(store, "first start").do(lambda desk: create_login(desk, OPERATOR_NAME, Role.OPERATOR, new))
    except (IntegrityError, ConflictError):  # another process was first
        return None
    return new.text


def _put_password(desk: Desk, login: Login, new_hash: str, action: str, session: str = "") -> Login:
    after = replace(login, password=new_hash)
    table.change(desk.connection, after)
    table.end_sessions(desk.connection, login.id, _lookup(desk.store, session) if session else b"")
    desk.note(action, login.id, LoginView.of(login), LoginView.of(after))
    return after


def _known(desk: Desk, login_id: str) -> Login:
    login = table.by_id(desk.connection, login_id)
    if login is None or not _is_seen(desk, login):
        raise NotFoundError(f"There is no login {login_id}")
    return login


def _is_seen(desk: Desk, login: Login) -> bool:
    return desk.account_id in {None, login.account_id}


# --- sessions -------------------------------------------------------------------------------------------------


async def sign_in(store: Store, turns: Turns, name: str, password: str) -> Login | None:
    """The login of a name and its password; None where either is wrong or it is disabled, after the same work.

    Raises:
        StoreError: The database is away.
    """
    wanted = normalized(name)
    login = await store.run(lambda connection: table.by_name(connection, wanted))
    fits = await turns.matches(login.password if login else None, password)
    return login if login and fits and login.disabled_at is None else None


async def start_session(store: Store, login: Login, instead_of: str = "") -> str:
    """Begin a session; what its browser is to hold, which nobody held before.

    It is worth nothing where the login was disabled, or got another password, since its password was looked at.  The
    session that the browser held, if any, ends: whoever else knows it is signed out too.

    Raises:
        StoreError: The database is away.
    """
    secret = secrets.token_urlsafe(32)
    now = now_ms()

    def start(connection: Connection) -> None:
        table.drop_sessions(connection, now, now - IDLE_MS)
        if instead_of:
            table.end_session(connection, _lookup(store, instead_of))
        known = table.by_id(connection, login.id)
        if known is None or known.disabled_at is not None or known.password != login.password:
            return
        table.add_session(connection, _lookup(store, secret), login.id, now, now + LIFE_MS)

    await store.run(start, write=True)
    return secret


async def find_session(store: Store, secret: str) -> Login | None:
    """Whose session a browser holds; None where it is over, or was none.

    Raises:
        StoreError: The database is away.
    """
    lookup, now = _lookup(store, secret), now_ms()
    found = await store.run(lambda connection: table.of_session(connection, lookup, now, now - IDLE_MS))
    if found is None:
        return None
    login, seen_at = found
    if now - seen_at >= _TOUCH_MS:

        def touch(connection: Connection) -> None:
            table.touch_session(connection, lookup, now)

        await store.run(touch, write=True)
    return login


async def end_session(store: Store, secret: str) -> None:
    """End a session.

    Raises:
        StoreError: The database is away.
    """
    lookup = _lookup(store, secret)
    await store.run(lambda connection: table.end_session(connection, lookup), write=True)


def _lookup(store: Store, secret: str) -> bytes:
    return store.keyring.lookup(_KIND, secret)
