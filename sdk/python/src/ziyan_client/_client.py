"""The clients, one synchronous and one for asyncio."""

from __future__ import annotations

import asyncio
import json
import time
from types import TracebackType
from typing import Any

import httpx

from ziyan_client._errors import ConnectionFailedError, NoAnswerInTimeError, ZiyanError, error_of
from ziyan_client._page import Page, parse_page
from ziyan_client._request import (
    Detail,
    Model,
    Options,
    Order,
    Orientation,
    Picture,
    check_one,
    credential,
    load,
    new_key,
)
from ziyan_client._retries import Retries

_PATH = "/v1/ocr"
_DESCRIPTION = "/openapi.json"
_CONNECT_SECONDS = 10.0
DEFAULT_SERVER = "http://127.0.0.1:8000"


class _Settings:
    """What both clients keep: nothing of any call."""

    def __init__(self, server: str, appcode: str | None, timeout: float, retries: Retries | int) -> None:
        self.url = server.rstrip("/") + _PATH
        self.description_url = server.rstrip("/") + _DESCRIPTION
        self.headers = {
            "Authorization": f"APPCODE {credential(appcode)}",
            "Accept": "application/json",
            "User-Agent": "ziyan-client",
        }
        self.timeout = timeout
        self.retries = Retries(times=retries) if isinstance(retries, int) else retries

    def request(
        self, picture: bytes | None, url: str | None, options: Options, timeout: float | None
    ) -> dict[str, Any]:
        """Arguments of ``httpx``'s ``post`` for one call, whatever the number of its tries."""
        seconds = self.timeout if timeout is None else timeout
        kind = "application/octet-stream" if url is None else "application/json"
        headers = {**self.headers, "Content-Type": kind}
        if self.retries.times:  # for the key's sake the service keeps the answer for a day
            headers["Idempotency-Key"] = new_key()
        return {
            "url": self.url,
            "params": options.parameters(),
            "content": picture if url is None else json.dumps({"url": url}).encode(),
            "headers": headers,
            "timeout": httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
        }


class Client:
    """Reads pictures through a running service.  Safe for many threads; keep one for many calls.

    Example:
        >>> with Client("http://127.0.0.1:8000", appcode="…") as client:
        ...     print(client.read("receipt.jpg").text)
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        appcode: str | None = None,
        *,
        timeout: float = 60.0,
        retries: Retries | int = 3,
        http_client: httpx.Client | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            server: Address of the service.
            appcode: What it signs in with; ``ZIYAN_APPCODE`` if left out.
            timeout: Seconds that one try may wait for the network or for the answer.
            retries: How often a call is tried again, or a ``Retries`` that says more.
            http_client: An ``httpx.Client`` of your own, for a proxy or certificates; it is not closed here.

        Raises:
            ValueError: There is no AppCode.
        """
        self._settings = _Settings(server, appcode, timeout, retries)
        self._owned = http_client is None
        self._http = http_client or httpx.Client()

    def read(
        self,
        picture: Picture | None = None,
        *,
        url: str | None = None,
        model: Model | None = None,
        orientation: Orientation | None = None,
        detail: Detail | None = None,
        min_score: float | None = None,
        order: Order | None = None,
        timeout: float | None = None,
    ) -> Page:
        """Read one picture.

        Args:
            picture: A file's name, its bytes, or the file opened in binary.
            url: Or its address, which the service fetches.
            model: One of ``models()``; the service's own if left out.
            orientation: ``auto`` turns pages that lie on their side, ``none`` does not.
            detail: ``line``, or also each ``word`` or each ``character``.
            min_score: Lines with a lower score (0..1) are left out.
            order: ``reading``, or by ``position``.
            timeout: Seconds for one try of this call.

        Raises:
            ValueError: Not exactly one of ``picture`` and ``url`` is given.
            OSError: The file cannot be read.
            ProblemError: The service did not read it; the class and ``code`` tell why.
            ConnectionFailedError: The service cannot be reached.
            NoAnswerInTimeError: It took too long.
        """
        check_one(picture, url)
        content = None if picture is None else load(picture)
        options = Options(model, orientation, detail, min_score, order)
        request = self._settings.request(content, url, options, timeout)
        tries = 0
        while True:
            try:
                return self._try(request)
            except ZiyanError as error:
                tries += 1
                wait = self._settings.retries.wait_after(error, tries)
                if wait is None:
                    raise
            time.sleep(wait)

    def models(self) -> tuple[str, ...]:
        """What ``model`` may be on this server, its own choice first.

        Raises:
            ConnectionFailedError: The service cannot be reached.
            NoAnswerInTimeError: It took too long.
        """
        try:
            return _models_of(self._http.get(self._settings.description_url, timeout=self._settings.timeout))
        except httpx.TransportError as error:
            raise _failed(error) from error

    def _try(self, request: dict[str, Any]) -> Page:
        try:
            return _page_of(self._http.post(**request))
        except httpx.TransportError as error:
            raise _failed(error) from error

    def close(self) -> None:
        """Close the connections."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Client:
        """Use it for a while."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()


