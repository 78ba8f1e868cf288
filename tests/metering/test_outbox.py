from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from tests.api.certificates import Certificate, make_certificate
from tests.metering.sinks import HttpSink, Received, http_sink, mail_sink
from ziyan.errors import StoreError
from ziyan.fetch import Fetcher
from ziyan.metering import outbox
from ziyan.metering.channels import Channels, MailServer
from ziyan.metering.credentials import App, register_app
from ziyan.metering.notices import add_target, inbox, list_targets, send_test
from ziyan.metering.outbox import ATTEMPTS, LEASE_MS, Report, Sender, wait_ms
from ziyan.metering.packages import grant
from ziyan.metering.store import Store, schema
from ziyan.metering.store import notices as table
from ziyan.metering.times import now_ms
from ziyan.settings import Settings


class Later:
    """The clock of a sender, ahead by as much as a test says."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with http_sink() as found:
        yield found


@pytest.fixture
def app(store: Store) -> App:
    return register_app(store, "发票归档").app


def through(sink: HttpSink, mail: MailServer | None = None, context: ssl.SSLContext | None = None) -> Channels:
    # A context of its own: to load the public authorities takes long, and nothing here is https.
    context_of_none = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    guarded = Fetcher(allow=["127.0.0.1"], ports=[sink.port], ssl_context=context_of_none)
    return Channels(post=guarded.post, mail=mail, ssl_context=context)


def rows(store: Store) -> list[tuple[str, int, str]]:
    """State, attempts and error of everything in the outbox."""
    c = schema.outbox.c
    statement = select(c.state, c.attempts, c.error).order_by(c.created_at, c.id)
    return store.transact(lambda connection: [tuple(row) for row in connection.execute(statement)])  # type: ignore[misc]


def hook(store: Store, app: App, sink: HttpSink, *, notices: int = 1) -> str:
    """A webhook that something is on its way to; its secret."""
    target = add_target(store, app.account_id, "webhook", sink.url)
    for _ in range(notices):
        send_test(store, app.account_id, target.id)
    return target.address.secret


# --- webhooks -------------------------------------------------------------------------------------------------


async def test_a_webhook_gets_what_standard_webhooks_asks_for(store: Store, app: App, sink: HttpSink) -> None:
    secret = hook(store, app, sink)
    assert await Sender(store, through(sink)).once() == Report(told=0, sent=1, failed=0, waiting=0)
    (request,) = sink.received
    told = Webhook(secret).verify(request.body, request.headers)
    assert (told["type"], told["data"]["account_id"], told["data"]["target"]) == ("test", app.account_id, "webhook")
    assert request.headers["webhook-id"].startswith("msg_")
    assert request.headers["content-type"] == "application/json"
    assert rows(store) == [("sent", 1, "")]


async def test_what_is_due_is_found_and_sent(store: Store, app: App, sink: HttpSink, later: Later) -> None:
    add_target(store, app.account_id, "webhook", sink.url)
    package = grant(store, app.id, 10, months=1)
    later.ahead = package.valid_to - now_ms() - 1000
    assert await Sender(store, through(sink), clock=later).once() == Report(told=1, sent=1, failed=0, waiting=0)
    told = json.loads(sink.received[0].body)
    assert (told["type"], told["data"]["left"], told["data"]["app_name"]) == ("expiring", 10, "发票归档")


async def test_a_refusal_is_tried_again_later_and_later_with_one_id(
    store: Store, app: App, sink: HttpSink, later: Later
) -> None:
    sink.answer = lambda _request: 500 if len(sink.received) < 3 else 200
    hook(store, app, sink)
    sender = Sender(store, through(sink), clock=later)
    for attempt in (1, 2):
        assert (await sender.once()).failed == 1
        assert await sender.once() == Report(0, 0, 0, 1)  # not yet
        assert rows(store) == [("waiting", attempt, "status 500")]
        later.ahead += wait_ms(attempt, "ffff")
    assert (await sender.once()).sent == 1
    assert rows(store) == [("sent", 3, "")]
    assert len({(each.headers["webhook-id"], each.body) for each in sink.received}) == 1


async def test_at_last_it_is_given_up(store: Store, app: App, sink: HttpSink, later: Later) -> None:
    sink.answer = lambda _request: 302
    hook(store, app, sink)
    sender = Sender(store, through(sink), clock=later)
    for attempt in range(1, ATTEMPTS + 1):
        assert (await sender.once()).failed == 1
        later.ahead += wait_ms(attempt, "ffff")
    assert await sender.once() == Report(0, 0, 0, 0)
    assert rows(store) == [("failed", ATTEMPTS, "status 302")]


def test_waits_grow_and_differ() -> None:
    assert [wait_ms(attempt, "0000") // 1000 for attempt in (1, 2, 3, 11)] == [10, 30, 90, 21_600]
    assert wait_ms(1, "0000") < wait_ms(1, "8000") < wait_ms(1, "ffff") < 11_000


async def test_a_receiver_that_is_gone_is_asked_no_more(store: Store, app: App, sink: HttpSink) -> None:
    sink.answer = lambda _request: 410
    hook(store, app, sink)
    await Sender(store, through(sink)).once()
    assert rows(store) == [("failed", 1, "the target was disabled")]
    assert list_targets(store, app.account_id)[0].disabled


async def test_a_private_address_is_not_called(store: Store, app: App, sink: HttpSink) -> None:
    hook(store, app, sink)
    guarded = Channels(post=Fetcher(ports=[sink.port]).post, mail=None)
    assert (await Sender(store, guarded).once()).failed == 1
    assert rows(store) == [("waiting", 1, "The address leads into a private network")]
    assert sink.received == []


# --- crashes and company --------------------------------------------------------------------------------------

#: Sends what is due from a process that has nothing in common with the test's but the database.
SEND = """
import asyncio, sys
from ziyan.fetch import Fetcher
from ziyan.metering.channels import Channels
from ziyan.metering.outbox import Sender
from ziyan.metering.store import Store
from ziyan.metering.times import now_ms
from ziyan.settings import Settings

