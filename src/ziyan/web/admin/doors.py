"""What of the operator's pages somebody may see and do: their login has scopes as tokens of the admin API have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from starlette.responses import Response

from ziyan.metering.tokens import Scope
from ziyan.web.rooms import Ask, Handler


def needs(scopes: Sequence[Scope], handler: Handler) -> Handler:
    """A handler for those whose login has every one of some scopes; others are told so."""
    return partial(_admit, tuple(scopes), handler)


def may(ask: Ask, scope: Scope) -> bool:
    """Whether somebody's login has a scope."""
    return ask.guest.login.may(scope)


async def _admit(scopes: tuple[Scope, ...], handler: Handler, ask: Ask) -> Response:
    missing = [scope for scope in scopes if not may(ask, scope)]
    if missing:
        words = (
            ("你的登录没有这项权限", "Your login may not do this"),
            (f"需要权限 {missing[0]}。", f"This needs the scope {missing[0]}."),
        )
        return ask.page("trouble.html", status=403, words=words, back="")
    return await handler(ask)
