"""What a call costs: one call of a package, held before its picture is read, taken for good with the answer.

``Billing.billed`` goes around the reading.  Whatever does not come to a billed answer is ended by ``Billing.end``, once
it is known what the caller is told, and what did not reach the caller by ``Billing.not_taken``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from ziyan.api import replay
from ziyan.api.form import parts_of
from ziyan.api.headers import Answer
from ziyan.api.refusals import SERVICE_BUSY, GatewayRefusedError
from ziyan.errors import AlreadyTakenError, StoreError
from ziyan.metering import answers, packages
from ziyan.metering.answers import KEPT_MS, Slot
from ziyan.metering.once import Ticket
from ziyan.metering.packages import Settlement
from ziyan.metering.store import Store
from ziyan.metering.times import now_ms
from ziyan.metering.usage import Event, Recorder
from ziyan.settings import Settings

if TYPE_CHECKING:
    from ziyan.api.calls import Call
    from ziyan.api.request import Request
    from ziyan.api.signin import Caller

#: So much longer than a call may take, what it holds is kept for it: clocks of several machines differ.
_MARGIN_MS: Final = 60_000
#: Seconds that a database which has just failed a call may take to let go of what that call held.
_AWAY_SECONDS: Final = 1.0
#: Seconds between two looks at a call with the same Idempotency-Key that another process makes.
_LOOK_SECONDS: Final = 0.1
#: Parameters that say who calls and when; a repeated call may sign in anew.
_SIGN_IN_NAMES: Final = frozenset({"appcode", "appid", "sendtime", "sign"})


@dataclass(slots=True)
class Hold:
    """What one call holds until it has ended.

    Attributes:
        package_id: The package that a call of is reserved, or was billed; empty for none.
        uncertain: Whether a call may be reserved although the database failed.
        place: Of its Idempotency-Key, if it is the call that is made for it.
        ticket: What of it may be billed once only.
        claimed_until: Until when that stays taken once it is billed.
    """

    package_id: str = ""
    uncertain: bool = False
    place: Slot | None = None
    ticket: Ticket | None = None
    claimed_until: int = 0


class Billing:
    """Charges calls.  Holds nothing of them but who waits for whom with the same Idempotency-Key.

    Attributes:
        recorder: Writes down the ends of calls that need not be awaited.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        """Charge by what is in ``store``."""
        self._store = store
        self._deadline = settings.deadline
        self.recorder = Recorder(store, usage_days=settings.usage_days)
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def billed(
        self, request: Request, caller: Caller, work: Callable[[], Awaitable[Answer]], *, shape: str = ""
    ) -> Answer:
        """Hold one call while ``work`` makes the answer, and bill it with it.

        A call with an Idempotency-Key that was answered before gets that answer, and costs nothing.

        Args:
            request: The call.
            caller: Who makes it.
            work: Makes the answer that is to be billed; what it raises is free.
            shape: What kind of answer it is, where headers choose between several: with the same Idempotency-Key one
                of another kind is another request.

        Raises:
            QuotaError: No call is left.
            KeyReusedError: The Idempotency-Key was used for another request.
            CheckError: The same own-platform call was billed, or is under way.
            GatewayRefusedError: The call's nonce was used; or a call with the same Idempotency-Key takes too long.
            StoreError: The database is away.
        """
        call = request.call
        place, claim = await self._place(request, caller, shape), caller.claim
        if place is not None and claim is not None and not claim.returns:
            await replay.take(self._store, claim)  # who repeats a call's bytes gets no kept answer either
            claim = None
        async with self._turn(place):
            if place is not None:
                if (kept := await self._kept(place, call.request_id)) is not None:
                    return kept
                call.hold.place = place
            await self._reserve(call, caller.app.id, claim)
            answer = replace(await work(), billed=True)
            with call.timed("commit"):
                call.remaining = await packages.settle(self._store, _settlement(call, answer))
            return answer

    async def _reserve(self, call: Call, app_id: str, claim: replay.Claim | None) -> None:
        hold, lapses = call.hold, self._lapses()
        ticket = replay.ticket(self._store, claim, lapses=lapses) if claim else None
        if claim is not None and claim.returns:
            await self.recorder.flush()  # it may be what a call gives back that ended while the database was away
            hold.ticket, hold.claimed_until = ticket, claim.until
        try:
            with call.timed("reserve"):
                hold.package_id = await packages.reserve(
                    self._store, app_id, call.request_id, until=lapses, ticket=ticket
                )
        except AlreadyTakenError as error:
            hold.ticket = None
            raise (replay.replayed(claim) if claim else error) from None
        except StoreError:
            hold.uncertain = True  # what was begun may still be done
            raise

    async def end(self, call: Call, answer: Answer) -> Answer:
        """Let go of what a call holds that is not billed, note what became of it, and say what is left."""
        if not call.app:
            return answer
        with suppress(StoreError):  # the caller is told of what failed first; what is to be written is written later
            await self._end(call, answer)
        return replace(answer, remaining=call.remaining)

    def not_taken(self, call: Call, answer: Answer) -> None:
        """Take back, soon, whatever a call cost whose caller was gone; ``answer`` stands for that."""
        if call.app:
            self.recorder.note(_settlement(call, answer))

    async def _end(self, call: Call, answer: Answer) -> None:
        if answer.billed:
            return
        settlement, away = _settlement(call, answer), call.cause == StoreError.code
        if settlement.holds:
            try:
                async with asyncio.timeout(_AWAY_SECONDS if away else None):
                    call.remaining = await packages.settle(self._store, settlement)
            except (StoreError, TimeoutError):
                self.recorder.note(settlement)
            return
        self.recorder.note(settlement)
        if not away:
            call.remaining = await packages.remaining(self._store, call.app)

    def _lapses(self) -> int:
        return now_ms() + round(self._deadline * 1000) + _MARGIN_MS

    async def _place(self, request: Request, caller: Caller, shape: str) -> Slot | None:
        key = request.headers.get("idempotency-key", "").strip()
        return answers.slot(self._store, caller.app.id, key, await _fingerprint(request, shape)) if key else None

    @asynccontextmanager
    async def _turn(self, place: Slot | None) -> AsyncIterator[None]:
        """One call at a time of those that this process has with the same Idempotency-Key."""
        if place is None:
            yield
            return
        turn = self._turns.setdefault(place.lookup, asyncio.Lock())
        try:
            async with asyncio.timeout(self._deadline):
                await turn.acquire()
        except TimeoutError:
            raise _busy() from None
        try:
            yield
        finally:
            turn.release()

    async def _kept(self, place: Slot, holder: str) -> Answer | None:
        """The answer that was given; None where this call is to be made.  Waits for one that another process makes."""
        given_up = time.monotonic() + self._deadline
        while True:
            found = await answers.begin(self._store, place, holder, until=self._lapses())
            if found is None:
                return None
            if found:
                return _unpacked(found)
            if time.monotonic() > given_up:
                raise _busy()
            await asyncio.sleep(_LOOK_SECONDS)