class AsyncClient:
    """``Client`` for asyncio: the same arguments, and many calls at once.

    Example:
        >>> async with AsyncClient(appcode="…") as client:
        ...     pages = await asyncio.gather(*(client.read(name) for name in names))
    """

    def __init__(
        self,
        server: str = DEFAULT_SERVER,
        appcode: str | None = None,
        *,
        timeout: float = 60.0,
        retries: Retries | int = 3,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        """See ``Client``."""
        self._settings = _Settings(server, appcode, timeout, retries)
        self._owned = http_client is None
        self._http = http_client or httpx.AsyncClient()

    async def read(
        self,
        picture: Picture | None = None,
        *,
        url: str | None = None,
        model: Model | None = None,
        orientation: Orientation | None = None,
        detail: Detail | None = None,
        min_score: float | None = None,
        order: Order | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - of each try, as in the synchronous client
    ) -> Page:
        """Read one picture; see ``Client.read``."""
        check_one(picture, url)
        content = None if picture is None else await asyncio.to_thread(load, picture)
        options = Options(model, orientation, detail, min_score, order)
        request = self._settings.request(content, url, options, timeout)
        tries = 0
        while True:
            try:
                return await self._try(request)
            except ZiyanError as error:
                tries += 1
                wait = self._settings.retries.wait_after(error, tries)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    async def models(self) -> tuple[str, ...]:
        """What ``model`` may be on this server; see ``Client.models``."""
        try:
            return _models_of(await self._http.get(self._settings.description_url, timeout=self._settings.timeout))
        except httpx.TransportError as error:
            raise _failed(error) from error

    async def _try(self, request: dict[str, Any]) -> Page:
        try:
            return _page_of(await self._http.post(**request))
        except httpx.TransportError as error:
            raise _failed(error) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        """Use it for a while."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()


def _page_of(response: httpx.Response) -> Page:
    if response.status_code != httpx.codes.OK:
        raise error_of(response)
    try:
        return parse_page(response.json())
    except (ValueError, KeyError, TypeError) as error:
        raise _not_ziyan() from error


def _models_of(response: httpx.Response) -> tuple[str, ...]:
    """The choices of the option ``model`` in the service's description of itself."""
    try:
        options = response.json()["paths"][_PATH]["post"]["parameters"]
        names = next(option["schema"]["enum"] for option in options if option["name"] == "model")
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise _not_ziyan() from error
    return tuple(names)


def _not_ziyan() -> ConnectionFailedError:
    return ConnectionFailedError("what answers at this address is not Ziyan")


def _failed(error: httpx.TransportError) -> ZiyanError:
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return NoAnswerInTimeError("the service did not answer in time")
    return ConnectionFailedError(f"the service cannot be reached: {error}")
