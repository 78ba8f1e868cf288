"""docs/contract.md §5 over a socket: what is billed, once, and what is not; docs/adr/0006 says where the line is."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from h2.settings import SettingCodes
from urllib3.filepost import encode_multipart_formdata

from tests.api.conftest import Service
from tests.api.signers import B64, error_of, form, msg_of, own_call, own_parameters, was_read
from tests.api.test_connections import WaitingEngine
from tests.api.wire import Connection, Http2, Reply, request
from tests.desk import set_app_disabled, set_app_rate
from ziyan.api import acknowledged, billing
from ziyan.api.calls import Call
from ziyan.api.headers import Answer
from ziyan.errors import EngineBusyError, StoreError
from ziyan.metering import answers, ledger, once, packages
from ziyan.metering.packages import list_packages
from ziyan.metering.store import Store, usage
from ziyan.metering.store import packages as table
from ziyan.metering.times import now_ms
from ziyan.metering.usage import Event, events
from ziyan.ocr.types import Page

FORM = b"img=QUJD"
OTHER = b"img=QUJE"
Start = Callable[..., Service]


def keyed(service: Service, body: bytes = FORM, key: str = "a key", **more: Any) -> Reply:
    return service.send(request(body, appcode=service.caller.appcode, headers=(f"Idempotency-Key: {key}",), **more))


def cost(reply: Reply) -> tuple[int, str, str]:
    return reply.status, reply["X-Ziyan-Billed"], reply["X-Ziyan-Remaining"]


def consumed(service: Service) -> int:
    return sum(each.consumed for each in list_packages(service.store, service.caller.app.id))


def outcomes(service: Service) -> list[tuple[int, str, bool]]:
    found = events(service.store, service.caller.app.id, since=0, until=now_ms() * 2, limit=10_000)
    return sorted((each.status, each.code, each.billed) for each in found)


def wait_for(service: Service, *expected: tuple[int, str, bool]) -> None:
    """Outcomes that nobody waits for are written soon."""
    given_up = time.monotonic() + 30
    while (found := outcomes(service)) != sorted(expected):
        assert time.monotonic() < given_up, found
        time.sleep(0.02)
    assert all(each.reserved == 0 for each in list_packages(service.store, service.caller.app.id))
    assert ledger.check(service.store).differences == ()


OK, GONE, AWAY = (200, "ok", True), (499, "gone", False), (503, "X503DB", False)


# --- what every answer says ---------------------------------------------------------------------------------------


def test_every_answer_says_whether_it_was_billed_and_what_is_left(service_with: Start) -> None:
    service = service_with(calls=2)
    assert cost(service.post(FORM)) == (200, "1", "1")
    assert cost(service.post(b"ver=9")) == (666, "0", "1")
    service.engine.outcome = EngineBusyError("full")
    assert cost(service.post(FORM)) == (503, "0", "1")
    service.engine.outcome = None
    assert cost(service.post(FORM)) == (200, "1", "0")
    assert cost(service.post(FORM)) == (403, "0", "0")
    set_app_disabled(service.store, service.caller.app.id, disabled=True)
    assert cost(service.post(FORM)) == (403, "0", "0")
    assert service.send(request(FORM, appcode="0" * 32)).get("X-Ziyan-Remaining") is None
    wait_for(
        service,
        OK,
        OK,
        (666, "ver", False),
        (503, "X503BZ", False),
        (403, "B403MQ", False),
        (403, "I403AA", False),
    )


def test_a_throttled_call_is_free_and_says_what_is_left(service_with: Start) -> None:
    service = service_with(rate_app=0.01, calls=5)
    assert [cost(service.post(FORM)) for _ in range(2)] == [(200, "1", "4"), (429, "0", "4")]
    wait_for(service, OK, (429, "T429SR", False))


def test_an_app_is_throttled_by_a_rate_of_its_own(service_with: Start) -> None:
    service = service_with(calls=5)
    set_app_rate(service.store, service.caller.app.id, 0.01)
    assert [service.post(FORM).status for _ in range(2)] == [200, 429]
    set_app_rate(service.store, service.caller.app.id, 0)
    assert service.post(FORM).status == 200


def test_what_is_held_by_another_call_is_not_left(service_with: Start) -> None:
    service = service_with(engine=(engine := WaitingEngine()), calls=1)
    with Connection(service.port) as connection:
        connection.send(request(FORM, appcode=service.caller.appcode))
        assert engine.reading.wait(20)
        assert cost(service.post(FORM)) == (403, "0", "0")
        engine.finish()
        assert cost(connection.read_reply()) == (200, "1", "0")


def test_no_calls_left_is_told_before_the_parameters_are_looked_at(service_with: Start) -> None:
    assert error_of(service_with(calls=0).post(b"ver=9"))[1] == "B403MQ"


def test_ten_times_too_many_at_once_are_sold_exactly_what_there_is(service_with: Start) -> None:
    service = service_with(calls=10)
    with ThreadPoolExecutor(16) as pool:
        statuses = [reply.status for reply in pool.map(service.post, [FORM] * 100)]
    assert sorted(statuses) == [200] * 10 + [403] * 90
    wait_for(service, *[OK] * 10, *[(403, "B403MQ", False)] * 90)


def test_neither_picture_nor_text_lies_in_the_data_folder(service_with: Start) -> None:
    service = service_with(calls=5)
    service.engine.outcome = Page(lines=(), text="a telling text", width=1, height=1)
    assert b"a telling text" in keyed(service, b"img=dGVsbGluZyBwaWN0dXJl").body
    wait_for(service, OK)
    for file in service.settings.data_dir.iterdir():
        content = file.read_bytes()
        assert b"a telling text" not in content
        assert b"telling picture" not in content
        assert b"dGVsbGluZyBwaWN0dXJl" not in content


# --- Idempotency-Key ----------------------------------------------------------------------------------------------


def test_a_repeated_call_is_answered_again_and_billed_once(service_with: Start) -> None:
    service = service_with(calls=5)
    first = keyed(service)
    assert cost(first) == (200, "1", "4")
    service.engine.outcome = Page(lines=(), text="another text", width=1, height=1)
    for _ in range(2):
        again = keyed(service)
        assert (again.body, cost(again), again["Content-Type"]) == (first.body, (200, "0", "4"), first["Content-Type"])
        assert again["X-Ca-Request-Id"] != first["X-Ca-Request-Id"]
    assert keyed(service, key="another key").body != first.body
    wait_for(service, OK, OK, (200, "replayed", False), (200, "replayed", False))


@pytest.mark.parametrize(
    ("body", "more"),
    [(OTHER, {}), (FORM + b"&ver=1", {}), (FORM, {"target": "/ocr?ver=1"})],
    ids=["body", "ver", "query"],
)
def test_a_key_with_another_request_is_refused(service_with: Start, body: bytes, more: dict[str, str]) -> None:
    service = service_with(calls=5)
    assert cost(keyed(service)) == (200, "1", "4")
    refused = keyed(service, body, **more)
    assert (msg_of(refused), cost(refused)) == ("Idempotency-Key已用于其他请求", (666, "0", "4"))
    assert cost(keyed(service)) == (200, "0", "4")


def multipart(boundary: str, picture: bytes = b"QUJD", name: str = "img", filename: str = "a.png") -> dict[str, Any]:
    """As a client sends it that makes up a boundary each time."""
    body, content_type = encode_multipart_formdata({name: (filename, picture), "ver": "1"}, boundary=boundary)
    return {"body": body, "content_type": content_type}


def test_the_same_parts_between_other_boundaries_are_the_same_request(service_with: Start) -> None:
    service = service_with(calls=5)
    first = keyed(service, **multipart("one"))
    assert cost(first) == (200, "1", "4")
    again = keyed(service, **multipart("another-boundary"))
    assert (again.body, cost(again)) == (first.body, (200, "0", "4"))


@pytest.mark.parametrize(
    "other",
    [
        multipart("one", b"QUJE"),
        multipart("one", name="image"),
        {
            "body": multipart("one")["body"].replace(b'; filename="a.png"', b""),
            "content_type": "multipart/form-data; boundary=one",
        },
        {
            "body": multipart("one")["body"].replace(b"--one--", b""),
            "content_type": "multipart/form-data; boundary=one",
        },
    ],
    ids=["picture", "name", "no file", "cut off"],
)
def test_a_key_with_another_part_is_refused(service_with: Start, other: dict[str, Any]) -> None:
    service = service_with(calls=5)
    assert cost(keyed(service, **multipart("one"))) == (200, "1", "4")
    refused = keyed(service, **other)
    assert (msg_of(refused), cost(refused)) == ("Idempotency-Key已用于其他请求", (666, "0", "4"))


def test_a_call_that_failed_is_made_anew(service_with: Start) -> None:
    service = service_with(calls=5)
    service.engine.outcome = EngineBusyError("full")
    assert cost(keyed(service)) == (503, "0", "5")
    service.engine.outcome = None
    assert cost(keyed(service, OTHER)) == (200, "1", "4")


def test_a_repeated_own_platform_call_is_no_replay(service_with: Start) -> None:
    service = service_with(calls=5)
    for billed in ("1", "0"):
        parameters = own_parameters(service.caller.appid)
        query = "&".join(f"{name}={parameters.pop(name)}" for name in ("appid", "sendtime", "sign"))
        body = f"img={B64.replace('+', '%2B')}".encode()
        reply = service.send(request(body, target=f"/ocr?{query}", headers=("Idempotency-Key: k",)))
        assert (was_read(reply), reply["X-Ziyan-Billed"]) == (True, billed)
    sent = form(own_parameters(service.caller.appid), headers=("Idempotency-Key: j",))
    assert [service.send(sent)["X-Ziyan-Billed"] for _ in range(2)] == ["1", "0"]
    assert msg_of(service.send(own_call(service.caller.appid, {}, sendtime="1"))) == "时间戳超时, 请重新请求"


def test_of_a_thousand_with_one_key_one_is_billed(service_with: Start) -> None:
    service = service_with(calls=5)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: keyed(service), range(1000)))
    assert {reply.body for reply in replies} == {replies[0].body}
    assert sorted(reply["X-Ziyan-Billed"] for reply in replies) == ["0"] * 999 + ["1"]
    assert {reply["X-Ziyan-Remaining"] for reply in replies} == {"4"}
    wait_for(service, OK, *[(200, "replayed", False)] * 999)


def other_process(service: Service, key: str = "a key") -> tuple[answers.Slot, str]:
    """A call with the same key and body under way elsewhere."""
    with pytest.MonkeyPatch.context() as patched:
        kept: list[answers.Slot] = []
        begin = answers.begin

        async def spy(store: Store, place: answers.Slot, holder: str, *, until: int) -> bytes | None:
            kept.append(place)
            return await begin(store, place, "elsewhere", until=until)

        patched.setattr(answers, "begin", spy)
        service.engine.outcome = EngineBusyError("full")
        keyed(service, key=key)
    service.engine.outcome = None
    return kept[0], "elsewhere"


def test_a_call_that_another_process_makes_is_waited_for(service_with: Start) -> None:
    service = service_with(calls=5)
    other_process(service)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(keyed, service)
        found = service.store.transact(lambda c: c.exec_driver_sql("SELECT lookup FROM answers").scalar_one())
        time.sleep(0.3)  # long enough to have looked
        assert not waiting.done()
        service.store.transact(
            lambda c: c.exec_driver_sql("DELETE FROM answers WHERE lookup = ?", (found,)), write=True
        )
        assert cost(waiting.result(20)) == (200, "1", "4")


def test_a_call_that_another_process_makes_is_not_waited_for_for_ever(service_with: Start) -> None:
    service = service_with(calls=5, deadline=0.2)
    other_process(service)
    assert error_of(keyed(service)) == (503, "X503BZ", "Service Busy")


def test_a_call_that_this_process_makes_is_not_waited_for_for_ever(service_with: Start) -> None:
    service = service_with(engine=(engine := WaitingEngine()), calls=5, deadline=0.2)
    with Connection(service.port) as connection:
        connection.send(request(FORM, appcode=service.caller.appcode, headers=("Idempotency-Key: a key",)))
        assert engine.reading.wait(20)
        assert error_of(keyed(service)) == (503, "X503BZ", "Service Busy")
        engine.finish()
        assert cost(connection.read_reply()) == (200, "1", "4")
    assert cost(keyed(service)) == (200, "0", "4")


# --- the database is away -----------------------------------------------------------------------------------------


def failing(patched: pytest.MonkeyPatch, module: object, name: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("away", internal="the disk is full")

    patched.setattr(module, name, fail)


@pytest.mark.parametrize(
    ("module", "name"), [(table, "reserve"), (table, "consume"), (usage, "add"), (table, "remaining")]
)
def test_a_database_that_fails_costs_nothing_and_service_resumes(
    service_with: Start, module: object, name: str
) -> None:
    service = service_with(calls=5)
    with pytest.MonkeyPatch.context() as patched:
        failing(patched, module, name)
        reply = service.post(FORM)
        assert error_of(reply) == (503, "X503DB", "Service Unavailable")
        assert "Retry-After" in reply.names()
    wait_for(service, AWAY)
    assert cost(service.post(FORM)) == (200, "1", "4")


def test_an_answer_whose_commit_hangs_is_not_given_nor_billed_when_it_is_done_after_all(
    service_with: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_with(calls=5)
    settle = packages.settle

    async def late(store: Store, settlement: packages.Settlement) -> int:
        monkeypatch.setattr(packages, "settle", settle)
        assert settlement.event.billed
        await settle(store, settlement)
        raise StoreError("away", internal="it takes too long")

    monkeypatch.setattr(packages, "settle", late)
    assert error_of(service.post(FORM))[1] == "X503DB"
    wait_for(service, AWAY)
    assert consumed(service) == 0


def test_a_call_that_was_held_after_its_caller_was_told_503_is_let_go_of(
    service_with: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_with(calls=1)
    reserve = packages.reserve

    async def late(store: Store, app_id: str, holder: str, *, until: int, ticket: once.Ticket | None) -> str:
        monkeypatch.setattr(packages, "reserve", reserve)
        await reserve(store, app_id, holder, until=until, ticket=ticket)
        raise StoreError("away", internal="it takes too long")

    monkeypatch.setattr(packages, "reserve", late)
    assert error_of(service.post(FORM))[1] == "X503DB"
    wait_for(service, AWAY)
    assert cost(service.post(FORM)) == (200, "1", "0")


def test_a_database_that_is_away_when_a_key_is_looked_up_is_not_asked_what_is_left(
    service_with: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_with(calls=1)

    async def away(*_: object, **__: object) -> object:
        raise StoreError("away")

    with monkeypatch.context() as during:
        during.setattr(answers, "begin", away)
        during.setattr(packages, "remaining", away)
        reply = keyed(service)
    assert error_of(reply)[1] == "X503DB"
    assert cost(keyed(service)) == (200, "1", "0")


def test_what_a_hanging_database_must_still_let_go_of_is_not_waited_for(
    service_with: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_with(calls=5)
    settle = packages.settle

    async def hang(store: Store, settlement: packages.Settlement) -> int:
        if settlement.event.billed:
            raise StoreError("away")
        monkeypatch.setattr(packages, "settle", settle)
        await asyncio.sleep(60)
        raise AssertionError

    monkeypatch.setattr(billing, "_AWAY_SECONDS", 0.05)
    monkeypatch.setattr(packages, "settle", hang)
    assert error_of(service.post(FORM))[1] == "X503DB"
    wait_for(service, AWAY)


def test_what_cannot_be_let_go_of_at_once_hides_nothing(service_with: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    service = service_with(calls=5)
    with monkeypatch.context() as patched:
        failing(patched, table, "release")
        reply = service.post(b"ver=9")
        assert (msg_of(reply), reply.get("X-Ziyan-Remaining")) == ("版本参数ver传入有误", None)
    wait_for(service, (666, "ver", False))


def test_a_call_whose_reservation_lapsed_and_was_sold_is_refused(service_with: Start) -> None:
    service = service_with(engine=(engine := WaitingEngine()), calls=1)
    with Connection(service.port) as connection:
        connection.send(request(FORM, appcode=service.caller.appcode))
        assert engine.reading.wait(20)
        app_id = service.caller.app.id
        service.store.transact(lambda c: c.exec_driver_sql("UPDATE reservations SET expires_at = 1"), write=True)
        package = asyncio.run(packages.reserve(service.store, app_id, "another", until=now_ms() + 60_000))
        another = Event(now_ms(), "another", app_id, package, 200, "ok", True, 1, 1)
        asyncio.run(packages.settle(service.store, packages.Settlement(another, holds=True)))
        engine.finish()
        assert cost(connection.read_reply()) == (403, "0", "0")
    wait_for(service, OK, (403, "B403MQ", False))


# --- clients who leave --------------------------------------------------------------------------------------------

#: More than the operating systems of both sides hold.
LARGE = Page(lines=(), text="文" * (8 << 20), width=1, height=1)


def calling(service: Service) -> Connection:
    connection = Connection(service.port)
    connection.send(request(FORM, appcode=service.caller.appcode))
    return connection


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_a_client_that_leaves_before_its_answer_is_not_billed(service_with: Start, leave: str) -> None:
    service = service_with(engine=(engine := WaitingEngine()), calls=5)
    connection = calling(service)
    assert engine.reading.wait(20)
    if leave == "reset":
        connection.reset()
        assert engine.cancelled.wait(20)
    else:
        connection.__exit__()
        engine.finish()  # it looks like one that only closed its side, until it does not take its answer
    wait_for(service, GONE)
    assert consumed(service) == 0


def test_a_client_that_leaves_between_billing_and_the_first_byte_is_not_billed(
    service_with: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_with(calls=5)
    settle, open_ = packages.settle, []

    async def settle_and_lose(store: Store, settlement: packages.Settlement) -> int:
        left = await settle(store, settlement)
        open_[0].reset()
        await asyncio.sleep(0.1)  # the reset has come
        return left

    monkeypatch.setattr(packages, "settle", settle_and_lose)
    connection = Connection(service.port)
    open_.append(connection)
    connection.send(request(FORM, appcode=service.caller.appcode))
    wait_for(service, GONE)
    assert consumed(service) == 0


def test_a_client_that_leaves_in_the_middle_of_its_answer_is_not_billed(service_with: Start) -> None:
    service = service_with(calls=5)
    service.engine.outcome = LARGE
    connection = calling(service)
    assert connection.read_reply(head_only=True)["X-Ziyan-Billed"] == "1"
    connection.reset()
    wait_for(service, GONE)
    assert consumed(service) == 0


def test_a_client_that_leaves_after_its_answer_is_billed(service_with: Start) -> None:
    service = service_with(calls=5)
    connection = calling(service)
    assert cost(connection.read_reply()) == (200, "1", "4")
    connection.reset()
    wait_for(service, OK)


def test_a_large_answer_that_is_taken_whole_is_billed(service_with: Start) -> None:
    service = service_with(calls=5)
    service.engine.outcome = LARGE
    assert len(json.loads(service.post(FORM).body)["data"]) == 8 << 20
    wait_for(service, OK)


def test_a_client_that_closes_its_side_and_takes_its_answer_is_billed(service_with: Start) -> None:
    service = service_with(engine=(engine := WaitingEngine()), calls=5)
    with calling(service) as connection:
        connection.say_no_more()
        assert engine.reading.wait(20)
        engine.finish()
        assert cost(connection.read_reply()) == (200, "1", "4")
    wait_for(service, OK)


def test_a_client_that_closes_its_side_and_takes_a_part_of_its_answer_is_billed(service_with: Start) -> None:
    service = service_with(calls=5)
    service.engine.outcome = Page(lines=(), text="文" * (1 << 20), width=1, height=1)
    with calling(service) as connection:
        connection.say_no_more()
        assert connection.read_reply(head_only=True)["X-Ziyan-Billed"] == "1"
        connection.reset()
    wait_for(service, OK)
    assert consumed(service) == 1


def full_connection() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection whose far end has no room left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = socket.create_connection(listener.getsockname())
        near, _ = listener.accept()
    near.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            near.send(bytes(1 << 20))
    return near, far


@pytest.mark.parametrize("leave", ["never", "at once", "later"])
async def test_an_answer_of_which_nothing_is_acknowledged_was_not_taken(
    leave: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, far = full_connection()
    with near, far:
        if leave == "at once":
            far.close()
        monkeypatch.setattr(acknowledged, "_LOOKS", 3 if leave == "never" else 1_000)
        asking = asyncio.create_task(acknowledged.acknowledged(near, 1))
        await asyncio.sleep(0)
        if leave == "later":
            far.close()
        assert not await asking


async def test_an_answer_on_a_connection_that_this_side_has_closed_was_not_taken() -> None:
    near, far = socket.socketpair()
    with far:
        near.close()
        assert not await acknowledged.acknowledged(near, 1)


async def test_where_the_system_does_not_tell_an_answer_that_was_sent_was_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acknowledged.sys, "platform", "another")
    assert await acknowledged.acknowledged(None, 1)


def test_a_client_that_comes_back_with_its_key_after_leaving_is_billed_once(service_with: Start) -> None:
    service = service_with(calls=5)
    service.engine.outcome = LARGE
    connection = Connection(service.port)
    connection.send(request(FORM, appcode=service.caller.appcode, headers=("Idempotency-Key: a key",)))
    connection.read_reply(head_only=True)
    connection.reset()
    wait_for(service, GONE)
    assert cost(keyed(service)) == (200, "1", "4")
    assert consumed(service) == 1


def test_http_2_bills_a_taken_answer_and_not_one_that_is_taken_back(service_with: Start) -> None:
    service = service_with(calls=5)
    headers = ("authorization", f"APPCODE {service.caller.appcode}")
    with Http2(service.port) as client:
        client.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        stream = client.post(FORM, headers)
        while stream not in client.headers:
            client.receive()
        client.client.reset_stream(stream)
        client.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20})
        client.flush()
        wait_for(service, GONE)
        taken = client.post(FORM, headers)
        assert client.answer(taken)[0]["x-ziyan-billed"] == "1"
        wait_for(service, GONE, OK)
    assert consumed(service) == 1


@pytest.mark.parametrize("room", [1, 1 << 15, (3 << 20) - (30 << 10)])
def test_http_2_bills_whoever_lets_a_part_of_a_large_answer_come(service_with: Start, room: int) -> None:
    service = service_with(calls=5)
    service.engine.outcome = Page(lines=(), text="文" * (1 << 20), width=1, height=1)
    headers = ("authorization", f"APPCODE {service.caller.appcode}")
    with Http2(service.port) as client:
        client.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: room})
        client.client.increment_flow_control_window(4 << 20)
        stream = client.post(FORM, headers)
        while len(client.bodies.get(stream, b"")) < room:
            client.receive()
        client.client.reset_stream(stream)
        client.flush()
        wait_for(service, OK)
    assert consumed(service) == 1


@pytest.mark.parametrize("leave", ["reset", "close"])
def test_http_2_bills_whoever_leaves_no_room_for_the_last_byte_of_an_answer(service_with: Start, leave: str) -> None:
    service = service_with(calls=5)
    headers = ("authorization", f"APPCODE {service.caller.appcode}")
    with Http2(service.port) as client:
        client.client.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        stream = client.post(FORM, headers)
        while stream not in client.headers:
            client.receive()
        size = int(client.headers[stream]["content-length"])
        client.client.increment_flow_control_window(size - 1, stream)
        client.flush()
        while len(client.bodies.get(stream, b"")) < size - 1:
            client.receive()
        if leave == "reset":
            client.client.reset_stream(stream)
            client.flush()
            wait_for(service, OK)  # not for the connection's end
    wait_for(service, OK)
    assert consumed(service) == 1


def test_whoever_left_before_it_was_known_who_it_is_has_cost_nothing(service: Service) -> None:
    desk = billing.Billing(service.settings, service.store)
    desk.not_taken(Call(), Answer(499, b""))
    assert not desk.recorder.waiting
