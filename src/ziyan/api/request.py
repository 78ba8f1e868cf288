"""One request, read no further than somebody asks: an AppCode is judged before the body has come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, TypeVar
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from ziyan.api.address import Network, caller_address
from ziyan.api.body import Body
from ziyan.api.calls import Call
from ziyan.api.form import FORM_TYPE, Form, is_json_object, parse_body, parse_form, parse_pairs
from ziyan.api.rates import address_block
from ziyan.api.signature import SignedRequest, signed_headers

T = TypeVar("T")

#: From here on hashing would hold up other calls.  A form with a picture of 1 MiB is smaller: to hash that takes 1 to
#: 2 ms, and to hand it to a thread and back costs a third of it.
_LARGE_BYTES: Final = 2 << 20


class Request:
    """What one caller sends.  Belongs to that call alone.

    Attributes:
        headers: As received.
        address: The caller's IP address.
        call: What is learned of it, for the log.
    """

    def __init__(self, scope: Scope, body: Body, call: Call, proxies: Sequence[Network] = ()) -> None:
        """Look at who calls, believing ``proxies``; query string and body are left as they are."""
        self._scope = scope
        self._body = body
        self._content: bytes | None = None
        self._form: Form | None = None
        self.headers = Headers(scope=scope)
        self.address = caller_address(scope, proxies)
        self.call = call

    @cached_property
    def query(self) -> dict[str, bytes]:
        """Decoded parameters of the query string.

        Raises:
            GatewayRefusedError: Too many pairs or broken escapes.
        """
        return parse_pairs(self._scope["query_string"])

    @property
    def origin(self) -> str:
        """Host of the page that a browser says sent this; empty where it says nothing of use."""
        for name in ("origin", "referer"):
            try:
                host = urlsplit(self.headers.get(name, "")).hostname
            except ValueError:
                continue
            if host:
                return host
        return ""

    @property
    def path(self) -> bytes:
        """As it was sent."""
        path: bytes = self._scope["raw_path"]
        return path

    async def content(self) -> bytes:
        """The body.

        Raises:
            GatewayRefusedError: Too large, or it does not come to its end.
            ClientGoneError: The caller hung up.
        """
        if self._content is None:
            self._content = await self._body.read(self.headers, address_block(self.address))
            self.call.body_bytes = len(self._content)
        return self._content

    async def form(self) -> Form:
        """The body's parameters.

        Raises:
            GatewayRefusedError: As ``content``; or the body is not what it claims or appears to be.
            ClientGoneError: The caller hung up.
        """
        if self._form is None:
            self._form = parse_body(self.headers.get("content-type", ""), await self.content())
        return self._form

    def let_go(self) -> None:
        """Keep the body no longer, for what is of use has been taken out of it."""
        self._content, self._form = b"", None

    async def over_content(self, work: Callable[[], T]) -> T:
        """Do ``work``, which goes over all that was sent, in a thread where that would hold up other calls."""
        large = len(await self.content()) > _LARGE_BYTES
        return await asyncio.to_thread(work) if large else work()

    async def signed(self) -> SignedRequest:
        """What of it a gateway client signs.

        Raises:
            GatewayRefusedError: As ``content``; or a form with too many pairs or broken escapes.
            ClientGoneError: The caller hung up.
        """
        return SignedRequest(
            method=self._scope["method"].encode(),
            path=self._scope["raw_path"],
            headers=signed_headers(self._scope["headers"]),
            parameters=self.query | await self._signed_form(),
        )

    async def _signed_form(self) -> dict[str, bytes]:
        """Parameters of a body that says it is a form, even where we would read it as JSON."""
        content = await self.content()
        if FORM_TYPE not in self.headers.get("content-type", "").lower():
            return {}
        if is_json_object(content):
            return parse_form(content)
        return dict((await self.form()).fields)
