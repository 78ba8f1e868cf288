"""Packages against a simple model: any order of buying, holding, settling, lapsing, expiring and refunding."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from tests.metering.calls import change, event, free, reserve, settle
from ziyan.errors import QuotaError, SubscriptionExpiredError
from ziyan.metering import ledger, orders, packages
from ziyan.metering.catalogue import Item, put_item
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import Package
from ziyan.metering.store import Store
from ziyan.metering.times import DAY_MS, now_ms
from ziyan.metering.usage import Event
from ziyan.settings import Settings

T = TypeVar("T")


@dataclass
class Model:
    """One package as anybody would imagine it."""

    package: Package
    order: str
    left: int
    expires: int
    consumed: int = 0
    closed: bool = False
    held: set[str] = field(default_factory=set)

    @property
    def usable(self) -> bool:
        return not self.closed and self.expires > 0


class Machine(RuleBasedStateMachine):
    """Holds one database of its own; ``where`` says which kind."""

    where: Settings

    @initialize()
    def begin(self) -> None:
        self.folder = TemporaryDirectory()
        changes = {} if self.where.database_url else {"data_dir": Path(self.folder.name)}
        self.store = Store.open(self.where.model_copy(update=changes))
        self.app_id = register_app(self.store, "app").app.id
        self.models: list[Model] = []
        self.under_way: dict[str, Model] = {}
        self.lapsed: dict[str, Model] = {}
        self.billed: list[tuple[Event, Model]] = []
        self.numbers = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            packages.sweep(self.store)  # or the next example on the same server would find what this one left
            self.store.close()
            self.folder.cleanup()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run(work)

    def queue(self) -> list[Model]:
        found = [model for model in self.models if model.usable and model.left > 0]
        return sorted(found, key=lambda model: (model.expires, model.package.created_at, model.package.id))

    @rule(calls=strategies.integers(1, 3), days=strategies.integers(1, 3))
    def buy(self, calls: int, days: int) -> None:
        put_item(self.store, Item("item", "item", calls, 1, 100))
        order = orders.place_order(self.store, self.app_id, "item")
        for _ in range(2):
            orders.mark_paid(self.store, order.id)
        known = {model.package.id for model in self.models}
        (package,) = [each for each in packages.list_packages(self.store, self.app_id) if each.id not in known]
        expires = now_ms() + days * DAY_MS
        change(self.store, package, valid_to=expires)
        self.models.append(Model(package, order.id, calls, expires))

    @rule()
    def hold(self) -> None:
        self.numbers += 1
        call = f"{self.app_id[:20]}-{self.numbers}"
        first = next(iter(self.queue()), None)
        if first is None and not self.lapsed_in_use():
            known = [model for model in self.models if not model.closed]
            expected = SubscriptionExpiredError if known and not any(m.usable for m in known) else QuotaError
            with pytest.raises(QuotaError) as refused:
                self.wait(reserve(self.store, self.app_id, call))
            assert type(refused.value) is expected
            self.sweep_models()
            return
        if first is None:
            self.sweep_models()
            first = self.queue()[0]
        assert self.wait(reserve(self.store, self.app_id, call)) == first.package.id
        first.left -= 1
        first.held.add(call)
        self.under_way[call] = first

    def lapsed_in_use(self) -> bool:
        return any(model.usable for model in self.lapsed.values())

    def sweep_models(self) -> None:
        for call, model in self.lapsed.items():
            model.held.discard(call)
            model.left += 1
        self.lapsed.clear()

    @precondition(lambda self: self.under_way)
    @rule(data=strategies.data(), twice=strategies.booleans())
    def bill(self, data: strategies.DataObject, twice: bool) -> None:
        call = data.draw(strategies.sampled_from(sorted(self.under_way)))
        model = self.under_way.pop(call)
        outcome = event(self.app_id, model.package.id, call=call)
        for _ in range(1 + twice):
            self.wait(settle(self.store, outcome))
        model.held.discard(call)
        model.consumed += 1
        self.billed.append((outcome, model))

    @precondition(lambda self: self.under_way)
    @rule(data=strategies.data())
    def let_go(self, data: strategies.DataObject) -> None:
        call = data.draw(strategies.sampled_from(sorted(self.under_way)))
        model = self.under_way.pop(call)
        self.wait(settle(self.store, event(self.app_id, call=call)))
        model.held.discard(call)
        model.left += 1

    @precondition(lambda self: self.billed)
    @rule(data=strategies.data())
    def take_back(self, data: strategies.DataObject) -> None:
        outcome, model = self.billed.pop(data.draw(strategies.integers(0, len(self.billed) - 1)))
        for late in (free(outcome), outcome, free(outcome)):
            self.wait(settle(self.store, late))
        model.consumed -= 1
        model.left += 1

    @precondition(lambda self: self.under_way)
    @rule(data=strategies.data())
    def crash(self, data: strategies.DataObject) -> None:
        call = data.draw(strategies.sampled_from(sorted(self.under_way)))
        statement = text("UPDATE reservations SET expires_at = 1 WHERE id = :call")
        self.store.transact(lambda connection: connection.execute(statement, {"call": call}), write=True)
        self.lapsed[call] = self.under_way.pop(call)

    @rule()
    def sweep(self) -> None:
        assert packages.sweep(self.store) == len(self.lapsed)
        self.sweep_models()

    @precondition(lambda self: any(model.usable for model in self.models))
    @rule(data=strategies.data())
    def expire(self, data: strategies.DataObject) -> None:
        model = data.draw(strategies.sampled_from([model for model in self.models if model.usable]))
        change(self.store, model.package, valid_from=-1, valid_to=0)
        model.expires = 0

    @precondition(lambda self: any(not model.closed for model in self.models))
    @rule(data=strategies.data())
    def refund(self, data: strategies.DataObject) -> None:
        model = data.draw(strategies.sampled_from([model for model in self.models if not model.closed]))
        orders.refund_order(self.store, model.order, fen=50)
        model.closed = True

    @invariant()
    def all_is_counted(self) -> None:
        if not hasattr(self, "store"):
            return
        found = {each.id: each for each in packages.list_packages(self.store, self.app_id)}
        for model in self.models:
            package = found[model.package.id]
            assert (package.left, package.reserved, package.consumed) == (model.left, len(model.held), model.consumed)
        left = sum(model.left for model in self.models if model.usable)
        left += sum(model.usable for model in self.lapsed.values())
        assert self.wait(packages.remaining(self.store, self.app_id)) == left
        assert ledger.check(self.store).differences == ()


def test_packages_do_what_the_model_does(settings_: Settings) -> None:
    machine = type("Machine", (Machine,), {"where": settings_})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def settings_(request: pytest.FixtureRequest) -> Settings:
    """As ``settings``, whose name is Hypothesis' here; on PostgreSQL each example is another app of one database."""
    found: Settings = request.getfixturevalue(f"{request.param}_settings")
    return found
