"""The life of reading processes: start, replacement, memory, signals, and the end of their parent."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from readers import FakeConfig, ForeignError
from running import OPTIONS, Starter, gone, new_engine, text_of, until

from ziyan.engine import local, worker
from ziyan.errors import (
    EngineClosedError,
    EngineError,
    ImageError,
    ModelNotInstalledError,
    ReaderCrashedError,
)
from ziyan.settings import Settings


def suspend(pid: int) -> None:
    """Stop a process so that it takes nothing from its line."""
    os.kill(pid, signal.SIGSTOP)


# --- start --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "error", "attempts"),
    [
        ("missing", ModelNotInstalledError, 1),
        ("fail", EngineError, 3),
        ("crash", EngineError, 3),
    ],
)
async def test_a_start_that_fails_is_tried_a_few_times_and_surfaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, error: type[Exception], attempts: int
) -> None:
    monkeypatch.setattr(local, "FIRST_BACKOFF", 0.01)
    config = FakeConfig(tmp_path, start)
    engine = new_engine(config)
    with pytest.raises(error):
        await engine.start()
    assert len(config.notes("loads")) == attempts
    assert not engine.status().ready
    with pytest.raises(EngineClosedError):
        await text_of(engine, "echo hello")


async def test_a_start_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "START_TIMEOUT", 1.0)
    monkeypatch.setattr(local, "START_ATTEMPTS", 1)
    with pytest.raises(EngineError) as caught:
        await new_engine(FakeConfig(tmp_path, "hang")).start()
    assert "not ready after 1 s" in caught.value.internal


async def test_a_factory_that_cannot_travel_surfaces(config: FakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "FIRST_BACKOFF", 0.01)
    with pytest.raises(EngineError, match="could not be started"):
        await new_engine(config, reader_factory=lambda _: None).start()


async def test_settings_say_where_weights_are_looked_for(tmp_path: Path) -> None:
    engine = local.LocalEngine.from_settings(Settings.load(data_dir=tmp_path, workers=2, queue=7))
    with pytest.raises(ModelNotInstalledError):
        await engine.start()
    assert engine.status().queue_limit == 7


async def test_an_engine_that_was_not_started_refuses_and_closes(config: FakeConfig) -> None:
    engine = new_engine(config)
    with pytest.raises(EngineClosedError):
        await text_of(engine, "echo hello")
    await engine.close()
    with pytest.raises(EngineClosedError):
        await engine.start()


async def test_close_ends_a_start_in_progress(tmp_path: Path) -> None:
    config = FakeConfig(tmp_path, "hang")
    engine = new_engine(config)
    start = asyncio.create_task(engine.start())
    await until(lambda: config.notes("loads"))
    await engine.close()
    with pytest.raises(EngineClosedError):
        await start


async def test_threads_are_set_before_anything_is_loaded_and_only_there(started: Starter) -> None:
    before = dict(os.environ)
    engine = await started()
    assert await text_of(engine, "environment OMP_NUM_THREADS") == "1"
    assert await text_of(engine, "environment OPENBLAS_NUM_THREADS") == "1"
    assert dict(os.environ) == before


async def test_what_a_reader_has_loaded_is_not_looked_through_for_garbage(started: Starter) -> None:
    assert await text_of(await started(), "frozen") == "True"


# --- replacement --------------------------------------------------------------------------------------------------


async def test_a_process_killed_while_idle_is_replaced_before_anyone_calls(started: Starter) -> None:
    engine = await started()
    os.kill(int(await text_of(engine, "pid")), signal.SIGKILL)
    await until(lambda: engine.status().restarts == 1 and engine.status().workers == 1)
    assert await text_of(engine, "echo next") == "next"


async def test_a_call_handed_to_a_process_that_has_just_died_is_answered_all_the_same(started: Starter) -> None:
    engine = await started()
    os.kill(int(await text_of(engine, "pid")), signal.SIGKILL)
    assert await text_of(engine, "echo next") == "next"
    assert engine.status().restarts == 1


async def test_a_picture_that_was_never_begun_is_handed_to_another_process_once(
    started: Starter, config: FakeConfig
) -> None:
    engine = await started()
    pid = int(await text_of(engine, "pid"))
    suspend(pid)
    call = asyncio.create_task(text_of(engine, "echo again"))
    await until(lambda: engine.status().busy)
    os.kill(pid, signal.SIGKILL)
    assert await call == "again"
    assert config.notes("reads").count("echo again") == 1


async def test_a_picture_is_not_handed_on_for_ever(started: Starter, config: FakeConfig) -> None:
    engine = await started(workers=2)
    both = {int(pid) for pid in await asyncio.gather(*(text_of(engine, "meet 2") for _ in range(2)))}
    first = int(await text_of(engine, "pid"))  # the last to have read is the first to read again
    (second,) = both - {first}
    suspend(first)
    suspend(second)
    call = asyncio.create_task(text_of(engine, "echo cursed"))
    await until(lambda: engine.status().busy)
    os.kill(first, signal.SIGKILL)
    await until(lambda: engine.status().restarts == 1 and engine.status().busy)
    os.kill(second, signal.SIGKILL)
    with pytest.raises(ReaderCrashedError):
        await call
    assert "echo cursed" not in config.notes("reads")


async def test_callers_are_told_when_no_replacement_comes_up_and_served_once_one_does(
    started: Starter, config: FakeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "FIRST_BACKOFF", 0.01)
    engine = await started()
    config.note("missing", "")
    crash, waiting = asyncio.create_task(text_of(engine, "kill")), asyncio.create_task(text_of(engine, "echo waiting"))
    with pytest.raises(ReaderCrashedError):
        await crash
    with pytest.raises(ModelNotInstalledError):
        await waiting
    assert not engine.status().ready
    (config.folder / "missing").unlink()
    await until(lambda: engine.status().ready)
    assert await text_of(engine, "echo next") == "next"


# --- memory -------------------------------------------------------------------------------------------------------


async def test_a_process_that_has_grown_is_replaced_without_losing_a_call(started: Starter, config: FakeConfig) -> None:
    engine = await started(memory_limit_mib=200, queue_limit=100)
    old = int(await text_of(engine, "leak 220"))
    texts = [await text_of(engine, f"echo {number}") for number in range(100)]
    assert texts == [str(number) for number in range(100)]
    await until(lambda: gone(old))
    assert int(await text_of(engine, "pid")) != old
    assert (engine.status().restarts, engine.status().workers) == (1, 1)


async def test_a_grown_process_that_is_reading_finishes_before_it_leaves(started: Starter, config: FakeConfig) -> None:
    engine = await started(memory_limit_mib=200)
    old = int(await text_of(engine, "leak 220"))
    running = asyncio.create_task(text_of(engine, "until go"))
    await until(lambda: len(config.notes("loads")) == 2)
    new = int(await text_of(engine, "pid"))
    assert new != old
    config.note("go", "")
    assert await running == "go"
    await until(lambda: gone(old))


async def test_a_picture_that_makes_memory_run_away_is_stopped(started: Starter) -> None:
    engine = await started(memory_limit_mib=200)
    with pytest.raises(ReaderCrashedError) as caught:
        await text_of(engine, "balloon 450")
    assert "MiB resident during a picture" in caught.value.internal
    assert await text_of(engine, "echo next") == "next"


async def test_a_limit_below_what_loading_takes_costs_no_restart_a_picture(
    started: Starter, caplog: pytest.LogCaptureFixture
) -> None:
    engine = await started(memory_limit_mib=1)
    assert len({await text_of(engine, "pid") for _ in range(10)}) == 1
    assert "leaves a reader no room" in caplog.text


# --- signals and ends ---------------------------------------------------------------------------------------------


async def test_signals_meant_for_the_gateway_do_not_end_a_reader(started: Starter) -> None:
    engine = await started()
    assert await text_of(engine, "interrupt") == await text_of(engine, "pid")


async def test_a_process_that_does_not_leave_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LEAVE_GRACE", 0.2)
    engine = new_engine(FakeConfig(tmp_path, "stay"))
    await engine.start()
    pid = int(await text_of(engine, "pid"))
    await engine.close()
    assert gone(pid)


PROGRAM = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from running import new_engine, text_of
from readers import FakeConfig

async def main():
    print("main", flush=True)
    engine = new_engine(FakeConfig(Path({folder!r})), workers=2)
    await engine.start()
    print(await text_of(engine, "print noise"), flush=True)
    if sys.argv[-1] == "hang":
        await asyncio.gather(*(text_of(engine, "stuck") for _ in range(2)))

if __name__ == "__main__":
    asyncio.run(main())
"""


