"""The gateway's end of one reading process: starting it, exchanging one call at a time, stopping and ending it.

Nothing here blocks the event loop but the spawn itself (a few milliseconds).
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import multiprocessing
import os
import pickle
import signal
import socket
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING

import psutil

from ziyan.engine import worker
from ziyan.engine.worker import Kind, ReaderFactory
from ziyan.errors import EngineError, ZiyanError
from ziyan.ocr.types import Page

if TYPE_CHECKING:
    from ziyan.ocr.pipeline import ReaderConfig

MIB = 1 << 20
#: A page of a million characters, with all its words' boxes, is far smaller.
MAX_ANSWER = 256 * MIB
#: Seconds a killed process may take to vanish; the kernel has to give its memory back first.
KILL_WAIT = 10.0
_SOCKET_BUFFER = 1 * MIB
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class ProcessLostError(Exception):
    """The process died or no longer makes sense; it is of no more use.

    Attributes:
        begun: It may have begun to read the call's picture; False is certain.
    """

    def __init__(self, reason: str, *, begun: bool) -> None:
        """Keep the reason, for the log."""
        super().__init__(reason)
        self.begun = begun


class ReadingProcess:
    """One spawned process with its line.  Used by one event loop; one ``exchange`` at a time.

    Attributes:
        pid: Of the process.
        failures: Failed starts and idle deaths in a row that led to this process; 0 once it has answered.
        retiring: Another process has been, or is being, started in its place.
        loaded_mib: Resident memory when it was ready, MiB.
        exited: Done once the process has ended, for whatever reason.
    """

    def __init__(self, config: ReaderConfig, factory: ReaderFactory, failures: int = 0) -> None:
        """Spawn it; ``ready`` tells when it has loaded its weights.

        Raises:
            EngineError: The system does not give another process, or the factory cannot be pickled.
        """
        self.failures = failures
        self.retiring = False
        self.loaded_mib = 0.0
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = self._loop.create_future()
        self._killed_because = ""
        self._exit_status: int | None = None
        context = multiprocessing.get_context("spawn")  # never fork: native libraries have threads
        self._line, theirs = socket.socketpair()
        self._line.setblocking(False)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)  # macOS: 8 KiB by default
        self._stop: ctypes.c_uint64 = context.RawValue(ctypes.c_uint64, 0)
        self._process = context.Process(
            target=worker.main, args=(theirs, self._stop, config, factory), name="ziyan-reader", daemon=True
        )
        try:
            # From this very thread, which lives as long as the loop: on Linux a child is told of its parent
            # *thread's* death.
            with _birth(config.threads), theirs:
                self._process.start()
        except (OSError, pickle.PicklingError, AttributeError, TypeError) as error:
            self._line.close()
            raise EngineError("A reading process could not be started.", internal=repr(error)) from error
        # An interpreter that ends without close() would wait for this child for ever: it ignores SIGTERM.
        atexit.register(self._process.kill)
        self.pid = self._process.pid or 0
        self._system_process = psutil.Process(self.pid)
        self._sentinel = self._process.sentinel
        self._loop.add_reader(self._sentinel, self._on_exit)

    async def ready(self, within: float) -> None:
        """Wait until the weights are loaded; a process that fails to is ended.

        Raises:
            ModelError: Weights are missing or damaged.
            EngineError: It crashed, failed, or took more than ``within`` seconds.
        """
        is_ready = False
        try:
            async with asyncio.timeout(within):
                kind, _, payload = await self._receive(begun=False)
                if kind is not Kind.READY:
                    raise _error_in(payload)
            self.loaded_mib = self.resident_mib()
            is_ready = True
        except TimeoutError:
            raise EngineError(
                "A reading process did not start.", internal=f"not ready after {within:g} s, pid {self.pid}"
            ) from None
        except ProcessLostError as lost:
            await self.end(KILL_WAIT)
            raise EngineError("A reading process did not start.", internal=f"{lost}, {self.epitaph}") from None
        finally:
            if not is_ready:
                self.kill("it did not start")
                await self.end(KILL_WAIT)

    async def exchange(self, number: int, options: bytes, image_bytes: memoryview) -> Page | ZiyanError | None:
        """Send one call and wait for its answer; None if the reader stopped as it was asked to.

        Raises:
            ProcessLostError: It died, or answered nonsense.
        """
        try:
            header = worker.CALL.pack(number, len(options), len(image_bytes))
            await self._loop.sock_sendall(self._line, header + options)
            await self._loop.sock_sendall(self._line, image_bytes)
        except OSError as error:
            raise ProcessLostError(f"line broke: {error!r}", begun=False) from error
        begun = False
        while True:
            kind, answered, payload = await self._receive(begun)
            if answered != number or (kind is Kind.BEGUN) == begun:
                raise ProcessLostError(f"{kind.name} of call {answered} in answer to call {number}", begun=True)
            if kind is Kind.BEGUN:
                begun = True
            elif kind is Kind.STOPPED:
                return None
            elif kind is Kind.ERROR:
                return _error_in(payload)
            else:
                return _page_in(payload)

    def ask_to_stop(self, number: int) -> None:
        """Let the reader of call ``number`` know that nobody waits for it any more."""
        self._stop.value = number

    def resident_mib(self) -> float:
        """Resident memory now, MiB; 0 once the process has gone."""
        try:
            return float(self._system_process.memory_info().rss / MIB)
        except psutil.Error:
            return 0.0

    def kill(self, reason: str) -> None:
        """End it at once, whatever it does; ``end`` must follow."""
        if not self.exited.done():
            self._killed_because = self._killed_because or reason
            self._process.kill()

    async def end(self, grace: float) -> None:
        """Close the line, at which an idle process leaves, and wait; after ``grace`` seconds it is killed.

        May be called more than once.
        """
        self._line.close()
        await asyncio.wait({self.exited}, timeout=grace)
        if not self.exited.done():
            self.kill("it did not leave")
            await asyncio.wait({self.exited}, timeout=KILL_WAIT)
        for _ in range(100):  # its files close a moment before its exit status can be had
            if self._reaped():
                return
            await asyncio.sleep(0.01)

    @property
    def epitaph(self) -> str:
        """How it ended, for the log; known once ``end`` has returned."""
        if self._killed_because:
            return f"killed: {self._killed_because}"
        if self._exit_status is None:
            return "still ending"
        return f"signal {-self._exit_status}" if self._exit_status < 0 else f"exit status {self._exit_status}"

    def _reaped(self) -> bool:
        if self._exit_status is None and (status := self._process.exitcode) is not None:
            self._exit_status = status
            self._on_exit()
            atexit.unregister(self._process.kill)
            self._process.close()
        return self._exit_status is not None

    def _on_exit(self) -> None:
        if not self.exited.done():
            self._loop.remove_reader(self._sentinel)
            self.exited.set_result(None)

    async def _receive(self, begun: bool) -> tuple[Kind, int, bytearray]:
        header = await self._receive_exactly(worker.ANSWER.size, begun)
        kind, number, size = worker.ANSWER.unpack(header)
        if kind not in set(Kind) or size > MAX_ANSWER:
            raise ProcessLostError("a frame that makes no sense", begun=True)
        return Kind(kind), number, await self._receive_exactly(size, begun)

    async def _receive_exactly(self, size: int, begun: bool) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            try:
                count = await self._loop.sock_recv_into(self._line, rest)
            except OSError as error:
                raise ProcessLostError(f"line broke: {error!r}", begun=begun) from error
            if not count:
                raise ProcessLostError("line closed", begun=begun)
            rest = rest[count:]
        return data


def _error_in(payload: bytearray) -> ZiyanError:
    error = _record_in(payload)
    if not isinstance(error, ZiyanError):
        raise ProcessLostError(f"a {type(error).__name__} as an error", begun=True)
    return error


def _page_in(payload: bytearray) -> Page:
    page = _record_in(payload)
    if not isinstance(page, Page):
        raise ProcessLostError(f"a {type(page).__name__} as a page", begun=True)
    return page


def _record_in(payload: bytearray) -> object:
    try:
        return worker.unpack(payload)
    except Exception as error:  # bytes that are no pickle raise nearly anything
        raise ProcessLostError(f"an answer that cannot be unpacked: {error!r}", begun=True) from error


@contextlib.contextmanager
def _birth(threads: int) -> Iterator[None]:
    """Around a spawn: what the child must have from its first instruction on, and inherits.

    Native libraries read their thread counts when they are loaded, which may be before any line of ours runs there;
    and Ctrl-C during its start must not print a traceback, so the gateway's signals stay blocked until it ignores them.
    """
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    resource_tracker.ensure_running()  # it would unblock the signals again if the spawn had to start it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, worker.GATEWAY_SIGNALS)
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
