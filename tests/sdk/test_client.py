"""The Python client against servers over real sockets: the service itself, and one that answers as it is told."""

from __future__ import annotations

import asyncio
import inspect
import io
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

import ziyan_client
from tests.api.conftest import Service, running_service
from tests.api.test_native import PAGE, PICTURE
from tests.sdk.scripted import page, problem, scripted
from ziyan.api.problems import PROBLEMS
from ziyan.errors import EngineBusyError, UndecodableImageError
from ziyan_client import (
    AsyncClient,
    AuthenticationError,
    BusyError,
    Client,
    ConnectionFailedError,
    ForbiddenError,
    NoAnswerInTimeError,
    PictureError,
    ProblemError,
    RateLimitedError,
    ReadingTimeoutError,
    RequestError,
    Retries,
    ServiceError,
    ZiyanError,
)

SDK = Path(__file__).parents[2] / "sdk" / "python"
HASTY = Retries(times=3, first_wait=0.001)
Reads = Callable[..., ziyan_client.Page]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest) -> Reads:
    """One call by either client; ``made`` is what the client is made with."""

    def by_sync(server: str, *args: Any, made: dict[str, Any] | None = None, **more: Any) -> ziyan_client.Page:
        with Client(server, **{"appcode": "code", "retries": HASTY, **(made or {})}) as client:
            return client.read(*args, **more)

    def by_async(server: str, *args: Any, made: dict[str, Any] | None = None, **more: Any) -> ziyan_client.Page:
        async def call() -> ziyan_client.Page:
            async with AsyncClient(server, **{"appcode": "code", "retries": HASTY, **(made or {})}) as client:
                return await client.read(*args, **more)

        return asyncio.run(call())

    return by_sync if request.param == "sync" else by_async


def at(service: Service) -> str:
    return f"http://127.0.0.1:{service.port}"


def known(service: Service) -> dict[str, Any]:
    return {"appcode": service.caller.appcode}


# --- with the service -------------------------------------------------------------------------------------------------


def test_a_page_arrives_whole(service: Service, read: Reads) -> None:
    service.engine.outcome = PAGE
    found = read(at(service), PICTURE, made=known(service))
    assert service.engine.seen == PICTURE
    assert (found.model, found.width, found.height, found.orientation, found.angle) == ("small", 640, 480, 90, -0.4)
    assert found.billed
    assert isinstance(found.remaining, int)
    assert found.text == "天地\n玄黄\n\n宇宙"
    assert [block.text for block in found.blocks] == ["天地\n玄黄", "宇宙"]
    assert [line.text for line in found.lines] == ["天地", "玄黄", "宇宙"]
    line = found.lines[0]
    assert (line.score, line.detection_score, line.orientation, line.vertical) == (0.9877, 0.9, 0, False)
    assert line.polygon[1] == (100.3, 0.0)
    assert line.box == (0.0, 0.0, 100.3, 20.0)
    (word,) = line.words
    assert [character.text for character in word.characters] == ["天", "地"]
    assert word.characters[1].box == (10.0, 0.0, 20.0, 20.0)
    assert found.timings["total"] > 0
    with pytest.raises(AttributeError):
        line.text = "changed"  # type: ignore[misc]


def test_every_way_of_giving_a_picture(service: Service, read: Reads, tmp_path: Path) -> None:
    file = tmp_path / "图.png"
    file.write_bytes(PICTURE)
    with file.open("rb") as opened:
        for given in (str(file), file, PICTURE, bytearray(PICTURE), memoryview(PICTURE), io.BytesIO(PICTURE), opened):
            service.engine.seen = b""
            read(at(service), given, made=known(service))
            assert service.engine.seen == PICTURE


