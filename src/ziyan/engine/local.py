"""The Engine port on this machine: a bounded queue in front of reading processes that may die at any moment.

All state belongs to one event loop and changes only between awaits, so there are no locks.  ``docs/engine.md`` tells
what becomes of a call, failure by failure.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from ziyan.engine.base import EngineStatus
from ziyan.engine.process import KILL_WAIT, ProcessLostError, ReadingProcess
from ziyan.engine.worker import ReaderFactory, load_reader, pack
from ziyan.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineError,
    EngineTimeoutError,
    ModelError,
    ReaderCrashedError,
    ZiyanError,
)
from ziyan.ocr.types import Page, ReadOptions

if TYPE_CHECKING:
    from ziyan.ocr.pipeline import ReaderConfig
    from ziyan.settings import Settings

logger = logging.getLogger(__name__)

#: Seconds that a reader has to stop by itself once nobody waits for its answer; about one batch on a slow machine,
#: and less than loading the weights again would take.
STOP_GRACE = 1.0
#: Seconds between two looks at the memory of a process that is reading.
MEMORY_POLL = 0.1
#: A process that passes this many times its memory limit *during* a picture is killed.
RUNAWAY = 2.0
#: Room over what a process takes when freshly loaded, without which every picture would cost a restart.
HEADROOM = 1.5
#: Seconds that loading the weights may take.
START_TIMEOUT = 120.0
#: Failed starts in a row after which callers are told instead of left waiting.
START_ATTEMPTS = 3
#: Seconds before a start is tried again, doubled each time up to the second value.
FIRST_BACKOFF, MAX_BACKOFF = 0.25, 5.0
#: Seconds that an idle process may take to leave.
LEAVE_GRACE = 3.0


class _State(Enum):
    NEW = auto()
    STARTING = auto()
    RUNNING = auto()
    CLOSED = auto()


@dataclass(slots=True, eq=False)
class _Call:
    """One accepted call.  ``answer`` is resolved exactly once, or cancelled because its caller has gone."""

    number: int
    options: bytes
    image_bytes: memoryview
    answer: asyncio.Future[Page]
    handed_again: bool = False

    def resolve(self, outcome: Page | ZiyanError) -> None:
        if self.answer.done():
            return
        if isinstance(outcome, Page):
            self.answer.set_result(outcome)
        else:
            self.answer.set_exception(outcome)


class LocalEngine:
    """Reads pictures in worker processes on this machine.  Implements ``ziyan.engine.base.Engine``."""

    def __init__(
        self,
        config: ReaderConfig,
        *,
        workers: int,
        queue_limit: int,
        deadline: float,
        memory_limit_mib: int,
        reader_factory: ReaderFactory = load_reader,
    ) -> None:
        """Keep the choices; ``start`` does the work.

        Args:
            config: What each reader is loaded with.
            workers: Reading processes.
            queue_limit: Calls that may wait; one more is refused.
            deadline: Seconds a call may take from its acceptance on, waiting included.
            memory_limit_mib: Resident memory at which a process is replaced after its picture.
            reader_factory: Makes the reader, inside the process; must be importable by name there.
        """
        self._config = config
        self._reader_factory = reader_factory
        self._workers = workers
        self._queue_limit = queue_limit
        self._deadline = deadline
        self._memory_limit = float(memory_limit_mib)
        self._state = _State.NEW
        self._numbers = itertools.count(1)
        self._waiting: OrderedDict[int, _Call] = OrderedDict()
        self._processes: set[ReadingProcess] = set()  # alive, with their weights loaded
        self._idle: list[ReadingProcess] = []
        self._starts: set[asyncio.Task[None]] = set()
        self._runs: set[asyncio.Task[None]] = set()
        self._farewells: set[asyncio.Task[None]] = set()
        self._shutdown: asyncio.Task[None] | None = None
        self._restarts = 0

    @classmethod
    def from_settings(cls, settings: Settings, *, eager: bool = False) -> LocalEngine:
        """The engine that ``settings`` describe, not started; ``eager`` as in ``ReaderConfig``."""
        from ziyan.ocr.pipeline import ReaderConfig  # here, so that tests of the engine load no image library

        return cls(
            ReaderConfig(
                models_dir=settings.models_dir,
                model=settings.model,
                also=settings.further_models,
                runtime=settings.runtime,
                precision=settings.precision,
                threads=settings.thread_count,
                eager=eager,
            ),
            workers=settings.worker_count,
            queue_limit=settings.queue,
            deadline=settings.deadline,
            memory_limit_mib=settings.worker_memory,
        )

    # --- the port -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start every process and wait until all have loaded their weights.

        Raises:
            ModelError: Weights are missing or damaged.
            EngineError: The readers do not come up.
            EngineClosedError: Closed meanwhile, or before.
        """
        if self._state is not _State.NEW:
            raise EngineClosedError("The engine has been started before.")
        self._state = _State.STARTING
        starts = {self._keep(self._starts, self._bring_up()) for _ in range(self._workers)}
        try:
            await asyncio.wait(starts, return_when=asyncio.FIRST_EXCEPTION)
            for start in starts:
                if start.cancelled():
                    raise EngineClosedError("The engine was closed while it started.")
                if start.done():
                    start.result()
            self._state = _State.RUNNING
        finally:
            if self._state is not _State.RUNNING:
                await self.close()

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        """Read one picture; see ``Engine.read``."""
        if self._state is not _State.RUNNING:
            raise EngineClosedError("The engine is not running.")
        if len(self._waiting) >= self._queue_limit:
            raise EngineBusyError("Too many pictures are waiting; try again in a moment.")
        seconds = self._deadline if deadline is None else deadline
        loop = asyncio.get_running_loop()
        call = _Call(next(self._numbers), pack(options), memoryview(image_bytes), loop.create_future())
        self._waiting[call.number] = call
        try:
            async with asyncio.timeout(seconds):
                self._dispatch()
                return await call.answer
        except TimeoutError:
            raise EngineTimeoutError(f"The picture was not read within {seconds:g} seconds; it was stopped.") from None
        finally:
            # Cancelled, whether by the deadline or the caller, ``answer`` tells ``_run`` to stop the work.
            self._waiting.pop(call.number, None)

    async def close(self) -> None:
        """Refuse what waits, finish what is being read, and end every process; may be called again."""
        if self._shutdown is None:
            self._shutdown = asyncio.create_task(self._shut_down())
        await asyncio.shield(self._shutdown)

    def status(self) -> EngineStatus:
        """How the engine is doing now."""
        return EngineStatus(
            ready=self._state is _State.RUNNING and bool(self._processes),
            workers=len(self._processes),
            busy=len(self._processes) - len(self._idle),
            queued=len(self._waiting),
            queue_limit=self._queue_limit,
            restarts=self._restarts,
        )

    # --- calls ----------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Hand waiting calls to idle processes, first come, first served."""
        while self._waiting and self._idle:
            _, call = self._waiting.popitem(last=False)
            if not call.answer.done():
                self._keep(self._runs, self._run(self._idle.pop(), call))

    async def _run(self, process: ReadingProcess, call: _Call) -> None:
        """See one call through in ``process``, and the process back to where it belongs."""
        try:
            outcome = await self._outcome(process, call)
        except ProcessLostError as lost:
            await self._bury(process, call, lost)
            return
        if outcome is None:
            outcome = EngineError("The picture could not be read.", internal="the reader stopped unasked")
        call.resolve(outcome)
        process.failures = 0
        if (mib := process.resident_mib()) > self._limit_of(process):
            self._renew(process, mib)
        self._settle(process)

    async def _outcome(self, process: ReadingProcess, call: _Call) -> Page | ZiyanError | None:
        """What came of the exchange; brings its end about if nobody waits any more or memory runs away.

        Raises:
            ProcessLostError: The process died, or had to be killed.
        """
        exchange = asyncio.create_task(process.exchange(call.number, call.options, call.image_bytes))
        either: set[asyncio.Future[Any]] = {exchange, call.answer}
        while not (exchange.done() or call.answer.done()):
            await asyncio.wait(either, timeout=MEMORY_POLL, return_when=asyncio.FIRST_COMPLETED)
            if not exchange.done() and (mib := process.resident_mib()) > RUNAWAY * self._limit_of(process):
                process.kill(f"{mib:.0f} MiB resident during a picture")
        if not exchange.done():
            process.ask_to_stop(call.number)
            await asyncio.wait({exchange}, timeout=STOP_GRACE)
        if not exchange.done():
            process.kill(f"it did not stop within {STOP_GRACE:g} s")
            await asyncio.wait({exchange}, timeout=KILL_WAIT)
        if not exchange.done():
            exchange.cancel()
            await asyncio.wait({exchange})
            raise ProcessLostError("it survives being killed", begun=True)
        return exchange.result()

    async def _bury(self, process: ReadingProcess, call: _Call, lost: ProcessLostError) -> None:
        """Replace a process that was lost with ``call`` in its hands, and tell the caller."""
        self._processes.discard(process)
        self._replace(process, process.failures)
        await process.end(LEAVE_GRACE)
        logger.warning("reader lost pid=%d call=%d: %s, %s", process.pid, call.number, lost, process.epitaph)
        if lost.begun or call.handed_again or self._state is _State.CLOSED:
            call.resolve(
                ReaderCrashedError(
                    "The reading process died under this picture; another has taken its place.",
                    internal=f"pid {process.pid}: {lost}, {process.epitaph}",
                )
            )
        elif not call.answer.done():
            # It died before it had the whole picture, so the picture is not to blame.
            call.handed_again = True
            self._waiting[call.number] = call
            self._waiting.move_to_end(call.number, last=False)
            self._dispatch()

    # --- processes ------------------------------------------------------------------------------------------------

    async def _bring_up(self, failures: int = 0, replaces: ReadingProcess | None = None) -> None:
        """Start a process and let it take the place of ``replaces``, which reads on until then.

        Raises:
            ZiyanError: A first start (``replaces`` is None) is hopeless; a replacement is tried for ever.
        """
        while True:
            if failures:
                await asyncio.sleep(min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** min(failures - 1, 10)))
            try:
                process = ReadingProcess(self._config, self._reader_factory, failures)
                await process.ready(START_TIMEOUT)
            except (ModelError, EngineError) as error:
                failures += 1
                logger.error("reader did not start, %d in a row: %s %s", failures, error, error.internal)
                hopeless = isinstance(error, ModelError) or failures >= START_ATTEMPTS
                if hopeless and replaces is None:
                    raise
                if hopeless and not self._processes:
                    self._refuse_waiting(error)
            else:
                self._admit(process, replaces)
                return

    def _admit(self, process: ReadingProcess, replaces: ReadingProcess | None) -> None:
        logger.info("reader started pid=%d resident=%.0f MiB", process.pid, process.loaded_mib)
        if self._limit_of(process) > self._memory_limit:
            logger.warning(
                "the memory limit of %.0f MiB leaves a reader no room: it takes %.0f MiB before its first picture",
                self._memory_limit,
                process.loaded_mib,
            )
        self._processes.add(process)
        process.exited.add_done_callback(lambda _: self._on_exit(process))
        if replaces in self._processes:
            self._processes.discard(replaces)
            if replaces in self._idle:  # else it leaves after its picture
                self._idle.remove(replaces)
                self._dismiss(replaces)
        self._settle(process)

    def _settle(self, process: ReadingProcess) -> None:
        """Put a process that has nothing to do where it belongs."""
        if process not in self._processes:
            self._dismiss(process)
        elif process.exited.done():
            self._lose_idle(process)
        else:
            self._idle.append(process)
            self._dispatch()

    def _on_exit(self, process: ReadingProcess) -> None:
        if process in self._idle:  # else whoever uses it finds out
            self._idle.remove(process)
            self._lose_idle(process)

    def _lose_idle(self, process: ReadingProcess) -> None:
        self._processes.discard(process)
        if self._state is not _State.CLOSED:
            logger.warning("reader lost pid=%d while idle", process.pid)
        self._replace(process, process.failures + 1)
        self._dismiss(process)

    def _renew(self, process: ReadingProcess, mib: float) -> None:
        """Have a process replaced that has grown too large; one at a time, so that memory peaks by one process."""
        if not any(other.retiring for other in self._processes):
            logger.info("reader grew too large pid=%d resident=%.0f MiB", process.pid, mib)
            self._replace(process, 0)

    def _replace(self, process: ReadingProcess, failures: int) -> None:
        """Start another process in the place of ``process``, once."""
        if self._state is _State.CLOSED or process.retiring:
            return
        process.retiring = True
        self._restarts += 1
        self._keep(self._starts, self._bring_up(failures, process))

    def _dismiss(self, process: ReadingProcess) -> None:
        self._keep(self._farewells, process.end(LEAVE_GRACE))

    def _limit_of(self, process: ReadingProcess) -> float:
        return max(self._memory_limit, HEADROOM * process.loaded_mib)

    # --- the end --------------------------------------------------------------------------------------------------

    def _refuse_waiting(self, error: ZiyanError) -> None:
        while self._waiting:
            _, call = self._waiting.popitem(last=False)
            call.resolve(type(error)(str(error), internal=error.internal))  # each caller raises, and so marks, its own

    async def _shut_down(self) -> None:
        self._state = _State.CLOSED
        self._refuse_waiting(EngineClosedError("The engine is shutting down."))
        for start in self._starts:
            start.cancel()
        await asyncio.gather(*self._starts, return_exceptions=True)
        while self._runs:
            await asyncio.wait(self._runs)  # each ends by its deadline
        for process in self._processes:
            self._dismiss(process)
        self._processes.clear()
        self._idle.clear()
        while self._farewells:
            await asyncio.wait(self._farewells)

    @staticmethod
    def _keep(tasks: set[asyncio.Task[None]], work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return task