def _settlement(call: Call, answer: Answer) -> Settlement:
    """How a call ends that is answered so."""
    hold = call.hold
    event = Event(
        at=call.at,
        id=call.request_id,
        app_id=call.app,
        package_id=hold.package_id if answer.billed else "",
        status=answer.status,
        code=answer.outcome,
        billed=answer.billed,
        ms=round((time.perf_counter() - call.started) * 1000),
        bytes_in=call.body_bytes,
    )
    place = hold.place
    return Settlement(
        event,
        holds=bool(hold.package_id or hold.uncertain or place or hold.ticket),
        key=place.lookup if place else b"",
        sealed=place.seal(_packed(answer)) if place and answer.billed else None,
        keep_until=now_ms() + KEPT_MS,
        ticket=(hold.ticket.lookup, hold.ticket.holder) if hold.ticket else None,
        claimed_until=hold.claimed_until,
    )


async def _fingerprint(request: Request, shape: str) -> bytes:
    """Hash of what a call asks for: its path, the kind of answer, its body, and its query but for what signs in.

    Of a multipart body its parts: a client makes up another boundary each time it sends the same.
    """
    query = sorted(item for item in request.query.items() if item[0].lower() not in _SIGN_IN_NAMES)
    asked = b"\0".join((request.path + shape.encode(), repr(query).encode(), b""))
    content = await request.content()

    def digest() -> bytes:
        whole = hashlib.sha256(asked)
        parts = parts_of(request.headers.get("content-type", ""), content)
        for part in parts:
            whole.update(repr((part.name, part.is_file, len(part.content))).encode() + b"\0")
            whole.update(part.content)
        if not parts:
            whole.update(content)
        return whole.digest()

    return await request.over_content(digest)


def _packed(answer: Answer) -> bytes:
    return json.dumps([answer.status, answer.content_type.decode("ascii")]).encode() + b"\n" + answer.body


def _unpacked(content: bytes) -> Answer:
    head, _, body = content.partition(b"\n")
    status, content_type = json.loads(head)
    return Answer(status, content_type.encode(), body, outcome="replayed")


def _busy() -> GatewayRefusedError:
    return GatewayRefusedError(SERVICE_BUSY, internal="a call with the same Idempotency-Key takes too long")
