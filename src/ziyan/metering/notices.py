"""Notices: calls are getting few or have run out, packages are about to expire.

Each is told once for each purchase: its subject names the app's newest package, so that a renewal arms it again.  A
notice lies in the account's inbox and is on its way to the account's targets from the same transaction on; ``outbox``
brings it there.

Percents are of the calls that the app had when its newest package was made.  A billed call takes one call, so the
commit that reaches a threshold is the one that leaves exactly as many calls as that is: all others write nothing.
What no commit can see (expiry, refunds, two packages used at one moment) ``look`` finds, once a minute.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Literal
from uuid import uuid4

from sqlalchemy import Connection

from ziyan.errors import ConflictError, InvalidRequestError, NotFoundError
from ziyan.metering.channels import Address, checked_address
from ziyan.metering.store import Store, apps
from ziyan.metering.store import notices as table
from ziyan.metering.store import statements as accounts
from ziyan.metering.store.notices import Notice, SealedTarget, Stock
from ziyan.metering.times import DAY_MS, now_ms

__all__ = [
    "CALLS_GONE",
    "CALLS_LOW",
    "EXPIRING",
    "TEST",
    "Notice",
    "Target",
    "add_target",
    "after_commit",
    "due",
    "inbox",
    "list_targets",
    "look",
    "mark_read",
    "remove_target",
    "send_test",
    "set_thresholds",
]

CALLS_LOW: Final = "calls_low"
CALLS_GONE: Final = "calls_gone"
EXPIRING: Final = "expiring"
TEST: Final = "test"

#: Packages that expired longer ago are not looked at: after an upgrade nobody is told of what they know.
_LOOK_BACK_MS: Final = 7 * DAY_MS
_MAX_THRESHOLDS: Final = 10
_MOST_DAYS: Final = 366
_MAX_TARGETS: Final = 20
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True)
class Target:
    """Where an account's notices are sent.

    Attributes:
        id: Identifier.
        app_id: About this app alone; None for every app of the account.
        kind: ``mail``, ``webhook`` or ``robot``.
        name: For people.
        address: A mail address, or the address of a webhook or robot; secret.
        created_at: When it was added.
        disabled: Nothing is sent there any more.
    """

    id: str
    app_id: str | None
    kind: str
    name: str
    address: Address
    created_at: int
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class _State:
    """How an app stands."""

    stock: Sequence[Stock]
    newest: Stock
    left: int

    @property
    def percents(self) -> list[int]:
        return _numbers(self.newest.percents)

    def mark(self, percent: int) -> int:
        """As many calls as a percentage is."""
        return self.newest.base * percent // 100


# --- thresholds -----------------------------------------------------------------------------------------------


def after_commit(connection: Connection, app_id: str, now: int) -> None:
    """Tell if the call that was just taken was the one that reaches a threshold; called in its transaction."""
    stock = [each for each in table.stock_of(connection, app_id, now) if each.valid_from <= now]
    if not stock:
        return
    state = _state(stock, stock)
    if any(state.left == state.mark(percent) for percent in state.percents):
        for notice in _of_calls(state, now):
            table.add(connection, notice)


def due(connection: Connection, now: int) -> list[Notice]:
    """What no commit has told: expiry to come, and calls that went by expiry or a refund.  Only reads."""
    found = list(_due(connection, now))
    known = table.told(connection, (notice.once for notice in found))
    return [notice for notice in found if notice.once not in known]


def look(connection: Connection, now: int) -> int:
    """Tell what is ``due``; how much was new."""
    return sum(table.add(connection, notice) for notice in due(connection, now))


def set_thresholds(store: Store, app_id: str, *, percents: Iterable[int], days: Iterable[int]) -> None:
    """Say when an app's owner is told: percents of calls left, and days before calls expire; none: never.

    Raises:
        NotFoundError: There is no such app.
        ConflictError: A percentage is not 0 to 100, or days are not 1 to 366, or there are more than 10 of them.
    """
    store.transact(lambda connection: set_thresholds_in(connection, app_id, percents, days), write=True)


def set_thresholds_in(connection: Connection, app_id: str, percents: Iterable[int], days: Iterable[int]) -> None:
    """As ``set_thresholds``, inside a transaction that has begun."""
    shares, before = sorted(set(percents), reverse=True), sorted(set(days), reverse=True)
    if not all(0 <= share <= 100 for share in shares) or not all(1 <= day <= _MOST_DAYS for day in before):
        raise ConflictError(f"Thresholds are 0 to 100 percent and 1 to {_MOST_DAYS} days")
    if max(len(shares), len(before)) > _MAX_THRESHOLDS:
        raise ConflictError(f"At most {_MAX_THRESHOLDS} thresholds can be set")
    if not table.set_thresholds(connection, app_id, ",".join(map(str, shares)), ",".join(map(str, before))):
        raise NotFoundError(f"There is no app {app_id}")


def _due(connection: Connection, now: int) -> Iterator[Notice]:
    for _, group in groupby(table.all_stock(connection, now - _LOOK_BACK_MS), key=lambda each: each.app_id):
        stock = list(group)
        usable = [each for each in stock if each.valid_from <= now < each.valid_to]
        yield from _of_calls(_state(usable or stock, usable), now)
        yield from (notice for each in usable for notice in _of_expiry(each, now))


def _state(stock: Sequence[Stock], usable: Sequence[Stock]) -> _State:
    newest = max(stock, key=lambda each: (each.created_at, each.base, each.package_id))
    return _State(stock, newest, sum(each.left for each in usable))


def _of_calls(state: _State, now: int) -> Iterator[Notice]:
    """Of the thresholds that are reached, the lowest: who has 3 % left need not hear of 20 %."""
    reached = [percent for percent in state.percents if state.left <= state.mark(percent)]
    if reached:
        kind = CALLS_LOW if state.left else CALLS_GONE
        details = {"percent": min(reached), "left": state.left, "of": state.newest.base}
        yield _notice(state.newest, f"calls:{min(reached)}:{state.newest.package_id}", kind, details, now)


def _of_expiry(each: Stock, now: int) -> Iterator[Notice]:
    reached = [days for days in _numbers(each.days) if now >= each.valid_to - days * DAY_MS]
    if reached and each.left > 0:
        details = {"days": min(reached), "left": each.left, "expires_at": each.valid_to, "package_id": each.package_id}
        yield _notice(each, f"expiry:{min(reached)}:{each.package_id}", EXPIRING, details, now)


def _notice(about: Stock, once: str, kind: str, details: Mapping[str, object], now: int) -> Notice:
    whole = json.dumps({"app_name": about.app_name, **details}, ensure_ascii=False)
    return Notice(uuid4().hex, about.account_id, about.app_id, once, kind, whole, now)


def _numbers(listed: str) -> list[int]:
    return [int(number) for number in listed.split(",") if number]


# --- the inbox ------------------------------------------------------------------------------------------------


def inbox(store: Store, account_id: str, *, unread: bool = False, limit: int = 100) -> list[Notice]:
    """An account's notices, newest first."""
    return store.transact(lambda connection: table.inbox(connection, account_id, unread=unread, limit=limit))


