"""docs/contract.md §3: what own-platform calls are billed once only, also when the database is away for a while."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.api.conftest import Service, start_service
from tests.api.signers import MINUTE, error_of, msg_of, now, own_call, was_read
from tests.api.test_body_memory import wait_for
from tests.api.test_connections import WaitingEngine
from tests.api.test_own_platform import appid
from tests.api.wire import Connection, request
from ziyan.api import replay
from ziyan.api.replay import Claim, Claims
from ziyan.errors import EngineBusyError, StoreError
from ziyan.metering import once
from ziyan.metering.credentials import Credential
from ziyan.metering.store import Store, database
from ziyan.metering.store.schema import taken

__all__ = ["appid"]

AWAY = (503, "X503DB", "Service Unavailable")


def test_a_billed_sign_is_taken_once(service: Service, appid: Credential) -> None:
    sent = own_call(appid)
    assert was_read(service.send(sent))
    for _ in range(2):
        assert msg_of(service.send(sent)) == "签名校验失败"
    assert was_read(service.send(own_call(appid)))


def test_a_sign_is_free_again_after_an_unbilled_outcome(service: Service, appid: Credential) -> None:
    sent = own_call(appid)
    for error, status in ((EngineBusyError("full"), 503), (ZeroDivisionError(), 500), (StoreError("away"), 503)):
        service.engine.outcome = error
        assert service.send(sent).status == status
    service.engine.outcome = None
    assert was_read(service.send(sent))
    refused = own_call(appid, ver="9")
    assert [msg_of(service.send(refused)) for _ in range(2)] == ["版本参数ver传入有误"] * 2


@contextmanager
def being_read(service: Service, engine: WaitingEngine, sent: bytes) -> Iterator[Connection]:
    with Connection(service.port) as connection:
        connection.send(sent)
        assert engine.reading.wait(20)
        yield connection


def test_a_sign_whose_first_call_still_runs_is_refused(service_with: Callable[..., Service]) -> None:
    service = service_with(engine=(engine := WaitingEngine()))
    sent = own_call(service.caller.appid)
    with being_read(service, engine, sent) as connection:
        assert msg_of(service.send(sent)) == "签名校验失败"
        engine.finish()
        assert was_read(connection.read_reply())
    assert msg_of(service.send(sent)) == "签名校验失败"


def test_a_sign_is_free_again_when_its_caller_has_hung_up(service_with: Callable[..., Service]) -> None:
    service = service_with(engine=(engine := WaitingEngine()))
    sent = own_call(service.caller.appid)
    with being_read(service, engine, sent):
        pass
    assert engine.cancelled.wait(20)
    engine.finish()
    while (reply := service.send(sent)).status == 666:  # until the first call's claim is given back
        assert msg_of(reply) == "签名校验失败"
    assert was_read(reply)


async def test_a_claim_lapses_soon_if_its_process_dies_and_is_held_once_answered(service: Service) -> None:
    def expiries() -> set[int]:
        return set(service.store.transact(lambda connection: connection.execute(select(taken.c.expires_at)).scalars()))

    others, before = expiries(), now()
    claim = Claim("claimed by hand", until=before + 5 * MINUTE)
    async with Claims(service.store, seconds=30).billed_once(claim):
        (lapses,) = expiries() - others
        assert before + 30_000 + MINUTE <= lapses <= now() + 30_000 + MINUTE < claim.until
    assert expiries() - others == {claim.until}


def test_of_many_with_one_sign_one_is_served(service: Service, appid: Credential) -> None:
    sent = own_call(appid)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(service.send, [sent] * 8))
    assert sorted(map(was_read, replies)) == [False] * 7 + [True]
    assert {msg_of(reply) for reply in replies if not was_read(reply)} == {"签名校验失败"}


def test_a_claim_that_cannot_be_given_back_hides_nothing(
    service: Service, appid: Credential, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(store: Store, ticket: once.Ticket) -> None:
        raise StoreError("away", internal="the disk is full")

    monkeypatch.setattr(once, "give_back", fail)
    service.engine.outcome = EngineBusyError("full")
    assert error_of(service.send(own_call(appid)))[1] == "X503BZ"
    (warning,) = [record for record in caplog.records if "claim" in record.getMessage()]
    assert warning.fields == {"internal": "the disk is full"}


def test_an_answer_whose_claim_cannot_be_kept_is_not_given(
    service: Service, appid: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(store: Store, ticket: once.Ticket, *, until: int) -> None:
        raise StoreError("away")

    sent = own_call(appid)
    with monkeypatch.context() as patched:
        patched.setattr(once, "keep", fail)
        assert error_of(service.send(sent))[1] == "X503DB"
    assert was_read(service.send(sent))


# --- a database that is locked --------------------------------------------------------------------------------------


@contextmanager
def locked(service: Service) -> Iterator[None]:
    """Somebody else writes meanwhile, and takes long."""
    file = service.settings.data_dir / "ziyan.db"
    with closing(sqlite3.connect(file, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def call_that_fails_while_locked(service: Service, engine: WaitingEngine, sent: bytes, outcome: str) -> None:
    with being_read(service, engine, sent) as connection, locked(service):
        engine.outcome = EngineBusyError("full") if outcome == "busy" else None
        engine.finish()
        assert error_of(connection.read_reply()) == ((503, "X503BZ", "Service Busy") if outcome == "busy" else AWAY)
        assert error_of(service.send(sent)) == AWAY
    engine.outcome = None


@pytest.mark.parametrize("outcome", ["busy", "read"])
def test_a_call_that_failed_while_the_database_was_locked_may_be_sent_again(
    service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    monkeypatch.setattr(replay, "_PAUSE_SECONDS", 1000)  # nothing is given back meanwhile
    service = service_with(engine=(engine := WaitingEngine()))
    sent = own_call(service.caller.appid)
    call_that_fails_while_locked(service, engine, sent, outcome)
    assert was_read(service.send(sent))
    assert msg_of(service.send(sent)) == "签名校验失败", "it was billed now"


def test_another_process_may_serve_it_too(
    service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.05)
    service = service_with(engine=(engine := WaitingEngine()))
    other = start_service(service.settings.data_dir)
    try:
        sent = own_call(service.caller.appid)
        call_that_fails_while_locked(service, engine, sent, "busy")
        while (reply := other.send(sent)).status == 666:  # until the first one has given it back
            assert msg_of(reply) == "签名校验失败"
        assert was_read(reply)
        assert msg_of(service.send(sent)) == "签名校验失败"
    finally:
        other.stop()


class FailingOnce:
    """Cannot give back for so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
        self.left, self.tries, self._give_back = times, 0, once.give_back
        monkeypatch.setattr(once, "give_back", self)
        monkeypatch.setattr(replay, "_PAUSE_SECONDS", 0.001)

    async def __call__(self, store: Store, ticket: once.Ticket) -> None:
        self.tries += 1
        if self.left:
            self.left -= 1
            raise StoreError("away")
        await self._give_back(store, ticket)