def program(tmp_path: Path, how: str, *arguments: str) -> list[str]:
    """A command line whose ``__main__`` is a script file, or nothing at all (``-c``)."""
    text = PROGRAM.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    if how == "-c":
        return [sys.executable, "-c", text, *arguments]
    script = tmp_path / "program.py"
    script.write_text(text, encoding="utf-8")
    return [sys.executable, str(script), *arguments]


@pytest.mark.parametrize("how", ["-c", "script"])
def test_a_program_that_forgets_to_close_ends_and_keeps_its_output_clean(tmp_path: Path, how: str) -> None:
    done = subprocess.run(program(tmp_path, how), capture_output=True, timeout=60, check=True)
    assert done.stdout.decode().split() == ["main", "printed"]  # once: a reading process does not run the program again
    assert b"noise" in done.stderr


@pytest.mark.parametrize("how", ["-c", "script"])
async def test_no_reader_outlives_a_killed_gateway_even_when_stuck(tmp_path: Path, how: str) -> None:
    config = FakeConfig(tmp_path)
    gateway = await asyncio.create_subprocess_exec(
        *program(tmp_path, how, "hang"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    await until(lambda: config.notes("reads").count("stuck") == 2)
    children = psutil.Process(gateway.pid).children()
    gateway.kill()
    await gateway.wait()
    assert len(children) >= 2
    await until(lambda: all(gone(child.pid) for child in children))


# --- frames -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [OPTIONS, [1, "two", 3.0, None, frozenset({"JPEG"})]])
def test_records_travel(record: object) -> None:
    assert worker.unpack(worker.pack(record)) == record


def test_errors_travel() -> None:
    error = ImageError("public", internal="inside")
    assert repr(worker.unpack(worker.pack(error))) == repr(error)


@pytest.mark.parametrize("stranger", [os.system, subprocess.Popen, Path("x"), ForeignError("x"), worker.unpack])
def test_nothing_but_records_travels(stranger: object) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is no record"):
        worker.unpack(pickle.dumps(stranger))


@pytest.mark.parametrize("name", ["np", "np.fromfile", "dataclass", "Literal"])
def test_what_a_module_of_records_imports_is_no_record(name: str) -> None:
    with pytest.raises(pickle.UnpicklingError, match="is no record"):
        worker.unpack(b"cziyan.ocr.types\n" + name.encode() + b"\n.")
