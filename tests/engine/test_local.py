"""What becomes of calls: answered, refused, stopped, crashed; each resolves exactly once."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from readers import FakeConfig, load_with_a_medium
from running import OPTIONS, Starter, gone, new_engine, text_of, until

from ziyan.api.server import SAMPLE_PICTURE
from ziyan.engine.local import LocalEngine
from ziyan.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineError,
    EngineTimeoutError,
    ImageError,
    ModelNotInstalledError,
    ReaderCrashedError,
    ZiyanError,
)
from ziyan.ocr.pipeline import ReaderConfig
from ziyan.ocr.types import ModelName, ReadOptions


async def test_a_page_comes_back_whole(started: Starter) -> None:
    engine = await started()
    page = await engine.read(b"echo \xe5\xad\x97\xe7\x9c\xbc", OPTIONS)
    assert (page.text, page.width, page.height) == ("字眼", 10, 6)
    assert page.lines[0].text == "字眼"
    assert page.lines[0].box == (0, 0, 9, 5)


async def test_twenty_megabytes_arrive_unchanged(started: Starter) -> None:
    engine = await started()
    picture = b"digest " + random.Random(1).randbytes(20 << 20)
    assert (await engine.read(picture, OPTIONS)).text == hashlib.sha256(picture).hexdigest()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalEngine]:
    """One engine for the calls that must leave it as it was."""
    engine = new_engine(FakeConfig(tmp_path_factory.mktemp("shared")))
    await engine.start()
    yield engine
    await engine.close()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("picture", "expected", "internal"),
    [
        ("refuse", ImageError, "byte 3"),
        ("fail", EngineError, "RuntimeError: native fault"),
        ("foreign", EngineError, "unknown to the gateway"),
        ("hostile", EngineError, "HostileError"),
        ("nothing", EngineError, "a NoneType, not a Page"),
        ("lambda", EngineError, "lambda"),
        ("code", EngineError, "posix.system is no record"),
        ("giveup", EngineError, "stopped unasked"),
        ("unknown", EngineError, "do_unknown"),
    ],
)
async def test_a_failing_reader_costs_one_call_and_lives_on(
    shared: LocalEngine, picture: str, expected: type[ZiyanError], internal: str
) -> None:
    pid = await text_of(shared, "pid")
    with pytest.raises(ZiyanError) as caught:
        await text_of(shared, picture)
    assert type(caught.value) is expected
    assert internal in caught.value.internal
    assert "native fault" not in str(caught.value)
    assert await text_of(shared, "pid") == pid


@pytest.mark.parametrize(
    ("picture", "epitaph"),
    [
        ("exit 3", "exit status 3"),
        ("exit 0", "exit status 0"),
        ("segfault", "signal 11"),
        ("kill", "signal 9"),
        ("leave", "exit status 4"),
        ("starve", "exit status 1"),
        ("garble other", "PAGE of call"),
        ("garble begun 1", "BEGUN of call 1"),
        ("garble kind", "makes no sense"),
        ("garble huge", "makes no sense"),
        ("garble page 1", "cannot be unpacked"),
        ("garble none 1", "NoneType as a page"),
        ("garble error 1", "NoneType as an error"),
    ],
)
async def test_a_death_costs_one_call_and_the_next_is_served_by_a_replacement(
    started: Starter, picture: str, epitaph: str
) -> None:
    engine = await started()
    crash, waiting = asyncio.create_task(text_of(engine, picture)), asyncio.create_task(text_of(engine, "echo next"))
    with pytest.raises(ReaderCrashedError) as caught:
        await crash
    assert epitaph in caught.value.internal
    assert await waiting == "next"
    assert engine.status().restarts == 1


async def test_a_full_queue_refuses_at_once(started: Starter, config: FakeConfig) -> None:
    engine = await started(queue_limit=2)
    calls = [asyncio.create_task(text_of(engine, "until go")) for _ in range(3)]
    await until(lambda: engine.status().queued == 2)
    with pytest.raises(EngineBusyError):
        await text_of(engine, "echo refused")
    assert engine.status().queued == 2
    config.note("go", "")
    assert await asyncio.gather(*calls) == ["go"] * 3
    assert "echo refused" not in config.notes("reads")
    assert await text_of(engine, "echo taken") == "taken"


async def test_first_come_first_served(started: Starter, config: FakeConfig) -> None:
    engine = await started()
    expected = [str(number) for number in range(8)]
    assert await asyncio.gather(*(text_of(engine, f"echo {number}") for number in expected)) == expected
    assert config.notes("reads") == [f"echo {number}" for number in expected]


async def test_a_call_that_expires_while_waiting_is_never_read(started: Starter, config: FakeConfig) -> None:
    engine = await started()
    running = asyncio.create_task(text_of(engine, "until go"))
    await until(lambda: config.notes("reads"))
    with pytest.raises(EngineTimeoutError):
        await text_of(engine, "echo late", deadline=0.05)
    assert engine.status().queued == 0
    config.note("go", "")
    await running
    assert config.notes("reads") == ["until go"]


@pytest.mark.parametrize("deadline", [0.0, -1.0])
async def test_a_deadline_already_past_reads_nothing(started: Starter, config: FakeConfig, deadline: float) -> None:
    engine = await started()
    with pytest.raises(EngineTimeoutError):
        await text_of(engine, "echo late", deadline=deadline)
    assert await text_of(engine, "echo next") == "next"
    assert config.notes("reads") == ["echo next"]


async def test_the_engines_own_deadline_holds_where_none_is_given(started: Starter) -> None:
    engine = await started(deadline=0.2)
    with pytest.raises(EngineTimeoutError, match=r"0\.2 seconds"):
        await text_of(engine, "wait 60")


async def test_at_the_deadline_a_reader_that_listens_stops_and_is_used_again(started: Starter) -> None:
    engine = await started()
    pid = await text_of(engine, "pid")
    with pytest.raises(EngineTimeoutError):
        await text_of(engine, "wait 60", deadline=0.3)
    assert await text_of(engine, "pid") == pid
    assert engine.status().restarts == 0


@pytest.mark.parametrize("picture", ["stuck 200", "deaf 60"])
async def test_at_the_deadline_a_reader_stuck_in_native_code_is_killed(started: Starter, picture: str) -> None:
    engine = await started()
    pid = int(await text_of(engine, "pid"))
    with pytest.raises(EngineTimeoutError):
        await text_of(engine, picture, deadline=0.5)
    assert await text_of(engine, "echo next", deadline=10) == "next"
    await until(lambda: gone(pid))
    assert engine.status().restarts == 1


async def test_one_stuck_reader_holds_up_no_other(started: Starter) -> None:
    engine = await started(workers=2)
    stuck = asyncio.create_task(text_of(engine, "stuck", deadline=2))
    for number in range(50):
        assert await text_of(engine, f"echo {number}") == str(number)
    with pytest.raises(EngineTimeoutError):
        await stuck


async def test_a_waiting_call_is_dropped_with_its_caller(started: Starter, config: FakeConfig) -> None:
    engine = await started()
    running = asyncio.create_task(text_of(engine, "until go"))
    waiting = asyncio.create_task(text_of(engine, "echo dropped"))
    await until(lambda: engine.status().queued == 1)
    waiting.cancel()
    await until(lambda: engine.status().queued == 0)
    config.note("go", "")
    await running
    assert await text_of(engine, "echo next") == "next"
    assert config.notes("reads") == ["until go", "echo next"]


@pytest.mark.parametrize(("picture", "restarts"), [("wait 60", 0), ("stuck", 1)])
async def test_a_running_call_is_stopped_with_its_caller(
    started: Starter, config: FakeConfig, picture: str, restarts: int
) -> None:
    engine = await started()
    running = asyncio.create_task(text_of(engine, picture))
    await until(lambda: config.notes("reads"))
    running.cancel()
    assert await text_of(engine, "echo next") == "next"
    assert running.cancelled()
    assert engine.status().restarts == restarts


async def test_another_model_is_loaded_once_when_a_call_names_it(started: Starter, config: FakeConfig) -> None:
    engine = await started()
    tiny = ReadOptions(model="tiny")
    texts = [(await engine.read(b"model", options)).text for options in (OPTIONS, tiny, OPTIONS, tiny)]
    assert texts == ["small", "tiny", "small", "tiny"]
    assert config.notes("loads") == ["small", "tiny"]


async def test_further_models_are_loaded_at_the_start(tmp_path: Path) -> None:
    config = FakeConfig(tmp_path, also=("tiny",))
    engine = new_engine(config)
    await engine.start()
    try:
        assert config.notes("loads") == ["small", "tiny"]
        assert (await engine.read(b"model", ReadOptions(model="tiny"))).text == "tiny"
        assert config.notes("loads") == ["small", "tiny"]
    finally:
        await engine.close()


async def test_a_further_model_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalledError):
        await new_engine(FakeConfig(tmp_path, also=("medium",), start="missing medium")).start()


async def test_weights_of_another_name_read_beside_the_usual_ones(models_dir: Path) -> None:
    """Real weights in real processes; those of ``small`` stand in for ``medium``, which only the model hub has."""
    engine = LocalEngine(
        ReaderConfig(models_dir, also=("medium",), threads=1),
        workers=1,
        queue_limit=4,
        deadline=60,
        memory_limit_mib=2000,
        reader_factory=load_with_a_medium,
    )
    await engine.start()
    try:
        names: tuple[ModelName | None, ...] = (None, "medium", "tiny", "small")
        pages = [await engine.read(SAMPLE_PICTURE.read_bytes(), ReadOptions(model=name)) for name in names]
    finally:
        await engine.close()
    assert [page.model for page in pages] == ["small", "medium", "tiny", "small"]
    assert pages[0].text == pages[1].text == pages[3].text
    assert "Maple Bridge" in pages[1].text


@pytest.mark.parametrize("model", ["medium", "enormous"])
async def test_a_model_that_is_not_there_is_a_clear_error(started: Starter, model: str) -> None:
    engine = await started()
    with pytest.raises(ModelNotInstalledError):
        await engine.read(b"model", ReadOptions(model=model))  # type: ignore[arg-type]
    assert await text_of(engine, "model") == "small"


async def test_close_finishes_what_runs_and_refuses_what_waits(started: Starter, config: FakeConfig) -> None:
    engine = await started()
    running = asyncio.create_task(text_of(engine, "until go"))
    waiting = asyncio.create_task(text_of(engine, "echo waiting"))
    await until(lambda: engine.status().queued == 1)
    closing = [asyncio.create_task(engine.close()) for _ in range(2)]
    with pytest.raises(EngineClosedError):
        await waiting
    with pytest.raises(EngineClosedError):
        await text_of(engine, "echo new")
    config.note("go", "")
    assert await running == "go"
    await asyncio.gather(*closing)
    await engine.close()
    assert config.notes("reads") == ["until go"]
    assert not engine.status().ready


async def test_close_waits_for_no_longer_than_the_deadline_of_what_runs(started: Starter) -> None:
    engine = await started()
    stuck = asyncio.create_task(text_of(engine, "stuck", deadline=0.5))
    await until(lambda: engine.status().busy)
    await engine.close()
    with pytest.raises(EngineTimeoutError):
        await stuck


async def test_status_counts(started: Starter, config: FakeConfig) -> None:
    engine = await started(workers=2, queue_limit=5)
    calls = [asyncio.create_task(text_of(engine, "until go")) for _ in range(3)]
    await until(lambda: len(config.notes("reads")) == 2)
    status = engine.status()
    assert (status.ready, status.workers, status.busy, status.queued) == (True, 2, 2, 1)
    assert (status.queue_limit, status.restarts) == (5, 0)
    config.note("go", "")
    await asyncio.gather(*calls)
    assert (engine.status().busy, engine.status().queued) == (0, 0)


async def caller(engine: LocalEngine, number: int, kind: str) -> str:
    """One of many; tells how its call ended."""
    pictures = {"echo": f"echo {number}", "crash": "kill", "hang": "stuck", "wait": "wait 0.02", "gone": "wait 0.5"}
    call = asyncio.create_task(text_of(engine, pictures[kind], deadline=1.0 if kind == "hang" else None))
    if kind == "gone":
        await asyncio.sleep(number % 20 / 10)
        call.cancel()
    try:
        return await call
    except ZiyanError as error:
        return error.code
    except asyncio.CancelledError:
        return "cancelled"


async def test_two_hundred_callers_each_get_their_own_answer_once(started: Starter) -> None:
    kinds = ["crash"] * 5 + ["hang"] * 3 + ["gone"] * 30 + ["wait"] * 32 + ["echo"] * 130
    random.Random(7).shuffle(kinds)
    engine = await started(workers=2, queue_limit=200, deadline=120)
    ends = await asyncio.gather(*(caller(engine, number, kind) for number, kind in enumerate(kinds)))
    for number, (kind, end) in enumerate(zip(kinds, ends, strict=True)):
        expected = {
            "echo": {str(number)},
            "crash": {"reader_crashed"},
            "hang": {"engine_timeout"},
            "wait": {"waited 0.02"},
            "gone": {"cancelled", "waited 0.5"},
        }[kind]
        assert end in expected, (number, kind, end)
    await until(lambda: (status := engine.status()).workers == 2 and status.busy == status.queued == 0)
