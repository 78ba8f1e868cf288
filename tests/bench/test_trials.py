from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.samples import write_data
from ziyan.bench import dataset, trials
from ziyan.bench.callers import ask, ask_all
from ziyan.bench.consistency import Gathered, differences, gather
from ziyan.bench.crash import crash
from ziyan.bench.errors import BenchError
from ziyan.bench.siege import FLAT_MIB, Siege, besiege
from ziyan.engine.base import EngineStatus
from ziyan.errors import (
    EngineBusyError,
    EngineTimeoutError,
    ImageTooLargeError,
    ReaderCrashedError,
    UndecodableImageError,
)
from ziyan.ocr.types import Page, ReadOptions

Behave = Callable[[bytes, int], Page]


def page(text: str) -> Page:
    return Page(lines=(), text=text, width=1, height=1)


class FakeEngine:
    """Answers as ``behave`` says, from the picture and the number of the call; refuses above ``room`` at once."""

    def __init__(self, behave: Behave, room: int = 1000) -> None:
        self.behave, self.room = behave, room
        self.calls = self.inside = self.most_inside = self.restarts = 0
        self.running = False

    async def start(self) -> None:
        self.running = True

    async def close(self) -> None:
        self.running = False

    def status(self) -> EngineStatus:
        return EngineStatus(self.running, 1, 0, 0, self.room, self.restarts)

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        assert self.running
        if self.inside >= self.room:
            raise EngineBusyError("full")
        self.calls += 1
        call = self.calls
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await asyncio.sleep(0)
            return self.behave(image_bytes, call)
        finally:
            self.inside -= 1


@pytest.fixture
async def engine() -> FakeEngine:
    made = FakeEngine(lambda image_bytes, call: page(image_bytes.decode("latin-1")))
    await made.start()
    return made


def raising(error: Exception) -> Behave:
    def behave(image_bytes: bytes, call: int) -> Page:
        raise error

    return behave


async def test_a_refused_caller_asks_again_and_is_counted(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ziyan.bench.callers.RETRY_AFTER", 0)
    engine.room = 1
    answers: list[int] = []
    pictures = ((str(number), b"x") for number in range(20))
    await ask_all(engine, pictures, 4, None, lambda key, answer: answers.append(answer.refusals))
    assert len(answers) == 20
    assert sum(answers) > 0
    assert (engine.calls, engine.most_inside) == (20, 1)


async def test_as_many_calls_are_under_way_as_there_are_callers(engine: FakeEngine) -> None:
    taken: list[str] = []
    pictures = ((str(number), b"x") for number in range(20))
    await ask_all(engine, pictures, 4, None, lambda key, answer: taken.append(key))
    assert sorted(taken, key=int) == [str(number) for number in range(20)]
    assert engine.most_inside == 4


async def test_what_is_raised_is_an_answer(engine: FakeEngine) -> None:
    engine.behave = raising(RuntimeError("nonsense"))
    assert isinstance((await ask(engine, b"x", None)).result, RuntimeError)


LABELS = {"c": [{"lines": [str(number)]} for number in range(6)]}


async def test_the_same_answers_are_consistent(engine: FakeEngine, tmp_path: Path) -> None:
    labels = dataset.load(write_data(tmp_path, LABELS))
    one, many = await gather(engine, labels, 1), await gather(engine, labels, 4)
    assert len(one.texts) == 6
    assert differences(one, many) == []


async def test_an_answer_that_depends_on_the_call_is_found(engine: FakeEngine, tmp_path: Path) -> None:
    engine.behave = lambda image_bytes, call: page("other" if call == 9 else "same")
    labels = dataset.load(write_data(tmp_path, LABELS))
    one, many = await gather(engine, labels, 1), await gather(engine, labels, 1)
    assert differences(one, many) == ["c/c_2.png"]


async def test_a_refused_picture_is_the_same_refusal_and_a_failed_call_is_none() -> None:
    refused, failed = Gathered(1), Gathered(1)
    answer = await answer_of(UndecodableImageError("damaged"))
    refused.take("a", answer)
    assert refused.texts == {"a": "undecodable_image: damaged"}
    failed.take("a", await answer_of(EngineTimeoutError("too slow")))
    assert failed.failures == {"a": "EngineTimeoutError: too slow"}
    assert differences(refused, failed) == differences(failed, refused) == differences(failed, failed) == ["a"]


async def answer_of(error: Exception) -> Any:
    engine = FakeEngine(raising(error))
    await engine.start()
    return await ask(engine, b"", None)


@pytest.mark.parametrize(("second", "verdict"), [("same", True), ("other", False)])
async def test_the_consistency_trial(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], second: str, verdict: bool
) -> None:
    engine = FakeEngine(lambda image_bytes, call: page("same" if call != 8 else second))
    labels = dataset.load(write_data(tmp_path, LABELS))
    assert await trials.run_consistency(engine, labels, (1, 3)) is verdict
    assert not engine.running
    out = capsys.readouterr().out
    assert f"3 callers: 6 of 6 pictures answered, {int(not verdict)} differently" in out
    assert ("NOT the same" in out) is not verdict


