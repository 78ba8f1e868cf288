"""``ziyan read --server``: what a local engine would print, read by a service over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.api.conftest import Service, running_service
from tests.api.test_native import PAGE, PICTURE
from tests.sdk.scripted import page, problem, scripted
from ziyan import cli
from ziyan.cli.read import Reading as Read
from ziyan.cli.read import as_json
from ziyan.engine.remote import RemoteEngine
from ziyan.errors import (
    EngineBusyError,
    EngineTimeoutError,
    ImageError,
    ReaderCrashedError,
    ServiceError,
    UndecodableImageError,
    UnsupportedImageError,
    ZiyanError,
)
from ziyan.ocr.types import Page, ReadOptions

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service
        service.engine.outcome = None


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "a.png"
    file.write_bytes(PICTURE)
    return file


def read(address: str, appcode: str = "code", options: ReadOptions | None = None, **more: Any) -> Page:
    async def call() -> Page:
        engine = RemoteEngine(address, appcode, deadline=20, wait=0.001)
        await engine.start()
        assert engine.status().ready
        try:
            return await engine.read(PICTURE, options or ReadOptions(), **more)
        finally:
            await engine.close()

    return asyncio.run(call())


def at(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


# --- the command ------------------------------------------------------------------------------------------------------


def test_text_is_printed_without_weights(service: Service, picture: Path, capsys: Capture) -> None:
    service.engine.outcome = PAGE
    assert cli.main(["read", "--server", at(service), "--appcode", service.caller.appcode, str(picture)]) == 0
    assert capsys.readouterr().out == "天地\n玄黄\n宇宙\n"
    assert service.engine.seen == PICTURE


def test_json_is_what_a_local_engine_would_print(
    service: Service, picture: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.engine.outcome = PAGE
    monkeypatch.setenv("ZIYAN_APPCODE", service.caller.appcode)
    command = ["read", "--server", at(service) + "/", "--json", "--words", "--model", "tiny", str(picture)]
    assert cli.main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    local = json.loads(json.dumps(as_json(str(picture), Read("", b"", replace(PAGE, text="天地玄黄宇宙"), None))))
    assert printed.pop("timings")["total"] > 0
    assert local.pop("timings")
    assert printed == local
    assert service.engine.options is not None
    assert (service.engine.options.model, service.engine.options.detail) == ("tiny", "word")


def test_a_refusal_is_printed_with_what_to_do(service: Service, picture: Path, capsys: Capture) -> None:
    command = ["read", "--server", at(service), "--appcode", "wrong", str(picture)]
    assert cli.main(command) == ServiceError.exit_code
    assert capsys.readouterr().err == (
        f"ziyan: {picture}: The credential is not valid. Check the AppCode, or the AppKey and what was signed.\n"
    )
    service.engine.outcome = UndecodableImageError("Cut off")
    command[4] = service.caller.appcode
    assert cli.main(command) == ImageError.exit_code
    assert "Cut off. Save or export it anew." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--server", "http://a"], "--server needs --appcode, or ZIYAN_APPCODE"), (["--appcode", "x"], "needs --server")],
)
def test_a_server_and_an_appcode_go_together(arguments: list[str], told: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["read", *arguments, "a.png"])
    assert told in capsys.readouterr().err


# --- the engine -------------------------------------------------------------------------------------------------------


def test_a_page_comes_back_as_it_was_read(service: Service) -> None:
    service.engine.outcome = PAGE
    options = ReadOptions(detail="character", order="position", min_score=0.25, page_orientation=False, model="tiny")
    found = read(at(service), service.caller.appcode, options)
    assert (found.text, found.width, found.height, found.orientation) == ("天地玄黄宇宙", 640, 480, 90)
    assert (found.skew, found.model) == (-0.4, "small")
    assert [(line.text, line.block) for line in found.lines] == [("天地", 0), ("玄黄", 0), ("宇宙", 1)]
    for one, other in zip(found.lines, PAGE.lines, strict=True):
        np.testing.assert_allclose(one.polygon, other.polygon, atol=0.06)
        assert one.polygon.dtype == np.float32
        assert [c.text for word in one.words for c in word.characters] == list(other.text)
    seen = service.engine.options
    assert seen == replace(options, limits=seen.limits)  # type: ignore[union-attr]


def test_a_busy_service_is_asked_again_with_the_same_key() -> None:
    answers = problem(503, "engine_busy", Retry_After="0"), problem(429, "rate_limited"), page()
    with scripted(*answers) as script:
        assert read(script.address).model == "small"
    assert len({asked.headers["Idempotency-Key"] for asked in script.asked}) == 1
    assert [asked.body for asked in script.asked] == [PICTURE] * 3


def test_a_service_that_stays_busy_is_left_alone() -> None:
    with scripted(*[problem(503, "engine_busy", Retry_After="0")] * 5) as script, pytest.raises(EngineBusyError):
        read(script.address)
    assert len(script.asked) == 5


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (415, "unsupported_image", UnsupportedImageError),
        (504, "engine_timeout", EngineTimeoutError),
        (500, "reader_crashed", ReaderCrashedError),
        (401, "credential_invalid", ServiceError),
        (400, "one_of_tomorrow", ServiceError),
    ],
)
def test_what_the_service_says_is_raised_as_what_it_means(status: int, code: str, kind: type[ZiyanError]) -> None:
    with scripted(problem(status, code)) as script, pytest.raises(kind, match=r"^Title\. Do this\.$") as caught:
        read(script.address)
    assert type(caught.value) is kind


@pytest.mark.parametrize("answer", [(200, {}, b"<html>"), (200, {}, b"{}"), (502, {}, b"[]"), (404, {}, b"{}")])
def test_something_else_at_the_address_is_told(answer: tuple[int, dict[str, str], bytes]) -> None:
    with scripted(answer) as script, pytest.raises(ServiceError, match=f"status {answer[0]} is not Ziyan"):
        read(script.address)


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1", "http://[", "ftp://a"])
def test_an_address_where_nobody_answers_is_told(address: str) -> None:
    with pytest.raises(ServiceError, match="cannot be reached"):
        read(address)


def test_a_service_that_takes_too_long_is_given_up() -> None:
    with scripted(page(), hold=True) as script, pytest.raises(EngineTimeoutError, match="did not answer in time"):
        read(script.address, deadline=0.2)
