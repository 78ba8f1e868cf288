"""A buyer's inbox, where its notices are sent, and how they fare.  Changes of targets are in the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from ziyan.errors import ConflictError, NotFoundError
from ziyan.metering import notices
from ziyan.metering.desk import Desk
from ziyan.metering.notices import Target
from ziyan.metering.store import notices as table
from ziyan.metering.store.notices import Delivery
from ziyan.metering.times import now_ms
from ziyan.metering.views import DeliveryView, TargetView


def mark_read(desk: Desk, account_id: str, notice_ids: Sequence[str] | None) -> int:
    """Note that some of an account's notices, or all of them, were read; how many had not been."""
    chosen = None if notice_ids is None else list(notice_ids)
    return table.mark_read(desk.connection, desk.account(account_id).id, chosen, now_ms())


def list_targets(desk: Desk, account_id: str) -> list[Target]:
    """Where an account's notices are sent, oldest first; secret, so show views of them."""
    return notices.list_targets_in(desk.connection, desk.store, desk.account(account_id).id)


def add_target(
    desk: Desk,
    account_id: str,
    kind: Literal["mail", "webhook", "robot"],
    url: str,
    *,
    name: str = "",
    secret: str = "",
    app_id: str | None = None,
) -> Target:
    """Have an account's notices sent somewhere from now on.

    Raises:
        NotFoundError: There is no such account, or it has no such app.
        InvalidRequestError: The address is none of its kind.
        ConflictError: There are too many.
    """
    desk.account(account_id)
    target = notices.add_target_in(desk.connection, desk.store, account_id, kind, url, name, secret, app_id)
    desk.note("target.add", target.id, None, TargetView.of(target))
    return target


def remove_target(desk: Desk, account_id: str, target_id: str) -> Target:
    """Send nothing there any more, nor what waits.

    Raises:
        NotFoundError: The account has no such target.
    """
    before = next((each for each in list_targets(desk, account_id) if each.id == target_id), None)
    if before is None or before.disabled:
        raise NotFoundError(f"There is no target {target_id}")
    notices.remove_target_in(desk.connection, account_id, target_id)
    after = replace(before, disabled=True)
    desk.note("target.remove", target_id, TargetView.of(before), TargetView.of(after))
    return after


def retry_delivery(desk: Desk, delivery_id: str) -> Delivery:
    """Send a notice again that was given up on its way to a target: at once, and then as often as a new one.

    Raises:
        NotFoundError: There is no such delivery here.
        ConflictError: It was not given up, or its target was removed.
    """
    before = table.delivery_by_id(desk.connection, delivery_id)
    if before is None or not desk.sees(before.account_id):
        raise NotFoundError(f"There is no delivery {delivery_id}")
    now = now_ms()
    if not table.send_again(desk.connection, delivery_id, now):
        raise ConflictError("Only what was given up is sent again, and only where its target was not removed")
    after = replace(before, state="waiting", attempts=0, next_at=now)
    desk.note("delivery.retry", delivery_id, DeliveryView.of(before), DeliveryView.of(after))
    return after
