"""One tree of errors.  What the service refuses has its stable ``code``; ``docs/errors.md`` lists them."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import httpx


class ZiyanError(Exception):
    """Base of all that this client raises on purpose."""


class ConnectionFailedError(ZiyanError):
    """The service cannot be reached, or hung up."""


class NoAnswerInTimeError(ZiyanError):
    """The service took longer than ``timeout``."""


class ProblemError(ZiyanError):
    """The service did not read the picture, and says why.  ``str(error)`` says what to do next.

    Attributes:
        status: HTTP status.
        code: Stable identifier of the reason.
        title: What is wrong; the same for each code.
        detail: What is wrong with this very call, and what to do next.
        request_id: To be named when asking for help.
        retry_after: Seconds after which the same call may be answered; None where the service does not say.
    """

    def __init__(
        self, status: int, code: str, title: str, detail: str, request_id: str = "", retry_after: float | None = None
    ) -> None:
        """Keep what the service said."""
        super().__init__(detail or title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.retry_after = retry_after


class RequestError(ProblemError):
    """The call makes no sense: no picture, two of them, an unknown option, a model that is not offered."""


class AuthenticationError(ProblemError):
    """The credential is missing or not valid."""


class ForbiddenError(ProblemError):
    """The credential is valid, but the app may not call."""


class PictureError(ProblemError):
    """The picture is too large, damaged, of no kind that is read, or not to be had at its address."""


class RateLimitedError(ProblemError):
    """Too many calls a second."""


class ServiceError(ProblemError):
    """Something is wrong with the service."""


class BusyError(ServiceError):
    """The service has too much to do, or is starting or stopping."""


class ReadingTimeoutError(ServiceError):
    """The service gave the picture up: reading took too long."""


_PICTURE_CODES = frozenset(
    {"image_too_large", "body_too_large", "unsupported_image", "undecodable_image", "bad_image", "fetch_failed"}
)
_BY_STATUS: dict[int, type[ProblemError]] = {
    401: AuthenticationError,
    403: ForbiddenError,
    429: RateLimitedError,
    503: BusyError,
    504: ReadingTimeoutError,
}


def error_of(response: httpx.Response) -> ProblemError:
    """The error that an answer other than a success stands for, also where a proxy wrote it."""
    try:
        content = response.json()
    except ValueError:
        content = None
    told: dict[str, Any] = content if isinstance(content, dict) else {}
    status, code = response.status_code, str(told.get("code", "unknown"))
    kind = PictureError if code in _PICTURE_CODES else _BY_STATUS.get(status)
    if kind is None:
        kind = ServiceError if status >= 500 else RequestError
    title = str(told.get("title") or f"HTTP status {status}")
    request_id = str(told.get("request_id") or response.headers.get("X-Request-Id", ""))
    return kind(status, code, title, str(told.get("detail") or title), request_id, retry_after_of(response))


def retry_after_of(response: httpx.Response) -> float | None:
    """Seconds that ``Retry-After`` asks to wait, given as a number or as a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