def hostile(count: int) -> Iterator[tuple[str, bytes]]:
    return ((("bomb", "flip")[number % 2], bytes([number])) for number in range(count))


def refuse_bombs(image_bytes: bytes, call: int) -> Page:
    if image_bytes[0] % 2 == 0:
        raise ImageTooLargeError("too many pixels")
    return page("")


async def test_a_siege_counts_what_became_of_every_picture(engine: FakeEngine) -> None:
    engine.behave = refuse_bombs
    siege = await besiege(engine, hostile(10), 3)
    assert siege.outcomes == {("bomb", "image_too_large"): 5, ("flip", "page"): 5}
    assert siege.held
    assert len(siege.memory) == 2
    assert siege.slowest_kind in ("bomb", "flip")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ReaderCrashedError("gone", internal="signal 11"), "reader_crashed"),
        (EngineTimeoutError("too slow"), "engine_timeout"),
        (ValueError("a bug"), "ValueError"),
    ],
)
async def test_anything_but_a_page_or_a_clear_refusal_breaks_the_siege(
    engine: FakeEngine, error: Exception, outcome: str
) -> None:
    engine.behave = raising(error)
    siege = await besiege(engine, hostile(1), 1)
    assert siege.outcomes == {("bomb", outcome): 1}
    assert not siege.held
    assert siege.unexpected[0][1].startswith(f"{type(error).__name__}: {error}")


async def test_a_process_that_was_lost_breaks_the_siege(engine: FakeEngine) -> None:
    def behave(image_bytes: bytes, call: int) -> Page:
        engine.restarts += 1
        return page("")

    engine.behave = behave
    siege = await besiege(engine, hostile(2), 1)
    assert siege.restarts == 2
    assert not siege.held


def test_memory_that_grows_breaks_the_siege() -> None:
    mib = 1 << 20
    after_warm_up = [0, 500 * mib, *[500 * mib] * 18]
    assert Siege(memory=[*after_warm_up[1:], round((500 + FLAT_MIB) * mib)]).held
    assert not Siege(memory=[*after_warm_up[1:], round((501 + FLAT_MIB) * mib)]).held


async def test_the_hostile_trial(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(trials, "hostile_pictures", lambda count, seed: hostile(count))
    assert await trials.run_hostile(FakeEngine(refuse_bombs), count=6, seed=1, callers=2)
    assert "image_too_large" in capsys.readouterr().out
    assert not await trials.run_hostile(FakeEngine(raising(ValueError("a bug"))), count=6, seed=1, callers=2)
    assert "UNEXPECTED bomb: ValueError: a bug" in capsys.readouterr().out


class MortalEngine(FakeEngine):
    """One call at a time; the third has a process that computes until it is killed, and then ``lost`` calls fail."""

    def __init__(self, lost: int) -> None:
        super().__init__(lambda image_bytes, call: page(""))
        self.lost = lost
        self.turn = asyncio.Lock()

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        async with self.turn:
            self.calls += 1
            if self.calls == 3:  # the first of the calls that see the kill
                process = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
                assert await process.wait() == -signal.SIGKILL
                self.restarts += 1
            if 3 <= self.calls < 3 + self.lost:
                raise ReaderCrashedError("gone")
            await asyncio.sleep(0.05)
            return page("")


@pytest.mark.parametrize(("lost", "contained"), [(1, True), (0, False), (2, False)])
async def test_a_crash_may_cost_one_call_and_no_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lost: int, contained: bool
) -> None:
    (picture,) = dataset.load(write_data(tmp_path, {"c": [{"lines": ["甲"]}]}))
    assert await trials.run_crash(MortalEngine(lost), picture) is contained
    out = capsys.readouterr().out
    assert f"{4 - lost} × page" in out
    assert "1 process replaced" in out


async def test_a_crash_needs_a_process_that_reads(engine: FakeEngine) -> None:
    with pytest.raises(BenchError):
        await crash(engine, b"x")
