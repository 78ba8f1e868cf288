"""Pages of the documentation: Markdown → HTML, with places for what code makes."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from html import escape
from itertools import pairwise
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

from ziyan.web.samples import APPCODE_MARK, URL_MARK

_HEADING_ID: Final = re.compile(r"\s*\{#([a-z0-9_-]+)\}$")
_BLOCK: Final = re.compile(r"<p>ZIYANBLOCK(\w+?)ENDBLOCK</p>")
#: What a language is called above its code; Pygments' own names would do for the others.
_SHOWN: Final = {
    "": "", "bash": "Shell", "json": "JSON", "python": "Python", "javascript": "JavaScript", "php": "PHP",
    "java": "Java", "csharp": "C#", "go": "Go", "diff": "",
}  # fmt: skip
#: Lines of a sample that is better wrapped than scrolled.
_SHORT: Final = 3
_WIDE: Final = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")
_TAG: Final = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Section:
    """What stands under one heading, for the search.

    Attributes:
        anchor: Of the heading; empty for what stands above the first.
        title: The heading.
        text: Without markup.
    """

    anchor: str
    title: str
    text: str


def code_block(code: str, lexer: str, name: str, labels: tuple[str, str, str]) -> str:
    """A sample with its copy button; ``labels`` are for copying, copied, and not copied."""
    copy, copied, failed = map(escape, labels)
    lines: str = highlight(code, get_lexer_by_name(lexer or "text"), HtmlFormatter(nowrap=True))
    short = ' class="short"' if code.count("\n") <= _SHORT else ""
    return (
        f'<div class="snippet"><div class="snippet-head"><span>{escape(_SHOWN.get(lexer, lexer))}</span>'
        f'<button class="button" type="button" hidden data-copy-from="{name}" '
        f'data-copied="{copied}" data-not-copied="{failed}">{copy}</button></div>'
        f'<pre tabindex="0"{short}><code id="{name}">{lines}</code></pre></div>'
    )


def render(source: str, blocks: dict[str, str], name: str, labels: tuple[str, str, str]) -> str:
    """HTML of a page.

    Args:
        source: Markdown, trusted; ``[[name]]`` in a paragraph of its own stands for a block.
        blocks: HTML by name.
        name: Of the page; begins the identifiers of its samples.
        labels: As ``code_block`` takes them.

    Raises:
        KeyError: A block that there is not.
    """
    count = 0

    def fence(_renderer: Any, tokens: list[Token], index: int, _options: Any, _env: Any) -> str:
        nonlocal count
        count += 1
        return code_block(tokens[index].content, tokens[index].info.strip(), f"{name}-code-{count}", labels)

    converter = MarkdownIt("commonmark").enable("table")
    converter.add_render_rule("fence", fence)
    source = re.sub(r"^\[\[(\w+)\]\]$", r"ZIYANBLOCK\1ENDBLOCK", source, flags=re.MULTILINE)
    tokens = converter.parse(source)
    for opening, inline in pairwise(tokens):
        found = _HEADING_ID.search(inline.content) if opening.type == "heading_open" else None
        if found and inline.children:
            opening.attrSet("id", found[1])
            inline.children[-1].content = _HEADING_ID.sub("", inline.children[-1].content)
    for token in tokens:
        _join_lines(token.children or [])
    html: str = converter.renderer.render(tokens, converter.options, {})
    html = html.replace("<table>", '<div class="table" tabindex="0"><table>').replace("</table>", "</table></div>")
    return _BLOCK.sub(lambda found: blocks[found[1]], html)


def _join_lines(parts: list[Token]) -> None:
    """Take out line ends beside Chinese characters, which a browser would show as spaces."""
    for before, end, after in zip(parts, parts[1:], parts[2:], strict=False):
        if end.type == "softbreak" and (_WIDE.search(before.content[-1:]) or _WIDE.match(after.content[:1])):
            end.type, end.content = "text", ""


def sections(html: str) -> list[Section]:
    """The page in pieces, one for its beginning and each heading with an anchor, blocks included."""
    pieces = re.split(r'<h[1-3](?: id="([^"]*)")?>(.*?)</h[1-3]>', html, flags=re.DOTALL)[1:]
    found: list[Section] = []
    for anchor, title, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        if anchor or not found:
            found.append(Section(anchor or "", plain(title), plain(text)))
        else:
            found[-1] = replace(found[-1], text=f"{found[-1].text} {plain(title)} {plain(text)}")
    return found


def plain(html: str) -> str:
    """Text without markup."""
    text = _TAG.sub(" ", re.sub(r"<button.*?</button>", "", html, flags=re.DOTALL))
    for name, sign in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'"), ("&#39;", "'"), ("&amp;", "&")):
        text = text.replace(name, sign)
    return " ".join(text.replace(URL_MARK, "").replace(APPCODE_MARK, "").split())
