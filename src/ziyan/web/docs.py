"""``/docs``: the documentation for callers, in Chinese and English, and its search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ziyan.api import openapi
from ziyan.api.native_request import offered
from ziyan.api.own_platform import MAX_APPID_CHARS
from ziyan.api.problems import PROBLEMS
from ziyan.api.refusals import Check, SignInCheck
from ziyan.api.upload import MAX_PICTURE_BYTES
from ziyan.fetch import MAX_URL_CHARS
from ziyan.metering.store import Store
from ziyan.settings import Settings
from ziyan.web import plain_words
from ziyan.web.figures import figures
from ziyan.web.markdown import Section, code_block, render, sections
from ziyan.web.reference import operations
from ziyan.web.rendering import LANGUAGE_COOKIE, LANGUAGES, Language, Renderer, Visit, visit
from ziyan.web.samples import APPCODE_MARK, URL_MARK, samples
from ziyan.web.trial import trial_code

CONTENT: Final = Path(__file__).parent / "content"
#: Name of each page, its title in Chinese and English; in the order of the contents.
PAGES: Final = (
    ("quickstart", "快速开始", "Quick start"),
    ("samples", "代码示例", "Samples"),
    ("ocr", "参数与返回", "Parameters and answers"),
    ("errors", "错误与处理", "Errors"),
    ("signing", "签名方式", "Signing in"),
    ("billing", "计费规则", "Billing"),
    ("migrate", "从云市场迁移", "Moving from the marketplace"),
    ("api", "API 参考", "API reference"),
    ("accuracy", "准确率与速度", "Accuracy and speed"),
    ("privacy", "隐私与合法使用", "Privacy and lawful use"),
)
_MAX_QUERY_CHARS: Final = 100
_MAX_FOUND: Final = 20
_EXCERPT_CHARS: Final = 110


@dataclass(frozen=True, slots=True)
class Found:
    """A place that a search found.

    Attributes:
        page: Title of its page.
        title: Its heading.
        path: Its address.
        excerpt: What stands there, around the first word that was looked for.
    """

    page: str
    title: str
    path: str
    excerpt: str


class Docs:
    """All pages, made once for each language; only the reader's own values are filled in for each visit."""

    def __init__(self, settings: Settings, store: Store, renderer: Renderer) -> None:
        """Make every page."""
        self._settings = settings
        self._store = store
        self._renderer = renderer
        self._pages = {(language, page[0]): self._make(language, page[0]) for language in LANGUAGES for page in PAGES}
        self._sections = {key: sections(html) for key, html in self._pages.items()}

    async def page(self, request: Request) -> Response:
        """One page; a page of its own for names that there are not."""
        name = request.path_params.get("name", "quickstart")
        here = visit(request, await trial_code(self._settings, self._store, request))
        html = self._pages.get((here.language, name))
        if html is None:
            return self._renderer.page(request, "missing.html", here, status=404, contents=contents(here), current="")
        own = {URL_MARK: ("url", here.address), APPCODE_MARK: ("appcode", here.trial or "YOUR_APPCODE")}
        for mark, (what, value) in own.items():
            html = html.replace(mark, f'<span data-fill="{what}">{escape(value)}</span>')
        return self._renderer.page(
            request,
            "docs.html",
            here,
            content=html,
            title=title_of(name, here),
            parts=[part for part in self._sections[here.language, name] if part.anchor],
            contents=contents(here),
            current=name,
        )

    async def search(self, request: Request) -> Response:
        """What was found, as a page; the trial AppCode stays out of a page that repeats what somebody wrote."""
        here = visit(request)
        query = request.query_params.get("q", "")[:_MAX_QUERY_CHARS].strip()
        found = self.find(here, query)
        return self._renderer.page(
            request, "search.html", here, query=query, found=found, contents=contents(here), current=""
        )

    async def index(self, request: Request) -> Response:
        """The same for the script that searches while somebody types."""
        here = visit(request)
        query = request.query_params.get("q", "")[:_MAX_QUERY_CHARS].strip()
        found = [
            {"page": one.page, "title": one.title, "path": here.link(one.path), "excerpt": one.excerpt}
            for one in self.find(here, query)
        ]
        return JSONResponse(found, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})

    def find(self, here: Visit, query: str) -> list[Found]:
        """Places that hold every word of a query, those with one in the heading first."""
        words = query.lower().split()
        scored: list[tuple[int, Found]] = []
        for name, *_ in PAGES if words else ():
            for section in self._sections[here.language, name]:
                title, text = section.title.lower(), section.text.lower()
                if all(word in title or word in text for word in words):
                    score = sum(word in title for word in words)
                    scored.append((-score, _found(here, name, section, words)))
        return [found for _, found in sorted(scored, key=lambda pair: pair[0])][:_MAX_FOUND]

    def _make(self, language: Language, name: str) -> str:
        """HTML of a page, with marks for what is the reader's own."""
        here = Visit(language, URL_MARK, f"/docs/{name}")
        labels = here.text("复制", "Copy"), here.text("已复制", "Copied"), here.text("请手动选择", "Select it by hand")
        source = (CONTENT / language / f"{name}.md").read_text("utf-8")
        values = {"URL": URL_MARK, "APPCODE": APPCODE_MARK, **_limits(self._settings)}
        source = re.sub(r"\{\{ (\w+) \}\}", lambda found: str(values[found[1]]), source)
        source = re.sub(r"\]\((/[^)]*)\)", lambda found: f"]({here.link(found[1])})", source)
        return render(source, self._blocks(here, labels, set(re.findall(r"^\[\[(\w+)\]\]$", source, re.MULTILINE))),
                      name, labels)  # fmt: skip

    def _blocks(self, here: Visit, labels: tuple[str, str, str], wanted: set[str]) -> dict[str, str]:
        """What code makes, by name."""
        values: dict[str, Any] = {
            "checks": [(str(check), plain_words.MESSAGES[check]) for check in Check],
            "signins": [(str(check), plain_words.MESSAGES[check]) for check in SignInCheck],
            "management": list(plain_words.MANAGEMENT.items()),
            "native": [(row, plain_words.NATIVE[row.code]) for row in PROBLEMS],
            "gateway": [(row, plain_words.GATEWAY[row.code]) for row in plain_words.rows().values()],
            "parameters": [(name, plain_words.PARAMETERS[name]) for name in _parameters()],
            "samples": [
                (sample, code_block(sample.code, sample.lexer, f"sample-{index}", labels))
                for index, sample in enumerate(samples())
            ],
            "operations": operations(openapi.document(offered(self._settings))) if "operations" in wanted else [],
            "figures": figures() if "figures" in wanted else None,
        }
        return {
            name: self._renderer.fragment("blocks.html", here, block=name, limits=_limits(self._settings), **values)
            for name in wanted
        }


