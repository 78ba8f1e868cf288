"""docs/contract.md §3: what own-platform calls are billed once only, also when the database is away for a while."""

from __future__ import annotations

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
from ziyan.errors import EngineBusyError, StoreError
from ziyan.metering import usage
from ziyan.metering.credentials import Credential
from ziyan.metering.store import database, schema, taken

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


def test_a_claim_lapses_soon_if_its_process_dies_and_is_held_once_answered(
    service_with: Callable[..., Service],
) -> None:
    service = service_with(engine=(engine := WaitingEngine()), deadline=30)

    def expiry() -> int:
        found: int = service.store.transact(lambda c: c.execute(select(schema.taken.c.expires_at)).scalar_one())
        return found

    before, sendtime = now(), now() - MINUTE
    sent = own_call(service.caller.appid, sendtime=str(sendtime))
    with being_read(service, engine, sent) as connection:
        assert before + 30_000 + MINUTE <= expiry() <= now() + 30_000 + MINUTE
        engine.finish()
        assert was_read(connection.read_reply())
    assert expiry() == sendtime + 5 * MINUTE + 1


def test_of_many_with_one_sign_one_is_served(service: Service, appid: Credential) -> None:
    sent = own_call(appid)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(service.send, [sent] * 8))
    assert sorted(map(was_read, replies)) == [False] * 7 + [True]
    assert {msg_of(reply) for reply in replies if not was_read(reply)} == {"签名校验失败"}


def failing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: object) -> None:
        raise StoreError("away", internal="the disk is full")

    monkeypatch.setattr(taken, name, fail)


def test_a_claim_that_cannot_be_given_back_hides_nothing_and_is_given_back_later(
    service: Service, appid: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = own_call(appid)
    with monkeypatch.context() as patched:
        failing(patched, "give_back")
        service.engine.outcome = EngineBusyError("full")
        assert error_of(service.send(sent))[1] == "X503BZ"
    service.engine.outcome = None
    assert was_read(service.send(sent))


def test_an_answer_whose_claim_cannot_be_kept_is_not_given(
    service: Service, appid: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = own_call(appid)
    with monkeypatch.context() as patched:
        failing(patched, "set_expiry")
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
    monkeypatch.setattr(usage, "_FLUSH_SECONDS", 1000)  # nothing is given back meanwhile
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
            assert service.send(request(b"img=QUJD", appcode="0" * 32)).status == 400
            assert service.send(request(method="GET", target="/healthz/ready", content_type=None)).status == 200
        assert list(map(was_read, replies)) == [True] * len(calls)
