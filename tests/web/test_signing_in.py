"""Coming in, over HTTP, as people and attackers do."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import pytest

from tests.api.conftest import Service, service, service_with
from tests.desk import operator
from tests.people import Client, Page, buyer_login, fresh, operator_login
from ziyan.api.rates import Rate
from ziyan.metering import logins
from ziyan.metering.logins import Login
from ziyan.web import signing_in
from ziyan.web.rendering import CONTENT_POLICY

__all__ = ["service", "service_with"]

NAMES = iter(f"buyer{number}@example.com" for number in range(1000))
CHOSEN = "a long and quiet password"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tests come from one address; what limits that does is tried by one of them."""
    admit = Rate.wait
    monkeypatch.setattr(
        Rate, "wait", lambda self, caller, rate=None: 0 if caller == "127.0.0.1" else admit(self, caller, rate)
    )


@pytest.fixture(scope="module")
def shared_service(both_services: Service) -> Service:
    return both_services


@pytest.fixture
def login(service: Service) -> Login:
    return buyer_login(service.store, next(NAMES))


@pytest.fixture
def client(service: Service) -> Client:
    return Client(service.port)


def came_in(page: Page) -> bool:
    return page.status == 303 and page.headers["location"].startswith(("/console", "/admin"))


def test_a_buyer_comes_in_and_goes(client: Client, login: Login) -> None:
    assert client.ask("/console").headers["location"] == "/signin?next=/console"
    page = client.sign_in(login.name.upper(), fresh().text)
    assert came_in(page)
    first = client.ask("/console")
    assert login.name in first.text
    assert (first.headers["cache-control"], first.headers["content-security-policy"]) == ("no-store", CONTENT_POLICY)
    assert client.ask("/signin").headers["location"] == "/console"
    kept = dict(client.cookies)
    assert client.send("/console", "/signout").headers["location"] == "/signin"
    assert "ziyan_session" not in client.cookies
    client.cookies = kept
    assert client.ask("/console").status == 303


def test_the_cookie_is_for_this_service_alone(client: Client, login: Login) -> None:
    lines = client.sign_in(login.name, fresh().text).headers.get_all("set-cookie")
    line = next(each for each in lines if each.startswith("ziyan_session="))
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=86400"} <= set(line.split("; "))
    assert "Secure" not in line


def test_behind_a_proxy_with_tls_the_cookie_travels_over_tls_alone(service_with: Callable[..., Service]) -> None:
    service = service_with(trusted_proxies="127.0.0.1")
    login, client = buyer_login(service.store, "li"), Client(service.port)
    tls = {"x_forwarded_proto": "https"}
    csrf = client.ask("/signin", **tls).csrf
    page = client.ask("/signin", {"csrf": csrf, "name": login.name, "password": fresh().text}, **tls)
    line = next(each for each in page.headers.get_all("set-cookie") if each.startswith("__Host-ziyan_session="))
    assert "Secure" in line
    assert client.ask("/console", **tls).status == 200
    assert client.ask("/console").status == 303


def test_a_session_cannot_be_planted(client: Client, login: Login) -> None:
    client.cookies = {"ziyan_session": "planted", "ziyan_visitor": "planted"}
    assert came_in(client.sign_in(login.name, fresh().text))
    assert client.cookies["ziyan_session"] != "planted"
    first = client.cookies["ziyan_session"]
    other = Client(client.port, {"ziyan_session": "planted"})
    assert other.ask("/console").status == 303
    client.cookies = {"ziyan_session": first[:-1] + ("A" if first[-1] != "A" else "B")}
    assert client.ask("/console").status == 303


def test_every_sign_in_begins_a_new_session(client: Client, login: Login) -> None:
    client.sign_in(login.name, fresh().text)
    before = client.cookies.pop("ziyan_session")
    client.sign_in(login.name, fresh().text)
    assert client.cookies["ziyan_session"] != before