def mark_read(store: Store, account_id: str, notice_ids: Sequence[str] | None = None) -> int:
    """Note that some of an account's notices, or all of them, were read; how many had not been."""
    chosen = None if notice_ids is None else list(notice_ids)
    return store.transact(lambda connection: table.mark_read(connection, account_id, chosen, now_ms()), write=True)


# --- targets --------------------------------------------------------------------------------------------------


def add_target(
    store: Store,
    account_id: str,
    kind: Literal["mail", "webhook", "robot"],
    url: str,
    *,
    name: str = "",
    secret: str = "",
    app_id: str | None = None,
) -> Target:
    """Have an account's notices sent somewhere from now on.

    Args:
        store: The database; address and secret are encrypted in it.
        account_id: Whose notices.
        kind: ``mail``, ``webhook`` or ``robot``.
        url: A mail address; the address of a webhook; or that of a robot, as DingTalk, WeCom or Feishu show it.
        name: For people.
        secret: What a robot of DingTalk signs with.  A webhook's is made here: ``whsec_…``, in the result.
        app_id: Notices about this app alone.

    Raises:
        NotFoundError: There is no such account, or it has no such app.
        InvalidRequestError: The address is none of its kind, or the name none.
        ConflictError: The account has 20 targets.
    """
    return store.transact(
        lambda connection: add_target_in(connection, store, account_id, kind, url, name, secret, app_id), write=True
    )


