"""Templates → answers: the language of a visit, the headers of every page, compression."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from ziyan import __version__
from ziyan.settings import Settings
from ziyan.web.navigation import NAVIGATION, WITHIN
from ziyan.web.sessions import holds_session
from ziyan.web.static_files import StaticFiles, takes_gzip

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
LANGUAGE_COOKIE: Final = "ziyan_lang"

TEMPLATES: Final = Path(__file__).parent / "templates"
#: Nothing inline, nothing from or to another host; scripts cannot turn a string into markup.
CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_YEAR_SECONDS: Final = 365 * 24 * 60 * 60
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Visit:
    """What a page depends on, apart from its own content.

    Attributes:
        language: Asked for by ``?lang=``, else remembered, else Chinese.
        address: Scheme and host that the reader called the service by.
        path: Of the page.
        query: The query string's parameters but ``lang``.
        chosen: The language stands in the address, and is to be remembered.
        trial: The trial AppCode, if this reader may have it; secret.
        signed: The page is for whoever is signed in alone: no browser keeps it.
        returning: The browser holds a session, so that the way to one's own pages need not be called signing in.
    """

    language: Language
    address: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    chosen: bool = False
    trial: str = ""
    signed: bool = False
    returning: bool = False

    def text(self, chinese: str, english: str) -> str:
        """Whichever is this reader's language."""
        return chinese if self.language == "zh" else english

    def link(self, path: str) -> str:
        """An address inside the pages, which keeps the language also where cookies are not taken."""
        if self.language == "zh":
            return path
        page, mark, part = path.partition("#")
        return f"{page}{'&' if '?' in page else '?'}lang={self.language}{mark}{part}"

    def switch(self, language: Language) -> str:
        """This page's address in another language."""
        return f"{self.path}?{urlencode([*self.query, ('lang', language)])}"


def visit(request: Request, trial: str = "") -> Visit:
    """What to know of a request."""
    asked, remembered = request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)
    language = next((name for name in (asked, remembered) if name in LANGUAGES), "zh")
    query = tuple((name, value) for name, value in request.query_params.multi_items() if name != "lang")
    returning = holds_session(request)
    return Visit(
        cast(Language, language), address(request), request.url.path, query, asked in LANGUAGES, trial, False, returning
    )


def address(request: Request) -> str:
    """Scheme and host, as the caller spelled them; a host that is none does not get into a sample of a shell."""
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host if _HOST.fullmatch(host) else '127.0.0.1:8000'}"


class Renderer:
    """Fills templates in.

    Attributes:
        files: The static files that pages name.
    """

    def __init__(self, settings: Settings, files: StaticFiles) -> None:
        """Render for a service with these settings."""
        self.files = files
        self._contact = settings.support_contact
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        self._environment.filters.update(ticks=ticks, dotted=dotted)
        self._environment.globals.update(
            static=files.address,
            version=__version__,
            zone=settings.timezone,
            rooms=NAVIGATION,
            within=WITHIN,
            when=partial(when, settings.zone),
        )

    def fragment(self, template: str, visit: Visit, **values: Any) -> str:
        """HTML of a template."""
        return self._environment.get_template(template).render(
            visit=visit, t=visit.text, link=visit.link, contact=self._contact, **values
        )

    def page(self, request: Request, template: str, visit: Visit, *, status: int = 200, **values: Any) -> Response:
        """A whole page as an answer."""
        return page_answer(request, visit, self.fragment(template, visit, **values), status)


def when(zone: tzinfo, moment: int | None) -> str:
    """A moment to the minute, in a zone; a dash for none."""
    return f"{datetime.fromtimestamp(moment / 1000, zone):%Y-%m-%d %H:%M}" if moment is not None else "—"


def ticks(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def dotted(name: str) -> Markup:
    """A name that may go on in the next line behind a dot."""
    return Markup(str(escape(name)).replace(".", ".<wbr>"))  # noqa: S704 - escaped before


def page_answer(request: Request, visit: Visit, html: str, status: int = 200) -> Response:
    """HTML with the headers that every page has.

    A page with the trial AppCode, or of somebody who is signed in, is not kept by the browser.  The latter, and the
    answer to a form, are not compressed: they repeat what somebody wrote beside what is secret.
    """
    content = html.encode()
    tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
    headers = {
        **_HEADERS,
        "Cache-Control": "no-store" if visit.trial or visit.signed or request.method == "POST" else "private, no-cache",
        "Vary": "Cookie, Accept-Encoding",
        "Content-Language": "zh-CN" if visit.language == "zh" else "en",
    }
    if visit.chosen:
        headers["Set-Cookie"] = (
            f"{LANGUAGE_COOKIE}={visit.language}; Max-Age={_YEAR_SECONDS}; Path=/; SameSite=Lax; HttpOnly"
        )
    if request.method != "POST" and status == 200 and not visit.signed:
        headers["ETag"] = tag
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if takes_gzip(request.headers):
            content = gzip.compress(content, 6, mtime=0)
            headers["Content-Encoding"] = "gzip"
    return Response(content, status, headers=headers, media_type="text/html; charset=utf-8")