def test_options_arrive(service: Service, read: Reads) -> None:
    options = {"model": "tiny", "orientation": "none", "detail": "character", "min_score": 0.25, "order": "position"}
    read(at(service) + "/", PICTURE, made=known(service), **options)
    seen = service.engine.options
    assert seen is not None
    assert (seen.model, seen.page_orientation, seen.detail, seen.min_score, seen.order) == (
        *("tiny", False, "character", 0.25, "position"),
    )


def test_the_models_of_a_server_are_told(service: Service) -> None:
    address = f"http://127.0.0.1:{service.port}"
    with Client(address, appcode="x") as client:
        assert client.models() == ("small", "tiny")

    async def ask() -> tuple[str, ...]:
        async with AsyncClient(address, appcode="x") as client:
            return await client.models()

    assert asyncio.run(ask()) == ("small", "tiny")


@pytest.mark.parametrize("content", [b"{}", b"[]", b"<html>", b'{"paths": {"/v1/ocr": {"post": {"parameters": []}}}}'])
def test_a_server_that_is_another_has_no_models(content: bytes) -> None:
    with (
        scripted((200, {}, content)) as script,
        Client(script.address, appcode="x") as client,
        pytest.raises(ConnectionFailedError, match="not Ziyan"),
    ):
        client.models()


def test_the_models_of_a_server_that_is_not_there_are_not_told() -> None:
    with Client("http://127.0.0.1:9", appcode="x") as client, pytest.raises(ConnectionFailedError):
        client.models()

    async def ask() -> None:
        async with AsyncClient("http://127.0.0.1:9", appcode="x") as client:
            await client.models()

    with pytest.raises(ConnectionFailedError):
        asyncio.run(ask())


def test_an_address_is_sent_for_the_service_to_fetch(service: Service, read: Reads) -> None:
    with pytest.raises(PictureError) as caught:
        read(at(service), url="http://127.0.0.1/a.png", made=known(service))
    assert caught.value.code == "fetch_failed"


def test_what_the_service_refuses_is_raised_with_its_code_and_what_to_do(service: Service, read: Reads) -> None:
    with pytest.raises(AuthenticationError) as caught:
        read(at(service), PICTURE, made={"appcode": "wrong"})
    error = caught.value
    assert (error.status, error.code, error.retry_after) == (401, "credential_invalid", None)
    assert str(error) == error.detail == f"{error.title}. Check the AppCode, or the AppKey and what was signed."
    assert re.fullmatch("[0-9A-F-]{36}", error.request_id)
    service.engine.outcome = UndecodableImageError("Cut off")
    with pytest.raises(PictureError, match=r"^Cut off\. Save or export it anew\.$"):
        read(at(service), PICTURE, made=known(service))
    service.engine.outcome = EngineBusyError("Full")
    with pytest.raises(BusyError) as busy:
        read(at(service), PICTURE, made={**known(service), "retries": 0})
    assert busy.value.retry_after == 1
    service.engine.outcome = None


# --- with a script ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 503, 504])
def test_a_call_is_tried_again_with_the_same_key(read: Reads, status: int) -> None:
    with scripted(problem(status, "x", Retry_After="0"), None, problem(503, "x"), page()) as script:
        found = read(script.address, PICTURE, detail="word")
    assert (found.text, found.remaining, found.billed) == ("天", 49, True)
    assert [asked.body for asked in script.asked] == [PICTURE] * 4
    keys = {asked.headers["Idempotency-Key"] for asked in script.asked}
    assert len(keys) == 1
    assert {asked.path for asked in script.asked} == {"/v1/ocr?detail=word"}
    assert {asked.headers["Authorization"] for asked in script.asked} == {"APPCODE code"}


def test_another_call_has_another_key() -> None:
    with scripted(page(), page()) as script, Client(script.address, "code") as client:
        client.read(PICTURE)
        client.read(PICTURE)
    first, second = script.asked
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]


def test_a_call_that_is_made_once_has_no_key_for_which_its_answer_would_be_kept(read: Reads) -> None:
    with scripted(page()) as script:
        read(script.address, PICTURE, made={"retries": 0})
    assert "Idempotency-Key" not in script.asked[0].headers


