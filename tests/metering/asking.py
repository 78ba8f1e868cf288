"""Asks the admin and buyer APIs, inside this process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from tests.api.wire import FakeEngine
from tests.desk import operator
from ziyan.api.app import create_app
from ziyan.metering import tokens
from ziyan.metering.store import Store
from ziyan.metering.tokens import BUYER, OPERATOR
from ziyan.settings import Settings


class Asker:
    """Somebody with a token, or with none."""

    def __init__(self, app: Any, authorization: str = "") -> None:
        self.app = app
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"Authorization": authorization} if authorization else {}
        self._client = httpx.AsyncClient(transport=transport, base_url="http://ziyan.test/v1", headers=headers)

    async def ask(self, method: str, path: str, said: object = None, **query: object) -> httpx.Response:
        parameters = {name: str(value) for name, value in query.items()}
        return await self._client.request(method, path, json=said, params=parameters)

    async def get(self, path: str, **query: object) -> Any:
        return _good(await self.ask("GET", path, **query))

    async def post(self, path: str, said: object = None, *, status: int = 201) -> Any:
        return _good(await self.ask("POST", path, said), status)

    async def refused(self, method: str, path: str, said: object = None, **query: object) -> tuple[int, str]:
        """Status and code of a refusal."""
        answer = await self.ask(method, path, said, **query)
        return problem_of(answer)

    def other(self, authorization: str) -> Asker:
        return Asker(self.app, authorization)


def _good(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    said = answer.json()
    assert said["status"] == answer.status_code
    assert said["request_id"] == answer.headers["x-request-id"]
    assert said["type"] == f"/docs/errors#{said['code']}"
    assert said["title"]
    assert said["detail"].endswith(".")
    return answer.status_code, said["code"]


def application(settings: Settings, store: Store) -> Any:
    return create_app(settings.model_copy(update={"rate_address": 0}), FakeEngine(), store)


def operator_token(store: Store, scopes: Iterable[str] = OPERATOR, **more: Any) -> str:
    return f"Bearer {operator(store).do(lambda desk: tokens.issue(desk, 'shop', scopes, **more)).secret}"


def buyer_token(store: Store, account_id: str, scopes: Iterable[str] = BUYER) -> str:
    return operator_token(store, scopes, account_id=account_id)
