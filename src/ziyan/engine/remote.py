"""The Engine port through a running service: its native API reads (``docs/native.md``)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import Any, Final

import httpx
import numpy as np

from ziyan.engine.base import EngineStatus
from ziyan.errors import (
    EngineBusyError,
    EngineClosedError,
    EngineError,
    EngineTimeoutError,
    ImageError,
    ImageTooLargeError,
    ReaderCrashedError,
    ServiceError,
    StoreError,
    UndecodableImageError,
    UnsupportedImageError,
    ZiyanError,
)
from ziyan.ocr.text import join_lines
from ziyan.ocr.types import Character, Line, Page, Polygon, ReadOptions, Word

#: What the service can say that means the same here.
_KINDS: Final[dict[str, type[ZiyanError]]] = {
    kind.code: kind
    for kind in (
        *(UnsupportedImageError, ImageTooLargeError, UndecodableImageError, ImageError, StoreError),
        *(EngineBusyError, EngineClosedError, EngineTimeoutError, ReaderCrashedError, EngineError),
    )
}
_AGAIN: Final = frozenset({429, 503})
_TRIES: Final = 5
_MOST_SECONDS: Final = 30


class RemoteEngine:
    """Reads pictures through a service somewhere.  Implements ``ziyan.engine.base.Engine``."""

    def __init__(self, server: str, appcode: str, *, deadline: float, wait: float = 1.0) -> None:
        """Connect to nothing yet.

        Args:
            server: Address of the service.
            appcode: What it signs in with.
            deadline: Seconds to wait for an answer.
            wait: Seconds before a busy service is asked again, where it does not say.
        """
        self._url = server.rstrip("/") + "/v1/ocr"
        self._headers = {"Authorization": f"APPCODE {appcode}", "Content-Type": "application/octet-stream"}
        self._deadline = deadline
        self._wait = wait
        self._http = httpx.AsyncClient(timeout=httpx.Timeout(deadline, connect=min(deadline, 10.0)))

    async def start(self) -> None:
        """Nothing is loaded here."""

    async def read(self, image_bytes: bytes, options: ReadOptions, *, deadline: float | None = None) -> Page:
        """Read one picture; see ``Engine.read``.  A busy service is asked again for a while.

        Raises:
            ServiceError: It refuses, cannot be reached, or is none.
        """
        headers = {**self._headers, "Idempotency-Key": str(uuid.uuid4())}
        try:
            async with asyncio.timeout(self._deadline if deadline is None else deadline):
                response = await self._ask(image_bytes, _parameters(options), headers)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout):
            raise EngineTimeoutError("The service did not answer in time.") from None
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise ServiceError(f"The service at {self._url} cannot be reached: {error}", internal=repr(error)) from None
        try:
            if response.status_code == httpx.codes.OK:
                return _page(response.json())
            raise _error(response.json())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            told = f"What answers at {self._url} with status {response.status_code} is not Ziyan."
            raise ServiceError(told, internal=repr(error)) from None

    async def _ask(self, content: bytes, parameters: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
        tries = 1
        while True:
            response = await self._http.post(self._url, params=parameters, content=content, headers=headers)
            if response.status_code not in _AGAIN or tries == _TRIES:
                return response
            told = response.headers.get("Retry-After", "")
            await asyncio.sleep(min(_MOST_SECONDS, int(told[:9])) if told.isdecimal() else self._wait)
            tries += 1

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def status(self) -> EngineStatus:
        """Nothing of the service is known here."""
        return EngineStatus(ready=True, workers=0, busy=0, queued=0, queue_limit=0, restarts=0)


def _parameters(options: ReadOptions) -> dict[str, str]:
    chosen = {
        "orientation": "auto" if options.page_orientation else "none",
        "detail": options.detail,
        "order": options.order,
        "min_score": str(options.min_score),
    }
    return chosen | ({"model": options.model} if options.model else {})


def _error(content: Mapping[str, Any]) -> ZiyanError:
    code, told = content["code"], str(content["detail"])
    return _KINDS[code](told) if code in _KINDS else ServiceError(told, internal=str(code))


def _page(content: Mapping[str, Any]) -> Page:
    lines = tuple(_line(line, number) for number, block in enumerate(content["blocks"]) for line in block["lines"])
    return Page(
        lines=lines,
        text=join_lines(line.text for line in lines),
        width=content["width"],
        height=content["height"],
        orientation=content["orientation"],
        skew=content["angle"],
        model=content["model"],
        timings=dict(content["timings"]),
    )


def _line(content: Mapping[str, Any], block: int) -> Line:
    return Line(
        text=content["text"],
        score=content["score"],
        polygon=_polygon(content),
        detection_score=content["detection_score"],
        orientation=content["orientation"],
        vertical=content["vertical"],
        block=block,
        words=tuple(_word(word) for word in content.get("words", ())),
    )


def _word(content: Mapping[str, Any]) -> Word:
    characters = tuple(Character(one["text"], one["score"], _polygon(one)) for one in content.get("characters", ()))
    return Word(content["text"], content["score"], _polygon(content), characters)


def _polygon(content: Mapping[str, Any]) -> Polygon:
    return np.array(content["polygon"], np.float32).reshape(-1, 2)