port, ahead, folder, url = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
store = Store.open(Settings.load(data_dir=folder, database_url=url))
post = Fetcher(allow=["127.0.0.1"], ports=[port]).post
print(asyncio.run(Sender(store, Channels(post=post, mail=None), clock=lambda: now_ms() + ahead).once()))
store.close()
"""


def sending(settings: Settings, sink: HttpSink, ahead: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SEND, str(sink.port), str(ahead), str(settings.data_dir), settings.database_url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


async def test_a_kill_between_sending_and_noting_sends_again_under_the_same_id(
    store: Store, settings: Settings, app: App, sink: HttpSink, later: Later
) -> None:
    hook(store, app, sink)
    victims: list[subprocess.Popen[str]] = []

    def kill(_request: Received) -> int:
        if len(sink.received) == 1:
            os.kill(victims[0].pid, signal.SIGKILL)
            victims[0].wait()
        return 204

    sink.answer = kill
    with sending(settings, sink, 0) as victim:
        victims.append(victim)
        assert await asyncio.to_thread(victim.wait) == -signal.SIGKILL
    assert rows(store) == [("waiting", 1, "")]
    sender = Sender(store, through(sink), clock=later)
    assert await sender.once() == Report(0, 0, 0, 1)  # the dead still holds it
    later.ahead = LEASE_MS
    assert await sender.once() == Report(0, 1, 0, 0)
    first, second = sink.received
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert rows(store) == [("sent", 2, "")]


async def test_senders_killed_again_and_again_lose_nothing(
    store: Store, settings: Settings, app: App, sink: HttpSink, later: Later
) -> None:
    hook(store, app, sink, notices=20)
    victims: list[subprocess.Popen[str]] = []
    fatal = 0

    def kill(_request: Received) -> int:
        # What a victim had sent by then is still read after its death, and counts for nobody else.
        if len(sink.received) >= fatal and victims[-1].poll() is None:
            victims[-1].kill()
            victims[-1].wait()
        return 204

    sink.answer = kill
    for turn, lives in enumerate((3, 1, 6)):
        fatal = len(sink.received) + lives
        with sending(settings, sink, turn * LEASE_MS) as victim:
            victims.append(victim)
            assert await asyncio.to_thread(victim.wait) == -signal.SIGKILL
    later.ahead = 9 * LEASE_MS
    assert (await Sender(store, through(sink), clock=later).once()).waiting == 0
    bodies: dict[str, set[bytes]] = {}
    for request in sink.received:
        bodies.setdefault(request.headers["webhook-id"], set()).add(request.body)
    assert len(bodies) == 20
    assert all(len(each) == 1 for each in bodies.values())
    assert {state for state, _, _ in rows(store)} == {"sent"}


async def test_several_senders_share_the_work(
    store: Store, settings: Settings, app: App, sink: HttpSink, later: Later
) -> None:
    hook(store, app, sink, notices=40)
    others = [sending(settings, sink, 0) for _ in range(2)]
    mine = [Sender(store, through(sink)) for _ in range(3)]
    reports = await asyncio.gather(*(sender.once() for sender in mine))
    for other in others:
        said, _ = await asyncio.to_thread(other.communicate)
        assert said.startswith("Report(")
        assert other.returncode == 0
    assert sum(report.sent for report in reports) > 0
    later.ahead = LEASE_MS  # on a machine that is busy enough an attempt can fail
    await Sender(store, through(sink), clock=later).once()
    assert set(Counter(each.headers["webhook-id"] for each in sink.received).values()) == {1}
    assert len(sink.received) == 40
    assert {state for state, _, _ in rows(store)} == {"sent"}


async def test_what_was_sent_while_the_database_was_away_is_noted_later(
    store: Store, app: App, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(store, app, sink)
    mark = table.mark_sent

    def away(*_: Any) -> None:
        raise StoreError("away")

    monkeypatch.setattr(table, "mark_sent", away)
    sender = Sender(store, through(sink))
    with pytest.raises(StoreError):
        await sender.once()
    monkeypatch.setattr(table, "mark_sent", mark)
    assert await sender.once() == Report(0, 0, 0, 0)
    assert (len(sink.received), rows(store)) == (1, [("sent", 1, "")])


async def test_an_error_of_our_own_and_another_key_fail_one_attempt(
    store: Store, app: App, sink: HttpSink, caplog: pytest.LogCaptureFixture
) -> None:
    hook(store, app, sink, notices=2)

    async def broken(*_: Any) -> int:
        raise RuntimeError("out of order")

    assert (await Sender(store, Channels(post=broken, mail=None)).once()).failed == 2
    assert "out of order" in caplog.text
    assert rows(store)[0] == ("waiting", 1, "an error of our own; see the log")
    store.transact(
        lambda connection: (
            connection.execute(update(schema.targets).values(sealed=b"x" * 40)),
            connection.execute(update(schema.outbox).values(next_at=0)),
        ),
        write=True,
    )
    assert (await Sender(store, through(sink)).once()).failed == 2
    assert "another key" in rows(store)[0][2]


# --- in the service -------------------------------------------------------------------------------------------


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - it is the database that changes
            await asyncio.sleep(0.02)


async def settled(store: Store) -> None:
    await until(lambda: all(state != "waiting" for state, _, _ in rows(store)))


async def test_the_service_sends_by_itself(
    store: Store, app: App, sink: HttpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_IDLE_SECONDS", 0.02)
    add_target(store, app.account_id, "webhook", sink.url)
    grant(store, app.id, 1)
    store.transact(lambda connection: connection.execute(update(schema.packages).values(consumed=1)), write=True)
    senders = [asyncio.create_task(Sender(store, through(sink)).run()) for _ in range(3)]
    await until(lambda: bool(inbox(store, app.account_id)))
    await settled(store)
    for sender in senders:
        sender.cancel()
    assert await asyncio.gather(*senders, return_exceptions=True)
    assert [json.loads(each.body)["type"] for each in sink.received] == ["calls_gone"]


async def test_stopping_finishes_what_is_under_way(store: Store, app: App, sink: HttpSink) -> None:
    hook(store, app, sink)
    arrived = asyncio.Event()
    loop, go_on = asyncio.get_running_loop(), asyncio.Event()

    def slow(_request: Received) -> int:
        loop.call_soon_threadsafe(arrived.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        return 204

    sink.answer = slow
    running = asyncio.create_task(Sender(store, through(sink)).run())
    await arrived.wait()
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rows(store) == [("sent", 1, "")]


async def test_the_service_goes_on_when_the_database_comes_back(
    store: Store, app: App, sink: HttpSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "_IDLE_SECONDS", 0.02)
    hook(store, app, sink)
    troubles: list[Exception] = [StoreError("away", internal="disk full"), RuntimeError("odd")]
    is_due = table.is_due

    def sometimes(*given: Any) -> bool:
        if troubles:
            raise troubles.pop(0)
        return is_due(*given)

    monkeypatch.setattr(table, "is_due", sometimes)
    running = asyncio.create_task(Sender(store, through(sink)).run())
    await settled(store)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert "notices cannot be sent yet" in caplog.text
    assert "odd" in caplog.text


# --- mail -----------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make_certificate(tmp_path)


@pytest.fixture
def mailed(store: Store, app: App) -> None:
    target = add_target(store, app.account_id, "mail", "me@example.com", name="财务")
    send_test(store, app.account_id, target.id)


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.file, certificate.key)
    return context


@pytest.mark.usefixtures("mailed")
async def test_mail_is_whole_and_the_same_at_every_attempt(store: Store, sink: HttpSink, later: Later) -> None:
    async with mail_sink() as mails:
        server = MailServer(f"smtp://127.0.0.1:{mails.port}", "ziyan@example.org")
        mails.answer = "451 later"
        sender = Sender(store, through(sink, server), clock=later)
        assert (await sender.once()).failed == 1
        assert rows(store)[0][2] == "the mail server refuses the recipient: 451"
        mails.answer = "250 OK"
        later.ahead = 60_000
        assert (await sender.once()).sent == 1
        store.transact(
            lambda connection: connection.execute(update(schema.outbox).values(state="waiting", next_at=0)), write=True
        )
        assert (await sender.once()).sent == 1  # as after a crash
    first, second = mails.mails
    assert (first["From"], first["To"], first["Subject"]) == ("ziyan@example.org", "me@example.com", "【字眼】测试通知")
    assert first["Auto-Submitted"] == "auto-generated"
    assert "这是发往“财务”的一条测试：" in first.get_content()
    assert first["Message-ID"].endswith("@example.org>")
    assert first.as_bytes() == second.as_bytes()


@pytest.mark.usefixtures("mailed")
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_a_password_goes_over_an_encrypted_connection(
    store: Store, sink: HttpSink, certificate: Certificate, scheme: str
) -> None:
    context = server_context(certificate)
    given: Any = {"starttls": context} if scheme == "smtp" else {"tls": context}
    async with mail_sink(**given, password="p@ss/word") as mails:
        server = MailServer(f"{scheme}://me:p%40ss%2Fword@localhost:{mails.port}", "ziyan@example.org")
        assert (await Sender(store, through(sink, server, certificate.trusting())).once()).sent == 1, rows(store)
    assert mails.signed_in == ["somebody"]


@pytest.mark.usefixtures("mailed")
async def test_mail_that_is_not_taken_waits_and_says_why(
    store: Store, sink: HttpSink, certificate: Certificate, later: Later
) -> None:
    async def error(url: str, context: ssl.SSLContext | None = None) -> str:
        later.ahead += LEASE_MS
        server = MailServer(url, "ziyan@example.org") if url else None
        assert (await Sender(store, through(sink, server, context), clock=later).once()).failed == 1
        return rows(store)[0][2]

    assert await error("") == "no mail server is set: ZIYAN_MAIL_SERVER"
    async with mail_sink() as mails:
        assert "no password without" in await error(f"smtp://me:word@127.0.0.1:{mails.port}")
    assert await error(f"smtp://127.0.0.1:{mails.port}") == "the mail server does not take it: ConnectionRefusedError"
    async with mail_sink(starttls=server_context(certificate), password="right") as mails:
        assert "SSLCertVerificationError" in await error(f"smtp://localhost:{mails.port}")
        wrong = await error(f"smtp://me:wrong@localhost:{mails.port}", certificate.trusting())
        assert wrong == "the mail server says 535"
    assert mails.mails == []


# --- robots ---------------------------------------------------------------------------------------------------

ROBOTS = {
    "dingtalk": "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef",
    "wecombot": "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa",
    "feishu": "https://open.feishu.cn/open-apis/bot/v2/hook/693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa",
}


@pytest.fixture
def robots(sink: HttpSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise sends to the sink what it would send to the three services."""
    from apprise.plugins.dingtalk import NotifyDingTalk
    from apprise.plugins.feishu import NotifyFeishu
    from apprise.plugins.wecombot import NotifyWeComBot

    base = f"http://127.0.0.1:{sink.port}"
    monkeypatch.setattr(NotifyDingTalk, "notify_url", f"{base}/ding/{{token}}")
    monkeypatch.setattr(NotifyWeComBot, "notify_url", f"{base}/wecom/{{key}}")
    monkeypatch.setattr(NotifyFeishu, "notify_url", f"{base}/feishu/{{token}}")


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize("name", ROBOTS)
async def test_a_robot_says_it_in_its_group(store: Store, app: App, sink: HttpSink, name: str) -> None:
    sink.answer = lambda _request: 200
    target = add_target(store, app.account_id, "robot", ROBOTS[name], name="群")
    send_test(store, app.account_id, target.id)
    assert (await Sender(store, through(sink)).once()).sent == 1
    (request,) = sink.received
    assert request.path.rstrip("/?").endswith(ROBOTS[name][-16:])
    shown = json.dumps(json.loads(request.body), ensure_ascii=False)
    assert "【字眼】测试通知" in shown
    assert "这是发往“群”的一条测试：" in shown
    assert "This is a test of “群”" in shown


