"""Parameters and answers that the admin and buyer APIs share."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, TypeVar

from fastapi import Depends, Query, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from ziyan.errors import InvalidRequestError
from ziyan.metering.store import Store
from ziyan.metering.store.slices import MOST, Asked, Slice, parsed_cursor
from ziyan.metering.times import day_of, now_ms, start_of
from ziyan.metering.views import Listed, View

V = TypeVar("V", bound=View)

_FIRST_DAY: Final = date(2000, 1, 1)
_LAST_DAY: Final = date(2999, 12, 31)
#: How many days one answer may be about.
MOST_DAYS: Final = {"day": 400, "hour": 31}
_DEFAULT_DAYS: Final = 30


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("needs printable characters")
    return text


Identifier = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_.-]{1,32}$")]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_printable)
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_printable)]
#: How a notice fares on its way to a target.
DeliveryState = Literal["waiting", "sent", "failed"]


class Said(BaseModel):
    """The body of a request; what the document does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _asked(
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many items at most")] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the slice before")] = None,
) -> Asked:
    try:
        return Asked(limit, parsed_cursor(cursor) if cursor else None)
    except ValueError:
        raise InvalidRequestError("cursor: take it as it was given as `next`, or leave it out") from None


Paging = Annotated[Asked, Depends(_asked)]


def listed(kind: type[V], found: Slice[Any]) -> Listed[V]:
    """The answer to a list's slice."""
    return Listed(items=[kind.of(each) for each in found.items], next=found.next)


def _days(
    request: Request,
    since: Annotated[
        date | None, Query(ge=_FIRST_DAY, le=_LAST_DAY, description="First day in ZIYAN_TIMEZONE; default: 30 days ago")
    ] = None,
    until: Annotated[
        date | None, Query(ge=_FIRST_DAY, le=_LAST_DAY, description="Last day, included; default: today")
    ] = None,
) -> tuple[date, date]:
    store: Store = request.app.state.store
    last = until or day_of(now_ms(), store.zone)
    first = since or last - timedelta(days=_DEFAULT_DAYS)
    if first > last:
        raise InvalidRequestError("since: must not lie after until")
    return first, last


Days = Annotated[tuple[date, date], Depends(_days)]


def moments(days: tuple[date, date], store: Store, span: str) -> tuple[int, int]:
    """The moment at which the first of some days begins, and that at which the last ends.

    Raises:
        InvalidRequestError: They are too many for one answer.
    """
    first, last = days
    if (last - first).days >= MOST_DAYS[span]:
        raise InvalidRequestError(f"since, until: ask for at most {MOST_DAYS[span]} days at a time")
    return start_of(first, store.zone), start_of(last + timedelta(days=1), store.zone)
