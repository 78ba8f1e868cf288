"""The pages over HTTP, as a browser without scripts, a crawler or an attacker meets them."""

from __future__ import annotations

import gzip
import http.client
import json
import re
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from tests.api.conftest import Service, service, service_with, shared_service
from tests.api.wire import fingerprint
from tests.desk import set_app_disabled
from ziyan import errors
from ziyan.api import openapi
from ziyan.api.problem_json import _CODES
from ziyan.api.problems import PROBLEMS, problem_of
from ziyan.api.refusals import Check, SignInCheck
from ziyan.errors import EngineBusyError
from ziyan.metering.credentials import TRIAL, ensure_trial_app
from ziyan.ocr.types import Line, Page
from ziyan.web import plain_words
from ziyan.web.docs import PAGES, path_of
from ziyan.web.rendering import CONTENT_POLICY
from ziyan.web.static_files import FOLDER

__all__ = ["service", "service_with", "shared_service"]

DOCS = [path_of(name) for name, *_ in PAGES]
EVERY_PAGE = ["/", *DOCS, "/docs/search?q=sign", "/docs/nothing"]
MAX_WEIGHT = 150_000


def get(
    service: Service, path: str, *, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[http.client.HTTPResponse, str]:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    reply = connection.getresponse()
    content = reply.read()
    connection.close()
    if reply.getheader("content-encoding") == "gzip":
        content = gzip.decompress(content)
    return reply, content.decode("utf-8", "replace")


class Markup(HTMLParser):
    """Every element of a page with its attributes, and the text of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


# --- what every page keeps to ---------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", EVERY_PAGE)
def test_a_page_holds_nothing_inline_and_nothing_of_another_host(service: Service, path: str, language: str) -> None:
    reply, html = get(service, f"{path}{'&' if '?' in path else '?'}lang={language}")
    assert reply.getheader("content-security-policy") == CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY
    assert "*" not in CONTENT_POLICY
    for tag, attributes in Markup(html).elements:
        assert not any(name == "style" or name.startswith("on") for name in attributes), (tag, attributes)
        if tag == "script":
            assert attributes.get("src") or attributes.get("type") == "application/json"
        for name in ("src", "href", "action", "srcset", "poster"):
            target = attributes.get(name) or ""
            assert target.startswith(("/", "#")) or not target, (tag, target)
            assert not target.startswith("//")
        assert tag not in {"style", "iframe", "object", "embed", "base", "em", "i"}


def test_static_files_name_no_other_host_and_use_no_markup_from_strings() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text("utf-8")
        hosts = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", text))
        assert hosts <= {"http://www.w3.org", "//www.w3.org"}, path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text), (
            path
        )


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", EVERY_PAGE)
def test_every_link_inside_leads_somewhere(service: Service, path: str, language: str) -> None:
    _, html = get(service, f"{path}{'&' if '?' in path else '?'}lang={language}")
    for tag, attributes in Markup(html).elements:
        target = unescape(attributes.get("href") or "")
        if tag != "a" or not target or (target.startswith("#") and target[1:] in ("main",)):
            continue
        page, _, anchor = target.partition("#")
        reply, there = get(service, page or path)
        if page.partition("?")[0] == "/console":  # nobody is signed in
            assert (reply.status, reply.getheader("Location", "").partition("?")[0]) == (303, "/signin"), target
            continue
        assert reply.status == 200 or "?lang=" in page or path == "/docs/nothing", target
        if anchor:
            assert f'id="{anchor}"' in there, target


@pytest.mark.parametrize("cookie", ["ziyan_session", "__Host-ziyan_session"])
@pytest.mark.parametrize("path", ["/", "/docs", "/docs/search"])
def test_whoever_is_signed_in_is_led_back_to_the_console(service: Service, path: str, cookie: str) -> None:
    sign_in, console = '<a class="tool" href="/signin">登录</a>', '<a class="tool" href="/signin">控制台</a>'
    assert sign_in in get(service, path)[1]
    reply, html = get(service, path, cookie=f"{cookie}=some-session")
    assert console in html
    assert sign_in not in html
    assert "Cookie" in reply.getheader("Vary", "")


def test_the_try_page_is_light(service: Service) -> None:
    """Everything that a first visit loads but the sample picture, which only a click does."""
    _, html = get(service, "/")
    wanted, seen, weight = {"/"}, set(), 0
    wanted |= {
        attributes.get("src") or attributes["href"] or ""
        for tag, attributes in Markup(html).elements
        if tag in {"script", "link"} and ("src" in attributes or "href" in attributes)
    }
    while fresh := wanted - seen:
        for path in fresh:
            seen.add(path)
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
            connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
            reply = connection.getresponse()
            content = reply.read()
            assert reply.status == 200, path
            weight += len(content)
            if reply.getheader("content-encoding") == "gzip":
                content = gzip.decompress(content)
            if path.endswith(".js"):
                folder = path.rpartition("/")[0]
                wanted |= {
                    f"{folder}/{name}"
                    for name in re.findall(rb"from '\./([\w.]+)'", content)
                    for name in [name.decode()]
                }
            connection.close()
    assert len(seen) > 10
    assert weight < MAX_WEIGHT


def test_static_files_are_kept_for_ever_under_an_address_of_their_content(service: Service) -> None:
    _, html = get(service, "/")
    path = re.search(r'href="(/static/[0-9a-f]+/ziyan\.css)"', html)[1]
    reply, css = get(service, path, accept_encoding="br, gzip;q=0.5")
    assert (reply.status, reply.getheader("cache-control")) == (200, "public, max-age=31536000, immutable")
    assert reply.getheader("content-encoding") == "gzip"
    plain, same = get(service, path, accept_encoding="gzip;q=0")
    assert plain.getheader("content-encoding") is None
    assert same == css == (FOLDER / "ziyan.css").read_text("utf-8")
    other, _ = get(service, re.sub(r"[0-9a-f]{12}", "0" * 12, path))
    assert (other.status, other.getheader("cache-control")) == (200, "no-cache")
    sample, _ = get(service, path.replace("ziyan.css", "sample.png"))
    assert (sample.getheader("content-type"), sample.getheader("content-encoding")) == ("image/png", None)
    for wrong in ("nothing.css", "..%2fpages.py", "%2e%2e"):
        assert get(service, path.replace("ziyan.css", wrong))[0].status == 404


def test_a_page_that_did_not_change_is_not_sent_again(service: Service) -> None:
    reply, html = get(service, "/docs/ocr", host="ziyan.example", accept_encoding="gzip")
    assert "参数与返回" in html
    assert reply.getheader("cache-control") == "private, no-cache"
    tag = reply.getheader("etag")
    again, nothing = get(service, "/docs/ocr", host="ziyan.example", if_none_match=tag)
    assert (again.status, nothing) == (304, "")
    assert get(service, "/docs/ocr?lang=en", host="ziyan.example", if_none_match=tag)[0].status == 200


def test_other_methods(service: Service) -> None:
    head, nothing = get(service, "/", method="HEAD")
    assert (head.status, nothing) == (200, "")
    assert get(service, "/", method="DELETE")[0].status == 405
    assert get(service, "/docs", method="HEAD")[0].status == 200


# --- language -------------------------------------------------------------------------------------------------


def test_chinese_comes_first_and_a_choice_is_remembered(service: Service) -> None:
    reply, html = get(service, "/", accept_language="en")
    assert '<html lang="zh-CN">' in html
    assert "图片进，文字出" in html
    assert reply.getheader("set-cookie") is None
    reply, html = get(service, "/?lang=en")
    assert '<html lang="en">' in html
    cookie = reply.getheader("set-cookie")
    assert cookie.startswith("ziyan_lang=en; ")
    assert "SameSite=Lax" in cookie
    remembered = cookie.partition(";")[0]
    assert "Picture in, text out" in get(service, "/", cookie=remembered)[1]
    assert "图片进，文字出" in get(service, "/?lang=zh", cookie=remembered)[1]
    assert "图片进，文字出" in get(service, "/?lang=xx", cookie="ziyan_lang=<b>")[1]


def test_links_keep_the_language_also_without_cookies(service: Service) -> None:
    _, html = get(service, "/docs/errors?lang=en")
    inside = {
        attributes["href"]
        for tag, attributes in Markup(html).elements
        if tag == "a" and (attributes.get("href") or "").startswith("/") and attributes.get("hreflang") is None
    }
    assert inside
    assert {target for target in inside if target and "lang=en" not in target} <= {"/openapi.json"}
    switch = next(
        attributes["href"] for _, attributes in Markup(html).elements if attributes.get("hreflang") == "zh-CN"
    )
    assert switch == "/docs/errors?lang=zh"


# --- the trial AppCode ----------------------------------------------------------------------------------------


def trial_of(service: Service, **headers: str) -> str:
    reply, html = get(service, "/", **headers)
    found = re.search(r'<body data-trial="(\w*)"', html)[1]
    assert reply.getheader("cache-control") == ("no-store" if found else "private, no-cache")
    return found


def test_the_trial_appcode_is_for_browsers_on_this_machine(service: Service) -> None:
    expected = ensure_trial_app(service.store).appcode
    here = f"127.0.0.1:{service.port}"
    assert trial_of(service, host=here) == trial_of(service, host="localhost") == expected
    assert trial_of(service, host="[::1]:80") == expected
    for outside in ("ziyan.example", "192.168.1.9:8000", "", "localhost.example", "[fe80::1"):
        assert trial_of(service, host=outside) == ""
    for header in ("x_forwarded_for", "x_forwarded_proto", "forwarded", "via", "x_real_ip", "cf_connecting_ip"):
        assert trial_of(service, host=here, **{header: "203.0.113.9"}) == ""
    _, docs = get(service, "/docs", host=here)
    assert expected in docs
    assert expected not in get(service, "/docs/search?q=AppCode", host=here)[1]


def test_the_trial_appcode_is_not_for_a_proxy_that_adds_no_header(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, expected = f"127.0.0.1:{service.port}", ensure_trial_app(service.store).appcode
    assert trial_of(service, host=here) == expected
    monkeypatch.setattr(
        http.client.HTTPConnection, "_http_vsn_str", "HTTP/1.0"
    )  # as nginx speaks to what it stands before
    assert trial_of(service, host=here) == ""


def test_a_setting_hands_it_to_everybody_or_nobody(service_with: Callable[..., Service]) -> None:
    always, never = service_with(trial_public="always"), service_with(trial_public="never")
    expected = ensure_trial_app(always.store).appcode
    assert trial_of(always, host="ziyan.example") == expected
    ensure_trial_app(never.store)
    assert trial_of(never) == ""


def test_a_trial_app_that_is_disabled_or_missing_or_out_of_reach_is_not_offered(
    service_with: Callable[..., Service],
) -> None:
    own = service_with()
    assert trial_of(own) == ""
    ensure_trial_app(own.store)
    assert trial_of(own) != ""
    set_app_disabled(own.store, TRIAL, disabled=True)
    assert trial_of(own) == ""
    set_app_disabled(own.store, TRIAL, disabled=False)
    own.lose_database()
    assert trial_of(own) == ""


# --- without scripts ------------------------------------------------------------------------------------------


def post_form(service: Service, fields: dict[str, str], picture: bytes = b"", name: str = "a.png") -> tuple[int, str]:
    """What a browser sends for the form."""
    lines = b""
    for field, value in fields.items():
        lines += f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
    lines += (
        f'--x\r\nContent-Disposition: form-data; name="img"; filename="{name}"\r\n\r\n'.encode() + picture + b"\r\n"
    )
    reply, html = get(
        service, "/", method="POST", body=lines + b"--x--\r\n", content_type="multipart/form-data; boundary=x",
        accept_encoding="gzip",
    )  # fmt: skip
    assert reply.getheader("content-encoding") is None
    assert reply.getheader("cache-control") == "no-store"
    return reply.status, html


PICTURE = b"\x89PNG and whatever the engine that answers at once makes of it"


def own_form(service: Service, **fields: str) -> dict[str, str]:
    return {"appcode": service.caller.appcode, "url": "", "ver": "0", **fields}


def test_the_form_reads_a_picture_without_scripts(service: Service) -> None:
    status, html = post_form(service, own_form(service), PICTURE)
    assert status == 200
    assert fingerprint(PICTURE) in html
    assert f'value="{service.caller.appcode}"' in html
    lines = tuple(Line(text, 0.9, polygon=None, detection_score=0.9) for text in ("一", "二"))  # type: ignore[arg-type]
    service.engine.outcome = Page(lines, "一二", 1, 1)
    assert '<pre class="plain">一\n二\n</pre>' in post_form(service, own_form(service, ver="1"), PICTURE)[1]
    service.engine.outcome = Page((), "", 1, 1)
    assert "图里没有找到文字" in post_form(service, own_form(service), PICTURE)[1]


@pytest.mark.parametrize(
    ("fields", "picture", "key"),
    [
        ({}, b"", Check.NEITHER),
        ({"url": "https://example.com/a.png"}, PICTURE, Check.BOTH),
        ({"url": "http://127.0.0.1/a.png"}, b"", Check.URL_DOWNLOAD),
        ({"ver": "7"}, PICTURE, Check.VER),
        ({}, b"\0no picture", Check.IMG),
        ({"appcode": "0" * 32}, PICTURE, "A400AC"),
        ({"appcode": ""}, PICTURE, "I400MH"),
        ({"appcode": "两个"}, PICTURE, "A400AC"),
    ],
)  # fmt: skip
def test_a_refusal_of_the_form_is_explained(service: Service, fields: dict[str, str], picture: bytes, key: str) -> None:
    status, html = post_form(service, own_form(service, **fields), picture)
    assert status == 422
    plain = plain_words.explanation(key)
    assert f"{plain.what[0]}</h2>" in html
    assert plain.todo[0] in html


def test_a_busy_service_and_a_body_too_large_are_explained(service: Service) -> None:
    service.engine.outcome = EngineBusyError("full")
    assert plain_words.GATEWAY["X503BZ"].what[0] in post_form(service, own_form(service), PICTURE)[1]
    service.engine.outcome = None
    assert plain_words.GATEWAY["I413RL"].what[0] in post_form(service, own_form(service), bytes(9 << 20))[1]
    reply, html = get(service, "/", method="POST", body=b"--x", content_type="multipart/form-data; boundary=x")
    assert reply.status == 422
    assert plain_words.GATEWAY["I400BD"].what[0] in html


def test_hostile_text_stays_text_without_scripts(service: Service) -> None:
    evil = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"
    service.engine.outcome = Page((), evil, 1, 1)
    _, html = post_form(service, own_form(service), PICTURE)
    assert html.count("<script") == get(service, "/")[1].count("<script")
    assert "&lt;script&gt;alert(1)" in html
    for path in (f"/docs/search?q={quote(evil)}", f"/docs/{quote(evil, safe='')}", f"/?lang={quote(evil)}"):
        _, html = get(service, path, host="127.0.0.1")
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    _, html = post_form(service, own_form(service, appcode='"><script>alert(1)</script>'), PICTURE)
    assert "<script>alert" not in html


def test_a_host_that_is_none_gets_into_no_sample(service: Service) -> None:
    _, html = get(service, "/docs", host="$(reboot);evil")
    assert "reboot" not in html
    assert "http://127.0.0.1:8000/ocr" in re.sub(r"<[^>]+>", "", html)


# --- the documentation ----------------------------------------------------------------------------------------


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def test_every_refusal_has_an_explanation_and_none_is_invented() -> None:
    assert set(plain_words.rows()) == {row.code for row in openapi.gateway_rows()}
    assert set(plain_words.rows()) <= set(plain_words.GATEWAY)
    assert {*Check, *SignInCheck} <= set(plain_words.MESSAGES)
    assert set(plain_words.NATIVE) == {row.code for row in PROBLEMS}
    contract = (FOLDER.parents[3] / "docs/contract.md").read_text("utf-8")
    for key in [*plain_words.GATEWAY, *plain_words.MESSAGES]:
        assert key.replace("{appid}", "XXXXXXX") in contract
    for plain in [*plain_words.MESSAGES.values(), *plain_words.GATEWAY.values()]:
        assert all(re.search("[\u4e00-\u9fff]", text[0]) for text in (plain.what, plain.todo))
        assert not any(re.search("[\u4e00-\u9fff]", text[1]) for text in (plain.what, plain.todo))
    assert plain_words.explanation("appid:abc接口已停用") == plain_words.MESSAGES[SignInCheck.APPID_DISABLED]
    assert plain_words.explanation("nonsense") is None


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_errors_page_shows_every_row_of_the_code(service: Service, language: str) -> None:
    text = text_of(get(service, f"/docs/errors?lang={language}")[1])
    for check in [*Check, *SignInCheck]:
        assert check.format(appid="XXXXXXX") in text
    for row in openapi.gateway_rows():
        assert row.code in text
        assert " ".join(row.message.split()) in text
    _, html = get(service, f"/docs/errors?lang={language}")
    for problem in PROBLEMS:
        assert f'id="{problem.type.partition("#")[2]}"' in html


def test_the_parameters_page_has_every_parameter_and_limit(service: Service) -> None:
    schema = openapi.document()["paths"]["/ocr"]["post"]["requestBody"]["content"]
    assert set(plain_words.PARAMETERS) == set(schema["application/x-www-form-urlencoded"]["schema"]["properties"])
    text = text_of(get(service, "/docs/ocr")[1])
    assert "1,048,576" in text
    assert "ver=1，行块" in text


def test_the_shapes_are_told_as_the_service_is_set(service_with: Callable[..., Service]) -> None:
    own = service_with(ver_semantics="labels", support_contact="help@example.com <Li>")
    assert "ver=0，行块" in text_of(get(own, "/docs/ocr")[1])
    for path in ("/", "/docs", "/docs/privacy?lang=en", "/docs/errors"):
        assert "help@example.com &lt;Li&gt;" in get(own, path)[1]


@pytest.mark.parametrize(
    ("query", "language", "first"),
    [
        ("签名 计算器", "zh", "/docs/signing#calculator"),
        ("calculator", "en", "/docs/signing?lang=en#calculator"),
        ("s403nu", "en", "/docs/errors?lang=en#gateway"),
        ("PHP", "zh", "/docs/samples#sample-php"),
    ],
)
def test_the_search_finds(service: Service, query: str, language: str, first: str) -> None:
    _, html = get(service, f"/docs/search?q={quote(query)}&lang={language}")
    links = [unescape(a["href"] or "") for tag, a in Markup(html).elements if tag == "a"]
    assert first in links
    _, found = get(service, f"/docs/search.json?q={quote(query)}&lang={language}")
    assert json.loads(found)[0]["path"] == first


def test_a_search_for_nothing_or_for_what_there_is_not(service: Service) -> None:
    assert json.loads(get(service, "/docs/search.json?q=")[1]) == []
    assert json.loads(get(service, "/docs/search.json?q=qwertyuiop")[1]) == []
    assert "没有找到" in get(service, "/docs/search?q=qwertyuiop")[1]
    assert get(service, "/docs/nothing")[0].status == 404


def test_the_api_reference_has_every_operation_and_field(service: Service) -> None:
    text = text_of(get(service, "/docs/api?lang=en")[1])
    for path, item in openapi.document()["paths"].items():
        for method, operation in item.items():
            assert f"{method.upper()} {path}" in text
            assert set(operation["responses"]) <= set(text.split())


#: Told on the command line alone, or as what they are a kind of.
NEVER_ANSWERED = {errors.SettingsError, errors.InputError, errors.ServiceError}


def all_errors(kind: type[errors.ZiyanError] = errors.ZiyanError) -> set[type[errors.ZiyanError]]:
    return {kind}.union(*map(all_errors, kind.__subclasses__()))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_problem_leads_to_its_place_on_the_page(service: Service, language: str) -> None:
    _, html = get(service, f"/docs/errors?lang={language}")
    places = re.findall(r'\bid="([^"]+)"', html)
    raised = {each for each in all_errors() if each.__module__ == errors.__name__} - NEVER_ANSWERED
    codes = {problem_of(each("x")).code for each in raised if each not in plain_words.MANAGEMENT}
    codes |= {each.code for each in plain_words.MANAGEMENT} | {row.code for row in PROBLEMS}
    assert codes <= set(places)
    assert len(places) == len(set(places))


def test_what_only_management_answers_is_explained() -> None:
    known = {row.code for row in PROBLEMS} | {each.code for each in plain_words.MANAGEMENT}
    asked = {errors.NotFoundError, errors.StoreError, errors.ConflictError, errors.SignInError, errors.ScopeError}
    asked |= {errors.TooManyTriesError, errors.InvalidRequestError, errors.ZiyanError}
    assert {each.code for each in asked} | {"body_too_large", "malformed_request", *_CODES.values()} <= known