@pytest.mark.parametrize("wanted", ["/console/usage", "/console"])
def test_one_goes_on_to_the_page_that_was_asked_for(client: Client, login: Login, wanted: str) -> None:
    assert client.sign_in(login.name, fresh().text, wanted).headers["location"] == wanted


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/console//evil", "/admin", "/consoles", "/console/\\evil", "/console?x",
     "/console/\r\nSet-Cookie:x=y", "/console/<b>", ""],
)  # fmt: skip
def test_one_goes_on_to_no_other_place(client: Client, login: Login, wanted: str) -> None:
    assert client.sign_in(login.name, fresh().text, wanted).headers["location"] == "/console"


def test_a_form_needs_its_token(service: Service, client: Client, login: Login) -> None:
    stranger = Client(service.port)
    foreign = stranger.ask("/signin").csrf
    for csrf in ("", "guess", foreign):
        page = client.ask("/signin", {"csrf": csrf, "name": login.name, "password": fresh().text})
        assert page.status == 403
    client.sign_in(login.name, fresh().text)
    stranger.sign_in(buyer_login(service.store, next(NAMES)).name, fresh().text)
    for csrf in ("", "guess", stranger.ask("/console").csrf):
        assert client.ask("/signout", {"csrf": csrf}).status == 403
    own = client.ask("/console").csrf
    for headers in ({"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"origin": "https://evil.example"},
                    {"origin": "null"}, {"origin": "http://["}):  # fmt: skip
        assert client.ask("/signout", {"csrf": own}, **headers).status == 403
    assert client.ask("/console").status == 200
    # Behind a proxy, the service may go by another name than the browser knows.
    right = {"sec_fetch_site": "same-origin", "origin": "https://ocr.example"}
    assert client.ask("/signout", {"csrf": own}, **right).status == 303


def test_nothing_tells_names_that_exist(service: Service, client: Client, login: Login) -> None:
    operator(service.store).do(lambda desk: logins.set_login_disabled(desk, login.id, disabled=True))
    there = buyer_login(service.store, next(NAMES)).name
    answers = set()
    for name, password in ((there, "wrong"), (login.name, fresh().text), ("nobody", fresh().text)):
        page = client.sign_in(name, password)
        answers.add((page.status, re.sub(r'value="[^"]*"', "", page.text)))
    assert len(answers) == 1
    assert answers.pop()[0] == 422


@pytest.fixture
def guarded(service_with: Callable[..., Service], monkeypatch: pytest.MonkeyPatch) -> Service:
    """A service of its own that counts tries, behind a proxy that says where each comes from; no time passes."""
    monkeypatch.undo()
    monkeypatch.setattr(signing_in, "Rate", partial(Rate, clock=lambda: 0.0))
    monkeypatch.setattr(signing_in, "NAME_TRIES_AT_ONCE", 20)  # each is the work of a password
    return service_with(trusted_proxies="127.0.0.1")


def guess(client: Client, name: str, password: str, address: str) -> Page:
    csrf = client.ask("/signin").csrf
    return client.ask("/signin", {"csrf": csrf, "name": name, "password": password}, x_forwarded_for=address)


def test_guessing_is_slow_also_for_the_right_password(guarded: Service) -> None:
    login, client = buyer_login(guarded.store, "li"), Client(guarded.port)
    for name in ("li", "nobody"):
        for _ in range(signing_in.PLACE_TRIES_AT_ONCE - 1):
            assert client.sign_in(name, "wrong").status == 422
    assert client.sign_in(login.name, "wrong").status == 422
    page = client.sign_in(login.name, fresh().text)
    assert (page.status, page.headers["retry-after"]) == (429, str(signing_in.NAME_SECONDS))
    assert client.sign_in("nobody", "wrong").status == 422
    other = client.sign_in("nobody", "wrong")
    assert (other.status, other.headers["retry-after"]) == (429, page.headers["retry-after"])
    # By now the address has made as many tries as it may.
    assert client.sign_in("somebody", "wrong").headers["retry-after"] == str(signing_in.ADDRESS_SECONDS)


def test_guesses_from_elsewhere_do_not_keep_the_owner_out(guarded: Service) -> None:
    login, owner = buyer_login(guarded.store, "li"), Client(guarded.port)
    assert came_in(guess(owner, login.name, fresh().text, "192.0.2.1"))
    stranger = Client(guarded.port)
    while guess(stranger, login.name, "wrong", "198.51.100.1").status == 422:
        pass
    # One address has used up its own tries alone: others, also unknown ones, are let in.
    newcomer = Client(guarded.port)
    assert came_in(guess(newcomer, login.name, fresh().text, "203.0.113.1"))
    # Many addresses together use up those of the name, for everybody but browsers that it was signed in with.
    made = 0
    while guess(stranger, login.name, "wrong", f"198.51.100.{2 + made // 5}").status == 422:
        made += 1
    assert made == signing_in.NAME_TRIES_AT_ONCE - signing_in.PLACE_TRIES_AT_ONCE - 2
    assert guess(Client(guarded.port), login.name, fresh().text, "192.0.2.1").status == 429
    for browser, address in ((owner, "192.0.2.1"), (newcomer, "192.0.2.200")):
        browser.cookies.pop("ziyan_session")
        assert came_in(guess(browser, login.name, fresh().text, address))


def test_a_browser_is_known_under_the_name_it_was_signed_in_with_alone(guarded: Service) -> None:
    login, owner = buyer_login(guarded.store, "li"), Client(guarded.port)
    mine = buyer_login(guarded.store, "mallory")
    assert came_in(guess(owner, mine.name, fresh().text, "192.0.2.1"))
    known = owner.cookies["ziyan_known"]
    owner.cookies.pop("ziyan_session")
    mark, _, proof = known.partition(".")
    for made in range(signing_in.NAME_TRIES_AT_ONCE):
        owner.cookies["ziyan_known"] = (known, f"{mark}x.{proof}", "", ".", "x" * 99)[made % 5]
        assert guess(owner, login.name, "wrong", f"192.0.2.{10 + made // 5}").status == 422
    for planted in (known, f".{proof}", f"{mark}.", "."):
        owner.cookies["ziyan_known"] = planted
        assert guess(owner, login.name, fresh().text, "192.0.2.99").status == 429


def test_a_known_browser_guesses_no_faster(guarded: Service) -> None:
    login, owner = buyer_login(guarded.store, "li"), Client(guarded.port)
    assert came_in(guess(owner, login.name, fresh().text, "192.0.2.1"))
    owner.cookies.pop("ziyan_session")
    for made in range(signing_in.PLACE_TRIES_AT_ONCE):
        assert guess(owner, login.name, "wrong", f"192.0.2.{10 + made}").status == 422
    assert guess(owner, login.name, fresh().text, "192.0.2.99").status == 429


def test_a_stolen_session_guesses_no_password_and_guesses_at_the_door_hide_no_keys(guarded: Service) -> None:
    login, owner = buyer_login(guarded.store, "li"), Client(guarded.port)
    stranger = Client(guarded.port)
    assert came_in(guess(owner, login.name, fresh().text, "192.0.2.1"))
    while guess(stranger, login.name, "wrong", "192.0.2.2").status == 422:
        pass
    change = {"new": CHOSEN, "again": CHOSEN}
    for _ in range(signing_in.PLACE_TRIES_AT_ONCE):
        assert "密码不对" in owner.send("/password", "/password", password="wrong", **change).plain
    assert "次数太多" in owner.send("/password", "/password", password=fresh().text, **change).plain


def test_signing_in_ends_the_session_that_the_browser_held(service: Service, client: Client, login: Login) -> None:
    client.sign_in(login.name, fresh().text)
    held = client.cookies["ziyan_session"]
    elsewhere, other = Client(client.port), buyer_login(service.store, next(NAMES))
    elsewhere.sign_in(login.name, fresh().text)
    thief = Client(client.port, {"ziyan_session": held})
    assert thief.ask("/console").status == 200
    # Somebody else signs in with this browser, from a page that was open before.
    visitor = Client(client.port)
    csrf = visitor.ask("/signin").csrf
    visitor.cookies["ziyan_session"] = held
    assert came_in(visitor.ask("/signin", {"csrf": csrf, "name": other.name, "password": "wrong"})) is False
    assert thief.ask("/console").status == 200
    assert came_in(visitor.ask("/signin", {"csrf": csrf, "name": other.name, "password": fresh().text}))
    assert thief.ask("/console").status == 303
    assert visitor.ask("/console").status == 200
    assert elsewhere.ask("/console").status == 200


def test_space_around_a_name_makes_no_further_tries(guarded: Service) -> None:
    login, client = buyer_login(guarded.store, "li"), Client(guarded.port)
    for number in range(signing_in.PLACE_TRIES_AT_ONCE):
        padding = "\t" * number + " " * (300 - number)
        assert client.sign_in(f"{padding[:number]}{login.name}{padding}x", "wrong").status == 422
    assert client.sign_in(login.name, fresh().text).status == 429


def test_a_password_is_changed_by_whoever_knows_it(client: Client, login: Login) -> None:
    client.sign_in(login.name, fresh().text)
    elsewhere = Client(client.port)
    elsewhere.sign_in(login.name, fresh().text)
    for old, new, again, said in (
        ("wrong", CHOSEN, CHOSEN, "密码不对"),
        (fresh().text, CHOSEN, CHOSEN + "x", "不一样"),
        (fresh().text, "short", "short", "10 到 200"),
        (
            fresh().text,
            login.name.partition("@")[0] + "!!!!!",
            login.name.partition("@")[0] + "!!!!!",
            "不能和登录名一样",
        ),
    ):
        page = client.send("/password", "/password", password=old, new=new, again=again)
        assert (page.status, said in page.plain) == (422, True)
    assert client.send("/password", "/password", password=fresh().text, new=CHOSEN, again=CHOSEN).status == 303
    assert "密码已修改" in client.ask("/console").plain
    assert "密码已修改" not in client.ask("/console").plain
    assert elsewhere.ask("/console").status == 303
    fresh_start = Client(client.port)
    assert fresh_start.sign_in(login.name, fresh().text).status == 422
    assert came_in(fresh_start.sign_in(login.name, CHOSEN))


def test_what_was_said_cannot_be_planted(client: Client, login: Login) -> None:
    client.sign_in(login.name, fresh().text)
    for planted in ("", "bm90IHNlYWxlZA==", "%%%", "x" * 500):
        client.cookies["ziyan_said"] = planted
        page = client.ask("/console")
        assert (page.status, 'class="done"' in page.text) == (200, False)


def test_roles_see_their_own_pages(service: Service, client: Client, login: Login) -> None:
    client.sign_in(operator_login(service.store, next(NAMES)).name, fresh().text)
    assert client.ask("/console").status == 404
    assert "不是你的页面" in client.ask("/console/keys").plain


def test_methods_and_bodies_that_make_no_sense(client: Client, login: Login) -> None:
    assert client.ask("/signin", method="PUT").status == 405
    assert client.ask("/signin", {"name": "x" * 10_000}).status == 413
    client.sign_in(login.name, fresh().text)
    assert client.ask("/console", method="DELETE").headers["allow"] == "GET, HEAD"
    assert client.ask("/console/keys", {"csrf": "x"}).status == 405
    assert client.ask("/signout").headers["allow"] == "POST"
    assert client.ask("/console/orders", {"x": "y" * 70_000}).status == 413
    assert client.ask("/console", method="HEAD").status == 200


def test_a_nul_reaches_no_database(client: Client, login: Login) -> None:
    page = client.sign_in("a\0b", "x")
    assert (page.status, "\0" in page.text, "a\ufffdb" in page.text) == (422, False, True)
    client.sign_in(login.name, fresh().text)
    page = client.ask("/console/orders?q=a%00b")
    assert (page.status, 'value="a\ufffdb"' in page.text) == (200, True)
    page = client.send("/console/invoices", "/console/invoices", title="a\0b", amount="x")
    assert (page.status, 'value="a\ufffdb"' in page.text) == (422, True)
    assert client.ask("/console/orders/%00").status == 404


def test_a_database_that_is_away_is_said(service_with: Callable[..., Service]) -> None:
    service = service_with()
    login, client = buyer_login(service.store, "li"), Client(service.port)
    csrf = client.ask("/signin").csrf
    client.sign_in(login.name, fresh().text)
    service.lose_database()
    for page in (client.ask("/console"), client.ask("/signin")):
        assert (page.status, "数据库" in page.plain) == (503, True)
    stranger = Client(client.port, {name: value for name, value in client.cookies.items() if "visitor" in name})
    assert csrf
    page = stranger.sign_in(login.name, fresh().text)
    assert page.status == 503