def test_a_call_is_given_up_after_so_many_tries(read: Reads) -> None:
    with scripted(*[problem(503, "engine_busy")] * 4) as script, pytest.raises(BusyError) as caught:
        read(script.address, PICTURE)
    assert len(script.asked) == 4
    assert caught.value.code == "engine_busy"


def test_a_server_that_asks_for_too_much_patience_is_not_waited_for(read: Reads) -> None:
    with scripted(problem(429, "rate_limited", Retry_After="31")) as script, pytest.raises(RateLimitedError) as caught:
        read(script.address, PICTURE)
    assert caught.value.retry_after == 31


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422, 500])
def test_what_would_be_answered_alike_is_not_tried_again(read: Reads, status: int) -> None:
    with scripted(problem(status, "x")) as script, pytest.raises(ProblemError):
        read(script.address, PICTURE)
    assert len(script.asked) == 1


def test_a_service_that_is_not_there_is_told(read: Reads) -> None:
    with scripted() as script:
        pass
    with pytest.raises(ConnectionFailedError, match="cannot be reached"):
        read(script.address, PICTURE, made={"retries": Retries(times=1, first_wait=0.001)})


def test_a_service_that_does_not_answer_is_given_up_and_not_asked_again(read: Reads) -> None:
    with scripted(page(), hold=True) as script, pytest.raises(NoAnswerInTimeError):
        read(script.address, PICTURE, timeout=0.2)
    assert len(script.asked) == 1


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"text": "x"}'])
def test_another_service_at_the_address_is_told(read: Reads, content: bytes) -> None:
    with scripted((200, {}, content)) as script, pytest.raises(ConnectionFailedError, match="is not Ziyan"):
        read(script.address, PICTURE, made={"retries": 0})


def test_what_a_proxy_answers_is_an_error_too(read: Reads) -> None:
    answer = (502, {"X-Request-Id": "P", "Retry-After": "soon"}, b"<html>Bad gateway")
    with scripted(answer) as script, pytest.raises(ServiceError, match=r"^HTTP status 502$") as caught:
        read(script.address, PICTURE)
    assert (caught.value.code, caught.value.request_id, caught.value.retry_after) == ("unknown", "P", None)


def test_retry_after_may_be_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=300), usegmt=True)
    past = "Thu, 01 Jan 1970 00:00:00 -0000"
    for value, least, most in ((later, 200, 300), (past, 0, 0)):
        with scripted(problem(503, "x", Retry_After=value)) as script, pytest.raises(BusyError) as caught:
            Client(script.address, "code", retries=0).read(PICTURE)
        assert caught.value.retry_after is not None
        assert least <= caught.value.retry_after <= most


# --- without a server -------------------------------------------------------------------------------------------------


def test_every_problem_of_the_service_has_an_error_of_its_kind() -> None:
    kinds = {
        row.code: type(ziyan_client._errors.error_of(httpx.Response(row.status, json={"code": row.code})))
        for row in PROBLEMS
    }
    assert kinds["credential_missing"] is AuthenticationError
    assert kinds["app_disabled"] is ForbiddenError
    assert kinds["rate_limited"] is RateLimitedError
    assert kinds["engine_timeout"] is ReadingTimeoutError
    assert kinds["engine_busy"] is kinds["store_unavailable"] is BusyError
    assert kinds["internal_error"] is kinds["reader_crashed"] is ServiceError
    assert kinds["bad_option"] is kinds["unsupported_content_type"] is kinds["picture_missing"] is RequestError
    for code in ("image_too_large", "body_too_large", "unsupported_image", "undecodable_image", "bad_image"):
        assert kinds[code] is PictureError
    assert all(issubclass(kind, ZiyanError) for kind in kinds.values())