def add_target_in(
    connection: Connection,
    store: Store,
    account_id: str,
    kind: str,
    url: str,
    name: str,
    secret: str,
    app_id: str | None,
) -> Target:
    """As ``add_target``, inside a transaction that has begun."""
    address, name = checked_address(kind, url, secret), name.strip() or kind
    if not _NAME.fullmatch(name):
        raise InvalidRequestError("A name has 1 to 200 printable characters")
    if accounts.account_name(connection, account_id) is None:
        raise NotFoundError(f"There is no account {account_id}")
    app = apps.app_by_id(connection, app_id) if app_id is not None else None
    if app_id is not None and (app is None or app.account_id != account_id):
        raise NotFoundError(f"Account {account_id} has no app {app_id}")
    if sum(target.disabled_at is None for target in table.targets_of(connection, account_id)) >= _MAX_TARGETS:
        raise ConflictError(f"An account has at most {_MAX_TARGETS} targets")
    target_id, now = uuid4().hex, now_ms()
    sealed = store.keyring.seal(address.to_json(), target_id)
    table.add_target(connection, SealedTarget(target_id, account_id, app_id, kind, name, sealed, now))
    return Target(target_id, app_id, kind, name, address, now)


def list_targets(store: Store, account_id: str) -> list[Target]:
    """Where an account's notices are sent, oldest first; secret.

    Raises:
        SettingsError: Addresses were encrypted with another key.
    """
    return store.transact(lambda connection: list_targets_in(connection, store, account_id))


def list_targets_in(connection: Connection, store: Store, account_id: str) -> list[Target]:
    """As ``list_targets``, inside a transaction that has begun."""
    sealed = table.targets_of(connection, account_id)
    return [
        Target(
            each.id,
            each.app_id,
            each.kind,
            each.name,
            Address.from_json(store.keyring.unseal(each.sealed, each.id)),
            each.created_at,
            each.disabled_at is not None,
        )
        for each in sealed
    ]


def remove_target(store: Store, account_id: str, target_id: str) -> None:
    """Send nothing there any more, nor what waits.

    Raises:
        NotFoundError: The account has no such target.
    """
    store.transact(lambda connection: remove_target_in(connection, account_id, target_id), write=True)


def remove_target_in(connection: Connection, account_id: str, target_id: str) -> None:
    """As ``remove_target``, inside a transaction that has begun."""
    if not table.disable_target(connection, account_id, target_id, now_ms()):
        raise NotFoundError(f"Account {account_id} has no target {target_id}")


def send_test(store: Store, account_id: str, target_id: str) -> None:
    """Put a notice into the outbox that says nothing but that notices arrive.

    Raises:
        NotFoundError: The account has no such target.
    """
    store.transact(lambda connection: send_test_in(connection, account_id, target_id), write=True)


def send_test_in(connection: Connection, account_id: str, target_id: str) -> None:
    """As ``send_test``, inside a transaction that has begun."""
    mine = [each for each in table.targets_of(connection, account_id) if each.id == target_id]
    if not mine or mine[0].disabled_at is not None:
        raise NotFoundError(f"Account {account_id} has no target {target_id}")
    notice_id = uuid4().hex
    details = json.dumps({"target": mine[0].name}, ensure_ascii=False)
    notice = Notice(notice_id, account_id, mine[0].app_id, f"test:{notice_id}", TEST, details, now_ms())
    table.add(connection, notice, target_id=target_id)