@pytest.mark.usefixtures("robots")
async def test_a_robot_that_is_not_there_is_tried_again(
    store: Store, app: App, sink: HttpSink, caplog: pytest.LogCaptureFixture
) -> None:
    sink.answer = lambda _request: 500
    target = add_target(store, app.account_id, "robot", ROBOTS["feishu"])
    send_test(store, app.account_id, target.id)
    assert (await Sender(store, through(sink)).once()).failed == 1
    assert rows(store) == [("waiting", 1, "the robot's service does not take it")]
    assert ROBOTS["feishu"][-16:] not in caplog.text


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("dingtalk", b'{"errcode":310000,"errmsg":"keywords not in content"}', 310000),
        ("wecombot", b'{"errcode":93000,"errmsg":"invalid webhook url"}', 93000),
        ("feishu", b'{"code":9499,"msg":"Bad Request","data":{}}', 9499),
        ("feishu", b'{"code":0,"msg":"success","data":{}}', 0),
        ("dingtalk", b'{"errcode":0,"errmsg":"ok"}', 0),
        ("wecombot", b"<html>", 0),
        ("wecombot", b"[]", 0),
    ],
)
async def test_a_robot_that_refuses_in_its_answer_is_tried_again(
    store: Store, app: App, sink: HttpSink, name: str, said: bytes, code: int
) -> None:
    sink.answer, sink.said = lambda _request: 200, said
    target = add_target(store, app.account_id, "robot", ROBOTS[name])
    send_test(store, app.account_id, target.id)
    assert (await Sender(store, through(sink)).once()).failed == bool(code)
    refused = ("waiting", 1, f"the robot's service refuses it: {code}")
    assert rows(store) == [refused if code else ("sent", 1, "")]


@pytest.mark.usefixtures("robots")
async def test_dingtalk_is_signed(store: Store, app: App, sink: HttpSink) -> None:
    import base64
    import hmac
    from urllib.parse import parse_qs, urlsplit

    sink.answer = lambda _request: 200
    target = add_target(store, app.account_id, "robot", ROBOTS["dingtalk"], secret="SEC0123456789abcdef")
    send_test(store, app.account_id, target.id)
    assert (await Sender(store, through(sink)).once()).sent == 1
    asked = parse_qs(urlsplit(sink.received[0].path).query)
    text = f"{asked['timestamp'][0]}\nSEC0123456789abcdef".encode()
    expected = base64.b64encode(hmac.digest(b"SEC0123456789abcdef", text, "sha256")).decode()
    assert asked["sign"] == [expected]