def test_waits_grow_within_their_bounds() -> None:
    retries, busy = Retries(times=9, first_wait=1, longest_wait=10), BusyError(503, "x", "t", "d")
    waits = [retries.wait_after(busy, tries) for tries in range(1, 10)]
    for number, wait in enumerate(waits):
        assert wait is not None
        assert min(10, 2**number) / 2 <= wait <= min(10, 2**number)
    assert retries.wait_after(busy, 10) is None
    told = BusyError(503, "x", "t", "d", retry_after=7)
    assert (retries.wait_after(told, 1) or 0) >= 7
    assert retries.wait_after(NoAnswerInTimeError(), 1) is None


def test_a_client_needs_an_appcode_and_takes_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="ZIYAN_APPCODE"):
        Client()
    monkeypatch.setenv("ZIYAN_APPCODE", " from-outside ")
    with scripted(page()) as script, Client(script.address) as client:
        client.read(PICTURE)
    assert script.asked[0].headers["Authorization"] == "APPCODE from-outside"


@pytest.mark.parametrize(
    ("args", "more", "told"),
    [
        ((), {}, "a picture or a url"),
        ((PICTURE,), {"url": "http://a"}, "not both"),
        (("https://example.com/a.png",), {}, "url="),
    ],
)
def test_a_call_without_exactly_one_picture_is_a_mistake(
    read: Reads, args: Any, more: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        read("http://127.0.0.1:1", *args, **more)


def test_a_text_file_is_no_picture(read: Reads) -> None:
    with pytest.raises(TypeError, match="binary"):
        read("http://127.0.0.1:1", io.StringIO("text"))
    with pytest.raises(FileNotFoundError):
        read("http://127.0.0.1:1", "no such file.png")


def test_a_client_of_your_own_is_used_and_left_open() -> None:
    with scripted(page(), page()) as script, httpx.Client(headers={"X-Mine": "yes"}) as http:
        with Client(script.address, "code", http_client=http) as client:
            client.read(PICTURE)
        assert not http.is_closed

        async def call() -> bool:
            async with httpx.AsyncClient(headers={"X-Mine": "yes"}) as http:
                async with AsyncClient(script.address, "code", http_client=http) as client:
                    await client.read(PICTURE)
                return http.is_closed

        assert not asyncio.run(call())
    assert [asked.headers["X-Mine"] for asked in script.asked] == ["yes", "yes"]


def test_many_calls_at_once_do_not_mix(service: Service) -> None:
    pictures = [PICTURE + bytes([i]) for i in range(8)]
    with Client(at(service), service.caller.appcode) as client:
        threads = [threading.Thread(target=client.read, args=(picture,)) for picture in pictures]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    async def all_at_once() -> list[ziyan_client.Page]:
        async with AsyncClient(at(service), service.caller.appcode) as client:
            return await asyncio.gather(*(client.read(picture) for picture in pictures))

    found = asyncio.run(all_at_once())
    assert len({page.request_id for page in found}) == len(pictures)


def test_both_clients_take_the_same() -> None:
    for name in ("__init__", "read"):
        one, other = (inspect.signature(getattr(kind, name)).parameters for kind in (Client, AsyncClient))
        assert list(one) == list(other)
        assert [p.default for p in one.values()] == [p.default for p in other.values()]


def test_the_readme_names_every_error_and_its_examples_are_python() -> None:
    text = (SDK / "README.md").read_text("utf-8")
    errors = [name for name in ziyan_client.__all__ if name.endswith("Error")]
    assert all(f"`{name}`" in text for name in errors)
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        compile(example, "README.md", "exec")


def test_it_depends_on_httpx_alone_and_needs_nothing_of_ziyan() -> None:
    program = (
        "import sys; import ziyan_client; "
        "sys.exit(any(name == 'ziyan' or name.startswith(('ziyan.', 'numpy', 'fastapi')) for name in sys.modules))"
    )
    source = str(SDK / "src")
    ran = subprocess.run([sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r}); {program}"])
    assert ran.returncode == 0
