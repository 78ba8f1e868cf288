"""Browsers without scripts: cookies are kept, forms are sent as their pages have them."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urlencode

from tests.desk import operator
from ziyan.metering import apps, logins, passwords
from ziyan.metering.logins import Login, Role
from ziyan.metering.passwords import Fresh
from ziyan.metering.store import Store


@dataclass
class Page:
    """An answer."""

    status: int
    headers: http.client.HTTPMessage
    text: str
    path: str

    @property
    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="(\w*)"', self.text)
        return found[1] if found else ""

    @property
    def plain(self) -> str:
        """What a reader sees."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.text)).split())


@dataclass
class Client:
    """Somebody with a browser, at a service on a port of this machine."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, form: dict[str, str] | None = None, *, method: str | None = None, **headers: str) -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method or ("GET" if form is None else "POST"), path, body, sent)
        reply = connection.getresponse()
        text = reply.read().decode("utf-8", "replace")
        connection.close()
        for line in reply.msg.get_all("set-cookie", []):
            name, _, rest = line.partition("=")
            if name == "ziyan_lang":  # each page is asked for in a language of its own
                continue
            value = rest.partition(";")[0].strip('"')
            if value and "Max-Age=0" not in rest:
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return Page(reply.status, reply.msg, text, path)

    def follow(self, path: str, form: dict[str, str] | None = None) -> Page:
        page = self.ask(path, form)
        while page.status == 303:
            page = self.ask(page.headers["location"])
        return page

    def send(self, page: str, action: str, **fields: str) -> Page:
        """Open a page, and send a form of it."""
        return self.ask(action, {"csrf": self.follow(page).csrf, **fields})

    def sign_in(self, name: str, password: str, wanted: str = "") -> Page:
        csrf = self.ask("/signin").csrf
        return self.ask("/signin", {"csrf": csrf, "name": name, "password": password, "next": wanted})


#: Made once: it takes a while.
_FRESH: list[Fresh] = []


def fresh() -> Fresh:
    if not _FRESH:
        _FRESH.append(passwords.fresh())
    return _FRESH[0]


def buyer_login(store: Store, name: str, account_id: str | None = None) -> Login:
    """A buyer's login, of a new account where none is named."""
    if account_id is None:
        account_id = operator(store).do(lambda desk: apps.create_account(desk, name)).id
    return operator(store).do(lambda desk: logins.create_login(desk, name, Role.BUYER, fresh(), account_id))


def operator_login(store: Store, name: str) -> Login:
    return operator(store).do(lambda desk: logins.create_login(desk, name, Role.OPERATOR, fresh()))
