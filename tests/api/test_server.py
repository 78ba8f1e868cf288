from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.api.certificates import Certificate, certificate
from tests.api.conftest import Service
from tests.api.wire import Connection, FakeEngine, request
from tests.desk import set_app_disabled
from ziyan.api import server
from ziyan.api.logs import JsonLines, configure_logging
from ziyan.api.server import SAMPLE_PICTURE, Trial, listen, welcome
from ziyan.errors import (
    ImageTooLargeError,
    ModelIntegrityError,
    ReaderCrashedError,
    SettingsError,
    UndecodableImageError,
    UnsupportedImageError,
    ZiyanError,
)
from ziyan.metering.credentials import ensure_trial_app
from ziyan.metering.store import Store
from ziyan.ocr.types import Page
from ziyan.settings import Settings

__all__ = ["certificate"]

#: The real ``serve`` with the fake engine in the real one's place, so that no weights are needed.
SERVE = """
import ziyan.api.server as server
from tests.api.wire import FakeEngine
from ziyan.settings import Settings
server.locate = lambda *_: None
server.LocalEngine.from_settings = staticmethod(lambda _, **__: FakeEngine())
server.serve(Settings.load())
"""


@contextmanager
def serving(data_dir: Path, port: int, *within: str) -> Iterator[subprocess.Popen[str]]:
    """The service; what is to run it comes before it."""
    process = subprocess.Popen(
        [*within, sys.executable, "-W", "error", "-c", SERVE],
        env={**os.environ, "ZIYAN_DATA_DIR": str(data_dir), "ZIYAN_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_prints_a_command_that_works_and_stops_cleanly_when_told(tmp_path: Path, number: int) -> None:
    with serving(tmp_path, 0) as process:
        assert process.stdout is not None
        printed = ""
        while "Ctrl-C" not in printed:
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            printed += line
        command = next(line for line in printed.splitlines() if line.startswith("  curl"))
        picture = tmp_path / "picture.png"
        picture.write_bytes(b"\x89PNG")
        words = shlex.split(command.replace(str(SAMPLE_PICTURE), str(picture)))
        answer = subprocess.run([*words, "-sS"], capture_output=True, text=True, check=True).stdout
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert json.loads(answer)["ok"] == 1
    assert process.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    assert [line["event"] for line in lines] == ["call"]


def test_serve_with_a_certificate_prints_a_command_that_works(
    tmp_path: Path, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZIYAN_TLS_CERT", str(certificate.file))
    monkeypatch.setenv("ZIYAN_TLS_KEY", str(certificate.key))
    with serving(tmp_path, 0) as process:
        assert process.stdout is not None
        command = next(line for line in process.stdout if line.startswith("  curl"))
        answer = subprocess.run([*shlex.split(command), "-sS"], capture_output=True, text=True, check=True).stdout
    assert json.loads(answer)["ok"] == 1


def test_a_crowd_of_connections_leaves_the_file_descriptors_that_calls_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 400 descriptors half are for connections, from however many addresses they come."""
    monkeypatch.setenv("ZIYAN_CONNECTIONS_ADDRESS", "0")
    writes = b"GET /healthz/ready HTTP/1.1\r\nHost: a\r\n\r\n"
    with serving(tmp_path, 0, "prlimit", "--nofile=400:400") as process, ExitStack() as stack:
        assert process.stdout is not None
        ready = next(line for line in process.stdout if "is ready at" in line)
        port = int(ready.rstrip().rpartition(":")[2])
        first = stack.enter_context(Connection(port))
        for _ in range(450):
            stack.enter_context(Connection(port)).send(b"GET / HTTP/1.1\r\nX: ")
        first.send(writes)
        assert first.read_reply().status == 200
        assert 200 <= psutil.Process(process.pid).num_fds() < 300
        late = stack.enter_context(Connection(port))
        with suppress(ConnectionError):  # it is told so, or just ended
            late.send(writes)
            assert late.rest().split(b" ", 2)[1:2] in ([], [b"429"])
        first.send(writes)
        assert first.read_reply().status == 200


def test_serve_does_not_start_with_an_unusable_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZIYAN_TLS_CERT", str(tmp_path / "missing.pem"))
    with serving(tmp_path, 0) as process:
        printed, errors = process.communicate(timeout=30)
    assert (process.returncode != 0, printed) == (True, "")
    assert "SettingsError: ZIYAN_TLS_CERT, ZIYAN_TLS_KEY: both are needed" in errors


class StartingEngine(FakeEngine):
    """Somebody presses Ctrl-C while its weights are loading, or the weights turn out to be damaged."""

    def __init__(self, outcome: signal.Signals | Exception) -> None:
        super().__init__()
        self.start_with = outcome
        self.closed = False

    async def start(self) -> None:
        if isinstance(self.start_with, Exception):
            raise self.start_with
        os.kill(os.getpid(), self.start_with)
        await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("outcome", [signal.SIGINT, signal.SIGTERM, ModelIntegrityError("damaged")])
def test_a_start_that_is_stopped_or_fails_leaves_nothing_behind(
    outcome: signal.Signals | Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = StartingEngine(outcome)
    monkeypatch.setattr(server, "configure_logging", lambda _level: None)
    monkeypatch.setattr(server, "locate", lambda *_: None)
    monkeypatch.setattr(server.LocalEngine, "from_settings", lambda _settings, **_: engine)
    with pytest.raises(ModelIntegrityError) if isinstance(outcome, Exception) else nullcontext():
        server.serve(Settings.load(port=0))
    assert engine.closed
    assert capsys.readouterr().out == ""


def test_what_is_loaded_is_not_looked_through_for_garbage_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it would hold up every call for some 40 ms."""
    frozen = []

    async def serve_app(*_: object, **__: object) -> None:
        frozen.append(gc.get_freeze_count())

    monkeypatch.setattr(server, "configure_logging", lambda _level: None)
    monkeypatch.setattr(server, "locate", lambda *_: None)
    monkeypatch.setattr(server.LocalEngine, "from_settings", lambda _settings, **_: FakeEngine())
    monkeypatch.setattr(server, "serve_app", serve_app)
    server.serve(Settings.load(port=0))
    gc.unfreeze()
    assert frozen[0] > 10_000


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_taken_port_gives_way_to_a_free_one(host: str) -> None:
    with listen(host, 0) as first:
        port = first.getsockname()[1]
        with listen(host, port) as second:
            assert second.getsockname()[1] not in {0, port}


def test_small_packets_are_sent_at_once() -> None:
    """asyncio switches Nagle's algorithm off for sockets that are named as TCP, and what they accept."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", ["192.0.2.1", "not a host", "256.0.0.1"])
def test_an_address_of_another_machine_is_told(host: str) -> None:
    with pytest.raises(SettingsError, match="ZIYAN_HOST"):
        listen(host, 0)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("0.0.0.0", "http://127.0.0.1:"),
        ("::", "http://[::1]:"),
        ("::1", "http://[::1]:"),
    ],
)
def test_the_welcome_shows_an_address_that_can_be_called(tmp_path: Path, host: str, shown: str) -> None:
    settings = Settings.load(data_dir=tmp_path, host=host, port=8000)
    store = Store.open(settings)
    trial = ensure_trial_app(store)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        text = welcome(settings, listener, Trial(trial, 49))
        assert f"{shown}{listener.getsockname()[1]}/ocr" in text
        assert "port 8000 is taken" in text
        assert trial.appcode in text
        more = rf"env ZIYAN_DATA_DIR={tmp_path} \S+/ziyan packages grant trial 1000"
        assert re.search(rf"^Trial calls left: 49 \(more: {more}\)$", text, re.MULTILINE)
        assert ("Other machines can reach it" in text) == (host in {"0.0.0.0", "::"})
        assert "disabled" not in text
        assert "/signin\n" in text
        assert "password" not in text
        first = welcome(settings, listener, Trial(trial, 49), "four-words")
        assert re.search(r"Sign in as the operator: http://\S+/signin\n  name operator, password four-words ", first)
        set_app_disabled(store, trial.app.id, disabled=True)
        assert "(disabled)" in welcome(settings, listener, Trial(ensure_trial_app(store), 0))
    store.close()


def test_the_welcome_tells_how_to_reach_the_database_of_this_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every database has a trial app: a command without its settings would give the calls to another's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    store = Store.open(Settings.load(data_dir=tmp_path / "ziyan"))
    trial = Trial(ensure_trial_app(store), 49)
    store.close()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        text = welcome(Settings.load(data_dir=tmp_path / "ziyan"), listener, trial)
        assert re.search(r"\(more: \S+/ziyan packages grant trial 1000\)", text)
        text = welcome(
            Settings.load(data_dir=tmp_path / "ziyan", database_url="postgresql://a:secret@host/name"), listener, trial
        )
        assert re.search(r"\(more, with this ZIYAN_DATABASE_URL: \S+/ziyan packages grant trial 1000\)", text)
        assert "secret" not in text


def test_the_welcome_of_a_service_with_tls_shows_a_command_that_works_with_it(tmp_path: Path) -> None:
    settings = Settings.load(data_dir=tmp_path, tls_cert="certificate.pem", tls_key="key.pem")
    store = Store.open(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        text = welcome(settings, listener, Trial(ensure_trial_app(store), 50))
        assert f"ready at https://127.0.0.1:{listener.getsockname()[1]}" in text
        assert f" https://127.0.0.1:{listener.getsockname()[1]}/ocr\n" in text
        assert "  curl -k -H " in text
    store.close()


# --- logs ---------------------------------------------------------------------------------------------------------


def test_one_line_a_call_without_text_or_secrets(
    service_with: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "ziyan")
    service = service_with()
    appcode = service.caller.appcode
    answered = service.post(b"img=QUJD").body
    found = json.loads(answered)["data"]
    refused = service.send(request(b"url=http://10.0.0.1/my-secret", target=f"/ocr?appcode={appcode}&x=my-secret"))
    unknown = service.send(request(b"img=QUJD", appcode="some-secret"))
    service.engine.outcome = ZeroDivisionError("an accident")
    service.post(b"img=QUJD")
    service.ask_to_stop()
    service.wait_for_end()

    formatter = JsonLines()
    lines = [json.loads(formatter.format(record)) for record in caplog.records if record.name == "ziyan.calls"]
    calls = [line for line in lines if line["event"] == "call"]
    assert [(line["status"], line["msg"], line["cause"], line["app"], line["bytes"]) for line in calls] == [
        (200, "", "", service.caller.app.id, 8),
        (666, "url图片错误: 下载失败", "fetch_private_address", service.caller.app.id, 29),
        (400, "Invalid AppCode `not exists`", "gateway_refused", "", 0),
        (500, "Internal Error", "internal_error", service.caller.app.id, 8),
    ]
    assert [line["request_id"] for line in calls[1:3]] == [refused["X-Ca-Request-Id"], unknown["X-Ca-Request-Id"]]
    assert all(line["ms"] >= 0 for line in calls)
    assert [line["billed"] for line in calls] == [True, False, False, False]
    assert [list(line["stages"]) for line in calls] == [
        ["receive", "reserve", "queue", "commit", "gateway"],
        ["receive", "reserve", "fetch", "gateway"],
        ["receive", "gateway"],
        ["receive", "reserve", "read", "gateway"],
    ]
    assert [line["answer_bytes"] for line in calls] == [len(answered), len(refused.body), 0, 0]
    accident = next(line for line in lines if line["event"] == "call failed")
    assert "an accident" in accident["exception"]
    written = json.dumps(lines)
    assert not re.search(f"{appcode}|{found}|secret|QUJD", written)


@pytest.mark.parametrize(
    ("body", "outcome", "cause"),
    [
        (b"ver=2", None, "ver"),
        (b"img=QUJD&url=http://a", None, "both"),
        (b"", None, "neither"),
        (b"img=%21", None, "not_base64"),
        (b"img=" + b"QUJD" * 400_000, None, "image_too_large"),
        (b"img=QUJD", UnsupportedImageError("x"), "unsupported_image"),
        (b"img=QUJD", ImageTooLargeError("x"), "image_too_large"),
        (b"img=QUJD", UndecodableImageError("x"), "undecodable_image"),
        (b"url=%ff", None, "fetch_malformed"),
        (b"url=ftp://a.example/", None, "fetch_malformed"),
        (b"url=http://a.example:22/", None, "fetch_port"),
        (b"url=http://[::1]/", None, "fetch_private_address"),
        (b"img=QUJD", ReaderCrashedError("x"), "reader_crashed"),
    ],
)
def test_the_log_says_why_a_call_failed(
    body: bytes,
    outcome: ZiyanError | None,
    cause: str,
    service_with: Callable[..., Service],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "ziyan.calls")
    service = service_with()
    service.engine.outcome = outcome
    service.post(body)
    assert logged_calls(service, caplog)[0]["cause"] == cause


def test_the_log_names_a_disabled_app(service_with: Callable[..., Service], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ziyan.calls")
    service = service_with()
    set_app_disabled(service.store, service.caller.app.id, disabled=True)
    assert service.post(b"img=QUJD").status == 403
    assert logged_calls(service, caplog)[0]["app"] == service.caller.app.id


def test_the_log_tells_the_time_of_each_stage(
    service_with: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ziyan.calls")
    service = service_with()
    timings = {"decode": 1.0, "detect": 20.0, "recognize": 30.0}
    service.engine.outcome = Page(lines=(), text="", width=1, height=1, timings=timings)
    service.post(b"img=QUJD")
    stages = logged_calls(service, caplog)[0]["stages"]
    assert list(stages) == ["receive", "reserve", "queue", "decode", "detect", "recognize", "commit", "gateway"]
    assert {name: stages[name] for name in timings} == timings


def logged_calls(service: Service, caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The calls' lines, once the service has written all of them."""
    service.ask_to_stop()
    service.wait_for_end()
    return [record.fields for record in caplog.records if record.getMessage() == "call"]


def test_a_client_that_hangs_up_is_logged_once(
    service_with: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ziyan")
    service = service_with()
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(request(b"img=QUJD", appcode=service.caller.appcode)[:-3])
    service.ask_to_stop()
    service.wait_for_end()
    assert [record.fields["status"] for record in caplog.records if record.name == "ziyan.calls"] == [499]


def test_logging_goes_to_standard_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning")
    logging.getLogger("ziyan.anything").info("not this")
    logging.getLogger("another").warning("line\nbreak %s", "字", extra={"fields": {"n": 1}})
    (line,) = capsys.readouterr().err.splitlines()
    written = json.loads(line)
    assert (written["event"], written["level"], written["n"]) == ("line\nbreak 字", "warning", 1)
