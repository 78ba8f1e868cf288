"""SQL on people who sign in to the pages, and their sessions.  Every function runs inside its transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, exists, insert, or_, select, update

from ziyan.metering.store.schema import logins, sessions
from ziyan.metering.store.slices import Asked, Slice, cut, named
from ziyan.metering.times import DAY_MS


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody who signs in to the pages.

    Attributes:
        id: Identifier; goes into the audit log.
        account_id: A buyer's account; None for an operator.
        name: What they sign in by: a mail address or a user name, in lower case.
        role: ``buyer`` or ``operator``.
        password: The hash of it.
        created_at: When it was made.
        disabled_at: When it was refused from then on; None where it is not.
        used_at: When somebody signed in last.
        scopes: What an operator may do, separated by commas; empty for everything.
    """

    id: str
    account_id: str | None
    name: str
    role: str
    password: str = field(repr=False)
    created_at: int
    disabled_at: int | None = None
    used_at: int | None = None
    scopes: str = ""

    def may(self, scope: str) -> bool:
        """Whether an operator may do what a scope says."""
        return not self.scopes or scope in self.scopes.split(",")


_LOGIN = tuple(logins.c[name] for name in Login.__dataclass_fields__)
_made = named(Login)


def add(connection: Connection, login: Login) -> None:
    """Store a new login; its name must be free."""
    values = {name: getattr(login, name) for name in Login.__dataclass_fields__}
    connection.execute(insert(logins).values(values))


def by_name(connection: Connection, name: str) -> Login | None:
    """The login of this name."""
    row = connection.execute(select(*_LOGIN).where(logins.c.name == name)).one_or_none()
    return _made(row) if row else None


def by_id(connection: Connection, login_id: str) -> Login | None:
    """The login of this identifier, which nobody else changes until the transaction ends."""
    row = connection.execute(select(*_LOGIN).where(logins.c.id == login_id).with_for_update()).one_or_none()
    return _made(row) if row else None


def any_operator(connection: Connection) -> bool:
    """Whether there is an operator's login, disabled or not."""
    return bool(connection.execute(select(exists().where(logins.c.role == "operator"))).scalar())


def page(connection: Connection, asked: Asked, account_id: str | None = None) -> Slice[Login]:
    """Logins, newest first; of one account, where it is named."""
    statement = select(*_LOGIN)
    if account_id is not None:
        statement = statement.where(logins.c.account_id == account_id)
    return cut(connection, statement, (logins.c.created_at, logins.c.id), asked, _made)


def change(connection: Connection, login: Login) -> None:
    """Store a login's password, and whether it is disabled."""
    values = {"password": login.password, "disabled_at": login.disabled_at}
    connection.execute(update(logins).where(logins.c.id == login.id).values(values))


def add_session(connection: Connection, lookup: bytes, login_id: str, now: int, expires_at: int) -> None:
    """Store a new session, and that its login was used."""
    connection.execute(
        insert(sessions).values(lookup=lookup, login_id=login_id, created_at=now, seen_at=now, expires_at=expires_at)
    )
    connection.execute(update(logins).where(logins.c.id == login_id).values(used_at=now))


def of_session(connection: Connection, lookup: bytes, now: int, idle_since: int) -> tuple[Login, int] | None:
    """Whose session this is, and when it was seen last; None where it is over or its login is disabled.

    One that began more than a day from now was begun by a clock that was ahead, and would last too long.
    """
    statement = (
        select(*_LOGIN, sessions.c.seen_at)
        .join_from(sessions, logins)
        .where(
            sessions.c.lookup == lookup,
            sessions.c.expires_at > now,
            sessions.c.seen_at > idle_since,
            sessions.c.created_at <= now + DAY_MS,
            logins.c.disabled_at.is_(None),
        )
    )
    row = connection.execute(statement).one_or_none()
    return (_made(row), int(row.seen_at)) if row else None


def touch_session(connection: Connection, lookup: bytes, now: int) -> None:
    """Note that a session was seen."""
    connection.execute(update(sessions).where(sessions.c.lookup == lookup).values(seen_at=now))


def end_session(connection: Connection, lookup: bytes) -> None:
    """Forget a session."""
    connection.execute(delete(sessions).where(sessions.c.lookup == lookup))


def end_sessions(connection: Connection, login_id: str, but: bytes = b"") -> None:
    """Forget every session of a login, but for one."""
    connection.execute(delete(sessions).where(sessions.c.login_id == login_id, sessions.c.lookup != but))


def drop_sessions(connection: Connection, now: int, idle_since: int) -> None:
    """Forget sessions that are over."""
    ahead = sessions.c.created_at > now + DAY_MS
    over = or_(sessions.c.expires_at <= now, sessions.c.seen_at <= idle_since, ahead)
    connection.execute(delete(sessions).where(over))
