"""People who sign in to the pages: what is stored of them, and when their sessions end."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tests.desk import operator
from tests.metering.conftest import Clock
from tests.people import buyer_login, fresh, operator_login
from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import logins, passwords
from ziyan.metering.desk import Person
from ziyan.metering.logins import IDLE_MS, LIFE_MS, OPERATOR_NAME, Login, Role, Turns
from ziyan.metering.store import Store, audit, schema
from ziyan.metering.store import logins as table
from ziyan.metering.store.schema import sessions
from ziyan.metering.store.slices import Asked


def entries(store: Store, login_id: str) -> list[tuple[str, str]]:
    found = store.transact(lambda connection: audit.page(connection, Asked(), object_id=login_id)).items
    return [(entry.action, entry.actor) for entry in reversed(found)]


def whole(store: Store) -> str:
    """Everything that is written down of people and of what was done."""
    return store.transact(
        lambda connection: "\n".join(
            str(tuple(row))
            for everything in (schema.logins, schema.sessions, schema.audit_log)
            for row in connection.execute(select(everything))
        )
    )


# --- passwords ------------------------------------------------------------------------------------------------


def test_a_fresh_password_is_long_and_only_its_hash_is_stored(store: Store) -> None:
    new = passwords.fresh()
    assert len(new.text.replace("-", "")) == 20
    assert new.hash.startswith("$argon2id$")
    assert new.text not in repr(new)
    login = operator(store).do(lambda desk: logins.create_login(desk, "Wang", Role.OPERATOR, new))
    assert new.hash not in repr(login)
    assert new.text not in whole(store)
    assert new.hash not in str(store.transact(lambda connection: audit.page(connection, Asked())))


def test_a_password_fits_itself_alone() -> None:
    assert passwords.matches(fresh().hash, fresh().text)
    assert not passwords.matches(fresh().hash, fresh().text + "x")
    assert not passwords.matches(fresh().hash, "")
    assert not passwords.matches("no hash", fresh().text)


def test_as_much_work_is_done_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    class Counting:
        def verify(self, stored: str, password: str) -> bool:
            tried.append(stored)
            return True

    decoy = passwords._decoy()
    monkeypatch.setattr(passwords, "_hasher", Counting)
    assert passwords.matches(None, "anything") is False
    assert passwords.matches("stored", "anything") is True
    assert tried == [decoy, "stored"]
    assert decoy.split("$")[:4] == fresh().hash.split("$")[:4]  # the same costs


@pytest.mark.parametrize("password", ["short", "x" * 201, "longestname", "longestname1!"])
def test_a_bad_password_is_refused(password: str) -> None:
    with pytest.raises(ConflictError, match="password"):
        passwords.checked(password, "LongestName@example.com")


def test_a_good_password_is_taken_as_it_is() -> None:
    assert passwords.checked(" 一句 很长的 密码 吧 ") == " 一句 很长的 密码 吧 "
    assert passwords.checked("correct horse", "li@example.com") == "correct horse"


# --- logins ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role", "account", "why"),
    [
        ("two words", Role.OPERATOR, None, "one word"),
        ("", Role.OPERATOR, None, "one word"),
        ("<b>", Role.OPERATOR, None, "one word"),
        ("x" * 201, Role.OPERATOR, None, "one word"),
        ("li", Role.BUYER, None, "belongs to an account"),
        ("li", Role.OPERATOR, "account", "belongs to an account"),
    ],
)
def test_a_login_that_makes_no_sense_is_refused(
    store: Store, name: str, role: Role, account: str | None, why: str
) -> None:
    with pytest.raises(ConflictError, match=why):
        operator(store).do(lambda desk: logins.create_login(desk, name, role, fresh(), account))


def test_names_are_taken_once_whatever_their_case(store: Store) -> None:
    login = buyer_login(store, "Li@Example.com")
    assert login.name == "li@example.com"
    with pytest.raises(ConflictError, match=r"li@example\.com already"):
        operator_login(store, " LI@example.com ")
    with pytest.raises(NotFoundError, match="no account"):
        buyer_login(store, "other", "nobody")
    assert operator(store).do(lambda desk: logins.login_by_name(desk, "LI@EXAMPLE.COM")) == login


def test_a_buyer_finds_nobody_elses_login(store: Store) -> None:
    mine, other = buyer_login(store, "mine"), buyer_login(store, "other")
    buyer = Person(store, "login mine", mine.account_id)
    assert buyer.do(lambda desk: logins.login_by_name(desk, "mine")) == mine
    for work in (
        lambda desk: logins.login_by_name(desk, "other"),
        lambda desk: logins.change_password(desk, other.id, fresh().hash),
        lambda desk: logins.set_login_disabled(desk, other.id, disabled=True),
        lambda desk: logins.reset_password(desk, "nobody", fresh()),
    ):
        with pytest.raises(NotFoundError, match="no login"):
            buyer.do(work)


def test_the_first_start_makes_one_operator(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    password = logins.ensure_operator(store)
    assert password
    login = operator(store).do(lambda desk: logins.login_by_name(desk, OPERATOR_NAME))
    assert (login.role, login.account_id) == ("operator", None)
    assert passwords.matches(login.password, password)
    assert logins.ensure_operator(store) is None
    assert entries(store, login.id) == [("login.create", "first start")]
    # Another process looked at the same moment.
    monkeypatch.setattr(table, "any_operator", lambda _connection: False)
    assert logins.ensure_operator(store) is None


def test_logins_are_listed_by_account(store: Store) -> None:
    mine = buyer_login(store, "mine")
    operator_login(store, "wang")

    def names(account_id: str | None) -> set[str]:
        return {each.name for each in store.transact(lambda c: table.page(c, Asked(), account_id)).items}

    assert names(None) == {"mine", "wang"}
    assert names(mine.account_id) == {"mine"}


# --- sessions -------------------------------------------------------------------------------------------------


async def test_signing_in_needs_the_name_the_password_and_a_login_that_is_not_disabled(store: Store) -> None:
    turns, login = Turns(), buyer_login(store, "li@example.com")
    assert await logins.sign_in(store, turns, " LI@Example.com", fresh().text) == login
    assert await logins.sign_in(store, turns, "li@example.com", "wrong") is None
    assert await logins.sign_in(store, turns, "nobody", fresh().text) is None
    await operator(store).ask(lambda desk: logins.set_login_disabled(desk, login.id, disabled=True))
    assert await logins.sign_in(store, turns, "li@example.com", fresh().text) is None
    await operator(store).ask(lambda desk: logins.set_login_disabled(desk, login.id, disabled=False))
    assert await logins.sign_in(store, turns, "li@example.com", fresh().text) == login
    again = await operator(store).ask(lambda desk: logins.set_login_disabled(desk, login.id, disabled=False))
    assert again == login
    assert [action for action, _ in entries(store, login.id)] == ["login.create", "login.disable", "login.enable"]


async def test_only_a_hash_of_a_session_is_stored(store: Store) -> None:
    login = buyer_login(store, "li")
    secret, other = await logins.start_session(store, login), await logins.start_session(store, login)
    assert secret != other
    assert len(secret) >= 43
    found = await logins.find_session(store, secret)
    assert found is not None
    assert (found.id, found.used_at is not None) == (login.id, True)
    assert secret not in whole(store)
    assert await logins.find_session(store, "guess") is None
    await logins.end_session(store, secret)
    assert await logins.find_session(store, secret) is None
    assert await logins.find_session(store, other) is not None


async def test_a_session_ends_when_it_is_idle_and_after_its_life_whatever_happens(store: Store, clock: Clock) -> None:
    login = buyer_login(store, "li")
    secret, began = await logins.start_session(store, login), clock.moment
    idle = await logins.start_session(store, login)
    while clock.moment < began + LIFE_MS - IDLE_MS:
        clock.moment += IDLE_MS - 1
        assert await logins.find_session(store, secret) is not None
    assert await logins.find_session(store, idle) is None
    clock.moment = began + LIFE_MS - 1
    assert await logins.find_session(store, secret) is not None
    clock.moment += 1
    assert await logins.find_session(store, secret) is None
    await logins.start_session(store, login)
    assert len(store.transact(lambda connection: connection.execute(select(sessions)).all())) == 1


async def test_most_requests_write_nothing(store: Store, clock: Clock) -> None:
    secret = await logins.start_session(store, buyer_login(store, "li"))

    def seen() -> Any:
        return store.transact(lambda connection: connection.execute(select(sessions.c.seen_at)).scalar())

    before = seen()
    clock.moment += 59_999
    await logins.find_session(store, secret)
    assert seen() == before
    clock.moment += 1
    await logins.find_session(store, secret)
    assert seen() == clock.moment


async def test_a_new_password_ends_every_other_session_and_a_reset_all(store: Store) -> None:
    login = buyer_login(store, "li")
    here, there = await logins.start_session(store, login), await logins.start_session(store, login)
    stranger = await logins.start_session(store, buyer_login(store, "stranger"))
    new = await Turns().hashed("a new long password")
    person = Person(store, f"login {login.id} li", login.account_id)
    changed: Login = await person.ask(lambda desk: logins.change_password(desk, login.id, new, here))
    assert passwords.matches(changed.password, "a new long password")
    assert [await logins.find_session(store, each) is not None for each in (here, there, stranger)] == [
        True,
        False,
        True,
    ]
    await operator(store).ask(lambda desk: logins.reset_password(desk, login.id, fresh()))
    assert await logins.find_session(store, here) is None
    assert await logins.find_session(store, stranger) is not None
    assert [action for action, _ in entries(store, login.id)] == ["login.create", "login.password", "login.reset"]


async def test_no_session_begins_with_a_password_that_was_changed_meanwhile(store: Store) -> None:
    desk, person = operator(store), buyer_login(store, "li")
    await desk.ask(lambda at: logins.set_login_disabled(at, person.id, disabled=True))
    early = await logins.start_session(store, person)
    await desk.ask(lambda at: logins.set_login_disabled(at, person.id, disabled=False))
    assert await logins.find_session(store, early) is None
    new = await Turns().hashed("a new long password")
    await desk.ask(lambda at: logins.change_password(at, person.id, new))
    assert await logins.find_session(store, await logins.start_session(store, person)) is None


async def test_disabling_a_login_ends_its_sessions_for_good(store: Store) -> None:
    login = buyer_login(store, "li")
    secret = await logins.start_session(store, login)
    await operator(store).ask(lambda desk: logins.set_login_disabled(desk, login.id, disabled=True))
    assert await logins.find_session(store, secret) is None
    await operator(store).ask(lambda desk: logins.set_login_disabled(desk, login.id, disabled=False))
    assert await logins.find_session(store, secret) is None