async def fail(claims: Claims, name: str) -> None:
    with pytest.raises(EngineBusyError):
        async with claims.billed_once(Claim(name, until=now() + MINUTE)):
            raise EngineBusyError("full")


async def settled(claims: Claims) -> None:
    assert claims._settling is not None
    await asyncio.wait_for(claims._settling, 20)
    assert claims._owed == {}


async def test_it_is_tried_until_everything_is_given_back(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    claims, store = Claims(service.store, seconds=30), FailingOnce(monkeypatch, 6)
    await asyncio.gather(*(fail(claims, f"owed {number}") for number in range(3)))
    await settled(claims)
    assert store.tries == 6 + 3
    for number in range(3):
        async with claims.billed_once(Claim(f"owed {number}", until=now() + MINUTE)):
            pass
    store.left = 2
    await fail(claims, "owed later")
    await settled(claims)


async def test_what_has_lapsed_is_owed_no_longer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_MARGIN_MS", 1)
    claims, store = Claims(service.store, seconds=0), FailingOnce(monkeypatch, 1_000_000)
    await fail(claims, "lapsing")
    await settled(claims)
    assert store.left < 1_000_000


async def test_what_is_owed_is_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "_MAX_OWED", 2)
    claims, _ = Claims(service.store, seconds=30), FailingOnce(monkeypatch, 3)
    monkeypatch.setattr(replay, "_PAUSE_SECONDS", 1000)
    for number in range(3):
        await fail(claims, f"bounded {number}")
    assert list(claims._owed) == ["bounded 0", "bounded 1"]
    claims._settling.cancel()


async def test_a_claim_that_a_later_call_owes_stays_owed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    claims, _ = Claims(service.store, seconds=30), FailingOnce(monkeypatch, 1)
    monkeypatch.setattr(replay, "_PAUSE_SECONDS", 1000)
    await fail(claims, "twice")
    first = claims._owed["twice"]
    later = claims._owed["twice"] = replay._Owed(once.Ticket(first.ticket.lookup, "another"), first.lapses)
    await claims._settle("twice", first)
    assert claims._owed == {"twice": later}
    claims._settling.cancel()


def test_reading_goes_on_while_writers_wait(
    service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 60)
    service = service_with()
    calls = [own_call(service.caller.appid) for _ in range(8)]
    with ThreadPoolExecutor(len(calls)) as pool:
        with locked(service):
            replies = pool.map(service.send, calls)
            wait_for(lambda: service.store._writers._work_queue.qsize() >= 4)
            assert service.post(b"img=QUJD").status == 200
            assert service.send(request(method="GET", target="/healthz/ready", content_type=None)).status == 200
        assert list(map(was_read, replies)) == [True] * len(calls)