def _limits(settings: Settings) -> dict[str, Any]:
    return {
        "MAX_PICTURE": f"{MAX_PICTURE_BYTES:,}",
        "MAX_URL_CHARS": MAX_URL_CHARS,
        "MAX_APPID_CHARS": MAX_APPID_CHARS,
        "MAX_PIXELS": f"{settings.max_pixels:,}",
        "DEADLINE": f"{settings.deadline:g}",
        "RATE_APP": f"{settings.rate_app:g}",
        "BLOCKS_VER": 1 if settings.ver_semantics == "samples" else 0,
        "WHOLE_VER": 0 if settings.ver_semantics == "samples" else 1,
        "COOKIE": LANGUAGE_COOKIE,
    }


def _parameters() -> list[str]:
    """Names of what ``/ocr`` takes, as its OpenAPI document has them."""
    content = openapi.document()["paths"]["/ocr"]["post"]["requestBody"]["content"]
    return list(content["application/x-www-form-urlencoded"]["schema"]["properties"])


def path_of(name: str) -> str:
    """Where a page is served."""
    return "/docs" if name == "quickstart" else f"/docs/{name}"


def title_of(name: str, here: Visit) -> str:
    """What a page is called."""
    return next(here.text(chinese, english) for page, chinese, english in PAGES if page == name)


def contents(here: Visit) -> list[tuple[str, str, str]]:
    """Name, address and title of every page."""
    return [(name, here.link(path_of(name)), here.text(chinese, english)) for name, chinese, english in PAGES]


def _found(here: Visit, name: str, section: Section, words: list[str]) -> Found:
    anchor = f"#{section.anchor}" if section.anchor else ""
    place = max(0, min((at for word in words if (at := section.text.lower().find(word)) >= 0), default=0) - 30)
    excerpt = section.text[place : place + _EXCERPT_CHARS]
    shown = f"{'…' if place else ''}{excerpt}{'…' if place + _EXCERPT_CHARS < len(section.text) else ''}"
    return Found(title_of(name, here), section.title, path_of(name) + anchor, shown)
